//! Allocating the licenses of an organization (`doors.md` A.7 and E): directly, one user at a time, and by rules of its groups.
//! What is written replaces what was there before, and touches nothing that was not allocated so.
//!
//! A direct allocation is a reservation that opens its license by itself, on the license that `licensing.md` 2.2 ranks first
//! among those of the organization for the item that have a seat for the user. It takes that seat as any reservation does.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;

use foldhash::fast::RandomState;
use uuid::Uuid;

use crate::graph::{Kept, Node, Transaction, Violation};
use crate::model::schema::{Hop, place};
use crate::model::{Fields, Kind, Serial, Time, Value, rel};

use super::reason::Reason;
use super::refused::Refused;
use super::reserve::Had;
use super::ruled;
use super::select::{self, Budget, Path, Rank};
use super::{decision, ended, paths, reserve, seated, seats};

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

/// Why users have not what they shall have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undone {
    Refused(OfItem),
    /// There is more to look at than was allowed.
    TooMuch,
}

impl From<OfItem> for Undone {
    fn from(no: OfItem) -> Self {
        Self::Refused(no)
    }
}

impl From<Violation> for Undone {
    fn from(violation: Violation) -> Self {
        Self::Refused(violation.into())
    }
}

fn take(visits: &mut u64, looks: usize) -> Result<(), Undone> {
    *visits = visits.checked_sub(looks as u64).ok_or(Undone::TooMuch)?;
    Ok(())
}

/// Each of these users has licenses of just these items from the organization, and none by rules. All or nothing: on a
/// refusal the caller abandons the transaction. What is looked at is taken from `visits`: the licenses of each item once,
/// each again for whom it is asked, and what the users have.
pub fn direct(
    tx: &mut Transaction<'_>,
    organization: Uuid,
    profiles: &[Uuid],
    items: &[Uuid],
    external: bool,
    visits: &mut u64,
) -> Result<(), Undone> {
    let all: HashSet<Uuid, RandomState> = items.iter().copied().collect();
    // What one user gives up may be what the next one gets.
    let mut wanted = Vec::new();
    for profile in profiles {
        let record = record(tx, organization, *profile)?;
        let node = tx.node(record)?;
        take(visits, 1 + node.hop_count(Hop::forward(rel::ALLOCATED)))?;
        let fields = node.fields().with(EXTERNAL, Some(Value::Bool(external)));
        tx.update(record, fields)?;
        let mut missing = all.clone();
        for (assignment, item, stands) in allocated(tx.node(record)?, tx.now()) {
            if !(stands && missing.remove(&item)) {
                take_back(tx, assignment).map_err(of(item))?;
            }
        }
        if !missing.is_empty() {
            wanted.push((record, *profile, missing));
        }
    }
    let mut offers: HashMap<Uuid, Offer, RandomState> = HashMap::default();
    for (record, profile, missing) in wanted {
        let has = held(tx.node(profile)?, &missing, visits)?;
        for item in items.iter().filter(|item| missing.contains(*item)) {
            let offer = match offers.entry(*item) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(Offer::of(tx, organization, *item, visits)?),
            };
            let user = User {
                record,
                profile,
                has: has.get(item),
            };
            offer.allocate(tx, &user, visits)?;
        }
    }
    Ok(())
}

/// The licenses of these items of which a profile has an assignment, whatever that says, by item.
fn held(
    profile: Node<'_>,
    items: &HashSet<Uuid, RandomState>,
    visits: &mut u64,
) -> Result<HashMap<Uuid, HashSet<Uuid, RandomState>, RandomState>, Undone> {
    let by_profile = Hop::forward(rel::BY_PROFILE);
    take(visits, 1 + profile.hop_count(by_profile))?;
    let mut held: HashMap<Uuid, HashSet<Uuid, RandomState>, RandomState> = HashMap::default();
    for (assignment, _) in profile.hop(by_profile, None) {
        let license = assignment.parent(rel::BY_LICENSE);
        if let Some((license, item)) = license.and_then(|license| Some((license, license.parent(rel::OF_ITEM)?)))
            && items.contains(&item.id)
        {
            held.entry(item.id).or_default().insert(license.id);
        }
    }
    Ok(held)
}

