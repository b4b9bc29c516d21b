//! Where the committer's time goes: what each part of a batch took, in sum for `/metrics`, and a line in the log for a batch that
//! took long, which says what all that waited for it waited for. By the machine's clock in `explored` too: nothing is decided by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The parts of a batch, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Until the working copy is free of readers, or another is made, and has all that is published.
    Prepare,
    /// The closures, and what other nodes committed.
    Decide,
    /// Until the store lets it begin, and later says that it is durable.
    Store,
    /// Published and answered.
    Answer,
    /// The other copy gets what was published. Nobody waits for it but the next batch. What is done of it later, with nothing to
    /// write, is not counted.
    CatchUp,
}

impl Phase {
    pub const ALL: [Self; 5] = [Self::Prepare, Self::Decide, Self::Store, Self::Answer, Self::CatchUp];

    /// As metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Decide => "decide",
            Self::Store => "store",
            Self::Answer => "answer",
            Self::CatchUp => "catch_up",
        }
    }
}

/// In nanoseconds, in the order of the phases.
#[derive(Default)]
pub(super) struct Spent([AtomicU64; Phase::ALL.len()]);

impl Spent {
    pub(super) fn get(&self, phase: Phase) -> Duration {
        Duration::from_nanos(self.0[phase as usize].load(Ordering::Relaxed))
    }
}

/// Of one batch.
pub(super) struct Watch {
    spent: Arc<Spent>,
    last: Instant,
    took: [Duration; Phase::ALL.len()],
}

impl Watch {
    pub(super) fn start(spent: &Arc<Spent>) -> Self {
        Self {
            spent: spent.clone(),
            last: Instant::now(),
            took: Default::default(),
        }
    }

    /// What has passed since the last word belongs to this phase.
    pub(super) fn is_over(&mut self, phase: Phase) {
        self.is_over_at(phase, Instant::now());
    }

    fn is_over_at(&mut self, phase: Phase, now: Instant) {
        let took = now - self.last;
        self.took[phase as usize] += took;
        self.spent.0[phase as usize].fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
        self.last = now;
    }

    /// `writes` were in this batch.
    pub(super) fn end(self, writes: usize, slow: Option<Duration>) {
        let sum = self.took.iter().sum::<Duration>();
        if slow.is_some_and(|slow| sum > slow) {
            let [prepare, decide, store, answer, catch_up] = self.took.map(|took| took.as_micros() as u64);
            let micros = sum.as_micros() as u64;
            tracing::warn!(
                writes,
                micros,
                prepare,
                decide,
                store,
                answer,
                catch_up,
                "slow batch of writes"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logged;

    #[test]
    fn what_has_passed_belongs_to_the_phase_that_is_over() {
        let spent = Arc::<Spent>::default();
        let began = Instant::now();
        // Two batches; the store is heard twice in each.
        for _ in 0..2 {
            let mut watch = Watch::start(&spent);
            watch.last = began;
            let phases = [
                Phase::Prepare,
                Phase::Store,
                Phase::Decide,
                Phase::Store,
                Phase::Answer,
                Phase::CatchUp,
            ];
            for (phase, at) in phases.into_iter().zip([1, 3, 6, 10, 15, 21]) {
                watch.is_over_at(phase, began + Duration::from_millis(at));
            }
            assert_eq!(watch.took.map(|took| took.as_millis()), [1, 3, 6, 5, 6]);
        }
        let sums = Phase::ALL.map(|phase| (phase.name(), spent.get(phase).as_millis()));
        let expected = [
            ("prepare", 2),
            ("decide", 6),
            ("store", 12),
            ("answer", 10),
            ("catch_up", 12),
        ];
        assert_eq!(sums, expected);
    }

    #[test]
    fn a_slow_batch_says_what_took_long() {
        let end = |slow| {
            let watch = Watch {
                spent: Arc::default(),
                last: Instant::now(),
                took: [1, 2, 30, 4, 5].map(Duration::from_millis),
            };
            logged::during(|| watch.end(7, slow))
        };
        let line = end(Some(Duration::from_millis(41)));
        let said =
            "slow batch of writes writes=7 micros=42000 prepare=1000 decide=2000 store=30000 answer=4000 catch_up=5000";
        assert!(line.contains(said), "{line}");
        assert_eq!(end(Some(Duration::from_millis(42))), "");
        assert_eq!(end(None), "");
    }
}
