//! Playing commits onto the tables, inside a transaction that somebody else begins and ends.

use std::cell::Cell;
use std::ops::Range;

use rusqlite::{CachedStatement, Connection, OptionalExtension};

use super::super::chain::{Hash, Linking};
use super::super::codec::{Decoder, Encoder, Key};
use super::super::words::Code;
use super::super::{REPLAYS_KEPT_MS, StorageError, follows, unfit};
use super::error::of_commit;
use super::read::IN_PIECES;
use super::rows::{Line, Waiting};
use super::totals::{CARRYING_BYTES, Totals};
use crate::leisure::breathe;
use crate::model::{Change, Commit, Entity, Relation, Time};

/// How many kept answers one batch forgets at most, so that the first write after a long rest is not a slow one.
const FORGET_AT_ONCE: usize = 10_000;

pub struct Writer<'a> {
    pub db: &'a Connection,
    pub encoder: &'a Encoder,
    pub decoder: &'a Decoder,
    pub totals: Totals,
    /// The highest number of the dictionary, and the hash of its words.
    pub words: (u64, Hash),
    pub piece_bytes: usize,
    pub buffers: &'a mut Buffers,
    /// Carried out so far, for whoever counts them.
    pub statements: &'a Cell<u64>,
}

/// What is written to and read from in turn.
#[derive(Debug, Default)]
pub struct Buffers {
    /// A commit's body, and where in it the rows of its changes lie.
    pub body: Vec<u8>,
    pub told: Vec<Range<usize>>,
    pub row: Vec<u8>,
    pub other: Vec<u8>,
    /// By table.
    pub waiting: [Waiting; 3],
}

impl Buffers {
    /// Makes `row` the row of a change of this commit.
    pub fn fill(&mut self, key: Key, change: usize) {
        let told = self.told.get(change).and_then(|told| self.body.get(told.clone()));
        Encoder::row(key, told.unwrap_or_default(), &mut self.row);
    }
}

