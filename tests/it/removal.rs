//! Between two steps of a large DELETE everybody else writes: what a write in between finds, and what one does to the
//! steps that follow. The store stops the committer where a test wants it, so nothing here is a matter of time.

use std::sync::Arc;
use std::thread;

use seatgraph::model::{Clock, Kind, Time};
use seatgraph::settings::Settings;
use seatgraph::storage::{Failing, Fault, Faults, Memory, Storage};
use serde_json::{Value, json};

use super::support::client::Response;
use super::support::gate::{Gate, Gated};
use super::support::server::{ADMIN, Server};
use super::support::{self, until};

const ORGANIZATION: &str = "10000000-0000-4000-8000-000000000001";
const LARGE: &str = "/graph/Organization[@name='Large']";
const LEAVERS: &str = "/graph/Profile[@validUntil=null][@description='leaver']";

/// Milliseconds a repeat waits for the first: as long as it takes, and hardly at all.
const PATIENT: u64 = 30_000;
const HASTY: u64 = 1;

struct World {
    store: Memory,
    server: Server,
    gate: Gate,
    faults: Faults,
}

impl World {
    fn on(store: Memory, wait_ms: u64) -> Self {
        let gate = Gate::default();
        gate.shut_behind(Some("Delete"));
        let (storage, faults) = Failing::new(store.another());
        Self {
            store,
            server: server(Box::new(Gated::new(storage, &gate)), wait_ms),
            gate,
            faults,
        }
    }

    fn new() -> Self {
        Self::waiting(PATIENT)
    }

    /// An organization with forty licenses, of which a commit removes two.
    fn waiting(wait_ms: u64) -> Self {
        let world = Self::on(Memory::new(), wait_ms);
        let mut lines = vec![
            json!({"__objType": "Organization", "id": ORGANIZATION, "name": "Large"}),
            json!({"__objType": "LicensedItem", "id": "10000000-0000-4000-8000-000000000002", "name": "editor"}),
            json!({"__objType": "Entitlement", "id": "10000000-0000-4000-8000-000000000003",
                "referenceFields": {"ref_Organization_id": ORGANIZATION}}),
        ];
        for number in 0..40 {
            let license = format!("20000000-0000-4000-8000-{number:012}");
            lines.push(
                json!({"__objType": "License", "id": license, "name": format!("L{number}"), "referenceFields": {
                "ref_Entitlement_id": "10000000-0000-4000-8000-000000000003",
                "ref_LicensedItem_id": "10000000-0000-4000-8000-000000000002"}}),
            );
            lines.push(
                json!({"__objType": "SeatCountCredit", "seatCount": 1, "referenceFields": {"ref_License_id": license}}),
            );
        }
        world.server.sow(&support::lines(lines));
        world
    }

    fn send(&self, token: &str, method: &str, target: &str, body: Option<&str>) -> Response {
        self.server.ask(Some(token), method, target, body, &[])
    }

    /// Two profiles that leave: one with forty denials, which a commit does not remove, and one with nothing.
    fn with_leavers(self) -> Self {
        let [large, small] = [1, 2].map(|number| format!("30000000-0000-4000-8000-{number:012}"));
        let profiles = [&large, &small].map(|id| json!({"__objType": "Profile", "id": id, "description": "leaver"}));
        let denials = (0..40).map(|number| {
            let license = format!("20000000-0000-4000-8000-{number:012}");
            json!({"__objType": "Assignment", "reservationType": "denied", "referenceFields": {
                "ref_License_id": license, "ref_Profile_id": large}})
        });
        self.server.sow(&support::lines(profiles.into_iter().chain(denials)));
        self
    }

    fn json(&self, target: &str) -> Value {
        self.server.admin("GET", target, None).json()
    }

