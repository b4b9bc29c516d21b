//! What requests cost over loopback HTTP, beside a bare actix-web server in the same run. Needs `wrk` (a Debian package).
//!
//! `cargo bench --bench http` runs the worlds of 10,000, 100,000 and 1,000,000 entities;
//! `cargo bench --bench http -- 100000 --seconds 3` one of them. Stops by itself.

mod support;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpResponse, HttpServer, web};
use support::{Server, TOKEN, copy, world};
use tokio::sync::oneshot;

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
                let measured = |port, process: &str| {
                    let before = cpu(process);
                    let run = get(port, 32, seconds, &file);
                    let cpu_micros = (cpu(process) - before) / (run.rate * seconds as f64) * 1e6;
                    Figures { cpu_micros, ..run }
                };
                ours.push(measured(server.port, &server.child.id().to_string()));
                theirs.push(measured(bare.port, "self"));
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

#[derive(Clone, Copy)]
struct Figures {
    rate: f64,
    p99_ms: f64,
    cpu_micros: f64,
}

fn median(mut runs: Vec<Figures>) -> Figures {
    runs.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    let mut p99: Vec<f64> = runs.iter().map(|run| run.p99_ms).collect();
    p99.sort_by(f64::total_cmp);
    Figures {
        p99_ms: p99[p99.len() / 2],
        ..runs[runs.len() / 2]
    }
}

fn get(port: u16, connections: u32, seconds: u64, targets: &Path) -> Figures {
    wrk(
        port,
        connections,
        seconds,
        "benches/get.lua",
        &[targets.to_str().expect("a plain path"), TOKEN],
    )
}

fn post(port: u16, connections: u32, seconds: u64) -> Figures {
    wrk(port, connections, seconds, "benches/post.lua", &[TOKEN])
}

fn wrk(port: u16, connections: u32, seconds: u64, script: &str, arguments: &[&str]) -> Figures {
    let threads = connections.min(2).to_string();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let output = Command::new("wrk")
        .args([
            "--latency",
            "-t",
            &threads,
            "-c",
            &connections.to_string(),
            "-d",
            &format!("{seconds}s"),
            "-s",
        ])
        .arg(script)
        .arg(format!("http://127.0.0.1:{port}/"))
        .arg("--")
        .args(arguments)
        .output()
        .expect("wrk runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("Non-2xx"), "wrk saw errors: {text}");
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.trim().strip_prefix(name))
            .unwrap_or_else(|| panic!("no {name} in {text}"))
            .trim()
            .to_owned()
    };
    let rate = field("Requests/sec:").parse().expect("a rate");
    let p99 = field("99%");
    let (number, scale) = match p99.strip_suffix("us") {
        Some(number) => (number, 0.001),
        None => match p99.strip_suffix("ms") {
            Some(number) => (number, 1.0),
            None => (p99.trim_end_matches('s'), 1000.0),
        },
    };
    Figures {
        rate,
        p99_ms: number.parse::<f64>().expect("a latency") * scale,
        cpu_micros: 0.0,
    }
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

/// Seconds of processor time a process has used, by its number or `self`; without those it waited for.
fn cpu(process: &str) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|text| text.parse::<f64>().ok())
            .unwrap_or_default()
    };
    (ticks(11) + ticks(12)) / 100.0
}

/// The yardstick: actix-web with one handler. GET answers a constant; POST inserts one row, many in a transaction.
struct Bare {
    port: u16,
}

type Insert = (Bytes, oneshot::Sender<()>);

struct Yard {
    body: Bytes,
    inserts: Option<mpsc::Sender<Insert>>,
}

impl Bare {
    fn start(body: Vec<u8>, database: Option<PathBuf>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let inserts = database.map(|path| {
            let (sender, receiver) = mpsc::channel::<Insert>();
            std::thread::spawn(move || insert(&path, &receiver));
            sender
        });
        let yard = Data::new(Yard {
            body: Bytes::from(body),
            inserts,
        });
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                HttpServer::new(move || App::new().app_data(yard.clone()).default_service(web::to(bare)))
                    .workers(2)
                    .disable_signals()
                    .listen(listener)
                    .expect("the yardstick listens")
                    .run()
                    .await
            })
        });
        Self { port }
    }
}

async fn bare(yard: Data<Yard>, body: Bytes) -> HttpResponse {
    if let (Some(inserts), false) = (&yard.inserts, body.is_empty()) {
        let (done, waits) = oneshot::channel();
        if inserts.send((body, done)).is_err() || waits.await.is_err() {
            return HttpResponse::InternalServerError().finish();
        }
    }
    HttpResponse::Ok()
        .content_type("application/json")
        .body(yard.body.clone())
}

fn insert(path: &Path, receiver: &mpsc::Receiver<Insert>) {
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{end}", path.display()));
    }
    let mut connection = rusqlite::Connection::open(path).expect("the yardstick's database");
    connection
        .execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE row(id INTEGER PRIMARY KEY, body BLOB);",
        )
        .expect("the yardstick's table");
    while let Ok(first) = receiver.recv() {
        let mut batch = vec![first];
        batch.extend(receiver.try_iter().take(255));
        let transaction = connection.transaction().expect("a transaction");
        for (body, _) in &batch {
            transaction
                .prepare_cached("INSERT INTO row(body) VALUES (?1)")
                .and_then(|mut statement| statement.execute([&body[..]]))
                .expect("a row");
        }
        transaction.commit().expect("a commit");
        for (_, done) in batch {
            let _ = done.send(());
        }
    }
}
