//! A device or a process as clients call it: `id`, or `id;name=text` (`licensing.md` 1.2).

use crate::entitlement::decision::Anchor;

/// What stands between the id and the name.
const NAME: &str = ";name=";

/// The id, and the name if one is given; either may be empty.
pub fn parts(text: &str) -> (&str, Option<&str>) {
    match text.split_once(NAME) {
        Some((id, name)) => (id, Some(name)),
        None => (text, None),
    }
}

/// `None` without an id.
pub fn read(text: &str) -> Option<Anchor<'_>> {
    let (id, name) = parts(text);
    let name = name.filter(|name| !name.is_empty());
    (!id.is_empty()).then_some(Anchor { id, name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_is_an_id_with_or_without_a_name() {
        for (text, expected) in [
            ("", None),
            (";name=x", None),
            ("a", Some(("a", None))),
            ("a;name=", Some(("a", None))),
            ("a;name=x", Some(("a", Some("x")))),
            ("a;name=x;name=y", Some(("a", Some("x;name=y")))),
            ("a;Name=x", Some(("a;Name=x", None))),
        ] {
            let found = read(text).map(|anchor| (anchor.id, anchor.name));
            assert_eq!(found, expected, "{text}");
        }
    }
}
