//! `backup`: a copy of the database at one revision, made while the server goes on.

use std::path::{Path, PathBuf};

use clap::Args;

use super::place::Place;
use super::{Common, Failure, export};
use crate::storage::{BESIDE, followed};

#[derive(Args)]
pub struct Backup {
    /// Where to; it must not exist yet
    file: PathBuf,
    #[command(flatten)]
    place: Place,
}

pub fn run(common: &Common, args: &Backup) -> Result<(), Failure> {
    if args.file.exists() {
        return Err(Failure::refused(format!("`{}` exists already", args.file.display()))
            .help("a backup replaces nothing: name a new file"));
    }
    export::spare(&args.file)?;
    if let Some(left) = left_of_another(&args.file) {
        return Err(Failure::refused(format!("`{}` is there", left.display()))
            .help("it is of a database that bore this name, and would be taken for the copy's; name another file"));
    }
    let reached = args.place.reach_to_read(common)?;
    let mut answer = reached.client.get("/backup")?.reader();
    export::to_file(&mut answer, &args.file, "backing up")
}

/// What a database of this name leaves beside it while it is open, and when its process was killed.
fn left_of_another(file: &Path) -> Option<PathBuf> {
    let file = followed(file)?;
    let beside = BESIDE.map(|suffix| {
        let mut name = file.clone().into_os_string();
        name.push(suffix);
        PathBuf::from(name)
    });
    beside.into_iter().find(|path| path.exists())
}
