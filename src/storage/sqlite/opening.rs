//! Tests: what opening a database refuses, in which words, and what stops a store that was open.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::Log;
use super::super::samples::{World, loaded};
use super::*;

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

/// A database with a few commits, closed.
fn sample(directory: &Path) -> (PathBuf, World) {
    let (path, mut world) = (directory.join("seatgraph.db"), World::new(11));
    let mut open = Sqlite::open(&path, Migrate::Refuse).expect("opens");
    put(&mut open, &(0..12).map(|_| world.commit(9)).collect::<Vec<_>>()).expect("commits");
    (path, world)
}

fn put(store: &mut Sqlite, commits: &[Commit]) -> Result<(), StorageError> {
    store.begin()?;
    store.commit(commits)
}

fn refusal(path: &Path) -> StorageError {
    Sqlite::open(path, Migrate::Apply).map(drop).expect_err("refused")
}

#[test]
fn files_that_are_no_database_are_refused_in_clear_words() {
    let directory = directory();
    let at = |name: &str| directory.path().join(name);
    let mut header = b"SQLite format 3\0".to_vec();
    header.extend((0..4080u32).map(|at| (at * 7 + 3) as u8));
    for (name, bytes, words) in [
        ("empty", &b""[..], "is empty"),
        ("one", b"x", "the file is not a database"),
        ("short", b"SQLite format 3\0", "the file is not a database"),
        (
            "text",
            "To be, or not to be. ".repeat(999).as_bytes(),
            "the file is not a database",
        ),
        ("header", &header, "the file is not a database"),
    ] {
        fs::write(at(name), bytes).expect("written");
        let refused = refusal(&at(name));
        assert!(matches!(refused, StorageError::Damaged(_)), "{name}: {refused}");
        assert!(refused.to_string().contains(words), "{name}: {refused}");
        assert!(refused.to_string().contains(name), "{name}: {refused}");
        assert_eq!(fs::read(at(name)).expect("there"), bytes, "{name} was written to");
        assert!(
            matches!(Reader::open(&at(name)), Err(StorageError::Damaged(_))),
            "{name}"
        );
    }
    let other = at("other");
    Connection::open(&other)
        .and_then(|db| db.execute_batch("CREATE TABLE bookmarks (url)"))
        .expect("made");
    assert!(refusal(&other).to_string().contains("a database of another program"));
    fs::write(at("gone.db-wal"), "left over").expect("written");
    assert!(refusal(&at("gone.db")).to_string().contains("gone but its log"));
}

#[test]
fn places_where_no_database_can_be_are_refused_in_clear_words() {
    let directory = directory();
    fs::write(directory.path().join("file"), "x").expect("written");
    for (path, words) in [
        (directory.path().join("missing/seatgraph.db"), "does not exist"),
        (directory.path().join("file/seatgraph.db"), "is not a directory"),
        (directory.path().to_owned(), "is a directory, not a database"),
        (PathBuf::from("/dev/null"), "is no file"),
        (PathBuf::from("/"), "names no file"),
        (PathBuf::new(), "names no file"),
    ] {
        let refused = refusal(&path);
        assert!(matches!(refused, StorageError::Unavailable(_)), "{refused}");
        assert!(refused.to_string().contains(words), "{refused}");
    }
    assert!(matches!(
        Reader::open(&directory.path().join("none.db")),
        Err(StorageError::Unavailable(_))
    ));
    let left: Vec<_> = directory.path().read_dir().expect("there").collect();
    assert_eq!(left.len(), 1, "nothing was left behind: {left:?}");
}

