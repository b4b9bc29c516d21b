//! Bearer tokens: `sg_ID.SECRET`. They are entities of an internal kind, so they are committed and replayed like all else,
//! and only a hash of the text is kept: 256 random bits need no slow hash. Declines to keep sessions or refresh tokens.

use std::cell::RefCell;
use std::ops::Bound;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::{Action, Denied, Permission, PermissionError, Permissions, View, Who, policy};
use crate::graph::{Graph, Kept, Node, Transaction, Violation};
use crate::model::{Clock, Entity, Fields, Kind, Principal, Serial, Time, Value};

// Places in the schema's list, held by `fields_are_where_the_schema_has_them`.
const NAME: u8 = 0;
const SECRET_HASH: u8 = 1;
const PERMISSIONS: u8 = 2;
const PROFILE: u8 = 3;
const ORGANIZATION: u8 = 4;
const EXPIRES: u8 = 5;

/// Longer than any token: hashing must not cost what a hostile header weighs.
const LONGEST: usize = 1024;
/// Characters of a name, which lists tell.
const NAME_CHARS: usize = 255;

/// `SEATGRAPH_ADMIN_TOKEN`, kept as its hash.
#[derive(Clone)]
pub struct AdminToken {
    hash: [u8; 32],
}

impl AdminToken {
    /// What commits remember as the token of the administrator, which is no entity.
    pub const ID: Uuid = Uuid::nil();

    /// `None` unless it is 32 to 1024 visible ASCII characters.
    pub fn new(text: &str) -> Option<Self> {
        let fits = (32..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self { hash: hash(text) })
    }
}

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("AdminToken")
    }
}

/// Why a token lets nobody in. What an unknown id and a wrong secret answer is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    #[error("the token is not valid")]
    Invalid,
    #[error("the token has expired")]
    Expired,
    #[error("the profile or organization of the token is gone or not valid now")]
    Orphaned,
}

impl AuthError {
    /// Stable: clients read them. Only who knew the secret hears that its token has ended.
    pub fn code(self) -> &'static str {
        match self {
            Self::Invalid | Self::Orphaned => "invalidToken",
            Self::Expired => "tokenExpired",
        }
    }

    pub fn help(self) -> &'static str {
        match self {
            Self::Invalid => {
                "send `Authorization: Bearer TOKEN` with a token made by `seatgraph token create` or `POST /tokens`"
            }
            Self::Expired => "make another one by `seatgraph token create` or `POST /tokens`, or log in again",
            Self::Orphaned => "make a token for a profile and an organization that are there and valid",
        }
    }
}

/// The caller behind a bearer token. On every request, so: one hash, one look-up, nothing allocated.
pub fn authenticate(graph: &Graph, text: &str, admin: Option<&AdminToken>, now: Time) -> Result<Who, AuthError> {
    if text.len() > LONGEST {
        return Err(AuthError::Invalid);
    }
    let given = hash(text);
    if admin.is_some_and(|admin| same(&admin.hash, &given)) {
        return Ok(Who {
            principal: Principal {
                token: Some(AdminToken::ID),
                profile: None,
            },
            organization: None,
            permissions: Permissions::ALL,
        });
    }
    let token = id_of(text)
        .and_then(|id| graph.find(id))
        .filter(|node| node.kind == Kind::Token);
    let stored = token.and_then(|node| unhex(node.fields().get(SECRET_HASH)?.as_text()?));
    // An unknown id is compared too, with what no text hashes to: it takes as long as a wrong secret.
    let is_token = same(&stored.unwrap_or([0; 32]), &given) & stored.is_some();
    match token {
        Some(token) if is_token => who(graph, token, now, None),
        _ => Err(AuthError::Invalid),
    }
}

/// Whether the caller of a write that waited in the queue may still come in: its token was not revoked meanwhile.
pub fn still_valid(graph: &Graph, caller: &Who, now: Time) -> Result<(), AuthError> {
    goes_on(graph, caller, now, None)
}

