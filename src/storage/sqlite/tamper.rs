//! Tests: somebody who means to forge, and knows how rows are encoded and their checksums made, alters the log in one of a
//! thousand ways, and `verify` finds it. Who makes the whole chain anew is found by a link that was noted before.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use uuid::Uuid;

use super::super::chain::{Dictionary, Hash};
use super::super::codec::Encoder;
use super::super::samples::World;
use super::super::words::Words;
use super::super::{Link, Log};
use super::read;
use super::totals::{Totals, sum_of};
use super::*;
use crate::model::Commit;

/// T26 of the reliability reference.
const PLACES: usize = 1000;
const COMMITS: u64 = 40;

/// A closed database whose commits 30 to 34 lie in pieces.
fn sample(directory: &Path) -> (PathBuf, World) {
    let (path, mut world) = (directory.join("seatgraph.db"), World::new(26));
    let mut open = Sqlite::open(&path, Migrate::Refuse).expect("opens");
    for revision in 1..=COMMITS {
        open.piece_bytes = if (30..35).contains(&revision) { 40 } else { PIECE_BYTES };
        open.begin().expect("the turn");
        open.commit(&[world.commit(8)]).expect("commits");
    }
    (path, world)
}

/// A hand on the tables of one copy.
struct Forger<'w> {
    db: Connection,
    world: &'w mut World,
    encoder: Encoder,
    words: Words,
    /// Before anything was forged.
    totals: Totals,
    done: String,
}

