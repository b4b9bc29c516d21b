//! An organization's licenses one by one: sold, changed, assigned to users and to all members of groups, and listed
//! (`doors.md` B.6 and E). Says who is meant, by numbers and foreign ids, and who may; what an assignment is, and the seat it
//! takes, is for `entitlement::seated`, and what a license is for `entitlement::sold`.
//!
//! Licenses are read with `License.read`, assignments with `Assignment.read`. Writing asks for `License.create`,
//! `License.update` and, as CreateOrUpdateAssignments does, for `Assignment.update`.

mod assign;
mod change;
mod error;
mod look;
mod meant;
mod sell;
mod told;

pub use crate::entitlement::sold::WITHOUT_LIMIT;
pub use assign::{Assignment, EndGroup, Grouping, TakeBack, Terms, User};
pub use change::{Change, Done};
pub use error::LicenseError;
pub use look::{Filter, Look, Order, Page, Pick, assignments, group_assignments, is_assigned_to, list};
pub(super) use meant::Found;
pub use meant::{LicenseId, Organizations, Sold};
pub(super) use sell::item_named;
pub use sell::{Amendment, Create, Item, Update};
pub(super) use told::listed;
pub use told::{Assigned, Grouped, Holder, Listed, Seen, Sums};
