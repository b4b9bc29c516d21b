//! The two copies of the graph: the published one, which readers share and nobody changes, and the writer's, one batch behind
//! until it has replayed that batch. Whatever waiting, copying and freeing there is falls on the writer.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::Shared;
use super::sync::atomic::Ordering;
use super::sync::{Instant, RwLock, thread};
use crate::graph::{Broken, Graph};
use crate::model::{Commit, Revision};
use crate::mutant::mutant;

pub(super) struct Published {
    /// Locked by a reader for as long as it takes to clone the `Arc`.
    graph: RwLock<Arc<Graph>>,
    revision: watch::Sender<Revision>,
}

impl Published {
    pub(super) fn new(graph: Graph) -> Self {
        let (revision, _) = watch::channel(graph.revision());
        Self {
            graph: RwLock::new(Arc::new(graph)),
            revision,
        }
    }

    pub(super) fn snapshot(&self) -> Arc<Graph> {
        self.graph.read().clone()
    }

    pub(super) fn revision(&self) -> Revision {
        self.graph.read().revision()
    }

    /// Hears of revisions after the graph that has them can be had.
    pub(super) fn subscribe(&self) -> watch::Receiver<Revision> {
        self.revision.subscribe()
    }

    /// Gives back the copy that was published before.
    fn swap(&self, graph: Arc<Graph>) -> Arc<Graph> {
        let revision = graph.revision();
        let old = std::mem::replace(&mut *self.graph.write(), graph);
        self.revision.send_replace(revision);
        old
    }
}

/// The writer waits for a reader as long as making a copy would take, within these bounds: never more than twice the
/// cheaper of the two.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(250));

/// The writer's side.
pub(super) struct Copies {
    shared: Arc<Shared>,
    /// The copy that was published before, which readers may still hold; ours alone when `ready`.
    copy: Option<Arc<Graph>>,
    /// What is published and not yet in `copy`.
    behind: Vec<Commit>,
    /// Given up to readers that held them. Kept until those are gone, so that no reader pays for freeing a graph.
    held: Vec<Arc<Graph>>,
    published_at: Instant,
    patience: Duration,
}

impl Copies {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let (patience, _) = PATIENCE;
        Self {
            shared,
            copy: None,
            behind: Vec::new(),
            held: Vec::new(),
            published_at: Instant::now(),
            patience,
        }
    }

    /// The copy to change, equal to the published one; waits for it or makes one.
    pub(super) fn working(&mut self) -> Result<&mut Graph, Broken> {
        if !self.catch_up()? {
            let until = self.published_at + self.patience;
            let mut spins = 0;
            while Instant::now() < until && !self.catch_up()? {
                spins += 1;
                if spins < 64 {
                    thread::yield_now()
                } else {
                    thread::park_timeout(Duration::from_micros(100))
                }
            }
        }
        if !self.is_ready() {
            self.shared
                .counters
                .copies_cloned
                .fetch_add(u64::from(self.copy.is_some()), Ordering::Relaxed);
            self.held.extend(self.copy.take());
            self.make();
        }
        self.current()
    }

    /// The copy `working` made ready earlier in this batch.
    pub(super) fn current(&mut self) -> Result<&mut Graph, Broken> {
        let graph = self.copy.as_mut().and_then(Arc::get_mut);
        graph.ok_or_else(|| Broken("the working copy is shared".to_owned()))
    }

    /// Replays what is behind, if no reader holds the copy any more. Says whether the copy is ready.
    pub(super) fn catch_up(&mut self) -> Result<bool, Broken> {
        let Some(graph) = self.copy.as_mut().and_then(Arc::get_mut) else {
            return Ok(false);
        };
        if mutant("stay-behind") {
            self.behind.clear();
        }
        for commit in self.behind.drain(..) {
            play(graph, &commit)?;
        }
        Ok(true)
    }

    fn is_ready(&mut self) -> bool {
        self.behind.is_empty() && self.copy.as_mut().and_then(Arc::get_mut).is_some()
    }

    /// Whether there is still something to do when there is nothing to write.
    pub(super) fn is_idle(&self) -> bool {
        self.behind.is_empty() && self.held.is_empty()
    }

    /// Makes the second copy after the start.
    pub(super) fn prepare(&mut self) {
        if self.copy.is_none() {
            self.make();
        }
    }

    fn make(&mut self) {
        let start = Instant::now();
        let graph = Graph::clone(&self.shared.published.snapshot());
        let (least, most) = PATIENCE;
        self.patience = start.elapsed().clamp(least, most);
        self.copy = Some(Arc::new(graph));
        self.behind.clear();
    }

    /// Throws the working copy away and makes it again from the published one and what was decided since.
    pub(super) fn rebuild(&mut self, decided: &[Commit]) -> Result<(), Broken> {
        self.discard();
        self.make();
        let graph = self.current()?;
        decided.iter().try_for_each(|commit| play(graph, commit))
    }

    pub(super) fn discard(&mut self) {
        self.copy = None;
        self.behind.clear();
    }

    /// Readers see the working copy from now on; the other one is behind by these commits.
    pub(super) fn publish(&mut self, commits: &mut Vec<Commit>) {
        if let Some(graph) = self.copy.take() {
            self.copy = Some(self.shared.published.swap(graph));
            self.behind.append(commits);
            self.published_at = Instant::now();
        }
    }

    /// Frees copies no reader holds any more.
    pub(super) fn tidy(&mut self) {
        if !self.held.is_empty() {
            self.held.retain(|copy| Arc::strong_count(copy) > 1);
        }
        self.shared
            .counters
            .copies_held
            .store(self.held.len() as u64, Ordering::Relaxed);
    }
}

pub(super) fn play(graph: &mut Graph, commit: &Commit) -> Result<(), Broken> {
    for change in &commit.changes {
        graph.apply(change)?;
    }
    graph.set_revision(commit.revision);
    Ok(())
}
