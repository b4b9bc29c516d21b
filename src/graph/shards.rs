//! A hash table in parts. A table that grows moves everything in it at once, and the committer with everybody's writes waits:
//! at 115,000 ids, each of which is read from its entity to be hashed again, 24 ms in each of the two copies. A part has a
//! small share of them, and parts do not all grow at the same insertion.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::OccupiedEntry;

/// Where a hash names the part: neither the low bits, by which a table finds a place, nor the seven high ones, by which it
/// tells neighbours apart.
const SHIFT: u32 = 40;
/// Parts of a table whose entries have to be fetched to be hashed again.
pub(super) const FAR: usize = 1 << 10;
/// Of one whose entries hash by what they hold, which is less work: so few are all near the processor.
pub(super) const NEAR: usize = 1 << 6;

#[derive(Clone)]
pub(super) struct Shards<T, const PARTS: usize> {
    parts: Box<[HashTable<T>]>,
}

impl<T, const PARTS: usize> Default for Shards<T, PARTS> {
    fn default() -> Self {
        Self {
            parts: (0..PARTS).map(|_| HashTable::new()).collect(),
        }
    }
}

fn part<const PARTS: usize>(hash: u64) -> usize {
    (hash >> SHIFT) as usize % PARTS
}

impl<T, const PARTS: usize> Shards<T, PARTS> {
    pub fn find(&self, hash: u64, is_it: impl FnMut(&T) -> bool) -> Option<&T> {
        self.parts[part::<PARTS>(hash)].find(hash, is_it)
    }

    pub fn find_mut(&mut self, hash: u64, is_it: impl FnMut(&T) -> bool) -> Option<&mut T> {
        self.parts[part::<PARTS>(hash)].find_mut(hash, is_it)
    }

    pub fn find_entry(&mut self, hash: u64, is_it: impl FnMut(&T) -> bool) -> Option<OccupiedEntry<'_, T>> {
        self.parts[part::<PARTS>(hash)].find_entry(hash, is_it).ok()
    }

    /// It is not there yet. `hasher` is asked of those whose part grows.
    pub fn insert(&mut self, hash: u64, value: T, hasher: impl Fn(&T) -> u64) {
        self.parts[part::<PARTS>(hash)].insert_unique(hash, value, hasher);
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.parts.iter().flat_map(HashTable::iter)
    }

    pub fn len(&self) -> usize {
        self.parts.iter().map(HashTable::len).sum()
    }
}

/// What is kept for slots of entities or numbers of edges, in such a table.
#[derive(Clone)]
pub(super) struct BySlot<V> {
    shards: Shards<(u32, V), NEAR>,
    hasher: RandomState,
}

impl<V> Default for BySlot<V> {
    fn default() -> Self {
        Self {
            shards: Shards::default(),
            hasher: RandomState::default(),
        }
    }
}

impl<V> BySlot<V> {
    pub fn get(&self, slot: u32) -> Option<&V> {
        let found = self
            .shards
            .find(self.hasher.hash_one(slot), |(known, _)| *known == slot)?;
        Some(&found.1)
    }

    pub fn get_mut(&mut self, slot: u32) -> Option<&mut V> {
        let hash = self.hasher.hash_one(slot);
        let found = self.shards.find_mut(hash, |(known, _)| *known == slot)?;
        Some(&mut found.1)
    }

    /// In place of what was there.
    pub fn insert(&mut self, slot: u32, value: V) {
        match self.get_mut(slot) {
            Some(known) => *known = value,
            None => {
                let hasher = &self.hasher;
                self.shards
                    .insert(hasher.hash_one(slot), (slot, value), |(slot, _)| hasher.hash_one(slot));
            }
        }
    }

    pub fn remove(&mut self, slot: u32) -> Option<V> {
        let hash = self.hasher.hash_one(slot);
        let entry = self.shards.find_entry(hash, |(known, _)| *known == slot)?;
        let ((_, value), _) = entry.remove();
        Some(value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (u32, &V)> {
        self.shards.iter().map(|(slot, value)| (*slot, value))
    }

    pub fn len(&self) -> usize {
        self.shards.len()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_slot_keeps_one_value() {
        let mut kept = BySlot::default();
        for slot in 0..5000 {
            kept.insert(slot, 1);
            kept.insert(slot, slot);
        }
        assert_eq!((kept.get(7), kept.get(5000), kept.len()), (Some(&7), None, 5000));
        *kept.get_mut(7).expect("it is there") = 8;
        assert_eq!((kept.remove(7), kept.remove(7)), (Some(8), None));
        let mut left: Vec<_> = kept.iter().map(|(slot, value)| (slot, *value)).collect();
        left.sort_unstable();
        let expected = (0..5000).filter(|slot| *slot != 7).map(|slot| (slot, slot));
        assert!(left.into_iter().eq(expected));
    }

    /// However many are there, one more moves few.
    #[test]
    fn no_insertion_moves_more_than_a_part() {
        const ALL: u32 = 300_000;
        let hasher = RandomState::default();
        let (mut shards, moved) = (Shards::<u32, FAR>::default(), Cell::new(0));
        for value in 0..ALL {
            moved.set(0);
            shards.insert(hasher.hash_one(value), value, |other| {
                moved.set(moved.get() + 1);
                hasher.hash_one(other)
            });
            assert!(moved.get() <= 4 * ALL as usize / FAR, "{} at {value}", moved.get());
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
