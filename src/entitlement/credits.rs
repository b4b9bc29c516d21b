//! What a license has of what its model limits: seats, uses, milliseconds of use, in credits that each have a validity of
//! their own (`licensing.md` 2.4 and 2.5). Counts and spends; who may is decided elsewhere.

use smallvec::SmallVec;
use uuid::Uuid;

use crate::graph::{Node, Transaction, Violation};
use crate::model::schema::Hop;
use crate::model::{Entity, Time, Value};

use super::terms::{self, Limited};
use super::{model, select};

/// The ways from a license to its credits, of whatever they limit.
pub const ALL: [Hop; 3] = [
    Hop::forward(Limited::Seats.credit().rel),
    Hop::forward(Limited::UseCount.credit().rel),
    Hop::forward(Limited::UseTime.credit().rel),
];

/// What the credits that are valid now give, less what was used of it.
pub(super) struct Credits {
    /// The one that ends last first.
    each: SmallVec<[Credit; 4]>,
    /// `None`: without limit. What one is overdrawn by counts against what the others have left.
    pub total: Option<u64>,
}

#[derive(Clone, Copy)]
struct Credit {
    id: Uuid,
    end: i64,
    /// `None`: it has no limit.
    left: Option<u64>,
    used: u64,
}

impl Credit {
    /// What it gives of so much; of use time, no more than lasts from a time to its end.
    fn part(&self, wanted: u64, from: Option<i64>) -> u64 {
        let lasts = from.map_or(u64::MAX, |from| {
            u64::try_from(self.end.saturating_sub(from)).unwrap_or(0)
        });
        wanted.min(self.left.unwrap_or(u64::MAX)).min(lasts)
    }
}

impl Credits {
    pub fn of(license: Node<'_>, limited: Limited, now: Time) -> Self {
        let terms::Credit { rel, amount, used, .. } = *limited.credit();
        let mut each: SmallVec<[Credit; 4]> = SmallVec::new();
        let mut debt = 0u64;
        for (credit, _) in license.hop(Hop::forward(rel), None) {
            if !is_usable(&credit, now) {
                continue;
            }
            let number = |field: u8| credit.fields().get(field).and_then(Value::as_int);
            let positive = |number: i64| u64::try_from(number).unwrap_or(0);
            let used = used.and_then(number).map_or(0, positive);
            let amount = number(amount).map(positive);
            let left = amount.map(|amount| amount.saturating_sub(used));
            debt = debt.saturating_add(amount.map_or(0, |amount| used.saturating_sub(amount)));
            let end = select::end(&credit).map_or(i64::MAX, Time::millis);
            let id = credit.id;
            each.push(Credit { id, end, left, used });
        }
        // Stable, and gone through from its end where one is spent: of two that end together the older one gives first.
        each.reverse();
        each.sort_by_key(|credit| std::cmp::Reverse(credit.end));
        settle(&mut each, debt);
        let total = each
            .iter()
            .try_fold(0u64, |total, credit| Some(total.saturating_add(credit.left?)));
        Self { each, total }
    }

    pub fn is_empty(&self) -> bool {
        self.each.is_empty()
    }

    /// Those that are spent, the first first: the one that ends first.
    fn spent(&self) -> impl Iterator<Item = &Credit> {
        self.each.iter().rev()
    }

    /// Until when a session goes at most that takes so many uses: to the end of the credit that gives the last of them. One
    /// that takes none was paid for: to the last end of a credit that gave any.
    pub fn of_uses(&self, mut wanted: u64) -> Time {
        let payer = match wanted {
            0 => self.each.iter().find(|credit| credit.used > 0).or(self.each.first()),
            _ => self.spent().find(|credit| {
                wanted -= credit.part(wanted, None);
                wanted == 0
            }),
        };
        Time(payer.map_or(i64::MAX, |credit| credit.end))
    }

