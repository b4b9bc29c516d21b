//! Proving a database: SQLite's own check, every row's checksum, the head's sums, the log's hash chain, and the log played
//! from nothing against the state. Damage is what it reports, so none of it ends the proof early if there is any way on. Repairs nothing.

use std::collections::HashMap;
use std::fmt::Display;

use rusqlite::{Connection, TransactionBehavior};

use super::super::StorageError;
use super::super::chain::Link;
use super::super::codec::{Bad, Decoder, Encoder, Key, carried_checksum};
use super::migrate::{self, MIGRATIONS};
use super::prove::prove;
use super::read::{self, Raw};
use super::reader::Reader;
use super::totals::Totals;
use crate::model::{Change, Commit, Revision, Serial, Time};

/// How many problems are told apart; the rest is only counted.
const TOLD: usize = 100;
/// Commits played between two reports of progress.
const STEP: usize = 256;

/// What a proof found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub revision: Revision,
    /// Where the hash chain ends, to be noted outside. `None`: the head cannot be read.
    pub chain: Option<Link>,
    pub entities: u64,
    pub relations: u64,
    /// Answers kept for Idempotency-Keys.
    pub replays: u64,
    /// Commits in the log.
    pub commits: u64,
    /// The revision before the log's oldest commit. Not 0: the log was truncated, so nothing could be played from
    /// nothing, and the state was compared only where the rest of the log speaks of it.
    pub forgotten: Revision,
    /// The first hundred, as sentences.
    pub problems: Vec<String>,
    /// Problems beyond those.
    pub untold: u64,
}

impl Report {
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    fn problem(&mut self, problem: impl Display) {
        if self.problems.len() < TOLD {
            self.problems.push(problem.to_string());
        } else {
            self.untold += 1;
        }
    }
}

impl Reader {
    /// Proves the database at one revision while others go on writing. Progress comes as steps done and all.
    pub fn verify(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Report {
        let mut report = Report::default();
        if let Err(error) = self.try_verify(&mut report, progress) {
            report.problem(error);
        }
        report
    }

    fn try_verify(&mut self, report: &mut Report, progress: &mut dyn FnMut(u64, u64)) -> Result<(), StorageError> {
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Deferred)?;
        if let Err(error) = integrity(&transaction, report) {
            report.problem(error);
        }
        let unlike = migrate::made(MIGRATIONS)?.compare(&transaction)?;
        for problem in unlike.wrong.iter().chain(&unlike.added) {
            report.problem(problem);
        }
        let table = Totals::of_table(&transaction)?;
        let totals = Totals::read(&transaction);
        report.forgotten = table.forgotten;
        report.chain = totals.as_ref().ok().map(Totals::link);
        // Of a log whose end cannot be read it still tells where it was altered.
        if let Err(error) = prove(&transaction, &table, report.chain, &mut |problem| {
            report.problem(problem)
        }) {
            report.problem(format_args!("the chain cannot be followed: {error}"));
        }
        let (totals, summed) = match totals {
            Ok(totals) => (totals, true),
            Err(error) => {
                report.problem(error);
                (table.of_end(&transaction)?, false)
            }
        };
        report.revision = totals.head.revision;
        // The sums compare what rows mean, not their bytes, which another version may have written.
        let mut words = read::words(&transaction)?;
        words.add_missing();
        let mut proof = Proof {
            encoder: Encoder::new(&words)?,
            row: Vec::new(),
            rows: HashMap::default(),
            whole: totals.forgotten == 0,
            summed,
            next_serial: 1,
            at: None,
            done: 0,
            all: totals.head.revision.saturating_sub(totals.forgotten) + totals.entities + totals.relations,
        };
        let (mut after, mut most) = (totals.forgotten, STEP);
        while after < totals.head.revision {
            match read::since(&transaction, &self.decoder, &totals, after, most) {
                Ok(commits) if !commits.is_empty() => {
                    after += commits.len() as u64;
                    commits.iter().for_each(|commit| proof.play(commit, report));
                    proof.step(commits.len() as u64, progress);
                }
                Ok(_) => break,
                // One by one to the very commit.
                Err(_) if most > 1 => most = 1,
                Err(error) => {
                    report.problem(format_args!("the log cannot be played past revision {after}: {error}"));
                    proof.rows.clear();
                    (proof.whole, proof.at) = (false, None);
                    break;
                }
            }
        }
        report.commits =
            transaction.query_row("SELECT count(*) FROM commit_log", (), |row| row.get::<_, i64>(0))? as u64;
        if report.commits != totals.head.revision.saturating_sub(totals.forgotten) {
            let (first, last) = (totals.forgotten, totals.head.revision);
            report.problem(format!("the log has {} commits from {first} to {last}", report.commits));
        }
        compare(&transaction, &self.decoder, &totals, proof, report, progress)
    }
}

