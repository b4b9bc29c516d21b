//! What takes its time holds no graph: the committer would have to wait for it, and then copy the graph
//! (`seatgraph_graph_clones_total`). The removal of ended leases is in `leases`. And what slow clients hold is bounded.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use seatgraph::model::{Clock, Time};
use seatgraph::settings::Settings;
use seatgraph::storage::Memory;
use serde_json::json;

use crate::leases::{Caller, id, world};
use crate::support;
use crate::support::gate::{Gate, Gated};
use crate::support::server::{ADMIN, Server};

/// A body that comes slowly holds no graph; and who sent it is looked up again when it has come.
#[test]
fn slow_bodies_cost_no_copies_of_the_graph() {
    let world = world(2, 5, 10_000, 0);
    let mut admin = Caller::new(world.server.address, ADMIN);
    let made = json!({"permissions": ["*.*"]}).to_string();
    let consumer = format!("editor=&onBehalfOfId={}", id(1000));
    let checks = json!({"checks": [{"profileId": id(1000), "item": "editor"}]}).to_string();
    for (target, media, body, revoked) in [
        ("/authz/.json", "application/x-www-form-urlencoded", &consumer, false),
        (
            "/authz/.json?doConsume=false",
            "application/x-www-form-urlencoded",
            &consumer,
            false,
        ),
        ("/checks", "application/json", &checks, false),
        ("/tokens", "application/json", &made, false),
        ("/checks", "application/json", &checks, true),
        ("/authz/.json", "application/x-www-form-urlencoded", &consumer, true),
    ] {
        let (status, slow) = admin.send("POST", "/tokens", "Content-Type: application/json\r\n", &made);
        assert_eq!(status, 201, "{slow}");
        let revoke = format!("/tokens/{}", slow["id"].as_str().expect("an id"));
        let token = slow["token"].as_str().expect("a token");
        let mut caller = Caller::new(world.server.address, token);
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\nContent-Type: {media}\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
            token,
            body.len()
        );
        caller.stream.write_all(head.as_bytes()).expect("sent");
        let mut goes_on = [0; 25];
        caller.stream.read_exact(&mut goes_on).expect("an answer");
        assert_eq!(&goes_on, b"HTTP/1.1 100 Continue\r\n\r\n");
        if revoked {
            assert_eq!(admin.send("DELETE", &revoke, "", "").0, 204);
        }
        for _ in 0..3 {
            admin.authz(&format!("editor&onBehalfOfId={}", id(1001)));
        }
        assert_eq!(world.server.engine.health().copies_cloned, 0, "{target}");
        let (status, answer) = caller.answer(body);
        let expected = match (revoked, target) {
            (true, _) => 401,
            (false, "/tokens") => 201,
            _ => 200,
        };
        assert_eq!(status, expected, "{target}: {answer}");
    }
}

/// Passwords are compared slowly, on purpose, and the first RSA key takes long to make.
#[test]
fn logins_and_signatures_cost_no_copies_of_the_graph() {
    let world = world(1, 1, 10_000, 0);
    let mut admin = Caller::new(world.server.address, ADMIN);
    let lines = [
        json!({"__objType": "Person", "id": id(7), "firstName": "Aino"}),
        json!({"__objType": "Profile", "referenceFields": {"ref_Person_id": id(7)}}),
        json!({"__objType": "EmailAndPassword", "userName": "aino@acme.example", "passwordPlain": "hunter2",
            "referenceFields": {"ref_Person_id": id(7)}}),
    ];
    world.server.sow(&support::lines(lines));
    let login = |caller: &mut Caller, password: &str| {
        let body = format!("userName=aino@acme.example&password={password}");
        let media = "Content-Type: application/x-www-form-urlencoded\r\n";
        let (_, answer) = caller.send("POST", "/graph?operation=Login", media, &body);
        let is_refused = answer.to_string().contains("invalidCredentials");
        assert_eq!(is_refused, password != "hunter2", "{answer}");
    };
    let sign = |caller: &mut Caller| {
        let (status, _) = caller.send("GET", "/graph/Organization%5B@name='ACME'%5D.jwt", "", "");
        assert_eq!(status, 200);
    };
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| {
            let mut caller = Caller::new(world.server.address, ADMIN);
            for password in ["hunter1", "hunter2", "hunter3", "hunter2"] {
                login(&mut caller, password);
            }
            (0..10).for_each(|_| sign(&mut caller));
        });
        while !slow.is_finished() {
            admin.authz(&format!("editor&onBehalfOfId={}", id(1000)));
        }
    });
    assert_eq!(world.server.engine.health().copies_cloned, 0);
}

