//! `POST` and `PUT /graph`, and what they share with `DELETE` (`removal`): the generic operations. What a body may do is
//! decided in `operation::crud`, inside the transaction.

use actix_http::{HttpMessage, Request};
use actix_web::HttpResponse;
use actix_web::dev::Payload;
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Bytes};
use compact_str::CompactString;
use sha2::{Digest, Sha256};

use super::envelope::{Envelope, SHOWN, named};
use super::graph::refuse_format;
use super::parameters::Parameters;
use super::places::Place;
use super::problem::{Problem, internal};
use super::target::RawTarget;
use super::{Context, GRAPH_REVISION, State, auth, body, operation, removal, target, wire};
use crate::access::{View, Who};
use crate::engine::{Idempotency, Write, WriteError, Written};
use crate::error::Error;
use crate::graph::Transaction;
use crate::limits::Limits;
use crate::model::{Principal, Revision};
use crate::operation::crud::{self, IfMatch, Mode};
use crate::operation::input::ObjectInput;
use crate::operation::passwords;
use crate::selector;
use crate::selector::ast::Selector;

/// A body longer than this is decoded beside the workers.
const INLINE_BODY: usize = 64 * 1024;

/// Of any method: a named operation, or the generic write of that method.
pub async fn write(context: &Context, payload: Payload) -> Result<HttpResponse, Problem> {
    let sent = context.raw_target().strip_prefix("/graph").unwrap_or_default();
    let raw = target::split(sent).map_err(|error| Problem::from(error).beneath(sent))?;
    let method = context.request.method();
    match *method {
        Method::POST | Method::PUT | Method::DELETE if operation::is_meant(context, &raw) => {
            operation::answer(context, Some(payload), raw).await
        }
        Method::POST | Method::PUT => upsert(context, payload, raw).await,
        Method::DELETE => removal::delete(context, payload, raw).await,
        _ => Err(Problem::method_not_allowed(
            method.as_str(),
            "GET, HEAD, POST, PUT, DELETE",
        )),
    }
}

async fn upsert(context: &Context, mut payload: Payload, raw: RawTarget) -> Result<HttpResponse, Problem> {
    let (operation, result) = match *context.request.method() {
        Method::POST => ("Create", "CreateResult"),
        _ => ("Update", "UpdateResult"),
    };
    let (_, who) = auth::enter(context).await?;
    let asked = Asked::new(context, raw)?;
    if asked.selector.is_some() {
        return Err(
            Problem::bad_request("selectorNotAllowed", "a body of objects names its objects itself")
                .help("send it to `/graph`, without a selector"),
        );
    }
    body::require_json(&context.request)?;
    let limits = *context.limits();
    let bytes = body::read(&context.request, &mut payload, limits.body_bytes()).await?;
    let condition = condition(&context.request)?;
    let mut write = asked.write(context, &who, operation, &bytes)?;
    let decode = move || -> Result<_, Problem> {
        let mut objects = wire::objects(&bytes, &limits)?;
        bound_passwords(&objects, &limits)?;
        let slow = passwords::count(&objects) > 0;
        if !slow {
            passwords::hash(&mut objects, &limits)?;
        }
        Ok((objects, slow))
    };
    let (mut objects, slow): (Vec<ObjectInput>, bool) = if asked.body_is_long {
        beside(decode).await?
    } else {
        decode()?
    };
    if slow {
        // Hashing a password is slow by design.
        passwords::may_set(&objects, &who)?;
        let (place, key) = (context.state.hashing.place().await?, write.idempotency.take());
        (objects, write.idempotency) = beside(move || {
            passwords::hash(&mut objects, &limits)?;
            let key = slowly(key)?;
            drop(place);
            Ok((objects, key))
        })
        .await?;
    }
    let dry_run = asked.dry_run;
    let run = move |transaction: &mut Transaction<'_>| {
        still_known(transaction, &who)?;
        let done = crud::upsert(transaction, &who, &objects, Mode::Merge, condition.as_ref())?;
        transaction.validate()?;
        let view = View::new(transaction.graph(), &who);
        let shown = done.top.iter().take(SHOWN).filter_map(|id| view.graph().find(*id));
        let mut reply = Envelope::new(result, &limits);
        reply.count(done.told.count);
        reply.objects(shown, |out, node| match view.sees(node) {
            true => wire::entities(out, [node], &view),
            // Who made it, and may not read it, has to learn its id.
            false => named(out, (node.kind, node.id)),
        })?;
        reply.finish(dry_run.then_some(&done.told.changes[..]))
    };
    let written = context.write(write, run).await;
    answer(written.map_err(|error| decided(&context.state, error))?)
}

