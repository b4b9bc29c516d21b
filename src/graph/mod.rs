//! The object graph in memory: petgraph holds the topology, indexes beside it find things, and nothing outside this
//! room knows a node's index. Does not know who asks, nor where the graph is stored.
//!
//! Everything that leaves this room is in an order someone chose: by serial, or by (value, serial).

mod cascade;
mod changed;
mod check;
mod index;
mod merge;
mod pairs;
mod part;
mod play;
mod roomy;
mod seats;
mod shards;
mod sorted;
mod tally;
mod topology;
mod transaction;
mod violation;
mod walk;

#[cfg(test)]
mod small;
#[cfg(test)]
mod twin;

use std::ops::Bound;

use uuid::Uuid;

use crate::model::{Kind, Rel, Relation, Revision, Serial, Value, schema};

use changed::Changed;
use index::{Index, folded};
use seats::SeatIndex;
use topology::Topology;

pub use part::Part;
pub use play::{Broken, LAST_KEPT_SERIAL};
pub use seats::{Anchored, Taken};
pub use transaction::{Kept, Savepoint, Transaction};
pub use violation::Violation;
pub use walk::{Far, Hops, Node, touch, touch_relations};

/// One copy of the graph. A clone shares the entities and copies topology and indexes.
#[derive(Clone)]
pub struct Graph {
    topology: Topology,
    index: Index,
    seats: SeatIndex,
    changed: Changed,
    revision: Revision,
    next_serial: Serial,
}

impl Default for Graph {
    fn default() -> Self {
        Self::new()
    }
}

impl Graph {
    pub fn new() -> Self {
        Self {
            topology: Topology::default(),
            index: Index::default(),
            seats: SeatIndex::default(),
            changed: Changed::default(),
            revision: 0,
            next_serial: 1,
        }
    }

    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// After the changes of a commit were applied.
    pub fn set_revision(&mut self, revision: Revision) {
        self.revision = revision;
    }

    /// Whether any entity of these kinds, or relation of these types, may be another than in the graph that was published with a
    /// revision. An entity's parents are part of it.
    pub fn has_changed(&self, kinds: &[Kind], relations: &[Rel], since: Revision) -> bool {
        self.changed.has(kinds, relations, since)
    }

    pub fn len(&self) -> usize {
        self.topology.entities()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn relation_count(&self) -> usize {
        self.topology.relations()
    }

    /// How many relations of a type there are.
    pub fn relations_of(&self, rel: Rel) -> usize {
        self.topology.relations_of(rel)
    }

    /// Above every [`Node::slot`].
    pub fn bound(&self) -> usize {
        self.topology.bound()
    }

    /// The serial the next entity gets (1 in an empty graph).
    pub fn next_serial(&self) -> Serial {
        self.next_serial
    }

    /// For so many entities and relations, and for those that may come after them.
    pub fn make_room(&mut self, entities: usize, relations: usize) {
        self.topology.make_room(entities, relations);
    }

    /// No later entity gets a serial below `next`: storage remembers the serials of entities that are gone. Never goes
    /// back.
    pub fn reserve_serials(&mut self, next: Serial) {
        self.next_serial = self.next_serial.max(next);
    }

    /// Where `next_serial` stood before changes that were undone: they alone do not tell, since serials may be skipped.
    /// Not below what an entity of this graph has.
    pub fn set_next_serial(&mut self, next: Serial) {
        let last = Kind::ALL
            .iter()
            .filter_map(|kind| self.index.members(*kind).iter().next_back())
            .map(|last| last.serial);
        self.next_serial = last.max().map_or(1, |last| last + 1).max(next);
    }

    pub fn find(&self, id: Uuid) -> Option<Node<'_>> {
        self.index.find(&self.topology, id).map(|slot| Node::new(self, slot))
    }

