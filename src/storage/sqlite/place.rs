//! Where a database lies among files: its directory, its lock, and how a new file comes to be whole or not at all.
//!
//! Exclusion is a lock on a companion file, `NAME.lock`, not SQLite's exclusive mode: that one would also shut out the
//! connections of this process that serve backups and the audit beside the committer. The companion is also never the
//! database file itself, because closing any handle of that would drop SQLite's own locks on it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::super::{Scratch, StorageError};
use crate::model::Clock;

/// Links that lead to a link, at most: as many as Linux follows.
const LINKS: usize = 40;

/// What a link leads to, which need not be there yet. `None`: to itself.
pub fn followed(path: &Path) -> Option<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let Ok(to) = fs::read_link(&path) else {
            return Some(path);
        };
        path = path.parent().map_or_else(|| to.clone(), |folder| folder.join(&to));
    }
    None
}

/// A file's path with its links followed, so that one database has one lock.
pub fn resolve(path: &Path) -> Result<PathBuf, StorageError> {
    let shown = path.display();
    let path = &followed(path).ok_or_else(|| StorageError::Unavailable(format!("`{shown}` is a link to itself")))?;
    let Some(name) = path.file_name() else {
        return Err(StorageError::Unavailable(format!("`{shown}` names no file")));
    };
    if let Ok(whole) = path.canonicalize() {
        if whole.is_dir() {
            let why = format!("`{shown}` is a directory, not a database");
            return Err(StorageError::Unavailable(why));
        }
        // A pipe would be waited for, and a device cannot be replaced by a new file.
        return match whole.is_file() {
            true => Ok(whole),
            false => Err(StorageError::Unavailable(format!("`{shown}` is no file"))),
        };
    }
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match directory.canonicalize() {
        Ok(directory) if directory.is_dir() => Ok(directory.join(name)),
        Ok(_) => Err(StorageError::Unavailable(format!(
            "`{}` is not a directory",
            directory.display()
        ))),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(StorageError::Unavailable(format!(
            "the directory `{}` does not exist",
            directory.display()
        ))),
        Err(error) => Err(StorageError::Unavailable(format!(
            "cannot enter `{}`: {error}",
            directory.display()
        ))),
    }
}

/// What a database has beside it under its name, of SQLite's and of ours; the last says that a seed is going into it.
pub const BESIDE: [&str; 6] = ["-wal", "-shm", "-journal", ".lock", ".partial", ".seeding"];

/// Bytes of a file's name, where most file systems end it.
const NAME_BYTES: usize = 255;

/// Whether a new database may have this name: the files beside it need names too, and it is not to be one of those of another.
pub fn may_be_named(path: &Path) -> Result<(), StorageError> {
    let name = path.file_name().unwrap_or_default();
    let of_another = BESIDE
        .iter()
        .find(|suffix| name.as_encoded_bytes().ends_with(suffix.as_bytes()));
    if let Some(suffix) = of_another {
        return Err(StorageError::Unavailable(format!(
            "`{}` ends in `{suffix}`, as a file beside a database does",
            path.display()
        )));
    }
    let longest = ".partial-journal".len();
    match name.len() + longest > NAME_BYTES {
        true => Err(StorageError::Unavailable(format!(
            "the name `{}` is too long: with those of the files beside it a database's has at most {} bytes",
            name.display(),
            NAME_BYTES - longest
        ))),
        false => Ok(()),
    }
}

/// `NAME.db` and `-wal` make `NAME.db-wal`.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut whole = path.as_os_str().to_owned();
    whole.push(suffix);
    PathBuf::from(whole)
}

/// What a file operation's failure means for one that wants to write there.
pub fn refused(path: &Path, error: &std::io::Error) -> StorageError {
    let shown = path.display();
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            StorageError::ReadOnly(format!("cannot write `{shown}`: {error}"))
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            StorageError::Io(format!("cannot write `{shown}`: the disk is full"))
        }
        _ => StorageError::Unavailable(format!("cannot open `{shown}`: {error}")),
    }
}

/// A database with several names (hard links) would have a lock, and a log, by each: by one it is not known what was written by another.
pub fn has_one_name(database: &Path) -> Result<(), StorageError> {
    let names = database.metadata().map_or(1, |found| names(&found));
    if names <= 1 {
        return Ok(());
    }
    Err(StorageError::SeveralNames(format!(
        "`{}` has {names} names (hard links), and by another name another process could write it",
        database.display(),
    )))
}

/// The exclusive right to write a database; the system takes it back when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    pub fn of(database: &Path) -> Result<Self, StorageError> {
        has_one_name(database)?;
        let path = beside(database, ".lock");
        // Each turn but the last, a holder went away at that very moment.
        for _ in 0..1000 {
            let Some(mut file) = Self::opened(&path)? else { continue };
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut holder = String::new();
                    let _ = file.read_to_string(&mut holder);
                    let holder = match holder.trim() {
                        process if is_running(process) => format!("process {process}"),
                        _ => "another process".to_owned(),
                    };
                    return Err(StorageError::Locked(format!(
                        "`{}` is in use ({holder} holds `{}`)",
                        database.display(),
                        path.display()
                    )));
                }
                Err(TryLockError::Error(error)) => return Err(refused(&path, &error)),
            }
            // The holder before us removes the file when it ends; a lock on a removed file would exclude nobody.
            if same_file(&file, &path) {
                if !tells_a_process(&mut file) {
                    return Err(no_lock(&path));
                }
                #[cfg(unix)]
                let _ = file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600));
                let _ = file.set_len(0).and_then(|()| file.rewind());
                let _ = writeln!(file, "{}", std::process::id());
                return Ok(Self { file, path });
            }
        }
        Err(StorageError::Unavailable(format!("cannot lock `{}`", path.display())))
    }

    /// The file of that very name: a link could lead to anything, and this is written to and removed. `None`: it came or went at that
    /// moment.
    fn opened(path: &Path) -> Result<Option<File>, StorageError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        // Who can open it can hold it, and keep the database from being opened.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match fs::symlink_metadata(path) {
            Ok(found) if !found.is_file() => return Err(no_lock(path)),
            Ok(_) => {}
            // Whatever has the name by then, a link too, is not opened.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                options.create_new(true);
            }
            Err(error) => return Err(refused(path, &error)),
        }
        match options.open(path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::AlreadyExists) => Ok(None),
            Err(error) => Err(refused(path, &error)),
        }
    }
}

