//! `POST /graph?operation=…`: the named operations, with parameters in the query, in a form, or in both
//! (`graph-api.md` 2.1, 2.7 and 5). Reads a request and writes the envelope; what an operation does is decided in
//! `operation`, inside the transaction.
//!
//! A refusal is 200 with `resultCode`, because clients of the envelope read it there; whoever accepts
//! `application/problem+json` by name gets it as a problem.

use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::{Method, StatusCode, header};
use actix_web::web::Bytes;
use actix_web::{HttpMessage, HttpResponse};
use serde_json::{Map, Value, json};

use super::describe::Answered;
use super::envelope::{Envelope, SHOWN, named};
use super::graph::refuse_format;
use super::problem::Problem;
use super::sought::{look, settled};
use super::target::RawTarget;
use super::wire::FieldError;
use super::write::{self, answer as written, beside, idempotency, slowly, still_known};
use super::{Context, GRAPH_REVISION, auth, body, form, wire};
use crate::access::{View, Who};
use crate::engine::{Idempotency, Reply, Write, WriteError};
use crate::error::{Class, Error, Place};
use crate::graph::Transaction;
use crate::limits::Limits;
use crate::model::Change;
use crate::operation::crud;
use crate::operation::input::ObjectInput;
use crate::operation::login::{self, Stored, Verified};
use crate::operation::passwords;
use crate::operation::refusal::{Fault, OperationError};
use crate::operation::{self, Arguments, Call, Form, Mode, Operation, Outcome, Run, Sought, register};
use crate::selector;
use crate::selector::ast::Selector;

/// What was sent besides the selector.
#[derive(Default)]
struct Sent {
    /// Parameters of the query, then of the form.
    pairs: Vec<(String, String)>,
    /// Fields of a form whose name is a path.
    fields: Vec<(String, String)>,
    /// A body of JSON.
    json: Option<Bytes>,
    /// All of the body, for what makes a request the same request.
    body: Bytes,
}

/// Is this request a named operation? A form always is one.
pub fn is_meant(context: &Context, raw: &RawTarget) -> bool {
    raw.pairs.iter().any(|(name, _)| name == "operation")
        || *context.request.method() == Method::POST
            && body::media_type(&context.request).as_deref() == Some("application/x-www-form-urlencoded")
}

/// By any method: only what reads answers to GET, unless the settings allow more for old clients.
pub async fn answer(context: &Context, payload: Option<Payload>, raw: RawTarget) -> Result<HttpResponse, Problem> {
    carried_out(context, payload, raw).await.map_err(enveloped)
}

async fn carried_out(context: &Context, payload: Option<Payload>, raw: RawTarget) -> Result<HttpResponse, Problem> {
    let who = match context.request.headers().contains_key(header::AUTHORIZATION) {
        true => Some(auth::enter(context).await?.1),
        false => {
            context.at_least()?;
            None
        }
    };
    let limits = context.limits();
    if let Some(include) = raw.includes.first() {
        return Err(
            Problem::bad_request("includeNotAllowed", "an operation takes no includes")
                .parameter(include)
                .help("read what is related by a GET with includes"),
        );
    }
    let asked =
        selector::parse_target(&raw.selector, limits).map_err(|error| Problem::from(error).beneath(&raw.selector))?;
    refuse_format(asked.format)?;
    let mut sent = Sent {
        pairs: raw.pairs,
        ..Sent::default()
    };
    if let Some(payload) = payload {
        read(context, payload, who.is_none(), &mut sent).await?;
    }
    let operation = asked_for(&sent)?;
    method_fits(context, operation)?;
    let who = match who.or_else(|| operation.for_nobody(context.state.options.open_registration)) {
        Some(who) => who,
        // The one answer to a caller without a token.
        None => auth::authenticate(context, &context.state.engine.snapshot())?,
    };
    let form = operation.form(asked.selector.as_ref()).map_err(Error::from)?;
    // Before the parameters are read and passwords are hashed: who may not ask is told nothing more.
    operation::admit(form, &who).map_err(Error::from)?;
    headers_fit(context, form)?;
    // What is missing may well stand in there.
    if sent.json.is_some() && !matches!(form.run, Run::Objects(_)) {
        return Err(not_a_form("the operation takes no JSON"));
    }
    let own = |name: &str| !matches!(name, "operation" | "authenticate");
    let pairs: Vec<(String, String)> = sent.pairs.iter().filter(|(name, _)| own(name)).cloned().collect();
    let arguments = Arguments::read(form, &pairs, limits).map_err(|error| of_parameters(error.into()))?;
    if matches!(form.run, Run::Describe) {
        return match super::describe::answer(context, &arguments, asked.selector).await {
            Ok(response) => Ok(response),
            Err(Answered::Problem(problem)) => Err(problem),
            Err(Answered::Error(error)) => refused(context, operation, error, false, &raw.selector),
        };
    }
    // Who has a token has waited already.
    context.arrived().await?;
    let dry_run = arguments.flag("dryRun");
    let mut key = match dry_run || matches!(form.run, Run::Login) {
        true => None,
        false => idempotency(context, who.principal, &sent.body)?,
    };
    let prepared = prepare(context, form, &arguments, &sent, &who, &mut key).await;
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(Refusal::Problem(problem)) => return Err(problem),
        Err(Refusal::Error(error)) => return refused(context, operation, error, dry_run, ""),
    };
    let asked = Asked {
        operation,
        form,
        who: Arc::new(who),
        arguments,
        selector: asked.selector,
        prepared,
        dry_run,
    };
    run(context, asked, key, &raw.selector).await
}

