//! `GET /graph/<selector>`: decode, parse, snapshot, View, plan, evaluate, serialise; and sign, where `.jwt` asks for that.

mod claims;
mod question;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, web};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use claims::sign;
use question::{Answered, Asked, Question, Worth, canonical};

use super::cursor::tell_next;
use super::parameters::Parameters;
use super::problem::{Problem, internal};
use super::remembered::{Fresh, Key};
use super::{Context, GRAPH_REVISION, auth, keys, operation, target};
use crate::access::{Permission, Who};
use crate::error::Error;
use crate::graph::Graph;
use crate::model::Revision;
use crate::query::Position;
use crate::selector;
use crate::selector::ast::Format;

/// One entity may be kept by its reader, and is asked for again by its tag.
const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache");

pub async fn read(context: &Context) -> Result<HttpResponse, Problem> {
    let sent = context.raw_target().strip_prefix("/graph").unwrap_or_default();
    let split = target::split(sent);
    if let Ok(raw) = &split
        && operation::is_meant(context, raw)
    {
        return Box::pin(operation::answer(context, None, raw.clone())).await;
    }
    let key = auth::bearer(context).map(|token| context.worker.remembered.borrow().key(sent, token));
    let known = key.filter(|key| context.worker.remembered.borrow().has(*key));
    let (graph, who) = auth::enter(context).await?;
    if let Some(key) = known
        && let Some(response) = told_before(context, key, sent, &who, &graph)
    {
        return Ok(response);
    }
    let raw = split.map_err(|error| Problem::from(error).beneath(sent))?;
    let limits = context.limits();
    let known = context.worker.statements.borrow_mut().find(&raw.selector);
    let (asked, format, is_canonical) = match known {
        Some(found) => (Some(Asked::Prepared(found.query)), found.format, found.is_canonical),
        None => {
            let target = selector::parse_target(&raw.selector, limits)
                .map_err(|error| Problem::from(error).beneath(&raw.selector))?;
            (target.selector.map(Asked::Parsed), target.format, false)
        }
    };
    let signed = format == Some(Format::Jwt);
    if !signed {
        refuse_format(format)?;
    }
    Parameters::within(raw.pairs.len() + raw.includes.len(), limits.parameters())?;
    let known: &[&str] = if signed {
        &["wrap", "cursor", "alg"]
    } else {
        &["wrap", "explain", "cursor"]
    };
    let parameters = Parameters::new(raw.pairs, known, limits.parameters())?;
    let Some(asked) = asked else {
        return Err(
            Problem::bad_request("selectorMissing", "there is no selector after `/graph`")
                .help("for example `/graph/Organization`; `GET /graph-schema` lists the types"),
        );
    };
    let includes = raw
        .includes
        .iter()
        .map(|include| selector::parse_include(include, limits).map_err(|error| Problem::from(error).beneath(include)))
        .collect::<Result<Vec<_>, _>>()?;
    let explain = parameters.flag("explain", false)?;
    if explain {
        who.require_unbound(Permission::ServerExplain).map_err(Error::from)?;
    }
    // Claims are an object, however they are asked for.
    let wrap = parameters.flag("wrap", true)? || signed;
    let algorithm = keys::algorithm(parameters.text("alg"))?;
    let after = after(context, &parameters, &asked, &raw.selector, &who)?;
    let revision = graph.revision();
    let profile = who.principal.profile;
    let asker = key.map(|key| (key, who.clone()));
    // A cursor goes on wherever the first page began: it is sent without `i`.
    let onward = (!wrap && asked.has_index()).then(|| {
        let suffix = if format == Some(Format::Json) { ".json" } else { "" };
        canonical(&raw.selector, limits) + suffix
    });
    let question = Question {
        state: Arc::clone(&context.state),
        graph,
        who,
        text: raw.selector,
        is_canonical,
        includes,
        include_texts: raw.includes,
        wrap,
        signed,
        explain,
        after,
        seen: key.and_then(|key| context.worker.remembered.borrow().seen(key)),
        request_id: context.request_id.clone(),
    };
    // On this thread if it is short, else beside the workers; it is moved only then.
    let answered = match question.begin(asked, format, &context.worker.statements, &context.worker.sender) {
        Ok(answered) => {
            // Nothing waits for a signature with a graph in its hands.
            drop(question);
            answered
        }
        Err(planned) => web::block(move || question.finish(&planned))
            .await
            .map_err(|_| internal("the query was cut off"))?,
    }?;

    if signed {
        // Kept apart: a read would carry the room of it.
        return Box::pin(sign(context, answered, revision, profile, algorithm)).await;
    }
    Ok(respond(
        context,
        answered,
        revision,
        wrap,
        onward.as_deref(),
        sent,
        asker,
    ))
}

