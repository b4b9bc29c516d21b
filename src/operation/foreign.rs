//! How a foreign id finds its entity (design 11): it is the entity's UUID, or its `alias`, or its natural name. The doors to
//! other vendors' APIs, where an id is any text, find everything so.

use uuid::Uuid;

use super::short;
use super::users::Several;
use crate::graph::{Graph, Node};
use crate::model::schema::{Hop, place};
use crate::model::{Kind, Value, rel};

/// The one that is meant among those that fit, so that what another organization calls its own is in nobody's way. Of several
/// of the same name none is; of organizations, whose names they may write themselves, an alias is no better than a name.
pub fn find<'g>(graph: &'g Graph, kind: Kind, text: &str, fits: impl Fn(Node<'g>) -> bool) -> Option<Node<'g>> {
    look(graph, kind, text, fits).ok().flatten()
}

/// The same, for whom it is not all one whether there is none or there are several.
pub fn look<'g>(
    graph: &'g Graph,
    kind: Kind,
    text: &str,
    fits: impl Fn(Node<'g>) -> bool,
) -> Result<Option<Node<'g>>, Several> {
    let value = Value::text(text);
    if let Ok(id) = Uuid::try_parse(text)
        && let Some(node) = graph.find(id).filter(|node| node.kind == kind && fits(*node))
    {
        return Ok(Some(node));
    }
    if kind == Kind::Organization {
        return only(called(graph, text).filter(|node| fits(*node)), text);
    }
    if let Some(node) = aliased(graph, kind, text).find(|node| fits(*node)) {
        return Ok(Some(node));
    }
    if kind == Kind::Profile {
        let login = only(logins(graph, &value).filter(|node| fits(*node)), text)?;
        return match login {
            Some(_) => Ok(login),
            None => only(addressed(graph, &value).filter(|node| fits(*node)), text),
        };
    }
    match kind.field("name").or_else(|| kind.field("title")) {
        Some(name) => only(
            graph.by_value(kind, name, &value, None).filter(|node| fits(*node)),
            text,
        ),
        None => Ok(None),
    }
}

fn only<'g>(mut found: impl Iterator<Item = Node<'g>>, text: &str) -> Result<Option<Node<'g>>, Several> {
    let first = found.next();
    match found.all(|other| Some(other) == first) {
        true => Ok(first),
        false => Err(Several(text.to_owned())),
    }
}

/// Every profile that is called so, whosever it is: some more than once.
pub fn profiles<'g>(graph: &'g Graph, text: &str) -> impl Iterator<Item = Node<'g>> + use<'g> {
    let value = Value::text(text);
    let named = logins(graph, &value).chain(addressed(graph, &value));
    aliased(graph, Kind::Profile, text).chain(named)
}

/// Those of that alias, which may be a UUID in any spelling.
fn aliased<'g>(graph: &'g Graph, kind: Kind, text: &str) -> impl Iterator<Item = Node<'g>> + use<'g> {
    let canonical = Uuid::try_parse(text).ok().map(|id| Value::text(&id.to_string()));
    let spellings = [Some(Value::text(text)), canonical].into_iter().flatten();
    let alias = kind.field("alias").into_iter();
    alias.flat_map(move |alias| {
        let spellings = spellings.clone();
        spellings.flat_map(move |value| graph.by_value(kind, alias, &value, None))
    })
}

/// The fields by which an organization is found.
pub const NAMES: [&str; 2] = ["alias", "name"];

/// Organizations of that alias or name.
fn called<'g>(graph: &'g Graph, text: &str) -> impl Iterator<Item = Node<'g>> {
    let value = Value::text(text);
    let fields = NAMES.into_iter().filter_map(|name| Kind::Organization.field(name));
    fields.flat_map(move |field| graph.by_value(Kind::Organization, field, &value, None))
}

/// Is an organization called so, or are several?
pub fn is_name<'g>(graph: &'g Graph, text: &str, fits: impl Fn(Node<'g>) -> bool) -> bool {
    called(graph, text).any(fits)
}

