//! Writes whose selectors look at more than a transaction may: they are looked for before it, and what others change
//! meanwhile counts. The store stops the committer where a test wants it, so nothing here is a matter of time.

use std::sync::Arc;
use std::thread;

use seatgraph::model::{Clock, Kind, Time};
use seatgraph::settings::Settings;
use seatgraph::storage::Memory;
use serde_json::{Value, json};

use super::support::gate::{Gate, Gated};
use super::support::server::Server;
use super::support::{self, until};

/// More than a transaction looks at.
const LICENSES: usize = 2500;
const ITEM: &str = "10000000-0000-4000-8000-000000000001";
const HUB: &str = "10000000-0000-4000-8000-000000000002";
const SPARE: &str = "10000000-0000-4000-8000-000000000003";

struct World {
    server: Server,
    gate: Gate,
}

impl World {
    /// One of sixty entitlements has all the licenses, every hundredth of them of the type `old`; all is one organization's.
    fn new() -> Self {
        let gate = Gate::default();
        let clock = Arc::new(Clock::frozen(Time(1_768_478_400_000)));
        let storage = Box::new(Gated::new(Memory::new(), &gate));
        let server = Server::start(storage, clock, &Settings::default());
        let owner = "10000000-0000-4000-8000-000000000004";
        let entitlement = |id: &str, more: &str| {
            json!({"__objType": "Entitlement", "id": id, "name": more, "description": more,
                "referenceFields": {"ref_Organization_id": owner}})
        };
        let mut lines = vec![
            json!({"__objType": "LicensedItem", "id": ITEM, "name": "editor"}),
            json!({"__objType": "Organization", "id": owner, "name": "ACME"}),
            entitlement(HUB, "hub"),
            entitlement(SPARE, "spare"),
        ];
        lines.extend((0..58).map(|number| entitlement(&format!("20000000-0000-4000-8000-{number:012}"), "small")));
        lines.extend((0..LICENSES).map(|number| license(number, number % 100 == 0)));
        server.sow(&support::lines(lines));
        Self { server, gate }
    }

    /// Sends it, and expects it to be done.
    fn does(&self, method: &str, target: &str) -> Value {
        let answer = self.server.admin(method, target, None);
        let told = answer.json();
        assert_eq!(
            (answer.status, told.get("errorMessage")),
            (200, None),
            "{method} {target}: {told}"
        );
        told
    }

    fn licenses(&self) -> usize {
        self.server.engine.snapshot().of_kind(Kind::License, None).count()
    }

    /// Licenses of an entitlement.
    fn held(&self, entitlement: &str) -> u64 {
        let counted = self.does(
            "GET",
            &format!("/graph/Entitlement[@id='{entitlement}']/~OneToMany/License{{count}}?wrap=false"),
        );
        counted.as_u64().expect("a number")
    }
}

fn license(number: usize, is_old: bool) -> Value {
    let kind = if is_old { "old" } else { "new" };
    json!({"__objType": "License", "id": format!("30000000-0000-4000-8000-{number:012}"), "name": format!("L{number}"),
        "matchProperty": kind,
        "referenceFields": {"ref_Entitlement_id": HUB, "ref_LicensedItem_id": ITEM}})
}

#[test]
fn what_a_transaction_may_not_look_for_is_looked_for_before() {
    let world = World::new();
    let old = LICENSES as u64 / 100;
    let moved = "operation=MoveLicenses&to=";
    world.does("POST", &format!("/graph/License[@matchProperty~'OL']?{moved}{SPARE}"));
    assert_eq!((world.held(SPARE), world.held(HUB)), (old, LICENSES as u64 - old));
    // The target of a parameter; and it is expected to look at little, and looks at much.
    let to = "/License[@matchProperty~'NE'][@name~'7']/~ManyToOne/Entitlement";
    world.does("POST", &format!("/graph/License[@matchProperty='old']?{moved}{to}"));
    assert_eq!((world.held(SPARE), world.held(HUB)), (0, LICENSES as u64));
    world.does(
        "POST",
        &format!("/graph/Entitlement[@description='hub']/~OneToMany/License?{moved}{SPARE}"),
    );
    assert_eq!((world.held(SPARE), world.held(HUB)), (LICENSES as u64, 0));
    let granted = "operation=InitializeOrganizationLicenses&change=validity&validUntil=2030-01-01";
    world.does("POST", &format!("/graph/License[@matchProperty~'OL']?{granted}"));
    world.does(
        "DELETE",
        "/graph/License[@matchProperty~'OL'][@validUntil!=null]?dryRun=true",
    );
    assert_eq!(world.licenses(), LICENSES);
    world.does("DELETE", "/graph/License[@matchProperty~'OL'][@validUntil!=null]");
    assert_eq!(world.licenses() as u64, LICENSES as u64 - old);
}

#[test]
fn what_others_change_before_the_transaction_counts() {
    for (method, target) in [
        ("DELETE", "/graph/License[@matchProperty~'OL']".to_owned()),
        (
            "POST",
            format!("/graph/License[@matchProperty~'OL']?operation=MoveLicenses&to={SPARE}"),
        ),
    ] {
        let world = World::new();
        let there = world.held(HUB);
        let late = license(LICENSES, true).to_string();
        world.gate.shut();
        thread::scope(|scope| {
            let first = scope.spawn(|| world.server.admin("POST", "/graph", Some(&late)));
            world.gate.arrived();
            let second = scope.spawn(|| world.does(method, &target));
            until("it waits in the queue", || world.server.engine.health().queue == 1);
            world.gate.open();
            assert_eq!(first.join().expect("an answer").status, 200);
            second.join().expect("an answer");
        });
        assert_eq!(world.held(HUB), there - LICENSES as u64 / 100, "{method} {target}");
    }
}
