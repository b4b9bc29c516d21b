//! What a transaction did, told shortly: one change an entity, one a relation, in an order that another copy can play.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::RandomState;
use uuid::Uuid;

use crate::model::{Change, Entity, Rel, Relation, RelationType};

#[derive(Default)]
pub(super) struct Merged {
    pub changes: Vec<Change>,
    /// Entities that were given a new revision and are as they were after all: (before, as they stand now).
    pub untouched: Vec<(Entity, Entity)>,
}

/// The first `before` and the last `after` of each, in order of first appearance.
struct Span<T> {
    before: Option<T>,
    after: Option<T>,
}

struct Spans<K, T> {
    places: HashMap<K, usize, RandomState>,
    spans: Vec<Span<T>>,
}

impl<K: std::hash::Hash + Eq, T: Clone> Spans<K, T> {
    fn with_room(changes: usize) -> Self {
        Self {
            places: HashMap::with_capacity_and_hasher(changes, RandomState::default()),
            spans: Vec::with_capacity(changes),
        }
    }

    fn extend(&mut self, key: K, before: &Option<T>, after: &Option<T>) {
        match self.places.get(&key) {
            Some(place) => self.spans[*place].after.clone_from(after),
            None => {
                self.places.insert(key, self.spans.len());
                self.spans.push(Span {
                    before: before.clone(),
                    after: after.clone(),
                });
            }
        }
    }
}

fn is_new(change: &Change) -> bool {
    match change {
        Change::Entity { before, after } => before.is_none() && after.is_some(),
        Change::Relation { before, after } => before.is_none() && after.is_some(),
    }
}

/// Where all was made and nothing touched again, each change is told as it is.
fn all_new<'a>(log: impl Iterator<Item = &'a Change>, of_relations: usize) -> Merged {
    let (mut changes, mut linked) = (Vec::new(), Vec::with_capacity(of_relations));
    for change in log {
        match change {
            Change::Entity { .. } => changes.push(change.clone()),
            Change::Relation { .. } => linked.push(change.clone()),
        }
    }
    changes.sort_by_key(|change| match change {
        Change::Entity {
            after: Some(entity), ..
        } => entity.serial,
        _ => 0,
    });
    changes.append(&mut linked);
    Merged {
        changes,
        untouched: Vec::new(),
    }
}

pub(super) fn merge<'a>(log: impl Iterator<Item = &'a Change> + Clone) -> Merged {
    let of_entities = log
        .clone()
        .filter(|change| matches!(change, Change::Entity { .. }))
        .count();
    let of_relations = log.clone().count() - of_entities;
    if log.clone().all(is_new) {
        return all_new(log, of_relations);
    }
    let mut entities: Spans<Uuid, Entity> = Spans::with_room(of_entities);
    let mut relations: Spans<(Rel, Uuid, Uuid), Arc<Relation>> = Spans::with_room(of_relations);
    for change in log {
        match change {
            Change::Entity { before, after } => {
                if let Some(entity) = before.as_ref().or(after.as_ref()) {
                    entities.extend(entity.id, before, after);
                }
            }
            Change::Relation { before, after } => {
                if let Some(relation) = before.as_ref().or(after.as_ref()) {
                    relations.extend((relation.rel, relation.from.id, relation.to.id), before, after);
                }
            }
        }
    }

    let (mut unlinked, mut linked) = (Vec::new(), Vec::with_capacity(of_relations));
    // The children that were there and whose parent is another than before.
    let any_was = entities
        .spans
        .iter()
        .any(|span| span.before.is_some() && span.after.is_some());
    let mut moved: HashSet<Uuid, RandomState> = HashSet::default();
    for Span { before, after } in relations.spans {
        if before == after {
            continue;
        }
        if any_was
            && let Some(relation) = before.as_ref().or(after.as_ref())
            && relation.rel.def().relation_type == RelationType::OneToMany
        {
            moved.insert(relation.to.id);
        }
        match (before, after) {
            // An end went, and another entity came with its id.
            (Some(before), Some(after)) if (before.from, before.to) != (after.from, after.to) => {
                unlinked.push(Change::Relation {
                    before: Some(before),
                    after: None,
                });
                linked.push(Change::Relation {
                    before: None,
                    after: Some(after),
                });
            }
            (before, None) => unlinked.push(Change::Relation { before, after: None }),
            (before, after) => linked.push(Change::Relation { before, after }),
        }
    }

    let mut merged = Merged::default();
    let (mut removed, mut created, mut updated) = (Vec::new(), Vec::new(), Vec::new());
    for Span { before, after } in entities.spans {
        match (before, after) {
            (None, None) => {}
            (Some(before), None) => removed.push(before),
            (None, Some(after)) => created.push(after),
            (Some(before), Some(after)) if (before.kind, before.serial) != (after.kind, after.serial) => {
                removed.push(before);
                created.push(after);
            }
            (Some(before), Some(after)) if before.fields() == after.fields() && !moved.contains(&before.id) => {
                merged.untouched.push((before, after));
            }
            (before, after) => updated.push(Change::Entity { before, after }),
        }
    }
    created.sort_by_key(|entity| entity.serial);
    merged.changes = unlinked;
    merged.changes.extend(removed.into_iter().map(|before| Change::Entity {
        before: Some(before),
        after: None,
    }));
    merged.changes.extend(created.into_iter().map(|after| Change::Entity {
        before: None,
        after: Some(after),
    }));
    merged.changes.append(&mut updated);
    merged.changes.append(&mut linked);
    merged
}
