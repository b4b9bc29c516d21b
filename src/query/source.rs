//! Where the entities of a part can be had from without looking at all of its kind: ids, an index, a parent. Looks at
//! counts only; a source may give more than its conditions allow, never less.

use std::fmt;
use std::ops::Bound;

use compact_str::CompactString;
use smallvec::SmallVec;
use uuid::Uuid;

use super::condition::{Cond, ShownValue, Test, What};
use super::cost::MERGED;
use super::merge::Merge;
use crate::access::View;
use crate::access::below::About;
use crate::graph::{Graph, Node};
use crate::model::schema::Hop;
use crate::model::{Field, Kind, Rel, Serial, Value};
use crate::selector::Quoted;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Source {
    /// The caller sees nothing of what the selector is about.
    Nothing,
    Ids(SmallVec<[Uuid; 1]>),
    /// All of the kind, or those of its serials after one and up to another.
    Kind {
        after: Option<Serial>,
        to: Option<Serial>,
    },
    Equal {
        field: u8,
        value: Value,
    },
    Prefix {
        field: u8,
        prefix: CompactString,
    },
    Range {
        field: u8,
        from: Bound<Value>,
        to: Bound<Value>,
    },
    /// `ref_Parent_id = …`
    Children {
        rel: Rel,
        parent: Uuid,
    },
    /// What hangs below the organization a token is bound to, and below its own profile: nothing else is visible. On so few
    /// that it can be merged in order of serial, or not.
    Below {
        merged: bool,
    },
    /// Any of these: an `or` whose every branch has a source.
    Union(Vec<Source>),
}

/// A source with what is known of it before walking.
#[derive(Clone, Debug)]
pub(super) struct Found<'g> {
    pub source: Source,
    /// How many entities it gives, hidden ones and those on the way to others included.
    pub estimate: f64,
    /// How many of those the caller is thought to see.
    pub seen: f64,
    /// The first of them, where counting came upon it.
    pub first: Option<Node<'g>>,
    /// It gives just what the part's conditions allow (hidden ones apart).
    pub exact: bool,
}

pub(super) type Candidates<'p, 'g> = Box<dyn Iterator<Item = Node<'g>> + 'p>;

impl Source {
    pub const KIND: Self = Self::Kind { after: None, to: None };

    /// Does it give its entities in order of serial?
    pub fn is_ordered(&self) -> bool {
        match self {
            Self::Prefix { .. } | Self::Range { .. } | Self::Below { .. } => false,
            Self::Union(all) => all.iter().all(Self::is_ordered),
            _ => true,
        }
    }

    /// Can its entities be merged in order of serial, either way?
    pub fn is_merged(&self) -> bool {
        matches!(self, Self::Below { merged: true })
    }

    /// Can it give its entities the other way round?
    pub fn is_reversible(&self) -> bool {
        matches!(self, Self::Kind { .. } | Self::Equal { .. } | Self::Children { .. })
    }

