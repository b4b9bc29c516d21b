//! When things happen: one committer decides all writes in turn, makes them durable in groups and publishes them; readers take a
//! snapshot and never wait for it. Takes a closure and does not know what an operation is.
//!
//! INVARIANT: nothing is published that is not durable, and nothing is persisted that was not validated (`tests/it/engine.rs`).

mod committer;
mod job;
mod phases;
mod publish;
mod queue;
mod replays;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use compact_str::CompactString;
use tokio::sync::oneshot;

use super::sync;
use crate::graph::{Broken, Graph, Transaction, Violation};
use crate::model::{Change, Clock, Event, Principal, Revision, Time, Whose};
use crate::storage::{Loaded, Logs, REPLAYS_KEPT_MS, Storage};
use committer::Committer;
use job::{Answer, Closure};
pub use phases::Phase;
use publish::Published;
use queue::{Pace, Queue, Turned};
use replays::Replays;
use sync::Mutex;
use sync::atomic::{AtomicI64, AtomicU64, Ordering};
use sync::thread::{self, JoinHandle, Thread, ThreadId};

/// A handle to the one committer and the published graph; as many as wanted. The last one to go closes the engine.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

/// What the log is asked in.
pub use crate::storage::{Log, Scratch, Stated, StorageError, Wanted, Way, first_at};

struct Inner {
    shared: Arc<Shared>,
    logs: Logs,
    committer: Mutex<Option<JoinHandle<()>>>,
    /// The committer's own thread: a closure may hold the last handle, and the committer cannot wait for itself.
    itself: ThreadId,
}

/// What the committer and the handles both reach.
struct Shared {
    queue: Queue,
    published: Published,
    clock: Arc<Clock>,
    /// Why nothing is written any more. Set once: a store that failed is never trusted again by this process.
    fault: OnceLock<String>,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    last_commit: AtomicI64,
    batches: AtomicU64,
    commits: AtomicU64,
    full: AtomicU64,
    panics: AtomicU64,
    copies_cloned: AtomicU64,
    copies_held: AtomicU64,
    copies: AtomicU64,
    spent: Arc<phases::Spent>,
}

#[derive(Clone, Debug)]
pub struct Options {
    /// Writes that may wait; one more is answered `Full`.
    pub queue: usize,
    /// The most writes made durable by one transaction of the store.
    pub batch: usize,
    /// Bytes of answers to Idempotency-Keys held in memory; the storage gives back the others.
    pub replay_bytes: usize,
    /// A batch that takes longer leaves a line in the log.
    pub slow: Option<Duration>,
    /// How long copies that slow readers made necessary are kept for the next of them.
    pub keeping: Duration,
    /// Asked of the graph as each commit leaves it, for the commit to remember.
    pub whose: fn(&Graph, &[Change]) -> Whose,
    /// Asked the same, for the events that are kept with the commit beside those that were told.
    pub events: Around,
}

/// Adds what stands around the changes of a commit, in the graph as the commit left it and at its time.
pub type Around = fn(&Graph, &[Change], &Whose, Time, &mut Vec<Event>);

impl Default for Options {
    fn default() -> Self {
        Self {
            queue: 4096,
            batch: 256,
            replay_bytes: 64 * 1024 * 1024,
            slow: None,
            keeping: Duration::from_secs(10),
            whose: |_, _| Whose::default(),
            events: |_, _, _, _, _| (),
        }
    }
}

/// What is known of a write before it runs.
#[derive(Clone, Debug, Default)]
pub struct Write {
    pub by: Principal,
    pub operation: CompactString,
    pub request_id: CompactString,
    pub idempotency: Option<Idempotency>,
    /// Runs, is validated, answers, and leaves nothing behind. Its idempotency key is ignored.
    pub dry_run: bool,
}

/// An Idempotency-Key, whose it is, and a hash of the request it came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    pub scope: CompactString,
    pub key: CompactString,
    pub fingerprint: [u8; 32],
    /// The answer is kept where this write changes nothing too: it is that of several, of which this is the last.
    pub of_several: bool,
}

