//! What an explanation says of a no: of each license the rule, and why.

use super::*;

/// At ten seconds, ann's, of the editor, asked with some words.
fn check(lines: &str, words: &str, expected: &[&str]) {
    let mut world = World::new(lines);
    world.now = 10;
    let words: Vec<&str> = words.split_whitespace().collect();
    let owned = Owned::new(&world, &words);
    let now = world.time();
    let (_, tried) = decision::explain(&world.graph, id("ann"), "editor", &owned.wanted(), now);
    let told: Vec<String> = tried
        .iter()
        .map(|one| {
            let (rule, reason) = one.rules.last().expect("a rule");
            let license = name(one.candidate.license.id);
            match reason {
                None => format!("{license} passed"),
                Some(_) => format!(
                    "{license} {}: {}",
                    rule.name(),
                    one.why.as_ref().map_or("", |why| &*why.words)
                ),
            }
        })
        .collect();
    assert_eq!(told, expected, "{lines}");
}

#[test]
fn what_would_open_a_license_but_for_one_thing() {
    check("", "", &["lic passed"]);
    check(
        "set ann validUntil=10",
        "",
        &["lic consumer: the validity of this user has ended"],
    );
    check(
        "set ann validFrom=11",
        "",
        &["lic consumer: the validity of this user has not begun"],
    );
    let individual = "lic individual: the license is individual: it is opened by an assignment with `grantsAccess` or a user set, and none of this consumer's does";
    check("set lic individual=true", "", &[individual]);
    check("set lic individual=true", "license=lic", &[individual]);
    check("part ent crew", "", &[]);
    for (times, word) in [("validUntil=10", "ended"), ("validFrom=11", "not begun")] {
        check(
            &format!("set lic individual=true\nAssignment one grantsAccess=true {times} < lic ann"),
            "",
            &[&format!(
                "lic assignment: the assignment that opens the license has {word}"
            )],
        );
        check(
            &format!("part ann crew\nMembership ann crew {times}"),
            "",
            &[&format!(
                "lic membership: the membership in the group that may use the license has {word}"
            )],
        );
    }
    // Another license that is asked for by its id is another.
    check(
        "set lic individual=true\nLicense lic2 validFrom=0 active=true < ent editor",
        "license=lic",
        &[
            individual,
            "lic2 filters: what was asked for beside the item leaves it out",
        ],
    );
    // One that opens what matches would not open its own item.
    check("set lic individual=true matchProperty=tags", "", &[]);
    check(
        "set lic matchProperty=tags matchValues=[\"writing\"]
         Property tags key=tags value=writing < editor
         part ann crew
         Membership ann crew validUntil=10",
        "",
        &["lic membership: the membership in the group that may use the license has ended"],
    );
    // What a rule of the group would open.
    check(
        "part ent crew
         AllocationRule rule < crew editor
         part ann crew
         Membership ann crew validUntil=10",
        "",
        &["lic membership: the membership in the group that may use the license has ended"],
    );
    // Whoever has a way is told of that one alone.
    check(
        "License lic2 validFrom=0 active=true individual=true < ent editor\nset lic active=false",
        "",
        &["lic active: the license is suspended"],
    );
}

