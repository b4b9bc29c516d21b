//! One request of a connection after the other: what comes behind one is held back until it is answered.
//!
//! actix-http 3.20 reads ahead, and answers by what it read last: an answer that was waited for had no body because a `HEAD` had come
//! behind it, or had one that nobody asked for, and what came behind `Connection: close` was carried out. So it is given no more than
//! the request it is to answer. Where a head ends is looked for here (an empty line; a line ends with CR LF or LF alone, as it takes
//! them); how its body ends is said by who was given the head, so that no header is read twice.

use std::task::{Context, Waker};

use actix_http::{HttpMessage as _, Request};
use actix_web::dev::Payload;
use actix_web::http::{Method, header};
use memchr::{memchr, memchr2};

/// How the end of a request's body is known (RFC 9112, 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Body {
    /// After so many bytes, 0 of a request without a body.
    Length(u64),
    Chunked,
    /// It ends with the connection: what comes behind an upgrade is no request.
    Endless,
}

impl Body {
    /// As actix-http reads it, which has refused what is none of these. `payload` is what it made of it.
    pub(in crate::http) fn of(request: &Request, payload: &Payload) -> Self {
        if matches!(payload, Payload::None) {
            return Self::Length(0);
        }
        let headers = request.headers();
        let is_websocket =
            |value: &header::HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket");
        let length = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok());
        if headers.contains_key(header::TRANSFER_ENCODING) {
            Self::Chunked
        } else if headers.get_all(header::UPGRADE).any(is_websocket) {
            Self::Endless
        } else {
            // Without a length it is `CONNECT`, whose body is all that comes.
            debug_assert!(length.is_some() || request.method() == Method::CONNECT);
            length.map_or(Self::Endless, Self::Length)
        }
    }
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A head that has yet to begin; empty lines do not begin it.
    Before,
    /// Its first line.
    Target,
    /// A line of which nothing has come: if nothing does, the head ends with it.
    LineStart,
    /// The same, and its CR has come.
    LineEnd,
    /// A line with something in it.
    Field,
    /// The head has gone on, and how the body ends has not been said.
    Unsaid,
    Body(u64),
    Chunks(Chunks),
    Endless,
    /// The request has gone on as a whole.
    Whole,
}

/// A place in a body of chunks (RFC 9112, 7.1). What is not as it should be is for actix-http to refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunks {
    /// In the digits of a chunk's size, which are this much so far.
    Size(u64),
    /// Behind them, in the same line.
    Extension(u64),
    /// In a chunk with so many bytes to come, those that end its line among them.
    Data(u64),
    /// At the beginning of a line behind the last chunk: an empty one ends the body.
    End,
    /// The same, and its CR has come.
    EndLine,
    /// Further on in such a line, which ends with CR LF and not with LF alone.
    Trailer,
    /// The same, and its CR has come.
    TrailerLine,
}

/// Whose turn it is.
pub(super) struct Turns {
    place: Place,
    is_answered: bool,
    /// The answer says that the connection ends with it.
    is_last: bool,
    /// A `#` is in the target: what is read of a target ends before it.
    has_fragment: bool,
    /// Who has more than it may give on.
    reader: Option<Waker>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            place: Place::Before,
            is_answered: false,
            is_last: false,
            has_fragment: false,
            reader: None,
        }
    }
}

impl Turns {
    /// How many of the bytes that came may go on now. If not all, the task is woken when more of them may.
    pub(super) fn admit(&mut self, bytes: &[u8], context: &Context<'_>) -> usize {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            match self.step(rest) {
                0 => {
                    self.reader = Some(context.waker().clone());
                    break;
                }
                count => at += count,
            }
        }
        at
    }

    /// Nothing that comes is given on any more.
    pub(super) fn has_ended(&self) -> bool {
        self.place == Place::Whole && self.is_answered && self.is_last
    }

    /// The connection ends with an answer that was given.
    pub(super) fn is_last(&self) -> bool {
        self.is_answered && self.is_last
    }

    /// All of the request has gone on.
    pub(super) fn is_whole(&self) -> bool {
        self.place == Place::Whole
    }

    /// A head has been read, and its body is this. Gives whether its target has a `#`.
    pub(super) fn asked(&mut self, body: Body) -> bool {
        self.place = match body {
            Body::Length(0) => Place::Whole,
            Body::Length(length) => Place::Body(length),
            Body::Chunked => Place::Chunks(Chunks::Size(0)),
            Body::Endless => Place::Endless,
        };
        self.is_answered = false;
        self.wake();
        std::mem::take(&mut self.has_fragment)
    }

    pub(super) fn answered(&mut self, is_last: bool) {
        self.is_answered = true;
        self.is_last |= is_last;
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// How many of these bytes, of which there are some, go on before the place is another one; 0 to wait.
    fn step(&mut self, bytes: &[u8]) -> usize {
        match self.place {
            Place::Before => {
                let empty = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                if empty == 0 {
                    self.place = Place::Target;
                    return self.step(bytes);
                }
                empty
            }
            Place::Target => match memchr2(b'#', b'\n', bytes) {
                Some(at) if bytes[at] == b'#' => {
                    self.has_fragment = true;
                    at + 1
                }
                Some(at) => {
                    self.place = Place::LineStart;
                    at + 1
                }
                None => bytes.len(),
            },
            Place::LineStart | Place::LineEnd => {
                self.place = match (self.place, bytes[0]) {
                    (_, b'\n') => Place::Unsaid,
                    (Place::LineStart, b'\r') => Place::LineEnd,
                    _ => Place::Field,
                };
                1
            }
            Place::Field => match memchr(b'\n', bytes) {
                Some(at) => {
                    self.place = Place::LineStart;
                    at + 1
                }
                None => bytes.len(),
            },
            Place::Unsaid => 0,
            Place::Body(left) => {
                let count = count(left, bytes);
                self.place = match left - count as u64 {
                    0 => Place::Whole,
                    left => Place::Body(left),
                };
                count
            }
            Place::Chunks(chunks) => {
                let (next, count) = chunks.step(bytes);
                self.place = next;
                count
            }
            Place::Endless => bytes.len(),
            Place::Whole if self.is_answered && !self.is_last => {
                self.is_answered = false;
                self.place = Place::Before;
                self.step(bytes)
            }
            Place::Whole => 0,
        }
    }
}

