//! Refusals between brackets, and of what is opened and never closed.

use super::*;

const QUOTE_IN_TEXT: &str = "a quote inside a text is written twice: `'O''Brien'`";
const QUOTE_TEXTS: &str =
    "texts, dates and ids stand in single quotes: `'ACME'`; only `null`, `true`, `false` and numbers stand bare";

pub(in crate::selector) fn condition(cx: &Context, at: &str) -> SelectorError {
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

pub(in crate::selector) fn field_name(cx: &Context, at: &str) -> SelectorError {
    expected(
        cx,
        "expectedField",
        "the name of a field after `@`",
        at,
        names("a field", "`@name`"),
    )
}

pub(in crate::selector) fn operator(cx: &Context, field: &str, at: &str) -> SelectorError {
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

pub(in crate::selector) fn value(cx: &Context, at: &str) -> SelectorError {
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

pub(in crate::selector) fn close_bracket(cx: &Context, open: &str, at: &str) -> SelectorError {
    match at {
        "" => unclosed(cx, "unclosedBracket", "[", open, ']'),
        _ => after_condition(cx, at, ']'),
    }
}

pub(in crate::selector) fn close_group(cx: &Context, open: &str, at: &str) -> SelectorError {
    match at.chars().next() {
        None | Some(']') => unclosed(cx, "unclosedParenthesis", "(", open, ')'),
        _ => after_condition(cx, at, ')'),
    }
}

pub(in crate::selector) fn close_arguments(cx: &Context, open: &str, at: &str) -> SelectorError {
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

pub(in crate::selector) fn close_quote(cx: &Context, open: &str) -> SelectorError {
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

pub(in crate::selector) fn close_brace(cx: &Context, open: &str, at: &str) -> SelectorError {
    let help = match at.chars().next() {
        None => return unclosed(cx, "unclosedBrace", "{", open, '}'),
        Some('=') => "`count` has no value".to_owned(),
        Some('&' | ';' | '|') => "parameters are separated by `,`: `{i=0,r=5}`".to_owned(),
        Some(c) if is_name_start(c) => "`-` after the field sorts downwards: `{s=created-}`".to_owned(),
        _ => "parameters are `{count}` or `{i=0,r=5,s=name}`".to_owned(),
    };
    expected(cx, "unexpectedCharacter", "`,` or `}`", at, help)
}
