//! Licenses that open what matches (`doors.md` C.3 and C.6): not one item, but every item with a property that is equal to any
//! of some values, or is a list that has any of them. Asked at each decision, so that a new item is open at once.

use std::collections::HashSet;

use compact_str::CompactString;

use crate::graph::Node;
use crate::model::schema::{Hop, known, place};
use crate::model::{Entity, Kind, Rel, RelationType, Value};

use super::texts;

const PROPERTY: u8 = place(Kind::License, "matchProperty");
const VALUES: u8 = place(Kind::License, "matchValues");
const KEY: u8 = place(Kind::Property, "key");
const VALUE: u8 = place(Kind::Property, "value");

/// The relation by which such an entity has properties.
pub const fn properties_of(kind: Kind) -> Rel {
    known(RelationType::OneToMany, kind, Kind::Property)
}

const ITEM_PROPERTIES: Rel = properties_of(Kind::LicensedItem);

/// Does it open what matches, and not its own item?
pub fn is_matching(license: &Entity) -> bool {
    license.fields().get(PROPERTY).is_some()
}

/// So many bytes of texts that are compared cost a decision one look.
const LOOK_BYTES: usize = 256;

/// How many looks it costs to go through texts of so many bytes, beside the one at whatever has them.
pub(super) fn looks(bytes: usize) -> usize {
    bytes / LOOK_BYTES
}

/// What a license opens by.
pub struct Matching<'g> {
    pub property: &'g str,
    pub values: Vec<CompactString>,
    /// Of the values, as they are kept.
    bytes: usize,
}

/// `None`: it opens its own item.
pub fn of_license(license: Node<'_>) -> Option<Matching<'_>> {
    let text = |field: u8| license.entity().fields().get(field).and_then(Value::as_text);
    let property = text(PROPERTY)?;
    // A list that cannot be read has nothing in it.
    let kept = text(VALUES).unwrap_or_default();
    let values = texts::read(kept).unwrap_or_default();
    Some(Matching {
        property,
        values,
        bytes: kept.len(),
    })
}

impl Matching<'_> {
    /// The property of an item, as it is kept.
    pub fn text_of<'i>(&self, item: Node<'i>) -> Option<&'i str> {
        text_of(item, ITEM_PROPERTIES, self.property)
    }

    /// What comparing with it costs.
    pub fn looks(&self, text: Option<&str>) -> usize {
        looks(self.bytes + text.unwrap_or_default().len())
    }

    /// Is it one of the values, or a list that has one?
    pub fn has(&self, text: Option<&str>) -> bool {
        match values(text).as_slice() {
            [one] => self.values.contains(one),
            several => {
                let wanted: HashSet<&CompactString> = self.values.iter().collect();
                several.iter().any(|value| wanted.contains(value))
            }
        }
    }
}

/// A property as it is kept.
pub fn text_of<'g>(node: Node<'g>, properties: Rel, key: &str) -> Option<&'g str> {
    let text = |property: Node<'g>, field: u8| property.entity().fields().get(field).and_then(Value::as_text);
    let mut all = node.hop(Hop::forward(properties), None).map(|(property, _)| property);
    let found = all.find(|property| text(*property, KEY) == Some(key));
    found.and_then(|property| text(property, VALUE))
}

/// The values of a property: those of a list, or the one it is.
pub fn values(text: Option<&str>) -> Vec<CompactString> {
    match text {
        None => Vec::new(),
        Some(text) => texts::read(text).unwrap_or_else(|| vec![CompactString::new(text)]),
    }
}
