//! MoveLicenses: licenses go to another entitlement of the same owner, with their reservations and blocks; who may
//! consume them is then decided by the new one (`graph-api.md` 3.1, `licensing.md` 3).

use uuid::Uuid;

use super::refusal::{Fault, OperationError};
use super::target::{matches, mine, selected};
use super::{Call, Outcome, sought};
use crate::access::{Action, Permission, View};
use crate::entitlement::{Refused, homes};
use crate::error::Error;
use crate::graph::{Node, Violation};
use crate::model::{Field, FieldType, Fields, Kind, Time, Value, rel};
use crate::selector::ast::{Head, LiteralValue, Operator, Predicate, Selector};

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<Outcome, Error> {
    let licenses = selected(call, Kind::License)?;
    mine(call, &licenses)?;
    let mut owner = None;
    for id in &licenses {
        let entitlement = source(call, *id)?;
        let of = homes::owner(entitlement).map(|owner| (owner.id, owner.kind));
        if *owner.get_or_insert(of) != of {
            return Err(Refused::OtherOwner(entitlement.id).into());
        }
    }
    let Some(owner) = owner.flatten() else {
        return Err(Fault::OwnerMissing.into());
    };
    let target = match target(call)? {
        Some(target) => target,
        None => make(call, owner)?,
    };
    let node = call.tx.node(target)?;
    if homes::owner(node).map(|node| node.id) != Some(owner.0) {
        return Err(OperationError::at("to", Fault::Refused(Refused::OtherOwner(target))).into());
    }
    for license in &licenses {
        let from = source(call, *license)?.id;
        if from != target {
            call.tx.unrelate(rel::LICENSES, from, *license)?;
            call.tx.relate(rel::LICENSES, target, *license, Fields::default())?;
        }
    }
    Ok(Outcome::of(licenses))
}

fn source<'c>(call: &'c Call<'_, '_>, license: Uuid) -> Result<Node<'c>, Error> {
    let node = call
        .tx
        .graph()
        .find(license)
        .and_then(|node| node.parent(rel::LICENSES));
    Ok(node.ok_or(Violation::NotFound { id: license })?)
}

/// The entitlement `to` names, if it is there; an error if it is not and is not to be made.
fn target(call: &Call<'_, '_>) -> Result<Option<Uuid>, Error> {
    let create = call.arguments.flag("create");
    let missing = |id: Option<Uuid>| match create {
        true => Ok(None),
        false => {
            let kind = Kind::Entitlement;
            Err(OperationError::at("to", Fault::TargetNotFound { kind, id }).into())
        }
    };
    if let Some(id) = call.arguments.id("to") {
        let view = View::new(call.tx.graph(), call.who);
        return match call.tx.graph().find(id) {
            Some(node) if node.kind == Kind::Entitlement && view.reaches(node) => {
                view.owns(node)?;
                Ok(Some(id))
            }
            Some(node) if view.sees(node) => {
                let (is, wanted) = (node.kind, Kind::Entitlement);
                Err(OperationError::at("to", Fault::WrongType { id, is, wanted }).into())
            }
            // Something hidden has it: it can neither be found nor made.
            Some(_) if create => Err(OperationError::at("to", Fault::IdNotUsable(id)).into()),
            _ => missing(Some(id)),
        };
    }
    let Some(selector) = call.arguments.selector("to") else {
        return Err(OperationError::at("to", Fault::Missing).into());
    };
    let named = last_name(selector);
    if named != Kind::Entitlement.name() {
        let (named, wanted) = (named.to_owned(), Kind::Entitlement.name().to_owned());
        return Err(OperationError::at("to", Fault::WrongTarget { named, wanted }).into());
    }
    let found = matches(call, selector).map_err(|error| about_to(call, error))?;
    match found.as_slice() {
        [] => missing(None),
        [one] => {
            mine(call, &[*one])?;
            Ok(Some(*one))
        }
        several => {
            let (kind, matches) = (Kind::Entitlement, several.len());
            Err(OperationError::at("to", Fault::AmbiguousTarget { kind, matches }).into())
        }
    }
}

/// What is wrong with the selector of `to`.
fn about_to(call: &Call<'_, '_>, error: Error) -> Error {
    match error {
        Error::Query(error) => {
            let text = call.arguments.selector_text("to").to_owned();
            OperationError::at("to", Fault::Query(error, text)).into()
        }
        Error::Operation(error) => OperationError::at("to", error.why).into(),
        other => other,
    }
}

