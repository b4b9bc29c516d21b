//! Does the license allow it? Rules are plain functions over the graph and a time: no clock, no principal, no JSON. So
//! far: how many seats are taken, and who has a way to a license. Nothing is consumed here yet.

pub mod paths;
pub mod seats;
