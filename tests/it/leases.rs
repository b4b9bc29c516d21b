//! Seats are never oversold: clients race for them over HTTP with renewals, releases and leases that end, and what happened
//! is proven from the log alone, which knows no counter (`reliability.md` T1, T17 and T18; with kills in `kills`).
//!
//!     SEATGRAPH_MUTANT=sell-any-seat cargo test --features mutants --test it leases::

mod judge;
mod kills;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use seatgraph::model::{Clock, Kind, Time};
use seatgraph::settings::Settings;
use seatgraph::storage::Memory;
use serde_json::{Value, json};

use crate::support::server::{ADMIN, Server};
use crate::support::{self, seed};
use judge::Judge;

const NOON: i64 = 1_768_478_400_000;
/// Attempts of the race; `SEATGRAPH_CASES` sets another number.
const ATTEMPTS: usize = 20_000;
const CLIENTS: usize = 64;

/// A connection that stays open, as a client keeps one.
pub struct Caller {
    pub stream: TcpStream,
    token: String,
}

impl Caller {
    pub fn new(to: SocketAddr, token: &str) -> Self {
        Self::try_new(to, token).expect("a connection")
    }

    fn try_new(to: SocketAddr, token: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self {
            stream,
            token: token.to_owned(),
        })
    }

    pub fn send(&mut self, method: &str, target: &str, more: &str, body: &str) -> (u16, Value) {
        self.try_send(method, target, more, body).expect("an answer")
    }

    /// An error is the server's end.
    fn try_send(&mut self, method: &str, target: &str, more: &str, body: &str) -> std::io::Result<(u16, Value)> {
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\n{more}Content-Length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        self.try_answer(&request)
    }

    /// What is still to be sent, and the answer.
    pub fn answer(&mut self, rest: &str) -> (u16, Value) {
        self.try_answer(rest).expect("an answer")
    }

    fn try_answer(&mut self, rest: &str) -> std::io::Result<(u16, Value)> {
        self.stream.write_all(rest.as_bytes())?;
        let (mut answer, mut part) = (Vec::new(), [0; 4096]);
        loop {
            if let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let length: usize = length.map_or(0, |length| length.trim().parse().expect("a length"));
                if answer.len() >= end + 4 + length {
                    let status = head
                        .split(' ')
                        .nth(1)
                        .and_then(|status| status.parse().ok())
                        .expect("a status");
                    return Ok((
                        status,
                        serde_json::from_slice(&answer[end + 4..]).unwrap_or(Value::Null),
                    ));
                }
            }
            let read = self.stream.read(&mut part)?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            answer.extend_from_slice(&part[..read]);
        }
    }

    pub fn authz(&mut self, query: &str) -> Value {
        let (status, body) = self.send("POST", &format!("/authz/.json?{query}"), "", "");
        assert_eq!(status, 200, "{query}: {body}");
        body
    }
}

pub fn id(number: usize) -> String {
    format!("10000000-0000-4000-8000-{number:012}")
}

pub struct World {
    pub server: Server,
    clock: Arc<Clock>,
    tokens: Vec<String>,
}

const LICENSE: usize = 900_001;
const CREDIT: usize = 900_002;

/// Clients, each a profile with a token of its own, and a license of so many seats that all of them may consume.
pub fn world(clients: usize, seats: usize, lease_ms: u64, cooldown_ms: u64) -> World {
    let clock = Arc::new(Clock::frozen(Time(NOON)));
    let server = Server::start(Box::new(Memory::new()), clock.clone(), &Settings::default());
    let mut admin = Caller::new(server.address, ADMIN);
    let tokens = fill(&mut admin, clients, seats, lease_ms, cooldown_ms);
    World { server, clock, tokens }
}

