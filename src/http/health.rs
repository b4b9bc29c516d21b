//! Is it alive, is it ready, what has it counted, and the documents that describe it.

use std::path::Path;
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
            .json(json!({"status": "unready", "reason": without_paths(&why)})),
    })
}

/// Anybody asks: where the database lies is for the log.
fn without_paths(why: &str) -> String {
    let is_path = |quoted: &str| Path::new(quoted).is_absolute();
    let mut told = String::with_capacity(why.len());
    let mut rest = why;
    while let Some((before, quoted, after)) = rest
        .split_once('`')
        .and_then(|(before, more)| more.split_once('`').map(|(quoted, after)| (before, quoted, after)))
    {
        told.push_str(before);
        match is_path(quoted) {
            true => told.push_str("the database"),
            false => told.extend(["`", quoted, "`"]),
        }
        rest = after;
    }
    told + rest
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_database_lies_is_not_told() {
        for (why, expected) in [
            (
                "`/var/lib/seats.db`: the disk is full",
                "the database: the disk is full",
            ),
            (
                "the database is read-only: cannot write `/a b/c.db`: no",
                "the database is read-only: cannot write the database: no",
            ),
            ("commit `4` follows `2`", "commit `4` follows `2`"),
            ("a ` alone", "a ` alone"),
            ("stopping", "stopping"),
        ] {
            assert_eq!(without_paths(why), expected);
        }
    }
}
