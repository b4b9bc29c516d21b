//! Leases as a caller may see them: one's own, or with `Consumption.read` those of others, assignment by assignment, so that
//! a page costs the same however many there are; of a bound token that asks for all, or for a user who has very many, a look at
//! each license of its organization besides. Those that have ended or were given back are none.

use uuid::Uuid;

use super::assigned;
use super::merged::{List, Merged};
use super::refusal::OperationError;
use super::target::reached;
use crate::access::{Action, Permission, View};
use crate::entitlement::select;
use crate::error::Error;
use crate::graph::Node;
use crate::limits::Limit;
use crate::model::schema::Hop;
use crate::model::{Kind, Serial, Time, rel};
use crate::query::{Code, QueryError};

/// Which leases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub profile: Option<Uuid>,
    pub license: Option<Uuid>,
    /// The name of an item.
    pub item: Option<String>,
}

/// Where a page ended: an assignment, and the last of its leases that was shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub assignment: Serial,
    pub lease: Serial,
}

/// A lease with its ends.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'g> {
    pub lease: Node<'g>,
    pub license: Node<'g>,
    /// Unless it is out of the caller's reach, as a partner's user is who consumes by a license of one's own.
    pub profile: Option<Node<'g>>,
}

/// The assignments of each of its licenses that has any, after a serial.
fn of_organization<'g>(organization: Option<Node<'g>>, from: Serial) -> impl Iterator<Item = List<'g>> {
    let licenses = organization.into_iter().flat_map(assigned::licenses);
    let assigned = licenses.filter(|license| license.hop_count(Hop::forward(rel::BY_LICENSE)) > 0);
    assigned.map(move |license| -> List<'g> {
        let assignments = license.hop(Hop::forward(rel::BY_LICENSE), Some(from));
        Box::new(assignments.map(|(assignment, _)| assignment))
    })
}

fn too_many(visits: Limit) -> QueryError {
    QueryError::new(
        Code::VisitedTooMuch,
        format!("more than {} licenses would be looked at for a page", visits.value),
    )
    .limit(visits)
    .help("ask by `profileId` or by `licenseId`")
}

/// Up to `most` of them from a place on, and the place to go on from where there may be more. Looks at `visits`
/// assignments at most.
pub fn list<'g>(
    view: &View<'g>,
    asked: &Asked,
    after: Option<Place>,
    most: usize,
    visits: Limit,
    now: Time,
) -> Result<(Vec<Listed<'g>>, Option<Place>), Error> {
    let (graph, who) = (view.graph(), view.who());
    let own = who.principal.profile;
    let profile = asked.profile.or(own);
    if profile.is_none() || profile != own {
        who.require(Permission::Kind(Kind::Consumption, Action::Read))?;
    }
    let find = |kind: Kind, id: Option<Uuid>, parameter: &'static str| -> Result<Option<Node<'g>>, OperationError> {
        id.map(|id| reached(graph, who, kind, id, parameter)).transpose()
    };
    // One's own are one's own wherever one's profile hangs.
    let profile = match profile {
        Some(id) if Some(id) == own && graph.find(id).is_some() => graph.find(id),
        other => find(Kind::Profile, other, "profileId")?,
    };
    // Who may not read licenses learns nothing of which there are.
    let license = match find(Kind::License, asked.license, "licenseId") {
        Err(_) if !who.may(Permission::Kind(Kind::License, Action::Read)) => return Ok((Vec::new(), None)),
        found => found?,
    };
    let item = match &asked.item {
        None => None,
        // Of an unknown item there are no leases.
        Some(name) => match select::item(graph, name) {
            Some(item) => Some(item.id),
            None => return Ok((Vec::new(), None)),
        },
    };
    let from = after.map_or(0, |after| after.assignment).saturating_sub(1);
    // From the end that has fewer of them, or both ends at once.
    let assignments: List<'g> = match (profile, license) {
        (Some(profile), Some(license)) => Box::new(graph.assignment(license, profile).into_iter()),
        (Some(profile), None) => {
            let bound = who.organization.and_then(|bound| graph.find(bound));
            let within = bound.and_then(|bound| assigned::to(profile, bound, from, visits.value));
            // A page of those of whom both ends have very many is cut by others' too.
            let all = || {
                Box::new(
                    profile
                        .hop(Hop::forward(rel::BY_PROFILE), Some(from))
                        .map(|(node, _)| node),
                ) as List<'g>
            };
            within.unwrap_or_else(all)
        }
        (None, Some(license)) => Box::new(
            license
                .hop(Hop::forward(rel::BY_LICENSE), Some(from))
                .map(|(node, _)| node),
        ),
        // Of a bound token those of its organization's licenses: others' neither cost it anything nor cut its pages.
        (None, None) => match who.organization {
            Some(bound) => {
                let most = usize::try_from(visits.value).unwrap_or(usize::MAX);
                let lists: Vec<List<'g>> = of_organization(graph.find(bound), from)
                    .take(most.saturating_add(1))
                    .collect();
                if lists.len() > most {
                    return Err(too_many(visits).into());
                }
                Box::new(Merged::of(lists))
            }
            None => Box::new(graph.of_kind(Kind::Assignment, Some(from))),
        },
    };
    let mut found = Vec::new();
    let mut visited = 0;
    for assignment in assignments {
        visited += 1;
        if visited > visits.value {
            let before = Place {
                assignment: assignment.serial,
                lease: 0,
            };
            return Ok((found, Some(before)));
        }
        let Some((license, profile)) = assignment
            .parent(rel::BY_LICENSE)
            .zip(assignment.parent(rel::BY_PROFILE))
        else {
            continue;
        };
        let shown = after
            .filter(|after| after.assignment == assignment.serial)
            .map(|after| after.lease);
        for (lease, _) in assignment.hop(Hop::forward(rel::LEASES), shown) {
            visited += 1;
            let of_item = item.is_none_or(|item| crate::graph::Anchored::of(lease.entity()).item == Some(item));
            if !of_item || !select::is_live(&lease, now) || !view.sees(lease) {
                continue;
            }
            if found.len() == most {
                let last: Option<&Listed<'g>> = found.last();
                let place = last.and_then(|last| Some((last.lease.parent(rel::LEASES)?.serial, last.lease.serial)));
                return Ok((found, place.map(|(assignment, lease)| Place { assignment, lease })));
            }
            found.push(Listed {
                lease,
                license,
                profile: Some(profile).filter(|profile| own == Some(profile.id) || view.reaches(*profile)),
            });
        }
    }
    Ok((found, None))
}
