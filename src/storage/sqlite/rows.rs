//! New rows, many in one statement: half of what a row costs alone is the statement around it. A commit that grants a package
//! makes hundreds, and a batch of commits that make one thing each as many as it has commits. So new rows wait, by table, until
//! there are enough for the largest statement, or until the batch is whole, or until a row that may wait is to be changed.
//!
//! `OR FAIL`, because whoever gets the error gives up all of the transaction: so SQLite need not remember how to take back
//! one statement.

use std::ops::Range;
use std::sync::LazyLock;

use compact_str::CompactString;
use rusqlite::Statement;

use super::super::chain::Hash;
use super::super::codec::Key;
use super::super::{StorageError, unfit};
use super::error::is_constraint;
use super::totals::Carried;
use super::write::{Writer, column};
use crate::model::{Revision, Time};

/// Rows of one statement, the most first.
const MANY: [usize; 7] = [64, 32, 16, 8, 4, 2, 1];
/// Of the rows that wait in one table: a row that does not fit is not kept waiting. Tests use few, so that some do not.
const BYTES: usize = if cfg!(test) { 8 * 1024 } else { 256 * 1024 };

/// Of new rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    Entity,
    Relation,
    Log,
}

impl Table {
    const fn of(key: Key) -> Self {
        match key {
            Key::Entity(_) => Self::Entity,
            Key::Relation { .. } => Self::Relation,
            Key::Commit(_) | Key::Replay(_) => Self::Log,
        }
    }

    const fn columns(self) -> usize {
        match self {
            Self::Entity => 2,
            Self::Relation => 4,
            Self::Log => 7,
        }
    }

    /// By how many rows, as in `MANY`.
    fn statements(self) -> &'static [String; MANY.len()] {
        static ENTITIES: LazyLock<[String; MANY.len()]> =
            LazyLock::new(|| statements(Table::Entity, "entity (serial, body)"));
        static RELATIONS: LazyLock<[String; MANY.len()]> =
            LazyLock::new(|| statements(Table::Relation, "relation (to_serial, rel, from_serial, body)"));
        static LOG: LazyLock<[String; MANY.len()]> = LazyLock::new(|| {
            statements(
                Table::Log,
                "commit_log (revision, at, operation, body, words, chain, totals)",
            )
        });
        match self {
            Self::Entity => &ENTITIES,
            Self::Relation => &RELATIONS,
            Self::Log => &LOG,
        }
    }
}

fn statements(table: Table, into: &str) -> [String; MANY.len()] {
    MANY.map(|rows| insert(into, rows, table.columns()))
}

fn insert(into: &str, rows: usize, columns: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(","));
    format!("INSERT OR FAIL INTO {into} VALUES {}", vec![row; rows].join(","))
}

/// What stands beside the body of a line of the log.
#[derive(Debug)]
pub struct Line {
    pub at: Time,
    pub operation: CompactString,
    pub words: u64,
    pub chain: Hash,
    pub totals: Option<Carried>,
}

#[derive(Debug)]
struct Row {
    key: Key,
    /// Among the bytes of those that wait.
    body: Range<usize>,
    line: Option<Line>,
}

impl Row {
    const fn new(key: Key, line: Option<Line>) -> Self {
        Self { key, body: 0..0, line }
    }
}

/// New rows of one table.
#[derive(Debug, Default)]
pub struct Waiting {
    bytes: Vec<u8>,
    rows: Vec<Row>,
}

impl Waiting {
    fn push(&mut self, row: Row, body: &[u8]) {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(body);
        self.rows.push(Row {
            body: from..self.bytes.len(),
            ..row
        });
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.rows.clear();
    }
}