/// What the committer refused was read on a graph that is published by the time it says so.
pub fn decided<E: Into<Problem>>(state: &State, error: WriteError<E>) -> Problem {
    let is_decided = matches!(error, WriteError::Refused(_) | WriteError::Violation(_));
    let mut problem = Problem::from(error);
    problem.revision = is_decided.then(|| state.engine.revision());
    problem
}

/// Each password takes long to hash, slowly on purpose.
pub fn bound_passwords(objects: &[ObjectInput], limits: &Limits) -> Result<(), Problem> {
    let passwords = passwords::count(objects);
    if passwords <= limits.passwords {
        return Ok(());
    }
    let limit = limits.passwords();
    Err(Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "tooManyPasswords",
        format!("the body sets {passwords} passwords, each of which takes long to hash"),
    )
    .limit(limit)
    .help("send them in several requests"))
}

/// The target and the parameters of a write.
pub struct Asked {
    pub selector: Option<Selector>,
    /// The selector as it was sent, decoded.
    pub text: String,
    pub dry_run: bool,
    body_is_long: bool,
}

impl Asked {
    pub fn new(context: &Context, raw: RawTarget) -> Result<Self, Problem> {
        let limits = context.limits();
        let asked = selector::parse_target(&raw.selector, limits)
            .map_err(|error| Problem::from(error).beneath(&raw.selector))?;
        refuse_format(asked.format)?;
        if let Some(include) = raw.includes.first() {
            return Err(Problem::bad_request("includeNotAllowed", "a write takes no includes")
                .parameter(include)
                .help("read what is related by a GET with includes"));
        }
        let parameters = Parameters::new(raw.pairs, &["dryRun"], limits.parameters())?;
        let length = context
            .header("content-length")
            .and_then(|length| length.parse::<usize>().ok());
        Ok(Self {
            selector: asked.selector,
            text: raw.selector,
            dry_run: parameters.flag("dryRun", false)?,
            body_is_long: length.is_none_or(|length| length > INLINE_BODY),
        })
    }

    pub fn write(&self, context: &Context, who: &Who, operation: &str, body: &[u8]) -> Result<Write, Problem> {
        of(context, who, operation, body, self.dry_run)
    }
}

/// A write whose answer is kept under the key its client gave it, if there is one; that of a dry run is not kept.
pub fn of(context: &Context, who: &Who, operation: &str, body: &[u8], dry_run: bool) -> Result<Write, Problem> {
    let idempotency = match dry_run {
        true => None,
        false => idempotency(context, who.principal, body)?,
    };
    Ok(Write {
        idempotency,
        ..without_key(context, who, operation, dry_run)
    })
}

/// A write whose answer is not kept.
pub fn without_key(context: &Context, who: &Who, operation: &str, dry_run: bool) -> Write {
    Write {
        by: who.principal,
        operation: operation.into(),
        request_id: context.request_id.clone(),
        idempotency: None,
        dry_run,
    }
}

/// A turn of its own for a dry run that is as long as an import or a DELETE may be, one after the other: others' writes then wait for
/// one, and not for all that are asked for together. It is for the work to hold.
pub async fn dry_turn(context: &Context, dry_run: bool) -> Result<Option<Place>, Problem> {
    if !dry_run {
        return Ok(None);
    }
    let place = context.state.dry_runs.place().await;
    let too_many = || {
        let detail = "too many dry runs of imports and removals wait for their turn";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "tooManyDryRuns", detail).help("try again when some are done")
    };
    place.map(Some).ok_or_else(too_many)
}

/// On a thread where it may take its time.
pub async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    web::block(work).await.map_err(|_| internal("the work was cut off"))?
}

