//! Which part of a selector to begin at. Every part is tried on paper: what its source gives, what checking the parts on
//! its left costs, what walking to the parts on its right costs. Sizes of indexes and of single entities' relations are
//! known exactly, the rest is averages.

use smallvec::SmallVec;

use super::page::SortKey;
use super::plan::{Link, Part};
use super::source::{Found, Source, cheapest, only};
use crate::access::View;
use crate::graph::{Graph, Node};
use crate::model::schema::Hop;
use crate::model::{Direction, Field, RelationType};

/// How much of the result somebody needs.
#[derive(Clone, Copy)]
pub(super) enum Want<'a> {
    Page { need: f64, sort: &'a [SortKey] },
    Count,
}

/// How the answer comes to be in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// By serial: most sources give it for nothing.
    Serial,
    /// The start is walked along the index that has the order asked for.
    Index { field: u8, descending: bool },
    /// All matches are looked at, and the first kept.
    Top,
}

pub(super) struct Choice {
    pub start: usize,
    pub source: Source,
    pub exact: bool,
    pub order: Order,
    /// By part.
    pub visits: SmallVec<[f64; 2]>,
}

/// Of conditions no index knows, one in three entities is thought to meet them; of those besides an index, one in two.
const UNINDEXED: f64 = 1.0 / 3.0;
const BESIDES: f64 = 0.5;
/// Relations of an entity by a many-to-many, where nothing better is known.
const MANY: f64 = 4.0;
/// From so many entities at most a page is merged from their relations in order; from more, all are looked at.
pub(super) const MERGED: usize = 1024;

pub(super) fn choose(parts: &[Part], links: &[Link], want: Want<'_>, view: &View<'_>) -> Choice {
    let target = parts.len() - 1;
    if parts.iter().any(|part| view.sees_none(part.kind)) || links.iter().any(|link| !view.sees_relation(link.hop.rel))
    {
        let visits = SmallVec::from_elem(0.0, parts.len());
        return Choice {
            start: target,
            source: Source::Nothing,
            exact: false,
            order: Order::Serial,
            visits,
        };
    }
    let found: SmallVec<[Found; 2]> = parts
        .iter()
        .map(|part| cheapest(&part.conds, part.kind, view))
        .collect();
    let order = match want {
        Want::Page { sort: [_, ..], .. } => Order::Top,
        _ => Order::Serial,
    };
    if let ([only], true) = (&found[..], found[0].estimate <= 1.0) {
        let visits = SmallVec::from_elem(only.estimate, 1);
        return Choice {
            start: 0,
            source: only.source.clone(),
            exact: only.exact,
            order,
            visits,
        };
    }
    let paper = Paper::new(parts, links, want, view, &found);
    let mut best: Option<(f64, Choice)> = None;
    let mut consider = |start: usize, source: &Source, exact: bool, order: Order, visits: SmallVec<[f64; 2]>| {
        let cost = visits.iter().sum::<f64>();
        if best.as_ref().is_none_or(|(least, _)| cost < *least) {
            best = Some((
                cost,
                Choice {
                    start,
                    source: source.clone(),
                    exact,
                    order,
                    visits,
                },
            ));
        }
    };
    for (start, found) in found.iter().enumerate() {
        let early = start == target && order == Order::Serial && found.source.is_ordered();
        consider(
            start,
            &found.source,
            found.exact,
            order,
            paper.visits(start, found.estimate, early),
        );
    }
    let whole = paper.whole[target];
    if order == Order::Serial && !found[target].source.is_ordered() {
        consider(target, &Source::KIND, false, order, paper.visits(target, whole, true));
    }
    if let Want::Page { sort: [key], .. } = want
        && let Field::Own(field) = key.field
        && Graph::is_indexed(parts[target].kind, field)
    {
        let order = Order::Index {
            field,
            descending: key.descending,
        };
        // The unset ones come first when descending, and no index lists them.
        let kind = parts[target].kind;
        match &found[target].source {
            source @ Source::Range { field: of, .. } if *of == field => {
                consider(
                    target,
                    source,
                    false,
                    order,
                    paper.visits(target, found[target].estimate, true),
                );
            }
            _ => {
                let everything = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
                let set = view.graph().range_count(kind, field, everything.0, everything.1) as f64;
                let unset = whole - set;
                let mut visits = paper.visits(target, whole, true);
                if key.descending && unset > 0.0 {
                    visits[target] += (paper.need * whole / unset).min(whole);
                }
                consider(target, &Source::KIND, false, order, visits);
            }
        }
    }
    match best {
        Some((_, choice)) => choice,
        // There is always a part, so always a choice.
        None => Choice {
            start: target,
            source: Source::KIND,
            exact: false,
            order,
            visits: SmallVec::from_elem(whole, parts.len()),
        },
    }
}

/// What the trial of every start needs to know.
struct Paper<'a> {
    parts: &'a [Part],
    links: &'a [Link],
    view: &'a View<'a>,
    /// Entities of each part's kind.
    whole: SmallVec<[f64; 2]>,
    /// Entities that meet each part's own conditions.
    meeting: SmallVec<[f64; 2]>,
    /// The one entity a part can be, where there is but one.
    only: SmallVec<[Option<Node<'a>>; 2]>,
    /// Matches needed before stopping.
    need: f64,
    sorted: bool,
    count: bool,
    result: f64,
}

