//! `GET /openapi.json`: the native API as OpenAPI 3.1, with the doors that are open, its object types from the schema's tables. Describes; what a
//! request may do is decided where it is done.

mod components;
mod envelopes;
mod objects;
mod operations;
mod routes;

use serde_json::{Map, Value, json};

use routes::{ROUTES, Route};

/// With what the doors that are open add to it. `metrics_open`: who has no token may read them. `public`: how clients reach the server,
/// where that is set.
pub fn document(doors: &[Value], metrics_open: bool, public: Option<&str>) -> Vec<u8> {
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method] = operation(route);
    }
    if !metrics_open {
        ask_for_a_token(&mut paths["/metrics"]["get"]);
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Seatgraph",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Organizations, users, packages, licenses, seats and leases as one typed object graph. A query is a \
                            selector: `/graph/Organization[@name='ACME']/~OneToMany/Entitlement/~OneToMany/License`.",
        },
        "servers": [{"url": public.unwrap_or("/")}],
        "security": [{"bearer": []}],
        "tags": [
            {"name": "graph", "description": "Queries and writes"},
            {"name": "operations", "description": "What is done by name"},
            {"name": "licenses", "description": "Checking, consuming and giving back"},
            {"name": "data", "description": "Whole worlds in and out"},
            {"name": "tokens", "description": "Who may"},
            {"name": "audit", "description": "What happened"},
            {"name": "events", "description": "As it happens"},
            {"name": "about", "description": "The server itself"},
        ],
        "paths": paths,
        "components": components::components(),
    });
    for door in doors {
        for (part, place) in [("paths", "/paths"), ("schemas", "/components/schemas")] {
            let whole = document.pointer_mut(place).and_then(Value::as_object_mut);
            if let Some((whole, added)) = whole.zip(door[part].as_object()) {
                whole.extend(added.clone());
            }
        }
        let named = door["paths"].as_object().into_iter().flatten().map(|(path, _)| path);
        for path in named {
            let methods = document["paths"][path].as_object_mut();
            methods
                .into_iter()
                .flatten()
                .for_each(|(_, operation)| may_wait(operation));
        }
        if let Some(tags) = document["tags"].as_array_mut() {
            tags.push(door["tag"].clone());
        }
    }
    document.to_string().into_bytes()
}

fn reference(group: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{group}/{name}")})
}

/// What is open by its route is not by the settings.
fn ask_for_a_token(operation: &mut Value) {
    if let Some(members) = operation.as_object_mut() {
        members.remove("security");
    }
    for status in ["401", "403"] {
        operation["responses"][status] = reference("responses", status);
    }
}

/// Whoever asks of a door waits for a revision as everywhere, but where nobody needs to say who asks.
fn may_wait(operation: &mut Value) {
    if operation["security"].is_null()
        && let Some(parameters) = operation["parameters"].as_array_mut()
    {
        parameters.push(reference("parameters", "GraphAtLeast"));
    }
}