impl Forger<'_> {
    fn sql(&mut self, sql: &str, parameters: impl rusqlite::Params) {
        let rows = self.db.execute(sql, parameters).expect(sql);
        assert!(rows > 0, "{sql} did nothing");
        self.done.push_str(sql);
        self.done.push('\n');
    }

    fn blob(&self, sql: &str) -> Vec<u8> {
        self.db.query_row(sql, (), |row| row.get(0)).expect(sql)
    }

    /// Any revision, the last one often.
    fn revision(&mut self) -> u64 {
        match self.world.below(4) {
            0 => COMMITS,
            _ => 1 + self.world.below(COMMITS as usize) as u64,
        }
    }

    fn flip(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        let (at, bit) = (self.world.below(bytes.len()), self.world.below(8));
        self.done.push_str(&format!("bit {bit} of byte {at}: "));
        bytes[at] ^= 1 << bit;
        bytes
    }

    /// A commit that says something else, and means it: its checksum is right.
    fn altered(&mut self, revision: u64) -> Commit {
        let mut commit = self.world.commits[revision as usize - 1].clone();
        commit.replay = None;
        match self.world.below(6) {
            0 => commit.by.token = Some(Uuid::from_u128(8)),
            1 => commit.by.profile = Some(Uuid::from_u128(9)),
            2 => commit.operation = "Update".into(),
            3 => commit.request_id = "r-2".into(),
            4 => commit.at.0 += 1,
            _ if commit.changes.is_empty() => commit.by.token = None,
            _ => {
                let at = self.world.below(commit.changes.len());
                commit.changes.remove(at);
            }
        }
        commit
    }

    /// In the row of its revision, columns and all.
    fn put(&mut self, commit: &Commit) {
        let mut row = Vec::new();
        self.encoder.commit(commit, &mut row, &mut Vec::new());
        let revision = commit.revision as i64;
        self.db
            .execute("DELETE FROM commit_more WHERE revision = ?1", [revision])
            .expect("deleted");
        self.sql(
            "UPDATE commit_log SET at = ?2, operation = ?3, body = ?4 WHERE revision = ?1",
            (revision, commit.at.0, commit.operation.as_str(), row),
        );
    }

    /// Makes the chain of the rows after a revision, up to another, anew from what they hold.
    fn link(&mut self, after: u64, upto: u64) -> Hash {
        let dictionary = Dictionary::new(&self.words);
        let mut chain = prove::link(&self.db, &self.totals, after).expect("there").hash;
        for revision in after + 1..=upto {
            let dictionary = dictionary.last().1;
            let columns = prove::COLUMNS;
            chain = self
                .db
                .query_row_and_then(
                    &format!("SELECT {columns} FROM commit_log WHERE revision = ?1"),
                    [revision as i64],
                    |row| prove::linked(&self.db, &dictionary, &chain, row),
                )
                .expect("there");
            self.sql(
                "UPDATE commit_log SET chain = ?2 WHERE revision = ?1",
                (revision as i64, chain),
            );
        }
        chain
    }

    /// The head with something else in it, its checksum made anew.
    fn head(&mut self, alter: impl FnOnce(&mut Totals)) {
        let mut to = self.totals;
        alter(&mut to);
        assert_ne!(self.totals, to);
        to.write(&self.db).expect("written");
        self.done.push_str(&format!("head {to:?}\n"));
    }

    fn forge(&mut self, way: usize) {
        let revision = self.revision();
        let row = format!("FROM commit_log WHERE revision = {revision}");
        match way {
            0 => {
                let body = self.blob(&format!("SELECT body {row}"));
                let body = self.flip(body);
                self.sql(
                    &format!("UPDATE commit_log SET body = ?1 WHERE revision = {revision}"),
                    [body],
                );
            }
            1 => {
                let commit = self.altered(revision);
                self.put(&commit);
            }
            2 => {
                // With its own hash made to fit, but not those after it.
                let commit = self.altered(revision);
                self.put(&commit);
                self.link(revision - 1, revision);
            }
            3 => {
                // With all hashes made to fit, but not the head's.
                let commit = self.altered(revision);
                self.put(&commit);
                self.link(revision - 1, COMMITS);
            }
            4 => {
                let chain = self.blob(&format!("SELECT chain {row}"));
                let chain = self.flip(chain);
                self.sql(
                    &format!("UPDATE commit_log SET chain = ?1 WHERE revision = {revision}"),
                    [chain],
                );
            }
            5 => self.sql(
                &format!("UPDATE commit_log SET words = words - 1 WHERE revision = {revision}"),
                (),
            ),
            6 => self.sql(
                &format!("UPDATE commit_log SET at = at + 1 WHERE revision = {revision}"),
                (),
            ),
            7 => self.sql(
                &format!("UPDATE commit_log SET operation = operation || 'd' WHERE revision = {revision}"),
                (),
            ),
            8 => self.sql(&format!("DELETE {row}"), ()),
            9 => {
                // Cut off, and the head moved back to the commit before, or left.
                self.sql(&format!("DELETE FROM commit_log WHERE revision >= {revision}"), ());
                let last = (revision as usize)
                    .checked_sub(2)
                    .map(|last| self.world.commits[last].at);
                let at = last.unwrap_or(Time(0));
                if self.world.below(2) == 0 {
                    return;
                }
                self.head(|totals| (totals.head.revision, totals.head.at) = (revision - 1, at));
            }
            10 => {
                // Two commits change places.
                let (one, mut other) = (revision, self.revision());
                if other == one {
                    other = if one == 1 { 2 } else { one - 1 };
                }
                let [a, b] = [one, other].map(|revision| self.world.commits[revision as usize - 1].clone());
                self.put(&Commit { revision: one, ..b });
                self.put(&Commit { revision: other, ..a });
            }
            11 => {
                // One more, at the end.
                let commit = Commit {
                    revision: COMMITS + 1,
                    ..self.altered(COMMITS)
                };
                self.sql(
                    "INSERT INTO commit_log (revision, at, operation, body, words, chain)
                     SELECT revision + 1, at, operation, body, words, chain FROM commit_log ORDER BY revision DESC LIMIT 1",
                    (),
                );
                self.put(&commit);
                self.link(COMMITS, COMMITS + 1);
                if self.world.below(2) == 0 {
                    self.head(|totals| (totals.head.revision, totals.head.at) = (COMMITS + 1, commit.at));
                }
            }
            12 => {
                let chain = self.flip(self.totals.chain.to_vec());
                let chain = Hash::try_from(chain).expect("as long");
                match self.world.below(2) {
                    0 => self.head(|totals| totals.chain = chain),
                    _ => self.head(|totals| totals.forgotten_chain = chain),
                }
            }
            13 => match self.world.below(4) {
                0 => self.head(|totals| totals.head.revision -= 1),
                1 => self.head(|totals| totals.head.at.0 -= 1),
                2 => self.head(|totals| totals.head.next_serial += 1),
                _ => self.head(|totals| totals.forgotten += 1),
            },
            14 => {
                let counted: i64 = self
                    .db
                    .query_row("SELECT count(*) FROM commit_more", (), |row| row.get(0))
                    .expect("counted");
                let any = format!(
                    "WHERE (revision, part) = (SELECT revision, part FROM commit_more LIMIT 1 OFFSET {})",
                    self.world.below(counted as usize)
                );
                match self.world.below(3) {
                    0 => self.sql(&format!("DELETE FROM commit_more {any}"), ()),
                    1 => {
                        let revision: i64 = self
                            .db
                            .query_row(&format!("SELECT revision FROM commit_more {any}"), (), |row| row.get(0))
                            .expect("there");
                        let first = "UPDATE commit_more SET part = 1000 WHERE part = 0 AND revision = ?1";
                        self.sql(first, [revision]);
                    }
                    _ => {
                        let body = self.blob(&format!("SELECT body FROM commit_more {any}"));
                        let body = self.flip(body);
                        self.sql(&format!("UPDATE commit_more SET body = ?1 {any}"), [body]);
                    }
                }
            }
            15 => {
                // What the last commit carries, made anew to fit it, where the head tells of nothing later.
                let mut to = self.totals;
                match self.world.below(4) {
                    0 => to.entities += 1,
                    1 => to.replays += 1,
                    2 => to.head.next_serial += 1,
                    _ => to.digest ^= 1,
                }
                Totals::EMPTY.write(&self.db).expect("written");
                let sql = "UPDATE commit_log SET totals = ?1 WHERE revision = (SELECT max(revision) FROM commit_log)";
                self.sql(sql, [to.carried()]);
            }
            _ => {
                // Two words of the dictionary change places, so that every row says something else.
                let count = self.words.iter().count() as u64;
                let (one, other) = (1 + self.world.below(count as usize) as u64, 1 + self.revision() % count);
                let other = if one == other { one % count + 1 } else { other };
                let word = |code| self.words.word(code).expect("a word").to_owned();
                let (a, b) = (word(one), word(other));
                let sql = "UPDATE word SET word = ?2, checksum = ?3 WHERE code = ?1";
                self.sql(sql, (one as i64, "-", 0));
                self.sql(sql, (other as i64, &a, read::word_checksum(other, &a)));
                self.sql(sql, (one as i64, &b, read::word_checksum(one, &b)));
            }
        }
    }
}

