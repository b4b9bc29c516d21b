//! `import`: object graphs from files or standard input, sent in requests of as many lines as the server commits at once; of
//! long lines it makes several batches. A line that is refused stops the import; what was committed before it stays, and the
//! message says how much that is.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::output::{self, Output};
use super::place::{Missing, Place};
use super::{Common, Failure, progress};
use crate::graph::LAST_KEPT_SERIAL;

/// Where worlds are taken in.
pub const PATH: &str = "/import";

/// Lines of a request: the server commits at most as many at once (design 16), and fewer while others write to it. On a
/// database that no server has open there are no others.
const BATCH: usize = 10_000;
/// Bytes of a request, so that long lines do not gather without bound.
const BATCH_BYTES: usize = 16 * 1024 * 1024;

const CONTENT_TYPE: &str = "application/x-ndjson";

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
    let sum = match args.dry_run && args.files.len() > 1 {
        true => try_together(&reached.client, args)?,
        false => {
            // Read ahead, since those who write between two batches would take the serials of the second.
            let keep = reached.is_shared() && !args.dry_run && args.from.is_none();
            let last = if keep { last_serial(&args.files)? } else { None };
            one_by_one(&reached.client, args, &target(args, last))?
        }
    };
    match common.output {
        Output::Json => output::json(&json!({"lines": sum.lines, "count": sum.changed, "dryRun": args.dry_run})),
        Output::Table if args.dry_run => output::line(&format!("{} lines would change {}", sum.lines, sum.changed)),
        Output::Table => output::line(&format!("{} lines changed {}", sum.lines, sum.changed)),
    }
}

fn one_by_one(client: &Client, args: &Import, target: &str) -> Result<Sum, Failure> {
    let mut sum = Sum::default();
    for file in &args.files {
        let taken = open(file).and_then(|opened| {
            stream(client, opened, target, args.dry_run).map_err(|mut failure| {
                failure.message = format!("{}: {}", file.display(), failure.message);
                failure
            })
        });
        let one = taken.map_err(|mut failure| {
            if sum.lines > 0 {
                let kept = format!("the {} lines of the files before it are kept", sum.lines);
                failure.help = Some(failure.help.map_or(kept.clone(), |help| format!("{kept}\n{help}")));
            }
            failure
        })?;
        sum.lines += one.lines;
        sum.changed += one.changed;
    }
    Ok(sum)
}

/// A dry run of several files is one request, for a file to see what is in those before it.
fn try_together(client: &Client, args: &Import) -> Result<Sum, Failure> {
    let (mut body, mut places) = (Vec::new(), Vec::new());
    for file in &args.files {
        let mut text = Vec::new();
        open(file)?.0.read_to_end(&mut text)?;
        let lines =
            lines(&text, args.from.is_some()).map_err(|why| Failure::refused(format!("{}: {why}", file.display())))?;
        for (number, line) in lines {
            body.extend_from_slice(&line);
            body.push(b'\n');
            places.push((file, number));
        }
    }
    send(client, &target(args, None), &mut body.as_slice()).map_err(|mut failure| {
        let place = failure.line.and_then(|line| usize::try_from(line).ok()?.checked_sub(1));
        if let Some((file, number)) = place.and_then(|place| places.get(place)) {
            failure.message = format!("{}: line {number}: {}", file.display(), failure.message);
        }
        failure
    })
}

/// A line, with its number as an import of its file alone counts.
type Numbered<'t> = (usize, Cow<'t, [u8]>);

/// A file as lines.
fn lines(text: &[u8], are_answers: bool) -> Result<Vec<Numbered<'_>>, String> {
    let is_blank = |line: &[u8]| line.trim_ascii().is_empty();
    let each = text.split(|byte| *byte == b'\n');
    if each.clone().find(|line| !is_blank(line)).is_none_or(is_document) {
        let numbered = each.enumerate().filter(|(_, line)| !is_blank(line));
        return Ok(numbered.map(|(at, line)| (at + 1, Cow::Borrowed(line))).collect());
    }
    let not_json = |error: serde_json::Error| format!("it is not JSON: {error}");
    let mut lines: Vec<Numbered<'_>> = Vec::new();
    let documents = serde_json::Deserializer::from_slice(text).into_iter::<&RawValue>();
    for (at, document) in documents.enumerate() {
        if at > 0 && !are_answers {
            return Err("something follows the end of what it begins with".to_owned());
        }
        let document = document.map_err(not_json)?;
        let elements = match document.get().starts_with('[') {
            true => serde_json::from_str(document.get()).map_err(not_json)?,
            false => vec![document],
        };
        for element in elements {
            // Ends of lines stand between what JSON is made of, never within.
            let line = element.get().replace(['\n', '\r'], " ").into_bytes();
            lines.push((lines.len() + 1, Cow::Owned(line)));
        }
    }
    Ok(lines)
}

/// The highest serial that lines of these files bring. What is no file is not read ahead, and what cannot be read, or has a serial that
/// no line may have, is the server's to refuse.
fn last_serial(files: &[PathBuf]) -> Result<Option<u64>, Failure> {
    let mut last = None;
    for file in files.iter().filter(|file| file.is_file()) {
        let opened = File::open(file).map_err(|cause| unreadable(file, &cause))?;
        last = last.max(highest(BufReader::with_capacity(256 * 1024, opened)));
    }
    Ok(last)
}

fn highest(text: impl Read) -> Option<u64> {
    let documents = serde_json::Deserializer::from_reader(text).into_iter::<Highest>();
    documents.map_while(Result::ok).filter_map(|highest| highest.0).max()
}

