//! Random trees are printed and read again; random and damaged texts are refused without harm.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::Config;

use super::*;

fn name() -> impl Strategy<Value = Name> {
    prop_oneof![
        "[A-Za-z_][A-Za-z0-9_]{0,9}",
        select(
            &[
                "and", "or", "not", "null", "true", "false", "count", "i", "r", "s", "json", "Meme", "me2"
            ][..]
        )
        .prop_map(str::to_owned),
    ]
    .prop_filter("`me` heads a selector by itself", |text| text != "me")
    .prop_map(|text| Name {
        text: text.into(),
        span: Span::default(),
    })
}

fn literal() -> impl Strategy<Value = Literal> {
    let text = prop_oneof![
        any::<String>(),
        vec(select(&["'", "\\", "*", "%", " ", "]", "a", "日"][..]), 0..8).prop_map(|s| s.concat())
    ];
    prop_oneof![
        1 => Just(LiteralValue::Null),
        1 => any::<bool>().prop_map(LiteralValue::Bool),
        2 => "-?[0-9]{1,20}(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,3})?".prop_map(|n| LiteralValue::Number(n.into())),
        4 => text.prop_map(|text| LiteralValue::Text(text.into())),
    ]
    .prop_map(|value| Literal {
        value,
        span: Span::default(),
    })
}

fn operator() -> impl Strategy<Value = Operator> {
    use Operator::*;
    select(
        &[
            Equal,
            NotEqual,
            Like,
            NotLike,
            Prefix,
            Less,
            LessOrEqual,
            Greater,
            GreaterOrEqual,
        ][..],
    )
}

fn predicate() -> impl Strategy<Value = Predicate> {
    let comparison = (name(), operator(), literal()).prop_map(|(field, operator, value)| {
        Predicate::Compare(Comparison {
            field,
            operator,
            value,
            span: Span::default(),
        })
    });
    comparison.prop_recursive(6, 32, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..5).prop_map(Predicate::And),
            vec(inner.clone(), 2..5).prop_map(Predicate::Or),
            inner.prop_map(|inner| Predicate::Not(Box::new(inner))),
        ]
    })
}

fn object() -> impl Strategy<Value = ObjectPart> {
    (name(), option::weighted(0.2, name()), vec(predicate(), 0..3)).prop_map(|(name, collection, predicates)| {
        ObjectPart {
            name,
            collection,
            predicates,
            span: Span::default(),
        }
    })
}

fn relation() -> impl Strategy<Value = ObjectPart> {
    let multiplicity = select(&["OneToMany", "ManyToOne", "ManyToMany"][..]).prop_map(|text| ObjectPart {
        name: Name {
            text: text.into(),
            span: Span::default(),
        },
        collection: None,
        predicates: Vec::new(),
        span: Span::default(),
    });
    prop_oneof![multiplicity, object()]
}

