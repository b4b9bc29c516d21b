//! Refusals in the vendor's words: `{"detail": …}`, or a list for each member that is wrong, as its framework has it, and the
//! statuses its schema declares (`doors.md` B.2 and B.6). What that leaves open is this project's reading: `docs/doors.md`.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::http::{Method, StatusCode, header};
use serde_json::{Map, Value, json};

use super::path::Family;
use crate::engine::WriteError;
use crate::entitlement::Refused;
use crate::error::{Class, Error};
use crate::http::problem::Problem;
use crate::operation::licenses::LicenseError;

/// A no.
#[derive(Debug)]
pub struct No {
    problem: Problem,
    /// What is wrong, by the names of members; without any the problem tells.
    fields: BTreeMap<&'static str, String>,
}

/// What is wrong is no one member's fault.
const WHOLE: &str = "non_field_errors";

impl No {
    pub fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Problem::bad_request(code, message).into()
    }

    pub fn fields(fields: BTreeMap<&'static str, String>) -> Self {
        let names: Vec<&str> = fields.keys().copied().collect();
        let problem = Problem::bad_request("badParameter", names.join(", "));
        Self { problem, fields }
    }

    pub fn field(name: &'static str, why: impl Into<String>) -> Self {
        Self::fields(BTreeMap::from([(name, why.into())]))
    }

    pub fn whole(why: impl Into<String>) -> Self {
        Self::field(WHOLE, why)
    }

    pub fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Problem::new(StatusCode::NOT_FOUND, code, message).into()
    }

    /// In one line, as this server words it, where no answer of the vendor's is written.
    pub fn line(&self) -> String {
        let plain = |why: &str| {
            let mut letters = why.trim_end_matches('.').chars();
            let first = letters.next().map(|first| first.to_ascii_lowercase());
            first.into_iter().chain(letters).collect::<String>()
        };
        let lines = self
            .fields
            .iter()
            .map(|(name, why)| format!("`{name}`: {}", plain(why)));
        match self.fields.is_empty() {
            true => self.problem.detail.to_string(),
            false => lines.collect::<Vec<_>>().join("; "),
        }
    }

    pub fn method(method: &Method, allow: &'static str) -> Self {
        Problem::method_not_allowed(method.as_str(), allow).into()
    }

    /// Of a list: there is no 404 in its schema.
    pub fn of_list(error: LicenseError) -> Self {
        match error {
            LicenseError::UnknownLicense(_) => Self::field("license_id", error.to_string()),
            other => Self::of(other, None),
        }
    }

    /// Of a write. A license of a course asks for a course and a platform that are there, with 404; the others have only 400.
    pub fn of(error: LicenseError, family: Option<Family>) -> Self {
        let told = error.to_string();
        let is_course = family == Some(Family::Course);
        match &error {
            LicenseError::OrganizationMissing => Self::field("platform_key", told),
            LicenseError::UnknownOrganization { at, .. } if !is_course => Self::field(at, told),
            LicenseError::UnknownItem { at, .. } if !is_course => Self::field(at, told),
            LicenseError::AliasTaken(_) => Self::field("external_id", told),
            LicenseError::CountBelowUse { .. } => Self::field("count", told),
            LicenseError::Refused(Refused::EndBeforeStart) => Self::field("expired", told),
            LicenseError::TwoOrganizations(..)
            | LicenseError::TwoItems(..)
            | LicenseError::LicenseMissing
            | LicenseError::UserMissing => Self::whole(told),
            LicenseError::Refused(_) | LicenseError::TooManyMembers { .. } | LicenseError::TooMuch(_) => {
                let mut problem = Problem::bad_request(error.code(), told);
                problem.help = error.help().map(str::to_owned);
                problem.into()
            }
            LicenseError::UnknownOrganization { .. }
            | LicenseError::UnknownItem { .. }
            | LicenseError::UnknownLicense(_)
            | LicenseError::OtherAlias { .. }
            | LicenseError::UnknownUser(_)
            | LicenseError::UnknownGroup(_)
            | LicenseError::UnknownAssignment(_)
            | LicenseError::Other(_) => {
                let mut problem = Problem::new(status(error.class()), error.code(), told);
                problem.help = error.help().map(str::to_owned);
                problem.into()
            }
        }
    }

    pub fn of_write(error: WriteError<LicenseError>, family: Family) -> Self {
        match error.refused::<Error>() {
            Ok(refused) => Self::of(refused, Some(family)),
            Err(other) => Problem::from(other).into(),
        }
    }

    pub fn respond(self, request_id: &str) -> HttpResponse {
        let Self { problem, fields } = self;
        problem.log(request_id);
        let told = match fields.is_empty() {
            true => {
                let mut told = json!({"detail": problem.detail, "code": problem.code});
                if let Some(help) = &problem.help {
                    told["help"] = json!(help);
                }
                told
            }
            false => {
                let lists = fields.into_iter().map(|(name, why)| (name.to_owned(), json!([why])));
                Value::Object(lists.collect::<Map<_, _>>())
            }
        };
        // The headers that go with a status are the same at every edge.
        let mut response = problem.respond(request_id);
        let json = header::HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response.set_body(actix_web::body::BoxBody::new(told.to_string()))
    }
}

fn status(class: Class) -> StatusCode {
    match class {
        // Its schema has no other word for what is understood and refused.
        Class::Unreadable | Class::Unprocessable | Class::Conflict | Class::Stale => StatusCode::BAD_REQUEST,
        Class::Unauthenticated => StatusCode::UNAUTHORIZED,
        Class::Forbidden => StatusCode::FORBIDDEN,
        Class::NotFound => StatusCode::NOT_FOUND,
        Class::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Class::SelectorTooLong => StatusCode::URI_TOO_LONG,
        Class::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Class::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<Problem> for No {
    fn from(problem: Problem) -> Self {
        let fields = BTreeMap::new();
        Self { problem, fields }
    }
}
