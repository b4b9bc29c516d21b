//! `GET /audit`: what happened, commit by commit (design 16). Who may read the log, what of it was asked for, and where a
//! page goes on. The reading itself is done in `page`, beside the workers and on a view of the log of its own, so that
//! neither they nor the committer wait for it.

mod page;

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use compact_str::CompactString;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use self::page::Filter;
use super::cursor::{Lasting, tell_next};
use super::parameters::Parameters;
use super::problem::{Problem, internal};
use super::write::beside;
use super::{Context, answered, auth};
use crate::access::Permission;
use crate::error::Error;
use crate::limits::Limit;
use crate::model::Revision;

/// How many read the log at once. Others wait their turn: whatever auditors do, they never take more than one processor from
/// the committer and the rest.
const AT_ONCE: usize = 1;

/// The longest name an operation has.
const NAME: usize = 64;

/// Turns to read the log.
pub struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Turns {
    pub(super) async fn take(&self, wait: Limit) -> Result<OwnedSemaphorePermit, Problem> {
        let turn = Arc::clone(&self.0).acquire_owned();
        match tokio::time::timeout(Duration::from_millis(wait.value), turn).await {
            Ok(turn) => turn.map_err(|_| internal("nobody reads the log any more")),
            Err(_) => Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "auditBusy",
                "others are reading the log",
            )
            .limit(wait)
            .help("nothing was read; try again in a second")),
        }
    }
}

/// Which way the log is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Oldest first.
    Ascending,
    /// Newest first.
    Descending,
}

/// Where a page begins: at a change of a commit. And where the last page ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    revision: Revision,
    /// Changes of that commit that were told on the page before.
    told: u64,
    /// The first commit that is no more asked for, in the order asked for.
    end: Revision,
}

