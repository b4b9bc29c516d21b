//! Ways to a license (`licensing.md` 2.1): who may consume from an entitlement at all, and which reservations end when a
//! way is closed. Of the license itself it asks only who opens it.

use uuid::Uuid;

use crate::graph::{Graph, Node, Transaction, Violation};
use crate::model::schema::Hop;
use crate::model::{Fields, Kind, Rel, Time, Value, Values, rel};

use super::select::Path;
use super::{ruled, seats, select, sets};

/// The ways a profile has to an entitlement now: it is its own, a relation of its own, those of the groups it is in.
pub fn to_entitlement<'g>(entitlement: Node<'g>, profile: Node<'g>, now: Time) -> impl Iterator<Item = Path<'g>> {
    let is_own = entitlement.parent(rel::PERSONAL) == Some(profile);
    let own = is_own.then_some(Path::Personal).into_iter();
    let is_direct = entitlement
        .relation(Hop::forward(rel::OPENS_PROFILE), profile)
        .is_some();
    let direct = is_direct.then_some(Path::Direct);
    let groups = profile
        .hop(Hop::forward(rel::MEMBERSHIP), None)
        .filter(move |(group, membership)| {
            select::is_member(*membership, now)
                && entitlement.relation(Hop::forward(rel::OPENS_GROUP), *group).is_some()
        });
    own.chain(direct).chain(groups.map(|(group, _)| Path::Group(group)))
}

/// Those to a license in it, but for rules of groups, and an assignment that opens it by itself. To one that is individual the
/// entitlement is no way; a set it is for opens it in either case.
pub fn to_license<'g>(
    license: Node<'g>,
    entitlement: Node<'g>,
    profile: Node<'g>,
    now: Time,
) -> impl Iterator<Item = Path<'g>> {
    let is_shared = !select::is_individual(&license);
    let shared = is_shared.then(|| to_entitlement(entitlement, profile, now));
    let set = license
        .parent(rel::FOR_SET)
        .filter(move |set| sets::has(*set, profile, now));
    shared.into_iter().flatten().chain(set.map(Path::Set))
}

/// A reservation that may have lost its way to the license.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    assignment: Uuid,
    profile: Uuid,
    entitlement: Uuid,
    /// The rule of a group by which it was held.
    rule: Option<Uuid>,
}

/// The reservations of a group's members (or of one of them) in what the group opens; asked before the way is closed.
/// An assignment that grants access by itself needs no way, so it is not among them.
pub fn reservations(group: Node<'_>, member: Option<Uuid>) -> Vec<Reservation> {
    if let Some(member) = member.and_then(|id| group.graph().find(id)) {
        // Those by rules first, as below: once a rule has gone, nothing else tells what it gave.
        let mut found = Vec::new();
        by_rules(group.graph(), ruled::of_member(group, member), &mut found);
        found.extend(of_member(member, |ends| is_by(group, ends, member)));
        return found;
    }
    let mut found = Vec::new();
    for (rule, _) in group.hop(Hop::forward(rel::RULES), None) {
        found.extend(of_rule(rule));
    }
    for (member, _) in group.hop(Hop::backward(rel::MEMBERSHIP), None) {
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
    let by_relation = || {
        !select::is_individual(&license)
            && ends
                .entitlement
                .relation(Hop::forward(rel::OPENS_GROUP), group)
                .is_some()
    };
    let is_of = |set: Node<'_>| set.parent(rel::SETS) == group.parent(rel::GROUPS);
    let is_in = |set: Node<'_>| is_of(set) && sets::fits_tags(set, member);
    let by_set = || license.parent(rel::FOR_SET).is_some_and(is_in);
    let by_rule = || ends.assignment.parent(rel::LEASED).is_none() && ruled::is_for(group, license);
    by_relation() || by_set() || by_rule()
}

/// Those that have their way by one relation of a group: with a member, or with an entitlement.
pub fn reservations_by(graph: &Graph, rel: Rel, from: Uuid, to: Uuid) -> Vec<Reservation> {
    let find = |id| graph.find(id);
    match (rel, find(from), find(to)) {
        (rel::MEMBERSHIP, Some(member), Some(group)) => reservations(group, Some(member.id)),
        (rel::OPENS_GROUP, Some(entitlement), Some(group)) => reservations_in(entitlement, group),
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
    for assignment in assignments.into_iter().filter_map(|id| graph.find(id)) {
        let ends = ruled::ends(assignment);
        let entitlement = ends.and_then(|(license, _)| license.parent(rel::LICENSES));
        if let Some(((_, profile), entitlement)) = ends.zip(entitlement) {
            found.push(Reservation {
                assignment: assignment.id,
                profile: profile.id,
                entitlement: entitlement.id,
                rule: assignment.parent(rel::LEASED).map(|rule| rule.id),
            });
        }
    }
}

/// Those of a consumer, a group or a profile, in one entitlement that it is about to lose. That opened nothing individual.
pub fn reservations_in(entitlement: Node<'_>, consumer: Node<'_>) -> Vec<Reservation> {
    let of = |member: Node<'_>| {
        of_member(member, |ends| {
            ends.entitlement.id == entitlement.id && !select::is_individual(&ends.license)
        })
    };
    if consumer.kind == Kind::Profile {
        return of(consumer);
    }
    let licenses = || {
        entitlement
            .hop(Hop::forward(rel::LICENSES), None)
            .map(|(license, _)| license)
    };
    // From the end that has fewer to look at: of the licenses those are reservations, and each license once.
    let members = Hop::backward(rel::MEMBERSHIP);
    let count = consumer.hop_count(members);
    let looks = |license: Node<'_>| match select::is_individual(&license) {
        true => 1,
        false => license.graph().reserving(license).take(count + 1).count().max(1),
    };
    let has_more = licenses()
        .try_fold(0, |sum: usize, license| {
            Some(sum + looks(license)).filter(|sum| *sum <= count)
        })
        .is_none();
    if has_more {
        return consumer.hop(members, None).flat_map(|(member, _)| of(member)).collect();
    }
    let mut found = Vec::new();
    for license in licenses().filter(|license| !select::is_individual(license)) {
        of_license(license, entitlement, consumer, &mut found);
    }
    found
}

