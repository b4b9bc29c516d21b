//! A relation: a typed link between two entities, known by its type and its ends. At most one of a type between the same two.

use uuid::Uuid;

use super::{Fields, RelationDef, Serial, schema};

/// A row of the schema's relation table: which relation, between which kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rel(pub u8);

impl Rel {
    pub fn def(self) -> &'static RelationDef {
        &schema::RELATIONS[self.0 as usize]
    }
}

/// Which way a relation is walked. Forward of a one-to-many goes from the parent to its children.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    Forward,
    Backward,
}

impl Direction {
    pub fn opposite(self) -> Self {
        match self {
            Self::Forward => Self::Backward,
            Self::Backward => Self::Forward,
        }
    }
}

/// One end of a relation, by both of its names: the id for people, the serial for storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct End {
    pub id: Uuid,
    pub serial: Serial,
}

/// A relation with its own fields (empty but for the named relations). Of a one-to-many, `from` is the parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    pub rel: Rel,
    pub from: End,
    pub to: End,
    pub fields: Fields,
}
