//! Granting a package: one license for each of its licensed items, with the credit its model asks for (`licensing.md` 3,
//! `graph-api.md` 3.1). Who may grant, and to whom, was decided before.

use uuid::Uuid;

use crate::graph::{Kept, Node, Transaction, Violation};
use crate::model::schema::{Hop, place};
use crate::model::{Entity, Fields, Kind, Rel, Time, Value, rel};

use super::refused::Refused;
use super::terms::{self, Limited, Terms};
use super::{matching, notes};

const VALID_FROM: u8 = place(Kind::License, "validFrom");
const VALID_UNTIL: u8 = place(Kind::License, "validUntil");
const ACTIVE: u8 = place(Kind::License, "active");
const LOCK_SCOPE: u8 = place(Kind::License, "lockScope");

/// What is granted, and how much of it.
#[derive(Clone, Debug, Default)]
pub struct Grant<'a> {
    pub package: Uuid,
    /// Where the licenses go.
    pub entitlement: Uuid,
    /// Seats or uses; the model's default, else 1.
    pub count: Option<i64>,
    /// Milliseconds, where the model limits use time: none until somebody says how much.
    pub use_time: Option<i64>,
    /// Now, if it is not said: a license without a start is not valid.
    pub valid_from: Option<Time>,
    pub valid_until: Option<Time>,
    pub lock_scope: Option<&'a str>,
    /// Kept with each license.
    pub metadata: &'a [(&'a str, &'a str)],
}

/// The licenses, one an item of the package in order of the items: new ones, or those a pool had already.
pub fn grant(tx: &mut Transaction<'_>, grant: &Grant<'_>) -> Result<Vec<Uuid>, Refused> {
    let now = tx.now();
    let package = tx.node(grant.package)?;
    is_on_sale(package, now)?;
    let items: Vec<Uuid> = package
        .hop(Hop::forward(rel::ITEMS), None)
        .map(|(item, _)| item.id)
        .collect();
    if items.is_empty() {
        return Err(Refused::PackageEmpty(package.id));
    }
    let model = package.parent(rel::PACKAGES);
    let terms = terms::of_model(model)?;
    let model = model.map(|model| model.id);
    let count = grant.count.or(terms.default_count).unwrap_or(1);
    // A default of 0 is a model that sells nothing without being asked how much.
    if count < 1 {
        return Err(Refused::CountNotPositive(count));
    }
    let amount = match terms.limited {
        Limited::Seats | Limited::UseCount => count,
        Limited::UseTime => grant.use_time.unwrap_or(0),
    };
    if terms.locks_trials && grant.lock_scope.is_none() {
        return Err(Refused::LockScopeRequired);
    }
    let valid_from = grant.valid_from.unwrap_or(now);
    let valid_until = end(valid_from, grant.valid_until, &terms)?;
    let mut licenses = Vec::with_capacity(items.len());
    for item in items {
        let pooled = if terms.pool {
            pooled(tx, grant, item, model, valid_until, &terms)?
        } else {
            None
        };
        let license = match pooled {
            Some(license) => license,
            None => {
                let fields = [
                    (VALID_FROM, Some(Value::Time(valid_from))),
                    (VALID_UNTIL, valid_until.map(Value::Time)),
                    (ACTIVE, Some(Value::Bool(true))),
                    (LOCK_SCOPE, grant.lock_scope.map(Value::text)),
                ];
                let license = child(tx, rel::LICENSES, grant.entitlement, fields)?;
                tx.relate(rel::OF_ITEM, item, license, Fields::default())?;
                if let Some(model) = model {
                    tx.relate(rel::OF_MODEL, model, license, Fields::default())?;
                }
                license
            }
        };
        credit(tx, license, terms.limited, Some(amount))?;
        // A pool's second grant says the newest.
        notes::write(tx, license, grant.metadata.iter().copied())?;
        licenses.push(license);
    }
    Ok(licenses)
}

