//! InitializeOrganizationLicenses and InitializePersonalLicenses: on a package they grant its licenses, on a license they
//! change it (`graph-api.md` 3.1, `licensing.md` 3). Whose licenses, and may this caller: here. What a grant or a change
//! may be: in `entitlement`.

use uuid::Uuid;

use super::refusal::{Fault, OperationError};
use super::target::{mine, owned, reached, selected};
use super::{Call, Outcome};
use crate::access::Denied;
use crate::entitlement::amend::{self, Increment};
use crate::entitlement::grant::{self, Grant};
use crate::entitlement::raised::{Numbers, Raised};
use crate::entitlement::{Refused, homes};
use crate::error::Error;
use crate::model::schema::Hop;
use crate::model::{Fields, Kind, rel};

/// The owner is who `ownerOrganizationId` names, else who owns the entitlement, else whose the group is.
pub(super) fn for_organization(call: &mut Call<'_, '_>) -> Result<Outcome, Error> {
    let package = package(call)?;
    let (graph, who) = (call.tx.graph(), call.who);
    let group = call.arguments.id("initializeForProfileGroupId");
    let group = group
        .map(|id| owned(graph, who, Kind::ProfileGroup, id, "initializeForProfileGroupId"))
        .transpose()?;
    let entitlement = call.arguments.id("entitlementId");
    let entitlement = entitlement
        .map(|id| owned(graph, who, Kind::Entitlement, id, "entitlementId"))
        .transpose()?;
    let named = call.arguments.id("ownerOrganizationId");
    let named = named
        .map(|id| owned(graph, who, Kind::Organization, id, "ownerOrganizationId"))
        .transpose()?;
    let owner = named
        .or_else(|| entitlement.and_then(homes::owner))
        .or_else(|| group.and_then(|group| group.parent(rel::GROUPS)))
        .ok_or(Fault::OwnerMissing)?;
    if let Some(entitlement) = entitlement
        && (homes::owner(entitlement) != Some(owner) || owner.kind != Kind::Organization)
    {
        return Err(OperationError::at("entitlementId", Fault::Refused(Refused::OtherOwner(entitlement.id))).into());
    }
    let (owner, group, entitlement) = (owner.id, group.map(|node| node.id), entitlement.map(|node| node.id));
    let entitlement = match entitlement {
        Some(entitlement) => entitlement,
        None => homes::default_or_new(call.tx, owner)?,
    };
    let licenses = granted(call, package, entitlement)?;
    if let Some(group) = group {
        let graph = call.tx.graph();
        let ends = graph.find(entitlement).zip(graph.find(group));
        if ends.is_some_and(|(from, to)| from.relation(Hop::forward(rel::OPENS_GROUP), to).is_none()) {
            call.tx
                .relate(rel::OPENS_GROUP, entitlement, group, Fields::default())?;
        }
    }
    Ok(Outcome::of(licenses))
}

/// Into the user's one entitlement. Without `initializeForProfileId`: of the caller.
pub(super) fn for_profile(call: &mut Call<'_, '_>) -> Result<Outcome, Error> {
    let package = package(call)?;
    let profile = profile(call)?.ok_or_else(|| OperationError::at("initializeForProfileId", Fault::Missing))?;
    // What a person owns is in no organization's reach.
    if call.who.organization.is_some() {
        return Err(Denied::ReadOnly(profile).into());
    }
    let entitlement = homes::default_or_new(call.tx, profile)?;
    let licenses = granted(call, package, entitlement)?;
    Ok(Outcome {
        member: Some(("initializeForProfile", profile)),
        ..Outcome::of(licenses)
    })
}

fn package(call: &Call<'_, '_>) -> Result<Uuid, Error> {
    match selected(call, Kind::ProductPackage)?.as_slice() {
        [one] => Ok(*one),
        several => {
            let (kind, matches) = (Kind::ProductPackage, several.len());
            Err(Fault::AmbiguousTarget { kind, matches }.into())
        }
    }
}

/// The user a parameter names, else the caller, if it is one.
fn profile(call: &Call<'_, '_>) -> Result<Option<Uuid>, Error> {
    let (graph, who) = (call.tx.graph(), call.who);
    let name = "initializeForProfileId";
    if let Some(id) = call.arguments.id(name) {
        return Ok(Some(reached(graph, who, Kind::Profile, id, name)?.id));
    }
    Ok(who.principal.profile)
}

