//! Changing what a license already granted says: its validity, its quota, its use time (`graph-api.md` 3.1, `change=`).
//! What is in use is never looked at: whoever has a seat keeps it, and nobody gets a new one until it fits.

use uuid::Uuid;

use crate::graph::{Node, Transaction};
use crate::model::schema::Hop;
use crate::model::{Kind, Time, Value};

use super::grant::{self, time};
use super::raised::Raised;
use super::refused::Refused;
use super::terms::{self, Credit, Limited};
use super::{credits, ended, sale};

/// `None` keeps what there is, `Some(None)` clears it: without an end a license has none. One that had ended and goes on is
/// noted in `raised`, to be asked about as if it were sold now.
pub fn validity(
    tx: &mut Transaction<'_>,
    license: Uuid,
    from: Option<Option<Time>>,
    until: Option<Option<Time>>,
    raised: &mut Raised,
) -> Result<(), Refused> {
    let node = tx.node(license)?;
    if ended::has_ended(&node, tx.now()) {
        raised.add(license);
    }
    let terms = terms::of_license(node)?;
    // A license without a start is not valid: cleared, it starts now.
    let from = match from {
        None => time(&node, "validFrom"),
        Some(given) => Some(given.unwrap_or(tx.now())),
    };
    let until = until.unwrap_or(time(&node, "validUntil"));
    let until = match from {
        Some(from) => grant::end(from, until, &terms)?,
        None => until,
    };
    let mut fields = node.fields().to_fields();
    for (name, value) in [("validFrom", from), ("validUntil", until)] {
        if let Some(field) = Kind::License.field(name) {
            fields = fields.with(field, value.map(Value::Time));
        }
    }
    Ok(tx.update(license, fields)?)
}

/// A change by which a license may have more: that is noted in `raised`, and nobody is given more seats of an offer than it has left.
pub fn as_offered(
    tx: &mut Transaction<'_>,
    license: Uuid,
    raised: &mut Raised,
    change: impl FnOnce(&mut Transaction<'_>) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let had = sale::of_offer(tx.node(license)?, tx.now());
    change(tx)?;
    if sale::of_offer(tx.node(license)?, tx.now()) > had {
        raised.add(license);
    }
    Ok(())
}

/// The sum of the credits valid now becomes `count`, through the credit made by the grant, which is the oldest.
pub fn quota(tx: &mut Transaction<'_>, license: Uuid, count: i64, raised: &mut Raised) -> Result<(), Refused> {
    let limited = terms::of_license(tx.node(license)?)?.limited;
    if limited == Limited::UseTime {
        return Err(Refused::QuotaOfUseTime(license));
    }
    if count < 1 {
        return Err(Refused::CountNotPositive(count));
    }
    as_offered(tx, license, raised, |tx| set_sum(tx, license, limited, |_| Some(count)))
}

/// The same of seats, of which a license may also have none.
pub(super) fn seats(tx: &mut Transaction<'_>, license: Uuid, count: i64, raised: &mut Raised) -> Result<(), Refused> {
    if terms::of_license(tx.node(license)?)?.limited != Limited::Seats {
        return Err(Refused::NotBySeats(license));
    }
    as_offered(tx, license, raised, |tx| {
        set_sum(tx, license, Limited::Seats, |_| Some(count.max(0)))
    })
}

/// These credits of a license give so much together. If none of them gives anything, the first one is active again, and has no end
/// that is past; one that begins later still does.
pub fn credits(
    tx: &mut Transaction<'_>,
    license: Uuid,
    of: &[Uuid],
    amount: i64,
    raised: &mut Raised,
) -> Result<(), Refused> {
    let limited = terms::of_license(tx.node(license)?)?.limited;
    let (graph, now) = (tx.graph(), tx.now());
    let live = of.iter().filter_map(|id| graph.find(*id));
    let live = live.filter(|credit| !credits::is_over(credit, now));
    let live: Vec<Had> = live.map(|credit| Had::of(credit, limited)).collect();
    as_offered(tx, license, raised, |tx| match (live.is_empty(), of.first()) {
        (true, Some(first)) => revive(tx, *first, amount),
        _ => give(tx, &live, limited, amount - sum(&live)?),
    })
}

fn revive(tx: &mut Transaction<'_>, credit: Uuid, amount: i64) -> Result<(), Refused> {
    let node = tx.node(credit)?;
    let has_ended = time(&node, "validUntil").is_some_and(|until| until <= tx.now());
    let mut fields = node.fields().to_fields();
    if let Some(of) = Credit::of_kind(node.kind) {
        fields = fields.with(of.amount, Some(Value::Int(amount)));
        fields = fields.with(of.active, Some(Value::Bool(true)));
    }
    if let Some(field) = node.kind.field("validUntil").filter(|_| has_ended) {
        fields = fields.with(field, None);
    }
    Ok(tx.update(credit, fields)?)
}

/// How a new use time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Increment {
    /// It is the new limit; what was used still counts.
    Fair,
    /// It comes on top of the old limit.
    Append,
}

