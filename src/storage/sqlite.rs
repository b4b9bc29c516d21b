//! The embedded store: one SQLite file, owned by one process, written by one connection. What that connection does not
//! do is serve readers: they open a [`Reader`] of their own.
//!
//! The journal is a WAL and every commit is synced (`synchronous=FULL`). Checkpoints are asked for here, after a commit, and
//! not made by SQLite itself, which would swallow their errors.

mod checkpoint;
mod error;
mod migrate;
mod place;
mod prove;
mod read;
mod reader;
mod rows;
mod state;
mod totals;
mod verify;
mod write;

#[cfg(test)]
mod crash;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod opening;
#[cfg(test)]
mod tamper;
#[cfg(test)]
mod work;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::config::DbConfig;
use rusqlite::hooks::Wal;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use checkpoint::{At, Checkpoints};
pub use migrate::Migrate;
use migrate::{MIGRATIONS, Migration, migrate};
pub(super) use place::Target;
pub use place::{BESIDE, followed};
use place::{Lock, beside, refused, resolve};
pub use reader::{Reader, Still};
use totals::{Others, Totals};
pub use verify::Report;
use write::Writer;

use super::chain::{Dictionary, Hash, Link};
use super::codec::{Decoder, Encoder};
use super::{Head, Health, Loaded, Logs, Storage, StorageError};
use crate::model::{Commit, Revision, Time};

/// Frames of the WAL (4 KiB each) that wait for a checkpoint before one is made.
const CHECKPOINT_FRAMES: i64 = 4096;
/// Times as many: whoever commits that much faster than it is moved waits until it is.
const BEHIND: i64 = 8;

/// A commit longer than this is kept in pieces: SQLite takes no value over a thousand million bytes.
const PIECE_BYTES: usize = 256 * 1024 * 1024;

/// The store of the committer.
#[derive(Debug)]
pub struct Sqlite {
    // The order of these three is the order in which they go: the lock outlives the connections.
    checkpoints: Checkpoints,
    db: Connection,
    _lock: Lock,
    path: PathBuf,
    encoder: Encoder,
    decoder: Decoder,
    totals: Totals,
    others: Others,
    /// What the table `head` has.
    written_down: Revision,
    /// The next commit brings it up to date.
    write_down: bool,
    /// What the hash chain covers of the dictionary.
    words: (u64, Hash),
    holds_head: bool,
    health: Health,
    piece_bytes: usize,
    checkpoint_frames: i64,
    /// In the WAL after the last commit, whether they wait for a checkpoint or not.
    wal_frames: Arc<AtomicI64>,
    /// So many are there when a checkpoint is asked for again.
    checkpoint_asked: i64,
    buffers: write::Buffers,
    /// Statements that wrote a change, a commit or an answer.
    statements: Cell<u64>,
}

impl Sqlite {
    /// Opens a database and locks out every other process, making the file if there is none.
    pub fn open(path: &Path, how: Migrate) -> Result<Self, StorageError> {
        Self::open_with(path, how, MIGRATIONS)
    }

    fn open_with(path: &Path, how: Migrate, migrations: &[Migration]) -> Result<Self, StorageError> {
        let path = resolve(path)?;
        let lock = Lock::of(&path)?;
        place::sweep(&path);
        match path.metadata() {
            Ok(file) if file.len() == 0 => {
                let shown = path.display();
                return Err(StorageError::Damaged(format!("`{shown}` is empty")));
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                place::may_be_named(&path)?;
                create(&path, migrations)?
            }
            Err(error) => return Err(refused(&path, &error)),
        }
        let named = |error| named(&path, error);
        let db = bare(&path).map_err(named)?;
        if db
            .is_readonly(rusqlite::MAIN_DB)
            .map_err(StorageError::from)
            .map_err(named)?
        {
            return Err(StorageError::ReadOnly(format!("cannot write `{}`", path.display())));
        }
        let mut db = prepared(db).map_err(named)?;
        migrate(&mut db, migrations, how).map_err(named)?;
        let mode = journal_mode(&db, "wal").map_err(StorageError::from).map_err(named)?;
        if mode != "wal" {
            return Err(StorageError::Unavailable(format!(
                "`{}` lies where SQLite cannot keep a WAL",
                path.display()
            )));
        }
        let wal_frames = counted(&mut db).map_err(named)?;
        let words = intern(&mut db).map_err(named)?;
        let totals = Totals::read(&db).map_err(named)?;
        Ok(Self {
            encoder: Encoder::new(&words)?,
            decoder: Decoder::new(&words),
            words: Dictionary::new(&words).last(),
            totals,
            others: Others::new(migrate::made(migrations)?),
            written_down: Totals::of_table(&db).map_err(named)?.head.revision,
            write_down: false,
            checkpoints: Checkpoints::new(&path),
            db,
            _lock: lock,
            path,
            holds_head: false,
            health: Health::default(),
            piece_bytes: PIECE_BYTES,
            checkpoint_frames: CHECKPOINT_FRAMES,
            wal_frames,
            checkpoint_asked: 0,
            buffers: write::Buffers::default(),
            statements: Cell::new(0),
        })
    }

