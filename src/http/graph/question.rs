//! What is asked of the graph, answered on the worker where that is short, or on any thread: plan, evaluate, serialise.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;

use actix_web::http::StatusCode;
use compact_str::CompactString;
use serde_json::json;
use smallvec::SmallVec;

use crate::access::{View, Who};
use crate::graph::{self, Graph};
use crate::http::connection::sender::Sender;
use crate::http::problem::Problem;
use crate::http::remembered::Remembered;
use crate::http::{State, wire};
use crate::limits::Limits;
use crate::model::{Kind, Revision};
use crate::query::{
    self, Answer, Budget, Code, ExplainedStep, Explanation, IncludeTree, MadeOf, Plan, Position, Prepared, QueryError,
    Spent, Statements,
};
use crate::selector;
use crate::selector::ast::{Format, Head, Include, Selector};

/// A plan that expects to visit more than this runs beside the workers, so that short requests do not wait behind it.
const INLINE_VISITS: u64 = 5_000;
/// What such a plan may cost after all, and how much it may answer, before it is begun again beside the workers: an estimate
/// knows averages, and neither how long a text is nor whom an include meets.
const BRIEF: (u64, u64) = (2 * INLINE_VISITS, 1024 * 1024);
/// For a plan that expects to visit more than this, no answer of another request waits.
const LENGTHY: u64 = 2_000;

/// What is asked, with everything it needs to be answered on any thread.
pub(super) struct Question {
    pub(super) state: Arc<State>,
    pub(super) graph: Arc<Graph>,
    pub(super) who: Who,
    /// The selector's text.
    pub(super) text: String,
    /// It is what a cursor is bound to, as it stands.
    pub(super) is_canonical: bool,
    pub(super) includes: Vec<Include>,
    /// As they were sent.
    pub(super) include_texts: Vec<String>,
    pub(super) wrap: bool,
    /// The answer is the claims of a token: of one entity, its fields as a flat object (`graph-api.md` 2.4).
    pub(super) signed: bool,
    pub(super) explain: bool,
    pub(super) after: Option<Position>,
    /// The revision at which the same was asked before.
    pub(super) seen: Option<Revision>,
    pub(super) request_id: CompactString,
}

/// How a question is to be answered.
#[expect(
    clippy::large_enum_variant,
    reason = "one a request, which stays where it is made unless the query is long"
)]
pub(super) enum Planned {
    Query(Plan, IncludeTree),
    /// A named query has no plan.
    Named(Selector),
}

/// A selector that was prepared before, or has yet to be.
pub(super) enum Asked {
    Prepared(Prepared),
    Parsed(Selector),
}

/// Bytes to send, and what the headers say of them.
pub(super) struct Answered {
    pub(super) body: Vec<u8>,
    /// The revision of the one entity that was asked for.
    pub(super) tag: Option<Revision>,
    /// The cursor of what comes after, if anything does.
    pub(super) next: Option<String>,
    pub(super) worth: Worth,
}

/// What an answer is worth to those who ask for it again.
pub(super) enum Worth {
    Nothing,
    /// To be known if it is asked once more.
    Noting,
    /// It was asked before, and what it is made of has not changed since.
    Keeping(MadeOf),
}

impl Answered {
    /// Without a tag, a cursor, or a worth.
    fn plain(body: Vec<u8>) -> Self {
        Self {
            body,
            tag: None,
            next: None,
            worth: Worth::Nothing,
        }
    }
}

impl Question {
    fn limits(&self) -> &Limits {
        &self.state.options.limits
    }

    /// Of what names one thing and is answered as that.
    fn nothing(&self, help: &str) -> Problem {
        let mut problem = Problem::new(StatusCode::NOT_FOUND, "notFound", "the selector matches nothing");
        problem.revision = Some(self.graph.revision());
        problem.help(help)
    }

    /// The answer, if it is short; else how to come by it, for another thread.
    pub(super) fn begin(
        &self,
        asked: Asked,
        format: Option<Format>,
        statements: &RefCell<Statements>,
        sender: &Sender,
    ) -> Result<Result<Answered, Problem>, Box<Planned>> {
        let planned = match self.planned(asked, format, statements) {
            Err(problem) => return Ok(Err(problem.beneath(&self.text))),
            Ok(planned) => planned,
        };
        match self.answer_here(&planned, sender) {
            Some(answered) => Ok(answered.map_err(|problem| problem.beneath(&self.text))),
            None => Err(Box::new(planned)),
        }
    }

