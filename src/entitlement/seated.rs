//! Assigning one license, to a user or to all members of a group (`doors.md` B.6 and E). An assignment that is active is a
//! reservation that opens its license by itself, and takes a seat as any reservation does; one that is not is kept, and
//! takes none. A group is assigned a license all or nothing, each member at once.

use uuid::Uuid;

use crate::graph::{Kept, Node, Transaction, Violation};
use crate::model::schema::{Hop, place};
use crate::model::{Entity, Fields, Kind, Time, Value, rel};

use super::reason::Reason;
use super::refused::Refused;
use super::reserve::Had;
use super::ruled;
use super::select;
use super::{decision, ended, reserve, sale, seats};

pub const ACTIVE: u8 = place(Kind::Assignment, "active");
pub const DIRECT: u8 = place(Kind::Assignment, "direct");
pub const FULFILLED: u8 = place(Kind::Assignment, "fulfilled");
pub const REDIRECT: u8 = place(Kind::Assignment, "redirectTo");
pub const METADATA: u8 = place(Kind::Assignment, "metadata");
pub const GROUP_ACTIVE: u8 = place(Kind::GroupAssignment, "active");
pub const GROUP_FULFILLED: u8 = place(Kind::GroupAssignment, "fulfilled");
pub const GROUP_REDIRECT: u8 = place(Kind::GroupAssignment, "redirectTo");
pub const GROUP_METADATA: u8 = place(Kind::GroupAssignment, "metadata");
const LICENSE_ACTIVE: u8 = place(Kind::License, "active");

/// What an assignment says beside whose it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    pub active: bool,
    pub direct: bool,
    pub fulfilled: bool,
    /// It was assigned before it came here: whether a license is open is asked of what is new.
    pub carried_over: bool,
    /// `None` stays as it is.
    pub redirect_to: Option<Option<String>>,
    /// A JSON text; `None` stays as it is.
    pub metadata: Option<Option<String>>,
}

/// Is the license assigned by it, whoever did so? One that is inactive still is.
pub fn is_assigned(assignment: &Entity, now: Time) -> bool {
    is_active(assignment, now) || is_kept_back(assignment, now)
}

/// It holds a seat, and opens its license.
pub fn is_active(assignment: &Entity, now: Time) -> bool {
    seats::holds(assignment.fields(), now) && assignment.fields().get(ruled::GRANTS_ACCESS) == Some(&Value::Bool(true))
}

/// Was it assigned here, active or not? Then whatever else it hangs on may end without it.
pub fn is_own(assignment: &Entity) -> bool {
    assignment.fields().get(ACTIVE).is_some()
}

/// Is it kept without a seat? Its holder is not to have the license by what others allocate either (`doors.md` E, masking).
pub fn is_kept_back(assignment: &Entity, now: Time) -> bool {
    assignment.fields().get(ACTIVE) == Some(&Value::Bool(false)) && !ended::has_ended(assignment, now)
}

/// Is it its holder's, whatever a rule or a direct record that it hangs on as well comes to?
pub(super) fn stays(assignment: Node<'_>) -> bool {
    is_own(&assignment) || sale::is_buyers(assignment)
}

/// Was it made for a user alone?
pub fn is_direct(assignment: Node<'_>) -> bool {
    match assignment.fields().get(DIRECT).and_then(Value::as_bool) {
        Some(direct) => direct,
        None => assignment.parent(rel::LEASED).is_none(),
    }
}

/// One that is not valid yet may be promised; one that is suspended or over may not.
fn is_open(license: Node<'_>, now: Time) -> Result<(), Refused> {
    match decision::validity(&license, now) {
        Some(Reason::LicenseNotYetValid) | None => {}
        Some(reason) => return Err(Refused::NotGranted(reason)),
    }
    match license.fields().get(LICENSE_ACTIVE) {
        Some(Value::Bool(false)) => Err(Refused::NotGranted(Reason::LicenseSuspended)),
        _ => Ok(()),
    }
}

/// The assignment of a license and a user, made or as the terms have it now. All or nothing: on a refusal the caller abandons
/// the transaction.
pub fn assign(tx: &mut Transaction<'_>, license: Uuid, profile: Uuid, terms: &Terms) -> Result<Uuid, Refused> {
    let id = put(tx, license, profile, terms)?;
    if terms.direct {
        leave_group(tx, id)?;
    }
    Ok(id)
}

fn leave_group(tx: &mut Transaction<'_>, assignment: Uuid) -> Result<(), Violation> {
    let group = tx.node(assignment)?.parent(rel::BY_GROUP).map(|group| group.id);
    match group {
        Some(group) => tx.unrelate(rel::BY_GROUP, group, assignment),
        None => Ok(()),
    }
}

