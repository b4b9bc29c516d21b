//! Playing commits onto the tables, inside a transaction that somebody else begins and ends.

use rusqlite::{Connection, Statement};

use super::super::chain::{Hash, Linking};
use super::super::codec::{Decoder, Encoder, Key};
use super::super::{REPLAYS_KEPT_MS, StorageError, follows, unfit};
use super::error::is_constraint;
use super::read::{IN_PIECES, Totals};
use crate::model::{Change, Commit, Entity, Relation};

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
    pub row: &'a mut Vec<u8>,
    pub other: &'a mut Vec<u8>,
}

impl Writer<'_> {
    pub fn commit(&mut self, commit: &Commit) -> Result<(), StorageError> {
        follows(self.totals.head, commit)?;
        let mut changes = &commit.changes[..];
        while let [change, rest @ ..] = changes {
            match self.insert_many(changes)? {
                0 => changes = rest,
                many => {
                    changes = &changes[many..];
                    continue;
                }
            }
            match change {
                Change::Entity { before, after } => self.entity(before.as_deref(), after.as_deref())?,
                Change::Relation { before, after } => self.relation(before.as_deref(), after.as_deref())?,
            }
        }
        self.log(commit)?;
        self.totals.head.revision = commit.revision;
        self.totals.head.at = commit.at;
        Ok(())
    }

    fn entity(&mut self, before: Option<&Entity>, after: Option<&Entity>) -> Result<(), StorageError> {
        let serial = match (before, after) {
            (Some(before), Some(after)) if before.serial != after.serial => {
                return Err(unfit(Key::Entity(after.serial)));
            }
            (Some(entity), _) | (_, Some(entity)) => entity.serial,
            (None, None) => return Err(nothing()),
        };
        let key = column(serial)?;
        if let Some(before) = before {
            let mut statement = self.db.prepare_cached("SELECT body FROM entity WHERE serial = ?1")?;
            let mut rows = statement.query([key])?;
            let Some(row) = rows.next()? else {
                return Err(unfit(Key::Entity(serial)));
            };
            let stored = row.get_ref(0)?.as_blob()?;
            self.encoder.entity(before, self.row);
            // Other bytes may still mean the same, if another version wrote them.
            if stored != &self.row[..] {
                let stored = self
                    .decoder
                    .entity(serial, stored)
                    .map_err(|bad| bad.of(Key::Entity(serial)))?;
                if stored != *before {
                    return Err(unfit(Key::Entity(serial)));
                }
            }
            self.totals.subtract(stored);
        }
        if let Some(after) = after {
            self.encoder.entity(after, self.row);
            self.totals.add(self.row);
        }
        match (before, after) {
            (None, _) => {
                let mut insert = self
                    .db
                    .prepare_cached("INSERT INTO entity (serial, body) VALUES (?1, ?2)")?;
                insert
                    .execute((key, &self.row[..]))
                    .map_err(|error| inserting(error, Key::Entity(serial)))?;
                self.totals.entities += 1;
                self.totals.head.next_serial = self.totals.head.next_serial.max(serial + 1);
            }
            (_, Some(_)) => {
                let mut update = self
                    .db
                    .prepare_cached("UPDATE entity SET body = ?2 WHERE serial = ?1")?;
                one(update.execute((key, &self.row[..]))?)?;
            }
            (_, None) => {
                one(self
                    .db
                    .prepare_cached("DELETE FROM entity WHERE serial = ?1")?
                    .execute([key])?)?;
                self.totals.entities = self.totals.entities.wrapping_sub(1);
            }
        }
        Ok(())
    }

    fn relation(&mut self, before: Option<&Relation>, after: Option<&Relation>) -> Result<(), StorageError> {
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
        if let Some(before) = before {
            let mut statement = self
                .db
                .prepare_cached("SELECT body FROM relation WHERE to_serial = ?1 AND rel = ?2 AND from_serial = ?3")?;
            let mut rows = statement.query(key)?;
            let Some(row) = rows.next()? else {
                return Err(unfit(name));
            };
            let stored = row.get_ref(0)?.as_blob()?;
            self.encoder.relation(before, self.row);
            if stored != &self.row[..] {
                let stored = self
                    .decoder
                    .relation(to, rel, from, stored)
                    .map_err(|bad| bad.of(name))?;
                if stored != *before {
                    return Err(unfit(name));
                }
            }
            self.totals.subtract(stored);
        }
        if let Some(after) = after {
            self.encoder.relation(after, self.row);
            self.totals.add(self.row);
        }
        match (before, after) {
            (None, _) => {
                let mut insert = self.db.prepare_cached(
                    "INSERT INTO relation (to_serial, rel, from_serial, body) VALUES (?1, ?2, ?3, ?4)",
                )?;
                insert
                    .execute((key.0, key.1, key.2, &self.row[..]))
                    .map_err(|error| inserting(error, name))?;
                self.totals.relations += 1;
            }
            (_, Some(_)) => {
                let mut update = self.db.prepare_cached(
                    "UPDATE relation SET body = ?4 WHERE to_serial = ?1 AND rel = ?2 AND from_serial = ?3",
                )?;
                one(update.execute((key.0, key.1, key.2, &self.row[..]))?)?;
            }
            (_, None) => {
                let mut delete = self
                    .db
                    .prepare_cached("DELETE FROM relation WHERE to_serial = ?1 AND rel = ?2 AND from_serial = ?3")?;
                one(delete.execute(key)?)?;
                self.totals.relations = self.totals.relations.wrapping_sub(1);
            }
        }
        Ok(())
    }

    fn log(&mut self, commit: &Commit) -> Result<(), StorageError> {
        let revision = column(commit.revision)?;
        self.encoder.commit(commit, self.row);
        let (words, dictionary) = self.words;
        let operation = commit.operation.as_bytes();
        let mut linking = Linking::new(&self.totals.chain, &dictionary, commit.revision, commit.at, operation);
        linking.body(self.row);
        let chain = linking.hash();
        let body = if self.row.len() <= self.piece_bytes {
            &self.row[..]
        } else {
            let mut insert = self
                .db
                .prepare_cached("INSERT INTO commit_more (revision, part, body) VALUES (?1, ?2, ?3)")?;
            for (part, piece) in self.row.chunks(self.piece_bytes).enumerate() {
                insert.execute((revision, part as i64, piece))?;
            }
            IN_PIECES
        };
        let mut insert = self.db.prepare_cached(
            "INSERT INTO commit_log (revision, at, operation, body, words, chain) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        insert.execute((
            revision,
            commit.at.0,
            commit.operation.as_str(),
            body,
            column(words)?,
            chain,
        ))?;
        self.totals.chain = chain;
        if let Some(replay) = &commit.replay {
            self.encoder.replay(commit.revision, replay, self.other);
            let mut insert = self
                .db
                .prepare_cached("INSERT INTO replay (revision, at, body) VALUES (?1, ?2, ?3)")?;
            insert.execute((revision, commit.at.0, &self.other[..]))?;
            self.totals.replays += 1;
            self.totals.add(self.other);
        }
        Ok(())
    }

    /// Forgets kept answers of commits that are too old now. Revisions and times grow together, so those are first.
    pub fn forget_replays(&mut self) -> Result<(), StorageError> {
        let too_old = self.totals.head.at.0.saturating_sub(REPLAYS_KEPT_MS);
        let mut last = None;
        let mut statement = self
            .db
            .prepare_cached("SELECT revision, at, body FROM replay ORDER BY revision")?;
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
            self.db
                .prepare_cached("DELETE FROM replay WHERE revision <= ?1")?
                .execute([last])?;
        }
        Ok(())
    }
}

