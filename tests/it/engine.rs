//! The engine's promises one by one, where `histories` would only meet them by chance: what waits, what fails, what is repeated,
//! who lingers, who goes away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use seatgraph::engine::{Engine, Idempotency, NotYet, Options, Phase, Reply, Write, WriteError, Written};
use seatgraph::graph::{Kept, Transaction};
use seatgraph::model::{Clock, Kind, Time, Value};
use seatgraph::storage::{Failing, Fault, Faults, Memory, Storage};
use uuid::Uuid;

use crate::support::acts::{Act, No, name, perform};
use crate::support::calls::{Answer, Started, finish, runtime, start};
use crate::support::gate::{Gate, Gated};

struct World {
    store: Memory,
    clock: Arc<Clock>,
    engine: Engine,
    gate: Gate,
    faults: Faults,
}

fn world(options: Options) -> World {
    on(Memory::new(), Arc::new(Clock::frozen(Time(1_700_000_000_000))), options)
}

fn on(store: Memory, clock: Arc<Clock>, options: Options) -> World {
    let gate = Gate::default();
    let (storage, faults) = Failing::new(store.another());
    let engine = Engine::open(Box::new(Gated::new(storage, &gate)), clock.clone(), options, |_| ()).unwrap();
    World {
        store,
        clock,
        engine,
        gate,
        faults,
    }
}

impl World {
    /// A new start on the same store, with the same clock.
    fn again(&self) -> World {
        self.engine.close();
        on(self.store.another(), self.clock.clone(), Options::default())
    }

    fn act(&self, act: Act) -> Answer {
        self.engine
            .write_blocking(Write::default(), move |transaction| perform(&act, transaction))
    }

    fn keyed(&self, key: &Idempotency) -> Answer {
        self.engine.write_blocking(with_key(key), move |transaction| {
            perform(&Act::CreateOrganization(1), transaction)
        })
    }

    /// Starts writes the committer finds waiting together: one that does nothing holds it at the gate meanwhile.
    fn start(&self, writes: impl IntoIterator<Item = (Write, Act)>) -> Vec<Started> {
        self.gate.shut();
        let plug = start(&self.engine, Write::default(), Act::Nothing);
        self.gate.arrived();
        let writes = writes.into_iter().map(|(write, act)| start(&self.engine, write, act));
        [plug].into_iter().chain(writes).collect()
    }

    /// Lets the committer go on; the answers but the first, which was nobody's.
    fn finish(&self, started: Vec<Started>) -> Vec<Answer> {
        self.gate.open();
        let mut answers: Vec<_> = started.into_iter().map(finish).collect();
        assert!(answers.remove(0).is_ok());
        answers
    }

    /// What the committer's time went to.
    fn spent(&self, phase: Phase) -> Duration {
        let (of, spent) = self.engine.health().spent[phase as usize];
        assert_eq!(of, phase);
        spent
    }

    fn organizations(&self) -> usize {
        self.engine.snapshot().kind_count(Kind::Organization)
    }

    fn log(&self) -> usize {
        self.store.another().since(0, usize::MAX).unwrap().len()
    }

    /// Waits for what comes by itself.
    fn until(&self, what: &str, holds: impl Fn(&World) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            assert!(start.elapsed() < Duration::from_secs(30), "{what}");
            thread::yield_now();
        }
    }
}

fn plain(act: Act) -> (Write, Act) {
    (Write::default(), act)
}

fn key(scope: &str, key: &str, fingerprint: u8) -> Idempotency {
    Idempotency {
        scope: scope.into(),
        key: key.into(),
        fingerprint: [fingerprint; 32],
        of_several: false,
    }
}

fn with_key(key: &Idempotency) -> Write {
    Write {
        idempotency: Some(key.clone()),
        ..Write::default()
    }
}

