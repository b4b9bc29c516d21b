//! The seats that the credits of a license give from now on, at one time or another: what it has of its offer, of which nobody else
//! is given any. One that begins later counts as well, or it would find its seats sold. Counts; who gives is decided by `sale`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use smallvec::SmallVec;
use uuid::Uuid;

use crate::graph::{Node, Transaction, Violation};
use crate::model::schema::{Hop, place};
use crate::model::{Kind, Time, Value, rel};

use super::terms::Limited;
use super::{credits, model, select};

const SEATS: u8 = place(Kind::SeatCountCredit, "seatCount");

#[derive(Clone, Debug)]
pub struct Promised {
    /// In order of their starts; of those that start together the one that ends last.
    credits: Credits,
    is_endless: bool,
}

type Credits = SmallVec<[Credit; 2]>;

#[derive(Clone, Copy, Debug)]
struct Credit {
    id: Uuid,
    from: i64,
    until: i64,
    seats: u64,
}

impl Promised {
    pub fn of(license: Node<'_>, now: Time) -> Self {
        let mut promised = Self {
            credits: SmallVec::new(),
            is_endless: model::of_license(license).limited != Limited::Seats,
        };
        if promised.is_endless {
            return promised;
        }
        for (credit, _) in license.hop(Hop::forward(rel::SEAT_CREDITS), None) {
            let from = select::start(&credit).map_or(now, |from| from.max(now)).millis();
            let until = select::end(&credit).map_or(i64::MAX, Time::millis);
            if credits::is_over(&credit, now) || from >= until {
                continue;
            }
            match credit.fields().get(SEATS).and_then(Value::as_int) {
                None => promised.is_endless = true,
                Some(seats) => promised.credits.push(Credit {
                    id: credit.id,
                    from,
                    until,
                    seats: u64::try_from(seats).unwrap_or(0),
                }),
            }
        }
        promised
            .credits
            .sort_by_key(|credit| (credit.from, Reverse(credit.until)));
        promised
    }

    /// No number of seats runs out, now or later.
    pub fn is_endless(&self) -> bool {
        self.is_endless
    }

    /// The most seats that there are at one time.
    pub fn most(&self) -> u64 {
        lowered(&mut self.credits.clone(), u64::MAX, 0)
    }

    /// With no more than so many at any time, and nowhere fewer than `kept` where there were so many. `None`: that cannot be. What
    /// begins last gives, for what has begun may be in use; where too few would be left then, what ends first gives too, or alone.
    pub fn lowered(&self, most: u64, kept: u64) -> Option<Self> {
        [0, kept, u64::MAX].into_iter().find_map(|spared| {
            let mut lower = self.clone();
            lowered(&mut lower.credits, most, spared);
            keeps(&self.credits, &lower.credits, kept).then_some(lower)
        })
    }

    /// Of the same credits, where a number is another.
    pub fn write(&self, tx: &mut Transaction<'_>, had: &Self) -> Result<(), Violation> {
        for (credit, had) in self.credits.iter().zip(&had.credits) {
            if credit.seats != had.seats {
                let seats = i64::try_from(credit.seats).unwrap_or(i64::MAX);
                let fields = tx.node(credit.id)?.fields().with(SEATS, Some(Value::Int(seats)));
                tx.update(credit.id, fields)?;
            }
        }
        Ok(())
    }
}

/// Takes what is above, wherever that is, and says how many there were at the time of the most. Only where a credit begins there
/// can be more than before. That one gives first, of those that begin together the one that ends first, for on those that last longer
/// leases may rest; but `spared` of its seats only after all others, the first to end first.
fn lowered(credits: &mut [Credit], most: u64, spared: u64) -> u64 {
    // The first to end of those that have begun.
    let mut valid: BinaryHeap<Reverse<(i64, usize)>> = BinaryHeap::new();
    let (mut sum, mut peak) = (0u128, 0u128);
    for at in 0..credits.len() {
        let now = credits[at].from;
        while let Some(Reverse((_, over))) = valid.peek().copied().filter(|Reverse((until, _))| *until <= now) {
            sum -= u128::from(credits[over].seats);
            valid.pop();
        }
        // Before it there were no more than so many.
        let new = u128::from(credits[at].seats);
        let mut above = u64::try_from((sum + new).saturating_sub(u128::from(most))).unwrap_or(u64::MAX);
        sum += new - u128::from(above);
        take(&mut credits[at], &mut above, spared);
        valid.push(Reverse((credits[at].until, at)));
        while let Some(Reverse((_, first))) = valid.peek().copied().filter(|_| above > 0) {
            take(&mut credits[first], &mut above, 0);
            if credits[first].seats == 0 {
                valid.pop();
            }
        }
        peak = peak.max(sum);
    }
    u64::try_from(peak).unwrap_or(u64::MAX)
}

/// As much as it has beyond what is spared.
fn take(credit: &mut Credit, above: &mut u64, spared: u64) {
    let part = credit.seats.saturating_sub(spared).min(*above);
    credit.seats -= part;
    *above -= part;
}