fn put(tx: &mut Transaction<'_>, license: Uuid, profile: Uuid, terms: &Terms) -> Result<Uuid, Refused> {
    let now = tx.now();
    let there = tx.graph().assignment(tx.node(license)?, tx.node(profile)?);
    if let Some(there) = there.map(|there| there.id) {
        ended::forget(tx, there)?;
    }
    let node = tx.node(license)?;
    let there = tx.graph().assignment(node, tx.node(profile)?);
    let before = there.map(|there| there.fields().to_fields()).unwrap_or_default();
    let is_denied = there.is_some_and(|there| select::denies(&there, now));
    let holds = there.is_some_and(|there| is_active(&there, now));
    let had = there.map_or(Had::default(), |there| Had::of(there, now));
    if terms.active && !holds {
        if !terms.carried_over {
            is_open(node, now)?;
        }
        if is_denied {
            return Err(Refused::NotGranted(Reason::ConsumptionDenied));
        }
    }
    if !terms.active && there.is_some_and(sale::is_buyers) {
        return Err(Refused::SoldToHolder(license));
    }
    if !terms.active
        && let Some(license) = there.and_then(|there| reserve::reserved(there, now))
    {
        reserve::may_release(license)?;
    }
    let there = there.map(|there| there.id);
    let mut fields = match (terms.active, is_denied) {
        (true, _) => before
            .with(ruled::RESERVATION, Some(Value::text("reserved")))
            .with(ruled::GRANTS_ACCESS, Some(Value::Bool(true)))
            .with(ruled::FROM, None)
            .with(ruled::UNTIL, None),
        // A denial was somebody else's word.
        (false, true) => before,
        (false, false) => [ruled::RESERVATION, ruled::GRANTS_ACCESS, ruled::FROM, ruled::UNTIL]
            .into_iter()
            .fold(before, |fields, field| fields.with(field, None)),
    };
    fields = fields
        .with(ACTIVE, Some(Value::Bool(terms.active)))
        .with(DIRECT, Some(Value::Bool(terms.direct)))
        .with(FULFILLED, Some(Value::Bool(terms.fulfilled)));
    for (field, given) in [(REDIRECT, &terms.redirect_to), (METADATA, &terms.metadata)] {
        if let Some(given) = given {
            fields = fields.with(field, given.as_deref().map(Value::text));
        }
    }
    let id = match there {
        Some(id) => {
            tx.update(id, fields)?;
            // It ends with no rule any more.
            ruled::relink(tx, id, None)?;
            id
        }
        None => {
            let id = tx.new_id();
            tx.create(id, Kind::Assignment, fields, Kept::default())?;
            tx.relate(rel::BY_LICENSE, license, id, Fields::default())?;
            tx.relate(rel::BY_PROFILE, profile, id, Fields::default())?;
            id
        }
    };
    if terms.active {
        reserve::fits(tx.node(license)?, had, now)?;
    }
    Ok(id)
}

/// The license is the user's no longer: the seat is free, live leases run out.
pub fn take_back(tx: &mut Transaction<'_>, assignment: Uuid) -> Result<(), Refused> {
    let node = tx.node(assignment)?;
    if sale::is_buyers(node) {
        let license = node.parent(rel::BY_LICENSE).unwrap_or(node).id;
        return Err(Refused::SoldToHolder(license));
    }
    if let Some(license) = reserve::reserved(tx.node(assignment)?, tx.now()) {
        reserve::may_release(license)?;
    }
    ruled::relink(tx, assignment, None)?;
    ruled::leave_record(tx, assignment)?;
    strip(tx, assignment)?;
    Ok(ruled::clear(tx, assignment)?)
}

/// Nothing of it is from here any more.
fn strip(tx: &mut Transaction<'_>, assignment: Uuid) -> Result<(), Violation> {
    leave_group(tx, assignment)?;
    let fields = [ACTIVE, DIRECT, FULFILLED, REDIRECT, METADATA]
        .into_iter()
        .fold(tx.node(assignment)?.fields().to_fields(), |fields, field| {
            fields.with(field, None)
        });
    tx.update(assignment, fields)
}

/// What a group's assignment says, which it says of each member.
struct Said {
    active: Option<Value>,
    fulfilled: Option<Value>,
    redirect_to: Option<Value>,
}

impl Said {
    fn by_group(assignment: &Entity) -> Self {
        let said = |field: u8| assignment.fields().get(field).cloned();
        Self {
            active: said(GROUP_ACTIVE),
            fulfilled: said(GROUP_FULFILLED),
            redirect_to: said(GROUP_REDIRECT),
        }
    }

    /// The new terms for a member of whom this was said: what was decided of the member alone since is so still.
    fn becomes(&self, terms: &Terms, member: &Entity) -> Terms {
        let is = |field: u8| member.fields().get(field);
        let flag = |field: u8, said: &Option<Value>, new: bool| match is(field) {
            Some(Value::Bool(own)) if is(field) != said.as_ref() => *own,
            _ => new,
        };
        let is_redirected_alone = is(REDIRECT) != self.redirect_to.as_ref();
        Terms {
            active: flag(ACTIVE, &self.active, terms.active),
            fulfilled: flag(FULFILLED, &self.fulfilled, terms.fulfilled),
            redirect_to: terms.redirect_to.clone().filter(|_| !is_redirected_alone),
            ..terms.clone()
        }
    }
}

