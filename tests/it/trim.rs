//! `trim`: what is forgotten is told by nobody any more, and all else is as it was.

use std::sync::Arc;

use seatgraph::model::{Clock, Time};
use seatgraph::settings::Settings;
use seatgraph::storage::{Migrate, Sqlite};
use serde_json::{Value, json};

use crate::commands::{check, run, text};
use crate::leases::id;
use crate::support::server::Server;

const DAY: i64 = 86_400_000;

#[test]
fn the_log_is_forgotten_and_the_state_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let serve = |days: i64| {
        let store = Sqlite::open(&at.join("x.db"), Migrate::Refuse).expect("a database");
        let then = Time(Clock::System.now().millis() - days * DAY);
        Server::start(Box::new(store), Arc::new(Clock::frozen(then)), &Settings::default())
    };
    let put = |server: &Server, number: usize, name: &str| {
        let body = json!({"__objType": "Organization", "id": id(number), "name": name}).to_string();
        let sent = server.admin("POST", "/graph", Some(&body));
        assert_eq!(sent.status, 200, "{}", sent.text());
    };
    // More than is forgotten at a time would take long; three commits are enough to end between two.
    let server = serve(100);
    (1..=3).for_each(|number| put(&server, number, "old"));
    check(
        at,
        "trim --older-than 30d --database x.db",
        4,
        "",
        "a server has it open",
    );
    drop(server);
    let server = serve(40);
    put(&server, 1, "renamed");
    drop(server);
    drop(serve(0));

    check(at, "trim --older-than 23h --database x.db", 2, "", "write 1d or more");
    check(
        at,
        "trim --older-than 200d --database x.db",
        0,
        "",
        "no commit is so old",
    );
    let before = text(&run(at, "export --database x.db").stdout);
    let told = run(at, "trim --older-than 90d --database x.db --output json");
    let told: Value = serde_json::from_slice(&told.stdout).expect("JSON");
    assert_eq!((&told["forgotten"], &told["begins"]), (&json!(3), &json!(4)), "{told}");
    let chain = told["chain"].as_str().expect("a chain");
    assert!(chain.ends_with("@3"), "{chain}");
    assert_eq!(text(&run(at, "export --database x.db").stdout), before);
    let verified = run(at, &format!("verify --database x.db --chain {chain} --output json"));
    let verified: Value = serde_json::from_slice(&verified.stdout).expect("JSON");
    assert_eq!(
        (&verified["sound"], &verified["commits"]),
        (&json!(true), &json!(1)),
        "{verified}"
    );
    check(at, "audit --after 1 --database x.db", 1, "", "logForgotten");
    let audit = text(&run(at, "audit --output json --database x.db").stdout);
    assert!(audit.contains("renamed") && !audit.contains("\"old\"}"), "{audit}");

    // The last commit stays, and more come behind it.
    check(at, "trim --older-than 1d --database x.db", 0, "", "no commit is so old");
    let server = serve(0);
    put(&server, 4, "new");
    put(&server, 5, "new");
    drop(server);
    let found = text(&run(at, "query /Organization{count} --database x.db").stdout);
    assert!(found.contains('5'), "{found}");
    check(
        at,
        "verify --database x.db --output json",
        0,
        &text(&run(at, "verify --database x.db --output json").stdout),
        "",
    );
    let told = text(&run(at, "trim --older-than 30d --database x.db").stdout);
    assert!(
        told.starts_with("1 commit forgotten, the log begins at revision 5\nchain "),
        "{told}"
    );
    // Nothing tells any more whether an earlier one held.
    let verified = run(at, &format!("verify --database x.db --chain {chain}"));
    let said = text(&verified.stderr);
    assert_eq!(verified.status.code(), Some(1), "{said}");
    assert!(said.contains("forgotten") && !said.contains("damaged"), "{said}");
}
