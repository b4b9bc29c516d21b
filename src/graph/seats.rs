//! Who holds seats until when, kept by every change that is applied or undone, so that a check costs the same at a license
//! with a million leases as at one with ten: how many seats of a license are taken at an instant, the assignment of a
//! license and a profile, the lease of a device, the licenses of an item in an entitlement. Decides nothing.
//!
//! A holder's seats over time are stairs that lead down: at each instant as many as the largest of its leases that have
//! not ended, and one while its reservation lasts (`licensing.md` 2.5: a consumer with a reservation and a lease counts
//! once). The steps of all holders of a license are summed in a `Tally`, and those of the members who lease by a rule of
//! their group in one of the rule.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use smallvec::SmallVec;
use uuid::Uuid;

use crate::model::schema::place;
use crate::model::{Entity, Kind, Rel, Serial, Time, Value, rel};

use super::index::Member;
use super::pairs::Pairs;
use super::shards::BySlot;
use super::sorted::Sorted;
use super::tally::{Step, Tally};
use super::topology::Topology;
use super::{Graph, Node};

const INDIVIDUAL: u8 = place(Kind::License, "individual");
const MATCH_PROPERTY: u8 = place(Kind::License, "matchProperty");
const RESERVATION: u8 = place(Kind::Assignment, "reservationType");
const GRANTS_ACCESS: u8 = place(Kind::Assignment, "grantsAccess");
const RESERVED_UNTIL: u8 = place(Kind::Assignment, "validUntil");
const GRANTED_UNTIL: u8 = place(Kind::Consumption, "grantedUntil");
const COUNT: u8 = place(Kind::Consumption, "consumedCount");
const ITEM: u8 = place(Kind::Consumption, "licensedItemId");
const HW: u8 = place(Kind::Consumption, "hw");
const PROCESS: u8 = place(Kind::Consumption, "process");

/// Which parents: an assignment's license and profile, a license's entitlement and item, its entitlement and the offer it was
/// made of.
const PAIRS: [(Rel, Rel); 3] = [
    (rel::BY_LICENSE, rel::BY_PROFILE),
    (rel::LICENSES, rel::OF_ITEM),
    (rel::LICENSES, rel::SOLD),
];

/// A lease as its assignment's seats need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    assignment: u32,
    seats: u32,
    until: i64,
    lease: u32,
}

/// A lease by what it is tied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Tied {
    assignment: u32,
    hash: u64,
    lease: u32,
}

/// An assignment that grants access by itself: few have it, and a profile may have many assignments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Granting {
    profile: u32,
    serial: Serial,
    slot: u32,
}

/// An assignment that reserves a seat: no more than there are seats, and a license may have a million assignments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Reserving {
    license: u32,
    serial: Serial,
    slot: u32,
}

/// A license that opens what matches, to whoever has a way to its entitlement: few do, and it is found by no item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Matching {
    entitlement: u32,
    serial: Serial,
    slot: u32,
}

/// What, beside the license and the consumer, makes a lease the same lease (`licensing.md` 1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Anchored<'a> {
    pub item: Option<Uuid>,
    pub hw: Option<&'a str>,
    pub process: Option<&'a str>,
}

impl<'a> Anchored<'a> {
    pub fn of(lease: &'a Entity) -> Self {
        Self {
            item: lease.fields().get(ITEM).and_then(Value::as_uuid),
            hw: lease.fields().get(HW).and_then(Value::as_text),
            process: lease.fields().get(PROCESS).and_then(Value::as_text),
        }
    }
}

/// Seats of a license that somebody holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Seats, reserved or leased.
    pub seats: u64,
    /// Reservations among the holders.
    pub reserved: u64,
    /// Seats that are leased, whether they are reserved as well or not.
    pub leased: u64,
}

#[derive(Clone, Default)]
pub(super) struct SeatIndex {
    pairs: [Pairs; PAIRS.len()],
    held: Sorted<Held>,
    tied: Sorted<Tied>,
    granting: Sorted<Granting>,
    reserving: Sorted<Reserving>,
    matching: Sorted<Matching>,
    /// By the slot of the license, or of the rule; none where nothing is held.
    tallies: BySlot<Tally>,
    hasher: RandomState,
}

type Steps = SmallVec<[Step; 4]>;

fn seats_of(lease: &Entity) -> u32 {
    let count = lease.fields().get(COUNT).and_then(Value::as_int).unwrap_or(1);
    u32::try_from(count).unwrap_or(if count < 0 { 0 } else { u32::MAX })
}

