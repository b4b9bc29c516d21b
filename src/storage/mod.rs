//! Durability: storage keeps commits and gives them back. It answers no query and knows neither graph nor license.
//!
//! # The contract
//!
//! A store holds four things that always belong together: the **head** (revision and time of the last commit, and the
//! next serial), the **current state** (every entity and relation), the **log** (every commit, oldest first) and the
//! **replays** (answers to repeat for an Idempotency-Key). The state is what playing the log from nothing gives.
//!
//! - [`Storage::begin`] takes the turn to write and gives the head. While it is held nobody else can move the head, on
//!   this node or another. It ends by `commit`, by `abandon`, or by dropping the store.
//! - [`Storage::commit`] is all or nothing for the whole list, and **durable when it returns**: power may fail in the
//!   next instant. Revisions must follow the head without a gap, times must not run backwards, and what a change says was
//!   `before` must be what is stored; a list that breaks one of these is refused as [`StorageError::Misused`] and nothing of it is written. An empty
//!   list writes nothing. It gives up the turn, whatever comes of it.
//! - **An error of `commit` fails the store for good**, and so does any damage or failed input and output found by
//!   another method: every later call answers [`StorageError::Io`] with the first cause, because after a failed `fsync`
//!   nobody knows what the disk holds. After [`StorageError::Unsure`] all of those commits are found when the store is opened
//!   again, or none; after any other error none is. The way on is to open the store anew.
//! - [`Storage::load`] gives everything at one revision. It is the whole state or an error, never a part of it passed
//!   off as the whole. An error from its callback stops it and is handed back; it does not fail the store.
//! - [`Storage::since`] gives commits in order, without a gap, from `after + 1` on. It may give fewer than `at_most`
//!   (at least one), to bound the memory of an answer; the end is where it gives none. `TooOld` means that part of the
//!   log is forgotten: load again. A commit's `replay` is given back for as long as replays are kept
//!   ([`REPLAYS_KEPT_MS`]) and is `None` afterwards.
//! - Replays older than [`REPLAYS_KEPT_MS`] before a commit may be forgotten by that commit.
//!
//! A store that outlives the process keeps a **hash chain** over its log ([`chain`]): commits that were altered, removed, put in
//! or moved by somebody who wrote to it by other ways are found when it is proven.
//!
//! Calls are synchronous and may wait for a disk: only plain threads make them. [`Log`] is for those beside the
//! committer (audit, backup, export): it reads, never writes, and disturbs nobody. The store gives them out by [`Storage::logs`].

pub mod chain;
mod checksum;
pub mod codec;
pub mod failing;
mod first;
pub mod memory;
pub mod sqlite;
pub mod words;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod samples;

use std::fs::File;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

pub use chain::Link;
pub use failing::{Failing, Fault, Faults};
pub use first::first_at;
pub use memory::Memory;
pub use sqlite::{BESIDE, Migrate, Reader, Report, Sqlite, Still, followed};

use crate::model::*;

/// How long the answer to an Idempotency-Key is kept: 24 hours.
pub const REPLAYS_KEPT_MS: i64 = 24 * 60 * 60 * 1000;

/// One thing of the state, as `load` gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// Before all else: how many entities and relations will come, for who makes room for them.
    Coming {
        entities: usize,
        relations: usize,
    },
    Entity(Entity),
    Relation(Relation),
    /// With the revision of its commit.
    Replay(Revision, Replay),
}

/// Where the log stands: the revision of the last commit and its time, and the serial the next entity gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub revision: Revision,
    pub at: Time,
    pub next_serial: Serial,
}

impl Head {
    /// Of a store that has no commit yet.
    pub const EMPTY: Self = Self {
        revision: 0,
        at: Time(0),
        next_serial: 1,
    };
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    #[error("{0}")]
    Unavailable(String),
    #[error("{0}")]
    SeveralNames(String),
    #[error("the database is locked by another process: {0}")]
    Locked(String),
    #[error("the database has schema {found}, this program knows up to {known}")]
    Newer { found: u32, known: u32 },
    #[error("the database has schema {found}, this program needs {known}: run `seatgraph migrate`")]
    Older { found: u32, known: u32 },
    #[error("the database holds `{0}`, which this program does not know: another version wrote it")]
    Unknown(String),
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// Its schema has what this program did not make, and lacks nothing.
    #[error("the database has what another program made in it: {0}")]
    Foreign(String),
    #[error("the database is read-only: {0}")]
    ReadOnly(String),
    #[error("the log no longer reaches back to revision {0}")]
    TooOld(Revision),
    #[error("the storage was asked what it must refuse: {0}")]
    Misused(String),
    /// Of a commit: it failed too late for anybody to know whether it is stored.
    #[error("whether it is stored is not known: {0}")]
    Unsure(String),
    #[error("{0}")]
    Io(String),
}