/// A profile has fewer assignments than a license, most often: from that end.
fn of_member<'g>(profile: Node<'g>, is_meant: impl Fn(Ends<'g>) -> bool) -> Vec<Reservation> {
    let mut found = Vec::new();
    for (assignment, _) in profile.hop(Hop::forward(rel::BY_PROFILE), None) {
        let license = assignment
            .parent(rel::BY_LICENSE)
            .filter(|_| is_plain(assignment.fields()));
        let ends = license.and_then(|license| {
            Some(Ends {
                assignment,
                license,
                entitlement: license.parent(rel::LICENSES)?,
            })
        });
        if let Some(ends) = ends.filter(|ends| is_meant(*ends)) {
            found.push(Reservation {
                assignment: assignment.id,
                profile: profile.id,
                entitlement: ends.entitlement.id,
                rule: None,
            });
        }
    }
    found
}

fn of_license(license: Node<'_>, entitlement: Node<'_>, group: Node<'_>, found: &mut Vec<Reservation>) {
    for assignment in license.graph().reserving(license) {
        let Some(profile) = assignment
            .parent(rel::BY_PROFILE)
            .filter(|_| is_plain(assignment.fields()))
        else {
            continue;
        };
        if profile.relation(Hop::forward(rel::MEMBERSHIP), group).is_some() {
            found.push(Reservation {
                assignment: assignment.id,
                profile: profile.id,
                entitlement: entitlement.id,
                rule: None,
            });
        }
    }
}

fn is_plain(assignment: Values<'_>) -> bool {
    let field = |name: &str| assignment.get(Kind::Assignment.field(name)?);
    field("reservationType").and_then(Value::as_text) == Some("reserved")
        && field("grantsAccess").and_then(Value::as_bool) != Some(true)
}

/// Ends those whose profile has no way left; the assignment stays, as one of a floating seat. What a rule gave goes with the rule
/// or its group, whatever other way there is, unless another rule takes it over. Leases run on.
pub fn free_lost(tx: &mut Transaction<'_>, reservations: &[Reservation]) -> Result<(), Violation> {
    for reservation in reservations {
        match outcome(tx.graph(), reservation, tx.now()) {
            Outcome::Stays => {}
            Outcome::Floats(fields) => tx.update(reservation.assignment, fields)?,
            Outcome::PassedOn(rule) => ruled::hang(tx, reservation.assignment, rule)?,
            Outcome::GivenBack => ruled::give_back(tx, reservation.assignment)?,
        }
    }
    Ok(())
}

enum Outcome {
    Stays,
    /// The fields without the reservation.
    Floats(Fields),
    /// To another rule.
    PassedOn(Uuid),
    GivenBack,
}

fn outcome(graph: &Graph, reservation: &Reservation, now: Time) -> Outcome {
    let find = |id| graph.find(id);
    let found = find(reservation.assignment).zip(find(reservation.profile));
    let found =
        found.and_then(|(assignment, profile)| Some((assignment, profile, assignment.parent(rel::BY_LICENSE)?)));
    let Some((assignment, profile, license)) = found else {
        return Outcome::Stays;
    };
    let rule = assignment.parent(rel::LEASED);
    let went = reservation.rule.filter(|rule| find(*rule).is_none());
    if rule.is_none() && went.is_none() {
        let fields = lost(reservation, assignment, license, profile, now);
        return fields.map_or(Outcome::Stays, Outcome::Floats);
    }
    let group = rule.and_then(ruled::group);
    let membership = group.and_then(|group| profile.relation(Hop::forward(rel::MEMBERSHIP), group));
    if membership.is_some_and(|membership| select::is_member(membership, now)) {
        return Outcome::Stays;
    }
    let takes_over = |rule: &Node<'_>| ruled::Room::new(profile, now).is_for(*rule, license);
    let other = ruled::opens(license, profile, now).filter(|_| seats::holds(assignment.fields(), now));
    match other.filter(takes_over) {
        Some(rule) => Outcome::PassedOn(rule.id),
        None => Outcome::GivenBack,
    }
}

/// The assignment's fields without the reservation, if it has to go.
fn lost(
    reservation: &Reservation,
    assignment: Node<'_>,
    license: Node<'_>,
    profile: Node<'_>,
    now: Time,
) -> Option<Fields> {
    let entitlement = license.graph().find(reservation.entitlement)?;
    let is_open = || {
        let mut ways = to_license(license, entitlement, profile, now);
        ways.next().is_some() || ruled::opens(license, profile, now).is_some()
    };
    if !is_plain(assignment.fields()) || is_open() {
        return None;
    }
    Some(assignment.fields().with(ruled::RESERVATION, None))
}
