//! Which refused consumptions are told. Each is an event in a commit of its own, so a client that asks in a circle would have the database
//! written as fast as it can ask (`reliability.md` 3, API6): of one consumer so many are told in ten seconds, and further ones are answered
//! alike, written nowhere and counted. A lease is never withheld for that.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use uuid::Uuid;

use crate::model::Time;

const PERIOD_MS: i64 = 10_000;
/// Consumers remembered, each in a few bytes. Further ones are told of: there is no telling whose circle it is.
const CONSUMERS: usize = 100_000;

pub struct Refusals {
    /// Of one consumer in a period.
    most: u64,
    period: Mutex<Period>,
    untold: Counter<u64, AtomicU64>,
}

struct Period {
    /// Of commit time, which never goes back.
    began: Time,
    told: HashMap<Uuid, u64, RandomState>,
}

impl Refusals {
    pub fn new(most: u64, untold: Counter<u64, AtomicU64>) -> Self {
        let period = Mutex::new(Period {
            began: Time(i64::MIN),
            told: HashMap::default(),
        });
        Self { most, period, untold }
    }

    /// Asked once for each refusal.
    pub fn may_tell(&self, consumer: Uuid, now: Time) -> bool {
        let mut period = self.period.lock();
        if now.millis().saturating_sub(period.began.millis()) >= PERIOD_MS {
            period.began = now;
            period.told.clear();
        }
        if period.told.len() >= CONSUMERS && !period.told.contains_key(&consumer) {
            return true;
        }
        let told = period.told.entry(consumer).or_default();
        if *told < self.most {
            *told += 1;
            return true;
        }
        self.untold.inc();
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Refusals as consumer and time, and whether each is told.
    fn check(most: u64, asked: &[(u128, i64, bool)]) {
        let untold = Counter::default();
        let refusals = Refusals::new(most, untold.clone());
        for (consumer, at, expected) in asked {
            let told = refusals.may_tell(Uuid::from_u128(*consumer), Time(*at));
            assert_eq!(told, *expected, "{consumer} at {at}, of {most}");
        }
        assert_eq!(untold.get(), asked.iter().filter(|(.., told)| !told).count() as u64);
    }

    #[test]
    fn of_one_consumer_a_few_are_told_in_a_while() {
        check(
            1,
            &[
                (1, 0, true),
                (1, 0, false),
                (2, 0, true),
                (1, 9_999, false),
                (1, 10_000, true),
            ],
        );
        check(
            2,
            &[
                (1, 5, true),
                (1, 6, true),
                (1, 7, false),
                (1, 10_004, false),
                (1, 10_005, true),
            ],
        );
        check(0, &[(1, 0, false), (1, 20_000, false)]);
        // A clock that steps back ends no period.
        check(1, &[(1, 20_000, true), (1, 0, false), (1, 29_999, false)]);
    }
}
