//! Structured log lines on standard error, as text for people or as JSON for collectors.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::settings::Log;

/// Once a process. A second call changes nothing.
pub fn start(log: &Log) {
    // What the HTTP library says of its workers is news only when something is wrong.
    let filter = EnvFilter::new(format!("{},actix_server=warn", log.level));
    let lines = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(filter)
        .with_target(false);
    // Colours only where somebody sees them; what clients send is escaped either way.
    let _ = if log.format == "json" {
        lines.json().flatten_event(true).try_init()
    } else {
        lines.with_ansi(std::io::stderr().is_terminal()).try_init()
    };
}
