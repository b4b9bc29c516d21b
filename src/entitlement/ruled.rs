//! Rules of groups (`doors.md` A.7): the members of a group lease licenses of an item from their group's organization, each
//! when it first uses one. A rule itself takes no seat, and its cost is the same however many members the group has.
//!
//! What is leased so is a reservation that refers to the rule, one of each rule and member: on another license it is one instead
//! of the one there was, so that a rule's quota counts members. It ends when it was not used for three months, when the
//! member leaves the group, and with the rule; live leases run out. A direct record of the organization, even an empty
//! one, masks the rules: then only what the record allocates is open to the user.

use std::cell::RefCell;

use smallvec::SmallVec;
use uuid::Uuid;

use crate::graph::{Graph, Node, Transaction, Violation};
use crate::model::schema::{Hop, place};
use crate::model::{Entity, Fields, Kind, Time, Value, rel};

use super::reason::Reason;
use super::refused::Refused;
use super::{decision, reserve, sale, seated, seats, select};

const QUOTA: u8 = place(Kind::AllocationRule, "quota");
pub(super) const RESERVATION: u8 = place(Kind::Assignment, "reservationType");
pub(super) const FROM: u8 = place(Kind::Assignment, "validFrom");
pub(super) const UNTIL: u8 = place(Kind::Assignment, "validUntil");
pub(super) const GRANTS_ACCESS: u8 = place(Kind::Assignment, "grantsAccess");

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// A lease by a rule that nobody uses for so long is free again (`doors.md` A.7, idle release).
pub const IDLE_MS: i64 = 90 * DAY_MS;

/// A rule that is open to a profile.
#[derive(Clone, Copy, Debug)]
pub struct Ruled<'g> {
    pub rule: Node<'g>,
    pub item: Node<'g>,
    pub organization: Node<'g>,
}

/// The rules of all groups a profile is in now, but of organizations that have a direct record of it.
pub fn rules<'g>(profile: Node<'g>, now: Time) -> SmallVec<[Ruled<'g>; 4]> {
    let mut found = SmallVec::new();
    if profile.graph().kind_count(Kind::AllocationRule) == 0 {
        return found;
    }
    for (group, membership) in profile.hop(Hop::forward(rel::MEMBERSHIP), None) {
        if !select::is_member(membership, now) || group.hop_count(Hop::forward(rel::RULES)) == 0 {
            continue;
        }
        let organization = group.parent(rel::GROUPS);
        let Some(organization) = organization.filter(|organization| record(*organization, profile).is_none()) else {
            continue;
        };
        for (rule, _) in group.hop(Hop::forward(rel::RULES), None) {
            if let Some(item) = rule.parent(rel::RULES_FOR) {
                found.push(Ruled {
                    rule,
                    item,
                    organization,
                });
            }
        }
    }
    found
}

/// The group whose rule it is.
pub fn group(rule: Node<'_>) -> Option<Node<'_>> {
    rule.parent(rel::RULES)
}

/// The record by which an organization allocates to a profile.
pub fn record<'g>(organization: Node<'g>, profile: Node<'g>) -> Option<Node<'g>> {
    let mut records = profile
        .hop(Hop::forward(rel::RECORDS_OF), None)
        .map(|(record, _)| record);
    records.find(|record| record.parent(rel::RECORDS) == Some(organization))
}

/// The entitlements of which an organization may give licenses to whom it likes: all but that of what it sold one by one.
pub(super) fn giving<'g>(organization: Node<'g>) -> impl Iterator<Item = Node<'g>> {
    let all = organization.hop(Hop::forward(rel::ENTITLEMENTS), None);
    all.map(|(entitlement, _)| entitlement)
        .filter(|entitlement| !sale::is_home(*entitlement))
}

/// The licenses of an item in all entitlements of an organization, but for those it sold one by one.
pub fn licenses<'g>(organization: Node<'g>, item: Node<'g>) -> impl Iterator<Item = Node<'g>> {
    let all = giving(organization).flat_map(move |entitlement| organization.graph().licenses(entitlement, item));
    all.filter(|license| select::is_stock(*license))
}

/// How many members hold a license by the rule; whoever holds two, one of which may not be given back, is two.
pub fn usage(rule: Node<'_>, now: Time) -> u64 {
    rule.graph().taken(rule, now).reserved
}

