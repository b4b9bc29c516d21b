//! A door: another vendor's API on the same graph, beside the native one. Each lives in a room of its own and is handed to
//! the server when it starts; one that is not handed over has no paths.

use actix_web::HttpResponse;
use actix_web::dev::Payload;
use futures_util::future::LocalBoxFuture;
use serde_json::Value;

use super::Context;

pub trait Door: Send + Sync {
    /// As the setting `doors.NAME` has it.
    fn name(&self) -> &'static str;

    /// Is the path, still encoded, one of this door's?
    fn is_meant(&self, path: &str) -> bool;

    /// What it adds to `/openapi.json`: an object of `paths`, `schemas` and one `tag`.
    fn openapi(&self) -> Value;

    /// Every answer is in the vendor's own words, refusals too.
    fn answer<'c>(&'c self, context: &'c Context, payload: Payload) -> LocalBoxFuture<'c, HttpResponse>;
}
