//! Allocating the licenses of an organization (`doors.md` A.7 and E): directly, one user at a time, and by rules of its groups.
//! What is written replaces what was there before, and touches nothing that was not allocated so.
//!
//! A direct allocation is a reservation that opens its license by itself, on the license that `licensing.md` 2.2 ranks first
//! among those of the organization for the item that have a seat for the user. It takes that seat as any reservation does.

use std::collections::{BTreeMap, HashSet};

use foldhash::fast::RandomState;
use uuid::Uuid;

use crate::graph::{Kept, Node, Transaction, Violation};
use crate::model::schema::{Hop, known, place};
use crate::model::{Entity, Fields, Kind, Rel, RelationType, Serial, Time, Value};

use super::reason::Reason;
use super::refused::Refused;
use super::reserve::Had;
use super::ruled::{self, ALLOCATED, ENTITLEMENTS, RECORDS, RECORDS_OF, RULES, RULES_FOR};
use super::select::{self, Candidate};
use super::{decision, ended, paths, reserve, seated, seats};

const OF_ITEM: Rel = known(RelationType::OneToMany, Kind::LicensedItem, Kind::License);
const BY_LICENSE: Rel = known(RelationType::OneToMany, Kind::License, Kind::Assignment);
const BY_PROFILE: Rel = known(RelationType::OneToMany, Kind::Profile, Kind::Assignment);
const ACTIVE: u8 = place(Kind::License, "active");
const EXTERNAL: u8 = place(Kind::DirectRecord, "external");
const RULE_EXTERNAL: u8 = place(Kind::AllocationRule, "external");
const QUOTA: u8 = place(Kind::AllocationRule, "quota");

/// A refusal, and the item it is about, if it is about one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfItem {
    pub item: Option<Uuid>,
    pub why: Refused,
}

impl From<Violation> for OfItem {
    fn from(violation: Violation) -> Self {
        let why = violation.into();
        Self { item: None, why }
    }
}

fn of(item: Uuid) -> impl FnOnce(Refused) -> OfItem {
    move |why| OfItem { item: Some(item), why }
}

fn found<'t>(tx: &'t Transaction<'_>, id: Uuid) -> Result<Node<'t>, Violation> {
    tx.graph().find(id).ok_or(Violation::NotFound { id })
}

/// Each of these users has licenses of just these items from the organization, and none by rules. All or nothing: on a
/// refusal the caller abandons the transaction.
pub fn direct(
    tx: &mut Transaction<'_>,
    organization: Uuid,
    profiles: &[Uuid],
    items: &[Uuid],
    external: bool,
) -> Result<(), OfItem> {
    let all: HashSet<Uuid, RandomState> = items.iter().copied().collect();
    // What one user gives up may be what the next one gets.
    let mut wanted = Vec::new();
    for profile in profiles {
        let record = record(tx, organization, *profile)?;
        let fields = found(tx, record)?.fields().with(EXTERNAL, Some(Value::Bool(external)));
        tx.update(record, fields)?;
        let mut missing = all.clone();
        for (assignment, item, stands) in allocated(found(tx, record)?, tx.now()) {
            if !(stands && missing.remove(&item)) {
                take_back(tx, assignment).map_err(of(item))?;
            }
        }
        let missing = items.iter().filter(|item| missing.contains(*item));
        wanted.extend(missing.map(|item| (record, *profile, *item)));
    }
    for (record, profile, item) in wanted {
        allocate(tx, organization, record, profile, item).map_err(of(item))?;
    }
    Ok(())
}

/// The record of a user, made if there is none: from then on rules give the user nothing.
pub fn record(tx: &mut Transaction<'_>, organization: Uuid, profile: Uuid) -> Result<Uuid, Violation> {
    if let Some(record) = ruled::record(found(tx, organization)?, found(tx, profile)?) {
        return Ok(record.id);
    }
    let id = tx.new_id();
    let fields: Fields = [(EXTERNAL, Value::Bool(false))].into_iter().collect();
    tx.create(id, Kind::DirectRecord, fields, Kept::default())?;
    tx.relate(RECORDS, organization, id, Fields::default())?;
    tx.relate(RECORDS_OF, profile, id, Fields::default())?;
    Ok(id)
}