/// The record of a user, made if there is none: from then on rules give the user nothing.
pub fn record(tx: &mut Transaction<'_>, organization: Uuid, profile: Uuid) -> Result<Uuid, Violation> {
    if let Some(record) = ruled::record(tx.node(organization)?, tx.node(profile)?) {
        return Ok(record.id);
    }
    let id = tx.new_id();
    let fields: Fields = [(EXTERNAL, Value::Bool(false))].into_iter().collect();
    tx.create(id, Kind::DirectRecord, fields, Kept::default())?;
    tx.relate(rel::RECORDS, organization, id, Fields::default())?;
    tx.relate(rel::RECORDS_OF, profile, id, Fields::default())?;
    Ok(id)
}

/// Takes back all that was allocated directly, and the record with it: rules count again.
pub fn forget(tx: &mut Transaction<'_>, organization: Uuid, profile: Uuid) -> Result<(), OfItem> {
    // An import may have brought two.
    while let Some(record) = ruled::record(tx.node(organization)?, tx.node(profile)?) {
        let record = record.id;
        remove_record(tx, record)?;
    }
    Ok(())
}

/// Whoever removes a record takes back what it allocates.
pub fn remove_record(tx: &mut Transaction<'_>, record: Uuid) -> Result<(), OfItem> {
    for (assignment, item, _) in allocated(tx.node(record)?, tx.now()) {
        take_back(tx, assignment).map_err(of(item))?;
    }
    Ok(tx.remove(record)?)
}

/// Would the license models let a record go?
pub fn may_take_back(record: Node<'_>, now: Time) -> Result<(), Refused> {
    let mut all = record.hop(Hop::forward(rel::ALLOCATED), None);
    all.try_for_each(|(assignment, _)| may_end(assignment, now))
}

/// What was assigned by itself, or sold, is its holder's still; of a license that cannot be used anything may go, as a unit of a
/// rule does.
fn may_end(assignment: Node<'_>, now: Time) -> Result<(), Refused> {
    if seated::stays(assignment) {
        return Ok(());
    }
    let held = reserve::reserved(assignment, now).filter(|license| decision::is_usable(license, now));
    held.map_or(Ok(()), reserve::may_release)
}

/// What a record allocates: the assignment, the item, and whether it still opens a license that can be used.
pub fn allocated(record: Node<'_>, now: Time) -> Vec<(Uuid, Uuid, bool)> {
    let mut all = Vec::new();
    for (assignment, _) in record.hop(Hop::forward(rel::ALLOCATED), None) {
        let license = assignment.parent(rel::BY_LICENSE);
        if let Some((license, item)) = license.and_then(|license| Some((license, license.parent(rel::OF_ITEM)?))) {
            let is_open = select::granting_one(assignment, now) && select::is_reserved(&assignment, now);
            all.push((assignment.id, item.id, is_open && decision::is_usable(&license, now)));
        }
    }
    all
}

/// To whom an item is allocated, and of which of its licenses that user has something already.
struct User<'u> {
    record: Uuid,
    profile: Uuid,
    has: Option<&'u HashSet<Uuid, RandomState>>,
}

impl User<'_> {
    fn has(&self, license: Uuid) -> bool {
        self.has.is_some_and(|has| has.contains(&license))
    }
}

/// A license of which the user has something.
struct Own {
    license: Uuid,
    assignment: Uuid,
    /// It denies, now or later.
    denies: bool,
    /// It denies or is kept back: what is allocated would be written over somebody's no.
    is_no: bool,
}

/// The licenses of an item that an organization has and that can be used, gathered once for all users of a call: for who has
/// nothing of them their order hangs on nothing but the licenses, which the call leaves as they are.
struct Offer {
    item: Uuid,
    usable: BTreeMap<Rank, Uuid>,
    /// Those that may have a seat for who has nothing of them. Until a call is done with its users seats are only taken: one that
    /// has none is not asked again.
    open: BTreeMap<Rank, Uuid>,
}

impl Offer {
    fn of(tx: &Transaction<'_>, organization: Uuid, item: Uuid, visits: &mut u64) -> Result<Self, Undone> {
        let (owner, node) = (tx.node(organization)?, tx.node(item)?);
        let mut budget = Budget::new(None);
        let owned = select::owned(owner, node, &mut budget).map_err(|_| of(item)(Refused::TooManyLicenses))?;
        take(visits, 1 + budget.spent())?;
        let usable = owned
            .into_iter()
            .filter(|license| decision::is_usable(license, tx.now()));
        let usable: BTreeMap<Rank, Uuid> = usable.map(|license| (place_of(license, node), license.id)).collect();
        Ok(Self {
            item,
            open: usable.clone(),
            usable,
        })
    }

