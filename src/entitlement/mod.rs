//! Does the license allow it? Rules are plain functions over the graph and a time: no clock, no principal, no JSON. What is
//! granted, changed and allocated, who has a way to a license, how many seats are taken, who may consume and until when.

pub mod allocate;
pub mod amend;
pub mod anchors;
pub mod consume;
pub mod credits;
pub mod decision;
mod distinct;
pub mod ended;
pub mod going;
pub mod grant;
pub mod homes;
pub mod localized;
mod lock;
pub mod matching;
pub mod model;
pub mod notes;
pub mod paths;
mod promised;
pub mod raised;
pub mod reason;
pub mod refused;
pub mod reserve;
pub mod ruled;
pub mod sale;
pub mod seated;
pub mod seats;
pub mod select;
mod sessions;
pub mod sets;
mod shut;
pub mod sold;
pub mod sound;
pub mod terms;
pub mod texts;
pub mod ties;
pub mod version;
pub mod why;

pub use reason::Reason;
pub use refused::Refused;

#[cfg(test)]
pub(crate) mod tests;