/// The `serial` of an object, or the highest of an array's.
struct Highest(Option<u64>);

impl<'de> Deserialize<'de> for Highest {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Serials)
    }
}

struct Serials;

impl<'de> Visitor<'de> for Serials {
    type Value = Highest;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object, or an array of objects")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Highest, A::Error> {
        let mut serial = None;
        while let Some(name) = members.next_key::<String>()? {
            if name == "serial" {
                let sent = members.next_value::<Value>()?.as_u64();
                serial = sent.filter(|serial| *serial <= LAST_KEPT_SERIAL);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Highest(serial))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Highest, A::Error> {
        let mut last = None;
        while let Some(Highest(serial)) = elements.next_element()? {
            last = last.max(serial);
        }
        Ok(Highest(last))
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
fn target(args: &Import, last_serial: Option<u64>) -> String {
    let encoded = |name: &str, value: &Option<String>| {
        let value = value.as_deref()?;
        Some(format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
    };
    let asked = [
        args.dry_run.then(|| "dryRun=true".to_owned()),
        encoded("from", &args.from),
        encoded("organization", &args.organization),
        last_serial.map(|last| format!("lastSerial={last}")),
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
    let mut source = BufReader::with_capacity(256 * 1024, bar.wrap_read(source));
    let mut sum = Sum::default();
    let mut batch = Batch::default();
    let mut line = Vec::new();
    // Those with nothing on them too.
    let mut before = 0;
    // The line of an array may be as long as all of it.
    let mut whole = dry_run || source.fill_buf()?.trim_ascii_start().starts_with(b"[");
    let mut first = true;
    while !whole {
        line.clear();
        let read = source.read_until(b'\n', &mut line)?;
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
        if first && !line.trim_ascii().is_empty() {
            first = false;
            whole = !is_document(&line);
        }
    }
    if whole {
        let begun = std::mem::take(&mut batch.body);
        sum = send(client, target, &mut begun.as_slice().chain(source)).map_err(|failure| told(failure, 0))?;
    }
    bar.finish_and_clear();
    Ok(sum)
}

/// One request, whose body is read while it is sent.
fn send(client: &Client, target: &str, body: &mut dyn Read) -> Result<Sum, Failure> {
    read(client.post_all(target, CONTENT_TYPE, body)?)
}

fn read(answer: Answer) -> Result<Sum, Failure> {
    let answer: Value = answer.json()?;
    let number = |name: &str| answer[name].as_u64().unwrap_or_default();
    Ok(Sum {
        lines: number("lines"),
        changed: number("count"),
    })
}

/// A refusal of what was sent after so many lines.
fn told(mut failure: Failure, before: u64) -> Failure {
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
}

/// One native object, as opposed to the beginning of a document that goes on over many lines.
fn is_document(line: &[u8]) -> bool {
    line.trim_ascii_start().starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(line).is_ok()
}

#[derive(Default)]
struct Batch {
    body: Vec<u8>,
    lines: usize,
}

impl Batch {
    fn push(&mut self, line: &[u8]) {
        self.body.extend_from_slice(line);
        self.lines += 1;
    }

    fn is_full(&self) -> bool {
        self.lines >= BATCH || self.body.len() >= BATCH_BYTES
    }

    fn clear(&mut self) {
        self.body.clear();
        self.lines = 0;
    }

    fn send(&self, client: &Client, target: &str, before: u64) -> Result<Sum, Failure> {
        if self.body.trim_ascii().is_empty() {
            return Ok(Sum::default());
        }
        let answer = client.post(target, CONTENT_TYPE, &self.body);
        answer.and_then(read).map_err(|failure| told(failure, before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_serial_of_a_file_is_found() {
        let check = |text: &str, expected: Option<u64>| assert_eq!(highest(text.as_bytes()), expected, "{text}");
        check("", None);
        check("{\"a\":1}\n", None);
        check(
            "{\"serial\":7}\n\n{\"serial\":9,\"metadata\":{\"serial\":99}}\n{\"serial\":8}",
            Some(9),
        );
        check("[{\"serial\":7},\n{\"a\":\"\\\"serial\\\":99\"}]", Some(7));
        check("{\n\"serial\":\n7}", Some(7));
        check("{\"serial\":7}\nnonsense", Some(7));
    }

    #[test]
    fn a_file_becomes_lines() {
        let check = |text: &str, are_answers: bool, expected: &[(usize, &str)]| {
            let found = lines(text.as_bytes(), are_answers).expect("JSON");
            let found: Vec<_> = found
                .iter()
                .map(|(number, line)| (*number, String::from_utf8_lossy(line)))
                .collect();
            let found: Vec<_> = found.iter().map(|(number, line)| (*number, &**line)).collect();
            assert_eq!(found, expected, "{text}");
        };
        check("", false, &[]);
        // What is wrong with a later line is the server's to say.
        check("\n{\"a\":1}\n\nnonsense", false, &[(2, "{\"a\":1}"), (4, "nonsense")]);
        check("[{\"a\":\n1}, 2]", false, &[(1, "{\"a\": 1}"), (2, "2")]);
        check("{\n\"a\":1}", false, &[(1, "{ \"a\":1}")]);
        check("[1]\n[2]\n{}", true, &[(1, "1"), (2, "2"), (3, "{}")]);
        for text in ["[1] {}", "{\n", "[1"] {
            assert!(lines(text.as_bytes(), false).is_err(), "{text}");
        }
    }
}
