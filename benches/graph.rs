//! What the graph promises, measured: a hop, a count, a lookup and a removal cost the same at an entity with a million
//! relations as at one with ten; loading keeps up with a disk; an entity with 2.2 relations stays within its bytes.
//!
//! `cargo bench --bench graph` prints a table. Each world has a million children, shared out among few or many parents,
//! so that the caches are equally cold in all of them and only the degree differs.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use seatgraph::graph::Graph;
use seatgraph::model::schema::{self, Hop};
use seatgraph::model::{Change, End, Entity, Fields, Header, Kind, Rel, Relation, Serial, Time, Value};
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CHILDREN: u64 = 1_000_000;
const SAMPLES: usize = 20_000;

/// Scatters its argument (splitmix64): the same ids and picks in every run.
fn scatter(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn end(serial: Serial) -> End {
    End {
        id: Uuid::from_u64_pair(scatter(serial), scatter(!serial)),
        serial,
    }
}

fn entity(serial: Serial, kind: Kind, fields: &[(&str, Value)]) -> Entity {
    let fields: Fields = fields
        .iter()
        .map(|(name, value)| (kind.field(name).expect("a field of the schema"), value.clone()))
        .collect();
    let at = Time(1_700_000_000_000 + serial as i64);
    Entity::new(
        Header {
            id: end(serial).id,
            serial,
            revision: 1,
            created: at,
            updated: at,
            kind,
        },
        fields,
    )
}

fn rel(from: Kind, to: Kind) -> Rel {
    schema::relations()
        .find(|rel| rel.def().from == from && rel.def().to == to)
        .expect("a relation of the schema")
}

fn relation(rel: Rel, from: Serial, to: Serial) -> Relation {
    Relation {
        rel,
        from: end(from),
        to: end(to),
        fields: Fields::default(),
    }
}

/// As the server does when it starts.
fn load(graph: &mut Graph, entity: Entity) {
    let (before, after) = (None, Some(entity));
    graph.apply(&Change::Entity { before, after }).expect("loads");
}

fn link(graph: &mut Graph, relation: Relation) {
    let (before, after) = (None, Some(Arc::new(relation)));
    graph.apply(&Change::Relation { before, after }).expect("loads");
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap_or_default();
    line.split_whitespace()
        .nth(1)
        .and_then(|kilobytes| kilobytes.parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
}

/// Nanoseconds of each call: the median and the 99th percentile.
fn sample<T: Copy>(picks: &[T], mut one: impl FnMut(T) -> u64) -> (u64, u64) {
    let time = |pick: &T| {
        let start = Instant::now();
        black_box(one(*pick));
        start.elapsed().as_nanos() as u64
    };
    let mut times: Vec<u64> = picks.iter().map(time).collect();
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

/// A million groups shared out among organizations.
fn degree(degree: u64) {
    let parents = CHILDREN / degree;
    let mut graph = Graph::new();
    for serial in 1..=parents {
        let name = Value::text(&format!("organization {serial}"));
        load(&mut graph, entity(serial, Kind::Organization, &[("name", name)]));
    }
    for child in 0..CHILDREN {
        let serial = parents + 1 + child;
        let name = Value::text("staff");
        load(&mut graph, entity(serial, Kind::ProfileGroup, &[("name", name)]));
    }
    let of = rel(Kind::Organization, Kind::ProfileGroup);
    let link = |child: u64| relation(of, 1 + child % parents, parents + 1 + child);
    for child in 0..CHILDREN {
        self::link(&mut graph, link(child));
    }
    let children = Hop::forward(of);
    let mut seen = std::collections::HashSet::new();
    let picks: Vec<u64> = (0..)
        .map(|number| scatter(number) % CHILDREN)
        .filter(|child| seen.insert(*child))
        .take(SAMPLES)
        .collect();
    // The ends are found beforehand: what is measured is the step between them.
    let find = |end: End| graph.find(end.id).expect("is there");
    let ends: Vec<_> = picks
        .iter()
        .map(|child| (find(link(*child).from), find(link(*child).to)))
        .collect();
    let page = sample(&ends, |(parent, child)| {
        parent
            .hop(children, Some(child.serial))
            .take(10)
            .map(|(far, _)| far.serial)
            .sum()
    });
    let count = sample(&ends, |(parent, _)| parent.hop_count(children) as u64);
    let lookup = sample(&ends, |(parent, child)| {
        u64::from(parent.relation(children, child).is_some())
    });
    let removals: Vec<Change> = picks
        .iter()
        .map(|child| Change::Relation {
            before: Some(Arc::new(link(*child))),
            after: None,
        })
        .collect();
    let numbers: Vec<usize> = (0..removals.len()).collect();
    let removal = sample(&numbers, |number| u64::from(graph.apply(&removals[number]).is_ok()));
    let addition = sample(&numbers, |number| u64::from(graph.undo(&removals[number]).is_ok()));
    print!("{degree:>9}");
    for (median, p99) in [page, count, lookup, removal, addition] {
        print!("  {median:>6} {p99:>6}");
    }
    println!();
}

/// A world of about 2.2 relations an entity: people with logins in four groups each, licenses with seats, assignments.
fn world(entities: u64) {
    let empty = resident();
    let start = Instant::now();
    let mut graph = Graph::new();
    let mut load = |entity: Entity| self::load(&mut graph, entity);
    // Of each thousand: one organization, four groups, an entitlement for its licenses; then users of six entities each.
    let blocks = entities / 1000;
    let first = |block: u64| 1 + block * 1000;
    const USERS: u64 = 165;
    let user = |block: u64, user: u64| first(block) + 10 + user * 6;
    for block in 0..blocks {
        let at = first(block);
        let text = |what: &str, number: u64| Value::text(&format!("{what} {number}"));
        let soon = |number: u64| Value::Time(Time(1_800_000_000_000 + number as i64 * 1000));
        load(entity(
            at,
            Kind::Organization,
            &[("name", text("Organization", at)), ("type", Value::text("customer"))],
        ));
        for group in 1..=4 {
            load(entity(
                at + group,
                Kind::ProfileGroup,
                &[("name", text("Group", group))],
            ));
        }
        load(entity(at + 5, Kind::Entitlement, &[("name", text("Entitlement", at))]));
        for item in 6..=7 {
            load(entity(
                at + item,
                Kind::LicensedItem,
                &[("name", text("product", at + item))],
            ));
        }
        load(entity(at + 8, Kind::LicenseModel, &[("name", text("model", at))]));
        load(entity(at + 9, Kind::OrganizationRole, &[("name", text("role", at))]));
        for number in 0..USERS {
            let at = user(block, number);
            load(entity(
                at,
                Kind::Person,
                &[("firstName", text("First", at % 1000)), ("lastName", text("Last", at))],
            ));
            load(entity(
                at + 1,
                Kind::Profile,
                &[("displayName", text("First Last", at))],
            ));
            let login = Value::text(&format!("first.last.{at}@customer-{block}.example"));
            load(entity(at + 2, Kind::EmailAndPassword, &[("userName", login)]));
            load(entity(
                at + 3,
                Kind::License,
                &[
                    ("name", text("License", at)),
                    ("validFrom", soon(0)),
                    ("validUntil", soon(at)),
                    ("active", Value::Bool(true)),
                ],
            ));
            load(entity(
                at + 4,
                Kind::Assignment,
                &[("reservationType", Value::text("reserved"))],
            ));
            load(entity(
                at + 5,
                Kind::SeatCountCredit,
                &[("seatCount", Value::Int(5)), ("active", Value::Bool(true))],
            ));
        }
    }
    let mut link = |from: (Kind, u64), to: (Kind, u64)| {
        let mut relation = relation(rel(from.0, to.0), from.1, to.1);
        // One membership in ten ends.
        if from.0 == Kind::Profile && to.0 == Kind::ProfileGroup && from.1.is_multiple_of(10) {
            relation.fields = [(1, Value::Time(Time(1_900_000_000_000)))].into_iter().collect();
        }
        self::link(&mut graph, relation);
    };
    for block in 0..blocks {
        let at = first(block);
        for group in 1..=4 {
            link((Kind::Organization, at), (Kind::ProfileGroup, at + group));
        }
        link((Kind::Organization, at), (Kind::Entitlement, at + 5));
        link((Kind::Organization, at), (Kind::OrganizationRole, at + 9));
        for number in 0..USERS {
            let person = user(block, number);
            let (profile, license, assignment) = (person + 1, person + 3, person + 4);
            link((Kind::Person, person), (Kind::Profile, profile));
            link((Kind::Person, person), (Kind::EmailAndPassword, person + 2));
            for group in 1..=4 {
                link((Kind::Profile, profile), (Kind::ProfileGroup, at + group));
            }
            link((Kind::Entitlement, at + 5), (Kind::License, license));
            link((Kind::LicensedItem, at + 6 + number % 2), (Kind::License, license));
            link((Kind::LicenseModel, at + 8), (Kind::License, license));
            link((Kind::License, license), (Kind::Assignment, assignment));
            link((Kind::Profile, profile), (Kind::Assignment, assignment));
            link((Kind::License, license), (Kind::SeatCountCredit, person + 5));
            link((Kind::Entitlement, at + 5), (Kind::Profile, profile));
        }
    }
    let loaded = start.elapsed();
    let (entities, relations) = (graph.len() as u64, graph.relation_count() as u64);
    println!(
        "{entities} entities, {relations} relations ({:.2} each): loaded in {:.2} s, {:.0} a second",
        relations as f64 / entities as f64,
        loaded.as_secs_f64(),
        (entities + relations) as f64 / loaded.as_secs_f64(),
    );
    let one = resident() - empty;
    let start = Instant::now();
    let copy = graph.clone();
    let cloned = start.elapsed();
    let two = resident() - empty;
    println!(
        "resident: {} bytes an entity with one copy, {} with two ({} for each entity and relation); cloned in {:.0} ms",
        one / entities,
        two / entities,
        two / (entities + relations),
        cloned.as_secs_f64() * 1000.0,
    );
    let start = Instant::now();
    let same = copy.digest() == graph.digest();
    println!("two digests in {:.2} s, equal: {same}", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let checked = graph.check();
    println!("check in {:.2} s: {checked:?}", start.elapsed().as_secs_f64());
    let start = Instant::now();
    drop(copy);
    println!("a copy dropped in {:.0} ms", start.elapsed().as_secs_f64() * 1000.0);
}

fn main() {
    // `-- world` or `-- degree` measures one of the two.
    let wanted = |name: &str| {
        let asked: Vec<String> = std::env::args()
            .skip(1)
            .filter(|argument| !argument.starts_with('-'))
            .collect();
        asked.is_empty() || asked.iter().any(|argument| argument == name)
    };
    if wanted("world") {
        world(1_000_000);
    }
    if wanted("degree") {
        println!("nanoseconds, median and 99th percentile, of {SAMPLES} random picks (a page is ten of a hop):");
        println!("   degree            page          count         lookup        removal       addition");
        for of in [10, 1_000, 1_000_000] {
            degree(of);
        }
    }
}
