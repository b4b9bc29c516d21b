//! Text becoming a tree: one function a production of `grammar/selector.ebnf`, under the same name (a test compares
//! them). Whether types, fields and relations exist is not asked here.

use compact_str::CompactString;
use nom::Parser;
use nom::branch::alt;
use nom::bytes::complete::{is_not, tag, take_while};
use nom::character::complete::{char, digit1, one_of};
use nom::combinator::{consumed, map, opt, recognize, value as constant};
use nom::multi::{fold_many0, many0, many1};
use nom::sequence::{pair, preceded};

use super::ast::*;
use super::context::*;
use super::refuse;

// ---- the whole ----

pub(super) fn target<'t>(cx: &Context<'t>, input: &'t str) -> Parsed<'t, Target> {
    let bare = input.strip_prefix('/').unwrap_or(input);
    let (input, chosen) = match bare.chars().next() {
        None | Some('.') => (bare, None),
        Some(_) => map(|i| selector(cx, i), Some).parse(input)?,
    };
    let (input, format) = opt(|i| suffix(cx, i)).parse(input)?;
    Ok((
        input,
        Target {
            selector: chosen,
            format,
        },
    ))
}

fn suffix<'t>(cx: &Context<'t>, input: &'t str) -> Parsed<'t, Format> {
    let (rest, _) = char('.').parse(input)?;
    need(format(rest), || refuse::format(cx, input))
}

fn format(input: &str) -> Parsed<'_, Format> {
    let word = |text, format| move |i| map(|i| keyword(text, i), |()| format).parse(i);
    alt((
        word("json", Format::Json),
        word("jwt", Format::Jwt),
        word("xml", Format::Xml),
        word("txt", Format::Txt),
    ))
    .parse(input)
}

pub(super) fn selector<'t>(cx: &Context<'t>, input: &'t str) -> Parsed<'t, Selector> {
    let (input, head) = head(cx, input)?;
    let (input, steps) = many0(|i| step(cx, i)).parse(input)?;
    let (input, params) = opt(|i| params(cx, i)).parse(input)?;
    let params = params.unwrap_or_else(|| Params {
        span: cx.span(input, input),
        ..Params::default()
    });
    Ok((input, Selector { head, steps, params }))
}

pub(super) fn include<'t>(cx: &Context<'t>, input: &'t str) -> Parsed<'t, Include> {
    need(many1(|i| step(cx, i)).parse(input), || refuse::include(cx, input))
}

// ---- its parts ----

fn head<'t>(cx: &Context<'t>, input: &'t str) -> Parsed<'t, Head> {
    let (rest, _) = need(char('/').parse(input), || refuse::slash(cx, input))?;
    let head = alt((
        |i| me(cx, i),
        map(|i| named_query(cx, i), Head::Named),
        map(|i| object(cx, i), Head::Object), // last, since it begins as the others do
    ))
    .parse(rest);
    need(head, || refuse::head(cx, rest))
}

fn me<'t>(cx: &Context<'t>, input: &'t str) -> Parsed<'t, Head> {
    let (rest, ()) = keyword("me", input)?;
    match rest.chars().next() {
        Some('(') => Err(nom::Err::Error(Fault(None))),
        Some('[') => Err(failure(refuse::conditions_of_me(cx, rest))),
        Some(':') => Err(failure(refuse::collection_of_me(cx, rest))),
        _ => Ok((rest, Head::Me(cx.span(input, rest)))),
    }
}

fn named_query<'t>(cx: &Context<'t>, input: &'t str) -> Parsed<'t, NamedQuery> {
    let (open, name) = name(cx, input)?;
    let (rest, _) = char('(').parse(open)?;
    let (mut rest, _) = space(rest)?;
    let mut arguments = Vec::new();
    while !rest.starts_with(')') {
        if !arguments.is_empty() {
            (rest, _) = need(preceded(char(','), space).parse(rest), || {
                refuse::close_arguments(cx, open, rest)
            })?;
        } else if rest.is_empty() {
            return Err(failure(refuse::close_arguments(cx, open, rest)));
        }
        let (after, argument) = need(value(cx, rest), || refuse::value(cx, rest))?;
        arguments.push(argument);
        (rest, _) = space(after)?;
    }
    let (rest, _) = char(')').parse(rest)?;
    match rest.chars().next() {
        Some('[') => Err(failure(refuse::conditions_of_query(cx, rest))),
        _ => Ok((
            rest,
            NamedQuery {
                name,
                arguments,
                span: cx.span(input, rest),
            },
        )),
    }
}

