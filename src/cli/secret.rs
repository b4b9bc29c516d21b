//! The secret that private signing keys are sealed with: from the environment, or from a file that lies elsewhere than the database.
//! Never from a flag, which other processes see.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;

use super::{Exit, Failure};
use crate::model::Clock;
use crate::settings::Settings;
use crate::signing::Secret;

const VARIABLE: &str = "SEATGRAPH_KEY_SECRET";

/// `None`: the operator gives none.
pub fn find(settings: &Settings) -> Result<Option<Secret>, Failure> {
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
        (None, Some(file)) => of_file(file).map(Some),
    }
}

/// Made at the first start, readable by nobody else.
fn of_file(file: &str) -> Result<Secret, Failure> {
    let failed = |what: &str, cause: &std::io::Error| Failure::refused(format!("cannot {what} `{file}`: {cause}"));
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        Ok(mut made) => {
            let text: String = Clock::secret().iter().map(|byte| format!("{byte:02x}")).collect();
            // On the disk before anything is sealed with it.
            made.write_all(format!("{text}\n").as_bytes())
                .and_then(|()| made.sync_all())
                .map_err(|cause| failed("write", &cause))?;
        }
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {}
        Err(cause) => return Err(failed("make", &cause)),
    }
    let text = std::fs::read_to_string(file).map_err(|cause| failed("read", &cause))?;
    Secret::new(text.trim_end()).ok_or_else(|| unfit(&format!("`{file}`, which `keys.file` names, holds no secret")))
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
        let below = path.join("nowhere");
        assert!(of_file(below.to_str().unwrap()).is_err());
    }
}
