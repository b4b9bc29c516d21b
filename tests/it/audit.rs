//! The audit log from the shell, and its chain as an operator notes it and proves it later. What it tells over HTTP is in
//! `fixtures/graph/audit`.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use seatgraph::model::{Clock, Time};
use seatgraph::settings::Settings;
use seatgraph::storage::Memory;
use serde_json::{Value, json};

use crate::commands::{Serving, check, folder, run, text};
use crate::support::seatgraph;
use crate::support::server::Server;

const ADMIN: &str = "an-administrator-for-the-audit-of-a-test";

fn asked(here: &Path, line: &str) -> Value {
    let done = run(here, &format!("{line} --database a.db --output json"));
    assert_eq!(done.status.code(), Some(0), "{line}: {}", text(&done.stderr));
    serde_json::from_slice(&done.stdout).expect("JSON")
}

fn revisions(commits: &Value) -> Vec<u64> {
    let items = commits.as_array().expect("a list").iter();
    items.filter_map(|commit| commit["revision"].as_u64()).collect()
}

/// The database as `verify` finds it: its chain, as it is written.
fn chain(here: &Path) -> String {
    asked(here, "verify")["chain"].as_str().expect("a chain").to_owned()
}

#[test]
fn the_log_is_asked_from_the_shell() {
    let folder = folder();
    let here = folder.path();
    check(
        here,
        "audit --database none.db",
        4,
        "",
        "there is no database `none.db`",
    );
    // More commits than a page has.
    let line = |at: usize| format!("{{\"__objType\":\"LicensedItem\",\"name\":\"item {at}\"}}\n");
    std::fs::write(here.join("first.ndjson"), line(0)).expect("a file");
    check(
        here,
        "import first.ndjson --database a.db",
        0,
        "1 lines changed 1\n",
        "",
    );
    for at in 1..4 {
        std::fs::write(here.join("next.ndjson"), line(at)).expect("a file");
        check(here, "import next.ndjson --database a.db", 0, "1 lines changed 1\n", "");
    }
    let all = asked(here, "audit");
    assert_eq!(revisions(&all), [1, 2, 3, 4]);
    assert_eq!(all[2]["changes"][0]["after"], json!({"name": "item 2"}));
    assert_eq!(revisions(&asked(here, "audit --after 1 --before 4")), [2, 3]);
    assert_eq!(revisions(&asked(here, "audit --order desc --limit 3")), [4, 3, 2]);
    check(here, "audit --limit 0 --database a.db", 2, "", "`--limit` is 0");
    assert_eq!(revisions(&asked(here, "audit --operation Delete")), [0; 0]);
    let item = all[3]["changes"][0]["id"].as_str().expect("an id");
    assert_eq!(revisions(&asked(here, &format!("audit --entity {item}"))), [4]);
    let by = all[0]["by"]["tokenId"].as_str().expect("an id");
    assert_eq!(
        revisions(&asked(here, &format!("audit --by {by} --operation Import"))),
        [1, 2, 3, 4]
    );
    // Pages shorter than what is asked for are followed.
    let mut command = seatgraph(here, "audit --database a.db --output json");
    let done = command
        .env("SEATGRAPH_LIMITS__PAGE", "1")
        .output()
        .expect("the program runs");
    assert_eq!(serde_json::from_slice::<Value>(&done.stdout).expect("JSON"), all);
    let mut command = seatgraph(here, "audit --database a.db --limit 3 --output json");
    let done = command
        .env("SEATGRAPH_LIMITS__PAGE_MAX", "2")
        .output()
        .expect("the program runs");
    let found: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(revisions(&found), [1, 2, 3]);
    let err = text(&done.stderr);
    assert!(err.contains("there may be more: --after 3"), "{err}");
    let done = run(here, "audit --database a.db --limit 2");
    let (out, err) = (text(&done.stdout), text(&done.stderr));
    assert!(out.contains("Import") && out.contains("created LicensedItem "), "{out}");
    assert!(err.contains("--after 2"), "{err}");
    check(here, "audit --database a.db --after 9", 0, "", "nothing matches");
    check(here, "audit --database a.db --operation 7up", 1, "", "badParameter");
}

