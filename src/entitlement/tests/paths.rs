//! Each way of `licensing.md` 2.1 to a license, and what narrows them.

use super::*;
use crate::entitlement::paths;

#[test]
fn a_way_opens_and_closes() {
    // A group, while the membership is valid.
    check(
        "part ann crew",
        &[
            ("ann editor", "notAuthorized"),
            ("Membership ann crew validFrom=10 validUntil=20", ""),
            ("ann editor", "notAuthorized"),
            ("at 10", ""),
            ("ann editor", "new lic 910"),
            ("at 20", ""),
            ("ann editor", "notAuthorized"),
        ],
    );
    // Belonging to the organization gives nothing by itself.
    check("part ent crew", &[("ann editor", "notAuthorized")]);
    // A relation straight to the profile.
    check("LicenseConsumerRelation ent zed", &[("zed editor", "new lic 900")]);
    // One's own entitlement.
    check(
        "Entitlement own < zed
         License lic2 validFrom=0 active=true < own editor
         SeatCountCredit credit2 seatCount=1 active=true < lic2",
        &[("zed editor", "new lic2 900"), ("ann editor", "new lic 900")],
    );
    // An assignment that grants access, while it is valid; a plain reservation grants nothing.
    check(
        "Assignment seat reservationType=reserved < lic zed",
        &[("zed editor", "notAuthorized")],
    );
    check(
        "Assignment seat grantsAccess=true validUntil=10 < lic zed",
        &[
            ("zed editor", "new lic 10"),
            ("at 10", ""),
            ("zed editor", "notAuthorized"),
        ],
    );
    check(
        "set ann validUntil=10",
        &[("at 10", ""), ("ann editor", "notAuthorized")],
    );
}

#[test]
fn a_license_for_a_bundle_answers_for_what_is_in_it() {
    let bundle = "
        LicensedItem suite name=suite
        LicensedItem all name=all
        LicensedItem spell name=spell
        Includes all suite
        Includes suite editor
        Includes editor spell
        License lic2 validFrom=0 active=true < ent all
        SeatCountCredit credit2 seatCount=1 active=true < lic2
    ";
    check(
        bundle,
        &[
            ("? ann spell license=lic", "yes lic 900"),
            ("? ann spell license=lic2", "yes lic2 900"),
            ("ann suite", "new lic2 900"),
            // Another item of the same license is another lease in the same seat.
            ("ann all", "new lic2 900"),
            ("free lic2", "1 of 1"),
            ("bob all", "noSeatsAvailable"),
            ("? ann editor", "yes lic2 900"),
        ],
    );
    // A license for the part does not answer for the whole; a ring ends.
    check(&format!("{bundle}\nend lic2"), &[("ann suite", "notAuthorized")]);
    check(
        &format!("{bundle}\nIncludes spell all"),
        &[("? ann suite license=lic", "yes lic 900")],
    );
}

