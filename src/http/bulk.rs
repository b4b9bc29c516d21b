//! Whole worlds in and out: `POST /import`, `GET /export`, `GET /backup`. Streamed: neither direction is held in memory as a
//! whole, but for a dry run, which is one transaction (`limits.dry_bytes`), and a JSON object over several lines, which is one
//! document (`limits.line_bytes`).

mod export;
mod lines;
mod pace;

use std::io::Read;
use std::pin::pin;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::dev::Payload;
use actix_web::http::{StatusCode, header};
use actix_web::web::Bytes;
use futures_util::future::{Either, select};
use futures_util::{StreamExt, stream};
use serde_json::json;

pub use export::export;
use lines::{Document, Lines, not_json};
pub use pace::QUIET;
use pace::Rests;

use super::door::Door;
use super::operation::no_match;
use super::places::Place;
use super::problem::Problem;
use super::write::{self, beside, dry_turn, refuse_key, still_known};
use super::{Context, GRAPH_REVISION, auth, body, wire};
use crate::access::{Permission, Who};
use crate::engine::{Reply, Write, WriteError, Written};
use crate::error::Error;
use crate::graph::{LAST_KEPT_SERIAL, Transaction};
use crate::limits::Limits;
use crate::model::{Revision, Serial};
use crate::operation::crud::{self, ImportError};
use crate::operation::input::ImportLine;
use crate::operation::moving::{self, Entry, MovingError};
use crate::operation::passwords;

/// Lines with passwords that are hashed in one go: a fraction of a second.
const PASSWORDS: usize = 8;

/// Bytes of a chunk of a streamed answer.
const CHUNK: usize = 128 * 1024;

/// Batches of lines, each decoded and committed as one transaction, in order.
pub async fn import(context: &Context, mut payload: Payload) -> Result<HttpResponse, Problem> {
    let (_, who) = auth::enter(context).await?;
    who.require_unbound(Permission::ServerImport).map_err(Error::from)?;
    body::refuse_encoding(&context.request)?;
    refuse_key(
        &context.request,
        "an import is many commits, which no key stands for",
        "leave Idempotency-Key out; send the lines again after `committedLines`: those with an id are not made twice",
    )?;
    no_match(context)?;
    let limits = *context.limits();
    let parameters = context.parameters(&["dryRun", "from", "organization", "lastSerial"])?;
    let dry_run = parameters.flag("dryRun", false)?;
    let from = parameters.text("from").map(|name| door(context, name)).transpose()?;
    let organization = parameters.text("organization").map(str::to_owned);
    if organization.is_some() && from.is_none() {
        let problem = Problem::bad_request("unknownParameter", "`organization` is for lists of another system");
        return Err(problem.parameter("organization").help("name that system too: `from=`"));
    }
    let last_serial = last_serial(parameters.number("lastSerial")?, from.is_some())?;
    let mut importer = Importer {
        context,
        who: Arc::new(who),
        limits,
        dry_run,
        turn: None,
        from,
        organization,
        last_serial,
        lines: 0,
        committed: 0,
        changed: 0,
        revision: 0,
    };
    let mut lines = Lines::new(limits.line_bytes(), from.is_some());
    loop {
        let next = pin!(tokio::time::timeout(body::BODY_DEADLINE, payload.next()));
        let chunk = match select(next, pin!(context.state.stops())).await {
            Either::Left((Err(_), _)) => return Err(importer.stopped(body::slow())),
            Either::Left((Ok(None), _)) => break,
            Either::Left((Ok(Some(chunk)), _)) => chunk.map_err(|error| importer.stopped(body::broken(&error)))?,
            Either::Right(_) => return Err(importer.ends()),
        };
        lines.push(&chunk).map_err(|problem| importer.stopped(problem))?;
        if !dry_run {
            importer.commit_full(&mut lines.complete, false).await?;
        } else {
            short_enough_dry(lines.complete.len(), lines.bytes, &limits)?;
        }
    }
    let mut rest = lines.finish().map_err(|problem| importer.stopped(problem))?;
    if !dry_run {
        importer.commit_full(&mut rest, true).await?;
    } else if !rest.is_empty() {
        // One transaction, for its lines to see one another. The last line needs no end.
        short_enough_dry(rest.len(), rest.iter().map(|line| line.bytes.len()).sum(), &limits)?;
        importer.turn = dry_turn(context, dry_run).await?;
        importer.commit(rest).await?;
    }
    let mut answer = json!({
        "__objType": "ImportResult", "resultCode": "Success", "lines": importer.lines, "count": importer.changed,
    });
    if dry_run {
        answer["dryRun"] = json!(true);
    }
    Ok(HttpResponse::Ok()
        .insert_header((GRAPH_REVISION, importer.revision))
        .json(answer))
}

