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

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::dev::Payload;
use actix_web::http::{Method, header};
use actix_web::web::Bytes;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};

use self::fields::Fields;
use self::path::{Family, Route};
use self::query::Numbered;
use self::reason::No;
use crate::engine::{Reply, Write};
use crate::http::door::{Door, Unread};
use crate::http::write::{answer as written, beside, idempotency, still_known};
use crate::http::{Context, auth};
use crate::limits::Limit;
use crate::operation::licenses::{self, Change, Done, LicenseError, Look, Sold};
use crate::operation::moving::Entry;

/// The spellings of the vendor's own material, and a key that stands alone, as in the examples of its pages.
const SCHEMES: &[&str] = &["api-key", "api-token", "token", "bearer", ""];

const READ: &str = "GET, HEAD";
const POST: &str = "POST";
const ALL: &str = "GET, HEAD, POST, DELETE";

pub struct IblAi;

/// The licenses of a family. One that says of itself nothing is a program's.
fn sold(family: Family) -> Sold {
    Sold {
        license_type: family.name(),
        or_untyped: family == Family::Program,
    }
}

impl Door for IblAi {
    fn name(&self) -> &'static str {
        "iblai"
    }

    fn is_meant(&self, path: &str) -> bool {
        path::is_meant(path)
    }

    fn openapi(&self) -> Value {
        openapi::document()
    }

    fn entries(&self, document: &Value) -> Result<Vec<Entry>, Unread> {
        moving::entries(document)
    }

    fn answer<'c>(&'c self, context: &'c Context, payload: Payload) -> LocalBoxFuture<'c, HttpResponse> {
        async move {
            let answered = answer(context, payload).await;
            answered.unwrap_or_else(|no| no.respond(&context.request_id))
        }
        .boxed_local()
    }
}

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
            change(context, &bytes, ask::create(fields, family, &limits)?, family).await
        }
        Route::Update(family) if method == Method::POST => {
            let (bytes, fields) = read(context, payload).await?;
            change(context, &bytes, ask::update(fields, family, &limits)?, family).await
        }
        Route::Assignments(family) if method == Method::POST => {
            let (bytes, fields) = read(context, payload).await?;
            let asked = ask::assign(fields, query::fields(context.query())?, family, &limits)?;
            change(context, &bytes, asked, family).await
        }
        Route::Groups(family) if method == Method::POST => {
            let (bytes, fields) = read(context, payload).await?;
            let asked = ask::group(fields, query::fields(context.query())?, family, &limits)?;
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

/// Whose request it is is asked before anything is read.
fn query_of(context: &Context) -> Result<Fields, No> {
    auth::authenticate_by(context, &context.state.engine.snapshot(), SCHEMES)?;
    query::fields(context.query())
}

async fn read(context: &Context, mut payload: Payload) -> Result<(Bytes, Fields), No> {
    auth::authenticate_by(context, &context.state.engine.snapshot(), SCHEMES)?;
    let limit = Limit {
        name: "body_bytes",
        value: context.limits().body_bytes,
    };
    let bytes = crate::http::body::read(&context.request, &mut payload, limit).await?;
    let fields = body::fields(&context.request, &bytes)?;
    Ok((bytes, fields))
}

/// One write: what is asked for is decided and done in one transaction.
async fn change(context: &Context, bytes: &[u8], change: Change, family: Family) -> Result<HttpResponse, No> {
    let who = auth::authenticate_by(context, &context.state.engine.snapshot(), SCHEMES)?;
    let write = Write {
        by: who.principal,
        operation: change.name().into(),
        request_id: context.request_id.clone(),
        idempotency: idempotency(context, who.principal, bytes)?,
        dry_run: false,
    };
    let limits = *context.limits();
    let done = context.state.engine.write(write, move |tx| {
        still_known(tx, &who)?;
        let told = match change.run(tx, &who, &limits)? {
            Done::License(listed) => wire::license(family, &listed),
            Done::Assigned(assigned) => wire::assignment(family, &assigned),
            Done::Grouped(grouped) => wire::group(family, &grouped),
            Done::Gone => json!({}),
        };
        Ok::<_, LicenseError>(Reply {
            status: 200,
            body: Arc::from(told.to_string().into_bytes()),
        })
    });
    Ok(written(done.await.map_err(|error| No::of_write(error, family))?)?)
}

fn shown(value: &Value, revision: u64) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("graph-revision", revision))
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .body(value.to_string())
}

