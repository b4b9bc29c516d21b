//! Allocations that are written: direct ones, which replace those of each user, and the rules of a group.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use uuid::Uuid;

use super::look::{Ruled, ruled_group, too_much};
use super::{Account, AllocationError, WRITE, group_of, items, licensed, meant};
use crate::access::{View, Who};
use crate::entitlement::allocate::{self, OfItem, Ruling, Undone};
use crate::graph::{Graph, Node, Transaction};
use crate::limits::Limits;
use crate::model::Kind;
use crate::operation::foreign;
use crate::operation::visits::Visits;

/// What each of these users shall have, and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Direct {
    /// The organization, and another name it was given.
    pub account: Account,
    pub users: Vec<String>,
    pub items: Vec<String>,
    pub external: bool,
}

/// An allocation that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Direct(Direct),
    /// Records for users that have none. Those that are there stay as they are.
    Add {
        account: Account,
        users: Vec<String>,
    },
    /// Everything is taken back that was allocated to these users directly; rules count for them again.
    Forget {
        account: Account,
        users: Vec<String>,
    },
    Rules(Rules),
    /// The group has no rules any more, and its members nothing by them.
    DropRules {
        account: Account,
        group: String,
    },
    /// What one user holds by the rules of a group is given back, by a member or one no longer.
    Release {
        account: Account,
        group: String,
        user: String,
    },
}

/// What became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// As they were sent, each once.
    pub users: Vec<String>,
    pub items: Vec<String>,
    /// Of a group's rules, as they are now.
    pub ruled: Option<Ruled>,
}

impl Change {
    /// As the audit has it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Direct(_) => "AllocateLicenses",
            Self::Add { .. } => "AddDirectRecords",
            Self::Forget { .. } => "RemoveDirectRecords",
            Self::Rules(_) => "SetAllocationRules",
            Self::DropRules { .. } => "RemoveAllocationRules",
            Self::Release { .. } => "ReleaseGroupLicenses",
        }
    }

    /// All or nothing: on an error the caller abandons the transaction.
    pub fn run(&self, tx: &mut Transaction<'_>, who: &Who, limits: &Limits) -> Result<Done, AllocationError> {
        match self {
            Self::Direct(wanted) => direct(tx, who, wanted, limits),
            Self::Add { account, users } => add(tx, who, account, users),
            Self::Forget { account, users } => forget(tx, who, account, users),
            Self::Rules(wanted) => rules(tx, who, wanted),
            Self::DropRules { account, group } => drop_rules(tx, who, account, group),
            Self::Release { account, group, user } => release(tx, who, account, group, user),
        }
    }
}

/// The organization, whose licenses the caller may allocate.
fn owned<'g>(graph: &'g Graph, who: &Who, named: &Account) -> Result<Node<'g>, AllocationError> {
    who.require(WRITE)?;
    let organization = licensed(graph, who, named)?;
    View::new(graph, who).owns(organization)?;
    Ok(organization)
}

fn direct(tx: &mut Transaction<'_>, who: &Who, wanted: &Direct, limits: &Limits) -> Result<Done, AllocationError> {
    let organization = owned(tx.graph(), who, &wanted.account)?;
    let users = meant(organization, who, &wanted.users)?;
    let items = items(tx.graph(), &wanted.items)?;
    let organization = organization.id;
    let ids = |all: &[(Uuid, String)]| all.iter().map(|(id, _)| *id).collect::<Vec<_>>();
    let mut visits = Visits::new(limits);
    let (profiles, wanted_items) = (ids(&users), ids(&items));
    let done = allocate::direct(
        tx,
        organization,
        &profiles,
        &wanted_items,
        wanted.external,
        &mut visits.left,
    );
    done.map_err(|no| match no {
        Undone::Refused(no) => told(no, &items, tx.graph()),
        Undone::TooMuch => too_much(visits.too_many(), "name fewer users or fewer licenses in one call"),
    })?;
    let texts = |all: Vec<(Uuid, String)>| all.into_iter().map(|(_, text)| text).collect();
    Ok(Done {
        users: texts(users),
        items: texts(items),
        ruled: None,
    })
}

fn add(tx: &mut Transaction<'_>, who: &Who, account: &Account, named: &[String]) -> Result<Done, AllocationError> {
    let organization = owned(tx.graph(), who, account)?;
    let users = meant(organization, who, named)?;
    let organization = organization.id;
    for (profile, _) in users {
        allocate::record(tx, organization, profile)?;
    }
    Ok(Done::default())
}