    /// Can the first so many of its entities, in order of serial, be passed over?
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Kind { after: None, to: None } | Self::Equal { .. } | Self::Children { .. }
        )
    }

    /// Could it give an entity twice, and not one right after the other?
    pub fn may_repeat(&self) -> bool {
        matches!(self, Self::Union(_) | Self::Below { .. }) && !self.is_ordered()
    }

    /// Is `count` just how many it gives?
    pub fn is_countable(&self) -> bool {
        !matches!(
            self,
            Self::Ids(_)
                | Self::Union(_)
                | Self::Below { .. }
                | Self::Kind { after: Some(_), .. }
                | Self::Kind { to: Some(_), .. }
        )
    }

    /// Its entities, hidden ones too. `after` a serial is for ordered sources only.
    pub fn candidates<'p, 'g: 'p>(
        &'p self,
        kind: Kind,
        view: &'p View<'g>,
        after: Option<Serial>,
    ) -> Candidates<'p, 'g> {
        let graph = view.graph();
        match self {
            Self::Nothing => Box::new(std::iter::empty()),
            Self::Ids(ids) => Box::new(by_ids(graph, ids, kind, after).into_iter()),
            Self::Kind { after: from, to: None } => Box::new(graph.of_kind(kind, after.max(*from))),
            Self::Kind {
                after: from,
                to: Some(to),
            } => Box::new(
                graph
                    .of_kind(kind, after.max(*from))
                    .take_while(|node| node.serial() <= *to),
            ),
            Self::Equal { field, value } => Box::new(graph.by_value(kind, *field, value, after)),
            Self::Prefix { field, prefix } => Box::new(graph.by_prefix(kind, *field, prefix)),
            Self::Range { field, from, to } => Box::new(graph.in_range(kind, *field, from.as_ref(), to.as_ref())),
            Self::Children { rel, parent } => {
                let children = parent_of(view, *rel, *parent).map(|parent| parent.hop(Hop::forward(*rel), after));
                Box::new(children.into_iter().flatten().map(|(child, _)| child))
            }
            Self::Below { .. } => Box::new(view.below(kind).flatten()),
            Self::Union(all) => {
                let all = all.iter().map(|source| source.candidates(kind, view, after));
                if self.is_ordered() {
                    Box::new(Merge::new(Vec::new(), all, |node: &Node<'g>| node.serial()))
                } else {
                    Box::new(all.collect::<Vec<_>>().into_iter().flatten())
                }
            }
        }
    }

    /// Its entities, the newest first, before a serial if one is given: of those that are reversible.
    pub fn backward<'p, 'g: 'p>(
        &'p self,
        kind: Kind,
        view: &View<'g>,
        before: Option<Serial>,
    ) -> Option<Candidates<'p, 'g>> {
        let graph = view.graph();
        match self {
            Self::Kind { after, to } => {
                let end = to.map_or(Serial::MAX, |to| to.saturating_add(1));
                let end = before.map_or(end, |before| before.min(end));
                let nodes = graph.of_kind_back(kind, Some(end));
                Some(Box::new(
                    nodes.take_while(move |node| after.is_none_or(|after| node.serial() > after)),
                ))
            }
            Self::Equal { field, value } => Some(Box::new(graph.by_value_back(kind, *field, value, before))),
            Self::Children { rel, parent } => {
                let hop = Hop::forward(*rel);
                let end = before.unwrap_or(Serial::MAX);
                let children = parent_of(view, *rel, *parent).map(|parent| parent.hop_before(hop, end).rev());
                Some(Box::new(children.into_iter().flatten().map(|(child, _)| child)))
            }
            _ => None,
        }
    }

    /// Its entities in order of serial but for the first so many, where those need not be gone through.
    pub fn passing<'p, 'g: 'p>(&'p self, kind: Kind, view: &View<'g>, skip: usize) -> Option<Candidates<'p, 'g>> {
        let graph = view.graph();
        match self {
            Self::Kind { after: None, to: None } => Some(Box::new(graph.of_kind_from(kind, skip))),
            Self::Equal { field, value } => Some(Box::new(graph.by_value_from(kind, *field, value, skip))),
            Self::Children { rel, parent } => {
                let children = parent_of(view, *rel, *parent).map(|parent| parent.hop_from(Hop::forward(*rel), skip));
                Some(Box::new(children.into_iter().flatten().map(|(child, _)| child)))
            }
            _ => None,
        }
    }

    /// As `count`, and the first of them where counting comes upon it.
    fn count_from<'g>(&self, kind: Kind, view: &View<'g>) -> (usize, Option<Node<'g>>) {
        match self {
            Self::Equal { field, value } => view.graph().value_count(kind, *field, value),
            source => (source.count(kind, view), None),
        }
    }

    /// What the whole of it numbers, from the sizes of indexes.
    pub fn count(&self, kind: Kind, view: &View<'_>) -> usize {
        let graph = view.graph();
        match self {
            Self::Nothing => 0,
            Self::Ids(ids) => ids.len(),
            Self::Kind { after: None, to: None } => graph.kind_count(kind),
            Self::Kind { after, to } => {
                let end = to.unwrap_or(Serial::MAX).min(graph.next_serial().saturating_sub(1));
                let serials = end.saturating_sub(after.unwrap_or(0));
                graph
                    .kind_count(kind)
                    .min(usize::try_from(serials).unwrap_or(usize::MAX))
            }
            Self::Equal { field, value } => graph.value_count(kind, *field, value).0,
            Self::Prefix { field, prefix } => graph.prefix_count(kind, *field, prefix),
            Self::Range { field, from, to } => graph.range_count(kind, *field, from.as_ref(), to.as_ref()),
            Self::Children { rel, parent } => {
                parent_of(view, *rel, *parent).map_or(0, |parent| parent.hop_count(Hop::forward(*rel)))
            }
            Self::Below { .. } => view.below(kind).about().walked as usize,
            Self::Union(all) => all.iter().map(|source| source.count(kind, view)).sum(),
        }
    }
}

