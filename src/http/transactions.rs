//! `/api/entitlement/v1/organizations/ID/license-transactions`, and the same for users (`licensing.md` 5.1): JSON to an order and back.
//! What an order may do is decided in `operation::transactions`.

use actix_web::HttpResponse;
use actix_web::dev::Payload;
use actix_web::http::{Method, StatusCode};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use uuid::Uuid;

use super::envelope::tell_changes;
use super::object::{Member, Object, within};
use super::problem::Problem;
use super::write::{self, answer as written, decided, still_known};
use super::{Context, auth, body, operation};
use crate::engine::Reply;
use crate::error::Error;
use crate::graph::{Graph, Transaction};
use crate::model::{Kind, Time};
use crate::operation::crud;
use crate::operation::transactions::{self, Done, DoneItem, KeptItem, Order, OrderItem};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    transaction: Object<Wanted>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    external_id: String,
    #[serde(rename = "type", default, deserialize_with = "sent")]
    order_type: Option<String>,
    items: Vec<Object<WantedItem>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WantedItem {
    external_id: String,
    product_id: Uuid,
    quantity: i64,
    #[serde(default, deserialize_with = "given")]
    license_valid_from: Option<Option<Time>>,
    #[serde(default, deserialize_with = "given")]
    license_valid_until: Option<Option<Time>>,
    lock_scope: Option<String>,
}

/// No `null`, which says nothing.
fn sent<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    String::deserialize(from).map(Some)
}

/// `null` clears, which is another thing than saying nothing.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<Time>>, D::Error> {
    let text: Option<String> = Deserialize::deserialize(from)?;
    let parsed =
        text.map(|text| Time::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is no time"))));
    parsed.transpose().map(Some)
}

/// What the path is about: `organizations/ID` or `users/ID`, where `me` is the caller.
pub fn is_meant(path: &str) -> bool {
    parts(path).is_some()
}

fn parts(path: &str) -> Option<(Kind, &str)> {
    let (owner, id) = path
        .strip_prefix("/api/entitlement/v1/")?
        .strip_suffix("/license-transactions")?
        .split_once('/')?;
    match owner {
        "organizations" => Some((Kind::Organization, id)),
        "users" => Some((Kind::Profile, id)),
        _ => None,
    }
}

pub async fn answer(context: &Context, mut payload: Payload) -> Result<HttpResponse, Problem> {
    let method = context.request.method().clone();
    let (_, who) = auth::enter(context).await?;
    let (run, operation): (Run, _) = match method {
        Method::POST => (transactions::create, "CreateLicenseTransaction"),
        Method::PUT => (transactions::update, "UpdateLicenseTransaction"),
        _ => return Err(Problem::method_not_allowed(method.as_str(), "POST, PUT")),
    };
    operation::no_match(context)?;
    let dry_run = context.parameters(&["dryRun"])?.flag("dryRun", false)?;
    let Some((kind, id)) = parts(context.request.path()) else {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            "unknownPath",
            "there is nothing here",
        )
        .help("the path is `/api/entitlement/v1/organizations/ID/license-transactions`, or `users` in place of `organizations`"));
    };
    let id = owner(kind, id, who.principal.profile)?;
    body::require_json(&context.request)?;
    let limit = context.limits().body_bytes();
    let bytes = body::read(&context.request, &mut payload, limit).await?;
    let order = order(&bytes)?;
    let write = write::of(context, &who, operation, &bytes, dry_run)?;
    let limits = *context.limits();
    let job = move |tx: &mut Transaction<'_>| {
        still_known(tx, &who)?;
        let done = run(tx, &who, (kind, id), &order)?;
        let mut body = told(tx.graph(), tx.now(), &order.external_id, &done);
        if dry_run {
            tell_changes(&mut body, &crud::told(tx, &who).changes, &limits)?;
        }
        Ok::<_, Error>(Reply::new(if done.is_new { 201 } else { 200 }, body))
    };
    let done = context.write(write, job).await;
    written(done.map_err(|error| placed(decided(&context.state, error)))?)
}