/// The same in a server that is empty; their tokens.
fn fill(admin: &mut Caller, clients: usize, seats: usize, lease_ms: u64, cooldown_ms: u64) -> Vec<String> {
    let (organization, group, entitlement, item, model) = (id(1), id(2), id(3), id(4), id(5));
    let reference = |pairs: &[(&str, &str)]| -> Value {
        pairs
            .iter()
            .map(|(kind, id)| (format!("ref_{kind}_id"), json!(id)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let mut lines = vec![
        json!({"__objType": "Organization", "id": organization, "name": "ACME"}),
        json!({"__objType": "ProfileGroup", "id": group, "name": "Crew", "referenceFields": reference(&[("Organization", &organization)])}),
        json!({"__objType": "LicensedItem", "id": item, "name": "editor"}),
        json!({"__objType": "LicenseModel", "id": model, "name": "short"}),
        json!({"__objType": "LeaseTimeBehavior", "leaseTimeCache": lease_ms, "cooldownTime": cooldown_ms, "referenceFields": reference(&[("LicenseModel", &model)])}),
        json!({"__objType": "Entitlement", "id": entitlement, "referenceFields": reference(&[("Organization", &organization)])}),
        json!({"__objType": "LicenseConsumerRelation", "referenceFields": reference(&[("Entitlement", &entitlement), ("ProfileGroup", &group)])}),
        json!({"__objType": "License", "id": id(LICENSE), "validFrom": "2026-01-01T00:00:00.000Z",
            "referenceFields": reference(&[("Entitlement", &entitlement), ("LicensedItem", &item), ("LicenseModel", &model)])}),
        json!({"__objType": "SeatCountCredit", "id": id(CREDIT), "seatCount": seats, "referenceFields": reference(&[("License", &id(LICENSE))])}),
    ];
    for client in 0..clients {
        let profile = id(1000 + client);
        lines.push(json!({"__objType": "Profile", "id": profile}));
        lines.push(json!({"__objType": "Membership", "referenceFields": reference(&[("Profile", &profile), ("ProfileGroup", &group)])}));
    }
    let media = "Content-Type: application/x-ndjson\r\n";
    let (status, answer) = admin.send("POST", "/import", media, &support::lines(lines));
    assert_eq!(status, 200, "{answer}");
    let token = |client: usize| {
        let body = json!({"permissions": ["License.consume"], "profileId": id(1000 + client)}).to_string();
        let (status, made) = admin.send("POST", "/tokens", "Content-Type: application/json\r\n", &body);
        assert_eq!(status, 201, "{made}");
        made["token"].as_str().expect("a token").to_owned()
    };
    (0..clients).map(token).collect()
}

fn judge(world: &World) -> Judge {
    let mut log = world.server.engine.log().expect("a log");
    world.server.engine.snapshot().check().expect("sound counters");
    Judge::of(&mut *log)
}

/// Pseudo-random, from a number.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 33) as usize
}

fn attempts() -> usize {
    let cases = std::env::var("SEATGRAPH_CASES").ok();
    cases.and_then(|text| text.parse().ok()).unwrap_or(ATTEMPTS)
}

#[test]
fn clients_race_for_seats_and_never_hold_one_too_many() {
    race(CLIENTS, 10, attempts());
}

#[test]
fn clients_race_for_one_seat() {
    race(CLIENTS, 1, attempts() / 4);
}

#[test]
fn clients_race_for_more_seats_than_most_have() {
    race(200, 100, attempts() / 2);
}

fn race(clients: usize, seats: usize, attempts: usize) {
    // Of three clients two come back to a lease that is still theirs.
    let world = world(clients, seats, 30 * clients as u64, 150);
    let (now, left) = (AtomicI64::new(NOON), AtomicUsize::new(attempts));
    let refused = AtomicUsize::new(0);
    let address = world.server.address;
    std::thread::scope(|scope| {
        for (client, token) in world.tokens.iter().enumerate() {
            let (now, left, refused, clock) = (&now, &left, &refused, &world.clock);
            let engine = world.server.engine.clone();
            scope.spawn(move || {
                let mut caller = Caller::new(address, token);
                // One of them is an administrator besides.
                let mut admin = (client == 0).then(|| Caller::new(address, ADMIN));
                let mut random = 0x9E37_79B9_7F4A_7C15 ^ (client as u64 + 1).wrapping_mul(0x2545_F491_4F6C_DD1D);
                let mut lease: Option<String> = None;
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                    .is_ok()
                {
                    if let Some(admin) = &mut admin {
                        shake(admin, &engine, seats - seats.div_ceil(3) * (next(&mut random) % 2));
                    }
                    // Time goes on under everybody's hands, a few milliseconds an attempt.
                    let step = (next(&mut random) % 12) as i64;
                    clock.set(Time(now.fetch_add(step, Ordering::Relaxed) + step));
                    let answer = match (next(&mut random) % 10, lease.clone()) {
                        (0..=2, Some(id)) => {
                            lease = None;
                            caller.authz(&format!("release&{id}"));
                            continue;
                        }
                        (3..=4, Some(id)) => caller.authz(&format!("editor&leaseId={id}&hw=h{client}")),
                        // A second device is the same seat.
                        (5, held) => {
                            let answer = caller.authz(&format!("editor&hw=other{client}&consumeDuration=500"));
                            lease = held;
                            assert!(answer["editor"] == true || answer["editor_errorCode"] == "noSeatsAvailable");
                            continue;
                        }
                        _ => caller.authz(&format!("editor&hw=h{client}")),
                    };
                    if answer["editor"] == true {
                        lease = answer["jti"].as_str().map(str::to_owned);
                    } else {
                        assert_eq!(answer["editor_errorCode"], "noSeatsAvailable", "{answer}");
                        refused.fetch_add(1, Ordering::Relaxed);
                        lease = None;
                    }
                }
            });
        }
    });
    let judge = judge(&world);
    assert_eq!(judge.most, seats, "the seats were never all in use");
    assert!(judge.granted > seats * 10, "only {} leases were granted", judge.granted);
    assert!(
        refused.load(Ordering::Relaxed) > attempts / 20,
        "hardly anybody was refused"
    );
    // Nothing leaked: when all leases have ended, all seats are free again.
    world.clock.set(Time(judge.leased_until));
    let mut admin = Caller::new(address, ADMIN);
    let body = json!({"__objType": "SeatCountCredit", "id": id(CREDIT), "seatCount": seats}).to_string();
    admin.send("POST", "/graph", "Content-Type: application/json\r\n", &body);
    assert_eq!(all_at_once(address, &world.tokens), seats);
}

/// The quota shrinks and grows, and what has ended is tidied, as `serve` does it.
fn shake(admin: &mut Caller, engine: &seatgraph::engine::Engine, seats: usize) {
    let body = json!({"__objType": "SeatCountCredit", "id": id(CREDIT), "seatCount": seats}).to_string();
    let (status, answer) = admin.send("POST", "/graph", "Content-Type: application/json\r\n", &body);
    assert_eq!(status, 200, "{answer}");
    if seatgraph::operation::consume::untidy_for(&engine.snapshot(), engine.now()).is_some() {
        tidy(engine);
    }
}

fn tidy(engine: &seatgraph::engine::Engine) {
    let write = seatgraph::engine::Write {
        operation: "Expire".into(),
        ..seatgraph::engine::Write::default()
    };
    let tidied = engine.write(write, |tx| {
        seatgraph::operation::consume::tidy(tx, seatgraph::operation::consume::TIDIED)?;
        Ok::<_, seatgraph::error::Error>(seatgraph::engine::Reply {
            status: 204,
            body: Arc::from(Vec::new()),
        })
    });
    crate::support::calls::runtime()
        .block_on(tidied)
        .expect("a tidied world");
}

/// Every client asks once, all at the same time: how many got a seat.
fn all_at_once(address: SocketAddr, tokens: &[String]) -> usize {
    let granted = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for token in tokens {
            let granted = &granted;
            scope.spawn(move || {
                let answer = Caller::new(address, token).authz("editor");
                granted.fetch_add(usize::from(answer["editor"] == true), Ordering::Relaxed);
            });
        }
    });
    granted.into_inner()
}

