//! Who and what is meant: organizations, licenses, users and groups, by numbers (which are serials) and by foreign ids, and
//! within the caller's reach.

use uuid::Uuid;

use super::LicenseError;
use crate::access::{View, Who};
use crate::entitlement::{seated, select};
use crate::graph::{Graph, Kept, Node, Transaction};
use crate::model::schema::{Hop, place};
use crate::model::{Fields, Kind, Value, rel};
use crate::operation::users::{self, Several, Standing};
use crate::operation::{allocation, foreign};

const TYPE: u8 = place(Kind::License, "type");
pub const ALIAS: u8 = place(Kind::License, "alias");
const ADDRESS: u8 = place(Kind::EmailAddress, "value");

/// Which of an organization's licenses: those of a type, and perhaps those that have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sold {
    pub license_type: &'static str,
    pub or_untyped: bool,
}

impl Sold {
    pub fn is(self, license: Node<'_>) -> bool {
        let of = license.fields().get(TYPE).and_then(Value::as_text);
        match of.filter(|text| !text.is_empty()) {
            Some(text) => text == self.license_type,
            // What was sold without a limit is its buyer's alone.
            None => self.or_untyped && select::is_stock(license),
        }
    }
}

/// One organization by as many names as were sent, each with where it was sent: all of them are its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Organizations {
    pub serial: Option<(&'static str, u64)>,
    pub names: Vec<(&'static str, String)>,
}

impl Organizations {
    pub fn is_empty(&self) -> bool {
        self.serial.is_none() && self.names.is_empty()
    }

    pub fn one<'g>(&self, graph: &'g Graph, who: &Who) -> Result<Node<'g>, LicenseError> {
        let view = View::new(graph, who);
        let reached = |node: &Node<'g>| view.reaches(*node);
        let by_serial = self.serial.map(|(at, serial)| {
            let found = graph.by_serial(Kind::Organization, serial).filter(reached);
            (at, serial.to_string(), found)
        });
        let by_name = self.names.iter().map(|(at, name)| {
            let found = foreign::find(graph, Kind::Organization, name, |node| reached(&node));
            (*at, name.clone(), found)
        });
        let mut one: Option<(String, Node<'g>)> = None;
        for (at, name, found) in by_serial.into_iter().chain(by_name) {
            let Some(found) = found else {
                return Err(LicenseError::UnknownOrganization { at, name });
            };
            match &one {
                Some((other, known)) if *known != found => {
                    return Err(LicenseError::TwoOrganizations(other.clone(), name));
                }
                Some(_) => {}
                None => one = Some((name, found)),
            }
        }
        one.map(|(_, found)| found).ok_or(LicenseError::OrganizationMissing)
    }

    /// Of a license: the right one, if any is named.
    fn fits(&self, graph: &Graph, who: &Who, organization: Node<'_>) -> bool {
        self.is_empty() || self.one(graph, who).is_ok_and(|named| named == organization)
    }
}

/// What a caller calls a license.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LicenseId {
    pub serial: Option<u64>,
    pub alias: Option<String>,
    /// Whose it is, if that is said as well.
    pub of: Organizations,
}

/// The license with its organization and its item, if it is the caller's to see.
#[derive(Clone, Copy, Debug)]
pub struct Found<'g> {
    pub license: Node<'g>,
    pub organization: Node<'g>,
    pub item: Node<'g>,
}

impl<'g> Found<'g> {
    pub fn of(license: Node<'g>) -> Option<Self> {
        Some(Self {
            license,
            organization: license.parent(rel::LICENSES)?.parent(rel::ENTITLEMENTS)?,
            item: license.parent(rel::OF_ITEM)?,
        })
    }
}

pub fn license<'g>(graph: &'g Graph, who: &Who, sold: Sold, id: &LicenseId) -> Result<Found<'g>, LicenseError> {
    let by_alias = |alias: &str| {
        let mut all = graph.by_value(Kind::License, ALIAS, &Value::text(alias), None);
        all.next()
    };
    let (name, license) = match (id.serial, &id.alias) {
        (Some(serial), _) => (serial.to_string(), graph.by_serial(Kind::License, serial)),
        (None, Some(alias)) => (alias.clone(), by_alias(alias)),
        (None, None) => return Err(LicenseError::LicenseMissing),
    };
    let view = View::new(graph, who);
    let found = license
        .filter(|license| sold.is(*license) && view.reaches(*license))
        .and_then(Found::of)
        .filter(|found| id.of.fits(graph, who, found.organization));
    let found = found.ok_or_else(|| LicenseError::UnknownLicense(name.clone()))?;
    match &id.alias {
        // Whose it is otherwise is not told.
        Some(alias) if by_alias(alias) != Some(found.license) => Err(LicenseError::OtherAlias {
            license: name,
            alias: alias.clone(),
        }),
        _ => Ok(found),
    }
}

