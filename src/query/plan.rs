//! From a prepared selector to a plan: a place to start chosen. A plan holds no entity, but it is for the view it was made
//! on: what its principal cannot see at all it does not look for.

use std::fmt;
use std::ops::Deref;

use super::condition::{Naming, Shown};
use super::cost::{self, Order, Want, Way};
use super::error::QueryError;
use super::prepare::{Link, Part, Prepared, prepare};
use super::source::ShownSource;
use crate::access::View;
use crate::graph::Node;
use crate::limits::Limits;
use crate::selector::ast::Selector;

/// How a selector is going to be answered. `Display` is what explain prints.
#[derive(Clone, Debug)]
pub struct Plan {
    query: Prepared,
    pub(super) way: Way,
    /// What to do after so many visits that led to too few matches, or to no count yet.
    pub(super) instead: Option<(u64, Box<Way>)>,
}

impl Deref for Plan {
    type Target = Prepared;

    fn deref(&self) -> &Prepared {
        &self.query
    }
}

/// Prepares a selector and plans it.
pub fn plan(selector: &Selector, view: &View<'_>, limits: &Limits) -> Result<Plan, QueryError> {
    Ok(Plan::new(prepare(selector, view.who().principal, limits)?, view))
}

impl Plan {
    /// Chooses where to start, by the sizes of indexes alone: nothing is scanned.
    pub fn new(query: Prepared, view: &View<'_>) -> Self {
        let choose = |offset: u64| {
            let want = if query.count {
                Want::Count
            } else {
                Want::Page {
                    need: offset.saturating_add(query.rows).saturating_add(1) as f64,
                    sort: &query.sort,
                }
            };
            cost::choose(&query.parts, &query.links, want, view)
        };
        // Where what comes before a page is passed over by its number, it costs what a first page does.
        let passing = (query.offset > 0 && !query.count).then(|| choose(0)).and_then(|first| {
            let most = query.rows.saturating_add(1);
            cost::passing(first, &query.parts, &query.links, [query.offset, most], view)
        });
        let cost::Choice { way, instead } = passing.unwrap_or_else(|| choose(query.offset));
        Self { query, way, instead }
    }

    /// The plan for every match, up to so many: a page may begin elsewhere than all of it should.
    #[must_use]
    pub fn of_all(&self, at_most: u64, view: &View<'_>) -> Self {
        let want = Want::Page {
            need: at_most as f64,
            sort: &[],
        };
        let cost::Choice { way, instead } = cost::choose(&self.parts, &self.links, want, view);
        Self {
            query: self.query.clone(),
            way,
            instead,
        }
    }

    /// How many entities and relations it expects to visit.
    pub fn estimate(&self) -> u64 {
        self.way.visits.iter().map(|visits| whole(*visits)).sum()
    }

    /// How many of the objects it answers may have others nested in them.
    pub fn expected_rows(&self) -> u64 {
        if self.count { 0 } else { self.estimate().min(self.rows) }
    }

    /// The one object it answers, where it began with that and nothing else.
    pub fn only<'g>(&self, view: &View<'g>) -> Option<Node<'g>> {
        let id = self.way.only.filter(|_| self.way.start == self.target())?;
        view.find(id)
    }

    /// What is done, in the order of doing: the part it is about, in words, with what it is expected to cost.
    pub(super) fn stages(&self, way: &Way) -> Vec<(usize, String, u64)> {
        let stage = |at: usize, word: &str, link| {
            let text = format!(
                "{word} {}",
                ShownPart {
                    plan: self,
                    way,
                    at,
                    link
                }
            );
            (at, text, way.visits.get(at).map_or(0, |visits| whole(*visits)))
        };
        let start = std::iter::once(stage(way.start, "start", None));
        let left = (0..way.start).rev().map(|at| stage(at, "check", Some((at, true))));
        let right = (way.start + 1..self.parts.len()).map(|at| stage(at, "walk", Some((at - 1, false))));
        start.chain(left).chain(right).collect()
    }
}

fn whole(visits: f64) -> u64 {
    visits.max(0.0).ceil() as u64
}

impl fmt::Display for Plan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.show(&self.way, out)?;
        if let Some((patience, way)) = &self.instead {
            write!(out, "\nafter {patience} visits instead\n")?;
            self.show(way, out)?;
        }
        Ok(())
    }
}

impl Plan {
    fn show(&self, way: &Way, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (_, stage, estimate) in self.stages(way) {
            writeln!(out, "{stage} (about {estimate})")?;
        }
        if self.count {
            return out.write_str("answer a count");
        }
        write!(out, "answer {} from {}, ", self.rows, self.offset)?;
        let target = self.result_kind();
        match way.order {
            Order::Serial => out.write_str("in order of serial"),
            Order::Newest => out.write_str("in order of serial, backward"),
            Order::Index { field, descending } => {
                let way = if descending { "backward" } else { "forward" };
                write!(
                    out,
                    "in order of the index {}, {way}",
                    target.def().fields[usize::from(field)].name
                )
            }
            Order::Top => {
                out.write_str("the first by ")?;
                for key in &self.sort {
                    write!(
                        out,
                        "{}{}, ",
                        key.field.name(target),
                        if key.descending { "-" } else { "+" }
                    )?;
                }
                out.write_str("serial")
            }
        }
    }
}

/// A part with how it is come by: from the source, or by a link (its place, walked back or not).
struct ShownPart<'a> {
    plan: &'a Plan,
    way: &'a Way,
    at: usize,
    link: Option<(usize, bool)>,
}

impl fmt::Display for ShownPart<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = &self.plan.parts[self.at];
        let Some((link, back)) = self.link else {
            show_part(part, out)?;
            return write!(out, " by {}", ShownSource(&self.way.source, part.kind));
        };
        show_step(&self.plan.links[link], back, part, out)
    }
}

/// A part behind the link that leads to it, walked back or not.
pub(super) fn show_step(link: &Link, back: bool, part: &Part, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(out, "~{}", if back { link.back().word() } else { link.hop.word() })?;
    for cond in &link.conds {
        write!(out, "[{}]", Shown(cond, Naming::Rel(link.hop.rel)))?;
    }
    out.write_str(" ")?;
    show_part(part, out)
}

fn show_part(part: &Part, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    out.write_str(part.kind.name())?;
    for cond in &part.conds {
        write!(out, "[{}]", Shown(cond, Naming::Kind(part.kind)))?;
    }
    Ok(())
}