/// The same in the middle of what the caller began, which has ended this profile: perhaps its own.
pub fn goes_on(graph: &Graph, caller: &Who, now: Time, ended: Option<Uuid>) -> Result<(), AuthError> {
    match caller.principal.token {
        Some(id) if id != AdminToken::ID => {
            let token = graph
                .find(id)
                .filter(|node| node.kind == Kind::Token)
                .ok_or(AuthError::Invalid)?;
            who(graph, token, now, ended).map(|_| ())
        }
        _ => Ok(()),
    }
}

/// A token whose secret was right.
fn who(graph: &Graph, token: Node<'_>, now: Time, ended: Option<Uuid>) -> Result<Who, AuthError> {
    let id = |field: u8| token.fields().get(field).and_then(Value::as_uuid);
    if token
        .fields()
        .get(EXPIRES)
        .and_then(Value::as_time)
        .is_some_and(|expires| expires <= now)
    {
        return Err(AuthError::Expired);
    }
    let there = |id: Uuid, kind: Kind| graph.find(id).filter(|node| node.kind == kind);
    if let Some(organization) = id(ORGANIZATION) {
        there(organization, Kind::Organization).ok_or(AuthError::Orphaned)?;
    }
    if let Some(profile) = id(PROFILE) {
        there(profile, Kind::Profile)
            .filter(|profile| ended == Some(profile.id) || valid(profile, now))
            .ok_or(AuthError::Orphaned)?;
    }
    Ok(Who {
        principal: Principal {
            token: Some(token.id),
            profile: id(PROFILE),
        },
        organization: id(ORGANIZATION),
        permissions: permissions(token.entity()),
    })
}

/// A token, and what its texts name.
type Read = (Entity, Permissions);

/// Tokens of which a thread remembers the permissions; each has one place.
const REMEMBERED: usize = 64;

thread_local! {
    /// What this thread read of tokens of late: the same object has the same texts, and a token that was changed has another.
    static READ: RefCell<[Option<Read>; REMEMBERED]> = const { RefCell::new([const { None }; REMEMBERED]) };
}

/// Those its texts name. What another version of the server granted and this one does not know is not held.
fn permissions(token: &Entity) -> Permissions {
    READ.with_borrow_mut(|read| {
        let place = &mut read[token.serial as usize % REMEMBERED];
        if let Some((known, permissions)) = place
            && known.is_same(token)
        {
            return *permissions;
        }
        let named = texts(token).filter_map(|text| Permissions::parse(text).ok());
        let permissions = named.fold(Permissions::NONE, Permissions::union);
        *place = Some((token.clone(), permissions));
        permissions
    })
}

/// May a profile come in now? By its own `validFrom` and `validUntil`; an end is the first instant that is outside.
pub fn valid(profile: &Entity, now: Time) -> bool {
    let time = |name: &str| profile.fields().get(profile.kind.field(name)?)?.as_time();
    time("validFrom").is_none_or(|from| from <= now) && time("validUntil").is_none_or(|until| now < until)
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// In constant time, a word at a time.
fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    let words =
        |bytes: &[u8; 32]| -> [u64; 4] { std::array::from_fn(|at| u64::from_le_bytes(bytes.as_chunks().0[at])) };
    words(one).ct_eq(&words(other)).into()
}

