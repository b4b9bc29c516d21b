//! What a license has of an item of an order: by the credits that say so, as long as there are any.

use uuid::Uuid;

use super::KeptItem;
use crate::entitlement::terms::{self, Credit, Limited};
use crate::entitlement::{Refused, credits};
use crate::graph::{Node, Transaction};
use crate::model::schema::Hop;
use crate::model::{Time, Value};

/// The credit a grant just made is the item's: of a pool, later changes touch no other's.
pub(super) fn mark(tx: &mut Transaction<'_>, license: Uuid, item: Uuid) -> Result<(), Refused> {
    let node = tx.node(license)?;
    let of = terms::of_license(node)?.limited.credit();
    let Some(field) = of.item else { return Ok(()) };
    let mut credits = node.hop(Hop::forward(of.rel), None).map(|(credit, _)| credit);
    let youngest = credits.next_back();
    let Some((id, fields)) = youngest.map(|credit| (credit.id, credit.fields().with(field, Some(Value::Uuid(item)))))
    else {
        return Ok(());
    };
    Ok(tx.update(id, fields)?)
}

/// Is it a credit of an item? Then it stays with its license: elsewhere or nowhere, PUT would give the license another one.
pub(in crate::operation) fn is_items(credit: Node<'_>) -> bool {
    let item = Credit::of_kind(credit.kind).and_then(|of| of.item);
    item.is_some_and(|item| credit.fields().get(item).is_some())
}

/// What a license has of an item of an order.
pub(super) enum Share {
    /// Credits of its own: one, or more where one that was deleted was restored beside its successor. One that is over gives nothing.
    Own { credits: Vec<Uuid>, has: Option<i64> },
    /// That credit is gone, and all there is is this item's.
    All { has: Option<i64> },
    /// That credit is gone: there is none, or those there are may be of others.
    Gone(Limited),
    /// The license is limited by use time, which no quantity says.
    Uncounted,
}

pub(super) fn of(license: Node<'_>, item: &KeptItem, now: Time) -> Result<Share, Refused> {
    let terms = terms::of_license(license)?;
    let limited = terms.limited;
    let Credit {
        rel,
        amount,
        item: Some(field),
        ..
    } = *limited.credit()
    else {
        return Ok(Share::Uncounted);
    };
    let has = |credit: Node<'_>| credit.fields().get(amount).and_then(Value::as_int);
    let credits = || license.hop(Hop::forward(rel), None).map(|(credit, _)| credit);
    let item_of = |credit: &Node<'_>| credit.fields().get(field).and_then(Value::as_uuid);
    let own = || credits().filter(|credit| item_of(credit).is_some_and(|of| item.is(of)));
    if own().next().is_some() {
        return Ok(Share::Own {
            credits: own().map(|credit| credit.id).collect(),
            has: sum(own().filter(|credit| !credits::is_over(credit, now)).map(has)),
        });
    }
    let is_others = || terms.pool || credits().any(|credit| item_of(&credit).is_some());
    if credits().next().is_none() || is_others() {
        return Ok(Share::Gone(limited));
    }
    let has = sum(credits().filter(|credit| credits::is_usable(credit, now)).map(has));
    Ok(Share::All { has })
}

/// Seats or uses the license has of the item; `None`: without limit. A license that is limited by something else has none to count, and
/// what was ordered is told.
pub(super) fn quantity(license: Node<'_>, item: &KeptItem, now: Time) -> Option<i64> {
    match of(license, item, now) {
        Ok(Share::Own { has, .. } | Share::All { has }) => has,
        Ok(Share::Gone(_)) => Some(0),
        Ok(Share::Uncounted) | Err(_) => Some(item.quantity),
    }
}

/// One without limit makes all of them so.
fn sum(mut amounts: impl Iterator<Item = Option<i64>>) -> Option<i64> {
    amounts.try_fold(0i64, |sum, amount| Some(sum.saturating_add(amount?)))
}
