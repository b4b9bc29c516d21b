//! Leases: granted, renewed, given back, and tidied when they have ended (`licensing.md` 1.5, 1.6 and 2.4). Each is decided
//! and written in one transaction, where nobody else can take the seat in between. What was done is told as a value.

use std::ops::Bound;

use smallvec::SmallVec;
use uuid::Uuid;

use crate::graph::{Graph, Kept, Transaction, Violation};
use crate::model::schema::place;
use crate::model::{Fields, Kind, Time, Value, rel};

use super::credits;
use super::decision::{self, Decision, Granted, Refusal, Wanted};
use super::ended;
use super::lock;
use super::model;
use super::reason::Reason;
use super::refused::Refused;
use super::ruled;
use super::select;
use super::terms::Limited;

mod field {
    use crate::model::Kind;
    use crate::model::schema::place;

    pub const LEASE_ID: u8 = place(Kind::Consumption, "leaseId");
    pub const MODE: u8 = place(Kind::Consumption, "consumptionMode");
    pub const VERSION: u8 = place(Kind::Consumption, "consumedVersion");
    pub const GRANTED_AT: u8 = place(Kind::Consumption, "grantedAt");
    pub const GRANTED_UNTIL: u8 = place(Kind::Consumption, "grantedUntil");
    pub const RELEASED_AT: u8 = place(Kind::Consumption, "releasedAt");
    pub const ITEM: u8 = place(Kind::Consumption, "licensedItemId");
    pub const HW: u8 = place(Kind::Consumption, "hw");
    pub const HW_NAME: u8 = place(Kind::Consumption, "hwName");
    pub const PROCESS: u8 = place(Kind::Consumption, "process");
    pub const PROCESS_NAME: u8 = place(Kind::Consumption, "processName");
    pub const COUNT: u8 = place(Kind::Consumption, "consumedCount");
    pub const OVER_USE: u8 = place(Kind::Consumption, "overUse");
    pub const ABOVE: u8 = place(Kind::Consumption, "overUseCount");
}

/// What came of asking for one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Consumed(Lease),
    Renewed(Lease),
    Refused(Refusal),
}

/// A lease as it was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub id: Uuid,
    pub consumption: Uuid,
    pub assignment: Uuid,
    pub granted: Granted,
}

/// A lease that was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    pub id: Uuid,
    pub consumption: Uuid,
    pub assignment: Option<Uuid>,
    pub license: Option<Uuid>,
    /// The end of its cooldown; now, where there is none.
    pub until: Time,
}

/// Decides and writes. A refusal leaves nothing behind.
pub fn consume(tx: &mut Transaction<'_>, profile: Uuid, item: &str, wanted: &Wanted<'_>) -> Result<Outcome, Violation> {
    let granted = match decision::decide(tx.graph(), profile, item, wanted, tx.now()) {
        Decision::Granted(granted) => granted,
        Decision::Refused(refusal) => return Ok(Outcome::Refused(refusal)),
    };
    if !renews_its_own(tx.graph(), &granted) {
        return Ok(Outcome::Refused(Refusal {
            reason: Reason::NoConsumptionFoundById,
            license: None,
        }));
    }
    let savepoint = tx.savepoint();
    match write(tx, profile, wanted, granted, None) {
        Ok(lease) if granted.renews.is_some() => Ok(Outcome::Renewed(lease)),
        Ok(lease) => Ok(Outcome::Consumed(lease)),
        Err(violation) => {
            tx.rollback_to(savepoint);
            Err(violation)
        }
    }
}

/// A lease goes on by the rules of its own license. The decision sees to that; nothing is written should it not.
pub(super) fn renews_its_own(graph: &Graph, granted: &Granted) -> bool {
    granted.renews.is_none_or(|(consumption, _)| {
        let license = graph.find(consumption).and_then(decision::license);
        license.is_some_and(|license| license.id == granted.license)
    })
}

