//! The sum of the rooms' errors. Each has a stable code, words, help and a place; an edge maps `Class` to its status in
//! one exhaustive match.

use crate::access::token::{AuthError, TokenError};
use crate::access::{Denied, PermissionError};
use crate::graph::Violation;
use crate::limits::Limit;
use crate::operation::refusal::{self, Fault, InputError, OperationError, Refusal};
use crate::query::{Code, QueryError};
use crate::selector::SelectorError;
use crate::selector::ast::Span;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Selector(#[from] SelectorError),
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The token ended while the write waited.
    #[error(transparent)]
    Unauthenticated(#[from] AuthError),
    #[error(transparent)]
    Graph(#[from] Violation),
    #[error(transparent)]
    Denied(#[from] Denied),
    /// About a body.
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("unknown operation `{0}`")]
    UnknownOperation(String),
    /// About a named operation.
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// It would be one transaction, which others wait for.
    #[error("a dry run removes at most {} entities and relations, and these are more", .0.value)]
    DryRunTooLarge(Limit),
    /// A DELETE in steps is followed by writes that add as much.
    #[error("others add to it as fast as it is removed")]
    AddedMeanwhile,
    /// What a write selects is to be looked for where nobody waits for it, or once more where it was.
    #[error("what the selector looks at was changed by others each time it had been looked for")]
    SoughtInVain,
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Operation(fault.into())
    }
}

impl From<crate::entitlement::Refused> for Error {
    fn from(refused: crate::entitlement::Refused) -> Self {
        Self::Operation(refused.into())
    }
}

/// What kind of no it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Cannot be read, or names what does not exist in the schema.
    Unreadable,
    Unauthenticated,
    Forbidden,
    NotFound,
    /// Against what is stored.
    Conflict,
    Stale,
    TooLarge,
    SelectorTooLong,
    /// Understood and refused.
    Unprocessable,
    Busy,
    /// A fault of the server.
    Internal,
}

/// Where in what was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Selector(Span),
    /// A JSON pointer.
    Pointer(String),
    Parameter(String),
    None,
}

impl Error {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Selector(selector) => selector.code,
            Self::Query(query) => query.code.as_str(),
            Self::Unauthenticated(error) => error.code(),
            Self::Graph(violation) => refusal::violation_code(violation),
            Self::Denied(denied) => refusal::denied_code(denied),
            Self::Input(input) => input.why.code(),
            Self::Token(token) => token_code(token),
            Self::UnknownOperation(_) => "unknownOperation",
            Self::Operation(operation) => operation.why.code(),
            Self::DryRunTooLarge(_) => "dryRunTooLarge",
            Self::AddedMeanwhile => "addedMeanwhile",
            Self::SoughtInVain => "changedMeanwhile",
        }
    }

    pub fn message(&self) -> String {
        self.to_string()
    }

    pub fn help(&self) -> Option<&str> {
        match self {
            Self::Selector(selector) => Some(&selector.help),
            Self::Query(query) => query.help.as_deref(),
            Self::Unauthenticated(error) => Some(error.help()),
            Self::Graph(violation) => Some(refusal::violation_help(violation)),
            Self::Denied(denied) => Some(refusal::denied_help(denied)),
            Self::Input(input) => Some(input.why.help()),
            Self::Token(token) => Some(token_help(token)),
            Self::UnknownOperation(_) => Some(
                "`GET /graph-schema` lists them; GET, POST, PUT and DELETE without `operation` do the generic ones",
            ),
            Self::Operation(operation) => operation.why.help(),
            Self::DryRunTooLarge(_) => Some("try a part of it; without `dryRun` it is removed in several commits"),
            Self::AddedMeanwhile => Some("end what writes there, and send the request again"),
            Self::SoughtInVain => Some(
                "send the request again; one that begins with an id or an indexed field, and takes few hops, is found at once",
            ),
        }
    }

    pub fn place(&self) -> Place {
        match self {
            Self::Selector(selector) => Place::Selector(selector.span),
            Self::Query(query) => query.span.map_or(Place::None, Place::Selector),
            Self::Unauthenticated(_) => Place::None,
            Self::Input(input) => Place::Pointer(input.at.clone()),
            Self::Token(token) => match token {
                TokenError::Permission { at, .. } | TokenError::NotHeld { at, .. } => {
                    Place::Pointer(format!("/permissions/{at}"))
                }
                TokenError::OtherOrganization => Place::Pointer("/organizationId".to_owned()),
                TokenError::ProfileNotHeld(_)
                | TokenError::Dangling {
                    kind: crate::model::Kind::Profile,
                    ..
                } => Place::Pointer("/profileId".to_owned()),
                TokenError::Dangling { .. } => Place::Pointer("/organizationId".to_owned()),
                TokenError::ExpiresInPast(_) => Place::Pointer("/expiresAt".to_owned()),
                TokenError::Name | TokenError::ServersName(_) => Place::Pointer("/name".to_owned()),
                TokenError::Denied(_) | TokenError::NotFound(_) | TokenError::Violation(_) => Place::None,
            },
            Self::UnknownOperation(_) => Place::Parameter("operation".to_owned()),
            Self::Operation(operation) => match &operation.parameter {
                Some(parameter) => Place::Parameter(parameter.clone().into_owned()),
                None => Place::None,
            },
            Self::Graph(_) | Self::Denied(_) | Self::DryRunTooLarge(_) | Self::AddedMeanwhile | Self::SoughtInVain => {
                Place::None
            }
        }
    }

    pub fn limit(&self) -> Option<Limit> {
        match self {
            Self::Selector(selector) => selector.limit,
            Self::Query(query) => query.limit,
            Self::Unauthenticated(_)
            | Self::Graph(_)
            | Self::Denied(_)
            | Self::Token(_)
            | Self::UnknownOperation(_)
            | Self::AddedMeanwhile
            | Self::SoughtInVain => None,
            Self::Input(input) => match input.why {
                Refusal::PasswordTooShort(limit) => Some(limit),
                _ => None,
            },
            Self::DryRunTooLarge(limit) => Some(*limit),
            Self::Operation(operation) => match &operation.why {
                Fault::Selector(error, _) => error.limit,
                Fault::Query(error, _) => error.limit,
                Fault::TooMany(limit) => Some(*limit),
                _ => None,
            },
        }
    }

    pub fn class(&self) -> Class {
        match self {
            // 414 is about the length of what was asked for; the other bounds are about its content.
            Self::Selector(selector) if selector.code == "selectorTooLong" => Class::SelectorTooLong,
            Self::Selector(_) => Class::Unreadable,
            Self::Query(query) => match query.code {
                // Understood, and refused for what it would cost or for who asks.
                Code::VisitedTooMuch | Code::TimeSpent | Code::TooManyTargets | Code::NoCaller => Class::Unprocessable,
                Code::AnswerTooLarge => Class::TooLarge,
                _ => Class::Unreadable,
            },
            Self::Unauthenticated(_) => Class::Unauthenticated,
            Self::Graph(violation) => refusal::violation_class(violation),
            Self::Denied(denied) => refusal::denied_class(denied),
            Self::Input(input) => input.why.class(),
            Self::Token(token) => token_class(token),
            Self::UnknownOperation(_) => Class::Unreadable,
            Self::Operation(operation) => operation.why.class(),
            Self::DryRunTooLarge(_) => Class::Unprocessable,
            Self::AddedMeanwhile => Class::Conflict,
            Self::SoughtInVain => Class::Busy,
        }
    }
}

