//! Ways to a license (`licensing.md` 2.1): who may consume from an entitlement at all, and which reservations end when a
//! way is closed. Of the license itself it asks only who opens it.

use uuid::Uuid;

use crate::graph::{Graph, Node, Transaction, Violation};
use crate::model::schema::{Hop, RelationType, known};
use crate::model::{Fields, Kind, Rel, Time, Value, Values};

use super::{ruled, select, sets};

const MEMBERSHIP: Rel = known(RelationType::Membership, Kind::Profile, Kind::ProfileGroup);
const OPENS_GROUP: Rel = known(
    RelationType::LicenseConsumerRelation,
    Kind::Entitlement,
    Kind::ProfileGroup,
);
const OPENS_PROFILE: Rel = known(RelationType::LicenseConsumerRelation, Kind::Entitlement, Kind::Profile);
const PERSONAL: Rel = known(RelationType::OneToMany, Kind::Profile, Kind::Entitlement);
const LICENSES: Rel = known(RelationType::OneToMany, Kind::Entitlement, Kind::License);
const BY_LICENSE: Rel = known(RelationType::OneToMany, Kind::License, Kind::Assignment);
const BY_PROFILE: Rel = known(RelationType::OneToMany, Kind::Profile, Kind::Assignment);

/// Has the profile a way to the entitlement now: its own, a relation of its own, or one of a group it is in?
pub fn opens(entitlement: Node<'_>, profile: Node<'_>, now: Time) -> bool {
    entitlement.parent(PERSONAL).is_some_and(|owner| owner.id == profile.id)
        || entitlement.relation(Hop::forward(OPENS_PROFILE), profile).is_some()
        || profile.hop(Hop::forward(MEMBERSHIP), None).any(|(group, membership)| {
            is_valid(membership, now) && entitlement.relation(Hop::forward(OPENS_GROUP), group).is_some()
        })
}

fn is_valid(membership: Values<'_>, now: Time) -> bool {
    let time = |name: &str| membership.get(MEMBERSHIP.def().field(name)?)?.as_time();
    time("validFrom").is_none_or(|from| from <= now) && time("validUntil").is_none_or(|until| now < until)
}

/// A reservation that may have lost its way to the license.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    assignment: Uuid,
    profile: Uuid,
    entitlement: Uuid,
    /// It is held by the rule of a group.
    by_rule: bool,
}

/// The reservations of a group's members (or of one of them) in what the group opens; asked before the way is closed.
/// An assignment that grants access by itself needs no way, so it is not among them.
pub fn reservations(group: Node<'_>, member: Option<Uuid>) -> Vec<Reservation> {
    if let Some(member) = member.and_then(|id| group.graph().find(id)) {
        // Those by rules first, as below: the end that a rule gave goes with the reservation.
        let mut found = Vec::new();
        by_rules(group.graph(), ruled::of_member(group, member), &mut found);
        found.extend(of_member(member, |ends| is_by(group, ends, member)));
        return found;
    }
    let mut found = Vec::new();
    for (rule, _) in group.hop(Hop::forward(ruled::RULES), None) {
        found.extend(of_rule(rule));
    }
    for (member, _) in group.hop(Hop::backward(MEMBERSHIP), None) {
        found.extend(of_member(member, |ends| is_by(group, ends, member)));
    }
    found
}

/// An assignment with what it is of, and where that lies.
#[derive(Clone, Copy)]
struct Ends<'g> {
    assignment: Node<'g>,
    license: Node<'g>,
    entitlement: Node<'g>,
}

/// May it be by what a group opens to its members: an entitlement, the licenses of a set they are in by it, or those of a rule?
/// What is leased by a rule is asked of that one.
fn is_by<'g>(group: Node<'g>, ends: Ends<'g>, member: Node<'g>) -> bool {
    let license = ends.license;
    let by_relation =
        || !select::is_individual(&license) && ends.entitlement.relation(Hop::forward(OPENS_GROUP), group).is_some();
    let is_of = |set: Node<'_>| set.parent(sets::SETS) == group.parent(ruled::GROUP_OF);
    let is_in = |set: Node<'_>| is_of(set) && sets::fits_tags(set, member);
    let by_set = || license.parent(sets::FOR_SET).is_some_and(is_in);
    let by_rule = || ends.assignment.parent(ruled::LEASED).is_none() && ruled::is_for(group, license);
    by_relation() || by_set() || by_rule()
}

/// Those that have their way by one relation of a group: with a member, or with an entitlement.
pub fn reservations_by(graph: &Graph, rel: Rel, from: Uuid, to: Uuid) -> Vec<Reservation> {
    let find = |id| graph.find(id);
    match (rel, find(from), find(to)) {
        (MEMBERSHIP, Some(member), Some(group)) => reservations(group, Some(member.id)),
        (OPENS_GROUP, Some(entitlement), Some(group)) => reservations_in(entitlement, group),
        _ => Vec::new(),
    }
}

/// What is leased by a rule that is about to go.
pub fn of_rule(rule: Node<'_>) -> Vec<Reservation> {
    let mut found = Vec::new();
    by_rules(rule.graph(), ruled::leased(rule.graph(), rule.id), &mut found);
    found
}

