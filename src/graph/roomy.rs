//! petgraph's graph, with room ahead. Its nodes and its edges are a list each, and a list that is full moves, all of it, while the
//! committer with everybody's writes waits: 20 to 46 ms at 500,000 nodes in each of the two copies, and a copy just made is full at once.
//! So a list that is full gets room for three times as many more, and a copy is made with that room. What is not written to yet is
//! address space and no memory, unless the system counts what is promised (`vm.overcommit_memory=2`, `ulimit -v`).
//!
//! The allocator asks for huge pages for what is mapped in arenas of 1 GiB, and may not for more: with room for four times ten million
//! entities the lists lay in small pages, and a check took 16.7 us where it takes 15.0. So there is less room where a list would outgrow that.

use std::ops::Deref;

use petgraph::Directed;
use petgraph::graph::{Edge, EdgeIndex, Node, NodeIndex};
use petgraph::stable_graph::StableGraph;

/// Room for so many at least.
const LEAST: usize = if cfg!(test) { 16 } else { 1 << 20 };

pub(super) struct Net<N, E>(StableGraph<N, E, Directed, u32>);

/// The most bytes of a list that an arena of the allocator, 1 GiB, holds beside its own.
const ARENA: usize = (1 << 30) - (64 << 20);

/// For how many of a size in bytes there is room where there are so many.
fn room(count: usize, size: usize) -> usize {
    let most = ARENA / size;
    match count < most / 4 * 3 {
        true => count.saturating_mul(4).max(LEAST).min(most),
        // Too many for an arena, or soon.
        false => count.saturating_mul(2),
    }
}

fn room_for_nodes<N>(count: usize) -> usize {
    room(count, size_of::<Node<Option<N>>>())
}

fn room_for_edges<E>(count: usize) -> usize {
    room(count, size_of::<Edge<Option<E>>>())
}

impl<N, E> Default for Net<N, E> {
    fn default() -> Self {
        Self(StableGraph::default())
    }
}

impl<N: Clone, E: Clone> Clone for Net<N, E> {
    fn clone(&self) -> Self {
        let mut copy = StableGraph::with_capacity(
            room_for_nodes::<N>(self.node_count()),
            room_for_edges::<E>(self.edge_count()),
        );
        copy.clone_from(&self.0);
        Self(copy)
    }
}

impl<N, E> Net<N, E> {
    /// For so many, and for more that may come.
    pub fn make_room(&mut self, nodes: usize, edges: usize) {
        let (has_nodes, has_edges) = self.0.capacity();
        if has_nodes < nodes {
            self.0
                .reserve_exact_nodes(room_for_nodes::<N>(nodes) - self.0.node_count());
        }
        if has_edges < edges {
            self.0
                .reserve_exact_edges(room_for_edges::<E>(edges) - self.0.edge_count());
        }
    }

    pub fn add_node(&mut self, weight: N) -> NodeIndex {
        // With a place that is free the list is not full, and has more places than nodes.
        self.make_room(self.0.node_count() + 1, 0);
        self.0.add_node(weight)
    }

    pub fn add_edge(&mut self, from: NodeIndex, to: NodeIndex, weight: E) -> EdgeIndex {
        self.make_room(0, self.0.edge_count() + 1);
        self.0.add_edge(from, to, weight)
    }

    pub fn node_weight_mut(&mut self, node: NodeIndex) -> Option<&mut N> {
        self.0.node_weight_mut(node)
    }

    /// With all its edges.
    pub fn remove_node(&mut self, node: NodeIndex) -> Option<N> {
        self.0.remove_node(node)
    }

    pub fn remove_edge(&mut self, edge: EdgeIndex) -> Option<E> {
        self.0.remove_edge(edge)
    }
}

/// For all that changes nothing.
impl<N, E> Deref for Net<N, E> {
    type Target = StableGraph<N, E, Directed, u32>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(net: &mut Net<u32, u32>, to: usize) {
        while net.node_count() < to {
            let node = net.add_node(0);
            net.add_edge(node, node, 0);
        }
    }

    #[test]
    fn room_ends_where_huge_pages_do() {
        let most = ARENA / 20;
        let rooms = [1, 1000, most / 4, most / 2, most / 4 * 3 - 1].map(|count| room(count, 20));
        assert_eq!(rooms, [LEAST, 4000, most / 4 * 4, most, most]);
        assert_eq!(room(most / 4 * 3, 20), most / 4 * 6);
        assert_eq!(room(most * 5, 20), most * 10);
        assert_eq!(room(usize::MAX, 20), usize::MAX);
    }

    #[test]
    fn what_is_full_gets_room_for_three_times_as_many_more() {
        let mut net = Net::default();
        let mut moved = Vec::new();
        let mut known = net.capacity();
        for count in 1..=1000 {
            fill(&mut net, count);
            if net.capacity() != known {
                known = net.capacity();
                moved.push((count, known));
            }
        }
        let expected = [(1, 16), (17, 68), (69, 276), (277, 1108)];
        assert_eq!(moved, expected.map(|(count, room)| (count, (room, room))));
    }

    #[test]
    fn a_copy_has_room() {
        let mut net = Net::default();
        fill(&mut net, 1000);
        let mut copy = net.clone();
        let room = copy.capacity();
        assert_eq!(room, (4000, 4000));
        fill(&mut copy, 4000);
        assert_eq!(copy.capacity(), room);
    }

    #[test]
    fn what_is_coming_finds_room() {
        let mut net = Net::default();
        net.make_room(100, 300);
        assert_eq!(net.capacity(), (400, 1200));
        fill(&mut net, 400);
        assert_eq!(net.capacity(), (400, 1200));
        net.make_room(400, 1200);
        assert_eq!(net.capacity(), (400, 1200));
    }

    #[test]
    fn free_places_are_filled_first() {
        let mut net = Net::default();
        fill(&mut net, 16);
        let (node, edge) = (NodeIndex::new(3), EdgeIndex::new(3));
        assert!(net.remove_node(node).is_some());
        assert_eq!((net.node_count(), net.edge_count(), net.capacity()), (15, 15, (16, 16)));
        assert_eq!(net.add_node(7), node);
        assert_eq!(net.add_edge(node, node, 7), edge);
        assert_eq!(net.capacity(), (16, 16));
    }
}
