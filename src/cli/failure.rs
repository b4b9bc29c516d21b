//! How a command ends: its exit code, and what is said on standard error when it did not do what was asked.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use super::output::plain;

/// What scripts may rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    Done = 0,
    /// Refused, or it failed.
    Refused = 1,
    /// The command line or the settings are wrong.
    Usage = 2,
    /// The answer is no (`check`).
    No = 3,
    /// No server answers, or the database cannot be opened.
    Unreachable = 4,
    /// `verify` found damage.
    Damaged = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    /// Lower-case, without a period. Empty where there is nothing to say.
    pub message: String,
    pub help: Option<String>,
    /// Bytes of the selector that was not understood; the command that sent it draws the caret.
    pub span: Option<(usize, usize)>,
    /// The line of what was sent that was refused, from 1; the command that sent it knows where that began.
    pub line: Option<u64>,
    /// The last line of what was sent that is kept all the same.
    pub committed: Option<u64>,
}

impl Failure {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            help: None,
            span: None,
            line: None,
            committed: None,
        }
    }

    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, message)
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// On standard error. That it cannot be written there is nobody's to hear.
    pub fn tell(&self) {
        let _ = std::io::stderr().lock().write_all(self.told().as_bytes());
    }

    /// The message and, set in, what follows it. Either may quote what was imported.
    fn told(&self) -> String {
        // A no was told as the result it is.
        if self.exit == Exit::No || self.message.is_empty() {
            return String::new();
        }
        let mut lines = self
            .message
            .lines()
            .chain(self.help.iter().flat_map(|help| help.lines()));
        let first = lines.next().map_or_else(String::new, plain);
        let mut text = format!("seatgraph: {first}\n");
        for line in lines {
            text.push_str(&format!("  {}\n", plain(line)));
        }
        text
    }
}

/// Standard output is gone, or a file cannot be written. A reader that has seen enough (`| head`) is no failure worth a word,
/// but not success either.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::refused(match error.kind() {
            ErrorKind::BrokenPipe => String::new(),
            _ => error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_is_told_in_plain_letters() {
        let check = |failure: Failure, expected: &str| assert_eq!(failure.told(), expected);
        check(Failure::refused("no"), "seatgraph: no\n");
        check(
            Failure::refused("`a\u{1b}]0;x\u{7}\nb`").help("at `/\u{202e}c`\n /\u{9b}2J\n  ^"),
            "seatgraph: `a\u{fffd}]0;x\u{fffd}\n  b`\n  at `/\u{fffd}c`\n   /\u{fffd}2J\n    ^\n",
        );
        check(Failure::new(Exit::No, ""), "");
        check(std::io::Error::from(ErrorKind::BrokenPipe).into(), "");
    }
}
