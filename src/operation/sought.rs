//! What the selectors of a write match, looked for on a published graph before its transaction: a search may be long, and
//! while it goes on in a transaction everybody who writes waits. There it is taken as it was found, unless something it was
//! made of has changed since; then it is looked for once more, but only briefly. Does not know on which thread.
//!
//! What the matches are asked for, their permissions and the rules, is asked in the transaction alone.

use compact_str::{CompactString, ToCompactString};
use uuid::Uuid;

use crate::access::View;
use crate::error::Error;
use crate::limits::Limits;
use crate::model::Revision;
use crate::query::{self, Budget, Code, MadeOf, Plan, QueryError};
use crate::selector::ast::{Comparison, Head, Literal, LiteralValue, Name, Operator, Predicate, Selector};

use super::target::by_id;

/// Entities and relations that a search in a transaction may visit: what most selectors of writes never need. One that is
/// expected to need more is looked for before.
const BRIEF: u64 = 2_000;
/// Where it was looked for before and has to be again, it may visit as much as then and half again, but takes no longer
/// than this: about what a large commit does. Tests count on machines that stand still for a while.
const BRIEF_MS: u64 = if cfg!(test) { 1000 } else { 50 };

/// What was found for some selectors, perhaps for none.
#[derive(Debug, Default)]
pub struct Sought(Vec<Found>);

#[derive(Debug)]
struct Found {
    selector: Selector,
    made_of: MadeOf,
    revision: Revision,
    /// What the search cost, in visits.
    cost: u64,
    ids: Result<Vec<Uuid>, QueryError>,
}

impl Sought {
    /// Is any of these expected to take more than a transaction should spend on it? Scans nothing.
    pub fn is_worth<'s>(mut selectors: impl Iterator<Item = &'s Selector>, view: &View<'_>, limits: &Limits) -> bool {
        selectors.any(|selector| {
            let plan = query::plan(selector, view, limits);
            plan.is_ok_and(|plan| plan.of_all(limits.targets, view).estimate() > BRIEF)
        })
    }

    /// Looks for all of these, with the whole budget each. What refuses one is found, too; one that cannot be planned is
    /// refused where it is asked for.
    pub fn new<'s>(selectors: impl Iterator<Item = &'s Selector>, view: &View<'_>, limits: &Limits) -> Self {
        let found = selectors.filter_map(|selector| {
            let plan = query::plan(selector, view, limits).ok()?;
            let made_of = match view.who().sees_by_kind() {
                true => MadeOf::new(&plan, &query::IncludeTree::default()),
                // What the caller sees hangs on who owns what.
                false => MadeOf::everything(),
            };
            let mut budget = Budget::new(limits);
            let ids = match named(selector) {
                Some(id) => Ok(reached(id, &plan, view)),
                None => search(&plan, view, &mut budget, limits),
            };
            let spent = budget.spent();
            Some(Found {
                selector: selector.clone(),
                made_of,
                revision: view.graph().revision(),
                cost: spent.visited.saturating_add(spent.comparing),
                ids,
            })
        });
        Self(found.collect())
    }

    /// What was found then, right or not by now.
    pub fn of(&self, selector: &Selector) -> Option<&[Uuid]> {
        self.found(selector)?.ids.as_deref().ok()
    }

    fn found(&self, selector: &Selector) -> Option<&Found> {
        self.0.iter().find(|found| found.selector == *selector)
    }

    /// What the selector matches in the graph of a transaction, at most `limits.targets`. By an id alone it needs no
    /// permission to read.
    ///
    /// # Errors
    /// `Error::SoughtInVain` where that would take long; whatever else it is refused for.
    pub(super) fn matches(
        &self,
        selector: &Selector,
        plan: &Plan,
        view: &View<'_>,
        limits: &Limits,
    ) -> Result<Vec<Uuid>, Error> {
        if let Some(id) = named(selector) {
            return Ok(reached(id, plan, view));
        }
        let found = self.found(selector);
        let is_taken = |found: &&Found| found.ran_out() || !found.made_of.has_changed(view.graph(), found.revision);
        if let Some(found) = found.filter(is_taken) {
            return Ok(found.ids.clone()?);
        }
        let cost = found.map_or(0, |found| found.cost + found.cost / 2);
        let brief = Limits {
            visited: limits.visited.min(cost.max(BRIEF)),
            query_ms: limits.query_ms.min(BRIEF_MS),
            ..*limits
        };
        search(plan, view, &mut Budget::new(&brief), limits).map_err(|error| match error.code {
            Code::VisitedTooMuch if brief.visited < limits.visited => Error::SoughtInVain,
            Code::TimeSpent if brief.query_ms < limits.query_ms => Error::SoughtInVain,
            _ => error.into(),
        })
    }
}

