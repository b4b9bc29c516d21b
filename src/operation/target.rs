//! What an operation is about: the objects its ids and selectors name, within the reach of the caller. A hidden one is
//! answered like one that does not exist.
//!
//! An id needs no permission to read: the operation's own is asked for instead. A selector that compares fields does, or
//! conditions would tell what may not be read.

use uuid::Uuid;

use super::Call;
use super::refusal::{Fault, OperationError};
use crate::access::{Denied, View, Who};
use crate::error::Error;
use crate::graph::{Graph, Node};
use crate::limits::Limits;
use crate::model::Kind;
use crate::model::value::hyphenated;
use crate::query::{self, Budget};
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
    let found = matches(call, selector, kind)?;
    if found.is_empty() {
        return Err(Fault::TargetNotFound { kind, id: None }.into());
    }
    Ok(found)
}

/// What a selector matches, at most `limits.targets`; every match, so without `{…}`.
pub(super) fn matches(call: &Call<'_, '_>, selector: &Selector, kind: Kind) -> Result<Vec<Uuid>, Error> {
    found(&View::new(call.tx.graph(), call.who), selector, kind, call.limits)
}

/// The same, of a snapshot too.
pub(super) fn found(view: &View<'_>, selector: &Selector, kind: Kind, limits: &Limits) -> Result<Vec<Uuid>, Error> {
    if !selector.params.ask_nothing() {
        return Err(Fault::ParamsNotAllowed.into());
    }
    if let Some(id) = by_id(selector) {
        let node = view.graph().find(id).filter(|node| node.kind == kind);
        let reached = node.filter(|node| view.reaches(*node));
        return Ok(reached.map(|node| node.id).into_iter().collect());
    }
    let plan = query::plan(selector, view, limits)?;
    let found = query::all(&plan, view, &mut Budget::new(limits), limits.targets)?;
    Ok(found
        .iter()
        .filter(|node| node.kind == kind)
        .map(|node| node.id)
        .collect())
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
