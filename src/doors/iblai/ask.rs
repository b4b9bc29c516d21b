//! Bodies of the vendor's writes (`doors.md` B.4 and B.5) as what is asked of the core. Members that no schema has are passed over.

use super::fields::Fields;
use super::notes;
use super::path::Family;
use super::query;
use super::reason::No;
use super::sold;
use crate::limits::Limits;
use crate::operation::licenses::{
    Amendment, Assignment, Change, Create, EndGroup, Grouping, Item, LicenseId, Organizations, TakeBack, Terms, Update,
    User,
};

/// A member is one level below its body.
pub(super) fn depth(limits: &Limits) -> u64 {
    limits.json_depth.saturating_sub(1)
}

/// What a license says: the members that creating and updating share. Whether `metadata` was among them.
fn says(fields: &mut Fields, usual: &str, limits: &Limits) -> (Amendment, bool) {
    let metadata = fields.few("metadata", depth(limits), limits.metadata);
    let config = fields.object("enrollment_config", depth(limits));
    let source = fields.text("source");
    let says = Amendment {
        name: fields.text("name"),
        seats: fields.count("count"),
        from: fields.time("started"),
        until: fields.nullable_time("expired"),
        active: fields.flag("active"),
        notes: notes::kept(metadata.as_ref(), config.as_ref(), source.as_deref()),
        change_type: fields.text("change_type").unwrap_or_else(|| usual.to_owned()),
        transaction: fields.text("transaction_id"),
        source,
    };
    (says, metadata.is_some())
}

/// The platform of a new license. Of a program's it may be named by its number too.
fn platform(fields: &mut Fields, family: Family) -> Organizations {
    let mut organization = query::organizations(fields, &["platform_key", "platform_org"]);
    if family == Family::Program {
        organization.serial = fields.id("platform_id").map(|id| ("platform_id", id));
    }
    organization
}

/// By either name, or by both.
pub(super) fn program(fields: &mut Fields) -> Option<Item> {
    let mut names: Vec<(&'static str, String)> = ["program_key", "program_id"]
        .into_iter()
        .filter_map(|at| Some((at, fields.text(at)?)))
        .collect();
    names.dedup_by(|(_, name), (_, before)| name == before);
    let names = Some(names).filter(|names| !names.is_empty());
    fields.required("program_key", names).map(Item::Named)
}

pub fn create(mut fields: Fields, mut query: Fields, family: Family, limits: &Limits) -> Result<Change, No> {
    let asked = platform(&mut query, family);
    query.finish()?;
    let mut organization = platform(&mut fields, family);
    if organization.is_empty() {
        organization = asked;
    }
    let item = match family {
        Family::Program => program(&mut fields),
        Family::Course => {
            let id = fields.text("course_id");
            fields
                .required("course_id", id)
                .map(|id| Item::Named(vec![("course_id", id)]))
        }
        Family::User => Some(Item::Own("user")),
        Family::Platform => Some(Item::Own("platform")),
    };
    if organization.is_empty() {
        fields.required::<()>("platform_key", None);
    }
    let alias = fields.nullable_text("external_id").flatten();
    let (mut says, _) = says(&mut fields, "create", limits);
    fields.finish()?;
    if says.source.is_none() {
        let source = "api".to_owned();
        says.notes.extend(notes::kept(None, None, Some(&source)));
        says.source = Some(source);
    }
    let item = item.ok_or_else(|| No::whole("nothing is named that the license is of"))?;
    Ok(Change::Create(Create {
        sold: sold(family),
        organization,
        item,
        alias,
        says,
    }))
}

pub fn update(mut fields: Fields, mut query: Fields, family: Family, limits: &Limits) -> Result<Change, No> {
    let asked = query.id("license_id");
    query.finish()?;
    let mut license = LicenseId {
        serial: fields.id("license_id"),
        alias: fields.nullable_text("external_id").flatten(),
        ..LicenseId::default()
    };
    if license.alias.is_none() {
        license.serial = license.serial.or(asked);
    }
    let (says, has_metadata) = says(&mut fields, "update", limits);
    fields.finish()?;
    Ok(Change::Update(Update {
        sold: sold(family),
        license,
        says,
        replaces_all_but: has_metadata.then_some(notes::KEPT),
    }))
}

/// Read from the body, and from the query what the body does not say.
fn license(fields: &mut Fields, query: &mut Fields) -> LicenseId {
    let asked = query::license(query);
    let mut license = query::license(fields);
    license.serial = license.serial.or(asked.serial);
    if license.of.is_empty() {
        license.of = asked.of;
    }
    license.serial = fields.required("license_id", license.serial);
    license
}

fn terms(fields: &mut Fields, limits: &Limits) -> Terms {
    let metadata = fields.nullable("metadata", |fields, name| fields.object(name, depth(limits)));
    let text = |metadata| serde_json::Value::Object(metadata).to_string();
    Terms {
        active: fields.flag("active").unwrap_or(true),
        direct: fields.flag("direct").unwrap_or(true),
        fulfilled: fields.flag("fulfilled").unwrap_or(false),
        carried_over: false,
        redirect_to: fields.nullable_text("redirect_to"),
        metadata: metadata.map(|metadata| metadata.map(text)),
    }
}

pub fn assign(mut fields: Fields, mut query: Fields, family: Family, limits: &Limits) -> Result<Change, No> {
    let license = license(&mut fields, &mut query);
    let user = User {
        serial: fields.id("user_id"),
        name: fields.text("username"),
        address: fields.address("email"),
    };
    let terms = terms(&mut fields, limits);
    fields.finish()?;
    query.finish()?;
    Ok(Change::Assign(Assignment {
        sold: sold(family),
        license,
        user,
        terms,
    }))
}

pub fn group(mut fields: Fields, mut query: Fields, family: Family, limits: &Limits) -> Result<Change, No> {
    let license = license(&mut fields, &mut query);
    let group = fields.id("group_id");
    let group = fields.required("group_id", group);
    let terms = terms(&mut fields, limits);
    fields.finish()?;
    query.finish()?;
    Ok(Change::Group(Grouping {
        sold: sold(family),
        license,
        group: group.unwrap_or(0),
        terms,
    }))
}

fn assignment(query: &mut Fields) -> Result<(LicenseId, u64), No> {
    let license = query::license(query);
    let assignment = query.id("assignment_id");
    let assignment = query.required("assignment_id", assignment);
    query.finish()?;
    Ok((license, assignment.unwrap_or(0)))
}

pub fn take_back(mut query: Fields, family: Family) -> Result<Change, No> {
    let (license, assignment) = assignment(&mut query)?;
    Ok(Change::TakeBack(TakeBack {
        sold: sold(family),
        license,
        assignment,
    }))
}

pub fn end_group(mut query: Fields, family: Family) -> Result<Change, No> {
    let take_along = query.flag("remove_user_assignments").unwrap_or(true);
    let (license, assignment) = assignment(&mut query)?;
    Ok(Change::EndGroup(EndGroup {
        sold: sold(family),
        license,
        assignment,
        take_along,
    }))
}
