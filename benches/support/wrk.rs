//! Load by `wrk` (a Debian package), and what a process used of the processors meanwhile.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::support::TOKEN;

#[derive(Clone, Copy)]
pub struct Figures {
    pub rate: f64,
    pub p99_ms: f64,
    pub cpu_micros: f64,
}

pub fn median(mut runs: Vec<Figures>) -> Figures {
    runs.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    let mut p99: Vec<f64> = runs.iter().map(|run| run.p99_ms).collect();
    p99.sort_by(f64::total_cmp);
    Figures {
        p99_ms: p99[p99.len() / 2],
        ..runs[runs.len() / 2]
    }
}

pub fn get(port: u16, connections: u32, seconds: u64, targets: &Path) -> Figures {
    wrk(
        port,
        connections,
        seconds,
        "benches/get.lua",
        &[targets.to_str().expect("a plain path"), TOKEN],
    )
}

pub fn wrk(port: u16, connections: u32, seconds: u64, script: &str, arguments: &[&str]) -> Figures {
    let threads = connections.min(2).to_string();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let output = Command::new("wrk")
        .args([
            "--latency",
            "-t",
            &threads,
            "-c",
            &connections.to_string(),
            "-d",
            &format!("{seconds}s"),
            "-s",
        ])
        .arg(script)
        .arg(format!("http://127.0.0.1:{port}/"))
        .arg("--")
        .args(arguments)
        .output()
        .expect("wrk runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("Non-2xx"), "wrk saw errors: {text}");
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.trim().strip_prefix(name))
            .unwrap_or_else(|| panic!("no {name} in {text}"))
            .trim()
            .to_owned()
    };
    let rate = field("Requests/sec:").parse().expect("a rate");
    let p99 = field("99%");
    let (number, scale) = match p99.strip_suffix("us") {
        Some(number) => (number, 0.001),
        None => match p99.strip_suffix("ms") {
            Some(number) => (number, 1.0),
            None => (p99.trim_end_matches('s'), 1000.0),
        },
    };
    Figures {
        rate,
        p99_ms: number.parse::<f64>().expect("a latency") * scale,
        cpu_micros: 0.0,
    }
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

/// `get`, with what each request took of a process, by its number or `self`.
pub fn measured(port: u16, process: &str, seconds: u64, targets: &Path) -> Figures {
    let before = cpu(process);
    let run = get(port, 32, seconds, targets);
    let cpu_micros = (cpu(process) - before) / (run.rate * seconds as f64) * 1e6;
    Figures { cpu_micros, ..run }
}
