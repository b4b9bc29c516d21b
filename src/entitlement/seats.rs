//! Seat arithmetic of one license: what it has, what is taken, and who takes it. Decides nothing.

use crate::graph::Node;
use crate::model::schema::{Hop, RelationType, known};
use crate::model::{Entity, Fields, Kind, Rel, Time, Value};

use super::sale;

const CREDITS: Rel = known(RelationType::OneToMany, Kind::License, Kind::SeatCountCredit);

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
        total: credited(license, now).map(|total| total.saturating_add(sale::left_over(license, now))),
        reserved: taken.reserved,
        floating: taken.seats.saturating_sub(taken.reserved),
    }
}

/// By whatever way.
pub(super) fn taken(license: Node<'_>, now: Time) -> u64 {
    let taken = license.graph().taken(license, now);
    taken.reserved + taken.seats.saturating_sub(taken.reserved)
}

/// The sum of the credits valid now; one of them without a number has no limit.
pub(super) fn credited(license: Node<'_>, now: Time) -> Option<u64> {
    let mut total = 0u64;
    for (credit, _) in license.hop(Hop::forward(CREDITS), None) {
        if flag(&credit, "active") && is_valid(&credit, now) {
            let count = value(&credit, "seatCount")?.as_int()?;
            total = total.saturating_add(u64::try_from(count).unwrap_or(0));
        }
    }
    Some(total)
}

/// Does a reservation hold a seat? One that begins later does so already, or any number could be promised for
/// tomorrow; one that has ended does not.
pub fn holds(assignment: &Fields, now: Time) -> bool {
    let field = |name: &str| assignment.get(Kind::Assignment.field(name)?);
    field("reservationType").and_then(Value::as_text) == Some("reserved")
        && field("validUntil")
            .and_then(Value::as_time)
            .is_none_or(|until| now < until)
}

/// The seat is this profile's already, one way or the other.
pub fn occupies(assignment: Node<'_>, now: Time) -> bool {
    assignment.graph().holds(assignment, now) > 0
}

fn value<'e>(entity: &'e Entity, name: &str) -> Option<&'e Value> {
    entity.fields.get(entity.kind.field(name)?)
}

fn flag(entity: &Entity, name: &str) -> bool {
    value(entity, name).and_then(Value::as_bool).unwrap_or(false)
}

fn is_valid(entity: &Entity, now: Time) -> bool {
    let time = |name: &str| value(entity, name).and_then(Value::as_time);
    time("validFrom").is_none_or(|from| from <= now) && time("validUntil").is_none_or(|until| now < until)
}
