//! The passwords of a body: who may set them, how long they are, and their hashes, which are made before the transaction, for
//! that is slow on purpose. Knows no graph.

use std::collections::HashMap;

use argon2::{Argon2, PasswordHasher};
use compact_str::CompactString;
use uuid::Uuid;

use super::input::{FieldInput, ObjectInput};
use super::refusal::{InputError, Refusal};
use crate::access::{Action, Permission, Who};
use crate::limits::Limits;
use crate::model::{Clock, Field, Value};

/// Replaces every password by its hash, once, before the committer sees the input: hashing is slow on purpose, and the
/// plain text goes no further than this. What was hashed already would be hashed again. The same password of one object, which
/// may stand in several places, has one hash, for that is what tells whether it is the same.
pub fn hash<'i>(objects: impl IntoIterator<Item = &'i mut ObjectInput>, limits: &Limits) -> Result<(), InputError> {
    let mut waiting: Vec<&mut ObjectInput> = objects.into_iter().collect();
    let mut known: HashMap<(Uuid, CompactString), CompactString> = HashMap::new();
    while let Some(object) = waiting.pop() {
        if let Some(plain) = object.kind.field("passwordPlain") {
            for input in object
                .fields
                .iter_mut()
                .filter(|input| input.field == Field::Own(plain))
            {
                if let Some(Value::Text(text)) = &input.value {
                    let hashed = match object.id.and_then(|id| known.get(&(id, text.clone()))) {
                        Some(hash) => Ok(hash.clone()),
                        None => fits(text, limits).and_then(|()| hash_one(text)),
                    };
                    let hash = hashed.map_err(|why| InputError {
                        at: format!("{}/passwordPlain", object.at),
                        why,
                    })?;
                    if let Some(id) = object.id {
                        known.insert((id, text.clone()), hash.clone());
                    }
                    input.value = Some(Value::Text(hash));
                }
            }
        }
        waiting.extend(object.related.iter_mut().map(|related| &mut related.object));
    }
    Ok(())
}

/// How many passwords `hash` has to hash, which is slow.
pub fn count(objects: &[ObjectInput]) -> u64 {
    let mut count = 0;
    let mut waiting: Vec<&ObjectInput> = objects.iter().collect();
    while let Some(object) = waiting.pop() {
        count += count_of(object);
        waiting.extend(object.related.iter().map(|related| &related.object));
    }
    count
}

fn count_of(object: &ObjectInput) -> u64 {
    let plain = object.kind.field("passwordPlain").map(Field::Own);
    let hashed = |input: &&FieldInput| Some(input.field) == plain && input.value.is_some();
    object.fields.iter().filter(hashed).count() as u64
}

/// Before any password is hashed: somebody who can neither create nor update what holds one sets none, whatever else the
/// body says.
pub fn may_set(objects: &[ObjectInput], who: &Who) -> Result<(), InputError> {
    let mut waiting: Vec<&ObjectInput> = objects.iter().rev().collect();
    while let Some(object) = waiting.pop() {
        let may = |action| who.require(Permission::Kind(object.kind, action));
        if count_of(object) > 0
            && may(Action::Update).is_err()
            && let Err(denied) = may(Action::Create)
        {
            return Err(InputError {
                at: object.at.to_string(),
                why: denied.into(),
            });
        }
        waiting.extend(object.related.iter().rev().map(|related| &related.object));
    }
    Ok(())
}

/// What a request with passwords is known by: as slow to try out as a password's own hash, since the rest of the request is no
/// secret. `salt` is what tells it from others.
pub fn slow_fingerprint(fingerprint: &[u8; 32], salt: &[u8; 32]) -> Result<[u8; 32], InputError> {
    let mut slow = [0; 32];
    let hashed = Argon2::default().hash_password_into(fingerprint, salt, &mut slow);
    let failed = |_| InputError {
        at: String::new(),
        why: Refusal::PasswordNotHashed,
    };
    hashed.map(|()| slow).map_err(failed)
}

/// Longer than anybody types, and short enough for the form of a login.
pub(super) const PASSWORD_BYTES: usize = 1024;

