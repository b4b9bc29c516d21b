//! `application/x-www-form-urlencoded` bodies: pairs, decoded once. A name that is a selector may have its `=` raw.

use actix_web::web::Bytes;

use super::problem::Problem;
use super::target;

/// Pairs in their order; a stray `&` is nothing.
pub fn pairs(body: &Bytes) -> Result<Vec<(String, String)>, Problem> {
    let text = std::str::from_utf8(body).map_err(|error| {
        Problem::bad_request(
            "notUtf8",
            format!("the form is not UTF-8 from byte {}", error.valid_up_to()),
        )
        .help("encode texts as UTF-8 before percent-encoding them")
    })?;
    // As a browser sends a text area, or `curl -d @file` a file.
    let text = text.trim_end_matches(['\r', '\n']);
    let parts = text.split('&').filter(|part| !part.is_empty());
    parts.map(pair).collect()
}

fn pair(raw: &str) -> Result<(String, String), Problem> {
    let decode = |text: &str| {
        target::decode_form(text).map_err(|error| {
            let help = error.help;
            Problem::bad_request(error.code, format!("{error} in the form")).help(help)
        })
    };
    let mut at = raw.find('=');
    // `/Profile[@id='…']/@id=…`: the `=` that ends the name comes after its `/@field`.
    if raw.starts_with('/') || raw.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("%2f")) {
        let mut from = 0;
        for (end, _) in raw.match_indices('=') {
            // A field has no `=`, raw or not, and no character is parted by one: what is between two of them tells.
            if ends_in_field(&decode(&raw[from..end])?) {
                at = Some(end);
                break;
            }
            from = end + 1;
        }
    }
    match at {
        None => Ok((decode(raw)?, String::new())),
        Some(at) => Ok((decode(&raw[..at])?, decode(&raw[at + 1..])?)),
    }
}

fn ends_in_field(name: &str) -> bool {
    name.rsplit_once("/@").is_some_and(|(_, field)| {
        !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: Result<&[(&str, &str)], &str>) {
        let found = pairs(&Bytes::copy_from_slice(body.as_bytes())).map_err(|problem| problem.code);
        let expected = expected.map(|pairs| {
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            pairs.iter().map(owned).collect::<Vec<_>>()
        });
        assert_eq!(found, expected, "{body}");
    }

    #[test]
    fn pairs_are_decoded_once() {
        check("", Ok(&[]));
        check("&a=1&&b", Ok(&[("a", "1"), ("b", "")]));
        check("a=x+y%2Bz%26&a=2\r\n", Ok(&[("a", "x y+z&"), ("a", "2")]));
        check("a=b=c", Ok(&[("a", "b=c")]));
        check(
            "/Profile[@id='{randomUuid,p}']/@id={randomUuid,p}",
            Ok(&[("/Profile[@id='{randomUuid,p}']/@id", "{randomUuid,p}")]),
        );
        check(
            "%2FProfile%5B%40id%3D%27x%27%5D%2F%40displayName=A%3DB",
            Ok(&[("/Profile[@id='x']/@displayName", "A=B")]),
        );
        check("a=%4", Err("brokenEscape"));
        check("a=%ff", Err("notUtf8"));
    }

    #[test]
    fn a_name_that_is_a_selector_ends_with_its_field() {
        for (body, name, value) in [
            ("/a=b", "/a", "b"),
            ("/=", "/", ""),
            ("/==", "/", "="),
            ("/@=", "/@", ""),
            ("/@a", "/@a", ""),
            ("/@a=", "/@a", ""),
            ("/@a=/@b=c", "/@a", "/@b=c"),
            ("/@a b=/@c_1=d", "/@a b=/@c_1", "d"),
            ("/@a+b=/@c=d+e", "/@a b=/@c", "d e"),
            ("/x=/@=/@a=b", "/x=/@=/@a", "b"),
            // One that is encoded ends nothing, and is no part of a field.
            ("/x%3D/@a%3Db=/@c=d", "/x=/@a=b=/@c", "d"),
            ("/@a%3D=b=c", "/@a=", "b=c"),
            ("%2fx=%2F%40%61=%3D", "/x=/@a", "="),
            ("%2F%40a=b=c", "/@a", "b=c"),
            ("/x=/@/@a=b", "/x=/@/@a", "b"),
            ("/x/=@a=b", "/x/", "@a=b"),
            ("/ö='ä'/@a=ü", "/ö='ä'/@a", "ü"),
            ("x/@a=/@b=c", "x/@a", "/@b=c"),
        ] {
            check(body, Ok(&[(name, value)]));
        }
        for (body, code) in [
            ("/x=%4=/@a=b", "brokenEscape"),
            ("/x%=/@a=b", "brokenEscape"),
            ("/@a=%4", "brokenEscape"),
            ("/x=y%zz", "brokenEscape"),
            ("/x=%ff=/@a=b", "notUtf8"),
            // The rest of the character is not looked for beyond the `=`.
            ("/x=%C3=%B6/@a=b", "notUtf8"),
            ("/@a=%ff", "notUtf8"),
            // What comes first is told.
            ("/%ff=%4=", "notUtf8"),
            ("/%4=%ff=", "brokenEscape"),
        ] {
            check(body, Err(code));
        }
    }

    /// A body of nothing but ends is gone through once.
    #[test]
    fn a_long_name_is_decoded_once() {
        let many = 1024 * 1024;
        let ends = "=".repeat(many);
        check(&format!("/{ends}"), Ok(&[("/", &ends[1..])]));
        let escaped = "%40=".repeat(many / 4);
        let name = format!("/{}/@a", "@=".repeat(many / 4));
        check(&format!("/{escaped}/@a=b"), Ok(&[(name.as_str(), "b")]));
    }
}
