//! JSON to operation input: names become the schema's, values become values of their fields. Judges no content: what an
//! enumeration allows, who owns a field and what an id refers to are for `operation`.

use compact_str::CompactString;
use uuid::Uuid;

use crate::limits::Limits;
use crate::model::schema::{self, Hop};
use crate::model::{Field, Kind, RelationType};
use crate::operation::input::{
    EndInput, FieldInput, ImportLine, ObjectInput, ReferenceInput, RelatedInput, RelationInput,
};

use super::json::Json;
use super::names;
use super::pointer::{At, BodyError, nearest, shown};
use super::value;

type Read<T> = Result<T, BodyError>;
type Members<'t, 'a> = &'t [(std::borrow::Cow<'a, str>, Json<'a>)];

/// A body of POST or PUT: one object, an array of them, or the list a query answered.
pub fn objects(body: &[u8], limits: &Limits) -> Read<Vec<ObjectInput>> {
    let json = Json::parse(body, limits)?;
    each(&json, |json, at| match type_name(json, at)? {
        Some(name) if name != "ObjectRelation" && relation_type(name).is_none() => object(json, at, Place::Top),
        Some(name) => Err(BodyError::new(
            "unknownType",
            &At::Key(at, "__objType"),
            format!("`{name}` is a relation"),
        )
        .help(alone(name))),
        None => object(json, at, Place::Top),
    })
}

/// How a relation is sent that stands by itself.
fn alone(name: &str) -> String {
    let (member, named, own) = match relation_type(name) {
        Some(relation) => (
            "relationType",
            relation.name(),
            ", with this as its `relationAttributeObject`",
        ),
        None => ("multiplicity", "MANY_TO_MANY", ""),
    };
    format!(
        "list one of its ends in `rel_Relations` of the other, by `\"{member}\":\"{named}\"`{own}; only an import takes it alone"
    )
}

/// One line of an import: an object, or a relation by its ends.
pub fn import_line(line: &[u8], limits: &Limits) -> Read<ImportLine> {
    let (json, at) = (&Json::parse(line, limits)?, &At::Root);
    match type_name(json, at)? {
        Some("ObjectRelation") => relation(json, RelationType::ManyToMany, at).map(ImportLine::Relation),
        Some(name) => match relation_type(name) {
            Some(relation_type) => relation(json, relation_type, at).map(ImportLine::Relation),
            None => object(json, at, Place::Top).map(ImportLine::Object),
        },
        None => object(json, at, Place::Top).map(ImportLine::Object),
    }
}

fn each<T>(json: &Json<'_>, read: impl Fn(&Json<'_>, &At<'_>) -> Read<T>) -> Read<Vec<T>> {
    let list = |items: &[Json<'_>], at: &At<'_>| {
        items
            .iter()
            .enumerate()
            .map(|(index, item)| read(item, &At::Index(at, index)))
            .collect()
    };
    match json {
        Json::List(items) => list(items, &At::Root),
        Json::Object(members) if json.member("Items").is_some() || is_list(json) => {
            let mut items = None;
            for (name, value) in members {
                let at = At::Key(&At::Root, name);
                match (name.as_ref(), value) {
                    ("Items", Json::List(values)) => items = Some(values),
                    ("Items", _) => return Err(wrong_shape(&at, value, "an array of objects")),
                    ("__objType", Json::Text(class)) if names::short(class).ends_with(LIST) => {}
                    ("__objType", _) => return Err(wrong_shape(&at, value, "an ArrayList")),
                    ("nextCursor", Json::Text(_) | Json::Null) => {}
                    ("nextCursor", _) => return Err(wrong_shape(&at, value, "a cursor")),
                    _ => {
                        return Err(unknown_member(
                            name,
                            "an ArrayList",
                            &["__objType", "Items", "nextCursor"],
                            &at,
                        ));
                    }
                }
            }
            let Some(items) = items else {
                return Err(BodyError::new("wrongShape", &At::Root, "the list has no `Items`")
                    .help("`{\"__objType\":\"ArrayList\",\"Items\":[]}` is an empty one"));
            };
            list(items, &At::Key(&At::Root, "Items"))
        }
        _ => read(json, &At::Root).map(|one| vec![one]),
    }
}

/// What the class of a list ends in.
const LIST: &str = "List";

fn is_list(json: &Json<'_>) -> bool {
    let class = match json.member("__objType") {
        Some(Json::Text(class)) => names::short(class),
        _ => return false,
    };
    class.ends_with(LIST) && Kind::named(class).is_none()
}

/// The short name a text gives itself.
fn type_name<'t>(json: &'t Json<'_>, at: &At<'_>) -> Read<Option<&'t str>> {
    let Json::Object(_) = json else {
        return Err(wrong_shape(at, json, "an object"));
    };
    match json.member("__objType") {
        None => Ok(None),
        Some(Json::Text(class)) => Ok(Some(names::short(class))),
        Some(other) => Err(wrong_shape(&At::Key(at, "__objType"), other, "the name of a type")),
    }
}

