//! Who is linked to whom: petgraph's lists for the many small entities, an ordered index beside them for the few with
//! many relations. Knows slots and edges; ids, kinds and values are found by `index`.
//!
//! petgraph keeps the edges of a node as linked lists, each way, and walks them to find or to remove one: microseconds
//! at an organization with ten thousand licenses, milliseconds at a million. So an entity with more than `FEW`
//! relations becomes a *hub*, until it is down to a few again:
//!
//! - every relation of a hub also stands in an ordered index by (relation, direction), in order of the far end's
//!   serial: a page starts anywhere, a count is a length, a lookup is a binary search;
//! - its further edges hang on *ports*, nodes that stand in for it with at most `PORT` edges each, so that the list
//!   petgraph walks to remove one is never longer than that. Sixteen by measurement: with 64 a removal among cold
//!   edges takes 3.5 µs instead of 2.7, with 8 no less.
//!
//! All this is per hub; an entity with a few relations pays nothing for it.

use std::collections::HashMap;
use std::sync::Arc;

use petgraph::graph::{EdgeIndex, NodeIndex};
use petgraph::visit::EdgeRef;

use crate::model::schema::{self, Hop};
use crate::model::{Direction, Entity, Rel, Relation, Serial, Values};

use super::roomy::Net;
use super::shards::BySlot;
use super::sorted::Sorted;

/// The most relations an entity has without being a hub. Tests meet hubs early.
pub(super) const FEW: usize = if cfg!(test) { 6 } else { 32 };
/// A hub that is down to this many is none any more: well below `FEW`, so that one relation more or less does not turn
/// it back and forth.
pub(super) const FEW_AGAIN: usize = FEW / 4;
/// The most edges of a port, both ways together.
pub(super) const PORT: u32 = if cfg!(test) { 3 } else { 16 };

/// What a node of petgraph stands for.
#[derive(Clone)]
enum Weight {
    /// One with few relations. Its serial stands here too, where it fits: a walk puts far ends in order before it looks
    /// at any of them, and each look at one is a wait for memory.
    Entity {
        entity: Entity,
        serial: u32,
    },
    Hub {
        entity: Entity,
        hub: u32,
    },
    Port {
        of: u32,
        used: u32,
    },
}

/// In place of a serial that does not fit. Tests meet some that do not.
const LATE: u32 = if cfg!(test) { 20 } else { u32::MAX };

impl Weight {
    fn of_few(entity: Entity) -> Self {
        let serial = entity.serial.min(Serial::from(LATE)) as u32;
        Self::Entity { entity, serial }
    }

    fn entity(&self) -> Option<&Entity> {
        match self {
            Self::Entity { entity, .. } | Self::Hub { entity, .. } => Some(entity),
            Self::Port { .. } => None,
        }
    }
}

/// A relation of a hub, in order of the serial at its far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spoke {
    pub serial: Serial,
    pub edge: u32,
    /// The far end.
    pub slot: u32,
}

#[derive(Clone)]
pub(super) struct Side {
    pub rel: Rel,
    pub direction: Direction,
    pub spokes: Sorted<Spoke>,
}

#[derive(Clone, Default)]
pub(super) struct Hub {
    /// A kind has a handful of relations, so a list is searched faster than a map.
    pub sides: Vec<Side>,
    /// Every relation counts once, one with itself twice.
    pub degree: usize,
    ports: Vec<u32>,
    /// The ports with room; the last is filled next.
    roomy: Vec<u32>,
}

impl Hub {
    pub fn side(&self, rel: Rel, direction: Direction) -> Option<&Sorted<Spoke>> {
        self.sides
            .iter()
            .find(|side| side.rel == rel && side.direction == direction)
            .map(|side| &side.spokes)
    }

    fn side_mut(&mut self, rel: Rel, direction: Direction) -> &mut Sorted<Spoke> {
        let at = self
            .sides
            .iter()
            .position(|side| side.rel == rel && side.direction == direction);
        let at = at.unwrap_or_else(|| {
            self.sides.push(Side {
                rel,
                direction,
                spokes: Sorted::default(),
            });
            self.sides.len() - 1
        });
        &mut self.sides[at].spokes
    }
}

