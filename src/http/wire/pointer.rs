//! What is wrong with a body, and where: the error of `read`, and JSON pointers that cost nothing until one is shown.

use crate::limits::Limit;

/// Where a decoder stands: a list through the callers' stack frames, made into text only for an error or for the
/// objects that remember their place.
#[derive(Clone, Copy, Debug)]
pub enum At<'p> {
    Root,
    Key(&'p At<'p>, &'p str),
    Index(&'p At<'p>, usize),
}

impl At<'_> {
    /// RFC 6901; `""` is the whole body.
    pub fn pointer(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    /// As deep as the body is nested, which the limit on it bounds.
    fn write(&self, out: &mut String) {
        match self {
            Self::Root => {}
            Self::Key(above, key) => {
                above.write(out);
                push_key(out, key);
            }
            Self::Index(above, index) => {
                above.write(out);
                push_index(out, *index);
            }
        }
    }
}

pub(super) fn push_key(out: &mut String, key: &str) {
    out.push('/');
    for char in key.chars() {
        match char {
            '~' => out.push_str("~0"),
            '/' => out.push_str("~1"),
            _ => out.push(char),
        }
    }
}

pub(super) fn push_index(out: &mut String, index: usize) {
    out.push('/');
    out.push_str(&index.to_string());
}

/// Why a body cannot be read. All of these are 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BodyError {
    pub code: &'static str,
    pub message: String,
    pub help: Option<String>,
    /// A JSON pointer into the body; `""` for all of it.
    pub pointer: String,
    /// The bound that was met, for `bodyTooDeep`.
    pub limit: Option<Limit>,
    /// Where the text stops being JSON, for `notJson`.
    pub position: Option<Position>,
}

/// Lines and columns count from 1, bytes from 0; a column is a byte of its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    pub column: usize,
    pub byte: usize,
}

impl BodyError {
    /// Stable: clients read them.
    pub const CODES: &'static [&'static str] = &[
        "emptyBody",
        "notJson",
        "bodyTooDeep",
        "repeatedMember",
        "wrongShape",
        "unknownType",
        "unknownField",
        "unknownRelation",
        "valueDoesNotFit",
    ];

    pub(super) fn new(code: &'static str, at: &At<'_>, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            help: None,
            pointer: at.pointer(),
            limit: None,
            position: None,
        }
    }

    /// For what has no better help in its place.
    pub fn usual_help(code: &str) -> Option<&'static str> {
        Some(match code {
            "notJson" => "look at the place: a quote, a comma or a bracket is missing there or too many",
            "bodyTooDeep" => "send what is nested deeper in a request of its own, by its id",
            "repeatedMember" => "leave one of them out: which one was meant cannot be known",
            "wrongShape" => {
                "`/openapi.json` has the shape of every object, and a read answers objects as they can be sent"
            }
            "valueDoesNotFit" => "`/graph-schema` has the type of every field",
            _ => return None,
        })
    }

    #[must_use]
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }
}

/// What the caller sent, short enough for a message.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// The name nearest to what was written, if it is near enough to be meant.
pub(super) fn nearest<'n>(written: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    // Longer words are no slip of the finger, and the work grows with their product.
    if written.len() > 64 {
        return None;
    }
    let folded = written.to_lowercase();
    names
        .into_iter()
        .map(|name| (distance(&folded, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= 1 + folded.chars().count() / 5)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Letters to insert, remove, replace or swap with their neighbour to come from one to the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    let mut last = None;
    for (y, a) in one.chars().enumerate() {
        let mut next = vec![y + 1];
        for (x, b) in other.iter().enumerate() {
            let mut least = (row[x] + usize::from(a != *b)).min(row[x + 1] + 1).min(next[x] + 1);
            if x > 0 && last == Some(*b) && other[x - 1] == a {
                least = least.min(before[x - 1] + 1);
            }
            next.push(least);
        }
        last = Some(a);
        before = std::mem::replace(&mut row, next);
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_escapes_what_it_must() {
        let items = At::Key(&At::Root, "a/b~c");
        assert_eq!(At::Index(&items, 3).pointer(), "/a~1b~0c/3");
        assert_eq!(At::Root.pointer(), "");
    }

    #[test]
    fn a_slip_is_recognised_and_a_guess_is_not() {
        let names = ["name", "validFrom", "validUntil", "description", "id"];
        for (written, meant) in [
            ("validUntill", Some("validUntil")),
            ("vaildFrom", Some("validFrom")),
            ("Name", Some("name")),
            ("nmae", Some("name")),
            ("desc", None),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, names), meant, "{written}");
        }
    }
}
