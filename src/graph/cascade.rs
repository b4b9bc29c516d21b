//! Removing an entity with all that goes with it, and checking at the end what every touched entity needs.
//! Both read the schema's tables; neither knows a kind by name.

use std::collections::HashSet;

use foldhash::fast::RandomState;
use uuid::Uuid;

use crate::model::schema::{Hop, Role};
use crate::model::{Change, Direction, RelationType};

use super::index::folded;
use super::transaction::{Savepoint, Transaction, shown};
use super::violation::Violation;
use super::{Graph, Node};

enum Visit {
    Enter(u32),
    /// All of its children are in the list.
    Leave(u32),
}

impl Transaction<'_> {
    /// Removes the entity and all the schema says goes with it; iterative, children first. Gives how many entities and
    /// relations went.
    pub fn remove_cascading(&mut self, id: Uuid) -> Result<usize, Violation> {
        let first = self.node(id)?.slot() as u32;
        let Some(Doomed { order, all, .. }) = doomed(self.graph(), &[first], None) else {
            unreachable!("a cascade without a limit is within it");
        };
        Ok(order
            .into_iter()
            .map(|slot| self.remove_slot(slot, &|other| all.contains(&other)))
            .sum())
    }

    /// Checks what must hold at the end without ending.
    pub fn validate(&self) -> Result<(), Violation> {
        self.validate_since(Savepoint::default())
    }

    /// The same, of what was changed since.
    pub fn validate_since(&self, start: Savepoint) -> Result<(), Violation> {
        let changed = self.log.get(start.changes..).unwrap_or_default();
        let mut seen: HashSet<Uuid, RandomState> =
            HashSet::with_capacity_and_hasher(changed.len(), RandomState::default());
        for (change, _) in changed {
            let id = match change {
                Change::Entity { after: Some(after), .. } => after.id,
                Change::Relation { before, after } => match before.as_ref().or(after.as_ref()) {
                    Some(relation) if relation.rel.def().relation_type == RelationType::OneToMany => relation.to.id,
                    _ => continue,
                },
                Change::Entity { after: None, .. } => continue,
            };
            if seen.insert(id)
                && let Some(node) = self.graph.find(id)
            {
                complete(node)?;
            }
        }
        Ok(())
    }
}

impl Graph {
    /// How many entities and relations would go with these, if they are not more than `limit`; it costs about as many
    /// looks, and never more than a few times the limit.
    pub fn cascade_size(&self, firsts: impl IntoIterator<Item = Uuid>, limit: usize) -> Option<usize> {
        let firsts: Vec<u32> = firsts
            .into_iter()
            .filter_map(|id| Some(self.find(id)?.slot() as u32))
            .collect();
        doomed(self, &firsts, Some(limit)).map(|doomed| doomed.size())
    }

    /// What would go with an entity, itself included.
    pub fn cascade(&self, first: Uuid) -> impl Iterator<Item = Node<'_>> {
        let slot = self.find(first).map(|node| node.slot() as u32);
        let doomed = slot.and_then(|slot| doomed(self, &[slot], None));
        let order = doomed.map(|doomed| doomed.order).unwrap_or_default();
        order.into_iter().map(|slot| Node::new(self, slot))
    }
}

/// What goes.
pub(super) struct Doomed {
    /// Each before its parents.
    order: Vec<u32>,
    all: HashSet<u32, RandomState>,
    /// Counted only where there is a limit.
    relations: usize,
}

impl Doomed {
    pub fn size(&self) -> usize {
        self.all.len() + self.relations
    }
}

