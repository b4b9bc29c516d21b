//! What the vendor's lists are asked by: filters, an order, and a page by its number (`doors.md` B.3).

use super::fields::Fields;
use super::notes;
use super::path::Family;
use super::reason::No;
use crate::http::door;
use crate::limits::Limits;
use crate::operation::licenses::{Filter, LicenseId, Order, Organizations, Page, Pick};

/// Parameters that say nothing are not there.
pub fn fields(raw: &str, limits: &Limits) -> Result<Fields, No> {
    let said = door::pairs(raw, limits.parameters())?
        .into_iter()
        .filter(|(_, value)| !value.is_empty());
    Ok(Fields::of_pairs(said))
}

/// A page as it is asked for: its number, from 1, and how many a page has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbered {
    pub number: usize,
    pub size: usize,
}

impl Numbered {
    /// 0, as the vendor's examples have it, is no page and no size.
    pub fn read(fields: &mut Fields, limits: &Limits) -> Self {
        let given = |count: Option<u32>| count.filter(|count| *count > 0).map(|count| count as usize);
        let number = given(fields.count("page"));
        let size = given(fields.count("page_size"));
        let most = usize::try_from(limits.page_max).unwrap_or(usize::MAX);
        Self {
            number: number.unwrap_or(1),
            size: size.unwrap_or(limits.page as usize).min(most).max(1),
        }
    }

    pub fn of(self, (order, descending): (Order, bool)) -> Page {
        Page {
            skip: (self.number - 1).saturating_mul(self.size),
            top: self.size,
            order,
            descending,
        }
    }

    /// A list that is empty has one page all the same.
    pub fn check(self, count: usize) -> Result<(), No> {
        match self.number == 1 || (self.number - 1).saturating_mul(self.size) < count {
            true => Ok(()),
            false => Err(No::not_found("invalidPage", "Invalid page.")),
        }
    }

    pub fn next(self, count: usize) -> Option<usize> {
        (self.number.saturating_mul(self.size) < count).then_some(self.number + 1)
    }

    pub fn previous(self) -> Option<usize> {
        (self.number > 1).then(|| self.number - 1)
    }
}

/// `-id` descends; `usual` where it is not said. What is no order is wrong, and counts for the usual one until that is told.
pub fn order(fields: &mut Fields, usual: &str, known: &[(&str, Order)]) -> (Order, bool) {
    let read = |text: &str| {
        let (name, descending) = match text.strip_prefix('-') {
            Some(name) => (name, true),
            None => (text, false),
        };
        let found = known.iter().find(|(known, _)| *known == name);
        found.map(|(_, order)| (*order, descending))
    };
    let said = fields.text("sort").and_then(|text| {
        read(&text).or_else(|| {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            let names = names.join(", ");
            let why = format!("`{text}` is no order: it is one of {names}, or that with a `-` before it.");
            fields.wrong("sort", &why)
        })
    });
    said.or_else(|| read(usual)).unwrap_or((Order::Serial, false))
}

pub const LICENSES: &[(&str, Order)] = &[
    ("id", Order::Serial),
    ("created", Order::Serial),
    ("name", Order::Name),
    ("started", Order::From),
    ("expired", Order::Until),
    ("count", Order::Seats),
];
pub const ASSIGNMENTS: &[(&str, Order)] = &[
    ("id", Order::Serial),
    ("created", Order::Serial),
    ("modified", Order::Updated),
    ("username", Order::Name),
];
pub const GROUPS: &[(&str, Order)] = &[
    ("id", Order::Serial),
    ("created", Order::Serial),
    ("modified", Order::Updated),
    ("group_name", Order::Name),
];

/// The platform, by every name it was given.
pub fn organizations(fields: &mut Fields, names: &[&'static str]) -> Organizations {
    let names = names.iter().filter_map(|name| Some((*name, fields.text(name)?)));
    Organizations {
        serial: None,
        names: names.collect(),
    }
}

/// Whatever is left over asks for metadata of that key.
pub fn filter(fields: &mut Fields, family: Family) -> Filter {
    let owners: &[&str] = match family {
        Family::Program | Family::Course => &["platform_key", "platform_org", "org"],
        Family::User | Family::Platform => &["platform_key"],
    };
    let mut filter = Filter {
        organization: organizations(fields, owners),
        active: fields.flag("active"),
        alias: fields.text("external_id"),
        name: fields.text("name"),
        contains: fields.text("query"),
        ..Filter::default()
    };
    match family {
        Family::Program => {
            let named = ["program_id", "program_key", "key"].map(|name| fields.text(name));
            filter.items = named.into_iter().flatten().collect();
        }
        Family::Course => {
            let named = ["course_id", "key"].map(|name| fields.text(name));
            filter.items = named.into_iter().flatten().collect();
        }
        Family::User | Family::Platform => {
            let key = fields.text("key").map(|key| ("key", key));
            filter.organization.names.extend(key);
        }
    }
    let source = fields.text("source");
    filter.notes = source
        .map(|source| ("source".to_owned(), vec![source]))
        .into_iter()
        .collect();
    for (name, wanted) in fields.rest() {
        let name = name.strip_prefix("metadata__").unwrap_or(&name);
        filter.notes.push(notes::asked(name, &wanted));
    }
    filter
}

pub fn pick(fields: &mut Fields) -> Pick {
    Pick {
        active: fields.flag("active"),
        fulfilled: fields.flag("fulfilled"),
        email: fields.text("email"),
        user: fields.id("user_id"),
        group: fields.id("group_id"),
    }
}

/// The license that is meant, and whose it shall be.
pub fn license(fields: &mut Fields) -> LicenseId {
    LicenseId {
        serial: fields.id("license_id"),
        alias: None,
        of: organizations(fields, &["platform_key", "platform_org"]),
    }
}