impl<'a> Paper<'a> {
    fn new(parts: &'a [Part], links: &'a [Link], want: Want<'_>, view: &'a View<'a>, found: &[Found]) -> Self {
        let whole: SmallVec<[f64; 2]> = parts
            .iter()
            .map(|part| view.graph().kind_count(part.kind) as f64)
            .collect();
        let meeting = found.iter().zip(parts).map(|(found, part)| match found.source {
            _ if found.exact || part.conds.is_empty() => found.estimate,
            Source::Ids(_) => found.estimate,
            Source::Kind { after: None, to: None } => found.estimate * UNINDEXED,
            _ => found.estimate * BESIDES,
        });
        let only = found
            .iter()
            .zip(parts)
            .map(|(found, part)| only(found, part.kind, view));
        let (need, sorted, count) = match want {
            Want::Page { need, sort } => (need, !sort.is_empty(), false),
            Want::Count => (f64::INFINITY, false, true),
        };
        let (meeting, only) = (meeting.collect(), only.collect());
        let mut paper = Self {
            parts,
            links,
            view,
            whole,
            meeting,
            only,
            need,
            sorted,
            count,
            result: 0.0,
        };
        paper.result = (0..parts.len())
            .map(|start| paper.results_from(start))
            .fold(f64::INFINITY, f64::min);
        paper
    }

    /// What share of its kind meets a part's conditions.
    fn share(&self, at: usize) -> f64 {
        if self.whole[at] > 0.0 {
            (self.meeting[at] / self.whole[at]).min(1.0)
        } else {
            0.0
        }
    }

    /// Relations to the part on the right, from one entity.
    fn fan_right(&self, from: usize) -> f64 {
        self.fan(self.only[from], self.links[from].hop)
    }

    /// Relations to the part on the left, from one entity.
    fn fan_left(&self, from: usize) -> f64 {
        self.fan(self.only[from], self.links[from - 1].back())
    }

    fn fan(&self, node: Option<Node<'a>>, hop: Hop) -> f64 {
        if let Some(node) = node {
            return node.hop_count(hop) as f64;
        }
        let def = hop.rel.def();
        let (from, to) = match hop.direction {
            Direction::Forward => (def.from, def.to),
            Direction::Backward => (def.to, def.from),
        };
        let size = |kind| self.view.graph().kind_count(kind) as f64;
        match (def.relation_type, hop.direction) {
            (RelationType::OneToMany, Direction::Backward) => 1.0,
            (RelationType::OneToMany, Direction::Forward) => size(to) / size(from).max(1.0),
            _ => MANY.max(2.0 * size(to) / size(from).max(1.0)).min(size(to)),
        }
    }

    fn results_from(&self, start: usize) -> f64 {
        let mut results = self.meeting[start];
        for at in start..self.links.len() {
            results = (results * self.fan_right(at) * self.share(at + 1)).min(self.meeting[at + 1]);
        }
        results
    }

    /// Visits by part, starting at one with a source that gives so many; `early`: the source is in the order of the
    /// answer, so the walk ends with the page.
    fn visits(&self, start: usize, given: f64, early: bool) -> SmallVec<[f64; 2]> {
        let target = self.parts.len() - 1;
        let mut visits: SmallVec<[f64; 2]> = SmallVec::from_elem(0.0, self.parts.len());
        let mut given = given;
        if early {
            given = given.min(self.need * given / self.result.max(f64::MIN_POSITIVE));
        }
        visits[start] = given;
        let mut alive = self.meeting[start].min(given);
        for at in (0..start).rev() {
            let links = self.fan_left(at + 1);
            // A check ends with the first that will do; a pinned one is looked up.
            let tries = if self.parts[at].pinned.is_some() {
                1.0
            } else {
                links.min(1.0 / self.share(at).max(1e-9))
            };
            visits[at] = alive * tries;
            // What was checked once is remembered.
            alive = visits[at].min(self.whole[at]);
        }
        let mut reached = self.meeting[start].min(given);
        for at in start..target {
            let every = reached * self.fan_right(at);
            visits[at + 1] = every;
            if at + 1 == target {
                if self.count && self.is_counted() && (reached <= 1.0 || self.links[at].fans_out()) {
                    visits[target] = reached;
                } else if !self.sorted && reached <= MERGED as f64 {
                    visits[target] = every.min(reached + self.need / self.share(target).max(1e-9));
                }
            }
            reached = (every * self.share(at + 1)).min(self.meeting[at + 1]);
        }
        visits
    }

    /// Can the relations to the last part be counted without a look at what they lead to?
    fn is_counted(&self) -> bool {
        let target = self.parts.len() - 1;
        is_counted(self.parts, self.links, target, self.view)
    }
}

/// Nothing is asked of the last part and its relation, and nothing of its kind is hidden.
pub(super) fn is_counted(parts: &[Part], links: &[Link], target: usize, view: &View<'_>) -> bool {
    parts[target].conds.is_empty()
        && view.sees_all(parts[target].kind)
        && target.checked_sub(1).is_none_or(|link| links[link].conds.is_empty())
}