/// A lease for a Consumption that was just written under an assignment, and says nothing yet: the same rules, and the
/// same seats (design 16, no road round a rule).
pub fn consume_into(tx: &mut Transaction<'_>, consumption: Uuid) -> Result<Lease, Refused> {
    let graph = tx.graph();
    let refused = |reason| Refused::NotGranted(reason);
    let assignment = graph.find(consumption).and_then(|node| node.parent(rel::LEASES));
    let ends = assignment.and_then(|node| node.parent(rel::BY_LICENSE).zip(node.parent(rel::BY_PROFILE)));
    let Some((license, profile)) = ends else {
        return Err(refused(Reason::NotAuthorized));
    };
    let item = license.parent(rel::OF_ITEM);
    let name = item.and_then(|item| item.fields().get(place(Kind::LicensedItem, "name")).cloned());
    let (license, profile) = (license.id, profile.id);
    let wanted = Wanted {
        filters: select::Filters {
            license: Some(license),
            ..select::Filters::default()
        },
        ..Wanted::default()
    };
    let name = name.as_ref().and_then(Value::as_text).unwrap_or_default();
    match decision::decide(graph, profile, name, &wanted, tx.now()) {
        Decision::Granted(Granted {
            renews: Some((_, lease)),
            ..
        }) => Err(Refused::LeaseExists(lease)),
        Decision::Granted(granted) => Ok(write(tx, profile, &wanted, granted, Some(consumption))?),
        Decision::Refused(refusal) => Err(refused(refusal.reason)),
    }
}

fn write(
    tx: &mut Transaction<'_>,
    profile: Uuid,
    wanted: &Wanted<'_>,
    granted: Granted,
    into: Option<Uuid>,
) -> Result<Lease, Violation> {
    let assignment = assign(tx, profile, &granted)?;
    let (consumption, lease) = match granted.renews {
        Some((consumption, lease)) => {
            let before = tx
                .graph()
                .find(consumption)
                .map(|node| node.fields().to_fields())
                .unwrap_or_default();
            let fields = fields(before, lease, wanted, &granted, tx.now());
            tx.update(consumption, fields)?;
            (consumption, lease)
        }
        None => {
            let lease = tx.new_id();
            let fields = fields(Fields::default(), lease, wanted, &granted, tx.now());
            let consumption = match into {
                Some(consumption) => {
                    tx.update(consumption, fields)?;
                    consumption
                }
                None => {
                    let consumption = tx.new_id();
                    tx.create(consumption, Kind::Consumption, fields, Kept::default())?;
                    tx.relate(rel::LEASES, assignment, consumption, Fields::default())?;
                    consumption
                }
            };
            (consumption, lease)
        }
    };
    if granted.uses > 0 {
        credits::spend(tx, granted.license, Limited::UseCount, granted.uses, None)?;
    }
    if granted.use_time > 0 {
        let until = granted.until.millis();
        let from = until.saturating_sub(i64::try_from(granted.use_time).unwrap_or(i64::MAX));
        credits::spend(
            tx,
            granted.license,
            Limited::UseTime,
            granted.use_time,
            Some(Time(from)),
        )?;
    }
    if granted.locks {
        // A renewal that names no device goes on with the one it has.
        let lease = tx.graph().find(consumption);
        let hw = lease.and_then(|lease| lease.fields().get(field::HW).cloned());
        if let Some(hw) = hw.as_ref().and_then(Value::as_text) {
            lock::remember(tx, granted.license, granted.item_of_license, hw)?;
        }
    }
    Ok(Lease {
        id: lease,
        consumption,
        assignment,
        granted,
    })
}

/// The assignment the lease hangs on, which a rule may keep for its member.
fn assign(tx: &mut Transaction<'_>, profile: Uuid, granted: &Granted) -> Result<Uuid, Violation> {
    let assignment = assigned(tx, profile, granted)?;
    match granted.rule {
        Some(rule) if granted.reserves => ruled::lease(tx, assignment, rule, granted.kept_until)?,
        Some(rule) => ruled::used(tx, assignment, rule, granted.kept_until)?,
        None => {}
    }
    Ok(assignment)
}

/// The one of license and profile, or a new one of a floating seat.
fn assigned(tx: &mut Transaction<'_>, profile: Uuid, granted: &Granted) -> Result<Uuid, Violation> {
    let reservation = place(Kind::Assignment, "reservationType");
    let reserved = granted.reserves.then(|| Value::text("reserved"));
    let Some(id) = granted.assignment else {
        let id = tx.new_id();
        let fields = reserved.map(|reserved| (reservation, reserved)).into_iter().collect();
        tx.create(id, Kind::Assignment, fields, Kept::default())?;
        tx.relate(rel::BY_LICENSE, granted.license, id, Fields::default())?;
        tx.relate(rel::BY_PROFILE, profile, id, Fields::default())?;
        return Ok(id);
    };
    ended::forget(tx, id)?;
    if let Some(reserved) = reserved {
        let there = tx.node(id)?;
        let fields = there
            .fields()
            .with(reservation, Some(reserved))
            .with(place(Kind::Assignment, "validFrom"), None);
        tx.update(id, fields)?;
    }
    Ok(id)
}

