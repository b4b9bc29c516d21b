//! Direct allocations and the rules of groups (`doors.md` A.7), in the world of ACME.

use proptest::prelude::*;
use proptest::sample;

use super::*;
use crate::entitlement::allocate::{self, Ruling};
use crate::entitlement::{paths, reserve, ruled, seated, select};
use crate::graph::Node;
use crate::model::schema::Hop;

const RULED: &str = "part ent crew
    AllocationRule rule < crew editor";

/// Another group of one of them, with a rule of its own.
const OTHER: &str = "ProfileGroup team name=Team < acme
    Membership ann team
    AllocationRule other < team editor";

#[test]
fn a_member_leases_by_the_rule_and_holds_the_seat() {
    check(
        RULED,
        &[
            ("free lic", "0 of 2"),
            ("? ann editor", "yes lic 900"),
            ("zed editor", "notAuthorized"),
            ("ann editor", "new lic 900"),
            ("bob editor", "new lic 900"),
            ("cid editor", "noSeatsAvailable"),
            ("release ann:editor: by ann", "released until 0"),
            ("at 901", ""),
            ("free lic", "2 of 2"),
            ("cid editor", "noSeatsAvailable"),
            ("ann editor", "new lic 1801"),
            // Ninety days after the first use, on the day of which it was used again.
            ("at 7775999", ""),
            ("free lic", "2 of 2"),
            ("at 7776000", ""),
            ("free lic", "0 of 2"),
            ("cid editor", "new lic 7776900"),
        ],
    );
    // Whoever goes on using it goes on holding it, and no end of the hold is an end of the lease.
    check(
        RULED,
        &[
            ("ann editor", "new lic 900"),
            ("at 86400", ""),
            ("ann editor", "new lic 87300"),
            ("at 7776000", ""),
            ("free lic", "1 of 2"),
            ("at 7862300", ""),
            ("ann editor mode=checkout", "new lic 8467100"),
            ("at 7862400", ""),
            ("free lic", "1 of 2"),
        ],
    );
    // Another way needs no rule, and holds nothing.
    check(
        "AllocationRule rule < crew editor",
        &[("ann editor", "new lic 900"), ("at 901", ""), ("free lic", "0 of 2")],
    );
}

#[test]
fn a_quota_bounds_the_members_and_not_the_pool() {
    let quota = "part ent crew
        AllocationRule rule quota=1 < crew editor
        ProfileGroup team name=Team < acme
        Membership cid team";
    check(
        quota,
        &[
            ("ann editor", "new lic 900"),
            ("bob editor", "quotaExceeded"),
            ("ann editor", "renewed lic 900"),
            ("AllocationRule other < team editor", ""),
            ("cid editor", "new lic 900"),
            ("set credit seatCount=3", ""),
            ("set rule quota=2", ""),
            ("bob editor", "new lic 900"),
            ("at 901", ""),
            ("cid editor", "new lic 1801"),
        ],
    );
    check(quota, &[("set rule quota=0", ""), ("ann editor", "quotaExceeded")]);
}

#[test]
fn of_two_rules_the_one_with_room_opens_the_license_that_is_named_too() {
    let two = "part ent crew
        ProfileGroup team name=Team < acme
        Membership ann team
        AllocationRule full quota=0 < crew editor
        AllocationRule rule quota=1 < team editor";
    for asked in ["ann editor", "ann editor license=lic", "ann editor license=lic hw=h"] {
        check(
            two,
            &[
                (asked, "new lic 900"),
                ("free lic", "1 of 2"),
                ("bob editor", "quotaExceeded"),
            ],
        );
    }
    check(
        two,
        &[
            ("bob editor license=lic", "quotaExceeded"),
            ("zed editor license=lic", "notAuthorized"),
        ],
    );
    // What was leased by one goes on by it, though the other has room by now.
    check(
        two,
        &[
            ("ann editor", "new lic 900"),
            ("set full quota=5", ""),
            ("set rule quota=0", ""),
            ("ann editor license=lic", "renewed lic 900"),
        ],
    );
}

#[test]
fn a_rule_does_not_write_over_a_denial_to_come() {
    check(
        &format!("{RULED}\nAssignment deny reservationType=denied validFrom=10 < lic ann"),
        &[
            ("ann editor", "consumptionDenied"),
            ("at 11", ""),
            ("ann editor", "consumptionDenied"),
            ("free lic", "0 of 2"),
        ],
    );
}

