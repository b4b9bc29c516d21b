//! Tizra's door: licenses are made of an offer, sessions begun, objects and licenses read, beside generic writes, operations and
//! selectors of the same.

use serde_json::json;

use super::stream::{FORM, JSON, SUCCESS, post};
use super::support::Server;
use super::{Costs, OF_ORGANIZATION, ORGANIZATION, Pair, REQUESTS};
use super::{each, get, ids, measure};

/// Logins that are tried: each compares a password, slowly on purpose.
const LOGINS: usize = 48;
const PASSWORD: &str = "a password of some length";

fn native_id(kind: char, n: usize) -> String {
    format!("{kind}2000000-0000-4000-8000-{n:012x}")
}

pub fn measure_all(server: &Server, costs: &mut Costs) {
    let (item, offer) = (native_id('a', 0), native_id('a', 1));
    let lines = [
        json!({"__objType": "LicensedItem", "id": item, "name": "book"}),
        json!({"__objType": "ProductPackage", "id": offer, "title": "Book", "alias": "book", "active": true}),
        json!({"__objType": "ObjectRelation", "multiplicity": "MANY_TO_MANY",
               "referenceFields": {"ref_ProductPackage_id": offer, "ref_LicensedItem_id": item}}),
    ];
    server.must("POST /import", &lines.map(|line| format!("{line}\n")).concat());
    let profiles = ids(
        server,
        &format!("{OF_ORGANIZATION}/~OneToMany/DirectRecord/~ManyToOne/Profile"),
    );
    let entitlement = &ids(server, &format!("{OF_ORGANIZATION}/~OneToMany/Entitlement"))[0];
    let organization = &ids(server, OF_ORGANIZATION)[0];
    let site = format!("/admin-api/{ORGANIZATION}");
    let pair = Pair {
        name: "a license of an offer / POST License, Assignment",
        door: each(|n| {
            let body = format!("{{\"user-name\":\"user-{n}\",\"offer-id\":\"book\"}}");
            post(&format!("{site}/licenses"), JSON, &body)
        }),
        native: each(|n| {
            let (license, profile) = (native_id('b', n), &profiles[REQUESTS + n]);
            let of =
                json!({"ref_Entitlement_id": entitlement, "ref_LicensedItem_id": item, "ref_ProductPackage_id": offer});
            let body = json!([
                {"__objType": "License", "id": license, "individual": true, "active": true, "referenceFields": of},
                {"__objType": "SeatCountCredit", "active": true, "referenceFields": {"ref_License_id": license}},
                {"__objType": "Assignment", "reservationType": "reserved", "grantsAccess": true, "bought": true,
                 "referenceFields": {"ref_License_id": license, "ref_Profile_id": profile}},
            ]);
            post("/graph", JSON, &body.to_string())
        }),
        wanted: ["\"status\":201", SUCCESS],
    };
    measure(server, costs, pair);
    let pair = Pair {
        name: "a session / POST /tokens",
        door: each(|n| {
            post(
                &format!("{site}/session-login"),
                JSON,
                &format!("{{\"user-name\":\"user-{n}\"}}"),
            )
        }),
        native: each(|n| {
            let body = json!({"permissions": ["License.consume"], "profileId": profiles[REQUESTS + n],
                              "organizationId": organization, "expiresAt": "2099-01-01T00:00:00.000Z"});
            post("/tokens", JSON, &body.to_string())
        }),
        wanted: ["\"token\":\"sg_", "\"token\":\"sg_"],
    };
    measure(server, costs, pair);
    logins(server, costs, &site, &profiles[0]);
    let login = "/~ManyToOne/Person/~OneToMany/EmailAndPassword";
    let address = "/~OneToMany/ContactInformation/~OneToMany/EmailAddress";
    let pair = Pair {
        name: "a user / Profile with includes",
        door: each(|n| get(&format!("{site}/objects/user-{n}"))),
        native: each(|n| {
            get(&format!(
                "/graph/Profile[@alias='user-{n}']?/~OneToMany/Property&{login}&{address}"
            ))
        }),
        wanted: ["\"meta-type\":\"UserData\"", "\"Items\":[{"],
    };
    measure(server, costs, pair);
    let includes = "?/~ManyToOne/LicensedItem&/~ManyToOne/ProductPackage&/~OneToMany/LicenseMetadata";
    let pair = Pair {
        name: "licenses of a user / License with includes",
        door: each(|n| get(&format!("{site}/licenses?user-name=user-{n}"))),
        native: each(|n| {
            let sold = "~OneToMany/Assignment/~ManyToOne/License[@individual=true]";
            get(&format!("/graph/Profile[@alias='user-{n}']/{sold}{includes}"))
        }),
        wanted: ["\"licenses\":[{", "\"Items\":[{"],
    };
    measure(server, costs, pair);
    let pair = Pair {
        name: "50 licenses of a site / License with includes",
        door: each(|_| get(&format!("{site}/licenses?limit=50"))),
        native: each(|_| {
            let sold = "~OneToMany/Entitlement[@name='Sold%20licenses']/~OneToMany/License{r=50}";
            let buyer = "/~OneToMany/Assignment/~ManyToOne/Profile/~ManyToOne/Person/~OneToMany/EmailAndPassword";
            get(&format!("/graph/{OF_ORGANIZATION}/{sold}{includes}&{buyer}"))
        }),
        wanted: ["\"licenses\":[{", "\"Items\":[{"],
    };
    measure(server, costs, pair);
}

fn logins(server: &Server, costs: &mut Costs, site: &str, profile: &str) {
    // Each logs in by itself: several tries for one name at the same time are throttled.
    let name = |number: usize| format!("reader{number}@moved.example");
    let people = (0..LOGINS).flat_map(|number| {
        let person = native_id('d', number);
        let profile = if number == 0 { profile.to_owned() } else { native_id('e', number) };
        [
            json!({"__objType": "Person", "id": person, "firstName": "Rea", "lastName": "Der"}),
            json!({"__objType": "EmailAndPassword", "userName": name(number), "passwordPlain": PASSWORD, "referenceFields": {"ref_Person_id": person}}),
            json!({"__objType": "Profile", "id": profile, "referenceFields": {"ref_Person_id": person}}),
        ]
    });
    let people: Vec<_> = people.collect();
    people.chunks(24).for_each(|some| {
        server.must("POST /graph", &json!(some).to_string());
    });
    // Of the site is who bought there.
    (0..LOGINS).for_each(|number| {
        let body = json!({"user-name": name(number), "offer-id": "book"}).to_string();
        server.must(&format!("POST {site}/licenses"), &body);
    });
    let pair = Pair {
        name: "a login / Login",
        door: (0..LOGINS)
            .map(|number| {
                let body = json!({"operation": "login", "user-name": name(number), "password": PASSWORD});
                post(site, JSON, &body.to_string())
            })
            .collect(),
        native: (0..LOGINS)
            .map(|number| {
                let body = format!("userName={}&password={}", name(number), PASSWORD.replace(' ', "+"));
                post("/graph?operation=Login", FORM, &body)
            })
            .collect(),
        wanted: ["\"user\":{", SUCCESS],
    };
    measure(server, costs, pair);
}
