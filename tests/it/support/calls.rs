//! Writes that are started and answered apart, so that a test decides what waits together.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use seatgraph::engine::{Engine, Write, WriteError, Written};

use super::acts::{Act, No, perform};

pub type Answer = Result<Written, WriteError<No>>;

/// A write that waits in the queue, or was answered at once.
pub enum Started {
    Waits(Pin<Box<dyn Future<Output = Answer>>>),
    Done(Answer),
}

/// Puts the write into the queue, and does not wait for its answer.
pub fn start(engine: &Engine, write: Write, act: Act) -> Started {
    let engine = engine.clone();
    let mut future: Pin<Box<dyn Future<Output = _>>> =
        Box::pin(async move { engine.write(write, move |transaction| perform(&act, transaction)).await });
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Started::Done(answer),
        Poll::Pending => Started::Waits(future),
    }
}

pub fn finish(started: Started) -> Answer {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = runtime();
    }
    match started {
        Started::Done(answer) => answer,
        Started::Waits(future) => RUNTIME.with(|runtime| runtime.block_on(future)),
    }
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
}
