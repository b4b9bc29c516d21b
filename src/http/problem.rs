//! Every error of this edge as an RFC 9457 problem document, and the one match that gives each its status.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use serde_json::{Map, Value, json};

use crate::access::token::AuthError;
use crate::engine::WriteError;
use crate::error::{Class, Error, Place};
use crate::http::target::TargetError;
use crate::http::wire::BodyError;
use crate::limits::Limit;
use crate::model::Revision;
use crate::operation::moving::MovingError;
use crate::selector::ast::Span;
use crate::selector::caret;

/// What went wrong, as a client reads it.
#[derive(Debug)]
pub struct Problem {
    pub status: StatusCode,
    pub code: &'static str,
    pub detail: String,
    pub help: Option<String>,
    /// Bytes of the decoded selector.
    pub selector: Option<(u32, u32)>,
    /// A JSON pointer into the body.
    pub pointer: Option<String>,
    pub parameter: Option<String>,
    pub limit: Option<Limit>,
    /// More members, for the documents that say more (`line`, `committedLines`).
    pub more: Map<String, Value>,
    /// The methods that would have been right, with 405.
    pub allow: Option<&'static str>,
    /// Seconds, with 429.
    pub retry_after: Option<u64>,
    /// Of the graph that it was decided on, or a later one that is published.
    pub revision: Option<Revision>,
}

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            help: None,
            selector: None,
            pointer: None,
            parameter: None,
            limit: None,
            more: Map::new(),
            allow: None,
            retry_after: None,
            revision: None,
        }
    }

    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    #[must_use]
    pub fn pointer(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>) -> Self {
        self.parameter = Some(name.into());
        self
    }

    #[must_use]
    pub fn limit(mut self, limit: Limit) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Draws its place in a selector, or in whatever text it is a place of; once, where the text is known first.
    #[must_use]
    pub fn beneath(mut self, text: &str) -> Self {
        if let Some((start, end)) = self.selector
            && !self.more.contains_key("caret")
        {
            self.more
                .insert("caret".into(), caret(text, Span { start, end }).into());
        }
        self
    }

    pub fn method_not_allowed(method: &str, allow: &'static str) -> Self {
        let mut problem = Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "methodNotAllowed",
            format!("`{method}` does nothing here"),
        );
        problem.allow = Some(allow);
        problem.help(format!("use {allow}"))
    }

    /// The document. `request_id` lets an administrator find the log lines of the request.
    pub fn document(&self, request_id: &str) -> Value {
        let mut document = json!({
            "type": format!("urn:seatgraph:{}", self.code),
            "title": title(self.code),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
            "requestId": request_id,
        });
        if let Value::Object(members) = &mut document {
            if let Some(help) = &self.help {
                members.insert("help".into(), json!(help));
            }
            if let Some((start, end)) = self.selector {
                members.insert("selector".into(), json!({"start": start, "end": end}));
            }
            if let Some(pointer) = &self.pointer {
                members.insert("pointer".into(), json!(pointer));
            }
            if let Some(parameter) = &self.parameter {
                members.insert("parameter".into(), json!(parameter));
            }
            if let Some(limit) = self.limit {
                members.insert("limit".into(), json!({"name": limit.name, "value": limit.value}));
            }
            members.extend(self.more.clone());
        }
        document
    }

    /// Only what went wrong here is an error in the log. That there is no room, that it is not so far yet or that it stops is for
    /// who asked.
    pub fn log(&self, request_id: &str) {
        if self.status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(request_id, code = self.code, detail = %self.detail, "request failed");
        }
    }

    pub fn respond(&self, request_id: &str) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((header::CONTENT_TYPE, "application/problem+json"));
        match self.status {
            StatusCode::UNAUTHORIZED if self.code == "noToken" => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            }
            StatusCode::UNAUTHORIZED => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\""));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                response.insert_header((header::RETRY_AFTER, "1"));
            }
            _ => {}
        }
        if let Some(seconds) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if let Some(revision) = self.revision {
            response.insert_header((super::GRAPH_REVISION, revision));
        }
        if let Some(allow) = self.allow {
            response.insert_header((header::ALLOW, allow));
        }
        response.body(self.document(request_id).to_string())
    }
}

/// `unknownField` is titled `Unknown field`.
fn title(code: &str) -> String {
    let mut title = String::with_capacity(code.len() + 4);
    for (index, letter) in code.chars().enumerate() {
        match letter {
            _ if index == 0 => title.extend(letter.to_uppercase()),
            _ if letter.is_uppercase() => {
                title.push(' ');
                title.extend(letter.to_lowercase());
            }
            _ => title.push(letter),
        }
    }
    title
}