/// An operation with everything it needs to be run on the committer's thread.
struct Asked {
    operation: &'static Operation,
    form: &'static Form,
    who: Arc<Who>,
    arguments: Arguments,
    selector: Option<Selector>,
    prepared: Prepared,
    dry_run: bool,
}

/// What was made ready before the transaction.
enum Prepared {
    Nothing,
    Objects(Vec<ObjectInput>),
    Login(Verified),
}

enum Refusal {
    Problem(Problem),
    Error(Error),
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<OperationError> for Refusal {
    fn from(error: OperationError) -> Self {
        Self::Error(error.into())
    }
}

async fn run(context: &Context, asked: Asked, key: Option<Idempotency>, text: &str) -> Result<HttpResponse, Problem> {
    let (operation, dry_run) = (asked.operation, asked.dry_run);
    let is_login = matches!(asked.form.run, Run::Login);
    let user_name = asked.arguments.text("userName").filter(|_| is_login).map(str::to_owned);
    let write = Write {
        idempotency: key,
        ..write::without_key(context, &asked.who, operation.name, dry_run)
    };
    let limits = *context.limits();
    let asked = Arc::new(asked);
    let run = |sought: Sought| {
        let asked = asked.clone();
        move |tx: &mut Transaction<'_>| carry_out(tx, &asked, &sought, &limits)
    };
    let selectors = asked.selector.iter().chain(asked.arguments.selectors());
    let selectors: Arc<[Selector]> = selectors.cloned().collect();
    let look = async |must: bool| match selectors.is_empty() {
        true => Ok(Sought::default()),
        false => {
            let graph = context.state.engine.snapshot();
            look(graph, asked.who.clone(), selectors.clone(), limits, must).await
        }
    };
    let write = async |sought: Sought| context.write(write.clone(), run(sought)).await;
    match settled(look, write, |error| *error == Error::SoughtInVain).await? {
        Ok(done) => {
            // Only now was the password right, of a user who may come in.
            if let Some(user_name) = user_name {
                context.state.throttle.was_right(&user_name);
            }
            written(done)
        }
        Err(WriteError::Refused(error)) => refused(context, operation, error, dry_run, text),
        Err(WriteError::Violation(violation)) => refused(context, operation, violation.into(), dry_run, text),
        Err(other) => Err(other.into()),
    }
}

/// All of an operation that happens on the committer's thread.
fn carry_out(tx: &mut Transaction<'_>, asked: &Asked, sought: &Sought, limits: &Limits) -> Result<Reply, Error> {
    still_known(tx, &asked.who)?;
    let outcome = match &asked.prepared {
        Prepared::Login(verified) => login::enter(tx, verified)?,
        prepared => {
            let objects: &[ObjectInput] = match prepared {
                Prepared::Objects(objects) => objects,
                _ => &[],
            };
            let mut call = Call {
                tx: &mut *tx,
                who: &asked.who,
                arguments: &asked.arguments,
                selector: asked.selector.as_ref(),
                sought,
                objects,
                limits,
            };
            operation::run(asked.form, &mut call)?
        }
    };
    let changes = asked.dry_run.then(|| crud::told(tx, &asked.who).changes);
    let view = View::new(tx.graph(), &asked.who);
    reply(asked.operation, &outcome, &view, limits, changes.as_deref())
}

/// The body, if there is one: a form, or JSON for an operation that takes objects.
async fn read(context: &Context, mut payload: Payload, anonymous: bool, sent: &mut Sent) -> Result<(), Problem> {
    let limits = context.limits();
    let (form_limit, body_limit) = (limits.form_bytes(), limits.body_bytes());
    body::refuse_encoding(&context.request)?;
    match body::media_type(&context.request).as_deref() {
        Some("application/x-www-form-urlencoded") => {
            sent.body = body::read(&context.request, &mut payload, form_limit).await?;
            for (name, value) in form::pairs(&sent.body)? {
                if name.starts_with('/') {
                    sent.fields.push((name, value));
                } else {
                    sent.pairs.push((name, value));
                }
            }
            if (sent.pairs.len() + sent.fields.len()) as u64 > limits.parameters {
                return Err(of_parameters(Fault::TooMany(limits.parameters()).into()));
            }
            Ok(())
        }
        Some(media) if body::is_json(media) => {
            let limit = if anonymous { form_limit } else { body_limit };
            sent.body = body::read(&context.request, &mut payload, limit).await?;
            sent.json = (!sent.body.is_empty()).then(|| sent.body.clone());
            Ok(())
        }
        other => {
            sent.body = body::read(&context.request, &mut payload, form_limit).await?;
            if sent.body.is_empty() {
                return Ok(());
            }
            let told = other.map_or("no Content-Type".to_owned(), |other| format!("the type `{other}`"));
            Err(not_a_form(format!("the body has {told}")))
        }
    }
}

fn not_a_form(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupportedMediaType", detail)
        .help("send parameters in the query, or as `application/x-www-form-urlencoded`; RegisterUser takes JSON too")
}

fn asked_for(sent: &Sent) -> Result<&'static Operation, Problem> {
    let mut names = sent.pairs.iter().filter(|(name, _)| name == "operation");
    let Some((_, name)) = names.next() else {
        return Err(of_parameters(OperationError::at("operation", Fault::Missing).into()));
    };
    if names.next().is_some() {
        return Err(of_parameters(OperationError::at("operation", Fault::Repeated).into()));
    }
    operation::named(name).map_err(Problem::from)
}

