//! Consuming for a caller: for whom it may check, consume and give back (design 16, `licensing.md` 1.1), within the reach of
//! its token. What a license allows is for `entitlement`.

use uuid::Uuid;

use super::refusal::{Fault, OperationError};
use super::target::reached;
use crate::access::{self, Action, Denied, Permission, View, Who};
use crate::entitlement::consume::{self, Lease, Outcome, Released};
use crate::entitlement::decision::{Decision, Granted, Refusal, Wanted};
use crate::entitlement::{Reason, Refused, decision};
use crate::error::Error;
use crate::event::{self, Asked};
use crate::graph::{Graph, Transaction, Violation};
use crate::model::{Event, Fact, Facts, Kind, Serial, Value};

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

/// Consumes, and tells what the changes alone do not: that it was refused, which is as durable as a lease, and what was taken from credits.
/// `may_tell` is asked before a refusal is told.
pub fn consume(
    tx: &mut Transaction<'_>,
    consumer: &Consumer,
    item: &str,
    wanted: &Wanted<'_>,
    may_tell: impl FnOnce() -> bool,
) -> Result<Outcome, Violation> {
    let outcome = consume::consume(tx, consumer.profile, item, wanted)?;
    match &outcome {
        Outcome::Consumed(lease) | Outcome::Renewed(lease) => tell_use(tx, lease),
        Outcome::Refused(_) if !may_tell() => {}
        Outcome::Refused(refusal) => {
            let asked = of_refusal(asked(consumer, item, wanted), refusal);
            let event = event::refused(tx.graph(), &asked, whose(tx.graph(), &asked));
            tx.tell(event);
        }
    }
    Ok(outcome)
}

/// What a check tells those who want to hear of checks.
pub fn checked(graph: &Graph, consumer: &Consumer, item: &str, wanted: &Wanted<'_>, decided: &Decision) -> Event {
    let asked = asked(consumer, item, wanted);
    let asked = match decided {
        Decision::Granted(granted) => of_grant(asked, granted),
        Decision::Refused(refusal) => of_refusal(asked, refusal),
    };
    event::checked(graph, &asked, whose(graph, &asked))
}

fn asked<'a>(consumer: &Consumer, item: &'a str, wanted: &Wanted<'a>) -> Asked<'a> {
    Asked {
        profile: consumer.profile,
        item,
        mode: wanted.mode.name(),
        version: wanted.version,
        hw: wanted.hw.map(|hw| hw.id),
        process: wanted.process.map(|process| process.id),
        lease: wanted.lease,
        consumption: None,
        license: None,
        until: None,
        refused: None,
    }
}

/// A lease that was named and is none of anybody is as if it had not been (`licensing.md` 1.6).
fn of_grant<'a>(asked: Asked<'a>, granted: &Granted) -> Asked<'a> {
    Asked {
        lease: granted.renews.map(|(_, lease)| lease),
        consumption: granted.renews.map(|(consumption, _)| consumption),
        license: Some(granted.license),
        until: Some(granted.until),
        ..asked
    }
}

fn of_refusal<'a>(asked: Asked<'a>, refusal: &Refusal) -> Asked<'a> {
    Asked {
        license: refusal.license,
        refused: Some((refusal.reason.code(), refusal.reason.words())),
        ..asked
    }
}

/// The owner's of the license; where none is known, the consumer's.
fn whose(graph: &Graph, asked: &Asked<'_>) -> Option<Serial> {
    graph
        .find(asked.license.unwrap_or(asked.profile))
        .and_then(access::owner)
}

/// What a lease took from the credits of its license.
pub fn tell_use(tx: &mut Transaction<'_>, lease: &Lease) {
    let taken = [
        ("consumedUseCount", lease.granted.uses),
        ("consumedUseTime", lease.granted.use_time),
    ];
    let facts: Facts = taken
        .into_iter()
        .filter(|(_, taken)| *taken > 0)
        .map(|(name, taken)| {
            let taken = i64::try_from(taken).unwrap_or(i64::MAX);
            (name.into(), Value::Int(taken).into())
        })
        .collect();
    if !facts.is_empty() {
        tell_of_lease(tx, "LicenseConsumed", lease.consumption, facts);
    }
}

/// What stands around the lease is added when the commit is made (`event::kept`).
fn tell_of_lease(tx: &mut Transaction<'_>, name: &str, consumption: Uuid, facts: Facts) {
    let whose = tx.graph().find(consumption).and_then(access::owner);
    tx.tell(Event {
        name: name.into(),
        object_type: Kind::Consumption.name().into(),
        object: consumption,
        whose,
        facts,
    });
}

/// Gives back a lease of this consumer. That the model forbids it is told, as any refusal is; that there is no such lease is nobody's to hear.
pub fn release(
    tx: &mut Transaction<'_>,
    who: &Who,
    consumer: &Consumer,
    lease: Uuid,
    may_tell: impl FnOnce() -> bool,
) -> Result<Released, Refused> {
    let found = decision::lease(tx.graph(), lease, tx.now());
    let view = View::new(tx.graph(), who);
    if found.is_some_and(|lease| !view.reaches(lease)) {
        return Err(Refused::NotGranted(Reason::NoConsumptionFoundById));
    }
    let consumption = found.map(|lease| lease.id);
    let released = consume::release(tx, Some(consumer.profile), lease);
    if let (Err(Refused::NotGranted(reason @ Reason::ReleaseNotAllowed)), Some(consumption)) = (&released, consumption)
        && may_tell()
    {
        let why: (_, Fact) = ("errorInfo".into(), event::error(reason.code(), reason.words()));
        tell_of_lease(tx, "LicenseReleased", consumption, vec![why]);
    }
    released
}

/// Who has neither permission may end none, whatever there is.
pub fn may_end(who: &Who) -> Result<(), Denied> {
    let may = who.may(DELETE) || who.may(Permission::LicenseConsume);
    may.then_some(()).ok_or(Denied::GiveBack)
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
        // No permission gives one's own back before the rules do.
        may_end(who)?;
        return Ok(consume::release(tx, Some(profile), lease)?);
    }
    // Who may neither see nor end it learns nothing of it.
    if !view.sees(node) && !who.may(DELETE) {
        return Err(unknown());
    }
    who.require(DELETE)?;
    view.owns(node)?;
    Ok(consume::release(tx, None, lease)?)
}

/// Leases one tidying write removes where there is time: a millisecond of the committer, at leisure, and one wait for the disk.
pub const TIDIED: usize = 32;

/// Removes at most so many leases that have ended, which were gone for every count before.
pub fn tidy(tx: &mut Transaction<'_>, most: usize) -> Result<(), Error> {
    consume::expire(tx, most)?;
    Ok(())
}

/// How many milliseconds ago the oldest lease ended that is still there; `None`: there is nothing to tidy.
pub fn untidy_for(graph: &Graph, now: crate::model::Time) -> Option<i64> {
    let ended = consume::first_expired(graph, now)?;
    Some(now.millis().saturating_sub(ended.millis()))
}
