//! New rows of one table, many in one statement: a commit that grants a package makes hundreds, and half of what a row
//! costs alone is the statement around it. `OR FAIL`, because whoever gets the error gives up all of the transaction: so
//! SQLite need not remember how to take back one statement.

use std::sync::LazyLock;

use super::super::codec::Key;
use super::super::{StorageError, unfit};
use super::error::is_constraint;
use super::write::{Writer, column};
use crate::model::{Change, Entity, Relation};

/// Rows of one statement, the most first: as many as there are, but for a few.
const MANY: [usize; 3] = [64, 16, 4];

static ENTITIES: LazyLock<[String; 3]> =
    LazyLock::new(|| MANY.map(|rows| insert("INSERT OR FAIL INTO entity (serial, body) VALUES ", rows, 2)));
static RELATIONS: LazyLock<[String; 3]> = LazyLock::new(|| {
    MANY.map(|rows| {
        insert(
            "INSERT OR FAIL INTO relation (to_serial, rel, from_serial, body) VALUES ",
            rows,
            4,
        )
    })
});

fn insert(into: &str, rows: usize, columns: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(","));
    format!("{into}{}", vec![row; rows].join(","))
}

fn new_entity(change: &Change) -> Option<&Entity> {
    match change {
        Change::Entity {
            before: None,
            after: Some(entity),
        } => Some(entity),
        _ => None,
    }
}

fn new_relation(change: &Change) -> Option<&Relation> {
    match change {
        Change::Relation {
            before: None,
            after: Some(relation),
        } => Some(relation),
        _ => None,
    }
}

impl Writer<'_> {
    /// How many of the changes from `from` on were made into rows, perhaps none.
    pub(super) fn insert_many(&mut self, changes: &[Change], from: usize) -> Result<usize, StorageError> {
        let changes = changes.get(from..).unwrap_or_default();
        let all = |rows: usize| {
            let first = changes.get(..rows)?;
            match first.first()? {
                Change::Entity { .. } => first.iter().all(|change| new_entity(change).is_some()).then_some(first),
                Change::Relation { .. } => first
                    .iter()
                    .all(|change| new_relation(change).is_some())
                    .then_some(first),
            }
        };
        let largest = MANY
            .iter()
            .enumerate()
            .find_map(|(size, rows)| Some((size, all(*rows)?)));
        let Some((size, rows)) = largest else {
            return Ok(0);
        };
        let mut totals = self.totals;
        let is_entities = matches!(rows[0], Change::Entity { .. });
        let sql = if is_entities { &ENTITIES[size] } else { &RELATIONS[size] };
        let mut insert = self.prepared(sql)?;
        for (at, entity) in rows.iter().filter_map(new_entity).enumerate() {
            self.buffers.fill(Key::Entity(entity.serial), from + at);
            insert.raw_bind_parameter(2 * at + 1, column(entity.serial)?)?;
            insert.raw_bind_parameter(2 * at + 2, &self.buffers.row[..])?;
            totals.add(&self.buffers.row);
            totals.entities += 1;
            totals.head.next_serial = totals.head.next_serial.max(entity.serial + 1);
        }
        for (at, relation) in rows.iter().filter_map(new_relation).enumerate() {
            let key = self.encoder.relation_key(relation);
            let Key::Relation { to, rel, from: parent } = key else {
                return Ok(0);
            };
            self.buffers.fill(key, from + at);
            insert.raw_bind_parameter(4 * at + 1, column(to)?)?;
            insert.raw_bind_parameter(4 * at + 2, rel)?;
            insert.raw_bind_parameter(4 * at + 3, column(parent)?)?;
            insert.raw_bind_parameter(4 * at + 4, &self.buffers.row[..])?;
            totals.add(&self.buffers.row);
            totals.relations += 1;
        }
        match insert.raw_execute() {
            Ok(_) => {
                self.totals = totals;
                Ok(rows.len())
            }
            Err(error) if is_constraint(&error) => {
                // The rows before it went in.
                let at = usize::try_from(self.db.changes()).unwrap_or_default();
                Err(unfit(self.key(rows.get(at).unwrap_or(&rows[0]))))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn key(&self, change: &Change) -> Key {
        match (new_entity(change), new_relation(change)) {
            (Some(entity), _) => Key::Entity(entity.serial),
            (_, Some(relation)) => self.encoder.relation_key(relation),
            _ => Key::Entity(0),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_statement_has_as_many_rows_as_it_says() {
        assert_eq!(super::insert("INTO t VALUES ", 2, 3), "INTO t VALUES (?,?,?),(?,?,?)");
    }
}
