//! What the server is held against, in the same run on the same machine: a bare handler, SQLite, and PostgreSQL with the same
//! data in tables as a relational design would have them.

pub mod bare;
pub mod postgres;
pub mod relational;
pub mod sqlite;
