//! The bytes of an import cut into documents, as they come. Knows of JSON where a document ends, and does not ask what is
//! in one.

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, BytesMut};
use serde_json::json;

use crate::http::body;
use crate::http::problem::Problem;
use crate::limits::Limit;

/// A part of an import that is JSON by itself.
pub struct Document {
    /// Its line, blank ones counted too; in an array, which of its elements, after which counting goes on. From 1.
    pub number: u64,
    pub bytes: Bytes,
}

/// Cuts a stream of bytes into documents: one a line; or the elements of an array, wherever its lines end; or, where the
/// first line is no document, the whole as one. What follows an array is cut in the same way where each may be an answer of
/// another system. No more is held than those that are complete and the one under way.
pub struct Lines {
    /// Of the document under way.
    rest: BytesMut,
    /// Bytes of `rest` that were looked at.
    seen: usize,
    pub complete: Vec<Document>,
    /// Of all documents so far.
    pub bytes: usize,
    /// Lines or elements before `rest`.
    number: u64,
    /// Those before the array under way.
    before: u64,
    /// Bytes a document may have.
    limit: Limit,
    /// May something follow an array?
    are_answers: bool,
    shape: Shape,
}

enum Shape {
    Unknown,
    Lines,
    Whole,
    Array(Element),
    /// The array has ended.
    Closed,
}

/// Where in an element of an array the bytes that were looked at end.
#[derive(Default)]
struct Element {
    /// Arrays and objects that are open.
    depth: usize,
    in_text: bool,
    escaped: bool,
}

impl Lines {
    pub fn new(limit: Limit, are_answers: bool) -> Self {
        Self {
            rest: BytesMut::new(),
            seen: 0,
            complete: Vec::new(),
            bytes: 0,
            number: 0,
            before: 0,
            limit,
            are_answers,
            shape: Shape::Unknown,
        }
    }

    pub fn push(&mut self, chunk: &[u8]) -> Result<(), Problem> {
        self.rest.extend_from_slice(chunk);
        loop {
            if let Shape::Unknown = self.shape {
                self.recognise()?;
            }
            match self.shape {
                Shape::Unknown | Shape::Whole => break,
                Shape::Lines => break self.cut_lines()?,
                Shape::Closed => break self.nothing_more()?,
                Shape::Array(_) => self.cut_elements()?,
            }
            // An array that goes on waits for more of it; what follows one that has ended is looked at.
            if let Shape::Array(_) = self.shape {
                break;
            }
        }
        // What ends with a line may have its end still.
        let length = without_end(&self.rest).len();
        self.within_limit(self.number + 1, length).map_err(|too_long| {
            // Lines whose first is broken are taken for one document.
            let broken = match self.shape {
                Shape::Whole => serde_json::from_slice::<serde::de::IgnoredAny>(&self.rest).err(),
                _ => None,
            };
            let Some(error) = broken.filter(|error| !error.is_eof()) else {
                return too_long;
            };
            let mut problem = not_json(&error.to_string());
            problem.more.insert("line".into(), json!(self.number + 1));
            problem
        })
    }

