//! What has ended is removed by small writes beside those of others: leases, tokens, licenses of sessions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::access::token;
use crate::engine::{Engine, Reply, Write, WriteError};
use crate::error::Error;
use crate::graph::{Graph, Transaction};
use crate::http;
use crate::model::Time;
use crate::operation::consume::{self, TIDIED};
use crate::operation::sale;

/// How often leases and tokens that have ended are looked for. They count for nothing as soon as they end: this only tidies.
const TIDYING: Duration = Duration::from_secs(5);

/// How a write that tidies is done.
#[derive(Debug, PartialEq, Eq)]
struct Pace {
    at_leisure: bool,
    /// What it removes at most.
    most: usize,
    /// What is waited before it.
    pause: Duration,
}

/// While the oldest lease ended not long ago such writes take about a third of the time, which is long where others want the
/// processors: a thousand leases a second, or so, are removed then, and more otherwise. If more end than are removed they come without
/// pauses; in the end there is no leisure either, and four times as many go at once, so that a server that begins all it can does not
/// gather them without end.
fn pace(late_ms: i64, took: Duration) -> Pace {
    let (short, long) = (Duration::from_millis(5), Duration::from_millis(250));
    let (at_leisure, most, pause) = match late_ms {
        ..30_000 => (true, TIDIED, (2 * took).clamp(short, long)),
        30_000..90_000 => (true, TIDIED, short),
        _ => (false, 4 * TIDIED, Duration::from_millis(1)),
    };
    Pace {
        at_leisure,
        most,
        pause,
    }
}

/// Clocks are corrected by less than this all the time.
const CLOCK_BEHIND_MS: u64 = 1000;

/// What is removed some time after it has ended.
struct Ended {
    operation: &'static str,
    /// For how many milliseconds something has been there that is to be removed.
    untidy_for: fn(&Graph, Time) -> Option<i64>,
    tidy: fn(&mut Transaction<'_>, usize) -> Result<(), Error>,
}

const ENDED: [Ended; 3] = [
    Ended {
        operation: "Expire",
        untidy_for: consume::untidy_for,
        tidy: consume::tidy,
    },
    Ended {
        operation: "ExpireTokens",
        // However many there are, nobody waits for them to go.
        untidy_for: |graph, now| token::is_untidy(graph, now).then_some(0),
        tidy: |tx, most| Ok(token::tidy(tx, most)?),
    },
    Ended {
        operation: "ExpireSessions",
        untidy_for: sale::sessions_untidy_for,
        tidy: |tx, most| Ok(sale::tidy_sessions(tx, most)?),
    },
];

/// Removes ended leases, tokens and licenses of sessions by small writes, with room for others in between; asks for the events of checks that met a full
/// queue; and says when the clock was set back.
pub async fn tidy(engine: Engine, state: Arc<http::State>) {
    let (mut was_behind, mut rest) = (false, TIDYING);
    loop {
        actix_web::rt::time::sleep(rest).await;
        state.tell_checks();
        let behind_ms = engine.behind();
        let is_behind = behind_ms > CLOCK_BEHIND_MS;
        if is_behind && !was_behind {
            tracing::warn!(
                behind_ms,
                "the system's clock was set back: until it comes up to the last commit no time passes"
            );
        }
        was_behind = is_behind;
        let (round, mut took) = (Instant::now(), Duration::ZERO);
        for ended in &ENDED {
            while round.elapsed() < TIDYING
                && let Some(late_ms) = untidy_for(&engine, ended)
            {
                let pace = pace(late_ms, took);
                actix_web::rt::time::sleep(pace.pause).await;
                let began = Instant::now();
                // What cannot be written now is written later; a database that failed is told of where it failed.
                if let Err(cause) = tidy_once(&engine, ended, &pace).await {
                    tracing::warn!(%cause, operation = ended.operation, "what has ended could not be removed");
                    break;
                }
                took = began.elapsed();
            }
        }
        rest = TIDYING.saturating_sub(round.elapsed());
    }
}

/// The graph is given back before anything is waited for: while one is held, the committer makes another copy.
fn untidy_for(engine: &Engine, ended: &Ended) -> Option<i64> {
    (ended.untidy_for)(&engine.snapshot(), engine.now())
}

async fn tidy_once(engine: &Engine, ended: &Ended, pace: &Pace) -> Result<(), WriteError<Error>> {
    let write = Write {
        operation: ended.operation.into(),
        ..Write::default()
    };
    let (tidy, most) = (ended.tidy, pace.most);
    let run = move |tx: &mut Transaction<'_>| {
        tidy(tx, most)?;
        Ok(Reply::empty())
    };
    match pace.at_leisure {
        true => engine.write_aside(write, run).await,
        false => engine.write_promptly(write, run).await,
    }
    .map(drop)
}

#[cfg(test)]
mod tests {
    use actix_web::rt::System;

    use super::*;
    use crate::access::Who;
    use crate::engine;
    use crate::graph::Kept;
    use crate::limits::Limits;
    use crate::model::schema::known;
    use crate::model::{Clock, Kind, RelationType};
    use crate::storage::Memory;

