//! What an entry speaks of: found by its foreign id, or made by the generic write, which knows every rule of it. An id that
//! is a UUID becomes the entity's own, any other its alias; so `foreign` finds it again.

use compact_str::CompactString;
use uuid::Uuid;

use super::Why;
use crate::access::Who;
use crate::entitlement::{homes, ruled, select};
use crate::graph::{Graph, Node, Transaction};
use crate::model::schema::{self, Hop, place};
use crate::model::{Field, Kind, RelationType, Time, Value, rel};
use crate::operation::crud;
use crate::operation::foreign::{self, Named};
use crate::operation::input::{FieldInput, ImportLine, ObjectInput, ReferenceInput, RelationInput};
use crate::operation::users;

const ALIAS: u8 = place(Kind::Profile, "alias");
const GROUP_NAME: u8 = place(Kind::ProfileGroup, "name");
const GROUP_ALIAS: u8 = place(Kind::ProfileGroup, "alias");
const USER_NAME: u8 = place(Kind::EmailAndPassword, "userName");
const DISPLAY: u8 = place(Kind::Profile, "displayName");
/// Users of a list are in it, or they would be nobody's.
const USERS: &str = "Users";

pub(super) fn write(tx: &mut Transaction<'_>, who: &Who, line: ImportLine) -> Result<(), Why> {
    crud::import(tx, who, &[line]).map_err(|failed| failed.error)?;
    Ok(())
}

pub(super) fn object(kind: Kind, id: Uuid, fields: &[(&str, Value)], parents: &[(Kind, Uuid)]) -> ImportLine {
    let fields = fields.iter().filter_map(|(name, value)| {
        let field = kind.resolve(name)?;
        let value = Some(value.clone());
        Some(FieldInput { field, value })
    });
    let references = parents.iter().filter_map(|(parent, id)| {
        let rel = schema::find_relation(RelationType::OneToMany, *parent, kind)?;
        let parent = Some(*id);
        Some(ReferenceInput {
            rel,
            parent,
            entry: None,
        })
    });
    ImportLine::Object(ObjectInput {
        kind,
        id: Some(id),
        fields: fields.collect(),
        references: references.collect(),
        related: Vec::new(),
        at: CompactString::default(),
    })
}

/// A new entity that is known by a foreign id from now on.
pub(super) fn foreign_object(
    tx: &mut Transaction<'_>,
    who: &Who,
    kind: Kind,
    text: &str,
    fields: &[(&str, Value)],
    parents: &[(Kind, Uuid)],
) -> Result<Uuid, Why> {
    let id = Uuid::try_parse(text).ok();
    let alias = id.is_none().then(|| ("alias", Value::text(text)));
    let fields: Vec<_> = fields.iter().cloned().chain(alias).collect();
    let id = id.unwrap_or_else(|| tx.new_id());
    write(tx, who, object(kind, id, &fields, parents))?;
    Ok(id)
}

pub(super) fn organization(tx: &mut Transaction<'_>, who: &Who, text: &str) -> Result<Uuid, Why> {
    if let Some(found) = foreign::find(tx.graph(), Kind::Organization, text, |_| true) {
        return Ok(found.id);
    }
    if foreign::is_name(tx.graph(), text, |_| true) {
        return Err(Why::SeveralOrganizations(text.to_owned()));
    }
    foreign_object(tx, who, Kind::Organization, text, &[("name", Value::text(text))], &[])
}

pub(super) fn group(tx: &mut Transaction<'_>, who: &Who, owner: Uuid, text: &str, name: &str) -> Result<Uuid, Why> {
    let of_it = |group: Node<'_>| group.parent(rel::GROUPS).is_some_and(|parent| parent.id == owner);
    if let Some(found) = foreign::find(tx.graph(), Kind::ProfileGroup, text, of_it) {
        return Ok(found.id);
    }
    let fields = [("name", Value::text(name))];
    foreign_object(
        tx,
        who,
        Kind::ProfileGroup,
        text,
        &fields,
        &[(Kind::Organization, owner)],
    )
}

