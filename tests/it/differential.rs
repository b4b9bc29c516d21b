//! Random worlds, selectors and principals: the planned evaluation gives what the naive one gives, a count is a length,
//! pages put together are the whole, and whatever comes back is visible by a reading of the policy that shares no line
//! with `access`. Works on the library, not over HTTP.
//!
//! `SEATGRAPH_WORLDS=100000` runs longer, `SEATGRAPH_SEED=…` elsewhere; a failure prints the seed of its world, which is the
//! first of its own run.

mod asked;
mod world;

use std::cell::Cell;
use std::collections::HashSet;

use seatgraph::access::{View, Who};
use seatgraph::graph::{Graph, Node};
use seatgraph::limits::Limits;
use seatgraph::query::{self, Answer, Budget, Plan, Position};
use seatgraph::selector::ast::{Params, Selector, Span};
use uuid::Uuid;

use world::World;

const SELECTORS: usize = 100;

/// SplitMix64: small, and the same everywhere.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `sides`; 0 for none.
    pub fn below(&mut self, sides: usize) -> usize {
        if sides == 0 {
            0
        } else {
            (self.next() % sides as u64) as usize
        }
    }

    pub fn in_hundred(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let at = self.below(from.len());
        from.get(at)
    }
}

/// A random selector for a graph.
pub fn asked_of(dice: &mut Dice, graph: &Graph) -> String {
    asked::selector(dice, graph)
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

const WORLDS: u64 = 1000;

/// `most` entities a world. Whether there were so many worlds that what they did not meet is a fault of the generator.
fn worlds(one_in: u64, most: usize) -> (Tally, bool) {
    let worlds = setting("SEATGRAPH_WORLDS", WORLDS);
    // Each seed makes the next, so that runs that begin at neighbouring seeds share no world.
    let seeds = std::iter::successors(Some(setting("SEATGRAPH_SEED", 20_270_131)), |seed| {
        Some(Dice::new(*seed).next())
    });
    let seeds: Vec<u64> = seeds.take(worlds.div_ceil(one_in) as usize).collect();
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get().min(8));
    let tried = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let mine = seeds.iter().skip(thread).step_by(threads);
                scope.spawn(move || {
                    mine.map(|seed| one_world(*seed, most))
                        .fold(Tally::default(), Tally::add)
                })
            })
            .collect();
        workers
            .into_iter()
            .fold(Tally::default(), |all, worker| match worker.join() {
                Ok(tally) => all.add(tally),
                Err(panic) => std::panic::resume_unwind(panic),
            })
    });
    println!("{tried:?}");
    assert_eq!(tried.asked, (seeds.len() * SELECTORS) as u64);
    (tried, worlds >= WORLDS)
}

/// Worlds large enough that a page is worth stopping for, and that stopping for it can be a mistake.
#[test]
fn planned_is_naive_in_larger_worlds() {
    let (tried, enough) = worlds(10, 4000);
    if enough {
        assert!(tried.found > 0 && tried.given_up > 0, "{tried:?}");
    }
}

#[test]
fn planned_is_naive() {
    let (tried, enough) = worlds(1, 180);
    if !enough {
        return;
    }
    // A generator whose selectors all fail or all find nothing would prove nothing.
    assert!(tried.refused * 5 < tried.asked, "{tried:?}");
    assert!(tried.found * 4 > tried.asked, "{tried:?}");
    for (saying, said) in SAYINGS.iter().zip(tried.said) {
        // Worlds as small as these leave no doubt.
        assert!(
            said * 1000 > tried.asked || *saying == "instead",
            "{said} plans say `{saying}`"
        );
    }
}

/// What plans say of themselves, in one line. A way that no random selector takes would not be tested.
const SAYINGS: [&str; 17] = [
    "by id '",
    " ids (",
    "by all of its kind",
    "by serial ",
    "by index ",
    " or index ",
    "by children of ",
    "by what the caller reaches",
    "by nothing",
    "check ~",
    "walk ~",
    "in order of serial",
    "in order of serial, backward",
    "in order of the index … forward",
    "in order of the index … backward",
    "the first by",
    "instead",
];

