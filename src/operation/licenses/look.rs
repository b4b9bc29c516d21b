//! Licenses and their assignments as they are, filtered, sorted and cut to a page by how many to skip. Of a snapshot.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::LicenseError;
use super::meant::{self, Found, LicenseId, Organizations, Sold};
use super::told::{
    ACTIVE, Assigned, FROM, Grouped, Listed, UNTIL, assigned, grouped, holder, item_names, listed, name, named, text,
};
use crate::access::{Action, Permission, View, Who};
use crate::entitlement::{decision, notes, seated, seats};
use crate::graph::{Graph, Node};
use crate::limits::Limits;
use crate::model::schema::Hop;
use crate::model::value::fold;
use crate::model::{Kind, Rel, Time, Value, rel};
use crate::operation::foreign;
use crate::operation::visits::{TooMany, Visits};

const READ: Permission = Permission::Kind(Kind::License, Action::Read);
const READ_ASSIGNMENT: Permission = Permission::Kind(Kind::Assignment, Action::Read);

/// Which licenses; all that is set has to fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub organization: Organizations,
    pub active: Option<bool>,
    pub alias: Option<String>,
    /// Each is the id, alias or name of the item.
    pub items: Vec<String>,
    pub name: Option<String>,
    /// Of the names, in any case.
    pub contains: Option<String>,
    /// A key, and the texts of which it has one.
    pub notes: Vec<(String, Vec<String>)>,
}

/// Which assignments; all that is set has to fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pick {
    pub active: Option<bool>,
    pub fulfilled: Option<bool>,
    pub email: Option<String>,
    pub user: Option<u64>,
    pub group: Option<u64>,
}

/// By what a list is sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Which is the order of creation.
    #[default]
    Serial,
    Updated,
    Name,
    From,
    Until,
    Seats,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub skip: usize,
    pub top: usize,
    pub order: Order,
    pub descending: bool,
}

impl Page {
    fn cut<'g>(self, mut all: Vec<Node<'g>>, key: impl Fn(Node<'g>, Order) -> Key) -> (Vec<Node<'g>>, usize) {
        match self.order {
            Order::Serial => all.sort_by_key(|node| node.serial),
            order => all.sort_by_cached_key(|node| (key(*node, order), node.serial)),
        }
        if self.descending {
            all.reverse();
        }
        let count = all.len();
        (all.into_iter().skip(self.skip).take(self.top).collect(), count)
    }
}

/// What is absent comes first, but for an end, which is then the last of all.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Number(i64),
    Text(String),
}

impl From<TooMany> for LicenseError {
    fn from(TooMany(limit): TooMany) -> Self {
        Self::TooMuch(limit)
    }
}

/// Who looks, when, and at which licenses.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    pub graph: &'a Graph,
    pub who: &'a Who,
    pub sold: Sold,
    pub now: Time,
    pub limits: &'a Limits,
}

