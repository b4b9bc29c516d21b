//! Bodies of the types the vendor's clients send: JSON, a form, and a form in parts (`doors.md` B.1). One without a type is JSON.

use actix_http::{HttpMessage, Request};
use actix_web::http::{StatusCode, header};
use actix_web::web::Bytes;
use serde_json::{Map, Value};

use super::fields::Fields;
use super::reason::No;
use crate::http::problem::Problem;
use crate::http::{body, door};
use crate::limits::Limits;

pub fn fields(request: &Request, bytes: &Bytes, limits: &Limits) -> Result<Fields, No> {
    body::refuse_encoding(request)?;
    match body::media_type(request).as_deref() {
        None => json(bytes),
        Some(kind) if kind == "application/json" || kind.ends_with("+json") => json(bytes),
        Some("application/x-www-form-urlencoded") => {
            let text = std::str::from_utf8(bytes).map_err(|_| No::bad_request("notUtf8", "the form is not UTF-8"))?;
            let pairs = door::pairs(text.trim_end_matches(['\r', '\n']), limits.parameters())?;
            Ok(Fields::of_pairs(pairs))
        }
        Some("multipart/form-data") => {
            let sent = request.headers().get(header::CONTENT_TYPE);
            let boundary = sent.and_then(|value| boundary(value.to_str().ok()?));
            let boundary = boundary.ok_or_else(|| broken("the Content-Type names no boundary"))?;
            let parts = parts(bytes, &boundary)?;
            door::within(parts.len(), limits.parameters())?;
            Ok(Fields::of_pairs(parts))
        }
        Some(other) => {
            let detail = format!("a body of type `{other}` is not understood here");
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupportedMediaType", detail).into())
        }
    }
}

fn json(bytes: &[u8]) -> Result<Fields, No> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Fields::of_json(Map::new()));
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(members)) => Ok(Fields::of_json(members)),
        Ok(_) => Err(No::whole("Invalid data. Expected a JSON object.")),
        Err(error) => Err(No::bad_request("badBody", format!("JSON parse error - {error}"))),
    }
}

fn broken(why: &str) -> No {
    No::bad_request("badBody", format!("Multipart form parse error - {why}"))
}

fn boundary(content_type: &str) -> Option<String> {
    let mut parameters = content_type.split(';').skip(1);
    let value = parameters.find_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then_some(value)
    })?;
    let value = value.trim_matches('"');
    (!value.is_empty() && value.len() <= 70).then(|| value.to_owned())
}

/// The parts that are texts (RFC 7578). A file is none, and no member of any body here.
fn parts(bytes: &[u8], boundary: &str) -> Result<Vec<(String, String)>, No> {
    let text = std::str::from_utf8(bytes).map_err(|_| broken("it is not UTF-8"))?;
    let delimiter = format!("--{boundary}");
    // What is before the first delimiter is for nobody.
    let (_, mut rest) = text
        .split_once(delimiter.as_str())
        .ok_or_else(|| broken("there is no boundary"))?;
    let next = format!("\r\n{delimiter}");
    let mut pairs = Vec::new();
    loop {
        if rest.starts_with("--") {
            return Ok(pairs);
        }
        let part = rest.trim_start_matches([' ', '\t']).strip_prefix("\r\n");
        let (part, after) = part
            .and_then(|part| part.split_once(next.as_str()))
            .ok_or_else(|| broken("a part does not end"))?;
        // A part without headers begins with the empty line.
        let (head, value) = match part.strip_prefix("\r\n") {
            Some(value) => ("", value),
            None => part
                .split_once("\r\n\r\n")
                .ok_or_else(|| broken("a part has no content"))?,
        };
        let name = name(head).ok_or_else(|| broken("a part has no name"))?;
        pairs.push((name, value.to_owned()));
        rest = after;
    }
}

fn name(head: &str) -> Option<String> {
    let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let (_, disposition) = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-disposition"))?;
    let mut parameters = disposition
        .split(';')
        .skip(1)
        .filter_map(|one| one.trim().split_once('='));
    let (_, value) = parameters.find(|(name, _)| name.eq_ignore_ascii_case("name"))?;
    Some(value.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read() {
        let check = |body: &str, expected: Option<&[(&str, &str)]>| {
            let owned = |pairs: &[(&str, &str)]| {
                let pairs = pairs
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
                pairs.collect::<Vec<_>>()
            };
            assert_eq!(parts(body.as_bytes(), "x").ok(), expected.map(owned), "{body:?}");
        };
        check(
            "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x\r\ncontent-disposition: form-data; name=b\r\nContent-Type: text/plain\r\n\r\ntwo\r\nlines\r\n--x--\r\n",
            Some(&[("a", "1"), ("b", "two\r\nlines")]),
        );
        check("preamble\r\n--x--", Some(&[]));
        check(
            "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n--x--",
            Some(&[("a", "")]),
        );
        for body in [
            "",
            "--y--",
            "--x",
            "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1",
            "--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--",
            "--x\r\nname=a\r\n--x--",
            "--x\r\n\r\nnameless\r\n--x--",
        ] {
            check(body, None);
        }
    }

    #[test]
    fn a_boundary_is_read() {
        for (sent, expected) in [
            ("multipart/form-data; boundary=x", Some("x")),
            ("multipart/form-data;charset=utf-8; Boundary=\"a b\"", Some("a b")),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
        ] {
            assert_eq!(boundary(sent).as_deref(), expected, "{sent}");
        }
    }
}
