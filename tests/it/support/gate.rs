//! A store that stops the committer at `begin` until the test lets it go on: so a test decides what is one batch, without sleeping;
//! or what happens behind the first commit of an operation.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use seatgraph::model::{Commit, Revision, Time};
use seatgraph::storage::{Head, Loaded, Logs, Storage, StorageError};

#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    shut: bool,
    /// The committer stands before it.
    waited_at: bool,
    /// The first commit of this operation shuts it.
    shut_behind: Option<&'static str>,
}

const LONG: Duration = Duration::from_secs(30);

impl Gate {
    pub fn shut(&self) {
        self.0.0.lock().shut = true;
    }

    /// Once; `None`: by no commit any more.
    pub fn shut_behind(&self, operation: Option<&'static str>) {
        self.0.0.lock().shut_behind = operation;
    }

    fn committed(&self, commits: &[Commit]) {
        let mut state = self.0.0.lock();
        let is_it = |operation: &&str| commits.iter().any(|commit| commit.operation == *operation);
        if state.shut_behind.take_if(|operation| is_it(&&**operation)).is_some() {
            state.shut = true;
        }
    }

    pub fn open(&self) {
        self.0.0.lock().shut = false;
        self.0.1.notify_all();
    }

    /// Returns when the committer stands before the gate.
    pub fn arrived(&self) {
        let mut state = self.0.0.lock();
        while !state.waited_at {
            assert!(
                !self.0.1.wait_for(&mut state, LONG).timed_out(),
                "the committer never came to the gate"
            );
        }
    }

    fn pass(&self) {
        let mut state = self.0.0.lock();
        while state.shut {
            state.waited_at = true;
            self.0.1.notify_all();
            assert!(
                !self.0.1.wait_for(&mut state, LONG).timed_out(),
                "nobody opened the gate"
            );
        }
        state.waited_at = false;
    }
}

pub struct Gated<S> {
    inner: S,
    gate: Gate,
}

impl<S: Storage> Gated<S> {
    pub fn new(inner: S, gate: &Gate) -> Self {
        Self {
            inner,
            gate: gate.clone(),
        }
    }
}

impl<S: Storage> Storage for Gated<S> {
    fn load(
        &mut self,
        replays_since: Time,
        each: &mut dyn FnMut(Loaded) -> Result<(), StorageError>,
    ) -> Result<Head, StorageError> {
        self.inner.load(replays_since, each)
    }

    fn begin(&mut self) -> Result<Head, StorageError> {
        self.gate.pass();
        self.inner.begin()
    }

    fn since(&mut self, after: Revision, at_most: usize) -> Result<Vec<Commit>, StorageError> {
        self.inner.since(after, at_most)
    }

    fn commit(&mut self, commits: &[Commit]) -> Result<(), StorageError> {
        self.gate.committed(commits);
        self.inner.commit(commits)
    }

    fn abandon(&mut self) {
        self.inner.abandon();
    }

    fn logs(&self) -> Logs {
        self.inner.logs()
    }
}