/// A page of licenses of organizations, and how many there are. `with_sums` counts the assignments of each of the page.
pub fn list<'g>(
    at: Look<'g>,
    filter: &Filter,
    page: Page,
    with_sums: bool,
) -> Result<(Vec<Listed>, usize), LicenseError> {
    let Look {
        graph,
        who,
        sold,
        now,
        limits,
    } = at;
    who.require(READ)?;
    let organization = match filter.organization.is_empty() {
        true => None,
        // What is out of reach, or not there, has nothing to list.
        false => match filter.organization.one(graph, who) {
            Ok(organization) => Some(organization),
            Err(_) => return Ok((Vec::new(), 0)),
        },
    };
    let of_items = filter
        .items
        .iter()
        .map(|text| foreign::find(graph, Kind::LicensedItem, text, |_| true));
    let Some(items) = of_items.collect::<Option<Vec<Node<'_>>>>() else {
        return Ok((Vec::new(), 0));
    };
    let bound = who.organization.and_then(|id| graph.find(id));
    let mut visits = Visits::new(limits);
    let view = View::new(graph, who);
    let mut all = Vec::new();
    let part = filter.contains.as_deref().map(fold);
    let has = |text: &str| part.as_ref().is_none_or(|part| fold(text).contains(part.as_str()));
    // Many licenses are of a few items.
    let mut items_have: HashMap<Node<'g>, bool, RandomState> = HashMap::default();
    let mut is_called = |found: Found<'g>| {
        let name = name(found);
        let mut item_has = || {
            let known = items_have.entry(found.item);
            *known.or_insert_with(|| item_names(found.item).into_iter().any(has))
        };
        filter.name.as_ref().is_none_or(|wanted| wanted == name) && (part.is_none() || item_has() || has(name))
    };
    let mut look = |license: Node<'g>| -> Result<bool, LicenseError> {
        visits.take(1)?;
        let fits = sold.is(license) && view.reaches(license);
        let found = Found::of(license).filter(|found| fits && items.iter().all(|item| *item == found.item));
        let fits = found.is_some_and(|found| is_listed(found, organization, filter) && is_called(found));
        if !fits || filter.notes.is_empty() {
            return Ok(fits);
        }
        visits.take(license.hop_count(Hop::forward(rel::NOTES)))?;
        Ok(is_noted(license, filter))
    };
    match organization.or(bound) {
        Some(organization) => {
            for (entitlement, _) in organization.hop(Hop::forward(rel::ENTITLEMENTS), None) {
                for (license, _) in entitlement.hop(Hop::forward(rel::LICENSES), None) {
                    if look(license)? {
                        all.push(license);
                    }
                }
            }
        }
        None if let Some(alias) = &filter.alias => {
            for license in graph.by_value(Kind::License, meant::ALIAS, &Value::text(alias), None) {
                if look(license)? {
                    all.push(license);
                }
            }
        }
        None if let Some(item) = items.first() => {
            for (license, _) in item.hop(Hop::forward(rel::OF_ITEM), None) {
                if look(license)? {
                    all.push(license);
                }
            }
        }
        None => {
            for license in graph.of_kind(Kind::License, None) {
                if look(license)? {
                    all.push(license);
                }
            }
        }
    }
    let (shown, count) = page.cut(all, |license, order| license_key(license, order, now));
    let mut told = Vec::with_capacity(shown.len());
    for license in shown {
        visits.take(license.hop_count(Hop::forward(rel::NOTES)))?;
        if with_sums {
            visits.take(license.hop_count(Hop::forward(rel::BY_LICENSE)))?;
        }
        told.extend(Found::of(license).map(|found| listed(found, with_sums, now)));
    }
    Ok((told, count))
}

fn is_listed(found: Found<'_>, organization: Option<Node<'_>>, filter: &Filter) -> bool {
    let license = found.license;
    organization.is_none_or(|organization| organization == found.organization)
        && filter
            .active
            .is_none_or(|active| (license.fields().get(ACTIVE) == Some(&Value::Bool(true))) == active)
        && (filter.alias.is_none() || text(license, meant::ALIAS) == filter.alias)
}

/// Its notes are read once, for however many of them are asked.
fn is_noted(license: Node<'_>, filter: &Filter) -> bool {
    let known: HashSet<(&str, &str)> = notes::told(license).map(|(key, text, _)| (key, text)).collect();
    let mut wanted = filter.notes.iter();
    wanted.all(|(key, texts)| texts.iter().any(|text| known.contains(&(key.as_str(), text.as_str()))))
}

fn license_key(license: Node<'_>, order: Order, now: Time) -> Key {
    let time = |field: u8| license.fields().get(field).and_then(Value::as_time).map(Time::millis);
    match order {
        Order::Serial => Key::Number(0),
        Order::Updated => Key::Number(license.updated.millis()),
        Order::Name => Key::Text(
            Found::of(license)
                .map(|found| name(found).to_owned())
                .unwrap_or_default(),
        ),
        Order::From => Key::Number(time(FROM).unwrap_or(license.created.millis())),
        Order::Until => Key::Number(time(UNTIL).unwrap_or(i64::MAX)),
        Order::Seats => {
            let total = seats::for_sharing(license, now).total;
            Key::Number(total.and_then(|total| i64::try_from(total).ok()).unwrap_or(i64::MAX))
        }
    }
}

/// What hangs on a license by one of its relations.
fn below<'a>(
    at: Look<'a>,
    license: &LicenseId,
    rel: Rel,
    visits: &mut Visits,
) -> Result<impl Iterator<Item = Node<'a>> + use<'a>, LicenseError> {
    at.who.require(READ_ASSIGNMENT)?;
    let license = meant::license(at.graph, at.who, at.sold, license)?.license;
    visits.take(license.hop_count(Hop::forward(rel)))?;
    Ok(license.hop(Hop::forward(rel), None).map(|(one, _)| one))
}

