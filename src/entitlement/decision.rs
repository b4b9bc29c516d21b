//! May this consumer use this item now? Gathers the candidates, tries each by the rules in the order of `licensing.md` 2.6,
//! and says which license it is and until when, or why none. Reads a graph and writes nothing: a check asks it of a
//! snapshot, a consumption inside the transaction that writes.

use smallvec::SmallVec;
use uuid::Uuid;

use crate::graph::{Anchored, Graph, Node};
use crate::model::schema::{Hop, known, place};
use crate::model::{Entity, Kind, Rel, RelationType, Time, Value};
use crate::mutant::mutant;

use super::credits::Credits;
use super::lock;
use super::model::Mode;
use super::reason::Reason;
use super::select::{self, Candidate, Filters};
use super::terms::Limited;

const LEASE_ID: u8 = place(Kind::Consumption, "leaseId");
const COUNT: u8 = place(Kind::Consumption, "consumedCount");
const ACTIVE: u8 = place(Kind::License, "active");
const SCOPE_TYPE: u8 = place(Kind::LicenseScope, "type");
const SCOPE_VALUE: u8 = place(Kind::LicenseScope, "value");
const LEASES: Rel = known(RelationType::OneToMany, Kind::Assignment, Kind::Consumption);
const BY_LICENSE: Rel = known(RelationType::OneToMany, Kind::License, Kind::Assignment);
const BY_PROFILE: Rel = known(RelationType::OneToMany, Kind::Profile, Kind::Assignment);
const SCOPES: Rel = known(RelationType::OneToMany, Kind::License, Kind::LicenseScope);

/// A device or a process, as the client calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor<'a> {
    pub id: &'a str,
    pub name: Option<&'a str>,
}

/// What is asked for, beside the item and the consumer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted<'a> {
    pub mode: Mode,
    /// Milliseconds; the model's longest if it is not said, and never more.
    pub duration: Option<u64>,
    /// Seats, or units of use.
    pub count: Option<u32>,
    pub hw: Option<Anchor<'a>>,
    pub process: Option<Anchor<'a>>,
    pub version: Option<&'a str>,
    pub scope: Option<&'a str>,
    /// A lease to renew.
    pub lease: Option<Uuid>,
    pub filters: Filters,
}

impl<'a> Wanted<'a> {
    pub(super) fn anchored(&self, item: Uuid) -> Anchored<'a> {
        Anchored {
            item: Some(item),
            hw: self.hw.map(|hw| hw.id),
            process: self.process.map(|process| process.id),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Granted(Granted),
    Refused(Refusal),
}

/// A yes, with all that a consumption has to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    pub license: Uuid,
    /// The item asked for, whether the license is of it or of one that includes it.
    pub item: Uuid,
    /// The item the license is of.
    pub item_of_license: Uuid,
    /// The one there is, in force or not.
    pub assignment: Option<Uuid>,
    /// The lease that goes on: its entity, and its id.
    pub renews: Option<(Uuid, Uuid)>,
    pub until: Time,
    pub refresh: Time,
    pub valid_from: Option<Time>,
    pub count: u32,
    pub over_use: bool,
    /// A named seat that is reserved by its first use.
    pub reserves: bool,
    /// A trial to remember the device by.
    pub locks: bool,
    /// Uses, and milliseconds of use, to take from the credits.
    pub uses: u64,
    pub use_time: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    /// The license that came furthest.
    pub license: Option<Uuid>,
}

/// A rule as explanations name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    Validity,
    Active,
    Assignment,
    NamedSeat,
    LicenseModel,
    Version,
    ConsumptionLock,
    Scope,
    Sessions,
    SeatCount,
    UseCount,
    UseTime,
    Extension,
}

impl Rule {
    pub fn name(self) -> &'static str {
        match self {
            Self::Validity => "validity",
            Self::Active => "active",
            Self::Assignment => "assignment",
            Self::NamedSeat => "namedSeat",
            Self::LicenseModel => "licenseModel",
            Self::Version => "version",
            Self::ConsumptionLock => "consumptionLock",
            Self::Scope => "scope",
            Self::Sessions => "sessions",
            Self::SeatCount => "seatCount",
            Self::UseCount => "useCount",
            Self::UseTime => "useTime",
            Self::Extension => "extension",
        }
    }
}

/// One candidate as it was tried.
#[derive(Clone, Debug)]
pub struct Tried<'g> {
    pub candidate: Candidate<'g>,
    /// Up to the first that says no.
    pub rules: Vec<(Rule, Option<Reason>)>,
}

