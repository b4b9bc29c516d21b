//! The words of refusals: what was found, what was expected, what to do. Each function says why one production could
//! not go on; none decides whether it can.

use super::ast::Span;
use super::context::{Context, is_name_character, is_name_start, is_space};
use super::error::{SelectorError, shown};
use crate::limits::Limit;

const QUOTE_IN_TEXT: &str = "a quote inside a text is written twice: `'O''Brien'`";
const QUOTE_TEXTS: &str =
    "texts, dates and ids stand in single quotes: `'ACME'`; only `null`, `true`, `false` and numbers stand bare";
const ENCODED_TWICE: &str = "this looks percent-encoded twice: encode the selector once";
const MANY_SORTS: &str = "several fields sort by repeating `s`: `{s=name,s=created-}`";

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

// ---- parts ----

pub(super) fn head(cx: &Context, at: &str) -> SelectorError {
    let help = match at.chars().next() {
        None => "name a type: `/Organization`".to_owned(),
        Some('~') => "a selector begins with an object; what to follow from it comes next: \
                      `/Organization/~OneToMany/License`"
            .to_owned(),
        Some('@') => "conditions stand in brackets after a type: `/Organization[@name='ACME']`".to_owned(),
        Some('/') => "one `/` is enough".to_owned(),
        Some('[') => "name the type before its conditions: `/Organization[@name='ACME']`".to_owned(),
        Some(_) => names("a type", "`/Organization`"),
    };
    expected(cx, "expectedObject", "the name of a type, `me` or a query", at, help)
}

fn names(what: &str, example: &str) -> String {
    format!("{what} is written in letters A to Z, digits and `_`, and begins with a letter: {example}")
}

pub(super) fn conditions_of_me(cx: &Context, at: &str) -> SelectorError {
    let message = "`me` takes no conditions".to_owned();
    error(
        "conditionsNotAllowed",
        message,
        "`me` is one Profile: write `/me`, or `/Profile[…]`",
        cx.span_of(at, 1),
    )
}

pub(super) fn collection_of_me(cx: &Context, at: &str) -> SelectorError {
    let message = "`me` takes no collection name".to_owned();
    error(
        "collectionNotAllowed",
        message,
        "`me` is one Profile: write `/me`, or `/Profile:Profile`",
        cx.span_of(at, 1),
    )
}

pub(super) fn conditions_of_query(cx: &Context, at: &str) -> SelectorError {
    let help = "its arguments are all it takes; to filter, select a type: `/Profile[…]`";
    error(
        "conditionsNotAllowed",
        "a named query takes no conditions".to_owned(),
        help,
        cx.span_of(at, 1),
    )
}

pub(super) fn conditions_of_multiplicity(cx: &Context, name: &str, at: &str) -> SelectorError {
    let help =
        format!("conditions follow the object: `/~{name}/License[…]`; only named relations have fields of their own");
    error(
        "conditionsNotAllowed",
        format!("`~{name}` takes no conditions"),
        help,
        cx.span_of(at, 1),
    )
}

pub(super) fn collection_of_multiplicity(cx: &Context, name: &str, at: &str) -> SelectorError {
    let help = format!("a collection name follows an object: `/~{name}/License:License`");
    error(
        "collectionNotAllowed",
        format!("`~{name}` takes no collection name"),
        help,
        cx.span_of(at, 1),
    )
}

pub(super) fn collection(cx: &Context, at: &str) -> SelectorError {
    let help = "a collection is named as its type: `/License:License`; without one, leave out the `:`";
    expected(cx, "expectedName", "the name of a collection after `:`", at, help)
}

pub(super) fn relation(cx: &Context, at: &str) -> SelectorError {
    let help = match at.chars().next() {
        Some('@') => {
            "a field ends only the name of a form parameter; conditions stand in brackets: `[@name='ACME']`".to_owned()
        }
        Some(c) if is_name_start(c) => {
            let name = token(at);
            if cx.place(at) == 1 {
                let help = format!("an include begins with a relation: `/~OneToMany/{name}`");
                return expected(cx, "expectedRelation", "`~` and a relation", at, help);
            }
            format!(
                "between two objects stands a relation: `/~OneToMany/{name}`; if `{name}` is the relation: `/~{name}/`"
            )
        }
        _ if at.is_empty() && cx.place(at) > 1 => "leave out the last `/`, or go on: `/~OneToMany/License`".to_owned(),
        _ => "go on with a relation and an object: `/~OneToMany/License`".to_owned(),
    };
    expected(cx, "expectedRelation", "`~` and a relation", at, help)
}

