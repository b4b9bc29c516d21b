//! License transactions (`licensing.md` 5.1): an order, by the id its seller gave it, grants licenses item by item, and may change them
//! later. What a grant and a change may be is for `entitlement`; that an order is known again is said here.
//!
//! What was ordered is kept with each license it gave, as metadata under its external id. That finds it again by an index, and goes where the
//! license goes. Where not too much comes of it, each has the whole order, which knows what was ordered as long as one license of it is left.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::refusal::{Fault, OperationError};
use super::target::owned;
use crate::access::{Action, Denied, Permission, Who};
use crate::entitlement::grant::{self, Grant};
use crate::entitlement::terms::{self, Credit, Limited};
use crate::entitlement::{Refused, amend, credits, homes, notes};
use crate::error::Error;
use crate::graph::{Graph, Kept, Node, Transaction, Violation};
use crate::model::schema::{Hop, place};
use crate::model::{Fields, Kind, Time, Value, rel};

const KEY: u8 = place(Kind::LicenseMetadata, "key");
const TEXT: u8 = place(Kind::LicenseMetadata, "value");

/// Bytes an external id may have.
const LONGEST: usize = 200;
/// Items of one transaction.
pub const ITEMS: usize = 100;
/// Items in the notes that have all of an order: each item more is one more in each of them.
const NOTED: usize = 10_000;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Order {
    pub external_id: String,
    /// `None` leaves what it is, or is `unspecified`.
    pub order_type: Option<String>,
    pub items: Vec<OrderItem>,
}

impl Order {
    fn order_type(&self) -> &str {
        self.order_type.as_deref().unwrap_or("unspecified")
    }
}

#[derive(Clone, Debug)]
pub struct OrderItem {
    pub external_id: String,
    /// The product package.
    pub product: Uuid,
    pub quantity: i64,
    /// `None` leaves what there is, or now; `Some(None)` clears.
    pub valid_from: Option<Option<Time>>,
    pub valid_until: Option<Option<Time>>,
    pub lock_scope: Option<String>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    pub order_type: String,
    pub items: Vec<DoneItem>,
    /// False if it was there already, just so.
    pub is_new: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoneItem {
    pub item: KeptItem,
    /// Those that are left of it.
    pub licenses: Vec<Uuid>,
}

/// What the licenses of an item have now, which others may have changed since. What they have not alike is none here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    pub quantity: Option<i64>,
    pub valid_from: Option<Time>,
    pub valid_until: Option<Time>,
    pub lock_scope: Option<String>,
    /// The members in which they differ.
    pub differing: Vec<&'static str>,
}

impl DoneItem {
    pub fn terms(&self, graph: &Graph, now: Time) -> Terms {
        let licenses: Vec<Node<'_>> = self.licenses.iter().filter_map(|id| graph.find(*id)).collect();
        let mut differing = Vec::new();
        let mut alike = |member: &'static str, of: &dyn Fn(&Node<'_>) -> Option<Value>| {
            let mut values = licenses.iter().map(of);
            let first = values.next().flatten();
            if values.any(|value| value != first) {
                differing.push(member);
                return None;
            }
            first
        };
        let field =
            |name: &'static str| move |license: &Node<'_>| license.fields().get(Kind::License.field(name)?).cloned();
        let quantity = match licenses.is_empty() {
            true => Some(Value::Int(0)),
            false => alike("quantity", &|license| self.quantity(*license, now).map(Value::Int)),
        };
        let valid_from = alike("licenseValidFrom", &field("validFrom"));
        let valid_until = alike("licenseValidUntil", &field("validUntil"));
        let lock_scope = alike("lockScope", &field("lockScope"));
        Terms {
            quantity: quantity.as_ref().and_then(Value::as_int),
            valid_from: valid_from.as_ref().and_then(Value::as_time),
            valid_until: valid_until.as_ref().and_then(Value::as_time),
            lock_scope: lock_scope.as_ref().and_then(Value::as_text).map(str::to_owned),
            differing,
        }
    }

    /// Seats or uses the license has of the item; `None`: without limit. A license that is limited by something else has none to count, and
    /// what was ordered is told.
    fn quantity(&self, license: Node<'_>, now: Time) -> Option<i64> {
        match share(license, &self.item, now) {
            Ok(Share::Own { has, .. } | Share::All { has }) => has,
            Ok(Share::Gone(_)) => Some(0),
            Ok(Share::Uncounted) | Err(_) => Some(self.item.quantity),
        }
    }
}