/// What says its type has this one (`graph-api.md` 2.2); what says none is meant to.
fn is_a(json: &Json<'_>, expected: &str, at: &At<'_>) -> Read<()> {
    match type_name(json, at)? {
        Some(name) if name != expected => {
            let message = format!("`{}` stands where `{expected}` is expected", shown(name));
            Err(BodyError::new("wrongShape", &At::Key(at, "__objType"), message))
        }
        _ => Ok(()),
    }
}

fn relation_type(name: &str) -> Option<RelationType> {
    RelationType::NAMED
        .iter()
        .copied()
        .find(|relation| relation.name() == name)
}

fn kind_named(class: &str, at: &At<'_>) -> Read<Kind> {
    let name = names::short(class);
    match Kind::named(name) {
        Some(kind) if !kind.def().internal => Ok(kind),
        _ => {
            let error = BodyError::new("unknownType", at, format!("unknown type `{}`", shown(class)));
            Err(match nearest(name, Kind::public().map(Kind::name)) {
                Some(meant) => error.help(format!("did you mean `{meant}`?")),
                None => error.help("`GET /graph-schema` lists all types"),
            })
        }
    }
}

/// How an object hangs on the one it is listed under.
struct Link<'t> {
    /// The kind it is listed under.
    from: Kind,
    word: &'t str,
    /// From `relatedObjectType`.
    to: Option<Kind>,
}

/// Where an object stands: alone, or listed under another one, perhaps with its kind already said.
#[derive(Clone, Copy)]
enum Place {
    Top,
    Listed(Option<Kind>),
}

fn object(json: &Json<'_>, at: &At<'_>, place: Place) -> Read<ObjectInput> {
    let Json::Object(members) = json else {
        return Err(wrong_shape(at, json, "an object"));
    };
    let kind = kind_of(json, at, place)?;
    let mut input = ObjectInput {
        kind,
        id: None,
        fields: Vec::with_capacity(members.len().saturating_sub(2).min(8)),
        references: Vec::new(),
        related: Vec::new(),
        at: CompactString::from(at.pointer()),
    };
    let known = names::kind(kind);
    for (name, member) in members {
        let here = At::Key(at, name);
        if let Some(field) = known.members.get(name.as_ref()) {
            let (field_type, secret) = match field {
                Field::Own(index) => {
                    let own = &known.own[usize::from(*index)];
                    (own.field_type, own.secret)
                }
                common => (common.field_type(kind), false),
            };
            let value = value::read(member, field_type, secret, &here)?;
            input.fields.push(FieldInput { field: *field, value });
            continue;
        }
        match name.as_ref() {
            "__objType" => {}
            "id" => input.id = value::id(member, &here)?,
            "referenceFields" => references(member, &here, |name, id, entry, at| {
                let Some(parent) = known.parents.iter().find(|parent| parent.name == name) else {
                    let names = known
                        .parents
                        .iter()
                        .map(|parent| parent.name.as_str())
                        .collect::<Vec<_>>();
                    return Err(unknown_member(
                        name,
                        &format!("references of `{}`", kind.name()),
                        &names,
                        at,
                    ));
                };
                input.references.push(ReferenceInput {
                    rel: parent.rel,
                    parent: id,
                    entry,
                });
                Ok(())
            })?,
            "rel_Relations" => input.related = relations(member, kind, &here)?,
            // Read by the list it stands in: it belongs to the relation, not to the object.
            "relationAttributeObject" if matches!(place, Place::Listed(_)) => {}
            _ => return Err(unknown_field(name, kind, &here)),
        }
    }
    Ok(input)
}

