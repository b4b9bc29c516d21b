//! Which pages of other origins may read an answer, as their browsers ask.

use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{HttpMessage, HttpResponse};

use super::Context;

/// A browser of a listed origin may ask anything a token lets it; others get no permission, which is the browser's to enforce.
pub(super) fn preflight(context: &Context) -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    if context
        .request
        .headers()
        .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
    {
        response.insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST, PUT, DELETE"));
        response.insert_header((
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type, idempotency-key, if-match, if-none-match, graph-at-least, last-event-id, locale, \
             x-request-id",
        ));
        response.insert_header((header::ACCESS_CONTROL_MAX_AGE, "600"));
    }
    response.finish()
}

/// Pages of a listed origin may read the answer.
pub(super) fn allow(context: &Context, headers: &mut HeaderMap) {
    // Whoever keeps an answer must not give the one of an origin to another, or that of none to any.
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
    let Some(origin) = context.request.headers().get(header::ORIGIN) else {
        return;
    };
    let allowed = &context.state.options.cors_origins;
    if allowed
        .iter()
        .any(|allowed| allowed == "*" || allowed.as_bytes() == origin.as_bytes())
    {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("etag, graph-revision, idempotency-replayed, link, retry-after, x-request-id"),
        );
    }
}

/// Browsers of any origin may ask, since a token is sent by the page itself and never by the browser (`licensing.md` 1.1).
pub(super) fn allow_any(context: &Context, headers: &mut HeaderMap) {
    if context.request.headers().contains_key(header::ORIGIN) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("graph-revision, idempotency-replayed, retry-after, x-request-id"),
        );
    }
}
