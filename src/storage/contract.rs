//! The contract of storage as tests, the same list for every backend.

use std::path::PathBuf;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::samples::{World, loaded};
use super::*;

/// A store that outlives its handles, as a database outlives a process.
trait Backend: Sized {
    fn new() -> Self;
    /// Only one at a time.
    fn open(&self) -> Box<dyn Storage>;
    fn log(&self) -> Box<dyn Log>;
    /// While it is not open.
    fn forget(&self, up_to: Revision);
}

struct InMemory(Memory);

impl Backend for InMemory {
    fn new() -> Self {
        Self(Memory::new())
    }

    fn open(&self) -> Box<dyn Storage> {
        Box::new(self.0.another())
    }

    fn log(&self) -> Box<dyn Log> {
        Box::new(self.0.another())
    }

    fn forget(&self, up_to: Revision) {
        self.0.another().forget(up_to);
    }
}

struct OnDisk(tempfile::TempDir);

impl OnDisk {
    fn path(&self) -> PathBuf {
        self.0.path().join("seatgraph.db")
    }
}

impl Backend for OnDisk {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn open(&self) -> Box<dyn Storage> {
        Box::new(Sqlite::open(&self.path(), Migrate::Refuse).expect("opens"))
    }

    fn log(&self) -> Box<dyn Log> {
        Box::new(Reader::open(&self.path()).expect("opens"))
    }

    fn forget(&self, up_to: Revision) {
        Sqlite::open(&self.path(), Migrate::Refuse)
            .expect("opens")
            .forget(up_to)
            .expect("forgets");
    }
}

