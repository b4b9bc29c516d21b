//! ibl.ai's door: licenses are sold, changed, assigned and listed, beside generic writes and selectors of the same.

use serde_json::{Value, json};

use super::stream::{FORM, JSON, SUCCESS, blast, post};
use super::support::Server;
use super::{CONNECTIONS, Costs, OF_ORGANIZATION, ORGANIZATION, Pair, REQUESTS, USERS};
use super::{each, get, ids, measure};

/// Licenses that are sold, and changed, one by one.
const SOLD: usize = 2_000;
/// Groups that are assigned a license, each of so many members.
const CLASSES: usize = 400;
const MEMBERS: usize = 20;
/// Licenses of an organization whose licenses are listed.
const LISTED: usize = 60;
/// Assignments of a license whose assignments are listed.
const ASSIGNED: usize = 200;
/// Addresses that are asked about.
const ADDRESSES: usize = 1_000;
const PROGRAM: &str = "/api/catalog/licenses/program";
const USER: &str = "/api/catalog/licenses/user";

/// Sells a license by the door: its serial, and its id.
fn sold(server: &Server, path: &str, body: &Value) -> (u64, String) {
    let told = server.must(&format!("POST {path}/create/"), &body.to_string());
    let alias = told["external_id"].as_str().expect("an alias");
    let id = ids(server, &format!("License[@alias='{alias}']")).remove(0);
    (told["id"].as_u64().expect("a serial"), id)
}

fn program(organization: &str, alias: &str, count: u64) -> Value {
    json!({"platform_key": organization, "program_key": "program", "name": alias, "count": count, "external_id": alias})
}

fn native_id(kind: char, n: usize) -> String {
    format!("{kind}1000000-0000-4000-8000-{n:012x}")
}

pub fn measure_all(server: &Server, costs: &mut Costs) {
    let item = native_id('a', 0);
    let made = json!([
        {"__objType": "LicensedItem", "id": item, "name": "program"},
        {"__objType": "Organization", "name": "School", "alias": "school"},
    ]);
    server.must("POST /graph", &made.to_string());
    let entitlement = &ids(server, &format!("{OF_ORGANIZATION}/~OneToMany/Entitlement"))[0];
    sale(server, costs, &item, entitlement);
    assignment(server, costs);
    classes(server, costs);
    lists(server, costs);
}

fn sale(server: &Server, costs: &mut Costs, item: &str, entitlement: &str) {
    let pair = Pair {
        name: "create a license / POST License with its credit",
        door: (0..SOLD)
            .map(|n| {
                let body = program(ORGANIZATION, &format!("door-{n}"), 50).to_string();
                post(&format!("{PROGRAM}/create/"), JSON, &body)
            })
            .collect(),
        native: (0..SOLD)
            .map(|n| {
                let (license, alias) = (native_id('b', n), format!("native-{n}"));
                let of = json!({"ref_License_id": license});
                let body = json!([
                    {"__objType": "License", "id": license, "name": alias, "alias": alias, "type": "program", "active": true,
                     "referenceFields": {"ref_Entitlement_id": entitlement, "ref_LicensedItem_id": item}},
                    {"__objType": "SeatCountCredit", "id": native_id('c', n), "seatCount": 50, "active": true, "referenceFields": of},
                    {"__objType": "LicenseMetadata", "key": "source", "value": "api", "referenceFields": of},
                ]);
                post("/graph", JSON, &body.to_string())
            })
            .collect(),
        wanted: ["\"external_id\":\"door-", SUCCESS],
    };
    measure(server, costs, pair);
    let serials = serials(server);
    let pair = Pair {
        name: "change its seats / PUT SeatCountCredit",
        door: (0..SOLD)
            .map(|n| {
                let body = json!({"license_id": serials[n], "count": 60});
                post(&format!("{PROGRAM}/update/"), JSON, &body.to_string())
            })
            .collect(),
        native: (0..SOLD)
            .map(|n| {
                let body = json!({"__objType": "SeatCountCredit", "id": native_id('c', n), "seatCount": 60});
                super::send("PUT", "/graph", Some(JSON), &body.to_string())
            })
            .collect(),
        wanted: ["\"count\":60", SUCCESS],
    };
    measure(server, costs, pair);
}

/// Of the licenses the door sold, in order.
fn serials(server: &Server) -> Vec<u64> {
    let mut serials = Vec::new();
    for page in 1.. {
        let target = format!("{PROGRAM}/?platform_key={ORGANIZATION}&sort=id&query=door-&page_size=1000&page={page}");
        let told = server.json(&target);
        let results = told["results"].as_array().expect("results");
        serials.extend(results.iter().filter_map(|license| license["id"].as_u64()));
        if told["next"].is_null() {
            break;
        }
    }
    assert_eq!(serials.len(), SOLD);
    serials
}

fn assignment(server: &Server, costs: &mut Costs) {
    let (serial, _) = sold(server, PROGRAM, &program(ORGANIZATION, "many", 1_000_000));
    let (_, other) = sold(server, PROGRAM, &program(ORGANIZATION, "many-more", 1_000_000));
    let profiles = ids(
        server,
        &format!("{OF_ORGANIZATION}/~OneToMany/DirectRecord/~ManyToOne/Profile"),
    );
    assert_eq!(profiles.len(), USERS);
    let pair = Pair {
        name: "assign a license / CreateOrUpdateAssignments",
        door: each(|n| {
            let body = format!("{{\"license_id\":{serial},\"username\":\"user-{n}\"}}");
            post(&format!("{PROGRAM}/assignment/"), JSON, &body)
        }),
        native: each(|n| {
            let profile = &profiles[REQUESTS + n];
            let body = format!("licenseId={other}&profileId={profile}&createAssignment=true&reservationType=reserved");
            post("/graph?operation=CreateOrUpdateAssignments", FORM, &body)
        }),
        wanted: ["\"active\":true", SUCCESS],
    };
    measure(server, costs, pair);
}

