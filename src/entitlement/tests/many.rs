//! Consumers that have very many of something: it is counted once, and bounded.

use super::*;
use crate::entitlement::{select, sessions};

/// Other licenses of the editor in the same entitlement.
fn licenses(number: usize) -> String {
    (0..number)
        .map(|at| format!("License x{at} validFrom=0 active=true < ent editor\n"))
        .collect()
}

fn leases(number: usize) -> String {
    let leases = (0..number)
        .map(|at| format!("Consumption k{at} leaseId=k{at} grantedUntil=500 licensedItemId=editor hw=h{at} < seat\n"));
    format!("Assignment seat < lic ann\n{}", leases.collect::<String>())
}

#[test]
fn a_license_is_a_candidate_once_by_its_best_way() {
    let ways: String = (0..40)
        .map(|at| {
            format!(
                "Entitlement e{at} < acme
                 LicenseConsumerRelation e{at} crew
                 LicenseConsumerRelation e{at} cad
                 License x{at} validFrom=0 active=true < e{at} editor
                 Assignment a{at} grantsAccess=true < x{at} ann
                 Assignment b{at} grantsAccess=true < x{at} ann
                 License y{at} validFrom=0 active=true < shut editor
                 Assignment c{at} grantsAccess=true < y{at} ann
                 Assignment d{at} grantsAccess=true < y{at} ann
                "
            )
        })
        .collect();
    let world = World::new(&format!(
        "ProfileGroup cad name=Cad type=licenseConsumers < acme
         Membership ann cad
         Entitlement shut < acme
         {ways}"
    ));
    let (ann, editor) = (world.graph.find(id("ann")), world.graph.find(id("editor")));
    let (ann, editor) = ann.zip(editor).expect("both");
    let found = |filters: &Filters| select::candidates(ann, editor, filters, None, world.time()).expect("not too many");
    let all = found(&Filters::default());
    assert_eq!(all.len(), 81);
    let path = |name: &str, all: &select::Candidates<'_>| {
        let one = all.iter().find(|one| one.license.id == id(name)).expect("a candidate");
        match one.path {
            select::Path::Group(group) => super::name(group.id),
            select::Path::Assignment(_) => "assignment".to_owned(),
            other => format!("{other:?}"),
        }
    };
    // One that is named is found as it is among all.
    for (name, expected) in [
        ("lic", "crew"),
        ("x0", "cad"),
        ("x39", "cad"),
        ("y0", "assignment"),
        ("y39", "assignment"),
    ] {
        let named = found(&Filters {
            license: Some(id(name)),
            ..Filters::default()
        });
        assert_eq!((named.len(), path(name, &named).as_str()), (1, expected), "{name}");
        assert_eq!(path(name, &all), expected, "{name}");
    }
}

#[test]
fn more_licenses_than_one_decision_looks_at_are_none() {
    let more = "
        Entitlement other < acme
        LicenseConsumerRelation other crew
        License lic2 validFrom=0 active=true < other editor
        SeatCountCredit credit2 seatCount=1 active=true < lic2
    ";
    check(
        &format!("{more}{}", licenses(select::LOOKED_AT)),
        &[
            ("ann editor", "tooManyLicenses"),
            ("? ann editor", "tooManyLicenses"),
            ("free lic", "0 of 2"),
            ("ann editor license=lic", "new lic 900"),
            ("ann editor lease=ann:editor:", "renewed lic 900"),
            ("ann editor entitlement=other", "new lic2 900"),
            ("ann editor license=x7", "noSeatsAvailable"),
            ("zed editor license=lic", "notAuthorized"),
        ],
    );
    // Two entitlements that are looked into, and what is in them.
    check(
        &format!("{more}{}", licenses(select::LOOKED_AT - 4)),
        &[("ann editor", "new lic 900")],
    );
}

#[test]
fn long_lists_that_are_compared_are_looked_at() {
    let list = |bytes: usize| format!("[\"{}\"]", "x".repeat(bytes - 4));
    let (most, half) = (list(256 * select::LOOKED_AT), list(128 * select::LOOKED_AT));
    let values =
        |list: &str| format!("License m matchProperty=tags matchValues={list} validFrom=0 active=true < ent editor");
    let set = |list: &str| format!("UserSet set name=set anyOf={list} < acme");
    let of_set = |list: &str| {
        format!(
            "{}\nLicense s validFrom=0 active=true individual=true < ent editor set",
            set(list)
        )
    };
    for (lines, expected) in [
        (values(&most), "tooManyLicenses"),
        (values(&half), "new lic 900"),
        (of_set(&most), "tooManyLicenses"),
        (of_set(&half), "new lic 900"),
        // A set that no license is for is not compared.
        (set(&most), "new lic 900"),
        // A list of the item costs as much.
        (
            format!("{}\nProperty p key=tags value={half} < editor", values(&half)),
            "tooManyLicenses",
        ),
    ] {
        check(&lines, &[("ann editor", expected)]);
    }
}

