//! A server under load is killed at a random instant, again and again, and compared with what it acknowledged (T3):
//!
//! - what was acknowledged is there;
//! - an organization and its group, created by one request, are both there or neither is;
//! - a request repeated with its Idempotency-Key gets the answer it got, or would have got, and has no second effect.
//!
//! Asked to stop (T25), it answers what it began, and what it did not answer it did not do.
//!
//! `SEATGRAPH_KILLS=1000` kills as often instead of 50 times (`make kills`), and stops it a fifth as often.
//!
//! INVARIANT: nothing is acknowledged that is not durable. This must fail (`make mutants`):
//!
//!     SEATGRAPH_MUTANT=publish-early SEATGRAPH_KILLS=200 cargo test --features mutants --test it kill::

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use seatgraph::model::Clock;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{seatgraph, signal};

pub const TOKEN: &str = "the-administrator-of-a-server-that-is-killed";
const WRITERS: usize = 8;
/// Answers that are asked for again after each kill, besides all that were under way.
const REPEATED: usize = 20;

pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    /// `None` if it was killed before it served.
    pub fn start(database: &Path, killed_after: Option<Duration>) -> Option<Self> {
        let folder = database.parent().expect("it lies in a folder");
        let mut child = seatgraph(folder, "serve --listen 127.0.0.1:0 --database")
            .arg(database)
            .env("SEATGRAPH_ADMIN_TOKEN", TOKEN)
            .env("SEATGRAPH_LOG__LEVEL", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdout = child.stdout.take().expect("it was asked for");
        if let Some(after) = killed_after {
            thread::sleep(after);
            kill(&mut child);
            return None;
        }
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("standard output reads");
        let address = line
            .trim()
            .strip_prefix("listening on http://")
            .and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("the server did not start: `{line}`"));
        Some(Self { child, address })
    }

    /// As `kill`: it may finish what it does.
    fn stop(mut self) -> Duration {
        let start = Instant::now();
        signal(self.child.id(), "-TERM");
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "it ended badly: {status}");
        start.elapsed()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        kill(&mut self.child);
    }
}

/// As `kill -9`.
fn kill(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// A connection that stays open. Any failure is the server's end.
struct Connection {
    stream: BufReader<TcpStream>,
}

struct Answer {
    status: u16,
    replayed: bool,
    body: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    fn post(&mut self, key: &str, body: &str) -> std::io::Result<Answer> {
        let head = format!(
            "Content-Type: application/json\r\nIdempotency-Key: {key}\r\nContent-Length: {}\r\n",
            body.len()
        );
        self.send(&format!("POST /graph HTTP/1.1\r\n{head}"), body)
    }

    fn get(&mut self, target: &str) -> std::io::Result<Value> {
        let answer = self.send(&format!("GET {target} HTTP/1.1\r\n"), "")?;
        assert_eq!(
            answer.status,
            200,
            "{target}: {}",
            String::from_utf8_lossy(&answer.body)
        );
        Ok(serde_json::from_slice(&answer.body)?)
    }

    fn send(&mut self, head: &str, body: &str) -> std::io::Result<Answer> {
        let request = format!("{head}Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n{body}");
        self.stream.get_mut().write_all(request.as_bytes())?;
        let ended = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .ok_or_else(ended)?;
        let (mut length, mut replayed) = (None, false);
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().ok(),
                "idempotency-replayed" => replayed = value == "true",
                _ => {}
            }
        }
        let mut body = vec![0; length.ok_or_else(ended)?];
        self.stream.read_exact(&mut body)?;
        Ok(Answer { status, replayed, body })
    }
}

/// One request, and the answer if there was one.
struct Attempt {
    key: String,
    organization: Uuid,
    group: Uuid,
    body: String,
    acknowledged: Option<Vec<u8>>,
}