fn fits(plain: &str, limits: &Limits) -> Result<(), Refusal> {
    let least = limits.password_min();
    if plain.len() > PASSWORD_BYTES {
        return Err(Refusal::PasswordTooLong);
    }
    if (plain.chars().count() as u64) < least.value {
        return Err(Refusal::PasswordTooShort(least));
    }
    Ok(())
}

/// Argon2id with the crate's parameters, which are those OWASP recommends, as a PHC string.
pub(super) fn hash_one(plain: &str) -> Result<CompactString, Refusal> {
    let salt = Clock::secret();
    let hashed = Argon2::default().hash_password_with_salt(plain.as_bytes(), &salt[..16]);
    hashed
        .map(|hash| CompactString::from(hash.to_string()))
        .map_err(|_| Refusal::PasswordNotHashed)
}

#[cfg(test)]
mod tests {
    use argon2::PasswordVerifier;
    use argon2::password_hash::phc::PasswordHash;

    use super::*;
    use crate::model::Kind;
    use crate::operation::input::RelatedInput;

    fn login(plain: &str) -> ObjectInput {
        let field = Field::Own(Kind::EmailAndPassword.field("passwordPlain").unwrap());
        ObjectInput {
            kind: Kind::EmailAndPassword,
            id: None,
            fields: vec![FieldInput {
                field,
                value: Some(Value::text(plain)),
            }],
            references: Vec::new(),
            related: Vec::new(),
            at: CompactString::new("/3"),
        }
    }

    #[test]
    fn a_password_is_hashed_wherever_it_stands() {
        let hop = crate::model::schema::hop(Kind::Person, "OneToMany", Kind::EmailAndPassword).unwrap();
        let mut person = ObjectInput {
            kind: Kind::Person,
            ..login("")
        };
        person.fields.clear();
        person.related.push(RelatedInput {
            hop,
            object: login("hunter2"),
            fields: Vec::new(),
            ends: (None, None),
        });
        hash([&mut person], &Limits::default()).unwrap();
        let value = person.related[0].object.fields[0].value.clone().unwrap();
        let hash = value.as_text().unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let parsed = PasswordHash::new(hash).unwrap();
        assert!(Argon2::default().verify_password(b"hunter2", &parsed).is_ok());
        assert!(Argon2::default().verify_password(b"hunter3", &parsed).is_err());
    }

    #[test]
    fn one_password_never_gives_one_hash_twice() {
        let (mut one, mut other) = (login("same"), login("same"));
        hash([&mut one, &mut other], &Limits::default()).unwrap();
        assert_ne!(one.fields[0].value, other.fields[0].value);
        (one, other) = (login("same"), login("same"));
        (one.id, other.id) = (Some(Uuid::from_u128(1)), Some(Uuid::from_u128(2)));
        hash([&mut one, &mut other], &Limits::default()).unwrap();
        assert_ne!(one.fields[0].value, other.fields[0].value);
    }

    #[test]
    fn one_password_of_one_login_is_known_to_be_the_same() {
        let (mut one, mut same, mut another) = (login("same"), login("same"), login("another"));
        for object in [&mut one, &mut same, &mut another] {
            object.id = Some(Uuid::from_u128(1));
        }
        hash([&mut one, &mut same, &mut another], &Limits::default()).unwrap();
        assert_eq!(one.fields[0].value, same.fields[0].value);
        assert_ne!(one.fields[0].value, another.fields[0].value);
    }

    #[test]
    fn a_password_is_neither_too_short_nor_too_long() {
        let check = |plain: &str, password_min: u64, expected: Option<&str>| {
            let limits = Limits {
                password_min,
                ..Limits::default()
            };
            let refused = hash([&mut login(plain)], &limits).err();
            let found = refused
                .as_ref()
                .map(|refused| (refused.at.as_str(), refused.why.code()));
            let expected = expected.map(|code| ("/3/passwordPlain", code));
            assert_eq!(found, expected, "{} {password_min}", plain.len());
        };
        check("", 1, Some("valueNotAllowed"));
        check("x", 1, None);
        check("ééééééé", 8, Some("valueNotAllowed"));
        check("éééééééé", 8, None);
        check(&"x".repeat(PASSWORD_BYTES), 1, None);
        check(&"x".repeat(PASSWORD_BYTES + 1), 1, Some("valueDoesNotFit"));
    }
}
