//! Which licenses a consumer may take for an item, and in which order they are tried (`licensing.md` 2.1 and 2.2). Goes
//! from the consumer: its groups are few, whatever the organization's size. Whether one of them may be used now is for
//! `decision`.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::RandomState;
use smallvec::SmallVec;
use uuid::Uuid;

use crate::graph::{Graph, Node};
use crate::model::schema::{Hop, known, place};
use crate::model::{Entity, Kind, Rel, RelationType, Serial, Time, Value, Values, rel};

use super::distinct::Distinct;
use super::homes;
use super::matching;
use super::model::{self, Model};
use super::reason::Reason;
use super::ruled;
use super::sale;
use super::sets;
use super::sound::is_taken;
use super::terms::Limited;

const NAME: u8 = place(Kind::LicensedItem, "name");
const GROUP_TYPE: u8 = place(Kind::ProfileGroup, "type");
const RESERVATION: u8 = place(Kind::Assignment, "reservationType");
const GRANTS_ACCESS: u8 = place(Kind::Assignment, "grantsAccess");
const INDIVIDUAL: u8 = place(Kind::License, "individual");
const CONCURRENCIES: u8 = place(Kind::License, "concurrencies");
pub(super) const LEASED_UNTIL: u8 = place(Kind::Consumption, "grantedUntil");
pub(super) const RELEASED: u8 = place(Kind::Consumption, "releasedAt");

const INCLUDES: Rel = known(RelationType::Includes, Kind::LicensedItem, Kind::LicensedItem);

/// What narrows the candidates; all that is set has to fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    pub license: Option<Uuid>,
    pub entitlement: Option<Uuid>,
    pub owner_organization: Option<Uuid>,
    pub owner_user: Option<Uuid>,
    /// Not asked for, but the caller's reach: what belongs to another organization, or to none, is no candidate.
    pub within: Option<Uuid>,
}

impl Filters {
    /// Could a license of this organization fit? What is another's is passed over before it costs a look: else whoever fills that
    /// up keeps from a user they share what this one gave it.
    pub(super) fn admits(&self, organization: Node<'_>) -> bool {
        let asked = [self.owner_organization, self.within];
        self.owner_user.is_none() && asked.into_iter().flatten().all(|id| id == organization.id)
    }
}

/// How a consumer comes to a license.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path<'g> {
    Personal,
    /// A relation straight to the profile.
    Direct,
    Group(Node<'g>),
    /// An assignment that grants access by itself.
    Assignment(Node<'g>),
    /// A rule of a group, by which the member leases a license of the group's organization.
    Rule(Node<'g>),
    /// A user set the profile is in, for which the license is.
    Set(Node<'g>),
}

impl Path<'_> {
    /// The better way first; of two groups that are as good, the older one.
    fn place(self) -> (u8, Serial) {
        let serial = match self {
            Self::Group(group) => group.serial,
            _ => 0,
        };
        (self.sharing(), serial)
    }

    /// The sharing priority of `licensing.md` 2.2, the first being the best.
    fn sharing(self) -> u8 {
        match self {
            Self::Personal => 0,
            Self::Direct | Self::Assignment(_) => 1,
            Self::Rule(rule) => ruled::group(rule).map_or(3, |group| Self::Group(group).sharing()),
            Self::Group(group) => match group.fields().get(GROUP_TYPE).and_then(Value::as_text) {
                Some("licenseConsumers") => 1,
                Some("employees") => 2,
                _ => 3,
            },
            Self::Set(_) => 3,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Candidate<'g> {
    pub license: Node<'g>,
    /// The item the license is of: the one asked for, or one that includes it.
    pub item: Node<'g>,
    pub path: Path<'g>,
    /// The rule of a group that opens it: the path, or beside it.
    pub rule: Option<Node<'g>>,
    /// Valid or not.
    pub assignment: Option<Node<'g>>,
    /// The consumer has a lease of it that was not released.
    pub consumed: bool,
    /// Its reservation is valid now.
    pub reserved: bool,
    pub model: Model<'g>,
}

impl Candidate<'_> {
    /// Its seat is a named one, which this consumer does not have and no use of it gives; a rule does.
    pub fn waits(&self) -> bool {
        !self.reserved && self.model.named.is_some_and(|named| !named.auto_assign)
    }

    /// By the best of the ways to it.
    fn sharing(&self) -> u8 {
        let path = self.path.sharing();
        self.rule.map_or(path, |rule| path.min(Path::Rule(rule).sharing()))
    }

    /// Its reservation was made by the rule of a group.
    fn hangs_on_rule(&self) -> bool {
        let has_rules = || self.license.graph().kind_count(Kind::AllocationRule) > 0;
        let is_leased = |assignment: Node<'_>| assignment.parent(rel::LEASED).is_some();
        self.reserved && has_rules() && self.assignment.is_some_and(is_leased)
    }
}

pub type Candidates<'g> = SmallVec<[Candidate<'g>; 2]>;

pub fn item<'g>(graph: &'g Graph, name: &str) -> Option<Node<'g>> {
    if is_taken(name) {
        return None;
    }
    graph
        .by_value(Kind::LicensedItem, NAME, &Value::text(name), None)
        .next()
}

