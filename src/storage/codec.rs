//! Entities, relations, commits and replays as bytes: compact, checked, and independent of the order of the schema's
//! tables. Knows no SQL: any table that has a key and a body column can hold these rows.
//!
//! A row is `version (1 byte), checksum (4, little end first), payload`. The checksum covers what kind of row it is, its
//! key, its version and its payload, so that a row served under another key is found out like a flipped bit. Numbers are
//! varints (seven bits a byte, low first; signed ones zigzag), texts and lists carry their length before them.
//! Equal values make equal bytes: fields stand in order of their code.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use std::fmt;

pub use decode::Decoder;
pub use encode::Encoder;

use super::StorageError;
use super::checksum::Checksum;
use super::words::Code;
use crate::model::{Revision, Serial};

/// The first byte of every row this program writes.
pub const VERSION: u8 = 1;
/// What facts that are no single value begin with.
const GROUP: u8 = 6;
const LIST: u8 = 7;
const NOTHING: u8 = 8;
/// Version and checksum.
const HEADER: usize = 5;

/// Which row it is: its table and its key there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    Entity(Serial),
    Relation { to: Serial, rel: Code, from: Serial },
    Commit(Revision),
    Replay(Revision),
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entity(serial) => write!(out, "entity {serial}"),
            Self::Relation { to, rel, from } => write!(out, "relation {rel} from {from} to {to}"),
            Self::Commit(revision) => write!(out, "commit {revision}"),
            Self::Replay(revision) => write!(out, "the answer kept with commit {revision}"),
        }
    }
}

impl Key {
    fn checksum(self, version: u8, payload: &[u8]) -> u32 {
        let (table, keys) = match self {
            Self::Entity(serial) => (b'E', [serial, 0, 0]),
            Self::Relation { to, rel, from } => (b'R', [to, u64::from(rel), from]),
            Self::Commit(revision) => (b'C', [revision, 0, 0]),
            Self::Replay(revision) => (b'P', [revision, 0, 0]),
        };
        let mut head = [0; 32];
        head[0] = table;
        head[1] = version;
        for (at, key) in keys.iter().enumerate() {
            head[8 + at * 8..16 + at * 8].copy_from_slice(&key.to_le_bytes());
        }
        Checksum::new().bytes(&head).bytes(payload).sum()
    }
}

/// The checksum a row carries, for sums over whole tables. 0 for what is no row.
pub fn carried_checksum(row: &[u8]) -> u32 {
    match row {
        [_, a, b, c, d, ..] => u32::from_le_bytes([*a, *b, *c, *d]),
        _ => 0,
    }
}

/// Why bytes are not a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Bad {
    #[error("its checksum does not fit")]
    Checksum,
    #[error("it ends too soon")]
    Cut,
    #[error("{0}")]
    Malformed(&'static str),
    #[error("it uses the word number {0}, which the dictionary lacks")]
    NoWord(u64),
    #[error("`{0}` is not known")]
    Unknown(String),
}

impl Bad {
    pub fn of(self, key: Key) -> StorageError {
        match self {
            Self::Unknown(name) => StorageError::Unknown(name),
            other => StorageError::Damaged(format!("{key}: {other}")),
        }
    }
}
