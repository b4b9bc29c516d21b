//! A tree becoming text again, in one spelling: `and`, `or` and `not` as words, parentheses only where the tree needs
//! them, quotes doubled. Parsing what is printed gives the same tree; the text itself may be longer than what was sent.

use std::fmt::{Display, Formatter, Result, Write};

use super::ast::*;

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if let Some(selector) = &self.selector {
            write!(f, "{selector}")?;
        }
        match self.format {
            Some(format) => write!(f, ".{format}"),
            None => Ok(()),
        }
    }
}

impl Format {
    /// The suffix, without its dot.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Jwt => "jwt",
            Self::Xml => "xml",
            Self::Txt => "txt",
        }
    }
}

impl Display for Format {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(self.name())
    }
}

impl Display for Selector {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "/{}", self.head)?;
        self.steps.iter().try_for_each(|step| write!(f, "{step}"))?;
        write!(f, "{}", self.params)
    }
}

impl Display for Head {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Object(object) => write!(f, "{object}"),
            Self::Me(_) => f.write_str("me"),
            Self::Named(query) => write!(f, "{query}"),
        }
    }
}

impl Display for NamedQuery {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}(", self.name)?;
        joined(f, &self.arguments, ",")?;
        f.write_char(')')
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(&self.text)
    }
}

impl Display for ObjectPart {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}", self.name)?;
        if let Some(collection) = &self.collection {
            write!(f, ":{collection}")?;
        }
        self.predicates
            .iter()
            .try_for_each(|predicate| write!(f, "[{predicate}]"))
    }
}

/// With its leading `/`: the steps of an include, one after the other, are its text.
impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "/~{}/{}", self.relation, self.object)
    }
}

impl Display for Predicate {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::And(all) => among(f, all, " and ", |part| matches!(part, Self::And(_) | Self::Or(_))),
            Self::Or(any) => among(f, any, " or ", |part| matches!(part, Self::Or(_))),
            Self::Not(negated) => match **negated {
                Self::And(_) | Self::Or(_) => write!(f, "not ({negated})"),
                Self::Not(_) | Self::Compare(_) => write!(f, "not {negated}"),
            },
            Self::Compare(comparison) => write!(f, "{comparison}"),
        }
    }
}

/// Joins conditions, those that would be read otherwise in parentheses.
fn among(f: &mut Formatter<'_>, parts: &[Predicate], with: &str, grouped: fn(&Predicate) -> bool) -> Result {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            f.write_str(with)?;
        }
        if grouped(part) {
            write!(f, "({part})")?;
        } else {
            write!(f, "{part}")?;
        }
    }
    Ok(())
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "@{}{}{}", self.field, self.operator, self.value)
    }
}

impl Operator {
    pub fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Like => "~",
            Self::NotLike => "!~",
            Self::Prefix => "*",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

impl Display for Operator {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(self.sign())
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}", self.value)
    }
}

impl Display for LiteralValue {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(number) => f.write_str(number),
            Self::Text(text) => write!(f, "{}", Quoted(text)),
        }
    }
}

/// A text between its quotes.
pub struct Quoted<'a>(pub &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_char('\'')?;
        for c in self.0.chars() {
            match c {
                '\'' => f.write_str("''")?,
                '\\' => f.write_str("\\\\")?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('\'')
    }
}

/// Nothing at all where nothing is asked.
impl Display for Params {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let mut parts = Vec::new();
        if self.count {
            parts.push("count".to_owned());
        }
        parts.extend(self.index.map(|index| format!("i={index}")));
        parts.extend(self.rows.map(|rows| format!("r={rows}")));
        parts.extend(self.sort.iter().map(|sort| format!("s={sort}")));
        if parts.is_empty() {
            return Ok(());
        }
        f.write_char('{')?;
        joined(f, &parts, ",")?;
        f.write_char('}')
    }
}

/// Upwards goes without its `+`, which a query string would turn into a space.
impl Display for Sort {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}{}", self.field, if self.descending { "-" } else { "" })
    }
}

fn joined<T: Display>(f: &mut Formatter<'_>, parts: &[T], with: &str) -> Result {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            f.write_str(with)?;
        }
        write!(f, "{part}")?;
    }
    Ok(())
}
