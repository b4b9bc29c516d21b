//! Where the committer's time goes: what each part of a batch took, in sum for `/metrics`, and a line in the log for a batch that
//! took long, which says what all that waited for it waited for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The parts of a batch, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Until the working copy is free of readers and has all that is published.
    Copy,
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
    pub const ALL: [Self; 5] = [Self::Copy, Self::Decide, Self::Store, Self::Answer, Self::CatchUp];

    /// As metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Copy => "copy",
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
    last: Instant,
    took: [Duration; Phase::ALL.len()],
}

impl Watch {
    pub(super) fn start() -> Self {
        Self {
            last: Instant::now(),
            took: Default::default(),
        }
    }

    /// What has passed since the last word belongs to this phase.
    pub(super) fn is_over(&mut self, phase: Phase) {
        let now = Instant::now();
        self.took[phase as usize] += now - self.last;
        self.last = now;
    }

    /// `writes` were decided in this batch.
    pub(super) fn end(self, spent: &Spent, writes: usize, slow: Option<Duration>) {
        for (sum, took) in spent.0.iter().zip(self.took) {
            sum.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
        }
        let sum = self.took.iter().sum::<Duration>();
        if slow.is_some_and(|slow| sum > slow) {
            let [copy, decide, store, answer, catch_up] = self.took.map(|took| took.as_micros() as u64);
            let micros = sum.as_micros() as u64;
            tracing::warn!(
                writes,
                micros,
                copy,
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
    fn a_slow_batch_says_what_took_long() {
        let spent = Spent::default();
        let end = |slow| {
            let watch = Watch {
                last: Instant::now(),
                took: [1, 2, 30, 4, 5].map(Duration::from_millis),
            };
            logged::during(|| watch.end(&spent, 7, slow))
        };
        let line = end(Some(Duration::from_millis(41)));
        let said =
            "slow batch of writes writes=7 micros=42000 copy=1000 decide=2000 store=30000 answer=4000 catch_up=5000";
        assert!(line.contains(said), "{line}");
        assert_eq!(end(Some(Duration::from_millis(42))), "");
        assert_eq!(end(None), "");
        let sums = Phase::ALL.map(|phase| spent.get(phase).as_millis());
        assert_eq!(sums, [3, 6, 90, 12, 15]);
    }

    #[test]
    fn what_has_passed_belongs_to_the_phase_that_is_over() {
        let mut watch = Watch::start();
        let began = watch.last;
        watch.is_over(Phase::Copy);
        watch.is_over(Phase::Store);
        watch.is_over(Phase::Store);
        let passed = watch.last - began;
        assert_eq!(watch.took.iter().sum::<Duration>(), passed);
        assert_eq!(watch.took[Phase::Decide as usize], Duration::ZERO);
    }
}
