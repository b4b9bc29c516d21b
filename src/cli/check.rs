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
    /// The client's version
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Tell of every license that was tried, and of each rule
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    place: Place,
}

pub fn run(common: &Common, args: &Check) -> Result<(), Failure> {
    let reached = args.place.reach(common, false)?;
    let mut check = json!({"profileId": args.profile.to_string(), "item": args.item});
    for (name, value) in [("hw", &args.hw), ("version", &args.version)] {
        if let Some(value) = value {
            check[name] = json!(value);
        }
    }
    let body = json!({"checks": [check], "explain": args.explain}).to_string();
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
        return Err(Failure::refused(format!("nothing was decided: {code}")).help(help));
    }
    match common.output {
        Output::Json => output::json(result)?,
        Output::Table => output::line(&told(result))?,
    }
    if is_granted {
        Ok(())
    } else {
        Err(Failure::new(Exit::No, ""))
    }
}

/// What to do where the code tells of no decision.
fn undecided(code: &str) -> Option<&'static str> {
    Some(match code {
        "targetNotFound" => {
            "`--profile` is the id of a Profile that the token reaches: `seatgraph query /Profile` lists those"
        }
        "permissionMissing" => "use a token that has `License.check`, or `License.consume` and `License.impersonate`",
        "badCheck" | "valueTooLong" => "`--hw` and `--version` are at most `limits.anchor_bytes` long",
        "timeSpent" => "the server was busy: ask again, or raise `limits.query_ms`",
        "answerTooLarge" => "ask without `--explain`, or raise `limits.answer_bytes`",
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
        for code in [
            "targetNotFound",
            "permissionMissing",
            "badCheck",
            "valueTooLong",
            "timeSpent",
            "answerTooLarge",
        ] {
            assert!(undecided(code).is_some(), "{code}");
        }
        for code in ["notAuthorized", "noSeatsAvailable", "tooManyLicenses", ""] {
            assert_eq!(undecided(code), None, "{code}");
        }
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
