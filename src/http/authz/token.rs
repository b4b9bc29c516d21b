//! Where answers of `/authz` become signed tokens: one compact token an answer, joined with `&`, without a newline
//! (`licensing.md` 1.3 and 1.4).

use serde_json::value::RawValue;

use super::super::Context;
use super::super::problem::{Problem, internal};
use crate::signing::Algorithm;

/// Asked before anything is written: a lease whose token nobody gets helps nobody.
pub async fn available(context: &Context, algorithm: Algorithm) -> Result<(), Problem> {
    let engine = &context.state.engine;
    context
        .state
        .signer()
        .ready(engine.snapshot(), &[algorithm])
        .await
        .map(drop)
}

/// `answers`: an array of claims, as `Answers` wrote it.
pub async fn signed(context: &Context, algorithm: Algorithm, answers: &[u8]) -> Result<String, Problem> {
    let claims: Vec<&RawValue> =
        serde_json::from_slice(answers).map_err(|_| internal("the claims cannot be read back"))?;
    let claims = claims
        .into_iter()
        .map(|claims| claims.get().as_bytes().to_vec())
        .collect();
    let graph = context.state.engine.snapshot();
    Ok(context.state.signer().sign(graph, algorithm, claims).await?.join("&"))
}