/// What one decision looks at: items, places where a license may be, and licenses. A consumer has a few; without a bound one
/// that has a million would hold up a worker, or the committer and everybody's writes with it. Beyond it the answer is no
/// (`tooManyLicenses`) rather than the best of the first so many: the lease or the reservation it has may be on another, and
/// it would take a second seat. Whoever has more names a license, which is found without a search, or an entitlement.
/// What the filters leave out is walked past, and not counted.
pub const LOOKED_AT: usize = 10_000;

/// What the decisions of one request may still look at, all of them together: each alone is bounded, and a request has a hundred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looks(Cell<usize>);

impl Default for Looks {
    fn default() -> Self {
        Self(Cell::new(2 * LOOKED_AT))
    }
}

/// What is left of it, here and in the request.
pub(super) struct Budget<'a> {
    own: usize,
    all: Option<&'a Looks>,
}

impl<'a> Budget<'a> {
    pub fn new(all: Option<&'a Looks>) -> Self {
        Self { own: LOOKED_AT, all }
    }

    pub fn spend(&mut self) -> Result<(), Reason> {
        self.spend_all(1)
    }

    /// Of its own.
    pub fn spent(&self) -> usize {
        LOOKED_AT - self.own
    }

    pub fn spend_all(&mut self, looks: usize) -> Result<(), Reason> {
        let less = |left: usize| left.checked_sub(looks).ok_or(Reason::TooManyLicenses);
        self.own = less(self.own)?;
        if let Some(Looks(all)) = self.all {
            all.set(less(all.get())?);
        }
        Ok(())
    }
}

/// All there are, the one to try first at the front.
///
/// # Errors
/// There are more than one decision looks at, or than its request has left.
pub fn candidates<'g>(
    profile: Node<'g>,
    asked: Node<'g>,
    filters: &Filters,
    looks: Option<&Looks>,
    now: Time,
) -> Result<Candidates<'g>, Reason> {
    match is_valid(&profile, now) {
        true => regardless(profile, asked, filters, looks, now),
        false => Ok(Candidates::new()),
    }
}

/// The same, whether or not the consumer's own time is now.
pub(super) fn regardless<'g>(
    profile: Node<'g>,
    asked: Node<'g>,
    filters: &Filters,
    looks: Option<&Looks>,
    now: Time,
) -> Result<Candidates<'g>, Reason> {
    let mut found = Candidates::new();
    let items = covering(asked, &mut Budget::new(looks))?;
    match filters.license {
        Some(license) => found.extend(named(license, profile, &items, filters, &mut Budget::new(looks), now)?),
        None => gather(&mut found, profile, &items, filters, Budget::new(looks), now)?,
    }
    match found.len() {
        0 | 1 => {}
        // Where one comparison is all, a list of what is compared costs more.
        2 => found.sort_unstable_by_key(rank),
        _ => found.sort_by_cached_key(rank),
    }
    Ok(found)
}

