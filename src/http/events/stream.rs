//! `GET /events`: events as they happen, as server-sent events (design 16). A stream is pulled: nothing is read before its client has
//! taken what was read last, and between two reads it holds neither a graph nor a view of the log. So a slow client costs its connection
//! and nothing else.

use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::http::{Method, StatusCode, header};
use actix_web::web::Bytes;
use futures_util::stream;

use super::{Audience, envelope, horizon, unreadable};
use crate::access::token;
use crate::engine::{Engine, StorageError, Way, first_at};
use crate::event;
use crate::http::connection::Outgoing;
use crate::http::context::Caller;
use crate::http::places::Share;
use crate::http::problem::Problem;
use crate::http::write::beside;
use crate::http::{Context, State, auth};
use crate::model::{Commit, Revision, Time};

/// A comment line after so long without an event tells the client, and whatever stands between, that the stream is alive.
const COMMENT_AFTER: Duration = Duration::from_secs(15);
/// How long a stream sleeps before it looks whether the server stops, or its client has gone.
const NAP: Duration = Duration::from_secs(1);
/// What is sent at once, at most: a piece is read in one go.
const PIECE_BYTES: usize = 256 * 1024;
const PIECE_TIME: Duration = Duration::from_millis(100);

/// The next event to be told: the place in its commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Next {
    revision: Revision,
    index: usize,
}

impl Next {
    /// After `REVISION-INDEX`, the id of an event; or after all of `REVISION`.
    fn after(text: &str) -> Option<Self> {
        let (revision, index) = match text.split_once('-') {
            Some((revision, index)) => (revision, Some(index)),
            None => (text, None),
        };
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let revision: Revision = revision.parse().ok().filter(|_| digits(revision))?;
        match index {
            None => Some(Self {
                revision: revision.saturating_add(1),
                index: 0,
            }),
            Some(index) => {
                let index: usize = index.parse().ok().filter(|_| digits(index))?;
                Some(Self {
                    revision,
                    index: index.saturating_add(1),
                })
            }
        }
    }
}

impl Next {
    /// Is it after what the head is followed by? The first event of the next revision is what everybody waits for.
    fn is_beyond(self, head: Revision) -> bool {
        let coming = head.saturating_add(1);
        self.revision > coming || (self.revision == coming && self.index > 0)
    }
}

pub async fn follow(context: &Context) -> Result<HttpResponse, Problem> {
    let (graph, who) = auth::enter(context).await?;
    let audience = Audience::of(&who, &graph)?;
    let parameters = context.parameters(&["after"])?;
    // A client that comes back says itself what it saw last, and says it better than its first target.
    let header = context.header("last-event-id").filter(|text| !text.trim().is_empty());
    let named = if header.is_some() { "Last-Event-ID" } else { "after" };
    let sent = header.or_else(|| parameters.text("after"));
    let next = match sent.map(str::trim) {
        Some(text) => Next::after(text).ok_or_else(|| {
            Problem::bad_request("badEventId", format!("`{text}` is not the id of an event"))
                .parameter(named)
                .help("send the `id` of the last event, such as 41-0, or a revision; 0 for all that are kept")
        })?,
        None => Next {
            revision: graph.revision() + 1,
            index: 0,
        },
    };
    // What was told is published. Behind that is another database, or this one as it was before a backup was put back.
    let head = graph.revision().max(context.state.engine.revision());
    if next.is_beyond(head) {
        let sent = sent.unwrap_or_default().trim();
        let detail = format!("`{sent}` is behind the last revision, which is {head}");
        return Err(Problem::bad_request("eventBeyondHead", detail)
            .parameter(named)
            .help("begin again at a revision up to that one, or send none to begin with what happens next"));
    }
    drop(graph);
    let state = Arc::clone(&context.state);
    let Some(share) = state.streams.take(Caller::of(&who), 1) else {
        let limit = context.limits().event_streams();
        let problem = Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "tooManyStreams",
            "too many streams of events are open, of this caller or of all",
        );
        return Err(problem
            .limit(limit)
            .help("try again later, or pull from `/event/get/…`"));
    };
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("x-accel-buffering", "no"));
    if context.request.method() == Method::HEAD {
        return Ok(response.finish());
    }
    let follower = Follower {
        state,
        bearer: auth::bearer(context).unwrap_or_default().to_owned(),
        audience,
        next,
        greeted: false,
        connection: context.request.conn_data::<Rc<Outgoing>>().cloned(),
        _share: share,
    };
    let pieces = stream::unfold(follower, |mut follower| async move {
        let piece = follower.piece().await?;
        Some((Ok::<_, actix_web::Error>(Bytes::from(piece)), follower))
    });
    Ok(response.streaming(pieces))
}

