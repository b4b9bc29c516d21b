//! Answers to selectors that were asked twice and are still what they were: given again as bytes. An answer is made of some
//! kinds and relations (`query::MadeOf`), and the graph says whether any of those were changed since (`graph/changed.rs`), so
//! nothing is ever told that is not so any more; a lease that is taken makes nobody forget a list of licenses' seats.
//!
//! Each worker has its own, and no lock. Only for callers who see by kinds alone (`Who::sees_by_kind`): what others see hangs on
//! who owns what.

use std::collections::HashMap;
use std::hash::BuildHasher;

use actix_web::web::Bytes;
use foldhash::fast::{FixedState, RandomState};

use crate::access::Who;
use crate::graph::Graph;
use crate::model::Revision;
use crate::query::MadeOf;

/// What an answer takes beside its bytes and its target.
const BESIDE: usize = 256;
/// Questions of late of which it is known when they were asked.
const SIGHTINGS: usize = 16 * 1024;

/// What one worker remembers. Two generations: what is not asked for while one fills up is forgotten with it.
pub struct Remembered {
    /// Bytes of a generation.
    room: usize,
    hasher: RandomState,
    late: Answers,
    before: Answers,
    /// By the last bits of the key: what was asked there last, and at which revision.
    sightings: Box<[(Key, Revision)]>,
}

/// Of a target and the token it was asked with, under a secret of this worker's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Key(u64);

#[derive(Default)]
struct Answers {
    /// Keys are hashes already.
    by_key: HashMap<Key, Remember, FixedState>,
    bytes: usize,
}

struct Remember {
    target: Box<str>,
    who: Who,
    revision: Revision,
    made_of: MadeOf,
    body: Bytes,
}

/// An answer that may be remembered.
pub struct Fresh<'a> {
    pub target: &'a str,
    pub who: &'a Who,
    /// Of the graph it was made on.
    pub revision: Revision,
    pub made_of: MadeOf,
    pub body: &'a [u8],
}

impl Remembered {
    /// Bytes of an answer. What is longer leaves in pieces, and is made anew.
    pub const LONGEST: usize = 64 * 1024;

    pub fn new(bytes: usize) -> Self {
        Self {
            room: bytes / 2,
            hasher: RandomState::default(),
            late: Answers::default(),
            before: Answers::default(),
            sightings: vec![Default::default(); SIGHTINGS].into(),
        }
    }

    pub fn key(&self, target: &str, token: &str) -> Key {
        Key(self.hasher.hash_one((target, token)))
    }

    /// Whether it is worth asking `find`.
    pub fn has(&self, key: Key) -> bool {
        self.late.by_key.contains_key(&key) || self.before.by_key.contains_key(&key)
    }

    /// The answer, if it is the one this graph gives this caller. Forgotten if not.
    pub fn find(&mut self, key: Key, target: &str, who: &Who, graph: &Graph) -> Option<Bytes> {
        let holds = |known: &Remember| {
            known.target.as_ref() == target
                && known.who == *who
                && known.revision <= graph.revision()
                && !known.made_of.has_changed(graph, known.revision)
        };
        if let Some(known) = self.late.by_key.get(&key) {
            if holds(known) {
                return Some(known.body.clone());
            }
            self.late.remove(key);
            return None;
        }
        let known = self.before.remove(key).filter(holds)?;
        let body = known.body.clone();
        self.insert(key, known);
        Some(body)
    }

    /// At which revision it was asked last, as far as that is known.
    pub fn seen(&self, key: Key) -> Option<Revision> {
        let (seen, revision) = self.sightings[key.slot()];
        (seen == key).then_some(revision)
    }

    pub fn saw(&mut self, key: Key, revision: Revision) {
        self.sightings[key.slot()] = (key, revision);
    }

    pub fn keep(&mut self, key: Key, fresh: Fresh<'_>) {
        self.late.remove(key);
        let known = Remember {
            target: fresh.target.into(),
            who: fresh.who.clone(),
            revision: fresh.revision,
            made_of: fresh.made_of,
            body: Bytes::copy_from_slice(fresh.body),
        };
        self.insert(key, known);
    }

    fn insert(&mut self, key: Key, known: Remember) {
        let bytes = known.bytes();
        if bytes > self.room {
            return;
        }
        if self.late.bytes + bytes > self.room {
            self.before = std::mem::take(&mut self.late);
        }
        self.late.bytes += bytes;
        self.late.by_key.insert(key, known);
    }
}

impl Key {
    fn slot(self) -> usize {
        self.0 as usize % SIGHTINGS
    }
}

impl Answers {
    fn remove(&mut self, key: Key) -> Option<Remember> {
        let known = self.by_key.remove(&key)?;
        self.bytes -= known.bytes();
        Some(known)
    }
}

