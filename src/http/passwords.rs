//! Where passwords are hashed: slowly and in much memory, on purpose, so few at a time. Whoever comes waits for a place;
//! when too many wait, the next is turned away. Knows no password.

use actix_web::http::StatusCode;

use super::places::{Place, Places};
use super::problem::Problem;

/// Each takes a core and 19 MiB while it lasts.
const AT_ONCE: usize = 2;
/// Requests that may wait for a place.
const WAITING: usize = 64;

pub struct Hashing(Places);

impl Default for Hashing {
    fn default() -> Self {
        Self(Places::new(AT_ONCE, WAITING))
    }
}

impl Hashing {
    pub async fn place(&self) -> Result<Place, Problem> {
        self.0.place().await.ok_or_else(|| {
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "tooManyPasswords",
                "too many passwords wait to be hashed",
            )
            .help("nothing was written; try again in a second")
        })
    }
}
