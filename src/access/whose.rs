//! Whose each change of a commit is, by the rules of `policy`: the evidence by which the audit later shows a bound token the
//! changes to what was its organization's own, and no others. Asked when the commit is made, because then the graph still
//! tells: what was created or changed hangs where it does now, and what was removed hung where the commit's own changes say.
//!
//! - A change of an entity is the organization's whose own the entity is; of one that changes hands in that very commit,
//!   nobody's, since it tells of both.
//! - A change of a relation is the organization's that has one end as its own, if the other end is its own too, or
//!   something it may read: else the change would tell an id of somebody else.
//! - A token is the organization's that it is bound to.
//! - The catalogue, and a profile that is in groups of several organizations, are nobody's own.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use uuid::Uuid;

use super::policy::{self, Place, Spot};
use super::token;
use crate::graph::{Graph, Node};
use crate::model::{Change, End, Entity, Kind, Rel, Relation, RelationType, Serial, Whose};

/// Whose an entity is; the outer `None` where there is none.
type Owner<'g> = Option<Option<Node<'g>>>;

/// `graph` is as the commit left it.
pub fn whose(graph: &Graph, changes: &[Change]) -> Whose {
    let had_before = |change: &Change| match change {
        Change::Entity { before, .. } => before.is_some(),
        Change::Relation { before, .. } => before.is_some(),
    };
    // An import, the longest of commits, is mostly of what was not there before.
    let past = changes.iter().any(had_before).then(|| Before::new(graph, changes));
    let now = |id: Uuid, _: Kind| graph.find(id);
    // Of an entity several relations tell, most often: its owner is looked for once. Those that were created have serials one
    // after the other, so a list knows them; the others are few.
    let created = changes.iter().filter_map(|change| match change {
        Change::Entity { before: None, after } => after.as_ref().map(|entity| entity.serial),
        _ => None,
    });
    let first = created.clone().min().unwrap_or(0);
    let owners: RefCell<Vec<Option<Owner<'_>>>> = RefCell::new(vec![None; created.count()]);
    let others: RefCell<HashMap<Uuid, Owner<'_>, RandomState>> = RefCell::default();
    let owner_now = |end: End, _: Kind| -> Owner<'_> {
        let find = || graph.find(end.id).map(policy::owner);
        let at = usize::try_from(end.serial.wrapping_sub(first)).unwrap_or(usize::MAX);
        match owners.borrow_mut().get_mut(at) {
            Some(known) => *known.get_or_insert_with(find),
            None => *others.borrow_mut().entry(end.id).or_insert_with(find),
        }
    };
    let then = |id: Uuid, kind: Kind| past.as_ref().map(|before| Was { before, id, kind });
    let owner_then = |end: End, kind: Kind| then(end.id, kind).map(policy::owner);
    let each = changes.iter().map(|change| match change {
        Change::Entity { before, after } => agreed(
            before
                .as_ref()
                .map(|entity| of_entity(entity, then, owner_then).and_then(Was::serial)),
            after
                .as_ref()
                .map(|entity| of_entity(entity, now, owner_now).map(|node| node.serial)),
        ),
        Change::Relation { before, after } => agreed(
            before
                .as_ref()
                .map(|relation| of_relation(relation, then, owner_then).and_then(Was::serial)),
            after
                .as_ref()
                .map(|relation| of_relation(relation, now, owner_now).map(|node| node.serial)),
        ),
    });
    each.collect()
}

/// Whose own something is as it is now, for what happens to it without a change.
pub fn owner(node: Node<'_>) -> Option<Serial> {
    policy::owner(node).map(|owner| owner.serial)
}

/// Is this a profile that the organization does not reach? One that is no more is hidden from nobody.
pub fn hides(graph: &Graph, organization: Serial, id: Uuid) -> bool {
    let organization = graph.by_serial(Kind::Organization, organization);
    let is_elsewhere =
        |profile| organization.is_none_or(|organization| policy::place(profile, organization) == Place::Elsewhere);
    let profile = graph.find(id).filter(|node| node.kind == Kind::Profile);
    profile.is_some_and(is_elsewhere)
}

/// Both sides of a change, where there are two, are one organization's.
fn agreed(was: Option<Option<Serial>>, is: Option<Option<Serial>>) -> Option<Serial> {
    match (was, is) {
        (Some(was), Some(is)) => was.filter(|was| is == Some(*was)),
        (side, None) | (None, side) => side.flatten(),
    }
}

