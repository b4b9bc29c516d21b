//! Where writes wait for the committer: bounded, first come first served. Full or closed, it turns a write away at once and
//! loses none that it took.

use std::collections::VecDeque;
use std::time::Duration;

use super::job::Job;
use super::sync::{Condvar, Instant, Mutex};
use crate::mutant::mutant;

pub(super) struct Queue {
    limit: usize,
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Box<dyn Job>>,
    closed: bool,
    /// When one last came that somebody waits for and that gives way to nobody.
    pressed: Option<Instant>,
    /// Such a one may be among those that wait.
    is_pressed: bool,
}

/// Why a write was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turned {
    Full,
    Closed,
}

/// What the committer finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// `pressed`: somebody waits for one of them that gives way to nobody.
    Jobs { pressed: bool },
    /// Nothing came in the given time.
    Nothing,
    /// Nothing waits, and nothing will.
    Closed,
}

impl Queue {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            state: Mutex::default(),
            arrived: Condvar::new(),
        }
    }

    /// `presses`: it counts for `is_quiet`.
    pub(super) fn push(&self, job: Box<dyn Job>, presses: bool) -> Result<(), Turned> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Turned::Closed);
        }
        if state.waiting.len() >= self.limit {
            return Err(Turned::Full);
        }
        state.waiting.push_back(job);
        if presses {
            state.pressed = Some(Instant::now());
            state.is_pressed = true;
        }
        drop(state);
        if !mutant("wake-nobody") {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Moves up to `at_most` into `into`: at once if any wait, otherwise when one comes, or after `wait`.
    pub(super) fn take(&self, into: &mut Vec<Box<dyn Job>>, at_most: usize, wait: Option<Duration>) -> Taken {
        let mut state = self.state.lock();
        let until = wait.map(|wait| Instant::now() + wait);
        while state.waiting.is_empty() {
            if state.closed {
                return Taken::Closed;
            }
            match until {
                None => self.arrived.wait(&mut state),
                Some(until) => {
                    if self.arrived.wait_until(&mut state, until).timed_out() && state.waiting.is_empty() {
                        return if state.closed { Taken::Closed } else { Taken::Nothing };
                    }
                }
            }
        }
        let count = state.waiting.len().min(at_most);
        into.extend(state.waiting.drain(..count));
        let pressed = state.is_pressed;
        state.is_pressed = pressed && !state.waiting.is_empty();
        Taken::Jobs { pressed }
    }

    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.arrived.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.lock().closed
    }

    /// Whether nothing that presses has come for so long.
    pub(super) fn is_quiet(&self, long: Duration) -> bool {
        let pressed = self.state.lock().pressed;
        pressed.is_none_or(|at| at.elapsed() >= long)
    }

    /// Whether one waits now that presses.
    pub(super) fn is_pressed(&self) -> bool {
        self.state.lock().is_pressed
    }

    pub(super) fn len(&self) -> usize {
        self.state.lock().waiting.len()
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }
}