    pub(super) fn finish(&self, planned: &Planned) -> Result<Answered, Problem> {
        let mut budget = Budget::new(self.limits());
        let answered = self.answer(planned, &mut budget);
        self.tell_if_slow(planned, &budget);
        answered.map_err(|problem| problem.beneath(&self.text))
    }

    /// The slow-query log: the plan of what took longer than `log.slow_ms`, what it expected and what it visited. Without what
    /// stands in quotes, which may be names of people.
    fn tell_if_slow(&self, planned: &Planned, budget: &Budget) {
        let took = budget.elapsed();
        if self.state.options.log_slow.is_none_or(|slow| took <= slow) {
            return;
        }
        let (plan, estimated) = match planned {
            Planned::Query(plan, _) => (selector::without_texts(&plan.to_string()), plan.estimate()),
            Planned::Named(_) => ("named".to_owned(), 0),
        };
        let mut selector = selector::without_texts(&self.text);
        for (at, include) in self.include_texts.iter().enumerate() {
            selector.push(if at == 0 { '?' } else { '&' });
            selector.push_str(&selector::without_texts(include));
        }
        let (Spent { visited, comparing }, micros) = (budget.spent(), took.as_micros() as u64);
        tracing::warn!(request_id = %self.request_id, selector, plan, estimated, visited, comparing, micros, "slow query");
    }

    fn planned(
        &self,
        asked: Asked,
        format: Option<Format>,
        statements: &RefCell<Statements>,
    ) -> Result<Planned, Problem> {
        let prepared = match asked {
            Asked::Prepared(prepared) => prepared,
            Asked::Parsed(selector) if matches!(selector.head, Head::Named(_)) => return Ok(Planned::Named(selector)),
            Asked::Parsed(selector) => {
                let prepared = query::prepare(&selector, self.who.principal, self.limits())?;
                statements.borrow_mut().keep(&self.text, &selector, format, &prepared);
                prepared
            }
        };
        let plan = Plan::new(prepared, &View::new(&self.graph, &self.who));
        let tree = query::includes(&self.includes, plan.result_kind())
            .map_err(|error| self.of_include(error, plan.result_kind()))?;
        Ok(Planned::Query(plan, tree))
    }

    /// `None` if it is long: by its plan, or found out.
    fn answer_here(&self, planned: &Planned, sender: &Sender) -> Option<Result<Answered, Problem>> {
        if let Planned::Query(plan, tree) = planned {
            let mut visits = plan.estimate();
            if !tree.is_empty() {
                let view = View::new(&self.graph, &self.who);
                let nested = plan.expected_rows() as f64 * tree.fan(plan.only(&view), &view);
                visits = visits.saturating_add(nested as u64);
            }
            if visits > INLINE_VISITS || self.explain {
                return None;
            }
            if visits > LENGTHY {
                sender.make_way();
            }
        }
        let mut brief = Budget::new(self.limits()).brief(BRIEF.0, BRIEF.1);
        let answered = self.answer(planned, &mut brief);
        if let Err(problem) = &answered
            && [Code::VisitedTooMuch, Code::AnswerTooLarge]
                .map(Code::as_str)
                .contains(&problem.code)
        {
            return None;
        }
        self.tell_if_slow(planned, &brief);
        Some(answered)
    }

