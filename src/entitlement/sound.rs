//! Rules of a license model, items, licenses and user sets that contradict themselves or each other, or hold a text that
//! cannot be read (`licensing.md` 2.3). Asked when one is written; what an import brings may be so all the same.

use crate::graph::Node;
use crate::model::schema::{RelationType, known, place};
use crate::model::{Entity, Kind, Rel, Value};

use super::anchors::Anchors;
use super::localized;
use super::model::{LONGEST_LEASE, LeaseTimes};
use super::refused::Refused;
use super::texts;
use super::version;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    #[error("a rule of versions has both a pattern and a range")]
    PatternAndRange,
    #[error("`minVersion` is above `maxVersion`")]
    EmptyRange,
    #[error("the pattern is not a regular expression, or too large for one")]
    BadPattern,
    #[error("a version has more than {} bytes", version::LONGEST_VERSION)]
    VersionTooLong,
    #[error("over-use is bounded both in percent and by a count")]
    PercentAndCount,
    #[error("the time is longer than {LONGEST_LEASE} ms")]
    TimeTooLong,
    #[error("the refresh time is longer than the lease time")]
    RefreshAfterLease,
    #[error("these are no session anchors")]
    BadAnchors,
    #[error("an item of this name could not be asked for")]
    ReservedName,
    #[error("this is no list of texts")]
    NoTexts,
    #[error("these are no names by locale")]
    NoNames,
    #[error("nobody could ever be granted anything by this rule")]
    NobodyGranted,
}

/// Parameters of `/authz` (`licensing.md` 1.2): none of them is ever an item.
pub const PARAMETERS: [&str; 19] = [
    "doConsume",
    "consumptionMode",
    "consumeDuration",
    "consumeCount",
    "hw",
    "process",
    "version",
    "leaseId",
    "licenseId",
    "entitlementId",
    "ownerOrganizationId",
    "ownerUserId",
    "onBehalfOfId",
    "release",
    "permissionScope",
    "explain",
    "alg",
    "scope",
    "dryRun",
];

/// Members of its answers and claims of its tokens (`licensing.md` 1.3), which an item's name stands beside.
const CLAIMS: [&str; 11] = [
    "iss", "sub", "aud", "iat", "exp", "nbf", "jti", "rfr", "lic", "ibb", "changes",
];

/// A name that means something else where an item is asked for or answered. An item that came by one in an import is as
/// unknown.
pub fn is_taken(name: &str) -> bool {
    PARAMETERS.contains(&name) || CLAIMS.contains(&name)
}

impl Contradiction {
    pub fn code(self) -> &'static str {
        match self {
            Self::PatternAndRange => "patternAndRange",
            Self::EmptyRange => "emptyRange",
            Self::BadPattern => "badPattern",
            Self::VersionTooLong => "versionTooLong",
            Self::PercentAndCount => "percentAndCount",
            Self::TimeTooLong => "timeTooLong",
            Self::RefreshAfterLease => "refreshAfterLease",
            Self::BadAnchors => "badAnchors",
            Self::ReservedName => "reservedName",
            Self::NoTexts => "noTexts",
            Self::NoNames => "noDisplayNames",
            Self::NobodyGranted => "nobodyGranted",
        }
    }

    pub fn help(self) -> &'static str {
        match self {
            Self::PatternAndRange => "clear `pattern`, or `minVersion` and `maxVersion`",
            Self::EmptyRange => "both ends are allowed, so the same version at both is a range of one",
            Self::BadPattern => "it has at most 512 bytes, and neither look-around nor back-references",
            Self::VersionTooLong => "send a shorter one",
            Self::PercentAndCount => "clear one of `maxOverusePercent` and `maxOveruseCount`",
            Self::TimeTooLong => "a lease lasts at most a hundred years",
            Self::RefreshAfterLease => "leave it out and get three quarters of the lease time",
            Self::ReservedName => "parameters of `/authz` and claims of tokens have this name: choose another",
            Self::NoNames => {
                "for example `{\"da\":\"Redigering\",\"pt-BR\":\"Editor\"}`: each locale once, with a text"
            }
            Self::NoTexts => "for example `[\"value1\",\"value2\"]`",
            Self::NobodyGranted => "send a number from 1 up, or leave it out",
            Self::BadAnchors => {
                "for example `[{\"type\":\"hw\",\"maxCount\":1}]`; a type is `hw` or `process`, each once, from 1 up"
            }
        }
    }
}

