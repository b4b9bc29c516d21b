//! A client that others publish, against this server as it is: `@iblai/iblai-api` sells licenses, changes, lists, assigns and takes
//! back, to users and to groups, and asks the public check (`doors.md` B.7). Needs Node 18 or later and `npm ci` in
//! `tests/clients`. What else may be sent is told byte for byte by `fixtures/doors/iblai`.

use std::sync::Arc;

use seatgraph::model::{Clock, Kind, Time};
use seatgraph::settings::Settings;
use seatgraph::storage::Memory;
use serde_json::{Value, json};

use crate::support::program::Program;
use crate::support::seed;
use crate::support::server::{ADMIN, Server};

const NOON: Time = Time(1_768_478_400_000);
const PROGRAM: &str = "program-v1:acme+data+2026";
const COURSE: &str = "course-v1:acme+intro+2026";
/// Serials of the seed.
const ANN: u64 = 7;
const CAT: u64 = 17;
const DAN: u64 = 22;
const CLASS_A: u64 = 4;

/// How the key is told.
#[derive(Clone, Copy)]
enum Key {
    /// In a header of its own spelling.
    Spelled(&'static str),
    /// As the client's own token.
    Token,
    None,
}

struct Client<'s> {
    program: &'s mut Program,
    base: String,
    key: Key,
}

impl Client<'_> {
    fn ask(&mut self, call: &str, argument: Value) -> Value {
        let mut asked = json!({"base": self.base, "call": call, "argument": argument});
        match self.key {
            Key::Spelled(scheme) => asked["key"] = json!(format!("{scheme} {ADMIN}")),
            Key::Token => asked["token"] = json!(ADMIN),
            Key::None => {}
        }
        self.program.ask(&asked)
    }

    fn done(&mut self, call: &str, argument: Value) -> Value {
        let answer = self.ask(call, argument);
        assert!(answer.get("value").is_some(), "{call}: {answer}");
        answer["value"].clone()
    }

    fn refused(&mut self, call: &str, argument: Value) -> (u64, Value) {
        let answer = self.ask(call, argument);
        let status = answer["status"].as_u64();
        (
            status.unwrap_or_else(|| panic!("{call}: {answer}")),
            answer["body"].clone(),
        )
    }
}

/// Reservations there are.
fn reserved(server: &Server) -> usize {
    let graph = server.engine.snapshot();
    let field = Kind::Assignment.field("reservationType").expect("a field");
    graph
        .of_kind(Kind::Assignment, None)
        .filter(|assignment| assignment.fields().get(field).and_then(|value| value.as_text()) == Some("reserved"))
        .count()
}

