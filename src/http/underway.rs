//! The Idempotency-Keys of requests that take several commits. Their answers are kept with the last of these; until then
//! it is known here what each key stands for, so that no other request takes it and the first is left without its answer.
//! In memory only: what ends with the process keeps no key.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use compact_str::CompactString;
use foldhash::fast::RandomState;
use parking_lot::Mutex;

use crate::engine::Idempotency;

/// Whose key, and which.
type Key = (CompactString, CompactString);

#[derive(Default)]
pub struct Underway(Mutex<HashMap<Key, Standing, RandomState>>);

struct Standing {
    fingerprint: [u8; 32],
    /// A repeat that came meanwhile works too.
    requests: usize,
}

/// As long as the request is under way.
pub struct Held {
    all: Arc<Underway>,
    key: Key,
}

impl Underway {
    /// Does the key stand for another request now?
    pub fn is_for_another(&self, asked: &Idempotency) -> bool {
        let all = self.0.lock();
        all.get(&key(asked))
            .is_some_and(|standing| standing.fingerprint != asked.fingerprint)
    }

    /// `None`: it stands for another request.
    pub fn hold(self: &Arc<Self>, asked: &Idempotency) -> Option<Held> {
        let mut all = self.0.lock();
        let standing = all.entry(key(asked)).or_insert(Standing {
            fingerprint: asked.fingerprint,
            requests: 0,
        });
        if standing.fingerprint != asked.fingerprint {
            return None;
        }
        standing.requests += 1;
        Some(Held {
            all: Arc::clone(self),
            key: key(asked),
        })
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
    }
}

fn key(asked: &Idempotency) -> Key {
    (asked.scope.clone(), asked.key.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

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
                assert_eq!(all.hold(&asked).is_none(), is_for_another);
                is_for_another
            });
            assert_eq!(found, expected);
        };
        check([false; 4]);
        let first = all.hold(&asked("me", "k", 1)).unwrap();
        check([false, true, false, false]);
        let repeat = all.hold(&asked("me", "k", 1)).unwrap();
        drop(first);
        check([false, true, false, false]);
        drop(repeat);
        check([false; 4]);
        assert!(all.0.lock().is_empty());
    }
}