async fn list(context: &Context, family: Family) -> Result<HttpResponse, No> {
    let (graph, who) = auth::enter_by(context, |context, graph| auth::authenticate_by(context, graph, SCHEMES)).await?;
    let mut fields = query::fields(context.query())?;
    let limits = *context.limits();
    let page = Numbered::read(&mut fields, &limits);
    let order = query::order(&mut fields, "-id", query::LICENSES)?;
    let verbose = fields.flag("verbose").unwrap_or(false) && family.is_assigned();
    let filter = query::filter(&mut fields, family);
    fields.finish()?;
    let (now, revision) = (context.state.engine.now(), graph.revision());
    let told = beside(move || {
        let look = Look {
            graph: &graph,
            who: &who,
            sold: sold(family),
            now,
            limits: &limits,
        };
        Ok(licenses::list(look, &filter, page.of(order), verbose))
    });
    let (found, count) = told.await?.map_err(No::of_list)?;
    let results = found.iter().map(|listed| wire::license(family, listed)).collect();
    paged(context, page, count, results, revision)
}

async fn assignments(context: &Context, family: Family) -> Result<HttpResponse, No> {
    let (graph, who) = auth::enter_by(context, |context, graph| auth::authenticate_by(context, graph, SCHEMES)).await?;
    let mut fields = query::fields(context.query())?;
    let limits = *context.limits();
    let page = Numbered::read(&mut fields, &limits);
    let order = query::order(&mut fields, "id", query::ASSIGNMENTS)?;
    let (license, pick) = (query::license(&mut fields), query::pick(&mut fields));
    fields.required("license_id", license.serial);
    fields.finish()?;
    let (now, revision) = (context.state.engine.now(), graph.revision());
    let told = beside(move || {
        let look = Look {
            graph: &graph,
            who: &who,
            sold: sold(family),
            now,
            limits: &limits,
        };
        Ok(licenses::assignments(look, &license, &pick, page.of(order)))
    });
    let (found, count) = told.await?.map_err(No::of_list)?;
    let results = found
        .iter()
        .map(|assigned| wire::assignment(family, assigned))
        .collect();
    paged(context, page, count, results, revision)
}

async fn groups(context: &Context, family: Family) -> Result<HttpResponse, No> {
    let (graph, who) = auth::enter_by(context, |context, graph| auth::authenticate_by(context, graph, SCHEMES)).await?;
    let mut fields = query::fields(context.query())?;
    let limits = *context.limits();
    let page = Numbered::read(&mut fields, &limits);
    let order = query::order(&mut fields, "id", query::GROUPS)?;
    let (license, pick) = (query::license(&mut fields), query::pick(&mut fields));
    fields.required("license_id", license.serial);
    fields.finish()?;
    let (now, revision) = (context.state.engine.now(), graph.revision());
    let told = beside(move || {
        let look = Look {
            graph: &graph,
            who: &who,
            sold: sold(family),
            now,
            limits: &limits,
        };
        Ok(licenses::group_assignments(look, &license, &pick, page.of(order)))
    });
    let (found, count) = told.await?.map_err(No::of_list)?;
    let results = found.iter().map(|grouped| wire::group(family, grouped)).collect();
    paged(context, page, count, results, revision)
}

fn paged(
    context: &Context,
    page: Numbered,
    count: usize,
    results: Vec<Value>,
    revision: u64,
) -> Result<HttpResponse, No> {
    page.check(count)?;
    let link = |number: Option<usize>| number.map(|number| link(context, number));
    let told = wire::page(count, link(page.next(count)), link(page.previous()), results);
    Ok(shown(&told, revision))
}

/// The same request for another page, at the host the client knows. By https where that is this server's public address.
fn link(context: &Context, number: usize) -> String {
    let host = context.header("host").unwrap_or_default();
    let issuer = context.state.signer().issuer();
    let scheme = match issuer.strip_prefix("https://").map(|rest| rest.trim_end_matches('/')) {
        Some(public) if public.split('/').next() == Some(host) => "https",
        _ => "http",
    };
    let others = context
        .query()
        .split('&')
        .filter(|pair| !pair.is_empty() && pair.split('=').next() != Some("page"));
    let page = format!("page={number}");
    let pairs: Vec<&str> = others.chain([page.as_str()]).collect();
    format!("{scheme}://{host}{}?{}", context.request.path(), pairs.join("&"))
}

/// Anybody may ask whether an address has a license of a user: yes is 200, no is 404.
async fn check(context: &Context) -> Result<HttpResponse, No> {
    let mut fields = query::fields(context.query())?;
    let address = fields.address("email");
    let address = fields.required("email", address);
    fields.finish()?;
    let (graph, now) = (context.state.engine.snapshot(), context.state.engine.now());
    let (address, revision) = (address.unwrap_or_default(), graph.revision());
    // Somebody may have very many assignments.
    let asked = beside(move || Ok(licenses::is_assigned_to(&graph, sold(Family::User), &address, now)));
    match asked.await? {
        true => Ok(shown(&json!({"detail": "an active license is assigned"}), revision)),
        false => Err(No::not_found("notAssigned", "no active license is assigned")),
    }
}
