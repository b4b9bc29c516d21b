//! What a query is refused for, in words for whoever wrote it. Which status that becomes is the edge's to say.

use crate::limits::Limit;
use crate::selector::ast::Span;

/// A refusal with its place in the selector and, apart, what would help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct QueryError {
    pub code: Code,
    pub message: String,
    pub help: Option<String>,
    pub span: Option<Span>,
    pub limit: Option<Limit>,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident $text:literal;)*) => {
        /// Stable: clients read them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name),* }

        impl Code {
            pub const ALL: &'static [Code] = &[$(Code::$name),*];

            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text),* }
            }
        }
    };
}

codes! {
    UnknownType "unknownType";
    UnknownField "unknownField";
    UnknownRelation "unknownRelation";
    UnknownCollection "unknownCollection";
    UnknownNamedQuery "unknownNamedQuery";
    ValueDoesNotFit "valueDoesNotFit";
    OperatorDoesNotFit "operatorDoesNotFit";
    /// A named query has other parameters.
    ArgumentsDoNotFit "argumentsDoNotFit";
    /// A named query answers rows: it is neither a place to walk on from nor a target.
    NamedQueryStandsAlone "namedQueryStandsAlone";
    /// `{…}` where every match is meant.
    ParamsNotAllowed "paramsNotAllowed";
    /// `me` without a profile behind the token.
    NoCaller "noCaller";
    /// A cursor that belongs to another selector.
    CursorDoesNotFit "cursorDoesNotFit";
    PageTooLarge "pageTooLarge";
    /// A page of nothing would have to say that there is more.
    PageTooSmall "pageTooSmall";
    TooManyTargets "tooManyTargets";
    VisitedTooMuch "visitedTooMuch";
    TimeSpent "timeSpent";
    AnswerTooLarge "answerTooLarge";
}

impl std::fmt::Display for Code {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.as_str())
    }
}

impl QueryError {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            help: None,
            span: None,
            limit: None,
        }
    }

    #[must_use]
    pub fn at(self, span: Span) -> Self {
        Self {
            span: Some(span),
            ..self
        }
    }

    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    #[must_use]
    pub fn limit(self, limit: Limit) -> Self {
        Self {
            limit: Some(limit),
            ..self
        }
    }
}

/// The known name closest to a misspelt one, if one is close: two slips at most, one in a short word.
pub(super) fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = name.to_lowercase().chars().take(64).collect();
    let slips = if wanted.len() < 5 { 1 } else { 2 };
    known
        .into_iter()
        .map(|known| {
            (
                distance(&wanted, &known.to_lowercase().chars().collect::<Vec<_>>()),
                known,
            )
        })
        .filter(|(distance, _)| *distance <= slips)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Letters to insert, drop, replace or swap with their neighbour.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut before: Vec<usize> = vec![0; to.len() + 1];
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (row, letter) in from.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let replaced = above[column] + usize::from(letter != other);
            let mut best = replaced.min(above[column + 1] + 1).min(line[column] + 1);
            if row > 0 && column > 0 && from[row - 1] == *other && to[column - 1] == *letter {
                best = best.min(before[column - 1] + 1);
            }
            line.push(best);
        }
        before = std::mem::replace(&mut above, line);
    }
    above[to.len()]
}

/// `did you mean … ?` if something is close, else all there is to choose from.
pub(super) fn suggest<'a>(name: &str, known: &'a [&'a str]) -> String {
    match closest(name, known.iter().copied()) {
        Some(close) => format!("did you mean `{close}`?"),
        None if known.is_empty() => "there is none".to_owned(),
        None => format!("there are {}", list(known)),
    }
}

pub(super) fn list(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised() {
        let known = ["Organization", "License", "LicensedItem", "Person", "Property"];
        for (name, expected) in [
            ("organisation", Some("Organization")),
            ("Licence", Some("License")),
            ("Lisence", Some("License")),
            ("LicenseItem", Some("LicensedItem")),
            ("Perosn", Some("Person")),
            ("Unicorn", None),
            ("", None),
            ("a", None),
        ] {
            assert_eq!(closest(name, known), expected, "{name}");
        }
    }

    #[test]
    fn codes_are_lower_camel_and_once_each() {
        let mut seen = std::collections::HashSet::new();
        for code in Code::ALL {
            let text = code.as_str();
            assert!(seen.insert(text), "{text} twice");
            assert!(text.starts_with(|first: char| first.is_ascii_lowercase()), "{text}");
            assert!(text.chars().all(|letter| letter.is_ascii_alphanumeric()), "{text}");
        }
    }
}