#[derive(Clone, Default)]
pub(super) struct Topology {
    net: Net<Weight, Rel>,
    /// By the number in a hub's weight; a freed place is used again.
    hubs: Vec<Option<Box<Hub>>>,
    vacant: Vec<u32>,
    /// The few relations that have fields of their own, by edge: the others cost no heap.
    labels: BySlot<Arc<Relation>>,
    entities: usize,
    /// How many relations there are of each type, by its number in the schema.
    of_type: Vec<u32>,
}

fn way(direction: Direction) -> petgraph::Direction {
    match direction {
        Direction::Forward => petgraph::Direction::Outgoing,
        Direction::Backward => petgraph::Direction::Incoming,
    }
}

impl Topology {
    pub fn entities(&self) -> usize {
        self.entities
    }

    pub fn relations(&self) -> usize {
        self.net.edge_count()
    }

    pub fn relations_of(&self, rel: Rel) -> usize {
        self.of_type.get(usize::from(rel.0)).map_or(0, |count| *count as usize)
    }

    /// Above every slot in use. Ports have slots too, so some numbers below it are nobody's.
    pub fn bound(&self) -> usize {
        self.net.node_indices().next_back().map_or(0, |node| node.index() + 1)
    }

    pub fn make_room(&mut self, entities: usize, relations: usize) {
        self.net.make_room(entities, relations);
    }

    pub fn add(&mut self, entity: Entity) -> u32 {
        self.entities += 1;
        self.net.add_node(Weight::of_few(entity)).index() as u32
    }

    /// The entity must have no relation left.
    pub fn remove(&mut self, slot: u32) {
        debug_assert!(self.is_lonely(slot));
        if self.net.remove_node(NodeIndex::new(slot as usize)).is_some() {
            self.entities -= 1;
        }
    }

    pub fn replace(&mut self, slot: u32, with: Entity) {
        match self.weight_mut(slot) {
            Some(Weight::Hub { entity, .. }) => *entity = with,
            Some(Weight::Port { .. }) | None => {}
            Some(weight) => *weight = Weight::of_few(with),
        }
    }

    fn weight(&self, slot: u32) -> Option<&Weight> {
        self.net.node_weight(NodeIndex::new(slot as usize))
    }

    fn weight_mut(&mut self, slot: u32) -> Option<&mut Weight> {
        self.net.node_weight_mut(NodeIndex::new(slot as usize))
    }

    pub fn get(&self, slot: u32) -> Option<&Entity> {
        self.weight(slot).and_then(Weight::entity)
    }

    /// For slots that came from an index or an edge of this very graph, which are always an entity's.
    pub fn entity(&self, slot: u32) -> &Entity {
        match self.get(slot) {
            Some(entity) => entity,
            None => unreachable!("slot {slot} came from an index and is an entity's"),
        }
    }

    /// The entity's, without a look at the entity where it is no hub.
    pub fn serial(&self, slot: u32) -> Serial {
        match self.weight(slot) {
            Some(Weight::Entity { serial, .. }) if *serial != LATE => Serial::from(*serial),
            _ => self.entity(slot).serial,
        }
    }

