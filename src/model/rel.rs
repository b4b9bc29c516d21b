//! The relations that several files know, each by one name. One that a single file asks for stands there.

use super::schema::known;
use super::{Kind, Rel, RelationType};

const fn owned(from: Kind, to: Kind) -> Rel {
    known(RelationType::OneToMany, from, to)
}

/// From an organization to its groups.
pub const GROUPS: Rel = owned(Kind::Organization, Kind::ProfileGroup);
/// From an organization to its entitlements.
pub const ENTITLEMENTS: Rel = owned(Kind::Organization, Kind::Entitlement);
/// From an organization to its roles.
pub const ROLES: Rel = owned(Kind::Organization, Kind::OrganizationRole);
/// From an organization to its technical actors.
pub const ACTORS: Rel = owned(Kind::Organization, Kind::TechnicalActor);
/// From an organization to its direct records.
pub const RECORDS: Rel = owned(Kind::Organization, Kind::DirectRecord);
/// From an organization to its user sets.
pub const SETS: Rel = owned(Kind::Organization, Kind::UserSet);

/// From a person to its profiles.
pub const PROFILES: Rel = owned(Kind::Person, Kind::Profile);
/// From a person to the logins it has.
pub const LOGINS: Rel = owned(Kind::Person, Kind::EmailAndPassword);
/// From a profile to its contact data.
pub const CONTACTS: Rel = owned(Kind::Profile, Kind::ContactInformation);
/// From contact data to its email addresses.
pub const ADDRESSES: Rel = owned(Kind::ContactInformation, Kind::EmailAddress);
/// From a profile to the entitlement of its own.
pub const PERSONAL: Rel = owned(Kind::Profile, Kind::Entitlement);
/// From a profile to the groups it is in.
pub const MEMBERSHIP: Rel = known(RelationType::Membership, Kind::Profile, Kind::ProfileGroup);

/// From an entitlement to the groups it opens to.
pub const OPENS_GROUP: Rel = known(
    RelationType::LicenseConsumerRelation,
    Kind::Entitlement,
    Kind::ProfileGroup,
);
/// From an entitlement to the profiles it opens to.
pub const OPENS_PROFILE: Rel = known(RelationType::LicenseConsumerRelation, Kind::Entitlement, Kind::Profile);

/// From a package to its items.
pub const ITEMS: Rel = known(RelationType::ManyToMany, Kind::ProductPackage, Kind::LicensedItem);
/// From a model to the packages whose licenses follow it.
pub const PACKAGES: Rel = owned(Kind::LicenseModel, Kind::ProductPackage);

/// From an entitlement to its licenses.
pub const LICENSES: Rel = owned(Kind::Entitlement, Kind::License);
/// From an item to the licenses of it.
pub const OF_ITEM: Rel = owned(Kind::LicensedItem, Kind::License);
/// From a model to the licenses that follow it.
pub const OF_MODEL: Rel = owned(Kind::LicenseModel, Kind::License);
/// From an offer to the licenses that were made of it.
pub const SOLD: Rel = owned(Kind::ProductPackage, Kind::License);
/// From a set to the licenses for its members.
pub const FOR_SET: Rel = owned(Kind::UserSet, Kind::License);

/// From a license to the credits of seats it has.
pub const SEAT_CREDITS: Rel = owned(Kind::License, Kind::SeatCountCredit);
/// From a license to its notes.
pub const NOTES: Rel = owned(Kind::License, Kind::LicenseMetadata);

/// From a license to those it is assigned to, and who use it.
pub const BY_LICENSE: Rel = owned(Kind::License, Kind::Assignment);
/// From a profile to what it is assigned, and uses.
pub const BY_PROFILE: Rel = owned(Kind::Profile, Kind::Assignment);
/// From an assignment to its leases.
pub const LEASES: Rel = owned(Kind::Assignment, Kind::Consumption);

/// From a license to the groups it is assigned to.
pub const GROUP_ASSIGNMENTS: Rel = owned(Kind::License, Kind::GroupAssignment);
/// From a group to the licenses it is assigned.
pub const OF_GROUP: Rel = owned(Kind::ProfileGroup, Kind::GroupAssignment);
/// From a group's assignment to those it made of its members.
pub const BY_GROUP: Rel = owned(Kind::GroupAssignment, Kind::Assignment);

/// From a group to its rules.
pub const RULES: Rel = owned(Kind::ProfileGroup, Kind::AllocationRule);
/// From an item to the rules for it.
pub const RULES_FOR: Rel = owned(Kind::LicensedItem, Kind::AllocationRule);
/// From a rule to what is leased by it.
pub const LEASED: Rel = owned(Kind::AllocationRule, Kind::Assignment);
/// From a profile to the direct records about it.
pub const RECORDS_OF: Rel = owned(Kind::Profile, Kind::DirectRecord);
/// From a direct record to what it allocates.
pub const ALLOCATED: Rel = owned(Kind::DirectRecord, Kind::Assignment);
