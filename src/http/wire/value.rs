//! One JSON value as a value of its field: plain, or wrapped as `{"__objType":"Date","value":…}`. Looks at types alone;
//! what an enumeration or a minimum allows is for `operation`.

use compact_str::CompactString;
use uuid::Uuid;

use crate::model::value::hyphenated;
use crate::model::{FieldType, Time, Value};

use super::json::Json;
use super::names;
use super::pointer::{At, BodyError};

/// May a value of the field come in this wrapper? In one of its own type, or in one of the JSON it is written as
/// (`graph-api.md` 2.2 and 2.3).
fn wraps(class: &str, value: &Json<'_>, field_type: FieldType) -> bool {
    match names::short(class) {
        "String" => match field_type {
            FieldType::Time => matches!(value, Json::Text(_) | Json::Null),
            _ => matches!(field_type, FieldType::Text | FieldType::Uuid),
        },
        "Integer" | "Long" | "Short" | "Byte" => match field_type {
            FieldType::Time => matches!(value, Json::Int(_) | Json::Null),
            _ => field_type == FieldType::Int,
        },
        "UUID" | "Uuid" => field_type == FieldType::Uuid,
        "Date" | "DateTime" | "Timestamp" | "Instant" => field_type == FieldType::Time,
        "Boolean" => field_type == FieldType::Bool,
        _ => false,
    }
}

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
    let json = unwrapped(json, field_type, secret, at)?;
    let value = match (field_type, json) {
        (_, Json::Null) => return Ok(None),
        (FieldType::Text, Json::Text(text)) => Some(Value::text(text)),
        (FieldType::Bool, Json::Bool(flag)) => Some(Value::Bool(*flag)),
        (FieldType::Int, Json::Int(number)) => Some(Value::Int(*number)),
        (FieldType::Time, Json::Text(text)) => Time::parse(text).map(Value::Time),
        (FieldType::Time, Json::Int(millis)) => Time::from_millis(*millis).map(Value::Time),
        (FieldType::Uuid, Json::Text(text)) => hyphenated(text).map(Value::Uuid),
        _ => None,
    };
    value
        .map(Some)
        .ok_or_else(|| does_not_fit(json, field_type, secret, at))
}

pub fn id(json: &Json<'_>, at: &At<'_>) -> Result<Option<Uuid>, BodyError> {
    match unwrapped(json, FieldType::Uuid, false, at)? {
        Json::Null => Ok(None),
        Json::Text(text) => hyphenated(text)
            .map(Some)
            .ok_or_else(|| does_not_fit(json, FieldType::Uuid, false, at)),
        _ => Err(does_not_fit(json, FieldType::Uuid, false, at)),
    }
}

pub fn text<'t>(json: &'t Json<'_>, at: &At<'_>) -> Result<&'t str, BodyError> {
    match unwrapped(json, FieldType::Text, false, at)? {
        Json::Text(text) => Ok(text),
        _ => Err(does_not_fit(json, FieldType::Text, false, at)),
    }
}

/// The scalar itself. One that is wrapped as something else is told at the wrapper's type.
fn unwrapped<'t, 'a>(
    json: &'t Json<'a>,
    field_type: FieldType,
    secret: bool,
    at: &At<'_>,
) -> Result<&'t Json<'a>, BodyError> {
    let fault = || does_not_fit(json, field_type, secret, at);
    let value = match json {
        Json::Object(members) => {
            let known = members.iter().all(|(name, _)| name == "__objType" || name == "value");
            let value = json.member("value").filter(|_| known).ok_or_else(fault)?;
            match json.member("__objType") {
                None => {}
                Some(Json::Text(class)) if wraps(class, value, field_type) => {}
                Some(class) => {
                    let error = does_not_fit(class, field_type, secret, at);
                    let pointer = At::Key(at, "__objType").pointer();
                    return Err(BodyError { pointer, ..error });
                }
            }
            value
        }
        plain => plain,
    };
    match value {
        Json::Object(_) | Json::List(_) => Err(fault()),
        scalar => Ok(scalar),
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
