//! A license and its assignments as they are told of: read from the graph. Of those who have one, names are told to who may read
//! them.

use super::meant::{self, Found};
use crate::access::{Action, Permission, View};
use crate::entitlement::{notes, seated, seats};
use crate::graph::Node;
use crate::model::schema::{Hop, place};
use crate::model::{Kind, Time, Value, rel};
use crate::operation::foreign;

const NAME: u8 = place(Kind::License, "name");
pub(super) const FROM: u8 = place(Kind::License, "validFrom");
pub(super) const UNTIL: u8 = place(Kind::License, "validUntil");
pub(super) const ACTIVE: u8 = place(Kind::License, "active");

/// A license as it is told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub seen: Seen,
    pub created: Time,
    pub from: Time,
    pub until: Option<Time>,
    /// `None`: without limit.
    pub seats: Option<u64>,
    /// Seats that are taken, by whatever way.
    pub used: u64,
    pub active: bool,
    pub alias: Option<String>,
    /// Key and text.
    pub notes: Vec<(String, String)>,
    pub sums: Option<Sums>,
}

/// A license as everything that hangs on it names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub serial: u64,
    /// Its own, or its item's.
    pub name: String,
    pub item: String,
    pub item_name: String,
    pub organization: String,
}

/// Assignments of a license.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub total: u64,
    pub active: u64,
    /// Active, and not fulfilled.
    pub pending: u64,
}

const READ_PROFILE: Permission = Permission::Kind(Kind::Profile, Action::Read);

/// Whose an assignment is. Somebody known by an address alone has nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    pub serial: Option<u64>,
    pub login: Option<String>,
    pub name: Option<String>,
    pub email: Option<String>,
}

/// A user's assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    pub serial: u64,
    pub holder: Holder,
    pub active: bool,
    pub fulfilled: bool,
    pub direct: bool,
    pub redirect_to: Option<String>,
    /// A JSON text.
    pub metadata: Option<String>,
    pub created: Time,
    pub updated: Time,
    pub of: Seen,
}

/// A group's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouped {
    pub serial: u64,
    pub group: u64,
    pub group_name: String,
    pub active: bool,
    pub fulfilled: bool,
    pub redirect_to: Option<String>,
    /// A JSON text.
    pub metadata: Option<String>,
    pub created: Time,
    pub updated: Time,
    pub of: Seen,
    pub members: u64,
    /// Members that have the license assigned by it.
    pub assigned: u64,
}

fn said(node: Node<'_>, field: u8) -> Option<&str> {
    let value = node.entity().fields().get(field).and_then(Value::as_text);
    value.filter(|text| !text.is_empty())
}

pub(super) fn text(node: Node<'_>, field: u8) -> Option<String> {
    said(node, field).map(str::to_owned)
}

pub(super) fn named(node: Node<'_>, name: &str) -> Option<String> {
    text(node, node.kind.field(name)?)
}

/// What an organization is called where an id is any text: its alias, else its name, if no other is called so, else its id.
pub fn key(organization: Node<'_>) -> String {
    let names = foreign::NAMES.into_iter().filter_map(|name| named(organization, name));
    let mut own = names.filter(|name| !foreign::is_also(organization, name));
    own.next().unwrap_or_else(|| organization.id.to_string())
}

/// What an item is called, and what it is shown as.
pub(super) fn item_names(item: Node<'_>) -> [&str; 2] {
    let name = said(item, const { place(Kind::LicensedItem, "name") }).unwrap_or_default();
    let shown = said(item, const { place(Kind::LicensedItem, "displayName") });
    [name, shown.unwrap_or(name)]
}

/// A license's own name, or its item's.
pub(super) fn name(found: Found<'_>) -> &str {
    said(found.license, NAME).unwrap_or_else(|| item_names(found.item)[1])
}

pub(super) fn seen(found: Found<'_>) -> Seen {
    let [item, item_name] = item_names(found.item).map(str::to_owned);
    Seen {
        serial: found.license.serial,
        name: name(found).to_owned(),
        item,
        item_name,
        organization: key(found.organization),
    }
}

