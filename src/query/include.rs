//! Related objects a query wants nested in its answer: `?/~ManyToOne/Person&/~OneToMany/ContactInformation`. Chains that
//! begin alike become one tree. Does not write the answer.

use std::collections::HashSet;
use std::fmt;

use foldhash::fast::RandomState;

use super::budget::Budget;
use super::condition::{EntitySubject, hold};
use super::cost;
use super::error::QueryError;
use super::eval::is_linked;
use super::plan::show_step;
use super::prepare::{Link, Part, step};
use crate::access::View;
use crate::graph::Node;
use crate::model::schema::Hop;
use crate::model::{Kind, Values};
use crate::selector::ast::{Include, Step};

/// What to nest under an object.
#[derive(Clone, Debug, Default)]
pub struct IncludeTree {
    children: Vec<IncludeNode>,
}

/// One relation to nest, and what to nest under what it leads to.
#[derive(Clone, Debug)]
pub struct IncludeNode {
    pub hop: Hop,
    pub tree: IncludeTree,
    link: Link,
    part: Part,
}

impl IncludeTree {
    pub fn children(&self) -> &[IncludeNode] {
        &self.children
    }

    pub fn is_empty(&self) -> bool {
        self.children.is_empty()
    }

    /// How many objects it is expected to nest under each: under this one, or one of its kind on average.
    pub fn fan(&self, node: Option<Node<'_>>, view: &View<'_>) -> f64 {
        let under = |child: &IncludeNode| child.fan(node, view) * (1.0 + child.tree.fan(None, view));
        self.children.iter().map(under).sum()
    }
}

impl IncludeNode {
    /// How many relations are expected to lead from this object, or from one of its kind on average.
    pub(super) fn fan(&self, node: Option<Node<'_>>, view: &View<'_>) -> f64 {
        // How many of one entity's are hidden is nobody's to know.
        cost::fan(node.filter(|_| view.sees_all(self.part.kind)), self.hop, view)
    }
}

/// As a plan shows a step that is walked.
impl fmt::Display for IncludeNode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_step(&self.link, false, &self.part, out)
    }
}

/// Resolves the chains for objects of a kind, each no longer than the parser lets it be. Spans are of each chain's own text.
pub fn includes(parsed: &[Include], kind: Kind) -> Result<IncludeTree, QueryError> {
    let mut tree = IncludeTree::default();
    for chain in parsed {
        add(&mut tree, chain, kind)?;
    }
    Ok(tree)
}

/// As deep as the longest include, which `include_hops` bounds where it is parsed.
fn add(tree: &mut IncludeTree, chain: &[Step], from: Kind) -> Result<(), QueryError> {
    let Some((first, rest)) = chain.split_first() else {
        return Ok(());
    };
    let (link, part) = step(first, from)?;
    let kind = part.kind;
    let same =
        |node: &IncludeNode| node.hop == link.hop && node.link.conds == link.conds && node.part.conds == part.conds;
    let at = match tree.children.iter().position(same) {
        Some(at) => at,
        None => {
            tree.children.push(IncludeNode {
                hop: link.hop,
                tree: IncludeTree::default(),
                link,
                part,
            });
            tree.children.len() - 1
        }
    };
    add(&mut tree.children[at].tree, rest, kind)
}

/// So many relations are looked at, whosever they are.
const MANY: usize = 64;

/// The far ends to nest under one object, in order of serial, each with the relation's own fields.
pub fn related<'g>(
    node: Node<'g>,
    include: &IncludeNode,
    view: &View<'g>,
    budget: &mut Budget,
) -> Result<Vec<(Node<'g>, Values<'g>)>, QueryError> {
    let mut ends = Vec::new();
    if view.sees_none(include.part.kind) || !view.sees_relation(include.hop.rel) {
        return Ok(ends);
    }
    let open = view.sees_all(include.part.kind);
    let is_nested = |other: Node<'g>, fields: Values<'g>, budget: &mut Budget| {
        let subject = EntitySubject { node: other, view };
        Ok::<bool, QueryError>(
            is_linked(&include.link, node, other, fields, budget, 0)?
                && (open || view.sees(other))
                && hold(&include.part.conds, &subject, budget, 0)?,
        )
    };
    // What is hidden should cost little: where that may be most of a hub, one's own is gone through instead, as far as that is
    // less.
    let count = if open { 0 } else { node.hop_count(include.hop) };
    if count > MANY && count as f64 > view.below(include.part.kind).about().walked {
        let mut seen = HashSet::with_hasher(RandomState::default());
        let mut own = view.below(include.part.kind);
        for step in own.by_ref().take(count) {
            budget.visit(0)?;
            let Some(other) = step.filter(|other| seen.insert(other.slot())) else {
                continue;
            };
            if let Some(fields) = node.relation(include.hop, other)
                && is_nested(other, fields, budget)?
            {
                ends.push((other, fields));
            }
        }
        if own.next().is_none() {
            ends.sort_unstable_by_key(|(other, _)| other.serial());
            return Ok(ends);
        }
        ends.clear();
    }
    for (other, fields) in node.hop(include.hop, None) {
        budget.visit(0)?;
        if is_nested(other, fields, budget)? {
            ends.push((other, fields));
        }
    }
    Ok(ends)
}
