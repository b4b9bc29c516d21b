//! Each row of `licensing.md` 2.6: the rule that says no, and what makes it say yes.

use super::*;
use crate::entitlement::amend;
use crate::entitlement::raised::Raised;

#[test]
fn validity_and_suspension() {
    check("", &[("ann editor", "new lic 900"), ("zed editor", "notAuthorized")]);
    check(
        "",
        &[("ann viewer", "notAuthorized"), ("? nobody editor", "notAuthorized")],
    );
    check("set lic validFrom=none", &[("ann editor", "licenseNotYetValid")]);
    check(
        "set lic validFrom=10 validUntil=20",
        &[
            ("at 9", ""),
            ("ann editor", "licenseNotYetValid"),
            ("at 10", ""),
            ("ann editor", "new lic 20"),
            ("at 19", ""),
            ("ann editor", "renewed lic 20"),
            ("at 20", ""),
            ("ann editor", "licenseExpired"),
        ],
    );
    check("set lic active=false", &[("ann editor", "licenseSuspended")]);
    check("set lic active=none", &[("ann editor", "licenseSuspended")]);
    check(
        "",
        &[
            ("ann editor", "new lic 900"),
            ("set lic active=false", ""),
            ("ann editor", "licenseSuspended"),
            // Whoever is out stays out until the end of the lease, and then there is none.
            ("free lic", "1 of 2"),
        ],
    );
}

#[test]
fn a_denied_consumer() {
    check(
        "Assignment deny reservationType=denied < lic ann",
        &[("ann editor", "consumptionDenied"), ("bob editor", "new lic 900")],
    );
    check(
        "Assignment deny reservationType=denied validUntil=10 < lic ann",
        &[
            ("ann editor", "consumptionDenied"),
            ("at 10", ""),
            // One that has ended counts as none.
            ("ann editor", "new lic 910"),
            ("ann editor", "renewed lic 910"),
        ],
    );
    check(
        "Assignment deny reservationType=denied validFrom=10 < lic ann",
        &[
            ("ann editor", "new lic 900"),
            ("at 10", ""),
            ("ann editor", "consumptionDenied"),
        ],
    );
}

#[test]
fn named_seats() {
    check(
        "AssignedLicenseConstraint named < model",
        &[("ann editor", "assignmentRequired"), ("free lic", "0 of 2")],
    );
    check(
        "AssignedLicenseConstraint named < model
         Assignment seat reservationType=reserved < lic ann",
        &[
            ("ann editor", "new lic 900"),
            ("free lic", "1 of 2"),
            ("bob editor", "assignmentRequired"),
        ],
    );
    // A rule of a group reserves by the first use, whatever other way there is.
    check(
        "AssignedLicenseConstraint named < model
         AllocationRule rule < crew editor
         ProfileGroup staff type=employees < acme
         Membership zed staff
         LicenseConsumerRelation ent staff",
        &[
            ("? ann editor", "yes lic 900"),
            ("ann editor", "new lic 900"),
            ("free lic", "1 of 2"),
            ("zed editor", "assignmentRequired"),
            ("at 900", ""),
            ("ann editor", "new lic 1800"),
            ("free lic", "1 of 2"),
        ],
    );
    // The first use reserves, for as many as may be, and for good.
    check(
        "AssignedLicenseConstraint named autoAssign=true maxAssignments=1 < model",
        &[
            ("ann editor", "new lic 900"),
            ("bob editor", "assignmentRequired"),
            ("at 5000", ""),
            ("free lic", "1 of 2"),
            ("bob editor", "assignmentRequired"),
            ("ann editor", "new lic 5900"),
        ],
    );
    check(
        "AssignedLicenseConstraint named autoAssign=true < model",
        &[
            ("ann editor", "new lic 900"),
            ("bob editor", "new lic 900"),
            ("at 5000", ""),
            ("cid editor", "noSeatsAvailable"),
            ("free lic", "2 of 2"),
        ],
    );
    // What is kept without a seat is not turned into a rule's, and is not told of as usable.
    let kept = "AssignedLicenseConstraint named < model
         AllocationRule rule < crew editor
         Assignment off active=false < lic ann";
    check(
        kept,
        &[("? ann editor", "consumptionDenied"), ("? bob editor", "yes lic 900")],
    );
    let world = World::new(kept);
    for (who, expected) in [("ann", false), ("bob", true)] {
        let find = |name: &str| world.graph.find(id(name)).expect("an end");
        assert_eq!(
            decision::may_use(find("lic"), find(who), world.time()),
            expected,
            "{who}"
        );
    }
    // A denial that is to come is not turned into a reservation.
    check(
        "AssignedLicenseConstraint named autoAssign=true < model
         Assignment deny reservationType=denied validFrom=10 validUntil=20 < lic ann",
        &[
            ("ann editor", "assignmentRequired"),
            ("at 10", ""),
            ("ann editor", "consumptionDenied"),
            ("free lic", "0 of 2"),
            ("at 20", ""),
            ("ann editor", "new lic 920"),
        ],
    );
    // A floating lease that was there becomes the reservation.
    check(
        "",
        &[
            ("ann editor", "new lic 900"),
            ("AssignedLicenseConstraint named autoAssign=true < model", ""),
            ("ann editor", "renewed lic 900"),
            ("at 5000", ""),
            ("free lic", "1 of 2"),
        ],
    );
}

