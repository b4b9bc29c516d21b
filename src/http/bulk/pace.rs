//! How much of an import is one transaction. The committer does nothing else meanwhile: ten thousand lines keep it for a tenth of
//! a second, which nobody minds who is alone, and everybody who wants a lease. Large batches pay because a commit costs the
//! same for many changes as for few, and small ones still pay most of that. A backup rests for the same reason.

use std::time::{Duration, Instant};

use super::Document;
use crate::engine::Engine;

/// Lines of a batch while nobody else writes (design 16).
const ALONE: usize = 10_000;

/// Lines of a batch while others do: about a millisecond of the committer's time, so that a write that meets one waits no
/// longer for it than for its own turn at the disk.
const BESIDE: usize = 100;

/// Bytes of a batch while nobody else writes: no more is held in memory for one.
const ALONE_BYTES: usize = 8 * 1024 * 1024;

/// Bytes of a batch beside others, which long lines, or the lists of another system, come to sooner.
const BESIDE_BYTES: usize = 64 * 1024;

/// Others are there as long as one of them came to write in this time: who comes three times in it meets a large batch
/// once in twenty times. An import that has the server for itself again loses no more than this at half its pace.
pub const QUIET: Duration = Duration::from_secs(2);

/// How many of the documents make the next batch, `ended` when no more will come. 0: there is none yet.
pub fn next(documents: &[Document], alone: bool, ended: bool) -> usize {
    let (most, most_bytes) = match alone {
        true => (ALONE, ALONE_BYTES),
        false => (BESIDE, BESIDE_BYTES),
    };
    let mut bytes = 0;
    let fits = |document: &&Document| {
        let fits = bytes < most_bytes;
        bytes += document.bytes.len();
        fits
    };
    let count = documents.iter().take(most).take_while(fits).count();
    match ended || count == most || count < documents.len() {
        true => count,
        false => 0,
    }
}

/// Leaves the processors and the disk to others: while they write, who works on long in steps rests after each.
pub struct Rests {
    engine: Engine,
    began: Instant,
}

impl Rests {
    /// However short a step was, and however long it took to come by the processor or the disk.
    const SHORTEST: Duration = Duration::from_millis(1);
    const LONGEST: Duration = Duration::from_millis(50);

    pub fn new(engine: Engine) -> Self {
        let began = Instant::now();
        Self { engine, began }
    }

    /// A step begins here, whatever went before.
    pub fn begin(&mut self) {
        self.began = Instant::now();
    }

    /// A step is done: as long as it took, this thread does nothing, unless nobody else is there. The next one begins.
    pub fn rest(&mut self) {
        if !self.engine.is_quiet(QUIET) {
            std::thread::sleep(self.began.elapsed().clamp(Self::SHORTEST, Self::LONGEST));
        }
        self.begin();
    }
}

#[cfg(test)]
mod tests {
    use actix_web::web::Bytes;

    use super::*;

    #[test]
    fn a_batch_is_small_beside_others() {
        let check = |lines: usize, of_bytes: usize, alone, ended, expected: usize| {
            let bytes = Bytes::from(vec![b' '; of_bytes]);
            let document = |number: usize| Document {
                number: number as u64,
                bytes: bytes.clone(),
            };
            let documents: Vec<Document> = (1..=lines).map(document).collect();
            let found = next(&documents, alone, ended);
            assert_eq!(found, expected, "{lines} of {of_bytes} bytes, {alone} {ended}");
        };
        for (alone, most) in [(true, 10_000), (false, 100)] {
            check(0, 1, alone, false, 0);
            check(0, 1, alone, true, 0);
            check(most - 1, 1, alone, false, 0);
            check(most - 1, 1, alone, true, most - 1);
            check(most, 1, alone, false, most);
            check(most + 1, 1, alone, true, most);
        }
        const KIB: usize = 1024;
        check(9, 32 * KIB, true, false, 0);
        check(255, 32 * KIB, true, false, 0);
        check(257, 32 * KIB, true, false, 256);
        check(1, 64 * KIB, false, false, 0);
        check(2, 64 * KIB, false, false, 1);
        check(9, 1024 * KIB, false, false, 1);
        check(9, 32 * KIB, false, false, 2);
        check(9, 1024 * KIB, false, true, 1);
        check(1, 1024 * KIB, false, true, 1);
    }
}
