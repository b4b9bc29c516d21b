//! What an answer is made of. While none of it changes the answer stays as it is, for whoever sees by kinds alone.

use smallvec::SmallVec;

use super::include::IncludeTree;
use super::prepare::Prepared;
use crate::graph::Graph;
use crate::model::{Kind, Rel, Revision, schema};

/// The kinds whose entities were looked at, and the types of the relations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeOf {
    kinds: SmallVec<[Kind; 6]>,
    relations: SmallVec<[Rel; 6]>,
}

impl MadeOf {
    pub fn new(query: &Prepared, tree: &IncludeTree) -> Self {
        let mut made_of = Self {
            kinds: query.parts.iter().map(|part| part.kind).collect(),
            relations: query.links.iter().map(|link| link.hop.rel).collect(),
        };
        made_of.add(tree);
        made_of
    }

    /// Of what may be anything.
    pub fn everything() -> Self {
        Self {
            kinds: Kind::ALL.iter().copied().collect(),
            relations: schema::relations().collect(),
        }
    }

    fn add(&mut self, tree: &IncludeTree) {
        for child in tree.children() {
            self.kinds.push(child.hop.to());
            self.relations.push(child.hop.rel);
            self.add(&child.tree);
        }
    }

    /// Whether any of it may be another by now than at a revision that was published.
    pub fn has_changed(&self, graph: &Graph, since: Revision) -> bool {
        graph.has_changed(&self.kinds, &self.relations, since)
    }
}
