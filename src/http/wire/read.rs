//! JSON to operation input: names become the schema's, values become values of their fields. Judges no content: what an
//! enumeration allows, who owns a field and what an id refers to are for `operation`.

use compact_str::CompactString;
use uuid::Uuid;

use crate::limits::Limits;
use crate::model::schema::{self, Hop};
use crate::model::{Field, Kind, RelationType};
use crate::operation::input::{FieldInput, ImportLine, ObjectInput, ReferenceInput, RelatedInput, RelationInput};

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
        .help("send it as the `relationAttributeObject` of an object listed in `rel_Relations`")),
        None => object(json, at, Place::Top),
    })
}

/// One line of an import: an object, or a relation by its ends.
pub fn import_line(line: &[u8], limits: &Limits) -> Read<ImportLine> {
    import(&Json::parse(line, limits)?, &At::Root)
}

/// An import that is one JSON text: an object, an array, or the list a query answered.
pub fn import_document(body: &[u8], limits: &Limits) -> Read<Vec<ImportLine>> {
    each(&Json::parse(body, limits)?, import)
}

fn import(json: &Json<'_>, at: &At<'_>) -> Read<ImportLine> {
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
        Json::Object(members) if json.member("Items").is_some() => {
            let mut items: &[Json<'_>] = &[];
            for (name, value) in members {
                let at = At::Key(&At::Root, name);
                match (name.as_ref(), value) {
                    ("Items", Json::List(values)) => items = values,
                    ("Items", _) => return Err(wrong_shape(&at, value, "an array of objects")),
                    ("__objType", Json::Text(_)) | ("nextCursor", Json::Text(_)) => {}
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
            list(items, &At::Key(&At::Root, "Items"))
        }
        _ => read(json, &At::Root).map(|one| vec![one]),
    }
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
            "referenceFields" => references(member, &here, |name, id, at| {
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
fn references(json: &Json<'_>, at: &At<'_>, mut each: impl FnMut(&str, Option<Uuid>, &At<'_>) -> Read<()>) -> Read<()> {
    let members = match json {
        Json::Null => return Ok(()),
        Json::Object(members) => members,
        _ => return Err(wrong_shape(at, json, "an object of references")),
    };
    let is_map = json.member("Entries").is_some()
        || matches!(json.member("__objType"), Some(Json::Text(class)) if names::short(class).ends_with("Map"));
    if !is_map {
        for (name, member) in members.iter().filter(|(name, _)| name != "__objType") {
            let here = At::Key(at, name);
            each(name, value::id(member, &here)?, &here)?;
        }
        return Ok(());
    }
    let entries = match json.member("Entries") {
        None | Some(Json::Null) => &[],
        Some(Json::List(entries)) => entries.as_slice(),
        Some(other) => return Err(wrong_shape(&At::Key(at, "Entries"), other, "an array of entries")),
    };
    known_members(members, "a HashMap", &["__objType", "Entries"], at)?;
    let here = At::Key(at, "Entries");
    let mut seen: Vec<&str> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let here = At::Index(&here, index);
        let Json::Object(members) = entry else {
            return Err(wrong_shape(&here, entry, "an entry with `key` and `value`"));
        };
        known_members(members, "a KeyValue", &["__objType", "key", "value"], &here)?;
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
        let id = entry
            .member("value")
            .map_or(Ok(None), |value| value::id(value, &value_at))?;
        // What the key says is unknown before it is too many: the list of those seen stays as short as the schema's.
        each(name, id, &key_at)?;
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
        known_members(
            members,
            "a relation",
            &["__objType", "rel_Relation", "rel_RelatedObjectList"],
            &at,
        )?;
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
    let text = |name: &str| match json.member(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text.as_ref())),
        Some(other) => Err(wrong_shape(&At::Key(at, name), other, "a string")),
    };
    let word = match (text("multiplicity")?, text("relationType")?) {
        (Some("ONE_TO_MANY"), None) => "OneToMany",
        (Some("MANY_TO_ONE"), None) => "ManyToOne",
        (Some("MANY_TO_MANY"), None) => "ManyToMany",
        (Some(other), None) => {
            let message = format!("unknown multiplicity `{}`", shown(other));
            return Err(BodyError::new("unknownRelation", &At::Key(at, "multiplicity"), message)
                .help("one of `ONE_TO_MANY`, `MANY_TO_ONE`, `MANY_TO_MANY`"));
        }
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
            error.help(format!("from `{}` lead {}", from.name(), all.join(", ")))
        } else {
            error.help(format!("between these two there is ~{}", between.join(", ~")))
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
        Some(_) if !hop.rel.def().relation_type.is_named() => {
            let message = format!("a relation `~{}` has no attributes", hop.word());
            return Err(BodyError::new("wrongShape", &here, message));
        }
        Some(Json::Object(members)) => members,
        Some(other) => return Err(wrong_shape(&here, other, "a relation object")),
    };
    let relation_type = hop.rel.def().relation_type.name();
    if let Some(named) = type_name(json.member("relationAttributeObject").unwrap_or(json), &here)?
        && named != relation_type
    {
        let message = format!("`{}` stands on a relation `{relation_type}`", shown(named));
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
            "referenceFields" => references(member, &here, |name, id, at| {
                if name == known.ends.0 {
                    input.ends.0 = id;
                } else if name == known.ends.1 {
                    input.ends.1 = id;
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
        references(member, &here, |name, id, at| {
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
mod tests {
    use super::*;
    use crate::model::Value;

    const A: &str = "0b6e0000-0000-4000-8000-000000000001";
    const B: &str = "0b6e0000-0000-4000-8000-000000000002";

    /// Inputs in one line each: `Kind@pointer#id field=value >ref … [~Word/Kind …]`.
    fn shown_value(value: Option<&Value>) -> String {
        match value {
            None => "null".to_owned(),
            Some(Value::Time(time)) => time.to_string(),
            Some(Value::Uuid(id)) => short_id(Some(*id)),
            Some(Value::Text(text)) => format!("'{text}'"),
            Some(Value::Int(number)) => number.to_string(),
            Some(Value::Bool(flag)) => flag.to_string(),
        }
    }

    fn short_id(id: Option<Uuid>) -> String {
        match id {
            None => "null".to_owned(),
            Some(id) if id.to_string() == A => "A".to_owned(),
            Some(id) if id.to_string() == B => "B".to_owned(),
            Some(id) => id.to_string(),
        }
    }

    fn shown_object(input: &ObjectInput) -> String {
        let mut text = format!("{}@{}", input.kind.name(), input.at);
        if input.id.is_some() {
            text += &format!("#{}", short_id(input.id));
        }
        for field in &input.fields {
            text += &format!(
                " {}={}",
                field.field.name(input.kind),
                shown_value(field.value.as_ref())
            );
        }
        for reference in &input.references {
            text += &format!(
                " >{}={}",
                reference.rel.def().reference_name(),
                short_id(reference.parent)
            );
        }
        for related in &input.related {
            text += &format!(" [~{} {}", related.hop.word(), shown_object(&related.object));
            for (index, value) in &related.fields {
                let name = related.hop.rel.def().fields[usize::from(*index)].name;
                text += &format!(" ~{name}={}", shown_value(value.as_ref()));
            }
            if related.ends != (None, None) {
                text += &format!(" ~{}-{}", short_id(related.ends.0), short_id(related.ends.1));
            }
            text += "]";
        }
        text
    }

    fn shown_line(line: &ImportLine) -> String {
        match line {
            ImportLine::Object(object) => shown_object(object),
            ImportLine::Relation(relation) => {
                let def = relation.rel.def();
                let fields = relation.fields.iter().map(|(index, value)| {
                    format!(
                        " {}={}",
                        def.fields[usize::from(*index)].name,
                        shown_value(value.as_ref())
                    )
                });
                let (from, to) = (short_id(Some(relation.from)), short_id(Some(relation.to)));
                format!("{} {from}-{to}{}", def.stable_name(), fields.collect::<String>())
            }
        }
    }

    /// `'` in place of `"`, and A and B in place of ids.
    fn body(text: &str) -> String {
        text.replace('\'', "\"").replace("$A", A).replace("$B", B)
    }

    fn outcome<T>(read: Read<T>, show: impl Fn(&T) -> String) -> String {
        match read {
            Ok(read) => show(&read),
            Err(error) => {
                let help = error.help.map_or_else(String::new, |help| format!(" | {help}"));
                format!("{} {}: {}{help}", error.code, error.pointer, error.message)
            }
        }
    }

    fn check(text: &str, expected: &str) {
        let read = objects(body(text).as_bytes(), &Limits::default());
        let found = outcome(read, |all| all.iter().map(shown_object).collect::<Vec<_>>().join("; "));
        assert_eq!(found, expected, "{text}");
    }

    fn check_line(text: &str, expected: &str) {
        let read = import_line(body(text).as_bytes(), &Limits::default());
        assert_eq!(outcome(read, shown_line), expected, "{text}");
    }

    #[test]
    fn bodies_are_one_object_or_a_list() {
        for (text, expected) in [
            (
                "{'__objType':'Organization','id':'$A','name':'Nordlys'}",
                "Organization@#A name='Nordlys'",
            ),
            (
                "{'name':'Nordlys','__objType':'com.example.any.Organization'}",
                "Organization@ name='Nordlys'",
            ),
            ("[]", ""),
            (
                "[{'__objType':'Person'},{'__objType':'Profile'}]",
                "Person@/0; Profile@/1",
            ),
            (
                "{'__objType':'ArrayList','Items':[{'__objType':'Person'}],'nextCursor':'x'}",
                "Person@/Items/0",
            ),
            ("{'Items':[]}", ""),
        ] {
            check(text, expected);
        }
    }

    #[test]
    fn values_fit_their_fields() {
        let license = |members: &str| format!("{{'__objType':'License',{members}}}");
        for (members, expected) in [
            (
                "'validUntil':'2026-01-31T12:00:00.000Z'",
                "License@ validUntil=2026-01-31T12:00:00.000Z",
            ),
            (
                "'validUntil':'2026-01-31T14:00:00+02:00'",
                "License@ validUntil=2026-01-31T12:00:00.000Z",
            ),
            (
                "'validUntil':1769860800000",
                "License@ validUntil=2026-01-31T12:00:00.000Z",
            ),
            (
                "'validUntil':{'__objType':'Date','value':1769860800000}",
                "License@ validUntil=2026-01-31T12:00:00.000Z",
            ),
            (
                "'validUntil':{'__objType':'java.util.Date','value':'2026-01-31'}",
                "License@ validUntil=2026-01-31T00:00:00.000Z",
            ),
            ("'validUntil':null,'name':''", "License@ validUntil=null name=''"),
            ("'name':{'__objType':'String','value':null}", "License@ name=null"),
            (
                "'active':{'__objType':'Boolean','value':false}",
                "License@ active=false",
            ),
            ("'id':null", "License@"),
            ("'id':{'__objType':'UUID','value':'$A'}", "License@#A"),
            (
                "'serial':7,'created':'2026-01-31','updated':0",
                "License@ serial=7 created=2026-01-31T00:00:00.000Z updated=1970-01-01T00:00:00.000Z",
            ),
            (
                "'name':7",
                "valueDoesNotFit /name: `7` does not fit `name`: a string is expected",
            ),
            (
                "'active':'true'",
                "valueDoesNotFit /active: `true` does not fit `active`: true or false is expected",
            ),
            (
                "'serial':1.5",
                "valueDoesNotFit /serial: `1.5` does not fit `serial`: an integer of 64 bits is expected",
            ),
            (
                "'serial':9223372036854775808",
                "valueDoesNotFit /serial: `9223372036854775808` does not fit `serial`: an integer of 64 bits is expected",
            ),
            (
                "'validUntil':'soon'",
                "valueDoesNotFit /validUntil: `soon` does not fit `validUntil`: a time is expected | ISO 8601 as `2026-01-31T12:00:00.000Z`, or milliseconds since 1970 as a number",
            ),
            (
                "'validUntil':999999999999999",
                "valueDoesNotFit /validUntil: `999999999999999` does not fit `validUntil`: a time is expected | ISO 8601 as `2026-01-31T12:00:00.000Z`, or milliseconds since 1970 as a number",
            ),
            (
                "'id':'x'",
                "valueDoesNotFit /id: `x` does not fit `id`: a UUID is expected | a UUID looks like `2f1c7c1e-3c1b-4c52-9d0a-0f5f6a8b7c6d`",
            ),
            (
                "'name':{'__objType':'Person','value':'x'}",
                "valueDoesNotFit /name: `{…}` does not fit `name`: a string is expected",
            ),
            (
                "'name':['x']",
                "valueDoesNotFit /name: `[…]` does not fit `name`: a string is expected",
            ),
        ] {
            check(&license(members), expected);
        }
        for (text, expected) in [
            (
                "{'__objType':'ConcurrentSessions','sessionAnchors':[ {'type' : 'hw'} , 1.0 ]}",
                "ConcurrentSessions@ sessionAnchors='[{\"type\":\"hw\"},1.0]'",
            ),
            (
                "{'__objType':'ConcurrentSessions','sessionAnchors':{'__objType':'String','value':'x'}}",
                "ConcurrentSessions@ sessionAnchors='{\"__objType\":\"String\",\"value\":\"x\"}'",
            ),
            (
                "{'__objType':'ConcurrentSessions','sessionAnchors':null}",
                "ConcurrentSessions@ sessionAnchors=null",
            ),
            (
                "{'__objType':'EmailAndPassword','passwordPlain':'secret'}",
                "EmailAndPassword@ passwordPlain='secret'",
            ),
            (
                "{'__objType':'EmailAndPassword','passwordPlain':12345}",
                "valueDoesNotFit /passwordPlain: `…` does not fit `passwordPlain`: a string is expected",
            ),
        ] {
            check(text, expected);
        }
    }

    #[test]
    fn references_come_in_every_shape() {
        let group = |references: &str| format!("{{'__objType':'ProfileGroup','referenceFields':{references}}}");
        let entry = |key: &str, value: &str| {
            format!("{{'__objType':'HashMap','Entries':[{{'__objType':'KeyValue','key':{key},'value':{value}}}]}}")
        };
        let wrapped = "{'__objType':'String','value':'ref_Organization_id'}";
        for (references, expected) in [
            (
                entry(wrapped, "{'__objType':'UUID','value':'$A'}"),
                "ProfileGroup@ >ref_Organization_id=A",
            ),
            (
                entry(wrapped, "{'__objType':'String','value':'$A'}"),
                "ProfileGroup@ >ref_Organization_id=A",
            ),
            (
                entry("'ref_Organization_id'", "'$A'"),
                "ProfileGroup@ >ref_Organization_id=A",
            ),
            (entry(wrapped, "null"), "ProfileGroup@ >ref_Organization_id=null"),
            (
                entry(wrapped, "{'__objType':'UUID','value':null}"),
                "ProfileGroup@ >ref_Organization_id=null",
            ),
            (
                "{'ref_Organization_id':'$A'}".to_owned(),
                "ProfileGroup@ >ref_Organization_id=A",
            ),
            (
                "{'ref_Organization_id':null}".to_owned(),
                "ProfileGroup@ >ref_Organization_id=null",
            ),
            ("{'__objType':'HashMap'}".to_owned(), "ProfileGroup@"),
            ("null".to_owned(), "ProfileGroup@"),
            (
                "{'ref_Organisation_id':'$A'}".to_owned(),
                "unknownField /referenceFields/ref_Organisation_id: unknown member `ref_Organisation_id` in references of `ProfileGroup` | did you mean `ref_Organization_id`?",
            ),
            (
                entry("'ref_Profile_id'", "'$A'"),
                "unknownField /referenceFields/Entries/0/key: unknown member `ref_Profile_id` in references of `ProfileGroup` | known here: ref_Organization_id",
            ),
            (
                entry(wrapped, "7"),
                "valueDoesNotFit /referenceFields/Entries/0/value: `7` does not fit `value`: a UUID is expected | a UUID looks like `2f1c7c1e-3c1b-4c52-9d0a-0f5f6a8b7c6d`",
            ),
            (
                "[]".to_owned(),
                "wrongShape /referenceFields: `[…]` stands where an object of references is expected",
            ),
            (
                "{'Entries':{}}".to_owned(),
                "wrongShape /referenceFields/Entries: `{…}` stands where an array of entries is expected",
            ),
            (
                "{'Entries':[{'value':'$A'}]}".to_owned(),
                "wrongShape /referenceFields/Entries/0: the entry has no `key`",
            ),
            (
                "{'Entries':[{'key':'ref_Organization_id'},{'key':'ref_Organization_id'}]}".to_owned(),
                "repeatedMember /referenceFields/Entries/1/key: the entry `ref_Organization_id` is given twice",
            ),
        ] {
            check(&group(&references), expected);
        }
    }

    #[test]
    fn related_objects_hang_on_their_relation() {
        let organization = |relation: &str, objects: &str| {
            format!(
                "{{'__objType':'Organization','id':'$A','rel_Relations':[{{'rel_Relation':{relation},\
                 'rel_RelatedObjectList':{{'__objType':'RelatedObjectList','rel_RelatedObjects':{objects}}}}}]}}"
            )
        };
        let groups = "{'__objType':'ObjectRelation','multiplicity':'ONE_TO_MANY',\
                      'relatedObjectType':'com.tenduke.sdk2.objectmodel.identity.ProfileGroup'}";
        let member = "/rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects/0";
        for (relation, objects, expected) in [
            (groups, "[{'__objType':'ProfileGroup','id':'$B','name':'Crew'}]", format!("Organization@#A [~OneToMany ProfileGroup@{member}#B name='Crew']")),
            (groups, "[{'name':'Crew'}]", format!("Organization@#A [~OneToMany ProfileGroup@{member} name='Crew']")),
            ("{'multiplicity':'ONE_TO_MANY'}", "[{'__objType':'ProfileGroup'},{'__objType':'Entitlement'}]", format!("Organization@#A [~OneToMany ProfileGroup@{member}] [~OneToMany Entitlement@{}1]", &member[..member.len() - 1])),
            (groups, "[]", "Organization@#A".to_owned()),
            (groups, "null", "Organization@#A".to_owned()),
            (groups, "[{'__objType':'Entitlement'}]", format!("wrongShape {member}/__objType: `Entitlement` is listed among objects of type `ProfileGroup`")),
            (groups, "[{'relationAttributeObject':{}}]", format!("wrongShape {member}/relationAttributeObject: a relation `~OneToMany` has no attributes")),
            (groups, "[{'nmae':'Crew'}]", format!("unknownField {member}/nmae: unknown field `nmae` on `ProfileGroup` | did you mean `name`?")),
            (groups, "{}", "wrongShape /rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects: `{…}` stands where an array of objects is expected".to_owned()),
            ("{'multiplicity':'ONE_TO_MANY'}", "[{}]", format!("wrongShape {member}: the object has no `__objType` | name its type: `\"__objType\":\"Organization\"`")),
            ("{'multiplicity':'MANY_TO_ONE','relatedObjectType':'Entitlement'}", "[]", "unknownRelation /rel_Relations/0/rel_Relation: no relation `~ManyToOne` leads from `Organization` to `Entitlement` | between these two there is ~OneToMany".to_owned()),
            ("{'multiplicity':'SOME','relatedObjectType':'Entitlement'}", "[]", "unknownRelation /rel_Relations/0/rel_Relation/multiplicity: unknown multiplicity `SOME` | one of `ONE_TO_MANY`, `MANY_TO_ONE`, `MANY_TO_MANY`".to_owned()),
            ("{'relationType':'x.Partnershp'}", "[]", "unknownRelation /rel_Relations/0/rel_Relation/relationType: unknown relation type `x.Partnershp` | did you mean `Partnership`?".to_owned()),
            ("{'relatedObjectType':'Entitlement'}", "[]", "wrongShape /rel_Relations/0/rel_Relation: the relation has neither `multiplicity` nor `relationType`".to_owned()),
            ("{'multiplicity':'ONE_TO_MANY','relatedObjectType':'Entitlment'}", "[]", "unknownType /rel_Relations/0/rel_Relation/relatedObjectType: unknown type `Entitlment` | did you mean `Entitlement`?".to_owned()),
            ("{'multiplicity':'ONE_TO_MANY','relatedObjectType':'License'}", "[]", "unknownRelation /rel_Relations/0/rel_Relation: no relation `~OneToMany` leads from `Organization` to `License` | from `Organization` lead ~OneToMany/ProfileGroup, ~OneToMany/OrganizationRole, ~OneToMany/Entitlement, ~OneToMany/OrganizationContactInformation, ~OneToMany/Property, ~OneToMany/TechnicalActor, ~Partnership/Organization".to_owned()),
        ] {
            check(&organization(relation, objects), &expected);
        }
    }

    #[test]
    fn named_relations_carry_their_own_fields() {
        let profile = |attributes: &str| {
            format!(
                "{{'__objType':'Profile','id':'$A','rel_Relations':[{{'rel_Relation':{{'__objType':'ObjectRelation',\
                 'relationType':'com.tenduke.sdk2.types.object.graph.Membership','relatedObjectType':'ProfileGroup'}},\
                 'rel_RelatedObjectList':{{'rel_RelatedObjects':[{{'id':'$B','relationAttributeObject':{attributes}}}]}}}}]}}"
            )
        };
        let group = "ProfileGroup@/rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects/0#B";
        let at = "/rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects/0/relationAttributeObject";
        for (attributes, expected) in [
            ("null", format!("Profile@#A [~Membership {group}]")),
            ("{}", format!("Profile@#A [~Membership {group}]")),
            (
                "{'__objType':'Membership','validFrom':null,'validUntil':0}",
                format!("Profile@#A [~Membership {group} ~validFrom=null ~validUntil=1970-01-01T00:00:00.000Z]"),
            ),
            (
                "{'referenceFields':{'ref_Profile_id':'$A','ref_ProfileGroup_id':'$B'}}",
                format!("Profile@#A [~Membership {group} ~A-B]"),
            ),
            (
                "{'__objType':'Implies'}",
                format!("wrongShape {at}/__objType: `Implies` stands on a relation `Membership`"),
            ),
            (
                "{'validTo':0}",
                format!(
                    "unknownField {at}/validTo: unknown member `validTo` in a `Membership` | known here: validFrom, validUntil, referenceFields"
                ),
            ),
            (
                "{'referenceFields':{'ref_Person_id':'$A'}}",
                format!(
                    "unknownField {at}/referenceFields/ref_Person_id: unknown member `ref_Person_id` in references of `Membership` | known here: ref_Profile_id, ref_ProfileGroup_id"
                ),
            ),
            (
                "7",
                format!("wrongShape {at}: `7` stands where a relation object is expected"),
            ),
        ] {
            check(&profile(attributes), &expected);
        }
        check(
            "{'__objType':'OrganizationRole','rel_Relations':[{'rel_Relation':{'relationType':'Implies'},\
             'rel_RelatedObjectList':{'rel_RelatedObjects':[{'__objType':'OrganizationRole','relationAttributeObject':\
             {'__objType':'Implies','referenceFields':{'ref_OrganizationRole_id2':'$B'}}}]}}]}",
            "OrganizationRole@ [~Implies OrganizationRole@/rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects/0 ~null-B]",
        );
    }

    #[test]
    fn what_is_unknown_is_refused_with_its_place() {
        for (text, expected) in [
            (
                "{'__objType':'Licence'}",
                "unknownType /__objType: unknown type `Licence` | did you mean `License`?",
            ),
            (
                "{'__objType':'Token'}",
                "unknownType /__objType: unknown type `Token` | `GET /graph-schema` lists all types",
            ),
            (
                "{'__objType':7}",
                "wrongShape /__objType: `7` stands where the name of a type is expected",
            ),
            (
                "{'__objType':'Membership'}",
                "unknownType /__objType: `Membership` is a relation | send it as the `relationAttributeObject` of an object listed in `rel_Relations`",
            ),
            (
                "{'name':'x'}",
                "wrongShape : the object has no `__objType` | name its type: `\"__objType\":\"Organization\"`",
            ),
            ("7", "wrongShape : `7` stands where an object is expected"),
            ("[[]]", "wrongShape /0: `[…]` stands where an object is expected"),
            (
                "{'__objType':'ArrayList','Items':7}",
                "wrongShape /Items: `7` stands where an array of objects is expected",
            ),
            (
                "{'__objType':'ArrayList','Items':[],'total':7}",
                "unknownField /total: unknown member `total` in an ArrayList | known here: __objType, Items, nextCursor",
            ),
            (
                "{'__objType':'Person','expiryy':7}",
                "unknownField /expiryy: unknown field `expiryy` on `Person` | `Person` has id, firstName, lastName, referenceFields, rel_Relations",
            ),
            (
                "{'__objType':'License','ref_Entitlement_id':'$A'}",
                "unknownField /ref_Entitlement_id: unknown field `ref_Entitlement_id` on `License` | references stand in `referenceFields`",
            ),
            (
                "{'__objType':'License','relationAttributeObject':{}}",
                "unknownField /relationAttributeObject: unknown field `relationAttributeObject` on `License` | it belongs to an object listed in `rel_Relations`",
            ),
            (
                "{'__objType':'Person','rel_Relations':{}}",
                "wrongShape /rel_Relations: `{…}` stands where an array of relations is expected",
            ),
            (
                "{'__objType':'Person','rel_Relations':[{}]}",
                "wrongShape /rel_Relations/0: the entry has no `rel_Relation`",
            ),
            (
                "{'__objType':'Person','rel_Relations':[{'related':7}]}",
                "unknownField /rel_Relations/0/related: unknown member `related` in a relation | known here: __objType, rel_Relation, rel_RelatedObjectList",
            ),
        ] {
            check(text, expected);
        }
    }

    #[test]
    fn lines_of_an_import_are_objects_or_relations() {
        for (text, expected) in [
            ("{'__objType':'Person','id':'$A','serial':3}", "Person@#A serial=3"),
            (
                "{'__objType':'Membership','referenceFields':{'ref_Profile_id':'$A','ref_ProfileGroup_id':'$B'},'validUntil':0}",
                "Membership:Profile:ProfileGroup A-B validUntil=1970-01-01T00:00:00.000Z",
            ),
            (
                "{'__objType':'LicenseConsumerRelation','referenceFields':{'ref_Entitlement_id':'$A','ref_ProfileGroup_id':'$B'}}",
                "LicenseConsumerRelation:Entitlement:ProfileGroup A-B",
            ),
            (
                "{'__objType':'x.LicenseConsumerRelation','referenceFields':{'ref_Profile_id':'$A','ref_Entitlement_id':'$B'}}",
                "LicenseConsumerRelation:Entitlement:Profile B-A",
            ),
            (
                "{'__objType':'Includes','referenceFields':{'ref_LicensedItem_id1':'$A','ref_LicensedItem_id2':'$B'}}",
                "Includes:LicensedItem:LicensedItem A-B",
            ),
            (
                "{'__objType':'ObjectRelation','multiplicity':'MANY_TO_MANY','referenceFields':{'ref_ProductPackage_id':'$A','ref_LicensedItem_id':'$B'}}",
                "ManyToMany:ProductPackage:LicensedItem A-B",
            ),
            (
                "{'__objType':'ObjectRelation','referenceFields':{'ref_ProductPackage_id':'$A','ref_LicensedItem_id':'$B'}}",
                "wrongShape : an `ObjectRelation` has the multiplicity `MANY_TO_MANY` | a one-to-many is the `ref_…_id` in its child's `referenceFields`",
            ),
            (
                "{'__objType':'Membership'}",
                "wrongShape : the `Membership` does not name its two ends | its `referenceFields` are `ref_Profile_id` and `ref_ProfileGroup_id`",
            ),
            (
                "{'__objType':'Membership','referenceFields':{'ref_Profile_id':'$A','ref_ProfileGroup_id':null}}",
                "wrongShape : the `Membership` does not name its two ends | its `referenceFields` are `ref_Profile_id` and `ref_ProfileGroup_id`",
            ),
            (
                "{'__objType':'LicenseConsumerRelation','referenceFields':{'ref_Entitlement_id':'$A','ref_ProfileGroup_id':'$B','ref_Profile_id':'$B'}}",
                "wrongShape : the `LicenseConsumerRelation` does not name its two ends | its `referenceFields` are `ref_Entitlement_id` and `ref_ProfileGroup_id`, or `ref_Entitlement_id` and `ref_Profile_id`",
            ),
            (
                "{'__objType':'Membership','referenceFields':{'ref_Person_id':'$A'}}",
                "unknownField /referenceFields/ref_Person_id: unknown member `ref_Person_id` in references of `Membership` | known here: ref_Profile_id, ref_ProfileGroup_id",
            ),
            (
                "{'__objType':'Membership','id':'$A','referenceFields':{'ref_Profile_id':'$A','ref_ProfileGroup_id':'$B'}}",
                "unknownField /id: unknown member `id` in a `Membership` | known here: validFrom, validUntil, referenceFields",
            ),
            (
                "{'__objType':'Membrship'}",
                "unknownType /__objType: unknown type `Membrship` | `GET /graph-schema` lists all types",
            ),
            ("[]", "wrongShape : `[…]` stands where an object is expected"),
        ] {
            check_line(text, expected);
        }
        let document = "[{'__objType':'Person'},{'__objType':'Membership','referenceFields':{'ref_Profile_id':'$A','ref_ProfileGroup_id':'$B'}}]";
        let read = import_document(body(document).as_bytes(), &Limits::default());
        let found = outcome(read, |all| all.iter().map(shown_line).collect::<Vec<_>>().join("; "));
        assert_eq!(found, "Person@/0; Membership:Profile:ProfileGroup A-B");
    }
}