impl Position {
    fn encode(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        for (part, number) in bytes
            .as_chunks_mut::<8>()
            .0
            .iter_mut()
            .zip([self.revision, self.told, self.end])
        {
            *part = number.to_le_bytes();
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (parts, rest) = bytes.as_chunks::<8>();
        let [revision, told, end] = parts else { return None };
        rest.is_empty().then(|| Self {
            revision: u64::from_le_bytes(*revision),
            told: u64::from_le_bytes(*told),
            end: u64::from_le_bytes(*end),
        })
    }
}

pub async fn read(context: &Context) -> Result<HttpResponse, Problem> {
    let (graph, who) = auth::enter(context).await?;
    who.require(Permission::AuditRead).map_err(Error::from)?;
    let limits = *context.limits();
    let parameters = context.parameters(&[
        "after",
        "before",
        "entity",
        "operation",
        "by",
        "order",
        "limit",
        "cursor",
    ])?;
    let filter = Filter {
        order: order(&parameters)?,
        entity: id(&parameters, "entity")?,
        operation: operation(&parameters)?,
        by: id(&parameters, "by")?,
        // By its serial: an id may be taken again.
        organization: who
            .organization
            .map(|id| graph.find(id).map_or(0, |organization| organization.serial)),
    };
    let rows = parameters.rows(&limits)?;
    let asked = filter.to_string();
    let cursors = Lasting::new(auth::bearer(context).unwrap_or_default());
    let (after, before) = (parameters.number("after")?, parameters.number("before")?);
    let from = match parameters.text("cursor") {
        Some(_) if after.is_some() || before.is_some() => {
            return Err(
                Problem::bad_request("cursorWithRange", "`cursor` and `after` or `before` are both given")
                    .parameter("cursor")
                    .help(
                        "a cursor says where to go on and where to end; send it with the other parameters as they were",
                    ),
            );
        }
        Some(cursor) => cursors
            .open(cursor, &asked)
            .and_then(|bytes| Position::decode(&bytes))
            .ok_or_else(|| {
                Problem::bad_request("badCursor", "this cursor was not given for this filter and this caller")
                    .parameter("cursor")
                    .help("send it with the parameters of the answer it came with; or begin again without one")
            })?,
        None => filter.order.range(after, before, graph.revision()),
    };
    // Nothing that is not published, which can be the case of what is durable.
    let newest = graph.revision();
    drop(graph);
    let turn = context.state.audits.take(limits.wait_ms()).await?;
    let engine = context.state.engine.clone();
    let begun = after.is_none() && parameters.text("cursor").is_none();
    let page = beside(move || {
        let _turn = turn;
        page::read(&engine, &filter, from, begun, newest, rows, &limits)
    })
    .await?;
    let mut body = page.body;
    if let Some(next) = page.next {
        // The answer ends in `}`: the cursor goes in before it.
        body.pop();
        tell_next(&mut body, &cursors.seal(&next.encode(), &asked));
        body.push(b'}');
    }
    Ok(answered(body, newest))
}

impl Order {
    /// The commits after one revision and before another.
    fn range(self, after: Option<Revision>, before: Option<Revision>, newest: Revision) -> Position {
        let (first, last) = (
            after.map_or(1, |after| after.saturating_add(1)),
            before.map_or(newest, |before| before.saturating_sub(1)),
        );
        let (revision, end) = match self {
            Self::Ascending => (first, last.saturating_add(1)),
            Self::Descending => (last.min(newest), first - 1),
        };
        Position { revision, told: 0, end }
    }
}

fn order(parameters: &Parameters) -> Result<Order, Problem> {
    match parameters.text("order") {
        None | Some("asc") => Ok(Order::Ascending),
        Some("desc") => Ok(Order::Descending),
        Some(other) => Err(Problem::bad_request("badParameter", format!("`order` is `{other}`"))
            .parameter("order")
            .help("it is `asc`, oldest first, or `desc`")),
    }
}

fn id(parameters: &Parameters, name: &str) -> Result<Option<Uuid>, Problem> {
    let parsed = |text: &str| {
        Uuid::try_parse(text).map_err(|_| {
            Problem::bad_request("badId", format!("`{text}` is not an id"))
                .parameter(name)
                .help("an id is a UUID")
        })
    };
    parameters.text(name).map(parsed).transpose()
}

/// Of the form names of operations have. One that no operation of this version has may stand in the log all the same.
fn operation(parameters: &Parameters) -> Result<Option<CompactString>, Problem> {
    let Some(name) = parameters.text("operation") else {
        return Ok(None);
    };
    let begins = name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic());
    match begins && name.len() <= NAME && name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        true => Ok(Some(name.into())),
        false => Err(Problem::bad_request("badParameter", format!("`operation` is `{name}`"))
            .parameter("operation")
            .help("it is the name of an operation, such as `Create`, `MoveLicenses` or `CreateToken`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    #[test]
    fn a_range_is_a_way_through_the_log() {
        use Order::{Ascending, Descending};
        for (order, after, before, expected) in [
            (Ascending, None, None, (1, 10)),
            (Ascending, Some(4), None, (5, 10)),
            (Ascending, Some(4), Some(6), (5, 6)),
            (Ascending, None, Some(0), (1, 1)),
            (Ascending, Some(u64::MAX), Some(u64::MAX), (u64::MAX, u64::MAX)),
            (Descending, None, None, (9, 0)),
            (Descending, Some(4), None, (9, 4)),
            (Descending, Some(4), Some(6), (5, 4)),
            (Descending, None, Some(0), (0, 0)),
            (Descending, Some(u64::MAX), Some(u64::MAX), (9, u64::MAX - 1)),
        ] {
            let Position { revision, end, .. } = order.range(after, before, 9);
            assert_eq!((revision, end), expected, "{order:?} {after:?} {before:?}");
        }
    }

    #[test]
    fn turns_are_taken_one_after_the_other() {
        let turns = Turns::default();
        let turn = |wait_ms| {
            let limits = Limits {
                wait_ms,
                ..Limits::default()
            };
            actix_web::rt::System::new().block_on(turns.take(limits.wait_ms()))
        };
        let first = turn(0).ok();
        assert!(first.is_some());
        let busy = turn(1)
            .map(drop)
            .map_err(|problem| (problem.status.as_u16(), problem.code));
        assert_eq!(busy, Err((503, "auditBusy")));
        drop(first);
        assert!(turn(0).is_ok());
    }

    #[test]
    fn a_position_is_read_as_it_is_written() {
        let position = Position {
            revision: 41,
            told: 7,
            end: u64::MAX,
        };
        assert_eq!(Position::decode(&position.encode()), Some(position));
        assert_eq!(Position::decode(&position.encode()[1..]), None);
        assert_eq!(Position::decode(&[0; 32]), None);
    }
}