impl Found {
    /// The whole budget was too little: what has changed since will not make it enough.
    fn ran_out(&self) -> bool {
        let code = self.ids.as_ref().err().map(|error| error.code);
        matches!(code, Some(Code::VisitedTooMuch | Code::TimeSpent))
    }
}

/// What a selector matches in a graph that nobody waits for.
pub(super) fn matches(selector: &Selector, view: &View<'_>, limits: &Limits) -> Result<Vec<Uuid>, Error> {
    let plan = query::plan(selector, view, limits)?;
    match named(selector) {
        Some(id) => Ok(reached(id, &plan, view)),
        None => Ok(search(&plan, view, &mut Budget::new(limits), limits)?),
    }
}

/// Does the selector match this entity, which only the transaction has? It is looked for from that one on.
pub(super) fn fits(selector: &Selector, id: Uuid, view: &View<'_>, limits: &Limits) -> Result<bool, Error> {
    let mut selector = selector.clone();
    let part = match (selector.steps.last_mut(), &mut selector.head) {
        (Some(step), _) => &mut step.object,
        (None, Head::Object(part)) => part,
        (None, Head::Me(_) | Head::Named(_)) => return Ok(false),
    };
    let span = part.span;
    let name = |text| Name { text, span };
    part.predicates.push(Predicate::Compare(Comparison {
        field: name(CompactString::const_new("id")),
        operator: Operator::Equal,
        value: Literal {
            value: LiteralValue::Text(id.to_compact_string()),
            span,
        },
        span,
    }));
    let plan = query::plan(&selector, view, limits)?;
    // That is where it begins, and not how far it goes: everybody who writes waits for it.
    let brief = Limits {
        query_ms: limits.query_ms.min(BRIEF_MS),
        ..*limits
    };
    match search(&plan, view, &mut Budget::new(&brief), limits) {
        Err(error) if error.code == Code::TimeSpent && brief.query_ms < limits.query_ms => {
            let why =
                format!("whether what is made matches takes more than {BRIEF_MS} ms, for which all writes would wait");
            Err(QueryError::new(error.code, why)
                .help("give the id of what is to be made")
                .into())
        }
        found => Ok(!found?.is_empty()),
    }
}

fn named(selector: &Selector) -> Option<Uuid> {
    by_id(selector).filter(|_| selector.params.ask_nothing())
}

fn reached(id: Uuid, plan: &Plan, view: &View<'_>) -> Vec<Uuid> {
    let node = view.graph().find(id).filter(|node| node.kind == plan.result_kind());
    let node = node.filter(|node| view.reaches(*node));
    node.map(|node| node.id).into_iter().collect()
}

