//! An entity as readers hold it, and walking from it along its relations, in order of the far end's serial.
//! petgraph's own order never shows.

use std::fmt;
use std::hash::{Hash, Hasher};

use smallvec::SmallVec;

use crate::model::schema::Hop;
use crate::model::{Direction, End, Entity, Rel, RelationType, Serial, Values};

use super::Graph;
use super::sorted::Range;
use super::topology::Spoke;

/// An entity of one graph, for as long as that graph is borrowed. Equal to another by its place in that graph.
#[derive(Clone, Copy)]
pub struct Node<'g> {
    graph: &'g Graph,
    slot: u32,
}

impl PartialEq for Node<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.graph, other.graph) && self.slot == other.slot
    }
}
impl Eq for Node<'_> {}

impl Hash for Node<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.slot.hash(state);
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.kind.name(), self.id)
    }
}

impl std::ops::Deref for Node<'_> {
    type Target = Entity;

    fn deref(&self) -> &Entity {
        self.entity()
    }
}

impl<'g> Node<'g> {
    /// The slot must be an entity's.
    pub(super) fn new(graph: &'g Graph, slot: u32) -> Self {
        Self { graph, slot }
    }

    /// The graph it is of.
    pub fn graph(self) -> &'g Graph {
        self.graph
    }

    pub fn entity(self) -> &'g Entity {
        self.graph.topology.entity(self.slot)
    }

    /// The entity's serial, mostly without a look at the entity.
    pub fn serial(self) -> Serial {
        self.graph.topology.serial(self.slot)
    }

    pub fn end(self) -> End {
        let entity = self.entity();
        End {
            id: entity.id,
            serial: entity.serial,
        }
    }

    /// The far ends of a relation in order of their serial, each with the relation's own fields; after a serial, if
    /// one is given. Lazy at a hub: what is not taken is not visited.
    pub fn hop(self, hop: Hop, after: Option<Serial>) -> Hops<'g> {
        let topology = &self.graph.topology;
        let ends = match topology.hub(self.slot) {
            Some(hub) => match hub.side(hop.rel, hop.direction) {
                Some(spokes) => Ends::Many(spokes.after(|spoke| after.is_some_and(|after| spoke.serial <= after))),
                None => Ends::Few(SmallVec::new().into_iter()),
            },
            None => self.few_in_order(hop, |serial| after.is_none_or(|after| serial > after)),
        };
        Hops {
            graph: self.graph,
            rel: hop.rel,
            ends,
        }
    }

    /// What `hop` gives but for the first so many, which cost nothing at a hub.
    pub fn hop_from(self, hop: Hop, skip: usize) -> Hops<'g> {
        let mut hops = self.hop(hop, None);
        match &mut hops.ends {
            Ends::Few(few) => few.by_ref().take(skip).for_each(drop),
            Ends::Many(many) => *many = many.clone().skipping(skip),
        }
        hops
    }

    /// What `hop` gives up to a serial that is none of them; from the other end the newest come first.
    pub fn hop_before(self, hop: Hop, end: Serial) -> Hops<'g> {
        let topology = &self.graph.topology;
        let ends = match topology.hub(self.slot).map(|hub| hub.side(hop.rel, hop.direction)) {
            Some(Some(spokes)) => Ends::Many(spokes.range(|_| false, |spoke| spoke.serial < end)),
            Some(None) => Ends::Few(SmallVec::new().into_iter()),
            None => self.few_in_order(hop, |serial| serial < end),
        };
        Hops {
            graph: self.graph,
            rel: hop.rel,
            ends,
        }
    }

    fn few_in_order(self, hop: Hop, wanted: impl Fn(Serial) -> bool) -> Ends<'g> {
        let topology = &self.graph.topology;
        let mut few: SmallVec<[Spoke; 8]> = topology
            .few_of(self.slot, hop)
            .map(|(edge, slot)| topology.spoke(edge, slot))
            .filter(|spoke| wanted(spoke.serial))
            .collect();
        few.sort_unstable();
        Ends::Few(few.into_iter())
    }

    /// How many `hop` would give; no walk at a hub.
    pub fn hop_count(self, hop: Hop) -> usize {
        let topology = &self.graph.topology;
        match topology.hub(self.slot) {
            Some(hub) => hub.side(hop.rel, hop.direction).map_or(0, |spokes| spokes.len()),
            None => topology.few_count(self.slot, hop),
        }
    }

    /// The one parent by a one-to-many.
    pub fn parent(self, rel: Rel) -> Option<Node<'g>> {
        let slot = self.graph.topology.parent(self.slot, rel)?;
        Some(Node::new(self.graph, slot))
    }

    /// All its parents by one-to-many relations, in no order: one walk, however many there are.
    pub fn parents(self) -> SmallVec<[(Rel, Node<'g>); 4]> {
        let topology = &self.graph.topology;
        let parent = |rel: Rel, slot| {
            (rel.def().relation_type == RelationType::OneToMany).then(|| (rel, Node::new(self.graph, slot)))
        };
        match topology.hub(self.slot) {
            Some(hub) => hub
                .sides
                .iter()
                .filter(|side| side.direction == Direction::Backward)
                .filter_map(|side| parent(side.rel, side.spokes.iter().next()?.slot))
                .collect(),
            None => topology
                .few(self.slot, Direction::Backward)
                .filter_map(|(_, rel, slot)| parent(rel, slot))
                .collect(),
        }
    }

    /// Its children by relations that let it have one at most, in no order: one walk, however many kinds there are.
    pub fn singles(self) -> impl Iterator<Item = (Rel, Node<'g>)> {
        let (graph, topology) = (self.graph, &self.graph.topology);
        let hub = topology.hub(self.slot);
        let sides = hub.into_iter().flat_map(|hub| &hub.sides);
        let of_hub = sides
            .filter(|side| side.direction == Direction::Forward && side.rel.def().single)
            .filter_map(|side| Some((side.rel, side.spokes.iter().next()?.slot)));
        let few = hub.is_none().then(|| topology.few(self.slot, Direction::Forward));
        let of_few = few
            .into_iter()
            .flatten()
            .filter(|(_, rel, _)| rel.def().single)
            .map(|(_, rel, slot)| (rel, slot));
        of_hub
            .chain(of_few)
            .map(move |(rel, slot)| (rel, Node::new(graph, slot)))
    }

    /// What `hop` gives, in an order that is this copy's own: for what is put in order later, or needs none.
    pub fn each_end(self, hop: Hop, mut each: impl FnMut(Node<'g>, Values<'g>)) {
        match self.few(hop) {
            Some(few) => few.for_each(|(end, fields)| each(end, fields)),
            None => self.hop(hop, None).for_each(|(end, fields)| each(end, fields)),
        }
    }

    /// What `hop` gives, in no order and without a place to put it in order; `None` where there are so many relations
    /// that `hop` visits only what is taken.
    pub fn few(self, hop: Hop) -> Option<impl Iterator<Item = (Node<'g>, Values<'g>)>> {
        let (graph, topology) = (self.graph, &self.graph.topology);
        topology.hub(self.slot).is_none().then(|| {
            topology
                .few_of(self.slot, hop)
                .map(move |(edge, slot)| (Node::new(graph, slot), topology.fields(hop.rel, edge)))
        })
    }

    /// As `few`, each in little room.
    pub fn few_ends(self, hop: Hop) -> Option<impl Iterator<Item = Far>> {
        let topology = &self.graph.topology;
        topology.hub(self.slot).is_none().then(|| {
            topology
                .few_of(self.slot, hop)
                .map(move |(edge, slot)| Far(topology.spoke(edge, slot)))
        })
    }

    /// The relation to another entity, if there is one: its own fields. A walk of a few edges, or a search at a hub.
    pub fn relation(self, hop: Hop, other: Node<'g>) -> Option<Values<'g>> {
        let (from, to) = match hop.direction {
            Direction::Forward => (self.slot, other.slot),
            Direction::Backward => (other.slot, self.slot),
        };
        let topology = &self.graph.topology;
        topology
            .find(hop.rel, from, to)
            .map(|edge| topology.fields(hop.rel, edge))
    }

    /// A number below `Graph::bound()`, for bit sets; valid for this graph only.
    pub fn slot(self) -> usize {
        self.slot as usize
    }
}

/// Reads a word or two of each entity before anything is made of the first. In a graph much larger than the processor's caches
/// what an entity is has to be fetched, and so many are fetched at a time; one after the other each would be waited for.
pub fn touch<'g>(nodes: impl Iterator<Item = Node<'g>>) {
    let sum = nodes.fold(0, |sum: usize, node| {
        sum.wrapping_add(node.fields().len() + node.kind as usize)
    });
    std::hint::black_box(sum);
}

