//! `GET /event/get/…`: events for readers that pull (`licensing.md` 5.2). A page is an array whose first and last elements say where older
//! and newer events are; a reader goes on by the `after` of the last until there are none between.
//!
//! Places are nanoseconds, as readers expect. Nothing here happens so fast: the last six digits count the events of a millisecond, so that
//! every event has a place of its own and a page can end between any two.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use uuid::Uuid;

use super::{Audience, SERVER, envelope, horizon, unreadable};
use crate::engine::{Engine, Log, StorageError, Way, first_at};
use crate::event;
use crate::graph::Graph;
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::http::wire::text;
use crate::http::write::beside;
use crate::http::{Context, GRAPH_REVISION, auth};
use crate::limits::Limits;
use crate::model::{Commit, Event, Kind, Revision, Time};

/// Places in a millisecond. What comes after so many in one has the place of the last.
const PLACES: u64 = 1_000_000;

/// Bytes of the first and the last element of a page, at most, where the server's name is of a usual length.
const ENDS: u64 = 1024;

type Place = u64;

fn place(at: Time, ordinal: u64) -> Place {
    (at.millis().max(0) as u64)
        .saturating_mul(PLACES)
        .saturating_add(ordinal.min(PLACES - 1))
}

/// What a reader asks for.
struct Asked {
    audience: Audience,
    /// Those about one thing.
    object: Option<(Kind, Uuid)>,
    after: Option<Place>,
    before: Option<Place>,
    /// The last ones before `before`, and not the first after `after`.
    newest: bool,
    most: usize,
}

impl Asked {
    fn takes(&self, event: &Event) -> bool {
        let is_it = |(kind, id): (Kind, Uuid)| event.object == id && event.object_type == kind.name();
        self.audience.hears(event) && self.object.is_none_or(is_it)
    }

    fn is_within(&self, place: Place) -> bool {
        self.after.is_none_or(|after| place > after) && self.before.is_none_or(|before| place < before)
    }
}

pub async fn get(context: &Context) -> Result<HttpResponse, Problem> {
    let (graph, who) = auth::enter(context).await?;
    let audience = Audience::of(&who, &graph)?;
    let path = context.request.path();
    let (audience, object) = source(path, audience, &graph)?;
    let parameters = context.parameters(&["after", "before", "maxEventCount", "newest"])?;
    let limits = *context.limits();
    let (after, before) = (of_time(&parameters, "after")?, of_time(&parameters, "before")?);
    let asked = Asked {
        audience,
        object,
        newest: parameters.flag("newest", false)? || (before.is_some() && after.is_none()),
        after,
        before,
        most: most(&parameters, &limits)?,
    };
    drop(graph);
    let turn = context.state.audits.take(limits.wait_ms()).await?;
    let engine = context.state.engine.clone();
    let page = beside(move || {
        let _turn = turn;
        let read = || {
            let mut log = engine.log()?;
            let mut page = Page::new(&asked, &engine, &limits);
            page.read(&mut *log, horizon(engine.now()))?;
            Ok(page.finish())
        };
        read().map_err(|error: StorageError| unreadable(&error))
    })
    .await?;
    let host: &str = context.state.signer().issuer();
    let url = format!("{}{path}", host.split_once("://").map_or(host, |(_, host)| host));
    Ok(HttpResponse::Ok()
        .insert_header((GRAPH_REVISION, page.revision))
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(page.written(&url, parameters.text("maxEventCount"))))
}

/// `/event/get/seatgraph`, `/event/get/ORGANIZATION` or `/event/get/TYPE/ID`.
fn source(path: &str, audience: Audience, graph: &Graph) -> Result<(Audience, Option<(Kind, Uuid)>), Problem> {
    let rest = path.strip_prefix("/event/get/").unwrap_or_default();
    let unknown = || {
        Problem::new(
            StatusCode::NOT_FOUND,
            "unknownEventSource",
            format!("`{rest}` is no source of events"),
        )
        .help("it is `seatgraph`, the id of an organization, or the type and the id of an object: `License/ID`")
    };
    if let Some((name, id)) = rest.split_once('/') {
        let kind = Kind::named(name)
            .filter(|kind| !kind.def().internal)
            .ok_or_else(unknown)?;
        let id = Uuid::try_parse(id).map_err(|_| unknown())?;
        return Ok((audience, Some((kind, id))));
    }
    if rest == SERVER {
        return Ok((audience, None));
    }
    let organization = Uuid::try_parse(rest)
        .ok()
        .and_then(|id| event::source::serial_of(graph, id));
    let own = Audience::Of(organization.ok_or_else(unknown)?);
    match audience == Audience::All || audience == own {
        true => Ok((own, None)),
        false => Err(unknown()),
    }
}

