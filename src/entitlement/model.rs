//! The model of a license, read once into values (`licensing.md` 2.3): lease times, what is limited, and every rule that a
//! consumption must pass. Texts are borrowed from the graph, so that a check allocates nothing for it. Decides nothing.

use crate::graph::Node;
use crate::model::schema::place;
use crate::model::{Entity, Kind, Value, rel};

use super::anchors::Anchors;
use super::terms::Limited;
use super::version::Versions;

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// The longest lease: a hundred years.
pub const LONGEST_LEASE: i64 = 36_525 * DAY;

/// Which pair of lease times a request asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Online.
    #[default]
    Cache,
    /// Offline.
    Checkout,
}

impl Mode {
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "cache" => Some(Self::Cache),
            "checkout" => Some(Self::Checkout),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::Checkout => "checkout",
        }
    }
}

/// Milliseconds; the built-in floating model where nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimes {
    pub online: i64,
    pub offline: i64,
    /// `None`: three quarters of the lease.
    pub refresh_online: Option<i64>,
    pub refresh_offline: Option<i64>,
    pub cooldown: i64,
    pub allow_extension: bool,
    pub allow_release: bool,
}

impl Default for LeaseTimes {
    fn default() -> Self {
        Self {
            online: 15 * MINUTE,
            offline: 7 * DAY,
            refresh_online: None,
            refresh_offline: None,
            cooldown: 0,
            allow_extension: true,
            allow_release: true,
        }
    }
}

impl LeaseTimes {
    pub fn of(&self, mode: Mode) -> (i64, Option<i64>) {
        match mode {
            Mode::Cache => (self.online, self.refresh_online),
            Mode::Checkout => (self.offline, self.refresh_offline),
        }
    }
}

/// A named seat: it is reserved first, or by its first use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    pub auto_assign: bool,
    pub most: Option<u64>,
}

/// How far a license may be used above its seats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverUse {
    #[default]
    None,
    Percent(u64),
    Count(u64),
}

impl OverUse {
    /// Seats above so many.
    pub fn above(self, seats: u64) -> u64 {
        match self {
            Self::None => 0,
            Self::Percent(percent) => {
                let above = u128::from(seats) * u128::from(percent) / 100;
                u64::try_from(above).unwrap_or(u64::MAX)
            }
            Self::Count(count) => count,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Model<'g> {
    pub limited: Limited,
    /// It limits more than one thing, or a rule of it cannot be read: nothing can be consumed by it.
    pub contradicts: bool,
    /// Uses are what the client says, not the sessions it opens.
    pub uses_declared: bool,
    pub seats_per_user: Option<u64>,
    pub lease: LeaseTimes,
    pub named: Option<Named>,
    pub versions: Option<Versions<'g>>,
    pub locks_trials: bool,
    /// The type of scope that has to be named; the inner `None` is any.
    pub scope: Option<Option<&'g str>>,
    pub over_use: OverUse,
    pub anchors: Anchors,
}

/// Of the model a license follows.
pub fn of_license(license: Node<'_>) -> Model<'_> {
    license.parent(rel::OF_MODEL).map(of_model).unwrap_or_default()
}

pub fn of_model(node: Node<'_>) -> Model<'_> {
    let mut model = Model::default();
    let mut limits = 0;
    for (_, rule) in node.singles() {
        let rule: &Entity = rule.entity();
        match rule.kind {
            Kind::SeatCountConstraint => {
                (model.limited, limits) = (Limited::Seats, limits + 1);
                model.seats_per_user = count(rule, place(Kind::SeatCountConstraint, "seatsPerUser"));
            }
            Kind::UseCountConstraint => {
                (model.limited, limits) = (Limited::UseCount, limits + 1);
                let mode = text(rule, place(Kind::UseCountConstraint, "trackingMode"));
                model.uses_declared = mode == Some("TRACK_BY_CLIENT_DECLARATION");
            }
            Kind::AggregateUseConstraint => (model.limited, limits) = (Limited::UseTime, limits + 1),
            Kind::LeaseTimeBehavior => model.lease = lease_times(rule),
            Kind::AssignedLicenseConstraint => {
                let auto_assign = flag(rule, place(Kind::AssignedLicenseConstraint, "autoAssign"));
                model.named = Some(Named {
                    auto_assign: auto_assign.unwrap_or(false),
                    most: count(rule, place(Kind::AssignedLicenseConstraint, "maxAssignments")),
                });
            }
            Kind::VersionConstraint => {
                model.versions = Some(Versions {
                    least: text(rule, place(Kind::VersionConstraint, "minVersion")),
                    most: text(rule, place(Kind::VersionConstraint, "maxVersion")),
                    pattern: text(rule, place(Kind::VersionConstraint, "pattern")),
                });
            }
            Kind::ConsumptionLockConstraint => model.locks_trials = true,
            Kind::ScopedLicenseConstraint => {
                model.scope = Some(text(rule, place(Kind::ScopedLicenseConstraint, "scopeType")));
            }
            Kind::UtilizationConstraint => {
                let percent = count(rule, place(Kind::UtilizationConstraint, "maxOverusePercent"));
                let above = count(rule, place(Kind::UtilizationConstraint, "maxOveruseCount"));
                model.over_use = match (percent, above) {
                    (Some(_), Some(_)) => {
                        model.contradicts = true;
                        OverUse::None
                    }
                    (Some(percent), None) => OverUse::Percent(percent),
                    (None, Some(count)) => OverUse::Count(count),
                    (None, None) => OverUse::None,
                };
            }
            Kind::ConcurrentSessions => {
                if let Some(anchors) = text(rule, place(Kind::ConcurrentSessions, "sessionAnchors")) {
                    match Anchors::read(anchors) {
                        Some(anchors) => model.anchors = anchors,
                        None => model.contradicts = true,
                    }
                }
            }
            _ => {}
        }
    }
    model.contradicts |= limits > 1;
    model
}

fn lease_times(rule: &Entity) -> LeaseTimes {
    const KIND: Kind = Kind::LeaseTimeBehavior;
    let floating = LeaseTimes::default();
    // A number of a world that was imported may be larger than what may be written.
    let ms = |field: u8| {
        let ms = rule.fields().get(field).and_then(Value::as_int);
        ms.map(|ms| ms.clamp(0, LONGEST_LEASE))
    };
    LeaseTimes {
        online: ms(place(KIND, "leaseTimeCache")).unwrap_or(floating.online),
        offline: ms(place(KIND, "leaseTimeCheckOut")).unwrap_or(floating.offline),
        refresh_online: ms(place(KIND, "refreshTimeCache")),
        refresh_offline: ms(place(KIND, "refreshTimeCheckOut")),
        cooldown: ms(place(KIND, "cooldownTime")).unwrap_or(floating.cooldown),
        allow_extension: flag(rule, place(KIND, "allowLeaseExtension")).unwrap_or(true),
        allow_release: flag(rule, place(KIND, "allowLeaseRelease")).unwrap_or(true),
    }
}

/// An empty text says nothing.
fn text(rule: &Entity, field: u8) -> Option<&str> {
    let text = rule.fields().get(field).and_then(Value::as_text);
    text.filter(|text| !text.is_empty())
}

fn count(rule: &Entity, field: u8) -> Option<u64> {
    let count = rule.fields().get(field).and_then(Value::as_int)?;
    Some(u64::try_from(count).unwrap_or(0))
}

fn flag(rule: &Entity, field: u8) -> Option<bool> {
    rule.fields().get(field).and_then(Value::as_bool)
}