    fn recognise(&mut self) -> Result<(), Problem> {
        body::refuse_mark(&self.rest)?;
        let blank = self.rest.len() - self.rest.trim_ascii_start().len();
        let skipped = self.rest.split_to(blank);
        // After an array it is elements that are counted.
        if self.before == 0 {
            self.number += skipped.iter().filter(|byte| **byte == b'\n').count() as u64;
        }
        if self.rest.first() == Some(&b'[') {
            let _ = self.rest.split_to(1);
            self.number = self.before;
            self.shape = Shape::Array(Element::default());
        } else if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            self.shape = if is_document(&self.rest[..end]) {
                Shape::Lines
            } else {
                Shape::Whole
            };
        }
        Ok(())
    }

    fn cut_lines(&mut self) -> Result<(), Problem> {
        while let Some(at) = self.rest[self.seen..].iter().position(|byte| *byte == b'\n') {
            let mut line = self.rest.split_to(self.seen + at + 1);
            line.truncate(without_end(&line).len());
            self.seen = 0;
            self.document(line)?;
        }
        self.seen = self.rest.len();
        Ok(())
    }

    /// Cuts at the commas between the elements, and knows no more of JSON than that takes: each element is read, or refused,
    /// by itself. What is cut so reads as it would have within the array.
    fn cut_elements(&mut self) -> Result<(), Problem> {
        while let Shape::Array(element) = &mut self.shape {
            let Some(at) = self.rest[self.seen..].iter().position(|byte| element.ends_at(*byte)) else {
                self.seen = self.rest.len();
                return Ok(());
            };
            let end = self.seen + at;
            let closes = self.rest[end];
            let mut bytes = self.rest.split_to(end + 1);
            bytes.truncate(end);
            self.seen = 0;
            if closes == b'}' {
                return Err(not_json("`}` closes what is an array"));
            }
            let is_empty = bytes.trim_ascii().is_empty();
            let has_none = is_empty && closes == b']' && self.number == self.before;
            if is_empty && !has_none {
                return Err(not_json("an element of the array is missing"));
            }
            if !has_none {
                self.document(bytes)?;
            }
            if closes == b']' {
                self.before = self.number;
                self.shape = if self.are_answers {
                    Shape::Unknown
                } else {
                    Shape::Closed
                };
            }
        }
        Ok(())
    }

    fn nothing_more(&mut self) -> Result<(), Problem> {
        if self.rest.trim_ascii().is_empty() {
            self.rest.clear();
            return Ok(());
        }
        Err(not_json("something follows the end of the array"))
    }

    fn document(&mut self, bytes: BytesMut) -> Result<(), Problem> {
        self.number += 1;
        self.within_limit(self.number, bytes.len())?;
        if !bytes.trim_ascii().is_empty() {
            self.bytes += bytes.len();
            self.complete.push(Document {
                number: self.number,
                bytes: bytes.freeze(),
            });
        }
        Ok(())
    }

    fn within_limit(&self, number: u64, length: usize) -> Result<(), Problem> {
        if length as u64 <= self.limit.value {
            return Ok(());
        }
        let mut problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "bodyTooLarge", "an object is too long")
            .limit(self.limit)
            .help("send one object a line, or an array of objects: they are taken one by one");
        problem.more.insert("line".into(), json!(number));
        Err(problem)
    }

    /// With the last one, which needs no end of line.
    pub fn finish(mut self) -> Result<Vec<Document>, Problem> {
        if let Shape::Array(_) = self.shape {
            return Err(not_json("the array does not end"));
        }
        let mut rest = self.rest.split();
        rest.truncate(without_end(&rest).len());
        self.document(rest)?;
        Ok(self.complete)
    }
}

impl Element {
    /// Takes in a byte. True for one that ends the element: a comma, or a bracket that opened outside of it.
    fn ends_at(&mut self, byte: u8) -> bool {
        if self.in_text {
            self.in_text = self.escaped || byte != b'"';
            self.escaped = !self.escaped && byte == b'\\';
            return false;
        }
        match byte {
            b'"' => self.in_text = true,
            b'[' | b'{' => self.depth += 1,
            b',' | b']' | b'}' if self.depth == 0 => return true,
            b']' | b'}' => self.depth -= 1,
            _ => {}
        }
        false
    }
}

/// The end of a line, in either form, is none of its bytes.
fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

pub fn not_json(why: &str) -> Problem {
    Problem::bad_request("notJson", format!("the body is not JSON: {why}"))
        .help("send one object a line, or one JSON object or array")
}

