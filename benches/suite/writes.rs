//! Durable writes at 32 connections and at one: creates and consumptions beside a bare handler that inserts one row with group
//! commit, beside PostgreSQL, and beside what SQLite itself commits in batches as large as ours were.

use std::fs;
use std::path::{Path, PathBuf};

use super::asked::Asked;
use super::consumers;
use super::reads::CONNECTIONS;
use super::results::{self, Results};
use super::samples::Samples;
use super::support::Server;
use super::world::World;
use super::wrk::{Figures, ask, measured, median, middle};
use super::yard::bare::Bare;
use super::yard::postgres::Postgres;
use super::yard::sqlite;

/// Connections at which the committer finds its batches full.
const MANY: u32 = 64;
/// Of SQLite's log.
const PAGE_BYTES: u64 = 4096;

pub fn measure(
    world: &World,
    server: &Server,
    samples: &Samples,
    postgres: Option<&Postgres>,
    asked: &Asked,
    results: &mut Results,
) {
    consumers::import(server);
    let kinds = [
        ("durable create", vec![create()], "Organization"),
        ("create with relations", related(samples), "License"),
        ("consume", consumers::lines(), "Consumption"),
    ];
    let answer = server.request(
        "POST /graph",
        "{\"__objType\":\"Organization\",\"name\":\"sample\",\"type\":\"company\"}",
    );
    let bare = Bare::start(&answer.expect("an answer").1, true);
    warm(server, &world.database.with_extension("copy.db"));
    fill(bare.port, &log_of(&results::folder().join("bare.db")), 1000);
    for (figure, lines, counted) in kinds {
        let file = requests(&lines);
        let before = count(server, counted);
        let (mut ours, mut alone, mut theirs, mut theirs_alone, mut relational) =
            (vec![], vec![], vec![], vec![], vec![]);
        let process = server.child.id().to_string();
        for _ in 0..asked.rounds {
            ours.push(measured(server.port, &process, CONNECTIONS, asked.seconds, &file));
            theirs.push(measured(bare.port, &bare.process(), CONNECTIONS, asked.seconds, &file));
            alone.push(measured(server.port, &process, 1, asked.seconds, &file));
            theirs_alone.push(measured(bare.port, &bare.process(), 1, asked.seconds, &file));
            if let Some(run) =
                postgres.and_then(|postgres| postgres.measure(figure, samples, CONNECTIONS, asked.seconds))
            {
                relational.push(run);
            }
        }
        let sent: f64 = ours.iter().chain(&alone).map(|run| run.requests).sum();
        let made = count(server, counted) - before;
        assert!(made >= sent, "{figure}: {sent} were answered and {made} are there");
        let one = format!("{figure}, one connection");
        for (name, side, runs) in [
            (figure, "ours", &ours),
            (figure, "bare", &theirs),
            (figure, "postgres", &relational),
            (&one, "ours", &alone),
            (&one, "bare", &theirs_alone),
        ] {
            if !runs.is_empty() {
                results.keep_load(name, side, world.size, median(runs), "");
            }
        }
    }
    signed(world, server, asked, results);
    batches(world, server, asked, results);
}

/// Consumptions answered by a signed token, each with some that are not in the same round.
fn signed(world: &World, server: &Server, asked: &Asked, results: &mut Results) {
    let process = server.child.id().to_string();
    let forms = [".json", ".jwt, EdDSA", ".jwt, RS256"];
    let of = |form: &str| {
        let (suffix, more) = match form {
            ".json" => (".json", ""),
            ".jwt, EdDSA" => (".jwt", "&alg=EdDSA"),
            _ => (".jwt", ""),
        };
        let lines = consumers::lines();
        let lines = lines
            .iter()
            .map(|line| line.replace("/authz/.json", &format!("/authz/{suffix}")) + more);
        lines.collect::<Vec<String>>()
    };
    let mut runs = forms.map(|_| Vec::new());
    for _ in 0..asked.rounds {
        for (form, runs) in forms.iter().zip(&mut runs) {
            // The file is one: it is written again for each.
            let file = requests(&of(form));
            runs.push(measured(server.port, &process, CONNECTIONS, asked.seconds, &file));
        }
    }
    for (form, runs) in forms.iter().zip(&runs) {
        let figure = format!("consume, {form}");
        results.keep_load(&figure, "ours", world.size, median(runs), "");
    }
}

