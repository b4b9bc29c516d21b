//! Several sequences, each in order of serial, as one in order of serial. Lazy: what is not taken is not visited. What is
//! in several comes several times in a row.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::model::Serial;

pub(super) struct Merge<I: Iterator, K> {
    serial_of: K,
    sources: Vec<(Option<I::Item>, I)>,
    heads: BinaryHeap<Reverse<(Serial, usize)>>,
}

impl<I: Iterator, K: Fn(&I::Item) -> Serial> Merge<I, K> {
    pub fn new(sources: impl Iterator<Item = I>, serial_of: K) -> Self {
        let mut heads = BinaryHeap::new();
        let mut waiting = Vec::new();
        for (index, mut source) in sources.enumerate() {
            let head = source.next();
            heads.extend(head.as_ref().map(|item| Reverse((serial_of(item), index))));
            waiting.push((head, source));
        }
        Self {
            serial_of,
            sources: waiting,
            heads,
        }
    }
}

impl<I: Iterator, K: Fn(&I::Item) -> Serial> Iterator for Merge<I, K> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        let Reverse((_, index)) = self.heads.pop()?;
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
        let merged = Merge::new(sources.iter().map(|source| source.iter()), |serial: &&u64| **serial);
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
