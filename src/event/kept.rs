//! The events a commit keeps since its changes alone would not tell them: about a license, a seat or a lease that hangs where it hung
//! before. Asked of every commit, so that one without any of those costs a look at each change and nothing more.

use std::collections::{HashMap, HashSet};

use compact_str::CompactString;
use foldhash::fast::RandomState;
use uuid::Uuid;

use super::around::{self, value};
use super::{context, event};
use crate::graph::Graph;
use crate::model::schema::Hop;
use crate::model::{Change, Entity, Event, Fact, Facts, Kind, Rel, Serial, Time, Value, Whose, rel};

/// `graph` is as the commit left it. What was told of a lease in so many words is completed by what stands around it, or goes into the event
/// that its change makes.
pub fn kept(graph: &Graph, changes: &[Change], whose: &Whose, now: Time, events: &mut Vec<Event>) {
    let mut scene: Option<Scene<'_>> = None;
    let mut notes: Vec<Event> = events
        .extract_if(.., |event| event.object_type == Kind::Consumption.name())
        .collect();
    let (all_whose, mut are_told) = (whose, false);
    for (change, whose) in changes.iter().zip(whose.iter()) {
        let Change::Entity { before, after } = change else {
            continue;
        };
        let (before, after) = (before.as_ref(), after.as_ref());
        let Some(entity) = after.or(before) else { continue };
        let is_one = match entity.kind {
            Kind::Assignment | Kind::Consumption => true,
            Kind::License => before.is_some() && after.is_some(),
            Kind::SeatCountCredit => true,
            _ => false,
        };
        if !is_one {
            continue;
        }
        let scene = scene.get_or_insert_with(|| Scene::new(graph, changes, now));
        match (entity.kind, before, after) {
            (Kind::License, Some(before), Some(after)) => scene.license(before, after, whose, events),
            // Told once for all of them.
            (Kind::SeatCountCredit, ..) if !are_told => {
                scene.credits(all_whose, events);
                are_told = true;
            }
            (Kind::Assignment, ..) => scene.assignment(before, after, whose, events),
            (Kind::Consumption, ..) => scene.consumption(before, after, whose, &mut notes, events),
            _ => {}
        }
    }
    for mut note in notes {
        let scene = scene.get_or_insert_with(|| Scene::new(graph, changes, now));
        if let Some(lease) = scene.entity(note.object) {
            let mut facts = scene.around_lease(lease);
            note.facts.drain(..).for_each(|fact| add(&mut facts, fact));
            note.facts = facts;
        }
        events.push(note);
    }
    context::keep(graph, changes, events);
}

/// By their ids, as they were.
type Credits<'c> = HashMap<Uuid, Option<&'c Entity>, RandomState>;

/// The graph after a commit, and what the commit took away from it.
struct Scene<'c> {
    graph: &'c Graph,
    changes: &'c [Change],
    now: Time,
    gone: HashMap<Uuid, &'c Entity, RandomState>,
    parents: HashMap<(Uuid, Rel), Uuid, RandomState>,
}

impl<'c> Scene<'c> {
    fn new(graph: &'c Graph, changes: &'c [Change], now: Time) -> Self {
        let mut scene = Self {
            graph,
            changes,
            now,
            gone: HashMap::default(),
            parents: HashMap::default(),
        };
        for change in changes {
            match change {
                Change::Entity {
                    before: Some(was),
                    after: None,
                } => {
                    scene.gone.insert(was.id, was);
                }
                Change::Relation {
                    before: Some(was),
                    after: None,
                } => {
                    scene.parents.insert((was.to.id, was.rel), was.from.id);
                }
                _ => {}
            }
        }
        scene
    }

    /// Where it hangs, or hung until this commit.
    fn parent(&self, id: Uuid, rel: Rel) -> Option<Uuid> {
        let now = self.graph.find(id).and_then(|node| node.parent(rel));
        now.map(|parent| parent.id)
            .or_else(|| self.parents.get(&(id, rel)).copied())
    }

    fn entity(&self, id: Uuid) -> Option<&Entity> {
        let now = self.graph.find(id).map(|node| node.entity());
        now.or_else(|| self.gone.get(&id).copied())
    }

    fn around_license(&self, facts: &mut Facts, license: Uuid, asked: Option<Uuid>) {
        facts.push(("licenseId".into(), Value::Uuid(license).into()));
        let item = asked.or_else(|| self.parent(license, rel::OF_ITEM));
        let entitlement = self.parent(license, rel::LICENSES);
        around::of_owners(facts, entitlement, item, |id, rel| self.parent(id, rel));
        around::of_item(facts, item.and_then(|id| self.entity(id)));
    }

