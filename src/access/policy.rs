//! The reach of a token: pure questions about where an entity hangs in the graph, as it is or as it was before a commit.
//! Walks upward, a few hops and no allocation, because it is asked of every entity a query meets. Does not know permissions.
//! `below` says the same downward.
//!
//! A bound token reaches its organization and what hangs below it by owners; profiles in its groups, with their person
//! and contact data; and reads the catalogue. A profile's own organization-free things (a personal entitlement and its
//! licenses) belong to nobody's organization. A membership past its validity still reaches: the profile is one of the
//! organization's people until it leaves the group.
//!
//! A token with a profile reads what is the profile's own. That stands for the permission to read and goes no further
//! than the token: bound to an organization, it reads those of the profile's own things that the organization reaches. So
//! whoever reads all personal kinds can make a token for any profile in reach, and gives nothing they do not hold.

use crate::graph::Node;
use crate::model::schema::Hop;
use crate::model::{Entity, Kind, Rel, rel};

/// The relations that `Spot::ends` is asked for.
pub fn is_walked_forward(rel: Rel) -> bool {
    rel == rel::MEMBERSHIP || rel == rel::PROFILES
}

/// Where an entity hangs, seen from one organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The organization's own, or a person's of its own.
    Own,
    /// Of a profile that another organization's group has too.
    Shared,
    /// What is sold to everyone: items, packages, license models with their rules, role templates.
    Catalogue,
    Elsewhere,
}

/// Kinds that are catalogue whatever hangs on them.
pub fn is_catalogue(kind: Kind) -> bool {
    use Kind::*;
    matches!(
        kind,
        LicensedItem
            | ProductPackage
            | LicenseModel
            | LeaseTimeBehavior
            | SeatCountConstraint
            | UseCountConstraint
            | AggregateUseConstraint
            | ConcurrentSessions
            | AssignedLicenseConstraint
            | VersionConstraint
            | ConsumptionLockConstraint
            | ScopedLicenseConstraint
            | UtilizationConstraint
            | LicensedItemCountBehavior
            | LicensePoolBehavior
            | ValidityPeriodConstraint
    )
}

/// Kinds a profile owns, or that own a profile: what `own` may say yes to.
pub fn is_personal(kind: Kind) -> bool {
    use Kind::*;
    matches!(
        kind,
        Profile
            | Person
            | EmailAndPassword
            | ContactInformation
            | EmailAddress
            | PostalAddress
            | TelephoneNumber
            | WebAddress
            | RecoveryEmailAddress
            | Account
            | Property
            | Assignment
            | Consumption
    )
}

/// An entity with what it hangs on: a node of the graph, or what one was before a commit.
pub trait Spot: Copy {
    fn kind(self) -> Kind;
    fn same(self, other: Self) -> bool;
    fn parent(self, rel: Rel) -> Option<Self>;
    /// The far ends of a relation, walked forward.
    fn ends(self, rel: Rel) -> impl Iterator<Item = Self>;
    /// Of a role: no organization's, and sold to everyone.
    fn is_template(self) -> bool;
}

impl Spot for Node<'_> {
    fn kind(self) -> Kind {
        self.entity().kind
    }

    fn same(self, other: Self) -> bool {
        self.slot() == other.slot()
    }

    fn parent(self, rel: Rel) -> Option<Self> {
        Node::parent(self, rel)
    }

    fn ends(self, rel: Rel) -> impl Iterator<Item = Self> {
        self.hop(Hop::forward(rel), None).map(|(end, _)| end)
    }

    fn is_template(self) -> bool {
        is_template(self.entity())
    }
}

/// Whether a role would be one, if it were no organization's.
pub fn is_template(role: &Entity) -> bool {
    Kind::OrganizationRole
        .field("templateFor")
        .is_some_and(|field| role.fields().get(field).is_some())
}

/// What an entity hangs on in the end.
enum Root<S> {
    Organization(S),
    Profile(S),
    Person(S),
    Catalogue,
    Nothing,
}