fn until_of(lease: &Entity) -> Option<i64> {
    lease
        .fields()
        .get(GRANTED_UNTIL)
        .and_then(Value::as_time)
        .map(Time::millis)
}

/// When the reservation of an assignment ends, if it has one; one that begins later holds its seat already.
fn reserved_until(assignment: &Entity) -> Option<i64> {
    let is_reserved = assignment.fields().get(RESERVATION).and_then(Value::as_text) == Some("reserved");
    let until = assignment.fields().get(RESERVED_UNTIL).and_then(Value::as_time);
    is_reserved.then_some(until.map_or(i64::MAX, Time::millis))
}

/// May an update change who holds what?
fn counts(before: &Entity, after: &Entity) -> bool {
    matches!(before.kind, Kind::Assignment | Kind::Consumption | Kind::License) && before.fields() != after.fields()
}

impl SeatIndex {
    /// Before the fields of an entity change, and after.
    pub fn updating(&mut self, topology: &Topology, slot: u32, before: &Entity, after: &Entity) {
        if !counts(before, after) {
            return;
        }
        match before.kind {
            Kind::Assignment => {
                self.climb(topology, slot, false);
                if let Some(granting) = granting(topology, slot, before) {
                    self.granting.remove(&granting);
                }
                if let Some(reserving) = reserving(topology, slot, before) {
                    self.reserving.remove(&reserving);
                }
            }
            Kind::Consumption => {
                if let Some(assignment) = topology.parent(slot, rel::LEASES) {
                    self.climb(topology, assignment, false);
                    self.drop_lease(assignment, slot, before);
                }
            }
            Kind::License => {
                if let Some(matching) = matching(topology, slot, before) {
                    self.matching.remove(&matching);
                }
            }
            _ => {}
        }
    }

    pub fn updated(&mut self, topology: &Topology, slot: u32, before: &Entity, after: &Entity) {
        if !counts(before, after) {
            return;
        }
        match after.kind {
            Kind::Assignment => {
                self.climb(topology, slot, true);
                if let Some(granting) = granting(topology, slot, after) {
                    self.granting.insert(granting);
                }
                if let Some(reserving) = reserving(topology, slot, after) {
                    self.reserving.insert(reserving);
                }
            }
            Kind::Consumption => {
                if let Some(assignment) = topology.parent(slot, rel::LEASES) {
                    self.keep_lease(assignment, slot, after);
                    self.climb(topology, assignment, true);
                }
            }
            Kind::License => {
                if let Some(matching) = matching(topology, slot, after) {
                    self.matching.insert(matching);
                }
            }
            _ => {}
        }
    }

    /// Before a relation is made, and after.
    pub fn linking(&mut self, topology: &Topology, rel: Rel, from: u32, _to: u32) {
        if rel == rel::LEASES {
            self.climb(topology, from, false);
        }
    }

    pub fn linked(&mut self, topology: &Topology, rel: Rel, from: u32, to: u32) {
        if rel == rel::LEASES {
            self.keep_lease(from, to, topology.entity(to));
            self.climb(topology, from, true);
        } else if rel == rel::BY_LICENSE || rel == rel::LEASED {
            self.step(topology, from, to, true);
            if rel == rel::BY_LICENSE
                && let Some(reserving) = reserving(topology, to, topology.entity(to))
            {
                self.reserving.insert(reserving);
            }
        } else if rel == rel::BY_PROFILE
            && let Some(granting) = granting(topology, to, topology.entity(to))
        {
            self.granting.insert(granting);
        } else if rel == rel::LICENSES
            && let Some(matching) = matching(topology, to, topology.entity(to))
        {
            self.matching.insert(matching);
        }
        for (which, parents) in pairs(topology, rel, to) {
            let serial = |slot| topology.serial(slot);
            self.pairs[which].insert(parents, member(topology, to), serial);
        }
    }

    /// Before a relation is ended, and after.
    pub fn unlinking(&mut self, topology: &Topology, rel: Rel, from: u32, to: u32) {
        if rel == rel::LEASES {
            self.climb(topology, from, false);
            self.drop_lease(from, to, topology.entity(to));
        } else if rel == rel::BY_LICENSE || rel == rel::LEASED {
            self.step(topology, from, to, false);
            if rel == rel::BY_LICENSE
                && let Some(reserving) = reserving(topology, to, topology.entity(to))
            {
                self.reserving.remove(&reserving);
            }
        } else if rel == rel::BY_PROFILE
            && let Some(granting) = granting(topology, to, topology.entity(to))
        {
            self.granting.remove(&granting);
        } else if rel == rel::LICENSES
            && let Some(matching) = matching(topology, to, topology.entity(to))
        {
            self.matching.remove(&matching);
        }
        for (which, parents) in pairs(topology, rel, to) {
            self.pairs[which].remove(parents, member(topology, to));
        }
    }

