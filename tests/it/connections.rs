//! Nobody keeps a connection on which nothing goes on. When just, and which connections stay, is told beside the code
//! (`http::connection`).

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use seatgraph::model::{Clock, Time};
use seatgraph::settings::Settings;
use seatgraph::storage::Memory;

use crate::support::server::{ADMIN, Server};

const LIVE: &str = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
/// Longer than any connection is kept without use, however slow this machine is.
const LONG: Duration = Duration::from_secs(90);

/// Sends the first text, then `drops` again and again, half a second apart, until the server ends the connection; what it
/// said until then.
fn until_ended(server: SocketAddr, first: &str, drops: &str) -> String {
    let mut stream = TcpStream::connect(server).expect("a connection");
    stream.write_all(first.as_bytes()).expect("sent");
    stream
        .set_read_timeout(Some(Duration::from_millis(500)))
        .expect("a setting");
    let (began, mut said) = (Instant::now(), Vec::new());
    while began.elapsed() < LONG {
        let mut some = [0; 4096];
        match stream.read(&mut some) {
            Ok(0) => return String::from_utf8(said).expect("text"),
            Ok(count) => said.extend_from_slice(&some[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                // That it is ended may be heard of here first.
                if stream.write_all(drops.as_bytes()).is_err() {
                    return String::from_utf8(said).expect("text");
                }
            }
            Err(_) => return String::from_utf8(said).expect("text"),
        }
    }
    panic!("{first:?}, then {drops:?}, is kept for {LONG:?}");
}

#[test]
fn what_is_not_used_is_ended() {
    let server = Server::start(
        Box::new(Memory::new()),
        Arc::new(Clock::frozen(Time(1_800_000_000_000))),
        &Settings::default(),
    );
    let address = server.address;
    let body = "POST /graph HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let cases = [
        // A body that was answered and does not end.
        (body.to_owned(), "", "HTTP/1.1 401"),
        (body.to_owned(), "1\r\nx\r\n", "HTTP/1.1 401"),
        // A later head that comes by drops, or not at all.
        (LIVE.to_owned(), "G", "HTTP/1.1 200"),
        (format!("{LIVE}GET /heal"), "", "HTTP/1.1 200"),
        ("GET /heal".to_owned(), "t", ""),
    ];
    std::thread::scope(|scope| {
        // Nothing is said for longer than any connection is kept without use, and this one is used.
        scope.spawn(move || {
            let mut stream = TcpStream::connect(address).expect("a connection");
            let asked = format!("GET /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\n\r\n");
            stream.write_all(asked.as_bytes()).expect("sent");
            stream
                .set_read_timeout(Some(Duration::from_millis(500)))
                .expect("a setting");
            let began = Instant::now();
            while began.elapsed() < Duration::from_secs(21) {
                let read = stream.read(&mut [0; 4096]);
                assert!(!matches!(read, Ok(0)), "ended after {:?}", began.elapsed());
            }
        });
        for (first, drops, said) in &cases {
            scope.spawn(move || {
                let told = until_ended(address, first, drops);
                assert!(told.starts_with(said), "{first:?}: {told}");
            });
        }
    });
}

/// What one answer is: its status, whether it ends the connection, how long it says its body is, and its body.
type Answer = (u16, bool, Option<usize>, String);

