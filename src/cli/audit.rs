//! `audit`: the log of commits from the shell, page after page until there are as many as asked for.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use uuid::Uuid;

use super::client::encoded;
use super::output::{self, Output};
use super::place::Place;
use super::{Common, Exit, Failure};

#[derive(Args)]
pub struct Audit {
    /// Commits after this revision
    #[arg(long, value_name = "REVISION")]
    after: Option<u64>,
    /// Commits before this revision
    #[arg(long, value_name = "REVISION")]
    before: Option<u64>,
    /// Changes to this entity, and to relations at it
    #[arg(long, value_name = "ID")]
    entity: Option<Uuid>,
    /// Commits of this operation, such as MoveLicenses
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
    /// Commits by this token or profile
    #[arg(long, value_name = "ID")]
    by: Option<Uuid>,
    /// Oldest or newest first
    #[arg(long, value_enum, default_value_t)]
    order: Order,
    /// How many commits
    #[arg(long, default_value_t = 100, value_name = "NUMBER")]
    limit: usize,
    #[command(flatten)]
    place: Place,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Order {
    #[default]
    Asc,
    Desc,
}

/// Changes named in a row of the table; the rest is counted.
const NAMED: usize = 3;

pub fn run(common: &Common, args: &Audit) -> Result<(), Failure> {
    if args.limit == 0 {
        return Err(Failure::new(Exit::Usage, "`--limit` is 0").help("ask for at least 1"));
    }
    let reached = args.place.reach_to_read(common)?;
    let filter = args.filter();
    let mut range = args.range();
    let mut items: Vec<Value> = Vec::new();
    let more = loop {
        // As many as the server gives unasked: how many it would give is its own setting.
        let mut page = reached.client.get(&format!("/audit?{filter}{range}"))?.json()?;
        let found = page["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
        found.into_iter().for_each(|item| join(&mut items, item));
        let Some(cursor) = page["nextCursor"].as_str() else {
            break items.len() > args.limit;
        };
        // An item in parts is had whole.
        let whole = items.last().is_none_or(|last| last.get("partial").is_none());
        if items.len() > args.limit || items.len() == args.limit && whole {
            break true;
        }
        range = format!("&cursor={}", encoded(cursor));
    };
    drop(reached);
    items.truncate(args.limit);
    match common.output {
        Output::Json => output::json(&Value::from(items.clone()))?,
        Output::Table if items.is_empty() => output::aside("nothing matches"),
        Output::Table => output::line(&output::table(&items.iter().map(row).collect::<Vec<_>>()))?,
    }
    if let (true, Some(last)) = (more, items.last()) {
        let on = if args.order == Order::Asc {
            "--after"
        } else {
            "--before"
        };
        output::aside(&format!("there may be more: {on} {}", last["revision"]));
    }
    Ok(())
}

impl Audit {
    /// What stays the same from page to page.
    fn filter(&self) -> String {
        let order = if self.order == Order::Asc { "asc" } else { "desc" };
        let mut filter = format!("order={order}");
        let texts = [
            ("entity", self.entity.map(|id| id.to_string())),
            ("operation", self.operation.clone()),
            ("by", self.by.map(|id| id.to_string())),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                filter.push_str(&format!("&{name}={}", encoded(&text)));
            }
        }
        filter
    }

    /// Where the first page begins; the others begin at a cursor.
    fn range(&self) -> String {
        let bound = |name: &str, revision: Option<u64>| revision.map_or_else(String::new, |at| format!("&{name}={at}"));
        bound("after", self.after) + &bound("before", self.before)
    }
}

/// A commit that was cut goes on with the first item of the next page.
fn join(items: &mut Vec<Value>, mut item: Value) {
    let Some(last) = items.last_mut().filter(|last| last["revision"] == item["revision"]) else {
        items.push(item);
        return;
    };
    if let (Some(told), Some(rest)) = (last["changes"].as_array_mut(), item["changes"].as_array_mut()) {
        told.append(rest);
    }
    if item.get("partial").is_none()
        && let Some(members) = last.as_object_mut()
    {
        members.remove("partial");
    }
}

/// A commit as a row of the table.
fn row(item: &Value) -> Value {
    let changes = item["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut told: Vec<String> = changes.iter().take(NAMED).map(change).collect();
    if changes.len() > NAMED {
        told.push(format!("{} more", changes.len() - NAMED));
    }
    let by = ["profileId", "tokenId"]
        .into_iter()
        .find_map(|name| item["by"][name].as_str());
    json!({
        "revision": item["revision"], "at": item["at"], "operation": item["operation"], "by": by.unwrap_or("the server"),
        "changes": told.join(", "),
    })
}

/// `updated License 90000000-…`; a relation by its two ends.
fn change(change: &Value) -> String {
    let text = |name: &str| change[name].as_str().unwrap_or_default();
    let ends = change["referenceFields"].as_object().into_iter().flatten();
    let ends: Vec<&str> = ends.filter_map(|(_, id)| id.as_str()).collect();
    let of = if ends.is_empty() {
        text("id").to_owned()
    } else {
        ends.join("–")
    };
    let name = match text("multiplicity") {
        "" => text("__objType"),
        multiplicity => multiplicity,
    };
    format!("{} {name} {of}", text("change"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_in_parts_is_joined() {
        let mut items = Vec::new();
        for item in [
            json!({"revision": 1, "changes": [1]}),
            json!({"revision": 2, "changes": [2], "partial": true}),
            json!({"revision": 2, "changes": [3], "partial": true}),
            json!({"revision": 2, "changes": [4]}),
            json!({"revision": 3, "changes": [5]}),
        ] {
            join(&mut items, item);
        }
        let expected = json!([
            {"revision": 1, "changes": [1]}, {"revision": 2, "changes": [2, 3, 4]}, {"revision": 3, "changes": [5]},
        ]);
        assert_eq!(Value::from(items), expected);
    }

    #[test]
    fn a_row_says_who_did_what() {
        let created = json!({"change": "created", "__objType": "License", "id": "L"});
        let check = |by: Value, changes: Value, expected: (&str, &str)| {
            let row = row(&json!({"revision": 7, "at": "T", "operation": "Create", "by": by, "changes": changes}));
            assert_eq!(
                (row["by"].as_str(), row["changes"].as_str()),
                (Some(expected.0), Some(expected.1))
            );
        };
        check(
            json!({"tokenId": "t", "profileId": "p"}),
            json!([created]),
            ("p", "created License L"),
        );
        check(json!({"tokenId": "t"}), json!([]), ("t", ""));
        check(
            json!({}),
            json!([created, created, created, created]),
            (
                "the server",
                "created License L, created License L, created License L, 1 more",
            ),
        );
        check(
            json!({}),
            json!([{"change": "removed", "__objType": "ObjectRelation", "multiplicity": "ONE_TO_MANY",
                "referenceFields": {"ref_Entitlement_id": "E", "ref_License_id": "L"}}]),
            ("the server", "removed ONE_TO_MANY E–L"),
        );
    }
}
