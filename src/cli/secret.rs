//! The secret that private signing keys are sealed with: from the environment, or from a file that lies elsewhere than the database.
//! Never from a flag, which other processes see.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::open::Use;
use super::{Exit, Failure, export};
use crate::model::Clock;
use crate::settings::Settings;
use crate::signing::Secret;
use crate::storage::followed;

const VARIABLE: &str = "SEATGRAPH_KEY_SECRET";

/// Bytes that are read of a file: it may be one without an end.
const MOST: u64 = 64 * 1024;

/// `None`: the operator gives none, or names a file that is not there where nothing may be made (`Use::Read`).
pub fn find(settings: &Settings, what: Use) -> Result<Option<Secret>, Failure> {
    match (std::env::var_os(VARIABLE), &settings.keys_file) {
        (None, None) => Ok(None),
        (Some(_), Some(file)) => Err(Failure::new(
            Exit::Usage,
            format!("{VARIABLE} is set, and `keys.file` names `{file}`"),
        )
        .help("give the secret in one of the two")),
        (Some(text), None) => {
            let secret = text.to_str().and_then(Secret::new);
            secret
                .map(Some)
                .ok_or_else(|| unfit(&format!("{VARIABLE} is not a secret")))
        }
        (None, Some(file)) if what == Use::Read && !Path::new(file).exists() => Ok(None),
        (None, Some(file)) => of_file(file).map(Some),
    }
}

/// Made at the first start, readable by nobody else.
fn of_file(file: &str) -> Result<Secret, Failure> {
    let failed = |what: &str, cause: &std::io::Error| Failure::refused(format!("cannot {what} `{file}`: {cause}"));
    if let Some(whole) = followed(Path::new(file)).filter(|whole| !whole.exists()) {
        make(&whole).map_err(|cause| failed("make", &cause))?;
    }
    let mut text = String::new();
    std::fs::File::open(file)
        .and_then(|opened| opened.take(MOST).read_to_string(&mut text))
        .map_err(|cause| failed("read", &cause))?;
    Secret::new(text.trim_end()).ok_or_else(|| unfit(&format!("`{file}`, which `keys.file` names, holds no secret")))
}

/// Under another name until it is whole: one that was interrupted leaves no file without a secret. Of several that are made at once the
/// first stays.
fn make(file: &Path) -> std::io::Result<()> {
    let part = file.with_added_extension(Clock::System.new_id().simple().to_string());
    let written = || {
        let mut made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)?;
        let text: String = Clock::secret().iter().map(|byte| format!("{byte:02x}")).collect();
        made.write_all(format!("{text}\n").as_bytes())?;
        // On the disk before anything is sealed with it.
        made.sync_all()?;
        match std::fs::hard_link(&part, file) {
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {}
            // Some file systems know no links.
            Err(_) => std::fs::rename(&part, file)?,
            Ok(()) => {}
        }
        export::settle(file)
    };
    let written = written();
    let _ = std::fs::remove_file(&part);
    written
}

fn unfit(message: &str) -> Failure {
    Failure::new(Exit::Usage, message)
        .help("a secret is 32 or more visible ASCII characters, for example what `openssl rand -hex 32` gives")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_once_and_read_again() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let name = path.to_str().unwrap();
        assert!(of_file(name).is_ok());
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.trim_end().len(), 64);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(of_file(name).is_ok());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        std::fs::write(&path, "short\n").unwrap();
        assert_eq!(of_file(name).err().map(|failure| failure.exit), Some(Exit::Usage));
        // Made anew where there is none, and nothing else is left.
        std::fs::remove_file(&path).unwrap();
        assert!(of_file(name).is_ok());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        // A link to where it is to be is followed.
        let (link, real) = (folder.path().join("link"), folder.path().join("real"));
        std::os::unix::fs::symlink("real", &link).unwrap();
        assert!(of_file(link.to_str().unwrap()).is_ok());
        assert!(real.is_file() && link.is_symlink());
        assert_eq!(
            of_file("/dev/zero").err().map(|failure| failure.exit),
            Some(Exit::Usage)
        );
        let below = path.join("nowhere");
        assert!(of_file(below.to_str().unwrap()).is_err());
    }
}
