//! Seatgraph: a graph-query entitlement server. ARCHITECTURE.md says which room is which.
#![forbid(unsafe_code)]

pub mod access;
pub mod cli;
pub mod doors;
pub mod engine;
pub mod entitlement;
pub mod error;
pub mod event;
#[cfg(test)]
mod explored;
pub mod graph;
pub mod http;
mod leisure;
pub mod limits;
#[cfg(test)]
mod logged;
pub mod model;
mod mutant;
pub mod operation;
pub mod query;
pub mod selector;
pub mod settings;
pub mod signing;
#[cfg(test)]
mod skipped;
pub mod storage;
mod sync;
