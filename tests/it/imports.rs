//! Whole worlds in and out beside others who write. How an import is cut into commits: large ones while nobody else writes,
//! small ones beside others, and the same in the end; and that who reads an export slowly holds nobody up. What the lines
//! mean is told in `fixtures/graph/wire/bulk.json`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use seatgraph::engine::Way;
use seatgraph::model::{Clock, Time};
use seatgraph::settings::Settings;
use seatgraph::storage::{Memory, Migrate, Sqlite, Storage};
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
    let answer = server.admin("POST", target, Some(body));
    (answer.status, answer.json())
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

/// An export whose reader has seen its beginning and reads no further before it is told to.
struct Lingering(TcpStream, Vec<u8>);

impl Lingering {
    fn begin(server: &Server) -> Self {
        let mut stream = TcpStream::connect(server.address).expect("a connection");
        let request =
            format!("GET /export HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {ADMIN}\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("a request");
        let mut read = vec![0; 4096];
        let length = stream.read(&mut read).expect("an answer");
        read.truncate(length);
        Self(stream, read)
    }

    fn end(self) -> client::Response {
        let Self(mut stream, mut read) = self;
        stream.read_to_end(&mut read).expect("the rest");
        client::parse(&read).expect("an answer")
    }
}

#[test]
fn a_slow_reader_of_an_export_holds_nobody_up() {
    let check = |storage: Box<dyn Storage>| {
        let server = on(storage);
        // More than the buffers of a connection take.
        let line = format!(
            "{{\"__objType\":\"Profile\",\"displayName\":\"{}\"}}\n",
            "x".repeat(1000)
        );
        let (status, answer) = send(&server, "/import", &line.repeat(20_000));
        assert_eq!(status, 200, "{answer}");
        let whole = Lingering::begin(&server).end();
        assert_eq!(whole.text().lines().count(), 20_000);
        let slow = Lingering::begin(&server);
        let revision = server.engine.revision();
        let write = |number: usize| {
            let item = format!(r#"{{"__objType":"LicensedItem","name":"item {number}"}}"#);
            assert_eq!(send(&server, "/graph", &item).0, 200);
        };
        // The second of them wants the copy that was published when the export began. A reader who only was slow to
        // begin gives it back; one who holds it never does.
        (0..3).for_each(write);
        let freed = (3..1000).find(|number| {
            write(*number);
            server.engine.health().copies_held == 0
        });
        let written = freed.expect("somebody holds a copy of the graph") + 1;
        let slow = slow.end();
        assert_eq!(slow.header("graph-revision"), Some(revision.to_string().as_str()));
        assert!(slow.body == whole.body, "what was written meanwhile is in it");
        // And who goes away is forgotten.
        drop(Lingering::begin(&server));
        let all = Lingering::begin(&server).end();
        assert_eq!(all.text().lines().count(), 20_000 + written);
    };
    check(Box::new(Memory::new()));
    let folder = tempfile::tempdir().expect("a folder");
    check(Box::new(
        Sqlite::open(&folder.path().join("a.db"), Migrate::Refuse).expect("a database"),
    ));
    let left = folder.path().read_dir().expect("there").filter_map(Result::ok);
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert!(
        left.iter().all(|name| !name.to_string_lossy().contains("scratch")),
        "{left:?}"
    );
}

/// Each lies beside the database until it is read.
#[test]
fn no_more_exports_are_read_at_once_than_may_be() {
    let server = serve();
    let line = format!(
        "{{\"__objType\":\"Profile\",\"displayName\":\"{}\"}}\n",
        "x".repeat(1000)
    );
    assert_eq!(send(&server, "/import", &line.repeat(20_000)).0, 200);
    // Whoever just left may have its place a little longer.
    let begin = || {
        (0..500).find_map(|_| {
            let begun = Lingering::begin(&server);
            if begun.1.starts_with(b"HTTP/1.1 200") {
                return Some(begun);
            }
            thread::sleep(std::time::Duration::from_millis(10));
            None
        })
    };
    let mut slow: Vec<_> = (0..8).filter_map(|_| begin()).collect();
    for leave in [|slow: Lingering| drop(slow.end()), drop] {
        assert_eq!(slow.len(), 8);
        let refused = Lingering::begin(&server).end();
        assert_eq!(refused.status, 503);
        assert!(refused.text().contains("\"tooManyCopies\""), "{}", refused.text());
        leave(slow.remove(0));
        slow.extend(begin());
    }
}
