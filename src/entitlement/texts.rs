//! Texts as the graph keeps several of them: JSON text of one shape, `["a","b"]`, or by name `{"a":"b"}`. These shapes are read
//! here, and no other.

use compact_str::CompactString;

/// `None`: it is not of the shape.
pub fn read(text: &str) -> Option<Vec<CompactString>> {
    let mut left = text.trim_start().strip_prefix('[')?.trim_start();
    let mut all = Vec::new();
    if left.starts_with(']') {
        return ends(left, ']').then_some(all);
    }
    loop {
        let (one, rest) = string(left)?;
        all.push(one);
        left = rest.trim_start();
        match left.strip_prefix(',') {
            Some(rest) => left = rest.trim_start(),
            None => return ends(left, ']').then_some(all),
        }
    }
}

/// The same of texts that have names, in their order.
pub fn read_named(text: &str) -> Option<Vec<(CompactString, CompactString)>> {
    let mut left = text.trim_start().strip_prefix('{')?.trim_start();
    let mut all = Vec::new();
    if left.starts_with('}') {
        return ends(left, '}').then_some(all);
    }
    loop {
        let (name, rest) = string(left)?;
        let (one, rest) = string(rest.trim_start().strip_prefix(':')?.trim_start())?;
        all.push((name, one));
        left = rest.trim_start();
        match left.strip_prefix(',') {
            Some(rest) => left = rest.trim_start(),
            None => return ends(left, '}').then_some(all),
        }
    }
}

fn ends(left: &str, sign: char) -> bool {
    left.strip_prefix(sign).is_some_and(|rest| rest.trim_start().is_empty())
}

fn string(text: &str) -> Option<(CompactString, &str)> {
    let mut out = CompactString::default();
    let mut left = text.strip_prefix('"')?;
    loop {
        let at = left.find(|letter: char| matches!(letter, '"' | '\\') || letter < ' ')?;
        out.push_str(&left[..at]);
        left = &left[at..];
        if let Some(rest) = left.strip_prefix('"') {
            return Some((out, rest));
        }
        let (letter, rest) = escaped(left.strip_prefix('\\')?)?;
        out.push(letter);
        left = rest;
    }
}

/// What stands after a backslash.
fn escaped(text: &str) -> Option<(char, &str)> {
    let mut letters = text.chars();
    let letter = match letters.next()? {
        letter @ ('"' | '\\' | '/') => letter,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => return unit(letters.as_str()),
        _ => return None,
    };
    Some((letter, letters.as_str()))
}

/// Four hexadecimal digits, or twice four where the first are half of a pair.
fn unit(text: &str) -> Option<(char, &str)> {
    let (first, rest) = hex(text)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Some((char::from_u32(first)?, rest));
    }
    let (second, rest) = hex(rest.strip_prefix("\\u")?)?;
    let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    Some((char::from_u32(0x10000 + ((first - 0xd800) << 10) + low)?, rest))
}

fn hex(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = u32::from_str_radix(digits, 16).ok()?;
    is_hex.then_some((number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_of_one_shape() {
        let check = |text: &str, expected: Option<&[&str]>| {
            let found = read(text);
            let found = found
                .as_ref()
                .map(|all| all.iter().map(|one| one.as_str()).collect::<Vec<_>>());
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        check("[]", Some(&[]));
        check(" [ ] ", Some(&[]));
        check(r#"["a"]"#, Some(&["a"]));
        check(r#" [ "a" , "b c" ,"" ] "#, Some(&["a", "b c", ""]));
        check(r#"["\"\\\/\b\f\n\r\t"]"#, Some(&["\"\\/\u{8}\u{c}\n\r\t"]));
        check(r#"["\u00e4\uD83D\ude00ö"]"#, Some(&["ä😀ö"]));
        for wrong in [
            "",
            "a",
            "null",
            "{}",
            "[",
            "]",
            r#"["a"#,
            r#"["a""#,
            r#"["a",]"#,
            r#"["a" "b"]"#,
            r#"["a"] x"#,
            "[1]",
            "[null]",
            r#"[["a"]]"#,
            r#"["\x"]"#,
            r#"["\u12"]"#,
            r#"["\u+123"]"#,
            r#"["\ud83d"]"#,
            r#"["\ud83d\u0041"]"#,
            r#"["\ude00"]"#,
            "[\"a\nb\"]",
        ] {
            check(wrong, None);
        }
    }
}