fn parent_of<'g>(view: &View<'g>, rel: Rel, id: Uuid) -> Option<Node<'g>> {
    view.find(id)
        .filter(|node| node.entity().kind == rel.def().from && view.sees_relation(rel))
}

fn by_ids<'g>(graph: &'g Graph, ids: &[Uuid], kind: Kind, after: Option<Serial>) -> SmallVec<[Node<'g>; 1]> {
    let mut nodes: SmallVec<[Node<'g>; 1]> = ids
        .iter()
        .filter_map(|id| graph.find(*id))
        .filter(|node| node.entity().kind == kind && after.is_none_or(|after| node.serial() > after))
        .collect();
    nodes.sort_unstable_by_key(|node| node.serial());
    nodes.dedup();
    nodes
}

/// The cheapest source for a part whose conditions all hold; the kind itself if they allow no better one.
pub(super) fn cheapest<'g>(conds: &[Cond<Field>], kind: Kind, view: &View<'g>) -> Found<'g> {
    if view.sees_none(kind) {
        return Found {
            source: Source::Nothing,
            estimate: 0.0,
            seen: 0.0,
            first: None,
            exact: true,
        };
    }
    let whole = Source::KIND.count(kind, view) as f64;
    let best = match of_all(conds, kind, view) {
        // An id is as good as it gets; what else is true of it does not matter.
        Some(found) if found.estimate <= 1.0 => return found,
        Some(found) if found.estimate < whole => found,
        found => Found {
            source: Source::KIND,
            estimate: whole,
            seen: whole,
            first: None,
            // What an index has of all of the kind, all of the kind meets.
            exact: conds.is_empty() || found.is_some_and(|found| found.exact && found.source.is_countable()),
        },
    };
    if view.sees_all(kind) {
        return best;
    }
    // What is hidden should cost nothing: neither does a world in which one's own is little, nor does its size show.
    let About { walked, given, holders } = view.below(kind).about();
    if walked >= best.estimate {
        // Much on the way may lead to little: what is visible is taken to lie evenly among the rest of its kind.
        let share = if whole > 0.0 { (given / whole).min(1.0) } else { 0.0 };
        let seen = match best.source {
            // Whoever names some by their ids has seen them.
            Source::Ids(_) => best.estimate,
            _ => best.estimate * share,
        };
        return Found { seen, ..best };
    }
    Found {
        source: Source::Below {
            merged: holders <= MERGED as f64,
        },
        estimate: walked,
        seen: given,
        first: None,
        exact: conds.is_empty(),
    }
}

fn of_all<'g>(conds: &[Cond<Field>], kind: Kind, view: &View<'g>) -> Option<Found<'g>> {
    let mut best: Option<Found<'g>> = None;
    for cond in conds {
        let Some(source) = of(cond, kind, view) else { continue };
        let (count, first) = source.count_from(kind, view);
        let found = Found {
            estimate: count as f64,
            seen: count as f64,
            source,
            first,
            exact: conds.len() == 1 && is_exact(cond, kind),
        };
        if matches!(found.source, Source::Ids(_)) {
            return Some(found);
        }
        if best.as_ref().is_none_or(|best| found.estimate < best.estimate) {
            best = Some(found);
        }
    }
    if conds.len() > 1 {
        for source in windows(conds, kind) {
            let estimate = source.count(kind, view) as f64;
            if best.as_ref().is_none_or(|best| estimate < best.estimate) {
                best = Some(Found {
                    source,
                    estimate,
                    seen: estimate,
                    first: None,
                    exact: false,
                });
            }
        }
    }
    best
}

