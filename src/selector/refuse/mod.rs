//! The words of refusals: what was found, what was expected, what to do. Each function says why one production could
//! not go on; none decides whether it can.

mod conditions;
mod parts;

pub(super) use conditions::*;
pub(super) use parts::*;

use super::ast::Span;
use super::context::{Context, is_name_character, is_name_start, is_space};
use super::error::{SelectorError, shown};
use crate::limits::Limit;

const ENCODED_TWICE: &str = "this looks percent-encoded twice: encode the selector once";

fn error(code: &'static str, message: String, help: impl Into<String>, span: Span) -> SelectorError {
    SelectorError {
        code,
        message,
        help: help.into(),
        span,
        limit: None,
    }
}

fn expected(cx: &Context, code: &'static str, what: &str, at: &str, help: impl Into<String>) -> SelectorError {
    let help = if encoded(at) {
        ENCODED_TWICE.to_owned()
    } else {
        help.into()
    };
    let found = token(at);
    error(
        code,
        format!("expected {what}, found {}", quoted(found)),
        help,
        cx.span_of(at, found.len()),
    )
}

/// What stands at a place, as its reader would name it: a word, a bare value such as a date, an operator or a character.
fn token(at: &str) -> &str {
    let long = |wanted: fn(char) -> bool| at.find(|c| !wanted(c)).unwrap_or(at.len());
    let bytes = match at.chars().next() {
        None => 0,
        Some(c) if c.is_ascii_digit() => long(|c| is_name_character(c) || "-.:+".contains(c)),
        Some(c) if c.is_alphabetic() || c == '_' => long(|c| c.is_alphanumeric() || c == '_'),
        Some(c) if is_space(c) => long(is_space),
        Some('%') if encoded(at) => 3,
        Some(c) => c.len_utf8(),
    };
    &at[..bytes]
}

/// For a message: in backticks, on one line, not too long.
fn quoted(found: &str) -> String {
    const LONGEST: usize = 40;
    match found.chars().next() {
        None => "the end".to_owned(),
        Some('`') => "a backtick".to_owned(),
        Some(c) if is_space(c) => "white space".to_owned(),
        Some(c) if shown(c) != c => format!("the character U+{:04X}", u32::from(c)),
        Some(_) if found.chars().count() > LONGEST => {
            format!("`{}…`", found.chars().take(LONGEST).collect::<String>())
        }
        Some(_) => format!("`{found}`"),
    }
}

