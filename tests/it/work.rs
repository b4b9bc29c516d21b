//! Work, not time (design 15.8): how often each hot request allocates, pinned in `fixtures/work.txt`, so that a copy or a
//! collection too many fails a test on the noisiest machine. What queries visit is pinned in `fixtures/plan`, and what a
//! commit asks of SQLite beside `storage::sqlite`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use seatgraph::limits::Limits;
use seatgraph::model::{Clock, Time};
use seatgraph::settings::Settings;
use seatgraph::storage::Memory;

use super::support::server::{ADMIN, Server};
use super::support::{path, seed};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is the system allocator's own; beside it a number is counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const LIST: &str =
    "GET /graph/Organization[@name='ACME']/~OneToMany/Entitlement/~OneToMany/License/~OneToMany/SeatCountCredit{r=3}";

/// Told from memory; all others are made anew.
const REMEMBERED: &str = "three-hop list, remembered";

/// Each with its name in `fixtures/work.txt`. `#` becomes another number each time.
const HOT: [(&str, &str, &str); 10] = [
    (
        "fetch by id",
        "GET /graph/Organization[@id='10000000-0000-4000-8000-000000000001']",
        "",
    ),
    ("three-hop list", LIST, ""),
    (REMEMBERED, LIST, ""),
    (
        "filtered hop",
        "GET /graph/Organization[@name='ACME']/~OneToMany/ProfileGroup[@type='employees']",
        "",
    ),
    (
        "count of a hop",
        "GET /graph/Organization[@name='ACME']/~OneToMany/Entitlement{count}",
        "",
    ),
    ("sorted page", "GET /graph/License{s=name,r=5}", ""),
    (
        "granted check",
        "GET /authz/.json?fjord-draw&doConsume=false&onBehalfOfId=31000000-0000-4000-8000-000000000005",
        "",
    ),
    (
        "refused check",
        "GET /authz/.json?no-such-item&doConsume=false&onBehalfOfId=31000000-0000-4000-8000-000000000005",
        "",
    ),
    (
        "create",
        "POST /graph",
        r#"{"__objType":"Organization","name":"created #","type":"company"}"#,
    ),
    (
        "consume",
        "POST /authz/.json?fjord-draw&onBehalfOfId=31000000-0000-4000-8000-000000000005&hw=device-#",
        "",
    ),
];

#[test]
fn a_hot_request_allocates_what_it_did() {
    const ALONE: &str = "SEATGRAPH_ALONE";
    if std::env::var_os(ALONE).is_none() {
        // Other tests allocate too: in a process of its own there is no other.
        let own = std::env::current_exe().expect("this test");
        let done = Command::new(own)
            .args(["--exact", "work::a_hot_request_allocates_what_it_did", "--nocapture"])
            .env(ALONE, "1")
            .output()
            .expect("it runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        return;
    }
    let anew = Settings {
        limits: Limits {
            remembered_bytes: 1,
            ..Limits::default()
        },
        ..Settings::default()
    };
    let (_anew, mut to_anew) = serve(&anew);
    let (_remembering, mut to_remembering) = serve(&Settings::default());
    let mut found = BTreeMap::new();
    for (name, line, body) in HOT {
        let least = (0..80).map(|number| {
            let number = number.to_string();
            let (line, body) = (line.replace('#', &number), body.replace('#', &number));
            let request = format!(
                "{line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let connection = if name == REMEMBERED { &mut to_remembering } else { &mut to_anew };
            measured(connection, name, request.as_bytes())
        });
        // What grows from time to time, and what other threads do meanwhile, is not in the least of them.
        found.insert(name, least.min().unwrap_or_default());
    }
    let file = path("fixtures/work.txt");
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    let heading: String = kept
        .lines()
        .filter(|line| line.starts_with('#'))
        .fold(String::new(), |all, line| all + line + "\n");
    let now: String = found
        .iter()
        .fold(heading, |all, (name, count)| format!("{all}{name}: {count}\n"));
    if std::env::var_os("SEATGRAPH_BLESS").is_some() {
        std::fs::write(&file, &now).expect("the file is written");
        return;
    }
    let pinned: BTreeMap<&str, u64> = kept
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, count)| (name, count.parse().expect("a number")))
        .collect();
    for (name, count) in &found {
        let most = *pinned.get(name).unwrap_or_else(|| panic!("{name} is not pinned"));
        // One or two are as the threads happen to take turns.
        assert!(*count <= most + 2, "{name} allocates {count} times, and did {most}");
        // So that the next copy too many is seen, what became less is pinned again.
        assert!(
            *count + 4 > most,
            "{name} allocates {count} times, pinned are {most}: SEATGRAPH_BLESS=1 pins it"
        );
    }
    assert_eq!(
        found.len(),
        pinned.len(),
        "{} pins what is not measured",
        file.display()
    );
}

/// The demo world, and a connection to it.
fn serve(settings: &Settings) -> (Server, TcpStream) {
    let clock = Arc::new(Clock::frozen(Time::parse("2026-11-01T12:00:00Z").expect("a time")));
    let server = Server::start(Box::new(Memory::new()), clock, settings);
    server.sow(&seed("demo"));
    let connection = TcpStream::connect(server.address).expect("a connection");
    connection.set_nodelay(true).expect("a setting");
    (server, connection)
}

/// Allocations of the process between a request and its whole answer, by a connection that allocates nothing.
fn measured(connection: &mut TcpStream, name: &str, request: &[u8]) -> u64 {
    let mut room = [0u8; 64 * 1024];
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    connection.write_all(request).expect("a request");
    let (mut length, mut whole) = (0, usize::MAX);
    while length < whole {
        length += connection.read(&mut room[length..]).expect("an answer");
        if whole == usize::MAX
            && let Some(end) = room[..length].windows(4).position(|four| four == b"\r\n\r\n")
        {
            whole = end + 4 + content_length(&room[..end]);
        }
    }
    let after = ALLOCATIONS.load(Ordering::Relaxed);
    assert!(
        room.starts_with(b"HTTP/1.1 200"),
        "{name}: {}",
        String::from_utf8_lossy(&room[..length])
    );
    let body = String::from_utf8_lossy(&room[..length]);
    assert_eq!(body.contains("_error"), name == "refused check", "{name}: {body}");
    after - before
}

fn content_length(head: &[u8]) -> usize {
    let head = std::str::from_utf8(head).expect("text");
    let value = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then_some(value.trim())
    });
    value.and_then(|value| value.parse().ok()).expect("a length")
}
