//! What was sold one by one, as another system lists it (`doors.md` C.4): users, objects, offers, and licenses made of offers.
//! Ids become aliases. A license that is not here is sold by the same rules as any other, and then says what the list says.

use std::collections::HashSet;

use uuid::Uuid;

use super::{Why, make};
use crate::access::{Action, Permission, Who};
use crate::entitlement::raised::{Numbers, Raised};
use crate::entitlement::{Refused, amend, notes, sale, select};
use crate::graph::{Graph, Node, Transaction};
use crate::model::schema::{Hop, place};
use crate::model::{Kind, Time, Value, Values, rel};
use crate::operation::foreign;
use crate::operation::input::{ImportLine, RelationInput};
use crate::operation::sale::{
    Holder, Property, SaleError, Sell, Sold, Spec, find_account, is_sold, list_text, make_account, set_properties,
    told_of,
};

const ALIAS: u8 = place(Kind::License, "alias");
const FROM: u8 = place(Kind::License, "validFrom");
const UNTIL: u8 = place(Kind::License, "validUntil");
const USER_UNTIL: u8 = place(Kind::Profile, "validUntil");

/// A license.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sale {
    /// Without one it is known by all else that it says.
    pub id: Option<String>,
    pub offer: String,
    /// What the offer is of; `None` where that is not told.
    pub item: Option<String>,
    pub holder: Holder,
    pub matching: Option<(String, Vec<String>)>,
    pub properties: Vec<(String, String)>,
    pub active: bool,
    pub concurrencies: Option<i64>,
    pub lasts: Lasts,
}

/// For how long; when it began is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lasts {
    /// `None`: for ever.
    pub ms: Option<i64>,
    pub has_ended: bool,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: String,
    pub name: String,
    /// `None`: it is not told.
    pub is_valid: Option<bool>,
    pub properties: Vec<Property>,
}

/// What is sold, or an offer of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing {
    pub is_offer: bool,
    pub id: String,
    pub name: String,
    pub properties: Vec<Property>,
}

/// The entity of that foreign id, which is its alias from now on; made with these fields where it is missing.
fn aliased(tx: &mut Transaction<'_>, who: &Who, kind: Kind, text: &str, fields: &[(&str, Value)]) -> Result<Uuid, Why> {
    let found = foreign::find(tx.graph(), kind, text, |_| true);
    let Some(id) = found.map(|node| node.id) else {
        return make::foreign_object(tx, who, kind, text, fields, &[]);
    };
    take_alias(tx, who, kind, id, text)?;
    Ok(id)
}

/// One that has an alias keeps it.
fn take_alias(tx: &mut Transaction<'_>, who: &Who, kind: Kind, id: Uuid, text: &str) -> Result<(), Why> {
    let has_none = tx
        .graph()
        .find(id)
        .is_some_and(|node| foreign::id(node) == id.to_string());
    if has_none && Uuid::try_parse(text).is_err() {
        let alias = [("alias", Value::text(text))];
        make::write(tx, who, make::object(kind, id, &alias, &[]))?;
    }
    Ok(())
}

pub(super) fn thing(tx: &mut Transaction<'_>, who: &Who, told: &Thing) -> Result<(), Why> {
    let (kind, field) = match told.is_offer {
        true => (Kind::ProductPackage, "title"),
        false => (Kind::LicensedItem, "name"),
    };
    let name = [(field, Value::text(&told.name))];
    let id = aliased(tx, who, kind, &told.id, &name)?;
    let is = tx
        .graph()
        .find(id)
        .and_then(|node| node.fields().get(kind.field(field)?).cloned());
    // A list of licenses told of it by its id alone.
    if is.as_ref().and_then(Value::as_text) == Some(&told.id) {
        make::write(tx, who, make::object(kind, id, &name, &[]))?;
    }
    Ok(set_properties(tx, who, id, &told.properties)?)
}

