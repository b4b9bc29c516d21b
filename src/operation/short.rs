//! Short ids (design 11): the alias of an entity, else its serial in base 36. Read back beside everything `foreign` knows,
//! which comes first.

use crate::graph::{Graph, Node};
use crate::model::{Kind, Serial, Value};
use crate::operation::foreign;

/// What an entity is called where ids are short.
pub fn id(node: Node<'_>) -> String {
    let alias = node
        .kind
        .field("alias")
        .and_then(|field| node.entity().fields().get(field));
    let alias = alias.and_then(Value::as_text).filter(|alias| !alias.is_empty());
    alias.map_or_else(|| written(node.serial), str::to_owned)
}

/// The one that is meant among those that fit. An organization that is called like the short id of another is none, as of several of
/// one name none is: they write their names themselves.
pub fn find<'g>(graph: &'g Graph, kind: Kind, text: &str, fits: impl Fn(Node<'g>) -> bool) -> Option<Node<'g>> {
    let by_serial = || by_serial(graph, kind, text).filter(|node| fits(*node));
    let named = foreign::find(graph, kind, text, &fits);
    match named {
        Some(named) if kind == Kind::Organization => by_serial().is_none_or(|other| other == named).then_some(named),
        Some(named) => Some(named),
        None if kind == Kind::Organization && foreign::is_name(graph, text, &fits) => None,
        None => by_serial(),
    }
}

/// The one whose serial is written so.
pub fn by_serial<'g>(graph: &'g Graph, kind: Kind, text: &str) -> Option<Node<'g>> {
    graph.by_serial(kind, read(text)?)
}

const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

fn written(mut serial: Serial) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(char::from(DIGITS[(serial % 36) as usize]));
        serial /= 36;
        if serial == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

/// In its one spelling: small letters, and no zero before it.
fn read(text: &str) -> Option<Serial> {
    let serial = Serial::from_str_radix(text, 36).ok()?;
    (written(serial) == text).then_some(serial)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_has_one_spelling() {
        for (text, serial) in [
            ("0", Some(0)),
            ("z", Some(35)),
            ("10", Some(36)),
            ("9p2", Some(12_566)),
            ("3w5e11264sgsf", Some(Serial::MAX)),
            ("", None),
            ("09", None),
            ("9P2", None),
            ("+9", None),
            ("-9", None),
            (" 9", None),
            ("9.", None),
            ("3w5e11264sgsg", None),
            ("zzzzzzzzzzzzzz", None),
        ] {
            assert_eq!(read(text), serial, "{text}");
            assert!(serial.is_none_or(|serial| written(serial) == text), "{text}");
        }
    }
}
