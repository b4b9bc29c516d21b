//! A key that signs, and its public half. RSA has 4096 bits, since a client in the field cannot decode the shorter ones
//! (`licensing.md` 1.4).

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ED25519, Ed25519KeyPair, KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents,
    UnparsedPublicKey,
};

use super::Unable;

/// 65537, as every RSA key here has it.
const EXPONENT: [u8; 3] = [1, 0, 1];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// What clients in the field verify.
    #[default]
    Rs256,
    EdDsa,
}

impl Algorithm {
    /// In the order of `jwks.json`: clients that take the first key want RS256.
    pub const ALL: [Self; 2] = [Self::Rs256, Self::EdDsa];

    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::EdDsa => "EdDSA",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Whether `signature` is one of `message` by the private half of this key: the modulus of RSA, the point of Ed25519.
    pub(super) fn verifies(self, public: &[u8], message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Rs256 => RsaPublicKeyComponents {
                n: public,
                e: &EXPONENT,
            }
            .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            .is_ok(),
            Self::EdDsa => UnparsedPublicKey::new(&ED25519, public)
                .verify(message, signature)
                .is_ok(),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// Both halves, parsed. To sign with it is a pure function of the message.
pub enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ed(Box<Ed25519KeyPair>),
}

/// A new key. RSA takes seconds of a processor.
pub fn generate(algorithm: Algorithm) -> Result<Pair, Unable> {
    let pair = match algorithm {
        Algorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa4096).map(|pair| Pair::Rsa(Box::new(pair))),
        Algorithm::EdDsa => Ed25519KeyPair::generate().map(|pair| Pair::Ed(Box::new(pair))),
    };
    pair.map_err(|_| Unable::Fault)
}

impl Pair {
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa(_) => Algorithm::Rs256,
            Self::Ed(_) => Algorithm::EdDsa,
        }
    }

    /// From what `private` gave. `None` for anything else, and for an RSA key with another exponent.
    pub fn parse(algorithm: Algorithm, private: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::Rs256 => RsaKeyPair::from_pkcs8(private)
                .ok()
                .filter(|pair| components(pair).e == EXPONENT)
                .map(|pair| Self::Rsa(Box::new(pair))),
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8(private)
                .ok()
                .map(|pair| Self::Ed(Box::new(pair))),
        }
    }

    /// PKCS #8.
    pub fn private(&self) -> Result<Pkcs8V1Der<'static>, Unable> {
        match self {
            Self::Rsa(pair) => pair.as_der(),
            Self::Ed(pair) => pair.as_der(),
        }
        .map_err(|_| Unable::Fault)
    }

    /// The modulus, or the point.
    pub fn public(&self) -> Vec<u8> {
        match self {
            Self::Rsa(pair) => components(pair).n,
            Self::Ed(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unable> {
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                // PKCS #1 v1.5 asks for no random numbers; the parameter is only there.
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
                    .map_err(|_| Unable::Fault)?;
                Ok(signature)
            }
            Self::Ed(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}

fn components(pair: &RsaKeyPair) -> RsaPublicKeyComponents<Vec<u8>> {
    RsaPublicKeyComponents::from(pair.public_key())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_read_as_it_was_kept_and_by_its_own_algorithm_only() {
        for algorithm in Algorithm::ALL {
            let pair = generate(algorithm).unwrap();
            let kept = pair.private().unwrap();
            let again = Pair::parse(algorithm, kept.as_ref()).unwrap();
            assert_eq!(again.public(), pair.public());
            let signature = again.sign(b"message").unwrap();
            assert!(algorithm.verifies(&pair.public(), b"message", &signature));
            assert!(!algorithm.verifies(&pair.public(), b"massage", &signature));
            for other in Algorithm::ALL {
                assert_eq!(Pair::parse(other, kept.as_ref()).is_some(), other == algorithm);
                assert_eq!(Algorithm::named(other.name()), Some(other));
                let fits = other.verifies(&pair.public(), b"message", &signature);
                assert_eq!(fits, other == algorithm, "{other} for {algorithm}");
            }
            let length = if algorithm == Algorithm::Rs256 { 512 } else { 32 };
            assert_eq!(pair.public().len(), length);
        }
        for name in ["", "rs256", "none", "HS256", "RS256 "] {
            assert_eq!(Algorithm::named(name), None, "{name}");
        }
    }
}