pub(super) fn account(tx: &mut Transaction<'_>, who: &Who, site: Uuid, told: &Account) -> Result<(), Why> {
    let of_site = tx.node(site)?;
    let known = match find_account(of_site, who, &told.id).map_err(SaleError::from)? {
        None => find_account(of_site, who, &told.name).map_err(SaleError::from)?,
        known => known,
    };
    let user = match known.map(|user| (user.id, foreign::id(user))) {
        Some((user, is)) if is != told.id && is != user.to_string() => {
            let user = told.id.clone();
            return Err(Why::OtherAlias { user, is });
        }
        // Nobody's user becomes the organization's.
        Some((user, _)) => make_account(tx, who, site, &user.to_string())?,
        None => make_account(tx, who, site, &told.name)?,
    };
    take_alias(tx, who, Kind::Profile, user, &told.id)?;
    set_properties(tx, who, user, &told.properties)?;
    let now = tx.now();
    let is_valid = tx.graph().find(user).is_some_and(|user| select::is_valid(&user, now));
    if told.is_valid.is_some_and(|told| told != is_valid) {
        let until = is_valid.then_some(Value::Time(now));
        let fields = tx.graph().find(user).map(|user| user.fields().with(USER_UNTIL, until));
        if let Some(fields) = fields {
            tx.update(user, fields)?;
        }
    }
    Ok(())
}

/// The offer, of the item that is told; made of one where it is missing, or is of nothing yet.
fn offer(tx: &mut Transaction<'_>, who: &Who, told: &Sale) -> Result<Uuid, Why> {
    let title = ("title", Value::text(&told.offer));
    let counted = told.concurrencies.map(|most| ("concurrencies", Value::Int(most)));
    let fields: Vec<_> = [title].into_iter().chain(counted).collect();
    let offer = aliased(tx, who, Kind::ProductPackage, &told.offer, &fields)?;
    let items = |graph: &Graph| -> Vec<Uuid> {
        let offer = graph.find(offer);
        let items = offer.map(|offer| {
            offer
                .hop(Hop::forward(rel::ITEMS), None)
                .map(|(item, _)| item.id)
                .collect()
        });
        items.unwrap_or_default()
    };
    let there = items(tx.graph());
    if there.is_empty() || told.item.is_some() {
        let code = told.item.as_ref().unwrap_or(&told.offer);
        let name = ("name", Value::text(code));
        let item = aliased(tx, who, Kind::LicensedItem, code, &[name])?;
        if there.is_empty() {
            let relation = RelationInput {
                rel: rel::ITEMS,
                from: offer,
                to: item,
                fields: Vec::new(),
                at: Default::default(),
            };
            make::write(tx, who, ImportLine::Relation(relation))?;
        } else if !there.contains(&item) {
            return Err(Why::OtherItem {
                offer: told.offer.clone(),
                item: code.clone(),
            });
        }
    }
    Ok(offer)
}

/// `taken` are the licenses that records of the same answer came to: each of several that say the same is one of its own.
pub(super) fn license(
    tx: &mut Transaction<'_>,
    who: &Who,
    site: Uuid,
    told: &Sale,
    taken: &mut HashSet<Uuid>,
) -> Result<(), Why> {
    let offer = offer(tx, who, told)?;
    let license = match found(tx, who, site, offer, told, taken)? {
        Some(license) => license,
        None => {
            let made = match told.lasts.has_ended {
                true => keep(tx, who, site, offer, told)?,
                false => sell(tx, who, site, offer, told)?,
            };
            if let Some(id) = &told.id {
                let alias = [("alias", Value::text(id))];
                make::write(tx, who, make::object(Kind::License, made, &alias, &[]))?;
            }
            made
        }
    };
    taken.insert(license);
    say(tx, who, license, told)
}

/// What has ended gives its seat back before anything else asks for one, wherever it stands in the list.
pub(super) fn end(tx: &mut Transaction<'_>, who: &Who, site: Uuid, told: &Sale) -> Result<(), Why> {
    if !told.lasts.has_ended || told.id.is_none() {
        return Ok(());
    }
    let offer = foreign::find(tx.graph(), Kind::ProductPackage, &told.offer, |_| true);
    let Some(offer) = offer.map(|offer| offer.id) else {
        return Ok(());
    };
    match found(tx, who, site, offer, told, &HashSet::new()) {
        Ok(Some(license)) => say(tx, who, license, told),
        // An entry before it may still say whose it is.
        Ok(None) | Err(Why::OtherLicense(_)) => Ok(()),
        Err(other) => Err(other),
    }
}