/// As it was ordered last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptItem {
    pub id: Uuid,
    pub external_id: String,
    pub product_id: Uuid,
    pub quantity: i64,
    /// The ids it had before it was taken back and ordered anew, where a license of then was restored: its credit is of those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub was: Vec<Uuid>,
}

impl KeptItem {
    fn is(&self, id: Uuid) -> bool {
        self.id == id || self.was.contains(&id)
    }

    /// Of the same external id.
    fn joins(&mut self, other: &Self) {
        for id in std::iter::once(other.id).chain(other.was.iter().copied()) {
            if !self.is(id) {
                self.was.push(id);
            }
        }
    }
}

/// As it is kept with a license.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeptOrder {
    #[serde(rename = "type")]
    order_type: String,
    items: Vec<KeptItem>,
    /// The items that the license is of. Notes that were written before it was said have no others.
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<Vec<Uuid>>,
}

/// What is about one part of the body.
fn at(pointer: impl Into<Cow<'static, str>>, why: impl Into<Fault>) -> Error {
    OperationError::at(pointer, why.into()).into()
}

/// With the member it is about, if that was sent: else the item.
fn of_item(graph: &Graph, index: usize, item: &OrderItem, refused: Refused) -> Error {
    let validity = if item.valid_until.is_some() {
        "/licenseValidUntil"
    } else if item.valid_from.is_some() {
        "/licenseValidFrom"
    } else {
        ""
    };
    let mut member = match &refused {
        Refused::PackageInactive(_)
        | Refused::PackageNotYetValid(_)
        | Refused::PackageExpired(_)
        | Refused::PackageEmpty(_) => "/productId",
        Refused::EndBeforeStart | Refused::ValidityTooLong { .. } => validity,
        Refused::CountNotPositive(_) | Refused::QuotaOfUseTime(_) | Refused::TooMuch => "/quantity",
        _ => "",
    };
    let pooled = match &refused {
        Refused::ValidityDiffers(license) => graph.find(*license),
        _ => None,
    };
    let why = match pooled {
        Some(pooled) => {
            let time = |name: &str| pooled.fields().get(Kind::License.field(name)?).and_then(Value::as_time);
            let (from, until) = (time("validFrom"), time("validUntil"));
            if item.valid_until.is_some_and(|sent| sent != until) {
                member = "/licenseValidUntil";
            } else if item.valid_from.is_some_and(|sent| sent.is_some() && sent != from) {
                member = "/licenseValidFrom";
            }
            let (license, until) = (pooled.id, shown(until));
            let from = shown(from);
            let help = format!("it has `licenseValidFrom` {from} and `licenseValidUntil` {until}: order the same");
            Fault::ValidityDiffers { license, help }
        }
        None => refused.into(),
    };
    at(format!("/transaction/items/{index}{member}"), why)
}

fn shown(time: Option<Time>) -> String {
    time.map_or_else(|| "null".to_owned(), |time| time.to_string())
}

/// POST: grants. The same order again, by its external id, grants nothing more; another one by that id is refused.
pub fn create(tx: &mut Transaction<'_>, who: &Who, owner: (Kind, Uuid), order: &Order) -> Result<Done, Error> {
    who.require(Permission::Kind(Kind::License, Action::Create))?;
    let owner = prepare(tx.graph(), who, owner, order)?;
    let there = found(tx.graph(), owner, &order.external_id);
    if !there.is_empty() {
        return again(order, &there);
    }
    let entitlement = homes::default_or_new(tx, owner)?;
    let mut items = Vec::with_capacity(order.items.len());
    for (index, item) in order.items.iter().enumerate() {
        items.push(granted(tx, who, entitlement, item, index)?);
    }
    keep(tx, &order.external_id, order.order_type(), &items)?;
    Ok(Done {
        order_type: order.order_type().to_owned(),
        items,
        is_new: true,
    })
}