impl Remember {
    fn bytes(&self) -> usize {
        BESIDE + self.target.len() + self.body.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::access::{Permissions, View};
    use crate::graph::{Kept, Transaction};
    use crate::limits::Limits;
    use crate::model::schema::find_relation;
    use crate::model::{Clock, Fields, Kind, Rel, RelationType, Time, Value};
    use crate::query::{self, Answer, Budget, includes};
    use crate::selector::{parse, parse_include};

    const KINDS: [Kind; 3] = [Kind::Organization, Kind::Entitlement, Kind::License];

    fn rel(from: Kind, to: Kind) -> Rel {
        find_relation(RelationType::OneToMany, from, to).expect("a relation")
    }

    /// One of few, so that they meet.
    fn id(kind: Kind, number: u8) -> Uuid {
        Uuid::from_u128(1000 * (kind as u128 + 1) + u128::from(number % 4))
    }

    #[derive(Clone, Debug)]
    enum Step {
        Change(Change),
        /// Begun, and given up.
        Undone(Change),
        Ask(usize),
    }

    #[derive(Clone, Debug)]
    enum Change {
        Create(Kind, u8),
        Rename(Kind, u8, String),
        Remove(Kind, u8),
        Relate(Kind, u8, u8),
        Unrelate(Kind, u8, u8),
    }

    fn change() -> impl Strategy<Value = Change> {
        let kind = || prop::sample::select(KINDS.as_slice());
        let byte = any::<u8>;
        prop_oneof![
            3 => (kind(), byte()).prop_map(|(kind, number)| Change::Create(kind, number)),
            2 => (kind(), byte(), "[ab]").prop_map(|(kind, number, name)| Change::Rename(kind, number, name)),
            1 => (kind(), byte()).prop_map(|(kind, number)| Change::Remove(kind, number)),
            3 => (kind(), byte(), byte()).prop_map(|(kind, from, to)| Change::Relate(kind, from, to)),
            1 => (kind(), byte(), byte()).prop_map(|(kind, from, to)| Change::Unrelate(kind, from, to)),
        ]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => change().prop_map(Step::Change),
            1 => change().prop_map(Step::Undone),
            6 => (0..QUESTIONS.len()).prop_map(Step::Ask),
        ]
    }

    /// What cannot be done is not.
    fn perform(change: &Change, transaction: &mut Transaction<'_>) {
        let below = |kind: Kind| match kind {
            Kind::Organization => Kind::Entitlement,
            _ => Kind::License,
        };
        let done = match change {
            Change::Create(kind, number) => {
                let name = (kind.field("name").expect("a field"), Value::text("a"));
                transaction.create(id(*kind, *number), *kind, Fields::from_iter([name]), Kept::default())
            }
            Change::Rename(kind, number, name) => {
                let name = (kind.field("name").expect("a field"), Value::text(name));
                transaction.update(id(*kind, *number), Fields::from_iter([name]))
            }
            Change::Remove(kind, number) => transaction.remove_cascading(id(*kind, *number)).map(drop),
            Change::Relate(Kind::License, ..) | Change::Unrelate(Kind::License, ..) => Ok(()),
            Change::Relate(kind, from, to) => {
                let to_kind = below(*kind);
                let (from, to) = (id(*kind, *from), id(to_kind, *to));
                transaction.relate(rel(*kind, to_kind), from, to, Fields::default())
            }
            Change::Unrelate(kind, from, to) => {
                let to_kind = below(*kind);
                transaction.unrelate(rel(*kind, to_kind), id(*kind, *from), id(to_kind, *to))
            }
        };
        let _ = done;
    }

    const QUESTIONS: [(&str, Option<&str>); 7] = [
        ("/Organization", None),
        ("/Organization[@name='a']", None),
        ("/License{s=name-}", None),
        ("/Organization/~OneToMany/Entitlement/~OneToMany/License", None),
        ("/License/~ManyToOne/Entitlement[@name='b']", None),
        ("/Entitlement/~OneToMany/License{count}", None),
        ("/Organization", Some("/~OneToMany/Entitlement/~OneToMany/License")),
    ];

