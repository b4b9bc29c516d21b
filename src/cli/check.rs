//! `check`: may a user use an item now, and why, or why not. The exit code is the answer for scripts.

use clap::Args;
use serde_json::{Value, json};
use uuid::Uuid;

use super::output::{self, Output};
use super::place::Place;
use super::{Common, Exit, Failure};

#[derive(Args)]
pub struct Check {
    /// The user
    #[arg(long, value_name = "ID")]
    profile: Uuid,
    /// The name of a licensed item
    #[arg(long, value_name = "NAME")]
    item: String,
    /// The device it would be used on
    #[arg(long, value_name = "ID")]
    hw: Option<String>,
    /// The process it would be used in
    #[arg(long, value_name = "ID")]
    process: Option<String>,
    /// The client's version
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// The scope it would be used in
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
    /// Seats, or units of use: 1 if it is not said
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    count: Option<u32>,
    /// `cache` (online, if it is not said) or `checkout` (offline)
    #[arg(long, value_name = "MODE", value_parser = ["cache", "checkout"])]
    mode: Option<String>,
    /// By this license alone
    #[arg(long, value_name = "ID")]
    license: Option<Uuid>,
    /// By the licenses of this entitlement
    #[arg(long, value_name = "ID")]
    entitlement: Option<Uuid>,
    /// By the licenses of this organization
    #[arg(long, value_name = "ID", conflicts_with = "owner_user")]
    owner_organization: Option<Uuid>,
    /// By the licenses of this user
    #[arg(long, value_name = "ID")]
    owner_user: Option<Uuid>,
    /// Tell of every license that was tried, and of each rule
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    place: Place,
}

pub fn run(common: &Common, args: &Check) -> Result<(), Failure> {
    let reached = args.place.reach_to_read(common)?;
    let body = json!({"checks": [asked(args)], "explain": args.explain}).to_string();
    let answer = reached
        .client
        .post("/checks", "application/json", body.as_bytes())?
        .json()?;
    drop(reached);
    let result = &answer["results"][0];
    let code = result["code"].as_str().unwrap_or_default();
    let is_granted = result["granted"].as_bool() == Some(true);
    // Scripts take what is printed for an answer.
    if let Some(help) = undecided(code).filter(|_| !is_granted) {
        let detail = result["detail"].as_str().map(|detail| format!(": {detail}"));
        let why = format!("nothing was decided: {code}{}", detail.unwrap_or_default());
        return Err(Failure::refused(why).help(help));
    }
    match common.output {
        Output::Json => output::json(result)?,
        Output::Table => output::lines(&told(result))?,
    }
    if is_granted {
        Ok(())
    } else {
        Err(Failure::new(Exit::No, ""))
    }
}

/// One check as `/checks` takes it.
fn asked(args: &Check) -> Value {
    let id = |id: &Option<Uuid>| id.map(|id| json!(id.to_string()));
    let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
    let members = [
        ("hw", text(&args.hw)),
        ("process", text(&args.process)),
        ("version", text(&args.version)),
        ("scope", text(&args.scope)),
        ("count", args.count.map(|count| json!(count))),
        ("consumptionMode", text(&args.mode)),
        ("licenseId", id(&args.license)),
        ("entitlementId", id(&args.entitlement)),
        ("ownerOrganizationId", id(&args.owner_organization)),
        ("ownerUserId", id(&args.owner_user)),
    ];
    let mut check = json!({"profileId": args.profile.to_string(), "item": args.item});
    for (name, value) in members {
        if let Some(value) = value {
            check[name] = value;
        }
    }
    check
}

/// What to do where the code tells of no decision.
fn undecided(code: &str) -> Option<&'static str> {
    Some(match code {
        "targetNotFound" => {
            "`--profile` is the id of a Profile that the token reaches: `seatgraph query /Profile` lists those"
        }
        "permissionMissing" => "use a token that has `License.check`, or `License.consume` and `License.impersonate`",
        "badCheck" | "valueTooLong" => {
            "`--hw`, `--process`, `--version` and `--scope` are at most `limits.anchor_bytes` long"
        }
        _ => return None,
    })
}

