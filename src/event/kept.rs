//! The events a commit keeps since its changes alone would not tell them: about a license, a seat or a lease that hangs where it hung
//! before. Asked of every commit, so that one without any of those costs a look at each change and nothing more.

use std::collections::HashMap;

use compact_str::CompactString;
use foldhash::fast::RandomState;
use uuid::Uuid;

use super::around::{self, value};
use super::{LICENSE_OF, LICENSED, event};
use crate::graph::Graph;
use crate::model::schema::known;
use crate::model::{Change, Entity, Event, Fact, Facts, Kind, Rel, RelationType, Serial, Value, Whose};

const SEATS_OF: Rel = known(RelationType::OneToMany, Kind::License, Kind::SeatCountCredit);
const ASSIGNED_LICENSE: Rel = known(RelationType::OneToMany, Kind::License, Kind::Assignment);
const ASSIGNED_PROFILE: Rel = known(RelationType::OneToMany, Kind::Profile, Kind::Assignment);
const CONSUMED: Rel = known(RelationType::OneToMany, Kind::Assignment, Kind::Consumption);

/// `graph` is as the commit left it. What was told of a lease in so many words is completed by what stands around it, or goes into the event
/// that its change makes.
pub fn kept(graph: &Graph, changes: &[Change], whose: &Whose, events: &mut Vec<Event>) {
    let mut scene: Option<Scene<'_>> = None;
    let mut notes: Vec<Event> = events
        .extract_if(.., |event| event.object_type == Kind::Consumption.name())
        .collect();
    for (change, whose) in changes.iter().zip(whose.iter()) {
        let Change::Entity { before, after } = change else {
            continue;
        };
        let (before, after) = (before.as_ref(), after.as_ref());
        let Some(entity) = after.or(before) else { continue };
        let is_one = match entity.kind {
            Kind::Assignment | Kind::Consumption => true,
            Kind::License | Kind::SeatCountCredit => before.is_some() && after.is_some(),
            _ => false,
        };
        if !is_one {
            continue;
        }
        let scene = scene.get_or_insert_with(|| Scene::new(graph, changes));
        match (entity.kind, before, after) {
            (Kind::License, Some(before), Some(after)) => scene.license(before, after, whose, events),
            (Kind::SeatCountCredit, Some(before), Some(after)) => scene.credit(before, after, whose, events),
            (Kind::Assignment, ..) => scene.assignment(before, after, whose, events),
            (Kind::Consumption, ..) => scene.consumption(before, after, whose, &mut notes, events),
            _ => {}
        }
    }
    for mut note in notes {
        let scene = scene.get_or_insert_with(|| Scene::new(graph, changes));
        if let Some(lease) = scene.entity(note.object) {
            let mut facts = scene.around_lease(lease);
            note.facts.drain(..).for_each(|fact| add(&mut facts, fact));
            note.facts = facts;
        }
        events.push(note);
    }
}

/// The graph after a commit, and what the commit took away from it.
struct Scene<'c> {
    graph: &'c Graph,
    gone: HashMap<Uuid, &'c Entity, RandomState>,
    parents: HashMap<(Uuid, Rel), Uuid, RandomState>,
}

impl<'c> Scene<'c> {
    fn new(graph: &'c Graph, changes: &'c [Change]) -> Self {
        let mut scene = Self {
            graph,
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
        let item = asked.or_else(|| self.parent(license, LICENSED));
        let entitlement = self.parent(license, LICENSE_OF);
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

    /// More seats, or fewer. That some are taken is told by leases.
    fn credit(&self, before: &Entity, after: &Entity, whose: Option<Serial>, events: &mut Vec<Event>) {
        let seats = |credit: &Entity| value(credit, "seatCount").cloned().map_or(Fact::Nothing, Fact::One);
        let Some(license) = self
            .parent(after.id, SEATS_OF)
            .filter(|_| seats(before) != seats(after))
        else {
            return;
        };
        let mut facts = Facts::new();
        self.around_license(&mut facts, license, None);
        facts.push(("seatCount".into(), seats(after)));
        facts.push((
            "previousState".into(),
            Fact::Group(vec![("seatCount".into(), seats(before))]),
        ));
        events.push(event("LicenseProvisioned", Kind::License, license, whose, facts));
    }

    fn around_assignment(&self, facts: &mut Facts, assignment: Uuid, asked: Option<Uuid>) {
        facts.push(("assignmentId".into(), Value::Uuid(assignment).into()));
        if let Some(profile) = self.parent(assignment, ASSIGNED_PROFILE) {
            facts.push(("userId".into(), Value::Uuid(profile).into()));
        }
        if let Some(license) = self.parent(assignment, ASSIGNED_LICENSE) {
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
        let (was, is) = (reservation(before), reservation(after));
        // Each state that ends is told before the one that begins.
        let ended = match was {
            _ if was == is => None,
            "reserved" => Some("LicenseReservationReleased"),
            "denied" => Some("LicenseConsumptionAllowed"),
            _ => None,
        };
        let begun = match is {
            _ if was == is => None,
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
        if let Some(assignment) = self.parent(lease.id, CONSUMED) {
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

/// `reserved`, `denied`, or nothing.
fn reservation(assignment: Option<&Entity>) -> &str {
    let state = assignment.and_then(|assignment| value(assignment, "reservationType"));
    state.and_then(Value::as_text).unwrap_or_default()
}
