//! Making changes to the working graph: each step is checked and applied at once, and can be undone. What must hold
//! only at the end (owners, required parents) is checked by `finish`, for what was touched.
//!
//! A step holds to unique values by itself: two entities swap theirs by way of a third value or none, since the state
//! between two steps is as real as any other. `operation::crud` goes that way for whoever sends both at once.

use std::sync::Arc;

use uuid::Uuid;

use crate::leisure::breathe;
use crate::model::schema::{Hop, Role};
use crate::model::{
    Change, Clock, Direction, Entity, Event, Fields, Header, Kind, Rel, Relation, RelationType, Revision, Serial, Time,
    Value, Values,
};

use super::merge::merge;
use super::play::{LAST_KEPT_SERIAL, LAST_SERIAL};
use super::violation::Violation;
use super::{Graph, Node};

/// A list of changes being made to the working graph: applied at once, undone by `rollback_to`. Dropped unfinished, it
/// leaves no trace; a panic leaves a graph to throw away.
pub struct Transaction<'g> {
    pub(super) graph: &'g mut Graph,
    revision: Revision,
    now: Time,
    clock: &'g Clock,
    /// What was done, each with the next serial before it.
    pub(super) log: Vec<(Change, Serial)>,
    /// What happened besides.
    events: Vec<Event>,
    /// The next serial before all of it.
    first_serial: Serial,
}

/// A place in a transaction to roll back to. It means nothing to another transaction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Savepoint {
    pub(super) changes: usize,
    events: usize,
}

/// What an import brings along instead of having it set.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept {
    pub serial: Option<Serial>,
    pub created: Option<Time>,
    pub updated: Option<Time>,
}

impl<'g> Transaction<'g> {
    /// `revision` is the one this transaction's commit will have; `now` the time all of its batch sees.
    pub fn new(graph: &'g mut Graph, revision: Revision, now: Time, clock: &'g Clock) -> Self {
        let first_serial = graph.next_serial;
        Self {
            graph,
            revision,
            now,
            clock,
            log: Vec::new(),
            events: Vec::new(),
            first_serial,
        }
    }

    /// As it is with this transaction's changes.
    pub fn graph(&self) -> &Graph {
        self.graph
    }

    pub fn now(&self) -> Time {
        self.now
    }

    pub fn revision(&self) -> Revision {
        self.revision
    }

    pub fn new_id(&self) -> Uuid {
        self.clock.new_id()
    }

    /// Serial, created, updated and revision are set here, but for what an import keeps.
    pub fn create(&mut self, id: Uuid, kind: Kind, fields: Fields, kept: Kept) -> Result<(), Violation> {
        if let Some(taken) = self.graph.find(id) {
            return Err(Violation::IdTaken { id, kind: taken.kind });
        }
        let serial = kept.serial.unwrap_or(self.graph.next_serial);
        let last = kept.serial.map_or(LAST_SERIAL, |_| LAST_KEPT_SERIAL);
        if !(1..=last).contains(&serial) {
            return Err(Violation::SerialOutOfRange { id, serial });
        }
        // Serials count over all kinds; only one that was given before can be somebody's.
        let is_old = serial < self.graph.next_serial;
        let mut kinds = Kind::ALL.iter().filter(|_| is_old);
        let owner = kinds.find_map(|kind| self.graph.by_serial(*kind, serial));
        if let Some(taken) = owner.filter(|taken| !taken.kind.def().internal) {
            return Err(Violation::SerialTaken {
                id,
                serial,
                taken_by: taken.id,
            });
        }
        let in_the_way = owner.map(|taken| taken.id);
        self.unique(id, kind, Values::default(), fields.values())?;
        if let Some(internal) = in_the_way {
            self.move_on(internal)?;
        }
        let entity = Entity::new(
            Header {
                id,
                serial,
                revision: self.revision,
                created: kept.created.unwrap_or(self.now),
                updated: kept.updated.unwrap_or(self.now),
                kind,
            },
            fields,
        );
        let next_serial = self.graph.next_serial;
        breathe();
        self.graph.add_checked(&entity);
        let change = Change::Entity {
            before: None,
            after: Some(entity),
        };
        self.log.push((change, next_serial));
        Ok(())
    }

