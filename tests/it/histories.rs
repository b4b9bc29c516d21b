//! The engine against a model, over random histories with restarts, a failing store, dry runs, repeated keys, a clock that goes back
//! and readers that linger (T7, T29). After every step:
//!
//! - the published graph equals a replay of the log, and `check()` holds;
//! - what was acknowledged is in the log, at the revision the answer named; what was refused is not, nor is a dry run;
//! - revisions are gap-free, times never go back, a repeated key gets its first answer and no second effect;
//! - after the store failed, everyone is told that it is unavailable and nothing of the lost batch is visible.
//!
//! INVARIANT: nothing is published that is not durable, and nothing is persisted that was not validated. These must fail (`make
//! mutants`):
//!
//!     SEATGRAPH_MUTANT=publish-early cargo test --features mutants --test it histories::
//!     SEATGRAPH_MUTANT=keep-refused  cargo test --features mutants --test it histories::
//!
//! `SEATGRAPH_HISTORIES=1000000` runs as many sequences instead of 1,000.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use seatgraph::engine::{Engine, Idempotency, Options, Reply, Write, WriteError};
use seatgraph::graph::Graph;
use seatgraph::model::{Clock, Commit, Revision, Time};
use seatgraph::storage::{Failing, Fault, Faults, Log, Memory, Migrate, Reader, Sqlite, Storage};

use crate::support::acts::{Act, No};
use crate::support::calls::{Answer, finish, start};
use crate::support::gate::{Gate, Gated};

#[derive(Clone, Debug)]
enum Step {
    /// Writes the committer finds waiting together.
    Batch(Vec<Job>),
    /// The store fails, at the next `commit` or `begin`.
    Fail {
        commit: bool,
        after: bool,
    },
    Restart,
    /// The wall clock moves, also backwards.
    Clock(i64),
    /// A reader takes a snapshot and keeps it.
    Hold,
    Release,
}

#[derive(Clone, Debug)]
struct Job {
    act: Act,
    dry: bool,
    /// A key, and which request it comes with.
    key: Option<(u8, u8)>,
}

