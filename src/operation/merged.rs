//! Several lists in order of serial, read as one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::graph::Node;
use crate::model::Serial;

/// In order of serial.
pub type List<'g> = Box<dyn Iterator<Item = Node<'g>> + 'g>;

/// The entities of all lists, which are of one kind, in order of their serial, each once.
pub struct Merged<'g> {
    lists: Vec<List<'g>>,
    /// The next of each list.
    heads: BinaryHeap<Reverse<(Serial, usize)>>,
    nodes: Vec<Option<Node<'g>>>,
    last: Serial,
}

impl<'g> Merged<'g> {
    pub fn of(lists: Vec<List<'g>>) -> Self {
        let mut merged = Self {
            nodes: vec![None; lists.len()],
            heads: BinaryHeap::new(),
            last: 0,
            lists,
        };
        for list in 0..merged.lists.len() {
            merged.pull(list);
        }
        merged
    }

    fn pull(&mut self, list: usize) {
        self.nodes[list] = self.lists[list].next();
        if let Some(node) = self.nodes[list] {
            self.heads.push(Reverse((node.serial, list)));
        }
    }
}

impl<'g> Iterator for Merged<'g> {
    type Item = Node<'g>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Reverse((serial, list)) = self.heads.pop()?;
            let node = self.nodes[list].take();
            self.pull(list);
            if serial > self.last {
                self.last = serial;
                return node;
            }
        }
    }
}