/// Moves the head, unless somebody else did since.
pub fn head(db: &Connection, from: &Totals, to: &Totals) -> Result<(), StorageError> {
    let mut update = db.prepare_cached(
        "UPDATE head SET revision = ?1, at = ?2, next_serial = ?3, forgotten = ?4, entities = ?5, relations = ?6,
             replays = ?7, digest = ?8, chain = ?9, forgotten_chain = ?10, checksum = ?11
         WHERE id = 1 AND checksum = ?12 AND revision = ?13 AND chain = ?14",
    )?;
    bind_head(&mut update, to)?;
    update.raw_bind_parameter(12, from.checksum())?;
    update.raw_bind_parameter(13, from.head.revision as i64)?;
    update.raw_bind_parameter(14, from.chain)?;
    match update.raw_execute()? {
        1 => Ok(()),
        _ => Err(StorageError::Io("another program wrote to the database".to_owned())),
    }
}

/// The head of a new database.
pub fn first_head(db: &Connection) -> Result<(), StorageError> {
    let mut insert = db.prepare(
        "INSERT INTO head (revision, at, next_serial, forgotten, entities, relations, replays, digest, chain,
             forgotten_chain, checksum, id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 1)",
    )?;
    bind_head(&mut insert, &Totals::EMPTY)?;
    insert.raw_execute()?;
    Ok(())
}

/// The first eleven parameters.
fn bind_head(statement: &mut Statement<'_>, totals: &Totals) -> Result<(), StorageError> {
    for (at, number) in (1..).zip(totals.numbers()) {
        statement.raw_bind_parameter(at, number as i64)?;
    }
    statement.raw_bind_parameter(9, totals.chain)?;
    statement.raw_bind_parameter(10, totals.forgotten_chain)?;
    statement.raw_bind_parameter(11, totals.checksum())?;
    Ok(())
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

fn inserting(error: rusqlite::Error, key: Key) -> StorageError {
    if is_constraint(&error) {
        unfit(key)
    } else {
        error.into()
    }
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
