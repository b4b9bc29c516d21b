//! Where a server or a page is: URLs and origins as they are set, in the form in which others say them. Looks nothing up,
//! and knows addresses by their letters alone.

use std::iter::repeat_n;

/// The scheme is small; what follows is kept, for tokens and links begin with it.
pub fn url(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let is_url = matches!(scheme.as_str(), "https" | "http") && host_and_port(host).is_some() && is_path(path);
    is_url.then(|| format!("{scheme}://{rest}"))
}

fn is_path(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"?#\"<>\\^`{|}".contains(&byte);
    let is_encoded = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    text.bytes().all(is_plain) && text.split('%').skip(1).all(is_encoded)
}

/// A browser sends no more of itself than a scheme, a host and perhaps a port, in small letters and without the port that the scheme
/// has anyway. It is compared as it comes, so it is kept in that form.
pub(super) fn origin(text: &str) -> Option<String> {
    if text == "*" || text == "null" {
        return Some(text.to_owned());
    }
    let (scheme, rest) = text.split_once("://")?;
    let is_scheme = scheme
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !is_scheme || !scheme.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return None;
    }
    let (host, port) = host_and_port(rest)?;
    let scheme = scheme.to_ascii_lowercase();
    Some(match (scheme.as_str(), port) {
        (_, None) | ("https", Some(443)) | ("http", Some(80)) => format!("{scheme}://{host}"),
        (_, Some(port)) => format!("{scheme}://{host}:{port}"),
    })
}

/// `seats.example`, `[::1]:8080`, the host as browsers write it. Nothing listens on port 0.
fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let end = match text.starts_with('[') {
        true => text.find(']')? + 1,
        false => text.find(':').unwrap_or(text.len()),
    };
    let (host, port) = text.split_at(end);
    let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(text) => format!("[{}]", address(text)?),
        None => name(host)?,
    };
    let port = match port.strip_prefix(':') {
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(port.parse().ok().filter(|port| *port > 0)?)
        }
        None if port.is_empty() => None,
        _ => return None,
    };
    Some((host, port))
}

/// A name of other letters than ASCII has its form in those (`xn--…`). One that ends in a number is an address, and browsers
/// write that one as four.
fn name(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let parts: Vec<&str> = text.strip_suffix('.').unwrap_or(&text).split('.').collect();
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_part = |part: &&str| part.bytes().all(is_of_name) && part.bytes().any(|byte| byte.is_ascii_alphanumeric());
    let is_number = |part: &&str| part.starts_with("0x") || part.bytes().all(|byte| byte.is_ascii_digit());
    let is_byte = |part: &&str| part.parse::<u8>().is_ok_and(|byte| byte.to_string() == **part);
    let is_name = match parts.last().is_some_and(is_number) {
        true => parts.len() == 4 && parts.iter().all(is_byte) && !text.ends_with('.'),
        false => parts.iter().all(is_part),
    };
    is_name.then_some(text)
}

/// What stands in brackets: the longest of several zeros is left out, the first of those that are as long.
fn address(text: &str) -> Option<String> {
    let groups = |text: &str| -> Option<Vec<u16>> {
        let is_group =
            |group: &&str| (1..=4).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_hexdigit());
        let read = |group: &str| u16::from_str_radix(Some(group).filter(is_group)?, 16).ok();
        match text.is_empty() {
            true => Some(Vec::new()),
            false => text.split(':').map(read).collect(),
        }
    };
    let all = match text.split_once("::") {
        None => groups(text)?,
        Some((before, after)) => {
            let (mut all, after) = (groups(before)?, groups(after)?);
            let left_out = 8_usize
                .checked_sub(all.len() + after.len())
                .filter(|zeros| *zeros > 0)?;
            all.extend(repeat_n(0, left_out));
            all.extend(after);
            all
        }
    };
    if all.len() != 8 {
        return None;
    }
    let mut zeros = 0..0;
    for from in 0..8 {
        let until = all[from..]
            .iter()
            .position(|group| *group != 0)
            .map_or(8, |at| from + at);
        if until - from > zeros.len().max(1) {
            zeros = from..until;
        }
    }
    let told = |groups: &[u16]| {
        let groups = groups.iter().map(|group| format!("{group:x}"));
        groups.collect::<Vec<_>>().join(":")
    };
    Some(match zeros.is_empty() {
        true => told(&all),
        false => format!("{}::{}", told(&all[..zeros.start]), told(&all[zeros.end..])),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_kept_as_browsers_send_it() {
        for (text, expected) in [
            ("HTTPS://A.EXAMPLE", "https://a.example"),
            ("https://a.example:443", "https://a.example"),
            ("http://a.example:80", "http://a.example"),
            ("http://a.example:443", "http://a.example:443"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://a_b.example.", "http://a_b.example."),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("https://[0:0::1]", "https://[::1]"),
            ("https://[0:0:0:0:0:0:0:0]", "https://[::]"),
            ("https://[2001:DB8:0:0:1:0:0:01]", "https://[2001:db8::1:0:0:1]"),
            ("https://[2001:db8:0:1:1:1:1:1]", "https://[2001:db8:0:1:1:1:1:1]"),
            ("https://[1:0:0:2:0:0:0:3]", "https://[1:0:0:2::3]"),
            ("https://[1::]", "https://[1::]"),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"),
            ("null", "null"),
            ("*", "*"),
        ] {
            assert_eq!(origin(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_url_is_kept_as_it_is_but_for_its_scheme() {
        for (text, expected) in [
            ("HTTPS://A.example", "https://A.example"),
            ("https://a.example:8443/seats/", "https://a.example:8443/seats/"),
            ("http://[::1]:8080/a%20b", "http://[::1]:8080/a%20b"),
        ] {
            assert_eq!(url(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_host_is_none_of_a_url_nor_of_an_origin() {
        for host in [
            "",
            "..",
            "-",
            "a..b",
            ".a.example",
            "_",
            "ä.example",
            "a.example:0",
            "a.example:",
            "a.example:65536",
            "a.example:x",
            "u@a.example",
            "1.2.3",
            "1.2.3.04",
            "1.2.3.256",
            "1.2.3.4.",
            "0x7f.1",
            "a.0x1",
            "[]",
            "[x]",
            "[::1",
            "[:1]",
            "[1:]",
            "[1::2::3]",
            "[:::1]",
            "[1:2:3:4:5:6:7]",
            "[1:2:3:4:5:6:7::8]",
            "[12345::]",
            "[+1::]",
            "[::1]x",
        ] {
            let text = format!("https://{host}");
            assert_eq!((url(&text), origin(&text)), (None, None), "{text}");
        }
    }
}