    fn answer(&self, planned: &Planned, budget: &mut Budget) -> Result<Answered, Problem> {
        let view = View::new(&self.graph, &self.who);
        let (plan, tree) = match planned {
            Planned::Query(plan, tree) => (plan, tree),
            Planned::Named(selector) => return self.answer_named(selector, &view, budget),
        };
        if self.explain {
            let explanation = query::explain(plan, tree, &view, budget, self.after.as_ref())?;
            return Ok(Answered::plain(explained(&explanation)));
        }
        let one = plan.names_one();
        match query::evaluate(plan, &view, budget, self.after.as_ref())? {
            Answer::Count(count) => {
                let body = if self.wrap {
                    format!("{{\"__objType\":\"Long\",\"value\":{count}}}")
                } else {
                    count.to_string()
                };
                let worth = self.worth(plan, tree, body.len());
                Ok(Answered {
                    body: body.into_bytes(),
                    tag: None,
                    next: None,
                    worth,
                })
            }
            Answer::Page { nodes, next } => {
                let tag = match nodes.as_slice() {
                    [node] if one && self.includes.is_empty() => Some(node.revision),
                    _ => None,
                };
                if one && !self.wrap && nodes.is_empty() {
                    return Err(self.nothing("without `wrap=false` the answer is an empty list"));
                }
                if self.signed && one && tree.is_empty() {
                    let [node] = nodes.as_slice() else {
                        return Err(self.nothing("without `.jwt` the answer is an empty list"));
                    };
                    let mut body = Vec::new();
                    wire::flat_row(&mut body, &[*node], &view);
                    return Ok(Answered::plain(body));
                }
                let body = self.list(&nodes, &view, tree, budget, one && !self.wrap)?;
                let seal = |position: Position| {
                    let cursors = &self.state.cursors;
                    cursors.seal(&position, &self.bound(), self.who.principal)
                };
                let next = next.map(seal);
                let worth = self.worth(plan, tree, body.len());
                Ok(Answered { body, tag, next, worth })
            }
        }
    }

    /// What names one thing is found as fast as an answer that is remembered.
    fn worth(&self, plan: &Plan, tree: &IncludeTree, bytes: usize) -> Worth {
        if self.signed || plan.names_one() || bytes > Remembered::LONGEST || !self.who.sees_by_kind() {
            return Worth::Nothing;
        }
        let made_of = MadeOf::new(plan, tree);
        match self.seen {
            Some(seen) if !made_of.has_changed(&self.graph, seen) => Worth::Keeping(made_of),
            _ => Worth::Noting,
        }
    }

    /// What a cursor of the answer is bound to.
    fn bound(&self) -> Cow<'_, str> {
        if self.is_canonical {
            Cow::Borrowed(&self.text)
        } else {
            Cow::Owned(canonical(&self.text, self.limits()))
        }
    }

    /// A place in an include is one of its own text.
    fn of_include(&self, error: QueryError, kind: Kind) -> Problem {
        let fails = |one: &Include| query::includes(std::slice::from_ref(one), kind).is_err();
        let at = self.includes.iter().position(fails);
        let text = at.and_then(|at| self.include_texts.get(at));
        Problem::from(error).beneath(text.map_or("", String::as_str))
    }

    fn list<'g>(
        &self,
        nodes: &[crate::graph::Node<'g>],
        view: &View<'g>,
        tree: &IncludeTree,
        budget: &mut Budget,
        bare_object: bool,
    ) -> Result<Vec<u8>, Problem> {
        let mut body = Vec::with_capacity(256 + nodes.len() * 640);
        let (open, close): (&[u8], &[u8]) = match (self.wrap, bare_object) {
            (true, _) => (b"{\"__objType\":\"ArrayList\",\"Items\":[", b"]}"),
            (false, true) => (b"", b""),
            (false, false) => (b"[", b"]"),
        };
        body.extend_from_slice(open);
        graph::touch(nodes.iter().copied());
        for (index, node) in nodes.iter().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            wire::entity(&mut body, *node, view, tree, budget)?;
        }
        body.extend_from_slice(close);
        Ok(body)
    }

    /// Named queries answer a bare array of flat objects (`graph-api.md` 2.4).
    fn answer_named(&self, selector: &Selector, view: &View<'_>, budget: &mut Budget) -> Result<Answered, Problem> {
        if self.explain || !self.includes.is_empty() || self.after.is_some() {
            return Err(Problem::bad_request(
                "notForNamedQueries",
                "a named query takes no includes, cursor or explain",
            )
            .help("ask by a selector, such as `/me` in place of `/me()`"));
        }
        let rows = query::named(selector, view, budget)?;
        // As claims: the one row there usually is, or all of them in a list.
        let (open, close): (&[u8], &[u8]) = match (self.signed, rows.len()) {
            (true, 0) => return Err(self.nothing("without `.jwt` the answer is an empty list")),
            (true, 1) => (b"", b""),
            (true, _) => (b"{\"Items\":[", b"]}"),
            (false, _) => (b"[", b"]"),
        };
        let mut body = open.to_vec();
        for (index, row) in rows.iter().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            let nodes: SmallVec<[_; 2]> = row.iter().map(|(_, node)| *node).collect();
            wire::flat_row(&mut body, &nodes, view);
            budget.answered(body.len())?;
        }
        body.extend_from_slice(close);
        Ok(Answered::plain(body))
    }
}

