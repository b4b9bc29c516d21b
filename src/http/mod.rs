//! The native API over HTTP: bytes, JSON, status codes.

pub mod openapi;
pub mod schema;
pub mod wire;
