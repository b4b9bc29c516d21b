//! What goes in several commits, between which others write: what can be closed gives nothing from the first of them on, so that
//! nobody has of it what a part that has gone kept from him. What goes whole, in one of them, is open until then. Whether it may go, and what goes when, is decided elsewhere.

use uuid::Uuid;

use crate::graph::Node;
use crate::model::schema::{Hop, place};
use crate::model::{Fields, Kind, Time, Value, rel};

use super::{credits, grant, ruled, select};

const UNTIL: u8 = place(Kind::Profile, "validUntil");
const ACTIVE: u8 = place(Kind::License, "active");

/// What there is to write, at most so many, before any part of it goes; nothing where it is done.
pub fn closed(node: Node<'_>, now: Time, most: usize) -> Vec<(Uuid, Fields)> {
    match node.kind {
        // What denies it a license, locks it or counts what it used goes before its last way to that license does.
        Kind::Profile => ended(node, now).into_iter().collect(),
        // What was used up of one credit, or denied to somebody, goes before the next credit does.
        Kind::License => suspended(node).into_iter().collect(),
        // Its seats are counted by its licenses, which stay, and are known as its own no longer.
        Kind::ProductPackage => grant::off_sale(node).into_iter().collect(),
        // What a member that has gone held by a rule counts for its quota no longer.
        Kind::ProfileGroup => {
            let rules = node.hop(Hop::forward(rel::RULES), None);
            rules.filter_map(|(rule, _)| ruled::shut(rule)).take(most).collect()
        }
        _ => Vec::new(),
    }
}

/// The ways to what goes before anything else of one of this kind. Of a license the seats go before those who sit on them, or
/// one that has become free could be reserved. What a group has a right to use stays open until its members have left it: all of
/// their reservations would end in one commit with that right.
pub fn first(kind: Kind) -> &'static [Hop] {
    match kind {
        Kind::License => &credits::ALL,
        _ => &[],
    }
}

fn suspended(license: Node<'_>) -> Option<(Uuid, Fields)> {
    let is_active = license.fields().get(ACTIVE) == Some(&Value::Bool(true));
    is_active.then(|| (license.id, license.fields().with(ACTIVE, Some(Value::Bool(false)))))
}

fn ended(profile: Node<'_>, now: Time) -> Option<(Uuid, Fields)> {
    // One that begins later ends as it begins.
    let until = select::start(&profile).map_or(now, |from| from.max(now));
    let has_ended = select::end(&profile).is_some_and(|end| end <= until);
    (!has_ended).then(|| (profile.id, profile.fields().with(UNTIL, Some(Value::Time(until)))))
}
