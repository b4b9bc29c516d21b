//! What holds for any bytes at all: a text is read, and printed is read as the same tree, or it is refused with a place
//! inside it; a request target is taken apart, or refused likewise.

use seatgraph::http::target::split;
use seatgraph::limits::Limits;
use seatgraph::selector::ast::{Include, Selector, Span, Step, Target};
use seatgraph::selector::{SelectorError, parse, parse_include, parse_target};

pub fn selector(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    check(&text, parse, Selector::to_string);
    check(&text, parse_target, Target::to_string);
    check(&text, parse_include, print_include);

    match split(&text) {
        Err(error) => inside(&text, error.span, &error.caret(&text)),
        Ok(target) => {
            check(&target.selector, parse_target, Target::to_string);
            target
                .includes
                .iter()
                .for_each(|include| check(include, parse_include, print_include));
        }
    }
    let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let decoded = |raw: &str| split(raw).expect("nothing is encoded wrongly");
    assert_eq!(decoded(&encoded).selector, text);
    assert_eq!(
        decoded(&format!("?a={encoded}")).pairs,
        [("a".to_owned(), text.to_string())]
    );
    assert_eq!(decoded(&format!("?/~{encoded}")).includes, [format!("/~{text}")]);
}

fn print_include(steps: &Include) -> String {
    steps.iter().map(Step::to_string).collect()
}

fn check<T: PartialEq + std::fmt::Debug>(
    text: &str,
    parse: fn(&str, &Limits) -> Result<T, SelectorError>,
    print: fn(&T) -> String,
) {
    // What is printed may be longer than what was sent: `|` becomes ` or `.
    let longer = Limits {
        selector_bytes: u64::MAX,
        ..Limits::default()
    };
    match parse(text, &Limits::default()) {
        Ok(tree) => {
            let printed = print(&tree);
            assert_eq!(parse(&printed, &longer).as_ref(), Ok(&tree), "printed as {printed}");
        }
        Err(error) => {
            assert!(SelectorError::CODES.contains(&error.code), "{}", error.code);
            assert!(!error.message.is_empty() && !error.help.is_empty());
            inside(text, error.span, &error.caret(text));
        }
    }
}

fn inside(text: &str, span: Span, caret: &str) {
    assert!(
        text.get(span.start as usize..span.end as usize).is_some(),
        "{span:?} of {text:?}"
    );
    assert_eq!(caret.lines().count(), 2, "{caret}");
}
