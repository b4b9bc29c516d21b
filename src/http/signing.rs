//! Where tokens are signed: beside the workers, a few at a time, since RS256 takes milliseconds of a processor; when too many wait,
//! the next is turned away, and nobody else waits for a signature. EdDSA takes microseconds and is signed where it is asked for.
//!
//! Keys are made when the first of their algorithm is needed, so that a server that signs nothing makes none and no start waits for
//! one. Opened keys are kept until the graph has others.

use std::sync::Arc;

use actix_web::http::StatusCode;
use parking_lot::RwLock;

use super::places::{Places, Reserved};
use super::problem::{Problem, internal};
use super::write::beside;
use crate::engine::{Engine, Reply, Write};
use crate::graph::{Graph, Transaction};
use crate::limits::{Limit, Limits};
use crate::model::Revision;
use crate::operation::keys;
use crate::signing::{self, Algorithm, Keyring, NewKey, Pair, Secret, Unable};

/// Whoever waits for the first key waits for seconds; more than these are turned away.
const WAIT_FOR_FIRST: usize = 256;
/// So many bytes of claims are signed on the worker itself, by EdDSA.
const INLINE: usize = 16 * 1024;

/// How this server signs.
pub struct Setup {
    /// `iss` of every token: how clients reach this server.
    pub issuer: Arc<str>,
    /// What private keys are sealed with.
    pub secret: Option<Secret>,
    /// Makes a key; a test has it make the same one again.
    pub make: fn(Algorithm) -> Result<Pair, Unable>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            issuer: "http://127.0.0.1:8080".into(),
            secret: None,
            make: signing::generate,
        }
    }
}

/// The one signer of a server.
pub struct Signer {
    setup: Setup,
    engine: Engine,
    /// With the revision of the keys.
    opened: RwLock<(Revision, Arc<Keyring>)>,
    places: Places,
    making: Places,
    waiting: u64,
}

impl Signer {
    pub fn new(setup: Setup, engine: Engine, limits: &Limits) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            opened: RwLock::new((0, Arc::new(Keyring::open(std::iter::empty(), None)))),
            // The others are for those who wait for no signature.
            places: Places::new((processors / 2).max(1), limits.signatures as usize),
            making: Places::new(1, WAIT_FOR_FIRST),
            waiting: limits.signatures,
            setup,
            engine,
        }
    }

    pub fn issuer(&self) -> &Arc<str> {
        &self.setup.issuer
    }

    pub fn secret(&self) -> Option<&Secret> {
        self.setup.secret.as_ref()
    }

    /// The keys of a graph, or younger ones, opened the first time they are asked for.
    pub fn ring(&self, graph: &Graph) -> Arc<Keyring> {
        let revision = keys::revision(graph);
        {
            let opened = self.opened.read();
            if opened.0 >= revision {
                return Arc::clone(&opened.1);
            }
        }
        let ring = Arc::new(keys::ring(graph, self.secret()));
        for key in ring.locked() {
            tracing::error!(%key, "a signing key cannot be opened: it was sealed with another secret");
        }
        let mut opened = self.opened.write();
        if opened.0 < revision {
            *opened = (revision, Arc::clone(&ring));
        }
        ring
    }

    /// The keys of a graph, among them one that signs by each of these algorithms.
    pub async fn ready(&self, graph: Arc<Graph>, algorithms: &[Algorithm]) -> Result<Arc<Keyring>, Problem> {
        let ring = self.ring(&graph);
        if algorithms.iter().all(|algorithm| ring.has(*algorithm)) {
            return Ok(ring);
        }
        // Whoever holds a graph makes the committer copy it.
        drop(graph);
        let _place = self.making.place().await.ok_or_else(|| {
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "keysBeingMade",
                "the first signing keys are being made",
            )
            .help("try again in some seconds")
        })?;
        for algorithm in algorithms {
            // Another may have made it while this one waited.
            if !self.ring(&self.engine.snapshot()).has(*algorithm) {
                let new = self.make(*algorithm).await?;
                let write = Write {
                    operation: "MakeSigningKey".into(),
                    ..Write::default()
                };
                let run = move |tx: &mut Transaction<'_>| keys::first(tx, &new).map(|()| Reply::empty());
                self.engine.write(write, run).await?;
                tracing::info!(%algorithm, "the first signing key was made");
            }
        }
        Ok(self.ring(&self.engine.snapshot()))
    }

    /// A new key, sealed if there is a secret; on a thread where that may take its time.
    pub async fn make(&self, algorithm: Algorithm) -> Result<NewKey, Problem> {
        if keys::would_lie_open(&self.engine.snapshot(), self.secret()) {
            return Err(Unable::NoSecret.into());
        }
        let (make, secret, id) = (self.setup.make, self.setup.secret.clone(), self.engine.clock().new_id());
        beside(move || {
            let made = make(algorithm).and_then(|pair| NewKey::new(id, &pair, secret.as_ref()));
            made.map_err(Problem::from)
        })
        .await
    }

    /// Before something is done whose answer is to be signed: that it can be, and a place in the line where that takes long.
    pub async fn promise(&self, graph: Arc<Graph>, algorithm: Algorithm) -> Result<Promise<'_>, Problem> {
        let ring = self.ready(graph, &[algorithm]).await?;
        ring.can_sign(algorithm)?;
        let reserved = match algorithm {
            // Signed where it is asked for, or soon.
            Algorithm::EdDsa => None,
            Algorithm::Rs256 => Some(self.places.reserve().ok_or_else(|| self.too_many())?),
        };
        Ok(Promise {
            signer: self,
            ring,
            algorithm,
            reserved,
        })
    }

    fn too_many(&self) -> Problem {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "tooManySignatures",
            "too many tokens wait to be signed",
        )
        .limit(Limit {
            name: "signatures",
            value: self.waiting,
        })
        .help("try again in a second, or ask for `alg=EdDSA`, which takes less")
    }

    /// A token over each of these claims, in order; each is a JSON object in bytes.
    pub async fn sign(
        &self,
        graph: Arc<Graph>,
        algorithm: Algorithm,
        claims: Vec<Vec<u8>>,
    ) -> Result<Vec<String>, Problem> {
        let ring = self.ready(graph, &[algorithm]).await?;
        self.sign_by(ring, algorithm, claims, None).await
    }

    async fn sign_by(
        &self,
        ring: Arc<Keyring>,
        algorithm: Algorithm,
        claims: Vec<Vec<u8>>,
        reserved: Option<Reserved<'_>>,
    ) -> Result<Vec<String>, Problem> {
        let bytes: usize = claims.iter().map(|claims| claims.len() + 256).sum();
        let inline = algorithm == Algorithm::EdDsa && bytes <= INLINE;
        let all = move || {
            let tokens = claims.iter().map(|claims| ring.sign(algorithm, claims));
            tokens.collect::<Result<Vec<_>, _>>().map_err(Problem::from)
        };
        if inline {
            return all();
        }
        let place = match reserved {
            Some(reserved) => reserved.place().await,
            None => self.places.place().await,
        };
        let place = place.ok_or_else(|| self.too_many())?;
        beside(move || {
            let tokens = all();
            drop(place);
            tokens
        })
        .await
    }
}