#[test]
fn exactly_as_many_as_there_are_seats_get_one() {
    for (clients, seats) in [(CLIENTS, 1), (CLIENTS, 2), (CLIENTS, 50), (200, 100)] {
        let world = world(clients, seats, 900_000, 0);
        assert_eq!(all_at_once(world.server.address, &world.tokens), seats);
        assert_eq!(judge(&world).most, seats);
    }
}

/// A request has up to a hundred items: they share what is looked at, on a snapshot as in the committer, and the others are answered.
#[test]
fn items_of_one_request_share_what_is_looked_at() {
    let world = world(1, 1, 900_000, 0);
    let more: String = (0..9_000)
        .map(|number| {
            let of = json!({"ref_Entitlement_id": id(3), "ref_LicensedItem_id": id(4)});
            let license = json!({"__objType": "License", "id": id(1_000_000 + number), "validFrom": "2026-01-01T00:00:00.000Z", "referenceFields": of});
            format!("{license}\n")
        })
        .collect();
    world.server.sow(&more);
    let mut caller = Caller::new(world.server.address, &world.tokens[0]);
    let named = format!("editor=;licenseId={}", id(LICENSE));
    let items = format!("editor&editor&editor&{named}");
    let (_, got) = caller.send("GET", &format!("/authz/.json?{items}&doConsume=false"), "", "");
    let posted = caller.authz(&format!("{items}&doConsume=false"));
    let revision = world.server.engine.revision();
    let consumed = caller.authz(&items);
    assert!(world.server.engine.revision() > revision);
    for answer in [&got, &posted, &consumed] {
        let told: Vec<_> = (0..4).map(|at| &answer[at]["editor"] == true).collect();
        assert_eq!(told, [true, true, false, true], "{answer}");
        assert_eq!(answer[2]["editor_errorCode"], "tooManyLicenses");
    }
    // Alone each has its own.
    assert_eq!(caller.authz("editor&doConsume=false")["editor"], true);
}