#[test]
fn a_copy_that_is_given_up_leaves_nothing() {
    use std::io::Read;

    let directory = directory();
    let (path, _) = sample(directory.path());
    let open = Sqlite::open(&path, Migrate::Refuse).expect("opens");
    let mut reader = Reader::open(&path).expect("opens");
    let names = || {
        let entries = directory.path().read_dir().expect("there");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("there").file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    let mut asked = 0;
    let given_up = reader.backup_aside(&mut || {
        asked += 1;
        false
    });
    // A copy as small as this is done with its first step.
    assert!(asked == 1 && given_up.is_ok());
    let mut copy = reader.backup_aside(&mut || true).expect("copied");
    assert_eq!(names(), before);
    let mut bytes = Vec::new();
    copy.read_to_end(&mut bytes).expect("read");
    drop((reader, open));
    let other = directory.path().join("other.db");
    fs::write(&other, bytes).expect("written");
    let mut open = Sqlite::open(&other, Migrate::Refuse).expect("opens");
    let report = open.reader().expect("opens").verify(&mut |_, _| ());
    assert_eq!((report.problems, report.commits), (vec![], 12));
    // More than a step.
    let mut world = World::new(11);
    (0..12).for_each(|_| drop(world.commit(9)));
    put(&mut open, &(0..2000).map(|_| world.commit(9)).collect::<Vec<_>>()).expect("commits");
    let before = names();
    let given_up = open.reader().expect("opens").backup_aside(&mut || false);
    assert!(given_up.is_err_and(|error| error.to_string().contains("given up")));
    assert_eq!(names(), before);
}

#[test]
fn what_a_killed_process_left_of_copies_is_removed() {
    let directory = directory();
    let (path, _) = sample(directory.path());
    let id = "01a215fa817e71e8a5c8f2b77ffc955a";
    let left = [
        "backup.partial",
        "backup.partial-journal",
        "backup.lock",
        "backup",
        "scratch",
    ];
    let left = left.map(|what| format!("seatgraph.db.{id}.{what}"));
    let others = [
        format!("seatgraph.db.{id}"),
        format!("seatgraph.db.{id}.txt"),
        format!("other.db.{id}.backup"),
        "seatgraph.db.backup".to_owned(),
        "seatgraph.db.monday.backup".to_owned(),
        "seatgraph.db.scratch".to_owned(),
    ];
    for name in left.iter().chain(&others) {
        fs::write(directory.path().join(name), "x").expect("written");
    }
    drop(Sqlite::open(&path, Migrate::Refuse).expect("opens"));
    let is_there = |name: &&String| directory.path().join(name).exists();
    assert_eq!(left.iter().find(is_there), None);
    assert_eq!(others.iter().filter(is_there).count(), others.len());
}

#[test]
fn a_second_one_is_locked_out_until_the_first_is_gone() {
    let directory = directory();
    let (path, world) = sample(directory.path());
    let first = Sqlite::open(&path, Migrate::Refuse).expect("opens");
    let link = directory.path().join("link.db");
    #[cfg(unix)]
    std::os::unix::fs::symlink(&path, &link).expect("linked");
    for path in [&path, &link] {
        let refused = refusal(path);
        assert!(matches!(refused, StorageError::Locked(_)), "{refused}");
        assert!(
            refused.to_string().contains(&std::process::id().to_string()),
            "{refused}"
        );
    }
    assert_eq!(first.reader().expect("readers may").head(), Ok(world.head));
    drop(first);
    assert!(!beside(&path, ".lock").exists() && !beside(&path, "-wal").exists());
    Sqlite::open(&link, Migrate::Refuse).expect("opens");
}

/// So that both names are the one database from the beginning.
#[cfg(unix)]
#[test]
fn a_link_to_a_database_that_is_not_there_yet_is_followed() {
    let directory = directory();
    let [link, between, path] = ["link.db", "between.db", "below/real.db"].map(|name| directory.path().join(name));
    fs::create_dir(directory.path().join("below")).expect("made");
    std::os::unix::fs::symlink("between.db", &link).expect("linked");
    std::os::unix::fs::symlink("below/real.db", &between).expect("linked");
    let open = Sqlite::open(&link, Migrate::Refuse).expect("opens");
    assert!(path.is_file() && link.is_symlink() && between.is_symlink());
    assert!(matches!(refusal(&path), StorageError::Locked(_)));
    drop(open);
    let circle = directory.path().join("circle.db");
    std::os::unix::fs::symlink("circle.db", &circle).expect("linked");
    let refused = refusal(&circle);
    assert!(refused.to_string().contains("is a link to itself"), "{refused}");
}

#[test]
fn what_a_killed_process_left_is_no_obstacle() {
    let directory = directory();
    let path = directory.path().join("seatgraph.db");
    let lock = beside(&path, ".lock");
    fs::write(&lock, "4294967295\n").expect("written");
    // Somebody else took it meanwhile, who may: nobody is named for that who is long gone.
    let held = fs::File::open(&lock).expect("there");
    held.lock().expect("locked");
    let refused = refusal(&path).to_string();
    assert!(
        refused.contains("another process holds") && !refused.contains("4294967295"),
        "{refused}"
    );
    // Closed it would be locked for as long as a process that another test begins has it, until that is another program.
    held.unlock().expect("unlocked");
    fs::write(beside(&path, ".partial"), "half a datab").expect("written");
    let _open = Sqlite::open(&path, Migrate::Refuse).expect("opens");
    assert!(!beside(&path, ".partial").exists());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = lock.metadata().expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

/// Whatever else has the lock's name is not written to, whoever put it there.
#[cfg(unix)]
#[test]
fn what_is_no_lock_is_left_as_it_is() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let directory = directory();
    let (path, _) = sample(directory.path());
    let (lock, precious) = (beside(&path, ".lock"), directory.path().join("precious"));
    let check = |what: &str| {
        let refused = refusal(&path);
        assert!(
            matches!(&refused, StorageError::Unavailable(why) if why.contains("is something else's")),
            "{what}: {refused}"
        );
    };
    for text in ["precious", "4711\n\n", "12345678901\n", ""] {
        fs::write(&precious, text).expect("written");
        fs::set_permissions(&precious, fs::Permissions::from_mode(0o644)).expect("set");
        symlink("precious", &lock).expect("linked");
        check("a link");
        assert!(lock.is_symlink());
        if !text.is_empty() {
            fs::remove_file(&lock).expect("removed");
            fs::rename(&precious, &lock).expect("moved");
            check(text);
            fs::rename(&lock, &precious).expect("moved");
        } else {
            fs::remove_file(&lock).expect("removed");
        }
        assert_eq!(fs::read_to_string(&precious).expect("there"), text);
        let mode = precious.metadata().expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
    }
    symlink("nowhere", &lock).expect("linked");
    check("a link to nothing");
    assert!(!directory.path().join("nowhere").exists());
    fs::remove_file(&lock).expect("removed");
    fs::create_dir(&lock).expect("made");
    check("a directory");
    fs::remove_dir(&lock).expect("removed");
    Sqlite::open(&path, Migrate::Refuse).expect("opens");
}

/// It would be in the way of the other, or be taken for what that lost.
#[test]
fn a_database_is_not_called_as_what_lies_beside_another() {
    let directory = directory();
    let at = |name: &str| directory.path().join(name);
    let long = "x".repeat(240);
    let names = place::BESIDE.map(|suffix| (format!("graph.db{suffix}"), "as a file beside a database does"));
    for (name, words) in names.into_iter().chain([(long.clone(), "at most 239 bytes")]) {
        let refused = refusal(&at(&name));
        assert!(
            matches!(&refused, StorageError::Unavailable(why) if why.contains(words)),
            "{name}: {refused}"
        );
    }
    let left: Vec<_> = directory.path().read_dir().expect("there").collect();
    assert!(left.is_empty(), "{left:?}");
    Sqlite::open(&at(&long[1..]), Migrate::Refuse).expect("opens");
}

#[test]
fn schemas_of_other_programs_are_told_apart() {
    let directory = directory();
    let (path, mut world) = sample(directory.path());
    let fifth = Migration {
        name: "0005_more",
        sql: "CREATE TABLE more (x); ALTER TABLE word ADD COLUMN y TEXT",
        fill: None,
    };
    let five = [MIGRATIONS, &[fifth]].concat();
    let open = |how, migrations: &[Migration]| Sqlite::open_with(&path, how, migrations);
    assert_eq!(
        open(Migrate::Refuse, &five).map(drop),
        Err(StorageError::Older { found: 4, known: 5 })
    );
    let broken = Migration {
        sql: "CREATE TABLE more (x); CREATE TABLE more (y)",
        ..fifth
    };
    let unfilled = Migration {
        fill: Some(|_| Err(StorageError::Damaged("nothing to fill in".to_owned()))),
        ..fifth
    };
    for wrong in [broken, unfilled] {
        let failed = open(Migrate::Apply, &[MIGRATIONS, &[wrong]].concat()).map(drop);
        assert!(
            matches!(&failed, Err(StorageError::Damaged(why)) if why.contains("0005_more")),
            "{failed:?}"
        );
    }
    // The half that worked is undone, and the right one can follow.
    let mut open_now = open(Migrate::Apply, &five).expect("migrates");
    assert_eq!(loaded(&mut open_now, Time(0)), Ok((world.head, world.state(Time(0)))));
    put(&mut open_now, &[world.commit(5)]).expect("commits");
    drop(open_now);
    open(Migrate::Refuse, &five).expect("opens");
    let newer = StorageError::Newer { found: 5, known: 4 };
    assert_eq!(open(Migrate::Apply, MIGRATIONS).map(drop), Err(newer.clone()));
    assert_eq!(Reader::open(&path).map(drop), Err(newer));
    let changed = open(Migrate::Apply, &[MIGRATIONS, &[broken]].concat()).map(drop);
    assert!(
        matches!(&changed, Err(StorageError::Damaged(why)) if why.contains("0005_more")),
        "{changed:?}"
    );
}

/// Released migrations never change: databases remember their checksums.
#[test]
fn migrations_are_what_they_were() {
    let names: Vec<_> = MIGRATIONS.iter().map(|migration| migration.name).collect();
    assert_eq!(names, ["0001_commits", "0002_chain", "0003_events", "0004_totals"]);
    for (number, name) in (1..).zip(names) {
        assert!(name.starts_with(&format!("{number:04}_")), "{name}");
    }
}

#[test]
fn a_full_disk_stops_writing_for_good_and_loses_nothing() {
    let directory = directory();
    let (path, mut world) = sample(directory.path());
    let mut open = Sqlite::open(&path, Migrate::Refuse).expect("opens");
    let pages: i64 = open
        .db
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .expect("counted");
    open.db
        .pragma_update_and_check(None, "max_page_count", pages + 1, |_| Ok(()))
        .expect("set");
    let state = (world.head, world.state(Time(0)));
    let big: Vec<_> = (0..200).map(|_| world.commit(20)).collect();
    assert!(matches!(put(&mut open, &big), Err(StorageError::Io(why)) if why.contains("the disk is full")));
    assert!(matches!(open.begin(), Err(StorageError::Io(why)) if why.contains("the disk is full")));
    drop(open);
    let mut open = Sqlite::open(&path, Migrate::Refuse).expect("opens");
    assert_eq!(loaded(&mut open, Time(0)), Ok(state));
    put(&mut open, &big).expect("there is room again");
}

#[test]
fn somebody_elses_write_stops_the_store() {
    let spoils: [fn(&Connection); 4] = [
        |db| {
            db.execute_batch("DELETE FROM commit_log WHERE revision = (SELECT max(revision) FROM commit_log)")
                .expect("written")
        },
        |db| {
            db.execute_batch("UPDATE head SET revision = revision + 1")
                .expect("written")
        },
        |db| db.execute_batch("DELETE FROM head").expect("written"),
        |db| db.execute_batch("BEGIN IMMEDIATE").expect("begun"),
    ];
    for spoil in spoils {
        let directory = directory();
        let (path, mut world) = sample(directory.path());
        let mut open = Sqlite::open(&path, Migrate::Refuse).expect("opens");
        open.db.busy_timeout(std::time::Duration::ZERO).expect("set");
        put(&mut open, &[world.commit(5)]).expect("commits");
        let other = Connection::open(&path).expect("opens");
        spoil(&other);
        let refused = put(&mut open, &[world.commit(5)]);
        assert!(
            matches!(&refused, Err(StorageError::Io(why)) if why.contains("another program")),
            "{refused:?}"
        );
        assert!(matches!(open.begin(), Err(StorageError::Io(_))));
    }
}

/// A trigger would change what was written, behind the graph that said so. What was only put there can be dropped again.
const OF_OTHER_HANDS: [(&str, &str, bool); 9] = [
    (
        "CREATE TRIGGER t AFTER INSERT ON commit_log BEGIN DELETE FROM entity; END",
        "the trigger `t` of its schema was not made by this program",
        true,
    ),
    ("CREATE TABLE notes (x)", "the table `notes` of its schema was not made", true),
    (
        "CREATE VIEW all_of_it AS SELECT * FROM entity",
        "the view `all_of_it` of its schema",
        true,
    ),
    ("CREATE INDEX i ON commit_log (at)", "the index `i` of its schema", true),
    // Called nearly as what `ANALYZE` keeps, which SQLite lets nobody do by other ways.
    (
        "PRAGMA writable_schema = ON;
         INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES ('trigger', 'sqlite_statx', 'commit_log', 0,
             'CREATE TRIGGER sqlite_statx AFTER INSERT ON commit_log BEGIN DELETE FROM entity; END');
         PRAGMA schema_version = 4711",
        "the trigger `sqlite_statx` of its schema",
        true,
    ),
    (
        "PRAGMA writable_schema = ON;
         INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES ('view', 'sqlite_stat1', 'sqlite_stat1', 0,
             'CREATE VIEW sqlite_stat1 AS SELECT 1');
         PRAGMA schema_version = 4711",
        "the view `sqlite_stat1` of its schema",
        true,
    ),
    (
        "ALTER TABLE entity ADD COLUMN x TEXT",
        "the table `entity` of its schema",
        false,
    ),
    (
        "DROP TABLE commit_more",
        "the table `commit_more` of its schema is missing",
        false,
    ),
    (
        "CREATE TABLE notes (x); DROP TABLE commit_more",
        "the table `commit_more` of its schema is missing",
        false,
    ),
];

fn is_of_other_hands(refused: &StorageError, words: &str, is_added: bool) -> bool {
    match refused {
        StorageError::Foreign(why) => is_added && why.contains(words),
        StorageError::Damaged(why) => !is_added && why.contains(words),
        _ => false,
    }
}

#[test]
fn a_schema_of_other_hands_is_refused() {
    for (sql, words, is_added) in OF_OTHER_HANDS {
        let directory = directory();
        let (path, _) = sample(directory.path());
        Connection::open(&path)
            .and_then(|db| db.execute_batch(sql))
            .expect("made");
        let refused = refusal(&path);
        assert!(is_of_other_hands(&refused, words, is_added), "{sql}: {refused:?}");
        let report = Reader::open(&path).expect("opens").verify(&mut |_, _| ());
        assert!(
            report.problems.iter().any(|problem| problem.contains(words)),
            "{sql}: {report:?}"
        );
    }
}

/// Found with the first write after it, which is not made: the next start would not open it.
#[test]
fn a_schema_that_other_hands_change_meanwhile_stops_the_store() {
    for was_written in [false, true] {
        for (sql, words, is_added) in OF_OTHER_HANDS {
            let directory = directory();
            let (path, mut world) = sample(directory.path());
            let mut open = Sqlite::open(&path, Migrate::Refuse).expect("opens");
            if was_written {
                put(&mut open, &[world.commit(5)]).expect("commits");
            }
            let before = world.head;
            Connection::open(&path)
                .and_then(|db| db.execute_batch(sql))
                .expect("made");
            let refused = put(&mut open, &[world.commit(5)]).expect_err("refused");
            assert!(is_of_other_hands(&refused, words, is_added), "{sql}: {refused:?}");
            assert!(matches!(open.begin(), Err(StorageError::Io(_))));
            drop(open);
            assert_eq!(Reader::open(&path).expect("opens").head(), Ok(before), "{sql}");
        }
    }
}

#[test]
fn somebody_elses_write_that_leaves_the_head_stops_nothing() {
    let directory = directory();
    let (path, mut world) = sample(directory.path());
    let mut open = Sqlite::open(&path, Migrate::Refuse).expect("opens");
    let other = Connection::open(&path).expect("opens");
    for harmless in ["ANALYZE", "CREATE TABLE notes (x); DROP TABLE notes", "VACUUM"] {
        other.execute_batch(harmless).expect("written");
        put(&mut open, &[world.commit(5)]).expect("goes on");
    }
    drop((other, open));
    Sqlite::open(&path, Migrate::Refuse).expect("opens");
}

#[test]
fn a_row_gone_behind_our_back_is_damage_not_misuse_forgiven() {
    let directory = directory();
    let (path, world) = sample(directory.path());
    let mut open = Sqlite::open(&path, Migrate::Refuse).expect("opens");
    open.db
        .execute_batch("DELETE FROM entity WHERE serial = (SELECT max(serial) FROM entity)")
        .expect("deleted");
    let refused = loaded(&mut open, Time(0));
    assert!(
        matches!(&refused, Err(StorageError::Damaged(why)) if why.contains("missing")),
        "{refused:?}"
    );
    assert!(matches!(open.since(0, 1), Err(StorageError::Io(_))));
    assert_eq!(world.head.revision, 12);
}

#[test]
fn a_large_commit_is_kept_in_pieces() {
    let directory = directory();
    let (path, mut world) = sample(directory.path());
    let mut open = Sqlite::open(&path, Migrate::Refuse).expect("opens");
    open.piece_bytes = 100;
    put(&mut open, &(0..5).map(|_| world.commit(30)).collect::<Vec<_>>()).expect("commits");
    let pieces: i64 = open
        .db
        .query_row("SELECT count(*) FROM commit_more", (), |row| row.get(0))
        .expect("counted");
    assert!(pieces > 5, "{pieces}");
    assert_eq!(open.since(0, 100), Ok(world.commits.clone()));
    let report = open.reader().expect("opens").verify(&mut |_, _| ());
    assert_eq!((report.problems, report.commits), (vec![], 17));
    open.db
        .execute_batch("DELETE FROM commit_more WHERE part = 1")
        .expect("deleted");
    assert!(matches!(open.since(12, 100), Err(StorageError::Damaged(_))));
}

/// Rows of several commits wait for each other, and for what a later one of them does to an earlier one's.
#[test]
fn batches_of_any_size_are_written_whole() {
    let directory = directory();
    let (path, mut world) = sample(directory.path());
    let mut open = Sqlite::open(&path, Migrate::Refuse).expect("opens");
    for (commits, most) in [(1, 300), (2, 3), (3, 40), (63, 2), (64, 3), (65, 9), (300, 5)] {
        let batch: Vec<_> = (0..commits).map(|_| world.commit(most)).collect();
        put(&mut open, &batch).expect("commits");
        let report = open.reader().expect("opens").verify(&mut |_, _| ());
        assert_eq!(report.problems, [] as [String; 0], "{commits} commits");
        assert_eq!(loaded(&mut open, Time(0)), Ok((world.head, world.state(Time(0)))));
    }
    assert_eq!(open.since(0, 1000), Ok(world.commits.clone()));
}

#[test]
fn backups_under_load_are_prefixes() {
    let directory = directory();
    let (path, mut world) = sample(directory.path());
    let mut open = Sqlite::open(&path, Migrate::Refuse).expect("opens");
    open.checkpoint_frames = 16;
    let mut states = vec![world.state(Time(0))];
    let first = world.head.revision;
    let commits: Vec<_> = (0..400)
        .map(|_| {
            let commit = world.commit(6);
            states.push(world.state(Time(0)));
            commit
        })
        .collect();
    let copies = std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            for commit in commits {
                put(&mut open, &[commit]).expect("commits");
            }
        });
        let mut reader = Reader::open(&path).expect("opens");
        let mut copies = Vec::new();
        while !writer.is_finished() || copies.len() < 3 {
            let copy = directory.path().join(format!("copy{}.db", copies.len()));
            let head = reader.backup(&copy, &mut |_, _| ()).expect("copied");
            copies.push((copy, head));
        }
        writer.join().expect("no panic");
        copies
    });
    for (copy, head) in &copies {
        let mut copied = Sqlite::open(copy, Migrate::Refuse).expect("opens");
        let state = &states[(head.revision - first) as usize];
        assert_eq!(loaded(&mut copied, Time(0)).as_ref(), Ok(&(*head, state.clone())));
        let report = copied.reader().expect("opens").verify(&mut |_, _| ());
        assert_eq!((report.problems, report.commits), (vec![], head.revision));
    }
}