/// A log that grows costs more than one that is written again: all begin where they go on for as long as they live.
pub fn warm(server: &Server, database: &Path) {
    fill(server.port, &log_of(database), 4096);
}

/// Creates until the log has so many pages.
fn fill(port: u16, log: &Path, pages: u64) {
    let file = requests(&[create()]);
    let full = || fs::metadata(log).is_ok_and(|metadata| metadata.len() >= pages * PAGE_BYTES);
    let mut runs = 0;
    while !full() && runs < 20 {
        ask(port, MANY, 1, &file);
        runs += 1;
    }
}

fn log_of(database: &Path) -> PathBuf {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// Creates at many connections, and what SQLite commits in batches of the size those came to.
fn batches(world: &World, server: &Server, asked: &Asked, results: &mut Results) {
    let file = requests(&[create()]);
    let process = server.child.id().to_string();
    let taken = |server: &Server| {
        let text = server.metrics();
        (
            text.value("seatgraph_commits_total"),
            text.value("seatgraph_commit_batches_total"),
        )
    };
    let before = taken(server);
    let runs: Vec<Figures> = (0..asked.rounds)
        .map(|_| measured(server.port, &process, MANY, asked.seconds, &file))
        .collect();
    let after = taken(server);
    let batch = ((after.0 - before.0) / (after.1 - before.1)).round().max(1.0);
    let ours = middle(runs.iter().map(|run| run.rate));
    let sqlite = sqlite::batches(batch as u64, asked.rounds, asked.seconds);
    let figure = "creates in batches";
    let note = format!("{MANY} connections, batches of {batch}");
    results.keep(figure, "ours", world.size, &[("rate", ours), ("batch", batch)], &note);
    results.keep(
        figure,
        "sqlite",
        world.size,
        &[("rate", sqlite), ("batch", batch)],
        "no server",
    );
}

pub fn create() -> String {
    "POST /graph\tapplication/json\t{\"__objType\":\"Organization\",\"name\":\"created {n}\",\"type\":\"company\"}"
        .to_owned()
}

/// A license of an entitlement and an item, with its seats: two entities and three relations in one request.
fn related(samples: &Samples) -> Vec<String> {
    let line = |number: usize, entitlement: &String| {
        let (item, _) = &samples.items[number % samples.items.len()];
        format!(
            "POST /graph\tapplication/json\t{{\"__objType\":\"License\",\"name\":\"created\",\"validFrom\":\"2026-01-01T00:00:00Z\",\"active\":true,\
             \"referenceFields\":{{\"ref_Entitlement_id\":\"{entitlement}\",\"ref_LicensedItem_id\":\"{item}\"}},\
             \"rel_Relations\":[{{\"rel_Relation\":{{\"__objType\":\"ObjectRelation\",\"multiplicity\":\"ONE_TO_MANY\",\"relatedObjectType\":\"SeatCountCredit\"}},\
             \"rel_RelatedObjectList\":{{\"__objType\":\"RelatedObjectList\",\"rel_RelatedObjects\":[{{\"__objType\":\"SeatCountCredit\",\"seatCount\":5,\"active\":true}}]}}}}]}}"
        )
    };
    samples
        .entitlements
        .iter()
        .enumerate()
        .map(|(number, id)| line(number, id))
        .collect()
}

/// The file `wrk` reads.
pub fn requests(lines: &[String]) -> PathBuf {
    let file = results::folder().join("requests");
    fs::write(&file, lines.join("\n")).expect("the requests can be written");
    file
}

pub fn count(server: &Server, kind: &str) -> f64 {
    let answer = server.json(&format!("/graph/{kind}{{count}}"));
    answer["value"].as_f64().expect("a number")
}

/// The rate of a kind of write at 32 connections, for those who want half of it.
pub fn full_rate(server: &Server, file: &Path, seconds: u64) -> f64 {
    measured(server.port, "self", CONNECTIONS, seconds, file).rate
}
