//! What a license has of what its model limits: seats, uses, milliseconds of use, in credits that each have a validity of
//! their own (`licensing.md` 2.4 and 2.5). Counts and spends; who may is decided elsewhere.

use smallvec::SmallVec;
use uuid::Uuid;

use crate::graph::{Node, Transaction, Violation};
use crate::model::schema::{Hop, known, place};
use crate::model::{Entity, Kind, Rel, RelationType, Time, Value};

use super::terms::Limited;
use super::{model, select};

/// Where the credits of a limit hang, and the fields that say how much there is and how much of it was used.
#[derive(Clone, Copy)]
struct Place {
    rel: Rel,
    amount: u8,
    used: Option<u8>,
}

const fn credits_of(limited: Limited) -> Place {
    match limited {
        // Seats are taken by leases and reservations, not used up.
        Limited::Seats => Place {
            rel: known(RelationType::OneToMany, Kind::License, Kind::SeatCountCredit),
            amount: place(Kind::SeatCountCredit, "seatCount"),
            used: None,
        },
        Limited::UseCount => Place {
            rel: known(RelationType::OneToMany, Kind::License, Kind::UseCountCredit),
            amount: place(Kind::UseCountCredit, "useCount"),
            used: Some(place(Kind::UseCountCredit, "useCountConsumed")),
        },
        Limited::UseTime => Place {
            rel: known(RelationType::OneToMany, Kind::License, Kind::UseTimeCredit),
            amount: place(Kind::UseTimeCredit, "useTime"),
            used: Some(place(Kind::UseTimeCredit, "useTimeConsumed")),
        },
    }
}

/// Found while compiling.
const SEATS: Place = credits_of(Limited::Seats);
const USES: Place = credits_of(Limited::UseCount);
const TIMES: Place = credits_of(Limited::UseTime);

fn at(limited: Limited) -> &'static Place {
    match limited {
        Limited::Seats => &SEATS,
        Limited::UseCount => &USES,
        Limited::UseTime => &TIMES,
    }
}

/// Every credit of a license, of whatever it limits, valid or not.
pub fn all(license: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    [SEATS, USES, TIMES]
        .into_iter()
        .filter(move |_| license.kind == Kind::License)
        .flat_map(move |place| license.hop(Hop::forward(place.rel), None).map(|(credit, _)| credit))
}

/// What the credits that are valid now give, less what was used of it.
pub(super) struct Credits {
    /// Each with its end, the latest first; without an amount it has no limit.
    each: SmallVec<[(i64, Option<u64>); 4]>,
    /// `None`: without limit.
    pub total: Option<u64>,
}

impl Credits {
    pub fn of(license: Node<'_>, limited: Limited, now: Time) -> Self {
        let Place { rel, amount, used } = *at(limited);
        let mut each: SmallVec<[(i64, Option<u64>); 4]> = SmallVec::new();
        let mut total = Some(0u64);
        for (credit, _) in license.hop(Hop::forward(rel), None) {
            if !is_usable(&credit, now) {
                continue;
            }
            let left = left(&credit, amount, used);
            total = total.zip(left).map(|(total, left)| total.saturating_add(left));
            each.push((select::end(&credit).map_or(i64::MAX, Time::millis), left));
        }
        each.sort_unstable_by_key(|(until, _)| std::cmp::Reverse(*until));
        Self { each, total }
    }

    pub fn is_empty(&self) -> bool {
        self.each.is_empty()
    }

    /// When the last of them ends.
    pub fn latest(&self) -> Time {
        Time(self.each.first().map_or(i64::MAX, |(until, _)| *until))
    }

    /// Until when a lease may go at most that is wanted until `until`: to the first end of a credit past which it does not
    /// fit into what the others give (`None`: without limit). It does not outlive the credit it rests on.
    pub fn lasting(&self, until: Time, fits: impl Fn(Time, Option<u64>) -> bool) -> Time {
        let mut left: SmallVec<[(i64, Option<u64>); 4]> = SmallVec::new();
        let mut sum = Some(0u64);
        for (end, amount) in &self.each {
            if left.last().is_none_or(|(last, _)| last != end) {
                left.push((*end, sum));
            }
            sum = sum.zip(*amount).map(|(sum, amount)| sum.saturating_add(amount));
        }
        let before = left.iter().rev().take_while(|(end, _)| *end < until.millis());
        let first = before.copied().find(|(end, left)| !fits(Time(*end), *left));
        first.map_or(until, |(end, _)| Time(end))
    }
}

/// Is nothing left of the uses or the time that a license gives? Seats are not used up.
pub fn is_used_up(license: Node<'_>, now: Time) -> bool {
    let limited = model::of_license(license).limited;
    limited != Limited::Seats && Credits::of(license, limited, now).total == Some(0)
}

/// Active and within its validity.
fn is_usable(credit: &Entity, now: Time) -> bool {
    let active = credit.kind.field("active").and_then(|field| credit.fields.get(field));
    active == Some(&Value::Bool(true)) && select::is_valid(credit, now)
}

/// What is left of a credit; `None`: it has no limit.
fn left(credit: &Entity, amount: u8, used: Option<u8>) -> Option<u64> {
    let number = |field: u8| credit.fields.get(field).and_then(Value::as_int);
    let amount = u64::try_from(number(amount)?).unwrap_or(0);
    let used = used.and_then(number).map_or(0, |used| u64::try_from(used).unwrap_or(0));
    Some(amount.saturating_sub(used))
}

/// Takes from the credits valid now, from the one that ends first. There is enough: the decision has counted it.
pub(super) fn spend(
    tx: &mut Transaction<'_>,
    license: Uuid,
    limited: Limited,
    mut wanted: u64,
) -> Result<(), Violation> {
    let Place { rel, amount, used } = *at(limited);
    let now = tx.now();
    let Some(used) = used else { return Ok(()) };
    let node = tx.graph().find(license).ok_or(Violation::NotFound { id: license })?;
    let mut credits: SmallVec<[(i64, Uuid, Option<u64>); 4]> = node
        .hop(Hop::forward(rel), None)
        .filter(|(credit, _)| is_usable(credit, now))
        .map(|(credit, _)| {
            let until = select::end(&credit).map_or(i64::MAX, Time::millis);
            (until, credit.id, left(&credit, amount, Some(used)))
        })
        .collect();
    // Stable, so that of two that end together the older one gives first.
    credits.sort_by_key(|(until, ..)| *until);
    for (_, id, left) in credits {
        let part = left.unwrap_or(u64::MAX).min(wanted);
        if part == 0 {
            continue;
        }
        let credit = tx.graph().find(id).ok_or(Violation::NotFound { id })?;
        let had = credit.fields.get(used).and_then(Value::as_int).unwrap_or(0);
        let sum = had.saturating_add(i64::try_from(part).unwrap_or(i64::MAX));
        let fields = credit.fields.with(used, Some(Value::Int(sum)));
        tx.update(id, fields)?;
        wanted -= part;
        if wanted == 0 {
            break;
        }
    }
    Ok(())
}