fn sell(tx: &mut Transaction<'_>, who: &Who, site: Uuid, offer: Uuid, told: &Sale) -> Result<Uuid, Why> {
    let (user, set) = match &told.holder {
        Holder::User(name) => (Some(name.clone()), String::new()),
        Holder::Set(name) => (None, name.clone()),
    };
    let sell = Sell {
        site: site.to_string(),
        user,
        set,
        spec: Spec {
            offer: offer.to_string(),
            matching: told.matching.clone(),
            properties: Some(told.properties.clone()),
        },
    };
    let serial = sell.run(tx, who)?.serial;
    let made = tx.graph().by_serial(Kind::License, serial);
    Ok(made.ok_or_else(|| SaleError::UnknownLicense(told.offer.clone()))?.id)
}

/// One that has ended is over as it is made, so that it takes nobody's seat.
fn keep(tx: &mut Transaction<'_>, who: &Who, site: Uuid, offer: Uuid, told: &Sale) -> Result<Uuid, Why> {
    who.require(Permission::Kind(Kind::License, Action::Create))?;
    let buyer = match &told.holder {
        Holder::User(name) => sale::Buyer::Profile(make_account(tx, who, site, name)?),
        Holder::Set(name) => {
            let of_site = |set: Node<'_>| set.parent(rel::SETS).is_some_and(|parent| parent.id == site);
            let set = foreign::find(tx.graph(), Kind::UserSet, name, of_site);
            sale::Buyer::Set(set.ok_or_else(|| SaleError::UnknownSet(name.clone()))?.id)
        }
    };
    let matching = told.matching.as_ref();
    let matching = matching.map(|(property, values)| (property.as_str(), list_text(values)));
    let over = sale::Sale {
        offer,
        organization: site,
        buyer,
        matching: matching.as_ref().map(|(property, values)| (*property, values.as_str())),
        properties: Some(told.properties.as_slice()),
        name: None,
        for_session: false,
        until: Some(tx.now()),
    };
    let made = sale::sell(tx, &over).map_err(|why| SaleError::NotSold {
        offer: told.offer.clone(),
        why,
    });
    Ok(made?)
}

/// The license that is meant: by its id, or, without one, by its buyer, its offer and what matches. Of several it is
/// one that has ended if that is told, and else one that has not. `taken` are those of records before it in the answer.
fn found(
    tx: &Transaction<'_>,
    who: &Who,
    site: Uuid,
    offer: Uuid,
    told: &Sale,
    taken: &HashSet<Uuid>,
) -> Result<Option<Uuid>, Why> {
    let graph = tx.graph();
    let Some(of_site) = graph.find(site) else {
        return Ok(None);
    };
    let is_it = |license: Node<'_>| {
        if !is_sold(of_site, license) || license.parent(rel::SOLD).is_none_or(|of| of.id != offer) {
            return false;
        }
        let is: Sold = told_of(license, |_| true, tx.now());
        is.holder
            .as_ref()
            .is_some_and(|holder| is_same(holder, &told.holder, license, who, of_site))
            && is.matching.is_some() == told.matching.is_some()
    };
    if let Some(id) = &told.id {
        let mut found = graph.by_value(Kind::License, ALIAS, &Value::text(id), None);
        return match found.next() {
            Some(license) if is_it(license) => Ok(Some(license.id)),
            Some(_) => Err(Why::OtherLicense(id.clone())),
            None => Ok(None),
        };
    }
    let licenses = graph
        .find(offer)
        .into_iter()
        .flat_map(|offer| offer.hop(Hop::forward(rel::SOLD), None));
    let mut licenses: Box<dyn Iterator<Item = Node<'_>>> = Box::new(licenses.map(|(license, _)| license));
    if let Holder::User(name) = &told.holder {
        let user = find_account(of_site, who, name).map_err(SaleError::from)?;
        let held = user
            .into_iter()
            .flat_map(|user| user.hop(Hop::forward(rel::BY_PROFILE), None));
        licenses = Box::new(held.filter_map(|(assignment, _)| assignment.parent(rel::BY_LICENSE)));
    }
    let now = tx.now();
    let is_meant = |license: &Node<'_>| {
        !taken.contains(&license.id) && is_it(*license) && told_of(*license, |_| true, now).matching == told.matching
    };
    let has_ended = |license: Node<'_>| select::end(&license).is_some_and(|until| until <= now);
    let meant: Vec<Node<'_>> = licenses.filter(is_meant).collect();
    let same = meant
        .iter()
        .find(|license| has_ended(**license) == told.lasts.has_ended);
    Ok(same.or(meant.first()).map(|license| license.id))
}

