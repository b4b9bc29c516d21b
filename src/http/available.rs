//! `/api/entitlement/v1/users/{id}/available-licenses`: what a user may use, with its seats (`licensing.md` 5.1).

use actix_web::HttpResponse;
use actix_web::http::Method;
use uuid::Uuid;

use super::problem::Problem;
use super::wire::text;
use super::write::beside;
use super::{Context, answered, auth};
use crate::entitlement::{homes, localized, matching, seats};
use crate::error::Error;
use crate::graph::Node;
use crate::model::schema::place;
use crate::model::{Entity, Kind, Time, Value, rel};
use crate::operation::available;
use crate::operation::consume::{self, Purpose};
use crate::query::{Budget, QueryError};

/// Of whom, if the path is one of these.
pub fn user(path: &str) -> Option<&str> {
    path.strip_prefix("/api/entitlement/v1/users/")?
        .strip_suffix("/available-licenses")
}

pub async fn answer(context: &Context) -> Result<HttpResponse, Problem> {
    let method = context.request.method();
    if *method != Method::GET && *method != Method::HEAD {
        return Err(Problem::method_not_allowed(method.as_str(), "GET, HEAD"));
    }
    let (graph, who) = auth::enter(context).await?;
    let parameters = context.parameters(&["includeExpired"])?;
    // Its name alone says yes, as at `/authz`.
    let is_bare = parameters.text("includeExpired") == Some("");
    let with_expired = is_bare || parameters.flag("includeExpired", false)?;
    let named = match user(context.request.path()).unwrap_or_default() {
        "me" => None,
        id => Some(Uuid::try_parse(id).map_err(|_| {
            Problem::bad_request("badId", format!("`{id}` is not the id of a user")).help("it is a UUID, or `me`")
        })?),
    };
    let consumer = consume::consumer(&graph, &who, named, "userId", Purpose::Check)?;
    let (now, revision, limits) = (context.state.engine.now(), graph.revision(), *context.limits());
    let locale = context.header("locale").map(str::to_owned);
    let out = beside(move || {
        let found = available::licenses(&graph, &consumer, with_expired, now, &limits);
        let found = found.map_err(|error| Error::from(elsewhere(error)))?;
        let budget = Budget::new(&limits);
        let mut out = vec![b'['];
        for (at, license) in found.into_iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            shown(&mut out, license, locale.as_deref(), now);
            budget
                .answered(out.len())
                .map_err(|error| Error::from(elsewhere(error)))?;
        }
        out.push(b']');
        Ok(out)
    })
    .await?;
    Ok(answered(out, revision))
}

/// All of them are one answer: it has no pages, and what is asked for cannot be less.
fn elsewhere(error: QueryError) -> QueryError {
    QueryError {
        help: Some("ask `/checks` for the items that are meant, or `/graph` with a selector, page by page".to_owned()),
        ..error
    }
}

/// Members of an object, one after the other.
struct Object<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

impl<'o> Object<'o> {
    fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, is_empty: true }
    }

    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.is_empty) {
            self.out.push(b',');
        }
        text::string(self.out, name);
        self.out.push(b':');
        self.out
    }

    fn value(&mut self, name: &str, value: Option<&Value>) {
        let out = self.name(name);
        match value {
            Some(Value::Bool(flag)) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
            Some(Value::Int(number)) => text::integer(out, *number),
            Some(Value::Time(at)) => text::time(out, *at),
            Some(Value::Uuid(id)) => text::uuid(out, *id),
            Some(Value::Text(words)) => text::string(out, words),
            None => out.extend_from_slice(b"null"),
        }
    }

    fn id(&mut self, name: &str, id: Option<Uuid>) {
        self.value(name, id.map(Value::Uuid).as_ref());
    }

    fn count(&mut self, name: &str, count: Option<u64>) {
        let out = self.name(name);
        match count {
            Some(count) => text::unsigned(out, count),
            None => out.extend_from_slice(b"null"),
        }
    }

    fn end(self) {
        self.out.push(b'}');
    }
}

fn field<'e>(entity: &'e Entity, name: &str) -> Option<&'e Value> {
    entity.fields().get(entity.kind.field(name)?)
}

fn shown(out: &mut Vec<u8>, license: Node<'_>, locale: Option<&str>, now: Time) {
    let entitlement = license.parent(rel::LICENSES);
    let matching = matching::of_license(license);
    // What matches is opened in place of the offer's own item.
    let item = license.parent(rel::OF_ITEM).filter(|_| matching.is_none());
    let model = license.parent(rel::OF_MODEL);
    // The sum of the credits (`licensing.md` 2.5), also where uses or time are limited and there are none.
    let seats = seats::of_license(license, now);
    let mut object = Object::begin(out);
    object.id("id", Some(license.id));
    for name in ["validFrom", "validUntil", "active"] {
        object.value(name, field(&license, name));
    }
    object.id("entitlementId", entitlement.map(|entitlement| entitlement.id));
    if let Some(item) = item {
        let name = item.fields().get(place(Kind::LicensedItem, "name"));
        let mut inner = Object::begin(object.name("licensedItem"));
        inner.id("id", Some(item.id));
        inner.value("name", name);
        let display_name = localized::display_name(&item, locale);
        inner.value("displayName", display_name.map(Value::Text).as_ref());
        inner.end();
    }
    if let Some(matching) = &matching {
        object.value("licensedItem", None);
        text::string(object.name("matchProperty"), matching.property);
        let out = object.name("matchValues");
        out.push(b'[');
        for (at, value) in matching.values.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            text::string(out, value);
        }
        out.push(b']');
    }
    object.id("licenseModelId", model.map(|model| model.id));
    object.value(
        "licenseModelName",
        model.as_ref().and_then(|model| field(model, "name")),
    );
    object.count("seatsTaken", Some(seats.taken()));
    object.count("seatsReserved", Some(seats.reserved));
    object.count("seatsTotal", seats.total);
    let out = object.name("seatCountCredits");
    out.push(b'[');
    for (at, (credit, consumed)) in seats::by_credit(license, seats.taken(), now).into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let mut inner = Object::begin(out);
        inner.id("id", Some(credit.id));
        for name in ["validFrom", "validUntil", "active"] {
            inner.value(name, field(&credit, name));
        }
        inner.id("licenseId", Some(license.id));
        for name in ["licenseTransactionItemId", "seatCount"] {
            inner.value(name, field(&credit, name));
        }
        inner.count("seatsConsumed", Some(consumed));
        inner.end();
    }
    out.push(b']');
    if let Some(owner) = entitlement.and_then(homes::owner) {
        let mut inner = Object::begin(object.name("owner"));
        inner.id("id", Some(owner.id));
        inner.value("name", field(&owner, "name").or_else(|| field(&owner, "displayName")));
        inner.end();
    }
    object.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_a_user() {
        for (path, expected) in [
            ("/api/entitlement/v1/users/me/available-licenses", Some("me")),
            ("/api/entitlement/v1/users//available-licenses", Some("")),
            ("/api/entitlement/v1/users/me/license-transactions", None),
            ("/api/entitlement/v1/clients/me/available-licenses", None),
        ] {
            assert_eq!(user(path), expected, "{path}");
        }
    }
}
