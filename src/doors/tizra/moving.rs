//! The vendor's own answers, to come over with (`doors.md` C.4): lists of licenses, what a login answers, and objects. A member
//! that is null says nothing. Views are not this server's.

use serde_json::Value;

use super::reason::No;
use super::wire::{self, Object};
use crate::http::door::{Unread, listed};
use crate::limits::Limits;
use crate::operation::moving::{Account, Entry, Lasts, Sale, Step, Thing};
use crate::operation::sale::{Given, Holder, Property};

/// One answer, or one record of it.
pub fn entries(document: &Value) -> Result<Vec<Entry>, Unread> {
    let mut entries = Vec::new();
    let mut buyer = None;
    if let Some(record) = document.get("user") {
        let user = at("/user", record, user)?;
        buyer = Some(user.name.clone());
        entries.push(entry("/user", Step::Account(user)));
    }
    if let Some(record) = document.get("license") {
        let sale = at("/license", record, |members| license(members, buyer.as_deref()))?;
        entries.push(entry("/license", Step::Sale(sale)));
    }
    if document.get("licenses").is_some() {
        for (place, record) in listed(document, &["licenses"])? {
            let sale = at(&place, record, |members| license(members, buyer.as_deref()))?;
            entries.push(entry(&place, Step::Sale(sale)));
        }
    } else if entries.is_empty() {
        entries.push(entry("", at("", document, one)?));
    }
    Ok(without_ended(entries))
}

/// Records without an id are told apart by nothing but what they say: of an offer that somebody has again, the one that
/// has ended is left out.
fn without_ended(mut entries: Vec<Entry>) -> Vec<Entry> {
    let live: Vec<Sale> = entries
        .iter()
        .filter_map(|entry| unnamed(entry, false))
        .cloned()
        .collect();
    let is_same = |one: &Sale, other: &Sale| {
        one.offer == other.offer && one.holder == other.holder && one.matching == other.matching
    };
    let is_again = |ended: &Sale| live.iter().any(|sale| is_same(sale, ended));
    entries.retain(|entry| unnamed(entry, true).is_none_or(|ended| !is_again(ended)));
    entries
}

fn unnamed(entry: &Entry, has_ended: bool) -> Option<&Sale> {
    match &entry.says {
        Step::Sale(sale) if sale.id.is_none() && sale.lasts.has_ended == has_ended => Some(sale),
        _ => None,
    }
}

fn entry(at: &str, says: Step) -> Entry {
    Entry {
        at: at.to_owned(),
        organization: None,
        says,
    }
}

fn at<T>(place: &str, record: &Value, read: impl FnOnce(&Object) -> Result<T, No>) -> Result<T, Unread> {
    let members = record
        .as_object()
        .ok_or_else(|| Unread::new(place, "it is no object"))?;
    let said = members.iter().filter(|(_, value)| !value.is_null());
    let said: Object = said.map(|(name, value)| (name.clone(), value.clone())).collect();
    read(&said).map_err(|no| Unread::new(place, no.line()))
}

/// A record that stands alone.
fn one(members: &Object) -> Result<Step, No> {
    let has = |name: &str| members.contains_key(name);
    if has("terms") || has("offer-id") || has("controlled") {
        return license(members, None).map(Step::Sale);
    }
    match wire::text(members, "meta-type")?.as_deref() {
        Some("UserData") => user(members).map(Step::Account),
        Some(meta) => thing(members, meta).map(Step::Thing),
        None => Err(No::semantics("unknownList", "it is no answer this door knows")),
    }
}

fn properties(members: &Object) -> Result<Vec<Property>, No> {
    let Some(props) = members.get("props") else {
        return Ok(Vec::new());
    };
    let mut all = wire::properties(wire::entries("props", props)?)?;
    all.retain(|property| property.value != Given::Nothing);
    Ok(all)
}

fn user(members: &Object) -> Result<Account, No> {
    let status = match members.get("user-status") {
        None => None,
        Some(status) => {
            let status = status.as_i64();
            Some(status.ok_or_else(|| wire::wrong("user-status", "a whole number"))?)
        }
    };
    Ok(Account {
        id: wire::required(members, "tizra-id")?,
        name: wire::user_name(members, "email")?.ok_or_else(|| wire::missing("email"))?,
        is_valid: status.map(|status| status == 1),
        properties: properties(members)?,
    })
}

fn thing(members: &Object, meta: &str) -> Result<Thing, No> {
    const META: &str = "meta-type";
    let id = wire::required(members, "tizra-id")?;
    let mut properties = properties(members)?;
    let is_offer = meta == "Offer";
    let is_told = is_offer || meta == "Object" || properties.iter().any(|property| property.key == META);
    if !is_told {
        let (key, value) = (META.to_owned(), Given::Text(meta.to_owned()));
        properties.push(Property { key, value });
    }
    Ok(Thing {
        is_offer,
        name: wire::text(members, "name")?.unwrap_or_else(|| id.clone()),
        id,
        properties,
    })
}

