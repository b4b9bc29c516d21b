//! Places for work that takes a processor for long: a few at once, so many that wait, and the next is turned away; and shares of what
//! is held for long. Knows no work.

use std::collections::HashMap;
use std::hash::{Hash, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub struct Places {
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// Those that may wait.
    most: usize,
}

/// So that there is always some for who comes next: of `most`, nobody has more than half of what others leave.
fn is_fair(most: u64, others: u64, own: u64) -> bool {
    own <= most.saturating_sub(others).div_ceil(2)
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

    /// Room in the line for so many pieces of work that must not be turned away later, by `is_fair`; but where nobody waits any number
    /// is let in. `None`: too many wait already.
    pub fn reserve(&self, pieces: usize) -> Option<Reserved<'_>> {
        Some(Reserved {
            turn: Turn::take(self, pieces)?,
            free: &self.free,
        })
    }

    /// In the order they came. `None`: too many wait already.
    pub async fn place(&self) -> Option<Place> {
        if let Ok(place) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(place);
        }
        let _turn = Turn::take(self, 1)?;
        Arc::clone(&self.free).acquire_owned().await.ok()
    }
}

/// See [`Places::reserve`].
pub struct Reserved<'a> {
    turn: Turn<'a>,
    free: &'a Arc<Semaphore>,
}

impl Reserved<'_> {
    /// For the next piece, behind all who came meanwhile. Who asks for more than was reserved waits uncounted.
    pub async fn place(&mut self) -> Option<Place> {
        let place = Arc::clone(self.free).acquire_owned().await.ok();
        self.turn.leave(1);
        place
    }
}

/// Some of those who wait, until it is dropped: a client that goes away waits no longer.
struct Turn<'a> {
    waiting: &'a AtomicUsize,
    pieces: usize,
}

impl<'a> Turn<'a> {
    fn take(places: &'a Places, pieces: usize) -> Option<Self> {
        let more = |count: usize| {
            let fits = places.most > 0 && (count == 0 || is_fair(places.most as u64, count as u64, pieces as u64));
            fits.then_some(count + pieces)
        };
        let waiting = &places.waiting;
        let taken = waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.ok().map(|_| Self { waiting, pieces })
    }

    fn leave(&mut self, pieces: usize) {
        let pieces = pieces.min(self.pieces);
        self.pieces -= pieces;
        self.waiting.fetch_sub(pieces, Ordering::Relaxed);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.leave(self.pieces);
    }
}

/// Room for what is held for long, by many who know nothing of each other, by `is_fair`.
pub struct Shares<K> {
    most: u64,
    taken: Mutex<HashMap<K, u64, RandomState>>,
}

/// Some of the room, until it is dropped.
pub struct Share<K: Eq + Hash> {
    all: Arc<Shares<K>>,
    whose: K,
    amount: u64,
}

impl<K: Eq + Hash + Clone> Shares<K> {
    pub fn new(most: u64) -> Self {
        Self {
            most,
            taken: Mutex::default(),
        }
    }

    /// Where nobody has any, more is taken than half, and than there is: what never fits is not for this to refuse.
    pub fn take(self: &Arc<Self>, whose: K, amount: u64) -> Option<Share<K>> {
        let mut taken = self.taken.lock();
        let own = taken.get(&whose).copied().unwrap_or_default();
        let all: u64 = taken.values().sum();
        let fits = all == 0 || is_fair(self.most, all - own, own.saturating_add(amount));
        fits.then(|| self.share(&mut taken, whose, amount))
    }

    /// For what is not to be refused any more.
    pub fn hold(self: &Arc<Self>, whose: K, amount: u64) -> Share<K> {
        self.share(&mut self.taken.lock(), whose, amount)
    }

    fn share(self: &Arc<Self>, taken: &mut HashMap<K, u64, RandomState>, whose: K, amount: u64) -> Share<K> {
        *taken.entry(whose.clone()).or_default() += amount;
        Share {
            all: Arc::clone(self),
            whose,
            amount,
        }
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let mut taken = self.all.taken.lock();
        let Some(own) = taken.get_mut(&self.whose) else {
            return;
        };
        *own = own.saturating_sub(self.amount);
        if *own == 0 {
            taken.remove(&self.whose);
        }
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
    fn who_brings_many_leaves_room_for_who_brings_one() {
        let all = Places::new(1, 8);
        let waiting = || all.waiting.load(Ordering::Relaxed);
        // Nobody waits: more than fit are let in, and then nobody else is.
        let whole = all.reserve(20).unwrap();
        assert!(all.reserve(1).is_none());
        // What was promised without being counted waits too.
        assert!(all.reserve(0).is_some());
        drop(whole);
        assert_eq!(waiting(), 0);
        let mut many = all.reserve(4).unwrap();
        assert!(all.reserve(3).is_none());
        let mut one = all.reserve(1).unwrap();
        assert_eq!(waiting(), 5);
        // In turn: the second piece stands behind who came after the first.
        let first = poll(&mut (Box::pin(many.place()) as Asked<'_>)).unwrap().unwrap();
        assert_eq!(waiting(), 4);
        {
            let mut other: Asked<'_> = Box::pin(one.place());
            let mut second: Asked<'_> = Box::pin(many.place());
            assert!(poll(&mut other).is_none() && poll(&mut second).is_none());
            drop(first);
            assert!(poll(&mut second).is_none());
            let place = poll(&mut other).unwrap().unwrap();
            assert!(poll(&mut second).is_none());
            drop(place);
            assert!(poll(&mut second).unwrap().is_some());
        }
        assert_eq!(waiting(), 2);
        drop((many, one));
        assert_eq!(waiting(), 0);
    }

    #[test]
    fn a_setting_may_name_more_places_than_there_can_be() {
        assert_eq!(
            Places::new(usize::MAX, 0).free.available_permits(),
            Semaphore::MAX_PERMITS
        );
    }

    #[test]
    fn nobody_has_more_than_half_of_what_others_leave() {
        let all = Arc::new(Shares::new(8));
        let mut held = Vec::new();
        for (whose, amount, fits) in [
            ("a", 3, true),
            ("a", 1, true),
            ("a", 1, false),
            ("b", 3, false),
            ("b", 2, true),
            ("c", 1, true),
            ("a", 1, false),
            ("d", 1, true),
            ("e", 1, false),
        ] {
            let share = all.take(whose, amount);
            assert_eq!(share.is_some(), fits, "{whose} {amount}");
            held.extend(share);
        }
        held.clear();
        assert!(all.taken.lock().is_empty());
        // What is more than there is goes alone.
        let large = all.take("a", 100);
        assert!(large.is_some() && all.take("b", 1).is_none());
    }
}
