//! The one thread that decides. It takes all that waits, begins, runs each closure against the working copy, makes what they
//! changed durable in one transaction of the store, publishes, answers, and only then brings the other copy up to date.
//! It does not know what the closures do.
//!
//! What waits is what came while the last batch was made durable; more is not waited for. Then some writers make their requests
//! while those of others become durable, where all of them would wait for the disk together.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::job::{Job, Outcome};
use super::phases::{Phase, Watch};
use super::publish::{Copies, play};
use super::queue::Taken;
use super::replays::Replays;
use super::sync::Instant;
use super::sync::atomic::Ordering;
use super::{Options, Reply, Shared, Write, Written};
use crate::graph::{Broken, Graph, Transaction, Violation};
use crate::leisure::at_leisure;
use crate::model::{Change, Clock, Commit, Event, Replay, Revision, Time, Whose};
use crate::mutant::mutant;
use crate::storage::{Storage, StorageError};

/// What callers are told when the committer itself is at fault.
pub(super) const FAULT: &str = "the committer met a fault in the program";
/// What a repeat is told whose first answer cannot be had.
const NOT_KEPT: &str = "the first answer to this Idempotency-Key is no longer kept";
/// Commits of others fetched at a time.
const FETCHED: usize = 1024;
/// How often the committer looks after copies that readers hold while there is nothing to write.
const TIDYING: Duration = Duration::from_millis(5);

/// A batch gives its processor away for so long at most: what it holds, others may want. Tests count on machines that stand still for a while.
const LEISURE: Duration = Duration::from_millis(if cfg!(test) { 1000 } else { 50 });

pub(super) struct Committer {
    shared: Arc<Shared>,
    storage: Box<dyn Storage>,
    copies: Copies,
    replays: Replays,
    options: Options,
}

/// What a batch came to.
struct Batch {
    /// Those of other nodes first, if the head had moved, then our own.
    commits: Vec<Commit>,
    fetched: usize,
    /// One for each job, in the same order; told when all that they rest on is durable.
    outcomes: Vec<Outcome>,
}

/// Why a batch came to nothing. Writing stops with it.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Broken(#[from] Broken),
    #[error("the database went back from revision `{from}` to `{to}`")]
    WentBack { from: Revision, to: Revision },
}

/// What a commit is made of.
#[derive(Default)]
struct Done {
    changes: Vec<Change>,
    whose: Whose,
    events: Vec<Event>,
}

/// What came of one closure.
enum Ran {
    Done(Reply, Done),
    Dry(Reply),
    Refused,
    Violation(Violation),
}

impl Committer {
    pub(super) fn new(shared: Arc<Shared>, storage: Box<dyn Storage>, replays: Replays, options: Options) -> Self {
        let copies = Copies::new(shared.clone(), options.keeping);
        Self {
            shared,
            storage,
            copies,
            replays,
            options,
        }
    }

    pub(super) fn run(mut self) {
        let shared = self.shared.clone();
        if catch_unwind(AssertUnwindSafe(|| self.serve())).is_err() {
            shared.fail(FAULT.to_owned());
            let _ = catch_unwind(AssertUnwindSafe(|| self.storage.abandon()));
            self.turn_away();
        }
    }

    fn serve(&mut self) {
        self.copies.prepare();
        let mut jobs = Vec::new();
        loop {
            let wait = (!self.copies.is_idle()).then_some(TIDYING);
            match self.shared.queue.take(&mut jobs, self.options.batch, wait) {
                Taken::Jobs { pressed: true } => self.batches(&mut jobs),
                Taken::Jobs { pressed: false } => self.at_leisure(|committer| committer.batches(&mut jobs)),
                Taken::Nothing => self.at_leisure(Self::after),
                Taken::Closed => return,
            }
        }
    }

    /// For as long as nothing comes that is waited for, and not for longer than `LEISURE`.
    fn at_leisure(&mut self, work: impl FnOnce(&mut Self)) {
        let shared = self.shared.clone();
        let began = Instant::now();
        let is_over = move || shared.queue.is_pressed() || began.elapsed() > LEISURE;
        at_leisure(is_over, || work(self));
    }

