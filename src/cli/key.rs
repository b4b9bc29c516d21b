//! `key`: the keys that sign tokens, from the shell. Shows no private half, and has no way to.

use clap::{Args, Subcommand};
use serde_json::json;

use super::output::{self, Output};
use super::place::{Missing, Place};
use super::{Common, Failure};

#[derive(Subcommand)]
pub enum Key {
    /// List them, the first to sign first
    List(List),
    /// Sign with a new one; the one before it is believed until its end
    Rotate(Rotate),
}

#[derive(Args)]
pub struct List {
    #[command(flatten)]
    place: Place,
}

#[derive(Args)]
pub struct Rotate {
    /// Which one to replace
    #[arg(long, default_value = "RS256", value_parser = ["RS256", "EdDSA"])]
    alg: String,
    /// How long what the old key signed is believed, such as 30d [default: 90d]
    #[arg(long, value_name = "DAYS", value_parser = days)]
    keep: Option<u32>,
    #[command(flatten)]
    place: Place,
}

pub fn run(common: &Common, args: &Key) -> Result<(), Failure> {
    match args {
        Key::List(args) => list(common, args),
        Key::Rotate(args) => rotate(common, args),
    }
}

fn list(common: &Common, args: &List) -> Result<(), Failure> {
    let reached = args.place.reach_to_read(common)?;
    let answer = reached.client.get("/keys")?.json()?;
    let keys = answer["items"].as_array().cloned().unwrap_or_default();
    match common.output {
        Output::Json => output::json(&answer["items"]),
        Output::Table if keys.is_empty() => {
            output::aside("no keys: they are made when the first token is signed");
            Ok(())
        }
        Output::Table => output::line(&output::table(&keys)),
    }
}

fn rotate(common: &Common, args: &Rotate) -> Result<(), Failure> {
    let mut wanted = json!({"alg": args.alg});
    if let Some(days) = args.keep {
        wanted["keepDays"] = json!(days);
    }
    let reached = args.place.reach(common, Missing::Refused)?;
    let made = reached
        .client
        .post("/keys", "application/json", wanted.to_string().as_bytes())?
        .json()?;
    match (common.output, made["id"].as_str()) {
        (Output::Table, Some(id)) => output::line(id),
        _ => output::json(&made),
    }
}

/// `90d`, or `0d` for a key that is believed no longer.
fn days(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix('d').and_then(|number| number.parse().ok());
    number.ok_or_else(|| format!("`{text}` is no number of days: write 90d"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read() {
        for (text, expected) in [
            ("90d", Some(90)),
            ("0d", Some(0)),
            ("90", None),
            ("-1d", None),
            ("d", None),
            ("1w", None),
        ] {
            assert_eq!(days(text).ok(), expected, "{text}");
        }
    }
}