/// The id inside `sg_ID.SECRET`.
fn id_of(text: &str) -> Option<Uuid> {
    let (id, _) = text.strip_prefix("sg_")?.split_once('.')?;
    if id.len() == 32 { Uuid::try_parse(id).ok() } else { None }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits: &[u8; 64] = text.as_bytes().try_into().ok()?;
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// Permissions are kept as a JSON array of texts that need no escapes.
fn texts(token: &Entity) -> impl Iterator<Item = &str> {
    let array = token
        .fields()
        .get(PERMISSIONS)
        .and_then(Value::as_text)
        .unwrap_or_default();
    array.split('"').skip(1).step_by(2)
}

/// What is asked of a token to be made.
#[derive(Clone, Debug, Default)]
pub struct NewToken {
    pub name: Option<String>,
    pub permissions: Vec<String>,
    pub profile: Option<Uuid>,
    pub organization: Option<Uuid>,
    pub expires: Option<Time>,
}

/// What is told of a token that exists: all but its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    pub id: Uuid,
    pub serial: Serial,
    pub created: Time,
    pub name: Option<String>,
    pub permissions: Vec<String>,
    pub profile: Option<Uuid>,
    pub organization: Option<Uuid>,
    pub expires: Option<Time>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error(transparent)]
    Denied(#[from] Denied),
    /// `at`: which of those that were asked for.
    #[error("{cause}")]
    Permission { at: usize, cause: PermissionError },
    #[error("the permission `{text}` is not held by who would give it")]
    NotHeld { at: usize, text: String },
    /// A token with a profile reads all that is the profile's own, and one that consumes does so as the profile.
    #[error("a token of this profile may do what needs the permission `{0}`, which is not held by who would give it")]
    ProfileNotHeld(Permission),
    #[error("a token bound to an organization makes tokens bound to the same one only")]
    OtherOrganization,
    /// One that is hidden is answered like one that is missing.
    #[error("no `{}` has the id `{id}`", kind.name())]
    Dangling { kind: Kind, id: Uuid },
    #[error("`{0}` is in the past")]
    ExpiresInPast(Time),
    #[error("the name is longer than {NAME_CHARS} characters, or has control characters")]
    Name,
    #[error("the name `{0}` is of tokens that the server makes")]
    ServersName(String),
    #[error("no token has the id `{0}`")]
    NotFound(Uuid),
    #[error(transparent)]
    Violation(#[from] Violation),
}

/// Makes a token and gives its id and its text, which is told only once. It is called as nothing that ends with a password or with a
/// session is.
pub fn create(tx: &mut Transaction<'_>, who: &Who, new: &NewToken) -> Result<(Uuid, String), TokenError> {
    if let Some(name) = new
        .name
        .as_ref()
        .filter(|name| [LOGIN, SESSION].contains(&name.as_str()))
    {
        who.require(Permission::TokenManage)?;
        return Err(TokenError::ServersName(name.clone()));
    }
    given(tx, who, new)
}

/// The same, under a name that is the server's to give, too.
pub fn given(tx: &mut Transaction<'_>, who: &Who, new: &NewToken) -> Result<(Uuid, String), TokenError> {
    who.require(Permission::TokenManage)?;
    let fits = |name: &str| name.chars().count() <= NAME_CHARS && !name.contains(char::is_control);
    if !new.name.as_deref().is_none_or(fits) {
        return Err(TokenError::Name);
    }
    for (at, text) in new.permissions.iter().enumerate() {
        let asked = Permissions::parse(text).map_err(|cause| TokenError::Permission { at, cause })?;
        if !who.permissions.contains(&asked) {
            return Err(TokenError::NotHeld { at, text: text.clone() });
        }
    }
    let organization = match (who.organization, new.organization) {
        (Some(bound), Some(other)) if bound != other => return Err(TokenError::OtherOrganization),
        (bound, asked) => asked.or(bound),
    };
    if let Some(expires) = new.expires.filter(|expires| *expires <= tx.now()) {
        return Err(TokenError::ExpiresInPast(expires));
    }
    let view = View::new(tx.graph(), who);
    let missing = |kind: Kind, id: Uuid| view.find(id).is_none_or(|node| node.kind != kind);
    // Who asks for a token of its own profile holds already what comes with it.
    if let Some(id) = new.profile.filter(|id| who.principal.profile != Some(*id)) {
        if missing(Kind::Profile, id) {
            return Err(TokenError::Dangling {
                kind: Kind::Profile,
                id,
            });
        }
        let reads = |kind: &Kind| who.permissions.contains_one(Permission::Kind(*kind, Action::Read));
        if let Some(kind) = Kind::public().find(|kind| policy::is_personal(*kind) && !reads(kind)) {
            return Err(TokenError::ProfileNotHeld(Permission::Kind(kind, Action::Read)));
        }
        let consumes =
            |text: &String| Permissions::parse(text).is_ok_and(|asked| asked.contains_one(Permission::LicenseConsume));
        if new.permissions.iter().any(consumes) && !who.permissions.contains_one(Permission::LicenseImpersonate) {
            return Err(TokenError::ProfileNotHeld(Permission::LicenseImpersonate));
        }
    }
    // A bound creator's own organization needs no permission to read it.
    if let Some(id) = organization.filter(|id| who.organization != Some(*id) && missing(Kind::Organization, *id)) {
        return Err(TokenError::Dangling {
            kind: Kind::Organization,
            id,
        });
    }
    let new = NewToken {
        organization,
        ..new.clone()
    };
    Ok(make(tx, &new)?)
}

/// What is asked for was found to be allowed.
fn make(tx: &mut Transaction<'_>, new: &NewToken) -> Result<(Uuid, String), Violation> {
    let id = tx.new_id();
    let text = format!("sg_{}.{}", id.simple(), hex(&Clock::secret()));
    let fields: Fields = [
        new.name.as_deref().map(|name| (NAME, Value::text(name))),
        Some((SECRET_HASH, Value::text(&hex(&hash(&text))))),
        Some((PERMISSIONS, Value::text(&array(&new.permissions)))),
        new.profile.map(|id| (PROFILE, Value::Uuid(id))),
        new.organization.map(|id| (ORGANIZATION, Value::Uuid(id))),
        new.expires.map(|at| (EXPIRES, Value::Time(at))),
    ]
    .into_iter()
    .flatten()
    .collect();
    tx.create(id, Kind::Token, fields, Kept::default())?;
    Ok((id, text))
}

/// How tokens of logins and of sessions are called, and no others: by that they are known. How many that have ended are swept away at
/// once.
const LOGIN: &str = "login";
pub const SESSION: &str = "session";
const SWEPT: usize = 16;

/// Removes tokens of that name that were a profile's and have ended, a few at a time. Others of the profile may stand before
/// them, so that more are looked at than go.
pub fn sweep(tx: &mut Transaction<'_>, profile: Uuid, name: &str) -> Result<(), Violation> {
    const LOOKED_AT: usize = 1_000;
    let now = tx.now();
    let has_ended = |token: &Node<'_>| {
        token.fields().get(NAME).and_then(Value::as_text) == Some(name)
            && token
                .fields()
                .get(EXPIRES)
                .and_then(Value::as_time)
                .is_some_and(|at| at <= now)
    };
    let ended: Vec<Uuid> = tx
        .graph()
        .by_value(Kind::Token, PROFILE, &Value::Uuid(profile), None)
        .take(LOOKED_AT)
        .filter(has_ended)
        .take(SWEPT)
        .map(|token| token.id)
        .collect();
    for token in ended {
        tx.remove(token)?;
    }
    Ok(())
}

