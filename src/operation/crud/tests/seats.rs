//! No road round a rule: reservations made by generic writes need seats, and end with the way to the license.

use super::*;
use crate::entitlement::seats::{Seats, of_license};

fn reserve(name: &str, profile: &str) -> String {
    format!(
        "{{'T':'Assignment','id':'#{name}','reservationType':'reserved','refs':{{'License':'#lic','Profile':'#{profile}'}}}}"
    )
}

/// Bodies one after the other, each with what it comes to.
fn story(steps: &[(&str, &str)]) -> World {
    let mut world = World::new();
    for (short, expected) in steps {
        let done = world.send(&Who::server(), short);
        assert_eq!(told(&done, |done| done.told.count), *expected, "{short}");
    }
    world
}

#[test]
fn a_reservation_needs_a_seat() {
    let none = "noSeatsAvailable /reservationType";
    let (a, b, c) = (reserve("a", "ann"), reserve("b", "bob"), reserve("c", "mix"));
    let world = story(&[
        (&a, "ok 3"),
        (&a, "ok 0"),
        (&b, "ok 3"),
        (&c, none),
        // Without a reservation none is taken.
        (
            "{'T':'Assignment','id':'#c','refs':{'License':'#lic','Profile':'#mix'}}",
            "ok 3",
        ),
        ("{'T':'Assignment','id':'#c','reservationType':'reserved'}", none),
        ("{'T':'Assignment','id':'#c','reservationType':'denied'}", "ok 1"),
        ("{'T':'Assignment','id':'#c','reservationType':'reserved'}", none),
        // One goes and another comes, in one body and in any order.
        (
            "[{'T':'Assignment','id':'#c','reservationType':'reserved'},{'T':'Assignment','id':'#a','reservationType':''}]",
            "ok 2",
        ),
        ("{'T':'Assignment','id':'#a','reservationType':'reserved'}", none),
        // A quota may be lowered below what is in use, and whoever has a seat keeps it.
        ("{'T':'SeatCountCredit','id':'#credit','seatCount':1}", "ok 1"),
        ("{'T':'Assignment','id':'#c','validUntil':'2090-01-01'}", "ok 1"),
        ("{'T':'Assignment','id':'#a','reservationType':'reserved'}", none),
        (
            "[{'T':'Assignment','id':'#a','reservationType':'reserved'},{'T':'SeatCountCredit','id':'#credit','seatCount':3}]",
            "ok 2",
        ),
    ]);
    let license = world.graph.find(id("lic")).unwrap();
    assert_eq!(
        of_license(license, NOW),
        Seats {
            total: Some(3),
            reserved: 3,
            floating: 0
        }
    );
}

#[test]
fn a_seat_is_promised_for_later_too() {
    let none = "noSeatsAvailable /reservationType";
    story(&[
        ("{'T':'SeatCountCredit','id':'#credit','seatCount':1}", "ok 1"),
        (
            "{'T':'Assignment','id':'#a','reservationType':'reserved','validFrom':'2090-01-01','refs':{'License':'#lic','Profile':'#ann'}}",
            "ok 3",
        ),
        (&reserve("b", "bob"), none),
        // One that has ended holds nothing, until its end is moved.
        (
            "{'T':'Assignment','id':'#b','reservationType':'reserved','validUntil':'2020-01-01','refs':{'License':'#lic','Profile':'#bob'}}",
            "ok 3",
        ),
        (
            "{'T':'Assignment','id':'#b','validUntil':'2099-01-01'}",
            "noSeatsAvailable /validUntil",
        ),
        (
            "{'T':'Assignment','id':'#b','reservationType':'reserved','validUntil':null}",
            none,
        ),
    ]);
}

#[test]
fn credits_count_while_they_are_valid() {
    let credit = |rest: &str| format!("{{'T':'SeatCountCredit','id':'#credit',{rest}}}");
    let none = "noSeatsAvailable /reservationType";
    for (change, expected) in [
        (credit("'seatCount':1"), "ok 3"),
        (credit("'seatCount':0"), none),
        (credit("'active':false"), none),
        (credit("'validUntil':'2020-01-01'"), none),
        (credit("'validFrom':'2090-01-01'"), none),
        // Without a number there is no limit.
        (credit("'seatCount':null"), "ok 3"),
        (
            "{'T':'SeatCountCredit','seatCount':9223372036854775807,'refs':{'License':'#lic'}}".to_owned(),
            "ok 3",
        ),
    ] {
        let mut world = World::new();
        world.post(&change);
        let done = world.send(&Who::server(), &reserve("a", "ann"));
        assert_eq!(told(&done, |done| done.told.count), expected, "{change}");
    }
}

