//! What the connections of one worker have to send at the end of its turn, in one call of the kernel.
//!
//! A worker answers all requests that have come before it waits for more. Sent one by one, each answer wakes a client, and a
//! client of the same machine takes the processor at once, for one answer; sent together, they cost one call, and the
//! client finds all of them. So a small answer waits for those behind it: no longer than `LINGER` and one request more, and for
//! none that is known to take long.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use actix_web::rt;
use tokio::task::yield_now;

use super::Outgoing;
use super::together::Ring;

/// What has waited so long when another request is begun is sent before.
const LINGER: Duration = Duration::from_micros(300);

/// More do not go in one call.
const MOST: usize = 64;

/// A worker that had several answers in a turn has more to do soon: for so many turns it looks once more before it sleeps. To sleep and
/// be woken costs more than most requests do.
const BUSY: u32 = 4;

/// Who gives its processor away for so long has met somebody who computes, to whom it loses a request's time at each turn: for so many
/// turns it does not.
const AWAY: Duration = Duration::from_millis(1);
const RESTS: u32 = 30;

/// Of one worker. Its task is the last of a turn, since it is woken by the first answer of it. Of answers that waited for another
/// thread it would be the second: tokio runs what this thread has woken before what others have. Then it goes back once.
#[derive(Default)]
pub(in crate::http) struct Sender {
    queue: RefCell<Vec<Rc<Outgoing>>>,
    since: Cell<Option<Instant>>,
    /// Something in the queue was not sent yet.
    is_woken: Cell<bool>,
    /// It waited for another thread, which has others ready as well.
    has_waited: Cell<bool>,
    task: RefCell<Option<Waker>>,
    started: Cell<bool>,
    ring: RefCell<Option<Ring>>,
    /// Buffers of answers that are sent: a connection that waits holds none.
    spare: RefCell<Vec<Vec<u8>>>,
    /// How often answers left.
    #[cfg(test)]
    pub(super) calls: Cell<u32>,
}

impl Sender {
    /// Of the worker whose thread this is. Without a ring answers go one by one, though still at the end of the turn.
    pub(in crate::http) fn new(ring: Option<Ring>) -> Self {
        Self {
            ring: RefCell::new(ring),
            ..Self::default()
        }
    }

    /// Sends what `outgoing` has at the end of this turn.
    pub(in crate::http) fn queue(self: &Rc<Self>, outgoing: Rc<Outgoing>) {
        let mut queue = self.queue.borrow_mut();
        queue.push(outgoing);
        if queue.len() == 1 {
            self.since.set(Some(Instant::now()));
            drop(queue);
            return self.wake();
        }
        let is_full = queue.len() >= MOST;
        drop(queue);
        if is_full {
            self.send();
        }
    }

    /// Another request is begun: what has waited long enough does not wait for it.
    pub(in crate::http) fn begin(&self) {
        let is_due = || self.since.get().is_some_and(|since| since.elapsed() > LINGER);
        if !self.queue.borrow().is_empty() && is_due() {
            self.send();
        }
    }

    /// What is asked next may take long: nothing waits for it.
    pub(in crate::http) fn make_way(&self) {
        if !self.queue.borrow().is_empty() {
            self.send();
        }
    }

    /// The answer that is written next was waited for: a batch of the committer has others.
    pub(in crate::http) fn waited(&self) {
        self.has_waited.set(true);
    }

    fn wake(self: &Rc<Self>) {
        self.is_woken.set(true);
        if let Some(task) = &*self.task.borrow() {
            return task.wake_by_ref();
        }
        if self.started.replace(true) {
            return;
        }
        rt::spawn(Rc::clone(self).run());
    }

    async fn run(self: Rc<Self>) {
        let (mut busy, mut rests) = (0, 0_u32);
        loop {
            poll_fn(|context| self.poll_woken(context)).await;
            if self.has_waited.take() {
                yield_now().await;
            }
            busy = match self.send() {
                0 | 1 => busy - busy.min(1),
                _ => BUSY,
            };
            rests = rests.saturating_sub(1);
            if busy > 0 && rests == 0 {
                // The clients' turn, if they are on this machine, and then a look at what they have asked.
                let away = Instant::now();
                std::thread::yield_now();
                if away.elapsed() > AWAY {
                    rests = RESTS;
                }
                yield_now().await;
            }
        }
    }

    fn poll_woken(&self, context: &Context<'_>) -> Poll<()> {
        let mut task = self.task.borrow_mut();
        if !task.as_ref().is_some_and(|task| task.will_wake(context.waker())) {
            *task = Some(context.waker().clone());
        }
        match self.is_woken.take() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// Gives how many answers it sent.
    fn send(&self) -> usize {
        let mut queue = self.queue.take();
        queue.retain(|outgoing| outgoing.unlist());
        let sent = queue.len();
        #[cfg(test)]
        self.calls.set(self.calls.get() + u32::from(sent > 0));
        let mut ring = self.ring.borrow_mut();
        match &mut *ring {
            Some(together) if queue.len() > 1 => {
                if let Err(cause) = together.send(&queue, self) {
                    tracing::warn!(%cause, "answers are sent one by one from now on");
                    *ring = None;
                }
            }
            _ => queue.iter().for_each(|outgoing| outgoing.send(self)),
        }
        queue.clear();
        // Nothing was queued meanwhile: who sends makes no answers. The list keeps its room.
        *self.queue.borrow_mut() = queue;
        sent
    }

    pub(in crate::http) fn buffer(&self) -> Vec<u8> {
        self.spare.borrow_mut().pop().unwrap_or_default()
    }

    pub(in crate::http) fn give_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        self.spare.borrow_mut().push(buffer);
    }
}
