//! The memory of trials (`licensing.md` 2.3, ConsumptionLockConstraint): a device that has used a trial does not get another
//! one within the scope of the lock. It stays when the lease and the license are gone.

use uuid::Uuid;

use crate::graph::{Kept, Node, Transaction, Violation};
use crate::model::schema::{Hop, place};
use crate::model::{Entity, Fields, Kind, Value, rel};

const SCOPE: u8 = place(Kind::License, "lockScope");
const HW: u8 = place(Kind::ConsumptionLock, "hw");
const LICENSE: u8 = place(Kind::ConsumptionLock, "licenseId");
const ITEM: u8 = place(Kind::ConsumptionLock, "licensedItemId");

/// `None` turns it off; a license that says nothing is locked by its item.
pub fn is_on(license: &Entity) -> bool {
    scope(license) != Some("None")
}

fn scope(license: &Entity) -> Option<&str> {
    license.fields().get(SCOPE).and_then(Value::as_text)
}

/// Has the device used another trial of the item, or of a package the item is sold in?
pub fn is_locked(license: Node<'_>, item: Node<'_>, hw: &str) -> bool {
    let by_package = scope(&license) == Some("ProductPackage");
    of_device(license.graph(), hw).any(|lock| {
        let id = |field: u8| lock.fields().get(field).and_then(Value::as_uuid);
        if id(LICENSE) == Some(license.id) {
            return false;
        }
        let Some(other) = id(ITEM) else { return false };
        other == item.id || (by_package && is_sold_with(item, other))
    })
}

fn of_device<'g>(graph: &'g crate::graph::Graph, hw: &str) -> impl Iterator<Item = Node<'g>> {
    graph.by_value(Kind::ConsumptionLock, HW, &Value::text(hw), None)
}

fn is_sold_with(item: Node<'_>, other: Uuid) -> bool {
    let Some(other) = item
        .graph()
        .find(other)
        .filter(|other| other.kind == Kind::LicensedItem)
    else {
        return false;
    };
    let mut packages = item.hop(Hop::backward(rel::ITEMS), None);
    packages.any(|(package, _)| package.relation(Hop::forward(rel::ITEMS), other).is_some())
}

/// Once a device and license.
pub fn remember(tx: &mut Transaction<'_>, license: Uuid, item: Uuid, hw: &str) -> Result<(), Violation> {
    let is_known = of_device(tx.graph(), hw).any(|lock| lock.fields().get(LICENSE) == Some(&Value::Uuid(license)));
    if is_known {
        return Ok(());
    }
    let fields: Fields = [
        (HW, Value::text(hw)),
        (LICENSE, Value::Uuid(license)),
        (ITEM, Value::Uuid(item)),
    ]
    .into_iter()
    .collect();
    let id = tx.new_id();
    tx.create(id, Kind::ConsumptionLock, fields, Kept::default())
}
