//! A write by selectors: what they match is looked for on the published graph, beside the workers where that is long, and
//! the write is tried with what was found. Whether that is still so is decided in the transaction (`operation::Sought`).

use std::sync::Arc;

use super::problem::Problem;
use super::write::beside;
use crate::access::{View, Who};
use crate::engine::{WriteError, Written};
use crate::graph::Graph;
use crate::limits::Limits;
use crate::operation::Sought;
use crate::selector::ast::Selector;

/// So often it is tried: each search may be long, and the one in a transaction is waited for by all who write.
const TRIES: usize = 3;

/// Looks for these. Unless it `must`, only where the write would take long to do it. The graph is held no longer.
pub async fn look(
    graph: Arc<Graph>,
    who: Arc<Who>,
    selectors: Arc<[Selector]>,
    limits: Limits,
    must: bool,
) -> Result<Sought, Problem> {
    if !must && !Sought::is_worth(selectors.iter(), &View::new(&graph, &who), &limits) {
        return Ok(Sought::default());
    }
    beside(move || Ok(Sought::new(selectors.iter(), &View::new(&graph, &who), &limits))).await
}

/// Tries a write until what was looked for before is of use to it. `look` is told whether it must.
pub async fn settled<E>(
    look: impl AsyncFn(bool) -> Result<Sought, Problem>,
    write: impl AsyncFn(Sought) -> Result<Written, WriteError<E>>,
    is_in_vain: impl Fn(&E) -> bool,
) -> Result<Result<Written, WriteError<E>>, Problem> {
    let mut tries = 1;
    loop {
        match write(look(tries > 1).await?).await {
            Err(WriteError::Refused(error)) if tries < TRIES && is_in_vain(&error) => tries += 1,
            done => return Ok(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::engine::Reply;
    use crate::error::Error;

    /// What each try of a write comes to: `-` in vain, `r` refused, `w` written. Which searches it had to make, and what came
    /// of it.
    fn check(tries: &str, expected: &str) {
        let (left, looks) = (RefCell::new(tries.chars()), RefCell::new(String::new()));
        let look = async |must: bool| {
            looks.borrow_mut().push(if must { 'm' } else { 'l' });
            Ok(Sought::default())
        };
        let write = async |_: Sought| match left.borrow_mut().next() {
            Some('-') => Err(WriteError::Refused(Error::SoughtInVain)),
            Some('r') => Err(WriteError::Refused(Error::AddedMeanwhile)),
            _ => Ok(Written {
                reply: Reply::empty(),
                revision: 1,
                replayed: false,
            }),
        };
        let done = settled(look, write, |error| *error == Error::SoughtInVain);
        let done = futures_util::FutureExt::now_or_never(done).expect("nothing to wait for");
        let told = match done {
            Ok(Ok(_)) => "written".to_owned(),
            Ok(Err(WriteError::Refused(error))) => error.code().to_owned(),
            other => format!("{other:?}"),
        };
        assert_eq!(format!("{} {told}", looks.borrow()), expected, "{tries}");
    }

    #[test]
    fn it_is_tried_a_few_times() {
        check("w", "l written");
        check("r", "l addedMeanwhile");
        check("-w", "lm written");
        check("--w", "lmm written");
        check("-r", "lm addedMeanwhile");
        check("---w", "lmm changedMeanwhile");
    }
}
