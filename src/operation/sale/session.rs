//! Sessions of users whom somebody else let in (`doors.md` C.3): a token that lasts an hour and is bound to the organization,
//! with licenses that end with it and licenses that stay. It asks for what `POST /tokens` asks for, since it gives the same.

use uuid::Uuid;

use super::account::{self, Property};
use super::change::{Spec, made};
use super::look::{self, Sold, User};
use super::{SaleError, is_sold, license, own_site};
use crate::access::token::{self, NewToken, TokenError};
use crate::access::{Action, Permission, Who};
use crate::entitlement::sale::{self, Buyer};
use crate::entitlement::{ended, select};
use crate::error::Error;
use crate::graph::{Graph, Node, Transaction, Violation};
use crate::limits::Limits;
use crate::model::schema::{Hop, place};
use crate::model::{Entity, Kind, Time, Value, rel};
use crate::operation::login::SECONDS;

const UNTIL: u8 = place(Kind::License, "validUntil");
const CALLED: u8 = place(Kind::License, "name");
const LEASED_UNTIL: u8 = place(Kind::Consumption, "grantedUntil");
/// How tokens and licenses of a session are called: so they are known when they have ended.
const NAME: &str = token::SESSION;
/// Those of a user and a site that have ended and that one new session sweeps away.
const SWEPT: usize = 16;
/// How many a tidying looks at, and how much may go with one of them.
const LOOKED_AT: usize = 1_000;
const ROOM: usize = 1_000;

/// A session that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    pub site: String,
    pub user: String,
    pub properties: Vec<Property>,
    pub temporary: Vec<Spec>,
    pub permanent: Vec<Spec>,
}

/// What became of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Entered {
    pub user: User,
    pub token: String,
    pub licenses: Vec<Sold>,
}

impl std::fmt::Debug for Entered {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Entered of {}", self.user.name)
    }
}

pub(super) fn enter(
    tx: &mut Transaction<'_>,
    who: &Who,
    wanted: &Session,
    limits: &Limits,
) -> Result<Entered, SaleError> {
    who.require(Permission::TokenManage)?;
    let site = own_site(tx.graph(), who, &wanted.site)?.id;
    if !wanted.temporary.is_empty() || !wanted.permanent.is_empty() {
        who.require(license(Action::Create))?;
    }
    let profile = account::find_or_make(tx, who, site, &wanted.user)?;
    account::set(tx, who, profile, &wanted.properties)?;
    let now = tx.now();
    // Whoever's account is over could do nothing with a token, and would hold a license in vain.
    if !tx
        .graph()
        .find(profile)
        .is_some_and(|profile| select::is_valid(&profile, now))
    {
        return Err(SaleError::AccountNotValid(wanted.user.clone()));
    }
    token::sweep(tx, profile, NAME)?;
    sweep(tx, site, profile, limits)?;
    let until = Time(now.millis().saturating_add(SECONDS as i64 * 1000));
    let buyer = Buyer::Profile(profile);
    let mut licenses = Vec::new();
    for spec in &wanted.temporary {
        licenses.push(made(tx, site, buyer, spec, Some((NAME, until)))?);
    }
    for spec in &wanted.permanent {
        licenses.push(made(tx, site, buyer, spec, None)?);
    }
    let new = NewToken {
        name: Some(NAME.to_owned()),
        permissions: vec![Permission::LicenseConsume.to_string()],
        profile: Some(profile),
        organization: Some(site),
        expires: Some(until),
    };
    let (_, token) = token::given(tx, who, &new).map_err(Error::from)?;
    let licenses = licenses
        .into_iter()
        .map(|id| Ok(look::sold(tx.node(id)?, |_| true, now)));
    Ok(Entered {
        user: look::user(tx.node(profile)?, now),
        token,
        licenses: licenses.collect::<Result<_, Violation>>()?,
    })
}

/// Ends a token, and with that of a session what was sold for as long as it lasts.
pub fn revoke(tx: &mut Transaction<'_>, who: &Who, token: Uuid) -> Result<(), TokenError> {
    let licenses = tx.graph().find(token).and_then(lent).unwrap_or_default();
    token::revoke(tx, who, token)?;
    Ok(end(tx, &licenses)?)
}

/// What was sold to the user of a token for the session that it is of. They were made in one transaction, the token last: so
/// they are known from those of another session that began at the same time.
fn lent(token: Node<'_>) -> Option<Vec<Uuid>> {
    let graph = token.graph();
    let told = token::told(token).filter(|told| told.name.as_deref() == Some(NAME))?;
    let (site, profile) = (graph.find(told.organization?)?, graph.find(told.profile?)?);
    let others = token::list(graph, &Who::server(), told.profile, None).ok()?;
    let before = others
        .filter(|other| other.name == told.name && other.created == told.created && other.serial < told.serial)
        .map(|other| other.serial)
        .max();
    let is_its = |license: &Node<'_>| {
        is_sold(site, *license)
            && license.created == told.created
            && license.serial < told.serial
            && before.is_none_or(|before| before < license.serial)
    };
    Some(temporary(profile).filter(is_its).map(|license| license.id).collect())
}