/// An answer as it will be repeated to the same Idempotency-Key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub body: Arc<[u8]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub reply: Reply,
    /// A snapshot at this revision has what was written, and all it was decided upon.
    pub revision: Revision,
    /// The answer of an earlier write with the same Idempotency-Key.
    pub replayed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError<E> {
    /// The closure's own word. Nothing was changed.
    #[error("{0}")]
    Refused(E),
    #[error("{0}")]
    Violation(Violation),
    #[error("the idempotency key was used for another request")]
    KeyReused,
    #[error("too many writes are waiting")]
    Full,
    /// The store failed before it had this write.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The store failed with it, or since it was first asked with its key. Whether this write will be there after a restart is not known; one
    /// that has a key can be repeated.
    #[error("whether the write is stored is not known: {why}")]
    Unknown { why: String, has_key: bool },
    #[error("the server is stopping")]
    Stopped,
    #[error("the write could not be carried out because of a fault in the server")]
    Panicked,
}

impl<E> WriteError<E> {
    /// The closure's own word, or else what kept the write from being carried out, which is the same whatever was asked.
    pub fn refused<O>(self) -> Result<E, WriteError<O>> {
        Err(match self {
            Self::Refused(refused) => return Ok(refused),
            Self::Violation(violation) => WriteError::Violation(violation),
            Self::KeyReused => WriteError::KeyReused,
            Self::Full => WriteError::Full,
            Self::Unavailable(why) => WriteError::Unavailable(why),
            Self::Unknown { why, has_key } => WriteError::Unknown { why, has_key },
            Self::Stopped => WriteError::Stopped,
            Self::Panicked => WriteError::Panicked,
        })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error("the committer's thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the graph is at revision `{at}`, not yet at `{asked}`")]
pub struct NotYet {
    pub asked: Revision,
    pub at: Revision,
}

/// How it goes, for `/health/ready` and `/metrics`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Why nothing can be written: not ready.
    pub fault: Option<String>,
    /// Closed, or closing.
    pub stopped: bool,
    pub revision: Revision,
    /// Writes that wait now, and how many may.
    pub queue: usize,
    pub queue_limit: usize,
    /// `None` in an empty store.
    pub last_commit: Option<Time>,
    /// Since the start: transactions of the store, commits in them, writes turned away by a full queue, closures that panicked.
    pub batches: u64,
    pub commits: u64,
    pub full: u64,
    pub panics: u64,
    /// Copies of the graph made because a slow reader held the one that was to be changed, and those such readers still hold.
    pub copies_cloned: u64,
    pub copies_held: u64,
    /// Copies in memory: the published one, the one to be changed next, and those.
    pub copies: u64,
    /// What the batches took since the start, by what it went to.
    pub spent: [(Phase, Duration); Phase::ALL.len()],
}

impl Health {
    pub fn ready(&self) -> bool {
        self.fault.is_none() && !self.stopped
    }
}

/// How often `progress` is told, in entities and relations.
const PROGRESS: u64 = 8192;

