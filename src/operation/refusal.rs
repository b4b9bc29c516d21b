//! Why a write is refused: what was sent, where it stood, and what would help. A stable code each; the status is the
//! edge's to choose from `Class`.

use std::borrow::Cow;

use uuid::Uuid;

use crate::access::Denied;
use crate::entitlement::{Reason, Refused};
use crate::error::Class;
use crate::graph::Violation;
use crate::limits::Limit;
use crate::model::{Kind, Rel};
use crate::query::QueryError;
use crate::selector::SelectorError;

use super::passwords::PASSWORD_BYTES;

/// A refusal with its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct InputError {
    /// A JSON pointer into the body; `""` for all of it.
    pub at: String,
    pub why: Refusal,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("unknown type `{0}`")]
    UnknownType(&'static str),
    #[error("the value of `{0}` does not fit its type")]
    ValueDoesNotFit(String),
    #[error("`{field}` of `{}` is written by the server alone", kind.name())]
    ServerOwned { kind: Kind, field: String },
    /// What is read and sent back is refused only where it is another by now. `now`: what it is, if the caller sees that.
    #[error("{}", not_as_read(*kind, field, now.as_deref()))]
    NotAsRead {
        kind: Kind,
        field: String,
        now: Option<String>,
    },
    #[error("{0} is written by the server alone")]
    Record(&'static str),
    #[error("the `{}` is of an order, and stays with its license", .0.name())]
    Ordered(Kind),
    #[error("`{field}` of `{}` is required", kind.name())]
    RequiredMissing { kind: Kind, field: &'static str },
    #[error("`{value}` is not allowed as `{field}`")]
    ValueNotAllowed {
        field: String,
        value: String,
        allowed: String,
    },
    #[error("`validUntil` is before `validFrom`")]
    EndBeforeStart,
    #[error("`{0}` is given two values: the object stands in the body more than once")]
    TwoValues(String),
    #[error("the `{}` `{id}` is given two parents by `{}`", kind.name(), rel.def().reference_name())]
    TwoParents { kind: Kind, id: Uuid, rel: Rel },
    #[error("the `{}` has two owners", kind.name())]
    TwoOwners { kind: Kind, help: &'static str },
    /// One that is hidden is answered like one that is missing.
    #[error("`{name}` names `{id}`, which does not exist")]
    DanglingReference { name: String, id: Uuid },
    /// Taken by something this caller does not see, of whatever type and whosever.
    #[error("the id `{0}` cannot be used")]
    IdNotUsable(Uuid),
    #[error("`{id}` is of type `{}`, not `{}`", is.name(), wanted.name())]
    WrongType { id: Uuid, is: Kind, wanted: Kind },
    #[error("the `{}` `{id}` belongs to another owner", kind.name())]
    OtherOwner { kind: Kind, id: Uuid },
    #[error("`{name}` names `{id}`, which is not {wanted}")]
    Misfit {
        name: String,
        id: Uuid,
        wanted: &'static str,
    },
    #[error("the organization `{0}` has a group of type `employees` already")]
    EmployeesExists(Uuid),
    /// Whose, is not said.
    #[error("an organization is called `{0}` already")]
    NameOfAnother(String),
    #[error("{}", tie_exists(*kind, ends))]
    TieExists { kind: Kind, ends: [(Kind, Uuid); 2] },
    #[error("the ends named in `relationAttributeObject` are not those of the relation it stands in")]
    EndsDisagree,
    #[error("the relation is linked and unlinked in one body")]
    LinkedToo,
    #[error("the `{}` `{id}` does not exist, so nothing is linked to it", kind.name())]
    NothingToUnlink { kind: Kind, id: Uuid },
    #[error("`{0}` is set on a relation that is unlinked")]
    OfNoRelation(&'static str),
    #[error("`{0}` cannot be related to itself")]
    SelfRelation(Uuid),
    #[error("a lease stays with the assignment it was granted by")]
    LeaseStays,
    #[error("the password was not hashed")]
    PasswordNotHashed,
    #[error("the password has more than {PASSWORD_BYTES} bytes")]
    PasswordTooLong,
    #[error("the password has too few characters")]
    PasswordTooShort(Limit),
    #[error("the `{}` `{id}` does not belong to the organization the token is bound to", kind.name())]
    OutsideOrganization { kind: Kind, id: Uuid },
    #[error("the `{}` would be left without anything within the organization's reach", kind.name())]
    LeftBehind { kind: Kind },
    #[error("a token bound to the organization `{organization}` creates no such `{}`", kind.name())]
    NotOrganizations { kind: Kind, organization: Uuid },
    #[error("what is stored is not what `If-Match` names")]
    Stale,
    #[error("it exists already, and `If-None-Match` asks that it does not")]
    NotNew,
    #[error("`If-Match` and `If-None-Match` need a write of one object")]
    IfMatchNeedsOne,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Entitlement(#[from] Refused),
    #[error(transparent)]
    Graph(#[from] Violation),
}

impl Refusal {
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownType(_) => "unknownType",
            Self::ValueDoesNotFit(_) | Self::PasswordTooLong => "valueDoesNotFit",
            Self::ServerOwned { .. } | Self::NotAsRead { .. } | Self::Record(_) | Self::Ordered(_) => "serverOwned",
            Self::RequiredMissing { .. } => "requiredMissing",
            Self::ValueNotAllowed { .. } => "valueNotAllowed",
            Self::EndBeforeStart => "endBeforeStart",
            Self::TwoValues(_) => "twoValues",
            Self::TwoParents { .. } | Self::TwoOwners { .. } => "twoParents",
            Self::DanglingReference { .. } | Self::NothingToUnlink { .. } => "danglingReference",
            Self::IdNotUsable(_) => "idNotUsable",
            Self::WrongType { .. } => "wrongType",
            Self::OtherOwner { .. } | Self::Misfit { .. } => "otherOwner",
            Self::EmployeesExists(_) => "employeesExists",
            Self::NameOfAnother(_) => "notUnique",
            Self::TieExists { kind, .. } => match kind {
                Kind::DirectRecord => "recordExists",
                Kind::AllocationRule => "ruleExists",
                _ => "assignmentExists",
            },
            Self::EndsDisagree | Self::LinkedToo => "endsDisagree",
            Self::OfNoRelation(_) | Self::PasswordTooShort(_) => "valueNotAllowed",
            Self::SelfRelation(_) => "selfRelation",
            Self::LeaseStays => "leaseStays",
            Self::PasswordNotHashed => "internal",
            Self::OutsideOrganization { .. } | Self::LeftBehind { .. } => "outsideOrganization",
            Self::NotOrganizations { .. } => "readOnly",
            Self::Stale | Self::NotNew => "stale",
            Self::IfMatchNeedsOne => "ifMatchNeedsOne",
            Self::Denied(denied) => denied_code(denied),
            Self::Entitlement(refused) => refused_code(refused),
            Self::Graph(violation) => violation_code(violation),
        }
    }

    pub fn class(&self) -> Class {
        match self {
            Self::UnknownType(_)
            | Self::ValueDoesNotFit(_)
            | Self::PasswordTooLong
            | Self::ServerOwned { .. }
            | Self::NotAsRead { .. }
            | Self::Record(_)
            | Self::Ordered(_)
            | Self::IfMatchNeedsOne => Class::Unreadable,
            Self::RequiredMissing { .. }
            | Self::ValueNotAllowed { .. }
            | Self::EndBeforeStart
            | Self::TwoValues(_)
            | Self::TwoParents { .. }
            | Self::TwoOwners { .. }
            | Self::DanglingReference { .. }
            | Self::NothingToUnlink { .. }
            | Self::IdNotUsable(_)
            | Self::EndsDisagree
            | Self::LinkedToo
            | Self::OfNoRelation(_)
            | Self::PasswordTooShort(_)
            | Self::SelfRelation(_) => Class::Unprocessable,
            Self::WrongType { .. }
            | Self::OtherOwner { .. }
            | Self::Misfit { .. }
            | Self::EmployeesExists(_)
            | Self::NameOfAnother(_)
            | Self::LeaseStays
            | Self::TieExists { .. } => Class::Conflict,
            Self::OutsideOrganization { .. } | Self::LeftBehind { .. } | Self::NotOrganizations { .. } => {
                Class::Forbidden
            }
            Self::Stale | Self::NotNew => Class::Stale,
            Self::PasswordNotHashed => Class::Internal,
            Self::Denied(denied) => denied_class(denied),
            Self::Entitlement(refused) => refused_class(refused),
            Self::Graph(violation) => violation_class(violation),
        }
    }

    pub fn help(&self) -> &str {
        match self {
            Self::UnknownType(_) => "`GET /graph-schema` lists all types",
            Self::ValueDoesNotFit(_) => "`GET /graph-schema` has the type of every field",
            Self::Record(_) => "it comes and goes with what it tells of",
            Self::Ordered(_) => "change the order, or give the other license a credit of its own",
            Self::ServerOwned { .. } => "leave it out, or send it back as it is",
            Self::NotAsRead { .. } => "read it again, or leave `serial`, `created` and `updated` out",
            Self::RequiredMissing { .. } => "send a value that is not null; `GET /graph-schema` says what is required",
            Self::ValueNotAllowed { allowed, .. } => allowed,
            Self::TwoValues(_) => "say the same in each place, or leave it out in the others",
            Self::TwoParents { .. } => "name one parent, in `referenceFields` or by where the object is listed",
            Self::TwoOwners { help, .. } => help,
            Self::DanglingReference { .. } => {
                "what is referred to has to be in the body, or stored and readable by this token"
            }
            Self::EndBeforeStart => "leave one of them out, or let it end after it begins",
            Self::WrongType { .. } => "an id stays with its type: send the id of one of the wanted type",
            Self::SelfRelation(_) => "name another object at one of the ends",
            Self::IdNotUsable(_) => "leave the id out, and the server gives one",
            Self::OtherOwner { .. } => "what is owned stays with its owner: create it anew at the other one",
            Self::Misfit { .. } => "what a license is given by belongs to whoever owns it: name one that does",
            Self::EmployeesExists(_) => "use that group, or give the new one another type",
            Self::NameOfAnother(_) => "send another one, or use a token that is bound to no organization",
            Self::TieExists { .. } => "send the id of that one to change it",
            Self::LeaseStays => "delete it, and let the other one consume",
            Self::EndsDisagree => "leave the ends out: the place in the body says them",
            Self::LinkedToo => "say one of the two",
            Self::NothingToUnlink { .. } => "what is unlinked has to be stored, and readable by this token",
            Self::OfNoRelation(_) => "send the reference alone to unlink, or leave it out",
            Self::PasswordNotHashed => "report the requestId",
            Self::PasswordTooLong => "choose a shorter one",
            Self::PasswordTooShort(_) => "choose a longer one",
            Self::OutsideOrganization {
                kind: Kind::Organization,
                ..
            } => "use a token that is bound to no organization",
            Self::LeftBehind { .. } => {
                "let another profile have it in the same request, or leave the reference as it is"
            }
            Self::OutsideOrganization { .. } => "link it, in the same request, to what belongs to the organization",
            Self::NotOrganizations { .. } => "use a token that is bound to no organization",
            Self::Stale => "read it again, and send the ETag you get then",
            Self::NotNew => "leave `If-None-Match` out to change what is there",
            Self::IfMatchNeedsOne => "leave the header out, or send one object with its id",
            Self::Denied(denied) => denied_help(denied),
            Self::Entitlement(refused) => refused_help(refused),
            Self::Graph(violation) => violation_help(violation),
        }
    }
}

fn tie_exists(kind: Kind, ends: &[(Kind, Uuid); 2]) -> String {
    let [(one, id), (other, other_id)] = ends;
    let (kind, one, other) = (kind.name(), one.name(), other.name());
    format!("the `{one}` `{id}` and the `{other}` `{other_id}` have a `{kind}` already")
}

fn not_as_read(kind: Kind, field: &str, now: Option<&str>) -> String {
    let now = now.map(|now| format!(": it is `{now}` now")).unwrap_or_default();
    // The others never change.
    let since = match field {
        "updated" => "the object was changed since it was read",
        _ => "this is not what it is",
    };
    format!(
        "`{field}` of `{}` is written by the server alone, and {since}{now}",
        kind.name()
    )
}

pub(crate) fn denied_code(denied: &Denied) -> &'static str {
    match denied {
        Denied::Permission(_) | Denied::Unbound(_) | Denied::GiveBack => "permissionMissing",
        Denied::OutOfReach(_) => "notFound",
        Denied::ReadOnly(_) | Denied::TakesAlong(_) => "readOnly",
    }
}

pub(crate) fn denied_class(denied: &Denied) -> Class {
    match denied {
        Denied::Permission(_) | Denied::Unbound(_) | Denied::GiveBack | Denied::ReadOnly(_) | Denied::TakesAlong(_) => {
            Class::Forbidden
        }
        Denied::OutOfReach(_) => Class::NotFound,
    }
}

pub(crate) fn denied_help(denied: &Denied) -> &'static str {
    match denied {
        Denied::Permission(_) => "use a token that has it",
        Denied::Unbound(_) => "ask whoever gives out tokens here for such a one",
        Denied::GiveBack => {
            "use a token that has `License.consume`, for leases of its own profile, or `Consumption.delete`, for anybody's"
        }
        Denied::ReadOnly(_) | Denied::TakesAlong(_) => "use a token that is bound to no organization",
        Denied::OutOfReach(_) => "it has to exist, and to be within the reach of the token",
    }
}

pub(crate) fn violation_code(violation: &Violation) -> &'static str {
    match violation {
        Violation::IdTaken { .. } => "idTaken",
        Violation::SerialTaken { .. } => "serialTaken",
        Violation::SerialOutOfRange { .. } => "serialOutOfRange",
        Violation::NotFound { .. } => "danglingReference",
        Violation::NotUnique { .. } => "notUnique",
        Violation::TwoParents { .. } => "twoParents",
        Violation::NoOwner { .. } => "ownerMissing",
        Violation::NoParent { .. } => "parentMissing",
        Violation::RelationExists { .. } => "relationExists",
        Violation::NoRelation { .. } => "relationMissing",
        Violation::WrongKind { .. } => "wrongType",
        Violation::NotSingle { .. } => "notSingle",
    }
}

pub(crate) fn violation_class(violation: &Violation) -> Class {
    match violation {
        Violation::NotFound { .. }
        | Violation::TwoParents { .. }
        | Violation::NoOwner { .. }
        | Violation::NoParent { .. }
        | Violation::SerialOutOfRange { .. } => Class::Unprocessable,
        Violation::IdTaken { .. }
        | Violation::SerialTaken { .. }
        | Violation::NotUnique { .. }
        | Violation::RelationExists { .. }
        | Violation::NoRelation { .. }
        | Violation::WrongKind { .. }
        | Violation::NotSingle { .. } => Class::Conflict,
    }
}

pub(crate) fn violation_help(violation: &Violation) -> &'static str {
    match violation {
        Violation::NoOwner { .. } => "name its owner in `referenceFields`, or list it under its owner",
        Violation::NoParent { .. } => "name it in `referenceFields`, or list this object under it",
        Violation::TwoParents { .. } => "unlink the one it has by sending its reference as null",
        Violation::NotSingle { .. } => "send the id of the one there is to change it",
        Violation::NotUnique { .. } => "send another value, or the id of the one that has it to change that",
        Violation::WrongKind { .. } => "an id stays with its type: send the id of one of the wanted type",
        Violation::NotFound { .. } => "what is referred to has to be in the body, or stored and readable by this token",
        Violation::IdTaken { .. } => "leave the id out, and the server gives one",
        Violation::SerialTaken { .. } => {
            "leave the serial out, or import into a database that is empty; where others write to it meanwhile, say the highest serial ahead (`lastSerial`), as `seatgraph import FILE` does"
        }
        Violation::SerialOutOfRange { .. } => "leave the serial out, and the server gives one",
        Violation::RelationExists { .. } => "leave it out: it is there",
        Violation::NoRelation { .. } => "leave it out: it is gone",
    }
}