/// The newest request says how the lease goes on; what it does not say stays.
fn fields(before: Fields, lease: Uuid, wanted: &Wanted<'_>, granted: &Granted, now: Time) -> Fields {
    use field::*;
    let text = |text: &str| Value::text(text);
    // Few leases have any: those that have none keep no number.
    let above = (granted.above > 0).then(|| Value::Int(i64::from(granted.above)));
    let new: SmallVec<[(u8, Option<Value>); 13]> = [
        (LEASE_ID, Some(Value::Uuid(lease))),
        (MODE, Some(text(wanted.mode.name()))),
        (VERSION, wanted.version.map(text)),
        (GRANTED_UNTIL, Some(Value::Time(granted.kept_until))),
        (ITEM, Some(Value::Uuid(granted.item))),
        (HW, wanted.hw.map(|hw| text(hw.id))),
        (HW_NAME, wanted.hw.and_then(|hw| hw.name).map(text)),
        (PROCESS, wanted.process.map(|process| text(process.id))),
        (PROCESS_NAME, wanted.process.and_then(|process| process.name).map(text)),
        (COUNT, Some(Value::Int(i64::from(granted.count)))),
        (OVER_USE, Some(Value::Bool(granted.above > 0))),
        (ABOVE, above),
    ]
    .into_iter()
    .collect();
    let at = before.get(GRANTED_AT).cloned().unwrap_or(Value::Time(now));
    let kept = before.iter().filter(|(field, _)| *field != ABOVE);
    let kept = kept.map(|(field, value)| (field, value.clone()));
    let new = new.into_iter().filter_map(|(field, value)| Some((field, value?)));
    // Of two values for a field the later wins.
    kept.chain([(GRANTED_AT, at)]).chain(new).collect()
}

/// Gives a lease back. `holder`: only one's own; `None` is an administrator's, whatever the model says, and at once.
/// Somebody else's lease is answered like an unknown one.
pub fn release(tx: &mut Transaction<'_>, holder: Option<Uuid>, lease: Uuid) -> Result<Released, Refused> {
    let now = tx.now();
    let unknown = Refused::NotGranted(Reason::NoConsumptionFoundById);
    let Some(node) = decision::lease(tx.graph(), lease, now) else {
        return Err(unknown);
    };
    let assignment = node.parent(rel::LEASES);
    let owner = assignment
        .and_then(|assignment| assignment.parent(rel::BY_PROFILE))
        .map(|profile| profile.id);
    if holder.is_some_and(|holder| owner != Some(holder)) {
        return Err(unknown);
    }
    let license = assignment.and_then(|assignment| assignment.parent(rel::BY_LICENSE));
    let times = license
        .map(|license| model::of_license(license).lease)
        .unwrap_or_default();
    if holder.is_some() && !times.allow_release {
        return Err(Refused::NotGranted(Reason::ReleaseNotAllowed));
    }
    let cooldown = if holder.is_some() { times.cooldown } else { 0 };
    // Its seat rests on a credit that lasts as long as the lease would have, and perhaps no longer.
    let ended = node.fields().get(field::GRANTED_UNTIL).and_then(Value::as_time);
    let cooled = Time(now.millis().saturating_add(cooldown));
    let until = ended.map_or(cooled, |ended| ended.min(cooled));
    let released = Released {
        id: lease,
        consumption: node.id,
        assignment: assignment.map(|assignment| assignment.id),
        license: license.map(|license| license.id),
        until,
    };
    if cooldown > 0 {
        let fields = node
            .fields()
            .with(field::GRANTED_UNTIL, Some(Value::Time(until)))
            .with(field::RELEASED_AT, Some(Value::Time(now)));
        tx.update(released.consumption, fields)?;
    } else {
        tx.remove(released.consumption)?;
    }
    Ok(released)
}

/// When the first of those ended that `expire` would remove.
pub fn first_expired(graph: &Graph, now: Time) -> Option<Time> {
    let first = expired(graph, now).next()?;
    first.fields().get(field::GRANTED_UNTIL).and_then(Value::as_time)
}

fn expired(graph: &Graph, now: Time) -> impl Iterator<Item = crate::graph::Node<'_>> {
    let to = Value::Time(now);
    graph.in_range(
        Kind::Consumption,
        field::GRANTED_UNTIL,
        Bound::Unbounded,
        Bound::Included(&to),
    )
}

/// Removes leases that have ended, the first to end first, at most so many. They were gone for every count before: this
/// only tidies.
pub fn expire(tx: &mut Transaction<'_>, most: usize) -> Result<Vec<Uuid>, Violation> {
    let ended: Vec<Uuid> = expired(tx.graph(), tx.now()).take(most).map(|lease| lease.id).collect();
    for lease in &ended {
        tx.remove(*lease)?;
    }
    Ok(ended)
}