/// Is another organization meant by a text, or might it be: by its id, its names, or its short id?
pub fn leads_elsewhere(organization: Node<'_>, text: &str) -> bool {
    let short = short::by_serial(organization.graph(), Kind::Organization, text);
    is_also(organization, text) || short.is_some_and(|other| other != organization)
}

/// The same where nothing has a short id.
pub fn is_also(organization: Node<'_>, text: &str) -> bool {
    let graph = organization.graph();
    let by_id = Uuid::try_parse(text).ok().and_then(|id| graph.find(id));
    let by_id = by_id.filter(|node| node.kind == Kind::Organization);
    let mut all = by_id.into_iter().chain(called(graph, text));
    all.any(|other| other != organization)
}

fn logins<'g>(graph: &'g Graph, name: &Value) -> impl Iterator<Item = Node<'g>> + use<'g> {
    const USER_NAME: u8 = place(Kind::EmailAndPassword, "userName");
    let logins = graph.by_value(Kind::EmailAndPassword, USER_NAME, name, None);
    let people = logins.filter_map(|login| login.parent(rel::LOGINS));
    people.flat_map(|person| {
        person
            .hop(Hop::forward(rel::PROFILES), None)
            .map(|(profile, _)| profile)
    })
}

/// Everybody with that address, the oldest address first.
pub(super) fn addressed<'g>(graph: &'g Graph, address: &Value) -> impl Iterator<Item = Node<'g>> + use<'g> {
    const ADDRESS: u8 = place(Kind::EmailAddress, "value");
    let addresses = graph.by_value(Kind::EmailAddress, ADDRESS, address, None);
    addresses.filter_map(|address| address.parent(rel::ADDRESSES)?.parent(rel::CONTACTS))
}

/// What an entity is called where an id is any text: its alias, else its UUID.
pub fn id(node: Node<'_>) -> String {
    alias(node).map_or_else(|| node.id.to_string(), str::to_owned)
}

/// What an item is called there: its alias, else its name.
pub fn code(item: Node<'_>) -> String {
    let name = || item.fields().get(item.kind.field("name")?).and_then(Value::as_text);
    alias(item).or_else(name).unwrap_or_default().to_owned()
}

fn alias(node: Node<'_>) -> Option<&str> {
    let alias = node.entity().fields().get(node.kind.field("alias")?);
    alias.and_then(Value::as_text).filter(|alias| !alias.is_empty())
}

/// A person's name and addresses, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    pub login: Option<String>,
    pub email: Option<String>,
    pub first: Option<String>,
    pub last: Option<String>,
    pub display: Option<String>,
}

pub fn named(profile: Node<'_>) -> Named {
    let text = |node: Node<'_>, name: &str| {
        let value = node.fields().get(node.kind.field(name)?).and_then(Value::as_text);
        value.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let person = profile.parent(rel::PROFILES);
    let login = person.and_then(|person| person.hop(Hop::forward(rel::LOGINS), None).next());
    Named {
        login: login.and_then(|(login, _)| text(login, "userName")),
        email: address(profile).and_then(|address| text(address, "value")),
        first: person.and_then(|person| text(person, "firstName")),
        last: person.and_then(|person| text(person, "lastName")),
        display: text(profile, "displayName"),
    }
}

/// The first e-mail address of a profile.
pub fn address(profile: Node<'_>) -> Option<Node<'_>> {
    addresses(profile).next()
}

/// Its e-mail address, if it has no other.
pub fn only_address(profile: Node<'_>) -> Option<Node<'_>> {
    let mut addresses = addresses(profile);
    addresses.next().filter(|_| addresses.next().is_none())
}

fn addresses(profile: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    let contacts = profile.hop(Hop::forward(rel::CONTACTS), None);
    contacts.flat_map(|(contact, _)| {
        contact
            .hop(Hop::forward(rel::ADDRESSES), None)
            .map(|(address, _)| address)
    })
}

/// Is a text what an entity is called, its id or its alias, and not what is known of it?
pub fn is_key(node: Node<'_>, text: &str) -> bool {
    let canonical = Uuid::try_parse(text).ok().map(|id| id.to_string());
    let is_alias = |alias: &str| alias == text || canonical.as_deref() == Some(alias);
    Uuid::try_parse(text) == Ok(node.id) || alias(node).is_some_and(is_alias)
}