fn operation(route: &Route) -> Value {
    let mut responses = Map::new();
    for answer in route.answers {
        // Of one status there may be several forms.
        let status = answer.status.to_string();
        let mut response = responses
            .remove(&status)
            .unwrap_or_else(|| json!({"description": answer.description}));
        if !answer.media.is_empty() {
            let schema = if answer.schema.is_empty() {
                json!({})
            } else {
                reference("schemas", answer.schema)
            };
            response["content"][answer.media] = json!({"schema": schema});
        }
        let headers: Map<String, Value> = answer
            .headers
            .iter()
            .map(|name| ((*name).to_owned(), reference("headers", name)))
            .collect();
        if !headers.is_empty() {
            response["headers"] = Value::Object(headers);
        }
        responses.insert(status, response);
    }
    for status in route.problems {
        responses.insert(status.to_string(), reference("responses", &status.to_string()));
    }
    let mut operation = json!({
        "operationId": route.id,
        "tags": [route.tag],
        "summary": route.summary,
        "description": route.description,
        "responses": responses,
    });
    if !route.parameters.is_empty() {
        operation["parameters"] = route
            .parameters
            .iter()
            .map(|name| reference("parameters", name))
            .collect();
    }
    if let Some(first) = route.bodies.first() {
        let content: Map<String, Value> = route
            .bodies
            .iter()
            .map(|body| {
                (
                    body.media.to_owned(),
                    json!({"schema": reference("schemas", body.schema)}),
                )
            })
            .collect();
        // What a form says may stand in the query.
        let optional = ["OperationParameters", "AuthzParameters"];
        let required = route.bodies.iter().all(|body| !optional.contains(&body.schema));
        operation["requestBody"] = json!({"required": required, "description": first.description, "content": content});
    }
    if route.open {
        operation["security"] = json!([]);
    }
    operation
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::model::Kind;
    use crate::operation::{OPERATIONS, Road};

    fn each_reference(value: &Value, found: &mut impl FnMut(&str)) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(to)) = members.get("$ref") {
                    found(to);
                }
                members.values().for_each(|value| each_reference(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| each_reference(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_component_is_used() {
        let document: Value = serde_json::from_slice(&document(&[], true, None)).unwrap();
        let mut used = HashSet::new();
        each_reference(&document, &mut |to| {
            assert!(document.pointer(&to[1..]).is_some(), "{to}");
            used.insert(to.to_owned());
        });
        for (group, members) in document["components"].as_object().unwrap() {
            for name in members
                .as_object()
                .unwrap()
                .keys()
                .filter(|_| group != "securitySchemes")
            {
                assert!(
                    used.contains(&format!("#/components/{group}/{name}")),
                    "{group}/{name} is not used"
                );
            }
        }
    }

    #[test]
    fn every_operation_is_whole() {
        let document: Value = serde_json::from_slice(&document(&[], true, None)).unwrap();
        let mut ids = HashSet::new();
        for route in ROUTES {
            let operation = &document["paths"][route.path][route.method];
            assert!(ids.insert(route.id), "{} twice", route.id);
            let parameters: Vec<&Value> = operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|parameter| document.pointer(&parameter["$ref"].as_str().unwrap()[1..]).unwrap())
                .collect();
            // A parameter of the path is declared, and the other way round.
            for name in route.path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
                assert!(
                    parameters.iter().any(|one| one["in"] == "path" && one["name"] == name),
                    "{}",
                    route.path
                );
            }
            for parameter in parameters.iter().filter(|one| one["in"] == "path") {
                assert!(
                    route
                        .path
                        .contains(&format!("{{{}}}", parameter["name"].as_str().unwrap())),
                    "{}",
                    route.path
                );
                assert_eq!(parameter["required"], true);
            }
            let responses = operation["responses"].as_object().unwrap();
            let answers: HashSet<u16> = route.answers.iter().map(|answer| answer.status).collect();
            let media: HashSet<&str> = route.answers.iter().map(|answer| answer.media).collect();
            let forms = route.answers.len() - answers.len() + 1;
            assert!(
                media.len() >= forms,
                "{} {} says one form twice",
                route.method,
                route.path
            );
            assert_eq!(
                responses.len(),
                answers.len() + route.problems.len(),
                "{} {}",
                route.method,
                route.path
            );
            let asks_for_a_token = responses.contains_key("401");
            assert_eq!(asks_for_a_token, !route.open, "{}", route.path);
            assert_eq!(operation.get("security").is_some(), route.open, "{}", route.path);
        }
    }

    #[test]
    fn metrics_that_are_closed_ask_for_a_token() {
        for is_open in [true, false] {
            let document: Value = serde_json::from_slice(&document(&[], is_open, None)).unwrap();
            let metrics = &document["paths"]["/metrics"]["get"];
            assert_eq!(metrics.get("security").is_some(), is_open);
            for status in ["401", "403"] {
                assert_eq!(metrics["responses"].get(status).is_none(), is_open);
            }
        }
    }

    #[test]
    fn headers_that_work_at_doors_are_told() {
        let (door, open) = (json!({"parameters": []}), json!({"parameters": [], "security": []}));
        let doors = [json!({"paths": {"/a": {"get": door, "post": open}}, "schemas": {}, "tag": {}})];
        let document: Value = serde_json::from_slice(&document(&doors, true, None)).unwrap();
        let paths = &document["paths"]["/a"];
        let waits = json!([{"$ref": "#/components/parameters/GraphAtLeast"}]);
        assert_eq!(paths["get"]["parameters"], waits);
        assert_eq!(paths["post"]["parameters"], json!([]));
    }

    #[test]
    fn what_is_taken_and_answered_is_told() {
        let document: Value = serde_json::from_slice(&document(&[], true, None)).unwrap();
        let answer = &document["paths"]["/graph/{selector}"]["get"]["responses"]["200"];
        for media in ["application/json", "application/jwt"] {
            assert!(answer["content"].get(media).is_some(), "{media}");
        }
        // Class names, wrapped scalars and references of null are no `Object`.
        let loose = json!({"$ref": "#/components/schemas/LooseObject"});
        let taken = document["components"]["schemas"]["Objects"]["anyOf"]
            .as_array()
            .unwrap();
        assert!(taken.contains(&loose));
        let consumed = &document["components"]["schemas"]["SeatCountCredit"]["properties"]["seatsConsumed"];
        assert!(consumed["description"].is_string());
        // An operation that only reads is refused there too, and the body that a DELETE must not have is waited for.
        for (method, status) in [("get", "409"), ("delete", "408")] {
            let answers = &document["paths"]["/graph/{selector}"][method]["responses"];
            assert!(answers.get(status).is_some(), "{method} {status}");
        }
    }

    #[test]
    fn every_write_is_told_to_wait() {
        for route in ROUTES.iter().filter(|route| route.method != "get") {
            assert!(
                route.parameters.contains(&"GraphAtLeast"),
                "{} {}",
                route.method,
                route.path
            );
        }
    }

    #[test]
    fn every_generic_operation_has_its_route_and_parameters() {
        let document: Value = serde_json::from_slice(&document(&[], true, None)).unwrap();
        for operation in OPERATIONS {
            let Road::Method(method) = operation.road else {
                // A named operation is described by schemas of its own (design 16).
                for part in ["Parameters", "Result"] {
                    let schema = format!("/components/schemas/{}{part}", operation.name);
                    assert!(document.pointer(&schema).is_some(), "{schema}");
                }
                continue;
            };
            let path = if operation.target().is_some() {
                "/graph/{selector}"
            } else {
                "/graph"
            };
            let told = &document["paths"][path][method.to_lowercase()]["parameters"];
            for parameter in operation.parameters() {
                let reference = format!("#/components/parameters/{}", parameter.name);
                let found = told
                    .as_array()
                    .into_iter()
                    .flatten()
                    .any(|one| one["$ref"] == reference);
                assert!(found, "{method} {path} {}", parameter.name);
            }
        }
    }

    #[test]
    fn every_public_kind_is_described_field_by_field() {
        let document: Value = serde_json::from_slice(&document(&[], true, None)).unwrap();
        let schemas = &document["components"]["schemas"];
        assert_eq!(
            schemas
                .get("Token")
                .and_then(|token| token.get("properties"))
                .and_then(|all| all.get("secretHash")),
            None
        );
        for kind in Kind::public() {
            let properties = schemas[kind.name()]["properties"].as_object().unwrap();
            for field in kind.def().fields {
                let told = properties.contains_key(field.name);
                assert_eq!(
                    told,
                    !(field.secret && field.server_owned),
                    "{}.{}",
                    kind.name(),
                    field.name
                );
                if told {
                    let is = |name: &str| properties[field.name].get(name) == Some(&json!(true));
                    assert_eq!(is("readOnly"), field.server_owned, "{}.{}", kind.name(), field.name);
                    assert_eq!(is("writeOnly"), field.secret, "{}.{}", kind.name(), field.name);
                }
            }
            let mapped = &schemas["Object"]["discriminator"]["mapping"][kind.name()];
            assert_eq!(*mapped, json!(format!("#/components/schemas/{}", kind.name())));
        }
    }
}
