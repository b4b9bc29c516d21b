//! Names and literals of a selector, held against the schema. Gives conditions ready to be tried, or says what is wrong
//! and where. Looks at no entity.

use compact_str::CompactString;

use super::condition::{Cond, RelationField, Test, What};
use super::error::{Code, QueryError, closest, list, suggest};
use super::pattern::Pattern;
use crate::model::schema::{self, Hop};
use crate::model::value::{fold, hyphenated};
use crate::model::{Field, FieldDef, FieldType, Kind, Rel, RelationType, Time, Value};
use crate::selector::ast::{Comparison, Literal, LiteralValue, Name, ObjectPart, Operator, Predicate};

/// The type an object part names. Internal kinds are as unknown as nonsense.
pub(super) fn kind(name: &Name) -> Result<Kind, QueryError> {
    Kind::named(&name.text)
        .filter(|kind| !kind.def().internal)
        .ok_or_else(|| {
            let known: Vec<&str> = Kind::public().map(Kind::name).collect();
            QueryError::new(Code::UnknownType, format!("unknown type `{}`", name.text))
                .at(name.span)
                .help(suggest(&name.text, &known))
        })
}

/// A collection is accepted where it is the type's own, which bears the type's name.
pub(super) fn collection(part: &ObjectPart) -> Result<(), QueryError> {
    match &part.collection {
        Some(collection) if collection.text != part.name.text => {
            let message = format!("unknown collection `{}` of `{}`", collection.text, part.name.text);
            Err(QueryError::new(Code::UnknownCollection, message)
                .at(collection.span)
                .help(format!("write `{}`, or leave the collection out", part.name.text)))
        }
        _ => Ok(()),
    }
}

/// The step `~word` means between two types.
pub(super) fn hop(from: Kind, relation: &ObjectPart, to: Kind) -> Result<Hop, QueryError> {
    collection(relation)?;
    let word = &relation.name;
    let hop = schema::hop(from, &word.text, to).ok_or_else(|| unknown_relation(from, word, to))?;
    if !hop.rel.def().relation_type.is_named() {
        if let Some(collection) = &relation.collection {
            let message = format!("`~{}` has no collection", word.text);
            return Err(QueryError::new(Code::UnknownCollection, message)
                .at(collection.span)
                .help(format!("only a named relation has one: {}", named_relations())));
        }
        if let Some(predicate) = relation.predicates.first() {
            let message = format!("`~{}` has no fields to compare", word.text);
            return Err(QueryError::new(Code::UnknownField, message)
                .at(first_comparison(predicate).map_or(relation.span, |comparison| comparison.span))
                .help(format!("only a named relation has fields: {}", named_relations())));
        }
    }
    Ok(hop)
}

fn named_relations() -> String {
    list(&RelationType::NAMED.iter().map(|named| named.name()).collect::<Vec<_>>())
}

fn first_comparison(predicate: &Predicate) -> Option<&Comparison> {
    match predicate {
        Predicate::Compare(comparison) => Some(comparison),
        Predicate::Not(inner) => first_comparison(inner),
        Predicate::And(all) | Predicate::Or(all) => all.first().and_then(first_comparison),
    }
}

fn unknown_relation(from: Kind, word: &Name, to: Kind) -> QueryError {
    let step = |hop: &Hop| format!("`~{}/{}`", hop.word(), hop.to().name());
    let visible = || from.hops().iter().filter(|hop| !hop.to().def().internal);
    let between: Vec<String> = visible().filter(|hop| hop.to() == to).map(step).collect();
    let help = if between.is_empty() {
        let all: Vec<String> = visible().map(step).collect();
        format!("from `{}` there are {}", from.name(), all.join(", "))
    } else {
        format!("between them there is {}", between.join(", "))
    };
    let message = format!("no relation `~{}` from `{}` to `{}`", word.text, from.name(), to.name());
    QueryError::new(Code::UnknownRelation, message).at(word.span).help(help)
}

/// What a condition's field turns out to be.
#[derive(Clone, Copy)]
pub(super) struct Resolved<F> {
    pub field: F,
    pub field_type: FieldType,
    pub folded: bool,
    /// An enumerated field is cleared by `''`, so `= ''` asks for an unset one.
    pub empty_is_unset: bool,
}

