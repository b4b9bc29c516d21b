//! What benches of the running server share: a server in a process of its own on a copy of a generated world, and a way to
//! ask it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub const TOKEN: &str = "bench-administrator-token-0123456789abcdef";
pub const BINARY: &str = env!("CARGO_BIN_EXE_seatgraph");

/// Entities, and rounds: `100000 --rounds 3`.
pub fn size_and_rounds() -> (u64, usize) {
    let (mut size, mut rounds) = (100_000, 3);
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--rounds" => rounds = arguments.next().and_then(|text| text.parse().ok()).expect("--rounds N"),
            number => size = number.parse().expect("a number of entities"),
        }
    }
    (size, rounds)
}

/// Of all figures the middle one.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// A database of about so many entities, made once and kept in the target directory between runs.
pub fn world(size: u64) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench");
    fs::create_dir_all(&folder).expect("a folder for the worlds");
    let database = folder.join(format!("world-{size}.db"));
    if database.exists() {
        return database;
    }
    eprintln!("making the world of {size} entities");
    let scale = |share: f64| ((size as f64 * share) as u64).max(1).to_string();
    let lines = folder.join(format!("world-{size}.ndjson"));
    let done = Command::new(BINARY)
        .args([
            "generate",
            "--organizations",
            &scale(0.01),
            "--users",
            &scale(0.1),
            "--licenses",
            &scale(0.1),
            "--seed",
            "7",
        ])
        .stdout(File::create(&lines).expect("a file for the world"))
        .status()
        .expect("generate runs");
    assert!(done.success(), "generate");
    let started = Instant::now();
    let done = Command::new(BINARY)
        .args(["import", "--database"])
        .arg(&database)
        .arg(&lines)
        .stdout(Stdio::null())
        .status()
        .expect("import runs");
    assert!(done.success(), "import");
    eprintln!("imported in {:.1} s", started.elapsed().as_secs_f64());
    let _ = fs::remove_file(lines);
    database
}

/// Writes go to a copy: the world stays as it was made. A database of an older program is brought to this one's schema.
pub fn copy(database: &Path) -> PathBuf {
    let copy = database.with_extension("copy.db");
    remove(&copy);
    fs::copy(database, &copy).expect("the world can be copied");
    let done = Command::new(BINARY)
        .args(["migrate", "--database"])
        .arg(&copy)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(done.is_ok_and(|status| status.success()), "migrate");
    copy
}

/// A database with all that lies beside it.
pub fn remove(database: &Path) {
    for end in ["", "-wal", "-shm", ".lock"] {
        let _ = fs::remove_file(format!("{}{end}", database.display()));
    }
}

/// The real thing, in a process of its own.
pub struct Server {
    pub child: Child,
    pub port: u16,
}

impl Server {
    pub fn start(database: &Path) -> Self {
        Self::start_with(database, &[])
    }

    /// With settings, as variables.
    pub fn start_with(database: &Path, settings: &[(&str, &str)]) -> Self {
        let port = free_port();
        let child = Command::new(BINARY)
            .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--database"])
            .arg(database)
            .env("SEATGRAPH_ADMIN_TOKEN", TOKEN)
            .envs(settings.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let server = Self { child, port };
        let deadline = Instant::now() + Duration::from_secs(600);
        while server.try_get("/health/ready").is_none_or(|(status, _)| status != 200) {
            assert!(Instant::now() < deadline, "the server did not get ready");
            std::thread::sleep(Duration::from_millis(10));
        }
        server
    }

    pub fn request(&self, head: &str, body: &str) -> Option<(u16, Vec<u8>)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let length = body.len();
        write!(stream, "{head} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}").ok()?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let status = line.split(' ').nth(1)?.parse().ok()?;
        while line.trim() != "" {
            line.clear();
            reader.read_line(&mut line).ok()?;
        }
        let mut body = Vec::new();
        reader.read_to_end(&mut body).ok()?;
        Some((status, body))
    }

    pub fn try_get(&self, target: &str) -> Option<(u16, Vec<u8>)> {
        self.request(&format!("GET {target}"), "")
    }

    pub fn get(&self, target: &str) -> Vec<u8> {
        let (status, body) = self.try_get(target).expect("an answer");
        assert_eq!(status, 200, "{target}: {}", String::from_utf8_lossy(&body));
        body
    }

    pub fn json(&self, target: &str) -> Value {
        serde_json::from_slice(&self.get(target)).expect("JSON")
    }

    /// The ids of what a selector finds, in order: page by page, until there are so many.
    pub fn ids(&self, selector: &str, most: usize) -> Vec<String> {
        let (mut ids, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.json(&format!("/graph/{selector}{{r=1000}}{cursor}"));
            let items = page["Items"].as_array().expect("Items");
            ids.extend(items.iter().filter_map(|item| item["id"].as_str().map(str::to_owned)));
            match page["nextCursor"].as_str() {
                Some(next) if ids.len() < most => cursor = format!("?cursor={next}"),
                _ => return ids,
            }
        }
    }

    /// What must be done, and what is said of it.
    pub fn must(&self, head: &str, body: &str) -> Value {
        let (status, answer) = self.request(head, body).expect("an answer");
        assert!(
            (200..300).contains(&status),
            "{head}: {}",
            String::from_utf8_lossy(&answer)
        );
        serde_json::from_slice(&answer).unwrap_or(Value::Null)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address")
        .port()
}
