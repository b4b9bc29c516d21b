//! An ordered set in chunks of a few kilobytes, and those in blocks: the one structure under every ordered index of the graph.
//! Declines to be a map: an item carries its key and what the key leads to, and is ordered by the key first.
//!
//! Why not `BTreeMap`: most items arrive in ascending order (serials), which leaves its leaves half empty; a copy of the
//! graph is cloned when a reader lingers, which for chunks is a few large moves instead of a walk; and it cannot say how
//! many lie between two keys, nor begin at the hundred-thousandth.

use smallvec::{SmallVec, smallvec};

#[derive(Clone, Debug)]
pub(super) struct Sorted<T> {
    /// INVARIANT: no block and no chunk is empty, and items ascend within and across them (`is_an_ordered_set`).
    /// Most sets are of one block and one chunk, whose heads lie here and not somewhere else.
    blocks: SmallVec<[Block<T>; 1]>,
    /// The first fence of each block.
    tops: SmallVec<[T; 1]>,
    len: usize,
}

/// A row of chunks, so that making room among ten million items moves a few kilobytes, and counting them adds a few hundred
/// numbers.
#[derive(Clone, Debug)]
struct Block<T> {
    chunks: SmallVec<[Vec<T>; 1]>,
    /// One a chunk: not above any item of its own chunk (but for the very first), above every item of the chunk before. Side
    /// by side, so that a search touches few cache lines before it touches a chunk.
    fences: SmallVec<[T; 1]>,
    len: usize,
}

impl<T> Default for Sorted<T> {
    fn default() -> Self {
        Self {
            blocks: SmallVec::new(),
            tops: SmallVec::new(),
            len: 0,
        }
    }
}

/// A block's number, a chunk's in it and an offset in that. The end is one past the last block.
type Place = (usize, usize, usize);

/// Chunks of a block.
const BLOCK: usize = if cfg!(test) { 8 } else { 256 };

/// Items of a chunk: large enough that the list of chunks stays short (ten million values: 55,000), small enough
/// that making room in the middle of one stays cheap. Tests use tiny chunks, so that a few items split and merge many.
const fn chunk_of<T>() -> usize {
    if cfg!(test) {
        8
    } else if size_of::<T>() > 16 {
        256
    } else {
        128
    }
}

impl<T: Ord + Clone> Block<T> {
    const CHUNK: usize = chunk_of::<T>();

    fn of(item: T) -> Self {
        Self {
            fences: smallvec![item.clone()],
            chunks: smallvec![vec![item]],
            len: 1,
        }
    }

    fn chunk(&self, before: impl Fn(&T) -> bool) -> usize {
        self.fences.partition_point(before).saturating_sub(1)
    }

    /// False if it is there already. `last`: nothing comes after this block.
    fn insert(&mut self, item: T, last: bool) -> bool {
        let chunk = self.chunk(|fence| *fence <= item);
        let last = last && chunk + 1 >= self.chunks.len();
        let Some(items) = self.chunks.get_mut(chunk) else {
            return false;
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

    /// False if it was not there. `alone`: there is no other block.
    fn remove(&mut self, item: &T, alone: bool) -> bool {
        let chunk = self.chunk(|fence| fence <= item);
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
            // The first fence is the block's, and stays.
            self.fences
                .remove(if self.fences.len() > 1 { chunk.max(1) } else { chunk });
        } else if items.len() < Self::CHUNK / 4 {
            self.merge(chunk, alone);
        }
        true
    }

    /// Joins a chunk that has become small with a neighbour, so that removals at random leave no trail of crumbs.
    fn merge(&mut self, chunk: usize, alone: bool) {
        let fits = |other: &Vec<T>| other.len() + self.chunks[chunk].len() <= Self::CHUNK * 3 / 4;
        let first = if self.chunks.get(chunk + 1).is_some_and(fits) {
            chunk
        } else if chunk > 0 && fits(&self.chunks[chunk - 1]) {
            chunk - 1
        } else {
            if alone && self.chunks.len() == 1 {
                self.chunks[0].shrink_to(Self::CHUNK / 2);
            }
            return;
        };
        let mut tail = self.chunks.remove(first + 1);
        self.fences.remove(first + 1);
        self.chunks[first].append(&mut tail);
    }

    /// All from a chunk on, as a block of its own.
    fn split_off(&mut self, at: usize) -> Self {
        let chunks: SmallVec<[Vec<T>; 1]> = self.chunks.drain(at..).collect();
        let len = chunks.iter().map(Vec::len).sum();
        self.len -= len;
        Self {
            fences: self.fences.drain(at..).collect(),
            chunks,
            len,
        }
    }

    fn append(&mut self, mut next: Self) {
        self.chunks.append(&mut next.chunks);
        self.fences.append(&mut next.fences);
        self.len += next.len;
    }
}

impl<T: Ord + Clone> Sorted<T> {
    pub fn len(&self) -> usize {
        self.len
    }

