//! What storage costs: durable commits a second one by one and in batches, rows a second when a database is loaded, and
//! bytes on disk. Run with `cargo bench --bench storage`; `-- 100000` sets the entities of the load. It measures the disk
//! of the target directory, so compare only figures of one machine and one run.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use seatgraph::model::*;
use seatgraph::storage::{Loaded, Log, Memory, Migrate, Sqlite, Storage};
use uuid::Uuid;

fn main() {
    let entities = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next()
        .unwrap_or(500_000);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("storage-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory for the databases");
    commits(&directory);
    load(&directory, entities);
    std::fs::remove_dir_all(&directory).expect("the databases removed");
}

fn commits(directory: &Path) {
    println!("{:<28}{:>14}{:>14}", "commits", "a second", "µs a batch");
    for batch in [1, 8, 64, 256] {
        let mut store = Sqlite::open(&directory.join(format!("{batch}.db")), Migrate::Refuse).expect("opens");
        report(&mut store, &format!("sqlite, batches of {batch}"), batch);
    }
    report(&mut Memory::new(), "memory, batches of 64", 64);
}

/// Creates a license with its owner's relation in each commit, for two seconds.
fn report(store: &mut dyn Storage, name: &str, batch: u64) {
    let mut revision = 0;
    let mut busy = Duration::ZERO;
    while busy < Duration::from_secs(2) {
        let commits: Vec<_> = (1..=batch).map(|step| create(revision + step, 1)).collect();
        let start = Instant::now();
        store.begin().expect("the turn");
        store.commit(&commits).expect("commits");
        busy += start.elapsed();
        revision += batch;
    }
    let seconds = busy.as_secs_f64();
    println!(
        "{name:<28}{:>14.0}{:>14.0}",
        revision as f64 / seconds,
        seconds * 1e6 / (revision / batch) as f64
    );
}

fn load(directory: &Path, entities: u64) {
    const BATCH: u64 = 1000;
    let path = directory.join("load.db");
    let mut store = Sqlite::open(&path, Migrate::Refuse).expect("opens");
    let start = Instant::now();
    for revision in 1..=entities / BATCH {
        store.begin().expect("the turn");
        store.commit(&[create(revision, BATCH)]).expect("commits");
    }
    let filled = start.elapsed();
    drop(store);
    let bytes = std::fs::metadata(&path).expect("there").len();

    let mut loads = Vec::new();
    let mut rows = 0;
    for _ in 0..5 {
        let mut store = Sqlite::open(&path, Migrate::Refuse).expect("opens");
        let mut kept: Vec<Loaded> = Vec::with_capacity(2 * entities as usize);
        let start = Instant::now();
        let head = store.load(Time(0), &mut |loaded| {
            if !matches!(loaded, Loaded::Coming { .. }) {
                kept.push(loaded);
            }
            Ok(())
        });
        loads.push(start.elapsed());
        rows = kept.len();
        assert!(
            head.is_ok() && rows as u64 == 2 * entities / BATCH * BATCH,
            "all of it: {rows}"
        );
    }
    loads.sort();
    let mut reader = Sqlite::open(&path, Migrate::Refuse)
        .expect("opens")
        .reader()
        .expect("opens");
    let start = Instant::now();
    let report = reader.verify(&mut |_, _| ());
    let verified = start.elapsed();
    assert!(report.is_sound(), "{:?}", report.problems);
    let start = Instant::now();
    reader
        .backup(&directory.join("copy.db"), &mut |_, _| ())
        .expect("copied");
    let copied = start.elapsed();

    let a_second = |time: Duration| rows as f64 / time.as_secs_f64();
    println!(
        "\n{rows} rows, half entities and half relations, in {:.0} MiB",
        bytes as f64 / 1048576.0
    );
    println!("{:<28}{:>14}{:>14}", "", "rows a second", "ms");
    for (name, time) in [
        ("filled, 2000 rows a commit", filled),
        ("loaded, fastest of 5", loads[0]),
        ("loaded, slowest of 5", loads[4]),
        ("verified", verified),
        ("backed up", copied),
    ] {
        println!("{name:<28}{:>14.0}{:>14.0}", a_second(time), time.as_secs_f64() * 1e3);
    }
    println!(
        "{:<28}{:>14.0}",
        "bytes an entity, log included",
        bytes as f64 / entities as f64
    );
}

/// A commit that creates licenses, each with the relation to its entitlement.
fn create(revision: Revision, licenses: u64) -> Commit {
    let at = Time(1_700_000_000_000 + revision as i64);
    let owns = schema::RELATIONS
        .iter()
        .position(|relation| (relation.from, relation.to) == (Kind::Entitlement, Kind::License))
        .map(|row| Rel(row as u8))
        .expect("an entitlement owns licenses");
    let place = |name| Kind::License.field(name).expect("a field");
    let mut changes = Vec::with_capacity(2 * licenses as usize);
    for step in 1..=licenses {
        let serial = (revision - 1) * licenses + step;
        let id = Uuid::from_u64_pair(0x0190_0000_0000_7000 | serial << 32, 0x8000_0000_0000_0000 | serial);
        let fields = [
            (place("name"), Value::text(&format!("License {serial} of the editor"))),
            (place("validFrom"), Value::Time(at)),
            (place("validUntil"), Value::Time(Time(at.0 + 31_536_000_000))),
            (place("active"), Value::Bool(true)),
            (place("alias"), Value::text(&format!("L-{serial:08}"))),
        ];
        let fields = fields.into_iter().collect();
        let entity = Entity::new(
            Header {
                id,
                serial,
                revision,
                created: at,
                updated: at,
                kind: Kind::License,
            },
            fields,
        );
        let from = End {
            id: Uuid::from_u128(u128::from(serial / 100)),
            serial: serial / 100,
        };
        let relation = Relation {
            rel: owns,
            from,
            to: End { id, serial },
            fields: Fields::default(),
        };
        changes.push(Change::Entity {
            before: None,
            after: Some(entity),
        });
        changes.push(Change::Relation {
            before: None,
            after: Some(Arc::new(relation)),
        });
    }
    Commit {
        revision,
        at,
        by: Principal {
            token: Some(Uuid::from_u128(1)),
            profile: None,
        },
        operation: "Create".into(),
        request_id: "0190a1b2c3d4".into(),
        changes,
        whose: Whose::default(),
        events: Vec::new(),
        replay: None,
    }
}
