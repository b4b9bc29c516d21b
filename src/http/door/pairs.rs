//! Parameters of the vendors' queries and forms.

use percent_encoding::percent_decode_str;

use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::limits::Limit;

/// Each pair, decoded once, `+` as a space; a name that stands alone says nothing.
///
/// # Errors
/// There are more than `most`, which is `limits.parameters`, or one is not UTF-8.
pub fn pairs(raw: &str, most: Limit) -> Result<Vec<(String, String)>, Problem> {
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text)
            .decode_utf8()
            .ok()
            .map(|text| text.into_owned())
    };
    let sent: Vec<&str> = raw.split('&').filter(|pair| !pair.is_empty()).collect();
    within(sent.len(), most)?;
    let pairs = sent.into_iter().map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decoded(name)?, decoded(value)?))
    });
    let pairs: Option<_> = pairs.collect();
    pairs.ok_or_else(|| Problem::bad_request("notUtf8", "a parameter is not UTF-8"))
}

/// # Errors
/// So many parameters are more than `most`.
pub fn within(number: usize, most: Limit) -> Result<(), Problem> {
    Parameters::within(number, most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    #[test]
    fn pairs_are_decoded_once() {
        let limits = Limits {
            parameters: 2,
            ..Limits::default()
        };
        for (raw, expected) in [
            ("", Ok(vec![])),
            ("&&", Ok(vec![])),
            ("a=b&a=c", Ok(vec![("a", "b"), ("a", "c")])),
            ("a", Ok(vec![("a", "")])),
            ("a=b=c", Ok(vec![("a", "b=c")])),
            ("a+b=c+%2B%252B", Ok(vec![("a b", "c +%2B")])),
            ("a=%FF", Err("notUtf8")),
            ("%FF=a", Err("notUtf8")),
            ("a&b&c", Err("tooManyParameters")),
        ] {
            let expected = expected.map(|pairs| {
                let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
                pairs.into_iter().map(owned).collect::<Vec<_>>()
            });
            let found = pairs(raw, limits.parameters());
            assert_eq!(found.map_err(|problem| problem.code), expected, "{raw}");
        }
    }
}