    /// Gives an internal entity the next serial in place of its own: no client ever saw that, and to storage a serial is one
    /// entity's, of whatever kind.
    fn move_on(&mut self, internal: Uuid) -> Result<(), Violation> {
        let moved = self.node(internal)?.entity().clone();
        self.remove(internal)?;
        let kept = Kept {
            serial: None,
            created: Some(moved.created),
            updated: Some(moved.updated),
        };
        self.create(moved.id, moved.kind, moved.fields().to_fields(), kept)
    }

    /// Keeps serials up to `last` for what an import brings: whatever is made meanwhile gets one after it. That is a change like
    /// any other, for storage and the other copies to know of it: an internal entity takes that serial, until somebody brings it.
    pub fn reserve_serials(&mut self, last: Serial) -> Result<(), Violation> {
        if last < self.graph.next_serial {
            return Ok(());
        }
        let before: Vec<Uuid> = self
            .graph
            .of_kind(Kind::ReservedSerial, None)
            .map(|node| node.id)
            .collect();
        for id in before {
            self.remove(id)?;
        }
        let kept = Kept {
            serial: Some(last),
            ..Kept::default()
        };
        self.create(self.new_id(), Kind::ReservedSerial, Fields::default(), kept)
    }

    /// No change at all (no revision, no `updated`) when the fields are the ones it has.
    pub fn update(&mut self, id: Uuid, fields: Fields) -> Result<(), Violation> {
        let before = self.node(id)?.entity().clone();
        if before.fields() == fields.values() {
            return Ok(());
        }
        self.unique(id, before.kind, before.fields(), fields.values())?;
        let after = Entity::new(
            Header {
                revision: self.revision,
                updated: self.now,
                ..*before
            },
            fields,
        );
        self.play(Change::Entity {
            before: Some(before),
            after: Some(after),
        });
        Ok(())
    }

    /// Removes the entity and every relation at it. Children are the caller's: see `remove_cascading`.
    pub fn remove(&mut self, id: Uuid) -> Result<(), Violation> {
        let slot = self.node(id)?.slot() as u32;
        self.remove_slot(slot, &|other| other == slot);
        Ok(())
    }

    /// Links; a one-to-many touches the child (its `ref_Parent_id` is part of its representation: revision, updated).
    pub fn relate(&mut self, rel: Rel, from: Uuid, to: Uuid, fields: Fields) -> Result<(), Violation> {
        let def = rel.def();
        let (parent, child) = self.ends(rel, from, to)?;
        let hop = Hop::forward(rel);
        if parent.relation(hop, child).is_some() {
            return Err(Violation::RelationExists { rel, from, to });
        }
        if def.relation_type == RelationType::OneToMany {
            let rivals = child.kind.owners().filter(|_| def.role == Role::Owner);
            if let Some(rel) = [rel].into_iter().chain(rivals).find(|rel| child.parent(*rel).is_some()) {
                return Err(Violation::TwoParents {
                    id: to,
                    kind: child.kind,
                    rel,
                });
            }
            if def.single && parent.hop_count(hop) > 0 {
                return Err(Violation::NotSingle { parent: from, rel });
            }
        }
        // A plain relation has no place for fields.
        let fields = if def.fields.is_empty() {
            Fields::default()
        } else {
            fields
        };
        let relation = Relation {
            rel,
            from: parent.end(),
            to: child.end(),
            fields,
        };
        let (near, slot) = (parent.slot() as u32, child.slot() as u32);
        let relation = Arc::new(relation);
        let next_serial = self.graph.next_serial;
        self.graph.link(&relation, near, slot);
        let change = Change::Relation {
            before: None,
            after: Some(relation),
        };
        self.log.push((change, next_serial));
        if def.relation_type == RelationType::OneToMany {
            self.touch(slot);
        }
        Ok(())
    }

    /// Replaces the fields of a relation that exists.
    pub fn update_relation(&mut self, rel: Rel, from: Uuid, to: Uuid, fields: Fields) -> Result<(), Violation> {
        let (near, far) = self.ends(rel, from, to)?;
        let had = near.relation(Hop::forward(rel), far);
        let had = had.ok_or(Violation::NoRelation { rel, from, to })?;
        if had == fields.values() || rel.def().fields.is_empty() {
            return Ok(());
        }
        let before = Relation {
            rel,
            from: near.end(),
            to: far.end(),
            fields: had.to_fields(),
        };
        let after = Relation {
            fields,
            ..before.clone()
        };
        self.play(Change::Relation {
            before: Some(Arc::new(before)),
            after: Some(Arc::new(after)),
        });
        Ok(())
    }

