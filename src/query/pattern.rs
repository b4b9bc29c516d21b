//! `~`: the like of a selector. No regular expressions: a pattern is texts with gaps between, found one after the other, so
//! that the cost is the length of the text whatever the pattern.

use compact_str::CompactString;

use crate::model::value::fold;

/// A folded pattern. Without a wildcard it is found anywhere; with one it is anchored at both ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    Contains(CompactString),
    /// What the text starts with, what follows in this order with anything between, what it ends with.
    Anchored {
        first: CompactString,
        between: Vec<CompactString>,
        last: CompactString,
    },
}

impl Pattern {
    /// `*` and `%` stand for any run of characters, `\*` and `\%` for themselves.
    pub fn new(text: &str) -> Self {
        let mut pieces = vec![CompactString::default()];
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '*' | '%' => pieces.push(CompactString::default()),
                '\\' if matches!(letters.peek(), Some('*' | '%')) => add(&mut pieces, letters.next().unwrap_or(letter)),
                _ => add(&mut pieces, letter),
            }
        }
        let mut pieces = pieces.into_iter().map(|piece| fold(&piece));
        let first = pieces.next().unwrap_or_default();
        match pieces.next_back() {
            None => Self::Contains(first),
            Some(last) => Self::Anchored {
                first,
                between: pieces.filter(|piece| !piece.is_empty()).collect(),
                last,
            },
        }
    }

    /// Of a text that is folded.
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Contains(piece) => text.contains(piece.as_str()),
            Self::Anchored { first, between, last } => {
                let Some(mut rest) = text
                    .strip_prefix(first.as_str())
                    .and_then(|rest| rest.strip_suffix(last.as_str()))
                else {
                    return false;
                };
                // The leftmost place of each is never worse than a later one.
                for piece in between {
                    match rest.find(piece.as_str()) {
                        Some(at) => rest = &rest[at + piece.len()..],
                        None => return false,
                    }
                }
                true
            }
        }
    }

    /// What every match starts with once it is folded; empty if that is not known.
    pub fn prefix(&self) -> &str {
        match self {
            Self::Contains(_) => "",
            Self::Anchored { first, .. } => first,
        }
    }
}

fn add(pieces: &mut [CompactString], letter: char) {
    if let Some(piece) = pieces.last_mut() {
        piece.push(letter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, matching: &[&str], other: &[&str]) {
        let compiled = Pattern::new(pattern);
        for text in matching {
            assert!(compiled.matches(&fold(text)), "`{pattern}` should match `{text}`");
        }
        for text in other {
            assert!(!compiled.matches(&fold(text)), "`{pattern}` should not match `{text}`");
        }
    }

    #[test]
    fn like_is_contains_or_anchored() {
        check("nor", &["Nordlys", "the NORTH", "nor"], &["no", "n or"]);
        check("Nor*", &["Nordlys", "nor"], &["the north"]);
        check("%lys", &["Nordlys", "LYS"], &["lysne"]);
        check("n*s", &["Nordlys", "ns"], &["n", "nordlyset"]);
        check("ab*ab", &["abab", "ab-ab"], &["ab", "aba"]);
        check("*", &["", "anything"], &[]);
        check("**", &["", "anything"], &[]);
        check("", &["", "anything"], &[]);
        check("*a*b*", &["ab", "xaxbx"], &["ba", "a"]);
        check("a*bc*cd*e", &["abccde", "a-bc-cd-e"], &["abcde", "abccd"]);
        check(r"5\*", &["5*", "a 5* b"], &["5", "55"]);
        check(r"100\%*", &["100% sure"], &["100 % sure"]);
        check(r"a\b", &[r"A\B"], &["ab"]);
        check("ÆRØ*", &["ærøskøbing"], &["aero"]);
        check("ΟΔΟΣ", &["ΟΔΟΣΗΜΑ", "Η ΟΔΟΣ", "οδοσήμανση"], &["ΟΔΟ", "οδος"]);
        check("ΟΔΟΣ*", &["ΟΔΟΣ", "οδοσ", "ΟΔΟΣΗΜΑ"], &["οδος"]);
    }

    #[test]
    fn a_pattern_of_many_gaps_costs_little() {
        let pattern = Pattern::new(&"a*".repeat(2000));
        assert!(!pattern.matches(&"a".repeat(1999)));
        assert!(pattern.matches(&"a".repeat(2000)));
        assert!(!Pattern::new(&format!("{}b*", "*a".repeat(1000))).matches(&"a".repeat(100_000)));
    }
}
