//! Tests: every sync that can fail is made to fail, once and for good, and so are the writes and the cutting of files, by
//! strace, in a program that writes commits; and files are kept from growing, as on a full disk. Nothing it was told is
//! durable may be lost, nothing may be half there, and after the first failure it must not go on.
//! Of the writes one in `WRITES_APART` is tried; with `SEATGRAPH_STORAGE_IMAGES` over a thousand, all.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::samples::{World, loaded};
use super::super::{Loaded, Storage, StorageError};
use super::damage::images;
use super::*;
use crate::skipped::skipped;

const PLACE: &str = "SEATGRAPH_TEST_FAULTS";
const COMMITS: usize = 40;
const WRITES_APART: usize = 16;

fn world() -> World {
    World::new(41)
}

/// The program under strace: says on standard output what became of each commit.
fn write_until_it_fails(path: &Path) {
    let mut world = world();
    let mut open = match Sqlite::open(path, Migrate::Apply) {
        Ok(open) => open,
        Err(error) => return println!("not opened: {error}"),
    };
    open.checkpoint_frames = 30;
    for at in 0..COMMITS {
        let commit = world.commit(8);
        let result = open.begin().and_then(|_| open.commit(&[commit]));
        match result {
            Ok(()) => println!("returned {}", at + 1),
            Err(error) => {
                println!("failed: {error}");
                let again = open.begin().map(drop);
                assert!(matches!(again, Err(StorageError::Io(_))), "it goes on: {again:?}");
                let again = open.since(0, 1).map(drop);
                assert!(matches!(again, Err(StorageError::Io(_))), "it goes on: {again:?}");
                return;
            }
        }
    }
    // What failed after the last commit was durable is told to whoever comes next.
    open.checkpoints.settle();
    match open.begin() {
        Ok(_) => println!("all done"),
        Err(error) => println!("failed: {error}"),
    }
}

/// What becomes of a run with a fault.
#[derive(Debug, PartialEq, Eq)]
enum Run {
    /// The call was never made.
    Missed,
    /// The call failed and the program wrote all the same, as it may: SQLite does not look at what came of syncing a
    /// directory, the text in the lock file is for people only, and what is not tidied at the end is when opened again.
    Survived,
    Stopped,
}

/// Runs the program by a command that makes it fail, and looks at what is left.
fn strike(directory: &Path, fault: &str, command: &mut Command, states: &[Vec<Loaded>]) -> std::io::Result<Run> {
    let path: PathBuf = directory.join("faults.db");
    for suffix in ["", "-wal", "-shm", "-journal", ".lock", ".partial"] {
        let _ = std::fs::remove_file(beside(&path, suffix));
    }
    let log = directory.join("calls");
    std::fs::write(&log, "")?;
    let output = command
        .arg(std::env::current_exe()?)
        .args([
            "--exact",
            "--nocapture",
            "storage::sqlite::faults::no_failing_call_loses_a_commit",
        ])
        .env(PLACE, &path)
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{fault}: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let returned = said.lines().filter(|line| line.contains("returned ")).count();
    if path.exists() {
        let mut open = Sqlite::open(&path, Migrate::Apply).unwrap_or_else(|error| panic!("{fault}: {error}\n{said}"));
        let (head, state) = loaded(&mut open, Time(0)).unwrap_or_else(|error| panic!("{fault}: {error}\n{said}"));
        let unsure = said.contains("whether it is stored is not known");
        let possible = returned as Revision..=returned as Revision + Revision::from(unsure);
        assert!(
            possible.contains(&head.revision),
            "{fault}: {} is not in {possible:?}\n{said}",
            head.revision
        );
        assert_eq!(state, states[head.revision as usize], "{fault}");
        let report = open.reader().expect("opens").verify(&mut |_, _| ());
        assert_eq!(report.problems, Vec::<String>::new(), "{fault}");
    } else {
        assert!(said.contains("not opened: "), "{fault}: {said}");
    }
    let survived = said.contains("all done");
    assert_ne!(
        survived,
        said.contains("failed: ") || said.contains("not opened: "),
        "{fault}: {said}"
    );
    let calls = std::fs::read_to_string(&log)?;
    let Some(failed) = calls.lines().find(|line| line.contains("(INJECTED)")) else {
        return Ok(if survived { Run::Missed } else { Run::Stopped });
    };
    if survived {
        let at_the_end = calls
            .split_once("all done")
            .is_some_and(|(before, _)| !before.contains("(INJECTED)"));
        let of_directory = failed.contains(&format!("<{}>", directory.display()));
        assert!(
            at_the_end || of_directory || failed.contains("faults.db.lock>"),
            "{fault} is not noticed: {failed}"
        );
    }
    Ok(if survived { Run::Survived } else { Run::Stopped })
}