/// Of large answers that are not read a caller may hold a share; small ones, and what was done, are told in any case.
#[test]
fn who_reads_slowly_has_no_more_than_a_share() {
    // More than sockets hold.
    const LARGE: usize = 12_000_000;
    let mut settings = Settings::default();
    settings.limits.unread_bytes = 40_000_000;
    settings.limits.body_bytes = 16_000_000;
    let clock = Arc::new(Clock::frozen(Time(1_800_000_000_000)));
    let server = Server::start(Box::new(Memory::new()), clock, &settings);
    let json = "Content-Type: application/json\r\n";
    let mut admin = Caller::new(server.address, ADMIN);
    let lines = [
        json!({"__objType": "Organization", "id": id(1), "name": "ACME", "description": "x".repeat(LARGE)}),
        json!({"__objType": "Organization", "id": id(2), "name": "Initech"}),
    ];
    server.sow(&support::lines(lines));
    let bound = json!({"permissions": ["*.*"], "organizationId": id(1)}).to_string();
    let (status, made) = admin.send("POST", "/tokens", json, &bound);
    assert_eq!(status, 201, "{made}");
    let bound = made["token"].as_str().expect("a token");

    let (large, small) = (
        format!("/graph/Organization%5B@id='{}'%5D", id(1)),
        format!("/graph/Organization%5B@id='{}'%5D", id(2)),
    );
    let slow = |token: &str| {
        let mut caller = Caller::new(server.address, token);
        let head = format!("GET {large} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\n\r\n");
        caller.stream.write_all(head.as_bytes()).expect("sent");
        // It is on its way when its first byte has come.
        caller.stream.peek(&mut [0]).expect("an answer");
        caller
    };
    let mut first = slow(ADMIN);
    let (status, refused) = admin.send("GET", &large, "", "");
    assert_eq!((status, &refused["code"]), (503, &json!("tooMuchUnread")), "{refused}");
    assert_eq!(refused["limit"], json!({"name": "unread_bytes", "value": 40_000_000}));
    assert_eq!(admin.send("GET", &small, "", "").0, 200);
    let put = json!({"__objType": "Organization", "id": id(1), "name": "ACME Ltd"}).to_string();
    let (status, put) = admin.send("POST", "/graph", json, &put);
    assert_eq!(status, 200);
    assert!(put.to_string().len() > LARGE);
    // Others have a share of what it leaves.
    let mut second = slow(bound);
    let mut other = Caller::new(server.address, bound);
    assert_eq!(other.send("GET", &large, "", "").0, 503);
    for caller in [&mut first, &mut second] {
        let (status, whole) = caller.answer("");
        assert_eq!(status, 200);
        assert!(whole.to_string().len() > LARGE);
    }
    // One who goes away holds nothing either.
    drop(slow(ADMIN));
    let began = Instant::now();
    while admin.send("GET", &large, "", "").0 != 200 {
        assert!(began.elapsed() < Duration::from_secs(10), "it is still held");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Others' writes wait for a dry run; so those that may be long have their turn one after the other, and few wait for it.
#[test]
fn dry_runs_take_turns() {
    let gate = Gate::default();
    let clock = Arc::new(Clock::frozen(Time(1_800_000_000_000)));
    let server = Server::start(Box::new(Gated::new(Memory::new(), &gate)), clock, &Settings::default());
    let ask = |number: usize| {
        let mut caller = Caller::new(server.address, ADMIN);
        let line = json!({"__objType": "Organization", "name": "ACME"}).to_string();
        match number % 2 {
            0 => caller.send("DELETE", "/graph/Organization?dryRun=true", "", ""),
            _ => caller.send(
                "POST",
                "/import?dryRun=true",
                "Content-Type: application/x-ndjson\r\n",
                &line,
            ),
        }
    };
    gate.shut();
    std::thread::scope(|scope| {
        let (tell, told) = std::sync::mpsc::channel();
        for number in 0..12 {
            let (ask, tell) = (&ask, tell.clone());
            scope.spawn(move || tell.send(ask(number)).expect("somebody hears"));
        }
        // One is with the committer, and eight wait.
        for _ in 0..3 {
            let (status, answer) = told.recv().expect("an answer");
            assert_eq!((status, &answer["code"]), (503, &json!("tooManyDryRuns")), "{answer}");
        }
        gate.arrived();
        assert_eq!(server.engine.health().queue, 0);
        gate.open();
        for _ in 0..9 {
            let (status, answer) = told.recv().expect("an answer");
            assert_eq!(status, 200, "{answer}");
        }
    });
    assert_eq!(server.engine.snapshot().len(), 0);
}
