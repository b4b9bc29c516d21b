//! DELETE: everything a selector matches goes, with all that belongs to it. A match that may not be deleted stops it.

use uuid::Uuid;

use crate::access::{Action, Denied, View, Who, token};
use crate::entitlement::{allocate, paths, reserve};
use crate::error::Error;
use crate::graph::Transaction;
use crate::model::schema::{Hop, RelationType, known};
use crate::model::{Direction, Kind, Rel};
use crate::operation::refusal::{InputError, Refusal};

use super::{IfMatch, Told, told};

const GROUPS: Rel = known(RelationType::OneToMany, Kind::Organization, Kind::ProfileGroup);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// What was selected.
    pub objects: Vec<(Kind, Uuid)>,
    /// Entities and relations removed or changed, cascades included, as far as the caller may know of them.
    pub told: Told,
}

/// Removes these, which the caller sees. The permission to delete their kind is enough: what hangs on them goes along.
pub fn remove(
    tx: &mut Transaction<'_>,
    who: &Who,
    targets: &[Uuid],
    if_match: Option<&IfMatch>,
) -> Result<Deleted, Error> {
    let mut objects = Vec::with_capacity(targets.len());
    let mut in_doubt = Vec::new();
    let graph = tx.graph();
    let view = View::new(graph, who);
    if let Some(if_match) = if_match {
        let only = if targets.len() <= 1 { targets.first() } else { None };
        if targets.len() > 1 {
            return Err(InputError {
                at: String::new(),
                why: Refusal::IfMatchNeedsOne,
            }
            .into());
        }
        if !if_match.holds(only.and_then(|id| view.find(*id))) {
            return Err(InputError {
                at: String::new(),
                why: if_match.failure(),
            }
            .into());
        }
    }
    // All are asked before any goes: what is removed first may be what brought the next one into reach.
    for id in targets {
        let node = graph.find(*id).ok_or(Denied::OutOfReach(*id))?;
        view.may_touch(node, Action::Delete).map_err(|denied| match denied {
            Denied::OutOfReach(id) if view.sees(node) => Denied::ReadOnly(id),
            other => other,
        })?;
        objects.push((node.kind, node.id));
        match node.kind {
            Kind::Assignment => {
                if let Some(license) = reserve::reserved(node, tx.now()) {
                    reserve::may_release(license).map_err(|refused| InputError {
                        at: String::new(),
                        why: refused.into(),
                    })?;
                }
            }
            Kind::AllocationRule => in_doubt.extend(paths::of_rule(node)),
            Kind::ProfileGroup => in_doubt.extend(paths::reservations(node, None)),
            Kind::Organization => {
                for (group, _) in node.hop(
                    Hop {
                        rel: GROUPS,
                        direction: Direction::Forward,
                    },
                    None,
                ) {
                    in_doubt.extend(paths::reservations(group, None));
                }
            }
            _ => {}
        }
    }
    for (kind, id) in &objects {
        // It may have gone with one before it.
        match (tx.graph().find(*id).is_some(), kind) {
            (false, _) => {}
            (true, Kind::DirectRecord) => allocate::remove_record(tx, *id).map_err(|no| InputError {
                at: String::new(),
                why: no.why.into(),
            })?,
            (true, _) => drop(tx.remove_cascading(*id)?),
        }
        token::revoke_of(tx, *kind, *id)?;
    }
    paths::free_lost(tx, &in_doubt)?;
    Ok(Deleted {
        objects,
        told: told(tx, who),
    })
}
