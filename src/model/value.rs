//! One field value. Absence (null) is the absence of a value, so there is no null variant.

use compact_str::CompactString;
use uuid::Uuid;

use super::clock::Time;

/// A value as the graph keeps it; its variant always fits the field's [`super::FieldType`]
/// (`Text` holds both text and JSON fields).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    Bool(bool),
    Int(i64),
    Time(Time),
    Uuid(Uuid),
    Text(CompactString),
}

impl Value {
    pub fn text(text: &str) -> Self {
        Self::Text(CompactString::new(text))
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    pub fn as_time(&self) -> Option<Time> {
        match self {
            Self::Time(time) => Some(*time),
            _ => None,
        }
    }

    pub fn as_uuid(&self) -> Option<Uuid> {
        match self {
            Self::Uuid(id) => Some(*id),
            _ => None,
        }
    }
}

/// An id in the form the wire writes ids in, in either case.
pub fn hyphenated(text: &str) -> Option<Uuid> {
    (text.len() == uuid::fmt::Hyphenated::LENGTH)
        .then(|| Uuid::try_parse(text).ok())
        .flatten()
}

/// The one case folding of this server: Unicode lower case (`graph-api.md` 1.4), letter by letter. A sigma is not written by what
/// follows it, so a piece of a text is folded as it is in the whole.
pub fn fold(text: &str) -> CompactString {
    if text.is_ascii() {
        let mut folded = CompactString::new(text);
        folded.make_ascii_lowercase();
        folded
    } else {
        text.chars().flat_map(char::to_lowercase).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_three_words() {
        assert_eq!(std::mem::size_of::<Value>(), 24);
        assert_eq!(std::mem::size_of::<Option<Value>>(), 24);
    }

    #[test]
    fn folding_is_unicode_lower_case() {
        for (text, folded) in [
            ("ACME", "acme"),
            ("Ærø", "ærø"),
            ("ΣΊΣΥΦΟΣ", "σίσυφοσ"),
            ("ΟΔΟΣ", "οδοσ"),
            ("οδος", "οδος"),
            ("", ""),
        ] {
            assert_eq!(fold(text), folded);
        }
    }
}