    pub fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.net
            .node_indices()
            .map(|node| node.index() as u32)
            .filter(|slot| self.get(*slot).is_some())
    }

    pub fn hub(&self, slot: u32) -> Option<&Hub> {
        match self.weight(slot) {
            Some(Weight::Hub { hub, .. }) => self.hubs.get(*hub as usize)?.as_deref(),
            _ => None,
        }
    }

    fn hub_mut(&mut self, slot: u32) -> Option<&mut Hub> {
        match self.weight(slot) {
            Some(&Weight::Hub { hub, .. }) => self.hubs.get_mut(hub as usize)?.as_deref_mut(),
            _ => None,
        }
    }

    /// Whom a node of petgraph stands for.
    fn owner(&self, node: NodeIndex) -> u32 {
        match self.net.node_weight(node) {
            Some(Weight::Port { of, .. }) => *of,
            _ => node.index() as u32,
        }
    }

    /// The ends of an edge, as slots of entities.
    pub fn ends(&self, edge: u32) -> Option<(u32, u32)> {
        let (from, to) = self.net.edge_endpoints(EdgeIndex::new(edge as usize))?;
        Some((self.owner(from), self.owner(to)))
    }

    pub fn fields(&self, rel: Rel, edge: u32) -> Values<'_> {
        // Plain relations, nearly all, are known without a lookup.
        if rel.def().fields.is_empty() {
            return Values::default();
        }
        self.labels
            .get(edge)
            .map(|relation| relation.fields.values())
            .unwrap_or_default()
    }

    /// A relation's far end with its place in the order.
    pub fn spoke(&self, edge: u32, slot: u32) -> Spoke {
        Spoke {
            serial: self.serial(slot),
            edge,
            slot,
        }
    }

    /// The edges of an entity that is no hub: (edge, relation, far end).
    pub fn few(&self, slot: u32, direction: Direction) -> impl Iterator<Item = (u32, Rel, u32)> + '_ {
        self.net
            .edges_directed(NodeIndex::new(slot as usize), way(direction))
            .map(move |edge| {
                let far = match direction {
                    Direction::Forward => edge.target(),
                    Direction::Backward => edge.source(),
                };
                (edge.id().index() as u32, *edge.weight(), self.owner(far))
            })
    }

    /// The one parent by a one-to-many.
    pub fn parent(&self, slot: u32, rel: Rel) -> Option<u32> {
        let hop = Hop::backward(rel);
        match self.hub(slot) {
            Some(hub) => Some(hub.side(rel, hop.direction)?.iter().next()?.slot),
            None => Some(self.few_of(slot, hop).next()?.1),
        }
    }

    /// Those of one relation: (edge, far end). Of the others the far ends are not looked at.
    pub fn few_of(&self, slot: u32, hop: Hop) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.net
            .edges_directed(NodeIndex::new(slot as usize), way(hop.direction))
            .filter(move |edge| *edge.weight() == hop.rel)
            .map(move |edge| {
                let far = match hop.direction {
                    Direction::Forward => edge.target(),
                    Direction::Backward => edge.source(),
                };
                (edge.id().index() as u32, self.owner(far))
            })
    }

    /// A number of the relation that `few` would give first, for who only wants it near.
    pub fn first_of_few(&self, slot: u32, direction: Direction) -> u32 {
        let mut edges = self.net.edges_directed(NodeIndex::new(slot as usize), way(direction));
        edges.next().map_or(0, |edge| u32::from(edge.weight().0))
    }

    /// How many those are.
    pub fn few_count(&self, slot: u32, hop: Hop) -> usize {
        self.net
            .edges_directed(NodeIndex::new(slot as usize), way(hop.direction))
            .filter(|edge| *edge.weight() == hop.rel)
            .count()
    }

    pub fn is_lonely(&self, slot: u32) -> bool {
        self.hub(slot).is_none()
            && self.few(slot, Direction::Forward).next().is_none()
            && self.few(slot, Direction::Backward).next().is_none()
    }

    /// All relations at an entity as (edge, relation, direction, far end), in no order; one with itself twice.
    pub fn all(&self, slot: u32) -> Vec<(u32, Rel, Direction, u32)> {
        match self.hub(slot) {
            Some(hub) => hub
                .sides
                .iter()
                .flat_map(|side| {
                    side.spokes
                        .iter()
                        .map(|spoke| (spoke.edge, side.rel, side.direction, spoke.slot))
                })
                .collect(),
            None => [Direction::Forward, Direction::Backward]
                .into_iter()
                .flat_map(|direction| {
                    self.few(slot, direction)
                        .map(move |(edge, rel, far)| (edge, rel, direction, far))
                })
                .collect(),
        }
    }

    /// The edge of a relation: a walk of at most `FEW` where one end is small, a binary search where both are hubs.
    pub fn find(&self, rel: Rel, from: u32, to: u32) -> Option<u32> {
        let walk = |slot, direction, far| {
            self.few(slot, direction)
                .find(|(_, other, end)| *other == rel && *end == far)
                .map(|(edge, ..)| edge)
        };
        let Some(hub) = self.hub(from) else {
            return walk(from, Direction::Forward, to);
        };
        if self.hub(to).is_none() {
            return walk(to, Direction::Backward, from);
        }
        let serial = self.serial(to);
        let spoke = hub
            .side(rel, Direction::Forward)?
            .after(|spoke| spoke.serial < serial)
            .next()?;
        (spoke.serial == serial).then_some(spoke.edge)
    }

    /// The relation must not be there yet.
    pub fn link(&mut self, relation: &Arc<Relation>, from: u32, to: u32) {
        let rel = relation.rel;
        for slot in [from, to] {
            let direct = || {
                self.few(slot, Direction::Forward)
                    .chain(self.few(slot, Direction::Backward))
            };
            if self.hub(slot).is_none() && direct().take(FEW).count() == FEW {
                self.promote(slot);
            }
        }
        let (source, target) = (self.hang(from), self.hang(to));
        let edge = self.net.add_edge(source, target, rel).index() as u32;
        if self.of_type.is_empty() {
            self.of_type.resize(schema::RELATIONS.len(), 0);
        }
        self.of_type[usize::from(rel.0)] += 1;
        self.index(rel, from, to, edge);
        // A plain one, as nearly all are, is new and has no label to look for.
        if !relation.fields.is_empty() {
            self.relabel(edge, relation);
        }
    }

    /// What has no fields has no label.
    pub fn relabel(&mut self, edge: u32, relation: &Arc<Relation>) {
        if relation.fields.is_empty() {
            self.labels.remove(edge);
        } else {
            self.labels.insert(edge, relation.clone());
        }
    }

    pub fn unlink(&mut self, edge: u32) {
        let index = EdgeIndex::new(edge as usize);
        let Some((source, target)) = self.net.edge_endpoints(index) else {
            return;
        };
        let Some(rel) = self.net.edge_weight(index).copied() else {
            return;
        };
        let (from, to) = (self.owner(source), self.owner(target));
        self.unindex(rel, from, to, edge);
        if !rel.def().fields.is_empty() {
            self.labels.remove(edge);
        }
        self.net.remove_edge(index);
        self.of_type[usize::from(rel.0)] -= 1;
        self.unhang(source);
        self.unhang(target);
        for slot in [from, to] {
            if self.hub(slot).is_some_and(|hub| hub.degree <= FEW_AGAIN) {
                self.demote(slot);
            }
        }
    }

    fn index(&mut self, rel: Rel, from: u32, to: u32, edge: u32) {
        for (near, direction, far) in [(from, Direction::Forward, to), (to, Direction::Backward, from)] {
            if self.hub(near).is_some() {
                let spoke = self.spoke(edge, far);
                if let Some(hub) = self.hub_mut(near) {
                    hub.degree += usize::from(hub.side_mut(rel, direction).insert(spoke));
                }
            }
        }
    }

    fn unindex(&mut self, rel: Rel, from: u32, to: u32, edge: u32) {
        for (near, direction, far) in [(from, Direction::Forward, to), (to, Direction::Backward, from)] {
            if self.hub(near).is_some() {
                let spoke = self.spoke(edge, far);
                if let Some(hub) = self.hub_mut(near) {
                    hub.degree -= usize::from(hub.side_mut(rel, direction).remove(&spoke));
                }
            }
        }
    }

    /// The node of petgraph a new edge of this entity hangs on.
    fn hang(&mut self, slot: u32) -> NodeIndex {
        let Some(hub) = self.hub(slot) else {
            return NodeIndex::new(slot as usize);
        };
        let port = match hub.roomy.last() {
            Some(port) => NodeIndex::new(*port as usize),
            None => {
                let port = self.net.add_node(Weight::Port { of: slot, used: 0 });
                if let Some(hub) = self.hub_mut(slot) {
                    hub.ports.push(port.index() as u32);
                    hub.roomy.push(port.index() as u32);
                }
                port
            }
        };
        let mut full = false;
        if let Some(Weight::Port { used, .. }) = self.net.node_weight_mut(port) {
            *used += 1;
            full = *used == PORT;
        }
        if full && let Some(hub) = self.hub_mut(slot) {
            hub.roomy.pop();
        }
        port
    }

    fn unhang(&mut self, node: NodeIndex) {
        if let Some(Weight::Port { of, used }) = self.net.node_weight_mut(node) {
            let (of, was_full) = (*of, *used == PORT);
            *used -= 1;
            if was_full && let Some(hub) = self.hub_mut(of) {
                hub.roomy.push(node.index() as u32);
            }
        }
    }

    /// Makes a hub of a small entity. Its edges stay where they hang: they are few, and can only become fewer.
    fn promote(&mut self, slot: u32) {
        let mut hub = Box::new(Hub::default());
        for (edge, rel, direction, far) in self.all(slot) {
            let spoke = self.spoke(edge, far);
            hub.degree += usize::from(hub.side_mut(rel, direction).insert(spoke));
        }
        let number = self.vacant.pop().unwrap_or(self.hubs.len() as u32);
        if number as usize == self.hubs.len() {
            self.hubs.push(None);
        }
        self.hubs[number as usize] = Some(hub);
        let entity = self.entity(slot).clone();
        if let Some(weight) = self.weight_mut(slot) {
            *weight = Weight::Hub { entity, hub: number };
        }
    }

    /// Makes a small entity of a hub: the edges on its ports move to the entity itself, and the ports go.
    fn demote(&mut self, slot: u32) {
        let node = NodeIndex::new(slot as usize);
        let edges = self.all(slot);
        let Some(Weight::Hub { entity, hub: number }) = self.weight(slot) else {
            return;
        };
        let (few, number) = (Weight::of_few(entity.clone()), *number);
        let Some(hub) = self.hubs.get_mut(number as usize).and_then(Option::take) else {
            return;
        };
        self.vacant.push(number);
        if let Some(weight) = self.weight_mut(slot) {
            *weight = few;
        }
        for (edge, rel, direction, _) in edges {
            let index = EdgeIndex::new(edge as usize);
            let Some((source, target)) = self.net.edge_endpoints(index) else {
                continue;
            };
            let (from, to) = (self.owner(source), self.owner(target));
            // One with itself stands on both sides and has moved already.
            let moved = |end: NodeIndex, of: u32| if of == slot { node } else { end };
            let ends = (moved(source, from), moved(target, to));
            if ends == (source, target) || (from == to && direction == Direction::Backward) {
                continue;
            }
            self.unindex(rel, from, to, edge);
            self.net.remove_edge(index);
            let now = self.net.add_edge(ends.0, ends.1, rel).index() as u32;
            self.index(rel, from, to, now);
            if now != edge
                && let Some(label) = self.labels.remove(edge)
            {
                self.labels.insert(now, label);
            }
        }
        for port in hub.ports {
            self.net.remove_node(NodeIndex::new(port as usize));
        }
    }

    /// Compares the hubs with the edges petgraph has. Everything wrong, in words.
    pub fn check(&self, wrong: &mut Vec<String>) {
        let mut by_slot: HashMap<u32, Vec<(u32, Rel, Direction, u32)>> = HashMap::new();
        let mut on_node: HashMap<u32, u32> = HashMap::new();
        let mut of_type: HashMap<Rel, usize> = HashMap::new();
        for edge in self.net.edge_indices() {
            let (Some((source, target)), Some(rel)) = (self.net.edge_endpoints(edge), self.net.edge_weight(edge))
            else {
                wrong.push(format!("edge {} has no ends", edge.index()));
                continue;
            };
            let (from, to) = (self.owner(source), self.owner(target));
            *of_type.entry(*rel).or_default() += 1;
            let edge = edge.index() as u32;
            by_slot
                .entry(from)
                .or_default()
                .push((edge, *rel, Direction::Forward, to));
            by_slot
                .entry(to)
                .or_default()
                .push((edge, *rel, Direction::Backward, from));
            *on_node.entry(source.index() as u32).or_default() += 1;
            *on_node.entry(target.index() as u32).or_default() += 1;
        }
        for rel in schema::relations() {
            let (kept, right) = (self.relations_of(rel), of_type.get(&rel).copied().unwrap_or(0));
            if kept != right {
                wrong.push(format!(
                    "{kept} relations of the type {} are counted, there are {right}",
                    rel.def().stable_name()
                ));
            }
        }
        let mut hubs = 0;
        // The ports each hub knows, and whether it takes them for roomy.
        let mut kept: HashMap<u32, bool> = HashMap::new();
        for hub in self.hubs.iter().flatten() {
            kept.extend(hub.ports.iter().map(|port| (*port, false)));
            kept.extend(hub.roomy.iter().map(|port| (*port, true)));
        }
        for node in self.net.node_indices() {
            let slot = node.index() as u32;
            let edges = on_node.get(&slot).copied().unwrap_or(0);
            match self.net.node_weight(node) {
                Some(Weight::Port { of, used }) => {
                    if *used != edges || edges > PORT {
                        wrong.push(format!("port {slot} counts {used} edges and has {edges}"));
                    }
                    if self.hub(*of).is_none() || kept.remove(&slot) != Some(edges < PORT) {
                        wrong.push(format!("port {slot} with {edges} edges is not kept by its hub {of}"));
                    }
                }
                Some(weight @ (Weight::Entity { entity, .. } | Weight::Hub { entity, .. })) => {
                    hubs += usize::from(matches!(weight, Weight::Hub { .. }));
                    if self.serial(slot) != entity.serial {
                        wrong.push(format!("the serial of `{}` is not the one beside it", entity.id));
                    }
                    // One with itself may be the last of the few, and hangs here twice.
                    if edges as usize > FEW + 1 {
                        wrong.push(format!("{edges} edges hang on `{}` itself", entity.id));
                    }
                    let mut true_edges = by_slot.remove(&slot).unwrap_or_default();
                    let mut found = self.all(slot);
                    let degree = self.hub(slot).map_or(found.len(), |hub| hub.degree);
                    true_edges.sort_unstable();
                    found.sort_unstable();
                    if true_edges != found || degree != found.len() {
                        wrong.push(format!(
                            "the relations at `{}` are {true_edges:?}, its hub has {found:?}",
                            entity.id
                        ));
                    }
                    for side in self.hub(slot).iter().flat_map(|hub| &hub.sides) {
                        if !side.spokes.iter().is_sorted() {
                            wrong.push(format!("the hub of `{}` is out of order", entity.id));
                        }
                        if side
                            .spokes
                            .iter()
                            .any(|spoke| self.get(spoke.slot).is_none_or(|far| far.serial != spoke.serial))
                        {
                            wrong.push(format!("the hub of `{}` has a wrong serial", entity.id));
                        }
                    }
                }
                None => wrong.push(format!("node {slot} has no weight")),
            }
        }
        if !kept.is_empty() {
            wrong.push(format!("hubs keep {} ports that are gone", kept.len()));
        }
        if !by_slot.is_empty() {
            wrong.push(format!("{} nodes have edges and are nobody's", by_slot.len()));
        }
        if hubs != self.hubs.iter().flatten().count() || self.hubs.len() != hubs + self.vacant.len() {
            wrong.push(format!(
                "{hubs} hubs are in use, {} are kept",
                self.hubs.iter().flatten().count()
            ));
        }
        for (edge, label) in self.labels.iter() {
            let ends = self
                .ends(edge)
                .and_then(|(from, to)| Some((self.get(from)?.id, self.get(to)?.id)));
            let rel = self.net.edge_weight(EdgeIndex::new(edge as usize));
            if ends != Some((label.from.id, label.to.id)) || rel != Some(&label.rel) || label.fields.is_empty() {
                wrong.push(format!("the fields of edge {edge} are those of another relation"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_and_an_edge_stay_small() {
        assert_eq!(size_of::<Option<Weight>>(), 16);
        assert_eq!(size_of::<petgraph::graph::Edge<Option<Rel>>>(), 20);
        assert_eq!(size_of::<Spoke>(), 16);
    }
}
