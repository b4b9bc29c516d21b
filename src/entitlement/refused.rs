//! Why a license rule says no: an outcome with a stable code, not an error. Each edge says it in its own way.

use uuid::Uuid;

use crate::graph::Violation;

use super::reason::Reason;
use super::select::LOOKED_AT;
use super::sound::Contradiction;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the package `{0}` is not active")]
    PackageInactive(Uuid),
    #[error("the package `{0}` is not valid yet")]
    PackageNotYetValid(Uuid),
    #[error("the package `{0}` is no longer valid")]
    PackageExpired(Uuid),
    #[error("the package `{0}` has no licensed items")]
    PackageEmpty(Uuid),
    #[error("the package `{0}` has several licensed items, and what is sold one by one is of one")]
    PackageOfSeveral(Uuid),
    #[error("the package `{offer}` is for {most} at the same time, and has not so many left")]
    ConcurrenciesUsedUp { offer: Uuid, most: i64 },
    #[error(
        "the license `{0}` of the same package is a user set's and has no number of seats, which leaves none to count"
    )]
    SetWithoutLimit(Uuid),
    #[error(
        "the package `{0}` is for a number at the same time, which a user set cannot keep to: its model counts no seats"
    )]
    SetNotBySeats(Uuid),
    #[error("there are more than {LOOKED_AT} licenses to look at, with those that have ended")]
    TooManyLicenses,
    #[error("the count is {0}")]
    CountNotPositive(i64),
    #[error("the end of the validity is before its start")]
    EndBeforeStart,
    #[error("the validity is longer than the {most_ms} ms that the license model allows")]
    ValidityTooLong { most_ms: i64 },
    #[error("the license model `{0}` limits more than one of seats, use count and use time")]
    InvalidLicenseModel(Uuid),
    #[error("the license model locks trials to devices, and the grant names no scope of that lock")]
    LockScopeRequired,
    #[error("the licenses of this model are pooled, and the license `{0}` that is there has another validity")]
    ValidityDiffers(Uuid),
    #[error("the license `{0}` is limited by use time, which a count does not say")]
    QuotaOfUseTime(Uuid),
    #[error("the license `{0}` is limited by seats or uses, which a use time does not say")]
    UseTimeOfQuota(Uuid),
    #[error("the sum is larger than can be counted")]
    TooMuch,
    #[error("the license `{0}` has no free seat")]
    NoSeatsAvailable(Uuid),
    #[error("the license model allows {most} reservations on the license `{license}`, and they are all made")]
    ReservationLimit { license: Uuid, most: u64 },
    #[error("the license model does not allow to release a reservation on the license `{0}`")]
    ReleaseNotAllowed(Uuid),
    #[error("the license `{0}` is assigned to this user already, and that assignment is not active")]
    AssignmentInactive(Uuid),
    #[error("the license `{0}` was sold to its holder")]
    SoldToHolder(Uuid),
    #[error("the license `{0}` is allocated or assigned to somebody by others than who sold it")]
    AssignedByOthers(Uuid),
    #[error("the license `{0}` is limited by uses or by use time, and not by seats")]
    NotBySeats(Uuid),
    /// The item, of which it has none.
    #[error("the organization has no license of the item `{0}` that is valid now")]
    NothingToAllocate(Uuid),
    #[error("the quota is {quota}, and {used} members hold a license by the rule")]
    QuotaBelowUse { quota: u64, used: u64 },
    #[error("the property `{0}` of a license is written by the server alone")]
    ServersKey(String),
    #[error("the entitlement `{0}` belongs to another owner")]
    OtherOwner(Uuid),
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
    /// Of a consumption, or of giving one back.
    #[error("{}", .0.words())]
    NotGranted(Reason),
    #[error("the consumer has the lease `{0}` of the same already")]
    LeaseExists(Uuid),
    #[error(transparent)]
    Graph(#[from] Violation),
}

