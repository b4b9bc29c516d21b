//! The events a commit keeps since its changes alone would not tell them: about a license, a seat or a lease that hangs where it hung
//! before. Asked of every commit, so that one without any of those costs a look at each change and nothing more.

use std::collections::HashMap;

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

/// `graph` is as the commit left it.
pub fn kept(graph: &Graph, changes: &[Change], whose: &Whose, events: &mut Vec<Event>) {
    let mut scene: Option<Scene<'_>> = None;
    for (change, whose) in changes.iter().zip(whose.iter()) {
        let Change::Entity { before, after } = change else {
            continue;
        };
        let (before, after) = (before.as_deref(), after.as_deref());
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
            (Kind::Consumption, ..) => scene.consumption(before, after, whose, events),
            _ => {}
        }
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
        let now = self.graph.find(id).map(|node| &**node.entity());
        now.or_else(|| self.gone.get(&id).copied())
    }

    fn around_license(&self, facts: &mut Facts, license: Uuid) {
        facts.push(("licenseId".into(), Value::Uuid(license).into()));
        let (entitlement, item) = (self.parent(license, LICENSE_OF), self.parent(license, LICENSED));
        around::of_owners(facts, entitlement, item, |id, rel| self.parent(id, rel));
        around::of_item(facts, item.and_then(|id| self.entity(id)));
    }

    fn license(&self, before: &Entity, after: &Entity, whose: Option<Serial>, events: &mut Vec<Event>) {
        let active = |license: &Entity| value(license, "active") != Some(&Value::Bool(false));
        let mut facts = Facts::new();
        self.around_license(&mut facts, after.id);
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
        self.around_license(&mut facts, license);
        facts.push(("seatCount".into(), seats(after)));
        facts.push((
            "previousState".into(),
            Fact::Group(vec![("seatCount".into(), seats(before))]),
        ));
        events.push(event("LicenseProvisioned", Kind::License, license, whose, facts));
    }

    fn around_assignment(&self, facts: &mut Facts, assignment: Uuid) {
        facts.push(("assignmentId".into(), Value::Uuid(assignment).into()));
        if let Some(profile) = self.parent(assignment, ASSIGNED_PROFILE) {
            facts.push(("userId".into(), Value::Uuid(profile).into()));
        }
        if let Some(license) = self.parent(assignment, ASSIGNED_LICENSE) {
            self.around_license(facts, license);
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
        self.around_assignment(&mut facts, one.id);
        for (name, state) in [(ended, was), (begun, is)] {
            if let Some(name) = name {
                let mut facts = facts.clone();
                facts.push(("reservationType".into(), Value::text(state).into()));
                events.push(event(name, Kind::Assignment, one.id, whose, facts));
            }
        }
    }

    /// A lease that begins or ends. One that is renewed is the same lease.
    fn consumption(
        &self,
        before: Option<&Entity>,
        after: Option<&Entity>,
        whose: Option<Serial>,
        events: &mut Vec<Event>,
    ) {
        let (name, lease) = match (before, after) {
            (None, Some(begun)) => ("LicenseConsumed", begun),
            (Some(ended), None) => ("LicenseReleased", ended),
            _ => return,
        };
        let mut facts: Facts = vec![("consumptionId".into(), Value::Uuid(lease.id).into())];
        let own = ["leaseId", "consumptionMode", "consumedVersion", "grantedUntil"];
        around::copy(&mut facts, Some(lease), &own.map(|name| (name, name)));
        let anchors: Vec<Facts> = ["hw", "process"]
            .into_iter()
            .filter_map(|kind| Some((kind, value(lease, kind)?)))
            .map(|(kind, id)| {
                vec![
                    ("licenseAnchorType".into(), Value::text(kind).into()),
                    ("licenseAnchorId".into(), id.clone().into()),
                ]
            })
            .collect();
        if !anchors.is_empty() {
            facts.push(("licenseAnchors".into(), Fact::List(anchors)));
        }
        if let Some(assignment) = self.parent(lease.id, CONSUMED) {
            self.around_assignment(&mut facts, assignment);
            let kept = self.entity(assignment);
            around::copy(&mut facts, kept, &[("reservationType", "reservationType")]);
        }
        events.push(event(name, Kind::Consumption, lease.id, whose, facts));
    }
}

/// `reserved`, `denied`, or nothing.
fn reservation(assignment: Option<&Entity>) -> &str {
    let state = assignment.and_then(|assignment| value(assignment, "reservationType"));
    state.and_then(Value::as_text).unwrap_or_default()
}