impl<F> Resolved<F> {
    fn own(field: F, def: &FieldDef) -> Self {
        Self {
            field,
            field_type: def.field_type,
            folded: def.folded,
            empty_is_unset: !def.values.is_empty(),
        }
    }

    fn id(field: F) -> Self {
        Self {
            field,
            field_type: FieldType::Uuid,
            folded: false,
            empty_is_unset: false,
        }
    }
}

/// A field of an entity by its name. Secret ones are unknown.
pub(super) fn entity_field(kind: Kind, name: &Name) -> Result<Resolved<Field>, QueryError> {
    let unknown = || {
        let known = kind.field_names();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        QueryError::new(
            Code::UnknownField,
            format!("unknown field `{}` on `{}`", name.text, kind.name()),
        )
        .at(name.span)
        .help(suggest(&name.text, &known))
    };
    match kind.resolve(&name.text).ok_or_else(unknown)? {
        field @ Field::Own(index) => {
            let def = &kind.def().fields[usize::from(index)];
            if def.secret {
                Err(unknown())
            } else {
                Ok(Resolved::own(field, def))
            }
        }
        field => Ok(Resolved {
            field,
            field_type: field.field_type(kind),
            folded: false,
            empty_is_unset: false,
        }),
    }
}

/// A field of a named relation, or the id at one of its ends.
pub(super) fn relation_field(rel: Rel, name: &Name) -> Result<Resolved<RelationField>, QueryError> {
    let def = rel.def();
    if let Some((index, field)) = def.fields.iter().enumerate().find(|(_, field)| field.name == name.text)
        && !field.secret
    {
        return Ok(Resolved::own(RelationField::Own(index as u8), field));
    }
    let (from, to) = def.end_names();
    if name.text == from {
        return Ok(Resolved::id(RelationField::From));
    }
    if name.text == to {
        return Ok(Resolved::id(RelationField::To));
    }
    let known: Vec<&str> = def
        .fields
        .iter()
        .filter(|field| !field.secret)
        .map(|field| field.name)
        .chain([from.as_str(), &to])
        .collect();
    let message = format!("unknown field `{}` on `~{}`", name.text, def.relation_type.name());
    Err(QueryError::new(Code::UnknownField, message)
        .at(name.span)
        .help(suggest(&name.text, &known)))
}

/// Turns a predicate into a condition, finding its fields by `find`.
pub(super) fn condition<F>(
    predicate: &Predicate,
    find: &impl Fn(&Name) -> Result<Resolved<F>, QueryError>,
) -> Result<Cond<F>, QueryError> {
    let each = |all: &[Predicate]| {
        all.iter()
            .map(|inner| condition(inner, find))
            .collect::<Result<Vec<_>, _>>()
    };
    Ok(match predicate {
        Predicate::Compare(comparison) => Cond::Test(test(comparison, find(&comparison.field)?)?),
        Predicate::Not(inner) => Cond::Not(Box::new(condition(inner, find)?)),
        Predicate::And(all) => Cond::All(each(all)?),
        Predicate::Or(any) => Cond::Any(each(any)?),
    })
}

/// A comparison with its field found.
pub(super) fn test<F>(comparison: &Comparison, found: Resolved<F>) -> Result<Test<F>, QueryError> {
    use Operator::*;
    let Resolved {
        field,
        field_type,
        folded,
        empty_is_unset,
    } = found;
    let operator = comparison.operator;
    if !fits(operator, field_type) {
        return Err(operator_does_not_fit(comparison, field_type));
    }
    let value = match coerce(&comparison.value, field_type, &comparison.field.text)? {
        Some(Value::Text(text)) if empty_is_unset && text.is_empty() && matches!(operator, Equal | NotEqual) => None,
        Some(Value::Text(text)) if folded && !matches!(operator, Like | NotLike) => Some(Value::Text(fold(&text))),
        value => value,
    };
    let Some(value) = value else {
        let what = match operator {
            Equal => What::Unset,
            NotEqual => What::Set,
            _ => {
                let message = format!("`{operator}` does not go with `null`");
                return Err(QueryError::new(Code::OperatorDoesNotFit, message)
                    .at(comparison.span)
                    .help("`null` is compared by `=` and `!=`"));
            }
        };
        return Ok(Test { field, folded, what });
    };
    let pattern = |value: &Value| Box::new(Pattern::new(value.as_text().unwrap_or_default()));
    let text = |value: &Value| CompactString::new(value.as_text().unwrap_or_default());
    let what = match operator {
        Equal => What::Equal(value),
        NotEqual => What::NotEqual(value),
        Like => What::Like(pattern(&value), text(&value)),
        NotLike => What::NotLike(pattern(&value), text(&value)),
        Prefix => What::Prefix(text(&value)),
        Less => What::Less(value),
        LessOrEqual => What::LessOrEqual(value),
        Greater => What::Greater(value),
        GreaterOrEqual => What::GreaterOrEqual(value),
    };
    Ok(Test { field, folded, what })
}

