//! The named operations as JSON Schema, from their table: `<Operation>Parameters` and `<Operation>Result` (design 16).

use serde_json::{Map, Value, json};

use crate::model::FieldType;
use crate::operation::{OPERATIONS, Operation, Parameter, ParameterType, Road, Run};

use super::components::schema;

fn named() -> impl Iterator<Item = &'static Operation> {
    OPERATIONS.iter().filter(|operation| operation.road == Road::Name)
}

/// The values of `operation`.
pub fn names() -> Value {
    json!({"enum": named().map(|operation| operation.name).collect::<Vec<_>>()})
}

pub fn schemas() -> Map<String, Value> {
    let mut all = Map::new();
    for operation in named() {
        all.insert(format!("{}Parameters", operation.name), parameters(operation));
        all.insert(format!("{}Result", operation.name), result(operation));
    }
    let each = |part: &str| -> Vec<Value> {
        named()
            .map(|operation| schema(&format!("{}{part}", operation.name)))
            .collect()
    };
    all.insert("OperationParameters".to_owned(), json!({"anyOf": each("Parameters")}));
    all.insert("OperationResult".to_owned(), json!({"anyOf": each("Result")}));
    all.insert(
        "WriteResult".to_owned(),
        json!({"anyOf": [schema("CreateResult"), schema("OperationResult")]}),
    );
    all
}

fn parameters(operation: &Operation) -> Value {
    let mut properties = Map::new();
    properties.insert(
        "operation".to_owned(),
        json!({"type": "string", "const": operation.name}),
    );
    let mut required = vec!["operation"];
    for parameter in operation.parameters() {
        properties.insert(parameter.name.to_owned(), of(&parameter));
        if parameter.required {
            required.push(parameter.name);
        }
    }
    let on = match operation.target() {
        Some(target) => format!("On a selector of `{target}`."),
        None => "Without a selector.".to_owned(),
    };
    let needs = match operation.permission() {
        needs if needs.is_empty() => "No token is asked for.".to_owned(),
        needs => format!("Needs `{needs}`."),
    };
    let mut schema = json!({
        "type": "object",
        "description": format!("{}. {on} {needs}", operation.about),
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    if matches!(operation.forms[0].run, Run::Objects(_)) {
        schema["patternProperties"] = json!({"^/.*/@[A-Za-z0-9_]+$": {
            "type": "string",
            "description": "A field of the object graph: `/Profile[@id='{randomUuid,p}']/~ManyToOne/Person/@firstName`",
        }});
    }
    schema
}

fn of(parameter: &Parameter) -> Value {
    let mut value = match parameter.parameter_type {
        ParameterType::Field(FieldType::Text) => json!({"type": "string"}),
        ParameterType::Field(FieldType::Json) => json!({"type": "string", "contentMediaType": "application/json"}),
        ParameterType::Field(FieldType::Bool) => json!({"type": "boolean"}),
        ParameterType::Field(FieldType::Int) => json!({"type": "integer", "format": "int64"}),
        ParameterType::Field(FieldType::Time) => json!({"type": "string", "format": "date-time"}),
        ParameterType::Field(FieldType::Uuid) => json!({"type": "string", "format": "uuid"}),
        ParameterType::IdOrSelector => json!({"type": "string", "examples": ["/Entitlement[@name='Project X']"]}),
        ParameterType::OneOf(words) => json!({"enum": words}),
    };
    if parameter.repeatable {
        value = json!({"anyOf": [value, {"type": "array", "items": value, "minItems": 1}]});
    }
    value["description"] = json!(parameter.about);
    value
}

fn result(operation: &Operation) -> Value {
    let failure = json!({
        "type": "object",
        "properties": {
            "key": {"type": "string", "description": "The stable code"},
            "messageTemplate": {"type": "string"},
        },
        "required": ["key", "messageTemplate"],
    });
    let mut properties = json!({
        "__objType": {"type": "string", "const": format!("{}Result", operation.name)},
        "resultCode": {"enum": ["Success", "Failed"]},
        "objects": schema("ArrayList"),
        "errorMessage": failure,
        "errorTechnical": {"type": "string"},
        "processingResult": {
            "type": "object",
            "properties": {"resultCode": {"type": "string"}, "errorMessage": failure},
            "required": ["resultCode"],
        },
        "dryRun": {"type": "boolean", "const": true},
        "changes": {"type": "array", "items": schema("Change")},
    });
    match operation.forms[0].run {
        Run::Login => {
            properties["_loginName"] = json!({"type": "string"});
            properties["accessToken"] = json!({"type": "string"});
            properties["tokenType"] = json!({"type": "string", "const": "Bearer"});
            properties["expiresIn"] = json!({"type": "integer", "description": "Seconds"});
        }
        Run::Objects(_) => properties["user"] = schema("Profile"),
        _ => {}
    }
    if matches!(operation.forms[0].run, Run::Describe) {
        properties["objects"] = json!({
            "type": "object",
            "properties": {
                "__objType": {"type": "string", "const": "ArrayList"},
                "Items": {"type": "array", "items": schema("Consumer")},
                "nextCursor": {"type": "string", "description": "There may be more: send it back as `cursor`"},
            },
            "required": ["Items"],
        });
    }
    if operation.name == "InitializePersonalLicenses" {
        properties["initializeForProfile"] = schema("Profile");
    }
    json!({
        "type": "object",
        "properties": properties,
        "required": ["__objType", "resultCode", "objects"],
    })
}
