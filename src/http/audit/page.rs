//! Reading a page of the log. Bounded in what it looks at, in time and in bytes: whatever bound it meets, the answer holds
//! what was found and says where to go on, so that a client that follows it misses nothing.

use std::collections::HashMap;
use std::fmt;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use compact_str::CompactString;
use uuid::Uuid;

use super::super::problem::Problem;
use super::super::wire::{self, text};
use super::{Order, Position};
use crate::access;
use crate::engine::{Engine, StorageError, Way};
use crate::limits::Limits;
use crate::model::{Change, Commit, Principal, Revision, Serial};

/// Bytes that an answer ends with at most, its cursor among them.
const END: u64 = 256;

/// What is asked for. A change is told if all of it fits, and a commit if one of its changes does.
pub struct Filter {
    pub order: Order,
    /// The changed entity, or one at either end of the changed relation.
    pub entity: Option<Uuid>,
    pub operation: Option<CompactString>,
    /// The token or the profile.
    pub by: Option<Uuid>,
    /// Changes to what was this organization's own. `None`: all.
    pub organization: Option<Serial>,
}

/// What a cursor is bound to; what the caller may see is bound by its key.
impl fmt::Display for Filter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            order,
            entity,
            operation,
            by,
            ..
        } = self;
        write!(out, "audit {order:?} {entity:?} {operation:?} {by:?}")
    }
}

impl Filter {
    /// `by` is whom of this commit the caller may be told of.
    fn takes(&self, commit: &Commit, by: Principal) -> bool {
        let Principal { token, profile } = by;
        self.operation.as_ref().is_none_or(|name| *name == commit.operation)
            && self.by.is_none_or(|id| token == Some(id) || profile == Some(id))
    }

    fn tells(&self, change: &Change, whose: Option<Serial>) -> bool {
        self.organization.is_none_or(|organization| whose == Some(organization))
            && self.entity.is_none_or(|id| touches(change, id))
    }
}

fn touches(change: &Change, id: Uuid) -> bool {
    match change {
        Change::Entity { before, after } => before.iter().chain(after).any(|entity| entity.id == id),
        Change::Relation { before, after } => before
            .iter()
            .chain(after)
            .any(|relation| relation.from.id == id || relation.to.id == id),
    }
}

/// An answer, and where the next one goes on if this one is cut.
pub struct Page {
    pub body: Vec<u8>,
    pub next: Option<Position>,
}

/// `begun`: from wherever the log begins. `newest`: the last commit to be told.
pub fn read(
    engine: &Engine,
    filter: &Filter,
    from: Position,
    begun: bool,
    newest: Revision,
    rows: u64,
    limits: &Limits,
) -> Result<Page, Problem> {
    let mut reading = Reading {
        engine,
        filter,
        hidden: HashMap::new(),
        body: b"{\"items\":[".to_vec(),
        items: 0,
        visited: 0,
        until: Instant::now() + Duration::from_millis(limits.query_ms),
        limits,
    };
    let (mut next, mut last) = (None, from.revision.saturating_add(1));
    let mut each = |commit: &Commit| {
        let revision = commit.revision;
        last = revision;
        let asked = match filter.order {
            Order::Ascending => revision < from.end && revision <= newest,
            Order::Descending => revision > from.end,
        };
        if !asked {
            return ControlFlow::Break(());
        }
        let told = if reading.items == rows || reading.is_spent() {
            Some(0)
        } else {
            let told = if revision == from.revision { from.told } else { 0 };
            reading.commit(commit, told)
        };
        match told {
            None => ControlFlow::Continue(()),
            Some(told) => {
                next = Some(Position { revision, told, ..from });
                ControlFlow::Break(())
            }
        }
    };
    let way = match filter.order {
        Order::Ascending if begun => Way::Oldest,
        Order::Ascending => Way::After(from.revision.saturating_sub(1)),
        Order::Descending => Way::Before(from.revision.saturating_add(1)),
    };
    let walked = engine.log().and_then(|mut log| log.walk(way, &mut each));
    walked.map_err(refused)?;
    // Downwards the log ends where it was cut; asked for more than that, it must say so.
    if filter.order == Order::Descending && next.is_none() && from.end > 0 && last > from.end.saturating_add(1) {
        return Err(refused(StorageError::TooOld(from.end)));
    }
    reading.body.extend_from_slice(b"]}");
    Ok(Page {
        body: reading.body,
        next,
    })
}

