//! Members of a body and parameters of a query, each read as one type; what is wrong is collected by its name, as the vendor's
//! framework does. In JSON a number is a number and a flag a flag; in a form and in a query everything is text.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::reason::No;
use crate::model::Time;

const REQUIRED: &str = "This field is required.";
const NULL: &str = "This field may not be null.";
const BLANK: &str = "This field may not be blank.";
const NOT_TEXT: &str = "Not a valid string.";
const NOT_A_NUMBER: &str = "A valid integer is required.";
const NOT_A_FLAG: &str = "Must be a valid boolean.";
const NOT_A_TIME: &str = "Datetime has wrong format. Use YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].";
const NOT_AN_OBJECT: &str = "Value must be a JSON object.";
const NOT_AN_ADDRESS: &str = "Enter a valid email address.";
const NEGATIVE: &str = "Ensure this value is greater than or equal to 0.";
const TOO_MANY: &str = "Ensure this value is less than or equal to 2147483647.";
const TOO_DEEP: &str = "This value is nested too deeply.";

pub struct Fields {
    members: Map<String, Value>,
    /// All values are texts.
    is_form: bool,
    wrong: BTreeMap<&'static str, String>,
}

impl Fields {
    pub fn of_json(members: Map<String, Value>) -> Self {
        Self {
            members,
            is_form: false,
            wrong: BTreeMap::new(),
        }
    }

    /// Of several by one name the last counts.
    pub fn of_pairs(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            members: pairs.into_iter().map(|(name, value)| (name, value.into())).collect(),
            is_form: true,
            wrong: BTreeMap::new(),
        }
    }

    /// The first that is said of a name is told.
    pub fn wrong<T>(&mut self, name: &'static str, why: &str) -> Option<T> {
        self.wrong.entry(name).or_insert_with(|| why.to_owned());
        None
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        match self.members.remove(name)? {
            Value::Null => self.wrong(name, NULL),
            value => Some(value),
        }
    }

    /// `null` is a value of its own; in a form nothing is.
    pub fn nullable<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self, &'static str) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.members.get(name)? {
            Value::Null => self.members.remove(name).map(|_| None),
            Value::String(text) if self.is_form && text.is_empty() => self.members.remove(name).map(|_| None),
            _ => read(self, name).map(Some),
        }
    }

    /// Not empty.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) if text.trim().is_empty() => self.wrong(name, BLANK),
            Value::String(text) => Some(text),
            _ => self.wrong(name, NOT_TEXT),
        }
    }

    pub fn nullable_text(&mut self, name: &'static str) -> Option<Option<String>> {
        self.nullable(name, Self::text)
    }

    pub fn address(&mut self, name: &'static str) -> Option<String> {
        let text = self.text(name)?;
        match text.trim() {
            trimmed if is_address(trimmed) => Some(trimmed.to_owned()),
            _ => self.wrong(name, NOT_AN_ADDRESS),
        }
    }

    fn number(&mut self, name: &'static str) -> Option<i64> {
        let number = match (self.take(name)?, self.is_form) {
            (Value::Number(number), _) => number.as_i64(),
            (Value::String(text), true) => text.trim().parse().ok(),
            _ => None,
        };
        number.or_else(|| self.wrong(name, NOT_A_NUMBER))
    }

    /// Of something: none has 0, nor a negative one.
    pub fn id(&mut self, name: &'static str) -> Option<u64> {
        let number = self.number(name)?;
        Some(u64::try_from(number).unwrap_or(0))
    }

    pub fn count(&mut self, name: &'static str) -> Option<u32> {
        let number = self.number(name)?;
        match u32::try_from(number) {
            _ if number < 0 => self.wrong(name, NEGATIVE),
            Ok(count) if i32::try_from(count).is_ok() => Some(count),
            _ => self.wrong(name, TOO_MANY),
        }
    }

    pub fn flag(&mut self, name: &'static str) -> Option<bool> {
        let flag = match (self.take(name)?, self.is_form) {
            (Value::Bool(flag), _) => Some(flag),
            (Value::String(text), true) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "1" | "on" | "yes" => Some(true),
                "false" | "0" | "off" | "no" => Some(false),
                _ => None,
            },
            _ => None,
        };
        flag.or_else(|| self.wrong(name, NOT_A_FLAG))
    }

    pub fn time(&mut self, name: &'static str) -> Option<Time> {
        let time = match self.take(name)? {
            Value::String(text) => Time::parse_loosely(text.trim()),
            _ => None,
        };
        time.or_else(|| self.wrong(name, NOT_A_TIME))
    }

    pub fn nullable_time(&mut self, name: &'static str) -> Option<Option<Time>> {
        self.nullable(name, Self::time)
    }

    /// At most so many levels deep.
    pub fn object(&mut self, name: &'static str, depth: u64) -> Option<Map<String, Value>> {
        let object = match (self.take(name)?, self.is_form) {
            (Value::Object(object), _) => Some(object),
            (Value::String(text), true) => serde_json::from_str(&text).ok(),
            _ => None,
        };
        match object {
            None => self.wrong(name, NOT_AN_OBJECT),
            Some(object) if object.values().any(|value| is_deeper(value, depth.saturating_sub(1))) => {
                self.wrong(name, TOO_DEEP)
            }
            Some(object) => Some(object),
        }
    }

    /// The same, of no more than so many members.
    pub fn few(&mut self, name: &'static str, depth: u64, most: u64) -> Option<Map<String, Value>> {
        match self.object(name, depth) {
            Some(object) if object.len() as u64 > most => {
                self.wrong(name, &format!("Ensure this field has no more than {most} elements."))
            }
            object => object,
        }
    }

    /// Without it nothing is done.
    pub fn required<T>(&mut self, name: &'static str, given: Option<T>) -> Option<T> {
        given.or_else(|| self.wrong(name, REQUIRED))
    }

    /// What nobody read.
    pub fn rest(&mut self) -> Vec<(String, String)> {
        let rest = std::mem::take(&mut self.members).into_iter();
        rest.filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())))
            .collect()
    }

    /// Was everything that was read right?
    pub fn finish(&mut self) -> Result<(), No> {
        match self.wrong.is_empty() {
            true => Ok(()),
            false => Err(No::fields(std::mem::take(&mut self.wrong))),
        }
    }
}

