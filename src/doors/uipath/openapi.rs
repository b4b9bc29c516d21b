//! What this door adds to `/openapi.json`: its paths under every prefix the vendor's pages have had, and its shapes.

use serde_json::{Map, Value, json};

use crate::http::door::{may_be_dry, may_be_repeated};

/// A method of a path, below a service.
struct Route {
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    /// Names in the query: `skip integer`.
    query: &'static [&'static str],
    body: &'static str,
    /// Empty: nothing is answered.
    answer: &'static str,
    /// Beside those every route has.
    refusals: &'static [u16],
}

const LEASE: &[Route] = &[
    Route {
        method: "put",
        path: "/account/{accountId}/user-license",
        id: "SetUserLicenses",
        summary: "Gives users just these bundles, and no others (POST alike)",
        query: &[],
        body: "UserLicenses",
        answer: "UserLicenseRecords",
        refusals: &[404, 409],
    },
    Route {
        method: "put",
        path: "/account/{accountId}/user-license/group/{groupId}",
        id: "SetGroupRule",
        summary: "Sets the rule of a group: its members lease these bundles when they first use them (POST alike)",
        query: &[],
        body: "GroupRule",
        answer: "GroupRuleRecord",
        refusals: &[404, 409],
    },
    Route {
        method: "get",
        path: "/account/{accountId}/user-license/group/{groupId}",
        id: "GetGroupBundles",
        summary: "The bundles of the organization, and those of the group's rule",
        query: &[],
        body: "",
        answer: "GroupBundles",
        refusals: &[404],
    },
    Route {
        method: "put",
        path: "/account/{accountId}/user-license/group/{groupId}/with-quota",
        id: "SetGroupRuleWithQuota",
        summary: "Sets the rule of a group, and how many units of a bundle its members may hold (POST alike)",
        query: &[],
        body: "GroupRuleWithQuota",
        answer: "GroupRuleUse",
        refusals: &[404, 409],
    },
    Route {
        method: "get",
        path: "/account/{accountId}/user-license/group/{groupId}/with-quota",
        id: "GetGroupRuleWithQuota",
        summary: "The rule of a group with its quotas and their use",
        query: &[],
        body: "",
        answer: "GroupRuleUse",
        refusals: &[404],
    },
    Route {
        method: "get",
        path: "/account/{accountId}/user-license/groups/with-quota",
        id: "ListGroupRules",
        summary: "The rules of all groups, page by page",
        query: &["skip integer", "top integer", "sortBy string", "sortOrder string"],
        body: "",
        answer: "GroupRules",
        refusals: &[404],
    },
    Route {
        method: "post",
        path: "/entitlements/{accountId}/entitled",
        id: "IsEntitled",
        summary: "Whether the organization, or a user of it, may use these",
        query: &["userId string"],
        body: "EntitlementNames",
        answer: "Entitled",
        refusals: &[404],
    },
];

const PORTAL: &[Route] = &[
    Route {
        method: "get",
        path: "",
        id: "ListBundles",
        summary: "The bundles of the organization",
        query: &[],
        body: "",
        answer: "Bundles",
        refusals: &[404],
    },
    Route {
        method: "put",
        path: "",
        id: "PortalSetUserLicenses",
        summary: "Gives users just these bundles, and no others",
        query: &[],
        body: "PortalUserLicenses",
        answer: "",
        refusals: &[404, 409],
    },
    Route {
        method: "delete",
        path: "",
        id: "RemoveUserLicenses",
        summary: "Drops the direct records of users: rules of groups count for them again",
        query: &[],
        body: "UserIds",
        answer: "",
        refusals: &[404, 409],
    },
    Route {
        method: "post",
        path: "/users",
        id: "AddUsers",
        summary: "Adds users without a bundle: from then on rules of groups give them nothing",
        query: &[],
        body: "UserIds",
        answer: "",
        refusals: &[404],
    },
    Route {
        method: "get",
        path: "/user/page",
        id: "ListUsers",
        summary: "Users with a direct record, page by page",
        query: &["skip integer", "top integer"],
        body: "",
        answer: "Holders",
        refusals: &[404],
    },
    Route {
        method: "get",
        path: "/group/",
        id: "PortalGetGroupBundles",
        summary: "The bundles of the organization, and those of a group's rule",
        query: &["id string"],
        body: "",
        answer: "GroupBundles",
        refusals: &[404],
    },
    Route {
        method: "put",
        path: "/group",
        id: "PortalSetGroupRule",
        summary: "Sets the rule of a group",
        query: &[],
        body: "PortalGroupRule",
        answer: "GroupRuleRecord",
        refusals: &[404, 409],
    },
    Route {
        method: "delete",
        path: "/group",
        id: "RemoveGroupRule",
        summary: "Drops the rule of a group, and what its members lease by it",
        query: &[],
        body: "GroupId",
        answer: "",
        refusals: &[404],
    },
    Route {
        method: "get",
        path: "/group/page",
        id: "PortalListGroupRules",
        summary: "Groups with a rule, page by page",
        query: &["skip integer", "top integer"],
        body: "",
        answer: "PortalGroupRules",
        refusals: &[404],
    },
    Route {
        method: "get",
        path: "/group/{groupId}/allocations",
        id: "ListGroupAllocations",
        summary: "Members that hold bundles by the rule of a group, page by page",
        query: &["skip integer", "top integer"],
        body: "",
        answer: "Holders",
        refusals: &[404],
    },
    Route {
        method: "delete",
        path: "/group/{groupId}/user/{userId}",
        id: "ReleaseMember",
        summary: "Gives back what one member leases by the rule; the next use leases again",
        query: &[],
        body: "",
        answer: "",
        refusals: &[404, 409],
    },
];

