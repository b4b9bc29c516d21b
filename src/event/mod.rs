//! What a commit tells those who follow the events (`licensing.md` 5.2). Reads commits, and decides nothing.
//!
//! Most of it is told by the commit's own changes, and is found when somebody reads: Created, Updated and Deleted, licenses that are
//! provisioned, groups that are let in. That costs a write nothing, but for whose an entitlement is and what an item is called, which
//! are kept where the commit does not tell them (`context`). What the changes alone do not tell is found when the commit is made,
//! while the graph still has it, and is kept with the commit (`kept`): of a license that is suspended whose it is and of which item, of a
//! seat that is reserved on which license and for whom. So what was there then is told also after it is gone. And some of it is no change at
//! all (`asked`): that a license was refused, or only asked for.
//!
//! An event is known by its commit's revision and its place there, which never change: first what the changes tell, in their order, then
//! what was kept.

mod around;
mod asked;
mod context;
mod kept;
pub mod source;

use std::borrow::Cow;

use compact_str::CompactString;
use uuid::Uuid;

use crate::graph::Graph;
use crate::model::{Change, Commit, End, Entity, Event, Fact, Facts, Kind, Relation, Serial, Value, rel};

use context::Context;

pub use asked::{Asked, checked, error, refused};
pub use kept::kept;

/// How long events are told after they happened (`licensing.md` 5.2).
pub const KEPT_MS: i64 = 90 * 24 * 60 * 60 * 1000;

/// How many events a commit has.
pub fn count(commit: &Commit) -> usize {
    let kept = commit.events.iter().filter(|event| !context::is_context(event));
    commit.changes.iter().map(of_change).sum::<usize>() + kept.count()
}

fn of_change(change: &Change) -> usize {
    match change {
        Change::Entity { before, after } => match after.as_ref().or(before.as_ref()) {
            Some(entity) if entity.kind.def().internal => 0,
            Some(entity) => 1 + usize::from(before.is_none() && entity.kind == Kind::License),
            None => 0,
        },
        Change::Relation { before, after } => {
            let is_one = before.is_none() != after.is_none();
            let lets_in = after
                .as_ref()
                .or(before.as_ref())
                .is_some_and(|one| one.rel == rel::OPENS_GROUP);
            usize::from(is_one && lets_in)
        }
    }
}

/// All of them, in order. What a commit of an earlier version did not keep is that of `graph`, the present one.
pub fn told<'c>(commit: &'c Commit, graph: &'c Graph) -> impl Iterator<Item = Cow<'c, Event>> {
    let context = Context::new(&commit.changes, &commit.events, graph);
    let changes = commit.changes.iter().zip(commit.whose.iter());
    let derived = changes.flat_map(move |(change, whose)| derive(change, whose, &context));
    let kept = commit.events.iter().filter(|event| !context::is_context(event));
    derived.map(Cow::Owned).chain(kept.map(Cow::Borrowed))
}

/// The facts without those that are ids and hidden, as deep as they stand.
pub fn without(facts: &Facts, hides: &dyn Fn(Uuid) -> bool) -> Facts {
    let told = |fact: &Fact| match fact {
        Fact::One(Value::Uuid(id)) if hides(*id) => None,
        Fact::Group(facts) => Some(Fact::Group(without(facts, hides))),
        Fact::List(list) => Some(Fact::List(list.iter().map(|facts| without(facts, hides)).collect())),
        fact => Some(fact.clone()),
    };
    let told = facts
        .iter()
        .filter_map(|(name, fact)| Some((name.clone(), told(fact)?)));
    told.collect()
}

fn derive(change: &Change, whose: Option<Serial>, context: &Context<'_>) -> Vec<Event> {
    if of_change(change) == 0 {
        return Vec::new();
    }
    match change {
        Change::Entity { before, after } => {
            let Some(entity) = after.as_ref().or(before.as_ref()) else {
                return Vec::new();
            };
            let mut events = vec![audited(entity, before.as_ref(), after.as_ref(), whose)];
            if before.is_none() && entity.kind == Kind::License {
                events.push(provisioned(entity, whose, context));
            }
            events
        }
        Change::Relation { before, after } => {
            let Some(relation) = after.as_ref().or(before.as_ref()) else {
                return Vec::new();
            };
            vec![let_in(relation, after.is_some(), whose, context)]
        }
    }
}