impl Engine {
    /// Loads the graph and is ready; the second copy is built by the committer afterwards. `progress` hears how many entities
    /// and relations were loaded so far.
    pub fn open(
        mut storage: Box<dyn Storage>,
        clock: Arc<Clock>,
        options: Options,
        mut progress: impl FnMut(u64),
    ) -> Result<Self, OpenError> {
        let mut graph = Graph::new();
        let mut replays = Replays::default();
        let mut loaded = 0;
        let mut broken = None;
        let since = Time(clock.now().0.saturating_sub(REPLAYS_KEPT_MS));
        let head = storage.load(since, &mut |thing| {
            let change = match thing {
                Loaded::Coming { entities, relations } => {
                    graph.make_room(entities, relations);
                    return Ok(());
                }
                Loaded::Entity(entity) => Change::Entity {
                    before: None,
                    after: Some(entity),
                },
                Loaded::Relation(relation) => Change::Relation {
                    before: None,
                    after: Some(Arc::new(relation)),
                },
                Loaded::Replay(revision, replay) => {
                    replays.keep(revision, &replay);
                    replays.shrink(options.replay_bytes);
                    return Ok(());
                }
            };
            loaded += 1;
            if loaded % PROGRESS == 0 {
                progress(loaded);
            }
            graph.apply(&change).map_err(|error| {
                let damage = StorageError::Damaged(error.to_string());
                broken = Some(error);
                damage
            })
        });
        if let Some(broken) = broken {
            return Err(broken.into());
        }
        let head = head?;
        progress(loaded);
        graph.set_revision(head.revision);
        graph.reserve_serials(head.next_serial);
        replays.sort();
        let shared = Arc::new(Shared {
            queue: Queue::new(options.queue),
            published: Published::new(graph),
            clock,
            fault: OnceLock::new(),
            counters: Counters::default(),
        });
        shared.counters.last_commit.store(head.at.0, Ordering::Relaxed);
        let logs = storage.logs();
        let committer = Committer::new(shared.clone(), storage, replays, options);
        let thread = thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || committer.run())?;
        let itself = thread.thread().id();
        let committer = Mutex::new(Some(thread));
        Ok(Self(Arc::new(Inner {
            shared,
            logs,
            committer,
            itself,
        })))
    }

    /// The graph as it is now, and as it stays for whoever holds it.
    pub fn snapshot(&self) -> Arc<Graph> {
        self.0.shared.published.snapshot()
    }

    pub fn revision(&self) -> Revision {
        self.0.shared.published.revision()
    }

    /// The graph at a revision or later, waiting for it if need be.
    pub async fn at_least(&self, revision: Revision, wait: Duration) -> Result<Arc<Graph>, NotYet> {
        let graph = self.snapshot();
        if graph.revision() >= revision {
            return Ok(graph);
        }
        drop(graph);
        let mut news = self.0.shared.published.subscribe();
        let waited = tokio::time::timeout(wait, news.wait_for(|at| *at >= revision)).await;
        match waited {
            Ok(Ok(_)) => Ok(self.snapshot()),
            _ => Err(NotYet {
                asked: revision,
                at: self.revision(),
            }),
        }
    }

    /// Runs the closure in its turn, makes its changes durable, publishes them, answers. A caller that goes away meanwhile
    /// changes nothing of that.
    pub async fn write<E: Send + 'static>(
        &self,
        write: Write,
        run: impl FnOnce(&mut Transaction<'_>) -> Result<Reply, E> + Send + 'static,
    ) -> Result<Written, WriteError<E>> {
        answered(self.submit(write, run, Pace::Pressing)?).await
    }

    /// The same for a caller who has many writes to make, one after the other, and leaves the way to everybody else:
    /// `is_quiet` takes no notice of it. Nobody waits for it, so it is done at leisure.
    pub async fn write_aside<E: Send + 'static>(
        &self,
        write: Write,
        run: impl FnOnce(&mut Transaction<'_>) -> Result<Reply, E> + Send + 'static,
    ) -> Result<Written, WriteError<E>> {
        answered(self.submit(write, run, Pace::AtLeisure)?).await
    }

    /// As aside, though not at leisure: for what has waited long enough.
    pub async fn write_promptly<E: Send + 'static>(
        &self,
        write: Write,
        run: impl FnOnce(&mut Transaction<'_>) -> Result<Reply, E> + Send + 'static,
    ) -> Result<Written, WriteError<E>> {
        answered(self.submit(write, run, Pace::Prompt)?).await
    }

    /// Whether nobody has come to write for so long, but for those who leave the way to others and those who do not wait.
    pub fn is_quiet(&self, long: Duration) -> bool {
        self.0.shared.queue.is_quiet(long)
    }

    /// The same for callers that are no tasks. Not from within a write's closure: it would wait for itself.
    pub fn write_blocking<E: Send + 'static>(
        &self,
        write: Write,
        run: impl FnOnce(&mut Transaction<'_>) -> Result<Reply, E> + Send + 'static,
    ) -> Result<Written, WriteError<E>> {
        block_on(self.write(write, run))
    }

    /// The same for callers that do not wait, and do not hear what came of it. `Err`: it was not taken.
    pub fn post<E: Send + 'static>(
        &self,
        write: Write,
        run: impl FnOnce(&mut Transaction<'_>) -> Result<Reply, E> + Send + 'static,
    ) -> Result<(), WriteError<E>> {
        self.submit(write, run, Pace::AtLeisure).map(drop)
    }

    fn submit<E: Send + 'static>(
        &self,
        write: Write,
        run: impl FnOnce(&mut Transaction<'_>) -> Result<Reply, E> + Send + 'static,
        pace: Pace,
    ) -> Result<Awaited<E>, WriteError<E>> {
        let shared = &self.0.shared;
        // Whether a key was taken before, the committer knows.
        let may_repeat = write.idempotency.is_some() && !write.dry_run;
        if let Some(fault) = shared.fault.get().filter(|_| !may_repeat) {
            return Err(WriteError::Unavailable(fault.clone()));
        }
        let has_key = write.idempotency.is_some();
        let (job, answer) = Closure::boxed(write, run);
        match shared.queue.push(job, pace) {
            Ok(()) => Ok(Awaited { answer, has_key }),
            Err(Turned::Full) => {
                shared.counters.full.fetch_add(1, Ordering::Relaxed);
                Err(WriteError::Full)
            }
            Err(Turned::Closed) => Err(WriteError::Stopped),
        }
    }

    pub fn health(&self) -> Health {
        let Shared {
            queue,
            published,
            fault,
            counters,
            ..
        } = &*self.0.shared;
        let revision = published.revision();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Health {
            fault: fault.get().cloned(),
            stopped: queue.is_closed(),
            revision,
            queue: queue.len(),
            queue_limit: queue.limit(),
            last_commit: (revision > 0).then(|| Time(counters.last_commit.load(Ordering::Relaxed))),
            batches: count(&counters.batches),
            commits: count(&counters.commits),
            full: count(&counters.full),
            panics: count(&counters.panics),
            copies_cloned: count(&counters.copies_cloned),
            copies_held: count(&counters.copies_held),
            copies: count(&counters.copies),
            spent: Phase::ALL.map(|phase| (phase, counters.spent.get(phase))),
        }
    }

    /// The log and the state, beside the committer, which neither waits for it nor hears of it. It has what is durable, also before that
    /// is published. To be let go before the engine is closed.
    pub fn log(&self) -> Result<Box<dyn Log>, StorageError> {
        (self.0.logs)()
    }

    /// The present as a reader decides by it: never before the last commit, whose decisions stand, however a clock steps. A
    /// lease that somebody else's took the place of is not live again.
    pub fn now(&self) -> Time {
        let last = Time(self.0.shared.counters.last_commit.load(Ordering::Relaxed));
        self.clock().now().max(last)
    }

    /// How far the system's clock lies behind the last commit, in milliseconds: after a step back. Until it comes up, no time passes.
    pub fn behind(&self) -> u64 {
        let last = self.0.shared.counters.last_commit.load(Ordering::Relaxed);
        let behind = last.saturating_sub(self.clock().now().millis());
        u64::try_from(behind).unwrap_or_default()
    }

    pub fn clock(&self) -> &Clock {
        &self.0.shared.clock
    }

    /// Answers what waits, then stops and lets go of the store; writes that come later are answered `Stopped`. Returns when
    /// that is done. Snapshots can still be taken.
    pub fn close(&self) {
        self.0.close();
    }
}

