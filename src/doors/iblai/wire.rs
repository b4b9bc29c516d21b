//! What the vendor's schemas answer (`doors.md` B.5): numbers are integers, a license's metadata is an object, and a page has
//! its links under both pairs of names that the vendor's own material has for them.

use serde::Serialize;
use serde_json::{Map, Value};

use super::notes;
use super::path::Family;
use crate::http::door::{At, json};
use crate::operation::licenses::{Assigned, Grouped, Listed, Seen, Sums, WITHOUT_LIMIT};

/// Of a license without limit, or with a higher one.
const UNLIMITED: u64 = WITHOUT_LIMIT as u64;

/// The members that name what a license is of; the others are absent.
#[derive(Serialize)]
pub struct Of<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    program_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    course_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform_key: Option<&'a str>,
}

fn of(family: Family, seen: &Seen) -> Of<'_> {
    let item = |of: Family| (family == of).then_some(seen.item.as_str());
    let is_platforms = matches!(family, Family::User | Family::Platform);
    Of {
        program_key: item(Family::Program),
        course_id: item(Family::Course),
        platform_key: is_platforms.then_some(&seen.organization),
    }
}

#[derive(Serialize)]
pub struct License<'a> {
    id: u64,
    created: At,
    started: At,
    expired: Option<At>,
    name: &'a str,
    count: u64,
    active: bool,
    metadata: Map<String, Value>,
    source: &'a str,
    external_id: Option<&'a str>,
    #[serde(flatten)]
    of: Of<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    program_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    program_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignments: Option<Counts>,
}

#[derive(Serialize)]
struct Counts {
    total: u64,
    active: u64,
    pending: u64,
}

pub fn license(family: Family, listed: &Listed) -> License<'_> {
    let seen = &listed.seen;
    let is_program = family == Family::Program;
    let counts = |sums: Sums| Counts {
        total: sums.total,
        active: sums.active,
        pending: sums.pending,
    };
    License {
        id: seen.serial,
        created: At(listed.created),
        started: At(listed.from),
        expired: listed.until.map(At),
        name: &seen.name,
        count: listed.seats.unwrap_or(UNLIMITED).min(UNLIMITED),
        active: listed.active,
        metadata: notes::metadata(&listed.notes),
        source: notes::source(&listed.notes),
        external_id: listed.alias.as_deref(),
        // A license says whose it is, whatever it is of.
        of: Of {
            platform_key: Some(&seen.organization),
            ..of(family, seen)
        },
        program_id: is_program.then_some(&seen.item),
        program_name: is_program.then_some(&seen.item_name),
        usage_count: family.is_assigned().then_some(listed.used),
        assignments: listed.sums.filter(|_| family.is_assigned()).map(counts),
    }
}

fn kept(metadata: Option<&str>) -> Value {
    let object = metadata.and_then(|text| serde_json::from_str(text).ok());
    object.unwrap_or_else(|| Value::Object(Map::new()))
}

#[derive(Serialize)]
pub struct Assignment<'a> {
    id: u64,
    user_id: Option<u64>,
    username: Option<&'a str>,
    name: Option<&'a str>,
    email: Option<&'a str>,
    active: bool,
    fulfilled: bool,
    direct: bool,
    metadata: Value,
    created: At,
    modified: At,
    license_id: u64,
    license_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect_to: Option<Option<&'a str>>,
    #[serde(flatten)]
    of: Of<'a>,
}

pub fn assignment(family: Family, assigned: &Assigned) -> Assignment<'_> {
    let holder = &assigned.holder;
    let redirect_to = assigned.redirect_to.as_deref();
    Assignment {
        id: assigned.serial,
        user_id: holder.serial,
        username: holder.login.as_deref(),
        name: holder.name.as_deref(),
        email: holder.email.as_deref(),
        active: assigned.active,
        fulfilled: assigned.fulfilled,
        direct: assigned.direct,
        metadata: kept(assigned.metadata.as_deref()),
        created: At(assigned.created),
        modified: At(assigned.updated),
        license_id: assigned.of.serial,
        license_name: &assigned.of.name,
        // In the schema of programs it is a text or not there.
        redirect_to: (family != Family::Program || redirect_to.is_some()).then_some(redirect_to),
        of: of(family, &assigned.of),
    }
}

#[derive(Serialize)]
pub struct Group<'a> {
    id: u64,
    group_id: u64,
    group_name: &'a str,
    active: bool,
    fulfilled: bool,
    redirect_to: Option<&'a str>,
    metadata: Value,
    created: At,
    modified: At,
    license_id: u64,
    license_name: &'a str,
    user_count: u64,
    assigned_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    program_name: Option<&'a str>,
    #[serde(flatten)]
    of: Of<'a>,
}

pub fn group(family: Family, grouped: &Grouped) -> Group<'_> {
    Group {
        id: grouped.serial,
        group_id: grouped.group,
        group_name: &grouped.group_name,
        active: grouped.active,
        fulfilled: grouped.fulfilled,
        redirect_to: grouped.redirect_to.as_deref(),
        metadata: kept(grouped.metadata.as_deref()),
        created: At(grouped.created),
        modified: At(grouped.updated),
        license_id: grouped.of.serial,
        license_name: &grouped.of.name,
        user_count: grouped.members,
        assigned_count: grouped.assigned,
        program_name: (family == Family::Program).then_some(&grouped.of.item_name),
        of: of(family, &grouped.of),
    }
}

/// `results` is an array as it is written.
pub fn page(count: usize, next: Option<&str>, previous: Option<&str>, results: &[u8]) -> Vec<u8> {
    #[derive(Serialize)]
    struct Page<'a> {
        count: usize,
        next: Option<&'a str>,
        previous: Option<&'a str>,
        next_page: Option<&'a str>,
        previous_page: Option<&'a str>,
    }
    let mut out = json(&Page {
        count,
        next,
        previous,
        next_page: next,
        previous_page: previous,
    });
    out.pop();
    out.extend_from_slice(b",\"results\":");
    out.extend_from_slice(results);
    out.push(b'}');
    out
}