/// The same for a group that others may call otherwise: one of that name which has no alias yet is meant too. By its
/// name alone it is known where the alias is another's.
pub(super) fn named_group(
    tx: &mut Transaction<'_>,
    who: &Who,
    owner: Uuid,
    text: &str,
    name: &str,
) -> Result<Uuid, Why> {
    let of_it = |group: Node<'_>| group.parent(rel::GROUPS).is_some_and(|parent| parent.id == owner);
    let is_free = |group: Node<'_>| of_it(group) && foreign::id(group) == group.id.to_string();
    if let Some(known) = foreign::find(tx.graph(), Kind::ProfileGroup, text, of_it) {
        return Ok(known.id);
    }
    let is_others = is_there(tx.graph(), Kind::ProfileGroup, GROUP_ALIAS, text);
    let free = foreign::find(tx.graph(), Kind::ProfileGroup, name, is_free).map(|group| group.id);
    let is_new = is_others && !is_called(tx.graph(), owner, name);
    match (free, is_others) {
        // Refused where the alias is another's: of several of that name none is meant.
        (None, _) if !is_new => group(tx, who, owner, text, name),
        (None, _) => {
            let (id, fields) = (tx.new_id(), [("name", Value::text(name))]);
            let parents = [(Kind::Organization, owner)];
            write(tx, who, object(Kind::ProfileGroup, id, &fields, &parents))?;
            Ok(id)
        }
        (Some(group), false) => {
            let alias = [("alias", Value::text(text))];
            write(tx, who, object(Kind::ProfileGroup, group, &alias, &[]))?;
            Ok(group)
        }
        (Some(group), true) => Ok(group),
    }
}

/// Has the organization a group of that name?
fn is_called(graph: &Graph, owner: Uuid, name: &str) -> bool {
    let mut all = graph.by_value(Kind::ProfileGroup, GROUP_NAME, &Value::text(name), None);
    all.any(|group| group.parent(rel::GROUPS).is_some_and(|parent| parent.id == owner))
}

/// Has anything on the server that value already?
fn is_there(graph: &Graph, kind: Kind, field: u8, text: &str) -> bool {
    graph.by_value(kind, field, &Value::text(text), None).next().is_some()
}

pub(super) fn member(tx: &mut Transaction<'_>, who: &Who, user: Uuid, group: Uuid) -> Result<(), Why> {
    let ends = tx.graph().find(user).zip(tx.graph().find(group));
    if ends.is_some_and(|(user, group)| user.relation(Hop::forward(rel::MEMBERSHIP), group).is_some()) {
        return Ok(());
    }
    let relation = RelationInput {
        rel: rel::MEMBERSHIP,
        from: user,
        to: group,
        fields: Vec::new(),
        at: CompactString::default(),
    };
    write(tx, who, ImportLine::Relation(relation))
}

/// In a group of the organization afterwards.
pub(super) fn user(tx: &mut Transaction<'_>, who: &Who, owner: Uuid, text: &str, named: &Named) -> Result<Uuid, Why> {
    let user = match known_user(tx, who, owner, text, named)? {
        Some((user, has_alias)) => {
            if !has_alias {
                let id = Uuid::try_parse(text).map(|id| id.to_string());
                let alias = [("alias", Value::text(id.as_deref().unwrap_or(text)))];
                write(tx, who, object(Kind::Profile, user, &alias, &[]))?;
            }
            user
        }
        None => new_user(tx, who, text)?,
    };
    complete(tx, who, user, named)?;
    among_users(tx, who, owner, user)?;
    Ok(user)
}

fn is_of(user: Node<'_>, owner: Uuid) -> bool {
    user.graph()
        .find(owner)
        .is_some_and(|owner| users::is_member(owner, user))
}

/// Among the organization's users, then among nobody's: what another organization calls its own is not meant.
fn find_user<'g>(graph: &'g Graph, who: &Who, owner: Uuid, text: &str) -> Option<Node<'g>> {
    let owner = graph.find(owner)?;
    let found = users::find(owner, text, |user| users::standing(owner, who, user, || false));
    found.ok().flatten()
}

fn among_users(tx: &mut Transaction<'_>, who: &Who, owner: Uuid, user: Uuid) -> Result<(), Why> {
    if tx.graph().find(user).is_some_and(|user| is_of(user, owner)) {
        return Ok(());
    }
    let group = users_group(tx, who, owner)?;
    member(tx, who, user, group)
}