/// What a violation is about: the place in a body is that of this entity.
pub(crate) fn about(violation: &Violation) -> Uuid {
    match violation {
        Violation::IdTaken { id, .. }
        | Violation::SerialTaken { id, .. }
        | Violation::SerialOutOfRange { id, .. }
        | Violation::NotFound { id }
        | Violation::NotUnique { id, .. }
        | Violation::TwoParents { id, .. }
        | Violation::NoOwner { id, .. }
        | Violation::NoParent { id, .. }
        | Violation::WrongKind { id, .. } => *id,
        Violation::RelationExists { to, .. } | Violation::NoRelation { to, .. } => *to,
        Violation::NotSingle { parent, .. } => *parent,
    }
}

pub(crate) fn refused_code(refused: &Refused) -> &'static str {
    match refused {
        Refused::Graph(violation) => violation_code(violation),
        refused => refused.code(),
    }
}

pub(crate) fn refused_help(refused: &Refused) -> &'static str {
    match refused {
        Refused::Graph(violation) => violation_help(violation),
        refused => refused.help(),
    }
}

pub(crate) fn refused_class(refused: &Refused) -> Class {
    match refused {
        Refused::PackageInactive(_)
        | Refused::PackageNotYetValid(_)
        | Refused::PackageExpired(_)
        | Refused::PackageEmpty(_)
        | Refused::PackageOfSeveral(_)
        | Refused::SetNotBySeats(_)
        | Refused::CountNotPositive(_)
        | Refused::EndBeforeStart
        | Refused::ValidityTooLong { .. }
        | Refused::InvalidLicenseModel(_)
        | Refused::LockScopeRequired
        | Refused::QuotaOfUseTime(_)
        | Refused::UseTimeOfQuota(_)
        | Refused::NotBySeats(_)
        | Refused::Contradiction(_)
        | Refused::TooMuch => Class::Unprocessable,
        Refused::ServersKey(_) => Class::Unreadable,
        Refused::NotGranted(Reason::NoConsumptionFoundById) => Class::NotFound,
        Refused::ValidityDiffers(_)
        | Refused::NoSeatsAvailable(_)
        | Refused::ReservationLimit { .. }
        | Refused::ReleaseNotAllowed(_)
        | Refused::NotGranted(_)
        | Refused::LeaseExists(_)
        | Refused::AssignmentInactive(_)
        | Refused::SoldToHolder(_)
        | Refused::AssignedByOthers(_)
        | Refused::NothingToAllocate(_)
        | Refused::ConcurrenciesUsedUp { .. }
        | Refused::TooManyLicenses
        | Refused::SetWithoutLimit(_)
        | Refused::QuotaBelowUse { .. }
        | Refused::OtherOwner(_) => Class::Conflict,
        Refused::Graph(violation) => violation_class(violation),
    }
}

