//! `GET /export`: everything but secrets, tokens, keys and which trials a device has used, in an order that `import` takes:
//! parents before children, relations last.
//! Read from the store beside the committer, not from the graph: a graph that somebody slow holds costs the committer a
//! copy. And read as fast as it goes, into a file the answer follows, because a store that is read cannot tidy its log.

use std::fs::File;
use std::io::{Read, Write};
use std::ops::ControlFlow;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use actix_web::web::Bytes;
use futures_util::stream::{self, LocalBoxStream, StreamExt};
use tokio::sync::{mpsc, oneshot, watch};

use super::CHUNK;
use crate::access::Permission;
use crate::engine::{Engine, Scratch, Stated, StorageError, Wanted};
use crate::error::Error;
use crate::http::problem::{Problem, internal};
use crate::http::{Context, GRAPH_REVISION, auth, wire};
use crate::model::Revision;

/// Chunks that wait for the reader where the store waits for nobody.
const AHEAD: usize = 4;
/// Bytes of a line by which a chunk is longer.
const ROOM: usize = 4096;

type Chunks = LocalBoxStream<'static, Result<Bytes, actix_web::Error>>;

pub async fn export(context: &Context) -> Result<HttpResponse, Problem> {
    let (graph, who) = auth::enter(context).await?;
    who.require_unbound(Permission::ServerExport).map_err(Error::from)?;
    drop(graph);
    context.parameters(&[])?;
    let copy = super::copy(context).await?;
    let (begun, beginning) = oneshot::channel();
    let engine = context.state.engine.clone();
    std::thread::Builder::new()
        .name("export".into())
        .spawn(move || run(&engine, begun))
        .map_err(|_| internal("no thread for the export"))?;
    let begun = beginning.await.map_err(|_| internal("the export did not begin"))?;
    let (revision, from) = begun.map_err(|error| {
        tracing::error!(%error, "an export cannot be read");
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "exportFailed",
            "the store cannot be read",
        )
        .help("the server's log says why, and `seatgraph verify` more")
    })?;
    Ok(HttpResponse::Ok()
        .insert_header((GRAPH_REVISION, revision))
        .insert_header((header::CONTENT_TYPE, "application/x-ndjson"))
        .streaming(from.chunks().inspect(move |_| {
            // Until the last of it is sent, or its reader has gone.
            let _held = &copy;
        })))
}

/// Where the answer finds its chunks.
enum Source {
    Thread(mpsc::Receiver<Option<Bytes>>),
    File(File, watch::Receiver<Written>),
}

/// Where the thread puts them.
enum Sink {
    /// `None` after the last chunk: one that comes to no end is broken.
    Answer(mpsc::Sender<Option<Bytes>>),
    File(File, watch::Sender<Written>),
}

/// How far the file is written.
#[derive(Clone, Copy, Default)]
struct Written {
    bytes: u64,
    /// Nothing more will be, and whether it is all.
    end: Option<Result<(), Broken>>,
}

/// The answer ends before its end: the connection is closed, for its reader to know.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the export broke off")]
struct Broken;

fn broken() -> actix_web::Error {
    actix_web::error::ErrorInternalServerError(Broken)
}

type Begun = oneshot::Sender<Result<(Revision, Source), StorageError>>;

fn run(engine: &Engine, begun: Begun) {
    let mut export = Export {
        begun: Some(begun),
        sink: None,
        out: Vec::with_capacity(CHUNK + ROOM),
        failed: None,
    };
    let read = export.read(engine);
    export.end(read);
}

/// On its way from the store to its reader.
struct Export {
    /// Until the reader was told that it begins.
    begun: Option<Begun>,
    sink: Option<Sink>,
    out: Vec<u8>,
    /// Why no more can be put into the sink.
    failed: Option<std::io::Error>,
}

impl Export {
    /// Lets go of the log before anybody hears of the end.
    fn read(&mut self, engine: &Engine) -> Result<(), StorageError> {
        let mut log = engine.log()?;
        // A store that failed is written no more, so that nobody is held up; and its disk may be full.
        let mut scratch = match engine.health().fault {
            None => log.scratch()?,
            Some(_) => None,
        };
        let wanted = Wanted {
            kinds: wire::export_order(),
            relations: wire::export_relations(),
        };
        log.state(wanted, &mut |stated| self.take(stated, &mut scratch))?;
        let _ = self.flush();
        match self.failed.take() {
            None => Ok(()),
            Some(cause) => Err(StorageError::Io(format!("what was read cannot be kept: {cause}"))),
        }
    }

