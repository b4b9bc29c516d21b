//! What a query may cost: entities and relations visited, comparisons of more than a visit's share, bytes answered, and time.
//! Spent, it ends with a clear answer.

use std::time::{Duration, Instant};

use super::error::{Code, QueryError};
use crate::limits::{Limit, Limits};

/// The clock is looked at once in so many visits: a look costs as much as a visit.
const LOOK: u64 = 128;
/// So many bytes of a text cost a visit each time they are gone through: a visit is then a bounded piece of work, whatever
/// the texts, and the clock is looked at within 32 KiB of them.
pub(super) const VISIT_BYTES: usize = 256;
/// Parts told apart; a longer selector than the limits allow by default adds to the last.
const PARTS: usize = 34;

/// What a query, or a part of it, has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Entities and relations.
    pub visited: u64,
    /// What going through long texts and making many comparisons of one entity cost beside them, in visits.
    pub comparing: u64,
}

#[derive(Clone, Debug)]
pub struct Budget {
    /// Visits, and what comparing cost beside them.
    spent: u64,
    comparing: u64,
    /// Where the spending ends: `most`, or before it while a way is tried that may not be worth more.
    end: u64,
    most: Limit,
    /// What a way had cost that was given up.
    given_up: Option<Spent>,
    answer_bytes: Limit,
    /// From the monotonic clock: a duration, not a date.
    began: Instant,
    query_ms: Limit,
    /// By part of the selector, for explain.
    parts: [Spent; PARTS],
}

impl Budget {
    pub fn new(limits: &Limits) -> Self {
        Self {
            spent: 0,
            comparing: 0,
            end: limits.visited,
            most: limits.visited(),
            given_up: None,
            answer_bytes: limits.answer_bytes(),
            began: Instant::now(),
            query_ms: limits.query_ms(),
            parts: [Spent::default(); PARTS],
        }
    }

    /// The same, ended after so many visits or bytes if that is sooner.
    pub fn brief(mut self, visits: u64, bytes: u64) -> Self {
        self.most.value = self.most.value.min(visits);
        self.end = self.most.value;
        self.answer_bytes.value = self.answer_bytes.value.min(bytes);
        self
    }

    /// Entities and relations visited so far.
    pub fn visited(&self) -> u64 {
        self.spent - self.comparing
    }

    pub fn spent(&self) -> Spent {
        Spent {
            visited: self.visited(),
            comparing: self.comparing,
        }
    }

    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    pub(super) fn spent_at(&self, part: usize) -> Spent {
        self.parts[part.min(PARTS - 1)]
    }

    /// Ends after so many more visits, until `reclaim`.
    pub(super) fn lend(&mut self, visits: u64) {
        self.end = self.spent.saturating_add(visits).min(self.most.value);
    }

    /// Gives back what was not lent. True if what was lent is spent and there is more.
    pub(super) fn reclaim(&mut self) -> bool {
        let more = self.spent > self.end && self.end < self.most.value;
        self.end = self.most.value;
        if more {
            self.given_up = Some(self.spent());
            self.parts = [Spent::default(); PARTS];
        }
        more
    }

    /// What the first way had cost when another was taken.
    pub fn given_up(&self) -> Option<Spent> {
        self.given_up
    }

    /// One more entity or relation, looked at for a part of the selector.
    pub(super) fn visit(&mut self, part: usize) -> Result<(), QueryError> {
        self.spent += 1;
        self.parts[part.min(PARTS - 1)].visited += 1;
        if self.spent > self.end || self.spent.is_multiple_of(LOOK) {
            return self.look();
        }
        Ok(())
    }

    /// Is it spent?
    #[cold]
    fn look(&self) -> Result<(), QueryError> {
        if self.spent > self.end {
            return Err(self.visited_too_much());
        }
        if self.is_late() {
            return Err(self.time_spent());
        }
        Ok(())
    }

    fn is_late(&self) -> bool {
        self.began.elapsed() > Duration::from_millis(self.query_ms.value)
    }

    /// A text of so many bytes is about to be gone through once, for a part of the selector. A short one is part of the visit.
    #[inline]
    pub(super) fn read(&mut self, part: usize, bytes: usize) -> Result<(), QueryError> {
        if bytes < VISIT_BYTES {
            return Ok(());
        }
        self.compare(part, (bytes / VISIT_BYTES) as u64)
    }

    /// Comparing costs so many visits beside what is visited.
    pub(super) fn compare(&mut self, part: usize, visits: u64) -> Result<(), QueryError> {
        let looks = self.spent / LOOK;
        self.spent = self.spent.saturating_add(visits);
        self.comparing = self.comparing.saturating_add(visits);
        self.parts[part.min(PARTS - 1)].comparing += visits;
        if self.spent > self.end {
            return Err(self.visited_too_much());
        }
        if self.spent / LOOK != looks && self.is_late() {
            return Err(self.time_spent());
        }
        Ok(())
    }