struct Reading<'a> {
    engine: &'a Engine,
    filter: &'a Filter,
    /// Whether a user is out of the caller's reach, of those who were met.
    hidden: HashMap<Uuid, bool>,
    limits: &'a Limits,
    body: Vec<u8>,
    items: u64,
    /// Commits and changes looked at.
    visited: u64,
    until: Instant,
}

impl Reading<'_> {
    /// A bound was met. Never before something was looked at: each page comes further than the last.
    fn is_spent(&self) -> bool {
        self.visited > 0 && (self.visited >= self.limits.visited || self.is_full() || Instant::now() >= self.until)
    }

    fn is_full(&self) -> bool {
        self.body.len() as u64 + END > self.limits.answer_bytes
    }

    /// As with events, a bound token is not told which user out of its reach it was.
    fn hides(&mut self, profile: Uuid) -> bool {
        let Some(organization) = self.filter.organization else {
            return false;
        };
        let engine = self.engine;
        let hidden = self.hidden.entry(profile);
        *hidden.or_insert_with(|| access::hides(&engine.snapshot(), organization, profile))
    }

    /// Tells a commit, without its first `told` changes. `Some`: it is cut after so many.
    fn commit(&mut self, commit: &Commit, told: u64) -> Option<u64> {
        let Commit { changes, whose, .. } = commit;
        self.visited += 1 + changes.len() as u64;
        let by = Principal {
            profile: commit.by.profile.filter(|profile| !self.hides(*profile)),
            ..commit.by
        };
        if !self.filter.takes(commit, by) {
            return None;
        }
        let told = usize::try_from(told).unwrap_or(usize::MAX);
        let fitting = changes
            .iter()
            .zip(whose.iter())
            .enumerate()
            .skip(told)
            .filter(|(_, (change, whose))| self.filter.tells(change, *whose));
        let (mut any, mut cut) = (false, None);
        for (at, (change, _)) in fitting {
            let begun = self.body.len();
            if any || self.items > 0 {
                self.body.push(b',');
            }
            if !any {
                open(&mut self.body, commit, by);
            }
            wire::change(&mut self.body, change);
            // The first of an answer is told whatever its size, or nobody would come past it.
            if self.is_full() && (any || self.items > 0) {
                self.body.truncate(begun);
                cut = Some(at as u64);
                break;
            }
            self.items += u64::from(!any);
            any = true;
        }
        if any {
            self.body.extend_from_slice(match cut {
                // The rest comes with the next page, as an item of the same revision.
                Some(_) => b"],\"partial\":true}",
                None => b"]}",
            });
        }
        cut
    }
}

/// Up to its changes.
fn open(out: &mut Vec<u8>, commit: &Commit, by: Principal) {
    out.extend_from_slice(b"{\"revision\":");
    text::unsigned(out, commit.revision);
    out.extend_from_slice(b",\"at\":");
    text::time(out, commit.at);
    out.extend_from_slice(b",\"by\":{");
    let Principal { token, profile } = by;
    let mut comma: &[u8] = b"";
    for (name, id) in [(&b"\"tokenId\":"[..], token), (b"\"profileId\":", profile)] {
        let Some(id) = id else { continue };
        out.extend_from_slice(comma);
        out.extend_from_slice(name);
        text::uuid(out, id);
        comma = b",";
    }
    out.extend_from_slice(b"},\"operation\":");
    text::string(out, &commit.operation);
    out.extend_from_slice(b",\"requestId\":");
    text::string(out, &commit.request_id);
    out.extend_from_slice(b",\"changes\":[");
}

fn refused(error: StorageError) -> Problem {
    if let StorageError::TooOld(revision) = error {
        return Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "logForgotten",
            format!("the log no longer reaches back to revision {revision}"),
        )
        .parameter("after")
        .help("leave `after` out to begin where the log does");
    }
    tracing::error!(%error, "the log cannot be read");
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "logUnavailable",
        "the log cannot be read",
    )
    .help("the server's log says why, and `seatgraph verify` more")
}
