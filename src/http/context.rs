//! What a handler is given: the request, what its worker has, and what all workers share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::Request;
use actix_web::HttpMessage;
use actix_web::http::{StatusCode, header};
use compact_str::CompactString;
use uuid::Uuid;

use super::connection::sender::Sender;
use super::parameters::Parameters;
use super::problem::Problem;
use super::remembered::Remembered;
use super::{GRAPH_AT_LEAST, State, graph, target};
use crate::access::Who;
use crate::engine::{Reply, Write, WriteError, Written};
use crate::graph::Transaction;
use crate::limits::Limits;
use crate::model::{Principal, Revision};
use crate::query::Statements;

/// Of `https://host/path` what begins with its third slash.
fn path_of(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    url[host..].find('/').map_or("", |at| &url[host + at..])
}

/// Among whom room is shared: all tokens of an organization are one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Caller {
    Organization(Uuid),
    Unbound(Principal),
}

impl Caller {
    pub(super) fn of(who: &Who) -> Self {
        who.organization
            .map_or(Self::Unbound(who.principal), Self::Organization)
    }
}

/// What one worker has for all of its requests. Borrowed between awaits only.
pub(super) struct Worker {
    /// What it has prepared.
    pub(super) statements: RefCell<Statements>,
    /// Answers it may give again.
    pub(super) remembered: RefCell<Remembered>,
    /// Answers that have yet to leave.
    pub(super) sender: Rc<Sender>,
}

impl Worker {
    /// One of so many.
    pub(super) fn new(limits: &Limits, workers: usize, sender: Rc<Sender>) -> Self {
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
    pub(super) worker: Rc<Worker>,
    /// The target had a `#`, and `request` has nothing of what came behind it.
    pub(super) is_cut: bool,
    /// Who asks, once that is known.
    pub(super) caller: Cell<Option<Caller>>,
    /// The answer tells what was done, and is told in any case.
    pub(super) has_written: Cell<bool>,
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

    /// As [`Engine::write`](crate::engine::Engine::write).
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
        Parameters::new(pairs, known, self.limits().parameters())
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
    pub(super) fn at_least(&self) -> Result<Option<Revision>, Problem> {
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
    pub(super) async fn awaited(&self, revision: Revision) -> Result<Arc<crate::graph::Graph>, Problem> {
        let wait = Duration::from_millis(self.limits().wait_ms);
        self.state.engine.at_least(revision, wait).await.map_err(|_| {
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "notYetThere",
                format!("revision {revision} has not arrived here in time"),
            )
            .limit(self.limits().wait_ms())
            .help("try again, or ask the node that wrote it")
        })
    }
}