#[test]
fn a_model_that_contradicts_itself() {
    for lines in [
        "SeatCountConstraint a < model\nUseCountConstraint b < model",
        "UseCountConstraint a < model\nAggregateUseConstraint b < model",
        "UtilizationConstraint a maxOverusePercent=1 maxOveruseCount=1 < model",
        "ConcurrentSessions a sessionAnchors=nonsense < model",
    ] {
        check(lines, &[("ann editor", "invalidLicenseModel"), ("free lic", "0 of 2")]);
    }
}

#[test]
fn versions() {
    check(
        "VersionConstraint v minVersion=2.0 maxVersion=2.9 < model",
        &[
            ("ann editor", "versionNotAllowed"),
            ("ann editor version=1.9", "versionNotAllowed"),
            ("ann editor version=2.10", "versionNotAllowed"),
            ("ann editor version=2.9", "new lic 900"),
        ],
    );
    check(
        "VersionConstraint v pattern=3[.].* < model",
        &[
            ("ann editor version=2.3.1", "versionNotAllowed"),
            ("ann editor version=3.1", "new lic 900"),
        ],
    );
}

#[test]
fn trials() {
    let other = "
        ConsumptionLockConstraint lock < model
        LicensedItem viewer name=viewer
        License lic2 validFrom=0 active=true < ent editor model
        SeatCountCredit credit2 seatCount=9 active=true < lic2
        License lic3 validFrom=0 active=true < ent viewer model
        SeatCountCredit credit3 seatCount=9 active=true < lic3
        ProductPackage pack title=Pack
        ManyToMany pack editor
        ManyToMany pack viewer
    ";
    check(
        other,
        &[
            ("ann editor", "hardwareIdRequired"),
            ("ann editor license=lic hw=a", "new lic 900"),
            ("ann editor license=lic hw=a", "renewed lic 900"),
            ("ann editor license=lic lease=ann:editor:a", "renewed lic 900"),
            ("release ann:editor:a by ann", "released until 0"),
            // Its own trial goes on, another one does not begin on this device, for nobody.
            ("ann editor license=lic hw=a", "new lic 900"),
            ("bob editor license=lic2 hw=a", "consumptionLocked"),
            ("bob editor license=lic2 hw=b", "new lic2 900"),
            ("bob viewer hw=a", "new lic3 900"),
            ("set lic2 lockScope=None", ""),
            ("cid editor license=lic2 hw=a", "new lic2 900"),
            ("set lic3 lockScope=ProductPackage", ""),
            ("cid viewer hw=b", "consumptionLocked"),
            ("part pack viewer", ""),
            ("cid viewer hw=b", "new lic3 900"),
            // The memory outlives the license.
            ("end lic", ""),
            ("set lic2 lockScope=LicensedItem", ""),
            ("cid editor license=lic2 hw=a", "consumptionLocked"),
        ],
    );
    // A renewal that names no device has used the trial on the one it has.
    check(
        "License lic2 validFrom=0 active=true < ent editor model
         SeatCountCredit credit2 seatCount=9 active=true < lic2",
        &[
            ("ann editor license=lic hw=a", "new lic 900"),
            ("ConsumptionLockConstraint lock < model", ""),
            ("ann editor license=lic lease=ann:editor:a", "renewed lic 900"),
            ("bob editor license=lic2 hw=a", "consumptionLocked"),
            ("bob editor license=lic2 hw=b", "new lic2 900"),
        ],
    );
}

