//! What a commit tells those who follow the events (`licensing.md` 5.2). Reads commits, and decides nothing.
//!
//! Most of it is told by the commit's own changes, and is found when somebody reads: Created, Updated and Deleted, licenses that are
//! provisioned, groups that are let in. That costs a write nothing. What the changes alone do not tell is found when the commit is made,
//! while the graph still has it, and is kept with the commit (`kept`): of a license that is suspended whose it is and of which item, of a
//! seat that is reserved on which license and for whom. So what was there then is told also after it is gone. And some of it is no change at
//! all (`asked`): that a license was refused, or only asked for.
//!
//! An event is known by its commit's revision and its place there, which never change: first what the changes tell, in their order, then
//! what was kept.

mod around;
mod asked;
mod kept;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;

use compact_str::CompactString;
use foldhash::fast::RandomState;
use uuid::Uuid;

use crate::graph::Graph;
use crate::model::schema::known;
use crate::model::{Change, Commit, Entity, Event, Fact, Facts, Kind, Rel, Relation, RelationType, Serial, Value};

pub use asked::{Asked, checked, error, refused};
pub use kept::kept;

/// How long events are told after they happened (`licensing.md` 5.2).
pub const KEPT_MS: i64 = 90 * 24 * 60 * 60 * 1000;

const LETS_IN: Rel = known(
    RelationType::LicenseConsumerRelation,
    Kind::Entitlement,
    Kind::ProfileGroup,
);
const LICENSE_OF: Rel = known(RelationType::OneToMany, Kind::Entitlement, Kind::License);
const LICENSED: Rel = known(RelationType::OneToMany, Kind::LicensedItem, Kind::License);
const ENTITLEMENT_OF: Rel = known(RelationType::OneToMany, Kind::Organization, Kind::Entitlement);
const PERSONAL: Rel = known(RelationType::OneToMany, Kind::Profile, Kind::Entitlement);

/// How many events a commit has.
pub fn count(commit: &Commit) -> usize {
    commit.changes.iter().map(of_change).sum::<usize>() + commit.events.len()
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
            let lets_in = after.as_ref().or(before.as_ref()).is_some_and(|one| one.rel == LETS_IN);
            usize::from(is_one && lets_in)
        }
    }
}

/// All of them, in order. The names of what they are about are those of `graph`, the present one, where the commit has none.
pub fn told<'c>(commit: &'c Commit, graph: &'c Graph) -> impl Iterator<Item = Cow<'c, Event>> {
    let parents = Parents {
        commit,
        found: OnceCell::new(),
    };
    let changes = commit.changes.iter().zip(commit.whose.iter());
    let derived = changes.flat_map(move |(change, whose)| derive(change, whose, &parents, graph));
    derived.map(Cow::Owned).chain(commit.events.iter().map(Cow::Borrowed))
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

fn derive(change: &Change, whose: Option<Serial>, parents: &Parents<'_>, graph: &Graph) -> Vec<Event> {
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
                events.push(provisioned(entity, whose, parents, graph));
            }
            events
        }
        Change::Relation { before, after } => {
            let Some(relation) = after.as_ref().or(before.as_ref()) else {
                return Vec::new();
            };
            vec![let_in(relation, after.is_some(), whose, graph)]
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

fn provisioned(license: &Entity, whose: Option<Serial>, parents: &Parents<'_>, graph: &Graph) -> Event {
    let mut facts: Facts = vec![("licenseId".into(), Value::Uuid(license.id).into())];
    let (entitlement, item) = (parents.of(license.id, LICENSE_OF), parents.of(license.id, LICENSED));
    around::of_owners(&mut facts, entitlement, item, |id, rel| {
        parents
            .of(id, rel)
            .or_else(|| graph.find(id)?.parent(rel).map(|parent| parent.id))
    });
    around::of_item(&mut facts, item.and_then(|id| graph.find(id)).map(|node| node.entity()));
    around::of_license(&mut facts, license);
    event("LicenseProvisioned", Kind::License, license.id, whose, facts)
}

fn let_in(relation: &Relation, in_now: bool, whose: Option<Serial>, graph: &Graph) -> Event {
    let name = match in_now {
        true => "EntitlementGrantedToOrganizationGroup",
        false => "EntitlementRevokedFromOrganizationGroup",
    };
    let (entitlement, group) = (relation.from.id, relation.to.id);
    let mut facts: Facts = vec![
        ("entitlementId".into(), Value::Uuid(entitlement).into()),
        ("organizationGroupId".into(), Value::Uuid(group).into()),
    ];
    let owner = graph.find(entitlement).and_then(|node| node.parent(ENTITLEMENT_OF));
    if let Some(owner) = owner {
        facts.push(("organizationId".into(), Value::Uuid(owner.id).into()));
    }
    event(name, Kind::Entitlement, entitlement, whose, facts)
}

/// The parents that a commit itself gives to what it creates; looked for once, if anybody asks.
struct Parents<'c> {
    commit: &'c Commit,
    found: OnceCell<HashMap<(Uuid, Rel), Uuid, RandomState>>,
}

impl Parents<'_> {
    fn of(&self, id: Uuid, rel: Rel) -> Option<Uuid> {
        let found = self.found.get_or_init(|| {
            let relations = self.commit.changes.iter().filter_map(|change| match change {
                Change::Relation { after: Some(is), .. } => Some(((is.to.id, is.rel), is.from.id)),
                _ => None,
            });
            relations.collect()
        });
        found.get(&(id, rel)).copied()
    }
}

#[cfg(test)]
mod tests;
