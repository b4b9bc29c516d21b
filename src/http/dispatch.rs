//! Which handler a request is for, and what every answer gets. One service takes every request and looks at the path itself: a
//! selector is percent-decoded once, in `target`, and never by a router.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future as _, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_http::{ConnectionType, Request};
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::Payload;
use actix_web::http::header::HeaderValue;
use actix_web::http::{Method, StatusCode, Version, header};
use actix_web::{HttpMessage, HttpResponse};
use futures_util::FutureExt;

use super::connection::Outgoing;
use super::connection::turns::Body;
use super::connection::watch::UnderWay;
use super::context::Worker;
use super::metrics::Route;
use super::problem::{Problem, internal};
use super::{Context, NO_SNIFF, REQUEST_ID, State, origins};
use super::{audit, authz, available, bulk, checks, events, graph, health, keys, leases, tokens, transactions, write};

/// Every request comes here. A panic in a handler is answered 500, counted, and ends nothing else.
pub(super) async fn dispatch(
    state: Arc<State>,
    worker: Rc<Worker>,
    mut request: Request,
) -> Result<HttpResponse, Infallible> {
    worker.sender.begin();
    let started = Instant::now();
    let mut payload = request.take_payload();
    let body = Body::of(&request, &payload);
    let mut under_way = request
        .conn_data::<Rc<Outgoing>>()
        .cloned()
        .map(|outgoing| UnderWay::new(outgoing, body));
    if let Some(under_way) = &under_way
        && request.headers().contains_key(header::TRANSFER_ENCODING)
    {
        payload = under_way.reads(payload);
    }
    let request_id = state.request_ids.of(request.headers());
    let context = Context {
        state,
        worker,
        is_cut: under_way.as_ref().is_some_and(UnderWay::has_fragment),
        caller: Cell::default(),
        has_written: Cell::default(),
        request,
        request_id,
    };
    let route = match route(context.request.path(), context.request.method()) {
        Route::Other if context.state.door(context.request.path()).is_some() => Route::Door,
        route => route,
    };
    let mut answer = pin!(AssertUnwindSafe(answer(&context, route, payload)).catch_unwind());
    let mut waited = false;
    let answered = poll_fn(|task| {
        let polled = answer.as_mut().poll(task);
        waited |= polled.is_pending();
        polled
    })
    .await;
    if waited {
        context.worker.sender.waited();
    }
    let mut response = match answered {
        Ok(Ok(response)) => response,
        Ok(Err(problem)) => {
            problem.log(&context.request_id);
            problem.respond(&context.request_id)
        }
        Err(_) => {
            context.state.metrics.panics.inc();
            tracing::error!(request_id = %context.request_id, "a request ended in a panic");
            internal("the request ended unexpectedly").respond(&context.request_id)
        }
    };
    if context.request.method() != Method::HEAD {
        let is_told = context.has_written.get() || !response.status().is_success();
        let held = context.state.unread.hold(context.caller.get(), is_told, response);
        response = held.unwrap_or_else(|problem| problem.respond(&context.request_id));
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&context.request_id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
    if route == Route::WellKnown {
        // What is public is so for the pages of any origin.
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    } else if !context.state.options.cors_origins.is_empty() {
        origins::allow(&context, headers);
    }
    if route == Route::Authz {
        origins::allow_any(&context, headers);
    }
    let is_stream = response.body().size() == BodySize::Stream;
    if context.request.version() < Version::HTTP_11 && is_stream {
        // It knows no chunks: the stream is sent as it is, and ends with the connection, even one it would keep.
        let head = response.head_mut();
        head.no_chunking(true);
        head.set_connection_type(ConnectionType::Close);
    }
    let has_come = match &under_way {
        Some(under_way) => under_way.has_come(body).await,
        None => true,
    };
    if !has_come {
        // actix-http would close it too, but take what comes behind for the next request first.
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    if context.request.head().connection_type() == ConnectionType::Upgrade {
        // It is answered as it was asked, by HTTP/1.1, and nothing is read of it after that: so it is told, and not that the
        // connection is something else from here on.
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    // Heads are used again with the version of the answer before: of an older one nothing would be known to be kept.
    response.head_mut().version = Version::HTTP_11;
    let ends = [
        context.request.head().connection_type(),
        response.head().connection_type(),
    ];
    if let Some(under_way) = &mut under_way
        && ends.contains(&ConnectionType::Close)
    {
        under_way.ends();
    }
    if let Some(under_way) = under_way
        && is_stream
    {
        response = response.map_body(|_, body| under_way.streams(body));
    }
    let took = started.elapsed();
    context.state.metrics.count(route, response.status().as_u16(), took);
    log(&context, &response, took);
    Ok(response)
}

/// Neither the selector nor the query is logged: they hold names and addresses of people.
fn log(context: &Context, response: &HttpResponse, took: Duration) {
    let options = &context.state.options;
    let slow = options.log_slow.is_some_and(|slow| took > slow);
    if !slow && !options.log_requests {
        return;
    }
    let (method, status, micros) = (
        context.request.method(),
        response.status().as_u16(),
        took.as_micros() as u64,
    );
    let path = first_segment(context.request.path());
    if slow {
        tracing::warn!(request_id = %context.request_id, %method, path, status, micros, "slow request");
    } else {
        tracing::info!(request_id = %context.request_id, %method, path, status, micros, "request");
    }
}

fn first_segment(path: &str) -> &str {
    // A point in front ends no name: `/.well-known`.
    let begin = if path.starts_with("/.") { 2 } else { 1.min(path.len()) };
    let end = path[begin..]
        .find(['/', '.', '?', '%'])
        .map_or(path.len(), |at| begin + at);
    &path[..end]
}

fn route(path: &str, method: &Method) -> Route {
    if is_graph(path) {
        return if method == Method::GET || method == Method::HEAD {
            Route::GraphRead
        } else {
            Route::GraphWrite
        };
    }
    match path {
        path if authz::is_meant(path) => Route::Authz,
        "/tokens" => Route::Tokens,
        "/keys" => Route::Keys,
        "/.well-known/jwks.json" | "/user/.well-known/jwks.json" | "/.well-known/openid-configuration" => {
            Route::WellKnown
        }
        "/audit" => Route::Audit,
        "/events" => Route::Events,
        "/import" => Route::Import,
        "/export" => Route::Export,
        "/backup" => Route::Backup,
        "/openapi.json" | "/graph-schema" => Route::Documents,
        "/health/live" | "/health/ready" => Route::Health,
        "/metrics" => Route::Metrics,
        "/checks" => Route::Checks,
        "/leases" => Route::Leases,
        path if path.starts_with("/leases/") => Route::Leases,
        path if available::user(path).is_some() => Route::Available,
        path if path.starts_with("/tokens/") => Route::Tokens,
        path if path.starts_with("/event/get/") => Route::EventFeed,
        path if transactions::is_meant(path) => Route::Transactions,
        _ => Route::Other,
    }
}

/// `/graph`, `/graph/…` and `/graph.json`, but not `/graph-schema`.
fn is_graph(path: &str) -> bool {
    // A client that encodes a whole selector encodes the slash it begins with.
    path.strip_prefix("/graph")
        .is_some_and(|rest| matches!(rest.as_bytes(), [] | [b'/' | b'.', ..] | [b'%', b'2', b'F' | b'f', ..]))
}

async fn answer(context: &Context, route: Route, payload: Payload) -> Result<HttpResponse, Problem> {
    if context.is_cut {
        let problem = Problem::bad_request(
            "brokenTarget",
            "the target has a `#`, behind which nothing would be read",
        );
        return Err(problem.help("write `#` as `%23`"));
    }
    let method = context.request.method();
    if method == Method::OPTIONS {
        return Ok(origins::preflight(context));
    }
    match route {
        Route::GraphRead => graph::read(context).await,
        Route::Authz if let Some(checked) = authz::at_once(context) => checked,
        // Kept apart: a read would carry the room of the largest of them wherever its future goes.
        _ => Box::pin(answer_others(context, route, payload)).await,
    }
}

async fn answer_others(context: &Context, route: Route, payload: Payload) -> Result<HttpResponse, Problem> {
    let method = context.request.method();
    let reads = method == Method::GET || method == Method::HEAD;
    match route {
        Route::GraphRead => graph::read(context).await,
        Route::GraphWrite => write::write(context, payload).await,
        Route::Authz => authz::answer(context, payload).await,
        Route::Checks => checks::answer(context, payload).await,
        Route::Leases => leases::answer(context).await,
        Route::Available => available::answer(context).await,
        Route::Tokens => tokens::answer(context, payload).await,
        Route::Keys => keys::answer(context, payload).await,
        Route::Transactions => transactions::answer(context, payload).await,
        Route::Door if let Some(door) = context.state.door(context.request.path()) => {
            Ok((door.answer)(context, payload).await)
        }
        Route::Import if method == Method::POST => bulk::import(context, payload).await,
        Route::Import => Err(Problem::method_not_allowed(method.as_str(), "POST")),
        _ if !reads && route != Route::Other => Err(Problem::method_not_allowed(method.as_str(), "GET, HEAD")),
        Route::WellKnown => keys::well_known(context).await,
        Route::Audit => audit::read(context).await,
        Route::Events => events::follow(context).await,
        Route::EventFeed => events::get(context).await,
        Route::Export => bulk::export(context).await,
        Route::Backup => bulk::backup(context).await,
        Route::Documents => health::document(context).await,
        Route::Health => health::health(context),
        Route::Metrics => health::metrics(context),
        Route::Door | Route::Other => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "unknownPath",
            format!("there is nothing at `{}`", context.request.path()),
        )
        .help("`/openapi.json` lists every path")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_their_routes() {
        for (path, method, expected) in [
            ("/graph", Method::GET, Route::GraphRead),
            ("/graph/", Method::POST, Route::GraphWrite),
            ("/graph/me.json", Method::HEAD, Route::GraphRead),
            ("/graph.json", Method::GET, Route::GraphRead),
            ("/graph%2fProfile", Method::GET, Route::GraphRead),
            ("/graph%20", Method::GET, Route::Other),
            ("/graph-schema", Method::GET, Route::Documents),
            ("/graphs", Method::GET, Route::Other),
            ("/tokens/x", Method::DELETE, Route::Tokens),
            ("/keys", Method::POST, Route::Keys),
            ("/keys/x", Method::GET, Route::Other),
            ("/user/.well-known/jwks.json", Method::GET, Route::WellKnown),
            ("/.well-known/other", Method::GET, Route::Other),
            ("/authz", Method::GET, Route::Authz),
            ("/authz.jwt", Method::POST, Route::Authz),
            ("/authz/.json", Method::GET, Route::Authz),
            ("/authzx", Method::GET, Route::Other),
            ("/checks", Method::POST, Route::Checks),
            ("/leases/x", Method::DELETE, Route::Leases),
            (
                "/api/entitlement/v1/users/me/available-licenses",
                Method::GET,
                Route::Available,
            ),
            ("/audit", Method::GET, Route::Audit),
            ("/audit/x", Method::GET, Route::Other),
            ("/events", Method::GET, Route::Events),
            ("/event/get/License/x", Method::GET, Route::EventFeed),
            ("/event/put", Method::POST, Route::Other),
            ("/", Method::GET, Route::Other),
        ] {
            assert_eq!(route(path, &method), expected, "{path}");
        }
    }

    #[test]
    fn a_logged_path_names_nobody() {
        for (path, logged) in [
            ("/graph/Profile[@id='x']", "/graph"),
            ("/graph.json", "/graph"),
            ("/graph%2FProfile", "/graph"),
            ("/.well-known/jwks.json", "/.well-known"),
            ("/..%2FProfile", "/."),
            ("//Profile", "/"),
            ("/.", "/."),
            ("/", "/"),
            ("", ""),
        ] {
            assert_eq!(first_segment(path), logged);
        }
    }
}