#[test]
fn scopes() {
    check(
        "ScopedLicenseConstraint scoped scopeType=region < model
         LicenseScope s1 type=region value=eu < lic
         LicenseScope s2 type=plan value=us < lic",
        &[
            ("ann editor", "scopeNotAllowed"),
            ("ann editor scope=us", "scopeNotAllowed"),
            ("ann editor scope=eu", "new lic 900"),
        ],
    );
    // Without a type any scope will do, but one has to be named.
    check(
        "ScopedLicenseConstraint scoped < model
         LicenseScope s1 type=region value=eu < lic
         LicenseScope s2 value=us < lic",
        &[
            ("ann editor", "scopeNotAllowed"),
            ("ann editor scope=de", "scopeNotAllowed"),
            ("ann editor scope=eu", "new lic 900"),
            ("ann editor scope=us", "renewed lic 900"),
        ],
    );
    check("", &[("ann editor scope=eu", "scopeNotAllowed")]);
    check(
        "LicenseScope s1 type=region value=eu < lic",
        &[("ann editor scope=eu", "new lic 900")],
    );
}

#[test]
fn devices_and_processes_on_a_seat() {
    check(
        "",
        &[
            ("ann editor hw=a", "new lic 900"),
            ("ann editor hw=b", "new lic 900"),
            ("ann editor hw=c", "new lic 900"),
            ("free lic", "1 of 2"),
        ],
    );
    check(
        "ConcurrentSessions cs sessionAnchors=[{\"type\":\"hw\",\"maxCount\":1}] < model",
        &[
            ("ann editor hw=a", "new lic 900"),
            ("ann editor hw=a process=1", "new lic 900"),
            ("ann editor hw=b", "concurrentSessionLimit"),
            // No device is one too.
            ("ann editor", "concurrentSessionLimit"),
            // Two seats have room for two devices.
            ("ann editor hw=b count=2", "new lic 900"),
            ("bob editor hw=b", "noSeatsAvailable"),
            ("at 900", ""),
            ("bob editor hw=b", "new lic 1800"),
            ("ann editor hw=b", "new lic 1800"),
        ],
    );
    // A device that needs another's seats holds them as well, whether that one is released or ends.
    for (gone, at) in [("release ann:editor:a by ann", "at 0"), ("expire", "at 450")] {
        check(
            "ConcurrentSessions cs sessionAnchors=[{\"type\":\"hw\",\"maxCount\":1}] < model\nset credit seatCount=3",
            &[
                ("ann editor hw=a count=3 seconds=400", "new lic 400"),
                ("ann editor hw=b", "new lic 900"),
                ("ann editor hw=c", "new lic 900"),
                (at, ""),
                (gone, if gone == "expire" { "1" } else { "released until 0" }),
                ("free lic", "3 of 3"),
                ("bob editor hw=d", "noSeatsAvailable"),
                (
                    "ann editor hw=d",
                    if gone == "expire" {
                        "new lic 1350"
                    } else {
                        "new lic 900"
                    },
                ),
                ("ann editor hw=e", "concurrentSessionLimit"),
            ],
        );
    }
    // Whoever goes on and asks for nothing needs no more than it had, though another device came since: neither its end
    // nor its answer is that of the seats that are there for the other one.
    for (times, asks) in [
        ("allowLeaseRelease=false", "ann editor hw=a"),
        ("allowLeaseRelease=false", "ann editor hw=a count=1"),
        ("allowLeaseRelease=true", "ann editor hw=a"),
        ("allowLeaseRelease=true", "ann editor hw=a count=1"),
    ] {
        check(
            &format!(
                "ConcurrentSessions cs sessionAnchors=[{{\"type\":\"hw\",\"maxCount\":1}}] < model
                 LeaseTimeBehavior times leaseTimeCache=900000 {times} < model
                 set credit seatCount=1
                 SeatCountCredit short seatCount=1 validUntil=100 active=true < lic"
            ),
            &[
                (asks, "new lic 900"),
                ("ann editor hw=b count=2", "new lic 100"),
                ("at 10", ""),
                (asks, "renewed lic 910"),
                ("free lic", "2 of 2"),
                ("bob editor", "noSeatsAvailable"),
                ("at 100", ""),
                ("free lic", "1 of 1"),
                ("ann editor hw=b", "concurrentSessionLimit"),
                ("ann editor hw=a", "renewed lic 1000"),
            ],
        );
    }
    // A count that is not charged is no room for devices.
    for unbounded in [
        "set credit seatCount=none",
        "UseCountConstraint limit < model\nUseCountCredit uses useCount=9 active=true < lic",
        "UseCountConstraint limit trackingMode=TRACK_BY_CLIENT_DECLARATION < model
         UseCountCredit uses useCount=9 active=true < lic",
        "AggregateUseConstraint limit < model\nUseTimeCredit time useTime=9000000 active=true < lic",
    ] {
        check(
            &format!("ConcurrentSessions cs sessionAnchors=[{{\"type\":\"hw\",\"maxCount\":1}}] < model\n{unbounded}"),
            &[
                ("ann editor hw=a count=5", "new lic 900"),
                ("ann editor hw=b count=5", "concurrentSessionLimit"),
                ("ann editor hw=a", "renewed lic 900"),
            ],
        );
    }
    check(
        "ConcurrentSessions cs sessionAnchors=[{\"type\":\"hw\",\"maxCount\":1}] < model
         SeatCountConstraint seats seatsPerUser=2 < model
         set credit seatCount=none",
        &[
            ("ann editor hw=a", "new lic 900"),
            ("ann editor hw=b count=2", "new lic 900"),
            ("ann editor hw=c count=3", "noSeatsAvailable"),
            // With the seat goes its room.
            ("ann editor hw=b count=1", "concurrentSessionLimit"),
        ],
    );
    check(
        "ConcurrentSessions cs sessionAnchors=[{\"type\":\"process\",\"maxCount\":2}] < model",
        &[
            ("ann editor process=1", "new lic 900"),
            ("ann editor process=2", "new lic 900"),
            ("ann editor process=1", "renewed lic 900"),
            ("ann editor process=3", "concurrentSessionLimit"),
            ("release ann:editor: by ann", "released until 0"),
            ("ann editor process=3", "new lic 900"),
        ],
    );
}

