//! The edge that speaks HTTP: bytes, JSON, headers and status codes. Decides nothing about the graph.
//!
//! One service takes every request and looks at the path itself: a selector is percent-decoded once, in `target`, and
//! never by a router.

mod anchor;
pub mod audit;
pub mod auth;
pub mod authz;
mod available;
pub mod body;
pub mod bulk;
mod checked;
mod checks;
mod connection;
pub mod cursor;
mod describe;
pub mod door;
mod envelope;
pub mod events;
mod form;
pub mod graph;
pub mod health;
pub mod keys;
mod leases;
mod listen;
pub mod metrics;
pub mod object;
pub mod openapi;
pub mod operation;
pub mod parameters;
pub mod passwords;
mod places;
pub mod problem;
mod refusals;
mod remembered;
mod removal;
pub mod schema;
pub mod signing;
mod sought;
pub mod target;
pub mod tokens;
pub mod transactions;
mod underway;
mod unread;
pub mod wire;
pub mod write;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{Future as _, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use actix_http::{ConnectionType, Request};
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::Payload;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, Version, header};
use actix_web::web::Bytes;
use actix_web::{HttpMessage, HttpResponse};
use compact_str::CompactString;
use futures_util::FutureExt;
use tokio::sync::Notify;
use uuid::Uuid;

use self::connection::Outgoing;
use self::connection::sender::Sender;
use self::connection::turns::Body;
use self::connection::watch::UnderWay;
use self::cursor::Cursors;
use self::door::Door;
pub use self::listen::server;
use self::metrics::{Metrics, Route};
use self::parameters::Parameters;
use self::passwords::Hashing;
use self::places::{Places, Shares};
use self::problem::{Problem, internal};
use self::remembered::Remembered;
use self::signing::{Setup, Signer};
use self::unread::Unread;
use crate::access::Who;
use crate::access::throttle::Throttle;
use crate::access::token::AdminToken;
use crate::engine::{Engine, Reply, Write, WriteError, Written};
use crate::graph::Transaction;
use crate::limits::Limits;
use crate::model::{Clock, Principal, Revision};
use crate::query::Statements;
use crate::settings::Settings;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const GRAPH_REVISION: HeaderName = HeaderName::from_static("graph-revision");
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const GRAPH_AT_LEAST: HeaderName = HeaderName::from_static("graph-at-least");

/// Values of headers, checked when this is compiled and not with every answer.
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_SNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// How this edge was set up.
pub struct Options {
    pub limits: Limits,
    /// From `SEATGRAPH_ADMIN_TOKEN`.
    pub admin: Option<AdminToken>,
    /// How clients reach the server where that is set, without a slash at its end.
    pub public_url: Option<String>,
    /// A log line for each request.
    pub log_requests: bool,
    /// A warning for a request that took longer.
    pub log_slow: Option<Duration>,
    /// Origins of browsers that may read answers; `*` for any.
    pub cors_origins: Vec<String>,
    /// RegisterUser answers callers without a token.
    pub open_registration: bool,
    /// Operations that write answer to GET, for clients that know no better.
    pub get_operations: bool,
    /// Whether `/metrics` answers without a token.
    pub metrics_open: bool,
    /// Whether a check leaves an event, which is stored like any other.
    pub check_events: bool,
}

impl Options {
    pub fn of(settings: &Settings, admin: Option<AdminToken>) -> Self {
        let public_url = settings.public_url.as_deref();
        Self {
            limits: settings.limits,
            admin,
            public_url: public_url.map(|url| url.trim_end_matches('/').to_owned()),
            log_requests: settings.log.requests,
            log_slow: settings.log.slow(),
            cors_origins: settings.cors_origins.clone(),
            open_registration: settings.open_registration,
            get_operations: settings.get_operations,
            metrics_open: settings.metrics_open,
            check_events: settings.check_events,
        }
    }
}

