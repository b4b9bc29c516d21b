//! Allocating an organization's licenses to its users and groups, by foreign ids (`doors.md` A.7 and E): who is meant and
//! who may. What an allocation is, and the seat it takes, is for `entitlement::allocate`.
//!
//! Reading asks for `License.read`; writing asks for `Assignment.update`, as CreateOrUpdateAssignments does.

mod change;
mod look;

pub use change::{Change, Direct, Done, Quota, Rules};
pub use look::{
    Held, Holder, Listed, Order, Pool, Ruled, entitled, group, group_rule, group_rules, groups, holders, members, pools,
};

use uuid::Uuid;

use super::{foreign, users};
use crate::access::{Action, Permission, View, Who};
use crate::entitlement::Refused;
use crate::entitlement::{allocate, ruled};
use crate::error::{Class, Error};
use crate::graph::{Graph, Node};
use crate::model::{Kind, rel};

const READ: Permission = Permission::Kind(Kind::License, Action::Read);
const WRITE: Permission = Permission::Kind(Kind::Assignment, Action::Update);

/// Why an allocation is not made. With the ids as they were sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AllocationError {
    #[error("there is no organization `{0}`")]
    UnknownAccount(String),
    #[error("the organization `{0}` has no licenses")]
    NoLicenses(String),
    #[error("the organization has no users {}", quoted(.0))]
    UnknownUsers(Vec<String>),
    #[error("the organization has no group `{0}`")]
    UnknownGroup(String),
    #[error("the organization has no license of `{0}`")]
    UnknownItem(String),
    #[error("a quota is for `{0}`, which is not among the items")]
    QuotaWithoutItem(String),
    #[error("the quota of `{item}` is {limit}: it is 1 or more")]
    QuotaTooSmall { item: String, limit: i64 },
    #[error("`{0}` has two quotas")]
    QuotaTwice(String),
    #[error("`{item}` cannot be allocated: {why}")]
    NotAllocated { item: String, why: Refused },
    #[error("`{item}` cannot be taken back: {why}")]
    NotTakenBack { item: String, why: Refused },
    #[error(transparent)]
    Other(#[from] Error),
}

fn quoted(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| format!("`{text}`")).collect();
    quoted.join(", ")
}

impl AllocationError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownAccount(_) | Self::UnknownUsers(_) | Self::UnknownGroup(_) => "targetNotFound",
            Self::NoLicenses(_) => "noLicenses",
            Self::UnknownItem(_) => "nothingToAllocate",
            Self::QuotaWithoutItem(_) => "quotaWithoutItem",
            Self::QuotaTooSmall { .. } => "quotaTooSmall",
            Self::QuotaTwice(_) => "quotaTwice",
            Self::NotAllocated { why, .. } | Self::NotTakenBack { why, .. } => super::refusal::refused_code(why),
            Self::Other(error) => error.code(),
        }
    }

    pub fn class(&self) -> Class {
        match self {
            Self::UnknownAccount(_) | Self::UnknownUsers(_) | Self::UnknownGroup(_) | Self::NoLicenses(_) => {
                Class::NotFound
            }
            Self::QuotaWithoutItem(_) | Self::QuotaTooSmall { .. } | Self::QuotaTwice(_) => Class::Unreadable,
            Self::UnknownItem(_) => Class::Conflict,
            Self::NotAllocated { why, .. } | Self::NotTakenBack { why, .. } => super::refusal::refused_class(why),
            Self::Other(error) => error.class(),
        }
    }

    pub fn help(&self) -> Option<&str> {
        match self {
            Self::UnknownAccount(_) => Some("an organization is known by its id, its alias or its name"),
            Self::NoLicenses(_) | Self::UnknownItem(_) => Some("grant the organization a license first"),
            Self::UnknownUsers(_) => Some(users::KNOWN_BY),
            Self::UnknownGroup(_) => Some("a group is known by its id, its alias or its name"),
            Self::QuotaWithoutItem(_) => Some("leave the quota out, or add the item"),
            Self::QuotaTooSmall { .. } => Some("leave the quota out, and any number may"),
            Self::QuotaTwice(_) => Some("send one of them"),
            Self::NotAllocated { why, .. } | Self::NotTakenBack { why, .. } => Some(super::refusal::refused_help(why)),
            Self::Other(error) => error.help(),
        }
    }
}

