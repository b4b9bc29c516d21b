//! The parameters of an operation as they were sent, held against its table: each known, once unless it may repeat, and
//! of its type. What the values mean is decided inside the transaction.

use uuid::Uuid;

use super::refusal::{Fault, OperationError};
use super::{Form, Parameter, ParameterType, shown};
use crate::limits::Limits;
use crate::model::value::hyphenated;
use crate::model::{FieldType, Time};
use crate::selector;
use crate::selector::ast::Selector;

/// A value of its parameter's type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    Text(String),
    Flag(bool),
    Int(i64),
    /// `None` was sent empty, and clears.
    Time(Option<Time>),
    Id(Uuid),
    /// With its text.
    Selector(Box<Selector>, String),
}

/// In the order they were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments(Vec<(&'static str, Argument)>);

impl Arguments {
    /// # Errors
    /// A parameter that is unknown, repeated, missing or of another type.
    pub fn read(form: &'static Form, pairs: &[(String, String)], limits: &Limits) -> Result<Self, OperationError> {
        if pairs.len() as u64 > limits.parameters {
            return Err(Fault::TooMany(limits.parameters()).into());
        }
        let mut read: Vec<(&'static str, Argument)> = Vec::with_capacity(pairs.len());
        for (name, value) in pairs {
            let Some(parameter) = form.parameters.iter().find(|known| known.name == name) else {
                let known: Vec<&str> = form.parameters.iter().map(|known| known.name).collect();
                let known = known.join(", ");
                return Err(OperationError::at(name.clone(), Fault::Unknown { known }));
            };
            if !parameter.repeatable && read.iter().any(|(before, _)| *before == parameter.name) {
                return Err(OperationError::at(parameter.name, Fault::Repeated));
            }
            read.push((parameter.name, one(parameter, value, limits)?));
        }
        for parameter in form.parameters.iter().filter(|parameter| parameter.required) {
            if !read.iter().any(|(name, _)| *name == parameter.name) {
                return Err(OperationError::at(parameter.name, Fault::Missing));
            }
        }
        Ok(Self(read))
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &Argument> {
        self.0
            .iter()
            .filter(move |(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The names of those that were sent.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(name, _)| *name)
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.all(name).find_map(|value| match value {
            Argument::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// False unless it is sent as `true`.
    pub fn flag(&self, name: &str) -> bool {
        self.all(name).any(|value| *value == Argument::Flag(true))
    }

    pub fn int(&self, name: &str) -> Option<i64> {
        self.all(name).find_map(|value| match value {
            Argument::Int(number) => Some(*number),
            _ => None,
        })
    }

    /// `Some(None)` was sent empty.
    pub fn time(&self, name: &str) -> Option<Option<Time>> {
        self.all(name).find_map(|value| match value {
            Argument::Time(time) => Some(*time),
            _ => None,
        })
    }

    pub fn id(&self, name: &str) -> Option<Uuid> {
        self.all(name).find_map(|value| match value {
            Argument::Id(id) => Some(*id),
            _ => None,
        })
    }

    /// Each once, in the order they were sent.
    pub fn ids(&self, name: &str) -> Vec<Uuid> {
        let mut ids: Vec<Uuid> = Vec::new();
        let mut seen = std::collections::HashSet::with_hasher(foldhash::fast::RandomState::default());
        for value in self.all(name) {
            if let Argument::Id(id) = value
                && seen.insert(*id)
            {
                ids.push(*id);
            }
        }
        ids
    }

    pub fn selector(&self, name: &str) -> Option<&Selector> {
        self.all(name).find_map(|value| match value {
            Argument::Selector(selector, _) => Some(&**selector),
            _ => None,
        })
    }

    pub fn selectors(&self) -> impl Iterator<Item = &Selector> {
        self.0.iter().filter_map(|(_, value)| match value {
            Argument::Selector(selector, _) => Some(&**selector),
            _ => None,
        })
    }

    /// The same as it was sent, for whoever points into it.
    pub fn selector_text(&self, name: &str) -> &str {
        let mut all = self.all(name);
        let found = all.find_map(|value| match value {
            Argument::Selector(_, text) => Some(text.as_str()),
            _ => None,
        });
        found.unwrap_or_default()
    }
}

fn one(parameter: &Parameter, sent: &str, limits: &Limits) -> Result<Argument, OperationError> {
    let bad = |wanted: &'static str| {
        let fault = Fault::Mistyped {
            value: shown(sent),
            wanted: wanted.to_owned(),
        };
        OperationError::at(parameter.name, fault)
    };
    match parameter.parameter_type {
        ParameterType::Field(FieldType::Text | FieldType::Json) => Ok(Argument::Text(sent.to_owned())),
        ParameterType::Field(FieldType::Bool) => match sent {
            "true" => Ok(Argument::Flag(true)),
            "false" => Ok(Argument::Flag(false)),
            _ => Err(bad("it is `true` or `false`")),
        },
        ParameterType::Field(FieldType::Int) => sent
            .parse()
            .map(Argument::Int)
            .map_err(|_| bad("it is a whole number of at most 64 bits")),
        ParameterType::Field(FieldType::Time) if sent.is_empty() => Ok(Argument::Time(None)),
        ParameterType::Field(FieldType::Time) => Time::parse(sent)
            .map(|time| Argument::Time(Some(time)))
            .ok_or_else(|| bad("it is an ISO 8601 date-time with `Z` or an offset, such as `2027-01-31T12:00:00Z`, or a date; a `+` in a query or a form is sent as `%2B`")),
        ParameterType::Field(FieldType::Uuid) => hyphenated(sent)
            .map(Argument::Id)
            .ok_or_else(|| bad("it is a UUID such as `123e4567-e89b-12d3-a456-426614174000`")),
        ParameterType::IdOrSelector => {
            if let Some(id) = hyphenated(sent) {
                return Ok(Argument::Id(id));
            }
            if !sent.starts_with('/') {
                return Err(bad("it is a UUID, or a selector, which begins with `/`"));
            }
            match selector::parse(sent, limits) {
                Ok(selector) => Ok(Argument::Selector(Box::new(selector), sent.to_owned())),
                Err(error) => Err(OperationError::at(
                    parameter.name,
                    Fault::Selector(error, sent.to_owned()),
                )),
            }
        }
        ParameterType::OneOf(words) => {
            if words.contains(&sent) {
                return Ok(Argument::Text(sent.to_owned()));
            }
            let fault = Fault::Mistyped {
                value: shown(sent),
                wanted: format!("it is one of `{}`", words.join("`, `")),
            };
            Err(OperationError::at(parameter.name, fault))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::named;

    fn check(operation: &str, query: &str, expected: Result<usize, (&str, &str)>) {
        let form = &named(operation).unwrap().forms[0];
        let pairs: Vec<(String, String)> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let found = Arguments::read(form, &pairs, &Limits::default());
        let found = found.map(|arguments| arguments.0.len());
        let found = found.map_err(|error| (error.why.code(), error.parameter.unwrap_or_default().into_owned()));
        let expected = expected.map_err(|(code, parameter)| (code, parameter.to_owned()));
        assert_eq!(found, expected, "{operation} {query}");
    }

    #[test]
    fn parameters_are_held_against_their_table() {
        const A: &str = "10000000-0000-4000-8000-000000000001";
        let add = "AddLicenseConsumerRelations";
        check(add, &format!("entitlementId={A}"), Ok(1));
        check(add, &format!("entitlementId={A}&profileId={A}&profileId={A}"), Ok(3));
        check(add, "", Err(("parameterMissing", "entitlementId")));
        check(
            add,
            &format!("entitlementId={A}&entitlementId={A}"),
            Err(("repeatedParameter", "entitlementId")),
        );
        check(add, "entitlementId=7", Err(("badParameter", "entitlementId")));
        check(add, "entitlementId=", Err(("badParameter", "entitlementId")));
        check(
            add,
            &format!("entitlementId={}", A.replace('-', "")),
            Err(("badParameter", "entitlementId")),
        );
        check(
            add,
            &format!("entitlementID={A}"),
            Err(("unknownParameter", "entitlementID")),
        );
        check(
            add,
            &format!("entitlementId={A}&allowExistingRelation=yes"),
            Err(("badParameter", "allowExistingRelation")),
        );
        let grant = "InitializeOrganizationLicenses";
        check(grant, "licensedItemCount=-1&validFrom=&validUntil=2027-01-01", Ok(3));
        check(
            grant,
            "licensedItemCount=ten",
            Err(("badParameter", "licensedItemCount")),
        );
        check(
            grant,
            "licensedItemCount=9999999999999999999",
            Err(("badParameter", "licensedItemCount")),
        );
        check(grant, "validUntil=tomorrow", Err(("badParameter", "validUntil")));
        check(grant, "lockScope=Everything", Err(("badParameter", "lockScope")));
        check(grant, "change=quota", Err(("unknownParameter", "change")));
        check("MoveLicenses", &format!("to={A}"), Ok(1));
        check("MoveLicenses", "to=/Entitlement[@name='x']", Ok(1));
        check("MoveLicenses", "to=Entitlement", Err(("badParameter", "to")));
        check(
            "MoveLicenses",
            "to=/Entitlement[@name='x'",
            Err(("unclosedBracket", "to")),
        );
        check(
            "MoveLicenses",
            &format!("to={A}&to={A}"),
            Err(("repeatedParameter", "to")),
        );
    }
}
