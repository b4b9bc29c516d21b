//! Tests: what a test needs and this machine lacks is said in one line, and fails where no test may be skipped. The tests in
//! `tests/it` read this file too.

use std::io::Write;

/// Straight to standard error: of a test that passes, libtest keeps what `println!` and `eprintln!` write to itself.
pub fn skipped(what: &str) {
    assert_ne!(std::env::var("SEATGRAPH_TESTS").as_deref(), Ok("all"), "{what}");
    let _ = writeln!(std::io::stderr(), "skipped: {what}");
}
