//! What a check leaves behind: a count, and where `events.checks` is on an event. A check never waits for its event: it lies here until a
//! write of the server's own takes all that lie here along, in the next batch.

use std::convert::Infallible;
use std::sync::Arc;

use compact_str::CompactString;
use parking_lot::Mutex;

use super::{Context, State};
use crate::engine::{Engine, Reply, Write, WriteError};
use crate::entitlement::decision::{Decision, Wanted};
use crate::graph::{Graph, Transaction};
use crate::model::{Event, Time, Value};
use crate::operation::consume::{self, Consumer};

/// As the log names the commits that are made of them.
const OPERATION: &str = "Check";

#[derive(Default)]
pub struct Waiting {
    shared: Arc<Mutex<Lying>>,
}

#[derive(Default)]
struct Lying {
    events: Vec<Event>,
    /// A write that will take them is in the queue.
    is_asked_for: bool,
}

impl Waiting {
    /// Events that found no room, which nobody will hear of: a server that is asked more than it can store must not fill its memory.
    fn tell(&self, engine: &Engine, mut events: Vec<Event>, most: u64) -> u64 {
        let mut lying = self.shared.lock();
        let room = usize::try_from(most)
            .unwrap_or(usize::MAX)
            .saturating_sub(lying.events.len());
        let lost = events.len().saturating_sub(room);
        events.truncate(room);
        lying.events.append(&mut events);
        self.ask(engine, &mut lying);
        lost as u64
    }

    /// For what a full queue kept from being asked for, and no later check asked for.
    pub fn ask_again(&self, engine: &Engine) {
        self.ask(engine, &mut self.shared.lock());
    }

    fn ask(&self, engine: &Engine, lying: &mut Lying) {
        if lying.is_asked_for || lying.events.is_empty() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let run = move |tx: &mut Transaction<'_>| -> Result<Reply, Infallible> {
            let mut lying = shared.lock();
            lying.is_asked_for = false;
            std::mem::take(&mut lying.events)
                .into_iter()
                .for_each(|event| tx.tell(event));
            Ok(Reply::empty())
        };
        let write = Write {
            operation: OPERATION.into(),
            ..Write::default()
        };
        let posted: Result<(), WriteError<Infallible>> = engine.post(write, run);
        lying.is_asked_for = posted.is_ok();
    }
}

/// The checks of one request, as they are decided.
pub struct Noted {
    granted: u64,
    refused: u64,
    /// `None`: nobody wants to hear of checks.
    told: Option<Told>,
}

struct Told {
    request_id: CompactString,
    at: Time,
    events: Vec<Event>,
}

impl Noted {
    pub fn new(context: &Context, at: Time) -> Self {
        let told = context.state.options.check_events.then(|| Told {
            request_id: context.request_id.clone(),
            at,
            events: Vec::new(),
        });
        Self {
            granted: 0,
            refused: 0,
            told,
        }
    }

    pub fn decided(&mut self, graph: &Graph, consumer: &Consumer, item: &str, wanted: &Wanted<'_>, decided: &Decision) {
        match decided {
            Decision::Granted(_) => self.granted += 1,
            Decision::Refused(_) => self.refused += 1,
        }
        if let Some(told) = &mut self.told {
            let mut event = consume::checked(graph, consumer, item, wanted, decided);
            // Of the check, not of the commit that takes it along.
            event
                .facts
                .push(("requestId".into(), Value::text(&told.request_id).into()));
            event.facts.push(("eventTime".into(), Value::Time(told.at).into()));
            told.events.push(event);
        }
    }

    /// One that could not be decided, which is a refusal in its place.
    pub fn undecided(&mut self) {
        self.refused += 1;
    }

