//! Shapes of the vendor's bodies (`doors.md` C.3). What is not in a shape is passed over. A body that is no JSON object cannot
//! be parsed; a member that is missing or of another type is parsed and makes no sense, which is another status.

use serde_json::{Map, Value};

use super::reason::No;
use crate::http::door;
use crate::limits::Limits;
use crate::operation::sale::{Given, Property, Sell, Session, Spec, Update};

/// No name is longer (RFC 5321).
const LONGEST_NAME: usize = 254;

pub type Object = Map<String, Value>;

pub fn object(bytes: &[u8]) -> Result<Object, No> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(No::syntax("the body is no JSON object")),
        Err(error) => Err(No::syntax(format!("the body cannot be parsed: {error}"))),
    }
}

pub fn wrong(name: &str, wanted: &str) -> No {
    No::semantics("wrongType", format!("`{name}` is {wanted}"))
}

pub fn missing(name: &str) -> No {
    No::semantics("memberMissing", format!("there is no `{name}`"))
}

/// A text that says something, if there is one of that name.
pub fn text(members: &Object, name: &str) -> Result<Option<String>, No> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(_) => Err(wrong(name, "a text that is not empty")),
    }
}

pub fn required(members: &Object, name: &str) -> Result<String, No> {
    text(members, name)?.ok_or_else(|| missing(name))
}

pub fn user_name(members: &Object, name: &str) -> Result<Option<String>, No> {
    let user = text(members, name)?;
    match user.as_deref() {
        Some(user) if user.len() > LONGEST_NAME => Err(wrong(name, "longer than a name may be")),
        // It becomes the address of an account.
        Some(user) if user.trim().is_empty() || user.contains(char::is_control) => {
            Err(wrong(name, "blank, or has control characters"))
        }
        _ => Ok(user),
    }
}

fn texts(name: &str, value: &Value) -> Result<Vec<String>, No> {
    let list = || wrong(name, "a list of texts");
    let items = value.as_array().ok_or_else(list)?;
    let each = items
        .iter()
        .map(|item| item.as_str().map(str::to_owned).ok_or_else(list));
    each.collect()
}

/// Under the one or the other key, as the vendor's pages have both.
fn offer(members: &Object) -> Result<String, No> {
    match (text(members, "offer-id")?, text(members, "offer")?) {
        (Some(one), Some(other)) if one != other => {
            Err(No::semantics("offerTwice", "`offer-id` and `offer` are not the same"))
        }
        (Some(offer), _) | (None, Some(offer)) => Ok(offer),
        (None, None) => Err(missing("offer-id")),
    }
}

/// A license specification, without for whom it is.
fn spec(members: &Object, limits: &Limits) -> Result<Spec, No> {
    let offer = offer(members)?;
    let matches = match members.get("match-objects") {
        None => false,
        Some(Value::Bool(matches)) => *matches,
        Some(_) => return Err(wrong("match-objects", "true or false")),
    };
    // Without it nothing is asked of the other two.
    let matching = match matches {
        false => None,
        true => {
            let property = required(members, "match-property")?;
            let values = members.get("match-values").ok_or_else(|| missing("match-values"))?;
            let values = texts("match-values", values)?;
            if values.is_empty() {
                return Err(wrong("match-values", "empty, so that nothing would match"));
            }
            Some((property, values))
        }
    };
    let properties = members.get("props").map(|props| {
        let each = few("props", props, limits)?.iter().map(|(key, value)| match value {
            Value::String(value) => Ok((key.clone(), value.clone())),
            _ => Err(wrong(&format!("props/{key}"), "a text")),
        });
        each.collect::<Result<Vec<_>, No>>()
    });
    Ok(Spec {
        offer,
        matching,
        properties: properties.transpose()?,
    })
}

/// An object by the names of its members, none of which is empty.
pub fn entries<'v>(name: &str, value: &'v Value) -> Result<&'v Object, No> {
    let members = value.as_object().ok_or_else(|| wrong(name, "an object"))?;
    match members.contains_key("") {
        true => Err(No::semantics("emptyName", format!("a member of `{name}` has no name"))),
        false => Ok(members),
    }
}

/// The same, of no more than so many members.
fn few<'v>(name: &str, value: &'v Value, limits: &Limits) -> Result<&'v Object, No> {
    let members = entries(name, value)?;
    let most = limits.metadata;
    match members.len() as u64 > most {
        true => {
            let message = format!("`{name}` has {} members, and {most} at most are taken", members.len());
            Err(No::semantics("tooManyItems", message))
        }
        false => Ok(members),
    }
}