/// Has an organization a license of which this is so, and which opens the item?
///
/// # Errors
/// There are more than one decision looks at.
pub fn owns<'g>(organization: Node<'g>, item: Node<'g>, is_so: impl Fn(Node<'g>) -> bool) -> Result<bool, Reason> {
    let budget = &mut Budget::new(None);
    for item in covering(item, budget)?.all() {
        if owned(organization, *item, budget)?.into_iter().any(&is_so) {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn owned<'g>(
    organization: Node<'g>,
    item: Node<'g>,
    budget: &mut Budget<'_>,
) -> Result<SmallVec<[Node<'g>; 4]>, Reason> {
    let mut found = SmallVec::new();
    for (entitlement, _) in organization.hop(Hop::forward(rel::ENTITLEMENTS), None) {
        budget.spend()?;
        if sale::is_home(entitlement) {
            continue;
        }
        for license in organization.graph().licenses(entitlement, item) {
            budget.spend()?;
            if is_stock(license) {
                found.push(license);
            }
        }
    }
    Ok(found)
}

/// One that was sold to somebody or for a set: neither the ways to its entitlement open it nor, unless it counts seats, is it
/// anything its organization has for others.
pub fn is_individual(license: &Entity) -> bool {
    license.fields().get(INDIVIDUAL) == Some(&Value::Bool(true))
}

/// Has its organization it to give to whom it likes? One that is individual and counts seats it has: whoever comes to one of
/// them, by whatever API, takes a seat that is then no other's. One without a limit of seats would be given to everybody.
pub fn is_stock(license: Node<'_>) -> bool {
    let counts_seats = || model::of_license(license).limited == Limited::Seats;
    let is_counted = !is_individual(&license) || license.fields().get(CONCURRENCIES).is_some() && counts_seats();
    is_counted && !matching::is_matching(&license)
}

fn gather<'g>(
    found: &mut Candidates<'g>,
    profile: Node<'g>,
    items: &Distinct<Node<'g>>,
    filters: &Filters,
    mut budget: Budget<'_>,
    now: Time,
) -> Result<(), Reason> {
    // An entitlement is here once, an item too, and a license is of one of each: none of these is found twice.
    for (entitlement, path) in ways(profile, now) {
        if !fits_entitlement(filters, entitlement) {
            continue;
        }
        for item in items.all() {
            budget.spend()?;
            for license in profile.graph().licenses(entitlement, *item) {
                budget.spend()?;
                if !is_individual(&license) && !matching::is_matching(&license) {
                    found.push(candidate(license, *item, path, profile, now));
                }
            }
        }
        for license in profile.graph().matching(entitlement) {
            if let Some(item) = looked_at(license, items, filters, &mut budget)? {
                found.push(candidate(license, item, path, profile, now));
            }
        }
    }
    let mut met: Option<HashMap<Node<'g>, usize, RandomState>> = None;
    let all = |found: &Candidates<'g>| {
        let each = found.iter().enumerate();
        each.map(|(at, known)| (known.license, at)).collect()
    };
    for (assignment, license) in granting(profile, now) {
        let Some(item) = looked_at(license, items, filters, &mut budget)? else {
            continue;
        };
        let path = Path::Assignment(assignment);
        match met.get_or_insert_with(|| all(found)).entry(license) {
            Entry::Vacant(free) => {
                free.insert(found.len());
                found.push(candidate(license, item, path, profile, now));
            }
            Entry::Occupied(at) => {
                let known = found.get_mut(*at.get());
                if let Some(known) = known.filter(|known| path.sharing() < known.path.sharing()) {
                    known.path = path;
                }
            }
        }
    }
    let sets = sets::of_profile(
        profile,
        now,
        |organization| filters.admits(organization),
        |looks| budget.spend_all(looks),
    )?;
    for set in sets {
        for (license, _) in set.hop(Hop::forward(rel::FOR_SET), None) {
            let Some(item) = looked_at(license, items, filters, &mut budget)? else {
                continue;
            };
            if let Entry::Vacant(free) = met.get_or_insert_with(|| all(found)).entry(license) {
                free.insert(found.len());
                found.push(candidate(license, item, Path::Set(set), profile, now));
            }
        }
    }
    let room = ruled::Room::new(profile, now);
    for ruled in ruled::rules(profile, now) {
        if !items.has(ruled.item) || !filters.admits(ruled.organization) {
            continue;
        }
        budget.spend()?;
        for license in owned(ruled.organization, ruled.item, &mut budget)? {
            if fitting(license, items, filters, &mut budget)?.is_none() {
                continue;
            }
            match met.get_or_insert_with(|| all(found)).entry(license) {
                Entry::Vacant(free) => {
                    free.insert(found.len());
                    found.push(candidate(license, ruled.item, Path::Rule(ruled.rule), profile, now));
                }
                Entry::Occupied(at) => {
                    let Some(known) = found.get_mut(*at.get()) else {
                        continue;
                    };
                    let is_better = |other| room.is_better(ruled.rule, other, license);
                    if known.rule.is_none_or(is_better) {
                        known.rule = Some(ruled.rule);
                        if let Path::Rule(path) = &mut known.path {
                            *path = ruled.rule;
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

/// The one that is asked for by its id, if there is a way to it.
fn named<'g>(
    license: Uuid,
    profile: Node<'g>,
    items: &Distinct<Node<'g>>,
    filters: &Filters,
    budget: &mut Budget<'_>,
    now: Time,
) -> Result<Option<Candidate<'g>>, Reason> {
    let found = profile.graph().find(license).filter(|node| node.kind == Kind::License);
    let Some((license, entitlement)) = found.and_then(|license| Some((license, license.parent(rel::LICENSES)?))) else {
        return Ok(None);
    };
    let Some(item) = fitting(license, items, filters, budget)? else {
        return Ok(None);
    };
    let ways = ways(profile, now);
    let mut open = ways.iter().filter(|_| !is_individual(&license));
    let way = open.find(|(known, _)| *known == entitlement).map(|(_, path)| *path);
    let by_assignment = || {
        let mut granting = granting(profile, now);
        let (assignment, _) = granting.find(|(_, known)| *known == license)?;
        Some(Path::Assignment(assignment))
    };
    let by_set = || {
        let set = license.parent(rel::FOR_SET)?;
        sets::has(set, profile, now).then_some(Path::Set(set))
    };
    let path = way.or_else(by_assignment).or_else(by_set);
    let by_rule = || ruled::opens(license, profile, now);
    let Some(path) = path.or_else(|| by_rule().map(Path::Rule)) else {
        return Ok(None);
    };
    let mut found = candidate(license, item, path, profile, now);
    if found.waits() || found.hangs_on_rule() {
        found.rule = found.rule.or_else(by_rule);
    }
    Ok(Some(found))
}

/// Of an entitlement that fits: the item among these that it opens. One that opens what matches is compared with each.
pub(super) fn fitting<'g>(
    license: Node<'g>,
    items: &Distinct<Node<'g>>,
    filters: &Filters,
    budget: &mut Budget<'_>,
) -> Result<Option<Node<'g>>, Reason> {
    match fits_license(filters, license) {
        true => opened(license, items, budget),
        false => Ok(None),
    }
}

/// The same of a license that nobody looked at before: it costs a look, unless the filters leave out what it is in.
pub(super) fn looked_at<'g>(
    license: Node<'g>,
    items: &Distinct<Node<'g>>,
    filters: &Filters,
    budget: &mut Budget<'_>,
) -> Result<Option<Node<'g>>, Reason> {
    if !fits_license(filters, license) {
        return Ok(None);
    }
    budget.spend()?;
    opened(license, items, budget)
}

fn fits_license(filters: &Filters, license: Node<'_>) -> bool {
    let entitlement = license.parent(rel::LICENSES);
    entitlement.is_some_and(|entitlement| fits_entitlement(filters, entitlement))
}

fn opened<'g>(
    license: Node<'g>,
    items: &Distinct<Node<'g>>,
    budget: &mut Budget<'_>,
) -> Result<Option<Node<'g>>, Reason> {
    let Some(matching) = matching::of_license(license) else {
        return Ok(license.parent(rel::OF_ITEM).filter(|item| items.has(*item)));
    };
    for item in items.all() {
        let text = matching.text_of(*item);
        budget.spend_all(1 + matching.looks(text))?;
        if matching.has(text) {
            return Ok(Some(*item));
        }
    }
    Ok(None)
}