pub(super) fn relation_name(cx: &Context, at: &str) -> SelectorError {
    let help = names(
        "a relation",
        "`~OneToMany`, `~ManyToOne`, `~ManyToMany` or a named one such as `~Membership`",
    );
    expected(cx, "expectedRelation", "the name of a relation after `~`", at, help)
}

/// `relation` is where its `~` stands, `at` the end of it.
pub(super) fn after_relation(cx: &Context, relation: &str, at: &str) -> SelectorError {
    match at.chars().next() {
        None | Some('{' | '.') => relation_at_end(cx, relation, at),
        _ => expected(cx, "unexpectedCharacter", "`/` and an object after the relation", at, {
            match at.chars().next() {
                Some('(') => "a relation takes conditions, not arguments: `/~Membership[@validUntil=null]/Profile`",
                _ => "a relation leads to an object: `/~OneToMany/License`",
            }
        }),
    }
}

fn relation_at_end(cx: &Context, relation: &str, at: &str) -> SelectorError {
    let span = cx.span(relation, at);
    let written = quoted(relation[..relation.len() - at.len()].trim_end_matches('/'));
    let help = format!("name what it leads to: `/{}/License`", written.trim_matches('`'));
    error(
        "relationAtEnd",
        format!("{} cannot end in a relation, this one ends in {written}", cx.kind()),
        help,
        span,
    )
}

pub(super) fn object_of_step(cx: &Context, relation: &str, at: &str) -> SelectorError {
    if at.is_empty() {
        return relation_at_end(cx, relation, at);
    }
    let help = match at.chars().next() {
        Some('~') => {
            "after each relation comes the object it leads to: `/~OneToMany/Entitlement/~OneToMany/License`".to_owned()
        }
        Some('@') => {
            "a field ends only the name of a form parameter; conditions stand in brackets: `[@name='ACME']`".to_owned()
        }
        Some('[') => "name the type before its conditions: `/~OneToMany/License[@id='…']`".to_owned(),
        Some('/') => "one `/` is enough".to_owned(),
        _ => names("a type", "`/~OneToMany/License`"),
    };
    expected(cx, "expectedObject", "the name of a type after the relation", at, help)
}

// ---- conditions ----

pub(super) fn condition(cx: &Context, at: &str) -> SelectorError {
    let before = cx.text[..cx.place(at)].trim_end();
    let (code, help) = match at.chars().next() {
        Some(']') if before.ends_with('[') => (
            "expectedCondition",
            "without conditions, leave out the brackets".to_owned(),
        ),
        Some(')') if before.ends_with('(') => ("expectedCondition", "leave out the empty parentheses".to_owned()),
        Some(']' | ')') => (
            "expectedCondition",
            "leave out the last `and`, `or` or `not`, or go on: `@name='ACME'`".to_owned(),
        ),
        Some('&' | '|') => (
            "expectedCondition",
            "write `and` or `&`, `or` or `|`: one sign is enough".to_owned(),
        ),
        Some('!') => (
            "expectedCondition",
            "write `not @name='ACME'`, or `@name!='ACME'`".to_owned(),
        ),
        Some(c) if is_name_start(c) => {
            let word = token(at);
            let help = match word.to_ascii_lowercase().as_str() {
                lower @ ("and" | "or" | "not") if word != lower => format!("write it in lower case: `{lower}`"),
                "and" | "or" => "a condition is missing before it".to_owned(),
                _ => format!("a field is written with `@`: `@{word}`"),
            };
            ("expectedField", help)
        }
        Some('\'' | '0'..='9') => (
            "expectedField",
            "a condition is a field, an operator and a value: `@name='ACME'`".to_owned(),
        ),
        _ => (
            "expectedCondition",
            "a condition is a field, an operator and a value: `@name='ACME'`".to_owned(),
        ),
    };
    expected(cx, code, "a condition such as `@name='ACME'`", at, help)
}

pub(super) fn field_name(cx: &Context, at: &str) -> SelectorError {
    expected(
        cx,
        "expectedField",
        "the name of a field after `@`",
        at,
        names("a field", "`@name`"),
    )
}

pub(super) fn operator(cx: &Context, field: &str, at: &str) -> SelectorError {
    let help = match at.chars().next() {
        Some('!') => "write `!=` for not equal, `!~` for not like".to_owned(),
        Some(':') => "write `=`".to_owned(),
        Some('.') => "a field has one name; to ask of a related object, follow the relation to it".to_owned(),
        Some(c) if is_name_start(c) => match token(at).to_ascii_lowercase().as_str() {
            "like" | "contains" | "ilike" => {
                format!("write `~`: `@{field}~'acme'` contains, `@{field}~'acme*'` begins with")
            }
            "is" | "eq" => format!("write `=`: `@{field}=null`"),
            "ne" | "neq" => format!("write `!=`: `@{field}!='ACME'`"),
            "in" => format!("join what may be with `or`: `@{field}='A' or @{field}='B'`"),
            _ => format!("put an operator between field and value: `@{field}='ACME'`"),
        },
        _ => format!("to ask whether the field is set: `@{field}!=null`"),
    };
    expected(
        cx,
        "expectedOperator",
        "one of `=` `!=` `~` `!~` `*` `<` `<=` `>` `>=`",
        at,
        help,
    )
}

