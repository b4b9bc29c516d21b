//! Parameters of the vendors' queries and forms.

use percent_encoding::percent_decode_str;

/// Each pair, decoded once, `+` as a space; a name that stands alone says nothing. `None`: it is not UTF-8.
pub fn pairs(raw: &str) -> Option<Vec<(String, String)>> {
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text)
            .decode_utf8()
            .ok()
            .map(|text| text.into_owned())
    };
    let pairs = raw.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decoded(name)?, decoded(value)?))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_once() {
        for (raw, expected) in [
            ("", Some(vec![])),
            ("&&", Some(vec![])),
            ("a=b&a=c", Some(vec![("a", "b"), ("a", "c")])),
            ("a", Some(vec![("a", "")])),
            ("a=b=c", Some(vec![("a", "b=c")])),
            ("a+b=c+%2B%252B", Some(vec![("a b", "c +%2B")])),
            ("a=%FF", None),
            ("%FF=a", None),
        ] {
            let expected: Option<Vec<(String, String)>> = expected.map(|pairs| {
                let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
                pairs.into_iter().map(owned).collect()
            });
            assert_eq!(pairs(raw), expected, "{raw}");
        }
    }
}