/// For a user or for a user set.
pub fn sell(site: &str, members: &Object, limits: &Limits) -> Result<Sell, No> {
    let spec = spec(members, limits)?;
    let (user, set) = (user_name(members, "user-name")?, text(members, "user-set-name")?);
    let set = match (&user, set) {
        (Some(_), Some(_)) => {
            let message = "only one of `user-name` and `user-set-name` is specified in a request";
            return Err(No::semantics("userAndSet", message));
        }
        (None, None) => return Err(missing("user-name` or `user-set-name")),
        (_, set) => set.unwrap_or_default(),
    };
    Ok(Sell {
        site: site.to_owned(),
        user,
        set,
        spec,
    })
}

/// A session, and where it leads.
pub fn session(site: &str, members: &Object, limits: &Limits) -> Result<(Session, Option<String>), No> {
    let specs = |name: &str| match members.get(name) {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => {
            let one = |item: &Value| {
                let members = item.as_object();
                let members = members.ok_or_else(|| wrong(name, "a list of license specifications"))?;
                spec(members, limits)
            };
            items.iter().map(one).collect::<Result<Vec<_>, No>>()
        }
        Some(_) => Err(wrong(name, "a list of license specifications")),
    };
    let (temporary, permanent) = (specs("licenses")?, specs("permanent-licenses")?);
    let most = limits.items;
    if (temporary.len() + permanent.len()) as u64 > most {
        return Err(No::semantics(
            "tooManyItems",
            format!("a session has {most} licenses at most"),
        ));
    }
    let path = text(members, "site-path")?;
    if path.as_deref().is_some_and(|path| !is_local(path)) {
        return Err(wrong("site-path", "a path of the site, which begins with one `/`"));
    }
    let session = Session {
        site: site.to_owned(),
        user: user_name(members, "user-name")?.ok_or_else(|| missing("user-name"))?,
        properties: match members.get("props") {
            None => Vec::new(),
            Some(props) => properties(few("props", props, limits)?)?,
        },
        temporary,
        permanent,
    };
    Ok((session, path))
}

/// A path that leads nowhere else.
fn is_local(path: &str) -> bool {
    let is_visible = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    is_visible && path.starts_with('/') && !path.starts_with("//")
}

/// What an object is told with, beside its metadata: sent back, it is passed over.
const TOLD: [&str; 13] = [
    "status",
    "message",
    "location",
    "tizra-id",
    "url-id",
    "email",
    "name",
    "meta-type",
    "metaType",
    "user-status",
    "user-status-description",
    "operation",
    "code",
];

pub fn properties(members: &Object) -> Result<Vec<Property>, No> {
    let each = members.iter().map(|(key, value)| {
        let given = match value {
            Value::String(text) => Given::Text(text.clone()),
            Value::Array(_) => Given::List(texts(key, value)?),
            Value::Null => Given::Nothing,
            _ => return Err(wrong(key, "a text, a list of texts, or null")),
        };
        let key = key.clone();
        Ok(Property { key, value: given })
    });
    each.collect()
}

/// The metadata fields of a PUT: the members themselves, or those below `props`.
pub fn metadata(mut members: Object, limits: &Limits) -> Result<Update, No> {
    members.retain(|name, _| !TOLD.contains(&name.as_str()));
    let below = match members.remove("props") {
        Some(props) => entries("props", &props)?.clone(),
        None => Object::new(),
    };
    members.extend(below);
    Ok(Update::Set(properties(few("body", &Value::Object(members), limits)?)?))
}

/// The parameters of a query that say anything.
pub fn query(raw: &str, limits: &Limits) -> Result<Vec<(String, String)>, No> {
    let mut pairs = door::pairs(raw, limits.parameters())?;
    pairs.retain(|(_, value)| !value.is_empty());
    Ok(pairs)
}

/// An update by the name of what it does.
pub fn update(members: &Object, limits: &Limits) -> Result<Update, No> {
    let operation = required(members, "operation")?;
    let props = few("props", members.get("props").ok_or_else(|| missing("props"))?, limits)?;
    let lists = || {
        let each = props.iter().map(|(key, value)| Ok((key.clone(), texts(key, value)?)));
        each.collect::<Result<Vec<_>, No>>()
    };
    match operation.as_str() {
        "update" => Ok(Update::Set(properties(props)?)),
        "add" => Ok(Update::Add(lists()?)),
        "remove" => Ok(Update::Take(lists()?)),
        other => {
            let message = format!("`operation` is `{other}`: it is `update`, `add` or `remove`");
            Err(No::semantics("unknownOperation", message))
        }
    }
}

/// The user name and the password of a login, which is the one operation of a site.
pub fn login(members: &Object) -> Result<(String, String), No> {
    let operation = required(members, "operation")?;
    if operation != "login" {
        let message = format!("`operation` is `{operation}`: it is `login`");
        return Err(No::semantics("unknownOperation", message));
    }
    Ok((required(members, "user-name")?, required(members, "password")?))
}