/// Kept by `sign`, whatever else is asked for meanwhile.
pub struct Promise<'s> {
    signer: &'s Signer,
    ring: Arc<Keyring>,
    algorithm: Algorithm,
    reserved: Option<Reserved<'s>>,
}

impl Promise<'_> {
    /// By the key there was when it was promised.
    pub async fn sign(self, claims: Vec<Vec<u8>>) -> Result<Vec<String>, Problem> {
        self.signer
            .sign_by(self.ring, self.algorithm, claims, self.reserved)
            .await
    }
}

impl From<Unable> for Problem {
    fn from(unable: Unable) -> Self {
        match unable {
            Unable::Sealed(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "signingKeySealed", unable.to_string()).help(
                "it was sealed with another SEATGRAPH_KEY_SECRET or `keys.file`; give that one, or make a new key by `seatgraph key rotate`",
            ),
            Unable::NoSecret => Self::new(StatusCode::SERVICE_UNAVAILABLE, "keySecretMissing", unable.to_string())
                .help("set SEATGRAPH_KEY_SECRET or `keys.file`, to the secret there was or to a new one"),
            Unable::NoKey(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "noSigningKey", unable.to_string())
                .help("try again in a second"),
            Unable::Fault => internal("no signature could be made"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine;
    use crate::model::{Clock, Time};
    use crate::storage::Memory;

    fn signer(signatures: u64) -> Signer {
        let clock = Arc::new(Clock::frozen(Time(0)));
        let engine = Engine::open(Box::new(Memory::new()), clock, engine::Options::default(), |_| ());
        // The kind of key is what matters here, and not what it is.
        let make = |_| signing::generate(Algorithm::EdDsa);
        let setup = Setup {
            make,
            ..Setup::default()
        };
        let limits = Limits {
            signatures,
            ..Limits::default()
        };
        Signer::new(setup, engine.expect("an empty store"), &limits)
    }

    #[test]
    fn nobody_waits_for_a_signature_but_who_asked_for_a_slow_one() {
        let signer = signer(0);
        let signed = |bytes: usize| {
            let claims = vec![format!("{{\"a\":\"{}\"}}", "x".repeat(bytes)).into_bytes(); 2];
            let graph = signer.engine.snapshot();
            let signed = signer.sign(graph, Algorithm::EdDsa, claims);
            let signed = actix_web::rt::System::new().block_on(signed);
            signed
                .map(|tokens| tokens.len())
                .map_err(|problem| (problem.status.as_u16(), problem.code))
        };
        assert_eq!(signed(10), Ok(2));
        assert_eq!(signed(INLINE), Ok(2));
        let mut held = Vec::new();
        while let Some(place) = actix_web::rt::System::new().block_on(signer.places.place()) {
            held.push(place);
        }
        assert!(!held.is_empty());
        assert_eq!(signed(INLINE), Err((503, "tooManySignatures")));
        assert_eq!(signed(10), Ok(2));
        drop(held);
        assert_eq!(signed(INLINE), Ok(2));
        signer.engine.close();
    }

    #[test]
    fn a_key_is_made_once_and_opened_once() {
        let signer = signer(4);
        let ready = || {
            let ready = signer.ready(signer.engine.snapshot(), &[Algorithm::EdDsa]);
            actix_web::rt::System::new()
                .block_on(ready)
                .map_err(|problem| problem.code)
        };
        let before = signer.engine.snapshot();
        let first = ready().expect("a key");
        let revision = signer.engine.revision();
        assert!(Arc::ptr_eq(&first, &ready().expect("the same")));
        assert_eq!(signer.engine.revision(), revision);
        // Who still holds the graph from before is given the younger keys, which sign as well.
        assert!(Arc::ptr_eq(&first, &signer.ring(&before)));
        signer.engine.close();
    }
}
