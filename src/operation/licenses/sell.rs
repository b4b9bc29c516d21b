//! A license is sold to an organization, and changed afterwards.

use uuid::Uuid;

use super::meant::{self, ALIAS, LicenseId, Organizations, Sold};
use super::told::{self, Listed};
use super::{LicenseError, meant::Found};
use crate::access::{Action, Permission, View, Who};
use crate::entitlement::sold::{self, New, Record};
use crate::graph::{Graph, Kept, Node, Transaction};
use crate::model::schema::place;
use crate::model::{Fields, Kind, Time, Value};
use crate::operation::foreign;

const CREATE: Permission = Permission::Kind(Kind::License, Action::Create);
const UPDATE: Permission = Permission::Kind(Kind::License, Action::Update);
const CREATE_ITEM: Permission = Permission::Kind(Kind::LicensedItem, Action::Create);

/// What a license is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// One there is, by one name or by several, each with where it was sent.
    Named(Vec<(&'static str, String)>),
    /// The organization's own, made when it is missing and the caller may: `KEY:user` for the end `user`.
    Own(&'static str),
}

/// What a license says, as far as it is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amendment {
    pub name: Option<String>,
    pub seats: Option<u32>,
    pub from: Option<Time>,
    pub until: Option<Option<Time>>,
    pub active: Option<bool>,
    /// Key and text.
    pub notes: Vec<(String, String)>,
    pub change_type: String,
    pub transaction: Option<String>,
    pub source: Option<String>,
}

impl Amendment {
    fn record(&self) -> Record<'_> {
        Record {
            change_type: &self.change_type,
            transaction: self.transaction.as_deref(),
            source: self.source.as_deref(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create {
    pub sold: Sold,
    pub organization: Organizations,
    pub item: Item,
    pub alias: Option<String>,
    pub says: Amendment,
}

impl Create {
    /// All or nothing: on an error the caller abandons the transaction.
    pub fn run(&self, tx: &mut Transaction<'_>, who: &Who) -> Result<Listed, LicenseError> {
        who.require(CREATE)?;
        let organization = self.organization.one(tx.graph(), who)?;
        View::new(tx.graph(), who).owns(organization)?;
        let organization_key = told::key(organization);
        let organization = organization.id;
        let item = item(tx, who, &self.item, &organization_key)?;
        if let Some(alias) = &self.alias {
            is_free(tx.graph(), alias)?;
        }
        let says = &self.says;
        let new = New {
            license_type: self.sold.license_type,
            name: says.name.as_deref(),
            seats: says.seats.unwrap_or(0),
            from: says.from,
            until: says.until.flatten(),
            active: says.active.unwrap_or(true),
            alias: self.alias.as_deref(),
            notes: &says.notes,
        };
        let license = sold::create(tx, organization, item, &new, says.record())?;
        shown(tx, license)
    }
}

/// One that is missing is made by who may make items. A token that is bound makes none of the catalogue's elsewhere; the name
/// of this one is its own organization's, so nobody else misses it.
fn item(tx: &mut Transaction<'_>, who: &Who, named: &Item, key: &str) -> Result<Uuid, LicenseError> {
    const NAME: u8 = place(Kind::LicensedItem, "name");
    match named {
        Item::Named(names) => {
            let is_known = |name: &str| foreign::find(tx.graph(), Kind::LicensedItem, name, |_| true).is_some();
            let unknown = |(at, name): &(&'static str, String)| LicenseError::UnknownItem { at, name: name.clone() };
            match names.iter().find(|(_, name)| !is_known(name)).or(names.first()) {
                Some(first) if is_known(&first.1) => item_named(tx.graph(), names)?.ok_or_else(|| unknown(first)),
                Some(named) => Err(unknown(named)),
                None => Err(unknown(&("", String::new()))),
            }
        }
        Item::Own(end) => {
            let name = Value::text(&format!("{key}:{end}"));
            let there = tx.graph().by_value(Kind::LicensedItem, NAME, &name, None).next();
            if let Some(item) = there {
                return Ok(item.id);
            }
            who.require(CREATE_ITEM)?;
            let id = tx.new_id();
            let fields: Fields = [(NAME, name)].into_iter().collect();
            tx.create(id, Kind::LicensedItem, fields, Kept::default())?;
            Ok(id)
        }
    }
}

/// The item that these are names of, as far as any of them is one's: they are all of one.
pub fn item_named(graph: &Graph, names: &[(&str, String)]) -> Result<Option<Uuid>, LicenseError> {
    let mut one: Option<(&String, Node<'_>)> = None;
    for (_, name) in names {
        let found = foreign::find(graph, Kind::LicensedItem, name, |_| true);
        match (one, found) {
            (Some((other, known)), Some(found)) if known != found => {
                return Err(LicenseError::TwoItems(other.clone(), name.clone()));
            }
            (None, Some(found)) => one = Some((name, found)),
            _ => {}
        }
    }
    Ok(one.map(|(_, item)| item.id))
}

fn is_free(graph: &Graph, alias: &str) -> Result<(), LicenseError> {
    match graph.value_count(Kind::License, ALIAS, &Value::text(alias)) {
        (0, _) => Ok(()),
        _ => Err(LicenseError::AliasTaken(alias.to_owned())),
    }
}

fn shown(tx: &Transaction<'_>, license: Uuid) -> Result<Listed, LicenseError> {
    let node = tx.graph().find(license).and_then(Found::of);
    let found = node.ok_or_else(|| LicenseError::UnknownLicense(license.to_string()))?;
    Ok(told::listed(found, false, tx.now()))
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    pub sold: Sold,
    pub license: LicenseId,
    pub says: Amendment,
    /// The notes are those the amendment has and no others, but for these keys; `None`: they are added to.
    pub replaces_all_but: Option<&'static [&'static str]>,
}

impl Update {
    /// All or nothing: on an error the caller abandons the transaction.
    pub fn run(&self, tx: &mut Transaction<'_>, who: &Who) -> Result<Listed, LicenseError> {
        who.require(UPDATE)?;
        let found = meant::license(tx.graph(), who, self.sold, &self.license)?;
        View::new(tx.graph(), who).owns(found.license)?;
        let license = found.license.id;
        let says = &self.says;
        let change = sold::Change {
            name: says.name.as_deref(),
            seats: says.seats,
            from: says.from,
            until: says.until,
            active: says.active,
        };
        let replaces = |key: &str| self.replaces_all_but.is_some_and(|kept| !kept.contains(&key));
        sold::update(tx, license, &change, &says.notes, &replaces, says.record())?;
        shown(tx, license)
    }
}