/// Why a named operation says no, and the parameter it is about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct OperationError {
    pub parameter: Option<Cow<'static, str>>,
    pub why: Fault,
}

impl OperationError {
    pub fn at(parameter: impl Into<Cow<'static, str>>, why: Fault) -> Self {
        Self {
            parameter: Some(parameter.into()),
            why,
        }
    }
}

impl From<Fault> for OperationError {
    fn from(why: Fault) -> Self {
        Self { parameter: None, why }
    }
}

impl From<Refused> for OperationError {
    fn from(refused: Refused) -> Self {
        Fault::Refused(refused).into()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    // What cannot be read.
    #[error("the parameter is missing")]
    Missing,
    #[error("one of `{0}` is needed")]
    OneNeeded(&'static str),
    #[error("the parameter is given twice")]
    Repeated,
    #[error("`{value}` is not a value of this parameter")]
    Mistyped { value: String, wanted: String },
    #[error("the operation has no such parameter")]
    Unknown { known: String },
    #[error("the parameter does not go with `change={change}`")]
    NotWithChange { change: String },
    #[error("more than {} parameters", .0.value)]
    TooMany(Limit),
    #[error("the operation needs a selector of `{0}`")]
    SelectorMissing(String),
    #[error("the operation takes no selector")]
    SelectorNotAllowed,
    #[error("the selector names `{named}`, and the operation is for `{wanted}`")]
    WrongTarget { named: String, wanted: String },
    #[error("a selector of an operation takes every match: it has no `{{…}}`")]
    ParamsNotAllowed,
    /// With the text it is about.
    #[error("{0}")]
    Selector(SelectorError, String),
    /// Likewise.
    #[error("{0}")]
    Query(QueryError, String),
    #[error("the operation needs a body with an object graph")]
    ObjectsMissing,
    #[error("the operation takes one object of type `Profile`, and there are {0} objects")]
    NotOneProfile(usize),
    // What is understood and refused.
    #[error("{}", match id { Some(id) => format!("no `{}` has the id `{id}`", kind.name()), None => format!("the selector matches no `{}`", kind.name()) })]
    TargetNotFound { kind: Kind, id: Option<Uuid> },
    #[error("the selector matches {matches} objects of type `{}`, and one is meant", kind.name())]
    AmbiguousTarget { kind: Kind, matches: usize },
    #[error("`{id}` is of type `{}`, not `{}`", is.name(), wanted.name())]
    WrongType { id: Uuid, is: Kind, wanted: Kind },
    #[error("the id `{0}` cannot be used")]
    IdNotUsable(Uuid),
    #[error("no entitlement can be made from this selector")]
    NotMadeFromSelector,
    #[error("nothing says who owns the licenses")]
    OwnerMissing,
    #[error("`{0}` is related to it already")]
    RelationExists(Uuid),
    #[error("`{0}` is not related to it")]
    RelationMissing(Uuid),
    #[error("the license `{license}` and the profile `{profile}` have no assignment")]
    AssignmentMissing { license: Uuid, profile: Uuid },
    #[error("`{0}` is no reservation type")]
    UnknownReservationType(String),
    #[error("the data is not JSON: {0}")]
    ClientDataNotJson(String),
    #[error("there is another transaction with the external id `{0}`")]
    TransactionDiffers(String),
    #[error("there is no transaction with the external id `{0}`")]
    TransactionMissing(String),
    #[error("{}", Refused::ValidityDiffers(*license))]
    ValidityDiffers { license: Uuid, help: String },
    #[error("an external id has 1 to 200 bytes without control characters, and is once among the items")]
    ExternalIdUnfit,
    #[error("a transaction has 1 to 100 items, and this has {0}")]
    ItemCount(usize),
    #[error("the profile `{0}` exists already")]
    ProfileExists(Uuid),
    #[error("a registration without a token makes at most {most} objects")]
    TooManyObjects { most: usize },
    #[error("a registration without a token takes no alias")]
    AliasNotAllowed,
    #[error("a registration without a token needs a login with a password")]
    PasswordMissing,
    #[error("the two passwords are not the same")]
    PasswordsDiffer,
    #[error("the terms and conditions are not accepted")]
    TermsNotAccepted,
    #[error("the user name or the password is wrong")]
    InvalidCredentials,
    #[error("nothing says who consumes: the token has no profile")]
    ConsumerMissing,
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A generic write within the operation.
    #[error(transparent)]
    Write(#[from] Refusal),
}

impl Fault {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing | Self::OneNeeded(_) => "parameterMissing",
            Self::Repeated => "repeatedParameter",
            Self::Mistyped { .. } => "badParameter",
            Self::Unknown { .. } => "unknownParameter",
            Self::NotWithChange { .. } => "parameterNotAllowed",
            Self::TooMany(_) => "tooManyParameters",
            Self::SelectorMissing(_) => "selectorMissing",
            Self::SelectorNotAllowed => "selectorNotAllowed",
            Self::WrongTarget { .. } => "wrongTarget",
            Self::ParamsNotAllowed => "paramsNotAllowed",
            Self::Selector(error, _) => error.code,
            Self::Query(error, _) => error.code.as_str(),
            Self::ObjectsMissing => "bodyMissing",
            Self::NotOneProfile(_) => "notOneProfile",
            Self::TargetNotFound { .. } => "targetNotFound",
            Self::AmbiguousTarget { .. } => "ambiguousTarget",
            Self::WrongType { .. } => "wrongType",
            Self::IdNotUsable(_) => "idNotUsable",
            Self::NotMadeFromSelector => "notMadeFromSelector",
            Self::OwnerMissing => "ownerMissing",
            Self::RelationExists(_) => "relationExists",
            Self::RelationMissing(_) => "relationMissing",
            Self::AssignmentMissing { .. } => "assignmentMissing",
            Self::UnknownReservationType(_) => "unknownReservationType",
            Self::ClientDataNotJson(_) => "clientDataNotJson",
            Self::TransactionDiffers(_) => "transactionDiffers",
            Self::TransactionMissing(_) => "transactionNotFound",
            Self::ValidityDiffers { license, .. } => Refused::ValidityDiffers(*license).code(),
            Self::ExternalIdUnfit => "badExternalId",
            Self::ItemCount(_) => "badItemCount",
            Self::ProfileExists(_) => "profileExists",
            Self::TooManyObjects { .. } => "tooManyObjects",
            Self::AliasNotAllowed => "aliasNotAllowed",
            Self::PasswordMissing => "passwordMissing",
            Self::PasswordsDiffer => "passwordsDiffer",
            Self::TermsNotAccepted => "termsNotAccepted",
            Self::InvalidCredentials => "invalidCredentials",
            Self::ConsumerMissing => "noCaller",
            Self::Refused(refused) => refused_code(refused),
            Self::Write(refusal) => refusal.code(),
        }
    }

    pub fn class(&self) -> Class {
        match self {
            Self::Missing
            | Self::OneNeeded(_)
            | Self::Repeated
            | Self::Mistyped { .. }
            | Self::Unknown { .. }
            | Self::NotWithChange { .. }
            | Self::TooMany(_)
            | Self::SelectorMissing(_)
            | Self::SelectorNotAllowed
            | Self::WrongTarget { .. }
            | Self::ParamsNotAllowed
            | Self::ObjectsMissing
            | Self::ExternalIdUnfit
            | Self::ItemCount(_)
            | Self::NotOneProfile(_) => Class::Unreadable,
            Self::Selector(error, _) => crate::error::Error::Selector(error.clone()).class(),
            Self::Query(error, _) => crate::error::Error::Query(error.clone()).class(),
            Self::TargetNotFound { .. } | Self::TransactionMissing(_) => Class::NotFound,
            Self::WrongType { .. }
            | Self::TransactionDiffers(_)
            | Self::ValidityDiffers { .. }
            | Self::RelationExists(_)
            | Self::RelationMissing(_)
            | Self::ProfileExists(_)
            | Self::AmbiguousTarget { .. } => Class::Conflict,
            Self::IdNotUsable(_)
            | Self::NotMadeFromSelector
            | Self::OwnerMissing
            | Self::AssignmentMissing { .. }
            | Self::UnknownReservationType(_)
            | Self::ClientDataNotJson(_)
            | Self::TooManyObjects { .. }
            | Self::AliasNotAllowed
            | Self::PasswordMissing
            | Self::PasswordsDiffer
            | Self::TermsNotAccepted
            | Self::InvalidCredentials
            | Self::ConsumerMissing => Class::Unprocessable,
            Self::Refused(refused) => refused_class(refused),
            Self::Write(refusal) => refusal.class(),
        }
    }

    /// `None` for a query that says nothing of it.
    pub fn help(&self) -> Option<&str> {
        Some(match self {
            Self::Missing | Self::OneNeeded(_) => "send it in the query or in the form",
            Self::Repeated => "send it once, in the query or in the form",
            Self::Mistyped { wanted, .. } => wanted,
            Self::Unknown { known } => known,
            Self::NotWithChange { .. } => "leave it out, or send the change it belongs to",
            Self::TooMany(_) => "send fewer",
            Self::SelectorMissing(_) => "for example `POST /graph/License[@id='…']?operation=…`",
            Self::SelectorNotAllowed => "send it to `/graph`",
            Self::WrongTarget { .. } => "`GET /graph-schema` lists what each operation is for",
            Self::ParamsNotAllowed => "take the braces off",
            Self::Selector(error, _) => &error.help,
            Self::Query(error, _) => return error.help.as_deref(),
            Self::ObjectsMissing => {
                "send a Profile as JSON, or form fields such as `/Profile/~ManyToOne/Person/@firstName`"
            }
            Self::NotOneProfile(_) => "nest all other objects below the Profile",
            Self::TargetNotFound { .. } => "it has to exist, and to be within the reach of the token",
            Self::AmbiguousTarget { .. } => "narrow the selector, for example by `[@id='…']`",
            Self::WrongType { .. } => "send the id of an object of that type",
            Self::IdNotUsable(_) => "choose another id, or name the entitlement by a selector",
            Self::NotMadeFromSelector => {
                "a selector that makes an entitlement compares fields by `=` alone, such as `/Entitlement[@name='Project X']`"
            }
            Self::OwnerMissing => "send `ownerOrganizationId`, or an entitlement or a group of the owner",
            Self::RelationExists(_) => {
                "it is done already; `allowAlreadyAdded=true` makes that no error, where the operation has it"
            }
            Self::RelationMissing(_) => {
                "it is done already; `allowAlreadyRemoved=true` makes that no error, where the operation has it"
            }
            Self::AssignmentMissing { .. } => "send `createAssignment=true` to make one",
            Self::UnknownReservationType(_) => "it is empty, `reserved` or `denied`",
            Self::ClientDataNotJson(_) => "quote a text: `\"text\"` is JSON",
            Self::TransactionDiffers(_) => {
                "PUT changes quantities, validities and `lockScope`, and adds items; type and products stay"
            }
            Self::TransactionMissing(_) => "POST makes one",
            Self::ValidityDiffers { help, .. } => help,
            Self::ExternalIdUnfit => "it is how your own system knows the order, and the item within it",
            Self::ItemCount(_) => "send several transactions",
            Self::ProfileExists(_) => "leave the id out, or choose a new one",
            Self::TooManyObjects { .. } => "register with the login and the addresses, and add the rest afterwards",
            Self::AliasNotAllowed => "leave it out: whoever keeps the users gives it",
            Self::PasswordMissing => "nest an EmailAndPassword with `userName` and `passwordPlain` below the Person",
            Self::PasswordsDiffer => "send the same text as `passwordPlain` and `confirmedPassword`",
            Self::TermsNotAccepted => "send `acceptsTsAndCs=true` once the user accepts them",
            Self::InvalidCredentials => "send both as the login has them; which of them is wrong is told to nobody",
            Self::ConsumerMissing => "name a profile, or use a token that has one",
            Self::Refused(refused) => refused_help(refused),
            Self::Write(refusal) => refusal.help(),
        })
    }
}
