//! A door: another vendor's API on the same graph, beside the native one. Each lives in a room of its own and is handed to
//! the server when it starts; one that is not handed over has no paths.

mod asked;
mod pairs;
mod told;

use actix_web::HttpResponse;
use actix_web::dev::Payload;
use futures_util::future::LocalBoxFuture;
use serde_json::Value;

use super::Context;
use crate::limits::Limits;
use crate::operation::moving::Entry;

pub use asked::{may_be_dry, may_be_repeated, read, remove, write};
pub use pairs::{pairs, within};
pub use told::{At, Entered, Look, Members, anybody, json, list, look, tell};

pub struct Door {
    /// As the setting `doors.NAME` has it.
    pub name: &'static str,

    /// Is the path, still encoded, one of this door's?
    pub is_meant: fn(&str) -> bool,

    /// What it adds to `/openapi.json`: an object of `paths`, `schemas` and one `tag`.
    pub openapi: fn() -> Value,

    /// What one of the vendor's own list answers says, or one element of a list that is an array: to come over with.
    pub entries: fn(&Value, &Limits) -> Result<Vec<Entry>, Unread>,

    /// Every answer is in the vendor's own words, refusals too.
    pub answer: fn(&Context, Payload) -> LocalBoxFuture<'_, HttpResponse>,
}

/// The entries of an answer, each with where it stands: of the first list of these names, of the answer that is an array, or
/// the answer itself.
pub fn listed<'v>(document: &'v Value, lists: &[&str]) -> Result<Vec<(String, &'v Value)>, Unread> {
    let list = lists.iter().find_map(|name| Some((*name, document.get(name)?)));
    let numbered = |at: &str, list: &'v [Value]| {
        let places = list.iter().enumerate();
        places.map(|(place, entry)| (format!("{at}/{place}"), entry)).collect()
    };
    match (document, list) {
        (_, Some((name, Value::Array(list)))) => Ok(numbered(&format!("/{name}"), list)),
        (_, Some((name, _))) => Err(Unread::new(format!("/{name}"), "it is an array")),
        (Value::Array(list), None) => Ok(numbered("", list)),
        (_, None) => Ok(vec![(String::new(), document)]),
    }
}

/// An answer that is none of the vendor's lists.
#[derive(Debug)]
pub struct Unread {
    /// A JSON pointer.
    pub at: String,
    pub why: String,
}

impl Unread {
    pub fn new(at: impl Into<String>, why: impl Into<String>) -> Self {
        let (at, why) = (at.into(), why.into());
        Self { at, why }
    }
}