/// What the sessions of a user were sold, where the user goes. A person leaves its users there, and their sessions.
pub(in crate::operation) fn of_users(node: Node<'_>) -> Vec<Uuid> {
    match node.kind {
        Kind::Profile => temporary(node).map(|license| license.id).collect(),
        _ => Vec::new(),
    }
}

/// The same, of one assignment of a user who goes in steps.
pub(in crate::operation) fn of_assignment(node: Node<'_>) -> Option<Uuid> {
    let held = (node.kind == Kind::Assignment).then_some(node)?;
    temporarily(held).map(|license| license.id)
}

fn temporary(profile: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    let held = profile.hop(Hop::forward(rel::BY_PROFILE), None);
    held.filter_map(|(held, _)| temporarily(held))
}

/// The license of a session, if it was sold by this.
fn temporarily(held: Node<'_>) -> Option<Node<'_>> {
    let license = held.parent(rel::BY_LICENSE).filter(|_| sale::is_buyers(held));
    license.filter(|license| select::is_individual(license) && is_of_session(license))
}

/// Whatever it is called by now; one that was sold before more than its name said so is known by that.
fn is_of_session(license: &Entity) -> bool {
    let is_called_so = || license.fields().get(CALLED).and_then(Value::as_text) == Some(NAME);
    sale::is_for_session(license).unwrap_or_else(is_called_so)
}

/// They are over now, if they are still there, or with the last lease that is out: then their seats are free to be sold again.
pub(in crate::operation) fn end(tx: &mut Transaction<'_>, licenses: &[Uuid]) -> Result<(), Violation> {
    let now = tx.now();
    for license in licenses {
        let Some(found) = tx.graph().find(*license) else {
            continue;
        };
        let over = last_lease(found, now).unwrap_or(now);
        if select::end(&found).is_none_or(|until| over < until) {
            let fields = found.fields().with(UNTIL, Some(Value::Time(over)));
            tx.update(*license, fields)?;
        }
    }
    Ok(())
}

fn last_lease(license: Node<'_>, now: Time) -> Option<Time> {
    let held = license.hop(Hop::forward(rel::BY_LICENSE), None).map(|(held, _)| held);
    let leases = held.flat_map(|held| license.graph().leases(held, now));
    leases
        .filter_map(|lease| lease.fields().get(LEASED_UNTIL)?.as_time())
        .max()
}

/// Licenses of sessions that have ended open nothing any more: this only tidies. Those of another site are that one's to
/// sweep, and what is more than a commit may remove, or others gave seats of, is left to whoever takes it back.
fn sweep(tx: &mut Transaction<'_>, site: Uuid, profile: Uuid, limits: &Limits) -> Result<(), Violation> {
    let now = tx.now();
    let Some((site, user)) = tx.graph().find(site).zip(tx.graph().find(profile)) else {
        return Ok(());
    };
    let held = user.hop(Hop::forward(rel::BY_PROFILE), None);
    let licenses = held.filter_map(|(assignment, _)| assignment.parent(rel::BY_LICENSE));
    let ended =
        licenses.filter(|license| is_sold(site, *license) && is_of_session(license) && ended::has_ended(license, now));
    let ended: Vec<Uuid> = ended.take(SWEPT).map(|license| license.id).collect();
    let mut room = usize::try_from(limits.cascade).unwrap_or(usize::MAX);
    for license in ended {
        if may_go(tx.graph(), license, room, now) {
            room -= tx.remove_cascading(license)?;
        }
    }
    Ok(())
}

fn may_go(graph: &Graph, license: Uuid, room: usize, now: Time) -> bool {
    let mut going = graph.cascade(license);
    graph.cascade_size([license], room).is_some() && going.all(|going| sale::may_be_taken_back(going, now).is_ok())
}

/// How many milliseconds ago the first of those ended that `tidy` would remove.
pub fn untidy_for(graph: &Graph, now: Time) -> Option<i64> {
    let first = over(graph, now).next().and_then(|license| select::end(&license))?;
    Some(now.millis().saturating_sub(first.millis()))
}

/// Removes licenses of sessions that have ended, of whatever users and sites, at most so many: of users who do not come again
/// nobody else would, and a sale looks at each license of its offer, one that has ended too.
pub fn tidy(tx: &mut Transaction<'_>, most: usize) -> Result<(), Violation> {
    let over: Vec<Uuid> = over(tx.graph(), tx.now())
        .take(most)
        .map(|license| license.id)
        .collect();
    over.into_iter()
        .try_for_each(|license| tx.remove_cascading(license).map(drop))
}

/// Licenses of sessions that have ended and may go, the oldest first. Some that stay may stand before them, so that more are looked
/// at than go; one that was renamed stays as well, until its user begins another session.
fn over(graph: &Graph, now: Time) -> impl Iterator<Item = Node<'_>> {
    let called = graph.by_value(Kind::License, CALLED, &Value::text(NAME), None);
    called.take(LOOKED_AT).filter(move |license| {
        let was_lent = || is_of_session(license) && sale::of_buyer(*license).is_some();
        ended::has_ended(license, now) && was_lent() && may_go(graph, license.id, ROOM, now)
    })
}
