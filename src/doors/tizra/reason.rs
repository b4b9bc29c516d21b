//! Refusals in the vendor's words (`doors.md` C.5): 400 for what cannot be parsed, and for anything else that is not worth
//! another try, 406 for what is understood and makes no sense, 401 and 403 for who asks. What the pages leave open is this
//! project's reading: `docs/doors.md`.

use actix_web::HttpResponse;
use actix_web::http::{Method, StatusCode, header};
use serde_json::json;

use crate::engine::WriteError;
use crate::error::{Class, Error};
use crate::http::problem::Problem;
use crate::operation::sale::SaleError;

/// A no.
#[derive(Debug)]
pub struct No(Problem);

impl No {
    /// Cannot be parsed.
    pub fn syntax(message: impl Into<String>) -> Self {
        Self(Problem::bad_request("badBody", message))
    }

    /// Is understood, and makes no sense.
    pub fn semantics(code: &'static str, message: impl Into<String>) -> Self {
        Self(Problem::new(StatusCode::NOT_ACCEPTABLE, code, message))
    }

    pub fn bad_parameter(message: impl Into<String>) -> Self {
        Self(Problem::bad_request("badParameter", message))
    }

    pub fn bad_cursor() -> Self {
        let detail = "this `after` was not given for this list and this caller";
        Self(Problem::bad_request("badCursor", detail))
    }

    pub fn unknown_path() -> Self {
        let detail = "there is nothing at this path";
        Self(Problem::new(StatusCode::NOT_FOUND, "unknownPath", detail))
    }

    pub fn method(method: &Method, allow: &'static str) -> Self {
        Self(Problem::method_not_allowed(method.as_str(), allow))
    }

    pub fn credentials() -> Self {
        let detail = "the user name or the password is wrong";
        Self(Problem::new(StatusCode::FORBIDDEN, "invalidCredentials", detail))
    }

    /// Of a removal in several commits: what it was asked by still finds what is left.
    pub fn partly(mut problem: Problem) -> Self {
        if problem.code == "partlyRemoved" {
            problem.help = Some("what is left fits together; to go on, send the same again".to_owned());
        }
        problem.into()
    }

    /// In words alone, where no answer of the vendor's is written.
    pub fn line(&self) -> &str {
        &self.0.detail
    }

    pub fn respond(self, request_id: &str) -> HttpResponse {
        let Self(mut problem) = self;
        problem.status = as_theirs(problem.status);
        let status = problem.status;
        problem.log(request_id);
        // The headers that go with a status are the same at every edge.
        let mut response = problem.respond(request_id);
        let json = header::HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        if status == StatusCode::UNAUTHORIZED {
            let basic = header::HeaderValue::from_static("Basic realm=\"admin-api\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
        }
        let mut message = problem.detail;
        if let Some(help) = &problem.help {
            message = format!("{message}: {help}");
        }
        let told = json!({"status": status.as_u16(), "message": message, "code": problem.code});
        response.set_body(actix_web::body::BoxBody::new(told.to_string()))
    }
}

/// Statuses that other edges give and the vendor's pages know nothing of.
fn as_theirs(status: StatusCode) -> StatusCode {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNSUPPORTED_MEDIA_TYPE | StatusCode::URI_TOO_LONG => {
            StatusCode::BAD_REQUEST
        }
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED | StatusCode::UNPROCESSABLE_ENTITY => {
            StatusCode::NOT_ACCEPTABLE
        }
        other => other,
    }
}

fn status(class: Class) -> StatusCode {
    match class {
        Class::Unreadable | Class::TooLarge | Class::SelectorTooLong => StatusCode::BAD_REQUEST,
        Class::Unauthenticated => StatusCode::UNAUTHORIZED,
        Class::Forbidden => StatusCode::FORBIDDEN,
        Class::NotFound => StatusCode::NOT_FOUND,
        Class::Unprocessable | Class::Conflict | Class::Stale => StatusCode::NOT_ACCEPTABLE,
        Class::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Class::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<Problem> for No {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<SaleError> for No {
    fn from(error: SaleError) -> Self {
        let mut problem = Problem::new(status(error.class()), error.code(), error.to_string());
        problem.help = error.help().map(str::to_owned);
        Self(problem)
    }
}

impl From<WriteError<SaleError>> for No {
    fn from(error: WriteError<SaleError>) -> Self {
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
    fn the_pages_know_few_statuses() {
        for (status, told) in [
            (409, 406),
            (412, 406),
            (422, 406),
            (413, 400),
            (415, 400),
            (414, 400),
            (404, 404),
            (503, 503),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(as_theirs(status).as_u16(), told, "{status}");
        }
    }
}
