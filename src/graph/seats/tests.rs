//! The counters against a walk over everything, in random histories with parts that are undone.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::small::{CLOCK, id, rel};
use super::super::{Graph, Kept, Transaction};
use super::*;
use crate::model::{Change, Fields, rel};

const LICENSES: [&str; 2] = ["l0", "l1"];
const RULES: [&str; 2] = ["r0", "r1"];
const PROFILES: [&str; 4] = ["p0", "p1", "p2", "p3"];

#[derive(Clone, Debug)]
enum Step {
    Assign {
        license: usize,
        profile: usize,
    },
    Grant {
        which: usize,
        grants: bool,
    },
    Reserve {
        which: usize,
        kind: Option<&'static str>,
        until: Option<i64>,
    },
    Lease {
        which: usize,
        until: Option<i64>,
        count: Option<i64>,
        hw: u8,
    },
    Renew {
        which: usize,
        until: Option<i64>,
        count: Option<i64>,
    },
    Remove {
        kind: Kind,
        which: usize,
    },
    /// A member of a group leases it by a rule, by another, or no longer.
    Rule {
        which: usize,
        rule: usize,
    },
    /// A license opens what matches, for some or for all, or no longer.
    Match {
        license: usize,
        matches: bool,
        individual: bool,
    },
    Undo,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let until = prop::option::weighted(0.9, 0i64..20);
    let count = prop::option::of(0i64..4);
    let which = 0usize..40;
    let kinds = prop_oneof![Just(Some("reserved")), Just(Some("denied")), Just(None)];
    let step = prop_oneof![
        2 => (0..2usize, 0..4usize).prop_map(|(license, profile)| Step::Assign { license, profile }),
        2 => (which.clone(), kinds, until.clone()).prop_map(|(which, kind, until)| Step::Reserve { which, kind, until }),
        6 => (which.clone(), until.clone(), count.clone(), 0u8..3)
            .prop_map(|(which, until, count, hw)| Step::Lease { which, until, count, hw }),
        3 => (which.clone(), until, count).prop_map(|(which, until, count)| Step::Renew { which, until, count }),
        2 => (prop_oneof![Just(Kind::Consumption), Just(Kind::Consumption), Just(Kind::Assignment)], which.clone())
            .prop_map(|(kind, which)| Step::Remove { kind, which }),
        1 => (which.clone(), any::<bool>()).prop_map(|(which, grants)| Step::Grant { which, grants }),
        2 => (which, 0..3usize).prop_map(|(which, rule)| Step::Rule { which, rule }),
        2 => (0..2usize, any::<bool>(), any::<bool>())
            .prop_map(|(license, matches, individual)| Step::Match { license, matches, individual }),
        1 => Just(Step::Undo),
    ];
    prop::collection::vec(step, 0..60)
}

fn nth(graph: &Graph, kind: Kind, which: usize) -> Option<Uuid> {
    let count = graph.kind_count(kind);
    (count > 0).then(|| graph.of_kind(kind, None).nth(which % count).map(|node| node.id))?
}

fn lease_fields(until: Option<i64>, count: Option<i64>, hw: Option<u8>) -> Fields {
    let hw = hw.map(|hw| (HW, Value::text(&hw.to_string())));
    let until = until.map(|until| (GRANTED_UNTIL, Value::Time(Time(until))));
    let count = count.map(|count| (COUNT, Value::Int(count)));
    hw.into_iter().chain(until).chain(count).collect()
}

