//! Several sequences, each in order of serial, and single items in no order, as one sequence in order of serial. Lazy:
//! of a sequence what is not taken is not visited. What is in several comes several times in a row.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::model::Serial;

pub(super) struct Merge<I: Iterator, K> {
    serial_of: K,
    singles: Singles<I::Item>,
    sources: Vec<(Option<I::Item>, I)>,
    /// The next serial of each source, by its place.
    heads: BinaryHeap<Reverse<(Serial, usize)>>,
}

impl<I: Iterator, K: Fn(&I::Item) -> Serial> Merge<I, K> {
    pub fn new(singles: Vec<I::Item>, sources: impl Iterator<Item = I>, serial_of: K) -> Self {
        let mut heads = Vec::new();
        let mut waiting = Vec::new();
        for (index, mut source) in sources.enumerate() {
            let head = source.next();
            heads.extend(head.as_ref().map(|item| Reverse((serial_of(item), index))));
            waiting.push((head, source));
        }
        Self {
            serial_of,
            singles: Singles::new(singles),
            sources: waiting,
            heads: heads.into(),
        }
    }
}

impl<I: Iterator, K: Fn(&I::Item) -> Serial> Iterator for Merge<I, K> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        self.singles.make_ready(&self.serial_of);
        let Some(Reverse((serial, index))) = self.heads.peek().copied() else {
            return self.singles.ready.pop();
        };
        let single = self.singles.ready.last();
        if single.is_some_and(|single| (self.serial_of)(single) <= serial) {
            return self.singles.ready.pop();
        }
        self.heads.pop();
        let (head, source) = self.sources.get_mut(index)?;
        let next = source.next();
        self.heads
            .extend(next.as_ref().map(|item| Reverse(((self.serial_of)(item), index))));
        std::mem::replace(head, next)
    }
}

/// So few are sorted at once.
const AT_ONCE: usize = 128;

/// Items sorted as they are needed: a page needs a few of them.
struct Singles<T> {
    /// In no order, all after those that are ready.
    rest: Vec<T>,
    /// The first come last.
    ready: Vec<T>,
    /// How many to sort next: ever more, so that sorting all costs no more than it would at once.
    batch: usize,
}

impl<T> Singles<T> {
    fn new(rest: Vec<T>) -> Self {
        Self {
            rest,
            ready: Vec::new(),
            batch: 32,
        }
    }

    fn make_ready(&mut self, serial_of: impl Fn(&T) -> Serial) {
        if !self.ready.is_empty() || self.rest.is_empty() {
            return;
        }
        let later = |item: &T| Reverse(serial_of(item));
        if self.rest.len() <= AT_ONCE {
            // Relations come in runs, the newest first: a sort that knows runs has little to do.
            self.ready = std::mem::take(&mut self.rest);
            self.ready.sort_by_key(later);
            return;
        }
        self.ready = match self.rest.len().checked_sub(self.batch) {
            Some(split) if split > 0 => {
                self.rest.select_nth_unstable_by_key(split, later);
                self.rest.split_off(split)
            }
            _ => std::mem::take(&mut self.rest),
        };
        self.ready.sort_unstable_by_key(later);
        self.batch *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sources: &[&[u64]], expected: &[u64]) {
        let serial = |serial: &&u64| **serial;
        let merged = Merge::new(Vec::new(), sources.iter().map(|source| source.iter()), serial);
        assert_eq!(merged.copied().collect::<Vec<_>>(), expected);
        // The same with every other sequence told item by item, the last first.
        let singles = sources.iter().step_by(2).flat_map(|source| source.iter()).rev();
        let rest = sources.iter().skip(1).step_by(2).map(|source| source.iter());
        let merged = Merge::new(singles.collect(), rest, serial);
        assert_eq!(merged.copied().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn many_singles_are_sorted_as_they_are_taken() {
        for count in [0, 1, 31, 32, 33, 64, 97, 1000] {
            let singles = (0..count).map(|index| index * 7 % count).collect();
            let none = std::iter::empty::<std::iter::Empty<u64>>();
            let merged: Vec<u64> = Merge::new(singles, none, |item: &u64| *item).collect();
            assert!(merged.is_sorted() && merged.len() as u64 == count, "{count}");
        }
    }

    #[test]
    fn sequences_become_one() {
        check(&[], &[]);
        check(&[&[]], &[]);
        check(&[&[1, 2, 3]], &[1, 2, 3]);
        check(&[&[1, 4], &[2, 3, 9], &[]], &[1, 2, 3, 4, 9]);
        check(&[&[1, 2], &[1, 2], &[2, 5]], &[1, 1, 2, 2, 2, 5]);
    }
}