/// Makes a consistent copy of the database while the server goes on, and opens it to be read; asks what it is given after
/// each step whether to go on. `Err` says why not.
pub type Backup = dyn Fn(&mut dyn FnMut() -> bool) -> Result<std::fs::File, String> + Send + Sync;

/// Who asks for a backup while one is made waits, so many at most.
const BACKUPS_WAITING: usize = 4;
/// Who asks for a long dry run while there is one waits, so many at most.
const DRY_RUNS_WAITING: usize = 8;
/// Backups and exports that are made or read at once.
const COPIES: usize = 8;

/// What every worker shares.
pub struct State {
    pub engine: Engine,
    pub options: Options,
    cursors: Cursors,
    metrics: Metrics,
    stopping: AtomicBool,
    /// Who waits for that.
    stops: Notify,
    request_ids: RequestIds,
    throttle: Throttle,
    hashing: Hashing,
    underway: Arc<underway::Underway>,
    audits: audit::Turns,
    /// Events of checks on their way to the log.
    checked: checked::Waiting,
    refusals: Arc<refusals::Refusals>,
    signer: Signer,
    /// Streams of events that are open, and those of them that read.
    streams: Arc<Shares<Caller>>,
    stream_turns: Places,
    /// Large answers that are not sent yet.
    unread: Unread,
    backup: Option<Box<Backup>>,
    /// Copies for backups that are made.
    backups: Places,
    /// Copies for backups and exports that lie beside the database.
    copies: Places,
    /// Dry runs for which other writes wait long.
    dry_runs: Places,
    doors: Vec<Door>,
    openapi: OnceLock<Bytes>,
}

impl State {
    /// `backup` is `None` where there is no file to copy (`memory:`).
    pub fn new(engine: Engine, options: Options, backup: Option<Box<Backup>>) -> Self {
        let metrics = Metrics::new(engine.clone());
        let untold = metrics.refusals_not_told.clone();
        Self {
            cursors: Cursors::new(Clock::secret()),
            metrics,
            refusals: Arc::new(refusals::Refusals::new(options.limits.refusals, untold)),
            stopping: AtomicBool::new(false),
            stops: Notify::new(),
            request_ids: RequestIds::new(Clock::secret()),
            throttle: Throttle::default(),
            hashing: Hashing::default(),
            underway: Arc::default(),
            audits: audit::Turns::default(),
            checked: checked::Waiting::default(),
            signer: Signer::new(Setup::default(), engine.clone(), &options.limits),
            streams: Arc::new(Shares::new(options.limits.event_streams)),
            stream_turns: Places::new(1, options.limits.event_streams as usize),
            unread: Unread::new(&options.limits),
            engine,
            options,
            backup,
            backups: Places::new(1, BACKUPS_WAITING),
            copies: Places::new(COPIES, 0),
            dry_runs: Places::new(1, DRY_RUNS_WAITING),
            doors: Vec::new(),
            openapi: OnceLock::new(),
        }
    }

    /// The doors that are open.
    #[must_use]
    pub fn doors(mut self, doors: Vec<Door>) -> Self {
        self.doors = doors;
        self
    }

    /// Written when it is first asked for.
    fn openapi(&self) -> &Bytes {
        self.openapi.get_or_init(|| {
            let doors: Vec<_> = self.doors.iter().map(|door| (door.openapi)()).collect();
            Bytes::from(openapi::document(
                &doors,
                self.options.metrics_open,
                self.options.public_url.as_deref(),
            ))
        })
    }

    fn door(&self, path: &str) -> Option<&Door> {
        self.doors.iter().find(|door| (door.is_meant)(path))
    }

    /// As whom this server signs, and with which keys.
    #[must_use]
    pub fn signing(mut self, setup: Setup) -> Self {
        self.signer = Signer::new(setup, self.engine.clone(), &self.options.limits);
        self
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// The one who signs tokens.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// What checks left to be stored is asked for again, if it could not be before.
    pub fn tell_checks(&self) {
        self.checked.ask_again(&self.engine);
    }

    /// From now on the server says it is not ready, so that a balancer sends its requests elsewhere.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.stops.notify_waiters();
    }

