//! Seats decided, made durable and published by threads that get into each other's way as far as `sync` lets them: by the machine's
//! own here, and by chosen ones where this file is read again (`explored`). What is asserted holds in every order.
//!
//! INVARIANT: nothing is published or answered that is not durable, no seat is sold twice, and whoever waits is woken (`make mutants`).

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use super::publish::Copies;
use super::sync::{exhaust, explore, thread};
use super::*;
use crate::entitlement::consume::{self, Outcome};
use crate::entitlement::decision::Wanted;
use crate::entitlement::tests::{changes, id};
use crate::graph::Graph;
use crate::model::schema::place;
use crate::model::{Commit, Kind, Value, rel};
use crate::storage::{Head, Memory};

/// Of the license that is raced for, in a world where three ask.
const SEATS: usize = 2;
const MINUTE: &str = "LeaseTimeBehavior times leaseTimeCache=60000 < model";

/// A store that lets others go on before and after it does something, and may fail. How far it came is what is durable.
struct Slow {
    memory: Memory,
    durable: Arc<AtomicU64>,
    /// The revision it does not store, nor any after it.
    fails_at: Revision,
}

impl Storage for Slow {
    fn load(
        &mut self,
        replays_since: Time,
        each: &mut dyn FnMut(Loaded) -> Result<(), StorageError>,
    ) -> Result<Head, StorageError> {
        self.memory.load(replays_since, each)
    }

    fn begin(&mut self) -> Result<Head, StorageError> {
        thread::yield_now();
        self.memory.begin()
    }

    fn since(&mut self, after: Revision, at_most: usize) -> Result<Vec<Commit>, StorageError> {
        Storage::since(&mut self.memory, after, at_most)
    }

    fn commit(&mut self, commits: &[Commit]) -> Result<(), StorageError> {
        thread::yield_now();
        if commits.iter().any(|commit| commit.revision >= self.fails_at) {
            return Err(StorageError::Io("the disk is gone".to_owned()));
        }
        self.memory.commit(commits)?;
        let last = commits.last().map_or(0, |commit| commit.revision);
        self.durable.fetch_max(last, Ordering::SeqCst);
        thread::yield_now();
        Ok(())
    }

    fn abandon(&mut self) {
        self.memory.abandon();
    }

    fn logs(&self) -> Logs {
        self.memory.logs()
    }
}

fn first(changes: &[Change]) -> Commit {
    Commit {
        revision: 1,
        at: Time(0),
        by: Principal::default(),
        operation: "Import".into(),
        request_id: CompactString::default(),
        changes: changes.to_vec(),
        whose: Whose::default(),
        events: Vec::new(),
        replay: None,
    }
}

#[derive(Clone)]
struct World {
    engine: Engine,
    clock: Arc<Clock>,
    durable: Arc<AtomicU64>,
}

impl World {
    fn new(changes: &[Change], options: Options, fails_at: Revision) -> Self {
        let mut memory = Memory::new();
        memory.begin().expect("an empty store");
        memory.commit(&[first(changes)]).expect("a first commit");
        let durable = Arc::new(AtomicU64::new(1));
        let storage = Slow {
            memory,
            durable: durable.clone(),
            fails_at,
        };
        let clock = Arc::new(Clock::frozen(Time(0)));
        let engine = Engine::open(Box::new(storage), clock.clone(), options, |_| ()).expect("a store that opens");
        Self { engine, clock, durable }
    }

    fn durable(&self) -> Revision {
        self.durable.load(Ordering::SeqCst)
    }

