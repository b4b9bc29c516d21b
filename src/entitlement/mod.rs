//! Does the license allow it? Rules are plain functions over the graph and a time: no clock, no principal, no JSON. So
//! far: what is granted and changed, who has a way to a license, how many seats are taken. Nothing is consumed here yet.

pub mod amend;
pub mod grant;
pub mod homes;
pub mod paths;
pub mod refused;
pub mod reserve;
pub mod seats;
pub mod terms;

pub use refused::Refused;