/// The next answer of a connection to a request by this method; nothing at its end.
fn next_answer(from: &mut impl BufRead, is_head: bool) -> Option<Answer> {
    let mut line = String::new();
    from.read_line(&mut line).expect("a line");
    let status = line.split(' ').nth(1)?.parse().expect("a status");
    let (mut closes, mut length, mut is_chunked) = (line.starts_with("HTTP/1.0"), None, false);
    loop {
        line.clear();
        from.read_line(&mut line).expect("a line");
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        match name {
            "connection" => closes = value == "close",
            "content-length" => length = Some(value.parse().expect("a length")),
            "transfer-encoding" => is_chunked = true,
            _ => {}
        }
    }
    let mut body = Vec::new();
    if is_head {
    } else if is_chunked {
        loop {
            line.clear();
            from.read_line(&mut line).expect("a size");
            let size = usize::from_str_radix(line.trim_end(), 16).expect("a size");
            let before = body.len();
            body.resize(before + size, 0);
            from.read_exact(&mut body[before..]).expect("a chunk");
            line.clear();
            from.read_line(&mut line).expect("its end");
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = length {
        body.resize(length, 0);
        from.read_exact(&mut body).expect("a body");
    } else {
        from.read_to_end(&mut body).expect("a body");
    }
    Some((status, closes, length, String::from_utf8(body).expect("text")))
}

/// All answers to what is sent at once, with what is left when a connection that ends has ended.
fn answers(server: SocketAddr, requests: &[&str]) -> Vec<Answer> {
    let mut stream = TcpStream::connect(server).expect("a connection");
    stream.write_all(requests.concat().as_bytes()).expect("sent");
    stream.set_read_timeout(Some(LONG)).expect("a setting");
    let mut from = BufReader::new(stream);
    let mut found = Vec::new();
    for request in requests {
        let Some(answer) = next_answer(&mut from, request.starts_with("HEAD")) else {
            break;
        };
        let closes = answer.1;
        found.push(answer);
        if closes {
            assert_eq!(from.read(&mut [0]).expect("its end"), 0, "{requests:?}");
            break;
        }
    }
    found
}

/// actix-http reads ahead, and would answer by what it read last.
#[test]
fn an_answer_is_the_same_whatever_comes_behind_its_request() {
    let server = Server::start(
        Box::new(Memory::new()),
        Arc::new(Clock::frozen(Time(1_800_000_000_000))),
        &Settings::default(),
    );
    let ask = |line: &str, more: &str| {
        format!("{line}\r\nHost: x\r\nX-Request-Id: r\r\nAuthorization: Bearer {ADMIN}\r\n{more}")
    };
    let made = r#"{"__objType":"Organization","id":"0a000000-0000-4000-8000-000000000000","name":"A"}"#;
    let json = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", made.len());
    let chunked = format!(
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n7\r\n\n\n\"B\"}}\n\r\n0\r\n\r\n",
        made.len() - 4,
        &made[..made.len() - 4],
    );
    let make = format!("{}\r\n{made}", ask("POST /graph HTTP/1.1", &json));
    assert_eq!(answers(server.address, &[&make])[0].0, 200);
    let requests = [
        // Answered at once, after a wait, and in pieces.
        ask("GET /graph/Organization HTTP/1.1", "\r\n"),
        ask("GET /audit HTTP/1.1", "\r\n"),
        ask("GET /export HTTP/1.1", "\r\n"),
        ask("HEAD /graph/Organization HTTP/1.1", "\r\n"),
        ask("HEAD /audit HTTP/1.1", "\r\n"),
        ask("HEAD /export HTTP/1.1", "\r\n"),
        // With bodies, one of them never read.
        format!("{}\r\n{made}", ask("POST /graph?dryRun=true HTTP/1.1", &json)),
        ask("PUT /graph?dryRun=true HTTP/1.1", &chunked),
        format!("POST /graph HTTP/1.1\r\nHost: x\r\nX-Request-Id: r\r\n{json}\r\n{made}"),
        // The connection ends with them.
        format!(
            "POST /graph HTTP/1.1\r\nHost: x\r\nX-Request-Id: r\r\nContent-Length: 100000\r\n\r\n{}",
            "x".repeat(100_000)
        ),
        ask("GET /audit HTTP/1.1", "Connection: close\r\n\r\n"),
        ask("GET /audit HTTP/1.0", "\r\n"),
        ask("GET /export HTTP/1.0", "\r\n"),
        // A target that would be cut.
        ask("DELETE /graph/Organization#?dryRun=true HTTP/1.1", "\r\n"),
    ];
    let alone: Vec<Answer> = requests
        .iter()
        .map(|request| answers(server.address, &[request]).remove(0))
        .collect();
    assert_eq!(alone[13].0, 400);
    assert!(alone[13].3.contains("brokenTarget"), "{}", alone[13].3);
    // More behind the last request than is read at once takes back nothing of its answer.
    let long = ask("GET /openapi.json HTTP/1.1", "Connection: close\r\n\r\n");
    assert_eq!(
        answers(server.address, &[&long, &LIVE.repeat(5000)]),
        answers(server.address, &[&long])
    );
    for (first, first_alone) in requests.iter().zip(&alone) {
        for (second, second_alone) in requests.iter().zip(&alone) {
            let found = answers(server.address, &[first, second, first]);
            let wanted = [first_alone, second_alone, first_alone];
            let last = wanted.iter().position(|(_, closes, ..)| *closes).unwrap_or(2);
            assert_eq!(
                found.iter().collect::<Vec<_>>(),
                wanted[..=last],
                "{first:?}, then {second:?}"
            );
        }
    }
}

/// Nobody here speaks anything but HTTP/1.1: whoever offers to is answered as if it had not, and told that the connection ends.
#[test]
fn an_upgrade_is_not_taken_up() {
    let server = Server::start(
        Box::new(Memory::new()),
        Arc::new(Clock::frozen(Time(1_800_000_000_000))),
        &Settings::default(),
    );
    for upgrade in ["h2c", "websocket"] {
        let asked =
            format!("GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\n\r\n");
        let told = until_ended(server.address, &asked, "");
        assert!(told.starts_with("HTTP/1.1 200"), "{upgrade}: {told}");
        let head = told.to_ascii_lowercase();
        assert!(head.contains("\r\nconnection: close\r\n"), "{upgrade}: {told}");
        assert!(!head.contains("upgrade"), "{upgrade}: {told}");
    }
}