/// Reads the first relation of each, as `touch` reads entities; a hub's are read in another way.
pub fn touch_relations(nodes: &[Node<'_>], direction: Direction) {
    let first = |node: &Node<'_>| node.graph.topology.first_of_few(node.slot, direction);
    let sum = nodes.iter().fold(0, |sum: u32, node| sum.wrapping_add(first(node)));
    std::hint::black_box(sum);
}

/// The far end of a relation on a walk, to be put in order before anything else is asked of it.
#[derive(Clone, Copy)]
pub struct Far(Spoke);

impl Far {
    pub fn serial(self) -> Serial {
        self.0.serial
    }

    /// The entity, and the relation's own fields; the relation and the graph are those it was walked by.
    pub fn reach(self, graph: &Graph, rel: Rel) -> (Node<'_>, Values<'_>) {
        (Node::new(graph, self.0.slot), graph.topology.fields(rel, self.0.edge))
    }
}

/// See [`Node::hop`].
#[derive(Clone)]
pub struct Hops<'g> {
    graph: &'g Graph,
    rel: Rel,
    ends: Ends<'g>,
}

#[derive(Clone)]
enum Ends<'g> {
    Few(smallvec::IntoIter<[Spoke; 8]>),
    Many(Range<'g, Spoke>),
}

impl<'g> Hops<'g> {
    /// Each in little room.
    pub fn ends(mut self) -> impl Iterator<Item = Far> + 'g {
        std::iter::from_fn(move || self.next_spoke().map(Far))
    }

    /// As `ends`, the last first.
    pub fn ends_back(mut self) -> impl Iterator<Item = Far> + 'g {
        std::iter::from_fn(move || self.last_spoke().map(Far))
    }

    fn last_spoke(&mut self) -> Option<Spoke> {
        match &mut self.ends {
            Ends::Few(few) => few.next_back(),
            Ends::Many(many) => many.next_back().copied(),
        }
    }

    fn next_spoke(&mut self) -> Option<Spoke> {
        match &mut self.ends {
            Ends::Few(few) => few.next(),
            Ends::Many(many) => many.next().copied(),
        }
    }

    fn end(&self, spoke: Spoke) -> (Node<'g>, Values<'g>) {
        (
            Node::new(self.graph, spoke.slot),
            self.graph.topology.fields(self.rel, spoke.edge),
        )
    }
}

impl<'g> Iterator for Hops<'g> {
    type Item = (Node<'g>, Values<'g>);

    fn next(&mut self) -> Option<Self::Item> {
        let spoke = self.next_spoke()?;
        Some(self.end(spoke))
    }
}

impl DoubleEndedIterator for Hops<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let spoke = self.last_spoke()?;
        Some(self.end(spoke))
    }
}