fn method_fits(context: &Context, operation: &'static Operation) -> Result<(), Problem> {
    let method = context.request.method();
    // By GET a password would stand in every log on the way. What asks by HEAD wants to look, never to write.
    let is_secret = matches!(operation.forms[0].run, Run::Login | Run::Objects(_));
    let (allowed, allow): (&[Method], _) = match operation.mode {
        Mode::Read => (&[Method::GET, Method::HEAD, Method::POST], "GET, HEAD, POST"),
        Mode::Write if context.state.options.get_operations && !is_secret => {
            (&[Method::GET, Method::POST], "GET, POST")
        }
        Mode::Write => (&[Method::POST], "POST"),
    };
    match allowed.contains(method) {
        true => Ok(()),
        false => Err(Problem::method_not_allowed(method.as_str(), allow)),
    }
}

/// What a client relies on is done or refused, not passed over.
fn headers_fit(context: &Context, form: &Form) -> Result<(), Problem> {
    let headers = context.request.headers();
    if matches!(form.run, Run::Login) && headers.contains_key("idempotency-key") {
        return Err(
            Problem::bad_request("idempotencyKeyNotAllowed", "a login takes no Idempotency-Key")
                .help("a repeat would have to keep the token: log in again"),
        );
    }
    no_match(context)
}

/// What is no write of one object by its id has no ETag to compare.
pub(super) fn no_match(context: &Context) -> Result<(), Problem> {
    let headers = context.request.headers();
    if headers.contains_key(header::IF_MATCH) || headers.contains_key(header::IF_NONE_MATCH) {
        let problem = Problem::bad_request("ifMatchNeedsOne", "this takes no `If-Match` and no `If-None-Match`");
        return Err(problem.help("they need a write of one object; leave the header out"));
    }
    Ok(())
}

