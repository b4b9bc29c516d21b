//! May this consumer use this item now? Gathers the candidates, tries each by the rules in the order of `licensing.md` 2.6,
//! and says which license it is and until when, or why none. Reads a graph and writes nothing: a check asks it of a
//! snapshot, a consumption inside the transaction that writes.

use uuid::Uuid;

use crate::graph::{Anchored, Graph, Node, Taken};
use crate::model::schema::{Hop, known, place};
use crate::model::{Entity, Kind, Rel, RelationType, Time, Value, rel};
use crate::mutant::mutant;

use super::credits::Credits;
use super::homes;
use super::lock;
use super::model::{self, LeaseTimes, Mode, Named};
use super::reason::Reason;
use super::reserve;
use super::ruled;
use super::seated;
use super::seats;
use super::select::{self, Candidate, Filters, Looks, Path};
use super::sessions;
use super::shut;
use super::terms::Limited;
use super::why::{self, Why};

const LEASE_ID: u8 = place(Kind::Consumption, "leaseId");
const COUNT: u8 = place(Kind::Consumption, "consumedCount");
const ACTIVE: u8 = place(Kind::License, "active");
const SCOPE_TYPE: u8 = place(Kind::LicenseScope, "type");
const SCOPE_VALUE: u8 = place(Kind::LicenseScope, "value");
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
    /// Of the request it is a part of, if that has several.
    pub looks: Option<&'a Looks>,
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
    /// Until when it is kept, and holds its seat: later than `until` where a shorter term would give back what may not be
    /// given back, or not yet.
    pub kept_until: Time,
    pub refresh: Time,
    pub valid_from: Option<Time>,
    /// Seats.
    pub count: u32,
    /// Of them those that are above the total.
    pub above: u32,
    /// A seat that is reserved by its first use: a named one, or one by a rule.
    pub reserves: bool,
    /// The rule of a group that opens the license.
    pub rule: Option<Uuid>,
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
    /// Only told where nothing else was asked of a license: what was asked for beside the item leaves it out.
    Filters,
    /// The same: the lease that was named is not one to go on with.
    Lease,
    /// The same: the consumer's own time is not now.
    Consumer,
    /// The same: that of its membership is not.
    Membership,
    /// The same: the license waits for an assignment.
    Individual,
    Validity,
    Active,
    Assignment,
    NamedSeat,
    LicenseModel,
    Version,
    ConsumptionLock,
    Scope,
    Sessions,
    Quota,
    SeatCount,
    /// Only told of a renewal that adds seats: they have to last as long as it cannot give them back.
    SeatTerm,
    UseCount,
    UseTime,
    Extension,
}

impl Rule {
    pub fn name(self) -> &'static str {
        match self {
            Self::Filters => "filters",
            Self::Lease => "lease",
            Self::Consumer => "consumer",
            Self::Membership => "membership",
            Self::Individual => "individual",
            Self::Validity => "validity",
            Self::Active => "active",
            Self::Assignment => "assignment",
            Self::NamedSeat => "namedSeat",
            Self::LicenseModel => "licenseModel",
            Self::Version => "version",
            Self::ConsumptionLock => "consumptionLock",
            Self::Scope => "scope",
            Self::Sessions => "sessions",
            Self::Quota => "quota",
            Self::SeatCount => "seatCount",
            Self::SeatTerm => "seatTerm",
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
    /// Why that one says no, for people.
    pub why: Option<Why<'g>>,
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
                why: None,
            }),
        }
    });
    if let Decision::Refused(Refusal { reason, .. }) = &decision
        && tried.is_empty()
    {
        tried = left_out(profile, asked, wanted, now, *reason);
    }
    for one in tried.iter_mut().filter(|one| one.why.is_none()) {
        if let Some((rule, Some(reason))) = one.rules.last() {
            one.why = Some(why::why(&one.candidate, *rule, *reason, wanted, now));
        }
    }
    (decision, tried)
}

