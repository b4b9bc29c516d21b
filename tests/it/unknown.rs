//! A write that was at the disk as it failed: what those are told who sent it.

use std::sync::Arc;

use seatgraph::model::{Clock, Time};
use seatgraph::settings::Settings;
use seatgraph::storage::{Failing, Fault, Memory};

use crate::support::server::{ADMIN, Server};

/// A key is named to those alone who sent one: elsewhere it may be one that would be refused.
#[test]
fn the_help_names_what_the_caller_can_do() {
    const PROFILE: &str = "{\"__objType\":\"Profile\"}";
    const TOKEN: &str = "{\"permissions\":[\"Profile.read\"]}";
    let start = "the server takes no writes until it is restarted; ";
    for (target, body, key, expected) in [
        (
            "/graph",
            PROFILE,
            Some("k"),
            "after that look whether it is there, or send it again with the same Idempotency-Key",
        ),
        ("/graph", PROFILE, None, "after that look whether it is there"),
        ("/tokens", TOKEN, None, "after that look whether it is there"),
        (
            "/import",
            PROFILE,
            None,
            "the batch after `committedLines` may be there then: look, or send the lines after them again, for those with an id are \
             not made twice",
        ),
    ] {
        let (storage, faults) = Failing::new(Memory::new());
        let clock = Arc::new(Clock::frozen(Time(1_768_478_400_000)));
        let server = Server::start(Box::new(storage), clock, &Settings::default());
        let key = key.map(|key| ("Idempotency-Key", key));
        faults.fail_commit(1, Fault::After);
        let answer = server.ask(Some(ADMIN), "POST", target, Some(body), key.as_slice());
        let problem = answer.json();
        assert_eq!(
            (answer.status, problem["code"].as_str(), problem["help"].as_str()),
            (503, Some("outcomeUnknown"), Some(format!("{start}{expected}").as_str())),
            "{target}"
        );
        assert_eq!(
            problem["committedLines"].as_u64(),
            (target == "/import").then_some(0),
            "{problem}"
        );
    }
}
