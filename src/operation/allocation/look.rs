//! Allocations as they are: pools of seats, the rules of groups with their use, who holds what, and whether somebody may
//! use something. Of a snapshot; pages are by how many to skip, as the APIs that ask have it.

use std::collections::{BTreeMap, HashMap, HashSet};

use foldhash::fast::RandomState;
use uuid::Uuid;

use super::{Account, AllocationError, READ, account, group_of, is_holder, meant};
use crate::access::{Action, Permission, View, Who};
use crate::entitlement::allocate::{self, Pool as Seats};
use crate::entitlement::decision::{self, Decision, Wanted};
use crate::entitlement::{Refused, ruled, select};
use crate::error::Error;
use crate::graph::{Graph, Node};
use crate::limits::Limits;
use crate::model::schema::{Hop, place};
use crate::model::{Kind, Serial, Time, Value, rel};
use crate::operation::consume::{self, Purpose};
use crate::operation::foreign::{self, Named};
use crate::operation::users;
use crate::operation::visits::{TooMany, Visits};
use crate::query::{Code, QueryError};

const QUOTA: u8 = place(Kind::AllocationRule, "quota");
const EXTERNAL: u8 = place(Kind::AllocationRule, "external");
const GRANTED_AT: u8 = place(Kind::Consumption, "grantedAt");

/// An organization's seats for an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    pub item: String,
    /// `None`: without limit.
    pub total: Option<u64>,
    pub taken: u64,
}

/// The rules of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruled {
    /// As others call it.
    pub id: String,
    pub name: String,
    pub held: Vec<Held>,
    pub external: bool,
    /// The items no seat is free of. Told in lists alone: all licenses of an item are looked at for it.
    pub unavailable: Vec<String>,
}

/// One of its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub item: String,
    pub quota: Option<u64>,
    /// Members that hold a license by it.
    pub usage: u64,
}

/// A user with what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub id: String,
    pub named: Named,
    pub items: Vec<String>,
    pub last_used: Option<Time>,
    pub external: bool,
    /// No member of the group any more.
    pub orphan: bool,
}

/// A group of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    pub kind: Option<String>,
    pub created: Time,
    pub updated: Time,
    pub members: Vec<(String, Named)>,
}

/// How a list of groups with rules is sorted; by creation if it is not said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Created,
    Id,
    Name,
    External,
}

fn read<'g>(graph: &'g Graph, who: &Who, named: &Account) -> Result<Node<'g>, AllocationError> {
    who.require(READ)?;
    account(graph, who, &named.0, named.1.as_deref())
}

fn too_many(limits: &Limits) -> AllocationError {
    Visits::new(limits).too_many().into()
}

impl From<TooMany> for AllocationError {
    fn from(too_many: TooMany) -> Self {
        too_much(too_many, "ask with a selector at `/graph`, page by page")
    }
}

pub(super) fn too_much(TooMany(limit): TooMany, help: &str) -> AllocationError {
    let error = QueryError {
        code: Code::VisitedTooMuch,
        message: format!("more than {} entities would be looked at", limit.value),
        help: Some(help.to_owned()),
        span: None,
        limit: Some(limit),
    };
    Error::from(error).into()
}

/// Of all items it has licenses of that are valid now.
pub fn pools(
    graph: &Graph,
    who: &Who,
    account: &Account,
    now: Time,
    limits: &Limits,
) -> Result<Vec<Pool>, AllocationError> {
    let organization = read(graph, who, account)?;
    let pools = allocate::pools(organization, now, limits.visited).ok_or_else(|| too_many(limits))?;
    let shown = pools.into_iter().filter_map(|Seats { item, total, taken }| {
        let item = foreign::code(graph.find(item)?);
        Some(Pool { item, total, taken })
    });
    Ok(shown.collect())
}

/// Of one group, whatever seats there are.
pub(super) fn ruled_group(group: Node<'_>, now: Time, visits: &mut Visits) -> Result<Ruled, TooMany> {
    let (mut external, mut held) = (false, Vec::new());
    for (rule, _) in group.hop(Hop::forward(rel::RULES), None) {
        visits.take(1)?;
        let Some(item) = rule.parent(rel::RULES_FOR) else {
            continue;
        };
        external |= rule.fields().get(EXTERNAL) == Some(&Value::Bool(true));
        let quota = rule.fields().get(QUOTA).and_then(Value::as_int);
        held.push(Held {
            item: foreign::code(item),
            quota: quota.and_then(|quota| u64::try_from(quota).ok()),
            usage: ruled::usage(rule, now),
        });
    }
    Ok(Ruled {
        id: foreign::id(group),
        name: text(group, "name").unwrap_or_default(),
        held,
        external,
        unavailable: Vec::new(),
    })
}

