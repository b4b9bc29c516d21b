//! The vendor's own list answers, to come over with (`doors.md` B.5). A row is known by its members: licenses have a `count`,
//! assignments a `license_id`, and those of groups a `group_id`; what a license is of says which of the four kinds it is. A
//! member that is null or empty says nothing.

use serde_json::{Map, Value};

use super::ask::{depth, program};
use super::fields::Fields;
use super::notes;
use super::path::Family;
use super::reason::No;
use super::sold;
use crate::http::door::{Unread, listed};
use crate::limits::Limits;
use crate::operation::foreign::Named;
use crate::operation::licenses::{Amendment, Item, Terms};
use crate::operation::moving::{Assigned, Entry, Grouped, Holder, License, Step};

/// As the history of a license has it.
const CHANGE_TYPE: &str = "import";

/// One answer, or one row of it.
pub fn entries(document: &Value, limits: &Limits) -> Result<Vec<Entry>, Unread> {
    let read = listed(document, &["results"])?.into_iter().map(|(at, row)| {
        let Value::Object(members) = row else {
            return Err(Unread::new(at, "it is no object"));
        };
        match says(members, limits) {
            Ok((organization, says)) => Ok(Entry { at, organization, says }),
            Err(no) => Err(Unread::new(at, no.line())),
        }
    });
    read.collect()
}

fn says(members: &Map<String, Value>, limits: &Limits) -> Result<(Option<String>, Step), No> {
    let says_something = |value: &Value| !matches!(value, Value::Null) && value.as_str() != Some("");
    let said = members.iter().filter(|(_, value)| says_something(value));
    let said: Map<String, Value> = said.map(|(name, value)| (name.clone(), value.clone())).collect();
    let has = |names: &[&str]| names.iter().any(|name| said.contains_key(*name));
    let is_assigned = has(&["license_id"]);
    let family = if has(&["course_id"]) {
        Family::Course
    } else if has(&["program_key", "program_id"]) {
        Family::Program
    } else if is_assigned || has(&["usage_count", "assignments"]) {
        Family::User
    } else {
        Family::Platform
    };
    let is_grouped = has(&["group_id"]);
    if !is_assigned && !has(&["count"]) {
        let why = "it is no row of a list this door knows";
        return Err(No::bad_request("unknownList", why));
    }
    let mut fields = Fields::of_json(said);
    let platform = fields.text("platform_key");
    let step = match (is_assigned, is_grouped) {
        (true, true) => Step::Grouped(grouped(&mut fields, family, limits)?),
        (true, false) => Step::Assigned(assigned(&mut fields, family, limits)?),
        (false, _) => Step::License(license(&mut fields, family, limits)?),
    };
    Ok((platform, step))
}

fn id(fields: &mut Fields, name: &'static str) -> Option<String> {
    let id = fields.id(name);
    fields.required(name, id).map(|id| id.to_string())
}

fn license(fields: &mut Fields, family: Family, limits: &Limits) -> Result<License, No> {
    let id = id(fields, "id");
    let item = match family {
        Family::Program => program(fields),
        Family::Course => fields.text("course_id").map(|id| Item::Named(vec![("course_id", id)])),
        Family::User => Some(Item::Own("user")),
        Family::Platform => Some(Item::Own("platform")),
    };
    let item_name = fields.text("program_name").filter(|_| family == Family::Program);
    let alias = fields.text("external_id");
    let (metadata, source) = (fields.object("metadata", depth(limits)), fields.text("source"));
    let (seats, from) = (fields.count("count"), fields.time("started"));
    let active = fields.flag("active");
    let says = Amendment {
        name: fields.text("name"),
        seats: fields.required("count", seats),
        from: fields.required("started", from),
        until: Some(fields.time("expired")),
        active: fields.required("active", active),
        notes: notes::kept(metadata.as_ref(), None, source.as_deref()),
        change_type: CHANGE_TYPE.to_owned(),
        transaction: None,
        source,
    };
    fields.finish()?;
    let item = item.ok_or_else(|| No::whole("nothing is named that the license is of"))?;
    Ok(License {
        sold: sold(family),
        id: id.unwrap_or_default(),
        item,
        item_name,
        alias,
        says,
        untold: &[notes::CONFIG],
    })
}

fn terms(fields: &mut Fields, limits: &Limits) -> Terms {
    let active = fields.flag("active");
    let metadata = fields
        .object("metadata", depth(limits))
        .filter(|metadata| !metadata.is_empty());
    Terms {
        active: fields.required("active", active).unwrap_or_default(),
        direct: false,
        fulfilled: fields.flag("fulfilled").unwrap_or(false),
        carried_over: true,
        redirect_to: Some(fields.text("redirect_to")),
        metadata: Some(metadata.map(|metadata| Value::Object(metadata).to_string())),
    }
}

fn assigned(fields: &mut Fields, family: Family, limits: &Limits) -> Result<Assigned, No> {
    let license = id(fields, "license_id");
    let (user, login) = (fields.id("user_id"), fields.text("username"));
    let display = fields.text("name");
    let is_user = user.is_some() || login.is_some();
    let email = fields.address("email");
    if login.is_none() {
        fields.required("email", email.as_ref());
    }
    let holder = match is_user {
        true => Holder::User(Named {
            login,
            email,
            display,
            ..Named::default()
        }),
        false => Holder::Address(email.unwrap_or_default()),
    };
    let (direct, terms) = (fields.flag("direct"), terms(fields, limits));
    fields.finish()?;
    Ok(Assigned {
        sold: sold(family),
        license: license.unwrap_or_default(),
        holder,
        direct,
        terms,
    })
}

fn grouped(fields: &mut Fields, family: Family, limits: &Limits) -> Result<Grouped, No> {
    let (license, group) = (id(fields, "license_id"), id(fields, "group_id"));
    let name = fields.text("group_name");
    let name = fields.required("group_name", name);
    let terms = terms(fields, limits);
    fields.finish()?;
    Ok(Grouped {
        sold: sold(family),
        license: license.unwrap_or_default(),
        // A number alone would be anybody's.
        group: format!("iblai:{}", group.unwrap_or_default()),
        name: name.unwrap_or_default(),
        terms,
    })
}