#[test]
fn who_has_a_seat_reserves_that_one() {
    let mut world = story(&[
        ("{'T':'SeatCountCredit','id':'#credit','seatCount':1}", "ok 1"),
        (
            "{'T':'Assignment','id':'#a','refs':{'License':'#lic','Profile':'#ann'}}",
            "ok 3",
        ),
        (
            "{'T':'Assignment','id':'#b','refs':{'License':'#lic','Profile':'#bob'}}",
            "ok 3",
        ),
    ]);
    world.lease("a", Time(NOW.0 + 1));
    let license = world.graph.find(id("lic")).unwrap();
    assert_eq!(
        of_license(license, NOW),
        Seats {
            total: Some(1),
            reserved: 0,
            floating: 1
        }
    );
    assert_eq!(
        of_license(license, Time(NOW.0 + 1)).taken(),
        0,
        "past its term it is gone"
    );
    for (name, expected) in [("b", "noSeatsAvailable /reservationType"), ("a", "ok 1")] {
        let done = world.send(
            &Who::server(),
            &format!("{{'T':'Assignment','id':'#{name}','reservationType':'reserved'}}"),
        );
        assert_eq!(told(&done, |done| done.told.count), expected, "{name}");
    }
    let license = world.graph.find(id("lic")).unwrap();
    assert_eq!(
        of_license(license, NOW).taken(),
        1,
        "with a reservation and a lease it counts once"
    );
}

#[test]
fn a_license_and_a_profile_have_one_assignment() {
    story(&[
        (&reserve("a", "ann"), "ok 3"),
        (&reserve("b", "ann"), "assignmentExists "),
        (
            "{'T':'Assignment','refs':{'License':'#lic','Profile':'#ann'}}",
            "assignmentExists ",
        ),
        ("{'T':'Assignment','refs':{'License':'#zlic','Profile':'#ann'}}", "ok 3"),
        (
            "[{'T':'Assignment','refs':{'License':'#lic','Profile':'#bob'}},{'T':'Assignment','refs':{'License':'#lic','Profile':'#bob'}}]",
            "assignmentExists /0",
        ),
    ]);
}

#[test]
fn a_reservation_ends_with_its_last_way() {
    let setup = "[{'T':'Entitlement','id':'#ent','~LicenseConsumerRelation':[{'T':'ProfileGroup','id':'#guests'}]},
        {'T':'ProfileGroup','id':'#guests','~Membership':[{'T':'Profile','id':'#bob'}]},
        {'T':'SeatCountCredit','id':'#credit','seatCount':9},
        {'T':'Entitlement','id':'#zent','~LicenseConsumerRelation':[{'T':'ProfileGroup','id':'#crew'}]}]";
    let zoo = "{'T':'Assignment','id':'#z','reservationType':'reserved','refs':{'License':'#zlic','Profile':'#ann'}}";
    let stray = reserve("d", "zed");
    let granted = reserve("c", "mix").replace("'reservationType'", "'grantsAccess':true,'reservationType'");
    let prepare = || {
        let mut world = World::new();
        for short in [setup, zoo, &reserve("a", "ann"), &reserve("b", "bob"), &granted, &stray] {
            world.post(short);
        }
        world
    };
    let held = |world: &World| {
        let one = |name: &str| format!("{name}:{}", world.value(name, "reservationType"));
        ["a", "b", "c", "d", "z"].map(one).join(" ")
    };
    let mut world = prepare();
    assert_eq!(held(&world), "a:reserved b:reserved c:reserved d:reserved z:reserved");
    // `b` has another group, `c` opens the license by itself, `d` never was in the group.
    world.remove(&Who::server(), &["crew"]).unwrap();
    assert_eq!(held(&world), "a:- b:reserved c:reserved d:reserved z:-");
    world.remove(&Who::server(), &["guests"]).unwrap();
    assert_eq!(held(&world), "a:- b:- c:reserved d:reserved z:-");
    // All of an organization's groups go with it, and so does what they opened elsewhere.
    let mut world = prepare();
    world.remove(&Who::server(), &["acme"]).unwrap();
    assert_eq!(held(&world), "a:gone b:gone c:gone d:gone z:-");
    // A membership that is given an end in the past is one no longer.
    for (until, expected) in [
        ("'2020-01-01'", "a:- b:reserved c:reserved d:reserved z:-"),
        ("'2090-01-01'", "a:reserved b:reserved c:reserved d:reserved z:reserved"),
        ("null", "a:reserved b:reserved c:reserved d:reserved z:reserved"),
    ] {
        let mut world = prepare();
        world.post(&format!("{{'T':'Profile','id':'#ann','~Membership':[{{'T':'ProfileGroup','id':'#crew','rel':{{'validUntil':{until}}}}}]}}"));
        assert_eq!(held(&world), expected, "{until}");
    }
}

