//! The children of two parents, found by both at once: the licenses of an item in an entitlement, the assignment of a license
//! and a profile. A search takes one step however many children either parent has.
//!
//! Nearly every pair has one child, which lies in the table itself; a pair with more has a list in order of serial.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::model::Serial;

use super::index::Member;
use super::shards::{NEAR, Shards};
use super::sorted::{Range, Sorted};

/// Both parents and the child, as slots; or the number of a list in place of the child.
#[derive(Clone, Copy)]
struct Pair {
    parents: (u32, u32),
    child: u32,
}

/// Set in `Pair::child` where that is the number of a list. No graph has so many slots.
const LIST: u32 = 1 << 31;

#[derive(Clone, Default)]
pub(super) struct Pairs {
    table: Shards<Pair, NEAR>,
    /// By number; a list that became empty is used again.
    lists: Vec<Sorted<Member>>,
    vacant: Vec<u32>,
    hasher: RandomState,
}

/// See [`Pairs::of`].
#[derive(Clone)]
pub(super) enum Children<'a> {
    One(Option<u32>),
    Many(Range<'a, Member>),
}

impl Iterator for Children<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        match self {
            Self::One(child) => child.take(),
            Self::Many(range) => range.next().map(|member| member.slot),
        }
    }
}

impl Pairs {
    fn hash(&self, parents: (u32, u32)) -> u64 {
        self.hasher.hash_one(u64::from(parents.0) << 32 | u64::from(parents.1))
    }

    /// The children of both, in order of serial.
    pub fn of(&self, parents: (u32, u32)) -> Children<'_> {
        let found = self.table.find(self.hash(parents), |pair| pair.parents == parents);
        match found.map(|pair| pair.child) {
            Some(list) if list & LIST != 0 => Children::Many(self.lists[(list ^ LIST) as usize].iter()),
            child => Children::One(child),
        }
    }

    /// `serial` says those of children that are here already.
    pub fn insert(&mut self, parents: (u32, u32), child: Member, serial: impl Fn(u32) -> Serial) {
        let hash = self.hash(parents);
        let Some(pair) = self.table.find_mut(hash, |pair| pair.parents == parents) else {
            let hasher = &self.hasher;
            let pair = Pair {
                parents,
                child: child.slot,
            };
            self.table.insert(hash, pair, |pair| {
                hasher.hash_one(u64::from(pair.parents.0) << 32 | u64::from(pair.parents.1))
            });
            return;
        };
        if pair.child & LIST == 0 {
            let number = self.vacant.pop().unwrap_or(self.lists.len() as u32);
            if number as usize == self.lists.len() {
                self.lists.push(Sorted::default());
            }
            self.lists[number as usize].insert(Member {
                serial: serial(pair.child),
                slot: pair.child,
            });
            pair.child = LIST | number;
        }
        self.lists[(pair.child ^ LIST) as usize].insert(child);
    }

    pub fn remove(&mut self, parents: (u32, u32), child: Member) {
        let hash = self.hash(parents);
        let Some(mut entry) = self.table.find_entry(hash, |pair| pair.parents == parents) else {
            return;
        };
        let known = entry.get().child;
        if known & LIST == 0 {
            if known == child.slot {
                entry.remove();
            }
            return;
        }
        let number = known ^ LIST;
        let list = &mut self.lists[number as usize];
        list.remove(&child);
        if list.len() == 1
            && let Some(last) = list.iter().next().copied()
        {
            *list = Sorted::default();
            self.vacant.push(number);
            entry.get_mut().child = last.slot;
        }
    }

    /// Everything, ordered: for a comparison.
    pub fn all(&self) -> Vec<(u32, u32, u32)> {
        let parents = self.table.iter().map(|pair| pair.parents);
        let mut all: Vec<_> = parents
            .flat_map(|parents| self.of(parents).map(move |child| (parents.0, parents.1, child)))
            .collect();
        all.sort_by_key(|(first, second, _)| (*first, *second));
        all
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn children_are_found_by_both_parents() {
        let mut random = 7u64;
        let mut next = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % below
        };
        let serial = |slot: u32| u64::from(1000 - slot);
        let (mut pairs, mut twin) = (Pairs::default(), BTreeSet::new());
        for _ in 0..20_000 {
            let parents = (next(3) as u32, next(4) as u32);
            let slot = next(40) as u32;
            let child = Member {
                serial: serial(slot),
                slot,
            };
            let key = (parents.0, parents.1, child.serial, slot);
            if twin.remove(&key) {
                pairs.remove(parents, child);
            } else if next(3) > 0 {
                twin.insert(key);
                pairs.insert(parents, child, serial);
            }
            let expected = twin.iter().filter(|(first, second, ..)| (*first, *second) == parents);
            let expected: Vec<u32> = expected.map(|(.., slot)| *slot).collect();
            assert_eq!(pairs.of(parents).collect::<Vec<_>>(), expected, "{parents:?}");
        }
        let expected: Vec<_> = twin
            .iter()
            .map(|(first, second, _, slot)| (*first, *second, *slot))
            .collect();
        assert_eq!(pairs.all(), expected);
        assert_eq!(size_of::<Pair>(), 12);
    }
}
