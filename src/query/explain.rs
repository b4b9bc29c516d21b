//! What a selector would cost and did cost: the plan, and for each of its steps and includes what it expected and what it
//! visited.

use super::budget::{Budget, Spent};
use super::error::QueryError;
use super::eval::{Answer, evaluate};
use super::include::{IncludeTree, related};
use super::page::Position;
use super::plan::Plan;
use crate::access::View;
use crate::graph::Node;

#[derive(Clone, Debug)]
pub struct Explanation {
    pub plan: String,
    pub steps: Vec<ExplainedStep>,
    pub spent: Spent,
    /// The count asked for, or the objects of the page.
    pub count: u64,
    pub micros: u64,
}

#[derive(Clone, Debug)]
pub struct ExplainedStep {
    pub step: String,
    pub estimated: u64,
    pub spent: Spent,
    /// Of an include: the objects it nests.
    pub kept: Option<u64>,
}

/// Runs the plan, and what it is to nest within the same budget, and says how it went.
pub fn explain<'g>(
    plan: &Plan,
    tree: &IncludeTree,
    view: &View<'g>,
    budget: &mut Budget,
    after: Option<&Position>,
) -> Result<Explanation, QueryError> {
    // What is counted has nothing nested in it.
    let (count, nodes) = match evaluate(plan, view, budget, after)? {
        Answer::Count(count) => (count, Vec::new()),
        Answer::Page { nodes, .. } => (nodes.len() as u64, nodes),
    };
    let found = budget.clone();
    let mut nested = Vec::new();
    let expected = Expected {
        objects: plan.expected_rows() as f64,
        only: plan.only(view),
    };
    nest(tree, "", &nodes, expected, view, budget, &mut nested)?;
    let micros = u64::try_from(budget.elapsed().as_micros()).unwrap_or(u64::MAX);
    let mut steps = Vec::new();
    let mut way = &plan.way;
    if let (Some(spent), Some((_, instead))) = (found.given_up(), &plan.instead) {
        let tried = plan
            .stages(way)
            .into_iter()
            .next()
            .map_or(String::new(), |(_, step, _)| step);
        steps.push(ExplainedStep {
            step: format!("give up: {tried}"),
            estimated: plan.estimate(),
            spent,
            kept: None,
        });
        way = instead;
    }
    let stages = plan.stages(way).into_iter();
    steps.extend(stages.map(|(part, step, estimated)| ExplainedStep {
        step,
        estimated,
        spent: found.spent_at(part),
        kept: None,
    }));
    let mut text = plan.to_string();
    for ExplainedStep { step, estimated, .. } in &nested {
        text.push_str(&format!("\n{step} (about {estimated})"));
    }
    steps.extend(nested);
    Ok(Explanation {
        plan: text,
        steps,
        spent: budget.spent(),
        count,
        micros,
    })
}

/// What is thought to be there to nest something in.
#[derive(Clone, Copy)]
struct Expected<'g> {
    objects: f64,
    /// The one there is, where it is known.
    only: Option<Node<'g>>,
}

/// An include at a time and what is nested under it, as deep as the longest include, which `include_hops` bounds. `path` is
/// what led here.
fn nest<'g>(
    tree: &IncludeTree,
    path: &str,
    nodes: &[Node<'g>],
    expected: Expected<'g>,
    view: &View<'g>,
    budget: &mut Budget,
    steps: &mut Vec<ExplainedStep>,
) -> Result<(), QueryError> {
    for child in tree.children() {
        let before = budget.spent();
        let mut ends = Vec::new();
        for node in nodes {
            ends.extend(related(*node, child, view, budget)?.into_iter().map(|(end, _)| end));
        }
        let expected = Expected {
            objects: expected.objects * child.fan(expected.only, view),
            only: None,
        };
        let after = budget.spent();
        let path = format!("{path} {child}");
        steps.push(ExplainedStep {
            step: format!("include{path}"),
            estimated: expected.objects.ceil() as u64,
            spent: Spent {
                visited: after.visited - before.visited,
                comparing: after.comparing - before.comparing,
            },
            kept: Some(ends.len() as u64),
        });
        nest(&child.tree, &path, &ends, expected, view, budget, steps)?;
    }
    Ok(())
}
