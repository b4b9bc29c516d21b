//! Where a page ended, as clients carry it: opaque, authenticated, bound to what was asked and to who asked.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::model::Principal;
use crate::query::Position;

/// Bytes of the authentication code kept in a cursor.
const MAC: usize = 16;

/// Of selectors. The key is the process's own: cursors end with it, and a client that comes back with an old one starts over.
pub struct Cursors {
    /// Of nothing yet: each code goes on from here.
    keyed: Hmac<Sha256>,
}

impl Cursors {
    pub fn new(key: [u8; 32]) -> Self {
        Self { keyed: keyed(&key) }
    }

    pub fn seal(&self, position: &Position, selector: &str, who: Principal) -> String {
        sealed(&self.keyed, &position.encode(), &bound(selector, who))
    }

    /// `None` for anything this server did not seal for this selector and this principal.
    pub fn open(&self, cursor: &str, selector: &str, who: Principal) -> Option<Position> {
        Position::decode(&opened(&self.keyed, cursor, &bound(selector, who))?)
    }
}

fn bound(selector: &str, who: Principal) -> Vec<u8> {
    let mut bound = Vec::with_capacity(selector.len() + 34);
    for id in [who.token, who.profile] {
        bound.push(u8::from(id.is_some()));
        bound.extend_from_slice(id.unwrap_or_default().as_bytes());
    }
    bound.extend_from_slice(selector.as_bytes());
    bound
}

/// Cursors whose key is made of the caller's own token: they last as long as it does, across restarts, and are nobody
/// else's. For a log, whose positions mean the same for ever.
pub struct Lasting {
    keyed: Hmac<Sha256>,
}

impl Lasting {
    pub fn new(token: &str) -> Self {
        let mut key = Sha256::new();
        key.update(b"seatgraph cursor\0");
        key.update(token.as_bytes());
        Self {
            keyed: keyed(&key.finalize().into()),
        }
    }

    pub fn seal(&self, position: &[u8], asked: &str) -> String {
        sealed(&self.keyed, position, asked.as_bytes())
    }

    pub fn open(&self, cursor: &str, asked: &str) -> Option<Vec<u8>> {
        opened(&self.keyed, cursor, asked.as_bytes())
    }
}

fn sealed(keyed: &Hmac<Sha256>, position: &[u8], bound: &[u8]) -> String {
    let mut bytes = position.to_vec();
    bytes.extend_from_slice(&code(keyed, position, bound));
    hex(&bytes)
}

fn opened(keyed: &Hmac<Sha256>, cursor: &str, bound: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = unhex(cursor)?;
    let sent = bytes.split_off(bytes.len().checked_sub(MAC)?);
    bool::from(subtle::ConstantTimeEq::ct_eq(
        &sent[..],
        &code(keyed, &bytes, bound)[..],
    ))
    .then_some(bytes)
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    let mut keyed = Hmac::<Sha256>::new(&block.into());
    keyed.update(b"cursor\0");
    keyed
}

/// Lengths go first, so that no two different inputs read as the same bytes.
fn code(keyed: &Hmac<Sha256>, position: &[u8], bound: &[u8]) -> [u8; MAC] {
    let mut mac = keyed.clone();
    for part in [position, bound] {
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part);
    }
    let full = mac.finalize().into_bytes();
    let mut short = [0; MAC];
    short.copy_from_slice(&full[..MAC]);
    short
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16).map(|digit| digit as u8);
    let digits: Vec<u8> = text.bytes().map(digit).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lasting_cursor_is_for_one_caller_and_one_question() {
        let cursors = Lasting::new("token");
        let cursor = cursors.seal(b"position", "asked");
        assert_eq!(cursors.open(&cursor, "asked").as_deref(), Some(&b"position"[..]));
        assert_eq!(
            Lasting::new("token").open(&cursor, "asked").as_deref(),
            Some(&b"position"[..])
        );
        assert_eq!(cursors.open(&cursor, "askedd"), None);
        assert_eq!(Lasting::new("other").open(&cursor, "asked"), None);
        for at in 0..cursor.len() {
            let mut bytes = cursor.clone().into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            let altered = String::from_utf8(bytes).expect("digits");
            assert_eq!(cursors.open(&altered, "asked"), None, "{altered}");
        }
        for nonsense in ["", "0", "zz", "é", &cursor[2..], &format!("{cursor}00")] {
            assert_eq!(cursors.open(nonsense, "asked"), None, "{nonsense}");
        }
    }
}
