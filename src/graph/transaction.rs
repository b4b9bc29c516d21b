//! Making changes to the working graph: each step is checked and applied at once, and can be undone. What must hold
//! only at the end (owners, required parents) is checked by `finish`, for what was touched.
//!
//! A step holds to unique values by itself: two entities swap theirs by way of a third value or none, since the state
//! between two steps is as real as any other.

use std::sync::Arc;

use uuid::Uuid;

use crate::model::schema::{Hop, Role};
use crate::model::{
    Change, Clock, Direction, Entity, Fields, Kind, Rel, Relation, RelationType, Revision, Serial, Time, Value,
};

use super::merge::merge;
use super::play::LAST_SERIAL;
use super::violation::Violation;
use super::{Graph, Node};

/// A list of changes being made to the working graph: applied at once, undone by `rollback_to`. Dropped unfinished, it
/// leaves no trace.
pub struct Transaction<'g> {
    pub(super) graph: &'g mut Graph,
    revision: Revision,
    now: Time,
    clock: &'g Clock,
    /// What was done, each with the next serial before it.
    pub(super) log: Vec<(Change, Serial)>,
    /// The next serial before all of it.
    first_serial: Serial,
}

/// A place in a transaction to roll back to. It means nothing to another transaction.
#[derive(Clone, Copy, Debug)]
pub struct Savepoint(usize);

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
        if !(1..=LAST_SERIAL).contains(&serial) {
            return Err(Violation::SerialOutOfRange { id, serial });
        }
        // Serials count over all kinds; only one that was given before can be somebody's.
        let owner = || Kind::ALL.iter().find_map(|kind| self.graph.by_serial(*kind, serial));
        if serial < self.graph.next_serial
            && let Some(taken) = owner()
        {
            return Err(Violation::SerialTaken {
                id,
                serial,
                taken_by: taken.id,
            });
        }
        self.unique(id, kind, &Fields::default(), &fields)?;
        let entity = Entity {
            id,
            serial,
            revision: self.revision,
            created: kept.created.unwrap_or(self.now),
            updated: kept.updated.unwrap_or(self.now),
            kind,
            fields,
        };
        self.play(Change::Entity {
            before: None,
            after: Some(Arc::new(entity)),
        });
        Ok(())
    }

    /// No change at all (no revision, no `updated`) when the fields are the ones it has.
    pub fn update(&mut self, id: Uuid, fields: Fields) -> Result<(), Violation> {
        let before = self.node(id)?.entity().clone();
        if before.fields == fields {
            return Ok(());
        }
        self.unique(id, before.kind, &before.fields, &fields)?;
        let after = Entity {
            fields,
            revision: self.revision,
            updated: self.now,
            ..(*before).clone()
        };
        self.play(Change::Entity {
            before: Some(before),
            after: Some(Arc::new(after)),
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
        let hop = Hop {
            rel,
            direction: Direction::Forward,
        };
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
        let slot = child.slot() as u32;
        self.play(Change::Relation {
            before: None,
            after: Some(Arc::new(relation)),
        });
        if def.relation_type == RelationType::OneToMany {
            self.touch(slot);
        }
        Ok(())
    }

    /// Replaces the fields of a relation that exists.
    pub fn update_relation(&mut self, rel: Rel, from: Uuid, to: Uuid, fields: Fields) -> Result<(), Violation> {
        let (near, far) = self.ends(rel, from, to)?;
        let had = near.relation(
            Hop {
                rel,
                direction: Direction::Forward,
            },
            far,
        );
        let had = had.ok_or(Violation::NoRelation { rel, from, to })?;
        if *had == fields || rel.def().fields.is_empty() {
            return Ok(());
        }
        let before = Relation {
            rel,
            from: near.end(),
            to: far.end(),
            fields: had.clone(),
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
        if near
            .relation(
                Hop {
                    rel,
                    direction: Direction::Forward,
                },
                far,
            )
            .is_none()
        {
            return Err(Violation::NoRelation { rel, from, to });
        }
        let (near, far) = (near.slot() as u32, far.slot() as u32);
        self.cut(rel, near, far, &|_| false);
        Ok(())
    }

    pub fn savepoint(&self) -> Savepoint {
        Savepoint(self.log.len())
    }

    pub fn rollback_to(&mut self, savepoint: Savepoint) {
        while self.log.len() > savepoint.0 {
            let Some((change, next_serial)) = self.log.pop() else {
                return;
            };
            if let Err(broken) = self.graph.undo(&change) {
                unreachable!("what was applied last can be undone: {broken}");
            }
            self.graph.next_serial = next_serial;
        }
    }

    /// So far, merged: what `finish` would give now.
    pub fn changes(&self) -> Vec<Change> {
        merge(self.log.iter().map(|(change, _)| change)).changes
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

    pub(super) fn node(&self, id: Uuid) -> Result<Node<'_>, Violation> {
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
    fn unique(&self, id: Uuid, kind: Kind, before: &Fields, after: &Fields) -> Result<(), Violation> {
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
        let after = Entity {
            revision: self.revision,
            updated: self.now,
            ..(*before).clone()
        };
        self.play(Change::Entity {
            before: Some(before),
            after: Some(Arc::new(after)),
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
            fields: topology.fields(rel, edge).clone(),
        };
        self.play(Change::Relation {
            before: Some(Arc::new(before)),
            after: None,
        });
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
        edges.sort_by_cached_key(|(_, rel, direction, far)| (*rel, *direction, topology.entity(*far).serial));
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
        self.rollback_to(Savepoint(0));
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
