//! Where passwords are hashed: slowly and in much memory, on purpose, so few at a time. Whoever comes waits for a place;
//! when too many wait, the next is turned away. Knows no password.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::{Problem, internal};

/// Each takes a core and 19 MiB while it lasts.
const AT_ONCE: usize = 2;
/// Requests that may wait for a place.
const WAITING: usize = 64;

pub struct Hashing {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// Held while hashing goes on: by the work itself, since whoever asked for it may be gone before it ends.
pub type Place = OwnedSemaphorePermit;

impl Default for Hashing {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: AtomicUsize::new(0),
        }
    }
}

impl Hashing {
    pub async fn place(&self) -> Result<Place, Problem> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        let Some(_turn) = Turn::take(&self.waiting) else {
            return Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "tooManyPasswords",
                "too many passwords wait to be hashed",
            )
            .help("nothing was written; try again in a second"));
        };
        let place = Arc::clone(&self.places).acquire_owned().await;
        place.map_err(|_| internal("no more passwords are hashed"))
    }
}

/// One of those who wait, until it is dropped: a client that goes away waits no longer.
struct Turn<'a>(&'a AtomicUsize);

impl<'a> Turn<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        let more = |count: usize| (count < WAITING).then_some(count + 1);
        let taken = waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.ok().map(|_| Self(waiting))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    type Asked<'a> = Pin<Box<dyn Future<Output = Result<Place, Problem>> + 'a>>;

    fn poll(asked: &mut Asked<'_>) -> Option<Result<Place, u16>> {
        match asked.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(place) => Some(place.map_err(|problem| problem.status.as_u16())),
            Poll::Pending => None,
        }
    }

    #[test]
    fn few_hash_at_once_and_not_too_many_wait() {
        let hashing = Hashing::default();
        let ask = || -> Asked<'_> { Box::pin(hashing.place()) };
        let mut places: Vec<Place> = (0..AT_ONCE).map(|_| poll(&mut ask()).unwrap().unwrap()).collect();
        let mut waiting: Vec<Asked<'_>> = (0..WAITING).map(|_| ask()).collect();
        assert!(waiting.iter_mut().all(|asked| poll(asked).is_none()));
        assert_eq!(poll(&mut ask()).unwrap().unwrap_err(), 503);
        // One that goes away makes room for another to wait.
        waiting.pop();
        let mut last = ask();
        assert!(poll(&mut last).is_none());
        assert_eq!(poll(&mut ask()).unwrap().unwrap_err(), 503);
        // A place is given to whoever has waited longest.
        places.pop();
        assert!(poll(&mut last).is_none());
        places.push(poll(&mut waiting[0]).unwrap().unwrap());
        assert!(poll(&mut waiting[1]).is_none());
        drop((waiting, last, places));
        assert!(poll(&mut ask()).unwrap().is_ok());
        assert_eq!(hashing.waiting.load(Ordering::Relaxed), 0);
    }
}
