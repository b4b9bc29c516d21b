//! SQLite called from this process, without a server: the same reads as prepared statements over the same data, and what it
//! commits in batches with `synchronous=FULL`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::types::Value as Cell;
use rusqlite::{Connection, params_from_iter};

use super::relational::{BY_ID, CHECK, INDEXES, LIST, TABLES, Tables, stamp};
use crate::results;
use crate::samples::Samples;
use crate::world::World;
use crate::wrk::{Figures, cpu, middle};

pub struct Sqlite {
    connection: Connection,
    now: String,
}

impl Sqlite {
    pub fn ready(world: &World) -> Self {
        let path = results::folder().join(format!("sqlite-{}-{}.db", world.size, stamp()));
        if !path.exists() {
            let unfinished = path.with_extension("making.db");
            crate::support::remove(&unfinished);
            fill(&unfinished, &Tables::ready(world));
            std::fs::rename(&unfinished, &path).expect("the database has its name");
        }
        // In the machine's memory, as the server's graph is: a file of an earlier run lies on the disk. Read before SQLite opens it,
        // whose locks would go with this handle.
        let mut file = std::fs::File::open(&path).expect("the yardstick's file");
        std::io::copy(&mut file, &mut std::io::sink()).expect("the yardstick's file is read");
        drop(file);
        let connection = Connection::open(&path).expect("the yardstick's database");
        connection
            .execute_batch("PRAGMA mmap_size=8589934592; PRAGMA cache_size=-262144")
            .expect("the yardstick's memory");
        let now = results::said("date", &["-u", "+%Y-%m-%dT%H:%M:%S.000Z"]);
        Self { connection, now }
    }

    /// The reads it has, in the words of the suite.
    pub fn read(&self, figure: &str, samples: &Samples, rounds: usize, seconds: u64) -> Option<Figures> {
        let (sql, asked): (&str, Vec<Vec<&str>>) = match figure {
            "fetch by id" => (BY_ID, samples.licenses.iter().map(|id| vec![id.as_str()]).collect()),
            "three-hop list" => (
                LIST,
                samples.organizations.iter().map(|name| vec![name.as_str()]).collect(),
            ),
            "check" => (
                CHECK,
                samples
                    .pairs()
                    .map(|(profile, item)| vec![profile.as_str(), item.as_str()])
                    .collect(),
            ),
            _ => return None,
        };
        let sql = sql
            .replace("{license}", "?1")
            .replace("{organization}", "?1")
            .replace("{profile}", "?1")
            .replace("{item}", "?2")
            .replace("{now}", &format!("'{}'", self.now));
        let mut statement = self.connection.prepare(&sql).expect("the yardstick's statement");
        let mut once = |asked: &[&str]| {
            let mut rows = statement.query(params_from_iter(asked)).expect("rows");
            let mut found = 0;
            while let Some(row) = rows.next().expect("a row") {
                std::hint::black_box(row.get_ref(0).expect("a column"));
                found += 1;
            }
            found
        };
        let (mut rates, mut costs, mut medians, mut tails) = (vec![], vec![], vec![], vec![]);
        for _ in 0..rounds {
            let (before, started) = (cpu("self"), Instant::now());
            let mut times = Vec::new();
            while started.elapsed() < Duration::from_secs(seconds) {
                for asked in &asked {
                    let one = Instant::now();
                    assert!(once(asked) > 0, "{figure} finds what is there");
                    times.push(one.elapsed().as_secs_f64() * 1e3);
                }
            }
            let calls = times.len() as f64;
            rates.push(calls / started.elapsed().as_secs_f64());
            costs.push((cpu("self") - before) / calls * 1e6);
            times.sort_by(f64::total_cmp);
            medians.push(times[times.len() / 2]);
            tails.push(times[times.len() * 99 / 100]);
        }
        Some(Figures {
            rate: middle(rates),
            p50_ms: middle(medians),
            p99_ms: middle(tails),
            cpu_micros: middle(costs),
            requests: 0.0,
        })
    }
}

