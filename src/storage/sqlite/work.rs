//! What commits ask of SQLite, counted: a statement too many for each row is the dearest thing a write could gain.

use std::sync::Arc;

use uuid::Uuid;

use super::*;
use crate::model::{Change, End, Entity, Fields, Header, Kind, Principal, Rel, Relation, Whose};

fn entity(serial: u64, revision: Revision) -> Entity {
    Entity::new(
        Header {
            id: Uuid::from_u128(u128::from(serial)),
            serial,
            revision,
            created: Time(1),
            updated: Time(1),
            kind: Kind::Organization,
        },
        Fields::default(),
    )
}

fn made(serial: u64) -> Change {
    Change::Entity {
        before: None,
        after: Some(entity(serial, 1)),
    }
}

fn changed(serial: u64) -> Change {
    Change::Entity {
        before: Some(entity(serial, 1)),
        after: Some(entity(serial, 2)),
    }
}

fn related(from: u64, to: u64) -> Change {
    let end = |serial: u64| End {
        id: Uuid::from_u128(u128::from(serial)),
        serial,
    };
    let relation = Relation {
        rel: Rel(0),
        from: end(from),
        to: end(to),
        fields: Fields::default(),
    };
    Change::Relation {
        before: None,
        after: Some(Arc::new(relation)),
    }
}

fn commit(revision: Revision, changes: Vec<Change>) -> Commit {
    Commit {
        revision,
        at: Time(1),
        changes,
        by: Principal::default(),
        operation: "Test".into(),
        request_id: "r".into(),
        whose: Whose::default(),
        events: Vec::new(),
        replay: None,
    }
}

/// What a lone write waits for is the disk, for each page of it.
#[test]
fn a_small_commit_writes_two_pages() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = Sqlite::open(&folder.path().join("work.db"), Migrate::Refuse).expect("opens");
    for revision in 1..8 {
        let before = store.wal_frames.load(Ordering::Relaxed);
        store.begin().expect("the turn");
        store
            .commit(&[commit(revision, vec![made(revision)])])
            .expect("commits");
        let written = store.wal_frames.load(Ordering::Relaxed) - before;
        assert_eq!(written, 2, "its row, and its line in the log");
    }
}

#[test]
fn a_commit_takes_as_many_statements_as_it_must() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = Sqlite::open(&folder.path().join("work.db"), Migrate::Refuse).expect("opens");
    let mut revision = 0;
    let mut check = |commits: &[Vec<Change>], expected: u64, what: &str| {
        let commits: Vec<Commit> = commits
            .iter()
            .map(|changes| {
                revision += 1;
                commit(revision, changes.clone())
            })
            .collect();
        let before = store.statements.get();
        store.begin().expect("the turn");
        store.commit(&commits).expect("commits");
        assert_eq!(store.statements.get() - before, expected, "{what}");
    };
    // Its row and its line in the log.
    check(&[vec![made(1)]], 2, "one is made");
    check(&[vec![changed(1)]], 2, "one is changed");
    check(
        &[vec![made(2)], vec![made(3)], vec![made(4)]],
        2 + 2,
        "three commits in one batch",
    );
    // 64 in one statement, 32, and four.
    check(&[(5..105).map(made).collect()], 3 + 1, "a hundred are made");
    let links = (5..155).map(|at| related(1, 5 + at % 100));
    let links: Vec<Change> = links.take(100).collect();
    check(&[links], 3 + 1, "a hundred relations are made");
    check(&[(5..105).map(changed).collect()], 1 + 100, "a hundred are changed");
    check(
        &[vec![made(155)], vec![made(156)], vec![changed(155)], vec![made(157)]],
        1 + 1 + 1 + 1,
        "one of those that wait is changed",
    );
}