    /// The first item that is not `before`: within the last chunk whose fence is before, or at the start of the next.
    fn place(&self, before: impl Fn(&T) -> bool) -> Place {
        let at = self.tops.partition_point(&before).saturating_sub(1);
        let Some(block) = self.blocks.get(at) else {
            return (0, 0, 0);
        };
        let chunk = block.chunk(&before);
        match block.chunks[chunk].partition_point(before) {
            offset if offset < block.chunks[chunk].len() => (at, chunk, offset),
            _ if chunk + 1 < block.chunks.len() => (at, chunk + 1, 0),
            _ => (at + 1, 0, 0),
        }
    }

    /// False if it is there already.
    pub fn insert(&mut self, item: T) -> bool {
        // Most arrive in ascending order: the last chunk is theirs while it has room.
        if let Some(block) = self.blocks.last_mut()
            && let Some(items) = block.chunks.last_mut()
            && items.len() < Block::<T>::CHUNK
            && items.last().is_some_and(|greatest| *greatest < item)
        {
            items.push(item);
            block.len += 1;
            self.len += 1;
            return true;
        }
        let at = self.tops.partition_point(|top| *top <= item).saturating_sub(1);
        let last = at + 1 >= self.blocks.len();
        let Some(block) = self.blocks.get_mut(at) else {
            self.tops.push(item.clone());
            self.blocks.push(Block::of(item));
            self.len = 1;
            return true;
        };
        if !block.insert(item, last) {
            return false;
        }
        self.len += 1;
        if block.chunks.len() > BLOCK {
            // Ascending arrivals leave full blocks behind too.
            let is_grown = last && block.chunks.last().is_some_and(|chunk| chunk.len() == 1);
            let next = block.split_off(if is_grown { BLOCK } else { BLOCK / 2 });
            self.tops.insert(at + 1, next.fences[0].clone());
            self.blocks.insert(at + 1, next);
        }
        true
    }

    /// False if it was not there.
    pub fn remove(&mut self, item: &T) -> bool {
        let at = self.tops.partition_point(|top| top <= item).saturating_sub(1);
        let alone = self.blocks.len() == 1;
        let Some(block) = self.blocks.get_mut(at) else {
            return false;
        };
        if !block.remove(item, alone) {
            return false;
        }
        self.len -= 1;
        if block.chunks.is_empty() {
            self.blocks.remove(at);
            self.tops.remove(at);
        } else if block.chunks.len() < BLOCK / 4 {
            let fits = |other: &Block<T>| other.chunks.len() + self.blocks[at].chunks.len() <= BLOCK * 3 / 4;
            let first = if self.blocks.get(at + 1).is_some_and(fits) {
                at
            } else if at > 0 && fits(&self.blocks[at - 1]) {
                at - 1
            } else {
                return true;
            };
            let next = self.blocks.remove(first + 1);
            self.tops.remove(first + 1);
            self.blocks[first].append(next);
        }
        true
    }

    pub fn iter(&self) -> Range<'_, T> {
        Range {
            blocks: &self.blocks,
            front: (0, 0, 0),
            back: (self.blocks.len(), 0, 0),
        }
    }

    /// From the first item that is not `before` to the last that is not past `within`. Both are true for a prefix of
    /// the whole order.
    pub fn range(&self, before: impl Fn(&T) -> bool, within: impl Fn(&T) -> bool) -> Range<'_, T> {
        let front = self.place(before);
        Range {
            blocks: &self.blocks,
            front,
            back: self.end_near(front, within),
        }
    }

    /// The first place from `front` on that is not `within`. Most ranges are of one item or two, so the next few are
    /// looked at before all are searched.
    fn end_near(&self, front: Place, within: impl Fn(&T) -> bool) -> Place {
        const NEAR: usize = 3;
        let Some(items) = self.blocks.get(front.0).map(|block| &block.chunks[front.1]) else {
            return front;
        };
        let near = items[front.2..].iter().take(NEAR).position(|item| !within(item));
        near.map_or_else(|| self.place(within), |offset| (front.0, front.1, front.2 + offset))
    }

    /// The last item that is `within`, which is true for a prefix of the whole order.
    pub fn last(&self, within: impl Fn(&T) -> bool) -> Option<&T> {
        match self.place(within) {
            (block, chunk, offset) if offset > 0 => self.blocks[block].chunks[chunk].get(offset - 1),
            (block, chunk, _) if chunk > 0 => self.blocks[block].chunks[chunk - 1].last(),
            (block, ..) => self.blocks.get(block.checked_sub(1)?)?.chunks.last()?.last(),
        }
    }

    /// Everything from the first item that is not `before`.
    pub fn after(&self, before: impl Fn(&T) -> bool) -> Range<'_, T> {
        Range {
            blocks: &self.blocks,
            front: self.place(before),
            back: (self.blocks.len(), 0, 0),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Range<'a, T> {
    blocks: &'a [Block<T>],
    front: Place,
    back: Place,
}