fn steps(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Step>> {
    vec(
        (relation(), object()).prop_map(|(relation, object)| Step { relation, object }),
        count,
    )
}

fn selector() -> impl Strategy<Value = Selector> {
    let head = prop_oneof![
        6 => object().prop_map(Head::Object),
        1 => Just(Head::Me(Span::default())),
        1 => (prop_oneof![name(), Just(Name { text: "me".into(), span: Span::default() })], vec(literal(), 0..4))
            .prop_map(|(name, arguments)| Head::Named(NamedQuery { name, arguments, span: Span::default() })),
    ];
    let sort = (name(), any::<bool>()).prop_map(|(field, descending)| Sort { field, descending });
    let params = (
        any::<bool>(),
        option::of(any::<u64>()),
        option::of(any::<u64>()),
        vec(sort, 0..3),
    )
        .prop_map(|(count, index, rows, sort)| Params {
            count,
            index,
            rows,
            sort,
            span: Span::default(),
        });
    (head, steps(0..4), params).prop_map(|(head, steps, params)| Selector { head, steps, params })
}

/// Trees are as large as they come: what is tested here is the language, not its limits.
fn boundless() -> Limits {
    let most = u64::MAX;
    Limits {
        selector_bytes: most,
        nesting: most,
        predicates: most,
        selector_hops: most,
        include_hops: most,
        ..Limits::default()
    }
}

/// What holds for any text: it is read, and its printed form is read as the same tree; or it is refused with a code,
/// with words, and with a place inside it.
fn sound(text: &str) {
    fn one<T: PartialEq + std::fmt::Debug>(
        text: &str,
        parse: fn(&str, &Limits) -> Result<T, SelectorError>,
        print: fn(&T) -> String,
    ) {
        match parse(text, &Limits::default()) {
            Ok(tree) => assert_eq!(parse(&print(&tree), &boundless()), Ok(tree), "{text}"),
            Err(error) => {
                let (start, end) = (error.span.start as usize, error.span.end as usize);
                assert!(text.get(start..end).is_some(), "{start}..{end} of {text:?}");
                assert!(SelectorError::CODES.contains(&error.code), "{}", error.code);
                assert!(!error.message.is_empty() && !error.help.is_empty());
                assert!(error.message.len() < 400 && error.help.len() < 6000, "{error:?}");
                assert_eq!(error.caret(text).lines().count(), 2);
            }
        }
    }
    one(text, parse, Selector::to_string);
    one(text, parse_target, Target::to_string);
    one(text, parse_include, |steps| steps.iter().map(Step::to_string).collect());
}

fn cases(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn a_printed_selector_is_read_as_the_same_tree(tree in selector()) {
        let text = tree.to_string();
        prop_assert_eq!(parse(&text, &boundless()), Ok(tree), "{}", text);
    }

    #[test]
    fn a_printed_include_is_read_as_the_same_chain(chain in steps(1..5)) {
        let text: String = chain.iter().map(Step::to_string).collect();
        prop_assert_eq!(parse_include(&text, &boundless()), Ok(chain), "{}", text);
    }

    #[test]
    fn any_text_is_harmless(text in any::<String>(), bytes in vec(any::<u8>(), 0..64)) {
        sound(&text);
        sound(&format!("/A[@a='{text}"));
        sound(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn soup_of_the_language_is_harmless(parts in vec(select(SOUP), 0..24)) {
        sound(&parts.concat());
        sound(&format!("/A[{}", parts.concat()));
        sound(&format!("/A{{{}}}", parts.concat()));
    }

    #[test]
    fn damaged_selectors_are_harmless(line in select(ACCEPTED.lines().collect::<Vec<_>>()), edits in vec((any::<usize>(), 0..4_u8, select(SOUP)), 1..4)) {
        let mut text: Vec<char> = line.chars().collect();
        for (place, edit, piece) in edits {
            let at = place % (text.len() + 1);
            match edit {
                0 => drop(text.drain(at..(at + 1).min(text.len()))),
                1 => drop(text.splice(at..at, piece.chars())),
                2 => drop(text.splice(at..(at + 1).min(text.len()), piece.chars())),
                _ => text.truncate(at),
            }
        }
        sound(&text.into_iter().collect::<String>());
    }
}

const SOUP: &[&str] = &[
    "/",
    "~",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    "@",
    "'",
    "''",
    "\\",
    "\\'",
    "=",
    "!=",
    "!",
    "<",
    ">=",
    "*",
    ",",
    "&",
    "|",
    ":",
    ".",
    ".json",
    "%5B",
    "%",
    "?",
    "#",
    "+",
    "-",
    " ",
    "\n",
    "\0",
    "a",
    "A",
    "me",
    "count",
    "i=",
    "r=1",
    "s=a-",
    "and",
    "or",
    "not",
    "null",
    "true",
    "1",
    "-1.5e3",
    "OneToMany",
    "~OneToMany/A",
    "@a=1",
    "'x'",
    "日",
    "🦀",
    "\u{200b}",
    "e\u{301}",
    "\"",
    "`",
];