    /// For readers beside the committer. To be opened by a [`Reader`] only: when this process closes any other handle of
    /// the file, the system drops SQLite's locks on it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A reader of this database, for another thread.
    pub fn reader(&self) -> Result<Reader, StorageError> {
        Reader::open(&self.path)
    }

    /// Drops the log up to and including a revision, in one transaction, and gives where its chain begins then. The state stays.
    pub fn forget(&mut self, up_to: Revision) -> Result<Link, StorageError> {
        self.health.check()?;
        let result = self.try_forget(up_to.min(self.totals.head.revision));
        self.seal(result)
    }

    fn try_forget(&mut self, up_to: Revision) -> Result<Link, StorageError> {
        if up_to <= self.totals.forgotten {
            let (revision, hash) = (self.totals.forgotten, self.totals.forgotten_chain);
            return Ok(Link { revision, hash });
        }
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let bound = [up_to as i64];
        self.others.wrote_nothing(&transaction, &self.totals)?;
        let link = prove::link(&transaction, &self.totals, up_to)?;
        transaction.execute("DELETE FROM commit_log WHERE revision <= ?1", bound)?;
        transaction.execute("DELETE FROM commit_more WHERE revision <= ?1", bound)?;
        let totals = Totals {
            forgotten: up_to,
            forgotten_chain: link.hash,
            ..self.totals
        };
        totals.write(&transaction)?;
        transaction.commit()?;
        self.totals = totals;
        self.written_down = totals.head.revision;
        self.checkpoint()?;
        Ok(link)
    }

    /// An empty database in a file that is not yet kept.
    pub(super) fn within(target: &Target) -> Result<Self, StorageError> {
        fill(target, MIGRATIONS)?;
        Self::open(target.path(), Migrate::Refuse)
    }

    /// Ends with one file that needs no WAL beside it: for copies that travel.
    pub(super) fn into_single_file(mut self) -> Result<(), StorageError> {
        // Its thread's connection would keep the WAL.
        self.checkpoints = Checkpoints::new(&self.path);
        self.write_down_now()?;
        single_file(&self.db, &self.path)
    }

    /// Brings the table `head` up to date.
    fn write_down_now(&mut self) -> Result<(), StorageError> {
        if self.written_down == self.totals.head.revision {
            return Ok(());
        }
        write::at_once(&self.db, || {
            self.others.wrote_nothing(&self.db, &self.totals)?;
            self.totals.write(&self.db)
        })?;
        self.written_down = self.totals.head.revision;
        Ok(())
    }

    fn write(&mut self, commits: &[Commit]) -> Result<(), StorageError> {
        if commits.is_empty() {
            return Ok(());
        }
        self.buffers.waiting.iter_mut().for_each(rows::Waiting::clear);
        let mut writer = Writer {
            db: &self.db,
            encoder: &self.encoder,
            decoder: &self.decoder,
            totals: self.totals,
            words: self.words,
            piece_bytes: self.piece_bytes,
            buffers: &mut self.buffers,
            statements: &self.statements,
        };
        self.totals = write::at_once(&self.db, || {
            self.others.wrote_nothing(&self.db, &writer.totals)?;
            writer.commits(commits)?;
            if self.write_down {
                writer.totals.write(&self.db)?;
            }
            Ok(writer.totals)
        })?;
        if std::mem::take(&mut self.write_down) {
            self.written_down = self.totals.head.revision;
        }
        Ok(())
    }

