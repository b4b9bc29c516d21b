//! Records of the vendor's answers (`doors.md` C.4).

use serde_json::{Map, Value, json};

use crate::operation::sale::{Given, Holder, Object, Property, Sold, Terms, User};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

pub fn license(sold: &Sold) -> Value {
    let mut told = json!({
        "tizra-id": sold.id, "active": sold.active && !sold.terms.has_ended, "controlled": sold.item,
        "offer-id": sold.offer, "match-objects": sold.matching.is_some(), "terms": terms(&sold.terms),
        "props": sold.properties.iter().map(|(key, value)| (key.clone(), json!(value))).collect::<Map<_, _>>(),
    });
    match &sold.holder {
        Some(Holder::User(name)) => told["user-name"] = json!(name),
        Some(Holder::Set(name)) => told["user-set-name"] = json!(name),
        None => {}
    }
    if let Some((property, values)) = &sold.matching {
        told["match-property"] = json!(property);
        told["match-values"] = json!(values);
    }
    told
}

fn terms(terms: &Terms) -> Value {
    let duration = match (terms.from, terms.until) {
        (Some(from), Some(until)) => duration(until.millis().saturating_sub(from.millis())),
        (None, Some(until)) => until.to_string(),
        (_, None) => "perpetual".to_owned(),
    };
    json!({
        "concurrencies": terms.concurrencies, "duration": duration, "excluded-views": [], "is-expired": terms.has_ended,
    })
}

/// As ISO 8601 has it: whole days, or seconds.
fn duration(ms: i64) -> String {
    match ms % DAY_MS {
        0 => format!("P{}D", ms / DAY_MS),
        _ => format!("PT{}S", ms / 1000),
    }
}

fn props(properties: &[Property]) -> Value {
    let each = properties.iter().filter_map(|Property { key, value }| {
        let value = match value {
            Given::Text(text) => json!(text),
            Given::List(list) => json!(list),
            Given::Nothing => return None,
        };
        Some((key.clone(), value))
    });
    Value::Object(each.collect())
}

pub fn user(user: &User) -> Value {
    let (status, description) = match user.is_valid {
        true => (1, "Active"),
        false => (0, "Inactive"),
    };
    json!({
        "tizra-id": user.id, "url-id": user.id, "meta-type": "UserData", "email": user.name,
        "user-status": status, "user-status-description": description, "props": props(&user.properties),
    })
}

pub fn object(object: &Object) -> Value {
    let other = |id: &str, meta: &str, name: &str, properties: &[Property]| json!({"tizra-id": id, "url-id": id, "meta-type": meta, "name": name, "props": props(properties)});
    match object {
        Object::User(one) => user(one),
        Object::Item { id, name, properties } => {
            let meta = properties.iter().find(|property| property.key == "meta-type");
            let meta = meta.and_then(|property| match &property.value {
                Given::Text(text) => Some(text.as_str()),
                _ => None,
            });
            other(id, meta.unwrap_or("Object"), name, properties)
        }
        Object::Offer { id, title, properties } => other(id, "Offer", title, properties),
    }
}

/// Beside what every answer has: the status and a message, and where it leads.
pub fn answer(status: u16, message: &str, location: Option<&str>, told: Value) -> Value {
    let mut answer = json!({"status": status, "message": message});
    if let Some(location) = location {
        answer["location"] = json!(location);
    }
    if let (Value::Object(answer), Value::Object(told)) = (&mut answer, told) {
        answer.extend(told);
    }
    answer
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
