//! The target of a request to `/graph`, as it came over the wire, taken apart: selector, parameters and includes,
//! percent-decoded once. Knows of the selector only its quotes; what the parts mean is asked elsewhere.
//!
//! A client may encode all of a selector, some of it or nothing, so that a raw `?` or `&` between quotes is a character
//! like any other. HTTP libraries split a target at its first `?`, wherever it stands: what is taken apart here is the
//! whole of it.

use crate::selector::ast::Span;
use crate::selector::caret;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawTarget {
    /// Everything before the query, decoded: empty, or with its leading `/`, and with a format if there was one.
    pub selector: String,
    /// Parameters in their order, decoded as forms are.
    pub pairs: Vec<(String, String)>,
    /// Names of parameters that begin with `/~`, decoded as forms are.
    pub includes: Vec<String>,
}

/// A target whose encoding is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TargetError {
    /// `brokenEscape` or `notUtf8`.
    pub code: &'static str,
    pub message: String,
    pub help: &'static str,
    /// Bytes of the target as it was sent.
    pub span: Span,
}

impl TargetError {
    /// The target with `^^^` beneath the place.
    pub fn caret(&self, raw: &str) -> String {
        caret(raw, self.span)
    }
}

/// Takes apart what follows `/graph` in a request target: path and query, still encoded.
pub fn split(raw: &str) -> Result<RawTarget, TargetError> {
    let path = end_outside_texts(raw, 0, b'?');
    let mut target = RawTarget {
        selector: decode(raw, 0, path, false)?,
        ..RawTarget::default()
    };
    let mut start = path + 1;
    while start < raw.len() {
        let end = if begins_include(raw, start) {
            end_outside_texts(raw, start, b'&')
        } else {
            find(raw, start, b'&')
        };
        if begins_include(raw, start) {
            // Libraries that build queries write a name without a value with a `=`.
            let named = if raw[start..end].ends_with('=') { end - 1 } else { end };
            target.includes.push(decode(raw, start, named, true)?);
        } else if start < end {
            let equals = find(raw, start, b'=').min(end);
            let value = decode(raw, (equals + 1).min(end), end, true)?;
            target.pairs.push((decode(raw, start, equals, true)?, value));
        }
        start = end + 1;
    }
    Ok(target)
}

/// The same target, still encoded, with this cursor in place of the one it had, and with another selector if one is given.
pub fn with_cursor(raw: &str, selector: Option<&str>, cursor: &str) -> String {
    let path = end_outside_texts(raw, 0, b'?');
    let mut target = selector.unwrap_or(&raw[..path]).to_owned();
    let mut start = path + 1;
    let mut before = '?';
    while start < raw.len() {
        let (end, is_old) = match begins_include(raw, start) {
            true => (end_outside_texts(raw, start, b'&'), false),
            false => {
                let end = find(raw, start, b'&');
                let name = decode(raw, start, find(raw, start, b'=').min(end), true);
                (end, name.is_ok_and(|name| name == "cursor"))
            }
        };
        let piece = &raw[start..end];
        if !piece.is_empty() && !is_old {
            target.push(std::mem::replace(&mut before, '&'));
            target.push_str(piece);
        }
        start = end + 1;
    }
    target.push(before);
    target.push_str("cursor=");
    target.push_str(cursor);
    target
}

/// A byte as it is meant, and how many stand for it. A `%` that begins no escape stands for itself here; `decode` refuses it.
#[derive(Clone, Copy)]
struct Unit {
    byte: u8,
    length: usize,
}

fn unit(raw: &[u8], at: usize) -> Option<Unit> {
    let first = *raw.get(at)?;
    let escaped = (first == b'%')
        .then(|| Some(digit(raw, at + 1)? * 16 + digit(raw, at + 2)?))
        .flatten();
    Some(escaped.map_or(Unit { byte: first, length: 1 }, |byte| Unit { byte, length: 3 }))
}

