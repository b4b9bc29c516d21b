//! Matches in the order of an indexed field. Entities of which it is not set are in no index, and long texts are in one by the whole of
//! them, where the order compares their beginnings.

use std::borrow::Cow;
use std::ops::{Bound, ControlFlow};

use super::{Run, SOME, Sink, taken};
use crate::graph::Node;
use crate::model::{Field, Serial, Value};
use crate::query::cost;
use crate::query::error::QueryError;
use crate::query::page::{self, Position};
use crate::query::source::Source;

/// What is walked of an index.
struct Span {
    field: u8,
    from: Bound<Value>,
    to: Bound<Value>,
    /// No match is without a value.
    is_whole: bool,
}

/// Where the last page ended, if this one is not the first: its value, if it has one, and its serial.
fn ended(after: Option<&Position>) -> Option<(Option<&Value>, Serial)> {
    let after = after?;
    Some((after.keys.first().and_then(Option::as_ref), after.serial))
}

impl<'g> Run<'_, 'g> {
    /// Walks an index in its order. Entities without a value are in no index: they come last, or first when descending.
    pub(super) fn by_index(
        &mut self,
        field: u8,
        descending: bool,
        after: Option<&Position>,
        offset: usize,
        most: usize,
    ) -> Result<Vec<Node<'g>>, QueryError> {
        let (graph, kind) = (self.view.graph(), self.kind(self.plan.target()));
        let (from, to, is_ranged) = match &self.way.source {
            Source::Range { from, to, .. } => (from.clone(), to.clone(), true),
            _ => (Bound::Unbounded, Bound::Unbounded, false),
        };
        let is_whole =
            is_ranged || graph.range_count(kind, field, Bound::Unbounded, Bound::Unbounded) == graph.kind_count(kind);
        let span = Span {
            field,
            from,
            to,
            is_whole,
        };
        if offset > 0 && after.is_none() && cost::is_passable(self.way, &self.plan.parts, &self.plan.links, self.view) {
            let numbered = if descending {
                Self::numbered_down
            } else {
                Self::numbered
            };
            if let Some(nodes) = numbered(self, &span, offset, most)? {
                return Ok(nodes);
            }
        }
        let (mut nodes, mut skip) = (Vec::new(), offset);
        let mut sink = |node| taken(node, &mut skip, &mut nodes, most);
        let walk = if descending { Self::down } else { Self::up };
        walk(self, span, after, &mut sink)?.is_break();
        Ok(nodes)
    }

    /// The page after so many matches that are passed over by their number. `None` where their order is another than the index's.
    fn numbered(&mut self, span: &Span, offset: usize, most: usize) -> Result<Option<Vec<Node<'g>>>, QueryError> {
        let (graph, kind) = (self.view.graph(), self.kind(self.plan.target()));
        let (from, to) = (span.from.as_ref(), span.to.as_ref());
        let count = graph.range_count(kind, span.field, from, to);
        let all = |skip| graph.in_range_from(kind, span.field, from, to, skip);
        // Among those that are ordered alike though their texts differ, the index has another order. What is passed over
        // and the page lie on either side of such a group if one beside their border is in none.
        let is_border = all(offset - 1).take(2).any(|node| self.long_key(node).is_none());
        let page = || all(offset).take(most);
        if !(is_border || offset >= count) || page().any(|node| self.long_key(node).is_some()) {
            return Ok(None);
        }
        let mut nodes = self.first(page(), most)?;
        // All of the kind are matches where some have no value: how many those are is known.
        let mut skip = offset.saturating_sub(count);
        let left = graph.kind_count(kind).saturating_sub(count).saturating_sub(skip);
        let most = most.min(nodes.len().saturating_add(left));
        if nodes.len() < most {
            self.unset(span, None, &mut |node| taken(node, &mut skip, &mut nodes, most))?
                .is_break();
        }
        Ok(Some(nodes))
    }

    /// The same of values that go down: they are counted from the index's other end, after those without one. `None` for a
    /// page that begins among those: no index numbers them.
    fn numbered_down(&mut self, span: &Span, offset: usize, most: usize) -> Result<Option<Vec<Node<'g>>>, QueryError> {
        let (graph, kind, target) = (self.view.graph(), self.kind(self.plan.target()), self.plan.target());
        let (field, from, to) = (span.field, span.from.as_ref(), span.to.as_ref());
        let count = graph.range_count(kind, field, from, to);
        let unset = if span.is_whole {
            0
        } else {
            graph.kind_count(kind).saturating_sub(count)
        };
        let Some(skip) = offset.checked_sub(unset) else {
            return Ok(None);
        };
        let Some(back) = count.checked_sub(skip.saturating_add(1)) else {
            return Ok(Some(Vec::new()));
        };
        let first = graph.in_range_from(kind, field, from, to, back).next();
        let Some(first) = first.filter(|first| self.long_key(*first).is_none()) else {
            return Ok(None);
        };
        let Some(value) = first.fields().get(field).cloned() else {
            return Ok(None);
        };
        // Alike values are in order of serial either way.
        let passed = skip - graph.range_count(kind, field, Bound::Excluded(&value), to);
        let (mut nodes, mut skip) = (Vec::with_capacity(most.min(SOME)), 0);
        for node in graph.by_value_from(kind, field, &value, passed) {
            self.budget.visit(target)?;
            if taken(node, &mut skip, &mut nodes, most).is_break() {
                return Ok(Some(nodes));
            }
        }
        let rest = Span {
            field,
            from: span.from.clone(),
            to: Bound::Excluded(value),
            is_whole: true,
        };
        self.down(rest, None, &mut |node| taken(node, &mut skip, &mut nodes, most))?
            .is_break();
        Ok(Some(nodes))
    }

    fn up(&mut self, span: Span, after: Option<&Position>, sink: Sink<'_, 'g>) -> Result<ControlFlow<()>, QueryError> {
        let (graph, kind) = (self.view.graph(), self.kind(self.plan.target()));
        let mut from = match ended(after) {
            None => span.from.clone(),
            Some((None, serial)) => return self.unset(&span, Some(serial), sink),
            Some((Some(value), serial)) => {
                let (flow, passed) = self.left_of(span.field, value, serial, sink)?;
                if flow.is_break() {
                    return Ok(flow);
                }
                Bound::Excluded(passed.unwrap_or_else(|| value.clone()))
            }
        };
        'beyond: loop {
            for node in graph.in_range(kind, span.field, from.as_ref(), span.to.as_ref()) {
                self.budget.visit(self.plan.target())?;
                let Some(key) = self.long_key(node) else {
                    if self.offer(node, sink)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                    continue;
                };
                let (alike, last) = self.alike(span.field, &key, None)?;
                if self.offer_all(alike, sink)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                from = Bound::Excluded(last.unwrap_or(key));
                continue 'beyond;
            }
            return self.unset(&span, None, sink);
        }
    }

    /// Values go down, serials within a value up.
    fn down(
        &mut self,
        span: Span,
        after: Option<&Position>,
        sink: Sink<'_, 'g>,
    ) -> Result<ControlFlow<()>, QueryError> {
        let (graph, kind) = (self.view.graph(), self.kind(self.plan.target()));
        let (flow, mut to) = match ended(after) {
            None => (self.unset(&span, None, sink)?, span.to),
            Some((None, serial)) => (self.unset(&span, Some(serial), sink)?, span.to),
            Some((Some(value), serial)) => (
                self.left_of(span.field, value, serial, sink)?.0,
                Bound::Excluded(value.clone()),
            ),
        };
        if flow.is_break() {
            return Ok(flow);
        }
        let from = span.from.as_ref();
        while let Some(last) = graph.in_range(kind, span.field, from, to.as_ref()).next_back() {
            let Some(value) = last.entity().fields().get(span.field) else {
                break;
            };
            let (flow, value) = match self.long_key(last) {
                Some(key) => {
                    let alike = self.alike(span.field, &key, None)?.0;
                    (self.offer_all(alike, sink)?, key)
                }
                None => (self.of_value(span.field, value, None, sink)?, value.clone()),
            };
            if flow.is_break() {
                return Ok(flow);
            }
            to = Bound::Excluded(value);
        }
        Ok(ControlFlow::Continue(()))
    }

    /// What is left of the value where the last page ended; and the last text of those that are ordered like it.
    fn left_of(
        &mut self,
        field: u8,
        value: &Value,
        serial: Serial,
        sink: Sink<'_, 'g>,
    ) -> Result<(ControlFlow<()>, Option<Value>), QueryError> {
        if !page::is_long(value) {
            return Ok((self.of_value(field, value, Some(serial), sink)?, None));
        }
        let (alike, last) = self.alike(field, value, Some(serial))?;
        Ok((self.offer_all(alike, sink)?, last))
    }

    fn of_value(
        &mut self,
        field: u8,
        value: &Value,
        after: Option<Serial>,
        sink: Sink<'_, 'g>,
    ) -> Result<ControlFlow<()>, QueryError> {
        let target = self.plan.target();
        for node in self.view.graph().by_value(self.kind(target), field, value, after) {
            self.budget.visit(target)?;
            if self.offer(node, sink)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn offer_all(&mut self, nodes: Vec<Node<'g>>, sink: Sink<'_, 'g>) -> Result<ControlFlow<()>, QueryError> {
        for node in nodes {
            if self.offer(node, sink)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Those of a kind that no index lists, since they have no value, in order of serial.
    fn unset(&mut self, span: &Span, after: Option<Serial>, sink: Sink<'_, 'g>) -> Result<ControlFlow<()>, QueryError> {
        if span.is_whole {
            return Ok(ControlFlow::Continue(()));
        }
        let target = self.plan.target();
        for node in self.view.graph().of_kind(self.kind(target), after) {
            self.budget.visit(target)?;
            if node.entity().fields().get(span.field).is_none() && self.offer(node, sink)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// What orders it, if others may be ordered alike though their texts differ.
    fn long_key(&self, node: Node<'g>) -> Option<Value> {
        let key = self.plan.sort.first()?;
        let Field::Own(field) = key.field else { return None };
        // Folding makes no text twice as long.
        node.fields()
            .get(field)?
            .as_text()
            .filter(|text| text.len() * 2 >= page::KEY_BYTES)?;
        page::value(key, node, self.view)
            .map(Cow::into_owned)
            .filter(page::is_long)
    }

    /// Those of an index whose texts begin so, in order of serial, from one on; and the last text among them. An index has
    /// them by the whole of their texts.
    fn alike(
        &mut self,
        field: u8,
        key: &Value,
        after: Option<Serial>,
    ) -> Result<(Vec<Node<'g>>, Option<Value>), QueryError> {
        let target = self.plan.target();
        let (mut alike, mut last) = (Vec::new(), None);
        let all = self
            .view
            .graph()
            .in_range(self.kind(target), field, Bound::Included(key), Bound::Unbounded);
        for node in all {
            self.budget.visit(target)?;
            if self.long_key(node).as_ref() != Some(key) {
                break;
            }
            last = node.fields().get(field).cloned();
            if after.is_none_or(|after| node.serial() > after) {
                alike.push(node);
            }
        }
        alike.sort_unstable_by_key(|node| node.serial());
        Ok((alike, last))
    }
}
