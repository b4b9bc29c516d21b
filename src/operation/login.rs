//! Login: a user name and a password become a token that lasts an hour (`graph-api.md` 2.7 and 3.2). The slow comparison
//! of the password is made with what a snapshot had, before the transaction that gives the token; a password changed in between is
//! noticed there.

use std::sync::LazyLock;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordVerifier};
use uuid::Uuid;

use super::refusal::Fault;
use super::{Outcome, passwords};
use crate::access::{Permission, Who, token};
use crate::error::Error;
use crate::graph::{Graph, Node, Transaction, Violation};
use crate::model::schema::Hop;
use crate::model::{Kind, Rel, Time, Value, rel};

/// How long a token of a login lasts.
pub const SECONDS: u64 = 3600;

/// What a logged-in user may do beside reading what is their own: use their licenses.
const PERMISSIONS: [Permission; 1] = [Permission::LicenseConsume];

/// What the answer of a login says.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    pub login_name: String,
    pub token: String,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Session of {}", self.login_name)
    }
}

/// A login whose password was right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    login: Uuid,
    hash: String,
}

/// What an unknown user's password is compared with, so that it takes as long.
static NOBODY: LazyLock<String> = LazyLock::new(|| {
    let hashed = passwords::hash_one("nobody has this password");
    hashed.map(String::from).unwrap_or_default()
});

/// What a graph knows of a user's password, so that no graph is held while one is compared with it.
pub struct Stored(Option<(Uuid, String)>);

impl Stored {
    pub fn of(graph: &Graph, user_name: &str) -> Self {
        let login = find(graph, user_name);
        Self(login.and_then(|login| Some((login.id, hash_of(&login)?.to_owned()))))
    }

    /// Compares the password, which is slow on purpose: not on a thread others wait for. An unknown user and a wrong password
    /// are told in the same way, after the same time.
    pub fn verify(self, password: &str) -> Result<Verified, Fault> {
        let stored = self.0.as_ref().map_or(NOBODY.as_str(), |(_, hash)| hash);
        let parsed = PasswordHash::new(stored).map_err(|_| Fault::InvalidCredentials)?;
        let is_right = Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
        let (login, hash) = self.0.filter(|_| is_right).ok_or(Fault::InvalidCredentials)?;
        Ok(Verified { login, hash })
    }
}

/// The profiles of whoever logged in, the oldest first.
pub fn profiles<'g>(graph: &'g Graph, verified: &Verified) -> impl Iterator<Item = Node<'g>> + use<'g> {
    let login = graph
        .find(verified.login)
        .filter(|login| hash_of(login) == Some(&verified.hash));
    let person = login.and_then(|login| login.parent(rel::LOGINS));
    let profiles = person.map(|person| person.hop(Hop::forward(rel::PROFILES), None));
    profiles.into_iter().flatten().map(|(profile, _)| profile)
}

fn find<'g>(graph: &'g Graph, user_name: &str) -> Option<Node<'g>> {
    let field = Kind::EmailAndPassword.field("userName")?;
    let value = Value::text(user_name);
    graph.by_value(Kind::EmailAndPassword, field, &value, None).next()
}

fn hash_of<'g>(login: &Node<'g>) -> Option<&'g str> {
    let field = Kind::EmailAndPassword.field("passwordHash")?;
    login.entity().fields().get(field)?.as_text()
}

/// The profiles that come in by a login, or by those of a person.
pub(super) fn users(node: Node<'_>) -> Vec<Uuid> {
    let person = match node.kind {
        Kind::Person => Some(node),
        Kind::EmailAndPassword => node.parent(rel::LOGINS),
        _ => None,
    };
    let profiles = person.map(|person| person.hop(Hop::forward(rel::PROFILES), None));
    profiles.into_iter().flatten().map(|(profile, _)| profile.id).collect()
}

/// Whoever came in by a password that is replaced, or by a login that goes, is out.
pub(super) fn out(tx: &mut Transaction<'_>, who: &Who, users: &[Uuid]) -> Result<(), Violation> {
    users.iter().try_for_each(|profile| token::log_out(tx, who, *profile))
}

/// A user has left its person: no later change of the password it came in by would find it.
pub(super) fn left(tx: &mut Transaction<'_>, who: &Who, rel: Rel, user: Uuid) -> Result<(), Violation> {
    match rel == rel::PROFILES {
        true => token::log_out(tx, who, user),
        false => Ok(()),
    }
}

/// Gives the token. Those of the same user that have ended are swept away in passing.
pub fn enter(tx: &mut Transaction<'_>, verified: &Verified) -> Result<Outcome, Error> {
    let login = tx.graph().find(verified.login).ok_or(Fault::InvalidCredentials)?;
    if hash_of(&login) != Some(&verified.hash) {
        return Err(Fault::InvalidCredentials.into());
    }
    let user_name = Kind::EmailAndPassword
        .field("userName")
        .and_then(|field| login.fields().get(field));
    let login_name = user_name.and_then(Value::as_text).unwrap_or_default().to_owned();
    let now = tx.now();
    let person = login.parent(rel::LOGINS).ok_or(Fault::InvalidCredentials)?;
    // A person may have several profiles; the oldest that is valid is meant.
    let mut profiles = person.hop(Hop::forward(rel::PROFILES), None).map(|(node, _)| node);
    let profile = profiles.find(|profile| token::valid(profile, now));
    let profile = profile.ok_or(Fault::InvalidCredentials)?.id;
    let expires = Time(now.0.saturating_add(SECONDS as i64 * 1000));
    let token = token::of_login(tx, profile, &PERMISSIONS, expires)?;
    Ok(Outcome {
        session: Some(Session { login_name, token }),
        ..Outcome::of(vec![profile])
    })
}