fn by_rules(graph: &Graph, assignments: Vec<Uuid>, found: &mut Vec<Reservation>) {
    for id in assignments {
        let ends = graph.find(id).and_then(ruled::ends);
        let entitlement = ends.and_then(|(license, _)| license.parent(LICENSES));
        if let Some(((_, profile), entitlement)) = ends.zip(entitlement) {
            found.push(Reservation {
                assignment: id,
                profile: profile.id,
                entitlement: entitlement.id,
                by_rule: true,
            });
        }
    }
}

/// Those of a consumer, a group or a profile, in one entitlement that it is about to lose. That opened nothing individual.
pub fn reservations_in(entitlement: Node<'_>, consumer: Node<'_>) -> Vec<Reservation> {
    if consumer.kind == Kind::Profile {
        return of_member(consumer, |ends| {
            ends.entitlement.id == entitlement.id && !select::is_individual(&ends.license)
        });
    }
    let mut found = Vec::new();
    for (license, _) in entitlement.hop(Hop::forward(LICENSES), None) {
        if !select::is_individual(&license) {
            of_license(license, entitlement, consumer, &mut found);
        }
    }
    found
}

/// A profile has fewer assignments than a license, most often: from that end.
fn of_member<'g>(profile: Node<'g>, is_meant: impl Fn(Ends<'g>) -> bool) -> Vec<Reservation> {
    let mut found = Vec::new();
    for (assignment, _) in profile.hop(Hop::forward(BY_PROFILE), None) {
        let license = assignment.parent(BY_LICENSE).filter(|_| is_plain(assignment.fields()));
        let ends = license.and_then(|license| {
            Some(Ends {
                assignment,
                license,
                entitlement: license.parent(LICENSES)?,
            })
        });
        if let Some(ends) = ends.filter(|ends| is_meant(*ends)) {
            found.push(Reservation {
                assignment: assignment.id,
                profile: profile.id,
                entitlement: ends.entitlement.id,
                by_rule: false,
            });
        }
    }
    found
}

fn of_license(license: Node<'_>, entitlement: Node<'_>, group: Node<'_>, found: &mut Vec<Reservation>) {
    for assignment in license.graph().reserving(license) {
        let Some(profile) = assignment.parent(BY_PROFILE).filter(|_| is_plain(assignment.fields())) else {
            continue;
        };
        if profile.relation(Hop::forward(MEMBERSHIP), group).is_some() {
            found.push(Reservation {
                assignment: assignment.id,
                profile: profile.id,
                entitlement: entitlement.id,
                by_rule: false,
            });
        }
    }
}

fn is_plain(assignment: Values<'_>) -> bool {
    let field = |name: &str| assignment.get(Kind::Assignment.field(name)?);
    field("reservationType").and_then(Value::as_text) == Some("reserved")
        && field("grantsAccess").and_then(Value::as_bool) != Some(true)
}

/// Ends those whose profile has no way left; the assignment stays, as one of a floating seat. Leases run on.
pub fn free_lost(tx: &mut Transaction<'_>, reservations: &[Reservation]) -> Result<(), Violation> {
    for reservation in reservations {
        if let Some(fields) = lost(tx.graph(), reservation, tx.now()) {
            ruled::relink(tx, reservation.assignment, None)?;
            tx.update(reservation.assignment, fields)?;
        } else if let Some(rule) = passed_on(tx.graph(), reservation, tx.now()) {
            ruled::relink(tx, reservation.assignment, rule)?;
        }
    }
    Ok(())
}

/// The assignment's fields without the reservation, if it has to go.
fn lost(graph: &Graph, reservation: &Reservation, now: Time) -> Option<Fields> {
    let assignment = graph.find(reservation.assignment)?;
    let profile = graph.find(reservation.profile)?;
    let entitlement = graph.find(reservation.entitlement)?;
    let license = assignment.parent(BY_LICENSE)?;
    let by_set = || {
        let set = license.parent(sets::FOR_SET);
        set.is_some_and(|set| sets::has(set, profile, now))
    };
    let by_way = || !select::is_individual(&license) && opens(entitlement, profile, now);
    let is_open = || by_way() || by_set() || ruled::opens(license, profile, now).is_some();
    if !is_plain(assignment.fields()) || is_open() {
        return None;
    }
    let fields = assignment
        .fields()
        .with(Kind::Assignment.field("reservationType")?, None);
    // An end that a rule gave it says nothing about a floating seat.
    match reservation.by_rule {
        true => Some(fields.with(Kind::Assignment.field("validUntil")?, None)),
        false => Some(fields),
    }
}

/// One that stays by another way counts for its group's rule no longer, but for that of the other way, if it is one.
fn passed_on(graph: &Graph, reservation: &Reservation, now: Time) -> Option<Option<Uuid>> {
    let assignment = graph.find(reservation.assignment)?;
    let profile = graph.find(reservation.profile)?;
    match assignment.parent(ruled::LEASED) {
        Some(rule) => {
            let membership = profile.relation(Hop::forward(MEMBERSHIP), ruled::group(rule)?);
            if membership.is_some_and(|membership| is_valid(membership, now)) {
                return None;
            }
        }
        // The rule itself has gone.
        None if reservation.by_rule => {}
        None => return None,
    }
    let license = assignment.parent(BY_LICENSE)?;
    Some(ruled::opens(license, profile, now).map(|rule| rule.id))
}