    pub fn by_serial(&self, kind: Kind, serial: Serial) -> Option<Node<'_>> {
        self.index.by_serial(kind, serial).map(|slot| Node::new(self, slot))
    }

    /// All of a kind in order of serial, after one if given.
    pub fn of_kind(&self, kind: Kind, after: Option<Serial>) -> impl DoubleEndedIterator<Item = Node<'_>> {
        let members = self
            .index
            .members(kind)
            .after(move |member| after.is_some_and(|after| member.serial <= after));
        members.map(|member| Node::new(self, member.slot))
    }

    /// All of a kind, the newest first, before one if given.
    pub fn of_kind_back(&self, kind: Kind, before: Option<Serial>) -> impl Iterator<Item = Node<'_>> {
        let members = self.index.members(kind);
        let members = members.range(|_| false, |member| before.is_none_or(|before| member.serial < before));
        members.rev().map(|member| Node::new(self, member.slot))
    }

    /// All of a kind in order of serial but for the first so many, which cost nothing.
    pub fn of_kind_from(&self, kind: Kind, skip: usize) -> impl Iterator<Item = Node<'_>> {
        let members = self.index.members(kind).iter().skipping(skip);
        members.map(|member| Node::new(self, member.slot))
    }

    pub fn kind_count(&self, kind: Kind) -> usize {
        self.index.members(kind).len()
    }

    /// Can be asked of `by_value`, `in_range` and `by_prefix`; they find nothing by any other field.
    pub fn is_indexed(kind: Kind, field: u8) -> bool {
        kind.def()
            .fields
            .get(field as usize)
            .is_some_and(|def| index::is_indexed(kind, def))
    }

    /// Equality on an indexed field (folded where the schema says), in order of serial, after one if given.
    pub fn by_value<'g>(
        &'g self,
        kind: Kind,
        field: u8,
        value: &Value,
        after: Option<Serial>,
    ) -> impl DoubleEndedIterator<Item = Node<'g>> + use<'g> {
        let keys = self.index.equal(kind, field, &folded(kind, field, value), after);
        keys.into_iter().flatten().map(|key| Node::new(self, key.slot))
    }

    /// What `by_value` gives, the newest first, before one if given.
    pub fn by_value_back<'g>(
        &'g self,
        kind: Kind,
        field: u8,
        value: &Value,
        before: Option<Serial>,
    ) -> impl Iterator<Item = Node<'g>> + use<'g> {
        let end = before.unwrap_or(Serial::MAX);
        let keys = self.index.equal_before(kind, field, &folded(kind, field, value), end);
        keys.into_iter().flatten().rev().map(|key| Node::new(self, key.slot))
    }

    /// What `by_value` gives but for the first so many, which cost nothing.
    pub fn by_value_from<'g>(
        &'g self,
        kind: Kind,
        field: u8,
        value: &Value,
        skip: usize,
    ) -> impl Iterator<Item = Node<'g>> + use<'g> {
        let keys = self.index.equal(kind, field, &folded(kind, field, value), None);
        let keys = keys.map(|keys| keys.skipping(skip));
        keys.into_iter().flatten().map(|key| Node::new(self, key.slot))
    }

    /// How many `by_value` would give, and the first of them.
    pub fn value_count(&self, kind: Kind, field: u8, value: &Value) -> (usize, Option<Node<'_>>) {
        let Some(mut keys) = self.index.equal(kind, field, &folded(kind, field, value), None) else {
            return (0, None);
        };
        let count = keys.count_left();
        (count, keys.next().map(|key| Node::new(self, key.slot)))
    }

    /// Entities whose indexed field lies in a range, in order of (value, serial); those without a value are in none.
    /// Bounds are values of the field's type; for a folded field they are folded here.
    pub fn in_range<'g>(
        &'g self,
        kind: Kind,
        field: u8,
        from: Bound<&Value>,
        to: Bound<&Value>,
    ) -> impl DoubleEndedIterator<Item = Node<'g>> + use<'g> {
        let fold = |bound: Bound<&Value>| bound.map(|value| folded(kind, field, value));
        let keys = self.index.between(kind, field, fold(from), fold(to));
        keys.into_iter().flatten().map(|key| Node::new(self, key.slot))
    }

    /// What `in_range` gives but for the first so many, which cost nothing.
    pub fn in_range_from<'g>(
        &'g self,
        kind: Kind,
        field: u8,
        from: Bound<&Value>,
        to: Bound<&Value>,
        skip: usize,
    ) -> impl Iterator<Item = Node<'g>> + use<'g> {
        let fold = |bound: Bound<&Value>| bound.map(|value| folded(kind, field, value));
        let keys = self.index.between(kind, field, fold(from), fold(to));
        let keys = keys.map(|keys| keys.skipping(skip));
        keys.into_iter().flatten().map(|key| Node::new(self, key.slot))
    }

    /// Texts that start so (case-sensitive unless the field is folded), in order of (value, serial).
    pub fn by_prefix<'g>(
        &'g self,
        kind: Kind,
        field: u8,
        prefix: &str,
    ) -> impl DoubleEndedIterator<Item = Node<'g>> + use<'g> {
        let prefix = folded(kind, field, &Value::text(prefix));
        let keys = prefix
            .as_text()
            .and_then(|prefix| self.index.starting(kind, field, prefix));
        keys.into_iter().flatten().map(|key| Node::new(self, key.slot))
    }

    /// How many `in_range` would give, without a walk.
    pub fn range_count(&self, kind: Kind, field: u8, from: Bound<&Value>, to: Bound<&Value>) -> usize {
        let fold = |bound: Bound<&Value>| bound.map(|value| folded(kind, field, value));
        self.index
            .between(kind, field, fold(from), fold(to))
            .map_or(0, |keys| keys.count_left())
    }

    /// How many `by_prefix` would give, without a walk.
    pub fn prefix_count(&self, kind: Kind, field: u8, prefix: &str) -> usize {
        let prefix = folded(kind, field, &Value::text(prefix));
        let keys = prefix
            .as_text()
            .and_then(|prefix| self.index.starting(kind, field, prefix));
        keys.map_or(0, |keys| keys.count_left())
    }

    /// All relations once each (parents' side): by relation, then in order of both ends' serials.
    pub fn relations(&self) -> impl Iterator<Item = Relation> + '_ {
        schema::relations().flat_map(move |rel| {
            let hop = schema::Hop::forward(rel);
            self.of_kind(rel.def().from, None).flat_map(move |from| {
                from.hop(hop, None).map(move |(to, fields)| Relation {
                    rel,
                    from: from.end(),
                    to: to.end(),
                    fields: fields.to_fields(),
                })
            })
        })
    }
}
