//! Carrying out a plan over a view, within a budget. From the start the parts on its left are checked by existence, each
//! entity once; the parts on its right are walked to. What the answer does not need is not visited: a page ends the walk,
//! a count of relations is a length.

mod indexed;
mod walk;

use std::collections::HashMap;
use std::ops::ControlFlow;

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use super::budget::Budget;
use super::condition::{EntitySubject, RelationSubject, hold};
use super::cost::{self, MERGED, Order, Way};
use super::error::{Code, QueryError};
use super::page::{Position, Ranked, Top};
use super::plan::Plan;
use super::prepare::Link;
use super::source::Candidates;
use crate::access::View;
use crate::graph::Node;
use crate::limits::Limit;
use crate::model::schema::Hop;
use crate::model::{Direction, Field, Kind, RelationType, Serial, Value, Values};

#[derive(Clone, Debug)]
pub enum Answer<'g> {
    Count(u64),
    /// `next` is where this page ended, if there is more.
    Page {
        nodes: Vec<Node<'g>>,
        next: Option<Position>,
    },
}

/// A page, from a place on if one is given, or the count the selector asks for.
pub fn evaluate<'g>(
    plan: &Plan,
    view: &View<'g>,
    budget: &mut Budget,
    after: Option<&Position>,
) -> Result<Answer<'g>, QueryError> {
    if plan.is_count() {
        return tried(plan, view, budget, |run| run.count()).map(Answer::Count);
    }
    if let Some(after) = after {
        after.fits(&plan.sort, plan.result_kind())?;
    }
    let whole = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let offset = if after.is_some() { 0 } else { whole(plan.offset) };
    // One more than the page: whether there is more decides if it has a cursor.
    let rows = whole(plan.rows);
    let page = page(plan, view, budget, after, offset, rows.saturating_add(1))?;
    let next = match page.get(rows) {
        Some(_) => page[..rows]
            .last()
            .map(|last| Ranked::new(&plan.sort, *last, view).position()),
        None => None,
    };
    let mut nodes = page;
    nodes.truncate(rows);
    Ok(Answer::Page { nodes, next })
}

/// Every match in order of serial, for what acts on all of them.
pub fn all<'g>(plan: &Plan, view: &View<'g>, budget: &mut Budget, at_most: Limit) -> Result<Vec<Node<'g>>, QueryError> {
    plan.without_params()?;
    let most = usize::try_from(at_most.value).unwrap_or(usize::MAX);
    let nodes = page(
        &plan.of_all(at_most.value, view),
        view,
        budget,
        None,
        0,
        most.saturating_add(1),
    )?;
    if nodes.len() > most {
        return Err(QueryError::new(
            Code::TooManyTargets,
            format!("the selector matches more than {} entities", at_most.value),
        )
        .limit(at_most)
        .help("take fewer at a time"));
    }
    Ok(nodes)
}

/// The first matches after a place.
fn page<'g>(
    plan: &Plan,
    view: &View<'g>,
    budget: &mut Budget,
    after: Option<&Position>,
    offset: usize,
    most: usize,
) -> Result<Vec<Node<'g>>, QueryError> {
    tried(plan, view, budget, |run| run.page(after, offset, most))
}

/// What comes of the way that should cost least, or of the other if that does not.
fn tried<'g, T>(
    plan: &Plan,
    view: &View<'g>,
    budget: &mut Budget,
    answer: impl Fn(&mut Run<'_, 'g>) -> Result<T, QueryError>,
) -> Result<T, QueryError> {
    let Some((patience, instead)) = &plan.instead else {
        return answer(&mut Run::new(plan, &plan.way, view, budget));
    };
    budget.lend(*patience);
    let answered = answer(&mut Run::new(plan, &plan.way, view, budget));
    if budget.reclaim() {
        return answer(&mut Run::new(plan, instead, view, budget));
    }
    answered
}

/// Room for so many entities is made at once: few selectors lead to more.
const SOME: usize = 16;

/// A sink says whether it wants more.
type Sink<'s, 'g> = &'s mut dyn FnMut(Node<'g>) -> ControlFlow<()>;