/// The items of a group's rules no seat is free of. `exhausted` keeps what is known of the pools: the groups of one list have
/// rules for the same few items.
fn unavailable<'g>(
    organization: Node<'g>,
    group: Node<'g>,
    exhausted: &mut HashMap<Node<'g>, bool>,
    now: Time,
    visits: &mut Visits,
) -> Result<Vec<String>, TooMany> {
    let mut found = Vec::new();
    let rules = group.hop(Hop::forward(rel::RULES), None);
    for item in rules.filter_map(|(rule, _)| rule.parent(rel::RULES_FOR)) {
        let is_exhausted = match exhausted.get(&item) {
            Some(known) => *known,
            None => {
                let pool = allocate::pool(organization, item, now, &mut visits.left);
                let is_exhausted = pool.ok_or_else(|| visits.too_many())?.is_exhausted();
                exhausted.insert(item, is_exhausted);
                is_exhausted
            }
        };
        if is_exhausted {
            found.push(foreign::code(item));
        }
    }
    Ok(found)
}

fn text(node: Node<'_>, name: &str) -> Option<String> {
    let value = node.fields().get(node.kind.field(name)?).and_then(Value::as_text);
    value.map(str::to_owned)
}

/// Of one group; without rules there are none to tell of.
pub fn group_rule(
    graph: &Graph,
    who: &Who,
    account: &Account,
    group: &str,
    now: Time,
    limits: &Limits,
) -> Result<Ruled, AllocationError> {
    let organization = read(graph, who, account)?;
    let group = group_of(organization, group)?;
    Ok(ruled_group(group, now, &mut Visits::new(limits))?)
}

/// A page of the groups that have rules, and how many there are.
pub fn group_rules(
    graph: &Graph,
    who: &Who,
    account: &Account,
    (skip, top): (usize, usize),
    (order, descending): (Order, bool),
    now: Time,
    limits: &Limits,
) -> Result<(Vec<Ruled>, usize), AllocationError> {
    let organization = read(graph, who, account)?;
    let mut visits = Visits::new(limits);
    let mut ruling = ruling(organization, &mut visits)?;
    let is_external = |group: &Node<'_>| {
        let mut rules = group.hop(Hop::forward(rel::RULES), None);
        rules.any(|(rule, _)| rule.fields().get(EXTERNAL) == Some(&Value::Bool(true)))
    };
    match order {
        Order::Created => {}
        Order::Id => ruling.sort_by_cached_key(|group| foreign::id(*group)),
        Order::Name => ruling.sort_by_cached_key(|group| text(*group, "name")),
        Order::External => ruling.sort_by_cached_key(is_external),
    }
    if descending {
        ruling.reverse();
    }
    let count = ruling.len();
    let mut exhausted = HashMap::new();
    let mut page = Vec::with_capacity(top.min(count));
    for group in ruling.into_iter().skip(skip).take(top) {
        page.push(Ruled {
            unavailable: unavailable(organization, group, &mut exhausted, now, &mut visits)?,
            ..ruled_group(group, now, &mut visits)?
        });
    }
    Ok((page, count))
}

/// The groups that have rules, in order of creation: from the organization's groups, or from all rules there are, whichever are
/// fewer.
fn ruling<'g>(organization: Node<'g>, visits: &mut Visits) -> Result<Vec<Node<'g>>, AllocationError> {
    let groups = organization.hop_count(Hop::forward(rel::GROUPS));
    let rules = organization.graph().kind_count(Kind::AllocationRule);
    visits.take(groups.min(rules))?;
    if groups <= rules {
        let groups = organization
            .hop(Hop::forward(rel::GROUPS), None)
            .map(|(group, _)| group);
        return Ok(groups
            .filter(|group| group.hop_count(Hop::forward(rel::RULES)) > 0)
            .collect());
    }
    let rules = organization.graph().of_kind(Kind::AllocationRule, None);
    let groups = rules.filter_map(ruled::group);
    let mut ruling: Vec<Node<'g>> = groups
        .filter(|group| group.parent(rel::GROUPS) == Some(organization))
        .collect();
    ruling.sort_unstable_by_key(|group| group.serial);
    ruling.dedup();
    Ok(ruling)
}

