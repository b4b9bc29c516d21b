//! ibl.ai's catalog licenses (`doors.md` B): licenses of programs, courses, users and platforms, sold to a platform and assigned
//! to users and groups. `docs/doors.md` says what of it the vendor documents and what is this project's reading.

mod ask;
mod body;
mod fields;
mod moving;
mod notes;
mod openapi;
mod path;
mod query;
mod reason;
mod wire;

use actix_web::HttpResponse;
use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::uri::Authority;
use actix_web::web::Bytes;
use futures_util::FutureExt;
use serde::Serialize;

use self::fields::Fields;
use self::path::{Family, Route};
use self::query::Numbered;
use self::reason::No;
use crate::engine::Reply;
use crate::http::door::{self, Door, Entered, json};
use crate::http::write::answer as written;
use crate::http::{Context, answered, auth};
use crate::limits::Limits;
use crate::operation::licenses::{self, Change, Done, LicenseError, Look, Sold};

/// The spellings of the vendor's own material, and a key that stands alone, as in the examples of its pages.
const SCHEMES: &[&str] = &["api-key", "api-token", "token", "bearer", ""];

const READ: &str = "GET, HEAD";
const POST: &str = "POST";
const ALL: &str = "GET, HEAD, POST, DELETE";

/// The licenses of a family. One that says of itself nothing is a program's.
fn sold(family: Family) -> Sold {
    Sold {
        license_type: family.name(),
        or_untyped: family == Family::Program,
    }
}

pub const DOOR: Door = Door {
    name: "iblai",
    is_meant: path::is_meant,
    openapi: openapi::document,
    entries: moving::entries,
    answer: |context, payload| {
        async move {
            let answered = answer(context, payload).await;
            answered.unwrap_or_else(|no| no.respond(&context.request_id))
        }
        .boxed_local()
    },
};

async fn answer(context: &Context, payload: Payload) -> Result<HttpResponse, No> {
    let unknown = || No::not_found("unknownPath", "there is nothing at this path");
    let route = path::read(context.request.path()).ok_or_else(unknown)?;
    let method = context.request.method();
    let reads = method == Method::GET || method == Method::HEAD;
    let limits = *context.limits();
    match route {
        Route::List(family) if reads => list(context, family).await,
        Route::Assignments(family) if reads => assignments(context, family).await,
        Route::Groups(family) if reads => groups(context, family).await,
        Route::Check if reads => check(context).await,
        Route::Create(family) if method == Method::POST => {
            let (bytes, fields) = read(context, payload).await?;
            let asked = ask::create(fields, queried(context)?, family, &limits)?;
            change(context, &bytes, asked, family).await
        }
        Route::Update(family) if method == Method::POST => {
            let (bytes, fields) = read(context, payload).await?;
            let asked = ask::update(fields, queried(context)?, family, &limits)?;
            change(context, &bytes, asked, family).await
        }
        Route::Assignments(family) if method == Method::POST => {
            let (bytes, fields) = read(context, payload).await?;
            let asked = ask::assign(fields, queried(context)?, family, &limits)?;
            change(context, &bytes, asked, family).await
        }
        Route::Groups(family) if method == Method::POST => {
            let (bytes, fields) = read(context, payload).await?;
            let asked = ask::group(fields, queried(context)?, family, &limits)?;
            change(context, &bytes, asked, family).await
        }
        Route::Assignments(family) if method == Method::DELETE => {
            let query = query_of(context)?;
            change(context, b"", ask::take_back(query, family)?, family).await
        }
        Route::Groups(family) if method == Method::DELETE => {
            let query = query_of(context)?;
            change(context, b"", ask::end_group(query, family)?, family).await
        }
        Route::List(_) | Route::Check => Err(No::method(method, READ)),
        Route::Create(_) | Route::Update(_) => Err(No::method(method, POST)),
        Route::Assignments(_) | Route::Groups(_) => Err(No::method(method, ALL)),
    }
}

