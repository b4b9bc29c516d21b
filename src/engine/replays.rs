//! Answers kept for Idempotency-Keys: each for 24 hours of commit time, found by whose key it is and the key itself. The
//! commits hold them for good; this is what is looked up.

use std::collections::{HashMap, VecDeque};

use compact_str::CompactString;

use crate::model::{Commit, Replay, Time};
use crate::storage::REPLAYS_KEPT_MS as KEPT_MS;

/// Two levels rather than one joined key: no two pairs of scope and key can meet.
#[derive(Default)]
pub(super) struct Replays {
    kept: HashMap<
        CompactString,
        HashMap<CompactString, Replay, foldhash::fast::RandomState>,
        foldhash::fast::RandomState,
    >,
    /// In order of time, for forgetting.
    order: VecDeque<(Time, CompactString, CompactString)>,
}

impl Replays {
    pub(super) fn find(&self, scope: &str, key: &str, now: Time) -> Option<&Replay> {
        self.kept.get(scope)?.get(key).filter(|replay| is_fresh(replay.at, now))
    }

    pub(super) fn keep(&mut self, replay: &Replay) {
        self.order
            .push_back((replay.at, replay.scope.clone(), replay.key.clone()));
        self.kept
            .entry(replay.scope.clone())
            .or_default()
            .insert(replay.key.clone(), replay.clone());
    }

    /// Takes back what these commits kept last, when they could not be stored.
    pub(super) fn take_back(&mut self, commits: &[Commit]) {
        for replay in commits.iter().rev().filter_map(|commit| commit.replay.as_ref()) {
            self.order.pop_back();
            self.remove(&replay.scope, &replay.key, replay.at);
        }
    }

    /// After loading, which promises no order.
    pub(super) fn sort(&mut self) {
        self.order.make_contiguous().sort_by_key(|(at, ..)| *at);
    }

    pub(super) fn forget_old(&mut self, now: Time) {
        while let Some((at, ..)) = self.order.front()
            && !is_fresh(*at, now)
        {
            if let Some((at, scope, key)) = self.order.pop_front() {
                self.remove(&scope, &key, at);
            }
        }
    }

    /// Only the one of that time: the same key may have been used again since.
    fn remove(&mut self, scope: &str, key: &str, at: Time) {
        if let Some(of_scope) = self.kept.get_mut(scope) {
            if of_scope.get(key).is_some_and(|replay| replay.at == at) {
                of_scope.remove(key);
            }
            if of_scope.is_empty() {
                self.kept.remove(scope);
            }
        }
    }
}

fn is_fresh(at: Time, now: Time) -> bool {
    now.0.saturating_sub(at.0) < KEPT_MS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Principal;

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
            replays.keep(&replay(scope, key, *at));
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
            replay: Some(replay(scope, key, at)),
        });
        for commit in &commits {
            replays.keep(commit.replay.as_ref().unwrap());
        }
        replays.take_back(&commits[1..]);
        assert!(replays.find("a", "l", Time(2)).is_none());
        assert!(replays.find("a", "k", Time(2)).is_some());
        replays.take_back(&commits[..1]);
        assert!(replays.kept.is_empty() && replays.order.is_empty());
    }
}
