//! `GET /graph-schema`: types, fields, relations and operations as data, for consoles and generators. Says nothing that
//! the tables of `model::schema` and `operation` do not say.

use std::borrow::Cow;

use serde::Serialize;

use crate::model::Kind;
use crate::model::schema::{FieldDef, FieldType, Role};
use crate::operation::{self, Mode, OPERATIONS, Road, WithoutToken};

#[derive(Serialize)]
struct Document {
    types: Vec<Type>,
    operations: Vec<Operation>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Type {
    name: &'static str,
    /// What `relatedObjectType` says of it.
    class_name: String,
    fields: Vec<Field>,
    references: Vec<Reference>,
    relations: Vec<Relation>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Field {
    name: &'static str,
    #[serde(rename = "type")]
    field_type: &'static str,
    unique: bool,
    indexed: bool,
    case_folded: bool,
    secret: bool,
    server_owned: bool,
    required: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    values: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    minimum: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<bool>,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'static str,
}

/// A member of `referenceFields`, also selectable by its name.
#[derive(Serialize)]
struct Reference {
    name: String,
    to: &'static str,
    /// Of several owners exactly one is there; a required one always is.
    owner: bool,
    required: bool,
}

#[derive(Serialize)]
struct Relation {
    relation: String,
    to: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
}

#[derive(Serialize)]
struct Operation {
    name: &'static str,
    /// Asked for by this method alone; without one, by `operation=` and its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'static str>,
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Cow<'static, str>>,
    permission: String,
    anonymous: bool,
    parameters: Vec<Parameter>,
}

#[derive(Serialize)]
struct Parameter {
    name: &'static str,
    #[serde(rename = "type")]
    parameter_type: &'static str,
    required: bool,
    repeatable: bool,
}

pub fn document() -> Vec<u8> {
    let document = Document {
        types: Kind::public().map(describe).collect(),
        operations: OPERATIONS.iter().map(operation).collect(),
    };
    // Serialising plain data into memory cannot fail.
    serde_json::to_vec(&document).unwrap_or_default()
}

fn describe(kind: Kind) -> Type {
    let common = [
        Field {
            unique: true,
            indexed: true,
            ..field("id", FieldType::Uuid)
        },
        Field {
            unique: true,
            indexed: true,
            server_owned: true,
            ..field("serial", FieldType::Int)
        },
        Field {
            server_owned: true,
            ..field("created", FieldType::Time)
        },
        Field {
            server_owned: true,
            ..field("updated", FieldType::Time)
        },
    ];
    let reference = |rel: &crate::model::Rel| {
        let def = rel.def();
        Reference {
            name: def.reference_name(),
            to: def.from.name(),
            owner: def.role == Role::Owner,
            required: def.role == Role::Required || (def.role == Role::Owner && kind.owners().count() == 1),
        }
    };
    let relation = |hop: &crate::model::schema::Hop| Relation {
        relation: format!("~{}", hop.word()),
        to: hop.to().name(),
        fields: fields(hop.rel.def().fields),
    };

    Type {
        name: kind.name(),
        class_name: kind.class_name(),
        fields: common.into_iter().chain(fields(kind.def().fields)).collect(),
        references: kind.parents().iter().map(reference).collect(),
        relations: kind.hops().iter().map(relation).collect(),
    }
}

fn operation(operation: &operation::Operation) -> Operation {
    let parameter = |parameter: &operation::Parameter| Parameter {
        name: parameter.name,
        parameter_type: parameter.parameter_type.name(),
        required: parameter.required,
        repeatable: parameter.repeatable,
    };
    Operation {
        name: operation.name,
        method: match operation.road {
            Road::Method(method) => Some(method),
            Road::Name => None,
        },
        mode: match operation.mode {
            Mode::Read => "read",
            Mode::Write => "write",
        },
        target: operation.target(),
        permission: operation.permission(),
        anonymous: matches!(operation.without_token, WithoutToken::Always),
        parameters: operation.parameters().iter().map(parameter).collect(),
    }
}

/// Those someone outside can read or write.
fn fields(defs: &'static [FieldDef]) -> Vec<Field> {
    let outside = defs.iter().filter(|def| !(def.secret && def.server_owned));
    let describe = |def: &'static FieldDef| Field {
        unique: def.unique,
        indexed: def.indexed,
        case_folded: def.folded,
        secret: def.secret,
        server_owned: def.server_owned,
        required: def.required,
        values: def.values,
        minimum: def.minimum,
        default: def.default_true.then_some(true),
        description: def.note,
        ..field(def.name, def.field_type)
    };
    outside.map(describe).collect()
}

fn field(name: &'static str, field_type: FieldType) -> Field {
    Field {
        name,
        field_type: field_type.name(),
        unique: false,
        indexed: false,
        case_folded: false,
        secret: false,
        server_owned: false,
        required: false,
        values: &[],
        minimum: None,
        default: None,
        description: "",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn found(document: &Value, name: &str) -> Value {
        let types = document["types"].as_array().unwrap();
        types
            .iter()
            .find(|one| one["name"] == name)
            .cloned()
            .unwrap_or(Value::Null)
    }

    fn named(list: &Value, name: &str) -> Value {
        list.as_array()
            .unwrap()
            .iter()
            .find(|one| one["name"] == name)
            .cloned()
            .unwrap_or(Value::Null)
    }

    #[test]
    fn every_operation_is_told() {
        let document: Value = serde_json::from_slice(&super::document()).unwrap();
        assert_eq!(document["operations"].as_array().map(Vec::len), Some(OPERATIONS.len()));
        assert_eq!(
            named(&document["operations"], "Delete"),
            json!({
                "name": "Delete", "method": "DELETE", "mode": "write", "target": "*", "permission": "*.delete",
                "anonymous": false,
                "parameters": [{"name": "dryRun", "type": "boolean", "required": false, "repeatable": false}],
            })
        );
    }

    #[test]
    fn the_tables_are_told() {
        let document: Value = serde_json::from_slice(&super::document()).unwrap();
        assert_eq!(document["types"].as_array().unwrap().len(), Kind::public().count());
        assert_eq!(found(&document, "Token"), Value::Null);
        let flags = |set: &[&str]| {
            let mut field = json!({
                "unique": false, "indexed": false, "caseFolded": false, "secret": false, "serverOwned": false, "required": false,
            });
            for name in set {
                field[*name] = json!(true);
            }
            field
        };
        let field = |name: &str, field_type: &str, set: &[&str]| {
            let mut field = flags(set);
            field["name"] = json!(name);
            field["type"] = json!(field_type);
            field
        };
        let credential = found(&document, "EmailAndPassword");
        let fields = &credential["fields"];
        for (name, expected) in [
            ("id", field("id", "uuid", &["unique", "indexed"])),
            (
                "serial",
                field("serial", "integer", &["unique", "indexed", "serverOwned"]),
            ),
            (
                "userName",
                field("userName", "string", &["unique", "indexed", "caseFolded", "required"]),
            ),
            ("passwordPlain", field("passwordPlain", "string", &["secret"])),
            ("passwordHash", Value::Null),
        ] {
            assert_eq!(named(fields, name), expected, "{name}");
        }
        let license = found(&document, "License");
        assert_eq!(
            named(&license["fields"], "lockScope")["values"],
            json!(["None", "LicensedItem", "ProductPackage"])
        );
        assert_eq!(named(&license["fields"], "active")["default"], json!(true));
        assert_eq!(
            license["references"][0],
            json!({"name": "ref_Entitlement_id", "to": "Entitlement", "owner": true, "required": true})
        );
        let credit = found(&document, "SeatCountCredit");
        let consumed = named(&credit["fields"], "seatsConsumed");
        assert!(
            consumed["description"]
                .as_str()
                .is_some_and(|text| text.starts_with("Left empty: "))
        );
        assert_eq!(named(&credit["fields"], "seatCount").get("description"), None);
        let group = found(&document, "ProfileGroup");
        let relations = group["relations"].as_array().unwrap();
        for (relation, to) in [
            ("~ManyToOne", "Organization"),
            ("~OneToMany", "Property"),
            ("~Membership", "Profile"),
            ("~LicenseConsumerRelation", "Entitlement"),
        ] {
            assert!(
                relations
                    .iter()
                    .any(|one| one["relation"] == relation && one["to"] == to),
                "{relation} {to}"
            );
        }
        let membership = relations.iter().find(|one| one["relation"] == "~Membership").unwrap();
        assert_eq!(named(&membership["fields"], "validUntil")["type"], "dateTime");
    }
}
