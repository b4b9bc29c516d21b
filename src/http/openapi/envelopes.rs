//! What surrounds objects on the wire, and the answers that hold none, as JSON Schema.

use serde_json::{Map, Value, json};

use crate::model::{Kind, RelationType};

use super::components::schema;
use super::objects::relation_object;

pub fn envelopes() -> Vec<(&'static str, Value)> {
    let string = json!({"type": "string"});
    let id = json!({"type": "string", "format": "uuid"});
    let time = json!({"type": "string", "format": "date-time"});
    let count = json!({"type": "integer", "minimum": 0});
    let kinds: Vec<Value> = Kind::public().map(|kind| schema(kind.name())).collect();
    let mapping: Map<String, Value> = Kind::public()
        .map(|kind| (kind.name().to_owned(), schema(kind.name())["$ref"].clone()))
        .collect();
    let named: Vec<Value> = RelationType::NAMED
        .iter()
        .map(|relation| schema(relation.name()))
        .collect();
    let lines: Vec<Value> = [schema("Object"), schema("ManyToMany")]
        .into_iter()
        .chain(named.iter().cloned())
        .collect();
    let plain = relation_object(RelationType::ManyToMany, "ObjectRelation");
    let attributes: Vec<Value> = named.iter().cloned().chain([plain]).collect();
    let external_id = json!({"type": "string", "minLength": 1, "maxLength": 200});
    let order = |item: Value| {
        json!({
            "type": "object",
            "properties": {
                "externalId": external_id,
                "type": {"type": "string", "default": "unspecified", "examples": ["Order"]},
                "items": {"type": "array", "minItems": 1, "maxItems": 100, "items": item},
            },
            "required": ["externalId", "items"],
        })
    };
    let result = |name: &str, items: Value| {
        json!({
            "type": "object",
            "properties": {
                "__objType": {"type": "string", "const": name},
                "resultCode": {"type": "string", "const": "Success"},
                "count": {"type": "integer", "minimum": 0, "description": "Entities and relations that changed, cascades included"},
                "objects": items,
                "dryRun": {"type": "boolean", "const": true},
                "changes": {"type": "array", "items": schema("Change")},
            },
            "required": ["__objType", "resultCode", "count", "objects"],
        })
    };
    let algorithm = json!({"enum": ["RS256", "EdDSA"]});
    let permissions = json!({"type": "array", "items": {"type": "string", "examples": ["License.read", "*.*"]}});
    let flat = json!({"type": "object", "description": "A row of a named query: `<Type>_<field>`", "additionalProperties": true});
    let rows = json!({"type": "array", "items": {"anyOf": [schema("Object"), flat]}});
    let sides = json!({"type": "object", "additionalProperties": true});
    vec![
        (
            "Object",
            json!({"oneOf": kinds, "discriminator": {"propertyName": "__objType", "mapping": mapping}}),
        ),
        (
            "Objects",
            json!({"anyOf": [
                schema("Object"), {"type": "array", "items": schema("Object")}, schema("ArrayList"),
                schema("LooseObject"), {"type": "array", "items": schema("LooseObject")},
            ]}),
        ),
        (
            "LooseObject",
            json!({
                "type": "object",
                "properties": {"__objType": {"type": "string", "examples": [Kind::Organization.class_name()]}},
                "required": ["__objType"],
                "description": "An object as other clients write it, which is taken too: types by their class names, scalars in wrappers, \
                                `referenceFields` of null.",
            }),
        ),
        (
            "ArrayList",
            json!({
                "type": "object",
                "properties": {
                    "__objType": {"type": "string", "const": "ArrayList"},
                    "Items": {"type": "array", "items": schema("Object")},
                    "nextCursor": {"type": "string", "description": "There is more: send it back as `cursor`"},
                },
                "required": ["Items"],
            }),
        ),
        (
            "Consumer",
            json!({
                "type": "object",
                "properties": {
                    "__objType": {"type": "string", "const": "Consumer"},
                    "profileId": {"type": "string", "format": "uuid"},
                    "state": {"enum": ["denied", "consuming", "reserved", "available"]},
                    "paths": {
                        "type": "array",
                        "description": "Every way that is open now, from the profile to the license: a selector of each entity that may be read, and the relation to the next",
                        "items": {"type": "array", "items": {"type": "string"}},
                    },
                },
                "required": ["__objType", "profileId", "state", "paths"],
            }),
        ),
        (
            "Long",
            json!({
                "type": "object",
                "properties": {"__objType": {"type": "string", "const": "Long"}, "value": {"type": "integer", "format": "int64"}},
                "required": ["__objType", "value"],
            }),
        ),
        (
            "QueryAnswer",
            json!({
                "anyOf": [schema("ArrayList"), schema("Long"), schema("Explanation"), schema("Object"), schema("OperationResult"), rows, {"type": "integer"}],
                "description": "An ArrayList; a Long for `{count}`; with `wrap=false` the bare object, array or number; flat objects for a named query.",
            }),
        ),
        (
            "Explanation",
            json!({
                "type": "object",
                "properties": {
                    "__objType": {"type": "string", "const": "Explanation"},
                    "plan": string, "visited": count, "comparing": count, "count": count, "micros": count,
                    "steps": {"type": "array", "items": {"type": "object", "properties": {"step": string, "estimated": count, "visited": count, "comparing": count, "kept": count}}},
                },
                "required": ["__objType", "plan", "steps", "visited", "count", "micros"],
            }),
        ),
        (
            "HashMap",
            json!({
                "type": "object",
                "properties": {
                    "__objType": {"type": "string", "const": "HashMap"},
                    "Entries": {"type": "array", "items": schema("KeyValue")},
                },
                "required": ["Entries"],
            }),
        ),
        (
            "KeyValue",
            json!({
                "type": "object",
                "properties": {
                    "__objType": {"type": "string", "const": "KeyValue"},
                    "key": schema("Wrapped"),
                    "value": schema("Wrapped"),
                },
                "required": ["key"],
            }),
        ),
        (
            "Wrapped",
            json!({
                "type": ["object", "string", "null"],
                "properties": {"__objType": {"type": "string", "examples": ["String", "UUID"]}, "value": {"type": ["string", "null"]}},
                "description": "A scalar in a wrapper; taken without one too.",
            }),
        ),
        (
            "RelationEntry",
            json!({
                "type": "object",
                "properties": {
                    "rel_Relation": {
                        "type": "object",
                        "properties": {
                            "__objType": {"type": "string", "const": "ObjectRelation"},
                            "multiplicity": {"enum": ["ONE_TO_MANY", "MANY_TO_ONE", "MANY_TO_MANY"]},
                            "relationType": {"type": "string", "description": "The class name of a named relation"},
                            "relatedObjectType": {"type": "string", "description": "The class name of the objects listed"},
                        },
                    },
                    "rel_RelatedObjectList": {
                        "type": "object",
                        "properties": {
                            "__objType": {"type": "string", "const": "RelatedObjectList"},
                            "rel_RelatedObjects": {"type": "array", "items": schema("Object")},
                        },
                    },
                },
                "required": ["rel_Relation"],
            }),
        ),
        (
            "RelationAttributeObject",
            json!({
                "anyOf": attributes,
                "description": "The relation object by which a listed object hangs on its relation. One whose `referenceFields` name an end \
                                as null removes the relation, and both objects stay; other attributes do not go with that",
            }),
        ),
        (
            "ManyToMany",
            json!({
                "type": "object",
                "properties": {
                    "__objType": {"type": "string", "const": "ObjectRelation"},
                    "multiplicity": {"type": "string", "const": "MANY_TO_MANY"},
                    "referenceFields": {"type": "object", "additionalProperties": id},
                },
                "required": ["__objType", "multiplicity", "referenceFields"],
            }),
        ),
        (
            "AuthzParameters",
            json!({
                "type": "object",
                "properties": {
                    "doConsume": {"type": "boolean", "description": "`false`: only a check"},
                    "consumptionMode": {"enum": ["cache", "checkout"], "description": "Online, unless it is `checkout`: offline"},
                    "consumeDuration": {"type": "integer", "minimum": 1, "description": "Milliseconds; never more than the model allows"},
                    "consumeCount": {"type": "integer", "minimum": 1, "maximum": u32::MAX, "description": "1 unless said; of a renewal what it had"},
                    "hw": {"type": "string", "description": "The device: `id`, or `id;name=text`"},
                    "process": {"type": "string", "description": "The process: `id`, or `id;name=text`"},
                    "version": string, "scope": string,
                    "leaseId": {"type": "string", "description": "A lease to renew"},
                    "licenseId": id, "entitlementId": id, "ownerOrganizationId": id, "ownerUserId": id,
                    "onBehalfOfId": {"type": "string", "format": "uuid", "description": "For this user; needs `License.impersonate`, or `License.check` for a check"},
                    "release": {"type": "boolean", "description": "`true`: the names are ids of leases to give back"},
                    "explain": {"type": "boolean", "description": "`true`: say of each license that was tried why not, in `.json`"},
                    "alg": {"enum": ["RS256", "EdDSA"], "description": "How a `.jwt` answer is signed, by RS256 unless said"},
                    "dryRun": {"type": "boolean", "description": "`true`: answer what would change, and change nothing"},
                    "permissionScope": {"type": "string", "description": "Reserved, and read by nothing"},
                },
                "additionalProperties": {"type": "string", "description": "An item: its value is empty, or `;licenseId=…` for it alone"},
            }),
        ),
        (
            "AuthzAnswer",
            json!({
                "description": "An object for one item, an array for several, in the order of the request",
                "anyOf": [schema("AuthzItem"), {"type": "array", "items": schema("AuthzItem")}],
            }),
        ),
        (
            "AuthzTokens",
            json!({"type": "string", "description": "One signed token an item, joined by `&` in the order of the request"}),
        ),
        (
            "AuthzWords",
            json!({"type": "string", "pattern": "^(true|false)(&(true|false))*$", "description": "One word an item, in the order of the request"}),
        ),
        (
            "AuthzItem",
            json!({
                "type": "object",
                "description": "The name of the item is `true`, or is missing and there are `<item>_errorKey`, `<item>_errorCode`, \
                                `<item>_errorMessage` and `<item>_errorTechnical`",
                "properties": {
                    "iss": string, "sub": id, "iat": count, "exp": count, "rfr": count, "ibb": {"type": "integer"},
                    "jti": {"type": "string", "format": "uuid", "description": "The lease"},
                    "lic": {"type": "string", "format": "uuid", "description": "The license"}, "hw": string,
                },
                "required": ["iss", "iat"],
                "additionalProperties": true,
            }),
        ),
        (
            "Checks",
            json!({
                "type": "object",
                "properties": {
                    "checks": {"type": "array", "items": {
                        "type": "object",
                        "properties": {
                            "item": string, "profileId": id, "hw": string, "process": string, "version": string, "scope": string,
                            "count": {"type": "integer", "minimum": 1}, "consumptionMode": {"enum": ["cache", "checkout"]},
                            "licenseId": id, "entitlementId": id, "ownerOrganizationId": id, "ownerUserId": id,
                        },
                        "required": ["item"],
                        "additionalProperties": false,
                    }},
                    "explain": {"type": "boolean", "default": false},
                },
                "required": ["checks"],
                "additionalProperties": false,
            }),
        ),
        (
            "CheckResults",
            json!({
                "type": "object",
                "properties": {"results": {"type": "array", "items": {
                    "type": "object",
                    "properties": {"granted": {"type": "boolean"}, "licenseId": id, "code": string, "pointer": string, "detail": string, "explanation": sides},
                    "required": ["granted"],
                }}},
                "required": ["results"],
            }),
        ),
        (
            "LeaseList",
            json!({
                "type": "object",
                "properties": {
                    "items": {"type": "array", "items": {
                        "type": "object",
                        "properties": {
                            "leaseId": id, "licenseId": id, "item": string, "profileId": {"type": ["string", "null"], "format": "uuid"},
                            "hw": {"type": ["string", "null"]}, "process": {"type": ["string", "null"]},
                            "mode": string, "version": {"type": ["string", "null"]}, "grantedAt": time, "grantedUntil": time,
                        },
                        "required": ["leaseId", "licenseId", "profileId", "grantedUntil"],
                    }},
                    "nextCursor": string,
                },
                "required": ["items"],
            }),
        ),
        (
            "AvailableLicenses",
            json!({
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "id": id, "validFrom": time, "validUntil": {"type": ["string", "null"], "format": "date-time"},
                        "active": {"type": "boolean"}, "entitlementId": id,
                        "licensedItem": {"type": ["object", "null"], "description": "`null`: it opens what matches"},
                        "matchProperty": string, "matchValues": {"type": "array", "items": string}, "licenseModelId": {"type": ["string", "null"]},
                        "licenseModelName": {"type": ["string", "null"]}, "seatsTaken": count, "seatsReserved": count,
                        "seatsTotal": {"type": ["integer", "null"], "description": "`null`: without limit"},
                        "seatCountCredits": {"type": "array", "items": sides}, "owner": sides,
                    },
                    "required": ["id", "entitlementId", "licensedItem"],
                },
            }),
        ),
        ("ImportLine", json!({"anyOf": lines})),
        ("CreateResult", json!(result("CreateResult", schema("ArrayList")))),
        ("UpdateResult", json!(result("UpdateResult", schema("ArrayList")))),
        ("DeleteResult", json!(result("DeleteResult", schema("ArrayList")))),
        (
            "ImportResult",
            json!({
                "type": "object",
                "properties": {
                    "__objType": {"type": "string", "const": "ImportResult"},
                    "resultCode": {"type": "string", "const": "Success"},
                    "lines": count, "count": count, "dryRun": {"type": "boolean", "const": true},
                },
                "required": ["__objType", "resultCode", "lines", "count"],
            }),
        ),
        (
            "Change",
            json!({
                "type": "object",
                "properties": {
                    "change": {"enum": ["created", "updated", "removed"]},
                    "__objType": string,
                    "id": id,
                    "multiplicity": string,
                    "referenceFields": {"type": "object", "additionalProperties": id, "description": "The ends of a relation, which has no id"},
                    "before": sides,
                    "after": sides,
                },
                "required": ["change", "__objType"],
            }),
        ),
        (
            "AuditList",
            json!({
                "type": "object",
                "properties": {
                    "items": {"type": "array", "items": schema("Commit")},
                    "nextCursor": {"type": "string", "description": "Goes on with the same `entity`, `operation`, `by` and `order`, for as long as the token works"},
                },
                "required": ["items"],
            }),
        ),
        (
            "Commit",
            json!({
                "type": "object",
                "properties": {
                    "revision": {"type": "integer", "minimum": 1},
                    "at": time,
                    "by": {
                        "type": "object", "description": "The nil `tokenId` is the administrator's of `SEATGRAPH_ADMIN_TOKEN`; neither: the server itself",
                        "properties": {"tokenId": id, "profileId": id},
                    },
                    "operation": string,
                    "requestId": string,
                    "changes": {"type": "array", "items": schema("Change")},
                    "partial": {"type": "boolean", "const": true, "description": "The changes go on in an item of the same revision on the next page"},
                },
                "required": ["revision", "at", "by", "operation", "requestId", "changes"],
            }),
        ),
        (
            "NewToken",
            json!({
                "type": "object",
                "properties": {
                    "permissions": permissions, "name": {"type": "string", "maxLength": 255}, "profileId": id, "organizationId": id,
                    "expiresAt": time,
                },
                "required": ["permissions"],
                "additionalProperties": false,
            }),
        ),
        (
            "MadeToken",
            json!({
                "type": "object",
                "properties": {"id": id, "token": {"type": "string", "description": "Shown this once"}},
                "required": ["id", "token"],
            }),
        ),
        (
            "LicenseTransaction",
            json!({
                "type": "object",
                "properties": {"transaction": order(json!({
                    "type": "object",
                    "properties": {
                        "externalId": external_id, "productId": id, "quantity": {"type": "integer", "minimum": 1},
                        "licenseValidFrom": {"type": ["string", "null"], "format": "date-time", "description": "`null`: now"},
                        "licenseValidUntil": {"type": ["string", "null"], "format": "date-time", "description": "`null`: no end"},
                        "lockScope": {"enum": ["None", "LicensedItem", "ProductPackage", null], "description": "`null` says nothing"},
                    },
                    "required": ["externalId", "productId", "quantity"],
                }))},
                "required": ["transaction"],
            }),
        ),
        (
            "LicenseTransactionAnswer",
            json!({
                "type": "object",
                "properties": {"transaction": order(json!({
                    "type": "object",
                    "description": "What the licenses of the item have now",
                    "properties": {
                        "id": id, "externalId": external_id, "productId": id, "licenseIds": {"type": "array", "items": id},
                        "quantity": {"type": "integer", "minimum": 0},
                        "licenseValidFrom": {"type": "string", "format": "date-time"},
                        "licenseValidUntil": {"type": "string", "format": "date-time"},
                        "lockScope": {"enum": ["None", "LicensedItem", "ProductPackage"]},
                        "differing": {
                            "type": "array", "minItems": 1,
                            "items": {"enum": ["quantity", "licenseValidFrom", "licenseValidUntil", "lockScope"]},
                            "description": "Members that are left out, because the licenses of the item do not have them alike",
                        },
                    },
                    "required": ["id", "externalId", "productId", "licenseIds"],
                })),
                "dryRun": {"type": "boolean", "const": true},
                "changes": {"type": "array", "items": schema("Change")}},
                "required": ["transaction"],
            }),
        ),
        (
            "DryRun",
            json!({
                "type": "object",
                "properties": {
                    "dryRun": {"type": "boolean", "const": true},
                    "changes": {"type": "array", "items": schema("Change")},
                },
                "required": ["dryRun", "changes"],
            }),
        ),
        (
            "Event",
            json!({
                "type": "object",
                "properties": {
                    "eventType": {"type": "string", "examples": ["LicenseReserved", "Created"]},
                    "eventId": {"type": "string", "pattern": "^[0-9]+-[0-9]+$", "description": "REVISION-INDEX"},
                    "eventObjectId": id, "eventObjectType": string,
                    "eventSourceId": {"type": "string", "description": "The organization whose own it was, or `seatgraph`"},
                    "eventReceived": {"type": "integer", "description": "Milliseconds since 1970"},
                    "version": string,
                    "data": {"type": "object", "additionalProperties": true},
                },
                "required": ["eventType", "eventId", "eventObjectId", "eventObjectType", "eventSourceId", "eventReceived", "version", "data"],
            }),
        ),
        (
            "EventPage",
            json!({"type": "array", "minItems": 2, "items": {"anyOf": [schema("Event"), schema("EventInstruction")]}}),
        ),
        (
            "EventInstruction",
            json!({
                "type": "object",
                "properties": {
                    "instruction": {"enum": ["older", "newer"]}, "count": count,
                    "url": {"type": "string", "description": "Where to go on, without a scheme"},
                },
                "required": ["instruction", "url", "count"],
            }),
        ),
        (
            "NewKey",
            json!({
                "type": "object",
                "properties": {"alg": algorithm, "keepDays": {"type": "integer", "minimum": 0, "maximum": 3653, "default": 90}},
                "required": ["alg"],
                "additionalProperties": false,
            }),
        ),
        (
            "MadeKey",
            json!({"type": "object", "properties": {"id": id, "alg": algorithm}, "required": ["id", "alg"]}),
        ),
        (
            "KeyList",
            json!({
                "type": "object",
                "properties": {"items": {"type": "array", "items": {
                    "type": "object",
                    "properties": {
                        "id": {"type": "string", "format": "uuid", "description": "The `kid` of what it signs"},
                        "alg": algorithm, "state": {"enum": ["active", "retired", "ended"]}, "created": time,
                        "retiredAt": time, "endsAt": time,
                        "sealed": {"type": "boolean", "description": "Its private half is sealed with the operator's secret"},
                    },
                    "required": ["id", "alg", "state", "created"],
                }}},
                "required": ["items"],
            }),
        ),
        (
            "PublicKeys",
            json!({
                "type": "object",
                "properties": {"keys": {"type": "array", "items": {
                    "type": "object",
                    "properties": {
                        "kty": {"enum": ["RSA", "OKP"]}, "use": {"const": "sig"}, "alg": algorithm, "kid": id,
                        "n": string, "e": string, "crv": string, "x": string,
                    },
                    "required": ["kty", "use", "alg", "kid"],
                }}},
                "required": ["keys"],
            }),
        ),
        (
            "Issuer",
            json!({
                "type": "object",
                "properties": {"issuer": {"type": "string", "format": "uri"}, "jwks_uri": {"type": "string", "format": "uri"}},
                "required": ["issuer", "jwks_uri"],
            }),
        ),
        (
            "TokenList",
            json!({
                "type": "object",
                "properties": {
                    "items": {"type": "array", "items": {
                        "type": "object",
                        "properties": {
                            "id": id, "permissions": permissions, "name": string, "profileId": id, "organizationId": id,
                            "created": time, "expiresAt": time,
                        },
                        "required": ["id", "permissions"],
                    }},
                    "nextCursor": string,
                },
                "required": ["items"],
            }),
        ),
        (
            "GraphSchema",
            json!({
                "type": "object",
                "properties": {
                    "types": {"type": "array", "items": {
                        "type": "object",
                        "properties": {
                            "name": string, "className": string,
                            "fields": {"type": "array", "items": schema("SchemaField")},
                            "references": {"type": "array", "items": {
                                "type": "object",
                                "properties": {"name": string, "to": string, "owner": {"type": "boolean"}, "required": {"type": "boolean"}},
                            }},
                            "relations": {"type": "array", "items": {
                                "type": "object",
                                "properties": {
                                    "relation": string, "to": string, "fields": {"type": "array", "items": schema("SchemaField")},
                                },
                            }},
                        },
                    }},
                    "operations": {"type": "array", "items": {
                        "type": "object",
                        "properties": {
                            "name": string, "method": string, "mode": {"enum": ["read", "write"]}, "target": string,
                            "permission": string, "anonymous": {"type": "boolean"},
                            "parameters": {"type": "array", "items": {
                                "type": "object",
                                "properties": {
                                    "name": string, "type": string, "required": {"type": "boolean"},
                                    "repeatable": {"type": "boolean"},
                                },
                            }},
                        },
                        "required": ["name", "mode", "permission", "anonymous", "parameters"],
                    }},
                },
                "required": ["types", "operations"],
            }),
        ),
        (
            "SchemaField",
            json!({
                "type": "object",
                "properties": {
                    "name": string,
                    "type": {"enum": ["string", "boolean", "integer", "dateTime", "uuid", "json"]},
                    "unique": {"type": "boolean"}, "indexed": {"type": "boolean"}, "caseFolded": {"type": "boolean"},
                    "secret": {"type": "boolean"}, "serverOwned": {"type": "boolean"}, "required": {"type": "boolean"},
                    "values": {"type": "array", "items": string}, "minimum": {"type": "integer"}, "default": {"type": "boolean"},
                },
                "required": ["name", "type", "unique", "indexed", "caseFolded", "secret", "serverOwned", "required"],
            }),
        ),
        (
            "Health",
            json!({
                "type": "object",
                "properties": {"status": {"enum": ["live", "ready", "unready"]}, "revision": count, "reason": string},
                "required": ["status"],
            }),
        ),
        (
            "Document",
            json!({"type": "object", "description": "An OpenAPI document"}),
        ),
        (
            "Problem",
            json!({
                "type": "object",
                "description": "RFC 9457, with a stable `code` and the place of the fault",
                "properties": {
                    "type": {"type": "string", "format": "uri", "examples": ["urn:seatgraph:unknownField"]},
                    "title": string, "status": {"type": "integer"}, "code": string, "detail": string,
                    "help": string, "requestId": string,
                    "selector": {
                        "type": "object", "description": "Bytes of the decoded selector, its leading `/` counted as byte 0",
                        "properties": {"start": count, "end": count}, "required": ["start", "end"],
                    },
                    "caret": {"type": "string", "description": "The selector, or the include, with `^` beneath the place on a second line"},
                    "pointer": {"type": "string", "format": "json-pointer"},
                    "parameter": string,
                    "item": {"type": "string", "description": "Of which item of `/authz` the parameter is said"},
                    "limit": {"type": "object", "properties": {"name": string, "value": count}, "required": ["name", "value"]},
                    "line": count, "committedLines": count,
                    "cause": {"type": "string", "description": "Of `partlyRemoved`: the code of what ended the DELETE"},
                    "removed": count,
                    "targets": {
                        "type": "array", "description": "Of `partlyRemoved`: the first 1000 of what is still to be removed",
                        "items": {"type": "object", "properties": {"__objType": string, "id": string}, "required": ["__objType", "id"]},
                    },
                    "targetsLeft": count,
                },
                "required": ["type", "title", "status", "code", "detail", "requestId"],
            }),
        ),
    ]
}
