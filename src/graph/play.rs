//! Applying a change and undoing it: the only way the graph alters. Topology and indexes change together, or the
//! change does not fit and nothing happens.
//!
//! What must hold over several changes (unique values, owners) is not asked here: a transaction has asked, and while
//! its merged changes are played one by one on another copy, it may not hold for a moment.

use std::sync::Arc;

use crate::leisure::breathe;
use crate::model::{Change, End, Entity, Kind, Rel, Relation, schema};

use super::Graph;

/// A change that does not fit the graph it was played on: the copies differ, or the database is damaged.
#[derive(Debug, thiserror::Error)]
#[error("the graph does not fit its log: {0}")]
pub struct Broken(pub String);

/// Serials stay where a signed 64-bit integer holds them and one more.
pub(super) const LAST_SERIAL: u64 = i64::MAX as u64 - 1;

/// The last serial an import may bring: whatever it was, there is room for all that will ever come after it.
pub const LAST_KEPT_SERIAL: u64 = 1 << 62;

impl Graph {
    /// Plays a change that a transaction made elsewhere (the other copy, storage).
    pub fn apply(&mut self, change: &Change) -> Result<(), Broken> {
        breathe();
        match change {
            Change::Entity { before, after } => self.play_entity(before.as_ref(), after.as_ref()),
            Change::Relation { before, after } => self.play_relation(before.as_ref(), after.as_ref()),
        }
    }

    /// Takes back a change, the last one played first. `next_serial` goes back over an entity whose serial was the last;
    /// whoever undoes more than that puts it back with `set_next_serial`.
    pub fn undo(&mut self, change: &Change) -> Result<(), Broken> {
        match change {
            Change::Entity { before, after } => {
                self.play_entity(after.as_ref(), before.as_ref())?;
                if let (None, Some(created)) = (before, after)
                    && created.serial + 1 == self.next_serial
                {
                    self.next_serial = created.serial;
                }
                Ok(())
            }
            Change::Relation { before, after } => self.play_relation(after.as_ref(), before.as_ref()),
        }
    }

    fn play_entity(&mut self, before: Option<&Entity>, after: Option<&Entity>) -> Result<(), Broken> {
        match (before, after) {
            (None, None) => Err(Broken("a change from nothing to nothing".to_owned())),
            (None, Some(after)) => self.add_entity(after),
            (Some(before), Some(after)) => {
                let slot = self.slot_of(before)?;
                if (after.id, after.serial, after.kind) != (before.id, before.serial, before.kind) {
                    return Err(Broken(format!("an update makes another entity of `{}`", before.id)));
                }
                self.changed.kind(after.kind, self.revision);
                self.index.revalue(slot, after, before.fields(), after.fields());
                self.seats.updating(&self.topology, slot, before, after);
                self.topology.replace(slot, after.clone());
                self.seats.updated(&self.topology, slot, before, after);
                Ok(())
            }
            (Some(before), None) => {
                let slot = self.slot_of(before)?;
                if !self.topology.is_lonely(slot) {
                    return Err(Broken(format!("`{}` is removed and still has relations", before.id)));
                }
                self.changed.kind(before.kind, self.revision);
                self.index.remove(slot, before);
                self.topology.remove(slot);
                Ok(())
            }
        }
    }

    fn add_entity(&mut self, entity: &Entity) -> Result<(), Broken> {
        if self.index.find(&self.topology, entity.id).is_some() {
            return Err(Broken(format!("`{}` is there already", entity.id)));
        }
        if !(1..=LAST_SERIAL).contains(&entity.serial) {
            return Err(Broken(format!("`{}` has the serial {}", entity.id, entity.serial)));
        }
        if entity.serial < self.next_serial && self.index.by_serial(entity.kind, entity.serial).is_some() {
            return Err(Broken(format!(
                "the serial {} of `{}` is taken",
                entity.serial, entity.id
            )));
        }
        if entity
            .fields()
            .iter()
            .any(|(field, _)| usize::from(field) >= entity.kind.def().fields.len())
        {
            return Err(Broken(format!("`{}` has a field its kind has not", entity.id)));
        }
        self.add_checked(entity);
        Ok(())
    }

