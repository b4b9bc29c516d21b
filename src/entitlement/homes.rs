//! Where an owner's licenses go: its default entitlement, made when there is none (`licensing.md` 3). A user has at most
//! one entitlement, an organization any number, of which the one marked so, and of several the oldest, is its default.

use uuid::Uuid;

use crate::graph::{Kept, Node, Transaction, Violation};
use crate::model::schema::{Hop, place};
use crate::model::{Fields, Kind, Rel, Value, rel};

/// The organization or profile that owns an entitlement.
pub fn owner(entitlement: Node<'_>) -> Option<Node<'_>> {
    entitlement
        .parent(rel::ENTITLEMENTS)
        .or_else(|| entitlement.parent(rel::PERSONAL))
}

/// The relation by which such an owner has entitlements.
fn owned_by(owner: Kind) -> Rel {
    if owner == Kind::Profile {
        rel::PERSONAL
    } else {
        rel::ENTITLEMENTS
    }
}

fn default_of(owner: Node<'_>) -> Option<Node<'_>> {
    let is_default = Kind::Entitlement.field("isDefault");
    let mut all = owner
        .hop(Hop::forward(owned_by(owner.kind)), None)
        .map(|(node, _)| node);
    if owner.kind == Kind::Profile {
        return all.next();
    }
    all.find(|node| is_default.and_then(|field| node.fields().get(field)) == Some(&Value::Bool(true)))
}

/// The default entitlement of an organization or a profile; a new one where there is none.
pub fn default_or_new(tx: &mut Transaction<'_>, owner: Uuid) -> Result<Uuid, Violation> {
    let node = tx.node(owner)?;
    if let Some(entitlement) = default_of(node) {
        return Ok(entitlement.id);
    }
    let kind = node.kind;
    let name = match kind {
        Kind::Profile => format!("Entitlement of {owner}"),
        _ => "Default entitlement".to_owned(),
    };
    let id = tx.new_id();
    let field = |name: &str| Kind::Entitlement.field(name);
    let fields: Fields = [
        field("name").map(|field| (field, Value::text(&name))),
        field("isDefault").map(|field| (field, Value::Bool(true))),
    ]
    .into_iter()
    .flatten()
    .collect();
    create(tx, id, owner, kind, fields)?;
    Ok(id)
}

pub fn is_named(entitlement: Node<'_>, name: &str) -> bool {
    let known = entitlement.fields().get(const { place(Kind::Entitlement, "name") });
    known.and_then(Value::as_text) == Some(name)
}

/// The one of that name of an organization, made when there is none. It is nobody's default.
pub fn named_or_new(tx: &mut Transaction<'_>, organization: Uuid, name: &str) -> Result<Uuid, Violation> {
    let node = tx.node(organization)?;
    let mut all = node.hop(Hop::forward(rel::ENTITLEMENTS), None);
    if let Some((home, _)) = all.find(|(home, _)| is_named(*home, name)) {
        return Ok(home.id);
    }
    let id = tx.new_id();
    let fields: Fields = [(const { place(Kind::Entitlement, "name") }, Value::text(name))]
        .into_iter()
        .collect();
    create(tx, id, organization, Kind::Organization, fields)?;
    Ok(id)
}

/// A new entitlement of an owner of that kind.
pub fn create(
    tx: &mut Transaction<'_>,
    id: Uuid,
    owner: Uuid,
    owner_kind: Kind,
    fields: Fields,
) -> Result<(), Violation> {
    tx.create(id, Kind::Entitlement, fields, Kept::default())?;
    tx.relate(owned_by(owner_kind), owner, id, Fields::default())
}
