//! Tells every story of `fixtures/graph`, `fixtures/authz` and `fixtures/doors` to a server over each storage, through real HTTP.
//! `STORY=text cargo test --test it conformance` tells only those whose file or title has that text.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use seatgraph::storage::{Memory, Migrate, Sqlite, Storage};

use crate::support;
use crate::support::story::{Failed, Story};

#[test]
fn every_story_holds_in_memory() {
    told(|story| story.tell(&|| Box::new(Memory::new()) as Box<dyn Storage>, false));
}

#[test]
fn every_story_holds_on_disk() {
    told(|story| {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("story.db");
        let open = || Box::new(Sqlite::open(&file, Migrate::Refuse).expect("a database")) as Box<dyn Storage>;
        story.tell(&open, true)
    });
}

fn told(tell: impl Fn(&Story) -> Result<(), Failed> + Sync) {
    let wanted = std::env::var("STORY").unwrap_or_default();
    let root = support::path("fixtures");
    let mut files = Vec::new();
    for folder in ["graph", "authz", "doors"] {
        collect(&root.join(folder), &mut files);
    }
    let mut failed = Vec::new();
    let mut stories = Vec::new();
    for file in &files {
        let name = file.strip_prefix(&root).unwrap_or(file).display().to_string();
        match Story::read(file) {
            Err(why) => failed.push(format!("{name}: {why}")),
            Ok(read) => stories.extend(read.into_iter().map(|story| (name.clone(), story))),
        }
    }
    stories.retain(|(name, story)| name.contains(&wanted) || story.story.contains(&wanted));
    assert!(!stories.is_empty(), "no stories");
    // A story mostly waits, for its server or for the disk.
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((name, story)) = stories.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = tell(story) {
                        let told = format!("{name}: {} [{}]\n {why}", story.story, story.source);
                        failures.lock().expect("nobody panics with it").push(told);
                    }
                }
            });
        }
    });
    failed.extend(failures.into_inner().expect("nobody panics with it"));
    failed.sort();
    let (count, list) = (stories.len(), failed.join("\n\n"));
    assert!(
        failed.is_empty(),
        "{} of {count} stories failed\n\n{list}\n",
        failed.len()
    );
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
}
