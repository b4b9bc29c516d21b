//! `/tokens`: made, listed and revoked. The text of a token is answered once and kept nowhere.

use actix_http::Request;
use actix_web::HttpResponse;
use actix_web::dev::Payload;
use actix_web::http::{Method, header};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::cursor::tell_next;
use super::object::Object;
use super::operation::no_match;
use super::problem::Problem;
use super::write::{self, answer as written, still_known};
use super::{Context, answered, auth, body, leases};
use crate::access::Who;
use crate::access::token::{self, NewToken, TokenInfo};
use crate::engine::Reply;
use crate::error::Error;
use crate::graph::{Graph, Transaction};
use crate::model::Time;
use crate::operation::sale;

/// `POST /tokens`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    permissions: Vec<String>,
    name: Option<String>,
    profile_id: Option<Uuid>,
    organization_id: Option<Uuid>,
    expires_at: Option<String>,
}

pub async fn answer(context: &Context, payload: Payload) -> Result<HttpResponse, Problem> {
    let (graph, who) = auth::enter(context).await?;
    let path = context.request.path().strip_prefix("/tokens").unwrap_or_default();
    match (context.request.method(), path.strip_prefix('/')) {
        (&Method::GET | &Method::HEAD, None) => list(context, &graph, &who),
        (&Method::POST, None) => {
            drop(graph);
            create(context, who, payload).await
        }
        (_, None) => Err(Problem::method_not_allowed(
            context.request.method().as_str(),
            "GET, HEAD, POST",
        )),
        (&Method::DELETE, Some(id)) => {
            drop(graph);
            revoke(context, who, id).await
        }
        (_, Some(_)) => Err(Problem::method_not_allowed(context.request.method().as_str(), "DELETE")),
    }
}

/// Oldest first; `limit` and `cursor` as in every list of our own. A page is cut where it would be longer than an answer may be, but for
/// its first token.
fn list(context: &Context, graph: &Graph, who: &Who) -> Result<HttpResponse, Problem> {
    let parameters = context.parameters(&["profileId", "limit", "cursor"])?;
    let limits = context.limits();
    let rows = parameters.rows(limits)?;
    let profile = parameters.id("profileId")?;
    let (cursors, question) = (&context.state.cursors, format!("tokens {profile:?}"));
    let opened = |text| {
        let place = cursors.find(text, &question, who.principal);
        place.map(|[serial, _]| serial).ok_or_else(leases::bad_cursor)
    };
    let after = parameters.text("cursor").map(opened).transpose()?;
    let (mut body, mut told, mut last, mut more) = (b"{\"items\":[".to_vec(), 0, 0, false);
    for token in token::list(graph, who, profile, after).map_err(Error::from)? {
        let item = item(&token).to_string();
        let fits = (body.len() + item.len()) as u64 <= limits.answer_bytes || told == 0;
        more = told == rows || !fits;
        if more {
            break;
        }
        if told > 0 {
            body.push(b',');
        }
        body.extend_from_slice(item.as_bytes());
        (told, last) = (told + 1, token.serial);
    }
    body.push(b']');
    if more {
        let cursor = cursors.hide([last, 0], &question, who.principal);
        tell_next(&mut body, &cursor);
    }
    body.push(b'}');
    Ok(answered(body, graph.revision()))
}

fn item(token: &TokenInfo) -> Value {
    let mut item =
        json!({"id": token.id.to_string(), "permissions": token.permissions, "created": token.created.to_string()});
    let optional = [
        ("name", token.name.clone()),
        ("profileId", token.profile.map(|id| id.to_string())),
        ("organizationId", token.organization.map(|id| id.to_string())),
        ("expiresAt", token.expires.map(|at| at.to_string())),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            item[name] = json!(value);
        }
    }
    item
}

async fn create(context: &Context, who: Who, mut payload: Payload) -> Result<HttpResponse, Problem> {
    refuse_key(&context.request)?;
    no_match(context)?;
    context.parameters(&[])?;
    body::require_json(&context.request)?;
    let limit = context.limits().body_bytes();
    let bytes = body::read(&context.request, &mut payload, limit).await?;
    let Object(wanted): Object<Wanted> = serde_json::from_slice(&bytes).map_err(|error| {
        Problem::bad_request("badToken", format!("the body does not describe a token: {error}"))
            .pointer(wrong_member(&bytes))
            .help(
                "for example {\"permissions\":[\"License.read\"],\"organizationId\":\"…\",\"expiresAt\":\"2030-01-01T00:00:00Z\"}",
            )
    })?;
    let expires = wanted
        .expires_at
        .map(|text| {
            Time::parse(&text).ok_or_else(|| {
                Problem::bad_request("valueDoesNotFit", format!("`{text}` is no time"))
                    .pointer("/expiresAt")
                    .help("an ISO 8601 time with `Z` or an offset, such as 2030-01-01T00:00:00Z")
            })
        })
        .transpose()?;
    let new = NewToken {
        name: wanted.name,
        permissions: wanted.permissions,
        profile: wanted.profile_id,
        organization: wanted.organization_id,
        expires,
    };
    let write = write::without_key(context, &who, "CreateToken", false);
    let run = move |transaction: &mut Transaction<'_>| {
        still_known(transaction, &who)?;
        let (id, text) = token::create(transaction, &who, &new)?;
        let body = json!({"id": id.to_string(), "token": text});
        Ok::<_, Error>(Reply::new(201, body.to_string().into_bytes()))
    };
    let mut response = written(context.write(write, run).await?)?;
    response.headers_mut().insert(header::CACHE_CONTROL, super::NO_STORE);
    Ok(response)
}

/// Where the first member is that describes no token; `""` for all of a body that is none, or misses one.
fn wrong_member(body: &[u8]) -> String {
    let Ok(members) = serde_json::from_slice::<serde_json::Map<String, Value>>(body) else {
        return String::new();
    };
    for (name, value) in &members {
        let fits = match (name.as_str(), value) {
            ("permissions", Value::Array(texts)) => match texts.iter().position(|text| !text.is_string()) {
                Some(at) => return format!("/permissions/{at}"),
                None => true,
            },
            ("profileId" | "organizationId", Value::String(id)) => Uuid::try_parse(id).is_ok(),
            ("name" | "expiresAt", Value::String(_)) => true,
            ("name" | "expiresAt" | "profileId" | "organizationId", Value::Null) => true,
            _ => false,
        };
        if !fits {
            return format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        }
    }
    String::new()
}

async fn revoke(context: &Context, who: Who, id: &str) -> Result<HttpResponse, Problem> {
    refuse_key(&context.request)?;
    no_match(context)?;
    context.parameters(&[])?;
    let id = Uuid::try_parse(id).map_err(|_| {
        Problem::bad_request("badId", format!("`{id}` is not the id of a token")).help("an id is a UUID")
    })?;
    let write = write::without_key(context, &who, "RevokeToken", false);
    let run = move |transaction: &mut Transaction<'_>| {
        still_known(transaction, &who)?;
        sale::revoke(transaction, &who, id)?;
        Ok::<_, Error>(Reply::empty())
    };
    written(context.write(write, run).await?)
}

/// An answer kept for a repeat would keep the token's text (design 16: not on `/tokens`).
fn refuse_key(request: &Request) -> Result<(), Problem> {
    write::refuse_key(
        request,
        "a token cannot be made again by its key",
        "leave Idempotency-Key out; revoke a token whose text was lost and make another",
    )
}
