//! Leases: their terms (`licensing.md` 2.4), their renewal (1.6), and how they are given back (1.5).

use super::*;

const TIMES: &str = "LeaseTimeBehavior times leaseTimeCache=60000 leaseTimeCheckOut=600000 cooldownTime=30000 < model";

#[test]
fn a_term_is_the_shortest_of_all_that_bound_it() {
    check(
        TIMES,
        &[
            ("? ann editor", "yes lic 60"),
            ("? ann editor mode=checkout", "yes lic 600"),
            ("? ann editor seconds=10", "yes lic 10"),
            ("? ann editor seconds=61", "yes lic 60"),
            ("? ann editor seconds=18446744073709551", "yes lic 60"),
            ("set lic validUntil=50", ""),
            ("? ann editor", "yes lic 50"),
            ("set credit validUntil=40", ""),
            ("? ann editor", "yes lic 40"),
            ("Assignment seat validUntil=30 < lic ann", ""),
            ("? ann editor", "yes lic 30"),
            ("? bob editor", "yes lic 40"),
        ],
    );
    // Which credit a lease rests on: as many leases as seats that stay.
    check(
        "SeatCountCredit short seatCount=1 validUntil=100 active=true < lic
         set credit seatCount=1",
        &[
            ("ann editor", "new lic 900"),
            ("bob editor", "new lic 100"),
            // Whoever goes on rests where it rested.
            ("ann editor", "renewed lic 900"),
            ("bob editor", "renewed lic 100"),
            ("? cid editor", "noSeatsAvailable"),
            ("at 100", ""),
            ("free lic", "1 of 1"),
            ("cid editor", "noSeatsAvailable"),
        ],
    );
    // A lease that ends before the short credit leaves the long one to another.
    check(
        "SeatCountCredit short seatCount=1 validUntil=100 active=true < lic
         set credit seatCount=1",
        &[
            ("ann editor seconds=50", "new lic 50"),
            ("bob editor", "new lic 900"),
            ("ann editor", "renewed lic 100"),
            ("at 100", ""),
            ("ann editor", "noSeatsAvailable"),
            ("bob editor", "renewed lic 1000"),
        ],
    );
    check(
        "LeaseTimeBehavior times leaseTimeCache=0 leaseTimeCheckOut=0 < model",
        &[("ann editor", "new lic 0"), ("free lic", "0 of 2")],
    );
    check(
        "LeaseTimeBehavior times leaseTimeCache=9223372036854775807 < model",
        &[("ann editor", "new lic 3155760000")],
    );
}

#[test]
fn the_same_is_renewed_and_needs_no_second_seat() {
    check(
        &format!("{TIMES}\nset credit seatCount=1"),
        &[
            ("ann editor hw=a", "new lic 60"),
            ("at 30", ""),
            ("ann editor hw=a", "renewed lic 90"),
            // The newest request sets the term and the mode.
            ("ann editor hw=a seconds=5", "renewed lic 35"),
            ("ann editor hw=a mode=checkout", "renewed lic 630"),
            ("bob editor", "noSeatsAvailable"),
            ("ann editor hw=a lease=ann:editor:a", "renewed lic 90"),
            ("ann editor lease=ann:editor:a", "renewed lic 90"),
            ("bob editor lease=ann:editor:a", "noConsumptionFoundById"),
            // One's own of another device is as if it had not been named.
            ("ann editor hw=b lease=ann:editor:a", "new lic 90"),
            ("ann editor hw=b lease=ann:editor:a", "renewed lic 90"),
            ("ann editor hw=c lease=unknown", "new lic 90"),
            ("at 90", ""),
            // One that has ended is nobody's: a new one takes its place.
            ("bob editor lease=ann:editor:a", "new lic 150"),
            ("ann editor lease=ann:editor:a", "noSeatsAvailable"),
        ],
    );
    check(
        "LicensedItem suite name=suite
         Includes suite editor
         License lic2 validFrom=0 active=true < ent suite
         SeatCountCredit credit2 seatCount=1 active=true < lic2",
        &[
            ("ann editor license=lic2", "new lic2 900"),
            ("bob suite lease=ann:editor:", "noConsumptionFoundById"),
            ("ann suite lease=ann:editor:", "new lic2 900"),
            // It goes on with its own license, or not at all.
            ("set lic2 active=false", ""),
            ("ann editor lease=ann:editor:", "licenseSuspended"),
            ("ann editor", "new lic 900"),
        ],
    );
    check(
        "",
        &[
            ("ann editor", "new lic 900"),
            ("part ann crew", ""),
            ("ann editor lease=ann:editor:", "notAuthorized"),
            ("free lic", "1 of 2"),
        ],
    );
}

