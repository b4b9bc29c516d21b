//! Walks: over the source of the start, and from what was found along the last link, in no order or in that of serial, forward and back.

use std::collections::HashSet;
use std::ops::ControlFlow;

use foldhash::fast::RandomState;

use super::{Feed, Run, SOME, Sink, is_linked};
use crate::access::below::Above;
use crate::graph::{self, Far, Node};
use crate::model::schema::Hop;
use crate::model::{Serial, Values};
use crate::query::cost::{MERGED, Order};
use crate::query::error::QueryError;
use crate::query::merge::Merge;
use crate::query::source::{Candidates, Source};

impl<'g> Run<'_, 'g> {
    /// The matches of the start from the other end of its source.
    pub(super) fn walk_back(&mut self, before: Option<Serial>, sink: Sink<'_, 'g>) -> Result<(), QueryError> {
        let (way, view, at) = (self.way, self.view, self.way.start);
        for node in way.source.backward(self.kind(at), view, before).into_iter().flatten() {
            self.budget.visit(at)?;
            if self.offer(node, sink)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The matches of the start, from its source.
    pub(super) fn walk_source(&mut self, after: Option<Serial>, sink: Sink<'_, 'g>) -> Result<(), QueryError> {
        let (way, view, at) = (self.way, self.view, self.way.start);
        if let Some(id) = way.only {
            let only = view.graph().find(id).filter(|node| node.kind == self.kind(at));
            if let Some(node) = only.filter(|node| after.is_none_or(|after| node.serial() > after)) {
                self.budget.visit(at)?;
                self.offer(node, sink)?.is_break();
            }
            return Ok(());
        }
        if matches!(way.source, Source::Below { .. }) {
            return self.walk_below(sink);
        }
        let mut seen = HashSet::with_hasher(RandomState::default());
        let repeats = way.source.may_repeat();
        let mut last = None;
        for node in way.source.candidates(self.kind(at), view, after) {
            self.budget.visit(at)?;
            let repeated = last.replace(node.slot()) == Some(node.slot()) || (repeats && !seen.insert(node.slot()));
            if !repeated && self.offer(node, sink)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// What the caller reaches, each once. Those on the way are visited too.
    fn walk_below(&mut self, sink: Sink<'_, 'g>) -> Result<(), QueryError> {
        let (view, at) = (self.view, self.way.start);
        let mut seen = HashSet::with_hasher(RandomState::default());
        for step in view.below(self.kind(at)) {
            self.budget.visit(at)?;
            if let Some(node) = step
                && seen.insert(node.slot())
                && self.offer(node, sink)?.is_break()
            {
                break;
            }
        }
        Ok(())
    }

    /// What holds all that the caller reaches, unless that is more than is merged. Those that are reached without a holder are
    /// visited when they are offered.
    pub(super) fn held(&mut self) -> Result<Feed<'g>, QueryError> {
        let (view, at) = (self.view, self.way.start);
        let (mut holders, mut given) = (Vec::new(), Vec::new());
        for above in view.below(self.kind(at)).above() {
            match above {
                Above::Given(node) => given.push(node),
                Above::Holder(node, hop) => {
                    self.budget.visit(at)?;
                    holders.push((node, hop));
                }
                Above::OnTheWay => self.budget.visit(at)?,
            }
            if holders.len() + given.len() > MERGED {
                return Ok(Feed::Source);
            }
        }
        Ok(Feed::Held(holders, given))
    }

    /// What the caller reaches, each once, in order of serial.
    pub(super) fn held_in_order(
        &mut self,
        holders: &[(Node<'g>, Hop)],
        given: &[Node<'g>],
        order: Order,
        past: Option<Serial>,
        sink: Sink<'_, 'g>,
    ) -> Result<(), QueryError> {
        let (at, is_back) = (self.way.start, order == Order::Newest);
        let serial = |node: &Node<'g>| match is_back {
            true => Serial::MAX - node.serial(),
            false => node.serial(),
        };
        let is_left = |node: &&Node<'g>| match past {
            Some(past) if is_back => node.serial() < past,
            Some(past) => node.serial() > past,
            None => true,
        };
        let held = holders.iter().map(|(holder, hop)| -> Candidates<'g, 'g> {
            match is_back {
                true => Box::new(
                    holder
                        .hop_before(*hop, past.unwrap_or(Serial::MAX))
                        .rev()
                        .map(|(node, _)| node),
                ),
                false => Box::new(holder.hop(*hop, past).map(|(node, _)| node)),
            }
        });
        let given = given.iter().filter(is_left).copied().collect();
        let mut last = None;
        for node in Merge::new(given, held, serial) {
            self.budget.visit(at)?;
            let repeated = last.replace(node.slot()) == Some(node.slot());
            if !repeated && self.offer(node, sink)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// What a link leads to, in no order of its own.
    pub(super) fn walk_relations(
        &mut self,
        at: usize,
        from: &[Node<'g>],
        sink: Sink<'_, 'g>,
    ) -> Result<(), QueryError> {
        let link = &self.plan.links[at];
        let repeats = from.len() > 1 && !link.fans_out();
        let mut seen = repeats.then(HashSet::default);
        for left in from.iter().copied() {
            let ended = match left.few(link.hop) {
                Some(few) => self.walk_from(at, left, few, &mut seen, sink)?,
                None => self.walk_from(at, left, left.hop(link.hop, None), &mut seen, sink)?,
            };
            if ended.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// What a link leads to from one entity, but for what was seen before.
    fn walk_from(
        &mut self,
        at: usize,
        left: Node<'g>,
        relations: impl Iterator<Item = (Node<'g>, Values<'g>)>,
        seen: &mut Option<HashSet<usize, RandomState>>,
        sink: Sink<'_, 'g>,
    ) -> Result<ControlFlow<()>, QueryError> {
        let (link, free) = (&self.plan.links[at], self.free[at + 1]);
        let plain = link.conds.is_empty();
        for (right, fields) in relations {
            self.budget.visit(at + 1)?;
            let holds = (plain || is_linked(link, left, right, fields, self.budget, at + 1)?)
                && (free || self.is_here(at + 1, right)?);
            let new = holds && seen.as_mut().is_none_or(|seen| seen.insert(right.slot()));
            if new && sink(right).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// What the last link leads to, in order of serial.
    pub(super) fn in_order(
        &mut self,
        from: &[Node<'g>],
        after: Option<Serial>,
        sink: Sink<'_, 'g>,
    ) -> Result<(), QueryError> {
        let hop = self.plan.links[self.plan.target() - 1].hop;
        let mut few = Vec::with_capacity(4 * SOME);
        let mut many = Vec::new();
        graph::touch_relations(from, hop.direction);
        for left in from {
            match left.few_ends(hop) {
                Some(ends) => few.extend(
                    ends.filter(|far| after.is_none_or(|after| far.serial() > after))
                        .map(|far| (far, left)),
                ),
                None => many.push(left.hop(hop, after).ends().map(move |far| (far, left))),
            }
        }
        let serial = |(far, _): &(Far, &Node<'g>)| far.serial();
        self.merged(Merge::new(few, many.into_iter(), serial), sink)
    }

    /// The same backward: what counts down counts up as what is left to the greatest serial.
    pub(super) fn in_order_back(
        &mut self,
        from: &[Node<'g>],
        before: Option<Serial>,
        sink: Sink<'_, 'g>,
    ) -> Result<(), QueryError> {
        let hop = self.plan.links[self.plan.target() - 1].hop;
        let end = before.unwrap_or(Serial::MAX);
        let (mut few, mut many) = (Vec::with_capacity(4 * SOME), Vec::new());
        graph::touch_relations(from, hop.direction);
        for left in from {
            match left.few_ends(hop) {
                Some(ends) => few.extend(ends.filter(|far| far.serial() < end).map(|far| (far, left))),
                None => many.push(left.hop_before(hop, end).ends_back().map(move |far| (far, left))),
            }
        }
        let left = |(far, _): &(Far, &Node<'g>)| Serial::MAX - far.serial();
        self.merged(Merge::new(few, many.into_iter(), left), sink)
    }

    /// Far ends of the last link that come in an order, each perhaps several times in a row.
    fn merged<'n>(
        &mut self,
        ends: impl Iterator<Item = (Far, &'n Node<'g>)>,
        sink: Sink<'_, 'g>,
    ) -> Result<(), QueryError>
    where
        'g: 'n,
    {
        let (at, graph) = (self.plan.target(), self.view.graph());
        let link = &self.plan.links[at - 1];
        let (plain, free) = (link.conds.is_empty(), self.free[at]);
        let mut last = None;
        for (far, left) in ends {
            self.budget.visit(at)?;
            let (left, (right, fields)) = (*left, far.reach(graph, link.hop.rel));
            if last == Some(right.slot())
                || !(plain || is_linked(link, left, right, fields, self.budget, at)?)
                || !(free || self.is_here(at, right)?)
            {
                continue;
            }
            last = Some(right.slot());
            if sink(right).is_break() {
                break;
            }
        }
        Ok(())
    }
}
