//! The words all rooms share: entities, relations, the schema, changes, principals, time.
//! Knows no I/O, no JSON, no SQL and no HTTP.

pub mod change;
pub mod clock;
pub mod entity;
pub mod event;
pub mod principal;
pub mod rel;
pub mod relation;
pub mod schema;
pub mod value;

pub use change::{Change, Commit, Replay, Whose};
pub use clock::{Clock, Time};
pub use entity::{Entity, Fields, Header, Values};
pub use event::{Event, Fact, Facts};
pub use principal::Principal;
pub use relation::{Direction, End, Rel, Relation};
pub use schema::{Field, FieldDef, FieldType, Kind, RelationDef, RelationType};
pub use value::Value;

/// Counts commits: the first commit is 1, an empty graph is at 0. Gap-free.
pub type Revision = u64;

/// Counts entities in order of creation, over the whole graph; never reused.
pub type Serial = u64;
