//! `serve`: the server, from its start to a clean end.

mod inside;
mod seed;
mod tidy;

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;
use std::sync::Arc;

use actix_web::rt::{System, signal};
use clap::Args;
use serde_json::json;

pub use self::inside::Inside;
use self::seed::{sow, whole};
use self::tidy::tidy;
use super::open::Use;
use super::{Common, Exit, Failure, log, open, process, secret};
use crate::access::token::AdminToken;
use crate::doors;
use crate::engine::Engine;
use crate::http;
use crate::http::signing::Setup;
use crate::model::Kind;
use crate::settings::Settings;
use crate::signing::Secret;

#[derive(Args)]
pub struct Serve {
    /// Where to listen [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// A file, made if there is none, or `memory:` [default: seatgraph.db]
    #[arg(long, value_name = "FILE")]
    database: Option<String>,
    /// Import this into a database that is empty
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    /// Bring an older database to this program's schema first
    #[arg(long)]
    auto_migrate: bool,
}

pub fn run(common: &Common, args: &Serve) -> Result<(), Failure> {
    let settings = common.settings(&[("listen", args.listen.clone()), ("database", args.database.clone())])?;
    log::start(&settings.log);
    process::open_many_files(workers())?;
    let admin = admin_token()?;
    let secret = secret::find(&settings, Use::Write)?;
    if secret.is_none() {
        tracing::warn!(
            "private signing keys will lie open in the database and in its backups: set SEATGRAPH_KEY_SECRET or `keys.file`"
        );
    }
    let what = match args.auto_migrate {
        true => Use::Migrate,
        false => Use::Write,
    };
    let listener = bind(&settings.listen)?;
    let engine = open::engine(&settings, what)?;
    note(&engine, "opened");
    whole(&engine, &settings)?;
    if let Some(seed) = &args.seed {
        sow(&engine, &settings, seed)?;
    }
    let token = if admin.is_none() {
        first_token(&engine, &settings)?
    } else {
        None
    };
    let address = listener.local_addr()?;
    let state = Arc::new(state(engine.clone(), &settings, admin, address, secret)?);
    state.signer().ring(&engine.snapshot());
    let served = System::new().block_on(serve(engine.clone(), state, listener, || {
        announce(address, &settings, token.as_deref())
    }));
    let fault = engine.health().fault;
    // What the database has after it failed, only a new start knows.
    if fault.is_none() {
        note(&engine, "closing");
    }
    engine.close();
    served?;
    match fault {
        Some(fault) => Err(Failure::refused(format!("the database failed: {fault}"))),
        None => Ok(()),
    }
}

/// Where the log's hash chain stands, told outside of the database: `verify --chain` proves by it that nothing up to there was
/// altered since.
fn note(engine: &Engine, when: &str) {
    match engine.log().and_then(|mut log| log.link()) {
        Ok(Some(chain)) => tracing::info!(%chain, when, "the chain of the log"),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "the chain of the log cannot be read"),
    }
}

/// From now on a write beyond the size that files may have (`ulimit -f`) fails as one to a full disk does, and ends no process.
fn outlast_large_files() -> std::io::Result<()> {
    /// As Linux numbers it, on all but a few processors.
    const SIGXFSZ: i32 = 25;
    signal::unix::signal(signal::unix::SignalKind::from_raw(SIGXFSZ)).map(drop)
}

/// Whether it was started to outlive its terminal (`nohup`): then it is not to be told of its end.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // The first signal is SIGHUP. Where it is not known, nothing is changed.
    ignored
        .and_then(|signals| u64::from_str_radix(signals.trim(), 16).ok())
        .is_none_or(|signals| signals & 1 == 1)
}

/// Serves until a signal comes, then says it is not ready, answers what it began, and returns.
async fn serve(
    engine: Engine,
    state: Arc<http::State>,
    listener: TcpListener,
    ready: impl FnOnce(),
) -> Result<(), Failure> {
    let mut terminated = signal::unix::signal(signal::unix::SignalKind::terminate())?;
    let mut interrupted = signal::unix::signal(signal::unix::SignalKind::interrupt())?;
    let mut hung_up = match ignores_hangup() {
        true => None,
        false => Some(signal::unix::signal(signal::unix::SignalKind::hangup())?),
    };
    outlast_large_files()?;
    let server = http::server(state.clone(), listener, workers())?;
    let handle = server.handle();
    let checks = Arc::clone(&state);
    let tidying = actix_web::rt::spawn(tidy(engine, Arc::clone(&state)));
    let stopped = actix_web::rt::spawn(async move {
        let ended = Box::pin(wait_for(&mut terminated, &mut interrupted));
        let gone = Box::pin(async {
            match &mut hung_up {
                Some(signal) => drop(signal.recv().await),
                None => std::future::pending().await,
            }
        });
        futures_util::future::select(ended, gone).await;
        tracing::info!("stopping");
        state.stop();
        let impatient = handle.clone();
        actix_web::rt::spawn(async move {
            wait_for(&mut terminated, &mut interrupted).await;
            impatient.stop(false).await;
        });
        handle.stop(true).await;
    });
    ready();
    server.await?;
    checks.tell_checks();
    stopped.abort();
    tidying.abort();
    tracing::info!("stopped");
    Ok(())
}

