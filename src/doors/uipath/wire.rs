//! Shapes of what the vendor's clients send, bodies and queries (`doors.md` A.3 and A.6). What is not in a shape is passed over;
//! what is has its type: no number in quotes, and `null` nowhere.

use std::collections::HashSet;

use serde::{Deserialize, Deserializer};
use serde_json::Number;

use super::reason::No;
use crate::http::door;
use crate::http::object::Object;
use crate::limits::Limits;
use crate::operation::allocation::{Direct, Order, Quota, Rules};

/// Absent is one thing, `null` is none.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// A whole number, which some clients write with a point.
pub(super) fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    let number = Number::deserialize(from)?;
    let whole = |number: f64| (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64);
    let read = number.as_i64().or_else(|| number.as_f64().and_then(whole));
    read.ok_or_else(|| serde::de::Error::custom(format!("`{number}` is no whole number")))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DirectBody {
    user_ids: Vec<String>,
    user_bundle_codes: Vec<String>,
    #[serde(default)]
    use_external_license: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PortalDirectBody {
    user_ids: Vec<String>,
    license_codes: Vec<String>,
    #[serde(default)]
    use_external_license: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RuleBody {
    user_bundle_codes: Vec<String>,
    #[serde(default)]
    use_external_license: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PortalRuleBody {
    id: String,
    ubls: Vec<String>,
    #[serde(default)]
    use_external_license: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct QuotaBody {
    user_bundle_codes: Vec<String>,
    #[serde(default)]
    quotas: Vec<Object<QuotaMember>>,
    #[serde(default, deserialize_with = "given")]
    use_external_license: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct QuotaMember {
    user_bundle_code: String,
    #[serde(deserialize_with = "whole")]
    limit: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UsersBody {
    user_ids: Vec<String>,
}

#[derive(Deserialize)]
struct GroupBody {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NamesBody {
    entitlement_names: Vec<String>,
}

fn json<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> Result<T, No> {
    serde_json::from_slice(bytes)
        .map(|Object(body)| body)
        .map_err(|error| No::bad_request("badBody", format!("the body cannot be read: {error}")))
}

fn someone(users: &[String]) -> Result<(), No> {
    match users.is_empty() {
        true => Err(No::bad_request("noUsers", "`userIds` names nobody")),
        false => Ok(()),
    }
}

pub fn direct(bytes: &[u8]) -> Result<Direct, No> {
    let body: DirectBody = json(bytes)?;
    someone(&body.user_ids)?;
    Ok(Direct {
        users: once(body.user_ids),
        items: once(body.user_bundle_codes),
        external: body.use_external_license,
        ..Direct::default()
    })
}

pub fn portal_direct(bytes: &[u8]) -> Result<Direct, No> {
    let body: PortalDirectBody = json(bytes)?;
    someone(&body.user_ids)?;
    Ok(Direct {
        users: once(body.user_ids),
        items: once(body.license_codes),
        external: body.use_external_license,
        ..Direct::default()
    })
}

pub fn rule(bytes: &[u8]) -> Result<Rules, No> {
    let body: RuleBody = json(bytes)?;
    Ok(Rules {
        items: once(body.user_bundle_codes),
        external: Some(body.use_external_license),
        ..Rules::default()
    })
}

pub fn portal_rule(bytes: &[u8]) -> Result<Rules, No> {
    let body: PortalRuleBody = json(bytes)?;
    Ok(Rules {
        group: body.id,
        items: once(body.ubls),
        external: Some(body.use_external_license),
        ..Rules::default()
    })
}

pub fn rule_with_quota(bytes: &[u8]) -> Result<Rules, No> {
    let body: QuotaBody = json(bytes)?;
    let quotas = body.quotas.into_iter().map(|Object(quota)| Quota {
        item: quota.user_bundle_code,
        limit: quota.limit,
    });
    Ok(Rules {
        items: once(body.user_bundle_codes),
        quotas: Some(quotas.collect()),
        external: body.use_external_license,
        ..Rules::default()
    })
}

pub fn users(bytes: &[u8]) -> Result<Vec<String>, No> {
    let body: UsersBody = json(bytes)?;
    someone(&body.user_ids)?;
    Ok(once(body.user_ids))
}

pub fn group(bytes: &[u8]) -> Result<String, No> {
    json::<GroupBody>(bytes).map(|body| body.id)
}

pub fn names(bytes: &[u8]) -> Result<Vec<String>, No> {
    json::<NamesBody>(bytes).map(|body| once(body.entitlement_names))
}

/// As often as it was named, one is looked up, counted and told once.
fn once(texts: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::with_capacity(texts.len());
    let first: Vec<bool> = texts.iter().map(|text| seen.insert(text.as_str())).collect();
    let mut first = first.into_iter();
    let mut texts = texts;
    texts.retain(|_| first.next() == Some(true));
    texts
}

/// What one call may ask for.
pub fn bound(users: usize, items: usize, most: u64) -> Result<(), No> {
    let all = (users as u64).saturating_mul(items.max(1) as u64);
    if all <= most {
        return Ok(());
    }
    let message = format!("the call is about {all} allocations, and one may be about {most}: send several");
    Err(No::bad_request("tooManyTargets", message))
}

/// The parameters of a query that are read, whatever their case; others are passed over.
pub struct Query(Vec<(String, String)>);

pub fn query(raw: &str, limits: &Limits) -> Result<Query, No> {
    Ok(Query(door::pairs(raw, limits.parameters())?))
}

impl Query {
    /// The first of that name that says anything.
    pub fn one(&self, name: &str) -> Option<String> {
        let mut found = self
            .0
            .iter()
            .filter(|(known, value)| known.eq_ignore_ascii_case(name) && !value.is_empty());
        found.next().map(|(_, value)| value.clone())
    }

    /// The same, of what means something else where it is left out.
    pub fn one_or_none(&self, name: &str) -> Result<Option<String>, No> {
        match self.0.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            true => self.required(name).map(Some),
            false => Ok(None),
        }
    }

    pub fn required(&self, name: &str) -> Result<String, No> {
        let missing = || No::bad_request("parameterMissing", format!("the query has no `{name}`"));
        self.one(name).ok_or_else(missing)
    }

    fn number(&self, name: &str) -> Result<Option<usize>, No> {
        let wrong = |text: &str| {
            No::bad_request(
                "badParameter",
                format!("`{name}` is `{text}`: it is a whole number, 0 or more"),
            )
        };
        let text = self.one(name);
        text.map(|text| text.parse().map_err(|_| wrong(&text))).transpose()
    }

    /// How many to skip, and how many to answer: `usual` if it is not said, and no more than `most`.
    pub fn page(&self, usual: usize, most: usize) -> Result<(usize, usize), No> {
        let (skip, top) = (self.number("skip")?, self.number("top")?);
        Ok((skip.unwrap_or(0), top.unwrap_or(usual).min(most)))
    }

    /// By which property, and whether it descends.
    pub fn order(&self) -> Result<(Order, bool), No> {
        let order = match self.one("sortBy").as_deref() {
            None => Order::Created,
            Some("Id") => Order::Id,
            Some("Name") => Order::Name,
            Some("UseExternalLicense") => Order::External,
            Some(other) => {
                let message = format!("`sortBy` is `{other}`: it is `Id`, `Name` or `UseExternalLicense`");
                return Err(No::bad_request("badParameter", message));
            }
        };
        match self.one("sortOrder").as_deref() {
            None => Ok((order, false)),
            Some(text) if text.eq_ignore_ascii_case("asc") => Ok((order, false)),
            Some(text) if text.eq_ignore_ascii_case("desc") => Ok((order, true)),
            Some(other) => {
                let message = format!("`sortOrder` is `{other}`: it is `asc` or `desc`");
                Err(No::bad_request("badParameter", message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_named_twice_counts_once() {
        let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        for (sent, expected) in [
            (&["a", "b", "a", "A", "b", "c"][..], &["a", "b", "A", "c"][..]),
            (&["", ""], &[""]),
            (&[], &[]),
        ] {
            assert_eq!(once(texts(sent)), texts(expected), "{sent:?}");
        }
    }

    #[test]
    fn a_page_is_as_long_as_it_is_asked_for_and_may_be() {
        for (text, most, expected) in [
            ("", 50, Some((0, 50))),
            ("", 1000, Some((0, 50))),
            ("", 20, Some((0, 20))),
            ("top=200&skip=7", 50, Some((7, 50))),
            ("top=200&skip=7", 1000, Some((7, 200))),
            ("Top=2000", 1000, Some((0, 1000))),
            ("top=0", 1000, Some((0, 0))),
            ("top=ten", 1000, None),
            ("skip=-1", 1000, None),
        ] {
            let page = query(text, &Limits::default()).and_then(|query| query.page(50, most));
            assert_eq!(page.ok(), expected, "{text} {most}");
        }
    }
}
