//! Results on standard output, for people as a table or for programs as JSON.

use std::io::Write;

use clap::ValueEnum;
use comfy_table::{Table, presets};
use serde_json::Value;

use super::Failure;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    #[default]
    Table,
    Json,
}

/// A word to who runs the command, on standard error. That it cannot be written there is nobody's to hear.
pub fn aside(text: &str) {
    let _ = std::io::stderr().lock().write_all(format!("{text}\n").as_bytes());
}

/// A line of its own.
pub fn line(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// Lines for a person to read.
pub fn lines(text: &str) -> Result<(), Failure> {
    line(&text.lines().map(plain).collect::<Vec<_>>().join("\n"))
}

/// As it may stand on a terminal: names are anybody's, and what they hold must neither command it nor turn what is read around.
pub fn plain(text: &str) -> String {
    let commands =
        |letter: char| letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown = |letter: char| if commands(letter) { '\u{fffd}' } else { letter };
    text.chars().map(shown).collect()
}

pub fn json(value: &Value) -> Result<(), Failure> {
    line(&serde_json::to_string_pretty(value).map_err(|error| Failure::refused(error.to_string()))?)
}

/// A row an object, a column a member that any of them has, in the order in which they are first met.
pub fn table(objects: &[Value]) -> String {
    let mut columns: Vec<&str> = Vec::new();
    for object in objects.iter().filter_map(Value::as_object) {
        for name in object.keys() {
            if !columns.contains(&name.as_str()) {
                columns.push(name);
            }
        }
    }
    // Who it is comes first, what it hangs on last.
    let place = |name: &str| match name {
        "__objType" => 0,
        "id" => 1,
        "name" | "title" | "displayName" => 2,
        "created" | "updated" | "serial" => 4,
        "referenceFields" => 5,
        "rel_Relations" => 6,
        _ => 3,
    };
    columns.sort_by_key(|name| place(name));
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(columns.iter().map(|name| plain(name)));
    for object in objects {
        table.add_row(
            columns
                .iter()
                .map(|name| object.get(*name).map_or_else(String::new, |value| plain(&cell(value)))),
        );
    }
    table
        .to_string()
        .lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(members) if members.get("__objType").is_some_and(|kind| kind == "HashMap") => references(value),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().map(cell).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// `ref_Organization_id=…`
fn references(map: &Value) -> String {
    let entries = map["Entries"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
    entries
        .iter()
        .map(|entry| format!("{}={}", text(&entry["key"]), text(&entry["value"])))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_has_every_member_of_every_object() {
        let check = |objects: Value, expected: &str| {
            assert_eq!(
                table(objects.as_array().map(Vec::as_slice).unwrap_or_default()),
                expected
            );
        };
        check(
            json!([
                {"__objType": "A", "id": "1", "size": 3, "name": "x"},
                {"__objType": "B", "id": "2", "texts": ["a", "b"], "line": "one\ntwo"},
            ]),
            " __objType  id  name  size  line     texts\n A          1   x     3\n B          2               one\u{fffd}two  a b",
        );
        check(
            json!([{"referenceFields": {"__objType": "HashMap", "Entries": [
                {"key": {"value": "ref_A_id"}, "value": {"value": "7"}}]}}]),
            " referenceFields\n ref_A_id=7",
        );
        check(
            json!([{"a": "\u{1b}]0;x\u{7}", "b": ["\u{9b}2J"], "c": {"d": "\u{202e}x\u{2069}"}}]),
            " a       b    c\n \u{fffd}]0;x\u{fffd}  \u{fffd}2J  {\"d\":\"\u{fffd}x\u{fffd}\"}",
        );
    }
}