#[test]
fn what_matches_is_open_in_place_of_the_item() {
    let matching = "
        set lic matchProperty=tags matchValues=[\"writing\"]
        LicensedItem notes name=notes
        Property tags key=tags value=[\"paper\",\"writing\"] < notes
    ";
    check(
        matching,
        &[
            ("? ann editor", "notAuthorized"),
            ("? ann editor license=lic", "notAuthorized"),
            ("? ann notes license=lic", "yes lic 900"),
            ("? ann notes entitlement=own", "notAuthorized"),
            ("ann notes", "new lic 900"),
            ("bob notes", "new lic 900"),
            ("cid notes", "noSeatsAvailable"),
            ("zed notes", "notAuthorized"),
            ("Assignment seat grantsAccess=true < lic zed", ""),
            ("zed notes", "noSeatsAvailable"),
            ("zed editor", "notAuthorized"),
            // What matches no longer, and then again.
            ("set tags value=paper", ""),
            ("? ann notes", "notAuthorized"),
            ("set tags value=writing", ""),
            ("? ann notes", "yes lic 900"),
            // Nobody's way but an assignment's.
            ("set lic individual=true", ""),
            ("? ann notes", "notAuthorized"),
            ("set lic individual=none matchProperty=none", ""),
            ("? ann notes", "notAuthorized"),
            ("? ann editor", "yes lic 900"),
        ],
    );
    // Both ways are one candidate, and what includes a match is no match; what is in one is.
    check(
        &format!(
            "{matching}
             LicensedItem desk name=desk
             Includes notes desk
             Assignment seat grantsAccess=true < lic ann"
        ),
        &[
            ("? ann notes", "yes lic 900"),
            ("? ann desk", "yes lic 900"),
            ("? ann editor", "notAuthorized"),
        ],
    );
}

#[test]
fn filters() {
    let more = "
        Organization other name=Other
        Entitlement ent2 < other
        LicenseConsumerRelation ent2 ann
        License lic2 validFrom=0 active=true < ent2 editor
        SeatCountCredit credit2 seatCount=1 active=true < lic2
        Entitlement own < ann
        License lic3 validFrom=0 active=true < own editor
        SeatCountCredit credit3 seatCount=1 active=true < lic3
    ";
    check(
        more,
        &[
            ("? ann editor", "yes lic3 900"),
            ("? ann editor license=lic", "yes lic 900"),
            ("? ann editor entitlement=ent2", "yes lic2 900"),
            ("? ann editor organization=other", "yes lic2 900"),
            ("? ann editor organization=acme", "yes lic 900"),
            ("? ann editor user=ann", "yes lic3 900"),
            ("? ann editor user=bob", "notAuthorized"),
            ("? ann editor organization=ann", "notAuthorized"),
            ("? ann editor within=acme", "yes lic 900"),
            ("? ann editor license=lic entitlement=ent2", "notAuthorized"),
            ("? ann editor license=lic2 within=acme", "notAuthorized"),
            ("? bob editor license=lic2", "notAuthorized"),
            ("? ann editor license=nothing", "notAuthorized"),
        ],
    );
}

/// A group loses an entitlement, or a member its group, and with it what rested on that.
fn close(world: &mut World, from: &str, to: &str) {
    let find = |name: &str| world.graph.find(id(name)).expect("an end");
    let in_doubt = match find(from).kind {
        Kind::Entitlement => paths::reservations_in(find(from), find(to)),
        _ => paths::reservations(find(to), Some(id(from))),
    };
    world.tell(&format!("part {from} {to}"));
    world
        .commit(|tx| paths::free_lost(tx, &in_doubt))
        .expect("no violation");
}

#[test]
fn a_reservation_stays_whose_way_is_another() {
    // ann is in the set, which opens two of the licenses; one of these is individual, and no relation opens it.
    let lines = "
        UserSet set name=set anyOf=[\"a\"] < acme
        Property ann-tags key=AdminTags value=[\"a\"] < ann
        License own validFrom=0 active=true individual=true < ent editor set
        SeatCountCredit credit2 seatCount=3 active=true < own
        License shared validFrom=0 active=true < ent editor set
        SeatCountCredit credit3 seatCount=3 active=true < shared
        Assignment a1 reservationType=reserved < lic ann
        Assignment a2 reservationType=reserved < lic bob
        Assignment a3 reservationType=reserved < own ann
        Assignment a4 reservationType=reserved < own bob
        Assignment a5 reservationType=reserved < shared ann
        Assignment a6 reservationType=reserved < shared bob
    ";
    for (from, to, expected) in [
        ("ent", "crew", ["0 of 2", "2 of 3", "1 of 3"]),
        // Out of its last group in the organization, ann is in no set of it.
        ("ann", "crew", ["1 of 2", "1 of 3", "1 of 3"]),
        ("bob", "crew", ["1 of 2", "2 of 3", "1 of 3"]),
    ] {
        let mut world = World::new(lines);
        close(&mut world, from, to);
        let left = ["free lic", "free own", "free shared"].map(|step| world.step(step));
        assert_eq!(left, expected, "{from} {to}");
    }
    // What a set kept when the relation went goes with the last group.
    let mut world = World::new(lines);
    close(&mut world, "ent", "crew");
    close(&mut world, "ann", "crew");
    let left = ["free lic", "free own", "free shared"].map(|step| world.step(step));
    assert_eq!(left, ["0 of 2", "1 of 3", "0 of 3"]);
    // One that a rule of the group opens, individual or not, goes with the group.
    let mut world = World::new(
        "License own validFrom=0 active=true individual=true concurrencies=3 < ent editor
         SeatCountCredit credit2 seatCount=3 active=true < own
         AllocationRule rule < crew editor
         Assignment a1 reservationType=reserved < own ann
         Assignment a2 reservationType=reserved < own bob",
    );
    close(&mut world, "ann", "crew");
    assert_eq!(world.step("free own"), "1 of 3");
    // A relation of its own opened nothing individual either.
    let mut world = World::new(&format!(
        "{lines}
         LicenseConsumerRelation ent zed
         Assignment a7 reservationType=reserved < own zed"
    ));
    close(&mut world, "ent", "zed");
    assert_eq!(world.step("free own"), "3 of 3");
}