    /// A new entity whose id and serial are nobody's, and whose fields are its kind's: the one place where entities come to be.
    pub(super) fn add_checked(&mut self, entity: &Entity) {
        debug_assert!(
            entity
                .fields()
                .iter()
                .all(|(field, _)| usize::from(field) < entity.kind.def().fields.len())
        );
        self.changed.kind(entity.kind, self.revision);
        let slot = self.topology.add(entity.clone());
        self.index.add(&self.topology, slot, entity);
        self.next_serial = self.next_serial.max(entity.serial + 1);
    }

    /// Where the entity is, if it is exactly as `before` says.
    fn slot_of(&self, before: &Entity) -> Result<u32, Broken> {
        let Some(slot) = self.index.find(&self.topology, before.id) else {
            return Err(Broken(format!("`{}` is not there", before.id)));
        };
        let found = self.topology.entity(slot);
        if found != before {
            return Err(Broken(format!("`{}` is not what it was", before.id)));
        }
        Ok(slot)
    }

    fn play_relation(&mut self, before: Option<&Arc<Relation>>, after: Option<&Arc<Relation>>) -> Result<(), Broken> {
        match (before, after) {
            (None, None) => Err(Broken("a change from nothing to nothing".to_owned())),
            (None, Some(after)) => self.add_relation(after),
            (Some(before), Some(after)) => {
                let (edge, ..) = self.edge_of(before)?;
                if (after.rel, after.from, after.to) != (before.rel, before.from, before.to) {
                    return Err(Broken(format!("an update makes another relation of {}", named(before))));
                }
                fits_its_type(after)?;
                self.changed.relation(after.rel, self.revision);
                self.topology.relabel(edge, after);
                Ok(())
            }
            (Some(before), None) => {
                let (edge, from, to) = self.edge_of(before)?;
                self.unlink(before.rel, edge, from, to);
                Ok(())
            }
        }
    }

    /// A new relation between two entities, where all of it was checked: the one place where relations come to be.
    pub(super) fn link(&mut self, relation: &Arc<Relation>, from: u32, to: u32) {
        let rel = relation.rel;
        self.changed.relation(rel, self.revision);
        self.seats.linking(&self.topology, rel, from, to);
        self.topology.link(relation, from, to);
        self.seats.linked(&self.topology, rel, from, to);
    }

    /// And the one where they go.
    pub(super) fn unlink(&mut self, rel: Rel, edge: u32, from: u32, to: u32) {
        self.changed.relation(rel, self.revision);
        self.seats.unlinking(&self.topology, rel, from, to);
        self.topology.unlink(edge);
        self.seats.unlinked(&self.topology, rel, from, to);
    }

    fn add_relation(&mut self, relation: &Arc<Relation>) -> Result<(), Broken> {
        let (from, to) = self.ends_of(relation)?;
        if self.topology.find(relation.rel, from, to).is_some() {
            return Err(Broken(format!("{} is there already", named(relation))));
        }
        self.link(relation, from, to);
        Ok(())
    }

    fn ends_of(&self, relation: &Relation) -> Result<(u32, u32), Broken> {
        fits_its_type(relation)?;
        let def = relation.rel.def();
        let find = |end: End, kind: Kind| {
            let slot = self.index.find(&self.topology, end.id);
            let slot = slot.filter(|slot| {
                let entity = self.topology.entity(*slot);
                entity.serial == end.serial && entity.kind == kind
            });
            slot.ok_or_else(|| Broken(format!("{} has no {} `{}`", named(relation), kind.name(), end.id)))
        };
        Ok((find(relation.from, def.from)?, find(relation.to, def.to)?))
    }

    /// With its ends.
    fn edge_of(&self, before: &Relation) -> Result<(u32, u32, u32), Broken> {
        let (from, to) = self.ends_of(before)?;
        let edge = self.topology.find(before.rel, from, to);
        let edge = edge.ok_or_else(|| Broken(format!("{} is not there", named(before))))?;
        if self.topology.fields(before.rel, edge) != before.fields.values() {
            return Err(Broken(format!("{} is not what it was", named(before))));
        }
        Ok((edge, from, to))
    }
}

