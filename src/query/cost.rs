//! Which part of a selector to begin at. Every part is tried on paper: what its source gives, what checking the parts on
//! its left costs, what walking to the parts on its right costs. Sizes of indexes, of single entities' relations and of
//! types of relations are known exactly, since the graph keeps them with every change; the rest is averages.

use std::ops::Bound;

use smallvec::SmallVec;
use uuid::Uuid;

use super::page::SortKey;
use super::prepare::{Link, Part};
use super::source::{Found, Source, cheapest, only};
use crate::access::View;
use crate::graph::{Graph, Node};
use crate::model::schema::Hop;
use crate::model::{Direction, Field};

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
    /// By serial, the last first: what is in order is walked from its other end.
    Newest,
    /// The start is walked along the index that has the order asked for.
    Index { field: u8, descending: bool },
    /// All matches are looked at, and the first kept.
    Top,
}

/// Where to begin, and what that should cost.
#[derive(Clone, Debug)]
pub(super) struct Way {
    /// The part to begin at. What is left of it is checked, what is right of it is walked to.
    pub start: usize,
    pub source: Source,
    /// The one entity the source gives, where that is known: it is not looked for again.
    pub only: Option<Uuid>,
    /// The source gives just what the conditions of its part allow.
    pub exact: bool,
    pub order: Order,
    /// Expected, by part.
    pub visits: SmallVec<[f64; 4]>,
}

/// The way that should cost least. It may count on matches being spread evenly, stop with the page, and check but a few of
/// many relations; where that could turn out far worse than a way that counts on nothing, that one is taken after so many
/// visits.
pub(super) struct Choice {
    pub way: Way,
    pub instead: Option<(u64, Box<Way>)>,
}

/// Of conditions no index knows, one in three entities is thought to meet them; of those besides an index, one in two.
const UNINDEXED: f64 = 1.0 / 3.0;
const BESIDES: f64 = 0.5;
/// From so many entities at most a page is merged from their relations in order; from more, all are looked at.
pub(super) const MERGED: usize = 1024;

/// How the matches of a part lie among the others of its kind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spread {
    /// As often here as there: a check comes upon one as soon as their share promises.
    Even,
    /// Where they are looked for last: a check looks at every relation.
    Worst,
}

/// A way on paper.
struct Trial<'a> {
    start: usize,
    source: &'a Source,
    exact: bool,
    order: Order,
    /// If matches are spread evenly.
    visits: SmallVec<[f64; 4]>,
    hoped: f64,
    /// However they are spread.
    sure: f64,
}

impl Trial<'_> {
    fn way(&self) -> Way {
        Way {
            start: self.start,
            source: self.source.clone(),
            only: None,
            exact: self.exact,
            order: self.order,
            visits: self.visits.clone(),
        }
    }
}

/// A disappointed way may have cost four times what was hoped, and a little more, before another is taken.
const PATIENCE: f64 = 4.0;
const LITTLE: f64 = 200.0;
/// Visits that cost less than finding out whether another way would make fewer.
const NEARBY: f64 = 50.0;

