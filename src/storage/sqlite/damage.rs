//! Tests: flipped bits and cut files are found or refused, never a panic and never served as data; and what `verify`
//! says of each kind of damage. `SEATGRAPH_STORAGE_IMAGES` sets how many images are tried (300).

use std::fs;
use std::path::{Path, PathBuf};

use super::super::Log;
use super::super::samples::{World, loaded};
use super::*;
use crate::model::{Change, Header};

pub fn images() -> usize {
    std::env::var("SEATGRAPH_STORAGE_IMAGES")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(300)
}

/// A closed database of some hundred commits in a single file.
fn sample(directory: &Path) -> (PathBuf, World) {
    let (path, mut world) = (directory.join("seatgraph.db"), World::new(23));
    let mut open = Sqlite::open(&path, Migrate::Refuse).expect("opens");
    for _ in 0..20 {
        open.begin().expect("the turn");
        open.commit(&(0..10).map(|_| world.commit(8)).collect::<Vec<_>>())
            .expect("commits");
    }
    (path, world)
}

#[derive(Debug, Default)]
struct Outcomes {
    refused: usize,
    found_in_state: usize,
    found_in_log: usize,
    whole: usize,
}

/// Whatever is served must be what was written.
fn judge(path: &Path, world: &World, what: &str, outcomes: &mut Outcomes) {
    let Ok(mut open) = Sqlite::open(path, Migrate::Apply) else {
        outcomes.refused += 1;
        return;
    };
    let state = loaded(&mut open, Time(0));
    drop(open);
    let mut log = Reader::open(path);
    let commits = log
        .as_mut()
        .map_err(|error| error.clone())
        .and_then(|log| log.since(0, usize::MAX));
    let report = log.map(|mut log| log.verify(&mut |_, _| ()));
    match (&state, &commits) {
        (Err(_), _) => outcomes.found_in_state += 1,
        (Ok(_), Err(_)) => outcomes.found_in_log += 1,
        (Ok(_), Ok(_)) => outcomes.whole += 1,
    }
    if let Ok(state) = &state {
        assert_eq!(state, &(world.head, world.state(Time(0))), "{what}: the state");
    }
    if let Ok(commits) = &commits {
        assert_eq!(commits, &world.commits, "{what}: the log");
    }
    if state.is_err() || commits.is_err() {
        assert!(
            !report.is_ok_and(|report| report.is_sound()),
            "{what}: verify saw nothing"
        );
    }
}

#[test]
fn flipped_bits_are_found_or_harmless() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, mut world) = sample(directory.path());
    let sound = fs::read(&path).expect("read");
    let image = directory.path().join("image.db");
    let mut outcomes = Outcomes::default();
    for _ in 0..images() {
        let mut bytes = sound.clone();
        // One in four in the first pages, where the schema lies and a flip does most.
        let most = if world.random().is_multiple_of(4) {
            8192
        } else {
            bytes.len()
        };
        let (at, bit) = (world.below(most), world.below(8));
        bytes[at] ^= 1 << bit;
        fs::write(&image, bytes).expect("written");
        judge(&image, &world, &format!("bit {bit} of byte {at}"), &mut outcomes);
        fs::remove_file(&image).expect("removed");
    }
    println!("{outcomes:?}");
    assert!(
        outcomes.found_in_state > 0 && outcomes.found_in_log > 0 && outcomes.refused > 0,
        "{outcomes:?}"
    );
}

#[test]
fn cut_files_are_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, mut world) = sample(directory.path());
    let sound = fs::read(&path).expect("read");
    let image = directory.path().join("image.db");
    let mut outcomes = Outcomes::default();
    for step in 0..images() / 4 {
        let pages = world.below(sound.len() / 4096);
        let length = (pages * 4096 + [0, 1, 4095, 512][step % 4]).min(sound.len() - 1);
        let mut bytes = sound[..length].to_vec();
        if step.is_multiple_of(5) {
            // A hole instead of an end.
            bytes.extend(vec![0; 512.min(sound.len() - length)]);
            bytes.extend(&sound[bytes.len()..]);
        }
        fs::write(&image, bytes).expect("written");
        judge(&image, &world, &format!("cut at {length}"), &mut outcomes);
        fs::remove_file(&image).expect("removed");
    }
    println!("{outcomes:?}");
    assert!(outcomes.found_in_state + outcomes.refused > 0, "{outcomes:?}");
}