fn is_address(text: &str) -> bool {
    let is_plain =
        |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c.is_control() || c == '@');
    text.len() <= 254
        && text
            .rsplit_once('@')
            .is_some_and(|(local, host)| is_plain(local) && is_plain(host))
}

fn is_deeper(value: &Value, levels: u64) -> bool {
    let below = |mut values: Box<dyn Iterator<Item = &Value> + '_>| {
        levels == 0 || values.any(|value| is_deeper(value, levels - 1))
    };
    match value {
        Value::Array(values) => below(Box::new(values.iter())),
        Value::Object(members) => below(Box::new(members.values())),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_read_by_its_types_and_a_form_by_its_texts() {
        type Read = fn(&mut Fields) -> Value;
        let checks: &[(Read, Value, &str, Value)] = &[
            (|fields| json!(fields.count("x")), json!(5), "5", json!(5)),
            (|fields| json!(fields.id("x")), json!(-5), "-5", json!(0)),
            (|fields| json!(fields.flag("x")), json!(true), "True", json!(true)),
            (|fields| json!(fields.text("x")), json!("a b"), "a b", json!("a b")),
            (
                |fields| json!(fields.address("x")),
                json!(" a@b.example "),
                "a@b.example",
                json!("a@b.example"),
            ),
            (
                |fields| json!(fields.time("x").map(|time| time.to_string())),
                json!("2019-08-24T14:15:22+00:00"),
                "2019-08-24T14:15:22Z",
                json!("2019-08-24T14:15:22.000Z"),
            ),
            (
                |fields| json!(fields.object("x", 3)),
                json!({"a": [1]}),
                "{\"a\":[1]}",
                json!({"a": [1]}),
            ),
            (
                |fields| json!(fields.nullable_text("x").is_some()),
                Value::Null,
                "",
                json!(true),
            ),
        ];
        for (read, in_json, in_form, expected) in checks {
            let mut fields = Fields::of_json(Map::from_iter([("x".to_owned(), in_json.clone())]));
            assert_eq!(read(&mut fields), *expected, "{in_json}");
            assert!(fields.finish().is_ok(), "{in_json}");
            let mut fields = Fields::of_pairs([("x".to_owned(), in_form.to_string())]);
            assert_eq!(read(&mut fields), *expected, "{in_form}");
            assert!(fields.finish().is_ok(), "{in_form}");
        }
    }

    #[test]
    fn what_does_not_fit_is_told_by_its_name() {
        type Read = fn(&mut Fields) -> bool;
        let checks: &[(Read, Value, &str)] = &[
            (|fields| fields.count("x").is_none(), json!("5"), NOT_A_NUMBER),
            (|fields| fields.count("x").is_none(), json!(5.5), NOT_A_NUMBER),
            (|fields| fields.count("x").is_none(), json!(5.0), NOT_A_NUMBER),
            (|fields| fields.count("x").is_none(), json!(-1), NEGATIVE),
            (|fields| fields.count("x").is_none(), json!(2_147_483_648_u64), TOO_MANY),
            (|fields| fields.count("x").is_none(), json!(u64::MAX), NOT_A_NUMBER),
            (|fields| fields.count("x").is_none(), Value::Null, NULL),
            (|fields| fields.flag("x").is_none(), json!("true"), NOT_A_FLAG),
            (|fields| fields.flag("x").is_none(), json!(1), NOT_A_FLAG),
            (|fields| fields.text("x").is_none(), json!(" "), BLANK),
            (|fields| fields.text("x").is_none(), json!(7), NOT_TEXT),
            (|fields| fields.text("x").is_none(), Value::Null, NULL),
            (|fields| fields.time("x").is_none(), json!("tomorrow"), NOT_A_TIME),
            (|fields| fields.time("x").is_none(), json!(1_735_689_600), NOT_A_TIME),
            (|fields| fields.nullable_time("x").is_none(), json!(""), NOT_A_TIME),
            (|fields| fields.object("x", 3).is_none(), json!([]), NOT_AN_OBJECT),
            (|fields| fields.object("x", 3).is_none(), json!("{}"), NOT_AN_OBJECT),
            (|fields| fields.object("x", 3).is_none(), Value::Null, NULL),
            (|fields| fields.object("x", 2).is_none(), json!({"a": [[1]]}), TOO_DEEP),
            (|fields| fields.address("x").is_none(), json!("nobody"), NOT_AN_ADDRESS),
            (|fields| fields.address("x").is_none(), json!("a b@c"), NOT_AN_ADDRESS),
        ];
        for (read, sent, why) in checks {
            let mut fields = Fields::of_json(Map::from_iter([("x".to_owned(), sent.clone())]));
            assert!(read(&mut fields), "{sent}");
            assert_eq!(fields.wrong.get("x").map(String::as_str), Some(*why), "{sent}");
        }
    }
}
