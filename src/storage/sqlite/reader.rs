//! A second connection to a database: backups, exports and the audit read over it while the committer goes on. It never writes.

use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};

use super::super::codec::Decoder;
use super::super::{Head, Link, Loaded, Log, Logs, Scratch, Stated, Storage, StorageError, Wanted, Way};
use super::migrate::{self, MIGRATIONS};
use super::place::{Target, beside, has_one_name, refused, resolve, scratch};
use super::read;
use super::totals::Totals;
use super::{bare, connect, connect_still, named, prepared, single_file, state};
use crate::model::{Clock, Commit, Revision, Time};

/// Pages copied between two reports of progress: 1 MiB.
const STEP: i32 = 256;

/// A view of a database that another connection, or nobody, writes. Each call sees one revision.
#[derive(Debug)]
pub struct Reader {
    pub(super) db: Connection,
    pub(super) decoder: Decoder,
    pub(super) path: PathBuf,
}

impl Reader {
    /// Takes no lock that a committer would meet.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        let path = resolve(path)?;
        has_one_name(&path)?;
        Self::of(path)
    }

    fn of(path: PathBuf) -> Result<Self, StorageError> {
        match path.metadata() {
            Ok(file) if file.len() > 0 => {}
            Ok(_) => return Err(StorageError::Damaged(format!("`{}` is empty", path.display()))),
            Err(error) => {
                return Err(StorageError::Unavailable(format!(
                    "cannot open `{}`: {error}",
                    path.display()
                )));
            }
        }
        let open = |db: Connection| {
            db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            db.pragma_update(None, "query_only", true)?;
            migrate::check(&db, MIGRATIONS)?;
            let words = read::words(&db)?;
            Ok((db, Decoder::new(&words)))
        };
        let connected = bare(&path).and_then(|db| match db.is_readonly(rusqlite::MAIN_DB)? {
            true => connect_still(&path),
            false => prepared(db),
        });
        let (db, decoder) = connected.and_then(open).map_err(|error| named(&path, error))?;
        Ok(Self { db, decoder, path })
    }

    /// As `open`, beside the committer, which has looked at its names, and for reading on and on: every page is read once, so a cache
    /// of them would only take memory.
    pub fn open_lean(path: &Path) -> Result<Self, StorageError> {
        let reader = Self::of(resolve(path)?)?;
        reader.db.execute_batch("PRAGMA cache_size = -1024")?;
        Ok(reader)
    }

    /// Reads at one revision: everything within sees the same head.
    pub(super) fn at_head<T>(
        &mut self,
        read: impl FnOnce(&Connection, &Decoder, &Totals) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let read = || {
            let transaction = self.db.transaction_with_behavior(TransactionBehavior::Deferred)?;
            let totals = Totals::read(&transaction)?;
            read(&transaction, &self.decoder, &totals)
        };
        read().map_err(|error| named(&self.path, error))
    }
}

/// A database that cannot be written, as a store: it loads, and takes no commit.
#[derive(Debug)]
pub struct Still(Reader);

impl Still {
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        Reader::open(path).map(Self)
    }

    fn refused(&self) -> StorageError {
        StorageError::ReadOnly(format!("cannot write `{}`", self.0.path.display()))
    }
}

impl Storage for Still {
    fn load(
        &mut self,
        replays_since: Time,
        each: &mut dyn FnMut(Loaded) -> Result<(), StorageError>,
    ) -> Result<Head, StorageError> {
        self.0.at_head(|db, decoder, totals| {
            read::load(db, decoder, totals, replays_since, each)?;
            Ok(totals.head)
        })
    }

    fn begin(&mut self) -> Result<Head, StorageError> {
        Err(self.refused())
    }

    fn since(&mut self, after: Revision, at_most: usize) -> Result<Vec<Commit>, StorageError> {
        Log::since(&mut self.0, after, at_most)
    }

    fn commit(&mut self, _: &[Commit]) -> Result<(), StorageError> {
        Err(self.refused())
    }

    fn abandon(&mut self) {}

