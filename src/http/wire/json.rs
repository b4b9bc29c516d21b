//! A body as a tree that borrows from it, with its faults found on the way: too deep, a member given twice, not JSON.
//! A tree because `__objType` may be the last member of an object. It lives for one request; the graph keeps no JSON.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::limits::{Limit, Limits};

use super::pointer::{At, BodyError, Position, push_index, push_key, shown};

#[derive(Clone, Debug, PartialEq)]
pub enum Json<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// Above the signed range.
    Large(u64),
    Float(f64),
    Text(Cow<'a, str>),
    List(Vec<Json<'a>>),
    /// In the order written, each name once.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// One level short of where serde_json itself gives up, whatever the settings say.
const DEEPEST: u64 = 126;

const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

/// Objects with more members look for repeated ones in a set: the plain search is quadratic.
const FEW: usize = 16;

impl<'a> Json<'a> {
    pub fn parse(body: &'a [u8], limits: &Limits) -> Result<Self, BodyError> {
        let text = std::str::from_utf8(body).map_err(|error| {
            let byte = error.valid_up_to();
            let line = 1 + body[..byte].iter().filter(|at| **at == b'\n').count();
            let start = body[..byte].iter().rposition(|at| *at == b'\n').map_or(0, |at| at + 1);
            let column = byte - start + 1;
            not_json("it is not UTF-8", Position { line, column, byte }).help("save it as UTF-8")
        })?;
        if text.trim_ascii().is_empty() {
            return Err(BodyError::new("emptyBody", &At::Root, "the body is empty")
                .help("send one object, an array of objects, or the list a query answered"));
        }
        let context = Context {
            deepest: Limit {
                value: limits.json_depth.min(DEEPEST),
                ..limits.json_depth()
            },
            fault: RefCell::new(None),
            numbers: RefCell::new(Numbers::of(text)),
        };
        let mut reader = serde_json::Deserializer::from_str(text);
        let read = Seed {
            context: &context,
            depth: 0,
        }
        .deserialize(&mut reader);
        read.and_then(|json| reader.end().map(|()| json))
            .map_err(|error| context.explain(text, &error))
    }

    pub fn member(&self, name: &str) -> Option<&Json<'a>> {
        match self {
            Self::Object(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The least text that means the same: no space, members in their order, numbers in their shortest form.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
            Self::Int(number) => super::text::integer(out, *number),
            Self::Large(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Self::Float(number) => {
                let number = serde_json::Number::from_f64(*number);
                out.extend_from_slice(
                    number
                        .map_or_else(|| "null".to_owned(), |number| number.to_string())
                        .as_bytes(),
                );
            }
            Self::Text(text) => super::text::string(out, text),
            Self::List(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    super::text::string(out, name);
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }

    /// Its text, shortened for a message.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Text(text) => shown(text),
            Self::List(_) => "[…]".to_owned(),
            Self::Object(_) => "{…}".to_owned(),
            _ => {
                let mut out = Vec::new();
                self.write(&mut out);
                String::from_utf8_lossy(&out).into_owned()
            }
        }
    }
}

/// What helps where no letter of the syntax is missing, by the reader's own words for it.
fn cured(reason: &str) -> Option<&'static str> {
    if reason.contains("surrogate") || reason == "unexpected end of hex escape" {
        return Some("write the character itself, or both halves of it: `\\ud83d\\ude00`");
    }
    if reason.contains("number out of range") {
        return Some("a number is at most 1.79e308, either way; send a larger one as a text");
    }
    if reason.contains("control character") {
        return Some("write it escaped: a line feed is `\\n`, a tab `\\t`");
    }
    None
}

fn not_json(reason: &str, position: Position) -> BodyError {
    let Position { line, column, byte } = position;
    let message = format!("the body is not JSON: {reason} at line {line}, column {column} (byte {byte})");
    BodyError {
        position: Some(position),
        ..BodyError::new("notJson", &At::Root, message)
    }
}

/// What went wrong beyond the syntax. The place is collected while the visitors return: the innermost step first.
struct Fault {
    what: What,
    steps: Vec<Step>,
}
enum What {
    TooDeep,
    Repeated(String),
    Lost(String),
}
enum Step {
    Key(String),
    Index(usize),
}

struct Context<'t> {
    deepest: Limit,
    fault: RefCell<Option<Fault>>,
    numbers: RefCell<Numbers<'t>>,
}

/// The numbers of a text as they are written, in their order. What reads the text tells only what it made of them.
struct Numbers<'t> {
    left: &'t str,
    /// Those that were read since one was last asked for.
    passed: usize,
}

impl<'t> Numbers<'t> {
    fn of(text: &'t str) -> Self {
        Self { left: text, passed: 0 }
    }

