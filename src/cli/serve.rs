//! `serve`: the server, from its start to a clean end; and the server inside another command, which opens the same way.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::rt::{System, signal};
use clap::Args;
use serde_json::json;

use super::client::Client;
use super::export::settle;
use super::open::Use;
use super::{Common, Exit, Failure, import, log, open, process, secret};
use crate::access::token::{self, AdminToken};
use crate::doors;
use crate::engine::{Engine, Reply, Write, WriteError};
use crate::error::Error;
use crate::graph::{Graph, Transaction};
use crate::http;
use crate::http::signing::Setup;
use crate::model::{Clock, Kind, Time};
use crate::operation::consume::{self, TIDIED};
use crate::operation::sale;
use crate::settings::Settings;
use crate::signing::Secret;
use crate::storage::followed;

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

/// How often leases and tokens that have ended are looked for. They count for nothing as soon as they end: this only tidies.
const TIDYING: Duration = Duration::from_secs(5);

/// How a write that tidies is done.
#[derive(Debug, PartialEq, Eq)]
struct Pace {
    at_leisure: bool,
    /// What it removes at most.
    most: usize,
    /// What is waited before it.
    pause: Duration,
}

/// While the oldest lease ended not long ago such writes take about a third of the time, which is long where others want the
/// processors: a thousand leases a second, or so, are removed then, and more otherwise. If more end than are removed they come without
/// pauses; in the end there is no leisure either, and four times as many go at once, so that a server that begins all it can does not
/// gather them without end.
fn pace(late_ms: i64, took: Duration) -> Pace {
    let (short, long) = (Duration::from_millis(5), Duration::from_millis(250));
    let (at_leisure, most, pause) = match late_ms {
        ..30_000 => (true, TIDIED, (2 * took).clamp(short, long)),
        30_000..90_000 => (true, TIDIED, short),
        _ => (false, 4 * TIDIED, Duration::from_millis(1)),
    };
    Pace {
        at_leisure,
        most,
        pause,
    }
}

/// Clocks are corrected by less than this all the time.
const CLOCK_BEHIND_MS: u64 = 1000;

