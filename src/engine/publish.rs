//! The copies of the graph: the published one, which readers share and nobody changes, and the writer's, one batch behind until it
//! has replayed that batch; more of the writer's for as long as readers are slow. Whatever waiting, copying and freeing there is falls on the writer.

use std::collections::VecDeque;
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

/// The writer waits for readers, one after the other, as long as making a copy would take, within these bounds: never more than
/// twice the cheaper of the two.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(250));

/// A spare copy is brought up to date over no more changes than this share of the graph's entities: making one anew is cheaper
/// then. Of small graphs over so many in any case.
const FURTHEST_BEHIND: (usize, usize) = (16, 1000);

/// The writer's side.
///
/// Beside the published copy there is one to be changed next, and a spare one for each reader that was slow at the same time as
/// others: they take turns, each brought up to date when its reader has gone, until it was not needed for a while.
pub(super) struct Copies {
    shared: Arc<Shared>,
    /// The one to be changed next, which readers may still hold; ours alone when `ready`.
    copy: Option<Arc<Graph>>,
    /// Each with when it was needed last: the first free one is taken, so that those behind it grow old.
    spare: Vec<(Arc<Graph>, Instant)>,
    /// What is published and not yet in all of those, in order, and how many changes that is.
    behind: VecDeque<Commit>,
    changes: usize,
    /// Given up, and held by readers. Kept until those are gone, so that no reader pays for freeing a graph.
    held: Vec<Arc<Graph>>,
    published_at: Instant,
    patience: Duration,
    /// What was waited for readers since the last copy was made, and when last. It counts for as long as a copy would be kept.
    waited: Duration,
    waited_at: Instant,
    /// How long a spare copy is kept that is not needed.
    keeping: Duration,
}

impl Copies {
    pub(super) fn new(shared: Arc<Shared>, keeping: Duration) -> Self {
        let (patience, _) = PATIENCE;
        Self {
            shared,
            copy: None,
            spare: Vec::new(),
            behind: VecDeque::new(),
            changes: 0,
            held: Vec::new(),
            published_at: Instant::now(),
            patience,
            waited: Duration::ZERO,
            waited_at: Instant::now(),
            keeping,
        }
    }

    /// The copy to change, equal to the published one; waits for it or makes one.
    pub(super) fn working(&mut self) -> Result<&mut Graph, Broken> {
        if !self.catch_up()? {
            self.wait();
            if !self.catch_up()? {
                self.shared
                    .counters
                    .copies_cloned
                    .fetch_add(u64::from(self.copy.is_some()), Ordering::Relaxed);
                self.spare.extend(self.copy.take().map(|copy| (copy, Instant::now())));
                self.waited = Duration::ZERO;
                self.make();
            }
        }
        self.current()
    }

    /// Until a reader lets go of a copy, or for as long as there is patience.
    fn wait(&mut self) {
        let (began, (least, _)) = (Instant::now(), PATIENCE);
        if self.waited_at.elapsed() >= self.keeping {
            self.waited = Duration::ZERO;
        }
        // For short queries it is always waited.
        let left = self.patience.saturating_sub(self.waited).max(least);
        let until = (self.published_at + self.patience).min(began + left);
        let mut spins = 0;
        while Instant::now() < until && !self.has_free() {
            spins += 1;
            if spins < 64 {
                thread::yield_now()
            } else {
                thread::park_timeout(Duration::from_micros(100))
            }
        }
        let waited = began.elapsed();
        if waited >= least {
            self.waited += waited;
            self.waited_at = Instant::now();
        }
    }

    /// Is there a copy that no reader holds, or none to wait for?
    fn has_free(&mut self) -> bool {
        if self.copy.is_none() {
            return true;
        }
        let spare = self.spare.iter_mut().map(|(spare, _)| spare);
        let mut all = self.copy.iter_mut().chain(spare);
        all.any(|copy| Arc::get_mut(copy).is_some())
    }

    /// The copy `working` made ready earlier in this batch.
    pub(super) fn current(&mut self) -> Result<&mut Graph, Broken> {
        let graph = self.copy.as_mut().and_then(Arc::get_mut);
        graph.ok_or_else(|| Broken("the working copy is shared".to_owned()))
    }

