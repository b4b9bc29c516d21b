//! The schema's versions: numbered SQL files inside the program, each applied in one transaction and remembered with its
//! checksum, so that a file changed after the fact is found out. What SQL alone cannot fill in, a function does.

use std::collections::BTreeMap;

use rusqlite::{Connection, TransactionBehavior};
use sha2::{Digest, Sha256};

use super::super::StorageError;
use super::prove;

/// What to do with a database older than the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Migrate {
    Refuse,
    Apply,
}

/// Makes the schema in a file that has nothing in it yet.
pub fn begin(db: &mut Connection, migrations: &[Migration]) -> Result<(), StorageError> {
    apply(db, 0, migrations)
}

/// One step of the schema; steps are numbered from 1.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    pub name: &'static str,
    pub sql: &'static str,
    /// Runs after the SQL, in the same transaction; in a new database too, which has no rows then.
    pub fill: Option<Fill>,
}

pub type Fill = fn(&Connection) -> Result<(), StorageError>;

pub const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "0001_commits",
        sql: include_str!("../schema/sqlite/0001_commits.sql"),
        fill: None,
    },
    Migration {
        name: "0002_chain",
        sql: include_str!("../schema/sqlite/0002_chain.sql"),
        fill: Some(prove::link_all),
    },
    Migration {
        name: "0003_events",
        sql: include_str!("../schema/sqlite/0003_events.sql"),
        fill: None,
    },
    Migration {
        name: "0004_totals",
        sql: include_str!("../schema/sqlite/0004_totals.sql"),
        fill: None,
    },
];

/// In the file's header: `Seat`.
const APPLICATION: i32 = 0x5365_6174;

/// Checks that the database is one of ours and brings it to the last of `migrations`, or says what is in the way.
/// Gives how many steps it took.
pub fn migrate(db: &mut Connection, migrations: &[Migration], how: Migrate) -> Result<u32, StorageError> {
    let known = migrations.len() as u32;
    let found = applied(db, migrations)?;
    if found < known && how == Migrate::Refuse {
        return Err(StorageError::Older { found, known });
    }
    // A trigger would run with the first write, and those of `migrations` are writes.
    made(&migrations[..found as usize])?.compare(db)?.refuse()?;
    apply(db, found, migrations)?;
    Ok(known - found)
}

/// Checks that the database is one of ours and has all of `migrations`. Nothing is written to it, so what else it has does no harm.
pub fn check(db: &Connection, migrations: &[Migration]) -> Result<(), StorageError> {
    let known = migrations.len() as u32;
    match applied(db, migrations)? {
        found if found < known => Err(StorageError::Older { found, known }),
        _ => Ok(()),
    }
}

/// How many of the steps it has.
fn applied(db: &Connection, migrations: &[Migration]) -> Result<u32, StorageError> {
    let known = migrations.len() as u32;
    let found = version(db)?;
    if found > known {
        return Err(StorageError::Newer { found, known });
    }
    check_applied(db, &migrations[..found as usize])?;
    Ok(found)
}

/// What `migrations` make.
pub fn made(migrations: &[Migration]) -> Result<Schema, StorageError> {
    let mut made = Connection::open_in_memory()?;
    begin(&mut made, migrations)?;
    Schema::of(&made)
}

/// What was said to make each thing, by its name and what it is.
#[derive(Debug)]
pub struct Schema(BTreeMap<(String, String), Option<String>>);

impl Schema {
    /// Without what `ANALYZE` keeps, which is nobody's: it changes no row. Those are tables of these very names; whatever else may be
    /// called in some such way is looked at.
    fn of(db: &Connection) -> Result<Self, StorageError> {
        let mut statement = db.prepare(
            "SELECT name, type, sql FROM sqlite_schema WHERE NOT (type = 'table'
                 AND name IN ('sqlite_stat1', 'sqlite_stat2', 'sqlite_stat3', 'sqlite_stat4'))",
        )?;
        let rows = statement.query_map((), |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
        Ok(Self(rows.collect::<Result<_, _>>()?))
    }

