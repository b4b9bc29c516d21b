//! What stood around the changes of a commit from which events are derived: whose an entitlement was, and the name of an item. The
//! commit itself tells it of what it creates, links or removes. The rest is kept with it, once for each entitlement and item, as an
//! event without a name, which is told to nobody.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use compact_str::CompactString;
use foldhash::fast::RandomState;
use uuid::Uuid;

use super::around::{self, ITEM_NAME, OWNERS};
use crate::graph::Graph;
use crate::model::{Change, End, Entity, Event, Fact, Facts, Kind, Rel, Value, rel};

pub fn is_context(event: &Event) -> bool {
    event.name.is_empty()
}

/// Adds what the changes need and do not tell. `graph` is as they left it.
pub fn keep(graph: &Graph, changes: &[Change], events: &mut Vec<Event>) {
    let context = Context::new(changes, &[], graph);
    let mut kept: HashSet<Uuid, RandomState> = HashSet::default();
    let mut keep = |kind: Kind, end: Option<End>| {
        let Some(end) = end else { return };
        let is_told = match kind {
            Kind::Entitlement => context.linked_owner(end).is_some(),
            _ => context.found().items.contains_key(&end.id),
        };
        if is_told || !kept.insert(end.id) {
            return;
        }
        let mut facts = Facts::new();
        if kind == Kind::Entitlement {
            let owner = context.owner(end);
            for (rel, name) in OWNERS {
                let id = owner.filter(|(by, _)| *by == rel).map(|(_, id)| Value::Uuid(id));
                facts.extend(id.map(|id| (name.into(), id.into())));
            }
        } else if let Some(name) = context.item_name(end) {
            facts.push((ITEM_NAME.into(), name.into()));
        }
        events.push(Event {
            name: CompactString::default(),
            object_type: kind.name().into(),
            object: end.id,
            whose: None,
            facts,
        });
    };
    for change in changes {
        match change {
            Change::Entity {
                before: None,
                after: Some(license),
            } if license.kind == Kind::License => {
                keep(Kind::Entitlement, context.parent(license.id, rel::LICENSES));
                keep(Kind::LicensedItem, context.parent(license.id, rel::OF_ITEM));
            }
            Change::Relation { before, after } => {
                let relation = after.as_ref().or(before.as_ref());
                keep(
                    Kind::Entitlement,
                    relation.filter(|one| one.rel == rel::OPENS_GROUP).map(|one| one.from),
                );
            }
            Change::Entity { .. } => {}
        }
    }
}

/// `graph` is asked by serials, since an id may be taken again once its entity is gone.
pub struct Context<'c> {
    changes: &'c [Change],
    events: &'c [Event],
    graph: &'c Graph,
    found: OnceCell<Found<'c>>,
}

/// Looked for once, if anybody asks.
#[derive(Default)]
struct Found<'c> {
    /// The parents that the changes gave, or else took away.
    parents: HashMap<(Uuid, Rel), End, RandomState>,
    items: HashMap<Uuid, &'c Entity, RandomState>,
    kept: HashMap<Uuid, &'c Facts, RandomState>,
}

impl<'c> Context<'c> {
    pub fn new(changes: &'c [Change], events: &'c [Event], graph: &'c Graph) -> Self {
        Self {
            changes,
            events,
            graph,
            found: OnceCell::new(),
        }
    }

    pub fn parent(&self, id: Uuid, rel: Rel) -> Option<End> {
        self.found().parents.get(&(id, rel)).copied()
    }

    /// Of an entitlement: an organization or a person, by the relation to it.
    pub fn owner(&self, entitlement: End) -> Option<(Rel, Uuid)> {
        if let Some(owner) = self.linked_owner(entitlement) {
            return Some(owner);
        }
        if let Some(facts) = self.found().kept.get(&entitlement.id) {
            return OWNERS.into_iter().find_map(|(rel, name)| match fact(facts, name)? {
                Value::Uuid(id) => Some((rel, *id)),
                _ => None,
            });
        }
        let node = self.graph.by_serial(Kind::Entitlement, entitlement.serial)?;
        OWNERS
            .into_iter()
            .find_map(|(rel, _)| Some((rel, node.parent(rel)?.id)))
    }

    fn linked_owner(&self, entitlement: End) -> Option<(Rel, Uuid)> {
        OWNERS
            .into_iter()
            .find_map(|(rel, _)| Some((rel, self.parent(entitlement.id, rel)?.id)))
    }

    pub fn item_name(&self, item: End) -> Option<Value> {
        let found = self.found();
        let changed = found.items.get(&item.id).copied();
        let name = match (changed, found.kept.get(&item.id)) {
            (Some(entity), _) => around::value(entity, "name"),
            (None, Some(facts)) => fact(facts, ITEM_NAME),
            (None, None) => {
                let node = self.graph.by_serial(Kind::LicensedItem, item.serial)?;
                around::value(node.entity(), "name")
            }
        };
        name.cloned()
    }

    fn found(&self) -> &Found<'c> {
        self.found.get_or_init(|| {
            let mut found = Found::default();
            let mut given = Vec::new();
            for change in self.changes {
                match change {
                    Change::Entity { before, after } => match after.as_ref().or(before.as_ref()) {
                        Some(item) if item.kind == Kind::LicensedItem => drop(found.items.insert(item.id, item)),
                        _ => {}
                    },
                    Change::Relation { before, after } => {
                        let Some(relation) = after.as_ref().or(before.as_ref()) else {
                            continue;
                        };
                        let key = (relation.to.id, relation.rel);
                        match (
                            [rel::LICENSES, rel::OF_ITEM, rel::ENTITLEMENTS, rel::PERSONAL].contains(&relation.rel),
                            after,
                        ) {
                            (false, _) => {}
                            (true, Some(_)) => given.push((key, relation.from)),
                            (true, None) => drop(found.parents.insert(key, relation.from)),
                        }
                    }
                }
            }
            found.parents.extend(given);
            let kept = self.events.iter().filter(|event| is_context(event));
            found.kept = kept.map(|event| (event.object, &event.facts)).collect();
            found
        })
    }
}

fn fact<'f>(facts: &'f Facts, name: &str) -> Option<&'f Value> {
    facts.iter().find_map(|(known, fact)| match fact {
        Fact::One(value) if known == name => Some(value),
        _ => None,
    })
}
