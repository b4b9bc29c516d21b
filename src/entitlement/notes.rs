//! Texts by their keys that hang on an entity: the metadata of a license, the properties of users and of what is sold. They
//! are read once, however many of them are written.

use std::collections::HashMap;

use uuid::Uuid;

use crate::graph::{Kept, Node, Transaction, Violation};
use crate::model::schema::{Hop, place};
use crate::model::{Fields, Kind, Rel, Value, Values, rel};

/// What a license is of an order; the id the order has outside follows.
pub const ORDER: &str = "transaction:";
/// What another system, from which the license came, calls it.
pub const CAME_AS: &str = "importedId";

pub const KEY: u8 = place(Kind::LicenseMetadata, "key");
pub const TEXT: u8 = place(Kind::LicenseMetadata, "value");

/// Does the server write this key, and go by it later? Then nobody else may: a copy of such a note makes one license pass for
/// another.
pub fn is_servers(key: &str) -> bool {
    key == CAME_AS || key.starts_with(ORDER)
}

/// The same of a note, by its fields.
pub fn is_servers_note(fields: Values<'_>) -> bool {
    fields.get(KEY).and_then(Value::as_text).is_some_and(is_servers)
}

/// What hangs on the entity by `rel`, by its `key`; of several of one key the first.
pub fn by_key(of: Node<'_>, rel: Rel) -> HashMap<String, Uuid> {
    let mut all = HashMap::new();
    let Some(key) = rel.def().to.field("key") else {
        return all;
    };
    for (note, _) in of.hop(Hop::forward(rel), None) {
        if let Some(key) = note.fields().get(key).and_then(Value::as_text) {
            all.entry(key.to_owned()).or_insert(note.id);
        }
    }
    all
}

/// What is noted of a license: key, text and the note itself.
pub fn told<'g>(license: Node<'g>) -> impl Iterator<Item = (&'g str, &'g str, Node<'g>)> {
    license.hop(Hop::forward(rel::NOTES), None).filter_map(|(note, _)| {
        let text = |field: u8| note.entity().fields().get(field).and_then(Value::as_text);
        Some((text(KEY)?, text(TEXT).unwrap_or_default(), note))
    })
}

/// Each key of a license has the text given, and other keys stay: a key is one a license.
pub(super) fn write<'n>(
    tx: &mut Transaction<'_>,
    license: Uuid,
    notes: impl IntoIterator<Item = (&'n str, &'n str)>,
) -> Result<(), Violation> {
    let mut notes = notes.into_iter().peekable();
    if notes.peek().is_none() {
        return Ok(());
    }
    let of = tx.node(license)?;
    let mut there = by_key(of, rel::NOTES);
    for (key, text) in notes {
        let text = Value::text(text);
        if let Some(note) = there.get(key).and_then(|id| tx.graph().find(*id)) {
            let (id, fields) = (note.id, note.fields().with(TEXT, Some(text)));
            tx.update(id, fields)?;
            continue;
        }
        let id = tx.new_id();
        let fields: Fields = [(KEY, Value::text(key)), (TEXT, text)].into_iter().collect();
        tx.create(id, Kind::LicenseMetadata, fields, Kept::default())?;
        tx.relate(rel::NOTES, license, id, Fields::default())?;
        there.insert(key.to_owned(), id);
    }
    Ok(())
}
