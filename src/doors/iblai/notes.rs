//! A license's `metadata`, `enrollment_config` and `source` among the notes of the core, which are texts by keys (`doors.md`
//! E). A text that could be read as JSON is kept as JSON, so that each comes back as what it was.

use serde_json::{Map, Value};

use crate::entitlement::notes::is_servers;

const SOURCE: &str = "source";
pub const CONFIG: &str = "enrollment_config";
/// Before a key that would be taken for one of those.
const ESCAPED: &str = "metadata.";
/// They stay when the metadata is another, as what the server keeps with a license does.
pub const KEPT: &[&str] = &[SOURCE, CONFIG];

fn is_kept(key: &str) -> bool {
    KEPT.contains(&key) || is_servers(key)
}

fn key(name: &str) -> String {
    match is_kept(name) || name.starts_with(ESCAPED) || name.is_empty() {
        true => format!("{ESCAPED}{name}"),
        false => name.to_owned(),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) if serde_json::from_str::<Value>(text).is_err() => text.clone(),
        value => value.to_string(),
    }
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// As far as each was given.
pub fn kept(
    metadata: Option<&Map<String, Value>>,
    config: Option<&Map<String, Value>>,
    source: Option<&str>,
) -> Vec<(String, String)> {
    let metadata = metadata
        .into_iter()
        .flatten()
        .map(|(name, value)| (key(name), text(value)));
    let config = config.map(|config| (CONFIG.to_owned(), Value::Object(config.clone()).to_string()));
    let source = source.map(|source| (SOURCE.to_owned(), source.to_owned()));
    metadata.chain(config).chain(source).collect()
}

/// A key and the texts it may be kept as, for a value that was asked for in a query.
pub fn asked(name: &str, wanted: &str) -> (String, Vec<String>) {
    let quoted = Value::from(wanted).to_string();
    (key(name), vec![wanted.to_owned(), quoted])
}

pub fn metadata(notes: &[(String, String)]) -> Map<String, Value> {
    let notes = notes.iter().filter(|(key, _)| !is_kept(key));
    notes
        .map(|(key, text)| (key.strip_prefix(ESCAPED).unwrap_or(key).to_owned(), value(text)))
        .collect()
}

pub fn source(notes: &[(String, String)]) -> &str {
    let mut notes = notes.iter().filter(|(key, _)| key == SOURCE);
    notes.next().map_or("", |(_, text)| text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn metadata_comes_back_as_it_was() {
        for sent in [
            json!({}),
            json!({"tier": "gold", "five": "5", "number": 5, "none": null, "flag": true, "text": "true", "quoted": "\"x\""}),
            json!({"source": "mine", "enrollment_config": {"a": 1}, "metadata.x": [1, "a"], "importedId": "7", "transaction:o-1": "{}", "": "nameless", "empty": ""}),
        ] {
            let notes = kept(sent.as_object(), Some(&Map::new()), Some("api"));
            assert_eq!(Value::Object(metadata(&notes)), sent);
            assert_eq!(source(&notes), "api");
        }
        for (value, wanted) in [
            (json!(5), "5"),
            (json!("5"), "5"),
            (json!("gold"), "gold"),
            (json!(true), "true"),
        ] {
            let notes = kept(Some(&Map::from_iter([("x".to_owned(), value.clone())])), None, None);
            let (key, texts) = asked("x", wanted);
            assert!(
                notes.iter().any(|(known, text)| *known == key && texts.contains(text)),
                "{value}"
            );
        }
    }
}