impl<'a> Writer<'a> {
    pub(super) fn prepared(&self, sql: &str) -> rusqlite::Result<CachedStatement<'a>> {
        self.statements.set(self.statements.get() + 1);
        self.db.prepare_cached(sql)
    }

    /// All of a transaction, whose last commit carries the totals, or leaves them to the head if it is large.
    pub fn commits(&mut self, commits: &[Commit]) -> Result<(), StorageError> {
        let Some((last, before)) = commits.split_last() else {
            return Ok(());
        };
        self.forget_replays(last.at)?;
        before.iter().try_for_each(|commit| self.commit(commit, false))?;
        self.commit(last, true)?;
        self.flush_all()
    }

    fn commit(&mut self, commit: &Commit, is_last: bool) -> Result<(), StorageError> {
        follows(self.totals.head, commit)?;
        let Buffers { body, told, .. } = &mut *self.buffers;
        self.encoder.commit(commit, body, told);
        for (at, change) in commit.changes.iter().enumerate() {
            breathe();
            match change {
                Change::Entity { before, after } => self.entity(before.as_ref(), after.as_ref(), at)?,
                Change::Relation { before, after } => self.relation(before.as_deref(), after.as_deref(), at)?,
            }
        }
        self.log(commit, is_last)
    }

    fn entity(&mut self, before: Option<&Entity>, after: Option<&Entity>, at: usize) -> Result<(), StorageError> {
        let serial = match (before, after) {
            (Some(before), Some(after)) if before.serial != after.serial => {
                return Err(unfit(Key::Entity(after.serial)));
            }
            (Some(entity), _) | (_, Some(entity)) => entity.serial,
            (None, None) => return Err(nothing()),
        };
        let name = Key::Entity(serial);
        let key = column(serial)?;
        if after.is_some() {
            self.buffers.fill(name, at);
        }
        let Some(before) = before else {
            self.totals.entities += 1;
            self.totals.head.next_serial = self.totals.head.next_serial.max(serial + 1);
            return self.new_row(name);
        };
        self.settle(name)?;
        if after.is_some() {
            self.totals.add(&self.buffers.row);
        }
        self.encoder.entity(before, &mut self.buffers.other);
        if self.overwrite_entity(key, after.is_some())? == 0 {
            // Other bytes may still mean the same, if another version wrote them.
            let mut statement = self.prepared("SELECT body FROM entity WHERE serial = ?1")?;
            let stored: Option<Vec<u8>> = statement.query_row([key], |row| row.get(0)).optional()?;
            let stored = stored.ok_or_else(|| unfit(name))?;
            if self.decoder.entity(serial, &stored).map_err(|bad| bad.of(name))? != *before {
                return Err(unfit(name));
            }
            self.buffers.other = stored;
            one(self.overwrite_entity(key, after.is_some())?)?;
        }
        self.totals.subtract(&self.buffers.other);
        if after.is_none() {
            self.totals.entities = self.totals.entities.wrapping_sub(1);
        }
        Ok(())
    }

    /// Puts `row` in the place of `other`, or removes that; rows found, which is none if it is not just so.
    fn overwrite_entity(&self, key: i64, keep: bool) -> Result<usize, StorageError> {
        Ok(if keep {
            let mut update = self.prepared("UPDATE entity SET body = ?3 WHERE serial = ?1 AND body = ?2")?;
            update.execute((key, &self.buffers.other[..], &self.buffers.row[..]))?
        } else {
            let mut delete = self.prepared("DELETE FROM entity WHERE serial = ?1 AND body = ?2")?;
            delete.execute((key, &self.buffers.other[..]))?
        })
    }

    fn relation(&mut self, before: Option<&Relation>, after: Option<&Relation>, at: usize) -> Result<(), StorageError> {
        let Some(any) = before.or(after) else {
            return Err(nothing());
        };
        let name = self.encoder.relation_key(any);
        if after.is_some_and(|after| self.encoder.relation_key(after) != name) {
            return Err(unfit(name));
        }
        let Key::Relation { to, rel, from } = name else {
            return Err(nothing());
        };
        let key = (column(to)?, rel, column(from)?);
        if after.is_some() {
            self.buffers.fill(name, at);
        }
        let Some(before) = before else {
            self.totals.relations += 1;
            return self.new_row(name);
        };
        self.settle(name)?;
        if after.is_some() {
            self.totals.add(&self.buffers.row);
        }
        self.encoder.relation(before, &mut self.buffers.other);
        if self.overwrite_relation(key, after.is_some())? == 0 {
            let mut statement =
                self.prepared("SELECT body FROM relation WHERE to_serial = ?1 AND rel = ?2 AND from_serial = ?3")?;
            let stored: Option<Vec<u8>> = statement.query_row(key, |row| row.get(0)).optional()?;
            let stored = stored.ok_or_else(|| unfit(name))?;
            let decoded = self.decoder.relation(to, rel, from, &stored);
            if decoded.map_err(|bad| bad.of(name))? != *before {
                return Err(unfit(name));
            }
            self.buffers.other = stored;
            one(self.overwrite_relation(key, after.is_some())?)?;
        }
        self.totals.subtract(&self.buffers.other);
        if after.is_none() {
            self.totals.relations = self.totals.relations.wrapping_sub(1);
        }
        Ok(())
    }

    /// As for an entity.
    fn overwrite_relation(&self, (to, rel, from): (i64, Code, i64), keep: bool) -> Result<usize, StorageError> {
        Ok(if keep {
            let mut update = self.prepared(
                "UPDATE relation SET body = ?5 WHERE to_serial = ?1 AND rel = ?2 AND from_serial = ?3 AND body = ?4",
            )?;
            update.execute((to, rel, from, &self.buffers.other[..], &self.buffers.row[..]))?
        } else {
            let mut delete = self.prepared(
                "DELETE FROM relation WHERE to_serial = ?1 AND rel = ?2 AND from_serial = ?3 AND body = ?4",
            )?;
            delete.execute((to, rel, from, &self.buffers.other[..]))?
        })
    }

    fn log(&mut self, commit: &Commit, is_last: bool) -> Result<(), StorageError> {
        let revision = column(commit.revision)?;
        let (words, dictionary) = self.words;
        let operation = commit.operation.as_bytes();
        let mut linking = Linking::new(&self.totals.chain, &dictionary, commit.revision, commit.at, operation);
        let whole = std::mem::take(&mut self.buffers.body);
        linking.body(&whole);
        let chain = linking.hash();
        let body = if whole.len() <= self.piece_bytes {
            &whole[..]
        } else {
            let mut insert = self.prepared("INSERT INTO commit_more (revision, part, body) VALUES (?1, ?2, ?3)")?;
            for (part, piece) in whole.chunks(self.piece_bytes).enumerate() {
                insert.execute((revision, part as i64, piece))?;
            }
            IN_PIECES
        };
        self.totals.chain = chain;
        self.totals.head.revision = commit.revision;
        self.totals.head.at = commit.at;
        if let Some(replay) = &commit.replay {
            self.encoder.replay(commit.revision, replay, &mut self.buffers.other);
            let mut insert = self.prepared("INSERT INTO replay (revision, at, body) VALUES (?1, ?2, ?3)")?;
            insert.execute((revision, commit.at.0, &self.buffers.other[..]))?;
            self.totals.replays += 1;
            self.totals.add(&self.buffers.other);
        }
        let carries = whole.len() <= CARRYING_BYTES;
        let line = Line {
            at: commit.at,
            operation: commit.operation.clone(),
            words,
            chain,
            totals: (is_last && carries).then(|| self.totals.carried()),
        };
        self.new_line(commit.revision, line, body)?;
        self.buffers.body = whole;
        match is_last && !carries {
            true => self.totals.write(self.db),
            false => Ok(()),
        }
    }

    /// Forgets kept answers of commits that are too old now. Revisions and times grow together, so those are first.
    fn forget_replays(&mut self, now: Time) -> Result<(), StorageError> {
        if self.totals.replays == 0 {
            return Ok(());
        }
        let too_old = now.0.saturating_sub(REPLAYS_KEPT_MS);
        let mut last = None;
        let mut statement = self.prepared("SELECT revision, at, body FROM replay ORDER BY revision")?;
        let mut rows = statement.query(())?;
        for _ in 0..FORGET_AT_ONCE {
            let Some(row) = rows.next()? else { break };
            if row.get_ref(1)?.as_i64()? >= too_old {
                break;
            }
            last = Some(row.get_ref(0)?.as_i64()?);
            self.totals.subtract(row.get_ref(2)?.as_blob()?);
            self.totals.replays = self.totals.replays.wrapping_sub(1);
        }
        if let Some(last) = last {
            self.prepared("DELETE FROM replay WHERE revision <= ?1")?
                .execute([last])?;
        }
        Ok(())
    }
}