    /// Answers all that waits and will still come, when nothing can be decided any more.
    fn turn_away(&mut self) {
        let mut jobs = Vec::new();
        while let Taken::Jobs { .. } = self.shared.queue.take(&mut jobs, usize::MAX, None) {
            self.refuse_all(&mut jobs);
        }
    }

    /// A dry run may be long, and leaves nothing for those before it to share: they are answered first.
    fn batches(&mut self, jobs: &mut Vec<Box<dyn Job>>) {
        while !jobs.is_empty() {
            let dry = jobs.iter().skip(1).position(|job| job.write().dry_run);
            let mut later = dry.map_or_else(Vec::new, |at| jobs.split_off(at + 1));
            self.batch(jobs);
            jobs.append(&mut later);
        }
    }

    fn batch(&mut self, jobs: &mut Vec<Box<dyn Job>>) {
        if self.shared.fault.get().is_some() {
            return self.refuse_all(jobs);
        }
        let mut batch = Batch {
            commits: Vec::new(),
            fetched: 0,
            outcomes: Vec::with_capacity(jobs.len()),
        };
        if mutant("publish-early") {
            return self.batch_published_early(jobs, batch);
        }
        let (writes, mut watch) = (jobs.len(), Watch::start(&self.shared.counters.spent));
        let decided = self.decide(jobs, &mut batch, &mut watch);
        watch.is_over(Phase::Decide);
        let persisted = decided.and_then(|()| self.persist(&batch));
        watch.is_over(Phase::Store);
        match persisted {
            Ok(()) => {
                self.publish(&mut batch);
                answer(jobs, batch.outcomes);
                watch.is_over(Phase::Answer);
                self.after();
                watch.is_over(Phase::CatchUp);
            }
            Err(failure) => {
                self.shared.fail(failure.to_string());
                self.storage.abandon();
                // What may be stored keeps its keys: who repeats it is not told that nothing was written.
                if !matches!(failure, Failure::Storage(StorageError::Unsure(_))) {
                    self.replays.take_back(&batch.commits[batch.fetched..]);
                }
                // It has what was not stored. Nothing is decided upon it any more, so it is dropped rather than undone.
                self.copies.discard();
                match failure {
                    Failure::Storage(StorageError::Unsure(why)) if batch.outcomes.len() == jobs.len() => {
                        self.leave_open(jobs, batch.outcomes, &why);
                    }
                    _ => self.refuse_all(jobs),
                }
                watch.is_over(Phase::Answer);
            }
        }
        watch.end(writes, self.options.slow);
    }

