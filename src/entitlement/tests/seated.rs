//! One license assigned to users and groups (`doors.md` B.6), in the world of ACME, where the members of the crew have no other way to it.

use super::*;
use crate::entitlement::seated::{self, Terms};
use crate::entitlement::sold;
use crate::model::schema::Hop;

const CLOSED: &str = "part ent crew";

/// `assign ann [off]`, `back ann`, `group crew [off]`, `ungroup crew [keep]` and `allocate ann [editor]` beside the steps of every world.
fn act(world: &mut World, step: &str) -> String {
    let words: Vec<&str> = step.split(' ').collect();
    let terms = |words: &[&str], direct: bool| Terms {
        active: !words.contains(&"off"),
        direct,
        ..Terms::default()
    };
    let row = |tx: &Transaction<'_>, who: &str| {
        let find = |name: &str| tx.graph().find(id(name)).expect("an end");
        let row = tx.graph().assignment(find("lic"), find(who));
        row.map(|row| row.id).expect("an assignment")
    };
    let group = |tx: &Transaction<'_>, of: &str| {
        let group = tx.graph().find(id(of)).expect("a group");
        let mut all = group.hop(Hop::forward(rel::OF_GROUP), None);
        all.next().map(|(one, _)| one.id).expect("a group's assignment")
    };
    let done = world.commit(|tx| {
        let before = tx.savepoint();
        let done = match words[..] {
            ["assign", who, ..] => seated::assign(tx, id("lic"), id(who), &terms(&words, true)).map(drop),
            ["back", who] => seated::take_back(tx, row(tx, who)),
            ["group", of, ..] => seated::assign_group(tx, id("lic"), id(of), &terms(&words, false)).map(drop),
            ["ungroup", of, ..] => seated::end_group(tx, group(tx, of), !words.contains(&"keep")),
            ["allocate", who, ..] => {
                let items: Vec<_> = words[2..].iter().map(|item| id(item)).collect();
                direct(tx, &[id(who)], &items)
            }
            _ => return None,
        };
        if done.is_err() {
            tx.rollback_to(before);
        }
        Some(done)
    });
    match done {
        Some(done) => done.map_or_else(|no| no.code().to_owned(), |()| String::new()),
        None => world.step(step),
    }
}

fn check(lines: &str, steps: &[(&str, &str)]) {
    let mut world = World::new(&format!("{CLOSED}\n{lines}"));
    for (step, expected) in steps {
        let told = match step.strip_prefix("refused ") {
            Some(step) => {
                let (digest, told) = (world.graph.digest(), act(&mut world, step));
                assert_eq!(world.graph.digest(), digest, "{step}\n{lines}");
                told
            }
            None => act(&mut world, step),
        };
        assert_eq!(told, *expected, "{step}\n{lines}");
    }
}

#[test]
fn an_assignment_is_a_seat_and_a_way() {
    check(
        "",
        &[
            ("? ann editor", "notAuthorized"),
            ("assign ann", ""),
            ("assign ann", ""),
            ("free lic", "1 of 2"),
            ("ann editor", "new lic 900"),
            ("free lic", "1 of 2"),
            ("assign bob", ""),
            ("refused assign zed", "noSeatsAvailable"),
            ("refused allocate zed editor", "noSeatsAvailable"),
            // One that is not active is kept, takes no seat and opens nothing; a live lease runs out.
            ("assign zed off", ""),
            ("? zed editor", "notAuthorized"),
            ("assign ann off", ""),
            ("? ann editor", "notAuthorized"),
            ("free lic", "2 of 2"),
            ("refused assign zed", "noSeatsAvailable"),
            ("at 901", ""),
            ("assign zed", ""),
            ("back bob", ""),
            ("free lic", "1 of 2"),
            ("? bob editor", "notAuthorized"),
        ],
    );
    // Who has the seat by a lease already needs no second one.
    check(
        "LicenseConsumerRelation ent zed",
        &[
            ("assign ann", ""),
            ("zed editor", "new lic 900"),
            ("refused assign bob", "noSeatsAvailable"),
            ("assign zed", ""),
            ("at 901", ""),
            ("free lic", "2 of 2"),
        ],
    );
}

#[test]
fn what_cannot_be_used_any_more_is_not_assigned() {
    check("set lic active=false", &[("refused assign ann", "licenseSuspended")]);
    check("set lic validUntil=0", &[("refused assign ann", "licenseExpired")]);
    check("set lic validFrom=10", &[("assign ann", ""), ("free lic", "1 of 2")]);
    check(
        "Assignment no reservationType=denied < lic ann",
        &[
            ("refused assign ann", "consumptionDenied"),
            ("set credit seatCount=1", ""),
            ("refused group crew", "noSeatsAvailable"),
            ("set credit seatCount=2", ""),
            ("group crew", ""),
            ("free lic", "2 of 2"),
            ("? ann editor", "notAuthorized"),
            ("assign ann off", ""),
            ("back ann", ""),
            ("refused assign ann", "consumptionDenied"),
        ],
    );
    // Who has it keeps it, and may be told otherwise.
    check(
        "",
        &[("assign ann", ""), ("set lic active=false", ""), ("assign ann", "")],
    );
    check(
        "AssignedLicenseConstraint named allowRelease=false < model",
        &[
            ("assign ann", ""),
            ("refused back ann", "releaseNotAllowed"),
            ("refused assign ann off", "releaseNotAllowed"),
        ],
    );
}

