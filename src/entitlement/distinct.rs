//! Values that differ, in the order in which they came. A few are looked through, which is faster than to hash them; of many
//! a set is kept, so that a consumer with thousands of anything is decided about in thousands of steps, not in millions.

use std::collections::HashSet;
use std::hash::Hash;

use foldhash::fast::RandomState;
use smallvec::SmallVec;

/// So many are looked through.
const FEW: usize = 16;

pub(super) struct Distinct<T> {
    all: SmallVec<[T; 4]>,
    /// All of them, once they are more than a few.
    hashed: HashSet<T, RandomState>,
}

impl<T> Default for Distinct<T> {
    fn default() -> Self {
        Self {
            all: SmallVec::new(),
            hashed: HashSet::default(),
        }
    }
}

impl<T: Copy + Eq + Hash> Distinct<T> {
    /// False, if it was there.
    pub fn add(&mut self, value: T) -> bool {
        if self.has(value) {
            return false;
        }
        self.all.push(value);
        if self.all.len() > FEW {
            if self.hashed.is_empty() {
                self.hashed.extend(self.all.iter().copied());
            } else {
                self.hashed.insert(value);
            }
        }
        true
    }

    pub fn has(&self, value: T) -> bool {
        if self.all.len() > FEW {
            self.hashed.contains(&value)
        } else {
            self.all.contains(&value)
        }
    }

    pub fn all(&self) -> &[T] {
        &self.all
    }
}

impl<T: Copy + Eq + Hash> FromIterator<T> for Distinct<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut distinct = Self::default();
        for value in values {
            distinct.add(value);
        }
        distinct
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_there_once_however_many_there_are() {
        for number in [0, 1, FEW - 1, FEW, FEW + 1, FEW + 2, 10 * FEW] {
            let mut distinct: Distinct<usize> = (0..number).chain(0..number).collect();
            assert!(distinct.all().iter().copied().eq(0..number), "{number}");
            assert!((0..number).all(|value| distinct.has(value)), "{number}");
            assert!(!distinct.has(number), "{number}");
            assert!(distinct.add(number) && !distinct.add(number), "{number}");
        }
    }
}
