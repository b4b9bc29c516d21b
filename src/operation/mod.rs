//! What may be asked. Knows no threads, no storage and no HTTP.

pub mod input;