/// The token of a user who proved to be one. Nobody gives it, so nobody has to hold what it may.
pub fn of_login(
    tx: &mut Transaction<'_>,
    profile: Uuid,
    permissions: &[Permission],
    expires: Time,
) -> Result<String, Violation> {
    sweep(tx, profile, LOGIN)?;
    let new = NewToken {
        name: Some(LOGIN.to_owned()),
        permissions: permissions.iter().map(Permission::to_string).collect(),
        profile: Some(profile),
        organization: None,
        expires: Some(expires),
    };
    Ok(make(tx, &new)?.1)
}

/// Ends the tokens that logins of a profile made, but for the one that asks for it.
pub fn log_out(tx: &mut Transaction<'_>, who: &Who, profile: Uuid) -> Result<(), Violation> {
    let is_of_login = |token: &Node<'_>| token.fields().get(NAME).and_then(Value::as_text) == Some(LOGIN);
    let tokens = tx.graph().by_value(Kind::Token, PROFILE, &Value::Uuid(profile), None);
    let tokens = tokens.filter(is_of_login).map(|token| token.id);
    let tokens: Vec<Uuid> = tokens.filter(|id| who.principal.token != Some(*id)).collect();
    for token in tokens {
        tx.remove(token)?;
    }
    Ok(())
}

