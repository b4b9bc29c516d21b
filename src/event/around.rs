//! What stands around a license, a seat or a lease, by the names of `licensing.md` 5.2. Times are milliseconds since 1970.

use uuid::Uuid;

use crate::model::{Entity, Fact, Facts, Rel, Value, rel};

pub const ITEM_NAME: &str = "licensedItemName";

/// Whose an entitlement may be, and the name of that.
pub const OWNERS: [(Rel, &str); 2] = [
    (rel::ENTITLEMENTS, "licenseOwnerOrganizationId"),
    (rel::PERSONAL, "licenseOwnerUserId"),
];

/// The entitlement, its owner and the item, as far as they are known.
pub fn of_owners(
    facts: &mut Facts,
    entitlement: Option<Uuid>,
    item: Option<Uuid>,
    parent: impl Fn(Uuid, Rel) -> Option<Uuid>,
) {
    let owners = OWNERS.map(|(rel, name)| (name, entitlement.and_then(|id| parent(id, rel))));
    let all = [("entitlementId", entitlement)].into_iter().chain(owners);
    for (name, id) in all.chain([("licensedItemId", item)]) {
        if let Some(id) = id {
            facts.push((name.into(), Value::Uuid(id).into()));
        }
    }
}

/// `licenseAnchors`
pub fn of_anchors(facts: &mut Facts, hw: Option<&str>, process: Option<&str>) {
    let anchors: Vec<Facts> = [("hw", hw), ("process", process)]
        .into_iter()
        .filter_map(|(kind, id)| {
            Some(vec![
                ("licenseAnchorType".into(), Value::text(kind).into()),
                ("licenseAnchorId".into(), Value::text(id?).into()),
            ])
        })
        .collect();
    if !anchors.is_empty() {
        facts.push(("licenseAnchors".into(), Fact::List(anchors)));
    }
}

pub fn of_item(facts: &mut Facts, item: Option<&Entity>) {
    copy(facts, item, &[("name", ITEM_NAME)]);
}

pub fn of_license(facts: &mut Facts, license: &Entity) {
    let names = [
        ("validFrom", "validFrom"),
        ("validUntil", "validUntil"),
        ("active", "active"),
    ];
    copy(facts, Some(license), &names);
}

/// Fields of an entity by other names; what its kind does not have, or it has not, is left out.
pub fn copy(facts: &mut Facts, entity: Option<&Entity>, names: &[(&str, &'static str)]) {
    let Some(entity) = entity else { return };
    for (field, name) in names {
        if let Some(value) = value(entity, field) {
            facts.push(((*name).into(), value.clone().into()));
        }
    }
}

pub fn value<'e>(entity: &'e Entity, field: &str) -> Option<&'e Value> {
    entity.fields().get(entity.kind.field(field)?)
}