pub(super) fn choose(parts: &[Part], links: &[Link], want: Want<'_>, view: &View<'_>) -> Choice {
    let target = parts.len() - 1;
    let order = match want {
        Want::Page { sort: [key], .. } if key.field == Field::Serial && key.descending => Order::Newest,
        Want::Page { sort: [_, ..], .. } => Order::Top,
        _ => Order::Serial,
    };
    let alone = |start, source, only, exact, visits| Choice {
        way: Way {
            start,
            source,
            only,
            exact,
            order,
            visits: SmallVec::from_elem(visits, parts.len()),
        },
        instead: None,
    };
    // The kinds at the ends of a link are those of the parts beside it.
    if parts.iter().any(|part| view.sees_none(part.kind)) {
        return alone(target, Source::Nothing, None, false, 0.0);
    }
    let mut found: SmallVec<[Found<'_>; 2]> = parts
        .iter()
        .map(|part| cheapest(&part.conds, part.kind, view))
        .collect();
    if let ([single], true) = (&mut found[..], target == 0)
        && single.estimate <= 1.0
    {
        let only = match &single.source {
            Source::Ids(ids) => ids.first().copied(),
            _ => single.first.map(|node| node.id),
        };
        return alone(
            0,
            std::mem::replace(&mut single.source, Source::Nothing),
            only,
            single.exact,
            single.estimate,
        );
    }
    if let Some(way) = nearby(parts, links, want, view, &mut found, order) {
        return Choice { way, instead: None };
    }
    let trials = trials(&Paper::new(parts, links, want, view, &found), &found, order, want);
    let least = |cost: fn(&Trial<'_>) -> f64| trials.iter().min_by(|one, other| cost(one).total_cmp(&cost(other)));
    let (Some(best), Some(safe)) = (least(|trial| trial.hoped), least(|trial| trial.sure)) else {
        // There is always a part, so always a trial.
        return alone(target, Source::KIND, None, false, 0.0);
    };
    let patience = best.hoped * PATIENCE + LITTLE;
    let doubtful = best.sure > patience && best.sure > 2.0 * safe.sure;
    Choice {
        way: best.way(),
        instead: doubtful.then(|| (patience as u64, Box::new(safe.way()))),
    }
}

/// From one entity that leads to little: whatever else there is could not save much, so it is not looked for.
fn nearby(
    parts: &[Part],
    links: &[Link],
    want: Want<'_>,
    view: &View<'_>,
    found: &mut [Found<'_>],
    order: Order,
) -> Option<Way> {
    let all = |visits: &[f64]| visits.iter().sum::<f64>();
    let from = |start: usize| {
        let node = only(&found[start], parts[start].kind, view);
        (start, node, at_most(start, node, parts, links, view, &found[start]))
    };
    let single = (0..parts.len()).filter(|start| found[*start].estimate <= 1.0);
    let (start, node, mut visits) = single
        .map(from)
        .min_by(|(.., one), (.., other)| all(one).total_cmp(&all(other)))
        .filter(|(.., visits)| all(visits) <= NEARBY)?;
    if let (Want::Page { need, .. }, Order::Serial | Order::Newest, [.., before, last]) = (want, order, &mut visits[..])
        && start < links.len()
    {
        *last = last.min(*before + need);
    }
    Some(Way {
        start,
        source: std::mem::replace(&mut found[start].source, Source::Nothing),
        only: node.map(|node| node.id),
        exact: found[start].exact,
        order,
        visits,
    })
}

/// Visits by part from a start that is one entity: however many meet their conditions, there are no more than are related.
fn at_most(
    start: usize,
    node: Option<Node<'_>>,
    parts: &[Part],
    links: &[Link],
    view: &View<'_>,
    found: &Found<'_>,
) -> SmallVec<[f64; 4]> {
    let from = |at: usize| if at == start { node } else { None };
    let mut visits: SmallVec<[f64; 4]> = SmallVec::from_elem(found.estimate, parts.len());
    for at in (0..start).rev() {
        // A pinned one is looked up.
        let tries = match parts[at].pinned {
            Some(_) => 1.0,
            None => fan(from(at + 1), links[at].back(), view),
        };
        visits[at] = visits[at + 1] * tries;
    }
    for at in start..links.len() {
        visits[at + 1] = visits[at] * fan(from(at), links[at].hop, view);
    }
    visits
}

/// Relations an entity has: this one, or one of its kind on average.
pub(super) fn fan(node: Option<Node<'_>>, hop: Hop, view: &View<'_>) -> f64 {
    if let Some(node) = node {
        return node.hop_count(hop) as f64;
    }
    let def = hop.rel.def();
    let near = match hop.direction {
        Direction::Forward => def.from,
        Direction::Backward => def.to,
    };
    let near = view.graph().kind_count(near).max(1);
    view.graph().relations_of(hop.rel) as f64 / near as f64
}

fn trials<'a>(paper: &Paper<'_>, found: &'a [Found<'_>], order: Order, want: Want<'_>) -> SmallVec<[Trial<'a>; 4]> {
    let target = found.len() - 1;
    let trial = |start, source, exact, order, given, early: bool, besides: [f64; 2]| {
        let given = if paper.is_length(source, exact) { 1.0 } else { given };
        let need = if early { paper.need } else { f64::INFINITY };
        let mut visits = paper.visits(start, given, need, Spread::Even);
        visits[start] += besides[0];
        let hoped = visits.iter().sum();
        let worst = paper.visits(start, given, f64::INFINITY, Spread::Worst);
        let sure = worst.iter().sum::<f64>() + besides[1];
        Trial {
            start,
            source,
            exact,
            order,
            visits,
            hoped,
            sure,
        }
    };
    let mut trials = SmallVec::new();
    let gives_order = |source: &Source| match order {
        Order::Serial => source.is_ordered(),
        Order::Newest => source.is_reversible(),
        Order::Index { .. } | Order::Top => false,
    };
    let by_serial = gives_order(&Source::KIND);
    for (start, found) in found.iter().enumerate() {
        // A walk in the order of the answer ends with the page.
        let is_merged = by_serial && start == target && found.source.is_merged();
        let early = by_serial && (start < target || is_merged || gives_order(&found.source));
        // What leads to those that are merged is gone through first.
        let (given, besides) = if is_merged {
            (found.seen, (found.estimate - found.seen).max(0.0))
        } else {
            (found.estimate, 0.0)
        };
        trials.push(trial(
            start,
            &found.source,
            found.exact,
            order,
            given,
            early,
            [besides; 2],
        ));
    }
    let whole = paper.whole[target];
    // What is merged is in order as well, and counts on no luck.
    if by_serial && !gives_order(&found[target].source) && !found[target].source.is_merged() {
        trials.push(trial(target, &Source::KIND, false, order, whole, true, [0.0; 2]));
    }
    let kind = paper.parts[target].kind;
    if let Want::Page { sort: [key], .. } = want
        && let Field::Own(field) = key.field
        && Graph::is_indexed(kind, field)
    {
        let order = Order::Index {
            field,
            descending: key.descending,
        };
        match &found[target].source {
            source @ Source::Range { field: of, .. } if *of == field => {
                let Found { exact, estimate, .. } = found[target];
                trials.push(trial(target, source, exact, order, estimate, true, [0.0; 2]));
            }
            _ => {
                // The unset ones come first when descending, and no index lists them.
                let set = paper
                    .view
                    .graph()
                    .range_count(kind, field, Bound::Unbounded, Bound::Unbounded) as f64;
                let besides = match whole - set {
                    unset if key.descending && unset > 0.0 => [(paper.need * whole / unset).min(whole), whole],
                    _ => [0.0; 2],
                };
                let exact = found[target].exact && found[target].source == Source::KIND;
                trials.push(trial(target, &Source::KIND, exact, order, whole, true, besides));
            }
        }
    }
    trials
}

/// What the trial of every start needs to know.
struct Paper<'a> {
    parts: &'a [Part],
    links: &'a [Link],
    view: &'a View<'a>,
    /// Entities of each part's kind.
    whole: SmallVec<[f64; 4]>,
    /// Entities that meet each part's own conditions and that the caller sees.
    meeting: SmallVec<[f64; 4]>,
    /// Of those, the ones to which the parts on the left lead as well: of the last part, the matches.
    reached: SmallVec<[f64; 4]>,
    /// What `meeting` would be if nothing were hidden.
    most: SmallVec<[f64; 4]>,
    /// The one entity a part can be, where there is but one.
    only: SmallVec<[Option<Node<'a>>; 2]>,
    /// Matches needed before stopping.
    need: f64,
    count: bool,
}

impl<'a> Paper<'a> {
    fn new(parts: &'a [Part], links: &'a [Link], want: Want<'_>, view: &'a View<'a>, found: &[Found<'a>]) -> Self {
        let whole: SmallVec<[f64; 4]> = parts
            .iter()
            .map(|part| view.graph().kind_count(part.kind) as f64)
            .collect();
        let selected = found.iter().zip(parts).map(|(found, part)| match found.source {
            _ if found.exact || part.conds.is_empty() => 1.0,
            Source::Ids(_) => 1.0,
            Source::Kind { after: None, to: None } | Source::Below { .. } => UNINDEXED,
            _ => BESIDES,
        });
        let selected: SmallVec<[f64; 4]> = selected.collect();
        let of = |number: fn(&Found<'_>) -> f64| {
            let all = found.iter().zip(&selected);
            all.map(|(found, share)| number(found) * share).collect()
        };
        let (meeting, most) = (of(|found| found.seen), of(|found| found.estimate));
        let only = found
            .iter()
            .zip(parts)
            .map(|(found, part)| only(found, part.kind, view));
        let (need, count) = match want {
            Want::Page { need, .. } => (need, false),
            Want::Count => (f64::INFINITY, true),
        };
        let only = only.collect();
        let mut paper = Self {
            parts,
            links,
            view,
            whole,
            meeting,
            most,
            reached: SmallVec::with_capacity(parts.len()),
            only,
            need,
            count,
        };
        let mut reached = f64::INFINITY;
        for at in 0..parts.len() {
            let led = match at.checked_sub(1) {
                Some(left) => reached * paper.fan_right(left) * paper.share(at),
                None => reached,
            };
            reached = led.min(paper.meeting[at]);
            paper.reached.push(reached);
        }
        paper
    }

    /// What share of its kind meets a part's conditions.
    fn share(&self, at: usize) -> f64 {
        self.share_of(self.meeting[at], at)
    }

    /// What share so many are of a part's kind.
    fn share_of(&self, some: f64, at: usize) -> f64 {
        if self.whole[at] > 0.0 {
            (some / self.whole[at]).min(1.0)
        } else {
            0.0
        }
    }

    /// Relations to the part on the right, from one entity.
    fn fan_right(&self, from: usize) -> f64 {
        fan(self.only[from], self.links[from].hop, self.view)
    }

    /// Relations to the part on the left, from one entity.
    fn fan_left(&self, from: usize) -> f64 {
        fan(self.only[from], self.links[from - 1].back(), self.view)
    }

    /// Visits by part, starting at one with a source that gives so many, and ending with so many matches.
    fn visits(&self, start: usize, given: f64, need: f64, spread: Spread) -> SmallVec<[f64; 4]> {
        let target = self.parts.len() - 1;
        let meeting = match spread {
            Spread::Even => &self.meeting,
            Spread::Worst => &self.most,
        };
        let share = |at: usize| self.share_of(meeting[at], at);
        let mut visits: SmallVec<[f64; 4]> = SmallVec::from_elem(0.0, self.parts.len());
        let mut given = given;
        if start == target {
            given = given.min(need * given / self.reached[target].max(f64::MIN_POSITIVE));
        }
        visits[start] = given;
        let mut alive = meeting[start].min(given);
        for at in (0..start).rev() {
            let links = self.fan_left(at + 1);
            // A check ends with the first that will do, if there is one; a pinned one is looked up.
            let tries = match spread {
                _ if self.parts[at].pinned.is_some() => 1.0,
                Spread::Even => links.min(1.0 / self.share_of(self.reached[at], at).max(1e-9)),
                Spread::Worst => links,
            };
            visits[at] = alive * tries;
            // What was checked once is remembered.
            alive = visits[at].min(self.whole[at]);
        }
        let mut reached = meeting[start].min(given);
        for at in start..target {
            let every = reached * self.fan_right(at);
            visits[at + 1] = every;
            if at + 1 == target {
                if self.count && self.is_counted() && (reached <= 1.0 || self.links[at].fans_out()) {
                    visits[target] = reached;
                } else if reached <= MERGED as f64 {
                    visits[target] = every.min(reached + need / share(target).max(1e-9));
                }
            }
            reached = (every * share(at + 1)).min(meeting[at + 1]);
        }
        visits
    }

    /// Is a count just what the source numbers?
    fn is_length(&self, source: &Source, exact: bool) -> bool {
        self.count && is_length(source, exact, self.parts, self.view)
    }

    /// Can the relations to the last part be counted without a look at what they lead to?
    fn is_counted(&self) -> bool {
        let target = self.parts.len() - 1;
        is_counted(self.parts, self.links, target, self.view)
    }
}

