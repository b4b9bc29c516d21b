//! What a call through a door costs, beside the operation or the selector it translates to, in the same run: each at 32
//! connections on 100,000 entities and an organization that moved in. `cargo bench --bench doors -- 100000 --rounds 3`.
//! Stops by itself. Every answer is looked at, and no write asks for what is there already.

#[path = "doors/iblai.rs"]
mod iblai;
#[path = "support/stream.rs"]
mod stream;
mod support;
#[path = "doors/tizra.rs"]
mod tizra;
#[path = "support/wrk.rs"]
#[allow(dead_code)]
mod wrk;

use std::fmt::Write as _;
use std::time::Instant;

use serde_json::{Value, json};
use stream::{FORM, JSON, SUCCESS, blast, post, send};
use support::{Server, copy, median, size_and_rounds, world};
use wrk::cpu;

const CONNECTIONS: usize = 32;
/// Requests of one measurement.
const REQUESTS: usize = 8_000;
/// Users of the organization; each half is asked for by one of the two.
const USERS: usize = 2 * REQUESTS;
const GROUPS: usize = 100;
/// Members of the group whose rule is written in one commit.
const MEMBERS: usize = 100_000;

/// Some requests through a door, and as many that mean the same without it.
struct Pair {
    name: &'static str,
    door: Vec<String>,
    native: Vec<String>,
    /// What each answer has.
    wanted: [&'static str; 2],
}

/// Seconds, and seconds of the server's processor time, a request.
#[derive(Clone, Copy)]
struct Cost {
    wall: f64,
    cpu: f64,
}

fn main() {
    let (size, rounds) = size_and_rounds();
    let database = world(size);
    let mut all: Vec<Costs> = Vec::new();
    let mut rules = Vec::new();
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        let server = Server::start(&copy(&database));
        let mut costs = Vec::new();
        uipath(&server, &mut costs);
        iblai::measure_all(&server, &mut costs);
        tizra::measure_all(&server, &mut costs);
        all.push(costs);
        rules.push(large_rule(&server));
    }
    println!(
        "{size} entities, {CONNECTIONS} connections, median of {rounds}; a call through a door against the same without it"
    );
    for (at, (name, _)) in all[0].iter().enumerate() {
        let of = |side: usize, figure: fn(&Cost) -> f64| {
            median(all.iter().map(|round| figure(&round[at].1[side])).collect::<Vec<f64>>())
        };
        let ratio = |figure: fn(&Cost) -> f64| {
            median(
                all.iter()
                    .map(|round| figure(&round[at].1[0]) / figure(&round[at].1[1]))
                    .collect::<Vec<f64>>(),
            )
        };
        println!(
            "  {name:<44} {:>7.0}/s {:>6.1} us | {:>7.0}/s {:>6.1} us | time {:.2}, processor {:.2}",
            1.0 / of(0, |cost| cost.wall),
            of(0, |cost| cost.cpu) * 1e6,
            1.0 / of(1, |cost| cost.wall),
            of(1, |cost| cost.cpu) * 1e6,
            ratio(|cost| cost.wall),
            ratio(|cost| cost.cpu),
        );
    }
    println!(
        "  a rule of a group of {MEMBERS} members, written and dropped: {:.4} s",
        median(rules)
    );
}