/// Takes back all that was allocated directly, and the record with it: rules count again.
pub fn forget(tx: &mut Transaction<'_>, organization: Uuid, profile: Uuid) -> Result<(), OfItem> {
    // An import may have brought two.
    while let Some(record) = ruled::record(found(tx, organization)?, found(tx, profile)?) {
        let record = record.id;
        remove_record(tx, record)?;
    }
    Ok(())
}

/// Whoever removes a record takes back what it allocates.
pub fn remove_record(tx: &mut Transaction<'_>, record: Uuid) -> Result<(), OfItem> {
    for (assignment, item, _) in allocated(found(tx, record)?, tx.now()) {
        take_back(tx, assignment).map_err(of(item))?;
    }
    Ok(tx.remove(record)?)
}

/// Would the license models let a record go?
pub fn may_take_back(record: Node<'_>, now: Time) -> Result<(), Refused> {
    let mut all = record.hop(Hop::forward(ALLOCATED), None);
    all.try_for_each(|(assignment, _)| may_end(assignment, now))
}

/// What was assigned by itself, or sold, is its holder's still; of a license that cannot be used anything may go, as a unit of a
/// rule does.
fn may_end(assignment: Node<'_>, now: Time) -> Result<(), Refused> {
    if seated::stays(assignment) {
        return Ok(());
    }
    let held = reserve::reserved(assignment, now).filter(|license| seated::is_usable(*license, now));
    held.map_or(Ok(()), reserve::may_release)
}

/// What a record allocates: the assignment, the item, and whether it still opens a license that can be used.
pub fn allocated(record: Node<'_>, now: Time) -> Vec<(Uuid, Uuid, bool)> {
    let mut all = Vec::new();
    for (assignment, _) in record.hop(Hop::forward(ALLOCATED), None) {
        let license = assignment.parent(BY_LICENSE);
        if let Some((license, item)) = license.and_then(|license| Some((license, license.parent(OF_ITEM)?))) {
            let is_open = select::granting_one(assignment, now) && select::is_reserved(&assignment, now);
            all.push((assignment.id, item.id, is_open && is_usable(&license, now)));
        }
    }
    all
}

pub(super) fn is_usable(license: &Entity, now: Time) -> bool {
    decision::validity(license, now).is_none() && license.fields().get(ACTIVE) == Some(&Value::Bool(true))
}

fn allocate(
    tx: &mut Transaction<'_>,
    organization: Uuid,
    record: Uuid,
    profile: Uuid,
    item: Uuid,
) -> Result<(), Refused> {
    let now = tx.now();
    let candidates = select::of_organization(found(tx, organization)?, found(tx, item)?, found(tx, profile)?, now)
        .map_err(|_| Refused::TooManyLicenses)?;
    // A denial that begins later is one: what is allocated now would be written over it.
    let is_no = |one: Node<'_>| select::denies(&one, now) || seated::is_kept_back(&one, now);
    let is_denied = |candidate: &Candidate<'_>| candidate.assignment.is_some_and(is_no);
    let open: Vec<(Uuid, Option<Uuid>)> = candidates
        .iter()
        .filter(|candidate| is_usable(&candidate.license, now) && !is_denied(candidate))
        .map(|candidate| {
            (
                candidate.license.id,
                candidate.assignment.map(|assignment| assignment.id),
            )
        })
        .collect();
    let mut usable = candidates.iter().filter(|candidate| is_usable(&candidate.license, now));
    // The one ranked first tells the reason.
    let mut refusal = match usable.next().map(|first| (first.license.id, first.assignment)) {
        Some((license, Some(one))) if !select::denies(&one, now) => Refused::AssignmentInactive(license),
        Some(_) => Refused::NotGranted(Reason::ConsumptionDenied),
        None => Refused::NothingToAllocate(item),
    };
    drop(candidates);
    for (index, (license, assignment)) in open.into_iter().enumerate() {
        let savepoint = tx.savepoint();
        match reserved(tx, record, profile, license, assignment) {
            Ok(()) => return Ok(()),
            Err(Refused::Graph(violation)) => return Err(violation.into()),
            Err(refused) => {
                tx.rollback_to(savepoint);
                if index == 0 {
                    refusal = refused;
                }
            }
        }
    }
    Err(refusal)
}