async fn prepare(
    context: &Context,
    form: &Form,
    arguments: &Arguments,
    sent: &Sent,
    who: &Who,
    key: &mut Option<Idempotency>,
) -> Result<Prepared, Refusal> {
    let takes_objects = matches!(form.run, Run::Objects(_));
    if !takes_objects && let Some((name, _)) = sent.fields.first() {
        let known = form
            .parameters
            .iter()
            .map(|known| known.name)
            .collect::<Vec<_>>()
            .join(", ");
        return Err(of_parameters(OperationError::at(name.clone(), Fault::Unknown { known }).into()).into());
    }
    match form.run {
        Run::Objects(_) => objects(context, arguments, sent, who, key).await.map(Prepared::Objects),
        Run::Login => Ok(Prepared::Login(verify(context, arguments).await?)),
        Run::Call(_) | Run::Generic | Run::Describe => Ok(Prepared::Nothing),
    }
}

/// The object graph of a body or of a form, its passwords hashed; and then the key's fingerprint is as slow to try.
async fn objects(
    context: &Context,
    arguments: &Arguments,
    sent: &Sent,
    who: &Who,
    key: &mut Option<Idempotency>,
) -> Result<Vec<ObjectInput>, Refusal> {
    let limits = *context.limits();
    let mut objects = match &sent.json {
        Some(json) => wire::objects(json, &limits).map_err(Problem::from)?,
        None => wire::form_objects(&sent.fields, context.state.engine.clock(), &limits).map_err(of_field)?,
    };
    register::one_profile(&objects).map_err(OperationError::from)?;
    register::confirm(&objects, arguments.text("confirmedPassword"))?;
    write::bound_passwords(&objects, &limits)?;
    if who.principal.token.is_none() {
        register::by_anybody(&objects)?;
    }
    if passwords::count(&objects) == 0 {
        return Ok(objects);
    }
    let (place, sent) = (context.state.hashing.place().await?, key.take());
    let prepared = beside(move || {
        let hashed = passwords::hash(&mut objects, &limits);
        let done = match hashed {
            Ok(()) => Ok((objects, slowly(sent)?)),
            Err(error) => Err(error),
        };
        drop(place);
        Ok(done)
    });
    let (objects, slow) = prepared.await?.map_err(|error| Refusal::Error(error.into()))?;
    *key = slow;
    Ok(objects)
}

fn of_field(error: FieldError) -> Problem {
    Problem::bad_request(error.code, error.message)
        .parameter(error.name)
        .help(error.help)
}

async fn verify(context: &Context, arguments: &Arguments) -> Result<Verified, Refusal> {
    let text = |name| arguments.text(name).unwrap_or_default().to_owned();
    let verified = password(context, text("userName"), text("password")).await?;
    Ok(verified.map_err(OperationError::from)?)
}

/// Compares a password beside the workers, and for each name not too often. Whoever lets the user in says so by
/// `password_was_right`.
pub async fn password(
    context: &Context,
    user_name: String,
    password: String,
) -> Result<Result<Verified, Fault>, Problem> {
    // A place first: who is turned away for want of one has tried nothing.
    let place = context.state.hashing.place().await?;
    let now = context.state.engine.clock().now();
    if let Err(seconds) = context.state.throttle.begin(&user_name, now) {
        let mut problem = Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "tooManyAttempts",
            format!("too many wrong passwords: the next try is in {seconds} s"),
        )
        .help("wait that long; a right password ends the waiting");
        problem.retry_after = Some(seconds);
        return Err(problem);
    }
    let stored = Stored::of(&context.state.engine.snapshot(), &user_name);
    beside(move || {
        let verified = stored.verify(&password);
        drop(place);
        Ok(verified)
    })
    .await
}

pub fn password_was_right(context: &Context, user_name: &str) {
    context.state.throttle.was_right(user_name);
}

fn reply(
    operation: &Operation,
    outcome: &Outcome,
    view: &View<'_>,
    limits: &Limits,
    dry: Option<&[Change]>,
) -> Result<Reply, Error> {
    let mut envelope = Envelope::new(&format!("{}Result", operation.name), limits);
    if let Some((name, id)) = outcome.member {
        envelope.member(name, |out| object(out, id, view));
    }
    envelope.objects(outcome.objects.iter().take(SHOWN), |out, id| object(out, *id, view))?;
    if let Some(session) = &outcome.session {
        envelope.member("_loginName", |out| wire::text::string(out, &session.login_name));
        // A dry run's token would open nothing.
        if dry.is_none() {
            envelope.member("accessToken", |out| wire::text::string(out, &session.token));
            envelope.member("tokenType", |out| wire::text::string(out, "Bearer"));
            envelope.member("expiresIn", |out| wire::text::unsigned(out, login::SECONDS));
        }
    }
    envelope.finish(dry)
}

