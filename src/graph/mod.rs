//! The object graph in memory: petgraph holds the topology, indexes beside it find things, and nothing outside this
//! room knows a node's index. Does not know who asks, nor where the graph is stored.
use std::ops::Bound;
use std::sync::Arc;
use uuid::Uuid;
use crate::model::*;

#[derive(Clone)]
pub struct Graph {}

/// An entity of one graph, for as long as that graph is borrowed. Copy, Eq, Hash (by place in the graph).
#[derive(Clone, Copy)]
pub struct Node<'g> { graph: &'g Graph, index: u32 }

impl<'g> std::ops::Deref for Node<'g> { type Target = Entity; fn deref(&self) -> &Entity { todo!() } }
impl<'g> Node<'g> {
    pub fn entity(self) -> &'g Arc<Entity> { todo!() }
    pub fn end(self) -> End { todo!() }
    /// The far ends of a relation in order of their serial, each with the relation's own fields; from `after` on (exclusive), if given.
    pub fn hop(self, hop: schema::Hop, after: Option<Serial>) -> impl Iterator<Item = (Node<'g>, &'g Fields)> { std::iter::empty() }
    /// How many `hop` would give; O(1) at a hub.
    pub fn hop_count(self, hop: schema::Hop) -> usize { todo!() }
    /// The one parent by a one-to-many.
    pub fn parent(self, rel: Rel) -> Option<Node<'g>> { todo!() }
    /// The relation to another entity, if there is one: its own fields. Cost: the smaller degree, or a lookup at a hub.
    pub fn relation(self, hop: schema::Hop, other: Node<'g>) -> Option<&'g Fields> { todo!() }
    /// A dense number below `Graph::bound()`, for bit sets; valid for this graph only.
    pub fn slot(self) -> usize { self.index as usize }
}

impl Default for Graph { fn default() -> Self { Self::new() } }
impl Graph {
    pub fn new() -> Self { todo!() }
    pub fn revision(&self) -> Revision { todo!() }
    pub fn len(&self) -> usize { todo!() }
    pub fn is_empty(&self) -> bool { self.len() == 0 }
    pub fn relation_count(&self) -> usize { todo!() }
    pub fn bound(&self) -> usize { todo!() }
    /// The serial the next entity gets (1 in an empty graph).
    pub fn next_serial(&self) -> Serial { todo!() }
    /// No later entity gets a serial below `next`: storage remembers the serials of entities that are gone. Never goes back.
    pub fn reserve_serials(&mut self, next: Serial) { todo!() }
    pub fn find(&self, id: Uuid) -> Option<Node<'_>> { todo!() }
    pub fn by_serial(&self, kind: Kind, serial: Serial) -> Option<Node<'_>> { todo!() }
    /// All of a kind in order of serial, after one if given.
    pub fn of_kind(&self, kind: Kind, after: Option<Serial>) -> impl DoubleEndedIterator<Item = Node<'_>> { std::iter::empty() }
    pub fn kind_count(&self, kind: Kind) -> usize { todo!() }
    /// Equality on an indexed field (folded where the schema says), in order of serial, after one if given.
    pub fn by_value(&self, kind: Kind, field: u8, value: &Value, after: Option<Serial>) -> impl Iterator<Item = Node<'_>> { std::iter::empty() }
    /// How many `by_value` would give, counting at most `at_most` (an estimate for the planner).
    pub fn value_count(&self, kind: Kind, field: u8, value: &Value, at_most: usize) -> usize { todo!() }
    /// Entities whose indexed field lies in a range, in order of (value, serial). Bounds are values of the field's type; for a folded field they are folded here.
    pub fn in_range(&self, kind: Kind, field: u8, from: Bound<&Value>, to: Bound<&Value>) -> impl DoubleEndedIterator<Item = Node<'_>> { std::iter::empty() }
    /// Texts that start so (case-sensitive unless the field is folded).
    pub fn by_prefix(&self, kind: Kind, field: u8, prefix: &str) -> impl Iterator<Item = Node<'_>> { std::iter::empty() }

    /// Plays a change that a transaction made elsewhere (the other copy, storage). Panics never: a change that does not fit is an error.
    pub fn apply(&mut self, change: &Change) -> Result<(), Broken> { todo!() }
    pub fn undo(&mut self, change: &Change) -> Result<(), Broken> { todo!() }
    /// After the changes of a commit were applied.
    pub fn set_revision(&mut self, revision: Revision) { todo!() }

