//! `/keys`: signing keys, listed and replaced; and the documents with their public halves, which anybody may read from anywhere.

use actix_web::HttpResponse;
use actix_web::dev::Payload;
use actix_web::http::{Method, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::object::{Member, Object, within};
use super::operation::no_match;
use super::problem::Problem;
use super::write::{self, answer as written, still_known};
use super::{Context, GRAPH_REVISION, auth, body};
use crate::access::Who;
use crate::engine::Reply;
use crate::error::Error;
use crate::graph::{Graph, Transaction};
use crate::model::Time;
use crate::operation::keys;
use crate::signing::Algorithm;

/// How long a key is believed after it was replaced, unless whoever replaces it says otherwise: longer than leases usually last.
const KEEP_DAYS: u32 = 90;
/// Ten years.
const KEEP_DAYS_MAX: u32 = 3653;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// How long a client may take `jwks.json` for what it is. Short, since a client that believes the first key only must soon hear of
/// another.
const MAX_AGE: &str = "public, max-age=300";

/// `POST /keys`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    alg: String,
    keep_days: Option<u32>,
}

const MEMBERS: &[Member] = &[
    ("alg", true, Value::is_string),
    ("keepDays", false, |days| {
        days.is_null() || days.as_u64().is_some_and(|days| u32::try_from(days).is_ok())
    }),
];

pub async fn answer(context: &Context, payload: Payload) -> Result<HttpResponse, Problem> {
    let (graph, who) = auth::enter(context).await?;
    keys::may_manage(&who).map_err(Error::from)?;
    context.parameters(&[])?;
    match *context.request.method() {
        Method::GET | Method::HEAD => Ok(list(context, &graph)),
        Method::POST => {
            drop(graph);
            rotate(context, who, payload).await
        }
        _ => Err(Problem::method_not_allowed(
            context.request.method().as_str(),
            "GET, HEAD, POST",
        )),
    }
}

/// In the order of `jwks.json`; also what has ended, until the next key is made.
fn list(context: &Context, graph: &Graph) -> HttpResponse {
    let ring = context.state.signer.ring(graph);
    let now = context.state.engine.now();
    let items: Vec<_> = ring
        .keys()
        .iter()
        .map(|key| {
            let state = match (key.is_active(), key.ends_at) {
                (true, _) => "active",
                (false, Some(end)) if end <= now => "ended",
                (false, _) => "retired",
            };
            let mut item = json!({
                "id": key.id.to_string(), "alg": key.algorithm.name(), "state": state, "created": key.created.to_string(),
            });
            if key.is_active() {
                item["sealed"] = json!(key.sealed);
            }
            for (name, at) in [("retiredAt", key.retired_at), ("endsAt", key.ends_at)] {
                if let Some(at) = at {
                    item[name] = json!(at.to_string());
                }
            }
            item
        })
        .collect();
    HttpResponse::Ok()
        .insert_header((GRAPH_REVISION, graph.revision()))
        .json(json!({"items": items}))
}

async fn rotate(context: &Context, who: Who, mut payload: Payload) -> Result<HttpResponse, Problem> {
    no_match(context)?;
    body::require_json(&context.request)?;
    let limit = context.limits().body_bytes();
    let bytes = body::read(&context.request, &mut payload, limit).await?;
    let Object(wanted): Object<Wanted> = serde_json::from_slice(&bytes).map_err(|error| {
        let members = serde_json::from_slice(&bytes).map(|body: Value| within(&body, "", MEMBERS));
        Problem::bad_request("badKey", format!("the body does not describe a key: {error}"))
            .pointer(members.ok().and_then(Result::err).unwrap_or_default())
            .help("for example {\"alg\":\"RS256\",\"keepDays\":90}")
    })?;
    let algorithm = Algorithm::named(&wanted.alg).ok_or_else(|| unknown(&wanted.alg).pointer("/alg"))?;
    let keep = wanted.keep_days.unwrap_or(KEEP_DAYS);
    if keep > KEEP_DAYS_MAX {
        return Err(Problem::bad_request("valueDoesNotFit", format!("`keepDays` is {keep}"))
            .pointer("/keepDays")
            .help(format!("it is at most {KEEP_DAYS_MAX}")));
    }
    let write = write::of(context, &who, "RotateSigningKey", &bytes, false)?;
    let new = context.state.signer.make(algorithm).await?;
    let run = move |tx: &mut Transaction<'_>| {
        still_known(tx, &who)?;
        let ends_at = Time(tx.now().millis().saturating_add(i64::from(keep) * DAY_MS));
        keys::rotate(tx, &who, &new, ends_at)?;
        let body = json!({"id": new.id.to_string(), "alg": algorithm.name()});
        Ok::<_, Error>(Reply::new(201, body.to_string().into_bytes()))
    };
    written(context.write(write, run).await?)
}

fn unknown(algorithm: &str) -> Problem {
    Problem::bad_request(
        "unknownAlgorithm",
        format!("`{algorithm}` is no algorithm tokens are signed by"),
    )
    .help("they are `RS256`, which every client verifies, and `EdDSA`")
}

/// The parameter `alg` of a request for a signed answer.
pub fn algorithm(text: Option<&str>) -> Result<Algorithm, Problem> {
    match text {
        None => Ok(Algorithm::Rs256),
        Some(name) => Algorithm::named(name).ok_or_else(|| unknown(name).parameter("alg")),
    }
}

/// Both places of the public keys, and the document that leads to them.
pub async fn well_known(context: &Context) -> Result<HttpResponse, Problem> {
    context.parameters(&[])?;
    let signer = &context.state.signer;
    let document = if context.request.path() == "/.well-known/openid-configuration" {
        let issuer = signer.issuer();
        json!({"issuer": **issuer, "jwks_uri": format!("{issuer}/.well-known/jwks.json")}).to_string()
    } else {
        let ring = signer.published().await?;
        ring.public().jwks(context.state.engine.now())
    };
    let digest = Sha256::digest(document.as_bytes());
    let tag = format!(
        "\"{}\"",
        digest[..12]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    );
    let is_known = context.has_already(&tag);
    let status = if is_known {
        StatusCode::NOT_MODIFIED
    } else {
        StatusCode::OK
    };
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::ETAG, tag))
        .insert_header((header::CACHE_CONTROL, MAX_AGE));
    if is_known {
        return Ok(response.finish());
    }
    Ok(response
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .body(document))
}