/// Is what a selector of one part matches just what its source numbers, and known without a walk?
pub(super) fn is_length(source: &Source, exact: bool, parts: &[Part], view: &View<'_>) -> bool {
    matches!(parts, [only] if exact && source.is_countable() && view.sees_all(only.kind))
}

/// Nothing is asked of the last part and its relation, and nothing of its kind is hidden.
pub(super) fn is_counted(parts: &[Part], links: &[Link], target: usize, view: &View<'_>) -> bool {
    parts[target].conds.is_empty()
        && view.sees_all(parts[target].kind)
        && target.checked_sub(1).is_none_or(|link| links[link].conds.is_empty())
}

/// The choice for a first page, where it can pass over so many matches and give so many after them; with what that costs.
pub(super) fn passing(
    mut first: Choice,
    parts: &[Part],
    links: &[Link],
    [offset, most]: [u64; 2],
    view: &View<'_>,
) -> Option<Choice> {
    let (way, target) = (&mut first.way, parts.len() - 1);
    // One hub has its relations in order; those of several are merged.
    let is_one = way.start == target || way.visits[way.start] <= 1.0 && !matches!(way.source, Source::Below { .. });
    if !is_one || !is_passable(way, parts, links, view) {
        return None;
    }
    if let (Order::Index { field, descending }, Source::Kind { .. }) = (way.order, &way.source) {
        // Those without a value come last, first when descending, and are found among all of the kind.
        let (graph, kind) = (view.graph(), parts[target].kind);
        let whole = graph.kind_count(kind) as f64;
        let set = graph.range_count(kind, field, Bound::Unbounded, Bound::Unbounded) as f64;
        let (offset, end) = (offset as f64, offset as f64 + most as f64);
        let unset = whole - set;
        if descending {
            let among = if offset < unset {
                end.min(unset) * whole / unset
            } else {
                0.0
            };
            way.visits[target] = among + (end.min(whole) - offset.max(unset)).max(0.0);
        } else if end > set && unset > 0.0 {
            let among = if offset < whole { end.min(whole) - set } else { 0.0 };
            way.visits[target] = (set - offset).max(0.0) + among * whole / unset;
        }
    }
    Some(first)
}

/// Are the matches just what an index or a hub has in order, so that the first so many can be passed over by their number?
pub(super) fn is_passable(way: &Way, parts: &[Part], links: &[Link], view: &View<'_>) -> bool {
    let target = parts.len() - 1;
    if way.start < target {
        return matches!(way.order, Order::Serial | Order::Newest)
            && target == 1
            && is_counted(parts, links, target, view);
    }
    let is_all = (way.exact || parts[target].conds.is_empty()) && view.sees_all(parts[target].kind);
    is_all
        && target == 0
        && way.only.is_none()
        && match way.order {
            Order::Serial | Order::Newest => way.source.is_passing(),
            Order::Index { .. } => true,
            Order::Top => false,
        }
}
