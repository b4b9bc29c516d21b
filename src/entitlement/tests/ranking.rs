//! Each row of `licensing.md` 2.2: which of several licenses is taken.

use super::*;

/// The order in which a world's licenses are tried, each once the one before it is suspended.
fn order(lines: &str, expected: &str) {
    let mut world = World::new(&format!("end lic\n{lines}"));
    let mut found = Vec::new();
    loop {
        let answer = world.step("? ann editor");
        let Some(license) = answer.strip_prefix("yes ").and_then(|rest| rest.split(' ').next()) else {
            break;
        };
        found.push(license.to_owned());
        world.tell(&format!("set {license} active=false"));
    }
    assert_eq!(found.join(" "), expected, "{lines}");
}

/// A license limited by seats, by time or by count.
fn license(name: &str, limit: &str, until: &str, more: &str) -> String {
    let credit = match limit {
        "seats" => format!("SeatCountCredit c{name} seatCount=9 active=true < {name}"),
        "time" => format!(
            "AggregateUseConstraint l{name} < m{name}\nUseTimeCredit c{name} useTime=9000000 active=true < {name}"
        ),
        _ => format!("UseCountConstraint l{name} < m{name}\nUseCountCredit c{name} useCount=9 active=true < {name}"),
    };
    format!(
        "LicenseModel m{name} name=m{name}
         License {name} validFrom=0 active=true validUntil={until} < ent editor m{name}
         {credit}
         {more}"
    )
}

fn leased(name: &str) -> String {
    format!(
        "Assignment a{name} < {name} ann
         Consumption k{name} leaseId=k{name} grantedUntil=500 licensedItemId=editor < a{name}"
    )
}

fn reserved(name: &str) -> String {
    format!("Assignment a{name} reservationType=reserved < {name} ann")
}

fn both(name: &str) -> String {
    format!("{}\nset a{name} reservationType=reserved", leased(name))
}

#[test]
fn seats_that_are_one_s_own_come_first_and_the_newest_of_them() {
    let seats = |name, until, more: &str| license(name, "seats", until, more);
    order(
        &[
            seats("plain", "none", ""),
            seats("used", "9000", &leased("used")),
            seats("held", "8000", &reserved("held")),
            seats("held2", "9000", &reserved("held2")),
            seats("both", "1000", &both("both")),
            seats("both2", "none", &both("both2")),
            seats("used2", "9001", &leased("used2")),
        ]
        .join("\n"),
        "both2 both held2 held used2 used plain",
    );
}

#[test]
fn then_use_time_then_use_count_the_oldest_first() {
    order(
        &[
            license("c1", "count", "9000", &leased("c1")),
            license("c2", "count", "8000", &leased("c2")),
            license("c3", "count", "7000", &reserved("c3")),
            license("t1", "time", "none", &leased("t1")),
            license("t2", "time", "8000", &both("t2")),
            license("t3", "time", "1000", &reserved("t3")),
            license("s1", "seats", "1000", &leased("s1")),
            license("s2", "seats", "none", ""),
        ]
        .join("\n"),
        "s1 t2 t1 t3 c2 c1 c3 s2",
    );
}

#[test]
fn the_rest_by_the_way_then_by_the_end_then_by_the_id() {
    let more = "
        ProfileGroup cad name=Cad type=licenseConsumers < acme
        ProfileGroup club name=Club type=other < acme
        Membership ann cad
        Membership ann club
        Entitlement own < ann
        Entitlement byCad < acme
        Entitlement byClub < acme
        Entitlement direct < acme
        LicenseConsumerRelation byCad cad
        LicenseConsumerRelation byClub club
        LicenseConsumerRelation direct ann
        License d1 validFrom=0 active=true validUntil=7000 < direct editor
        SeatCountCredit cd1 seatCount=9 active=true < d1
        License g1 validFrom=0 active=true validUntil=8000 < byCad editor
        SeatCountCredit cg1 seatCount=9 active=true < g1
        License k1 validFrom=0 active=true < byClub editor
        SeatCountCredit ck1 seatCount=9 active=true < k1
        License p1 validFrom=0 active=true validUntil=1000 < own editor
        SeatCountCredit cp1 seatCount=9 active=true < p1
    ";
    let crew = [
        license("e2", "seats", "5000", ""),
        license("e1", "seats", "5000", ""),
        license("e3", "seats", "none", ""),
        license("t1", "time", "2000", ""),
        license("t2", "time", "none", ""),
        license("u1", "count", "9000", ""),
        license("u0", "count", "1000", ""),
    ]
    .join("\n");
    order(&format!("{more}\n{crew}"), "p1 g1 d1 e3 e1 e2 u0 t1 u1 t2 k1");
    // Of two ways to one entitlement the better one counts.
    order(&format!("{more}\nLicenseConsumerRelation byClub cad"), "p1 k1 g1 d1");
    // An assignment that opens its license is one of them.
    order(
        &format!("{more}\nAssignment granted grantsAccess=true < k1 ann"),
        "p1 k1 g1 d1",
    );
}