impl Chunks {
    /// The place behind so many of these bytes.
    fn step(self, bytes: &[u8]) -> (Place, usize) {
        let byte = bytes[0];
        let next = match (self, byte) {
            (Self::Size(0) | Self::Extension(0), b'\n') => Self::End,
            (Self::Size(size) | Self::Extension(size), b'\n') => Self::Data(size.saturating_add(2)),
            (Self::Size(size), _) => match (byte as char).to_digit(16) {
                Some(digit) => Self::Size(size.saturating_mul(16).saturating_add(digit.into())),
                None => Self::Extension(size),
            },
            (Self::Extension(_), _) => self,
            (Self::Data(left), _) => {
                let count = count(left, bytes);
                let next = match left - count as u64 {
                    0 => Self::Size(0),
                    left => Self::Data(left),
                };
                return (Place::Chunks(next), count);
            }
            (Self::EndLine, _) => return (Place::Whole, 1),
            (Self::End, b'\r') => Self::EndLine,
            (Self::Trailer, b'\r') => Self::TrailerLine,
            (Self::TrailerLine, _) => Self::End,
            (Self::End | Self::Trailer, _) => Self::Trailer,
        };
        (Place::Chunks(next), 1)
    }
}

/// How many of the bytes are among the next `left`.
fn count(left: u64, bytes: &[u8]) -> usize {
    usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What goes on of `bytes`, in pieces of `length`, while each head is said to have the next of these bodies and is answered when the
    /// request is whole: the requests, and whether their targets have a `#`.
    fn taken(bytes: &[u8], length: usize, bodies: &[Body]) -> Vec<(String, bool)> {
        let context = &Context::from_waker(Waker::noop());
        let (mut turns, mut bodies) = (Turns::default(), bodies.iter());
        let (mut taken, mut request, mut has_fragment) = (Vec::new(), Vec::new(), false);
        let mut held = 0;
        for end in (length..bytes.len() + length).step_by(length) {
            let end = end.min(bytes.len());
            while held < end {
                let admitted = turns.admit(&bytes[held..end], context);
                request.extend_from_slice(&bytes[held..held + admitted]);
                held += admitted;
                if turns.place == Place::Unsaid {
                    has_fragment = turns.asked(*bodies.next().expect("no more heads than requests"));
                }
                if turns.place == Place::Whole {
                    assert_eq!(turns.admit(b"GET", context), 0, "it is yet to be answered");
                    turns.answered(false);
                    taken.push((
                        String::from_utf8(std::mem::take(&mut request)).expect("text"),
                        has_fragment,
                    ));
                }
            }
        }
        taken
    }

    #[test]
    fn no_more_goes_on_than_a_request() {
        use Body::*;
        let requests: &[(&str, Body, bool)] = &[
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", Length(0), false),
            ("GET /a#b HTTP/1.1\r\n\r\n", Length(0), true),
            ("GET / HTTP/1.1\nReferer: /#a\n\n", Length(0), false),
            ("\r\n\nHEAD / HTTP/1.1\nHost: x\r\n\n", Length(0), false),
            (
                "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nGET /\r\n\r\n",
                Length(9),
                false,
            ),
            ("GET / HTTP/1.1\r\n\rx\n\r\n", Length(0), false),
            ("PUT / HTTP/1.1\r\n\r\n0\r\n\r\n", Chunked, false),
            (
                "PUT /#? HTTP/1.1\r\n\r\n1 \r\na\r\n00B;x=\"y\"\r\n\r\n\r\nGET \r\n\r\n\r\n0;z\r\nA: b\r\nC: 0\n\nD\r\n\r\n",
                Chunked,
                true,
            ),
            ("DELETE / HTTP/1.0\r\n\r\n", Length(0), false),
        ];
        let bytes: String = requests.iter().map(|(text, ..)| *text).collect();
        let bodies: Vec<_> = requests.iter().map(|(_, body, _)| *body).collect();
        let wanted: Vec<_> = requests
            .iter()
            .map(|(text, _, has)| ((*text).to_owned(), *has))
            .collect();
        for length in 1..=bytes.len() {
            assert_eq!(
                taken(bytes.as_bytes(), length, &bodies),
                wanted,
                "in pieces of {length}"
            );
        }
    }

    #[test]
    fn nothing_goes_on_behind_the_last_request() {
        let context = &Context::from_waker(Waker::noop());
        let mut turns = Turns::default();
        let bytes = b"POST / HTTP/1.1\r\n\r\nbodyGET / HTTP/1.1\r\n\r\n";
        assert_eq!(turns.admit(bytes, context), 19);
        turns.asked(Body::Length(4));
        // Answered before its body has come, which still goes on.
        turns.answered(true);
        assert!(!turns.has_ended());
        assert_eq!(turns.admit(&bytes[19..], context), 4);
        assert!(turns.has_ended());
        assert_eq!(turns.admit(&bytes[23..], context), 0);
    }

    #[test]
    fn behind_an_upgrade_there_is_no_request() {
        let context = &Context::from_waker(Waker::noop());
        let mut turns = Turns::default();
        turns.asked(Body::Endless);
        let bytes = b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n";
        assert_eq!(turns.admit(bytes, context), bytes.len());
    }
}
