//! Order and pages: how two matches compare, the first few of many, and the place where a page ended.

use std::borrow::Cow;
use std::cmp::Ordering;

use smallvec::SmallVec;
use uuid::Uuid;

use super::condition::{parent_id, serial_value};
use super::error::{Code, QueryError};
use crate::access::View;
use crate::graph::Node;
use crate::model::value::fold;
use crate::model::{Field, Kind, Serial, Time, Value};

/// `s=name-`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SortKey {
    pub field: Field,
    pub folded: bool,
    pub descending: bool,
}

/// So much of a text orders it: texts that begin alike so far are in order of serial. A cursor tells where its page ended by
/// what the last match was sorted by, whatever became of that match since, and is sent back in a URL: it cannot hold all of
/// a long text, and where a text stands among others must not need more of it than a cursor has.
pub(super) const KEY_BYTES: usize = 256;

/// As much of a text as orders it, to the end of the letter at the bound: two texts are never the other way round by it.
fn beginning(text: &str) -> &str {
    let end = (KEY_BYTES..text.len()).find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(text.len())]
}

/// Might there be texts that are ordered alike and differ?
pub(super) fn is_long(value: &Value) -> bool {
    value.as_text().is_some_and(|text| text.len() >= KEY_BYTES)
}

type Keys<'g> = SmallVec<[Option<Cow<'g, Value>>; 1]>;

/// A match with what it is sorted by.
#[derive(Clone, Debug)]
pub(super) struct Ranked<'g> {
    keys: Keys<'g>,
    pub node: Node<'g>,
}

impl<'g> Ranked<'g> {
    pub fn new(sort: &[SortKey], node: Node<'g>, view: &View<'g>) -> Self {
        Self {
            keys: sort.iter().map(|key| value(key, node, view)).collect(),
            node,
        }
    }

    pub fn position(&self) -> Position {
        Position {
            keys: self.keys.iter().map(|key| key.as_deref().cloned()).collect(),
            serial: self.node.serial(),
        }
    }

    pub fn is_after(&self, sort: &[SortKey], position: &Position) -> bool {
        let keys = self.keys.iter().map(|key| key.as_deref());
        let others = position.keys.iter().map(Option::as_ref);
        compare(sort, (keys, self.node.serial()), (others, position.serial)).is_gt()
    }
}

/// What a match is compared by: folded where its field is, and no more of a text than orders it.
pub(super) fn value<'g>(key: &SortKey, node: Node<'g>, view: &View<'g>) -> Option<Cow<'g, Value>> {
    let entity = node.entity();
    Some(match key.field {
        Field::Own(index) => match entity.fields().get(index)? {
            Value::Text(text) if key.folded => match fold(text) {
                folded if folded.len() > KEY_BYTES => Cow::Owned(Value::text(beginning(&folded))),
                folded => Cow::Owned(Value::Text(folded)),
            },
            Value::Text(text) if text.len() > KEY_BYTES => Cow::Owned(Value::text(beginning(text))),
            value => Cow::Borrowed(value),
        },
        Field::Id => Cow::Owned(Value::Uuid(entity.id)),
        Field::Serial => Cow::Owned(serial_value(entity.serial)),
        Field::Created => Cow::Owned(Value::Time(entity.created)),
        Field::Updated => Cow::Owned(Value::Time(entity.updated)),
        Field::Parent(rel) => Cow::Owned(Value::Uuid(parent_id(view, node, rel)?)),
    })
}

/// Unset comes after every value, before all where descending; ties by serial, always ascending.
fn compare<'a, 'b>(
    sort: &[SortKey],
    one: (impl Iterator<Item = Option<&'a Value>>, Serial),
    other: (impl Iterator<Item = Option<&'b Value>>, Serial),
) -> Ordering {
    for (key, (one, other)) in sort.iter().zip(one.0.zip(other.0)) {
        let order = match (one, other) {
            (Some(one), Some(other)) => one.cmp(other),
            (one, other) => one.is_none().cmp(&other.is_none()),
        };
        if order.is_ne() {
            return if key.descending { order.reverse() } else { order };
        }
    }
    one.1.cmp(&other.1)
}

/// The first few of many, without keeping the many: twice as many as wanted are let in, then the later half goes.
pub(super) struct Top<'g, 'p> {
    sort: &'p [SortKey],
    most: usize,
    kept: Vec<Ranked<'g>>,
    /// The last of those that survived; nothing after it can be among the first.
    last: Option<Ranked<'g>>,
}

impl<'g, 'p> Top<'g, 'p> {
    pub fn new(sort: &'p [SortKey], most: usize) -> Self {
        Self {
            sort,
            most,
            kept: Vec::new(),
            last: None,
        }
    }

    pub fn add(&mut self, ranked: Ranked<'g>) {
        if self.most == 0 || self.last.as_ref().is_some_and(|last| self.order(&ranked, last).is_gt()) {
            return;
        }
        self.kept.push(ranked);
        if self.kept.len() >= self.most.saturating_mul(2).max(64) {
            let sort = self.sort;
            self.kept
                .select_nth_unstable_by(self.most - 1, |one, other| order(sort, one, other));
            self.kept.truncate(self.most);
            self.last = self.kept.last().cloned();
        }
    }

    pub fn finish(mut self) -> Vec<Ranked<'g>> {
        self.kept.sort_unstable_by(|one, other| order(self.sort, one, other));
        self.kept.truncate(self.most);
        self.kept
    }

    fn order(&self, one: &Ranked<'g>, other: &Ranked<'g>) -> Ordering {
        order(self.sort, one, other)
    }
}

fn order(sort: &[SortKey], one: &Ranked<'_>, other: &Ranked<'_>) -> Ordering {
    fn keys<'a>(ranked: &'a Ranked<'_>) -> (impl Iterator<Item = Option<&'a Value>>, Serial) {
        (ranked.keys.iter().map(|key| key.as_deref()), ranked.node.serial())
    }
    compare(sort, keys(one), keys(other))
}