/// The tables against their sums and against what the log made.
fn compare(
    db: &Connection,
    decoder: &Decoder,
    totals: &Totals,
    mut proof: Proof,
    report: &mut Report,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), StorageError> {
    let mut digest = Totals { digest: 0, ..*totals };
    let scanned = read::scan(db, &mut |raw| {
        match raw {
            Raw::Entity(serial, row) => {
                report.entities += 1;
                digest.add(row);
                let key = Key::Entity(serial);
                let entity = decoder.entity(serial, row);
                if let Some(entity) = sound(key, entity, report) {
                    proof.encoder.entity(&entity, &mut proof.row);
                    proof.compare(key, report);
                }
                if proof.summed && serial >= totals.head.next_serial {
                    report.problem(format_args!("{key} comes after the next serial"));
                }
            }
            Raw::Relation { to, rel, from, row } => {
                report.relations += 1;
                digest.add(row);
                let Ok(rel) = read::relation_code(rel).inspect_err(|error| report.problem(error)) else {
                    return Ok(());
                };
                let key = Key::Relation { to, rel, from };
                let relation = decoder.relation(to, rel, from, row);
                if let Some(relation) = sound(key, relation, report) {
                    proof.encoder.relation(&relation, &mut proof.row);
                    proof.compare(key, report);
                }
            }
            Raw::Replay(revision, row) => {
                report.replays += 1;
                digest.add(row);
                sound(Key::Replay(revision), decoder.replay(revision, row), report);
                return Ok(());
            }
        }
        if (report.entities + report.relations).is_multiple_of(4096) {
            proof.step(4096, progress);
        }
        Ok(())
    });
    for (name, found, expected) in [
        ("entities", report.entities, totals.entities),
        ("relations", report.relations, totals.relations),
        ("kept answers", report.replays, totals.replays),
    ] {
        if proof.summed && found != expected {
            report.problem(format_args!("there are {found} {name}, and the head counts {expected}"));
        }
    }
    if proof.summed && digest.digest != totals.digest {
        report.problem("the sum of all checksums is not the head's");
    }
    if proof.at.is_some_and(|at| at != totals.head.at) {
        report.problem("the time of the head is not that of the last commit");
    }
    if proof.summed && proof.whole && proof.next_serial != totals.head.next_serial {
        let (next, expected) = (totals.head.next_serial, proof.next_serial);
        report.problem(format_args!("the next serial is {next}, and by the log {expected}"));
    }
    match scanned {
        Ok(()) => proof.end(report),
        Err(error) => report.problem(error),
    }
    progress(proof.all, proof.all);
    Ok(())
}

fn integrity(db: &Connection, report: &mut Report) -> Result<(), StorageError> {
    let mut statement = db.prepare("PRAGMA integrity_check(100)")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let line: String = row.get(0)?;
        if line != "ok" {
            report.problem(line);
        }
    }
    Ok(())
}

fn sound<T>(key: Key, read: Result<T, Bad>, report: &mut Report) -> Option<T> {
    read.map_err(|bad| report.problem(bad.of(key))).ok()
}

/// The state as the log makes it: of every row it speaks of, a checksum of its last value, or that it is gone.
struct Proof {
    encoder: Encoder,
    row: Vec<u8>,
    rows: HashMap<Key, Option<u32>, foldhash::fast::RandomState>,
    /// The log reaches back to nothing: what it does not speak of is not there.
    whole: bool,
    /// The head tells what the tables must add up to.
    summed: bool,
    next_serial: Serial,
    /// Of the last commit.
    at: Option<Time>,
    done: u64,
    all: u64,
}

impl Proof {
    fn play(&mut self, commit: &Commit, report: &mut Report) {
        self.at = Some(commit.at);
        for change in &commit.changes {
            let sums = match change {
                Change::Entity { before, after } => [before, after].map(|entity| {
                    let entity = entity.as_ref()?;
                    self.encoder.entity(entity, &mut self.row);
                    Some((Key::Entity(entity.serial), carried_checksum(&self.row)))
                }),
                Change::Relation { before, after } => [before, after].map(|relation| {
                    let relation = relation.as_ref()?;
                    self.encoder.relation(relation, &mut self.row);
                    Some((self.encoder.relation_key(relation), carried_checksum(&self.row)))
                }),
            };
            let Some((key, _)) = sums[0].or(sums[1]) else { continue };
            if let Key::Entity(serial) = key {
                self.next_serial = self.next_serial.max(serial.saturating_add(1));
            }
            let [before, after] = sums.map(|sum| sum.map(|(_, sum)| sum));
            let known = self.rows.insert(key, after);
            let fits = match known {
                Some(known) => known == before,
                None => !self.whole || before.is_none(),
            };
            if !fits {
                report.problem(format_args!(
                    "commit {} changes another {key} than the log made",
                    commit.revision
                ));
            }
        }
    }

    /// The row encoded last, against the log.
    fn compare(&mut self, key: Key, report: &mut Report) {
        match self.rows.remove(&key) {
            Some(Some(sum)) if sum == carried_checksum(&self.row) => {}
            Some(Some(_)) => report.problem(format_args!("{key} is not what the log made of it")),
            Some(None) => report.problem(format_args!("{key} is there, and the log removed it")),
            None if self.whole => report.problem(format_args!("{key} is there, and the log never made it")),
            None => {}
        }
    }

    fn end(&mut self, report: &mut Report) {
        let mut left: Vec<Key> = self
            .rows
            .drain()
            .filter(|(_, sum)| sum.is_some())
            .map(|(key, _)| key)
            .collect();
        left.sort_unstable();
        left.iter()
            .for_each(|key| report.problem(format_args!("{key} is missing")));
    }

    fn step(&mut self, steps: u64, progress: &mut dyn FnMut(u64, u64)) {
        self.done = (self.done + steps).min(self.all);
        progress(self.done, self.all);
    }
}