    /// Has what is committed moved from the WAL to the database once there is much of it. Readers are not waited for.
    fn checkpoint(&mut self) -> Result<(), StorageError> {
        let frames = self.wal_frames.load(Ordering::Relaxed);
        // The WAL began anew.
        if frames < self.checkpoint_asked {
            self.checkpoint_asked = 0;
        }
        if frames >= self.checkpoint_frames.saturating_mul(BEHIND) {
            self.checkpoints.settle();
        }
        match self.checkpoints.at()? {
            At::Moving => {}
            At::Moved => {
                checkpoint::passive(&self.db)?;
            }
            // Where a reader keeps them from being moved, they are tried again when a part more has come.
            At::Nothing if frames >= self.checkpoint_frames.max(self.checkpoint_asked) => {
                if checkpoint::left(&self.db)? >= self.checkpoint_frames {
                    self.checkpoint_asked = frames.saturating_add(self.checkpoint_frames / 4);
                    self.checkpoints.ask()?;
                    self.write_down = true;
                }
            }
            At::Nothing => {}
        }
        Ok(())
    }

    fn load_all(
        &mut self,
        replays_since: Time,
        each: &mut dyn FnMut(Loaded) -> Result<(), StorageError>,
    ) -> Result<Head, StorageError> {
        // Every page is read once. A cache that kept them would keep their memory, which no allocator gives back.
        self.db.execute_batch("PRAGMA cache_size = -1024")?;
        let transaction = self.db.transaction()?;
        let totals = Totals::read(&transaction)?;
        if totals != self.totals {
            return Err(StorageError::Io("another program wrote to the database".to_owned()));
        }
        read::load(&transaction, &self.decoder, &totals, replays_since, each)?;
        transaction.finish()?;
        // Its full size is for the writes to come.
        self.db.execute_batch(CACHE)?;
        Ok(totals.head)
    }

    /// A failed store touches its file no more, not even when it is closed.
    fn seal<T>(&mut self, result: Result<T, StorageError>) -> Result<T, StorageError> {
        let result = self.health.seal_read(result.map_err(|error| named(&self.path, error)));
        if self.health.check().is_err() {
            let _ = self.db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
        result
    }
}

impl Storage for Sqlite {
    fn load(
        &mut self,
        replays_since: Time,
        each: &mut dyn FnMut(Loaded) -> Result<(), StorageError>,
    ) -> Result<Head, StorageError> {
        self.health.check()?;
        let mut refusal = None;
        let result = self.load_all(replays_since, &mut |loaded| {
            each(loaded).inspect_err(|error| refusal = Some(error.clone()))
        });
        match refusal {
            Some(error) => Err(error),
            None => self.seal(result),
        }
    }

    fn begin(&mut self) -> Result<Head, StorageError> {
        // The process's lock on the file is the lock of the head: nobody else can move it.
        self.health.check()?;
        let moved = self.checkpoints.fault();
        self.seal(moved)?;
        self.holds_head = true;
        Ok(self.totals.head)
    }

    fn since(&mut self, after: Revision, at_most: usize) -> Result<Vec<Commit>, StorageError> {
        self.health.check()?;
        let result = read::since(&self.db, &self.decoder, &self.totals, after, at_most);
        self.seal(result)
    }

    fn commit(&mut self, commits: &[Commit]) -> Result<(), StorageError> {
        self.health.check()?;
        let result = match std::mem::take(&mut self.holds_head) {
            true => self.write(commits),
            false => Err(StorageError::Misused("a commit without a turn to write".to_owned())),
        };
        // A database that somebody else holds is a failed write too.
        let result = result.map_err(|error| match error {
            StorageError::Locked(why) => StorageError::Io(format!("another program holds the database: {why}")),
            other => other,
        });
        self.seal(result)?;
        // These commits are durable; should tidying fail, the store refuses what comes next.
        let tidied = self.checkpoint();
        let _ = self.seal(tidied);
        Ok(())
    }

    fn abandon(&mut self) {
        self.holds_head = false;
    }

    fn logs(&self) -> Logs {
        let path = self.path.clone();
        Arc::new(move || Ok(Box::new(Reader::open_lean(&path)?)))
    }
}

impl Drop for Sqlite {
    /// What was not moved for an error is not moved when the last connection closes either.
    fn drop(&mut self) {
        self.checkpoints.settle();
        let failed = self.checkpoints.fault();
        if self.seal(failed).is_ok() && self.health.check().is_ok() {
            let failed = self.write_down_now();
            let _ = self.seal(failed);
        }
    }
}

/// What is wrong with a file is reported with its name.
fn named(path: &Path, error: StorageError) -> StorageError {
    let shown = path.display();
    match error {
        StorageError::Damaged(why) => StorageError::Damaged(format!("`{shown}`: {why}")),
        StorageError::Foreign(why) => StorageError::Foreign(format!("`{shown}`: {why}")),
        StorageError::ReadOnly(why) => StorageError::ReadOnly(format!("`{shown}`: {why}")),
        StorageError::Locked(why) => StorageError::Locked(format!("`{shown}`: {why}")),
        StorageError::Unavailable(why) => StorageError::Unavailable(format!("`{shown}`: {why}")),
        StorageError::Unsure(why) => StorageError::Unsure(format!("`{shown}`: {why}")),
        StorageError::Io(why) => StorageError::Io(format!("`{shown}`: {why}")),
        other => other,
    }
}

/// 64 MiB hold the inner pages of a database of tens of gigabytes.
const CACHE: &str = "PRAGMA cache_size = -65536";

/// A connection with everything set that does not write.
fn connect(path: &Path) -> Result<Connection, StorageError> {
    prepared(bare(path)?)
}

/// Nothing of it is read yet. Who reads a database has a log made beside it, which is that user's.
fn bare(path: &Path) -> Result<Connection, StorageError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(Connection::open_with_flags(path, flags)?)
}