    #[cold]
    fn visited_too_much(&self) -> QueryError {
        QueryError::new(
            Code::VisitedTooMuch,
            match self.comparing {
                0 => format!("the selector visits more than {} entities", self.most.value),
                comparing => format!(
                    "the selector costs more than {} visits, {comparing} of them for many conditions or long texts",
                    self.most.value
                ),
            },
        )
        .limit(self.most)
        .help(NARROWER)
    }

    #[cold]
    fn time_spent(&self) -> QueryError {
        QueryError::new(
            Code::TimeSpent,
            format!("the selector takes more than {} ms", self.query_ms.value),
        )
        .limit(self.query_ms)
        .help(NARROWER)
    }

    /// The answer is so long by now. Asked after each object: one object may include a million others.
    pub fn answered(&self, bytes: usize) -> Result<(), QueryError> {
        if bytes as u64 <= self.answer_bytes.value {
            return Ok(());
        }
        Err(QueryError::new(
            Code::AnswerTooLarge,
            format!("the answer has more than {} bytes", self.answer_bytes.value),
        )
        .limit(self.answer_bytes)
        .help("ask for fewer objects with `{r=…}`, or include less"))
    }
}

const NARROWER: &str = "begin with an id or an indexed field, take fewer hops, or page by `nextCursor` instead of `i`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_ends() {
        let mut budget = Budget::new(&Limits {
            visited: 3,
            ..Limits::default()
        });
        for _ in 0..3 {
            assert_eq!(budget.visit(0), Ok(()));
        }
        let error = budget.visit(1).unwrap_err();
        assert_eq!(
            (error.code, error.limit.map(|limit| limit.name)),
            (Code::VisitedTooMuch, Some("visited"))
        );
    }

    #[test]
    fn what_was_lent_comes_back() {
        let mut budget = Budget::new(&Limits {
            visited: 10,
            ..Limits::default()
        });
        let spend = |budget: &mut Budget| (0..20).take_while(|_| budget.visit(0).is_ok()).count();
        budget.lend(4);
        assert_eq!(spend(&mut budget), 4);
        assert!(budget.reclaim());
        assert_eq!(
            (budget.given_up(), budget.spent_at(0)),
            (
                Some(Spent {
                    visited: 5,
                    comparing: 0
                }),
                Spent::default()
            )
        );
        budget.lend(50);
        assert_eq!(spend(&mut budget), 5);
        assert!(!budget.reclaim());
        let mut budget = Budget::new(&Limits {
            visited: 10,
            ..Limits::default()
        });
        budget.lend(4);
        assert_eq!(budget.visit(0), Ok(()));
        assert!(!budget.reclaim());
        assert_eq!((budget.given_up(), spend(&mut budget)), (None, 9));
    }

    #[test]
    fn long_texts_are_paid_for() {
        let mut budget = Budget::new(&Limits {
            visited: 10,
            ..Limits::default()
        });
        for (bytes, comparing) in [(0, 0), (255, 0), (256, 1), (1000, 4), (4 * 256, 8)] {
            assert_eq!(budget.read(1, bytes), Ok(()));
            assert_eq!(budget.spent(), Spent { visited: 0, comparing });
        }
        assert_eq!(budget.visit(1), Ok(()));
        assert_eq!(
            (budget.visited(), budget.spent_at(1)),
            (
                1,
                Spent {
                    visited: 1,
                    comparing: 8
                }
            )
        );
        let error = budget.read(1, 512).unwrap_err();
        assert_eq!(error.code, Code::VisitedTooMuch);
    }

    #[test]
    fn a_long_text_looks_at_the_clock() {
        let mut budget = Budget::new(&Limits {
            query_ms: 0,
            ..Limits::default()
        });
        assert_eq!(budget.read(0, 100 * VISIT_BYTES), Ok(()));
        let error = budget.read(0, 28 * VISIT_BYTES).unwrap_err();
        assert_eq!(error.code, Code::TimeSpent);
    }

    #[test]
    fn time_ends_too() {
        let mut budget = Budget::new(&Limits {
            query_ms: 0,
            ..Limits::default()
        });
        let error = (0..2 * LOOK).find_map(|_| budget.visit(100).err()).unwrap();
        assert_eq!(
            (error.code, error.limit.map(|limit| limit.name)),
            (Code::TimeSpent, Some("query_ms"))
        );
    }
}
