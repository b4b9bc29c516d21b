//! Refusals at the parts of a selector and at its parameters.

use super::*;

const MANY_SORTS: &str = "several fields sort by repeating `s`: `{s=name,s=created-}`";
const PARAMETERS: &str = "`count`, `i=` (the first to answer), `r=` (how many) and `s=` (sort by a field)";

pub(in crate::selector) fn head(cx: &Context, at: &str) -> SelectorError {
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

pub(in crate::selector) fn conditions_of_me(cx: &Context, at: &str) -> SelectorError {
    let message = "`me` takes no conditions".to_owned();
    error(
        "conditionsNotAllowed",
        message,
        "`me` is one Profile: write `/me`, or `/Profile[…]`",
        cx.span_of(at, 1),
    )
}

pub(in crate::selector) fn collection_of_me(cx: &Context, at: &str) -> SelectorError {
    let message = "`me` takes no collection name".to_owned();
    error(
        "collectionNotAllowed",
        message,
        "`me` is one Profile: write `/me`, or `/Profile:Profile`",
        cx.span_of(at, 1),
    )
}

pub(in crate::selector) fn conditions_of_query(cx: &Context, at: &str) -> SelectorError {
    let help = "its arguments are all it takes; to filter, select a type: `/Profile[…]`";
    error(
        "conditionsNotAllowed",
        "a named query takes no conditions".to_owned(),
        help,
        cx.span_of(at, 1),
    )
}

pub(in crate::selector) fn conditions_of_multiplicity(cx: &Context, name: &str, at: &str) -> SelectorError {
    let help =
        format!("conditions follow the object: `/~{name}/License[…]`; only named relations have fields of their own");
    error(
        "conditionsNotAllowed",
        format!("`~{name}` takes no conditions"),
        help,
        cx.span_of(at, 1),
    )
}

pub(in crate::selector) fn collection_of_multiplicity(cx: &Context, name: &str, at: &str) -> SelectorError {
    let help = format!("a collection name follows an object: `/~{name}/License:License`");
    error(
        "collectionNotAllowed",
        format!("`~{name}` takes no collection name"),
        help,
        cx.span_of(at, 1),
    )
}

pub(in crate::selector) fn collection(cx: &Context, at: &str) -> SelectorError {
    let help = "a collection is named as its type: `/License:License`; without one, leave out the `:`";
    expected(cx, "expectedName", "the name of a collection after `:`", at, help)
}

pub(in crate::selector) fn relation(cx: &Context, at: &str) -> SelectorError {
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

pub(in crate::selector) fn relation_name(cx: &Context, at: &str) -> SelectorError {
    let help = names(
        "a relation",
        "`~OneToMany`, `~ManyToOne`, `~ManyToMany` or a named one such as `~Membership`",
    );
    expected(cx, "expectedRelation", "the name of a relation after `~`", at, help)
}

/// `relation` is where its `~` stands, `at` the end of it.
pub(in crate::selector) fn after_relation(cx: &Context, relation: &str, at: &str) -> SelectorError {
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

pub(in crate::selector) fn object_of_step(cx: &Context, relation: &str, at: &str) -> SelectorError {
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

pub(in crate::selector) fn parameter(cx: &Context, at: &str) -> SelectorError {
    let help = match at.chars().next() {
        Some('}') if cx.text[..cx.place(at)].trim_end().ends_with(',') => "leave out the last `,`".to_owned(),
        Some('}') => "leave out the empty `{}`".to_owned(),
        _ => format!("the parameters are {PARAMETERS}"),
    };
    expected(cx, "expectedParameter", "a parameter", at, help)
}

pub(in crate::selector) fn unknown_parameter(cx: &Context, at: &str) -> SelectorError {
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

pub(in crate::selector) fn duplicate(cx: &Context, at: &str, end: &str) -> SelectorError {
    let name = token(at);
    let message = format!("the parameter {} is given twice", quoted(name));
    error(
        "duplicateParameter",
        message,
        "only `s` may be repeated",
        cx.span(at, end),
    )
}

pub(in crate::selector) fn equals(cx: &Context, parameter: &str, at: &str) -> SelectorError {
    let example = if parameter == "s" { "s=name" } else { "i=0,r=5" };
    expected(
        cx,
        "expectedParameter",
        &format!("`=` after `{parameter}`"),
        at,
        format!("write `{{{example}}}`"),
    )
}

pub(in crate::selector) fn integer(cx: &Context, at: &str) -> SelectorError {
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

pub(in crate::selector) fn sort_field(cx: &Context, at: &str) -> SelectorError {
    let help = match at.chars().next() {
        Some('@') => "write the field without `@`: `{s=name}`".to_owned(),
        Some('+' | '-') => "the direction follows the field: `{s=created-}`".to_owned(),
        Some('\'') => "write the field without quotes: `{s=name}`".to_owned(),
        _ => names("a field", "`{s=name}`, `{s=created-}`"),
    };
    expected(cx, "expectedField", "the field to sort by", at, help)
}
