//! DescribeConsumers: who could consume a license, by which ways, and who holds it now (design 16). The reverse of a check,
//! page by page in order of the profiles, so that an organization of a million costs no more than a page of it.

use super::merged::{List, Merged};
use super::refusal::{Fault, OperationError};
use super::target;
use crate::access::View;
use crate::entitlement::ruled;
use crate::entitlement::select::{self, Path};
use crate::entitlement::{decision, paths};
use crate::error::Error;
use crate::graph::Node;
use crate::limits::Limits;
use crate::model::schema::Hop;
use crate::model::{Kind, Serial, Time, rel};
use crate::selector::ast::Selector;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Available,
    Reserved,
    Consuming,
    Denied,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Reserved => "reserved",
            Self::Consuming => "consuming",
            Self::Denied => "denied",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Consumer<'g> {
    pub profile: Node<'g>,
    pub state: State,
    /// Every way that is open now.
    pub paths: Vec<Path<'g>>,
}

/// First those a way of the entitlement leads to, by their own serial; then those an assignment opens the license to, by
/// the assignment's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Ways(Serial),
    Assignments(Serial),
}

impl Place {
    pub fn read(numbers: [u64; 2]) -> Option<Self> {
        match numbers {
            [0, serial] => Some(Self::Ways(serial)),
            [1, serial] => Some(Self::Assignments(serial)),
            _ => None,
        }
    }

    pub fn written(self) -> [u64; 2] {
        match self {
            Self::Ways(serial) => [0, serial],
            Self::Assignments(serial) => [1, serial],
        }
    }
}

/// The one license that is meant.
pub fn license<'g>(view: &View<'g>, selector: &Selector, limits: &Limits) -> Result<Node<'g>, Error> {
    const KIND: Kind = Kind::License;
    let found = target::found(view, selector, limits)?;
    match found[..] {
        [one] => view.graph().find(one).ok_or_else(|| none(KIND)),
        [] => Err(none(KIND)),
        _ => {
            let matches = found.len();
            Err(Fault::AmbiguousTarget { kind: KIND, matches }.into())
        }
    }
}

fn none(kind: Kind) -> Error {
    OperationError::from(Fault::TargetNotFound { kind, id: None }).into()
}

/// Up to `most` consumers after a place, and the place to go on from where there may be more. Looks at `visits` of them at
/// most; one the caller does not see is passed over.
pub fn consumers<'g>(
    view: &View<'g>,
    license: Node<'g>,
    after: Option<Place>,
    most: usize,
    visits: u64,
    now: Time,
) -> (Vec<Consumer<'g>>, Option<Place>) {
    let (mut found, mut visited) = (Vec::new(), 0);
    let entitlement = license.parent(rel::LICENSES);
    if let (Some(entitlement), None | Some(Place::Ways(_))) = (entitlement, after) {
        let serial = match after {
            Some(Place::Ways(serial)) => Some(serial),
            _ => None,
        };
        let mut last = serial.unwrap_or(0);
        for profile in reached(license, entitlement, serial) {
            visited += 1;
            if visited > visits {
                return (found, Some(Place::Ways(last)));
            }
            let paths = paths(license, entitlement, profile, now);
            if !paths.is_empty() && view.sees(profile) {
                let consumer = consumer(license, profile, paths, now);
                if consumer.state != State::Available || select::is_valid(&profile, now) {
                    // Only who is shown is a reason to go on: that others are there is not told.
                    if found.len() == most {
                        return (found, Some(Place::Ways(last)));
                    }
                    found.push(consumer);
                }
            }
            last = profile.serial;
        }
    }
    let serial = match after {
        Some(Place::Assignments(serial)) => serial,
        _ => 0,
    };
    let mut last = serial;
    for (assignment, _) in license.hop(Hop::forward(rel::BY_LICENSE), Some(serial)) {
        visited += 1;
        if visited > visits {
            return (found, Some(Place::Assignments(last)));
        }
        let before = std::mem::replace(&mut last, assignment.serial);
        let Some(profile) = assignment.parent(rel::BY_PROFILE).filter(|profile| view.sees(*profile)) else {
            continue;
        };
        // Whom a way leads to was told of before.
        if entitlement.is_some_and(|entitlement| !by_ways(license, entitlement, profile, now).is_empty()) {
            continue;
        }
        let opens = select::granting_one(assignment, now);
        let paths = opens.then_some(Path::Assignment(assignment)).into_iter().collect();
        let consumer = consumer(license, profile, paths, now);
        // A reservation opens nothing by itself (`licensing.md` 2.1).
        let is_told = match consumer.state {
            State::Available => opens && select::is_valid(&profile, now),
            State::Reserved => opens,
            State::Consuming | State::Denied => true,
        };
        if is_told {
            if found.len() == most {
                return (found, Some(Place::Assignments(before)));
            }
            found.push(consumer);
        }
    }
    (found, None)
}

