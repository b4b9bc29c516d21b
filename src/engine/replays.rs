//! Answers kept for Idempotency-Keys: each for 24 hours of commit time, found by whose key it is and the key itself. The
//! commits hold them for good; this is what is looked up. Of the bodies only the youngest are in memory, up to a bound: a
//! repeat mostly follows soon, and the storage gives back the others.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use compact_str::CompactString;

use crate::model::{Commit, Replay, Revision, Time};
use crate::storage::REPLAYS_KEPT_MS as KEPT_MS;

/// What is known of an answer without asking the storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub revision: Revision,
    pub fingerprint: [u8; 32],
    pub at: Time,
    pub status: u16,
    /// `None`: it is with the commit.
    pub body: Option<Arc<[u8]>>,
}

/// Two levels rather than one joined key: no two pairs of scope and key can meet.
#[derive(Default)]
pub(super) struct Replays {
    kept:
        HashMap<CompactString, HashMap<CompactString, Kept, foldhash::fast::RandomState>, foldhash::fast::RandomState>,
    /// In order of time, for forgetting.
    order: VecDeque<(Time, CompactString, CompactString)>,
    /// How many at the front of `order` have no body in memory any more.
    bodiless: usize,
    /// Of all bodies in memory.
    bytes: usize,
}

impl Replays {
    pub(super) fn find(&self, scope: &str, key: &str, now: Time) -> Option<&Kept> {
        self.kept.get(scope)?.get(key).filter(|kept| is_fresh(kept.at, now))
    }

    pub(super) fn keep(&mut self, revision: Revision, replay: &Replay) {
        self.order
            .push_back((replay.at, replay.scope.clone(), replay.key.clone()));
        self.bytes += replay.body.len();
        let kept = Kept {
            revision,
            fingerprint: replay.fingerprint,
            at: replay.at,
            status: replay.status,
            body: Some(replay.body.clone()),
        };
        let of_scope = self.kept.entry(replay.scope.clone()).or_default();
        let before = of_scope.insert(replay.key.clone(), kept);
        self.bytes -= before.map_or(0, |before| length(&before));
    }

    /// Lets go of the oldest bodies until those left are within the bound. Only when all that is kept is durable: the
    /// others are nowhere else yet.
    pub(super) fn shrink(&mut self, bound: usize) {
        while self.bytes > bound
            && let Some((at, scope, key)) = self.order.get(self.bodiless)
        {
            self.bodiless += 1;
            let kept = self.kept.get_mut(scope).and_then(|of_scope| of_scope.get_mut(key));
            if let Some(kept) = kept.filter(|kept| kept.at == *at) {
                self.bytes -= length(kept);
                kept.body = None;
            }
        }
    }

    /// Takes back what these commits kept last, when they could not be stored.
    pub(super) fn take_back(&mut self, commits: &[Commit]) {
        for replay in commits.iter().rev().filter_map(|commit| commit.replay.as_ref()) {
            self.order.pop_back();
            self.bodiless = self.bodiless.min(self.order.len());
            self.remove(&replay.scope, &replay.key, replay.at);
        }
    }

    /// After loading, which promises no order.
    pub(super) fn sort(&mut self) {
        self.order.make_contiguous().sort_by_key(|(at, ..)| *at);
        self.bodiless = 0;
    }

    pub(super) fn forget_old(&mut self, now: Time) {
        while let Some((at, ..)) = self.order.front()
            && !is_fresh(*at, now)
        {
            if let Some((at, scope, key)) = self.order.pop_front() {
                self.bodiless = self.bodiless.saturating_sub(1);
                self.remove(&scope, &key, at);
            }
        }
    }

    /// Only the one of that time: the same key may have been used again since.
    fn remove(&mut self, scope: &str, key: &str, at: Time) {
        if let Some(of_scope) = self.kept.get_mut(scope) {
            if of_scope.get(key).is_some_and(|kept| kept.at == at)
                && let Some(kept) = of_scope.remove(key)
            {
                self.bytes -= length(&kept);
            }
            if of_scope.is_empty() {
                self.kept.remove(scope);
            }
        }
    }
}

fn length(kept: &Kept) -> usize {
    kept.body.as_ref().map_or(0, |body| body.len())
}