/// Is there at each time as much as there was, or as is to be kept?
fn keeps(had: &[Credit], has: &[Credit], kept: u64) -> bool {
    let begin = had.iter().enumerate().map(|(at, credit)| (credit.from, true, at));
    let end = had.iter().enumerate().map(|(at, credit)| (credit.until, false, at));
    let mut times: SmallVec<[(i64, bool, usize); 4]> = begin.chain(end).collect();
    times.sort_unstable();
    let (mut before, mut after) = (0u128, 0u128);
    times.chunk_by(|(one, ..), (other, ..)| one == other).all(|together| {
        for (_, begins, at) in together {
            let (had, has) = (u128::from(had[*at].seats), u128::from(has[*at].seats));
            match begins {
                true => (before, after) = (before + had, after + has),
                false => (before, after) = (before - had, after - has),
            }
        }
        after >= before.min(u128::from(kept))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `2@0-5`: so many seats from then until then, in order.
    fn promised(credits: &str) -> Promised {
        let number = |text: &str| text.parse::<i64>().expect("a number");
        let credit = |text: &str| {
            let (seats, times) = text.split_once('@').expect("seats@from-until");
            let (from, until) = times.split_once('-').expect("from-until");
            Credit {
                id: Uuid::nil(),
                from: number(from),
                until: number(until),
                seats: seats.parse().expect("seats"),
            }
        };
        Promised {
            credits: credits.split(' ').map(credit).collect(),
            is_endless: false,
        }
    }

    fn told(credits: &[Credit]) -> String {
        let left: Vec<String> = credits.iter().map(|credit| credit.seats.to_string()).collect();
        left.join(" ")
    }

    fn credit() -> impl Strategy<Value = Credit> {
        (0..8i64, 1..6i64, 0..5u64).prop_map(|(from, lasts, seats)| Credit {
            id: Uuid::nil(),
            from,
            until: from + lasts,
            seats,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Counted second by second.
        #[test]
        fn at_no_time_is_there_more_or_too_little(
            mut credits in prop::collection::vec(credit(), 0..6), most in 0..8u64, kept in 0..4u64,
        ) {
            credits.sort_by_key(|credit| (credit.from, Reverse(credit.until)));
            let had = Promised { credits: credits.into(), is_endless: false };
            let at = |promised: &Promised, time: i64| -> u64 {
                let valid = promised.credits.iter().filter(|credit| credit.from <= time && time < credit.until);
                valid.map(|credit| credit.seats).sum()
            };
            prop_assert_eq!(had.most(), (0..16).map(|time| at(&had, time)).max().unwrap_or(0));
            prop_assert!(had.lowered(most, 0).is_some());
            if let Some(left) = had.lowered(most, kept) {
                for time in 0..16 {
                    let (before, after) = (at(&had, time), at(&left, time));
                    prop_assert!(after <= most.min(before) && after >= kept.min(before), "{time}: {left:?}");
                }
            }
        }
    }

    /// What is left of each if it need not be kept, and the most.
    fn check(credits: &str, most: u64, expected: &str) {
        let mut left = promised(credits).credits;
        let peak = lowered(&mut left, most, 0);
        assert_eq!(format!("{} most {peak}", told(&left)), expected, "{credits}");
    }

    #[test]
    fn what_ends_first_gives_one_after_the_other() {
        let mut left = promised("1@0-6 1@0-5 2@4-9").credits;
        let peak = lowered(&mut left, 2, u64::MAX);
        assert_eq!((told(&left).as_str(), peak), ("0 0 2", 2));
    }

    /// What is left of each where so many are to be kept; `-`: that cannot be.
    fn check_kept(credits: &str, most: u64, kept: u64, expected: &str) {
        let left = promised(credits).lowered(most, kept);
        let left = left.map_or("-".to_owned(), |left| told(&left.credits));
        assert_eq!(left, expected, "{credits}, {most}, {kept} kept");
    }

    #[test]
    fn what_is_kept_stays_at_any_time() {
        check_kept("2@0-6 2@5-9", 3, 1, "2 1");
        // Of what begins last nothing would be left after the first has ended.
        check_kept("2@0-6 1@5-9", 2, 1, "1 1");
        check_kept("2@0-6 1@5-9", 2, 0, "2 0");
        check_kept("2@0-6 2@5-9", 2, 1, "1 1");
        check_kept("2@0-6 2@5-9", 2, 2, "-");
        check_kept("3@0-6 4@5-9", 4, 2, "2 2");
        check_kept("1@0-6 1@5-9", 1, 1, "-");
        check_kept("1@0-6 1@5-9", 1, 0, "1 0");
        // Where there were fewer before, no more are asked for.
        check_kept("3@0-9 1@9-20", 2, 2, "2 1");
        check_kept("1@0-9 2@5-7", 2, 1, "1 1");
        check_kept("2@0-5 2@5-9", 1, 1, "1 1");
    }

    #[test]
    fn there_is_no_more_at_any_time() {
        check("2@0-5 2@5-9", 9, "2 2 most 2");
        check("2@0-5 2@5-9", 1, "1 1 most 1");
        check("2@0-6 2@5-9", 9, "2 2 most 4");
        // Only as far as there is more, and from what begins last, of those that begin together from what ends first.
        check("2@0-6 2@5-9", 3, "2 1 most 3");
        check("1@0-9 2@5-9", 2, "1 1 most 2");
        check("1@0-9 2@5-7", 2, "1 1 most 2");
        check("1@0-9 1@0-3 2@5-7", 1, "1 0 0 most 1");
        check("2@0-5 2@5-9", 0, "0 0 most 0");
        let all = i64::MAX;
        check(
            &format!("{all}@0-9 {all}@0-9 {all}@0-9"),
            u64::MAX,
            &format!("{all} {all} 1 most {}", u64::MAX),
        );
    }
}
