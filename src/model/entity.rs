//! An entity: a typed node of the graph with its own fields. Its relations are kept by the graph, not here.

use std::fmt;
use std::ops::Deref;

use smallvec::SmallVec;
use triomphe::ThinArc;
use uuid::Uuid;

use super::{Kind, Revision, Serial, Time, Value};

/// One object of the graph, shared between both copies of the graph, commits and readers: a clone is the same object.
///
/// What it is and the values of its fields lie in one piece of memory, one after the other: in a graph much larger than the
/// processor's caches each piece that is read has to be waited for.
#[derive(Clone, PartialEq, Eq)]
pub struct Entity(ThinArc<Kept, Value>);

/// What every entity has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub id: Uuid,
    pub serial: Serial,
    /// The revision of the commit that changed it last: its ETag.
    pub revision: Revision,
    pub created: Time,
    pub updated: Time,
    pub kind: Kind,
}

#[derive(PartialEq, Eq)]
struct Kept {
    header: Header,
    set: u32,
}

impl Entity {
    /// The values are moved, not copied.
    pub fn new(header: Header, fields: Fields) -> Self {
        let Fields { set, values } = fields;
        let values = values.into_vec().into_iter();
        Self(ThinArc::from_header_and_iter(Kept { header, set }, values))
    }

    /// Another with the same fields.
    #[must_use]
    pub fn with_header(&self, header: Header) -> Self {
        let Values { set, values } = self.fields();
        Self(ThinArc::from_header_and_iter(
            Kept { header, set },
            values.iter().cloned(),
        ))
    }

    pub fn fields(&self) -> Values<'_> {
        Values {
            set: self.0.header.header.set,
            values: &self.0.slice,
        }
    }

    /// Are they the same object, and not only alike?
    pub fn is_same(&self, other: &Self) -> bool {
        std::ptr::eq(self.0.ptr(), other.0.ptr())
    }
}

impl Deref for Entity {
    type Target = Header;

    fn deref(&self) -> &Header {
        &self.0.header.header.header
    }
}

impl fmt::Debug for Entity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Entity").field(&**self).field(&self.fields()).finish()
    }
}

/// Field values as they are read: by their position in the schema's list for that kind (or relation); at most 32.
///
/// A bit for each field that is set, and the values of those in order: a lookup is a popcount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Values<'a> {
    set: u32,
    values: &'a [Value],
}

impl<'a> Values<'a> {
    pub fn get(self, index: u8) -> Option<&'a Value> {
        let bit = 1u32 << index;
        if self.set & bit == 0 {
            return None;
        }
        Some(&self.values[(self.set & (bit - 1)).count_ones() as usize])
    }

    pub fn is_empty(self) -> bool {
        self.set == 0
    }

    pub fn len(self) -> usize {
        self.values.len()
    }

    /// In the schema's order.
    pub fn iter(self) -> impl Iterator<Item = (u8, &'a Value)> {
        let mut left = self.set;
        self.values.iter().map(move |value| {
            let index = left.trailing_zeros() as u8;
            left &= left.wrapping_sub(1);
            (index, value)
        })
    }

    /// The same fields with one set, or cleared by `None`.
    #[must_use]
    pub fn with(self, index: u8, value: Option<Value>) -> Fields {
        let mut all: Vec<(u8, Value)> = self
            .iter()
            .filter(|(at, _)| *at != index)
            .map(|(at, value)| (at, value.clone()))
            .collect();
        all.extend(value.map(|value| (index, value)));
        all.into_iter().collect()
    }

    /// A copy of its own.
    pub fn to_fields(self) -> Fields {
        Fields {
            set: self.set,
            values: self.values.into(),
        }
    }
}

/// Field values on their way into an entity, and those of a relation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    set: u32,
    values: Box<[Value]>,
}

impl Fields {
    pub const MAX: usize = 32;

    /// From a bit for each field that is set and their values in the schema's order; `None` when those do not match.
    pub fn packed(set: u32, values: Box<[Value]>) -> Option<Self> {
        (set.count_ones() as usize == values.len()).then_some(Self { set, values })
    }

    pub fn values(&self) -> Values<'_> {
        Values {
            set: self.set,
            values: &self.values,
        }
    }

    pub fn get(&self, index: u8) -> Option<&Value> {
        self.values().get(index)
    }

    pub fn is_empty(&self) -> bool {
        self.set == 0
    }

    /// In the schema's order.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &Value)> {
        self.values().iter()
    }

    /// The same fields with one set, or cleared by `None`.
    #[must_use]
    pub fn with(&self, index: u8, value: Option<Value>) -> Self {
        self.values().with(index, value)
    }
}

impl FromIterator<(u8, Value)> for Fields {
    /// In any order; of two values for one field the later wins.
    fn from_iter<T: IntoIterator<Item = (u8, Value)>>(pairs: T) -> Self {
        let mut pairs: SmallVec<[(u8, Value); 12]> = pairs.into_iter().collect();
        if !pairs.is_sorted_by(|(one, _), (other, _)| one < other) {
            pairs.reverse();
            pairs.sort_by_key(|(index, _)| *index);
            pairs.dedup_by_key(|(index, _)| *index);
        }
        let set = pairs.iter().fold(0, |set, (index, _)| set | 1u32 << index);
        // As long as it has to be.
        let mut values = Vec::with_capacity(pairs.len());
        values.extend(pairs.into_iter().map(|(_, value)| value));
        Self {
            set,
            values: values.into_boxed_slice(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_place() {
        let fields: Fields = [
            (5, Value::Int(5)),
            (0, Value::Int(0)),
            (31, Value::Int(31)),
            (5, Value::Int(6)),
        ]
        .into_iter()
        .collect();
        assert_eq!(fields.get(0), Some(&Value::Int(0)));
        assert_eq!(fields.get(5), Some(&Value::Int(6)));
        assert_eq!(fields.get(31), Some(&Value::Int(31)));
        assert_eq!(fields.get(4), None);
        assert_eq!(fields.values().len(), 3);
        let fewer = fields.with(5, None).with(2, Some(Value::Bool(true)));
        assert_eq!(fewer.iter().map(|(index, _)| index).collect::<Vec<_>>(), [0, 2, 31]);
        assert_eq!(fewer.get(2), Some(&Value::Bool(true)));
    }

    #[test]
    fn entities_are_equal_by_what_they_are_and_the_same_by_place() {
        let header = Header {
            id: Uuid::from_u128(1),
            serial: 1,
            revision: 1,
            created: Time(1),
            updated: Time(1),
            kind: Kind::License,
        };
        let fields = |text: &str| [(3, Value::text(text))].into_iter().collect::<Fields>();
        let one = Entity::new(header, fields("a"));
        let alike = Entity::new(header, fields("a"));
        assert!(one == alike && !one.is_same(&alike) && one.is_same(&one.clone()));
        assert_ne!(one, Entity::new(header, fields("b")));
        assert_ne!(one, Entity::new(header, [(4, Value::text("a"))].into_iter().collect()));
        let later = one.with_header(Header { revision: 2, ..header });
        assert_ne!(one, later);
        assert_eq!((later.revision, later.fields(), one.revision), (2, one.fields(), 1));
        assert_eq!(one.fields().to_fields(), fields("a"));
    }
}
