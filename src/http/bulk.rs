//! Whole worlds in and out: `POST /import`, `GET /export`, `GET /backup`. Streamed: neither direction is ever held in
//! memory as a whole.

use std::io::Read;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::dev::Payload;
use actix_web::http::{StatusCode, header};
use actix_web::web::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use serde_json::json;
use tokio::sync::mpsc;

use super::problem::{Problem, internal};
use super::write::{beside, refuse_key, still_known};
use super::{Context, GRAPH_REVISION, auth, body, wire};
use crate::access::{Permission, Who};
use crate::engine::{Reply, Write, WriteError};
use crate::graph::{Graph, Transaction};
use crate::limits::{Limit, Limits};
use crate::model::Revision;
use crate::operation::crud::{self, ImportError};
use crate::operation::input::ImportLine;

/// Lines that are one transaction (design 16).
pub const BATCH: usize = 10_000;

/// Bytes of a chunk of a streamed answer.
const CHUNK: usize = 128 * 1024;

/// Batches of lines, each decoded and committed as one transaction, in order.
pub async fn import(context: &Context, mut payload: Payload) -> Result<HttpResponse, Problem> {
    let who = auth::authenticate(context, &context.state.engine.snapshot())?;
    auth::require_unbound(&who, Permission::ServerImport)?;
    body::refuse_encoding(&context.request)?;
    refuse_key(
        &context.request,
        "an import is many commits, which no key stands for",
        "leave Idempotency-Key out; send the lines again after `committedLines`: those with an id are not made twice",
    )?;
    let limits = *context.limits();
    let dry_run = context.parameters(&["dryRun"])?.flag("dryRun", false)?;
    let mut importer = Importer {
        context,
        who: Arc::new(who),
        limits,
        dry_run,
        lines: 0,
        changed: 0,
        revision: 0,
    };
    let mut lines = Lines::new(limits.body_bytes);
    // A dry run is one transaction, for its lines to see one another; it may be as long as an operation's targets.
    let batch = if dry_run { limits.targets as usize } else { BATCH };
    loop {
        let chunk = match tokio::time::timeout(body::BODY_DEADLINE, payload.next()).await {
            Err(_) => return Err(importer.stopped(body::slow())),
            Ok(None) => break,
            Ok(Some(chunk)) => chunk.map_err(|error| {
                importer.stopped(Problem::bad_request(
                    "brokenBody",
                    format!("the body broke off: {error}"),
                ))
            })?,
        };
        lines.push(&chunk).map_err(|problem| importer.stopped(problem))?;
        while lines.complete.len() >= batch {
            if dry_run {
                let limit = Limit {
                    name: "targets",
                    value: limits.targets,
                };
                return Err(Problem::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "tooManyLines",
                    "a dry run takes fewer lines",
                )
                .limit(limit));
            }
            let rest = lines.complete.split_off(batch);
            let full = std::mem::replace(&mut lines.complete, rest);
            importer.commit(full).await?;
        }
    }
    let rest = lines.finish().map_err(|problem| importer.stopped(problem))?;
    if !rest.is_empty() {
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

struct Importer<'a> {
    context: &'a Context,
    who: Arc<Who>,
    limits: Limits,
    dry_run: bool,
    lines: u64,
    changed: u64,
    revision: Revision,
}

impl Importer<'_> {
    async fn commit(&mut self, lines: Vec<Bytes>) -> Result<(), Problem> {
        let count = lines.len() as u64;
        let limits = self.limits;
        let decoded = beside(move || Ok(decode(&lines, &limits))).await?;
        let decoded = decoded.map_err(|(at, problem)| self.failed(at, problem))?;
        let who = Arc::clone(&self.who);
        let write = Write {
            by: who.principal,
            operation: "Import".into(),
            request_id: self.context.request_id.clone(),
            idempotency: None,
            dry_run: self.dry_run,
        };
        let run = move |transaction: &mut Transaction<'_>| -> Result<Reply, ImportError> {
            still_known(transaction, &who).map_err(|error| ImportError { line: 0, error })?;
            let count = crud::import(transaction, &who, &decoded)?;
            Ok(Reply {
                status: 200,
                body: Arc::from(count.to_string().into_bytes()),
            })
        };
        match self.context.state.engine.write(write, run).await {
            Ok(written) => {
                self.revision = written.revision;
                self.lines += count;
                self.changed += std::str::from_utf8(&written.reply.body)
                    .ok()
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(0);
                Ok(())
            }
            Err(WriteError::Refused(refused)) => Err(self.failed(refused.line, refused.error.into())),
            Err(other) => Err(self.stopped(other.into())),
        }
    }

    /// The line is counted from 1 over the whole import.
    fn failed(&self, at: usize, problem: Problem) -> Problem {
        let mut problem = self.stopped(problem);
        problem.more.insert("line".into(), json!(self.lines + at as u64 + 1));
        problem
    }

    fn stopped(&self, mut problem: Problem) -> Problem {
        problem.more.insert(
            "committedLines".into(),
            json!(if self.dry_run { 0 } else { self.lines }),
        );
        problem
    }
}