fn kind_of(json: &Json<'_>, at: &At<'_>, place: Place) -> Read<Kind> {
    let expected = match place {
        Place::Top => None,
        Place::Listed(kind) => kind,
    };
    let here = At::Key(at, "__objType");
    let kind = match (json.member("__objType"), expected) {
        (Some(Json::Text(class)), _) => kind_named(class, &here)?,
        (Some(other), _) => return Err(wrong_shape(&here, other, "the name of a type")),
        (None, Some(kind)) => return Ok(kind),
        (None, None) => {
            return Err(BodyError::new("wrongShape", at, "the object has no `__objType`")
                .help("name its type: `\"__objType\":\"Organization\"`"));
        }
    };
    match expected {
        Some(expected) if expected != kind => Err(BodyError::new(
            "wrongShape",
            &here,
            format!(
                "`{}` is listed among objects of type `{}`",
                kind.name(),
                expected.name()
            ),
        )),
        _ => Ok(kind),
    }
}

/// `referenceFields`: a map of wrapped scalars, or a plain object.
/// `each` hears its place among the entries of a map.
fn references(
    json: &Json<'_>,
    at: &At<'_>,
    mut each: impl FnMut(&str, Option<Uuid>, Option<u32>, &At<'_>) -> Read<()>,
) -> Read<()> {
    let members = match json {
        Json::Null => return Ok(()),
        Json::Object(members) => members,
        _ => return Err(wrong_shape(at, json, "an object of references")),
    };
    let is_map = json.member("Entries").is_some()
        || matches!(json.member("__objType"), Some(Json::Text(class)) if names::short(class).ends_with("Map"));
    if !is_map {
        if let Some(named) = json.member("__objType") {
            return Err(wrong_shape(&At::Key(at, "__objType"), named, "a HashMap"));
        }
        for (name, member) in members {
            let here = At::Key(at, name);
            each(name, value::id(member, &here)?, None, &here)?;
        }
        return Ok(());
    }
    let entries = match json.member("Entries") {
        None | Some(Json::Null) => &[],
        Some(Json::List(entries)) => entries.as_slice(),
        Some(other) => return Err(wrong_shape(&At::Key(at, "Entries"), other, "an array of entries")),
    };
    known_members(members, "a HashMap", &["__objType", "Entries"], at)?;
    if type_name(json, at)?.is_some_and(|name| !name.ends_with("Map")) {
        let named = json.member("__objType").unwrap_or(json);
        return Err(wrong_shape(&At::Key(at, "__objType"), named, "a HashMap"));
    }
    let here = At::Key(at, "Entries");
    let mut seen: Vec<&str> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let here = At::Index(&here, index);
        let Json::Object(members) = entry else {
            return Err(wrong_shape(&here, entry, "an entry with `key` and `value`"));
        };
        known_members(members, "a KeyValue", &["__objType", "key", "value"], &here)?;
        is_a(entry, "KeyValue", &here)?;
        let key_at = At::Key(&here, "key");
        let name = match entry.member("key") {
            Some(key) => value::text(key, &key_at)?,
            None => return Err(BodyError::new("wrongShape", &here, "the entry has no `key`")),
        };
        if seen.contains(&name) {
            return Err(BodyError::new(
                "repeatedMember",
                &key_at,
                format!("the entry `{}` is given twice", shown(name)),
            ));
        }
        let value_at = At::Key(&here, "value");
        // Null unlinks, and what is forgotten does not.
        let Some(value) = entry.member("value") else {
            return Err(BodyError::new("wrongShape", &here, "the entry has no `value`").help("to unlink, send null"));
        };
        let id = value::id(value, &value_at)?;
        // What the key says is unknown before it is too many: the list of those seen stays as short as the schema's.
        each(name, id, u32::try_from(index).ok(), &key_at)?;
        seen.push(name);
    }
    Ok(())
}

