//! Doors: other vendors' APIs on the same graph. Each is a translation table with routes: what the vendor's client asks
//! becomes an operation, what came of it becomes the vendor's answer. A door has no rule, no state and no graph, and knows no
//! other door.

pub mod iblai;
pub mod tizra;
pub mod uipath;

use crate::http::door::Door;

/// The doors of these names, to be handed to the server.
pub fn open(names: &[&str]) -> Vec<Door> {
    let all = [uipath::DOOR, iblai::DOOR, tizra::DOOR];
    all.into_iter().filter(|door| names.contains(&door.name)).collect()
}
