//! Who a request is from, by its bearer token. What they may do is for `access`.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use actix_web::HttpMessage;
use actix_web::http::{StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Context;
use super::context::Caller;
use super::problem::Problem;
use crate::access::token;
use crate::access::{AuthError, Who};
use crate::graph::Graph;
use crate::model::Time;
use crate::signing::{Expected, Forged};

/// The native API's one scheme.
const BEARER: &[&str] = &["bearer"];

/// The published graph, or one at least as new as `Graph-At-Least` asks, and the caller as that graph knows it. Nobody waits
/// whom the present graph does not know; whoever has waited is looked up again, for the token may be gone.
pub async fn enter(context: &Context) -> Result<(Arc<Graph>, Who), Problem> {
    enter_by(context, authenticate).await
}

/// The same, where a caller says who it is in another way.
pub async fn enter_by(
    context: &Context,
    authenticate: impl Fn(&Context, &Graph) -> Result<Who, Problem>,
) -> Result<(Arc<Graph>, Who), Problem> {
    let present = context.state.engine.snapshot();
    let who = authenticate(context, &present)?;
    match context.at_least()? {
        Some(revision) if revision > present.revision() => {
            // Whoever holds a graph makes the committer copy it.
            drop(present);
            let newer = context.awaited(revision).await?;
            let who = authenticate(context, &newer)?;
            Ok((newer, who))
        }
        _ => Ok((present, who)),
    }
}

/// Waits for what a request brings along, its body, and holds no graph until it has come: however slowly somebody sends, the
/// committer makes no copy. Who had to be waited for is looked up again, in the graph as it is by then.
pub async fn awaiting<T>(
    context: &Context,
    (graph, who): (Arc<Graph>, Who),
    coming: impl Future<Output = Result<T, Problem>>,
) -> Result<(Arc<Graph>, Who, T), Problem> {
    let mut coming = pin!(coming);
    if let Poll::Ready(came) = poll_fn(|turn| Poll::Ready(coming.as_mut().poll(turn))).await {
        return Ok((graph, who, came?));
    }
    drop((graph, who));
    let came = coming.await?;
    let graph = context.state.engine.snapshot();
    let who = authenticate(context, &graph)?;
    Ok((graph, who, came))
}

/// The caller, or 401. A request says who it is in one `Authorization: Bearer` header.
pub fn authenticate(context: &Context, graph: &Graph) -> Result<Who, Problem> {
    authenticate_by(context, graph, BEARER)
}

/// The same, by any of these schemes.
pub fn authenticate_by(context: &Context, graph: &Graph, schemes: &[&str]) -> Result<Who, Problem> {
    let token = match token_by(context, schemes) {
        None if !context.request.headers().contains_key(header::AUTHORIZATION) => {
            return Err(
                Problem::new(StatusCode::UNAUTHORIZED, "noToken", "this needs a bearer token").help(
                    "send `Authorization: Bearer TOKEN` with a token made by `seatgraph token create` or `POST /tokens`",
                ),
            );
        }
        token => token.unwrap_or_default(),
    };
    who(context, graph, token)
}

/// The same, where the token may also come as the password of `Authorization: Basic` (RFC 7617), whatever the user name.
pub fn authenticate_basic(context: &Context, graph: &Graph) -> Result<Who, Problem> {
    let Some(token) = basic(context) else {
        return authenticate(context, graph);
    };
    who(context, graph, &token)
}

fn who(context: &Context, graph: &Graph, token: &str) -> Result<Who, Problem> {
    let state = &context.state;
    let (admin, now) = (state.options.admin.as_ref(), state.engine.now());
    let who = token::authenticate(graph, token, admin, now).map_err(|error| match error {
        AuthError::Invalid => signed(context, graph, token, now).unwrap_or_else(|| error.into()),
        error => error.into(),
    })?;
    context.caller.set(Some(Caller::of(&who)));
    Ok(who)
}

/// A signed token lets nobody in, whatever it says: it is shown to others. Whoever sends one hears what is wrong with it, in the
/// words of whoever verifies one, which the public keys tell everybody anyway.
#[cold]
fn signed(context: &Context, graph: &Graph, token: &str, now: Time) -> Option<Problem> {
    let expected = Expected {
        issuer: context.state.signer().issuer(),
        now,
    };
    let ring = context.state.signer().ring(graph);
    let (code, why) = match ring.public().verify(token, &expected) {
        Err(Forged::Malformed) => return None,
        Err(forged) => (forged.code(), forged.to_string()),
        Ok(_) => ("signedTokenSent", "a signed token lets nobody in".to_owned()),
    };
    let problem = Problem::new(StatusCode::UNAUTHORIZED, code, why);
    Some(
        problem.help(
            "signed tokens are proofs for others: send a token made by `seatgraph token create` or `POST /tokens`",
        ),
    )
}

fn basic(context: &Context) -> Option<String> {
    let mut headers = context.request.headers().get_all(header::AUTHORIZATION);
    let (scheme, text) = headers.next()?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || headers.next().is_some() {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok()?;
    let (_, password) = pair.split_once(':')?;
    Some(password.to_owned())
}

/// The token as it was sent, in either way.
pub fn bearer_or_basic(context: &Context) -> Option<String> {
    basic(context).or_else(|| bearer(context).map(str::to_owned))
}

/// The token as it was sent. The scheme is named in any case (RFC 9110).
pub fn bearer(context: &Context) -> Option<&str> {
    token_by(context, BEARER)
}

fn token_by<'c>(context: &'c Context, schemes: &[&str]) -> Option<&'c str> {
    let mut headers = context.request.headers().get_all(header::AUTHORIZATION);
    let sent = headers.next()?.as_bytes();
    let (scheme, token) = match sent.iter().position(|byte| *byte == b' ') {
        Some(at) => (&sent[..at], &sent[at + 1..]),
        None => (&[][..], sent),
    };
    let is_known = schemes
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known.as_bytes()));
    // A header that is no text names no token, which is for whoever looks it up to say.
    let token = std::str::from_utf8(token.trim_ascii()).ok()?;
    (is_known && headers.next().is_none()).then_some(token)
}
