//! What a licensed item is called in a language (`licensing.md` 5.1, the header `locale`). `displayNames` holds JSON text of one
//! shape, a text for each locale: `{"da-dk":"Redigering","da":"Redigering"}`.

use compact_str::CompactString;

use super::texts;
use crate::model::schema::place;
use crate::model::{Entity, Kind, Value};

const NAME: u8 = place(Kind::LicensedItem, "name");
const DISPLAY_NAME: u8 = place(Kind::LicensedItem, "displayName");
const DISPLAY_NAMES: u8 = place(Kind::LicensedItem, "displayNames");

/// Longer than any language tag that is in use.
const LONGEST_LOCALE: usize = 35;

/// By locale. `None`: it is not of the shape, names a locale that is none, or one twice, or gives no name.
pub fn read(text: &str) -> Option<Vec<(CompactString, CompactString)>> {
    let names = texts::read_named(text)?;
    let is_locale = |locale: &str| {
        let letters = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_');
        (1..=LONGEST_LOCALE).contains(&locale.len()) && locale.bytes().all(letters)
    };
    let is_once = |at: usize| !names[..at].iter().any(|(before, _)| same(before, &names[at].0));
    let fits = |at: usize| is_locale(&names[at].0) && !names[at].1.is_empty() && is_once(at);
    (0..names.len()).all(fits).then_some(names)
}

/// In that locale, or in one that says less of it, as RFC 4647 3.4 looks it up: `da` for `da-DK`. Else as it is called everywhere.
pub fn display_name(item: &Entity, locale: Option<&str>) -> Option<CompactString> {
    let text = |field: u8| item.fields().get(field).and_then(Value::as_text);
    let everywhere = || text(DISPLAY_NAME).or_else(|| text(NAME)).map(CompactString::new);
    let (Some(mut wanted), Some(names)) = (locale.map(str::trim), text(DISPLAY_NAMES).and_then(read)) else {
        return everywhere();
    };
    loop {
        if let Some((_, name)) = names.iter().find(|(known, _)| same(known, wanted)) {
            return Some(name.clone());
        }
        match wanted.rfind(['-', '_']) {
            Some(end) => wanted = &wanted[..end],
            None => return everywhere(),
        }
    }
}

/// Case says nothing in a locale, and some write `da_DK`.
fn same(one: &str, other: &str) -> bool {
    let letter = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    one.bytes().map(letter).eq(other.bytes().map(letter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Fields, Header, Time};

    #[test]
    fn a_name_is_looked_up_from_the_whole_locale_to_its_language() {
        let item = |fields: &[(u8, &str)]| {
            Entity::new(
                Header {
                    id: uuid::Uuid::nil(),
                    serial: 1,
                    revision: 1,
                    created: Time(1),
                    updated: Time(1),
                    kind: Kind::LicensedItem,
                },
                Fields::from_iter(fields.iter().map(|(field, text)| (*field, Value::text(text)))),
            )
        };
        let names = r#"{"da":"Redigering","pt-BR":"Editor do Brasil","zh_Hant":"編輯器"}"#;
        let named = item(&[(NAME, "editor"), (DISPLAY_NAME, "Editor"), (DISPLAY_NAMES, names)]);
        let check = |item: &Entity, locale: Option<&str>, expected: &str| {
            assert_eq!(display_name(item, locale).as_deref(), Some(expected), "{locale:?}");
        };
        check(&named, None, "Editor");
        check(&named, Some("da-dk"), "Redigering");
        check(&named, Some("DA"), "Redigering");
        check(&named, Some("pt_br"), "Editor do Brasil");
        check(&named, Some("pt"), "Editor");
        check(&named, Some(" zh-Hant-TW "), "編輯器");
        for other in ["", "-", "d", "dan", "fi-FI", "*"] {
            check(&named, Some(other), "Editor");
        }
        check(&item(&[(NAME, "editor"), (DISPLAY_NAMES, names)]), Some("fi"), "editor");
        check(&item(&[(NAME, "editor"), (DISPLAY_NAMES, "[]")]), Some("da"), "editor");
        check(
            &item(&[(NAME, "editor"), (DISPLAY_NAME, "Editor")]),
            Some("da"),
            "Editor",
        );
    }

    #[test]
    fn names_are_of_one_shape() {
        for (text, count) in [
            ("{}", Some(0)),
            (r#"{"da":"A"}"#, Some(1)),
            (r#" { "da" : "A" , "da-DK":"B\u00e4" } "#, Some(2)),
            ("[]", None),
            ("", None),
            (r#"{"da":7}"#, None),
            (r#"{"da":null}"#, None),
            (r#"{"da":""}"#, None),
            (r#"{"":"A"}"#, None),
            (r#"{"d a":"A"}"#, None),
            (r#"{"da-DK":"A","da_dk":"B"}"#, None),
            (r#"{"da":"A",}"#, None),
            (r#"{"da":"A"} x"#, None),
            (r#"{"da" "A"}"#, None),
        ] {
            assert_eq!(read(text).map(|names| names.len()), count, "{text}");
        }
        assert!(read(&format!("{{\"{}\":\"A\"}}", "a".repeat(LONGEST_LOCALE + 1))).is_none());
    }
}
