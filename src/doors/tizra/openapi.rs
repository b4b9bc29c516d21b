//! What this door adds to `/openapi.json`: its paths and its shapes.

use serde_json::{Map, Value, json};

use crate::http::door::{may_be_dry, may_be_repeated};

/// A method of a path below `/admin-api/{site}`.
struct Route {
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    /// Names in the query.
    query: &'static [&'static str],
    body: &'static str,
    status: u16,
    answer: &'static str,
    /// Beside those every route has.
    refusals: &'static [u16],
}

const ROUTES: &[Route] = &[
    Route {
        method: "post",
        path: "/licenses",
        id: "CreateLicense",
        summary: "Makes a license of an offer, for a user (made when unknown) or for a user set",
        query: &[],
        body: "LicenseSpecification",
        status: 201,
        answer: "LicenseAnswer",
        refusals: &[404, 406],
    },
    Route {
        method: "get",
        path: "/licenses",
        id: "ListLicenses",
        summary: "The licenses that were made of offers, in order of creation",
        query: &["user-name", "user-set-name", "offer-id", "after", "limit"],
        body: "",
        status: 200,
        answer: "Licenses",
        refusals: &[404, 406],
    },
    Route {
        method: "get",
        path: "/licenses/{id}",
        id: "GetLicense",
        summary: "One of them",
        query: &[],
        body: "",
        status: 200,
        answer: "LicenseAnswer",
        refusals: &[404],
    },
    Route {
        method: "delete",
        path: "/licenses/{id}",
        id: "DeleteLicense",
        summary: "Takes one back",
        query: &[],
        body: "",
        status: 200,
        answer: "Answer",
        refusals: &[404, 406],
    },
    Route {
        method: "post",
        path: "/session-login",
        id: "SessionLogin",
        summary: "Begins a session for a user, with licenses that end with it and licenses that stay",
        query: &[],
        body: "Session",
        status: 201,
        answer: "SessionAnswer",
        refusals: &[404, 406],
    },
    Route {
        method: "post",
        path: "",
        id: "Login",
        summary: "Verifies the password of a user, and tells what the user may use",
        query: &[],
        body: "Login",
        status: 200,
        answer: "LoginAnswer",
        refusals: &[404, 406, 429],
    },
    Route {
        method: "get",
        path: "/objects/{id}",
        id: "GetObject",
        summary: "A user, an object or an offer with its properties",
        query: &[],
        body: "",
        status: 200,
        answer: "Object",
        refusals: &[404],
    },
    Route {
        method: "put",
        path: "/objects/{id}",
        id: "SetMetadata",
        summary: "Sets the metadata fields that are sent",
        query: &[],
        body: "Metadata",
        status: 200,
        answer: "Object",
        refusals: &[404, 406],
    },
    Route {
        method: "post",
        path: "/objects/{id}",
        id: "UpdateObject",
        summary: "Sets metadata fields, adds values to lists, or removes values from them",
        query: &[],
        body: "Update",
        status: 200,
        answer: "Object",
        refusals: &[404, 406],
    },
];

/// Members of the document: `paths`, `schemas` and the `tag`.
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let path = format!("/admin-api/{{site}}{}", route.path);
        let told = operation(route, &path);
        paths.entry(path).or_insert_with(|| json!({}))[route.method] = told;
    }
    json!({
        "paths": paths, "schemas": schemas(),
        "tag": {
            "name": "tizra",
            "description": "Tizra's admin API on the same graph; the token may also be the password of HTTP Basic; see docs/doors.md",
        },
    })
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/Tizra{name}")})
}

fn operation(route: &Route, path: &str) -> Value {
    let of_path = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let mut parameters: Vec<Value> = of_path
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    parameters.extend(route.query.iter().map(|name| {
        let of = if *name == "limit" { "integer" } else { "string" };
        json!({"name": name, "in": "query", "schema": {"type": of}})
    }));
    let content = |schema: Value| json!({"application/json": {"schema": schema}});
    let mut responses = Map::new();
    let mut done = json!({"description": "Done, or found", "content": content(reference(route.answer))});
    if route.status == 201 || route.id == "Login" {
        done["headers"] = json!({"Location": {"description": "As `location` has it", "schema": {"type": "string"}}});
    }
    responses.insert(route.status.to_string(), done);
    let mut refusals = vec![400, 401, 403, 405, 503];
    refusals.extend(route.refusals);
    if !route.body.is_empty() {
        refusals.push(408);
    }
    for status in refusals {
        let told = json!({"description": why(status), "content": content(reference("Refusal"))});
        responses.insert(status.to_string(), told);
    }
    let mut operation = json!({
        "operationId": format!("tizra{}", route.id), "tags": ["tizra"], "summary": route.summary, "responses": responses,
        "parameters": parameters,
    });
    if !route.body.is_empty() {
        operation["requestBody"] = json!({"required": true, "content": content(reference(route.body))});
    }
    if route.method != "get" && route.id != "Login" {
        may_be_dry(&mut operation);
        // No answer with a token in it is kept for a repeat.
        if route.id != "SessionLogin" {
            may_be_repeated(&mut operation);
        }
    }
    operation
}

