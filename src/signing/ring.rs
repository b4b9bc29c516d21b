//! The keys there are at one revision, opened once. They stand in the order of `/.well-known/jwks.json`: clients in the field take
//! the first and look no further, so that is the one RS256 is signed with; the key before it is second (`licensing.md` 1.4).

use std::cmp::Reverse;

use uuid::Uuid;

use super::verify::{PublicKey, PublicKeys};
use super::{Algorithm, Pair, Secret, Unable, jws, seal};
use crate::model::{Entity, Fields, Kind, Serial, Time, Value, Values};

// Places in the schema's list, held by `fields_are_where_the_schema_has_them`.
const ALG: u8 = 0;
const PUBLIC: u8 = 1;
const PRIVATE: u8 = 2;
const RETIRED_AT: u8 = 3;
const ENDS_AT: u8 = 4;

/// What an entity says of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The `kid` of what it signs.
    pub id: Uuid,
    pub serial: Serial,
    pub algorithm: Algorithm,
    pub created: Time,
    /// From then on it signs nothing more.
    pub retired_at: Option<Time>,
    /// From then on nothing it signed is verified.
    pub ends_at: Option<Time>,
    /// Whether its private half lies sealed. A retired key has none.
    pub sealed: bool,
    public: Vec<u8>,
}

impl Key {
    /// `None` if another version of the server made it, of an algorithm this one does not know.
    pub fn read(entity: &Entity) -> Option<Self> {
        let text = |field: u8| entity.fields().get(field).and_then(Value::as_text);
        let time = |field: u8| entity.fields().get(field).and_then(Value::as_time);
        if entity.kind != Kind::SigningKey {
            return None;
        }
        Some(Self {
            id: entity.id,
            serial: entity.serial,
            algorithm: Algorithm::named(text(ALG)?)?,
            created: entity.created,
            retired_at: time(RETIRED_AT),
            ends_at: time(ENDS_AT),
            sealed: text(PRIVATE).is_some_and(seal::is_sealed),
            public: jws::unbase64(text(PUBLIC)?.as_bytes())?,
        })
    }

    pub fn is_active(&self) -> bool {
        self.retired_at.is_none()
    }

    /// RS256 first, of each algorithm the active one, then the younger before the older. A serial alone does not tell: it may have
    /// made way for an import's.
    fn place(&self) -> (Algorithm, bool, Reverse<(Time, Serial)>) {
        (self.algorithm, !self.is_active(), Reverse((self.created, self.serial)))
    }
}

/// A key as it is to be kept.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub id: Uuid,
    pub algorithm: Algorithm,
    pub fields: Fields,
}

impl NewKey {
    pub fn new(id: Uuid, pair: &Pair, secret: Option<&Secret>) -> Result<Self, Unable> {
        let algorithm = pair.algorithm();
        let private = seal::seal(pair.private()?.as_ref(), secret, id, algorithm)?;
        let fields = [
            (ALG, Value::text(algorithm.name())),
            (PUBLIC, Value::text(&jws::base64(&pair.public()))),
            (PRIVATE, Value::text(&private)),
        ];
        Ok(Self {
            id,
            algorithm,
            fields: fields.into_iter().collect(),
        })
    }
}

/// The fields of a key that signs no more, and is believed until `ends_at`. Its private half is forgotten.
pub fn retired(key: Values<'_>, now: Time, ends_at: Time) -> Fields {
    key.with(PRIVATE, None)
        .with(RETIRED_AT, Some(Value::Time(now)))
        .with(ENDS_AT, Some(Value::Time(ends_at)))
}

/// The same of one that is retired already.
pub fn ending(key: Values<'_>, ends_at: Time) -> Fields {
    key.with(ENDS_AT, Some(Value::Time(ends_at)))
}

/// All keys, and those that sign, ready to.
pub struct Keyring {
    keys: Vec<Key>,
    active: Vec<Active>,
    public: PublicKeys,
}

struct Active {
    id: Uuid,
    algorithm: Algorithm,
    /// What its tokens begin with.
    header: String,
    /// `None`: it could not be opened.
    pair: Option<Pair>,
}