impl From<crate::graph::Violation> for AllocationError {
    fn from(violation: crate::graph::Violation) -> Self {
        Self::Other(violation.into())
    }
}

impl From<crate::access::Denied> for AllocationError {
    fn from(denied: crate::access::Denied) -> Self {
        Self::Other(denied.into())
    }
}

/// The organization that is meant, within the caller's reach. `named` is another name it may have been given as well: if that
/// is of an organization, it is the same one.
pub fn account<'g>(
    graph: &'g Graph,
    who: &Who,
    account: &str,
    named: Option<&str>,
) -> Result<Node<'g>, AllocationError> {
    let view = View::new(graph, who);
    let reached = |text: &str| foreign::find(graph, Kind::Organization, text, |node| view.reaches(node));
    let found = Some(account).filter(|text| !text.is_empty()).and_then(reached);
    let found = found.ok_or_else(|| AllocationError::UnknownAccount(account.to_owned()))?;
    match named.and_then(reached) {
        Some(other) if other != found => Err(AllocationError::UnknownAccount(account.to_owned())),
        _ => Ok(found),
    }
}

/// The same, if it has licenses at all.
fn licensed<'g>(graph: &'g Graph, who: &Who, named: &Account) -> Result<Node<'g>, AllocationError> {
    let found = account(graph, who, &named.0, named.1.as_deref())?;
    match allocate::has_licenses(found) {
        true => Ok(found),
        false => Err(AllocationError::NoLicenses(named.0.clone())),
    }
}

fn group_of<'g>(organization: Node<'g>, text: &str) -> Result<Node<'g>, AllocationError> {
    let of_it = |group: Node<'g>| group.parent(rel::GROUPS) == Some(organization);
    let found = foreign::find(organization.graph(), Kind::ProfileGroup, text, of_it);
    found.ok_or_else(|| AllocationError::UnknownGroup(text.to_owned()))
}

/// What an organization was called, and what else it may have been called at the same time.
pub type Account = (String, Option<String>);

/// Whom the organization has given something by a direct record stays its user.
pub(super) fn is_holder(organization: Node<'_>, profile: Node<'_>) -> bool {
    ruled::record(organization, profile).is_some()
}

/// Each once, in the order and the spelling of the first mention.
fn meant(organization: Node<'_>, who: &Who, texts: &[String]) -> Result<Vec<(Uuid, String)>, AllocationError> {
    let (mut found, mut unknown): (Vec<(Uuid, String)>, Vec<String>) = (Vec::new(), Vec::new());
    let mut seen = std::collections::HashSet::new();
    let view = View::new(organization.graph(), who);
    for text in texts {
        // Who has something here and is another organization's since is known by the id that lists tell of, and by nothing else.
        let standing = |profile: Node<'_>| {
            let standing = users::standing(organization, who, profile, || is_holder(organization, profile))?;
            (view.reaches(profile) || foreign::is_key(profile, text)).then_some(standing)
        };
        let user = users::find(organization, text, standing).ok().flatten();
        match user {
            Some(profile) if seen.insert(profile.id) => found.push((profile.id, text.clone())),
            Some(_) => {}
            None => unknown.push(text.clone()),
        }
    }
    match unknown.is_empty() {
        true => Ok(found),
        false => Err(AllocationError::UnknownUsers(unknown)),
    }
}

fn items(graph: &Graph, texts: &[String]) -> Result<Vec<(Uuid, String)>, AllocationError> {
    let mut found: Vec<(Uuid, String)> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for text in texts {
        let item = foreign::find(graph, Kind::LicensedItem, text, |_| true);
        let item = item.ok_or_else(|| AllocationError::UnknownItem(text.clone()))?;
        if seen.insert(item.id) {
            found.push((item.id, text.clone()));
        }
    }
    Ok(found)
}
