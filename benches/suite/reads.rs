//! Each kind of read at 32 connections: ours and its yardsticks in turn within a round, the middle of the rounds.

use std::fs;

use super::asked::Asked;
use super::kinds::{self, Read};
use super::results::{self, Results};
use super::samples::Samples;
use super::support::{Server, copy, remove};
use super::world::World;
use super::wrk::{Figures, measured, median};
use super::yard::bare::Bare;
use super::yard::postgres::Postgres;
use super::yard::sqlite::Sqlite;

pub const CONNECTIONS: u32 = 32;

pub fn measure(
    world: &World,
    server: &Server,
    samples: &Samples,
    postgres: Option<&Postgres>,
    asked: &Asked,
    results: &mut Results,
) {
    for read in kinds::reads(world, server, samples) {
        match sample(server, &read) {
            Ok(answer) => one(world, server, samples, postgres, asked, results, &read, &answer),
            Err(refusal) => results.keep(read.figure, "ours", world.size, &[], &refusal),
        }
    }
    if world.size <= asked.postgres_upto {
        let sqlite = Sqlite::ready(world);
        for figure in ["fetch by id", "check", "three-hop list"] {
            if let Some(figures) = sqlite.read(figure, samples, asked.rounds, 1) {
                results.keep_load(figure, "sqlite", world.size, figures, "calls of one thread, no server");
            }
        }
    }
    if let Some(postgres) = postgres {
        results.keep("memory", "postgres", world.size, &[("bytes", postgres.resident())], "");
    }
}

/// By a server as it is set up by default, which gives an answer again that it has made before.
pub fn remembered(world: &World, samples: &Samples, asked: &Asked, results: &mut Results) {
    let database = copy(&world.database);
    let server = Server::start(&database);
    let read = kinds::remembered(samples);
    match sample(&server, &read) {
        Ok(answer) => one(world, &server, samples, None, asked, results, &read, &answer),
        Err(refusal) => results.keep(read.figure, "ours", world.size, &[], &refusal),
    }
    drop(server);
    remove(&database);
}

#[allow(clippy::too_many_arguments)] // one call
fn one(
    world: &World,
    server: &Server,
    samples: &Samples,
    postgres: Option<&Postgres>,
    asked: &Asked,
    results: &mut Results,
    read: &Read,
    answer: &[u8],
) {
    let file = results::folder().join("requests");
    fs::write(&file, read.lines.join("\n")).expect("the requests can be written");
    let bare = read.bare.then(|| Bare::start(answer, false));
    let (mut ours, mut theirs, mut relational) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..asked.rounds {
        ours.push(measured(
            server.port,
            &server.child.id().to_string(),
            CONNECTIONS,
            asked.seconds,
            &file,
        ));
        if let Some(bare) = &bare {
            theirs.push(measured(bare.port, &bare.process(), CONNECTIONS, asked.seconds, &file));
        }
        if let Some(run) =
            postgres.and_then(|postgres| postgres.measure(read.figure, samples, CONNECTIONS, asked.seconds))
        {
            relational.push(run);
        }
    }
    let ours = median(&ours);
    let each = read.questions as f64;
    let ours = Figures {
        rate: ours.rate * each,
        cpu_micros: ours.cpu_micros / each,
        ..ours
    };
    let note = format!("{}, {} bytes", read.example, answer.len());
    results.keep_load(read.figure, "ours", world.size, ours, &note);
    for (side, runs) in [("bare", &theirs), ("postgres", &relational)] {
        if !runs.is_empty() {
            results.keep_load(read.figure, side, world.size, median(runs), "");
        }
    }
}

/// As many bytes as the answers have, from ten of them; or why there are none.
fn sample(server: &Server, read: &Read) -> Result<Vec<u8>, String> {
    let some: Vec<&String> = read.lines.iter().step_by((read.lines.len() / 10).max(1) | 1).collect();
    let mut bytes = 0;
    for line in &some {
        let mut parts = line.splitn(3, '\t');
        let (head, body) = (parts.next().unwrap_or_default(), parts.nth(1).unwrap_or_default());
        match server.request(head, body) {
            Some((200, answer)) => bytes += answer.len(),
            Some((status, answer)) => {
                let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap_or_default();
                return Err(format!(
                    "answered {status} {}",
                    answer["code"].as_str().unwrap_or_default()
                ));
            }
            None => return Err("not answered".to_owned()),
        }
    }
    Ok(vec![b'x'; bytes / some.len()])
}
