//! Refusals in the vendor's words: the recorded error body, and the statuses its pages name (`doors.md` A.3). What those leave
//! open is this project's reading: `docs/doors.md`.

use actix_web::HttpResponse;
use actix_web::http::{Method, StatusCode, header};
use serde_json::json;

use crate::engine::WriteError;
use crate::error::{Class, Error};
use crate::http::problem::Problem;
use crate::operation::allocation::AllocationError;

/// A no.
#[derive(Debug)]
pub struct No {
    problem: Problem,
    /// The two messages that were recorded stand alone.
    recorded: bool,
}

impl No {
    pub fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Problem::bad_request(code, message).into()
    }

    pub fn unknown_path() -> Self {
        Problem::new(StatusCode::NOT_FOUND, "unknownPath", "there is nothing at this path").into()
    }

    pub fn method(method: &Method, allow: &'static str) -> Self {
        Problem::method_not_allowed(method.as_str(), allow).into()
    }

    pub fn respond(self, request_id: &str) -> HttpResponse {
        let Self { problem, recorded } = self;
        let status = problem.status;
        problem.log(request_id);
        // The headers that go with a status are the same at every edge.
        let mut response = problem.respond(request_id);
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("application/json"),
        );
        let description = match (&problem.help, recorded) {
            (_, true) => String::new(),
            (Some(help), _) => format!("{}: {help}", problem.code),
            (None, _) => problem.code.to_owned(),
        };
        let told = json!({
            "StatusCode": status.as_u16(), "StatusDescription": named(status),
            "Message": problem.detail, "Description": description,
        });
        response.set_body(actix_web::body::BoxBody::new(told.to_string()))
    }
}

/// As the vendor's platform calls it: `NotFound`.
fn named(status: StatusCode) -> String {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "RequestEntityTooLarge".to_owned(),
        StatusCode::URI_TOO_LONG => "RequestUriTooLong".to_owned(),
        status => status.canonical_reason().unwrap_or_default().replace(' ', ""),
    }
}

fn status(class: Class) -> StatusCode {
    match class {
        // The pages know of no other word for what is understood and refused.
        Class::Unreadable | Class::Unprocessable => StatusCode::BAD_REQUEST,
        Class::Unauthenticated => StatusCode::UNAUTHORIZED,
        Class::Forbidden => StatusCode::FORBIDDEN,
        Class::NotFound => StatusCode::NOT_FOUND,
        Class::Conflict | Class::Stale => StatusCode::CONFLICT,
        Class::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Class::SelectorTooLong => StatusCode::URI_TOO_LONG,
        Class::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Class::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<Problem> for No {
    fn from(problem: Problem) -> Self {
        Self {
            problem,
            recorded: false,
        }
    }
}

impl From<AllocationError> for No {
    fn from(error: AllocationError) -> Self {
        let (message, recorded) = match &error {
            AllocationError::UnknownUsers(users) => {
                (format!("Cannot resolve users=[{}] in CIS", users.join(",")), true)
            }
            AllocationError::UnknownGroup(group) => (format!("Cannot resolve groupIds=[{group}] in CIS"), true),
            AllocationError::UnknownAccount(account) if account.is_empty() => (
                "the path names no organization, and the token is bound to none".to_owned(),
                false,
            ),
            other => (other.to_string(), false),
        };
        let mut problem = Problem::new(status(error.class()), error.code(), message);
        problem.help = error.help().map(str::to_owned);
        Self { problem, recorded }
    }
}

impl From<WriteError<AllocationError>> for No {
    fn from(error: WriteError<AllocationError>) -> Self {
        match error.refused::<Error>() {
            Ok(refused) => refused.into(),
            Err(other) => Problem::from(other).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_the_name_of_the_platform() {
        for (status, name) in [
            (StatusCode::NOT_FOUND, "NotFound"),
            (StatusCode::BAD_REQUEST, "BadRequest"),
            (StatusCode::CONFLICT, "Conflict"),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType"),
            (StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge"),
        ] {
            assert_eq!(named(status), name);
        }
    }
}