/// T18.
#[test]
fn a_lease_is_released_once_whoever_asks_and_however_often() {
    let world = world(2, 1, 900_000, 0);
    let address = world.server.address;
    let lease = Caller::new(address, &world.tokens[0]).authz("editor")["jti"]
        .as_str()
        .expect("a lease")
        .to_owned();
    let released = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for client in 0..8 {
            let (released, lease, token) = (&released, &lease, &world.tokens[client % 2]);
            scope.spawn(move || {
                let mut caller = Caller::new(address, token);
                for _ in 0..250 {
                    let answer = caller.authz(&format!("release&{lease}"));
                    if answer[lease.as_str()] == true {
                        assert_eq!(client % 2, 0, "another's lease was released");
                        released.fetch_add(1, Ordering::Relaxed);
                    } else {
                        assert_eq!(answer[format!("{lease}_errorCode")], "noConsumptionFoundById");
                    }
                }
            });
        }
    });
    assert_eq!(released.into_inner(), 1);
    // What was released is not renewed: it is another lease, and there is a seat for one.
    let mut first = Caller::new(address, &world.tokens[0]);
    let again = first.authz(&format!("editor&leaseId={lease}"));
    assert!(again["editor"] == true && again["jti"] != lease.as_str(), "{again}");
    let mut second = Caller::new(address, &world.tokens[1]);
    assert_eq!(second.authz("editor")["editor_errorCode"], "noSeatsAvailable");
    // The same key is one consumption, however often it comes.
    let mut replays = BTreeSet::new();
    for _ in 0..200 {
        let (status, body) = first.send("POST", "/authz/.json?editor&hw=k", "Idempotency-Key: once\r\n", "");
        assert_eq!(status, 200);
        replays.insert(body.to_string());
    }
    assert_eq!(replays.len(), 1);
}

