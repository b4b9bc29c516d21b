//! Connections on which nothing goes on are ended, so that nobody keeps others out by holding many. actix-http sees to the head
//! of the first request and to the silence between two; what is looked for here is what it leaves: a later head that comes by
//! drops, a body that was answered and does not end, an answer that is not read.
//!
//! One task of a worker looks at all of its connections now and then; a request only leaves marks.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::error::PayloadError;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::Payload;
use actix_web::rt;
use actix_web::web::Bytes;
use futures_util::Stream;

use super::Outgoing;
use super::turns::Body;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(2500);
/// A head that has begun is there in so many looks, or does not come: 5 to 7.5 seconds.
const HEAD: u32 = 3;
/// Looks without any word, when no request is under way: longer than actix-http waits for the next one.
const SILENT: u32 = 7;
/// Looks in which the client takes nothing of an answer: a minute.
const UNREAD: u32 = 24;
/// The same of what is streamed, which may go to a slow disk or a pager: five minutes.
const UNREAD_STREAM: u32 = 120;

/// A body that nobody reads is waited for if it has no more bytes, and no longer than this.
const SMALL: u64 = 64 * 1024;
const COMES: Duration = Duration::from_secs(1);

/// What was seen of a connection.
#[derive(Default)]
pub(super) struct Marks {
    /// The client sent something, and no request has begun with it.
    is_owed: Cell<bool>,
    /// A request is under way, or its answer is one without a length and has not ended.
    is_busy: Cell<bool>,
    /// The latter.
    is_stream: Cell<bool>,
    /// A body without a length is not read to its end.
    owes_body: Cell<bool>,
    /// It is a stream, and its client has closed the connection, or its own end of it.
    has_left: Cell<bool>,
    /// A writer waits for the client.
    pub(super) is_blocked: Cell<bool>,
    /// Something was read or written since the last look.
    has_moved: Cell<bool>,
    /// Looks at which it was found the same, and how many there may be.
    looks: Cell<(u32, u32)>,
}

impl Marks {
    pub(super) fn read(&self) {
        self.has_moved.set(true);
        self.is_owed.set(true);
    }

    pub(super) fn wrote(&self) {
        self.has_moved.set(true);
    }

    pub(super) fn has_left(&self) -> bool {
        self.has_left.get()
    }

    /// Whether it is to be ended. `is_unsent`: an answer waits for the client.
    fn look(&self, is_unsent: bool) -> bool {
        let is_unsent = is_unsent || self.is_blocked.get();
        let has_moved = self.has_moved.take();
        let most = match (self.is_busy.get(), is_unsent) {
            (_, true) if has_moved => None,
            (_, true) if self.is_stream.get() => Some(UNREAD_STREAM),
            (true, _) => None,
            (false, true) => Some(UNREAD),
            // Drops do not make a head.
            (false, false) if self.is_owed.get() => Some(HEAD),
            (false, false) if has_moved => None,
            (false, false) => Some(SILENT),
        };
        let (looks, counted) = self.looks.get();
        // What is looked for now was not there before.
        let looks = if most == Some(counted) { looks + 1 } else { 1 };
        self.looks.set(most.map_or((0, 0), |most| (looks, most)));
        most.is_some_and(|most| looks >= most)
    }
}

/// A request is under way on a connection, until this is dropped.
pub(in crate::http) struct UnderWay {
    outgoing: Rc<Outgoing>,
    has_fragment: bool,
    is_last: bool,
}

impl UnderWay {
    /// `body` is that of the request.
    pub(in crate::http) fn new(outgoing: Rc<Outgoing>, body: Body) -> Self {
        let has_fragment = outgoing.turns.borrow_mut().asked(body);
        let marks = &outgoing.marks;
        marks.is_busy.set(true);
        marks.is_owed.set(false);
        marks.looks.set((0, 0));
        Self {
            outgoing,
            has_fragment,
            is_last: false,
        }
    }

    /// A `#` is in the target, and what is behind it has not been read.
    pub(in crate::http) fn has_fragment(&self) -> bool {
        self.has_fragment
    }

    /// Whether all of the body has come, read or not: a small one is waited for, so that the connection can be kept. One in chunks
    /// is read to its end by actix-http, also behind the answer.
    pub(in crate::http) async fn has_come(&self, body: Body) -> bool {
        let is_whole = || self.outgoing.turns.borrow().is_whole();
        match body {
            Body::Chunked => true,
            _ if is_whole() => true,
            // What comes wakes the connection, and that asks its request again.
            Body::Length(..=SMALL) => rt::time::timeout(
                COMES,
                poll_fn(|_| match is_whole() {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                }),
            )
            .await
            .is_ok(),
            _ => false,
        }
    }

    /// The connection ends with the answer.
    pub(in crate::http) fn ends(&mut self) {
        self.is_last = true;
    }

    /// The body that is read has no length: until it has ended, what comes is no head.
    pub(in crate::http) fn reads(&self, body: Payload) -> Payload {
        self.outgoing.marks.owes_body.set(true);
        let outgoing = Rc::clone(&self.outgoing);
        Payload::Stream {
            payload: Box::pin(Unended { body, outgoing }),
        }
    }

    /// The answer has no length: it is under way until its body is dropped.
    pub(in crate::http) fn streams(self, body: BoxBody) -> BoxBody {
        self.outgoing.marks.is_stream.set(true);
        BoxBody::new(Streamed { body, _under_way: self })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let marks = &self.outgoing.marks;
        marks.is_busy.set(false);
        marks.is_stream.set(false);
        marks.is_owed.set(marks.owes_body.take());
        marks.has_moved.set(true);
        self.outgoing.turns.borrow_mut().answered(self.is_last);
    }
}

/// A body, until it has ended.
struct Unended {
    body: Payload,
    outgoing: Rc<Outgoing>,
}

impl Stream for Unended {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.body).poll_next(context);
        if matches!(next, Poll::Ready(None)) {
            self.outgoing.marks.owes_body.set(false);
        }
        next
    }
}

struct Streamed {
    body: BoxBody,
    _under_way: UnderWay,
}

impl MessageBody for Streamed {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}

/// The connections of one worker.
#[derive(Default)]
pub(in crate::http) struct Watch {
    connections: RefCell<Vec<Weak<Outgoing>>>,
    has_begun: Cell<bool>,
}

impl Watch {
    pub(super) fn add(self: &Rc<Self>, outgoing: &Rc<Outgoing>) {
        self.connections.borrow_mut().push(Rc::downgrade(outgoing));
        if !self.has_begun.replace(true) {
            rt::spawn(Rc::clone(self).run());
        }
    }

    async fn run(self: Rc<Self>) {
        loop {
            rt::time::sleep(LOOK).await;
            self.look();
        }
    }

    /// Gives how many connections there are left.
    pub(super) fn look(&self) -> usize {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| {
            let Some(outgoing) = connection.upgrade() else {
                return false;
            };
            // What is left of one that is gone has its own time.
            let is_over = outgoing.is_open() && outgoing.marks.look(outgoing.is_unsent());
            // Nothing else notices it before something is sent, twice.
            outgoing
                .marks
                .has_left
                .set(outgoing.marks.is_stream.get() && outgoing.is_closed());
            if is_over {
                outgoing.fail(ErrorKind::TimedOut.into());
            }
            !is_over
        });
        connections.len()
    }
}