fn encoded(at: &str) -> bool {
    matches!(at.as_bytes(), [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}

fn names(what: &str, example: &str) -> String {
    format!("{what} is written in letters A to Z, digits and `_`, and begins with a letter: {example}")
}

// ---- limits ----

pub(super) fn too_long(text: &str, limit: Limit) -> SelectorError {
    // The place is the first character that is too much, where a character begins.
    let start = (0..=usize::try_from(limit.value).unwrap_or(usize::MAX).min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    SelectorError {
        code: "selectorTooLong",
        message: format!("the text has {} bytes, it may have {}", text.len(), limit.value),
        help: "ask several shorter questions, or fetch by another field than a list of ids".to_owned(),
        span: Span {
            start: place(start),
            end: place(text.len()),
        },
        limit: Some(limit),
    }
}

fn limited(code: &'static str, message: String, help: &str, span: Span, limit: Limit) -> SelectorError {
    SelectorError {
        limit: Some(limit),
        ..error(code, message, help, span)
    }
}

pub(super) fn too_deep(cx: &Context, at: &str, limit: Limit) -> SelectorError {
    let message = format!("parentheses and `not` nest at most {} levels deep", limit.value);
    limited(
        "nestingTooDeep",
        message,
        "drop parentheses that group nothing",
        cx.span_of(at, token(at).len()),
        limit,
    )
}

pub(super) fn too_many_predicates(cx: &Context, at: &str, limit: Limit) -> SelectorError {
    let message = format!("{} has at most {} conditions", cx.kind(), limit.value);
    let name = at.get(1..).map_or(0, |name| token(name).len());
    limited(
        "tooManyPredicates",
        message,
        "ask several shorter questions",
        cx.span_of(at, 1 + name),
        limit,
    )
}

pub(super) fn too_many_hops(cx: &Context, at: &str, limit: Limit) -> SelectorError {
    let message = format!("{} has at most {} relation parts", cx.kind(), limit.value);
    limited(
        "tooManyHops",
        message,
        "begin nearer to what is wanted, or ask in two steps",
        cx.span_of(at, 1),
        limit,
    )
}

// ---- the whole ----

/// What was left when everything that could be read was.
pub(super) fn leftover(cx: &Context, at: &str, wanted: Wanted) -> SelectorError {
    let read = &cx.text[..cx.place(at)];
    let formatted = wanted == Wanted::Target && [".json", ".jwt", ".xml", ".txt"].iter().any(|end| read.ends_with(end));
    let what = match wanted {
        Wanted::Include => "`/`, `[` or the end of the include",
        Wanted::Target if formatted => "the end after the format",
        _ if read.ends_with('}') => "the end after `{…}`",
        _ if read.ends_with(')') || read == "/me" => "`/`, `{` or the end of the selector",
        _ => "`/`, `[`, `{` or the end of the selector",
    };
    let help = match at.chars().next().unwrap_or_default() {
        _ if formatted => "the format ends the path: `/License{i=0,r=5}.json`",
        '.' if wanted == Wanted::Include => "an include has no format: it goes at the end of the path",
        '.' => "a format such as `.json` goes only at the end of a `/graph` path",
        '{' if wanted == Wanted::Include => "`{…}` goes to the selector; an include takes all that is related",
        '=' if wanted == Wanted::Include => "an include is the name of a parameter, and has no value",
        '{' => "a selector has one `{…}`, at its very end: `{i=0,r=5,s=name}`",
        '@' => "conditions stand in brackets: `[@name='ACME']`",
        '?' | '&' => "parameters follow an unencoded `?` after the selector",
        '(' => "only the name of a query at the beginning takes arguments: `/profile('…')`",
        '[' | '/' | ':' if read.ends_with('}') => "`{…}` goes at the very end of a selector",
        '~' => "a relation stands after a `/`: `/~OneToMany/License`",
        c if is_space(c) => "spaces are allowed inside `[…]`, `{…}` and `(…)` only",
        c if c.is_alphanumeric() || "-$".contains(c) => "names have the letters A to Z, digits and `_`",
        _ => "a selector has these parts: `/Type[@field='value']/~Relation/Type{i=0,r=5}`",
    };
    expected(cx, "unexpectedCharacter", what, at, help)
}

/// Which text is read: they end differently.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Selector,
    Target,
    Include,
}

pub(super) fn format(cx: &Context, at: &str) -> SelectorError {
    let found = at[1..]
        .find(|c: char| !c.is_alphanumeric())
        .map_or(&at[1..], |end| &at[1..=end]);
    let message = if found.is_empty() {
        "expected a format after `.`".to_owned()
    } else {
        format!("unknown format {}", quoted(&at[..=found.len()]))
    };
    let help = "the formats are `.json`, `.jwt`, `.xml` and `.txt`";
    error("unknownFormat", message, help, cx.span_of(at, 1 + found.len()))
}

pub(super) fn slash(cx: &Context, at: &str) -> SelectorError {
    expected(
        cx,
        "expectedSlash",
        "`/`",
        at,
        "a selector begins with `/` and a type: `/Organization[@name='ACME']`",
    )
}

pub(super) fn include(cx: &Context, at: &str) -> SelectorError {
    expected(
        cx,
        "expectedSlash",
        "`/~`",
        at,
        "an include is a chain of relations: `/~OneToMany/License`",
    )
}
