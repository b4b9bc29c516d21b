//! Preparing a selector: names resolved and values typed by the schema alone. What comes of it knows no entity and no size,
//! so it is good for any graph, and is kept by `statements`.

use smallvec::SmallVec;
use uuid::Uuid;

use super::condition::{Cond, RelationField, Test, What};
use super::error::{Code, QueryError};
use super::page::SortKey;
use super::resolve;
use crate::limits::Limits;
use crate::model::schema::Hop;
use crate::model::{Direction, Field, Kind, Principal, RelationType, Value};
use crate::selector::ast::{Head, ObjectPart, Params, Selector, Span, Step};

/// A selector held against the schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    pub(super) parts: SmallVec<[Part; 2]>,
    /// One fewer than parts: what leads from each to the next.
    pub(super) links: SmallVec<[Link; 2]>,
    pub(super) sort: Vec<SortKey>,
    pub(super) offset: u64,
    pub(super) rows: u64,
    pub(super) count: bool,
    names_one: bool,
    has_index: bool,
    /// Where `{…}` stands, if it does.
    params: Option<Span>,
}

/// An object part: what it must be and meet.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    pub kind: Kind,
    /// All must hold.
    pub conds: SmallVec<[Cond<Field>; 1]>,
    /// The only id that can be here.
    pub pinned: Option<Uuid>,
}

/// A relation part.
#[derive(Clone, Debug, PartialEq)]
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

/// Holds a selector against the schema, for a caller if it says `me`. Looks at no graph. How long a selector may be was
/// asked where it was parsed.
pub fn prepare(selector: &Selector, caller: Principal, limits: &Limits) -> Result<Prepared, QueryError> {
    let mut parts: SmallVec<[Part; 2]> = SmallVec::with_capacity(selector.steps.len() + 1);
    let mut links: SmallVec<[Link; 2]> = SmallVec::with_capacity(selector.steps.len());
    parts.push(head(&selector.head, caller)?);
    for step in &selector.steps {
        let from = parts.last().map_or(Kind::Profile, |part| part.kind);
        let (link, part) = self::step(step, from)?;
        links.push(link);
        parts.push(part);
    }
    let names_one = selector.steps.is_empty()
        && !selector.params.count
        && match &selector.head {
            Head::Me(_) => true,
            Head::Object(_) => parts.iter().all(|part| part.pinned.is_some()),
            Head::Named(_) => false,
        };
    let Paging { sort, offset, rows } = paging(&selector.params, parts.last(), limits)?;
    Ok(Prepared {
        parts,
        links,
        sort,
        offset,
        rows,
        count: selector.params.count,
        names_one,
        has_index: selector.params.index.is_some(),
        params: (selector.params != Params::default()).then_some(selector.params.span),
    })
}

fn head(head: &Head, who: Principal) -> Result<Part, QueryError> {
    match head {
        Head::Object(object) => part(object),
        Head::Me(span) => {
            let id = caller(who, *span)?;
            let is_caller = Test {
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
pub(super) fn caller(who: Principal, span: Span) -> Result<Uuid, QueryError> {
    who.profile.ok_or_else(|| {
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
    let pinned = pinned(&conds);
    Ok(Part { kind, conds, pinned })
}

/// The id that conditions which all hold leave.
pub(super) fn pinned(conds: &[Cond<Field>]) -> Option<Uuid> {
    conds.iter().find_map(|cond| match cond {
        Cond::Test(test) => match (test.field, &test.what) {
            (Field::Id, What::Equal(Value::Uuid(id))) => Some(*id),
            _ => None,
        },
        _ => None,
    })
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

struct Paging {
    sort: Vec<SortKey>,
    offset: u64,
    rows: u64,
}

fn paging(params: &Params, target: Option<&Part>, limits: &Limits) -> Result<Paging, QueryError> {
    let kind = target.map_or(Kind::Profile, |part| part.kind);
    let mut sort: Vec<SortKey> = Vec::new();
    let is_unique = |key: &SortKey| matches!(key.field, Field::Id | Field::Serial);
    for by in &params.sort {
        let found = resolve::entity_field(kind, &by.field)?;
        // Named again a field decides nothing, and would make a cursor longer; nor does any after one that no two share.
        if sort.iter().all(|key| key.field != found.field && !is_unique(key)) {
            sort.push(SortKey {
                field: found.field,
                folded: found.folded,
                descending: by.descending,
            });
        }
    }
    // What is alike is in order of serial anyway.
    sort.pop_if(|last| last.field == Field::Serial && !last.descending);
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
                .limit(limits.page_max())
                .help(format!("ask for at most {} and follow `nextCursor`", limits.page_max)),
        );
    }
    Ok(Paging {
        sort,
        offset: params.index.unwrap_or(0),
        rows,
    })
}

impl Prepared {
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

    /// Does it say by `{i=…}` where to begin?
    pub fn has_index(&self) -> bool {
        self.has_index
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
}
