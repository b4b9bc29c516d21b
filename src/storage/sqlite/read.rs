//! Reading a database over any connection to it: the dictionary, the state and the log. Writes nothing.

use std::ops::ControlFlow;

use rusqlite::Connection;

use super::super::checksum::Checksum;
use super::super::codec::{Decoder, Key};
use super::super::words::{Code, Words};
use super::super::{ANSWER_BYTES, Loaded, REPLAYS_KEPT_MS, StorageError, Way};
use super::totals::Totals;
use crate::model::{Commit, Revision, Serial, Time};

/// Stands in `commit_log` for a body that lies in pieces in `commit_more`; no row starts so, as versions start at 1.
pub const IN_PIECES: &[u8] = &[0];

pub fn word_checksum(code: u64, word: &str) -> i64 {
    i64::from(Checksum::new().number(code).bytes(word.as_bytes()).sum())
}

pub fn words(db: &Connection) -> Result<Words, StorageError> {
    let mut statement = db.prepare("SELECT code, word, checksum FROM word ORDER BY code")?;
    let mut rows = statement.query(())?;
    let mut pairs = Vec::new();
    while let Some(row) = rows.next()? {
        let (code, word): (i64, String) = (row.get(0)?, row.get(1)?);
        let code = code as u64;
        if word_checksum(code, &word) != row.get::<_, i64>(2)? {
            return Err(StorageError::Damaged(format!(
                "the checksum of the word `{word}` does not fit"
            )));
        }
        pairs.push((code, word));
    }
    Words::new(pairs)
}

/// One row of the state, still as bytes.
pub enum Raw<'a> {
    Entity(Serial, &'a [u8]),
    Relation {
        to: Serial,
        rel: i64,
        from: Serial,
        row: &'a [u8],
    },
    Replay(Revision, &'a [u8]),
}

/// Every row of the three tables of the state, in order of their keys. Damage a scan can see (a key out of order, a
/// table that cannot be read) ends it.
pub fn scan(db: &Connection, each: &mut dyn FnMut(Raw<'_>) -> Result<(), StorageError>) -> Result<(), StorageError> {
    let mut statement = db.prepare("SELECT serial, body FROM entity ORDER BY serial")?;
    let mut rows = statement.query(())?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        let serial = row.get_ref(0)?.as_i64()?;
        in_order(&mut last, serial, "entity")?;
        each(Raw::Entity(serial as u64, row.get_ref(1)?.as_blob()?))?;
    }
    let mut statement =
        db.prepare("SELECT to_serial, rel, from_serial, body FROM relation ORDER BY to_serial, rel, from_serial")?;
    let mut rows = statement.query(())?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        let key = (
            row.get_ref(0)?.as_i64()?,
            row.get_ref(1)?.as_i64()?,
            row.get_ref(2)?.as_i64()?,
        );
        in_order(&mut last, key, "relation")?;
        each(Raw::Relation {
            to: key.0 as u64,
            rel: key.1,
            from: key.2 as u64,
            row: row.get_ref(3)?.as_blob()?,
        })?;
    }
    let mut statement = db.prepare("SELECT revision, body FROM replay ORDER BY revision")?;
    let mut rows = statement.query(())?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        let revision = row.get_ref(0)?.as_i64()?;
        in_order(&mut last, revision, "replay")?;
        each(Raw::Replay(revision as u64, row.get_ref(1)?.as_blob()?))?;
    }
    Ok(())
}

fn in_order<K: PartialOrd + Copy>(last: &mut Option<K>, key: K, table: &str) -> Result<(), StorageError> {
    match last.replace(key) {
        Some(before) if before >= key => Err(StorageError::Damaged(format!("the table `{table}` is out of order"))),
        _ => Ok(()),
    }
}

/// The relation code as a row has it; a number beyond any code was never written.
pub fn relation_code(rel: i64) -> Result<Code, StorageError> {
    Code::try_from(rel).map_err(|_| StorageError::Damaged(format!("a relation is of the type number {rel}")))
}

/// By the head, which is not believed more rows than the database could hold.
fn coming(db: &Connection, totals: &Totals) -> Result<Loaded, StorageError> {
    // The bytes of the id, without which there is no row.
    const ROW: i64 = 16;
    let pragma = |pragma: &str| db.query_row(pragma, (), |row| row.get::<_, i64>(0));
    let most = pragma("PRAGMA page_count")?.saturating_mul(pragma("PRAGMA page_size")?) / ROW;
    let rows = |rows: u64| rows.min(most as u64) as usize;
    Ok(Loaded::Coming {
        entities: rows(totals.entities),
        relations: rows(totals.relations),
    })
}

/// The whole state. The connection must be inside a transaction.
pub fn load(
    db: &Connection,
    decoder: &Decoder,
    totals: &Totals,
    replays_since: Time,
    each: &mut dyn FnMut(Loaded) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    each(coming(db, totals)?)?;
    let mut found = totals.of_nothing();
    scan(db, &mut |raw| match raw {
        Raw::Entity(serial, row) => {
            found.entities += 1;
            found.add(row);
            if serial >= totals.head.next_serial {
                return Err(StorageError::Damaged(format!(
                    "entity {serial} comes after the next serial"
                )));
            }
            let entity = decoder.entity(serial, row).map_err(|bad| bad.of(Key::Entity(serial)))?;
            each(Loaded::Entity(entity))
        }
        Raw::Relation { to, rel, from, row } => {
            found.relations += 1;
            found.add(row);
            let rel = relation_code(rel)?;
            let relation = decoder.relation(to, rel, from, row);
            each(Loaded::Relation(
                relation.map_err(|bad| bad.of(Key::Relation { to, rel, from }))?,
            ))
        }
        Raw::Replay(revision, row) => {
            found.replays += 1;
            found.add(row);
            let replay = decoder
                .replay(revision, row)
                .map_err(|bad| bad.of(Key::Replay(revision)))?;
            if replay.at >= replays_since {
                each(Loaded::Replay(revision, replay))
            } else {
                Ok(())
            }
        }
    })?;
    found.must_be(totals)
}

