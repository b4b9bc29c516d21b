//! Random bodies: what fails leaves no trace, what succeeds fits together, and said again it says nothing new.

use proptest::prelude::*;

use super::*;
use crate::entitlement::seats::of_license;
use crate::model::RelationType;
use crate::model::schema::Hop;
use crate::operation::input::{FieldInput, ReferenceInput, RelatedInput};

const KINDS: [Kind; 14] = [
    Kind::Organization,
    Kind::ProfileGroup,
    Kind::Profile,
    Kind::Person,
    Kind::Entitlement,
    Kind::License,
    Kind::LicensedItem,
    Kind::Assignment,
    Kind::SeatCountCredit,
    Kind::LicenseModel,
    Kind::SeatCountConstraint,
    Kind::Property,
    Kind::OrganizationRole,
    Kind::EmailAndPassword,
];

fn ids(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Organization => &["acme", "zoo", "o1"],
        Kind::ProfileGroup => &["crew", "guests", "pack", "g1"],
        Kind::Profile => &["ann", "bob", "zed", "mix", "f1"],
        Kind::Person => &["mann", "n1"],
        Kind::Entitlement => &["ent", "ent2", "zent", "own", "e1"],
        Kind::License => &["lic", "zlic", "l1", "l2"],
        Kind::LicensedItem => &["app", "i1"],
        Kind::Assignment => &["a1", "a2", "a3", "a4"],
        Kind::SeatCountCredit => &["credit", "zcredit", "c1"],
        Kind::LicenseModel => &["model", "m1"],
        Kind::SeatCountConstraint => &["rule", "r1"],
        Kind::Property => &["p1", "p2"],
        Kind::OrganizationRole => &["role", "template", "zrole", "x1"],
        _ => &["login", "y1"],
    }
}

fn any_id(kind: Kind) -> impl Strategy<Value = Uuid> {
    // Now and then another kind's, or nobody's.
    prop_oneof![
        30 => proptest::sample::select(ids(kind)).prop_map(id),
        1 => proptest::sample::select(KINDS.to_vec()).prop_map(|other| id(ids(other)[0])),
        1 => Just(id("nobody")),
    ]
}

fn any_value(kind: Kind, index: u8) -> BoxedStrategy<Option<Value>> {
    use crate::model::FieldType;
    let def = &kind.def().fields[usize::from(index)];
    let some = match def.field_type {
        FieldType::Text if !def.values.is_empty() => {
            proptest::sample::select([def.values, &["", "none of them"]].concat())
                .prop_map(Value::text)
                .boxed()
        }
        FieldType::Text | FieldType::Json => proptest::sample::select(&["a", "b", "employees", ""][..])
            .prop_map(Value::text)
            .boxed(),
        FieldType::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        FieldType::Int => (-1i64..4).prop_map(Value::Int).boxed(),
        FieldType::Time => (-2i64..3)
            .prop_map(|day| Value::Time(Time(NOW.0 + day * 86_400_000)))
            .boxed(),
        FieldType::Uuid => Just(Value::Uuid(id("x"))).boxed(),
    };
    prop_oneof![4 => some.prop_map(Some), 1 => Just(None)].boxed()
}

fn any_fields(kind: Kind) -> BoxedStrategy<Vec<FieldInput>> {
    let writable: Vec<u8> = (0..kind.def().fields.len() as u8)
        .filter(|index| {
            !kind.def().fields[usize::from(*index)].server_owned && kind.field("passwordPlain") != Some(*index)
        })
        .collect();
    // Required ones mostly, so that bodies get past them.
    let required: Vec<u8> = writable
        .iter()
        .copied()
        .filter(|index| kind.def().fields[usize::from(*index)].required)
        .collect();
    if writable.is_empty() {
        return Just(Vec::new()).boxed();
    }
    let one = proptest::sample::select(writable).prop_flat_map(move |index| {
        any_value(kind, index).prop_map(move |value| FieldInput {
            field: Field::Own(index),
            value,
        })
    });
    let texts = proptest::sample::select(&["a", "b", "c", "d"][..]);
    (proptest::collection::vec(one, 0..3), texts, 0..8u8)
        .prop_map(move |(mut fields, text, with)| {
            if with > 0 {
                fields.extend(required.iter().map(|index| FieldInput {
                    field: Field::Own(*index),
                    value: Some(Value::text(text)),
                }));
            }
            fields
        })
        .boxed()
}

fn any_references(kind: Kind) -> BoxedStrategy<Vec<ReferenceInput>> {
    let parents: Vec<Rel> = kind
        .parents()
        .iter()
        .copied()
        .filter(|rel| KINDS.contains(&rel.def().from))
        .collect();
    if parents.is_empty() {
        return Just(Vec::new()).boxed();
    }
    let one = proptest::sample::select(parents.clone()).prop_flat_map(|rel| {
        prop_oneof![9 => any_id(rel.def().from).prop_map(Some), 1 => Just(None)].prop_map(move |parent| {
            ReferenceInput {
                rel,
                parent,
                entry: None,
            }
        })
    });
    // All that are needed at once, mostly: an owner by one of the relations, and each required one.
    let owners: Vec<Rel> = kind.owners().filter(|rel| KINDS.contains(&rel.def().from)).collect();
    let needed = proptest::sample::subsequence(owners.clone(), owners.len().min(1)).prop_flat_map(move |owner| {
        let required = parents
            .iter()
            .copied()
            .filter(|rel| rel.def().role == crate::model::schema::Role::Required);
        let all: Vec<_> = owner
            .into_iter()
            .chain(required)
            .map(|rel| {
                any_id(rel.def().from).prop_map(move |parent| ReferenceInput {
                    rel,
                    parent: Some(parent),
                    entry: None,
                })
            })
            .collect();
        all
    });
    prop_oneof![3 => needed, 1 => proptest::collection::vec(one, 0..2)].boxed()
}

