//! The licenses a consumer may use now, whatever the item (`licensing.md` 5.1): those of every entitlement that is open to
//! it, those an assignment opens by itself, and those the rule of a group does.

use std::collections::HashSet;

use uuid::Uuid;

use super::consume::Consumer;
use crate::entitlement::{credits, decision, homes, ruled, select, sets};
use crate::graph::{Graph, Node};
use crate::limits::Limits;
use crate::model::schema::{Hop, place};
use crate::model::{Kind, Time, Value, rel};
use crate::query::{Code, QueryError};

const ACTIVE: u8 = place(Kind::License, "active");
/// Those that ended longer ago are not told of.
const EXPIRED_MS: i64 = 365 * 24 * 60 * 60 * 1000;

/// In order of serial, within an entitlement and the way to it.
pub fn licenses<'g>(
    graph: &'g Graph,
    consumer: &Consumer,
    with_expired: bool,
    now: Time,
    limits: &Limits,
) -> Result<Vec<Node<'g>>, QueryError> {
    // As a decision has it: whose own time is over consumes nothing.
    let known = graph.find(consumer.profile);
    let Some(profile) = known.filter(|profile| select::is_valid(profile, now)) else {
        return Ok(Vec::new());
    };
    let mut seen: HashSet<Uuid, foldhash::fast::RandomState> = HashSet::default();
    let mut found = Vec::new();
    let mut visited = 0;
    // What is another's is not counted among what is visited either.
    let is_meant = |owner: Node<'_>| consumer.within.is_none_or(|within| owner.id == within);
    let is_within =
        |entitlement: Node<'_>| consumer.within.is_none() || homes::owner(entitlement).is_some_and(is_meant);
    let ways = select::ways(profile, now);
    let open = ways.iter().filter(|(entitlement, _)| is_within(*entitlement));
    let by_way = open.flat_map(|(entitlement, _)| entitlement.hop(Hop::forward(rel::LICENSES), None));
    let by_assignment = select::granting(profile, now).map(|(_, license)| license);
    let by_assignment = by_assignment.filter(|license| license.parent(rel::LICENSES).is_some_and(&is_within));
    let by_rule = ruled::rules(profile, now);
    let by_rule = by_rule.iter().filter(|ruled| is_meant(ruled.organization));
    let by_rule = by_rule.flat_map(|ruled| ruled::licenses(ruled.organization, ruled.item));
    let by_way = by_way.map(|(license, _)| license);
    let by_way = by_way.filter(|license| !select::is_individual(license));
    let by_set = sets::licenses(profile, now, is_meant, limits.visited).ok_or_else(|| too_many(limits))?;
    let by_set = by_set.filter(|license| license.parent(rel::LICENSES).is_some_and(&is_within));
    let otherwise = by_way
        .chain(by_assignment)
        .chain(by_set)
        .map(|license| (license, false));
    for (license, by_rule) in otherwise.chain(by_rule.map(|license| (license, true))) {
        visited += 1;
        if visited > limits.visited {
            return Err(too_many(limits));
        }
        let is_kept_out = by_rule && is_kept_out(license, profile, now);
        if !is_kept_out && is_usable(license, profile, with_expired, now) && seen.insert(license.id) {
            found.push(license);
        }
    }
    Ok(found)
}

pub(super) fn too_many(limits: &Limits) -> QueryError {
    QueryError {
        code: Code::VisitedTooMuch,
        message: format!("more than {} licenses would be looked at", limits.visited),
        help: Some("ask with a selector, page by page".to_owned()),
        span: None,
        limit: Some(limits.visited()),
    }
}

/// Does its assignment keep the profile from what a rule opens, which opens it otherwise?
fn is_kept_out(license: Node<'_>, profile: Node<'_>, now: Time) -> bool {
    let assignment = license.graph().assignment(license, profile);
    assignment.is_some_and(|assignment| decision::keeps_rules_out(&assignment, now))
}

fn is_usable(license: Node<'_>, profile: Node<'_>, with_expired: bool, now: Time) -> bool {
    let begun = select::start(&license).is_some_and(|from| from <= now);
    let has_ended = |until: Time| until <= now;
    let recently = |until: Time| now.millis().saturating_sub(until.millis()) <= EXPIRED_MS;
    let lasts = select::end(&license).is_none_or(|until| !has_ended(until) || (with_expired && recently(until)));
    let is_denied = || {
        let assignment = license.graph().assignment(license, profile);
        assignment.is_some_and(|assignment| select::is_denied(&assignment, now))
    };
    let is_open = || decision::may_use(license, profile, now);
    // Who has a lease goes on in what it was granted for.
    let has_lease = || {
        let assignment = license.graph().assignment(license, profile);
        assignment.is_some_and(|assignment| select::is_leased(assignment, now))
    };
    let is_left = with_expired || !credits::is_used_up(license, now) || has_lease();
    begun && lasts && is_left && license.fields().get(ACTIVE) == Some(&Value::Bool(true)) && !is_denied() && is_open()
}
