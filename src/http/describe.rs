//! `GET /graph/License[…]?operation=DescribeConsumers`: its envelope, written from the published graph. It changes nothing,
//! so the committer does not hear of it.

use actix_web::HttpResponse;

use super::cursor::tell_next;
use super::problem::Problem;
use super::wire::text;
use super::write::beside;
use super::{Context, answered, auth, authz};
use crate::access::View;
use crate::error::Error;
use crate::operation::Arguments;
use crate::operation::describe::{self, Place};
use crate::operation::refusal::{Fault, OperationError};
use crate::query::Budget;
use crate::selector::ast::Selector;

/// What an operation says no with is for its caller to write.
pub async fn answer(
    context: &Context,
    arguments: &Arguments,
    selector: Option<Selector>,
) -> Result<HttpResponse, Answered> {
    let (graph, who) = auth::enter(context).await?;
    let limits = *context.limits();
    let cursor = arguments.text("cursor").map(str::to_owned);
    let rows = match arguments.int("limit") {
        None => limits.page.min(limits.page_max),
        Some(rows) => u64::try_from(rows)
            .ok()
            .filter(|rows| (1..=limits.page_max).contains(rows))
            .ok_or_else(|| mistyped("limit", &rows.to_string(), "it is a number from 1 to `limits.page_max`"))?,
    };
    let (now, revision) = (context.state.engine.now(), graph.revision());
    let state = context.state.clone();
    let found = beside(move || {
        let run = || -> Result<Vec<u8>, Answered> {
            let view = View::new(&graph, &who);
            let selector = selector.ok_or_else(|| Error::from(Fault::SelectorMissing("License".to_owned())))?;
            let license = describe::license(&view, &selector, &limits)?;
            let asked = format!("DescribeConsumers {}", license.id);
            let opened = |text: &str| Place::read(state.cursors.find(text, &asked, who.principal)?);
            let not_given = "it is a `nextCursor` of this operation, for this license and this caller";
            let after = match &cursor {
                None => None,
                Some(text) => Some(opened(text).ok_or_else(|| mistyped("cursor", text, not_given))?),
            };
            let (found, next) = describe::consumers(&view, license, after, rows as usize, limits.visited, now);
            let budget = Budget::new(&limits);
            let mut out = Vec::with_capacity(128 + 400 * found.len());
            out.extend_from_slice(b"{\"__objType\":\"DescribeConsumersResult\",\"resultCode\":\"Success\",");
            out.extend_from_slice(b"\"objects\":{\"__objType\":\"ArrayList\",\"Items\":[");
            for (at, consumer) in found.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(b"{\"__objType\":\"Consumer\",\"profileId\":");
                text::uuid(&mut out, consumer.profile.id);
                out.extend_from_slice(b",\"state\":");
                text::string(&mut out, consumer.state.name());
                out.extend_from_slice(b",\"paths\":[");
                authz::paths(&mut out, &view, consumer.profile, &consumer.paths, license);
                out.extend_from_slice(b"]}");
                budget.answered(out.len()).map_err(Error::from)?;
            }
            out.push(b']');
            if let Some(next) = next {
                // Hidden, for where a page ends those may be who are hidden.
                let next = state.cursors.hide(next.written(), &asked, who.principal);
                tell_next(&mut out, &next);
            }
            out.extend_from_slice(b"}}");
            Ok(out)
        };
        Ok(run())
    })
    .await?;
    let out = found?;
    Ok(answered(out, revision))
}

/// A no of the operation, or of the edge.
pub enum Answered {
    Problem(Problem),
    Error(Error),
}

impl From<Problem> for Answered {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Error> for Answered {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

fn mistyped(parameter: &'static str, value: &str, wanted: &str) -> Answered {
    let fault = Fault::Mistyped {
        value: value.chars().take(60).collect(),
        wanted: wanted.to_owned(),
    };
    Answered::Error(OperationError::at(parameter, fault).into())
}
