//! The named parts of the document: parameters, headers, problems, and the schemas of the two files beside this one.

use serde_json::{Map, Value, json};

use crate::graph::LAST_KEPT_SERIAL;
use crate::limits::Limits;
use crate::model::{Kind, RelationType};

use super::{envelopes, objects, operations};

pub fn components() -> Value {
    json!({
        "securitySchemes": {"bearer": {
            "type": "http", "scheme": "bearer",
            "description": "A token made by `seatgraph token create` or `POST /tokens`.",
        }},
        "parameters": parameters(),
        "headers": headers(),
        "responses": responses(),
        "schemas": schemas(),
    })
}

pub fn schema(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Without `default`: a client that is generated sends it, and no form of a request takes all that another one does.
fn parameters() -> Value {
    let query = |name: &str, schema: Value, description: &str| json!({"name": name, "in": "query", "description": description, "schema": schema});
    let header = |name: &str, description: &str| json!({"name": name, "in": "header", "description": description, "schema": {"type": "string"}});
    let page_max = limit("page_max");
    let others = json!({
        "from": query("from", json!({"type": "string", "examples": ["uipath"]}), "The lines are this system's own list answers, which its door reads."),
        "organization": query("organization", json!({"type": "string"}), "The organization those are of, by id, alias or name; made if there is none. Absent: the one they name."),
        "lastSerial": query("lastSerial", json!({"type": "integer", "minimum": 0, "maximum": LAST_KEPT_SERIAL}), "The highest serial that the lines bring: whatever others create meanwhile gets one after it."),
        "reading": query("operation", json!({"const": "DescribeConsumers"}), "Who could consume the one license that is selected, with `limit` and `cursor`; other operations are sent by POST."),
        "tokensOf": query("profileId", json!({"type": "string", "format": "uuid"}), "Those of this profile."),
        "locale": header("locale", "The language of `displayName`, such as `da-dk`, where an item has `displayNames`."),
        "GraphAtLeast": header("Graph-At-Least", "Wait until this revision is here: the `Graph-Revision` a write answered."),
        "IdempotencyKey": header("Idempotency-Key", "1 to 255 visible ASCII characters: a repeat within a day answers the first outcome."),
        "IfMatch": header("If-Match", "Write only if the one top-level object still has this ETag, or exists (`*`)."),
        "IfNoneMatch": header("If-None-Match", "`*`: only create."),
        "IfNoneMatchRead": header("If-None-Match", "304 if the object still has this ETag."),
        "LastEventID": header("Last-Event-ID", "The `id` of the last event that was seen; wins over `after`."),
    });
    let mut all = json!({
        "selector": {
            "name": "selector", "in": "path", "required": true, "schema": {"type": "string", "maxLength": limit("selector_bytes")},
            "description": "A Graph Selector without its first `/`; its own slashes stand in the path as they are.",
            "examples": {
                "byId": {"value": "License[@id='2f1c7c1e-3c1b-4c52-9d0a-0f5f6a8b7c6d']"},
                "chain": {"value": "Organization[@name='ACME']/~OneToMany/Entitlement/~OneToMany/License{i=0,r=10,s=name+}"},
            },
        },
        "id": {"name": "id", "in": "path", "required": true, "schema": {"type": "string", "format": "uuid"}},
        "wrap": query("wrap", json!({"type": "boolean"}), "`false`: the bare object, array or number."),
        "explain": query("explain", json!({"type": "boolean"}), "`true`: answer the plan and its cost instead, of includes too; needs `Server.explain`. Not with `.jwt`."),
        "cursor": query("cursor", json!({"type": "string"}), "Go on where an answer with this `nextCursor` ended."),
        "alg": query("alg", json!({"enum": ["RS256", "EdDSA"]}), "How a `.jwt` answer is signed, by RS256 unless said; with that alone."),
        "limit": query("limit", json!({"type": "integer", "minimum": 1, "maximum": page_max}), "How many to list."),
        "after": query("after", json!({"type": "integer", "minimum": 0}), "Commits after this revision. Not with `cursor`."),
        "before": query("before", json!({"type": "integer", "minimum": 0}), "Commits before this revision. Not with `cursor`."),
        "entity": query("entity", json!({"type": "string", "format": "uuid"}), "Changes to this entity, and to relations at it."),
        "auditOperation": query("operation", json!({"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9]{0,63}$"}), "Commits of the operation of this name."),
        "by": query("by", json!({"type": "string", "format": "uuid"}), "Commits by this token or profile."),
        "source": {
            "name": "source", "in": "path", "required": true, "schema": {"type": "string"},
            "description": "`seatgraph` for all the caller may hear, or the id of an organization for what is its own.",
        },
        "type": {"name": "type", "in": "path", "required": true, "schema": {"type": "string", "examples": ["License"]}},
        "afterEvent": query("after", json!({"type": "string", "pattern": "^[0-9]+(-[0-9]+)?$"}), "Events after this id, or after this revision; `0` for all that are kept."),
        "afterTime": query("after", json!({"type": "string", "pattern": "^[0-9]+$"}), "Events after this time, in nanoseconds since 1970."),
        "beforeTime": query("before", json!({"type": "string", "pattern": "^[0-9]+$"}), "Events before this time, in nanoseconds since 1970; alone: the last ones before it."),
        "maxEventCount": query("maxEventCount", json!({"type": "integer", "minimum": 1, "maximum": page_max}), "How many events to give."),
        "newest": query("newest", json!({"type": "boolean"}), "`true`: the last events and not the first."),
        "order": query("order", json!({"enum": ["asc", "desc"]}), "Oldest first, unless it is `desc`."),
        "user": {
            "name": "user", "in": "path", "required": true, "description": "The id of a user, or `me`", "schema": {"type": "string"},
        },
        "form": {
            "name": "form", "in": "path", "required": true, "schema": {"enum": [".json", ".txt", ".jwt"]},
            "description": "How the answer is written; without one, as `.txt`.",
        },
        "authz": {
            "name": "authz", "in": "query", "style": "form", "explode": true, "schema": schema("AuthzParameters"),
            "description": "Items are names without a value: `?editor&hw=mac-1`. Other names with a value that are no parameter are ignored.",
        },
        "profileId": query("profileId", json!({"type": "string", "format": "uuid"}), "Whose; one's own without it."),
        "item": query("item", json!({"type": "string"}), "Of the item of this name."),
        "licenseId": query("licenseId", json!({"type": "string", "format": "uuid"}), "Of this license."),
        "includeExpired": query("includeExpired", json!({"type": "boolean"}), "`true`: those that ended within a year or are used up, too."),
        "dryRun": query("dryRun", json!({"type": "boolean"}), "`true`: answer what would change, and change nothing."),
        "operation": query("operation", operations::names(), "The operation to carry out, by its exact name; `GET /graph-schema` lists them."),
        "includes": {
            "name": "includes", "in": "query", "style": "form", "explode": true,
            "description": "Parameters whose name is a chain of relations, without values: `?/~ManyToOne/Person&/~OneToMany/ContactInformation`.",
            "schema": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 0}, "propertyNames": {"pattern": "^/~"}},
        },
    });
    if let (Value::Object(all), Value::Object(others)) = (&mut all, others) {
        all.extend(others);
    }
    all
}