    pub fn unlinked(&mut self, topology: &Topology, rel: Rel, from: u32, _to: u32) {
        if rel == rel::LEASES {
            self.climb(topology, from, true);
        }
    }

    fn keep_lease(&mut self, assignment: u32, lease: u32, entity: &Entity) {
        if let Some((held, tied)) = self.keys(assignment, lease, entity) {
            self.held.insert(held);
            self.tied.insert(tied);
        }
    }

    fn drop_lease(&mut self, assignment: u32, lease: u32, entity: &Entity) {
        if let Some((held, tied)) = self.keys(assignment, lease, entity) {
            self.held.remove(&held);
            self.tied.remove(&tied);
        }
    }

    /// None of a lease that says no end: it was never granted.
    fn keys(&self, assignment: u32, lease: u32, entity: &Entity) -> Option<(Held, Tied)> {
        let held = Held {
            assignment,
            seats: seats_of(entity),
            until: until_of(entity)?,
            lease,
        };
        let hash = self.hasher.hash_one(Anchored::of(entity));
        Some((
            held,
            Tied {
                assignment,
                hash,
                lease,
            },
        ))
    }

    /// Puts an assignment's steps into the tallies of its license and its rule, or takes them out.
    fn climb(&mut self, topology: &Topology, assignment: u32, put: bool) {
        for rel in [rel::BY_LICENSE, rel::LEASED] {
            if let Some(holder) = topology.parent(assignment, rel) {
                self.step(topology, holder, assignment, put);
            }
        }
    }

    fn step(&mut self, topology: &Topology, holder: u32, assignment: u32, put: bool) {
        let steps = self.steps(assignment, topology.entity(assignment));
        if steps.is_empty() {
            return;
        }
        if self.tallies.get(holder).is_none() {
            self.tallies.insert(holder, Tally::default());
        }
        let Some(tally) = self.tallies.get_mut(holder) else {
            return;
        };
        for step in steps {
            if put {
                tally.insert(step);
            } else {
                tally.remove(step);
            }
        }
        if tally.is_empty() {
            self.tallies.remove(holder);
        }
    }

    /// The stairs of one holder.
    fn steps(&self, assignment: u32, entity: &Entity) -> Steps {
        let reserved = reserved_until(entity);
        // From the most seats to the fewest, each with its latest end, as far as that is later than those before.
        let mut stairs: SmallVec<[(u32, i64); 4]> = SmallVec::new();
        let mut below = u32::MAX;
        loop {
            let within = |held: &Held| (held.assignment, held.seats) <= (assignment, below);
            let Some(top) = self.held.last(within).filter(|held| held.assignment == assignment) else {
                break;
            };
            if stairs.last().is_none_or(|(_, until)| *until < top.until) {
                stairs.push((top.seats, top.until));
            }
            below = top.seats.saturating_sub(1);
            if below == 0 {
                break;
            }
        }
        // A lease of no seats is no stair.
        stairs.retain(|(seats, _)| *seats > 0);
        let mut steps = Steps::new();
        let mut lead_down = |stairs: &[(u32, i64)], (counts, leased): (bool, bool)| {
            for (at, (seats, until)) in stairs.iter().enumerate() {
                let seats = seats - stairs.get(at + 1).map_or(0, |(next, _)| *next);
                steps.push(Step {
                    until: *until,
                    slot: assignment,
                    seats: if counts { seats } else { 0 },
                    reserved: 0,
                    leased: if leased { seats } else { 0 },
                });
            }
        };
        let Some(reserved) = reserved else {
            lead_down(&stairs, (true, true));
            return steps;
        };
        lead_down(&stairs, (false, true));
        // A reservation is a stair of one seat.
        match stairs.last_mut() {
            Some((1, until)) => *until = reserved.max(*until),
            Some((_, until)) if *until >= reserved => {}
            _ => stairs.push((1, reserved)),
        }
        lead_down(&stairs, (true, false));
        steps.push(Step {
            until: reserved,
            slot: assignment,
            seats: 0,
            reserved: 1,
            leased: 0,
        });
        steps
    }