/// How long a token that has ended is kept: a list tells when it did, and whoever sends it hears that it has.
const KEPT_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// Those that ended longer ago than that, the first to end first.
fn forgotten(graph: &Graph, now: Time) -> impl Iterator<Item = Node<'_>> {
    let until = Value::Time(Time(now.millis().saturating_sub(KEPT_MS)));
    graph.in_range(Kind::Token, EXPIRES, Bound::Unbounded, Bound::Included(&until))
}

/// Is there a token for `tidy` to remove?
pub fn is_untidy(graph: &Graph, now: Time) -> bool {
    forgotten(graph, now).next().is_some()
}

/// Removes tokens that ended long ago, at most so many.
pub fn tidy(tx: &mut Transaction<'_>, most: usize) -> Result<(), Violation> {
    let forgotten: Vec<Uuid> = forgotten(tx.graph(), tx.now())
        .take(most)
        .map(|token| token.id)
        .collect();
    forgotten.into_iter().try_for_each(|token| tx.remove(token).map(drop))
}

/// As they were given, so that `*.*` stays what it says when kinds are added; each once.
fn array(permissions: &[String]) -> String {
    let mut once: Vec<&str> = Vec::new();
    for text in permissions {
        if !once.contains(&text.as_str()) {
            once.push(text);
        }
    }
    format!(
        "[{}]",
        once.iter()
            .map(|text| format!("\"{text}\""))
            .collect::<Vec<_>>()
            .join(",")
    )
}

/// Those the caller manages, in order of creation: all, or those of the organization it is bound to; if a profile is given, its own.
pub fn list<'g>(
    graph: &'g Graph,
    who: &Who,
    profile: Option<Uuid>,
    after: Option<Serial>,
) -> Result<impl Iterator<Item = TokenInfo> + use<'g>, Denied> {
    who.require(Permission::TokenManage)?;
    let bound = who.organization;
    let by = |field: u8, id: Uuid| graph.by_value(Kind::Token, field, &Value::Uuid(id), after);
    let listed: Box<dyn Iterator<Item = Node<'g>> + 'g> = match (profile, bound) {
        (Some(profile), _) => Box::new(by(PROFILE, profile)),
        (None, Some(bound)) => Box::new(by(ORGANIZATION, bound)),
        (None, None) => Box::new(graph.of_kind(Kind::Token, after)),
    };
    let managed = listed.filter(move |token| bound.is_none() || bound_to(token) == bound);
    Ok(managed.map(|token| info(token.entity())))
}

/// The organization a token is bound to.
pub fn bound_to(token: &Entity) -> Option<Uuid> {
    token.fields().get(ORGANIZATION).and_then(Value::as_uuid)
}

/// The same of one, if it is a token.
pub fn told(node: Node<'_>) -> Option<TokenInfo> {
    (node.kind == Kind::Token).then(|| info(node.entity()))
}

fn info(token: &Entity) -> TokenInfo {
    let id = |field: u8| token.fields().get(field).and_then(Value::as_uuid);
    TokenInfo {
        id: token.id,
        serial: token.serial,
        created: token.created,
        name: token.fields().get(NAME).and_then(Value::as_text).map(str::to_owned),
        permissions: texts(token).map(str::to_owned).collect(),
        profile: id(PROFILE),
        organization: id(ORGANIZATION),
        expires: token.fields().get(EXPIRES).and_then(Value::as_time),
    }
}

