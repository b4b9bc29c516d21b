//! Licenses that were sold one by one, with those who have them, as another system lists them (`doors.md` B.5). A license is
//! found by its alias or by what that system calls it, which is kept as a note of it; it is changed only where the list says
//! something else. Assignments pass the rules of every assignment, but that of a license that is over or suspended stays one.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Why, make};
use crate::access::Who;
use crate::entitlement::notes::{self, CAME_AS};
use crate::entitlement::seated::{self, Terms};
use crate::graph::{Graph, Node, Transaction};
use crate::limits::Limits;
use crate::model::schema::place;
use crate::model::{Kind, Value, rel};
use crate::operation::foreign::Named;
use crate::operation::licenses::{
    Amendment, Assignment, Create, Found, Grouping, Item, LicenseError, LicenseId, Listed, Organizations, Sold, Update,
    User, item_named, listed,
};

const ALIAS: u8 = place(Kind::License, "alias");

/// A license.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct License {
    pub sold: Sold,
    /// What that system's other lists call it.
    pub id: String,
    /// Made where it is missing.
    pub item: Item,
    pub item_name: Option<String>,
    pub alias: Option<String>,
    pub says: Amendment,
    /// Notes that the list does not tell of; all others are those it has.
    pub untold: &'static [&'static str],
}

/// A license of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    pub sold: Sold,
    pub license: String,
    pub holder: Holder,
    /// `None`: the list does not say.
    pub direct: Option<bool>,
    pub terms: Terms,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// By login or address; made where there is none.
    User(Named),
    /// Known by nothing but an address.
    Address(String),
}

/// A license of a group, which is made where it is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouped {
    pub sold: Sold,
    pub license: String,
    pub group: String,
    pub name: String,
    pub terms: Terms,
}

/// Licenses by what the other system calls them. Looked up once an import, for its lists name them line by line.
#[derive(Default)]
pub(super) struct Came(Option<HashMap<String, Vec<Uuid>>>);

impl Came {
    fn all(&mut self, graph: &Graph) -> &mut HashMap<String, Vec<Uuid>> {
        self.0.get_or_insert_with(|| {
            let mut all: HashMap<String, Vec<Uuid>> = HashMap::new();
            for note in graph.by_value(Kind::LicenseMetadata, notes::KEY, &Value::text(CAME_AS), None) {
                let Some(license) = note.parent(rel::NOTES) else {
                    continue;
                };
                for (_, text, _) in notes::told(license).filter(|(key, _, _)| *key == CAME_AS) {
                    all.entry(text.to_owned()).or_default().push(license.id);
                }
            }
            all
        })
    }

    fn add(&mut self, graph: &Graph, id: &str, license: Uuid) {
        let known = self.all(graph).entry(id.to_owned()).or_default();
        if !known.contains(&license) {
            known.push(license);
        }
    }

    /// Of several none.
    fn find<'g>(&mut self, graph: &'g Graph, sold: Sold, owner: Option<Uuid>, id: &str) -> Option<Found<'g>> {
        let all = self.all(graph).get(id)?.iter();
        let licenses = all.filter_map(|license| graph.find(*license).filter(|license| sold.is(*license)));
        let mut found = licenses
            .filter_map(Found::of)
            .filter(|found| owner.is_none_or(|owner| found.organization.id == owner));
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }
}

/// The item of any of these names; where there is none, one of the first is made.
fn named(tx: &mut Transaction<'_>, who: &Who, names: &[(&str, String)], display: Option<&str>) -> Result<Uuid, Why> {
    match item_named(tx.graph(), names)? {
        Some(item) => Ok(item),
        None => make::item(tx, who, names.first().map_or("", |(_, name)| name), display),
    }
}

