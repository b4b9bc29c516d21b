//! Where tokens are signed: beside the workers, a few at a time, since RS256 takes milliseconds of a processor; when too many wait,
//! the next are turned away, and nobody else waits for a signature. Those who wait take turns by the token. EdDSA takes microseconds
//! and is signed where it is asked for.
//!
//! Keys are made when the first of their algorithm is needed, so that a server that signs nothing makes none and no start waits for
//! one. Opened keys are kept until the graph has others.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::rt::task::yield_now;
use actix_web::web::Bytes;
use parking_lot::RwLock;

use super::places::{Places, Reserved};
use super::problem::{Problem, internal};
use super::write::beside;
use crate::engine::{Engine, Reply, Write, WriteError};
use crate::error::Error;
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
    waiting: Limit,
}

impl Signer {
    pub fn new(setup: Setup, engine: Engine, limits: &Limits) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            opened: RwLock::new((0, Arc::new(Keyring::open(std::iter::empty(), None)))),
            // The others are for those who wait for no signature.
            places: Places::new((processors / 2).max(1), limits.signatures as usize),
            making: Places::new(1, WAIT_FOR_FIRST),
            waiting: limits.signatures(),
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
        // It would take seconds, and could not be kept.
        if let Some(fault) = self.engine.health().fault {
            return Err(WriteError::<Error>::Unavailable(fault).into());
        }
        let (make, secret, id) = (self.setup.make, self.setup.secret.clone(), self.engine.clock().new_id());
        beside(move || {
            let made = make(algorithm).and_then(|pair| NewKey::new(id, &pair, secret.as_ref()));
            made.map_err(Problem::from)
        })
        .await
    }

    /// The keys for those who verify: of each algorithm one that signs, or, where none can be made now, those there are.
    pub async fn published(&self) -> Result<Arc<Keyring>, Problem> {
        let ready = self.ready(self.engine.snapshot(), &Algorithm::ALL).await;
        ready.or_else(|problem| {
            let (ring, now) = (self.ring(&self.engine.snapshot()), self.engine.now());
            let verifies = ring.keys().iter().any(|key| key.ends_at.is_none_or(|end| end > now));
            verifies.then_some(ring).ok_or(problem)
        })
    }

    /// Before something is done whose answer is to be signed: that so many tokens can be, and room in the line where that takes long.
    pub async fn promise(
        &self,
        graph: Arc<Graph>,
        algorithm: Algorithm,
        tokens: usize,
    ) -> Result<Promise<'_>, Problem> {
        let slow = match algorithm {
            // Signed where it is asked for, or soon.
            Algorithm::EdDsa => 0,
            Algorithm::Rs256 => tokens,
        };
        let ring = self.ready(graph, &[algorithm]).await?;
        ring.can_sign(algorithm)?;
        Ok(Promise {
            signer: self,
            ring,
            algorithm,
            line: self.places.reserve(slow).ok_or_else(|| self.too_many())?,
        })
    }

    fn too_many(&self) -> Problem {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "tooManySignatures",
            "too many tokens wait to be signed",
        )
        .limit(self.waiting)
        .help("try again in a second, or ask for `alg=EdDSA`, which takes less")
    }

    /// A token over claims, which are a JSON object in bytes.
    pub async fn sign(&self, graph: Arc<Graph>, algorithm: Algorithm, claims: Vec<u8>) -> Result<String, Problem> {
        let slow = usize::from(!is_quick(algorithm, &claims));
        let promise = Promise {
            signer: self,
            ring: self.ready(graph, &[algorithm]).await?,
            algorithm,
            line: self.places.reserve(slow).ok_or_else(|| self.too_many())?,
        };
        let mut tokens = promise.sign(vec![claims]).await?;
        tokens.pop().ok_or_else(|| internal("nothing was signed"))
    }

    /// The keys as they are now; those that were promised only if these cannot sign.
    fn newest(&self, promised: &Arc<Keyring>, algorithm: Algorithm) -> Arc<Keyring> {
        let ring = self.ring(&self.engine.snapshot());
        match ring.can_sign(algorithm) {
            Ok(()) => ring,
            Err(_) => Arc::clone(promised),
        }
    }
}

fn is_quick(algorithm: Algorithm, claims: &[u8]) -> bool {
    algorithm == Algorithm::EdDsa && claims.len() + 256 <= INLINE
}

/// Kept by `sign`, whatever else is asked for meanwhile.
pub struct Promise<'s> {
    signer: &'s Signer,
    ring: Arc<Keyring>,
    algorithm: Algorithm,
    line: Reserved<'s>,
}

impl Promise<'_> {
    /// A token over each of these claims, in order. Each waits for its own turn, so that nobody with one waits for all of who has
    /// many. A key may be replaced while they wait, and is perhaps believed no more: then all are signed by the new one.
    pub async fn sign(self, claims: Vec<Vec<u8>>) -> Result<Vec<String>, Problem> {
        let Self {
            signer,
            mut ring,
            algorithm,
            mut line,
        } = self;
        let claims: Vec<Bytes> = claims.into_iter().map(Bytes::from).collect();
        let (mut tokens, mut inline) = (Vec::with_capacity(claims.len()), 0);
        while let Some(claims) = claims.get(tokens.len()) {
            let is_quick = is_quick(algorithm, claims);
            let place = match is_quick {
                true => None,
                false => line.place().await,
            };
            let newest = signer.newest(&ring, algorithm);
            if !Arc::ptr_eq(&newest, &ring) {
                ring = newest;
                tokens.clear();
                continue;
            }
            if is_quick {
                tokens.push(ring.sign(algorithm, claims)?);
                inline += claims.len() + 256;
                if inline > INLINE {
                    // Others of this worker have their turn.
                    inline = 0;
                    yield_now().await;
                }
                continue;
            }
            let (ring, claims) = (Arc::clone(&ring), claims.clone());
            let token = beside(move || {
                let token = ring.sign(algorithm, &claims);
                drop(place);
                Ok(token?)
            });
            tokens.push(token.await?);
        }
        Ok(tokens)
    }
}

