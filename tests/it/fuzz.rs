//! The fuzz targets on a stable toolchain: each is asked of its seeds in `fixtures/fuzz` and of random inputs made from
//! them. The long runs are `make fuzz`.

use std::path::Path;

#[path = "../fuzz/properties/selector.rs"]
mod selector;

const RANDOM_INPUTS: usize = 10_000;

#[test]
fn selector() {
    replay("selector", selector::selector);
}

/// Asks a property of every seed, then of random inputs: pieces of the seeds put together, and damaged.
fn replay(target: &str, property: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/fuzz").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort(); // the inputs are the same wherever the test runs
    let seeds: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).expect("a seed")).collect();
    assert!(seeds.len() >= 10, "{} seeds for {target}", seeds.len());
    seeds.iter().for_each(|seed| property(seed));

    let mut random = Random(7);
    for _ in 0..RANDOM_INPUTS {
        let mut input = Vec::new();
        for _ in 0..=random.below(3) {
            let seed = &seeds[random.below(seeds.len())];
            let from = random.below(seed.len() + 1);
            let to = from + random.below(seed.len() - from + 1);
            input.extend_from_slice(if random.below(3) == 0 { seed } else { &seed[from..to] });
        }
        for _ in 0..random.below(5) {
            let at = random.below(input.len() + 1);
            match random.below(3) {
                0 => input.insert(at, random.below(256) as u8),
                1 => drop(input.drain(at..(at + 1 + random.below(4)).min(input.len()).max(at))),
                _ if at < input.len() => input[at] ^= 1 << random.below(8),
                _ => {}
            }
        }
        property(&input);
    }
}

/// The same numbers in every run: an input that fails, fails again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}
