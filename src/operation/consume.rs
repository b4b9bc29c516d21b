//! Consuming for a caller: for whom it may check, consume and give back (design 16, `licensing.md` 1.1), within the reach of
//! its token. What a license allows is for `entitlement`.

use uuid::Uuid;

use super::refusal::{Fault, OperationError};
use super::target::reached;
use crate::access::{Action, Permission, View, Who};
use crate::entitlement::consume::{self, Released};
use crate::entitlement::decision::Wanted;
use crate::entitlement::{Reason, Refused, decision};
use crate::error::Error;
use crate::graph::{Graph, Transaction};
use crate::model::Kind;

const DELETE: Permission = Permission::Kind(Kind::Consumption, Action::Delete);

/// What a caller wants of a license for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Check,
    /// Or give back.
    Consume,
}

/// For whom, and within which organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consumer {
    pub profile: Uuid,
    /// A bound token's: licenses of others are none to it.
    pub within: Option<Uuid>,
}

impl Consumer {
    /// What is wanted, within the reach.
    pub fn wanting<'a>(&self, mut wanted: Wanted<'a>) -> Wanted<'a> {
        wanted.filters.within = self.within;
        wanted
    }
}

/// The caller itself, or whom it names by `parameter`.
pub fn consumer(
    graph: &Graph,
    who: &Who,
    named: Option<Uuid>,
    parameter: &'static str,
    purpose: Purpose,
) -> Result<Consumer, Error> {
    let own = who.principal.profile;
    let is_own = named.is_none() || named == own;
    permit(who, is_own, purpose)?;
    let Some(profile) = named.or(own) else {
        return Err(OperationError::at(parameter, Fault::ConsumerMissing).into());
    };
    if !is_own {
        reached(graph, who, Kind::Profile, profile, parameter)?;
    }
    Ok(Consumer {
        profile,
        within: who.organization,
    })
}

/// Who may consume for somebody may check for them too.
fn permit(who: &Who, is_own: bool, purpose: Purpose) -> Result<(), Error> {
    let consumes = who.may(Permission::LicenseConsume) && (is_own || who.may(Permission::LicenseImpersonate));
    match purpose {
        Purpose::Check if consumes || who.may(Permission::LicenseCheck) => Ok(()),
        Purpose::Check if is_own => Ok(who.require(Permission::LicenseConsume)?),
        Purpose::Check => Ok(who.require(Permission::LicenseCheck)?),
        Purpose::Consume => {
            who.require(Permission::LicenseConsume)?;
            if !is_own {
                who.require(Permission::LicenseImpersonate)?;
            }
            Ok(())
        }
    }
}

/// Gives back a lease of this consumer.
pub fn release(tx: &mut Transaction<'_>, who: &Who, consumer: &Consumer, lease: Uuid) -> Result<Released, Refused> {
    let found = decision::lease(tx.graph(), lease, tx.now());
    let view = View::new(tx.graph(), who);
    if found.is_some_and(|lease| !view.reaches(lease)) {
        return Err(Refused::NotGranted(Reason::NoConsumptionFoundById));
    }
    consume::release(tx, Some(consumer.profile), lease)
}

/// Gives back a lease from wherever: one's own by the rules, another's by force, for who may delete it.
pub fn end(tx: &mut Transaction<'_>, who: &Who, lease: Uuid) -> Result<Released, Error> {
    let unknown = || Error::from(Refused::NotGranted(Reason::NoConsumptionFoundById));
    let view = View::new(tx.graph(), who);
    let found = decision::lease(tx.graph(), lease, tx.now()).filter(|lease| view.reaches(*lease));
    let Some(node) = found else {
        return Err(unknown());
    };
    let own = who.principal.profile.and_then(|id| tx.graph().find(id));
    if let Some(profile) = own.filter(|profile| decision::is_of(node, *profile)) {
        let profile = profile.id;
        if who.may(Permission::LicenseConsume) {
            return Ok(consume::release(tx, Some(profile), lease)?);
        }
    }
    // Who may neither see nor end it learns nothing of it.
    if !view.sees(node) && !who.may(DELETE) {
        return Err(unknown());
    }
    who.require(DELETE)?;
    view.owns(node)?;
    Ok(consume::release(tx, None, lease)?)
}

/// Leases one tidying write removes: short enough that others do not wait for it.
pub const TIDIED: usize = 1000;

/// Removes leases that have ended, which were gone for every count before.
pub fn tidy(tx: &mut Transaction<'_>) -> Result<(), Error> {
    consume::expire(tx, TIDIED)?;
    Ok(())
}

/// Is there anything to tidy?
pub fn is_untidy(graph: &Graph, now: crate::model::Time) -> bool {
    consume::has_expired(graph, now)
}
