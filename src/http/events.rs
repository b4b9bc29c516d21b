//! Events (`licensing.md` 5.2): who may follow them, and their envelope. `stream` sends them as they happen, `feed` gives pages of them
//! to readers that pull. Both read the log beside the workers, on a view of their own, so that neither they nor the committer wait.

mod envelope;
mod feed;
mod stream;

use uuid::Uuid;

use super::problem::Problem;
use crate::access::{self, Permission, Who};
use crate::engine::{Log, StorageError, Way};
use crate::error::Error;
use crate::graph::Graph;
use crate::model::{Commit, Event, Kind, Revision, Serial, Time};

pub use feed::get;
pub use stream::follow;

/// The source of what is no organization's own, and of all events together.
const SERVER: &str = "seatgraph";

/// Whose events somebody is told: all, or those of the organization a token is bound to. By its serial, since an id may be taken again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Audience {
    All,
    Of(Serial),
}

impl Audience {
    fn of(who: &Who, graph: &Graph) -> Result<Self, Problem> {
        who.require(Permission::EventRead).map_err(Error::from)?;
        Ok(match who.organization {
            None => Self::All,
            Some(id) => Self::Of(serial(graph, id).unwrap_or_default()),
        })
    }

    fn hears(self, event: &Event) -> bool {
        match self {
            Self::All => true,
            Self::Of(organization) => event.whose == Some(organization),
        }
    }

    /// A profile that is told of to others only.
    fn hides(self, graph: &Graph, id: Uuid) -> bool {
        match self {
            Self::All => false,
            Self::Of(organization) => access::hides(graph, organization, id),
        }
    }
}

fn serial(graph: &Graph, organization: Uuid) -> Option<Serial> {
    let node = graph.find(organization).filter(|node| node.kind == Kind::Organization);
    node.map(|node| node.serial)
}

/// Events that happened before are told no more.
fn horizon(now: Time) -> Time {
    Time(now.millis().saturating_sub(crate::event::KEPT_MS))
}

/// The first commit at a time or after it, in a log whose times never run backwards; the one after the last, if there is none.
fn first_at(log: &mut dyn Log, at: Time) -> Result<Revision, StorageError> {
    let head = log.head()?;
    if head.at < at {
        return Ok(head.revision + 1);
    }
    let mut oldest = head.revision;
    log.walk(Way::Oldest, &mut |commit: &Commit| {
        oldest = commit.revision;
        std::ops::ControlFlow::Break(())
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

/// As the audit says it.
fn unreadable(error: &StorageError) -> Problem {
    tracing::error!(%error, "the log cannot be read");
    Problem::new(
        actix_web::http::StatusCode::SERVICE_UNAVAILABLE,
        "logUnavailable",
        "the log cannot be read",
    )
    .help("the server's log says why, and `seatgraph verify` more")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Principal, Whose};
    use crate::storage::{Memory, Storage};

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
