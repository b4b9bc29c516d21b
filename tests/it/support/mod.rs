//! What several tests share: a store that waits at a gate and small things to do to a graph; a client, a server and a
//! comparison.

pub mod acts;
pub mod calls;
pub mod client;
pub mod compare;
pub mod gate;
pub mod program;
pub mod server;
#[path = "../../../src/skipped.rs"]
mod skipped;
pub mod story;

use std::path::{Path, PathBuf};

/// A path in this repository.
pub fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}
