//! `trim`: forgets the beginning of the log, for its room in the file to be used again. What there is stays; who changed it before,
//! and the events of then, are told no more.

use std::path::Path;

use clap::Args;
use serde_json::json;

use super::output::{self, Output};
use super::{Common, Exit, Failure, open, place, progress, token};
use crate::model::{Clock, Revision, Time};
use crate::storage::{Link, Migrate, REPLAYS_KEPT_MS, Sqlite, Storage, StorageError, first_at};

#[derive(Args)]
pub struct Trim {
    /// Commits that are older are forgotten, such as 365d; at least 1d
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: i64,
    /// The database, which no server has open [default: the setting `database`]
    #[arg(long, value_name = "FILE")]
    database: Option<String>,
}

/// Revisions forgotten at a time: each time is a transaction, so whatever stops it leaves a whole database.
const STEP: u64 = 10_000;

pub fn run(common: &Common, args: &Trim) -> Result<(), Failure> {
    let settings = common.settings(&[("database", args.database.clone())])?;
    let database = settings.database.as_str();
    open::file_only(database)?;
    if !open::is_file(database) {
        return Err(Failure::refused(format!("`{database}` keeps no log")));
    }
    place::must_exist(database)?;
    let mut store =
        Sqlite::open(Path::new(database), Migrate::Refuse).map_err(|error| open::unopened(database, &error))?;
    let until = Time(Clock::System.now().millis().saturating_sub(args.older_than));
    let forgotten = forget(&mut store, until);
    let (from, link) =
        forgotten.map_err(|error| Failure::new(Exit::Unreachable, format!("cannot trim `{database}`: {error}")))?;
    let count = link.revision - from;
    match common.output {
        Output::Json => output::json(&json!({
            "database": database, "forgotten": count, "begins": link.revision + 1, "chain": link.to_string(),
        })),
        Output::Table if count == 0 => {
            output::aside("no commit is so old");
            Ok(())
        }
        Output::Table => {
            let commits = if count == 1 { "commit" } else { "commits" };
            output::line(&format!(
                "{count} {commits} forgotten, the log begins at revision {}",
                link.revision + 1
            ))?;
            output::line(&format!("chain {link}"))
        }
    }
}

/// What was forgotten before, and now. The last commit stays, whenever it was.
fn forget(store: &mut Sqlite, until: Time) -> Result<(Revision, Link), StorageError> {
    let (head, first) = {
        // As long as somebody reads it, the log's room stays taken.
        let mut log = store.logs()()?;
        (log.head()?.revision, first_at(&mut *log, until)?)
    };
    let from = store.forget(0)?;
    let to = first.min(head).saturating_sub(1);
    let bar = progress::bar("trimming", Some(to.saturating_sub(from.revision)), false);
    let mut link = from;
    while link.revision < to {
        link = store.forget(to.min(link.revision + STEP))?;
        bar.set_position(link.revision - from.revision);
    }
    bar.finish_and_clear();
    Ok((from.revision, link))
}

/// Keyed requests of the last 24 hours are repeated from the log.
fn age(text: &str) -> Result<i64, String> {
    let millis = token::millis(text)?;
    match millis >= REPLAYS_KEPT_MS {
        true => Ok(millis),
        false => Err("the commits of the last day stay: write 1d or more".to_owned()),
    }
}
