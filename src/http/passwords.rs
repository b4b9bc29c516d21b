//! Where passwords are hashed: slowly and in much memory, on purpose, so few at a time. Whoever comes waits for a place;
//! when too many wait, the next is turned away. Knows no password.

use std::time::Duration;

use actix_web::http::StatusCode;

use super::places::{Place, Places};
use super::problem::Problem;

/// Each takes a core and 19 MiB while it lasts.
const AT_ONCE: usize = 2;
/// Requests that may wait for a place.
const WAITING: usize = 64;
/// How long who cannot wait in line waits beside it.
const PAUSE: Duration = Duration::from_millis(50);

pub struct Hashing(Places);

impl Default for Hashing {
    fn default() -> Self {
        Self(Places::new(AT_ONCE, WAITING))
    }
}

impl Hashing {
    /// For who has many to hash and comes back for each few of them: it is not turned away between two.
    pub async fn patient_place(&self) -> Place {
        loop {
            match self.0.place().await {
                Some(place) => return place,
                None => tokio::time::sleep(PAUSE).await,
            }
        }
    }

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
