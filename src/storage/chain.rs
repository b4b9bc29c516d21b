//! The hash chain over the commits: the hash of each covers the hash of the one before it, so that a log in which a
//! commit was altered, removed, put in or moved no longer hangs together. A checksum finds accidents; this finds intent.
//! It keeps no secret: who can write the whole file can also make another chain that is sound in itself. So a [`Link`] is
//! told outside of the database (the server's log, `verify`), and `verify --chain` compares it later.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::words::Words;
use crate::model::{Revision, Time};

pub type Hash = [u8; 32];

/// Before the first commit.
pub const BEGINNING: Hash = [0; 32];

// What is hashed here is hashed nowhere else, and one kind of it is never taken for the other.
const COMMIT: &[u8; 20] = b"seatgraph commit  1\0";
const WORD: &[u8; 20] = b"seatgraph word    1\0";

/// Where the chain stood: the hash of the commit of a revision. Written `HEX@REVISION`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    pub revision: Revision,
    pub hash: Hash,
}

impl fmt::Display for Link {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hash.iter().try_for_each(|byte| write!(out, "{byte:02x}"))?;
        write!(out, "@{}", self.revision)
    }
}

impl FromStr for Link {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no link of a chain: it is 64 hexadecimal digits, `@` and a revision");
        let (digits, revision) = text.split_once('@').ok_or_else(wrong)?;
        let revision = revision.parse().map_err(|_| wrong())?;
        let nibble = |digit: u8| char::from(digit).to_digit(16).map(|digit| digit as u8);
        let mut hash = BEGINNING;
        let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
        if pairs.len() != hash.len() || !rest.is_empty() {
            return Err(wrong());
        }
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            *byte = nibble(*high)
                .zip(nibble(*low))
                .map(|(high, low)| high << 4 | low)
                .ok_or_else(wrong)?;
        }
        Ok(Self { revision, hash })
    }
}

/// The hash of one commit in the making: what stands beside its body first, then the body, in as many pieces as it has.
/// Every part but the last has its length before it or always the same one, so no two commits are hashed as the same bytes.
pub struct Linking(Sha256);

impl Linking {
    /// `dictionary` is what the numbers in the body meant when it was written.
    pub fn new(previous: &Hash, dictionary: &Hash, revision: Revision, at: Time, operation: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(COMMIT);
        hash.update(previous);
        hash.update(dictionary);
        hash.update(revision.to_le_bytes());
        hash.update(at.0.to_le_bytes());
        hash.update((operation.len() as u64).to_le_bytes());
        hash.update(operation);
        Self(hash)
    }

    pub fn body(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    pub fn hash(self) -> Hash {
        self.0.finalize().into()
    }
}

/// The dictionary as the chain covers it. Words are only ever added, with higher numbers, so that what it was at a
/// commit is known by the highest number there was then.
pub struct Dictionary(Vec<(u64, Hash)>);

impl Dictionary {
    pub fn new(words: &Words) -> Self {
        let mut hash = BEGINNING;
        Self(
            words
                .iter()
                .map(|(code, word)| {
                    let mut next = Sha256::new();
                    next.update(WORD);
                    next.update(hash);
                    next.update(code.to_le_bytes());
                    next.update(word.as_bytes());
                    hash = next.finalize().into();
                    (code, hash)
                })
                .collect(),
        )
    }

    /// The highest number there is, and the hash of all words.
    pub fn last(&self) -> (u64, Hash) {
        self.0.last().copied().unwrap_or((0, BEGINNING))
    }

    /// The hash of the words up to one of them.
    pub fn upto(&self, code: u64) -> Option<Hash> {
        let at = self.0.binary_search_by_key(&code, |(code, _)| *code).ok()?;
        Some(self.0[at].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_read_as_it_is_written() {
        let link = Link {
            revision: 41,
            hash: std::array::from_fn(|at| (at * 37) as u8),
        };
        assert_eq!(link.to_string().parse(), Ok(link));
        assert_eq!(link.to_string().to_uppercase().parse(), Ok(link));
        let digits = "0".repeat(64);
        for text in [
            "",
            "@",
            "@1",
            &digits,
            &format!("{digits}@"),
            &format!("{digits}@x"),
            &format!("{digits}0@1"),
            &format!("{}@1", &digits[1..]),
            &format!("{}g@1", &digits[1..]),
        ] {
            assert!(text.parse::<Link>().is_err(), "{text}");
        }
    }

    /// Databases hold these: another way to hash would call every one of them forged.
    #[test]
    fn the_hash_is_what_it_was() {
        let linked = |previous, dictionary, revision, at, operation: &str, pieces: &[&[u8]]| {
            let mut linking = Linking::new(previous, dictionary, revision, Time(at), operation.as_bytes());
            pieces.iter().for_each(|piece| linking.body(piece));
            let hash = linking.hash();
            Link { revision, hash }.to_string()
        };
        let dictionary = Dictionary::new(&Words::new([(1, "License".into()), (7, "name".into())]).expect("sound"));
        assert_eq!(dictionary.upto(7), Some(dictionary.last().1));
        assert_eq!((dictionary.upto(2), dictionary.last().0), (None, 7));
        let words = dictionary.last().1;
        let first = linked(&BEGINNING, &words, 1, 5, "Create", &[b"body"]);
        let known = "52c6470ffc72ea8285e6f1f92060321827a1e9226f1f09576155083925453472@1";
        assert_eq!(first, known);
        for other in [
            linked(&[1; 32], &words, 1, 5, "Create", &[b"body"]),
            linked(&BEGINNING, &BEGINNING, 1, 5, "Create", &[b"body"]),
            linked(&BEGINNING, &words, 2, 5, "Create", &[b"body"]),
            linked(&BEGINNING, &words, 1, 6, "Create", &[b"body"]),
            linked(&BEGINNING, &words, 1, 5, "Createb", &[b"ody"]),
            linked(&BEGINNING, &words, 1, 5, "Create", &[b"bodY"]),
        ] {
            assert_ne!(other, first);
        }
        let in_pieces = linked(&BEGINNING, &words, 1, 5, "Create", &[b"bo", b"", b"dy"]);
        assert_eq!(in_pieces, first);
    }
}
