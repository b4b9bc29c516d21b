//! Text becoming a tree, and back: the Graph Selector language of `grammar/selector.ebnf`. Knows no graph and no schema.

pub mod ast;
mod context;
mod error;
mod parse;
mod print;
mod refuse;

#[cfg(test)]
mod tests;

pub use error::{SelectorError, caret};
pub use print::Quoted;

use ast::{Include, Selector, Target};
use context::{Context, Parsed};
use nom::Err;
use refuse::Wanted;

use crate::limits::Limits;

/// A decoded selector, with its leading `/`.
pub fn parse(text: &str, limits: &Limits) -> Result<Selector, SelectorError> {
    whole(text, limits, Wanted::Selector, parse::selector)
}

/// What follows `/graph` in a decoded path: nothing, `/`, or a selector; and a format such as `.json`.
pub fn parse_target(text: &str, limits: &Limits) -> Result<Target, SelectorError> {
    whole(text, limits, Wanted::Target, parse::target)
}

/// A chain of relations to answer along with an object: the decoded name of a query parameter that begins with `/~`.
pub fn parse_include(text: &str, limits: &Limits) -> Result<Include, SelectorError> {
    whole(text, limits, Wanted::Include, parse::include)
}

/// A selector, or words about one, with nothing between the quotes: for logs, which texts of a question do not belong in.
pub fn without_texts(text: &str) -> String {
    let mut left = String::with_capacity(text.len());
    let (mut quoted, mut escaped) = (false, false);
    for letter in text.chars() {
        if !quoted || letter == '\'' && !escaped {
            left.push(letter);
            quoted ^= letter == '\'';
        }
        escaped = quoted && letter == '\\' && !escaped;
    }
    left
}

fn whole<'t, T>(
    text: &'t str,
    limits: &Limits,
    wanted: Wanted,
    production: fn(&Context<'t>, &'t str) -> Parsed<'t, T>,
) -> Result<T, SelectorError> {
    let hops = match wanted {
        Wanted::Include => limits.include_hops(),
        Wanted::Selector | Wanted::Target => limits.selector_hops(),
    };
    let cx = Context::new(text, limits, hops)?;
    match production(&cx, text) {
        Ok(("", tree)) => Ok(tree),
        Ok((rest, _)) => Err(refuse::leftover(&cx, rest, wanted)),
        Err(Err::Failure(fault) | Err::Error(fault)) => match fault.0 {
            Some(refusal) => Err(*refusal),
            None => Err(refuse::leftover(&cx, text, wanted)),
        },
        Err(Err::Incomplete(_)) => Err(refuse::leftover(&cx, text, wanted)),
    }
}