fn forget(tx: &mut Transaction<'_>, who: &Who, account: &Account, named: &[String]) -> Result<Done, AllocationError> {
    let organization = owned(tx.graph(), who, account)?;
    let users = meant(organization, who, named)?;
    let organization = organization.id;
    for (profile, _) in users {
        allocate::forget(tx, organization, profile).map_err(|no| told(no, &[], tx.graph()))?;
    }
    Ok(Done::default())
}

/// How many members may hold an item by a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    pub item: String,
    pub limit: i64,
}

/// The rules a group shall have, and no others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    pub account: Account,
    pub group: String,
    pub items: Vec<String>,
    /// `None` leaves the quotas of rules that stay.
    pub quotas: Option<Vec<Quota>>,
    /// `None` leaves it where a rule stays.
    pub external: Option<bool>,
}

fn rules(tx: &mut Transaction<'_>, who: &Who, wanted: &Rules) -> Result<Done, AllocationError> {
    let organization = owned(tx.graph(), who, &wanted.account)?;
    let group = group_of(organization, &wanted.group)?.id;
    let items = items(tx.graph(), &wanted.items)?;
    let quotas = match &wanted.quotas {
        None => None,
        Some(quotas) => Some(limits(tx.graph(), quotas, &items)?),
    };
    let organization = organization.id;
    let rulings: Vec<Ruling> = items
        .iter()
        .map(|(item, _)| Ruling {
            item: *item,
            quota: quotas.as_ref().map(|quotas| quotas.get(item).copied()),
            external: wanted.external,
        })
        .collect();
    allocate::rules(tx, organization, group, &rulings).map_err(|no| told(no, &items, tx.graph()))?;
    // What was written is told, however much there is of it.
    let mut visits = Visits::new(&Limits {
        visited: u64::MAX,
        ..Limits::default()
    });
    let group = tx.graph().find(group);
    let ruled = group.map(|group| ruled_group(group, tx.now(), &mut visits));
    Ok(Done {
        users: Vec::new(),
        items: items.into_iter().map(|(_, text)| text).collect(),
        ruled: ruled.transpose()?,
    })
}

/// By the item each is for.
fn limits(
    graph: &Graph,
    quotas: &[Quota],
    items: &[(Uuid, String)],
) -> Result<HashMap<Uuid, u64, RandomState>, AllocationError> {
    let items: HashSet<Uuid, RandomState> = items.iter().map(|(item, _)| *item).collect();
    let mut limits = HashMap::default();
    for Quota { item, limit } in quotas {
        let named = foreign::find(graph, Kind::LicensedItem, item, |_| true);
        let of = named.filter(|named| items.contains(&named.id));
        let of = of.ok_or_else(|| AllocationError::QuotaWithoutItem(item.clone()))?.id;
        let wanted = u64::try_from(*limit).ok().filter(|limit| *limit >= 1);
        let wanted = wanted.ok_or_else(|| AllocationError::QuotaTooSmall {
            item: item.clone(),
            limit: *limit,
        })?;
        if limits.insert(of, wanted).is_some() {
            return Err(AllocationError::QuotaTwice(item.clone()));
        }
    }
    Ok(limits)
}

fn drop_rules(tx: &mut Transaction<'_>, who: &Who, account: &Account, group: &str) -> Result<Done, AllocationError> {
    let organization = owned(tx.graph(), who, account)?;
    let (group, organization) = (group_of(organization, group)?.id, organization.id);
    allocate::rules(tx, organization, group, &[]).map_err(|no| told(no, &[], tx.graph()))?;
    Ok(Done::default())
}

fn release(
    tx: &mut Transaction<'_>,
    who: &Who,
    account: &Account,
    group: &str,
    user: &str,
) -> Result<Done, AllocationError> {
    let organization = owned(tx.graph(), who, account)?;
    let group = group_of(organization, group)?.id;
    let users = meant(organization, who, &[user.to_owned()])?;
    for (profile, _) in users {
        allocate::release(tx, group, profile).map_err(|no| told(no, &[], tx.graph()))?;
    }
    Ok(Done::default())
}

fn told(no: OfItem, items: &[(Uuid, String)], graph: &Graph) -> AllocationError {
    let OfItem { item, why } = no;
    let Some(item) = item else {
        return AllocationError::Other(why.into());
    };
    match items.iter().find(|(known, _)| *known == item) {
        Some((_, item)) => AllocationError::NotAllocated {
            item: item.clone(),
            why,
        },
        // One that is given up is not among those that were sent.
        None => AllocationError::NotTakenBack {
            item: graph.find(item).map(foreign::code).unwrap_or_else(|| item.to_string()),
            why,
        },
    }
}