pub(super) fn any_object(depth: u32) -> BoxedStrategy<ObjectInput> {
    proptest::sample::select(KINDS.to_vec())
        .prop_flat_map(move |kind| any_of_kind(kind, depth))
        .boxed()
}

fn any_of_kind(kind: Kind, depth: u32) -> BoxedStrategy<ObjectInput> {
    let hops: Vec<Hop> = kind
        .hops()
        .iter()
        .copied()
        .filter(|hop| KINDS.contains(&hop.to()))
        .collect();
    let related = if depth == 0 || hops.is_empty() {
        Just(Vec::new()).boxed()
    } else {
        let one = proptest::sample::select(hops).prop_flat_map(move |hop| {
            let named = hop.rel.def().relation_type == RelationType::Membership;
            let day = (0..2u8, -2i64..3).prop_map(move |(index, day)| {
                if named {
                    vec![(index, Some(Value::Time(Time(NOW.0 + day * 86_400_000))))]
                } else {
                    Vec::new()
                }
            });
            (any_of_kind(hop.to(), depth - 1), day).prop_map(move |(mut object, fields)| {
                // Listed under its parent it needs no reference to it, and would contradict the place.
                object.references.retain(|reference| reference.rel != hop.rel);
                RelatedInput {
                    hop,
                    object,
                    fields,
                    ends: (None, None),
                }
            })
        });
        proptest::collection::vec(one, 0..3).boxed()
    };
    (any_id(kind), any_fields(kind), any_references(kind), related)
        .prop_map(move |(id, fields, references, related)| ObjectInput {
            kind,
            id: Some(id),
            fields,
            references,
            related,
            at: Default::default(),
        })
        .boxed()
}

pub(super) fn any_who() -> impl Strategy<Value = Who> {
    prop_oneof![
        4 => Just(Who::server()),
        2 => Just(who(&["*.*"], Some("acme"), None)),
        1 => Just(who(&["*.read", "*.update"], None, Some("ann"))),
        1 => Just(who(&["*.create", "Organization.read", "License.update"], Some("zoo"), Some("mix"))),
    ]
}

/// What a bound token may see of the graph, to the last field: another organization's share of it.
fn foreign(graph: &Graph, organization: &str) -> Vec<crate::model::Entity> {
    let who = who(&["*.read"], Some(organization), None);
    let view = View::new(graph, &who);
    let kinds = Kind::public().flat_map(|kind| graph.of_kind(kind, None));
    kinds
        .filter(|node| view.owns(*node).is_ok())
        .map(|node| node.entity().clone())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn all_or_nothing(bodies in proptest::collection::vec((any_who(), proptest::collection::vec(any_object(2), 1..4)), 1..6)) {
        let mut world = World::new();
        for (who, objects) in &bodies {
            let before = world.graph.digest();
            let stolen = who.organization.map(|own| if own == id("acme") { "zoo" } else { "acme" });
            let theirs = stolen.map(|other| foreign(&world.graph, other));
            let over = |graph: &Graph| graph.of_kind(Kind::License, None).filter(|license| of_license(*license, NOW).overdrawn()).count();
            let overdrawn = over(&world.graph);
            let lowered = objects.iter().any(|object| format!("{object:?}").contains("SeatCountCredit"));
            match world.write(|tx| upsert(tx, who, objects, Mode::Merge, None)) {
                Err(_) => prop_assert_eq!(world.graph.digest(), before),
                Ok(done) => {
                    prop_assert_eq!(done.told.count == 0, world.graph.digest() == before);
                    // Only a smaller credit takes seats from under those who hold them.
                    prop_assert!(lowered || over(&world.graph) <= overdrawn);
                    // A bound token changes nothing of another organization's own.
                    if let (Some(other), Some(theirs)) = (stolen, theirs) {
                        let now = foreign(&world.graph, other);
                        prop_assert!(theirs.iter().all(|entity| now.contains(entity)));
                    }
                    let after = world.graph.digest();
                    // Who reads nothing cannot tell that it wrote this before, and is not told.
                    if who.permissions.contains(&Permissions::parse("*.read").unwrap()) {
                        let again = world.write(|tx| upsert(tx, who, objects, Mode::Merge, None));
                        prop_assert_eq!(again.map(|again| (again.told.count, again.created_top)), Ok((0, false)));
                        prop_assert_eq!(world.graph.digest(), after);
                    }
                }
            }
        }
    }
}
