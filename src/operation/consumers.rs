//! AddLicenseConsumerRelations and RemoveLicenseConsumerRelations: who may consume the licenses of an entitlement
//! (`graph-api.md` 3.1, `licensing.md` 3). Rights are per entitlement, never per license.

use uuid::Uuid;

use super::refusal::{Fault, OperationError};
use super::target::{owned, reached};
use super::{Call, Outcome};
use crate::entitlement::paths;
use crate::error::Error;
use crate::graph::Node;
use crate::model::schema::Hop;
use crate::model::{Fields, Kind, Rel, rel};

const CONSUMERS: [(&str, Kind, Rel); 2] = [
    ("profileGroupId", Kind::ProfileGroup, rel::OPENS_GROUP),
    ("profileId", Kind::Profile, rel::OPENS_PROFILE),
];

/// Adds what is missing. A group of another organization is an external partner: a token that reaches both may let it in.
pub(super) fn add(call: &mut Call<'_, '_>) -> Result<Outcome, Error> {
    let tolerant = call.arguments.flag("allowExistingRelation");
    each(call, |call, entitlement, parameter, rel, consumer| {
        let (from, to) = ends(call, entitlement, consumer)?;
        let exists = from.relation(Hop::forward(rel), to).is_some();
        match exists {
            false => Ok(call.tx.relate(rel, entitlement, consumer, Fields::default())?),
            true if tolerant => Ok(()),
            true => Err(OperationError::at(parameter, Fault::RelationExists(consumer)).into()),
        }
    })
}

/// Removes what is there, and frees the reservations of those who lose their last way to a license. Leases run on, and
/// blocks stay.
pub(super) fn remove(call: &mut Call<'_, '_>) -> Result<Outcome, Error> {
    let tolerant = call.arguments.flag("allowAlreadyRemoved");
    let mut in_doubt = Vec::new();
    each(call, |call, entitlement, parameter, rel, consumer| {
        let (from, to) = ends(call, entitlement, consumer)?;
        if from.relation(Hop::forward(rel), to).is_none() {
            if tolerant {
                return Ok(());
            }
            return Err(OperationError::at(parameter, Fault::RelationMissing(consumer)).into());
        }
        in_doubt.extend(paths::reservations_in(from, to));
        Ok(call.tx.unrelate(rel, entitlement, consumer)?)
    })?;
    paths::free_lost(call.tx, &in_doubt)?;
    Ok(Outcome::default())
}

fn each(
    call: &mut Call<'_, '_>,
    mut step: impl FnMut(&mut Call<'_, '_>, Uuid, &'static str, Rel, Uuid) -> Result<(), Error>,
) -> Result<Outcome, Error> {
    let entitlement = call.arguments.id("entitlementId").unwrap_or_default();
    owned(
        call.tx.graph(),
        call.who,
        Kind::Entitlement,
        entitlement,
        "entitlementId",
    )?;
    let mut any = false;
    for (parameter, kind, rel) in CONSUMERS {
        for consumer in call.arguments.ids(parameter) {
            any = true;
            reached(call.tx.graph(), call.who, kind, consumer, parameter)?;
            step(call, entitlement, parameter, rel, consumer)?;
        }
    }
    if !any {
        let fault = Fault::OneNeeded("profileGroupId` and `profileId");
        return Err(OperationError::at("profileGroupId", fault).into());
    }
    Ok(Outcome::default())
}

fn ends<'c>(call: &'c Call<'_, '_>, entitlement: Uuid, consumer: Uuid) -> Result<(Node<'c>, Node<'c>), Error> {
    Ok((call.tx.node(entitlement)?, call.tx.node(consumer)?))
}
