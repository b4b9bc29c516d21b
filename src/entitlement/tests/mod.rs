//! Small worlds of licenses told in lines, and what consumers get in them. Times are seconds after the world's beginning.

mod allocate;
mod explain;
mod lasting;
mod leases;
mod many;
mod models;
mod paths;
mod ranking;
mod rules;
mod sale;
mod seated;

use uuid::Uuid;

use crate::graph::{Graph, Kept, Transaction};
use crate::model::schema::{find_relation, relations};
use crate::model::{Change, Clock, FieldType, Fields, Kind, RelationType, Time, Value, rel};

use super::allocate::{Undone, direct as allocate_directly};
use super::consume::{self, Outcome};
use super::decision::{self, Anchor, Decision, Wanted};
use super::model::Mode;
use super::select::Filters;
use super::{Reason, Refused};

/// One editor, sold to ACME in three seats, for its crew; ann and bob are in the crew, and zed is nobody's.
const ACME: &str = "
    Organization acme name=ACME
    ProfileGroup crew name=Crew type=employees < acme
    Profile ann
    Profile bob
    Profile cid
    Profile zed
    Membership ann crew
    Membership bob crew
    Membership cid crew
    LicensedItem editor name=editor
    LicenseModel model name=model
    Entitlement ent < acme
    LicenseConsumerRelation ent crew
    License lic validFrom=0 active=true < ent editor model
    SeatCountCredit credit seatCount=2 active=true < lic
";

/// The world of ACME changed by some lines, as one commit would hold it.
pub(crate) fn changes(lines: &str) -> Vec<Change> {
    let clock = Clock::frozen(Time(0));
    let mut graph = Graph::new();
    let mut tx = Transaction::new(&mut graph, 1, Time(0), &clock);
    let lines = ACME.lines().chain(lines.lines()).map(str::trim);
    lines
        .filter(|line| !line.is_empty())
        .for_each(|line| one(&mut tx, line));
    tx.finish().expect("a sound world")
}

pub(crate) fn id(name: &str) -> Uuid {
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    Uuid::from_bytes(bytes)
}

fn name(id: Uuid) -> String {
    String::from_utf8_lossy(id.as_bytes()).trim_end_matches('\0').to_owned()
}

struct World {
    graph: Graph,
    clock: Clock,
    /// Seconds.
    now: i64,
}

impl World {
    fn new(lines: &str) -> Self {
        let mut world = Self {
            graph: Graph::new(),
            clock: Clock::frozen(Time(0)),
            now: 0,
        };
        world.tell(ACME);
        world.tell(lines);
        world
    }

    fn time(&self) -> Time {
        Time(self.now * 1000)
    }

    /// One transaction, after which everything derived is what it should be.
    fn commit<T>(&mut self, write: impl FnOnce(&mut Transaction<'_>) -> T) -> T {
        let (revision, now) = (self.graph.revision() + 1, self.time());
        let mut tx = Transaction::new(&mut self.graph, revision, now, &self.clock);
        let done = write(&mut tx);
        tx.finish().expect("a sound world");
        self.graph.set_revision(revision);
        self.graph.check().expect("sound counters");
        done
    }

    /// `Kind name field=value … < parent …`, `Membership ann crew`, `set name field=value`, `end name`, `part one other`.
    fn tell(&mut self, lines: &str) {
        self.commit(|tx| {
            for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
                one(tx, line);
            }
        });
    }

    /// `at 60`, a line of the world, `release NAME-OF-LEASE by ann`, `expire`, `ann editor hw=… lease=…` to consume, or
    /// `? ann editor …` to check.
    fn step(&mut self, step: &str) -> String {
        let words: Vec<&str> = step.split(' ').collect();
        match words[..] {
            ["at", seconds] => {
                self.now = seconds.parse().expect("seconds");
                String::new()
            }
            ["expire"] => self
                .commit(|tx| consume::expire(tx, 100))
                .expect("no violation")
                .len()
                .to_string(),
            ["release", lease, "by", holder] => {
                let lease = self.lease(lease);
                let holder = (holder != "force").then(|| id(holder));
                match self.commit(|tx| consume::release(tx, holder, lease)) {
                    Ok(released) => format!("released until {}", released.until.millis() / 1000),
                    Err(Refused::NotGranted(reason)) => reason.code().to_owned(),
                    Err(other) => panic!("{other}"),
                }
            }
            ["free", license] => {
                let license = self.graph.find(id(license)).expect("a license");
                let seats = super::seats::of_license(license, self.time());
                format!(
                    "{} of {}",
                    seats.taken(),
                    seats.total.map_or("any".to_owned(), |total| total.to_string())
                )
            }
            ["?", who, item, ..] => self.check(who, item, &words[3..]),
            [who, item, ..]
                if who.len() <= 16 && self.graph.find(id(who)).is_some_and(|node| node.kind == Kind::Profile) =>
            {
                let owned = Owned::new(self, &words[2..]);
                let outcome = self.commit(|tx| consume::consume(tx, id(who), item, &owned.wanted()));
                match outcome.expect("no violation") {
                    Outcome::Consumed(lease) => told("new", &lease.granted),
                    Outcome::Renewed(lease) => told("renewed", &lease.granted),
                    Outcome::Refused(refusal) => refusal.reason.code().to_owned(),
                }
            }
            _ => {
                self.tell(step);
                String::new()
            }
        }
    }

