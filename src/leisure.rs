//! Work that nobody waits for, on a machine whose processors others need. What is done at leisure is done piece by piece, and between
//! two pieces the processor is offered to whoever wants it: a read that came meanwhile waits for a piece, not for all. What is one piece
//! however large it is (statements of many rows, the hash of a commit, the disk) is not broken off.
//!
//! Who does the work says where it may be broken off (`breathe`) and knows nothing else of this; who knows whether anybody waits
//! says that it is done at leisure.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Changes in a piece: some tens of microseconds.
const PIECE: u32 = 6;

// The threads of `explored` are one, and have this in common: one more look at a queue, or one fewer.
thread_local! {
    /// Asks whether this thread's leisure is over.
    static IS_OVER: RefCell<Option<Rc<dyn Fn() -> bool>>> = const { RefCell::new(None) };
    /// Changes left of a piece; none where there is no leisure.
    static LEFT: Cell<u32> = const { Cell::new(0) };
}

/// Does the work at leisure for as long as not `is_over`, which is asked between its pieces.
pub(crate) fn at_leisure<T>(is_over: impl Fn() -> bool + 'static, work: impl FnOnce() -> T) -> T {
    struct End;
    impl Drop for End {
        fn drop(&mut self) {
            LEFT.set(0);
            IS_OVER.take();
        }
    }
    IS_OVER.replace(Some(Rc::new(is_over)));
    LEFT.set(PIECE);
    let _end = End;
    work()
}

/// A change is next. It costs hardly anything where there is no leisure.
pub(crate) fn breathe() {
    match LEFT.get() {
        0 => {}
        1 => {
            LEFT.set(PIECE);
            offer();
        }
        left => LEFT.set(left - 1),
    }
}

#[cold]
fn offer() {
    let is_over = IS_OVER.with_borrow(Option::clone);
    if is_over.is_none_or(|is_over| is_over()) {
        return;
    }
    std::thread::yield_now();
    #[cfg(test)]
    tests::OFFERED.set(tests::OFFERED.get() + 1);
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};
    use std::thread;
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::engine::{Engine, Options, Reply, Write};
    use crate::graph::{Graph, Kept, Transaction, Violation};
    use crate::model::{Change, Clock, Entity, Fields, Header, Kind, Time};
    use crate::storage::Memory;

    thread_local! {
        /// How often this thread offered its processor.
        pub(super) static OFFERED: Cell<u32> = const { Cell::new(0) };
    }

    fn offered(work: impl FnOnce()) -> u32 {
        let before = OFFERED.get();
        work();
        OFFERED.get() - before
    }

    fn changes(pieces: u32) {
        (0..pieces * PIECE).for_each(|_| breathe());
    }

    #[test]
    fn the_processor_is_offered_between_pieces() {
        assert_eq!(offered(|| changes(3)), 0, "nobody said that there is leisure");
        assert_eq!(offered(|| at_leisure(|| false, || changes(3))), 3);
        assert_eq!(offered(|| changes(3)), 0, "it is over with the work");
    }

    #[test]
    fn leisure_ends_with_work_that_fails() {
        let work = std::panic::catch_unwind(|| at_leisure(|| false, || panic!("on purpose")));
        assert!(work.is_err());
        assert_eq!(offered(|| changes(3)), 0);
    }

    fn organizations(pieces: u32) -> impl Iterator<Item = Change> {
        (1..=u64::from(pieces * PIECE)).map(|serial| {
            let organization = Entity::new(
                Header {
                    id: Uuid::from_u128(serial.into()),
                    serial,
                    revision: 1,
                    created: Time(0),
                    updated: Time(0),
                    kind: Kind::Organization,
                },
                Fields::default(),
            );
            Change::Entity {
                before: None,
                after: Some(organization),
            }
        })
    }

    #[test]
    fn a_copy_replays_at_leisure() {
        let mut graph = Graph::new();
        let replay = || organizations(2).for_each(|change| graph.apply(&change).expect("it fits"));
        assert_eq!(offered(|| at_leisure(|| false, replay)), 2);
    }

    fn engine() -> Engine {
        let clock = Arc::new(Clock::frozen(Time(0)));
        Engine::open(Box::new(Memory::new()), clock, Options::default(), |_| ()).expect("an empty store")
    }

    fn nothing(_: &mut Transaction<'_>) -> Result<Reply, Violation> {
        Ok(Reply::empty())
    }

    /// Offers made while the closure of a write makes changes.
    fn of_a_write(engine: &Engine, aside: bool, before: impl FnOnce(&Engine) + Send + 'static) -> u32 {
        let (tell, told) = mpsc::channel();
        let other = engine.clone();
        let run = move |tx: &mut Transaction<'_>| {
            before(&other);
            let made = offered(|| {
                for _ in 0..3 * PIECE {
                    let id = tx.new_id();
                    tx.create(id, Kind::Organization, Fields::default(), Kept::default())
                        .expect("an organization");
                }
            });
            tell.send(made).expect("a test that waits");
            nothing(tx)
        };
        if aside {
            engine.post(Write::default(), run).expect("taken");
        } else {
            engine.write_blocking(Write::default(), run).expect("written");
        }
        told.recv().expect("a closure that ran")
    }

    #[test]
    fn what_is_written_aside_is_done_at_leisure_until_somebody_waits() {
        let engine = engine();
        assert_eq!(of_a_write(&engine, true, |_| ()), 3);
        assert_eq!(of_a_write(&engine, false, |_| ()), 0, "somebody waits for it");
        assert_eq!(of_a_write(&engine, true, |_| ()), 3, "nobody waits any more");
        let another = |engine: &Engine| {
            let (engine, waiting) = (engine.clone(), engine.clone());
            thread::spawn(move || waiting.write_blocking(Write::default(), nothing));
            while engine.health().queue == 0 {
                thread::yield_now();
            }
        };
        assert_eq!(of_a_write(&engine, true, another), 0, "somebody waits behind it");
        engine.close();
    }

    #[test]
    fn leisure_does_not_last() {
        let engine = engine();
        let long = |_: &Engine| thread::sleep(Duration::from_millis(1100));
        assert_eq!(of_a_write(&engine, true, long), 0);
        engine.close();
    }
}
