//! A store that fails when told to, so that tests see what a failing disk does to those above. Keeps nothing itself.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{Head, Health, Loaded, Logs, Storage, StorageError};
use crate::model::{Commit, Revision, Time};

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does nothing and answers an error.
    Before,
    /// It does everything and answers an error: the caller cannot know.
    After,
    /// It panics: for tests that the process survives even that.
    Panic,
}

#[derive(Debug, Default)]
struct Plan {
    /// Calls until the fault, this one counted.
    begin: Option<(usize, Fault)>,
    commit: Option<(usize, Fault)>,
    begins: usize,
    commits: usize,
    failed: bool,
}

/// The test's hand on a store that a committer owns.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<Plan>>);

impl Faults {
    /// The `nth` call of `commit` from now (1: the next) fails, and after it, by the contract, every call.
    pub fn fail_commit(&self, nth: usize, fault: Fault) {
        self.0.lock().commit = Some((nth.max(1), fault));
    }

    /// As `fail_commit`, for `begin`.
    pub fn fail_begin(&self, nth: usize, fault: Fault) {
        self.0.lock().begin = Some((nth.max(1), fault));
    }

    /// How often `begin` was called.
    pub fn begins(&self) -> usize {
        self.0.lock().begins
    }

    /// How often `commit` was called.
    pub fn commits(&self) -> usize {
        self.0.lock().commits
    }

    /// Whether a fault has struck.
    pub fn failed(&self) -> bool {
        self.0.lock().failed
    }
}

/// A store with faults. After one has struck it stays failed; open what is inside anew, as after a restart.
#[derive(Debug)]
pub struct Failing<S> {
    inner: S,
    faults: Faults,
    health: Health,
}

impl<S: Storage> Failing<S> {
    pub fn new(inner: S) -> (Self, Faults) {
        let faults = Faults::default();
        (
            Self {
                inner,
                faults: faults.clone(),
                health: Health::default(),
            },
            faults,
        )
    }

    fn suffer<T>(
        &mut self,
        fault: Option<Fault>,
        what: &str,
        call: impl FnOnce(&mut S) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        self.health.check()?;
        let Some(fault) = fault else {
            return call(&mut self.inner);
        };
        self.faults.0.lock().failed = true;
        let told = format!("{what} was told to fail");
        let error = match fault {
            Fault::Before => StorageError::Io(told),
            Fault::After => {
                call(&mut self.inner)?;
                StorageError::Unsure(told)
            }
            Fault::Panic => panic!("{what} was told to panic"),
        };
        self.inner.abandon();
        self.health.seal(Err(error))
    }
}

/// Counts a call down; the fault when it strikes now.
fn due(plan: &mut Option<(usize, Fault)>) -> Option<Fault> {
    let (left, fault) = plan.as_mut()?;
    *left -= 1;
    if *left > 0 {
        return None;
    }
    let fault = *fault;
    *plan = None;
    Some(fault)
}

impl<S: Storage> Storage for Failing<S> {
    fn load(
        &mut self,
        replays_since: Time,
        each: &mut dyn FnMut(Loaded) -> Result<(), StorageError>,
    ) -> Result<Head, StorageError> {
        self.suffer(None, "load", |inner| inner.load(replays_since, each))
    }

    fn begin(&mut self) -> Result<Head, StorageError> {
        let fault = {
            let mut plan = self.faults.0.lock();
            plan.begins += 1;
            due(&mut plan.begin)
        };
        self.suffer(fault, "begin", Storage::begin)
    }

    fn since(&mut self, after: Revision, at_most: usize) -> Result<Vec<Commit>, StorageError> {
        self.suffer(None, "since", |inner| inner.since(after, at_most))
    }

    fn commit(&mut self, commits: &[Commit]) -> Result<(), StorageError> {
        let fault = {
            let mut plan = self.faults.0.lock();
            plan.commits += 1;
            due(&mut plan.commit)
        };
        self.suffer(fault, "commit", |inner| inner.commit(commits))
    }

    fn abandon(&mut self) {
        self.inner.abandon();
    }

    fn logs(&self) -> Logs {
        self.inner.logs()
    }
}
