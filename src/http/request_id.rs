//! What a request is called.

use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::http::header::HeaderMap;
use compact_str::CompactString;

use super::REQUEST_ID;

/// Names a request in answers, logs and the audit: the client's own name for it, or one of ours.
pub(super) struct RequestIds {
    /// What all of one process begin with: `5f3a91c0-`.
    process: CompactString,
    next: AtomicU64,
}

/// As `{:x}`, which is slower.
fn push_hex(text: &mut CompactString, number: u64) {
    let digits = (16 - number.leading_zeros() / 4).max(1);
    for digit in (0..digits).rev() {
        text.push(char::from(b"0123456789abcdef"[(number >> (4 * digit) & 15) as usize]));
    }
}

impl RequestIds {
    pub(super) fn new(secret: [u8; 32]) -> Self {
        let [a, b, c, d, ..] = secret;
        Self {
            process: compact_str::format_compact!("{:08x}-", u32::from_le_bytes([a, b, c, d])),
            next: AtomicU64::new(1),
        }
    }

    pub(super) fn of(&self, headers: &HeaderMap) -> CompactString {
        let sent = headers.get(&REQUEST_ID).and_then(|value| value.to_str().ok());
        match sent {
            Some(sent) if (1..=64).contains(&sent.len()) && sent.bytes().all(|byte| byte.is_ascii_graphic()) => {
                sent.into()
            }
            _ => {
                let mut id = self.process.clone();
                push_hex(&mut id, self.next.fetch_add(1, Ordering::Relaxed));
                id
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_a_request_is_hexadecimal() {
        for number in [0, 1, 15, 16, 255, 4096, u64::MAX] {
            let mut text = CompactString::default();
            push_hex(&mut text, number);
            assert_eq!(text, format!("{number:x}"));
        }
    }
}