#[test]
fn a_full_queue_turns_away_and_loses_nothing() {
    let world = world(Options {
        queue: 4,
        ..Options::default()
    });
    let mut started = world.start((1..=5).map(Act::CreateOrganization).map(plain));
    let turned_away = started
        .pop()
        .map(|last| matches!(last, Started::Done(Err(WriteError::Full))));
    assert_eq!(turned_away, Some(true));
    assert_eq!((world.engine.health().queue, world.engine.health().full), (4, 1));
    assert!(world.finish(started).iter().all(Result::is_ok));
    assert_eq!((world.organizations(), world.log()), (4, 4));
    assert_eq!(
        world.faults.commits(),
        1,
        "what waits together is one transaction of the store"
    );
    assert!(world.act(Act::CreateOrganization(6)).is_ok());
}

#[test]
fn a_dry_run_keeps_nobody_waiting_who_came_before_it() {
    let world = world(Options::default());
    let dry = Write {
        dry_run: true,
        ..Write::default()
    };
    let [first, second, third] = [1, 3, 4].map(|number| plain(Act::CreateOrganization(number)));
    let started = world.start([first, (dry, Act::CreateOrganization(2)), second, third]);
    assert!(world.finish(started).iter().all(Result::is_ok));
    assert_eq!((world.organizations(), world.log()), (3, 3));
    assert_eq!(world.faults.commits(), 2, "the first, and those behind the dry run");
}

#[test]
fn what_the_time_of_a_batch_goes_to_is_told() {
    let world = world(Options::default());
    let started = world.start([plain(Act::CreateOrganization(1))]);
    // The store has not let the batch begin.
    let held = Instant::now();
    for phase in [Phase::Decide, Phase::Store, Phase::Answer, Phase::CatchUp] {
        assert_eq!(world.spent(phase), Duration::ZERO, "{}", phase.name());
    }
    let held = held.elapsed();
    assert!(world.finish(started).iter().all(Result::is_ok));
    assert!(world.spent(Phase::Store) >= held);
    // The other copy is brought up to date after the answer.
    world.until("the batch is over", |world| {
        world.spent(Phase::CatchUp) > Duration::ZERO
    });
}

#[test]
fn closing_answers_what_waits() {
    let world = world(Options {
        batch: 3,
        ..Options::default()
    });
    let started = world.start((0..20).map(Act::CreateOrganization).map(plain));
    thread::scope(|scope| {
        scope.spawn(|| world.engine.close());
        world.until("it closes", |world| world.engine.health().stopped);
        assert_eq!(world.act(Act::CreateOrganization(99)), Err(WriteError::Stopped));
        assert!(world.finish(started).iter().all(Result::is_ok));
    });
    assert_eq!((world.organizations(), world.log()), (20, 20));
    assert!(!world.engine.health().ready());
    world.engine.close();
}

#[test]
fn the_last_handle_may_go_in_a_closure() {
    let World {
        engine, store, gate, ..
    } = world(Options::default());
    gate.shut();
    let other = engine.clone();
    let run = move |transaction: &mut Transaction<'_>| {
        let done = perform(&Act::CreateOrganization(1), transaction);
        drop(other);
        done
    };
    // The caller goes away, and so does every other handle: the write happens all the same.
    let mut waits = Box::pin(engine.write(Write::default(), run));
    assert!(
        waits
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    drop(waits);
    gate.arrived();
    drop(engine);
    gate.open();
    let start = Instant::now();
    while store.another().since(0, 9).unwrap().len() != 1 {
        assert!(start.elapsed() < Duration::from_secs(30));
        thread::yield_now();
    }
}

#[test]
fn a_caller_that_goes_away_changes_nothing() {
    let world = world(Options::default());
    let mut started = world.start([plain(Act::CreateOrganization(1)), plain(Act::CreateProfile(1))]);
    drop(started.pop());
    drop(started.pop());
    world.finish(started);
    assert!(world.act(Act::Nothing).is_ok());
    assert_eq!((world.engine.snapshot().len(), world.log()), (2, 2));
}