#[derive(Debug, Default)]
struct Tally {
    asked: u64,
    refused: u64,
    /// Answers that were not empty.
    found: u64,
    matches: u64,
    /// How often a plan said so: by kind of source, direction and order.
    said: [u64; SAYINGS.len()],
    /// Plans that changed their mind.
    given_up: u64,
}

impl Tally {
    fn add(self, other: Self) -> Self {
        Self {
            asked: self.asked + other.asked,
            refused: self.refused + other.refused,
            found: self.found + other.found,
            matches: self.matches + other.matches,
            given_up: self.given_up + other.given_up,
            said: std::array::from_fn(|at| self.said[at] + other.said[at]),
        }
    }
}

fn one_world(seed: u64, most: usize) -> Tally {
    let mut dice = Dice::new(seed);
    let world = World::random(&mut dice, most);
    let mut tally = Tally::default();
    for _ in 0..SELECTORS {
        let who = world.somebody(&mut dice);
        let view = View::new(&world.graph, &who);
        let text = asked::selector(&mut dice, &world.graph);
        let case = Case {
            seed,
            text: &text,
            view: &view,
            who: &who,
            limits: Limits::default(),
            given_up: Cell::new(0),
            said: Cell::default(),
        };
        case.try_it(&mut dice, &mut tally);
    }
    tally
}

struct Case<'a> {
    seed: u64,
    text: &'a str,
    view: &'a View<'a>,
    who: &'a Who,
    limits: Limits,
    given_up: Cell<u64>,
    said: Cell<[u64; SAYINGS.len()]>,
}

