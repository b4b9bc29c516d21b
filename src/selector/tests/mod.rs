//! The language as data: `grammar/accepted.txt` and `grammar/refused.txt`, limits, and random trees and texts.

mod grammar;
mod random;

use std::collections::BTreeSet;

use super::ast::*;
use super::*;
use crate::limits::Limit;

const ACCEPTED: &str = include_str!("../../../grammar/accepted.txt");
const REFUSED: &str = include_str!("../../../grammar/refused.txt");
const GRAMMAR: &str = include_str!("../../../grammar/selector.ebnf");

/// What a text is read as; the tree is printed again.
fn read(wanted: &str, text: &str, limits: &Limits) -> Result<String, SelectorError> {
    match wanted {
        "selector" => parse(text, limits).map(|selector| selector.to_string()),
        "target" => parse_target(text, limits).map(|target| target.to_string()),
        "include" => parse_include(text, limits).map(|steps| steps.iter().map(Step::to_string).collect()),
        other => panic!("no section `{other}`"),
    }
}

/// Lines of a fixture with the section they stand in; pictures of controls become the controls.
fn lines(fixture: &str) -> Vec<(&str, String)> {
    let mut section = "";
    let mut lines = Vec::new();
    for line in fixture.lines() {
        match line.strip_prefix("== ") {
            Some(name) => section = name,
            None if line.starts_with('#') => {}
            None => lines.push((
                section,
                line.replace('␊', "\n")
                    .replace('␍', "\r")
                    .replace('␉', "\t")
                    .replace('␀', "\0"),
            )),
        }
    }
    lines
}

#[test]
fn accepted_lines_are_read_and_printed() {
    let mut count = 0;
    for (section, line) in lines(ACCEPTED).into_iter().filter(|(_, line)| !line.is_empty()) {
        let (text, printed) = line.split_once(" => ").unwrap_or((&line, &line));
        let limits = Limits::default();
        assert_eq!(read(section, text, &limits).as_deref(), Ok(printed), "{text}");
        assert_eq!(
            read(section, printed, &limits).as_deref(),
            Ok(printed),
            "printed from {text}"
        );
        count += 1;
    }
    assert!(count >= 150, "{count} accepted lines");
}

#[test]
fn refused_lines_say_why() {
    let lines = lines(REFUSED);
    let blocks: Vec<_> = lines
        .split(|(_, line)| line.is_empty())
        .filter(|block| !block.is_empty())
        .collect();
    let mut codes = BTreeSet::new();
    for block in &blocks {
        let (section, text) = &block[0];
        let expected: Vec<&str> = block[1..].iter().map(|(_, line)| line.as_str()).collect();
        match read(section, text, &Limits::default()) {
            Ok(printed) => panic!("{text}\nis read as\n{printed}"),
            Err(error) => {
                let caret = error.caret(text);
                let beneath = caret.lines().next_back().unwrap_or_default();
                let words = format!("{}: {}", error.code, error.message);
                assert_eq!(
                    vec![beneath, &words, &format!("help: {}", error.help)],
                    expected,
                    "{section} {text}"
                );
                codes.insert(error.code);
            }
        }
    }
    assert!(blocks.len() >= 100, "{} refused lines", blocks.len());
    codes.extend(["selectorTooLong", "tooManyPredicates"]); // below: too long to be lines
    assert_eq!(codes, SelectorError::CODES.iter().copied().collect());
}

#[test]
fn what_cannot_be_shown_is_named() {
    let refused = |text: &str| parse(text, &Limits::default()).map_err(|error| error.message);
    let message = "expected the name of a type, `me` or a query, found";
    assert_eq!(refused("/"), Err(format!("{message} the end")));
    assert_eq!(refused("/\u{200b}A"), Err(format!("{message} the character U+200B")));
    assert_eq!(refused("/\u{202e}A"), Err(format!("{message} the character U+202E")));
    assert_eq!(refused("/\u{85}A"), Err(format!("{message} the character U+0085")));
    assert_eq!(
        refused(&format!("/{}", "1".repeat(50))),
        Err(format!("{message} `{}…`", "1".repeat(40)))
    );
    assert_eq!(
        refused("").map_err(|message| message.len()),
        Err("expected `/`, found the end".len())
    );
}

/// The code and the limit of a refusal, and the bytes it points at.
fn bound(wanted: &str, text: &str, limits: Limits) -> Result<String, (&'static str, Option<Limit>, String)> {
    read(wanted, text, &limits).map_err(|error| {
        let place = error.span.start as usize..error.span.end as usize;
        (error.code, error.limit, text[place].to_owned())
    })
}

