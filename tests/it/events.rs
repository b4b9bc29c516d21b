//! Events as a client follows them, over a connection that stays open. What each commit tells, and whom, is told by
//! `fixtures/graph/events` and beside the code.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use seatgraph::engine::{Reply, Write as Written};
use seatgraph::graph::Transaction;
use seatgraph::model::{Clock, Event, Fact, Time, Value};
use seatgraph::settings::Settings;
use seatgraph::storage::{Memory, Migrate, Sqlite, Storage};
use serde_json::json;
use uuid::Uuid;

use crate::support::client;
use crate::support::server::{ADMIN, Server};

const NOW: Time = Time(1_800_000_000_000);

fn start(storage: Box<dyn Storage>, settings: &Settings) -> Server {
    Server::start(storage, Arc::new(Clock::frozen(NOW)), settings)
}

fn make(server: &Server, name: &str) -> String {
    let body = json!({"__objType": "Organization", "name": name}).to_string();
    let made = server.admin("POST", "/graph", Some(&body)).json();
    made["objects"]["Items"][0]["id"].as_str().expect("an id").to_owned()
}

/// A stream of events, read line by line without its chunks' lengths.
struct Following(BufReader<TcpStream>);

impl Following {
    fn new(server: &Server, token: &str, target: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(server.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit");
        write!(
            stream,
            "GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{headers}\r\n"
        )
        .expect("sent");
        let mut following = Self(BufReader::new(stream));
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(following.0.read_line(&mut head).expect("a head") > 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.contains("text/event-stream"), "{head}");
        following
    }

    /// The next event's id, type and data; `None` when the stream ends.
    fn next(&mut self) -> Option<(String, String, serde_json::Value)> {
        let (mut id, mut name) = (String::new(), String::new());
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).expect("a line") == 0 {
                return None;
            }
            let line = line.trim_end();
            if let Some(text) = line.strip_prefix("id: ") {
                text.clone_into(&mut id);
            } else if let Some(text) = line.strip_prefix("event: ") {
                text.clone_into(&mut name);
            } else if let Some(text) = line.strip_prefix("data: ") {
                return Some((id, name, serde_json::from_str(text).expect("JSON")));
            }
        }
    }

    fn ids(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.next().expect("an event").0).collect()
    }
}

#[test]
fn events_are_followed_as_they_happen_and_from_where_one_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("events.db");
    let stores: [Box<dyn Storage>; 2] = [
        Box::new(Memory::new()),
        Box::new(Sqlite::open(&file, Migrate::Refuse).expect("a database")),
    ];
    for store in stores {
        let server = start(store, &Settings::default());
        let first = make(&server, "one");
        make(&server, "two");
        // Of what was before, nothing is told to who does not ask for it.
        let mut live = Following::new(&server, ADMIN, "/events", "");
        let third = make(&server, "three");
        let (id, name, data) = live.next().expect("an event");
        assert_eq!((id.as_str(), name.as_str()), ("3-0", "Created"));
        assert_eq!(data["eventObjectId"], third.as_str());
        assert_eq!(data["eventId"], "3-0");
        make(&server, "four");
        assert_eq!(live.ids(1), ["4-0"]);
        let mut all = Following::new(&server, ADMIN, "/events?after=0", "");
        let (id, _, data) = all.next().expect("an event");
        assert_eq!(
            (id.as_str(), data["eventObjectId"].as_str()),
            ("1-0", Some(first.as_str()))
        );
        assert_eq!(all.ids(3), ["2-0", "3-0", "4-0"]);
        // A browser that lost its connection says itself what it saw last.
        let mut again = Following::new(&server, ADMIN, "/events?after=0", "Last-Event-ID: 2-0\r\n");
        assert_eq!(again.ids(2), ["3-0", "4-0"]);
    }
}