const IDENTITY: &[Route] = &[
    Route {
        method: "get",
        path: "/{partitionGlobalId}",
        id: "ListGroups",
        summary: "The groups of an organization, to find their ids",
        query: &[],
        body: "",
        answer: "DirectoryGroups",
        refusals: &[404],
    },
    Route {
        method: "get",
        path: "/{partitionGlobalId}/{groupId}",
        id: "GetGroup",
        summary: "A group, with its members for who may read them",
        query: &[],
        body: "",
        answer: "DirectoryGroup",
        refusals: &[404],
    },
];

/// Where each service is found: the present prefix first.
const PREFIXES: &[(&str, &[Route])] = &[
    ("/{organizationName}/lease_/api", LEASE),
    ("/lease_/api", LEASE),
    ("/{organizationName}/la/api", LEASE),
    ("/la/api", LEASE),
    ("/{organizationName}/portal_/api/license/accountant/UserLicense", PORTAL),
    ("/portal/api/license/accountant/UserLicense", PORTAL),
    ("/{organizationName}/identity_/api/Group", IDENTITY),
    ("/identity_/api/Group", IDENTITY),
];

/// Members of the document: `paths`, `schemas` and the `tag`.
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for (index, (prefix, routes)) in PREFIXES.iter().enumerate() {
        for route in *routes {
            let path = format!("{prefix}{}", route.path);
            let methods: &[&str] = match (route.method, *routes) {
                ("put", routes) if std::ptr::eq(routes, LEASE) => &["put", "post"],
                _ => &[route.method],
            };
            for method in methods {
                let told = operation(route, method, &path, index);
                paths.entry(path.clone()).or_insert_with(|| json!({}))[*method] = told;
            }
        }
    }
    json!({
        "paths": paths, "schemas": schemas(),
        "tag": {"name": "uipath", "description": "UiPath's License Accountant on the same seats; see docs/doors.md"},
    })
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/UiPath{name}")})
}

fn operation(route: &Route, method: &str, path: &str, prefix: usize) -> Value {
    let of_path = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let mut parameters: Vec<Value> = of_path
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    parameters.extend(route.query.iter().map(|query| {
        let (name, of) = query.split_once(' ').unwrap_or((query, "string"));
        json!({"name": name, "in": "query", "schema": {"type": of}})
    }));
    let mut responses = Map::new();
    let content = |schema: Value| json!({"application/json": {"schema": schema}});
    let done = match route.answer {
        "" => json!({"description": "Done, and the body is empty; of a dry run, what would change"}),
        answer => json!({"description": "Done, or found", "content": content(reference(answer))}),
    };
    responses.insert("200".to_owned(), done);
    let mut refusals = vec![400, 401, 403, 405, 503];
    refusals.extend(route.refusals);
    match method {
        "get" => refusals.push(413),
        // It writes nothing.
        _ if route.id == "IsEntitled" => {}
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
        "operationId": format!("uipath{}{}{prefix}", route.id, if method == "post" && route.method == "put" { "Post" } else { "" }),
        "tags": ["uipath"], "summary": route.summary, "responses": responses, "parameters": parameters,
    });
    if !route.body.is_empty() {
        operation["requestBody"] = json!({"required": true, "content": content(reference(route.body))});
    }
    if method != "get" && route.id != "IsEntitled" {
        may_be_dry(&mut operation);
        may_be_repeated(&mut operation);
    }
    operation
}

fn why(status: u16) -> &'static str {
    match status {
        400 => "Cannot be read",
        401 => "No token, or a bad one",
        403 => "The token lacks the permission",
        404 => "No such organization, user or group, or no licenses at all",
        405 => "Not a method of this path",
        408 => "The body did not arrive in time",
        409 => "Not so many units, a quota below its use, or a seat that may not be given back",
        413 => "The body, or the answer, is too large",
        415 => "The body is no JSON",
        422 => "The Idempotency-Key was sent with another request",
        _ => "Try again",
    }
}