    fn license(&self, before: &Entity, after: &Entity, whose: Option<Serial>, events: &mut Vec<Event>) {
        let active = |license: &Entity| value(license, "active") != Some(&Value::Bool(false));
        let mut facts = Facts::new();
        self.around_license(&mut facts, after.id, None);
        match (active(before), active(after)) {
            (true, false) => events.push(event("LicenseSuspended", Kind::License, after.id, whose, facts.clone())),
            (false, true) => events.push(event("LicenseResumed", Kind::License, after.id, whose, facts.clone())),
            _ => {}
        }
        let names = after.kind.def().fields.iter().map(|def| def.name);
        let changed = names.filter(|name| *name != "active" && value(before, name) != value(after, name));
        let previous: Facts = changed
            .map(|name| {
                let was = value(before, name).cloned();
                (name.into(), was.map_or(Fact::Nothing, Fact::One))
            })
            .collect();
        if !previous.is_empty() {
            around::of_license(&mut facts, after);
            facts.push(("previousState".into(), Fact::Group(previous)));
            events.push(event("LicenseProvisioned", Kind::License, after.id, whose, facts));
        }
    }

    /// More seats, or fewer, of licenses that were there before. That some are taken is told by leases.
    fn credits(&self, whose: &Whose, events: &mut Vec<Event>) {
        for (license, whose, changed) in self.changed_credits(whose) {
            let Some(license) = self.graph.find(license) else {
                continue;
            };
            let all = || {
                license
                    .hop(Hop::forward(rel::SEAT_CREDITS), None)
                    .map(|(credit, _)| credit)
            };
            let is = self.seats(all().map(|credit| credit.entity()));
            let others = all().filter(|credit| !changed.contains_key(&credit.id));
            let before = changed.values().filter_map(|before| *before);
            let was = self.seats(others.map(|credit| credit.entity()).chain(before));
            if is == was {
                continue;
            }
            let told = |seats: Option<i64>| seats.map_or(Fact::Nothing, |seats| Value::Int(seats).into());
            let mut facts = Facts::new();
            self.around_license(&mut facts, license.id, None);
            facts.push(("seatCount".into(), told(is)));
            let previous = Fact::Group(vec![("seatCount".into(), told(was))]);
            facts.push(("previousState".into(), previous));
            events.push(event("LicenseProvisioned", Kind::License, license.id, whose, facts));
        }
    }

    /// Of each license, but for those that are new: whose the change is, and its changed credits as they were. One that was moved is
    /// changed for both.
    fn changed_credits(&self, whose: &Whose) -> Vec<(Uuid, Option<Serial>, Credits<'c>)> {
        let entities = || {
            self.changes
                .iter()
                .zip(whose.iter())
                .filter_map(|(change, whose)| match change {
                    Change::Entity { before, after } => {
                        Some((before.as_ref(), after.as_ref().or(before.as_ref())?, whose))
                    }
                    Change::Relation { .. } => None,
                })
        };
        let new: HashSet<Uuid, RandomState> = entities()
            .filter(|(before, entity, _)| before.is_none() && entity.kind == Kind::License)
            .map(|(_, license, _)| license.id)
            .collect();
        let mut places: HashMap<Uuid, usize, RandomState> = HashMap::default();
        let mut found: Vec<(Uuid, Option<Serial>, Credits<'c>)> = Vec::new();
        for (before, credit, whose) in entities().filter(|(_, entity, _)| entity.kind == Kind::SeatCountCredit) {
            let is_at = self.parent(credit.id, rel::SEAT_CREDITS);
            let was_at = self.parents.get(&(credit.id, rel::SEAT_CREDITS)).copied();
            let left = was_at.filter(|was_at| is_at != Some(*was_at));
            let came = left.is_some();
            for (license, before) in [(is_at, before.filter(|_| !came)), (left, before)] {
                let Some(license) = license.filter(|license| !new.contains(license)) else {
                    continue;
                };
                let place = *places.entry(license).or_insert_with(|| {
                    found.push((license, whose, Credits::default()));
                    found.len() - 1
                });
                found[place].2.insert(credit.id, before);
            }
        }
        found
    }

    /// Of the credits that count now. `None`: without limit.
    fn seats<'e>(&self, credits: impl Iterator<Item = &'e Entity>) -> Option<i64> {
        let time = |credit: &Entity, name: &str| value(credit, name).and_then(Value::as_time);
        let counts = |credit: &&Entity| {
            value(credit, "active") == Some(&Value::Bool(true))
                && time(credit, "validFrom").is_none_or(|from| from <= self.now)
                && time(credit, "validUntil").is_none_or(|until| self.now < until)
        };
        let mut counted = credits.filter(counts);
        counted.try_fold(0i64, |sum, credit| {
            value(credit, "seatCount")
                .and_then(Value::as_int)
                .map(|seats| sum.saturating_add(seats))
        })
    }

