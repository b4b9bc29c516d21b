//! Where a page ended, as clients carry it: opaque, authenticated, bound to the selector and to who asked.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::model::Principal;
use crate::query::Position;

/// Bytes of the authentication code kept in a cursor.
const MAC: usize = 16;

/// The key is the process's own: cursors end with it, and a client that comes back with an old one starts over.
pub struct Cursors {
    /// Of nothing yet: each code goes on from here.
    keyed: Hmac<Sha256>,
}

impl Cursors {
    pub fn new(key: [u8; 32]) -> Self {
        let mut padded = [0; 64];
        padded[..32].copy_from_slice(&key);
        let mut keyed = Hmac::<Sha256>::new(&padded.into());
        keyed.update(b"cursor\0");
        Self { keyed }
    }

    pub fn seal(&self, position: &Position, selector: &str, who: Principal) -> String {
        let mut bytes = position.encode();
        let mac = self.mac(&bytes, selector, who);
        bytes.extend_from_slice(&mac);
        hex(&bytes)
    }

    /// `None` for anything this server did not seal for this selector and this principal.
    pub fn open(&self, cursor: &str, selector: &str, who: Principal) -> Option<Position> {
        let bytes = unhex(cursor)?;
        let (position, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC)?)?;
        let expected = self.mac(position, selector, who);
        if !bool::from(subtle::ConstantTimeEq::ct_eq(mac, &expected[..])) {
            return None;
        }
        Position::decode(position)
    }

    /// Lengths go first, so that no two different inputs read as the same bytes.
    fn mac(&self, position: &[u8], selector: &str, who: Principal) -> [u8; MAC] {
        let mut mac = self.keyed.clone();
        for part in [position, selector.as_bytes()] {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        for id in [who.token, who.profile] {
            mac.update(&[u8::from(id.is_some())]);
            mac.update(id.unwrap_or_default().as_bytes());
        }
        let full = mac.finalize().into_bytes();
        let mut short = [0; MAC];
        short.copy_from_slice(&full[..MAC]);
        short
    }
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