fn schemas() -> Value {
    let text = || json!({"type": "string"});
    let flag = || json!({"type": "boolean", "default": false});
    let number = || json!({"type": "integer"});
    let texts = || json!({"type": "array", "items": {"type": "string"}});
    let object = |required: &[&str], properties: Value| json!({"type": "object", "required": required, "properties": properties});
    let list = |name: &str| json!({"type": "array", "items": reference(name)});
    let page = |name: &str| json!({"type": "object", "properties": {"results": list(name)}});
    json!({
        "UiPathError": object(&["StatusCode", "StatusDescription", "Message", "Description"], json!({
            "StatusCode": number(), "StatusDescription": text(), "Message": text(), "Description": text(),
        })),
        "UiPathUserLicenses": object(&["userIds", "userBundleCodes"], json!({
            "userIds": texts(), "userBundleCodes": texts(), "useExternalLicense": flag(),
        })),
        "UiPathUserLicenseRecord": object(&[], json!({
            "userId": text(), "organizationId": text(), "useExternalLicense": flag(), "userBundleCodes": texts(),
        })),
        "UiPathUserLicenseRecords": list("UserLicenseRecord"),
        "UiPathGroupRule": object(&["userBundleCodes"], json!({"userBundleCodes": texts(), "useExternalLicense": flag()})),
        "UiPathGroupRuleRecord": object(&[], json!({
            "groupId": text(), "organizationId": text(), "useExternalLicense": flag(), "userBundleCodes": texts(),
        })),
        "UiPathBundle": object(&[], json!({"code": text(), "allocated": number(), "total": number(), "inUse": number()})),
        "UiPathBundles": list("Bundle"),
        "UiPathGroupBundles": object(&[], json!({
            "availableUserBundles": list("Bundle"), "allocatedUserBundles": texts(), "useExternalLicense": flag(),
        })),
        "UiPathGroupRuleWithQuota": object(&["userBundleCodes"], json!({
            "userBundleCodes": texts(), "useExternalLicense": flag(),
            "quotas": {"type": "array", "items": object(&["userBundleCode", "limit"], json!({
                "userBundleCode": text(), "limit": {"type": "number", "minimum": 1},
            }))},
        })),
        "UiPathQuota": object(&[], json!({"userBundleCode": text(), "limit": number(), "currentUsage": number()})),
        "UiPathGroupRuleUse": object(&[], json!({
            "groupRule": object(&[], json!({"groupId": text(), "organizationId": text(), "userBundleCodes": texts()})),
            "quotas": list("Quota"),
        })),
        "UiPathGroupRules": object(&["results", "totalCount"], json!({
            "totalCount": number(),
            "results": {"type": "array", "items": object(&[], json!({
                "groupRule": object(&[], json!({
                    "id": text(), "name": text(), "userBundleLicenses": texts(), "useExternalLicense": flag(), "orphan": flag(),
                    "userBundleLeases": {"type": "object", "additionalProperties": number()},
                    "userLicenseBundlesUnavailable": texts(),
                })),
                "quotas": list("Quota"),
            }))},
        })),
        "UiPathEntitlementNames": object(&["EntitlementNames"], json!({"EntitlementNames": texts()})),
        "UiPathEntitled": object(&["isEntitled"], json!({
            "isEntitled": {"type": "object", "additionalProperties": {"type": "boolean"}},
        })),
        "UiPathPortalUserLicenses": object(&["userIds", "licenseCodes"], json!({
            "userIds": texts(), "licenseCodes": texts(), "useExternalLicense": flag(),
        })),
        "UiPathUserIds": object(&["userIds"], json!({"userIds": texts()})),
        "UiPathGroupId": object(&["id"], json!({"id": text()})),
        "UiPathPortalGroupRule": object(&["id", "ubls"], json!({"id": text(), "ubls": texts(), "useExternalLicense": flag()})),
        "UiPathPortalGroupRuleRecord": object(&[], json!({
            "id": text(), "name": text(), "userBundleLicenses": texts(), "useExternalLicense": flag(), "orphan": flag(),
        })),
        "UiPathPortalGroupRules": page("PortalGroupRuleRecord"),
        "UiPathHolder": object(&[], json!({
            "id": text(), "email": {"type": ["string", "null"]}, "name": {"type": ["string", "null"]},
            "surname": {"type": ["string", "null"]}, "displayName": {"type": ["string", "null"]},
            "lastInUse": {"type": ["string", "null"], "format": "date-time"}, "userBundleLicenses": texts(),
            "useExternalLicense": flag(), "orphan": flag(),
        })),
        "UiPathHolders": page("Holder"),
        "UiPathDirectoryGroup": object(&[], json!({
            "id": text(), "name": text(), "displayName": text(), "type": number(), "creationTime": text(),
            "lastModificationTime": text(), "members": {"type": "array", "items": {"type": "object"}},
        })),
        "UiPathDirectoryGroups": list("DirectoryGroup"),
    })
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
        let schemas = document["schemas"].as_object().unwrap();
        for name in schemas.keys() {
            assert!(text.contains(&format!("schemas/{name}\"")), "{name} is not used");
        }
        let mut ids = HashSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            assert!(super::super::path::is_meant(path), "{path}");
            for operation in methods.as_object().unwrap().values() {
                assert!(ids.insert(operation["operationId"].to_string()), "{path}");
            }
        }
        assert!(ids.len() > 40, "{}", ids.len());
    }
}