impl Attempt {
    fn new(round: usize, writer: usize, number: usize) -> Self {
        let (organization, group) = (Clock::System.new_id(), Clock::System.new_id());
        let body = json!({
            "__objType": "Organization", "id": organization.to_string(), "name": tag(round),
            "rel_Relations": [{
                "rel_Relation": {
                    "__objType": "ObjectRelation", "multiplicity": "ONE_TO_MANY",
                    "relatedObjectType": "com.tenduke.sdk2.objectmodel.identity.ProfileGroup",
                },
                "rel_RelatedObjectList": {
                    "__objType": "RelatedObjectList",
                    "rel_RelatedObjects": [{"__objType": "ProfileGroup", "id": group.to_string(), "name": tag(round)}],
                },
            }],
        });
        let key = format!("{round}-{writer}-{number}");
        Self {
            key,
            organization,
            group,
            body: body.to_string(),
            acknowledged: None,
        }
    }
}

/// The name of all that a round creates.
fn tag(round: usize) -> String {
    format!("round-{round}")
}

/// Creates until the server is gone. The last attempt has no answer.
fn create(address: SocketAddr, round: usize, writer: usize) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    let Ok(mut connection) = Connection::open(address) else {
        return attempts;
    };
    loop {
        let mut attempt = Attempt::new(round, writer, attempts.len());
        let answer = connection.post(&attempt.key, &attempt.body);
        if let Ok(answer) = &answer {
            assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
            assert!(!answer.replayed);
        }
        let gone = answer.is_err();
        attempt.acknowledged = answer.ok().map(|answer| answer.body);
        attempts.push(attempt);
        if gone {
            return attempts;
        }
    }
}

/// The ids of all a selector finds, page by page.
fn ids(connection: &mut Connection, selector: &str) -> HashSet<Uuid> {
    let mut found = HashSet::new();
    let mut cursor = String::new();
    loop {
        let page = connection
            .get(&format!("/graph/{selector}{{r=1000}}{cursor}"))
            .expect("the server answers");
        let items = page["Items"].as_array().expect("a list");
        for item in items {
            let id = item["id"].as_str().and_then(|id| id.parse().ok());
            assert!(found.insert(id.expect("an id")), "twice in one list: {item}");
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("?cursor={next}"),
            None => return found,
        }
    }
}

/// After a restart: what the round left, beside what it was told.
fn compare(server: &Server, round: usize, attempts: &[Attempt]) {
    let mut connection = Connection::open(server.address).expect("the server listens");
    let named = format!("[@name='{}']", tag(round));
    let organizations = ids(&mut connection, &format!("Organization{named}"));
    let groups = ids(&mut connection, &format!("ProfileGroup{named}"));
    let owned = ids(&mut connection, &format!("Organization{named}/~OneToMany/ProfileGroup"));
    for attempt in attempts {
        let there = [
            organizations.contains(&attempt.organization),
            groups.contains(&attempt.group),
            owned.contains(&attempt.group),
        ];
        assert!(
            there == [true; 3] || there == [false; 3],
            "half of `{}` is there: {there:?}",
            attempt.key
        );
        assert!(
            there[0] || attempt.acknowledged.is_none(),
            "`{}` was acknowledged and is lost",
            attempt.key
        );
    }
    let known: HashSet<_> = attempts.iter().map(|attempt| attempt.organization).collect();
    assert!(organizations.is_subset(&known), "something is there that nobody sent");
    let (answered, unanswered): (Vec<_>, Vec<_>) = attempts.iter().partition(|attempt| attempt.acknowledged.is_some());
    let answered = answered.iter().step_by((answered.len() / REPEATED).max(1));
    for attempt in answered.chain(&unanswered) {
        let there = organizations.contains(&attempt.organization);
        let again = connection
            .post(&attempt.key, &attempt.body)
            .expect("the server answers");
        assert_eq!(
            (again.status, again.replayed),
            (200, there),
            "`{}` repeated",
            attempt.key
        );
        let first = attempt.acknowledged.as_ref().unwrap_or(&again.body);
        assert_eq!(&again.body, first, "another answer for `{}`", attempt.key);
        let third = connection
            .post(&attempt.key, &attempt.body)
            .expect("the server answers");
        assert_eq!(
            (third.status, third.replayed, &third.body),
            (200, true, first),
            "`{}` repeated again",
            attempt.key
        );
    }
    let repeated: HashSet<_> = unanswered.iter().map(|attempt| attempt.organization).collect();
    let now = ids(&mut connection, &format!("Organization{named}"));
    assert_eq!(
        now,
        organizations.union(&repeated).copied().collect(),
        "a repeated request had another effect"
    );
}