pub(super) fn license(
    tx: &mut Transaction<'_>,
    who: &Who,
    came: &mut Came,
    owner: Uuid,
    told: &License,
) -> Result<(), Why> {
    let item = match &told.item {
        Item::Named(names) => Some(named(tx, who, names, told.item_name.as_deref())?),
        Item::Own(_) => None,
    };
    let mut says = told.says.clone();
    says.notes.push((CAME_AS.to_owned(), told.id.clone()));
    let by_alias = told.alias.as_deref().and_then(|alias| {
        let mut all = tx.graph().by_value(Kind::License, ALIAS, &Value::text(alias), None);
        all.next().and_then(Found::of)
    });
    let is_it = |found: &Found<'_>| {
        told.sold.is(found.license) && found.organization.id == owner && item.is_none_or(|item| found.item.id == item)
    };
    let found = match by_alias {
        Some(found) if is_it(&found) => Some(found),
        Some(_) => return Err(LicenseError::AliasTaken(told.alias.clone().unwrap_or_default()).into()),
        None => came.find(tx.graph(), told.sold, Some(owner), &told.id),
    };
    let Some(found) = found else {
        let create = Create {
            sold: told.sold,
            organization: Organizations {
                serial: None,
                names: vec![("", owner.to_string())],
            },
            item: match item {
                Some(item) => Item::Named(vec![("", item.to_string())]),
                None => told.item.clone(),
            },
            alias: told.alias.clone(),
            says,
        };
        let made = create.run(tx, who)?;
        if let Some(license) = tx.graph().by_serial(Kind::License, made.seen.serial) {
            let id = license.id;
            came.add(tx.graph(), &told.id, id);
        }
        return Ok(());
    };
    let (id, is) = (found.license.id, listed(found, false, tx.now()));
    if told.alias.is_some() && told.alias != is.alias {
        let alias = told.alias.as_deref().map(|alias| ("alias", Value::text(alias)));
        let fields: Vec<_> = alias.into_iter().collect();
        make::write(tx, who, make::object(Kind::License, id, &fields, &[]))?;
    }
    if !is_said(&is, &says, told.untold) {
        let update = Update {
            sold: told.sold,
            license: numbered(is.seen.serial),
            says,
            replaces_all_but: Some(told.untold),
        };
        update.run(tx, who)?;
        came.add(tx.graph(), &told.id, id);
    }
    Ok(())
}

fn numbered(serial: u64) -> LicenseId {
    LicenseId {
        serial: Some(serial),
        ..LicenseId::default()
    }
}

/// An update leaves a record, so nothing is updated that is so already.
fn is_said(is: &Listed, says: &Amendment, untold: &[&str]) -> bool {
    let is_told = |key: &str| !untold.contains(&key) && (key == CAME_AS || !notes::is_servers(key));
    let known = is.notes.iter().filter(|(key, _)| is_told(key));
    let (mut known, mut wanted): (Vec<_>, Vec<_>) = (known.collect(), says.notes.iter().collect());
    known.sort_unstable();
    wanted.sort_unstable();
    known == wanted
        && says.name.as_ref().is_none_or(|name| *name == is.seen.name)
        && says.seats.is_none_or(|seats| Some(u64::from(seats)) == is.seats)
        && says.from.is_none_or(|from| from == is.from)
        && says.until.is_none_or(|until| until == is.until)
        && says.active.is_none_or(|active| active == is.active)
}

/// The license an entry speaks of, and whose it is.
fn meant<'g>(
    graph: &'g Graph,
    came: &mut Came,
    owner: Option<Uuid>,
    sold: Sold,
    id: &str,
) -> Result<(Node<'g>, Uuid), Why> {
    let found = came.find(graph, sold, owner, id);
    let found = found.ok_or_else(|| Why::UnknownLicense(id.to_owned()))?;
    Ok((found.license, found.organization.id))
}

pub(super) fn assigned(
    tx: &mut Transaction<'_>,
    who: &Who,
    came: &mut Came,
    owner: Option<Uuid>,
    told: &Assigned,
) -> Result<(), Why> {
    let (license, owner) = meant(tx.graph(), came, owner, told.sold, &told.license)?;
    let (license, serial) = (license.id, license.serial);
    let mut terms = told.terms.clone();
    let user = match &told.holder {
        Holder::User(named) => {
            let user = make::person(tx, who, owner, named)?;
            let ends = tx.graph().find(license).zip(tx.graph().find(user));
            let there = ends.and_then(|(license, user)| tx.graph().assignment(license, user));
            terms.direct = told.direct.unwrap_or_else(|| there.is_none_or(seated::is_direct));
            User {
                name: Some(user.to_string()),
                ..User::default()
            }
        }
        Holder::Address(address) => {
            terms.direct = told.direct.unwrap_or(true);
            User {
                address: Some(address.clone()),
                ..User::default()
            }
        }
    };
    let assignment = Assignment {
        sold: told.sold,
        license: numbered(serial),
        user,
        terms,
    };
    assignment.run(tx, who)?;
    Ok(())
}

pub(super) fn grouped(
    tx: &mut Transaction<'_>,
    who: &Who,
    came: &mut Came,
    owner: Option<Uuid>,
    told: &Grouped,
    limits: &Limits,
) -> Result<(), Why> {
    let (license, owner) = meant(tx.graph(), came, owner, told.sold, &told.license)?;
    let serial = license.serial;
    let group = make::named_group(tx, who, owner, &told.group, &told.name)?;
    let group = tx.graph().find(group).map_or(0, |group| group.serial);
    let grouping = Grouping {
        sold: told.sold,
        license: numbered(serial),
        group,
        terms: told.terms.clone(),
    };
    grouping.run(tx, who, limits)?;
    Ok(())
}
