//! One binary for all tests that look at the program from outside.

mod architecture;
mod commands;
mod conformance;
mod differential;
mod engine;
mod fuzz;
mod histories;
<<<<<<< HEAD
mod plans;
=======
mod kill;
>>>>>>> 37252a3 (tests: kill a server under load, and stop one)
mod support;