    /// The one that was read last.
    fn latest(&mut self) -> &'t str {
        let mut found = "";
        for _ in 0..std::mem::take(&mut self.passed) {
            found = self.next().unwrap_or_default();
        }
        found
    }

    /// A text that is read to here is JSON to here.
    fn next(&mut self) -> Option<&'t str> {
        loop {
            let at = self
                .left
                .find(|char: char| char == '"' || char == '-' || char.is_ascii_digit())?;
            self.left = &self.left[at..];
            let Some(text) = self.left.strip_prefix('"') else {
                let is_part = |char: char| char.is_ascii_digit() || matches!(char, '+' | '-' | '.' | 'e' | 'E');
                let end = self.left.find(|char: char| !is_part(char)).unwrap_or(self.left.len());
                let (number, left) = self.left.split_at(end);
                self.left = left;
                return Some(number);
            };
            let mut is_escaped = false;
            let end = text.find(|char: char| {
                let ends = char == '"' && !is_escaped;
                is_escaped = char == '\\' && !is_escaped;
                ends
            })?;
            self.left = &text[end + 1..];
        }
    }
}

impl Context<'_> {
    fn passed_number(&self) {
        self.numbers.borrow_mut().passed += 1;
    }

    fn fail<E: Error>(&self, what: What) -> E {
        *self.fault.borrow_mut() = Some(Fault {
            what,
            steps: Vec::new(),
        });
        E::custom("refused")
    }

    fn passed(&self, step: impl FnOnce() -> Step) {
        if let Some(fault) = self.fault.borrow_mut().as_mut() {
            fault.steps.push(step());
        }
    }

    fn explain(&self, text: &str, error: &serde_json::Error) -> BodyError {
        let Some(fault) = self.fault.borrow_mut().take() else {
            let reason = error.to_string();
            let reason = reason
                .rsplit_once(" at line ")
                .map_or(reason.as_str(), |(reason, _)| reason);
            let start: usize = text
                .split_inclusive('\n')
                .take(error.line().saturating_sub(1))
                .map(str::len)
                .sum();
            let byte = (start + error.column().saturating_sub(1)).min(text.len());
            let (line, column) = (error.line(), error.column().max(1));
            let refused = not_json(reason, Position { line, column, byte });
            return match cured(reason) {
                Some(help) => refused.help(help),
                None => refused,
            };
        };
        let mut pointer = String::new();
        for step in fault.steps.iter().rev() {
            match step {
                Step::Key(key) => push_key(&mut pointer, key),
                Step::Index(index) => push_index(&mut pointer, *index),
            }
        }
        let error = match fault.what {
            What::TooDeep => BodyError {
                limit: Some(self.deepest),
                ..BodyError::new(
                    "bodyTooDeep",
                    &At::Root,
                    format!("the body nests deeper than {} levels", self.deepest.value),
                )
            },
            What::Lost(number) => {
                let message = format!("the integer `{}` is too large to be kept as it is", shown(&number));
                BodyError::new("valueDoesNotFit", &At::Root, message)
                    .help("send it as a text, or as a number with an exponent")
            }
            What::Repeated(name) => {
                let message = format!("the member `{}` is given twice", shown(&name));
                push_key(&mut pointer, &name);
                BodyError::new("repeatedMember", &At::Root, message)
            }
        };
        BodyError { pointer, ..error }
    }
}

#[derive(Clone, Copy)]
struct Seed<'s> {
    context: &'s Context<'s>,
    depth: u64,
}