fn relations(json: &Json<'_>, kind: Kind, at: &At<'_>) -> Read<Vec<RelatedInput>> {
    let entries = match json {
        Json::Null => return Ok(Vec::new()),
        Json::List(entries) => entries,
        _ => return Err(wrong_shape(at, json, "an array of relations")),
    };
    let mut all = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let at = At::Index(at, index);
        let Json::Object(members) = entry else {
            return Err(wrong_shape(
                &at,
                entry,
                "an entry with `rel_Relation` and `rel_RelatedObjectList`",
            ));
        };
        known_members(members, "a relation", &["rel_Relation", "rel_RelatedObjectList"], &at)?;
        let relation_at = At::Key(&at, "rel_Relation");
        let Some(relation) = entry.member("rel_Relation") else {
            return Err(BodyError::new("wrongShape", &at, "the entry has no `rel_Relation`"));
        };
        let link = link(relation, kind, &relation_at)?;
        let list_at = At::Key(&at, "rel_RelatedObjectList");
        let list = match entry.member("rel_RelatedObjectList") {
            None | Some(Json::Null) => continue,
            Some(list @ Json::Object(members)) => {
                known_members(
                    members,
                    "a RelatedObjectList",
                    &["__objType", "rel_RelatedObjects"],
                    &list_at,
                )?;
                is_a(list, "RelatedObjectList", &list_at)?;
                list
            }
            Some(other) => return Err(wrong_shape(&list_at, other, "a RelatedObjectList")),
        };
        let objects_at = At::Key(&list_at, "rel_RelatedObjects");
        match list.member("rel_RelatedObjects") {
            None | Some(Json::Null) => {}
            Some(Json::List(objects)) => {
                for (index, object) in objects.iter().enumerate() {
                    all.push(related(object, &link, &relation_at, &At::Index(&objects_at, index))?);
                }
            }
            Some(other) => return Err(wrong_shape(&objects_at, other, "an array of objects")),
        }
    }
    Ok(all)
}

/// `rel_Relation`: which relation its entry lists.
fn link<'t>(json: &'t Json<'_>, from: Kind, at: &At<'_>) -> Read<Link<'t>> {
    let Json::Object(members) = json else {
        return Err(wrong_shape(at, json, "an ObjectRelation"));
    };
    known_members(
        members,
        "a rel_Relation",
        &["__objType", "multiplicity", "relationType", "relatedObjectType"],
        at,
    )?;
    is_a(json, "ObjectRelation", at)?;
    let text = |name: &str| match json.member(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text.as_ref())),
        Some(other) => Err(wrong_shape(&At::Key(at, name), other, "a string")),
    };
    let word = match (text("multiplicity")?, text("relationType")?) {
        (Some(text), None) => match MULTIPLICITIES.iter().find(|(_, multiplicity)| *multiplicity == text) {
            Some((word, _)) => word,
            None => {
                let message = format!("unknown multiplicity `{}`", shown(text));
                let error = BodyError::new("unknownRelation", &At::Key(at, "multiplicity"), message);
                let help = "one of `ONE_TO_MANY`, `MANY_TO_ONE`, `MANY_TO_MANY`";
                return Err(match relation_type(names::short(text)) {
                    Some(relation) => error.help(format!("{help}; this one is {}", written(relation.name()))),
                    None => error.help(help),
                });
            }
        },
        (None, Some(class)) => match relation_type(names::short(class)) {
            Some(relation) => relation.name(),
            None => {
                let message = format!("unknown relation type `{}`", shown(class));
                let error = BodyError::new("unknownRelation", &At::Key(at, "relationType"), message);
                let known = RelationType::NAMED.iter().map(|relation| relation.name());
                return Err(match nearest(names::short(class), known.clone()) {
                    Some(meant) => error.help(format!("did you mean `{meant}`?")),
                    None => error.help(format!("one of {}", known.collect::<Vec<_>>().join(", "))),
                });
            }
        },
        (None, None) => {
            return Err(BodyError::new(
                "wrongShape",
                at,
                "the relation has neither `multiplicity` nor `relationType`",
            ));
        }
        (Some(_), Some(_)) => {
            return Err(BodyError::new(
                "wrongShape",
                at,
                "the relation has both `multiplicity` and `relationType`",
            ));
        }
    };
    let to = match text("relatedObjectType")? {
        Some(class) => Some(kind_named(class, &At::Key(at, "relatedObjectType"))?),
        None => None,
    };
    if let Some(to) = to {
        hop(from, word, to, at)?;
    }
    Ok(Link { from, word, to })
}

/// The word after `~` of a selector, and the `multiplicity` of a body that says the same. Any other word is a `relationType`.
const MULTIPLICITIES: [(&str, &str); 3] = [
    ("OneToMany", "ONE_TO_MANY"),
    ("ManyToOne", "MANY_TO_ONE"),
    ("ManyToMany", "MANY_TO_MANY"),
];

/// A word of a selector as a body has it.
fn written(word: &str) -> String {
    match MULTIPLICITIES.iter().find(|(known, _)| *known == word) {
        Some((_, multiplicity)) => format!("`\"multiplicity\":\"{multiplicity}\"`"),
        None => format!("`\"relationType\":\"{word}\"`"),
    }
}

