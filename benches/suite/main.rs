//! What the server promises, measured over loopback HTTP beside its yardsticks in the same run, at worlds of several sizes:
//! a bare actix-web handler, SQLite, and PostgreSQL. `make bench` runs it; `make bench SIZES=10000 ROUNDS=1` runs it small.
//! It stops by itself, and writes `target/bench/results.ndjson`, `docs/performance.md` and its plots.
//!
//! Needs `wrk`; without `pgbench` and `initdb`, PostgreSQL is left out and the page says so. `-- report` writes the page again
//! from the last results, `-- profile` counts instructions (needs `valgrind`). The worlds stay in the target directory.

mod asked;
mod consumers;
mod hub;
mod kinds;
mod leases;
mod load;
mod metrics;
mod mixed;
mod pace;
mod plot;
mod profile;
mod promises;
mod reads;
mod report;
mod results;
mod samples;
mod world;
mod writes;
mod yard;

#[allow(dead_code)]
#[path = "../support/stream.rs"]
mod stream;
#[allow(dead_code)]
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/wrk.rs"]
mod wrk;

use std::time::Instant;

use asked::{Asked, Wish};
use results::Results;
use support::{Server, copy};
use world::World;
use yard::bare;
use yard::postgres::Postgres;

/// A load asks for the same few again and again, and is to measure more than that the answers are remembered.
const ANEW: &[(&str, &str)] = &[("SEATGRAPH_LIMITS__REMEMBERED_BYTES", "1")];

/// The server has it too: the yardstick is not held back by another allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let asked = Asked::read();
    match &asked.wish {
        Wish::Bare { port, body, rows } => bare::serve(*port, body, rows.clone()),
        Wish::Report => report::write(&Results::read()),
        Wish::Profile => profile::run(&asked),
        Wish::Measure => {
            measure(&asked);
            report::write(&Results::read());
        }
    }
}

fn measure(asked: &Asked) {
    if !wrk::is_there() {
        eprintln!("`wrk` is missing: apt-get install wrk");
        std::process::exit(1);
    }
    let started = Instant::now();
    let mut results = Results::begin(asked);
    for size in &asked.sizes {
        results.tell(&format!("a world of {size} entities"));
        let world = World::ready(*size);
        if asked.wants("load") {
            load::import(&world, asked, &mut results);
        }
        let database = copy(&world.database);
        let started = Instant::now();
        let server = Server::start_with(&database, ANEW);
        let began = started.elapsed();
        if asked.wants("load") {
            load::start(&world, &server, began, &database, asked, &mut results);
        }
        let samples = samples::Samples::take(&world, &server);
        let yardsticks = asked.wants("reads") || asked.wants("writes");
        let postgres = (*size <= asked.postgres_upto && yardsticks)
            .then(|| Postgres::start(&world, &samples, &mut results))
            .flatten();
        if asked.wants("reads") {
            reads::measure(&world, &server, &samples, postgres.as_ref(), asked, &mut results);
        }
        if asked.wants("writes") {
            writes::measure(&world, &server, &samples, postgres.as_ref(), asked, &mut results);
        }
        drop(postgres);
        if asked.wants("hub") {
            hub::membership(&world, &server, &samples, asked, &mut results);
        }
        if asked.wants("mixed") && *size == asked.mixed_at() {
            mixed::measure(&world, &server, &samples, asked, &mut results);
        }
        if asked.wants("hub") {
            hub::cascade(&world, &server, &samples, asked, &mut results);
        }
        drop(server);
        support::remove(&database);
        if asked.wants("reads") {
            reads::remembered(&world, &samples, asked, &mut results);
        }
        if asked.leases > 0 && *size == asked.mixed_at() {
            leases::measure(&world, &samples, asked, &mut results);
        }
    }
    results.tell(&format!("measured in {:.0} s", started.elapsed().as_secs_f64()));
}