    /// When the server stops.
    async fn stops(&self) {
        // It counts from when it was made, so that none comes between.
        let told = self.stops.notified();
        if !self.is_stopping() {
            told.await;
        }
    }
}

/// Of `https://host/path` what begins with its third slash.
fn path_of(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    url[host..].find('/').map_or("", |at| &url[host + at..])
}

/// Among whom room is shared: all tokens of an organization are one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Caller {
    Organization(Uuid),
    Unbound(Principal),
}

impl Caller {
    fn of(who: &Who) -> Self {
        who.organization
            .map_or(Self::Unbound(who.principal), Self::Organization)
    }
}

/// What one worker has for all of its requests. Borrowed between awaits only.
struct Worker {
    /// What it has prepared.
    statements: RefCell<Statements>,
    /// Answers it may give again.
    remembered: RefCell<Remembered>,
    /// Answers that have yet to leave.
    sender: Rc<Sender>,
}

impl Worker {
    /// One of so many.
    fn new(limits: &Limits, workers: usize, sender: Rc<Sender>) -> Self {
        let bytes = limits.remembered_bytes as usize / workers.max(1);
        Self {
            statements: RefCell::new(Statements::new(limits)),
            remembered: RefCell::new(Remembered::new(bytes)),
            sender,
        }
    }
}

/// What a handler is given.
pub struct Context {
    pub state: Arc<State>,
    worker: Rc<Worker>,
    /// The target had a `#`, and `request` has nothing of what came behind it.
    is_cut: bool,
    /// Who asks, once that is known.
    caller: Cell<Option<Caller>>,
    /// The answer tells what was done, and is told in any case.
    has_written: Cell<bool>,
    pub request: Request,
    pub request_id: CompactString,
}

impl Context {
    /// The request's target as it came, path and query, still encoded.
    pub fn raw_target(&self) -> &str {
        self.request
            .uri()
            .path_and_query()
            .map_or("/", |target| target.as_str())
    }

    /// What follows the first `?`, or nothing.
    pub fn query(&self) -> &str {
        self.request.uri().query().unwrap_or_default()
    }

    /// A path of this server as clients have to ask for it: a proxy that takes the path of the public address away does not put it
    /// into answers.
    pub fn below_public(&self, path: &str) -> String {
        let public = self.state.options.public_url.as_deref();
        format!("{}{path}", public.map_or("", path_of))
    }

    pub fn limits(&self) -> &Limits {
        &self.state.options.limits
    }

    /// As [`Engine::write`].
    pub async fn write<E: Send + 'static>(
        &self,
        write: Write,
        run: impl FnOnce(&mut Transaction<'_>) -> Result<Reply, E> + Send + 'static,
    ) -> Result<Written, WriteError<E>> {
        let done = self.state.engine.write(write, run).await;
        self.has_written.set(done.is_ok());
        done
    }

    /// Those of a path that is no selector.
    pub fn parameters(&self, known: &[&str]) -> Result<Parameters, Problem> {
        let target = target::split(&format!("?{}", self.query()))?;
        let includes = target.includes.into_iter().map(|include| (include, String::new()));
        let pairs = target.pairs.into_iter().chain(includes).collect();
        Parameters::new(pairs, known, self.limits().parameters)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.request.headers().get(name)?.to_str().ok()
    }

    /// Has the caller what has this ETag? A list may come on several lines.
    pub fn has_already(&self, tag: &str) -> bool {
        let lines = self.request.headers().get_all(header::IF_NONE_MATCH);
        let mut lines = lines.filter_map(|line| line.to_str().ok());
        lines.any(|sent| graph::matches_tag(sent, tag))
    }

