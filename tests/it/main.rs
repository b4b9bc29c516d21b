//! One binary for all tests that look at the program from outside.

mod architecture;
mod audit;
mod clients;
mod commands;
mod conformance;
mod connections;
mod differential;
mod engine;
mod events;
mod fuzz;
mod held;
mod histories;
mod iblai;
mod imports;
mod kill;
mod leases;
mod matrix;
mod operations;
mod plans;
mod process;
mod removal;
mod signing;
mod support;
mod trim;
mod unknown;
mod work;
