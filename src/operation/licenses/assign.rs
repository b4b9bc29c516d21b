//! A license is assigned to a user or a group, and taken back.

use uuid::Uuid;

use super::LicenseError;
use super::meant::{self, Found, LicenseId, Sold};
use super::told::{self, Assigned, Grouped};
use crate::access::{Action, Permission, View, Who};
use crate::entitlement::seated;
use crate::graph::{Graph, Node, Transaction};
use crate::limits::Limits;
use crate::model::{Kind, rel};
use crate::operation::users;

pub use crate::entitlement::seated::Terms;

const WRITE: Permission = Permission::Kind(Kind::Assignment, Action::Update);

/// Somebody, by the first of these that is given. Nobody needs to be known by an address: whoever is not is known by nothing
/// else from then on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    pub serial: Option<u64>,
    pub name: Option<String>,
    pub address: Option<String>,
}

impl User {
    fn one(&self, tx: &mut Transaction<'_>, who: &Who, organization: Uuid) -> Result<Uuid, LicenseError> {
        let unknown = LicenseError::UnknownUser;
        let organization = tx.node(organization)?;
        let stands = |profile: Node<'_>| meant::standing(organization, who, profile);
        if let Some(serial) = self.serial {
            let found = tx.graph().by_serial(Kind::Profile, serial);
            let found = found.filter(|profile| stands(*profile).is_some());
            return found
                .map(|profile| profile.id)
                .ok_or_else(|| unknown(serial.to_string()));
        }
        let named = match self.name.as_deref() {
            Some(name) => users::find(organization, name, stands)?,
            None => None,
        };
        let Some(address) = &self.address else {
            let name = self.name.clone().ok_or(LicenseError::UserMissing)?;
            return named.map(|profile| profile.id).ok_or_else(|| unknown(name));
        };
        let known = match named {
            Some(named) => Some(named),
            None => meant::by_address(organization, who, address)?,
        };
        match known.map(|profile| profile.id) {
            Some(profile) => Ok(profile),
            None => meant::email_only(tx, address),
        }
    }
}

/// The license that is meant, to be assigned.
fn own<'g>(graph: &'g Graph, who: &Who, sold: Sold, id: &LicenseId) -> Result<Found<'g>, LicenseError> {
    who.require(WRITE)?;
    let found = meant::license(graph, who, sold, id)?;
    View::new(graph, who).owns(found.license)?;
    Ok(found)
}

/// A license for a user, from now on as the terms have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    pub sold: Sold,
    pub license: LicenseId,
    pub user: User,
    pub terms: Terms,
}

impl Assignment {
    /// All or nothing: on an error the caller abandons the transaction.
    pub fn run(&self, tx: &mut Transaction<'_>, who: &Who) -> Result<Assigned, LicenseError> {
        let found = own(tx.graph(), who, self.sold, &self.license)?;
        let (license, organization) = (found.license.id, found.organization.id);
        let profile = self.user.one(tx, who, organization)?;
        let assignment = seated::assign(tx, license, profile, &self.terms)?;
        let node = tx.graph().find(assignment);
        let view = View::new(tx.graph(), who);
        let shown = node.and_then(|node| told::assigned(node, &view, tx.now()));
        shown.ok_or(LicenseError::UserMissing)
    }
}

/// The license is the user's no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakeBack {
    pub sold: Sold,
    /// Whose assignment it is, if that is said as well.
    pub license: LicenseId,
    pub assignment: u64,
}

impl TakeBack {
    /// All or nothing: on an error the caller abandons the transaction.
    pub fn run(&self, tx: &mut Transaction<'_>, who: &Who) -> Result<(), LicenseError> {
        let now = tx.now();
        let assignment = tx.graph().by_serial(Kind::Assignment, self.assignment);
        let assignment = assignment.filter(|assignment| seated::is_assigned(assignment, now));
        let license = assignment.and_then(|assignment| assignment.parent(rel::BY_LICENSE));
        let gone = is_of(tx.graph(), who, self.sold, &self.license, license, self.assignment)
            .map(|()| assignment.map(|assignment| assignment.id))?;
        match gone {
            Some(assignment) => Ok(seated::take_back(tx, assignment)?),
            None => Err(LicenseError::UnknownAssignment(self.assignment)),
        }
    }
}

/// Is the license of this assignment one that may be meant?
fn is_of(
    graph: &Graph,
    who: &Who,
    sold: Sold,
    id: &LicenseId,
    license: Option<Node<'_>>,
    serial: u64,
) -> Result<(), LicenseError> {
    who.require(WRITE)?;
    let license = license.ok_or(LicenseError::UnknownAssignment(serial))?;
    let its = LicenseId {
        serial: Some(license.serial),
        ..id.clone()
    };
    let is_other = id.serial.is_some_and(|named| named != license.serial);
    match own(graph, who, sold, &its) {
        Ok(_) if !is_other => Ok(()),
        Ok(_) | Err(LicenseError::UnknownLicense(_)) => Err(LicenseError::UnknownAssignment(serial)),
        Err(other) => Err(other),
    }
}

/// A license for each member of a group, from now on as the terms have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouping {
    pub sold: Sold,
    pub license: LicenseId,
    pub group: u64,
    pub terms: Terms,
}

impl Grouping {
    /// All or nothing: on an error the caller abandons the transaction.
    pub fn run(&self, tx: &mut Transaction<'_>, who: &Who, limits: &Limits) -> Result<Grouped, LicenseError> {
        let found = own(tx.graph(), who, self.sold, &self.license)?;
        let group = meant::group(found.organization, self.group)?;
        let (license, members) = (found.license.id, seated::member_count(group) as u64);
        if members > limits.targets {
            let limit = limits.targets();
            return Err(LicenseError::TooManyMembers { members, limit });
        }
        let group = group.id;
        let id = seated::assign_group(tx, license, group, &self.terms)?;
        let node = tx.graph().find(id);
        let shown = node.and_then(|node| told::grouped(node, tx.now()));
        shown.ok_or_else(|| LicenseError::UnknownGroup(self.group.to_string()))
    }
}

/// The license is the group's no longer, nor its members', or only theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndGroup {
    pub sold: Sold,
    /// Whose assignment it is, if that is said as well.
    pub license: LicenseId,
    pub assignment: u64,
    pub take_along: bool,
}

impl EndGroup {
    /// All or nothing: on an error the caller abandons the transaction.
    pub fn run(&self, tx: &mut Transaction<'_>, who: &Who) -> Result<(), LicenseError> {
        let there = tx.graph().by_serial(Kind::GroupAssignment, self.assignment);
        let license = there.and_then(|there| there.parent(rel::GROUP_ASSIGNMENTS));
        is_of(tx.graph(), who, self.sold, &self.license, license, self.assignment)?;
        match there.map(|there| there.id) {
            Some(there) => Ok(seated::end_group(tx, there, self.take_along)?),
            None => Err(LicenseError::UnknownAssignment(self.assignment)),
        }
    }
}
