//! Durability: storage keeps commits and answers no query. (The contract in prose goes here.)
use crate::model::*;
use std::sync::Arc;

pub enum Loaded { Entity(Arc<Entity>), Relation(Relation), Replay(Replay) }

/// Where the log stands: the revision of the last commit and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head { pub revision: Revision, pub at: Time, pub next_serial: Serial }

#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    #[error("{0}")] Unavailable(String),
    #[error("the database is locked by another process: {0}")] Locked(String),
    #[error("the database has schema {found}, this program knows up to {known}")] Newer { found: u32, known: u32 },
    #[error("the database has schema {found}, this program needs {known}: run `seatgraph migrate`")] Older { found: u32, known: u32 },
    #[error("the database is damaged: {0}")] Damaged(String),
    #[error("the database is read-only: {0}")] ReadOnly(String),
    #[error("the log no longer reaches back to revision {0}")] TooOld(Revision),
    #[error("{0}")] Io(String),
}

pub trait Storage: Send {
    /// Everything, at one revision; entities first, in order of serial, then relations, then replays younger than `replays_since`.
    fn load(&mut self, replays_since: Time, each: &mut dyn FnMut(Loaded) -> Result<(), StorageError>) -> Result<Head, StorageError>;
    /// Locks the head.
    fn begin(&mut self) -> Result<Head, StorageError>;
    /// Commits after a revision, at most `at_most` of them.
    fn since(&mut self, after: Revision, at_most: usize) -> Result<Vec<Commit>, StorageError>;
    /// All or nothing, durable when it returns; releases the head.
    fn commit(&mut self, commits: &[Commit]) -> Result<(), StorageError>;
    fn abandon(&mut self);
}
