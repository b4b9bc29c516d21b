//! Which versions of a client a license model allows (`licensing.md` 2.3, VersionConstraint): a range, or a pattern over
//! the whole version. Patterns run in linear time and within a bounded size, whatever somebody writes into one.

use std::cell::RefCell;
use std::cmp::Ordering;

use regex::{Regex, RegexBuilder};

/// Bytes of a pattern, and of what it may grow to.
pub const LONGEST_PATTERN: usize = 512;
const LARGEST: usize = 256 * 1024;
/// A longer version is no version.
pub const LONGEST_VERSION: usize = 128;
/// Compiled patterns a thread keeps: models are few.
const KEPT: usize = 64;

/// The rule as the model has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Versions<'g> {
    pub least: Option<&'g str>,
    pub most: Option<&'g str>,
    pub pattern: Option<&'g str>,
}

impl Versions<'_> {
    pub fn allow(&self, version: &str) -> bool {
        version.len() <= LONGEST_VERSION
            && self.least.is_none_or(|least| compare(least, version).is_le())
            && self.most.is_none_or(|most| compare(version, most).is_le())
            && self.pattern.is_none_or(|pattern| matches(pattern, version))
    }
}

/// Part by part; numbers as numbers, however long; a missing part is a zero.
pub fn compare(one: &str, other: &str) -> Ordering {
    let (mut ones, mut others) = (one.split('.'), other.split('.'));
    loop {
        let (one, other) = (ones.next(), others.next());
        if one.is_none() && other.is_none() {
            return Ordering::Equal;
        }
        match part(one.unwrap_or("0"), other.unwrap_or("0")) {
            Ordering::Equal => {}
            order => return order,
        }
    }
}

/// A number comes before a text.
fn part(one: &str, other: &str) -> Ordering {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match (is_number(one), is_number(other)) {
        (true, true) => {
            let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
            one.len().cmp(&other.len()).then_with(|| one.cmp(other))
        }
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => one.cmp(other),
    }
}

/// `None`: it is no pattern, or too large for one.
pub fn compile(pattern: &str) -> Option<Regex> {
    if pattern.len() > LONGEST_PATTERN {
        return None;
    }
    let whole = format!("^(?:{pattern})$");
    // Alone it is a pattern too: a `)` must not end the group it is put in.
    let build = |text: &str| {
        RegexBuilder::new(text)
            .size_limit(LARGEST)
            .dfa_size_limit(LARGEST)
            .build()
    };
    build(pattern).ok()?;
    build(&whole).ok()
}

/// A pattern that cannot be used allows nothing: it came in before it was looked at, by an import.
fn matches(pattern: &str, version: &str) -> bool {
    thread_local! {
        static COMPILED: RefCell<Vec<(String, Option<Regex>)>> = const { RefCell::new(Vec::new()) };
    }
    COMPILED.with_borrow_mut(|compiled| {
        let at = match compiled.iter().position(|(known, _)| known == pattern) {
            Some(at) => at,
            None => {
                if compiled.len() == KEPT {
                    compiled.remove(0);
                }
                compiled.push((pattern.to_owned(), compile(pattern)));
                compiled.len() - 1
            }
        };
        compiled[at].1.as_ref().is_some_and(|regex| regex.is_match(version))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_in_order() {
        let check = |one: &str, other: &str, expected: Ordering| {
            assert_eq!(compare(one, other), expected, "{one} {other}");
            assert_eq!(compare(other, one), expected.reverse(), "{other} {one}");
        };
        check("1.2", "1.2", Ordering::Equal);
        check("1.2", "1.2.0", Ordering::Equal);
        check("1.9", "1.10", Ordering::Less);
        check("1.09", "1.9", Ordering::Equal);
        check("2", "1.99.99", Ordering::Greater);
        check(
            "1.99999999999999999999999",
            "1.100000000000000000000000",
            Ordering::Less,
        );
        check("1.2", "1.2.beta", Ordering::Less);
        check("1.alpha", "1.beta", Ordering::Less);
        check("", "0", Ordering::Greater);
    }

    #[test]
    fn a_range_and_a_pattern_allow() {
        let check = |least: Option<&str>, most: Option<&str>, pattern: Option<&str>, version: &str, expected: bool| {
            let versions = Versions { least, most, pattern };
            assert_eq!(versions.allow(version), expected, "{versions:?} {version}");
        };
        check(None, None, None, "1", true);
        check(Some("2.0"), Some("2.9"), None, "2.0", true);
        check(Some("2.0"), Some("2.9"), None, "2.9", true);
        check(Some("2.0"), Some("2.9"), None, "2.9.1", false);
        check(Some("2.0"), Some("2.9"), None, "1.99", false);
        check(Some("2.0"), None, None, "30", true);
        check(None, None, Some("2[.]\\d+"), "2.17", true);
        check(None, None, Some("2[.]\\d+"), "12.17", false);
        check(None, None, Some("2[.]\\d+"), "2.17.1", false);
        check(None, None, Some("1|2"), "21", false);
        check(None, None, Some("("), "1", false);
        check(None, None, Some(""), "", true);
        let long = "9".repeat(LONGEST_VERSION + 1);
        check(Some("1"), None, None, &long, false);
    }

    #[test]
    fn what_is_no_pattern_is_not_compiled() {
        for (pattern, expected) in [
            ("2[.].*", true),
            ("(", false),
            (")(", false),
            ("a{1000}{1000}", false),
            ("(a+)+$", true),
            ("a(?=b)", false),
        ] {
            assert_eq!(compile(pattern).is_some(), expected, "{pattern}");
        }
        assert!(compile(&"a".repeat(LONGEST_PATTERN + 1)).is_none());
        // What would take a backtracking engine years.
        let versions = Versions {
            pattern: Some("(1+)+2"),
            ..Versions::default()
        };
        assert!(!versions.allow(&"1".repeat(LONGEST_VERSION)));
    }

    #[test]
    fn kept_patterns_are_bounded() {
        for number in 0..3 * KEPT {
            assert!(matches(&number.to_string(), &number.to_string()));
        }
    }
}