impl Writer<'_> {
    /// A new row of an entity or a relation; `buffers.row` is its body.
    pub(super) fn new_row(&mut self, key: Key) -> Result<(), StorageError> {
        self.totals.add(&self.buffers.row);
        let body = std::mem::take(&mut self.buffers.row);
        let done = self.keep(Row::new(key, None), &body);
        self.buffers.row = body;
        done
    }

    pub(super) fn new_line(&mut self, revision: Revision, line: Line, body: &[u8]) -> Result<(), StorageError> {
        self.keep(Row::new(Key::Commit(revision), Some(line)), body)
    }

    fn keep(&mut self, row: Row, body: &[u8]) -> Result<(), StorageError> {
        let table = Table::of(row.key);
        let waiting = &self.buffers.waiting[table as usize];
        if waiting.rows.len() == MANY[0] || waiting.bytes.len() + body.len() > BYTES {
            self.flush(table)?;
        }
        if body.len() > BYTES {
            let body_of_it = 0..body.len();
            return self.insert(
                table,
                &[Row {
                    body: body_of_it,
                    ..row
                }],
                body,
            );
        }
        self.buffers.waiting[table as usize].push(row, body);
        Ok(())
    }

    /// What was there before is to be changed: a row that waits goes in first.
    pub(super) fn settle(&mut self, key: Key) -> Result<(), StorageError> {
        let table = Table::of(key);
        match self.buffers.waiting[table as usize]
            .rows
            .iter()
            .any(|row| row.key == key)
        {
            true => self.flush(table),
            false => Ok(()),
        }
    }

    /// Nothing waits after it.
    pub(super) fn flush_all(&mut self) -> Result<(), StorageError> {
        [Table::Entity, Table::Relation, Table::Log]
            .into_iter()
            .try_for_each(|table| self.flush(table))
    }

    fn flush(&mut self, table: Table) -> Result<(), StorageError> {
        let mut waiting = std::mem::take(&mut self.buffers.waiting[table as usize]);
        let done = self.insert(table, &waiting.rows, &waiting.bytes);
        waiting.clear();
        self.buffers.waiting[table as usize] = waiting;
        done
    }

    fn insert(&self, table: Table, mut rows: &[Row], bytes: &[u8]) -> Result<(), StorageError> {
        while let Some(size) = MANY.iter().position(|many| *many <= rows.len()) {
            let (these, later) = rows.split_at(MANY[size]);
            let mut insert = self.prepared(&table.statements()[size])?;
            for (at, row) in these.iter().enumerate() {
                bind(
                    &mut insert,
                    at * table.columns(),
                    row,
                    bytes.get(row.body.clone()).unwrap_or_default(),
                )?;
            }
            insert.raw_execute().map_err(|error| {
                // The rows before it went in.
                let at = usize::try_from(self.db.changes()).unwrap_or_default();
                inserting(error, these.get(at).unwrap_or(&these[0]).key)
            })?;
            rows = later;
        }
        Ok(())
    }
}

/// The parameters of one row, after so many of others.
fn bind(insert: &mut Statement<'_>, after: usize, row: &Row, body: &[u8]) -> Result<(), StorageError> {
    match (row.key, &row.line) {
        (Key::Entity(serial), _) => {
            insert.raw_bind_parameter(after + 1, column(serial)?)?;
            insert.raw_bind_parameter(after + 2, body)?;
        }
        (Key::Relation { to, rel, from }, _) => {
            insert.raw_bind_parameter(after + 1, column(to)?)?;
            insert.raw_bind_parameter(after + 2, rel)?;
            insert.raw_bind_parameter(after + 3, column(from)?)?;
            insert.raw_bind_parameter(after + 4, body)?;
        }
        (Key::Commit(revision), Some(line)) => {
            insert.raw_bind_parameter(after + 1, column(revision)?)?;
            insert.raw_bind_parameter(after + 2, line.at.0)?;
            insert.raw_bind_parameter(after + 3, line.operation.as_str())?;
            insert.raw_bind_parameter(after + 4, body)?;
            insert.raw_bind_parameter(after + 5, column(line.words)?)?;
            insert.raw_bind_parameter(after + 6, line.chain)?;
            let totals = line.totals.as_ref().map_or(&[][..], |carried| &carried[..]);
            insert.raw_bind_parameter(after + 7, totals)?;
        }
        (key @ (Key::Commit(_) | Key::Replay(_)), _) => return Err(unfit(key)),
    }
    Ok(())
}

fn inserting(error: rusqlite::Error, key: Key) -> StorageError {
    if is_constraint(&error) && Table::of(key) != Table::Log {
        unfit(key)
    } else {
        error.into()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_statement_has_as_many_rows_as_it_says() {
        assert_eq!(super::insert("t", 2, 3), "INSERT OR FAIL INTO t VALUES (?,?,?),(?,?,?)");
    }
}
