//! Keys from outside: replaced while tokens are made and verified, and sealed as an operator has it. What is signed, and for whom, is
//! told by `fixtures/graph/signing`; what is believed, by the forgeries beside the code.

use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use seatgraph::model::{Clock, Time};
use seatgraph::settings::Settings;
use seatgraph::signing::{Expected, Forged, PublicKeys};
use seatgraph::storage::{Failing, Fault, Memory};
use serde_json::Value;

use crate::commands::{check, folder, text};
use crate::support::server::{ISSUER, Server};
use crate::support::{seatgraph, seed};

const NOW: Time = Time(1_800_000_000_000);
const ROTATIONS: usize = 100;
const AINO: &str = "31000000-0000-4000-8000-000000000001";

fn keys(server: &Server) -> PublicKeys {
    PublicKeys::from_jwks(&server.admin("GET", "/.well-known/jwks.json", None).text()).expect("a document")
}

fn believed(keys: &PublicKeys, token: &str, now: Time) -> Result<(), Forged> {
    let expected = Expected { issuer: ISSUER, now };
    keys.verify(token, &expected).map(|_| ())
}

/// A lease's token is made while the lease becomes durable. Where it does not, nobody gets it.
#[test]
fn nobody_has_the_token_of_a_lease_that_was_not_stored() {
    for fault in [Fault::Before, Fault::After] {
        let (storage, faults) = Failing::new(Memory::new());
        let clock = Arc::new(Clock::frozen(Time(1_768_478_400_000)));
        let server = Server::start(Box::new(storage), clock, &Settings::default());
        server.sow(&seed("leases"));
        let consume = |device: &str| {
            let target = format!("/authz/.jwt?editor=&hw={device}&alg=EdDSA&onBehalfOfId={AINO}");
            server.admin("POST", &target, None)
        };
        let first = consume("one");
        assert_eq!(first.status, 200, "{}", first.text());
        assert_eq!(believed(&keys(&server), &first.text(), Time(1_768_478_400_000)), Ok(()));
        faults.fail_commit(1, fault);
        let second = consume("two");
        let problem = second.json();
        let told = match fault {
            Fault::After => (503, "outcomeUnknown"),
            _ => (503, "storageUnavailable"),
        };
        assert_eq!(
            (second.status, problem["code"].as_str()),
            (told.0, Some(told.1)),
            "{problem}"
        );
        // Of what went wrong the help tells; when to ask again is told with every 503.
        assert_eq!(second.header("retry-after"), Some("1"));
    }
}

/// A signed answer is of the same time as what it is decided by: never before the last commit.
#[test]
fn a_clock_that_was_set_back_dates_no_answer_back() {
    let clock = Arc::new(Clock::frozen(NOW));
    let server = Server::start(Box::new(Memory::new()), clock.clone(), &Settings::default());
    let body = r#"{"__objType": "Organization", "name": "A"}"#;
    assert_eq!(server.admin("POST", "/graph", Some(body)).status, 200);
    clock.set(Time(NOW.millis() - 3_600_000));
    let answer = server.admin("GET", "/graph/Organization.jwt", None);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(believed(&keys(&server), &answer.text(), NOW), Ok(()));
    let token = answer.text();
    let claims = token.split('.').nth(1).expect("claims");
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims).expect("base64");
    let claims: Value = serde_json::from_slice(&claims).expect("JSON");
    assert_eq!(claims["iat"], NOW.millis() / 1000, "{claims}");
}

