//! What happened around a license and changed nothing: somebody asked whether it may be used, or was refused it (`licensing.md` 5.2). The
//! vendor has no event of its own for a refusal: it is the event of what was asked for, with `errorInfo`.

use uuid::Uuid;

use super::{around, event};
use crate::graph::Graph;
use crate::model::schema::place;
use crate::model::{Event, Fact, Facts, Kind, Serial, Time, Value, rel};

const ITEM_NAME: u8 = place(Kind::LicensedItem, "name");

/// An item may be asked for by any text. No more of it is kept.
const ITEM_BYTES: usize = 256;

/// What was asked for, and what came of it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub profile: Uuid,
    /// As it was sent: there may be no such item.
    pub item: &'a str,
    pub mode: &'a str,
    pub version: Option<&'a str>,
    pub hw: Option<&'a str>,
    pub process: Option<&'a str>,
    /// The one there is, or that was named.
    pub lease: Option<Uuid>,
    pub consumption: Option<Uuid>,
    /// The license that would be taken, or the one that came furthest.
    pub license: Option<Uuid>,
    pub until: Option<Time>,
    /// A stable code, and its words.
    pub refused: Option<(&'a str, &'a str)>,
}

pub fn checked(graph: &Graph, asked: &Asked<'_>, whose: Option<Serial>) -> Event {
    told("LicenseChecked", graph, asked, whose)
}

pub fn refused(graph: &Graph, asked: &Asked<'_>, whose: Option<Serial>) -> Event {
    told("LicenseConsumed", graph, asked, whose)
}

/// `errorInfo` of `licensing.md` 5.2.
pub fn error(code: &str, words: &str) -> Fact {
    Fact::Group(vec![
        ("error".into(), Value::text(code).into()),
        ("errorDescription".into(), Value::text(words).into()),
    ])
}

/// It is about the license; where there is none, about who asked.
fn told(name: &str, graph: &Graph, asked: &Asked<'_>, whose: Option<Serial>) -> Event {
    let mut facts = Facts::new();
    let mut id = |name: &str, id: Option<Uuid>| {
        if let Some(id) = id {
            facts.push((name.into(), Value::Uuid(id).into()));
        }
    };
    id("consumptionId", asked.consumption);
    id("leaseId", asked.lease);
    let mut text = |name: &str, text: Option<&str>| {
        if let Some(text) = text {
            facts.push((name.into(), Value::text(text).into()));
        }
    };
    text("consumptionMode", Some(asked.mode));
    text("consumedVersion", asked.version);
    if let Some(until) = asked.until {
        facts.push(("grantedUntil".into(), Value::Time(until).into()));
    }
    around::of_anchors(&mut facts, asked.hw, asked.process);
    let license = asked.license.and_then(|id| graph.find(id));
    let seat = license
        .zip(graph.find(asked.profile))
        .and_then(|(license, profile)| graph.assignment(license, profile));
    if let Some(seat) = seat {
        facts.push(("assignmentId".into(), Value::Uuid(seat.id).into()));
    }
    facts.push(("userId".into(), Value::Uuid(asked.profile).into()));
    let named = graph
        .by_value(Kind::LicensedItem, ITEM_NAME, &Value::text(asked.item), None)
        .next();
    match license {
        Some(license) => {
            facts.push(("licenseId".into(), Value::Uuid(license.id).into()));
            let parent = |id: Uuid, rel| graph.find(id)?.parent(rel).map(|parent| parent.id);
            let item = named.map(|item| item.id).or_else(|| parent(license.id, rel::OF_ITEM));
            around::of_owners(&mut facts, parent(license.id, rel::LICENSES), item, parent);
        }
        None => around::of_owners(&mut facts, None, named.map(|item| item.id), |_, _| None),
    }
    let end = asked.item.floor_char_boundary(ITEM_BYTES);
    facts.push(("licensedItemName".into(), Value::text(&asked.item[..end]).into()));
    around::copy(
        &mut facts,
        seat.as_ref().map(|seat| seat.entity()),
        &[("reservationType", "reservationType")],
    );
    if let Some((code, words)) = asked.refused {
        facts.push(("errorInfo".into(), error(code, words)));
    }
    match license {
        Some(license) => event(name, Kind::License, license.id, whose, facts),
        None => event(name, Kind::Profile, asked.profile, whose, facts),
    }
}