/// A package is sold while it is active and valid.
pub(super) fn is_on_sale(package: Node<'_>, now: Time) -> Result<(), Refused> {
    let active = package
        .kind
        .field("active")
        .and_then(|field| package.fields().get(field));
    if active.and_then(Value::as_bool) == Some(false) {
        return Err(Refused::PackageInactive(package.id));
    }
    if time(&package, "validFrom").is_some_and(|from| now < from) {
        return Err(Refused::PackageNotYetValid(package.id));
    }
    if time(&package, "validUntil").is_some_and(|until| until <= now) {
        return Err(Refused::PackageExpired(package.id));
    }
    Ok(())
}

/// A package that is sold no longer, if it was.
pub(super) fn off_sale(package: Node<'_>) -> Option<(Uuid, Fields)> {
    const ACTIVE: u8 = place(Kind::ProductPackage, "active");
    let off = Some(Value::Bool(false));
    (package.fields().get(ACTIVE) != off.as_ref()).then(|| (package.id, package.fields().with(ACTIVE, off)))
}

/// The end of a validity under a model that may bound its length.
pub fn end(from: Time, until: Option<Time>, terms: &Terms) -> Result<Option<Time>, Refused> {
    if until.is_some_and(|until| until < from) {
        return Err(Refused::EndBeforeStart);
    }
    let Some(most_ms) = terms.max_validity else {
        return Ok(until);
    };
    // A length that goes beyond every time there is bounds nothing.
    let Some(last) = from.0.checked_add(most_ms).and_then(Time::from_millis) else {
        return Ok(until);
    };
    match until {
        None => Ok(Some(last)),
        Some(until) if last < until => Err(Refused::ValidityTooLong { most_ms }),
        Some(until) => Ok(Some(until)),
    }
}

/// The license a second grant of the same item enlarges: the oldest of its model whose validity is the grant's.
///
/// # Errors
/// There are some, and none has that validity.
fn pooled(
    tx: &Transaction<'_>,
    grant: &Grant<'_>,
    item: Uuid,
    model: Option<Uuid>,
    valid_until: Option<Time>,
    terms: &Terms,
) -> Result<Option<Uuid>, Refused> {
    let graph = tx.graph();
    let Some((entitlement, item)) = graph.find(grant.entitlement).zip(graph.find(item)) else {
        return Ok(None);
    };
    let mut other = None;
    for license in graph.licenses(entitlement, item) {
        // One that opens what matches is no license of the item, what is individual is its holder's, and what has ended is over.
        let is_other = matching::is_matching(&license) || super::select::is_individual(&license);
        let has_ended = time(&license, "validUntil").is_some_and(|end| end <= tx.now());
        if is_other || has_ended || license.parent(rel::OF_MODEL).map(|node| node.id) != model {
            continue;
        }
        // Left out, it begins when that license did, and a bounded validity ends as that one's.
        let from = grant.valid_from.or(time(&license, "validFrom"));
        let valid_until = match from {
            Some(from) => end(from, grant.valid_until, terms)?,
            None => valid_until,
        };
        if from == time(&license, "validFrom") && valid_until == time(&license, "validUntil") {
            return Ok(Some(license.id));
        }
        other.get_or_insert(license.id);
    }
    other.map_or(Ok(None), |license| Err(Refused::ValidityDiffers(license)))
}

/// A credit of the kind the model limits; `None`: without limit.
pub fn credit(tx: &mut Transaction<'_>, license: Uuid, limited: Limited, amount: Option<i64>) -> Result<Uuid, Refused> {
    let of = limited.credit();
    let fields = [
        (of.amount, amount.map(Value::Int)),
        (of.active, Some(Value::Bool(true))),
    ];
    Ok(child(tx, of.rel, license, fields)?)
}

pub(super) fn child(
    tx: &mut Transaction<'_>,
    rel: Rel,
    parent: Uuid,
    fields: impl IntoIterator<Item = (u8, Option<Value>)>,
) -> Result<Uuid, Violation> {
    let id = tx.new_id();
    let set = fields.into_iter().filter_map(|(field, value)| Some((field, value?)));
    tx.create(id, rel.def().to, set.collect(), Kept::default())?;
    tx.relate(rel, parent, id, Fields::default())?;
    Ok(id)
}

pub(super) fn time(entity: &Entity, name: &str) -> Option<Time> {
    entity.fields().get(entity.kind.field(name)?)?.as_time()
}
