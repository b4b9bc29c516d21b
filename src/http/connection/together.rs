//! Several answers, each to its own socket, in one call of the kernel: io_uring, where there is one.

use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;

use compio_buf::{BufResult, IntoInner};
use compio_driver::op::Send;
use compio_driver::{Key, Proactor, PushEntry};
use rustix::net::SendFlags;

use super::Outgoing;
use super::sender::Sender;

/// A send that may not wait is done when it was submitted. So often the kernel is asked for those that are not, before
/// it is held to be broken.
const ATTEMPTS: usize = 100;

/// Sends the kernel is told of at once; a sender has fewer.
const ENTRIES: u32 = 256;

type Sending = Key<Send<Vec<u8>, Rc<Outgoing>>>;

pub(in crate::http) struct Ring {
    driver: Proactor,
    under_way: Vec<(Sending, Rc<Outgoing>)>,
    left: Vec<(Sending, Rc<Outgoing>)>,
}

impl Ring {
    /// `None` where the kernel has none or lets nobody use it, as in some containers.
    pub(in crate::http) fn new() -> Option<Self> {
        let built = Proactor::builder()
            .single_issuer(true)
            .coop_taskrun(true)
            .capacity(ENTRIES)
            .build();
        match built {
            Ok(driver) => Some(Self {
                driver,
                under_way: Vec::new(),
                left: Vec::new(),
            }),
            Err(cause) => {
                tracing::info!(%cause, "no io_uring: answers are sent one by one");
                None
            }
        }
    }

    /// Sends what each of them has waiting, and tells each what became of it.
    ///
    /// # Errors
    /// When the ring is of no use any more. Those whose answers were under way have been told.
    pub(super) fn send(&mut self, queue: &[Rc<Outgoing>], sender: &Sender) -> io::Result<()> {
        for outgoing in queue {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            match self.driver.push(Send::new(Rc::clone(outgoing), outgoing.take(), flags)) {
                PushEntry::Pending(key) => self.under_way.push((key, Rc::clone(outgoing))),
                PushEntry::Ready(BufResult(result, send)) => outgoing.sent(result, send.into_inner(), sender),
            }
        }
        let mut failure = io::Error::other("the kernel did not say what became of an answer");
        for _ in 0..ATTEMPTS {
            match self.driver.poll(Some(Duration::ZERO)) {
                Err(cause) if !matches!(cause.kind(), ErrorKind::Interrupted | ErrorKind::TimedOut) => {
                    failure = cause;
                    break;
                }
                _ => {}
            }
            for (key, outgoing) in self.under_way.drain(..) {
                match self.driver.pop(key) {
                    PushEntry::Ready(BufResult(result, send)) => outgoing.sent(result, send.into_inner(), sender),
                    PushEntry::Pending(key) => self.left.push((key, outgoing)),
                }
            }
            if self.left.is_empty() {
                return Ok(());
            }
            std::mem::swap(&mut self.under_way, &mut self.left);
        }
        // Whether they were sent is not known, so no more may follow them.
        for (_, outgoing) in self.under_way.drain(..) {
            outgoing.sent(Err(ErrorKind::ConnectionAborted.into()), Vec::new(), sender);
        }
        Err(failure)
    }
}