#[test]
fn why_a_rule_says_no() {
    check(
        "set lic validFrom=none",
        "",
        &["lic validity: the license has no `validFrom`, and is not valid without one"],
    );
    check(
        "set lic validFrom=11",
        "",
        &["lic validity: the license is not valid yet"],
    );
    let seats = |text: &str| format!("lic seatCount: {text}");
    check("end credit", "", &[&seats("the license has no SeatCountCredit")]);
    for (set, word) in [
        ("active=false", "not active"),
        ("validFrom=11", "not begun"),
        ("validUntil=10", "ended"),
    ] {
        let told = format!("no SeatCountCredit of the license is valid now: 1 {word}");
        check(&format!("set credit {set}"), "", &[&seats(&told)]);
    }
    check("set credit seatCount=0", "", &[&seats("no seat is free")]);
    check(
        "LeaseTimeBehavior times allowLeaseRelease=false < model
         set credit seatCount=1
         SeatCountCredit short seatCount=1 validUntil=12 active=true < lic
         Assignment seat < lic ann
         Consumption k leaseId=k grantedUntil=500 licensedItemId=editor consumedCount=1 < seat",
        "count=2",
        &["lic seatTerm: a seat is free, and ends before this lease could give it back"],
    );
    check(
        "UseCountConstraint limit < model\nUseCountCredit one useCount=1 validUntil=5 active=true < lic\nUseCountCredit two useCount=1 < lic",
        "",
        &["lic useCount: no UseCountCredit of the license is valid now: 1 not active, 1 ended"],
    );
    check(
        "UseCountConstraint limit < model\nUseCountCredit one useCount=1 useCountConsumed=1 active=true < lic",
        "",
        &["lic useCount: the uses are used up"],
    );
    let named = |text: &str| format!("lic namedSeat: {text}");
    check(
        "AssignedLicenseConstraint named < model",
        "",
        &[&named(
            "the license model asks for a reserved seat, and none is reserved for this consumer",
        )],
    );
    for (times, word) in [("validFrom=11", "has not begun"), ("validUntil=10", "has ended")] {
        check(
            &format!(
                "AssignedLicenseConstraint named < model\nAssignment seat reservationType=reserved {times} < lic ann"
            ),
            "",
            &[&named(&format!(
                "the license model asks for a reserved seat, and the reservation of this consumer {word}"
            ))],
        );
    }
    // Two are reserved, and one seat is left.
    check(
        "set credit seatCount=1
         Assignment seat reservationType=reserved < lic ann
         Assignment other reservationType=reserved < lic bob
         Consumption lease leaseId=lease consumedCount=1 grantedUntil=900 < other",
        "",
        &[&seats(
            "more seats are reserved or leased than there are, and those who lease first have them",
        )],
    );
    check(
        "AssignedLicenseConstraint named autoAssign=true maxAssignments=1 < model\nAssignment seat reservationType=reserved < lic bob",
        "",
        &[&named(
            "a first use reserves a seat, and the 1 that `maxAssignments` of the license model allows are all reserved",
        )],
    );
    check(
        "AssignedLicenseConstraint named autoAssign=true < model\nAssignment deny reservationType=denied validFrom=20 < lic ann",
        "",
        &[&named(
            "a first use reserves a seat, but not where an assignment is going to deny the license",
        )],
    );
    let model = |text: &str| format!("lic licenseModel: the license model contradicts itself: {text}");
    check(
        "UseCountConstraint a < model\nSeatCountConstraint b < model",
        "",
        &[&model(
            "only one of SeatCountConstraint and UseCountConstraint may limit it",
        )],
    );
    check(
        "UtilizationConstraint a maxOverusePercent=1 maxOveruseCount=1 < model\nConcurrentSessions b sessionAnchors=x < model",
        "",
        &[&model(
            "UtilizationConstraint has both `maxOverusePercent` and `maxOveruseCount`; `sessionAnchors` of ConcurrentSessions cannot be read",
        )],
    );
    for (rule, asked, expected) in [
        (
            "minVersion=2.0 maxVersion=2.9",
            "",
            "versions from `2.0` to `2.9`, and no `version` was sent",
        ),
        (
            "minVersion=2.0",
            "version=1.9",
            "versions from `2.0` on, and `1.9` was sent",
        ),
        ("maxVersion=2.0", "version=3", "versions up to `2.0`, and `3` was sent"),
        (
            "pattern=1.* minVersion=2",
            "version=1.5",
            "versions from `2` on that match `1.*`, and `1.5` was sent",
        ),
        (
            "pattern=2.*",
            "version=3",
            "versions that match `2.*`, and `3` was sent",
        ),
    ] {
        check(
            &format!("VersionConstraint v {rule} < model"),
            asked,
            &[&format!("lic version: the license model allows {expected}")],
        );
    }
    check("", "scope=eu", &["lic scope: the license has no scope `eu`"]);
    let scoped = "ScopedLicenseConstraint scoped scopeType=region < model";
    check(
        scoped,
        "scope=eu",
        &["lic scope: the license has no scope `eu` of the type `region`"],
    );
    check(
        scoped,
        "",
        &["lic scope: the license model asks for a scope of the type `region`, and no `scope` was sent"],
    );
    check(
        "ScopedLicenseConstraint scoped < model",
        "",
        &["lic scope: the license model asks for a scope, and no `scope` was sent"],
    );
}

#[test]
fn the_way_down_from_a_bundle_is_a_shortest_one() {
    let world = World::new(
        "LicensedItem leaf name=leaf
         LicensedItem mid name=mid
         LicensedItem top name=top
         Includes top mid
         Includes mid leaf
         Includes leaf top
         Includes editor leaf",
    );
    let find = |name: &str| world.graph.find(id(name)).expect("an item");
    let next = super::super::select::included(find("leaf"));
    let way = |from: &str| next.get(&find(from)).map(|item| name(item.id));
    assert_eq!(way("top").as_deref(), Some("mid"));
    assert_eq!(way("mid").as_deref(), Some("leaf"));
    assert_eq!(way("editor").as_deref(), Some("leaf"));
    assert_eq!(way("leaf"), None);
}
