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
    credits: SmallVec<[Credit; 2]>,
    is_endless: bool,
}

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
        lowered(&mut self.credits.clone(), u64::MAX)
    }
}

/// Leaves no more than so many at any time. What begins last gives, for what has begun may be in use; of those that begin together
/// the one that ends first: on those that last longer leases may rest.
pub fn lower(tx: &mut Transaction<'_>, license: Uuid, most: u64) -> Result<(), Violation> {
    let node = tx.node(license)?;
    let had = Promised::of(node, tx.now()).credits;
    let mut credits = had.clone();
    lowered(&mut credits, most);
    for (credit, had) in credits.iter().zip(&had) {
        if credit.seats != had.seats {
            let node = tx.node(credit.id)?;
            let seats = i64::try_from(credit.seats).unwrap_or(i64::MAX);
            let fields = node.fields().with(SEATS, Some(Value::Int(seats)));
            tx.update(credit.id, fields)?;
        }
    }
    Ok(())
}

/// Takes what is above, wherever that is, and says how many there are then at the time of the most. Only where a credit begins there
/// can be more than before.
fn lowered(credits: &mut [Credit], most: u64) -> u64 {
    // The first to end of those that have begun.
    let mut valid: BinaryHeap<Reverse<(i64, usize)>> = BinaryHeap::new();
    let (mut sum, mut peak) = (0u128, 0u128);
    for at in 0..credits.len() {
        let now = credits[at].from;
        while let Some(Reverse((_, over))) = valid.peek().copied().filter(|Reverse((until, _))| *until <= now) {
            sum -= u128::from(credits[over].seats);
            valid.pop();
        }
        sum += u128::from(credits[at].seats);
        // Before it there were no more than so many.
        let above = u64::try_from(sum.saturating_sub(u128::from(most))).unwrap_or(u64::MAX);
        let part = credits[at].seats.min(above);
        credits[at].seats -= part;
        sum -= u128::from(part);
        valid.push(Reverse((credits[at].until, at)));
        peak = peak.max(sum);
    }
    u64::try_from(peak).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `2@0-5`: so many seats from then until then. What is left of each, and the most.
    fn check(credits: &str, most: u64, expected: &str) {
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
        let mut credits: Vec<Credit> = credits.split(' ').map(credit).collect();
        let peak = lowered(&mut credits, most);
        let left: Vec<String> = credits.iter().map(|credit| credit.seats.to_string()).collect();
        assert_eq!(format!("{} most {peak}", left.join(" ")), expected, "{credits:?}");
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