#[test]
fn seats() {
    check(
        "",
        &[
            ("ann editor", "new lic 900"),
            ("bob editor", "new lic 900"),
            ("cid editor", "noSeatsAvailable"),
            ("at 899", ""),
            ("cid editor", "noSeatsAvailable"),
            // Past their term they are gone, whether or not somebody tidied.
            ("at 900", ""),
            ("free lic", "0 of 2"),
            ("cid editor", "new lic 1800"),
            ("expire", "2"),
            ("free lic", "1 of 2"),
        ],
    );
    check(
        "set credit seatCount=none",
        &[("ann editor count=4000000000", "new lic 900")],
    );
    check("set credit active=false", &[("ann editor", "noSeatsAvailable")]);
    check("set credit validFrom=10", &[("ann editor", "noSeatsAvailable")]);
    check("end credit", &[("ann editor", "noSeatsAvailable")]);
    check(
        "set credit seatCount=5",
        &[
            ("ann editor count=3", "new lic 900"),
            ("bob editor count=3", "noSeatsAvailable"),
            ("bob editor count=2", "new lic 900"),
            ("free lic", "5 of 5"),
            ("ann editor count=1", "renewed lic 900"),
            ("free lic", "3 of 5"),
            ("ann editor count=4", "noSeatsAvailable"),
            ("ann editor", "renewed lic 900"),
        ],
    );
    check(
        "set credit seatCount=5\nSeatCountConstraint seats seatsPerUser=2 < model",
        &[
            ("ann editor count=3", "noSeatsAvailable"),
            ("ann editor count=2", "new lic 900"),
        ],
    );
    // A cap that was lowered is kept by whoever asks for less.
    check(
        "set credit seatCount=5\nSeatCountConstraint seats seatsPerUser=3 < model",
        &[
            ("ann editor count=3", "new lic 900"),
            ("set seats seatsPerUser=2", ""),
            ("ann editor", "noSeatsAvailable"),
            ("ann editor count=2", "renewed lic 900"),
            ("free lic", "2 of 5"),
            ("ann editor hw=b count=2", "new lic 900"),
            ("set seats seatsPerUser=1", ""),
            // The other lease holds two.
            ("ann editor hw=b count=1", "noSeatsAvailable"),
        ],
    );
    // A reservation takes a seat always, and its holder has it.
    check(
        "Assignment seat reservationType=reserved < lic ann
         set credit seatCount=1",
        &[
            ("bob editor", "noSeatsAvailable"),
            ("ann editor", "new lic 900"),
            ("free lic", "1 of 1"),
            ("set seat reservationType=none", ""),
            ("free lic", "1 of 1"),
            ("at 900", ""),
            ("bob editor", "new lic 1800"),
        ],
    );
    // A quota below what is in use: whoever is in goes on, nobody new comes in.
    check(
        "",
        &[
            ("ann editor", "new lic 900"),
            ("bob editor", "new lic 900"),
            ("set credit seatCount=1", ""),
            ("ann editor", "renewed lic 900"),
            ("cid editor", "noSeatsAvailable"),
            ("release ann:editor: by ann", "released until 0"),
            ("cid editor", "noSeatsAvailable"),
        ],
    );
    // Nor do more reservations than seats make more leases than seats: those who come first have them.
    let promised = "Assignment one reservationType=reserved < lic ann
         Assignment two reservationType=reserved < lic bob";
    check(
        promised,
        &[
            ("set credit seatCount=1", ""),
            ("ann editor", "new lic 900"),
            ("ann editor hw=b", "new lic 900"),
            ("bob editor", "noSeatsAvailable"),
            ("cid editor", "noSeatsAvailable"),
            ("at 900", ""),
            ("bob editor", "new lic 1800"),
            ("ann editor", "noSeatsAvailable"),
            ("bob editor", "renewed lic 1800"),
        ],
    );
    check(
        &format!("{promised}\nUtilizationConstraint over maxOveruseCount=1 < model"),
        &[
            ("set credit seatCount=1", ""),
            ("ann editor", "new lic 900"),
            ("bob editor", "new lic 900 over"),
            ("bob editor", "renewed lic 900 over"),
            ("ann editor", "renewed lic 900"),
            ("cid editor", "noSeatsAvailable"),
        ],
    );
    // A credit that ends takes its seat along, whoever it was reserved for.
    check(
        &format!(
            "{promised}\nset credit seatCount=1\nSeatCountCredit short seatCount=1 validUntil=100 active=true < lic"
        ),
        &[
            ("ann editor", "new lic 900"),
            ("bob editor", "new lic 100"),
            ("at 100", ""),
            ("bob editor", "noSeatsAvailable"),
            ("ann editor", "renewed lic 1000"),
        ],
    );
}