/// A page of a license's assignments to users, and how many there are.
pub fn assignments(
    at: Look<'_>,
    license: &LicenseId,
    pick: &Pick,
    page: Page,
) -> Result<(Vec<Assigned>, usize), LicenseError> {
    let (now, view) = (at.now, View::new(at.graph, at.who));
    let all = below(at, license, rel::BY_LICENSE, &mut Visits::new(at.limits))?;
    let all = all.filter(|one| seated::is_assigned(one, now) && is_picked(*one, pick, &view, now));
    let (shown, count) = page.cut(all.collect(), |one, order| match order {
        Order::Updated => Key::Number(one.updated.millis()),
        _ => {
            let holder = holder(one, &view).unwrap_or_default();
            Key::Text(holder.login.or(holder.email).unwrap_or_default())
        }
    });
    let shown = shown.into_iter().filter_map(|one| assigned(one, &view, now));
    Ok((shown.collect(), count))
}

/// By a name that is hidden nobody is found.
fn is_picked<'g>(assignment: Node<'g>, pick: &Pick, view: &View<'g>, now: Time) -> bool {
    let fulfilled = assignment.fields().get(seated::FULFILLED) == Some(&Value::Bool(true));
    let has_address = |address: &String| {
        let email = holder(assignment, view).and_then(|holder| holder.email);
        email.is_some_and(|email| email.eq_ignore_ascii_case(address))
    };
    pick.active
        .is_none_or(|active| seated::is_active(&assignment, now) == active)
        && pick.fulfilled.is_none_or(|wanted| wanted == fulfilled)
        && pick
            .user
            .is_none_or(|serial| holder(assignment, view).is_some_and(|holder| holder.serial == Some(serial)))
        && pick.email.as_ref().is_none_or(has_address)
}

/// A page of a license's assignments to groups, and how many there are.
pub fn group_assignments(
    at: Look<'_>,
    license: &LicenseId,
    pick: &Pick,
    page: Page,
) -> Result<(Vec<Grouped>, usize), LicenseError> {
    let mut visits = Visits::new(at.limits);
    let all = below(at, license, rel::GROUP_ASSIGNMENTS, &mut visits)?;
    let is = |one: Node<'_>, field: u8| one.fields().get(field) == Some(&Value::Bool(true));
    let all = all.filter(|one| {
        let group = one.parent(rel::OF_GROUP);
        pick.active
            .is_none_or(|wanted| is(*one, seated::GROUP_ACTIVE) == wanted)
            && pick
                .fulfilled
                .is_none_or(|wanted| is(*one, seated::GROUP_FULFILLED) == wanted)
            && pick
                .group
                .is_none_or(|serial| group.is_some_and(|group| group.serial == serial))
    });
    let (shown, count) = page.cut(all.collect(), |one, order| match order {
        Order::Updated => Key::Number(one.updated.millis()),
        _ => {
            let group = one.parent(rel::OF_GROUP);
            Key::Text(group.and_then(|group| named(group, "name")).unwrap_or_default())
        }
    });
    let mut told = Vec::with_capacity(shown.len());
    for one in shown {
        // Its members are counted, and those that have the license.
        let members = one.parent(rel::OF_GROUP).map_or(0, seated::member_count);
        visits.take(members + one.hop_count(Hop::forward(rel::BY_GROUP)))?;
        told.extend(grouped(one, at.now));
    }
    Ok((told, count))
}

/// Has anybody of that alias, login or address such a license now? Anybody may ask: it tells yes or no.
pub fn is_assigned_to(
    graph: &Graph,
    sold: Sold,
    address: &str,
    now: Time,
    limits: &Limits,
) -> Result<bool, LicenseError> {
    let mut visits = Visits::new(limits);
    for profile in foreign::profiles(graph, address) {
        for (assignment, _) in profile.hop(Hop::forward(rel::BY_PROFILE), None) {
            visits.take(1)?;
            let license = assignment.parent(rel::BY_LICENSE);
            let is_open = |license| sold.is(license) && decision::is_usable(&license, now);
            if seated::is_active(&assignment, now) && license.is_some_and(is_open) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
