//! `/authz`: checking, consuming and releasing licenses (`licensing.md` 1). Reads a request and writes its answers; whom a
//! caller may ask for is decided in `operation::consume`, and what a license allows in `entitlement`.
//!
//! A check is answered from the published graph and waits for no write; everything else is one write. A denial is an answer
//! like a grant: 200.

mod asked;
mod check;
mod token;
mod told;

use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpMessage, HttpResponse};
use futures_util::future::join;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::envelope::tell_changes;
use super::operation::no_match;
use super::problem::{Problem, internal};
use super::signing::Promise;
use super::write::{self, still_known};
use super::{Context, GRAPH_REVISION, auth, body};
use crate::access::Who;
use crate::engine::Reply;
use crate::entitlement::consume::Outcome;
use crate::entitlement::select::Looks;
use crate::entitlement::{Reason, Refused};
use crate::error::Error;
use crate::graph::{Graph, Transaction};
use crate::limits::Limits;
use crate::model::Revision;
use crate::operation::consume::{self, Consumer, Purpose};
use crate::operation::crud;
use crate::signing::Algorithm;
pub use told::{explanation, paths};

use asked::{Asked, Item};
use token::Ahead;
use told::{Answers, Stamp};

/// The parameter that names somebody else.
const ON_BEHALF_OF: &str = "onBehalfOfId";

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    /// One signed token an item, joined with `&`.
    Jwt,
    /// `true` or `false` an item, joined with `&`.
    Text,
}

/// `/authz`, `/authz/`, and either with a suffix.
pub fn is_meant(path: &str) -> bool {
    path.strip_prefix("/authz")
        .is_some_and(|rest| matches!(rest.as_bytes(), [] | [b'/' | b'.', ..]))
}

fn form(path: &str) -> Result<Form, Problem> {
    let suffix = path.strip_prefix("/authz").unwrap_or_default();
    match suffix.strip_prefix('/').unwrap_or(suffix) {
        "" | ".txt" => Ok(Form::Text),
        ".json" => Ok(Form::Json),
        ".jwt" => Ok(Form::Jwt),
        other => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "unknownPath",
            format!("there is no form `{other}` of `/authz`"),
        )
        .help("`/authz/.json`, `/authz/.jwt`, `/authz/.txt` or `/authz/`")),
    }
}

/// A check by GET, without a wait: `None` is for `answer`, as is everything that cannot be read.
pub fn at_once(context: &Context) -> Option<Result<HttpResponse, Problem>> {
    let request = &context.request;
    if *request.method() != Method::GET || request.headers().contains_key(super::GRAPH_AT_LEAST) {
        return None;
    }
    let form = form(request.path()).ok().filter(|form| *form != Form::Jwt)?;
    let asked = Asked::read(context.query(), "", context.limits())
        .ok()
        .filter(Asked::only_checks)?;
    let graph = context.state.engine.snapshot();
    let revision = graph.revision();
    let checked =
        auth::authenticate(context, &graph).and_then(|who| check::at_once(context, &asked, form, &graph, &who));
    let body = checked.transpose()?;
    Some(body.map(|body| response(form, revision, body)))
}