    /// Deletes it all, and writes something else when the first step is stored and the second one waits.
    fn with_a_write_between(
        &self,
        (token, deleted): (&str, &str),
        method: &str,
        target: &str,
        body: Option<&str>,
    ) -> (Response, Response) {
        thread::scope(|scope| {
            let deletion = scope.spawn(move || self.send(token, "DELETE", deleted, None));
            self.gate.arrived();
            let write = scope.spawn(move || self.send(ADMIN, method, target, body));
            until("it waits in the queue", || self.server.engine.health().queue == 1);
            self.gate.open();
            let both = (deletion.join(), write.join());
            (both.0.expect("an answer"), both.1.expect("an answer"))
        })
    }
}

impl World {
    /// What a caller with these permissions is told whose token is revoked after the first step.
    fn revoked_between(&self, permissions: &[&str], deleted: &str) -> Value {
        let (id, token) = self.server.token(json!({"permissions": permissions}));
        let (deletion, write) = self.with_a_write_between((&token, deleted), "DELETE", &format!("/tokens/{id}"), None);
        assert!(write.status < 300, "{}", write.text());
        assert_eq!(deletion.status, 401, "{}", deletion.text());
        deletion.json()
    }
}

fn server(storage: Box<dyn Storage>, wait_ms: u64) -> Server {
    let mut settings = Settings::default();
    settings.limits.cascade = 10;
    settings.limits.wait_ms = wait_ms;
    let clock = Arc::new(Clock::frozen(Time(1_768_478_400_000)));
    Server::start(storage, clock, &settings)
}

fn deleted_by_key(server: &Server, target: &str, key: &str) -> Response {
    server.ask(Some(ADMIN), "DELETE", target, None, &[("Idempotency-Key", key)])
}

/// Entities, but for what the server keeps for itself: that there was an organization.
fn entities(server: &Server) -> usize {
    let graph = server.engine.snapshot();
    Kind::public().map(|kind| graph.of_kind(kind, None).count()).sum()
}