fn why(status: u16) -> &'static str {
    match status {
        400 => {
            "Cannot be parsed, or is not worth another try: no JSON, too large, of another type; or the answer is too large"
        }
        401 => "No token, or a bad one",
        403 => "The token lacks the permission; of a login: the password is wrong",
        404 => "No such site, license or object",
        405 => "Not a method of this path",
        406 => {
            "Makes no sense: a member is missing or of another type, or names what is not there; the offer is used up; or the Idempotency-Key was sent with another request"
        }
        408 => "The body did not arrive in time",
        429 => "Too many wrong passwords",
        _ => "Try again",
    }
}

fn schemas() -> Value {
    let text = || json!({"type": "string"});
    let flag = || json!({"type": "boolean"});
    let number = || json!({"type": "integer"});
    let texts = || json!({"type": "array", "items": {"type": "string"}});
    let map = || json!({"type": "object", "additionalProperties": {"type": "string"}});
    let fields = || {
        let one = json!([{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "null"}]);
        json!({"type": "object", "additionalProperties": {"oneOf": one}})
    };
    let object = |required: &[&str], properties: Value| json!({"type": "object", "required": required, "properties": properties});
    let list = |name: &str| json!({"type": "array", "items": reference(name)});
    let answer = |more: Value| {
        let mut properties = json!({"status": number(), "message": text(), "location": text()});
        if let (Value::Object(all), Value::Object(more)) = (&mut properties, more) {
            all.extend(more);
        }
        object(&["status", "message"], properties)
    };
    let specification = |more: Value| {
        let mut properties = json!({
            "offer-id": text(), "match-objects": {"type": "boolean", "default": false}, "match-property": text(),
            "match-values": texts(), "props": map(),
        });
        if let (Value::Object(all), Value::Object(more)) = (&mut properties, more) {
            all.extend(more);
        }
        object(&["offer-id"], properties)
    };
    json!({
        "TizraRefusal": answer(json!({"code": text()})),
        "TizraAnswer": answer(json!({})),
        "TizraLicenseSpecification": specification(json!({"user-name": text(), "user-set-name": text()})),
        "TizraSessionLicense": specification(json!({"offer": text()})),
        "TizraLicense": object(&[], json!({
            "tizra-id": text(), "active": flag(), "controlled": {"type": ["string", "null"]},
            "offer-id": {"type": ["string", "null"]}, "user-name": text(), "user-set-name": text(), "match-objects": flag(),
            "match-property": text(), "match-values": texts(), "props": map(),
            "terms": object(&[], json!({
                "concurrencies": {"type": ["integer", "null"]}, "duration": text(), "excluded-views": texts(), "is-expired": flag(),
            })),
        })),
        "TizraLicenseAnswer": answer(json!({"tizra-id": text(), "license": reference("License")})),
        "TizraLicenses": answer(json!({"licenses": list("License"), "next": text()})),
        "TizraSession": object(&["user-name"], json!({
            "user-name": text(), "props": fields(), "site-path": text(),
            "licenses": list("SessionLicense"), "permanent-licenses": list("SessionLicense"),
        })),
        "TizraUser": object(&[], json!({
            "tizra-id": text(), "url-id": text(), "meta-type": text(), "email": text(), "user-status": number(),
            "user-status-description": text(), "props": fields(),
        })),
        "TizraSessionAnswer": answer(json!({"token": text(), "user": reference("User"), "licenses": list("License")})),
        "TizraLogin": object(&["operation", "user-name", "password"], json!({
            "operation": {"type": "string", "enum": ["login"]}, "user-name": text(), "password": text(),
        })),
        "TizraLoginAnswer": answer(json!({"user": reference("User"), "licenses": list("License")})),
        "TizraMetadata": fields(),
        "TizraUpdate": object(&["operation", "props"], json!({
            "operation": {"type": "string", "enum": ["update", "add", "remove"]}, "props": fields(),
        })),
        "TizraObject": answer(json!({
            "tizra-id": text(), "url-id": text(), "meta-type": text(), "name": text(), "email": text(),
            "user-status": number(), "user-status-description": text(), "props": fields(),
        })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_there_and_every_path_is_one_of_the_door() {
        let document = document();
        let text = document.to_string();
        let named = text.split("#/components/schemas/").skip(1);
        for name in named.filter_map(|rest| rest.split('"').next()) {
            // Of a dry run the server has its own.
            assert!(name == "DryRun" || document["schemas"].get(name).is_some(), "{name}");
        }
        for name in document["schemas"].as_object().unwrap().keys() {
            assert!(text.contains(&format!("schemas/{name}\"")), "{name} is not used");
        }
        let paths = document["paths"].as_object().unwrap();
        assert!(paths.keys().all(|path| super::super::path::read(path).is_some()));
        let methods: usize = paths.values().map(|methods| methods.as_object().unwrap().len()).sum();
        assert_eq!(methods, ROUTES.len());
    }

    #[test]
    fn a_session_takes_no_key() {
        let document = document();
        let takes = |path: &str, name: &str| {
            let parameters = document["paths"][format!("/admin-api/{{site}}{path}")]["post"]["parameters"].to_string();
            parameters.contains(&format!("parameters/{name}\""))
        };
        assert!(takes("/session-login", "dryRun") && !takes("/session-login", "IdempotencyKey"));
        assert!(takes("/licenses", "dryRun") && takes("/licenses", "IdempotencyKey"));
        assert!(takes("/objects/{id}", "dryRun"));
    }
}