/// Where a page ended: what its last match was sorted by, and its serial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub(super) keys: SmallVec<[Option<Value>; 1]>,
    pub(super) serial: Serial,
}

impl Position {
    /// The serial, then each key as tag, length and bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.serial.to_be_bytes().to_vec();
        for key in &self.keys {
            let (tag, body): (u8, Cow<'_, [u8]>) = match key {
                None => (0, Cow::Borrowed(&[])),
                Some(Value::Bool(flag)) => (1, Cow::Owned(vec![u8::from(*flag)])),
                Some(Value::Int(number)) => (2, Cow::Owned(number.to_be_bytes().to_vec())),
                Some(Value::Time(time)) => (3, Cow::Owned(time.millis().to_be_bytes().to_vec())),
                Some(Value::Uuid(id)) => (4, Cow::Borrowed(id.as_bytes())),
                Some(Value::Text(text)) => (5, Cow::Borrowed(text.as_bytes())),
            };
            bytes.push(tag);
            bytes.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend_from_slice(&body);
        }
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (serial, mut rest) = bytes.split_first_chunk()?;
        let mut keys = SmallVec::new();
        while !rest.is_empty() {
            let (tag, after) = rest.split_first()?;
            let (length, after) = after.split_first_chunk()?;
            let (body, after) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
            keys.push(match tag {
                0 => body.is_empty().then_some(None)?,
                1 => Some(Value::Bool(match body {
                    [0] => false,
                    [1] => true,
                    _ => return None,
                })),
                2 => Some(Value::Int(i64::from_be_bytes(body.try_into().ok()?))),
                3 => Some(Value::Time(Time::from_millis(i64::from_be_bytes(
                    body.try_into().ok()?,
                ))?)),
                4 => Some(Value::Uuid(Uuid::from_slice(body).ok()?)),
                5 => Some(Value::text(std::str::from_utf8(body).ok()?)),
                _ => return None,
            });
            rest = after;
        }
        Some(Self {
            keys,
            serial: Serial::from_be_bytes(*serial),
        })
    }

    /// A position of another selector is refused: its keys are not what this one sorts by.
    pub(super) fn fits(&self, sort: &[SortKey], kind: Kind) -> Result<(), QueryError> {
        let fits = |(key, value): (&SortKey, &Option<Value>)| {
            let field_type = key.field.field_type(kind);
            value.as_ref().is_none_or(|value| field_type.takes(value))
        };
        if sort.len() == self.keys.len() && sort.iter().zip(&self.keys).all(fits) {
            return Ok(());
        }
        Err(
            QueryError::new(Code::CursorDoesNotFit, "the cursor belongs to another selector")
                .help("send `nextCursor` back with the selector that gave it"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_comes_back_from_its_bytes() {
        for keys in [
            vec![],
            vec![None],
            vec![Some(Value::text("")), None, Some(Value::text("Ærø"))],
            vec![
                Some(Value::Bool(true)),
                Some(Value::Int(-5)),
                Some(Value::Time(Time(1_676_815_942_012))),
            ],
            vec![Some(Value::Uuid(Uuid::from_u128(7)))],
        ] {
            let position = Position {
                keys: keys.into(),
                serial: 42,
            };
            assert_eq!(Position::decode(&position.encode()), Some(position));
        }
    }

    #[test]
    fn other_bytes_are_no_position() {
        let good = Position {
            keys: SmallVec::from_vec(vec![Some(Value::Int(7))]),
            serial: 1,
        }
        .encode();
        for length in 0..good.len() {
            assert_eq!(
                Position::decode(&good[..length]).filter(|position| !position.keys.is_empty()),
                None,
                "{length} bytes"
            );
        }
        for bad in [
            &[][..],
            &[0; 7],
            &[0, 0, 0, 0, 0, 0, 0, 1, 9, 0, 0, 0, 0],
            &[0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 2],
        ] {
            assert_eq!(Position::decode(bad), None, "{bad:?}");
        }
    }
}
