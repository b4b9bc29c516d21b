//! A whole server on a loopback port, as `seatgraph serve` runs it, with a clock that stands still.

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use seatgraph::access::{self, token::AdminToken};
use seatgraph::engine::{self, Engine};
use seatgraph::event;
use seatgraph::http::signing::Setup;
use seatgraph::http::{self, Options, State};
use seatgraph::model::Clock;
use seatgraph::settings::Settings;
use seatgraph::signing::{self, Algorithm, Pair, Unable};
use seatgraph::storage::Storage;
use serde_json::Value;
use uuid::Uuid;

use super::client::{self, Response};

/// The administrator of every test server.
pub const ADMIN: &str = "the-administrator-of-every-test-server";

/// Who signs, on every test server.
pub const ISSUER: &str = "https://seatgraph.test";

/// An RSA key takes seconds to make: all servers of a process have the same.
fn make(algorithm: Algorithm) -> Result<Pair, Unable> {
    static RSA: OnceLock<Vec<u8>> = OnceLock::new();
    if algorithm == Algorithm::EdDsa {
        return signing::generate(algorithm);
    }
    let kept = RSA.get_or_init(|| {
        let pair = signing::generate(algorithm).expect("a key");
        pair.private().expect("its private half").as_ref().to_vec()
    });
    Pair::parse(algorithm, kept).ok_or(Unable::Fault)
}

pub struct Server {
    pub address: SocketAddr,
    pub engine: Engine,
    handle: actix_web::dev::ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(storage: Box<dyn Storage>, clock: Arc<Clock>, settings: &Settings) -> Self {
        let options = engine::Options {
            queue: settings.limits.queue as usize,
            replay_bytes: settings.limits.replay_bytes as usize,
            whose: access::whose,
            events: event::kept,
            ..engine::Options::default()
        };
        let engine = Engine::open(storage, clock, options, |_| ()).expect("a store that opens");
        let (tell, told) = mpsc::channel();
        let (inner, settings) = (engine.clone(), settings.clone());
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let options = Options::of(&settings, AdminToken::new(ADMIN));
                let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
                let address = listener.local_addr().expect("a port");
                let setup = Setup {
                    issuer: options.public_url.clone().unwrap_or_else(|| ISSUER.to_owned()).into(),
                    secret: None,
                    make,
                };
                let doors = seatgraph::doors::open(&settings.doors.open());
                let state = Arc::new(State::new(inner, options, None).signing(setup).doors(doors));
                let server = http::server(state, listener, 1).expect("a server");
                tell.send((server.handle(), address)).expect("somebody waits");
                server.await.expect("a server that ends well");
            });
        });
        let (handle, address) = told.recv().expect("a server that starts");
        Self {
            address,
            engine,
            handle,
            thread: Some(thread),
        }
    }

    /// What the administrator is answered.
    pub fn admin(&self, method: &str, target: &str, body: Option<&str>) -> Response {
        self.ask(Some(ADMIN), method, target, body, &[])
    }

    /// Imports what must be taken.
    pub fn sow(&self, lines: &str) {
        let media = [("Content-Type", "application/x-ndjson")];
        let sown = self.ask(Some(ADMIN), "POST", "/import", Some(lines), &media);
        assert_eq!(sown.status, 200, "{}", sown.text());
    }

    /// Gives id and secret.
    pub fn token(&self, wanted: Value) -> (Uuid, String) {
        let answer = self.admin("POST", "/tokens", Some(&wanted.to_string()));
        let made: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let id = made["id"].as_str().and_then(|id| id.parse().ok());
        match (id, made["token"].as_str()) {
            (Some(id), Some(text)) => (id, text.to_owned()),
            _ => panic!("no token for {wanted}: {}", answer.text()),
        }
    }

    /// What the bearer of a token is answered, or one who has none. A body is JSON, unless `more` says what else it is.
    pub fn ask(
        &self,
        token: Option<&str>,
        method: &str,
        target: &str,
        body: Option<&str>,
        more: &[(&str, &str)],
    ) -> Response {
        let authorization = token.map(|token| ("Authorization", format!("Bearer {token}")));
        let is_json = body.is_some() && !more.iter().any(|(name, _)| *name == "Content-Type");
        let media = is_json.then(|| ("Content-Type", "application/json".to_owned()));
        let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let headers = authorization.into_iter().chain(media).chain(more);
        let headers: Vec<_> = headers.map(|(name, value)| (name.to_owned(), value)).collect();
        client::send(self.address, method, target, &headers, body.map(str::as_bytes)).expect("an answer")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The future need not be awaited: the command is sent when `stop` is called.
        drop(self.handle.stop(true));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.engine.close();
    }
}
