//! What many live leases cost a check and a consumption, beside few in the same run, and what it costs checks when many leases
//! end at once. Asked for by `--leases N`: it takes more than three minutes.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::asked::Asked;
use super::consumers;
use super::kinds;
use super::reads::CONNECTIONS;
use super::results::Results;
use super::samples::Samples;
use super::stream::{FORM, blast, post};
use super::support::{Server, copy, remove};
use super::world::World;
use super::writes::{requests, warm};
use super::wrk::{Figures, ask, measured, median};

static DEVICES: AtomicUsize = AtomicUsize::new(0);

/// With a server of its own: leases that others took would end meanwhile, and be removed while something else is measured.
pub fn measure(world: &World, samples: &Samples, asked: &Asked, results: &mut Results) {
    let database = copy(&world.database);
    let server = Server::start(&database);
    consumers::import(&server);
    warm(&server, &database);
    let mut both = |leases: &str, note: &str| {
        let process = server.child.id().to_string();
        for (figure, lines) in [("check", kinds::checks(samples)), ("consume", consumers::lines())] {
            let file = requests(&lines);
            let run = || measured(server.port, &process, CONNECTIONS, asked.seconds, &file);
            let runs: Vec<Figures> = (0..asked.rounds).map(|_| run()).collect();
            let figure = format!("{figure}, {leases} leases");
            results.keep_load(&figure, "ours", world.size, median(&runs), note);
        }
    };
    both("few", "");
    let mut left = asked.leases;
    while left > 0 {
        let some = left.min(100_000);
        consume(&server, some, "&consumptionMode=checkout");
        left -= some;
    }
    both("many", &format!("with {} live leases", asked.leases));
    expire(world, &server, samples, asked, results);
    drop(server);
    remove(&database);
}

/// As many leases as end in the minute that is measured.
const ENDING: usize = 100_000;

/// Leases that end in the second minute, so that there is time to make them. What checks cost before is taken as long. Both are the medians of
/// six runs of ten seconds: how the threads of the server and of the load generator share the processors is another with each run, and
/// moves the times by more than what is measured.
fn expire(world: &World, server: &Server, samples: &Samples, asked: &Asked, results: &mut Results) {
    const MINUTE: u64 = 60;
    let file = requests(&kinds::checks(samples));
    let minute = || {
        let runs: Vec<Figures> = (0..6)
            .map(|_| ask(server.port, CONNECTIONS, MINUTE / 6, &file))
            .collect();
        median(&runs)
    };
    let clones = || server.metrics().value("seatgraph_graph_clones_total");
    let quiet = minute();
    let started = Instant::now();
    let mut left = ENDING.min(asked.leases);
    let all = left;
    while left > 0 && started.elapsed() < Duration::from_secs(55) {
        let some = left.min(10_000);
        let ends_in = 70_000u64.saturating_sub(started.elapsed().as_millis() as u64);
        consume(server, some, &format!("&consumeDuration={}", ends_in.max(1_000)));
        left -= some;
    }
    // They end all at once, ten seconds into the minute, and are removed in the rest of it.
    std::thread::sleep(Duration::from_secs(MINUTE).saturating_sub(started.elapsed()));
    let before = clones();
    let while_they_end = minute();
    let note = format!("a minute in which {} leases end, median of six runs", all - left);
    results.keep_load(
        "checks before leases end",
        "ours",
        world.size,
        quiet,
        "a minute, median of six runs",
    );
    results.keep_load("checks while leases end", "ours", world.size, while_they_end, &note);
    results.keep(
        "clones of the graph while leases end",
        "ours",
        world.size,
        &[("count", clones() - before)],
        &note,
    );
}

/// New leases, each on a device of its own.
fn consume(server: &Server, number: usize, more: &str) {
    let one = |_| {
        let device = DEVICES.fetch_add(1, Relaxed);
        let form = consumers::form(device, &format!("held-{device}"));
        post("/authz/.json", FORM, &format!("{form}{more}"))
    };
    let all: Vec<String> = (0..number).map(one).collect();
    blast(server.port, CONNECTIONS as usize, &all, "\"jti\"");
}