/// What another organization has for a user they share costs a decision nothing that cannot end in it.
#[test]
fn what_is_anothers_is_not_looked_at() {
    let lines = |number: usize, each: &dyn Fn(usize) -> String| (0..number).map(each).collect::<String>();
    let more = select::LOOKED_AT + 10;
    let license = |at: usize, item: &str| format!("License h{at} validFrom=0 active=true < hidden {item}\n");
    let long = format!("[\"{}\"]", "x".repeat(256 * select::LOOKED_AT));
    for road in [
        // Seats of others' licenses, of this item and of another.
        lines(more, &|at| {
            format!(
                "{}Assignment a{at} grantsAccess=true < h{at} ann\n",
                license(at, "editor")
            )
        }),
        lines(more, &|at| {
            format!(
                "{}Assignment a{at} grantsAccess=true < h{at} ann\n",
                license(at, "viewer")
            )
        }),
        // A set nobody could compare with, sets that are many, and one that very many licenses are for.
        format!("UserSet set name=set anyOf={long} < rival\nLicense h validFrom=0 active=true < hidden viewer set\n"),
        lines(more, &|at| format!("UserSet s{at} name=s{at} allOf=[\"x\"] < rival\n")),
        format!(
            "UserSet set name=set allOf=[\"a\"] < rival\nProperty tags key=AdminTags value=[\"a\"] < ann\n{}",
            lines(more, &|at| format!(
                "License h{at} validFrom=0 active=true < hidden editor set\n"
            ))
        ),
        // What a rule of theirs opens, and where that may lie.
        format!(
            "AllocationRule rule < rcrew editor\n{}",
            lines(more, &|at| license(at, "editor"))
        ),
        format!(
            "AllocationRule rule < rcrew editor\n{}",
            lines(more, &|at| format!("Entitlement e{at} < rival\n"))
        ),
    ] {
        let rival = "
            Organization rival name=Rival
            ProfileGroup rcrew name=Rivals < rival
            Membership ann rcrew
            LicensedItem viewer name=viewer
            Entitlement hidden < rival
        ";
        let over = "
            License lic2 validFrom=0 active=true individual=true < ent viewer
            Assignment over grantsAccess=true validUntil=0 < lic2 ann
        ";
        let world = World::new(&format!("{rival}{road}{over}"));
        let name = road.get(..60).unwrap_or_default();
        for words in [&["within=acme"][..], &["organization=acme"]] {
            assert_eq!(world.check("ann", "editor", words), "yes lic 900", "{words:?} {name}");
        }
        // An explanation goes on to what is over.
        let owned = Owned::new(&world, &["within=acme"]);
        let (_, tried) = decision::explain(&world.graph, id("ann"), "viewer", &owned.wanted(), world.time());
        assert!(tried.iter().any(|one| one.candidate.license.id == id("lic2")), "{name}");
    }
}

#[test]
fn decisions_of_one_request_share_what_they_look_at() {
    let world = World::new(&licenses(select::LOOKED_AT - 10));
    let ask = |looks: Option<&select::Looks>, license: Option<&str>| {
        let wanted = Wanted {
            looks,
            filters: Filters {
                license: license.map(id),
                ..Filters::default()
            },
            ..Wanted::default()
        };
        match decision::decide(&world.graph, id("ann"), "editor", &wanted, world.time()) {
            Decision::Granted(_) => "granted",
            Decision::Refused(refusal) => refusal.reason.code(),
        }
    };
    let looks = select::Looks::default();
    let asked = [(); 3].map(|()| ask(Some(&looks), None));
    assert_eq!(asked, ["granted", "granted", "tooManyLicenses"]);
    // One that is named is found without a search, and another request has its own.
    assert_eq!(ask(Some(&looks), Some("lic")), "granted");
    assert_eq!(ask(Some(&select::Looks::default()), None), "granted");
    assert_eq!(ask(None, None), "granted");
}

#[test]
fn leases_of_one_consumer_are_bounded() {
    check(
        &leases(sessions::LEASES_OF_ONE),
        &[
            ("ann editor hw=new", "concurrentSessionLimit"),
            ("? ann editor hw=new", "concurrentSessionLimit"),
            ("ann editor hw=h7", "renewed lic 900"),
            ("bob editor hw=new", "new lic 900"),
            ("release k5 by ann", "released until 0"),
            ("ann editor hw=new", "new lic 900"),
            ("ann editor hw=newer", "concurrentSessionLimit"),
            ("at 500", ""),
            ("ann editor hw=newer", "new lic 1400"),
        ],
    );
    // Devices are counted once, and no further than to the first that is too many.
    let devices = "ConcurrentSessions cs sessionAnchors=[{\"type\":\"hw\",\"maxCount\":100}] < model\n";
    check(
        &format!("{devices}{}", leases(99)),
        &[
            ("ann editor hw=h7 process=1", "new lic 900"),
            ("ann editor hw=one", "new lic 900"),
            ("ann editor hw=two", "concurrentSessionLimit"),
            ("ann editor hw=h98", "renewed lic 900"),
        ],
    );
}
