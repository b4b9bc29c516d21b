//! `/leases`: who holds what, on which device, and giving it back (design 16).

use actix_web::HttpResponse;
use actix_web::http::Method;
use uuid::Uuid;

use super::cursor::tell_next;
use super::envelope::dry;
use super::operation::no_match;
use super::problem::Problem;
use super::wire::text;
use super::write::{self, answer as written, beside, decided, still_known};
use super::{Context, answered, auth};
use crate::access::View;
use crate::engine::Reply;
use crate::error::Error;
use crate::graph::Transaction;
use crate::model::schema::place;
use crate::model::{Kind, Value};
use crate::operation::consume;
use crate::operation::leases::{self, Asked, Listed, Place};

pub async fn answer(context: &Context) -> Result<HttpResponse, Problem> {
    let path = context.request.path().strip_prefix("/leases").unwrap_or_default();
    let method = context.request.method();
    match (method, path.strip_prefix('/')) {
        (&Method::GET | &Method::HEAD, None) => list(context).await,
        (_, None) => Err(Problem::method_not_allowed(method.as_str(), "GET, HEAD")),
        (&Method::DELETE, Some(id)) => end(context, id).await,
        (_, Some(_)) => Err(Problem::method_not_allowed(method.as_str(), "DELETE")),
    }
}

async fn list(context: &Context) -> Result<HttpResponse, Problem> {
    let (graph, who) = auth::enter(context).await?;
    let parameters = context.parameters(&["profileId", "item", "licenseId", "limit", "cursor"])?;
    let asked = Asked {
        profile: parameters.id("profileId")?,
        license: parameters.id("licenseId")?,
        item: parameters.text("item").map(str::to_owned),
    };
    let rows = parameters.rows(context.limits())? as usize;
    // Of a caller and a question, and hidden: a place may be at what the caller does not see.
    let question = format!("leases {:?}", (asked.profile, asked.license, &asked.item));
    let state = context.state.clone();
    let opened = |text| {
        let place = state.cursors.find(text, &question, who.principal);
        let [assignment, lease] = place.ok_or_else(bad_cursor)?;
        Ok::<_, Problem>(Place { assignment, lease })
    };
    let after = parameters.text("cursor").map(opened).transpose()?;
    let (now, revision, visits) = (context.state.engine.now(), graph.revision(), context.limits().visited());
    let run = move || -> Result<Vec<u8>, Problem> {
        let view = View::new(&graph, &who);
        let (found, next) = leases::list(&view, &asked, after, rows, visits, now).map_err(of_list)?;
        let mut out = Vec::with_capacity(32 + 400 * found.len());
        out.extend_from_slice(b"{\"items\":[");
        for (at, listed) in found.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            shown(&mut out, listed);
        }
        out.push(b']');
        if let Some(Place { assignment, lease }) = next {
            let cursor = state.cursors.hide([assignment, lease], &question, who.principal);
            tell_next(&mut out, &cursor);
        }
        out.push(b'}');
        Ok(out)
    };
    // Somebody's own leases are few; a license may have a million.
    let out = beside(run).await?;
    Ok(answered(out, revision))
}

fn of_list(error: Error) -> Problem {
    error.into()
}

pub(super) fn bad_cursor() -> Problem {
    Problem::bad_request("badCursor", "this cursor was not given for this list and this caller")
        .parameter("cursor")
        .help("a cursor goes on where the same list ended; begin again without one")
}

fn shown(out: &mut Vec<u8>, listed: &Listed<'_>) {
    const KIND: Kind = Kind::Consumption;
    let field = |field: u8| listed.lease.fields().get(field);
    let item = field(place(KIND, "licensedItemId")).and_then(Value::as_uuid);
    let item = item.and_then(|id| listed.lease.graph().find(id));
    let name = item
        .as_ref()
        .and_then(|item| item.fields().get(place(Kind::LicensedItem, "name")));
    out.push(b'{');
    let members = [
        ("leaseId", field(place(KIND, "leaseId"))),
        ("item", name),
        ("hw", field(place(KIND, "hw"))),
        ("process", field(place(KIND, "process"))),
        ("mode", field(place(KIND, "consumptionMode"))),
        ("version", field(place(KIND, "consumedVersion"))),
        ("grantedAt", field(place(KIND, "grantedAt"))),
        ("grantedUntil", field(place(KIND, "grantedUntil"))),
    ];
    for (name, value) in members {
        text::string(out, name);
        out.push(b':');
        match value {
            Some(Value::Uuid(id)) => text::uuid(out, *id),
            Some(Value::Text(words)) => text::string(out, words),
            Some(Value::Time(at)) => text::time(out, *at),
            _ => out.extend_from_slice(b"null"),
        }
        out.push(b',');
    }
    out.extend_from_slice(b"\"licenseId\":");
    text::uuid(out, listed.license.id);
    out.extend_from_slice(b",\"profileId\":");
    match listed.profile {
        Some(profile) => text::uuid(out, profile.id),
        None => out.extend_from_slice(b"null"),
    }
    out.push(b'}');
}

async fn end(context: &Context, id: &str) -> Result<HttpResponse, Problem> {
    let (_, who) = auth::enter(context).await?;
    consume::may_end(&who).map_err(Error::from)?;
    no_match(context)?;
    let dry_run = context.parameters(&["dryRun"])?.flag("dryRun", false)?;
    let lease = Uuid::try_parse(id).map_err(|_| {
        Problem::bad_request("badId", format!("`{id}` is not the id of a lease")).help("an id is a UUID")
    })?;
    let write = write::of(context, &who, "Release", b"", dry_run)?;
    let limits = *context.limits();
    let run = move |tx: &mut Transaction<'_>| {
        still_known(tx, &who)?;
        consume::end(tx, &who, lease)?;
        if dry_run {
            return dry(tx, &who, &limits);
        }
        Ok::<_, Error>(Reply::empty())
    };
    let done = context.write(write, run).await;
    written(done.map_err(|error| decided(&context.state, error))?)
}