pub fn decide(graph: &Graph, profile: Uuid, item: &str, wanted: &Wanted<'_>, now: Time) -> Decision {
    let no = |reason| Decision::Refused(Refusal { reason, license: None });
    // An unknown item is answered as one without access: names cannot be probed.
    let Some(asked) = select::item(graph, item) else {
        return no(Reason::NotAuthorized);
    };
    match graph.find(profile).filter(|node| node.kind == Kind::Profile) {
        Some(profile) => choose(profile, asked, wanted, now, |_, _, _| {}),
        None => no(Reason::NotAuthorized),
    }
}

/// The same decision, and how it came about.
pub fn explain<'g>(
    graph: &'g Graph,
    profile: Uuid,
    item: &str,
    wanted: &Wanted<'_>,
    now: Time,
) -> (Decision, Vec<Tried<'g>>) {
    let mut tried: Vec<Tried<'g>> = Vec::new();
    let found = select::item(graph, item).zip(graph.find(profile).filter(|node| node.kind == Kind::Profile));
    let Some((asked, profile)) = found else {
        return (decide(graph, profile, item, wanted, now), tried);
    };
    let decision = choose(profile, asked, wanted, now, |candidate, rule, reason| {
        match tried
            .last_mut()
            .filter(|last| last.candidate.license == candidate.license)
        {
            Some(last) => last.rules.push((rule, reason)),
            None => tried.push(Tried {
                candidate: *candidate,
                rules: vec![(rule, reason)],
            }),
        }
    });
    (decision, tried)
}

fn choose<'g>(
    profile: Node<'g>,
    asked: Node<'g>,
    wanted: &Wanted<'_>,
    now: Time,
    mut tell: impl FnMut(&Candidate<'g>, Rule, Option<Reason>),
) -> Decision {
    let mut filters = wanted.filters;
    let mut renews = None;
    if let Some(id) = wanted.lease {
        match lease(profile.graph(), id, now) {
            // Tidied, ended or never there: as if no lease had been named.
            None => {}
            Some(lease) if is_of(lease, profile) && is_tied(&lease, asked.id, wanted) => {
                let license = license(lease).map(|license| license.id);
                // What was asked for by name as well has to be the same.
                if filters.license.is_none() || filters.license == license {
                    filters.license = license;
                }
                renews = Some(lease);
            }
            Some(_) => {
                return Decision::Refused(Refusal {
                    reason: Reason::NoConsumptionFoundById,
                    license: None,
                });
            }
        }
    }
    let mut refusal = Refusal {
        reason: Reason::NotAuthorized,
        license: None,
    };
    for candidate in &select::candidates(profile, asked, &filters, now) {
        let renews = renews.or_else(|| same_lease(candidate, asked, wanted, now));
        match judge(candidate, asked, wanted, renews, now, &mut |rule, reason| {
            tell(candidate, rule, reason)
        }) {
            Ok(granted) => return Decision::Granted(granted),
            Err(reason) if refusal.license.is_none() || reason > refusal.reason => {
                refusal = Refusal {
                    reason,
                    license: Some(candidate.license.id),
                };
            }
            Err(_) => {}
        }
    }
    Decision::Refused(refusal)
}

/// A live lease by its id.
pub fn lease(graph: &Graph, id: Uuid, now: Time) -> Option<Node<'_>> {
    let mut found = graph.by_value(Kind::Consumption, LEASE_ID, &Value::Uuid(id), None);
    found.next().filter(|lease| select::is_live(lease, now))
}

pub fn is_of(lease: Node<'_>, profile: Node<'_>) -> bool {
    lease
        .parent(LEASES)
        .and_then(|assignment| assignment.parent(BY_PROFILE))
        == Some(profile)
}

pub fn license(lease: Node<'_>) -> Option<Node<'_>> {
    lease.parent(LEASES)?.parent(BY_LICENSE)
}

/// A lease is tied to its item and to what it was asked for with (`licensing.md` 2.4); what is not said now is not asked.
fn is_tied(lease: &Entity, item: Uuid, wanted: &Wanted<'_>) -> bool {
    let tied = Anchored::of(lease);
    tied.item.is_none_or(|tied| tied == item)
        && wanted.hw.is_none_or(|hw| tied.hw == Some(hw.id))
        && wanted.process.is_none_or(|process| tied.process == Some(process.id))
}

fn same_lease<'g>(candidate: &Candidate<'g>, asked: Node<'g>, wanted: &Wanted<'_>, now: Time) -> Option<Node<'g>> {
    let assignment = candidate.assignment.filter(|_| candidate.consumed)?;
    let mut same = assignment.graph().leases_of(assignment, wanted.anchored(asked.id));
    same.find(|lease| select::is_live(lease, now))
}