/// What a profile holds by rules, for which it may have other licenses instead. Looked for once a rule, however many licenses a
/// decision goes through.
pub struct Room<'g> {
    profile: Node<'g>,
    now: Time,
    known: RefCell<SmallVec<[Known<'g>; 1]>>,
}

/// A rule, and the licenses that the profile holds by it.
type Known<'g> = (Node<'g>, Vec<Node<'g>>);

impl<'g> Room<'g> {
    pub fn new(profile: Node<'g>, now: Time) -> Self {
        Self {
            profile,
            now,
            known: RefCell::default(),
        }
    }

    /// May the profile lease the license by the rule? Without a quota anybody may; whoever holds another license by it may have this
    /// one instead.
    pub fn is_for(&self, rule: Node<'g>, license: Node<'g>) -> bool {
        quota(rule).is_none_or(|quota| usage(rule, self.now) < quota || self.holds_other(rule, license))
    }

    fn holds_other(&self, rule: Node<'g>, license: Node<'g>) -> bool {
        let mut known = self.known.borrow_mut();
        let at = known.iter().position(|(of, _)| *of == rule).unwrap_or_else(|| {
            let licenses = held(rule, self.profile, self.now).map(|(_, license)| license);
            known.push((rule, licenses.collect()));
            known.len() - 1
        });
        known
            .get(at)
            .is_some_and(|(_, licenses)| licenses.iter().any(|other| *other != license))
    }

    /// Of two rules that open the same license, the one by which it is held already; else one that has room.
    pub(super) fn is_better(&self, rule: Node<'g>, other: Node<'g>, license: Node<'g>) -> bool {
        let assignment = license.graph().assignment(license, self.profile);
        let held = assignment.filter(|assignment| select::is_reserved(assignment, self.now));
        match held.and_then(|assignment| assignment.parent(rel::LEASED)) {
            Some(by) if by == other => false,
            Some(by) if by == rule => true,
            _ => !self.is_for(other, license) && self.is_for(rule, license),
        }
    }
}

/// What the profile holds by the rule and may give back for another license: the assignment and its license. A seat that its model
/// does not let go stays while its license can be used.
fn held<'g>(rule: Node<'g>, profile: Node<'g>, now: Time) -> impl Iterator<Item = (Node<'g>, Node<'g>)> {
    let may_go = move |license: Node<'g>| !decision::is_usable(&license, now) || reserve::may_release(license).is_ok();
    let (by_rule, by_profile) = (Hop::forward(rel::LEASED), Hop::forward(rel::BY_PROFILE));
    // From whichever end has fewer to look at.
    let all = match rule.hop_count(by_rule) < profile.hop_count(by_profile) {
        true => rule.hop(by_rule, None),
        false => profile.hop(by_profile, None),
    };
    all.filter_map(move |(assignment, _)| {
        let (license, holder) = ends(assignment).filter(|_| assignment.parent(rel::LEASED) == Some(rule))?;
        let is_held = holder == profile && seats::holds(assignment.fields(), now) && may_go(license);
        is_held.then_some((assignment, license))
    })
}

fn quota(rule: Node<'_>) -> Option<u64> {
    let quota = rule.fields().get(QUOTA).and_then(Value::as_int)?;
    Some(u64::try_from(quota).unwrap_or(0))
}

/// The rule with a quota by which nobody leases anew, if anybody could.
pub(super) fn shut(rule: Node<'_>) -> Option<(Uuid, Fields)> {
    let is_open = quota(rule).is_none_or(|quota| quota > 0);
    is_open.then(|| (rule.id, rule.fields().with(QUOTA, Some(Value::Int(0)))))
}

/// Asked once a new reservation by the rule is in. Where none is new, more may hold one than the quota says: it can be lowered below
/// what is in use.
pub fn fits(rule: Node<'_>, now: Time) -> Result<(), Refused> {
    match quota(rule).is_some_and(|quota| quota < usage(rule, now)) {
        true => Err(Refused::NotGranted(Reason::QuotaExceeded)),
        false => Ok(()),
    }
}

