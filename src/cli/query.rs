//! `query`: one selector, its answer or its plan.

use clap::Args;
use serde_json::Value;

use super::client::{self, encoded};
use super::output::{self, Output};
use super::place::Place;
use super::{Common, Failure};

#[derive(Args)]
pub struct Query {
    /// A Graph Selector, such as "/Organization[@name='ACME']/~OneToMany/Entitlement", with includes after a `?` if there are any
    selector: String,
    /// Related objects to nest in each result, such as /~OneToMany/License
    #[arg(long, value_name = "CHAIN")]
    include: Vec<String>,
    /// Goes on where an answer was cut
    #[arg(long, conflicts_with = "explain")]
    cursor: Option<String>,
    /// Show how the answer is found, and how much was visited
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    place: Place,
}

pub fn run(common: &Common, args: &Query) -> Result<(), Failure> {
    let (selector, typed) = split(&args.selector);
    let selector = if selector.starts_with('/') {
        selector.to_owned()
    } else {
        format!("/{selector}")
    };
    let mut target = format!("/graph{}", encoded(&selector));
    let parameters = typed
        .into_iter()
        .map(parameter)
        .chain(args.include.iter().map(|chain| encoded(chain)))
        .chain(args.explain.then(|| "explain=true".to_owned()))
        .chain(args.cursor.as_ref().map(|cursor| format!("cursor={}", encoded(cursor))));
    for (index, parameter) in parameters.enumerate() {
        target.push(if index == 0 { '?' } else { '&' });
        target.push_str(&parameter);
    }
    let reached = args.place.reach_to_read(common)?;
    let text = reached
        .client
        .get(&target)
        .map_err(|failure| under(&selector, failure))?
        .text()?;
    // A token is one, whatever the output.
    if selector.ends_with(".jwt") {
        return output::line(&text);
    }
    let answer = client::parse(&text)?;
    match common.output {
        Output::Json => output::line(&text)?,
        Output::Table => table(&answer)?,
    }
    if let Some(cursor) = answer["nextCursor"].as_str() {
        output::aside(&match reached.takes_cursors() {
            true => format!("there is more: --cursor {cursor}"),
            false => "there is more: ask for a larger page, `{r=…}`, or for one further on, `{i=…}`".to_owned(),
        });
    }
    Ok(())
}

/// What is typed is not encoded, and otherwise as in a URL: a selector, and parameters after a `?` that is in no text.
fn split(typed: &str) -> (&str, Vec<&str>) {
    let (selector, mut rest) = cut(typed, '?');
    let mut parameters = Vec::new();
    while let Some(more) = rest {
        let (parameter, next) = cut(more, '&');
        parameters.push(parameter);
        rest = next;
    }
    parameters.retain(|parameter| !parameter.is_empty());
    (selector, parameters)
}

/// At the first such letter that is in no quoted text.
fn cut(typed: &str, at: char) -> (&str, Option<&str>) {
    let (mut in_text, mut escaped) = (false, false);
    for (index, letter) in typed.char_indices() {
        match letter {
            '\'' if !escaped => in_text = !in_text,
            letter if letter == at && !in_text => return (&typed[..index], Some(&typed[index + at.len_utf8()..])),
            _ => {}
        }
        escaped = in_text && letter == '\\' && !escaped;
    }
    (typed, None)
}

/// An include as it is; of any other the name and the value.
fn parameter(typed: &str) -> String {
    match typed.split_once('=') {
        Some((name, value)) if !typed.starts_with("/~") => format!("{}={}", encoded(name), encoded(value)),
        _ => encoded(typed),
    }
}

fn table(answer: &Value) -> Result<(), Failure> {
    match (answer["__objType"].as_str(), answer) {
        (Some("Long"), _) => output::line(&answer["value"].to_string()),
        (Some("Explanation"), _) => {
            let plan = answer["plan"].as_str().unwrap_or_default().trim_end();
            let steps = answer["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
            output::lines(plan)?;
            output::line("")?;
            output::line(&output::table(steps))?;
            output::line(&format!(
                "\nvisited {}, found {}, in {} µs",
                answer["visited"], answer["count"], answer["micros"]
            ))
        }
        (Some("ArrayList"), _) => rows(&answer["Items"]),
        (_, Value::Array(_)) => rows(answer),
        _ => output::json(answer),
    }
}

fn rows(items: &Value) -> Result<(), Failure> {
    match items.as_array().map(Vec::as_slice) {
        None | Some([]) => {
            output::aside("nothing matches");
            Ok(())
        }
        Some(items) => output::line(&output::table(items)),
    }
}

/// Draws the selector with a caret under the place that was not understood.
fn under(selector: &str, mut failure: Failure) -> Failure {
    if let Some((start, end)) = failure.span
        && selector.is_char_boundary(start)
        && selector.is_char_boundary(end)
        && start <= end
    {
        let before = selector[..start].chars().count();
        let carets = selector[start..end].chars().count().max(1);
        let drawn = format!("{selector}\n{}{}", " ".repeat(before), "^".repeat(carets));
        failure.help = Some(match failure.help {
            Some(help) => format!("{drawn}\n{help}"),
            None => drawn,
        });
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn includes_are_typed_after_the_selector() {
        let check = |typed: &str, selector: &str, parameters: &[&str]| {
            assert_eq!(split(typed), (selector, parameters.to_vec()), "{typed}");
        };
        check("/A", "/A", &[]);
        check("/A?", "/A", &[]);
        check("/A?/~OneToMany/B", "/A", &["/~OneToMany/B"]);
        check(
            "A[@n='?&']{r=1}?/~OneToMany/B[@n='&?']/~M/C&wrap=false",
            "A[@n='?&']{r=1}",
            &["/~OneToMany/B[@n='&?']/~M/C", "wrap=false"],
        );
        check("/A[@n='it''s?']?/~M/B", "/A[@n='it''s?']", &["/~M/B"]);
        check(r"/A[@n='it\'s?\\']?/~M/B", r"/A[@n='it\'s?\\']", &["/~M/B"]);
        assert_eq!(parameter("explain=true"), "explain=true");
        assert_eq!(parameter("/~M/B[@n='x']"), encoded("/~M/B[@n='x']"));
    }

    #[test]
    fn the_caret_stands_under_the_mistake() {
        let check = |selector: &str, span: Option<(usize, usize)>, expected: Option<&str>| {
            let mut failure = Failure::refused("no");
            failure.span = span;
            assert_eq!(under(selector, failure).help.as_deref(), expected);
        };
        check("/Licence", Some((1, 8)), Some("/Licence\n ^^^^^^^"));
        check("/A[@n='é' ?]", Some((11, 12)), Some("/A[@n='é' ?]\n          ^"));
        check("/A[", Some((3, 3)), Some("/A[\n   ^"));
        check("/A", Some((9, 12)), None);
        check("/é", Some((2, 3)), None);
        check("/A", None, None);
    }
}
