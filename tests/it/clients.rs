//! A client that others publish, against this server as it is: `@10duke/web-client-pkce` consumes, believes what it gets by the keys it
//! fetches, and gives back (`licensing.md` 6). Needs Node 18 or later and `npm ci` in `tests/clients`. What the others of that table send is told
//! byte for byte by `fixtures/authz/clients.json`.

use std::sync::Arc;

use seatgraph::model::{Clock, Kind, Time};
use seatgraph::settings::Settings;
use seatgraph::storage::Memory;
use serde_json::{Value, json};

use crate::support::program::Program;
use crate::support::seed;
use crate::support::server::{ISSUER, Server};

const NOON: Time = Time(1_768_478_400_000);
const AINO: &str = "31000000-0000-4000-8000-000000000001";
const BEN: &str = "31000000-0000-4000-8000-000000000002";
const CLEO: &str = "31000000-0000-4000-8000-000000000003";
const LICENSE: &str = "90000000-0000-4000-8000-000000000001";

/// The leases there are: each with its id, device and end in seconds.
fn leases(server: &Server) -> Vec<Value> {
    let graph = server.engine.snapshot();
    let mut found: Vec<Value> = graph
        .of_kind(Kind::Consumption, None)
        .map(|lease| {
            let field = |name: &str| lease.fields().get(Kind::Consumption.field(name)?).cloned();
            let id = field("leaseId").and_then(|id| id.as_uuid()).expect("an id");
            let until = field("grantedUntil").and_then(|until| until.as_time()).expect("an end");
            let hw = field("hw").and_then(|hw| hw.as_text().map(str::to_owned));
            json!([id.to_string(), hw, until.millis() / 1000])
        })
        .collect();
    found.sort_by_key(Value::to_string);
    found
}

/// Everything a user of that client does, at one form of the address.
fn use_it(program: &mut Program, suffix: &str) {
    let clock = Arc::new(Clock::frozen(NOON));
    let server = Server::start(Box::new(Memory::new()), clock.clone(), &Settings::default());
    server.sow(&seed("leases"));
    let consumer = |profile| json!({"permissions": ["License.consume"], "profileId": profile});
    let [aino, ben, cleo] = [AINO, BEN, CLEO].map(|profile| server.token(consumer(profile)).1);
    let at = format!("http://{}", server.address);
    let mut call = |token: &str, hw: &str, call: &str, argument: &str| {
        program.ask(&json!({
            "base": format!("{at}{suffix}"), "jwks": format!("{at}/.well-known/jwks.json"),
            "token": token, "hw": hw, "call": call, "argument": argument,
        }))
    };

    // Granted, and believed by the first key of the document. The device's name is not ASCII.
    let answer = call(&aino, "hw-ä", "consumeLicense", "editor");
    let noon = NOON.millis() / 1000;
    let lease = answer["fields"]["jti"].as_str().expect("a lease").to_owned();
    let granted = |since: i64| {
        json!({"yes": true, "fields": {
            "editor": true, "iss": ISSUER, "sub": AINO, "iat": since, "exp": since + 900, "rfr": since + 675, "jti": lease,
            "hw": "hw-ä", "lic": LICENSE, "ibb": 1_767_225_600,
        }})
    };
    assert_eq!(answer, granted(noon));
    assert_eq!(leases(&server), [json!([lease, "hw-ä", noon + 900])]);

    // Renewed: the same lease, for longer.
    clock.set(Time(NOON.millis() + 60_000));
    assert_eq!(call(&aino, "hw-ä", "consumeLicense", "editor"), granted(noon + 60));
    assert_eq!(leases(&server), [json!([lease, "hw-ä", noon + 960])]);

    // Denied, which is a token as well: an item there is not, and seats that are taken.
    let second = call(&ben, "hw-2", "consumeLicense", "editor");
    assert_eq!(second["yes"], true, "{second}");
    let held = leases(&server);
    assert_eq!(held.len(), 2, "{held:?}");
    for (token, item, code) in [
        (&aino, "nothing", "notAuthorized"),
        (&cleo, "editor", "noSeatsAvailable"),
    ] {
        let answer = call(token, "hw-3", "consumeLicense", item);
        let fields = answer["fields"].as_object().expect("fields");
        assert_eq!(
            (&answer["yes"], &fields[&format!("{item}_errorCode")]),
            (&json!(false), &json!(code)),
            "{answer}"
        );
        assert!(!fields.contains_key(item) && !fields.contains_key("jti"), "{answer}");
        assert!(
            fields[&format!("{item}_errorMessage")]
                .as_str()
                .is_some_and(|text| text.contains(&format!("\"{item}\"")))
        );
    }
    assert_eq!(leases(&server), held);

    // Given back by its holder only, and once.
    let unknown = "99999999-0000-4000-8000-000000000001";
    for (token, id) in [(&ben, lease.as_str()), (&aino, unknown), (&aino, "no id")] {
        let answer = call(token, "hw-ä", "releaseLicense", id);
        assert_eq!(answer["yes"], false, "{answer}");
        assert_eq!(
            answer["fields"][format!("{id}_errorCode")],
            "noConsumptionFoundById",
            "{answer}"
        );
        assert_eq!(leases(&server), held);
    }
    let answer = call(&aino, "hw-ä", "releaseLicense", &lease);
    let stamp = json!({"iss": ISSUER, "sub": AINO, "iat": noon + 60, "exp": noon + 60, lease.clone(): true});
    assert_eq!(answer, json!({"yes": true, "fields": stamp}));
    assert_eq!(leases(&server).len(), 1);
    assert_eq!(call(&aino, "hw-ä", "releaseLicense", &lease)["yes"], false);
    // The seat is another's now.
    assert_eq!(call(&cleo, "hw-3", "consumeLicense", "editor")["yes"], true);

    // An item with a space and a sign of queries in its name.
    let odd = call(&aino, "hw-ä", "consumeLicense", "A B&C");
    assert_eq!(
        (&odd["yes"], &odd["fields"]["A B&C"]),
        (&json!(true), &json!(true)),
        "{odd}"
    );

    // It takes the first key whatever `kid` says: also after another took its place.
    let key = server.admin("POST", "/keys", Some(r#"{"alg":"RS256"}"#));
    assert_eq!(key.status, 201, "{}", key.text());
    assert_eq!(call(&ben, "hw-2", "consumeLicense", "editor")["yes"], true);

    // Whom nobody knows gets no token at all, and no lease.
    let held = leases(&server);
    let answer = call("nobody", "hw-4", "consumeLicense", "editor");
    assert!(answer["thrown"].is_string(), "{answer}");
    assert_eq!(leases(&server), held);
}

#[test]
fn the_web_client_consumes_believes_and_gives_back() {
    let Some(mut program) = Program::start("@10duke/web-client-pkce", "web-client.cjs") else {
        return;
    };
    for suffix in ["/authz/", "/authz"] {
        use_it(&mut program, suffix);
    }
}
