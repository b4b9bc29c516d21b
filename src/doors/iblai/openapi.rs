//! What this door adds to `/openapi.json`: the vendor's paths on both mounts, and its shapes.

use serde_json::{Map, Value, json};

use crate::http::door::{may_be_dry, may_be_repeated};

use super::path::Family;

/// What a path does, by its end.
struct Route {
    method: &'static str,
    end: &'static str,
    id: &'static str,
    summary: &'static str,
    /// Names in the query: `page integer`.
    query: &'static [&'static str],
    /// Parts of names of shapes: `Create` is `IblAiProgramCreate`. Empty: none.
    body: &'static str,
    answer: &'static str,
}

const FILTERS: &[&str] = &[
    "active boolean",
    "external_id string",
    "key string",
    "name string",
    "page integer",
    "page_size integer",
    "platform_key string",
    "query string",
    "sort string",
    "source string",
    "verbose boolean",
];
const PICKS: &[&str] = &[
    "license_id! integer",
    "active boolean",
    "fulfilled boolean",
    "email string",
    "user_id integer",
    "page integer",
    "page_size integer",
    "platform_key string",
    "platform_org string",
    "sort string",
];
const GROUP_PICKS: &[&str] = &[
    "license_id! integer",
    "active boolean",
    "fulfilled boolean",
    "group_id integer",
    "page integer",
    "page_size integer",
    "platform_key string",
    "platform_org string",
    "sort string",
];
const MEANT: &[&str] = &["license_id integer", "platform_key string", "platform_org string"];
const GONE: &[&str] = &[
    "assignment_id! integer",
    "license_id integer",
    "platform_key string",
    "platform_org string",
];
const GROUP_GONE: &[&str] = &[
    "assignment_id! integer",
    "license_id integer",
    "platform_key string",
    "platform_org string",
    "remove_user_assignments boolean",
];

/// Of every family.
const LICENSES: &[Route] = &[
    Route {
        method: "get",
        end: "",
        id: "List",
        summary: "Licenses, page by page; any other parameter asks for metadata of that key",
        query: FILTERS,
        body: "",
        answer: "Page",
    },
    Route {
        method: "post",
        end: "create/",
        id: "Create",
        summary: "Sells a license to a platform",
        query: &["platform_key string", "platform_org string"],
        body: "Create",
        answer: "",
    },
    Route {
        method: "post",
        end: "update/",
        id: "Update",
        summary: "Changes a license, and keeps a record of it",
        query: &["license_id integer"],
        body: "Update",
        answer: "",
    },
];

/// Of those that are assigned.
const ASSIGNMENTS: &[Route] = &[
    Route {
        method: "get",
        end: "assignment/",
        id: "ListAssignments",
        summary: "Assignments of a license to users, page by page",
        query: PICKS,
        body: "",
        answer: "AssignmentPage",
    },
    Route {
        method: "post",
        end: "assignment/",
        id: "Assign",
        summary: "Assigns a license to a user or an e-mail address, or changes the assignment there is",
        query: MEANT,
        body: "AssignmentCreate",
        answer: "Assignment",
    },
    Route {
        method: "delete",
        end: "assignment/",
        id: "TakeBack",
        summary: "Takes an assignment back",
        query: GONE,
        body: "",
        answer: "Nothing",
    },
    Route {
        method: "get",
        end: "assignment/group/",
        id: "ListGroupAssignments",
        summary: "Assignments of a license to groups, page by page",
        query: GROUP_PICKS,
        body: "",
        answer: "GroupAssignmentPage",
    },
    Route {
        method: "post",
        end: "assignment/group/",
        id: "AssignGroup",
        summary: "Assigns a license to each member of a group, or to none",
        query: MEANT,
        body: "GroupAssignmentCreate",
        answer: "GroupAssignment",
    },
    Route {
        method: "delete",
        end: "assignment/group/",
        id: "TakeBackGroup",
        summary: "Takes a group's assignment back, and those of its members unless they shall stay",
        query: GROUP_GONE,
        body: "",
        answer: "Nothing",
    },
];

const CHECK: Route = Route {
    method: "get",
    end: "assignment/check/",
    id: "Check",
    summary: "Whether an e-mail address has an active license of a user: 200 or 404, to anybody",
    query: &["email! string"],
    body: "",
    answer: "Nothing",
};

const MOUNTS: [(&str, &str); 2] = [("/api/catalog/licenses", ""), ("/dm/api/catalog/licenses", "Dm")];

fn title(family: Family) -> &'static str {
    match family {
        Family::Program => "Program",
        Family::Course => "Course",
        Family::User => "User",
        Family::Platform => "Platform",
    }
}

fn routes(family: Family) -> impl Iterator<Item = &'static Route> {
    let assigned: &[Route] = if family.is_assigned() { ASSIGNMENTS } else { &[] };
    let check = (family == Family::User).then_some(&CHECK);
    LICENSES.iter().chain(assigned).chain(check)
}