impl Seed<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth >= self.context.deepest.value {
            return Err(self.context.fail(What::TooDeep));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Json<'de>, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Json<'de>, E> {
        self.context.passed_number();
        Ok(Json::Int(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Json<'de>, E> {
        self.context.passed_number();
        Ok(i64::try_from(number).map_or(Json::Large(number), Json::Int))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Json<'de>, E> {
        self.context.passed_number();
        // An integer of more than 64 bits comes as the nearest number there is.
        if number.abs() >= TWO_TO_63 {
            let written = self.context.numbers.borrow_mut().latest();
            let is_integer = written.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit());
            if is_integer && written != format!("{number:.0}") {
                return Err(self.context.fail(What::Lost(written.to_owned())));
            }
        }
        Ok(Json::Float(number))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json<'de>, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        loop {
            match items.next_element_seed(inner) {
                Ok(Some(item)) => list.push(item),
                Ok(None) => return Ok(Json::List(list)),
                Err(error) => {
                    self.context.passed(|| Step::Index(list.len()));
                    return Err(error);
                }
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json<'de>, A::Error> {
        let inner = self.deeper()?;
        let mut object: Vec<(Cow<'de, str>, Json<'de>)> = Vec::with_capacity(8);
        let mut many: HashSet<Cow<'de, str>> = HashSet::new();
        while let Some(Name(name)) = members.next_key_seed(NameSeed)? {
            let repeated = if object.len() < FEW {
                object.iter().any(|(before, _)| *before == name)
            } else {
                if many.is_empty() {
                    many.extend(object.iter().map(|(name, _)| name.clone()));
                }
                !many.insert(name.clone())
            };
            if repeated {
                return Err(self.context.fail(What::Repeated(name.into_owned())));
            }
            match members.next_value_seed(inner) {
                Ok(value) => object.push((name, value)),
                Err(error) => {
                    self.context.passed(|| Step::Key(name.into_owned()));
                    return Err(error);
                }
            }
        }
        Ok(Json::Object(object))
    }
}

/// A member's name, borrowed where it has no escapes.
struct Name<'a>(Cow<'a, str>);
struct NameSeed;

impl<'de> DeserializeSeed<'de> for NameSeed {
    type Value = Name<'de>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Name<'de>, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for NameSeed {
    type Value = Name<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a name")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Owned(text.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_in_its_shortest_form() {
        for (body, written) in [
            ("null", "null"),
            (" [ 1 , -2.50 , true ] ", "[1,-2.5,true]"),
            ("{\"b\":{},\"a\":[]}", "{\"b\":{},\"a\":[]}"),
            ("18446744073709551615", "18446744073709551615"),
            ("9223372036854775807", "9223372036854775807"),
            // Its last digit was lost once.
            ("4.096688219329553e+114", "4.096688219329553e+114"),
            ("\"a\\u00e9\\n\\\"\\u0001\"", "\"aé\\n\\\"\\u0001\""),
            ("\"\\ud83d\\ude00\"", "\"😀\""),
        ] {
            let mut out = Vec::new();
            Json::parse(body.as_bytes(), &Limits::default())
                .unwrap()
                .write(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), written, "{body}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        let limits = Limits {
            json_depth: 3,
            ..Limits::default()
        };
        let many = format!(
            "{{{},\"k7\":0}}",
            (0..40).map(|n| format!("\"k{n}\":0")).collect::<Vec<_>>().join(",")
        );
        for (body, code, pointer, position) in [
            (&b""[..], "emptyBody", "", None),
            (b" \n\t", "emptyBody", "", None),
            (b"{\"a\":1", "notJson", "", Some((1, 6, 5))),
            (b"{\n \"a\":1,\n \"b\":x}", "notJson", "", Some((3, 6, 15))),
            (b"{} {}", "notJson", "", Some((1, 4, 3))),
            (b"[1,]", "notJson", "", Some((1, 4, 3))),
            (b"\"\xff\"", "notJson", "", Some((1, 2, 1))),
            (b"[\"\\ud800\"]", "notJson", "", Some((1, 9, 8))),
            (b"[[[1]]]", "", "", None),
            (b"[[[[1]]]]", "bodyTooDeep", "/0/0/0", None),
            (b"{\"a\":[{\"b/c\":{\"d\":1}}]}", "bodyTooDeep", "/a/0/b~1c", None),
            (b"{\"a\":{\"b\":1,\"\\u0062\":2}}", "repeatedMember", "/a/b", None),
            (many.as_bytes(), "repeatedMember", "/k7", None),
            (
                b"{\"1\":[-1,\"2\\\"3\",4e30,18446744073709551615,12345678901234567890123]}",
                "valueDoesNotFit",
                "/1/4",
                None,
            ),
            (b"{\"a\":-9223372036854775809}", "valueDoesNotFit", "/a", None),
            (
                b"[1e22,10000000000000000000000,-9223372036854775808,1.5e300]",
                "",
                "",
                None,
            ),
        ] {
            let error = Json::parse(body, &limits).err();
            let text = String::from_utf8_lossy(body);
            assert_eq!(error.as_ref().map_or("", |error| error.code), code, "{text}");
            assert_eq!(
                error.as_ref().map_or("", |error| error.pointer.as_str()),
                pointer,
                "{text}"
            );
            let found = error
                .and_then(|error| error.position)
                .map(|at| (at.line, at.column, at.byte));
            assert_eq!(found, position, "{text}");
        }
    }

    #[test]
    fn the_help_is_for_what_is_wrong() {
        let check = |body: &[u8], help: Option<&str>| {
            let error = Json::parse(body, &Limits::default()).expect_err("no JSON");
            let (code, told) = (error.code, error.help.as_deref());
            let fits = help.map_or(told.is_none(), |help| told.is_some_and(|told| told.contains(help)));
            assert!(
                code == "notJson" && fits,
                "{}: {error:?}",
                String::from_utf8_lossy(body)
            );
        };
        check(b"[1,]", None);
        check(b"\"\xff\"", Some("UTF-8"));
        check(b"[\"\\ud800\"]", Some("both halves"));
        check(b"[\"\\ud800\\u0041\"]", Some("both halves"));
        check(b"[\"\\udc00\"]", Some("both halves"));
        check(b"[1e999]", Some("1.79e308"));
        check(b"[\"a\nb\"]", Some("escaped"));
    }

    #[test]
    fn no_setting_lets_a_body_deeper_than_the_stack() {
        let limits = Limits {
            json_depth: u64::MAX,
            ..Limits::default()
        };
        for (levels, fits) in [(126, true), (127, false), (100_000, false)] {
            let body = "[".repeat(levels) + &"]".repeat(levels);
            let read = Json::parse(body.as_bytes(), &limits);
            assert_eq!(read.is_ok(), fits, "{levels}");
            if let Err(error) = read {
                assert_eq!(
                    (error.code, error.limit.map(|limit| limit.value)),
                    ("bodyTooDeep", Some(126))
                );
            }
        }
    }
}
