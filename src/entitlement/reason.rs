//! Why a license may not be used now: an outcome with a stable code, in the order in which the rules are tried
//! (`licensing.md` 2.6). Each edge says it in its own way.

/// Later ones mean that a candidate came further. Of several candidates the one that came furthest tells the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    NotAuthorized,
    /// More licenses than one decision looks at: none of them was tried.
    TooManyLicenses,
    LicenseNotYetValid,
    LicenseExpired,
    LicenseSuspended,
    ConsumptionDenied,
    AssignmentRequired,
    InvalidLicenseModel,
    VersionNotAllowed,
    HardwareIdRequired,
    ConsumptionLocked,
    ScopeNotAllowed,
    ConcurrentSessionLimit,
    /// Of the rule of a group.
    QuotaExceeded,
    NoSeatsAvailable,
    /// Of one user, however many are free. Clients know no other code for it.
    TooManySeats,
    UseCountExceeded,
    UseTimeExceeded,
    ExtensionNotAllowed,
    /// No lease of this consumer is called so.
    NoConsumptionFoundById,
    ReleaseNotAllowed,
}

impl Reason {
    pub const ALL: &'static [Self] = &[
        Self::NotAuthorized,
        Self::TooManyLicenses,
        Self::LicenseNotYetValid,
        Self::LicenseExpired,
        Self::LicenseSuspended,
        Self::ConsumptionDenied,
        Self::AssignmentRequired,
        Self::InvalidLicenseModel,
        Self::VersionNotAllowed,
        Self::HardwareIdRequired,
        Self::ConsumptionLocked,
        Self::ScopeNotAllowed,
        Self::ConcurrentSessionLimit,
        Self::QuotaExceeded,
        Self::NoSeatsAvailable,
        Self::TooManySeats,
        Self::UseCountExceeded,
        Self::UseTimeExceeded,
        Self::ExtensionNotAllowed,
        Self::NoConsumptionFoundById,
        Self::ReleaseNotAllowed,
    ];

    pub fn code(self) -> &'static str {
        match self {
            Self::NotAuthorized => "notAuthorized",
            Self::TooManyLicenses => "tooManyLicenses",
            Self::LicenseNotYetValid => "licenseNotYetValid",
            Self::LicenseExpired => "licenseExpired",
            Self::LicenseSuspended => "licenseSuspended",
            Self::ConsumptionDenied => "consumptionDenied",
            Self::AssignmentRequired => "assignmentRequired",
            Self::InvalidLicenseModel => "invalidLicenseModel",
            Self::VersionNotAllowed => "versionNotAllowed",
            Self::HardwareIdRequired => "hardwareIdRequired",
            Self::ConsumptionLocked => "consumptionLocked",
            Self::ScopeNotAllowed => "scopeNotAllowed",
            Self::ConcurrentSessionLimit => "concurrentSessionLimit",
            Self::QuotaExceeded => "quotaExceeded",
            Self::NoSeatsAvailable | Self::TooManySeats => "noSeatsAvailable",
            Self::UseCountExceeded => "useCountExceeded",
            Self::UseTimeExceeded => "useTimeExceeded",
            Self::ExtensionNotAllowed => "extensionNotAllowed",
            Self::NoConsumptionFoundById => "noConsumptionFoundById",
            Self::ReleaseNotAllowed => "releaseNotAllowed",
        }
    }

    /// Its row in `licensing.md` 2.6: of two candidates that were stopped in one row neither came further.
    pub fn row(self) -> Self {
        match self {
            Self::LicenseExpired | Self::LicenseSuspended => Self::LicenseNotYetValid,
            Self::ConsumptionLocked => Self::HardwareIdRequired,
            Self::TooManySeats => Self::NoSeatsAvailable,
            Self::UseTimeExceeded => Self::UseCountExceeded,
            other => other,
        }
    }

    /// For an administrator: a clause that begins lower-case and ends without a period.
    pub fn words(self) -> &'static str {
        match self {
            Self::NotAuthorized => "nothing gives this consumer access to it",
            Self::TooManyLicenses => {
                "more licenses are open to this consumer than one decision looks at, or than its request has left to look at: `licenseId` or `entitlementId` says which"
            }
            Self::LicenseNotYetValid => "the license is not valid yet",
            Self::LicenseExpired => "the license has expired",
            Self::LicenseSuspended => "the license is suspended",
            Self::ConsumptionDenied => "an assignment denies the license to this consumer",
            Self::AssignmentRequired => {
                "the license model asks for a reserved seat, and none is reserved for this consumer"
            }
            Self::InvalidLicenseModel => "the license model contradicts itself",
            Self::VersionNotAllowed => "the license model does not allow this version, or no version was sent",
            Self::HardwareIdRequired => "the license model ties a trial to a device, and no `hw` was sent",
            Self::ConsumptionLocked => "this device has used another trial already",
            Self::ScopeNotAllowed => "the license does not have this scope, or none was sent",
            Self::ConcurrentSessionLimit => {
                "the seat is in use on as many devices or in as many processes as it may be"
            }
            Self::QuotaExceeded => "as many members of the group hold a seat as its rule allows",
            Self::NoSeatsAvailable => "no seat is free",
            Self::TooManySeats => "this user has, or would have, more seats than the license model gives one user",
            Self::UseCountExceeded => "the uses are used up",
            Self::UseTimeExceeded => "the use time is used up",
            Self::ExtensionNotAllowed => "the license model does not allow to extend a lease",
            Self::NoConsumptionFoundById => "this consumer has no lease of that id under the license that is asked for",
            Self::ReleaseNotAllowed => "the license model does not allow to release a lease before its end",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_reason_has_a_code_of_its_own_and_they_are_in_order() {
        let codes: HashSet<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        // Two share theirs, and say it in their own words.
        assert_eq!(codes.len() + 1, Reason::ALL.len());
        let words: HashSet<&str> = Reason::ALL.iter().map(|reason| reason.words()).collect();
        assert_eq!(words.len(), Reason::ALL.len());
        assert!(Reason::ALL.is_sorted());
        assert!(Reason::ALL.iter().all(|reason| !reason.words().ends_with('.')));
    }

    #[test]
    fn a_row_is_named_by_its_first_and_holds_together() {
        let check = |row: &[Reason]| {
            assert!(row.iter().all(|reason| reason.row() == row[0]), "{row:?}");
            let others = Reason::ALL.iter().filter(|reason| !row.contains(reason));
            assert!(others.into_iter().all(|reason| reason.row() != row[0]), "{row:?}");
        };
        check(&[Reason::NotAuthorized]);
        check(&[
            Reason::LicenseNotYetValid,
            Reason::LicenseExpired,
            Reason::LicenseSuspended,
        ]);
        check(&[Reason::ConsumptionDenied]);
        check(&[Reason::HardwareIdRequired, Reason::ConsumptionLocked]);
        check(&[Reason::NoSeatsAvailable, Reason::TooManySeats]);
        check(&[Reason::UseCountExceeded, Reason::UseTimeExceeded]);
        assert!(Reason::ALL.is_sorted_by_key(|reason| reason.row()));
    }
}