#[test]
fn a_direct_record_masks_the_rules_of_its_organization() {
    check(
        &format!("{RULED}\nDirectRecord record < acme bob"),
        &[("ann editor", "new lic 900"), ("bob editor", "notAuthorized")],
    );
    check(
        &format!("{RULED}\nOrganization globex name=Globex\nDirectRecord record < globex bob"),
        &[("bob editor", "new lic 900")],
    );
    check("DirectRecord record < acme bob", &[("bob editor", "new lic 900")]);
}

#[test]
fn a_rule_reserves_whatever_the_model() {
    let named = format!("{RULED}\nAssignedLicenseConstraint named maxAssignments=1 < model");
    check(
        &named,
        &[
            ("ann editor", "new lic 900"),
            ("bob editor", "assignmentRequired"),
            ("at 901", ""),
            ("free lic", "1 of 2"),
        ],
    );
    // A rule for a bundle opens what is in it.
    check(
        "part ent crew
         LicensedItem suite name=suite
         Includes suite editor
         License all validFrom=0 active=true < ent suite
         SeatCountCredit credit2 seatCount=1 active=true < all
         AllocationRule rule < crew suite",
        &[("ann editor", "new all 900"), ("bob suite", "noSeatsAvailable")],
    );
}

fn direct(world: &mut World, users: &[&str], items: &[&str]) -> String {
    let ids = |names: &[&str]| names.iter().map(|name| id(name)).collect::<Vec<_>>();
    let (users, items) = (ids(users), ids(items));
    let done = world.commit(|tx| {
        let before = tx.savepoint();
        let done = super::direct(tx, &users, &items);
        if done.is_err() {
            tx.rollback_to(before);
        }
        done
    });
    done.map_or_else(|no| no.code().to_owned(), |()| String::new())
}

/// Many licenses that are full, and one that lasts less long and is not.
fn many_full(seats: usize) -> World {
    let full = (0..30).map(|at| {
        format!("License f{at} validFrom=0 active=true < ent editor model\nSeatCountCredit g{at} seatCount=0 active=true < f{at}\n")
    });
    World::new(&format!(
        "set credit seatCount=0
         License last validFrom=0 validUntil=9 active=true < ent editor model
         SeatCountCredit seats seatCount={seats} active=true < last
         {}",
        full.collect::<String>()
    ))
}

#[test]
fn what_is_full_is_looked_at_once_for_all_users_of_a_call() {
    for (users, expected) in [
        (&["ann"][..], 1),
        (&["ann", "bob"][..], 2),
        (&["ann", "bob", "cid", "zed"][..], 4),
    ] {
        // The entitlement and its licenses, each license again with its credit until one has a seat, and four visits a user: for the
        // record, for what the user has, and for that license with its credit.
        let looked_at = 1 + (1 + 32) + 31 * 2 + 4 * expected;
        for (visits, done) in [(looked_at, true), (looked_at - 1, false)] {
            let mut world = many_full(users.len());
            let users: Vec<Uuid> = users.iter().map(|user| id(user)).collect();
            let mut left = visits;
            let told = world.commit(|tx| {
                let before = tx.savepoint();
                let told = allocate::direct(tx, id("acme"), &users, &[id("editor")], false, &mut left);
                if told.is_err() {
                    tx.rollback_to(before);
                }
                told
            });
            match done {
                true => assert_eq!((told, left), (Ok(()), 0), "{users:?}"),
                false => assert_eq!(told, Err(allocate::Undone::TooMuch), "{users:?}"),
            }
            let taken = if done { users.len() } else { 0 };
            assert_eq!(world.step("free last"), format!("{taken} of {}", users.len()));
        }
    }
}