impl From<ImportError> for Problem {
    fn from(refused: ImportError) -> Self {
        refused.error.into()
    }
}

/// Lines to what they ask for; on an error the line's place in the batch.
pub fn decode(lines: &[Bytes], limits: &Limits) -> Result<Vec<ImportLine>, (usize, Problem)> {
    let mut decoded = Vec::with_capacity(lines.len());
    for (at, line) in lines.iter().enumerate() {
        let line = wire::import_line(line, limits).map_err(|error| (at, Problem::from(error)))?;
        decoded.push(line);
    }
    // A password is rare in an import; which line it stood on is in the pointer.
    crate::operation::input::prepare_lines(&mut decoded).map_err(|error| (0, error.into()))?;
    Ok(decoded)
}

/// Cuts a stream of bytes into documents: one a line; or, where it does not begin so, the whole as one JSON document.
pub struct Lines {
    rest: BytesMut,
    pub complete: Vec<Bytes>,
    /// Bytes a line may have.
    limit: u64,
    shape: Shape,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Unknown,
    Lines,
    Whole,
}

impl Lines {
    pub fn new(limit: u64) -> Self {
        Self {
            rest: BytesMut::new(),
            complete: Vec::new(),
            limit,
            shape: Shape::Unknown,
        }
    }

    pub fn push(&mut self, chunk: &[u8]) -> Result<(), Problem> {
        let seen = self.rest.len();
        self.rest.extend_from_slice(chunk);
        let mut from = seen;
        while self.shape != Shape::Whole {
            let Some(at) = self.rest[from..].iter().position(|byte| *byte == b'\n') else {
                break;
            };
            let line = self.rest.split_to(from + at + 1).freeze();
            from = 0;
            let trimmed = line.trim_ascii();
            if trimmed.is_empty() {
                continue;
            }
            if self.shape == Shape::Unknown && (trimmed[0] == b'[' || !is_document(trimmed)) {
                self.shape = Shape::Whole;
                let mut whole = BytesMut::from(&line[..]);
                whole.extend_from_slice(&self.rest);
                self.rest = whole;
                break;
            }
            self.shape = Shape::Lines;
            self.complete.push(line);
        }
        if self.rest.len() as u64 > self.limit {
            let limit = Limit {
                name: "body_bytes",
                value: self.limit,
            };
            return Err(
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "bodyTooLarge", "a line is too long")
                    .limit(limit)
                    .help("send one object a line; only those are streamed"),
            );
        }
        Ok(())
    }

    /// What is left: the last line, or the elements of the one document.
    pub fn finish(mut self) -> Result<Vec<Bytes>, Problem> {
        let rest = self.rest.freeze();
        if rest.trim_ascii().is_empty() {
            return Ok(self.complete);
        }
        if self.shape == Shape::Lines || rest.trim_ascii()[0] != b'[' {
            self.complete.push(rest);
            return Ok(self.complete);
        }
        let elements: Vec<&serde_json::value::RawValue> = serde_json::from_slice(&rest).map_err(|error| {
            Problem::bad_request("notJson", format!("the body is not JSON: {error}"))
                .help("send one object a line, or one JSON object or array")
        })?;
        Ok(elements
            .into_iter()
            .map(|element| Bytes::copy_from_slice(element.get().as_bytes()))
            .collect())
    }
}

fn is_document(line: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}