/// What was answered to the same before, if it would be answered again.
fn told_before(context: &Context, key: Key, sent: &str, who: &Who, graph: &Graph) -> Option<HttpResponse> {
    let body = context.worker.remembered.borrow_mut().find(key, sent, who, graph)?;
    context.state.metrics.remembered.inc();
    let mut response = HttpResponse::Ok();
    response.insert_header((GRAPH_REVISION, graph.revision()));
    response.insert_header((header::CONTENT_TYPE, super::JSON));
    Some(response.body(body))
}

/// Where to go on, of what came with a cursor.
fn after(
    context: &Context,
    parameters: &Parameters,
    asked: &Asked,
    selector: &str,
    who: &Who,
) -> Result<Option<Position>, Problem> {
    let Some(cursor) = parameters.text("cursor") else {
        return Ok(None);
    };
    if asked.has_index() {
        return Err(
            Problem::bad_request("cursorWithIndex", "`cursor` and `{i=…}` are both given")
                .parameter("cursor")
                .help("a cursor says where to go on; leave `i` out"),
        );
    }
    let bound = canonical(selector, context.limits());
    let after = context.state.cursors.open(cursor, &bound, who.principal);
    after.map(Some).ok_or_else(|| {
        Problem::bad_request(
            "badCursor",
            "this cursor was not given for this selector and this caller",
        )
        .parameter("cursor")
        .help("a cursor goes on where the same selector's answer ended; begin again without one")
    })
}

/// The answer with its headers. It is remembered for the one who asked, if that is worth anything.
fn respond(
    context: &Context,
    answered: Answered,
    revision: Revision,
    wrap: bool,
    onward: Option<&str>,
    sent: &str,
    asker: Option<(Key, Who)>,
) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((GRAPH_REVISION, revision));
    if let Some(tag) = answered.tag {
        let tag = format!("\"{tag}\"");
        response.insert_header((header::CACHE_CONTROL, PRIVATE));
        if context.has_already(&tag) {
            response
                .status(StatusCode::NOT_MODIFIED)
                .insert_header((header::ETAG, tag));
            return response.finish();
        }
        response.insert_header((header::ETAG, tag));
    }
    let mut body = answered.body;
    let mut is_all = true;
    if let Some(cursor) = answered.next {
        if wrap {
            // The answer ends in `}`: the cursor goes in before it.
            body.pop();
            tell_next(&mut body, &cursor);
            body.push(b'}');
        } else {
            is_all = false;
            response.insert_header((
                header::LINK,
                format!("<{}>; rel=\"next\"", next_target(context, sent, onward, &cursor)),
            ));
        }
    }
    response.insert_header((header::CONTENT_TYPE, super::JSON));
    if let Some((key, who)) = asker.filter(|_| is_all) {
        let mut remembered = context.worker.remembered.borrow_mut();
        if !matches!(answered.worth, Worth::Nothing) {
            remembered.saw(key, revision);
        }
        if let Worth::Keeping(made_of) = answered.worth {
            let fresh = Fresh {
                target: sent,
                who: &who,
                revision,
                made_of,
                body: &body,
            };
            remembered.keep(key, fresh);
        }
    }
    response.body(body)
}

/// The answer is JSON; other formats are known and refused. What a GET asks as `.jwt` does not come here.
pub fn refuse_format(format: Option<Format>) -> Result<(), Problem> {
    let (name, why) = match format {
        None | Some(Format::Json) => return Ok(()),
        Some(Format::Jwt) => ("jwt", "only a GET of a selector is answered by a signed token"),
        Some(Format::Xml) => ("xml", "answers are JSON"),
        Some(Format::Txt) => ("txt", "answers are JSON"),
    };
    Err(Problem::new(
        StatusCode::NOT_ACCEPTABLE,
        "formatNotAvailable",
        format!("no answer in the format `{name}`"),
    )
    .help(format!("{why}: leave the suffix out, or use `.json`")))
}

/// A list of entity tags, or `*`. Comparison is weak (RFC 9110 13.1.2): ours are strong anyway.
pub fn matches_tag(sent: &str, tag: &str) -> bool {
    sent.trim() == "*" || sent.split(',').any(|one| one.trim().trim_start_matches("W/") == tag)
}

/// The rest of a path that a selector stands in, as it can be sent and written between `<` and `>`.
const IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`');

/// What was asked for, and a cursor. `onward`: the selector without its `i`, if it has one.
fn next_target(context: &Context, sent: &str, onward: Option<&str>, cursor: &str) -> String {
    let onward = onward.map(|selector| utf8_percent_encode(selector, IN_PATH).to_string());
    let target = target::with_cursor(sent, onward.as_deref(), cursor);
    // A `;` may stand in a target, but there are clients that take it for the end of the address.
    context.below_public(&format!("/graph{target}")).replace(';', "%3B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_weakly() {
        for (sent, matches) in [
            ("\"7\"", true),
            ("W/\"7\"", true),
            ("\"6\", \"7\"", true),
            ("*", true),
            ("\"8\"", false),
            ("7", false),
        ] {
            assert_eq!(matches_tag(sent, "\"7\""), matches, "{sent}");
        }
    }
}