struct Follower {
    state: Arc<State>,
    /// Looked up again for each piece: a token that is revoked or has ended hears nothing more.
    bearer: String,
    audience: Audience,
    next: Next,
    greeted: bool,
    /// Where it goes: whoever is gone keeps no place.
    connection: Option<Rc<Outgoing>>,
    _share: Share<Caller>,
}

impl Follower {
    /// What is sent next. `None` ends the stream.
    async fn piece(&mut self) -> Option<Vec<u8>> {
        if !self.greeted {
            self.greeted = true;
            return Some(b": events\n\n".to_vec());
        }
        let since = Instant::now();
        loop {
            let has_left = self.connection.as_ref().is_some_and(|connection| connection.has_left());
            if has_left || self.state.is_stopping() || !self.is_known() {
                return None;
            }
            // Also where much happens that is not for this reader.
            if since.elapsed() >= COMMENT_AFTER {
                return Some(b":\n\n".to_vec());
            }
            let engine = self.state.engine.clone();
            if engine.revision() < self.next.revision {
                // Whoever holds a graph makes the committer copy it.
                let _ = engine.at_least(self.next.revision, NAP).await.map(drop);
                continue;
            }
            let turn = self.state.stream_turns.place().await?;
            let (next, audience) = (self.next, self.audience);
            let read = beside(move || {
                let _turn = turn;
                read(&engine, next, audience).map_err(|error| unreadable(&error))
            });
            let (piece, next) = read.await.ok()?;
            self.next = next;
            if !piece.is_empty() {
                return Some(piece);
            }
        }
    }

    fn is_known(&self) -> bool {
        let State { engine, options, .. } = &*self.state;
        let graph = engine.snapshot();
        let who = token::authenticate(&graph, &self.bearer, options.admin.as_ref(), engine.now());
        who.is_ok_and(|who| Audience::of(&who, &graph).is_ok_and(|audience| audience == self.audience))
    }
}

/// As many events as go into a piece, and where it goes on. Nothing that is not published.
fn read(engine: &Engine, from: Next, audience: Audience) -> Result<(Vec<u8>, Next), StorageError> {
    let newest = engine.snapshot().revision();
    let mut log = engine.log()?;
    let horizon = horizon(engine.now());
    // Who follows along is never behind what is kept, and is spared the search for where that begins.
    let first = match log.since(from.revision.saturating_sub(1), 1) {
        Ok(commits) => commits.first().map(|commit| commit.at),
        Err(StorageError::TooOld(_)) => Some(Time(i64::MIN)),
        Err(error) => return Err(error),
    };
    let mut next = match first {
        Some(at) if at < horizon => Next {
            revision: first_at(&mut *log, horizon)?,
            index: 0,
        },
        _ => from,
    };
    let until = Instant::now() + PIECE_TIME;
    let mut piece = Vec::new();
    let way = Way::After(next.revision.saturating_sub(1));
    log.walk(way, &mut |commit: &Commit| {
        if commit.revision > newest {
            return ControlFlow::Break(());
        }
        // Of each commit its own: the log is not read with a graph in hand.
        let graph = engine.snapshot();
        for (index, event) in event::told(commit, &graph).enumerate().skip(next.index) {
            if piece.len() >= PIECE_BYTES {
                next = Next {
                    revision: commit.revision,
                    index,
                };
                return ControlFlow::Break(());
            }
            if audience.hears(&event) {
                let head = format!("id: {}-{index}\nevent: {}\ndata: ", commit.revision, event.name);
                piece.extend_from_slice(head.as_bytes());
                envelope::write(&mut piece, commit, index, &event, &graph, audience);
                piece.extend_from_slice(b"\n\n");
            }
        }
        next = Next {
            revision: commit.revision + 1,
            index: 0,
        };
        match Instant::now() < until {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    })?;
    Ok((piece, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_what_comes_next() {
        for (text, expected) in [
            ("41-0", Some((41, 1))),
            ("41-7", Some((41, 8))),
            ("41", Some((42, 0))),
            ("0", Some((1, 0))),
            ("0-0", Some((0, 1))),
            (
                "18446744073709551615-18446744073709551615",
                Some((u64::MAX, usize::MAX)),
            ),
            ("18446744073709551616", None),
            ("", None),
            ("-", None),
            ("-1", None),
            ("41-", None),
            ("+41", None),
            ("41-+1", None),
            ("41-0-0", None),
            ("x", None),
        ] {
            let found = Next::after(text).map(|next| (next.revision, next.index));
            assert_eq!(found, expected, "{text}");
        }
    }
}