/// The entities that go with some. `None`: with their relations they are more than the limit, and no more of them was
/// looked at.
pub(super) fn doomed(graph: &Graph, firsts: &[u32], limit: Option<usize>) -> Option<Doomed> {
    let mut doomed = Doomed {
        order: Vec::new(),
        all: HashSet::default(),
        relations: 0,
    };
    let mut visits: Vec<Visit> = firsts.iter().rev().map(|slot| Visit::Enter(*slot)).collect();
    // Parents that go if no child by that relation stays; looked at once all that goes by itself is known.
    let mut perhaps = Vec::new();
    loop {
        while let Some(visit) = visits.pop() {
            let slot = match visit {
                Visit::Leave(slot) => {
                    doomed.order.push(slot);
                    continue;
                }
                Visit::Enter(slot) if !doomed.all.insert(slot) => continue,
                Visit::Enter(slot) => slot,
            };
            // Before its children are listed: they are no more than its relations.
            if let Some(limit) = limit {
                doomed.relations += relations(graph, slot, &doomed.all, limit)?;
                if doomed.size() > limit {
                    return None;
                }
            }
            visits.push(Visit::Leave(slot));
            let node = Node::new(graph, slot);
            for hop in node.kind.hops() {
                let def = hop.rel.def();
                if hop.direction == Direction::Forward && def.cascades() {
                    visits.extend(node.hop(*hop, None).map(|(child, _)| Visit::Enter(child.slot() as u32)));
                }
                if hop.direction == Direction::Backward && def.last_child_takes_parent {
                    perhaps.extend(node.hop(*hop, None).map(|(parent, _)| (hop.rel, parent.slot() as u32)));
                }
            }
        }
        perhaps.sort_unstable();
        perhaps.dedup();
        let goes = |(rel, slot): &(_, u32)| {
            let hop = Hop::forward(*rel);
            Node::new(graph, *slot)
                .hop(hop, None)
                .all(|(child, _)| doomed.all.contains(&(child.slot() as u32)))
        };
        visits.extend(perhaps.drain(..).filter(goes).map(|(_, slot)| Visit::Enter(slot)));
        if visits.is_empty() {
            return Some(doomed);
        }
    }
}

/// Those of an entity that were not counted at their other end. `None`: there are more than the limit.
fn relations(graph: &Graph, slot: u32, counted: &HashSet<u32, RandomState>, limit: usize) -> Option<usize> {
    let topology = &graph.topology;
    if topology.hub(slot).is_some_and(|hub| hub.degree > limit) {
        return None;
    }
    let new = |(_, _, direction, far): &(_, _, Direction, u32)| match *far == slot {
        // One with itself stands here twice.
        true => *direction == Direction::Forward,
        false => !counted.contains(far),
    };
    Some(topology.all(slot).iter().filter(|edge| new(edge)).count())
}