#[test]
fn a_panic_undoes_itself_and_nothing_else() {
    let world = world(Options::default());
    let acts = [
        Act::CreateOrganization(1),
        Act::CreateGroup(1),
        Act::Panic(0),
        Act::CreateProfile(2),
    ];
    let answers = world.finish(world.start(acts.map(plain)));
    let revisions: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.map(|written| written.revision))
        .collect();
    assert_eq!(revisions, [Ok(1), Ok(2), Err(WriteError::Panicked), Ok(3)]);
    let snapshot = world.engine.snapshot();
    assert_eq!((snapshot.len(), snapshot.relation_count(), world.log()), (3, 1, 3));
    assert_eq!(snapshot.check(), Ok(()));
    assert_eq!(world.engine.health().panics, 1);
    assert!(world.act(Act::CreateGroup(0)).is_ok());
    let reopened = world.again();
    assert_eq!(reopened.engine.snapshot().digest(), world.engine.snapshot().digest());
}

/// What was decided upon a batch that could not be stored is told to nobody: not a success, not a refusal, not a replay.
#[test]
fn a_batch_that_fails_is_unavailable_to_all_of_it() {
    for fault in [Fault::Before, Fault::After, Fault::Panic] {
        let world = world(Options::default());
        let (earlier, first) = (key("me", "j", 1), key("me", "k", 1));
        let made = world.engine.write_blocking(with_key(&earlier), |transaction| {
            perform(&Act::CreateItem(1), transaction)
        });
        assert!(made.is_ok());
        let before = world.engine.snapshot().digest();
        let started = world.start([
            (with_key(&first), Act::CreateItem(2)),
            (with_key(&first), Act::CreateItem(2)),
            (with_key(&key("me", "k", 2)), Act::CreateItem(2)),
            plain(Act::CreateItem(2)), // refused, because of the first, as the one before
            plain(Act::Nothing),
            (
                Write {
                    dry_run: true,
                    ..Write::default()
                },
                Act::CreateItem(3),
            ),
        ]);
        world.faults.fail_commit(1, fault);
        // Told apart: what may be there later, and what surely is not.
        let unknown = match fault {
            Fault::Before => [false; 6],
            Fault::After => [true, true, false, false, true, false],
            Fault::Panic => [true; 6],
        };
        for (answer, unknown) in world.finish(started).into_iter().zip(unknown) {
            match answer {
                Err(WriteError::Unknown { .. }) if unknown => {}
                Err(WriteError::Unavailable(_)) if !unknown => {}
                answer => panic!("{fault:?}: {answer:?}"),
            }
        }
        world.until("it says so", |world| world.engine.health().fault.is_some());
        assert_eq!(world.engine.snapshot().digest(), before);
        assert!(!world.engine.health().ready());
        let begun = world.faults.begins();
        assert!(matches!(
            world.act(Act::CreateProfile(1)),
            Err(WriteError::Unavailable(_))
        ));
        // A repeat hears what the first did, of an earlier batch too; another request with the key, or a new key, left nothing.
        for (key, unknown) in [
            (&first, fault != Fault::Before),
            (&earlier, true),
            (&key("me", "k", 2), false),
            (&key("me", "l", 1), false),
        ] {
            let answer = world
                .engine
                .write_blocking(with_key(key), |transaction| perform(&Act::CreateItem(2), transaction));
            match answer {
                Err(WriteError::Unknown { has_key: true, .. }) if unknown => {}
                Err(WriteError::Unavailable(_)) if !unknown => {}
                answer => panic!("{fault:?} {key:?}: {answer:?}"),
            }
        }
        assert_eq!(world.faults.begins(), begun, "a store that failed is not asked again");
        // A new start finds all of the batch or none.
        let reopened = world.again();
        let stored = reopened.engine.revision();
        assert_eq!(stored, if fault == Fault::After { 2 } else { 1 });
        let again = reopened
            .engine
            .write_blocking(with_key(&key("me", "k", 1)), |transaction| {
                perform(&Act::CreateItem(2), transaction)
            });
        assert_eq!(
            again.map(|written| (written.revision, written.replayed)),
            Ok((2, stored == 2))
        );
    }
}