/// Members of the document: `paths`, `schemas` and the `tag`.
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    let mut schemas = common();
    for family in Family::ALL {
        for (mount, suffix) in MOUNTS {
            for route in routes(family) {
                let path = format!("{mount}/{}/{}", family.name(), route.end);
                paths.entry(path).or_insert_with(|| json!({}))[route.method] = operation(family, route, suffix);
            }
        }
        shapes(family, &mut schemas);
    }
    json!({
        "paths": paths, "schemas": schemas,
        "tag": {"name": "iblai", "description": "ibl.ai's catalog licenses on the same seats; see docs/doors.md"},
    })
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/IblAi{name}")})
}

fn operation(family: Family, route: &Route, suffix: &str) -> Value {
    let title = title(family);
    let mut names = route.query.to_vec();
    if route.end.is_empty() {
        names.extend(match family {
            Family::Program => &["program_id string", "org string", "platform_org string"][..],
            Family::Course => &["course_id string", "org string", "platform_org string"],
            Family::User | Family::Platform => &[],
        });
    }
    let parameters = names.into_iter().map(|query| {
        let (name, of) = query.split_once(' ').unwrap_or((query, "string"));
        let required = name.ends_with('!');
        json!({"name": name.trim_end_matches('!'), "in": "query", "required": required, "schema": {"type": of}})
    });
    let content = |schema: Value| json!({"application/json": {"schema": schema}});
    let answer = match route.answer {
        "Nothing" => reference("Nothing"),
        end => reference(&format!("{title}License{end}")),
    };
    let mut responses = Map::new();
    responses.insert(
        "200".to_owned(),
        json!({"description": "Done, or found", "content": content(answer)}),
    );
    let is_public = route.id == CHECK.id;
    let mut refusals = match is_public {
        true => vec![400, 404, 405],
        false => vec![400, 401, 403, 404, 405, 503],
    };
    match route.method {
        _ if is_public => {}
        "get" => refusals.push(413),
        _ => refusals.extend([413, 422]),
    }
    if !route.body.is_empty() {
        refusals.extend([408, 413, 415]);
    }
    for status in refusals {
        let told = json!({"description": why(status), "content": content(reference("Error"))});
        responses.insert(status.to_string(), told);
    }
    let mut operation = json!({
        "operationId": format!("iblai{title}{}{suffix}", route.id), "tags": ["iblai"], "summary": route.summary,
        "parameters": parameters.collect::<Vec<_>>(), "responses": responses,
    });
    if is_public {
        operation["security"] = json!([]);
    }
    if !route.body.is_empty() {
        let schema = || json!({"schema": reference(&format!("{title}License{}", route.body))});
        operation["requestBody"] = json!({"required": true, "content": {
            "application/json": schema(), "application/scim+json": schema(),
            "application/x-www-form-urlencoded": schema(), "multipart/form-data": schema(),
        }});
    }
    if route.method != "get" {
        may_be_dry(&mut operation);
        may_be_repeated(&mut operation);
    }
    operation
}

fn why(status: u16) -> &'static str {
    match status {
        400 => "Cannot be read, or is refused: no free seat, a count below its use, a name that is taken",
        401 => "No key, or a bad one",
        403 => "The key lacks the permission",
        404 => "There is no such thing or page, or it is another platform's",
        405 => "Not a method of this path",
        408 => "The body did not arrive in time",
        413 => "The body, or the answer, is too large",
        415 => "The body is of a type that is not understood",
        422 => "The Idempotency-Key was sent with another request",
        _ => "Try again",
    }
}

fn text() -> Value {
    json!({"type": "string"})
}

fn nullable() -> Value {
    json!({"type": ["string", "null"]})
}

fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn nullable_time() -> Value {
    json!({"type": ["string", "null"], "format": "date-time"})
}

fn number() -> Value {
    json!({"type": "integer"})
}

fn flag(usual: bool) -> Value {
    json!({"type": "boolean", "default": usual})
}

fn any() -> Value {
    json!({"type": "object", "additionalProperties": true})
}

fn object(required: &[&str], properties: Value) -> Value {
    json!({"type": "object", "required": required, "properties": properties})
}

fn merged(mut one: Value, other: Value) -> Value {
    if let (Some(members), Value::Object(more)) = (one.as_object_mut(), other) {
        members.extend(more);
    }
    one
}

fn common() -> Map<String, Value> {
    let wrong = json!({"type": "array", "items": {"type": "string"}});
    let error = json!({
        "type": "object", "properties": {"detail": text(), "code": text(), "help": text()},
        "additionalProperties": wrong,
        "description": "A `detail` with its stable code, or a list for each member that is wrong",
    });
    Map::from_iter([
        ("IblAiError".to_owned(), error),
        ("IblAiNothing".to_owned(), json!({"type": "object"})),
    ])
}

fn page(of: &str) -> Value {
    object(
        &["count", "next_page", "previous_page", "results"],
        json!({
            "count": number(), "next": nullable(), "previous": nullable(), "next_page": nullable(),
            "previous_page": nullable(), "results": {"type": "array", "items": reference(of)},
        }),
    )
}

