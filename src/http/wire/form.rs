//! An object graph as form fields (`graph-api.md` 2.6): each name is a selector that ends in `/@field`, each value the
//! field's. The same text names the same object; `{randomUuid,alias}` is a fresh id, the same one for the same alias.

use std::collections::HashMap;

use compact_str::CompactString;
use uuid::Uuid;

use crate::limits::Limits;
use crate::model::schema::{self, Hop};
use crate::model::value::hyphenated;
use crate::model::{Clock, Field, FieldType, Kind, Time, Value};
use crate::operation::input::{FieldInput, ObjectInput, RelatedInput};
use crate::selector;
use crate::selector::ast::{Head, LiteralValue, ObjectPart, Operator, Predicate, Selector};

/// A field that cannot be read: the name it was sent under, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    pub name: String,
    pub code: &'static str,
    pub message: String,
    pub help: String,
}

/// An object that is being put together.
struct Part {
    /// What named it, up to and with it.
    text: String,
    kind: Kind,
    above: Option<(usize, Hop)>,
    id: Option<Uuid>,
    fields: Vec<FieldInput>,
}

/// Top-level objects in order of first appearance.
pub fn form_objects(
    fields: &[(String, String)],
    clock: &Clock,
    limits: &Limits,
) -> Result<Vec<ObjectInput>, FieldError> {
    let mut fresh = Fresh {
        clock,
        ids: HashMap::new(),
    };
    let mut parts: Vec<Part> = Vec::new();
    for (name, value) in fields {
        let failed = |code: &'static str, message: String| FieldError {
            name: name.clone(),
            code,
            message,
            help: usual_help(code).to_owned(),
        };
        let told = fresh.replace(name).map_err(|message| failed("badMacro", message))?;
        let value = fresh.replace(value).map_err(|message| failed("badMacro", message))?;
        let Some((text, field)) = told.rsplit_once("/@") else {
            return Err(failed("fieldMissing", "the name ends in no `/@field`".to_owned()));
        };
        let selector = selector::parse(text, limits).map_err(|error| FieldError {
            help: error.help.clone(),
            ..failed(error.code, error.to_string())
        })?;
        let index = place(&mut parts, &selector, &failed)?;
        let part = &mut parts[index];
        set(part, field, &value, &failed)?;
    }
    Ok(assemble(parts))
}

fn usual_help(code: &str) -> &'static str {
    match code {
        "badMacro" => "`{randomUuid,NAME}` is the one macro: a new id, the same one for the same name",
        "fieldMissing" | "headNotAllowed" => {
            "a name is a type, the way on from it, and a field: `/Profile/~ManyToOne/Person/@firstName`"
        }
        "paramsNotAllowed" => "take the braces off",
        "conditionNotAllowed" => "name an object by `[@field='…']`, and another one by another value",
        "twoIds" | "twoValues" => "send one of them",
        "fieldNotAllowed" => "leave it out: the server sets it, or the way that leads to the object does",
        _ => "`GET /graph-schema` lists the types, with their fields and relations",
    }
}

/// Ids by their alias.
struct Fresh<'c> {
    clock: &'c Clock,
    ids: HashMap<String, Uuid>,
}

impl Fresh<'_> {
    fn replace(&mut self, text: &str) -> Result<String, String> {
        const OPEN: &str = "{randomUuid";
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(OPEN) {
            out.push_str(&rest[..at]);
            let inner = &rest[at + OPEN.len()..];
            let alias = inner.strip_prefix(',').and_then(|inner| inner.split_once('}'));
            let Some((alias, after)) = alias.filter(|(alias, _)| !alias.trim().is_empty()) else {
                return Err("a macro is written `{randomUuid,alias}`".to_owned());
            };
            let clock = self.clock;
            let id = self
                .ids
                .entry(alias.trim().to_owned())
                .or_insert_with(|| clock.new_id());
            out.push_str(&id.to_string());
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }
}

type Failed<'f> = dyn Fn(&'static str, String) -> FieldError + 'f;

