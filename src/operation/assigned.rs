//! Which of an organization's licenses a profile has an assignment of. A user is shared: what other organizations assigned to it
//! is passed over, and counts for no limit.

use super::merged::List;
use crate::graph::Node;
use crate::model::schema::Hop;
use crate::model::{Serial, rel};

/// The licenses of an organization, by entitlement.
pub(super) fn licenses<'g>(organization: Node<'g>) -> impl Iterator<Item = Node<'g>> {
    let entitlements = organization.hop(Hop::forward(rel::ENTITLEMENTS), None);
    let licenses = entitlements.flat_map(|(entitlement, _)| entitlement.hop(Hop::forward(rel::LICENSES), None));
    licenses.map(|(license, _)| license)
}

/// The assignments of a profile, after a serial. Goes from the profile, unless that has more of them than may be visited: then
/// from the organization. `None`: that has more licenses too.
pub(super) fn to<'g>(profile: Node<'g>, organization: Node<'g>, from: Serial, visits: u64) -> Option<List<'g>> {
    let most = usize::try_from(visits).unwrap_or(usize::MAX);
    let of_profile = Hop::forward(rel::BY_PROFILE);
    if profile.hop_count(of_profile) <= most {
        let all = profile.hop(of_profile, Some(from)).map(|(assignment, _)| assignment);
        return Some(Box::new(all.filter(move |assignment| {
            let license = assignment.parent(rel::BY_LICENSE);
            let entitlement = license.and_then(|license| license.parent(rel::LICENSES));
            entitlement.and_then(|entitlement| entitlement.parent(rel::ENTITLEMENTS)) == Some(organization)
        })));
    }
    let mut found = Vec::new();
    for (visited, license) in licenses(organization).enumerate() {
        if visited == most {
            return None;
        }
        found.extend(profile.graph().assignment(license, profile));
    }
    found.retain(|assignment| assignment.serial > from);
    found.sort_unstable_by_key(|assignment| assignment.serial);
    Some(Box::new(found.into_iter()))
}
