//! What a log says of seats, commit by commit: who held one at any instant, counted by nothing but the changes themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use seatgraph::engine::{Log, Way};
use seatgraph::model::{Change, Commit, Entity, Kind, Time, Value as Field};
use uuid::Uuid;

/// What the log says of one license, commit by commit.
#[derive(Default)]
pub struct Judge {
    seats: i64,
    /// Leases, each with its assignment once it hangs on one, and its end.
    leases: BTreeMap<u64, (Option<u64>, Option<i64>)>,
    /// As clients know them.
    pub ids: BTreeSet<Uuid>,
    pub granted: usize,
    pub most: usize,
    pub leased_until: i64,
}

impl Judge {
    fn field<'e>(entity: &'e Entity, name: &str) -> Option<&'e Field> {
        entity.fields().get(entity.kind.field(name)?)
    }

    /// An assignment is one holder, however many leases it has.
    fn holders(&self, at: Time) -> BTreeSet<u64> {
        let live = self
            .leases
            .values()
            .filter(|(_, until)| until.is_some_and(|until| until > at.millis()));
        live.map(|(assignment, _)| assignment.expect("an assignment")).collect()
    }

    /// All that one log holds.
    pub fn of(log: &mut dyn Log) -> Self {
        let mut judge = Self::default();
        log.walk(Way::Oldest, &mut |commit| {
            judge.hear(commit);
            ControlFlow::Continue(())
        })
        .expect("a log to walk");
        judge
    }

    fn hear(&mut self, commit: &Commit) {
        let before = self.holders(commit.at);
        for change in &commit.changes {
            match change {
                Change::Entity { before, after } => match (before, after) {
                    (_, Some(after)) if after.kind == Kind::SeatCountCredit => {
                        self.seats = Self::field(after, "seatCount")
                            .and_then(Field::as_int)
                            .expect("a count");
                    }
                    (before, Some(after)) if after.kind == Kind::Consumption => {
                        let until = Self::field(after, "grantedUntil")
                            .and_then(Field::as_time)
                            .map(Time::millis);
                        self.leases.entry(after.serial).or_default().1 = until;
                        self.ids.extend(Self::field(after, "leaseId").and_then(Field::as_uuid));
                        self.leased_until = self.leased_until.max(until.unwrap_or(0));
                        self.granted += usize::from(before.is_none());
                    }
                    (Some(before), None) if before.kind == Kind::Consumption => {
                        self.leases.remove(&before.serial);
                    }
                    _ => {}
                },
                Change::Relation { after: Some(after), .. } => {
                    if after.rel.def().to == Kind::Consumption {
                        self.leases.entry(after.to.serial).or_default().0 = Some(after.from.serial);
                    }
                }
                Change::Relation { .. } => {}
            }
        }
        let holders = self.holders(commit.at);
        self.most = self.most.max(holders.len());
        // A quota may be lowered below what is in use: then nobody new comes in, and whoever has a seat goes on in it.
        let comes_in = holders.difference(&before).next().is_some();
        assert!(
            !comes_in || holders.len() as i64 <= self.seats,
            "{} seats are held at once by leases, and there are {}: revision {}",
            holders.len(),
            self.seats,
            commit.revision
        );
    }
}