    /// What is answered, and what of.
    fn made(question: usize, graph: &Graph, who: &Who) -> (String, MadeOf) {
        let (limits, view) = (Limits::default(), View::new(graph, who));
        let (selector, include) = QUESTIONS[question];
        let plan = query::plan(&parse(selector, &limits).expect("a selector"), &view, &limits).expect("a plan");
        let chains: Vec<_> = include
            .iter()
            .map(|text| parse_include(text, &limits).expect("an include"))
            .collect();
        let tree = includes(&chains, plan.result_kind()).expect("a tree");
        let mut budget = Budget::new(&limits);
        let mut body = Vec::new();
        match query::evaluate(&plan, &view, &mut budget, None).expect("an answer") {
            Answer::Count(count) => body.extend_from_slice(count.to_string().as_bytes()),
            Answer::Page { nodes, .. } => {
                for node in nodes {
                    crate::http::wire::entity(&mut body, node, &view, &tree, &mut budget).expect("an object");
                }
            }
        }
        (String::from_utf8(body).expect("text"), MadeOf::new(&plan, &tree))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever happened, and on whichever of two copies: what is remembered is what would be made.
        #[test]
        fn what_is_remembered_is_so(steps in prop::collection::vec((step(), any::<bool>()), 1..80)) {
            let (clock, who) = (Clock::frozen(Time(0)), Who::server());
            let mut copies = [Graph::new(), Graph::new()];
            let mut remembered = Remembered::new(1 << 20);
            for (number, (step, second)) in steps.into_iter().enumerate() {
                let revision = copies[0].revision() + 1;
                match step {
                    Step::Ask(question) => {
                        let graph = &copies[usize::from(second)];
                        let (target, key) = (QUESTIONS[question].0, remembered.key(&question.to_string(), ""));
                        let (body, made_of) = made(question, graph, &who);
                        match remembered.find(key, target, &who, graph) {
                            Some(found) => prop_assert_eq!(found, body.as_bytes(), "told from memory, and not so any more"),
                            None => remembered.keep(key, Fresh { target, who: &who, revision: graph.revision(), made_of, body: body.as_bytes() }),
                        }
                    }
                    Step::Undone(change) => {
                        let mut transaction = Transaction::new(&mut copies[0], revision, Time(number as i64), &clock);
                        perform(&change, &mut transaction);
                        transaction.abandon();
                    }
                    Step::Change(change) => {
                        let mut transaction = Transaction::new(&mut copies[0], revision, Time(number as i64), &clock);
                        perform(&change, &mut transaction);
                        let Ok(changes) = transaction.finish() else { continue };
                        if changes.is_empty() {
                            continue;
                        }
                        for change in &changes {
                            copies[1].apply(change).expect("a change that fits");
                        }
                        copies.iter_mut().for_each(|graph| graph.set_revision(revision));
                    }
                }
            }
        }
    }

    fn fresh<'a>(target: &'a str, who: &'a Who, revision: Revision, body: &'a [u8]) -> Fresh<'a> {
        let mut graph = Graph::new();
        graph.set_revision(revision);
        let (_, made_of) = made(0, &graph, who);
        Fresh {
            target,
            who,
            revision,
            made_of,
            body,
        }
    }

    #[test]
    fn it_is_told_to_whom_it_was_made_for() {
        let mut remembered = Remembered::new(1 << 20);
        let (who, mut graph) = (Who::server(), Graph::new());
        graph.set_revision(7);
        let key = remembered.key("/x", "token");
        remembered.keep(key, fresh("/x", &who, 7, b"known"));
        let fewer = Who {
            permissions: Permissions::NONE,
            ..who.clone()
        };
        let bound = Who {
            organization: Some(Uuid::nil()),
            ..who.clone()
        };
        let mut older = Graph::new();
        older.set_revision(6);
        for (other, graph) in [(&fewer, &graph), (&bound, &graph), (&who, &older)] {
            remembered.keep(key, fresh("/x", &who, 7, b"known"));
            assert_eq!(remembered.find(key, "/x", other, graph), None);
        }
        remembered.keep(key, fresh("/x", &who, 7, b"known"));
        assert_eq!(
            remembered.find(key, "/x", &who, &graph).as_deref(),
            Some(b"known".as_slice())
        );
        // Two targets whose keys happen to be one.
        assert_eq!(remembered.find(key, "/y", &who, &graph), None);
    }

    #[test]
    fn it_takes_no_more_than_its_room() {
        let (who, graph) = (Who::server(), Graph::new());
        let body = vec![b'x'; 1000];
        let mut remembered = Remembered::new(20_000);
        let keys: Vec<_> = (0..100)
            .map(|number| remembered.key("/x", &number.to_string()))
            .collect();
        for key in &keys {
            remembered.keep(*key, fresh("/x", &who, 0, &body));
            // Asked for again and again: it stays.
            assert!(remembered.find(keys[0], "/x", &who, &graph).is_some());
            let bytes = |answers: &Answers| answers.by_key.values().map(Remember::bytes).sum::<usize>();
            assert_eq!(remembered.late.bytes, bytes(&remembered.late));
            assert!(bytes(&remembered.late) + bytes(&remembered.before) <= 20_000);
        }
        let known = keys.iter().filter(|key| remembered.has(**key)).count();
        assert!((7..=15).contains(&known), "{known}");
        // What is longer than all there is room for is not kept, and nothing goes for it.
        remembered.keep(remembered.key("/x", "long"), fresh("/x", &who, 0, &[b'x'; 30_000]));
        assert_eq!(keys.iter().filter(|key| remembered.has(**key)).count(), known);
    }
}