fn last_serial(asked: Option<u64>, are_lists: bool) -> Result<Option<Serial>, Problem> {
    let refused = |code, why: String, help| Problem::bad_request(code, why).parameter("lastSerial").help(help);
    match asked {
        Some(_) if are_lists => Err(refused(
            "unknownParameter",
            "`lastSerial` is for lines that bring serials".to_owned(),
            "leave it out: lists of another system bring none",
        )),
        Some(last) if last > LAST_KEPT_SERIAL => Err(refused(
            "badParameter",
            format!("`lastSerial` is `{last}`"),
            "it is the highest serial of the lines, at most 2 to the power of 62",
        )),
        asked => Ok(asked),
    }
}

/// One transaction has a bound, in lines and bytes.
fn short_enough_dry(lines: usize, bytes: usize, limits: &Limits) -> Result<(), Problem> {
    let (code, what, count, limit) = match lines as u64 > limits.dry_lines {
        true => ("tooManyLines", "lines", lines, limits.dry_lines()),
        false => ("dryRunTooLong", "bytes", bytes, limits.dry_bytes()),
    };
    if count as u64 <= limit.value {
        return Ok(());
    }
    let problem = Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        code,
        format!("a dry run takes at most {} {what}", limit.value),
    );
    Err(problem.limit(limit).help(
        "raise the limit for it, best of a server on a copy of the database: others' writes wait for a dry run, which is one transaction",
    ))
}

struct Importer<'a> {
    context: &'a Context,
    who: Arc<Who>,
    limits: Limits,
    dry_run: bool,
    /// Of a dry run.
    turn: Option<Place>,
    /// The lines are another system's own answers, read by this door.
    from: Option<usize>,
    organization: Option<String>,
    /// The highest that the lines bring: it is kept for them from the first commit on, since others create between two.
    last_serial: Option<Serial>,
    /// Objects and relations that are in.
    lines: u64,
    /// The number of the last of them.
    committed: u64,
    changed: u64,
    revision: Revision,
}

