//! Selling one by one (`doors.md` C.3 and E): an offer is a package of one item, and becomes a license for one user or for the
//! members of a user set. Its terms, which are those of the package and its model, are copied and may be changed on the
//! license later. What is sold so has no number of seats, unless the offer says how many may use it at the same time.
//!
//! Then all licenses that were made of the offer for one organization have so many seats together. A user's takes one, also where
//! its model counts something else than seats, of which a set could not be given any; a set's takes all that no other license
//! has. Where none is left, a seat that is free in another one is moved.

use uuid::Uuid;

use crate::graph::{Kept, Node, Transaction};
use crate::model::schema::{Hop, place};
use crate::model::{Entity, Fields, Kind, Rel, Time, Value, rel};

use super::grant;
use super::promised::Promised;
use super::refused::Refused;
use super::terms::{self, Limited};
use super::{ended, homes, matching, notes, reserve, ruled, seated, seats, select};

/// The entitlement of what is sold without a limit.
const HOME: &str = "Sold licenses";
const BOUGHT: u8 = place(Kind::Assignment, "bought");
const PROPERTIES: Rel = matching::properties_of(Kind::ProductPackage);
const OFFERED: u8 = place(Kind::ProductPackage, "concurrencies");
const SESSION: u8 = place(Kind::License, "session");

/// For whom a license is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buyer {
    Profile(Uuid),
    Set(Uuid),
}

/// What is sold, and by whom.
#[derive(Clone, Debug)]
pub struct Sale<'a> {
    pub offer: Uuid,
    pub organization: Uuid,
    pub buyer: Buyer,
    /// A property, and a list of values as the graph keeps it: what matches is opened, and not the offer's own item.
    pub matching: Option<(&'a str, &'a str)>,
    /// `None`: those of the offer.
    pub properties: Option<&'a [(String, String)]>,
    pub name: Option<&'a str>,
    /// For as long as a session lasts.
    pub for_session: bool,
    /// Where it ends earlier than by the terms. What has ended already as it is made takes no seat of the offer.
    pub until: Option<Time>,
}

impl Sale<'_> {
    fn has_ended(&self, now: Time) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// The one item an offer is of.
