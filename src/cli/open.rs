//! Opens the store that the setting `database` names, and the engine on it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Exit, Failure, progress};
use crate::access;
use crate::engine::{Engine, OpenError, Options};
use crate::event;
use crate::http;
use crate::model::Clock;
use crate::settings::Settings;
use crate::storage::{Memory, Migrate, Reader, Sqlite, Still, Storage, StorageError};

/// Keeps nothing.
pub const MEMORY: &str = "memory:";

/// Whether the setting names a file.
pub fn is_file(database: &str) -> bool {
    database != MEMORY && !database.contains("://")
}

/// What is going to be done with a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// One that cannot be written will do.
    Read,
    Write,
    /// And an older schema is brought to this program's first.
    Migrate,
}

pub fn storage(database: &str, what: Use) -> Result<Box<dyn Storage>, Failure> {
    if database == MEMORY {
        return Ok(Box::new(Memory::new()));
    }
    file_only(database)?;
    let how = match what {
        Use::Migrate => Migrate::Apply,
        Use::Read | Use::Write => Migrate::Refuse,
    };
    let path = Path::new(database);
    let opened = match Sqlite::open(path, how) {
        Ok(open) => Ok(Box::new(open) as Box<dyn Storage>),
        Err(StorageError::ReadOnly(_)) if what == Use::Read => Still::open(path).map(|still| Box::new(still) as _),
        Err(error) => Err(error),
    };
    opened.map_err(|error| unopened(database, &error))
}

/// The databases this program may one day speak to are named, so that nobody takes the URL for a file.
pub fn file_only(database: &str) -> Result<(), Failure> {
    match database.split_once("://") {
        Some(("postgres" | "postgresql", _)) => Err(Failure::refused("PostgreSQL is not built yet")
            .help("use a file, which is made if there is none: --database seatgraph.db")),
        Some((scheme, _)) => Err(
            Failure::refused(format!("`{scheme}://` is no database this program knows"))
                .help("use a file, which is made if there is none: --database seatgraph.db"),
        ),
        None => Ok(()),
    }
}

pub fn unopened(database: &str, error: &StorageError) -> Failure {
    let failure = Failure::new(Exit::Unreachable, format!("cannot open `{database}`: {error}"));
    match error {
        StorageError::Locked(_) => failure.help("a server has it open: use --server, or stop that server"),
        StorageError::ReadOnly(_) | StorageError::Unavailable(_) if is_closed(database) => {
            failure.help("the file may not be read: let this user read it, or be the user whose it is")
        }
        StorageError::ReadOnly(_) => failure.help(
            "make the file and its folder writable, or copy it to where they are, with its `-wal` if there is one",
        ),
        StorageError::Unavailable(_) if with_log(database) => failure.help(
            "a `-wal` lies beside it, and is written where it is read: make its folder writable, or copy both to where it is",
        ),
        StorageError::Unavailable(_) => failure.help(
            "name a file in a folder that this user may enter; with a `-wal` beside it, both have to be writable",
        ),
        StorageError::Damaged(_) if Path::new(database).metadata().is_ok_and(|file| file.len() == 0) => {
            failure.help("remove it to start a new database, or go back to a backup")
        }
        StorageError::Damaged(_) => failure.help("`seatgraph verify` says more; go back to a backup"),
        StorageError::Foreign(_) => failure.help(
            "drop it while no server has the database open, with `sqlite3` say; `seatgraph verify` then tells whether what is stored is whole",
        ),
        StorageError::SeveralNames(_) => failure.help("keep one of the names, or make a copy that is a file of its own"),
        StorageError::Newer { .. } => failure.help("use the program that wrote it, or a newer one"),
        _ => failure,
    }
}

fn is_closed(database: &str) -> bool {
    let database = Path::new(database);
    database.is_file() && std::fs::File::open(database).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

fn with_log(database: &str) -> bool {
    Path::new(&format!("{database}-wal")).exists()
}

/// How the server makes its backups, where the database is a file: a copy beside it that nobody finds.
pub fn backup(database: &str) -> Option<Box<http::Backup>> {
    let path = is_file(database).then(|| PathBuf::from(database))?;
    Some(Box::new(move |goes_on| {
        let made = Reader::open_lean(&path).and_then(|mut reader| reader.backup_aside(goes_on));
        made.map_err(|error| error.to_string())
    }))
}

/// Loads everything, with a bar.
pub fn engine(settings: &Settings, what: Use) -> Result<Engine, Failure> {
    let storage = storage(&settings.database, what)?;
    let options = Options {
        queue: settings.limits.queue as usize,
        replay_bytes: settings.limits.replay_bytes as usize,
        slow: settings.log.slow(),
        whose: access::whose,
        events: event::kept,
        ..Options::default()
    };
    let bar = progress::bar("loading", None, false);
    let opened = Engine::open(storage, Arc::new(Clock::System), options, |loaded| {
        bar.set_position(loaded)
    });
    bar.finish_and_clear();
    opened.map_err(|error| match error {
        OpenError::Storage(error) => unopened(&settings.database, &error),
        OpenError::Broken(broken) => Failure::new(
            Exit::Unreachable,
            format!("cannot open `{}`: {broken}", settings.database),
        )
        .help("`seatgraph verify` says more; go back to a backup"),
        OpenError::Thread(error) => Failure::new(Exit::Unreachable, error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beside_a_database_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("graph.db");
        let database = path.to_str().unwrap();
        let check = |expected: &str| {
            let help = unopened(database, &StorageError::Unavailable("no".into()))
                .help
                .unwrap();
            assert!(help.contains(expected), "{help}");
        };
        check("name a file in a folder that this user may enter");
        std::fs::write(folder.path().join("graph.db-wal"), "left over").unwrap();
        check("a `-wal` lies beside it");
    }
}