/// A page of those that hold licenses by the rules of a group, in order of their creation.
pub fn members(
    graph: &Graph,
    who: &Who,
    account: &Account,
    group: &str,
    (skip, top): (usize, usize),
    now: Time,
    limits: &Limits,
) -> Result<Vec<Holder>, AllocationError> {
    let organization = read(graph, who, account)?;
    let group = group_of(organization, group)?;
    let mut holding: BTreeMap<Serial, (Node<'_>, Vec<Node<'_>>)> = BTreeMap::new();
    let mut visits = Visits::new(limits);
    for (rule, _) in group.hop(Hop::forward(rel::RULES), None) {
        for (assignment, _) in rule.hop(Hop::forward(rel::LEASED), None) {
            visits.take(1)?;
            let holder = assignment.parent(rel::BY_PROFILE);
            if let Some(profile) = holder.filter(|_| select::is_reserved(&assignment, now)) {
                let (_, held) = holding.entry(profile.serial).or_insert_with(|| (profile, Vec::new()));
                held.push(assignment);
            }
        }
    }
    let page = holding.into_values().skip(skip).take(top);
    let view = View::new(graph, who);
    let shown = page.map(|(profile, held)| {
        let membership = profile.relation(Hop::forward(rel::MEMBERSHIP), group);
        let is_member = membership.is_some_and(|membership| select::is_member(membership, now));
        Holder {
            orphan: !is_member,
            ..holder(profile, &held, &view, now)
        }
    });
    Ok(shown.collect())
}

/// A page of the users with a direct record, in order of the records.
pub fn holders(
    graph: &Graph,
    who: &Who,
    account: &Account,
    (skip, top): (usize, usize),
    now: Time,
    limits: &Limits,
) -> Result<Vec<Holder>, AllocationError> {
    let organization = read(graph, who, account)?;
    let mut visits = Visits::new(limits);
    let records = Hop::forward(rel::RECORDS);
    visits.take(skip.min(organization.hop_count(records)))?;
    let view = View::new(graph, who);
    let mut shown = Vec::with_capacity(top);
    for (record, _) in organization.hop(records, None).skip(skip).take(top) {
        visits.take(1 + record.hop_count(Hop::forward(rel::ALLOCATED)))?;
        let Some(profile) = record.parent(rel::RECORDS_OF) else {
            continue;
        };
        let held = record.hop(Hop::forward(rel::ALLOCATED), None).map(|(one, _)| one);
        let held: Vec<Node<'_>> = held.filter(|one| select::granting_one(*one, now)).collect();
        let external = record.fields().get(place(Kind::DirectRecord, "external"));
        shown.push(Holder {
            external: external == Some(&Value::Bool(true)),
            ..holder(profile, &held, &view, now)
        });
    }
    Ok(shown)
}

/// With its name, where the caller may read it.
fn holder<'g>(profile: Node<'g>, held: &[Node<'g>], view: &View<'g>, now: Time) -> Holder {
    let mut seen: HashSet<Node<'_>, RandomState> = HashSet::default();
    let items = held
        .iter()
        .filter_map(|assignment| assignment.parent(rel::BY_LICENSE)?.parent(rel::OF_ITEM))
        .filter(|item| seen.insert(*item))
        .map(foreign::code)
        .collect();
    let leases = held
        .iter()
        .flat_map(|assignment| profile.graph().leases(*assignment, now));
    let last_used = leases
        .filter_map(|lease| lease.fields().get(GRANTED_AT)?.as_time())
        .max();
    Holder {
        id: foreign::id(profile),
        named: match view.sees(profile) {
            true => foreign::named(profile),
            false => Named::default(),
        },
        items,
        last_used,
        external: false,
        orphan: false,
    }
}

