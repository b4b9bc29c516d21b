//! One JSON value as a value of its field: plain, or wrapped as `{"__objType":"Date","value":…}`. Looks at types alone;
//! what an enumeration or a minimum allows is for `operation`.

use compact_str::CompactString;
use uuid::Uuid;

use crate::model::{FieldType, Time, Value};

use super::json::Json;
use super::names;
use super::pointer::{At, BodyError};

/// The wrappers a scalar may come in.
const WRAPPERS: &[&str] = &[
    "String",
    "UUID",
    "Uuid",
    "Date",
    "DateTime",
    "Timestamp",
    "Instant",
    "Boolean",
    "Integer",
    "Long",
    "Short",
    "Byte",
];

/// `null` is `None`. A JSON field takes any other value as it is, wrappers included.
pub fn read(json: &Json<'_>, field_type: FieldType, secret: bool, at: &At<'_>) -> Result<Option<Value>, BodyError> {
    if field_type == FieldType::Json {
        if *json == Json::Null {
            return Ok(None);
        }
        let mut out = Vec::new();
        json.write(&mut out);
        // What was read as UTF-8 is written as UTF-8.
        return Ok(Some(Value::Text(CompactString::from_utf8_lossy(&out))));
    }
    let json = unwrapped(json).ok_or_else(|| does_not_fit(json, field_type, secret, at))?;
    let value = match (field_type, json) {
        (_, Json::Null) => return Ok(None),
        (FieldType::Text, Json::Text(text)) => Some(Value::text(text)),
        (FieldType::Bool, Json::Bool(flag)) => Some(Value::Bool(*flag)),
        (FieldType::Int, Json::Int(number)) => Some(Value::Int(*number)),
        (FieldType::Time, Json::Text(text)) => Time::parse(text).map(Value::Time),
        (FieldType::Time, Json::Int(millis)) => Time::from_millis(*millis).map(Value::Time),
        (FieldType::Uuid, Json::Text(text)) => parse_id(text).map(Value::Uuid),
        _ => None,
    };
    value
        .map(Some)
        .ok_or_else(|| does_not_fit(json, field_type, secret, at))
}

pub fn id(json: &Json<'_>, at: &At<'_>) -> Result<Option<Uuid>, BodyError> {
    match unwrapped(json) {
        Some(Json::Null) => Ok(None),
        Some(Json::Text(text)) => parse_id(text)
            .map(Some)
            .ok_or_else(|| does_not_fit(json, FieldType::Uuid, false, at)),
        _ => Err(does_not_fit(json, FieldType::Uuid, false, at)),
    }
}

pub fn text<'t>(json: &'t Json<'_>, at: &At<'_>) -> Result<&'t str, BodyError> {
    match unwrapped(json) {
        Some(Json::Text(text)) => Ok(text),
        _ => Err(does_not_fit(json, FieldType::Text, false, at)),
    }
}

/// The hyphenated form alone, in any case.
fn parse_id(text: &str) -> Option<Uuid> {
    if text.len() == uuid::fmt::Hyphenated::LENGTH {
        Uuid::try_parse(text).ok()
    } else {
        None
    }
}

/// `None`: an object or array that is no wrapped scalar.
fn unwrapped<'t, 'a>(json: &'t Json<'a>) -> Option<&'t Json<'a>> {
    let value = match json {
        Json::Object(members) => {
            let known = members.iter().all(|(name, _)| name == "__objType" || name == "value");
            let wrapper = match json.member("__objType") {
                Some(Json::Text(class)) => WRAPPERS.contains(&names::short(class)),
                Some(_) => false,
                None => true,
            };
            json.member("value").filter(|_| known && wrapper)?
        }
        plain => plain,
    };
    if matches!(value, Json::Object(_) | Json::List(_)) {
        None
    } else {
        Some(value)
    }
}

fn does_not_fit(json: &Json<'_>, field_type: FieldType, secret: bool, at: &At<'_>) -> BodyError {
    let name = match at {
        At::Key(_, name) => format!(" `{name}`"),
        _ => String::new(),
    };
    let shown = if secret { "…".to_owned() } else { json.shown() };
    let error = BodyError::new(
        "valueDoesNotFit",
        at,
        format!("`{shown}` does not fit{name}: {} is expected", expected(field_type)),
    );
    match field_type {
        FieldType::Time => error.help(
            "ISO 8601 as `2026-01-31T12:00:00.000Z`, with `Z` or an offset, or milliseconds since 1970 as a number",
        ),
        FieldType::Uuid => error.help("a UUID looks like `2f1c7c1e-3c1b-4c52-9d0a-0f5f6a8b7c6d`"),
        _ => error,
    }
}

fn expected(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::Text => "a string",
        FieldType::Bool => "true or false",
        FieldType::Int => "an integer of 64 bits",
        FieldType::Time => "a time",
        FieldType::Uuid => "a UUID",
        FieldType::Json => "a JSON value",
    }
}
