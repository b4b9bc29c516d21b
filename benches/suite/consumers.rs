//! Users who may all use one item, on as many devices as they like: each consumption is a lease of its own.

use super::stream::{Stream, post};
use super::support::Server;

pub const ITEM: &str = "bench-item";
/// As many as leases of one user stay far below what one may have.
const CONSUMERS: usize = 2_000;

fn id(kind: u32, number: usize) -> String {
    format!("c{kind:07x}-0000-4000-8000-{number:012x}")
}

pub fn profile(number: usize) -> String {
    id(5, number % CONSUMERS)
}

/// Lines of `ask.lua` that consume; no two for the same device.
pub fn lines() -> Vec<String> {
    (0..CONSUMERS)
        .map(|number| {
            format!(
                "POST /authz/.json\tapplication/x-www-form-urlencoded\t{}",
                form(number, "{n}")
            )
        })
        .collect()
}

pub fn form(number: usize, device: &str) -> String {
    format!("{ITEM}=&onBehalfOfId={}&hw=device-{device}", profile(number))
}

/// Takes them into a running server that has not got them yet.
pub fn import(server: &Server) {
    let there = server.get(&format!("/graph/Organization[@id='{}']{{count}}", id(1, 0)));
    if !String::from_utf8_lossy(&there).contains("\"value\":0") {
        return;
    }
    let import = post("/import", "application/x-ndjson", &world());
    Stream::open(server.port).ask(&import, "ImportResult");
}

fn world() -> String {
    let reference = |kind: &str, to: String| format!("\"ref_{kind}_id\":\"{to}\"");
    let line = |kind: &str, of: u32, more: &str, references: &[String]| {
        format!(
            "{{\"__objType\":\"{kind}\",\"id\":\"{}\"{more},\"referenceFields\":{{{}}}}}\n",
            id(of, 0),
            references.join(",")
        )
    };
    let organization = || reference("Organization", id(1, 0));
    let mut lines = format!(
        "{{\"__objType\":\"Organization\",\"id\":\"{}\",\"name\":\"bench\"}}\n{{\"__objType\":\"LicensedItem\",\"id\":\"{}\",\"name\":\"{ITEM}\"}}\n",
        id(1, 0),
        id(2, 0)
    );
    lines += &line(
        "ProfileGroup",
        3,
        ",\"name\":\"bench\",\"type\":\"employees\"",
        &[organization()],
    );
    lines += &line("Entitlement", 4, ",\"name\":\"bench\"", &[organization()]);
    let (entitlement, group) = (reference("Entitlement", id(4, 0)), reference("ProfileGroup", id(3, 0)));
    let relation = |kind: &str, ends: &[String]| {
        format!(
            "{{\"__objType\":\"{kind}\",\"referenceFields\":{{{}}}}}\n",
            ends.join(",")
        )
    };
    lines += &relation("LicenseConsumerRelation", &[entitlement.clone(), group.clone()]);
    let validity = ",\"active\":true,\"validFrom\":\"2020-01-01T00:00:00Z\"";
    let ends = [entitlement, reference("LicensedItem", id(2, 0))];
    lines += &line("License", 6, validity, &ends);
    // Without a number of seats: as many as are wanted.
    lines += &line(
        "SeatCountCredit",
        7,
        ",\"active\":true",
        &[reference("License", id(6, 0))],
    );
    for number in 0..CONSUMERS {
        lines += &format!(
            "{{\"__objType\":\"Profile\",\"id\":\"{}\",\"displayName\":\"bench\"}}\n",
            profile(number)
        );
        lines += &relation("Membership", &[reference("Profile", profile(number)), group.clone()]);
    }
    lines
}
