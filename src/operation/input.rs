//! What a decoder hands over: object graphs whose names and value types already fit the schema. Knows no JSON and no
//! graph; whether the content is allowed is decided by `crud`, inside the transaction.

use std::fmt;

use compact_str::CompactString;
use uuid::Uuid;

use crate::model::schema::Hop;
use crate::model::{Field, Kind, Rel, Value};

/// One object of a body. `at` is its JSON pointer, `""` for the root.
#[derive(Clone, PartialEq, Eq)]
pub struct ObjectInput {
    pub kind: Kind,
    pub id: Option<Uuid>,
    pub fields: Vec<FieldInput>,
    pub references: Vec<ReferenceInput>,
    pub related: Vec<RelatedInput>,
    pub at: CompactString,
}

/// `Own`, `Serial`, `Created` or `Updated`; `None` was sent as `null` and clears.
#[derive(Clone, PartialEq, Eq)]
pub struct FieldInput {
    pub field: Field,
    pub value: Option<Value>,
}

/// `ref_Parent_id`; `None` unlinks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferenceInput {
    pub rel: Rel,
    pub parent: Option<Uuid>,
    /// Where it stands in a map of entries; `None` in a plain object, under its name.
    pub entry: Option<u32>,
}

/// An object listed under another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelatedInput {
    pub hop: Hop,
    pub object: ObjectInput,
    /// The relation's own fields, from `relationAttributeObject`.
    pub fields: Vec<(u8, Option<Value>)>,
    /// The ends `relationAttributeObject` names (from, to): they must agree with where the object stands.
    pub ends: (Option<EndInput>, Option<EndInput>),
}

impl RelatedInput {
    /// The end that is sent as null, if one is, and whether it is the first: the two are unlinked.
    pub fn unlinks(&self) -> Option<(EndInput, bool)> {
        let ends = [(self.ends.0, true), (self.ends.1, false)];
        let mut ends = ends.into_iter().filter_map(|(end, is_from)| Some((end?, is_from)));
        ends.find(|(end, _)| end.id.is_none())
    }
}

/// An end as the relation object names it; `None` unlinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndInput {
    pub id: Option<Uuid>,
    /// As of a reference.
    pub entry: Option<u32>,
}

/// Import only: a relation by its ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationInput {
    pub rel: Rel,
    pub from: Uuid,
    pub to: Uuid,
    pub fields: Vec<(u8, Option<Value>)>,
    pub at: CompactString,
}

/// One line of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportLine {
    Object(ObjectInput),
    Relation(RelationInput),
}

/// Without values: a body may carry a password, and what is printed ends in a log.
impl fmt::Debug for ObjectInput {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ObjectInput")
            .field("kind", &self.kind)
            .field("id", &self.id)
            .field("fields", &self.fields)
            .field("references", &self.references)
            .field("related", &self.related)
            .field("at", &self.at)
            .finish()
    }
}

impl fmt::Debug for FieldInput {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{:?}{}",
            self.field,
            if self.value.is_none() { "=null" } else { "" }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_not_printed() {
        let secret = FieldInput {
            field: Field::Own(Kind::EmailAndPassword.field("passwordPlain").unwrap()),
            value: Some(Value::text("hunter2")),
        };
        let login = ObjectInput {
            kind: Kind::EmailAndPassword,
            id: None,
            fields: vec![secret],
            references: Vec::new(),
            related: Vec::new(),
            at: CompactString::new("/3"),
        };
        let printed = format!("{login:?}");
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}