impl Importer<'_> {
    /// Every whole batch there is; at the end of the import what is left is one too.
    async fn commit_full(&mut self, documents: &mut Vec<Document>, ended: bool) -> Result<(), Problem> {
        loop {
            let alone = self.context.state.engine.is_quiet(QUIET);
            match pace::next(documents, alone, ended) {
                0 => return Ok(()),
                count => {
                    self.goes_on()?;
                    let rest = documents.split_off(count);
                    self.commit(std::mem::replace(documents, rest)).await?;
                }
            }
        }
    }

    async fn commit(&mut self, lines: Vec<Document>) -> Result<(), Problem> {
        let numbers: Vec<u64> = lines.iter().map(|line| line.number).collect();
        let limits = self.limits;
        if let Some(door) = self.from {
            return self.move_in(door, lines, &numbers).await;
        }
        let decoded = beside(move || Ok(decode(&lines, &limits))).await?;
        let mut decoded = decoded.map_err(|(at, problem)| self.failed(&numbers, at, problem))?;
        // A few at a time: whoever logs in meanwhile comes between.
        let mut from = 0;
        while let Some(next) = decoded[from..].iter().position(sets_password) {
            self.goes_on()?;
            let (at, until) = (from + next, (from + next + PASSWORDS).min(decoded.len()));
            let place = self.context.state.hashing.patient_place().await;
            let (lines, hashed) = beside(move || {
                let hashed = hash(&mut decoded[at..until], &limits);
                drop(place);
                Ok((decoded, hashed))
            })
            .await?;
            hashed.map_err(|(line, problem)| self.failed(&numbers, at + line, problem))?;
            (decoded, from) = (lines, until);
        }
        let (who, last_serial, turn) = (Arc::clone(&self.who), self.last_serial, self.turn.take());
        let run = move |transaction: &mut Transaction<'_>| -> Result<Reply, ImportError> {
            let _turn = turn;
            still_known(transaction, &who).map_err(|error| ImportError { line: 0, error })?;
            if let Some(last) = last_serial {
                let kept = transaction.reserve_serials(last);
                kept.map_err(|violation| ImportError {
                    line: 0,
                    error: violation.into(),
                })?;
            }
            crud::import(transaction, &who, &decoded)?;
            Ok(counted(crud::count(transaction)))
        };
        match self.context.state.engine.write_aside(self.write(), run).await {
            Ok(written) => {
                self.taken(&numbers, &written);
                Ok(())
            }
            Err(WriteError::Refused(refused)) => Err(self.failed(&numbers, refused.line, refused.error.into())),
            Err(other) => Err(self.not_written(other)),
        }
    }

    /// Another system's answers, each read by its door, and what they say taken in one transaction.
    async fn move_in(&mut self, door: usize, lines: Vec<Document>, numbers: &[u64]) -> Result<(), Problem> {
        let (state, limits) = (Arc::clone(&self.context.state), self.limits);
        let read = beside(move || {
            let door = &state.doors[door];
            let read = lines.iter().enumerate();
            let read = read.map(|(at, line)| read_list(door, &line.bytes, &limits).map_err(|problem| (at, problem)));
            Ok(read.collect::<Result<Vec<_>, _>>())
        });
        let documents = read.await?.map_err(|(at, problem)| self.failed(numbers, at, problem))?;
        let (who, organization, turn) = (Arc::clone(&self.who), self.organization.clone(), self.turn.take());
        let run = move |transaction: &mut Transaction<'_>| -> Result<Reply, MovingError> {
            let _turn = turn;
            still_known(transaction, &who).map_err(|error| MovingError {
                document: 0,
                at: "".into(),
                why: error.into(),
            })?;
            moving::take(transaction, &who, organization.as_deref(), &documents, &limits).map(counted)
        };
        match self.context.state.engine.write_aside(self.write(), run).await {
            Ok(written) => {
                self.taken(numbers, &written);
                Ok(())
            }
            Err(WriteError::Refused(refused)) => Err(self.failed(numbers, refused.document, refused.into())),
            Err(other) => Err(self.not_written(other)),
        }
    }

    fn write(&self) -> Write {
        write::without_key(self.context, &self.who, "Import", self.dry_run)
    }

    fn taken(&mut self, numbers: &[u64], written: &Written) {
        self.revision = written.revision;
        self.lines += numbers.len() as u64;
        self.committed = numbers.last().copied().unwrap_or(self.committed);
        let count = std::str::from_utf8(&written.reply.body).ok();
        self.changed += count.and_then(|text| text.parse().ok()).unwrap_or(0);
    }

    /// By its place in the batch.
    fn failed(&self, numbers: &[u64], at: usize, problem: Problem) -> Problem {
        let mut problem = self.stopped(problem);
        if let Some(number) = numbers.get(at) {
            problem.more.insert("line".into(), json!(number));
        }
        problem
    }

    /// Whether the batch under way is stored may not be known. What has an id can be sent again all the same.
    fn not_written<E: Into<Problem>>(&self, error: WriteError<E>) -> Problem {
        let is_unknown = matches!(error, WriteError::Unknown { .. });
        let problem = self.stopped(error.into());
        match is_unknown {
            false => problem,
            true => problem.help(
                "the server takes no writes until it is restarted; the batch after `committedLines` may be there then: look, or send \
                 the lines after them again, for those with an id are not made twice",
            ),
        }
    }

    /// A server that stops waits for no import: it says how far that came.
    fn goes_on(&self) -> Result<(), Problem> {
        if !self.context.state.is_stopping() {
            return Ok(());
        }
        Err(self.ends())
    }

    fn ends(&self) -> Problem {
        let problem = Problem::from(WriteError::<Error>::Stopped);
        self.stopped(problem.help("send the lines after `committedLines` again when it is back"))
    }

    fn stopped(&self, mut problem: Problem) -> Problem {
        problem.more.insert(
            "committedLines".into(),
            json!(if self.dry_run { 0 } else { self.committed }),
        );
        if self.revision > 0 {
            problem.revision = Some(self.revision);
        }
        problem
    }
}

fn counted(count: u64) -> Reply {
    Reply::new(200, count.to_string().into_bytes())
}

/// Its place among those that are open.
fn door(context: &Context, name: &str) -> Result<usize, Problem> {
    let mut doors = context.state.doors.iter();
    doors.position(|door| door.name == name).ok_or_else(|| {
        let open: Vec<&str> = context.state.doors.iter().map(|door| door.name).collect();
        Problem::bad_request("unknownSystem", format!("there is no open door to `{name}`"))
            .parameter("from")
            .help(match open.as_slice() {
                [] => "open one by a setting, `doors.NAME`".to_owned(),
                open => format!("open are: {}", open.join(", ")),
            })
    })
}

