//! An ordered set in chunks of a few kilobytes: the one structure under every ordered index of the graph.
//! Declines to be a map: an item carries its key and what the key leads to, and is ordered by the key first.
//!
//! Why not `BTreeMap`: most items arrive in ascending order (serials), which leaves its leaves half empty, and a copy
//! of the graph is cloned when a reader lingers, which for chunks is a few large moves instead of a walk.

#[derive(Clone, Debug)]
pub(super) struct Sorted<T> {
    /// INVARIANT: no chunk is empty, and items ascend within and across chunks (`is_an_ordered_set`).
    chunks: Vec<Vec<T>>,
    /// One a chunk: not above any item of its own chunk, above every item of the chunk before. Side by side, so that a
    /// search touches few cache lines before it touches a chunk.
    fences: Vec<T>,
    len: usize,
}

impl<T> Default for Sorted<T> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            fences: Vec::new(),
            len: 0,
        }
    }
}

/// A chunk's number and an offset in it. The end is one past the last chunk.
type Place = (usize, usize);

impl<T: Ord + Clone> Sorted<T> {
    /// Items of a chunk: large enough that the list of chunks stays short (ten million values: 55,000), small enough
    /// that making room in the middle of one stays cheap. Tests use tiny chunks, so that a few items split and merge many.
    const CHUNK: usize = if cfg!(test) {
        8
    } else if size_of::<T>() > 16 {
        256
    } else {
        128
    };

    pub fn len(&self) -> usize {
        self.len
    }

    /// The first item that is not `before`: within the last chunk whose fence is before, or at the start of the next.
    fn place(&self, before: impl Fn(&T) -> bool) -> Place {
        let chunk = self.fences.partition_point(&before).saturating_sub(1);
        let Some(items) = self.chunks.get(chunk) else {
            return (0, 0);
        };
        match items.partition_point(before) {
            offset if offset == items.len() => (chunk + 1, 0),
            offset => (chunk, offset),
        }
    }

    /// False if it is there already.
    pub fn insert(&mut self, item: T) -> bool {
        let chunk = self.fences.partition_point(|fence| *fence <= item).saturating_sub(1);
        let last = chunk + 1 >= self.chunks.len();
        let Some(items) = self.chunks.get_mut(chunk) else {
            self.open(0, vec![item]);
            self.len = 1;
            return true;
        };
        // Ascending arrivals need no search and leave full chunks behind.
        let offset = if items.last().is_some_and(|greatest| *greatest < item) {
            items.len()
        } else {
            match items.binary_search(&item) {
                Ok(_) => return false,
                Err(offset) => offset,
            }
        };
        self.len += 1;
        if items.len() < Self::CHUNK {
            items.insert(offset, item);
        } else if last && offset == items.len() {
            self.open(chunk + 1, vec![item]);
        } else {
            let half = Self::CHUNK / 2;
            let mut tail = items.split_off(half);
            if offset <= half {
                items.insert(offset, item);
            } else {
                tail.insert(offset - half, item);
            }
            self.open(chunk + 1, tail);
        }
        true
    }

    /// Puts a chunk, which is not empty, in its place.
    fn open(&mut self, at: usize, items: Vec<T>) {
        if let Some(first) = items.first() {
            self.fences.insert(at, first.clone());
            self.chunks.insert(at, items);
        }
    }

    /// False if it was not there.
    pub fn remove(&mut self, item: &T) -> bool {
        let chunk = self.fences.partition_point(|fence| fence <= item).saturating_sub(1);
        let Some(items) = self.chunks.get_mut(chunk) else {
            return false;
        };
        let Ok(offset) = items.binary_search(item) else {
            return false;
        };
        items.remove(offset);
        self.len -= 1;
        if items.is_empty() {
            self.chunks.remove(chunk);
            self.fences.remove(chunk);
        } else if items.len() < Self::CHUNK / 4 {
            self.merge(chunk);
        }
        true
    }

    /// Joins a chunk that has become small with a neighbour, so that removals at random leave no trail of crumbs.
    fn merge(&mut self, chunk: usize) {
        let fits = |other: &Vec<T>| other.len() + self.chunks[chunk].len() <= Self::CHUNK * 3 / 4;
        let first = if self.chunks.get(chunk + 1).is_some_and(fits) {
            chunk
        } else if chunk > 0 && fits(&self.chunks[chunk - 1]) {
            chunk - 1
        } else {
            if self.chunks.len() == 1 {
                self.chunks[0].shrink_to(Self::CHUNK / 2);
            }
            return;
        };
        let mut tail = self.chunks.remove(first + 1);
        self.fences.remove(first + 1);
        self.chunks[first].append(&mut tail);
    }