/// May the organization, or this user of it, use each of these? Of oneself it is asked like any check; of others it asks for
/// the permission to read licenses, or to check them. Whoever has neither is told of nothing but one's own organizations.
pub fn entitled(
    graph: &Graph,
    who: &Who,
    named: &Account,
    user: Option<&str>,
    names: &[String],
    now: Time,
) -> Result<Vec<bool>, AllocationError> {
    let find = || -> Result<(Node<'_>, Option<Node<'_>>), AllocationError> {
        let organization = account(graph, who, &named.0, named.1.as_deref())?;
        let found = user.map(|user| meant(organization, who, &[user.to_owned()]));
        let found = found.transpose()?.unwrap_or_default();
        Ok((organization, found.first().and_then(|(id, _)| graph.find(*id))))
    };
    let found = find();
    if !who.may(READ) {
        // Whoever may check oneself alone is told of organizations that one has to do with: nobody's user is one of any.
        let is_its = |organization: Node<'_>, profile: Node<'_>| {
            users::is_member(organization, profile) || is_holder(organization, profile)
        };
        let may_ask = |(organization, profile): &(Node<'_>, Option<Node<'_>>)| {
            profile.is_some_and(|profile| {
                (who.may(Permission::LicenseCheck) || is_its(*organization, profile))
                    && consume::consumer(graph, who, Some(profile.id), "userId", Purpose::Check).is_ok()
            })
        };
        if !found.as_ref().is_ok_and(may_ask) {
            who.require(READ)?;
        }
    }
    let (organization, profile) = found?;
    let wanted = Wanted {
        filters: select::Filters {
            owner_organization: Some(organization.id),
            ..select::Filters::default()
        },
        ..Wanted::default()
    };
    let each = names.iter().map(|name| {
        let Some(item) = foreign::find(graph, Kind::LicensedItem, name, |_| true) else {
            return Ok(false);
        };
        match profile {
            None => {
                let owns = allocate::owns(organization, item, now);
                owns.map_err(|reason| AllocationError::Other(Refused::NotGranted(reason).into()))
            }
            Some(profile) => Ok(is_granted(graph, profile.id, item, &wanted, now)),
        }
    });
    each.collect()
}

fn is_granted(graph: &Graph, profile: Uuid, item: Node<'_>, wanted: &Wanted<'_>, now: Time) -> bool {
    let name = text(item, "name").unwrap_or_default();
    matches!(
        decision::decide(graph, profile, &name, wanted, now),
        Decision::Granted(_)
    )
}

const READ_GROUP: Permission = Permission::Kind(Kind::ProfileGroup, Action::Read);
const READ_PROFILE: Permission = Permission::Kind(Kind::Profile, Action::Read);

/// The groups of an organization, without their members.
pub fn groups(graph: &Graph, who: &Who, named: &Account, limits: &Limits) -> Result<Vec<Listed>, AllocationError> {
    who.require(READ_GROUP)?;
    let organization = account(graph, who, &named.0, named.1.as_deref())?;
    let groups = organization.hop(Hop::forward(rel::GROUPS), None);
    if organization.hop_count(Hop::forward(rel::GROUPS)) as u64 > limits.visited {
        return Err(too_many(limits));
    }
    Ok(groups.map(|(group, _)| listed(group, Vec::new())).collect())
}

/// One of them, with its members for who may read them.
pub fn group(
    graph: &Graph,
    who: &Who,
    named: &Account,
    group: &str,
    now: Time,
    limits: &Limits,
) -> Result<Listed, AllocationError> {
    who.require(READ_GROUP)?;
    let organization = account(graph, who, &named.0, named.1.as_deref())?;
    let group = group_of(organization, group)?;
    if !who.may(READ_PROFILE) {
        return Ok(listed(group, Vec::new()));
    }
    if group.hop_count(Hop::backward(rel::MEMBERSHIP)) as u64 > limits.visited {
        return Err(too_many(limits));
    }
    let members = group.hop(Hop::backward(rel::MEMBERSHIP), None);
    let members = members.filter(|&(_, membership)| select::is_member(membership, now));
    let members = members.map(|(profile, _)| (foreign::id(profile), foreign::named(profile)));
    Ok(listed(group, members.collect()))
}

fn listed(group: Node<'_>, members: Vec<(String, Named)>) -> Listed {
    Listed {
        id: foreign::id(group),
        name: text(group, "name").unwrap_or_default(),
        description: text(group, "description"),
        kind: text(group, "type"),
        created: group.created,
        updated: group.updated,
        members,
    }
}
