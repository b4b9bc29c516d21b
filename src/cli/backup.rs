//! `backup`: a copy of the database at one revision, made while the server goes on.

use std::path::PathBuf;

use clap::Args;

use super::place::Place;
use super::{Common, Failure, export};

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
    let reached = args.place.reach(common, false)?;
    let mut answer = reached.client.get("/backup")?.reader();
    export::to_file(&mut answer, &args.file, "backing up")
}