/// The same where users have no ids but their logins and addresses.
pub(super) fn person(tx: &mut Transaction<'_>, who: &Who, owner: Uuid, named: &Named) -> Result<Uuid, Why> {
    let texts = || [named.login.as_deref(), named.email.as_deref()].into_iter().flatten();
    let found = texts().find_map(|text| find_user(tx.graph(), who, owner, text));
    let others = others_login(tx.graph(), named).filter(|_| found.is_none() && named.email.is_none());
    let found = found.or_else(|| shown_user(tx.graph(), owner, others?));
    // What is shown is then all by which the next list finds it.
    let named = &match others {
        Some(login) => Named {
            display: Some(login.to_owned()),
            ..named.clone()
        },
        None => named.clone(),
    };
    let has_person = found.is_some_and(|user| user.parent(rel::PROFILES).is_some());
    let user = found.map_or_else(|| tx.new_id(), |user| user.id);
    if !has_person {
        let person = tx.new_id();
        write(tx, who, object(Kind::Person, person, &[], &[]))?;
        write(tx, who, object(Kind::Profile, user, &[], &[(Kind::Person, person)]))?;
    }
    complete(tx, who, user, named)?;
    among_users(tx, who, owner, user)?;
    Ok(user)
}

/// A login is one person's on the whole server.
fn others_login<'n>(graph: &Graph, named: &'n Named) -> Option<&'n str> {
    let login = named.login.as_deref();
    login.filter(|login| is_there(graph, Kind::EmailAndPassword, USER_NAME, login))
}

/// Who has neither a login nor an address, and is called by the login it had elsewhere.
fn shown_user<'g>(graph: &'g Graph, owner: Uuid, login: &str) -> Option<Node<'g>> {
    let is_nameless = |user: Node<'g>| {
        let known = foreign::named(user);
        known.login.is_none() && known.email.is_none()
    };
    let has_no_alias = |user: &Node<'g>| foreign::id(*user) == user.id.to_string();
    let all = graph.by_value(Kind::Profile, DISPLAY, &Value::text(login), None);
    let mut meant = all.filter(|user| is_of(*user, owner) && is_nameless(*user) && has_no_alias(user));
    // Of several none is.
    meant.next().filter(|_| meant.next().is_none())
}

/// By its id; else by its login or address, and then it must have no other alias. Gives whether it has its own already.
fn known_user(
    tx: &Transaction<'_>,
    who: &Who,
    owner: Uuid,
    text: &str,
    named: &Named,
) -> Result<Option<(Uuid, bool)>, Why> {
    let find = |text: &str| find_user(tx.graph(), who, owner, text);
    if let Some(found) = find(text) {
        return Ok(Some((found.id, true)));
    }
    // An id is one entity's, wherever that is.
    let is_it = |user: Node<'_>| foreign::is_key(user, text);
    if foreign::find(tx.graph(), Kind::Profile, text, is_it).is_some() {
        return Err(Why::OthersUser(text.to_owned()));
    }
    let texts = [named.login.as_deref(), named.email.as_deref()];
    let Some(found) = texts.into_iter().flatten().find_map(find) else {
        return Ok(None);
    };
    let is = foreign::id(found);
    let has_alias = found.fields().get(ALIAS).is_some();
    if has_alias {
        let user = text.to_owned();
        return Err(Why::OtherAlias { user, is });
    }
    Ok(Some((found.id, false)))
}

fn new_user(tx: &mut Transaction<'_>, who: &Who, text: &str) -> Result<Uuid, Why> {
    let person = tx.new_id();
    write(tx, who, object(Kind::Person, person, &[], &[]))?;
    // Also where the id is its own: so it is told from who was here before.
    let own = Uuid::try_parse(text).ok();
    let alias = own.map(|id| ("alias", Value::text(&id.to_string())));
    foreign_object(
        tx,
        who,
        Kind::Profile,
        text,
        alias.as_slice(),
        &[(Kind::Person, person)],
    )
}

/// What is not known of a user yet. A list of members may tell of an id alone, which another list completes. A login
/// that another person has here is no more than a name to show.
fn complete(tx: &mut Transaction<'_>, who: &Who, user: Uuid, named: &Named) -> Result<(), Why> {
    let Some(profile) = tx.graph().find(user) else {
        return Ok(());
    };
    let known = foreign::named(profile);
    let person = profile.parent(rel::PROFILES).map(|person| person.id);
    let missing = |known: &Option<String>, told: &Option<String>| {
        let told = told.as_deref().filter(|_| known.is_none());
        told.map(Value::text)
    };
    let others = others_login(tx.graph(), named).filter(|_| known.login.is_none());
    let shown = named.display.clone().or_else(|| others.map(str::to_owned));
    if let Some(display) = missing(&known.display, &shown) {
        write(tx, who, object(Kind::Profile, user, &[("displayName", display)], &[]))?;
    }
    if let Some(person) = person {
        for (field, known, told) in [
            ("firstName", &known.first, &named.first),
            ("lastName", &known.last, &named.last),
        ] {
            if let Some(name) = missing(known, told) {
                write(tx, who, object(Kind::Person, person, &[(field, name)], &[]))?;
            }
        }
        if let Some(login) = missing(&known.login, &named.login).filter(|_| others.is_none()) {
            let login = object(
                Kind::EmailAndPassword,
                tx.new_id(),
                &[("userName", login)],
                &[(Kind::Person, person)],
            );
            write(tx, who, login)?;
        }
    }
    if let Some(address) = missing(&known.email, &named.email) {
        let contact = tx.new_id();
        write(
            tx,
            who,
            object(Kind::ContactInformation, contact, &[], &[(Kind::Profile, user)]),
        )?;
        let parents = [(Kind::ContactInformation, contact)];
        write(
            tx,
            who,
            object(Kind::EmailAddress, tx.new_id(), &[("value", address)], &parents),
        )?;
    }
    Ok(())
}

