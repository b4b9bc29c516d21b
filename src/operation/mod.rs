//! What may be asked: the generic writes and, by name, the operations. Knows no threads, no storage and no HTTP.

pub mod crud;
pub mod input;
pub mod refusal;

use crate::error::Error;
use crate::model::FieldType;

/// Does it change the graph?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    Read,
    Write,
}

/// How it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Road {
    /// By the method, without `operation=`.
    Method(&'static str),
    /// `operation=Name`.
    Name,
}

/// A parameter in the query or in the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    pub name: &'static str,
    pub parameter_type: FieldType,
    pub required: bool,
    pub repeatable: bool,
}

/// Something that may be asked for. OpenAPI, `GET /graph-schema` and the command line read the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// As in the audit.
    pub name: &'static str,
    pub mode: Mode,
    pub road: Road,
    /// What the selector may name: a type, or `*` for any.
    pub target: Option<&'static str>,
    /// `*` on the left: of each type it meets.
    pub permission: &'static str,
    pub anonymous: bool,
    pub parameters: &'static [Parameter],
}

const fn generic(
    name: &'static str,
    mode: Mode,
    method: &'static str,
    target: Option<&'static str>,
    permission: &'static str,
    parameters: &'static [Parameter],
) -> Operation {
    Operation {
        name,
        mode,
        road: Road::Method(method),
        target,
        permission,
        anonymous: false,
        parameters,
    }
}

const fn optional(name: &'static str, parameter_type: FieldType) -> Parameter {
    Parameter {
        name,
        parameter_type,
        required: false,
        repeatable: false,
    }
}

const DRY_RUN: Parameter = optional("dryRun", FieldType::Bool);

pub static OPERATIONS: &[Operation] = &[
    generic(
        "Query",
        Mode::Read,
        "GET",
        Some("*"),
        "*.read",
        &[
            optional("wrap", FieldType::Bool),
            optional("cursor", FieldType::Text),
            optional("explain", FieldType::Bool),
        ],
    ),
    generic("Create", Mode::Write, "POST", None, "*.create", &[DRY_RUN]),
    generic("Update", Mode::Write, "PUT", None, "*.update", &[DRY_RUN]),
    generic("Delete", Mode::Write, "DELETE", Some("*"), "*.delete", &[DRY_RUN]),
];

/// The operation of `operation=Name`, by its exact name.
pub fn named(name: &str) -> Result<&'static Operation, Error> {
    OPERATIONS
        .iter()
        .find(|operation| operation.road == Road::Name && operation.name == name)
        .ok_or_else(|| Error::UnknownOperation(shown(name)))
}

/// Short enough for a message.
fn shown(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generic_operations_have_no_name_to_call_them_by() {
        for operation in OPERATIONS {
            assert!(matches!(operation.road, Road::Method(_)), "{}", operation.name);
            assert_eq!(
                named(operation.name),
                Err(Error::UnknownOperation(operation.name.to_owned()))
            );
        }
        assert_eq!(
            named("MoveLicenses").map_err(|error| error.code()),
            Err("unknownOperation")
        );
    }

    #[test]
    fn only_what_is_for_everyone_is_anonymous() {
        assert!(OPERATIONS.iter().all(|operation| !operation.anonymous));
    }
}