async fn wait_for(one: &mut signal::unix::Signal, other: &mut signal::unix::Signal) {
    futures_util::future::select(Box::pin(one.recv()), Box::pin(other.recv())).await;
}

fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, |count| count.get().max(2))
}

fn bind(listen: &str) -> Result<TcpListener, Failure> {
    let failed = |cause: std::io::Error| {
        // What is no address at all was written wrong.
        let exit = match cause.kind() {
            std::io::ErrorKind::InvalidInput => Exit::Usage,
            _ => Exit::Refused,
        };
        Failure::new(exit, format!("cannot listen on `{listen}`: {cause}"))
            .help("give another by --listen ADDRESS:PORT")
    };
    let addresses: Vec<SocketAddr> = listen.to_socket_addrs().map_err(failed)?.collect();
    TcpListener::bind(addresses.as_slice()).map_err(failed)
}

/// At every start the one that is set, and then no other is made.
fn admin_token() -> Result<Option<AdminToken>, Failure> {
    let Some(text) = std::env::var_os("SEATGRAPH_ADMIN_TOKEN") else {
        return Ok(None);
    };
    match text.to_str().and_then(AdminToken::new) {
        Some(token) => Ok(Some(token)),
        None => Err(Failure::new(Exit::Usage, "SEATGRAPH_ADMIN_TOKEN is not a token")
            .help("a token is 32 to 1024 visible ASCII characters, for example what `openssl rand -hex 32` gives")),
    }
}

fn state(
    engine: Engine,
    settings: &Settings,
    admin: Option<AdminToken>,
    address: SocketAddr,
    secret: Option<Secret>,
) -> Result<http::State, Failure> {
    let options = http::Options::of(settings, admin);
    // How clients reach the server.
    let url = options.public_url.clone();
    let setup = Setup {
        issuer: url.unwrap_or_else(|| format!("http://{address}")).into(),
        secret,
        ..Setup::default()
    };
    let state = http::State::new(engine, options, open::backup(&settings.database));
    Ok(state.signing(setup).doors(doors::open(&settings.doors.open())))
}

/// An administrator for a database that has no token at all.
fn first_token(engine: &Engine, settings: &Settings) -> Result<Option<String>, Failure> {
    if engine.snapshot().kind_count(Kind::Token) > 0 {
        return Ok(None);
    }
    let (_inside, client) = Inside::start(engine.clone(), settings, Use::Write)?;
    let wanted = json!({"permissions": ["*.*"], "name": "administrator"}).to_string();
    let made = client.post("/tokens", "application/json", wanted.as_bytes())?.json()?;
    Ok(made["token"].as_str().map(str::to_owned))
}

/// On standard output: what a person needs to begin, and the token this once. By which name others reach it, in front of a proxy say,
/// is not where it listens.
fn announce(address: SocketAddr, settings: &Settings, token: Option<&str>) {
    tracing::info!(%address, database = %settings.database, "ready");
    // The address comes last: who reads up to it has everything.
    let mut text = token.map_or_else(String::new, |token| {
        format!("administrator token, shown this once: {token}\n")
    });
    text.push_str(&format!("listening on http://{address}\n"));
    // Where nobody reads it the server serves all the same.
    let told = std::io::Write::write_all(&mut std::io::stdout().lock(), text.as_bytes());
    let told = told.and_then(|()| match goes_nowhere(&std::io::stdout()) {
        true => Err(std::io::Error::other("standard output goes nowhere")),
        false => Ok(()),
    });
    if let (Err(cause), Some(_)) = (told, token) {
        tracing::error!(
            %cause,
            "the administrator token could not be shown, and never will be: stop the server, and make another by `seatgraph token create --database`"
        );
    }
}

/// To the null device, which is also what a program begins with that was started without it (`>&-`).
fn goes_nowhere(out: &impl AsFd) -> bool {
    let out = out.as_fd().try_clone_to_owned().map(std::fs::File::from);
    let device = |found: std::fs::Metadata| found.file_type().is_char_device().then(|| found.rdev());
    let of_null = std::fs::metadata("/dev/null").ok().and_then(device);
    of_null.is_some() && out.and_then(|out| out.metadata()).ok().and_then(device) == of_null
}
