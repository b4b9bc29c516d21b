//! Events (`licensing.md` 5.2): who may follow them, and their envelope. `stream` sends them as they happen, `feed` gives pages of them
//! to readers that pull. Both read the log beside the workers, on a view of their own, so that neither they nor the committer wait.

mod envelope;
mod feed;
mod stream;

use uuid::Uuid;

use super::problem::Problem;
use crate::access::{self, Permission, Who};
use crate::engine::StorageError;
use crate::error::Error;
use crate::graph::Graph;
use crate::model::{Event, Kind, Serial, Time};

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