#[test]
fn a_write_gets_in_between_two_steps() {
    let world = World::new();
    let license = json!({"__objType": "License", "name": "late", "referenceFields": {
        "ref_Entitlement_id": "10000000-0000-4000-8000-000000000003",
        "ref_LicensedItem_id": "10000000-0000-4000-8000-000000000002"}})
    .to_string();
    let (deletion, write) = world.with_a_write_between((ADMIN, LARGE), "POST", "/graph", Some(&license));
    assert_eq!((deletion.status, write.status), (200, 200), "{}", deletion.text());
    // It is in the log between two commits of the deletion, and what it made has gone with the rest.
    let audit = world.json("/audit?after=1");
    let operations: Vec<&str> = audit["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter_map(|item| item["operation"].as_str())
        .collect();
    assert_eq!(operations[..4], ["Delete", "Delete", "Create", "Delete"]);
    assert_eq!(operations.iter().filter(|name| **name == "Delete").count(), 21);
    assert_eq!(world.json("/graph/License{count}")["value"], 0);
    // All but the item: 203 that were there, and the late license with its two relations.
    let answer = deletion.json();
    assert_eq!(answer["count"], 3 + 40 * 5 + 3);
    world
        .server
        .engine
        .snapshot()
        .check()
        .expect("a graph that fits together");
}

#[test]
fn a_refusal_of_a_later_step_says_what_is_gone() {
    let world = World::new();
    let problem = world.revoked_between(&["*.*"], LARGE);
    assert_eq!(
        (&problem["code"], &problem["cause"], &problem["removed"]),
        (&json!("partlyRemoved"), &json!("invalidToken"), &json!(20))
    );
    assert_eq!(world.json("/graph/License{count}")["value"], 36);
    assert_eq!(world.json("/graph/Organization{count}")["value"], 1);
    world
        .server
        .engine
        .snapshot()
        .check()
        .expect("a graph that fits together");
    // Sent again by who may, it goes on.
    let again = world.server.admin("DELETE", "/graph/Organization", None).json();
    assert_eq!(again["count"], 3 + 36 * 5);
}

/// Also to whom nothing of what is gone may be told.
#[test]
fn who_may_not_read_what_is_gone_is_told_that_something_is() {
    let world = World::new();
    let problem = world.revoked_between(&["Entitlement.read", "Entitlement.delete"], "/graph/Entitlement");
    assert_eq!(
        (&problem["code"], &problem["cause"], &problem["removed"]),
        (&json!("partlyRemoved"), &json!("invalidToken"), &json!(0)),
        "{problem}"
    );
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(detail.contains("beside what was closed"), "{detail}");
    assert_eq!(world.json("/graph/License{count}")["value"], 36);
}

/// Where the selector led through what has gone, it is known by its id what is still to go.
#[test]
fn what_is_still_to_go_is_told_by_its_id() {
    let world = World::new();
    let led = "/graph/License[@name='L0']/~ManyToOne/Entitlement";
    let problem = world.revoked_between(&["*.*"], led);
    let entitlement = "10000000-0000-4000-8000-000000000003";
    assert_eq!(
        (&problem["code"], &problem["targets"], &problem["targetsLeft"]),
        (
            &json!("partlyRemoved"),
            &json!([{"__objType": "Entitlement", "id": entitlement}]),
            &json!(1)
        ),
        "{problem}"
    );
    let deleted = |target: &str| -> Value {
        let answer = world.server.admin("DELETE", target, None);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["count"].clone()
    };
    assert_eq!(deleted(led), 0);
    assert_eq!(world.json("/graph/License{count}")["value"], 36);
    assert_eq!(deleted(&format!("/graph/Entitlement[@id='{entitlement}']")), 36 * 5 + 2);
    assert_eq!(world.json("/graph/License{count}")["value"], 0);
    // Of several, those that are gone are not told again.
    let world = World::new();
    let problem = world.revoked_between(&["*.*"], "/graph/License");
    let targets = problem["targets"].as_array().expect("targets");
    assert_eq!((targets.len(), &problem["targetsLeft"]), (36, &json!(36)));
    assert_eq!(targets[0]["id"], "20000000-0000-4000-8000-000000000004");
}

/// A caller that goes out by its own profile, by which nobody comes in any more from the first step on.
#[test]
fn who_removes_its_own_profile_goes_on_with_it() {
    let world = World::new();
    let profile = "30000000-0000-4000-8000-000000000001";
    let mut lines = format!("{}\n", json!({"__objType": "Profile", "id": profile}));
    for number in 0..40 {
        let license = format!("20000000-0000-4000-8000-{number:012}");
        let denial = json!({"__objType": "Assignment", "reservationType": "denied", "referenceFields": {
            "ref_License_id": license, "ref_Profile_id": profile}});
        lines += &format!("{denial}\n");
    }
    world.server.sow(&lines);
    let (_, token) = world
        .server
        .token(json!({"permissions": ["*.*"], "profileId": profile}));
    let (deletion, meanwhile) = thread::scope(|scope| {
        let deletion = scope.spawn(|| world.send(&token, "DELETE", "/graph/Profile", None));
        world.gate.arrived();
        let meanwhile = world.send(&token, "GET", "/graph/License{count}", None);
        world.gate.open();
        (deletion.join().expect("an answer"), meanwhile)
    });
    assert_eq!((deletion.status, meanwhile.status), (200, 401), "{}", deletion.text());
    for (kind, left) in [("Profile", 0), ("Assignment", 0), ("License", 40)] {
        assert_eq!(world.json(&format!("/graph/{kind}{{count}}"))["value"], left, "{kind}");
    }
}

/// Also where it is one of many, and the first of them.
#[test]
fn who_removes_its_own_profile_among_others_removes_them_all() {
    let world = World::new();
    world.gate.shut_behind(None);
    let profiles: Vec<String> = (1..=3)
        .map(|number| format!("30000000-0000-4000-8000-{number:012}"))
        .collect();
    let mut lines = String::new();
    for profile in &profiles {
        lines += &format!("{}\n", json!({"__objType": "Profile", "id": profile}));
        for number in 0..12 {
            let account = json!({"__objType": "Account", "accountType": format!("a{number}"), "referenceFields": {
                "ref_Profile_id": profile}});
            lines += &format!("{account}\n");
        }
    }
    world.server.sow(&lines);
    let (_, token) = world
        .server
        .token(json!({"permissions": ["*.*"], "profileId": profiles[0]}));
    let deletion = world.send(&token, "DELETE", "/graph/Profile", None);
    assert_eq!(deletion.status, 200, "{}", deletion.text());
    let answer = deletion.json();
    assert_eq!(answer["count"], 3 * (1 + 2 * 12));
    assert_eq!(world.json("/graph/Profile{count}")["value"], 0);
    assert_eq!(world.send(&token, "GET", "/graph/License{count}", None).status, 401);
}

/// As after a crash between two steps: what is left is whole, and the same request goes on with it, under the same key.
#[test]
fn the_next_start_goes_on_where_the_store_failed() {
    for (fault, status, cause, left) in [
        (Fault::Before, 503, "storageUnavailable", 36),
        (Fault::After, 503, "outcomeUnknown", 34),
    ] {
        let world = World::new();
        world.gate.shut_behind(None);
        world.faults.fail_commit(3, fault);
        let failed = deleted_by_key(&world.server, LARGE, "large");
        assert_eq!(failed.status, status, "{}", failed.text());
        let problem = failed.json();
        assert_eq!(
            (&problem["code"], &problem["cause"], &problem["removed"]),
            (&json!("partlyRemoved"), &json!(cause), &json!(20)),
            "{problem}"
        );
        let store = world.store.another();
        drop(world);
        let world = World::on(store, PATIENT);
        world.gate.shut_behind(None);
        let graph = world.server.engine.snapshot();
        graph.check().expect("a graph that fits together");
        assert_eq!(world.json("/graph/License{count}")["value"], left);
        assert_eq!(world.json("/graph/SeatCountCredit{count}")["value"], left);
        assert_eq!(world.json("/graph/Organization{count}")["value"], 1);
        let again = deleted_by_key(&world.server, LARGE, "large");
        assert_eq!(again.status, 200, "{}", again.text());
        let answer = again.json();
        assert_eq!(answer["count"], 3 + left * 5);
        let repeated = deleted_by_key(&world.server, LARGE, "large");
        assert_eq!((repeated.status, &repeated.body), (200, &again.body));
        assert_eq!(repeated.header("idempotency-replayed"), Some("true"));
        assert_eq!(entities(&world.server), 1, "all but the item");
    }
}

/// A repeat that comes while the first is under way waits for it, and both have the answer that is kept.
#[test]
fn a_repeat_half_way_is_answered_as_the_first() {
    let world = World::new();
    let keyed = || deleted_by_key(&world.server, LARGE, "large");
    let (first, second) = thread::scope(|scope| {
        let first = scope.spawn(keyed);
        world.gate.arrived();
        let second = scope.spawn(keyed);
        world.gate.open();
        (first.join().expect("an answer"), second.join().expect("an answer"))
    });
    assert_eq!((first.status, second.status), (200, 200), "{}", second.text());
    assert_eq!(first.body, second.body);
    let replayed = [&first, &second].map(|answer| answer.header("idempotency-replayed") == Some("true"));
    assert_eq!(replayed, [false, true]);
    assert_eq!(entities(&world.server), 1, "all but the item");
}

/// Also one that finds less than the first did, which one commit would do. It does not wait for ever.
#[test]
fn a_repeat_that_finds_less_does_not_answer_for_the_first() {
    let world = World::waiting(HASTY).with_leavers();
    let keyed = || deleted_by_key(&world.server, LEAVERS, "leavers");
    let (first, second) = thread::scope(|scope| {
        let first = scope.spawn(keyed);
        world.gate.arrived();
        assert_eq!(
            world.json(&format!("{LEAVERS}{{count}}"))["value"],
            1,
            "the large one has ended"
        );
        let second = scope.spawn(keyed);
        until("it is answered, or waits", || {
            second.is_finished() || world.server.engine.health().queue == 1
        });
        world.gate.open();
        (first.join().expect("an answer"), second.join().expect("an answer"))
    });
    assert_eq!(
        (first.status, second.status),
        (200, 503),
        "{} {}",
        first.text(),
        second.text()
    );
    let problem = second.json();
    assert_eq!(problem["code"], "stillUnderWay");
    assert_eq!(second.header("retry-after"), Some("1"));
    for (kind, left) in [("Profile", 0), ("Assignment", 0), ("License", 40)] {
        assert_eq!(world.json(&format!("/graph/{kind}{{count}}"))["value"], left, "{kind}");
    }
    let third = keyed();
    assert_eq!((third.status, &third.body), (200, &first.body));
    assert_eq!(third.header("idempotency-replayed"), Some("true"));
}

/// At another node nobody knows of the first, and the answer of the repeat is kept. All goes, nevertheless.
#[test]
fn a_repeat_at_another_node_does_not_end_the_first() {
    let world = World::new().with_leavers();
    let other = server(Box::new(world.store.another()), PATIENT);
    let (first, second) = thread::scope(|scope| {
        let first = scope.spawn(|| deleted_by_key(&world.server, LEAVERS, "leavers"));
        world.gate.arrived();
        let second = deleted_by_key(&other, LEAVERS, "leavers");
        world.gate.open();
        (first.join().expect("an answer"), second)
    });
    assert_eq!(
        (first.status, second.status),
        (200, 200),
        "{} {}",
        first.text(),
        second.text()
    );
    assert_eq!(second.json()["count"], 1);
    for (kind, left) in [("Profile", 0), ("Assignment", 0), ("License", 40)] {
        assert_eq!(world.json(&format!("/graph/{kind}{{count}}"))["value"], left, "{kind}");
    }
}

/// Its answer is not there yet, and its key is taken.
#[test]
fn the_key_of_one_under_way_stands_for_no_other_request() {
    let world = World::new();
    let other = json!({"__objType": "Organization", "name": "Other"}).to_string();
    let keyed = [("Idempotency-Key", "large")];
    let post = || world.server.ask(Some(ADMIN), "POST", "/graph", Some(&other), &keyed);
    let (deletion, meanwhile) = thread::scope(|scope| {
        let deletion = scope.spawn(|| deleted_by_key(&world.server, LARGE, "large"));
        world.gate.arrived();
        let meanwhile = scope.spawn(post);
        until("it is answered, or waits", || {
            meanwhile.is_finished() || world.server.engine.health().queue == 1
        });
        world.gate.open();
        (
            deletion.join().expect("an answer"),
            meanwhile.join().expect("an answer"),
        )
    });
    assert_eq!(
        (deletion.status, meanwhile.status),
        (200, 422),
        "{} {}",
        deletion.text(),
        meanwhile.text()
    );
    for refused in [meanwhile, post()] {
        let problem = refused.json();
        assert_eq!(problem["code"], "idempotencyKeyReused");
    }
    assert_eq!(entities(&world.server), 1, "all but the item");
}

#[test]
fn a_caller_that_goes_away_does_not_end_it() {
    use std::io::Write;
    let world = World::new();
    let address = world.server.address;
    let mut stream = std::net::TcpStream::connect(address).expect("a connection");
    let request =
        format!("DELETE /graph/Organization HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {ADMIN}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is sent");
    world.gate.arrived();
    drop(stream);
    world.gate.open();
    until("all of it is gone", || entities(&world.server) == 1);
}