/// Those that would have been tried, were one thing otherwise or had nothing been asked for beside the item, each with what
/// left it out.
fn left_out<'g>(profile: Node<'g>, asked: Node<'g>, wanted: &Wanted<'_>, now: Time, reason: Reason) -> Vec<Tried<'g>> {
    let unasked = Filters {
        within: wanted.filters.within,
        ..Filters::default()
    };
    let mut tried = Vec::new();
    if reason == Reason::NotAuthorized {
        let shut = shut::shut(profile, asked, &wanted.filters, wanted.looks, now);
        tried.extend(shut.into_iter().map(|shut| Tried {
            candidate: shut.candidate,
            rules: vec![(shut.rule, Some(reason))],
            why: Some(shut.why),
        }));
    }
    let rule = match reason {
        Reason::NoConsumptionFoundById => Rule::Lease,
        Reason::NotAuthorized if wanted.filters != unasked => Rule::Filters,
        _ => return tried,
    };
    let candidates = select::candidates(profile, asked, &unasked, wanted.looks, now).unwrap_or_default();
    tried.extend(candidates.into_iter().map(|candidate| Tried {
        candidate,
        rules: vec![(rule, Some(reason))],
        why: None,
    }));
    tried
}

fn choose<'g>(
    profile: Node<'g>,
    asked: Node<'g>,
    wanted: &Wanted<'_>,
    now: Time,
    mut tell: impl FnMut(&Candidate<'g>, Rule, Option<Reason>),
) -> Decision {
    let no = |reason| Decision::Refused(Refusal { reason, license: None });
    let mut filters = wanted.filters;
    let mut renews = None;
    // One that was tidied, has ended or was never there is as if none had been named; so is one out of reach.
    let named = wanted.lease.and_then(|id| lease(profile.graph(), id, now));
    if let Some(lease) = named.filter(|lease| is_within(*lease, filters.within)) {
        if !is_of(lease, profile) {
            return no(Reason::NoConsumptionFoundById);
        }
        // One's own for something else is as if none had been named (`licensing.md` 1.6).
        if is_tied(&lease, asked.id, wanted) {
            // It goes on by the rules of its own license: what is asked for by name as well has to be the same.
            let license = license(lease).map(|license| license.id);
            if license.is_none() || filters.license.is_some_and(|asked| Some(asked) != license) {
                return no(Reason::NoConsumptionFoundById);
            }
            filters.license = license;
            renews = Some(lease);
        }
    }
    let mut candidates = match select::candidates(profile, asked, &filters, wanted.looks, now) {
        Ok(candidates) => candidates,
        Err(reason) => return no(reason),
    };
    // The lease there is goes on (`licensing.md` 1.6 and 8.4), on a license of whatever rank: a better one would be a second
    // seat for the same.
    if renews.is_none()
        && candidates.len() > 1
        && let Some(at) = candidates
            .iter()
            .position(|candidate| same_lease(candidate, asked, wanted, now).is_some())
    {
        candidates[..=at].rotate_right(1);
    }
    let mut refusal = Refusal {
        reason: Reason::NotAuthorized,
        license: None,
    };
    let room = ruled::Room::new(profile, now);
    for candidate in &candidates {
        let renews = renews
            .filter(|lease| license(*lease) == Some(candidate.license))
            .or_else(|| same_lease(candidate, asked, wanted, now));
        match judge(candidate, &room, asked, wanted, renews, now, &mut |rule, reason| {
            tell(candidate, rule, reason)
        }) {
            Ok(granted) => return Decision::Granted(granted),
            Err(reason) if refusal.license.is_none() || reason.row() > refusal.reason.row() => {
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
        .parent(rel::LEASES)
        .and_then(|assignment| assignment.parent(rel::BY_PROFILE))
        == Some(profile)
}

pub fn license(lease: Node<'_>) -> Option<Node<'_>> {
    lease.parent(rel::LEASES)?.parent(rel::BY_LICENSE)
}

/// Is it of a license of that organization?
fn is_within(lease: Node<'_>, organization: Option<Uuid>) -> bool {
    organization.is_none_or(|organization| {
        let entitlement = license(lease).and_then(|license| license.parent(rel::LICENSES));
        let owner = entitlement.and_then(homes::owner);
        owner.is_some_and(|owner| owner.id == organization && owner.kind == Kind::Organization)
    })
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
    room: &ruled::Room<'g>,
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
    let is_active = license.fields().get(ACTIVE) == Some(&Value::Bool(true));
    rule(Rule::Active, (!is_active).then_some(Reason::LicenseSuspended))?;
    let assignment = candidate
        .assignment
        .filter(|assignment| select::is_valid(assignment, now));
    let by_rule = match candidate.path {
        Path::Rule(rule) => Some(rule),
        // Whatever way was found first.
        _ if candidate.waits() => candidate.rule,
        // What hangs on a rule is used by it, too.
        _ => candidate.rule.filter(|rule| {
            let reserved = candidate.assignment.filter(|_| candidate.reserved);
            reserved.and_then(|assignment| assignment.parent(rel::LEASED)) == Some(*rule)
        }),
    };
    let denies = candidate
        .assignment
        .is_some_and(|assignment| keeps_rules_out(&assignment, now));
    let is_denied = assignment.is_some_and(|assignment| select::is_denied(&assignment, now));
    let is_denied = is_denied || by_rule.is_some() && denies;
    rule(Rule::Assignment, is_denied.then_some(Reason::ConsumptionDenied))?;
    let taken = graph.taken(license, now);
    let is_promised = candidate
        .assignment
        .is_some_and(|assignment| begins_later(assignment, now));
    let by_rule = by_rule.filter(|_| !is_promised);
    // Whoever leases by a rule holds the seat from then on, whatever the model.
    let mut reserves = by_rule.is_some() && !candidate.reserved;
    if let Some(named) = model.named {
        let by_itself = named.auto_assign || by_rule.is_some();
        reserves = !candidate.reserved && by_itself && may_reserve(named, candidate.assignment, taken.reserved, now);
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
    let credits = Credits::of(license, model.limited, now);
    // Where something else is limited than seats, a lease is of one: uses that are declared are counted in their credits,
    // and any other number would be told of and not charged.
    let is_seats = model.limited == Limited::Seats;
    let had = renews.and_then(|lease| u32::try_from(lease.fields().get(COUNT)?.as_int()?).ok());
    let count = wanted.count.or(had).filter(|_| is_seats).unwrap_or(1);
    // Seats that a release would not give back, or not yet, are not given back by asking for fewer either.
    let gives_back = model.lease.allow_release && model.lease.cooldown == 0;
    let count = had
        .filter(|_| is_seats && !gives_back)
        .map_or(count, |had| count.max(had));
    // An assignment that has ended still holds what was leased through it.
    let mine_at = |at| {
        candidate
            .assignment
            .map_or(Taken::default(), |assignment| graph.held(assignment, at))
    };
    let mine = mine_at(now);
    let beside_at = |at| {
        let assignment = candidate.assignment;
        assignment.map_or(0, |assignment| held_beside(assignment, renews, at))
    };
    let seats = beside_at(now).max(u64::from(count));
    let mut count = count;
    let is_anchored = model.anchors.hw.is_some() || model.anchors.process.is_some();
    let is_full = renews.is_none()
        && candidate
            .assignment
            .is_some_and(|assignment| sessions::is_full(assignment, now));
    if is_anchored || is_full {
        // A number of seats that nothing limits is no reason for more devices.
        let is_bounded = is_seats && (credits.total.is_some() || model.seats_per_user.is_some());
        let multiple = if is_bounded { seats } else { 1 };
        let needed = candidate.assignment.map_or(Some(1), |assignment| {
            sessions::needed(assignment, model.anchors, wanted, renews, multiple, now)
        });
        rule(
            Rule::Sessions,
            (is_full || needed.is_none()).then_some(Reason::ConcurrentSessionLimit),
        )?;
        // A device that needs the seats of another's lease holds them as well: they stay when that lease goes. One that
        // goes on needs no others than it had: whoever came later, or asked since, holds its own.
        let needed = needed.and_then(|needed| u32::try_from(needed).ok()).unwrap_or(count);
        count = match had {
            None => count.max(needed),
            Some(had) => count.max(needed.min(had)),
        };
    }
    if let Some(by_rule) = by_rule.filter(|_| reserves) {
        let has_room = room.is_for(by_rule, license);
        rule(Rule::Quota, (!has_room).then_some(Reason::QuotaExceeded))?;
    }
    let (longest_ms, refresh_ms) = model.lease.of(wanted.mode);
    let lease_ms = wanted.duration.map_or(longest_ms, |asked| {
        longest_ms.min(i64::try_from(asked).unwrap_or(i64::MAX))
    });
    let mut until = plus(now, lease_ms);
    until = select::end(&license).map_or(until, |end| end.min(until));
    // What is held by a rule goes on while it is used.
    let goes_on = |assignment: &Node<'_>| by_rule.is_some() && assignment.parent(rel::LEASED).is_some();
    // One that begins later ends it as well, unless it denies: its end is when nothing is denied any more. One that is over holds
    // what was leased through it while that lasts.
    until = candidate
        .assignment
        .filter(|assignment| !goes_on(assignment) && !select::denies(assignment, now))
        .and_then(|assignment| select::end(&assignment))
        .filter(|end| *end > now)
        .map_or(until, |end| end.min(until));
    let ended = renews.and_then(|lease| lease.fields().get(select::LEASED_UNTIL)?.as_time());
    let (mut above, mut uses, mut use_time) = (0, 0, 0);
    match model.limited {
        Limited::Seats => {
            // Whoever goes on in the seats it leases takes none; where there are none at all, nobody goes on.
            let with_mine = |all: u64, mine: u64, seats: u64| all.saturating_sub(mine).saturating_add(seats);
            let after = with_mine(taken.seats, mine.seats, seats);
            // A reservation is a seat that nobody else is given. Where more are reserved than there are by now, those who come
            // first have them.
            let leased = with_mine(taken.leased, mine.leased, seats);
            let is_promised = seats <= mine.seats;
            let mine_within = || candidate.assignment.map_or(0, |mine| seats::within(mine, now));
            // Over-use passes with its lease, which a reservation does not: one that is new has a seat of its own.
            let is_new = reserves && mine.reserved == 0;
            let may_be_above = |total| if reserves { 0 } else { model.over_use.above(total) };
            let fits = credits.total.is_none_or(|total| {
                let most = total.saturating_add(may_be_above(total));
                let has_room = after <= most || is_promised && leased <= most;
                // Within the total already, or beside what others have: what is above it then stays above it.
                let has_own = || mine_within() > 0 || taken.seats.saturating_sub(mine.seats) < total;
                let goes_on = seats <= mine.leased && (!is_new || has_own());
                let may_reserve = !is_new || reserve::has_room(Some(total), taken.reserved);
                total > 0 && (may_reserve && (goes_on || has_room) || mutant("sell-any-seat"))
            });
            let is_within = model.seats_per_user.is_none_or(|most| seats <= most);
            let stopped = match (is_within, fits) {
                (false, _) => Some(Reason::TooManySeats),
                (true, false) => Some(Reason::NoSeatsAvailable),
                (true, true) => None,
            };
            rule(Rule::SeatCount, stopped)?;
            // Seats that a renewal adds have to last as long as it cannot give them back.
            let least = ended
                .filter(|_| had.is_some_and(|had| count > had))
                .map(|ended| floor(ended, model.limited, &model.lease, now));
            let lasting = credits.lasting(least.map_or(until, |least| least.max(until)), |end, left| {
                let (taken, mine) = (graph.taken(license, end), mine_at(end));
                let seats = beside_at(end).max(u64::from(count));
                let after = with_mine(taken.seats, mine.seats, seats);
                let leased = with_mine(taken.leased, mine.leased, seats);
                left.is_none_or(|left| after <= left || seats <= mine.seats && leased <= left)
            });
            if let Some(least) = least {
                rule(Rule::SeatTerm, (lasting < least).then_some(Reason::NoSeatsAvailable))?;
            }
            // How many seats were taken above the total, and not those that were within it when others did.
            let of_mine = credits.total.map_or(0, |total| {
                let above = |all: u64| all.saturating_sub(total);
                // Of reservations that all have a seat none is above the total, whoever leases beside them.
                let mine_leased = || candidate.assignment.map_or(0, |mine| seats::leased_within(mine, now));
                let late = match above(taken.reserved) {
                    0 => 0,
                    _ => above(leased).min(seats.saturating_sub(mine_leased())),
                };
                match above(after) {
                    0 => late,
                    above => above.min(seats.saturating_sub(mine_within())).max(late),
                }
            });
            // Of several leases the largest has them.
            above = count.saturating_sub(u32::try_from(seats.saturating_sub(of_mine)).unwrap_or(u32::MAX));
            until = until.min(lasting);
        }
        Limited::UseCount => {
            uses = match (model.uses_declared, renews) {
                (false, None) => 1,
                (false, Some(_)) => 0,
                // A client that goes on says so when it has used more.
                (true, None) => u64::from(wanted.count.unwrap_or(1)),
                (true, Some(_)) => wanted.count.map_or(0, u64::from),
            };
            let fits = !credits.is_empty() && credits.total.is_none_or(|left| uses <= left);
            rule(Rule::UseCount, (!fits).then_some(Reason::UseCountExceeded))?;
            until = until.min(credits.of_uses(uses));
        }
        Limited::UseTime => {
            // What a renewal had was paid for.
            let paid = ended.unwrap_or(now);
            let fits = !credits.is_empty() && (credits.total != Some(0) || paid > now);
            rule(Rule::UseTime, (!fits).then_some(Reason::UseTimeExceeded))?;
            until = until.min(credits.of_time(paid));
            use_time = u64::try_from(until.millis().saturating_sub(paid.millis())).unwrap_or(0);
        }
    }
    if renews.is_some() {
        rule(
            Rule::Extension,
            (!model.lease.allow_extension).then_some(Reason::ExtensionNotAllowed),
        )?;
    }
    let kept_until = ended.map_or(until, |ended| until.max(floor(ended, model.limited, &model.lease, now)));
    let term = until.millis().saturating_sub(now.millis()).max(0);
    // Where the model does not say, or says a time that is no sooner than the end: three quarters of the lease.
    let said = refresh_ms.filter(|refresh| *refresh < term);
    let refresh = said.unwrap_or(term / 4 * 3 + term % 4 * 3 / 4);
    Ok(Granted {
        license: license.id,
        item: asked.id,
        item_of_license: candidate.item.id,
        assignment: candidate.assignment.map(|assignment| assignment.id),
        renews: renews.and_then(|lease| Some((lease.id, lease.fields().get(LEASE_ID)?.as_uuid()?))),
        until,
        kept_until,
        refresh: plus(now, refresh),
        valid_from: select::start(&license),
        count,
        above,
        reserves,
        rule: by_rule.map(|rule| rule.id),
        locks,
        uses,
        use_time,
    })
}

/// Does it keep its holder from what a rule opens? A denial that begins later stays one: a use before it does not turn
/// it into a reservation, without which there is no use by a rule. Nor does it turn one that is kept without a seat.
pub fn keeps_rules_out(assignment: &Entity, now: Time) -> bool {
    select::denies(assignment, now) || seated::is_kept_back(assignment, now)
}

/// A reservation by hand that begins later is not turned into a rule's.
fn begins_later(assignment: Node<'_>, now: Time) -> bool {
    let is_promised = seats::holds(assignment.fields(), now) && !select::is_reserved(&assignment, now);
    is_promised && assignment.parent(rel::LEASED).is_none()
}

/// Where the first use of a named seat reserves it: may it, now?
fn may_reserve(named: Named, assignment: Option<Node<'_>>, reserved: u64, now: Time) -> bool {
    // Its own that begins later is one of those.
    let own = assignment.is_some_and(|assignment| seats::holds(assignment.fields(), now));
    let reserved = reserved.saturating_sub(u64::from(own));
    let has_room = named.most.is_none_or(|most| reserved < most);
    // A denial that begins later stays one: a use before it does not turn it into a reservation.
    has_room && !assignment.is_some_and(|assignment| select::denies(&assignment, now))
}

/// Can its model be met by this consumer at all, with whatever device, version and scope? Asked of many licenses at once, so
/// not of the seats that are free at the moment.
pub fn may_use(license: Node<'_>, profile: Node<'_>, now: Time) -> bool {
    let (model, graph) = (model::of_license(license), license.graph());
    let assignment = graph.assignment(license, profile);
    let is_named = model.named.is_none_or(|named| {
        let is_kept = |assignment: Node<'_>| keeps_rules_out(&assignment, now) || begins_later(assignment, now);
        let by_rule = || !assignment.is_some_and(is_kept) && ruled::opens(license, profile, now).is_some();
        let by_itself = || named.auto_assign || by_rule();
        assignment.is_some_and(|assignment| select::is_reserved(&assignment, now))
            || may_reserve(named, assignment, graph.taken(license, now).reserved, now) && by_itself()
    });
    is_named && !model.contradicts
}

/// A license without a start is not valid (`graph-api.md` 3.1).
pub(super) fn validity(license: &Entity, now: Time) -> Option<Reason> {
    if select::start(license).is_none_or(|from| now < from) {
        return Some(Reason::LicenseNotYetValid);
    }
    select::end(license)
        .is_some_and(|until| until <= now)
        .then_some(Reason::LicenseExpired)
}

/// Can it be used now?
pub fn is_usable(license: &Entity, now: Time) -> bool {
    validity(license, now).is_none() && license.fields().get(ACTIVE) == Some(&Value::Bool(true))
}

fn has_scope(license: Node<'_>, wanted: Option<&str>, value: &str) -> bool {
    license.hop(Hop::forward(SCOPES), None).any(|(scope, _)| {
        let text = |field: u8| scope.fields().get(field).and_then(Value::as_text);
        text(SCOPE_VALUE) == Some(value) && wanted.is_none_or(|wanted| text(SCOPE_TYPE) == Some(wanted))
    })
}

/// The seats a consumer has, whatever becomes of the lease that is renewed.
fn held_beside(assignment: Node<'_>, renews: Option<Node<'_>>, now: Time) -> u64 {
    let Some(renewed) = renews else {
        return assignment.graph().held(assignment, now).seats;
    };
    // The first of the others is of the most seats.
    let mut leases = assignment.graph().leases(assignment, now);
    let other = leases.find(|lease| *lease != renewed);
    let other = other.map_or(0, |lease| seats::of_lease(&lease));
    other.max(u64::from(seats::holds(assignment.fields(), now)))
}

/// Before when a renewal cannot end a lease. The newest request says the term (`licensing.md` 1.6), but what is not released
/// by the rules of a release is not given back by a short term either, and use time that was paid for is not sold again.
fn floor(ended: Time, limited: Limited, lease: &LeaseTimes, now: Time) -> Time {
    if !lease.allow_release || limited == Limited::UseTime {
        ended
    } else if lease.cooldown > 0 {
        ended.min(plus(now, lease.cooldown))
    } else {
        now
    }
}

/// Never past the last time that can be written.
fn plus(now: Time, ms: i64) -> Time {
    const LAST: Time = Time(253_402_300_799_999);
    Time(now.millis().saturating_add(ms)).min(LAST)
}