    /// Brings every copy up to date that no reader holds any more. Says whether there is one to change.
    pub(super) fn catch_up(&mut self) -> Result<bool, Broken> {
        if let Some(copy) = &mut self.copy
            && Arc::get_mut(copy).is_none()
            && let Some(at) = self
                .spare
                .iter_mut()
                .position(|(spare, _)| Arc::get_mut(spare).is_some())
        {
            let (spare, needed_at) = &mut self.spare[at];
            std::mem::swap(copy, spare);
            *needed_at = Instant::now();
        }
        if mutant("stay-behind") {
            self.forget_behind();
        }
        let mut is_ready = false;
        let spare = self.spare.iter_mut().map(|(spare, _)| spare);
        for (at, copy) in self.copy.iter_mut().chain(spare).enumerate() {
            let Some(graph) = Arc::get_mut(copy) else { continue };
            let from = self
                .behind
                .partition_point(|commit| commit.revision <= graph.revision());
            for commit in self.behind.range(from..) {
                play(graph, commit)?;
            }
            is_ready |= at == 0;
        }
        self.forget_played();
        Ok(is_ready && self.copy.is_some())
    }

    /// Whether there is still something to do when there is nothing to write.
    pub(super) fn is_idle(&self) -> bool {
        self.behind.is_empty() && self.spare.is_empty() && self.held.is_empty()
    }

    /// Makes the second copy after the start.
    pub(super) fn prepare(&mut self) {
        if self.copy.is_none() {
            self.make();
        }
        self.tidy();
    }

    fn make(&mut self) {
        let start = Instant::now();
        let graph = Graph::clone(&self.shared.published.snapshot());
        let (least, most) = PATIENCE;
        self.patience = start.elapsed().clamp(least, most);
        self.copy = Some(Arc::new(graph));
        self.forget_played();
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
    }

    /// Readers see the working copy from now on; the other ones are behind by these commits.
    pub(super) fn publish(&mut self, commits: &mut Vec<Commit>) {
        if let Some(graph) = self.copy.take() {
            self.copy = Some(self.shared.published.swap(graph));
            for mut commit in commits.drain(..) {
                // What is played, and no more: answers and events have bounds of their own.
                (commit.replay, commit.events, commit.whose) = Default::default();
                self.changes += weight(&commit);
                self.behind.push_back(commit);
            }
            self.published_at = Instant::now();
        }
    }

    /// Of what all copies have.
    fn forget_played(&mut self) {
        let copies = self.copy.iter().chain(self.spare.iter().map(|(spare, _)| spare));
        let Some(oldest) = copies.map(|copy| copy.revision()).min() else {
            return self.forget_behind();
        };
        while let Some(commit) = self.behind.pop_front_if(|commit| commit.revision <= oldest) {
            self.changes -= weight(&commit);
        }
    }

    fn forget_behind(&mut self) {
        self.behind.clear();
        self.changes = 0;
    }

    /// Gives up copies that are too far behind or that nobody wanted for long, and frees those no reader holds any more.
    pub(super) fn tidy(&mut self) {
        if !self.spare.is_empty() {
            let (share, least) = FURTHEST_BEHIND;
            let furthest = self.copy.as_ref().map_or(0, |copy| copy.len() / share).max(least);
            let keeping = self.keeping;
            let old = self
                .spare
                .extract_if(.., |(_, needed_at)| needed_at.elapsed() >= keeping);
            self.held.extend(old.map(|(spare, _)| spare));
            // A free one is up to date, and the one to be changed next was published last: an older one holds these up.
            let newest = self.copy.as_ref().map_or(Revision::MAX, |copy| copy.revision());
            while self.changes > furthest
                && let Some(at) = self.spare.iter().position(|(copy, _)| copy.revision() < newest)
            {
                self.held.push(self.spare.remove(at).0);
                self.forget_played();
            }
            self.forget_played();
        }
        if !self.held.is_empty() {
            self.held.retain(|copy| Arc::strong_count(copy) > 1);
        }
        let counters = &self.shared.counters;
        let is_held = |(copy, _): &&(Arc<Graph>, Instant)| Arc::strong_count(copy) > 1;
        let held = self.held.len() + self.spare.iter().filter(is_held).count();
        let copies = 1 + usize::from(self.copy.is_some()) + self.spare.len() + self.held.len();
        counters.copies_held.store(held as u64, Ordering::Relaxed);
        counters.copies.store(copies as u64, Ordering::Relaxed);
    }
}

/// A commit of events alone takes room too.
fn weight(commit: &Commit) -> usize {
    commit.changes.len().max(1)
}

pub(super) fn play(graph: &mut Graph, commit: &Commit) -> Result<(), Broken> {
    for change in &commit.changes {
        graph.apply(change)?;
    }
    graph.set_revision(commit.revision);
    Ok(())
}
