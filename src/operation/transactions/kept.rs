//! What is noted with each license of an order, and which of several notes is believed.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::DoneItem;
use crate::entitlement::{homes, notes};
use crate::graph::{Graph, Kept, Node, Transaction, Violation};
use crate::model::{Fields, Kind, Time, Value, rel};

/// Items in the notes that have all of an order: each item more is one more in each of them.
const NOTED: usize = 10_000;

/// As it was ordered last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptItem {
    pub id: Uuid,
    pub external_id: String,
    pub product_id: Uuid,
    pub quantity: i64,
    /// The ids it had before it was taken back and ordered anew, where a license of then was restored: its credit is of those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub was: Vec<Uuid>,
}

impl KeptItem {
    pub(super) fn is(&self, id: Uuid) -> bool {
        self.id == id || self.was.contains(&id)
    }

    /// Of the same external id.
    fn joins(&mut self, other: &Self) {
        for id in std::iter::once(other.id).chain(other.was.iter().copied()) {
            if !self.is(id) {
                self.was.push(id);
            }
        }
    }
}

/// As it is kept with a license.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeptOrder {
    #[serde(rename = "type")]
    order_type: String,
    items: Vec<KeptItem>,
    /// The items that the license is of. Notes that were written before it was said have no others.
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<Vec<Uuid>>,
}

/// A license of a transaction, and what is kept with it.
pub(super) struct Found {
    license: Uuid,
    order: KeptOrder,
    /// When that was written.
    updated: Time,
}

fn key(external_id: &str) -> Value {
    Value::text(&format!("{}{external_id}", notes::ORDER))
}

/// The licenses that have a note of this key, with it.
fn noted<'g>(graph: &'g Graph, key: &Value) -> impl Iterator<Item = (Node<'g>, Node<'g>)> {
    let notes = graph.by_value(Kind::LicenseMetadata, notes::KEY, key, None);
    notes.filter_map(|note| Some((note.parent(rel::NOTES)?, note)))
}

/// In order of the licenses.
pub(super) fn found(graph: &Graph, owner: Uuid, external_id: &str) -> Vec<Found> {
    let mut all: Vec<(u64, Found)> = noted(graph, &key(external_id))
        .filter_map(|(license, note)| {
            let of = license.parent(rel::LICENSES).and_then(homes::owner)?;
            let order = serde_json::from_str(note.fields().get(notes::TEXT)?.as_text()?).ok()?;
            let found = Found {
                license: license.id,
                order,
                updated: note.updated,
            };
            (of.id == owner).then_some((license.serial, found))
        })
        .collect();
    all.sort_by_key(|(serial, _)| *serial);
    all.into_iter().map(|(_, found)| found).collect()
}

/// What was written last, as of items.
pub(super) fn type_of(there: &[Found]) -> Option<&str> {
    let last = there.iter().rev().max_by_key(|found| found.updated);
    last.map(|found| found.order.order_type.as_str())
}

/// The items of a transaction, one an external id, each with the licenses that are left of it. What was written last of an item is so:
/// a license that was restored has an older note, perhaps of before the order was taken back and given anew.
pub(super) fn done(there: &[Found]) -> Vec<DoneItem> {
    let mut items: Vec<(Time, DoneItem)> = Vec::new();
    let mut known: HashMap<&str, usize> = HashMap::new();
    for Found {
        license,
        order,
        updated,
    } in there
    {
        for item in &order.items {
            let at = *known.entry(&item.external_id).or_insert(items.len());
            if at == items.len() {
                let done = DoneItem {
                    item: item.clone(),
                    licenses: Vec::new(),
                };
                items.push((*updated, done));
            }
            let (said, done) = &mut items[at];
            if *said < *updated {
                *said = *updated;
                let earlier = std::mem::replace(&mut done.item, item.clone());
                done.item.joins(&earlier);
            } else {
                done.item.joins(item);
            }
            let is_of = order.of.as_ref().is_none_or(|of| of.contains(&item.id));
            if is_of && done.licenses.last() != Some(license) {
                done.licenses.push(*license);
            }
        }
    }
    items.into_iter().map(|(_, done)| done).collect()
}

