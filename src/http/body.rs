//! Request bodies: how much of one is taken, how long it may take, and of which type it is.

use std::time::Duration;

use actix_http::error::PayloadError;
use actix_http::{HttpMessage, Request};
use actix_web::dev::Payload;
use actix_web::http::{StatusCode, header};
use actix_web::web::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::problem::Problem;
use crate::limits::Limit;

/// A body that is not here by then is not coming.
pub const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// The whole body, at most `limit` bytes of it, within the deadline.
pub async fn read(request: &Request, payload: &mut Payload, limit: Limit) -> Result<Bytes, Problem> {
    let too_large = || {
        let detail = format!("the body has more than {} bytes", limit.value);
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "bodyTooLarge", detail)
            .limit(limit)
            .help("send it in parts, or use `POST /import` for much data")
    };
    let announced = length(request);
    if announced.is_some_and(|length| length > limit.value) {
        return Err(too_large());
    }
    let whole = async {
        let mut body = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|error| broken(&error))?;
            if (body.len() + chunk.len()) as u64 > limit.value {
                return Err(too_large());
            }
            // The usual body is one chunk, and is then not copied.
            if body.is_empty() && announced == Some(chunk.len() as u64) {
                return Ok(chunk);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    };
    let body = match tokio::time::timeout(BODY_DEADLINE, whole).await {
        Ok(body) => body?,
        Err(_) => return Err(slow()),
    };
    // The bytes first: what media they are is asked of the few that may be refused.
    if let Err(problem) = refuse_mark(&body)
        && media_type(request).is_some_and(|media| is_json(&media))
    {
        return Err(problem);
    }
    Ok(body)
}

/// Where none is read, one that was sent would be lost without a word.
pub async fn refuse(request: &Request, payload: &mut Payload) -> Result<(), Problem> {
    let refused = Problem::bad_request("bodyNotAllowed", "a DELETE of `/graph` takes no body")
        .help("what is to go is said by the selector; leave the body out");
    if length(request).is_some_and(|length| length > 0) {
        return Err(refused);
    }
    // In chunks it has no length, and may be empty.
    match tokio::time::timeout(BODY_DEADLINE, payload.next()).await {
        Ok(None) => Ok(()),
        Ok(Some(Ok(_))) => Err(refused),
        Ok(Some(Err(error))) => Err(broken(&error)),
        Err(_) => Err(slow()),
    }
}

/// What some editors write looks like JSON and is none: a mark stands before it, or each letter has two bytes.
pub fn refuse_mark(body: &[u8]) -> Result<(), Problem> {
    let why = match body {
        [0xef, 0xbb, 0xbf, ..] => "it begins with a byte order mark",
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..] => "it is UTF-16",
        _ => return Ok(()),
    };
    Err(Problem::bad_request("notJson", format!("the body is not JSON: {why}"))
        .pointer("")
        .help("save it as UTF-8 without a byte order mark"))
}

pub fn broken(error: &PayloadError) -> Problem {
    let why = match error {
        PayloadError::Incomplete(_) => "it ended too early, or is not cut into chunks as it should be".to_owned(),
        other => other.to_string(),
    };
    Problem::bad_request("brokenBody", format!("the body broke off: {why}")).help("send it again, to its end")
}

pub fn slow() -> Problem {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "bodyTooSlow",
        "the body did not arrive in time",
    )
    .help("nothing was written; send it again, faster")
}

fn length(request: &Request) -> Option<u64> {
    request
        .headers()
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// The media type without its parameters, lower case.
pub fn media_type(request: &Request) -> Option<String> {
    let value = request.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// Refuses what is not JSON, and what is packed: a small packed body can be a large one.
pub fn require_json(request: &Request) -> Result<(), Problem> {
    refuse_encoding(request)?;
    let detail = match media_type(request).as_deref() {
        Some(media) if is_json(media) => return Ok(()),
        Some(other) => format!("a body of type `{other}` is not understood here"),
        None => "the body has no Content-Type".to_owned(),
    };
    Err(
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupportedMediaType", detail)
            .help("send `Content-Type: application/json`"),
    )
}

/// A patch is no object, whatever it is written in.
pub fn is_json(media: &str) -> bool {
    media == "application/json" || media.ends_with("+json") && !media.ends_with("patch+json")
}

pub fn refuse_encoding(request: &Request) -> Result<(), Problem> {
    let mut encodings = request.headers().get_all(header::CONTENT_ENCODING);
    match encodings.find(|encoding| *encoding != "identity") {
        None => Ok(()),
        Some(encoding) => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupportedEncoding",
            format!(
                "a body encoded as `{}` is not taken",
                String::from_utf8_lossy(encoding.as_bytes())
            ),
        )
        .help("send the body as it is, without Content-Encoding")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_in_another_encoding_is_told_so() {
        for (body, is_refused) in [
            (&b""[..], false),
            (b"{}", false),
            (b"\xef\xbb\xbf{}", true),
            (b"\xff\xfe{\0}\0", true),
            (b"\xfe\xff\0{\0}", true),
            (b"{\0}\0", true),
            (b"\0{\0}", true),
        ] {
            assert_eq!(refuse_mark(body).is_err(), is_refused, "{body:?}");
        }
    }
}
