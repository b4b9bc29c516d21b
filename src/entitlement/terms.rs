//! What a license model says, read from the rules that hang on it (`licensing.md` 2.3). A license without a model follows
//! the built-in floating one: seats are limited, and nothing else here is. Beside it stands the table of the credits that give
//! what is limited. Decides nothing.

use crate::graph::Node;
use crate::model::schema::{Hop, RelationType, known, place};
use crate::model::{Entity, Kind, Rel, Value, rel};

use super::refused::Refused;

/// What a model limits; exactly one (`licensing.md` 2.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Limited {
    #[default]
    Seats,
    UseCount,
    UseTime,
}

impl Limited {
    /// The credit that says how much there is.
    pub const fn credit(self) -> &'static Credit {
        match self {
            Self::Seats => &SEATS,
            Self::UseCount => &USES,
            Self::UseTime => &TIMES,
        }
    }
}

/// The credits that give what is limited: where they hang, and their fields.
#[derive(Clone, Copy, Debug)]
pub struct Credit {
    pub kind: Kind,
    /// From a license.
    pub rel: Rel,
    /// How much there is.
    pub amount: u8,
    pub active: u8,
    /// How much of it was used.
    pub used: Option<u8>,
    /// Of which item of an order it is. Use time is none's: no quantity says it.
    pub item: Option<u8>,
}

impl Credit {
    /// By its own kind, whatever its license is limited by.
    pub fn of_kind(kind: Kind) -> Option<&'static Self> {
        match kind {
            Kind::SeatCountCredit => Some(&SEATS),
            Kind::UseCountCredit => Some(&USES),
            Kind::UseTimeCredit => Some(&TIMES),
            _ => None,
        }
    }
}

const SEATS: Credit = Credit {
    kind: Kind::SeatCountCredit,
    rel: rel::SEAT_CREDITS,
    amount: place(Kind::SeatCountCredit, "seatCount"),
    active: place(Kind::SeatCountCredit, "active"),
    // They are taken by leases and reservations, not used up.
    used: None,
    item: Some(place(Kind::SeatCountCredit, "licenseTransactionItemId")),
};

const USES: Credit = Credit {
    kind: Kind::UseCountCredit,
    rel: known(RelationType::OneToMany, Kind::License, Kind::UseCountCredit),
    amount: place(Kind::UseCountCredit, "useCount"),
    active: place(Kind::UseCountCredit, "active"),
    used: Some(place(Kind::UseCountCredit, "useCountConsumed")),
    item: Some(place(Kind::UseCountCredit, "licenseTransactionItemId")),
};

const TIMES: Credit = Credit {
    kind: Kind::UseTimeCredit,
    rel: known(RelationType::OneToMany, Kind::License, Kind::UseTimeCredit),
    amount: place(Kind::UseTimeCredit, "useTime"),
    active: place(Kind::UseTimeCredit, "active"),
    used: Some(place(Kind::UseTimeCredit, "useTimeConsumed")),
    item: None,
};

/// The rule of named seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// How many reservations may be made.
    pub most: Option<u64>,
    pub allow_release: bool,
}

/// A model's rules, as far as granting asks for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    pub limited: Limited,
    /// Seats of a grant that names no count.
    pub default_count: Option<i64>,
    /// A second grant enlarges the license there is.
    pub pool: bool,
    /// Milliseconds.
    pub max_validity: Option<i64>,
    pub locks_trials: bool,
}

/// # Errors
/// A model that limits more than one thing cannot be followed.
pub fn of_model(model: Option<Node<'_>>) -> Result<Terms, Refused> {
    let Some(model) = model else {
        return Ok(Terms::default());
    };
    let mut terms = Terms::default();
    let mut limits = 0;
    let mut limit = |terms: &mut Terms, limited: Limited| {
        terms.limited = limited;
        limits += 1;
    };
    for hop in model.kind.hops() {
        let kind = hop.to();
        if hop.rel.def().relation_type != RelationType::OneToMany || !hop.rel.def().single {
            continue;
        }
        let Some((rule, _)) = model.hop(*hop, None).next() else {
            continue;
        };
        match kind {
            Kind::SeatCountConstraint => limit(&mut terms, Limited::Seats),
            Kind::UseCountConstraint => limit(&mut terms, Limited::UseCount),
            Kind::AggregateUseConstraint => limit(&mut terms, Limited::UseTime),
            Kind::LicensedItemCountBehavior => terms.default_count = number(&rule, "defaultCount"),
            Kind::LicensePoolBehavior => terms.pool = flag(&rule, "pool").unwrap_or(false),
            Kind::ValidityPeriodConstraint => terms.max_validity = number(&rule, "maxValidity"),
            Kind::ConsumptionLockConstraint => terms.locks_trials = true,
            _ => {}
        }
    }
    if limits > 1 {
        return Err(Refused::InvalidLicenseModel(model.id));
    }
    Ok(terms)
}

/// Of the model a license follows.
pub fn of_license(license: Node<'_>) -> Result<Terms, Refused> {
    of_model(license.parent(rel::OF_MODEL))
}

/// The rule of named seats of the model a license follows.
pub fn assigned(license: Node<'_>) -> Option<Assigned> {
    let model = license.parent(rel::OF_MODEL)?;
    let rel = known(
        RelationType::OneToMany,
        Kind::LicenseModel,
        Kind::AssignedLicenseConstraint,
    );
    let (rule, _) = model.hop(Hop::forward(rel), None).next()?;
    Some(Assigned {
        most: number(&rule, "maxAssignments").and_then(|most| u64::try_from(most).ok()),
        allow_release: flag(&rule, "allowRelease").unwrap_or(true),
    })
}

fn number(rule: &Entity, name: &str) -> Option<i64> {
    rule.fields().get(rule.kind.field(name)?)?.as_int()
}

fn flag(rule: &Entity, name: &str) -> Option<bool> {
    rule.fields().get(rule.kind.field(name)?).and_then(Value::as_bool)
}