/// What is written down with each license: what of the order it is, and of as many as `NOTED` allows all that was ordered, or the notes
/// would grow by items times licenses. The first license of each item comes first, then the second ones: what is taken back item by item
/// leaves those of the others.
fn written(order_type: &str, items: &[DoneItem]) -> Vec<(Uuid, KeptOrder)> {
    /// Where the license stands among those of an item, and which items it is of.
    struct Of {
        license: Uuid,
        rank: usize,
        items: Vec<usize>,
    }
    let mut licenses: Vec<Of> = Vec::new();
    let mut known: HashMap<Uuid, usize> = HashMap::new();
    for (index, done) in items.iter().enumerate() {
        for (rank, license) in done.licenses.iter().enumerate() {
            let at = *known.entry(*license).or_insert(licenses.len());
            if at == licenses.len() {
                licenses.push(Of {
                    license: *license,
                    rank,
                    items: Vec::new(),
                });
            }
            licenses[at].rank = licenses[at].rank.min(rank);
            licenses[at].items.push(index);
        }
    }
    licenses.sort_by_key(|of| of.rank);
    let whole = NOTED / items.len().max(1);
    let kept = licenses.into_iter().enumerate().map(|(place, of)| {
        let own = || of.items.iter().map(|index| &items[*index].item);
        let kept = KeptOrder {
            order_type: order_type.to_owned(),
            items: if place < whole {
                items.iter().map(|done| done.item.clone()).collect()
            } else {
                own().cloned().collect()
            },
            of: Some(own().map(|item| item.id).collect()),
        };
        (of.license, kept)
    });
    kept.collect()
}

/// A note that says the same already is left as it is.
pub(super) fn keep(
    tx: &mut Transaction<'_>,
    external_id: &str,
    order_type: &str,
    items: &[DoneItem],
) -> Result<(), Violation> {
    let key = key(external_id);
    let noted: HashMap<Uuid, Uuid> = noted(tx.graph(), &key)
        .map(|(license, note)| (license.id, note.id))
        .collect();
    for (license, kept) in written(order_type, items) {
        let text = Value::text(&serde_json::to_string(&kept).unwrap_or_default());
        if let Some(note) = noted.get(&license).and_then(|note| tx.graph().find(*note)) {
            let (id, fields) = (note.id, note.fields().with(notes::TEXT, Some(text)));
            tx.update(id, fields)?;
            continue;
        }
        let id = tx.new_id();
        let fields: Fields = [(notes::KEY, key.clone()), (notes::TEXT, text)].into_iter().collect();
        tx.create(id, Kind::LicenseMetadata, fields, Kept::default())?;
        tx.relate(rel::NOTES, license, id, Fields::default())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(items: usize, licenses: usize) -> Vec<DoneItem> {
        let item = |index: usize| DoneItem {
            item: KeptItem {
                id: Uuid::from_u64_pair(1, index as u64),
                external_id: index.to_string(),
                product_id: Uuid::nil(),
                quantity: 1,
                was: Vec::new(),
            },
            licenses: (0..licenses)
                .map(|license| Uuid::from_u64_pair(2, (index * licenses + license) as u64))
                .collect(),
        };
        (0..items).map(item).collect()
    }

    #[test]
    fn notes_are_bounded_however_long_an_order_is() {
        fn check(items: usize, licenses: usize, whole: usize) {
            let mut order = ordered(items, licenses);
            let before = written("Order", &order);
            let of = |note: &KeptOrder| note.of.as_ref().map_or(0, Vec::len);
            assert_eq!(before.len(), items * licenses);
            assert!(before.iter().all(|(_, note)| of(note) == 1));
            let all: usize = before.iter().map(|(_, note)| note.items.len()).sum();
            assert_eq!(
                all,
                whole * items + (items * licenses - whole),
                "{items} of {licenses} licenses"
            );
            order[0].item.quantity = 2;
            let after = written("Order", &order);
            let changed = before.iter().zip(&after).filter(|(before, after)| before != after);
            assert!(
                changed.count() <= whole + licenses,
                "{items} items of {licenses} licenses"
            );
            // Each item has one that knows the whole order, where there are so many.
            let known = |item: &DoneItem| {
                let mut notes = after[..whole].iter();
                notes.any(|(license, _)| item.licenses.contains(license))
            };
            assert_eq!(order.iter().filter(|item| known(item)).count(), whole.min(items));
        }
        check(1, 50, 50);
        check(100, 1, 100);
        check(100, 50, 100);
        check(20, 50, 500);
        check(101, 2, 99);
        check(10_001, 1, 0);
    }

    #[test]
    fn the_later_of_two_notes_is_believed() {
        fn check(times: [i64; 2], quantities: &[i64]) {
            let now = ordered(2, 2);
            let mut earlier = now.clone();
            earlier.truncate(1);
            earlier[0].item.quantity = 7;
            let orders = [written("Order", &earlier), written("Order", &now)];
            let there: Vec<Found> = orders
                .iter()
                .zip(times)
                .enumerate()
                .map(|(at, (notes, time))| {
                    let (license, order) = notes[at * 2].clone();
                    let updated = Time(time);
                    Found {
                        license,
                        order,
                        updated,
                    }
                })
                .collect();
            let told = done(&there).iter().map(|done| done.item.quantity).collect::<Vec<_>>();
            assert_eq!(told, quantities, "{times:?}");
        }
        check([1, 2], &[1, 1]);
        check([2, 1], &[7, 1]);
        check([1, 1], &[7, 1]);
    }
}
