//! A connection: what comes goes on request by request (`turns`), what goes waits for the end of the worker's turn (`sender`).

pub mod sender;
pub mod together;
pub mod turns;
pub mod watch;

use std::cell::RefCell;
use std::future::Future as _;
use std::io::{self, ErrorKind};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use actix_web::rt;
use bytes::{Buf as _, BytesMut};
use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown, recv, shutdown};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::Sleep;

use self::sender::Sender;
use self::turns::Turns;
use self::watch::{Marks, Watch};

/// Of one connection no more waits for the end of a turn. What is longer goes at once, to its end, as fast as the client takes it:
/// its writer has to know when that is not at all. A page of twenty licenses has 16 KiB, and costs a fifth less when it waits.
const TOGETHER: usize = 64 * 1024;

/// How often it is looked whether a connection is still there to which something is left to send.
const LOOK: Duration = Duration::from_secs(1);
/// So often until the rest is given up that the client of a connection that is gone does not take.
const PATIENCE: u32 = 300;

/// So long a client may take the last answer, if it does not close its end sooner.
const LEAVING: Duration = Duration::from_secs(1);

pub(super) struct Connection {
    incoming: OwnedReadHalf,
    /// What came behind a request that is yet to be answered. While there is some, nothing is read.
    held: BytesMut,
    outgoing: Rc<Outgoing>,
    sender: Rc<Sender>,
    /// Its writer has been told to wait.
    was_full: bool,
    /// How long it stays for its client to take the last answer.
    leaving: Option<Pin<Box<Sleep>>>,
}

impl Connection {
    pub(super) fn new(socket: TcpStream, sender: Rc<Sender>, watch: &Rc<Watch>) -> Self {
        let (incoming, socket) = socket.into_split();
        let outgoing = Rc::new(Outgoing {
            socket,
            waiting: RefCell::default(),
            turns: RefCell::default(),
            marks: Marks::default(),
        });
        watch.add(&outgoing);
        Self {
            incoming,
            held: BytesMut::new(),
            outgoing,
            sender,
            was_full: false,
            leaving: None,
        }
    }

    /// What its requests leave their marks on.
    pub(super) fn outgoing(&self) -> Rc<Outgoing> {
        Rc::clone(&self.outgoing)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.outgoing.waiting.borrow_mut().is_left = true;
    }
}

/// The sending end.
pub(super) struct Outgoing {
    socket: OwnedWriteHalf,
    waiting: RefCell<Waiting>,
    /// What is read is asked of it.
    turns: RefCell<Turns>,
    marks: Marks,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    state: State,
    /// The sender has it in its queue.
    is_listed: bool,
    /// More was written, since the client sent something, than waits for the end of a turn.
    is_long: bool,
    /// The connection is gone, and nobody waits for room.
    is_left: bool,
    /// Why what was written could not be sent; told to who writes next.
    failed: Option<io::Error>,
    /// Who waits until there is room again.
    writer: Option<Waker>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// Nothing waits.
    #[default]
    Idle,
    /// For the end of the turn.
    Queued,
    /// For the client, which takes no more; a task of its own sends the rest.
    Draining,
}

impl Outgoing {
    fn is_open(&self) -> bool {
        !self.waiting.borrow().is_left
    }

    /// Its client takes a stream, and was gone when the connections were last looked at.
    pub(super) fn has_left(&self) -> bool {
        self.marks.has_left()
    }

    /// The client sends no more, and all that it sent is read.
    fn is_closed(&self) -> bool {
        let mut byte = [0];
        match recv(self, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((_, length)) => length == 0,
            Err(cause) => cause != Errno::AGAIN && cause != Errno::INTR,
        }
    }

    fn is_unsent(&self) -> bool {
        self.waiting.borrow().state == State::Draining
    }

