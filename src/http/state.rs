//! How this edge was set up, and what every worker shares.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::web::Bytes;
use tokio::sync::Notify;

use super::context::Caller;
use super::cursor::Cursors;
use super::door::Door;
use super::metrics::Metrics;
use super::passwords::Hashing;
use super::places::{Places, Shares};
use super::request_id::RequestIds;
use super::signing::{Setup, Signer};
use super::unread::Unread;
use super::{audit, checked, openapi, refusals, underway};
use crate::access::throttle::Throttle;
use crate::access::token::AdminToken;
use crate::engine::Engine;
use crate::limits::Limits;
use crate::model::Clock;
use crate::settings::Settings;

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
    pub(super) cursors: Cursors,
    pub(super) metrics: Metrics,
    pub(super) stopping: AtomicBool,
    /// Who waits for that.
    stops: Notify,
    pub(super) request_ids: RequestIds,
    pub(super) throttle: Throttle,
    pub(super) hashing: Hashing,
    pub(super) underway: Arc<underway::Underway>,
    pub(super) audits: audit::Turns,
    /// Events of checks on their way to the log.
    pub(super) checked: checked::Waiting,
    pub(super) refusals: Arc<refusals::Refusals>,
    pub(super) signer: Signer,
    /// Streams of events that are open, and those of them that read.
    pub(super) streams: Arc<Shares<Caller>>,
    pub(super) stream_turns: Places,
    /// Large answers that are not sent yet.
    pub(super) unread: Unread,
    pub(super) backup: Option<Box<Backup>>,
    /// Copies for backups that are made.
    pub(super) backups: Places,
    /// Copies for backups and exports that lie beside the database.
    pub(super) copies: Places,
    /// Dry runs for which other writes wait long.
    pub(super) dry_runs: Places,
    pub(super) doors: Vec<Door>,
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
    pub(super) fn openapi(&self) -> &Bytes {
        self.openapi.get_or_init(|| {
            let doors: Vec<_> = self.doors.iter().map(|door| (door.openapi)()).collect();
            Bytes::from(openapi::document(
                &doors,
                self.options.metrics_open,
                self.options.public_url.as_deref(),
            ))
        })
    }

    pub(super) fn door(&self, path: &str) -> Option<&Door> {
        self.doors.iter().find(|door| (door.is_meant)(path))
    }

    /// As whom this server signs, and with which keys.
    #[must_use]
    pub fn signing(mut self, setup: Setup) -> Self {
        self.signer = Signer::new(setup, self.engine.clone(), &self.options.limits);
        self
    }

    pub(super) fn is_stopping(&self) -> bool {
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
    pub(super) async fn stops(&self) {
        // It counts from when it was made, so that none comes between.
        let told = self.stops.notified();
        if !self.is_stopping() {
            told.await;
        }
    }
}