pub(super) fn candidate<'g>(
    license: Node<'g>,
    item: Node<'g>,
    path: Path<'g>,
    profile: Node<'g>,
    now: Time,
) -> Candidate<'g> {
    let assignment = license.graph().assignment(license, profile);
    Candidate {
        rule: match path {
            Path::Rule(rule) => Some(rule),
            _ => None,
        },
        assignment,
        consumed: assignment.is_some_and(|assignment| is_leased(assignment, now)),
        reserved: assignment.is_some_and(|assignment| is_reserved(&assignment, now)),
        ..untouched(license, item, path)
    }
}

/// The same of anybody who has nothing of the license.
pub(super) fn untouched<'g>(license: Node<'g>, item: Node<'g>, path: Path<'g>) -> Candidate<'g> {
    Candidate {
        license,
        item,
        path,
        rule: None,
        assignment: None,
        consumed: false,
        reserved: false,
        model: model::of_license(license),
    }
}

/// The item, and all that include it: a license for a bundle answers for what is in it, never the other way round.
pub(super) fn covering<'g>(asked: Node<'g>, budget: &mut Budget<'_>) -> Result<Distinct<Node<'g>>, Reason> {
    let mut items = Distinct::default();
    items.add(asked);
    let mut at = 0;
    // Items that include each other in a ring are each met once.
    while let Some(item) = items.all().get(at).copied() {
        let item: Node<'g> = item;
        for (bundle, _) in item.hop(Hop::backward(INCLUDES), None) {
            budget.spend()?;
            items.add(bundle);
        }
        at += 1;
    }
    Ok(items)
}

