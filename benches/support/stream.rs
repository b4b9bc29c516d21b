//! Requests over connections that stay open, each answer looked at.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::support::TOKEN;

pub const JSON: &str = "application/json";
pub const FORM: &str = "application/x-www-form-urlencoded";
/// What the envelope of a change that was made has.
pub const SUCCESS: &str = "\"resultCode\":\"Success\"";

/// A connection that stays open.
pub struct Stream(BufReader<TcpStream>);

impl Stream {
    pub fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        stream.set_nodelay(true).expect("a connection");
        stream
            .set_read_timeout(Some(Duration::from_secs(600)))
            .expect("a connection");
        Self(BufReader::new(stream))
    }

    /// The body of the answer, which has what is wanted.
    pub fn ask(&mut self, request: &str, wanted: &str) -> String {
        self.0.get_mut().write_all(request.as_bytes()).expect("a request");
        let mut length = 0;
        let mut line = String::new();
        loop {
            line.clear();
            self.0.read_line(&mut line).expect("an answer");
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).expect("an answer");
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains(wanted), "{request}\n{text}");
        text.into_owned()
    }
}

pub fn post(target: &str, media: &str, body: &str) -> String {
    send("POST", target, Some(media), body)
}

/// A request as text; without a type it has no body.
pub fn send(method: &str, target: &str, media: Option<&str>, body: &str) -> String {
    let typed = media.map_or(String::new(), |media| {
        format!("Content-Type: {media}\r\nContent-Length: {}\r\n", body.len())
    });
    format!("{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n{typed}\r\n{body}")
}

/// All requests, over as many connections, each asking one after the other.
pub fn blast(port: u16, connections: usize, requests: &[String], wanted: &str) {
    let share = requests.len().div_ceil(connections);
    std::thread::scope(|scope| {
        for part in requests.chunks(share) {
            scope.spawn(move || {
                let mut stream = Stream::open(port);
                for request in part {
                    stream.ask(request, wanted);
                }
            });
        }
    });
}
