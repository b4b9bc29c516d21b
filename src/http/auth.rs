//! Who a request is from, by its bearer token. What they may do is for `access`.

use std::sync::Arc;

use actix_web::HttpMessage;
use actix_web::http::{StatusCode, header};

use super::Context;
use super::problem::Problem;
use crate::access::token;
use crate::access::{Permission, Who};
use crate::graph::Graph;

/// The published graph, or one at least as new as `Graph-At-Least` asks, and the caller as that graph knows it. Nobody waits
/// whom the present graph does not know; whoever has waited is looked up again, for the token may be gone.
pub async fn enter(context: &Context) -> Result<(Arc<Graph>, Who), Problem> {
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

/// The caller, or 401. A request says who it is in one `Authorization: Bearer` header.
pub fn authenticate(context: &Context, graph: &Graph) -> Result<Who, Problem> {
    if !context.request.headers().contains_key(header::AUTHORIZATION) {
        return Err(
            Problem::new(StatusCode::UNAUTHORIZED, "noToken", "this needs a bearer token").help(
                "send `Authorization: Bearer TOKEN` with a token made by `seatgraph token create` or `POST /tokens`",
            ),
        );
    }
    let state = &context.state;
    token::authenticate(
        graph,
        bearer(context).unwrap_or_default(),
        state.options.admin.as_ref(),
        state.engine.clock().now(),
    )
    .map_err(Problem::from)
}

/// The token as it was sent. The scheme is named in any case (RFC 9110).
pub fn bearer(context: &Context) -> Option<&str> {
    let mut headers = context.request.headers().get_all(header::AUTHORIZATION);
    let (scheme, token) = headers.next()?.to_str().ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && headers.next().is_none()).then(|| token.trim())
}

/// 403 without the permission; a token bound to an organization never has what concerns the whole server.
pub fn require_unbound(who: &Who, permission: Permission) -> Result<(), Problem> {
    if who.organization.is_none() && who.permissions.contains_one(permission) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "permissionMissing",
        format!("this needs the permission `{permission}` in a token that is bound to no organization"),
    )
    .help("ask whoever gives out tokens here for such a one"))
}
