//! From a selector to a plan: names resolved, values typed, a place to start chosen. A plan holds no entity, but it is for
//! the view it was made on: what its principal cannot see at all it does not look for.

use std::fmt;

use smallvec::SmallVec;
use uuid::Uuid;

use super::condition::{Cond, Naming, RelationField, Shown, What};
use super::cost::{self, Order, Want, Way};
use super::error::{Code, QueryError};
use super::page::SortKey;
use super::resolve;
use super::source::ShownSource;
use crate::access::View;
use crate::limits::Limits;
use crate::model::schema::Hop;
use crate::model::{Direction, Field, Kind, RelationType, Value};
use crate::selector::ast::{Head, ObjectPart, Params, Predicate, Selector, Span, Step};

/// How a selector is going to be answered. `Display` is what explain prints.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) parts: SmallVec<[Part; 2]>,
    /// One fewer than parts: what leads from each to the next.
    pub(super) links: SmallVec<[Link; 2]>,
    pub(super) way: Way,
    /// What to do after so many visits that led too few matches.
    pub(super) instead: Option<(u64, Box<Way>)>,
    pub(super) sort: Vec<SortKey>,
    pub(super) offset: u64,
    pub(super) rows: u64,
    count: bool,
    names_one: bool,
    /// Where `{…}` stands, if it does.
    params: Option<Span>,
}

/// An object part: what it must be and meet.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub kind: Kind,
    /// All must hold.
    pub conds: SmallVec<[Cond<Field>; 1]>,
    /// The only id that can be here.
    pub pinned: Option<Uuid>,
}

/// A relation part.
#[derive(Clone, Debug)]
pub(super) struct Link {
    /// Read from left to right.
    pub hop: Hop,
    pub conds: Vec<Cond<RelationField>>,
}

impl Link {
    pub fn back(&self) -> Hop {
        Hop {
            rel: self.hop.rel,
            direction: self.hop.direction.opposite(),
        }
    }

    /// Two entities on the left never share one on the right: a child has one parent.
    pub fn fans_out(&self) -> bool {
        self.hop.rel.def().relation_type == RelationType::OneToMany && self.hop.direction == Direction::Forward
    }
}

/// Resolves a selector against the schema and chooses where to start, by the sizes of indexes alone: nothing is scanned.
pub fn plan(selector: &Selector, view: &View<'_>, limits: &Limits) -> Result<Plan, QueryError> {
    if selector.steps.len() as u64 > limits.selector_hops {
        return Err(QueryError::new(
            Code::TooManyHops,
            format!("the selector has {} hops", selector.steps.len()),
        )
        .limit("selector_hops", limits.selector_hops)
        .help("begin nearer to what is wanted: at an id, or at a part further on"));
    }
    let mut parts: SmallVec<[Part; 2]> = SmallVec::with_capacity(selector.steps.len() + 1);
    let mut links: SmallVec<[Link; 2]> = SmallVec::with_capacity(selector.steps.len());
    parts.push(head(&selector.head, view)?);
    for step in &selector.steps {
        let from = parts.last().map_or(Kind::Profile, |part| part.kind);
        let (link, part) = self::step(step, from)?;
        links.push(link);
        parts.push(part);
    }
    within_predicates(selector, limits)?;
    let names_one = selector.steps.is_empty()
        && !selector.params.count
        && match &selector.head {
            Head::Me(_) => true,
            Head::Object(object) => object.predicates.len() == 1 && parts.iter().all(|part| part.pinned.is_some()),
            Head::Named(_) => false,
        };
    let Paging { sort, offset, rows } = paging(&selector.params, parts.last(), limits)?;
    let want = if selector.params.count {
        Want::Count
    } else {
        Want::Page {
            need: offset.saturating_add(rows).saturating_add(1) as f64,
            sort: &sort,
        }
    };
    let choice = cost::choose(&parts, &links, want, view);
    let params = (selector.params != Params::default()).then_some(selector.params.span);
    Ok(Plan {
        way: choice.way,
        instead: choice.instead,
        parts,
        links,
        sort,
        offset,
        rows,
        count: selector.params.count,
        names_one,
        params,
    })
}

fn head(head: &Head, view: &View<'_>) -> Result<Part, QueryError> {
    match head {
        Head::Object(object) => part(object),
        Head::Me(span) => {
            let id = caller(view, *span)?;
            let is_caller = super::condition::Test {
                field: Field::Id,
                folded: false,
                what: What::Equal(Value::Uuid(id)),
            };
            Ok(Part {
                kind: Kind::Profile,
                conds: SmallVec::from_iter([Cond::Test(is_caller)]),
                pinned: Some(id),
            })
        }
        Head::Named(named) => {
            let message = format!(
                "`{}(…)` answers rows, which are no objects to take further",
                named.name.text
            );
            Err(QueryError::new(Code::NamedQueryStandsAlone, message)
                .at(named.span)
                .help("a named query is read by GET, alone; write a selector of object parts instead"))
        }
    }
}

/// Whose `me` this is.
pub(super) fn caller(view: &View<'_>, span: Span) -> Result<Uuid, QueryError> {
    view.who().principal.profile.ok_or_else(|| {
        QueryError::new(Code::NoCaller, "`me` is the caller's Profile, and this token has none")
            .at(span)
            .help("name a profile: `/Profile[@id='…']`, or use a token made with one")
    })
}

