//! Tests: random commits in random worlds, against the rules read from the other end, before the commit and after it.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::super::tests::{Dice, Reading, make, world};
use super::*;
use crate::graph::{Kept, Transaction};
use crate::model::schema::relations;
use crate::model::{Clock, Fields, Time, Value};

const NOW: Time = Time(1_700_000_000_001);

/// What one organization reaches at one time.
struct Sets {
    own: HashSet<Uuid>,
    read: HashSet<Uuid>,
}

impl Sets {
    /// Of every organization there is, by serial.
    fn of(graph: &Graph) -> HashMap<Serial, Sets> {
        let reading = Reading::of(graph);
        let catalogue = reading.catalogue(graph);
        let sets = graph.of_kind(Kind::Organization, None).map(|organization| {
            let (own, shared) = reading.organization(organization.id);
            let read = own.union(&shared).chain(&catalogue).copied().collect();
            (organization.serial, Sets { own, read })
        });
        sets.collect()
    }

    fn tells(&self, change: &Change, after: bool) -> bool {
        match change {
            Change::Entity { before, after: is } => {
                let side = if after { is } else { before };
                side.as_ref().is_none_or(|entity| self.own.contains(&entity.id))
            }
            Change::Relation { before, after: is } => {
                let side = if after { is } else { before };
                side.as_ref().is_none_or(|relation| {
                    let ends = [relation.from.id, relation.to.id];
                    ends.iter().any(|id| self.own.contains(id)) && ends.iter().all(|id| self.read.contains(id))
                })
            }
        }
    }
}

/// Things that happen to a graph; those that may not are left out.
fn act(tx: &mut Transaction<'_>, dice: &mut Dice) {
    let mut all: HashMap<Kind, Vec<Uuid>> = HashMap::new();
    for kind in Kind::public() {
        let ids: Vec<Uuid> = tx.graph().of_kind(kind, None).map(|node| node.id).collect();
        if !ids.is_empty() {
            all.insert(kind, ids);
        }
    }
    let kinds: Vec<Kind> = Kind::public().filter(|kind| all.contains_key(kind)).collect();
    for _ in 0..1 + dice.roll(6) {
        let savepoint = tx.savepoint();
        let kind = dice.pick(&kinds).unwrap_or(Kind::Organization);
        let some = |dice: &mut Dice, kind: Kind| dice.pick(all.get(&kind).map_or(&[][..], |all| all));
        let Some(id) = some(dice, kind) else { continue };
        let done = match dice.roll(6) {
            0 => tx.remove_cascading(id).map(drop),
            1 => {
                make(tx, &mut all.clone(), dice, kind);
                Ok(())
            }
            2 => tx.update(
                id,
                Fields::default().with(0, kind.def().fields.first().map(|_| Value::text("x"))),
            ),
            3 => {
                // To another owner.
                let owners: Vec<Rel> = kind.parents().to_vec();
                let Some(rel) = dice.pick(&owners) else { continue };
                let old = tx
                    .graph()
                    .find(id)
                    .and_then(|node| node.parent(rel))
                    .map(|node| node.id);
                let Some(new) = some(dice, rel.def().from) else {
                    continue;
                };
                old.map_or(Ok(()), |old| tx.unrelate(rel, old, id))
                    .and_then(|()| tx.relate(rel, new, id, Fields::default()))
            }
            _ => {
                let many: Vec<Rel> = relations()
                    .filter(|rel| rel.def().relation_type != RelationType::OneToMany)
                    .collect();
                let Some(rel) = dice.pick(&many) else { continue };
                let (Some(from), Some(to)) = (some(dice, rel.def().from), some(dice, rel.def().to)) else {
                    continue;
                };
                match dice.roll(2) {
                    0 => tx.unrelate(rel, from, to),
                    _ => tx.relate(rel, from, to, Fields::default()),
                }
            }
        };
        if done.and_then(|()| tx.validate()).is_err() {
            tx.rollback_to(savepoint);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn a_change_is_his_whose_it_was(seed in 1u64.., acts in 1u64..) {
        let mut graph = world(seed);
        let then = Sets::of(&graph);
        let clock = Clock::frozen(NOW);
        let mut tx = Transaction::new(&mut graph, 2, NOW, &clock);
        act(&mut tx, &mut Dice(acts));
        let changes = tx.finish().unwrap();
        let now = Sets::of(&graph);
        let found: Vec<_> = whose(&graph, &changes).iter().take(changes.len()).collect();
        let nothing = Sets { own: HashSet::new(), read: HashSet::new() };
        for (change, found) in changes.iter().zip(found) {
            let serials: HashSet<Serial> = then.keys().chain(now.keys()).copied().collect();
            let of = |sets: &'_ HashMap<Serial, Sets>, serial: Serial, after: bool| {
                sets.get(&serial).unwrap_or(&nothing).tells(change, after)
            };
            let expected: Vec<Serial> = serials
                .into_iter()
                .filter(|serial| of(&then, *serial, false) && of(&now, *serial, true))
                .collect();
            prop_assert_eq!(found.as_slice(), expected.as_slice(), "{:?}", change);
        }
    }

    #[test]
    fn the_owner_is_from_where_it_is_own(seed in 1u64..) {
        let graph = world(seed);
        for node in Kind::ALL.iter().flat_map(|kind| graph.of_kind(*kind, None)) {
            let from = |organization: &crate::graph::Node<'_>| policy::place(node, *organization) == Place::Own;
            let expected: Vec<_> = graph.of_kind(Kind::Organization, None).filter(from).collect();
            let found: Vec<_> = policy::owner(node).into_iter().collect();
            prop_assert_eq!(found, expected, "{:?}", node);
        }
    }
}

#[test]
fn a_token_is_its_organizations() {
    let mut graph = Graph::new();
    let clock = Clock::frozen(NOW);
    let mut tx = Transaction::new(&mut graph, 1, NOW, &clock);
    let organization = tx.new_id();
    tx.create(organization, Kind::Organization, Fields::default(), Kept::default())
        .unwrap();
    for bound in [Some(organization), None] {
        let field = Kind::Token.field("organizationId").unwrap();
        let fields = Fields::default().with(field, bound.map(Value::Uuid));
        tx.create(tx.new_id(), Kind::Token, fields, Kept::default()).unwrap();
    }
    let changes = tx.finish().unwrap();
    let found: Vec<_> = whose(&graph, &changes).iter().take(3).collect();
    assert_eq!(found, [Some(1), Some(1), None]);
    // They go together.
    let mut tx = Transaction::new(&mut graph, 2, NOW, &clock);
    let tokens: Vec<Uuid> = tx.graph().of_kind(Kind::Token, None).map(|node| node.id).collect();
    tokens.into_iter().for_each(|id| tx.remove(id).unwrap());
    tx.remove_cascading(organization).unwrap();
    let changes = tx.finish().unwrap();
    let found: Vec<_> = whose(&graph, &changes).iter().take(3).collect();
    assert_eq!(found.iter().flatten().count(), 2, "{found:?}");
}
