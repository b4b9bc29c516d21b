//! Where answers of `/authz` become signed tokens: one compact token an answer, joined with `&`, without a newline
//! (`licensing.md` 1.3 and 1.4).

use std::sync::Arc;

use serde_json::value::RawValue;
use tokio::sync::oneshot;

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

/// What came of signing before the write was answered.
pub enum Ahead<'s> {
    Signed(Result<String, Problem>),
    /// Nothing was decided: the write is a repeat, whose first answer is kept, or came to nothing.
    Undecided(Promise<'s>),
}

/// Signs what a write has decided while that becomes durable. Whoever asks for it gives the token away once the write is answered, and
/// only then.
pub async fn ahead(promise: Promise<'_>, decided: oneshot::Receiver<Arc<[u8]>>) -> Ahead<'_> {
    match decided.await {
        Ok(answers) => Ahead::Signed(signed(promise, &answers).await),
        Err(_) => Ahead::Undecided(promise),
    }
}
