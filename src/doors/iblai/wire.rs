//! What the vendor's schemas answer (`doors.md` B.5): numbers are integers, a license's metadata is an object, and a page has
//! its links under both pairs of names that the vendor's own material has for them.

use serde_json::{Map, Value, json};

use super::notes;
use super::path::Family;
use crate::model::Time;
use crate::operation::licenses::{Assigned, Grouped, Holder, Listed, Seen};

/// The largest number the vendor's clients read: a license without limit.
const UNLIMITED: u64 = i32::MAX as u64;

fn time(time: Time) -> String {
    time.to_string()
}

/// The members that name what a license is of.
fn of(family: Family, seen: &Seen) -> Map<String, Value> {
    let named = match family {
        Family::Program => json!({"program_key": seen.item}),
        Family::Course => json!({"course_id": seen.item}),
        Family::User | Family::Platform => json!({"platform_key": seen.organization}),
    };
    match named {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn with(mut told: Value, more: Map<String, Value>) -> Value {
    if let Some(members) = told.as_object_mut() {
        members.extend(more);
    }
    told
}

pub fn license(family: Family, listed: &Listed) -> Value {
    let seen = &listed.seen;
    let told = json!({
        "id": seen.serial, "created": time(listed.created), "started": time(listed.from),
        "expired": listed.until.map(time), "name": seen.name, "count": listed.seats.unwrap_or(UNLIMITED),
        "active": listed.active, "metadata": notes::metadata(&listed.notes), "source": notes::source(&listed.notes),
        "external_id": listed.alias, "platform_key": seen.organization,
    });
    let mut told = with(told, of(family, seen));
    if family == Family::Program {
        told["program_id"] = json!(seen.item);
        told["program_name"] = json!(seen.item_name);
    }
    if family.is_assigned() {
        told["usage_count"] = json!(listed.used);
        if let Some(sums) = listed.sums {
            told["assignments"] = json!({"total": sums.total, "active": sums.active, "pending": sums.pending});
        }
    }
    told
}

fn kept(metadata: &Option<String>) -> Value {
    let object = metadata.as_deref().and_then(|text| serde_json::from_str(text).ok());
    object.unwrap_or_else(|| json!({}))
}

pub fn assignment(family: Family, assigned: &Assigned) -> Value {
    let Holder {
        serial,
        login,
        name,
        email,
    } = &assigned.holder;
    let mut told = json!({
        "id": assigned.serial, "user_id": serial, "username": login, "name": name, "email": email,
        "active": assigned.active, "fulfilled": assigned.fulfilled, "direct": assigned.direct,
        "metadata": kept(&assigned.metadata), "created": time(assigned.created), "modified": time(assigned.updated),
        "license_id": assigned.of.serial, "license_name": assigned.of.name,
    });
    // In the schema of programs it is a text or not there.
    if family != Family::Program || assigned.redirect_to.is_some() {
        told["redirect_to"] = json!(assigned.redirect_to);
    }
    with(told, of(family, &assigned.of))
}

pub fn group(family: Family, grouped: &Grouped) -> Value {
    let mut told = json!({
        "id": grouped.serial, "group_id": grouped.group, "group_name": grouped.group_name, "active": grouped.active,
        "fulfilled": grouped.fulfilled, "redirect_to": grouped.redirect_to, "metadata": kept(&grouped.metadata),
        "created": time(grouped.created), "modified": time(grouped.updated), "license_id": grouped.of.serial,
        "license_name": grouped.of.name, "user_count": grouped.members, "assigned_count": grouped.assigned,
    });
    if family == Family::Program {
        told["program_name"] = json!(grouped.of.item_name);
    }
    with(told, of(family, &grouped.of))
}

pub fn page(count: usize, next: Option<String>, previous: Option<String>, results: Vec<Value>) -> Value {
    json!({
        "count": count, "next": next, "previous": previous, "next_page": next, "previous_page": previous,
        "results": results,
    })
}