fn limit(name: &str) -> u64 {
    Limits::ALL
        .iter()
        .find(|(known, _)| *known == name)
        .map_or(0, |(_, value)| *value)
}

fn headers() -> Value {
    let header = |description: &str, schema: Value| json!({"description": description, "schema": schema});
    json!({
        "Graph-Revision": header("The revision that was read, or the one the write made.", json!({"type": "integer", "minimum": 0})),
        "ETag": header("What the answer is known by: of one object the revision of its last change.", json!({"type": "string"})),
        "Link": header("`rel=\"next\"`: where a bare answer that was cut goes on.", json!({"type": "string"})),
        "Idempotency-Replayed": header("This is the answer of the first request with this key.", json!({"type": "boolean"})),
        "Retry-After": header("Seconds after which to try again.", json!({"type": "integer"})),
        "WWW-Authenticate": header("How to authenticate.", json!({"type": "string"})),
        "Allow": header("The methods that are allowed.", json!({"type": "string"})),
    })
}

fn responses() -> Value {
    let problem = |description: &str, header: Option<&str>| {
        let mut response = json!({
            "description": description,
            "content": {"application/problem+json": {"schema": schema("Problem")}},
        });
        if let Some(name) = header {
            response["headers"] = json!({name: {"$ref": format!("#/components/headers/{name}")}});
        }
        response
    };
    let read = Some("Graph-Revision");
    json!({
        "400": problem("Cannot be read, or names what does not exist in the schema", None),
        "401": problem("No token, or a bad one", Some("WWW-Authenticate")),
        "403": problem("The token lacks the permission", None),
        "404": problem("The one thing that was named is not there", None),
        "405": problem("Not a method of this path", Some("Allow")),
        "406": problem("Not a format that is answered", None),
        "408": problem("The body did not arrive in time", None),
        "409": problem("Against what is stored", read),
        "412": problem("The object is not what `If-Match` or `If-None-Match` says", read),
        "413": problem("The body or the answer is too large", None),
        "414": problem("The selector is too long", None),
        "415": problem("Not a type of body that is taken", None),
        "422": problem("Understood and refused", read),
        "429": problem("Too many attempts", Some("Retry-After")),
        "503": problem("Not now", Some("Retry-After")),
    })
}

fn schemas() -> Map<String, Value> {
    let mut all = Map::new();
    for kind in Kind::public() {
        all.insert(kind.name().to_owned(), objects::object(kind));
    }
    for relation in RelationType::NAMED {
        all.insert(
            relation.name().to_owned(),
            objects::relation_object(*relation, relation.name()),
        );
    }
    all.extend(operations::schemas());
    all.extend(
        envelopes::envelopes()
            .into_iter()
            .map(|(name, schema)| (name.to_owned(), schema)),
    );
    all
}