#[test]
fn a_group_is_assigned_whole_or_not_at_all() {
    check(
        "",
        &[
            ("refused group crew", "noSeatsAvailable"),
            ("set credit seatCount=3", ""),
            ("group crew", ""),
            ("free lic", "3 of 3"),
            ("refused assign zed", "noSeatsAvailable"),
            ("group crew off", ""),
            ("free lic", "0 of 3"),
            ("assign zed", ""),
            ("refused group crew", "noSeatsAvailable"),
            ("back zed", ""),
            ("group crew", ""),
            // Made direct, it is the group's no longer.
            ("assign ann", ""),
            ("ungroup crew", ""),
            ("free lic", "1 of 3"),
            ("ann editor", "new lic 900"),
        ],
    );
    check(
        "set credit seatCount=3",
        &[
            ("group crew", ""),
            ("ungroup crew keep", ""),
            ("free lic", "3 of 3"),
            ("group crew", ""),
            ("ungroup crew", ""),
            ("free lic", "3 of 3"),
        ],
    );
    // Who joins later gets it when the group is assigned again, and who leaves keeps it.
    check(
        "set credit seatCount=4",
        &[
            ("group crew", ""),
            ("Membership zed crew", ""),
            ("free lic", "3 of 4"),
            ("group crew", ""),
            ("free lic", "4 of 4"),
            ("part zed crew", ""),
            ("free lic", "4 of 4"),
        ],
    );
}

#[test]
fn allocations_and_assignments_are_one_seat_and_end_each_by_itself() {
    check(
        "",
        &[
            ("assign ann", ""),
            ("allocate ann editor", ""),
            ("free lic", "1 of 2"),
            ("allocate ann", ""),
            ("free lic", "1 of 2"),
            ("? ann editor", "yes lic 900"),
            ("back ann", ""),
            ("? ann editor", "notAuthorized"),
        ],
    );
    // A list that is written again finds what a group was assigned, and leaves it with the group.
    check(
        "set credit seatCount=3",
        &[
            ("group crew", ""),
            ("allocate ann editor", ""),
            ("ungroup crew", ""),
            ("free lic", "1 of 3"),
            ("? ann editor", "yes lic 900"),
            ("? bob editor", "notAuthorized"),
            ("allocate ann", ""),
            ("free lic", "0 of 3"),
        ],
    );
    // A lease by a rule becomes an assignment, which outlives the rule.
    check(
        "AllocationRule rule < crew editor",
        &[
            ("ann editor", "new lic 900"),
            ("assign ann", ""),
            ("end rule", ""),
            ("at 901", ""),
            ("free lic", "1 of 2"),
            ("? ann editor", "yes lic 1801"),
        ],
    );
}

#[test]
fn a_license_is_sold_and_its_seats_are_not_taken_away() {
    let mut world = World::new("");
    let new = sold::New {
        license_type: "program",
        seats: 1,
        active: true,
        ..sold::New::default()
    };
    let license = world.commit(|tx| sold::create(tx, id("acme"), id("editor"), &new, sold::Record::default()));
    let license = license.expect("a license");
    // It lies where nobody has a way to it.
    assert_eq!(world.step("set lic active=false"), "");
    assert_eq!(world.step("? ann editor"), "licenseSuspended");
    let assigned = world.commit(|tx| {
        let terms = Terms {
            active: true,
            ..Terms::default()
        };
        seated::assign(tx, license, id("ann"), &terms)
    });
    assert!(assigned.is_ok());
    assert!(world.step("? ann editor").starts_with("yes"));
    let mut seats = |seats: u32| {
        let change = sold::Change {
            seats: Some(seats),
            ..sold::Change::default()
        };
        world.commit(|tx| {
            let before = tx.savepoint();
            let done = sold::update(tx, license, &change, &[], &|_| false, sold::Record::default());
            if done.is_err() {
                tx.rollback_to(before);
            }
            done
        })
    };
    assert_eq!(seats(0), Err(sold::NotSold::BelowUse { count: 0, used: 1 }));
    assert_eq!(seats(1), Ok(()));
    assert_eq!(seats(5), Ok(()));
}

/// Whatever is assigned, allocated, taken back and used in whatever order, no license has more seats taken than it has.
#[test]
fn no_order_of_things_takes_a_seat_that_is_not_there() {
    let steps = [
        "assign ann",
        "assign bob",
        "assign zed",
        "assign ann off",
        "assign zed off",
        "back",
        "group crew",
        "group crew off",
        "ungroup",
        "ungroup keep",
        "allocate ann editor",
        "allocate bob editor",
        "allocate ann",
        "allocate bob",
        "ann editor",
        "bob editor",
        "zed editor",
    ];
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut roll = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let (mut full, mut refused) = (0, 0);
    for round in 0..200 {
        let mut world = World::new(&format!("{CLOSED}\nset credit seatCount={}", 1 + round % 4));
        for turn in 0..30 {
            world.now += 1 + (turn % 7) * 100;
            let step = match steps[roll(steps.len())] {
                "back" => match ["ann", "bob", "cid", "zed"][roll(4)] {
                    who if world.row(who) => format!("back {who}"),
                    _ => continue,
                },
                end if end.starts_with("ungroup") => match world.graph.kind_count(Kind::GroupAssignment) {
                    0 => continue,
                    _ => end.replace("ungroup", "ungroup crew"),
                },
                step => step.to_owned(),
            };
            let told = act(&mut world, &step);
            refused += usize::from(told == "noSeatsAvailable");
            let license = world.graph.find(id("lic")).expect("a license");
            let seats = crate::entitlement::seats::of_license(license, world.time());
            assert!(!seats.overdrawn(), "{step}: {seats:?}");
            full += usize::from(seats.total == Some(seats.taken()));
        }
    }
    // It was tried.
    assert!(full > 500 && refused > 100, "{full} {refused}");
}

impl World {
    /// Has this one an assignment of the license?
    fn row(&self, who: &str) -> bool {
        let find = |name: &str| self.graph.find(id(name)).expect("an end");
        self.graph.assignment(find("lic"), find(who)).is_some()
    }
}