/// The object a selector names; it and those above it are made when they are named first.
fn place(parts: &mut Vec<Part>, selector: &Selector, failed: &Failed<'_>) -> Result<usize, FieldError> {
    let Head::Object(head) = &selector.head else {
        return Err(failed(
            "headNotAllowed",
            "a field of a form begins with a type".to_owned(),
        ));
    };
    if !selector.params.ask_nothing() {
        return Err(failed(
            "paramsNotAllowed",
            "the name of a field has no `{…}`".to_owned(),
        ));
    }
    let mut prefix = Selector {
        head: selector.head.clone(),
        steps: Vec::new(),
        params: Default::default(),
    };
    let mut at = find_or_make(parts, &prefix, head, None, failed)?;
    for step in &selector.steps {
        let above = parts[at].kind;
        let kind = kind_of(&step.object, failed)?;
        let word = &step.relation.name.text;
        let hop = schema::hop(above, word, kind).ok_or_else(|| {
            let (from, to) = (above.name(), kind.name());
            failed(
                "unknownRelation",
                format!("no relation `~{word}` leads from `{from}` to `{to}`"),
            )
        })?;
        if !step.relation.predicates.is_empty() || step.relation.collection.is_some() {
            let message = format!("`~{word}` has no conditions in the name of a field");
            return Err(failed("conditionNotAllowed", message));
        }
        prefix.steps.push(step.clone());
        at = find_or_make(parts, &prefix, &step.object, Some((at, hop)), failed)?;
    }
    Ok(at)
}

fn kind_of(part: &ObjectPart, failed: &Failed<'_>) -> Result<Kind, FieldError> {
    let kind = Kind::named(&part.name.text).filter(|kind| !kind.def().internal);
    kind.ok_or_else(|| failed("unknownType", format!("unknown type `{}`", part.name.text)))
}

fn find_or_make(
    parts: &mut Vec<Part>,
    prefix: &Selector,
    object: &ObjectPart,
    above: Option<(usize, Hop)>,
    failed: &Failed<'_>,
) -> Result<usize, FieldError> {
    let text = prefix.to_string();
    if let Some(index) = parts.iter().position(|part| part.text == text) {
        return Ok(index);
    }
    let mut part = Part {
        text,
        kind: kind_of(object, failed)?,
        above,
        id: None,
        fields: Vec::new(),
    };
    let mut waiting: Vec<&Predicate> = object.predicates.iter().rev().collect();
    while let Some(predicate) = waiting.pop() {
        match predicate {
            Predicate::And(all) => waiting.extend(all.iter().rev()),
            Predicate::Compare(comparison) if comparison.operator == Operator::Equal => {
                let value = match &comparison.value.value {
                    LiteralValue::Null => continue,
                    LiteralValue::Bool(flag) => flag.to_string(),
                    LiteralValue::Number(text) | LiteralValue::Text(text) => text.to_string(),
                };
                set(&mut part, &comparison.field.text, &value, failed)?;
            }
            _ => {
                let message = "an object of a form is named by `=` alone".to_owned();
                return Err(failed("conditionNotAllowed", message));
            }
        }
    }
    parts.push(part);
    Ok(parts.len() - 1)
}

fn set(part: &mut Part, name: &str, text: &str, failed: &Failed<'_>) -> Result<(), FieldError> {
    let wrong = |field_type: FieldType| {
        let message = format!("the value of `{name}` is no {}", field_type.name());
        failed("valueDoesNotFit", message)
    };
    match part.kind.resolve(name) {
        Some(Field::Id) => {
            let id = hyphenated(text).ok_or_else(|| wrong(FieldType::Uuid))?;
            if part.id.is_some_and(|other| other != id) {
                return Err(failed("twoIds", format!("`{}` is given two ids", part.kind.name())));
            }
            part.id = Some(id);
        }
        Some(field @ Field::Own(_)) => {
            let field_type = field.field_type(part.kind);
            let value = Some(value(field_type, text).ok_or_else(|| wrong(field_type))?);
            match part.fields.iter().find(|input| input.field == field) {
                None => part.fields.push(FieldInput { field, value }),
                Some(input) if input.value == value => {}
                Some(_) => return Err(failed("twoValues", format!("`{name}` is given two values"))),
            }
        }
        Some(Field::Parent(_) | Field::Serial | Field::Created | Field::Updated) => {
            return Err(failed("fieldNotAllowed", format!("`{name}` is not set by a form")));
        }
        None => {
            let message = format!("unknown field `{name}` on `{}`", part.kind.name());
            return Err(failed("unknownField", message));
        }
    }
    Ok(())
}

fn value(field_type: FieldType, text: &str) -> Option<Value> {
    Some(match field_type {
        FieldType::Text => Value::text(text),
        FieldType::Json => {
            serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
            Value::text(text)
        }
        FieldType::Bool => Value::Bool(text.parse().ok()?),
        FieldType::Int => Value::Int(text.parse().ok()?),
        FieldType::Time => Value::Time(Time::parse(text)?),
        FieldType::Uuid => Value::Uuid(Uuid::try_parse(text).ok()?),
    })
}

