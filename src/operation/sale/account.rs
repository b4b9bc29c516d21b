//! Users as an organization's accounts: found by name, made when there is none, and their properties. One that is made is
//! a profile with that name as its e-mail address, and no login; nobody else's user is taken for it.

use uuid::Uuid;

use super::SaleError;
use crate::access::{Action, Permission, View, Who};
use crate::entitlement::{matching, notes, texts};
use crate::graph::{Kept, Node, Transaction};
use crate::model::schema::{Hop, place};
use crate::model::{Fields, Kind, Rel, Value, rel};
use crate::operation::users::{self, Several};

const KEY: u8 = place(Kind::Property, "key");
const VALUE: u8 = place(Kind::Property, "value");
const TYPE: u8 = place(Kind::ProfileGroup, "type");
/// The group of the accounts that were made by the way. No employee is in it, so that what is open to those stays theirs.
const ACCOUNTS: &str = "accounts";

/// What a property is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    Text(String),
    List(Vec<String>),
    /// It shall not be there.
    Nothing,
}

/// A property with its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    pub key: String,
    pub value: Given,
}

/// The user of that name: of the organization, or, for a token that is bound to none, nobody's yet. A name is no short id: it
/// may look like that of somebody else.
pub(in crate::operation) fn find<'g>(site: Node<'g>, who: &Who, name: &str) -> Result<Option<Node<'g>>, Several> {
    users::find(site, name, |profile| users::standing(site, who, profile, || false))
}

/// The same, made when there is none at all.
pub(in crate::operation) fn find_or_make(
    tx: &mut Transaction<'_>,
    who: &Who,
    site: Uuid,
    name: &str,
) -> Result<Uuid, SaleError> {
    let of_site = tx.node(site)?;
    let known = find(of_site, who, name)?;
    if let Some(profile) = known.filter(|profile| users::is_member(of_site, *profile)) {
        return Ok(profile.id);
    }
    who.require(Permission::Kind(Kind::Profile, Action::Create))?;
    let profile = match known.map(|profile| profile.id) {
        Some(profile) => profile,
        None => make(tx, name)?,
    };
    let group = accounts(tx, site)?;
    tx.relate(rel::MEMBERSHIP, profile, group, Fields::default())?;
    Ok(profile)
}

fn make(tx: &mut Transaction<'_>, name: &str) -> Result<Uuid, SaleError> {
    let text = |field: u8| -> Fields { [(field, Value::text(name))].into_iter().collect() };
    let (profile, contact, address) = (tx.new_id(), tx.new_id(), tx.new_id());
    let display = const { place(Kind::Profile, "displayName") };
    tx.create(profile, Kind::Profile, text(display), Kept::default())?;
    tx.create(contact, Kind::ContactInformation, Fields::default(), Kept::default())?;
    tx.relate(rel::CONTACTS, profile, contact, Fields::default())?;
    let value = const { place(Kind::EmailAddress, "value") };
    tx.create(address, Kind::EmailAddress, text(value), Kept::default())?;
    tx.relate(rel::ADDRESSES, contact, address, Fields::default())?;
    Ok(profile)
}

fn accounts(tx: &mut Transaction<'_>, site: Uuid) -> Result<Uuid, SaleError> {
    let mut groups = tx
        .node(site)?
        .hop(Hop::forward(rel::GROUPS), None)
        .map(|(group, _)| group);
    let there = groups.find(|group| group.fields().get(TYPE).and_then(Value::as_text) == Some(ACCOUNTS));
    if let Some(group) = there {
        return Ok(group.id);
    }
    let id = tx.new_id();
    let name = (const { place(Kind::ProfileGroup, "name") }, Value::text("Accounts"));
    let fields = [name, (TYPE, Value::text(ACCOUNTS))].into_iter().collect();
    tx.create(id, Kind::ProfileGroup, fields, Kept::default())?;
    tx.relate(rel::GROUPS, site, id, Fields::default())?;
    Ok(id)
}

/// By which relation an entity has properties, if it has any.
fn properties_of(kind: Kind) -> Option<Rel> {
    match kind {
        Kind::Profile => Some(const { matching::properties_of(Kind::Profile) }),
        Kind::LicensedItem => Some(const { matching::properties_of(Kind::LicensedItem) }),
        Kind::ProductPackage => Some(const { matching::properties_of(Kind::ProductPackage) }),
        _ => None,
    }
}

pub(super) fn properties(node: Node<'_>) -> Vec<Property> {
    let Some(rel) = properties_of(node.kind) else {
        return Vec::new();
    };
    let all = node.hop(Hop::forward(rel), None);
    all.map(|(property, _)| {
        let text = |field: u8| {
            property
                .fields()
                .get(field)
                .and_then(Value::as_text)
                .unwrap_or_default()
        };
        let value = match texts::read(text(VALUE)) {
            Some(list) => Given::List(list.into_iter().map(String::from).collect()),
            None => Given::Text(text(VALUE).to_owned()),
        };
        let key = text(KEY).to_owned();
        Property { key, value }
    })
    .collect()
}

/// Sets properties, and leaves the others; each asks for what a write of it asks for.
pub(in crate::operation) fn set(
    tx: &mut Transaction<'_>,
    who: &Who,
    of: Uuid,
    wanted: &[Property],
) -> Result<(), SaleError> {
    let node = tx.node(of)?;
    let Some(rel) = properties_of(node.kind).filter(|_| !wanted.is_empty()) else {
        return Ok(());
    };
    View::new(tx.graph(), who).owns(node)?;
    let mut there = notes::by_key(node, rel);
    for Property { key, value } in wanted {
        let may = |action| who.require(Permission::Kind(Kind::Property, action));
        let text = match value {
            Given::Text(text) => text.clone(),
            Given::List(list) => list_text(list),
            Given::Nothing => {
                if let Some(property) = there.remove(key) {
                    may(Action::Delete)?;
                    tx.remove(property)?;
                }
                continue;
            }
        };
        match there.get(key) {
            Some(property) => {
                may(Action::Update)?;
                let fields = tx.node(*property)?.fields().with(VALUE, Some(Value::text(&text)));
                tx.update(*property, fields)?;
            }
            None => {
                may(Action::Create)?;
                let id = tx.new_id();
                let fields = [(KEY, Value::text(key)), (VALUE, Value::text(&text))]
                    .into_iter()
                    .collect();
                tx.create(id, Kind::Property, fields, Kept::default())?;
                tx.relate(rel, of, id, Fields::default())?;
                there.insert(key.clone(), id);
            }
        }
    }
    Ok(())
}

/// As the graph keeps a list.
pub(in crate::operation) fn list_text(list: &[String]) -> String {
    serde_json::Value::from(list).to_string()
}