#[test]
fn over_use() {
    check(
        "UtilizationConstraint over maxOveruseCount=1 < model",
        &[
            ("ann editor", "new lic 900"),
            ("bob editor", "new lic 900"),
            ("cid editor", "new lic 900 over"),
            ("Profile dan", ""),
            ("Membership dan crew", ""),
            ("dan editor", "noSeatsAvailable"),
            // Whoever is within the seats is not above them because another is.
            ("ann editor", "renewed lic 900"),
            ("ann editor hw=b", "new lic 900"),
            ("cid editor", "renewed lic 900 over"),
            ("cid editor hw=b", "new lic 900 over"),
            ("release bob:editor: by bob", "released until 0"),
            ("cid editor", "renewed lic 900"),
        ],
    );
    // Nor is a reserved seat, that had been counted.
    check(
        "UtilizationConstraint over maxOveruseCount=1 < model
         Assignment seat reservationType=reserved < lic ann
         set credit seatCount=1",
        &[
            ("bob editor", "new lic 900 over"),
            ("ann editor", "new lic 900"),
            ("ann editor", "renewed lic 900"),
            ("bob editor", "renewed lic 900 over"),
        ],
    );
    // It passes with its lease; what the first use reserves stays, and needs a seat of its own.
    check(
        "UtilizationConstraint over maxOveruseCount=1 < model
         AssignedLicenseConstraint named autoAssign=true < model",
        &[
            ("ann editor", "new lic 900"),
            ("bob editor", "new lic 900"),
            ("cid editor", "noSeatsAvailable"),
        ],
    );
    // So does what a rule reserves, of a lease that goes on: by the rule only whoever is within the total keeps it.
    check(
        "UtilizationConstraint over maxOveruseCount=1 < model
         set credit seatCount=1",
        &[
            ("ann editor", "new lic 900"),
            ("bob editor", "new lic 900 over"),
            ("AllocationRule rule < crew editor", ""),
            ("bob editor", "renewed lic 900 over"),
            ("part ent crew", ""),
            ("bob editor", "noSeatsAvailable"),
            ("ann editor", "renewed lic 900"),
            ("bob editor", "noSeatsAvailable"),
            ("at 900", ""),
            ("free lic", "1 of 1"),
            ("bob editor", "noSeatsAvailable"),
        ],
    );
    // Of several seats some may be within it, whoever else is above.
    check(
        "UtilizationConstraint over maxOveruseCount=3 < model",
        &[
            ("ann editor count=3", "new lic 900 over"),
            ("bob editor count=2", "new lic 900 over"),
            // As many as that are not above it.
            ("ann editor hw=b count=2", "new lic 900"),
            ("ann editor hw=c count=3", "new lic 900 over"),
            ("AllocationRule rule < crew editor", ""),
            ("part ent crew", ""),
            ("bob editor count=2", "noSeatsAvailable"),
            ("ann editor count=3", "renewed lic 900 over"),
            ("Profile dan", ""),
            ("Membership dan crew", ""),
            ("dan editor", "noSeatsAvailable"),
        ],
    );
    // Nobody was above it, and there are fewer seats by now.
    check(
        "",
        &[
            ("ann editor", "new lic 900"),
            ("bob editor", "new lic 900"),
            ("set credit seatCount=1", ""),
            ("AllocationRule rule < crew editor", ""),
            ("part ent crew", ""),
            ("ann editor", "renewed lic 900"),
            ("bob editor", "noSeatsAvailable"),
            ("at 900", ""),
            ("free lic", "1 of 1"),
        ],
    );
    check(
        "UtilizationConstraint over maxOverusePercent=50 < model",
        &[
            ("ann editor count=2", "new lic 900"),
            ("bob editor", "new lic 900 over"),
            ("cid editor", "noSeatsAvailable"),
        ],
    );
    check(
        "UtilizationConstraint over maxOverusePercent=49 < model",
        &[("ann editor count=3", "noSeatsAvailable")],
    );
}