fn queried(context: &Context) -> Result<Fields, No> {
    query::fields(context.query(), context.limits())
}

/// Whose request it is is asked before anything is read.
fn query_of(context: &Context) -> Result<Fields, No> {
    auth::authenticate_by(context, &context.state.engine.snapshot(), SCHEMES)?;
    queried(context)
}

async fn read(context: &Context, payload: Payload) -> Result<(Bytes, Fields), No> {
    auth::authenticate_by(context, &context.state.engine.snapshot(), SCHEMES)?;
    let bytes = door::read(context, payload).await?;
    let fields = body::fields(&context.request, &bytes, context.limits())?;
    Ok((bytes, fields))
}

/// One write: what is asked for is decided and done in one transaction.
async fn change(context: &Context, bytes: &[u8], change: Change, family: Family) -> Result<HttpResponse, No> {
    let who = auth::authenticate_by(context, &context.state.engine.snapshot(), SCHEMES)?;
    let limits = *context.limits();
    let done = door::write(context, who, change.name(), Some(bytes), move |tx, who| {
        let told = match change.run(tx, who, &limits)? {
            Done::License(listed) => json(&wire::license(family, &listed)),
            Done::Assigned(assigned) => json(&wire::assignment(family, &assigned)),
            Done::Grouped(grouped) => json(&wire::group(family, &grouped)),
            Done::Gone => b"{}".to_vec(),
        };
        Ok::<_, LicenseError>(Reply::new(200, told))
    });
    let done = done.await?;
    Ok(written(done.map_err(|error| No::of_write(error, family))?)?)
}

async fn list(context: &Context, family: Family) -> Result<HttpResponse, No> {
    let entered = enter(context).await?;
    let mut fields = queried(context)?;
    let page = Numbered::read(&mut fields, context.limits());
    let order = query::order(&mut fields, "-id", query::LICENSES);
    let verbose = fields.flag("verbose").unwrap_or(false) && family.is_assigned();
    let filter = query::filter(&mut fields, family);
    fields.finish()?;
    paged(context, entered, page, move |at| {
        let (found, count) = licenses::list(of_family(at, family), &filter, page.of(order), verbose)?;
        let rows = found.iter().map(|listed| wire::license(family, listed));
        results(rows, count, at.limits)
    })
    .await
}

async fn assignments(context: &Context, family: Family) -> Result<HttpResponse, No> {
    let entered = enter(context).await?;
    let mut fields = queried(context)?;
    let page = Numbered::read(&mut fields, context.limits());
    let order = query::order(&mut fields, "id", query::ASSIGNMENTS);
    let (license, pick) = (query::license(&mut fields), query::pick(&mut fields));
    fields.required("license_id", license.serial);
    fields.finish()?;
    paged(context, entered, page, move |at| {
        let (found, count) = licenses::assignments(of_family(at, family), &license, &pick, page.of(order))?;
        let rows = found.iter().map(|assigned| wire::assignment(family, assigned));
        results(rows, count, at.limits)
    })
    .await
}

async fn groups(context: &Context, family: Family) -> Result<HttpResponse, No> {
    let entered = enter(context).await?;
    let mut fields = queried(context)?;
    let page = Numbered::read(&mut fields, context.limits());
    let order = query::order(&mut fields, "id", query::GROUPS);
    let (license, pick) = (query::license(&mut fields), query::pick(&mut fields));
    fields.required("license_id", license.serial);
    fields.finish()?;
    paged(context, entered, page, move |at| {
        let (found, count) = licenses::group_assignments(of_family(at, family), &license, &pick, page.of(order))?;
        let rows = found.iter().map(|grouped| wire::group(family, grouped));
        results(rows, count, at.limits)
    })
    .await
}

async fn enter(context: &Context) -> Result<Entered, No> {
    Ok(auth::enter_by(context, |context, graph| auth::authenticate_by(context, graph, SCHEMES)).await?)
}