fn no_lock(path: &Path) -> StorageError {
    StorageError::Unavailable(format!(
        "`{}`, the name of the database's lock, is something else's: move it away, or give the database another name",
        path.display()
    ))
}

/// A number and the end of its line, or as much of that as a process wrote before it was killed.
fn tells_a_process(file: &mut File) -> bool {
    let mut text = Vec::new();
    let is_read = file.take(16).read_to_end(&mut text).is_ok();
    let number = text.strip_suffix(b"\n").unwrap_or(&text);
    is_read && number.len() <= 10 && number.iter().all(u8::is_ascii_digit)
}

impl Drop for Lock {
    fn drop(&mut self) {
        if same_file(&self.file, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What a killed process wrote into its lock stays there, whoever holds it now.
fn is_running(process: &str) -> bool {
    let all = Path::new("/proc");
    let is_number = process.parse::<u32>().is_ok();
    is_number && (!all.join("self").exists() || all.join(process).exists())
}

#[cfg(unix)]
fn same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(held), Ok(named)) => (held.dev(), held.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

#[cfg(unix)]
fn names(file: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(file)
}

/// Not told by the standard library.
#[cfg(not(unix))]
fn names(_: &fs::Metadata) -> u64 {
    1
}

/// Where an open file cannot be removed, it is still the one of that name.
#[cfg(not(unix))]
fn same_file(_: &File, path: &Path) -> bool {
    path.exists()
}

/// Beside the database, on a disk that has room for as much.
pub fn scratch(path: &Path) -> Result<Scratch, StorageError> {
    let name = beside(path, &format!(".{}.scratch", Clock::System.new_id().simple()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let opened = options
        .open(&name)
        .and_then(|write| File::open(&name).map(|read| Scratch { write, read }));
    let _ = fs::remove_file(&name);
    opened.map_err(|error| refused(&name, &error))
}

/// What a killed process left of copies and scratch files, which all have names of their own. Whoever calls it holds the
/// database's lock, so that nobody is at any of them.
pub fn sweep(database: &Path) {
    let (Some(folder), Some(name)) = (database.parent(), database.file_name().and_then(|name| name.to_str())) else {
        return;
    };
    let is_left = |other: &str| {
        let rest = other.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
        let Some((id, what)) = rest.and_then(|rest| rest.split_once('.')) else {
            return false;
        };
        let is_id = id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_id && (what == "scratch" || what == "backup" || what.starts_with("backup."))
    };
    // What cannot be looked at is left where it is: it is in nobody's way but for its room.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_left) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A new database file in the making, under another name until it is whole. Dropped before `keep`, it leaves nothing.
#[derive(Debug)]
pub struct Target {
    partial: PathBuf,
    to: PathBuf,
    /// Nobody else makes or opens the same file meanwhile. `None` when the caller holds that lock.
    _lock: Option<Lock>,
}

impl Target {
    /// A file that must not exist yet.
    pub fn new(to: &Path) -> Result<Self, StorageError> {
        let to = resolve(to)?;
        let lock = Lock::of(&to)?;
        Self {
            partial: beside(&to, ".partial"),
            to,
            _lock: Some(lock),
        }
        .begin()
    }

    /// As `new`, of a resolved path whose lock the caller holds.
    pub fn locked(to: &Path) -> Result<Self, StorageError> {
        Self {
            partial: beside(to, ".partial"),
            to: to.to_owned(),
            _lock: None,
        }
        .begin()
    }

    fn begin(self) -> Result<Self, StorageError> {
        if self.to.exists() {
            return Err(StorageError::Unavailable(format!(
                "`{}` exists already",
                self.to.display()
            )));
        }
        let log = beside(&self.to, "-wal");
        if log.exists() {
            let (shown, log) = (self.to.display(), log.display());
            return Err(StorageError::Damaged(format!(
                "`{shown}` is gone but its log `{log}` is not: restore it or remove both"
            )));
        }
        // What a killed process left.
        self.clear();
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options
            .open(&self.partial)
            .map_err(|error| refused(&self.partial, &error))?;
        Ok(self)
    }

    /// The name to write under.
    pub fn path(&self) -> &Path {
        &self.partial
    }

    /// Gives it its name, durably.
    pub fn keep(self) -> Result<(), StorageError> {
        let kept = || -> std::io::Result<()> {
            OpenOptions::new().write(true).open(&self.partial)?.sync_all()?;
            fs::rename(&self.partial, &self.to)?;
            match self.to.parent() {
                Some(directory) if cfg!(unix) => File::open(directory)?.sync_all(),
                _ => Ok(()),
            }
        };
        kept().map_err(|error| refused(&self.to, &error))
    }

    fn clear(&self) {
        for suffix in ["", "-wal", "-shm", "-journal", ".lock"] {
            let _ = fs::remove_file(beside(&self.partial, suffix));
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.clear();
    }
}
