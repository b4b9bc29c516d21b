//! The server inside another command, which opens as `serve` does.

use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use actix_web::dev::ServerHandle;
use actix_web::rt::System;

use super::{bind, outlast_large_files, state};
use crate::access::token::AdminToken;
use crate::cli::client::Client;
use crate::cli::open::Use;
use crate::cli::{Failure, log, secret};
use crate::engine::Engine;
use crate::http;
use crate::model::Clock;
use crate::settings::Settings;

/// A server on a loopback port of its own, for one command of this process: its administrator's token is made here and
/// told to nobody else. So a command on a file does exactly what the same command on a server does.
pub struct Inside {
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Inside {
    pub fn start(engine: Engine, settings: &Settings, what: Use) -> Result<(Self, Client), Failure> {
        log::start_inside();
        let text: String = Clock::secret().iter().map(|byte| format!("{byte:02x}")).collect();
        let listener = bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let mut settings = settings.clone();
        settings.log.slow_ms = 0;
        let secret = secret::find(&settings, what)?;
        let state = Arc::new(state(engine, &settings, AdminToken::new(&text), address, secret)?);
        let (tell, told) = mpsc::channel();
        let thread = std::thread::Builder::new().name("inside".to_owned()).spawn(move || {
            System::new().block_on(async move {
                match outlast_large_files().and_then(|()| http::server(state, listener, 1)) {
                    Ok(server) => {
                        let _ = tell.send(Ok(server.handle()));
                        let _ = server.await;
                    }
                    Err(cause) => {
                        let _ = tell.send(Err(cause));
                    }
                }
            });
        })?;
        let handle = told
            .recv()
            .map_err(|_| Failure::refused("the server inside did not start"))??;
        let client = Client::new(&format!("http://{address}"), Some(text))?;
        Ok((
            Self {
                handle,
                thread: Some(thread),
            },
            client,
        ))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // The command is sent when `stop` is called; the server's end is awaited by its thread's.
        drop(self.handle.stop(true));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
