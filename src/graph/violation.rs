//! Why the graph refuses what a transaction asked. Required fields, enumerations and types of values are checked where
//! bodies are read, not here.

use uuid::Uuid;

use crate::model::{Kind, Rel, Serial};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("an entity with the id `{id}` exists already, of type `{}`", kind.name())]
    IdTaken { id: Uuid, kind: Kind },
    #[error("the serial `{serial}` is that of another entity, `{taken_by}`")]
    SerialTaken { id: Uuid, serial: Serial, taken_by: Uuid },
    #[error("the serial `{serial}` is out of range")]
    SerialOutOfRange { id: Uuid, serial: Serial },
    #[error("no entity has the id `{id}`")]
    NotFound { id: Uuid },
    #[error("`{value}` is the `{field}` of another `{}`", kind.name())]
    NotUnique {
        id: Uuid,
        kind: Kind,
        field: &'static str,
        value: String,
        taken_by: Uuid,
    },
    #[error("the `{}` `{id}` has two owners", kind.name())]
    TwoParents { id: Uuid, kind: Kind, rel: Rel },
    #[error("the `{}` `{id}` has no owner", kind.name())]
    NoOwner { id: Uuid, kind: Kind },
    #[error("the `{}` `{id}` needs a parent of type `{}`", kind.name(), rel.def().from.name())]
    NoParent { id: Uuid, kind: Kind, rel: Rel },
    #[error("the relation exists already")]
    RelationExists { rel: Rel, from: Uuid, to: Uuid },
    #[error("there is no such relation")]
    NoRelation { rel: Rel, from: Uuid, to: Uuid },
    #[error("`{id}` is of type `{}`, not `{}`", is.name(), wanted.name())]
    WrongKind { id: Uuid, is: Kind, wanted: Kind },
    #[error("`{parent}` has its one `{}` already", rel.def().to.name())]
    NotSingle { parent: Uuid, rel: Rel },
}