#[test]
fn a_client_that_knows_no_chunks_is_sent_none() {
    let server = start(Box::new(Memory::new()), &Settings::default());
    make(&server, "one");
    let ask = |target: &str, headers: &str| {
        let mut stream = TcpStream::connect(server.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit");
        write!(
            stream,
            "GET {target} HTTP/1.0\r\nAuthorization: Bearer {ADMIN}\r\n{headers}\r\n"
        )
        .expect("sent");
        BufReader::new(stream)
    };
    let exported = server.admin("GET", "/export", None);
    assert_eq!(exported.header("transfer-encoding"), Some("chunked"));
    // The end of the connection is the end of the body, so it is not kept.
    for headers in ["", "Connection: keep-alive\r\n"] {
        let mut answer = Vec::new();
        ask("/export", headers).read_to_end(&mut answer).expect("an end");
        let answer = client::parse(&answer).expect("an answer");
        assert_eq!(answer.header("transfer-encoding"), None);
        assert_eq!((answer.status, answer.text()), (200, exported.text()), "{headers}");
    }
    let lines = ask("/events?after=0", "").lines().map(|line| line.expect("a line"));
    let mut lines = lines.skip_while(|line| line != ": events").skip(2);
    assert_eq!(lines.next().as_deref(), Some("id: 1-0"));
    assert_eq!(lines.next().as_deref(), Some("event: Created"));
    assert!(lines.next().is_some_and(|line| line.starts_with("data: {")));
}

#[test]
fn what_is_older_than_ninety_days_is_not_told() {
    let clock = Arc::new(Clock::frozen(NOW));
    let mut store = Memory::new();
    let server = Server::start(Box::new(store.another()), clock.clone(), &Settings::default());
    let follow = || Following::new(&server, ADMIN, "/events?after=0", "").ids(1);
    make(&server, "one");
    clock.set(Time(NOW.millis() + 1));
    make(&server, "two");
    assert_eq!(follow(), ["1-0"]);
    clock.set(Time(NOW.millis() + 1 + 90 * 24 * 60 * 60 * 1000));
    make(&server, "three");
    assert_eq!(follow(), ["2-0"]);
    // Nor what the log has forgotten.
    store.forget(2);
    assert_eq!(follow(), ["3-0"]);
}

#[test]
fn a_stream_ends_with_its_token_and_with_the_server() {
    let server = start(Box::new(Memory::new()), &Settings::default());
    let acme = make(&server, "acme");
    make(&server, "other");
    let bound = json!({"permissions": ["Event.read"], "organizationId": acme});
    let (id, text) = server.token(bound);
    // The rest is another's.
    let mut mine = Following::new(&server, &text, "/events?after=0", "");
    assert_eq!(mine.ids(1), ["1-0"]);
    let mut all = Following::new(&server, ADMIN, "/events?after=0", "");
    assert_eq!(all.ids(2), ["1-0", "2-0"]);
    server.admin("DELETE", &format!("/tokens/{id}"), None);
    assert_eq!(mine.next(), None, "its token was revoked");
    drop(server);
    // Whatever is still sent, the connection ends.
    let mut rest = Vec::new();
    let _ = all.0.read_to_end(&mut rest);
}

#[test]
fn no_more_streams_are_open_than_may_be() {
    let mut settings = Settings::default();
    settings.limits.event_streams = 4;
    let server = start(Box::new(Memory::new()), &settings);
    let open = || Following::new(&server, ADMIN, "/events", "");
    let (one, _two) = (open(), open());
    let asked = |token: &str| server.ask(Some(token), "HEAD", "/events", None, &[]).status;
    assert_eq!(asked(ADMIN), 503);
    // Of what one caller leaves there is some for others, and for an organization once, however many tokens it has.
    let body = r#"[{"__objType": "Organization", "name": "A"}, {"__objType": "Organization", "name": "B"}]"#;
    let made = server.admin("POST", "/graph", Some(body)).json();
    let token = |at: usize| {
        let organization = &made["objects"]["Items"][at]["id"];
        let bound = json!({"permissions": ["Event.read"], "organizationId": organization});
        server.token(bound).1
    };
    let _hers = Following::new(&server, &token(0), "/events", "");
    for (token, expected) in [(token(0), 503), (token(1), 200)] {
        assert_eq!(asked(&token), expected);
    }
    drop(one);
    // It is noticed though nothing is sent to it.
    for _ in 0..100 {
        if asked(ADMIN) == 200 {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("a stream that was left is never noticed");
}

/// However long its pages are and whichever way it goes, a reader meets every event once and in order.
#[test]
fn pages_in_both_directions_are_the_whole() {
    let clock = Arc::new(Clock::frozen(NOW));
    let server = Server::start(Box::new(Memory::new()), clock.clone(), &Settings::default());
    // Commits of several events, several commits in a millisecond, and milliseconds without any.
    for round in 0..30 {
        clock.set(Time(
            NOW.millis() + [0, 1, 1, 1, 4, 5][round % 6] + 10 * (round as i64 / 6),
        ));
        let body: Vec<_> = (0..=round % 4)
            .map(|at| json!({"__objType": "Organization", "name": format!("{round} {at}")}))
            .collect();
        let made = server.admin("POST", "/graph", Some(&json!(body).to_string()));
        assert_eq!(made.status, 200, "{}", made.text());
    }
    let page = |query: &str| -> Vec<serde_json::Value> {
        let answer = server.admin("GET", &format!("/event/get/seatgraph?{query}"), None);
        serde_json::from_slice(&answer.body).expect("a page")
    };
    let ids = |page: &[serde_json::Value]| -> Vec<String> {
        let events = page[1..page.len() - 1].iter();
        events
            .map(|event| event["eventId"].as_str().expect("an id").to_owned())
            .collect()
    };
    let place = |instruction: &serde_json::Value| -> String {
        let url = instruction["url"].as_str().expect("a url");
        let (_, place) = url.split_once('?').expect("a query");
        place.split('&').next().expect("a place").to_owned()
    };
    let whole = ids(&page("maxEventCount=1000"));
    let streamed = Following::new(&server, ADMIN, "/events?after=0", "").ids(whole.len());
    assert_eq!((whole.len(), &whole), (73, &streamed));
    for most in [1, 3, 7, 50] {
        let (mut forward, mut from) = (Vec::new(), String::new());
        loop {
            let page = page(&format!("maxEventCount={most}&{from}"));
            if page.len() == 2 {
                break;
            }
            forward.extend(ids(&page));
            from = place(page.last().expect("an instruction"));
        }
        assert_eq!(forward, whole, "forward by {most}");
        let (mut backward, mut from) = (Vec::new(), "newest=true".to_owned());
        loop {
            let page = page(&format!("maxEventCount={most}&{from}"));
            if page.len() == 2 {
                break;
            }
            backward.splice(0..0, ids(&page));
            from = place(&page[0]);
        }
        assert_eq!(backward, whole, "backward by {most}");
    }
}

/// A page that ends for want of time has come further, though what it went through tells nothing.
#[test]
fn commits_without_events_are_passed_page_by_page() {
    let clock = Arc::new(Clock::frozen(NOW));
    let mut settings = Settings::default();
    settings.limits.visited = 4;
    let server = Server::start(Box::new(Memory::new()), clock.clone(), &settings);
    let mut made = vec![make(&server, "first")];
    for at in 1..=40 {
        // Ten of each millisecond: a token tells nobody anything.
        clock.set(Time(NOW.millis() + at / 10));
        server.token(json!({"permissions": ["*.read"]}));
    }
    made.push(make(&server, "last"));
    let page = |place: &str| -> Vec<serde_json::Value> {
        let answer = server.admin("GET", &format!("/event/get/seatgraph?{place}"), None);
        serde_json::from_slice(&answer.body).expect("a page")
    };
    let follow = |mut place: String, end: fn(&[serde_json::Value]) -> &serde_json::Value| {
        let mut found = Vec::new();
        for _ in 0..100 {
            let page = page(&place);
            let events = page[1..page.len() - 1].iter();
            found.extend(events.map(|event| event["eventObjectId"].as_str().expect("an id").to_owned()));
            let url = end(&page)["url"].as_str().expect("a url").to_owned();
            let (_, next) = url.split_once('?').expect("a query");
            if next == place {
                return found;
            }
            place = next.to_owned();
        }
        panic!("it goes on for ever at {place}");
    };
    assert_eq!(follow("after=0".to_owned(), |page| page.last().expect("an end")), made);
    // Nothing is after the end, and all is before it, also where the end is later than anything.
    let place = |page: &[serde_json::Value], which: usize| -> u64 {
        let url = page[which]["url"].as_str().expect("a url");
        let (_, place) = url.split_once('=').expect("a place");
        place
            .split('&')
            .next()
            .and_then(|place| place.parse().ok())
            .expect("a number")
    };
    let end = page("newest=true&maxEventCount=1");
    let end = place(&end, end.len() - 1);
    for after in [end, end + 1, end + 1_000_000_000] {
        let none = page(&format!("newest=true&after={after}"));
        assert_eq!(none.len(), 2, "{none:?}");
        assert!(place(&none, 0) > after && place(&none, 1) == after, "{none:?}");
        let back = follow(format!("before={}", place(&none, 0)), |page| &page[0]);
        assert_eq!(back.first(), made.last());
    }
    // What is not after a place is left for whoever goes back from there.
    let all = page(&format!("newest=true&after={}", end - 1));
    assert_eq!((all.len(), place(&all, 0)), (3, end));
    made.reverse();
    assert_eq!(follow("newest=true".to_owned(), |page| &page[0]), made);
}

/// What an operation tells and no change shows: kept with a commit that is made for it alone, and there again after a restart.
#[test]
fn what_is_told_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("events.db");
    let open = || Box::new(Sqlite::open(&file, Migrate::Refuse).expect("a database")) as Box<dyn Storage>;
    let server = start(open(), &Settings::default());
    make(&server, "acme");
    let refused = |name: &str| Event {
        name: name.into(),
        object_type: "License".into(),
        object: Uuid::from_u128(9),
        whose: Some(1),
        facts: vec![(
            "errorInfo".into(),
            Fact::Group(vec![("error".into(), Value::text("noSeatsAvailable").into())]),
        )],
    };
    let tell = |dry_run: bool, event: Event, undo: bool| {
        let write = Written {
            operation: "Consume".into(),
            dry_run,
            ..Written::default()
        };
        server
            .engine
            .write_blocking(write, move |tx: &mut Transaction<'_>| {
                let before = tx.savepoint();
                tx.tell(event);
                if undo {
                    tx.rollback_to(before);
                }
                Ok::<_, String>(Reply::empty())
            })
            .expect("written")
            .revision
    };
    assert_eq!(
        tell(true, refused("LicenseChecked"), false),
        1,
        "a dry run leaves nothing"
    );
    assert_eq!(
        tell(false, refused("LicenseChecked"), true),
        1,
        "what was undone was not told"
    );
    assert_eq!(tell(false, refused("LicenseConsumed"), false), 2);
    let check = |server: &Server| {
        let mut all = Following::new(server, ADMIN, "/events?after=1", "");
        let (id, name, data) = all.next().expect("an event");
        assert_eq!((id.as_str(), name.as_str()), ("2-0", "LicenseConsumed"));
        assert_eq!(data["data"]["errorInfo"]["error"], "noSeatsAvailable");
        server.engine.snapshot().check().expect("a whole graph");
    };
    check(&server);
    drop(server);
    check(&start(open(), &Settings::default()));
}
