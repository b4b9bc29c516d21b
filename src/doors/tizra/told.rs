//! Records of the vendor's answers (`doors.md` C.4).

use serde::{Serialize, Serializer};

use crate::http::door::{Members, json, list};
use crate::limits::Limits;
use crate::operation::sale::{Given, Holder, Object, Property, SaleError, Sold, User};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct License<'a> {
    tizra_id: &'a str,
    active: bool,
    controlled: Option<&'a str>,
    offer_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_set_name: Option<&'a str>,
    match_objects: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    match_property: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    match_values: Option<&'a [String]>,
    props: Members<'a, String, String>,
    terms: Terms,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Terms {
    concurrencies: Option<i64>,
    duration: String,
    excluded_views: [&'static str; 0],
    is_expired: bool,
}

pub fn license(sold: &Sold) -> License<'_> {
    let (user_name, user_set_name) = match &sold.holder {
        Some(Holder::User(name)) => (Some(name.as_str()), None),
        Some(Holder::Set(name)) => (None, Some(name.as_str())),
        None => (None, None),
    };
    let matching = sold.matching.as_ref();
    let terms = &sold.terms;
    License {
        tizra_id: &sold.id,
        active: sold.active && !terms.has_ended,
        controlled: sold.item.as_deref(),
        offer_id: sold.offer.as_deref(),
        user_name,
        user_set_name,
        match_objects: matching.is_some(),
        match_property: matching.map(|(property, _)| property.as_str()),
        match_values: matching.map(|(_, values)| values.as_slice()),
        props: Members(&sold.properties),
        terms: Terms {
            concurrencies: terms.concurrencies,
            duration: match (terms.from, terms.until) {
                (Some(from), Some(until)) => duration(until.millis().saturating_sub(from.millis())),
                (None, Some(until)) => until.to_string(),
                (_, None) => "perpetual".to_owned(),
            },
            excluded_views: [],
            is_expired: terms.has_ended,
        },
    }
}

/// As ISO 8601 has it: whole days, or seconds.
fn duration(ms: i64) -> String {
    match ms % DAY_MS {
        0 => format!("P{}D", ms / DAY_MS),
        _ => format!("PT{}S", ms / 1000),
    }
}

/// Texts and lists by their keys.
struct Props<'a>(&'a [Property]);

impl Serialize for Props<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum One<'a> {
            Text(&'a str),
            List(&'a [String]),
        }
        let each = self.0.iter().filter_map(|Property { key, value }| {
            let value = match value {
                Given::Text(text) => One::Text(text),
                Given::List(list) => One::List(list),
                Given::Nothing => return None,
            };
            Some((key, value))
        });
        to.collect_map(each)
    }
}

/// A user, or whatever else has properties.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Record<'a> {
    tizra_id: &'a str,
    url_id: &'a str,
    meta_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(flatten)]
    user: Option<OfUser<'a>>,
    props: Props<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct OfUser<'a> {
    email: &'a str,
    user_status: u8,
    user_status_description: &'static str,
}

pub fn user(user: &User) -> Record<'_> {
    let (user_status, user_status_description) = match user.is_valid {
        true => (1, "Active"),
        false => (0, "Inactive"),
    };
    Record {
        tizra_id: &user.id,
        url_id: &user.id,
        meta_type: "UserData",
        name: None,
        user: Some(OfUser {
            email: &user.name,
            user_status,
            user_status_description,
        }),
        props: Props(&user.properties),
    }
}

pub fn object(object: &Object) -> Record<'_> {
    let (id, meta_type, name, properties) = match object {
        Object::User(one) => return user(one),
        Object::Item { id, name, properties } => {
            let meta = properties.iter().find(|property| property.key == "meta-type");
            let meta = meta.and_then(|property| match &property.value {
                Given::Text(text) => Some(text.as_str()),
                _ => None,
            });
            (id, meta.unwrap_or("Object"), name, properties)
        }
        Object::Offer { id, title, properties } => (id, "Offer", title, properties),
    };
    Record {
        tizra_id: id,
        url_id: id,
        meta_type,
        name: Some(name),
        user: None,
        props: Props(properties),
    }
}

/// What is told, beside what every answer has: the status and a message, and where it leads.
pub fn answer(status: u16, message: &str, location: Option<&str>, told: impl Serialize) -> Vec<u8> {
    #[derive(Serialize)]
    struct Answer<'a, T> {
        status: u16,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        location: Option<&'a str>,
        #[serde(flatten)]
        told: T,
    }
    json(&Answer {
        status,
        message,
        location,
        told,
    })
}

/// Of a read.
pub fn ok(told: impl Serialize) -> Vec<u8> {
    answer(200, "OK", None, told)
}

/// Nothing beside that.
#[derive(Serialize)]
pub struct Nothing {}

#[derive(Serialize)]
pub struct One<'a> {
    pub license: License<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Made<'a> {
    pub tizra_id: &'a str,
    pub license: License<'a>,
}

/// Of a session and of a login.
#[derive(Serialize)]
pub struct Entered<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<&'a str>,
    pub user: Record<'a>,
    pub licenses: Vec<License<'a>>,
}

/// A page without its end: what follows it may be where the next one begins.
pub fn licenses(sold: &[Sold], limits: &Limits) -> Result<Vec<u8>, SaleError> {
    let mut out = ok(Nothing {});
    out.pop();
    out.extend_from_slice(b",\"licenses\":");
    list::<_, SaleError>(&mut out, sold.iter().map(license), limits)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_duration_is_of_days_or_seconds() {
        for (ms, text) in [
            (super::DAY_MS, "P1D"),
            (30 * super::DAY_MS, "P30D"),
            (3_600_000, "PT3600S"),
            (0, "P0D"),
            (super::DAY_MS + 1500, "PT86401S"),
        ] {
            assert_eq!(super::duration(ms), text);
        }
    }
}
