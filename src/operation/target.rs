//! What an operation is about: the objects its ids and selectors name, within the reach of the caller. A hidden one is
//! answered like one that does not exist.
//!
//! An id needs no permission to read: the operation's own is asked for instead. A selector that compares fields does, or
//! conditions would tell what may not be read.

use uuid::Uuid;

use super::refusal::{Fault, OperationError};
use super::{Call, sought};
use crate::access::{Denied, View, Who};
use crate::error::Error;
use crate::graph::{Graph, Node};
use crate::limits::Limits;
use crate::model::Kind;
use crate::model::value::hyphenated;
use crate::query;
use crate::selector::ast::{Head, LiteralValue, Operator, Predicate, Selector};

/// Something of this kind within reach, named by a parameter.
pub(super) fn reached<'g>(
    graph: &'g Graph,
    who: &Who,
    kind: Kind,
    id: Uuid,
    parameter: &'static str,
) -> Result<Node<'g>, OperationError> {
    let node = graph.find(id).filter(|node| node.kind == kind);
    let view = View::new(graph, who);
    match node.filter(|node| view.reaches(*node)) {
        Some(node) => Ok(node),
        None => Err(OperationError::at(
            parameter,
            Fault::TargetNotFound { kind, id: Some(id) },
        )),
    }
}

/// The same, and the caller's to change.
pub(super) fn owned<'g>(
    graph: &'g Graph,
    who: &Who,
    kind: Kind,
    id: Uuid,
    parameter: &'static str,
) -> Result<Node<'g>, Error> {
    let node = reached(graph, who, kind, id, parameter)?;
    View::new(graph, who).owns(node)?;
    Ok(node)
}

/// Every match of the selector in the path: at least one.
pub(super) fn selected(call: &Call<'_, '_>, kind: Kind) -> Result<Vec<Uuid>, Error> {
    let Some(selector) = call.selector else {
        return Err(Fault::SelectorMissing(kind.name().to_owned()).into());
    };
    let found = matches(call, selector)?;
    if found.is_empty() {
        return Err(Fault::TargetNotFound { kind, id: None }.into());
    }
    Ok(found)
}

/// What a selector matches, at most `limits.targets`; every match, so without `{…}`.
pub(super) fn matches(call: &Call<'_, '_>, selector: &Selector) -> Result<Vec<Uuid>, Error> {
    whole(selector)?;
    let view = View::new(call.tx.graph(), call.who);
    let plan = query::plan(selector, &view, call.limits)?;
    call.sought.matches(selector, &plan, &view, call.limits)
}

/// The same, of a snapshot.
pub(super) fn found(view: &View<'_>, selector: &Selector, limits: &Limits) -> Result<Vec<Uuid>, Error> {
    whole(selector)?;
    sought::matches(selector, view, limits)
}

fn whole(selector: &Selector) -> Result<(), Error> {
    match selector.params.ask_nothing() {
        true => Ok(()),
        false => Err(Fault::ParamsNotAllowed.into()),
    }
}

/// `/License[@id='…']` and nothing else.
pub(super) fn by_id(selector: &Selector) -> Option<Uuid> {
    let Head::Object(part) = &selector.head else {
        return None;
    };
    let [Predicate::Compare(comparison)] = part.predicates.as_slice() else {
        return None;
    };
    let is_plain = selector.steps.is_empty() && part.collection.is_none();
    match &comparison.value.value {
        LiteralValue::Text(text)
            if is_plain
                && comparison.field.text == "id"
                && comparison.operator == Operator::Equal
                && Kind::named(&part.name.text).is_some() =>
        {
            hyphenated(text)
        }
        _ => None,
    }
}

/// A visible one that is not the caller's to change is read-only, whatever the operation.
pub(super) fn mine(call: &Call<'_, '_>, ids: &[Uuid]) -> Result<(), Error> {
    let view = View::new(call.tx.graph(), call.who);
    for id in ids {
        let node = call.tx.graph().find(*id).ok_or(Denied::OutOfReach(*id))?;
        view.owns(node)?;
    }
    Ok(())
}
