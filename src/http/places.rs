//! Places for work that takes a processor for long: a few at once, so many that wait, and the next is turned away. Knows no work.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub struct Places {
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// Those that may wait.
    most: usize,
}

/// Held while the work goes on: by the work itself, since whoever asked for it may be gone before it ends.
pub type Place = OwnedSemaphorePermit;

impl Places {
    pub fn new(at_once: usize, most: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(at_once.min(Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
            most,
        }
    }

    /// A place in the line of those who wait, for work that must not be turned away later. `None`: too many wait already.
    pub fn reserve(&self) -> Option<Reserved<'_>> {
        Some(Reserved {
            turn: Turn::take(self)?,
            free: &self.free,
        })
    }

    /// In the order they came. `None`: too many wait already.
    pub async fn place(&self) -> Option<Place> {
        if let Ok(place) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(place);
        }
        let _turn = Turn::take(self)?;
        Arc::clone(&self.free).acquire_owned().await.ok()
    }
}

/// See [`Places::reserve`].
pub struct Reserved<'a> {
    turn: Turn<'a>,
    free: &'a Arc<Semaphore>,
}

impl Reserved<'_> {
    pub async fn place(self) -> Option<Place> {
        let place = Arc::clone(self.free).acquire_owned().await.ok();
        drop(self.turn);
        place
    }
}

/// One of those who wait, until it is dropped: a client that goes away waits no longer.
struct Turn<'a>(&'a AtomicUsize);

impl<'a> Turn<'a> {
    fn take(places: &'a Places) -> Option<Self> {
        let more = |count: usize| (count < places.most).then_some(count + 1);
        let taken = places.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.ok().map(|_| Self(&places.waiting))
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

    type Asked<'a> = Pin<Box<dyn Future<Output = Option<Place>> + 'a>>;

    fn poll(asked: &mut Asked<'_>) -> Option<Option<Place>> {
        match asked.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(place) => Some(place),
            Poll::Pending => None,
        }
    }

    #[test]
    fn few_work_at_once_and_not_too_many_wait() {
        let all = Places::new(2, 64);
        let ask = || -> Asked<'_> { Box::pin(all.place()) };
        let mut places: Vec<Place> = (0..2).map(|_| poll(&mut ask()).unwrap().unwrap()).collect();
        let mut waiting: Vec<Asked<'_>> = (0..64).map(|_| ask()).collect();
        assert!(waiting.iter_mut().all(|asked| poll(asked).is_none()));
        assert!(poll(&mut ask()).unwrap().is_none());
        // One that goes away makes room for another to wait.
        waiting.pop();
        let mut last = ask();
        assert!(poll(&mut last).is_none());
        assert!(poll(&mut ask()).unwrap().is_none());
        // A place is given to whoever has waited longest.
        places.pop();
        assert!(poll(&mut last).is_none());
        places.push(poll(&mut waiting[0]).unwrap().unwrap());
        assert!(poll(&mut waiting[1]).is_none());
        drop((waiting, last, places));
        assert!(poll(&mut ask()).unwrap().is_some());
        assert_eq!(all.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_setting_may_name_more_places_than_there_can_be() {
        assert_eq!(
            Places::new(usize::MAX, 0).free.available_permits(),
            Semaphore::MAX_PERMITS
        );
    }
}