#[test]
fn fewer_seats_are_given_back_as_a_release_would() {
    for (times, taken) in [
        ("cooldownTime=0", "1 of 3"),
        ("allowLeaseRelease=false", "3 of 3"),
        ("cooldownTime=30000", "3 of 3"),
    ] {
        let bob = if taken == "1 of 3" {
            "new lic 60"
        } else {
            "noSeatsAvailable"
        };
        check(
            &format!("LeaseTimeBehavior times leaseTimeCache=60000 {times} < model\nset credit seatCount=3"),
            &[
                ("ann editor count=3", "new lic 60"),
                ("ann editor count=1", "renewed lic 60"),
                ("free lic", taken),
                ("bob editor", bob),
                // More can be had where there are more.
                ("set credit seatCount=5", ""),
                ("ann editor count=4", "renewed lic 60"),
                ("at 60", ""),
                ("free lic", "0 of 5"),
            ],
        );
    }
}

#[test]
fn what_a_renewal_adds_lasts_as_long_as_it_is_kept() {
    let world = |times: &str| {
        format!(
            "LeaseTimeBehavior times leaseTimeCache=60000 {times} < model
             set credit seatCount=2
             SeatCountCredit short seatCount=1 validUntil=6 active=true < lic"
        )
    };
    for times in ["allowLeaseRelease=false", "cooldownTime=30000"] {
        check(
            &world(times),
            &[
                ("ann editor", "new lic 60"),
                ("bob editor", "new lic 60"),
                // The third seat is there for 6 seconds, and could not be given back by then.
                ("ann editor count=2 seconds=1", "noSeatsAvailable"),
                ("ann editor count=2", "noSeatsAvailable"),
                ("free lic", "2 of 3"),
                // Of those it has a short renewal gives none back, and asks for none.
                ("ann editor seconds=1", "renewed lic 1"),
                ("at 6", ""),
                ("free lic", "2 of 2"),
            ],
        );
    }
    check(
        &world("cooldownTime=3000"),
        &[
            ("ann editor", "new lic 60"),
            ("bob editor", "new lic 60"),
            // It is kept for 3 seconds at least, and the seat is there for 6.
            ("ann editor count=2 seconds=1", "renewed lic 1"),
            ("ann editor count=2", "renewed lic 6"),
            ("at 6", ""),
            ("free lic", "1 of 2"),
        ],
    );
    check(
        &world("cooldownTime=0"),
        &[
            ("ann editor", "new lic 60"),
            ("bob editor", "new lic 60"),
            ("ann editor count=2 seconds=1", "renewed lic 1"),
            ("ann editor count=2", "renewed lic 6"),
            ("at 6", ""),
            ("free lic", "1 of 2"),
        ],
    );
}

#[test]
fn an_assignment_that_begins_later_ends_a_lease_as_well() {
    check(
        "Assignment seat validFrom=20 validUntil=60 < lic ann
         Assignment over validUntil=5 < lic bob",
        &[
            ("ann editor", "new lic 60"),
            ("ann editor hw=a seconds=10", "new lic 10"),
            ("at 30", ""),
            ("ann editor", "renewed lic 60"),
            // One that is over ends none that is granted for other reasons.
            ("bob editor", "new lic 930"),
        ],
    );
    // When a denial ends, nothing is denied any more.
    check(
        "Assignment no reservationType=denied validFrom=20 validUntil=60 < lic ann",
        &[
            ("ann editor", "new lic 900"),
            ("at 20", ""),
            ("ann editor", "consumptionDenied"),
        ],
    );
}