/// The fields that say it together. It is told at the first, where that was sent.
type Said = &'static [&'static str];

/// What is wrong with a rule or an item, and the fields it stands in.
pub fn contradiction(rule: &Entity) -> Option<(Said, Contradiction)> {
    let text = |field: u8| {
        let text = rule.fields().get(field).and_then(Value::as_text);
        text.filter(|text| !text.is_empty())
    };
    let number = |field: u8| rule.fields().get(field).and_then(Value::as_int);
    match rule.kind {
        Kind::LicensedItem => {
            let name = text(const { place(Kind::LicensedItem, "name") });
            let names = text(const { place(Kind::LicensedItem, "displayNames") });
            if name.is_some_and(is_taken) {
                return Some((&["name"], Contradiction::ReservedName));
            }
            let wrong = names.is_some_and(|names| localized::read(names).is_none());
            wrong.then_some((&["displayNames"], Contradiction::NoNames))
        }
        Kind::License => {
            const VALUES: u8 = place(Kind::License, "matchValues");
            let wrong = text(VALUES).is_some_and(|values| texts::read(values).is_none());
            wrong.then_some((&["matchValues"], Contradiction::NoTexts))
        }
        Kind::UserSet => {
            const LISTS: [(Said, u8); 3] = [
                (&["allOf"], place(Kind::UserSet, "allOf")),
                (&["anyOf"], place(Kind::UserSet, "anyOf")),
                (&["noneOf"], place(Kind::UserSet, "noneOf")),
            ];
            let is_wrong = |field: u8| text(field).is_some_and(|list| texts::read(list).is_none());
            let wrong = LISTS.iter().find(|(_, field)| is_wrong(*field));
            wrong.map(|(name, _)| (*name, Contradiction::NoTexts))
        }
        Kind::VersionConstraint => {
            let least = text(const { place(Kind::VersionConstraint, "minVersion") });
            let most = text(const { place(Kind::VersionConstraint, "maxVersion") });
            let pattern = text(const { place(Kind::VersionConstraint, "pattern") });
            let is_long = |version: Option<&str>| version.is_some_and(|text| text.len() > version::LONGEST_VERSION);
            match (least, most, pattern) {
                (None, None, Some(pattern)) => {
                    let wrong = version::compile(pattern).is_none();
                    wrong.then_some((&["pattern"], Contradiction::BadPattern))
                }
                (_, _, Some(_)) => Some((&["pattern", "minVersion", "maxVersion"], Contradiction::PatternAndRange)),
                (least, _, None) if is_long(least) => Some((&["minVersion"], Contradiction::VersionTooLong)),
                (_, most, None) if is_long(most) => Some((&["maxVersion"], Contradiction::VersionTooLong)),
                (Some(least), Some(most), None) if version::compare(least, most).is_gt() => {
                    Some((&["minVersion", "maxVersion"], Contradiction::EmptyRange))
                }
                _ => None,
            }
        }
        Kind::SeatCountConstraint => nobody(
            &["seatsPerUser"],
            number(const { place(Kind::SeatCountConstraint, "seatsPerUser") }),
        ),
        Kind::ValidityPeriodConstraint => nobody(
            &["maxValidity"],
            number(const { place(Kind::ValidityPeriodConstraint, "maxValidity") }),
        ),
        Kind::LicensedItemCountBehavior => nobody(
            &["defaultCount"],
            number(const { place(Kind::LicensedItemCountBehavior, "defaultCount") }),
        ),
        Kind::AssignedLicenseConstraint => {
            const AUTO: u8 = place(Kind::AssignedLicenseConstraint, "autoAssign");
            let most = number(const { place(Kind::AssignedLicenseConstraint, "maxAssignments") });
            let is_auto = rule.fields().get(AUTO) == Some(&Value::Bool(true));
            nobody(&["maxAssignments", "autoAssign"], most.filter(|_| is_auto))
        }
        Kind::UtilizationConstraint => {
            let percent = number(const { place(Kind::UtilizationConstraint, "maxOverusePercent") });
            let above = number(const { place(Kind::UtilizationConstraint, "maxOveruseCount") });
            let both = percent.is_some() && above.is_some();
            both.then_some((
                &["maxOveruseCount", "maxOverusePercent"],
                Contradiction::PercentAndCount,
            ))
        }
        Kind::ConcurrentSessions => {
            let anchors = text(const { place(Kind::ConcurrentSessions, "sessionAnchors") });
            let wrong = anchors.is_some_and(|anchors| Anchors::read(anchors).is_none());
            wrong.then_some((&["sessionAnchors"], Contradiction::BadAnchors))
        }
        Kind::LeaseTimeBehavior => {
            const KIND: Kind = Kind::LeaseTimeBehavior;
            const TIMES: [(Said, u8); 5] = [
                (&["leaseTimeCache"], place(KIND, "leaseTimeCache")),
                (&["refreshTimeCache"], place(KIND, "refreshTimeCache")),
                (&["leaseTimeCheckOut"], place(KIND, "leaseTimeCheckOut")),
                (&["refreshTimeCheckOut"], place(KIND, "refreshTimeCheckOut")),
                (&["cooldownTime"], place(KIND, "cooldownTime")),
            ];
            let is_long = |field: u8| number(field).is_some_and(|ms| ms > LONGEST_LEASE);
            if let Some((said, _)) = TIMES.iter().find(|(_, field)| is_long(*field)) {
                return Some((said, Contradiction::TimeTooLong));
            }
            // What is not said is as in the built-in model.
            let LeaseTimes { online, offline, .. } = LeaseTimes::default();
            let pairs: [(Said, u8, u8, i64); 2] = [
                (
                    &["refreshTimeCache", "leaseTimeCache"],
                    const { place(KIND, "refreshTimeCache") },
                    const { place(KIND, "leaseTimeCache") },
                    online,
                ),
                (
                    &["refreshTimeCheckOut", "leaseTimeCheckOut"],
                    const { place(KIND, "refreshTimeCheckOut") },
                    const { place(KIND, "leaseTimeCheckOut") },
                    offline,
                ),
            ];
            let late = pairs.into_iter().find(|(_, refresh, lease, unsaid)| {
                number(*refresh).is_some_and(|refresh| refresh > number(*lease).unwrap_or(*unsaid))
            });
            late.map(|(said, ..)| (said, Contradiction::RefreshAfterLease))
        }
        _ => None,
    }
}

/// A number of which none is left.
fn nobody(said: Said, number: Option<i64>) -> Option<(Said, Contradiction)> {
    (number == Some(0)).then_some((said, Contradiction::NobodyGranted))
}

/// A model limits one thing, whoever wrote the second limit.
pub fn limits(rule: Node<'_>) -> Result<(), Refused> {
    const LIMITS: [(Kind, Rel); 3] = [
        (Kind::SeatCountConstraint, limit(Kind::SeatCountConstraint)),
        (Kind::UseCountConstraint, limit(Kind::UseCountConstraint)),
        (Kind::AggregateUseConstraint, limit(Kind::AggregateUseConstraint)),
    ];
    let own = LIMITS.iter().find(|(kind, _)| *kind == rule.kind);
    let Some(model) = own.and_then(|(_, rel)| rule.parent(*rel)) else {
        return Ok(());
    };
    let limits = model
        .singles()
        .filter(|(rel, _)| LIMITS.iter().any(|(_, limit)| limit == rel));
    if limits.count() > 1 {
        return Err(Refused::InvalidLicenseModel(model.id));
    }
    Ok(())
}

const fn limit(kind: Kind) -> Rel {
    known(RelationType::OneToMany, Kind::LicenseModel, kind)
}