fn take(tx: &mut Transaction<'_>, step: &Step) {
    match step {
        Step::Assign { license, profile } => {
            let new = tx.new_id();
            tx.create(new, Kind::Assignment, Fields::default(), Kept::default())
                .expect("new");
            let link = |tx: &mut Transaction<'_>, kind, from| {
                tx.relate(rel(kind, Kind::Assignment), from, new, Fields::default())
            };
            link(tx, Kind::License, id(LICENSES[*license])).expect("a license");
            link(tx, Kind::Profile, id(PROFILES[*profile])).expect("a profile");
        }
        Step::Grant { which, grants } => {
            let Some(at) = nth(tx.graph(), Kind::Assignment, *which) else {
                return;
            };
            let fields = tx.graph().find(at).expect("it is there").fields().to_fields();
            tx.update(at, fields.with(GRANTS_ACCESS, Some(Value::Bool(*grants))))
                .expect("an update");
        }
        Step::Reserve { which, kind, until } => {
            let Some(at) = nth(tx.graph(), Kind::Assignment, *which) else {
                return;
            };
            let kind = kind.map(|kind| (RESERVATION, Value::text(kind)));
            let until = until.map(|until| (RESERVED_UNTIL, Value::Time(Time(until))));
            tx.update(at, kind.into_iter().chain(until).collect())
                .expect("an update");
        }
        Step::Lease {
            which,
            until,
            count,
            hw,
        } => {
            let Some(at) = nth(tx.graph(), Kind::Assignment, *which) else {
                return;
            };
            let new = tx.new_id();
            tx.create(
                new,
                Kind::Consumption,
                lease_fields(*until, *count, Some(*hw)),
                Kept::default(),
            )
            .expect("new");
            tx.relate(rel::LEASES, at, new, Fields::default())
                .expect("an assignment");
        }
        Step::Renew { which, until, count } => {
            let Some(at) = nth(tx.graph(), Kind::Consumption, *which) else {
                return;
            };
            tx.update(at, lease_fields(*until, *count, None)).expect("an update");
        }
        Step::Remove { kind, which } => {
            let Some(at) = nth(tx.graph(), *kind, *which) else {
                return;
            };
            tx.remove_cascading(at).expect("a removal");
        }
        Step::Rule { which, rule } => {
            let Some(at) = nth(tx.graph(), Kind::Assignment, *which) else {
                return;
            };
            let had = tx.graph().find(at).and_then(|node| node.parent(rel::LEASED));
            if let Some(had) = had.map(|had| had.id) {
                tx.unrelate(rel::LEASED, had, at).expect("a rule");
            }
            if let Some(name) = RULES.get(*rule) {
                tx.relate(rel::LEASED, id(name), at, Fields::default()).expect("a rule");
            }
        }
        Step::Match {
            license,
            matches,
            individual,
        } => {
            let at = id(LICENSES[*license]);
            let fields = tx.graph().find(at).expect("it is there").fields().to_fields();
            let fields = fields.with(MATCH_PROPERTY, matches.then(|| Value::text("tags")));
            tx.update(at, fields.with(INDIVIDUAL, Some(Value::Bool(*individual))))
                .expect("an update");
        }
        Step::Undo => tx.rollback_to(tx.savepoint()),
    }
}

/// As `licensing.md` 2.5 says it, by looking at everything.
fn walked(graph: &Graph, by: Rel, holder: Node<'_>, now: i64) -> Taken {
    let mut taken = Taken::default();
    for assignment in graph
        .of_kind(Kind::Assignment, None)
        .filter(|node| node.parent(by) == Some(holder))
    {
        let text = assignment.fields().get(RESERVATION).and_then(Value::as_text);
        let until = assignment.fields().get(RESERVED_UNTIL).and_then(Value::as_time);
        let is_reserved = text == Some("reserved") && until.is_none_or(|until| now < until.millis());
        let leases = graph
            .of_kind(Kind::Consumption, None)
            .filter(|node| node.parent(rel::LEASES) == Some(assignment));
        let live = leases.filter(|lease| until_of(lease).is_some_and(|until| now < until));
        let most = live.map(|lease| u64::from(seats_of(&lease))).max().unwrap_or(0);
        taken.seats += most.max(u64::from(is_reserved));
        taken.reserved += u64::from(is_reserved);
        taken.leased += most;
    }
    taken
}

