//! Signed tokens (`licensing.md` 1.3 and 1.4): keys, how they are kept, compact JWS made and verified. Keys are entities of an
//! internal kind, so that they are committed, replayed and backed up like all else; this room reads and writes their fields, and
//! knows neither the graph they lie in nor what is claimed.
//!
//! The algorithm of a token is its key's. What a token says of its algorithm must be the same, and chooses nothing.

mod jws;
mod key;
mod ring;
mod seal;
mod verify;

#[cfg(test)]
mod forgeries;

pub use key::{Algorithm, Pair, generate};
pub use ring::{Key, Keyring, NewKey, ending, retired};
pub use seal::Secret;
pub use verify::{Expected, Forged, PublicKeys};

/// Why nothing is signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unable {
    #[error("there is no key for `{0}` yet")]
    NoKey(Algorithm),
    /// The secret is another one than the key was sealed with, or none.
    #[error("the private half of the signing key `{0}` cannot be opened")]
    Sealed(uuid::Uuid),
    /// What was sealed before would be followed by what lies open.
    #[error("the signing keys are sealed with a secret that this process was not given")]
    NoSecret,
    #[error("no signature could be made")]
    Fault,
}
