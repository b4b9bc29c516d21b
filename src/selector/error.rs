//! Why a text is no selector: a stable code, words for its reader, and the place. Chooses no status.

use unicode_width::UnicodeWidthChar;

use super::ast::Span;
use crate::limits::Limit;

/// A text that is no selector, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SelectorError {
    /// One of `SelectorError::CODES`.
    pub code: &'static str,
    pub message: String,
    pub help: String,
    /// Bytes of the text that was parsed.
    pub span: Span,
    /// The bound that was met, where one was.
    pub limit: Option<Limit>,
}

impl SelectorError {
    /// Every code there is. They are part of the contract: texts may change, codes do not.
    pub const CODES: &'static [&'static str] = &[
        "badNumber",
        "collectionNotAllowed",
        "conditionsNotAllowed",
        "duplicateParameter",
        "expectedCondition",
        "expectedField",
        "expectedName",
        "expectedObject",
        "expectedOperator",
        "expectedParameter",
        "expectedRelation",
        "expectedSlash",
        "expectedValue",
        "nestingTooDeep",
        "relationAtEnd",
        "selectorTooLong",
        "tooManyHops",
        "tooManyPredicates",
        "unclosedBrace",
        "unclosedBracket",
        "unclosedParenthesis",
        "unclosedQuote",
        "unexpectedCharacter",
        "unknownFormat",
        "unknownParameter",
    ];

    /// The text with `^^^` beneath the place, as two lines for a fixed-width font.
    pub fn caret(&self, text: &str) -> String {
        caret(text, self.span)
    }
}

/// Columns of a caret line: a longer text is cut on either side of the place.
const COLUMNS: usize = 100;
/// Columns kept before the place when the text is cut.
const BEFORE: usize = 40;

/// A text with `^^^` beneath a span of its bytes. Columns are those of a terminal: a wide character takes two, a
/// combining one none. What would break the line or turn its direction is shown as a sign of its own.
pub fn caret(text: &str, span: Span) -> String {
    let (start, end) = (span.start as usize, span.end as usize);
    let widths = |from: usize, to: usize| -> usize {
        text.char_indices()
            .filter(|(at, _)| (from..to).contains(at))
            .map(|(_, c)| width(shown(c)))
            .sum()
    };
    let total = widths(0, text.len());
    let (mut from, mut to) = (0, text.len());
    if total > COLUMNS {
        let mut column = 0;
        let first = widths(0, start).saturating_sub(BEFORE);
        let last = first + COLUMNS;
        for (at, c) in text.char_indices() {
            if column < first {
                from = at + c.len_utf8();
            }
            column += width(shown(c));
            if column > last {
                to = at;
                break;
            }
        }
    }
    let (cut_before, cut_after) = (from > 0, to < text.len());
    let mut lines = String::new();
    if cut_before {
        lines.push('…');
    }
    lines.extend(
        text.char_indices()
            .filter(|(at, _)| (from..to).contains(at))
            .map(|(_, c)| shown(c)),
    );
    if cut_after {
        lines.push('…');
    }
    let indent = usize::from(cut_before) + widths(from, start.max(from));
    let carets = widths(start.max(from), end.min(to)).max(1);
    lines.push('\n');
    lines.extend(std::iter::repeat_n(' ', indent));
    lines.extend(std::iter::repeat_n('^', carets));
    lines
}

fn width(c: char) -> usize {
    c.width().unwrap_or(1)
}

/// How a character is shown on one line: controls by their pictures, and those that steer the direction of writing,
/// or cannot be seen, as a replacement character.
pub(super) fn shown(c: char) -> char {
    match c {
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => '\u{fffd}',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, start: u32, end: u32, expected: &str) {
        assert_eq!(caret(text, Span { start, end }), expected);
    }

    #[test]
    fn the_place_is_beneath_what_it_names() {
        check("/A[x]", 3, 4, "/A[x]\n   ^");
        check("/A[name]", 3, 7, "/A[name]\n   ^^^^");
        check("/A[", 3, 3, "/A[\n   ^");
        check("", 0, 0, "\n^");
    }

    #[test]
    fn columns_are_those_of_a_terminal() {
        check("'åäö' x", 9, 10, "'åäö' x\n      ^");
        check("'日本' x", 9, 10, "'日本' x\n       ^");
        check("'e\u{301}' x", 6, 7, "'e\u{301}' x\n    ^");
        check("'日本' x", 1, 7, "'日本' x\n ^^^^");
    }

    #[test]
    fn a_line_stays_one_line() {
        check("a\nb\tc\u{7f}\u{202e}d", 4, 5, "a␊b␉c␡\u{fffd}d\n    ^");
    }

    #[test]
    fn a_long_text_is_cut_around_the_place() {
        let text = format!("{}x{}", "a".repeat(500), "b".repeat(500));
        let line = format!("…{}x{}…", "a".repeat(40), "b".repeat(59));
        check(&text, 500, 501, &format!("{line}\n{}^", " ".repeat(41)));
        check(
            &text,
            500,
            1001,
            &format!("{line}\n{}{}", " ".repeat(41), "^".repeat(60)),
        );
        check(&text, 0, 1, &format!("{}…\n^", "a".repeat(100)));
        check(&text, 1001, 1001, &format!("…{}\n{}^", "b".repeat(40), " ".repeat(41)));
    }

    #[test]
    fn a_span_outside_the_text_is_harmless() {
        check("ab", 7, 9, "ab\n  ^");
        check("ab", 2, 1, "ab\n  ^");
        check("日", 1, 2, "日\n  ^");
    }
}