#[test]
fn a_thousand_forgeries_are_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, mut world) = sample(directory.path());
    let sound = Reader::open(&path).expect("opens").verify(&mut |_, _| ());
    assert_eq!(sound.problems, Vec::<String>::new());
    let image = directory.path().join("image.db");
    let mut found_by_the_chain = 0;
    for place in 0..PLACES {
        fs::copy(&path, &image).expect("copied");
        let db = Connection::open(&image).expect("opens");
        db.execute_batch("PRAGMA synchronous = OFF").expect("set");
        let words = read::words(&db).expect("words");
        let mut forger = Forger {
            encoder: Encoder::new(&words).expect("complete"),
            totals: Totals::read(&db).expect("a head"),
            db,
            world: &mut world,
            words,
            done: String::new(),
        };
        forger.forge(place % 17);
        let done = std::mem::take(&mut forger.done);
        drop(forger);
        let problems = match Reader::open(&image) {
            Ok(mut reader) => reader.verify(&mut |_, _| ()).problems,
            Err(error) => vec![error.to_string()],
        };
        assert!(!problems.is_empty(), "way {}: {done}", place % 17);
        found_by_the_chain += usize::from(problems.iter().any(|problem| problem.contains("chain")));
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(beside(&image, suffix));
        }
    }
    println!("{found_by_the_chain} of {PLACES} found by the chain");
    assert!(found_by_the_chain > PLACES * 4 / 5, "{found_by_the_chain}");
}

/// Who can write everything can make everything fit; only what was noted elsewhere tells.
#[test]
fn another_history_is_found_by_a_link_that_was_noted() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, mut world) = sample(directory.path());
    let link = |revision: u64| {
        let db = Connection::open(&path).expect("opens");
        prove::link(&db, &Totals::read(&db).expect("a head"), revision).expect("there")
    };
    let noted = [0, 1, 19, 20, COMMITS].map(link);
    let confirm = |path: &Path, link: &Link| Reader::open(path).expect("opens").confirm(link);
    for link in &noted {
        assert_eq!(confirm(&path, link), Ok(()), "{link}");
    }
    let report = Reader::open(&path).expect("opens").verify(&mut |_, _| ());
    assert_eq!(report.chain, Some(noted[4]));
    let later = Link {
        revision: COMMITS + 1,
        ..noted[4]
    };
    assert!(matches!(confirm(&path, &later), Err(StorageError::Damaged(why)) if why.contains("ends at revision 40")));

    let db = Connection::open(&path).expect("opens");
    let words = read::words(&db).expect("words");
    let mut forger = Forger {
        encoder: Encoder::new(&words).expect("complete"),
        totals: Totals::read(&db).expect("a head"),
        db,
        world: &mut world,
        words,
        done: String::new(),
    };
    let mut commit = forger.world.commits[19].clone();
    commit.by.token = Some(Uuid::from_u128(99));
    forger.put(&commit);
    let chain = forger.link(19, COMMITS);
    forger.head(|totals| totals.chain = chain);
    forger.sql("UPDATE commit_log SET totals = x'' WHERE revision >= 20", ());
    drop(forger);
    let report = Reader::open(&path).expect("opens").verify(&mut |_, _| ());
    assert_eq!(report.problems, Vec::<String>::new(), "it is sound in itself");
    for (link, fits) in noted.iter().zip([true, true, true, false, false]) {
        let found = confirm(&path, link);
        assert_eq!(found.is_ok(), fits, "{link}: {found:?}");
    }

    // What is forgotten is proven no more; what it hung on still is.
    let mut open = Sqlite::open(&path, Migrate::Refuse).expect("opens");
    open.forget(19).expect("forgets");
    drop(open);
    let report = Reader::open(&path).expect("opens").verify(&mut |_, _| ());
    assert_eq!(report.problems, Vec::<String>::new());
    assert_eq!(confirm(&path, &noted[1]), Err(StorageError::TooOld(1)));
    assert_eq!(confirm(&path, &noted[2]), Ok(()));
    assert!(confirm(&path, &noted[3]).is_err());
}