/// One owner, every required parent, and a value of its own among the owner's children.
fn complete(node: Node<'_>) -> Result<(), Violation> {
    let (id, kind) = (node.id, node.kind);
    if let Some(rel) = kind
        .parents()
        .iter()
        .copied()
        .find(|rel| rel.def().role == Role::Required && node.parent(*rel).is_none())
    {
        return Err(Violation::NoParent { id, kind, rel });
    }
    let mut owners = kind.owners().peekable();
    if owners.peek().is_none() {
        return Ok(());
    }
    let Some((rel, owner)) = owners.find_map(|rel| Some((rel, node.parent(rel)?))) else {
        return Err(Violation::NoOwner { id, kind });
    };
    let Some((name, field)) = kind
        .def()
        .unique_within_owner
        .and_then(|name| Some((name, kind.field(name)?)))
    else {
        return Ok(());
    };
    let Some(value) = node.fields().get(field) else {
        return Ok(());
    };
    // Among the owner's children, or among those with the value: whichever are fewer.
    let graph = node.graph();
    let hop = Hop::forward(rel);
    let siblings = owner.hop_count(hop);
    let same = folded(kind, field, value);
    let twin = if graph.value_count(kind, field, value).0 < siblings {
        graph
            .by_value(kind, field, value, None)
            .find(|other| *other != node && other.parent(rel) == Some(owner))
    } else {
        let has = |other: &Node<'_>| {
            other
                .fields()
                .get(field)
                .is_some_and(|value| folded(kind, field, value) == same)
        };
        owner
            .hop(hop, None)
            .map(|(other, _)| other)
            .find(|other| *other != node && has(other))
    };
    match twin {
        Some(twin) => Err(Violation::NotUnique {
            id,
            kind,
            field: name,
            value: shown(value),
            taken_by: twin.id,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::small::{CLOCK, commit, id, name, take};
    use super::*;
    use crate::model::{Kind, Time};

    #[test]
    fn what_goes_with_what() {
        let world = "
            Organization acme, ProfileGroup staff, acme > staff, OrganizationRole admin, acme > admin,
            Person smith, Profile ann, smith > ann, Profile bob, smith > bob, EmailAndPassword login, smith > login,
            Profile cay, ann > staff, ann > admin, ContactInformation contact, ann > contact,
            EmailAddress mail, contact > mail, Entitlement gold, acme > gold, Entitlement own, ann > own,
            LicenseModel model, VersionConstraint version, model > version,
            LicensedItem app, LicensedItem part, app > part, ProductPackage pack, pack > app, model > pack,
            License seat, gold > seat, app > seat, model > seat, Assignment use, seat > use, ann > use,
            Consumption lease, use > lease, License free, own > free, part > free, gold > staff";
        for (first, goes) in [
            ("acme", "acme staff admin gold seat use lease"),
            ("staff", "staff"),
            ("gold", "gold seat use lease"),
            ("app", "app seat use lease"),
            ("part", "part free"),
            ("pack", "pack"),
            ("model", "model version seat use lease"),
            ("seat", "seat use lease"),
            ("use", "use lease"),
            ("ann", "ann contact mail own free use lease"),
            ("cay", "cay"),
            ("smith", "smith login"),
            ("login", "login"),
        ] {
            let mut graph = Graph::new();
            commit(&mut graph, 1, world).unwrap();
            let had: BTreeSet<Uuid> = Kind::ALL
                .iter()
                .flat_map(|kind| graph.of_kind(*kind, None))
                .map(|node| node.id)
                .collect();
            let size = graph.len() + graph.relation_count();
            let known = graph.cascade_size([id(first)], size);
            let bounded = known.and_then(|known| graph.cascade_size([id(first)], known - 1));
            let mut transaction = Transaction::new(&mut graph, 2, Time(2), &CLOCK);
            let count = transaction.remove_cascading(id(first)).unwrap();
            assert_eq!((known, bounded), (Some(count), None), "{first}");
            transaction.finish().unwrap();
            assert_eq!(count, size - graph.len() - graph.relation_count(), "{first}");
            let gone: BTreeSet<String> = had
                .into_iter()
                .filter(|id| graph.find(*id).is_none())
                .map(name)
                .collect();
            assert_eq!(gone, goes.split(' ').map(str::to_owned).collect(), "{first}");
            assert_eq!(graph.check(), Ok(()), "{first}");
        }
    }

    #[test]
    fn the_last_profile_takes_its_person() {
        let mut graph = Graph::new();
        commit(
            &mut graph,
            1,
            "Person smith, Profile ann, smith > ann, Profile bob, smith > bob, EmailAndPassword login, smith > login",
        )
        .unwrap();
        commit(&mut graph, 2, "-- ann").unwrap();
        assert_eq!(graph.len(), 3);
        commit(&mut graph, 3, "-- bob").unwrap();
        assert!(graph.is_empty());
    }

    #[test]
    fn a_cascade_is_as_deep_and_as_wide_as_it_gets() {
        let mut graph = Graph::new();
        let mut transaction = Transaction::new(&mut graph, 1, Time(1), &CLOCK);
        take(
            &mut transaction,
            "Organization acme, LicensedItem app, Entitlement gold, acme > gold",
        )
        .unwrap();
        for license in 0..5_000 {
            let named = |kind| format!("{kind}{license}");
            let steps = format!(
                "License {l}, gold > {l}, app > {l}, LicenseScope {s}, {l} > {s}",
                l = named("l"),
                s = named("s")
            );
            take(&mut transaction, &steps).unwrap();
        }
        transaction.finish().unwrap();
        let mut transaction = Transaction::new(&mut graph, 2, Time(2), &CLOCK);
        assert_eq!(transaction.remove_cascading(id("acme")), Ok(2 + 1 + 5_000 * 5));
        // Once each: nothing that goes anyway is touched on the way.
        assert_eq!(transaction.log.len(), 2 + 1 + 5_000 * 5);
        transaction.abandon();
        assert_eq!(graph.len(), 10_003);
        assert_eq!(graph.check(), Ok(()));
    }
}