    fn take(&mut self, stated: Stated<'_>, scratch: &mut Option<Scratch>) -> ControlFlow<()> {
        match stated {
            Stated::Head(head) => {
                let (sink, source) = ends(scratch.take());
                self.sink = Some(sink);
                let told = self.begun.take().map(|begun| begun.send(Ok((head.revision, source))));
                return match told {
                    Some(Ok(())) => ControlFlow::Continue(()),
                    _ => ControlFlow::Break(()),
                };
            }
            Stated::Entity(entity, parents) => wire::export_entity(&mut self.out, entity, parents),
            Stated::Relation(relation) => wire::export_relation(&mut self.out, relation),
        }
        match self.out.len() < CHUNK {
            true => ControlFlow::Continue(()),
            false => self.flush(),
        }
    }

    /// Breaks where nobody reads any more, or nothing can be kept.
    fn flush(&mut self) -> ControlFlow<()> {
        let Some(sink) = self.sink.as_mut().filter(|_| self.failed.is_none()) else {
            return ControlFlow::Break(());
        };
        match sink.put(&mut self.out) {
            Ok(true) => ControlFlow::Continue(()),
            Ok(false) => ControlFlow::Break(()),
            Err(cause) => {
                self.failed = Some(cause);
                ControlFlow::Break(())
            }
        }
    }

    fn end(self, read: Result<(), StorageError>) {
        match (read, self.begun, self.sink) {
            (Err(error), Some(begun), _) => drop(begun.send(Err(error))),
            (Err(error), None, sink) => {
                tracing::error!(%error, "an export broke off");
                sink.into_iter().for_each(|sink| sink.end(Err(Broken)));
            }
            (Ok(()), _, sink) => sink.into_iter().for_each(|sink| sink.end(Ok(()))),
        }
    }
}

fn ends(scratch: Option<Scratch>) -> (Sink, Source) {
    match scratch {
        None => {
            let (sender, receiver) = mpsc::channel(AHEAD);
            (Sink::Answer(sender), Source::Thread(receiver))
        }
        Some(Scratch { write, read }) => {
            let (sender, receiver) = watch::channel(Written::default());
            (Sink::File(write, sender), Source::File(read, receiver))
        }
    }
}

impl Sink {
    /// Whether somebody still reads.
    fn put(&mut self, out: &mut Vec<u8>) -> std::io::Result<bool> {
        match self {
            Self::Answer(sender) => {
                let full = std::mem::replace(out, Vec::with_capacity(CHUNK + ROOM));
                Ok(sender.blocking_send(Some(Bytes::from(full))).is_ok())
            }
            Self::File(file, written) => {
                file.write_all(out)?;
                let more = out.len() as u64;
                out.clear();
                written.send_modify(|written| written.bytes += more);
                Ok(!written.is_closed())
            }
        }
    }

    fn end(self, end: Result<(), Broken>) {
        match self {
            Self::Answer(sender) => {
                if end.is_ok() {
                    let _ = sender.blocking_send(None);
                }
            }
            Self::File(_, written) => written.send_modify(|written| written.end = Some(end)),
        }
    }
}

impl Source {
    fn chunks(self) -> Chunks {
        match self {
            Self::Thread(receiver) => stream::unfold(Some(receiver), |receiver| async {
                let mut receiver = receiver?;
                match receiver.recv().await {
                    Some(chunk) => chunk.map(|chunk| (Ok(chunk), Some(receiver))),
                    None => Some((Err(broken()), None)),
                }
            })
            .boxed_local(),
            Self::File(file, written) => stream::unfold(Some(Following { file, at: 0, written }), |following| async {
                match following?.next().await {
                    Ok(Some((chunk, following))) => Some((Ok(chunk), Some(following))),
                    Ok(None) => None,
                    Err(error) => Some((Err(error), None)),
                }
            })
            .boxed_local(),
        }
    }
}

/// Reads a file that is still written, as far as it is.
struct Following {
    file: File,
    at: u64,
    written: watch::Receiver<Written>,
}

impl Following {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, actix_web::Error> {
        let at = self.at;
        let more = |written: &Written| written.bytes > at || written.end.is_some();
        // Dropped without an end: the thread met a fault in the program.
        let written = *self.written.wait_for(more).await.map_err(|_| broken())?;
        if written.bytes == at {
            return match written.end {
                Some(Ok(())) => Ok(None),
                _ => Err(broken()),
            };
        }
        let length = (written.bytes - at).min(CHUNK as u64) as usize;
        let (following, chunk) = actix_web::web::block(move || {
            let mut chunk = vec![0; length];
            self.file.read_exact(&mut chunk)?;
            Ok::<_, std::io::Error>((self, chunk))
        })
        .await??;
        let following = Self {
            at: at + length as u64,
            ..following
        };
        Ok(Some((Bytes::from(chunk), following)))
    }
}
