//! A store that lives as long as the process: for `--database memory:` and for tests. It keeps the whole contract but
//! for surviving a power cut, and the log grows without bound.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::sqlite::{Sqlite, Target};
use super::{
    Head, Health, Link, Loaded, Log, Logs, REPLAYS_KEPT_MS, Scratch, Stated, Storage, StorageError, Wanted, Way,
    follows, unfit,
};
use crate::model::{Change, Commit, End, Entity, Rel, Relation, RelationType, Replay, Revision, Serial, Time};

/// How long one handle waits for another to release the head.
const PATIENCE: Duration = Duration::from_secs(10);
/// Commits a walk takes at a time: as long as it takes to count them, the committer waits.
const STRIDE: usize = 64;

/// One handle to a store. Handles made by [`Memory::another`] share it as nodes share a database: the turn to write goes
/// from one to the other, and what one commits the other finds.
#[derive(Debug, Default)]
pub struct Memory {
    store: Arc<Store>,
    holds_head: bool,
    health: Health,
}

#[derive(Debug, Default)]
struct Store {
    contents: Mutex<Contents>,
    released: Condvar,
}

#[derive(Debug)]
struct Contents {
    held: bool,
    head: Head,
    /// The revision before the oldest commit of the log.
    forgotten: Revision,
    /// Without their replays. Shared with those who walk through it.
    log: Vec<Arc<Commit>>,
    entities: BTreeMap<Serial, Entity>,
    relations: BTreeMap<(Serial, Rel, Serial), Arc<Relation>>,
    /// Oldest first, each with its commit's revision and time.
    replays: Vec<(Revision, Time, Replay)>,
}

impl Default for Contents {
    fn default() -> Self {
        Self {
            held: false,
            head: Head::EMPTY,
            forgotten: 0,
            log: Vec::new(),
            entities: BTreeMap::new(),
            relations: BTreeMap::new(),
            replays: Vec::new(),
        }
    }
}

impl Memory {
    pub fn new() -> Self {
        Self::default()
    }

    /// A second handle to the same store: another node, a restart, or a reader of the log.
    #[must_use]
    pub fn another(&self) -> Self {
        Self {
            store: self.store.clone(),
            holds_head: false,
            health: Health::default(),
        }
    }

    /// Drops the log up to and including a revision. The state stays.
    pub fn forget(&mut self, up_to: Revision) {
        let mut contents = self.store.contents.lock();
        let count = up_to.saturating_sub(contents.forgotten).min(contents.log.len() as u64);
        contents.log.drain(..count as usize);
        contents.forgotten += count;
    }

    fn release(&mut self) {
        if self.holds_head {
            self.holds_head = false;
            self.store.contents.lock().held = false;
            self.store.released.notify_one();
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.release();
    }
}

impl Storage for Memory {
    fn load(
        &mut self,
        replays_since: Time,
        each: &mut dyn FnMut(Loaded) -> Result<(), StorageError>,
    ) -> Result<Head, StorageError> {
        self.health.check()?;
        // Taken out under the lock and given after it: the callback may do as it likes.
        let (head, entities, relations, replays) = {
            let contents = self.store.contents.lock();
            let entities: Vec<_> = contents.entities.values().cloned().collect();
            let relations: Vec<_> = contents.relations.values().cloned().collect();
            let young = contents
                .replays
                .iter()
                .filter(|(_, _, replay)| replay.at >= replays_since);
            (
                contents.head,
                entities,
                relations,
                young
                    .map(|(revision, _, replay)| (*revision, replay.clone()))
                    .collect::<Vec<_>>(),
            )
        };
        each(Loaded::Coming {
            entities: entities.len(),
            relations: relations.len(),
        })?;
        entities
            .into_iter()
            .try_for_each(|entity| each(Loaded::Entity(entity)))?;
        relations
            .into_iter()
            .try_for_each(|relation| each(Loaded::Relation(Relation::clone(&relation))))?;
        replays
            .into_iter()
            .try_for_each(|(revision, replay)| each(Loaded::Replay(revision, replay)))?;
        Ok(head)
    }

    fn begin(&mut self) -> Result<Head, StorageError> {
        self.health.check()?;
        let mut contents = self.store.contents.lock();
        if !self.holds_head {
            let until = Instant::now() + PATIENCE;
            while contents.held {
                if self.store.released.wait_until(&mut contents, until).timed_out() {
                    return Err(StorageError::Unavailable(
                        "another writer does not end its turn".to_owned(),
                    ));
                }
            }
            contents.held = true;
            self.holds_head = true;
        }
        Ok(contents.head)
    }