pub(in crate::operation) fn listed(found: Found<'_>, with_sums: bool, now: Time) -> Listed {
    let license = found.license;
    let time = |field: u8| license.fields().get(field).and_then(Value::as_time);
    let seats = seats::for_sharing(license, now);
    let notes = notes::told(license).map(|(key, text, _)| (key.to_owned(), text.to_owned()));
    Listed {
        seen: seen(found),
        created: license.created,
        from: time(FROM).unwrap_or(license.created),
        until: time(UNTIL),
        seats: seats.total,
        used: seats.taken(),
        active: license.fields().get(ACTIVE) == Some(&Value::Bool(true)),
        alias: text(license, meant::ALIAS),
        notes: notes.collect(),
        sums: with_sums.then(|| sums(license, now)),
    }
}

fn sums(license: Node<'_>, now: Time) -> Sums {
    let mut sums = Sums::default();
    for (assignment, _) in license.hop(Hop::forward(rel::BY_LICENSE), None) {
        if !seated::is_assigned(&assignment, now) {
            continue;
        }
        sums.total += 1;
        if seated::is_active(&assignment, now) {
            sums.active += 1;
            let fulfilled = assignment.fields().get(seated::FULFILLED) == Some(&Value::Bool(true));
            sums.pending += u64::from(!fulfilled);
        }
    }
    sums
}

pub(super) fn holder<'g>(assignment: Node<'g>, view: &View<'g>) -> Option<Holder> {
    let profile = assignment.parent(rel::BY_PROFILE)?;
    if meant::is_email_only(profile) {
        let email = address(assignment, profile, view);
        return Some(Holder {
            email,
            ..Holder::default()
        });
    }
    if !view.sees(profile) {
        // Who was known by an address alone, and is a user of somebody else's since, is known by no more than that.
        return Some(Holder {
            serial: view.reaches(profile).then_some(profile.serial),
            email: address(assignment, profile, view),
            ..Holder::default()
        });
    }
    let named = foreign::named(profile);
    let alias = self::named(profile, "alias");
    let login = named.login.or(alias);
    let whole = match (named.first, named.last) {
        (Some(first), Some(last)) => Some(format!("{first} {last}")),
        (first, last) => first.or(last),
    };
    let address = || login.clone().filter(|login| login.contains('@'));
    Some(Holder {
        serial: Some(profile.serial),
        email: named.email.or_else(address),
        name: named.display.or(whole),
        login,
    })
}

/// To who reads no profiles none is told. Of somebody out of reach it is told as it was when the license was assigned.
fn address<'g>(assignment: Node<'g>, profile: Node<'g>, view: &View<'g>) -> Option<String> {
    if !view.may(READ_PROFILE) {
        return None;
    }
    let found = match view.reaches(profile) {
        true => foreign::address(profile),
        false => meant::assigned_address(assignment, profile),
    };
    self::named(found?, "value")
}

pub(super) fn assigned<'g>(node: Node<'g>, view: &View<'g>, now: Time) -> Option<Assigned> {
    let found = Found::of(node.parent(rel::BY_LICENSE)?)?;
    Some(Assigned {
        serial: node.serial,
        holder: holder(node, view)?,
        active: seated::is_active(&node, now),
        fulfilled: node.fields().get(seated::FULFILLED) == Some(&Value::Bool(true)),
        direct: seated::is_direct(node),
        redirect_to: text(node, seated::REDIRECT),
        metadata: text(node, seated::METADATA),
        created: node.created,
        updated: node.updated,
        of: seen(found),
    })
}

pub(super) fn grouped(node: Node<'_>, now: Time) -> Option<Grouped> {
    let found = Found::of(node.parent(rel::GROUP_ASSIGNMENTS)?)?;
    let group = node.parent(rel::OF_GROUP)?;
    let made = node.hop(Hop::forward(rel::BY_GROUP), None);
    let assigned = made.filter(|(made, _)| seated::is_active(made, now)).count();
    Some(Grouped {
        serial: node.serial,
        group: group.serial,
        group_name: named(group, "name").unwrap_or_default(),
        active: node.fields().get(seated::GROUP_ACTIVE) == Some(&Value::Bool(true)),
        fulfilled: node.fields().get(seated::GROUP_FULFILLED) == Some(&Value::Bool(true)),
        redirect_to: text(node, seated::GROUP_REDIRECT),
        metadata: text(node, seated::GROUP_METADATA),
        created: node.created,
        updated: node.updated,
        of: seen(found),
        members: seated::members(group, now).count() as u64,
        assigned: assigned as u64,
    })
}