fn event(name: &str, object_type: Kind, object: Uuid, whose: Option<Serial>, facts: Facts) -> Event {
    Event {
        name: name.into(),
        object_type: object_type.name().into(),
        object,
        whose,
        facts,
    }
}

/// Created, Updated with what it became, Deleted with what it was. Secrets never.
fn audited(entity: &Entity, before: Option<&Entity>, after: Option<&Entity>, whose: Option<Serial>) -> Event {
    let mut facts: Facts = vec![
        ("objectName".into(), Value::text(entity.kind.name()).into()),
        ("objectId".into(), Value::Uuid(entity.id).into()),
    ];
    let name = match (before, after) {
        (Some(before), Some(after)) => {
            facts.push(("modifiedFields".into(), Fact::Group(differences(before, after))));
            "Updated"
        }
        (Some(before), None) => {
            let old = open_fields(before).map(|(name, value)| (name, value.clone().into()));
            facts.push(("oldFields".into(), Fact::Group(old.collect())));
            "Deleted"
        }
        _ => "Created",
    };
    event(name, entity.kind, entity.id, whose, facts)
}

fn open_fields(entity: &Entity) -> impl Iterator<Item = (CompactString, &Value)> {
    let defs = entity.kind.def().fields;
    let fields = entity
        .fields()
        .iter()
        .map(move |(index, value)| (&defs[index as usize], value));
    fields
        .filter(|(def, _)| !def.secret)
        .map(|(def, value)| (def.name.into(), value))
}

/// What is other than before, as it became.
fn differences(before: &Entity, after: &Entity) -> Facts {
    let mut facts = Facts::new();
    for (index, def) in (0u8..).zip(after.kind.def().fields).filter(|(_, def)| !def.secret) {
        let (was, is) = (before.fields().get(index), after.fields().get(index));
        if was != is {
            facts.push((def.name.into(), is.map_or(Fact::Nothing, |value| value.clone().into())));
        }
    }
    facts
}

fn provisioned(license: &Entity, whose: Option<Serial>, context: &Context<'_>) -> Event {
    let mut facts: Facts = vec![("licenseId".into(), Value::Uuid(license.id).into())];
    let (entitlement, item) = (
        context.parent(license.id, rel::LICENSES),
        context.parent(license.id, rel::OF_ITEM),
    );
    let owner = entitlement.and_then(|end| context.owner(end));
    let id = |end: Option<End>| end.map(|end| end.id);
    around::of_owners(&mut facts, id(entitlement), id(item), |_, rel| {
        owner.filter(|(by, _)| *by == rel).map(|(_, id)| id)
    });
    if let Some(name) = item.and_then(|end| context.item_name(end)) {
        facts.push((around::ITEM_NAME.into(), name.into()));
    }
    around::of_license(&mut facts, license);
    event("LicenseProvisioned", Kind::License, license.id, whose, facts)
}

fn let_in(relation: &Relation, in_now: bool, whose: Option<Serial>, context: &Context<'_>) -> Event {
    let name = match in_now {
        true => "EntitlementGrantedToOrganizationGroup",
        false => "EntitlementRevokedFromOrganizationGroup",
    };
    let (entitlement, group) = (relation.from, relation.to);
    let mut facts: Facts = vec![
        ("entitlementId".into(), Value::Uuid(entitlement.id).into()),
        ("organizationGroupId".into(), Value::Uuid(group.id).into()),
    ];
    if let Some((rel::ENTITLEMENTS, owner)) = context.owner(entitlement) {
        facts.push(("organizationId".into(), Value::Uuid(owner).into()));
    }
    event(name, Kind::Entitlement, entitlement.id, whose, facts)
}

#[cfg(test)]
mod tests;
