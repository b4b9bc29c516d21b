//! Where a time is in a log.

use std::ops::ControlFlow;

use super::{Log, StorageError, Way};
use crate::model::{Commit, Revision, Time};

/// The first commit at a time or after it, in a log whose times never run backwards; the one after the last, if there is none.
pub fn first_at(log: &mut dyn Log, at: Time) -> Result<Revision, StorageError> {
    let head = log.head()?;
    if head.at < at {
        return Ok(head.revision + 1);
    }
    let mut oldest = head.revision;
    log.walk(Way::Oldest, &mut |commit: &Commit| {
        oldest = commit.revision;
        ControlFlow::Break(())
    })?;
    let (mut low, mut high) = (oldest.max(1), head.revision.max(1));
    while low < high {
        let middle = low + (high - low) / 2;
        let found = log.since(middle - 1, 1)?;
        match found.first() {
            Some(commit) if commit.at < at => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

#[cfg(test)]
mod tests {
    use super::super::{Memory, Storage};
    use super::*;
    use crate::model::{Principal, Whose};

    #[test]
    fn a_time_leads_to_its_first_commit() {
        let mut store = Memory::new();
        let times = [10, 10, 20, 30, 30, 30, 40];
        for (revision, at) in (1..).zip(times) {
            store.begin().unwrap();
            let commit = Commit {
                revision,
                at: Time(at),
                by: Principal::default(),
                operation: "Test".into(),
                request_id: "r".into(),
                changes: Vec::new(),
                whose: Whose::default(),
                events: Vec::new(),
                replay: None,
            };
            store.commit(&[commit]).unwrap();
        }
        let mut log = store.logs()().unwrap();
        let mut check = |at: i64, expected: Revision| assert_eq!(first_at(&mut *log, Time(at)), Ok(expected), "{at}");
        for (at, expected) in [
            (0, 1),
            (10, 1),
            (11, 3),
            (20, 3),
            (21, 4),
            (30, 4),
            (31, 7),
            (40, 7),
            (41, 8),
        ] {
            check(at, expected);
        }
        store.forget(4);
        let mut log = store.logs()().unwrap();
        assert_eq!(first_at(&mut *log, Time(0)), Ok(5));
        let mut log = Memory::new().logs()().unwrap();
        assert_eq!(first_at(&mut *log, Time(0)), Ok(1));
    }
}
