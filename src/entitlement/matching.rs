//! Licenses that open what matches (`doors.md` C.3 and C.6): not one item, but every item with a property that is equal to any
//! of some values, or is a list that has any of them. Asked at each decision, so that a new item is open at once.

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

const OF_ITEM: Rel = properties_of(Kind::LicensedItem);

/// Does it open what matches, and not its own item?
pub fn is_matching(license: &Entity) -> bool {
    license.fields().get(PROPERTY).is_some()
}

/// What a license opens by.
pub struct Matching<'g> {
    pub property: &'g str,
    pub values: Vec<CompactString>,
}

/// `None`: it opens its own item.
pub fn of_license(license: Node<'_>) -> Option<Matching<'_>> {
    let text = |field: u8| license.entity().fields().get(field).and_then(Value::as_text);
    let property = text(PROPERTY)?;
    // A list that cannot be read has nothing in it.
    let values = text(VALUES).and_then(texts::read).unwrap_or_default();
    Some(Matching { property, values })
}

impl Matching<'_> {
    pub fn opens(&self, item: Node<'_>) -> bool {
        let found = values(item, OF_ITEM, self.property);
        found.iter().any(|value| self.values.contains(value))
    }
}

/// The values of a property: those of a list, or the one it is.
pub fn values(node: Node<'_>, properties: Rel, key: &str) -> Vec<CompactString> {
    let text = |property: &Entity, field: u8| {
        property
            .fields()
            .get(field)
            .and_then(Value::as_text)
            .map(CompactString::new)
    };
    let mut all = node.hop(Hop::forward(properties), None).map(|(property, _)| property);
    let found = all.find(|property| property.fields().get(KEY).and_then(Value::as_text) == Some(key));
    let value = found.and_then(|property| text(property.entity(), VALUE));
    match value {
        None => Vec::new(),
        Some(value) => texts::read(&value).unwrap_or_else(|| vec![value]),
    }
}