fn of(cond: &Cond<Field>, kind: Kind, view: &View<'_>) -> Option<Source> {
    match cond {
        Cond::Test(test) => of_test(test, kind),
        Cond::All(all) => of_all(all, kind, view).map(|found| found.source),
        Cond::Any(any) => {
            let all = any
                .iter()
                .map(|cond| of(cond, kind, view))
                .collect::<Option<Vec<_>>>()?;
            if all.iter().all(|source| matches!(source, Source::Ids(_))) {
                let ids = all
                    .iter()
                    .flat_map(|source| if let Source::Ids(ids) = source { &ids[..] } else { &[] });
                return Some(Source::Ids(ids.copied().collect()));
            }
            Some(Source::Union(all))
        }
        Cond::Not(_) => None,
    }
}

fn of_test(test: &Test<Field>, kind: Kind) -> Option<Source> {
    let field = match test.field {
        Field::Own(field) if Graph::is_indexed(kind, field) => field,
        Field::Id => {
            return match test.what {
                What::Equal(Value::Uuid(id)) => Some(Source::Ids(SmallVec::from_buf([id]))),
                _ => None,
            };
        }
        Field::Parent(rel) => {
            return match test.what {
                What::Equal(Value::Uuid(parent)) => Some(Source::Children { rel, parent }),
                _ => None,
            };
        }
        Field::Serial => return serials(&test.what),
        _ => return None,
    };
    Some(match &test.what {
        What::Equal(value) => Source::Equal {
            field,
            value: value.clone(),
        },
        What::Prefix(prefix) if !prefix.is_empty() => Source::Prefix {
            field,
            prefix: prefix.clone(),
        },
        // Like ignores case: only an index that does so too can help.
        What::Like(pattern, _) if test.folded && !pattern.prefix().is_empty() => Source::Prefix {
            field,
            prefix: pattern.prefix().into(),
        },
        what => {
            let (from, to) = bounds(what)?;
            Source::Range { field, from, to }
        }
    })
}

fn bounds(what: &What) -> Option<(Bound<Value>, Bound<Value>)> {
    Some(match what {
        What::Less(value) => (Bound::Unbounded, Bound::Excluded(value.clone())),
        What::LessOrEqual(value) => (Bound::Unbounded, Bound::Included(value.clone())),
        What::Greater(value) => (Bound::Excluded(value.clone()), Bound::Unbounded),
        What::GreaterOrEqual(value) => (Bound::Included(value.clone()), Bound::Unbounded),
        // Those without a value are in no index.
        What::Set => (Bound::Unbounded, Bound::Unbounded),
        _ => return None,
    })
}

/// Serials are numbered from 1, and a kind is kept in their order.
fn serials(what: &What) -> Option<Source> {
    let number = |value: &Value| value.as_int().map(|number| Serial::try_from(number).unwrap_or(0));
    let (after, to) = match what {
        What::Equal(value) => (number(value)?.checked_sub(1), number(value)),
        What::Less(value) => (None, Some(number(value)?.saturating_sub(1))),
        What::LessOrEqual(value) => (None, number(value)),
        What::Greater(value) => (number(value), None),
        What::GreaterOrEqual(value) => (number(value)?.checked_sub(1), None),
        _ => return None,
    };
    Some(Source::Kind { after, to })
}

/// Several bounds of one field make one window.
fn windows(conds: &[Cond<Field>], kind: Kind) -> Vec<Source> {
    let mut windows: Vec<Source> = Vec::new();
    let mut seen: SmallVec<[Field; 4]> = SmallVec::new();
    for cond in conds {
        let Cond::Test(Test { field, .. }) = cond else { continue };
        if seen.contains(field) {
            continue;
        }
        seen.push(*field);
        let same = conds.iter().filter_map(|other| match other {
            Cond::Test(test) if test.field == *field => of_test(test, kind),
            _ => None,
        });
        let joined = same
            .filter(|source| matches!(source, Source::Range { .. } | Source::Kind { .. }))
            .reduce(join);
        windows.extend(joined);
    }
    windows
}

