//! A random world, made through transactions as any other: a few well-connected entities among many small ones, holes
//! where entities were removed, cycles of roles and items. Not a likely world: one that meets every case.

use seatgraph::access::{Permissions, Who};
use seatgraph::graph::{Graph, Kept, Transaction};
use seatgraph::model::schema::{self, Role};
use seatgraph::model::{Clock, FieldDef, FieldType, Fields, Kind, Principal, Rel, RelationType, Time, Value};
use uuid::Uuid;

use super::Dice;

pub struct World {
    pub graph: Graph,
    /// In order of creation; some are gone again.
    pub ids: Vec<Uuid>,
}

pub const TEXTS: &[&str] = &[
    "a",
    "A",
    "ab",
    "Ab",
    "abc",
    "b",
    "ba",
    "B",
    "",
    "x*y",
    "100%",
    "it's",
    r"back\slash",
    "Ærø",
    "ærø",
    "ΟΔΟΣ",
    "ΟΔΟΣΑ",
    "null",
    "twenty-four bytes and then some more",
    "TWENTY-FOUR BYTES AND THEN SOME",
    "a/b[c]{d}",
];
pub const NUMBERS: &[i64] = &[0, 1, 2, 3, 10, 1000, i64::MAX];
pub const TIMES: &[i64] = &[
    0,
    1_000,
    1_676_815_942_012,
    1_800_000_000_000,
    1_800_000_000_001,
    -86_400_000,
];
const EPOCH: i64 = 1_700_000_000_000;

/// Kinds that selectors have most to do with come most often.
const COMMON: &[Kind] = &[
    Kind::Organization,
    Kind::ProfileGroup,
    Kind::ProfileGroup,
    Kind::Profile,
    Kind::Profile,
    Kind::Profile,
    Kind::Person,
    Kind::EmailAndPassword,
    Kind::ContactInformation,
    Kind::EmailAddress,
    Kind::EmailAddress,
    Kind::Entitlement,
    Kind::Entitlement,
    Kind::License,
    Kind::License,
    Kind::License,
    Kind::License,
    Kind::LicensedItem,
    Kind::ProductPackage,
    Kind::LicenseModel,
    Kind::Assignment,
    Kind::Assignment,
    Kind::Consumption,
    Kind::OrganizationRole,
    Kind::ConsumerPermission,
    Kind::SeatCountCredit,
    Kind::Property,
    Kind::LicenseMetadata,
];

impl World {
    /// Of so many entities at most.
    pub fn random(dice: &mut Dice, most: usize) -> Self {
        let mut world = Self {
            graph: Graph::new(),
            ids: Vec::new(),
        };
        let clock = Clock::frozen(Time(EPOCH));
        let size = most / 9 + dice.below(most - most / 9 + 1);
        // Some worlds are of many kinds, some of few and many of each; large ones of few.
        let large = most > 1000;
        let few: Vec<Kind> = (0..if large { 2 } else { 3 + dice.below(6) })
            .filter_map(|_| dice.pick(COMMON))
            .copied()
            .collect();
        let hub = dice.below(100);
        for turn in 0..size {
            clock.set(Time(EPOCH + dice.below(50) as i64));
            let kind = match dice.below(10) {
                0..5 => dice.pick(&few).copied(),
                5..8 if large => dice.pick(&few).copied(),
                5..9 => dice.pick(COMMON).copied(),
                _ => Kind::ALL.get(dice.below(Kind::ALL.len())).copied(),
            };
            if let Some(kind) = kind {
                world.create(dice, &clock, kind, hub, 0);
            }
            if turn % 3 == 0 {
                world.relate(dice, &clock, hub);
            }
            if dice.in_hundred(3) {
                world.remove(dice, &clock);
            }
        }
        assert_eq!(world.graph.check(), Ok(()));
        world
    }