/// Every rule in its order, up to the first that says no.
fn judge<'g>(
    candidate: &Candidate<'g>,
    asked: Node<'g>,
    wanted: &Wanted<'_>,
    renews: Option<Node<'g>>,
    now: Time,
    tell: &mut impl FnMut(Rule, Option<Reason>),
) -> Result<Granted, Reason> {
    let (license, model, graph) = (candidate.license, &candidate.model, candidate.license.graph());
    let mut rule = |rule: Rule, failed: Option<Reason>| {
        tell(rule, failed);
        failed.map_or(Ok(()), Err)
    };
    rule(Rule::Validity, validity(&license, now))?;
    let is_active = license.fields.get(ACTIVE) == Some(&Value::Bool(true));
    rule(Rule::Active, (!is_active).then_some(Reason::LicenseSuspended))?;
    let assignment = candidate
        .assignment
        .filter(|assignment| select::is_valid(assignment, now));
    let is_denied = assignment.is_some_and(|assignment| select::is_denied(&assignment, now));
    rule(Rule::Assignment, is_denied.then_some(Reason::ConsumptionDenied))?;
    let taken = graph.taken(license, now);
    let mut reserves = false;
    if let Some(named) = model.named {
        let has_room = named.most.is_none_or(|most| taken.reserved < most);
        reserves = !candidate.reserved && named.auto_assign && has_room;
        let is_named = candidate.reserved || reserves;
        rule(Rule::NamedSeat, (!is_named).then_some(Reason::AssignmentRequired))?;
    }
    rule(
        Rule::LicenseModel,
        model.contradicts.then_some(Reason::InvalidLicenseModel),
    )?;
    if let Some(versions) = model.versions {
        let allowed = wanted.version.is_some_and(|version| versions.allow(version));
        rule(Rule::Version, (!allowed).then_some(Reason::VersionNotAllowed))?;
    }
    let locks = model.locks_trials && lock::is_on(&license);
    if locks {
        // A lease that goes on is on the device it was granted to.
        let tied = renews.and_then(|lease| Anchored::of(lease.entity()).hw);
        let failed = match wanted.hw.map(|hw| hw.id).or(tied) {
            None => Some(Reason::HardwareIdRequired),
            Some(hw) => lock::is_locked(license, candidate.item, hw).then_some(Reason::ConsumptionLocked),
        };
        rule(Rule::ConsumptionLock, failed)?;
    }
    if model.scope.is_some() || wanted.scope.is_some() {
        let wanted_type = model.scope.flatten();
        let has = wanted.scope.is_some_and(|scope| has_scope(license, wanted_type, scope));
        rule(Rule::Scope, (!has).then_some(Reason::ScopeNotAllowed))?;
    }
    // An assignment that has ended still holds what was leased through it.
    let mine = candidate
        .assignment
        .map_or(0, |assignment| graph.holds(assignment, now));
    let had = renews.and_then(|lease| lease.fields.get(COUNT).and_then(Value::as_int));
    let count = wanted
        .count
        .or(had.and_then(|had| u32::try_from(had).ok()))
        .unwrap_or(1);
    let seats = mine.max(u64::from(count));
    if model.anchors.hw.is_some() || model.anchors.process.is_some() {
        let is_full = is_crowded(candidate, wanted, renews, seats, now);
        rule(Rule::Sessions, is_full.then_some(Reason::ConcurrentSessionLimit))?;
    }
    let (lease_ms, refresh_ms) = model.lease.of(wanted.mode);
    let lease_ms = wanted
        .duration
        .map_or(lease_ms, |asked| lease_ms.min(i64::try_from(asked).unwrap_or(i64::MAX)));
    let mut until = plus(now, lease_ms);
    until = select::end(&license).map_or(until, |end| end.min(until));
    until = assignment
        .and_then(|assignment| select::end(&assignment))
        .map_or(until, |end| end.min(until));
    let (mut over_use, mut uses, mut use_time) = (false, 0, 0);
    match model.limited {
        Limited::Seats => {
            let credits = Credits::of(license, Limited::Seats, now);
            // Whoever goes on in the seats it has takes none; where there are none at all, nobody goes on.
            let after = taken.seats.saturating_sub(mine).saturating_add(seats);
            let fits = credits.total.is_none_or(|total| {
                let most = total.saturating_add(model.over_use.above(total));
                total > 0 && (seats == mine || after <= most || mutant("sell-any-seat"))
            });
            let is_within = model.seats_per_user.is_none_or(|most| seats <= most);
            rule(
                Rule::SeatCount,
                (!fits || !is_within).then_some(Reason::NoSeatsAvailable),
            )?;
            over_use = credits.total.is_some_and(|total| after > total);
            until = until.min(credits.lasting(after));
        }
        Limited::UseCount => {
            let credits = Credits::of(license, Limited::UseCount, now);
            uses = match (model.uses_declared, renews) {
                (false, None) => 1,
                (false, Some(_)) => 0,
                // A client that goes on says so when it has used more.
                (true, None) => u64::from(count),
                (true, Some(_)) => wanted.count.map_or(0, u64::from),
            };
            let fits = !credits.is_empty() && credits.total.is_none_or(|left| uses <= left);
            rule(Rule::UseCount, (!fits).then_some(Reason::UseCountExceeded))?;
            until = until.min(credits.latest());
        }
        Limited::UseTime => {
            let credits = Credits::of(license, Limited::UseTime, now);
            until = until.min(credits.latest());
            // What a renewal had was paid for.
            let paid = renews
                .and_then(|lease| lease.fields.get(select::LEASED_UNTIL)?.as_time())
                .unwrap_or(now);
            let left = credits
                .total
                .map_or(i64::MAX, |left| i64::try_from(left).unwrap_or(i64::MAX));
            let fits = !credits.is_empty() && (left > 0 || paid > now);
            rule(Rule::UseTime, (!fits).then_some(Reason::UseTimeExceeded))?;
            until = until.min(plus(paid, left));
            use_time = u64::try_from(until.millis().saturating_sub(paid.millis())).unwrap_or(0);
        }
    }
    if renews.is_some() {
        rule(
            Rule::Extension,
            (!model.lease.allow_extension).then_some(Reason::ExtensionNotAllowed),
        )?;
    }
    let term = until.millis().saturating_sub(now.millis()).max(0);
    let refresh = refresh_ms.unwrap_or(term / 4 * 3 + term % 4 * 3 / 4).min(term);
    Ok(Granted {
        license: license.id,
        item: asked.id,
        item_of_license: candidate.item.id,
        assignment: candidate.assignment.map(|assignment| assignment.id),
        renews: renews.and_then(|lease| Some((lease.id, lease.fields.get(LEASE_ID)?.as_uuid()?))),
        until,
        refresh: plus(now, refresh),
        valid_from: select::start(&license),
        count,
        over_use,
        reserves,
        locks,
        uses,
        use_time,
    })
}