fn of_family(at: door::Look<'_>, family: Family) -> Look<'_> {
    Look {
        graph: at.graph,
        who: at.who,
        sold: sold(family),
        now: at.now,
        limits: at.limits,
    }
}

/// A page as it is written, and how many there are of all pages.
fn results<T: Serialize>(
    rows: impl Iterator<Item = T>,
    count: usize,
    limits: &Limits,
) -> Result<(Vec<u8>, usize), LicenseError> {
    let mut out = Vec::with_capacity(1024);
    door::list::<_, LicenseError>(&mut out, rows, limits)?;
    Ok((out, count))
}

async fn paged(
    context: &Context,
    entered: Entered,
    page: Numbered,
    look: impl Fn(door::Look<'_>) -> Result<(Vec<u8>, usize), LicenseError> + Send + 'static,
) -> Result<HttpResponse, No> {
    let revision = entered.0.revision();
    let looked = door::look(context, entered, LicenseError::code, look).await?;
    let (results, count) = looked.map_err(No::of_list)?;
    page.check(count)?;
    let link = |number: Option<usize>| number.map(|number| link(context, number));
    let (next, previous) = (link(page.next(count)), link(page.previous()));
    let told = wire::page(count, next.as_deref(), previous.as_deref(), &results);
    Ok(answered(told, revision))
}

/// The same request for another page, below the public address where there is one, else at the host the client knows.
fn link(context: &Context, number: usize) -> String {
    let others = context
        .query()
        .split('&')
        .filter(|pair| !pair.is_empty() && pair.split('=').next() != Some("page"));
    let page = format!("page={number}");
    let pairs: Vec<&str> = others.chain([page.as_str()]).collect();
    let base = base(context.state.options.public_url.as_deref(), context.header("host"));
    format!("{base}{}?{}", context.request.path(), pairs.join("&"))
}

/// Clients follow it, so what they send is told again only if it is a host and perhaps a port. Without either the link is a path.
fn base(public: Option<&str>, host: Option<&str>) -> String {
    let is_plain = |host: &&str| host.parse::<Authority>().is_ok_and(|read| !read.as_str().contains('@'));
    match (public, host.filter(is_plain)) {
        (Some(public), _) => public.to_owned(),
        (None, Some(host)) => format!("http://{host}"),
        (None, None) => String::new(),
    }
}

/// Anybody may ask whether an address has a license of a user: yes is 200, no is 404.
async fn check(context: &Context) -> Result<HttpResponse, No> {
    let mut fields = queried(context)?;
    let address = fields.address("email");
    let address = fields.required("email", address);
    fields.finish()?;
    let address = address.unwrap_or_default();
    let entered = door::anybody(context);
    let revision = entered.0.revision();
    let asked = door::look(context, entered, LicenseError::code, move |at| {
        licenses::is_assigned_to(at.graph, sold(Family::User), &address, at.now, at.limits)
    });
    match asked.await?.map_err(No::of_list)? {
        true => Ok(answered(
            b"{\"detail\":\"an active license is assigned\"}".to_vec(),
            revision,
        )),
        false => Err(No::not_found("notAssigned", "no active license is assigned")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_begins_with_the_public_address_or_a_plain_host() {
        let public = Some("https://pub.example/base");
        for (public, host, expected) in [
            (public, Some("pub.example"), "https://pub.example/base"),
            (public, Some("evil.example"), "https://pub.example/base"),
            (public, None, "https://pub.example/base"),
            (None, Some("127.0.0.1:8080"), "http://127.0.0.1:8080"),
            (None, Some("[::1]:8080"), "http://[::1]:8080"),
            (None, Some("seats.example"), "http://seats.example"),
            (None, Some("evil.example\"><x"), ""),
            (None, Some("evil.example/x"), ""),
            (None, Some("me@evil.example"), ""),
            (None, Some(""), ""),
            (None, None, ""),
        ] {
            assert_eq!(base(public, host), expected, "{public:?} {host:?}");
        }
    }
}