#[test]
fn a_license_carries_its_reservations_along() {
    let mut world = story(&[
        (&reserve("a", "ann"), "ok 3"),
        ("{'T':'License','id':'#lic','refs':{'Entitlement':'#ent2'}}", "ok 3"),
    ]);
    assert_eq!(world.value("a", "reservationType"), "reserved");
    world.remove(&Who::server(), &["crew"]).unwrap();
    assert_eq!(
        world.value("a", "reservationType"),
        "reserved",
        "the group no longer opened it"
    );
}

/// `#acme` gives its license `#lic` by a rule of `#crew` with a quota of one, a record of `#ann`, a set and to `#crew`; `#zoo` has the
/// like.
const GIVEN: &str = "[
    {'T':'LicensedItem','id':'#other','name':'other'},
    {'T':'AllocationRule','id':'#allow','quota':1,'refs':{'ProfileGroup':'#crew','LicensedItem':'#app'}},
    {'T':'AllocationRule','id':'#allow2','refs':{'ProfileGroup':'#crew','LicensedItem':'#other'}},
    {'T':'DirectRecord','id':'#record','refs':{'Organization':'#acme','Profile':'#ann'}},
    {'T':'UserSet','id':'#set','name':'S','refs':{'Organization':'#acme'}},
    {'T':'GroupAssignment','id':'#given','refs':{'License':'#lic','ProfileGroup':'#crew'}},
    {'T':'License','id':'#lic2','refs':{'Entitlement':'#ent','LicensedItem':'#app'}},
    {'T':'AllocationRule','id':'#zallow','refs':{'ProfileGroup':'#pack','LicensedItem':'#app'}},
    {'T':'DirectRecord','id':'#zrecord','refs':{'Organization':'#zoo','Profile':'#ann'}},
    {'T':'UserSet','id':'#zset','name':'S','refs':{'Organization':'#zoo'}},
    {'T':'Assignment','id':'#a','refs':{'License':'#lic','Profile':'#ann'}},
    {'T':'Assignment','id':'#b','refs':{'License':'#lic','Profile':'#bob'}}
]";

#[test]
fn what_gives_a_license_is_its_owners() {
    let put = |kind: &str, name: &str, reference: &str, to: &str, expected: &str| {
        let mut world = World::new();
        world.post(GIVEN);
        let short = format!("{{'T':'{kind}','id':'#{name}','refs':{{'{reference}':'#{to}'}}}}");
        let place = format!("otherOwner /referenceFields/ref_{reference}_id");
        let expected = if expected.is_empty() { &place } else { expected };
        assert_eq!(told(&world.send(&Who::server(), &short), |_| 0), *expected, "{short}");
    };
    for (kind, name, reference, to, expected) in [
        ("Assignment", "a", "DirectRecord", "record", "ok 0"),
        ("Assignment", "a", "DirectRecord", "zrecord", ""),
        ("Assignment", "b", "DirectRecord", "record", ""),
        ("Assignment", "a", "AllocationRule", "allow", "ok 0"),
        ("Assignment", "a", "AllocationRule", "allow2", ""),
        ("Assignment", "a", "AllocationRule", "zallow", ""),
        ("Assignment", "a", "GroupAssignment", "given", "ok 0"),
        ("License", "lic", "UserSet", "set", "ok 0"),
        ("License", "lic", "UserSet", "zset", ""),
        // Each of these is the tie of two, and stays with them.
        ("DirectRecord", "record", "Profile", "bob", ""),
        ("DirectRecord", "record", "Organization", "zoo", ""),
        ("AllocationRule", "allow", "LicensedItem", "other", ""),
        ("AllocationRule", "allow", "ProfileGroup", "guests", ""),
        ("GroupAssignment", "given", "ProfileGroup", "guests", ""),
        ("GroupAssignment", "given", "License", "lic2", ""),
    ] {
        put(kind, name, reference, to, expected);
    }
    for (short, expected) in [
        (
            "{'T':'GroupAssignment','refs':{'License':'#lic','ProfileGroup':'#pack'}}",
            "otherOwner /referenceFields/ref_ProfileGroup_id",
        ),
        (
            "{'T':'Assignment','refs':{'License':'#lic2','Profile':'#ann','GroupAssignment':'#given'}}",
            "otherOwner /referenceFields/ref_GroupAssignment_id",
        ),
        (
            "{'T':'AllocationRule','id':'#zallow','~OneToMany':[{'T':'Assignment','id':'#a'}]}",
            "otherOwner /rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects/0",
        ),
        (
            "{'T':'DirectRecord','refs':{'Organization':'#acme','Profile':'#ann'}}",
            "recordExists ",
        ),
        (
            "{'T':'AllocationRule','refs':{'ProfileGroup':'#crew','LicensedItem':'#app'}}",
            "ruleExists ",
        ),
        (
            "{'T':'GroupAssignment','refs':{'License':'#lic','ProfileGroup':'#crew'}}",
            "assignmentExists ",
        ),
        (
            "{'T':'DirectRecord','refs':{'Organization':'#acme','Profile':'#bob'}}",
            "ok 0",
        ),
    ] {
        let mut world = World::new();
        world.post(GIVEN);
        assert_eq!(told(&world.send(&Who::server(), short), |_| 0), expected, "{short}");
    }
}