/// As the caller may see it; of what it may not read, the type and the id.
fn object(out: &mut Vec<u8>, id: uuid::Uuid, view: &View<'_>) {
    match view.find(id) {
        Some(node) => wire::entities(out, [node], view),
        None => {
            if let Some(node) = view.graph().find(id) {
                named(out, (node.kind, id));
            }
        }
    }
}

/// A no of the operation is 200 with the envelope; what cannot be read, or may not be done, is a problem.
fn refused(
    context: &Context,
    operation: &Operation,
    error: Error,
    dry_run: bool,
    text: &str,
) -> Result<HttpResponse, Problem> {
    let is_outcome = matches!(error.class(), Class::NotFound | Class::Conflict | Class::Unprocessable);
    if error.class() == Class::Unreadable && matches!(error.place(), Place::Parameter(_)) {
        return Err(of_parameters(error));
    }
    if !is_outcome || accepts_problems(context) {
        let mut problem = of_operation(error, text);
        if is_outcome {
            problem.revision = Some(context.state.engine.revision());
            let (name, result) = processing(&problem);
            problem.more.insert(name, result);
        }
        return Err(problem);
    }
    let mut envelope = Map::new();
    envelope.insert("__objType".to_owned(), json!(format!("{}Result", operation.name)));
    let problem = Problem::from(error);
    envelope.extend(members(&problem));
    envelope.extend([processing(&problem)]);
    envelope.insert("objects".to_owned(), json!({"__objType": "ArrayList", "Items": []}));
    if dry_run {
        envelope.insert("dryRun".to_owned(), json!(true));
        envelope.insert("changes".to_owned(), json!([]));
    }
    Ok(HttpResponse::Ok()
        .insert_header((GRAPH_REVISION, context.state.engine.revision()))
        .json(Value::Object(envelope)))
}

/// `application/problem+json` by name, and not with `q=0`.
fn accepts_problems(context: &Context) -> bool {
    let accepted = context.request.headers().get_all(header::ACCEPT);
    let texts = accepted.filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_it = parts
            .next()
            .is_some_and(|media| media.eq_ignore_ascii_case("application/problem+json"));
        is_it && !parts.any(|part| part.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0)))
    })
}

/// With the caret beneath the text it is about: the selector of the path, or the parameter that is one.
fn of_operation(error: Error, text: &str) -> Problem {
    let own = match &error {
        Error::Operation(OperationError {
            why: Fault::Selector(error, text),
            ..
        }) => Some(((error.span.start, error.span.end), text.clone())),
        Error::Operation(OperationError {
            why: Fault::Query(error, text),
            ..
        }) => error.span.map(|span| ((span.start, span.end), text.clone())),
        _ => None,
    };
    let mut problem = Problem::from(error);
    match own {
        Some((span, text)) => {
            problem.selector = Some(span);
            problem.beneath(&text)
        }
        None => problem.beneath(text),
    }
}

/// A parameter was at fault: it cannot be read, whatever is in the graph.
fn of_parameters(error: Error) -> Problem {
    let mut problem = of_operation(error, "");
    problem
        .more
        .insert("parameterParserResult".to_owned(), json!({"resultCode": "Failed"}));
    problem
}

/// Clients of the envelope find their words in a problem too (`graph-api.md` 5).
fn enveloped(mut problem: Problem) -> Problem {
    for (name, value) in members(&problem) {
        problem.more.entry(name).or_insert(value);
    }
    problem
}

/// That it was understood, and why it was not done.
fn processing(problem: &Problem) -> (String, Value) {
    let result = json!({"resultCode": "Failed", "errorMessage": message(problem)});
    ("processingResult".to_owned(), result)
}

fn message(problem: &Problem) -> Value {
    json!({"key": problem.code, "messageTemplate": problem.detail})
}

fn members(problem: &Problem) -> Map<String, Value> {
    let mut technical = problem.detail.clone();
    if let Some(parameter) = &problem.parameter {
        technical = format!("`{parameter}`: {technical}");
    }
    if let Some(help) = &problem.help {
        technical = format!("{technical}; {help}");
    }
    let mut members = Map::new();
    members.insert("resultCode".to_owned(), json!("Failed"));
    members.insert("errorMessage".to_owned(), message(problem));
    members.insert("errorTechnical".to_owned(), json!(technical));
    members
}
