//! Moving what is committed from the WAL to the database, beside the committer: most of it is moved by a thread of its own
//! while commits go on, and only what came meanwhile is left for the committer to move, who alone can come to the end of it
//! and so begin the WAL anew. The committer moving all of it would keep everybody from their writes for as long.
//!
//! A checkpoint that failed is not tried again: the system forgets pages it could not write, and then calls them written.
//! So the failure stays, and whoever asks next is told of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::super::StorageError;
use super::connect;

/// The thread, which begins with the first checkpoint.
#[derive(Debug)]
pub struct Checkpoints {
    path: PathBuf,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    doing: Mutex<Doing>,
    changed: Condvar,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Doing {
    #[default]
    Nothing,
    Asked,
    /// All that was in the WAL when it began is moved, as far as readers let it.
    Moved,
    Failed(StorageError),
    Closed,
}

/// What the thread is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Nothing,
    Moving,
    Moved,
}

impl Checkpoints {
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            shared: Arc::default(),
            thread: None,
        }
    }

    /// `Moved` is told once.
    ///
    /// # Errors
    /// What a checkpoint came to, now and ever after.
    pub fn at(&self) -> Result<At, StorageError> {
        let mut doing = self.shared.doing.lock();
        match &*doing {
            Doing::Nothing | Doing::Closed => Ok(At::Nothing),
            Doing::Asked => Ok(At::Moving),
            Doing::Moved => {
                *doing = Doing::Nothing;
                Ok(At::Moved)
            }
            Doing::Failed(error) => Err(error.clone()),
        }
    }

    /// # Errors
    /// What a checkpoint came to.
    pub fn fault(&self) -> Result<(), StorageError> {
        match &*self.shared.doing.lock() {
            Doing::Failed(error) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// Begins one, where none is under way.
    ///
    /// # Errors
    /// There can be no thread.
    pub fn ask(&mut self) -> Result<(), StorageError> {
        if self.thread.is_none() {
            let (path, shared) = (self.path.clone(), Arc::clone(&self.shared));
            let thread = std::thread::Builder::new()
                .name("checkpoints".to_owned())
                .spawn(move || shared.serve(&path));
            self.thread = Some(thread.map_err(|error| StorageError::Unavailable(error.to_string()))?);
        }
        let mut doing = self.shared.doing.lock();
        if *doing == Doing::Nothing {
            *doing = Doing::Asked;
            self.shared.changed.notify_all();
        }
        Ok(())
    }

    /// Waits until none is under way.
    pub fn settle(&self) {
        let mut doing = self.shared.doing.lock();
        while *doing == Doing::Asked {
            self.shared.changed.wait(&mut doing);
        }
    }
}

impl Drop for Checkpoints {
    /// One that is under way is finished first.
    fn drop(&mut self) {
        self.settle();
        *self.shared.doing.lock() = Doing::Closed;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn serve(&self, path: &Path) {
        let mut db = None;
        loop {
            let mut doing = self.doing.lock();
            while *doing != Doing::Asked {
                if *doing == Doing::Closed {
                    return;
                }
                self.changed.wait(&mut doing);
            }
            drop(doing);
            let moved = open(&mut db, path).and_then(|db| Ok(passive(db)?));
            *self.doing.lock() = match moved {
                Ok(_) => Doing::Moved,
                Err(error) => Doing::Failed(error),
            };
            self.changed.notify_all();
        }
    }
}

/// The thread's own connection, which moves nothing unasked, not even when it is closed.
fn open<'d>(db: &'d mut Option<Connection>, path: &Path) -> Result<&'d Connection, StorageError> {
    if db.is_none() {
        let opened = connect(path)?;
        opened.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        *db = Some(opened);
    }
    db.as_ref()
        .ok_or_else(|| StorageError::Unavailable("no connection".to_owned()))
}

/// Moves what no reader keeps from being moved, and waits for nobody. Gives how many frames are left.
pub fn passive(db: &Connection) -> rusqlite::Result<i64> {
    waiting(db, "PRAGMA wal_checkpoint(PASSIVE)")
}

/// How many frames of the WAL wait to be moved.
pub fn left(db: &Connection) -> rusqlite::Result<i64> {
    waiting(db, "PRAGMA wal_checkpoint(NOOP)")
}

fn waiting(db: &Connection, pragma: &str) -> rusqlite::Result<i64> {
    db.prepare_cached(pragma)?
        .query_row((), |row| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?))
}

#[cfg(test)]
mod tests {
    use super::super::super::Storage;
    use super::super::super::samples::World;
    use super::super::{Migrate, Sqlite, beside};
    use super::*;

    fn put(open: &mut Sqlite, world: &mut World) -> Result<(), StorageError> {
        let commit = world.commit(6);
        open.begin().and_then(|_| open.commit(&[commit]))
    }

    #[test]
    fn the_wal_stays_short_and_begins_anew() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("short.db");
        let mut open = Sqlite::open(&path, Migrate::Refuse).expect("opens");
        open.checkpoint_frames = 32;
        let mut world = World::new(5);
        let (mut most, mut anew, mut last) = (0, 0, 0);
        for _ in 0..400 {
            put(&mut open, &mut world).expect("commits");
            let frames = open.wal_frames.load(std::sync::atomic::Ordering::Relaxed);
            most = most.max(frames);
            anew += usize::from(frames < last);
            last = frames;
        }
        assert!(anew > 5, "{anew} times");
        assert!(most < 2 * 32 * super::super::BEHIND, "{most} frames");
        drop(open);
        assert!(!beside(&path, "-wal").exists(), "it ends with the store");
    }

    #[test]
    fn a_reader_keeps_frames_and_no_longer_than_it_reads() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("read.db");
        let mut open = Sqlite::open(&path, Migrate::Refuse).expect("opens");
        open.checkpoint_frames = 32;
        let mut world = World::new(6);
        put(&mut open, &mut world).expect("commits");
        let reader = connect(&path).expect("opens");
        reader.execute_batch("BEGIN; SELECT * FROM head").expect("reads");
        for _ in 0..100 {
            put(&mut open, &mut world).expect("commits");
        }
        open.checkpoints.settle();
        assert!(left(&open.db).expect("told") > 32, "they wait");
        reader.execute_batch("COMMIT").expect("ends");
        for _ in 0..100 {
            put(&mut open, &mut world).expect("commits");
            open.checkpoints.settle();
        }
        assert!(left(&open.db).expect("told") < 2 * 32, "they are moved");
    }

    #[test]
    fn a_failure_is_told_to_whoever_comes_next_and_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut open = Sqlite::open(&directory.path().join("fails.db"), Migrate::Refuse).expect("opens");
        let mut world = World::new(7);
        put(&mut open, &mut world).expect("commits");
        *open.checkpoints.shared.doing.lock() = Doing::Failed(StorageError::Io("the disk is gone".to_owned()));
        for _ in 0..2 {
            let refused = put(&mut open, &mut world).expect_err("it goes on");
            assert!(refused.to_string().contains("the disk is gone"), "{refused}");
        }
    }
}
