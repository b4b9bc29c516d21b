//! What was sold, users with their licenses, and objects, as they are.

use super::account::{self, Property};
use super::change::OBJECTS;
use super::{SaleError, is_of, is_sold, license, short, site};
use crate::access::{Action, Permission, View, Who};
use crate::entitlement::{matching, notes, sale, select};
use crate::error::Error;
use crate::graph::{Graph, Node};
use crate::limits::Limits;
use crate::model::schema::{Hop, place};
use crate::model::{Kind, Serial, Time, Value, rel};
use crate::operation::assigned;
use crate::operation::available;
use crate::operation::consume::Consumer;
use crate::operation::foreign;
use crate::operation::login::{self, Verified};
use crate::operation::users;

/// For whom a license is, as others call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    User(String),
    Set(String),
}

/// On what terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    pub concurrencies: Option<i64>,
    pub from: Option<Time>,
    pub until: Option<Time>,
    pub has_ended: bool,
}

/// A license.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sold {
    pub id: String,
    pub serial: Serial,
    pub active: bool,
    /// The item it opens; none where it opens what matches.
    pub item: Option<String>,
    pub offer: Option<String>,
    pub holder: Option<Holder>,
    pub matching: Option<(String, Vec<String>)>,
    pub properties: Vec<(String, String)>,
    pub terms: Terms,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: String,
    pub name: String,
    pub is_valid: bool,
    pub properties: Vec<Property>,
}

/// Whatever has properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    User(User),
    Item {
        id: String,
        name: String,
        properties: Vec<Property>,
    },
    Offer {
        id: String,
        title: String,
        properties: Vec<Property>,
    },
}

fn text(node: Node<'_>, field: u8) -> Option<String> {
    node.fields().get(field).and_then(Value::as_text).map(str::to_owned)
}

/// A license, with the name of its buyer if that `is_told`.
pub(in crate::operation) fn sold<'g>(license: Node<'g>, is_told: impl Fn(Node<'g>) -> bool, now: Time) -> Sold {
    let matching = matching::of_license(license).map(|matching| {
        let values = matching.values.iter().map(|value| value.to_string());
        (matching.property.to_owned(), values.collect())
    });
    let item = license.parent(rel::OF_ITEM).filter(|_| matching.is_none());
    let set = license.parent(rel::FOR_SET);
    let set = set.and_then(|set| text(set, const { place(Kind::UserSet, "name") }));
    let buyer = || {
        sale::of_buyer(license)?
            .parent(rel::BY_PROFILE)
            .filter(|buyer| is_told(*buyer))
    };
    let user = || buyer().map(account_name).map(Holder::User);
    let holder = set.map(Holder::Set).or_else(user);
    let properties = notes::told(license).map(|(key, text, _)| (key.to_owned(), text.to_owned()));
    Sold {
        id: short::id(license),
        serial: license.serial,
        active: license.fields().get(const { place(Kind::License, "active") }) == Some(&Value::Bool(true)),
        item: item.map(short::id),
        offer: license.parent(rel::SOLD).map(short::id),
        holder,
        matching,
        properties: properties.collect(),
        terms: Terms {
            concurrencies: license
                .fields()
                .get(const { place(Kind::License, "concurrencies") })
                .and_then(Value::as_int),
            from: select::start(&license),
            until: select::end(&license),
            has_ended: select::end(&license).is_some_and(|until| until <= now),
        },
    }
}

/// The name of an account is its login, else its e-mail address.
fn account_name(profile: Node<'_>) -> String {
    let named = foreign::named(profile);
    named.login.or(named.email).unwrap_or_else(|| foreign::id(profile))
}

pub(super) fn user(profile: Node<'_>, now: Time) -> User {
    User {
        id: short::id(profile),
        name: account_name(profile),
        is_valid: select::is_valid(&profile, now),
        properties: account::properties(profile),
    }
}

