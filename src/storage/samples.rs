//! Random entities, relations and histories of the real schema, for the tests of this room.

use std::collections::BTreeMap;
use std::sync::Arc;

use compact_str::CompactString;
use proptest::prelude::*;
use uuid::Uuid;

use super::{Head, Loaded};
use crate::model::*;

fn value(field_type: FieldType) -> BoxedStrategy<Value> {
    match field_type {
        FieldType::Text => prop_oneof![".{0,8}", "[a-z ]{0,60}"]
            .prop_map(|text: String| Value::text(&text))
            .boxed(),
        FieldType::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        FieldType::Int => any::<i64>().prop_map(Value::Int).boxed(),
        FieldType::Time => any::<i64>().prop_map(|at| Value::Time(Time(at))).boxed(),
        FieldType::Uuid => any::<u128>().prop_map(|id| Value::Uuid(Uuid::from_u128(id))).boxed(),
        FieldType::Json => Just(Value::text(r#"["device","user"]"#)).boxed(),
    }
}

fn fields(defs: &'static [FieldDef]) -> impl Strategy<Value = Fields> {
    let each: Vec<_> = defs.iter().map(|def| prop::option::of(value(def.field_type))).collect();
    each.prop_map(|values| {
        values
            .into_iter()
            .enumerate()
            .filter_map(|(place, value)| Some((place as u8, value?)))
            .collect()
    })
}

pub fn entity() -> impl Strategy<Value = Entity> {
    prop::sample::select(Kind::ALL).prop_flat_map(|kind| {
        (any::<(u128, Serial, Revision, i64, i64)>(), fields(kind.def().fields)).prop_map(move |(own, fields)| {
            let (id, serial, revision, created, updated) = own;
            let (created, updated) = (Time(created), Time(updated));
            Entity::new(
                Header {
                    id: Uuid::from_u128(id),
                    serial,
                    revision,
                    created,
                    updated,
                    kind,
                },
                fields,
            )
        })
    })
}

pub fn relation() -> impl Strategy<Value = Relation> {
    (0..schema::RELATIONS.len()).prop_flat_map(|row| {
        let rel = Rel(row as u8);
        let end = || {
            any::<(u128, Serial)>().prop_map(|(id, serial)| End {
                id: Uuid::from_u128(id),
                serial,
            })
        };
        (end(), end(), fields(rel.def().fields)).prop_map(move |(from, to, fields)| Relation { rel, from, to, fields })
    })
}

fn text() -> impl Strategy<Value = CompactString> {
    ".{0,30}".prop_map(CompactString::from)
}

fn replay() -> impl Strategy<Value = Replay> {
    (text(), text(), any::<([u8; 32], i64, u16, Vec<u8>)>()).prop_map(
        |(scope, key, (fingerprint, at, status, body))| Replay {
            scope,
            key,
            fingerprint,
            at: Time(at),
            status,
            body: body.into(),
        },
    )
}

/// Changes in it need not make sense together.
fn event() -> impl Strategy<Value = Event> {
    let one = || {
        prop_oneof![
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            any::<i64>().prop_map(|at| Value::Time(Time(at))),
            any::<u128>().prop_map(|id| Value::Uuid(Uuid::from_u128(id))),
            text().prop_map(Value::Text),
        ]
        .prop_map(Fact::One)
    };
    let facts = move || prop::collection::vec((text(), one()), 0..3);
    let fact = prop_oneof![
        Just(Fact::Nothing),
        one(),
        facts().prop_map(Fact::Group),
        prop::collection::vec(facts(), 0..3).prop_map(Fact::List),
    ];
    let facts = prop::collection::vec((text(), fact), 0..4);
    (text(), text(), any::<u128>(), any::<Option<u8>>(), facts).prop_map(|(name, object_type, object, whose, facts)| {
        Event {
            name,
            object_type,
            object: Uuid::from_u128(object),
            whose: whose.map(|serial| u64::from(serial) + 1),
            facts,
        }
    })
}

pub fn commit() -> impl Strategy<Value = Commit> {
    let entities = (entity(), entity(), 1..4u8).prop_map(|(before, after, which)| Change::Entity {
        before: (which & 1 != 0).then_some(before),
        after: (which & 2 != 0).then_some(after),
    });
    let relations = (relation(), relation(), 1..4u8).prop_map(|(before, after, which)| Change::Relation {
        before: (which & 1 != 0).then(|| Arc::new(before)),
        after: (which & 2 != 0).then(|| Arc::new(after)),
    });
    let changes = prop::collection::vec(prop_oneof![entities, relations], 0..6);
    let principal = any::<(Option<u128>, Option<u128>)>();
    (
        any::<(Revision, i64)>(),
        principal,
        text(),
        text(),
        changes,
        prop::collection::vec(any::<Option<u8>>(), 0..6),
        prop::collection::vec(event(), 0..3),
        prop::option::of(replay()),
    )
        .prop_map(
            |((revision, at), (token, profile), operation, request_id, changes, whose, events, replay)| Commit {
                revision,
                at: Time(at),
                by: Principal {
                    token: token.map(Uuid::from_u128),
                    profile: profile.map(Uuid::from_u128),
                },
                operation,
                request_id,
                whose: whose
                    .iter()
                    .take(changes.len())
                    .map(|whose| whose.map(|serial| u64::from(serial % 4) + 1))
                    .collect(),
                changes,
                events,
                replay,
            },
        )
}

/// A history that makes sense: each commit fits what the ones before it left. The same for the same seed.
pub struct World {
    random: u64,
    pub head: Head,
    pub commits: Vec<Commit>,
    entities: BTreeMap<Serial, Entity>,
    relations: BTreeMap<(Serial, Rel, Serial), Arc<Relation>>,
    replays: Vec<(Revision, Replay)>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self {
            random: seed,
            head: Head::EMPTY,
            commits: Vec::new(),
            entities: BTreeMap::new(),
            relations: BTreeMap::new(),
            replays: Vec::new(),
        }
    }

    /// splitmix64
    pub fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.random() % bound.max(1) as u64) as usize
    }

    fn fields(&mut self, defs: &[FieldDef]) -> Fields {
        let mut fields = Vec::new();
        for (place, def) in defs.iter().enumerate() {
            let random = self.random();
            if random.is_multiple_of(4) {
                continue;
            }
            let value = match def.field_type {
                FieldType::Text => Value::text(&"a name of some length, or of none"[..(random >> 8) as usize % 34]),
                FieldType::Json => Value::text("[]"),
                FieldType::Bool => Value::Bool(random & 16 != 0),
                FieldType::Int => Value::Int((random as i64) >> 40),
                FieldType::Time => Value::Time(Time((random >> 20) as i64)),
                FieldType::Uuid => Value::Uuid(Uuid::from_u64_pair(random, !random)),
            };
            fields.push((place as u8, value));
        }
        fields.into_iter().collect()
    }

    fn some_entity(&mut self) -> Option<Entity> {
        let at = self.below(self.entities.len());
        self.entities.values().nth(at).cloned()
    }

    /// The next commit, of up to `most` changes; the world then is as if it were stored.
    pub fn commit(&mut self, most: usize) -> Commit {
        let revision = self.head.revision + 1;
        let at = Time(self.head.at.0 + 1 + self.below(60_000) as i64);
        let mut changes = Vec::new();
        for _ in 0..self.below(most + 1) {
            changes.extend(self.change(revision, at));
        }
        let replay = self.random().is_multiple_of(3).then(|| Replay {
            scope: "token".into(),
            key: CompactString::from(format!("key-{revision}")),
            fingerprint: [revision as u8; 32],
            at,
            status: 200,
            body: vec![b'{'; self.below(300)].into(),
        });
        let refused = self.random().is_multiple_of(4).then(|| Event {
            name: "LicenseConsumed".into(),
            object_type: "License".into(),
            object: Uuid::from_u128(u128::from(revision)),
            whose: revision.is_multiple_of(2).then_some(revision),
            facts: vec![(
                "errorInfo".into(),
                Fact::Group(vec![("error".into(), Value::text("noSeatsAvailable").into())]),
            )],
        });
        let events = refused.into_iter().collect();
        let by = Principal {
            token: Some(Uuid::from_u128(7)),
            profile: None,
        };
        let commit = Commit {
            revision,
            at,
            by,
            operation: "Create".into(),
            request_id: "r-1".into(),
            whose: (0..changes.len())
                .map(|at| (!at.is_multiple_of(5)).then_some(revision % 3 + 1))
                .collect(),
            changes,
            events,
            replay,
        };
        self.head.revision = revision;
        self.head.at = at;
        self.replays
            .extend(commit.replay.clone().map(|replay| (commit.revision, replay)));
        self.commits.push(commit.clone());
        commit
    }

    fn change(&mut self, revision: Revision, at: Time) -> Vec<Change> {
        match self.below(10) {
            0..4 => {
                let kind = Kind::ALL[self.below(Kind::ALL.len())];
                let serial = self.head.next_serial;
                self.head.next_serial += 1;
                let id = Uuid::from_u64_pair(self.random(), serial);
                let fields = self.fields(kind.def().fields);
                let entity = Entity::new(
                    Header {
                        id,
                        serial,
                        revision,
                        created: at,
                        updated: at,
                        kind,
                    },
                    fields,
                );
                self.entities.insert(serial, entity.clone());
                vec![Change::Entity {
                    before: None,
                    after: Some(entity),
                }]
            }
            4 => {
                let Some(before) = self.some_entity() else {
                    return Vec::new();
                };
                let fields = self.fields(before.kind.def().fields);
                let after = Entity::new(
                    Header {
                        revision,
                        updated: at,
                        ..*before
                    },
                    fields,
                );
                self.entities.insert(before.serial, after.clone());
                vec![Change::Entity {
                    before: Some(before),
                    after: Some(after),
                }]
            }
            5 => {
                let Some(before) = self.some_entity() else {
                    return Vec::new();
                };
                let gone = before.serial;
                self.entities.remove(&gone);
                let at_it = |(to, _, from): &(Serial, Rel, Serial)| *to == gone || *from == gone;
                let keys: Vec<_> = self.relations.keys().filter(|key| at_it(key)).copied().collect();
                let relations = keys.into_iter().filter_map(|key| self.relations.remove(&key));
                let mut changes: Vec<_> = relations
                    .map(|relation| Change::Relation {
                        before: Some(relation),
                        after: None,
                    })
                    .collect();
                changes.push(Change::Entity {
                    before: Some(before),
                    after: None,
                });
                changes
            }
            6..9 => {
                let (Some(from), Some(to)) = (self.some_entity(), self.some_entity()) else {
                    return Vec::new();
                };
                let rel = Rel(self.below(schema::RELATIONS.len()) as u8);
                let fields = self.fields(rel.def().fields);
                let end = |entity: &Entity| End {
                    id: entity.id,
                    serial: entity.serial,
                };
                let after = Arc::new(Relation {
                    rel,
                    from: end(&from),
                    to: end(&to),
                    fields,
                });
                let before = self.relations.insert((to.serial, rel, from.serial), after.clone());
                vec![Change::Relation {
                    before,
                    after: Some(after),
                }]
            }
            _ => {
                let at = self.below(self.relations.len());
                let Some(key) = self.relations.keys().nth(at).copied() else {
                    return Vec::new();
                };
                let before = self.relations.remove(&key);
                vec![Change::Relation { before, after: None }]
            }
        }
    }

    /// All that `load` must give, relations in any order.
    pub fn state(&self, replays_since: Time) -> Vec<Loaded> {
        let entities = self.entities.values().cloned().map(Loaded::Entity);
        let relations = self
            .relations
            .values()
            .map(|relation| Loaded::Relation((**relation).clone()));
        let replays = self
            .replays
            .iter()
            .filter(|(_, replay)| replay.at >= replays_since)
            .cloned()
            .map(|(revision, replay)| Loaded::Replay(revision, replay));
        entities.chain(relations).chain(replays).collect()
    }
}

/// What `load` gives, relations in the order of `World::state`.
pub fn loaded(store: &mut dyn super::Storage, since: Time) -> Result<(Head, Vec<Loaded>), super::StorageError> {
    let (mut all, mut coming) = (Vec::new(), Vec::new());
    let head = store.load(since, &mut |loaded| {
        match loaded {
            Loaded::Coming { entities, relations } if all.is_empty() => coming.push((entities, relations)),
            loaded => all.push(loaded),
        }
        Ok(())
    })?;
    let count = |of: fn(&Loaded) -> bool| all.iter().filter(|loaded| of(loaded)).count();
    let entities = count(|loaded| matches!(loaded, Loaded::Entity(_)));
    let relations = count(|loaded| matches!(loaded, Loaded::Relation(_)));
    assert_eq!(coming, [(entities, relations)], "what was said to be coming");
    all.sort_by_key(|loaded| match loaded {
        Loaded::Coming { .. } => unreachable!("it came first"),
        Loaded::Entity(_) => (0, 0, Rel(0), 0),
        Loaded::Relation(relation) => (1, relation.to.serial, relation.rel, relation.from.serial),
        Loaded::Replay(..) => (2, 0, Rel(0), 0),
    });
    Ok((head, all))
}
