//! Work that nobody waits for, on a machine whose processors others need. What is done at leisure is done piece by piece, and between
//! two pieces the processor is offered to whoever wants it: a request that came meanwhile waits for a piece, not for all.
//!
//! Who does the work says where it may be broken off (`breathe`) and knows nothing else of this; who knows whether anybody waits
//! says that it is done at leisure.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Changes in a piece: some 25 microseconds.
const PIECE: u32 = 6;

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

/// A change is done. It costs next to nothing where there is no leisure.
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
pub(crate) mod tests {
    use std::sync::{Arc, mpsc};
    use std::thread;

    use uuid::Uuid;

    use super::*;
    use crate::engine::{Engine, Options, Reply, Write};
    use crate::graph::{Kept, Transaction, Violation};
    use crate::model::{Clock, Fields, Kind, Time};
    use crate::storage::Memory;

    thread_local! {
        /// How often this thread offered its processor.
        pub(crate) static OFFERED: Cell<u32> = const { Cell::new(0) };
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

    /// Offers made while the closure of a write made changes.
    fn of_a_write(aside: bool, before: impl FnOnce(&Engine) + Send + 'static) -> u32 {
        let clock = Arc::new(Clock::frozen(Time(0)));
        let engine = Engine::open(Box::new(Memory::new()), clock, Options::default(), |_| ()).expect("an empty store");
        let (tell, told) = mpsc::channel();
        let other = engine.clone();
        let run = move |tx: &mut Transaction<'_>| {
            before(&other);
            let made = offered(|| {
                for number in 0..u128::from(3 * PIECE) {
                    let id = Uuid::from_u128(number + 1);
                    tx.create(id, Kind::Organization, Fields::default(), Kept::default())
                        .expect("an organization");
                }
            });
            tell.send(made).expect("a test that waits");
            Ok::<_, Violation>(Reply::empty())
        };
        let write = Write::default();
        if aside {
            engine.post(write, run).expect("taken");
        } else {
            engine.write_blocking(write, run).expect("written");
        }
        let made = told.recv().expect("a closure that ran");
        engine.close();
        made
    }

    #[test]
    fn what_is_written_aside_is_done_at_leisure_until_somebody_waits() {
        assert_eq!(of_a_write(true, |_| ()), 3);
        assert_eq!(of_a_write(false, |_| ()), 0, "somebody waits for it");
        let another = |engine: &Engine| {
            let engine = engine.clone();
            let waiting = engine.clone();
            thread::spawn(move || waiting.write_blocking(Write::default(), |_| Ok::<_, Violation>(Reply::empty())));
            while engine.health().queue == 0 {
                thread::yield_now();
            }
        };
        assert_eq!(of_a_write(true, another), 0, "somebody waits behind it");
    }
}
