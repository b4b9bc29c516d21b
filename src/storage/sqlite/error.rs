//! What SQLite's errors mean to an operator. The one place that reads its codes.

use rusqlite::types::FromSqlError;
use rusqlite::{Error, ErrorCode, ffi};

use super::super::StorageError;

impl From<Error> for StorageError {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::SqliteFailure(failure, _) => failure.code,
            Error::SqlInputError { error, .. } => error.code,
            Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..)
            | Error::QueryReturnedNoRows => {
                return Self::Damaged(format!("a column holds what it never should: {error}"));
            }
            _ => return Self::Io(error.to_string()),
        };
        match code {
            ErrorCode::NotADatabase => Self::Damaged("the file is not a database".to_owned()),
            ErrorCode::DatabaseCorrupt => Self::Damaged(error.to_string()),
            ErrorCode::ReadOnly => Self::ReadOnly(error.to_string()),
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Locked(error.to_string()),
            ErrorCode::CannotOpen | ErrorCode::PermissionDenied => Self::Unavailable(error.to_string()),
            ErrorCode::DiskFull => Self::Io("the disk is full".to_owned()),
            ErrorCode::SystemIoFailure => Self::Io(format!("the disk failed: {error}")),
            // A table or column that is not there, when all migrations are: somebody's bytes are wrong.
            ErrorCode::Unknown => Self::Damaged(error.to_string()),
            _ => Self::Io(error.to_string()),
        }
    }
}

impl From<FromSqlError> for StorageError {
    fn from(error: FromSqlError) -> Self {
        Self::Damaged(format!("a column holds what it never should: {error}"))
    }
}

/// What a failed COMMIT means. Its last frame in the WAL is what makes it one: if that could not be written, there is none. When it
/// fails after that, as in the sync, the frame stays, and a later start may find it.
pub fn of_commit(error: Error) -> StorageError {
    let is_written = error.sqlite_error().is_some_and(|failure| {
        let is_frame = failure.extended_code == ffi::SQLITE_IOERR_WRITE;
        !is_frame && !matches!(failure.code, ErrorCode::DiskFull | ErrorCode::DatabaseBusy)
    });
    match StorageError::from(error) {
        why if is_written => StorageError::Unsure(why.to_string()),
        why => why,
    }
}

/// Whether a row with that key was there already.
pub fn is_constraint(error: &Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
}