pub(super) fn value(cx: &Context, at: &str) -> SelectorError {
    let help = match at.chars().next() {
        Some('"' | '‘' | '’' | '“' | '”' | '`' | '´') => {
            "texts stand in plain single quotes: `'ACME'`".to_owned()
        }
        Some(second @ ('=' | '>' | '~' | '<' | '!' | '*')) => {
            let first = cx.text[..cx.place(at)].trim_end().chars().next_back();
            let meant = match (first, second) {
                (Some('='), '=') => "one `=` is enough",
                (Some('<'), '>') => "not equal is `!=`",
                (Some('='), '~') => "like is `~`",
                (Some('='), '!') => "not equal is `!=`",
                (Some('='), '>') => "at least is `>=`",
                (Some('='), '<') => "at most is `<=`",
                _ => "write one operator",
            };
            meant.to_owned()
        }
        Some('@') => "a field is compared with a value, not with another field".to_owned(),
        Some('(') => "join what may be with `or`: `@name='A' or @name='B'`".to_owned(),
        Some('+') => "leave out the `+`".to_owned(),
        Some(')') if cx.text[..cx.place(at)].trim_end().ends_with(',') => "leave out the last `,`".to_owned(),
        Some(c) if is_name_start(c) => match token(at) {
            word if matches!(word.to_ascii_lowercase().as_str(), "null" | "true" | "false") => {
                format!("write it in lower case: `{}`", word.to_ascii_lowercase())
            }
            _ => QUOTE_TEXTS.to_owned(),
        },
        _ => QUOTE_TEXTS.to_owned(),
    };
    expected(cx, "expectedValue", "a value", at, help)
}

// ---- what is never closed ----

fn unclosed(cx: &Context, code: &'static str, sign: &str, open: &str, close: char) -> SelectorError {
    error(
        code,
        format!("the `{sign}` that opens here is never closed"),
        format!("close it with `{close}`"),
        cx.span_of(open, 1),
    )
}

/// Where a condition ended and neither a further one nor the closing sign came.
fn after_condition(cx: &Context, at: &str, close: char) -> SelectorError {
    let in_text = cx.text[..cx.place(at)].ends_with('\'');
    let help = match at.chars().next() {
        Some(c) if is_name_start(c) && matches!(token(at).to_ascii_lowercase().as_str(), "and" | "or") => {
            format!("write it in lower case: `{}`", token(at).to_ascii_lowercase())
        }
        Some(c) if in_text && (c.is_alphanumeric() || c == '\'') => QUOTE_IN_TEXT.to_owned(),
        Some(')') => "there is no open parenthesis to close here".to_owned(),
        Some('/' | '[' | '{' | '.') => format!("close what is open first, with `{close}`"),
        _ => "join conditions with `and` or `or`".to_owned(),
    };
    expected(
        cx,
        "unexpectedCharacter",
        &format!("`and`, `or` or `{close}`"),
        at,
        help,
    )
}

pub(super) fn close_bracket(cx: &Context, open: &str, at: &str) -> SelectorError {
    match at {
        "" => unclosed(cx, "unclosedBracket", "[", open, ']'),
        _ => after_condition(cx, at, ']'),
    }
}

pub(super) fn close_group(cx: &Context, open: &str, at: &str) -> SelectorError {
    match at.chars().next() {
        None | Some(']') => unclosed(cx, "unclosedParenthesis", "(", open, ')'),
        _ => after_condition(cx, at, ')'),
    }
}

pub(super) fn close_arguments(cx: &Context, open: &str, at: &str) -> SelectorError {
    match at {
        "" => unclosed(cx, "unclosedParenthesis", "(", open, ')'),
        _ => {
            let in_text = cx.text[..cx.place(at)].ends_with('\'') && at.starts_with(char::is_alphanumeric);
            let help = if in_text {
                QUOTE_IN_TEXT
            } else {
                "arguments are separated by `,`: `query('a','b')`"
            };
            expected(cx, "unexpectedCharacter", "`,` or `)` after the argument", at, help)
        }
    }
}

