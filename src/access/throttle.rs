//! How often a wrong password may be tried: a few times at once, and then ever more slowly, for each name by itself. Kept
//! in memory, bounded, and forgotten with time; it declines to know what a name stands for.

use std::collections::HashMap;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::model::value::fold;
use crate::model::{Clock, Time};

/// Wrong passwords without a wait.
const FREE: u32 = 5;
/// The wait after the first that is not free, doubled by each further one.
const FIRST_MS: i64 = 1_000;
/// The longest wait, and how long a name without a further try is remembered.
const LONGEST_MS: i64 = 15 * 60 * 1000;
/// Names remembered, each in a few bytes. A try begins only where there is a place to compare its password, so whoever would
/// have others forgotten is slowed by the hash; of those, names with few wrong tries go first.
const NAMES: usize = 100_000;

/// A name as it is kept: its hash under a key of the process, however long it is.
type Name = [u8; 16];

#[derive(Debug)]
pub struct Throttle {
    key: [u8; 32],
    names: Mutex<HashMap<Name, Tries>>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self {
            key: Clock::secret(),
            names: Mutex::default(),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Tries {
    wrong: u32,
    last: Time,
}

impl Tries {
    fn until(self) -> Time {
        let more = self.wrong.saturating_sub(FREE);
        if more == 0 {
            return Time(i64::MIN);
        }
        let wait = FIRST_MS
            .checked_shl(more - 1)
            .filter(|wait| *wait > 0)
            .unwrap_or(LONGEST_MS);
        Time(self.last.0.saturating_add(wait.min(LONGEST_MS)))
    }
}

impl Throttle {
    fn name(&self, name: &str) -> Name {
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update(fold(name).as_bytes());
        let mut short = Name::default();
        short.copy_from_slice(&hash.finalize()[..16]);
        short
    }

    /// A try begins, and counts as wrong until `was_right`: of many at once no more may begin than one after another.
    /// `Err` is how many seconds are left to wait, at least 1.
    pub fn begin(&self, name: &str, now: Time) -> Result<(), u64> {
        let name = self.name(name);
        let mut names = self.names.lock();
        // A clock that was set back makes nobody wait for longer than from now on.
        let known = names.get_mut(&name).map(|tries| {
            tries.last = tries.last.min(now);
            tries.until()
        });
        let is_new = match known {
            Some(until) if now < until => return Err((until.0 - now.0).div_euclid(1000) as u64 + 1),
            known => known.is_none(),
        };
        if is_new && (names.len() >= NAMES || names.len() % 1024 == 1023) {
            names.retain(|_, tries| now.0.saturating_sub(tries.last.0) < LONGEST_MS);
        }
        if is_new && names.len() >= NAMES {
            let least = names.iter().min_by_key(|(_, tries)| (tries.wrong, tries.last));
            let least = least.map(|(name, _)| *name);
            least.and_then(|least| names.remove(&least));
        }
        let tries = names.entry(name).or_insert(Tries { wrong: 0, last: now });
        // After a rest as long as the longest wait it begins anew.
        if now.0.saturating_sub(tries.last.0) >= LONGEST_MS {
            tries.wrong = 0;
        }
        tries.wrong = tries.wrong.saturating_add(1);
        tries.last = now;
        Ok(())
    }

    pub fn was_right(&self, name: &str) {
        self.names.lock().remove(&self.name(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each try is a time and whether it may be made; those that may are wrong.
    fn check(tries: &[(i64, Result<(), u64>)]) {
        let throttle = Throttle::default();
        for (index, (at, expected)) in tries.iter().enumerate() {
            let name = if index % 2 == 0 { "Aino" } else { "aino" };
            assert_eq!(throttle.begin(name, Time(*at)), *expected, "try {index} at {at}");
            assert_eq!(throttle.begin("ben", Time(*at)), Ok(()));
            throttle.was_right("Ben");
        }
    }

    #[test]
    fn a_wrong_password_waits_longer_each_time() {
        check(&[
            (0, Ok(())),
            (0, Ok(())),
            (0, Ok(())),
            (0, Ok(())),
            (0, Ok(())),
            (0, Ok(())),
            (0, Err(2)),
            (999, Err(1)),
            (1_000, Ok(())),
            (2_999, Err(1)),
            (3_000, Ok(())),
            (3_000, Err(5)),
            (1_000_000, Ok(())),
            (1_000_000, Ok(())),
        ]);
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nobody_wait_for_longer() {
        let throttle = Throttle::default();
        for _ in 0..=FREE {
            assert_eq!(throttle.begin("x", Time(1_000_000)), Ok(()));
        }
        assert_eq!(throttle.begin("x", Time(0)), Err(2));
        assert_eq!(throttle.begin("x", Time(1_000)), Ok(()));
    }

    #[test]
    fn the_longest_wait_is_a_quarter_of_an_hour() {
        let throttle = Throttle::default();
        let mut now = Time(0);
        for _ in 0..200 {
            if let Err(seconds) = throttle.begin("x", now) {
                assert!(seconds <= 901, "{seconds}");
                now = Time(now.0 + 60_000);
            }
        }
        throttle.was_right("x");
        assert_eq!(throttle.begin("x", Time(0)), Ok(()));
    }
}