    fn around_assignment(&self, facts: &mut Facts, assignment: Uuid, asked: Option<Uuid>) {
        facts.push(("assignmentId".into(), Value::Uuid(assignment).into()));
        if let Some(profile) = self.parent(assignment, rel::BY_PROFILE) {
            facts.push(("userId".into(), Value::Uuid(profile).into()));
        }
        if let Some(license) = self.parent(assignment, rel::BY_LICENSE) {
            self.around_license(facts, license, asked);
        }
    }

    fn assignment(
        &self,
        before: Option<&Entity>,
        after: Option<&Entity>,
        whose: Option<Serial>,
        events: &mut Vec<Event>,
    ) {
        let Some(one) = after.or(before) else { return };
        // As it was left: what had ended by then was told to have.
        let was = before.map_or("", |before| reservation(before, before.updated));
        // As it is left now, which is the same but for what an import brings with its times.
        let is = after.map_or("", |after| reservation(after, after.updated));
        // One that has ended by itself since is another one now.
        let goes_on = was == is && !before.is_some_and(|before| has_ended(before, self.now));
        // Each state that ends is told before the one that begins.
        let ended = match was {
            _ if goes_on => None,
            "reserved" => Some("LicenseReservationReleased"),
            "denied" => Some("LicenseConsumptionAllowed"),
            _ => None,
        };
        let begun = match is {
            _ if goes_on => None,
            "reserved" => Some("LicenseReserved"),
            "denied" => Some("LicenseConsumeDenied"),
            _ => None,
        };
        if ended.is_none() && begun.is_none() {
            return;
        }
        let mut facts = Facts::new();
        self.around_assignment(&mut facts, one.id, None);
        for (name, state) in [(ended, was), (begun, is)] {
            if let Some(name) = name {
                let mut facts = facts.clone();
                facts.push(("reservationType".into(), Value::text(state).into()));
                events.push(event(name, Kind::Assignment, one.id, whose, facts));
            }
        }
    }

    /// A lease that begins, goes on or ends. It ends when it is given back, also where a cooldown follows, or else when it is tidied.
    fn consumption(
        &self,
        before: Option<&Entity>,
        after: Option<&Entity>,
        whose: Option<Serial>,
        notes: &mut Vec<Event>,
        events: &mut Vec<Event>,
    ) {
        let is_released = |lease: Option<&Entity>| lease.is_some_and(|lease| value(lease, "releasedAt").is_some());
        let name = match (is_released(before), is_released(after)) {
            (true, _) => return,
            (false, true) => "LicenseReleased",
            (false, false) if after.is_none() => "LicenseReleased",
            (false, false) => "LicenseConsumed",
        };
        let Some(lease) = after.or(before) else { return };
        let mut facts = self.around_lease(lease);
        for note in notes.extract_if(.., |note| note.object == lease.id && note.name == name) {
            note.facts.into_iter().for_each(|fact| add(&mut facts, fact));
        }
        events.push(event(name, Kind::Consumption, lease.id, whose, facts));
    }

    /// The item is the one that was asked for, which a license for more may have answered.
    fn around_lease(&self, lease: &Entity) -> Facts {
        let mut facts: Facts = vec![("consumptionId".into(), Value::Uuid(lease.id).into())];
        let own = ["leaseId", "consumptionMode", "consumedVersion", "grantedUntil"];
        around::copy(&mut facts, Some(lease), &own.map(|name| (name, name)));
        let text = |name: &str| value(lease, name).and_then(Value::as_text);
        around::of_anchors(&mut facts, text("hw"), text("process"));
        if let Some(assignment) = self.parent(lease.id, rel::LEASES) {
            let asked = value(lease, "licensedItemId").and_then(Value::as_uuid);
            self.around_assignment(&mut facts, assignment, asked);
            let kept = self.entity(assignment);
            around::copy(&mut facts, kept, &[("reservationType", "reservationType")]);
        }
        facts
    }
}

/// Numbers of one name are a sum: a lease may be asked for twice in one request.
fn add(facts: &mut Facts, (name, fact): (CompactString, Fact)) {
    let known = facts.iter_mut().find(|(known, _)| *known == name);
    match (known, fact) {
        (Some((_, Fact::One(Value::Int(sum)))), Fact::One(Value::Int(more))) => *sum = sum.saturating_add(more),
        (Some((_, known)), fact) => *known = fact,
        (None, fact) => facts.push((name, fact)),
    }
}

/// `reserved`, `denied`, or nothing; by its date it may be that no longer.
fn reservation(assignment: &Entity, at: Time) -> &str {
    let state = value(assignment, "reservationType").filter(|_| !has_ended(assignment, at));
    state.and_then(Value::as_text).unwrap_or_default()
}

fn has_ended(assignment: &Entity, at: Time) -> bool {
    let until = value(assignment, "validUntil").and_then(Value::as_time);
    until.is_some_and(|until| until <= at)
}
