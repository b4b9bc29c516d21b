//! The Idempotency-Keys of requests that may take several commits. Their answers are kept with the last of these; until
//! then it is known here what each key stands for, so that no other request takes it and the first is left without its
//! answer. A repeat waits here for the first: half way it would find less than that did, and its answer would be kept
//! for both. In memory only: what ends with the process keeps no key.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use compact_str::CompactString;
use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use crate::engine::{Idempotency, WriteError};
use crate::error::Error;
use crate::limits::Limit;

/// Whose key, and which.
type Key = (CompactString, CompactString);

#[derive(Default)]
pub struct Underway(Mutex<HashMap<Key, Standing, RandomState>>);

struct Standing {
    fingerprint: [u8; 32],
    /// The one that has its turn, and repeats that wait for theirs.
    requests: usize,
    turns: Arc<Semaphore>,
    /// What the one that had its turn was told, if it was broken off half way.
    broken_off: Option<Problem>,
}

/// As long as the request is under way, or waits.
pub struct Held {
    all: Arc<Underway>,
    key: Key,
    turns: Arc<Semaphore>,
    /// `None` while it waits.
    turn: Option<OwnedSemaphorePermit>,
}

impl Underway {
    /// Does the key stand for another request now?
    pub fn is_for_another(&self, asked: &Idempotency) -> bool {
        let all = self.0.lock();
        all.get(&key(asked))
            .is_some_and(|standing| standing.fingerprint != asked.fingerprint)
    }

    /// The turn of a request under its key. A repeat has it when the one before it is done, whose answer is kept by then;
    /// if that one was broken off half way, the repeat is told so too, for its selector may not find what is left.
    pub async fn hold(self: &Arc<Self>, asked: &Idempotency, wait: Limit) -> Result<Held, Problem> {
        let mut held = self.stand(asked).ok_or(WriteError::<Error>::KeyReused)?;
        let turn = Arc::clone(&held.turns).acquire_owned();
        let turn = tokio::time::timeout(Duration::from_millis(wait.value), turn).await;
        // Nobody closes the turns.
        held.turn = turn.map_err(|_| still_under_way(wait))?.ok();
        match held.told() {
            Some(problem) => Err(problem),
            None => Ok(held),
        }
    }

    /// `None`: it stands for another request.
    fn stand(self: &Arc<Self>, asked: &Idempotency) -> Option<Held> {
        let mut all = self.0.lock();
        let standing = all.entry(key(asked)).or_insert_with(|| Standing {
            fingerprint: asked.fingerprint,
            requests: 0,
            turns: Arc::new(Semaphore::new(1)),
            broken_off: None,
        });
        if standing.fingerprint != asked.fingerprint {
            return None;
        }
        standing.requests += 1;
        Some(Held {
            all: Arc::clone(self),
            key: key(asked),
            turns: Arc::clone(&standing.turns),
            turn: None,
        })
    }
}

impl Held {
    /// It ends half way, and this is why. Those that wait for it hear the same.
    pub fn break_off(&self, problem: &Problem) {
        if let Some(standing) = self.all.0.lock().get_mut(&self.key) {
            standing.broken_off = Some(again(problem));
        }
    }

    fn told(&self) -> Option<Problem> {
        let all = self.all.0.lock();
        all.get(&self.key)?.broken_off.as_ref().map(again)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut all = self.all.0.lock();
        if let Entry::Occupied(mut standing) = all.entry(self.key.clone()) {
            standing.get_mut().requests -= 1;
            if standing.get().requests == 0 {
                standing.remove();
            }
        }
        drop(all);
        // Whoever waits goes on.
        drop(self.turn.take());
    }
}

fn still_under_way(wait: Limit) -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "stillUnderWay",
        "the first request with this Idempotency-Key is still under way",
    )
    .limit(wait)
    .help("the first goes on; try again in a second, for the answer it gets")
}

/// For one more who is told it.
fn again(problem: &Problem) -> Problem {
    Problem {
        help: problem.help.clone(),
        selector: problem.selector,
        pointer: problem.pointer.clone(),
        limit: problem.limit,
        more: problem.more.clone(),
        revision: problem.revision,
        ..Problem::new(problem.status, problem.code, problem.detail.clone())
    }
}

fn key(asked: &Idempotency) -> Key {
    (asked.scope.clone(), asked.key.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn asked(scope: &str, key: &str, fingerprint: u8) -> Idempotency {
        Idempotency {
            scope: scope.into(),
            key: key.into(),
            fingerprint: [fingerprint; 32],
            of_several: false,
        }
    }

    #[test]
    fn a_key_stands_for_one_request_while_it_is_held() {
        let all = Arc::new(Underway::default());
        let check = |expected: [bool; 4]| {
            let others = [("me", "k", 1), ("me", "k", 2), ("you", "k", 2), ("me", "l", 2)];
            let found = others.map(|(scope, key, fingerprint)| {
                let asked = asked(scope, key, fingerprint);
                let is_for_another = all.is_for_another(&asked);
                assert_eq!(all.stand(&asked).is_none(), is_for_another);
                is_for_another
            });
            assert_eq!(found, expected);
        };
        check([false; 4]);
        let first = all.stand(&asked("me", "k", 1)).unwrap();
        check([false, true, false, false]);
        let repeat = all.stand(&asked("me", "k", 1)).unwrap();
        drop(first);
        check([false, true, false, false]);
        drop(repeat);
        check([false; 4]);
        assert!(all.0.lock().is_empty());
    }

    const LONG: u64 = 30_000;

    /// What became of a repeat that waits while the first is under way, if that is broken off so.
    fn repeated(broken_off: Option<&Problem>) -> Result<(), &'static str> {
        let all = Arc::new(Underway::default());
        actix_web::rt::System::new().block_on(async {
            let hold = |wait_ms| {
                let all = Arc::clone(&all);
                let limits = Limits {
                    wait_ms,
                    ..Limits::default()
                };
                async move {
                    let held = all.hold(&asked("me", "k", 1), limits.wait_ms()).await;
                    held.map_err(|problem| problem.code)
                }
            };
            let first = hold(0).await.expect("its turn");
            assert_eq!(hold(1).await.map(drop), Err("stillUnderWay"));
            let repeat = actix_web::rt::spawn(hold(LONG));
            // It has come to where it waits.
            while all.0.lock().values().all(|standing| standing.requests < 2) {
                actix_web::rt::task::yield_now().await;
            }
            assert!(!repeat.is_finished());
            if let Some(problem) = broken_off {
                first.break_off(problem);
            }
            drop(first);
            let repeated = repeat.await.expect("it ends").map(drop);
            assert!(all.0.lock().is_empty());
            // Whoever comes later begins anew.
            assert_eq!(hold(0).await.map(drop), Ok(()));
            repeated
        })
    }

    #[test]
    fn a_repeat_waits_for_the_first() {
        assert_eq!(repeated(None), Ok(()));
        let problem = Problem::bad_request("partlyRemoved", "a part is gone");
        assert_eq!(repeated(Some(&problem)), Err("partlyRemoved"));
    }
}
