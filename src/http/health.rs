//! Is it alive, is it ready, what has it counted, and the documents that describe it.

use std::sync::LazyLock;
use std::sync::atomic::Ordering;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use actix_web::web::Bytes;
use serde_json::json;

use super::problem::Problem;
use super::{Context, auth, schema};

static SCHEMA: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(schema::document()));

/// Live while the process answers at all. Ready while it takes reads and writes and is not about to stop.
pub fn health(context: &Context) -> Result<HttpResponse, Problem> {
    context.parameters(&[])?;
    if context.request.path() == "/health/live" {
        return Ok(HttpResponse::Ok().json(json!({"status": "live"})));
    }
    let health = context.state.engine.health();
    let stopping = health.stopped || context.state.stopping.load(Ordering::SeqCst);
    let problem = if stopping {
        Some("stopping".to_owned())
    } else {
        health.fault
    };
    Ok(match problem {
        None => HttpResponse::Ok().json(json!({"status": "ready", "revision": context.state.engine.revision()})),
        Some(why) => HttpResponse::build(StatusCode::SERVICE_UNAVAILABLE)
            .insert_header((header::RETRY_AFTER, "1"))
            .json(json!({"status": "unready", "reason": why})),
    })
}

/// Open, unless `metrics.open` is off: then for any token that is bound to no organization.
pub fn metrics(context: &Context) -> Result<HttpResponse, Problem> {
    if !context.state.options.metrics_open {
        let who = auth::authenticate(context, &context.state.engine.snapshot())?;
        if who.organization.is_some() {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "permissionMissing",
                "the metrics are about the whole server",
            )
            .help("use a token that is bound to no organization"));
        }
    }
    context.parameters(&[])?;
    Ok(HttpResponse::Ok()
        .insert_header((
            header::CONTENT_TYPE,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ))
        .body(context.state.metrics.text()))
}

/// `/openapi.json` is open to all; `/graph-schema` asks for a token, any token.
pub async fn document(context: &Context) -> Result<HttpResponse, Problem> {
    let body = if context.request.path() == "/openapi.json" {
        context.state.openapi().clone()
    } else {
        auth::enter(context).await?;
        SCHEMA.clone()
    };
    context.parameters(&[])?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .body(body))
}