pub async fn answer(context: &Context, payload: Payload) -> Result<HttpResponse, Problem> {
    let form = form(context.request.path())?;
    let method = context.request.method();
    if *method != Method::GET && *method != Method::POST {
        return Err(Problem::method_not_allowed(method.as_str(), "GET, POST"));
    }
    let entered = auth::enter(context).await?;
    let (graph, who, sent) = match *method {
        Method::POST => auth::awaiting(context, entered, read(context, payload)).await?,
        _ => (entered.0, entered.1, String::new()),
    };
    let asked = Asked::read(context.query(), &sent, context.limits())?;
    if asked.only_checks() {
        let (revision, algorithm, tokens) = (graph.revision(), asked.algorithm, asked.items.len());
        drop(asked);
        let body = check::answer(context, sent, form, graph, who).await?;
        let body = match form {
            Form::Jwt => {
                let promise = promise(context, algorithm, tokens).await?;
                Bytes::from(token::signed(promise, &body).await?)
            }
            Form::Json | Form::Text => body,
        };
        return Ok(response(form, revision, body));
    }
    no_match(context)?;
    // Who may not, does not keep the committer busy.
    consumer(&graph, &who, asked.on_behalf_of, Purpose::Consume)?;
    let operation = if asked.releases { "Release" } else { "Consume" };
    let (algorithm, dry_run, tokens) = (asked.algorithm, asked.dry_run, asked.items.len());
    may_be_dry(&asked, form)?;
    drop((graph, asked));
    // Before anything is written: a lease whose token nobody gets helps nobody.
    let (decided, signing) = match form {
        Form::Jwt => {
            let (decided, claims) = oneshot::channel();
            (
                Some(decided),
                Some((claims, promise(context, algorithm, tokens).await?)),
            )
        }
        Form::Json | Form::Text => (None, None),
    };
    let write = write::of(context, &who, operation, sent.as_bytes(), dry_run)?;
    let (query, limits) = (context.query().to_owned(), *context.limits());
    let issuer = Arc::clone(context.state.signer().issuer());
    let refusals = Arc::clone(&context.state.refusals);
    let run = move |tx: &mut Transaction<'_>| -> Result<Reply, Error> {
        still_known(tx, &who)?;
        let asked = asked_for(&query, &sent, &limits)?;
        let consumer = consumer(tx.graph(), &who, asked.on_behalf_of, Purpose::Consume)?;
        let stamp = Stamp {
            issuer: &issuer,
            subject: consumer.profile,
            now: tx.now(),
            signed: form == Form::Jwt,
        };
        let mut answers = Answers::new(form, asked.items.len());
        // A dry run tells nothing.
        let now = tx.now();
        let may_tell = || !dry_run && refusals.may_tell(consumer.profile, now);
        let looks = Looks::default();
        for item in &asked.items {
            if asked.releases {
                release(tx, &who, &consumer, item, may_tell, &stamp, &mut answers)?;
                continue;
            }
            let again = looks.clone();
            let explained = (asked.explain && answers.tells()).then(|| {
                let wanted = consumer.wanting(asked.wanted(item, &again));
                check::explained(tx.graph(), &who, &consumer, &item.name, &wanted, tx.now())
            });
            let wanted = consumer.wanting(asked.wanted(item, &looks));
            let outcome = consume::consume(tx, &consumer, &item.name, &wanted, may_tell)?;
            let explained = explained.as_deref();
            tell(
                tx.graph(),
                &item.name,
                &outcome,
                dry_run,
                &stamp,
                explained,
                &mut answers,
            );
        }
        let mut body = answers.finish();
        if dry_run {
            let changes = crud::told(tx, &who).changes;
            tell_changes(&mut body, &changes, &limits)?;
        }
        let body: Arc<[u8]> = Arc::from(body);
        if let Some(decided) = decided {
            let _ = decided.send(Arc::clone(&body));
        }
        Ok(Reply::new(200, body))
    };
    let written = context.write(write, run);
    let (written, ahead) = match signing {
        None => (written.await?, None),
        Some((claims, promise)) => {
            let (written, ahead) = join(written, token::ahead(promise, claims)).await;
            (written?, Some(ahead))
        }
    };
    if written.reply.status != StatusCode::OK.as_u16() {
        return Err(internal("a kept answer has another status"));
    }
    let body = match ahead {
        None => Bytes::from_owner(written.reply.body),
        Some(Ahead::Signed(token)) => Bytes::from(token?),
        Some(Ahead::Undecided(promise)) => Bytes::from(token::signed(promise, &written.reply.body).await?),
    };
    let mut response = response(form, written.revision, body);
    if written.replayed {
        let replayed = HeaderValue::from_static("true");
        response.headers_mut().insert(super::IDEMPOTENCY_REPLAYED, replayed);
    }
    Ok(response)
}

/// A form, or nothing.
async fn read(context: &Context, mut payload: Payload) -> Result<String, Problem> {
    let limit = context.limits().form_bytes();
    body::refuse_encoding(&context.request)?;
    let bytes = body::read(&context.request, &mut payload, limit).await?;
    let media = body::media_type(&context.request);
    if !bytes.is_empty()
        && media
            .as_deref()
            .is_some_and(|media| media != "application/x-www-form-urlencoded")
    {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupportedMediaType",
            "the body is no form",
        )
        .help("send parameters in the query, or as `application/x-www-form-urlencoded`"));
    }
    String::from_utf8(bytes.to_vec()).map_err(|_| {
        Problem::bad_request("notUtf8", "the form is not UTF-8")
            .help("encode texts as UTF-8 before percent-encoding them")
    })
}