/// `me` is the user whose token it is; there is no such organization.
fn owner(kind: Kind, id: &str, caller: Option<Uuid>) -> Result<Uuid, Problem> {
    match (kind, id, caller) {
        (Kind::Profile, "me", Some(caller)) => Ok(caller),
        (Kind::Profile, "me", None) => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "noCaller",
            "`me` is the user whose token it is, and the token has no profile",
        )
        .help("name the user by its id, or use a token that has a profile")),
        _ => Uuid::try_parse(id).map_err(|_| {
            let help = match kind {
                Kind::Profile => "it is a UUID, or `me` for the user whose token it is",
                _ => "it is a UUID",
            };
            Problem::bad_request("badId", format!("`{id}` is not an id")).help(help)
        }),
    }
}

type Run = fn(&mut Transaction<'_>, &crate::access::Who, (Kind, Uuid), &Order) -> Result<Done, Error>;

fn order(bytes: &[u8]) -> Result<Order, Problem> {
    let Object(Body { transaction: Object(read) }) = serde_json::from_slice(bytes).map_err(|error| {
        Problem::bad_request("badTransaction", format!("the body is no transaction: {error}"))
            .pointer(misfit(bytes))
            .help(
                "for example {\"transaction\":{\"type\":\"Order\",\"externalId\":\"o-1\",\"items\":[{\"externalId\":\"1\",\"productId\":\"…\",\"quantity\":5}]}}",
            )
    })?;
    let items = read.items.into_iter().map(|Object(item)| OrderItem {
        external_id: item.external_id,
        product: item.product_id,
        quantity: item.quantity,
        valid_from: item.license_valid_from,
        valid_until: item.license_valid_until,
        lock_scope: item.lock_scope,
    });
    Ok(Order {
        external_id: read.external_id,
        order_type: read.order_type,
        items: items.collect(),
    })
}

/// Its places are in a body here, and not in a form.
fn placed(mut problem: Problem) -> Problem {
    match problem.parameter.take() {
        Some(place) if place.starts_with('/') => problem.pointer = Some(place),
        // The owner stands in the path.
        Some(place) if place == "owner" => {}
        other => problem.parameter = other,
    }
    problem
}

fn told(graph: &Graph, now: Time, external_id: &str, done: &Done) -> Vec<u8> {
    let told = |one: &DoneItem| {
        let KeptItem {
            id,
            external_id,
            product_id,
            ..
        } = &one.item;
        let terms = one.terms(graph, now);
        let mut told = json!({
            "id": id.to_string(), "externalId": external_id, "productId": product_id.to_string(),
            "licenseIds": one.licenses.iter().map(Uuid::to_string).collect::<Vec<_>>(),
        });
        let differing = (!terms.differing.is_empty()).then(|| json!(terms.differing));
        for (name, value) in [
            ("quantity", terms.quantity.map(Value::from)),
            ("licenseValidFrom", terms.valid_from.map(|at| json!(at.to_string()))),
            ("licenseValidUntil", terms.valid_until.map(|at| json!(at.to_string()))),
            ("lockScope", terms.lock_scope.map(Value::from)),
            ("differing", differing),
        ] {
            if let Some(value) = value {
                told[name] = value;
            }
        }
        told
    };
    let items: Vec<_> = done.items.iter().map(told).collect();
    json!({"transaction": {"externalId": external_id, "type": done.order_type, "items": items}})
        .to_string()
        .into_bytes()
}

const ORDER: &[Member] = &[
    ("externalId", true, Value::is_string),
    ("type", false, Value::is_string),
    ("items", true, Value::is_array),
];
const ITEM: &[Member] = &[
    ("externalId", true, Value::is_string),
    ("productId", true, |value| {
        value.as_str().is_some_and(|id| Uuid::try_parse(id).is_ok())
    }),
    ("quantity", true, Value::is_i64),
    ("licenseValidFrom", false, is_time),
    ("licenseValidUntil", false, is_time),
    ("lockScope", false, |value| value.is_null() || value.is_string()),
];

fn is_time(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| Time::parse(text).is_some())
}

