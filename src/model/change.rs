//! Everything that ever happens to the graph is a list of `Change`: rules produce them, the graph applies and undoes
//! them, storage keeps them, the second copy replays them, dry runs and the audit show them.

use std::sync::Arc;

use compact_str::CompactString;

use super::{Entity, Event, Principal, Relation, Revision, Serial, Time};

/// `before` is `None`: created. `after` is `None`: removed. Never both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Entity {
        before: Option<Entity>,
        after: Option<Entity>,
    },
    Relation {
        before: Option<Arc<Relation>>,
        after: Option<Arc<Relation>>,
    },
}

/// What one write did, all or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    pub revision: Revision,
    pub at: Time,
    pub by: Principal,
    /// The operation's name, as in the audit: `MoveLicenses`, or `Create`, `Update`, `Delete`, `Import` for the generic ones.
    pub operation: CompactString,
    pub request_id: CompactString,
    pub changes: Vec<Change>,
    pub whose: Whose,
    /// What happened besides.
    pub events: Vec<Event>,
    /// The answer to repeat when the same Idempotency-Key comes again.
    pub replay: Option<Replay>,
}

/// Whose each change of a commit was: the organization whose own the changed thing was when it was changed, if it was
/// any's. Found when the commit is made, since what is removed later, or moved, tells nothing of it any more. By serials,
/// since an id may be taken again once its entity is gone.
///
/// Runs of changes with the same answer, in order; after the last run it is nobody's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whose(Box<[(u32, Option<Serial>)]>);

impl Whose {
    /// From runs as they were kept: neither empty ones, nor one at the end that says nothing.
    pub fn from_runs(runs: Vec<(u32, Option<Serial>)>) -> Option<Self> {
        let sound = runs.iter().all(|(length, _)| *length > 0) && runs.last().is_none_or(|(_, whose)| whose.is_some());
        sound.then(|| Self(runs.into()))
    }

    pub fn runs(&self) -> &[(u32, Option<Serial>)] {
        &self.0
    }

    /// One for each change, and without end.
    pub fn iter(&self) -> impl Iterator<Item = Option<Serial>> {
        let each = |(length, whose): &(u32, Option<Serial>)| std::iter::repeat_n(*whose, *length as usize);
        self.0.iter().flat_map(each).chain(std::iter::repeat(None))
    }
}

impl FromIterator<Option<Serial>> for Whose {
    fn from_iter<T: IntoIterator<Item = Option<Serial>>>(each: T) -> Self {
        let mut runs: Vec<(u32, Option<Serial>)> = Vec::new();
        for whose in each {
            match runs.last_mut() {
                Some((length, last)) if *last == whose && *length < u32::MAX => *length += 1,
                _ => runs.push((1, whose)),
            }
        }
        while runs.last().is_some_and(|(_, whose)| whose.is_none()) {
            runs.pop();
        }
        Self(runs.into())
    }
}

/// An Idempotency-Key with the fingerprint of its request and the answer it got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Whose key it is: one principal never meets another's keys.
    pub scope: CompactString,
    pub key: CompactString,
    /// SHA-256 over method, target and body; of a body that sets passwords Argon2id of that.
    pub fingerprint: [u8; 32],
    pub at: Time,
    pub status: u16,
    pub body: Arc<[u8]>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_is_kept_in_runs() {
        let (a, b) = (Some(1), Some(2));
        for (each, runs) in [
            (vec![], vec![]),
            (vec![None, None], vec![]),
            (vec![a, a, a], vec![(3, a)]),
            (vec![None, a, b, b, None], vec![(1, None), (1, a), (2, b)]),
        ] {
            let whose: Whose = each.iter().copied().collect();
            assert_eq!(whose.runs(), runs, "{each:?}");
            assert_eq!(Whose::from_runs(runs), Some(whose.clone()), "{each:?}");
            assert_eq!(whose.iter().take(each.len()).collect::<Vec<_>>(), each);
            assert_eq!(whose.iter().nth(each.len()), Some(None));
        }
        assert_eq!(Whose::from_runs(vec![(0, a)]), None);
        assert_eq!(Whose::from_runs(vec![(1, None)]), None);
    }
}