/// What is removed some time after it has ended.
struct Ended {
    operation: &'static str,
    /// For how many milliseconds something has been there that is to be removed.
    untidy_for: fn(&Graph, Time) -> Option<i64>,
    tidy: fn(&mut Transaction<'_>, usize) -> Result<(), Error>,
}

const ENDED: [Ended; 3] = [
    Ended {
        operation: "Expire",
        untidy_for: consume::untidy_for,
        tidy: consume::tidy,
    },
    Ended {
        operation: "ExpireTokens",
        // However many there are, nobody waits for them to go.
        untidy_for: |graph, now| token::is_untidy(graph, now).then_some(0),
        tidy: |tx, most| Ok(token::tidy(tx, most)?),
    },
    Ended {
        operation: "ExpireSessions",
        untidy_for: sale::sessions_untidy_for,
        tidy: |tx, most| Ok(sale::tidy_sessions(tx, most)?),
    },
];

/// Removes ended leases, tokens and licenses of sessions by small writes, with room for others in between; asks for the events of checks that met a full
/// queue; and says when the clock was set back.
async fn tidy(engine: Engine, state: Arc<http::State>) {
    let (mut was_behind, mut rest) = (false, TIDYING);
    loop {
        actix_web::rt::time::sleep(rest).await;
        state.tell_checks();
        let behind_ms = engine.behind();
        let is_behind = behind_ms > CLOCK_BEHIND_MS;
        if is_behind && !was_behind {
            tracing::warn!(
                behind_ms,
                "the system's clock was set back: until it comes up to the last commit no time passes"
            );
        }
        was_behind = is_behind;
        let (round, mut took) = (Instant::now(), Duration::ZERO);
        for ended in &ENDED {
            while round.elapsed() < TIDYING
                && let Some(late_ms) = untidy_for(&engine, ended)
            {
                let pace = pace(late_ms, took);
                actix_web::rt::time::sleep(pace.pause).await;
                let began = Instant::now();
                // What cannot be written now is written later; a database that failed is told of where it failed.
                if let Err(cause) = tidy_once(&engine, ended, &pace).await {
                    tracing::warn!(%cause, operation = ended.operation, "what has ended could not be removed");
                    break;
                }
                took = began.elapsed();
            }
        }
        rest = TIDYING.saturating_sub(round.elapsed());
    }
}

/// The graph is given back before anything is waited for: while one is held, the committer makes another copy.
fn untidy_for(engine: &Engine, ended: &Ended) -> Option<i64> {
    (ended.untidy_for)(&engine.snapshot(), engine.now())
}

async fn tidy_once(engine: &Engine, ended: &Ended, pace: &Pace) -> Result<(), WriteError<Error>> {
    let write = Write {
        operation: ended.operation.into(),
        ..Write::default()
    };
    let (tidy, most) = (ended.tidy, pace.most);
    let run = move |tx: &mut Transaction<'_>| {
        tidy(tx, most)?;
        Ok(Reply {
            status: 204,
            body: Arc::from(Vec::new()),
        })
    };
    match pace.at_leisure {
        true => engine.write_aside(write, run).await,
        false => engine.write_promptly(write, run).await,
    }
    .map(drop)
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

/// Lies beside a database while a seed goes in, which takes many commits: nobody would notice what is missing of one that holds a part.
fn seeding(settings: &Settings) -> Option<PathBuf> {
    if !open::is_file(&settings.database) {
        return None;
    }
    // Whatever links lead to it, one database has one mark.
    let database = Path::new(&settings.database);
    let mut name = followed(database)
        .unwrap_or_else(|| database.to_owned())
        .into_os_string();
    name.push(".seeding");
    Some(name.into())
}

/// A database that holds a part of a seed is not served.
fn whole(engine: &Engine, settings: &Settings) -> Result<(), Failure> {
    let Some(mark) = seeding(settings).filter(|mark| mark.exists()) else {
        return Ok(());
    };
    if engine.revision() == 0 {
        return marked(&mark, std::fs::remove_file(&mark).and_then(|()| settle(&mark)));
    }
    let why = format!(
        "`{}` holds a part of a seed, whose import did not end",
        settings.database
    );
    Err(Failure::refused(why).help(format!(
        "remove the database and start again, or remove `{}` to keep what is there",
        mark.display()
    )))
}

fn marked(mark: &Path, done: std::io::Result<()>) -> Result<(), Failure> {
    done.map_err(|cause| Failure::refused(format!("`{}`: {cause}", mark.display())))
}

/// A seed is for the first start; a database that holds anything is left alone.
fn sow(engine: &Engine, settings: &Settings, seed: &Path) -> Result<(), Failure> {
    if engine.revision() > 0 {
        tracing::info!(seed = %seed.display(), "the database is not empty: nothing was imported");
        return Ok(());
    }
    let source = import::open(seed)?;
    let mark = seeding(settings);
    if let Some(mark) = &mark {
        // On the disk before the first commit is.
        let made = std::fs::File::create(mark).and_then(|file| file.sync_all());
        marked(mark, made.and_then(|()| settle(mark)))?;
    }
    let (inside, client) = Inside::start(engine.clone(), settings, Use::Write)?;
    let done = import::stream(&client, source, import::PATH, false).map_err(|mut failure| {
        failure.message = format!("{}: {}", seed.display(), failure.message);
        failure
    });
    drop(inside);
    // Where nothing went in, nothing is half.
    let is_whole = done.is_ok() || engine.revision() == 0;
    if let Some(mark) = mark.filter(|_| is_whole) {
        marked(&mark, std::fs::remove_file(&mark).and_then(|()| settle(&mark)))?;
    }
    let done = done?;
    tracing::info!(seed = %seed.display(), lines = done.lines, "imported");
    Ok(())
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

/// A server on a loopback port of its own, for one command of this process: its administrator's token is made here and
/// told to nobody else. So a command on a file does exactly what the same command on a server does.
pub struct Inside {
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Inside {
    pub fn start(engine: Engine, settings: &Settings, what: Use) -> Result<(Self, Client), Failure> {
        log::start_inside();
        let text: String = Clock::secret().iter().map(|byte| format!("{byte:02x}")).collect();
        let listener = bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let mut settings = settings.clone();
        settings.log.slow_ms = 0;
        let secret = secret::find(&settings, what)?;
        let state = Arc::new(state(engine, &settings, AdminToken::new(&text), address, secret)?);
        let (tell, told) = mpsc::channel();
        let thread = std::thread::Builder::new().name("inside".to_owned()).spawn(move || {
            System::new().block_on(async move {
                match outlast_large_files().and_then(|()| http::server(state, listener, 1)) {
                    Ok(server) => {
                        let _ = tell.send(Ok(server.handle()));
                        let _ = server.await;
                    }
                    Err(cause) => {
                        let _ = tell.send(Err(cause));
                    }
                }
            });
        })?;
        let handle = told
            .recv()
            .map_err(|_| Failure::refused("the server inside did not start"))??;
        let client = Client::new(&format!("http://{address}"), Some(text))?;
        Ok((
            Self {
                handle,
                thread: Some(thread),
            },
            client,
        ))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // The command is sent when `stop` is called; the server's end is awaited by its thread's.
        drop(self.handle.stop(true));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Who;
    use crate::engine;
    use crate::graph::Kept;
    use crate::limits::Limits;
    use crate::model::RelationType;
    use crate::model::schema::known;
    use crate::storage::Memory;

    /// A month after its end a token goes, and one that has no end stays.
    #[test]
    fn tokens_that_ended_long_ago_are_removed() {
        const DAY_MS: i64 = 24 * 60 * 60 * 1000;
        let clock = Arc::new(Clock::frozen(Time(0)));
        let engine = Engine::open(
            Box::new(Memory::new()),
            Arc::clone(&clock),
            engine::Options::default(),
            |_| (),
        );
        let engine = engine.expect("an empty store");
        for days in [None, Some(1), Some(2), Some(2)] {
            let new = token::NewToken {
                permissions: vec!["*.read".to_owned()],
                expires: days.map(|days| Time(days * DAY_MS)),
                ..token::NewToken::default()
            };
            let run = move |tx: &mut Transaction<'_>| -> Result<Reply, Error> {
                token::create(tx, &Who::server(), &new)?;
                Ok(Reply::empty())
            };
            assert!(System::new().block_on(engine.write(Write::default(), run)).is_ok());
        }
        let [_, ended, _] = &ENDED;
        let check = |at: i64, most: usize, untidy: Option<i64>, left: usize| {
            clock.set(Time(at));
            assert_eq!(untidy_for(&engine, ended), untidy, "{at}");
            let pace = Pace {
                at_leisure: true,
                most,
                pause: Duration::ZERO,
            };
            assert!(System::new().block_on(tidy_once(&engine, ended, &pace)).is_ok());
            assert_eq!(engine.snapshot().of_kind(Kind::Token, None).count(), left, "{at}");
        };
        check(31 * DAY_MS - 1, 9, None, 4);
        check(31 * DAY_MS, 9, Some(0), 3);
        check(40 * DAY_MS, 1, Some(0), 2);
        check(40 * DAY_MS, 9, Some(0), 1);
        check(4000 * DAY_MS, 9, None, 1);
        engine.close();
    }

    /// Nobody whose session it was comes again.
    #[test]
    fn licenses_of_sessions_that_have_ended_are_removed() {
        let clock = Arc::new(Clock::frozen(Time(0)));
        let engine = Engine::open(
            Box::new(Memory::new()),
            Arc::clone(&clock),
            engine::Options::default(),
            |_| (),
        );
        let engine = engine.expect("an empty store");
        let world = move |tx: &mut Transaction<'_>| -> Result<Reply, Error> {
            let mut made = |kind: Kind, name: &str| {
                let id = tx.new_id();
                let field = kind.field(name).expect("a field");
                let fields = [(field, crate::model::Value::text("it"))].into_iter().collect();
                tx.create(id, kind, fields, Kept::default()).map(|()| id)
            };
            made(Kind::Organization, "name")?;
            let (offer, item) = (made(Kind::ProductPackage, "title")?, made(Kind::LicensedItem, "name")?);
            let items = known(RelationType::ManyToMany, Kind::ProductPackage, Kind::LicensedItem);
            tx.relate(items, offer, item, crate::model::Fields::default())?;
            for user in ["ann", "bob", "cid"] {
                let spec = || sale::Spec {
                    offer: "it".to_owned(),
                    ..sale::Spec::default()
                };
                let session = sale::Session {
                    site: "it".to_owned(),
                    user: user.to_owned(),
                    temporary: vec![spec()],
                    permanent: vec![spec()],
                    ..sale::Session::default()
                };
                let begun = sale::Change::Begin(session).run(tx, &Who::server(), &Limits::default());
                assert!(begun.is_ok(), "{begun:?}");
            }
            Ok(Reply::empty())
        };
        assert!(System::new().block_on(engine.write(Write::default(), world)).is_ok());
        let [_, _, ended] = &ENDED;
        let check = |at: i64, untidy: Option<i64>, left: usize| {
            clock.set(Time(at));
            assert_eq!(untidy_for(&engine, ended), untidy, "{at}");
            let pace = Pace {
                at_leisure: true,
                most: 2,
                pause: Duration::ZERO,
            };
            assert!(System::new().block_on(tidy_once(&engine, ended, &pace)).is_ok());
            let graph = engine.snapshot();
            assert_eq!(graph.of_kind(Kind::License, None).count(), left, "{at}");
            assert_eq!(graph.of_kind(Kind::Assignment, None).count(), left, "{at}");
        };
        check(3_599_999, None, 6);
        check(3_600_000, Some(0), 4);
        check(3_600_500, Some(500), 3);
        check(9_999_999, None, 3);
        engine.close();
    }

    #[test]
    fn what_ended_long_ago_is_removed_faster() {
        let check = |late_ms, took, (at_leisure, most, pause)| {
            let expected = Pace {
                at_leisure,
                most,
                pause: Duration::from_millis(pause),
            };
            assert_eq!(pace(late_ms, Duration::from_millis(took)), expected, "{late_ms} {took}");
        };
        check(0, 0, (true, 32, 5));
        // A third of the time, whatever it waited for.
        check(29_999, 20, (true, 32, 40));
        check(29_999, 60_000, (true, 32, 250));
        check(30_000, 20, (true, 32, 5));
        check(90_000, 20, (false, 128, 1));
    }
}