fn act() -> impl Strategy<Value = Act> {
    let byte = any::<u8>;
    prop_oneof![
        4 => byte().prop_map(Act::CreateOrganization),
        4 => byte().prop_map(Act::CreateGroup),
        4 => byte().prop_map(Act::CreateProfile),
        2 => byte().prop_map(Act::CreateItem),
        1 => Just(Act::Orphan),
        3 => (byte(), byte()).prop_map(|(n, to)| Act::Rename(n, to)),
        2 => byte().prop_map(Act::RemoveOrganization),
        2 => byte().prop_map(Act::RemoveProfile),
        3 => (byte(), byte()).prop_map(|(profile, group)| Act::Join(profile, group)),
        1 => (byte(), byte()).prop_map(|(profile, group)| Act::Leave(profile, group)),
        2 => byte().prop_map(Act::Several),
        1 => byte().prop_map(Act::Refuse),
        1 => byte().prop_map(Act::Panic),
        1 => Just(Act::Nothing),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let key = prop_oneof![3 => Just(None), 1 => (0..4u8, prop_oneof![5 => Just(0), 1 => Just(1u8)]).prop_map(Some)];
    let job = (act(), prop::bool::weighted(0.3), key).prop_map(|(act, dry, key)| Job { act, dry, key });
    prop_oneof![
        60 => prop::collection::vec(job, 1..=4).prop_map(Step::Batch),
        2 => (any::<bool>(), any::<bool>()).prop_map(|(commit, after)| Step::Fail { commit, after }),
        3 => Just(Step::Restart),
        3 => prop_oneof![-5_000..5_000i64, Just(13 * 60 * 60 * 1000)].prop_map(Step::Clock),
        3 => Just(Step::Hold),
        3 => Just(Step::Release),
    ]
}

/// Where a history is kept: opened again after every restart, and read from beside.
trait Store {
    fn open(&self, gate: &Gate) -> (Box<dyn Storage>, Faults);
    fn since(&self, after: Revision) -> Vec<Commit>;
}

fn faulty(storage: impl Storage + 'static, gate: &Gate) -> (Box<dyn Storage>, Faults) {
    let (storage, faults) = Failing::new(storage);
    (Box::new(Gated::new(storage, gate)), faults)
}

impl Store for Memory {
    fn open(&self, gate: &Gate) -> (Box<dyn Storage>, Faults) {
        faulty(self.another(), gate)
    }

    fn since(&self, after: Revision) -> Vec<Commit> {
        Storage::since(&mut self.another(), after, usize::MAX).expect("the log reads")
    }
}

/// A database file.
struct File(tempfile::TempDir);

impl File {
    fn path(&self) -> PathBuf {
        self.0.path().join("history.db")
    }
}

impl Store for File {
    fn open(&self, gate: &Gate) -> (Box<dyn Storage>, Faults) {
        faulty(
            Sqlite::open(&self.path(), Migrate::Apply).expect("the database opens"),
            gate,
        )
    }

    fn since(&self, after: Revision) -> Vec<Commit> {
        let mut reader = Reader::open(&self.path()).expect("the log opens");
        reader.since(after, usize::MAX).expect("the log reads")
    }
}

/// An engine, and what must be true of it.
struct Run {
    store: Arc<dyn Store>,
    clock: Arc<Clock>,
    engine: Engine,
    gate: Gate,
    faults: Faults,
    /// The log played from nothing.
    replay: Graph,
    log: Vec<Commit>,
    /// What repeated keys must be answered, from the log.
    keys: HashMap<u8, (u8, Reply, Time)>,
    readers: Vec<(Arc<Graph>, [u8; 32])>,
    requests: u32,
}

fn open(store: &dyn Store, clock: &Arc<Clock>) -> (Engine, Gate, Faults) {
    let gate = Gate::default();
    let (storage, faults) = store.open(&gate);
    let engine = Engine::open(storage, clock.clone(), Options::default(), |_| ());
    (engine.expect("the store loads"), gate, faults)
}

impl Run {
    fn new(store: Arc<dyn Store>) -> Self {
        let clock = Arc::new(Clock::frozen(Time(1_700_000_000_000)));
        let (engine, gate, faults) = open(&*store, &clock);
        let keys = HashMap::new();
        Self {
            store,
            clock,
            engine,
            gate,
            faults,
            replay: Graph::new(),
            log: vec![],
            keys,
            readers: vec![],
            requests: 0,
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            // A dry run begins a batch of its own.
            Step::Batch(jobs) => jobs.chunk_by(|_, next| !next.dry).for_each(|batch| self.batch(batch)),
            Step::Fail { commit, after } => {
                let fault = if *after { Fault::After } else { Fault::Before };
                // The first `begin` is the one at the gate, which nothing hangs on.
                if *commit {
                    self.faults.fail_commit(1, fault)
                } else {
                    self.faults.fail_begin(2, fault)
                }
            }
            Step::Restart => self.restart(),
            Step::Clock(by) => self.clock.set(Time(self.clock.now().0 + by)),
            Step::Hold => {
                let snapshot = self.engine.snapshot();
                let digest = snapshot.digest();
                self.readers.push((snapshot, digest));
            }
            Step::Release => {
                for (snapshot, digest) in self.readers.drain(..) {
                    assert_eq!(snapshot.digest(), digest, "a reader's snapshot changed");
                }
            }
        }
    }

    fn batch(&mut self, jobs: &[Job]) {
        let before = (self.engine.revision(), self.engine.snapshot().digest());
        let sick = !self.engine.health().ready();
        let first = self.requests;
        self.requests += jobs.len() as u32;
        let answers = self.submit(jobs, first);
        let from = self.log.len();
        self.follow_log();
        let failed = !self.engine.health().ready();
        if failed {
            assert!(
                answers
                    .iter()
                    .all(|answer| matches!(answer, Err(WriteError::Unavailable(_) | WriteError::Unknown { .. }))),
                "answered and not durable: {answers:?}"
            );
            let now = (self.engine.revision(), self.engine.snapshot().digest());
            assert_eq!(now, before, "published what may not be durable");
            assert!(!sick || self.log.len() == from, "wrote to a store that had failed");
            return;
        }
        for (n, (job, answer)) in jobs.iter().zip(answers).enumerate() {
            let request = request(first + n as u32);
            let commit = self.log[from..]
                .iter()
                .find(|commit| commit.request_id == request.as_str());
            self.judge(job, answer, commit.cloned().as_ref());
        }
        let published = self.engine.snapshot();
        assert_eq!(published.revision(), self.replay.revision());
        assert_eq!(
            published.digest(),
            self.replay.digest(),
            "the published graph is not a replay of the log"
        );
        assert_eq!(published.check(), Ok(()));
    }

    /// All of them in one batch: a write that does nothing holds the committer at the gate meanwhile.
    fn submit(&mut self, jobs: &[Job], first: u32) -> Vec<Answer> {
        let healthy = self.engine.health().ready();
        self.gate.shut();
        let plug = healthy.then(|| {
            let plug = start(&self.engine, Write::default(), Act::Nothing);
            self.gate.arrived();
            plug
        });
        let writes: Vec<_> = jobs
            .iter()
            .enumerate()
            .map(|(n, job)| start(&self.engine, job.write(&request(first + n as u32)), job.act.clone()))
            .collect();
        self.gate.open();
        let plug = plug.map(finish);
        let answers = writes.into_iter().map(finish).collect();
        assert!(plug.is_none_or(|plug| plug.is_ok()));
        answers
    }

    fn judge(&mut self, job: &Job, answer: Answer, commit: Option<&Commit>) {
        let now = self
            .clock
            .now()
            .max(self.log.last().map_or(Time(0), |commit| commit.at));
        let key = job.key.filter(|_| !job.dry);
        let known = key
            .and_then(|(key, _)| self.keys.get(&key))
            .filter(|(.., at)| now.0 - at.0 < 24 * 60 * 60 * 1000);
        let head = self.replay.revision();
        match (known, answer) {
            (Some((with, reply, _)), answer) => {
                assert_eq!(commit, None, "a repeated key had a second effect: {job:?}");
                match answer {
                    Ok(written) => {
                        assert!(written.revision <= head, "answered and not durable: {job:?}");
                        assert!(written.replayed, "{job:?}");
                        assert_eq!(
                            (&written.reply, Some(*with)),
                            (reply, key.map(|(_, with)| with)),
                            "{job:?}"
                        );
                    }
                    Err(error) => {
                        assert_eq!(error, WriteError::KeyReused);
                        assert_ne!(Some(*with), key.map(|(_, with)| with), "{job:?}");
                    }
                }
            }
            (None, Ok(written)) => {
                assert!(written.revision <= head, "answered and not durable: {job:?}");
                assert!(!written.replayed, "{job:?}");
                let invalid = matches!(job.act, Act::Orphan | Act::Refuse(_) | Act::Panic(_));
                assert!(!invalid, "not valid and acknowledged: {job:?}");
                match commit {
                    Some(commit) => assert_eq!(
                        (written.revision, written.reply.status),
                        (commit.revision, 200),
                        "{job:?}"
                    ),
                    None => assert!(job.dry || written.reply.status == 204, "acknowledged and lost: {job:?}"),
                }
                assert!(!(job.dry && commit.is_some()), "a dry run was stored: {job:?}");
                if let (Some((key, with)), Some(commit)) = (key, commit) {
                    self.keys.insert(key, (with, written.reply, commit.at));
                }
            }
            (None, Err(error)) => {
                assert_eq!(commit, None, "refused and stored: {job:?}");
                let expected = match error {
                    WriteError::Panicked => matches!(job.act, Act::Panic(_)),
                    WriteError::Refused(No::Refused) => matches!(job.act, Act::Refuse(_)),
                    WriteError::Refused(No::Violation(_)) => true,
                    WriteError::Violation(_) => matches!(job.act, Act::Orphan),
                    _ => false,
                };
                assert!(expected, "{job:?}: {error:?}");
            }
        }
    }

    /// Plays what is new in the log on the replay.
    fn follow_log(&mut self) {
        let new = self.store.since(self.replay.revision());
        for commit in new {
            assert_eq!(commit.revision, self.replay.revision() + 1, "a gap in the log");
            assert!(
                self.log.last().is_none_or(|last| last.at <= commit.at),
                "time went back"
            );
            assert!(!commit.changes.is_empty(), "a commit that changes nothing");
            for change in &commit.changes {
                self.replay.apply(change).expect("the log plays");
            }
            self.replay.set_revision(commit.revision);
            self.log.push(commit);
        }
    }

    fn restart(&mut self) {
        self.engine.close();
        self.follow_log();
        (self.engine, self.gate, self.faults) = open(&*self.store, &self.clock);
        let published = self.engine.snapshot();
        assert_eq!(published.revision(), self.replay.revision());
        assert_eq!(
            published.digest(),
            self.replay.digest(),
            "what was loaded is not a replay of the log"
        );
        assert_eq!(published.check(), Ok(()));
        // What a batch that failed after it was stored may have left, answered to nobody.
        self.keys.clear();
        for replay in self.log.iter().filter_map(|commit| commit.replay.as_ref()) {
            let key = replay.key.parse().expect("our own key");
            let reply = Reply {
                status: replay.status,
                body: replay.body.clone(),
            };
            self.keys.insert(key, (replay.fingerprint[0], reply, replay.at));
        }
    }
}

impl Job {
    fn write(&self, request: &str) -> Write {
        let idempotency = self.key.map(|(key, with)| Idempotency {
            scope: "tester".into(),
            key: key.to_string().into(),
            fingerprint: [with; 32],
            of_several: false,
        });
        Write {
            request_id: request.into(),
            operation: "Act".into(),
            idempotency,
            dry_run: self.dry,
            ..Write::default()
        }
    }
}

fn request(n: u32) -> String {
    format!("r{n}")
}

fn check(sequences: u32, steps: usize, store: impl Fn() -> Arc<dyn Store>) {
    let config = Config {
        cases: sequences,
        max_shrink_iters: 1_000,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&prop::collection::vec(step(), steps), |steps| {
            let mut run = Run::new(store());
            for step in &steps {
                run.step(step);
            }
            run.step(&Step::Release);
            run.restart();
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

fn sequences() -> u32 {
    std::env::var("SEATGRAPH_HISTORIES")
        .ok()
        .and_then(|number| number.parse().ok())
        .unwrap_or(1000)
}

#[test]
fn every_history_is_what_its_log_says() {
    check(sequences() / 2, 100, || Arc::new(Memory::new()));
}

/// The other half, on the other core.
#[test]
fn every_other_history_is_what_its_log_says() {
    check(sequences().div_ceil(2), 100, || Arc::new(Memory::new()));
}

/// The same upon a disk, fewer and shorter.
#[test]
fn a_history_on_disk_is_what_its_log_says() {
    check(sequences().div_ceil(50), 60, || {
        Arc::new(File(tempfile::tempdir().expect("a folder")))
    });
}