    /// Until when use time lasts that is paid for up to a time: no credit gives of what lies past its own end.
    pub fn of_time(&self, paid: Time) -> Time {
        let until = self.spent().fold(paid.millis(), |until, credit| {
            let part = credit.part(u64::MAX, Some(until));
            until.saturating_add(i64::try_from(part).unwrap_or(i64::MAX))
        });
        Time(until)
    }

    /// Until when a lease may go at most that is wanted until `until`: to the first end of a credit past which it does not
    /// fit into what the others give (`None`: without limit). It does not outlive the credit it rests on.
    pub fn lasting(&self, until: Time, fits: impl Fn(Time, Option<u64>) -> bool) -> Time {
        let mut left: SmallVec<[(i64, Option<u64>); 4]> = SmallVec::new();
        let mut sum = Some(0u64);
        for credit in &self.each {
            if left.last().is_none_or(|(last, _)| *last != credit.end) {
                left.push((credit.end, sum));
            }
            sum = sum.zip(credit.left).map(|(sum, amount)| sum.saturating_add(amount));
        }
        let before = left.iter().rev().take_while(|(end, _)| *end < until.millis());
        let first = before.copied().find(|(end, left)| !fits(Time(*end), *left));
        first.map_or(until, |(end, _)| Time(end))
    }
}

/// Where a number was lowered below what was used of it, the others give the rest, in the order in which they are spent.
fn settle(each: &mut [Credit], mut debt: u64) {
    for left in each.iter_mut().rev().filter_map(|credit| credit.left.as_mut()) {
        let part = debt.min(*left);
        *left -= part;
        debt -= part;
    }
}

/// What was used of a credit; seats are not used up.
pub(super) fn used(credit: &Entity, limited: Limited) -> i64 {
    let used = limited.credit().used.and_then(|field| credit.fields().get(field));
    used.and_then(Value::as_int).unwrap_or(0).max(0)
}

/// Is nothing left of the uses or the time that a license gives? Seats are not used up.
pub fn is_used_up(license: Node<'_>, now: Time) -> bool {
    let limited = model::of_license(license).limited;
    limited != Limited::Seats && Credits::of(license, limited, now).total == Some(0)
}

/// Active and within its validity. A credit without a start counts from the beginning.
pub fn is_usable(credit: &Entity, now: Time) -> bool {
    is_active(credit) && select::is_valid(credit, now)
}

fn is_active(credit: &Entity) -> bool {
    let active = terms::Credit::of_kind(credit.kind).and_then(|of| credit.fields().get(of.active));
    active == Some(&Value::Bool(true))
}

/// Inactive, or past its end: it gives nothing, and will not later.
pub fn is_over(credit: &Entity, now: Time) -> bool {
    !is_active(credit) || select::end(credit).is_some_and(|until| until <= now)
}

/// Takes from the credits valid now, from the one that ends first. There is enough: the decision has counted it. Use time is
/// that from a time on.
pub(super) fn spend(
    tx: &mut Transaction<'_>,
    license: Uuid,
    limited: Limited,
    mut wanted: u64,
    from: Option<Time>,
) -> Result<(), Violation> {
    let Some(field) = limited.credit().used else {
        return Ok(());
    };
    let node = tx.node(license)?;
    let credits = Credits::of(node, limited, tx.now());
    let mut from = from.map(Time::millis);
    for credit in credits.spent() {
        let part = credit.part(wanted, from);
        if part == 0 {
            continue;
        }
        let part_of_it = i64::try_from(part).unwrap_or(i64::MAX);
        let node = tx.node(credit.id)?;
        let had = node.fields().get(field).and_then(Value::as_int).unwrap_or(0);
        let fields = node
            .fields()
            .with(field, Some(Value::Int(had.saturating_add(part_of_it))));
        tx.update(credit.id, fields)?;
        from = from.map(|from| from.saturating_add(part_of_it));
        wanted -= part;
        if wanted == 0 {
            break;
        }
    }
    Ok(())
}