/// Where a body stops being a transaction: at the first member that is none or has a wrong value, or at the object that misses
/// one; `""` for what is no JSON.
fn misfit(body: &[u8]) -> String {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return String::new();
    };
    let order = || {
        within(&body, "", &[("transaction", true, Value::is_object)])?;
        within(&body["transaction"], "/transaction", ORDER)?;
        let items = body["transaction"]["items"].as_array().into_iter().flatten();
        for (index, item) in items.enumerate() {
            within(item, &format!("/transaction/items/{index}"), ITEM)?;
        }
        Ok(())
    };
    order().err().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_value_is_found_where_it_stands() {
        let check = |body: &str, expected: &str| {
            assert!(order(body.as_bytes()).is_err(), "{body}");
            assert_eq!(misfit(body.as_bytes()), expected, "{body}");
        };
        let item = |members: &str| {
            let item = format!(
                "{{\"externalId\":\"1\",\"productId\":\"10000000-0000-4000-8000-000000000001\",\"quantity\":1{members}}}"
            );
            format!("{{\"transaction\":{{\"externalId\":\"o\",\"items\":[{item}]}}}}")
        };
        assert!(order(item("").as_bytes()).is_ok());
        check("", "");
        check("[]", "");
        check("{}", "");
        check("{\"transaction\":{},\"a/b~\":1}", "/a~1b~0");
        check("{\"transaction\":[\"o\",\"Order\",[]]}", "/transaction");
        check("{\"transaction\":{\"items\":[]}}", "/transaction");
        check(
            "{\"transaction\":{\"externalId\":7,\"items\":[]}}",
            "/transaction/externalId",
        );
        check(
            "{\"transaction\":{\"externalId\":\"o\",\"items\":{}}}",
            "/transaction/items",
        );
        check(
            "{\"transaction\":{\"externalId\":\"o\",\"type\":null,\"items\":[]}}",
            "/transaction/type",
        );
        check(
            "{\"transaction\":{\"externalId\":\"o\",\"items\":[[]]}}",
            "/transaction/items/0",
        );
        check(
            "{\"transaction\":{\"externalId\":\"o\",\"items\":[{}]}}",
            "/transaction/items/0",
        );
        check(&item("").replace(":1}", ":1.5}"), "/transaction/items/0/quantity");
        check(&item("").replace("10000000-", ""), "/transaction/items/0/productId");
        check(&item(",\"colour\":1"), "/transaction/items/0/colour");
        check(
            &item(",\"licenseValidFrom\":7"),
            "/transaction/items/0/licenseValidFrom",
        );
        check(
            &item(",\"licenseValidUntil\":\"soon\""),
            "/transaction/items/0/licenseValidUntil",
        );
        check(&item(",\"lockScope\":true"), "/transaction/items/0/lockScope");
    }

    #[test]
    fn an_owner_is_an_id_or_the_caller() {
        let one = Uuid::from_u128(1);
        let check = |kind: Kind, id: &str, caller: Option<Uuid>, expected: Result<Uuid, &str>| {
            let found = owner(kind, id, caller);
            assert_eq!(
                found.as_ref().map_err(|problem| problem.code),
                expected.as_ref().map_err(|code| *code),
                "{id}"
            );
            let speaks_of_me = found.is_err_and(|problem| problem.help.is_some_and(|help| help.contains("`me`")));
            assert_eq!(speaks_of_me, kind == Kind::Profile && id == "x", "{id}");
        };
        check(Kind::Profile, "me", Some(one), Ok(one));
        check(Kind::Profile, "me", None, Err("noCaller"));
        check(Kind::Profile, "x", Some(one), Err("badId"));
        check(Kind::Profile, &one.to_string(), None, Ok(one));
        check(Kind::Organization, "me", Some(one), Err("badId"));
        check(Kind::Organization, "x", None, Err("badId"));
        check(Kind::Organization, &one.to_string(), None, Ok(one));
    }

    #[test]
    fn a_path_names_an_owner() {
        for (path, expected) in [
            (
                "/api/entitlement/v1/organizations/x/license-transactions",
                Some((Kind::Organization, "x")),
            ),
            (
                "/api/entitlement/v1/users/me/license-transactions",
                Some((Kind::Profile, "me")),
            ),
            ("/api/entitlement/v1/users/me/available-licenses", None),
            ("/api/entitlement/v1/clients/x/license-transactions", None),
            ("/api/entitlement/v1/license-transactions", None),
            ("/api/entitlement/v2/users/me/license-transactions", None),
        ] {
            assert_eq!(parts(path), expected, "{path}");
        }
    }
}