/// The group's assignment, made or as the terms have it now. Each member that has no assignment of the license gets
/// one, or nobody does; who has one, or is denied the license, is left alone. Those that the group's assignment made say what
/// it says, but for what was decided of the member alone, and one that is inactive by itself is left alone. One that came
/// from another group and has lost its seat is this group's then.
pub fn assign_group(tx: &mut Transaction<'_>, license: Uuid, group: Uuid, terms: &Terms) -> Result<Uuid, Refused> {
    let former = of_group(tx.node(license)?, tx.node(group)?).map(|there| Said::by_group(&there));
    let id = put_group(tx, license, group, terms)?;
    let now = tx.now();
    let members: Vec<Uuid> = members(tx.node(group)?, now).map(|member| member.id).collect();
    let of_member = Terms {
        direct: false,
        metadata: None,
        ..terms.clone()
    };
    for member in members {
        let there = tx.graph().assignment(tx.node(license)?, tx.node(member)?);
        if there.is_some_and(|there| select::denies(&there, now)) {
            continue;
        }
        // Of one that has ended nothing is left.
        let there = there.filter(|there| !ended::has_ended(there, now));
        let ours = there.filter(|there| there.parent(rel::BY_GROUP).is_some_and(|by| by.id == id));
        let terms = match ours.zip(former.as_ref()) {
            Some((ours, former)) if is_kept_back(&ours, now) && former.active != Some(Value::Bool(false)) => continue,
            Some((ours, former)) => former.becomes(&of_member, &ours),
            None if !terms.active || there.is_some_and(|there| is_assigned(&there, now)) => continue,
            None => of_member.clone(),
        };
        let assignment = put(tx, license, member, &terms)?;
        if tx.node(assignment)?.parent(rel::BY_GROUP).is_none_or(|by| by.id != id) {
            leave_group(tx, assignment)?;
            tx.relate(rel::BY_GROUP, id, assignment, Fields::default())?;
        }
    }
    Ok(id)
}

fn put_group(tx: &mut Transaction<'_>, license: Uuid, group: Uuid, terms: &Terms) -> Result<Uuid, Violation> {
    let there = of_group(tx.node(license)?, tx.node(group)?);
    let before = there.map(|there| there.fields().to_fields()).unwrap_or_default();
    let there = there.map(|there| there.id);
    let mut fields = before
        .with(GROUP_ACTIVE, Some(Value::Bool(terms.active)))
        .with(GROUP_FULFILLED, Some(Value::Bool(terms.fulfilled)));
    for (field, given) in [(GROUP_REDIRECT, &terms.redirect_to), (GROUP_METADATA, &terms.metadata)] {
        if let Some(given) = given {
            fields = fields.with(field, given.as_deref().map(Value::text));
        }
    }
    if let Some(id) = there {
        tx.update(id, fields)?;
        return Ok(id);
    }
    let id = tx.new_id();
    tx.create(id, Kind::GroupAssignment, fields, Kept::default())?;
    tx.relate(rel::GROUP_ASSIGNMENTS, license, id, Fields::default())?;
    tx.relate(rel::OF_GROUP, group, id, Fields::default())?;
    Ok(id)
}

/// From whichever end has fewer to look at.
fn of_group<'g>(license: Node<'g>, group: Node<'g>) -> Option<Node<'g>> {
    let (by_license, by_group) = (Hop::forward(rel::GROUP_ASSIGNMENTS), Hop::forward(rel::OF_GROUP));
    if license.hop_count(by_license) < group.hop_count(by_group) {
        let mut all = license.hop(by_license, None).map(|(one, _)| one);
        all.find(|one| one.parent(rel::OF_GROUP) == Some(group))
    } else {
        let mut all = group.hop(by_group, None).map(|(one, _)| one);
        all.find(|one| one.parent(rel::GROUP_ASSIGNMENTS) == Some(license))
    }
}

/// How many are in a group, now or at some time.
pub fn member_count(group: Node<'_>) -> usize {
    group.hop_count(Hop::backward(rel::MEMBERSHIP))
}

/// Those who are in a group now.
pub fn members<'g>(group: Node<'g>, now: Time) -> impl Iterator<Item = Node<'g>> {
    let all = group.hop(Hop::backward(rel::MEMBERSHIP), None);
    all.filter(move |&(_, membership)| select::is_member(membership, now))
        .map(|(member, _)| member)
}

/// The group has the license no longer. What it made of its members goes along, or stays with each as an assignment of its
/// own; what is also allocated directly, or was sold, stays in either case.
pub fn end_group(tx: &mut Transaction<'_>, group_assignment: Uuid, take_along: bool) -> Result<(), Refused> {
    let made: Vec<Uuid> = tx
        .node(group_assignment)?
        .hop(Hop::forward(rel::BY_GROUP), None)
        .map(|(assignment, _)| assignment.id)
        .collect();
    for assignment in made {
        let node = tx.node(assignment)?;
        let is_also_else = node.parent(rel::ALLOCATED).is_some() || sale::is_buyers(node);
        match (take_along, is_also_else) {
            (true, false) => take_back(tx, assignment)?,
            (true, true) => strip(tx, assignment)?,
            (false, _) => leave_group(tx, assignment)?,
        }
    }
    Ok(tx.remove(group_assignment)?)
}