impl Asked {
    pub(super) fn has_index(&self) -> bool {
        match self {
            Self::Prepared(query) => query.has_index(),
            Self::Parsed(selector) => selector.params.index.is_some(),
        }
    }
}

/// What a cursor is bound to. It goes on from where an answer ended, however far in that began: without `i`. Empty for a text
/// that is no selector, which no cursor is given for.
pub(super) fn canonical(text: &str, limits: &Limits) -> String {
    let parsed = selector::parse_target(text, limits)
        .ok()
        .and_then(|target| target.selector);
    parsed.map_or(String::new(), |mut endless| {
        endless.params.index = None;
        endless.to_string()
    })
}

/// What many conditions and long texts cost, where there are any: it counts against the same limit as what is visited.
fn tell_comparing(told: &mut serde_json::Value, spent: Spent) {
    if spent.comparing > 0 {
        told["comparing"] = json!(spent.comparing);
    }
}

/// Design 16: the plan as text, what each step expected and visited, what an include nests, and the whole.
fn explained(explanation: &Explanation) -> Vec<u8> {
    let told = |step: &ExplainedStep| {
        let mut told = json!({"step": step.step, "estimated": step.estimated, "visited": step.spent.visited});
        tell_comparing(&mut told, step.spent);
        if let Some(kept) = step.kept {
            told["kept"] = json!(kept);
        }
        told
    };
    let steps: Vec<_> = explanation.steps.iter().map(told).collect();
    let mut answer = json!({
        "__objType": "Explanation", "plan": explanation.plan, "steps": steps, "visited": explanation.spent.visited,
        "count": explanation.count, "micros": explanation.micros,
    });
    tell_comparing(&mut answer, explanation.spent);
    answer.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::engine::{self, Engine};
    use crate::graph::{Kept, Transaction};
    use crate::http::Options;
    use crate::logged;
    use crate::model::schema::find_relation;
    use crate::model::{Clock, Fields, RelationType, Time, Value};
    use crate::settings::Settings;
    use crate::storage::Memory;

    /// A thousand organizations have no group, the last, 1, has twelve thousand; person 2's last name is long.
    fn world() -> Graph {
        let clock = Clock::frozen(Time(1_700_000_000_000));
        let mut graph = Graph::new();
        let mut transaction = Transaction::new(&mut graph, 1, clock.now(), &clock);
        let mut create = |number: u128, kind: Kind, name: &str, text: &str| {
            let fields = Fields::from_iter([(kind.field(name).expect("a field"), Value::text(text))]);
            let created = transaction.create(Uuid::from_u128(number), kind, fields, Kept::default());
            created.expect("a new entity");
        };
        create(2, Kind::Person, "lastName", &"Ä".repeat(500_000));
        (0..1000).for_each(|number| create(10_000 + number, Kind::Organization, "name", "other"));
        create(1, Kind::Organization, "name", "hub");
        (0..12_000).for_each(|number| create(20_000 + number, Kind::ProfileGroup, "name", "crew"));
        let rel = find_relation(RelationType::OneToMany, Kind::Organization, Kind::ProfileGroup).expect("a relation");
        for number in 0..12_000 {
            let (from, to) = (Uuid::from_u128(1), Uuid::from_u128(20_000 + number));
            let related = transaction.relate(rel, from, to, Fields::default());
            related.expect("a new relation");
        }
        transaction.finish().expect("a world within the rules");
        graph
    }

    fn state(log_slow: Option<Duration>) -> Arc<State> {
        let clock = Arc::new(Clock::frozen(Time(0)));
        let engine = Engine::open(Box::new(Memory::new()), clock, engine::Options::default(), |_| ());
        let options = Options {
            log_slow,
            ..Options::of(&Settings::default(), None)
        };
        Arc::new(State::new(engine.expect("an empty store"), options, None))
    }

    #[test]
    fn a_slow_query_is_logged_without_what_it_asked_for() {
        let graph = Arc::new(world());
        let limits = Limits::default();
        let question = |text: &str, explain, slow| Question {
            state: state(Some(slow)),
            graph: Arc::clone(&graph),
            who: Who::server(),
            text: text.to_owned(),
            is_canonical: false,
            includes: Vec::new(),
            include_texts: vec!["/~OneToMany/ProfileGroup[@name='secret']".to_owned()],
            wrap: true,
            signed: false,
            explain,
            after: None,
            seen: None,
            request_id: "r-1".into(),
        };
        let logged = |text: &str, explain, slow| {
            logged::during(|| {
                let question = question(text, explain, slow);
                let asked = Asked::Parsed(selector::parse(text, &limits).expect("a selector"));
                match question.begin(asked, None, &RefCell::new(Statements::new(&limits)), &Sender::new(None)) {
                    Ok(answered) => drop(answered),
                    Err(planned) => drop(question.finish(&planned)),
                }
            })
        };
        let short = "/Organization[@name='hub']/~OneToMany/ProfileGroup{r=10}";
        let long = "/ProfileGroup[@description!='secret']{count}";
        for (text, explain, visited) in [
            (short, false, "visited=12"),
            (short, true, "visited=12"),
            (long, false, "visited=12000"),
            (long, true, "visited=12000"),
        ] {
            let line = logged(text, explain, Duration::ZERO);
            for part in [
                "slow query",
                "request_id=r-1",
                visited,
                "estimated=",
                "micros=",
                "?/~OneToMany/ProfileGroup[@name=",
                "start ",
            ] {
                assert!(line.contains(part), "{part}: {line}");
            }
            assert!(!line.contains("hub") && !line.contains("secret"), "{line}");
            assert_eq!(logged(text, explain, Duration::from_secs(3600)), "");
        }
    }

    #[test]
    fn what_takes_long_is_not_answered_on_a_worker() {
        let graph = Arc::new(world());
        let limits = Limits::default();
        let state = state(None);
        let groups = "/~OneToMany/ProfileGroup";
        let likes = (0..20).map(|index| format!("@lastName!~'*ä*c{index}*'"));
        let likes = format!("/Person[{}]", likes.collect::<Vec<_>>().join(" and "));
        let hub = format!("/Organization[@id='{}']", Uuid::from_u128(1));
        let other = format!("/Organization[@id='{}']", Uuid::from_u128(10_000));
        for (selector, include, here) in [
            ("/Organization", None, true),
            ("/Organization{r=100}", Some(groups), true),
            // By the estimate: twelve groups to each of a thousand.
            ("/Organization{r=1000}", Some(groups), false),
            ("/Organization{r=1000,count}", Some(groups), true),
            (other.as_str(), Some(groups), true),
            // The one there is has twelve thousand.
            (hub.as_str(), Some(groups), false),
            // Found out.
            ("/Organization{r=1,s=serial-}", Some(groups), false),
            // As many, and nobody looks at them.
            ("/ProfileGroup{count}", None, true),
            ("/Person", None, true),
            (likes.as_str(), None, false),
        ] {
            let question = Question {
                state: Arc::clone(&state),
                graph: Arc::clone(&graph),
                who: Who::server(),
                text: selector.to_owned(),
                is_canonical: false,
                includes: include
                    .map(|include| selector::parse_include(include, &limits).expect("an include"))
                    .into_iter()
                    .collect(),
                include_texts: Vec::new(),
                wrap: true,
                signed: false,
                explain: false,
                after: None,
                seen: None,
                request_id: CompactString::default(),
            };
            let asked = Asked::Parsed(selector::parse(selector, &limits).expect("a selector"));
            let answered = question.begin(asked, None, &RefCell::new(Statements::new(&limits)), &Sender::new(None));
            assert_eq!(answered.is_ok(), here, "{selector} {include:?}");
            assert!(answered.is_ok_and(|answered| answered.is_ok()) || !here, "{selector}");
        }
    }
}