pub(super) fn close_quote(cx: &Context, open: &str) -> SelectorError {
    let mut refusal = unclosed(cx, "unclosedQuote", "'", open, '\'');
    if open.contains("\\'") {
        refusal.help = "close it with `'`; a backslash before a quote makes the quote a part of the text, \
                        so a backslash at its end is written twice"
            .to_owned();
    } else if open[1..].contains('\'') {
        refusal.help = format!("close it with `'`; {QUOTE_IN_TEXT}");
    }
    refusal
}

pub(super) fn close_brace(cx: &Context, open: &str, at: &str) -> SelectorError {
    let help = match at.chars().next() {
        None => return unclosed(cx, "unclosedBrace", "{", open, '}'),
        Some('=') => "`count` has no value".to_owned(),
        Some('&' | ';' | '|') => "parameters are separated by `,`: `{i=0,r=5}`".to_owned(),
        Some(c) if is_name_start(c) => "`-` after the field sorts downwards: `{s=created-}`".to_owned(),
        _ => "parameters are `{count}` or `{i=0,r=5,s=name}`".to_owned(),
    };
    expected(cx, "unexpectedCharacter", "`,` or `}`", at, help)
}

// ---- parameters ----

const PARAMETERS: &str = "`count`, `i=` (the first to answer), `r=` (how many) and `s=` (sort by a field)";

pub(super) fn parameter(cx: &Context, at: &str) -> SelectorError {
    let help = match at.chars().next() {
        Some('}') if cx.text[..cx.place(at)].trim_end().ends_with(',') => "leave out the last `,`".to_owned(),
        Some('}') => "leave out the empty `{}`".to_owned(),
        _ => format!("the parameters are {PARAMETERS}"),
    };
    expected(cx, "expectedParameter", "a parameter", at, help)
}

pub(super) fn unknown_parameter(cx: &Context, at: &str) -> SelectorError {
    let name = token(at);
    let before = cx.text[..cx.place(at)].trim_end().trim_end_matches(',').trim_end();
    let last = before.rsplit(['{', ',']).next().unwrap_or_default();
    let help = match name.to_ascii_lowercase().as_str() {
        "i" | "offset" | "index" | "skip" | "start" => {
            "the number of the first to answer is `i`: `{i=0,r=5}`".to_owned()
        }
        "r" | "limit" | "rows" | "size" | "max" => "how many to answer is `r`: `{i=0,r=5}`".to_owned(),
        "s" | "sort" | "order" | "orderby" | "desc" | "asc" => {
            "the field to sort by is `s`: `{s=name}`, `{s=created-}`".to_owned()
        }
        "count" => "write it in lower case: `{count}`".to_owned(),
        _ if last.starts_with('s') => MANY_SORTS.to_owned(),
        _ => format!("the parameters are {PARAMETERS}"),
    };
    let message = format!("unknown parameter {}", quoted(name));
    error("unknownParameter", message, help, cx.span_of(at, name.len()))
}

pub(super) fn duplicate(cx: &Context, at: &str, end: &str) -> SelectorError {
    let name = token(at);
    let message = format!("the parameter {} is given twice", quoted(name));
    error(
        "duplicateParameter",
        message,
        "only `s` may be repeated",
        cx.span(at, end),
    )
}

pub(super) fn equals(cx: &Context, parameter: &str, at: &str) -> SelectorError {
    let example = if parameter == "s" { "s=name" } else { "i=0,r=5" };
    expected(
        cx,
        "expectedParameter",
        &format!("`=` after `{parameter}`"),
        at,
        format!("write `{{{example}}}`"),
    )
}

pub(super) fn integer(cx: &Context, at: &str) -> SelectorError {
    let found = at
        .find(|c| !(is_name_character(c) || "-+.'\"".contains(c)))
        .map_or(at, |end| &at[..end]);
    let found = if found.is_empty() { token(at) } else { found };
    let help = match found.chars().next() {
        Some('\'' | '"') => "write it without quotes: `{i=0,r=5}`".to_owned(),
        Some('0'..='9') if found.chars().all(|c| c.is_ascii_digit()) => format!("the largest number is {}", u64::MAX),
        _ => "write a whole number, zero or more: `{i=0,r=5}`".to_owned(),
    };
    error(
        "badNumber",
        format!("expected a whole number, found {}", quoted(found)),
        help,
        cx.span_of(at, found.len()),
    )
}

pub(super) fn sort_field(cx: &Context, at: &str) -> SelectorError {
    let help = match at.chars().next() {
        Some('@') => "write the field without `@`: `{s=name}`".to_owned(),
        Some('+' | '-') => "the direction follows the field: `{s=created-}`".to_owned(),
        Some('\'') => "write the field without quotes: `{s=name}`".to_owned(),
        _ => names("a field", "`{s=name}`, `{s=created-}`"),
    };
    expected(cx, "expectedField", "the field to sort by", at, help)
}