macro_rules! contract {
    ($($test:ident)*) => {
        mod memory {
            $(#[test] fn $test() { super::$test::<super::InMemory>(); })*
        }
        mod sqlite {
            $(#[test] fn $test() { super::$test::<super::OnDisk>(); })*
        }
    };
}

contract! {
    a_new_store_is_empty
    what_is_committed_is_loaded_and_logged
    nothing_of_a_bad_batch_is_kept
    the_head_is_held_by_one
    a_forgotten_log_is_too_old
    the_log_is_walked_either_way
    answers_are_kept_for_a_day
    serials_are_never_given_twice
    a_callback_can_stop_loading
    a_backup_is_the_store
    the_state_is_told_in_any_order
    who_has_enough_of_the_state_stops_it
}

const ALWAYS: Time = Time(i64::MIN);

fn store(store: &mut dyn Storage, commits: &[Commit]) {
    store.begin().expect("the turn");
    store.commit(commits).expect("committed");
}

fn a_new_store_is_empty<B: Backend>() {
    let backend = B::new();
    let mut store = backend.open();
    assert_eq!(loaded(&mut *store, ALWAYS), Ok((Head::EMPTY, vec![])));
    assert_eq!(store.begin(), Ok(Head::EMPTY));
    assert_eq!(store.since(0, 10), Ok(vec![]));
    assert_eq!(store.since(10, 10), Ok(vec![]));
    assert_eq!(backend.log().before(10, 10), Ok(vec![]));
}

fn what_is_committed_is_loaded_and_logged<B: Backend>() {
    let cases = ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let histories = (any::<u64>(), prop::collection::vec(0..9usize, 1..8));
    let result = TestRunner::new(cases).run(&histories, |(seed, batches)| {
        let (backend, mut world) = (B::new(), World::new(seed));
        let mut store = backend.open();
        let mut log = backend.log();
        for batch in batches {
            let after = world.head.revision;
            let commits: Vec<_> = (0..batch).map(|_| world.commit(12)).collect();
            prop_assert_eq!(store.begin().map(|head| head.revision), Ok(after));
            prop_assert_eq!(store.commit(&commits), Ok(()));
            prop_assert_eq!(store.begin(), Ok(world.head));
            store.abandon();
            prop_assert_eq!(store.since(after, usize::MAX), Ok(commits));
            prop_assert_eq!(log.head(), Ok(world.head));
            if world.random().is_multiple_of(3) {
                drop(store);
                store = backend.open();
            }
        }
        let since = Time(world.head.at.0 / 2);
        prop_assert_eq!(loaded(&mut *store, since), Ok((world.head, world.state(since))));
        let all = || world.commits.clone();
        prop_assert_eq!(store.since(0, usize::MAX), Ok(all()));
        prop_assert_eq!(log.since(0, usize::MAX), Ok(all()));
        prop_assert_eq!(
            log.before(u64::MAX, usize::MAX),
            Ok(all().into_iter().rev().collect::<Vec<_>>())
        );
        for (at, commit) in world.commits.iter().enumerate() {
            prop_assert_eq!(
                &store.since(at as u64, 1).expect("there")[..],
                std::slice::from_ref(commit)
            );
            prop_assert_eq!(
                &log.before(at as u64 + 2, 1).expect("there")[..],
                std::slice::from_ref(commit)
            );
        }
        Ok(())
    });
    result.expect("holds");
}

fn nothing_of_a_bad_batch_is_kept<B: Backend>() {
    /// Makes the last commit of a good batch a bad one.
    type Spoil = fn(&mut Commit, &World);
    fn some(world: &World) -> Entity {
        let of = |loaded| match loaded {
            Loaded::Entity(entity) => Some(entity),
            _ => None,
        };
        world.state(ALWAYS).into_iter().find_map(of).expect("an entity")
    }
    fn changed(entity: &Entity) -> Entity {
        entity.with_header(Header {
            created: Time(entity.created.0 + 1),
            ..**entity
        })
    }
    let spoils: &[(&str, Spoil)] = &[
        ("a gap", |commit, _| commit.revision += 1),
        ("the same again", |commit, _| commit.revision -= 1),
        ("time runs back", |commit, _| commit.at = Time(1)),
        ("made twice", |commit, world| {
            commit.changes.push(Change::Entity {
                before: None,
                after: Some(some(world)),
            });
        }),
        ("another before", |commit, world| {
            let after = Some(some(world));
            commit.changes.push(Change::Entity {
                before: after.as_ref().map(changed),
                after,
            });
        }),
        ("not the one removed", |commit, world| {
            commit.changes.push(Change::Entity {
                before: Some(changed(&some(world))),
                after: None,
            });
        }),
        ("removed twice", |commit, world| {
            for _ in 0..2 {
                commit.changes.push(Change::Entity {
                    before: Some(some(world)),
                    after: None,
                });
            }
        }),
        ("another serial", |commit, world| {
            let before = some(world);
            let after = Some(before.with_header(Header { serial: 999, ..*before }));
            commit.changes.push(Change::Entity {
                before: Some(before),
                after,
            });
        }),
        ("a relation removed that is not there", |commit, world| {
            let end = End {
                id: some(world).id,
                serial: 999,
            };
            let relation = Relation {
                rel: Rel(0),
                from: end,
                to: end,
                fields: Fields::default(),
            };
            commit.changes.push(Change::Relation {
                before: Some(relation.into()),
                after: None,
            });
        }),
        ("a relation made twice", |commit, world| {
            let end = End {
                id: some(world).id,
                serial: 999,
            };
            let relation = Arc::new(Relation {
                rel: Rel(0),
                from: end,
                to: end,
                fields: Fields::default(),
            });
            for _ in 0..2 {
                commit.changes.push(Change::Relation {
                    before: None,
                    after: Some(relation.clone()),
                });
            }
        }),
        ("nothing", |commit, _| {
            commit.changes.push(Change::Entity {
                before: None,
                after: None,
            })
        }),
    ];
    for (name, spoil) in spoils {
        let (backend, mut world) = (B::new(), World::new(3));
        let first: Vec<_> = (0..8).map(|_| world.commit(12)).collect();
        let mut open = backend.open();
        store(&mut *open, &first);
        let before = loaded(&mut *open, ALWAYS).expect("loads");
        let mut bad: Vec<_> = (0..3).map(|_| world.commit(12)).collect();
        spoil(&mut bad[2], &world);
        open.begin().expect("the turn");
        let refused = open.commit(&bad).expect_err(name);
        assert!(matches!(refused, StorageError::Misused(_)), "{name}: {refused}");
        assert!(
            matches!(open.begin(), Err(StorageError::Io(why)) if why.contains(&refused.to_string())),
            "{name}"
        );
        assert!(matches!(open.since(0, 1), Err(StorageError::Io(_))), "{name}");
        assert!(matches!(loaded(&mut *open, ALWAYS), Err(StorageError::Io(_))), "{name}");
        drop(open);
        let mut open = backend.open();
        assert_eq!(loaded(&mut *open, ALWAYS), Ok(before), "{name}");
        assert_eq!(open.since(0, 100), Ok(first), "{name}");
    }
}

fn the_head_is_held_by_one<B: Backend>() {
    let (backend, mut world) = (B::new(), World::new(1));
    let mut open = backend.open();
    assert_eq!(open.begin(), Ok(Head::EMPTY));
    assert_eq!(open.begin(), Ok(Head::EMPTY));
    open.abandon();
    open.abandon();
    open.begin().expect("the turn");
    assert_eq!(open.commit(&[]), Ok(()));
    assert_eq!(loaded(&mut *open, ALWAYS), Ok((Head::EMPTY, vec![])));
    // A commit, empty or not, ends the turn.
    assert!(matches!(open.commit(&[world.commit(3)]), Err(StorageError::Misused(_))));
    drop(open);
    assert_eq!(backend.open().begin(), Ok(Head::EMPTY));
}

fn a_forgotten_log_is_too_old<B: Backend>() {
    let (backend, mut world) = (B::new(), World::new(5));
    let commits: Vec<_> = (0..10).map(|_| world.commit(12)).collect();
    store(&mut *backend.open(), &commits);
    backend.forget(4);
    backend.forget(2);
    let (mut open, mut log) = (backend.open(), backend.log());
    assert_eq!(open.since(3, 10), Err(StorageError::TooOld(3)));
    assert_eq!(log.since(0, 10), Err(StorageError::TooOld(0)));
    assert_eq!(open.since(4, 10).as_deref(), Ok(&commits[4..]));
    assert_eq!(log.before(7, 10), Ok(commits[4..6].iter().rev().cloned().collect()));
    assert_eq!(loaded(&mut *open, ALWAYS), Ok((world.head, world.state(ALWAYS))));
    let next = world.commit(5);
    store(&mut *open, std::slice::from_ref(&next));
    assert_eq!(open.since(10, 10), Ok(vec![next]));
    drop(open);
    backend.forget(u64::MAX);
    assert_eq!(backend.open().since(11, 10), Ok(vec![]));
    assert_eq!(backend.open().since(10, 10), Err(StorageError::TooOld(10)));
}

fn the_log_is_walked_either_way<B: Backend>() {
    let (backend, mut world) = (B::new(), World::new(14));
    let mut open = backend.open();
    let logs = open.logs();
    store(&mut *open, &(0..200).map(|_| world.commit(5)).collect::<Vec<_>>());
    let walked = |way: Way, most: usize| -> Result<Vec<Revision>, StorageError> {
        let mut found = Vec::new();
        logs()?.walk(way, &mut |commit| {
            let written = &world.commits[commit.revision as usize - 1];
            let expected = Commit {
                replay: None,
                ..written.clone()
            };
            assert_eq!(*commit, expected);
            found.push(commit.revision);
            match found.len() < most {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        })?;
        Ok(found)
    };
    let check = |way: Way, most: usize, expected: Vec<Revision>| assert_eq!(walked(way, most), Ok(expected), "{way:?}");
    let all = usize::MAX;
    check(Way::Oldest, all, (1..=200).collect());
    check(Way::After(0), all, (1..=200).collect());
    check(Way::After(150), all, (151..=200).collect());
    check(Way::After(150), 3, vec![151, 152, 153]);
    check(Way::After(200), all, vec![]);
    check(Way::After(u64::MAX), all, vec![]);
    check(Way::Before(u64::MAX), all, (1..=200).rev().collect());
    check(Way::Before(201), 70, (131..=200).rev().collect());
    check(Way::Before(3), all, vec![2, 1]);
    check(Way::Before(1), all, vec![]);
    check(Way::Before(0), all, vec![]);

    // The committer goes on meanwhile, and a walk ends where the log did when it began.
    let (mut log, mut seen) = (logs().expect("opens"), 0);
    let mut later = World::new(14);
    (0..200).for_each(|_| drop(later.commit(5)));
    log.walk(Way::Oldest, &mut |_| {
        seen += 1;
        store(&mut *open, &[later.commit(5)]);
        ControlFlow::Continue(())
    })
    .expect("walks");
    assert_eq!((seen, log.head().map(|head| head.revision)), (200, Ok(400)));
    drop((log, open));

    backend.forget(40);
    let walked = |way: Way| {
        let (mut first, mut last) = (None, 0);
        backend.log().walk(way, &mut |commit| {
            (first, last) = (first.or(Some(commit.revision)), commit.revision);
            ControlFlow::Continue(())
        })?;
        Ok((first, last))
    };
    assert_eq!(walked(Way::Oldest), Ok((Some(41), 400)));
    assert_eq!(walked(Way::After(40)), Ok((Some(41), 400)));
    assert_eq!(walked(Way::After(39)), Err(StorageError::TooOld(39)));
    assert_eq!(walked(Way::Before(50)), Ok((Some(49), 41)));
}

fn answers_are_kept_for_a_day<B: Backend>() {
    let (backend, mut world) = (B::new(), World::new(0));
    let mut commit = |at: i64| {
        let replay = Replay {
            scope: "one".into(),
            key: "key".into(),
            fingerprint: [7; 32],
            at: Time(at),
            status: 201,
            body: b"{}"[..].into(),
        };
        Commit {
            at: Time(at),
            changes: Vec::new(),
            replay: Some(replay),
            ..world.commit(0)
        }
    };
    let commits = [
        commit(1_000),
        commit(1_001),
        commit(2_000),
        commit(1_001 + REPLAYS_KEPT_MS),
    ];
    let mut open = backend.open();
    store(&mut *open, &commits[..3]);
    store(&mut *open, &commits[3..]);
    let replays = |since| {
        let replay = |commit: &Commit| Some((commit.revision, commit.replay.clone()?));
        let young = commits[1..].iter().filter_map(replay);
        young
            .filter(|(_, replay)| replay.at.0 >= since)
            .map(|(revision, replay)| Loaded::Replay(revision, replay))
            .collect::<Vec<_>>()
    };
    let head = Head {
        revision: 4,
        at: commits[3].at,
        next_serial: 1,
    };
    for since in [0, 1_001, 1_002, i64::MAX] {
        assert_eq!(
            loaded(&mut *open, Time(since)),
            Ok((head, replays(since))),
            "since {since}"
        );
    }
    let mut kept = commits.to_vec();
    kept[0].replay = None;
    assert_eq!(open.since(0, 10), Ok(kept));
}

fn serials_are_never_given_twice<B: Backend>() {
    let backend = B::new();
    let entity = |revision, serial| {
        Entity::new(
            Header {
                id: uuid::Uuid::from_u128(serial),
                serial: serial as Serial,
                revision,
                created: Time(5),
                updated: Time(5),
                kind: Kind::Organization,
            },
            Fields::default(),
        )
    };
    let commit = |revision, before, after| Commit {
        revision,
        at: Time(5),
        by: Principal::default(),
        operation: "Create".into(),
        request_id: "".into(),
        changes: vec![Change::Entity { before, after }],
        whose: Whose::default(),
        events: Vec::new(),
        replay: None,
    };
    let mut open = backend.open();
    store(&mut *open, &[commit(1, None, Some(entity(1, 17)))]);
    store(&mut *open, &[commit(2, None, Some(entity(2, 9)))]);
    store(&mut *open, &[commit(3, Some(entity(1, 17)), None)]);
    drop(open);
    let mut open = backend.open();
    assert_eq!(open.begin().map(|head| head.next_serial), Ok(18));
    let left = loaded(&mut *open, ALWAYS).map(|(_, all)| all);
    assert_eq!(left, Ok(vec![Loaded::Entity(entity(2, 9))]));
}

fn a_callback_can_stop_loading<B: Backend>() {
    let (backend, mut world) = (B::new(), World::new(2));
    let mut open = backend.open();
    store(&mut *open, &(0..10).map(|_| world.commit(12)).collect::<Vec<_>>());
    let mut seen = 0;
    let enough = StorageError::Damaged("enough".to_owned());
    let stopped = open.load(ALWAYS, &mut |_| {
        seen += 1;
        if seen == 3 { Err(enough.clone()) } else { Ok(()) }
    });
    assert_eq!((stopped, seen), (Err(enough), 3));
    assert_eq!(loaded(&mut *open, ALWAYS), Ok((world.head, world.state(ALWAYS))));
}

fn a_backup_is_the_store<B: Backend>() {
    let (backend, mut world) = (B::new(), World::new(8));
    let mut open = backend.open();
    store(&mut *open, &(0..20).map(|_| world.commit(12)).collect::<Vec<_>>());
    let directory = tempfile::tempdir().expect("a directory");
    let copy = directory.path().join("copy.db");
    let mut last = (0, 0);
    let head = backend
        .log()
        .backup(&copy, &mut |done, all| last = (done, all))
        .expect("copied");
    assert_eq!(head, world.head);
    assert!(last.0 > 0 && last.0 == last.1, "{last:?}");
    let files: Vec<_> = directory
        .path()
        .read_dir()
        .expect("there")
        .filter_map(Result::ok)
        .collect();
    assert_eq!(files.len(), 1, "nothing but the copy: {files:?}");
    assert!(matches!(
        backend.log().backup(&copy, &mut |_, _| ()),
        Err(StorageError::Unavailable(_))
    ));
    let mut copy = Sqlite::open(&copy, Migrate::Refuse).expect("opens");
    assert_eq!(loaded(&mut copy, ALWAYS), Ok((world.head, world.state(ALWAYS))));
    assert_eq!(Storage::since(&mut copy, 0, 100), Ok(world.commits.clone()));
}

/// What `state` gives, copied, parents in an order of their own.
#[derive(Debug, PartialEq)]
enum Told {
    Head(Head),
    Entity(Entity, Vec<(Rel, End)>),
    Relation(Relation),
}

impl Told {
    fn of(stated: Stated<'_>) -> Self {
        match stated {
            Stated::Head(head) => Self::Head(head),
            Stated::Entity(entity, parents) => Self::Entity(entity.clone(), sorted(parents.to_vec())),
            Stated::Relation(relation) => Self::Relation(relation.clone()),
        }
    }
}

/// The same of a world, looked for one by one.
fn expected(world: &World, wanted: Wanted<'_>) -> Vec<Told> {
    let state = world.state(ALWAYS);
    let relations: Vec<&Relation> = state
        .iter()
        .filter_map(|loaded| match loaded {
            Loaded::Relation(relation) => Some(relation),
            _ => None,
        })
        .collect();
    let mut told = vec![Told::Head(world.head)];
    for kind in wanted.kinds {
        let of_kind = state.iter().filter_map(|loaded| match loaded {
            Loaded::Entity(entity) => (entity.kind == *kind).then_some(entity),
            _ => None,
        });
        let mut of_kind: Vec<_> = of_kind.collect();
        of_kind.sort_by_key(|entity| entity.serial);
        told.extend(of_kind.into_iter().map(|entity| {
            let is_parent = |relation: &&&Relation| {
                relation.to.serial == entity.serial && relation.rel.def().relation_type == RelationType::OneToMany
            };
            let parents = relations.iter().filter(is_parent);
            Told::Entity(
                (*entity).clone(),
                sorted(parents.map(|relation| (relation.rel, relation.from)).collect()),
            )
        }));
    }
    for rel in wanted.relations {
        let mut of_type: Vec<_> = relations.iter().filter(|relation| relation.rel == *rel).collect();
        of_type.sort_by_key(|relation| (relation.from.serial, relation.to.serial));
        told.extend(of_type.into_iter().map(|relation| Told::Relation((*relation).clone())));
    }
    told
}

fn sorted(mut parents: Vec<(Rel, End)>) -> Vec<(Rel, End)> {
    parents.sort_by_key(|(rel, from)| (*rel, from.serial));
    parents
}

fn the_state_is_told_in_any_order<B: Backend>() {
    let (backend, mut world) = (B::new(), World::new(9));
    let mut open = backend.open();
    store(&mut *open, &(0..40).map(|_| world.commit(12)).collect::<Vec<_>>());
    let kinds: Vec<Kind> = Kind::ALL.iter().copied().rev().collect();
    let relations: Vec<Rel> = schema::relations().collect();
    let backwards: Vec<Rel> = relations.iter().copied().rev().step_by(2).collect();
    let check = |kinds: &[Kind], relations: &[Rel], world: &World| {
        let wanted = Wanted { kinds, relations };
        let mut told = Vec::new();
        let mut log = backend.log();
        log.state(wanted, &mut |stated| {
            told.push(Told::of(stated));
            ControlFlow::Continue(())
        })
        .expect("told");
        assert_eq!(told, expected(world, wanted));
        told.len()
    };
    let all = check(&kinds, &relations, &world);
    assert!(check(Kind::ALL, &backwards, &world) < all);
    assert!(check(&kinds[..kinds.len() / 2], &[], &world) < all);
    assert_eq!(check(&[], &[], &world), 1);
    store(&mut *open, &[world.commit(12)]);
    check(&kinds, &relations, &world);
}

fn who_has_enough_of_the_state_stops_it<B: Backend>() {
    let (backend, mut world) = (B::new(), World::new(10));
    let mut open = backend.open();
    store(&mut *open, &(0..20).map(|_| world.commit(12)).collect::<Vec<_>>());
    let relations: Vec<Rel> = schema::relations().collect();
    let wanted = Wanted {
        kinds: Kind::ALL,
        relations: &relations,
    };
    let all = expected(&world, wanted);
    for enough in [1, 2, all.len() - 1] {
        let mut told = Vec::new();
        let mut log = backend.log();
        log.state(wanted, &mut |stated| {
            told.push(Told::of(stated));
            // What is committed while it is told is not in it.
            if told.len() == 1 && enough > 2 {
                store(&mut *open, &[world.commit(12)]);
            }
            match told.len() < enough {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        })
        .expect("told");
        assert_eq!(told, all[..enough]);
    }
}

#[test]
fn handles_of_one_memory_take_turns() {
    let (mut one, mut world) = (Memory::new(), World::new(4));
    let mut two = one.another();
    one.begin().expect("the turn");
    let commit = world.commit(4);
    let after = std::thread::spawn(move || two.begin());
    one.commit(&[commit]).expect("committed");
    assert_eq!(after.join().expect("no panic"), Ok(world.head));
}

#[test]
fn a_fault_strikes_once_and_for_good() {
    for (fault, there) in [(Fault::Before, 1), (Fault::After, 2)] {
        let (memory, mut world) = (Memory::new(), World::new(6));
        let (mut failing, faults) = Failing::new(memory.another());
        faults.fail_commit(2, fault);
        store(&mut failing, &[world.commit(4)]);
        failing.begin().expect("the turn");
        let failed = failing.commit(&[world.commit(4)]);
        match there {
            1 => assert!(matches!(failed, Err(StorageError::Io(_))), "{failed:?}"),
            _ => assert!(matches!(failed, Err(StorageError::Unsure(_))), "{failed:?}"),
        }
        assert!(matches!(failing.begin(), Err(StorageError::Io(_))));
        assert_eq!((faults.begins(), faults.commits(), faults.failed()), (3, 2, true));
        assert_eq!(memory.another().begin().map(|head| head.revision), Ok(there));
    }
}