    fn write(
        &self,
        run: impl FnOnce(&mut Transaction<'_>) -> Result<Vec<u8>, Violation> + Send + 'static,
    ) -> Result<Written, WriteError<Violation>> {
        let written = self.engine.write_blocking(Write::default(), |tx| {
            let body = run(tx)?;
            Ok(Reply {
                status: 200,
                body: body.into(),
            })
        });
        if let Ok(written) = &written {
            let durable = self.durable();
            assert!(
                written.revision <= durable,
                "revision {} was answered and is not durable: {durable} is",
                written.revision
            );
            let seen = self.engine.revision();
            assert!(written.revision <= seen, "what was answered is not seen: {seen} is");
        }
        written
    }

    /// The lease, if there was a seat.
    fn consume(&self, who: &'static str) -> Result<Option<Uuid>, WriteError<Violation>> {
        let written = self.write(move |tx| {
            Ok(match consume::consume(tx, id(who), "editor", &Wanted::default())? {
                Outcome::Consumed(lease) | Outcome::Renewed(lease) => lease.id.as_bytes().to_vec(),
                Outcome::Refused(_) => Vec::new(),
            })
        })?;
        Ok(Uuid::from_slice(&written.reply.body).ok())
    }

    fn release(&self, who: &'static str, lease: Uuid) {
        let released = self.write(move |tx| {
            // It may have ended.
            let _ = consume::release(tx, Some(id(who)), lease);
            Ok(Vec::new())
        });
        released.expect("a release");
    }

    /// What a reader may see at any instant.
    fn look(&self, last: &mut Revision) {
        let graph = self.engine.snapshot();
        let (revision, durable) = (graph.revision(), self.durable());
        assert!(
            revision <= durable,
            "revision {revision} is published and is not durable: {durable} is"
        );
        assert!(revision >= *last, "revision {revision} is published after {last}");
        *last = revision;
        let held = holders(&graph, self.clock.now());
        assert!(held <= SEATS, "{held} seats are held at once, and there are {SEATS}");
        thread::yield_now();
        graph.check().expect("sound counters");
    }

    /// What happened, from the log alone; and that it is what is published.
    fn judge(&self) -> usize {
        let (mut graph, mut most) = (Graph::new(), 0);
        let mut log = self.engine.log().expect("a log");
        log.walk(Way::Oldest, &mut |commit| {
            publish::play(&mut graph, commit).expect("a log that plays");
            let held = holders(&graph, commit.at);
            assert!(held <= SEATS, "{held} seats are held at once, and there are {SEATS}");
            most = most.max(held);
            ControlFlow::Continue(())
        })
        .expect("a log to walk");
        let published = self.engine.snapshot();
        assert_eq!(published.revision(), graph.revision());
        assert_eq!(
            leases(&published),
            leases(&graph),
            "what is published is not what is durable"
        );
        most
    }
}

fn leases(graph: &Graph) -> Vec<(Uuid, Value)> {
    let until = place(Kind::Consumption, "grantedUntil");
    let of = |lease: crate::graph::Node<'_>| Some((lease.id, lease.fields().get(until)?.clone()));
    graph.of_kind(Kind::Consumption, None).filter_map(of).collect()
}

/// Whoever has a lease that has not ended; counted one by one, beside the counters that decide.
fn holders(graph: &Graph, now: Time) -> usize {
    let until = place(Kind::Consumption, "grantedUntil");
    let live = graph
        .of_kind(Kind::Consumption, None)
        .filter(|lease| lease.fields().get(until).and_then(Value::as_time) > Some(now));
    let assignments = live.filter_map(|lease| lease.parent(rel::LEASES));
    assignments
        .map(|assignment| assignment.id)
        .collect::<BTreeSet<_>>()
        .len()
}

#[test]
fn no_order_sells_a_seat_twice_or_shows_what_may_be_lost() {
    let changes = changes(MINUTE);
    explore(move || {
        let world = World::new(&changes, Options::default(), Revision::MAX);
        let clients = ["ann", "bob", "cid"].map(|who| {
            let world = world.clone();
            thread::spawn(move || {
                let lease = world.consume(who).expect("an answer");
                if let Some(lease) = lease {
                    world.release(who, lease);
                }
                world.consume(who).expect("an answer").is_some()
            })
        });
        let reader = world.clone();
        let reader = thread::spawn(move || {
            let mut last = 0;
            (0..3).for_each(|_| reader.look(&mut last));
        });
        // Time goes on meanwhile, and leases that have ended are tidied away.
        world.clock.set(Time(60_000));
        world
            .write(|tx| consume::expire(tx, 1).map(|_| Vec::new()))
            .expect("a tidying");
        let granted = clients.map(|client| client.join().expect("a client"));
        reader.join().expect("a reader");
        world.look(&mut 0);
        assert!(granted.iter().any(|granted| *granted), "nobody has a seat");
        assert!(world.judge() <= SEATS);
    });
}

#[test]
fn in_every_order_as_many_as_there_are_seats_get_one() {
    let changes = changes("");
    explore(move || {
        let world = World::new(&changes, Options::default(), Revision::MAX);
        let clients = ["ann", "bob", "cid"].map(|who| {
            let world = world.clone();
            thread::spawn(move || world.consume(who).expect("an answer").is_some())
        });
        let granted = clients.map(|client| client.join().expect("a client"));
        assert_eq!(granted.iter().filter(|granted| **granted).count(), SEATS);
        assert_eq!(world.judge(), SEATS);
    });
}

#[test]
fn a_store_that_fails_among_them_shows_nothing_and_leaves_nobody_waiting() {
    let changes = changes("");
    for fails_at in 2..=3 {
        let changes = changes.clone();
        explore(move || {
            let options = Options {
                batch: 2,
                ..Options::default()
            };
            let world = World::new(&changes, options, fails_at);
            let clients = ["ann", "bob"].map(|who| {
                let world = world.clone();
                thread::spawn(move || match world.consume(who) {
                    Ok(_) => world.consume(who).is_ok(),
                    Err(WriteError::Unavailable(_)) => false,
                    Err(other) => panic!("{other}"),
                })
            });
            world.look(&mut 0);
            let answered = clients.map(|client| client.join().expect("a client"));
            assert!(
                !answered.iter().all(|answered| *answered),
                "a store that failed went on"
            );
            assert_eq!(world.engine.revision(), world.durable());
            world.look(&mut 0);
            world.judge();
        });
    }
}

#[test]
fn who_writes_while_it_closes_is_answered() {
    let changes = changes("");
    explore(move || {
        let options = Options {
            queue: 1,
            ..Options::default()
        };
        let world = World::new(&changes, options, Revision::MAX);
        let clients = ["ann", "bob"].map(|who| {
            let world = world.clone();
            thread::spawn(move || match world.consume(who) {
                Ok(granted) => usize::from(granted.is_some()),
                Err(WriteError::Stopped | WriteError::Full) => 0,
                Err(other) => panic!("{other}"),
            })
        });
        world.engine.close();
        let granted: usize = clients.into_iter().map(|client| client.join().expect("a client")).sum();
        assert_eq!(world.engine.revision(), 1 + granted as u64);
        world.judge();
    });
}

/// One writer and two readers at the two copies, and nothing else: every order there is.
#[test]
fn the_copies_are_never_shared_with_who_writes_them() {
    let changes = changes("");
    exhaust(move || {
        let mut graph = Graph::new();
        publish::play(&mut graph, &first(&changes)).expect("a world");
        let shared = Arc::new(Shared {
            queue: Queue::new(1),
            published: Published::new(graph),
            clock: Arc::new(Clock::frozen(Time(0))),
            fault: OnceLock::new(),
            counters: Counters::default(),
        });
        let readers = [(); 2].map(|()| {
            let shared = shared.clone();
            thread::spawn(move || {
                let graph = shared.published.snapshot();
                // Each revision after the first adds one lease.
                assert_eq!(leases(&graph).len() as u64, graph.revision() - 1);
            })
        });
        let mut copies = Copies::new(shared.clone(), Duration::ZERO);
        for (revision, who) in [(2, "ann"), (3, "bob")] {
            let graph = copies.working().expect("a working copy");
            assert_eq!(graph.revision(), revision - 1, "it decides on a copy that is behind");
            let mut tx = Transaction::new(graph, revision, Time(0), &shared.clock);
            consume::consume(&mut tx, id(who), "editor", &Wanted::default()).expect("a lease");
            let changes = tx.finish().expect("a sound write");
            graph.set_revision(revision);
            let mut commits = vec![Commit {
                revision,
                ..first(&changes)
            }];
            copies.publish(&mut commits);
            copies.catch_up().expect("a sound copy");
        }
        for reader in readers {
            reader.join().expect("a reader");
        }
        assert_eq!(leases(&shared.published.snapshot()).len(), 2);
    });
}
