//! How long an import and a start take, and what the world weighs in memory and on the disk.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::asked::Asked;
use super::results::{self, Results};
use super::support::{Server, remove};
use super::world::World;
use super::wrk::middle;

/// Larger worlds are imported when they are made, and once is long enough.
const AGAIN_UPTO: u64 = 1_000_000;

pub fn import(world: &World, asked: &Asked, results: &mut Results) {
    if world.size > AGAIN_UPTO {
        if let Some(seconds) = world.made {
            results.keep(
                "import",
                "ours",
                world.size,
                &[("seconds", seconds)],
                "once, from `generate` on the same cores",
            );
        }
        return;
    }
    let database = results::folder().join("import.db");
    let times: Vec<f64> = (0..asked.rounds)
        .map(|_| {
            remove(&database);
            world.import(&database)
        })
        .collect();
    remove(&database);
    results.keep(
        "import",
        "ours",
        world.size,
        &[("seconds", middle(times))],
        "from a file, durable, in batches",
    );
}

/// Starts of a server on what is there; the first is already measured.
pub fn start(world: &World, server: &Server, began: Duration, database: &Path, asked: &Asked, results: &mut Results) {
    // Whoever writes needs the second copy: then both are there.
    let created = server.request("POST /graph", "{\"__objType\":\"Organization\",\"name\":\"weighed\"}");
    assert!(created.is_some_and(|(status, _)| status == 200), "a write");
    std::thread::sleep(Duration::from_secs(1));
    let metrics = server.metrics();
    let entities = metrics.value("seatgraph_graph_entities");
    let relations = metrics.value("seatgraph_graph_relations");
    let resident = metrics.value("seatgraph_process_resident_memory_bytes");
    let mut times = vec![began.as_secs_f64()];
    if world.size <= AGAIN_UPTO {
        let copy = database.with_extension("start.db");
        fs::copy(database, &copy).expect("the world can be copied");
        for _ in 1..asked.rounds {
            let started = Instant::now();
            let server = Server::start(&copy);
            times.push(started.elapsed().as_secs_f64());
            drop(server);
        }
        remove(&copy);
    }
    let seconds = middle(times);
    let rate = (entities + relations) / seconds;
    results.keep(
        "start",
        "ours",
        world.size,
        &[("seconds", seconds), ("rate", rate)],
        "until it is ready",
    );
    let disk = fs::metadata(database).map_or(0.0, |metadata| metadata.len() as f64);
    let values = [
        ("entities", entities),
        ("relations", relations),
        ("bytes", resident),
        ("bytes_each", resident / (entities + relations)),
        ("disk_bytes", disk),
    ];
    results.keep("memory", "ours", world.size, &values, "both copies and the indexes");
}