fn object<'t>(cx: &Context<'t>, input: &'t str) -> Parsed<'t, ObjectPart> {
    let (rest, name) = name(cx, input)?;
    let (rest, collection) = opt(|i| collection(cx, i)).parse(rest)?;
    let (mut rest, mut predicates) = (rest, Vec::new());
    while rest.starts_with('[') {
        let (after, predicate) = field_selector(cx, rest)?;
        predicates.push(predicate);
        rest = after;
    }
    Ok((
        rest,
        ObjectPart {
            name,
            collection,
            predicates,
            span: cx.span(input, rest),
        },
    ))
}

fn collection<'t>(cx: &Context<'t>, input: &'t str) -> Parsed<'t, Name> {
    let (rest, _) = char(':').parse(input)?;
    need(name(cx, rest), || refuse::collection(cx, rest))
}

fn step<'t>(cx: &Context<'t>, input: &'t str) -> Parsed<'t, Step> {
    let (rest, _) = char('/').parse(input)?;
    cx.count_hop(input)?;
    let (after, relation) = need(relation(cx, rest), || refuse::relation(cx, rest))?;
    let (last, _) = need(char('/').parse(after), || refuse::after_relation(cx, rest, after))?;
    let (end, object) = need(object(cx, last), || refuse::object_of_step(cx, rest, last))?;
    Ok((end, Step { relation, object }))
}

fn relation<'t>(cx: &Context<'t>, input: &'t str) -> Parsed<'t, ObjectPart> {
    let (rest, _) = char('~').parse(input)?;
    let relation = alt((|i| multiplicity(cx, i), |i| object(cx, i))).parse(rest);
    need(relation, || refuse::relation_name(cx, rest))
}

fn multiplicity<'t>(cx: &Context<'t>, input: &'t str) -> Parsed<'t, ObjectPart> {
    let (rest, name) = name(cx, input)?;
    if !matches!(name.text.as_str(), "OneToMany" | "ManyToOne" | "ManyToMany") {
        return Err(nom::Err::Error(Fault(None)));
    }
    match rest.chars().next() {
        Some('[') => Err(failure(refuse::conditions_of_multiplicity(cx, &name.text, rest))),
        Some(':') => Err(failure(refuse::collection_of_multiplicity(cx, &name.text, rest))),
        _ => Ok((
            rest,
            ObjectPart {
                span: name.span,
                name,
                collection: None,
                predicates: Vec::new(),
            },
        )),
    }
}

// ---- conditions ----

fn field_selector<'t>(cx: &Context<'t>, open: &'t str) -> Parsed<'t, Predicate> {
    let (rest, _) = char('[').parse(open)?;
    let (rest, predicate) = or_expr(cx, rest)?;
    let (rest, _) = need(char(']').parse(rest), || refuse::close_bracket(cx, open, rest))?;
    Ok((rest, predicate))
}

fn or_expr<'t>(cx: &Context<'t>, input: &'t str) -> Parsed<'t, Predicate> {
    one_or_more(input, |i| and_expr(cx, i), or, Predicate::Or)
}

fn and_expr<'t>(cx: &Context<'t>, input: &'t str) -> Parsed<'t, Predicate> {
    one_or_more(input, |i| condition(cx, i), and, Predicate::And)
}

fn or(input: &str) -> Parsed<'_, ()> {
    alt((constant((), char('|')), |i| keyword("or", i))).parse(input)
}

fn and(input: &str) -> Parsed<'_, ()> {
    alt((constant((), one_of(",&")), |i| keyword("and", i))).parse(input)
}

/// With the space on either side, so that nothing that encloses conditions need think of it.
fn condition<'t>(cx: &Context<'t>, input: &'t str) -> Parsed<'t, Predicate> {
    let (input, _) = space(input)?;
    let condition = alt((|i| negation(cx, i), |i| group(cx, i), |i| comparison(cx, i))).parse(input);
    let (rest, condition) = need(condition, || refuse::condition(cx, input))?;
    let (rest, _) = space(rest)?;
    Ok((rest, condition))
}

