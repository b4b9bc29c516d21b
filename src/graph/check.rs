//! Proving a graph sound, and comparing two: what is derived is held against what it comes from, each entity against the
//! types, owners and unique values of the schema, and a digest says whether two copies hold the same. For tests and
//! `verify`. Which fields must be set, and to what, is not asked.

use std::collections::HashSet;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::model::schema::{Hop, Role};
use crate::model::{Kind, RelationType, Serial, Value, Values, schema};

use super::index::folded;
use super::{Graph, Node};

impl Graph {
    /// Everything wrong, in words.
    pub fn check(&self) -> Result<(), Vec<String>> {
        let mut wrong = Vec::new();
        self.topology.check(&mut wrong);
        self.index.check(&self.topology, &mut wrong);
        self.seats.check(&self.topology, &mut wrong);
        let mut serials: HashSet<Serial> = HashSet::new();
        for kind in Kind::ALL {
            let mut within: HashSet<(usize, Value)> = HashSet::new();
            for node in self.of_kind(*kind, None) {
                if !serials.insert(node.serial) || node.serial >= self.next_serial {
                    wrong.push(format!(
                        "{node:?} has the serial {}, the next is {}",
                        node.serial, self.next_serial
                    ));
                }
                node_is_sound(node, &mut within, &mut wrong);
            }
            for (field, def) in kind.def().fields.iter().enumerate().filter(|(_, def)| def.unique) {
                let keys = self
                    .index
                    .values(*kind, field as u8)
                    .into_iter()
                    .flat_map(|keys| keys.iter());
                let values: Vec<&Value> = keys.map(|key| &key.value).collect();
                if let Some(twice) = values.windows(2).find(|pair| pair[0] == pair[1]) {
                    wrong.push(format!("{:?} is twice a {} of {}", twice[0], def.name, kind.name()));
                }
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    /// SHA-256 over every entity and relation, the same however the graph was built: for comparing two copies.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for kind in Kind::ALL {
            for node in self.of_kind(*kind, None) {
                hash.update(node.id.as_bytes());
                hash.update([*kind as u8]);
                for number in [node.serial, node.revision] {
                    hash.update(number.to_le_bytes());
                }
                for time in [node.created, node.updated] {
                    hash.update(time.millis().to_le_bytes());
                }
                add_fields(&mut hash, node.fields());
            }
        }
        hash.update([0xff]);
        for relation in self.relations() {
            hash.update([relation.rel.0]);
            hash.update(relation.from.id.as_bytes());
            hash.update(relation.to.id.as_bytes());
            add_fields(&mut hash, relation.fields.values());
        }
        hash.finalize().into()
    }
}

fn add_fields(hash: &mut Sha256, fields: Values<'_>) {
    hash.update([fields.len() as u8]);
    for (field, value) in fields.iter() {
        hash.update([field]);
        let mut part = |tag: u8, bytes: &[u8]| {
            hash.update([tag]);
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        match value {
            Value::Bool(flag) => part(0, &[u8::from(*flag)]),
            Value::Int(number) => part(1, &number.to_le_bytes()),
            Value::Time(time) => part(2, &time.millis().to_le_bytes()),
            Value::Uuid(id) => part(3, id.as_bytes()),
            Value::Text(text) => part(4, text.as_bytes()),
        }
    }
}

/// `within`: the values seen that no two children of one owner share.
fn node_is_sound(node: Node<'_>, within: &mut HashSet<(usize, Value)>, wrong: &mut Vec<String>) {
    let kind = node.kind;
    for (field, value) in node.fields().iter() {
        let def = kind.def().fields.get(field as usize);
        if def.is_none_or(|def| !def.field_type.takes(value)) {
            wrong.push(format!("{node:?} has {value:?} in field {field}"));
        }
    }
    // Of relations with itself only the forward side is in the schema's list of hops, which is enough here.
    for rel in schema::relations().filter(|rel| rel.def().from == kind) {
        let mut last = None;
        let mut count = 0;
        for (far, fields) in node.hop(Hop::forward(rel), None) {
            count += 1;
            if last.replace(far.serial).is_some_and(|last| last >= far.serial) {
                wrong.push(format!(
                    "{node:?} has {} twice or out of order",
                    rel.def().stable_name()
                ));
            }
            if far.kind != rel.def().to || fields.iter().any(|(field, _)| field as usize >= rel.def().fields.len()) {
                wrong.push(format!("{} of {node:?} does not fit its type", rel.def().stable_name()));
            }
            if far.relation(Hop::backward(rel), node) != Some(fields) {
                wrong.push(format!(
                    "{} of {node:?} is not found from {far:?}",
                    rel.def().stable_name()
                ));
            }
        }
        if rel.def().single && count > 1 {
            wrong.push(format!("{node:?} has {count} by {}", rel.def().stable_name()));
        }
    }
    for rel in schema::relations().filter(|rel| rel.def().to == kind) {
        let near: Vec<Uuid> = node
            .hop(Hop::backward(rel), None)
            .filter(|(far, _)| far.kind != rel.def().from)
            .map(|(far, _)| far.id)
            .collect();
        if !near.is_empty() {
            wrong.push(format!(
                "{near:?} are no {} and lead to {node:?}",
                rel.def().from.name()
            ));
        }
    }
    let parents = |rel| node.hop_count(Hop::backward(rel));
    for rel in kind.parents() {
        let count = parents(*rel);
        if count > 1 || (count == 0 && rel.def().role == Role::Required) {
            wrong.push(format!("{node:?} has {count} parents by {}", rel.def().stable_name()));
        }
        debug_assert_eq!(rel.def().relation_type, RelationType::OneToMany);
    }
    let owners = kind.owners().count();
    let owned = kind.owners().map(parents).sum::<usize>();
    if owners > 0 && owned != 1 {
        wrong.push(format!("{node:?} has {owned} owners"));
    }
    if let Some(field) = kind.def().unique_within_owner.and_then(|name| kind.field(name))
        && let Some(value) = node.fields().get(field)
        && let Some(owner) = kind.owners().find_map(|rel| node.parent(rel))
        && !within.insert((owner.slot(), folded(kind, field, value)))
    {
        wrong.push(format!("{node:?} shares {value:?} with another of its owner"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::small::{commit, fields, id, rel};
    use super::*;
    use crate::model::{Change, End, Entity, Fields, Header, Relation, Time};

    fn world() -> Graph {
        let mut graph = Graph::new();
        commit(&mut graph, 1, "Organization acme, Organization bolt, Profile ann, ProfileGroup staff, acme > staff, Entitlement own, ann > own")
            .unwrap();
        for group in ["a", "b", "c", "d", "e", "f", "g"] {
            commit(
                &mut graph,
                1,
                &format!("ProfileGroup {group}, acme > {group}, ann > {group}"),
            )
            .unwrap();
        }
        graph
    }

    fn entity(name: &str, serial: Serial, kind: Kind, fields: Fields) -> Entity {
        Entity::new(
            Header {
                id: id(name),
                serial,
                revision: 1,
                created: Time(1),
                updated: Time(1),
                kind,
            },
            fields,
        )
    }

    /// What storage could hand over and no transaction would have let in.
    #[test]
    fn a_world_no_transaction_would_have_made_is_found_out() {
        let end = |graph: &Graph, name| graph.find(id(name)).map(|node| node.end()).unwrap();
        let relate = |graph: &mut Graph, from, to| {
            let (from, to): (End, End) = (end(graph, from), end(graph, to));
            let kind = |end: End| graph.find(end.id).unwrap().kind;
            let relation = Relation {
                rel: rel(kind(from), kind(to)),
                from,
                to,
                fields: Fields::default(),
            };
            let (before, after) = (None, Some(Arc::new(relation)));
            graph.apply(&Change::Relation { before, after }).unwrap();
        };
        type Damage<'a> = &'a dyn Fn(&mut Graph);
        let load = |graph: &mut Graph, entity| {
            let (before, after) = (None, Some(entity));
            graph.apply(&Change::Entity { before, after }).unwrap();
        };
        let cases: [(&str, Damage<'_>); 9] = [
            ("has 0 owners", &|graph| {
                load(graph, entity("new", 90, Kind::Entitlement, Fields::default()))
            }),
            ("has 0 parents by OneToMany:LicensedItem:License", &|graph| {
                load(graph, entity("new", 90, Kind::License, Fields::default()))
            }),
            ("has 2 parents by", &|graph| relate(graph, "bolt", "staff")),
            ("has 2 owners", &|graph| relate(graph, "bolt", "own")),
            ("has 2 by OneToMany:Profile:Entitlement", &|graph| {
                load(graph, entity("new", 90, Kind::Entitlement, Fields::default()));
                relate(graph, "ann", "new");
            }),
            ("is twice a alias", &|graph| {
                for (name, serial) in [("one", 90), ("two", 91)] {
                    let alias = fields(Kind::Organization, &[("alias", Value::text("x"))]);
                    load(graph, entity(name, serial, Kind::Organization, alias));
                }
            }),
            ("shares Text(\"colour\")", &|graph| {
                for (name, serial) in [("one", 90), ("two", 91)] {
                    let key = fields(Kind::Property, &[("key", Value::text("colour"))]);
                    load(graph, entity(name, serial, Kind::Property, key));
                    relate(graph, "acme", name);
                }
            }),
            ("has Int(5) in field 0", &|graph| {
                load(
                    graph,
                    entity(
                        "new",
                        90,
                        Kind::Organization,
                        fields(Kind::Organization, &[("name", Value::Int(5))]),
                    ),
                );
            }),
            ("has the serial 1,", &|graph| {
                load(graph, entity("new", 1, Kind::Profile, Fields::default()))
            }),
        ];
        for (expected, damage) in cases {
            let mut graph = world();
            assert_eq!(graph.check(), Ok(()));
            damage(&mut graph);
            let wrong = graph.check().expect_err(expected);
            assert!(
                wrong.iter().any(|line| line.contains(expected)),
                "{expected}: {wrong:?}"
            );
        }
    }

    #[test]
    fn an_index_that_lags_behind_is_found_out() {
        let mut graph = world();
        let node = graph.find(id("acme")).unwrap();
        let (slot, header) = (node.slot() as u32, **node.entity());
        let fields = fields(Kind::Organization, &[("name", Value::text("ACME"))]);
        graph.topology.replace(slot, Entity::new(header, fields));
        let wrong = graph.check().unwrap_err();
        assert_eq!(wrong, ["the index of Organization.name is wrong"]);
    }

    #[test]
    fn a_digest_sees_every_part() {
        let first = world().digest();
        assert_eq!(world().digest(), first);
        for damage in [
            "Organization core",
            "ann x g",
            "acme x g, bolt > g",
            "- ann, Profile ann, Entitlement own, ann > own",
        ] {
            let mut graph = world();
            let mut transaction = super::super::Transaction::new(&mut graph, 2, Time(2), &super::super::small::CLOCK);
            let _ = super::super::small::take(&mut transaction, damage);
            assert_ne!(transaction.graph().digest(), first, "{damage}");
        }
    }
}
