//! Why a write is refused: what was sent, where it stood, and what would help. A stable code each; the status is the
//! edge's to choose from `Class`.

use uuid::Uuid;

use crate::access::Denied;
use crate::error::Class;
use crate::graph::Violation;
use crate::model::{Kind, Rel};

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
    #[error("the `{}` `{id}` is given two parents by `{}`", kind.name(), rel.def().reference_name())]
    TwoParents { kind: Kind, id: Uuid, rel: Rel },
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
    #[error("a `Consumption` cannot be written")]
    ConsumeNotBuilt,
    #[error("the organization `{0}` has a group of type `employees` already")]
    EmployeesExists(Uuid),
    #[error("the license `{license}` and the profile `{profile}` have an assignment already")]
    AssignmentExists { license: Uuid, profile: Uuid },
    #[error("the license `{0}` has no free seat")]
    NoSeatsAvailable(Uuid),
    #[error("the ends named in `relationAttributeObject` are not those of the relation it stands in")]
    EndsDisagree,
    #[error("`{0}` cannot be related to itself")]
    SelfRelation(Uuid),
    #[error("the password was not hashed")]
    PasswordNotHashed,
    #[error("the `{}` `{id}` does not belong to the organization the token is bound to", kind.name())]
    OutsideOrganization { kind: Kind, id: Uuid },
    #[error("what is stored is not what `If-Match` names")]
    Stale,
    #[error("it exists already, and `If-None-Match` asks that it does not")]
    NotNew,
    #[error("`If-Match` and `If-None-Match` need a write of one object")]
    IfMatchNeedsOne,
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error(transparent)]
    Graph(#[from] Violation),
}

impl Refusal {
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownType(_) => "unknownType",
            Self::ValueDoesNotFit(_) => "valueDoesNotFit",
            Self::ServerOwned { .. } => "serverOwned",
            Self::RequiredMissing { .. } => "requiredMissing",
            Self::ValueNotAllowed { .. } => "valueNotAllowed",
            Self::EndBeforeStart => "endBeforeStart",
            Self::TwoParents { .. } => "twoParents",
            Self::DanglingReference { .. } => "danglingReference",
            Self::IdNotUsable(_) => "idNotUsable",
            Self::WrongType { .. } => "wrongType",
            Self::OtherOwner { .. } => "otherOwner",
            Self::ConsumeNotBuilt => "consumeNotBuilt",
            Self::EmployeesExists(_) => "employeesExists",
            Self::AssignmentExists { .. } => "assignmentExists",
            Self::NoSeatsAvailable(_) => "noSeatsAvailable",
            Self::EndsDisagree => "endsDisagree",
            Self::SelfRelation(_) => "selfRelation",
            Self::PasswordNotHashed => "internal",
            Self::OutsideOrganization { .. } => "outsideOrganization",
            Self::Stale | Self::NotNew => "stale",
            Self::IfMatchNeedsOne => "ifMatchNeedsOne",
            Self::Denied(denied) => denied_code(denied),
            Self::Graph(violation) => violation_code(violation),
        }
    }

    pub fn class(&self) -> Class {
        match self {
            Self::UnknownType(_) | Self::ValueDoesNotFit(_) | Self::ServerOwned { .. } | Self::IfMatchNeedsOne => {
                Class::Unreadable
            }
            Self::RequiredMissing { .. }
            | Self::ValueNotAllowed { .. }
            | Self::EndBeforeStart
            | Self::TwoParents { .. }
            | Self::DanglingReference { .. }
            | Self::IdNotUsable(_)
            | Self::ConsumeNotBuilt
            | Self::EndsDisagree
            | Self::SelfRelation(_) => Class::Unprocessable,
            Self::WrongType { .. }
            | Self::OtherOwner { .. }
            | Self::EmployeesExists(_)
            | Self::AssignmentExists { .. }
            | Self::NoSeatsAvailable(_) => Class::Conflict,
            Self::OutsideOrganization { .. } => Class::Forbidden,
            Self::Stale | Self::NotNew => Class::Stale,
            Self::PasswordNotHashed => Class::Internal,
            Self::Denied(denied) => denied_class(denied),
            Self::Graph(violation) => violation_class(violation),
        }
    }

    pub fn help(&self) -> Option<&str> {
        match self {
            Self::ServerOwned { .. } => Some("leave it out, or send it back as it was read"),
            Self::ValueNotAllowed { allowed, .. } => Some(allowed),
            Self::TwoParents { .. } => Some("name one parent, in `referenceFields` or by where the object is listed"),
            Self::DanglingReference { .. } => {
                Some("what is referred to has to be in the body, or stored and readable by this token")
            }
            Self::IdNotUsable(_) => Some("leave the id out, and the server gives one"),
            Self::OtherOwner { .. } => Some("what is owned stays with its owner: create it anew at the other one"),
            Self::ConsumeNotBuilt => Some(
                "leases are made by consuming a license, which this version does not have; deleting one is possible",
            ),
            Self::EmployeesExists(_) => Some("use that group, or give the new one another type"),
            Self::AssignmentExists { .. } => Some("send the id of that assignment to change it"),
            Self::NoSeatsAvailable(_) => Some("free a reservation, or add a SeatCountCredit to the license"),
            Self::EndsDisagree => Some("leave the ends out: the place in the body says them"),
            Self::OutsideOrganization { .. } => {
                Some("link it, in the same request, to what belongs to the organization")
            }
            Self::Stale => Some("read it again, and send the ETag you get then"),
            Self::NotNew => Some("leave `If-None-Match` out to change what is there"),
            Self::IfMatchNeedsOne => Some("leave the header out, or send one object with its id"),
            Self::Denied(denied) => denied_help(denied),
            Self::Graph(violation) => violation_help(violation),
            _ => None,
        }
    }
}

pub(crate) fn denied_code(denied: &Denied) -> &'static str {
    match denied {
        Denied::Permission(_) => "permissionMissing",
        Denied::OutOfReach(_) => "notFound",
        Denied::ReadOnly(_) => "readOnly",
    }
}

pub(crate) fn denied_class(denied: &Denied) -> Class {
    match denied {
        Denied::Permission(_) | Denied::ReadOnly(_) => Class::Forbidden,
        Denied::OutOfReach(_) => Class::NotFound,
    }
}

pub(crate) fn denied_help(denied: &Denied) -> Option<&'static str> {
    match denied {
        Denied::Permission(_) => Some("use a token that has it"),
        Denied::ReadOnly(_) => Some("use a token that is bound to no organization"),
        Denied::OutOfReach(_) => None,
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

pub(crate) fn violation_help(violation: &Violation) -> Option<&'static str> {
    match violation {
        Violation::NoOwner { .. } => Some("name its owner in `referenceFields`, or list it under its owner"),
        Violation::NoParent { .. } => Some("name it in `referenceFields`, or list this object under it"),
        Violation::TwoParents { .. } => Some("unlink the one it has by sending its reference as null"),
        Violation::NotSingle { .. } => Some("send the id of the one there is to change it"),
        _ => None,
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