impl<T> Range<'_, T> {
    /// How many are left; the cost is the number of blocks between the ends, and of chunks in the two at the ends.
    pub fn count_left(&self) -> usize {
        if self.front >= self.back {
            return 0;
        }
        let until = |place: Place| {
            let chunks = self.blocks.get(place.0).map(|block| &block.chunks[..place.1]);
            chunks.into_iter().flatten().map(Vec::len).sum::<usize>() + place.2
        };
        let whole: usize = self.blocks[self.front.0..self.back.0]
            .iter()
            .map(|block| block.len)
            .sum();
        whole + until(self.back) - until(self.front)
    }

    /// The same without the first so many; they are not gone through.
    pub fn skipping(mut self, items: usize) -> Self {
        let mut left = items;
        while left > 0 && self.front < self.back {
            let (block, chunk, offset) = self.front;
            let here = &self.blocks[block];
            if (chunk, offset) == (0, 0) && here.len <= left {
                left -= here.len;
                self.front = (block + 1, 0, 0);
                continue;
            }
            let rest = here.chunks[chunk].len() - offset;
            if left < rest {
                self.front.2 += left;
                break;
            }
            left -= rest;
            self.front = if chunk + 1 < here.chunks.len() {
                (block, chunk + 1, 0)
            } else {
                (block + 1, 0, 0)
            };
        }
        self
    }
}

impl<'a, T> Iterator for Range<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        if self.front >= self.back {
            return None;
        }
        let blocks = self.blocks;
        let block = &blocks[self.front.0];
        let chunk = &block.chunks[self.front.1];
        let item = &chunk[self.front.2];
        self.front.2 += 1;
        if self.front.2 == chunk.len() {
            self.front = if self.front.1 + 1 < block.chunks.len() {
                (self.front.0, self.front.1 + 1, 0)
            } else {
                (self.front.0 + 1, 0, 0)
            };
        }
        Some(item)
    }
}

impl<T> DoubleEndedIterator for Range<'_, T> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        let blocks = self.blocks;
        if self.back.2 == 0 {
            if self.back.1 == 0 {
                self.back.0 -= 1;
                self.back.1 = blocks[self.back.0].chunks.len();
            }
            self.back.1 -= 1;
            self.back.2 = blocks[self.back.0].chunks[self.back.1].len();
        }
        self.back.2 -= 1;
        Some(&blocks[self.back.0].chunks[self.back.1][self.back.2])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn is_sound(sorted: &Sorted<u16>) -> bool {
        let blocks = || sorted.blocks.iter();
        let chunks = || blocks().flat_map(|block| &block.chunks);
        let fences = || blocks().flat_map(|block| &block.fences);
        let before = chunks().map(|chunk| chunk.last());
        let fenced = fences().zip(chunks()).skip(1).zip(before);
        chunks().all(|chunk| !chunk.is_empty() && chunk.len() <= Block::<u16>::CHUNK)
            && blocks().all(|block| !block.chunks.is_empty() && block.chunks.len() <= BLOCK)
            && blocks().all(|block| block.len == block.chunks.iter().map(Vec::len).sum::<usize>())
            && blocks().all(|block| block.chunks.len() == block.fences.len())
            && blocks().map(|block| &block.fences[0]).eq(sorted.tops.iter())
            && fenced
                .into_iter()
                .all(|((fence, own), before)| Some(fence) > before && own.first() >= Some(fence))
    }

    proptest! {
        #[test]
        fn is_an_ordered_set(
            steps in prop::collection::vec((0u8..6, 0u16..900), 0..1500),
            grows in 0u8..6,
            (from, to) in (0u16..950, 0u16..950),
            skip in 0usize..950,
        ) {
            let (mut sorted, mut set) = (Sorted::default(), BTreeSet::new());
            for (at, (dice, item)) in steps.into_iter().enumerate() {
                // Some at random, some one after the other.
                let item = if item & 1 == 0 { item } else { at as u16 / 2 };
                if dice <= grows {
                    prop_assert_eq!(sorted.insert(item), set.insert(item));
                } else {
                    prop_assert_eq!(sorted.remove(&item), set.remove(&item));
                }
            }
            prop_assert!(is_sound(&sorted));
            prop_assert_eq!(sorted.len(), set.len());
            prop_assert!(sorted.iter().eq(set.iter()));
            prop_assert!(sorted.iter().rev().eq(set.iter().rev()));
            let within: Vec<u16> = set.iter().copied().filter(|item| (from..to).contains(item)).collect();
            let range = sorted.range(|item| *item < from, |item| *item < to);
            prop_assert_eq!(range.count_left(), within.len());
            prop_assert!(range.clone().eq(within.iter()));
            prop_assert!(range.clone().skipping(skip).eq(within.iter().skip(skip)));
            prop_assert!(range.rev().eq(within.iter().rev()));
            prop_assert!(sorted.after(|item| *item < from).eq(set.range(from..)));
            prop_assert_eq!(sorted.last(|item| *item < to), set.range(..to).next_back());
            for item in set.iter().filter(|item| **item % 7 != from % 7) {
                prop_assert!(sorted.remove(item));
                prop_assert!(is_sound(&sorted), "without {}", item);
            }
            prop_assert!(sorted.iter().eq(set.iter().filter(|item| **item % 7 == from % 7)));
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