impl Inner {
    fn close(&self) {
        self.shared.queue.close();
        if thread::current().id() != self.itself
            && let Some(committer) = self.committer.lock().take()
        {
            // It catches its own panics, and says so as a fault.
            let _ = committer.join();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// Stops all writing. The first reason is the one that is told.
    fn fail(&self, reason: String) {
        let _ = self.fault.set(reason.clone());
        tracing::error!(%reason, "nothing will be written any more");
    }
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Arc<[u8]>>) -> Self {
        let body = body.into();
        Self { status, body }
    }

    /// No body: for callers that ask only whether it was done.
    pub fn empty() -> Self {
        Self::new(204, [])
    }
}

/// A write that is in the queue.
struct Awaited<E> {
    answer: oneshot::Receiver<Answer<E>>,
    has_key: bool,
}

/// Dropped without a word: the committer itself failed, and what became of the write is not known.
async fn answered<E>(Awaited { answer, has_key }: Awaited<E>) -> Answer<E> {
    let failed = |_| {
        Err(WriteError::Unknown {
            why: committer::FAULT.to_owned(),
            has_key,
        })
    };
    answer.await.unwrap_or_else(failed)
}

/// Wakes the thread that waits in `block_on`.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future on this thread. Unlike a runtime's own, it may be called anywhere.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
