//! What a selector would cost and did cost: the plan, and for each of its steps what it expected and what it visited.

use super::budget::Budget;
use super::error::QueryError;
use super::eval::{Answer, evaluate};
use super::page::Position;
use super::plan::Plan;
use crate::access::View;
use crate::limits::Limits;

#[derive(Clone, Debug)]
pub struct Explanation {
    pub plan: String,
    pub steps: Vec<ExplainedStep>,
    pub visited: u64,
    /// The count asked for, or the objects of the page.
    pub count: u64,
    pub micros: u64,
}

#[derive(Clone, Debug)]
pub struct ExplainedStep {
    pub step: String,
    pub estimated: u64,
    pub visited: u64,
}

/// Runs the plan and says how it went.
pub fn explain(
    plan: &Plan,
    view: &View<'_>,
    limits: &Limits,
    after: Option<&Position>,
) -> Result<Explanation, QueryError> {
    let mut budget = Budget::new(limits);
    let count = match evaluate(plan, view, &mut budget, after)? {
        Answer::Count(count) => count,
        Answer::Page { nodes, .. } => nodes.len() as u64,
    };
    let micros = u64::try_from(budget.elapsed().as_micros()).unwrap_or(u64::MAX);
    let mut steps = Vec::new();
    let mut way = &plan.way;
    if let (Some(visited), Some((_, instead))) = (budget.given_up(), &plan.instead) {
        let tried = plan
            .stages(way)
            .into_iter()
            .next()
            .map_or(String::new(), |(_, step, _)| step);
        steps.push(ExplainedStep {
            step: format!("give up: {tried}"),
            estimated: plan.estimate(),
            visited,
        });
        way = instead;
    }
    let stages = plan.stages(way).into_iter();
    steps.extend(stages.map(|(part, step, estimated)| ExplainedStep {
        step,
        estimated,
        visited: budget.visited_at(part),
    }));
    Ok(Explanation {
        plan: plan.to_string(),
        steps,
        visited: budget.visited(),
        count,
        micros,
    })
}