/// Makes an assignment, as its fields say now, one that is leased by the rule, from now on. It lasts as long as the lease for
/// which it is made.
pub(super) fn lease(
    tx: &mut Transaction<'_>,
    assignment: Uuid,
    rule: Uuid,
    leased_until: Time,
) -> Result<(), Violation> {
    let node = tx.node(assignment)?;
    let fields = node
        .fields()
        .with(RESERVATION, Some(Value::text("reserved")))
        .with(FROM, None)
        .with(UNTIL, Some(Value::Time(idle(tx.now()).max(leased_until))));
    tx.update(assignment, fields)?;
    hang(tx, assignment, rule)
}

/// It counts for this rule from now on, in place of what its holder had by that.
pub(super) fn hang(tx: &mut Transaction<'_>, assignment: Uuid, rule: Uuid) -> Result<(), Violation> {
    relink(tx, assignment, Some(rule))?;
    let graph = tx.graph();
    let of = graph.find(assignment).and_then(ends).zip(graph.find(rule));
    let others: Vec<Uuid> = of.map_or_else(Vec::new, |((license, profile), rule)| {
        let held = held(rule, profile, tx.now()).filter(|(_, other)| *other != license);
        held.map(|(other, _)| other.id).collect()
    });
    for other in others {
        give_back(tx, other)?;
    }
    Ok(())
}

/// Used again by the rule it hangs on: the three months begin anew. Written once a day at most, or every renewal would be one write
/// more, but for a lease that would last longer.
pub(super) fn used(
    tx: &mut Transaction<'_>,
    assignment: Uuid,
    rule: Uuid,
    leased_until: Time,
) -> Result<(), Violation> {
    let node = tx.node(assignment)?;
    let until = node.fields().get(UNTIL).and_then(Value::as_time);
    let next = idle(tx.now()).max(leased_until);
    let is_old = until.is_none_or(|until| until.millis() <= next.millis() - DAY_MS || until < leased_until);
    let hangs = node.parent(rel::LEASED).is_some_and(|by| by.id == rule) && node.parent(rel::ALLOCATED).is_none();
    if !hangs || !is_old {
        return Ok(());
    }
    let fields = node.fields().with(UNTIL, Some(Value::Time(next)));
    tx.update(assignment, fields)
}

fn idle(now: Time) -> Time {
    Time::from_millis(now.millis().saturating_add(IDLE_MS)).unwrap_or(now)
}

/// From whatever rule it hangs on to this one.
pub(super) fn relink(tx: &mut Transaction<'_>, assignment: Uuid, rule: Option<Uuid>) -> Result<(), Violation> {
    let node = tx.node(assignment)?;
    let had = node.parent(rel::LEASED).map(|rule| rule.id);
    if had == rule {
        return Ok(());
    }
    if let Some(had) = had {
        tx.unrelate(rel::LEASED, had, assignment)?;
    }
    match rule {
        Some(rule) => tx.relate(rel::LEASED, rule, assignment, Fields::default()),
        None => Ok(()),
    }
}

/// It is no rule's any more, as it is.
pub fn leave(tx: &mut Transaction<'_>, assignment: Uuid) -> Result<(), Violation> {
    relink(tx, assignment, None)
}

/// It is no record's any more, by somebody else's wish. A record goes with the last of what it allocates: empty, it would only keep
/// its user from what rules give.
pub(super) fn leave_record(tx: &mut Transaction<'_>, assignment: Uuid) -> Result<(), Violation> {
    let record = tx.graph().find(assignment).and_then(|node| node.parent(rel::ALLOCATED));
    let Some(record) = record.map(|record| record.id) else {
        return Ok(());
    };
    tx.unrelate(rel::ALLOCATED, record, assignment)?;
    forget_empty(tx, record)
}

/// A record that is left with nothing.
pub fn forget_empty(tx: &mut Transaction<'_>, record: Uuid) -> Result<(), Violation> {
    let record = tx.graph().find(record);
    match record.filter(|record| record.hop_count(Hop::forward(rel::ALLOCATED)) == 0) {
        Some(empty) => {
            let empty = empty.id;
            tx.remove(empty)
        }
        None => Ok(()),
    }
}

