//! One file a command.

pub mod generate;