    /// A clock at the beginning of time, and a store in which this was written then.
    fn opened(
        written: impl FnOnce(&mut Transaction<'_>) -> Result<Reply, Error> + Send + 'static,
    ) -> (Arc<Clock>, Engine) {
        let clock = Arc::new(Clock::frozen(Time(0)));
        let options = engine::Options::default();
        let engine = Engine::open(Box::new(Memory::new()), Arc::clone(&clock), options, |_| ());
        let engine = engine.expect("an empty store");
        assert!(engine.write_blocking(Write::default(), written).is_ok());
        (clock, engine)
    }

    /// For how long there is something to remove at a time, and then the graph without at most so much of it.
    fn checked(
        (clock, engine): &(Arc<Clock>, Engine),
        ended: &Ended,
        at: i64,
        most: usize,
        untidy: Option<i64>,
    ) -> Arc<Graph> {
        clock.set(Time(at));
        assert_eq!(untidy_for(engine, ended), untidy, "{at}");
        let pace = Pace {
            at_leisure: true,
            most,
            pause: Duration::ZERO,
        };
        assert!(System::new().block_on(tidy_once(engine, ended, &pace)).is_ok());
        engine.snapshot()
    }

    /// A month after its end a token goes, and one that has no end stays.
    #[test]
    fn tokens_that_ended_long_ago_are_removed() {
        const DAY_MS: i64 = 24 * 60 * 60 * 1000;
        let world = opened(|tx| {
            for days in [None, Some(1), Some(2), Some(2)] {
                let new = token::NewToken {
                    permissions: vec!["*.read".to_owned()],
                    expires: days.map(|days| Time(days * DAY_MS)),
                    ..token::NewToken::default()
                };
                token::create(tx, &Who::server(), &new)?;
            }
            Ok(Reply::empty())
        });
        let [_, ended, _] = &ENDED;
        let check = |at: i64, most: usize, untidy: Option<i64>, left: usize| {
            let graph = checked(&world, ended, at, most, untidy);
            assert_eq!(graph.of_kind(Kind::Token, None).count(), left, "{at}");
        };
        check(31 * DAY_MS - 1, 9, None, 4);
        check(31 * DAY_MS, 9, Some(0), 3);
        check(40 * DAY_MS, 1, Some(0), 2);
        check(40 * DAY_MS, 9, Some(0), 1);
        check(4000 * DAY_MS, 9, None, 1);
        world.1.close();
    }

    /// Nobody whose session it was comes again.
    #[test]
    fn licenses_of_sessions_that_have_ended_are_removed() {
        let world = opened(|tx| {
            let mut made = |kind: Kind, name: &str| {
                let id = tx.new_id();
                let field = kind.field(name).expect("a field");
                let fields = [(field, crate::model::Value::text("it"))].into_iter().collect();
                tx.create(id, kind, fields, Kept::default()).map(|()| id)
            };
            made(Kind::Organization, "name")?;
            let (offer, item) = (made(Kind::ProductPackage, "title")?, made(Kind::LicensedItem, "name")?);
            let items = known(RelationType::ManyToMany, Kind::ProductPackage, Kind::LicensedItem);
            tx.relate(items, offer, item, crate::model::Fields::default())?;
            for user in ["ann", "bob", "cid"] {
                let spec = || sale::Spec {
                    offer: "it".to_owned(),
                    ..sale::Spec::default()
                };
                let session = sale::Session {
                    site: "it".to_owned(),
                    user: user.to_owned(),
                    temporary: vec![spec()],
                    permanent: vec![spec()],
                    ..sale::Session::default()
                };
                let begun = sale::Change::Begin(session).run(tx, &Who::server(), &Limits::default());
                assert!(begun.is_ok(), "{begun:?}");
            }
            Ok(Reply::empty())
        });
        let [_, _, ended] = &ENDED;
        let check = |at: i64, untidy: Option<i64>, left: usize| {
            let graph = checked(&world, ended, at, 2, untidy);
            assert_eq!(graph.of_kind(Kind::License, None).count(), left, "{at}");
            assert_eq!(graph.of_kind(Kind::Assignment, None).count(), left, "{at}");
        };
        check(3_599_999, None, 6);
        check(3_600_000, Some(0), 4);
        check(3_600_500, Some(500), 3);
        check(9_999_999, None, 3);
        world.1.close();
    }

    #[test]
    fn what_ended_long_ago_is_removed_faster() {
        let check = |late_ms, took, (at_leisure, most, pause)| {
            let expected = Pace {
                at_leisure,
                most,
                pause: Duration::from_millis(pause),
            };
            assert_eq!(pace(late_ms, Duration::from_millis(took)), expected, "{late_ms} {took}");
        };
        check(0, 0, (true, 32, 5));
        // A third of the time, whatever it waited for.
        check(29_999, 20, (true, 32, 40));
        check(29_999, 60_000, (true, 32, 250));
        check(30_000, 20, (true, 32, 5));
        check(90_000, 20, (false, 128, 1));
    }
}