fn users_group(tx: &mut Transaction<'_>, who: &Who, owner: Uuid) -> Result<Uuid, Why> {
    let name = Kind::ProfileGroup.field("name").map(Field::Own);
    let is_users = |group: &Node<'_>| {
        let Some(Field::Own(name)) = name else { return false };
        group.fields().get(name).and_then(Value::as_text) == Some(USERS)
    };
    let organization = tx.graph().find(owner);
    let mut groups = organization
        .into_iter()
        .flat_map(|owner| owner.hop(Hop::forward(rel::GROUPS), None));
    if let Some((group, _)) = groups.find(|(group, _)| is_users(group)) {
        return Ok(group.id);
    }
    drop(groups);
    let id = tx.new_id();
    let fields = [("name", Value::text(USERS))];
    write(
        tx,
        who,
        object(Kind::ProfileGroup, id, &fields, &[(Kind::Organization, owner)]),
    )?;
    Ok(id)
}

/// By its name, if it is made.
pub(super) fn item(tx: &mut Transaction<'_>, who: &Who, code: &str, display: Option<&str>) -> Result<Uuid, Why> {
    if let Some(item) = foreign::find(tx.graph(), Kind::LicensedItem, code, |_| true) {
        return Ok(item.id);
    }
    let id = tx.new_id();
    let display = display.filter(|display| *display != code);
    let display = display.map(|display| ("displayName", Value::text(display)));
    let fields: Vec<_> = [("name", Value::text(code))].into_iter().chain(display).collect();
    write(tx, who, object(Kind::LicensedItem, id, &fields, &[]))?;
    Ok(id)
}

fn has_ended(node: Node<'_>, now: Time) -> bool {
    select::end(&node).is_some_and(|end| end <= now)
}

/// One license of the item with one credit is what a list speaks of; where there is none it is made, valid from now on. What has
/// ended, and what is somebody's own, is not meant.
pub(super) fn pool(tx: &mut Transaction<'_>, who: &Who, owner: Uuid, code: &str, seats: u64) -> Result<(), Why> {
    let item = item(tx, who, code, None)?;
    let count = [("seatCount", Value::Int(i64::try_from(seats).unwrap_or(i64::MAX)))];
    let ends = tx.graph().find(owner).zip(tx.graph().find(item));
    let now = tx.now();
    let licenses: Vec<Node<'_>> = ends
        .map(|(owner, item)| {
            ruled::licenses(owner, item)
                .filter(|license| !has_ended(*license, now) && !select::is_individual(license))
                .collect()
        })
        .unwrap_or_default();
    let credits = licenses
        .iter()
        .flat_map(|license| license.hop(Hop::forward(rel::SEAT_CREDITS), None));
    let credits = credits.filter(|(credit, _)| !has_ended(*credit, now));
    let credits: Vec<Uuid> = credits.map(|(credit, _)| credit.id).collect();
    match (licenses.len(), credits.as_slice()) {
        (0, _) => {}
        (1, [credit]) => return write(tx, who, object(Kind::SeatCountCredit, *credit, &count, &[])),
        (licenses, credits) => {
            return Err(Why::SeveralLicenses {
                item: code.to_owned(),
                licenses,
                credits: credits.len(),
            });
        }
    }
    let entitlement = homes::default_or_new(tx, owner)?;
    let (license, credit) = (tx.new_id(), tx.new_id());
    let fields = [("name", Value::text(code)), ("validFrom", Value::Time(tx.now()))];
    let parents = [(Kind::Entitlement, entitlement), (Kind::LicensedItem, item)];
    write(tx, who, object(Kind::License, license, &fields, &parents))?;
    write(
        tx,
        who,
        object(Kind::SeatCountCredit, credit, &count, &[(Kind::License, license)]),
    )
}