    fn logs(&self) -> Logs {
        let path = self.0.path.clone();
        Arc::new(move || Ok(Box::new(Reader::open_lean(&path)?)))
    }
}

impl Log for Reader {
    fn head(&mut self) -> Result<Head, StorageError> {
        self.at_head(|_, _, totals| Ok(totals.head))
    }

    fn link(&mut self) -> Result<Option<Link>, StorageError> {
        self.at_head(|_, _, totals| Ok(Some(totals.link())))
    }

    fn walk(&mut self, way: Way, each: &mut dyn FnMut(&Commit) -> ControlFlow<()>) -> Result<(), StorageError> {
        self.at_head(|db, decoder, totals| read::walk(db, decoder, totals, way, false, &mut |commit, _| each(&commit)))
    }

    fn since(&mut self, after: Revision, at_most: usize) -> Result<Vec<Commit>, StorageError> {
        self.at_head(|db, decoder, totals| read::since(db, decoder, totals, after, at_most))
    }

    fn before(&mut self, before: Revision, at_most: usize) -> Result<Vec<Commit>, StorageError> {
        self.at_head(|db, decoder, totals| read::before(db, decoder, totals, before, at_most))
    }

    /// In one read transaction too. The WAL grows as long as `each` takes.
    fn state(
        &mut self,
        wanted: Wanted<'_>,
        each: &mut dyn FnMut(Stated<'_>) -> ControlFlow<()>,
    ) -> Result<(), StorageError> {
        self.at_head(|db, decoder, totals| state::state(db, decoder, totals, wanted, each))
    }

    fn scratch(&self) -> Result<Option<Scratch>, StorageError> {
        scratch(&self.path).map(Some)
    }

    fn backup(&mut self, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Head, StorageError> {
        let target = Target::new(to)?;
        let head = self.copy(&target, true, &mut |done, all| {
            progress(done, all);
            true
        })?;
        target.keep().map(|()| head)
    }
}

impl Reader {
    /// A backup in a file that has lost its name by the time it is given: for who reads it once. Nothing of it waits for
    /// the disk, where it would be in the way of those who do.
    /// What a killed process leaves of it is removed when the database is opened (`place::sweep`).
    pub fn backup_aside(&mut self, goes_on: &mut dyn FnMut() -> bool) -> Result<File, StorageError> {
        let name = beside(&self.path, &format!(".{}.backup", Clock::System.new_id().simple()));
        let target = Target::new(&name)?;
        self.copy(&target, false, &mut |_, _| goes_on())?;
        File::open(target.path()).map_err(|error| refused(target.path(), &error))
    }

    /// SQLite's online backup inside one read transaction, so that commits made meanwhile neither wait for it nor make
    /// it start again. The WAL grows until it is done.
    fn copy(
        &mut self,
        target: &Target,
        durable: bool,
        goes_on: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<Head, StorageError> {
        self.at_head(|db, _, totals| {
            let mut copy = connect(target.path())?;
            // As what is read for it: each of its pages is written once.
            copy.execute_batch("PRAGMA cache_size = -1024")?;
            if !durable {
                copy.pragma_update(None, "synchronous", "OFF")?;
            }
            let backup = Backup::new(db, &mut copy)?;
            loop {
                let step = backup.step(STEP)?;
                let state = backup.progress();
                let all = state.pagecount.max(0) as u64;
                let goes_on = goes_on(all.saturating_sub(state.remaining.max(0) as u64), all);
                match step {
                    StepResult::Done => break,
                    _ if !goes_on => return Err(StorageError::Unavailable("the copy was given up".to_owned())),
                    StepResult::More => {}
                    _ => std::thread::sleep(std::time::Duration::from_millis(10)),
                }
            }
            drop(backup);
            totals.write(&copy)?;
            single_file(&copy, target.path())?;
            match Totals::read(&copy)? == *totals {
                true => Ok(totals.head),
                false => Err(StorageError::Damaged("the copy is not what was copied".to_owned())),
            }
        })
    }
}