fn hop(from: Kind, word: &str, to: Kind, at: &At<'_>) -> Read<Hop> {
    schema::hop(from, word, to).ok_or_else(|| {
        let message = format!("no relation `~{word}` leads from `{}` to `{}`", from.name(), to.name());
        let error = BodyError::new("unknownRelation", at, message);
        let between: Vec<&str> = from
            .hops()
            .iter()
            .filter(|hop| hop.to() == to)
            .map(|hop| hop.word())
            .collect();
        if between.is_empty() {
            let all: Vec<String> = from
                .hops()
                .iter()
                .map(|hop| format!("~{}/{}", hop.word(), hop.to().name()))
                .collect();
            error.help(format!(
                "from `{}` lead {}; in a body ~OneToMany is {}, and a relation with a name of its own, such as ~Membership, is {}",
                from.name(),
                all.join(", "),
                written("OneToMany"),
                written("Membership"),
            ))
        } else {
            let each: Vec<String> = between.iter().map(|word| format!("~{word}, in a body {}", written(word))).collect();
            error.help(format!("between these two there is {}", each.join("; ")))
        }
    })
}

fn related(json: &Json<'_>, link: &Link<'_>, relation_at: &At<'_>, at: &At<'_>) -> Read<RelatedInput> {
    let object = object(json, at, Place::Listed(link.to))?;
    let hop = hop(link.from, link.word, object.kind, relation_at)?;
    let mut input = RelatedInput {
        hop,
        object,
        fields: Vec::new(),
        ends: (None, None),
    };
    let here = At::Key(at, "relationAttributeObject");
    let members = match json.member("relationAttributeObject") {
        None | Some(Json::Null) => return Ok(input),
        Some(_) if hop.rel.def().relation_type == RelationType::OneToMany => {
            let message = format!("a relation `~{}` has no attributes", hop.word());
            return Err(BodyError::new("wrongShape", &here, message)
                .help("to unlink, send the `ref_…_id` in the child's `referenceFields` as null"));
        }
        Some(Json::Object(members)) => members,
        Some(other) => return Err(wrong_shape(&here, other, "a relation object")),
    };
    let relation_type = hop.rel.def().relation_type;
    let known = [relation_type.name(), names::relation_object(relation_type)];
    if let Some(named) = type_name(json.member("relationAttributeObject").unwrap_or(json), &here)?
        && !known.contains(&named)
    {
        let message = format!("`{}` stands on a relation `{}`", shown(named), relation_type.name());
        return Err(BodyError::new("wrongShape", &At::Key(&here, "__objType"), message));
    }
    relation_members(members, hop, &here, &mut input)?;
    Ok(input)
}

fn relation_members(members: Members<'_, '_>, hop: Hop, at: &At<'_>, input: &mut RelatedInput) -> Read<()> {
    let def = hop.rel.def();
    let known = names::rel(hop.rel);
    for (name, member) in members {
        let here = At::Key(at, name);
        if let Some(index) = def.field(name) {
            let value = value::read(member, def.fields[usize::from(index)].field_type, false, &here)?;
            input.fields.push((index, value));
            continue;
        }
        match name.as_ref() {
            "__objType" => {}
            "referenceFields" => references(member, &here, |name, id, entry, at| {
                let end = Some(EndInput { id, entry });
                if name == known.ends.0 {
                    input.ends.0 = end;
                } else if name == known.ends.1 {
                    input.ends.1 = end;
                } else {
                    let owner = format!("references of `{}`", def.relation_type.name());
                    return Err(unknown_member(name, &owner, &[&known.ends.0, &known.ends.1], at));
                }
                Ok(())
            })?,
            _ => return Err(unknown_relation_field(name, def.relation_type, &here)),
        }
    }
    Ok(())
}

