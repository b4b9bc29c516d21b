//! Structured log lines on standard error, as text for people or as JSON for collectors.

use std::io::IsTerminal;

use tracing_subscriber::filter::LevelFilter;

use crate::settings::Log;

/// Once a process. A second call changes nothing.
pub fn start(log: &Log) {
    let level: LevelFilter = log.level.parse().unwrap_or(LevelFilter::INFO);
    let lines = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(level)
        .with_target(false);
    // Colours only where somebody sees them; what clients send is escaped either way.
    let _ = if log.format == "json" {
        lines.json().flatten_event(true).try_init()
    } else {
        lines.with_ansi(std::io::stderr().is_terminal()).try_init()
    };
}