    /// The revision `Graph-At-Least` asks for.
    fn at_least(&self) -> Result<Option<Revision>, Problem> {
        let mut latest = None;
        // Whoever asks for several wants to see all of them.
        for value in self.request.headers().get_all(&GRAPH_AT_LEAST) {
            let revision = value.to_str().ok().and_then(|text| text.trim().parse().ok());
            let revision: Revision = revision.ok_or_else(|| {
                Problem::bad_request("badRevision", "`Graph-At-Least` is not a revision")
                    .help("send the number a `Graph-Revision` header gave")
            })?;
            latest = latest.max(Some(revision));
        }
        Ok(latest)
    }

    /// Waits for what `Graph-At-Least` asks for, where who asks is known in another way than by `auth::enter`.
    pub async fn arrived(&self) -> Result<(), Problem> {
        match self.at_least()? {
            Some(revision) if revision > self.state.engine.revision() => self.awaited(revision).await.map(drop),
            _ => Ok(()),
        }
    }

    /// A graph at least so new, or 503 when the time is up. Whether the caller may wait is for `auth::enter` to know.
    async fn awaited(&self, revision: Revision) -> Result<Arc<crate::graph::Graph>, Problem> {
        let wait = Duration::from_millis(self.limits().wait_ms);
        self.state.engine.at_least(revision, wait).await.map_err(|_| {
            Problem::new(
                actix_web::http::StatusCode::SERVICE_UNAVAILABLE,
                "notYetThere",
                format!("revision {revision} has not arrived here in time"),
            )
            .limit(self.limits().wait_ms())
            .help("try again, or ask the node that wrote it")
        })
    }
}