fn negation<'t>(cx: &Context<'t>, input: &'t str) -> Parsed<'t, Predicate> {
    let (rest, ()) = keyword("not", input)?;
    cx.enter(input)?;
    let (rest, negated) = condition(cx, rest)?;
    cx.leave();
    Ok((rest, Predicate::Not(Box::new(negated))))
}

fn group<'t>(cx: &Context<'t>, open: &'t str) -> Parsed<'t, Predicate> {
    let (rest, _) = char('(').parse(open)?;
    cx.enter(open)?;
    let (rest, predicate) = or_expr(cx, rest)?;
    let (rest, _) = need(char(')').parse(rest), || refuse::close_group(cx, open, rest))?;
    cx.leave();
    Ok((rest, predicate))
}

fn comparison<'t>(cx: &Context<'t>, input: &'t str) -> Parsed<'t, Predicate> {
    let (rest, field) = field(cx, input)?;
    cx.count_predicate(input)?;
    let (rest, _) = space(rest)?;
    let (rest, operator) = need(operator(rest), || refuse::operator(cx, &field.text, rest))?;
    let (rest, _) = space(rest)?;
    let (rest, value) = need(value(cx, rest), || refuse::value(cx, rest))?;
    Ok((
        rest,
        Predicate::Compare(Comparison {
            field,
            operator,
            value,
            span: cx.span(input, rest),
        }),
    ))
}

fn field<'t>(cx: &Context<'t>, input: &'t str) -> Parsed<'t, Name> {
    let (rest, _) = char('@').parse(input)?;
    need(name(cx, rest), || refuse::field_name(cx, rest))
}

/// Longer ones before those they begin with.
fn operator(input: &str) -> Parsed<'_, Operator> {
    alt((
        constant(Operator::NotEqual, tag("!=")),
        constant(Operator::NotLike, tag("!~")),
        constant(Operator::LessOrEqual, tag("<=")),
        constant(Operator::GreaterOrEqual, tag(">=")),
        constant(Operator::Equal, tag("=")),
        constant(Operator::Like, tag("~")),
        constant(Operator::Prefix, tag("*")),
        constant(Operator::Less, tag("<")),
        constant(Operator::Greater, tag(">")),
    ))
    .parse(input)
}

// ---- values ----

fn value<'t>(cx: &Context<'t>, input: &'t str) -> Parsed<'t, Literal> {
    let value = alt((
        map(|i| text(cx, i), LiteralValue::Text),
        word,
        map(|i| number(cx, i), LiteralValue::Number),
    ));
    let (rest, (read, value)) = consumed(value).parse(input)?;
    Ok((
        rest,
        Literal {
            value,
            span: cx.span_of(input, read.len()),
        },
    ))
}

fn text<'t>(cx: &Context<'t>, open: &'t str) -> Parsed<'t, CompactString> {
    let (rest, _) = char('\'').parse(open)?;
    let (rest, text) = fold_many0(alt((plain, escape)), CompactString::default, |mut text, part| {
        text.push_str(part);
        text
    })
    .parse(rest)?;
    let (rest, _) = need(char('\'').parse(rest), || refuse::close_quote(cx, open))?;
    Ok((rest, text))
}

fn plain(input: &str) -> Parsed<'_, &str> {
    is_not("'\\").parse(input)
}

fn escape(input: &str) -> Parsed<'_, &str> {
    alt((
        constant("'", tag("''")),
        constant("'", tag("\\'")),
        constant("\\", tag("\\\\")),
        tag("\\"),
    ))
    .parse(input)
}

fn word(input: &str) -> Parsed<'_, LiteralValue> {
    alt((
        map(|i| keyword("null", i), |()| LiteralValue::Null),
        map(|i| keyword("true", i), |()| LiteralValue::Bool(true)),
        map(|i| keyword("false", i), |()| LiteralValue::Bool(false)),
    ))
    .parse(input)
}