/// What there is of the license and the user becomes the record's, and is a rule's no longer: what a rule counts ends when it is
/// idle, and this does not. An end that somebody else gave what is the user's otherwise stays, for it stays after the record.
fn reserved(
    tx: &mut Transaction<'_>,
    record: Uuid,
    profile: Uuid,
    license: Uuid,
    assignment: Option<Uuid>,
) -> Result<(), Refused> {
    let now = tx.now();
    let fields = |before: Fields| {
        before
            .with(ruled::RESERVATION, Some(Value::text("reserved")))
            .with(ruled::GRANTS_ACCESS, Some(Value::Bool(true)))
            .with(ruled::FROM, None)
    };
    let had = match assignment {
        Some(id) => {
            ended::forget(tx, id)?;
            ruled::leave(tx, id)?;
            let node = found(tx, id)?;
            let (had, mut fields) = (Had::of(node, now), fields(node.fields().to_fields()));
            if !seated::stays(node) {
                fields = fields.with(ruled::UNTIL, None);
            }
            let other = node.parent(ALLOCATED).map(|other| other.id);
            tx.update(id, fields)?;
            // Of another organization it can only be while the license was that one's.
            if other.is_some_and(|other| other != record) {
                ruled::leave_record(tx, id)?;
            }
            if other != Some(record) {
                tx.relate(ALLOCATED, record, id, Fields::default())?;
            }
            had
        }
        None => {
            let id = tx.new_id();
            tx.create(id, Kind::Assignment, fields(Fields::default()), Kept::default())?;
            tx.relate(BY_LICENSE, license, id, Fields::default())?;
            tx.relate(BY_PROFILE, profile, id, Fields::default())?;
            tx.relate(ALLOCATED, record, id, Fields::default())?;
            Had::default()
        }
    };
    reserve::fits(found(tx, license)?, had, now)
}

/// A direct allocation ends; what was assigned by itself, or sold, goes on as that.
fn take_back(tx: &mut Transaction<'_>, assignment: Uuid) -> Result<(), Refused> {
    let node = found(tx, assignment)?;
    may_end(node, tx.now())?;
    if let Some(record) = node.parent(ALLOCATED).map(|record| record.id) {
        tx.unrelate(ALLOCATED, record, assignment)?;
    }
    Ok(ruled::give_back(tx, assignment)?)
}

/// A rule as it shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling {
    pub item: Uuid,
    /// `None` leaves the quota there is; `Some(None)`: without.
    pub quota: Option<Option<u64>>,
    /// `None` leaves it as it is: of a rule that is new, as the group's rules have it.
    pub external: Option<bool>,
}

/// The group has just these rules. Those that are new take no seat; what was leased by those that go is given back.
pub fn rules(tx: &mut Transaction<'_>, organization: Uuid, group: Uuid, wanted: &[Ruling]) -> Result<(), OfItem> {
    let now = tx.now();
    let mut there: BTreeMap<Uuid, Uuid> = BTreeMap::new();
    let mut gone = Vec::new();
    let stay: HashSet<Uuid, RandomState> = wanted.iter().map(|ruling| ruling.item).collect();
    let mut external = false;
    for (rule, _) in found(tx, group)?.hop(Hop::forward(RULES), None) {
        external |= rule.fields().get(RULE_EXTERNAL) == Some(&Value::Bool(true));
        let item = rule.parent(RULES_FOR).map(|item| item.id);
        match item.filter(|item| stay.contains(item) && !there.contains_key(item)) {
            Some(item) => drop(there.insert(item, rule.id)),
            None => gone.push(rule.id),
        }
    }
    for rule in gone {
        end(tx, rule)?;
    }
    for ruling in wanted {
        let id = match there.get(&ruling.item) {
            Some(rule) => *rule,
            None => {
                let (owner, item) = (found(tx, organization)?, found(tx, ruling.item)?);
                if !ruled::licenses(owner, item).any(|license| is_usable(&license, now)) {
                    return Err(of(ruling.item)(Refused::NothingToAllocate(ruling.item)));
                }
                let id = tx.new_id();
                let fields: Fields = [(RULE_EXTERNAL, Value::Bool(external))].into_iter().collect();
                tx.create(id, Kind::AllocationRule, fields, Kept::default())?;
                tx.relate(RULES, group, id, Fields::default())?;
                tx.relate(RULES_FOR, ruling.item, id, Fields::default())?;
                id
            }
        };
        let rule = found(tx, id)?;
        let mut fields = rule.fields().to_fields();
        if let Some(external) = ruling.external {
            fields = fields.with(RULE_EXTERNAL, Some(Value::Bool(external)));
        }
        if let Some(quota) = ruling.quota {
            let used = ruled::usage(rule, now);
            if let Some(quota) = quota.filter(|quota| *quota < used) {
                return Err(of(ruling.item)(Refused::QuotaBelowUse { quota, used }));
            }
            let quota = quota.map(|quota| Value::Int(i64::try_from(quota).unwrap_or(i64::MAX)));
            fields = fields.with(QUOTA, quota);
        }
        tx.update(id, fields)?;
    }
    Ok(())
}