    /// Leaves the sender's queue. Is there something to send?
    pub(super) fn unlist(&self) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        waiting.is_listed = false;
        waiting.state == State::Queued
    }

    /// Sends what waits, as much as the socket takes.
    pub(super) fn send(self: &Rc<Self>, sender: &Sender) {
        let bytes = self.take();
        let result = self.socket.as_ref().try_write(&bytes);
        self.sent(result, bytes, sender);
    }

    /// What waits, for who sends it and then says so by `sent`.
    pub(super) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.waiting.borrow_mut().bytes)
    }

    /// `result` is how many of `bytes` the socket took.
    pub(super) fn sent(self: &Rc<Self>, result: io::Result<usize>, mut bytes: Vec<u8>, sender: &Sender) {
        let mut waiting = self.waiting.borrow_mut();
        waiting.state = State::Idle;
        let count = match result {
            Ok(count) => count,
            Err(cause) if cause.kind() == ErrorKind::WouldBlock || cause.kind() == ErrorKind::Interrupted => 0,
            Err(cause) => {
                drop(waiting);
                return self.fail(cause);
            }
        };
        if count > 0 {
            self.marks.wrote();
        }
        if count == bytes.len() {
            return sender.give_back(bytes);
        }
        bytes.drain(..count);
        waiting.bytes = bytes;
        waiting.state = State::Draining;
        rt::spawn(Rc::clone(self).drain());
    }

    /// Sends the rest to a client that is slow, whatever becomes of the connection meanwhile.
    async fn drain(self: Rc<Self>) {
        if let Err(cause) = self.rest().await {
            self.fail(cause);
        }
        let mut waiting = self.waiting.borrow_mut();
        waiting.state = State::Idle;
        waiting.bytes = Vec::new();
        if let Some(writer) = waiting.writer.take() {
            writer.wake();
        }
    }

    /// Ends the connection: who reads from it finds its end, who writes to it the cause.
    fn fail(&self, cause: io::Error) {
        self.waiting.borrow_mut().failed = Some(cause);
        // A connection that has ended cannot be ended.
        let _ = shutdown(self, Shutdown::Both);
    }

    async fn rest(&self) -> io::Result<()> {
        let (mut from, mut looks) = (0, 0);
        loop {
            let result = {
                let waiting = self.waiting.borrow();
                if from == waiting.bytes.len() {
                    return Ok(());
                }
                self.socket.as_ref().try_write(&waiting.bytes[from..])
            };
            match result {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    (from, looks) = (from + count, 0);
                    self.marks.wrote();
                }
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => {
                    let room = rt::time::timeout(LOOK, self.socket.as_ref().writable()).await;
                    looks += u32::from(room.is_err() && self.waiting.borrow().is_left);
                    if looks > PATIENCE {
                        return Err(ErrorKind::TimedOut.into());
                    }
                    room.unwrap_or(Ok(()))?;
                }
                Err(cause) => return Err(cause),
            }
        }
    }

    /// When nothing waits for the client.
    fn poll_room(&self, context: &Context<'_>) -> Poll<io::Result<()>> {
        let mut waiting = self.waiting.borrow_mut();
        if let Some(cause) = waiting.failed.take() {
            return Poll::Ready(Err(cause));
        }
        if waiting.state == State::Draining {
            waiting.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    /// When what was written before has left, which it does now if it can.
    fn poll_sent(self: &Rc<Self>, context: &Context<'_>, sender: &Sender) -> Poll<io::Result<()>> {
        let is_queued = self.waiting.borrow().state == State::Queued;
        if is_queued {
            self.send(sender);
        }
        self.poll_room(context)
    }

    fn poll_write(
        self: &Rc<Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
        sender: &Rc<Sender>,
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_room(context))?;
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.is_long && waiting.bytes.len() + bytes.len() <= TOGETHER {
            if waiting.state == State::Idle {
                waiting.bytes = sender.buffer();
                waiting.state = State::Queued;
            }
            waiting.bytes.extend_from_slice(bytes);
            // It may be there already: what waited was sent before its turn.
            let is_listed = std::mem::replace(&mut waiting.is_listed, true);
            drop(waiting);
            if !is_listed {
                sender.queue(Rc::clone(self));
            }
            return Poll::Ready(Ok(bytes.len()));
        }
        waiting.is_long = true;
        drop(waiting);
        ready!(self.poll_sent(context, sender))?;
        let socket = self.socket.as_ref();
        loop {
            ready!(socket.poll_write_ready(context))?;
            match socket.try_write(bytes) {
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => {}
                result => {
                    self.marks.wrote();
                    return Poll::Ready(result);
                }
            }
        }
    }
}

impl AsFd for Outgoing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_ref().as_fd()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let mut turns = this.outgoing.turns.borrow_mut();
        if turns.has_ended() {
            return discard(&mut this.incoming, context, buffer);
        }
        if this.held.is_empty() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut this.incoming).poll_read(context, buffer))?;
            let read = &buffer.filled()[before..];
            if read.is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.outgoing.waiting.borrow_mut().is_long = false;
            this.outgoing.marks.read();
            let admitted = turns.admit(read, context);
            if admitted == read.len() {
                return Poll::Ready(Ok(()));
            }
            this.held.extend_from_slice(&read[admitted..]);
            buffer.set_filled(before + admitted);
            return if admitted > 0 {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            };
        }
        let room = this.held.len().min(buffer.remaining());
        let admitted = turns.admit(&this.held[..room], context);
        if admitted == 0 {
            return Poll::Pending;
        }
        buffer.put_slice(&this.held[..admitted]);
        this.held.advance(admitted);
        if this.held.is_empty() {
            // A connection that waits holds no buffer.
            this.held = BytesMut::new();
        }
        this.outgoing.marks.read();
        Poll::Ready(Ok(()))
    }
}

/// Reads to the client's end, and gives nothing on.
fn discard(incoming: &mut OwnedReadHalf, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
    let before = buffer.filled().len();
    loop {
        ready!(Pin::new(&mut *incoming).poll_read(context, buffer))?;
        if buffer.filled().len() == before {
            return Poll::Ready(Ok(()));
        }
        buffer.set_filled(before);
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.outgoing.poll_write(context, bytes, &self.sender);
        self.was_full |= written.is_pending();
        self.outgoing.marks.is_blocked.set(written.is_pending());
        written
    }

    /// What waits for the end of the turn is on its way; only a client that takes no more is waited for.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.outgoing.poll_room(context);
        if flushed.is_pending() {
            self.was_full = true;
        } else if std::mem::take(&mut self.was_full) {
            // actix-http 3.20 leaves requests it has read and not decoded while its writes wait, and nobody would wake it for them.
            context.waker().wake_by_ref();
        }
        flushed
    }

    /// Where more has come than was read, or may yet come behind the last answer, the client's end is waited for: a socket that is
    /// closed, and is sent more or has bytes nobody has read, takes back what its client has not got yet.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(this.outgoing.poll_sent(context, &this.sender))?;
        if let Some(patience) = &mut this.leaving {
            let mut unread = [MaybeUninit::uninit(); 8192];
            let gone = discard(&mut this.incoming, context, &mut ReadBuf::uninit(&mut unread));
            return match (gone, patience.as_mut().poll(context)) {
                (Poll::Pending, Poll::Pending) => Poll::Pending,
                _ => Poll::Ready(Ok(())),
            };
        }
        shutdown(&*this.outgoing, Shutdown::Write)?;
        if this.held.is_empty() && !this.outgoing.turns.borrow().is_last() {
            return Poll::Ready(Ok(()));
        }
        this.leaving = Some(Box::pin(rt::time::sleep(LEAVING)));
        self.poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