pub fn item(offer: Node<'_>) -> Result<Node<'_>, Refused> {
    let mut items = offer.hop(Hop::forward(rel::ITEMS), None).map(|(item, _)| item);
    let first = items.next().ok_or(Refused::PackageEmpty(offer.id))?;
    match items.next() {
        None => Ok(first),
        Some(_) => Err(Refused::PackageOfSeveral(offer.id)),
    }
}

/// The license. All or nothing: on a refusal the caller abandons the transaction.
pub fn sell(tx: &mut Transaction<'_>, sale: &Sale<'_>) -> Result<Uuid, Refused> {
    let now = tx.now();
    let offer = tx.node(sale.offer)?;
    grant::is_on_sale(offer, now)?;
    let item = item(offer)?.id;
    let model = offer.parent(rel::PACKAGES);
    let terms = terms::of_model(model)?;
    let model = model.map(|model| model.id);
    if terms.locks_trials {
        return Err(Refused::LockScopeRequired);
    }
    let properties: Vec<(String, String)> = match sale.properties {
        Some(properties) => properties.to_vec(),
        None => copied(offer),
    };
    if let Some((key, _)) = properties.iter().find(|(key, _)| notes::is_servers(key)) {
        return Err(Refused::ServersKey(key.clone()));
    }
    let by_seats = terms.limited == Limited::Seats;
    let counted = offered(offer);
    if counted.is_some() && !by_seats && !sale.has_ended(now) && matches!(sale.buyer, Buyer::Set(_)) {
        return Err(Refused::SetNotBySeats(sale.offer));
    }
    let seats = counted.map(|most| seats_of(tx, sale, most)).transpose()?;
    let amount = match terms.limited {
        Limited::Seats => seats,
        Limited::UseCount => Some(terms.default_count.unwrap_or(1)),
        // None, until somebody says how much.
        Limited::UseTime => Some(0),
    };
    let until = match grant::end(now, None, &terms)? {
        Some(until) => Some(sale.until.map_or(until, |earlier| earlier.min(until))),
        None => sale.until,
    };
    let fields = [
        (const { place(Kind::License, "name") }, sale.name.map(Value::text)),
        (const { place(Kind::License, "validFrom") }, Some(Value::Time(now))),
        (const { place(Kind::License, "validUntil") }, until.map(Value::Time)),
        (const { place(Kind::License, "active") }, Some(Value::Bool(true))),
        (const { place(Kind::License, "individual") }, Some(Value::Bool(true))),
        (
            const { place(Kind::License, "matchProperty") },
            sale.matching.map(|(property, _)| Value::text(property)),
        ),
        (
            const { place(Kind::License, "matchValues") },
            sale.matching.map(|(_, values)| Value::text(values)),
        ),
        (const { place(Kind::License, "concurrencies") }, counted.map(Value::Int)),
        (SESSION, Some(Value::Bool(sale.for_session))),
    ];
    // Very many may be sold without a limit of seats, and none of them is anybody else's: they stand in no other decision's way.
    let entitlement = match counted.is_some() && by_seats {
        true => homes::default_or_new(tx, sale.organization)?,
        false => homes::named_or_new(tx, sale.organization, HOME)?,
    };
    let license = grant::child(tx, rel::LICENSES, entitlement, fields)?;
    tx.relate(rel::OF_ITEM, item, license, Fields::default())?;
    tx.relate(rel::SOLD, sale.offer, license, Fields::default())?;
    if let Some(model) = model {
        tx.relate(rel::OF_MODEL, model, license, Fields::default())?;
    }
    grant::credit(tx, license, terms.limited, amount)?;
    let properties = properties.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    notes::write(tx, license, properties)?;
    match sale.buyer {
        Buyer::Profile(profile) => assign(tx, license, profile)?,
        Buyer::Set(set) => tx.relate(rel::FOR_SET, set, license, Fields::default())?,
    }
    Ok(license)
}

/// Is nothing in it that its organization has to give?
pub fn is_home(entitlement: Node<'_>) -> bool {
    homes::is_named(entitlement, HOME)
}

/// Was it sold for a session? `None`: it was made before that was written.
pub fn is_for_session(license: &Entity) -> Option<bool> {
    license.fields().get(SESSION).and_then(Value::as_bool)
}

/// Is it the assignment by which an individual license is its buyer's? It was made with the license.
pub fn is_buyers(assignment: Node<'_>) -> bool {
    assignment.fields().get(BOUGHT) == Some(&Value::Bool(true))
}

/// Was it that, whatever it is by now? The license stays one that was sold to this user.
pub fn was_buyers(assignment: Node<'_>) -> bool {
    assignment.fields().get(BOUGHT).is_some()
}

/// What an assignment that has ended leaves to one that is made of it: who bought, and that the seat is the buyer's no longer.
pub(super) fn kept(assignment: Node<'_>) -> Fields {
    let bought = was_buyers(assignment).then_some((BOUGHT, Value::Bool(false)));
    bought.into_iter().collect()
}

/// The buyer's, if it was sold to one user.
pub fn of_buyer(license: Node<'_>) -> Option<Node<'_>> {
    let mut all = license.hop(Hop::forward(rel::BY_LICENSE), None).map(|(one, _)| one);
    all.find(|assignment| was_buyers(*assignment))
}

/// May whoever sold a license take this along with it? What others allocated or assigned on it is theirs to take back first, as
/// long as it is assigned by that: nobody could take back what has ended. What readers of a set used is not theirs: it came by the sale.
pub fn may_be_taken_back(going: Node<'_>, now: Time) -> Result<(), Refused> {
    let is_given = || going.parent(rel::ALLOCATED).is_some() || seated::is_own(&going);
    let is_theirs = || is_given() && seated::is_assigned(&going, now);
    let license = match going.kind {
        Kind::GroupAssignment => going.parent(rel::GROUP_ASSIGNMENTS),
        Kind::Assignment if !was_buyers(going) && is_theirs() => going.parent(rel::BY_LICENSE),
        _ => None,
    };
    license.map_or(Ok(()), |license| Err(Refused::AssignedByOthers(license.id)))
}

/// What an offer calls as the server calls its own is not for its licenses.
fn copied(offer: Node<'_>) -> Vec<(String, String)> {
    let text = |property: &Entity, field: u8| property.fields().get(field).and_then(Value::as_text).map(str::to_owned);
    let all = offer.hop(Hop::forward(PROPERTIES), None);
    let copied = all.filter_map(|(property, _)| {
        let key = text(&property, const { place(Kind::Property, "key") }).filter(|key| !notes::is_servers(key))?;
        Some((
            key,
            text(&property, const { place(Kind::Property, "value") }).unwrap_or_default(),
        ))
    });
    copied.collect()
}

fn assign(tx: &mut Transaction<'_>, license: Uuid, profile: Uuid) -> Result<(), Refused> {
    let id = tx.new_id();
    let fields: Fields = [
        (ruled::RESERVATION, Value::text("reserved")),
        (ruled::GRANTS_ACCESS, Value::Bool(true)),
        (BOUGHT, Value::Bool(true)),
    ]
    .into_iter()
    .collect();
    tx.create(id, Kind::Assignment, fields, Kept::default())?;
    tx.relate(rel::BY_LICENSE, license, id, Fields::default())?;
    tx.relate(rel::BY_PROFILE, profile, id, Fields::default())?;
    reserve::fits(tx.node(license)?, reserve::Had::default(), tx.now())
}

/// What all licenses that were made of an offer for a site have of it together.
struct Given {
    seats: i64,
    /// What one has that has a seat which nobody has, and what it has without that.
    free: Option<(Promised, Promised)>,
}

/// Of whatever item they are by now. One that has not ended keeps its own, suspended or not: it may go on. `is_over`: it is asked for
/// what has ended, to which nothing is promised.
fn given(site: Node<'_>, offer: Node<'_>, is_over: bool, now: Time) -> Result<Given, Refused> {
    let (mut given, mut free, mut looked) = (0i64, None, 0);
    for (entitlement, _) in site.hop(Hop::forward(rel::ENTITLEMENTS), None) {
        for license in site.graph().sold(entitlement, offer) {
            looked += 1;
            if looked > select::LOOKED_AT {
                return Err(Refused::TooManyLicenses);
            }
            if ended::has_ended(&license, now) {
                continue;
            }
            let promised = Promised::of(license, now);
            // Whoever is in the set may use it, however many they are.
            if promised.is_endless() && !is_over && license.parent(rel::FOR_SET).is_some() {
                return Err(Refused::SetWithoutLimit(license.id));
            }
            given = given.saturating_add(counts(license, &promised, now));
            if free.is_none() {
                free = without_one(promised, seats::of_license(license, now).taken());
            }
        }
    }
    Ok(Given { seats: given, free })
}

/// What there is before and after one seat is given away that nobody has, so that nobody loses his now or later.
fn without_one(promised: Promised, taken: u64) -> Option<(Promised, Promised)> {
    let most = promised.most();
    let has_free = !promised.is_endless() && most > taken;
    let left = has_free.then(|| promised.lowered(most - 1, taken)).flatten()?;
    Some((promised, left))
}

/// How many seats of its offer a license has: the most that its credits give at a time. Where fewer than are in use, because its number
/// became smaller or its credits go before it does, those are nobody else's yet; what is above the total is none of the offer's. One
/// that has no number is for those who hold it: its buyer alone, if nobody else was assigned it.
fn counts(license: Node<'_>, promised: &Promised, now: Time) -> i64 {
    let most = promised.most();
    let counts = match seats::of_license(license, now).taken() {
        _ if promised.is_endless() => most.max(holders(license, now)),
        taken if taken > most => most.max(within(license, now)),
        _ => most,
    };
    i64::try_from(counts).unwrap_or(i64::MAX)
}

/// The seats in use, reserved or leased, but for those that were taken above the total.
fn within(license: Node<'_>, now: Time) -> u64 {
    let all = license.hop(Hop::forward(rel::BY_LICENSE), None);
    all.map(|(held, _)| seats::within(held, now)).sum()
}

/// To how many users a license is assigned, or who use it. Where no seats are counted it is open to them with a reservation and
/// without one, and to who is denied it, or has it inactive, once that is taken back.
fn holders(license: Node<'_>, now: Time) -> u64 {
    let all = license.hop(Hop::forward(rel::BY_LICENSE), None).map(|(held, _)| held);
    let holds = all.filter(|held| {
        let opens = held.fields().get(ruled::GRANTS_ACCESS) == Some(&Value::Bool(true));
        let is_assigned = opens && !ended::has_ended(held, now) || seated::is_kept_back(held, now);
        is_assigned || held.graph().held(*held, now).seats > 0
    });
    holds.count() as u64
}

/// Of a license that goes on, or has more than before, once that is written: the seats may have been sold since, and it has them
/// only where they are there to be sold.
pub fn may_have(license: Node<'_>, now: Time) -> Result<(), Refused> {
    above(license, now)?.map_or(Ok(()), |(_, refused)| Err(refused))
}

/// What a user set's license gives up of its seats so that there are fewer by so many, or by half as many and so on, as it can: what
/// is in use stays, and a seat at any time that has one. Says how many that is.
pub(super) fn give_up(tx: &mut Transaction<'_>, license: Uuid, wanted: i64) -> Result<i64, Refused> {
    let (node, now) = (tx.node(license)?, tx.now());
    let promised = Promised::of(node, now);
    if promised.is_endless() || node.parent(rel::FOR_SET).is_none() {
        return Ok(0);
    }
    let (has, kept) = (counts(node, &promised, now), within(node, now).max(1));
    let mut part = has.saturating_sub(i64::try_from(kept).unwrap_or(i64::MAX)).min(wanted);
    while part > 0 {
        let most = u64::try_from(has - part).unwrap_or(0);
        if let Some(left) = promised.lowered(most, kept) {
            left.write(tx, &promised)?;
            return Ok(part);
        }
        part /= 2;
    }
    Ok(0)
}

/// How many seats a license has of an offer that is for so many at the same time. `None`: of none.
pub(super) fn of_offer(license: Node<'_>, now: Time) -> Option<i64> {
    license.parent(rel::SOLD).and_then(offered)?;
    Some(counts(license, &Promised::of(license, now), now))
}

/// The offer and the site whose licenses are counted together with this one, if any are: the ids of both.
pub fn counted_at(license: Node<'_>, now: Time) -> Option<(Uuid, Uuid)> {
    let (offer, site, _) = counted(license, now)?;
    Some((offer.id, site.id))
}

/// The same, and for how many at the same time the offer is. Nothing is asked of what has ended.
fn counted(license: Node<'_>, now: Time) -> Option<(Node<'_>, Node<'_>, i64)> {
    let offer = license.parent(rel::SOLD)?;
    let most = offered(offer)?;
    let site = license.parent(rel::LICENSES).and_then(homes::owner)?;
    (!ended::has_ended(&license, now)).then_some((offer, site, most))
}

/// By how many seats its offer is above what it is for, if it is, with this license.
pub(super) fn above(license: Node<'_>, now: Time) -> Result<Option<(i64, Refused)>, Refused> {
    let Some((offer, site, most)) = counted(license, now) else {
        return Ok(None);
    };
    let above = given(site, offer, false, now)?.seats.saturating_sub(most);
    Ok((above > 0).then_some((above, Refused::ConcurrenciesUsedUp { offer: offer.id, most })))
}

/// How many may use it at the same time.
fn offered(offer: Node<'_>) -> Option<i64> {
    offer.fields().get(OFFERED).and_then(Value::as_int)
}

/// How many of an offer's seats a new license has, or would have if its model counted them.
fn seats_of(tx: &mut Transaction<'_>, sale: &Sale<'_>, most: i64) -> Result<i64, Refused> {
    let now = tx.now();
    let has_ended = sale.has_ended(now);
    let (site, offer) = (tx.node(sale.organization)?, tx.node(sale.offer)?);
    let Given { seats: given, free } = given(site, offer, has_ended, now)?;
    let left = most.saturating_sub(given);
    if left >= 1 || has_ended {
        return Ok(match sale.buyer {
            Buyer::Profile(_) => 1,
            Buyer::Set(_) => left.max(1),
        });
    }
    // One that is above the offer, because the offer was made smaller, gives none away.
    let free = free.filter(|_| given <= most);
    let (had, left) = free.ok_or(Refused::ConcurrenciesUsedUp { offer: offer.id, most })?;
    left.write(tx, &had)?;
    Ok(1)
}