    /// Runs every job against the working copy. Nothing of it is durable, published or answered yet.
    fn decide(&mut self, jobs: &mut [Box<dyn Job>], batch: &mut Batch, watch: &mut Watch) -> Result<(), Failure> {
        // The copy first: other nodes need not wait for a reader of this one.
        let mut revision = self.copies.working()?.revision();
        watch.is_over(Phase::Prepare);
        let head = self.storage.begin()?;
        watch.is_over(Phase::Store);
        if head.revision < revision {
            return Err(Failure::WentBack {
                from: revision,
                to: head.revision,
            });
        }
        while revision < head.revision {
            revision = self.fetch(revision, batch)?;
        }
        let now = self.shared.clock.now().max(head.at);
        self.replays.forget_old(now);
        // All of an earlier batch, which is durable.
        self.replays.shrink(self.options.replay_bytes);
        for job in jobs {
            let write = job.write();
            let asked = write.idempotency.as_ref().filter(|_| !write.dry_run);
            if let Some(asked) = asked
                && let Some(replay) = self.replays.find(&asked.scope, &asked.key, now)
            {
                if replay.fingerprint != asked.fingerprint {
                    batch.outcomes.push(Outcome::KeyReused);
                    continue;
                }
                let status = replay.status;
                let body = match &replay.body {
                    Some(body) => Some(body.clone()),
                    None => kept_body(&mut *self.storage, replay.revision)?,
                };
                batch.outcomes.push(body.map_or_else(
                    || Outcome::Unavailable(NOT_KEPT.to_owned()),
                    |body| {
                        Outcome::Written(Written {
                            reply: Reply { status, body },
                            revision,
                            replayed: true,
                        })
                    },
                ));
                continue;
            }
            let is_kept = asked.is_some_and(|asked| asked.of_several);
            let graph = self.copies.current()?;
            let clock = &*self.shared.clock;
            // A panic may have left the copy half changed, and no undoing can be trusted to mend that.
            let options = &self.options;
            let run = || run(job.as_mut(), graph, revision + 1, now, clock, options);
            let Ok(ran) = catch_unwind(AssertUnwindSafe(run)) else {
                self.shared.counters.panics.fetch_add(1, Ordering::Relaxed);
                self.copies.rebuild(&batch.commits)?;
                batch.outcomes.push(Outcome::Panicked);
                continue;
            };
            let written = |reply, revision| {
                Outcome::Written(Written {
                    reply,
                    revision,
                    replayed: false,
                })
            };
            batch.outcomes.push(match ran {
                Ran::Refused => Outcome::Refused,
                Ran::Violation(violation) => Outcome::Violation(violation),
                Ran::Dry(reply) => written(reply, revision),
                Ran::Done(reply, done) if !is_kept && done.changes.is_empty() && done.events.is_empty() => {
                    written(reply, revision)
                }
                Ran::Done(reply, done) => {
                    revision += 1;
                    graph.set_revision(revision);
                    let commit = commit(job.as_ref(), revision, now, &reply, done);
                    if let Some(replay) = &commit.replay {
                        self.replays.keep(revision, replay);
                    }
                    batch.commits.push(commit);
                    written(reply, revision)
                }
            });
        }
        Ok(())
    }

    /// Plays commits another node made. They are durable already, and published with this batch.
    fn fetch(&mut self, revision: Revision, batch: &mut Batch) -> Result<Revision, Failure> {
        let commits = self.storage.since(revision, FETCHED)?;
        let graph = self.copies.current()?;
        let mut at = revision;
        for commit in &commits {
            if commit.revision != at + 1 {
                return Err(Broken(format!("commit `{}` follows `{at}`", commit.revision)).into());
            }
            play(graph, commit)?;
            at = commit.revision;
            if let Some(replay) = &commit.replay {
                self.replays.keep(at, replay);
            }
        }
        if at == revision {
            return Err(Broken(format!("no commit follows `{at}`")).into());
        }
        batch.fetched += commits.len();
        batch.commits.extend(commits);
        Ok(at)
    }

    fn persist(&mut self, batch: &Batch) -> Result<(), Failure> {
        match &batch.commits[batch.fetched..] {
            [] => self.storage.abandon(),
            commits => self.storage.commit(commits)?,
        }
        Ok(())
    }

    fn publish(&mut self, batch: &mut Batch) {
        let Some(last) = batch.commits.last() else { return };
        let counters = &self.shared.counters;
        counters.last_commit.store(last.at.0, Ordering::Relaxed);
        counters.batches.fetch_add(1, Ordering::Relaxed);
        counters
            .commits
            .fetch_add((batch.commits.len() - batch.fetched) as u64, Ordering::Relaxed);
        self.copies.publish(&mut batch.commits);
    }

    /// What need not be done before the callers have their answers.
    fn after(&mut self) {
        if let Err(broken) = self.copies.catch_up() {
            self.shared.fail(broken.to_string());
        }
        self.copies.tidy();
    }

    fn refuse_all(&self, jobs: &mut Vec<Box<dyn Job>>) {
        let reason = self.shared.fault.get().cloned().unwrap_or_default();
        let now = self.shared.clock.now();
        for job in jobs.drain(..) {
            let outcome = match self.is_repeated(job.write(), now) {
                true => Outcome::Unknown(reason.clone()),
                false => Outcome::Unavailable(reason.clone()),
            };
            job.answer(outcome);
        }
    }

    /// Whether the same was asked with its key before, and is stored or may be.
    fn is_repeated(&self, write: &Write, now: Time) -> bool {
        let asked = write.idempotency.as_ref().filter(|_| !write.dry_run);
        asked.is_some_and(|asked| {
            let kept = self.replays.find(&asked.scope, &asked.key, now);
            kept.is_some_and(|kept| kept.fingerprint == asked.fingerprint)
        })
    }

