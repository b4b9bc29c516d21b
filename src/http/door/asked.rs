//! What a door asks for: a body within its limit, and one write that is decided and done in one transaction, or only tried.

use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::web::Bytes;

use serde_json::{Value, json};

use super::pairs;
use crate::access::Who;
use crate::engine::{Reply, Write, WriteError, Written};
use crate::error::Error;
use crate::graph::Transaction;
use crate::http::envelope::dry;
use crate::http::operation::no_match;
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::http::removal::Removal;
use crate::http::write::{self, still_known};
use crate::http::{Context, body};
use crate::limits::Limits;
use crate::operation::crud::{Deleted, Undeleted};

pub async fn read(context: &Context, mut payload: Payload) -> Result<Bytes, Problem> {
    let limit = context.limits().body_bytes();
    body::read(&context.request, &mut payload, limit).await
}

/// `bytes` are the body, by which a repeat is known; without them the answer is kept under no key. A dry run answers with the changes
/// it would make in place of the vendor's answer.
pub async fn write<E: From<Error> + Send + 'static>(
    context: &Context,
    who: Who,
    operation: &'static str,
    bytes: Option<&[u8]>,
    run: impl FnOnce(&mut Transaction<'_>, &Who) -> Result<Reply, E> + Send + 'static,
) -> Result<Result<Written, WriteError<E>>, Problem> {
    let write = asked(context, &who, operation, bytes).await?;
    let (dry_run, limits) = (write.dry_run, *context.limits());
    let done = context.write(write, move |tx| {
        still_known(tx, &who)?;
        let reply = run(tx, &who)?;
        Ok(if dry_run { dry(tx, &who, &limits)? } else { reply })
    });
    Ok(done.await)
}

/// A removal without a body, in as many commits as it takes, and what is answered once all is gone.
pub async fn remove<E: From<Error> + Send + 'static>(
    context: &Context,
    who: Who,
    operation: &'static str,
    reply: Reply,
    first: impl FnOnce(&mut Transaction<'_>, &Who, &Limits, bool) -> Result<Deleted, Undeleted<E>> + Send + 'static,
) -> Result<Result<Written, WriteError<E>>, Problem> {
    let write = asked(context, &who, operation, Some(b"")).await?;
    let (dry_run, limits) = (write.dry_run, *context.limits());
    let told = move |tx: &mut Transaction<'_>, who: &Who, _: &Deleted, _: u64| {
        Ok(if dry_run { dry(tx, who, &limits)? } else { reply.clone() })
    };
    let removal = Removal::new(context, who, write, None, Arc::new(told)).await?;
    let done = removal.run(move |tx, who| first(tx, who, &limits, dry_run)).await;
    context.has_written.set(matches!(done, Ok(Ok(_))));
    done
}

async fn asked(context: &Context, who: &Who, operation: &'static str, bytes: Option<&[u8]>) -> Result<Write, Problem> {
    no_match(context)?;
    let dry_run = dry_run(context)?;
    context.arrived().await?;
    match bytes {
        Some(bytes) => write::of(context, who, operation, bytes, dry_run),
        None => Ok(write::without_key(context, who, operation, dry_run)),
    }
}

/// The one parameter of every door that is not its vendor's.
fn dry_run(context: &Context) -> Result<bool, Problem> {
    let most = context.limits().parameters();
    let own = pairs(context.query(), most)?.into_iter();
    let own = own.filter(|(name, _)| name == "dryRun").collect();
    Parameters::new(own, &["dryRun"], most)?.flag("dryRun", false)
}

/// Adds the key of a repeat to a write of a door's part of `/openapi.json`.
pub fn may_be_repeated(operation: &mut Value) {
    takes(operation, "IdempotencyKey");
}

fn takes(operation: &mut Value, parameter: &str) {
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        parameters.push(json!({"$ref": format!("#/components/parameters/{parameter}")}));
    }
}

/// Adds that to a write of a door's part of `/openapi.json`.
pub fn may_be_dry(operation: &mut Value) {
    takes(operation, "dryRun");
    let answer = &mut operation["responses"]["200"];
    if answer.is_null() {
        *answer = json!({"description": "What would change, of a dry run"});
    }
    let schema = &mut answer["content"]["application/json"]["schema"];
    let dry = json!({"$ref": "#/components/schemas/DryRun"});
    *schema = match schema.take() {
        Value::Null => dry,
        done => json!({"anyOf": [done, dry]}),
    };
}
