//! Why a license is not sold, changed or assigned. With the names as they were sent.

use crate::entitlement::Refused;
use crate::entitlement::sold::NotSold;
use crate::error::{Class, Error};
use crate::limits::Limit;
use crate::operation::refusal::{refused_class, refused_code, refused_help};
use crate::operation::users::{KNOWN_BY, Several};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LicenseError {
    #[error("no organization is named")]
    OrganizationMissing,
    /// `at`: where it was named.
    #[error("there is no organization `{name}`")]
    UnknownOrganization { at: &'static str, name: String },
    #[error("`{0}` and `{1}` are two organizations")]
    TwoOrganizations(String, String),
    /// `at`: where it was named.
    #[error("there is no licensed item `{name}`")]
    UnknownItem { at: &'static str, name: String },
    #[error("`{0}` and `{1}` are two licensed items")]
    TwoItems(String, String),
    #[error("there is no such license `{0}`")]
    UnknownLicense(String),
    #[error("the license `{license}` has not the alias `{alias}`: that is another license's, or none's")]
    OtherAlias { license: String, alias: String },
    #[error("neither the number nor the alias of a license is given")]
    LicenseMissing,
    #[error("the alias `{0}` is another license's")]
    AliasTaken(String),
    #[error("the organization has no user `{0}`")]
    UnknownUser(String),
    #[error("no user is named")]
    UserMissing,
    #[error("the organization has no group `{0}`")]
    UnknownGroup(String),
    #[error("the license has no assignment `{0}`")]
    UnknownAssignment(u64),
    #[error("the count is {count}, and {used} seats of the license are taken")]
    CountBelowUse { count: u64, used: u64 },
    #[error("the group has {members} members, and one call may be about {}", .limit.value)]
    TooManyMembers { members: u64, limit: Limit },
    #[error("more than {} entities would be looked at", .0.value)]
    TooMuch(Limit),
    #[error("{0}")]
    Refused(Refused),
    #[error(transparent)]
    Other(#[from] Error),
}

impl LicenseError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::OrganizationMissing => "organizationMissing",
            Self::UnknownOrganization { .. }
            | Self::UnknownItem { .. }
            | Self::UnknownLicense(_)
            | Self::OtherAlias { .. }
            | Self::UnknownUser(_)
            | Self::UnknownGroup(_)
            | Self::UnknownAssignment(_) => "targetNotFound",
            Self::TwoOrganizations(..) => "twoOrganizations",
            Self::TwoItems(..) => "twoItems",
            Self::LicenseMissing => "licenseMissing",
            Self::AliasTaken(_) => "notUnique",
            Self::UserMissing => "userMissing",
            Self::CountBelowUse { .. } => "countBelowUse",
            Self::TooManyMembers { .. } => "tooManyTargets",
            Self::TooMuch(_) => "visitedTooMuch",
            Self::Refused(refused) => refused_code(refused),
            Self::Other(error) => error.code(),
        }
    }

    pub fn class(&self) -> Class {
        match self {
            Self::OrganizationMissing
            | Self::TwoOrganizations(..)
            | Self::TwoItems(..)
            | Self::LicenseMissing
            | Self::UserMissing => Class::Unreadable,
            Self::UnknownOrganization { .. }
            | Self::UnknownItem { .. }
            | Self::UnknownLicense(_)
            | Self::OtherAlias { .. }
            | Self::UnknownUser(_)
            | Self::UnknownGroup(_)
            | Self::UnknownAssignment(_) => Class::NotFound,
            Self::AliasTaken(_) | Self::CountBelowUse { .. } => Class::Conflict,
            Self::TooManyMembers { .. } | Self::TooMuch(_) => Class::Unprocessable,
            Self::Refused(refused) => refused_class(refused),
            Self::Other(error) => error.class(),
        }
    }

    pub fn help(&self) -> Option<&str> {
        match self {
            Self::OrganizationMissing | Self::UnknownOrganization { .. } => {
                Some("an organization is known by its id, its alias or its name")
            }
            Self::UnknownItem { .. } => Some("make the licensed item first"),
            Self::UnknownUser(_) => Some(KNOWN_BY),
            Self::UserMissing => Some("name a user, or an e-mail address"),
            Self::AliasTaken(_) => Some("send another one, or change that license"),
            Self::CountBelowUse { .. } => Some("take assignments back first"),
            Self::TooManyMembers { .. } => Some("assign a smaller group, or raise `limits.targets`"),
            Self::TooMuch(_) => Some("name an organization"),
            Self::Refused(refused) => Some(refused_help(refused)),
            Self::Other(error) => error.help(),
            Self::TwoOrganizations(..) | Self::TwoItems(..) => Some("name one of them"),
            Self::OtherAlias { .. } => Some("leave the one or the other out"),
            Self::UnknownLicense(_) | Self::LicenseMissing => {
                Some("a license is known by its id, its alias or its number")
            }
            Self::UnknownGroup(_) => Some("a group is known by its id, its alias or its number"),
            Self::UnknownAssignment(_) => Some("an assignment is known by its id or its number"),
        }
    }
}

impl From<Several> for LicenseError {
    fn from(Several(name): Several) -> Self {
        Self::UnknownUser(name)
    }
}

impl From<crate::graph::Violation> for LicenseError {
    fn from(violation: crate::graph::Violation) -> Self {
        Self::Other(violation.into())
    }
}

impl From<crate::access::Denied> for LicenseError {
    fn from(denied: crate::access::Denied) -> Self {
        Self::Other(denied.into())
    }
}

impl From<Refused> for LicenseError {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<NotSold> for LicenseError {
    fn from(why: NotSold) -> Self {
        match why {
            NotSold::BelowUse { count, used } => Self::CountBelowUse { count, used },
            NotSold::Refused(refused) => Self::Refused(refused),
        }
    }
}