    /// Who wrote is told that it may be there after a restart. A refusal, or a dry run, left nothing that could be.
    fn leave_open(&self, jobs: &mut Vec<Box<dyn Job>>, outcomes: Vec<Outcome>, why: &str) {
        for (job, outcome) in jobs.drain(..).zip(outcomes) {
            let may_be_there = matches!(outcome, Outcome::Written(_)) && !job.write().dry_run;
            job.answer(match may_be_there {
                true => Outcome::Unknown(why.to_owned()),
                false => Outcome::Unavailable(why.to_owned()),
            });
        }
    }

    /// The engine without its first promise: published and answered before it is durable.
    fn batch_published_early(&mut self, jobs: &mut Vec<Box<dyn Job>>, mut batch: Batch) {
        let mut watch = Watch::start(&self.shared.counters.spent);
        if let Err(failure) = self.decide(jobs, &mut batch, &mut watch) {
            self.shared.fail(failure.to_string());
            return self.refuse_all(jobs);
        }
        let decided = Batch {
            commits: batch.commits.clone(),
            fetched: batch.fetched,
            outcomes: Vec::new(),
        };
        self.publish(&mut batch);
        answer(jobs, batch.outcomes);
        if let Err(failure) = self.persist(&decided) {
            self.shared.fail(failure.to_string());
        }
        self.after();
    }
}

/// The body of an answer that is kept with its commit. `None`: the log was cut off after it.
fn kept_body(storage: &mut dyn Storage, revision: Revision) -> Result<Option<Arc<[u8]>>, Failure> {
    match storage.since(revision.saturating_sub(1), 1) {
        Ok(commits) => Ok(commits
            .into_iter()
            .find(|commit| commit.revision == revision)
            .and_then(|commit| commit.replay)
            .map(|replay| replay.body)),
        Err(StorageError::TooOld(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// One closure in a transaction of its own, which leaves changes behind in the graph only where it says `Done`.
fn run(job: &mut dyn Job, graph: &mut Graph, revision: Revision, now: Time, clock: &Clock, options: &Options) -> Ran {
    let dry = job.write().dry_run;
    let mut transaction = Transaction::new(graph, revision, now, clock);
    let Some(reply) = job.run(&mut transaction) else {
        if mutant("keep-refused") {
            return transaction.finish().map_or(Ran::Refused, |changes| {
                let done = Done {
                    changes,
                    ..Done::default()
                };
                Ran::Done(Reply::empty(), done)
            });
        }
        transaction.abandon();
        return Ran::Refused;
    };
    if dry {
        let valid = transaction.validate();
        transaction.abandon();
        return valid.map_or_else(Ran::Violation, |()| Ran::Dry(reply));
    }
    let mut told = transaction.take_events();
    match transaction.finish() {
        Ok(changes) => {
            let whose = (options.whose)(graph, &changes);
            (options.events)(graph, &changes, &whose, now, &mut told);
            let done = Done {
                changes,
                whose,
                events: told,
            };
            Ran::Done(reply, done)
        }
        Err(violation) => Ran::Violation(violation),
    }
}

fn commit(job: &dyn Job, revision: Revision, at: Time, reply: &Reply, done: Done) -> Commit {
    let write = job.write();
    let replay = write.idempotency.as_ref().map(|asked| Replay {
        scope: asked.scope.clone(),
        key: asked.key.clone(),
        fingerprint: asked.fingerprint,
        at,
        status: reply.status,
        body: reply.body.clone(),
    });
    Commit {
        revision,
        at,
        by: write.by,
        operation: write.operation.clone(),
        request_id: write.request_id.clone(),
        changes: done.changes,
        whose: done.whose,
        events: done.events,
        replay,
    }
}

fn answer(jobs: &mut Vec<Box<dyn Job>>, outcomes: Vec<Outcome>) {
    for (job, outcome) in jobs.drain(..).zip(outcomes) {
        job.answer(outcome);
    }
}
