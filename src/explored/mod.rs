//! The engine's own files once more, over threads that a test steers: shuttle decides at every lock, wait and atomic who goes on,
//! so that orders are explored which a machine hardly ever takes. Nothing is modelled but what the files ask of `sync`; its tests are the
//! engine's own (`engine/tests.rs`), which the machine's threads run too (T2 of `reliability.md`).
//!
//!     SEATGRAPH_SCHEDULES=10000 cargo test --lib explored::

mod sync;

#[allow(clippy::duplicate_mod, dead_code, unused_imports)]
#[path = "../engine/mod.rs"]
mod engine;
