//! The hash chain in the tables: computed for a log that had none, read at a revision, and proven from one end to the
//! other. Hashes bytes and decodes nothing, so it goes on where a body cannot be read.

use rusqlite::{Connection, OptionalExtension, Row};

use super::super::StorageError;
use super::super::chain::{BEGINNING, Dictionary, Hash, Link, Linking};
use super::read::{self, IN_PIECES};
use super::reader::Reader;
use super::totals::{Totals, sum_of};
use crate::model::{Revision, Time};

/// What `linked` reads of a row, in this order.
pub const COLUMNS: &str = "revision, at, operation, body";

/// The hash a row of the log should have, after that of the row before it.
pub fn linked(db: &Connection, dictionary: &Hash, previous: &Hash, row: &Row<'_>) -> Result<Hash, StorageError> {
    let revision = row.get_ref(0)?.as_i64()?;
    let at = Time(row.get_ref(1)?.as_i64()?);
    let mut linking = Linking::new(previous, dictionary, revision as u64, at, row.get_ref(2)?.as_bytes()?);
    match row.get_ref(3)?.as_blob()? {
        IN_PIECES => {
            let mut statement = db.prepare_cached("SELECT body FROM commit_more WHERE revision = ?1 ORDER BY part")?;
            let mut pieces = statement.query([revision])?;
            while let Some(piece) = pieces.next()? {
                linking.body(piece.get_ref(0)?.as_blob()?);
            }
        }
        whole => linking.body(whole),
    }
    Ok(linking.hash())
}

/// Gives every commit of a log its hash, and the head the last one: for a database from before there was a chain. What it
/// proves from then on is that nothing was altered since.
pub fn link_all(db: &Connection) -> Result<(), StorageError> {
    let head = db
        .prepare(
            "SELECT revision, at, next_serial, forgotten, entities, relations, replays, digest, checksum FROM head",
        )?
        .query_row((), |row| {
            let mut numbers = [0u64; 9];
            for (at, number) in numbers.iter_mut().enumerate() {
                *number = row.get::<_, i64>(at)? as u64;
            }
            Ok(numbers)
        })
        .optional()?;
    // A new database, whose head comes last.
    let Some(head) = head else { return Ok(()) };
    if u64::from(sum_of(&head[..8]).sum()) != head[8] {
        return Err(StorageError::Damaged(
            "the checksum of the head does not fit".to_owned(),
        ));
    }
    let (last, forgotten) = (head[0], head[3]);
    let (words, dictionary) = Dictionary::new(&read::words(db)?).last();
    let mut chain = BEGINNING;
    let mut select = db.prepare(&format!("SELECT {COLUMNS} FROM commit_log WHERE revision = ?1"))?;
    let mut update = db.prepare("UPDATE commit_log SET words = ?2, chain = ?3 WHERE revision = ?1")?;
    for revision in forgotten + 1..=last {
        let mut rows = select.query([revision as i64])?;
        let row = rows.next()?.ok_or_else(|| missing(revision))?;
        chain = linked(db, &dictionary, &chain, row)?;
        drop(rows);
        update.execute((revision as i64, words as i64, chain))?;
    }
    let checksum = i64::from(sum_of(&head[..8]).bytes(&chain).bytes(&BEGINNING).sum());
    db.execute(
        "UPDATE head SET chain = ?1, forgotten_chain = ?2, checksum = ?3",
        (chain, BEGINNING, checksum),
    )?;
    Ok(())
}

/// Where the chain stood at a revision, as the tables have it.
pub fn link(db: &Connection, totals: &Totals, revision: Revision) -> Result<Link, StorageError> {
    if revision < totals.forgotten {
        return Err(StorageError::TooOld(revision));
    }
    if revision == totals.forgotten {
        let hash = totals.forgotten_chain;
        return Ok(Link { revision, hash });
    }
    let hash = db
        .prepare_cached("SELECT chain FROM commit_log WHERE revision = ?1")?
        .query_row([i64::try_from(revision).unwrap_or(i64::MAX)], |row| row.get(0))
        .optional()?
        .ok_or_else(|| missing(revision))?;
    Ok(Link { revision, hash })
}

/// Follows the chain over the whole log, from where the table `head` has it begin to where the log ends, if that is known, and
/// tells of each place where it does not hold.
pub fn prove(
    db: &Connection,
    table: &Totals,
    end: Option<Link>,
    tell: &mut dyn FnMut(String),
) -> Result<(), StorageError> {
    let beginning = Link {
        revision: table.forgotten,
        hash: table.forgotten_chain,
    };
    if table.forgotten == 0 && table.forgotten_chain != BEGINNING {
        tell("the chain hangs on a commit before the first".to_owned());
    }
    let known = table.link();
    if known.revision < beginning.revision || known.revision == beginning.revision && known != beginning {
        tell(format!(
            "the chain begins at {beginning}, and the table of the head says {known}"
        ));
    }
    let dictionary = Dictionary::new(&read::words(db)?);
    let mut statement = db.prepare(&format!(
        "SELECT {COLUMNS}, words, chain, totals FROM commit_log ORDER BY revision"
    ))?;
    let mut rows = statement.query(())?;
    let (mut revision, mut chain) = (beginning.revision, beginning.hash);
    while let Some(row) = rows.next()? {
        let found = row.get_ref(0)?.as_i64()? as u64;
        if found != revision.wrapping_add(1) {
            tell(format!("after commit {revision} the log goes on with commit {found}"));
        }
        revision = found;
        let stored = Hash::try_from(row.get_ref(5)?.as_blob()?).ok();
        let expected = match dictionary.upto(row.get_ref(4)?.as_i64()? as u64) {
            Some(dictionary) => Some(linked(db, &dictionary, &chain, row)?),
            None => None,
        };
        if stored.is_none() || stored != expected {
            tell(format!(
                "commit {revision} does not fit the chain: it is not what was written, or not after that commit"
            ));
        }
        let carried = row.get_ref(6)?.as_blob()?;
        let at = Time(row.get_ref(1)?.as_i64()?);
        if let Some(stored) = stored.filter(|_| !carried.is_empty())
            && table.carried_by(revision, at, stored, carried).is_err()
        {
            tell(format!("the totals that commit {revision} carries do not fit it"));
        }
        if revision == known.revision && stored != Some(known.hash) {
            tell(format!(
                "the chain has another commit {revision} than the table of the head"
            ));
        }
        // Going on from what is there, each break is told once.
        chain = stored.unwrap_or(BEGINNING);
    }
    if let Some(end) = end.filter(|end| (revision, chain) != (end.revision, end.hash)) {
        tell(format!("the chain ends at commit {revision}, and the head says {end}"));
    }
    Ok(())
}

impl Reader {
    /// Whether the log still holds a link that was noted outside the database. It says something only of a log that
    /// `verify` found sound: that no commit up to the link's revision was altered since, and none is missing.
    pub fn confirm(&mut self, noted: &Link) -> Result<(), StorageError> {
        self.at_head(|db, _, totals| {
            let revision = noted.revision;
            if revision > totals.head.revision {
                let last = totals.head.revision;
                return Err(StorageError::Damaged(format!(
                    "the log ends at revision {last}, and a chain was noted at {revision}"
                )));
            }
            match link(db, totals, revision)? == *noted {
                true => Ok(()),
                false => Err(StorageError::Damaged(format!(
                    "the log up to revision {revision} is not the one whose chain was noted"
                ))),
            }
        })
    }
}

fn missing(revision: Revision) -> StorageError {
    StorageError::Damaged(format!("commit {revision} is missing"))
}