    fn check(&self, who: &str, item: &str, words: &[&str]) -> String {
        let owned = Owned::new(self, words);
        let (who, now) = (id(who), self.time());
        let decision = decision::decide(&self.graph, who, item, &owned.wanted(), now);
        let (explained, tried) = decision::explain(&self.graph, who, item, &owned.wanted(), now);
        assert_eq!(decision, explained);
        self.agrees(who, &decision);
        match decision {
            Decision::Granted(granted) => told("yes", &granted),
            Decision::Refused(refusal) => {
                if let Some(license) = refusal.license {
                    let furthest = tried.iter().find(|tried| tried.candidate.license.id == license);
                    let last = furthest.and_then(|tried| tried.rules.last());
                    assert_eq!(last.and_then(|(_, reason)| *reason), Some(refusal.reason));
                }
                refusal.reason.code().to_owned()
            }
        }
    }

    /// What is listed as usable and what is decided do not contradict each other.
    fn agrees(&self, who: Uuid, decision: &Decision) {
        let (license, expected) = match decision {
            Decision::Granted(granted) => (Some(granted.license), true),
            Decision::Refused(refusal) => match refusal.reason {
                Reason::AssignmentRequired | Reason::InvalidLicenseModel => (refusal.license, false),
                _ => return,
            },
        };
        let license = license.and_then(|license| self.graph.find(license)).expect("a license");
        let profile = self.graph.find(who).expect("a consumer");
        assert_eq!(
            decision::may_use(license, profile, self.time()),
            expected,
            "{decision:?}"
        );
    }

    /// `ann:editor:hw`: the newest live lease of a consumer, of an item, on a device.
    fn lease(&self, named: &str) -> Uuid {
        let parts: Vec<&str> = named.split(':').collect();
        let [who, item, hw] = parts[..] else { return id(named) };
        let field = |name: &str| Kind::Consumption.field(name).expect("a field");
        let found = self.graph.of_kind(Kind::Consumption, None).rev().find(|lease| {
            let anchored = crate::graph::Anchored::of(lease.entity());
            let profile = self.graph.find(id(who)).expect("a profile");
            decision::is_of(*lease, profile) && anchored.item == Some(id(item)) && anchored.hw.unwrap_or("") == hw
        });
        let lease = found.expect("a lease");
        lease
            .fields()
            .get(field("leaseId"))
            .and_then(Value::as_uuid)
            .expect("an id")
    }
}

/// ACME allocates directly, with as much to look at as that takes.
fn direct(tx: &mut Transaction<'_>, users: &[Uuid], items: &[Uuid]) -> Result<(), Refused> {
    let mut visits = u64::MAX;
    match allocate_directly(tx, id("acme"), users, items, false, &mut visits) {
        Ok(()) => Ok(()),
        Err(Undone::Refused(no)) => Err(no.why),
        Err(Undone::TooMuch) => panic!("not so much"),
    }
}

fn told(word: &str, granted: &decision::Granted) -> String {
    let mut text = format!("{word} {} {}", name(granted.license), granted.until.millis() / 1000);
    if granted.above > 0 {
        text.push_str(" over");
    }
    text
}

/// What is wanted, as the words of a step say it.
struct Owned {
    words: Vec<(String, String)>,
    lease: Option<Uuid>,
}