fn digit(raw: &[u8], at: usize) -> Option<u8> {
    char::from(*raw.get(at)?)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// Where a raw byte stands first, or the end.
fn find(raw: &str, from: usize, wanted: u8) -> usize {
    raw.as_bytes()[from..]
        .iter()
        .position(|byte| *byte == wanted)
        .map_or(raw.len(), |at| from + at)
}

/// Where a raw byte stands first outside the quoted texts of a selector, or the end. Quotes count encoded or not; a
/// doubled quote ends a text and begins the next, which comes to the same.
fn end_outside_texts(raw: &str, from: usize, wanted: u8) -> usize {
    let raw = raw.as_bytes();
    if !raw.get(from..).is_some_and(|rest| rest.contains(&wanted)) {
        return raw.len();
    }
    let (mut at, mut in_text) = (from, false);
    let counts = |byte: &u8| matches!(byte, b'\'' | b'\\' | b'%') || *byte == wanted;
    while let Some(skipped) = raw.get(at..).and_then(|rest| rest.iter().position(counts)) {
        at += skipped;
        let Some(unit) = self::unit(raw, at) else { break };
        match unit.byte {
            b'\'' => in_text = !in_text,
            b'\\' if in_text => {
                let next = self::unit(raw, at + unit.length).filter(|next| matches!(next.byte, b'\'' | b'\\'));
                at += next.map_or(0, |next| next.length);
            }
            byte if byte == wanted && unit.length == 1 && !in_text => return at,
            _ => {}
        }
        at += unit.length;
    }
    raw.len()
}

fn begins_include(raw: &str, at: usize) -> bool {
    let raw = raw.as_bytes();
    let Some(slash) = unit(raw, at).filter(|unit| unit.byte == b'/') else {
        return false;
    };
    unit(raw, at + slash.length).is_some_and(|unit| unit.byte == b'~')
}

fn decode(raw: &str, from: usize, to: usize, form: bool) -> Result<String, TargetError> {
    let sent = &raw.as_bytes()[..to];
    let encoded = sent[from..].contains(&b'%') || form && sent[from..].contains(&b'+');
    if !encoded && let Some(plain) = raw.get(from..to) {
        return Ok(plain.to_owned());
    }
    let mut bytes = Vec::with_capacity(to - from);
    let mut at = from;
    while let Some(rest) = sent.get(at..).filter(|rest| !rest.is_empty()) {
        // Most of a target stands for itself.
        let plain = rest.iter().position(|byte| matches!(byte, b'%' | b'+'));
        bytes.extend_from_slice(&rest[..plain.unwrap_or(rest.len())]);
        at += plain.unwrap_or(rest.len());
        let Some(unit) = unit(sent, at) else { break };
        bytes.push(match sent[at] {
            b'%' if unit.length == 1 => return Err(broken(raw, at, to)),
            b'+' if form => b' ',
            _ => unit.byte,
        });
        at += unit.length;
    }
    String::from_utf8(bytes).map_err(|error| not_utf8(raw, from, error.utf8_error()))
}

/// A name or a value of a form, still encoded.
pub fn decode_form(raw: &str) -> Result<String, TargetError> {
    decode(raw, 0, raw.len(), true)
}

fn broken(raw: &str, at: usize, to: usize) -> TargetError {
    let rest = &raw[at..to];
    let end = rest.char_indices().nth(3).map_or(rest.len(), |(end, _)| end);
    TargetError {
        code: "brokenEscape",
        message: format!("broken percent-encoding `{}`", &rest[..end]),
        help: "two hexadecimal digits follow a `%`; the sign itself is written `%25`",
        span: span(at, at + end),
    }
}

fn not_utf8(raw: &str, from: usize, error: std::str::Utf8Error) -> TargetError {
    let skip = |at: usize, units: usize| {
        (0..units).fold(at, |at, _| at + unit(raw.as_bytes(), at).map_or(0, |unit| unit.length))
    };
    let start = skip(from, error.valid_up_to());
    let end = error
        .error_len()
        .map_or_else(|| skip(start, 1), |units| skip(start, units));
    // A character of several bytes that was not encoded is UTF-8 in itself; what precedes it was cut short.
    let sent = raw.get(start..end).unwrap_or_default();
    TargetError {
        code: "notUtf8",
        message: format!("the bytes encoded as `{sent}` are not UTF-8"),
        help: "encode texts as UTF-8 before percent-encoding them: `ö` is `%C3%B6`",
        span: span(start, end),
    }
}

fn span(start: usize, end: usize) -> Span {
    let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Span {
        start: place(start),
        end: place(end),
    }
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;