    pub fn unrelate(&mut self, rel: Rel, from: Uuid, to: Uuid) -> Result<(), Violation> {
        let (near, far) = self.ends(rel, from, to)?;
        if near.relation(Hop::forward(rel), far).is_none() {
            return Err(Violation::NoRelation { rel, from, to });
        }
        let (near, far) = (near.slot() as u32, far.slot() as u32);
        self.cut(rel, near, far, &|_| false);
        Ok(())
    }

    pub fn savepoint(&self) -> Savepoint {
        Savepoint {
            changes: self.log.len(),
            events: self.events.len(),
        }
    }

    pub fn rollback_to(&mut self, savepoint: Savepoint) {
        self.events.truncate(savepoint.events);
        while self.log.len() > savepoint.changes {
            let Some((change, next_serial)) = self.log.pop() else {
                return;
            };
            if let Err(broken) = self.graph.undo(&change) {
                unreachable!("what was applied last can be undone: {broken}");
            }
            self.graph.next_serial = next_serial;
        }
    }

    /// What happened and is no change: it is kept with the commit, which is made for it alone if nothing is changed.
    pub fn tell(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Those told so far. They are for whoever finishes the transaction.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// So far, merged: what `finish` would give now.
    pub fn changes(&self) -> Vec<Change> {
        merge(self.log.iter().map(|(change, _)| change)).changes
    }

    /// What `look` finds in the graph as it was before this transaction: what was done is undone for that long, and then
    /// done again. Costs as much as the changes did, so whoever needs no look takes none.
    pub fn before<T>(&mut self, look: impl FnOnce(&Graph) -> T) -> T {
        let next_serial = self.graph.next_serial;
        for (change, serial) in self.log.iter().rev() {
            if let Err(broken) = self.graph.undo(change) {
                unreachable!("what was applied last can be undone: {broken}");
            }
            self.graph.next_serial = *serial;
        }
        let found = look(self.graph);
        for (change, _) in &self.log {
            if let Err(broken) = self.graph.apply(change) {
                unreachable!("what was undone can be applied again: {broken}");
            }
        }
        self.graph.next_serial = next_serial;
        found
    }

    /// The changes, merged into one an entity and one a relation, in an order another copy can play: relations
    /// removed, entities removed, entities created in order of serial, entities updated, relations created or updated.
    /// Empty if nothing is other than it was. The graph keeps them applied. On a violation everything is undone.
    pub fn finish(mut self) -> Result<Vec<Change>, Violation> {
        self.validate()?;
        let merged = merge(self.log.iter().map(|(change, _)| change));
        self.log.clear();
        for (before, after) in merged.untouched {
            let back = Change::Entity {
                before: Some(after),
                after: Some(before),
            };
            if let Err(broken) = self.graph.apply(&back) {
                unreachable!("an entity of this transaction can be put back: {broken}");
            }
        }
        // Serials of entities that were created and removed again were never seen: the other copies don't skip them.
        self.graph.set_next_serial(self.first_serial);
        Ok(merged.changes)
    }

    /// Undoes everything.
    pub fn abandon(self) {}

    /// What has to be there.
    pub fn node(&self, id: Uuid) -> Result<Node<'_>, Violation> {
        self.graph.find(id).ok_or(Violation::NotFound { id })
    }

    fn ends(&self, rel: Rel, from: Uuid, to: Uuid) -> Result<(Node<'_>, Node<'_>), Violation> {
        let end = |id, wanted| {
            let node = self.node(id)?;
            if node.kind == wanted {
                Ok(node)
            } else {
                Err(Violation::WrongKind {
                    id,
                    is: node.kind,
                    wanted,
                })
            }
        };
        Ok((end(from, rel.def().from)?, end(to, rel.def().to)?))
    }

    /// No other entity has one of the new values in a field where it must be alone.
    fn unique(&self, id: Uuid, kind: Kind, before: Values<'_>, after: Values<'_>) -> Result<(), Violation> {
        for (field, def) in kind.def().fields.iter().enumerate().filter(|(_, def)| def.unique) {
            let Some(value) = after.get(field as u8) else { continue };
            if before.get(field as u8) == Some(value) {
                continue;
            }
            if let Some(other) = self
                .graph
                .by_value(kind, field as u8, value, None)
                .find(|other| other.id != id)
            {
                let value = shown(value);
                return Err(Violation::NotUnique {
                    id,
                    kind,
                    field: def.name,
                    value,
                    taken_by: other.id,
                });
            }
        }
        Ok(())
    }

