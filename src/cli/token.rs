//! `token`: bearer tokens from the shell. The text of a new one is printed alone on standard output, and kept nowhere.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use super::output::{self, Output};
use super::place::{Missing, Place};
use super::{Common, Failure};
use crate::model::{Clock, Time};

#[derive(Subcommand)]
pub enum Token {
    /// Make one; its text is shown this once
    Create(Create),
    /// List them, without their texts
    List(List),
    /// Make one useless, at once
    Revoke(Revoke),
}

#[derive(Args)]
pub struct Create {
    /// What it may do, such as License.read or *.*; may be given several times
    #[arg(long = "permission", required = true, value_name = "KIND.ACTION")]
    permissions: Vec<String>,
    /// What it is for
    #[arg(long)]
    name: Option<String>,
    /// The user it acts for
    #[arg(long, value_name = "ID")]
    profile: Option<Uuid>,
    /// The organization it sees and touches, and no other
    #[arg(long, value_name = "ID")]
    organization: Option<Uuid>,
    /// How long it works, such as 90d, 12h or 30m [default: until it is revoked]
    #[arg(long, value_name = "TIME", value_parser = millis)]
    expires: Option<i64>,
    #[command(flatten)]
    place: Place,
}

#[derive(Args)]
pub struct List {
    #[command(flatten)]
    place: Place,
}

#[derive(Args)]
pub struct Revoke {
    /// The id `token list` shows
    id: Uuid,
    #[command(flatten)]
    place: Place,
}

pub fn run(common: &Common, args: &Token) -> Result<(), Failure> {
    match args {
        Token::Create(args) => create(common, args),
        Token::List(args) => list(common, args),
        Token::Revoke(args) => args
            .place
            .reach(common, Missing::Refused)?
            .client
            .delete(&format!("/tokens/{}", args.id))
            .map(drop),
    }
}

fn create(common: &Common, args: &Create) -> Result<(), Failure> {
    let mut wanted = json!({"permissions": args.permissions});
    let expires = match args.expires {
        None => None,
        Some(millis) => {
            let at = Clock::System
                .now()
                .millis()
                .checked_add(millis)
                .and_then(Time::from_millis);
            Some(at.ok_or_else(|| Failure::refused("that is after the year 9999"))?)
        }
    };
    let members = [
        ("name", args.name.clone()),
        ("profileId", args.profile.map(|id| id.to_string())),
        ("organizationId", args.organization.map(|id| id.to_string())),
        ("expiresAt", expires.map(|at| at.to_string())),
    ];
    for (name, value) in members {
        if let Some(value) = value {
            wanted[name] = json!(value);
        }
    }
    let reached = args.place.reach(common, Missing::Refused)?;
    let made = reached
        .client
        .post("/tokens", "application/json", wanted.to_string().as_bytes())?
        .json()?;
    match (common.output, made["token"].as_str()) {
        (Output::Table, Some(text)) => output::line(text),
        _ => output::json(&made),
    }
}

fn list(common: &Common, args: &List) -> Result<(), Failure> {
    let reached = args.place.reach_to_read(common)?;
    let mut tokens: Vec<Value> = Vec::new();
    let mut target = "/tokens".to_owned();
    loop {
        let mut page = reached.client.get(&target)?.json()?;
        tokens.extend(page["items"].as_array_mut().map(std::mem::take).unwrap_or_default());
        match page["nextCursor"].as_str() {
            Some(cursor) => target = format!("/tokens?cursor={}", super::client::encoded(cursor)),
            None => break,
        }
    }
    match common.output {
        Output::Json => output::json(&Value::from(tokens)),
        Output::Table if tokens.is_empty() => {
            output::aside("no tokens");
            Ok(())
        }
        Output::Table => output::line(&output::table(&tokens)),
    }
}

/// `90d`, `12h`, `30m` or `45s`, in milliseconds.
pub(super) fn millis(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is no length of time: write 90d, 12h, 30m or 45s");
    let unit = match text.chars().last() {
        Some('d') => 86_400_000,
        Some('h') => 3_600_000,
        Some('m') => 60_000,
        Some('s') => 1000,
        _ => return Err(wrong()),
    };
    let number: i64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    number.checked_mul(unit).filter(|millis| *millis > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read() {
        for (text, expected) in [
            ("90d", Some(7_776_000_000)),
            ("12h", Some(43_200_000)),
            ("30m", Some(1_800_000)),
            ("45s", Some(45_000)),
            ("0d", None),
            ("-1d", None),
            ("90", None),
            ("d", None),
            ("", None),
            ("1é", None),
            ("9999999999999999d", None),
        ] {
            assert_eq!(millis(text).ok(), expected, "{text}");
        }
    }
}