/// Another organization that sells the editor to the same crew, and another license of ACME's.
const OTHERS: &str = "
    Organization rival name=Rival
    Entitlement far < rival
    LicenseConsumerRelation far crew
    License rlic validFrom=0 active=true < far editor
    SeatCountCredit rcredit seatCount=1 active=true < rlic
    LicenseModel counted name=counted
    UseCountConstraint limit < counted
    License clic validFrom=0 active=true < ent editor counted
    UseCountCredit uses useCount=0 active=true < clic
    set credit seatCount=1
";

#[test]
fn a_lease_goes_on_by_its_own_license_and_no_other() {
    check(
        OTHERS,
        &[
            ("ann editor hw=r license=rlic", "new rlic 900"),
            // Not by the rules of another one, whatever that would grant.
            ("ann editor license=lic lease=ann:editor:r", "noConsumptionFoundById"),
            ("ann editor license=clic lease=ann:editor:r", "noConsumptionFoundById"),
            ("ann editor license=rlic lease=ann:editor:r", "renewed rlic 900"),
            ("set rlic active=false", ""),
            ("ann editor license=lic lease=ann:editor:r", "noConsumptionFoundById"),
            ("ann editor lease=ann:editor:r", "licenseSuspended"),
            ("free lic", "0 of 1"),
            ("free rlic", "1 of 1"),
            ("bob editor license=lic", "new lic 900"),
            ("ann editor license=lic lease=ann:editor:r", "noConsumptionFoundById"),
            ("free lic", "1 of 1"),
        ],
    );
    // One of another organization is not there for a token that is bound to this one.
    check(
        OTHERS,
        &[
            ("ann editor hw=r license=rlic", "new rlic 900"),
            ("ann editor within=acme license=lic lease=ann:editor:r", "new lic 900"),
            ("ann editor within=acme lease=ann:editor:r", "renewed lic 900"),
            (
                "bob editor within=acme license=lic lease=ann:editor:r",
                "noSeatsAvailable",
            ),
            ("ann editor within=rival lease=ann:editor:r", "renewed rlic 900"),
            ("free lic", "1 of 1"),
        ],
    );
    // Uses that were not paid for are none.
    check(
        OTHERS,
        &[
            ("ann editor hw=a license=lic", "new lic 900"),
            ("at 10", ""),
            ("ann editor license=clic lease=ann:editor:a", "noConsumptionFoundById"),
            ("at 900", ""),
            ("bob editor license=lic", "new lic 1800"),
        ],
    );
    let mut world = World::new(OTHERS);
    assert_eq!(world.step("ann editor license=rlic"), "new rlic 900");
    let decided = decision::decide(&world.graph, id("ann"), "editor", &Wanted::default(), world.time());
    let Decision::Granted(granted) = decided else {
        panic!("{decided:?}")
    };
    let of_another = decision::Granted {
        license: id("lic"),
        ..granted
    };
    assert!(granted.renews.is_some() && consume::renews_its_own(&world.graph, &granted));
    assert!(!consume::renews_its_own(&world.graph, &of_another));
}

#[test]
fn the_lease_there_is_goes_on_before_a_better_license_is_taken() {
    check(
        "License lic2 validFrom=0 active=true < ent editor
         SeatCountCredit credit2 seatCount=1 active=true < lic2",
        &[
            ("ann editor hw=a license=lic2", "new lic2 900"),
            ("Assignment seat reservationType=reserved < lic ann", ""),
            ("ann editor hw=a", "renewed lic2 900"),
            // Another device is another lease, by the better license.
            ("ann editor hw=b", "new lic 900"),
            ("set lic2 active=false", ""),
            ("ann editor hw=a", "new lic 900"),
        ],
    );
}