/// Ends a token. One that is another organization's is answered like one that does not exist. Whoever has a token may give it up.
pub fn revoke(tx: &mut Transaction<'_>, who: &Who, id: Uuid) -> Result<(), TokenError> {
    if who.principal.token != Some(id) {
        who.require(Permission::TokenManage)?;
    }
    let token = tx
        .graph()
        .find(id)
        .filter(|node| node.kind == Kind::Token)
        .ok_or(TokenError::NotFound(id))?;
    let organization = token.fields().get(ORGANIZATION).and_then(Value::as_uuid);
    if who.organization.is_some() && who.organization != organization {
        return Err(TokenError::NotFound(id));
    }
    Ok(tx.remove(id)?)
}

/// Ends the tokens of a profile or organization that goes: ids are chosen by clients, and a new entity with an old id
/// must not wake them.
pub fn revoke_of(tx: &mut Transaction<'_>, kind: Kind, id: Uuid) -> Result<usize, Violation> {
    let field = match kind {
        Kind::Profile => PROFILE,
        Kind::Organization => ORGANIZATION,
        _ => return Ok(0),
    };
    let tokens: Vec<Uuid> = tx
        .graph()
        .by_value(Kind::Token, field, &Value::Uuid(id), None)
        .map(|token| token.id)
        .collect();
    for token in &tokens {
        tx.remove(*token)?;
    }
    Ok(tokens.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Header;

    #[test]
    fn fields_are_where_the_schema_has_them() {
        for (index, name) in [
            (NAME, "name"),
            (SECRET_HASH, "secretHash"),
            (PERMISSIONS, "permissions"),
            (PROFILE, "profileId"),
            (ORGANIZATION, "organizationId"),
            (EXPIRES, "expiresAt"),
        ] {
            assert_eq!(Kind::Token.field(name), Some(index), "{name}");
        }
    }

    /// Tokens that share a place, and one that was changed, in turn.
    #[test]
    fn what_is_remembered_is_of_that_very_token() {
        let token = |serial: Serial, text: &str| {
            Entity::new(
                Header {
                    id: Uuid::from_u128(u128::from(serial)),
                    serial,
                    revision: 1,
                    created: Time(1),
                    updated: Time(1),
                    kind: Kind::Token,
                },
                [(PERMISSIONS, Value::text(&format!("[\"{text}\"]")))]
                    .into_iter()
                    .collect(),
            )
        };
        let tokens = [
            (token(1, "License.read"), "License.read"),
            (token(1 + REMEMBERED as Serial, "Profile.*"), "Profile.*"),
            (token(1, "*.*"), "*.*"),
        ];
        for turn in [0, 0, 1, 2, 2, 0, 1] {
            let (token, text) = &tokens[turn];
            assert_eq!(permissions(token), Permissions::parse(text).unwrap(), "{text}");
        }
    }

    #[test]
    fn an_id_is_read_from_its_own_form_only() {
        let id = "0123456789abcdef0123456789abcdef";
        for (text, found) in [
            (format!("sg_{id}.secret"), true),
            (format!("sg_{id}"), false),
            (format!("{id}.secret"), false),
            (format!("sg_{id}0.secret"), false),
            (
                format!("sg_{}.secret", Uuid::parse_str(id).unwrap().hyphenated()),
                false,
            ),
            ("sg_.".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(id_of(&text).is_some(), found, "{text}");
        }
    }

    #[test]
    fn hex_is_read_back() {
        let bytes = hash("anything");
        assert_eq!(unhex(&hex(&bytes)), Some(bytes));
        for text in ["", "00", &"zz".repeat(32), &"0".repeat(65)] {
            assert_eq!(unhex(text), None, "{text}");
        }
    }

    #[test]
    fn an_admin_token_is_long_and_visible() {
        for (text, fits) in [
            ("x".repeat(32), true),
            ("x".repeat(31), false),
            ("x".repeat(1025), false),
            (format!("{} {}", "x".repeat(20), "x".repeat(20)), false),
            ("é".repeat(32), false),
        ] {
            assert_eq!(AdminToken::new(&text).is_some(), fits, "{text}");
        }
    }
}