#[test]
fn a_repeated_key_gets_the_first_answer() {
    let world = world(Options::default());
    let first = world.keyed(&key("me", "k", 1)).unwrap();
    assert!(!first.replayed);
    assert!(world.act(Act::CreateProfile(1)).is_ok());
    let check = |world: &World, asked: Idempotency, expected: Result<bool, WriteError<No>>, organizations| {
        let answer = world.keyed(&asked);
        if let (Ok(written), Ok(true), "k") = (&answer, &expected, &*asked.key) {
            assert_eq!(written.reply, first.reply);
        }
        assert_eq!(
            (answer.map(|written| written.replayed), world.organizations()),
            (expected, organizations),
            "{asked:?}"
        );
    };
    check(&world, key("me", "k", 1), Ok(true), 1);
    check(&world, key("me", "k", 2), Err(WriteError::KeyReused), 1);
    // A restart remembers.
    let world = world.again();
    check(&world, key("me", "k", 1), Ok(true), 1);
    check(&world, key("me", "k", 2), Err(WriteError::KeyReused), 1);
    // Another's key is another key, and so is one that only looks the same when joined.
    check(&world, key("you", "k", 1), Ok(false), 2);
    check(&world, key("m", "ek", 1), Ok(false), 3);
    // Dry runs neither use nor keep it.
    let dry = Write {
        dry_run: true,
        ..with_key(&key("me", "k", 2))
    };
    let dry = world
        .engine
        .write_blocking(dry, |transaction| perform(&Act::CreateOrganization(1), transaction));
    assert_eq!(dry.map(|written| written.replayed), Ok(false));
    check(&world, key("me", "k", 1), Ok(true), 3);
    // A refusal and a write that changed nothing keep no key.
    for act in [Act::Refuse(1), Act::Nothing, Act::CreateOrganization(7)] {
        let answer = world
            .engine
            .write_blocking(with_key(&key("me", "l", 1)), move |transaction| {
                perform(&act, transaction)
            });
        assert!(!answer.is_ok_and(|written| written.replayed));
    }
    check(&world, key("me", "l", 1), Ok(true), 4);
    // After a day of commit time it is free again.
    world.clock.set(Time(world.clock.now().0 + 24 * 60 * 60 * 1000 - 1));
    check(&world, key("me", "k", 1), Ok(true), 4);
    world.clock.set(Time(world.clock.now().0 + 1));
    check(&world, key("me", "k", 2), Ok(false), 5);
}

/// The last of several writes is the one that keeps their answer, whatever is left for it to do.
#[test]
fn the_answer_of_several_is_kept_if_the_last_one_changes_nothing() {
    let first = world(Options::default());
    let nothing = |world: &World, asked: Idempotency| {
        let run = |transaction: &mut Transaction<'_>| perform(&Act::Nothing, transaction);
        world.engine.write_blocking(with_key(&asked), run)
    };
    let last = Idempotency {
        of_several: true,
        ..key("me", "k", 1)
    };
    let done = nothing(&first, last.clone()).unwrap();
    assert_eq!((done.replayed, done.revision, first.log()), (false, 1, 1));
    // A dry run and a refusal keep none, and who has no key makes no commit.
    let dry = Write {
        dry_run: true,
        ..with_key(&Idempotency {
            of_several: true,
            ..key("me", "l", 1)
        })
    };
    assert!(
        first
            .engine
            .write_blocking(dry, |tx| perform(&Act::Nothing, tx))
            .is_ok()
    );
    let refused = with_key(&Idempotency {
        of_several: true,
        ..key("me", "l", 1)
    });
    assert!(
        first
            .engine
            .write_blocking(refused, |tx| perform(&Act::Refuse(1), tx))
            .is_err()
    );
    assert!(first.act(Act::Nothing).is_ok());
    assert_eq!(first.log(), 1);
    let check = |world: &World| {
        let repeated = nothing(world, key("me", "k", 1)).unwrap();
        assert_eq!((repeated.replayed, repeated.reply), (true, done.reply.clone()));
        assert_eq!(nothing(world, key("me", "k", 2)).unwrap_err(), WriteError::KeyReused);
        assert_eq!((world.organizations(), world.log()), (0, 1));
    };
    check(&first);
    check(&first.again());
}