/// Milliseconds of use.
pub fn use_time(tx: &mut Transaction<'_>, license: Uuid, ms: i64, increment: Increment) -> Result<(), Refused> {
    if terms::of_license(tx.node(license)?)?.limited != Limited::UseTime {
        return Err(Refused::UseTimeOfQuota(license));
    }
    if ms < 1 {
        return Err(Refused::CountNotPositive(ms));
    }
    set_sum(tx, license, Limited::UseTime, |sum| match increment {
        Increment::Fair => Some(ms),
        Increment::Append => sum.checked_add(ms),
    })
}

/// A credit as it was before the change.
struct Had {
    id: Uuid,
    /// `None`: it has no limit.
    amount: Option<i64>,
    used: i64,
}

impl Had {
    fn of(credit: Node<'_>, limited: Limited) -> Self {
        Self {
            id: credit.id,
            amount: credit.fields().get(limited.credit().amount).and_then(Value::as_int),
            used: credits::used(&credit, limited),
        }
    }
}

fn sum(credits: &[Had]) -> Result<i64, Refused> {
    let mut finite = credits.iter().filter_map(|credit| credit.amount);
    finite.try_fold(0i64, i64::checked_add).ok_or(Refused::TooMuch)
}

/// The oldest credit takes up the difference; when it has not enough to give, the next ones give too. Credits without a
/// limit get one: the sum is a number from then on.
fn set_sum(
    tx: &mut Transaction<'_>,
    license: Uuid,
    limited: Limited,
    wanted: impl FnOnce(i64) -> Option<i64>,
) -> Result<(), Refused> {
    let now = tx.now();
    let node = tx.node(license)?;
    let credits: Vec<Had> = node
        .hop(Hop::forward(limited.credit().rel), None)
        .filter(|(credit, _)| credits::is_usable(credit, now))
        .map(|(credit, _)| Had::of(credit, limited))
        .collect();
    let sum = sum(&credits)?;
    let wanted = wanted(sum).ok_or(Refused::TooMuch)?;
    if credits.is_empty() {
        grant::credit(tx, license, limited, Some(wanted))?;
        return Ok(());
    }
    give(tx, &credits, limited, wanted - sum)
}

/// So much more, or less.
fn give(tx: &mut Transaction<'_>, credits: &[Had], limited: Limited, more: i64) -> Result<(), Refused> {
    let field = limited.credit().amount;
    for (credit, amount) in credits.iter().zip(spread(credits, more)) {
        if credit.amount != Some(amount) {
            let fields = tx.node(credit.id)?.fields().with(field, Some(Value::Int(amount)));
            tx.update(credit.id, fields)?;
        }
    }
    Ok(())
}

/// What each credit has, the oldest first, with so much more or less in all. More goes first to where more was used than
/// there is. Of less, what is unspent is taken first, and what was used only where the sum itself is below it.
fn spread(credits: &[Had], more: i64) -> Vec<i64> {
    let mut amounts: Vec<i64> = credits.iter().map(|credit| credit.amount.unwrap_or(0)).collect();
    let mut gain = more.max(0);
    for (amount, credit) in amounts.iter_mut().zip(credits) {
        let part = credit.used.saturating_sub(*amount).clamp(0, gain);
        *amount += part;
        gain -= part;
    }
    if let Some(oldest) = amounts.first_mut() {
        *oldest = oldest.saturating_add(gain);
    }
    let mut less = more.saturating_neg().max(0);
    for takes_used in [false, true] {
        for (amount, credit) in amounts.iter_mut().zip(credits) {
            let stays = if takes_used { 0 } else { credit.used };
            let part = amount.saturating_sub(stays).clamp(0, less);
            *amount -= part;
            less -= part;
        }
    }
    amounts
}
