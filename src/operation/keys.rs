//! Signing keys come and go (`licensing.md` 1.4): one of each algorithm signs, those before it are believed until they end. Whose
//! turn it is, is decided in the transaction that says so.

use crate::access::{Denied, Permission, Who};
use crate::error::Error;
use crate::graph::{Graph, Kept, Transaction};
use crate::model::{Entity, Kind, Revision, Time};
use crate::signing::{Key, Keyring, NewKey, Secret, ending, retired};

/// When the keys of a graph were changed last: with the same revision they are the same. There are a handful, so this is asked at each
/// signature. None goes but in a commit that makes one, so it never runs backwards.
pub fn revision(graph: &Graph) -> Revision {
    entities(graph).map(|entity| entity.revision).max().unwrap_or_default()
}

pub fn ring(graph: &Graph, secret: Option<&Secret>) -> Keyring {
    Keyring::open(entities(graph), secret)
}

fn entities(graph: &Graph) -> impl Iterator<Item = &Entity> {
    graph.of_kind(Kind::SigningKey, None).map(|node| node.entity())
}

fn keys(graph: &Graph) -> impl Iterator<Item = Key> {
    entities(graph).filter_map(Key::read)
}

/// The first key of an algorithm, made when something is signed for the first time. Whoever comes second finds it there.
pub fn first(tx: &mut Transaction<'_>, new: &NewKey) -> Result<(), Error> {
    let there = |key: Key| key.is_active() && key.algorithm == new.algorithm;
    if keys(tx.graph()).any(there) {
        return Ok(());
    }
    Ok(tx.create(new.id, Kind::SigningKey, new.fields.clone(), Kept::default())?)
}

/// Who may look after the keys. They sign for every organization, so nobody who is bound to one.
pub fn may_manage(who: &Who) -> Result<(), Denied> {
    who.require_unbound(Permission::TokenManage)
}

/// The new key signs from now on. The one before it forgets its private half, and none before it is believed for longer than until
/// `ends_at`; those that have ended go.
pub fn rotate(tx: &mut Transaction<'_>, who: &Who, new: &NewKey, ends_at: Time) -> Result<(), Error> {
    may_manage(who)?;
    let now = tx.now();
    let before: Vec<Key> = keys(tx.graph()).collect();
    for key in before {
        if key.ends_at.is_some_and(|end| end <= now) {
            tx.remove(key.id)?;
        } else if key.algorithm == new.algorithm
            && key.ends_at.is_none_or(|end| end > ends_at)
            && let Some(node) = tx.graph().find(key.id)
        {
            let fields = match key.is_active() {
                true => retired(node.fields(), now, ends_at),
                false => ending(node.fields(), ends_at),
            };
            tx.update(key.id, fields)?;
        }
    }
    tx.create(new.id, Kind::SigningKey, new.fields.clone(), Kept::default())?;
    Ok(())
}

/// Whether a new key would lie open beside ones that are sealed: this process was not given the secret they were sealed with.
pub fn would_lie_open(graph: &Graph, secret: Option<&Secret>) -> bool {
    secret.is_none() && keys(graph).any(|key| key.sealed)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::graph::Violation;
    use crate::model::Clock;
    use crate::signing::{Algorithm, generate};

    /// Keys are made and replaced; after each step those there are, the first to sign: `1`, `2-` retired.
    #[test]
    fn one_signs_and_those_before_it_are_believed_until_they_end() {
        let clock = Clock::frozen(Time(1000));
        let mut graph = Graph::new();
        let pair = generate(Algorithm::EdDsa).unwrap();
        let mut revision = 0;
        let mut step = |at: i64, id: u128, rotates: Option<i64>| {
            clock.set(Time(at));
            revision += 1;
            let new = NewKey::new(Uuid::from_u128(id), &pair, None).unwrap();
            let mut tx = Transaction::new(&mut graph, revision, Time(at), &clock);
            match rotates {
                None => first(&mut tx, &new).unwrap(),
                Some(ends_at) => rotate(&mut tx, &Who::server(), &new, Time(ends_at)).unwrap(),
            }
            tx.finish()
                .map_err(|violation: Violation| violation.to_string())
                .unwrap();
            let told = |key: &Key| format!("{}{}", key.id.as_u128(), if key.is_active() { "" } else { "-" });
            let order: Vec<String> = ring(&graph, None).keys().iter().map(told).collect();
            (order.join(" "), super::revision(&graph))
        };
        assert_eq!(step(1000, 1, None), ("1".to_owned(), 1));
        // Somebody was first.
        assert_eq!(step(1000, 2, None), ("1".to_owned(), 1));
        assert_eq!(step(2000, 3, Some(5000)), ("3 1-".to_owned(), 3));
        assert_eq!(step(4000, 4, Some(9000)), ("4 3- 1-".to_owned(), 4));
        assert_eq!(step(5000, 5, Some(9000)), ("5 4- 3-".to_owned(), 5));
        assert_eq!(step(9000, 6, Some(20_000)), ("6 5-".to_owned(), 6));
        // The one that was replaced before ends with the one that is now.
        assert_eq!(step(9500, 7, Some(9600)), ("7 6- 5-".to_owned(), 7));
        assert_eq!(step(9600, 8, Some(30_000)), ("8 7-".to_owned(), 8));
    }

    #[test]
    fn only_who_gives_tokens_to_all_looks_after_keys() {
        let who = |permission: &str, organization: Option<Uuid>| Who {
            organization,
            permissions: crate::access::Permissions::parse(permission).unwrap(),
            ..Who::server()
        };
        for (permission, organization, may) in [
            ("*.*", None, true),
            ("Token.manage", None, true),
            ("*.read", None, false),
            ("*.*", Some(Uuid::from_u128(1)), false),
        ] {
            let found = may_manage(&who(permission, organization)).is_ok();
            assert_eq!(found, may, "{permission} {organization:?}");
        }
    }
}