    fn since(&mut self, after: Revision, at_most: usize) -> Result<Vec<Commit>, StorageError> {
        self.health.check()?;
        let contents = self.store.contents.lock();
        let Some(skipped) = after.checked_sub(contents.forgotten) else {
            return Err(StorageError::TooOld(after));
        };
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        Ok(contents
            .log
            .iter()
            .skip(skipped)
            .take(at_most)
            .map(|commit| contents.with_replay(commit))
            .collect())
    }

    fn commit(&mut self, commits: &[Commit]) -> Result<(), StorageError> {
        self.health.check()?;
        let result = match self.holds_head {
            true => self.store.contents.lock().commit(commits),
            false => Err(StorageError::Misused("a commit without a turn to write".to_owned())),
        };
        self.release();
        self.health.seal(result)
    }

    fn abandon(&mut self) {
        self.release();
    }

    fn logs(&self) -> Logs {
        let store = self.store.clone();
        Arc::new(move || {
            Ok(Box::new(Self {
                store: store.clone(),
                holds_head: false,
                health: Health::default(),
            }))
        })
    }
}

impl Log for Memory {
    fn head(&mut self) -> Result<Head, StorageError> {
        Ok(self.store.contents.lock().head)
    }

    /// What nobody can write to needs no proof.
    fn link(&mut self) -> Result<Option<Link>, StorageError> {
        Ok(None)
    }

    fn walk(&mut self, way: Way, each: &mut dyn FnMut(&Commit) -> ControlFlow<()>) -> Result<(), StorageError> {
        let (forgotten, newest) = {
            let contents = self.store.contents.lock();
            (contents.forgotten, contents.head.revision)
        };
        let (mut at, up) = match way {
            Way::Oldest => (forgotten + 1, true),
            Way::After(after) if after < forgotten => return Err(StorageError::TooOld(after)),
            Way::After(after) => (after.saturating_add(1), true),
            Way::Before(before) => (before.saturating_sub(1).min(newest), false),
        };
        while at > forgotten && at <= newest {
            let stride = self.store.contents.lock().stride(at, newest, up);
            // Another handle may have dropped that part of the log since.
            if stride.first().is_none_or(|first| first.revision != at) {
                return Err(StorageError::TooOld(at));
            }
            for commit in &stride {
                if each(commit).is_break() {
                    return Ok(());
                }
            }
            let length = stride.len() as u64;
            at = if up { at + length } else { at.saturating_sub(length) };
        }
        Ok(())
    }

    fn since(&mut self, after: Revision, at_most: usize) -> Result<Vec<Commit>, StorageError> {
        Storage::since(self, after, at_most)
    }

    fn before(&mut self, before: Revision, at_most: usize) -> Result<Vec<Commit>, StorageError> {
        let contents = self.store.contents.lock();
        let older = contents.log.iter().rev().skip_while(|commit| commit.revision >= before);
        Ok(older.take(at_most).map(|commit| contents.with_replay(commit)).collect())
    }

