//! The native JSON (`graph-api.md` 2.2 to 2.5): bytes to operation inputs, entities and changes to bytes. Knows no
//! status codes, no headers and no rules: what is understood here may still be refused by the operation.

mod change;
mod export;
mod form;
mod json;
mod names;
mod nest;
mod pointer;
mod read;
pub mod text;
mod value;
mod write;

pub use change::change;
pub use export::{export_entity, export_order, export_relation, export_relations};
pub use form::{FieldError, form_objects};
pub use nest::entity;
pub use pointer::{BodyError, Position};
pub use read::{import_line, objects};
pub use write::{entities, flat_row};

#[cfg(test)]
mod tests;
