//! Finding entities: by id, by kind in order of serial, by the value of an indexed field. Knows no relations.
//!
//! Two copies of these indexes are kept in memory, so they are lean: the table of ids holds slots only and asks the
//! entity for its id, and an index on a field holds a value inline (24 bytes, as in the entity), its serial and slot.

use std::cmp::Ordering;
use std::hash::BuildHasher;
use std::ops::Bound;

use foldhash::fast::RandomState;
use uuid::Uuid;

use crate::model::value::fold;
use crate::model::{Entity, FieldDef, Kind, Serial, Value, Values};

use super::shards::{FAR, Shards};
use super::sorted::{Range, Sorted};
use super::topology::Topology;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Member {
    pub serial: Serial,
    pub slot: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// Folded where the schema folds the field.
    pub value: Value,
    pub serial: Serial,
    pub slot: u32,
}

#[derive(Clone)]
pub(super) struct Index {
    ids: Shards<u32, FAR>,
    hasher: RandomState,
    kinds: Vec<OfKind>,
}

#[derive(Clone, Default)]
struct OfKind {
    members: Sorted<Member>,
    /// By the field's place in the schema; empty for fields without an index.
    values: Vec<Option<Sorted<Key>>>,
}

/// Fields the schema marks, and those whose values are unique within an owner: checking that needs a way to find them.
pub(super) fn is_indexed(kind: Kind, field: &FieldDef) -> bool {
    field.indexed || kind.def().unique_within_owner == Some(field.name)
}

impl Default for Index {
    fn default() -> Self {
        let values = |kind: Kind| {
            kind.def()
                .fields
                .iter()
                .map(|field| is_indexed(kind, field).then(Sorted::default))
                .collect()
        };
        Self {
            ids: Shards::default(),
            hasher: RandomState::default(),
            kinds: Kind::ALL
                .iter()
                .map(|kind| OfKind {
                    members: Sorted::default(),
                    values: values(*kind),
                })
                .collect(),
        }
    }
}

/// A value as its field's index keeps and compares it.
pub(super) fn folded(kind: Kind, field: u8, value: &Value) -> Value {
    match (kind.def().fields.get(field as usize), value) {
        (Some(FieldDef { folded: true, .. }), Value::Text(text)) => Value::Text(fold(text)),
        _ => value.clone(),
    }
}

/// Nearly all that is indexed is text, compared as such without a look at what else it might be.
fn order(key: &Key, value: &Value) -> Ordering {
    match (&key.value, value) {
        (Value::Text(one), Value::Text(other)) => one.as_str().cmp(other),
        (one, other) => one.cmp(other),
    }
}

/// As one number, not as a list of bytes with its length.
fn hash(hasher: &RandomState, id: Uuid) -> u64 {
    hasher.hash_one(id.as_u128())
}

impl Index {
    pub fn find(&self, topology: &Topology, id: Uuid) -> Option<u32> {
        self.ids
            .find(hash(&self.hasher, id), |slot| {
                topology.get(*slot).is_some_and(|entity| entity.id == id)
            })
            .copied()
    }

    pub fn by_serial(&self, kind: Kind, serial: Serial) -> Option<u32> {
        let member = self.members(kind).after(|member| member.serial < serial).next()?;
        (member.serial == serial).then_some(member.slot)
    }

    pub fn members(&self, kind: Kind) -> &Sorted<Member> {
        &self.kinds[kind as usize].members
    }

    pub fn values(&self, kind: Kind, field: u8) -> Option<&Sorted<Key>> {
        self.kinds[kind as usize].values.get(field as usize)?.as_ref()
    }