/// Anything below `bound`, from the operating system.
pub fn random(bound: u64) -> u64 {
    let secret = Clock::secret();
    secret
        .iter()
        .take(8)
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
        % bound
}

/// Writers at work until the server is gone, which `end` sees to at a random instant.
fn under_load(address: SocketAddr, round: usize, end: impl FnOnce()) -> Vec<Attempt> {
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| scope.spawn(move || create(address, round, writer)))
            .collect();
        thread::sleep(Duration::from_micros(random(300_000)));
        end();
        writers
            .into_iter()
            .flat_map(|writer| writer.join().expect("a writer"))
            .collect()
    })
}

fn kills() -> usize {
    std::env::var("SEATGRAPH_KILLS")
        .ok()
        .and_then(|kills| kills.parse().ok())
        .unwrap_or(50)
}

#[test]
fn nothing_acknowledged_is_lost_by_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut acknowledged, mut unknown, mut slowest) = (0, 0, Duration::ZERO);
    let new = |round| folder.path().join(format!("kill-{round}.db"));
    let mut database = new(0);
    let mut server = Server::start(&database, None).expect("it serves");
    for round in 0..kills() {
        // The world grows with every round, and with it the time of a start.
        if round > 0 && round % 100 == 0 {
            drop(server);
            database = new(round);
            server = Server::start(&database, None).expect("it serves");
            println!("{round} kills, {acknowledged} acknowledged, nothing lost");
        }
        let attempts = under_load(server.address, round, || drop(server));
        // Now and then it does not live to see its recovery through.
        if round % 5 == 4 {
            Server::start(&database, Some(Duration::from_micros(random(50_000))));
        }
        let start = Instant::now();
        server = Server::start(&database, None).expect("it serves again");
        slowest = slowest.max(start.elapsed());
        let answered = attempts.iter().filter(|attempt| attempt.acknowledged.is_some()).count();
        acknowledged += answered;
        unknown += attempts.len() - answered;
        compare(&server, round, &attempts);
    }
    assert!(acknowledged > 0, "nothing was ever acknowledged");
    println!(
        "{} kills, {acknowledged} acknowledged, {unknown} without an answer; slowest start {slowest:?}",
        kills()
    );
}

#[test]
fn what_was_begun_is_answered_before_a_stop() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("stop.db");
    let (mut acknowledged, mut slowest) = (0, Duration::ZERO);
    let stops = kills() / 5;
    let mut server = Server::start(&database, None).expect("it serves");
    for round in 0..stops {
        let attempts = under_load(server.address, round, || slowest = slowest.max(server.stop()));
        assert!(slowest < Duration::from_secs(10), "it took {slowest:?} to stop");
        server = Server::start(&database, None).expect("it serves again");
        let mut connection = Connection::open(server.address).expect("the server listens");
        let there = ids(&mut connection, &format!("Organization[@name='{}']", tag(round)));
        let answered = attempts.iter().filter(|attempt| attempt.acknowledged.is_some());
        assert_eq!(
            there,
            answered.map(|attempt| attempt.organization).collect(),
            "done and answered differ"
        );
        acknowledged += there.len();
    }
    assert!(acknowledged > 0, "nothing was ever acknowledged");
    println!("{stops} stops, {acknowledged} acknowledged; slowest stop {slowest:?}");
}