fn read_list(door: &Door, bytes: &[u8], limits: &Limits) -> Result<Vec<Entry>, Problem> {
    let value = serde_json::from_slice(bytes).map_err(|error| not_json(&error.to_string()))?;
    (door.entries)(&value, limits).map_err(|unread| {
        Problem::bad_request("unknownList", unread.why)
            .pointer(unread.at)
            .help("send what the system's GET endpoints answer; `docs/doors.md` names them")
    })
}

impl From<ImportError> for Problem {
    fn from(refused: ImportError) -> Self {
        refused.error.into()
    }
}

/// Lines to what they ask for; on an error the line's place in the batch.
fn decode(lines: &[Document], limits: &Limits) -> Result<Vec<ImportLine>, (usize, Problem)> {
    let mut decoded = Vec::with_capacity(lines.len());
    for (at, line) in lines.iter().enumerate() {
        let line = wire::import_line(&line.bytes, limits).map_err(|error| (at, Problem::from(error)))?;
        decoded.push(line);
    }
    Ok(decoded)
}

fn sets_password(line: &ImportLine) -> bool {
    matches!(line, ImportLine::Object(object) if passwords::count(std::slice::from_ref(object)) > 0)
}

fn hash(lines: &mut [ImportLine], limits: &Limits) -> Result<(), (usize, Problem)> {
    for (at, line) in lines.iter_mut().enumerate() {
        if let ImportLine::Object(object) = line {
            passwords::hash([object], limits).map_err(|error| (at, Problem::from(error)))?;
        }
    }
    Ok(())
}

/// A place for a copy that lies beside the database until its reader has it: so many at once.
async fn copy(context: &Context) -> Result<Place, Problem> {
    context.state.copies.place().await.ok_or_else(|| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "tooManyCopies",
            "too many backups and exports are being read",
        )
        .help("each takes room beside the database until it is read; try again when one is")
    })
}

/// A database file, consistent, made while the server goes on.
pub async fn backup(context: &Context) -> Result<HttpResponse, Problem> {
    let (graph, who) = auth::enter(context).await?;
    who.require_unbound(Permission::ServerBackup).map_err(Error::from)?;
    context.parameters(&[])?;
    drop(graph);
    let state = context.state.clone();
    let copy = copy(context).await?;
    // Each copy takes as much of the disk as the database.
    let Some(place) = state.backups.place().await else {
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "backupUnderWay",
            "another backup is being made, and others wait for it",
        )
        .help("try again when it is done"));
    };
    let wanted = Arc::new(());
    let asked = Arc::downgrade(&wanted);
    let (file, revision) = beside(move || {
        let _place = place;
        let Some(backup) = &state.backup else {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "nothingToBackUp",
                "this server keeps no database file",
            )
            .help("`GET /export` gives what it holds"));
        };
        // What the copy has, and perhaps more.
        let revision = state.engine.revision();
        let mut rests = Rests::new(state.engine.clone());
        // Whoever asked may be gone, and then nobody holds `wanted`.
        let goes_on = || {
            rests.rest();
            asked.strong_count() > 0 && !state.is_stopping()
        };
        let file = backup(&mut { goes_on }).map_err(|why| {
            tracing::error!(%why, "a backup failed");
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "backupFailed",
                "the backup could not be made",
            )
            .help("the server's log says why: perhaps the disk has no room for it")
        })?;
        Ok((file, revision))
    })
    .await?;
    drop(wanted);
    let rests = Rests::new(context.state.engine.clone());
    let chunks = stream::unfold(Some((file, rests, copy)), |reading| async {
        let (mut file, mut rests, copy) = reading?;
        let read = actix_web::web::block(move || {
            rests.begin();
            let mut chunk = vec![0; CHUNK];
            let length = file.read(&mut chunk)?;
            chunk.truncate(length);
            rests.rest();
            Ok::<_, std::io::Error>(((file, rests, copy), chunk))
        });
        match read.await {
            Ok(Ok((_, chunk))) if chunk.is_empty() => None,
            Ok(Ok((reading, chunk))) => Some((Ok(Bytes::from(chunk)), Some(reading))),
            Ok(Err(error)) => Some((Err(actix_web::Error::from(error)), None)),
            Err(error) => Some((Err(actix_web::Error::from(error)), None)),
        }
    });
    Ok(HttpResponse::Ok()
        .insert_header((GRAPH_REVISION, revision))
        .insert_header((header::CONTENT_TYPE, "application/vnd.sqlite3"))
        .insert_header((header::CONTENT_DISPOSITION, "attachment; filename=\"seatgraph.db\""))
        .streaming(chunks))
}
