//! Whether a token is ours, and says what it must. Nothing it says of itself chooses how it is verified: its `kid` names one of the
//! keys that are known, and all else follows from that key. Whatever is not exactly as expected is refused.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::{Algorithm, jws};
use crate::model::Time;
use crate::mutant::mutant;

/// Longer than any token: what is hostile is not read to its end.
const LONGEST: usize = 64 * 1024;

/// What every header says, and there is nothing else in one: no `jwk`, `jku`, `x5c`, `crit` or `zip` is ever looked at.
const HEADER: [&str; 3] = ["alg", "kid", "typ"];

/// Why a token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Forged {
    #[error("the token is not one")]
    Malformed,
    #[error("the header of the token says more or less than `alg`, `kid` and `typ`")]
    Header,
    #[error("the token is of another type than `JWT`")]
    Type,
    #[error("the token names no key that is known")]
    UnknownKey,
    #[error("the token names an algorithm that nothing is signed by, or not its key's")]
    Algorithm,
    #[error("the signature of the token is not its key's")]
    Signature,
    #[error("the token is of another issuer")]
    Issuer,
    #[error("the token is for somebody else")]
    Audience,
    #[error("the token has no end")]
    NoEnd,
    #[error("the token has ended")]
    Expired,
    #[error("the token is not valid yet")]
    NotYet,
}

impl Forged {
    /// As it is told to a client.
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed => "tokenMalformed",
            Self::Header => "tokenHeaderWrong",
            Self::Type => "tokenTypeWrong",
            Self::UnknownKey => "tokenKeyUnknown",
            Self::Algorithm => "tokenAlgorithmWrong",
            Self::Signature => "tokenSignatureWrong",
            Self::Issuer => "tokenIssuerWrong",
            Self::Audience => "tokenAudienceWrong",
            Self::NoEnd => "tokenWithoutEnd",
            Self::Expired => "tokenExpired",
            Self::NotYet => "tokenNotYetValid",
        }
    }
}

/// What a token must say.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub now: Time,
}

/// The public half of a key, by its `kid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    pub kid: String,
    pub algorithm: Algorithm,
    /// The modulus of RSA, the point of Ed25519.
    pub public: Vec<u8>,
    pub ends_at: Option<Time>,
}

/// What verifies, in the order of `jwks.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeys(Vec<PublicKey>);

impl PublicKeys {
    pub(super) fn new(keys: Vec<PublicKey>) -> Self {
        Self(keys)
    }

    /// The document at `/.well-known/jwks.json` (RFC 7517). What has ended is not in it.
    pub fn jwks(&self, now: Time) -> String {
        let mut text = String::from("{\"keys\":[");
        for (at, key) in self.at(now).enumerate() {
            if at > 0 {
                text.push(',');
            }
            let PublicKey { kid, algorithm, .. } = key;
            let (kind, member) = match algorithm {
                Algorithm::Rs256 => ("\"kty\":\"RSA\",\"e\":\"AQAB\"", "n"),
                Algorithm::EdDsa => ("\"kty\":\"OKP\",\"crv\":\"Ed25519\"", "x"),
            };
            let public = jws::base64(&key.public);
            text.push_str(&format!(
                "{{{kind},\"use\":\"sig\",\"alg\":\"{algorithm}\",\"kid\":\"{kid}\",\"{member}\":\"{public}\"}}"
            ));
        }
        text.push_str("]}");
        text
    }

