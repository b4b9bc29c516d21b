//! Any bytes as the body of a write and as a line of an import.
#![no_main]

#[path = "../properties/body.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::body(data));
