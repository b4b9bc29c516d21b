//! How to find, and finding: a selector becomes a plan, a plan run over a view within a budget becomes an answer. Knows
//! no storage, no HTTP and no JSON, and sees nothing of the graph but through a view.

mod budget;
mod condition;
mod cost;
mod error;
mod eval;
mod explain;
mod include;
mod made_of;
mod merge;
pub mod naive;
mod named;
mod page;
mod pattern;
mod plan;
mod prepare;
mod resolve;
mod source;
mod statements;

pub use budget::{Budget, Spent};
pub use error::{Code, QueryError};
pub use eval::{Answer, all, evaluate};
pub use explain::{ExplainedStep, Explanation, explain};
pub use include::{IncludeNode, IncludeTree, includes, related};
pub use made_of::MadeOf;
pub use named::{NAMED, Named, Row, named};
pub use page::Position;
pub use plan::{Plan, plan};
pub use prepare::{Prepared, prepare};
pub use statements::{Found, Statements};

#[cfg(test)]
mod tests;