/// Equality is for all, order for what has one worth asking for, parts of a text for texts.
fn fits(operator: Operator, field_type: FieldType) -> bool {
    use Operator::*;
    match operator {
        Equal | NotEqual => true,
        Like | NotLike | Prefix => matches!(field_type, FieldType::Text | FieldType::Json),
        Less | LessOrEqual | Greater | GreaterOrEqual => {
            matches!(field_type, FieldType::Text | FieldType::Int | FieldType::Time)
        }
    }
}

fn operators_of(field_type: FieldType) -> String {
    use Operator::*;
    let all = [
        Equal,
        NotEqual,
        Like,
        NotLike,
        Prefix,
        Less,
        LessOrEqual,
        Greater,
        GreaterOrEqual,
    ];
    let fitting: Vec<&str> = all
        .into_iter()
        .filter(|operator| fits(*operator, field_type))
        .map(Operator::sign)
        .collect();
    list(&fitting)
}

fn operator_does_not_fit(comparison: &Comparison, field_type: FieldType) -> QueryError {
    let message = format!(
        "`{}` does not go with `{}`, whose type is {}",
        comparison.operator,
        comparison.field.text,
        field_type.name()
    );
    QueryError::new(Code::OperatorDoesNotFit, message)
        .at(comparison.span)
        .help(format!(
            "a {} is compared by {}",
            field_type.name(),
            operators_of(field_type)
        ))
}

/// A literal as a value of the field's type; `None` is null.
pub(super) fn coerce(literal: &Literal, field_type: FieldType, field: &str) -> Result<Option<Value>, QueryError> {
    use LiteralValue as L;
    let value = match (&literal.value, field_type) {
        (L::Null, _) => return Ok(None),
        (L::Text(text), FieldType::Text | FieldType::Json) => Some(Value::Text(text.clone())),
        (L::Text(text), FieldType::Uuid) => hyphenated(text).map(Value::Uuid),
        (L::Text(text), FieldType::Time) => Time::parse(text).map(Value::Time),
        (L::Number(number), FieldType::Time) => number.parse().ok().and_then(Time::from_millis).map(Value::Time),
        (L::Number(number) | L::Text(number), FieldType::Int) => number.parse().ok().map(Value::Int),
        (L::Bool(flag), FieldType::Bool) => Some(Value::Bool(*flag)),
        (L::Text(text), FieldType::Bool) => text.parse().ok().map(Value::Bool),
        _ => None,
    };
    if value.is_some() {
        return Ok(value);
    }
    let message = format!(
        "`{literal}` is no value of `{field}`, whose type is {}",
        field_type.name()
    );
    Err(QueryError::new(Code::ValueDoesNotFit, message)
        .at(literal.span)
        .help(accepted(field_type)))
}

pub(super) fn accepted(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::Text => "a string is written in single quotes: `'text'`",
        FieldType::Json => "JSON is written in single quotes, as it is stored",
        FieldType::Bool => "a boolean is `true` or `false`",
        FieldType::Int => "an integer is digits, from -9223372036854775808 to 9223372036854775807",
        FieldType::Time => {
            "a dateTime is ISO 8601 in single quotes, with `Z` or an offset (`'2027-01-31'`, `'2027-01-31T12:00:00Z'`) or milliseconds since 1970 as \
             a number, within the years 0000 to 9999"
        }
        FieldType::Uuid => "a uuid is written as `'123e4567-e89b-12d3-a456-426614174000'`",
    }
}

/// For names that are not fields: the one meant, if it is close.
pub(super) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    closest(name, known).map(|close| format!("did you mean `{close}`?"))
}
