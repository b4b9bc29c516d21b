//! Nobody keeps a connection on which nothing goes on. When just, and which connections stay, is told beside the code
//! (`http::connection`).

use std::io::{ErrorKind, Read, Write};
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
