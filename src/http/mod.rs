//! The edge that speaks HTTP: bytes, JSON, headers and status codes. Decides nothing about the graph.

mod anchor;
pub mod audit;
pub mod auth;
pub mod authz;
mod available;
pub mod body;
pub mod bulk;
mod checked;
mod checks;
mod connection;
mod context;
pub mod cursor;
mod describe;
mod dispatch;
pub mod door;
mod envelope;
pub mod events;
mod form;
pub mod graph;
pub mod health;
pub mod keys;
mod leases;
mod listen;
pub mod metrics;
pub mod object;
pub mod openapi;
pub mod operation;
mod origins;
pub mod parameters;
pub mod passwords;
mod places;
pub mod problem;
mod refusals;
mod remembered;
mod removal;
mod request_id;
pub mod schema;
pub mod signing;
mod sought;
mod state;
pub mod target;
pub mod tokens;
pub mod transactions;
mod underway;
mod unread;
pub mod wire;
pub mod write;

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderName, HeaderValue};

pub use self::context::Context;
pub use self::listen::server;
pub use self::state::{Backup, Options, State};
use crate::model::Revision;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const GRAPH_REVISION: HeaderName = HeaderName::from_static("graph-revision");
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const GRAPH_AT_LEAST: HeaderName = HeaderName::from_static("graph-at-least");

/// Values of headers, checked when this is compiled and not with every answer.
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_SNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// An answer that was read at a revision.
pub fn answered(body: Vec<u8>, revision: Revision) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((GRAPH_REVISION, revision))
        .insert_header((header::CONTENT_TYPE, JSON))
        .body(body)
}