#[test]
fn an_older_log_gets_its_chain() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, mut world) = sample(directory.path());
    let before = Reader::open(&path).expect("opens").link().expect("there");
    let age = |head: &str| {
        let db = Connection::open(&path).expect("opens");
        let totals = Totals::read(&db).expect("a head");
        totals.write(&db).expect("written");
        db.execute_batch(
            "ALTER TABLE commit_log DROP COLUMN totals; ALTER TABLE commit_log DROP COLUMN chain;
             ALTER TABLE commit_log DROP COLUMN words;
             ALTER TABLE head DROP COLUMN chain; ALTER TABLE head DROP COLUMN forgotten_chain;
             DELETE FROM schema_migration WHERE version >= 2; PRAGMA user_version = 1;",
        )
        .expect("as it was");
        let sum = i64::from(sum_of(&totals.numbers()).sum());
        db.execute(&format!("UPDATE head SET checksum = ?1 {head}"), [sum])
            .expect("written");
    };
    age("");
    let older = StorageError::Older { found: 1, known: 4 };
    assert_eq!(Sqlite::open(&path, Migrate::Refuse).map(drop), Err(older.clone()));
    assert_eq!(Reader::open(&path).map(drop), Err(older));
    let mut open = Sqlite::open(&path, Migrate::Apply).expect("migrates");
    let mut log = open.reader().expect("opens");
    assert_eq!(log.link(), Ok(before));
    open.begin().expect("the turn");
    open.commit(&[world.commit(4)]).expect("commits");
    assert_eq!(log.verify(&mut |_, _| ()).problems, Vec::<String>::new());
    open.forget(7).expect("forgets");
    drop((open, log));

    // Where its beginning is forgotten, the chain begins at what is left.
    age("");
    drop(Sqlite::open(&path, Migrate::Apply).expect("migrates"));
    let report = Reader::open(&path).expect("opens").verify(&mut |_, _| ());
    assert_eq!((report.problems, report.forgotten), (vec![], 7));

    // What is damaged gets no chain that would call it whole.
    age(", entities = entities + 1");
    let refused = Sqlite::open(&path, Migrate::Apply).map(drop);
    assert!(
        matches!(&refused, Err(StorageError::Damaged(why)) if why.contains("head")),
        "{refused:?}"
    );
}

/// A start makes room for what the head says is coming.
#[test]
fn a_head_that_counts_more_than_there_can_be_is_refused_like_any_other() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, _) = sample(directory.path());
    let db = Connection::open(&path).expect("opens");
    let forged = Totals {
        entities: i64::MAX as u64,
        relations: u64::MAX,
        ..Totals::read(&db).expect("a head")
    };
    forged.write(&db).expect("forged");
    drop(db);
    let bytes = fs::metadata(&path).expect("a file").len() as usize;
    let mut store = Sqlite::open(&path, Migrate::Refuse).expect("opens");
    let mut most = 0;
    let loaded = store.load(Time(0), &mut |loaded| {
        if let Loaded::Coming { entities, relations } = loaded {
            most = entities.max(relations);
        }
        Ok(())
    });
    assert!(matches!(&loaded, Err(StorageError::Damaged(_))), "{loaded:?}");
    assert!((1..=bytes).contains(&most), "{most} rows in {bytes} bytes");
}

/// What was made and removed again leaves a state that fits the log without it, as does a commit of events alone.
#[test]
fn a_missing_end_of_the_log_is_noticed_though_it_came_to_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, mut world) = sample(directory.path());
    let mut open = Sqlite::open(&path, Migrate::Refuse).expect("opens");
    let mut commit = world.commit(1);
    commit.changes.clear();
    open.begin().expect("the turn");
    open.commit(&[commit]).expect("commits");
    drop(open);
    let db = Connection::open(&path).expect("opens");
    db.execute("DELETE FROM commit_log WHERE revision > ?1", [COMMITS as i64])
        .expect("cut off");
    drop(db);
    let problems = Reader::open(&path).expect("opens").verify(&mut |_, _| ()).problems;
    assert!(
        problems[0].contains("the chain ends at commit 40, and the head says"),
        "{problems:?}"
    );
}
