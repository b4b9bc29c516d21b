//! Facts that are kept with a commit and are no change: that something was asked and refused, and what stood around a change when it
//! was made. What a commit's own changes tell needs no event.

use compact_str::CompactString;
use uuid::Uuid;

use super::{Serial, Value};

/// Something that happened, by the name clients know it by (`licensing.md` 5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `LicenseReserved`
    pub name: CompactString,
    /// The type and id of what it is about.
    pub object_type: CompactString,
    pub object: Uuid,
    /// The organization whose own that was, as with a change.
    pub whose: Option<Serial>,
    pub facts: Facts,
}

/// Named, in order, each name once.
pub type Facts = Vec<(CompactString, Fact)>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// It was cleared.
    Nothing,
    One(Value),
    /// More facts: `previousState`, `errorInfo`.
    Group(Facts),
    /// `licenseAnchors`
    List(Vec<Facts>),
}

impl Fact {
    /// How deep groups and lists are kept within one another.
    pub const DEPTH: usize = 4;
}

impl From<Value> for Fact {
    fn from(value: Value) -> Self {
        Self::One(value)
    }
}