pub trait Storage: Send {
    /// Everything, at one revision: what is coming, entities in order of serial, then relations, then replays not older than
    /// `replays_since`, oldest first.
    fn load(
        &mut self,
        replays_since: Time,
        each: &mut dyn FnMut(Loaded) -> Result<(), StorageError>,
    ) -> Result<Head, StorageError>;
    /// Locks the head. Asking again while holding it gives the head again.
    fn begin(&mut self) -> Result<Head, StorageError>;
    /// Commits after a revision, oldest first, at most `at_most` of them.
    fn since(&mut self, after: Revision, at_most: usize) -> Result<Vec<Commit>, StorageError>;
    /// All or nothing, durable when it returns; releases the head.
    fn commit(&mut self, commits: &[Commit]) -> Result<(), StorageError>;
    /// Releases the head and writes nothing.
    fn abandon(&mut self);
    /// How others open the log while the committer has the store.
    fn logs(&self) -> Logs;
}

/// Opens the log, on any thread. Who has it open when the store is closed keeps the store's files from being tidied.
pub type Logs = Arc<dyn Fn() -> Result<Box<dyn Log>, StorageError> + Send + Sync>;

/// Where a walk through the log begins, and so which way it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the oldest commit there is, to later ones.
    Oldest,
    /// From the commit after a revision, to later ones.
    After(Revision),
    /// From the commit before a revision, to earlier ones.
    Before(Revision),
}

/// What of the state is read in order, and in which.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub kinds: &'a [Kind],
    pub relations: &'a [Rel],
}

/// One thing of the state, as [`Log::state`] gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stated<'a> {
    /// Before all else: whose state it is.
    Head(Head),
    /// With its parents, each by the one-to-many relation it hangs on.
    Entity(&'a Entity, &'a [(Rel, End)]),
    Relation(&'a Relation),
}

/// Where what was read waits for somebody slow: a file to append to, and the same to read from. It has lost its name, so
/// that nothing is left behind.
#[derive(Debug)]
pub struct Scratch {
    pub write: File,
    pub read: File,
}

/// The store as seen from beside the committer, by a thread of its own.
pub trait Log: Send {
    fn head(&mut self) -> Result<Head, StorageError>;
    /// Where the hash chain over the commits ends, if the store keeps one.
    fn link(&mut self) -> Result<Option<Link>, StorageError>;
    /// One commit after the other, none skipped, until there are no more of those there were at the beginning or `each`
    /// has enough. Without their replays, which are answers and no part of what happened.
    fn walk(&mut self, way: Way, each: &mut dyn FnMut(&Commit) -> ControlFlow<()>) -> Result<(), StorageError>;
    /// As [`Storage::since`].
    fn since(&mut self, after: Revision, at_most: usize) -> Result<Vec<Commit>, StorageError>;
    /// Commits before a revision, newest first, at most `at_most` of them and perhaps fewer; none where the log begins.
    fn before(&mut self, before: Revision, at_most: usize) -> Result<Vec<Commit>, StorageError>;
    /// The state at one revision: entities kind by kind as they are wanted, each kind in order of serial, then relations in
    /// the same way, each in order of the serials of `from` and `to`. Until `each` has enough. Nobody slow is to be
    /// waited for meanwhile: what is written goes where it stays until this is done.
    fn state(
        &mut self,
        wanted: Wanted<'_>,
        each: &mut dyn FnMut(Stated<'_>) -> ControlFlow<()>,
    ) -> Result<(), StorageError>;
    /// For what is read by it. `None`: the store waits for nobody who reads the state.
    fn scratch(&self) -> Result<Option<Scratch>, StorageError>;
    /// Copies the whole store at one revision into a new database file, whole or not at all, and gives its head.
    /// Progress comes as done and all, in a unit of the store's own.
    fn backup(&mut self, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Head, StorageError>;
}

/// How many bytes of encoded commits one answer holds at most (but at least one commit).
const ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// The failed state of a store: it remembers the first cause and repeats it.
#[derive(Debug, Default)]
struct Health(Option<String>);

impl Health {
    fn check(&self) -> Result<(), StorageError> {
        match &self.0 {
            None => Ok(()),
            Some(cause) => Err(StorageError::Io(format!("the storage stopped after an error: {cause}"))),
        }
    }

    /// Any error is final.
    fn seal<T>(&mut self, result: Result<T, StorageError>) -> Result<T, StorageError> {
        if let (Err(error), None) = (&result, &self.0) {
            self.0 = Some(error.to_string());
        }
        result
    }

    /// As `seal`, but an answer that says nothing about the store's health is not final.
    fn seal_read<T>(&mut self, result: Result<T, StorageError>) -> Result<T, StorageError> {
        match result {
            Err(StorageError::TooOld(_) | StorageError::Locked(_)) => result,
            result => self.seal(result),
        }
    }
}

/// Revisions are gap-free, and time does not run backwards along them.
fn follows(head: Head, commit: &Commit) -> Result<(), StorageError> {
    let Commit { revision, at, .. } = commit;
    if revision.checked_sub(head.revision) != Some(1) {
        return Err(StorageError::Misused(format!(
            "commit {revision} after revision {}",
            head.revision
        )));
    }
    if *at < head.at {
        return Err(StorageError::Misused(format!(
            "commit {revision} at {at}, after one at {}",
            head.at
        )));
    }
    Ok(())
}

/// What is stored is not what a change says was before.
fn unfit(what: impl std::fmt::Display) -> StorageError {
    StorageError::Misused(format!("a change of {what} does not fit what is stored"))
}