    pub fn iter(&self) -> Range<'_, T> {
        Range {
            chunks: &self.chunks,
            front: (0, 0),
            back: (self.chunks.len(), 0),
        }
    }

    /// From the first item that is not `before` to the last that is not past `within`. Both are true for a prefix of
    /// the whole order.
    pub fn range(&self, before: impl Fn(&T) -> bool, within: impl Fn(&T) -> bool) -> Range<'_, T> {
        let front = self.place(before);
        Range {
            chunks: &self.chunks,
            front,
            back: self.end_near(front, within),
        }
    }

    /// The first place from `front` on that is not `within`. Most ranges are of one item or two, so the next few are
    /// looked at before all are searched.
    fn end_near(&self, front: Place, within: impl Fn(&T) -> bool) -> Place {
        const NEAR: usize = 3;
        let Some(items) = self.chunks.get(front.0) else {
            return front;
        };
        let near = items[front.1..].iter().take(NEAR).position(|item| !within(item));
        near.map_or_else(|| self.place(within), |offset| (front.0, front.1 + offset))
    }

    /// Everything from the first item that is not `before`.
    pub fn after(&self, before: impl Fn(&T) -> bool) -> Range<'_, T> {
        Range {
            chunks: &self.chunks,
            front: self.place(before),
            back: (self.chunks.len(), 0),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Range<'a, T> {
    chunks: &'a [Vec<T>],
    front: Place,
    back: Place,
}

impl<T> Range<'_, T> {
    /// How many are left; the cost is the number of chunks between the ends.
    pub fn count_left(&self) -> usize {
        if self.front >= self.back {
            return 0;
        }
        let whole: usize = self.chunks[self.front.0..self.back.0].iter().map(Vec::len).sum();
        whole + self.back.1 - self.front.1
    }
}

impl<'a, T> Iterator for Range<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        if self.front >= self.back {
            return None;
        }
        let chunks = self.chunks;
        let chunk = &chunks[self.front.0];
        let item = &chunk[self.front.1];
        self.front.1 += 1;
        if self.front.1 == chunk.len() {
            self.front = (self.front.0 + 1, 0);
        }
        Some(item)
    }
}

impl<T> DoubleEndedIterator for Range<'_, T> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        let chunks = self.chunks;
        if self.back.1 == 0 {
            self.back.0 -= 1;
            self.back.1 = chunks[self.back.0].len();
        }
        self.back.1 -= 1;
        Some(&chunks[self.back.0][self.back.1])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_an_ordered_set(steps in prop::collection::vec((any::<bool>(), 0u8..80), 0..400), from in 0u8..90, to in 0u8..90) {
            let (mut sorted, mut set) = (Sorted::default(), BTreeSet::new());
            for (insert, item) in steps {
                if insert {
                    prop_assert_eq!(sorted.insert(item), set.insert(item));
                } else {
                    prop_assert_eq!(sorted.remove(&item), set.remove(&item));
                }
                prop_assert!(sorted.chunks.iter().all(|chunk| !chunk.is_empty() && chunk.len() <= Sorted::<u8>::CHUNK));
                prop_assert_eq!(sorted.chunks.len(), sorted.fences.len());
                let fenced = sorted.fences.iter().zip(&sorted.chunks).skip(1);
                let before = sorted.chunks.iter().map(|chunk| chunk.last());
                prop_assert!(fenced.zip(before).all(|((fence, own), before)| Some(fence) > before && own.first() >= Some(fence)));
            }
            prop_assert_eq!(sorted.len(), set.len());
            prop_assert!(sorted.iter().eq(set.iter()));
            prop_assert!(sorted.iter().rev().eq(set.iter().rev()));
            let within: Vec<u8> = set.iter().copied().filter(|item| (from..to).contains(item)).collect();
            let range = sorted.range(|item| *item < from, |item| *item < to);
            prop_assert_eq!(range.count_left(), within.len());
            prop_assert!(range.clone().eq(within.iter()));
            prop_assert!(range.rev().eq(within.iter().rev()));
            prop_assert!(sorted.after(|item| *item < from).eq(set.range(from..)));
        }
    }

    #[test]
    fn a_range_is_taken_from_both_ends_and_meets_in_the_middle() {
        let mut sorted = Sorted::default();
        for item in 0..50 {
            sorted.insert(item);
        }
        let mut range = sorted.iter();
        let mut taken = Vec::new();
        while let Some(item) = range.next() {
            taken.push(*item);
            taken.extend(range.next_back());
        }
        taken.sort_unstable();
        assert_eq!(taken, (0..50).collect::<Vec<_>>());
    }
}
