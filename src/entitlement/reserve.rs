//! Reservations under a rule of named seats (`licensing.md` 2.3, AssignedLicenseConstraint): how many there may be, and
//! whether one may be given back. Seats themselves are counted by `seats`.

use crate::graph::Node;
use crate::model::{Kind, Time, Value, Values, rel};

use super::refused::Refused;
use super::terms::Limited;
use super::{ended, model, seats, terms};

/// Is there room for a new reservation, among so many on a license? A lease may be above the total for as long as it lasts. A
/// reservation lasts, so that each has a seat of its own, also that of a user who is there by a lease.
pub fn has_room(total: Option<u64>, reserved: u64) -> bool {
    total.is_none_or(|total| reserved < total)
}

/// What a user has of a license before a reservation of it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Had {
    pub reservation: bool,
    pub seats: u64,
    /// Of them those that are not above the total.
    pub within: u64,
}

impl Had {
    pub fn of(assignment: Node<'_>, now: Time) -> Self {
        let held = assignment.graph().held(assignment, now);
        Self {
            reservation: held.reserved > 0,
            seats: held.seats,
            within: seats::within(assignment, now),
        }
    }
}

/// Asked once a reservation is in.
pub fn fits(license: Node<'_>, had: Had, now: Time) -> Result<(), Refused> {
    let taken = seats::of_license(license, now);
    let of_others = taken.taken().saturating_sub(had.seats.max(1));
    has_place(license, taken.total, taken.reserved, of_others, had)
}

/// The same, asked before one is written, by whoever looks at many licenses for one that has a seat.
pub fn would_fit(license: Node<'_>, had: Had, now: Time) -> Result<(), Refused> {
    let taken = seats::of_license(license, now);
    let reserved = taken.reserved.saturating_add(u64::from(!had.reservation));
    let of_others = taken.taken().saturating_sub(had.seats);
    has_place(license, taken.total, reserved, of_others, had)
}

/// `reserved` is with the one in question. Who had a seat already, by a lease, takes none beside it; where all that he had is above the
/// total, the one that is reserved has to be there beside what others have. Where uses or time are limited, no number of seats runs out.
fn has_place(license: Node<'_>, total: Option<u64>, reserved: u64, of_others: u64, had: Had) -> Result<(), Refused> {
    let counts = !had.reservation && model::of_license(license).limited == Limited::Seats;
    let has_room = has_room(total, reserved.saturating_sub(1));
    let has_own = had.within > 0 || total.is_none_or(|total| of_others < total);
    if counts && !(has_room && has_own) {
        return Err(Refused::NoSeatsAvailable(license.id));
    }
    match terms::assigned(license).and_then(|rule| rule.most) {
        Some(most) if reserved > most => Err(Refused::ReservationLimit {
            license: license.id,
            most,
        }),
        _ => Ok(()),
    }
}

/// Does a reservation end by this change, now or earlier than it would have?
pub fn gives_back(before: Values<'_>, after: Values<'_>, now: Time) -> bool {
    let until = |assignment: Values<'_>| {
        let field = Kind::Assignment.field("validUntil")?;
        assignment.get(field).and_then(Value::as_time)
    };
    let is_earlier = match (until(before), until(after)) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(before), Some(after)) => after < before,
    };
    is_earlier || !seats::holds(after, now)
}

/// The field by which it does: the assignment's type, or else its end.
pub fn ended_by(before: Values<'_>, after: Values<'_>) -> &'static str {
    let is_same = Kind::Assignment
        .field("reservationType")
        .is_some_and(|field| before.get(field) == after.get(field));
    if is_same { "validUntil" } else { "reservationType" }
}

/// Asked when a reservation that holds a seat is about to be given back by somebody's wish. One that ends by itself, or
/// with its license or its holder, is not asked about.
pub fn may_release(license: Node<'_>) -> Result<(), Refused> {
    match terms::assigned(license) {
        Some(rule) if !rule.allow_release => Err(Refused::ReleaseNotAllowed(license.id)),
        _ => Ok(()),
    }
}

/// The license whose reservation this assignment holds now: none where the license is over, for it ended with that.
pub fn reserved(assignment: Node<'_>, now: Time) -> Option<Node<'_>> {
    let license = assignment.parent(rel::BY_LICENSE)?;
    (seats::holds(assignment.fields(), now) && !ended::has_ended(&license, now)).then_some(license)
}