/// A user of the organization, or one whom it has assigned something and who is still within the caller's reach: somebody
/// else's is known here by no name.
pub fn standing(organization: Node<'_>, who: &Who, profile: Node<'_>) -> Option<Standing> {
    let holds = || allocation::is_holder(organization, profile) || assigned(organization, profile).next().is_some();
    let standing = users::standing(organization, who, profile, holds)?;
    View::new(organization.graph(), who)
        .reaches(profile)
        .then_some(standing)
}

/// What an organization has assigned to somebody.
fn assigned<'g>(organization: Node<'g>, profile: Node<'g>) -> impl Iterator<Item = Node<'g>> {
    let all = profile.hop(Hop::forward(rel::BY_PROFILE), None);
    all.map(|(assignment, _)| assignment).filter(move |assignment| {
        let license = assignment.parent(rel::BY_LICENSE).and_then(Found::of);
        license.is_some_and(|found| found.organization == organization)
    })
}

/// The address that somebody out of reach was assigned a license by, while it is the only one and still the same: a later
/// one, or a second, is another organization's word. A use that made the assignment names nobody.
pub fn assigned_address<'g>(assignment: Node<'g>, profile: Node<'g>) -> Option<Node<'g>> {
    foreign::only_address(profile).filter(|found| seated::is_own(&assignment) && found.updated <= assignment.created)
}

/// Known by nothing but one address: no person, no alias and no other address stands behind it.
pub fn is_email_only(profile: Node<'_>) -> bool {
    let alias = profile.fields().get(const { place(Kind::Profile, "alias") });
    profile.parent(rel::PROFILES).is_none() && alias.is_none() && foreign::only_address(profile).is_some()
}

/// By alias, login or address, the nearest first. By the last also who is another organization's since a license was assigned
/// to it, and one that is nobody's and nothing but the address, which is anybody's.
pub fn by_address<'g>(organization: Node<'g>, who: &Who, address: &str) -> Result<Option<Node<'g>>, Several> {
    let addressed = || foreign::addressed(organization.graph(), &Value::text(address));
    let stands = |profile: Node<'g>| standing(organization, who, profile);
    let of = |wanted: Standing| -> Result<Option<Node<'g>>, Several> {
        let known = |profile: Node<'g>| stands(profile).filter(|_| !is_email_only(profile));
        let found = users::of_standing(organization, address, wanted, known)?;
        let bare = |profile: &Node<'g>| is_email_only(*profile) && stands(*profile) == Some(wanted);
        Ok(found.or_else(|| addressed().find(bare)))
    };
    for wanted in [Standing::Member, Standing::Holder] {
        if let Some(user) = of(wanted)? {
            return Ok(Some(user));
        }
    }
    let is_by_it = |profile: &Node<'g>| {
        assigned(organization, *profile).any(|assignment| assigned_address(assignment, *profile).is_some())
    };
    if let Some(user) = addressed().find(is_by_it) {
        return Ok(Some(user));
    }
    let is_anybodys = |profile: &Node<'g>| is_email_only(*profile) && users::is_nobodys(*profile);
    Ok(of(Standing::Nobodys)?.or_else(|| addressed().find(is_anybodys)))
}

/// A profile that is nothing but an address, until somebody gives it a person with a login.
pub fn email_only(tx: &mut Transaction<'_>, address: &str) -> Result<Uuid, LicenseError> {
    let profile = tx.new_id();
    tx.create(profile, Kind::Profile, Fields::default(), Kept::default())?;
    let contact = tx.new_id();
    tx.create(contact, Kind::ContactInformation, Fields::default(), Kept::default())?;
    tx.relate(rel::CONTACTS, profile, contact, Fields::default())?;
    let id = tx.new_id();
    let fields: Fields = [(ADDRESS, Value::text(address))].into_iter().collect();
    tx.create(id, Kind::EmailAddress, fields, Kept::default())?;
    tx.relate(rel::ADDRESSES, contact, id, Fields::default())?;
    Ok(profile)
}

pub fn group<'g>(organization: Node<'g>, serial: u64) -> Result<Node<'g>, LicenseError> {
    let found = organization.graph().by_serial(Kind::ProfileGroup, serial);
    let found = found.filter(|group| group.parent(rel::GROUPS) == Some(organization));
    found.ok_or_else(|| LicenseError::UnknownGroup(serial.to_string()))
}