/// The same by the plain way: for each user all licenses anew, in their order for that user, each tried by writing the reservation.
/// The license each user has then; or the reason for which the first of them has none.
fn plainly(tx: &mut Transaction<'_>, users: &[&str]) -> Result<Vec<(Uuid, Uuid)>, &'static str> {
    let field = |name: &str| Kind::Assignment.field(name).expect("a field");
    let (licenses, profiles) = (rel::BY_LICENSE, rel::BY_PROFILE);
    let mut chosen = Vec::new();
    for user in users.iter().map(|user| id(user)) {
        let (now, graph) = (tx.now(), tx.graph());
        let (item, profile) = (
            graph.find(id("editor")).expect("an item"),
            graph.find(user).expect("a user"),
        );
        let all = graph.of_kind(Kind::License, None);
        let mut all: Vec<_> = all
            .map(|license| select::candidate(license, item, select::Path::Direct, profile, now))
            .filter(|candidate| decision::is_usable(&candidate.license, now))
            .collect();
        all.sort_by_key(select::rank);
        let is_no = |one: Node<'_>| select::denies(&one, now) || seated::is_kept_back(&one, now);
        let why = match all.first() {
            None => "nothingToAllocate",
            Some(_) => "consumptionDenied",
        };
        let open: Vec<_> = all
            .iter()
            .filter(|candidate| !candidate.assignment.is_some_and(is_no))
            .map(|candidate| (candidate.license.id, candidate.assignment.map(|one| one.id)))
            .collect();
        let (mut why, mut done) = (why, None);
        for (at, (license, assignment)) in open.into_iter().enumerate() {
            let before = tx.savepoint();
            let fields = |fields: Fields| {
                let fields = fields.with(field("reservationType"), Some(Value::text("reserved")));
                fields.with(field("validUntil"), None)
            };
            let had = match assignment {
                Some(there) => {
                    let node = tx.graph().find(there).expect("an assignment");
                    let (had, fields) = (reserve::Had::of(node, now), fields(node.fields().to_fields()));
                    tx.update(there, fields).expect("an update");
                    had
                }
                None => {
                    let new = tx.new_id();
                    tx.create(new, Kind::Assignment, fields(Fields::default()), Kept::default())
                        .expect("a new one");
                    tx.relate(licenses, license, new, Fields::default()).expect("a license");
                    tx.relate(profiles, user, new, Fields::default()).expect("a user");
                    reserve::Had::default()
                }
            };
            match reserve::fits(tx.graph().find(license).expect("a license"), had, now) {
                Ok(()) => {
                    done = Some(license);
                    break;
                }
                Err(no) => {
                    tx.rollback_to(before);
                    why = if at == 0 { no.code() } else { why };
                }
            }
        }
        chosen.push((user, done.ok_or(why)?));
    }
    Ok(chosen)
}

/// What each user's record allocates.
fn chosen(tx: &Transaction<'_>, users: &[&str]) -> Vec<(Uuid, Uuid)> {
    let find = |name: &str| tx.graph().find(id(name)).expect("one");
    let allocated = |user: &&str| {
        let record = ruled::record(find("acme"), find(user)).expect("a record");
        let mut all = record.hop(Hop::forward(rel::ALLOCATED), None);
        let (assignment, _) = all.next().expect("an allocation");
        (id(user), assignment.parent(rel::BY_LICENSE).expect("a license").id)
    };
    users.iter().map(allocated).collect()
}

fn any_license(at: usize) -> impl Strategy<Value = String> {
    let terms = (
        sample::select(vec!["", " validUntil=20", " validUntil=30"]),
        sample::select(vec!["", "", "", " validFrom=12"]),
        sample::select(vec!["model", "model", "named", "uses"]),
        0..3u8,
    );
    terms.prop_map(move |(until, from, model, seats)| {
        let from = if from.is_empty() { " validFrom=0" } else { from };
        format!("License l{at}{from}{until} active=true < ent editor {model}\nSeatCountCredit c{at} seatCount={seats} active=true < l{at}\n")
    })
}

/// What somebody has of a license before.
fn any_assignment() -> impl Strategy<Value = (u8, usize, &'static str)> {
    let says = sample::select(vec![
        "reservationType=reserved",
        "reservationType=reserved validUntil=8",
        "reservationType=denied",
        "reservationType=denied validUntil=8",
        "reservationType=denied validFrom=11",
        "active=false",
        "lease",
        "lease",
    ]);
    (0..4u8, 0..4usize, says)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_call_chooses_as_one_that_tries_all_for_each_user(
        licenses in (any_license(0), any_license(1), any_license(2), any_license(3)),
        before in proptest::collection::vec(any_assignment(), 0..6),
        users in Just(vec!["ann", "bob", "cid", "zed"]).prop_shuffle(),
        most in 1..5usize,
    ) {
        let mut lines = String::from("set credit seatCount=1
            LicenseModel named name=named
            AssignedLicenseConstraint rule maxAssignments=1 autoAssign=true < named
            LicenseModel uses name=uses
            UseCountConstraint counted < uses\n");
        for license in [&licenses.0, &licenses.1, &licenses.2, &licenses.3] {
            lines.push_str(license);
        }
        let mut there = std::collections::HashSet::new();
        for (who, license, says) in before {
            let who = ["ann", "bob", "cid", "zed"][usize::from(who)];
            if there.insert((who, license)) {
                let fields = if says == "lease" { "" } else { says };
                lines.push_str(&format!("Assignment {who}{license} {fields} < l{license} {who}\n").replace("  ", " "));
                if says == "lease" {
                    lines.push_str(&format!("Consumption x{who}{license} leaseId=x{who}{license} consumedCount=1 grantedAt=0 grantedUntil=60 < {who}{license}\n"));
                }
            }
        }
        let users = &users[..most.min(users.len())];
        let mut world = World::new(&lines);
        world.now = 10;
        let (plain, told) = world.commit(|tx| {
            let before = tx.savepoint();
            let plain = plainly(tx, users);
            tx.rollback_to(before);
            let ids: Vec<Uuid> = users.iter().map(|user| id(user)).collect();
            let told = super::direct(tx, &ids, &[id("editor")]).map_err(|no| no.code());
            let told = told.map(|()| chosen(tx, users));
            tx.rollback_to(before);
            (plain, told)
        });
        // One that is kept back is told apart from a denial.
        let told = told.map_err(|no| if no == "assignmentInactive" { "consumptionDenied" } else { no });
        prop_assert_eq!(plain, told, "{}", lines);
    }
}

fn rules(world: &mut World, quota: Option<Option<u64>>, items: &[&str]) -> String {
    let rulings: Vec<Ruling> = items
        .iter()
        .map(|item| Ruling {
            item: id(item),
            quota,
            external: None,
        })
        .collect();
    let done = world.commit(|tx| allocate::rules(tx, id("acme"), id("crew"), &rulings));
    done.map_or_else(|no| no.why.code().to_owned(), |()| String::new())
}

#[test]
fn a_direct_allocation_is_a_seat_and_a_way() {
    let mut world = World::new(
        "part ent crew
         License old validFrom=0 validUntil=1 active=true < ent editor model
         SeatCountCredit credit2 seatCount=9 active=true < old
         LicensedItem viewer name=viewer",
    );
    world.now = 10;
    assert_eq!(direct(&mut world, &["ann", "bob"], &["editor"]), "");
    assert_eq!(world.step("free lic"), "2 of 2");
    assert_eq!(world.step("ann editor"), "new lic 910");
    assert_eq!(
        direct(&mut world, &["ann", "bob", "zed"], &["editor"]),
        "noSeatsAvailable"
    );
    assert_eq!(direct(&mut world, &["ann"], &["editor", "viewer"]), "nothingToAllocate");
    // Seats are counted after all of the call.
    assert_eq!(direct(&mut world, &["bob"], &[]), "");
    assert_eq!(direct(&mut world, &["zed"], &["editor"]), "");
    assert_eq!(world.step("bob editor"), "notAuthorized");
    // A live lease holds its seat until it ends.
    assert_eq!(direct(&mut world, &["ann"], &[]), "");
    assert_eq!(direct(&mut world, &["bob"], &["editor"]), "noSeatsAvailable");
    world.now = 910;
    assert_eq!(direct(&mut world, &["bob"], &["editor"]), "");
    assert_eq!(world.step("free lic"), "2 of 2");
    // A purchase that shrinks takes nothing away, and the same again changes nothing.
    world.tell("set credit seatCount=1");
    assert_eq!(direct(&mut world, &["bob", "zed"], &["editor"]), "");
    assert_eq!(world.step("free lic"), "2 of 1");
}

#[test]
fn a_seat_that_may_not_be_given_back_is_not() {
    let mut world = World::new("AssignedLicenseConstraint named allowRelease=false < model");
    assert_eq!(direct(&mut world, &["ann"], &["editor"]), "");
    assert_eq!(direct(&mut world, &["ann"], &[]), "releaseNotAllowed");
    assert_eq!(world.step("free lic"), "1 of 2");
}

#[test]
fn a_denial_outlives_the_allocation_it_was_written_over() {
    let mut world = World::new("");
    assert_eq!(direct(&mut world, &["ann"], &["editor"]), "");
    let seat = world.graph.of_kind(Kind::Assignment, None).next().unwrap().id;
    let field = Kind::Assignment.field("reservationType").unwrap();
    world.commit(|tx| {
        let fields = tx
            .graph()
            .find(seat)
            .unwrap()
            .fields()
            .with(field, Some(Value::text("denied")));
        tx.update(seat, fields).unwrap();
    });
    assert_eq!(direct(&mut world, &["ann"], &["editor"]), "consumptionDenied");
    assert_eq!(direct(&mut world, &["ann"], &[]), "");
    assert_eq!(world.step("ann editor"), "consumptionDenied");
}

#[test]
fn a_reservation_that_begins_later_is_not_turned_into_a_rules() {
    for (model, used) in [
        ("", "new lic 900"),
        ("AssignedLicenseConstraint named < model", "assignmentRequired"),
        (
            "AssignedLicenseConstraint named autoAssign=true maxAssignments=1 < model",
            "new lic 900",
        ),
    ] {
        let promised = "Assignment seat reservationType=reserved validFrom=5000 < lic ann";
        let mut world = World::new(&format!("{RULED}\n{model}\n{promised}"));
        assert_eq!(world.step("ann editor"), used, "{model}");
        assert_eq!(rules(&mut world, None, &[]), "", "{model}");
        world.now = 6000;
        assert_eq!(world.step("free lic"), "1 of 2", "{model}");
    }
}

#[test]
fn both_ways_are_one_seat() {
    let mut world = World::new(RULED);
    assert_eq!(world.step("ann editor"), "new lic 900");
    assert_eq!(direct(&mut world, &["ann"], &["editor"]), "");
    assert_eq!(world.step("free lic"), "1 of 2");
    assert_eq!(rules(&mut world, None, &[]), "");
    world.now = 901;
    assert_eq!(world.step("free lic"), "1 of 2");
    assert_eq!(world.step("ann editor"), "new lic 1801");
    assert_eq!(world.commit(|tx| allocate::forget(tx, id("acme"), id("ann"))), Ok(()));
    world.now = 1801;
    assert_eq!(world.step("free lic"), "0 of 2");
    assert_eq!(world.step("ann editor"), "notAuthorized");
}

#[test]
fn rules_replace_rules() {
    let mut world = World::new("part ent crew");
    assert_eq!(rules(&mut world, Some(Some(1)), &["editor"]), "");
    assert_eq!(world.step("ann editor"), "new lic 900");
    assert_eq!(world.step("bob editor"), "quotaExceeded");
    assert_eq!(rules(&mut world, None, &["editor"]), "");
    assert_eq!(world.step("bob editor"), "quotaExceeded");
    assert_eq!(rules(&mut world, Some(None), &["editor"]), "");
    assert_eq!(world.step("bob editor"), "new lic 900");
    assert_eq!(rules(&mut world, Some(Some(1)), &["editor"]), "quotaBelowUse");
    assert_eq!(rules(&mut world, None, &[]), "");
    assert_eq!(world.graph.kind_count(Kind::AllocationRule), 0);
    // Live leases run out.
    assert_eq!(world.step("free lic"), "2 of 2");
    world.now = 900;
    assert_eq!(world.step("free lic"), "0 of 2");
    assert_eq!(world.step("ann editor"), "notAuthorized");
}

fn leave(world: &mut World, who: &str, group: &str) {
    let (who, group) = (id(who), id(group));
    world.commit(|tx| {
        let in_doubt = paths::reservations(tx.graph().find(group).unwrap(), Some(who));
        tx.unrelate(rel::MEMBERSHIP, who, group).unwrap();
        paths::free_lost(tx, &in_doubt).unwrap();
    });
}

fn usage(world: &World, rule: &str) -> u64 {
    ruled::usage(world.graph.find(id(rule)).unwrap(), world.time())
}

/// The only assignment there is.
fn seat(world: &World) -> crate::graph::Node<'_> {
    let mut all = world.graph.of_kind(Kind::Assignment, None);
    all.next().filter(|_| all.next().is_none()).expect("one assignment")
}

/// Somebody gives it an end by hand.
fn end_seat(world: &mut World, at: i64) {
    let id = seat(world).id;
    let until = Kind::Assignment.field("validUntil").unwrap();
    world.commit(|tx| {
        let fields = tx
            .graph()
            .find(id)
            .unwrap()
            .fields()
            .with(until, Some(Value::Time(Time(at * 1000))));
        tx.update(id, fields).unwrap();
    });
}

fn assign(world: &mut World, who: &str) {
    let terms = seated::Terms {
        active: true,
        direct: true,
        ..seated::Terms::default()
    };
    world.commit(|tx| seated::assign(tx, id("lic"), id(who), &terms).expect("a seat"));
}

#[test]
fn what_has_ended_is_nobodys_and_stays_so() {
    // Its seat is another's by the time the record goes.
    let mut world = World::new(&format!("{RULED}\nset credit seatCount=1"));
    assert_eq!(world.step("ann editor"), "new lic 900");
    assert_eq!(direct(&mut world, &["ann"], &["editor"]), "");
    end_seat(&mut world, 1000);
    world.now = 1000;
    assert_eq!(world.step("bob editor"), "new lic 1900");
    assert_eq!(direct(&mut world, &["ann"], &[]), "");
    assert_eq!(world.step("free lic"), "1 of 1");
    assert_eq!(world.step("bob editor"), "renewed lic 1900");
    // One of a record, made again by a use or as a row of its own, is no record's.
    for again in ["use", "row"] {
        let mut world = World::new("");
        assert_eq!(direct(&mut world, &["ann"], &["editor"]), "");
        end_seat(&mut world, 100);
        world.now = 100;
        match again {
            "use" => assert_eq!(world.step("ann editor"), "new lic 1000"),
            _ => assign(&mut world, "ann"),
        }
        assert!(seat(&world).parent(rel::ALLOCATED).is_none(), "{again}");
        assert_eq!(direct(&mut world, &["ann"], &[]), "");
        assert_eq!(world.step("free lic"), "1 of 2", "{again}");
    }
    // What was a row of its own and has ended is the record's, and goes with it.
    let mut world = World::new("");
    assign(&mut world, "ann");
    end_seat(&mut world, 100);
    world.now = 100;
    assert_eq!(direct(&mut world, &["ann"], &["editor"]), "");
    assert!(!seated::is_own(&seat(&world)));
    assert_eq!(direct(&mut world, &["ann"], &[]), "");
    assert_eq!(world.step("free lic"), "0 of 2");
}

#[test]
fn a_row_that_stays_after_a_record_keeps_its_end() {
    let mut world = World::new("");
    assign(&mut world, "ann");
    end_seat(&mut world, 5000);
    assert_eq!(direct(&mut world, &["ann"], &["editor"]), "");
    assert_eq!(direct(&mut world, &["ann"], &[]), "");
    world.now = 4999;
    assert_eq!(world.step("free lic"), "1 of 2");
    world.now = 5000;
    assert_eq!(world.step("free lic"), "0 of 2");
}

#[test]
fn a_group_assigns_anew_what_had_ended() {
    let mut world = World::new("end cid");
    let terms = seated::Terms {
        active: true,
        ..seated::Terms::default()
    };
    let assign = |world: &mut World| {
        world.commit(|tx| seated::assign_group(tx, id("lic"), id("crew"), &terms).expect("seats"));
        let by_group = |one: &crate::graph::Node<'_>| one.parent(rel::BY_GROUP).is_some();
        world.graph.of_kind(Kind::Assignment, None).filter(by_group).count()
    };
    assert_eq!(assign(&mut world), 2);
    let ids: Vec<Uuid> = world.graph.of_kind(Kind::Assignment, None).map(|one| one.id).collect();
    let until = Kind::Assignment.field("validUntil").unwrap();
    world.commit(|tx| {
        for id in ids {
            let fields = tx
                .graph()
                .find(id)
                .unwrap()
                .fields()
                .with(until, Some(Value::Time(Time(1000))));
            tx.update(id, fields).unwrap();
        }
    });
    world.now = 1;
    assert_eq!(world.step("free lic"), "0 of 2");
    assert_eq!(assign(&mut world), 2);
    assert_eq!(world.step("free lic"), "2 of 2");
}

#[test]
fn a_record_takes_over_what_a_rule_gave() {
    let mut world = World::new("part ent crew\nAllocationRule rule quota=1 < crew editor");
    assert_eq!(world.step("ann editor"), "new lic 900");
    assert_eq!(direct(&mut world, &["ann"], &["editor"]), "");
    assert_eq!((usage(&world, "rule"), world.step("free lic").as_str()), (0, "1 of 2"));
    assert_eq!(world.step("bob editor"), "new lic 900");
    assert_eq!(direct(&mut world, &["ann"], &[]), "");
    world.now = 900;
    assert_eq!((usage(&world, "rule"), world.step("free lic").as_str()), (1, "1 of 2"));
    assert_eq!(world.commit(|tx| allocate::forget(tx, id("acme"), id("ann"))), Ok(()));
    assert_eq!(world.step("ann editor"), "quotaExceeded");
    // One that went idle is no rule's either.
    world.now = 7_776_000;
    assert_eq!(world.step("ann editor"), "new lic 7776900");
    assert_eq!(direct(&mut world, &["bob"], &["editor"]), "");
    assert_eq!(direct(&mut world, &["bob"], &[]), "");
    assert_eq!((usage(&world, "rule"), world.step("free lic").as_str()), (1, "1 of 2"));
}

#[test]
fn a_unit_that_may_not_be_given_back_is_not() {
    let mut world = World::new(&format!(
        "{RULED}\nAssignedLicenseConstraint named allowRelease=false < model"
    ));
    assert_eq!(world.step("ann editor"), "new lic 900");
    world.now = 900;
    let release = |world: &mut World| {
        let done = world.commit(|tx| allocate::release(tx, id("crew"), id("ann")));
        done.map_or_else(|no| (no.item, no.why.code()), |()| (None, ""))
    };
    assert_eq!(release(&mut world), (Some(id("editor")), "releaseNotAllowed"));
    assert_eq!(world.step("free lic"), "1 of 2");
    world.tell("set named allowRelease=true");
    assert_eq!(release(&mut world), (None, ""));
    assert_eq!(world.step("free lic"), "0 of 2");
}

#[test]
fn a_quota_counts_members() {
    let two = "part ent crew
        AllocationRule rule quota=1 < crew editor
        LicenseModel keeping name=keeping
        AssignedLicenseConstraint named allowRelease=false < keeping
        License next validFrom=0 active=true < ent editor
        SeatCountCredit credit2 seatCount=2 active=true < next";
    // Its unit is on a license that has ended, is suspended, or is not the one it asks for.
    for (over, asked) in [
        ("set lic validUntil=900", "ann editor"),
        ("set lic active=false", "ann editor"),
        ("set lic active=true", "ann editor license=next"),
    ] {
        let mut world = World::new(two);
        assert_eq!(world.step("ann editor license=lic"), "new lic 900");
        world.tell(over);
        world.now = 900;
        assert_eq!(world.step(&format!("? {asked}")), "yes next 1800", "{over}");
        assert_eq!(world.step(asked), "new next 1800", "{over}");
        assert_eq!(usage(&world, "rule"), 1, "{over}");
        assert_eq!(
            (world.step("free lic"), world.step("free next")),
            ("0 of 2".to_owned(), "1 of 2".to_owned())
        );
        assert_eq!(world.step("bob editor"), "quotaExceeded", "{over}");
    }
    // A seat that its model does not let go is not exchanged while its license can be used.
    let mut world = World::new(&format!("{two}\npart model lic"));
    assert_eq!(world.step("ann editor license=lic"), "new lic 900");
    world.commit(|tx| {
        tx.relate(rel::OF_MODEL, id("keeping"), id("lic"), Fields::default())
            .unwrap();
    });
    assert_eq!(world.step("ann editor license=next"), "quotaExceeded");
    world.tell("set lic active=false");
    assert_eq!(world.step("ann editor"), "new next 900");
    assert_eq!(usage(&world, "rule"), 1);
}

#[test]
fn a_unit_lasts_while_it_is_used_whatever_way_there_is() {
    for asked in ["ann editor", "ann editor license=lic"] {
        let mut world = World::new("AllocationRule rule < crew editor\nAssignedLicenseConstraint named < model");
        assert_eq!(world.step("ann editor"), "new lic 900");
        world.now = 50 * 86_400;
        assert_eq!(world.step(asked), "new lic 4320900");
        world.now = 90 * 86_400;
        assert_eq!(world.step("free lic"), "1 of 2", "{asked}");
    }
    // A lease that lasts longer than three months holds the unit as long.
    let mut world = World::new(&format!(
        "{RULED}\nLeaseTimeBehavior times leaseTimeCheckOut=17280000000 < model"
    ));
    assert_eq!(world.step("ann editor mode=checkout"), "new lic 17280000");
    world.now = 86_400;
    assert_eq!(world.step("ann editor mode=checkout"), "renewed lic 17366400");
    world.now = 17_366_399;
    assert_eq!(usage(&world, "rule"), 1);
    world.now = 17_366_400;
    assert_eq!(usage(&world, "rule"), 0);
}

#[test]
fn a_unit_goes_with_its_rule_whatever_way_is_left() {
    let with_way = format!("{RULED}\nset rule quota=2");
    let mut world = World::new(&with_way);
    assert_eq!(world.step("ann editor"), "new lic 900");
    world.tell("LicenseConsumerRelation ent ann");
    world.now = 900;
    leave(&mut world, "ann", "crew");
    assert_eq!(world.step("free lic"), "0 of 2");
    // Another rule takes it over if it has room.
    for (quota, left) in [(1, 2), (2, 3)] {
        let mut world = World::new(&format!(
            "{with_way}
             set credit seatCount=5
             ProfileGroup team name=Team < acme
             AllocationRule other quota={quota} < team editor
             Membership cid team"
        ));
        assert_eq!(world.step("ann editor"), "new lic 900");
        assert_eq!(world.step("bob editor"), "new lic 900");
        assert_eq!(world.step("cid editor"), "new lic 900");
        world.now = 900;
        world.tell("Membership ann team");
        leave(&mut world, "ann", "crew");
        assert_eq!(world.step("free lic"), format!("{left} of 5"));
        assert_eq!(usage(&world, "other"), quota);
        assert_eq!(usage(&world, "rule"), 1);
    }
    // A record masks the rule, and what it gave lasts until it is idle, also when another way goes.
    let mut world = World::new(&with_way);
    assert_eq!(world.step("ann editor"), "new lic 900");
    world.tell("LicenseConsumerRelation ent ann\nDirectRecord record < acme ann");
    world.now = 900;
    world.commit(|tx| {
        let in_doubt = paths::reservations_in(tx.graph().find(id("ent")).unwrap(), tx.graph().find(id("ann")).unwrap());
        tx.unrelate(rel::OPENS_PROFILE, id("ent"), id("ann")).unwrap();
        paths::free_lost(tx, &in_doubt).unwrap();
    });
    assert_eq!(world.step("free lic"), "1 of 2");
    world.now = 7_776_000;
    assert_eq!(world.step("free lic"), "0 of 2");
}

#[test]
fn whoever_leaves_a_group_keeps_what_another_one_gives() {
    let mut world = World::new(&format!("{RULED}\n{OTHER}"));
    assert_eq!(world.step("ann editor"), "new lic 900");
    assert_eq!(world.step("bob editor"), "new lic 900");
    leave(&mut world, "ann", "crew");
    leave(&mut world, "bob", "crew");
    world.now = 900;
    assert_eq!(world.step("free lic"), "1 of 2");
    assert_eq!((usage(&world, "rule"), usage(&world, "other")), (0, 1));
    assert_eq!(world.step("ann editor"), "new lic 1800");
    assert_eq!(world.step("bob editor"), "notAuthorized");
    // What is held by another group's rule is that one's, also when the membership there has ended by itself.
    world.tell("Membership zed team validUntil=1000");
    assert_eq!(world.step("zed editor"), "new lic 1800");
    world.tell("Membership zed crew");
    world.now = 1900;
    assert_eq!(world.step("free lic"), "2 of 2");
    leave(&mut world, "zed", "crew");
    assert_eq!(world.step("free lic"), "2 of 2");
}

#[test]
fn a_rule_that_the_door_drops_leaves_its_units_to_another() {
    let mut world = World::new(&format!("{RULED}\n{OTHER}"));
    assert_eq!(world.step("ann editor"), "new lic 900");
    assert_eq!(world.step("bob editor"), "new lic 900");
    assert_eq!(rules(&mut world, None, &[]), "");
    world.now = 900;
    assert_eq!(world.step("free lic"), "1 of 2");
    assert_eq!(usage(&world, "other"), 1);
    assert_eq!(world.step("ann editor"), "new lic 1800");
}

#[test]
fn what_outlives_its_rule_ends_with_the_next_one() {
    let mut world = World::new(&format!("{RULED}\n{OTHER}"));
    assert_eq!(world.step("ann editor"), "new lic 900");
    world.now = 900;
    for (rule, left) in [("rule", "1 of 2"), ("other", "0 of 2")] {
        world.commit(|tx| {
            let in_doubt = paths::of_rule(tx.graph().find(id(rule)).unwrap());
            tx.remove_cascading(id(rule)).unwrap();
            paths::free_lost(tx, &in_doubt).unwrap();
        });
        assert_eq!(world.step("free lic"), left, "without {rule}");
    }
}

/// A rule is written at once for however many members: it changes itself, and nothing at them.
#[test]
fn a_rule_costs_the_same_however_many_members_there_are() {
    let mut world = World::new("part ent crew");
    let many: String = (0..500)
        .map(|member| format!("Profile m{member}\nMembership m{member} crew\n"))
        .collect();
    world.tell(&many);
    let ruling = Ruling {
        item: id("editor"),
        quota: Some(Some(2)),
        external: Some(true),
    };
    let changes = world.commit(|tx| {
        allocate::rules(tx, id("acme"), id("crew"), &[ruling]).expect("a rule");
        tx.changes().len()
    });
    assert_eq!(changes, 3, "the rule, its group and its item");
    assert_eq!(world.step("m499 editor"), "new lic 900");
}
