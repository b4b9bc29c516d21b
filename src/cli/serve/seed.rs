//! A seed: what an empty database is filled with at the first start. One that holds a part of it is not served.

use std::path::{Path, PathBuf};

use super::Inside;
use crate::cli::export::settle;
use crate::cli::open::Use;
use crate::cli::{Failure, import, open};
use crate::engine::Engine;
use crate::settings::Settings;
use crate::storage::followed;

/// Lies beside a database while a seed goes in, which takes many commits: nobody would notice what is missing of one that holds a part.
fn seeding(settings: &Settings) -> Option<PathBuf> {
    if !open::is_file(&settings.database) {
        return None;
    }
    // Whatever links lead to it, one database has one mark.
    let database = Path::new(&settings.database);
    let mut name = followed(database)
        .unwrap_or_else(|| database.to_owned())
        .into_os_string();
    name.push(".seeding");
    Some(name.into())
}

/// A database that holds a part of a seed is not served.
pub fn whole(engine: &Engine, settings: &Settings) -> Result<(), Failure> {
    let Some(mark) = seeding(settings).filter(|mark| mark.exists()) else {
        return Ok(());
    };
    if engine.revision() == 0 {
        return marked(&mark, std::fs::remove_file(&mark).and_then(|()| settle(&mark)));
    }
    let why = format!(
        "`{}` holds a part of a seed, whose import did not end",
        settings.database
    );
    Err(Failure::refused(why).help(format!(
        "remove the database and start again, or remove `{}` to keep what is there",
        mark.display()
    )))
}

fn marked(mark: &Path, done: std::io::Result<()>) -> Result<(), Failure> {
    done.map_err(|cause| Failure::refused(format!("`{}`: {cause}", mark.display())))
}

/// A seed is for the first start; a database that holds anything is left alone.
pub fn sow(engine: &Engine, settings: &Settings, seed: &Path) -> Result<(), Failure> {
    if engine.revision() > 0 {
        tracing::info!(seed = %seed.display(), "the database is not empty: nothing was imported");
        return Ok(());
    }
    let source = import::open(seed)?;
    let mark = seeding(settings);
    if let Some(mark) = &mark {
        // On the disk before the first commit is.
        let made = std::fs::File::create(mark).and_then(|file| file.sync_all());
        marked(mark, made.and_then(|()| settle(mark)))?;
    }
    let (inside, client) = Inside::start(engine.clone(), settings, Use::Write)?;
    let done = import::stream(&client, source, import::PATH, false).map_err(|mut failure| {
        failure.message = format!("{}: {}", seed.display(), failure.message);
        failure
    });
    drop(inside);
    // Where nothing went in, nothing is half.
    let is_whole = done.is_ok() || engine.revision() == 0;
    if let Some(mark) = mark.filter(|_| is_whole) {
        marked(&mark, std::fs::remove_file(&mark).and_then(|()| settle(&mark)))?;
    }
    let done = done?;
    tracing::info!(seed = %seed.display(), lines = done.lines, "imported");
    Ok(())
}
