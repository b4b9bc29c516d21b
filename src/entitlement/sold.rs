//! Licenses that are sold one by one (`doors.md` B.4 and E): each is a row of its own with a name and a number of seats, and
//! each change of one leaves a record. They lie in an entitlement that opens to nobody, so that only who is assigned one
//! may use it.

use std::collections::HashSet;

use uuid::Uuid;

use crate::graph::{Transaction, Violation};
use crate::model::schema::{known, place};
use crate::model::{Fields, Kind, Rel, RelationType, Time, Value, rel};

use super::raised::{Numbers, Raised};
use super::refused::Refused;
use super::terms::{Limited, Terms};
use super::{amend, grant, homes, notes, seats};

const HISTORY: Rel = known(RelationType::OneToMany, Kind::License, Kind::LicenseHistory);

const NAME: u8 = place(Kind::License, "name");
const FROM: u8 = place(Kind::License, "validFrom");
const UNTIL: u8 = place(Kind::License, "validUntil");
const ACTIVE: u8 = place(Kind::License, "active");
const ALIAS: u8 = place(Kind::License, "alias");
const TYPE: u8 = place(Kind::License, "type");

/// The entitlement they lie in. Made when it is not there; whoever opens it to a group means it.
const HOME: &str = "Assigned licenses";

/// The count that is told of a license without limit: the largest number the vendor's clients read.
pub const WITHOUT_LIMIT: u32 = i32::MAX as u32;

/// Why such a license is not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotSold {
    /// Seats that are taken cannot be taken away.
    BelowUse {
        count: u64,
        used: u64,
    },
    Refused(Refused),
}

impl<R: Into<Refused>> From<R> for NotSold {
    fn from(refused: R) -> Self {
        Self::Refused(refused.into())
    }
}

/// A license as it is sold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct New<'a> {
    pub license_type: &'a str,
    pub name: Option<&'a str>,
    pub seats: u32,
    /// Now, if it is not said.
    pub from: Option<Time>,
    pub until: Option<Time>,
    pub active: bool,
    pub alias: Option<&'a str>,
    pub notes: &'a [(String, String)],
}

/// What shall be another; `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change<'a> {
    pub name: Option<&'a str>,
    pub seats: Option<u32>,
    pub from: Option<Time>,
    pub until: Option<Option<Time>>,
    pub active: Option<bool>,
}

/// What is kept of a change beside what it changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record<'a> {
    pub change_type: &'a str,
    pub transaction: Option<&'a str>,
    pub source: Option<&'a str>,
}

pub fn create(
    tx: &mut Transaction<'_>,
    organization: Uuid,
    item: Uuid,
    new: &New<'_>,
    record: Record<'_>,
) -> Result<Uuid, Refused> {
    let from = new.from.unwrap_or(tx.now());
    let until = grant::end(from, new.until, &Terms::default())?;
    let fields = [
        (NAME, new.name.map(Value::text)),
        (FROM, Some(Value::Time(from))),
        (UNTIL, until.map(Value::Time)),
        (ACTIVE, Some(Value::Bool(new.active))),
        (ALIAS, new.alias.map(Value::text)),
        (TYPE, Some(Value::text(new.license_type))),
    ];
    let home = homes::named_or_new(tx, organization, HOME)?;
    let license = grant::child(tx, rel::LICENSES, home, fields)?;
    tx.relate(rel::OF_ITEM, item, license, Fields::default())?;
    grant::credit(tx, license, Limited::Seats, Some(i64::from(new.seats)))?;
    notes::write(tx, license, pairs(new.notes))?;
    keep(tx, license, record)?;
    Ok(license)
}

fn pairs(notes: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    notes.iter().map(|(key, text)| (key.as_str(), text.as_str()))
}

/// Notes of keys that `replaces` says yes to are those given, and no others.
pub fn update(
    tx: &mut Transaction<'_>,
    license: Uuid,
    change: &Change<'_>,
    given: &[(String, String)],
    replaces: &dyn Fn(&str) -> bool,
    record: Record<'_>,
) -> Result<(), NotSold> {
    let has = seats::for_sharing(tx.node(license)?, tx.now());
    // What is told of a license without limit, or with a higher one, may be sent back.
    let is_told = has.total.is_none_or(|total| total >= u64::from(WITHOUT_LIMIT));
    let seats = change.seats.filter(|count| !is_told || *count != WITHOUT_LIMIT);
    if let Some(count) = seats.map(u64::from) {
        let used = has.taken();
        if count < used {
            return Err(NotSold::BelowUse { count, used });
        }
    }
    let mut raised = Raised::default();
    if change.from.is_some() || change.until.is_some() {
        amend::validity(tx, license, change.from.map(Some), change.until, &mut raised)?;
    }
    let mut fields = tx.node(license)?.fields().to_fields();
    if let Some(name) = change.name {
        fields = fields.with(NAME, Some(Value::text(name)));
    }
    if let Some(active) = change.active {
        fields = fields.with(ACTIVE, Some(Value::Bool(active)));
    }
    tx.update(license, fields)?;
    if let Some(count) = seats {
        amend::seats(tx, license, i64::from(count), &mut raised)?;
    }
    // It goes on with the number that is named, or not at all.
    let numbers = seats.map_or(Numbers::Had, |_| Numbers::Wanted);
    raised.settle(tx, numbers)?;
    let stays: HashSet<&str> = pairs(given).map(|(key, _)| key).collect();
    let gone: Vec<Uuid> = notes::told(tx.node(license)?)
        .filter(|(key, _, _)| replaces(key) && !stays.contains(key) && !notes::is_servers(key))
        .map(|(_, _, note)| note.id)
        .collect();
    for note in gone {
        tx.remove(note)?;
    }
    notes::write(tx, license, pairs(given))?;
    keep(tx, license, record)?;
    Ok(())
}

/// Each change is on record, one that changed nothing too.
fn keep(tx: &mut Transaction<'_>, license: Uuid, record: Record<'_>) -> Result<(), Violation> {
    const KIND: Kind = Kind::LicenseHistory;
    let node = tx.node(license)?;
    let total = seats::for_sharing(node, tx.now()).total;
    let of = |field: u8| node.fields().get(field).cloned();
    let fields = [
        (
            const { place(KIND, "changeType") },
            Some(Value::text(record.change_type)),
        ),
        (
            const { place(KIND, "transactionId") },
            record.transaction.map(Value::text),
        ),
        (const { place(KIND, "source") }, record.source.map(Value::text)),
        (const { place(KIND, "name") }, of(NAME)),
        (
            const { place(KIND, "seatCount") },
            total.and_then(|total| i64::try_from(total).ok()).map(Value::Int),
        ),
        (const { place(KIND, "validFrom") }, of(FROM)),
        (const { place(KIND, "validUntil") }, of(UNTIL)),
        (const { place(KIND, "active") }, of(ACTIVE)),
    ];
    grant::child(tx, HISTORY, license, fields).map(drop)
}