/// A license without a start is not valid (`graph-api.md` 3.1).
fn validity(license: &Entity, now: Time) -> Option<Reason> {
    if select::start(license).is_none_or(|from| now < from) {
        return Some(Reason::LicenseNotYetValid);
    }
    select::end(license)
        .is_some_and(|until| until <= now)
        .then_some(Reason::LicenseExpired)
}

fn has_scope(license: Node<'_>, wanted: Option<&str>, value: &str) -> bool {
    license.hop(Hop::forward(SCOPES), None).any(|(scope, _)| {
        let text = |field: u8| scope.fields.get(field).and_then(Value::as_text);
        text(SCOPE_VALUE) == Some(value) && wanted.is_none_or(|wanted| text(SCOPE_TYPE) == Some(wanted))
    })
}

/// Would one more device or process be too many for the seats the consumer has?
fn is_crowded(candidate: &Candidate<'_>, wanted: &Wanted<'_>, renews: Option<Node<'_>>, seats: u64, now: Time) -> bool {
    let Some(assignment) = candidate.assignment else {
        return false;
    };
    let (mut devices, mut processes): (SmallVec<[_; 8]>, SmallVec<[_; 8]>) = (SmallVec::new(), SmallVec::new());
    let own = renews.map(|lease| (lease.id, Anchored::of(lease.entity())));
    devices.push(wanted.hw.map(|hw| hw.id).or(own.and_then(|(_, own)| own.hw)));
    processes.push(
        wanted
            .process
            .map(|process| process.id)
            .or(own.and_then(|(_, own)| own.process)),
    );
    for lease in assignment.graph().leases(assignment, now) {
        if select::is_released(&lease) || own.is_some_and(|(id, _)| id == lease.id) {
            continue;
        }
        let tied = Anchored::of(lease.entity());
        if !devices.contains(&tied.hw) {
            devices.push(tied.hw);
        }
        if !processes.contains(&tied.process) {
            processes.push(tied.process);
        }
    }
    let exceeds = |number: usize, most: Option<u32>| {
        most.is_some_and(|most| number as u64 > u64::from(most).saturating_mul(seats.max(1)))
    };
    let anchors = candidate.model.anchors;
    exceeds(devices.len(), anchors.hw) || exceeds(processes.len(), anchors.process)
}

/// Never past the last time that can be written.
fn plus(now: Time, ms: i64) -> Time {
    const LAST: Time = Time(253_402_300_799_999);
    Time(now.millis().saturating_add(ms)).min(LAST)
}