#[test]
fn limits_are_held_to_the_letter() {
    let limits = Limits {
        selector_bytes: 60,
        nesting: 2,
        predicates: 3,
        selector_hops: 2,
        include_hops: 1,
        ..Limits::default()
    };
    let check = |wanted: &str, within: &str, beyond: &str, code, name, value, place: &str| {
        assert_eq!(bound(wanted, within, limits), Ok(within.to_owned()));
        assert_eq!(
            bound(wanted, beyond, limits),
            Err((code, Some(Limit { name, value }), place.to_owned())),
            "{beyond}"
        );
    };
    let quoted = |letters: &str| format!("/A[@a='{letters}']");
    let (full, over) = (quoted(&"x".repeat(51)), quoted(&"x".repeat(52)));
    check("selector", &full, &over, "selectorTooLong", "selector_bytes", 60, "]");
    let wide = quoted(&"日".repeat(18));
    check(
        "selector",
        &full,
        &wide,
        "selectorTooLong",
        "selector_bytes",
        60,
        "日']",
    );
    let (deep, deeper) = ("/A[not (@a=1 or @b=2)]", "/A[not (@a=1 or (@b=2))]");
    check("selector", deep, deeper, "nestingTooDeep", "nesting", 2, "(");
    check(
        "selector",
        "/A[not not @a=1]",
        "/A[not not not @a=1]",
        "nestingTooDeep",
        "nesting",
        2,
        "not",
    );
    let beside = "/A[not (@a=1 or @b=2)][not not @a=1]"; // one after the other is not one within the other
    check(
        "selector",
        beside,
        "/A[((( @a=1 )))]",
        "nestingTooDeep",
        "nesting",
        2,
        "(",
    );
    let (three, four) = ("/A[@a=1][@b=2]/~R[@c=3]/B", "/A[@a=1][@b=2]/~R[@c=3]/B[@dd=4]");
    check("selector", three, four, "tooManyPredicates", "predicates", 3, "@dd");
    check(
        "selector",
        "/A/~R/B/~R/C",
        "/A/~R/B/~R/C/~R/D",
        "tooManyHops",
        "selector_hops",
        2,
        "/",
    );
    check(
        "target",
        "/A/~R/B/~R/C.json",
        "/A/~R/B/~R/C/~R/D.json",
        "tooManyHops",
        "selector_hops",
        2,
        "/",
    );
    check("include", "/~R/B", "/~R/B/~R/C", "tooManyHops", "include_hops", 1, "/");
}

#[test]
fn depth_never_meets_the_stack() {
    let code = |text: &str, limits: &Limits| parse(text, limits).map(|_| ()).map_err(|error| error.code);
    for open in [
        "(", "not ", "not(", "( not", "\t(", "[", "{", "'", "/~R", "/~R/A", "\\'",
    ] {
        for bytes in [4096, 100_000, 5_000_000] {
            let text: String = "/A[".chars().chain(open.chars().cycle()).take(bytes).collect();
            assert!(code(&text, &Limits::default()).is_err(), "{open}");
            // Whatever the settings allow: the parser keeps a bound of its own.
            let boundless = Limits {
                selector_bytes: u64::MAX,
                nesting: u64::MAX,
                ..Limits::default()
            };
            assert!(code(&text, &boundless).is_err(), "{open}");
        }
    }
    let boundless = Limits {
        selector_bytes: u64::MAX,
        nesting: u64::MAX,
        ..Limits::default()
    };
    let deepest = context::DEEPEST as usize;
    for (open, close) in [("(@a=1 or ", ")"), ("not ", ""), ("(@a=1 and @b=2 or ", ")")] {
        let limits = Limits {
            predicates: u64::MAX,
            ..boundless
        };
        let nested = |levels: usize| format!("/A[{}@z=0{}]", open.repeat(levels), close.repeat(levels));
        let tree = parse(&nested(deepest), &limits).map_err(|error| error.message);
        let tree = tree.expect("as deep as it goes");
        assert_eq!(parse(&tree.to_string(), &limits), Ok(tree.clone()));
        drop(tree);
        assert_eq!(code(&nested(deepest + 1), &limits), Err("nestingTooDeep"));
    }
}

#[test]
fn spans_are_bytes_of_the_text() {
    let text = "/Öl"; // refused, and the place is where it stops being ASCII
    let error = parse(text, &Limits::default()).expect_err("not a name");
    assert_eq!((error.span.start, error.span.end), (1, 4));

    let text = "/Organization:Organization[@name = '日本' and not @a=1]/~Membership[@b=null]/Profile{i=0 }";
    let tree = parse(text, &Limits::default()).expect("a selector");
    let at = |span: Span| &text[span.start as usize..span.end as usize];
    let Head::Object(head) = &tree.head else {
        panic!("an object")
    };
    let Predicate::And(parts) = &head.predicates[0] else {
        panic!("and")
    };
    let Predicate::Compare(first) = &parts[0] else {
        panic!("a comparison")
    };
    assert_eq!(at(head.span), "Organization:Organization[@name = '日本' and not @a=1]");
    assert_eq!(head.collection.as_ref().map(|name| at(name.span)), Some("Organization"));
    assert_eq!(at(head.name.span), "Organization");
    assert_eq!(
        (at(first.span), at(first.field.span), at(first.value.span)),
        ("@name = '日本'", "name", "'日本'")
    );
    assert_eq!(at(tree.steps[0].relation.span), "Membership[@b=null]");
    assert_eq!(at(tree.steps[0].object.span), "Profile");
    assert_eq!(at(tree.params.span), "{i=0 }");
}

#[test]
fn every_production_is_a_function_of_its_name() {
    let source = include_str!("../parse.rs");
    let functions = source
        .lines()
        .filter_map(|line| line.trim_start_matches("pub(super) ").strip_prefix("fn "));
    let functions: BTreeSet<&str> = functions.filter_map(|line| line.split(['<', '(']).next()).collect();
    let productions = GRAMMAR.lines().filter_map(|line| line.split_once("::="));
    let productions: BTreeSet<&str> = productions.map(|(name, _)| name.trim()).collect();
    assert_eq!(functions, productions);
}

#[test]
fn a_text_is_left_out_of_logs() {
    for (text, logged) in [
        ("/Organization[@name='ACME']{r=10}", "/Organization[@name='']{r=10}"),
        (r"/P[@a='it\'s' and @b=7]", "/P[@a='' and @b=7]"),
        (r"/P[@a='\\'][@b='x']", "/P[@a=''][@b='']"),
        ("/P[@a='it''s']", "/P[@a='''']"),
        ("/P[@a='never ends", "/P[@a='"),
        ("/P[@id!=null]", "/P[@id!=null]"),
    ] {
        assert_eq!(without_texts(text), logged, "{text}");
    }
}