    /// Rebuilds everything from the entities and compares. Everything wrong, in words.
    pub fn check(&self, topology: &Topology, wrong: &mut Vec<String>) {
        let mut rebuilt = Self {
            hasher: self.hasher.clone(),
            ..Self::default()
        };
        for slot in topology.slots() {
            let entity = topology.entity(slot);
            match entity.kind {
                Kind::Consumption => {
                    if let Some(assignment) = topology.parent(slot, rel::LEASES) {
                        rebuilt.keep_lease(assignment, slot, entity);
                    }
                }
                Kind::Assignment | Kind::License => {
                    if let Some(granting) = granting(topology, slot, entity) {
                        rebuilt.granting.insert(granting);
                    }
                    if let Some(reserving) = reserving(topology, slot, entity) {
                        rebuilt.reserving.insert(reserving);
                    }
                    if let Some(matching) = matching(topology, slot, entity) {
                        rebuilt.matching.insert(matching);
                    }
                    let rel = if entity.kind == Kind::License {
                        rel::LICENSES
                    } else {
                        rel::BY_PROFILE
                    };
                    for (which, parents) in pairs(topology, rel, slot) {
                        let serial = |slot| topology.serial(slot);
                        rebuilt.pairs[which].insert(parents, member(topology, slot), serial);
                    }
                }
                _ => {}
            }
        }
        for slot in topology.slots() {
            if topology.entity(slot).kind == Kind::Assignment {
                rebuilt.climb(topology, slot, true);
            }
        }
        let pairs_differ = |(kept, right): (&Pairs, &Pairs)| kept.all() != right.all();
        if self.pairs.iter().zip(&rebuilt.pairs).any(pairs_differ) {
            wrong.push("children are not found by their two parents".to_owned());
        }
        if !self.held.iter().eq(rebuilt.held.iter()) || !self.tied.iter().eq(rebuilt.tied.iter()) {
            wrong.push("the leases of assignments are not those there are".to_owned());
        }
        if !self.granting.iter().eq(rebuilt.granting.iter()) {
            wrong.push("the assignments that grant access are not those there are".to_owned());
        }
        if !self.reserving.iter().eq(rebuilt.reserving.iter()) {
            wrong.push("the reservations of licenses are not those there are".to_owned());
        }
        if !self.matching.iter().eq(rebuilt.matching.iter()) {
            wrong.push("the licenses that open what matches are not those there are".to_owned());
        }
        let differs = |(license, tally): (u32, &Tally)| {
            let right = rebuilt.tallies.get(license);
            !right.is_some_and(|right| tally.iter().eq(right.iter()) && tally.after(i64::MIN) == right.after(i64::MIN))
        };
        if self.tallies.len() != rebuilt.tallies.len() || self.tallies.iter().any(differs) {
            wrong.push("the seats of licenses are not those that are held".to_owned());
        }
    }
}

/// The parents of a child by a relation that is one half of a pair, if it has the other half too.
fn pairs(topology: &Topology, rel: Rel, child: u32) -> impl Iterator<Item = (usize, (u32, u32))> {
    let of_it = PAIRS
        .iter()
        .enumerate()
        .filter(move |(_, (first, second))| rel == *first || rel == *second);
    of_it.filter_map(move |(which, (first, second))| {
        Some((
            which,
            (topology.parent(child, *first)?, topology.parent(child, *second)?),
        ))
    })
}

fn member(topology: &Topology, slot: u32) -> Member {
    Member {
        serial: topology.serial(slot),
        slot,
    }
}

/// As it is found from its profile, if it grants access and has one.
fn granting(topology: &Topology, slot: u32, entity: &Entity) -> Option<Granting> {
    let grants = entity.kind == Kind::Assignment && entity.fields().get(GRANTS_ACCESS) == Some(&Value::Bool(true));
    grants.then(|| {
        Some(Granting {
            profile: topology.parent(slot, rel::BY_PROFILE)?,
            serial: entity.serial,
            slot,
        })
    })?
}

/// As it is found from its license, if it reserves a seat and has one. Valid or not.
fn reserving(topology: &Topology, slot: u32, entity: &Entity) -> Option<Reserving> {
    let is_reserved = entity.kind == Kind::Assignment && reserved_until(entity).is_some();
    is_reserved.then(|| {
        Some(Reserving {
            license: topology.parent(slot, rel::BY_LICENSE)?,
            serial: entity.serial,
            slot,
        })
    })?
}

/// As it is found from its entitlement, if it opens what matches by the ways there.
fn matching(topology: &Topology, slot: u32, entity: &Entity) -> Option<Matching> {
    let matches = entity.kind == Kind::License
        && entity.fields().get(MATCH_PROPERTY).is_some()
        && entity.fields().get(INDIVIDUAL) != Some(&Value::Bool(true));
    matches.then(|| {
        Some(Matching {
            entitlement: topology.parent(slot, rel::LICENSES)?,
            serial: entity.serial,
            slot,
        })
    })?
}