    fn allocate(&mut self, tx: &mut Transaction<'_>, user: &User<'_>, visits: &mut u64) -> Result<(), Undone> {
        let (now, item) = (tx.now(), self.item);
        let own = self.own(tx, user)?;
        let mut refused: Option<(Rank, Refused)> = None;
        let mut from = Bound::Unbounded;
        for (rank, one) in own.iter().filter(|(_, one)| !one.is_no) {
            let before = (from, Bound::Excluded(*rank));
            if let Some(license) = self.free(tx, user, before, visits)? {
                return Ok(allot(tx, user, license)?);
            }
            from = Bound::Excluded(*rank);
            let license = tx.node(one.license)?;
            take(visits, looks(license))?;
            match reserve::would_fit(license, Had::of(tx.node(one.assignment)?, now), now) {
                Ok(()) => return Ok(take_over(tx, user, one.assignment)?),
                Err(no) => drop(refused.get_or_insert((*rank, no))),
            }
        }
        if let Some(license) = self.free(tx, user, (from, Bound::Unbounded), visits)? {
            return Ok(allot(tx, user, license)?);
        }
        // The one ranked first tells the reason.
        let first = self.usable.iter().find(|(_, license)| !user.has(**license));
        let why = match (refused, first) {
            (Some((rank, no)), first) if first.is_none_or(|(other, _)| rank < *other) => no,
            (_, Some((_, license))) => match reserve::would_fit(tx.node(*license)?, Had::default(), now) {
                Ok(()) => Refused::NoSeatsAvailable(*license),
                Err(no) => no,
            },
            _ => match own.values().next() {
                Some(one) if !one.denies => Refused::AssignmentInactive(one.license),
                Some(_) => Refused::NotGranted(Reason::ConsumptionDenied),
                None => Refused::NothingToAllocate(item),
            },
        };
        Err(of(item)(why).into())
    }

    /// Those the user has something of, by their rank for that user.
    fn own(&self, tx: &Transaction<'_>, user: &User<'_>) -> Result<BTreeMap<Rank, Own>, Violation> {
        let (now, item, profile) = (tx.now(), tx.node(self.item)?, tx.node(user.profile)?);
        let mut own = BTreeMap::new();
        for id in user.has.into_iter().flatten() {
            let license = tx.node(*id)?;
            if !self.usable.contains_key(&place_of(license, item)) {
                continue;
            }
            let candidate = select::candidate(license, item, Path::Direct, profile, now);
            if let Some(assignment) = candidate.assignment {
                // A denial that begins later is one.
                let denies = select::denies(&assignment, now);
                let one = Own {
                    license: license.id,
                    assignment: assignment.id,
                    denies,
                    is_no: denies || seated::is_kept_back(&assignment, now),
                };
                own.insert(select::rank(&candidate), one);
            }
        }
        Ok(own)
    }

    /// The first in a range that has a seat, of those the user has nothing of.
    fn free(
        &mut self,
        tx: &Transaction<'_>,
        user: &User<'_>,
        range: (Bound<Rank>, Bound<Rank>),
        visits: &mut u64,
    ) -> Result<Option<Uuid>, Undone> {
        let mut full = Vec::new();
        let mut free = None;
        for (rank, license) in self.open.range(range).filter(|(_, license)| !user.has(**license)) {
            let node = tx.node(*license)?;
            take(visits, looks(node))?;
            if reserve::would_fit(node, Had::default(), tx.now()).is_ok() {
                free = Some(*license);
                break;
            }
            full.push(*rank);
        }
        for rank in full {
            self.open.remove(&rank);
        }
        Ok(free)
    }
}

/// The rank of a license for who has nothing of it, as of all that an organization gives to whom it likes.
fn place_of(license: Node<'_>, item: Node<'_>) -> Rank {
    select::rank(&select::untouched(license, item, Path::Direct))
}

/// What asking a license for its seats goes through.
fn looks(license: Node<'_>) -> usize {
    1 + license.hop_count(Hop::forward(rel::SEAT_CREDITS))
}

fn as_reserved(before: Fields) -> Fields {
    before
        .with(ruled::RESERVATION, Some(Value::text("reserved")))
        .with(ruled::GRANTS_ACCESS, Some(Value::Bool(true)))
        .with(ruled::FROM, None)
}