/// The answer, and below it each license with its way and its rules.
fn told(result: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lines = vec![match result["granted"].as_bool() {
        Some(true) => format!("yes, by the license {}", word(&result["licenseId"])),
        _ => format!("no: {}", word(&result["code"])),
    }];
    for candidate in result["explanation"]["candidates"].as_array().into_iter().flatten() {
        lines.push(format!("license {}", word(&candidate["licenseId"])));
        lines.push(format!("  by {}", way(&candidate["path"])));
        for rule in candidate["rules"].as_array().into_iter().flatten() {
            lines.push(match rule["passed"].as_bool() {
                Some(true) => format!("  {}: passed", word(&rule["rule"])),
                _ => format!(
                    "  {}: {} ({})",
                    word(&rule["rule"]),
                    word(&rule["text"]),
                    word(&rule["code"])
                ),
            });
        }
    }
    for path in result["explanation"]["pathsTried"].as_array().into_iter().flatten() {
        lines.push(format!("tried {}", way(path)));
    }
    lines.join("\n")
}

fn way(path: &Value) -> String {
    let parts = path.as_array().into_iter().flatten().filter_map(Value::as_str);
    parts.fold(String::new(), |way, part| {
        let slash = if part.starts_with('~') { "/" } else { "" };
        way + slash + part
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_decision() {
        for code in ["targetNotFound", "permissionMissing", "badCheck", "valueTooLong"] {
            assert!(undecided(code).is_some(), "{code}");
        }
        for code in ["notAuthorized", "noSeatsAvailable", "tooManyLicenses", ""] {
            assert_eq!(undecided(code), None, "{code}");
        }
    }

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        check: Check,
    }

    #[test]
    fn what_is_asked_is_what_checks_takes() {
        let id = "10000000-0000-4000-8000-000000000001";
        let check = |more: &str, expected: Option<Value>| {
            let line = format!("check --profile {id} --item editor {more}");
            let read = <Line as clap::Parser>::try_parse_from(line.split_whitespace());
            assert_eq!(read.ok().map(|line| asked(&line.check)), expected, "{line}");
        };
        let plain = json!({"profileId": id, "item": "editor"});
        check("", Some(plain.clone()));
        for (more, name, value) in [
            ("--hw a", "hw", json!("a")),
            ("--process 7", "process", json!("7")),
            ("--version 2.1", "version", json!("2.1")),
            ("--scope eu", "scope", json!("eu")),
            ("--count 3", "count", json!(3)),
            ("--mode checkout", "consumptionMode", json!("checkout")),
            (&format!("--license {id}"), "licenseId", json!(id)),
            (&format!("--entitlement {id}"), "entitlementId", json!(id)),
            (&format!("--owner-organization {id}"), "ownerOrganizationId", json!(id)),
            (&format!("--owner-user {id}"), "ownerUserId", json!(id)),
        ] {
            let mut expected = plain.clone();
            expected[name] = value;
            check(more, Some(expected));
        }
        for wrong in ["--count 0", "--mode online", "--license x"] {
            check(wrong, None);
        }
        check(&format!("--owner-organization {id} --owner-user {id}"), None);
    }

    #[test]
    fn a_decision_is_told_in_lines() {
        let check = |result: Value, expected: &str| assert_eq!(told(&result), expected);
        check(json!({"granted": true, "licenseId": "L"}), "yes, by the license L");
        check(json!({"granted": false, "code": "notAuthorized"}), "no: notAuthorized");
        check(
            json!({"granted": false, "code": "noSeatsAvailable", "explanation": {
                "candidates": [{"licenseId": "L", "path": ["/Profile[@id='P']", "~OneToMany", "/License[@id='L']"], "rules": [
                    {"rule": "validity", "passed": true},
                    {"rule": "seatCount", "passed": false, "code": "noSeatsAvailable", "text": "no seat is free"},
                ]}],
                "pathsTried": [["/Profile[@id='P']"]],
            }}),
            "no: noSeatsAvailable\nlicense L\n  by /Profile[@id='P']/~OneToMany/License[@id='L']\n  validity: passed\n  \
             seatCount: no seat is free (noSeatsAvailable)\ntried /Profile[@id='P']",
        );
    }
}
