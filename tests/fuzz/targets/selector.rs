//! Any bytes as a selector, a path, an include and a request target.
#![no_main]

#[path = "../properties/selector.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|data: &[u8]| property::selector(data));