fn search(plan: &Plan, view: &View<'_>, budget: &mut Budget, limits: &Limits) -> Result<Vec<Uuid>, QueryError> {
    let found = query::all(plan, view, budget, limits.targets())?;
    Ok(found.iter().map(|node| node.id).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Permissions, Who};
    use crate::graph::{Graph, Kept, Transaction};
    use crate::model::{Clock, Fields, Kind, Principal, Time, Value};
    use crate::selector;

    const NOW: Time = Time(1_700_000_000_000);

    /// In one commit.
    fn add(graph: &mut Graph, clock: &Clock, kind: Kind, count: usize) {
        let revision = graph.revision() + 1;
        let mut tx = Transaction::new(graph, revision, NOW, clock);
        for number in 0..count {
            let name = kind.field("description").expect("all these have one");
            let fields = Fields::default().with(name, Some(Value::text(&format!("n{number}"))));
            tx.create(tx.new_id(), kind, fields, Kept::default())
                .expect("a new one");
        }
        tx.finish().expect("a commit");
        graph.set_revision(revision);
    }

    /// A reader of all, or one who sees what is personal to him besides.
    fn who(is_somebody: bool) -> Who {
        Who {
            principal: Principal {
                token: None,
                profile: is_somebody.then(|| Uuid::from_u128(7)),
            },
            organization: None,
            permissions: Permissions::parse_all(["Profile.read"].iter().copied()).expect("permissions"),
        }
    }

    fn visiting(visited: u64) -> Limits {
        Limits {
            visited,
            ..Limits::default()
        }
    }

    /// There were some profiles when it was looked for, or it was not; others were made since. What the transaction says, if
    /// it may visit so many.
    fn check(
        before: Option<usize>,
        then: &[(Kind, usize)],
        is_somebody: bool,
        visits: u64,
        expected: Result<usize, &str>,
    ) {
        let (mut graph, clock, who) = (Graph::new(), Clock::frozen(NOW), who(is_somebody));
        let text = "/Profile[@description~'n']";
        let selector = selector::parse(text, &Limits::default()).expect("a selector");
        let mut sought = Sought::default();
        if let Some(before) = before {
            add(&mut graph, &clock, Kind::Profile, before);
            sought = Sought::new([&selector].into_iter(), &View::new(&graph, &who), &visiting(10_000));
        }
        for (kind, count) in then {
            add(&mut graph, &clock, *kind, *count);
        }
        let (view, limits) = (View::new(&graph, &who), visiting(visits));
        let plan = query::plan(&selector, &view, &limits).expect("a plan");
        let found = sought.matches(&selector, &plan, &view, &limits);
        let found = found.map(|ids| ids.len()).map_err(|error| error.code());
        assert_eq!(found, expected, "{before:?} {then:?} {is_somebody} {visits}");
    }

    #[test]
    fn what_was_found_is_taken_while_it_is_so() {
        const MUCH: usize = 3_000;
        let much = MUCH as u64 * 2;
        // What is taken costs no visit.
        check(Some(5), &[], false, 0, Ok(5));
        check(Some(5), &[], true, 0, Ok(5));
        check(Some(5), &[(Kind::Organization, 1)], false, 0, Ok(5));
        check(Some(5), &[(Kind::Profile, 1)], false, 0, Err("visitedTooMuch"));
        check(Some(5), &[(Kind::Profile, 1)], false, much, Ok(6));
        // Whose what is may have changed what the caller sees.
        check(Some(5), &[(Kind::Organization, 1)], true, 0, Err("visitedTooMuch"));
        check(Some(5), &[(Kind::Organization, 1)], true, much, Ok(5));
        // It may cost what it did, and no more.
        check(Some(MUCH), &[(Kind::Profile, 1)], false, much, Ok(MUCH + 1));
        check(Some(5), &[(Kind::Profile, MUCH)], false, much, Err("changedMeanwhile"));
        check(None, &[(Kind::Profile, MUCH)], false, much, Err("changedMeanwhile"));
        check(None, &[(Kind::Profile, 5)], false, much, Ok(5));
        // A limit that is the operator's own is told as such.
        check(None, &[(Kind::Profile, MUCH)], false, 100, Err("visitedTooMuch"));
    }

    #[test]
    fn what_refused_a_search_refuses_the_write() {
        let (mut graph, clock, who) = (Graph::new(), Clock::frozen(NOW), who(false));
        add(&mut graph, &clock, Kind::Profile, 5);
        let selector = selector::parse("/Profile[@description~'n']", &Limits::default()).expect("a selector");
        let view = View::new(&graph, &who);
        let sought = Sought::new([&selector].into_iter(), &view, &visiting(3));
        let plan = query::plan(&selector, &view, &Limits::default()).expect("a plan");
        let found = sought.matches(&selector, &plan, &view, &Limits::default());
        assert_eq!(found.map_err(|error| error.code()), Err("visitedTooMuch"));
        // It would take no less now.
        add(&mut graph, &clock, Kind::Profile, 3_000);
        let view = View::new(&graph, &who);
        let found = sought.matches(&selector, &plan, &view, &Limits::default());
        assert_eq!(found.map_err(|error| error.code()), Err("visitedTooMuch"));
    }

    #[test]
    fn whether_one_is_matched_is_asked_of_that_one() {
        let (mut graph, clock, who) = (Graph::new(), Clock::frozen(NOW), who(false));
        add(&mut graph, &clock, Kind::Profile, 30);
        let last = graph.of_kind(Kind::Profile, None).last().expect("there are some").id;
        for (text, expected) in [
            ("/Profile[@description='n29']", Ok(true)),
            ("/Profile[@description='n29' or @description='n1']", Ok(true)),
            ("/Profile[@description='n1']", Ok(false)),
            (
                "/Organization/~OneToMany/ProfileGroup/~Membership/Profile[@description='n29']",
                Ok(false),
            ),
            ("/me", Ok(false)),
        ] {
            let selector = selector::parse(text, &Limits::default()).expect("a selector");
            let found = fits(&selector, last, &View::new(&graph, &who), &visiting(3));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn only_what_is_long_is_worth_it() {
        let (mut graph, clock, who) = (Graph::new(), Clock::frozen(NOW), who(false));
        add(&mut graph, &clock, Kind::Profile, 3_000);
        let view = View::new(&graph, &who);
        for (text, expected) in [
            ("/Profile[@id='10000000-0000-4000-8000-000000000001']", false),
            ("/Profile[@description='n']", true),
            ("/Profile", true),
            ("/Organization", false),
            ("/Nothing", false),
        ] {
            let selector = selector::parse(text, &Limits::default()).expect("a selector");
            let found = Sought::is_worth([&selector].into_iter(), &view, &Limits::default());
            assert_eq!(found, expected, "{text}");
        }
    }
}