#[test]
fn one_key_at_once_from_many_has_one_effect() {
    let world = world(Options {
        batch: 7,
        ..Options::default()
    });
    let answers: Vec<Written> = thread::scope(|scope| {
        let callers: Vec<_> = (0..50)
            .map(|_| scope.spawn(|| world.keyed(&key("me", "k", 1)).unwrap()))
            .collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    assert_eq!((world.organizations(), world.log()), (1, 1));
    assert_eq!(answers.iter().filter(|written| !written.replayed).count(), 1);
    assert!(
        answers
            .iter()
            .all(|written| written.reply == answers[0].reply && written.revision == 1)
    );
}

#[test]
fn a_slow_reader_costs_the_writer_a_copy_and_sees_nothing_of_it() {
    let world = world(Options::default());
    assert!(world.act(Act::CreateOrganization(1)).is_ok());
    let reader = world.engine.snapshot();
    let seen = reader.digest();
    for n in 2..10 {
        assert!(world.act(Act::CreateOrganization(n)).is_ok());
    }
    assert_eq!((reader.digest(), reader.revision(), reader.check()), (seen, 1, Ok(())));
    let health = world.engine.health();
    assert_eq!((health.revision, health.copies_cloned, health.copies_held), (9, 1, 1));
    // Given back, it is freed by the writer, with nothing to write.
    drop(reader);
    world.until("the copy is freed", |world| world.engine.health().copies_held == 0);
    for n in 10..20 {
        assert!(world.act(Act::CreateOrganization(n)).is_ok());
    }
    assert_eq!(world.engine.health().copies_cloned, 1);
    assert_eq!(world.engine.snapshot().check(), Ok(()));
}

/// Each has the graph in its hands when the next one takes it.
#[test]
fn slow_readers_one_after_the_other_cost_one_copy() {
    for keeping in [Duration::from_secs(60), Duration::ZERO] {
        let world = world(Options {
            keeping,
            ..Options::default()
        });
        assert!(world.act(Act::CreateOrganization(1)).is_ok());
        let mut reader = world.engine.snapshot();
        for n in 2..60 {
            let seen = (reader.digest(), reader.revision());
            for n in [2 * n, 2 * n + 1] {
                assert!(world.act(Act::CreateOrganization(n)).is_ok());
            }
            let next = world.engine.snapshot();
            assert_eq!(
                (reader.digest(), reader.revision(), reader.check()),
                (seen.0, seen.1, Ok(()))
            );
            reader = next;
        }
        let cloned = world.engine.health().copies_cloned;
        assert!(if keeping.is_zero() { cloned > 10 } else { cloned == 1 }, "{cloned}");
        drop(reader);
        if keeping.is_zero() {
            world.until("the copies are freed", |world| world.engine.health().copies == 2);
        }
        // None of the copies that took turns left one out.
        for n in 0..3 {
            assert!(world.act(Act::CreateOrganization(200 + n)).is_ok());
            assert_eq!(world.organizations(), 118 + usize::from(n));
        }
        assert_eq!(world.engine.snapshot().check(), Ok(()));
    }
}

/// Two entities are always changed together; a reader never sees one of them alone.
#[test]
fn readers_see_whole_commits_only() {
    let world = world(Options::default());
    let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let set = move |n: i32| {
        move |transaction: &mut Transaction<'_>| {
            for id in [one, other] {
                match transaction.graph().find(id).is_some() {
                    true => transaction.update(id, name(&n.to_string()))?,
                    false => transaction.create(id, Kind::Organization, name(&n.to_string()), Kept::default())?,
                }
            }
            Ok::<_, No>(Reply::empty())
        }
    };
    world.engine.write_blocking(Write::default(), set(0)).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let (mut reads, mut last) = (0, 0);
                    while !done.load(Ordering::Relaxed) || reads < 100 {
                        let snapshot = world.engine.snapshot();
                        let value = |id| snapshot.find(id).and_then(|node| node.fields().get(0).cloned());
                        assert_eq!(value(one), value(other));
                        assert_eq!(value(one), Some(Value::text(&(snapshot.revision() - 1).to_string())));
                        assert!(snapshot.revision() >= last, "the graph went back");
                        last = snapshot.revision();
                        reads += 1;
                    }
                })
            })
            .collect();
        for n in 1..2000 {
            world.engine.write_blocking(Write::default(), set(n)).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            reader.join().unwrap();
        }
    });
}

