//! What requests cost over loopback HTTP, beside a bare actix-web server in the same run. Needs `wrk` (a Debian package).
//!
//! `cargo bench --bench http` runs the worlds of 10,000, 100,000 and 1,000,000 entities;
//! `cargo bench --bench http -- 100000 --seconds 3` one of them. Stops by itself.

#[path = "support/bare.rs"]
mod bare;
mod support;
#[path = "support/wrk.rs"]
mod wrk;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use bare::Bare;
use support::{Server, TOKEN, copy, world};
use wrk::{Figures, get, measured, median, wrk};

fn main() {
    // `cargo bench` passes `--bench`.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let mut sizes: Vec<u64> = Vec::new();
    let mut seconds = 5;
    let mut rounds = 3;
    let mut at = arguments.iter();
    while let Some(argument) = at.next() {
        match argument.as_str() {
            "--seconds" => seconds = at.next().and_then(|text| text.parse().ok()).expect("--seconds N"),
            "--rounds" => rounds = at.next().and_then(|text| text.parse().ok()).expect("--rounds N"),
            size => sizes.push(size.parse().expect("a number of entities")),
        }
    }
    if sizes.is_empty() {
        sizes = vec![10_000, 100_000, 1_000_000];
    }
    if Command::new("wrk").arg("-v").output().is_err() {
        eprintln!("`wrk` is missing: apt-get install wrk");
        std::process::exit(1);
    }
    println!(
        "{seconds} s a run, median of {rounds}, {} cores",
        std::thread::available_parallelism().map_or(0, usize::from)
    );
    for size in sizes {
        let database = world(size);
        World { database }.measure(seconds, rounds);
    }
}

struct World {
    database: PathBuf,
}

impl World {
    fn measure(&self, seconds: u64, rounds: usize) {
        let copy = copy(&self.database);
        let started = Instant::now();
        let server = Server::start(&copy);
        let start = started.elapsed();
        std::thread::sleep(Duration::from_secs(2));
        let entities = server.metric("seatgraph_graph_entities");
        let relations = server.metric("seatgraph_graph_relations");
        let resident = server.metric("seatgraph_process_resident_memory_bytes");
        println!("\nworld of {entities} entities and {relations} relations");
        println!(
            "  start {:.2} s ({:.0} entities and relations a second); {:.0} bytes resident an entity",
            start.as_secs_f64(),
            (entities + relations) / start.as_secs_f64(),
            resident / entities
        );

        let by_id = server.targets(
            "/graph/License{r=1000}",
            |id| format!("/graph/License[@id='{id}']"),
            "id",
        );
        let by_name = server.targets(
            "/graph/Organization{r=1000}",
            |name| {
                format!("/graph/Organization[@name='{name}']/~OneToMany/Entitlement/~OneToMany/License/~OneToMany/SeatCountCredit{{r=10}}")
                    .replace(' ', "%20")
            },
            "name",
        );
        for (name, targets) in [("fetch by id", &by_id), ("three-hop list", &by_name)] {
            let sample = server.get(&targets[targets.len() / 2]);
            let bare = Bare::start(sample.clone(), None);
            let file = self.database.with_extension("targets");
            fs::write(&file, targets.join("\n")).expect("the targets can be written");
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            for _ in 0..rounds {
                ours.push(measured(server.port, &server.child.id().to_string(), seconds, &file));
                theirs.push(measured(bare.port, "self", seconds, &file));
            }
            let (ours, theirs) = (median(ours), median(theirs));
            println!(
                "  {name:<22} {:>9.0}/s p99 {:>8.3} ms {:>5.1} us CPU | bare {:>9.0}/s p99 {:>8.3} ms {:>5.1} us CPU | {:.2} ({} bytes)",
                ours.rate,
                ours.p99_ms,
                ours.cpu_micros,
                theirs.rate,
                theirs.p99_ms,
                theirs.cpu_micros,
                ours.rate / theirs.rate,
                sample.len()
            );
        }

        let file = self.database.with_extension("targets");
        fs::write(&file, by_id.join("\n")).expect("the targets can be written");
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            alone.push(get(server.port, 32, seconds, &file));
            let writer = std::thread::spawn({
                let port = server.port;
                move || post(port, 16, seconds + 1)
            });
            std::thread::sleep(Duration::from_millis(300));
            let run = get(server.port, 32, seconds, &file);
            let writes = writer.join().expect("the writer ends");
            beside.push(Figures {
                cpu_micros: writes.rate,
                ..run
            });
        }
        let (alone, beside) = (median(alone), median(beside));
        println!(
            "  reads p99 alone {:.3} ms, beside {:.0} writes/s {:.3} ms | {:.2}",
            alone.p99_ms,
            beside.cpu_micros,
            beside.p99_ms,
            beside.p99_ms / alone.p99_ms
        );

        let sample = server.create();
        let bare = Bare::start(sample, Some(self.database.with_extension("bare.db")));
        let (mut one, mut many, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            one.push(post(server.port, 1, seconds));
            many.push(post(server.port, 64, seconds));
            theirs.push(post(bare.port, 64, seconds));
        }
        let (one, many, theirs) = (median(one), median(many), median(theirs));
        println!(
            "  durable creates: 1 connection {:.0}/s, 64 connections {:.0}/s | {:.1} times; bare with group commit {:.0}/s | {:.2}",
            one.rate,
            many.rate,
            many.rate / one.rate,
            theirs.rate,
            many.rate / theirs.rate
        );
        drop(server);
    }
}

fn post(port: u16, connections: u32, seconds: u64) -> Figures {
    wrk(port, connections, seconds, "benches/post.lua", &[TOKEN])
}

impl Server {
    fn create(&self) -> Vec<u8> {
        let (status, body) = self
            .request(
                "POST /graph",
                r#"{"__objType":"Organization","name":"sample","type":"company"}"#,
            )
            .expect("an answer");
        assert_eq!(status, 200);
        body
    }

    fn metric(&self, name: &str) -> f64 {
        let text = String::from_utf8(self.get("/metrics")).expect("text");
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
            .unwrap_or_else(|| panic!("no {name}"))
    }

    fn targets(&self, list: &str, target: impl Fn(&str) -> String, member: &str) -> Vec<String> {
        let answer: serde_json::Value = serde_json::from_slice(&self.get(list)).expect("JSON");
        answer["Items"]
            .as_array()
            .expect("Items")
            .iter()
            .filter_map(|item| item[member].as_str())
            .map(target)
            .collect()
    }
}