#[test]
fn uses_and_use_time() {
    let counted = "
        UseCountConstraint limit < model
        UseCountCredit uses useCount=3 active=true < lic
    ";
    check(
        counted,
        &[
            ("ann editor", "new lic 900"),
            ("ann editor", "renewed lic 900"),
            ("release ann:editor: by ann", "released until 0"),
            // What was used is never given back.
            ("ann editor", "new lic 900"),
            ("bob editor", "new lic 900"),
            ("cid editor", "useCountExceeded"),
            ("bob editor", "renewed lic 900"),
        ],
    );
    check(
        &format!(
            "{counted}\nset limit trackingMode=TRACK_BY_CLIENT_DECLARATION\nUseCountCredit more useCount=2 validUntil=100 active=true < lic"
        ),
        &[
            ("ann editor count=4", "new lic 900"),
            // Uses are no seats.
            ("free lic", "1 of 2"),
            ("ann editor", "renewed lic 900"),
            ("ann editor count=2", "useCountExceeded"),
            // The one that ends first is spent first.
            ("at 100", ""),
            ("ann editor count=1", "renewed lic 1000"),
            ("ann editor count=1", "useCountExceeded"),
        ],
    );
    check(
        "UseCountConstraint limit < model",
        &[("ann editor", "useCountExceeded")],
    );
    let timed = "
        AggregateUseConstraint limit < model
        UseTimeCredit time useTime=1000000 active=true < lic
    ";
    check(
        timed,
        &[
            ("ann editor", "new lic 900"),
            ("at 50", ""),
            // What is left is given, and what was paid for is not paid again.
            ("ann editor", "renewed lic 950"),
            ("bob editor", "new lic 100"),
            ("cid editor", "useTimeExceeded"),
            ("ann editor", "renewed lic 950"),
            ("at 950", ""),
            ("ann editor", "useTimeExceeded"),
        ],
    );
    // No credit pays for what lies past its own end, and one that is used up keeps none going.
    check(
        &format!("{counted}\nset uses useCount=0\nUseCountCredit short useCount=5 validUntil=60 active=true < lic"),
        &[("ann editor", "new lic 60"), ("ann editor", "renewed lic 60")],
    );
    check(
        &format!("{timed}\nset time useTime=1\nUseTimeCredit short useTime=1000000 validUntil=60 active=true < lic"),
        &[("ann editor", "new lic 60"), ("bob editor", "new lic 60")],
    );
    check(
        &format!("{timed}\nUseTimeCredit short useTime=30000 validUntil=60 active=true < lic"),
        &[("ann editor", "new lic 900"), ("bob editor", "new lic 130")],
    );
    // A shorter term gives no use time back, and a longer one after it is not paid for twice.
    check(
        timed,
        &[
            ("ann editor", "new lic 900"),
            ("ann editor seconds=10", "renewed lic 10"),
            ("ann editor", "renewed lic 900"),
            ("at 20", ""),
            ("ann editor seconds=10", "renewed lic 30"),
            ("bob editor", "new lic 120"),
            ("cid editor", "useTimeExceeded"),
        ],
    );
}