/// Check and act are one: of many who read a number and write it back one higher, none is lost.
#[test]
fn no_update_is_lost() {
    let world = world(Options {
        queue: 64,
        batch: 5,
        ..Options::default()
    });
    let id = Uuid::from_u128(1);
    let one_more = move |transaction: &mut Transaction<'_>| {
        let old = transaction
            .graph()
            .find(id)
            .and_then(|node| node.fields().get(0)?.as_text()?.parse::<u32>().ok());
        let fields = name(&old.map_or(1, |old| old + 1).to_string());
        match old {
            Some(_) => transaction.update(id, fields)?,
            None => transaction.create(id, Kind::Organization, fields, Kept::default())?,
        }
        Ok::<_, No>(Reply::empty())
    };
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                (0..100).for_each(|_| drop(world.engine.write_blocking(Write::default(), one_more).unwrap()))
            });
        }
    });
    let snapshot = world.engine.snapshot();
    assert_eq!(
        snapshot.find(id).and_then(|node| node.fields().get(0).cloned()),
        Some(Value::text("800"))
    );
    assert_eq!((snapshot.revision(), world.log()), (800, 800));
}

#[test]
fn a_reader_waits_for_the_revision_it_asks_for() {
    let world = world(Options::default());
    runtime().block_on(async {
        assert_eq!(
            world
                .engine
                .at_least(0, Duration::ZERO)
                .await
                .map(|graph| graph.revision()),
            Ok(0)
        );
        let not_yet = world.engine.at_least(1, Duration::from_millis(1)).await;
        assert_eq!(not_yet.err(), Some(NotYet { asked: 1, at: 0 }));
        let writer = thread::spawn({
            let engine = world.engine.clone();
            move || (0..3).for_each(|n| drop(finish(start(&engine, Write::default(), Act::CreateOrganization(n)))))
        });
        assert!(
            world
                .engine
                .at_least(3, Duration::from_secs(30))
                .await
                .is_ok_and(|graph| graph.revision() == 3)
        );
        writer.join().unwrap();
    });
}

#[test]
fn time_never_goes_back() {
    let world = world(Options::default());
    let now = |world: &World| {
        let seen = Arc::new(parking_lot::Mutex::new(Time(0)));
        let told = seen.clone();
        let run = move |transaction: &mut Transaction<'_>| {
            *told.lock() = transaction.now();
            perform(&Act::CreateOrganization(0), transaction)
        };
        world.engine.write_blocking(Write::default(), run).unwrap();
        let seen = *seen.lock();
        assert_eq!(world.engine.health().last_commit, Some(seen));
        seen
    };
    let start = world.clock.now();
    assert_eq!(now(&world), start);
    world.clock.set(Time(start.0 - 86_400_000));
    assert_eq!(now(&world), start);
    let world = world.again();
    world.clock.set(Time(start.0 - 86_400_000));
    assert_eq!(now(&world), start);
    world.clock.set(Time(start.0 + 1));
    assert_eq!(now(&world), Time(start.0 + 1));
}