impl Case<'_> {
    fn fail(&self, plan: Option<&Plan>, what: &str) -> ! {
        let plan = plan.map_or(String::new(), |plan| format!("\n{plan}"));
        panic!(
            "SEATGRAPH_SEED={} SEATGRAPH_WORLDS=1\n{}\n{:?}{plan}\n{what}",
            self.seed, self.text, self.who
        )
    }

    fn try_it(&self, dice: &mut Dice, tally: &mut Tally) {
        tally.asked += 1;
        let selector = match seatgraph::selector::parse(self.text, &self.limits) {
            Ok(selector) => selector,
            Err(error) => self.fail(None, &format!("does not parse: {error}")),
        };
        let whole = Selector {
            params: Params {
                sort: selector.params.sort.clone(),
                ..here()
            },
            ..selector.clone()
        };
        let expected = query::naive::naive(&whole, self.view);
        let planned = query::plan(&whole, self.view, &self.limits);
        let (expected, plan) = match (expected, planned) {
            (None, Err(_)) => {
                tally.refused += 1;
                return;
            }
            (Some(expected), Ok(plan)) => (expected, plan),
            (None, Ok(plan)) => self.fail(Some(&plan), "planned, but the judge refuses it"),
            (Some(_), Err(error)) => self.fail(
                None,
                &format!("refused ({}), but not by the judge: {error}", error.code),
            ),
        };
        tally.found += u64::from(!expected.is_empty());
        tally.matches += expected.len() as u64;
        self.is_visible(&plan, &expected);
        self.counts(&selector, expected.len());
        self.pages_by_cursor(dice, &selector, &expected);
        self.pages_by_index(dice, &selector, &expected);
        self.takes_all(&selector, &expected);
        self.nests(dice, &expected);
        tally.given_up += self.given_up.get();
        for (all, said) in tally.said.iter_mut().zip(self.said.get()) {
            *all += said;
        }
    }

    fn plan(&self, selector: &Selector) -> Plan {
        match query::plan(selector, self.view, &self.limits) {
            Ok(plan) => plan,
            Err(error) => self.fail(None, &format!("refused with other parameters: {error}")),
        }
    }

    fn run<'g>(&self, plan: &Plan, view: &View<'g>, after: Option<&Position>) -> Answer<'g> {
        let mut budget = Budget::new(&self.limits);
        let answer = query::evaluate(plan, view, &mut budget, after);
        if after.is_none() {
            let (text, said) = (plan.to_string(), self.said.get());
            self.said.set(std::array::from_fn(|at| {
                let says = |line: &str| SAYINGS[at].split(" … ").all(|part| line.contains(part));
                said[at] + u64::from(text.lines().any(says))
            }));
        }
        self.given_up
            .set(self.given_up.get() + u64::from(budget.given_up().is_some()));
        answer.unwrap_or_else(|error| self.fail(Some(plan), &format!("{error}")))
    }

    fn page<'g>(&self, plan: &Plan, view: &View<'g>, after: Option<&Position>) -> (Vec<Node<'g>>, Option<Position>) {
        match self.run(plan, view, after) {
            Answer::Page { nodes, next } => (nodes, next),
            Answer::Count(_) => self.fail(Some(plan), "a count where a page was asked for"),
        }
    }

    fn is_visible(&self, plan: &Plan, nodes: &[Node<'_>]) {
        let readable = readable(self.view.graph(), self.who);
        for node in nodes {
            if !readable.contains(&node.id) {
                self.fail(Some(plan), &format!("{node:?} is not for them to see"));
            }
        }
    }

    fn counts(&self, selector: &Selector, expected: usize) {
        let plan = self.plan(&Selector {
            params: Params { count: true, ..here() },
            ..selector.clone()
        });
        match self.run(&plan, self.view, None) {
            Answer::Count(count) if count == expected as u64 => {}
            answer => self.fail(Some(&plan), &format!("{answer:?} instead of {expected}")),
        }
    }

    fn pages_by_cursor(&self, dice: &mut Dice, selector: &Selector, expected: &[Node<'_>]) {
        let rows = match dice.below(4) {
            0 | 1 => 1000,
            2 => 1 + dice.below(8) + expected.len() / 50,
            _ => 1 + dice.below(expected.len().min(990) + 2),
        } as u64;
        let params = Params {
            rows: Some(rows),
            sort: selector.params.sort.clone(),
            ..here()
        };
        let plan = self.plan(&Selector {
            params,
            ..selector.clone()
        });
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let (nodes, next) = self.page(&plan, self.view, after.as_ref());
            if nodes.len() as u64 > rows || (next.is_some() && nodes.is_empty()) {
                self.fail(
                    Some(&plan),
                    &format!("a page of {} where {rows} were asked for", nodes.len()),
                );
            }
            all.extend(nodes);
            match next {
                None => break,
                Some(next) => match Position::decode(&next.encode()) {
                    Some(decoded) if decoded == next => after = Some(decoded),
                    _ => self.fail(Some(&plan), &format!("{next:?} does not come back from its bytes")),
                },
            }
        }
        self.same(&plan, &all, expected, &format!("pages of {rows}"));
    }

    fn pages_by_index(&self, dice: &mut Dice, selector: &Selector, expected: &[Node<'_>]) {
        let index = dice.below(expected.len() + 3);
        let rows = 1 + dice.below(expected.len().min(990) + 3);
        let sort = selector.params.sort.clone();
        let params = Params {
            index: Some(index as u64),
            rows: Some(rows as u64),
            sort,
            ..here()
        };
        let plan = self.plan(&Selector {
            params,
            ..selector.clone()
        });
        let (nodes, next) = self.page(&plan, self.view, None);
        let slice = &expected[index.min(expected.len())..(index + rows).min(expected.len())];
        self.same(&plan, &nodes, slice, &format!("{{i={index},r={rows}}}"));
        if next.is_some() != (index + rows < expected.len()) {
            self.fail(
                Some(&plan),
                &format!("{next:?} after {{i={index},r={rows}}} of {}", expected.len()),
            );
        }
    }

    /// What an include nests under one of them, most likely the oldest: that is where hubs are.
    fn nests(&self, dice: &mut Dice, expected: &[Node<'_>]) {
        let node = if dice.in_hundred(50) {
            expected.first()
        } else {
            dice.pick(expected)
        };
        let Some(node) = node.and_then(|node| self.view.find(node.id)) else {
            return;
        };
        let Some(hop) = dice.pick(node.kind.hops()).filter(|hop| !hop.to().def().internal) else {
            return;
        };
        let text = format!("/~{}/{}", hop.word(), hop.to().name());
        let tree = seatgraph::selector::parse_include(&text, &self.limits)
            .map_err(|error| error.to_string())
            .and_then(|chain| query::includes(&[chain], node.kind).map_err(|error| error.to_string()))
            .unwrap_or_else(|error| self.fail(None, &format!("{text}: {error}")));
        let mut budget = Budget::new(&self.limits);
        let nested = query::related(node, &tree.children()[0], self.view, &mut budget);
        let nested: Option<Vec<_>> = nested
            .ok()
            .map(|ends| ends.iter().map(|(end, fields)| (end.serial, fields.len())).collect());
        let hop = tree.children()[0].hop;
        let seen = node.hop(hop, None).filter(|(end, _)| self.view.sees(*end));
        let seen: Vec<_> = seen
            .filter(|_| self.view.sees_relation(hop.rel))
            .map(|(end, fields)| (end.serial, fields.len()))
            .collect();
        if nested.as_ref() != Some(&seen) {
            self.fail(None, &format!("{node:?}?{text}: {nested:?} instead of {seen:?}"));
        }
    }

    fn takes_all(&self, selector: &Selector, expected: &[Node<'_>]) {
        let plan = self.plan(&Selector {
            params: Params::default(),
            ..selector.clone()
        });
        let mut budget = Budget::new(&self.limits);
        let mut by_serial = expected.to_vec();
        by_serial.sort_by_key(|node| node.serial);
        match query::all(&plan, self.view, &mut budget, self.limits.targets()) {
            Ok(nodes) => self.same(&plan, &nodes, &by_serial, "all"),
            Err(error) => self.fail(Some(&plan), &format!("{error}")),
        }
    }

    fn same(&self, plan: &Plan, nodes: &[Node<'_>], expected: &[Node<'_>], what: &str) {
        let serials = |nodes: &[Node<'_>]| nodes.iter().map(|node| node.serial).collect::<Vec<_>>();
        let (nodes, expected) = (serials(nodes), serials(expected));
        if nodes != expected {
            self.fail(Some(plan), &format!("{what}: {nodes:?} instead of {expected:?}"));
        }
    }
}

/// Parameters as if they had been written.
fn here() -> Params {
    Params {
        span: Span::default(),
        ..Params::default()
    }
}

/// Ids of everything they may read: the policy of the design's section 16, read from the organization and the profile
/// downward, where `access` climbs from the entity upward.
fn readable(graph: &Graph, who: &Who) -> HashSet<Uuid> {
    use seatgraph::access::{Action, Permission};
    use seatgraph::model::{Direction, Kind, RelationType};
    let below = |start: Vec<Uuid>, follows: &dyn Fn(RelationType, Kind, Kind) -> bool| {
        let (mut reached, mut open) = (HashSet::new(), start);
        while let Some(id) = open.pop() {
            let Some(node) = graph.find(id).filter(|_| reached.insert(id)) else {
                continue;
            };
            for hop in node
                .kind
                .hops()
                .iter()
                .filter(|hop| hop.direction == Direction::Forward)
            {
                if follows(hop.rel.def().relation_type, node.kind, hop.to()) {
                    open.extend(node.hop(*hop, None).map(|(child, _)| child.id));
                }
            }
        }
        reached
    };
    let personal = |parent: Kind, child: Kind| match parent {
        Kind::Profile => child != Kind::Entitlement,
        Kind::Person => child == Kind::EmailAndPassword,
        Kind::ContactInformation => true,
        _ => false,
    };
    let person_of = |profile: Uuid| {
        let up = Kind::Profile.hops().iter().find(|hop| hop.to() == Kind::Person);
        let found = graph
            .find(profile)
            .zip(up)
            .and_then(|(node, hop)| node.hop(*hop, None).next());
        found.map(|(person, _)| person.id)
    };
    let mut reach: HashSet<Uuid> = match who.organization {
        None => Kind::public()
            .flat_map(|kind| graph.of_kind(kind, None))
            .map(|node| node.id)
            .collect(),
        Some(id) if graph.find(id).is_none_or(|node| node.kind != Kind::Organization) => HashSet::new(),
        Some(id) => {
            let mut reach = below(vec![id], &|relation, parent, child| {
                relation == RelationType::OneToMany
                    && !(parent == Kind::Profile || parent == Kind::Person || parent == Kind::LicenseModel)
                    && (child != Kind::License || parent == Kind::Entitlement)
            });
            let membership = Kind::ProfileGroup
                .hops()
                .iter()
                .find(|hop| hop.to() == Kind::Profile && hop.word() == "Membership");
            let groups = graph
                .of_kind(Kind::ProfileGroup, None)
                .filter(|group| reach.contains(&group.id));
            let members: Vec<Uuid> = groups
                .flat_map(|group| membership.into_iter().flat_map(move |hop| group.hop(*hop, None)))
                .map(|(profile, _)| profile.id)
                .collect();
            let people = members.iter().filter_map(|profile| person_of(*profile)).collect();
            reach.extend(below(people, &|_, parent, child| {
                parent == Kind::Person && child == Kind::EmailAndPassword
            }));
            reach.extend(below(members, &|relation, parent, child| {
                relation == RelationType::OneToMany && child != Kind::Assignment && personal(parent, child)
            }));
            let catalogue: Vec<Uuid> = [Kind::LicensedItem, Kind::ProductPackage, Kind::LicenseModel]
                .iter()
                .flat_map(|kind| graph.of_kind(*kind, None))
                .map(|node| node.id)
                .collect();
            reach.extend(below(catalogue, &|relation, _, child| {
                relation == RelationType::OneToMany && child != Kind::License && child != Kind::ProductPackage
            }));
            let template = Kind::OrganizationRole.field("templateFor");
            for role in graph.of_kind(Kind::OrganizationRole, None) {
                let owned = Kind::OrganizationRole
                    .parents()
                    .iter()
                    .any(|rel| role.parent(*rel).is_some());
                if !owned && template.is_some_and(|field| role.fields().get(field).is_some()) {
                    reach.extend(below(vec![role.id], &|relation, _, child| {
                        relation == RelationType::OneToMany && child == Kind::ConsumerPermission
                    }));
                }
            }
            reach
        }
    };
    reach.retain(|id| {
        graph
            .find(*id)
            .is_some_and(|node| who.permissions.contains_one(Permission::Kind(node.kind, Action::Read)))
    });
    if let Some(profile) = who
        .principal
        .profile
        .filter(|id| graph.find(*id).is_some_and(|node| node.kind == Kind::Profile))
    {
        let own = below(vec![profile], &|relation, parent, child| {
            relation == RelationType::OneToMany
                && ((personal(parent, child) && parent != Kind::Person)
                    || (parent == Kind::Assignment && child == Kind::Consumption))
        });
        reach.extend(own);
        let person = person_of(profile).into_iter().collect();
        reach.extend(below(person, &|_, parent, child| {
            parent == Kind::Person && child == Kind::EmailAndPassword
        }));
    }
    reach
}
