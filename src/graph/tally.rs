//! How many seats are taken at an instant, when each is taken until an end of its own: a sum over everything that ends
//! later. What is past its end is gone for every count without a write.
//!
//! A license may have a million of them, so they lie in chunks with a sum each: a count adds the sums of what has ended,
//! which is little while somebody tidies, and never more than one number for each 256 of them.

/// Seats until an end, and whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Step {
    /// Milliseconds; the first instant at which they are free again.
    pub until: i64,
    /// The assignment.
    pub slot: u32,
    pub seats: u32,
    /// 1 for a reservation.
    pub reserved: u32,
    /// Of a lease, whether a reservation holds its seat as well or not.
    pub leased: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub seats: u64,
    pub reserved: u64,
    pub leased: u64,
}

impl Sum {
    fn add(&mut self, step: Step) {
        self.seats += u64::from(step.seats);
        self.reserved += u64::from(step.reserved);
        self.leased += u64::from(step.leased);
    }

    fn subtract(&mut self, step: Step) {
        self.seats -= u64::from(step.seats);
        self.reserved -= u64::from(step.reserved);
        self.leased -= u64::from(step.leased);
    }

    fn of(steps: &[Step]) -> Self {
        let mut sum = Self::default();
        steps.iter().for_each(|step| sum.add(*step));
        sum
    }
}

/// INVARIANT: no chunk is empty, steps ascend within and across chunks, and each sum is that of its chunk
/// (`is_a_sum_over_what_ends_later`).
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    chunks: Vec<Vec<Step>>,
    sums: Vec<Sum>,
    total: Sum,
}

const CHUNK: usize = if cfg!(test) { 4 } else { 256 };

impl Tally {
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Step> {
        self.chunks.iter().flatten()
    }

    /// The chunk a step is in, or would be.
    fn chunk(&self, step: &Step) -> usize {
        let after = |chunk: &Vec<Step>| chunk.last().is_some_and(|last| last < step);
        self.chunks
            .partition_point(after)
            .min(self.chunks.len().saturating_sub(1))
    }

    pub fn insert(&mut self, step: Step) {
        self.total.add(step);
        if self.chunks.is_empty() {
            self.chunks.push(Vec::with_capacity(1));
            self.sums.push(Sum::default());
        }
        let at = self.chunk(&step);
        let chunk = &mut self.chunks[at];
        let offset = chunk.partition_point(|other| *other < step);
        chunk.insert(offset, step);
        self.sums[at].add(step);
        if chunk.len() > CHUNK {
            // Ends mostly arrive in ascending order, which leaves full chunks behind.
            let is_last = at + 1 == self.chunks.len() && offset + 1 == self.chunks[at].len();
            let half = if is_last { CHUNK } else { CHUNK / 2 };
            let tail = self.chunks[at].split_off(half);
            self.sums[at] = Sum::of(&self.chunks[at]);
            self.sums.insert(at + 1, Sum::of(&tail));
            self.chunks.insert(at + 1, tail);
        }
    }

    /// It must be there.
    pub fn remove(&mut self, step: Step) {
        let at = self.chunk(&step);
        let Some(chunk) = self.chunks.get_mut(at) else { return };
        let Ok(offset) = chunk.binary_search(&step) else { return };
        chunk.remove(offset);
        self.sums[at].subtract(step);
        self.total.subtract(step);
        if chunk.is_empty() {
            self.chunks.remove(at);
            self.sums.remove(at);
        } else if chunk.len() < CHUNK / 4 && at + 1 < self.chunks.len() {
            let next = self.chunks[at + 1].len();
            if self.chunks[at].len() + next <= CHUNK * 3 / 4 {
                let mut tail = self.chunks.remove(at + 1);
                self.sums.remove(at + 1);
                self.chunks[at].append(&mut tail);
                self.sums[at] = Sum::of(&self.chunks[at]);
            }
        }
    }

    /// Of all that ends after this instant.
    pub fn after(&self, now: i64) -> Sum {
        let whole = self
            .chunks
            .partition_point(|chunk| chunk.last().is_some_and(|last| last.until <= now));
        let mut left = self.total;
        for sum in &self.sums[..whole] {
            left.seats -= sum.seats;
            left.reserved -= sum.reserved;
            left.leased -= sum.leased;
        }
        let partly = self.chunks.get(whole).into_iter().flatten();
        for step in partly.take_while(|step| step.until <= now) {
            left.subtract(*step);
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_a_sum_over_what_ends_later(
            steps in prop::collection::vec((any::<bool>(), 0i64..30, 0u32..6, 0u32..4), 0..300),
            now in -1i64..31,
        ) {
            let (mut tally, mut plain) = (Tally::default(), Vec::new());
            for (insert, until, slot, seats) in steps {
                let step = Step { until, slot, seats, reserved: slot & 1, leased: slot & 2 };
                if insert {
                    tally.insert(step);
                    plain.push(step);
                } else if let Some(at) = plain.iter().position(|other| *other == step) {
                    plain.remove(at);
                    tally.remove(step);
                } else {
                    tally.remove(step);
                }
                prop_assert!(tally.chunks.iter().all(|chunk| !chunk.is_empty() && chunk.len() <= CHUNK));
                prop_assert!(tally.chunks.iter().map(|chunk| Sum::of(chunk)).eq(tally.sums.iter().copied()));
            }
            plain.sort_unstable();
            prop_assert!(tally.iter().eq(plain.iter()));
            let later: Vec<Step> = plain.iter().copied().filter(|step| step.until > now).collect();
            prop_assert_eq!(tally.after(now), Sum::of(&later));
        }
    }
}