/// A user may be named by any of its names.
fn is_same(is: &Holder, told: &Holder, license: Node<'_>, who: &Who, site: Node<'_>) -> bool {
    match (is, told) {
        (Holder::Set(is), Holder::Set(told)) => is == told,
        (Holder::User(_), Holder::User(told)) => {
            let first = license.hop(Hop::forward(rel::BY_LICENSE), None).next();
            let user = first.and_then(|(assignment, _)| assignment.parent(rel::BY_PROFILE));
            user.is_some() && find_account(site, who, told) == Ok(user)
        }
        _ => false,
    }
}

/// The license says what is told of it.
fn say(tx: &mut Transaction<'_>, who: &Who, license: Uuid, told: &Sale) -> Result<(), Why> {
    let now = tx.now();
    let Some(node) = tx.graph().find(license) else {
        return Ok(());
    };
    let lasts = lasts(node.fields(), told.lasts, now);
    let is = told_of(node, |_| true, now);
    let noted = notes::by_key(node, rel::NOTES);
    let mut fields = Vec::new();
    if is.active != told.active {
        fields.push(("active", Value::Bool(told.active)));
    }
    if let Some((property, values)) = told.matching.as_ref().filter(|_| is.matching != told.matching) {
        fields.push(("matchProperty", Value::text(property)));
        fields.push(("matchValues", Value::text(&list_text(values))));
    }
    if !fields.is_empty() {
        make::write(tx, who, make::object(Kind::License, license, &fields, &[]))?;
    }
    let no = |why| SaleError::NotSold {
        offer: told.offer.clone(),
        why,
    };
    let (from, until) = lasts.ok_or(Refused::TooMuch).map_err(no)?;
    let mut raised = Raised::default();
    let done = amend::validity(tx, license, Some(from), Some(until), &mut raised);
    done.and_then(|()| raised.settle(tx, Numbers::Had)).map_err(no)?;
    for (key, text) in &told.properties {
        let value = ("value", Value::text(text));
        let known = noted.get(key).and_then(|note| tx.graph().find(*note));
        let line = match known {
            Some(note) if note.fields().get(notes::TEXT) == Some(&value.1) => continue,
            Some(note) => make::object(Kind::LicenseMetadata, note.id, &[value], &[]),
            None => {
                let fields = [("key", Value::text(key)), value];
                make::object(Kind::LicenseMetadata, tx.new_id(), &fields, &[(Kind::License, license)])
            }
        };
        make::write(tx, who, line)?;
    }
    Ok(())
}

/// From when, and until when. What is so already stays, and so does what has ended since it was told of; a time that is told
/// counts from now, or has just run out. `None`: there are no such times.
fn lasts(fields: Values<'_>, told: Lasts, now: Time) -> Option<(Option<Time>, Option<Time>)> {
    let time = |field: u8| fields.get(field).and_then(Value::as_time);
    let (from, until) = (time(FROM), time(UNTIL));
    let length = from
        .zip(until)
        .map(|(from, until)| until.millis().saturating_sub(from.millis()));
    let is_over = until.is_some_and(|until| until <= now);
    let is_so = match (told.ms, told.has_ended) {
        (None, has_ended) => is_over == has_ended && (is_over || until.is_none()),
        (_, false) => length == told.ms,
        (_, true) => is_over && length == told.ms,
    };
    if is_so {
        return Some((from, until));
    }
    let shifted = |ms: i64| Time::from_millis(now.millis().saturating_add(ms));
    Some(match (told.ms, told.has_ended) {
        (Some(ms), true) => (Some(shifted(ms.saturating_neg())?), Some(now)),
        (Some(ms), false) => (Some(now), Some(shifted(ms)?)),
        (None, true) => (from, Some(now)),
        (None, false) => (from, None),
    })
}