fn status(class: Class) -> StatusCode {
    match class {
        Class::Unreadable => StatusCode::BAD_REQUEST,
        Class::Unauthenticated => StatusCode::UNAUTHORIZED,
        Class::Forbidden => StatusCode::FORBIDDEN,
        Class::NotFound => StatusCode::NOT_FOUND,
        Class::Conflict => StatusCode::CONFLICT,
        Class::Stale => StatusCode::PRECONDITION_FAILED,
        Class::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Class::SelectorTooLong => StatusCode::URI_TOO_LONG,
        Class::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        Class::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Class::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let mut problem = Self::new(status(error.class()), error.code(), error.to_string());
        problem.help = error.help().map(str::to_owned);
        problem.limit = error.limit();
        match error.place() {
            Place::Selector(Span { start, end }) => problem.selector = Some((start, end)),
            Place::Pointer(pointer) => problem.pointer = Some(pointer),
            Place::Parameter(parameter) => problem.parameter = Some(parameter),
            Place::None => {}
        }
        problem
    }
}

impl From<MovingError> for Problem {
    fn from(error: MovingError) -> Self {
        let mut problem = Self::new(status(error.why.class()), error.why.code(), error.why.to_string());
        problem.help = error.why.help().map(str::to_owned);
        problem.pointer = Some(error.at.into_owned());
        problem
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        let mut problem = Self::bad_request(error.code, error.message);
        problem.help = error
            .help
            .or_else(|| BodyError::usual_help(error.code).map(str::to_owned));
        problem.limit = error.limit;
        if let Some(at) = error.position {
            let position = json!({"line": at.line, "column": at.column, "byte": at.byte});
            problem.more.insert("position".into(), position);
        } else {
            problem.pointer = Some(error.pointer);
        }
        problem
    }
}

impl From<TargetError> for Problem {
    fn from(error: TargetError) -> Self {
        let mut problem = Self::bad_request(error.code, error.message).help(error.help);
        problem.selector = Some((error.span.start, error.span.end));
        problem
    }
}

macro_rules! through_error {
    ($($room:ty),*) => {
        $(impl From<$room> for Problem {
            fn from(error: $room) -> Self {
                Error::from(error).into()
            }
        })*
    };
}
through_error!(
    crate::selector::SelectorError,
    crate::query::QueryError,
    crate::operation::refusal::InputError
);

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        Error::from(error).into()
    }
}

impl<E: Into<Problem>> From<WriteError<E>> for Problem {
    fn from(error: WriteError<E>) -> Self {
        match error {
            WriteError::Refused(error) => error.into(),
            WriteError::Violation(violation) => Error::from(violation).into(),
            WriteError::KeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotencyKeyReused",
                "this Idempotency-Key was used for another request",
            )
            .help("a key stands for one request: take a new one for another method, target or body"),
            WriteError::Full => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "writeQueueFull",
                "more writes wait than the queue holds",
            )
            .help("nothing was written; try again in a second"),
            WriteError::Unavailable(why) => {
                tracing::error!(%why, "a write could not be stored");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "storageUnavailable",
                    "the database does not take writes",
                )
                .help("nothing was written; the server's log says why, and its readiness is off until it is restarted")
            }
            WriteError::Unknown { why, has_key } => {
                tracing::error!(%why, "whether a write is stored is not known");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "outcomeUnknown",
                    "the database failed while it stored this, and it is not known whether it is stored",
                )
                .help(match has_key {
                    true => {
                        "the server takes no writes until it is restarted; after that look whether it is there, or send it again \
                         with the same Idempotency-Key"
                    }
                    false => "the server takes no writes until it is restarted; after that look whether it is there",
                })
            }
            WriteError::Stopped => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "stopping",
                "the server is shutting down",
            )
            .help("nothing was written; try again, another instance or a restarted one will answer"),
            WriteError::Panicked => internal("a write ended unexpectedly; it was undone"),
        }
    }
}

/// A fault of ours: the log has the cause.
pub fn internal(detail: &str) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail).help("report the requestId")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_code_titles_itself() {
        for (code, title) in [
            ("unknownField", "Unknown field"),
            ("notJson", "Not json"),
            ("twoParents", "Two parents"),
        ] {
            assert_eq!(super::title(code), title);
        }
    }

    #[test]
    fn only_what_went_wrong_here_is_an_error_in_the_log() {
        for (status, is_logged) in [(404, false), (429, false), (500, true), (503, false)] {
            let status = super::StatusCode::from_u16(status).unwrap();
            let problem = super::Problem::new(status, "code", "detail");
            let lines = crate::logged::during(|| problem.log("r-1"));
            assert_eq!(lines.contains("ERROR"), is_logged, "{status}: {lines}");
        }
    }
}
