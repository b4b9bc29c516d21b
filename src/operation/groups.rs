//! AddToProfileGroups, RemoveFromProfileGroups and RemoveUserFromOrganization (`graph-api.md` 3.2). Joining an
//! organization means joining one of its groups; there is no other membership.

use uuid::Uuid;

use super::refusal::{Fault, OperationError};
use super::target::{owned, reached};
use super::{Call, Outcome};
use crate::entitlement::paths;
use crate::error::Error;
use crate::graph::Node;
use crate::model::schema::Hop;
use crate::model::{Fields, Kind, Time, Values, rel};

/// A membership that has ended is none: it begins anew, without bounds.
pub(super) fn add(call: &mut Call<'_, '_>) -> Result<Outcome, Error> {
    let tolerant = call.arguments.flag("allowAlreadyAdded");
    let profile = member(call)?;
    let now = call.tx.now();
    for group in call.arguments.ids("profileGroupId") {
        owned(call.tx.graph(), call.who, Kind::ProfileGroup, group, "profileGroupId")?;
        match membership(call, profile, group).map(|fields| has_ended(fields, now)) {
            None => call.tx.relate(rel::MEMBERSHIP, profile, group, Fields::default())?,
            Some(true) => call
                .tx
                .update_relation(rel::MEMBERSHIP, profile, group, Fields::default())?,
            Some(false) if tolerant => {}
            Some(false) => {
                return Err(OperationError::at("profileGroupId", Fault::RelationExists(group)).into());
            }
        }
    }
    Ok(Outcome::default())
}

pub(super) fn remove(call: &mut Call<'_, '_>) -> Result<Outcome, Error> {
    let tolerant = call.arguments.flag("allowAlreadyRemoved");
    let profile = member(call)?;
    let mut groups = Vec::new();
    for group in call.arguments.ids("profileGroupId") {
        owned(call.tx.graph(), call.who, Kind::ProfileGroup, group, "profileGroupId")?;
        if membership(call, profile, group).is_some() {
            groups.push(group);
        } else if !tolerant {
            return Err(OperationError::at("profileGroupId", Fault::RelationMissing(group)).into());
        }
    }
    leave(call, profile, &groups)
}

pub(super) fn remove_from_organization(call: &mut Call<'_, '_>) -> Result<Outcome, Error> {
    let profile = member(call)?;
    let id = call.arguments.id("organizationId").unwrap_or_default();
    let organization = owned(call.tx.graph(), call.who, Kind::Organization, id, "organizationId")?;
    let of_it = |group: &Node<'_>| {
        group
            .parent(rel::GROUPS)
            .is_some_and(|owner| owner.id == organization.id)
    };
    let groups: Vec<Uuid> = call
        .tx
        .graph()
        .find(profile)
        .into_iter()
        .flat_map(|profile| profile.hop(Hop::forward(rel::MEMBERSHIP), None))
        .filter(|(group, _)| of_it(group))
        .map(|(group, _)| group.id)
        .collect();
    if groups.is_empty() {
        return Err(OperationError::at("profileId", Fault::RelationMissing(profile)).into());
    }
    leave(call, profile, &groups)
}

/// Reservations that lose their last way end once all groups are left.
fn leave(call: &mut Call<'_, '_>, profile: Uuid, groups: &[Uuid]) -> Result<Outcome, Error> {
    let mut in_doubt = Vec::new();
    for group in groups {
        if let Some(node) = call.tx.graph().find(*group) {
            in_doubt.extend(paths::reservations(node, Some(profile)));
        }
        call.tx.unrelate(rel::MEMBERSHIP, profile, *group)?;
    }
    paths::free_lost(call.tx, &in_doubt)?;
    Ok(Outcome::default())
}

fn member(call: &Call<'_, '_>) -> Result<Uuid, Error> {
    let id = call.arguments.id("profileId").unwrap_or_default();
    Ok(reached(call.tx.graph(), call.who, Kind::Profile, id, "profileId")?.id)
}

fn membership<'c>(call: &'c Call<'_, '_>, profile: Uuid, group: Uuid) -> Option<Values<'c>> {
    let graph = call.tx.graph();
    graph
        .find(profile)?
        .relation(Hop::forward(rel::MEMBERSHIP), graph.find(group)?)
}

fn has_ended(membership: Values<'_>, now: Time) -> bool {
    let until = rel::MEMBERSHIP
        .def()
        .field("validUntil")
        .and_then(|field| membership.get(field));
    until
        .and_then(|until| until.as_time())
        .is_some_and(|until| until <= now)
}
