//! What a door asks for: a body within its limit, and one write that is decided and done in one transaction.

use actix_web::dev::Payload;
use actix_web::web::Bytes;

use crate::access::Who;
use crate::engine::{Reply, Write, WriteError, Written};
use crate::error::Error;
use crate::graph::Transaction;
use crate::http::problem::Problem;
use crate::http::write::{idempotency, still_known};
use crate::http::{Context, body};
use crate::limits::Limit;

pub async fn read(context: &Context, mut payload: Payload) -> Result<Bytes, Problem> {
    let limit = Limit {
        name: "body_bytes",
        value: context.limits().body_bytes,
    };
    body::read(&context.request, &mut payload, limit).await
}

/// `bytes` are the body, by which a repeat is known; without them the answer is kept under no key.
pub async fn write<E: From<Error> + Send + 'static>(
    context: &Context,
    who: Who,
    operation: &'static str,
    bytes: Option<&[u8]>,
    run: impl FnOnce(&mut Transaction<'_>, &Who) -> Result<Reply, E> + Send + 'static,
) -> Result<Result<Written, WriteError<E>>, Problem> {
    context.arrived().await?;
    let write = Write {
        by: who.principal,
        operation: operation.into(),
        request_id: context.request_id.clone(),
        idempotency: match bytes {
            Some(bytes) => idempotency(context, who.principal, bytes)?,
            None => None,
        },
        dry_run: false,
    };
    let done = context.state.engine.write(write, move |tx| {
        still_known(tx, &who)?;
        run(tx, &who)
    });
    Ok(done.await)
}
