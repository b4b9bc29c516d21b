//! The text of a compact JWS (RFC 7515): three parts in base64url, of which each has one spelling and no other.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::Algorithm;

pub fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// `None` for padding, for bits that are left over, and for any letter of another alphabet.
pub fn unbase64(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// What every token of a key begins with.
pub fn header(algorithm: Algorithm, kid: Uuid) -> String {
    base64(format!("{{\"alg\":\"{algorithm}\",\"typ\":\"JWT\",\"kid\":\"{kid}\"}}").as_bytes())
}

/// What is signed, with room for the signature.
pub fn signed_part(header: &str, claims: &[u8]) -> String {
    let mut text = String::with_capacity(header.len() + claims.len() * 4 / 3 + 700);
    text.push_str(header);
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut text);
    text
}

/// Its signature goes after it.
pub fn finish(mut signed: String, signature: &[u8]) -> String {
    signed.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut signed);
    signed
}

/// The three parts, and what is signed of them. `None` unless there are three.
pub fn parts(token: &str) -> Option<(&str, &str, &str, &str)> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    (!claims.contains('.')).then_some((header, claims, signature, signed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_one_spelling() {
        for (text, bytes) in [
            ("", Some(&b""[..])),
            ("QQ", Some(b"A")),
            ("QR", None),
            ("QQ==", None),
            ("Q Q", None),
            ("-_8", Some(&[0xfb, 0xff])),
            ("+/8", None),
            ("Q", None),
            ("QQ\n", None),
        ] {
            assert_eq!(unbase64(text.as_bytes()).as_deref(), bytes, "{text}");
            assert!(bytes.is_none_or(|bytes| base64(bytes) == text));
        }
    }

    #[test]
    fn a_token_has_three_parts() {
        assert_eq!(parts("a.b.c"), Some(("a", "b", "c", "a.b")));
        assert_eq!(parts(".."), Some(("", "", "", ".")));
        for text in ["", "a", "a.b", "a.b.c.d", "a.b.c."] {
            assert_eq!(parts(text), None, "{text}");
        }
    }
}