/// Everything a customer of that client does, at one mount.
fn use_it(program: &mut Program, mount: &str, key: Key) {
    let clock = Arc::new(Clock::frozen(NOON));
    let server = Server::start(Box::new(Memory::new()), clock, &Settings::default());
    server.sow(&seed("school"));
    let base = format!("http://{}{mount}", server.address);
    let mut client = Client { program, base, key };

    // Sold, changed, and listed with what its assignments come to.
    let asked = json!({"requestBody": {
        "platform_key": "acme", "program_key": PROGRAM, "name": "Data", "count": 2, "started": "2026-01-01T00:00:00Z",
        "external_id": "order-1", "metadata": {"tier": "gold"},
    }});
    let license = client.done("catalogLicensesProgramCreateCreate", asked.clone());
    assert_eq!(
        (&license["count"], &license["program_name"]),
        (&json!(2), &json!("Data Science")),
        "{license}"
    );
    let id = license["id"].as_u64().expect("a number");
    let (status, body) = client.refused("catalogLicensesProgramCreateCreate", asked);
    assert_eq!((status, body["external_id"].is_array()), (400, true), "{body}");
    let asked = json!({"requestBody": {"external_id": "order-1", "count": 3, "name": "More data"}});
    let changed = client.done("catalogLicensesProgramUpdateCreate", asked);
    assert_eq!(
        (&changed["id"], &changed["count"], &changed["metadata"]),
        (&json!(id), &json!(3), &json!({"tier": "gold"})),
        "{changed}"
    );
    let listed = client.done(
        "catalogLicensesProgramRetrieve",
        json!({"platformKey": "acme", "verbose": true}),
    );
    assert_eq!(listed["count"], 2, "{listed}");
    assert_eq!(
        listed["results"][0]["assignments"],
        json!({"total": 0, "active": 0, "pending": 0})
    );

    // Assigned to a user and to an address, refused to one more than there are seats.
    let body = |more: Value| {
        let mut body = json!({"license_id": id});
        for (name, value) in more.as_object().expect("members") {
            body[name] = value.clone();
        }
        json!({"licenseId": id, "requestBody": body})
    };
    let assign = "catalogLicensesProgramAssignmentCreate";
    let ann = client.done(assign, body(json!({"user_id": ANN})));
    assert_eq!(
        (&ann["username"], &ann["direct"], &ann["active"]),
        (&json!("ann"), &json!(true), &json!(true)),
        "{ann}"
    );
    let far = client.done(assign, body(json!({"email": "far@far.example"})));
    assert_eq!(
        (&far["user_id"], &far["email"]),
        (&Value::Null, &json!("far@far.example"))
    );
    let (status, told) = client.refused(
        "catalogLicensesProgramAssignmentGroupCreate",
        body(json!({"group_id": CLASS_A})),
    );
    assert_eq!((status, &told["code"]), (400, &json!("noSeatsAvailable")), "{told}");
    assert_eq!(reserved(&server), 2);
    client.done(assign, body(json!({"user_id": DAN})));
    let (status, told) = client.refused(assign, body(json!({"user_id": CAT})));
    assert_eq!((status, &told["code"]), (400, &json!("noSeatsAvailable")), "{told}");
    let (status, told) = client.refused(
        "catalogLicensesProgramUpdateCreate",
        json!({"requestBody": {"license_id": id, "count": 2}}),
    );
    assert_eq!((status, told["count"].is_array()), (400, true), "{told}");
    let page = client.done(
        "catalogLicensesProgramAssignmentRetrieve",
        json!({"licenseId": id, "pageSize": 2}),
    );
    assert_eq!(
        (&page["count"], page["results"].as_array().map(Vec::len)),
        (&json!(3), Some(2)),
        "{page}"
    );
    assert!(
        page["next_page"].is_string() && page["previous_page"].is_null(),
        "{page}"
    );

    // Taken back, and given to all of a group: one has it already.
    let gone = json!({"assignmentId": far["id"], "licenseId": id});
    client.done("catalogLicensesProgramAssignmentDestroy", gone.clone());
    assert_eq!(client.refused("catalogLicensesProgramAssignmentDestroy", gone).0, 404);
    assert_eq!(reserved(&server), 2);
    let asked = json!({"requestBody": {"license_id": id, "count": 4}});
    client.done("catalogLicensesProgramUpdateCreate", asked);
    let group = client.done(
        "catalogLicensesProgramAssignmentGroupCreate",
        body(json!({"group_id": CLASS_A})),
    );
    assert_eq!(
        (&group["user_count"], &group["assigned_count"], &group["group_name"]),
        (&json!(3), &json!(1), &json!("Class A")),
        "{group}"
    );
    assert_eq!(reserved(&server), 3);
    let groups = client.done(
        "catalogLicensesProgramAssignmentGroupRetrieve",
        json!({"licenseId": id}),
    );
    assert_eq!(groups["results"][0]["id"], group["id"], "{groups}");
    let gone = json!({
        "assignmentId": group["id"], "licenseId": id, "platformKey": "acme", "removeUserAssignments": true,
    });
    client.done("catalogLicensesProgramAssignmentGroupDestroy", gone.clone());
    assert_eq!(reserved(&server), 2);
    assert_eq!(
        client.refused("catalogLicensesProgramAssignmentGroupDestroy", gone).0,
        404
    );

    // The other families, and the check, which needs no key.
    let course = json!({"requestBody": {"platform_key": "acme", "course_id": COURSE, "count": 1}});
    let course = client.done("catalogLicensesCourseCreateCreate", course);
    assert_eq!(course["course_id"], COURSE);
    let none = json!({"requestBody": {"platform_key": "acme", "course_id": "course-v1:none"}});
    assert_eq!(client.refused("catalogLicensesCourseCreateCreate", none).0, 404);
    let campus = json!({"requestBody": {"platform_key": "bolt", "count": 100}});
    client.done("catalogLicensesPlatformCreateCreate", campus);
    let user = json!({"requestBody": {"platform_key": "acme", "count": 1}});
    let user = client.done("catalogLicensesUserCreateCreate", user)["id"].clone();
    let asked = json!({"licenseId": user, "requestBody": {"license_id": user, "email": "cat@acme.example"}});
    client.done("catalogLicensesUserAssignmentCreate", asked);
    client.key = Key::None;
    let check = "catalogLicensesUserAssignmentCheckRetrieve";
    client.done(check, json!({"email": "cat@acme.example"}));
    assert_eq!(client.refused(check, json!({"email": "dan@acme.example"})).0, 404);
    assert_eq!(client.refused("catalogLicensesUserRetrieve", json!({})).0, 401);
}

#[test]
fn the_catalog_client_sells_assigns_and_takes_back() {
    let Some(mut program) = Program::start("@iblai/iblai-api", "iblai.mjs") else {
        return;
    };
    for (mount, key) in [
        ("", Key::Spelled("Api-Token")),
        ("/dm", Key::Spelled("Api-Key")),
        ("", Key::Spelled("Token")),
        ("/dm", Key::Token),
    ] {
        use_it(&mut program, mount, key);
    }
}