    /// Where that of a database is another one.
    pub fn compare(&self, db: &Connection) -> Result<Unlike, StorageError> {
        let (Self(wanted), Self(found)) = (self, Self::of(db)?);
        let mut unlike = Unlike::default();
        for (key @ (name, kind), sql) in &found {
            let ours = wanted.get(key);
            if ours != Some(sql) {
                let why = format!("the {kind} `{name}` of its schema was not made by this program");
                match ours {
                    None => unlike.added.push(why),
                    Some(_) => unlike.wrong.push(why),
                }
            }
        }
        let missing = wanted.keys().filter(|key| !found.contains_key(key));
        let missing = missing.map(|(name, kind)| format!("the {kind} `{name}` of its schema is missing"));
        unlike.wrong.extend(missing);
        Ok(unlike)
    }
}

/// As sentences.
#[derive(Debug, Default)]
pub struct Unlike {
    /// Altered, or missing.
    pub wrong: Vec<String>,
    /// There beside what is ours, and gone when somebody drops it.
    pub added: Vec<String>,
}

impl Unlike {
    pub fn refuse(self) -> Result<(), StorageError> {
        match (self.wrong.into_iter().next(), self.added.is_empty()) {
            (Some(first), _) => Err(StorageError::Damaged(first)),
            (None, false) => Err(StorageError::Foreign(self.added.join("; "))),
            (None, true) => Ok(()),
        }
    }
}

/// The steps after the first `found`, each in a transaction.
fn apply(db: &mut Connection, found: u32, migrations: &[Migration]) -> Result<(), StorageError> {
    for (before, migration) in (found..).zip(&migrations[found as usize..]) {
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let applied = || -> Result<(), StorageError> {
            if before == 0 {
                transaction.pragma_update(None, "application_id", APPLICATION)?;
                transaction.execute_batch(
                    "CREATE TABLE schema_migration (
                         version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL
                     ) STRICT",
                )?;
            }
            transaction.execute_batch(migration.sql)?;
            migration.fill.map_or(Ok(()), |fill| fill(&transaction))?;
            transaction.execute(
                "INSERT INTO schema_migration (version, name, checksum) VALUES (?1, ?2, ?3)",
                (before + 1, migration.name, checksum(migration)),
            )?;
            transaction.pragma_update(None, "user_version", before + 1)?;
            Ok(())
        };
        applied().map_err(|error| match error {
            StorageError::Damaged(why) => {
                StorageError::Damaged(format!("migration `{}` does not fit: {why}", migration.name))
            }
            other => other,
        })?;
        transaction.commit()?;
    }
    Ok(())
}

/// The schema's version, once it is sure that it is one of ours.
fn version(db: &Connection) -> Result<u32, StorageError> {
    let pragma = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    if application == APPLICATION && version > 0 {
        return Ok(version as u32);
    }
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    // SQLite takes a file shorter than a page for an empty database. Ours are whole before they have their name.
    Err(StorageError::Damaged(match tables {
        0 => "the file is not a database".to_owned(),
        _ => "the file is a database of another program".to_owned(),
    }))
}

fn check_applied(db: &Connection, migrations: &[Migration]) -> Result<(), StorageError> {
    for (number, migration) in (1u32..).zip(migrations) {
        let found: Option<String> = db
            .prepare("SELECT checksum FROM schema_migration WHERE version = ?1")?
            .query_row([number], |row| row.get(0))
            .map(Some)
            .or_else(|error| {
                if error == rusqlite::Error::QueryReturnedNoRows {
                    Ok(None)
                } else {
                    Err(error)
                }
            })?;
        if found.as_deref() != Some(checksum(migration).as_str()) {
            return Err(StorageError::Damaged(format!(
                "its schema was not made by migration `{}`",
                migration.name
            )));
        }
    }
    Ok(())
}

fn checksum(migration: &Migration) -> String {
    Sha256::digest(migration.sql.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