/// Root may write anywhere, so the part that must not is played by another user where there is one to become.
#[cfg(unix)]
#[test]
fn what_cannot_be_written_is_read_only() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;

    const PLACE: &str = "SEATGRAPH_TEST_READ_ONLY";
    if let Some(place) = std::env::var_os(PLACE) {
        let place = PathBuf::from(place);
        for name in ["file/seatgraph.db", "directory/seatgraph.db", "directory/new.db"] {
            let refused = refusal(&place.join(name));
            assert!(matches!(refused, StorageError::ReadOnly(_)), "{name}: {refused}");
        }
        // Where neither can be written, nobody writes: it is read as it lies, unless a log says that it is not whole.
        let still = place.join("still/sea?t%#graph.db");
        assert!(matches!(refusal(&still), StorageError::ReadOnly(_)));
        let report = Reader::open(&still).expect("opens").verify(&mut |_, _| ());
        assert_eq!((report.problems, report.commits), (vec![], 12));
        let mut store = Still::open(&still).expect("opens");
        assert_eq!(loaded(&mut store, Time(0)).map(|(head, _)| head.revision), Ok(12));
        assert!(matches!(store.begin(), Err(StorageError::ReadOnly(_))));
        assert!(Reader::open(&place.join("torn/seatgraph.db")).is_err());
        // Whose folder takes files of others gets none: they would be in the way of whose the database is.
        for (name, commits) in [("file", Some(12)), ("live", Some(13)), ("left", None)] {
            let path = place.join(name).join("seatgraph.db");
            let names = || {
                let entries = path.parent().expect("a folder").read_dir().expect("there");
                let mut names: Vec<_> = entries.map(|entry| entry.expect("there").file_name()).collect();
                names.sort();
                names
            };
            let before = names();
            let report = Reader::open(&path).map(|mut reader| reader.verify(&mut |_, _| ()));
            assert_eq!(
                report.ok().map(|report| (report.problems, report.commits)),
                commits.map(|commits| (vec![], commits)),
                "{name}"
            );
            let opened = Sqlite::open(&path, Migrate::Refuse).map(drop);
            assert!(matches!(opened, Err(StorageError::ReadOnly(_))), "{name}: {opened:?}");
            assert_eq!(names(), before, "{name}");
        }
        println!("all read-only");
        return;
    }
    // Where the other user can reach it, wherever `TMPDIR` and the build are.
    let directory = tempfile::tempdir_in("/tmp").expect("a directory");
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
    mode(directory.path(), 0o755);
    let mut live = None;
    for (name, file, whole) in [
        ("file", 0o444, 0o777),
        ("live", 0o444, 0o777),
        ("left", 0o444, 0o777),
        ("directory", 0o666, 0o555),
        ("still", 0o444, 0o555),
        ("torn", 0o444, 0o555),
    ] {
        let within = directory.path().join(name);
        fs::create_dir(&within).expect("made");
        let (path, mut world) = sample(&within);
        mode(&path, file);
        match name {
            "live" => {
                mode(&path, 0o644);
                let mut open = Sqlite::open(&path, Migrate::Refuse).expect("opens");
                put(&mut open, &[world.commit(5)]).expect("commits");
                mode(&path, file);
                live = Some(open);
            }
            "left" => fs::write(beside(&path, "-wal"), "left over").expect("written"),
            "still" => fs::rename(&path, within.join("sea?t%#graph.db")).expect("moved"),
            "torn" => fs::write(beside(&path, "-wal"), "left over").expect("written"),
            _ => {}
        }
        mode(&within, whole);
    }
    let mut program = std::env::current_exe().expect("this test");
    let is_root = directory.path().metadata().expect("there").uid() == 0;
    if is_root {
        let copy = directory.path().join("program");
        fs::copy(program, &copy).expect("copied");
        mode(&copy, 0o755);
        program = copy;
    }
    let mut command = std::process::Command::new(program);
    command.args([
        "--exact",
        "--nocapture",
        "storage::sqlite::opening::what_cannot_be_written_is_read_only",
    ]);
    command.env(PLACE, directory.path()).current_dir("/");
    if is_root {
        command.uid(65_534).gid(65_534);
    }
    let output = command.output().expect("this test runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("all read-only"), "{said}");
    let mut live = live.expect("open");
    assert!(put(&mut live, &[]).is_ok());
}