/// Everything but tokens, in an order that `import` takes: parents before children, relations last.
pub async fn export(context: &Context) -> Result<HttpResponse, Problem> {
    let (graph, who) = auth::enter(context).await?;
    auth::require_unbound(&who, Permission::ServerExport)?;
    context.parameters(&[])?;
    let revision = graph.revision();
    let (sender, receiver) = mpsc::channel::<Bytes>(4);
    std::thread::Builder::new()
        .name("export".into())
        .spawn(move || {
            let mut out = Vec::with_capacity(CHUNK + 4096);
            // A receiver that is gone ends the export.
            let _ = write_export(&graph, |line| {
                line(&mut out);
                if out.len() < CHUNK {
                    return Ok(());
                }
                let full = std::mem::replace(&mut out, Vec::with_capacity(CHUNK + 4096));
                sender.blocking_send(Bytes::from(full))
            });
            let _ = sender.blocking_send(Bytes::from(out));
        })
        .map_err(|_| internal("no thread for the export"))?;
    let chunks = stream::unfold(receiver, |mut receiver| async {
        let chunk = receiver.recv().await?;
        Some((Ok::<_, actix_web::Error>(chunk), receiver))
    });
    Ok(HttpResponse::Ok()
        .insert_header((GRAPH_REVISION, revision))
        .insert_header((header::CONTENT_TYPE, "application/x-ndjson"))
        .streaming(chunks))
}

/// Gives `each` one function a line, which appends the line; stops at the first error `each` gives.
pub fn write_export<E>(
    graph: &Graph,
    mut each: impl FnMut(&mut dyn FnMut(&mut Vec<u8>)) -> Result<(), E>,
) -> Result<(), E> {
    for &kind in wire::export_order() {
        for node in graph.of_kind(kind, None) {
            each(&mut |out| wire::export_entity(out, node))?;
        }
    }
    for relation in graph.relations() {
        if wire::is_exported(&relation) {
            each(&mut |out| wire::export_relation(out, &relation))?;
        }
    }
    Ok(())
}

/// A database file, consistent, made while the server goes on.
pub async fn backup(context: &Context) -> Result<HttpResponse, Problem> {
    let who = auth::authenticate(context, &context.state.engine.snapshot())?;
    auth::require_unbound(&who, Permission::ServerBackup)?;
    let state = context.state.clone();
    let file = beside(move || {
        let Some(backup) = &state.backup else {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "nothingToBackUp",
                "this server keeps no database file",
            )
            .help("`GET /export` gives what it holds"));
        };
        backup().map_err(|why| {
            tracing::error!(%why, "a backup failed");
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "backupFailed",
                "the backup could not be made",
            )
        })
    })
    .await?;
    let chunks = stream::unfold(Some(file), |file| async {
        let mut file = file?;
        let read = actix_web::web::block(move || {
            let mut chunk = vec![0; CHUNK];
            let length = file.read(&mut chunk)?;
            chunk.truncate(length);
            Ok::<_, std::io::Error>((file, chunk))
        });
        match read.await {
            Ok(Ok((_, chunk))) if chunk.is_empty() => None,
            Ok(Ok((file, chunk))) => Some((Ok(Bytes::from(chunk)), Some(file))),
            Ok(Err(error)) => Some((Err(actix_web::Error::from(error)), None)),
            Err(error) => Some((Err(actix_web::Error::from(error)), None)),
        }
    });
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/vnd.sqlite3"))
        .insert_header((header::CONTENT_DISPOSITION, "attachment; filename=\"seatgraph.db\""))
        .streaming(chunks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_cut_from_any_chunks() {
        let check = |text: &str, expected: &[&str]| {
            for size in 1..=text.len().max(1) {
                let mut lines = Lines::new(1000);
                for chunk in text.as_bytes().chunks(size) {
                    assert!(lines.push(chunk).is_ok());
                }
                let complete = lines.finish().map_err(|problem| problem.detail);
                let texts: Vec<String> = complete
                    .expect("well-formed")
                    .iter()
                    .map(|line| String::from_utf8_lossy(line.trim_ascii()).into_owned())
                    .collect();
                assert_eq!(texts, expected, "{text:?} in chunks of {size}");
            }
        };
        check("", &[]);
        check("\n\n", &[]);
        check("{\"a\":1}", &["{\"a\":1}"]);
        check(
            "{\"a\":1}\n{\"b\":2}\r\n\n{\"c\":3}",
            &["{\"a\":1}", "{\"b\":2}", "{\"c\":3}"],
        );
        check("[{\"a\":1},\n {\"b\":2}]\n", &["{\"a\":1}", "{\"b\":2}"]);
        check("{\n \"a\":1\n}\n", &["{\n \"a\":1\n}"]);
        check("{\"a\":1}\nnonsense\n", &["{\"a\":1}", "nonsense"]);
    }
}
