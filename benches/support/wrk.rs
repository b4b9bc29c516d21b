//! Load by `wrk` (a Debian package), and what a process used of the processors meanwhile.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::support::TOKEN;

#[derive(Clone, Copy, Default)]
pub struct Figures {
    pub rate: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub cpu_micros: f64,
    pub requests: f64,
}

/// Of each figure the middle one.
pub fn median(runs: &[Figures]) -> Figures {
    Figures {
        rate: middle(runs.iter().map(|run| run.rate)),
        p50_ms: middle(runs.iter().map(|run| run.p50_ms)),
        p99_ms: middle(runs.iter().map(|run| run.p99_ms)),
        cpu_micros: middle(runs.iter().map(|run| run.cpu_micros)),
        requests: middle(runs.iter().map(|run| run.requests)),
    }
}

pub fn middle(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

pub fn is_there() -> bool {
    Command::new("wrk").arg("-v").output().is_ok()
}

/// Runs since the start: what `{n}` stands for begins with it.
static RUNS: AtomicU64 = AtomicU64::new(0);

/// Sends the requests of a file (see `ask.lua`); every answer must be a success.
pub fn ask(port: u16, connections: u32, seconds: u64, requests: &Path) -> Figures {
    let output = Command::new("wrk")
        .args(["--latency", "-t", &connections.min(2).to_string()])
        .args(["-c", &connections.to_string(), "-d", &format!("{seconds}s"), "-s"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/ask.lua"))
        .arg(format!("http://127.0.0.1:{port}/"))
        .arg("--")
        .arg(requests)
        .args([TOKEN, &RUNS.fetch_add(1, Relaxed).to_string()])
        .output()
        .expect("wrk runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("Non-2xx"), "wrk saw errors: {text}");
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.trim().strip_prefix(name))
            .unwrap_or_else(|| panic!("no {name} in {text} {}", String::from_utf8_lossy(&output.stderr)))
            .trim()
            .to_owned()
    };
    let requests = text
        .lines()
        .find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok());
    Figures {
        rate: field("Requests/sec:").parse().expect("a rate"),
        p50_ms: millis(&field("50%")),
        p99_ms: millis(&field("99%")),
        cpu_micros: 0.0,
        requests: requests.expect("a number of requests"),
    }
}

/// wrk writes `812.00us`, `1.20ms` or `1.03s`.
fn millis(text: &str) -> f64 {
    let (number, scale) = match (text.strip_suffix("us"), text.strip_suffix("ms")) {
        (Some(number), _) => (number, 0.001),
        (_, Some(number)) => (number, 1.0),
        _ => (text.trim_end_matches('s'), 1000.0),
    };
    number.parse::<f64>().expect("a latency") * scale
}

/// Seconds of processor time a process has used, by its number or `self`; without those it waited for.
pub fn cpu(process: &str) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|text| text.parse::<f64>().ok())
            .unwrap_or_default()
    };
    (ticks(11) + ticks(12)) / 100.0
}

/// `ask`, with what each request took of a process.
pub fn measured(port: u16, process: &str, connections: u32, seconds: u64, requests: &Path) -> Figures {
    let before = cpu(process);
    let run = ask(port, connections, seconds, requests);
    let cpu_micros = (cpu(process) - before) / run.requests * 1e6;
    Figures { cpu_micros, ..run }
}