/// What was read before, again inside the transaction: the texts are short, and nothing has to be copied for it.
fn asked_for<'a>(query: &'a str, sent: &'a str, limits: &Limits) -> Result<Asked<'a>, Error> {
    Asked::read(query, sent, limits).map_err(|_| Error::from(crate::operation::refusal::Fault::Missing))
}

fn consumer(graph: &Graph, who: &Who, named: Option<Uuid>, purpose: Purpose) -> Result<Consumer, Error> {
    consume::consumer(graph, who, named, ON_BEHALF_OF, purpose)
}

/// A dry run answers for one item, as an object with room for what would change; a token of it would be believed.
fn may_be_dry(asked: &Asked<'_>, form: Form) -> Result<(), Problem> {
    let problem = match form {
        _ if !asked.dry_run => return Ok(()),
        Form::Jwt => Problem::bad_request("dryRunNotSigned", "a dry run is not signed").help("use `.json`"),
        Form::Text => Problem::bad_request("dryRunNeedsJson", "a word has no room for what a dry run would change")
            .help("use `.json`"),
        Form::Json if asked.items.len() > 1 => {
            Problem::bad_request("dryRunOfOneItem", "a dry run is of one item or one lease")
                .help("ask for one after the other")
        }
        Form::Json => return Ok(()),
    };
    Err(problem.parameter("dryRun"))
}

async fn promise(context: &Context, algorithm: Algorithm, tokens: usize) -> Result<Promise<'_>, Problem> {
    let snapshot = context.state.engine.snapshot();
    context.state.signer().promise(snapshot, algorithm, tokens).await
}

fn tell(
    graph: &Graph,
    item: &str,
    outcome: &Outcome,
    dry_run: bool,
    stamp: &Stamp<'_>,
    explained: Option<&[u8]>,
    answers: &mut Answers,
) {
    match outcome {
        Outcome::Consumed(lease) | Outcome::Renewed(lease) => {
            let node = graph.find(lease.consumption);
            let tied = node.as_ref().map(|node| crate::graph::Anchored::of(node.entity()));
            let hw = tied.and_then(|tied| tied.hw);
            // A lease that is not there has no id.
            let id = (!dry_run).then_some(lease.id);
            answers.granted(item, &lease.granted, id, hw, stamp, explained);
        }
        Outcome::Refused(refusal) => answers.refused(item, refusal.reason, stamp, explained),
    }
}

/// The name of what would be an item is the id of a lease.
fn release(
    tx: &mut Transaction<'_>,
    who: &Who,
    consumer: &Consumer,
    item: &Item<'_>,
    may_tell: impl FnOnce() -> bool,
    stamp: &Stamp<'_>,
    answers: &mut Answers,
) -> Result<(), Error> {
    let released = match Uuid::try_parse(&item.name) {
        Ok(lease) => consume::release(tx, who, consumer, lease, may_tell),
        Err(_) => Err(Refused::NotGranted(Reason::NoConsumptionFoundById)),
    };
    match released {
        Ok(released) => answers.released(&item.name, released.until, stamp),
        Err(Refused::NotGranted(reason)) => answers.not_released(&item.name, reason, stamp),
        Err(other) => return Err(other.into()),
    }
    Ok(())
}

fn response(form: Form, revision: Revision, body: Bytes) -> HttpResponse {
    let media = match form {
        Form::Json => super::JSON,
        Form::Text => const { HeaderValue::from_static("text/plain; charset=utf-8") },
        Form::Jwt => const { HeaderValue::from_static("application/jwt") },
    };
    HttpResponse::Ok()
        .insert_header((GRAPH_REVISION, revision))
        .insert_header((header::CONTENT_TYPE, media))
        .insert_header((header::CACHE_CONTROL, super::NO_STORE))
        .body(body)
}