/// T17.
#[test]
fn a_clock_that_steps_revives_no_lease() {
    const DAY: i64 = 86_400_000;
    let world = world(2, 1, 900_000, 0);
    let mut callers: Vec<Caller> = world
        .tokens
        .iter()
        .map(|token| Caller::new(world.server.address, token))
        .collect();
    let first = callers[0].authz("editor");
    assert_eq!(first["exp"], NOON / 1000 + 900);
    // The first one's lease has ended, and the second has its seat.
    world.clock.set(Time(NOON + 900_000));
    let second = callers[1].authz("editor");
    assert_eq!(second["exp"], NOON / 1000 + 1800);
    for back in [NOON + 1, NOON - DAY, NOON - 365 * DAY] {
        world.clock.set(Time(back));
        let lease = first["jti"].as_str().expect("a lease");
        for query in [
            format!("editor&leaseId={lease}"),
            "editor".to_owned(),
            "editor&doConsume=false".to_owned(),
        ] {
            let answer = callers[0].authz(&query);
            assert_eq!(
                answer["editor_errorCode"], "noSeatsAvailable",
                "{query} at {back}: {answer}"
            );
            assert!(answer["iat"].as_i64() >= Some(NOON / 1000 + 900), "{answer}");
        }
        // Its holder goes on, and no term is reckoned from a time that is over.
        assert_eq!(callers[1].authz("editor")["exp"], NOON / 1000 + 1800);
    }
    world.clock.set(Time(NOON + 365 * DAY));
    assert_eq!(callers[0].authz("editor")["editor"], true);
    assert_eq!(judge(&world).most, 1);
}

/// What many leave at once is removed in steps that nobody waits for, and is gone for every count before the first.
#[test]
fn ended_leases_are_tidied_in_small_steps() {
    const LEASES: usize = 3 * seatgraph::operation::consume::TIDIED / 2;
    let world = world(2, 1, 1_000, 0);
    let mut callers: Vec<Caller> = world
        .tokens
        .iter()
        .map(|token| Caller::new(world.server.address, token))
        .collect();
    for device in 0..LEASES {
        assert_eq!(callers[0].authz(&format!("editor&hw=h{device}"))["editor"], true);
    }
    let left = || world.server.engine.snapshot().of_kind(Kind::Consumption, None).count();
    assert_eq!(left(), LEASES);
    world.clock.set(Time(NOON + 1_000));
    assert_eq!(callers[1].authz("editor&doConsume=false")["editor"], true);
    let mut steps = Vec::new();
    while left() > 0 {
        let before = left();
        tidy(&world.server.engine);
        steps.push(before - left());
    }
    assert_eq!(steps.iter().sum::<usize>(), LEASES);
    assert!(steps.iter().all(|step| (1..=50).contains(step)), "{steps:?}");
    assert_eq!(judge(&world).most, 1);
}

/// A client that asks in a circle is answered each time, and written down a bounded number of times.
#[test]
fn refusals_of_one_consumer_are_stored_up_to_a_bound() {
    let world = world(3, 1, 900_000, 0);
    let mut callers: Vec<Caller> = world
        .tokens
        .iter()
        .map(|token| Caller::new(world.server.address, token))
        .collect();
    assert_eq!(callers[0].authz("editor")["editor"], true);
    let most = Settings::default().limits.refusals;
    let revision = || world.server.engine.revision();
    let mut refuse = |client: usize, query: &str, code: &str| {
        let (before, answer) = (revision(), callers[client].authz(query));
        let (item, _) = query.split_once('&').unwrap_or((query, ""));
        assert_eq!(answer[format!("{item}_errorCode")], code, "{answer}");
        revision() - before
    };
    assert_eq!(refuse(1, "editor&dryRun=true", "noSeatsAvailable"), 0);
    // Whatever name, device or key it comes with.
    let stored: u64 = (0..most + 50)
        .map(|number| match number % 2 {
            0 => refuse(1, &format!("editor&hw=h{number}"), "noSeatsAvailable"),
            _ => refuse(1, &format!("name{number}"), "notAuthorized"),
        })
        .sum();
    assert_eq!(stored, most);
    assert_eq!(refuse(2, "editor", "noSeatsAvailable"), 1, "another's is stored");
    world.clock.set(Time(NOON + 10_000));
    assert_eq!(refuse(1, "editor", "noSeatsAvailable"), 1, "it is stored again");
    let metrics = world.server.ask(None, "GET", "/metrics", None, &[]);
    assert!(metrics.text().contains("seatgraph_refusals_not_told_total 50\n"));
}

