//! Seat arithmetic of one license: what it has, what is taken, and who takes it. Decides nothing.

use crate::graph::Node;
use crate::model::schema::{Hop, place};
use crate::model::{Entity, Kind, Time, Value, Values, rel};

use super::terms::Limited;
use super::{credits, model, ruled, select};

/// Seats of a license at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seats {
    /// `None`: without limit.
    pub total: Option<u64>,
    /// Held by reservations, whether used or not.
    pub reserved: u64,
    /// Held by leases beyond those reservations.
    pub floating: u64,
}

impl Seats {
    pub fn taken(self) -> u64 {
        self.reserved + self.floating
    }

    /// More is taken than there is. That happens without anyone's fault when a quota is lowered.
    pub fn overdrawn(self) -> bool {
        self.total.is_some_and(|total| self.taken() > total)
    }
}

/// Taken seats are counted by the graph: the cost is the same however many there are.
pub fn of_license(license: Node<'_>, now: Time) -> Seats {
    let taken = license.graph().taken(license, now);
    Seats {
        total: total(license, now),
        reserved: taken.reserved,
        floating: taken.seats.saturating_sub(taken.reserved),
    }
}

/// The same as organizations count their seats: where uses or time are limited, no number of seats runs out.
pub fn for_sharing(license: Node<'_>, now: Time) -> Seats {
    let seats = of_license(license, now);
    let counts = model::of_license(license).limited == Limited::Seats;
    Seats {
        total: seats.total.filter(|_| counts),
        ..seats
    }
}

/// The sum of the credits valid now; one of them without a number has no limit.
fn total(license: Node<'_>, now: Time) -> Option<u64> {
    const ACTIVE: u8 = place(Kind::SeatCountCredit, "active");
    const COUNT: u8 = place(Kind::SeatCountCredit, "seatCount");
    let mut total = 0u64;
    for (credit, _) in license.hop(Hop::forward(rel::SEAT_CREDITS), None) {
        if credit.fields().get(ACTIVE) == Some(&Value::Bool(true)) && select::is_valid(&credit, now) {
            let count = credit.fields().get(COUNT)?.as_int()?;
            total = total.saturating_add(u64::try_from(count).unwrap_or(0));
        }
    }
    Some(total)
}

/// Each credit with those of the taken seats that rest on it: the one that lasts longest is used first, as leases are bound
/// to it.
pub fn by_credit(license: Node<'_>, mut taken: u64, now: Time) -> Vec<(Node<'_>, u64)> {
    const COUNT: u8 = place(Kind::SeatCountCredit, "seatCount");
    let mut all: Vec<(Node<'_>, u64)> = license
        .hop(Hop::forward(rel::SEAT_CREDITS), None)
        .map(|(credit, _)| (credit, 0))
        .collect();
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(select::end(&all[*at].0).map_or(i64::MAX, Time::millis)));
    for at in order {
        let credit = all[at].0;
        if !credits::is_usable(&credit, now) {
            continue;
        }
        let count = credit.fields().get(COUNT).and_then(Value::as_int);
        let part = count.map_or(taken, |count| taken.min(u64::try_from(count).unwrap_or(0)));
        all[at].1 = part;
        taken -= part;
    }
    all
}

/// Does a reservation hold a seat? One that begins later does so already, or any number could be promised for
/// tomorrow; one that has ended does not.
pub fn holds(assignment: Values<'_>, now: Time) -> bool {
    let is_reserved = assignment.get(ruled::RESERVATION).and_then(Value::as_text) == Some("reserved");
    let until = || assignment.get(ruled::UNTIL).and_then(Value::as_time);
    is_reserved && until().is_none_or(|until| now < until)
}

/// How many seats a lease takes.
pub fn of_lease(lease: &Entity) -> u64 {
    const COUNT: u8 = place(Kind::Consumption, "consumedCount");
    let count = lease.fields().get(COUNT).and_then(Value::as_int).unwrap_or(1);
    u64::try_from(count).unwrap_or(0)
}

/// How many of them it took within the total. Of one that was above it before their number was kept, none.
fn within_of(lease: &Entity) -> u64 {
    const OVER_USE: u8 = place(Kind::Consumption, "overUse");
    const ABOVE: u8 = place(Kind::Consumption, "overUseCount");
    let seats = of_lease(lease);
    if lease.fields().get(OVER_USE) != Some(&Value::Bool(true)) {
        return seats;
    }
    let above = lease.fields().get(ABOVE).and_then(Value::as_int);
    seats.saturating_sub(above.map_or(seats, |above| u64::try_from(above).unwrap_or(0)))
}

/// How many seats a consumer leases within the total.
pub fn leased_within(assignment: Node<'_>, now: Time) -> u64 {
    let mut within = 0;
    // Those of the most seats come first.
    for lease in assignment.graph().leases(assignment, now) {
        if of_lease(&lease) <= within {
            break;
        }
        within = within.max(within_of(&lease));
    }
    within
}

/// How many of a consumer's seats are within the total: the one that is reserved, and those that it leases there.
pub fn within(assignment: Node<'_>, now: Time) -> u64 {
    u64::from(holds(assignment.fields(), now)).max(leased_within(assignment, now))
}