fn compare(graph: &Graph) {
    assert_eq!(graph.check(), Ok(()));
    for name in RULES {
        let rule = graph.find(id(name)).expect("a rule");
        for now in [i64::MIN, 0, 10, 20, i64::MAX - 1] {
            let found = graph.taken(rule, Time(now));
            assert_eq!(found, walked(graph, rel::LEASED, rule, now), "{name} at {now}");
        }
    }
    let entitlement = graph.find(id("e")).expect("an entitlement");
    let matches = |node: &Node<'_>| {
        node.fields().get(MATCH_PROPERTY).is_some() && node.fields().get(INDIVIDUAL) != Some(&Value::Bool(true))
    };
    let matching = graph.of_kind(Kind::License, None).filter(matches);
    assert!(graph.matching(entitlement).eq(matching));
    for name in LICENSES {
        let license = graph.find(id(name)).expect("a license");
        for now in [i64::MIN, -1, 0, 1, 5, 10, 15, 19, 20, i64::MAX - 1] {
            let found = graph.taken(license, Time(now));
            assert_eq!(found, walked(graph, rel::BY_LICENSE, license, now), "{name} at {now}");
        }
        let reserves = |node: &Node<'_>| {
            let text = node.fields().get(RESERVATION).and_then(Value::as_text);
            node.parent(rel::BY_LICENSE) == Some(license) && text == Some("reserved")
        };
        let reserving = graph.of_kind(Kind::Assignment, None).filter(reserves);
        assert!(graph.reserving(license).eq(reserving));
        for profile in PROFILES.map(|name| graph.find(id(name)).expect("a profile")) {
            let grants = |node: &Node<'_>| {
                node.parent(rel::BY_PROFILE) == Some(profile)
                    && node.fields().get(GRANTS_ACCESS) == Some(&Value::Bool(true))
            };
            let granting = graph.of_kind(Kind::Assignment, None).filter(grants);
            assert!(graph.granting(profile).eq(granting));
            let of_both = |node: &Node<'_>| {
                node.parent(rel::BY_LICENSE) == Some(license) && node.parent(rel::BY_PROFILE) == Some(profile)
            };
            let first = graph.of_kind(Kind::Assignment, None).find(of_both);
            assert_eq!(graph.assignment(license, profile), first);
            let Some(assignment) = first else { continue };
            let mut by_hw: BTreeMap<Option<&str>, usize> = BTreeMap::new();
            for (lease, _) in assignment.hop(crate::model::schema::Hop::forward(rel::LEASES), None) {
                if until_of(&lease).is_some() {
                    *by_hw.entry(Anchored::of(lease.entity()).hw).or_default() += 1;
                }
            }
            for (hw, count) in by_hw {
                let anchored = Anchored {
                    item: None,
                    hw,
                    process: None,
                };
                assert_eq!(graph.leases_of(assignment, anchored).count(), count);
            }
        }
    }
}

fn world() -> Graph {
    let mut graph = Graph::new();
    let lines = "Organization o, Entitlement e, o > e, LicensedItem i, License l0, e > l0, i > l0, License l1, e > l1, i > l1, \
                 ProfileGroup g, o > g, AllocationRule r0, g > r0, i > r0, AllocationRule r1, g > r1, i > r1, \
                 Profile p0, Profile p1, Profile p2, Profile p3, ProductPackage k, k > l1";
    super::super::small::commit(&mut graph, 1, lines).expect("a world");
    graph
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn counters_are_what_a_walk_finds(history in prop::collection::vec((steps(), any::<bool>()), 1..4)) {
        let mut graph = world();
        let mut twin = graph.clone();
        for (revision, (steps, keep)) in history.iter().enumerate() {
            let mut tx = Transaction::new(&mut graph, revision as u64 + 2, Time(0), &CLOCK);
            let mut savepoint = tx.savepoint();
            for step in steps {
                if matches!(step, Step::Undo) {
                    tx.rollback_to(savepoint);
                }
                take(&mut tx, step);
                if matches!(step, Step::Assign { .. }) {
                    savepoint = tx.savepoint();
                }
            }
            let changes: Vec<Change> = if *keep { tx.finish().expect("sound") } else { tx.abandon(); Vec::new() };
            compare(&graph);
            // The other copy plays the merged changes, back and forth.
            for change in &changes { twin.apply(change).expect("it fits"); }
            for change in changes.iter().rev() { twin.undo(change).expect("it fits"); }
            compare(&twin);
            for change in &changes { twin.apply(change).expect("it fits"); }
            compare(&twin);
        }
    }
}

#[test]
fn licenses_are_found_by_entitlement_and_item_or_offer() {
    let graph = world();
    let found = |entitlement: &str, item: &str| -> Vec<Uuid> {
        let (entitlement, item) = (
            graph.find(id(entitlement)).expect("one"),
            graph.find(id(item)).expect("one"),
        );
        graph.licenses(entitlement, item).map(|node| node.id).collect()
    };
    assert_eq!(found("e", "i"), [id("l0"), id("l1")]);
    assert_eq!(found("i", "e"), [] as [Uuid; 0]);
    let [entitlement, offer] = ["e", "k"].map(|name| graph.find(id(name)).expect("one"));
    assert!(graph.sold(entitlement, offer).map(|node| node.id).eq([id("l1")]));
}