    /// Rebuilds everything derived and compares. For tests, `verify` and after recovery.
    pub fn check(&self) -> Result<(), Vec<String>> { todo!() }
    /// Independent of the order in which the graph was built: for comparing two copies (T7).
    pub fn digest(&self) -> [u8; 32] { todo!() }
    /// All relations once each (parents' side), for export; in order of the `from` entity's serial within a relation row.
    pub fn relations(&self) -> impl Iterator<Item = Relation> + '_ { std::iter::empty() }
}

/// A change that does not fit the graph it was played on: the copies differ, or the database is damaged.
#[derive(Debug, thiserror::Error)]
#[error("the graph does not fit its log: {0}")]
pub struct Broken(pub String);

/// Why the graph refuses what a transaction asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("an entity with the id `{id}` exists already, a `{}`", kind.name())]
    IdTaken { id: Uuid, kind: Kind },
    #[error("no entity has the id `{id}`")]
    NotFound { id: Uuid },
    #[error("`{value}` is the `{field}` of another `{}`", kind.name())]
    NotUnique { id: Uuid, kind: Kind, field: &'static str, value: String, taken_by: Uuid },
    #[error("the `{}` `{id}` has two owners", kind.name())]
    TwoParents { id: Uuid, kind: Kind, rel: Rel },
    #[error("the `{}` `{id}` has no owner", kind.name())]
    NoOwner { id: Uuid, kind: Kind },
    #[error("the `{}` `{id}` needs a `{}`", kind.name(), rel.def().from.name())]
    NoParent { id: Uuid, kind: Kind, rel: Rel },
    #[error("the relation exists already")]
    RelationExists { rel: Rel, from: Uuid, to: Uuid },
    #[error("there is no such relation")]
    NoRelation { rel: Rel, from: Uuid, to: Uuid },
    #[error("`{id}` is a `{}`, not a `{}`", is.name(), wanted.name())]
    WrongKind { id: Uuid, is: Kind, wanted: Kind },
    #[error("`{parent}` has a `{}` already", rel.def().to.name())]
    NotSingle { parent: Uuid, rel: Rel },
}

/// A list of changes being made to the working graph: applied at once, undone by `rollback_to`.
/// What must hold at the end (owners, required parents, required fields) is checked by `finish` for all entities it touched.
pub struct Transaction<'g> { graph: &'g mut Graph }

#[derive(Clone, Copy, Debug)]
pub struct Savepoint(usize);

impl<'g> Transaction<'g> {
    /// `revision` is the one this transaction's commit will have; `now` the time all of its batch sees.
    pub fn new(graph: &'g mut Graph, revision: Revision, now: Time, clock: &'g Clock) -> Self { todo!() }
    /// As it is with this transaction's changes.
    pub fn graph(&self) -> &Graph { todo!() }
    pub fn now(&self) -> Time { todo!() }
    pub fn revision(&self) -> Revision { todo!() }
    pub fn new_id(&self) -> Uuid { todo!() }
    /// Serial, created, updated and revision are set here. `serial`, `created`, `updated`: kept by an import, None otherwise.
    pub fn create(&mut self, id: Uuid, kind: Kind, fields: Fields, kept: Kept) -> Result<(), Violation> { todo!() }
    /// No change at all (no revision, no `updated`) when the fields are the ones it has.
    pub fn update(&mut self, id: Uuid, fields: Fields) -> Result<(), Violation> { todo!() }
    /// Removes the entity and every relation at it. Children are the caller's: see `remove_cascading`.
    pub fn remove(&mut self, id: Uuid) -> Result<(), Violation> { todo!() }
    /// Removes the entity and all the schema says goes with it; iterative, children first. Gives how many entities and relations went.
    pub fn remove_cascading(&mut self, id: Uuid) -> Result<usize, Violation> { todo!() }
    /// Links; a one-to-many touches the child (its `ref_Parent_id` is part of its representation: revision, updated).
    pub fn relate(&mut self, rel: Rel, from: Uuid, to: Uuid, fields: Fields) -> Result<(), Violation> { todo!() }
    /// Replaces the fields of a relation that exists.
    pub fn update_relation(&mut self, rel: Rel, from: Uuid, to: Uuid, fields: Fields) -> Result<(), Violation> { todo!() }
    pub fn unrelate(&mut self, rel: Rel, from: Uuid, to: Uuid) -> Result<(), Violation> { todo!() }
    pub fn savepoint(&self) -> Savepoint { todo!() }
    pub fn rollback_to(&mut self, savepoint: Savepoint) { todo!() }
    /// So far. Several changes of one entity are merged into one (before of the first, after of the last) when finished.
    pub fn changes(&self) -> Vec<Change> { todo!() }
    /// Checks what must hold at the end without ending.
    pub fn validate(&self) -> Result<(), Violation> { todo!() }
    /// The changes, merged, creations in order of serial; the graph keeps them applied. On a violation everything is undone.
    pub fn finish(self) -> Result<Vec<Change>, Violation> { todo!() }
    /// Undoes everything.
    pub fn abandon(self) { todo!() }
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Kept { pub serial: Option<Serial>, pub created: Option<Time>, pub updated: Option<Time> }