/// PUT: changes the licenses of the items it names, and grants the items that are new; the others stay. A license that was deleted was
/// taken back: it does not come again, be it the only one of its item or not.
pub fn update(tx: &mut Transaction<'_>, who: &Who, owner: (Kind, Uuid), order: &Order) -> Result<Done, Error> {
    who.require(Permission::Kind(Kind::License, Action::Update))?;
    let owner = prepare(tx.graph(), who, owner, order)?;
    let there = found(tx.graph(), owner, &order.external_id);
    let Some(order_type) = type_of(&there).map(str::to_owned) else {
        let why = Fault::TransactionMissing(order.external_id.clone());
        return Err(at("/transaction/externalId", why));
    };
    if order.order_type.as_ref().is_some_and(|sent| *sent != order_type) {
        return Err(at(
            "/transaction/type",
            Fault::TransactionDiffers(order.external_id.clone()),
        ));
    }
    let mut items = done(&there);
    for (index, item) in order.items.iter().enumerate() {
        let known = items
            .iter()
            .position(|known| known.item.external_id == item.external_id);
        let Some(known) = known else {
            who.require(Permission::Kind(Kind::License, Action::Create))?;
            let entitlement = homes::default_or_new(tx, owner)?;
            items.push(granted(tx, who, entitlement, item, index)?);
            continue;
        };
        if items[known].item.product_id != item.product {
            let why = Fault::TransactionDiffers(order.external_id.clone());
            return Err(at(format!("/transaction/items/{index}/productId"), why));
        }
        let done = changed(tx, item, &mut items[known]);
        done.map_err(|refused| of_item(tx.graph(), index, item, refused))?;
    }
    keep(tx, &order.external_id, &order_type, &items)?;
    Ok(Done {
        order_type,
        items,
        is_new: false,
    })
}

/// Whose it is, and whether the order can be understood.
fn prepare(graph: &Graph, who: &Who, (kind, id): (Kind, Uuid), order: &Order) -> Result<Uuid, Error> {
    let owner = owned(graph, who, kind, id, "owner")?.id;
    // What a person owns is in no organization's reach.
    if kind == Kind::Profile && who.organization.is_some() {
        return Err(Denied::ReadOnly(id).into());
    }
    let fits = |text: &str| (1..=LONGEST).contains(&text.len()) && !text.chars().any(char::is_control);
    if !fits(&order.external_id) {
        return Err(at("/transaction/externalId", Fault::ExternalIdUnfit));
    }
    if !(1..=ITEMS).contains(&order.items.len()) {
        return Err(at("/transaction/items", Fault::ItemCount(order.items.len())));
    }
    for (index, item) in order.items.iter().enumerate() {
        let pointer = |member: &str| format!("/transaction/items/{index}/{member}");
        let before = &order.items[..index];
        if !fits(&item.external_id) || before.iter().any(|other| other.external_id == item.external_id) {
            return Err(at(pointer("externalId"), Fault::ExternalIdUnfit));
        }
        let scopes = Kind::License
            .field("lockScope")
            .map(|field| Kind::License.def().fields[usize::from(field)].values);
        if let (Some(scope), Some(scopes)) = (&item.lock_scope, scopes)
            && !scopes.contains(&scope.as_str())
        {
            let (value, wanted) = (super::shown(scope), format!("it is one of {}", scopes.join(", ")));
            return Err(at(pointer("lockScope"), Fault::Mistyped { value, wanted }));
        }
        if item.quantity < 1 {
            return Err(of_item(graph, index, item, Refused::CountNotPositive(item.quantity)));
        }
    }
    Ok(owner)
}

/// A license of a transaction, and what is kept with it.
struct Found {
    license: Uuid,
    order: KeptOrder,
    /// When that was written.
    updated: Time,
}

fn key(external_id: &str) -> Value {
    Value::text(&format!("{}{external_id}", notes::ORDER))
}

/// The licenses that have a note of this key, with it.
fn noted<'g>(graph: &'g Graph, key: &Value) -> impl Iterator<Item = (Node<'g>, Node<'g>)> {
    let notes = graph.by_value(Kind::LicenseMetadata, KEY, key, None);
    notes.filter_map(|note| Some((note.parent(rel::NOTES)?, note)))
}