fn join(one: Source, other: Source) -> Source {
    match (one, other) {
        (
            Source::Range { field, from, to },
            Source::Range {
                from: other_from,
                to: other_to,
                ..
            },
        ) => Source::Range {
            field,
            from: tighter(from, other_from, |one, other| one > other),
            to: tighter(to, other_to, |one, other| one < other),
        },
        (
            Source::Kind { after, to },
            Source::Kind {
                after: other_after,
                to: other_to,
            },
        ) => Source::Kind {
            after: after.max(other_after),
            to: match (to, other_to) {
                (Some(to), Some(other)) => Some(to.min(other)),
                (to, other) => to.or(other),
            },
        },
        (one, _) => one,
    }
}

fn tighter(one: Bound<Value>, other: Bound<Value>, further: impl Fn(&Value, &Value) -> bool) -> Bound<Value> {
    let value = |bound: &Bound<Value>| match bound {
        Bound::Included(value) | Bound::Excluded(value) => Some(value.clone()),
        Bound::Unbounded => None,
    };
    match (value(&one), value(&other)) {
        (None, _) => other,
        (_, None) => one,
        (Some(first), Some(second)) if first == second => {
            if matches!(one, Bound::Excluded(_)) {
                one
            } else {
                other
            }
        }
        (Some(first), Some(second)) => {
            if further(&first, &second) {
                one
            } else {
                other
            }
        }
    }
}

/// Does the source of this condition give nothing that the condition refuses?
fn is_exact(cond: &Cond<Field>, kind: Kind) -> bool {
    match cond {
        Cond::Test(test) => !matches!(test.what, What::Like(..)) && of_test(test, kind).is_some(),
        Cond::All(_) | Cond::Not(_) => false,
        Cond::Any(any) => any.iter().all(|cond| is_exact(cond, kind)),
    }
}

/// The only entity a source gives, if it is surely one at most.
pub(super) fn only<'g>(found: &Found<'g>, kind: Kind, view: &View<'g>) -> Option<Node<'g>> {
    if found.estimate > 1.0 {
        return None;
    }
    match &found.source {
        Source::Ids(ids) => ids
            .first()
            .and_then(|id| view.graph().find(*id))
            .filter(|node| node.entity().kind == kind),
        // Its estimate is not sure.
        Source::Below { .. } => None,
        source => found.first.or_else(|| source.candidates(kind, view, None).next()),
    }
}

pub(super) struct ShownSource<'a>(pub &'a Source, pub Kind);

impl fmt::Display for ShownSource<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(source, kind) = self;
        let name = |field: &u8| kind.def().fields[usize::from(*field)].name;
        let bound = |out: &mut fmt::Formatter<'_>, bound: &Bound<Value>, open: &str, closed: &str| match bound {
            Bound::Included(value) => write!(out, " {closed} {}", ShownValue(value)),
            Bound::Excluded(value) => write!(out, " {open} {}", ShownValue(value)),
            Bound::Unbounded => Ok(()),
        };
        match source {
            Source::Nothing => out.write_str("nothing, since none is visible"),
            Source::Ids(ids) if ids.len() == 1 => write!(out, "id '{}'", ids[0]),
            Source::Ids(ids) => write!(out, "{} ids", ids.len()),
            Source::Kind { after: None, to: None } => out.write_str("all of its kind"),
            Source::Kind { after, to } => {
                out.write_str("serial")?;
                after.map_or(Ok(()), |after| write!(out, " > {after}"))?;
                to.map_or(Ok(()), |to| write!(out, " <= {to}"))
            }
            Source::Equal { field, value } => write!(out, "index {} = {}", name(field), ShownValue(value)),
            Source::Prefix { field, prefix } => write!(out, "index {} * {}", name(field), Quoted(prefix)),
            Source::Range { field, from, to } => {
                write!(out, "index {}", name(field))?;
                bound(out, from, ">", ">=")?;
                bound(out, to, "<", "<=")
            }
            Source::Below { .. } => out.write_str("what the caller reaches"),
            Source::Children { rel, parent } => write!(out, "children of {} '{parent}'", rel.def().from.name()),
            Source::Union(all) => {
                for (index, source) in all.iter().enumerate() {
                    let or = if index > 0 { " or " } else { "" };
                    write!(out, "{or}{}", ShownSource(source, *kind))?;
                }
                Ok(())
            }
        }
    }
}
