//! New rows of one table, many in one statement: a commit that grants a package makes hundreds, and half of what a row
//! costs alone is the statement around it. `OR FAIL`, because whoever gets the error gives up all of the transaction: so
//! SQLite need not remember how to take back one statement.

use super::super::codec::Key;
use super::super::{StorageError, unfit};
use super::error::is_constraint;
use super::write::{Writer, column};
use crate::model::{Change, Entity, Relation};

/// Rows of one statement.
pub const MANY: usize = 16;

const ENTITIES: &str = "INSERT OR FAIL INTO entity (serial, body) VALUES (?1,?2),(?3,?4),(?5,?6),(?7,?8),(?9,?10),(?11,?12),\
     (?13,?14),(?15,?16),(?17,?18),(?19,?20),(?21,?22),(?23,?24),(?25,?26),(?27,?28),(?29,?30),(?31,?32)";
const RELATIONS: &str = "INSERT OR FAIL INTO relation (to_serial, rel, from_serial, body) VALUES (?1,?2,?3,?4),(?5,?6,?7,?8),\
     (?9,?10,?11,?12),(?13,?14,?15,?16),(?17,?18,?19,?20),(?21,?22,?23,?24),(?25,?26,?27,?28),(?29,?30,?31,?32),\
     (?33,?34,?35,?36),(?37,?38,?39,?40),(?41,?42,?43,?44),(?45,?46,?47,?48),(?49,?50,?51,?52),(?53,?54,?55,?56),\
     (?57,?58,?59,?60),(?61,?62,?63,?64)";

/// The first `MANY` changes, if they all make rows of one table.
enum Run<'c> {
    Entities([&'c Entity; MANY]),
    Relations([&'c Relation; MANY]),
}

fn run(changes: &[Change]) -> Option<Run<'_>> {
    let first = changes.first_chunk::<MANY>()?;
    let entity = |change: &'_ Change| {
        matches!(
            change,
            Change::Entity {
                before: None,
                after: Some(_)
            }
        )
    };
    let relation = |change: &'_ Change| {
        matches!(
            change,
            Change::Relation {
                before: None,
                after: Some(_)
            }
        )
    };
    if first.iter().all(entity) {
        let entities: Vec<&Entity> = first.iter().filter_map(after_entity).collect();
        return entities.try_into().ok().map(Run::Entities);
    }
    if first.iter().all(relation) {
        let relations: Vec<&Relation> = first.iter().filter_map(after_relation).collect();
        return relations.try_into().ok().map(Run::Relations);
    }
    None
}

fn after_entity(change: &Change) -> Option<&Entity> {
    match change {
        Change::Entity { after, .. } => after.as_deref(),
        Change::Relation { .. } => None,
    }
}

fn after_relation(change: &Change) -> Option<&Relation> {
    match change {
        Change::Relation { after, .. } => after.as_deref(),
        Change::Entity { .. } => None,
    }
}

impl Writer<'_> {
    /// How many of the first changes were made into rows: `MANY` or none.
    pub(super) fn insert_many(&mut self, changes: &[Change]) -> Result<usize, StorageError> {
        let mut totals = self.totals;
        let Some(run) = run(changes) else { return Ok(0) };
        let mut insert = self.db.prepare_cached(match run {
            Run::Entities(_) => ENTITIES,
            Run::Relations(_) => RELATIONS,
        })?;
        match run {
            Run::Entities(entities) => {
                for (at, entity) in entities.into_iter().enumerate() {
                    self.encoder.entity(entity, self.row);
                    insert.raw_bind_parameter(2 * at + 1, column(entity.serial)?)?;
                    insert.raw_bind_parameter(2 * at + 2, &self.row[..])?;
                    totals.add(self.row);
                    totals.entities += 1;
                    totals.head.next_serial = totals.head.next_serial.max(entity.serial + 1);
                }
            }
            Run::Relations(relations) => {
                for (at, relation) in relations.into_iter().enumerate() {
                    let Key::Relation { to, rel, from } = self.encoder.relation_key(relation) else {
                        return Ok(0);
                    };
                    self.encoder.relation(relation, self.row);
                    insert.raw_bind_parameter(4 * at + 1, column(to)?)?;
                    insert.raw_bind_parameter(4 * at + 2, rel)?;
                    insert.raw_bind_parameter(4 * at + 3, column(from)?)?;
                    insert.raw_bind_parameter(4 * at + 4, &self.row[..])?;
                    totals.add(self.row);
                    totals.relations += 1;
                }
            }
        }
        match insert.raw_execute() {
            Ok(_) => {
                self.totals = totals;
                Ok(MANY)
            }
            Err(error) if is_constraint(&error) => {
                // The rows before it went in.
                let at = usize::try_from(self.db.changes()).unwrap_or_default();
                Err(unfit(self.key(changes.get(at).unwrap_or(&changes[0]))))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn key(&self, change: &Change) -> Key {
        match change {
            Change::Entity { before, after } => {
                let entity = after.as_ref().or(before.as_ref());
                Key::Entity(entity.map_or(0, |entity| entity.serial))
            }
            Change::Relation { before, after } => {
                let relation = after.as_ref().or(before.as_ref());
                relation.map_or(Key::Entity(0), |relation| self.encoder.relation_key(relation))
            }
        }
    }
}
