//! A program of tests/clients that uses a client others publish: it is asked a line at a time. Needs Node 18 or later and `npm ci` there.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use super::path;
use super::skipped::skipped;

/// The vendor's program, with a pipe to it and one back.
pub struct Program {
    child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Program {
    /// `None` where it cannot run, which is said, and is a failure where no test may be skipped.
    pub fn start(package: &str, script: &str) -> Option<Self> {
        match Self::try_start(package, script) {
            Ok(program) => Some(program),
            Err(missing) => {
                skipped(&format!("{package}: {missing}"));
                None
            }
        }
    }

    /// `Err`: what is missing.
    fn try_start(package: &str, script: &str) -> Result<Self, String> {
        let version = Command::new("node").arg("--version").output();
        let version = version.map_err(|error| format!("Node cannot be run: {error}"))?;
        let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
        let major = version.trim_start_matches('v').split('.').next();
        if major
            .and_then(|major| major.parse().ok())
            .is_none_or(|major: u32| major < 18)
        {
            return Err(format!("Node is `{version}`, and 18 is needed"));
        }
        let folder = path("tests/clients");
        if !folder.join("node_modules").join(package).is_dir() {
            return Err("the client is not there: run `npm ci` in tests/clients".to_owned());
        }
        let mut child = Command::new("node")
            .arg(script)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("Node cannot be run: {error}"))?;
        let asks = child.stdin.take().expect("it was asked for");
        let answers = BufReader::new(child.stdout.take().expect("it was asked for"));
        Ok(Self { child, asks, answers })
    }

    pub fn ask(&mut self, request: &Value) -> Value {
        writeln!(self.asks, "{request}").expect("it reads");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it answers");
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("no answer to {request}: `{line}`"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
