//! An assignment whose end has passed is none: it holds no seat, opens nothing, and was made by nobody. Whoever makes one of
//! the same license and profile makes it of that: it keeps its id, its leases and who bought the license, and nothing
//! else (`licensing.md` 3). Only a generic write that gives one a later end goes on with what there was.

use uuid::Uuid;

use crate::graph::{Transaction, Violation};
use crate::model::{Entity, Time, rel};

use super::ruled;
use super::{sale, select};

/// Of an assignment, or of its license.
pub fn has_ended(entity: &Entity, now: Time) -> bool {
    select::end(entity).is_some_and(|until| until <= now)
}

/// Leaves nothing of one that has ended, but for who bought: neither another field, nor the rule, the record or the group it was
/// made by. To be called before anything is written over it; one that lasts stays as it is.
pub fn forget(tx: &mut Transaction<'_>, assignment: Uuid) -> Result<(), Violation> {
    let node = tx.node(assignment)?;
    if !has_ended(&node, tx.now()) {
        return Ok(());
    }
    ruled::leave_record(tx, assignment)?;
    for rel in [rel::LEASED, rel::BY_GROUP] {
        let parent = tx.graph().find(assignment).and_then(|node| node.parent(rel));
        if let Some(parent) = parent.map(|parent| parent.id) {
            tx.unrelate(rel, parent, assignment)?;
        }
    }
    let kept = tx.graph().find(assignment).map(sale::kept).unwrap_or_default();
    tx.update(assignment, kept)
}