    /// Applies what was checked.
    fn play(&mut self, change: Change) {
        let next_serial = self.graph.next_serial;
        if let Err(broken) = self.graph.apply(&change) {
            unreachable!("what was checked can be applied: {broken}");
        }
        self.log.push((change, next_serial));
    }

    /// An entity whose representation changes without its fields.
    fn touch(&mut self, slot: u32) {
        let before = self.graph.topology.entity(slot).clone();
        // Created or changed by this transaction before.
        if before.revision == self.revision {
            return;
        }
        let after = before.with_header(Header {
            revision: self.revision,
            updated: self.now,
            ..*before
        });
        self.play(Change::Entity {
            before: Some(before),
            after: Some(after),
        });
    }

    /// Removes a relation that exists. A child that is `doomed` goes anyway, and is not touched.
    fn cut(&mut self, rel: Rel, from: u32, to: u32, doomed: &dyn Fn(u32) -> bool) {
        let topology = &self.graph.topology;
        let Some(edge) = topology.find(rel, from, to) else {
            return;
        };
        let end = |slot| Node::new(self.graph, slot).end();
        let before = Relation {
            rel,
            from: end(from),
            to: end(to),
            fields: topology.fields(rel, edge).to_fields(),
        };
        let next_serial = self.graph.next_serial;
        self.graph.unlink(rel, edge, from, to);
        let change = Change::Relation {
            before: Some(Arc::new(before)),
            after: None,
        };
        self.log.push((change, next_serial));
        if rel.def().relation_type == RelationType::OneToMany && !doomed(to) {
            self.touch(to);
        }
    }

    /// How many entities and relations went.
    pub(super) fn remove_slot(&mut self, slot: u32, doomed: &dyn Fn(u32) -> bool) -> usize {
        let topology = &self.graph.topology;
        let mut edges = topology.all(slot);
        // One with itself stands here twice.
        edges.retain(|(_, _, direction, far)| *far != slot || *direction == Direction::Forward);
        edges.sort_by_cached_key(|(_, rel, direction, far)| (*rel, *direction, topology.serial(*far)));
        for (_, rel, direction, far) in &edges {
            match direction {
                Direction::Forward => self.cut(*rel, slot, *far, doomed),
                Direction::Backward => self.cut(*rel, *far, slot, doomed),
            }
        }
        let before = self.graph.topology.entity(slot).clone();
        self.play(Change::Entity {
            before: Some(before),
            after: None,
        });
        edges.len() + 1
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        // After a panic nothing is known of the graph any more: whoever catches it builds the copy anew, and a second
        // panic here would end the process.
        if !std::thread::panicking() {
            self.rollback_to(Savepoint { changes: 0, events: 0 });
        }
    }
}