/// A relation on a line of its own.
fn relation(json: &Json<'_>, relation_type: RelationType, at: &At<'_>) -> Read<RelationInput> {
    let Json::Object(members) = json else {
        return Err(wrong_shape(at, json, "an object"));
    };
    if relation_type == RelationType::ManyToMany
        && json.member("multiplicity") != Some(&Json::Text("MANY_TO_MANY".into()))
    {
        return Err(BodyError::new(
            "wrongShape",
            at,
            "an `ObjectRelation` has the multiplicity `MANY_TO_MANY`",
        )
        .help("a one-to-many is the `ref_…_id` in its child's `referenceFields`"));
    }
    let mut ends: Vec<(CompactString, Option<Uuid>)> = Vec::with_capacity(2);
    if let Some(member) = json.member("referenceFields") {
        let here = At::Key(at, "referenceFields");
        references(member, &here, |name, id, _, at| {
            let mut known = names::rows(relation_type).flat_map(|row| [row.ends.0.as_str(), row.ends.1.as_str()]);
            if known.any(|known| known == name) {
                ends.push((CompactString::new(name), id));
                return Ok(());
            }
            let all: Vec<&str> = names::rows(relation_type)
                .flat_map(|row| [row.ends.0.as_str(), row.ends.1.as_str()])
                .collect();
            Err(unknown_member(
                name,
                &format!("references of `{}`", relation_type.name()),
                &all,
                at,
            ))
        })?;
    }
    let end = |name: &str| ends.iter().find(|(known, _)| known == name).and_then(|(_, id)| *id);
    let row = names::rows(relation_type)
        .find_map(|row| Some((row.rel, end(&row.ends.0)?, end(&row.ends.1)?)).filter(|_| ends.len() == 2));
    let Some((rel, from, to)) = row else {
        let rows: Vec<String> = names::rows(relation_type)
            .map(|row| format!("`{}` and `{}`", row.ends.0, row.ends.1))
            .collect();
        return Err(BodyError::new(
            "wrongShape",
            at,
            format!("the `{}` does not name its two ends", relation_type.name()),
        )
        .help(format!("its `referenceFields` are {}", rows.join(", or "))));
    };
    let def = rel.def();
    let mut input = RelationInput {
        rel,
        from,
        to,
        fields: Vec::new(),
        at: CompactString::from(at.pointer()),
    };
    for (name, member) in members {
        let here = At::Key(at, name);
        match (def.field(name), name.as_ref()) {
            (Some(index), _) => {
                let value = value::read(member, def.fields[usize::from(index)].field_type, false, &here)?;
                input.fields.push((index, value));
            }
            (None, "__objType" | "referenceFields") => {}
            (None, "multiplicity") if relation_type == RelationType::ManyToMany => {}
            _ => return Err(unknown_relation_field(name, relation_type, &here)),
        }
    }
    Ok(input)
}

pub(super) fn wrong_shape(at: &At<'_>, found: &Json<'_>, expected: &str) -> BodyError {
    BodyError::new(
        "wrongShape",
        at,
        format!("`{}` stands where {expected} is expected", found.shown()),
    )
}

fn known_members(members: Members<'_, '_>, owner: &str, known: &[&str], at: &At<'_>) -> Read<()> {
    match members.iter().find(|(name, _)| !known.contains(&name.as_ref())) {
        None => Ok(()),
        Some((name, _)) => Err(unknown_member(name, owner, known, &At::Key(at, name))),
    }
}

fn unknown_member(name: &str, owner: &str, known: &[&str], at: &At<'_>) -> BodyError {
    let error = BodyError::new(
        "unknownField",
        at,
        format!("unknown member `{}` in {owner}", shown(name)),
    );
    match nearest(name, known.iter().copied()) {
        Some(meant) => error.help(format!("did you mean `{meant}`?")),
        None if known.is_empty() => error.help("there are none"),
        None => error.help(format!("known here: {}", known.join(", "))),
    }
}

fn unknown_field(name: &str, kind: Kind, at: &At<'_>) -> BodyError {
    let error = BodyError::new(
        "unknownField",
        at,
        format!("unknown field `{}` on `{}`", shown(name), kind.name()),
    );
    let known = names::kind(kind);
    if known.parents.iter().any(|parent| parent.name == name) {
        return error.help("references stand in `referenceFields`");
    }
    if name == "relationAttributeObject" {
        return error.help("it belongs to an object listed in `rel_Relations`");
    }
    let own = kind
        .def()
        .fields
        .iter()
        .filter(|field| !field.server_owned)
        .map(|field| field.name);
    let names: Vec<&str> = ["id"]
        .into_iter()
        .chain(own)
        .chain(["referenceFields", "rel_Relations"])
        .collect();
    match nearest(name, names.iter().copied()) {
        Some(meant) => error.help(format!("did you mean `{meant}`?")),
        None => error.help(format!("`{}` has {}", kind.name(), names.join(", "))),
    }
}

fn unknown_relation_field(name: &str, relation_type: RelationType, at: &At<'_>) -> BodyError {
    let fields = names::rows(relation_type)
        .flat_map(|row| row.rel.def().fields)
        .map(|field| field.name);
    let known: Vec<&str> = fields.chain(["referenceFields"]).collect();
    unknown_member(name, &format!("a `{}`", relation_type.name()), &known, at)
}

#[cfg(test)]
mod tests;
