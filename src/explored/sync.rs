//! The locks, threads and time of `crate::sync`, steered by shuttle. Time passes by being looked at: whoever waits for an instant
//! comes to it after a few looks, and the schedule alone says what happened meanwhile.

use std::cell::Cell;
use std::ops::{Add, Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler};

pub(crate) use shuttle::sync::atomic;

pub(crate) mod thread {
    use std::time::Duration;

    pub(crate) use shuttle::thread::{Builder, JoinHandle, Thread, ThreadId, current, park, spawn, yield_now};

    /// It may wake at any time, so it does.
    pub(crate) fn park_timeout(_: Duration) {
        yield_now();
    }
}

/// Schedules of each kind; `SEATGRAPH_SCHEDULES` sets another number.
const SCHEDULES: usize = 1_000;
/// Of steps in one schedule: a schedule that goes on for longer goes round in circles.
const STEPS: usize = 100_000;
/// Switches to another thread that PCT places, beside those that waiting brings: most faults need no more.
const DEPTH: usize = 3;

/// Many schedules at random, and as many with few switches at places that count (PCT).
pub(crate) fn explore(test: impl Fn() + Send + Sync + 'static) {
    let schedules = std::env::var("SEATGRAPH_SCHEDULES").ok();
    let schedules = schedules.map_or(SCHEDULES, |text| text.parse().expect("a number of schedules"));
    let test = Arc::new(test);
    let again = test.clone();
    run(RandomScheduler::new(schedules), move || again());
    run(PctScheduler::new(DEPTH, schedules), move || test());
}

/// Every schedule there is.
pub(crate) fn exhaust(test: impl Fn() + Send + Sync + 'static) {
    let schedules = run(DfsScheduler::new(None, false), test);
    assert!(schedules > 100, "{schedules} schedules are no exploration");
}

fn run(scheduler: impl Scheduler + 'static, test: impl Fn() + Send + Sync + 'static) -> usize {
    let mut config = shuttle::Config::new();
    config.stack_size = 1 << 20;
    config.max_steps = shuttle::MaxSteps::FailAfter(STEPS);
    shuttle::Runner::new(scheduler, config).run(test)
}

#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

pub(crate) struct MutexGuard<'a, T> {
    lock: &'a Mutex<T>,
    /// Empty only while a condition is waited for.
    held: Option<shuttle::sync::MutexGuard<'a, T>>,
}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard {
            lock: self,
            held: Some(self.hold()),
        }
    }

    fn hold(&self) -> shuttle::sync::MutexGuard<'_, T> {
        self.0.lock().expect("a lock nobody panicked in")
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.held.as_ref().expect("a lock that is held")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.held.as_mut().expect("a lock that is held")
    }
}

#[derive(Debug)]
pub(crate) struct RwLock<T>(shuttle::sync::RwLock<T>);

impl<T> RwLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(shuttle::sync::RwLock::new(value))
    }

    pub(crate) fn read(&self) -> shuttle::sync::RwLockReadGuard<'_, T> {
        self.0.read().expect("a lock nobody panicked in")
    }

    pub(crate) fn write(&self) -> shuttle::sync::RwLockWriteGuard<'_, T> {
        self.0.write().expect("a lock nobody panicked in")
    }
}

#[derive(Debug, Default)]
pub(crate) struct Condvar(shuttle::sync::Condvar);

pub(crate) struct Waited {
    timed_out: bool,
}

impl Waited {
    pub(crate) fn timed_out(&self) -> bool {
        self.timed_out
    }
}

impl Condvar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }

    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        let held = guard.held.take().expect("a lock that is held");
        guard.held = Some(self.0.wait(held).expect("a lock nobody panicked in"));
    }

    /// Lets others go on, and looks whether it is time. That nobody was woken is not seen by this one; `wait` sees it.
    pub(crate) fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, until: Instant) -> Waited {
        guard.held = None;
        thread::yield_now();
        guard.held = Some(guard.lock.hold());
        Waited {
            timed_out: Instant::now() >= until,
        }
    }
}

/// The time a look at it takes: a part of how long the committer waits for a reader.
const LOOK: Duration = Duration::from_micros(400);

thread_local! {
    /// All threads of a schedule are one of the machine's.
    static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(Duration);

impl Instant {
    pub(crate) fn now() -> Self {
        NOW.set(NOW.get() + LOOK);
        Self(NOW.get())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        Self::now().0 - self.0
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, more: Duration) -> Self {
        Self(self.0 + more)
    }
}