fn number<'t>(cx: &Context<'t>, input: &'t str) -> Parsed<'t, CompactString> {
    let fraction = pair(char('.'), digit1);
    let exponent = (one_of("eE"), opt(one_of("+-")), digit1);
    let (rest, number) = recognize((opt(char('-')), digit1, opt(fraction), opt(exponent))).parse(input)?;
    if rest.starts_with(|c| is_name_character(c) || "-.:".contains(c)) {
        return Err(failure(refuse::value(cx, input))); // a date, an id or a version without its quotes
    }
    Ok((rest, number.into()))
}

// ---- parameters ----

/// What one parameter says.
enum Param {
    Count,
    Index(u64),
    Rows(u64),
    Sort(Sort),
}

fn params<'t>(cx: &Context<'t>, open: &'t str) -> Parsed<'t, Params> {
    let (mut rest, _) = preceded(char('{'), space).parse(open)?;
    let mut params = Params::default();
    loop {
        let (after, parameter) = need(param(cx, rest), || refuse::parameter(cx, rest))?;
        let repeated = match parameter {
            Param::Count => std::mem::replace(&mut params.count, true),
            Param::Index(index) => params.index.replace(index).is_some(),
            Param::Rows(rows) => params.rows.replace(rows).is_some(),
            Param::Sort(sort) => {
                params.sort.push(sort);
                false
            }
        };
        if repeated {
            return Err(failure(refuse::duplicate(cx, rest, after)));
        }
        (rest, _) = space(after)?;
        let (after, more) = opt(preceded(char(','), space)).parse(rest)?;
        if more.is_none() {
            let (rest, _) = need(char('}').parse(rest), || refuse::close_brace(cx, open, rest))?;
            return Ok((
                rest,
                Params {
                    span: cx.span(open, rest),
                    ..params
                },
            ));
        }
        rest = after;
    }
}

fn param<'t>(cx: &Context<'t>, input: &'t str) -> Parsed<'t, Param> {
    let (rest, key) = name(cx, input)?;
    if key.text == "count" {
        return Ok((rest, Param::Count));
    }
    if !matches!(key.text.as_str(), "i" | "r" | "s") {
        return Err(failure(refuse::unknown_parameter(cx, input)));
    }
    let (rest, _) = space(rest)?;
    let (rest, _) = need(char('=').parse(rest), || refuse::equals(cx, &key.text, rest))?;
    let (rest, _) = space(rest)?;
    match key.text.as_str() {
        "i" => map(|i| integer(cx, i), Param::Index).parse(rest),
        "r" => map(|i| integer(cx, i), Param::Rows).parse(rest),
        _ => map(|i| sort(cx, i), Param::Sort).parse(rest),
    }
}

fn integer<'t>(cx: &Context<'t>, input: &'t str) -> Parsed<'t, u64> {
    let (rest, digits) = need(digit1.parse(input), || refuse::integer(cx, input))?;
    match digits.parse() {
        Ok(number) if !rest.starts_with(|c| is_name_character(c) || c == '.') => Ok((rest, number)),
        _ => Err(failure(refuse::integer(cx, input))),
    }
}

fn sort<'t>(cx: &Context<'t>, input: &'t str) -> Parsed<'t, Sort> {
    let (rest, field) = need(name(cx, input), || refuse::sort_field(cx, input))?;
    let (rest, direction) = opt(one_of("+-")).parse(rest)?;
    Ok((
        rest,
        Sort {
            field,
            descending: direction == Some('-'),
        },
    ))
}

// ---- letters ----

fn name<'t>(cx: &Context<'t>, input: &'t str) -> Parsed<'t, Name> {
    if !input.starts_with(is_name_start) {
        return Err(nom::Err::Error(Fault(None)));
    }
    let length = input.bytes().position(|byte| !is_name_byte(byte));
    let (text, rest) = input.split_at(length.unwrap_or(input.len()));
    Ok((
        rest,
        Name {
            text: text.into(),
            span: cx.span(input, rest),
        },
    ))
}

fn space(input: &str) -> Parsed<'_, &str> {
    match input.as_bytes() {
        [byte, ..] if is_space(char::from(*byte)) => take_while(is_space).parse(input),
        _ => Ok((input, "")),
    }
}