    /// Taken out under the lock and told after it, so that nobody waits for `each`.
    fn state(
        &mut self,
        wanted: Wanted<'_>,
        each: &mut dyn FnMut(Stated<'_>) -> ControlFlow<()>,
    ) -> Result<(), StorageError> {
        let (head, entities, relations) = {
            let contents = self.store.contents.lock();
            let entities: Vec<_> = contents.entities.values().cloned().collect();
            let relations: Vec<_> = contents.relations.values().cloned().collect();
            (contents.head, entities, relations)
        };
        // Whether `each` had enough is its own affair.
        let _ = tell(head, &entities, &relations, wanted, each);
        Ok(())
    }

    fn scratch(&self) -> Result<Option<Scratch>, StorageError> {
        Ok(None)
    }

    /// Plays the log into a new database file.
    fn backup(&mut self, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Head, StorageError> {
        let head = Log::head(self)?;
        let target = Target::new(to)?;
        let mut file = Sqlite::within(&target)?;
        let mut at = 0;
        while at < head.revision {
            let commits = Storage::since(self, at, (head.revision - at).min(1000) as usize)?;
            at += commits.len() as u64;
            file.begin()?;
            file.commit(&commits)?;
            progress(at, head.revision);
        }
        file.into_single_file()?;
        target.keep()?;
        Ok(head)
    }
}

impl Contents {
    /// The commits from a revision on, up to `newest` or down.
    fn stride(&self, at: Revision, newest: Revision, up: bool) -> Vec<Arc<Commit>> {
        let place = |revision: Revision| usize::try_from(revision.saturating_sub(self.forgotten)).unwrap_or(usize::MAX);
        let log = &self.log[..place(newest).min(self.log.len())];
        match up {
            true => log
                .iter()
                .skip(place(at).saturating_sub(1))
                .take(STRIDE)
                .cloned()
                .collect(),
            false => log[..place(at).min(log.len())]
                .iter()
                .rev()
                .take(STRIDE)
                .cloned()
                .collect(),
        }
    }

    fn with_replay(&self, commit: &Commit) -> Commit {
        let found = self
            .replays
            .binary_search_by_key(&commit.revision, |(revision, ..)| *revision);
        Commit {
            replay: found.ok().map(|at| self.replays[at].2.clone()),
            ..commit.clone()
        }
    }

    fn commit(&mut self, commits: &[Commit]) -> Result<(), StorageError> {
        let mut head = self.head;
        let mut applied = Vec::new();
        for commit in commits {
            let played = follows(head, commit).and_then(|()| {
                commit.changes.iter().try_for_each(|change| {
                    self.change(change, &mut head.next_serial)?;
                    applied.push(change);
                    Ok(())
                })
            });
            if let Err(error) = played {
                applied.iter().rev().for_each(|change| self.undo(change));
                return Err(error);
            }
            (head.revision, head.at) = (commit.revision, commit.at);
        }
        self.head = head;
        for commit in commits {
            self.replays
                .extend(commit.replay.clone().map(|replay| (commit.revision, commit.at, replay)));
            self.log.push(Arc::new(Commit {
                replay: None,
                ..commit.clone()
            }));
        }
        let old = head.at.0.saturating_sub(REPLAYS_KEPT_MS);
        let forgotten = self.replays.iter().take_while(|(_, at, _)| at.0 < old).count();
        self.replays.drain(..forgotten);
        Ok(())
    }

    fn change(&mut self, change: &Change, next_serial: &mut Serial) -> Result<(), StorageError> {
        match change {
            Change::Entity {
                before: None,
                after: None,
            }
            | Change::Relation {
                before: None,
                after: None,
            } => Err(StorageError::Misused("a change of nothing into nothing".to_owned())),
            Change::Entity { before, after } => {
                let serial = before.as_ref().or(after.as_ref()).map_or(0, |entity| entity.serial);
                let same = after.as_ref().is_none_or(|after| after.serial == serial);
                if !same || self.entities.get(&serial) != before.as_ref() {
                    return Err(unfit(format!("entity {serial}")));
                }
                match after {
                    Some(after) => self.entities.insert(serial, after.clone()),
                    None => self.entities.remove(&serial),
                };
                *next_serial = (*next_serial).max(serial.saturating_add(1));
                Ok(())
            }
            Change::Relation { before, after } => {
                let Some(any) = before.as_ref().or(after.as_ref()) else {
                    return Ok(());
                };
                let key = key(any);
                let same = after.as_ref().is_none_or(|after| self::key(after) == key);
                if !same || self.relations.get(&key) != before.as_ref() {
                    let name = any.rel.def().stable_name();
                    return Err(unfit(format!(
                        "relation {name} from {} to {}",
                        any.from.serial, any.to.serial
                    )));
                }
                match after {
                    Some(after) => self.relations.insert(key, after.clone()),
                    None => self.relations.remove(&key),
                };
                Ok(())
            }
        }
    }

    fn undo(&mut self, change: &Change) {
        match change {
            Change::Entity {
                before: Some(before), ..
            } => {
                self.entities.insert(before.serial, before.clone());
            }
            Change::Entity { before: None, after } => {
                after.iter().for_each(|after| drop(self.entities.remove(&after.serial)));
            }
            Change::Relation {
                before: Some(before), ..
            } => {
                self.relations.insert(key(before), before.clone());
            }
            Change::Relation { before: None, after } => {
                after.iter().for_each(|after| drop(self.relations.remove(&key(after))));
            }
        }
    }
}

/// What `state` gives of all there is, relations in the order of their keys.
fn tell(
    head: Head,
    entities: &[Entity],
    relations: &[Arc<Relation>],
    wanted: Wanted<'_>,
    each: &mut dyn FnMut(Stated<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    each(Stated::Head(head))?;
    let parents = |of: Serial| -> Vec<(Rel, End)> {
        let from = relations.partition_point(|relation| relation.to.serial < of);
        let above = relations[from..].iter().take_while(|relation| relation.to.serial == of);
        let parents = above.filter(|relation| relation.rel.def().relation_type == RelationType::OneToMany);
        parents.map(|relation| (relation.rel, relation.from)).collect()
    };
    for kind in wanted.kinds {
        for entity in entities.iter().filter(|entity| entity.kind == *kind) {
            each(Stated::Entity(entity, &parents(entity.serial)))?;
        }
    }
    for rel in wanted.relations {
        let mut of_type: Vec<_> = relations.iter().filter(|relation| relation.rel == *rel).collect();
        of_type.sort_by_key(|relation| (relation.from.serial, relation.to.serial));
        for relation in of_type {
            each(Stated::Relation(relation))?;
        }
    }
    ControlFlow::Continue(())
}

fn key(relation: &Relation) -> (Serial, Rel, Serial) {
    (relation.to.serial, relation.rel, relation.from.serial)
}