/// Nanoseconds as a decimal text.
fn of_time(parameters: &Parameters, name: &str) -> Result<Option<Place>, Problem> {
    let Some(text) = parameters.text(name) else {
        return Ok(None);
    };
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        return Err(Problem::bad_request("badParameter", format!("`{name}` is `{text}`"))
            .parameter(name)
            .help("it is a time in nanoseconds since 1970, or what an instruction of a page says"));
    }
    // A time that is beyond all others is that.
    Ok(Some(text.parse().unwrap_or(Place::MAX)))
}

fn most(parameters: &Parameters, limits: &Limits) -> Result<usize, Problem> {
    let most = parameters
        .number("maxEventCount")?
        .unwrap_or(limits.page.min(limits.page_max));
    if most == 0 || most > limits.page_max {
        let problem = Problem::bad_request("badParameter", format!("`maxEventCount` is {most}"));
        return Err(problem
            .parameter("maxEventCount")
            .limit(limits.page_max())
            .help(format!("ask for 1 to {}", limits.page_max)));
    }
    Ok(most as usize)
}

struct Page<'a> {
    asked: &'a Asked,
    /// Each commit is told by a graph of its own: the log is not read with one in hand.
    engine: &'a Engine,
    /// The last revision that was published when this began.
    newest: Revision,
    limits: &'a Limits,
    until: Instant,
    visited: u64,
    bytes: u64,
    found: Vec<(Place, Vec<u8>)>,
    /// The last place that was looked at.
    seen: Option<Place>,
    /// Before the millisecond at which a way back began.
    began: Option<Place>,
    /// Commits of one millisecond, when the way leads backwards.
    together: Vec<Commit>,
}

/// A page that was read.
struct Done {
    events: Vec<(Place, Vec<u8>)>,
    older: Place,
    newer: Place,
    /// The last that was looked for.
    revision: Revision,
}

impl<'a> Page<'a> {
    fn new(asked: &'a Asked, engine: &'a Engine, limits: &'a Limits) -> Self {
        Self {
            asked,
            engine,
            newest: engine.snapshot().revision(),
            limits,
            until: Instant::now() + Duration::from_millis(limits.query_ms),
            visited: 0,
            bytes: 0,
            found: Vec::new(),
            seen: None,
            began: None,
            together: Vec::new(),
        }
    }