fn root<S: Spot>(spot: S) -> Root<S> {
    let mut at = spot;
    // INVARIANT: each turn goes to an owner, and owners form no cycle in the schema; the longest chain is a lease's
    // (Consumption, Assignment, License, Entitlement, Organization). Held by `owners_form_no_cycle`.
    loop {
        let up = match at.kind() {
            Kind::Token => return Root::Nothing,
            Kind::Organization => return Root::Organization(at),
            Kind::Profile => return Root::Profile(at),
            Kind::Person => return Root::Person(at),
            kind if is_catalogue(kind) => return Root::Catalogue,
            Kind::OrganizationRole => match at.parent(rel::ROLES) {
                Some(parent) => Some(parent),
                None if at.is_template() => return Root::Catalogue,
                None => None,
            },
            Kind::TechnicalActor => at.parent(rel::ACTORS),
            // Only an organization's: a personal one is out of every organization's reach.
            Kind::Entitlement => at.parent(rel::ENTITLEMENTS),
            // By the license: whoever owns it knows who sits on it, and the profile's own organization does not.
            Kind::Assignment => at.parent(rel::BY_LICENSE),
            kind => kind.owners().find_map(|rel| at.parent(rel)),
        };
        match up {
            Some(up) => at = up,
            None => return Root::Nothing,
        }
    }
}

/// Where something hangs, seen from `organization`.
pub fn place<S: Spot>(spot: S, organization: S) -> Place {
    match root(spot) {
        Root::Organization(owner) if owner.same(organization) => Place::Own,
        Root::Organization(_) | Root::Nothing => Place::Elsewhere,
        Root::Profile(profile) => of_profile(profile, organization),
        Root::Person(person) => of_person(person, organization),
        Root::Catalogue => Place::Catalogue,
    }
}

fn of_profile<S: Spot>(profile: S, organization: S) -> Place {
    let (mut inside, mut outside) = (false, false);
    for group in profile.ends(rel::MEMBERSHIP) {
        match group.parent(rel::GROUPS) {
            Some(owner) if owner.same(organization) => inside = true,
            _ => outside = true,
        }
    }
    match (inside, outside) {
        (true, false) => Place::Own,
        (true, true) => Place::Shared,
        (false, _) => Place::Elsewhere,
    }
}

/// A person is as far away as its nearest profile, and its own only if all its profiles are: a login opens them all.
fn of_person<S: Spot>(person: S, organization: S) -> Place {
    let (mut any, mut all) = (false, true);
    for profile in person.ends(rel::PROFILES) {
        match of_profile(profile, organization) {
            Place::Own => any = true,
            Place::Shared => (any, all) = (true, false),
            _ => all = false,
        }
    }
    match (any, all) {
        (true, true) => Place::Own,
        (true, false) => Place::Shared,
        (false, _) => Place::Elsewhere,
    }
}

/// The organization whose own something is: the one, if any, from which `place` is `Own`.
pub fn owner<S: Spot>(spot: S) -> Option<S> {
    // It can only be the first one met; whether it is, is for `place` to say.
    let of_profile = |profile: S| {
        profile
            .ends(rel::MEMBERSHIP)
            .find_map(|group| group.parent(rel::GROUPS))
    };
    let first = match root(spot) {
        Root::Organization(owner) => return Some(owner),
        Root::Profile(profile) => of_profile(profile),
        Root::Person(person) => person.ends(rel::PROFILES).find_map(of_profile),
        Root::Catalogue | Root::Nothing => None,
    };
    first.filter(|first| place(spot, *first) == Place::Own)
}

/// Is it the profile itself, its person, contact data, assignments or leases? Its entitlement is not. Whether the token
/// reaches it is another question.
pub fn own(node: Node<'_>, profile: Node<'_>) -> bool {
    let mut at = node;
    loop {
        let up = match at.kind {
            Kind::Profile => return at.same(profile),
            Kind::Person => return profile.parent(rel::PROFILES).is_some_and(|person| person.same(at)),
            kind if !is_personal(kind) => return false,
            Kind::Assignment => at.parent(rel::BY_PROFILE),
            Kind::Consumption => at.parent(rel::LEASES),
            kind => kind.owners().find_map(|rel| at.parent(rel)),
        };
        match up {
            Some(up) => at = up,
            None => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::schema::relations;

    #[test]
    fn owners_form_no_cycle() {
        for start in Kind::ALL {
            let mut level = vec![*start];
            for _ in 0..5 {
                level = relations()
                    .filter(|rel| rel.def().cascades() && level.contains(&rel.def().to))
                    .map(|rel| rel.def().from)
                    .collect();
            }
            assert!(level.is_empty(), "{} has owners {level:?} six levels up", start.name());
        }
    }
}