impl From<Unable> for Problem {
    fn from(unable: Unable) -> Self {
        match unable {
            Unable::Sealed(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "signingKeySealed", unable.to_string()).help(
                "it was sealed with another SEATGRAPH_KEY_SECRET or `keys.file`: give that one, or, if it is lost, any other, and make a new key by `seatgraph key rotate`",
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
    use crate::access::Who;
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

    fn on_a_worker<T>(future: impl Future<Output = T>) -> T {
        actix_web::rt::System::new().block_on(future)
    }

    fn claims(bytes: usize) -> Vec<u8> {
        format!("{{\"a\":\"{}\"}}", "x".repeat(bytes)).into_bytes()
    }

    #[test]
    fn nobody_waits_for_a_signature_but_who_asked_for_a_slow_one() {
        let signer = signer(1);
        let signed = |bytes: usize| {
            let signed = signer.sign(signer.engine.snapshot(), Algorithm::EdDsa, claims(bytes));
            on_a_worker(signed)
                .map(drop)
                .map_err(|problem| (problem.status.as_u16(), problem.code))
        };
        assert_eq!(signed(10), Ok(()));
        assert_eq!(signed(INLINE), Ok(()));
        let waits = signer.places.reserve(1).expect("room");
        assert_eq!(signed(INLINE), Err((503, "tooManySignatures")));
        assert_eq!(signed(10), Ok(()));
        // Promised, before something was done: it is not refused afterwards.
        let promised = signer.promise(signer.engine.snapshot(), Algorithm::EdDsa, 2);
        let promised = async { promised.await?.sign(vec![claims(INLINE); 2]).await };
        assert_eq!(on_a_worker(promised).map(|tokens| tokens.len()).ok(), Some(2));
        drop(waits);
        assert_eq!(signed(INLINE), Ok(()));
        signer.engine.close();
    }

    /// One place: who has one token signed waits for one of those who have many.
    #[test]
    fn those_who_wait_take_turns_by_the_token() {
        let mut signer = signer(8);
        signer.places = Places::new(1, 8);
        let done = parking_lot::Mutex::new(Vec::new());
        let sign = async |tokens: usize| {
            let promise = signer.promise(signer.engine.snapshot(), Algorithm::EdDsa, tokens);
            let promise = promise.await.expect("a promise");
            let signed = promise.sign(vec![claims(INLINE); tokens]).await;
            assert_eq!(signed.map(|tokens| tokens.len()).ok(), Some(tokens));
            done.lock().push(tokens);
        };
        on_a_worker(async {
            drop(signer.ready(signer.engine.snapshot(), &[Algorithm::EdDsa]).await);
            futures_util::future::join(sign(5), sign(1)).await
        });
        assert_eq!(*done.lock(), [1, 5]);
        signer.engine.close();
    }

    /// A key that was stolen is replaced and believed no more: who waits for a signature gets one of the new key.
    #[test]
    fn what_was_promised_by_a_key_is_signed_by_the_one_after_it() {
        let signer = signer(4);
        let (first, second, signed) = on_a_worker(async {
            let promise = signer.promise(signer.engine.snapshot(), Algorithm::EdDsa, 1);
            let promise = promise.await.expect("a promise");
            let first = promise.ring.keys()[0].id;
            let new = signer.make(Algorithm::EdDsa).await.expect("a key");
            let second = new.id;
            let run = move |tx: &mut Transaction<'_>| {
                keys::rotate(tx, &Who::server(), &new, tx.now()).map(|()| Reply::empty())
            };
            let rotated = signer.engine.write(Write::default(), run).await;
            assert!(rotated.is_ok());
            let signed = promise.sign(vec![claims(1)]).await.expect("a token");
            (first, second, signed)
        });
        assert_ne!(first, second);
        let ring = signer.ring(&signer.engine.snapshot());
        assert_eq!(ring.keys()[0].id, second);
        assert_eq!(Ok(&signed[0]), ring.sign(Algorithm::EdDsa, &claims(1)).as_ref());
        signer.engine.close();
    }

    /// Whoever verifies is not kept from it by a key that cannot be made.
    #[test]
    fn the_public_keys_there_are_are_told_where_no_other_can_be_made() {
        let sealed = signer(4);
        let published = |signer: &Signer| {
            let published = on_a_worker(signer.published());
            published
                .map(|ring| ring.keys().len())
                .map_err(|problem| (problem.status.as_u16(), problem.code))
        };
        let unable = |_| Err(Unable::Fault);
        let other = |secret: Option<Secret>| {
            let setup = Setup {
                secret,
                make: unable,
                ..Setup::default()
            };
            Signer::new(setup, sealed.engine.clone(), &Limits::default())
        };
        assert_eq!(published(&other(None)), Err((500, "internal")));
        let with_secret = Signer {
            setup: Setup {
                secret: Secret::new(&"s".repeat(32)),
                make: |_| signing::generate(Algorithm::EdDsa),
                ..Setup::default()
            },
            ..other(None)
        };
        let ready = with_secret.ready(sealed.engine.snapshot(), &[Algorithm::EdDsa]);
        assert!(on_a_worker(ready).is_ok());
        assert_eq!(published(&other(None)), Ok(1));
        assert_eq!(published(&other(Secret::new(&"s".repeat(32)))), Ok(1));
        sealed.engine.close();
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