/// Of each item that includes the one asked for: the next one on a shortest way down to it. Ends where a decision would.
pub fn included<'g>(asked: Node<'g>) -> HashMap<Node<'g>, Node<'g>, RandomState> {
    let mut next: HashMap<Node<'g>, Node<'g>, RandomState> = HashMap::default();
    let mut items = vec![asked];
    let mut at = 0;
    while let Some(item) = items.get(at).copied() {
        for (bundle, _) in item.hop(Hop::backward(INCLUDES), None) {
            if next.len() >= LOOKED_AT {
                return next;
            }
            if bundle != asked && !next.contains_key(&bundle) {
                next.insert(bundle, item);
                items.push(bundle);
            }
        }
        at += 1;
    }
    next
}

/// An entitlement that is open to a profile, and the way to it.
type Way<'g> = (Node<'g>, Path<'g>);

/// The entitlements that are open to a profile, each by its best way.
pub fn ways<'g>(profile: Node<'g>, now: Time) -> SmallVec<[Way<'g>; 8]> {
    let mut found: SmallVec<[Way<'g>; 8]> = SmallVec::new();
    // What orders them, worked out once each.
    let mut keys: SmallVec<[(u8, Serial, Serial, usize); 8]> = SmallVec::new();
    let mut push = |entitlement: Node<'g>, path, (sharing, of_group)| {
        keys.push((sharing, of_group, entitlement.serial, found.len()));
        found.push((entitlement, path));
    };
    let personal = Path::Personal.place();
    profile.each_end(Hop::forward(rel::PERSONAL), |entitlement, _| {
        push(entitlement, Path::Personal, personal);
    });
    let direct = Path::Direct.place();
    profile.each_end(Hop::backward(rel::OPENS_PROFILE), |entitlement, _| {
        push(entitlement, Path::Direct, direct);
    });
    profile.each_end(Hop::forward(rel::MEMBERSHIP), |group, membership| {
        if is_member(membership, now) {
            let path = Path::Group(group);
            let mut place = None;
            group.each_end(Hop::backward(rel::OPENS_GROUP), |entitlement, _| {
                push(entitlement, path, *place.get_or_insert_with(|| path.place()));
            });
        }
    });
    if found.len() < 2 {
        return found;
    }
    // Of several ways to one entitlement the best stays.
    keys.sort_unstable_by_key(|(sharing, of_group, entitlement, _)| (*entitlement, *sharing, *of_group));
    keys.dedup_by_key(|(_, _, entitlement, _)| *entitlement);
    keys.sort_unstable();
    keys.iter().filter_map(|(.., at)| found.get(*at).copied()).collect()
}

/// Assignments of a profile that open their license by themselves.
pub fn granting<'g>(profile: Node<'g>, now: Time) -> impl Iterator<Item = (Node<'g>, Node<'g>)> {
    let granting = profile.graph().granting(profile);
    granting
        .filter(move |assignment| granting_one(*assignment, now))
        .filter_map(|assignment| Some((assignment, assignment.parent(rel::BY_LICENSE)?)))
}

/// Does this assignment open its license by itself now? One that denies does not.
pub fn granting_one(assignment: Node<'_>, now: Time) -> bool {
    assignment.fields().get(GRANTS_ACCESS) == Some(&Value::Bool(true)) && is_valid(&assignment, now)
}

pub(super) fn fits_entitlement(filters: &Filters, entitlement: Node<'_>) -> bool {
    if filters.entitlement.is_some_and(|id| id != entitlement.id) {
        return false;
    }
    let owners = [
        (filters.owner_organization, Kind::Organization),
        (filters.owner_user, Kind::Profile),
        (filters.within, Kind::Organization),
    ];
    if owners.iter().all(|(id, _)| id.is_none()) {
        return true;
    }
    let owner = homes::owner(entitlement);
    owners
        .iter()
        .filter_map(|(id, kind)| Some(((*id)?, *kind)))
        .all(|(id, kind)| owner.is_some_and(|owner| owner.id == id && owner.kind == kind))
}

