//! Everything that ever happens to the graph is a list of `Change`: rules produce them, the graph applies and undoes
//! them, storage keeps them, the second copy replays them, dry runs and the audit show them.

use std::sync::Arc;

use compact_str::CompactString;

use super::{Entity, Principal, Relation, Revision, Time};

/// `before` is `None`: created. `after` is `None`: removed. Never both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Entity {
        before: Option<Arc<Entity>>,
        after: Option<Arc<Entity>>,
    },
    Relation {
        before: Option<Arc<Relation>>,
        after: Option<Arc<Relation>>,
    },
}

/// What one write did, all or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    pub revision: Revision,
    pub at: Time,
    pub by: Principal,
    /// The operation's name, as in the audit: `MoveLicenses`, or `Create`, `Update`, `Delete`, `Import` for the generic ones.
    pub operation: CompactString,
    pub request_id: CompactString,
    pub changes: Vec<Change>,
    /// The answer to repeat when the same Idempotency-Key comes again.
    pub replay: Option<Replay>,
}

/// An Idempotency-Key with the fingerprint of its request and the answer it got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Whose key it is: one principal never meets another's keys.
    pub scope: CompactString,
    pub key: CompactString,
    /// SHA-256 over method, target and body.
    pub fingerprint: [u8; 32],
    pub at: Time,
    pub status: u16,
    pub body: Arc<[u8]>,
}
