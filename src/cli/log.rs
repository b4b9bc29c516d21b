//! Structured log lines on standard error, as text for people or as JSON for collectors.

use std::fmt::Debug;
use std::io::IsTerminal;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::settings::Log;

/// Once a process. A second call changes nothing.
pub fn start(log: &Log) {
    // Colours only where somebody sees them; what clients send is escaped either way.
    let _ = lines(log, std::io::stderr, std::io::stderr().is_terminal()).try_init();
}

/// The log of a server inside a command: its errors, with the causes that its answers leave to the log.
pub fn start_inside() {
    let _ = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(EnvFilter::new("seatgraph=error"))
        .log_internal_errors(false)
        .without_time()
        .with_target(false)
        .with_ansi(false)
        .finish()
        .try_init();
}

fn lines<W>(log: &Log, writer: W, colours: bool) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // What the HTTP library says of its workers is news only when something is wrong.
    let filter = EnvFilter::new(format!("{},actix_server=warn", log.level));
    let lines = tracing_subscriber::fmt()
        .with_writer(writer)
        .with_env_filter(filter)
        // A line that cannot be written is nobody's to hear: to say so on standard error would panic where that is what is gone.
        .log_internal_errors(false)
        .with_target(false);
    let unread = Unread {
        is_told: matches!(log.level.as_str(), "debug" | "trace"),
    };
    if log.format == "json" {
        Box::new(lines.json().flatten_event(true).finish().with(unread))
    } else {
        Box::new(lines.with_ansi(colours).finish().with(unread))
    }
}

/// Keeps back what the HTTP library calls an error where a client sent what is no request: whoever reaches the port could
/// fill the log with it.
struct Unread {
    is_told: bool,
}

impl<S: Subscriber> Layer<S> for Unread {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let told = event.metadata();
        if self.is_told || *told.level() != Level::ERROR || told.target() != "actix_http::h1::dispatcher" {
            return true;
        }
        let mut said = Said(false);
        event.record(&mut said);
        !said.0
    }
}

/// Does a message say that a request could not be read?
struct Said(bool);

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 |= field.name() == "message" && format!("{value:?}").starts_with("stream error: request parse error");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logged::Lines;

    #[test]
    fn what_is_no_request_is_told_to_who_looks_for_it() {
        for (level, expected) in [("info", 2), ("error", 2), ("debug", 3), ("trace", 3)] {
            for format in ["text", "json"] {
                let log = Log {
                    level: level.to_owned(),
                    format: format.to_owned(),
                    requests: false,
                    slow_ms: 0,
                };
                let kept = Lines::default();
                let writer = kept.clone();
                tracing::subscriber::with_default(lines(&log, move || writer.clone(), false), || {
                    let error = "request parse error: invalid HTTP version specified";
                    tracing::error!(target: "actix_http::h1::dispatcher", "stream error: {error}");
                    tracing::error!(target: "actix_http::h1::dispatcher", "stream error: I/O error: gone");
                    tracing::error!("stream error: request parse error, of somebody else");
                });
                let told = kept.text();
                assert_eq!(told.lines().count(), expected, "{level} {format}: {told}");
            }
        }
    }
}