/// What was measured: a pair's name, and its two sides.
type Costs = Vec<(&'static str, [Cost; 2])>;

/// Both sides of a pair, one after the other.
fn measure(server: &Server, costs: &mut Costs, pair: Pair) {
    let process = server.child.id().to_string();
    let cost = |requests: &[String], wanted: &str| {
        let (before, started) = (cpu(&process), Instant::now());
        blast(server.port, CONNECTIONS, requests, wanted);
        let number = requests.len() as f64;
        let wall = started.elapsed().as_secs_f64() / number;
        let cpu = (cpu(&process) - before) / number;
        Cost { wall, cpu }
    };
    let native = cost(&pair.native, pair.wanted[1]);
    let door = cost(&pair.door, pair.wanted[0]);
    costs.push((pair.name, [door, native]));
}

fn each(request: impl Fn(usize) -> String) -> Vec<String> {
    (0..REQUESTS).map(request).collect()
}

/// The ids of all that a selector finds, in order.
fn ids(server: &Server, selector: &str) -> Vec<String> {
    server.ids(selector, usize::MAX)
}

fn get(target: &str) -> String {
    send("GET", target, None, "")
}

const ORGANIZATION: &str = "moved";
const ACCOUNT: &str = "/moved/lease_/api/account/moved/user-license";
const PORTAL: &str = "/moved/portal_/api/license/accountant/UserLicense";
const OF_ORGANIZATION: &str = "Organization[@alias='moved']";

/// An organization with users that have direct records and nothing allocated, groups, and two bundles without end.
fn move_in(server: &Server) {
    let take = |rows: &[Value]| {
        let mut lines = String::new();
        for row in rows {
            let _ = writeln!(lines, "{row}");
        }
        server.must(&format!("POST /import?from=uipath&organization={ORGANIZATION}"), &lines);
    };
    take(&["A", "B"].map(|code| json!({"code": code, "total": 1_000_000})));
    let groups = (0..GROUPS).map(|n| json!({"id": format!("group-{n}"), "name": format!("Group {n}"), "members": []}));
    take(&groups.collect::<Vec<_>>());
    let users = (0..USERS).map(|n| json!({"userId": format!("user-{n}"), "userBundleCodes": []}));
    take(&users.collect::<Vec<_>>());
}

fn uipath(server: &Server, costs: &mut Costs) {
    move_in(server);
    let profiles = ids(
        server,
        &format!("{OF_ORGANIZATION}/~OneToMany/DirectRecord/~ManyToOne/Profile"),
    );
    assert_eq!(profiles.len(), USERS);
    let licenses = "~OneToMany/Entitlement/~OneToMany/License[@name='A']";
    let license = &ids(server, &format!("{OF_ORGANIZATION}/{licenses}"))[0];
    let item = &ids(server, "LicensedItem[@name='B']")[0];
    let groups = ids(
        server,
        &format!("{OF_ORGANIZATION}/~OneToMany/ProfileGroup[@alias~'group-*']"),
    );
    assert_eq!(groups.len(), GROUPS);
    let allocated = |n: usize, codes: &str| {
        let body = format!("{{\"userIds\":[\"user-{n}\"],\"userBundleCodes\":[{codes}],\"useExternalLicense\":false}}");
        send("PUT", ACCOUNT, Some(JSON), &body)
    };
    let pair = Pair {
        name: "U1, a user gets a code / CreateOrUpdateAssignments",
        door: each(|n| allocated(n, "\"A\"")),
        native: each(|n| {
            let profile = &profiles[REQUESTS + n];
            let body =
                format!("licenseId={license}&profileId={profile}&createAssignment=true&reservationType=reserved");
            let target = "/graph?operation=CreateOrUpdateAssignments";
            post(target, FORM, &body)
        }),
        wanted: ["\"userBundleCodes\":[\"A\"]", SUCCESS],
    };
    measure(server, costs, pair);
    let pair = Pair {
        name: "U7, may a user use it / check at /authz",
        door: each(|n| {
            let target = format!("/moved/lease_/api/entitlements/moved/entitled?userId=user-{n}");
            post(&target, JSON, "{\"EntitlementNames\":[\"A\"]}")
        }),
        native: each(|n| get(&format!("/authz/.json?A&doConsume=false&onBehalfOfId={}", profiles[n]))),
        wanted: ["{\"isEntitled\":{\"A\":true}}", "\"A\":true"],
    };
    measure(server, costs, pair);
    let pair = Pair {
        name: "users with a record, 50 / records with includes",
        door: each(|n| get(&format!("{PORTAL}/user/page?top=50&skip={}", n % (REQUESTS - 50)))),
        native: each(|n| {
            get(&format!(
                "/graph/{OF_ORGANIZATION}/~OneToMany/DirectRecord{{i={},r=50}}?/~ManyToOne/Profile/~ManyToOne/Person&/~OneToMany/Assignment/~ManyToOne/License/~ManyToOne/LicensedItem",
                n % (REQUESTS - 50)
            ))
        }),
        wanted: ["\"results\":[{", "\"Items\":[{"],
    };
    measure(server, costs, pair);
    let assignments: Vec<String> = profiles[REQUESTS..]
        .iter()
        .flat_map(|profile| ids(server, &format!("Profile[@id='{profile}']/~OneToMany/Assignment")))
        .collect();
    let pair = Pair {
        name: "U1, a user gives it back / DELETE Assignment",
        door: each(|n| allocated(n, "")),
        native: assignments
            .iter()
            .map(|id| send("DELETE", &format!("/graph/Assignment[@id='{id}']"), None, ""))
            .collect(),
        wanted: ["\"userBundleCodes\":[]", SUCCESS],
    };
    measure(server, costs, pair);
    rules(server, costs, &groups, item);
    let pools = "~OneToMany/Entitlement/~OneToMany/License";
    let pair = Pair {
        name: "pools of bundles / licenses with includes",
        door: each(|_| get(PORTAL)),
        native: each(|_| {
            get(&format!(
                "/graph/{OF_ORGANIZATION}/{pools}?/~ManyToOne/LicensedItem&/~OneToMany/SeatCountCredit"
            ))
        }),
        wanted: ["\"code\":\"A\"", "\"Items\":[{"],
    };
    measure(server, costs, pair);
}

/// Half of the groups by the door, the others without it.
fn rules(server: &Server, costs: &mut Costs, groups: &[String], item: &str) {
    let half = GROUPS / 2;
    let rule = |n: usize| {
        let path = format!("{ACCOUNT}/group/group-{n}");
        send("PUT", &path, Some(JSON), "{\"userBundleCodes\":[\"B\"]}")
    };
    let made = |n: usize| {
        let (group, id) = (&groups[n], format!("a0000000-0000-4000-8000-{n:012x}"));
        let body = format!(
            "{{\"__objType\":\"AllocationRule\",\"id\":\"{id}\",\"external\":false,\"referenceFields\":{{\"ref_ProfileGroup_id\":\"{group}\",\"ref_LicensedItem_id\":\"{item}\"}}}}"
        );
        post("/graph", JSON, &body)
    };
    let pair = Pair {
        name: "U2, a rule for a group / POST AllocationRule",
        door: (0..half).map(rule).collect(),
        native: (half..GROUPS).map(made).collect(),
        wanted: ["\"userBundleCodes\":[\"B\"]", SUCCESS],
    };
    measure(server, costs, pair);
    let quota = |n: usize| {
        let limit = 10 + n;
        let body =
            format!("{{\"userBundleCodes\":[\"B\"],\"quotas\":[{{\"userBundleCode\":\"B\",\"limit\":{limit}}}]}}");
        send(
            "PUT",
            &format!("{ACCOUNT}/group/group-{}/with-quota", n % half),
            Some(JSON),
            &body,
        )
    };
    let pair = Pair {
        name: "U4, another quota / PUT AllocationRule",
        door: each(quota),
        native: each(|n| {
            let id = format!("a0000000-0000-4000-8000-{:012x}", half + n % half);
            let body = format!(
                "{{\"__objType\":\"AllocationRule\",\"id\":\"{id}\",\"quota\":{}}}",
                10 + n
            );
            send("PUT", "/graph", Some(JSON), &body)
        }),
        wanted: ["\"quotas\":[{", SUCCESS],
    };
    measure(server, costs, pair);
    let includes = "?/~ManyToOne/LicensedItem";
    let pair = Pair {
        name: "U5, a rule / AllocationRule with its item",
        door: each(|n| get(&format!("{ACCOUNT}/group/group-{}/with-quota", n % half))),
        native: each(|n| {
            let group = format!("ProfileGroup[@alias='group-{}']", n % half);
            get(&format!("/graph/{group}/~OneToMany/AllocationRule{includes}"))
        }),
        wanted: ["\"groupRule\"", "\"Items\":[{"],
    };
    measure(server, costs, pair);
    let pair = Pair {
        name: "U6, 50 rules / AllocationRule with includes",
        door: each(|_| get(&format!("{ACCOUNT}/groups/with-quota?top=50"))),
        native: each(|_| {
            get(&format!(
                "/graph/{OF_ORGANIZATION}/~OneToMany/ProfileGroup/~OneToMany/AllocationRule{{r=50}}{includes}&/~ManyToOne/ProfileGroup"
            ))
        }),
        wanted: ["\"totalCount\":100", "\"Items\":[{"],
    };
    measure(server, costs, pair);
}

/// Seconds to write the rule of a group of very many, and to drop it.
fn large_rule(server: &Server) -> f64 {
    let members: Vec<String> = (0..MEMBERS).map(|n| format!("member-{n}")).collect();
    let mut lines = String::new();
    for part in members.chunks(MEMBERS / 20) {
        let _ = writeln!(lines, "{}", json!({"id": "many", "name": "Many", "members": part}));
    }
    server.must(&format!("POST /import?from=uipath&organization={ORGANIZATION}"), &lines);
    let started = Instant::now();
    server.must(&format!("PUT {ACCOUNT}/group/many"), "{\"userBundleCodes\":[\"A\"]}");
    server.must(&format!("PUT {ACCOUNT}/group/many"), "{\"userBundleCodes\":[]}");
    started.elapsed().as_secs_f64()
}
