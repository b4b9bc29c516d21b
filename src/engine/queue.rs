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
    /// One that is not to be done at leisure may be among those that wait.
    is_pressed: bool,
}

/// How much a write is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// It counts for `is_quiet`.
    Pressing,
    Prompt,
    AtLeisure,
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
    /// `pressed`: one that is not to be done at leisure may be among them, or behind them.
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

    pub(super) fn push(&self, job: Box<dyn Job>, pace: Pace) -> Result<(), Turned> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Turned::Closed);
        }
        if state.waiting.len() >= self.limit {
            return Err(Turned::Full);
        }
        state.waiting.push_back(job);
        state.is_pressed |= pace != Pace::AtLeisure;
        if pace == Pace::Pressing {
            state.pressed = Some(Instant::now());
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

    /// Whether one may wait now that is not to be done at leisure.
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