fn shapes(family: Family, schemas: &mut Map<String, Value>) {
    let title = title(family);
    let mut add = |end: &str, shape: Value| schemas.insert(format!("IblAi{title}License{end}"), shape);
    let of = match family {
        Family::Program => json!({"program_key": text()}),
        Family::Course => json!({"course_id": text()}),
        Family::User | Family::Platform => json!({"platform_key": text()}),
    };
    let sums = json!({"type": "object", "additionalProperties": number()});
    let mut license = json!({
        "id": number(), "created": time(), "started": time(), "expired": nullable_time(), "name": text(), "count": number(),
        "active": flag(true), "metadata": any(), "source": text(), "external_id": nullable(), "platform_key": text(),
    });
    if family == Family::Program {
        license = merged(license, json!({"program_id": text(), "program_name": text()}));
    }
    if family.is_assigned() {
        license = merged(license, json!({"usage_count": number(), "assignments": sums}));
    }
    let required = [
        "id",
        "created",
        "started",
        "expired",
        "name",
        "count",
        "active",
        "metadata",
        "source",
        "external_id",
        "platform_key",
    ];
    add("", object(&required, merged(license, of.clone())));
    add("Page", page(&format!("{title}License")));
    let says = || {
        json!({
            "name": text(), "count": {"type": "integer", "minimum": 0, "maximum": i32::MAX}, "started": time(),
            "expired": nullable_time(), "external_id": nullable(), "active": flag(true), "metadata": any(),
            "enrollment_config": any(), "source": text(), "transaction_id": text(), "change_type": text(),
        })
    };
    let mut owner = json!({"platform_key": text(), "platform_org": text()});
    let needed: &[&str] = match family {
        Family::Program => {
            owner["platform_id"] = number();
            &["program_key"]
        }
        Family::Course => &["platform_key", "course_id"],
        Family::User | Family::Platform => &["platform_key"],
    };
    add("Create", object(needed, merged(merged(says(), owner), of.clone())));
    add("Update", object(&[], merged(says(), json!({"license_id": number()}))));
    if !family.is_assigned() {
        return;
    }
    let shared = |more: Value| {
        let told = json!({
            "id": number(), "active": flag(true), "fulfilled": flag(false), "redirect_to": nullable(), "metadata": any(),
            "created": time(), "modified": time(), "license_id": number(), "license_name": text(),
        });
        merged(merged(told, more), of.clone())
    };
    let user = json!({
        "user_id": {"type": ["integer", "null"]}, "username": nullable(), "name": nullable(), "email": nullable(),
        "direct": {"type": "boolean"},
    });
    let needed = [
        "id",
        "user_id",
        "username",
        "email",
        "active",
        "fulfilled",
        "metadata",
        "license_id",
        "license_name",
    ];
    add("Assignment", object(&needed, shared(user)));
    add("AssignmentPage", page(&format!("{title}LicenseAssignment")));
    let mut group = json!({
        "group_id": number(), "group_name": text(), "user_count": number(), "assigned_count": number(),
    });
    if family == Family::Program {
        group["program_name"] = text();
    }
    let needed = [
        "id",
        "group_id",
        "group_name",
        "active",
        "fulfilled",
        "metadata",
        "license_id",
        "license_name",
    ];
    add("GroupAssignment", object(&needed, shared(group)));
    add("GroupAssignmentPage", page(&format!("{title}LicenseGroupAssignment")));
    let asked = |more: Value| {
        let said = json!({
            "license_id": number(), "platform_key": text(), "platform_org": text(), "active": flag(true),
            "fulfilled": flag(false), "redirect_to": nullable(), "metadata": any(),
        });
        merged(said, more)
    };
    let user = json!({"user_id": number(), "username": text(), "email": text(), "direct": flag(true)});
    add("AssignmentCreate", object(&["license_id"], asked(user)));
    let group = json!({"group_id": number()});
    add(
        "GroupAssignmentCreate",
        object(&["license_id", "group_id"], asked(group)),
    );
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_shape_is_there_and_every_path_is_one_of_the_door() {
        let document = document();
        let text = document.to_string();
        for name in text
            .split("#/components/schemas/")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
        {
            // Of a dry run the server has its own.
            assert!(name == "DryRun" || document["schemas"].get(name).is_some(), "{name}");
        }
        for name in document["schemas"].as_object().unwrap().keys() {
            assert!(text.contains(&format!("schemas/{name}\"")), "{name} is not used");
        }
        let paths = document["paths"].as_object().unwrap();
        let mut ids = HashSet::new();
        for (path, methods) in paths {
            assert!(super::super::path::read(path).is_some(), "{path}");
            for (method, operation) in methods.as_object().unwrap() {
                assert!(ids.insert(operation["operationId"].to_string()), "{path}");
                let is_told = |status: &str| operation["responses"].get(status).is_some();
                let (is_read, is_public) = (method == "get", path.ends_with("/check/"));
                let told = (is_told("404"), is_told("413") || !is_read, is_told("422"));
                assert_eq!(told, (true, !is_public, !is_read), "{method} {path}");
            }
        }
        // `doors.md` B.2: 19 paths and 31 operations, on each mount.
        assert_eq!((paths.len(), ids.len()), (2 * 19, 2 * 31));
    }
}