fn consumer<'g>(license: Node<'g>, profile: Node<'g>, paths: Vec<Path<'g>>, now: Time) -> Consumer<'g> {
    let state = match license.graph().assignment(license, profile) {
        None => State::Available,
        Some(assignment) if select::is_denied(&assignment, now) => State::Denied,
        Some(assignment) if select::is_leased(assignment, now) => State::Consuming,
        Some(assignment) if select::is_reserved(&assignment, now) => State::Reserved,
        Some(_) => State::Available,
    };
    Consumer { profile, state, paths }
}

fn paths<'g>(license: Node<'g>, entitlement: Node<'g>, profile: Node<'g>, now: Time) -> Vec<Path<'g>> {
    let mut paths = by_ways(license, entitlement, profile, now);
    if paths.is_empty() {
        return paths;
    }
    let assignment = license.graph().assignment(license, profile);
    let opens = assignment.filter(|assignment| select::granting_one(*assignment, now));
    paths.extend(opens.map(Path::Assignment));
    paths
}

fn by_ways<'g>(license: Node<'g>, entitlement: Node<'g>, profile: Node<'g>, now: Time) -> Vec<Path<'g>> {
    let ways = paths::to_license(license, entitlement, profile, now);
    ways.chain(by_rules(license, profile, now)).collect()
}

fn by_rules<'g>(license: Node<'g>, profile: Node<'g>, now: Time) -> impl Iterator<Item = Path<'g>> {
    let assignment = license.graph().assignment(license, profile);
    let is_kept_out = assignment.is_some_and(|assignment| decision::keeps_rules_out(&assignment, now));
    let opened = ruled::opened(license).filter(|_| !is_kept_out);
    let rules = ruled::rules(profile, now).into_iter();
    rules
        .filter(move |open| opened == Some((open.item, open.organization)))
        .map(|open| Path::Rule(open.rule))
}

/// The groups in which everybody is who is in the set a license is for.
fn groups_of_set<'g>(license: Node<'g>) -> impl Iterator<Item = Node<'g>> {
    let organization = license.parent(rel::FOR_SET).and_then(|set| set.parent(rel::SETS));
    let groups = organization.map(|organization| organization.hop(Hop::forward(rel::GROUPS), None));
    groups.into_iter().flatten().map(|(group, _)| group)
}

/// The groups whose rules open a license.
fn ruled_groups<'g>(license: Node<'g>) -> impl Iterator<Item = Node<'g>> {
    ruled::opened(license).into_iter().flat_map(|(item, owner)| {
        let rules = item.hop(Hop::forward(rel::RULES_FOR), None);
        let groups = rules.filter_map(|(rule, _)| ruled::group(rule));
        groups.filter(move |group| group.parent(rel::GROUPS) == Some(owner))
    })
}

/// The profiles of all ways to an entitlement in order of their serial, each once.
fn reached<'g>(license: Node<'g>, entitlement: Node<'g>, after: Option<Serial>) -> Merged<'g> {
    let mut lists: Vec<List<'g>> = Vec::new();
    let owner = entitlement.parent(rel::PERSONAL).into_iter();
    lists.push(Box::new(
        owner.filter(move |owner| after.is_none_or(|after| owner.serial > after)),
    ));
    lists.push(Box::new(
        entitlement
            .hop(Hop::forward(rel::OPENS_PROFILE), after)
            .map(|(profile, _)| profile),
    ));
    let opened = entitlement
        .hop(Hop::forward(rel::OPENS_GROUP), None)
        .map(|(group, _)| group);
    let opened = opened.filter(|_| !select::is_individual(&license));
    let ruled = ruled_groups(license);
    for group in opened.chain(ruled).chain(groups_of_set(license)) {
        lists.push(Box::new(
            group
                .hop(Hop::backward(rel::MEMBERSHIP), after)
                .map(|(profile, _)| profile),
        ));
    }
    Merged::of(lists)
}