#[test]
fn a_short_renewal_gives_nothing_back_that_a_release_would_not() {
    let short = |times: &str, steps: &[(&str, &str)]| {
        check(&format!("{TIMES}\nset credit seatCount=1\nset times {times}"), steps);
    };
    short(
        "allowLeaseRelease=false",
        &[
            ("ann editor", "new lic 60"),
            ("ann editor seconds=1", "renewed lic 1"),
            ("at 59", ""),
            ("bob editor", "noSeatsAvailable"),
            ("at 60", ""),
            ("bob editor", "new lic 120"),
        ],
    );
    short(
        "cooldownTime=30000",
        &[
            ("ann editor", "new lic 60"),
            ("ann editor seconds=1", "renewed lic 1"),
            ("at 29", ""),
            ("bob editor", "noSeatsAvailable"),
            ("at 30", ""),
            ("bob editor", "new lic 90"),
            ("at 80", ""),
            // Not beyond the end it had.
            ("bob editor seconds=1", "renewed lic 81"),
            ("at 89", ""),
            ("ann editor", "noSeatsAvailable"),
            ("at 90", ""),
            ("ann editor", "new lic 150"),
        ],
    );
    short(
        "cooldownTime=0",
        &[
            ("ann editor", "new lic 60"),
            ("ann editor seconds=1", "renewed lic 1"),
            ("at 1", ""),
            ("bob editor", "new lic 61"),
        ],
    );
}

#[test]
fn a_lease_is_given_back_once_and_cools_down() {
    check(
        &format!("{TIMES}\nset credit seatCount=1"),
        &[
            ("ann editor", "new lic 60"),
            ("release ann:editor: by bob", "noConsumptionFoundById"),
            ("at 10", ""),
            ("release ann:editor: by ann", "released until 40"),
            ("release ann:editor: by ann", "noConsumptionFoundById"),
            ("free lic", "1 of 1"),
            ("bob editor", "noSeatsAvailable"),
            ("at 40", ""),
            ("free lic", "0 of 1"),
            ("bob editor", "new lic 100"),
            ("expire", "1"),
            ("release ann:nothing by ann", "noConsumptionFoundById"),
        ],
    );
    // Whoever cools down has the seat still, and may use it.
    check(
        &format!("{TIMES}\nset credit seatCount=1"),
        &[
            ("ann editor", "new lic 60"),
            ("release ann:editor: by ann", "released until 30"),
            ("ann editor", "new lic 60"),
            ("free lic", "1 of 1"),
        ],
    );
    check(
        &format!("{TIMES}\nset times allowLeaseRelease=false"),
        &[
            ("ann editor", "new lic 60"),
            ("release ann:editor: by ann", "releaseNotAllowed"),
            ("free lic", "1 of 2"),
            // An administrator may, and at once.
            ("release ann:editor: by force", "released until 0"),
            ("free lic", "0 of 2"),
        ],
    );
    check(
        "",
        &[
            ("ann editor", "new lic 900"),
            ("at 900", ""),
            ("release ann:editor: by ann", "noConsumptionFoundById"),
        ],
    );
}

#[test]
fn a_clock_that_steps_back_revives_nothing_that_was_tidied() {
    check(
        "set credit seatCount=1",
        &[
            ("ann editor", "new lic 900"),
            ("at 900", ""),
            ("expire", "1"),
            ("at 100", ""),
            ("free lic", "0 of 1"),
            ("bob editor", "new lic 1000"),
            ("ann editor", "noSeatsAvailable"),
        ],
    );
}

#[test]
fn what_has_ended_is_tidied_in_order_and_in_parts() {
    let mut world = World::new("set credit seatCount=none");
    for (at, who) in [(0, "ann"), (10, "bob"), (20, "cid")] {
        world.now = at;
        assert_eq!(world.step(&format!("{who} editor")), format!("new lic {}", at + 900));
    }
    world.now = 915;
    assert_eq!(consume::first_expired(&world.graph, world.time()), Some(Time(900_000)));
    let first = world.commit(|tx| consume::expire(tx, 1)).expect("no violation");
    assert_eq!(first.len(), 1);
    assert_eq!(world.step("expire"), "1");
    assert_eq!(world.step("expire"), "0");
    assert_eq!(world.step("free lic"), "1 of any");
}

#[test]
fn a_refresh_comes_before_the_end() {
    for (times, expected) in [
        ("1000000 refreshTimeCache=400000", 400_000),
        ("1000000 refreshTimeCache=1000000", 750_000),
    ] {
        let world = World::new(&format!("LeaseTimeBehavior times leaseTimeCache={times} < model"));
        let decision = decision::decide(&world.graph, id("ann"), "editor", &Wanted::default(), world.time());
        assert!(
            matches!(decision, Decision::Granted(granted) if granted.refresh == Time(expected)),
            "{times}: {decision:?}"
        );
    }
}
