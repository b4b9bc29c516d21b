//! What a caller is told of what its write did. A write reaches further than its caller sees: what hangs on an entity goes
//! along with it, and a reservation ends with the way to it. The hidden part of that is neither shown nor counted.
//!
//! What was removed is judged by the graph as it was before, all else by the graph as it is now.

use crate::access::{Action, View, Who};
use crate::graph::{Graph, Node, Transaction};
use crate::model::{Change, Kind};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Those the caller reads: for a dry run.
    pub changes: Vec<Change>,
    /// Those it may know of: what it reads, and what is its own to write, read or not.
    pub count: u64,
}

/// What this transaction did so far, as this caller may know it.
pub fn told(tx: &mut Transaction<'_>, who: &Who) -> Told {
    told_of(tx, who, |_| true)
}

/// The same, of some of the changes.
pub(super) fn told_of(tx: &mut Transaction<'_>, who: &Who, is_meant: impl Fn(&Change) -> bool) -> Told {
    let mut changes = tx.changes();
    changes.retain(is_meant);
    let mut judged: Vec<Option<Judged>> = vec![None; changes.len()];
    let judge = |graph: &Graph, judged: &mut [Option<Judged>], all: bool| {
        let view = View::new(graph, who);
        for (change, judged) in changes.iter().zip(judged) {
            if judged.is_none() && (all || !is_removal(change) || is_open(change, &view)) {
                *judged = Some(Judged::of(change, &view));
            }
        }
    };
    judge(tx.graph(), &mut judged, false);
    // Seldom: where every entity of a kind is visible, nothing needs to be asked of those that went.
    if judged.contains(&None) {
        tx.before(|graph| judge(graph, &mut judged, true));
    }
    let mut told = Told::default();
    for (change, judged) in changes.into_iter().zip(judged) {
        let Judged { reads, knows } = judged.unwrap_or_default();
        told.count += u64::from(knows);
        if reads {
            told.changes.push(change);
        }
    }
    told
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Judged {
    reads: bool,
    knows: bool,
}

impl Judged {
    fn of(change: &Change, view: &View<'_>) -> Self {
        let judge = |kind: Kind, node: Option<Node<'_>>| {
            let reads = !kind.def().internal && node.map_or_else(|| view.sees_all(kind), |node| view.sees(node));
            let writes = || {
                let may = |action| node.is_some_and(|node| view.may_touch(node, action).is_ok());
                [Action::Create, Action::Update, Action::Delete].into_iter().any(may)
            };
            Self {
                reads,
                knows: reads || writes(),
            }
        };
        let ends = kinds(change).map(|(kind, id)| judge(kind, view.graph().find(id).filter(|node| node.kind == kind)));
        ends.reduce(|one, other| Self {
            reads: one.reads && other.reads,
            knows: one.knows && other.knows,
        })
        .unwrap_or_default()
    }
}

/// The entity, or both ends of the relation.
fn kinds(change: &Change) -> impl Iterator<Item = (Kind, uuid::Uuid)> {
    let both = match change {
        Change::Entity { before, after } => {
            let entity = after.as_ref().or(before.as_ref());
            [entity.map(|entity| (entity.kind, entity.id)), None]
        }
        Change::Relation { before, after } => {
            let relation = after.as_ref().or(before.as_ref());
            [
                relation.map(|relation| (relation.rel.def().from, relation.from.id)),
                relation.map(|relation| (relation.rel.def().to, relation.to.id)),
            ]
        }
    };
    both.into_iter().flatten()
}

fn is_removal(change: &Change) -> bool {
    matches!(
        change,
        Change::Entity { after: None, .. } | Change::Relation { after: None, .. }
    )
}

/// Whatever it was, it was visible (or is never).
fn is_open(change: &Change, view: &View<'_>) -> bool {
    kinds(change).all(|(kind, _)| kind.def().internal || view.sees_all(kind))
}