struct Run<'p, 'g> {
    plan: &'p Plan,
    way: &'p Way,
    view: &'p View<'g>,
    budget: &'p mut Budget,
    /// Parts of which every entity is visible.
    open: SmallVec<[bool; 4]>,
    /// Parts of which every entity is here, at the cost of its visit alone.
    free: SmallVec<[bool; 4]>,
    /// By part: entities that were checked, with the outcome.
    memo: Vec<HashMap<usize, bool, RandomState>>,
}

/// Where the matches come from.
enum Feed<'g> {
    /// The source itself: the start is the last part.
    Source,
    /// What hangs on these, and these themselves: all that the caller reaches.
    Held(Vec<(Node<'g>, Hop)>, Vec<Node<'g>>),
    /// Relations of these, which are the matches of all parts but the last.
    Relations(Vec<Node<'g>>),
}

impl<'p, 'g> Run<'p, 'g> {
    fn new(plan: &'p Plan, way: &'p Way, view: &'p View<'g>, budget: &'p mut Budget) -> Self {
        let open: SmallVec<[bool; 4]> = plan.parts.iter().map(|part| view.sees_all(part.kind)).collect();
        let asked = |at: usize| !plan.parts[at].conds.is_empty() || (way.order == Order::Top && at == plan.target());
        let free = open.iter().enumerate().map(|(at, open)| *open && !asked(at)).collect();
        Self {
            plan,
            way,
            view,
            budget,
            open,
            free,
            memo: Vec::new(),
        }
    }

    fn page(&mut self, after: Option<&Position>, offset: usize, most: usize) -> Result<Vec<Node<'g>>, QueryError> {
        match self.way.order {
            Order::Serial | Order::Newest => self.by_serial(after, offset, most),
            Order::Index { field, descending } => self.by_index(field, descending, after, offset, most),
            Order::Top => {
                let feed = self.feed()?;
                self.ranked(&feed, after, offset, most)
            }
        }
    }

    fn kind(&self, at: usize) -> Kind {
        self.plan.parts[at].kind
    }

    fn by_serial(&mut self, after: Option<&Position>, offset: usize, most: usize) -> Result<Vec<Node<'g>>, QueryError> {
        let (order, source) = (self.way.order, &self.way.source);
        let feed = self.feed()?;
        let ordered = match &feed {
            Feed::Source if order == Order::Newest => source.is_reversible(),
            Feed::Source => source.is_ordered(),
            Feed::Held(..) => true,
            Feed::Relations(from) => from.len() <= MERGED,
        };
        if !ordered {
            return self.ranked(&feed, after, offset, most);
        }
        if offset > 0
            && after.is_none()
            && cost::is_passable(self.way, &self.plan.parts, &self.plan.links, self.view)
            && let Some(nodes) = self.passing(&feed, offset, most)?
        {
            return Ok(nodes);
        }
        let mut nodes = Vec::with_capacity(most.min(SOME));
        let mut skip = offset;
        self.each(&feed, order, after.map(|after| after.serial), &mut |node| {
            taken(node, &mut skip, &mut nodes, most)
        })?;
        Ok(nodes)
    }

    /// The page after so many matches that are passed over by their number, counted from the end where the last come first.
    fn passing(&mut self, feed: &Feed<'g>, offset: usize, most: usize) -> Result<Option<Vec<Node<'g>>>, QueryError> {
        let (way, view, target) = (self.way, self.view, self.plan.target());
        let (kind, is_back) = (self.kind(target), way.order == Order::Newest);
        let hub = match feed {
            Feed::Source | Feed::Held(..) => None,
            Feed::Relations(from) => match from.as_slice() {
                [only] => Some((*only, self.plan.links[target - 1].hop)),
                _ => return Ok(None),
            },
        };
        let (skip, take) = if is_back {
            let all = hub.map_or_else(|| way.source.count(kind, view), |(only, hop)| only.hop_count(hop));
            let end = all.saturating_sub(offset);
            (end.saturating_sub(most), end.min(most))
        } else {
            (offset, most)
        };
        let passed: Option<Candidates<'_, 'g>> = match hub {
            Some((only, hop)) => Some(Box::new(only.hop_from(hop, skip).map(|(node, _)| node))),
            None => way.source.passing(kind, view, skip),
        };
        let Some(passed) = passed else { return Ok(None) };
        let mut nodes = self.first(passed, take)?;
        if is_back {
            nodes.reverse();
        }
        Ok(Some(nodes))
    }

    /// The first so many, all of which are matches.
    fn first(&mut self, matches: impl Iterator<Item = Node<'g>>, most: usize) -> Result<Vec<Node<'g>>, QueryError> {
        let mut nodes = Vec::with_capacity(most.min(SOME));
        for node in matches.take(most) {
            self.budget.visit(self.plan.target())?;
            nodes.push(node);
        }
        Ok(nodes)
    }

    fn ranked(
        &mut self,
        feed: &Feed<'g>,
        after: Option<&Position>,
        offset: usize,
        most: usize,
    ) -> Result<Vec<Node<'g>>, QueryError> {
        let (view, sort) = (self.view, &self.plan.sort);
        let mut top = Top::new(sort, offset.saturating_add(most));
        self.each(feed, Order::Top, None, &mut |node| {
            let ranked = Ranked::new(sort, node, view);
            if after.is_none_or(|after| ranked.is_after(sort, after)) {
                top.add(ranked);
            }
            ControlFlow::Continue(())
        })?;
        Ok(top
            .finish()
            .into_iter()
            .skip(offset)
            .map(|ranked| ranked.node)
            .collect())
    }

    /// Hands a candidate of the start to the sink if it is a match.
    fn offer(&mut self, node: Node<'g>, sink: Sink<'_, 'g>) -> Result<ControlFlow<()>, QueryError> {
        let at = self.way.start;
        Ok(if self.is_here(at, node)? && self.is_reached(at, node)? {
            sink(node)
        } else {
            ControlFlow::Continue(())
        })
    }

    fn count(&mut self) -> Result<u64, QueryError> {
        let (plan, way, view) = (self.plan, self.way, self.view);
        let target = plan.target();
        let feed = self.feed()?;
        match &feed {
            Feed::Source if cost::is_length(&way.source, way.exact, &plan.parts, view) => {
                self.budget.visit(target)?;
                return Ok(way.source.count(plan.result_kind(), view) as u64);
            }
            Feed::Relations(from)
                if cost::is_counted(&plan.parts, &plan.links, target, view)
                    && (from.len() <= 1 || plan.links[target - 1].fans_out()) =>
            {
                let mut count = 0;
                for node in from {
                    self.budget.visit(target)?;
                    count += node.hop_count(plan.links[target - 1].hop) as u64;
                }
                return Ok(count);
            }
            _ => {}
        }
        let mut count = 0;
        self.each(&feed, Order::Top, None, &mut |_| {
            count += 1;
            ControlFlow::Continue(())
        })?;
        Ok(count)
    }

    fn feed(&mut self) -> Result<Feed<'g>, QueryError> {
        let target = self.plan.target();
        if self.way.start == target {
            let in_order = matches!(self.way.order, Order::Serial | Order::Newest) && !self.plan.is_count();
            return match in_order && self.way.source.is_merged() {
                true => self.held(),
                false => Ok(Feed::Source),
            };
        }
        let mut from = Vec::with_capacity(SOME);
        self.walk_source(None, &mut |node| {
            from.push(node);
            ControlFlow::Continue(())
        })?;
        let mut next = Vec::with_capacity(SOME);
        for at in self.way.start..target - 1 {
            self.walk_relations(at, &from, &mut |node| {
                next.push(node);
                ControlFlow::Continue(())
            })?;
            std::mem::swap(&mut from, &mut next);
            next.clear();
        }
        Ok(Feed::Relations(from))
    }

    /// Every match once; in order of serial, forward or backward, and from one on, which only some feeds can.
    fn each(
        &mut self,
        feed: &Feed<'g>,
        order: Order,
        past: Option<Serial>,
        sink: Sink<'_, 'g>,
    ) -> Result<(), QueryError> {
        match (feed, order) {
            (Feed::Source, Order::Newest) => self.walk_back(past, sink),
            (Feed::Source, _) => self.walk_source(past, sink),
            (Feed::Held(holders, given), _) => self.held_in_order(holders, given, order, past, sink),
            (Feed::Relations(from), Order::Serial) => self.in_order(from, past, sink),
            (Feed::Relations(from), Order::Newest) => self.in_order_back(from, past, sink),
            (Feed::Relations(from), _) => self.walk_relations(self.plan.target() - 1, from, sink),
        }
    }

    /// Is it visible, and does it meet what its part asks of it?
    fn is_here(&mut self, at: usize, node: Node<'g>) -> Result<bool, QueryError> {
        if !self.open[at] && !self.view.sees(node) {
            return Ok(false);
        }
        let subject = EntitySubject { node, view: self.view };
        if !hold(&self.plan.parts[at].conds, &subject, self.budget, at)? {
            return Ok(false);
        }
        if self.way.order == Order::Top && at == self.plan.target() {
            // It is about to be folded, to be compared with the others.
            for key in &self.plan.sort {
                if let (Field::Own(field), true) = (key.field, key.folded) {
                    let text = node.fields().get(field).and_then(Value::as_text);
                    self.budget.read(at, text.map_or(0, str::len))?;
                }
            }
        }
        Ok(true)
    }

    /// Do the parts on its left lead to it?
    fn is_reached(&mut self, at: usize, node: Node<'g>) -> Result<bool, QueryError> {
        let Some(left) = at.checked_sub(1) else { return Ok(true) };
        let plan = self.plan;
        let link = &plan.links[left];
        if let Some(id) = plan.parts[left].pinned {
            self.budget.visit(left)?;
            let Some(other) = self
                .view
                .graph()
                .find(id)
                .filter(|other| other.entity().kind == self.kind(left))
            else {
                return Ok(false);
            };
            let Some(fields) = node.relation(link.back(), other) else {
                return Ok(false);
            };
            return Ok(is_linked(link, other, node, fields, self.budget, left)? && self.is_valid(left, other)?);
        }
        if link.hop.rel.def().relation_type == RelationType::OneToMany && link.hop.direction == Direction::Forward {
            self.budget.visit(left)?;
            return match node.parent(link.hop.rel) {
                Some(parent) => self.is_valid(left, parent),
                None => Ok(false),
            };
        }
        for (other, fields) in node.hop(link.back(), None) {
            self.budget.visit(left)?;
            if is_linked(link, other, node, fields, self.budget, left)? && self.is_valid(left, other)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Is it here and reached? Remembered: many entities lead back to the same few.
    fn is_valid(&mut self, at: usize, node: Node<'g>) -> Result<bool, QueryError> {
        if self.memo.len() <= at {
            self.memo.resize_with(at + 1, HashMap::default);
        }
        if let Some(known) = self.memo[at].get(&node.slot()) {
            return Ok(*known);
        }
        let valid = self.is_here(at, node)? && self.is_reached(at, node)?;
        self.memo[at].insert(node.slot(), valid);
        Ok(valid)
    }
}

/// One more match for a page that begins after so many: more are wanted until it is full.
fn taken<'g>(node: Node<'g>, skip: &mut usize, page: &mut Vec<Node<'g>>, most: usize) -> ControlFlow<()> {
    if *skip > 0 {
        *skip -= 1;
        return ControlFlow::Continue(());
    }
    page.push(node);
    if page.len() >= most {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}

/// Does the relation meet what its part asks of it?
pub(super) fn is_linked<'g>(
    link: &Link,
    left: Node<'g>,
    right: Node<'g>,
    fields: Values<'g>,
    budget: &mut Budget,
    part: usize,
) -> Result<bool, QueryError> {
    let subject = RelationSubject {
        left,
        right,
        direction: link.hop.direction,
        fields,
    };
    hold(&link.conds, &subject, budget, part)
}
