//! Tests: images of the files as a crash could leave them. Whatever was not synced yet may be there, be missing, be old,
//! or be a hole; what was synced is there. Each image must open to exactly the state after some commit, and lose none
//! that had returned. `SEATGRAPH_STORAGE_IMAGES` sets how many are tried (300).

use std::fs;
use std::path::Path;

use super::super::Loaded;
use super::super::samples::{World, loaded};
use super::damage::images;
use super::*;

/// The files at one moment.
#[derive(Clone, PartialEq)]
struct Image {
    database: Vec<u8>,
    wal: Vec<u8>,
}

impl Image {
    fn of(path: &Path) -> Self {
        Self {
            database: fs::read(path).expect("there"),
            wal: fs::read(beside(path, "-wal")).unwrap_or_default(),
        }
    }

    fn put(&self, path: &Path) {
        let _ = fs::remove_file(beside(path, "-shm"));
        fs::write(path, &self.database).expect("written");
        fs::write(beside(path, "-wal"), &self.wal).expect("written");
    }
}

/// A step of a history: the files before and after, and the revisions that had returned.
struct Step {
    what: &'static str,
    before: Image,
    after: Image,
    returned: Revision,
    under_way: Revision,
}

/// A history with checkpoints in it, and the state after every commit.
fn history(path: &Path, world: &mut World) -> (Vec<Step>, Vec<Vec<Loaded>>) {
    let mut open = Sqlite::open(path, Migrate::Refuse).expect("opens");
    open.checkpoint_frames = i64::MAX;
    let mut states = vec![world.state(Time(0))];
    let mut steps = Vec::new();
    for at in 1..40 {
        let returned = world.head.revision;
        let commits: Vec<_> = (0..1 + world.below(3))
            .map(|_| {
                let commit = world.commit(8);
                states.push(world.state(Time(0)));
                commit
            })
            .collect();
        let before = Image::of(path);
        open.begin().expect("the turn");
        open.commit(&commits).expect("commits");
        let under_way = world.head.revision;
        let after = Image::of(path);
        steps.push(Step {
            what: "commit",
            before,
            after: after.clone(),
            returned,
            under_way,
        });
        if at % 12 == 0 {
            checkpoint::passive(&open.db).expect("made");
            let (before, after) = (after, Image::of(path));
            assert!(
                before.wal == after.wal && before.database != after.database,
                "a checkpoint moved pages"
            );
            steps.push(Step {
                what: "checkpoint",
                before,
                after,
                returned: under_way,
                under_way,
            });
        }
    }
    (steps, states)
}

/// A file in the middle of being changed: of each sector that differs the disk may have the old bytes, the new ones, or a
/// part of each; of what is appended also nothing or a hole.
fn torn(before: &[u8], after: &[u8], world: &mut World) -> Vec<u8> {
    let mut torn = before.to_vec();
    if after.len() > before.len() {
        let grown = match world.below(3) {
            0 => after.len(),
            1 => before.len() + world.below(after.len() - before.len() + 1),
            // Frames are 24 bytes and a page, after a header of 32: at such a border, or one byte beside it.
            _ => {
                let frame = 24 + 4096;
                let border = 32 + frame * (world.below(after.len() / frame) + 1);
                (border + 1 - world.below(3)).clamp(before.len(), after.len())
            }
        };
        torn.resize(grown, 0);
    }
    let bias = 1 + world.below(8);
    let whole_sectors = world.below(3) == 0;
    for start in (0..torn.len()).step_by(512) {
        let end = (start + 512).min(torn.len());
        if whole_sectors {
            torn[start..end].copy_from_slice(&after[start..end]);
        }
        if torn[start..end] == after[start..end] || world.below(bias) == 0 && start >= before.len() {
            continue;
        }
        match world.below(bias + 1) {
            0 => {}
            1 => {
                let part = start + world.below(end - start);
                torn[start..part].copy_from_slice(&after[start..part]);
            }
            _ => torn[start..end].copy_from_slice(&after[start..end]),
        }
    }
    torn
}

/// Opens an image; it must be the state after one of `allowed`. Gives which.
fn check(path: &Path, image: &Image, states: &[Vec<Loaded>], allowed: [Revision; 2], what: &str) -> Revision {
    image.put(path);
    let mut open = Sqlite::open(path, Migrate::Refuse).unwrap_or_else(|error| panic!("{what}: {error}"));
    let (head, state) = loaded(&mut open, Time(0)).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(
        (allowed[0]..=allowed[1]).contains(&head.revision),
        "{what}: {} of {allowed:?}",
        head.revision
    );
    assert_eq!(&state, &states[head.revision as usize], "{what}");
    let report = open.reader().expect("opens").verify(&mut |_, _| ());
    assert_eq!((report.problems, report.commits), (vec![], head.revision), "{what}");
    head.revision
}

#[test]
fn every_crash_image_is_a_prefix_with_all_that_returned() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut world = World::new(31);
    let (steps, states) = history(&directory.path().join("live.db"), &mut world);
    let path = directory.path().join("image.db");
    for step in &steps {
        let whole = [step.under_way; 2];
        check(&path, &step.after, &states, whole, step.what);
    }
    let (mut kept, mut lost) = (0, 0);
    for number in 0..images() {
        let step = &steps[world.below(steps.len())];
        let image = Image {
            database: torn(&step.before.database, &step.after.database, &mut world),
            wal: torn(&step.before.wal, &step.after.wal, &mut world),
        };
        let what = format!("image {number}, {} after {}", step.what, step.returned);
        let found = check(&path, &image, &states, [step.returned, step.under_way], &what);
        if step.what == "commit" {
            *(if found == step.under_way { &mut kept } else { &mut lost }) += 1;
        }
    }
    println!("commits under way: {kept} kept, {lost} lost");
    assert!(kept > 0 && lost > 0);
}

/// Beyond what a crash does: a WAL cut anywhere, or with a hole anywhere, gives an earlier state and never a mixed one.
#[test]
fn every_cut_wal_is_some_prefix() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut world = World::new(37);
    let (steps, states) = history(&directory.path().join("live.db"), &mut world);
    let path = directory.path().join("image.db");
    // Before the first checkpoint everything is in the WAL.
    let steps = &steps[..12];
    let mut found = std::collections::BTreeSet::new();
    for number in 0..images() {
        let step = &steps[world.below(steps.len())];
        let mut image = step.after.clone();
        let at = world.below(image.wal.len());
        if number % 2 == 0 {
            image.wal.truncate(at);
        } else {
            let end = (at + 512).min(image.wal.len());
            image.wal[at..end].fill(0);
        }
        found.insert(check(
            &path,
            &image,
            &states,
            [0, step.under_way],
            &format!("image {number}"),
        ));
    }
    assert!(found.len() > 5, "{found:?}");
}
