//! How an import is cut into commits: large ones while nobody else writes, small ones beside others, and the same in the
//! end. What its lines mean is told in `fixtures/graph/wire/bulk.json`.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use seatgraph::engine::Way;
use seatgraph::model::{Clock, Time};
use seatgraph::settings::Settings;
use seatgraph::storage::{Memory, Storage};
use serde_json::Value;

use crate::support::client;
use crate::support::server::{ADMIN, Server};

fn serve() -> Server {
    on(Box::new(Memory::new()))
}

fn on(storage: Box<dyn Storage>) -> Server {
    let clock = Arc::new(Clock::frozen(Time::parse("2026-11-01T12:00:00Z").expect("a time")));
    Server::start(storage, clock, &Settings::default())
}

fn send(server: &Server, target: &str, body: &str) -> (u16, Value) {
    let headers = [
        ("Authorization", format!("Bearer {ADMIN}")),
        ("Content-Type", "application/json".to_owned()),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value));
    let answer = client::send(server.address, "POST", target, &headers, Some(body.as_bytes())).expect("an answer");
    (answer.status, serde_json::from_slice(&answer.body).expect("JSON"))
}

/// Changes of each commit of an import, in order, and how often another write came between two of them.
fn batches(server: &Server) -> (Vec<usize>, usize) {
    let (mut sizes, mut between, mut last) = (Vec::new(), 0, None);
    let mut log = server.engine.log().expect("a log");
    log.walk(Way::Oldest, &mut |commit| {
        if commit.operation == "Import" {
            sizes.push(commit.changes.len());
            between += usize::from(last.is_some_and(|last| last + 1 < commit.revision));
            last = Some(commit.revision);
        }
        ControlFlow::Continue(())
    })
    .expect("a walk");
    (sizes, between)
}

/// Somebody creates one item after the other until the work is done, and has begun before it begins.
fn beside<T>(server: &Server, work: impl FnOnce() -> T) -> T {
    let (done, written) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let number = written.load(Ordering::Relaxed);
                let item = format!(r#"{{"__objType":"LicensedItem","name":"item {number}"}}"#);
                let (status, answer) = send(server, "/graph", &item);
                assert_eq!(status, 200, "{answer}");
                written.store(number + 1, Ordering::Relaxed);
            }
        });
        while written.load(Ordering::Relaxed) == 0 && !other.is_finished() {
            thread::yield_now();
        }
        let found = work();
        done.store(true, Ordering::Relaxed);
        other.join().expect("a writer");
        found
    })
}

const LINE: &str = "{\"__objType\":\"Profile\"}\n";
const BAD: &str = "{\"__objType\":\"Unicorn\"}\n";

#[test]
fn batches_are_large_alone_and_small_beside_others() {
    let whole = |count: usize, sizes: &[usize]| {
        let server = serve();
        let (status, answer) = send(&server, "/import", &LINE.repeat(count));
        assert_eq!((status, &answer["lines"]), (200, &count.into()), "{answer}");
        assert_eq!(batches(&server), (sizes.to_vec(), 0));
    };
    whole(9_999, &[9_999]);
    whole(20_001, &[10_000, 10_000, 1]);

    let server = serve();
    let (status, answer) = beside(&server, || send(&server, "/import", &LINE.repeat(3_050)));
    assert_eq!(
        (status, &answer["lines"], &answer["count"]),
        (200, &3_050.into(), &3_050.into()),
        "{answer}"
    );
    let (sizes, between) = batches(&server);
    assert_eq!(sizes, [&[100; 30][..], &[50]].concat());
    assert!(between > 0, "the import let nobody in between");
    let graph = server.engine.snapshot();
    graph.check().expect("a sound graph");
}

#[test]
fn what_is_committed_is_told_whatever_the_batches() {
    let text = format!("\n{}{BAD}{}", LINE.repeat(10_050), LINE.repeat(100));
    let told = |answer: &Value| (answer["line"].as_u64(), answer["committedLines"].as_u64());

    let server = serve();
    let (status, answer) = send(&server, "/import", &text);
    assert_eq!((status, told(&answer)), (400, (Some(10_052), Some(10_001))), "{answer}");
    assert_eq!(batches(&server).0, [10_000]);

    let server = serve();
    let (status, answer) = beside(&server, || send(&server, "/import", &text));
    assert_eq!((status, told(&answer)), (400, (Some(10_052), Some(10_001))), "{answer}");
    assert_eq!(batches(&server).0, [100; 100]);
}

#[test]
fn a_dry_run_is_one_transaction_beside_others_too() {
    // The group's parent would be in another batch.
    let organization = "b0000000-0000-4000-8000-000000000001";
    let text = format!(
        "{{\"__objType\":\"Organization\",\"id\":\"{organization}\",\"name\":\"A\"}}\n{}{}",
        LINE.repeat(200),
        format_args!(
            "{{\"__objType\":\"ProfileGroup\",\"name\":\"G\",\"referenceFields\":{{\"ref_Organization_id\":\"{organization}\"}}}}\n"
        ),
    );
    let server = serve();
    let (status, answer) = beside(&server, || send(&server, "/import?dryRun=true", &text));
    assert_eq!((status, &answer["lines"]), (200, &202.into()), "{answer}");
    assert_eq!(batches(&server).0, [0; 0]);
}