fn end(tx: &mut Transaction<'_>, rule: Uuid) -> Result<(), Violation> {
    let in_doubt = paths::of_rule(found(tx, rule)?);
    tx.remove(rule)?;
    paths::free_lost(tx, &in_doubt)
}

/// What one member leases by the rules of a group is given back; the next use leases again.
pub fn release(tx: &mut Transaction<'_>, group: Uuid, profile: Uuid) -> Result<(), OfItem> {
    for assignment in ruled::of_member(found(tx, group)?, found(tx, profile)?) {
        let node = found(tx, assignment)?;
        let item = node.parent(BY_LICENSE).and_then(|license| license.parent(OF_ITEM));
        if node.parent(ALLOCATED).is_none() {
            may_end(node, tx.now()).map_err(|why| OfItem {
                item: item.map(|item| item.id),
                why,
            })?;
        }
        ruled::give_back(tx, assignment)?;
    }
    Ok(())
}

/// The seats an organization has for an item, over all its licenses that are valid now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    pub item: Uuid,
    /// `None`: without limit.
    pub total: Option<u64>,
    pub taken: u64,
}

impl Pool {
    pub fn is_exhausted(self) -> bool {
        self.total.is_some_and(|total| total <= self.taken)
    }

    fn add(&mut self, license: Node<'_>, now: Time) {
        let seats = seats::for_sharing(license, now);
        self.total = self
            .total
            .zip(seats.total)
            .map(|(sum, total)| sum.saturating_add(total));
        self.taken = self.taken.saturating_add(seats.taken());
    }
}

/// Of one item. Each license that is looked at is taken from `visits`; `None`: there are more.
pub fn pool(organization: Node<'_>, item: Node<'_>, now: Time, visits: &mut u64) -> Option<Pool> {
    let mut pool = empty(item);
    for license in ruled::licenses(organization, item) {
        *visits = visits.checked_sub(1)?;
        if is_usable(&license, now) {
            pool.add(license, now);
        }
    }
    Some(pool)
}

fn empty(item: Node<'_>) -> Pool {
    Pool {
        item: item.id,
        total: Some(0),
        taken: 0,
    }
}

/// Those of all items it has licenses of, in order of the items. Looks at `visits` licenses at most; `None`: there are more.
pub fn pools(organization: Node<'_>, now: Time, visits: u64) -> Option<Vec<Pool>> {
    let mut pools: BTreeMap<Serial, Pool> = BTreeMap::new();
    let mut visited = 0;
    for entitlement in ruled::giving(organization) {
        for (license, _) in entitlement.hop(Hop::forward(select::LICENSES), None) {
            visited += 1;
            if visited > visits {
                return None;
            }
            let is_meant = is_usable(&license, now) && select::is_stock(license);
            if let Some(item) = license.parent(OF_ITEM).filter(|_| is_meant) {
                pools
                    .entry(item.serial)
                    .or_insert_with(|| empty(item))
                    .add(license, now);
            }
        }
    }
    Some(pools.into_values().collect())
}

/// Has it any license, valid or not?
pub fn has_licenses(organization: Node<'_>) -> bool {
    let mut entitlements = organization.hop(Hop::forward(ENTITLEMENTS), None);
    entitlements.any(|(entitlement, _)| entitlement.hop_count(Hop::forward(select::LICENSES)) > 0)
}

/// Has it a license, valid now, that opens the item?
///
/// # Errors
/// It has more licenses than one decision looks at.
pub fn owns(organization: Node<'_>, item: Node<'_>, now: Time) -> Result<bool, Reason> {
    select::owns(organization, item, |license| is_usable(&license, now))
}
