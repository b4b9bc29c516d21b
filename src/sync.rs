//! What the engine waits with: locks, threads, and the time that passes meanwhile. They have one place so that the tests can read the
//! engine's files once more with threads they steer themselves (`explored`); everybody else gets what is named here.

pub(crate) use parking_lot::{Condvar, Mutex, RwLock};
pub(crate) use std::sync::atomic;
pub(crate) use std::thread;
pub(crate) use std::time::Instant;

/// A test as the machine happens to run it, a few times.
#[cfg(test)]
pub(crate) fn explore(test: impl Fn() + Send + Sync + 'static) {
    for _ in 0..20 {
        test();
    }
}

#[cfg(test)]
pub(crate) use explore as exhaust;
