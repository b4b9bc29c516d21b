//! The parameters of a query string: each handler names those it knows; others are refused, as is one sent twice.

use uuid::Uuid;

use super::problem::Problem;
use crate::limits::{Limit, Limits};

/// Pairs of a query or form, decoded, in order.
pub struct Parameters {
    pairs: Vec<(String, String)>,
}

impl Parameters {
    /// # Errors
    /// An unknown name, one given twice, or too many. `authenticate` is taken and ignored, wherever it is sent.
    pub fn new(pairs: Vec<(String, String)>, known: &[&str], limit: Limit) -> Result<Self, Problem> {
        Self::within(pairs.len(), limit)?;
        for (index, (name, _)) in pairs.iter().enumerate() {
            if name != "authenticate" && !known.contains(&name.as_str()) {
                let problem =
                    Problem::bad_request("unknownParameter", format!("unknown parameter `{name}`")).parameter(name);
                return Err(match known {
                    [] => problem.help("there are none here"),
                    known => problem.help(format!("known here: {}", known.join(", "))),
                });
            }
            if pairs[..index].iter().any(|(before, _)| before == name) {
                return Err(
                    Problem::bad_request("repeatedParameter", format!("`{name}` is given twice"))
                        .parameter(name)
                        .help("give it once"),
                );
            }
        }
        Ok(Self { pairs })
    }

    /// # Errors
    /// So many are too many: includes count too.
    pub fn within(number: usize, limit: Limit) -> Result<(), Problem> {
        if number as u64 <= limit.value {
            return Ok(());
        }
        Err(
            Problem::bad_request("tooManyParameters", format!("more than {} parameters", limit.value))
                .limit(limit)
                .help("ask in several requests"),
        )
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// `true` or `false`; absent means the default.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, Problem> {
        match self.text(name) {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(other) => Err(Problem::bad_request("badParameter", format!("`{name}` is `{other}`"))
                .parameter(name)
                .help("it is `true` or `false`")),
        }
    }

    pub fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        self.text(name)
            .map(|text| {
                text.parse().map_err(|_| {
                    Problem::bad_request("badParameter", format!("`{name}` is `{text}`"))
                        .parameter(name)
                        .help("it is a whole number, not negative")
                })
            })
            .transpose()
    }

    pub fn id(&self, name: &str) -> Result<Option<Uuid>, Problem> {
        self.text(name)
            .map(|text| {
                Uuid::try_parse(text).map_err(|_| {
                    Problem::bad_request("badParameter", format!("`{name}` is `{text}`"))
                        .parameter(name)
                        .help("it is a UUID")
                })
            })
            .transpose()
    }

    /// `limit`: how many a page of a list of our own has.
    pub fn rows(&self, limits: &Limits) -> Result<u64, Problem> {
        let rows = self.number("limit")?.unwrap_or(limits.page.min(limits.page_max));
        if rows == 0 {
            return Err(
                Problem::bad_request("pageTooSmall", "a page of 0 has nothing to go on from")
                    .parameter("limit")
                    .help("ask for at least 1"),
            );
        }
        if rows <= limits.page_max {
            return Ok(rows);
        }
        let limit = limits.page_max();
        Err(Problem::bad_request("pageTooLarge", format!("`limit` is {rows}"))
            .parameter("limit")
            .limit(limit)
            .help(format!("ask for at most {} and follow `nextCursor`", limits.page_max)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_known_and_single() {
        let limits = Limits {
            parameters: 3,
            ..Limits::default()
        };
        let check = |query: &[(&str, &str)], expected: Result<bool, &str>| {
            let pairs = query
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            let parameters = Parameters::new(pairs, &["wrap"], limits.parameters());
            let flag = parameters.and_then(|parameters| parameters.flag("wrap", true));
            assert_eq!(flag.map_err(|problem| problem.code), expected, "{query:?}");
        };
        check(&[], Ok(true));
        check(&[("wrap", "false")], Ok(false));
        check(&[("authenticate", "always")], Ok(true));
        check(&[("wrap", "no")], Err("badParameter"));
        check(&[("warp", "false")], Err("unknownParameter"));
        check(&[("wrap", "true"), ("wrap", "true")], Err("repeatedParameter"));
        check(
            &[("wrap", "1"), ("wrap", "2"), ("wrap", "3"), ("wrap", "4")],
            Err("tooManyParameters"),
        );
    }
}