impl Keyring {
    pub fn open<'e>(entities: impl Iterator<Item = &'e Entity>, secret: Option<&Secret>) -> Self {
        let mut found: Vec<(Key, &Entity)> = entities
            .filter_map(|entity| Some((Key::read(entity)?, entity)))
            .collect();
        found.sort_by_key(|(key, _)| key.place());
        let mut active: Vec<Active> = Vec::new();
        for (key, entity) in found.iter().filter(|(key, _)| key.is_active()) {
            if active.iter().any(|other| other.algorithm == key.algorithm) {
                continue;
            }
            let private = entity.fields().get(PRIVATE).and_then(Value::as_text);
            let opened = private.and_then(|kept| seal::open(kept, secret, key.id, key.algorithm));
            // A private half that is another public one's would sign what nobody can verify.
            let pair = opened
                .and_then(|private| Pair::parse(key.algorithm, &private))
                .filter(|pair| pair.public() == key.public);
            active.push(Active {
                id: key.id,
                algorithm: key.algorithm,
                header: jws::header(key.algorithm, key.id),
                pair,
            });
        }
        let keys: Vec<Key> = found.into_iter().map(|(key, _)| key).collect();
        let public = keys.iter().map(|key| PublicKey {
            kid: key.id.to_string(),
            algorithm: key.algorithm,
            public: key.public.clone(),
            ends_at: key.ends_at,
        });
        Self {
            public: PublicKeys::new(public.collect()),
            keys,
            active,
        }
    }

    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// What verifies, for this server or for its clients.
    pub fn public(&self) -> &PublicKeys {
        &self.public
    }

    /// Whether a key signs by this algorithm, be it one that cannot be opened.
    pub fn has(&self, algorithm: Algorithm) -> bool {
        self.active.iter().any(|active| active.algorithm == algorithm)
    }

    /// Whether it could sign now, or why not.
    pub fn can_sign(&self, algorithm: Algorithm) -> Result<(), Unable> {
        let active = self.active.iter().find(|active| active.algorithm == algorithm);
        match active {
            None => Err(Unable::NoKey(algorithm)),
            Some(active) if active.pair.is_none() => Err(Unable::Sealed(active.id)),
            Some(_) => Ok(()),
        }
    }

    /// Of the keys that should sign, those that cannot be opened.
    pub fn locked(&self) -> impl Iterator<Item = Uuid> {
        let locked = |active: &&Active| active.pair.is_none();
        self.active.iter().filter(locked).map(|active| active.id)
    }

    /// A compact JWS over claims, which are a JSON object.
    pub fn sign(&self, algorithm: Algorithm, claims: &[u8]) -> Result<String, Unable> {
        let active = self
            .active
            .iter()
            .find(|active| active.algorithm == algorithm)
            .ok_or(Unable::NoKey(algorithm))?;
        let pair = active.pair.as_ref().ok_or(Unable::Sealed(active.id))?;
        let signed = jws::signed_part(&active.header, claims);
        let signature = pair.sign(signed.as_bytes())?;
        Ok(jws::finish(signed, &signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Header;
    use crate::signing::generate;

    #[test]
    fn fields_are_where_the_schema_has_them() {
        for (index, name) in [
            (ALG, "alg"),
            (PUBLIC, "publicKey"),
            (PRIVATE, "privateKey"),
            (RETIRED_AT, "retiredAt"),
            (ENDS_AT, "endsAt"),
        ] {
            assert_eq!(Kind::SigningKey.field(name), Some(index), "{name}");
        }
    }

    fn entity(serial: Serial, new: &NewKey) -> Entity {
        Entity::new(
            Header {
                id: new.id,
                serial,
                revision: serial,
                created: Time(0),
                updated: Time(0),
                kind: Kind::SigningKey,
            },
            new.fields.clone(),
        )
    }

    /// The active key first, whichever was made when, and RS256 before EdDSA.
    #[test]
    fn keys_stand_in_the_order_clients_rely_on() {
        let ed = generate(Algorithm::EdDsa).unwrap();
        let new = |id: u128| NewKey::new(Uuid::from_u128(id), &ed, None).unwrap();
        // As if some were RSA: only their order is looked at.
        let of = |entity: Entity, alg: &str| {
            let fields = entity.fields().with(ALG, Some(Value::text(alg)));
            Entity::new(*entity, fields)
        };
        let as_rsa = |entity: Entity| of(entity, "RS256");
        let retire = |entity: Entity| Entity::new(*entity, retired(entity.fields(), Time(1), Time(9)));
        let unknown = of(entity(9, &new(9)), "ES512");
        let entities = [
            entity(1, &new(1)),
            retire(as_rsa(entity(2, &new(2)))),
            retire(as_rsa(entity(3, &new(3)))),
            as_rsa(entity(4, &new(4))),
            retire(entity(5, &new(5))),
            unknown,
        ];
        let ring = Keyring::open(entities.iter(), None);
        let order: Vec<u128> = ring.keys().iter().map(|key| key.id.as_u128()).collect();
        assert_eq!(order, [4, 3, 2, 1, 5]);
        // The private half of 4 is no RSA key: it cannot be opened, and says so when asked.
        assert_eq!(ring.locked().collect::<Vec<_>>(), [Uuid::from_u128(4)]);
        assert_eq!(
            ring.sign(Algorithm::Rs256, b"{}"),
            Err(Unable::Sealed(Uuid::from_u128(4)))
        );
        assert!(ring.sign(Algorithm::EdDsa, b"{}").is_ok());
        assert!(ring.has(Algorithm::Rs256) && ring.has(Algorithm::EdDsa));
    }

    #[test]
    fn a_key_signs_for_who_has_its_secret_and_never_after_it_was_retired() {
        let secret = Secret::new(&"s".repeat(32));
        let pair = generate(Algorithm::EdDsa).unwrap();
        let new = NewKey::new(Uuid::from_u128(1), &pair, secret.as_ref()).unwrap();
        let kept = entity(1, &new);
        let signed = |kept: &Entity, secret: Option<&Secret>| {
            Keyring::open([kept].into_iter(), secret)
                .sign(Algorithm::EdDsa, b"{}")
                .map(|_| ())
        };
        assert_eq!(signed(&kept, secret.as_ref()), Ok(()));
        assert_eq!(signed(&kept, None), Err(Unable::Sealed(new.id)));
        assert_eq!(
            signed(&kept, Secret::new(&"t".repeat(32)).as_ref()),
            Err(Unable::Sealed(new.id))
        );
        let kept = Entity::new(*kept, retired(kept.fields(), Time(5), Time(9)));
        assert_eq!(signed(&kept, secret.as_ref()), Err(Unable::NoKey(Algorithm::EdDsa)));
        let key = Key::read(&kept).unwrap();
        assert_eq!(
            (key.retired_at, key.ends_at, key.sealed),
            (Some(Time(5)), Some(Time(9)), false)
        );
    }
}
