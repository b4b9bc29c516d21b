//! `export`: everything but secrets, tokens, keys and which trials a device has used, as lines that `import` takes.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::place::Place;
use super::{Common, Failure, progress};
use crate::storage::{BESIDE, followed};

#[derive(Args)]
pub struct Export {
    /// Where to; standard output if none is named, or `-`
    file: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

pub fn run(common: &Common, args: &Export) -> Result<(), Failure> {
    let file = args.file.as_deref().filter(|file| *file != Path::new("-"));
    file.map_or(Ok(()), spare)?;
    let reached = args.place.reach_to_read(common)?;
    let mut answer = reached.client.get("/export")?.reader();
    match file {
        Some(file) => to_file(&mut answer, file, "exporting"),
        None => copy(&mut answer, &mut std::io::stdout().lock(), "exporting"),
    }
}

/// A database is not replaced, and nothing is written where it, or whoever opens it next, looks for what is its own.
pub(super) fn spare(file: &Path) -> Result<(), Failure> {
    let refused = |why: &str| {
        Err(Failure::refused(format!("`{}` {why}", file.display())).help(
            "the file is where the copy goes, and it replaces nothing of a database; --database names the one that is copied",
        ))
    };
    if is_database(file) {
        return refused("is a database");
    }
    let name = followed(file).map(|file| file.to_string_lossy().into_owned());
    let of_one = |name: &str| {
        let mut bases = BESIDE.iter().filter_map(|suffix| name.strip_suffix(suffix));
        bases.any(|base| is_database(Path::new(base)))
    };
    match name {
        Some(name) if of_one(&name) => refused("is a database's own"),
        _ => Ok(()),
    }
}

/// By its first bytes, as SQLite's documentation of its file format has them.
fn is_database(file: &Path) -> bool {
    const MAGIC: &[u8; 16] = b"SQLite format 3\0";
    let mut first = [0; MAGIC.len()];
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
    is_file
        && File::open(file)
            .and_then(|mut file| file.read_exact(&mut first))
            .is_ok()
        && first == *MAGIC
}

/// Under another name until it is whole: what bears the name asked for is never half of something. It is for its owner alone, as
/// the database is: it holds what people are called, and a backup all secrets. A link is followed, and what is no file (a pipe, a
/// device) is written to as it is.
pub fn to_file(from: &mut dyn Read, file: &Path, what: &str) -> Result<(), Failure> {
    let failed = |cause: std::io::Error| Failure::refused(format!("cannot write `{}`: {cause}", file.display()));
    if stays(file) {
        let mut out = OpenOptions::new().append(true).open(file).map_err(failed)?;
        return copy(from, &mut out, what);
    }
    let file = followed(file).ok_or_else(|| failed(std::io::Error::other("it is a link to itself")))?;
    let (part, mut out) = part(&file).map_err(failed)?;
    let done = copy(from, &mut out, what)
        .and_then(|()| out.sync_all().map_err(failed))
        .and_then(|()| std::fs::rename(&part, &file).map_err(failed))
        .and_then(|()| settle(&file).map_err(failed));
    if done.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    done
}

/// What is no file, or names one that is open: `/dev/stdout` may lead to what a shell appends to.
fn stays(file: &Path) -> bool {
    let open = ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc"];
    let names_open = open.iter().any(|place| file.starts_with(place));
    let is_file = |metadata: std::fs::Metadata| metadata.is_file() || metadata.is_dir();
    file.metadata().is_ok_and(|metadata| names_open || !is_file(metadata))
}

/// What was made or removed in a file's folder is so after a loss of power too, where the system lets a folder be synced.
pub(super) fn settle(file: &Path) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let settled = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
    match settled {
        Err(cause) if matches!(cause.kind(), ErrorKind::PermissionDenied | ErrorKind::InvalidInput) => Ok(()),
        settled => settled,
    }
}

/// A new file beside it. One that an interrupted run left is in nobody's way.
fn part(file: &Path) -> std::io::Result<(PathBuf, File)> {
    let mut attempt = 0;
    loop {
        let mut name = file.file_name().unwrap_or_default().to_owned();
        name.push(match attempt {
            0 => ".part".to_owned(),
            attempt => format!(".part{attempt}"),
        });
        let part = file.with_file_name(name);
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part);
        match opened {
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists && attempt < 1000 => attempt += 1,
            opened => return opened.map(|out| (part, out)),
        }
    }
}

fn copy(from: &mut dyn Read, to: &mut dyn Write, what: &str) -> Result<(), Failure> {
    let bar = progress::bar(what, None, true);
    let mut chunk = vec![0; 128 * 1024];
    loop {
        let length = from
            .read(&mut chunk)
            .map_err(|cause| Failure::refused(format!("the answer broke off: {cause}")))?;
        if length == 0 {
            break;
        }
        to.write_all(&chunk[..length])?;
        bar.inc(length as u64);
    }
    to.flush()?;
    bar.finish_and_clear();
    Ok(())
}
