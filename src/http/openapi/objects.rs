//! The object types and named relations of the schema's tables, as JSON Schema.

use serde_json::{Map, Value, json};

use crate::model::schema::{self as tables, FieldDef, FieldType};
use crate::model::{Kind, RelationType};

use super::components::schema;

pub fn object(kind: Kind) -> Value {
    let read_only = |mut schema: Value| {
        schema["readOnly"] = json!(true);
        schema
    };
    let mut properties = Map::new();
    properties.insert("__objType".into(), json!({"type": "string", "const": kind.name()}));
    properties.insert(
        "id".into(),
        json!({"type": "string", "format": "uuid", "description": "Chosen by the client, or made by the server"}),
    );
    properties.insert(
        "serial".into(),
        read_only(json!({"type": "integer", "minimum": 1, "description": "Order of creation over the whole graph"})),
    );
    properties.insert(
        "created".into(),
        read_only(json!({"type": "string", "format": "date-time"})),
    );
    properties.insert(
        "updated".into(),
        read_only(json!({"type": "string", "format": "date-time"})),
    );
    own_fields(&mut properties, kind.def().fields);
    let references: Vec<String> = kind.parents().iter().map(|rel| rel.def().reference_name()).collect();
    if !references.is_empty() {
        properties.insert("referenceFields".into(), reference_fields(&references));
    }
    properties.insert(
        "rel_Relations".into(),
        json!({"type": "array", "items": schema("RelationEntry")}),
    );
    properties.insert("relationAttributeObject".into(), schema("RelationAttributeObject"));
    let relations: Vec<String> = kind
        .hops()
        .iter()
        .map(|hop| format!("`~{}/{}`", hop.word(), hop.to().name()))
        .collect();
    json!({
        "type": "object",
        "description": format!("Relations: {}.", relations.join(", ")),
        "properties": properties,
        "required": ["__objType"],
        "additionalProperties": false,
    })
}

fn own_fields(properties: &mut Map<String, Value>, fields: &[FieldDef]) {
    for field in fields.iter().filter(|field| !(field.secret && field.server_owned)) {
        properties.insert(field.name.to_owned(), own_field(field));
    }
}

/// `null` clears a field.
fn own_field(field: &FieldDef) -> Value {
    let mut schema = match field.field_type {
        FieldType::Text if !field.values.is_empty() => {
            let values = field
                .values
                .iter()
                .copied()
                .chain([""])
                .map(Value::from)
                .chain([Value::Null]);
            json!({"enum": values.collect::<Vec<_>>()})
        }
        FieldType::Text => json!({"type": ["string", "null"]}),
        FieldType::Bool => json!({"type": ["boolean", "null"]}),
        FieldType::Int => json!({"type": ["integer", "null"], "format": "int64"}),
        FieldType::Time => json!({
            "type": ["string", "integer", "null"], "format": "date-time",
            "description": "ISO 8601; milliseconds since 1970 are taken too",
        }),
        FieldType::Uuid => json!({"type": ["string", "null"], "format": "uuid"}),
        FieldType::Json => json!({"description": "Any JSON value"}),
    };
    if !field.note.is_empty() {
        schema["description"] = json!(field.note);
    }
    if let Some(minimum) = field.minimum {
        schema["minimum"] = json!(minimum);
    }
    if field.default_true {
        schema["default"] = json!(true);
    }
    if field.server_owned {
        schema["readOnly"] = json!(true);
    }
    if field.secret {
        schema["writeOnly"] = json!(true);
    }
    schema
}

/// Answered as a map of wrapped scalars; a plain object is taken too.
fn reference_fields(names: &[String]) -> Value {
    let plain: Map<String, Value> = names
        .iter()
        .map(|name| (name.clone(), json!({"type": ["string", "null"], "format": "uuid"})))
        .collect();
    json!({"anyOf": [schema("HashMap"), {"type": "object", "properties": plain, "additionalProperties": false}]})
}

/// `class`: what it calls itself.
pub fn relation_object(relation_type: RelationType, class: &str) -> Value {
    let mut properties = Map::new();
    properties.insert("__objType".into(), json!({"type": "string", "const": class}));
    let mut names = Vec::new();
    for rel in tables::relations().filter(|rel| rel.def().relation_type == relation_type) {
        own_fields(&mut properties, rel.def().fields);
        let (from, to) = rel.def().end_names();
        names.extend([from, to]);
    }
    properties.insert("referenceFields".into(), reference_fields(&names));
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}