/// The key a client gave this request, with what makes it this request: method, target and body.
pub fn idempotency(context: &Context, who: Principal, body: &[u8]) -> Result<Option<Idempotency>, Problem> {
    let mut sent = context.request.headers().get_all("idempotency-key");
    let Some(key) = sent.next() else { return Ok(None) };
    let key = key.as_bytes();
    if sent.next().is_some() || !(1..=255).contains(&key.len()) || !key.iter().all(u8::is_ascii_graphic) {
        return Err(
            Problem::bad_request("badIdempotencyKey", "the Idempotency-Key is not one")
                .help("send one key of 1 to 255 visible ASCII characters"),
        );
    }
    let mut fingerprint = Sha256::new();
    for part in [
        context.request.method().as_str().as_bytes(),
        context.raw_target().as_bytes(),
        body,
    ] {
        fingerprint.update((part.len() as u64).to_le_bytes());
        fingerprint.update(part);
    }
    let asked = Idempotency {
        scope: scope(who),
        key: CompactString::from_utf8_lossy(key),
        fingerprint: fingerprint.finalize().into(),
        of_several: false,
    };
    // As the committer refuses it once an answer is kept.
    if context.state.underway.is_for_another(&asked) {
        return Err(WriteError::<Error>::KeyReused.into());
    }
    Ok(Some(asked))
}

/// The same for a request that sets passwords: its fingerprint is kept with the answer, and whoever reads the database should
/// not try out passwords on it faster than on their own hashes. As slow as those: in the place where they are hashed.
pub fn slowly(key: Option<Idempotency>) -> Result<Option<Idempotency>, Problem> {
    let Some(mut key) = key else { return Ok(None) };
    let mut salt = Sha256::new();
    for part in [&key.scope, &key.key] {
        salt.update((part.len() as u64).to_le_bytes());
        salt.update(part.as_bytes());
    }
    key.fingerprint = passwords::slow_fingerprint(&key.fingerprint, &salt.finalize().into())?;
    Ok(Some(key))
}

/// Where no answer is kept, a client that sends a key must not believe that its repeat is safe.
pub fn refuse_key(request: &Request, why: &str, help: &str) -> Result<(), Problem> {
    match request.headers().contains_key("idempotency-key") {
        false => Ok(()),
        true => Err(Problem::bad_request("idempotencyKeyNotAllowed", why).help(help)),
    }
}

/// Whose keys are whose: a token's, or those of all who have none and register themselves.
fn scope(who: Principal) -> CompactString {
    match (who.token, who.profile) {
        (Some(token), _) => compact_str::format_compact!("token:{}", token.simple()),
        (None, Some(profile)) => compact_str::format_compact!("profile:{}", profile.simple()),
        (None, None) => CompactString::const_new("anonymous"),
    }
}

/// `If-Match` and `If-None-Match: *` on a write.
pub fn condition(request: &Request) -> Result<Option<IfMatch>, Problem> {
    // A list may come on several lines.
    let text = |name: &str| {
        let values = request.headers().get_all(name);
        let values: Vec<&str> = values
            .map(|value| value.to_str().unwrap_or("\u{fffd}").trim())
            .collect();
        (!values.is_empty()).then(|| values.join(","))
    };
    match (text("if-match"), text("if-none-match")) {
        (None, None) => Ok(None),
        (Some(tags), None) if tags == "*" => Ok(Some(IfMatch::Any)),
        (Some(tags), None) => {
            let revisions = tags.split(',').map(str::trim).filter_map(|tag| {
                // A weak tag never matches strongly; a tag that is no revision, as we write it, matches nothing we have.
                let tag = tag.strip_prefix('"')?.strip_suffix('"')?;
                let revision: Revision = tag.parse().ok()?;
                (revision.to_string() == tag).then_some(revision)
            });
            Ok(Some(IfMatch::Of(revisions.collect())))
        }
        (None, Some(tags)) if tags == "*" => Ok(Some(IfMatch::None)),
        _ => Err(
            Problem::bad_request("badCondition", "these conditions do not fit a write")
                .help("send `If-Match` with an ETag or `*`, or `If-None-Match: *` to create only"),
        ),
    }
}

/// A token revoked while the write waited in the queue no longer writes.
pub fn still_known(transaction: &Transaction<'_>, who: &Who) -> Result<(), Error> {
    crate::access::token::still_valid(transaction.graph(), who, transaction.now()).map_err(Error::from)
}

pub fn answer(written: Written) -> Result<HttpResponse, Problem> {
    let status = StatusCode::from_u16(written.reply.status).map_err(|_| internal("a kept answer has no status"))?;
    let mut response = HttpResponse::build(status);
    response.insert_header((GRAPH_REVISION, written.revision));
    // No document is no JSON either.
    if !written.reply.body.is_empty() {
        response.insert_header((actix_web::http::header::CONTENT_TYPE, "application/json"));
    }
    if written.replayed {
        response.insert_header(("idempotency-replayed", "true"));
    }
    Ok(response.body(Bytes::from_owner(written.reply.body)))
}
