//! `import`: object graphs from files or standard input, sent in the largest batches the server commits them in. A line that
//! is refused stops the import; what was committed before it stays, and the message says how much that is.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::client::Client;
use super::output::{self, Output};
use super::place::{Missing, Place};
use super::{Common, Failure, progress};

/// Where worlds are taken in.
pub const PATH: &str = "/import";

/// Lines of a request: the server commits at most as many at once (design 16), and fewer while others write to it. On a
/// database that no server has open there are no others.
const BATCH: usize = 10_000;
/// Bytes of a request, so that long lines do not gather without bound.
const BATCH_BYTES: usize = 16 * 1024 * 1024;

#[derive(Args)]
pub struct Import {
    /// Files of one object a line, or one JSON object or array; `-` is standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The files are this system's own answers: the JSON of its list endpoints
    #[arg(long, value_name = "SYSTEM")]
    from: Option<String>,
    /// The organization they are of, by id, alias or name; made if there is none [default: the one they name]
    #[arg(long, requires = "from")]
    organization: Option<String>,
    /// Check everything, change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: Place,
}

pub fn run(common: &Common, args: &Import) -> Result<(), Failure> {
    // Before a database is made for them. Each is opened in its turn: a pipe waits for its writer, and files may be many.
    args.files.iter().try_for_each(|file| is_there(file))?;
    let missing = match args.dry_run {
        true => Missing::InMemory,
        false => Missing::Made,
    };
    let reached = args.place.reach(common, missing)?;
    let target = target(args);
    let mut sum = Sum::default();
    for file in &args.files {
        let taken = open(file).and_then(|opened| {
            stream(&reached.client, opened, &target, args.dry_run).map_err(|mut failure| {
                failure.message = format!("{}: {}", file.display(), failure.message);
                failure
            })
        });
        let one = taken.map_err(|mut failure| {
            if sum.lines > 0 && !args.dry_run {
                let kept = format!("the {} lines of the files before it are kept", sum.lines);
                failure.help = Some(failure.help.map_or(kept.clone(), |help| format!("{kept}\n{help}")));
            }
            failure
        })?;
        sum.lines += one.lines;
        sum.changed += one.changed;
    }
    match common.output {
        Output::Json => output::json(&json!({"lines": sum.lines, "count": sum.changed, "dryRun": args.dry_run})),
        Output::Table if args.dry_run => output::line(&format!("{} lines would change {}", sum.lines, sum.changed)),
        Output::Table => output::line(&format!("{} lines changed {}", sum.lines, sum.changed)),
    }
}

/// What an import did: lines taken, and entities and relations changed by them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub lines: u64,
    pub changed: u64,
}

/// A thing to read, and how long it is, if that is known.
pub type Source = (Box<dyn Read>, Option<u64>);

pub fn open(file: &Path) -> Result<Source, Failure> {
    if file == Path::new("-") {
        return Ok((Box::new(std::io::stdin()), None));
    }
    let opened = File::open(file).map_err(|cause| unreadable(file, &cause))?;
    let length = opened.metadata().map_err(|cause| unreadable(file, &cause))?.len();
    Ok((Box::new(opened), Some(length)))
}

fn is_there(file: &Path) -> Result<(), Failure> {
    if file == Path::new("-") {
        return Ok(());
    }
    let found = file.metadata().map_err(|cause| unreadable(file, &cause))?;
    match found.is_file() {
        true => File::open(file).map(drop).map_err(|cause| unreadable(file, &cause)),
        false => Ok(()),
    }
}

fn unreadable(file: &Path, cause: &std::io::Error) -> Failure {
    Failure::refused(format!("cannot read `{}`: {cause}", file.display()))
}

/// The path of the request, with what is asked for.
fn target(args: &Import) -> String {
    let encoded = |name: &str, value: &Option<String>| {
        let value = value.as_deref()?;
        Some(format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
    };
    let asked = [
        args.dry_run.then(|| "dryRun=true".to_owned()),
        encoded("from", &args.from),
        encoded("organization", &args.organization),
    ];
    let asked: Vec<String> = asked.into_iter().flatten().collect();
    match asked.is_empty() {
        true => PATH.to_owned(),
        false => format!("{PATH}?{}", asked.join("&")),
    }
}

/// Sends it all; a dry run as one request, for its lines to see one another.
pub fn stream(client: &Client, (source, length): Source, target: &str, dry_run: bool) -> Result<Sum, Failure> {
    let bar = progress::bar("importing", length, true);
    let mut source = BufReader::with_capacity(256 * 1024, source);
    let mut sum = Sum::default();
    let mut batch = Batch::default();
    let mut first = true;
    let mut line = Vec::new();
    // Those with nothing on them too.
    let mut before = 0;
    loop {
        line.clear();
        let read = source.read_until(b'\n', &mut line)?;
        bar.inc(read as u64);
        if first && !line.trim_ascii().is_empty() {
            first = false;
            batch.whole = dry_run || !is_document(&line);
        }
        if read == 0 || batch.is_full() {
            let done = batch.send(client, target, before)?;
            sum.lines += done.lines;
            sum.changed += done.changed;
            before += batch.lines as u64;
            batch.clear();
        }
        if read == 0 {
            break;
        }
        batch.push(&line);
    }
    bar.finish_and_clear();
    Ok(sum)
}

/// One native object, as opposed to the beginning of a document that goes on over many lines.
fn is_document(line: &[u8]) -> bool {
    line.trim_ascii_start().starts_with(b"{") && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}

#[derive(Default)]
struct Batch {
    body: Vec<u8>,
    lines: usize,
    /// One document: it cannot be cut.
    whole: bool,
}

impl Batch {
    fn push(&mut self, line: &[u8]) {
        self.body.extend_from_slice(line);
        self.lines += 1;
    }

    fn is_full(&self) -> bool {
        !self.whole && (self.lines >= BATCH || self.body.len() >= BATCH_BYTES)
    }

    fn clear(&mut self) {
        self.body.clear();
        self.lines = 0;
    }

    fn send(&self, client: &Client, target: &str, before: u64) -> Result<Sum, Failure> {
        if self.body.trim_ascii().is_empty() {
            return Ok(Sum::default());
        }
        let answer = client
            .post(target, "application/x-ndjson", &self.body)
            .map_err(|mut failure| {
                // Counted over the whole file, as an editor does.
                if let Some(line) = failure.line {
                    failure.message = format!("line {}: {}", before + line, failure.message);
                }
                let before = before + failure.committed.unwrap_or(0);
                let kept = format!("the {before} lines before this batch are kept");
                failure.help = match (failure.help, before) {
                    (help, 0) => help,
                    (Some(help), _) => Some(format!("{kept}\n{help}")),
                    (None, _) => Some(kept),
                };
                failure
            })?;
        let answer: Value = answer.json()?;
        let number = |name: &str| answer[name].as_u64().unwrap_or_default();
        Ok(Sum {
            lines: number("lines"),
            changed: number("count"),
        })
    }
}
