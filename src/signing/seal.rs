//! How the private half of a key lies in the database: sealed with the operator's secret, or, where there is none, as it is.
//! The secret itself is never in the database, nor in a backup of it.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{self, HKDF_SHA256, Salt};
use uuid::Uuid;

use super::jws::{base64, unbase64};
use super::{Algorithm, Unable};

/// What stands before the bytes, so that each says how it was kept.
const PLAIN: &str = "plain:";
const SEALED: &str = "sealed1:";

/// Bytes of a nonce of AES-GCM.
const NONCE: usize = 12;

/// What the operator gives. As long as an administrator's token has to be, for it is guessed as that would be: without a limit.
#[derive(Clone)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// `None` unless it is 32 to 1024 visible ASCII characters.
    pub fn new(text: &str) -> Option<Self> {
        let fits = (32..=1024).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.as_bytes().into()))
    }

    /// One for each key, so that no two are sealed by the same.
    fn key_of(&self, id: Uuid) -> Result<RandomizedNonceKey, Unable> {
        struct Length;
        impl hkdf::KeyType for Length {
            fn len(&self) -> usize {
                32
            }
        }
        let mut bytes = [0; 32];
        Salt::new(HKDF_SHA256, id.as_bytes())
            .extract(&self.0)
            .expand(&[b"seatgraph signing key"], Length)
            .and_then(|key| key.fill(&mut bytes))
            .map_err(|_| Unable::Fault)?;
        RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| Unable::Fault)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret")
    }
}

/// What it was kept for is authenticated: a sealed key stands in no other's place.
fn bound(id: Uuid, algorithm: Algorithm) -> Aad<Vec<u8>> {
    Aad::from([&id.as_bytes()[..], algorithm.name().as_bytes()].concat())
}

/// As it is kept.
pub fn seal(private: &[u8], secret: Option<&Secret>, id: Uuid, algorithm: Algorithm) -> Result<String, Unable> {
    let Some(secret) = secret else {
        return Ok(format!("{PLAIN}{}", base64(private)));
    };
    let mut bytes = private.to_vec();
    let nonce = secret
        .key_of(id)?
        .seal_in_place_append_tag(bound(id, algorithm), &mut bytes)
        .map_err(|_| Unable::Fault)?;
    Ok(format!("{SEALED}{}", base64(&[&nonce.as_ref()[..], &bytes].concat())))
}

/// `None`: another secret, or another key's.
pub fn open(kept: &str, secret: Option<&Secret>, id: Uuid, algorithm: Algorithm) -> Option<Vec<u8>> {
    if let Some(plain) = kept.strip_prefix(PLAIN) {
        return unbase64(plain.as_bytes());
    }
    let mut bytes = unbase64(kept.strip_prefix(SEALED)?.as_bytes())?;
    let (nonce, sealed) = bytes.split_at_mut_checked(NONCE)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let opened = secret?
        .key_of(id)
        .ok()?
        .open_in_place(nonce, bound(id, algorithm), sealed)
        .ok()?
        .len();
    Some(sealed[..opened].to_vec())
}

pub fn is_sealed(kept: &str) -> bool {
    kept.starts_with(SEALED)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Uuid = Uuid::from_u128(7);

    #[test]
    fn what_is_sealed_is_opened_by_its_own_secret_for_its_own_key() {
        let secret = |text: &str| Secret::new(&text.repeat(32)).unwrap();
        let (right, wrong) = (secret("a"), secret("b"));
        let sealed = seal(b"private", Some(&right), ID, Algorithm::EdDsa).unwrap();
        let plain = seal(b"private", None, ID, Algorithm::EdDsa).unwrap();
        assert!(is_sealed(&sealed) && !is_sealed(&plain));
        assert!(!sealed.contains(&base64(b"private")));
        let again = seal(b"private", Some(&right), ID, Algorithm::EdDsa).unwrap();
        assert_ne!(sealed, again, "with a nonce of its own");
        let mut touched = sealed.clone().into_bytes();
        touched[20] = if touched[20] == b'A' { b'B' } else { b'A' };
        let touched = String::from_utf8(touched).unwrap();
        let other = Uuid::from_u128(8);
        for (kept, secret, id, algorithm, opens) in [
            (sealed.as_str(), Some(&right), ID, Algorithm::EdDsa, true),
            (sealed.as_str(), Some(&wrong), ID, Algorithm::EdDsa, false),
            (sealed.as_str(), None, ID, Algorithm::EdDsa, false),
            (sealed.as_str(), Some(&right), other, Algorithm::EdDsa, false),
            (sealed.as_str(), Some(&right), ID, Algorithm::Rs256, false),
            (touched.as_str(), Some(&right), ID, Algorithm::EdDsa, false),
            (&sealed[..20], Some(&right), ID, Algorithm::EdDsa, false),
            ("sealed1:", Some(&right), ID, Algorithm::EdDsa, false),
            ("private", Some(&right), ID, Algorithm::EdDsa, false),
            (plain.as_str(), None, ID, Algorithm::EdDsa, true),
            // A secret that came later does not lock out what was kept before it.
            (plain.as_str(), Some(&right), ID, Algorithm::EdDsa, true),
        ] {
            let opened = open(kept, secret, id, algorithm);
            assert_eq!(opened.as_deref(), opens.then_some(&b"private"[..]), "{kept}");
        }
    }

    #[test]
    fn a_secret_is_long_and_visible() {
        for (text, fits) in [
            ("x".repeat(32), true),
            ("x".repeat(31), false),
            ("x".repeat(1025), false),
            (format!("{} {}", "x".repeat(20), "x".repeat(20)), false),
        ] {
            assert_eq!(Secret::new(&text).is_some(), fits, "{text}");
        }
        assert_eq!(format!("{:?}", Secret::new(&"x".repeat(32))), "Some(Secret)");
    }
}