    fn try_to(
        &mut self,
        clock: &Clock,
        act: impl FnOnce(&mut Transaction<'_>) -> Result<(), seatgraph::graph::Violation>,
    ) -> bool {
        let revision = self.graph.revision() + 1;
        let mut transaction = Transaction::new(&mut self.graph, revision, clock.now(), clock);
        // What breaks a rule (a name taken, a second owner) just does not happen.
        if act(&mut transaction).is_err() || transaction.finish().is_err() {
            return false;
        }
        self.graph.set_revision(revision);
        true
    }

    fn create(&mut self, dice: &mut Dice, clock: &Clock, kind: Kind, hub: usize, depth: usize) -> Option<Uuid> {
        let fields = self.fields(dice, kind.def().fields);
        let mut parents: Vec<(Rel, Uuid)> = Vec::new();
        let owners: Vec<Rel> = kind.owners().collect();
        let wanted = kind.parents().iter().copied().filter(|rel| match rel.def().role {
            Role::Owner => false,
            Role::Required => true,
            Role::Optional | Role::OptionalCascade => dice.in_hundred(60),
        });
        let mut wanted: Vec<Rel> = wanted.collect();
        wanted.extend(dice.pick(&owners));
        for rel in wanted {
            let parent = match one_of(dice, &self.graph, rel.def().from, hub) {
                Some(parent) => Some(parent),
                None if depth < 4 => self.create(dice, clock, rel.def().from, hub, depth + 1),
                None => None,
            };
            parents.extend(parent.map(|parent| (rel, parent)));
        }
        let id = clock.new_id();
        let done = self.try_to(clock, |transaction| {
            transaction.create(id, kind, fields, Kept::default())?;
            parents
                .iter()
                .try_for_each(|(rel, parent)| transaction.relate(*rel, *parent, id, Fields::default()))
        });
        if done {
            self.ids.push(id);
        }
        done.then_some(id)
    }

    fn relate(&mut self, dice: &mut Dice, clock: &Clock, hub: usize) {
        let many: Vec<Rel> = schema::relations()
            .filter(|rel| rel.def().relation_type != RelationType::OneToMany)
            .collect();
        let Some(rel) = dice.pick(&many).copied() else { return };
        for _ in 0..1 + dice.below(8) {
            let ends = (
                one_of(dice, &self.graph, rel.def().from, hub),
                one_of(dice, &self.graph, rel.def().to, hub),
            );
            let fields = self.fields(dice, rel.def().fields);
            if let (Some(from), Some(to)) = ends {
                self.try_to(clock, |transaction| transaction.relate(rel, from, to, fields));
            }
        }
    }

    fn remove(&mut self, dice: &mut Dice, clock: &Clock) {
        if let Some(id) = dice.pick(&self.ids).copied() {
            self.try_to(clock, |transaction| transaction.remove_cascading(id).map(|_| ()));
        }
    }

    fn fields(&self, dice: &mut Dice, defs: &[FieldDef]) -> Fields {
        let mut fields = Vec::new();
        for (index, def) in defs.iter().enumerate() {
            if def.required || dice.in_hundred(if def.unique { 30 } else { 65 }) {
                fields.extend(self.value(dice, def).map(|value| (index as u8, value)));
            }
        }
        fields.into_iter().collect()
    }

    fn value(&self, dice: &mut Dice, def: &FieldDef) -> Option<Value> {
        Some(match def.field_type {
            FieldType::Text if !def.values.is_empty() => Value::text(dice.pick(def.values)?),
            FieldType::Text if def.unique && dice.in_hundred(70) => {
                Value::text(&format!("{}{}", dice.pick(TEXTS)?, dice.below(1000)))
            }
            FieldType::Text => Value::text(dice.pick(TEXTS)?),
            FieldType::Json => Value::text("[\"hw\"]"),
            FieldType::Bool => Value::Bool(dice.in_hundred(50)),
            FieldType::Int => Value::Int(*dice.pick(NUMBERS)?),
            // In a large world much grows old in the order it came in, as it does in a real one.
            FieldType::Time if self.ids.len() > 200 && dice.in_hundred(70) => {
                Value::Time(Time(EPOCH + 1000 * self.ids.len() as i64))
            }
            FieldType::Time => Value::Time(Time(*dice.pick(TIMES)?)),
            FieldType::Uuid => Value::Uuid(*dice.pick(&self.ids)?),
        })
    }

    /// An administrator, somebody with a few permissions, a token bound to an organization; with a profile or without.
    pub fn somebody(&self, dice: &mut Dice) -> Who {
        let permissions = match dice.below(10) {
            0..6 => Permissions::ALL,
            6..9 => {
                let names = Kind::public().map(|kind| format!("{}.read", kind.name()));
                let share = 70 + dice.below(30);
                let names: Vec<String> = names.filter(|_| dice.in_hundred(share)).collect();
                Permissions::parse_all(names.iter().map(String::as_str)).expect("kinds have read permissions")
            }
            _ => Permissions::NONE,
        };
        let profile = if dice.in_hundred(40) {
            one_of(dice, &self.graph, Kind::Profile, 20)
        } else {
            None
        };
        let organization = match dice.below(10) {
            0..3 => one_of(dice, &self.graph, Kind::Organization, 60),
            // Bound to what is gone, or never was an organization.
            3 if dice.in_hundred(20) => dice.pick(&self.ids).copied(),
            _ => None,
        };
        Who {
            principal: Principal { token: None, profile },
            organization,
            permissions,
        }
    }
}

/// One of a kind; the oldest again and again, which makes it a hub.
pub fn one_of(dice: &mut Dice, graph: &Graph, kind: Kind, hub: usize) -> Option<Uuid> {
    let count = graph.kind_count(kind);
    let at = if dice.in_hundred(hub) { 0 } else { dice.below(count) };
    graph.of_kind(kind, None).nth(at).map(|node| node.id)
}

/// The hops a random selector takes: rather where there is something.
pub fn has_any(graph: &Graph, rel: Rel) -> bool {
    let hop = schema::Hop::forward(rel);
    graph.of_kind(rel.def().from, None).any(|node| node.hop_count(hop) > 0)
}
