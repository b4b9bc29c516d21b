//! The native API over HTTP: bytes, JSON, status codes.

pub mod wire;
