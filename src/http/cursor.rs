//! Where a page ended, as clients carry it: opaque, authenticated, bound to what was asked and to who asked.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::model::Principal;
use crate::query::Position;

/// Bytes of the authentication code kept in a cursor.
const MAC: usize = 16;

/// Of selectors, and of lists that pass over what is hidden. The key is the process's own: cursors end with it, and a client that
/// comes back with an old one starts over.
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

    /// The same for a place that may be of something its holder does not see, so that nothing is read from it either.
    pub fn hide(&self, place: [u64; 2], asked: &str, who: Principal) -> String {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&place[0].to_be_bytes());
        bytes[8..].copy_from_slice(&place[1].to_be_bytes());
        let code = code(&self.keyed, &bytes, &bound(asked, who));
        hex(&[self.masked(bytes, &code), code].concat())
    }

    /// `None` for anything this server did not hide for this question and this principal.
    pub fn find(&self, cursor: &str, asked: &str, who: Principal) -> Option<[u64; 2]> {
        let bytes = unhex(cursor)?;
        let ([hidden, sent], []) = bytes.as_chunks::<MAC>() else {
            return None;
        };
        let place = self.masked(*hidden, sent);
        let known = code(&self.keyed, &place, &bound(asked, who));
        let (numbers, _) = place.as_chunks::<8>();
        let is_ours = bool::from(subtle::ConstantTimeEq::ct_eq(&sent[..], &known[..]));
        is_ours.then(|| [u64::from_be_bytes(numbers[0]), u64::from_be_bytes(numbers[1])])
    }

    /// Each place has a code of its own, and each code a mask: so the same mask is on no two places.
    fn masked(&self, mut bytes: [u8; 16], code: &[u8; MAC]) -> [u8; 16] {
        let mut mac = self.keyed.clone();
        // No length that `code` begins with reads so.
        mac.update(b"the mask");
        mac.update(code);
        let mask = mac.finalize().into_bytes();
        bytes.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
        bytes
    }

    /// `None` for anything this server did not seal for this selector and this principal.
    pub fn open(&self, cursor: &str, selector: &str, who: Principal) -> Option<Position> {
        Position::decode(&opened(&self.keyed, cursor, &bound(selector, who))?)
    }
}

/// The member of an answer that says there is more. Needs no escapes.
pub fn tell_next(out: &mut Vec<u8>, cursor: &str) {
    out.extend_from_slice(b",\"nextCursor\":\"");
    out.extend_from_slice(cursor.as_bytes());
    out.push(b'"');
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
    fn a_hidden_place_is_read_by_nobody_else() {
        let cursors = Cursors::new([7; 32]);
        let who = Principal::default();
        let cursor = cursors.hide([3, 4], "asked", who);
        assert_eq!(cursors.find(&cursor, "asked", who), Some([3, 4]));
        assert_eq!(cursors.find(&cursor, "askedd", who), None);
        let other = Principal {
            token: Some(uuid::Uuid::from_u128(1)),
            ..who
        };
        assert_eq!(cursors.find(&cursor, "asked", other), None);
        assert_eq!(Cursors::new([8; 32]).find(&cursor, "asked", who), None);
        // Places next to each other look nothing alike.
        let next = cursors.hide([3, 5], "asked", who);
        assert_ne!(cursor[..16], next[..16]);
        assert_ne!(cursor[..16], "0000000000000003"[..]);
        for at in 0..cursor.len() {
            let mut bytes = cursor.clone().into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            let altered = String::from_utf8(bytes).expect("digits");
            assert_eq!(cursors.find(&altered, "asked", who), None, "{altered}");
        }
        for nonsense in ["", "0", "zz", &cursor[2..], &format!("{cursor}00")] {
            assert_eq!(cursors.find(nonsense, "asked", who), None, "{nonsense}");
        }
    }

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
