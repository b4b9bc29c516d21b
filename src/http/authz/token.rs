//! Where answers of `/authz` become signed tokens: one compact token an answer, joined with `&`, without a newline
//! (`licensing.md` 1.3 and 1.4).

use serde_json::value::RawValue;

use super::super::problem::{Problem, internal};
use crate::http::signing::Promise;

/// `answers`: an array of claims, as `Answers` wrote it.
pub async fn signed(promise: Promise<'_>, answers: &[u8]) -> Result<String, Problem> {
    let claims: Vec<&RawValue> =
        serde_json::from_slice(answers).map_err(|_| internal("the claims cannot be read back"))?;
    let claims = claims
        .into_iter()
        .map(|claims| claims.get().as_bytes().to_vec())
        .collect();
    Ok(promise.sign(claims).await?.join("&"))
}