/// A connection to a file that this user may not write, which makes nothing beside it: whose the database is could not write there any
/// more. While somebody has it open it has a log, with what belongs to that; where there is none, nothing is missing from the file, and
/// SQLite looks for none.
fn connect_still(path: &Path) -> Result<Connection, StorageError> {
    let how = match beside(path, "-wal").exists() {
        true => "readonly_shm",
        false => "immutable",
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let name = path
        .to_string_lossy()
        .replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23");
    prepared(Connection::open_with_flags(format!("file:{name}?{how}=1"), flags)?)
}

fn prepared(db: Connection) -> Result<Connection, StorageError> {
    db.busy_timeout(std::time::Duration::from_secs(5))?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    db.set_prepared_statement_cache_capacity(64);
    // No mapped memory: there a failing disk is a signal that ends the process, not an error. `fullfsync` is for macOS,
    // whose plain fsync does not reach the disk.
    db.execute_batch(
        "PRAGMA cell_size_check = ON;
         PRAGMA foreign_keys = ON;
         PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA checkpoint_fullfsync = ON;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA mmap_size = 0;
         PRAGMA temp_store = MEMORY;",
    )?;
    db.execute_batch(CACHE)?;
    Ok(db)
}

/// Changes the journal's mode and gives what it is then. The statement is run to its end: it tells the mode first and
/// commits the change after that, and may still fail there.
fn journal_mode(db: &Connection, wanted: &str) -> rusqlite::Result<String> {
    let mut statement = db.prepare(&format!("PRAGMA journal_mode = {wanted}"))?;
    let mut rows = statement.query(())?;
    let mut mode = String::new();
    while let Some(row) = rows.next()? {
        mode = row.get(0)?;
    }
    Ok(mode)
}

/// Makes a new database under another name and gives it its own once it is whole: a process killed meanwhile leaves
/// either no database or one that opens.
fn create(path: &Path, migrations: &[Migration]) -> Result<(), StorageError> {
    let target = Target::locked(path)?;
    fill(&target, migrations)?;
    target.keep()
}

fn fill(target: &Target, migrations: &[Migration]) -> Result<(), StorageError> {
    let mut db = connect(target.path())?;
    migrate::begin(&mut db, migrations)?;
    Totals::write_first(&db)
}

/// One file with no WAL.
fn single_file(db: &Connection, path: &Path) -> Result<(), StorageError> {
    let mode = journal_mode(db, "delete")?;
    match mode == "delete" && !beside(path, "-wal").exists() {
        true => Ok(()),
        false => Err(StorageError::Io(format!("cannot end the WAL of `{}`", path.display()))),
    }
}

/// Where SQLite tells, with every commit, how many frames the WAL has.
fn counted(db: &mut Connection) -> Result<Arc<AtomicI64>, StorageError> {
    let frames = Arc::new(AtomicI64::new(0));
    let told = Arc::clone(&frames);
    db.wal_hook(Some(move |_: &mut Wal, all: i32| {
        told.store(i64::from(all), Ordering::Relaxed);
        Ok(())
    }))?;
    Ok(frames)
}

/// The dictionary, with a number for every word of this program's schema.
fn intern(db: &mut Connection) -> Result<super::words::Words, StorageError> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut words = read::words(&transaction)?;
    for (code, word) in words.add_missing() {
        transaction.execute(
            "INSERT INTO word (code, word, checksum) VALUES (?1, ?2, ?3)",
            (code, &word, read::word_checksum(u64::from(code), &word)),
        )?;
    }
    transaction.commit()?;
    Ok(words)
}