fn fits_its_type(relation: &Relation) -> Result<(), Broken> {
    if relation.rel.0 as usize >= schema::RELATIONS.len() {
        return Err(Broken(format!("no relation is numbered {}", relation.rel.0)));
    }
    if relation
        .fields
        .iter()
        .any(|(field, _)| usize::from(field) >= relation.rel.def().fields.len())
    {
        return Err(Broken(format!("{} has a field its type has not", named(relation))));
    }
    Ok(())
}

fn named(relation: &Relation) -> String {
    format!(
        "{} from `{}` to `{}`",
        relation.rel.def().stable_name(),
        relation.from.id,
        relation.to.id
    )
}

#[cfg(test)]
mod tests {
    use super::super::small::{commit, id};
    use super::*;
    use crate::model::{Fields, Header, Rel, Time};

    fn entity(name: &str, serial: u64, kind: Kind) -> Option<Entity> {
        let fields = Fields::default();
        Some(Entity::new(
            Header {
                id: id(name),
                serial,
                revision: 1,
                created: Time(1),
                updated: Time(1),
                kind,
            },
            fields,
        ))
    }

    fn relation(rel: u8, from: (&str, u64), to: (&str, u64)) -> Option<Arc<Relation>> {
        let end = |(name, serial)| End { id: id(name), serial };
        Some(Arc::new(Relation {
            rel: Rel(rel),
            from: end(from),
            to: end(to),
            fields: Fields::default(),
        }))
    }

    #[test]
    fn a_change_that_does_not_fit_is_an_error_and_changes_nothing() {
        let mut graph = Graph::new();
        commit(
            &mut graph,
            1,
            "Organization acme, ProfileGroup staff, acme > staff, ProfileGroup other, acme > other, Profile ann",
        )
        .unwrap();
        commit(&mut graph, 1, "acme x other, Organization bolt, bolt > other").unwrap();
        let digest = graph.digest();
        let group = Kind::ProfileGroup;
        let entities = [
            (None, None, "from nothing to nothing"),
            (None, entity("acme", 9, Kind::Profile), "is there already"),
            (None, entity("new", 0, Kind::Profile), "has the serial 0"),
            (
                None,
                entity("new", u64::MAX, Kind::Profile),
                "has the serial 18446744073709551615",
            ),
            (None, entity("new", 2, group), "the serial 2 of"),
            (entity("none", 9, group), None, "is not there"),
            (entity("ann", 5, Kind::Profile), None, "is not what it was"),
            (
                entity("ann", 4, Kind::Profile),
                entity("ann", 9, Kind::Profile),
                "another entity",
            ),
            (
                entity("ann", 4, Kind::Profile),
                entity("ben", 4, Kind::Profile),
                "another entity",
            ),
            (entity("acme", 1, Kind::Organization), None, "still has relations"),
        ];
        let relations = [
            (None, None, "from nothing to nothing"),
            (
                None,
                relation(200, ("acme", 1), ("staff", 2)),
                "no relation is numbered 200",
            ),
            (None, relation(0, ("acme", 1), ("staff", 2)), "is there already"),
            (None, relation(0, ("acme", 7), ("other", 3)), "has no Organization"),
            (None, relation(0, ("acme", 1), ("nobody", 3)), "has no ProfileGroup"),
            (None, relation(0, ("ann", 4), ("staff", 2)), "has no Organization"),
            (relation(0, ("acme", 1), ("other", 3)), None, "is not there"),
            (
                relation(0, ("acme", 1), ("staff", 2)),
                relation(0, ("acme", 1), ("other", 3)),
                "another relation",
            ),
        ];
        let entities = entities.map(|(before, after, message)| (Change::Entity { before, after }, message));
        let relations = relations.map(|(before, after, message)| (Change::Relation { before, after }, message));
        for (change, message) in entities.into_iter().chain(relations) {
            let broken = graph.apply(&change).expect_err(message);
            assert!(broken.0.contains(message), "{broken} ({message})");
            assert_eq!(graph.digest(), digest, "{message}");
            assert_eq!(graph.check(), Ok(()), "{message}");
        }
    }
}