#[test]
fn what_was_spent_counts_whatever_each_credit_gives() {
    let counted = "UseCountConstraint limit trackingMode=TRACK_BY_CLIENT_DECLARATION < model";
    let mut world = World::new(&format!(
        "{counted}
         UseCountCredit one useCount=10 active=true < lic
         UseCountCredit two useCount=10 active=true < lic"
    ));
    assert_eq!(world.step("ann editor count=8"), "new lic 900");
    // Lowered, raised, lowered below what was used, and raised: each time one use more than there is, and what there is.
    for (quota, more, left) in [(12, 5, 4), (13, 2, 1), (5, 1, 0), (14, 2, 1)] {
        world
            .commit(|tx| amend::quota(tx, id("lic"), quota, &mut Raised::default()))
            .expect("another quota");
        let told = world.step(&format!("ann editor count={more}"));
        assert_eq!(told, "useCountExceeded", "{more} of {quota}");
        if left > 0 {
            let told = world.step(&format!("ann editor count={left}"));
            assert_eq!(told, "renewed lic 900", "{left} of {quota}");
        }
    }
    let timed = "
        AggregateUseConstraint limit < model
        UseTimeCredit one useTime=600000 active=true < lic
        UseTimeCredit two useTime=600000 active=true < lic
    ";
    let mut world = World::new(timed);
    assert_eq!(world.step("ann editor seconds=500"), "new lic 500");
    world
        .commit(|tx| amend::use_time(tx, id("lic"), 700_000, amend::Increment::Fair))
        .expect("another limit");
    assert_eq!(world.step("bob editor"), "new lic 200");
    assert_eq!(world.step("cid editor"), "useTimeExceeded");
    // More goes first to what is overdrawn, so that nothing is owed when that ends.
    let mut world = World::new(&format!(
        "{counted}
         UseCountCredit one useCount=10 active=true < lic
         UseCountCredit two useCount=10 validUntil=100 active=true < lic"
    ));
    assert_eq!(world.step("ann editor count=8"), "new lic 100");
    for quota in [5, 15] {
        world
            .commit(|tx| amend::quota(tx, id("lic"), quota, &mut Raised::default()))
            .expect("another quota");
    }
    assert_eq!(world.step("bob editor count=7"), "new lic 900");
    assert_eq!(world.step("at 100"), "");
    assert_eq!(world.step("cid editor count=1"), "useCountExceeded");
    // What one is overdrawn by the others give.
    check(
        &format!(
            "{counted}
             UseCountCredit one useCount=2 useCountConsumed=8 active=true < lic
             UseCountCredit two useCount=10 validUntil=100 active=true < lic"
        ),
        &[
            ("ann editor count=5", "useCountExceeded"),
            ("ann editor count=4", "new lic 100"),
            ("ann editor count=1", "useCountExceeded"),
            ("ann editor", "renewed lic 900"),
        ],
    );
    check(
        "AggregateUseConstraint limit < model
         UseTimeCredit one useTime=1000 useTimeConsumed=401000 active=true < lic
         UseTimeCredit two useTime=1000000 active=true < lic",
        &[("ann editor", "new lic 600"), ("bob editor", "useTimeExceeded")],
    );
}

#[test]
fn extension() {
    check(
        "LeaseTimeBehavior times allowLeaseExtension=false < model",
        &[
            ("ann editor", "new lic 900"),
            ("ann editor", "extensionNotAllowed"),
            ("at 900", ""),
            ("ann editor", "new lic 1800"),
        ],
    );
}

#[test]
fn the_refusal_is_of_the_candidate_that_came_furthest() {
    let other = "
        License lic2 validFrom=0 active=true < ent editor
        SeatCountCredit credit2 seatCount=0 active=true < lic2
    ";
    check(
        &format!("{other}\nset lic active=false"),
        &[("ann editor", "noSeatsAvailable")],
    );
    check(
        &format!("{other}\nset lic2 active=false\nset credit seatCount=0"),
        &[("ann editor", "noSeatsAvailable")],
    );
    check(
        &format!("{other}\nset lic active=false\nset lic2 validFrom=none"),
        &[("ann editor", "licenseSuspended")],
    );
    // In one row neither came further: it is that of the better ranked.
    check(
        &format!("{other}\nset lic validFrom=none\nset lic2 active=false"),
        &[("ann editor", "licenseNotYetValid")],
    );
}