#[test]
fn verify_names_what_is_wrong() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, world) = sample(directory.path());
    let check = |sql: &str, expected: &str| {
        let image = directory.path().join("image.db");
        fs::copy(&path, &image).expect("copied");
        Connection::open(&image)
            .and_then(|db| db.execute_batch(sql))
            .expect(sql);
        let report = Reader::open(&image).expect("opens").verify(&mut |_, _| ());
        fs::remove_file(&image).expect("removed");
        let told = report.problems.join("\n");
        assert!(!report.is_sound() && told.contains(expected), "{sql}: {told}");
    };
    let some = "(SELECT min(serial) FROM entity)";
    check(&format!("DELETE FROM entity WHERE serial = {some}"), "is missing");
    check(&format!("DELETE FROM entity WHERE serial = {some}"), "the head counts");
    check(
        &format!("UPDATE entity SET body = x'01' WHERE serial = {some}"),
        "it ends too soon",
    );
    check(
        &format!("UPDATE entity SET serial = 999999 WHERE serial = {some}"),
        "its checksum does not fit",
    );
    check(
        "UPDATE relation SET from_serial = from_serial + 100000",
        "its checksum does not fit",
    );
    check("DELETE FROM relation", "0 relations");
    check(
        "DELETE FROM replay WHERE revision = (SELECT max(revision) FROM replay)",
        "kept answers",
    );
    check(
        "DELETE FROM commit_log WHERE revision = 100",
        "past revision 99: the database is damaged: commit 100 is",
    );
    check("DELETE FROM commit_log WHERE revision = 200", "commit 200 is missing");
    check(
        "DELETE FROM commit_log WHERE revision > 190",
        "the chain ends at commit 190",
    );
    check(
        "UPDATE commit_log SET operation = 'x' WHERE revision = 5",
        "commit 5 and its columns differ",
    );
    check(
        "UPDATE head SET entities = entities + 1",
        "the checksum of the head does not fit",
    );
    check("DELETE FROM head", "the head is missing");

    // Rows of another, sound history: every checksum fits, and only the log tells.
    let other = directory.path().join("other.db");
    let mut open = Sqlite::open(&other, Migrate::Refuse).expect("opens");
    let mut commits = world.commits.clone();
    for commit in &mut commits {
        for change in &mut commit.changes {
            if let Change::Entity { before, after } = change {
                for entity in [before, after].into_iter().flatten() {
                    *entity = entity.with_header(Header {
                        created: Time(entity.created.0 ^ 1),
                        ..**entity
                    });
                }
            }
        }
    }
    open.begin().expect("the turn");
    open.commit(&commits).expect("commits");
    drop(open);
    let attach = format!(
        "ATTACH '{}' AS other; DELETE FROM entity; DELETE FROM head;",
        other.display()
    );
    check(
        &format!("{attach} INSERT INTO entity SELECT * FROM other.entity; INSERT INTO head SELECT * FROM other.head"),
        "is not what the log made of it",
    );

    let mut steps = Vec::new();
    let report = Reader::open(&path)
        .expect("opens")
        .verify(&mut |done, all| steps.push((done, all)));
    let (revision, commits) = (world.head.revision, world.commits.len() as u64);
    assert_eq!(
        (&report.problems, report.revision, report.commits, report.forgotten),
        (&vec![], revision, commits, 0)
    );
    assert!(
        steps.is_sorted() && steps.last().is_some_and(|(done, all)| done == all && *all > commits),
        "{steps:?}"
    );
}

#[test]
fn verify_says_when_the_log_was_truncated() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, _) = sample(directory.path());
    let mut open = Sqlite::open(&path, Migrate::Refuse).expect("opens");
    open.forget(150).expect("forgets");
    let report = open.reader().expect("opens").verify(&mut |_, _| ());
    assert_eq!((report.problems, report.forgotten, report.commits), (vec![], 150, 50));
    open.db
        .execute_batch("DELETE FROM entity WHERE serial = (SELECT max(serial) FROM entity)")
        .expect("deleted");
    let report = open.reader().expect("opens").verify(&mut |_, _| ());
    assert!(
        report.problems.iter().any(|problem| problem.contains("is missing")),
        "{report:?}"
    );
}