/// A value as a message quotes it.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Time(time) => time.to_string(),
        Value::Uuid(id) => id.to_string(),
        Value::Text(text) => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::small::{CLOCK, commit, fields, id, rel, take, told};
    use super::*;

    /// The world all of these begin with, at revision 1.
    const BEFORE: &str =
        "Organization acme, Organization bolt, ProfileGroup staff, acme > staff, Profile ann, ann > staff,
        Entitlement gold, acme > gold, LicensedItem app, License seat, gold > seat, app > seat";

    fn before() -> Graph {
        let mut graph = Graph::new();
        commit(&mut graph, 1, BEFORE).unwrap();
        graph
    }

    #[test]
    fn a_transaction_tells_what_is_other_than_before() {
        for (steps, expected) in [
            ("", ""),
            ("Organization core", "+core"),
            ("Organization core, - core", ""),
            ("Organization core, Profile bob", "+core +bob"),
            // A child's reference to its parent is part of it; the parent and the ends of other relations are not touched.
            ("Entitlement blue, bolt > blue", "+blue +bolt>blue"),
            ("acme x staff, bolt > staff", "-acme>staff ~staff +bolt>staff"),
            ("ann x staff", "-ann>staff"),
            // There and back is nothing.
            ("acme x staff, acme > staff", ""),
            ("ann x staff, ann > staff", ""),
            ("acme x gold, bolt > gold, bolt x gold, acme > gold", ""),
            // Another entity in the place of one that went: a removal and a creation, and so its relations.
            ("- ann, Profile ann, ann > staff", "-ann>staff -ann +ann +ann>staff"),
            ("- ann, Person ann", "-ann>staff -ann +ann"),
            (
                "-- acme",
                "-gold>seat -app>seat -acme>gold -acme>staff -ann>staff -seat -gold -staff -acme",
            ),
        ] {
            let mut graph = before();
            let mut copy = graph.clone();
            let changes = commit(&mut graph, 2, steps).unwrap();
            assert_eq!(told(&changes), expected, "{steps}");
            for change in &changes {
                copy.apply(change).unwrap();
            }
            assert_eq!(copy.digest(), graph.digest(), "{steps}");
            assert_eq!(copy.next_serial(), graph.next_serial(), "{steps}");
            assert_eq!(graph.check(), Ok(()), "{steps}");
        }
    }

    #[test]
    fn a_transaction_looks_back() {
        for steps in [
            "",
            "Organization core",
            "- ann, Profile bob, bob > staff",
            "-- acme",
            "ann x staff, - ann",
        ] {
            let mut graph = before();
            let was = (graph.digest(), graph.next_serial());
            let mut tx = Transaction::new(&mut graph, 2, Time(2), &CLOCK);
            take(&mut tx, steps).unwrap();
            let (is, told_now) = ((tx.graph().digest(), tx.graph().next_serial()), told(&tx.changes()));
            let back = tx.before(|graph| (graph.digest(), graph.next_serial(), graph.check()));
            assert_eq!(back, (was.0, was.1, Ok(())), "{steps}");
            assert_eq!((tx.graph().digest(), tx.graph().next_serial()), is, "{steps}");
            assert_eq!(told(&tx.changes()), told_now, "{steps}");
            tx.abandon();
            assert_eq!((graph.digest(), graph.next_serial()), was, "{steps}");
            assert_eq!(graph.check(), Ok(()), "{steps}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_and_leaves_nothing() {
        let parent = |parent, child| rel(parent, child);
        for (steps, expected) in [
            (
                "Profile acme",
                Violation::IdTaken {
                    id: id("acme"),
                    kind: Kind::Organization,
                },
            ),
            ("- nobody", Violation::NotFound { id: id("nobody") }),
            ("-- nobody", Violation::NotFound { id: id("nobody") }),
            (
                "Entitlement blue",
                Violation::NoOwner {
                    id: id("blue"),
                    kind: Kind::Entitlement,
                },
            ),
            (
                "- gold",
                Violation::NoOwner {
                    id: id("seat"),
                    kind: Kind::License,
                },
            ),
            (
                "- app",
                Violation::NoParent {
                    id: id("seat"),
                    kind: Kind::License,
                    rel: parent(Kind::LicensedItem, Kind::License),
                },
            ),
            (
                "acme > gold",
                Violation::RelationExists {
                    rel: parent(Kind::Organization, Kind::Entitlement),
                    from: id("acme"),
                    to: id("gold"),
                },
            ),
            (
                "bolt > gold",
                Violation::TwoParents {
                    id: id("gold"),
                    kind: Kind::Entitlement,
                    rel: parent(Kind::Organization, Kind::Entitlement),
                },
            ),
            (
                "ann > gold",
                Violation::TwoParents {
                    id: id("gold"),
                    kind: Kind::Entitlement,
                    rel: parent(Kind::Organization, Kind::Entitlement),
                },
            ),
            (
                "Entitlement own, ann > own, Entitlement two, ann > two",
                Violation::NotSingle {
                    parent: id("ann"),
                    rel: parent(Kind::Profile, Kind::Entitlement),
                },
            ),
            (
                "bolt x gold",
                Violation::NoRelation {
                    rel: parent(Kind::Organization, Kind::Entitlement),
                    from: id("bolt"),
                    to: id("gold"),
                },
            ),
        ] {
            let mut graph = before();
            let (digest, serial) = (graph.digest(), graph.next_serial());
            // Something that fits comes first, and goes with the rest.
            assert_eq!(
                commit(&mut graph, 2, &format!("Organization core,{steps}")),
                Err(expected),
                "{steps}"
            );
            assert_eq!((graph.digest(), graph.next_serial()), (digest, serial), "{steps}");
            assert_eq!(graph.check(), Ok(()), "{steps}");
        }
    }

    #[test]
    fn unique_values_are_unique_in_any_case_where_case_is_folded() {
        let (text, kept) = (Value::text, Kept::default());
        for (kind, field, first, second, taken) in [
            (Kind::Organization, "alias", "acme", "acme", true),
            (Kind::Organization, "alias", "acme", "Acme", false),
            (Kind::Organization, "name", "acme", "acme", false),
            (Kind::LicensedItem, "name", "editor", "editor", true),
            (
                Kind::EmailAndPassword,
                "userName",
                "ann@acme.example",
                "Ann@ACME.example",
                true,
            ),
        ] {
            let mut graph = Graph::new();
            let mut transaction = Transaction::new(&mut graph, 1, Time(1), &CLOCK);
            transaction
                .create(id("one"), kind, fields(kind, &[(field, text(first))]), kept)
                .unwrap();
            let value = second.to_owned();
            let refusal = Violation::NotUnique {
                id: id("two"),
                kind,
                field,
                value,
                taken_by: id("one"),
            };
            let expected = if taken { Err(refusal) } else { Ok(()) };
            let other = fields(kind, &[(field, text(second))]);
            assert_eq!(
                transaction.create(id("two"), kind, other.clone(), kept),
                expected,
                "{field} {second}"
            );
            // By an update too, and not against itself.
            let _ = transaction.create(id("two"), kind, Fields::default(), kept);
            assert_eq!(transaction.update(id("two"), other), expected, "{field} {second}");
            assert_eq!(
                transaction.update(id("one"), fields(kind, &[(field, text(&first.to_uppercase()))])),
                Ok(())
            );
        }
    }

    #[test]
    fn a_key_is_unique_among_the_children_of_one_owner() {
        let key = |value| fields(Kind::Property, &[("key", Value::text(value))]);
        for (owner, value, taken) in [
            ("acme", "colour", true),
            ("acme", "Colour", false),
            ("bolt", "colour", false),
        ] {
            let mut graph = before();
            let mut transaction = Transaction::new(&mut graph, 2, Time(2), &CLOCK);
            let rel = rel(Kind::Organization, Kind::Property);
            // Enough siblings that both ways of looking are taken.
            for sibling in ["colour", "size", "shape", "weight"] {
                transaction
                    .create(id(sibling), Kind::Property, key(sibling), Kept::default())
                    .unwrap();
                transaction
                    .relate(rel, id("acme"), id(sibling), Fields::default())
                    .unwrap();
            }
            transaction
                .create(id("two"), Kind::Property, key(value), Kept::default())
                .unwrap();
            transaction
                .relate(rel, id(owner), id("two"), Fields::default())
                .unwrap();
            assert_eq!(transaction.validate().is_err(), taken, "{owner} {value}");
            assert_eq!(transaction.finish().is_err(), taken, "{owner} {value}");
            assert_eq!(graph.check(), Ok(()));
        }
    }

    #[test]
    fn a_touched_entity_has_the_revision_and_time_of_its_transaction() {
        let mut graph = before();
        commit(&mut graph, 7, "acme x staff, bolt > staff, Organization core").unwrap();
        let of = |name| {
            graph
                .find(id(name))
                .map(|node| (node.revision, node.created, node.updated))
        };
        assert_eq!(of("staff"), Some((7, Time(1), Time(7))));
        assert_eq!(of("core"), Some((7, Time(7), Time(7))));
        for name in ["acme", "bolt", "ann", "gold"] {
            assert_eq!(of(name), Some((1, Time(1), Time(1))), "{name}");
        }
    }

    #[test]
    fn a_serial_is_given_once_and_kept_by_an_import() {
        let mut graph = before();
        let next = graph.next_serial();
        let mut transaction = Transaction::new(&mut graph, 2, Time(2), &CLOCK);
        let mut create = |name, serial| {
            let kept = Kept {
                serial,
                created: Some(Time(-5)),
                updated: Some(Time(-4)),
            };
            transaction.create(id(name), Kind::Profile, Fields::default(), kept)
        };
        assert_eq!(create("kept", Some(500)), Ok(()));
        assert_eq!(create("later", None), Ok(()));
        assert_eq!(create("earlier", Some(next + 3)), Ok(()));
        // Of whatever kind the other is.
        let taken = |name, serial, by| {
            Err(Violation::SerialTaken {
                id: id(name),
                serial,
                taken_by: id(by),
            })
        };
        assert_eq!(create("twice", Some(1)), taken("twice", 1, "acme"));
        assert_eq!(create("twice", Some(500)), taken("twice", 500, "kept"));
        for serial in [0, LAST_KEPT_SERIAL + 1, LAST_SERIAL, LAST_SERIAL + 1, u64::MAX] {
            assert_eq!(
                create("twice", Some(serial)),
                Err(Violation::SerialOutOfRange {
                    id: id("twice"),
                    serial
                })
            );
        }
        transaction.finish().unwrap();
        let later = graph.find(id("later")).unwrap();
        assert_eq!((later.serial, later.created, later.updated), (501, Time(-5), Time(-4)));
        assert_eq!(graph.next_serial(), 502);
        commit(&mut graph, 3, "- later").unwrap();
        assert_eq!(graph.next_serial(), 502);
    }

    #[test]
    fn an_internal_entity_makes_way_for_a_serial_that_is_brought() {
        let mut graph = Graph::new();
        commit(&mut graph, 1, "Token key, Organization acme, SigningKey pair").unwrap();
        let (mut copy, before) = (graph.clone(), graph.digest());
        let bring = |transaction: &mut Transaction<'_>, name: &str, serial: Serial| {
            let kept = Kept {
                serial: Some(serial),
                ..Kept::default()
            };
            transaction.create(id(name), Kind::Organization, Fields::default(), kept)
        };
        let mut transaction = Transaction::new(&mut graph, 2, Time(2), &CLOCK);
        transaction.reserve_serials(9).unwrap();
        take(&mut transaction, "Organization other").unwrap();
        for (name, serial) in [("one", 1), ("three", 3), ("nine", 9)] {
            bring(&mut transaction, name, serial).unwrap();
        }
        let taken = bring(&mut transaction, "two", 2);
        assert!(
            matches!(taken, Err(Violation::SerialTaken { serial: 2, .. })),
            "{taken:?}"
        );
        let changes = transaction.finish().unwrap();
        let serial = |graph: &Graph, name: &str| graph.find(id(name)).unwrap().serial;
        let all = ["one", "acme", "three", "nine", "other", "key", "pair"].map(|name| serial(&graph, name));
        assert_eq!(all, [1, 2, 3, 9, 10, 11, 12]);
        assert_eq!(graph.find(id("key")).unwrap().created, Time(1));
        assert_eq!(graph.next_serial(), 14);
        assert_eq!(graph.check(), Ok(()));
        for change in &changes {
            copy.apply(change).unwrap();
        }
        assert_eq!((copy.digest(), copy.next_serial()), (graph.digest(), 14));
        for change in changes.iter().rev() {
            copy.undo(change).unwrap();
        }
        assert_eq!(copy.digest(), before);
        // What is reserved already, or given, is no change.
        let mut transaction = Transaction::new(&mut graph, 3, Time(3), &CLOCK);
        transaction.reserve_serials(13).unwrap();
        assert_eq!(transaction.finish(), Ok(Vec::new()));
        // Of two that reserve, the later is told.
        let mut transaction = Transaction::new(&mut graph, 3, Time(3), &CLOCK);
        transaction.reserve_serials(20).unwrap();
        transaction.finish().unwrap();
        assert_eq!((graph.kind_count(Kind::ReservedSerial), graph.next_serial()), (1, 21));
    }

    #[test]
    fn a_rollback_is_as_if_it_had_not_been() {
        let mut graph = before();
        let (digest, serial) = (graph.digest(), graph.next_serial());
        let mut transaction = Transaction::new(&mut graph, 2, Time(2), &CLOCK);
        let start = transaction.savepoint();
        super::super::small::take(
            &mut transaction,
            "-- acme, Organization core, Entitlement red, core > red",
        )
        .unwrap();
        let middle = transaction.savepoint();
        super::super::small::take(&mut transaction, "- red").unwrap();
        transaction.rollback_to(middle);
        assert!(transaction.graph().find(id("red")).is_some());
        transaction.rollback_to(start);
        assert_eq!(
            (transaction.graph().digest(), transaction.graph().next_serial()),
            (digest, serial)
        );
        super::super::small::take(&mut transaction, "Organization core").unwrap();
        drop(transaction);
        assert_eq!((graph.digest(), graph.next_serial()), (digest, serial));
        assert_eq!(graph.check(), Ok(()));
    }
}