/// An object part on its own.
pub(super) fn part(object: &ObjectPart) -> Result<Part, QueryError> {
    let kind = resolve::kind(&object.name)?;
    resolve::collection(object)?;
    let mut conds: SmallVec<[Cond<Field>; 1]> = SmallVec::new();
    for predicate in &object.predicates {
        match resolve::condition(predicate, &|name| resolve::entity_field(kind, name))? {
            Cond::All(all) => conds.extend(all),
            cond => conds.push(cond),
        }
    }
    let pinned = conds.iter().find_map(|cond| match cond {
        Cond::Test(test) => match (test.field, &test.what) {
            (Field::Id, What::Equal(Value::Uuid(id))) => Some(*id),
            _ => None,
        },
        _ => None,
    });
    Ok(Part { kind, conds, pinned })
}

/// A relation part and the object part it leads to.
pub(super) fn step(step: &Step, from: Kind) -> Result<(Link, Part), QueryError> {
    // The object first: without it nobody can say which relation is meant.
    let part = part(&step.object)?;
    let hop = resolve::hop(from, &step.relation, part.kind)?;
    let conds = step
        .relation
        .predicates
        .iter()
        .map(|predicate| resolve::condition(predicate, &|name| resolve::relation_field(hop.rel, name)))
        .collect::<Result<_, _>>()?;
    Ok((Link { hop, conds }, part))
}

fn within_predicates(selector: &Selector, limits: &Limits) -> Result<(), QueryError> {
    let head: &[Predicate] = if let Head::Object(object) = &selector.head {
        &object.predicates
    } else {
        &[]
    };
    let steps = selector
        .steps
        .iter()
        .map(|step| comparisons(&step.relation.predicates) + comparisons(&step.object.predicates));
    let all = comparisons(head) + steps.sum::<u64>();
    if all > limits.predicates {
        return Err(
            QueryError::new(Code::TooManyPredicates, format!("the selector compares {all} times"))
                .limit("predicates", limits.predicates)
                .help("ask in several requests"),
        );
    }
    Ok(())
}

pub(super) fn comparisons(predicates: &[Predicate]) -> u64 {
    let one = |predicate: &Predicate| match predicate {
        Predicate::Compare(_) => 1,
        Predicate::Not(inner) => comparisons(std::slice::from_ref(inner)),
        Predicate::And(all) | Predicate::Or(all) => comparisons(all),
    };
    predicates.iter().map(one).sum()
}

struct Paging {
    sort: Vec<SortKey>,
    offset: u64,
    rows: u64,
}

fn paging(params: &Params, target: Option<&Part>, limits: &Limits) -> Result<Paging, QueryError> {
    let kind = target.map_or(Kind::Profile, |part| part.kind);
    let mut sort: Vec<SortKey> = Vec::new();
    for by in &params.sort {
        let found = resolve::entity_field(kind, &by.field)?;
        // Named again a field decides nothing, and would make a cursor longer.
        if sort.iter().all(|key| key.field != found.field) {
            sort.push(SortKey {
                field: found.field,
                folded: found.folded,
                descending: by.descending,
            });
        }
    }
    let rows = params.rows.unwrap_or(limits.page.min(limits.page_max));
    if params.rows == Some(0) && !params.count {
        return Err(
            QueryError::new(Code::PageTooSmall, "a page of 0 has nothing to go on from")
                .at(params.span)
                .help("ask for at least 1, or for `{count}`"),
        );
    }
    if rows > limits.page_max && !params.count {
        return Err(
            QueryError::new(Code::PageTooLarge, format!("a page of {rows} is too large"))
                .at(params.span)
                .limit("page_max", limits.page_max)
                .help(format!("ask for at most {} and follow `nextCursor`", limits.page_max)),
        );
    }
    Ok(Paging {
        sort,
        offset: params.index.unwrap_or(0),
        rows,
    })
}

impl Plan {
    /// How many entities and relations it expects to visit.
    pub fn estimate(&self) -> u64 {
        self.way.visits.iter().map(|visits| whole(*visits)).sum()
    }

    /// How many of the objects it answers may have others nested in them.
    pub fn expected_rows(&self) -> u64 {
        if self.count { 0 } else { self.estimate().min(self.rows) }
    }

    pub fn result_kind(&self) -> Kind {
        self.parts.last().map_or(Kind::Profile, |part| part.kind)
    }

    /// `/me`, or one part by `[@id='…']`: there is one at most, and the selector says which.
    pub fn names_one(&self) -> bool {
        self.names_one
    }

    pub fn is_count(&self) -> bool {
        self.count
    }

    /// Refuses a selector with `{…}` where every match is meant.
    pub(super) fn without_params(&self) -> Result<(), QueryError> {
        match self.params {
            None => Ok(()),
            Some(span) => Err(QueryError::new(
                Code::ParamsNotAllowed,
                "every match is taken here, so there is nothing to page or count",
            )
            .at(span)
            .help("leave out `{…}`")),
        }
    }

    pub(super) fn target(&self) -> usize {
        self.parts.len() - 1
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
        if let Some((link, back)) = self.link {
            let link = &self.plan.links[link];
            write!(out, "~{}", if back { link.back().word() } else { link.hop.word() })?;
            for cond in &link.conds {
                write!(out, "[{}]", Shown(cond, Naming::Rel(link.hop.rel)))?;
            }
            out.write_str(" ")?;
        }
        write!(out, "{}", part.kind.name())?;
        for cond in &part.conds {
            write!(out, "[{}]", Shown(cond, Naming::Kind(part.kind)))?;
        }
        if self.link.is_none() {
            write!(out, " by {}", ShownSource(&self.way.source, part.kind))?;
        }
        Ok(())
    }
}