    /// Equality, in order of serial. The value is folded already.
    pub fn equal(&self, kind: Kind, field: u8, value: &Value, after: Option<Serial>) -> Option<Range<'_, Key>> {
        let before = |key: &Key| match order(key, value) {
            Ordering::Equal => after.is_some_and(|after| key.serial <= after),
            order => order.is_lt(),
        };
        Some(self.values(kind, field)?.range(before, |key| order(key, value).is_le()))
    }

    /// As `equal`, up to a serial that is none of them.
    pub fn equal_before(&self, kind: Kind, field: u8, value: &Value, end: Serial) -> Option<Range<'_, Key>> {
        let within = |key: &Key| match order(key, value) {
            Ordering::Equal => key.serial < end,
            order => order.is_lt(),
        };
        Some(self.values(kind, field)?.range(|key| order(key, value).is_lt(), within))
    }

    /// The bounds are folded already.
    pub fn between(&self, kind: Kind, field: u8, from: Bound<Value>, to: Bound<Value>) -> Option<Range<'_, Key>> {
        let before = |key: &Key| match &from {
            Bound::Included(from) => key.value < *from,
            Bound::Excluded(from) => key.value <= *from,
            Bound::Unbounded => false,
        };
        let within = |key: &Key| match &to {
            Bound::Included(to) => key.value <= *to,
            Bound::Excluded(to) => key.value < *to,
            Bound::Unbounded => true,
        };
        Some(self.values(kind, field)?.range(before, within))
    }

    /// Texts that start so. The prefix is folded already.
    pub fn starting(&self, kind: Kind, field: u8, prefix: &str) -> Option<Range<'_, Key>> {
        let text = |key: &Key| {
            key.value
                .as_text()
                .map(|text| (text < prefix, text.starts_with(prefix)))
        };
        let before = |key: &Key| text(key).is_some_and(|(less, _)| less);
        let within = |key: &Key| text(key).is_some_and(|(less, starts)| less || starts);
        Some(self.values(kind, field)?.range(before, within))
    }

    pub fn add(&mut self, topology: &Topology, slot: u32, entity: &Entity) {
        let hasher = &self.hasher;
        self.ids.insert(hash(hasher, entity.id), slot, |slot| {
            hash(hasher, topology.entity(*slot).id)
        });
        self.kinds[entity.kind as usize].members.insert(Member {
            serial: entity.serial,
            slot,
        });
        self.revalue(slot, entity, Values::default(), entity.fields());
    }

    /// While the entity is still in its slot.
    pub fn remove(&mut self, slot: u32, entity: &Entity) {
        if let Some(entry) = self
            .ids
            .find_entry(hash(&self.hasher, entity.id), |other| *other == slot)
        {
            entry.remove();
        }
        self.kinds[entity.kind as usize].members.remove(&Member {
            serial: entity.serial,
            slot,
        });
        self.revalue(slot, entity, entity.fields(), Values::default());
    }

    /// From the fields an entity had to those it has now; its kind and serial stay.
    pub fn revalue(&mut self, slot: u32, entity: &Entity, before: Values<'_>, after: Values<'_>) {
        for (field, index) in self.kinds[entity.kind as usize].values.iter_mut().enumerate() {
            let Some(index) = index else { continue };
            let (old, new) = (before.get(field as u8), after.get(field as u8));
            if old == new {
                continue;
            }
            let key = |value| Key {
                value: folded(entity.kind, field as u8, value),
                serial: entity.serial,
                slot,
            };
            if let Some(old) = old {
                index.remove(&key(old));
            }
            if let Some(new) = new {
                index.insert(key(new));
            }
        }
    }

    /// Rebuilds everything from the entities and compares. Everything wrong, in words.
    pub fn check(&self, topology: &Topology, wrong: &mut Vec<String>) {
        let mut rebuilt = Self::default();
        for slot in topology.slots() {
            let entity = topology.entity(slot);
            if self.find(topology, entity.id) != Some(slot) {
                wrong.push(format!("`{}` is not found by its id", entity.id));
            }
            rebuilt.kinds[entity.kind as usize].members.insert(Member {
                serial: entity.serial,
                slot,
            });
            rebuilt.revalue(slot, entity, Values::default(), entity.fields());
        }
        if self.ids.len() != topology.entities() {
            wrong.push(format!("{} ids for {} entities", self.ids.len(), topology.entities()));
        }
        for kind in Kind::ALL {
            let (kept, right) = (&self.kinds[*kind as usize], &rebuilt.kinds[*kind as usize]);
            if !kept.members.iter().eq(right.members.iter()) || kept.members.len() != right.members.len() {
                wrong.push(format!("the list of every {} is wrong", kind.name()));
            }
            for (field, (kept, right)) in kind.def().fields.iter().zip(kept.values.iter().zip(&right.values)) {
                let same = match (kept, right) {
                    (Some(kept), Some(right)) => kept.iter().eq(right.iter()) && kept.len() == right.len(),
                    (None, None) => true,
                    _ => false,
                };
                if !same {
                    wrong.push(format!("the index of {}.{} is wrong", kind.name(), field.name));
                }
            }
        }
    }
}