impl Owned {
    fn new(world: &World, words: &[&str]) -> Self {
        let pairs = words.iter().map(|word| word.split_once('=').expect("name=value"));
        let words: Vec<(String, String)> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let lease = words
            .iter()
            .find(|(name, _)| name == "lease")
            .map(|(_, lease)| world.lease(lease));
        Self { words, lease }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.words
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    fn wanted(&self) -> Wanted<'_> {
        let anchor = |name| self.text(name).map(|id| Anchor { id, name: None });
        Wanted {
            mode: self.text("mode").and_then(Mode::named).unwrap_or_default(),
            duration: self
                .text("seconds")
                .map(|seconds| seconds.parse::<u64>().expect("seconds") * 1000),
            count: self.text("count").map(|count| count.parse().expect("a count")),
            hw: anchor("hw"),
            process: anchor("process"),
            version: self.text("version"),
            scope: self.text("scope"),
            lease: self.lease,
            filters: Filters {
                license: self.text("license").map(id),
                entitlement: self.text("entitlement").map(id),
                owner_organization: self.text("organization").map(id),
                owner_user: self.text("user").map(id),
                within: self.text("within").map(id),
            },
            looks: None,
        }
    }
}

fn one(tx: &mut Transaction<'_>, line: &str) {
    let mut words = line.split(' ');
    let verb = words.next().unwrap_or_default();
    let rest: Vec<&str> = words.collect();
    match (verb, &rest[..]) {
        ("set", [of, pairs @ ..]) => {
            let node = tx.graph().find(id(of)).expect("something to set");
            let fields = pairs.iter().fold(node.fields().to_fields(), |fields, pair| {
                let (field, value) = value(node.kind, pair);
                fields.with(field, value)
            });
            tx.update(id(of), fields).expect("an update");
        }
        ("end", [of]) => drop(tx.remove_cascading(id(of)).expect("something to end")),
        ("part", [one, other]) => {
            let (rel, from, to) = between(tx, one, other, None);
            tx.unrelate(rel, from, to).expect("a relation to end");
        }
        (relation_type, [one, other, pairs @ ..]) if Kind::named(relation_type).is_none() => {
            let (rel, from, to) = between(tx, one, other, Some(relation_type));
            let fields = pairs.iter().map(|pair| {
                let (name, value) = pair.split_once('=').expect("name=value");
                let at = Value::Time(Time(value.parse::<i64>().expect("seconds") * 1000));
                (rel.def().field(name).expect("a field"), at)
            });
            tx.relate(rel, from, to, fields.collect()).expect("a relation");
        }
        (kind, [of, rest @ ..]) => {
            let kind = Kind::named(kind).expect("a kind");
            let at = rest.iter().position(|word| *word == "<").unwrap_or(rest.len());
            let fields: Fields = rest[..at]
                .iter()
                .filter_map(|pair| {
                    let (field, value) = value(kind, pair);
                    Some((field, value?))
                })
                .collect();
            tx.create(id(of), kind, fields, Kept::default()).expect("a new one");
            for parent in rest.iter().skip(at + 1) {
                let from = tx.graph().find(id(parent)).expect("a parent").kind;
                let rel = find_relation(RelationType::OneToMany, from, kind).expect("a relation");
                tx.relate(rel, id(parent), id(of), Fields::default()).expect("a parent");
            }
        }
        _ => panic!("{line}"),
    }
}

fn between(tx: &Transaction<'_>, one: &str, other: &str, named: Option<&str>) -> (crate::model::Rel, Uuid, Uuid) {
    let kind = |name| tx.graph().find(id(name)).expect("an end").kind;
    let (from, to) = (kind(one), kind(other));
    let fits = |rel: &crate::model::Rel| {
        let def = rel.def();
        (def.from, def.to) == (from, to) && named.is_none_or(|named| def.relation_type.name() == named)
    };
    (relations().find(fits).expect("a relation"), id(one), id(other))
}

/// `none` clears.
fn value(kind: Kind, pair: &str) -> (u8, Option<Value>) {
    let (name, text) = pair.split_once('=').expect("name=value");
    let field = kind.field(name).expect("a field");
    let value = match kind.def().fields[usize::from(field)].field_type {
        _ if text == "none" => return (field, None),
        FieldType::Bool => Value::Bool(text == "true"),
        FieldType::Int => Value::Int(text.parse().expect("a number")),
        FieldType::Time => Value::Time(Time(text.parse::<i64>().expect("seconds") * 1000)),
        FieldType::Uuid => Value::Uuid(id(text)),
        FieldType::Text | FieldType::Json => Value::text(text),
    };
    (field, Some(value))
}

/// Steps in the world of ACME changed by some lines, each with what it comes to.
fn check(lines: &str, steps: &[(&str, &str)]) {
    let mut world = World::new(lines);
    for (step, expected) in steps {
        assert_eq!(world.step(step), *expected, "{step}\n{lines}");
    }
}
