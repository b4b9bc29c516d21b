//! An answer of the graph as a signed token (`.jwt`).

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderValue};
use serde_json::json;
use uuid::Uuid;

use super::question::Answered;
use crate::http::problem::Problem;
use crate::http::{Context, GRAPH_REVISION, NO_STORE};
use crate::model::{Revision, Time};
use crate::signing::Algorithm;

/// How long a signed answer is good for: as long as the lease in the sample of `licensing.md` 1.3.
const SIGNED_SECONDS: i64 = 180;

pub(super) async fn sign(
    context: &Context,
    answered: Answered,
    revision: Revision,
    profile: Option<Uuid>,
    algorithm: Algorithm,
) -> Result<HttpResponse, Problem> {
    let signer = context.state.signer();
    let claims = claims(answered, signer.issuer(), profile, context.state.engine.now());
    let token = signer.sign(context.state.engine.snapshot(), algorithm, claims).await?;
    let mut response = HttpResponse::Ok();
    response.insert_header((GRAPH_REVISION, revision));
    response.insert_header((header::CONTENT_TYPE, HeaderValue::from_static("application/jwt")));
    response.insert_header((header::CACHE_CONTROL, NO_STORE));
    Ok(response.body(token))
}

/// An answer as the claims of a token: with who signs it, about whom, and how long it is good for.
fn claims(answered: Answered, issuer: &str, profile: Option<Uuid>, now: Time) -> Vec<u8> {
    let mut claims = answered.body;
    let mut member = |name: &str, value: serde_json::Value| {
        // What was answered ends in `}`; these go in before it.
        claims.pop();
        if claims.len() > 1 {
            claims.push(b',');
        }
        claims.extend_from_slice(format!("\"{name}\":{value}}}").as_bytes());
    };
    if let Some(cursor) = answered.next {
        member("nextCursor", json!(cursor));
    }
    let seconds = now.millis().div_euclid(1000);
    member("iss", json!(issuer));
    if let Some(profile) = profile {
        member("sub", json!(profile.to_string()));
    }
    member("iat", json!(seconds));
    member("exp", json!(seconds + SIGNED_SECONDS));
    claims
}