/// In order of the licenses.
fn found(graph: &Graph, owner: Uuid, external_id: &str) -> Vec<Found> {
    let mut all: Vec<(u64, Found)> = noted(graph, &key(external_id))
        .filter_map(|(license, note)| {
            let of = license.parent(rel::LICENSES).and_then(homes::owner)?;
            let order = serde_json::from_str(note.fields().get(TEXT)?.as_text()?).ok()?;
            let found = Found {
                license: license.id,
                order,
                updated: note.updated,
            };
            (of.id == owner).then_some((license.serial, found))
        })
        .collect();
    all.sort_by_key(|(serial, _)| *serial);
    all.into_iter().map(|(_, found)| found).collect()
}

/// What was written last, as of items.
fn type_of(there: &[Found]) -> Option<&str> {
    let last = there.iter().rev().max_by_key(|found| found.updated);
    last.map(|found| found.order.order_type.as_str())
}

/// The items of a transaction, one an external id, each with the licenses that are left of it. What was written last of an item is so:
/// a license that was restored has an older note, perhaps of before the order was taken back and given anew.
fn done(there: &[Found]) -> Vec<DoneItem> {
    let mut items: Vec<(Time, DoneItem)> = Vec::new();
    let mut known: HashMap<&str, usize> = HashMap::new();
    for Found {
        license,
        order,
        updated,
    } in there
    {
        for item in &order.items {
            let at = *known.entry(&item.external_id).or_insert(items.len());
            if at == items.len() {
                let done = DoneItem {
                    item: item.clone(),
                    licenses: Vec::new(),
                };
                items.push((*updated, done));
            }
            let (said, done) = &mut items[at];
            if *said < *updated {
                *said = *updated;
                let earlier = std::mem::replace(&mut done.item, item.clone());
                done.item.joins(&earlier);
            } else {
                done.item.joins(item);
            }
            let is_of = order.of.as_ref().is_none_or(|of| of.contains(&item.id));
            if is_of && done.licenses.last() != Some(license) {
                done.licenses.push(*license);
            }
        }
    }
    items.into_iter().map(|(_, done)| done).collect()
}

fn again(order: &Order, there: &[Found]) -> Result<Done, Error> {
    let items = done(there);
    let same = |item: &OrderItem| {
        items.iter().any(|known| {
            let KeptItem {
                external_id,
                product_id,
                quantity,
                ..
            } = &known.item;
            (external_id, product_id, quantity) == (&item.external_id, &item.product, &item.quantity)
        })
    };
    let is_same =
        type_of(there) == Some(order.order_type()) && items.len() == order.items.len() && order.items.iter().all(same);
    if !is_same {
        let why = Fault::TransactionDiffers(order.external_id.clone());
        return Err(at("/transaction/externalId", why));
    }
    Ok(Done {
        order_type: order.order_type().to_owned(),
        items,
        is_new: false,
    })
}

fn granted(
    tx: &mut Transaction<'_>,
    who: &Who,
    entitlement: Uuid,
    item: &OrderItem,
    index: usize,
) -> Result<DoneItem, Error> {
    let package = tx
        .graph()
        .find(item.product)
        .filter(|node| node.kind == Kind::ProductPackage);
    let seen = package.is_some_and(|node| crate::access::View::new(tx.graph(), who).reaches(node));
    if !seen {
        let why = Fault::TargetNotFound {
            kind: Kind::ProductPackage,
            id: Some(item.product),
        };
        return Err(at(format!("/transaction/items/{index}/productId"), why));
    }
    let wanted = Grant {
        package: item.product,
        entitlement,
        count: Some(item.quantity),
        use_time: None,
        valid_from: item.valid_from.flatten(),
        valid_until: item.valid_until.flatten(),
        lock_scope: item.lock_scope.as_deref(),
        metadata: &[],
    };
    let licenses = grant::grant(tx, &wanted);
    let licenses = licenses.map_err(|refused| of_item(tx.graph(), index, item, refused))?;
    let kept = KeptItem {
        id: tx.new_id(),
        external_id: item.external_id.clone(),
        product_id: item.product,
        quantity: item.quantity,
        was: Vec::new(),
    };
    for license in &licenses {
        let marked = mark_credit(tx, *license, kept.id);
        marked.map_err(|refused| of_item(tx.graph(), index, item, refused))?;
    }
    Ok(DoneItem { item: kept, licenses })
}

