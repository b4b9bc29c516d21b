//! Selling an organization's offers one by one, by foreign ids (`doors.md` C and E): who is meant and who may. What a sale is,
//! and the seat it may take, is for `entitlement::sale`.
//!
//! Selling asks for `License.create`, as a grant does; looking at what was sold for `License.read`, taking it back for
//! `License.delete`. A user who is made by the way asks for `Profile.create` too, and whoever sets properties for what a
//! write of each would ask for.

mod account;
mod change;
mod look;
mod session;

pub use account::{Given, Property};
pub(super) use account::{find as find_account, find_or_make as make_account, list_text, set as set_properties};
pub use change::{Change, Done, Sell, Spec, TAKES_BACK, Update, take_back};
pub(super) use look::sold as told_of;
pub use look::{Asked, Holder, Object, Sold, Terms, User, list, may_log_in, object, of_login, one};
pub use session::{Entered, Session, revoke, tidy as tidy_sessions, untidy_for as sessions_untidy_for};
pub(super) use session::{end as end_sessions, of_assignment as of_session, of_users as of_sessions};

use super::{short, users};
use crate::access::{Action, Permission, View, Who};
use crate::entitlement::Refused;
use crate::error::{Class, Error};
use crate::graph::{Graph, Node};
use crate::model::{Kind, rel};

const fn license(action: Action) -> Permission {
    Permission::Kind(Kind::License, action)
}

/// Why nothing is sold. With the ids as they were sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SaleError {
    #[error("there is no organization `{0}`")]
    UnknownSite(String),
    #[error("there is no package `{0}`")]
    UnknownOffer(String),
    #[error("the organization has no user set `{0}`")]
    UnknownSet(String),
    #[error("the organization has sold no license `{0}`")]
    UnknownLicense(String),
    #[error("there is no object `{0}`")]
    UnknownObject(String),
    #[error("the organization has no user `{0}`")]
    UnknownUser(String),
    #[error("several users of the organization are called `{0}`")]
    SeveralUsers(String),
    #[error("the account of `{0}` is not valid now")]
    AccountNotValid(String),
    #[error("`{0}` is no list")]
    NoList(String),
    #[error("`{offer}` cannot be sold: {why}")]
    NotSold { offer: String, why: Refused },
    #[error(transparent)]
    Other(#[from] Error),
}

impl SaleError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownSite(_) | Self::UnknownLicense(_) | Self::UnknownObject(_) => "targetNotFound",
            Self::UnknownOffer(_) => "unknownOffer",
            Self::UnknownSet(_) => "unknownUserSet",
            Self::UnknownUser(_) => "unknownUser",
            Self::SeveralUsers(_) => "severalUsers",
            Self::AccountNotValid(_) => "accountNotValid",
            Self::NoList(_) => "noList",
            Self::NotSold { why, .. } => super::refusal::refused_code(why),
            Self::Other(error) => error.code(),
        }
    }

    pub fn class(&self) -> Class {
        match self {
            Self::UnknownSite(_) | Self::UnknownLicense(_) | Self::UnknownObject(_) => Class::NotFound,
            Self::UnknownOffer(_)
            | Self::UnknownSet(_)
            | Self::UnknownUser(_)
            | Self::SeveralUsers(_)
            | Self::AccountNotValid(_)
            | Self::NoList(_) => Class::Unprocessable,
            Self::NotSold { why, .. } => super::refusal::refused_class(why),
            Self::Other(error) => error.class(),
        }
    }

    pub fn help(&self) -> Option<&str> {
        match self {
            Self::UnknownSite(_) => Some("an organization is known by its id, its alias or its name"),
            Self::UnknownOffer(_) => Some("a package is known by its id, its alias or its title"),
            Self::UnknownSet(_) => Some("make a UserSet of the organization first"),
            Self::UnknownLicense(_) => Some("a license is known by its id, its alias or its number"),
            Self::UnknownObject(_) => Some("an object is known by its id, its alias or its name"),
            Self::UnknownUser(_) => Some(users::KNOWN_BY),
            Self::SeveralUsers(_) => Some("name it by its id, its alias or its login"),
            Self::AccountNotValid(_) => Some("change `validFrom` and `validUntil` of its Profile first"),
            Self::NoList(_) => Some("set it to a list first"),
            Self::NotSold { why, .. } => Some(super::refusal::refused_help(why)),
            Self::Other(error) => error.help(),
        }
    }
}

impl From<crate::graph::Violation> for SaleError {
    fn from(violation: crate::graph::Violation) -> Self {
        Self::Other(violation.into())
    }
}

impl From<crate::access::Denied> for SaleError {
    fn from(denied: crate::access::Denied) -> Self {
        Self::Other(denied.into())
    }
}

/// The organization that is meant, within the caller's reach.
fn site<'g>(graph: &'g Graph, who: &Who, text: &str) -> Result<Node<'g>, SaleError> {
    let view = View::new(graph, who);
    let found = short::find(graph, Kind::Organization, text, |node| view.reaches(node));
    found.ok_or_else(|| SaleError::UnknownSite(text.to_owned()))
}

/// The same, and the caller's to change.
fn own_site<'g>(graph: &'g Graph, who: &Who, text: &str) -> Result<Node<'g>, SaleError> {
    let site = site(graph, who, text)?;
    View::new(graph, who).owns(site)?;
    Ok(site)
}

/// Packages are sold to everyone.
fn offer<'g>(graph: &'g Graph, text: &str) -> Result<Node<'g>, SaleError> {
    let found = short::find(graph, Kind::ProductPackage, text, |_| true);
    found.ok_or_else(|| SaleError::UnknownOffer(text.to_owned()))
}

/// By its name, which is no short id.
fn set<'g>(site: Node<'g>, text: &str) -> Result<Node<'g>, SaleError> {
    let of_it = |set: Node<'g>| set.parent(rel::SETS) == Some(site);
    let found = super::foreign::find(site.graph(), Kind::UserSet, text, of_it);
    found.ok_or_else(|| SaleError::UnknownSet(text.to_owned()))
}

/// What the organization sold.
fn sold<'g>(site: Node<'g>, text: &str) -> Result<Node<'g>, SaleError> {
    let of_it = |license: Node<'g>| is_sold(site, license);
    let found = short::find(site.graph(), Kind::License, text, of_it);
    found.ok_or_else(|| SaleError::UnknownLicense(text.to_owned()))
}

pub(super) fn is_sold(site: Node<'_>, license: Node<'_>) -> bool {
    crate::entitlement::select::is_individual(&license) && is_of(site, license)
}

fn is_of(site: Node<'_>, license: Node<'_>) -> bool {
    let entitlement = license.parent(rel::LICENSES);
    entitlement.and_then(|entitlement| entitlement.parent(rel::ENTITLEMENTS)) == Some(site)
}

impl From<users::Several> for SaleError {
    fn from(several: users::Several) -> Self {
        Self::SeveralUsers(several.0)
    }
}