#[test]
fn a_dry_run_answers_and_leaves_nothing() {
    let world = world(Options::default());
    for n in 0..3 {
        assert!(world.act(Act::CreateOrganization(n)).is_ok());
    }
    let (digest, commits) = (world.engine.snapshot().digest(), world.faults.commits());
    for act in [
        Act::CreateOrganization(9),
        Act::RemoveOrganization(0),
        Act::Rename(1, 1),
        Act::Several(2),
        Act::Nothing,
    ] {
        let dry = Write {
            dry_run: true,
            ..Write::default()
        };
        let answer = world
            .engine
            .write_blocking(dry, move |transaction| perform(&act, transaction))
            .unwrap();
        assert_eq!((answer.revision, answer.replayed), (3, false));
    }
    let dry = Write {
        dry_run: true,
        ..Write::default()
    };
    let refused = world
        .engine
        .write_blocking(dry, |transaction| perform(&Act::Orphan, transaction));
    assert!(matches!(refused, Err(WriteError::Violation(_))), "{refused:?}");
    assert_eq!(
        (world.engine.snapshot().digest(), world.faults.commits(), world.log()),
        (digest, commits, 3)
    );
    // The real one gives what the dry one promised.
    let dry = Write {
        dry_run: true,
        ..Write::default()
    };
    let promised = world
        .engine
        .write_blocking(dry, |transaction| perform(&Act::CreateGroup(0), transaction))
        .unwrap();
    assert_eq!(world.act(Act::CreateGroup(0)).unwrap().reply, promised.reply);
}

/// Two engines on one storage take turns, and each decides upon what the other did.
#[test]
fn two_nodes_never_decide_upon_an_old_graph() {
    let store = Memory::new();
    let nodes = [0, 3_600_000].map(|ahead| {
        let clock = Arc::new(Clock::frozen(Time(1_700_000_000_000 + ahead)));
        on(store.another(), clock, Options::default())
    });
    let id = Uuid::from_u128(1);
    let one_more = move |transaction: &mut Transaction<'_>| {
        let old = transaction
            .graph()
            .find(id)
            .and_then(|node| node.fields().get(0)?.as_text()?.parse::<u32>().ok());
        let fields = name(&old.map_or(1, |old| old + 1).to_string());
        match old {
            Some(_) => transaction.update(id, fields)?,
            None => transaction.create(id, Kind::Organization, fields, Kept::default())?,
        }
        Ok::<_, No>(Reply::empty())
    };
    thread::scope(|scope| {
        for node in nodes.iter().chain(&nodes) {
            scope.spawn(move || {
                for _ in 0..100 {
                    node.engine.write_blocking(Write::default(), one_more).unwrap();
                }
            });
        }
    });
    // A key used on one node is known to the other.
    assert!(!nodes[0].keyed(&key("me", "k", 1)).unwrap().replayed);
    assert!(nodes[1].keyed(&key("me", "k", 1)).unwrap().replayed);
    assert!(nodes.iter().all(|node| node.act(Act::Nothing).is_ok()));
    let graphs = [0, 1].map(|n| nodes[n].engine.snapshot());
    assert_eq!(
        graphs[0].find(id).and_then(|node| node.fields().get(0).cloned()),
        Some(Value::text("400"))
    );
    assert_eq!(
        (graphs[0].revision(), graphs[0].digest()),
        (graphs[1].revision(), graphs[1].digest())
    );
    let log = store.another().since(0, usize::MAX).unwrap();
    assert_eq!(log.len(), 401);
    assert!(
        log.windows(2)
            .all(|pair| pair[0].at <= pair[1].at && pair[0].revision + 1 == pair[1].revision)
    );
}

#[test]
fn who_writes_aside_disturbs_no_quiet() {
    let world = world(Options::default());
    let act = |transaction: &mut Transaction<'_>| perform(&Act::Nothing, transaction);
    let quiet = || {
        (
            world.engine.is_quiet(Duration::MAX),
            world.engine.is_quiet(Duration::ZERO),
        )
    };
    assert_eq!(quiet(), (true, true));
    let aside = runtime().block_on(world.engine.write_aside(Write::default(), act));
    assert!(aside.is_ok());
    world.engine.post(Write::default(), act).unwrap();
    assert_eq!(quiet(), (true, true));
    assert!(world.act(Act::Nothing).is_ok());
    assert_eq!(quiet(), (false, true));
}
