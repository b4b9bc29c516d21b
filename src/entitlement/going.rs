//! What goes in several commits, between which others write: nobody has of it what a part that has gone kept from him.
//! Whether it may go is decided elsewhere.

use crate::model::Kind;
use crate::model::schema::Hop;

use super::credits;

/// The ways to what goes before anything else of one of this kind. Of a license the seats go before those who sit on them:
/// otherwise whoever found one free, or was kept out by an assignment that has gone, would lease in between.
pub fn first(kind: Kind) -> &'static [Hop] {
    match kind {
        Kind::License => &credits::ALL,
        _ => &[],
    }
}