fn granted(call: &mut Call<'_, '_>, package: Uuid, entitlement: Uuid) -> Result<Vec<Uuid>, Error> {
    let arguments = call.arguments;
    let mut metadata = Vec::new();
    for key in ["externalReference", "clientData"] {
        metadata.extend(arguments.text(key).map(|value| (key, value)));
    }
    if let Some(data) = arguments.text("clientData")
        && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(data)
    {
        let fault = Fault::ClientDataNotJson(error.to_string());
        return Err(OperationError::at("clientData", fault).into());
    }
    for name in ["licensedItemCount", "maxAggregateUseTime"] {
        if let Some(count) = arguments.int(name).filter(|count| *count < 1) {
            return Err(OperationError::at(name, Fault::Refused(Refused::CountNotPositive(count))).into());
        }
    }
    let wanted = Grant {
        package,
        entitlement,
        count: arguments.int("licensedItemCount"),
        use_time: arguments.int("maxAggregateUseTime"),
        valid_from: arguments.time("validFrom").flatten(),
        valid_until: arguments.time("validUntil").flatten(),
        lock_scope: arguments.text("lockScope"),
        metadata: &metadata,
    };
    grant::grant(call.tx, &wanted).map_err(of_parameter)
}

pub(super) fn change_of_organization(call: &mut Call<'_, '_>) -> Result<Outcome, Error> {
    let named = call.arguments.id("ownerOrganizationId");
    change(call, "ownerOrganizationId", Kind::Organization, named)
}

pub(super) fn change_of_profile(call: &mut Call<'_, '_>) -> Result<Outcome, Error> {
    let named = call.arguments.id("initializeForProfileId");
    change(call, "initializeForProfileId", Kind::Profile, named)
}

/// `change=validity|quota|aggregateUseTime`, on every license the selector matches.
fn change(
    call: &mut Call<'_, '_>,
    owner_parameter: &'static str,
    owner_kind: Kind,
    owner: Option<Uuid>,
) -> Result<Outcome, Error> {
    let arguments = call.arguments;
    let change = arguments.text("change").unwrap_or_default();
    let (own, needed): (&[&str], &'static str) = match change {
        "validity" => (&["validFrom", "validUntil"], "validUntil"),
        "quota" => (&["licensedItemCount"], "licensedItemCount"),
        _ => (&["maxAggregateUseTime", "incrementModel"], "maxAggregateUseTime"),
    };
    let common = ["change", "dryRun", owner_parameter];
    if let Some(name) = arguments
        .names()
        .find(|name| !own.contains(name) && !common.contains(name))
    {
        let change = change.to_owned();
        return Err(OperationError::at(name, Fault::NotWithChange { change }).into());
    }
    let is_said = match change {
        "validity" => own.iter().any(|name| arguments.has(name)),
        _ => arguments.has(needed),
    };
    if !is_said {
        return Err(OperationError::at(needed, Fault::Missing).into());
    }
    let licenses = selected(call, Kind::License)?;
    mine(call, &licenses)?;
    for license in &licenses {
        let entitlement = call.tx.node(*license)?.parent(rel::LICENSES);
        let of = entitlement.and_then(homes::owner);
        let fits = of.is_some_and(|of| of.kind == owner_kind && owner.is_none_or(|owner| owner == of.id));
        if !fits {
            let id = entitlement.map_or(*license, |entitlement| entitlement.id);
            return Err(OperationError::at(owner_parameter, Fault::Refused(Refused::OtherOwner(id))).into());
        }
    }
    let mut raised = Raised::default();
    for license in &licenses {
        let done = match change {
            "validity" => amend::validity(
                call.tx,
                *license,
                arguments.time("validFrom"),
                arguments.time("validUntil"),
                &mut raised,
            ),
            "quota" => amend::quota(
                call.tx,
                *license,
                arguments.int(needed).unwrap_or_default(),
                &mut raised,
            ),
            _ => {
                let increment = match arguments.text("incrementModel") {
                    Some("append") => Increment::Append,
                    _ => Increment::Fair,
                };
                amend::use_time(call.tx, *license, arguments.int(needed).unwrap_or_default(), increment)
            }
        };
        done.map_err(|refused| match refused {
            Refused::CountNotPositive(_) | Refused::TooMuch => {
                Error::from(OperationError::at(needed, Fault::Refused(refused)))
            }
            refused => of_parameter(refused),
        })?;
    }
    let numbers = match change {
        "validity" => Numbers::Had,
        _ => Numbers::Wanted,
    };
    raised.settle(call.tx, numbers).map_err(of_parameter)?;
    Ok(Outcome::of(licenses))
}

/// The parameter a rule's no is about.
fn of_parameter(refused: Refused) -> Error {
    let parameter = match &refused {
        Refused::EndBeforeStart | Refused::ValidityTooLong { .. } => Some("validUntil"),
        Refused::CountNotPositive(_) | Refused::QuotaOfUseTime(_) => Some("licensedItemCount"),
        Refused::UseTimeOfQuota(_) => Some("maxAggregateUseTime"),
        Refused::LockScopeRequired => Some("lockScope"),
        Refused::ValidityDiffers(_) => Some("validFrom"),
        _ => None,
    };
    match parameter {
        Some(parameter) => OperationError::at(parameter, Fault::Refused(refused)).into(),
        None => refused.into(),
    }
}