/// T9 of the reliability plan: whoever verifies by the document as it is finds the key of every token, and an old token is believed
/// until its key ends.
#[test]
fn a_rotation_leaves_no_gap() {
    let clock = Arc::new(Clock::frozen(NOW));
    let server = Server::start(Box::new(Memory::new()), clock.clone(), &Settings::default());
    let rotate = |alg: &str| {
        let body = format!("{{\"alg\":\"{alg}\",\"keepDays\":30}}");
        let answer = server.admin("POST", "/keys", Some(&body));
        assert_eq!(answer.status, 201, "{}", answer.text());
    };
    let signed = |alg: &str| {
        let answer = server.admin("GET", &format!("/graph/Organization.jwt?alg={alg}"), None);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    };
    let first = signed("EdDSA");
    let (done, tokens) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for alg in ["EdDSA", "EdDSA", "RS256"] {
            let (done, tokens, server, signed) = (&done, &tokens, &server, &signed);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let token = signed(alg);
                    assert_eq!(believed(&keys(server), &token, NOW), Ok(()), "{token}");
                    tokens.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for round in 0..ROTATIONS {
            rotate(if round % 10 == 0 { "RS256" } else { "EdDSA" });
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(tokens.load(Ordering::Relaxed) > 20, "{tokens:?}");
    // Its own time is over by now; its key is not.
    assert_eq!(believed(&keys(&server), &first, NOW), Ok(()));
    clock.set(Time(NOW.millis() + 30 * 24 * 60 * 60 * 1000));
    assert_eq!(believed(&keys(&server), &first, NOW), Err(Forged::UnknownKey));
}

/// The guard of all tokens; every other way to forge one is tried beside the code.
#[test]
fn a_forgery_is_not_believed() {
    let server = Server::start(
        Box::new(Memory::new()),
        Arc::new(Clock::frozen(NOW)),
        &Settings::default(),
    );
    let token = server.admin("GET", "/graph/Organization.jwt?alg=EdDSA", None).text();
    let (keys, parts) = (keys(&server), token.split('.').collect::<Vec<_>>());
    assert_eq!(believed(&keys, &token, NOW), Ok(()));
    let other = server
        .admin("GET", "/graph/Organization{count}.jwt?alg=EdDSA", None)
        .text();
    let others: Vec<_> = other.split('.').collect();
    let forged = format!("{}.{}.{}", parts[0], others[1], parts[2]);
    assert_eq!(
        believed(&keys, &forged, NOW),
        Err(Forged::Signature),
        "the token was forged and is believed"
    );
}

const ONE: &str = "a-secret-that-seals-the-keys-of-a-test";
const OTHER: &str = "another-secret-that-seals-no-key-of-it";

fn with(here: &Path, line: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = seatgraph(here, line);
    command.envs(variables.iter().copied());
    command.output().expect("the program runs")
}

/// All files of the database, since what was written last is not in the first yet.
fn holds(here: &Path, database: &str, text: &str) -> bool {
    ["", "-wal"].iter().any(|end| {
        let bytes = std::fs::read(here.join(format!("{database}{end}"))).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

#[test]
fn keys_lie_sealed_where_there_is_a_secret() {
    let folder = folder();
    let here = folder.path();
    check(
        here,
        "import small.ndjson --database a.db",
        0,
        "45 lines changed 74\n",
        "",
    );
    check(here, "key list --database a.db", 0, "", "no keys");
    let rotate = "key rotate --alg EdDSA --database a.db";
    let secret = |text| [("SEATGRAPH_KEY_SECRET", text)];
    let run = |line: &str, variables: &[(&str, &str)], exit: i32, err: &str| {
        let done = with(here, line, variables);
        let found = text(&done.stderr);
        assert_eq!(done.status.code(), Some(exit), "{line}: {found}");
        assert!(found.contains(err), "{line}: {found}");
        text(&done.stdout)
    };
    let id = run(rotate, &secret(ONE), 0, "");
    assert_eq!(id.trim_end().len(), 36, "{id}");
    assert!(holds(here, "a.db", "sealed1:") && !holds(here, "a.db", "plain:"));
    let list: Value = serde_json::from_str(&run("key list --database a.db --output json", &[], 0, "")).expect("JSON");
    assert_eq!(
        (&list[0]["id"], &list[0]["sealed"], &list[0]["state"]),
        (&Value::from(id.trim_end()), &Value::from(true), &Value::from("active"))
    );
    // What only asks makes no secret, by whatever name the file of one is looked for.
    let mistyped = [("SEATGRAPH_KEYS__FILE", "mistyped")];
    for line in ["key list", "token list", "export all.ndjson", "backup copy.db"] {
        run(&format!("{line} --database a.db"), &mistyped, 0, "");
        assert!(!here.join("mistyped").exists(), "{line}");
    }
    // Without a secret the key can be opened by none, and no other be made.
    let signed = "query /Organization[@name='ACME'].jwt?alg=EdDSA --database a.db";
    run(signed, &[], 4, "give that one, or, if it is lost, any other");
    // Nobody is to find an open key beside the sealed one by having forgotten the secret.
    run(rotate, &[], 4, "keySecretMissing");
    assert!(!holds(here, "a.db", "plain:"));
    // Who has lost it makes another key with another.
    run(rotate, &secret(OTHER), 0, "");
    run(rotate, &secret("short"), 2, "SEATGRAPH_KEY_SECRET is not a secret");
    let both = [("SEATGRAPH_KEY_SECRET", ONE), ("SEATGRAPH_KEYS__FILE", "keys")];
    run(rotate, &both, 2, "give the secret in one of the two");
    let in_file = [("SEATGRAPH_KEYS__FILE", "keys")];
    run(rotate, &in_file, 0, "");
    run(rotate, &in_file, 0, "");
    let kept = std::fs::read_to_string(here.join("keys")).expect("a file was made");
    assert!(!holds(here, "a.db", kept.trim_end()));
    assert!(!run("export --database a.db", &in_file, 0, "").contains("sealed1:"));
    // Without any secret a key lies open; that is for who wants it so.
    check(
        here,
        "import small.ndjson --database b.db",
        0,
        "45 lines changed 74\n",
        "",
    );
    run("key rotate --alg EdDSA --keep 30d --database b.db", &[], 0, "");
    assert!(holds(here, "b.db", "plain:"));
    check(
        here,
        "verify --database a.db",
        0,
        &text(&with(here, "verify --database a.db", &[]).stdout),
        "",
    );
}