fn fill(path: &PathBuf, tables: &Tables) {
    let mut connection = Connection::open(path).expect("the yardstick's database");
    connection
        .execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF")
        .expect("the yardstick's database");
    let transaction = connection.transaction().expect("a transaction");
    for (table, columns) in TABLES {
        transaction
            .execute_batch(&format!(
                "CREATE TABLE {table} ({columns}){}",
                if columns.contains("KEY (") {
                    " WITHOUT ROWID"
                } else {
                    ""
                }
            ))
            .expect("the yardstick's table");
        let file = std::fs::File::open(tables.file(table)).expect("the rows");
        for line in BufReader::with_capacity(1 << 18, file).lines() {
            let line = line.expect("a row");
            let cells: Vec<Cell> = line.split('\t').map(cell).collect();
            let marks = vec!["?"; cells.len()].join(",");
            transaction
                .prepare_cached(&format!("INSERT INTO {table} VALUES ({marks})"))
                .and_then(|mut statement| statement.execute(params_from_iter(cells)))
                .expect("a row");
        }
    }
    for index in INDEXES {
        transaction.execute_batch(index).expect("an index");
    }
    transaction.execute_batch("ANALYZE").expect("statistics");
    transaction.commit().expect("a commit");
    connection
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .expect("one file");
}

fn cell(text: &str) -> Cell {
    match text {
        "\\N" => Cell::Null,
        "true" => Cell::Integer(1),
        "false" => Cell::Integer(0),
        _ => text.parse().map_or_else(|_| Cell::Text(text.to_owned()), Cell::Integer),
    }
}

/// Creates a second, so many in a transaction: a row of the state, a row of the log, and the head once a batch, as long as
/// ours are; checkpoints as seldom, and a log that has stopped growing.
pub fn batches(batch: u64, rounds: usize, seconds: u64) -> f64 {
    let path = results::folder().join("sqlite-batches.db");
    crate::support::remove(&path);
    let mut batches = Batches::new(&path, batch);
    let log = path.with_extension("db-wal");
    while std::fs::metadata(&log).is_ok_and(|metadata| metadata.len() < CHECKPOINT * 4096) {
        batches.commit();
    }
    let rate = middle((0..rounds).map(|_| {
        let (started, before) = (Instant::now(), batches.made);
        while started.elapsed() < Duration::from_secs(seconds) {
            batches.commit();
        }
        (batches.made - before) as f64 / started.elapsed().as_secs_f64()
    }));
    drop(batches);
    crate::support::remove(&path);
    rate
}

/// Pages of the log after which both copy it into the database.
const CHECKPOINT: u64 = 4096;

struct Batches {
    connection: Connection,
    batch: u64,
    made: u64,
}

impl Batches {
    fn new(path: &Path, batch: u64) -> Self {
        let connection = Connection::open(path).expect("the yardstick's database");
        connection
            .execute_batch(&format!(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint={CHECKPOINT};
                 CREATE TABLE entity (serial INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
                 CREATE TABLE commit_log (revision INTEGER PRIMARY KEY, at INTEGER NOT NULL, operation TEXT NOT NULL, body BLOB NOT NULL, chain BLOB NOT NULL) STRICT;
                 CREATE TABLE head (id INTEGER PRIMARY KEY, revision INTEGER NOT NULL, chain BLOB NOT NULL) STRICT;"
            ))
            .expect("the yardstick's tables");
        Self {
            connection,
            batch,
            made: 0,
        }
    }

    fn commit(&mut self) {
        let (body, log, chain) = ([7u8; 90], [7u8; 190], [7u8; 32]);
        let transaction = self.connection.transaction().expect("a transaction");
        let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
            transaction
                .prepare_cached(sql)
                .and_then(|mut statement| statement.execute(values))
                .expect("a row")
        };
        for _ in 0..self.batch {
            self.made += 1;
            let number = self.made as i64;
            run("INSERT INTO entity VALUES (?1, ?2)", &[&number, &&body[..]]);
            run(
                "INSERT INTO commit_log VALUES (?1, ?2, 'Create', ?3, ?4)",
                &[&number, &number, &&log[..], &&chain[..]],
            );
        }
        run(
            "INSERT OR REPLACE INTO head VALUES (1, ?1, ?2)",
            &[&(self.made as i64), &&chain[..]],
        );
        transaction.commit().expect("a commit");
    }
}