pub(super) fn shown(node: Node<'_>, now: Time) -> Object {
    let (id, properties) = (short::id(node), account::properties(node));
    match node.kind {
        Kind::Profile => Object::User(user(node, now)),
        Kind::ProductPackage => Object::Offer {
            id,
            title: text(node, const { place(Kind::ProductPackage, "title") }).unwrap_or_default(),
            properties,
        },
        _ => Object::Item {
            id,
            name: text(node, const { place(Kind::LicensedItem, "name") }).unwrap_or_default(),
            properties,
        },
    }
}

/// An object within the reach; a user is one of the organization.
pub(super) fn find<'g>(graph: &'g Graph, who: &Who, site_text: &str, text: &str) -> Result<Node<'g>, SaleError> {
    let site = site(graph, who, site_text)?;
    let view = View::new(graph, who);
    let fits = |node: Node<'g>| match node.kind {
        Kind::Profile => users::is_member(site, node),
        _ => view.reaches(node),
    };
    // What one kind calls so comes before what happens to be another's short id.
    let mut named = OBJECTS
        .iter()
        .filter_map(|kind| foreign::find(graph, *kind, text, fits));
    let mut short = OBJECTS.iter().filter_map(|kind| short::find(graph, *kind, text, fits));
    named
        .next()
        .or_else(|| short.next())
        .ok_or_else(|| SaleError::UnknownObject(text.to_owned()))
}

/// The same, for who may see it. Who may read no type of them is told of oneself, and otherwise not even whether there is such
/// an organization.
pub fn object(graph: &Graph, who: &Who, site: &str, text: &str, now: Time) -> Result<Object, SaleError> {
    let view = View::new(graph, who);
    let found = find(graph, who, site, text);
    if let Some(node) = found.as_ref().ok().filter(|node| view.sees(**node)) {
        return Ok(shown(*node, now));
    }
    let read = |kind: Kind| Permission::Kind(kind, Action::Read);
    if !OBJECTS.iter().any(|kind| who.may(read(*kind))) {
        who.require(read(Kind::Profile))?;
    }
    found.and(Err(SaleError::UnknownObject(text.to_owned())))
}

pub fn one(graph: &Graph, who: &Who, site_text: &str, text: &str, now: Time) -> Result<Sold, SaleError> {
    who.require(license(Action::Read))?;
    let view = View::new(graph, who);
    let license = super::sold(site(graph, who, site_text)?, text)?;
    Ok(sold(license, |buyer| view.sees(buyer), now))
}

/// Which licenses; all that is set has to fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub user: Option<String>,
    pub set: Option<String>,
    pub offer: Option<String>,
    /// Those that were made later.
    pub after: Serial,
    pub most: usize,
}