/// The record of a login names neither its buyer, who is the one that logs in, nor perhaps its offer, which is then called as
/// the object is.
fn license(members: &Object, buyer: Option<&str>) -> Result<Sale, No> {
    let item = wire::text(members, "controlled")?;
    let mut members = members.clone();
    let mut usual = |names: [&str; 2], value: Option<&str>| {
        if let Some(value) = value.filter(|_| names.iter().all(|name| !members.contains_key(*name))) {
            members.insert(names[0].to_owned(), value.into());
        }
    };
    usual(["offer-id", "offer"], item.as_deref());
    usual(["user-name", "user-set-name"], buyer);
    let limits = Limits {
        metadata: u64::MAX,
        ..Limits::default()
    };
    let asked = wire::sell("", &members, &limits)?;
    let active = members.get("active").ok_or_else(|| wire::missing("active"))?;
    let active = active.as_bool().ok_or_else(|| wire::wrong("active", "true or false"))?;
    let none = Object::new();
    let terms = match members.get("terms") {
        None => &none,
        Some(terms) => wire::entries("terms", terms)?,
    };
    let has_ended = match terms.get("is-expired") {
        None => false,
        Some(ended) => ended
            .as_bool()
            .ok_or_else(|| wire::wrong("terms/is-expired", "true or false"))?,
    };
    let concurrencies = match terms.get("concurrencies") {
        None | Some(Value::Null) => None,
        Some(most) => {
            let most = most.as_i64().filter(|most| *most > 0);
            Some(most.ok_or_else(|| wire::wrong("terms/concurrencies", "a whole number above 0"))?)
        }
    };
    Ok(Sale {
        id: wire::text(&members, "tizra-id")?,
        offer: asked.spec.offer,
        item: item.filter(|_| asked.spec.matching.is_none()),
        holder: match asked.user {
            Some(name) => Holder::User(name),
            None => Holder::Set(asked.set),
        },
        matching: asked.spec.matching,
        properties: asked.spec.properties.unwrap_or_default(),
        // One that has ended is told as inactive for that.
        active: active || has_ended,
        concurrencies,
        lasts: Lasts {
            ms: lasts(terms)?,
            has_ended,
        },
    })
}

fn lasts(terms: &Object) -> Result<Option<i64>, No> {
    match wire::text(terms, "duration")?.as_deref() {
        None | Some("perpetual") => Ok(None),
        Some(text) => {
            let ms = milliseconds(text)
                .ok_or_else(|| wire::wrong("terms/duration", "`perpetual`, or as `P30D` and `PT90S` are"));
            ms.map(Some)
        }
    }
}

/// Of ISO 8601 what is always as long: weeks, days, hours, minutes and seconds.
fn milliseconds(text: &str) -> Option<i64> {
    let (days, times) = match text.strip_prefix('P')?.split_once('T') {
        Some((days, times)) if !times.is_empty() => (days, times),
        Some(_) => return None,
        None => (text.strip_prefix('P')?, ""),
    };
    if days.is_empty() && times.is_empty() {
        return None;
    }
    let day = 24 * 60 * 60;
    let whole = sum(days, &[('W', 7 * day), ('D', day)])?;
    let part = sum(times, &[('H', 60 * 60), ('M', 60), ('S', 1)])?;
    whole.checked_add(part)?.checked_mul(1000)
}

/// Each unit at most once, and in this order.
fn sum(mut text: &str, units: &[(char, i64)]) -> Option<i64> {
    let mut sum = 0i64;
    for (unit, seconds) in units {
        if let Some((number, rest)) = text.split_once(*unit) {
            let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            let number: i64 = number.parse().ok().filter(|_| is_number)?;
            sum = sum.checked_add(number.checked_mul(*seconds)?)?;
            text = rest;
        }
    }
    text.is_empty().then_some(sum)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_duration_is_read() {
        for (text, ms) in [
            ("P1D", Some(86_400_000)),
            ("P2W", Some(14 * 86_400_000)),
            ("PT90S", Some(90_000)),
            ("P1DT1H1M1S", Some(90_061_000)),
            ("P0D", Some(0)),
            ("P", None),
            ("PT", None),
            ("P1", None),
            ("P1Y", None),
            ("P1M", None),
            ("PT1D", None),
            ("P1D1D", None),
            ("PT1S1M", None),
            ("P-1D", None),
            ("P+1D", None),
            ("P1DT", None),
            ("1D", None),
            ("", None),
            ("P9223372036854775807D", None),
            ("P99999999999999999999D", None),
        ] {
            assert_eq!(super::milliseconds(text), ms, "{text}");
        }
    }
}