impl Refused {
    /// Of a `Graph` violation its room's own code is told: see `operation::refusal`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::PackageInactive(_) => "packageInactive",
            Self::PackageNotYetValid(_) => "packageNotYetValid",
            Self::PackageExpired(_) => "packageExpired",
            Self::PackageEmpty(_) => "packageEmpty",
            Self::PackageOfSeveral(_) => "packageOfSeveral",
            Self::ConcurrenciesUsedUp { .. } => "concurrenciesUsedUp",
            Self::SetWithoutLimit(_) => "setWithoutLimit",
            Self::SetNotBySeats(_) => "setNotBySeats",
            Self::TooManyLicenses => Reason::TooManyLicenses.code(),
            Self::CountNotPositive(_) => "countNotPositive",
            Self::EndBeforeStart => "endBeforeStart",
            Self::ValidityTooLong { .. } => "validityTooLong",
            Self::InvalidLicenseModel(_) => "invalidLicenseModel",
            Self::LockScopeRequired => "lockScopeRequired",
            Self::ValidityDiffers(_) => "validityDiffers",
            Self::QuotaOfUseTime(_) => "quotaOfUseTime",
            Self::UseTimeOfQuota(_) => "useTimeOfQuota",
            Self::TooMuch => "tooMuch",
            Self::NoSeatsAvailable(_) => "noSeatsAvailable",
            Self::ReservationLimit { .. } => "reservationLimit",
            Self::ReleaseNotAllowed(_) => "releaseNotAllowed",
            Self::AssignmentInactive(_) => "assignmentInactive",
            Self::SoldToHolder(_) => "soldToHolder",
            Self::AssignedByOthers(_) => "assignedByOthers",
            Self::NotBySeats(_) => "notBySeats",
            Self::NothingToAllocate(_) => "nothingToAllocate",
            Self::QuotaBelowUse { .. } => "quotaBelowUse",
            Self::ServersKey(_) => "serverOwned",
            Self::OtherOwner(_) => "otherOwner",
            Self::Contradiction(contradiction) => contradiction.code(),
            Self::NotGranted(reason) => reason.code(),
            Self::LeaseExists(_) => "leaseExists",
            Self::Graph(_) => "violation",
        }
    }

    /// What to do about it; for a `Graph` violation see `code`.
    pub fn help(&self) -> &'static str {
        match self {
            Self::PackageInactive(_) => "activate the package, or grant another one",
            Self::PackageNotYetValid(_) | Self::PackageExpired(_) => {
                "change the package's validity, or grant another one"
            }
            Self::PackageEmpty(_) => "relate licensed items to the package by `~ManyToMany`",
            Self::PackageOfSeveral(_) => "make one item that includes the others, and a package of it",
            Self::ConcurrenciesUsedUp { .. } => "take a license back, or raise `concurrencies` of the package",
            Self::SetNotBySeats(_) => {
                "sell it to users, leave `concurrencies` of the package out, or give it a license model that counts seats"
            }
            Self::SetWithoutLimit(_) => {
                "take that license back, give its SeatCountCredit a `seatCount` if its model counts seats, or leave `concurrencies` of the package out"
            }
            Self::TooManyLicenses => "take back, or delete, licenses that have ended",
            Self::CountNotPositive(_) => "it is 1 or more",
            Self::EndBeforeStart => "an end lies after its start",
            Self::ValidityTooLong { .. } => "grant a shorter validity, or leave `validUntil` out and get the longest",
            Self::InvalidLicenseModel(_) => {
                "leave one of SeatCountConstraint, UseCountConstraint and AggregateUseConstraint"
            }
            Self::LockScopeRequired => "send `lockScope`: `None`, `LicensedItem` or `ProductPackage`",
            Self::ValidityDiffers(_) => "grant with the validity of that license, or into another entitlement",
            Self::QuotaOfUseTime(_) => "use `change=aggregateUseTime`",
            Self::UseTimeOfQuota(_) => "use `change=quota`",
            Self::TooMuch => "send a smaller number",
            Self::NoSeatsAvailable(_) => "free a reservation, or add a SeatCountCredit to the license",
            Self::ReservationLimit { .. } => "release one, or raise `maxAssignments` of the AssignedLicenseConstraint",
            Self::ReleaseNotAllowed(_) => {
                "it ends with its validity; `allowRelease` of the AssignedLicenseConstraint decides"
            }
            Self::AssignmentInactive(_) => "make the assignment active where it was made, or delete it",
            Self::SoldToHolder(_) => "take it back where it was sold",
            Self::AssignedByOthers(_) => "take that back first, where it was allocated or assigned",
            Self::NotBySeats(_) => "leave the count out",
            Self::NothingToAllocate(_) => "grant the organization a license of it",
            Self::QuotaBelowUse { .. } => "take licenses back first, or send a larger quota",
            Self::ServersKey(_) => "call it something else",
            Self::OtherOwner(_) => "name an entitlement of the owner, or none for the owner's default",
            Self::Contradiction(contradiction) => contradiction.help(),
            Self::LeaseExists(_) => "renew that lease at `/authz`, or delete it first",
            Self::NotGranted(Reason::NoConsumptionFoundById) => {
                "`GET /leases` lists those that are live; one that has ended need not be given back"
            }
            Self::NotGranted(Reason::ReleaseNotAllowed) => {
                "it is free again when it ends; who may delete a `Consumption` of somebody else can end it before"
            }
            Self::NotGranted(Reason::QuotaExceeded) => {
                "take the seat of another member back, or raise `quota` of the AllocationRule"
            }
            Self::NotGranted(_) => {
                "ask `/authz` with `explain=true`: it tells every license that was tried, and the rule that stopped it"
            }
            Self::Graph(_) => "it does not fit what is stored",
        }
    }
}