fn classes(server: &Server, costs: &mut Costs) {
    let members: Vec<String> = (0..MEMBERS).map(|n| format!("user-{n}")).collect();
    let class = json!({"id": "class", "name": "Class", "members": members});
    server.must(
        &format!("POST /import?from=uipath&organization={ORGANIZATION}"),
        &class.to_string(),
    );
    let group = server.json("/graph/ProfileGroup[@alias='class']");
    let (serial, group) = (
        &group["Items"][0]["serial"],
        group["Items"][0]["id"].as_str().expect("an id"),
    );
    let profiles = ids(server, "ProfileGroup[@alias='class']/~Membership/Profile");
    assert_eq!(profiles.len(), MEMBERS);
    let serials = serials(server);
    let pair = Pair {
        name: "assign to a group of 20 / POST of 20 Assignments",
        door: (0..CLASSES)
            .map(|n| {
                let body = json!({"license_id": serials[n], "group_id": serial});
                post(&format!("{PROGRAM}/assignment/group/"), JSON, &body.to_string())
            })
            .collect(),
        native: (0..CLASSES)
            .map(|n| {
                let (license, made) = (native_id('b', n), native_id('d', n));
                let of = json!({"ref_License_id": license, "ref_ProfileGroup_id": group});
                let mut body = vec![json!({"__objType": "GroupAssignment", "id": made, "active": true, "referenceFields": of})];
                body.extend(profiles.iter().map(|profile| {
                    let of = json!({"ref_License_id": license, "ref_Profile_id": profile, "ref_GroupAssignment_id": made});
                    json!({"__objType": "Assignment", "reservationType": "reserved", "grantsAccess": true, "referenceFields": of})
                }));
                post("/graph", JSON, &Value::Array(body).to_string())
            })
            .collect(),
        wanted: ["\"assigned_count\":20", SUCCESS],
    };
    measure(server, costs, pair);
}

fn lists(server: &Server, costs: &mut Costs) {
    for n in 0..LISTED {
        sold(server, PROGRAM, &program("school", &format!("listed-{n}"), 10));
    }
    let includes = "?/~ManyToOne/LicensedItem&/~OneToMany/SeatCountCredit&/~OneToMany/LicenseMetadata";
    let pair = Pair {
        name: "60 licenses / License with includes",
        door: each(|_| get(&format!("{PROGRAM}/?platform_key=school"))),
        native: each(|_| {
            get(&format!(
                "/graph/Organization[@alias='school']/~OneToMany/Entitlement/~OneToMany/License{includes}"
            ))
        }),
        wanted: ["\"count\":60,", "\"Items\":[{"],
    };
    measure(server, costs, pair);

    let (serial, id) = sold(server, PROGRAM, &program(ORGANIZATION, "class-list", 1000));
    let assign = |path: &str, serial: u64, whom: &str, count: usize| {
        let one = |n: usize| {
            let whom = whom.replace("{n}", &n.to_string());
            post(
                &format!("{path}/assignment/"),
                JSON,
                &format!("{{\"license_id\":{serial},{whom}}}"),
            )
        };
        blast(
            server.port,
            CONNECTIONS,
            &(0..count).map(one).collect::<Vec<_>>(),
            "\"active\":true",
        );
    };
    assign(PROGRAM, serial, "\"username\":\"user-{n}\"", ASSIGNED);
    let includes = "?/~ManyToOne/Profile/~ManyToOne/Person&/~ManyToOne/License/~ManyToOne/LicensedItem";
    let pair = Pair {
        name: "50 assignments / Assignment with includes",
        door: each(|_| get(&format!("{PROGRAM}/assignment/?license_id={serial}&page_size=50"))),
        native: each(|_| {
            get(&format!(
                "/graph/License[@id='{id}']/~OneToMany/Assignment[@grantsAccess=true]{{r=50}}{includes}"
            ))
        }),
        wanted: ["\"count\":200,", "\"Items\":[{"],
    };
    measure(server, costs, pair);

    let body = json!({"platform_key": ORGANIZATION, "name": "Seats", "count": 1_000_000, "external_id": "seats"});
    let (serial, _) = sold(server, USER, &body);
    assign(USER, serial, "\"email\":\"mail-{n}@far.example\"", ADDRESSES);
    let pair = Pair {
        name: "is an address assigned / its License",
        door: each(|n| {
            get(&format!(
                "{USER}/assignment/check/?email=mail-{}@far.example",
                n % ADDRESSES
            ))
        }),
        native: each(|n| {
            let address = format!("EmailAddress[@value='mail-{}@far.example']", n % ADDRESSES);
            let assigned = "~OneToMany/Assignment[@grantsAccess=true]/~ManyToOne/License[@type='user']";
            get(&format!(
                "/graph/{address}/~ManyToOne/ContactInformation/~ManyToOne/Profile/{assigned}"
            ))
        }),
        wanted: ["an active license is assigned", "\"Items\":[{"],
    };
    measure(server, costs, pair);
}