/// A check leaves a count by what came of it, whether or not it leaves an event; what takes a seat or is none of the two is not counted.
#[test]
fn checks_are_counted() {
    let clock = Arc::new(Clock::frozen(Time(NOON)));
    let server = Server::start(Box::new(Memory::new()), clock, &Settings::default());
    let mut admin = Caller::new(server.address, ADMIN);
    server.sow(&seed("leases"));
    let (aino, dora) = (
        "31000000-0000-4000-8000-000000000001",
        "31000000-0000-4000-8000-000000000004",
    );
    let of = |profile: &str| format!("onBehalfOfId={profile}");
    let before = server.engine.revision();
    admin.authz(&format!("editor&viewer&nothing&doConsume=false&{}", of(aino)));
    let (status, _) = admin.send(
        "GET",
        &format!("/authz/.json?editor&doConsume=false&{}", of(dora)),
        "",
        "",
    );
    assert_eq!(status, 200);
    let checks = json!({"checks": [{"profileId": aino, "item": "editor"}, {"profileId": dora, "item": "viewer"}, {}]});
    let (status, _) = admin.send(
        "POST",
        "/checks",
        "Content-Type: application/json\r\n",
        &checks.to_string(),
    );
    assert_eq!(status, 200);
    assert_eq!(server.engine.revision(), before, "a check was stored");
    admin.authz(&format!("editor&nothing&{}", of(aino)));
    let (status, _) = admin.send("GET", "/authz/.json?doConsume=false", "", "");
    assert_eq!(status, 400);
    let metrics = server.ask(None, "GET", "/metrics", None, &[]).text();
    for phase in ["prepare", "decide", "store", "answer", "catch_up"] {
        let name = format!("seatgraph_commit_seconds_total{{phase=\"{phase}\"}} ");
        let seconds = metrics
            .lines()
            .find_map(|line| line.strip_prefix(&name)?.parse::<f64>().ok());
        assert!(
            seconds.is_some_and(|seconds| seconds > 0.0),
            "{name}{seconds:?} in {metrics}"
        );
    }
    for (outcome, expected) in [("granted", 4), ("refused", 3)] {
        let line = format!("seatgraph_checks_total{{outcome=\"{outcome}\"}} {expected}\n");
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
    }
}

/// The server removes them beside the writes of others, and holds no graph while it waits for its turn: for each turn the
/// committer would have to make another copy.
#[test]
fn ended_leases_are_tidied_without_copies_of_the_graph() {
    const ROUNDS: usize = 40;
    const TAKERS: usize = 10;
    let folder = tempfile::tempdir().expect("a folder");
    let server = crate::kill::Server::start(&folder.path().join("tidy.db"), None).expect("it serves");
    let mut admin = Caller::new(server.address, crate::kill::TOKEN);
    let tokens = fill(&mut admin, TAKERS, TAKERS, 400, 0);
    for (client, token) in tokens.iter().enumerate() {
        let mut caller = Caller::new(server.address, token);
        for device in 0..ROUNDS * seatgraph::operation::consume::TIDIED / TAKERS {
            assert_eq!(caller.authz(&format!("editor&hw=h{client}-{device}"))["editor"], true);
        }
    }
    // Somebody writes until all are gone.
    let began = std::time::Instant::now();
    let (mut left, mut written) = (u64::MAX, 0);
    while left > 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "{left} leases are left");
        for _ in 0..20 {
            written += 1;
            let body = json!({"__objType": "Organization", "name": format!("written {written}")}).to_string();
            let (status, answer) = admin.send("POST", "/graph", "Content-Type: application/json\r\n", &body);
            assert_eq!(status, 200, "{answer}");
        }
        let (_, count) = admin.send("GET", "/graph/Consumption%7Bcount%7D", "", "");
        left = count["value"].as_u64().expect("a count");
    }
    let metrics = support::client::send(
        server.address,
        "GET",
        "/metrics",
        &[("Authorization".to_owned(), format!("Bearer {}", crate::kill::TOKEN))],
        None,
    )
    .expect("an answer")
    .text();
    let clones = metrics
        .lines()
        .find_map(|line| line.strip_prefix("seatgraph_graph_clones_total "));
    let clones: usize = clones
        .and_then(|count| count.parse().ok())
        .unwrap_or_else(|| panic!("{metrics}"));
    // A thread that loses its processor within a read may cost one.
    assert!(clones < ROUNDS / 4, "{clones} copies for {ROUNDS} removals");
}