/// Has the group a rule that opens the license to its members?
pub(super) fn is_for(group: Node<'_>, license: Node<'_>) -> bool {
    let ruled = opened(license);
    ruled.is_some_and(|(item, owner)| {
        let mut rules = group.hop(Hop::forward(rel::RULES), None);
        group.parent(rel::GROUPS) == Some(owner) && rules.any(|(rule, _)| rule.parent(rel::RULES_FOR) == Some(item))
    })
}

/// The item and the organization whose rules open a license, if rules do.
pub fn opened(license: Node<'_>) -> Option<(Node<'_>, Node<'_>)> {
    let item = license.parent(rel::OF_ITEM).filter(|_| select::is_stock(license))?;
    let entitlement = license.parent(rel::LICENSES).filter(|home| !sale::is_home(*home))?;
    Some((item, entitlement.parent(rel::ENTITLEMENTS)?))
}

/// The rule, other than of a group that was left, by which a license is open to a profile; of several the better one.
pub(super) fn opens<'g>(license: Node<'g>, profile: Node<'g>, now: Time) -> Option<Node<'g>> {
    let (item, owner) = opened(license)?;
    let open = rules(profile, now).into_iter();
    let room = Room::new(profile, now);
    open.filter(|ruled| ruled.item == item && ruled.organization == owner)
        .map(|ruled| ruled.rule)
        .reduce(|best, rule| {
            if room.is_better(rule, best, license) {
                rule
            } else {
                best
            }
        })
}

/// Gives back what a rule's member leases: the seat is free, live leases run out. What a direct record allocates as well, or
/// what is the member's otherwise, stays.
pub fn give_back(tx: &mut Transaction<'_>, assignment: Uuid) -> Result<(), Violation> {
    relink(tx, assignment, None)?;
    let node = tx.node(assignment)?;
    match node.parent(rel::ALLOCATED).is_some() || seated::stays(node) {
        true => Ok(()),
        false => clear(tx, assignment),
    }
}

/// A reservation ends; nothing is left of an assignment by which nothing was leased or bought. A denial, written since by somebody
/// else, is no reservation: it stays.
pub(super) fn clear(tx: &mut Transaction<'_>, assignment: Uuid) -> Result<(), Violation> {
    let node = tx.node(assignment)?;
    if is_denial(&node) {
        let fields = node.fields().with(GRANTS_ACCESS, None);
        return tx.update(assignment, fields);
    }
    if node.hop_count(Hop::forward(rel::LEASES)) == 0 && !sale::was_buyers(node) {
        return tx.remove(assignment);
    }
    let fields = [RESERVATION, FROM, UNTIL, GRANTS_ACCESS]
        .into_iter()
        .fold(node.fields().to_fields(), |fields, field| fields.with(field, None));
    tx.update(assignment, fields)
}

/// Whether it lasts or not.
pub(super) fn is_reservation(assignment: &Entity) -> bool {
    assignment.fields().get(RESERVATION).and_then(Value::as_text) == Some("reserved")
}

/// Whether it lasts or not.
pub(super) fn is_denial(assignment: &Entity) -> bool {
    assignment.fields().get(RESERVATION).and_then(Value::as_text) == Some("denied")
}

/// Of one rule.
pub fn leased(graph: &Graph, rule: Uuid) -> Vec<Uuid> {
    let rule = graph.find(rule);
    let hops = rule.map(|rule| rule.hop(Hop::forward(rel::LEASED), None));
    hops.into_iter()
        .flatten()
        .map(|(assignment, _)| assignment.id)
        .collect()
}

/// What a member leases by any rule of a group.
pub fn of_member(group: Node<'_>, profile: Node<'_>) -> Vec<Uuid> {
    let by = |assignment: &Node<'_>| assignment.parent(rel::LEASED).and_then(super::ruled::group) == Some(group);
    let all = profile
        .hop(Hop::forward(rel::BY_PROFILE), None)
        .map(|(assignment, _)| assignment);
    all.filter(by).map(|assignment| assignment.id).collect()
}

/// The license and the holder of an assignment.
pub fn ends(assignment: Node<'_>) -> Option<(Node<'_>, Node<'_>)> {
    assignment
        .parent(rel::BY_LICENSE)
        .zip(assignment.parent(rel::BY_PROFILE))
}
