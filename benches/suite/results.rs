//! What was measured, a JSON object a line in the target directory, and where: the page is written from this file alone.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::asked::Asked;
use super::wrk::Figures;

/// A figure of one side at one size.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    pub figure: String,
    /// `ours`, or a yardstick.
    pub side: String,
    pub size: u64,
    pub values: BTreeMap<String, f64>,
    /// What was asked, or why there is nothing.
    pub note: String,
}

/// Where and when.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub memory_gib: f64,
    pub kernel: String,
    pub date: String,
    pub commit: String,
    pub sizes: Vec<u64>,
    pub rounds: usize,
    pub seconds: u64,
}

pub struct Results {
    pub machine: Machine,
    pub records: Vec<Record>,
    file: Option<File>,
    started: Instant,
}

pub fn folder() -> PathBuf {
    // CARGO_TARGET_TMPDIR is target/tmp; what people look for lies beside it.
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../bench");
    fs::create_dir_all(&folder).expect("a folder for the results");
    folder.canonicalize().expect("a folder for the results")
}

fn path() -> PathBuf {
    folder().join("results.ndjson")
}

impl Results {
    pub fn begin(asked: &Asked) -> Self {
        let machine = Machine::here(asked);
        let mut file = File::create(path()).expect("the results can be written");
        writeln!(file, "{}", serde_json::to_string(&machine).expect("JSON")).expect("the results can be written");
        Self {
            machine,
            records: Vec::new(),
            file: Some(file),
            started: Instant::now(),
        }
    }

    /// Of the last run.
    pub fn read() -> Self {
        let text = fs::read_to_string(path()).unwrap_or_else(|error| {
            eprintln!(
                "no results to write about ({}): {error}; run `make bench`",
                path().display()
            );
            std::process::exit(1);
        });
        let mut lines = text.lines();
        let machine = lines.next().and_then(|line| serde_json::from_str(line).ok());
        Self {
            machine: machine.expect("the first line tells of the machine"),
            records: lines
                .map(|line| serde_json::from_str(line).expect("a record"))
                .collect(),
            file: None,
            started: Instant::now(),
        }
    }

    /// A line of progress, with the seconds since the start.
    pub fn tell(&self, line: &str) {
        eprintln!("[{:>6.0} s] {line}", self.started.elapsed().as_secs_f64());
    }

    pub fn keep(&mut self, figure: &str, side: &str, size: u64, values: &[(&str, f64)], note: &str) {
        let record = Record {
            figure: figure.to_owned(),
            side: side.to_owned(),
            size,
            values: values
                .iter()
                .map(|(name, value)| ((*name).to_owned(), *value))
                .collect(),
            note: note.to_owned(),
        };
        let told: Vec<String> = values
            .iter()
            .map(|(name, value)| format!("{name} {}", short(*value)))
            .collect();
        let why = if values.is_empty() { note } else { "" };
        self.tell(&format!("{size:>9} {figure:<28} {side:<9} {}{why}", told.join("  ")));
        if let Some(file) = &mut self.file {
            writeln!(file, "{}", serde_json::to_string(&record).expect("JSON")).expect("the results can be written");
        }
        self.records.push(record);
    }

    /// A load; without processor time where it was not looked at.
    pub fn keep_load(&mut self, figure: &str, side: &str, size: u64, figures: Figures, note: &str) {
        let mut values = vec![
            ("rate", figures.rate),
            ("p50_ms", figures.p50_ms),
            ("p99_ms", figures.p99_ms),
        ];
        if figures.cpu_micros > 0.0 {
            values.push(("cpu_us", figures.cpu_micros));
        }
        self.keep(figure, side, size, &values, note);
    }

    pub fn find(&self, figure: &str, side: &str, size: u64) -> Option<&Record> {
        let is = |record: &&Record| record.figure == figure && record.side == side && record.size == size;
        self.records.iter().rev().find(is)
    }

    pub fn value(&self, figure: &str, side: &str, size: u64, name: &str) -> Option<f64> {
        self.find(figure, side, size)?.values.get(name).copied()
    }
}

/// Three digits that matter.
pub fn short(value: f64) -> String {
    match value.abs() {
        0.0..0.01 if value != 0.0 => format!("{value:.4}"),
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => {
            let digits = format!("{value:.0}");
            let (sign, digits) = digits.strip_prefix('-').map_or(("", &digits[..]), |rest| ("-", rest));
            let mut parts: Vec<&str> = digits
                .as_bytes()
                .rchunks(3)
                .map(|part| std::str::from_utf8(part).unwrap_or(""))
                .collect();
            parts.reverse();
            format!("{sign}{}", parts.join(","))
        }
    }
}

impl Machine {
    fn here(asked: &Asked) -> Self {
        let field = |file: &str, name: &str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_once(':')
                .map(|(_, value)| value.trim().to_owned())
                .unwrap_or_default()
        };
        let memory = field("/proc/meminfo", "MemTotal");
        let kilobytes = memory.split(' ').next().and_then(|text| text.parse::<f64>().ok());
        Self {
            cpu: field("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: kilobytes.unwrap_or_default() / 1_048_576.0,
            kernel: said("uname", &["-sr"]),
            date: said("date", &["-u", "+%Y-%m-%d"]),
            commit: said("git", &["describe", "--always", "--dirty"]),
            sizes: asked.sizes.clone(),
            rounds: asked.rounds,
            seconds: asked.seconds,
        }
    }
}

/// What a command prints, in the folder of the project.
pub fn said(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    output
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default()
}