/// The id of the license is the last of it.
pub(super) type Rank = (u8, u8, bool, Reverse<i64>, i64, bool, Uuid);

/// The order of `licensing.md` 2.2, deterministic to the last tie. In its fourth row what is limited by seats comes before the rest, for
/// their ends run opposite ways; of one end, time comes before count.
pub(super) fn rank(candidate: &Candidate<'_>) -> Rank {
    let limited = candidate.model.limited;
    let class = match (limited, candidate.consumed, candidate.reserved) {
        (Limited::Seats, true, true) => 0,
        (Limited::Seats, false, true) => 1,
        (Limited::Seats, true, false) => 2,
        (Limited::UseTime, true, _) => 3,
        (Limited::UseTime, _, true) => 4,
        (Limited::UseCount, true, _) => 5,
        (Limited::UseCount, _, true) => 6,
        _ => 7,
    };
    let sharing = if class == 7 { candidate.sharing() } else { 0 };
    let until = end(&candidate.license).map_or(i64::MAX, Time::millis);
    // Seats by the newest end, everything else by the oldest. Without an end it is the newest.
    let is_seats = limited == Limited::Seats;
    let (newest, oldest) = if is_seats { (until, 0) } else { (0, until) };
    let is_count = limited == Limited::UseCount;
    (
        class,
        sharing,
        !is_seats,
        Reverse(newest),
        oldest,
        is_count,
        candidate.license.id,
    )
}

/// Has it a lease that is live and not merely cooling down?
pub fn is_leased(assignment: Node<'_>, now: Time) -> bool {
    assignment
        .graph()
        .leases(assignment, now)
        .any(|lease| !is_released(&lease))
}

pub fn is_released(lease: &Entity) -> bool {
    lease.fields().get(RELEASED).is_some()
}

/// A lease that its holder may renew or give back.
pub fn is_live(lease: &Entity, now: Time) -> bool {
    let until = lease.fields().get(LEASED_UNTIL).and_then(Value::as_time);
    until.is_some_and(|until| now < until) && !is_released(lease)
}

pub fn is_reserved(assignment: &Entity, now: Time) -> bool {
    assignment.fields().get(RESERVATION).and_then(Value::as_text) == Some("reserved") && is_valid(assignment, now)
}

pub fn is_denied(assignment: &Entity, now: Time) -> bool {
    assignment.fields().get(RESERVATION).and_then(Value::as_text) == Some("denied") && is_valid(assignment, now)
}

/// Does it deny, now or later?
pub fn denies(assignment: &Entity, now: Time) -> bool {
    assignment.fields().get(RESERVATION).and_then(Value::as_text) == Some("denied")
        && end(assignment).is_none_or(|until| now < until)
}

const fn validity(kind: Kind) -> (u8, u8) {
    (place(kind, "validFrom"), place(kind, "validUntil"))
}

const fn places(kind: Kind) -> Option<(u8, u8)> {
    match kind {
        Kind::License => Some(const { validity(Kind::License) }),
        Kind::Assignment => Some(const { validity(Kind::Assignment) }),
        Kind::Profile => Some(const { validity(Kind::Profile) }),
        Kind::SeatCountCredit => Some(const { validity(Kind::SeatCountCredit) }),
        Kind::UseTimeCredit => Some(const { validity(Kind::UseTimeCredit) }),
        Kind::UseCountCredit => Some(const { validity(Kind::UseCountCredit) }),
        _ => None,
    }
}

pub fn start(entity: &Entity) -> Option<Time> {
    entity.fields().get(places(entity.kind)?.0)?.as_time()
}

pub fn end(entity: &Entity) -> Option<Time> {
    entity.fields().get(places(entity.kind)?.1)?.as_time()
}

/// An end is the first instant that is outside.
pub fn is_valid(entity: &Entity, now: Time) -> bool {
    start(entity).is_none_or(|from| from <= now) && end(entity).is_none_or(|until| now < until)
}

pub fn is_member(membership: Values<'_>, now: Time) -> bool {
    // The only fields of a membership, in this order.
    let time = |field: u8| membership.get(field).and_then(Value::as_time);
    time(0).is_none_or(|from| from <= now) && time(1).is_none_or(|until| now < until)
}
