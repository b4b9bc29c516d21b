//! The server: workers that take connections and give what comes on them to `dispatch`.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_service::ServiceFactoryExt;
use actix_web::dev::{Server, fn_service};
use tokio::net::TcpStream;

use super::State;
use super::connection::Connection;
use super::connection::sender::Sender;
use super::connection::together::Ring;
use super::connection::watch::Watch;
use super::context::Worker;
use super::dispatch::dispatch;

/// Between two requests of a connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// For the head of a request.
const REQUEST: Duration = Duration::from_secs(5);

/// For a client to close its end.
const DISCONNECT: Duration = Duration::from_secs(1);

/// For a worker.
const CONNECTIONS: usize = 10_000;

/// For the requests that are under way when the server stops, in seconds.
const SHUTDOWN: u64 = 8;

/// The server, listening; it runs when awaited, and stops gracefully by its handle. Signals are the caller's.
///
/// What actix-web's `HttpServer` does, but for what a connection does with an answer (`connection`), which that has no place for.
///
/// # Errors
/// When the listener cannot be used.
pub fn server(state: Arc<State>, listener: TcpListener, workers: usize) -> io::Result<Server> {
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(CONNECTIONS)
        .shutdown_timeout(SHUTDOWN)
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let builder = builder.listen("seatgraph", listener, move || {
        let sender = Rc::new(Sender::new(Ring::new()));
        let worker = Rc::new(Worker::new(&state.options.limits, workers, Rc::clone(&sender)));
        let watch = Rc::new(Watch::default());
        let stopping = stopping.clone();
        // No `App`: its router, which decodes every path to compare it, would have nothing to choose from.
        let state = Arc::clone(&state);
        let answer = fn_service(move |request| dispatch(Arc::clone(&state), Rc::clone(&worker), request));
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(REQUEST)
            .client_disconnect_timeout(DISCONNECT)
            .on_connect_ext(|connection: &Connection, extensions| {
                extensions.insert(connection.outgoing());
            })
            .h1(answer);
        fn_service(move |socket: TcpStream| {
            let connection = connect(socket, Rc::clone(&sender), &watch);
            async move { Ok::<_, DispatchError>(connection?) }
        })
        .and_then(http)
    })?;
    Ok(builder.run())
}

/// The connection, and who is at its other end.
fn connect(socket: TcpStream, sender: Rc<Sender>, watch: &Rc<Watch>) -> io::Result<(Connection, Option<SocketAddr>)> {
    // An answer is written whole: its end need not wait until the client has confirmed the beginning.
    socket.set_nodelay(true)?;
    let peer = socket.peer_addr().ok();
    Ok((Connection::new(socket, sender, watch), peer))
}
