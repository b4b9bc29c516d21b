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
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Waits for what another thread brings about.
pub fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(30), "never: {what}");
        thread::yield_now();
    }
}

/// By the shell's own `kill`, which every machine has.
pub fn signal(process: u32, name: &str) {
    let line = format!("kill {name} {process}");
    let sent = Command::new("sh").args(["-c", &line]).status().expect("a shell");
    assert!(sent.success(), "the signal was not sent");
}

/// A path in this repository.
pub fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// The world of `fixtures/seed` that is called so, as an import takes it.
pub fn seed(name: &str) -> String {
    std::fs::read_to_string(path("fixtures/seed").join(format!("{name}.ndjson"))).expect("a seed")
}

/// Objects as an import takes them.
pub fn lines(objects: impl IntoIterator<Item = Value>) -> String {
    objects.into_iter().map(|object| format!("{object}\n")).collect()
}

/// The program itself. It is started by `seatgraph`, or by a command that is set `apart`.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_seatgraph");

/// The program, with nothing of the caller's own settings and a place of its own.
pub fn seatgraph(folder: &Path, line: &str) -> Command {
    let mut command = apart(Command::new(PROGRAM));
    command.current_dir(folder).args(line.split_whitespace());
    command
}

/// A command without the caller's settings, which are the tests' own as well: the program knows no `SEATGRAPH_KILLS`.
pub fn apart(mut command: Command) -> Command {
    // A server built to be without a guard is told which.
    let is_kept = |name: &str| cfg!(feature = "mutants") && name == "SEATGRAPH_MUTANT";
    let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    for name in names.filter(|name| name.starts_with("SEATGRAPH_") && !is_kept(name)) {
        command.env_remove(name);
    }
    command
}
