//! `operation`: one of the named operations, its parameters as `key=value`.

use std::io::Read;

use clap::Args;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::client::{self, encoded};
use super::output::{self, Output};
use super::place::{Missing, Place};
use super::{Common, Exit, Failure};
use crate::operation::{OPERATIONS, Road, named};

#[derive(Args)]
pub struct Operation {
    /// Its exact name, such as MoveLicenses
    name: String,
    /// What it is about, for an operation that has a selector, then its parameters; a value of `@-` is read from standard input
    #[arg(value_name = "SELECTOR | KEY=VALUE")]
    rest: Vec<String>,
    /// A file with an object graph as JSON, for RegisterUser; `-` is standard input
    #[arg(long, value_name = "FILE")]
    body: Option<String>,
    /// Show what it would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: Place,
}

pub fn run(common: &Common, args: &Operation) -> Result<(), Failure> {
    if named(&args.name).is_err() {
        let names = OPERATIONS.iter().filter(|operation| operation.road == Road::Name);
        let names: Vec<&str> = names.map(|operation| operation.name).collect();
        return Err(Failure::new(Exit::Usage, format!("unknown operation `{}`", args.name))
            .help(format!("there are {}", names.join(", "))));
    }
    let has_selector = named(&args.name).is_ok_and(|operation| operation.target().is_some());
    let (selector, pairs) = parts(&args.rest, has_selector)?;
    let mut form = pair("operation", &args.name);
    for (key, value) in pairs {
        let value = if value == "@-" { from_input()? } else { value.to_owned() };
        form.push('&');
        form.push_str(&pair(key, &value));
    }
    if args.dry_run {
        form.push_str("&dryRun=true");
    }
    let path = format!("/graph{}", encoded(selector.unwrap_or_default()));
    let reached = args.place.reach(common, Missing::Refused)?;
    let answer = match &args.body {
        None => reached
            .client
            .post(&path, "application/x-www-form-urlencoded", form.as_bytes()),
        Some(file) => {
            let body = if file == "-" {
                from_input()?.into_bytes()
            } else {
                std::fs::read(file)
                    .map_err(|error| Failure::new(Exit::Usage, format!("cannot read `{file}`: {error}")))?
            };
            let target = format!("{path}?{form}");
            reached.client.post(&target, "application/json", &body)
        }
    };
    let text = answer?.text()?;
    let answer = client::parse(&text)?;
    if answer["resultCode"] != "Success" {
        return Err(refusal(&answer));
    }
    match common.output {
        Output::Json => output::line(&text)?,
        Output::Table => table(&answer)?,
    }
    if let Some(cursor) = answer["objects"]["nextCursor"].as_str() {
        output::aside(&match reached.takes_cursors() {
            true => format!("there is more: cursor={cursor}"),
            false => "there is more: ask for a larger page, `limit=…`".to_owned(),
        });
    }
    Ok(())
}

type Parts<'a> = (Option<&'a str>, Vec<(&'a str, &'a str)>);

/// A selector is told from a field of an object graph by what the operation takes: either may have anything in its texts.
fn parts(rest: &[String], has_selector: bool) -> Result<Parts<'_>, Failure> {
    let (selector, pairs) = match rest.split_first() {
        Some((first, others)) if first.starts_with('/') && has_selector => (Some(first.as_str()), others),
        _ => (None, rest),
    };
    let pairs = pairs.iter().map(|pair| {
        // The name of a field of an object graph has `=` in it.
        let end = match pair.find("/@") {
            Some(at) if pair.starts_with('/') => pair[at..].find('=').map(|end| at + end),
            _ => pair.find('='),
        };
        let end = end.ok_or_else(|| {
            Failure::new(Exit::Usage, format!("`{pair}` is no parameter")).help("write it as KEY=VALUE")
        })?;
        Ok((&pair[..end], &pair[end + 1..]))
    });
    Ok((selector, pairs.collect::<Result<_, Failure>>()?))
}

fn pair(key: &str, value: &str) -> String {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    format!("{}={}", encode(key), encode(value))
}

fn from_input() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn refusal(answer: &Value) -> Failure {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let message = &answer["errorMessage"];
    let failure = Failure::refused(format!(
        "{} ({})",
        text(&message["messageTemplate"]),
        text(&message["key"])
    ));
    match answer["errorTechnical"].as_str() {
        Some(technical) => failure.help(technical),
        None => failure,
    }
}

fn table(answer: &Value) -> Result<(), Failure> {
    if let Some(token) = answer["accessToken"].as_str() {
        return output::line(token);
    }
    let rows = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let changes = rows(&answer["changes"]);
    let objects = rows(&answer["objects"]["Items"]);
    let is_dry = answer["dryRun"] == true;
    let shown = if is_dry { &changes } else { &objects };
    if shown.is_empty() {
        output::aside(if is_dry { "nothing would change" } else { "done" });
        return Ok(());
    }
    output::line(&output::table(shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_comes_before_parameters() {
        let check = |rest: &[&str], has_selector: bool, expected: Option<Parts<'_>>| {
            let rest: Vec<String> = rest.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(parts(&rest, has_selector).ok(), expected, "{rest:?}");
        };
        check(&[], true, Some((None, vec![])));
        check(
            &["/License[@name='a/@b=c']", "to=x"],
            true,
            Some((Some("/License[@name='a/@b=c']"), vec![("to", "x")])),
        );
        check(
            &["/License[@id='x']", "to=/Entitlement[@name='y']"],
            true,
            Some((Some("/License[@id='x']"), vec![("to", "/Entitlement[@name='y']")])),
        );
        check(&["a=b=c", "d="], true, Some((None, vec![("a", "b=c"), ("d", "")])));
        check(
            &["/Profile[@id='{randomUuid,p}']/@displayName=Aino"],
            false,
            Some((None, vec![("/Profile[@id='{randomUuid,p}']/@displayName", "Aino")])),
        );
        check(&["a"], true, None);
    }
}
