//! Whether an answer is the expected one: exactly, but for three words that stand for what nobody can know beforehand.

use serde_json::Value;

/// The first difference, with its place as a JSON pointer.
///
/// The entries of a map (`{"__objType":"HashMap","Entries":[…]}`) have no order.
/// `"$any"` is any value, `"$uuid"` the text of a UUID, `"$time"` an ISO 8601 time in UTC with milliseconds.
pub fn difference(expected: &Value, found: &Value) -> Option<String> {
    at("", expected, found)
}

fn at(place: &str, expected: &Value, found: &Value) -> Option<String> {
    if let (Some(expected), Some(found)) = (sorted_map(expected), sorted_map(found)) {
        return at(&format!("{place}/Entries"), &expected, &found);
    }
    let differs = || Some(format!("at `{place}`: expected {expected}, found {found}"));
    match (expected, found) {
        (Value::String(word), found) if word.starts_with('$') => {
            let fits = match word.as_str() {
                "$any" => true,
                "$uuid" => found
                    .as_str()
                    .is_some_and(|text| text.len() == 36 && text.parse::<uuid::Uuid>().is_ok()),
                "$time" => found.as_str().is_some_and(|text| {
                    text.len() == 24 && text.ends_with('Z') && seatgraph::model::Time::parse(text).is_some()
                }),
                _ => return Some(format!("at `{place}`: nothing is called `{word}`")),
            };
            if fits { None } else { differs() }
        }
        (Value::Object(expected), Value::Object(found)) => {
            for (name, expected) in expected {
                match found.get(name) {
                    Some(found) => {
                        if let Some(difference) = at(&format!("{place}/{name}"), expected, found) {
                            return Some(difference);
                        }
                    }
                    None => return Some(format!("at `{place}`: `{name}` is missing, expected {expected}")),
                }
            }
            let more = found.iter().find(|(name, _)| !expected.contains_key(*name));
            more.map(|(name, value)| format!("at `{place}`: `{name}` was not expected: {value}"))
        }
        (Value::Array(expected), Value::Array(found)) => {
            let pairs = expected.iter().zip(found).enumerate();
            for (index, (expected, found)) in pairs {
                if let Some(difference) = at(&format!("{place}/{index}"), expected, found) {
                    return Some(difference);
                }
            }
            (expected.len() != found.len()).then(|| {
                let rest = if expected.len() > found.len() {
                    &expected[found.len()..]
                } else {
                    &found[expected.len()..]
                };
                format!(
                    "at `{place}`: expected {} elements, found {}: {}",
                    expected.len(),
                    found.len(),
                    Value::from(rest.to_vec())
                )
            })
        }
        (expected, found) if expected == found => None,
        _ => differs(),
    }
}

fn sorted_map(value: &Value) -> Option<Value> {
    let mut entries = value
        .get("Entries")?
        .as_array()
        .filter(|_| value["__objType"] == "HashMap")?
        .clone();
    entries.sort_by_key(|entry| entry["key"]["value"].to_string());
    (value.as_object()?.len() == 2).then_some(Value::Array(entries))
}

#[test]
fn differences_are_found_where_they_are() {
    let check = |expected: &str, found: &str, difference_at: Option<&str>| {
        let parse = |text: &str| serde_json::from_str(text).expect("JSON");
        let difference = difference(&parse(expected), &parse(found));
        match difference_at {
            None => assert_eq!(difference, None),
            Some(place) => assert!(
                difference
                    .as_ref()
                    .is_some_and(|text| text.starts_with(&format!("at `{place}`:"))),
                "{expected} {found}: {difference:?}"
            ),
        }
    };
    check(r#"{"a":[1,"x",null]}"#, r#"{"a":[1,"x",null]}"#, None);
    check(r#"{"a":[1,"x"]}"#, r#"{"a":[1,"y"]}"#, Some("/a/1"));
    check(r#"{"a":[1]}"#, r#"{"a":[1,2]}"#, Some("/a"));
    check(r#"{"a":[1,2]}"#, r#"{"a":[1]}"#, Some("/a"));
    check(r#"{"a":1}"#, r#"{"a":1,"b":2}"#, Some(""));
    check(r#"{"a":1,"b":2}"#, r#"{"a":1}"#, Some(""));
    let map = |one: &str, two: &str| {
        let entry = |key: &str| format!(r#"{{"key":{{"__objType":"String","value":"{key}"}},"value":1}}"#);
        format!(r#"{{"__objType":"HashMap","Entries":[{},{}]}}"#, entry(one), entry(two))
    };
    check(&map("a", "b"), &map("b", "a"), None);
    check(&map("a", "b"), &map("b", "c"), Some("/Entries/0/key/value"));
    check("1", "1.5", Some(""));
    check("1", "\"1\"", Some(""));
    check("\"$any\"", "[]", None);
    check("\"$uuid\"", "\"10000000-0000-4000-8000-000000000001\"", None);
    check("\"$uuid\"", "\"10000000\"", Some(""));
    check("\"$time\"", "\"2026-01-15T12:00:00.000Z\"", None);
    check("\"$time\"", "\"2026-01-15\"", Some(""));
    check("\"$tiem\"", "\"2026-01-15\"", Some(""));
}
