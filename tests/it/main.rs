//! One binary for all tests that look at the program from outside.

mod architecture;
mod engine;
mod fuzz;
mod histories;
mod support;
mod differential;
