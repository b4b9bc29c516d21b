//! The fuzz targets on a stable toolchain: each is asked of its seeds in `fixtures/fuzz` and of random inputs made from
//! them. The long runs are `make fuzz`.

use std::path::Path;

use crate::differential::Dice;

#[path = "../fuzz/properties/body.rs"]
mod body;
#[path = "../fuzz/properties/selector.rs"]
mod selector;

const RANDOM_INPUTS: usize = 10_000;

#[test]
fn selector() {
    replay("selector", selector::selector);
}

#[test]
fn body() {
    replay("body", body::body);
}

/// Bytes put together at random are seldom JSON: here whole values change places, within a seed and between seeds.
#[test]
fn body_of_another_shape() {
    let seeds: Vec<serde_json::Value> = seeds("body")
        .iter()
        .filter_map(|seed| serde_json::from_slice(seed).ok())
        .collect();
    let mut random = Dice::new(8);
    for _ in 0..RANDOM_INPUTS {
        let mut body = seeds[random.below(seeds.len())].clone();
        for _ in 0..random.below(4) {
            let mut other = seeds[random.below(seeds.len())].clone();
            let from = std::mem::take(some(&mut other, &mut random));
            *some(&mut body, &mut random) = from;
        }
        body::body(body.to_string().as_bytes());
    }
}

/// A value somewhere in another.
fn some<'v>(mut value: &'v mut serde_json::Value, random: &mut Dice) -> &'v mut serde_json::Value {
    loop {
        let children = value.as_array().map_or(0, Vec::len) + value.as_object().map_or(0, serde_json::Map::len);
        if children == 0 || random.below(4) == 0 {
            return value;
        }
        let at = random.below(children);
        value = match value {
            serde_json::Value::Array(items) => &mut items[at],
            serde_json::Value::Object(members) => members.values_mut().nth(at).expect("one of them"),
            _ => unreachable!("it has children"),
        };
    }
}

/// Asks a property of every seed, then of random inputs: pieces of the seeds put together, and damaged.
fn replay(target: &str, property: fn(&[u8])) {
    let seeds = seeds(target);
    seeds.iter().for_each(|seed| property(seed));

    // The same numbers in every run: an input that fails, fails again.
    let mut random = Dice::new(7);
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

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/fuzz").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort(); // the inputs are the same wherever the test runs
    let seeds: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).expect("a seed")).collect();
    assert!(seeds.len() >= 10, "{} seeds for {target}", seeds.len());
    seeds
}
