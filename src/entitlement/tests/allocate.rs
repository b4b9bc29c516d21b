//! Direct allocations and the rules of groups (`doors.md` A.7), in the world of ACME.

use super::*;
use crate::entitlement::allocate::{self, Ruling};
use crate::entitlement::paths;

const RULED: &str = "part ent crew
    AllocationRule rule < crew editor";

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
        let done = allocate::direct(tx, id("acme"), &users, &items, false);
        if done.is_err() {
            tx.rollback_to(before);
        }
        done
    });
    done.map_or_else(|no| no.why.code().to_owned(), |()| String::new())
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

#[test]
fn whoever_leaves_a_group_keeps_what_another_one_gives() {
    let mut world = World::new(&format!(
        "{RULED}
         ProfileGroup team name=Team < acme
         Membership ann team
         AllocationRule other < team editor"
    ));
    let leave = |world: &mut World, who: &str, group: &str| {
        let (who, group) = (id(who), id(group));
        world.commit(|tx| {
            let in_doubt = paths::reservations(tx.graph().find(group).unwrap(), Some(who));
            let rel = crate::model::schema::known(RelationType::Membership, Kind::Profile, Kind::ProfileGroup);
            tx.unrelate(rel, who, group).unwrap();
            paths::free_lost(tx, &in_doubt).unwrap();
        });
    };
    assert_eq!(world.step("ann editor"), "new lic 900");
    assert_eq!(world.step("bob editor"), "new lic 900");
    leave(&mut world, "ann", "crew");
    leave(&mut world, "bob", "crew");
    world.now = 900;
    assert_eq!(world.step("free lic"), "1 of 2");
    let usage = |world: &World, rule: &str| {
        let rule = world.graph.find(id(rule)).unwrap();
        crate::entitlement::ruled::usage(rule, world.time())
    };
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
fn what_outlives_its_rule_ends_with_the_next_one() {
    let mut world = World::new(&format!(
        "{RULED}
         ProfileGroup team name=Team < acme
         Membership ann team
         AllocationRule other < team editor"
    ));
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
