//! No seat is given twice, now or later: whatever consumers ask for and give back, at every time to come no more seats are held
//! than the credits give that last so long. Counted here from the leases themselves, by nothing of what decides. Nor is one sold
//! twice by rules, records, rows and groups that are left, whatever ends in between.

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::entitlement::{allocate, paths, ruled, seated};

/// Seconds within which everything begins and ends.
const END: i64 = 40;

fn any_credit(name: &'static str) -> impl Strategy<Value = String> {
    (1..3i64, select(vec![0, 0, 0, 7]), select(vec![0, 3, 6, 11, 19])).prop_map(move |(seats, from, until)| {
        let until = if until > from {
            format!(" validUntil={until}")
        } else {
            String::new()
        };
        format!("SeatCountCredit {name} seatCount={seats} validFrom={from}{until} active=true < lic\n")
    })
}

fn any_world() -> impl Strategy<Value = String> {
    let times = (
        select(vec![2, 5, 12]),
        any::<bool>(),
        select(vec![0, 0, 2, 4, 100]),
        any::<bool>(),
    );
    let times = times.prop_map(|(longest, release, cooldown, is_anchored)| {
        let anchors = if is_anchored {
            "ConcurrentSessions cs sessionAnchors=[{\"type\":\"hw\",\"maxCount\":1}] < model\n"
        } else {
            ""
        };
        format!(
            "LeaseTimeBehavior times leaseTimeCache={} allowLeaseRelease={release} cooldownTime={} < model\n{anchors}",
            longest * 1000,
            cooldown * 1000
        )
    });
    (times, any_credit("one"), any_credit("two"), 0..2i64)
        .prop_map(|(times, one, two, always)| format!("{times}{one}{two}set credit seatCount={always}\n"))
}

fn any_step() -> impl Strategy<Value = String> {
    let who = || select(vec!["ann", "bob", "cid"]);
    let ask = (who(), 0..3u8, 0..4u8, select(vec![0, 0, 1, 2, 4, 30]));
    let ask = ask.prop_map(|(who, hw, count, seconds)| {
        let mut step = format!("{who} editor");
        for (name, value) in [("hw", u64::from(hw)), ("count", u64::from(count)), ("seconds", seconds)] {
            if value > 0 {
                step.push_str(&format!(" {name}={value}"));
            }
        }
        step
    });
    let later = (1..4i64).prop_map(|seconds| format!("later {seconds}"));
    let release = who().prop_map(|who| format!("give {who}"));
    let reserve =
        (who(), any::<bool>()).prop_map(|(who, active)| format!("{} {who}", if active { "hold" } else { "free" }));
    prop_oneof![6 => ask, 2 => later, 1 => release, 1 => reserve]
}

fn number(entity: &crate::model::Entity, name: &str) -> Option<i64> {
    let value = entity.fields().get(entity.kind.field(name)?)?;
    value.as_int().or_else(|| value.as_time().map(|at| at.millis() / 1000))
}

/// Seats that are held at a time, and those there are.
fn count_at(world: &World, at: i64) -> (i64, i64) {
    let mut held: HashMap<Uuid, i64> = HashMap::new();
    for lease in world.graph.of_kind(Kind::Consumption, None) {
        if number(&lease, "grantedUntil").is_some_and(|until| until > at) {
            let assignment = lease.parent(rel::LEASES).expect("an assignment").id;
            let seats = held.entry(assignment).or_default();
            *seats = number(&lease, "consumedCount").unwrap_or(1).max(*seats);
        }
    }
    let credits = world.graph.of_kind(Kind::SeatCountCredit, None).filter(|credit| {
        number(credit, "validFrom").is_none_or(|from| from <= at)
            && number(credit, "validUntil").is_none_or(|until| at < until)
    });
    (
        held.values().sum(),
        credits.filter_map(|credit| number(&credit, "seatCount")).sum(),
    )
}