fn is_document(line: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;
    use serde_json::value::RawValue;

    use super::*;
    use crate::limits::Limits;

    /// What is cut from a text that comes in chunks of such a size: each with its number.
    fn cut(text: &[u8], size: usize, limit: u64) -> Result<Vec<(u64, String)>, &'static str> {
        cut_by(lines(limit, false), text, size)
    }

    fn lines(line_bytes: u64, are_answers: bool) -> Lines {
        let limits = Limits {
            line_bytes,
            ..Limits::default()
        };
        Lines::new(limits.line_bytes(), are_answers)
    }

    fn cut_by(mut lines: Lines, text: &[u8], size: usize) -> Result<Vec<(u64, String)>, &'static str> {
        for chunk in text.chunks(size.max(1)) {
            lines.push(chunk).map_err(|problem| problem.code)?;
        }
        let documents = lines.finish().map_err(|problem| problem.code)?;
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes.trim_ascii()).into_owned();
        Ok(documents
            .iter()
            .map(|document| (document.number, text(&document.bytes)))
            .collect())
    }

    #[test]
    fn documents_are_cut_from_any_chunks() {
        let check = |text: &str, expected: &[(u64, &str)]| {
            for size in 1..=text.len().max(1) {
                let documents = cut(text.as_bytes(), size, 1000).expect("well-formed");
                let documents: Vec<(u64, &str)> = documents.iter().map(|(at, text)| (*at, text.as_str())).collect();
                assert_eq!(documents, expected, "{text:?} in chunks of {size}");
            }
        };
        check("", &[]);
        check("\n\n", &[]);
        check("{\"a\":1}", &[(1, "{\"a\":1}")]);
        check("\n \n{\"a\":1}", &[(3, "{\"a\":1}")]);
        check(
            "{\"a\":1}\n{\"b\":2}\r\n\n{\"c\":3}",
            &[(1, "{\"a\":1}"), (2, "{\"b\":2}"), (4, "{\"c\":3}")],
        );
        check("[{\"a\":1},\n {\"b\":2}]\n", &[(1, "{\"a\":1}"), (2, "{\"b\":2}")]);
        check("\n[]\n ", &[]);
        check("[ ]", &[]);
        check("{\n \"a\":1\n}\n", &[(1, "{\n \"a\":1\n}")]);
        check("\n{\n \"a\":1\n}\n", &[(2, "{\n \"a\":1\n}")]);
        check("{\"a\":1}\nnonsense\n", &[(1, "{\"a\":1}"), (2, "nonsense")]);
        check(
            "[\"],[\", \"\\\"],\", {\"}\":[[\"\\\\\"]]}]",
            &[(1, "\"],[\""), (2, "\"\\\"],\""), (3, "{\"}\":[[\"\\\\\"]]}")],
        );
    }

    #[test]
    fn lines_whose_first_is_broken_are_no_long_document() {
        let check = |first: &str, line: &str, expected: &str| {
            let text = format!("{first}\n{}", line.repeat(100));
            for size in [1, 7, 2000] {
                let found = cut(text.as_bytes(), size, 50);
                assert_eq!(found, Err(expected), "{first} in chunks of {size}");
            }
        };
        check("nonsense", "{\"a\":1}\n", "notJson");
        check("{\"a\":1", "{\"a\":1}\n", "notJson");
        check("{\"a\":\"1", "{\"a\":1}\n", "notJson");
        check("{\"a\":[", "1,\n", "bodyTooLarge");
    }

    #[test]
    fn the_end_of_a_line_is_none_of_its_bytes() {
        let check = |text: &str, limit: u64, fits: bool| {
            for size in 1..=text.len() {
                let found = cut(text.as_bytes(), size, limit);
                assert_eq!(found.is_ok(), fits, "{text:?} in chunks of {size}: {found:?}");
            }
        };
        check("{\"a\":1}\n{\"b\":2}\n", 7, true);
        check("{\"a\":1}\n{\"b\":2}", 7, true);
        check("{\"a\":1}\r\n{\"b\":2}\r\n", 7, true);
        check("{\"a\":1}\r\n{\"b\":2} \r\n", 7, false);
        check("{\"a\":1}\r\r\n", 7, false);
        check("{\"a\":1}\n{\"b\":2}\n", 6, false);
        check("{\"a\":\n1}\n", 8, true);
        check("{\"a\":\n1}\n", 7, false);
    }

    #[test]
    fn answers_follow_an_array_of_answers() {
        let check = |text: &str, expected: Result<&[(u64, &str)], &str>| {
            for size in 1..=text.len() {
                let documents = cut_by(lines(1000, true), text.as_bytes(), size);
                let documents = documents.as_ref().map(|documents| {
                    let documents = documents.iter();
                    documents.map(|(at, text)| (*at, text.as_str())).collect::<Vec<_>>()
                });
                let documents = documents.as_deref().map_err(|code| **code);
                assert_eq!(documents, expected, "{text:?} in chunks of {size}");
            }
        };
        check(
            "[{\"a\":1}, {\"b\":2}]\n\n{\"c\":3}\n[{\"d\":4}]\n",
            Ok(&[(1, "{\"a\":1}"), (2, "{\"b\":2}"), (3, "{\"c\":3}"), (4, "[{\"d\":4}]")]),
        );
        check("[]\n[1]\n[2]", Ok(&[(1, "1"), (2, "2")]));
        check("[1]\n{\n\"c\":3\n}\n", Ok(&[(1, "1"), (2, "{\n\"c\":3\n}")]));
        check("[1]\n[2", Err("notJson"));
        // In a world's own lines nothing follows.
        assert_eq!(cut(b"[1]\n{}", 3, 1000), Err("notJson"));
    }

    #[test]
    fn an_array_is_as_long_as_it_likes_and_its_elements_are_not() {
        let text = format!("[{}]", vec!["{\"a\":\"0123456789\"}"; 1000].join(","));
        for (limit, expected) in [(18, Ok(1000)), (17, Err("bodyTooLarge"))] {
            for size in [1, 7, 64, text.len()] {
                let documents = cut(text.as_bytes(), size, limit);
                assert_eq!(documents.map(|documents| documents.len()), expected, "{limit} {size}");
            }
        }
        let endless = format!("[\"{}", "x".repeat(100));
        assert_eq!(cut(endless.as_bytes(), 10, 50), Err("bodyTooLarge"));
    }

    /// Anything of JSON, as a text with blanks in it.
    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            any::<i32>().prop_map(|number| number.to_string()),
            "[\\[\\]{},:\"\\\\ a\u{e9}\n]{0,6}".prop_map(|text| Value::String(text).to_string()),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let many = |inner: BoxedStrategy<String>| prop::collection::vec(inner, 0..4);
            let named = ("[\\]},\"a]{0,3}", inner.clone().boxed())
                .prop_map(|(name, value)| format!("{}: {value}", Value::String(name)))
                .boxed();
            prop_oneof![
                many(inner.boxed()).prop_map(|all| format!("[{}]", all.join(" ,\n"))),
                many(named).prop_map(|all| format!("{{ {} }}", all.join(","))),
            ]
        })
    }

    proptest! {
        #[test]
        fn an_array_is_cut_as_a_parser_would(elements in prop::collection::vec(json(), 0..6), size in 1usize..40, blank in "[ \n]{0,3}") {
            let text = format!("{blank}[{blank}{}{blank}]{blank}", elements.join(","));
            let parsed: Vec<&RawValue> = serde_json::from_str(&text).unwrap();
            let parsed: Vec<String> = parsed.iter().map(|element| element.get().to_owned()).collect();
            let documents = cut(text.as_bytes(), size, 10_000).unwrap();
            prop_assert!(documents.iter().map(|(at, _)| *at).eq(1..=parsed.len() as u64));
            prop_assert_eq!(documents.into_iter().map(|(_, text)| text).collect::<Vec<_>>(), parsed);
        }

        /// Broken anywhere, an array is refused whole or has an element that is: never read as another one.
        #[test]
        fn what_is_no_array_is_not_taken_for_one(elements in prop::collection::vec(json(), 0..4), at in 0usize..200, with in "[\\[\\]{},\"\\\\ 1]?", size in 1usize..40) {
            let mut text = format!("[{}]", elements.join(",")).into_bytes();
            let at = 1 + at % text.len();
            text.splice(at..(at + 1).min(text.len()), with.bytes());
            prop_assume!(std::str::from_utf8(&text).is_ok());
            let parsed: Option<Vec<Value>> = serde_json::from_slice(&text).ok();
            let documents = cut(&text, size, 10_000).ok().and_then(|documents| {
                let read = |(_, text): &(u64, String)| serde_json::from_str(text).ok();
                documents.iter().map(read).collect::<Option<Vec<Value>>>()
            });
            prop_assert_eq!(documents, parsed);
        }
    }
}