/// Every request comes here. A panic in a handler is answered 500, counted, and ends nothing else.
async fn dispatch(state: Arc<State>, worker: Rc<Worker>, mut request: Request) -> Result<HttpResponse, Infallible> {
    worker.sender.begin();
    let started = Instant::now();
    let mut payload = request.take_payload();
    let body = Body::of(&request, &payload);
    let mut under_way = request
        .conn_data::<Rc<Outgoing>>()
        .cloned()
        .map(|outgoing| UnderWay::new(outgoing, body));
    if let Some(under_way) = &under_way
        && request.headers().contains_key(header::TRANSFER_ENCODING)
    {
        payload = under_way.reads(payload);
    }
    let request_id = state.request_ids.of(request.headers());
    let context = Context {
        state,
        worker,
        is_cut: under_way.as_ref().is_some_and(UnderWay::has_fragment),
        caller: Cell::default(),
        has_written: Cell::default(),
        request,
        request_id,
    };
    let route = match route(context.request.path(), context.request.method()) {
        Route::Other if context.state.door(context.request.path()).is_some() => Route::Door,
        route => route,
    };
    let mut answer = pin!(AssertUnwindSafe(answer(&context, route, payload)).catch_unwind());
    let mut waited = false;
    let answered = poll_fn(|task| {
        let polled = answer.as_mut().poll(task);
        waited |= polled.is_pending();
        polled
    })
    .await;
    if waited {
        context.worker.sender.waited();
    }
    let mut response = match answered {
        Ok(Ok(response)) => response,
        Ok(Err(problem)) => {
            problem.log(&context.request_id);
            problem.respond(&context.request_id)
        }
        Err(_) => {
            context.state.metrics.panics.inc();
            tracing::error!(request_id = %context.request_id, "a request ended in a panic");
            internal("the request ended unexpectedly").respond(&context.request_id)
        }
    };
    if context.request.method() != Method::HEAD {
        let is_told = context.has_written.get() || !response.status().is_success();
        let held = context.state.unread.hold(context.caller.get(), is_told, response);
        response = held.unwrap_or_else(|problem| problem.respond(&context.request_id));
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&context.request_id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
    if route == Route::WellKnown {
        // What is public is so for the pages of any origin.
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    } else if !context.state.options.cors_origins.is_empty() {
        allow_origin(&context, headers);
    }
    if route == Route::Authz {
        authz::allow_origin(&context, headers);
    }
    let is_stream = response.body().size() == BodySize::Stream;
    if context.request.version() < Version::HTTP_11 && is_stream {
        // It knows no chunks: the stream is sent as it is, and ends with the connection, even one it would keep.
        let head = response.head_mut();
        head.no_chunking(true);
        head.set_connection_type(ConnectionType::Close);
    }
    let has_come = match &under_way {
        Some(under_way) => under_way.has_come(body).await,
        None => true,
    };
    if !has_come {
        // actix-http would close it too, but take what comes behind for the next request first.
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    if context.request.head().connection_type() == ConnectionType::Upgrade {
        // It is answered as it was asked, by HTTP/1.1, and nothing is read of it after that: so it is told, and not that the
        // connection is something else from here on.
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    // Heads are used again with the version of the answer before: of an older one nothing would be known to be kept.
    response.head_mut().version = Version::HTTP_11;
    let ends = [
        context.request.head().connection_type(),
        response.head().connection_type(),
    ];
    if let Some(under_way) = &mut under_way
        && ends.contains(&ConnectionType::Close)
    {
        under_way.ends();
    }
    if let Some(under_way) = under_way
        && is_stream
    {
        response = response.map_body(|_, body| under_way.streams(body));
    }
    let took = started.elapsed();
    context.state.metrics.count(route, response.status().as_u16(), took);
    log(&context, &response, took);
    Ok(response)
}

/// Neither the selector nor the query is logged: they hold names and addresses of people.
fn log(context: &Context, response: &HttpResponse, took: Duration) {
    let options = &context.state.options;
    let slow = options.log_slow.is_some_and(|slow| took > slow);
    if !slow && !options.log_requests {
        return;
    }
    let (method, status, micros) = (
        context.request.method(),
        response.status().as_u16(),
        took.as_micros() as u64,
    );
    let path = first_segment(context.request.path());
    if slow {
        tracing::warn!(request_id = %context.request_id, %method, path, status, micros, "slow request");
    } else {
        tracing::info!(request_id = %context.request_id, %method, path, status, micros, "request");
    }
}

fn first_segment(path: &str) -> &str {
    // A point in front ends no name: `/.well-known`.
    let begin = if path.starts_with("/.") { 2 } else { 1.min(path.len()) };
    let end = path[begin..]
        .find(['/', '.', '?', '%'])
        .map_or(path.len(), |at| begin + at);
    &path[..end]
}

fn route(path: &str, method: &Method) -> Route {
    if is_graph(path) {
        return if method == Method::GET || method == Method::HEAD {
            Route::GraphRead
        } else {
            Route::GraphWrite
        };
    }
    match path {
        path if authz::is_meant(path) => Route::Authz,
        "/tokens" => Route::Tokens,
        "/keys" => Route::Keys,
        "/.well-known/jwks.json" | "/user/.well-known/jwks.json" | "/.well-known/openid-configuration" => {
            Route::WellKnown
        }
        "/audit" => Route::Audit,
        "/events" => Route::Events,
        "/import" => Route::Import,
        "/export" => Route::Export,
        "/backup" => Route::Backup,
        "/openapi.json" | "/graph-schema" => Route::Documents,
        "/health/live" | "/health/ready" => Route::Health,
        "/metrics" => Route::Metrics,
        "/checks" => Route::Checks,
        "/leases" => Route::Leases,
        path if path.starts_with("/leases/") => Route::Leases,
        path if available::user(path).is_some() => Route::Available,
        path if path.starts_with("/tokens/") => Route::Tokens,
        path if path.starts_with("/event/get/") => Route::EventFeed,
        path if transactions::is_meant(path) => Route::Transactions,
        _ => Route::Other,
    }
}

/// `/graph`, `/graph/…` and `/graph.json`, but not `/graph-schema`.
fn is_graph(path: &str) -> bool {
    // A client that encodes a whole selector encodes the slash it begins with.
    path.strip_prefix("/graph")
        .is_some_and(|rest| matches!(rest.as_bytes(), [] | [b'/' | b'.', ..] | [b'%', b'2', b'F' | b'f', ..]))
}

async fn answer(context: &Context, route: Route, payload: Payload) -> Result<HttpResponse, Problem> {
    if context.is_cut {
        let problem = Problem::bad_request(
            "brokenTarget",
            "the target has a `#`, behind which nothing would be read",
        );
        return Err(problem.help("write `#` as `%23`"));
    }
    let method = context.request.method();
    if method == Method::OPTIONS {
        return Ok(preflight(context));
    }
    match route {
        Route::GraphRead => graph::read(context).await,
        Route::Authz if let Some(checked) = authz::at_once(context) => checked,
        // Kept apart: a read would carry the room of the largest of them wherever its future goes.
        _ => Box::pin(answer_others(context, route, payload)).await,
    }
}

async fn answer_others(context: &Context, route: Route, payload: Payload) -> Result<HttpResponse, Problem> {
    let method = context.request.method();
    let reads = method == Method::GET || method == Method::HEAD;
    match route {
        Route::GraphRead => graph::read(context).await,
        Route::GraphWrite => write::write(context, payload).await,
        Route::Authz => authz::answer(context, payload).await,
        Route::Checks => checks::answer(context, payload).await,
        Route::Leases => leases::answer(context).await,
        Route::Available => available::answer(context).await,
        Route::Tokens => tokens::answer(context, payload).await,
        Route::Keys => keys::answer(context, payload).await,
        Route::Transactions => transactions::answer(context, payload).await,
        Route::Door if let Some(door) = context.state.door(context.request.path()) => {
            Ok((door.answer)(context, payload).await)
        }
        Route::Import if method == Method::POST => bulk::import(context, payload).await,
        Route::Import => Err(Problem::method_not_allowed(method.as_str(), "POST")),
        _ if !reads && route != Route::Other => Err(Problem::method_not_allowed(method.as_str(), "GET, HEAD")),
        Route::WellKnown => keys::well_known(context).await,
        Route::Audit => audit::read(context).await,
        Route::Events => events::follow(context).await,
        Route::EventFeed => events::get(context).await,
        Route::Export => bulk::export(context).await,
        Route::Backup => bulk::backup(context).await,
        Route::Documents => health::document(context).await,
        Route::Health => health::health(context),
        Route::Metrics => health::metrics(context),
        Route::Door | Route::Other => Err(Problem::new(
            actix_web::http::StatusCode::NOT_FOUND,
            "unknownPath",
            format!("there is nothing at `{}`", context.request.path()),
        )
        .help("`/openapi.json` lists every path")),
    }
}

/// A browser of a listed origin may ask anything a token lets it; others get no permission, which is the browser's to enforce.
fn preflight(context: &Context) -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    if context
        .request
        .headers()
        .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
    {
        response.insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST, PUT, DELETE"));
        response.insert_header((
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type, idempotency-key, if-match, if-none-match, graph-at-least, last-event-id, locale, \
             x-request-id",
        ));
        response.insert_header((header::ACCESS_CONTROL_MAX_AGE, "600"));
    }
    response.finish()
}

fn allow_origin(context: &Context, headers: &mut HeaderMap) {
    // Whoever keeps an answer must not give the one of an origin to another, or that of none to any.
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
    let Some(origin) = context.request.headers().get(header::ORIGIN) else {
        return;
    };
    let allowed = &context.state.options.cors_origins;
    if allowed
        .iter()
        .any(|allowed| allowed == "*" || allowed.as_bytes() == origin.as_bytes())
    {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("etag, graph-revision, idempotency-replayed, link, retry-after, x-request-id"),
        );
    }
}

/// Names a request in answers, logs and the audit: the client's own name for it, or one of ours.
struct RequestIds {
    /// What all of one process begin with: `5f3a91c0-`.
    process: CompactString,
    next: AtomicU64,
}

/// As `{:x}`, which is slower.
fn push_hex(text: &mut CompactString, number: u64) {
    let digits = (16 - number.leading_zeros() / 4).max(1);
    for digit in (0..digits).rev() {
        text.push(char::from(b"0123456789abcdef"[(number >> (4 * digit) & 15) as usize]));
    }
}

impl RequestIds {
    fn new(secret: [u8; 32]) -> Self {
        let [a, b, c, d, ..] = secret;
        Self {
            process: compact_str::format_compact!("{:08x}-", u32::from_le_bytes([a, b, c, d])),
            next: AtomicU64::new(1),
        }
    }

    fn of(&self, headers: &HeaderMap) -> CompactString {
        let sent = headers.get(&REQUEST_ID).and_then(|value| value.to_str().ok());
        match sent {
            Some(sent) if (1..=64).contains(&sent.len()) && sent.bytes().all(|byte| byte.is_ascii_graphic()) => {
                sent.into()
            }
            _ => {
                let mut id = self.process.clone();
                push_hex(&mut id, self.next.fetch_add(1, Ordering::Relaxed));
                id
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_their_routes() {
        for (path, method, expected) in [
            ("/graph", Method::GET, Route::GraphRead),
            ("/graph/", Method::POST, Route::GraphWrite),
            ("/graph/me.json", Method::HEAD, Route::GraphRead),
            ("/graph.json", Method::GET, Route::GraphRead),
            ("/graph%2fProfile", Method::GET, Route::GraphRead),
            ("/graph%20", Method::GET, Route::Other),
            ("/graph-schema", Method::GET, Route::Documents),
            ("/graphs", Method::GET, Route::Other),
            ("/tokens/x", Method::DELETE, Route::Tokens),
            ("/keys", Method::POST, Route::Keys),
            ("/keys/x", Method::GET, Route::Other),
            ("/user/.well-known/jwks.json", Method::GET, Route::WellKnown),
            ("/.well-known/other", Method::GET, Route::Other),
            ("/authz", Method::GET, Route::Authz),
            ("/authz.jwt", Method::POST, Route::Authz),
            ("/authz/.json", Method::GET, Route::Authz),
            ("/authzx", Method::GET, Route::Other),
            ("/checks", Method::POST, Route::Checks),
            ("/leases/x", Method::DELETE, Route::Leases),
            (
                "/api/entitlement/v1/users/me/available-licenses",
                Method::GET,
                Route::Available,
            ),
            ("/audit", Method::GET, Route::Audit),
            ("/audit/x", Method::GET, Route::Other),
            ("/events", Method::GET, Route::Events),
            ("/event/get/License/x", Method::GET, Route::EventFeed),
            ("/event/put", Method::POST, Route::Other),
            ("/", Method::GET, Route::Other),
        ] {
            assert_eq!(route(path, &method), expected, "{path}");
        }
    }

    #[test]
    fn a_number_of_a_request_is_hexadecimal() {
        for number in [0, 1, 15, 16, 255, 4096, u64::MAX] {
            let mut text = CompactString::default();
            push_hex(&mut text, number);
            assert_eq!(text, format!("{number:x}"));
        }
    }

    #[test]
    fn a_logged_path_names_nobody() {
        for (path, logged) in [
            ("/graph/Profile[@id='x']", "/graph"),
            ("/graph.json", "/graph"),
            ("/graph%2FProfile", "/graph"),
            ("/.well-known/jwks.json", "/.well-known"),
            ("/..%2FProfile", "/."),
            ("//Profile", "/"),
            ("/.", "/."),
            ("/", "/"),
            ("", ""),
        ] {
            assert_eq!(first_segment(path), logged);
        }
    }
}