/// A seat is reserved for somebody, or no longer. Of reservations there may be more than seats when a credit has ended; of leases
/// there may not.
fn reserve(world: &mut World, who: &str, active: bool) -> String {
    let terms = seated::Terms {
        active,
        direct: true,
        ..seated::Terms::default()
    };
    attempt(world, |tx| {
        let done = seated::assign(tx, id("lic"), id(who), &terms);
        done.map(drop).map_err(|refused| refused.code())
    })
}

/// In one transaction, of which nothing is left where it is refused.
fn attempt(world: &mut World, write: impl FnOnce(&mut Transaction<'_>) -> Result<(), &'static str>) -> String {
    let (revision, now) = (world.graph.revision() + 1, world.time());
    let mut tx = Transaction::new(&mut world.graph, revision, now, &world.clock);
    match write(&mut tx) {
        Ok(()) => {
            tx.finish().expect("a sound world");
            world.graph.set_revision(revision);
            "done".to_owned()
        }
        Err(code) => {
            tx.abandon();
            code.to_owned()
        }
    }
}

/// The newest live lease of somebody, given back.
fn give_back(world: &mut World, who: &str) -> String {
    let now = world.time();
    let profile = world.graph.find(id(who)).expect("a profile");
    let mut leases = world.graph.of_kind(Kind::Consumption, None).rev();
    let found = leases.find(|lease| {
        decision::is_of(*lease, profile)
            && number(lease, "grantedUntil").is_some_and(|until| until > now.millis() / 1000)
    });
    let field = Kind::Consumption.field("leaseId").expect("a field");
    let lease = found.and_then(|lease| lease.fields().get(field).and_then(Value::as_uuid));
    drop(leases);
    let Some(lease) = lease else { return String::new() };
    format!(
        "{:?}",
        world
            .commit(|tx| consume::release(tx, Some(id(who)), lease))
            .map(|released| released.until)
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_seat_is_held_that_will_not_be_there(lines in any_world(), steps in proptest::collection::vec(any_step(), 1..25)) {
        let mut world = World::new(&lines);
        let mut told = Vec::new();
        for step in &steps {
            let said = match step.split_once(' ') {
                Some(("later", seconds)) => {
                    world.now += seconds.parse::<i64>().expect("seconds");
                    String::new()
                }
                Some(("give", who)) => give_back(&mut world, who),
                Some(("hold", who)) => reserve(&mut world, who, true),
                Some(("free", who)) => reserve(&mut world, who, false),
                _ => world.step(step),
            };
            told.push(format!("{} {step}: {said}", world.now));
            for at in world.now..world.now + END {
                let (held, there) = count_at(&world, at);
                prop_assert!(held <= there, "at {} {} seats of {}\n{}\n{}", at, held, there, lines, told.join("\n"));
            }
        }
    }
    #[test]
    fn no_seat_is_given_twice(with_way in any::<bool>(), steps in proptest::collection::vec(any_allocation(), 1..40)) {
        let mut world = World::new(TWO_GROUPS);
        if with_way {
            world.tell("part ent crew");
        }
        let mut told = Vec::new();
        for step in &steps {
            let said = allocated(&mut world, step);
            told.push(format!("{} {step}: {said}", world.now));
            let now = world.time();
            for name in ["lic", "next"] {
                let seats = crate::entitlement::seats::of_license(world.graph.find(id(name)).expect("a license"), now);
                prop_assert!(!seats.overdrawn(), "{}: {:?}\n{}", name, seats, told.join("\n"));
            }
            for rule in ["rule", "other"] {
                let rule = world.graph.find(id(rule)).expect("a rule");
                let units = ruled::leased(&world.graph, rule.id).into_iter().filter_map(|unit| world.graph.find(unit));
                let units = units.filter(|unit| crate::entitlement::seats::holds(unit.fields(), now));
                let mut holders: Vec<_> = units.filter_map(|unit| Some(ruled::ends(unit)?.1.id)).collect();
                let count = holders.len();
                holders.sort_unstable();
                holders.dedup();
                prop_assert_eq!(holders.len(), count, "one of each rule and member\n{}", told.join("\n"));
                prop_assert!(count as i64 <= number(&rule, "quota").expect("a quota"), "{}", told.join("\n"));
            }
        }
    }
}

/// Two licenses, and two groups with rules for them.
const TWO_GROUPS: &str = "License next validFrom=0 active=true < ent editor
    SeatCountCredit credit2 seatCount=1 active=true < next
    ProfileGroup team name=Team < acme
    Membership ann team
    Membership cid team
    AllocationRule rule quota=2 < crew editor
    AllocationRule other quota=1 < team editor";

fn any_allocation() -> impl Strategy<Value = String> {
    let who = || select(vec!["ann", "bob", "cid"]);
    let group = || select(vec!["crew", "team"]);
    let license = || select(vec!["lic", "next"]);
    prop_oneof![
        4 => (who(), select(vec!["", " license=lic", " license=next"])).prop_map(|(who, more)| format!("{who} editor{more}")),
        2 => select(vec![1, 900, 86_400, 7_776_000]).prop_map(|seconds| format!("later {seconds}")),
        2 => who().prop_map(|who| format!("direct {who}")),
        2 => who().prop_map(|who| format!("nothing {who}")),
        1 => who().prop_map(|who| format!("forget {who}")),
        1 => who().prop_map(|who| format!("hold {who}")),
        1 => who().prop_map(|who| format!("free {who}")),
        2 => (who(), license(), select(vec![0, 1, 1000])).prop_map(|(who, of, later)| format!("until {who} {of} {later}")),
        1 => (who(), group()).prop_map(|(who, group)| format!("join {who} {group}")),
        1 => (who(), group()).prop_map(|(who, group)| format!("leave {who} {group}")),
        1 => (who(), group()).prop_map(|(who, group)| format!("release {who} {group}")),
        1 => license().prop_map(|license| format!("set {license} active=false")),
        1 => license().prop_map(|license| format!("set {license} active=true")),
    ]
}

fn allocated(world: &mut World, step: &str) -> String {
    let code = |no: allocate::OfItem| no.why.code();
    let words: Vec<&str> = step.split(' ').collect();
    match words[..] {
        ["later", seconds] => {
            world.now += seconds.parse::<i64>().expect("seconds");
            String::new()
        }
        ["direct", who] => attempt(world, |tx| {
            direct(tx, &[id(who)], &[id("editor")]).map_err(|no| no.code())
        }),
        ["nothing", who] => attempt(world, |tx| direct(tx, &[id(who)], &[]).map_err(|no| no.code())),
        ["forget", who] => attempt(world, |tx| allocate::forget(tx, id("acme"), id(who)).map_err(code)),
        ["hold", who] => reserve(world, who, true),
        ["free", who] => reserve(world, who, false),
        ["release", who, group] => attempt(world, |tx| allocate::release(tx, id(group), id(who)).map_err(code)),
        ["until", who, license, later] => {
            let until = Time((world.now + later.parse::<i64>().expect("seconds")) * 1000);
            attempt(world, |tx| {
                let ends = tx.graph().find(id(license)).zip(tx.graph().find(id(who)));
                let there = ends.and_then(|(license, profile)| tx.graph().assignment(license, profile));
                // An end that has passed is not moved: that would make a new one of what is none.
                let there = there
                    .filter(|one| !crate::entitlement::ended::has_ended(one, tx.now()))
                    .ok_or("none")?;
                let field = Kind::Assignment.field("validUntil").expect("a field");
                let (id, fields) = (there.id, there.fields().with(field, Some(Value::Time(until))));
                tx.update(id, fields).map_err(|_| "violation")
            })
        }
        ["join", who, group] => attempt(world, |tx| {
            tx.relate(rel::MEMBERSHIP, id(who), id(group), Fields::default())
                .map_err(|_| "violation")
        }),
        ["leave", who, group] => attempt(world, |tx| {
            let in_doubt = paths::reservations(tx.graph().find(id(group)).expect("a group"), Some(id(who)));
            tx.unrelate(rel::MEMBERSHIP, id(who), id(group))
                .map_err(|_| "violation")?;
            paths::free_lost(tx, &in_doubt).map_err(|_| "violation")
        }),
        _ => world.step(step),
    }
}