#[test]
fn a_chain_noted_is_proved_later() {
    let folder = folder();
    let here = folder.path();
    check(
        here,
        "import small.ndjson --database a.db",
        0,
        "45 lines changed 74\n",
        "",
    );
    let noted = chain(here);
    assert!(noted.ends_with("@1"), "{noted}");

    let log = here.join("log");
    let file = std::fs::File::create(&log).expect("a file");
    let mut command = seatgraph(here, "serve --listen 127.0.0.1:0 --database a.db");
    let serving = Serving::start_telling(command.env("SEATGRAPH_ADMIN_TOKEN", ADMIN), Stdio::from(file));
    std::fs::write(
        here.join("one.ndjson"),
        "{\"__objType\":\"LicensedItem\",\"name\":\"one\"}\n",
    )
    .expect("a file");
    let mut import = seatgraph(here, &format!("import one.ndjson --server {}", serving.url));
    let done = import.env("SEATGRAPH_TOKEN", ADMIN).output().expect("the program runs");
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    serving.signal("-TERM");
    assert_eq!(serving.ended(), Some(0));
    let later = chain(here);
    let told = std::fs::read_to_string(&log).expect("a log");
    for link in [&noted, &later] {
        assert!(told.contains(&format!("chain={link}")), "{link}: {told}");
    }

    let proved = run(here, &format!("verify --database a.db --chain {noted} --chain {later}"));
    assert_eq!(proved.status.code(), Some(0), "{}", text(&proved.stderr));
    let (digits, _) = later.split_once('@').expect("a link");
    for (link, why) in [
        (format!("{digits}@1"), "is not the one whose chain was noted"),
        (format!("{digits}@9"), "the log ends at revision 2"),
        (format!("{}@0", "1".repeat(64)), "is not the one whose chain was noted"),
    ] {
        let done = run(here, &format!("verify --database a.db --chain {link}"));
        assert_eq!(done.status.code(), Some(5), "{link}");
        assert!(text(&done.stdout).contains(why), "{link}: {}", text(&done.stdout));
    }
    check(
        here,
        "verify --database a.db --chain 41",
        2,
        "",
        "is no link of a chain",
    );
}

#[test]
fn a_log_that_was_cut_is_told_from_where_it_begins() {
    let mut memory = Memory::new();
    let clock = Arc::new(Clock::frozen(Time(1_800_000_000_000)));
    let server = Server::start(Box::new(memory.another()), clock, &Settings::default());
    let ask = |method: &str, target: &str, body: Option<&str>| {
        let answer = server.admin(method, target, body);
        (answer.status, answer.json())
    };
    for _ in 0..4 {
        assert_eq!(ask("POST", "/graph", Some("{\"__objType\":\"Profile\"}")).0, 200);
    }
    let (_, first) = ask("GET", "/audit?limit=1", None);
    memory.forget(2);
    assert_eq!(revisions(&ask("GET", "/audit", None).1["items"]), [3, 4]);
    assert_eq!(revisions(&ask("GET", "/audit?after=2", None).1["items"]), [3, 4]);
    for target in [
        "/audit?order=desc",
        "/audit?order=desc&after=2",
        "/audit?order=desc&limit=2",
    ] {
        assert_eq!(revisions(&ask("GET", target, None).1["items"]), [4, 3], "{target}");
    }
    let cursor = first["nextCursor"].as_str().expect("a cursor");
    let cursor = format!("/audit?cursor={cursor}");
    for target in [
        "/audit?after=1",
        "/audit?order=desc&after=1",
        "/audit?order=desc&after=1&before=3",
        &cursor,
    ] {
        let (status, problem) = ask("GET", target, None);
        assert_eq!((status, &problem["code"]), (422, &json!("logForgotten")), "{target}");
    }
}
