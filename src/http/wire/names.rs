//! The schema's names as the wire spells them, made once: what a name means while reading, and the bytes around a value
//! while writing. Decides nothing.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::model::schema::{self, FieldDef};
use crate::model::{Direction, Field, FieldType, Kind, Rel, RelationType};

pub(super) struct KindNames {
    /// `{"__objType":"License","id":`
    pub open: Vec<u8>,
    /// Plain members: common and own fields, not `id`.
    pub members: HashMap<&'static str, Field, foldhash::fast::RandomState>,
    pub own: Vec<OwnField>,
    pub parents: Vec<Parent>,
}

pub(super) struct OwnField {
    /// `,"validFrom":`
    pub open: Vec<u8>,
    pub field_type: FieldType,
    pub secret: bool,
}

/// A reference to the parent by a one-to-many.
pub(super) struct Parent {
    pub rel: Rel,
    /// `ref_Organization_id`
    pub name: String,
    /// `{"__objType":"KeyValue","key":{…},"value":{"__objType":"UUID","value":`
    pub entry: Vec<u8>,
    /// `"ref_Organization_id":`
    pub plain: Vec<u8>,
}

pub(super) struct RelNames {
    pub rel: Rel,
    /// `ref_Profile_id`, `ref_ProfileGroup_id`
    pub ends: (String, String),
    /// As in `Parent::entry` and `Parent::plain`, for both ends.
    pub end_entries: (Vec<u8>, Vec<u8>),
    pub end_plain: (Vec<u8>, Vec<u8>),
    pub own: Vec<OwnField>,
    /// `{"rel_Relation":{…},"rel_RelatedObjectList":{"__objType":"RelatedObjectList","rel_RelatedObjects":[`, forward
    /// and backward.
    pub list: (Vec<u8>, Vec<u8>),
    /// `,"relationAttributeObject":{"__objType":"Membership"`
    pub attributes: Vec<u8>,
    /// `"__objType":"Membership"`, or that of an `ObjectRelation` with its multiplicity.
    pub line: Vec<u8>,
}

impl RelNames {
    pub fn list(&self, direction: Direction) -> &[u8] {
        match direction {
            Direction::Forward => &self.list.0,
            Direction::Backward => &self.list.1,
        }
    }
}

/// The value of `multiplicity` for an unnamed relation.
pub(super) fn multiplicity(relation_type: RelationType, direction: Direction) -> Option<&'static str> {
    match (relation_type, direction) {
        (RelationType::OneToMany, Direction::Forward) => Some("ONE_TO_MANY"),
        (RelationType::OneToMany, Direction::Backward) => Some("MANY_TO_ONE"),
        (RelationType::ManyToMany, _) => Some("MANY_TO_MANY"),
        _ => None,
    }
}

/// What the object of a relation calls itself: that of one without a name is no more than a relation.
pub(super) fn relation_object(relation_type: RelationType) -> &'static str {
    match relation_type.is_named() {
        true => relation_type.name(),
        false => "ObjectRelation",
    }
}

/// What comes after the last dot: any prefix is welcome.
pub(super) fn short(class: &str) -> &str {
    class.rsplit_once('.').map_or(class, |(_, name)| name)
}

pub(super) fn kind(kind: Kind) -> &'static KindNames {
    &KINDS[kind as usize]
}

pub(super) fn rel(rel: Rel) -> &'static RelNames {
    &RELS[usize::from(rel.0)]
}

/// The rows of a relation type: a relation line is one of them, by the names of its ends.
pub(super) fn rows(relation_type: RelationType) -> impl Iterator<Item = &'static RelNames> {
    RELS.iter()
        .filter(move |names| names.rel.def().relation_type == relation_type)
}

static KINDS: LazyLock<Vec<KindNames>> = LazyLock::new(|| {
    let names = |kind: &Kind| {
        let kind = *kind;
        let common = [
            ("serial", Field::Serial),
            ("created", Field::Created),
            ("updated", Field::Updated),
        ];
        let own = kind
            .def()
            .fields
            .iter()
            .enumerate()
            .map(|(index, field)| (field.name, Field::Own(index as u8)));
        KindNames {
            open: format!("{{\"__objType\":\"{}\",\"id\":", kind.name()).into_bytes(),
            members: common.into_iter().chain(own).collect(),
            own: own_fields(kind.def().fields),
            parents: kind.parents().iter().map(|rel| parent(*rel)).collect(),
        }
    };
    Kind::ALL.iter().map(names).collect()
});

static RELS: LazyLock<Vec<RelNames>> = LazyLock::new(|| {
    let names = |rel: Rel| {
        let def = rel.def();
        let ends = def.end_names();
        let list = |direction, kind: Kind| {
            let relation = match multiplicity(def.relation_type, direction) {
                Some(multiplicity) => format!("\"multiplicity\":\"{multiplicity}\""),
                None => format!("\"relationType\":\"{}\"", def.relation_type.class_name()),
            };
            format!(
                "{{\"rel_Relation\":{{\"__objType\":\"ObjectRelation\",{relation},\"relatedObjectType\":\"{}\"}},\
                 \"rel_RelatedObjectList\":{{\"__objType\":\"RelatedObjectList\",\"rel_RelatedObjects\":[",
                kind.class_name()
            )
            .into_bytes()
        };
        let type_name = relation_object(def.relation_type);
        let line = match multiplicity(def.relation_type, Direction::Forward) {
            Some(multiplicity) => format!("\"__objType\":\"{type_name}\",\"multiplicity\":\"{multiplicity}\""),
            None => format!("\"__objType\":\"{type_name}\""),
        };
        RelNames {
            rel,
            end_entries: (entry(&ends.0), entry(&ends.1)),
            end_plain: (plain(&ends.0), plain(&ends.1)),
            ends,
            own: own_fields(def.fields),
            list: (list(Direction::Forward, def.to), list(Direction::Backward, def.from)),
            attributes: format!(",\"relationAttributeObject\":{{\"__objType\":\"{type_name}\"").into_bytes(),
            line: line.into_bytes(),
        }
    };
    schema::relations().map(names).collect()
});

fn own_fields(fields: &[FieldDef]) -> Vec<OwnField> {
    let own = |field: &FieldDef| OwnField {
        open: format!(",\"{}\":", field.name).into_bytes(),
        field_type: field.field_type,
        secret: field.secret,
    };
    fields.iter().map(own).collect()
}

fn parent(rel: Rel) -> Parent {
    let name = rel.def().reference_name();
    Parent {
        rel,
        entry: entry(&name),
        plain: plain(&name),
        name,
    }
}

fn entry(name: &str) -> Vec<u8> {
    format!(
        "{{\"__objType\":\"KeyValue\",\"key\":{{\"__objType\":\"String\",\"value\":\"{name}\"}},\
         \"value\":{{\"__objType\":\"UUID\",\"value\":"
    )
    .into_bytes()
}

fn plain(name: &str) -> Vec<u8> {
    format!("\"{name}\":").into_bytes()
}