fn is_fresh(at: Time, now: Time) -> bool {
    now.0.saturating_sub(at.0) < KEPT_MS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Principal, Whose};

    fn replay(scope: &str, key: &str, at: i64) -> Replay {
        Replay {
            scope: scope.into(),
            key: key.into(),
            fingerprint: [0; 32],
            at: Time(at),
            status: 200,
            body: [].into(),
        }
    }

    fn check(kept: &[(&str, &str, i64)], now: i64, expected: &[(&str, &str, bool)]) {
        let mut replays = Replays::default();
        for (scope, key, at) in kept {
            replays.keep(*at as Revision, &replay(scope, key, *at));
        }
        replays.sort();
        for forgotten in [false, true] {
            if forgotten {
                replays.forget_old(Time(now));
            }
            for (scope, key, found) in expected {
                assert_eq!(
                    replays.find(scope, key, Time(now)).is_some(),
                    *found,
                    "{scope} {key} {forgotten}"
                );
            }
        }
        let fresh: usize = replays.kept.values().map(HashMap::len).sum();
        assert_eq!(fresh, expected.iter().filter(|(.., found)| *found).count());
    }

    #[test]
    fn answers_are_kept_for_a_day_of_commit_time() {
        check(&[], 0, &[("a", "k", false)]);
        check(
            &[("a", "k", 5)],
            KEPT_MS + 4,
            &[("a", "k", true), ("b", "k", false), ("a", "l", false)],
        );
        check(&[("a", "k", 5)], KEPT_MS + 5, &[("a", "k", false)]);
        check(
            &[("a", "k", 9), ("b", "k", 5)],
            KEPT_MS + 5,
            &[("a", "k", true), ("b", "k", false)],
        );
        check(&[("a", "k", 5), ("a", "k", 9)], KEPT_MS + 7, &[("a", "k", true)]);
        check(&[("ab", "c", 5)], 5, &[("a", "bc", false), ("ab", "c", true)]);
    }

    #[test]
    fn what_could_not_be_stored_is_taken_back() {
        let mut replays = Replays::default();
        let commits = [("a", "k", 1), ("a", "l", 2)].map(|(scope, key, at)| Commit {
            revision: at as u64,
            at: Time(at),
            by: Principal::default(),
            operation: "Create".into(),
            request_id: "r".into(),
            changes: Vec::new(),
            whose: Whose::default(),
            events: Vec::new(),
            replay: Some(replay(scope, key, at)),
        });
        for commit in &commits {
            replays.keep(commit.revision, commit.replay.as_ref().unwrap());
        }
        replays.take_back(&commits[1..]);
        assert!(replays.find("a", "l", Time(2)).is_none());
        assert!(replays.find("a", "k", Time(2)).is_some());
        replays.take_back(&commits[..1]);
        assert!(replays.kept.is_empty() && replays.order.is_empty());
    }

    #[test]
    fn only_the_youngest_bodies_are_in_memory() {
        let mut replays = Replays::default();
        let keep = |replays: &mut Replays, key: &str, at: i64, length: usize| {
            let body = vec![b'x'; length].into();
            replays.keep(
                at as Revision,
                &Replay {
                    body,
                    ..replay("a", key, at)
                },
            );
        };
        let bodies = |replays: &Replays, now: i64| {
            ["k", "l", "m"].map(|key| {
                let kept = replays.find("a", key, Time(now));
                kept.map(|kept| (kept.revision, kept.body.is_some()))
            })
        };
        for (key, at) in [("k", 1), ("l", 2), ("m", 3)] {
            keep(&mut replays, key, at, 40);
        }
        replays.shrink(120);
        assert_eq!(bodies(&replays, 3), [Some((1, true)), Some((2, true)), Some((3, true))]);
        replays.shrink(100);
        assert_eq!(
            bodies(&replays, 3),
            [Some((1, false)), Some((2, true)), Some((3, true))]
        );
        // One that comes again a day later has a body again, which is the youngest.
        let day = KEPT_MS + 1;
        keep(&mut replays, "k", day, 40);
        replays.shrink(40);
        assert_eq!(
            bodies(&replays, day),
            [Some((day as u64, true)), Some((2, false)), Some((3, false))]
        );
        replays.forget_old(Time(KEPT_MS + 2));
        replays.shrink(0);
        assert_eq!(
            bodies(&replays, day + 1),
            [Some((day as u64, false)), None, Some((3, false))]
        );
        replays.forget_old(Time(3 * KEPT_MS));
        assert_eq!((replays.bytes, replays.bodiless, replays.order.len()), (0, 0, 0));
    }
}