/// The credit a grant just made is the item's: of a pool, later changes touch no other's.
fn mark_credit(tx: &mut Transaction<'_>, license: Uuid, item: Uuid) -> Result<(), Refused> {
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
pub(super) fn is_items(credit: Node<'_>) -> bool {
    let item = Credit::of_kind(credit.kind).and_then(|of| of.item);
    item.is_some_and(|item| credit.fields().get(item).is_some())
}

/// What a license has of an item of an order.
enum Share {
    /// Credits of its own: one, or more where one that was deleted was restored beside its successor. One that is over gives nothing.
    Own { credits: Vec<Uuid>, has: Option<i64> },
    /// That credit is gone, and all there is is this item's.
    All { has: Option<i64> },
    /// That credit is gone: there is none, or those there are may be of others.
    Gone(Limited),
    /// The license is limited by use time, which no quantity says.
    Uncounted,
}

fn share(license: Node<'_>, item: &KeptItem, now: Time) -> Result<Share, Refused> {
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
    let of = |credit: &Node<'_>| credit.fields().get(field).and_then(Value::as_uuid);
    let own = || credits().filter(|credit| of(credit).is_some_and(|of| item.is(of)));
    if own().next().is_some() {
        return Ok(Share::Own {
            credits: own().map(|credit| credit.id).collect(),
            has: sum(own().filter(|credit| !credits::is_over(credit, now)).map(has)),
        });
    }
    let is_others = || terms.pool || credits().any(|credit| of(&credit).is_some());
    if credits().next().is_none() || is_others() {
        return Ok(Share::Gone(limited));
    }
    let has = sum(credits().filter(|credit| credits::is_usable(credit, now)).map(has));
    Ok(Share::All { has })
}

/// One without limit makes all of them so.
fn sum(mut amounts: impl Iterator<Item = Option<i64>>) -> Option<i64> {
    amounts.try_fold(0i64, |sum, amount| Some(sum.saturating_add(amount?)))
}

/// What is written down with each license: what of the order it is, and of as many as `NOTED` allows all that was ordered, or the notes
/// would grow by items times licenses. The first license of each item comes first, then the second ones: what is taken back item by item
/// leaves those of the others.
fn written(order_type: &str, items: &[DoneItem]) -> Vec<(Uuid, KeptOrder)> {
    /// Where the license stands among those of an item, and which items it is of.
    struct Of {
        license: Uuid,
        rank: usize,
        items: Vec<usize>,
    }
    let mut licenses: Vec<Of> = Vec::new();
    let mut known: HashMap<Uuid, usize> = HashMap::new();
    for (index, done) in items.iter().enumerate() {
        for (rank, license) in done.licenses.iter().enumerate() {
            let at = *known.entry(*license).or_insert(licenses.len());
            if at == licenses.len() {
                licenses.push(Of {
                    license: *license,
                    rank,
                    items: Vec::new(),
                });
            }
            licenses[at].rank = licenses[at].rank.min(rank);
            licenses[at].items.push(index);
        }
    }
    licenses.sort_by_key(|of| of.rank);
    let whole = NOTED / items.len().max(1);
    let kept = licenses.into_iter().enumerate().map(|(place, of)| {
        let own = || of.items.iter().map(|index| &items[*index].item);
        let kept = KeptOrder {
            order_type: order_type.to_owned(),
            items: if place < whole {
                items.iter().map(|done| done.item.clone()).collect()
            } else {
                own().cloned().collect()
            },
            of: Some(own().map(|item| item.id).collect()),
        };
        (of.license, kept)
    });
    kept.collect()
}

/// A note that says the same already is left as it is.
fn keep(tx: &mut Transaction<'_>, external_id: &str, order_type: &str, items: &[DoneItem]) -> Result<(), Violation> {
    let key = key(external_id);
    let noted: HashMap<Uuid, Uuid> = noted(tx.graph(), &key)
        .map(|(license, note)| (license.id, note.id))
        .collect();
    for (license, kept) in written(order_type, items) {
        let text = Value::text(&serde_json::to_string(&kept).unwrap_or_default());
        if let Some(note) = noted.get(&license).and_then(|note| tx.graph().find(*note)) {
            let (id, fields) = (note.id, note.fields().with(TEXT, Some(text)));
            tx.update(id, fields)?;
            continue;
        }
        let id = tx.new_id();
        let fields: Fields = [(KEY, key.clone()), (TEXT, text)].into_iter().collect();
        tx.create(id, Kind::LicenseMetadata, fields, Kept::default())?;
        tx.relate(rel::NOTES, license, id, Fields::default())?;
    }
    Ok(())
}

fn changed(tx: &mut Transaction<'_>, item: &OrderItem, done: &mut DoneItem) -> Result<(), Refused> {
    for license in done.licenses.clone() {
        if item.valid_from.is_some() || item.valid_until.is_some() {
            amend::validity(tx, license, item.valid_from, item.valid_until)?;
        }
        if let (Some(scope), Some(field)) = (&item.lock_scope, Kind::License.field("lockScope")) {
            let node = tx.node(license)?;
            let fields = node.fields().with(field, Some(Value::text(scope)));
            tx.update(license, fields)?;
        }
        // The license is asked, and not what was ordered last: its seats may be others since.
        let node = tx.node(license)?;
        match share(node, &done.item, tx.now())? {
            Share::Own { has, .. } | Share::All { has } if has == Some(item.quantity) => {}
            Share::Own { credits, .. } => amend::credits(tx, license, &credits, item.quantity)?,
            Share::Gone(limited) => {
                amend::as_offered(tx, license, |tx| {
                    grant::credit(tx, license, limited, Some(item.quantity)).map(drop)
                })?;
                mark_credit(tx, license, done.item.id)?;
            }
            Share::Uncounted if item.quantity == done.item.quantity => {}
            Share::All { .. } | Share::Uncounted => amend::quota(tx, license, item.quantity)?,
        }
    }
    done.item.quantity = item.quantity;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(items: usize, licenses: usize) -> Vec<DoneItem> {
        let item = |index: usize| DoneItem {
            item: KeptItem {
                id: Uuid::from_u64_pair(1, index as u64),
                external_id: index.to_string(),
                product_id: Uuid::nil(),
                quantity: 1,
                was: Vec::new(),
            },
            licenses: (0..licenses)
                .map(|license| Uuid::from_u64_pair(2, (index * licenses + license) as u64))
                .collect(),
        };
        (0..items).map(item).collect()
    }

    #[test]
    fn notes_are_bounded_however_long_an_order_is() {
        fn check(items: usize, licenses: usize, whole: usize) {
            let mut order = ordered(items, licenses);
            let before = written("Order", &order);
            let of = |note: &KeptOrder| note.of.as_ref().map_or(0, Vec::len);
            assert_eq!(before.len(), items * licenses);
            assert!(before.iter().all(|(_, note)| of(note) == 1));
            let all: usize = before.iter().map(|(_, note)| note.items.len()).sum();
            assert_eq!(
                all,
                whole * items + (items * licenses - whole),
                "{items} of {licenses} licenses"
            );
            order[0].item.quantity = 2;
            let after = written("Order", &order);
            let changed = before.iter().zip(&after).filter(|(before, after)| before != after);
            assert!(
                changed.count() <= whole + licenses,
                "{items} items of {licenses} licenses"
            );
            // Each item has one that knows the whole order, where there are so many.
            let known = |item: &DoneItem| {
                let mut notes = after[..whole].iter();
                notes.any(|(license, _)| item.licenses.contains(license))
            };
            assert_eq!(order.iter().filter(|item| known(item)).count(), whole.min(items));
        }
        check(1, 50, 50);
        check(100, 1, 100);
        check(100, 50, 100);
        check(20, 50, 500);
        check(101, 2, 99);
        check(10_001, 1, 0);
    }

    #[test]
    fn the_later_of_two_notes_is_believed() {
        fn check(times: [i64; 2], quantities: &[i64]) {
            let now = ordered(2, 2);
            let mut earlier = now.clone();
            earlier.truncate(1);
            earlier[0].item.quantity = 7;
            let orders = [written("Order", &earlier), written("Order", &now)];
            let there: Vec<Found> = orders
                .iter()
                .zip(times)
                .enumerate()
                .map(|(at, (notes, time))| {
                    let (license, order) = notes[at * 2].clone();
                    let updated = Time(time);
                    Found {
                        license,
                        order,
                        updated,
                    }
                })
                .collect();
            let told = done(&there).iter().map(|done| done.item.quantity).collect::<Vec<_>>();
            assert_eq!(told, quantities, "{times:?}");
        }
        check([1, 2], &[1, 1]);
        check([2, 1], &[7, 1]);
        check([1, 1], &[7, 1]);
    }
}
