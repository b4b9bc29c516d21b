//! License transactions (`licensing.md` 5.1): an order, by the id its seller gave it, grants licenses item by item, and may change them
//! later. What a grant and a change may be is for `entitlement`; that an order is known again is said here.
//!
//! What was ordered is kept with each license it gave, as metadata under its external id. That finds it again by an index, and goes where the
//! license goes. Where not too much comes of it, each has the whole order, which knows what was ordered as long as one license of it is left.

mod kept;
mod share;

use std::borrow::Cow;

use uuid::Uuid;

use super::refusal::{Fault, OperationError};
use super::target::owned;
use crate::access::{Action, Denied, Permission, Who};
use crate::entitlement::grant::{self, Grant};
use crate::entitlement::raised::{Numbers, Raised};
use crate::entitlement::{Refused, amend, homes};
use crate::error::Error;
use crate::graph::{Graph, Node, Transaction};
use crate::model::schema::place;
use crate::model::{Kind, Time, Value};

use kept::Found;
use share::Share;

pub use kept::KeptItem;
pub(super) use share::is_items;

const LOCK_SCOPE: u8 = place(Kind::License, "lockScope");
/// Bytes an external id may have.
const LONGEST: usize = 200;
/// Items of one transaction.
pub const ITEMS: usize = 100;

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
            false => alike("quantity", &|license| {
                share::quantity(*license, &self.item, now).map(Value::Int)
            }),
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
    let there = kept::found(tx.graph(), owner, &order.external_id);
    if !there.is_empty() {
        return again(order, &there);
    }
    let entitlement = homes::default_or_new(tx, owner)?;
    let mut items = Vec::with_capacity(order.items.len());
    for (index, item) in order.items.iter().enumerate() {
        items.push(granted(tx, who, entitlement, item, index)?);
    }
    kept::keep(tx, &order.external_id, order.order_type(), &items)?;
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
    let there = kept::found(tx.graph(), owner, &order.external_id);
    let Some(order_type) = kept::type_of(&there).map(str::to_owned) else {
        let why = Fault::TransactionMissing(order.external_id.clone());
        return Err(at("/transaction/externalId", why));
    };
    if order.order_type.as_ref().is_some_and(|sent| *sent != order_type) {
        return Err(at(
            "/transaction/type",
            Fault::TransactionDiffers(order.external_id.clone()),
        ));
    }
    let mut items = kept::done(&there);
    let mut raised = Raised::default();
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
        let done = changed(tx, item, &mut items[known], &mut raised);
        done.map_err(|refused| of_item(tx.graph(), index, item, refused))?;
    }
    raised
        .settle(tx, Numbers::Wanted)
        .map_err(|refused| at("/transaction/items", refused))?;
    kept::keep(tx, &order.external_id, &order_type, &items)?;
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
        let scopes = Kind::License.def().fields[usize::from(LOCK_SCOPE)].values;
        if let Some(scope) = &item.lock_scope
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

fn again(order: &Order, there: &[Found]) -> Result<Done, Error> {
    let items = kept::done(there);
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
    let is_same = kept::type_of(there) == Some(order.order_type())
        && items.len() == order.items.len()
        && order.items.iter().all(same);
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
        let marked = share::mark(tx, *license, kept.id);
        marked.map_err(|refused| of_item(tx.graph(), index, item, refused))?;
    }
    Ok(DoneItem { item: kept, licenses })
}

fn changed(
    tx: &mut Transaction<'_>,
    item: &OrderItem,
    done: &mut DoneItem,
    raised: &mut Raised,
) -> Result<(), Refused> {
    for license in done.licenses.clone() {
        if item.valid_from.is_some() || item.valid_until.is_some() {
            amend::validity(tx, license, item.valid_from, item.valid_until, raised)?;
        }
        if let Some(scope) = &item.lock_scope {
            let fields = tx.node(license)?.fields().with(LOCK_SCOPE, Some(Value::text(scope)));
            tx.update(license, fields)?;
        }
        // The license is asked, and not what was ordered last: its seats may be others since.
        let node = tx.node(license)?;
        match share::of(node, &done.item, tx.now())? {
            Share::Own { has, .. } | Share::All { has } if has == Some(item.quantity) => {}
            Share::Own { credits, .. } => amend::credits(tx, license, &credits, item.quantity, raised)?,
            Share::Gone(limited) => {
                amend::as_offered(tx, license, raised, |tx| {
                    grant::credit(tx, license, limited, Some(item.quantity)).map(drop)
                })?;
                share::mark(tx, license, done.item.id)?;
            }
            Share::Uncounted if item.quantity == done.item.quantity => {}
            Share::All { .. } | Share::Uncounted => amend::quota(tx, license, item.quantity, raised)?,
        }
    }
    done.item.quantity = item.quantity;
    Ok(())
}