/// From the last part, which has nothing below it, to the first.
fn assemble(parts: Vec<Part>) -> Vec<ObjectInput> {
    let mut related: Vec<Vec<RelatedInput>> = parts.iter().map(|_| Vec::new()).collect();
    let mut top = Vec::new();
    for (index, part) in parts.into_iter().enumerate().rev() {
        let mut below = std::mem::take(&mut related[index]);
        below.reverse();
        let object = ObjectInput {
            kind: part.kind,
            id: part.id,
            fields: part.fields,
            references: Vec::new(),
            related: below,
            at: CompactString::from(part.text),
        };
        match part.above {
            None => top.push(object),
            Some((above, hop)) => related[above].push(RelatedInput {
                hop,
                object,
                fields: Vec::new(),
                ends: (None, None),
            }),
        }
    }
    top.reverse();
    top
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(object: &ObjectInput, out: &mut String) {
        let short = |id: Uuid| id.as_u128() & 0xffff;
        out.push_str(object.kind.name());
        if let Some(id) = object.id {
            out.push_str(&format!("#{}", short(id)));
        }
        for input in &object.fields {
            let value = input.value.as_ref().and_then(Value::as_text).unwrap_or("?");
            out.push_str(&format!(" {}={value}", input.field.name(object.kind)));
        }
        for related in &object.related {
            out.push_str(" (");
            told(&related.object, out);
            out.push(')');
        }
    }

    fn check(fields: &[(&str, &str)], expected: Result<&str, (&str, &str)>) {
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let read = form_objects(&fields, &Clock::frozen(Time(0)), &Limits::default());
        let mut text = String::new();
        let found = read.map(|objects| {
            objects.iter().for_each(|object| told(object, &mut text));
            text.as_str()
        });
        let found = found.map_err(|error| (error.code, error.name.clone()));
        assert_eq!(
            found,
            expected.map_err(|(code, name)| (code, name.to_owned())),
            "{fields:?}"
        );
    }

    #[test]
    fn the_example_of_the_reference_is_read() {
        check(
            &[
                ("/Profile[@id='{randomUuid,p}']/@id", "{randomUuid,p}"),
                (
                    "/Profile[@id='{randomUuid,p}']/~ManyToOne/Person[@id='{randomUuid, q}']/@firstName",
                    "Aino",
                ),
                (
                    "/Profile[@id='{randomUuid,p}']/~ManyToOne/Person[@id='{randomUuid,q}']/~OneToMany/EmailAndPassword[@id='{randomUuid,c}']/@userName",
                    "aino@example.org",
                ),
                (
                    "/Profile[@id='{randomUuid,p}']/~OneToMany/ContactInformation/~OneToMany/EmailAddress/@value",
                    "a@b.c",
                ),
            ],
            Ok(
                "Profile#1 (Person#2 firstName=Aino (EmailAndPassword#3 userName=aino@example.org)) (ContactInformation (EmailAddress value=a@b.c))",
            ),
        );
    }

    #[test]
    fn what_cannot_be_read_says_which_field() {
        for (name, value, code) in [
            ("/Profile", "x", "fieldMissing"),
            ("/Profile/@colour", "x", "unknownField"),
            ("/Profil/@displayName", "x", "unknownType"),
            ("/Profile/~OneToMany/Person/@firstName", "x", "unknownRelation"),
            ("/Profile[@displayName~'x']/@displayName", "x", "conditionNotAllowed"),
            ("/Profile[@id='x']/@displayName", "x", "valueDoesNotFit"),
            ("/Profile[@displayName='y']/@displayName", "x", "twoValues"),
            ("/Profile/@validFrom", "soon", "valueDoesNotFit"),
            ("/Profile/@serial", "7", "fieldNotAllowed"),
            ("/Profile[@id='{randomUuid}']/@displayName", "x", "badMacro"),
            ("/Profile[@id='{randomUuid,}']/@displayName", "x", "badMacro"),
            ("/Profile[/@displayName", "x", "conditionMissing"),
            ("/me/@displayName", "x", "headNotAllowed"),
            ("/Profile{count}/@displayName", "x", "paramsNotAllowed"),
        ] {
            let fields = [(name.to_owned(), value.to_owned())];
            let error = form_objects(&fields, &Clock::frozen(Time(0)), &Limits::default()).unwrap_err();
            assert_eq!(error.name, name);
            if code != "conditionMissing" {
                assert_eq!(error.code, code, "{name}");
            }
        }
    }
}