/// A license that has a seat and of which the user has nothing.
fn allot(tx: &mut Transaction<'_>, user: &User<'_>, license: Uuid) -> Result<(), Violation> {
    let id = tx.new_id();
    tx.create(id, Kind::Assignment, as_reserved(Fields::default()), Kept::default())?;
    tx.relate(rel::BY_LICENSE, license, id, Fields::default())?;
    tx.relate(rel::BY_PROFILE, user.profile, id, Fields::default())?;
    tx.relate(rel::ALLOCATED, user.record, id, Fields::default())
}

/// What there is of the license and the user becomes the record's, and is a rule's no longer: what a rule counts ends when it is
/// idle, and this does not. An end that somebody else gave what is the user's otherwise stays, for it stays after the record.
fn take_over(tx: &mut Transaction<'_>, user: &User<'_>, id: Uuid) -> Result<(), Violation> {
    ended::forget(tx, id)?;
    ruled::leave(tx, id)?;
    let node = tx.node(id)?;
    let mut fields = as_reserved(node.fields().to_fields());
    if !seated::stays(node) {
        fields = fields.with(ruled::UNTIL, None);
    }
    let other = node.parent(rel::ALLOCATED).map(|other| other.id);
    tx.update(id, fields)?;
    // Of another organization it can only be while the license was that one's.
    if other.is_some_and(|other| other != user.record) {
        ruled::leave_record(tx, id)?;
    }
    match other == Some(user.record) {
        true => Ok(()),
        false => tx.relate(rel::ALLOCATED, user.record, id, Fields::default()),
    }
}

/// A direct allocation ends; what was assigned by itself, or sold, goes on as that.
fn take_back(tx: &mut Transaction<'_>, assignment: Uuid) -> Result<(), Refused> {
    let node = tx.node(assignment)?;
    may_end(node, tx.now())?;
    if let Some(record) = node.parent(rel::ALLOCATED).map(|record| record.id) {
        tx.unrelate(rel::ALLOCATED, record, assignment)?;
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
    for (rule, _) in tx.node(group)?.hop(Hop::forward(rel::RULES), None) {
        external |= rule.fields().get(RULE_EXTERNAL) == Some(&Value::Bool(true));
        let item = rule.parent(rel::RULES_FOR).map(|item| item.id);
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
                let (owner, item) = (tx.node(organization)?, tx.node(ruling.item)?);
                if !ruled::licenses(owner, item).any(|license| decision::is_usable(&license, now)) {
                    return Err(of(ruling.item)(Refused::NothingToAllocate(ruling.item)));
                }
                let id = tx.new_id();
                let fields: Fields = [(RULE_EXTERNAL, Value::Bool(external))].into_iter().collect();
                tx.create(id, Kind::AllocationRule, fields, Kept::default())?;
                tx.relate(rel::RULES, group, id, Fields::default())?;
                tx.relate(rel::RULES_FOR, ruling.item, id, Fields::default())?;
                id
            }
        };
        let rule = tx.node(id)?;
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
    let in_doubt = paths::of_rule(tx.node(rule)?);
    tx.remove(rule)?;
    paths::free_lost(tx, &in_doubt)
}

/// What one member leases by the rules of a group is given back; the next use leases again.
pub fn release(tx: &mut Transaction<'_>, group: Uuid, profile: Uuid) -> Result<(), OfItem> {
    for assignment in ruled::of_member(tx.node(group)?, tx.node(profile)?) {
        let node = tx.node(assignment)?;
        let item = node
            .parent(rel::BY_LICENSE)
            .and_then(|license| license.parent(rel::OF_ITEM));
        if node.parent(rel::ALLOCATED).is_none() {
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
        if decision::is_usable(&license, now) {
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
        for (license, _) in entitlement.hop(Hop::forward(rel::LICENSES), None) {
            visited += 1;
            if visited > visits {
                return None;
            }
            let is_meant = decision::is_usable(&license, now) && select::is_stock(license);
            if let Some(item) = license.parent(rel::OF_ITEM).filter(|_| is_meant) {
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
    let mut entitlements = organization.hop(Hop::forward(rel::ENTITLEMENTS), None);
    entitlements.any(|(entitlement, _)| entitlement.hop_count(Hop::forward(rel::LICENSES)) > 0)
}

/// Has it a license, valid now, that opens the item?
///
/// # Errors
/// It has more licenses than one decision looks at.
pub fn owns(organization: Node<'_>, item: Node<'_>, now: Time) -> Result<bool, Reason> {
    select::owns(organization, item, |license| decision::is_usable(&license, now))
}