/// Licenses that were sold, in order of creation, and whether there are more. Goes from the user or the set that is named,
/// else from the entitlements. A user's are those sold to it, not those that it uses by way of a set or has a seat of.
pub fn list(
    graph: &Graph,
    who: &Who,
    site_text: &str,
    asked: &Asked,
    now: Time,
    limits: &Limits,
) -> Result<(Vec<Sold>, bool), SaleError> {
    who.require(license(Action::Read))?;
    let site = site(graph, who, site_text)?;
    let offer = asked
        .offer
        .as_deref()
        .map(|offer| super::offer(graph, offer))
        .transpose()?;
    let set = asked.set.as_deref().map(|set| super::set(site, set)).transpose()?;
    let user = match &asked.user {
        None => None,
        Some(name) => {
            // By a name or an address nobody is found whose name the caller may not read: an answer would confirm it.
            let view = View::new(graph, who);
            let found = account::find(site, who, name)
                .ok()
                .flatten()
                .filter(|found| foreign::is_key(*found, name) || view.sees(*found));
            Some(found.ok_or_else(|| SaleError::UnknownUser(name.clone()))?)
        }
    };
    let after = asked.after;
    let mut visited = 0;
    let mut fits = |license: Node<'_>| -> Result<bool, SaleError> {
        visited += 1;
        if visited > limits.visited {
            return Err(Error::from(available::too_many(limits)).into());
        }
        Ok(license.serial > after
            && is_sold(site, license)
            && set.is_none_or(|set| license.parent(rel::FOR_SET) == Some(set))
            && offer.is_none_or(|offer| license.parent(rel::SOLD) == Some(offer)))
    };
    let mut found = Vec::new();
    match (user, set) {
        (Some(user), _) => {
            let assignments = assigned::to(user, site, 0, limits.visited);
            for assignment in assignments.ok_or_else(|| Error::from(available::too_many(limits)))? {
                let license = assignment.parent(rel::BY_LICENSE);
                if let Some(license) = license
                    && fits(license)?
                    && sale::was_buyers(assignment)
                {
                    found.push(license);
                }
            }
        }
        (None, Some(set)) => {
            let licenses = set.hop(Hop::forward(rel::FOR_SET), Some(after));
            first(licenses.map(|(license, _)| license), &mut fits, asked.most, &mut found)?;
        }
        (None, None) => {
            for (entitlement, _) in site.hop(Hop::forward(rel::ENTITLEMENTS), None) {
                let licenses = entitlement.hop(Hop::forward(rel::LICENSES), Some(after));
                first(licenses.map(|(license, _)| license), &mut fits, asked.most, &mut found)?;
            }
        }
    }
    found.sort_unstable_by_key(|license| license.serial);
    let more = found.len() > asked.most;
    found.truncate(asked.most);
    let notes = found
        .iter()
        .map(|license| license.hop_count(Hop::forward(rel::NOTES)) as u64);
    if visited + notes.sum::<u64>() > limits.visited {
        return Err(Error::from(available::too_many(limits)).into());
    }
    let view = View::new(graph, who);
    let told = found
        .into_iter()
        .map(|license| sold(license, |buyer| view.sees(buyer), now));
    Ok((told.collect(), more))
}

/// Of licenses in order of creation those that fit, up to one more than a page has.
fn first<'g>(
    licenses: impl Iterator<Item = Node<'g>>,
    fits: &mut impl FnMut(Node<'_>) -> Result<bool, SaleError>,
    most: usize,
    found: &mut Vec<Node<'g>>,
) -> Result<(), SaleError> {
    let end = found.len().saturating_add(most).saturating_add(1);
    for license in licenses {
        if fits(license)? {
            found.push(license);
        }
        if found.len() == end {
            break;
        }
    }
    Ok(())
}

/// May this caller ask who has which password? Asked before one is compared.
pub fn may_log_in(graph: &Graph, who: &Who, site_text: &str) -> Result<(), SaleError> {
    who.require(Permission::Kind(Kind::Profile, Action::Read))?;
    who.require(license(Action::Read))?;
    site(graph, who, site_text).map(drop)
}

/// The user whose password was right, with what it may use of the organization's now. `None`: it is no user of it.
pub fn of_login(
    graph: &Graph,
    who: &Who,
    site_text: &str,
    verified: &Verified,
    now: Time,
    limits: &Limits,
) -> Result<Option<(User, Vec<Sold>)>, SaleError> {
    let site = site(graph, who, site_text)?;
    let mut profiles = login::profiles(graph, verified);
    let profile = profiles.find(|profile| users::is_member(site, *profile) && select::is_valid(profile, now));
    match profile {
        // Whose password was right is told its own name.
        Some(profile) => Ok(Some((user(profile, now), usable(site, profile, now, limits)?))),
        None => Ok(None),
    }
}

/// Licenses of the organization that a user may use now, by whatever way.
fn usable(site: Node<'_>, profile: Node<'_>, now: Time, limits: &Limits) -> Result<Vec<Sold>, SaleError> {
    let consumer = Consumer {
        profile: profile.id,
        within: Some(site.id),
    };
    let found = available::licenses(site.graph(), &consumer, false, now, limits).map_err(Error::from)?;
    let of_it = found.into_iter().filter(|license| is_of(site, *license));
    Ok(of_it
        .map(|license| sold(license, |buyer| buyer == profile, now))
        .collect())
}
