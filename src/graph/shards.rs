//! A hash table in parts. A table that grows moves everything in it at once, and the committer with everybody's writes waits:
//! with ten million ids, each of which is read from its entity to be hashed again, that is seconds. A part has a thousandth
//! of them, and no two grow at the same insertion.

use hashbrown::HashTable;
use hashbrown::hash_table::OccupiedEntry;

/// Where a hash names the part: neither the low bits, by which a table finds a place, nor the seven high ones, by which it
/// tells neighbours apart.
const SHIFT: u32 = 40;
const PARTS: usize = 1 << 10;

#[derive(Clone)]
pub(super) struct Shards<T> {
    parts: Box<[HashTable<T>]>,
}

impl<T> Default for Shards<T> {
    fn default() -> Self {
        Self {
            parts: (0..PARTS).map(|_| HashTable::new()).collect(),
        }
    }
}

fn part(hash: u64) -> usize {
    (hash >> SHIFT) as usize % PARTS
}

impl<T> Shards<T> {
    pub fn find(&self, hash: u64, is_it: impl FnMut(&T) -> bool) -> Option<&T> {
        self.parts[part(hash)].find(hash, is_it)
    }

    pub fn find_mut(&mut self, hash: u64, is_it: impl FnMut(&T) -> bool) -> Option<&mut T> {
        self.parts[part(hash)].find_mut(hash, is_it)
    }

    pub fn find_entry(&mut self, hash: u64, is_it: impl FnMut(&T) -> bool) -> Option<OccupiedEntry<'_, T>> {
        self.parts[part(hash)].find_entry(hash, is_it).ok()
    }

    /// It is not there yet. `hasher` is asked of those whose part grows.
    pub fn insert(&mut self, hash: u64, value: T, hasher: impl Fn(&T) -> u64) {
        self.parts[part(hash)].insert_unique(hash, value, hasher);
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.parts.iter().flat_map(HashTable::iter)
    }

    pub fn len(&self) -> usize {
        self.parts.iter().map(HashTable::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::hash::BuildHasher;

    use foldhash::fast::RandomState;

    use super::*;

    /// However many are there, one more moves few.
    #[test]
    fn no_insertion_moves_more_than_a_part() {
        const ALL: u32 = 300_000;
        let hasher = RandomState::default();
        let (mut shards, moved) = (Shards::default(), Cell::new(0));
        for value in 0..ALL {
            moved.set(0);
            shards.insert(hasher.hash_one(value), value, |other| {
                moved.set(moved.get() + 1);
                hasher.hash_one(other)
            });
            assert!(moved.get() <= 4 * ALL as usize / PARTS, "{} at {value}", moved.get());
        }
        assert_eq!(shards.len(), ALL as usize);
        assert_eq!(
            shards.iter().map(|value| u64::from(*value)).sum::<u64>(),
            u64::from(ALL) * u64::from(ALL - 1) / 2
        );
        for value in (0..ALL).step_by(3) {
            let entry = shards.find_entry(hasher.hash_one(value), |other| *other == value);
            entry.expect("it is there").remove();
        }
        for value in 0..ALL {
            let found = shards.find(hasher.hash_one(value), |other| *other == value);
            assert_eq!(found.is_some(), value % 3 != 0, "{value}");
        }
    }
}