/// Commits after a revision, oldest first.
pub fn since(
    db: &Connection,
    decoder: &Decoder,
    totals: &Totals,
    after: Revision,
    at_most: usize,
) -> Result<Vec<Commit>, StorageError> {
    let way = Way::After(after);
    collected(at_most, |each| walk(db, decoder, totals, way, true, each))
}

/// Commits before a revision, newest first.
pub fn before(
    db: &Connection,
    decoder: &Decoder,
    totals: &Totals,
    before: Revision,
    at_most: usize,
) -> Result<Vec<Commit>, StorageError> {
    let way = Way::Before(before);
    collected(at_most, |each| walk(db, decoder, totals, way, true, each))
}

/// What `each` is told of: a commit, and how many bytes it takes.
pub type Each<'a> = &'a mut dyn FnMut(Commit, usize) -> ControlFlow<()>;

/// At most so many, and no more than an answer holds.
fn collected(
    at_most: usize,
    walk: impl FnOnce(Each<'_>) -> Result<(), StorageError>,
) -> Result<Vec<Commit>, StorageError> {
    let (mut commits, mut bytes) = (Vec::new(), 0);
    if at_most > 0 {
        walk(&mut |commit, size| {
            bytes += size;
            commits.push(commit);
            match commits.len() < at_most && bytes <= ANSWER_BYTES {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        })?;
    }
    Ok(commits)
}

/// One commit after the other, from where `way` begins to the end of the log or until `each` has enough; with their
/// replays or without.
pub fn walk(
    db: &Connection,
    decoder: &Decoder,
    totals: &Totals,
    way: Way,
    replays: bool,
    each: Each<'_>,
) -> Result<(), StorageError> {
    let (oldest, newest) = (totals.forgotten, totals.head.revision);
    match way {
        Way::After(after) if after < oldest => Err(StorageError::TooOld(after)),
        Way::After(_) | Way::Oldest => {
            let after = if let Way::After(after) = way { after } else { oldest };
            let expected = (after..newest).map(|before| before + 1);
            let condition = ("l.revision > ?1 ORDER BY l.revision", after);
            commits(db, decoder, totals, condition, expected, replays, each)
        }
        Way::Before(before) => {
            let before = before.min(newest.saturating_add(1));
            let expected = (oldest.saturating_add(1)..before).rev();
            let condition = ("l.revision < ?1 ORDER BY l.revision DESC", before);
            commits(db, decoder, totals, condition, expected, replays, each)
        }
    }
}

/// The commits of `expected`, in that order; what the log lacks of them is damage.
fn commits(
    db: &Connection,
    decoder: &Decoder,
    totals: &Totals,
    (condition, bound): (&str, Revision),
    expected: impl Iterator<Item = Revision>,
    replays: bool,
    each: Each<'_>,
) -> Result<(), StorageError> {
    let (replay, join) = match replays {
        true => ("r.body", "LEFT JOIN replay r ON r.revision = l.revision"),
        false => ("NULL", ""),
    };
    let mut statement = db.prepare_cached(&format!(
        "SELECT l.revision, l.at, l.operation, l.body, {replay} FROM commit_log l {join} WHERE {condition}"
    ))?;
    let mut rows = statement.query([i64::try_from(bound).unwrap_or(i64::MAX)])?;
    for revision in expected {
        let row = match rows.next()? {
            Some(row) if row.get_ref(0)?.as_i64()? as u64 == revision => row,
            _ => return Err(StorageError::Damaged(format!("commit {revision} is missing"))),
        };
        let body = row.get_ref(3)?.as_blob()?;
        let joined;
        let body = match body {
            IN_PIECES => {
                joined = join_pieces(db, revision)?;
                &joined
            }
            whole => whole,
        };
        let mut bytes = body.len();
        let (mut commit, had_replay) = decoder
            .commit(revision, body)
            .map_err(|bad| bad.of(Key::Commit(revision)))?;
        if (commit.at.0, commit.operation.as_bytes()) != (row.get_ref(1)?.as_i64()?, row.get_ref(2)?.as_bytes()?) {
            return Err(StorageError::Damaged(format!(
                "commit {revision} and its columns differ"
            )));
        }
        match row.get_ref(4)?.as_blob_or_null()? {
            Some(replay) => {
                commit.replay = Some(
                    decoder
                        .replay(revision, replay)
                        .map_err(|bad| bad.of(Key::Replay(revision)))?,
                );
                bytes += replay.len();
            }
            None if replays && had_replay && commit.at.0 >= totals.head.at.0.saturating_sub(REPLAYS_KEPT_MS) => {
                return Err(StorageError::Damaged(format!(
                    "the answer kept with commit {revision} is missing"
                )));
            }
            None => {}
        }
        if each(commit, bytes).is_break() {
            break;
        }
    }
    Ok(())
}

fn join_pieces(db: &Connection, revision: Revision) -> Result<Vec<u8>, StorageError> {
    let mut statement = db.prepare_cached("SELECT body FROM commit_more WHERE revision = ?1 ORDER BY part")?;
    let mut rows = statement.query([revision as i64])?;
    let mut joined = Vec::new();
    while let Some(row) = rows.next()? {
        joined.extend_from_slice(row.get_ref(0)?.as_blob()?);
    }
    Ok(joined)
}
