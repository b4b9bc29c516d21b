//! What a door tells: looked for on the worker where that takes little, as a selector is (`http/graph/question.rs`), and written straight
//! into the answer's bytes.

use std::sync::Arc;

use actix_web::HttpResponse;
use serde::{Serialize, Serializer};

use crate::access::Who;
use crate::error::Error;
use crate::graph::Graph;
use crate::http::problem::Problem;
use crate::http::wire::text;
use crate::http::write::beside;
use crate::http::{Context, answered};
use crate::limits::Limits;
use crate::model::Time;
use crate::query::{Code, QueryError};

/// What one answer may look at, and how many bytes it may have, before it is begun again beside the workers: how much there is
/// of anything is found out on the way.
const BRIEF: (u64, u64) = (5_000, 1024 * 1024);

/// Who asks, and the graph that is looked at.
pub type Entered = (Arc<Graph>, Who);

/// Whoever it is, where nobody needs to say.
pub fn anybody(context: &Context) -> Entered {
    (context.state.engine.snapshot(), Who::anonymous())
}

/// The graph as it is, who looks at it, and how far.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    pub graph: &'a Graph,
    pub who: &'a Who,
    pub now: Time,
    pub limits: &'a Limits,
}

/// Looks on this worker, or, where that is more than a worker should do for one, where it may take its time. `code` is that of
/// an error.
pub async fn look<T, E>(
    context: &Context,
    (graph, who): Entered,
    code: fn(&E) -> &'static str,
    look: impl Fn(Look<'_>) -> Result<T, E> + Send + 'static,
) -> Result<Result<T, E>, Problem>
where
    T: Send + 'static,
    E: Send + 'static,
{
    let (now, limits) = (context.state.engine.now(), *context.limits());
    let brief = Limits {
        visited: limits.visited.min(BRIEF.0),
        answer_bytes: limits.answer_bytes.min(BRIEF.1),
        ..limits
    };
    let looked = look(Look {
        graph: &graph,
        who: &who,
        now,
        limits: &brief,
    });
    match &looked {
        Err(error) if is_spent(code(error)) => {}
        _ => return Ok(looked),
    }
    beside(move || {
        Ok(look(Look {
            graph: &graph,
            who: &who,
            now,
            limits: &limits,
        }))
    })
    .await
}

fn is_spent(code: &str) -> bool {
    [Code::VisitedTooMuch, Code::AnswerTooLarge]
        .iter()
        .any(|spent| spent.as_str() == code)
}

/// The same, where what is told is the whole answer.
pub async fn tell<E: From<Error> + Send + 'static>(
    context: &Context,
    entered: Entered,
    code: fn(&E) -> &'static str,
    told: impl Fn(Look<'_>) -> Result<Vec<u8>, E> + Send + 'static,
) -> Result<Result<HttpResponse, E>, Problem> {
    let revision = entered.0.revision();
    let told = look(context, entered, code, move |at| {
        let body = told(at)?;
        match body.len() as u64 > at.limits.answer_bytes {
            true => Err(Error::from(too_large(at.limits)).into()),
            false => Ok(body),
        }
    });
    Ok(told.await?.map(|body| answered(body, revision)))
}

/// Its members are in the order of the struct. Nothing that is told has a key that is no text, by which alone it could fail.
pub fn json(told: &impl Serialize) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    write(&mut out, told);
    out
}

fn write(out: &mut Vec<u8>, told: &impl Serialize) {
    let start = out.len();
    if serde_json::to_writer(&mut *out, told).is_err() {
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

/// An array of them, within what an answer may have.
pub fn list<T: Serialize, E: From<Error>>(
    out: &mut Vec<u8>,
    rows: impl IntoIterator<Item = T>,
    limits: &Limits,
) -> Result<(), E> {
    out.push(b'[');
    for (at, row) in rows.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(out, &row);
        if out.len() as u64 > limits.answer_bytes {
            return Err(Error::from(too_large(limits)).into());
        }
    }
    out.push(b']');
    Ok(())
}

fn too_large(limits: &Limits) -> QueryError {
    let limit = limits.answer_bytes();
    QueryError {
        code: Code::AnswerTooLarge,
        message: format!("the answer has more than {} bytes", limit.value),
        help: Some("ask for a smaller page".to_owned()),
        span: None,
        limit: Some(limit),
    }
}

/// A time as every answer has it.
#[derive(Clone, Copy)]
pub struct At(pub Time);

impl Serialize for At {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut quoted = Vec::with_capacity(32);
        text::time(&mut quoted, self.0);
        let bare = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
        to.serialize_str(std::str::from_utf8(bare).unwrap_or_default())
    }
}

/// An object of these members.
pub struct Members<'m, K, V>(pub &'m [(K, V)]);

impl<K: Serialize, V: Serialize> Serialize for Members<'_, K, V> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Serialize>(told: &T, expected: &str) {
        assert_eq!(String::from_utf8_lossy(&json(told)), expected);
    }

    #[test]
    fn what_is_told_is_written_as_it_is() {
        check(&At(Time(1_700_000_000_000)), "\"2023-11-14T22:13:20.000Z\"");
        check(&Some(At(Time(0))), "\"1970-01-01T00:00:00.000Z\"");
        check(&Members(&[("b", 1), ("a\"", 2)]), "{\"b\":1,\"a\\\"\":2}");
        check(&Members::<&str, u64>(&[]), "{}");
    }

    #[test]
    fn a_list_is_within_its_bytes() {
        for (rows, most, expected) in [
            (0, 0, Some("[]")),
            (1, 4, Some("[10]")),
            (3, 9, Some("[10,11,12]")),
            (3, 8, None),
        ] {
            let limits = Limits {
                answer_bytes: most,
                ..Limits::default()
            };
            let mut out = Vec::new();
            let told: Result<(), Error> = list(&mut out, 10..10 + rows, &limits);
            assert_eq!(told.is_ok(), expected.is_some(), "{rows} {most}");
            if let Some(expected) = expected {
                assert_eq!(String::from_utf8_lossy(&out), expected);
            }
            assert!(told.map_err(|error| is_spent(error.code())).err().unwrap_or(true));
        }
    }
}