/// What was exported so is put back so, and what it allocates to others is not taken from them by who deletes it even then.
#[test]
fn a_record_takes_back_what_is_its_organizations() {
    let line = "[{'T':'Assignment','id':'#z','serial':900,'reservationType':'reserved','refs':{'License':'#zlic','Profile':'#ann','DirectRecord':'#record'}}]";
    let acme = who(&["*.*"], Some("acme"), None);
    for (is_imported, expected) in [(false, "ok 0"), (true, "readOnly")] {
        let mut world = World::new();
        world.post(GIVEN);
        if is_imported {
            world.import(&Who::server(), line).unwrap();
        }
        let done = world.remove(&acme, &["record"]);
        assert_eq!(told(&done, |_| 0), expected, "{is_imported}");
    }
}

#[test]
fn what_was_twice_is_put_back_twice() {
    for (serial, fits) in [("", false), (",'serial':900", true)] {
        let mut world = World::new();
        world.post(GIVEN);
        let twin = format!(
            "[{{'T':'DirectRecord','id':'#second'{serial},'refs':{{'Organization':'#acme','Profile':'#ann'}}}}]"
        );
        assert_eq!(world.import(&Who::server(), &twin).is_ok(), fits, "{serial}");
    }
}

/// Bodies one after the other, whatever they count.
fn tell(steps: &[(&str, &str)]) {
    let mut world = World::new();
    for (short, expected) in steps {
        let done = world.send(&Who::server(), short);
        assert_eq!(told(&done, |_| 0), *expected, "{short}");
    }
}

#[test]
fn a_rule_gives_its_group_no_more_than_its_quota() {
    let none = "quotaExceeded /reservationType";
    let by_rule = |name: &str| format!("{{'T':'Assignment','id':'#{name}','refs':{{'AllocationRule':'#allow'}}}}");
    let reserved = |name: &str| format!("{{'T':'Assignment','id':'#{name}','reservationType':'reserved'}}");
    let allow = |quota: &str| format!("{{'T':'AllocationRule','id':'#allow','quota':{quota}}}");
    let both = format!("[{},{}]", reserved("b"), allow("2"));
    tell(&[
        (GIVEN, "ok 0"),
        (&by_rule("a"), "ok 0"),
        (&by_rule("b"), "ok 0"),
        (&reserved("a"), "ok 0"),
        (&reserved("b"), none),
        (&both, "ok 0"),
        (
            "{'T':'Assignment','id':'#b','refs':{'AllocationRule':'#allow2'}}",
            "otherOwner /referenceFields/ref_AllocationRule_id",
        ),
        // It may leave the rule, and is counted again when it comes back.
        (&by_rule("b").replace("'#allow'", "null"), "ok 0"),
        (&allow("1"), "ok 0"),
        (&by_rule("b"), "quotaExceeded /referenceFields/ref_AllocationRule_id"),
        (&allow("2"), "ok 0"),
        (&by_rule("b"), "ok 0"),
        // It may be lowered below what is in use, and whoever has a seat keeps it.
        (&allow("0"), "ok 0"),
        ("{'T':'Assignment','id':'#b','metadata':1}", "ok 0"),
        (&reserved("a").replace("'reserved'", "''"), "ok 0"),
        (&reserved("a"), none),
        (&allow("null"), "ok 0"),
        (&reserved("a"), "ok 0"),
    ]);
    tell(&[
        (GIVEN, "ok 0"),
        (&reserved("a"), "ok 0"),
        (&reserved("b"), "ok 0"),
        (&by_rule("a"), "ok 0"),
        (&by_rule("b"), "quotaExceeded /referenceFields/ref_AllocationRule_id"),
    ]);
}