    /// As a client reads that document. Keys for another use, or of an algorithm that is not known here, are passed over.
    pub fn from_jwks(text: &str) -> Option<Self> {
        let document: Value = serde_json::from_str(text).ok()?;
        let read = |key: &Value| {
            let member = |name: &str| key.get(name).and_then(Value::as_str);
            let algorithm = Algorithm::named(member("alg")?)?;
            let (kind, public) = match algorithm {
                Algorithm::Rs256 if member("e") == Some("AQAB") => ("RSA", member("n")?),
                Algorithm::EdDsa if member("crv") == Some("Ed25519") => ("OKP", member("x")?),
                _ => return None,
            };
            (member("kty") == Some(kind) && member("use").is_none_or(|used| used == "sig")).then_some(())?;
            Some(PublicKey {
                kid: member("kid")?.to_owned(),
                algorithm,
                public: jws::unbase64(public.as_bytes())?,
                ends_at: None,
            })
        };
        Some(Self(
            document.get("keys")?.as_array()?.iter().filter_map(read).collect(),
        ))
    }

    fn at(&self, now: Time) -> impl Iterator<Item = &PublicKey> {
        self.0.iter().filter(move |key| key.ends_at.is_none_or(|end| now < end))
    }

    /// The claims of a token that is ours and says what it must.
    pub fn verify(&self, token: &str, expected: &Expected<'_>) -> Result<Map<String, Value>, Forged> {
        if token.len() > LONGEST {
            return Err(Forged::Malformed);
        }
        let (header, claims, signature, signed) = jws::parts(token).ok_or(Forged::Malformed)?;
        let bytes = |part: &str| jws::unbase64(part.as_bytes()).ok_or(Forged::Malformed);
        let (header, claims, signature) = (bytes(header)?, bytes(claims)?, bytes(signature)?);
        let key = self.key(&members(&header)?, expected.now)?;
        let is_its = key.algorithm.verifies(&key.public, signed.as_bytes(), &signature);
        if !is_its && !mutant("believe-everything") {
            return Err(Forged::Signature);
        }
        // Only now: what nobody signed is not worth reading.
        let claims = members(&claims)?;
        held(&claims, expected)?;
        Ok(claims)
    }

    fn key(&self, header: &Map<String, Value>, now: Time) -> Result<&PublicKey, Forged> {
        // `none` and its like are named for what they are, whatever else is said.
        if let Some(Value::String(alg)) = header.get("alg")
            && Algorithm::named(alg).is_none()
        {
            return Err(Forged::Algorithm);
        }
        let member = |name: &str| header.get(name).and_then(Value::as_str).ok_or(Forged::Header);
        if header.len() != HEADER.len() {
            return Err(Forged::Header);
        }
        let [alg, kid, typ] = HEADER.map(member);
        let (alg, kid, typ) = (alg?, kid?, typ?);
        if typ != "JWT" {
            return Err(Forged::Type);
        }
        let key = self.at(now).find(|key| key.kid == kid).ok_or(Forged::UnknownKey)?;
        if key.algorithm.name() != alg {
            return Err(Forged::Algorithm);
        }
        Ok(key)
    }
}

/// RFC 7519 4.1, with nothing left to a default.
fn held(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<(), Forged> {
    if claims.get("iss").and_then(Value::as_str) != Some(expected.issuer) {
        return Err(Forged::Issuer);
    }
    // Ours are for nobody in particular, and whoever is not named in one must not take it.
    if claims.contains_key("aud") {
        return Err(Forged::Audience);
    }
    // Whole seconds, as all of our own have them.
    let seconds = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or(Forged::Malformed),
    };
    let now = expected.now.millis().div_euclid(1000);
    if seconds("exp")?.ok_or(Forged::NoEnd)? <= now {
        return Err(Forged::Expired);
    }
    for from in ["nbf", "iat"] {
        if seconds(from)?.is_some_and(|from| now < from) {
            return Err(Forged::NotYet);
        }
    }
    Ok(())
}

/// A JSON object with no member twice: readers differ in which of two they take.
fn members(text: &[u8]) -> Result<Map<String, Value>, Forged> {
    serde_json::from_slice::<Once>(text)
        .map(|once| once.0)
        .map_err(|_| Forged::Malformed)
}

struct Once(Map<String, Value>);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Once;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Once, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member twice"));
                    }
                }
                Ok(Once(members))
            }
        }
        from.deserialize_map(Members)
    }
}