fn token_code(error: &TokenError) -> &'static str {
    match error {
        TokenError::Denied(denied) => refusal::denied_code(denied),
        TokenError::Permission {
            cause: PermissionError::Form(_),
            ..
        } => "permissionMalformed",
        TokenError::Permission {
            cause: PermissionError::Resource { .. },
            ..
        } => "unknownResource",
        TokenError::Permission {
            cause: PermissionError::Action { .. },
            ..
        } => "unknownAction",
        TokenError::NotHeld { .. } | TokenError::ProfileNotHeld(_) => "permissionNotHeld",
        TokenError::OtherOrganization => "otherOrganization",
        TokenError::Dangling { .. } => "danglingReference",
        TokenError::ExpiresInPast(_) => "expiresInPast",
        TokenError::Name => "valueDoesNotFit",
        TokenError::ServersName(_) => "serverOwned",
        TokenError::NotFound(_) => "notFound",
        TokenError::Violation(violation) => refusal::violation_code(violation),
    }
}

fn token_help(error: &TokenError) -> &'static str {
    match error {
        TokenError::Denied(denied) => refusal::denied_help(denied),
        TokenError::Permission { .. } => {
            "for example `License.read`, `*.read` or `License.*`; `GET /graph-schema` lists the types"
        }
        TokenError::NotHeld { .. } | TokenError::ProfileNotHeld(_) => "ask whoever holds it to make this token",
        TokenError::OtherOrganization => "leave it out: the new token is bound as the one that makes it",
        TokenError::Dangling { .. } => "it has to exist, and to be readable by the token that names it",
        TokenError::ExpiresInPast(_) => "send a time that is still to come, or none",
        TokenError::Name => "a few words about what the token is for",
        TokenError::ServersName(_) => "call it something else",
        TokenError::NotFound(_) => "`GET /tokens` lists those there are",
        TokenError::Violation(violation) => refusal::violation_help(violation),
    }
}

fn token_class(error: &TokenError) -> Class {
    match error {
        TokenError::Denied(denied) => refusal::denied_class(denied),
        TokenError::Permission { .. } | TokenError::Name | TokenError::ServersName(_) => Class::Unreadable,
        TokenError::NotHeld { .. } | TokenError::ProfileNotHeld(_) | TokenError::OtherOrganization => Class::Forbidden,
        TokenError::Dangling { .. } | TokenError::ExpiresInPast(_) => Class::Unprocessable,
        TokenError::NotFound(_) => Class::NotFound,
        TokenError::Violation(violation) => refusal::violation_class(violation),
    }
}