    pub fn leave(self, state: &State) {
        state.metrics.count_checks(self.granted, self.refused);
        if let Some(told) = self.told {
            let lost = state
                .checked
                .tell(&state.engine, told.events, state.options.limits.check_events);
            state.metrics.check_events_lost.inc_by(lost);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::sync::mpsc;

    use uuid::Uuid;

    use super::*;
    use crate::engine::{Options, Way};
    use crate::model::Clock;
    use crate::storage::Memory;

    fn event(name: &str) -> Event {
        Event {
            name: name.into(),
            object_type: "License".into(),
            object: Uuid::nil(),
            whose: None,
            facts: Vec::new(),
        }
    }

    fn events(names: &[&str]) -> Vec<Event> {
        names.iter().map(|name| event(name)).collect()
    }

    /// The names of the events of each commit.
    fn told(engine: &Engine) -> Vec<Vec<String>> {
        let nothing = |_: &mut Transaction<'_>| Ok::<_, Infallible>(Reply::empty());
        // Behind all others; a short queue may be full for a moment.
        while engine.write_blocking(Write::default(), nothing).is_err() {
            std::thread::yield_now();
        }
        let mut found = Vec::new();
        let mut log = engine.log().expect("a log");
        log.walk(Way::Oldest, &mut |commit| {
            assert_eq!((&*commit.operation, commit.changes.len()), (OPERATION, 0));
            found.push(commit.events.iter().map(|event| event.name.to_string()).collect());
            ControlFlow::Continue(())
        })
        .expect("it reads");
        found
    }

    /// An engine whose committer is busy until the sender says a word.
    fn busy(queue: usize) -> (Engine, mpsc::Sender<()>) {
        let options = Options {
            queue,
            ..Options::default()
        };
        let clock = Arc::new(Clock::frozen(Time(0)));
        let engine = Engine::open(Box::new(Memory::new()), clock, options, |_| ()).expect("an empty store");
        let (go, waits) = mpsc::channel::<()>();
        let (begun, has_begun) = mpsc::channel();
        let run = move |_: &mut Transaction<'_>| {
            begun.send(()).expect("somebody waits");
            waits.recv().expect("a word");
            Ok::<_, Infallible>(Reply::empty())
        };
        engine.post(Write::default(), run).expect("it is taken");
        has_begun.recv().expect("it runs");
        (engine, go)
    }

    #[test]
    fn what_lies_here_is_taken_along_at_once() {
        let (engine, go) = busy(10);
        let waiting = Waiting::default();
        assert_eq!(waiting.tell(&engine, events(&["a", "b"]), 10), 0);
        assert_eq!(waiting.tell(&engine, events(&[]), 10), 0);
        assert_eq!(waiting.tell(&engine, events(&["c"]), 10), 0);
        assert_eq!(engine.health().queue, 1);
        go.send(()).expect("it waits");
        assert_eq!(told(&engine), [["a", "b", "c"]]);
        waiting.tell(&engine, events(&["d"]), 10);
        assert_eq!(told(&engine).last().expect("another commit"), &["d"]);
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let (engine, go) = busy(10);
        let waiting = Waiting::default();
        assert_eq!(waiting.tell(&engine, events(&["a", "b", "c"]), 2), 1);
        assert_eq!(waiting.tell(&engine, events(&["d"]), 2), 1);
        go.send(()).expect("it waits");
        assert_eq!(told(&engine), [["a", "b"]]);
        assert_eq!(waiting.tell(&engine, events(&["e"]), 2), 0);
        assert_eq!(told(&engine).len(), 2);
    }

    #[test]
    fn a_full_queue_is_asked_again() {
        let (engine, go) = busy(1);
        let waiting = Waiting::default();
        let nothing = |_: &mut Transaction<'_>| Ok::<_, Infallible>(Reply::empty());
        engine.post(Write::default(), nothing).expect("it is taken");
        assert_eq!(waiting.tell(&engine, events(&["a"]), 10), 0);
        go.send(()).expect("it waits");
        assert!(told(&engine).is_empty());
        assert_eq!(waiting.tell(&engine, events(&["b"]), 10), 0);
        assert_eq!(told(&engine), [["a", "b"]]);
    }

    #[test]
    fn what_no_later_check_asks_for_is_asked_for_by_the_server() {
        let (engine, go) = busy(1);
        let waiting = Waiting::default();
        let nothing = |_: &mut Transaction<'_>| Ok::<_, Infallible>(Reply::empty());
        engine.post(Write::default(), nothing).expect("it is taken");
        assert_eq!(waiting.tell(&engine, events(&["a"]), 10), 0);
        go.send(()).expect("it waits");
        assert!(told(&engine).is_empty());
        waiting.ask_again(&engine);
        assert_eq!(told(&engine), [["a"]]);
        waiting.ask_again(&engine);
        assert_eq!(told(&engine).len(), 1);
    }
}