/// `owner` is what `policy` says of what `at` gives; the outer `None` where nothing is there.
fn of_entity<S: Spot>(
    entity: &Entity,
    at: impl Fn(Uuid, Kind) -> Option<S>,
    owner: impl Fn(End, Kind) -> Option<Option<S>>,
) -> Option<S> {
    match entity.kind {
        Kind::Token => at(token::bound_to(entity)?, Kind::Organization),
        kind => owner(
            End {
                id: entity.id,
                serial: entity.serial,
            },
            kind,
        )?,
    }
}

fn of_relation<S: Spot>(
    relation: &Relation,
    at: impl Fn(Uuid, Kind) -> Option<S>,
    owner: impl Fn(End, Kind) -> Option<Option<S>>,
) -> Option<S> {
    let def = relation.rel.def();
    let (from, to) = ((relation.from, def.from), (relation.to, def.to));
    let (organization, (end, kind)) = match (owner(from.0, from.1)?, owner(to.0, to.1)?) {
        (Some(one), Some(other)) => return one.same(other).then_some(one),
        (Some(one), None) => (one, to),
        (None, Some(one)) => (one, from),
        (None, None) => return None,
    };
    (policy::place(at(end.id, kind)?, organization) != Place::Elsewhere).then_some(organization)
}

/// The graph as it was before a commit: as it is, with the commit's changes taken back.
struct Before<'c> {
    graph: &'c Graph,
    /// What was changed or removed.
    entities: HashMap<Uuid, &'c Entity, RandomState>,
    /// The far ends of relations that were removed: by their child, and by their near end.
    parents: HashMap<(Uuid, Rel), Uuid, RandomState>,
    ends: HashMap<(Uuid, Rel), Vec<Uuid>, RandomState>,
    created: HashSet<(Uuid, Rel, Uuid), RandomState>,
}

impl<'c> Before<'c> {
    fn new(graph: &'c Graph, changes: &'c [Change]) -> Self {
        let mut before = Self {
            graph,
            entities: HashMap::default(),
            parents: HashMap::default(),
            ends: HashMap::default(),
            created: HashSet::default(),
        };
        for change in changes {
            match change {
                Change::Entity { before: Some(was), .. } => {
                    before.entities.insert(was.id, was);
                }
                Change::Relation {
                    before: Some(was),
                    after: None,
                } => {
                    let (from, to) = (was.from.id, was.to.id);
                    if was.rel.def().relation_type == RelationType::OneToMany {
                        before.parents.insert((to, was.rel), from);
                    }
                    if policy::is_walked_forward(was.rel) {
                        before.ends.entry((from, was.rel)).or_default().push(to);
                    }
                }
                Change::Relation {
                    before: None,
                    after: Some(is),
                } => {
                    before.created.insert((is.from.id, is.rel, is.to.id));
                }
                _ => {}
            }
        }
        before
    }

    fn entity(&self, id: Uuid) -> Option<&Entity> {
        let now = || self.graph.find(id).map(|node| node.entity());
        self.entities.get(&id).copied().or_else(now)
    }
}

/// An entity of that graph.
#[derive(Clone, Copy)]
struct Was<'b> {
    before: &'b Before<'b>,
    id: Uuid,
    kind: Kind,
}

impl Was<'_> {
    fn serial(self) -> Option<Serial> {
        self.before.entity(self.id).map(|entity| entity.serial)
    }
}

impl Spot for Was<'_> {
    fn kind(self) -> Kind {
        self.kind
    }

    fn same(self, other: Self) -> bool {
        self.id == other.id
    }

    fn parent(self, rel: Rel) -> Option<Self> {
        let before = self.before;
        let still = || {
            let parent = before.graph.find(self.id)?.parent(rel)?.id;
            (!before.created.contains(&(parent, rel, self.id))).then_some(parent)
        };
        let id = before.parents.get(&(self.id, rel)).copied().or_else(still)?;
        let kind = rel.def().from;
        Some(Self { before, id, kind })
    }

    fn ends(self, rel: Rel) -> impl Iterator<Item = Self> {
        let before = self.before;
        let gone = before.ends.get(&(self.id, rel)).into_iter().flatten().copied();
        let still = before
            .graph
            .find(self.id)
            .into_iter()
            .flat_map(move |node| Spot::ends(node, rel))
            .map(|node| node.id)
            .filter(move |end| !before.created.contains(&(self.id, rel, *end)));
        gone.chain(still).map(move |id| Self {
            before,
            id,
            kind: rel.def().to,
        })
    }

    fn is_template(self) -> bool {
        self.before.entity(self.id).is_some_and(policy::is_template)
    }
}