    fn read(&mut self, log: &mut dyn Log, horizon: Time) -> Result<(), StorageError> {
        let at = |place: Place| Time((place / PLACES).min(i64::MAX as u64) as i64);
        if self.asked.newest {
            let end = match self.asked.before {
                // The millisecond of the last place that may be told is looked at.
                Some(before) => first_at(log, Time(at(before.saturating_sub(1)).millis().saturating_add(1)))?,
                None => Revision::MAX,
            };
            log.walk(
                Way::Before(end.min(self.newest.saturating_add(1))),
                &mut |commit: &Commit| {
                    let goes_on = self.together.last().is_some_and(|other| other.at == commit.at);
                    // A millisecond is looked at as a whole: only then its events can be counted.
                    if !goes_on {
                        let end = self.asked.after.map_or(horizon, at).max(horizon);
                        if self.backwards().is_break() || commit.at < end {
                            return ControlFlow::Break(());
                        }
                        self.comes_down_to(commit.at);
                        if self.is_spent() {
                            return ControlFlow::Break(());
                        }
                    }
                    self.visited += 1 + commit.changes.len() as u64;
                    self.together.push(commit.clone());
                    ControlFlow::Continue(())
                },
            )?;
            let _ = self.backwards();
            self.found.reverse();
            return Ok(());
        }
        // From the first of its millisecond on, so that the events of that can be counted.
        let from = first_at(log, self.asked.after.map_or(horizon, at).max(horizon))?;
        let (mut now, mut ordinal) = (Time(i64::MIN), 0);
        log.walk(Way::After(from.saturating_sub(1)), &mut |commit: &Commit| {
            let is_beyond = |before: Place| place(commit.at, 0) >= before;
            if commit.revision > self.newest || self.asked.before.is_some_and(is_beyond) || self.is_spent() {
                return ControlFlow::Break(());
            }
            self.visited += 1 + commit.changes.len() as u64;
            if commit.at != now {
                (now, ordinal) = (commit.at, 0);
                // All before this millisecond was looked at, though there may have been nothing.
                let before = Some(place(now, 0).saturating_sub(1)).filter(|before| self.asked.is_within(*before));
                if !self.is_full() {
                    self.seen = self.seen.max(before);
                }
            }
            let graph = self.engine.snapshot();
            for (index, event) in event::told(commit, &graph).enumerate() {
                let place = place(commit.at, ordinal);
                ordinal += 1;
                if self.look(place, commit, index, &event, &graph).is_break() {
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })
    }

    /// All after this millisecond was looked at, though there may have been nothing.
    fn comes_down_to(&mut self, at: Time) {
        if self.is_full() {
            return;
        }
        let first = place(at, 0);
        self.began.get_or_insert(first.saturating_sub(1));
        let next = first.saturating_add(PLACES);
        let bound = self.seen.or(self.asked.before).unwrap_or(Place::MAX);
        let least = self.asked.after.map_or(0, |after| after.saturating_add(1));
        self.seen = Some(next.min(bound).max(least));
    }

    /// The commits of one millisecond, the youngest first, are told from their end.
    fn backwards(&mut self) -> ControlFlow<()> {
        let together = std::mem::take(&mut self.together);
        let mut ordinal: u64 = together.iter().map(|commit| event::count(commit) as u64).sum();
        for commit in &together {
            let graph = self.engine.snapshot();
            let events: Vec<_> = event::told(commit, &graph).enumerate().collect();
            for (index, event) in events.into_iter().rev() {
                ordinal -= 1;
                if self
                    .look(place(commit.at, ordinal), commit, index, &event, &graph)
                    .is_break()
                {
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn look(&mut self, place: Place, commit: &Commit, index: usize, event: &Event, graph: &Graph) -> ControlFlow<()> {
        if self.is_full() {
            return ControlFlow::Break(());
        }
        if !self.asked.is_within(place) {
            return ControlFlow::Continue(());
        }
        if self.asked.takes(event) {
            let mut body = Vec::with_capacity(512);
            envelope::write(&mut body, commit, index, event, graph, self.asked.audience);
            self.bytes += body.len() as u64 + 1;
            if self.is_filled() {
                return ControlFlow::Break(());
            }
            self.found.push((place, body));
        }
        self.seen = Some(place);
        ControlFlow::Continue(())
    }

    /// The first of a page is told whatever its size, or nobody would come past it.
    fn is_filled(&self) -> bool {
        !self.found.is_empty() && self.bytes + ENDS > self.limits.answer_bytes
    }

    /// No more events fit.
    fn is_full(&self) -> bool {
        self.found.len() == self.asked.most || self.is_filled()
    }

    /// A bound was met. Never before something was looked at that the last page did not come to: each page comes further.
    fn is_spent(&self) -> bool {
        let has_come_further = match self.asked.newest {
            true => self.visited > 0,
            false => self.seen.is_some(),
        };
        has_come_further && (self.visited >= self.limits.visited || Instant::now() >= self.until)
    }

    fn finish(self) -> Done {
        let Asked {
            after, before, newest, ..
        } = *self.asked;
        let seen = self.seen;
        let ends = self
            .found
            .first()
            .zip(self.found.last())
            .map(|(first, last)| (first.0, last.0));
        // Where nothing was found a reader comes back to where it was, or to how far the search came.
        let (older, newer) = match (ends, newest) {
            (Some((first, last)), false) => (first, seen.unwrap_or(last)),
            (Some((first, last)), true) => (seen.unwrap_or(first), last),
            (None, false) => (
                after.map_or(0, |after| after.saturating_add(1)),
                seen.or(after).unwrap_or(0),
            ),
            (None, true) => (
                seen.or(before)
                    .or(after.map(|after| after.saturating_add(1)))
                    .unwrap_or(0),
                match before {
                    Some(before) => before.saturating_sub(1),
                    None => self.began.max(after).unwrap_or(0),
                },
            ),
        };
        Done {
            events: self.found,
            older,
            newer,
            revision: self.newest,
        }
    }
}

impl Done {
    fn written(&self, url: &str, most: Option<&str>) -> Vec<u8> {
        let mut out = b"[".to_vec();
        let most = most.map_or_else(String::new, |most| format!("&maxEventCount={most}"));
        let instruction = |out: &mut Vec<u8>, name: &str, which: &str, place: Place| {
            out.extend_from_slice(format!("{{\"instruction\":\"{name}\",\"url\":").as_bytes());
            text::string(out, &format!("{url}?{which}={place}{most}"));
            out.extend_from_slice(format!(",\"count\":{}}}", self.events.len()).as_bytes());
        };
        instruction(&mut out, "older", "before", self.older);
        for (_, event) in &self.events {
            out.push(b',');
            out.extend_from_slice(event);
        }
        out.push(b',');
        instruction(&mut out, "newer", "after", self.newer);
        out.push(b']');
        out
    }
}
