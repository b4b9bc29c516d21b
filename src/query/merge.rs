//! Several sequences, each in order of serial, and single items in no order, as one sequence in order of serial. Lazy:
//! of a sequence what is not taken is not visited. What is in several comes several times in a row.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::model::Serial;

pub(super) struct Merge<I: Iterator, K> {
    serial_of: K,
    /// In order.
    singles: std::vec::IntoIter<I::Item>,
    sources: Vec<(Option<I::Item>, I)>,
    /// The next serial of each source, by its place.
    heads: BinaryHeap<Reverse<(Serial, usize)>>,
}

impl<I: Iterator, K: Fn(&I::Item) -> Serial> Merge<I, K> {
    pub fn new(mut singles: Vec<I::Item>, sources: impl Iterator<Item = I>, serial_of: K) -> Self {
        // Relations are found newest first, so that this leaves little to sort.
        singles.reverse();
        singles.sort_unstable_by_key(&serial_of);
        let mut heads = Vec::new();
        let mut waiting = Vec::new();
        for (index, mut source) in sources.enumerate() {
            let head = source.next();
            heads.extend(head.as_ref().map(|item| Reverse((serial_of(item), index))));
            waiting.push((head, source));
        }
        Self {
            serial_of,
            singles: singles.into_iter(),
            sources: waiting,
            heads: heads.into(),
        }
    }
}

impl<I: Iterator, K: Fn(&I::Item) -> Serial> Iterator for Merge<I, K> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        let Some(Reverse((serial, index))) = self.heads.peek().copied() else {
            return self.singles.next();
        };
        let single = self.singles.as_slice().first();
        if single.is_some_and(|single| (self.serial_of)(single) <= serial) {
            return self.singles.next();
        }
        self.heads.pop();
        let (head, source) = self.sources.get_mut(index)?;
        let next = source.next();
        self.heads
            .extend(next.as_ref().map(|item| Reverse(((self.serial_of)(item), index))));
        std::mem::replace(head, next)
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
    fn sequences_become_one() {
        check(&[], &[]);
        check(&[&[]], &[]);
        check(&[&[1, 2, 3]], &[1, 2, 3]);
        check(&[&[1, 4], &[2, 3, 9], &[]], &[1, 2, 3, 4, 9]);
        check(&[&[1, 2], &[1, 2], &[2, 5]], &[1, 1, 2, 2, 2, 5]);
    }
}