/// One transaction: all of it, or none. As rusqlite's, whose statements are parsed again each time.
pub fn at_once<T>(db: &Connection, write: impl FnOnce() -> Result<T, StorageError>) -> Result<T, StorageError> {
    db.prepare_cached("BEGIN IMMEDIATE")?.execute(())?;
    let done = write().and_then(|done| {
        db.prepare_cached("COMMIT")?.execute(()).map_err(of_commit)?;
        Ok(done)
    });
    if done.is_err() && !db.is_autocommit() {
        // What it cannot take back now it takes back when it is closed.
        let _ = db.execute_batch("ROLLBACK");
    }
    done
}

/// SQLite's integers are signed.
pub(super) fn column(number: u64) -> Result<i64, StorageError> {
    match i64::try_from(number) {
        Ok(number) if number < i64::MAX => Ok(number),
        _ => Err(StorageError::Misused(format!(
            "the number {number} is too large to be kept"
        ))),
    }
}

fn nothing() -> StorageError {
    StorageError::Misused("a change of nothing into nothing".to_owned())
}

/// A row that was there a moment ago must be there to be written.
fn one(rows: usize) -> Result<(), StorageError> {
    match rows {
        1 => Ok(()),
        _ => Err(StorageError::Damaged(
            "a row is found by reading and not by writing".to_owned(),
        )),
    }
}