/// A command that makes the call of a number fail, or that one and all after it.
fn failing_call(directory: &Path, fault: &str) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-y", "-o"]).arg(directory.join("calls"));
    strace.args(["-e", "trace=fsync,fdatasync,pwrite64,ftruncate,write", "-e"]);
    strace.arg(format!("inject={fault}"));
    strace
}

/// A command under which no file grows past a size: the write that would is cut short, and the next one fails.
fn full_disk(blocks: usize) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\""])
        .arg(blocks.to_string());
    shell
}

/// Where there is no strace, the test above passes and says so, or fails where no test may be skipped.
#[test]
fn what_is_skipped_is_said() {
    let told = |tests: Option<&str>| {
        let mut command = Command::new(std::env::current_exe().expect("this test"));
        command.args(["--exact", "storage::sqlite::faults::no_failing_call_loses_a_commit"]);
        command.env("PATH", "").env_remove("SEATGRAPH_TESTS");
        command.envs(tests.map(|tests| ("SEATGRAPH_TESTS", tests)));
        let output = command.output().expect("this test runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (
            output.status.success(),
            said.lines().any(|line| line.starts_with("skipped: strace")),
        )
    };
    assert_eq!(told(None), (true, true));
    assert_eq!(told(Some("all")), (false, false));
}

#[test]
fn no_failing_call_loses_a_commit() {
    if let Some(path) = std::env::var_os(PLACE) {
        return write_until_it_fails(Path::new(&path));
    }
    if let Err(error) = Command::new("strace").arg("-V").output() {
        return skipped(&format!(
            "strace, which makes system calls fail, cannot be run: {error}"
        ));
    }
    let directory = tempfile::tempdir().expect("a directory");
    let directory = directory.path();
    let mut world = world();
    let mut states = vec![world.state(Time(0))];
    for _ in 0..COMMITS {
        world.commit(8);
        states.push(world.state(Time(0)));
    }
    let writes_apart = if images() > 1000 { 1 } else { WRITES_APART };
    // SQLite syncs with either call, as it was built.
    let mut syncs = 0;
    for (call, apart) in [
        ("fsync:error=EIO", 1),
        ("fdatasync:error=EIO", 1),
        ("ftruncate:error=EIO", 1),
        ("pwrite64:error=ENOSPC", writes_apart),
        ("pwrite64:error=EIO", writes_apart),
    ] {
        for lasting in ["", "+"] {
            let (mut stopped, mut survived) = (0, Vec::new());
            for at in (1..).step_by(apart) {
                let fault = format!("{call}:when={at}{lasting}");
                let mut command = failing_call(directory, &fault);
                match strike(directory, &fault, &mut command, &states).expect("strace runs") {
                    Run::Missed => break,
                    Run::Stopped => stopped += 1,
                    Run::Survived => survived.push(at),
                }
            }
            println!("{call}{lasting}: stopped {stopped}, survived {survived:?}");
            match call.split_once(':') {
                Some(("fsync" | "fdatasync", _)) => syncs += stopped,
                Some(("pwrite64", _)) => assert!(stopped > 300 / apart, "{call}{lasting}: {stopped}"),
                _ => {}
            }
        }
    }
    assert!(syncs > 2 * COMMITS, "{syncs}");
    // From no room at all to room for everything, in blocks of at least half a KiB.
    let mut stopped = 0;
    for blocks in (0..).step_by(24) {
        let fault = format!("a disk of {blocks} blocks");
        match strike(directory, &fault, &mut full_disk(blocks), &states).expect("the shell runs") {
            Run::Stopped => stopped += 1,
            Run::Missed | Run::Survived => break,
        }
    }
    println!("full disk: stopped {stopped}");
    assert!(stopped > 3, "{stopped}");
}
