//! DELETE: everything a selector matches goes, with all that belongs to it. A match that may not be deleted stops it.
//! One that is too much for one commit is left to `steps`.

use uuid::Uuid;

use crate::access::{Action, Denied, View, Who, token};
use crate::entitlement::paths::Reservation;
use crate::entitlement::{Refused, allocate, paths, reserve};
use crate::error::Error;
use crate::event;
use crate::graph::{Graph, Node, Transaction};
use crate::model::schema::Hop;
use crate::model::{End, Kind, Time, rel};
use crate::operation::refusal::{InputError, Refusal};
use crate::operation::{login, sale};

use super::{IfMatch, Told, record};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// What was selected.
    pub objects: Vec<(Kind, Uuid)>,
    /// Entities and relations removed or changed, cascades included, as far as the caller may know of them.
    pub told: Told,
}

/// What was selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    pub kind: Kind,
    /// With its serial: another one that was given its id since was not selected.
    pub end: End,
}

impl Target {
    pub fn find(self, graph: &Graph) -> Option<Node<'_>> {
        graph.find(self.end.id).filter(|node| node.end() == self.end)
    }
}

/// All are asked before any goes: what is removed first may be what brought the next one into reach.
pub(super) fn asked(
    graph: &Graph,
    who: &Who,
    targets: &[Uuid],
    if_match: Option<&IfMatch>,
    now: Time,
) -> Result<Vec<Target>, Error> {
    let view = View::new(graph, who);
    let refused = |why| InputError { at: String::new(), why };
    if let Some(if_match) = if_match {
        if targets.len() > 1 {
            return Err(refused(Refusal::IfMatchNeedsOne).into());
        }
        // Who may delete it knows of it, even without reading it.
        let known = |node: &Node<'_>| view.sees(*node) || view.may_touch(*node, Action::Delete).is_ok();
        if !if_match.holds(targets.first().and_then(|id| graph.find(*id)).filter(known)) {
            return Err(refused(if_match.failure()).into());
        }
    }
    let asked = targets.iter().map(|id| {
        let node = graph.find(*id).ok_or(Denied::OutOfReach(*id))?;
        may_go(&view, node, now)?;
        Ok(Target {
            kind: node.kind,
            end: node.end(),
        })
    });
    asked.collect()
}

/// The permission, the reach, and what a license model says of giving back.
pub(super) fn may_go<'g>(view: &View<'g>, node: Node<'g>, now: Time) -> Result<(), Error> {
    view.may_touch(node, Action::Delete).map_err(|denied| match denied {
        Denied::OutOfReach(id) if view.sees(node) => Denied::ReadOnly(id),
        other => other,
    })?;
    if let Some(why) = record(node.kind, node.fields()) {
        return Err(InputError { at: String::new(), why }.into());
    }
    match node.kind {
        Kind::Assignment => reserve::reserved(node, now).map_or(Ok(()), reserve::may_release),
        Kind::DirectRecord => allocate::may_take_back(node, now),
        _ => Ok(()),
    }
    .map_err(refused)
}

/// Of what was selected, and no part of a body.
pub(super) fn refused(refused: Refused) -> Error {
    let (at, why) = (String::new(), refused.into());
    InputError { at, why }.into()
}

/// Removes what may go, if all that goes with it may; some may have gone with those before them.
pub(super) fn take(tx: &mut Transaction<'_>, who: &Who, targets: &[Target]) -> Result<(), Error> {
    let graph = tx.graph();
    let found = targets.iter().filter_map(|target| target.find(graph));
    let view = View::new(graph, who);
    found.clone().try_for_each(|node| view.owns_cascade(node))?;
    let users: Vec<Uuid> = found.clone().flat_map(login::users).collect();
    let sessions: Vec<Uuid> = found.clone().flat_map(sale::of_sessions).collect();
    let in_doubt: Vec<Reservation> = found.flat_map(in_doubt).collect();
    for target in targets {
        if target.find(tx.graph()).is_some() {
            match target.kind {
                Kind::DirectRecord => allocate::remove_record(tx, target.end.id).map_err(|no| InputError {
                    at: String::new(),
                    why: no.why.into(),
                })?,
                _ => drop(tx.remove_cascading(target.end.id)?),
            }
            if target.kind == Kind::Organization {
                event::source::remember(tx, target.end)?;
            }
        }
        token::revoke_of(tx, target.kind, target.end.id)?;
    }
    login::out(tx, who, &users)?;
    sale::end_sessions(tx, &sessions)?;
    paths::free_lost(tx, &in_doubt)?;
    Ok(())
}

/// Reservations whose way to the license is closed when this goes.
pub(super) fn in_doubt(node: Node<'_>) -> Vec<Reservation> {
    match node.kind {
        Kind::AllocationRule => paths::of_rule(node),
        // Also on a license that was given another item since, and stays.
        Kind::LicensedItem => {
            let rules = node.hop(Hop::forward(rel::RULES_FOR), None);
            rules.flat_map(|(rule, _)| paths::of_rule(rule)).collect()
        }
        Kind::ProfileGroup => paths::reservations(node, None),
        Kind::Organization => {
            let groups = node.hop(Hop::forward(rel::GROUPS), None);
            groups.flat_map(|(group, _)| paths::reservations(group, None)).collect()
        }
        _ => Vec::new(),
    }
}