fn last_name(selector: &Selector) -> &str {
    match (selector.steps.last(), &selector.head) {
        (Some(step), _) => &step.object.name.text,
        (None, Head::Object(part)) => &part.name.text,
        (None, Head::Me(_)) => Kind::Profile.name(),
        (None, Head::Named(query)) => &query.name.text,
    }
}

/// The entitlement that `to` describes, for the owner the licenses have: of an id, or of a selector's equalities, which
/// it must then match.
fn make(call: &mut Call<'_, '_>, (owner, kind): (Uuid, Kind)) -> Result<Uuid, Error> {
    call.who.require(Permission::Kind(Kind::Entitlement, Action::Create))?;
    let free = |call: &Call<'_, '_>, id: Uuid| match id.is_nil() || call.tx.graph().find(id).is_some() {
        true => Err(Error::from(OperationError::at("to", Fault::IdNotUsable(id)))),
        false => Ok(()),
    };
    if let Some(id) = call.arguments.id("to") {
        free(call, id)?;
        homes::create(call.tx, id, owner, kind, Fields::default())?;
        return Ok(id);
    }
    let not_made = || Error::from(OperationError::at("to", Fault::NotMadeFromSelector));
    let selector = call.arguments.selector("to").ok_or_else(not_made)?;
    let part = match (selector.steps.last(), &selector.head) {
        (Some(step), _) => &step.object,
        (None, Head::Object(part)) => part,
        _ => return Err(not_made()),
    };
    let mut id = None;
    let mut fields = Fields::default();
    let mut waiting: Vec<&Predicate> = part.predicates.iter().collect();
    while let Some(predicate) = waiting.pop() {
        let comparison = match predicate {
            Predicate::And(all) => {
                waiting.extend(all);
                continue;
            }
            Predicate::Compare(comparison) if comparison.operator == Operator::Equal => comparison,
            _ => return Err(not_made()),
        };
        let value = &comparison.value.value;
        match Kind::Entitlement.resolve(&comparison.field.text).ok_or_else(not_made)? {
            Field::Id => {
                let text = match value {
                    LiteralValue::Text(text) => Uuid::try_parse(text).ok(),
                    _ => None,
                };
                id = Some(text.ok_or_else(not_made)?);
            }
            Field::Own(field) => {
                let field_type = Field::Own(field).field_type(Kind::Entitlement);
                fields = fields.with(field, field_value(value, field_type).ok_or_else(not_made)?);
            }
            // Whose it is is copied from the licenses; a condition on it must agree, which is looked at below.
            Field::Parent(_) => {}
            Field::Serial | Field::Created | Field::Updated => return Err(not_made()),
        }
    }
    let id = id.unwrap_or_else(|| call.tx.new_id());
    free(call, id)?;
    homes::create(call.tx, id, owner, kind, fields)?;
    let who = call.who.with([Permission::Kind(Kind::Entitlement, Action::Read)]);
    let view = View::new(call.tx.graph(), &who);
    match sought::fits(selector, id, &view, call.limits).map_err(|error| about_to(call, error))? {
        true => Ok(id),
        false => Err(not_made()),
    }
}

/// `Some(None)` for null.
fn field_value(literal: &LiteralValue, field_type: FieldType) -> Option<Option<Value>> {
    let value = match (literal, field_type) {
        (LiteralValue::Null, _) => return Some(None),
        (LiteralValue::Text(text), FieldType::Text | FieldType::Json) => Value::Text(text.clone()),
        (LiteralValue::Bool(flag), FieldType::Bool) => Value::Bool(*flag),
        (LiteralValue::Text(text), FieldType::Bool) => Value::Bool(text.parse().ok()?),
        (LiteralValue::Text(text), FieldType::Time) => Value::Time(Time::parse(text)?),
        (LiteralValue::Text(text), FieldType::Uuid) => Value::Uuid(Uuid::try_parse(text).ok()?),
        (LiteralValue::Number(text) | LiteralValue::Text(text), FieldType::Int) => Value::Int(text.parse().ok()?),
        _ => return None,
    };
    Some(Some(value))
}