impl Graph {
    /// The assignments of a license that reserve a seat, valid or not, in order of serial.
    pub fn reserving(&self, license: Node<'_>) -> impl Iterator<Item = Node<'_>> {
        let slot = license.slot() as u32;
        let found = &self.seats.reserving;
        let found = found.range(|one| one.license < slot, |one| one.license <= slot);
        found.map(|one| Node::new(self, one.slot))
    }

    /// The assignments of a profile that grant access, valid or not, in order of serial.
    pub fn granting(&self, profile: Node<'_>) -> impl Iterator<Item = Node<'_>> {
        let slot = profile.slot() as u32;
        let found = &self.seats.granting;
        let found = found.range(|one| one.profile < slot, |one| one.profile <= slot);
        found.map(|one| Node::new(self, one.slot))
    }

    /// How many seats of a license are taken at an instant, or are leased by a rule.
    pub fn taken(&self, holder: Node<'_>, now: Time) -> Taken {
        let Some(tally) = self.seats.tallies.get(holder.slot() as u32) else {
            return Taken::default();
        };
        let sum = tally.after(now.millis());
        Taken {
            seats: sum.seats,
            reserved: sum.reserved,
            leased: sum.leased,
        }
    }

    /// The assignment of a license and a profile; of several, the oldest.
    pub fn assignment(&self, license: Node<'_>, profile: Node<'_>) -> Option<Node<'_>> {
        self.between(0, license, profile).next()
    }

    /// The licenses of an item in an entitlement, in order of serial.
    pub fn licenses(&self, entitlement: Node<'_>, item: Node<'_>) -> impl Iterator<Item = Node<'_>> {
        self.between(1, entitlement, item)
    }

    /// The licenses in an entitlement that were made of an offer, of whatever item they are by now, in order of serial.
    pub fn sold(&self, entitlement: Node<'_>, offer: Node<'_>) -> impl Iterator<Item = Node<'_>> {
        self.between(2, entitlement, offer)
    }

    /// The licenses of an entitlement that open what matches and are not individual, in order of serial.
    pub fn matching(&self, entitlement: Node<'_>) -> impl Iterator<Item = Node<'_>> {
        let slot = entitlement.slot() as u32;
        let found = &self.seats.matching;
        let found = found.range(|one| one.entitlement < slot, |one| one.entitlement <= slot);
        found.map(|one| Node::new(self, one.slot))
    }

    fn between(&self, which: usize, first: Node<'_>, second: Node<'_>) -> impl Iterator<Item = Node<'_>> {
        let found = self.seats.pairs[which].of((first.slot() as u32, second.slot() as u32));
        found.map(|slot| Node::new(self, slot))
    }

    /// The leases of an assignment that have not ended, released ones that cool down among them; those of the most seats
    /// first.
    pub fn leases(&self, assignment: Node<'_>, now: Time) -> impl Iterator<Item = Node<'_>> {
        let slot = assignment.slot() as u32;
        let held = &self.seats.held;
        let of_it = held.range(|held| held.assignment < slot, |held| held.assignment <= slot);
        let live = of_it.rev().filter(move |held| held.until > now.millis());
        live.map(|held| Node::new(self, held.lease))
    }

    /// The leases of an assignment that are tied to the same, ended ones among them.
    pub fn leases_of(&self, assignment: Node<'_>, anchored: Anchored<'_>) -> impl Iterator<Item = Node<'_>> {
        let key = (assignment.slot() as u32, self.seats.hasher.hash_one(anchored));
        let before = |tied: &Tied| (tied.assignment, tied.hash) < key;
        let within = |tied: &Tied| (tied.assignment, tied.hash) <= key;
        let found = self.seats.tied.range(before, within);
        let nodes = found.map(|tied| Node::new(self, tied.lease));
        nodes.filter(move |lease| Anchored::of(lease) == anchored)
    }

    /// What the holder of an assignment has at an instant, by its reservation or its leases.
    pub fn held(&self, assignment: Node<'_>, now: Time) -> Taken {
        let mut held = Taken::default();
        let steps = self.seats.steps(assignment.slot() as u32, &assignment);
        for step in steps.iter().filter(|step| step.until > now.millis()) {
            held.seats += u64::from(step.seats);
            held.reserved += u64::from(step.reserved);
            held.leased += u64::from(step.leased);
        }
        held
    }
}

#[cfg(test)]
mod tests;
