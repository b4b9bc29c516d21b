//! Entities to JSON, by hand into the answer's buffer: no tree is built on this path. What the view hides is left out,
//! secrets always are, and what is written can be sent back as it is (`graph-api.md` 2.2).

use uuid::Uuid;

use crate::access::View;
use crate::graph::Node;
use crate::model::schema::Hop;
use crate::model::{Direction, Entity, Rel, Values};

use super::names::{self, OwnField};
use super::text;

/// The top-level objects of a list, separated by commas, without includes.
pub fn entities<'g>(out: &mut Vec<u8>, nodes: impl IntoIterator<Item = Node<'g>>, view: &View<'g>) {
    for (index, node) in nodes.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        members(out, node, view);
        out.push(b'}');
    }
}

/// Everything of an object but its includes, and not its closing brace.
pub(super) fn members<'g>(out: &mut Vec<u8>, node: Node<'g>, view: &View<'g>) {
    plain(out, node.entity());
    references(out, node, view);
}

/// `{"__objType":…,"id":…,"serial":…,"created":…,"updated":…` and the fields that are set, in the schema's order.
pub(super) fn plain(out: &mut Vec<u8>, entity: &Entity) {
    let names = names::kind(entity.kind);
    out.extend_from_slice(&names.open);
    text::uuid(out, entity.id);
    out.extend_from_slice(b",\"serial\":");
    text::unsigned(out, entity.serial);
    out.extend_from_slice(b",\"created\":");
    let created = out.len();
    text::time(out, entity.created);
    let written = created..out.len();
    out.extend_from_slice(b",\"updated\":");
    if entity.updated == entity.created {
        out.extend_from_within(written);
    } else {
        text::time(out, entity.updated);
    }
    fields(out, entity.fields(), &names.own);
}

/// `,"name":…` for each that is set and no secret.
pub(super) fn fields(out: &mut Vec<u8>, fields: Values<'_>, names: &[OwnField]) {
    for (index, value) in fields.iter() {
        let name = &names[usize::from(index)];
        if !name.secret {
            out.extend_from_slice(&name.open);
            text::value(out, value, name.field_type);
        }
    }
}

/// The visible parents; no member at all where there are none.
fn references<'g>(out: &mut Vec<u8>, node: Node<'g>, view: &View<'g>) {
    let mut any = false;
    let parents = node.parents();
    for parent in &names::kind(node.kind).parents {
        let to = parents.iter().find(|(rel, _)| *rel == parent.rel).map(|(_, to)| *to);
        let Some(to) = to.filter(|to| view.sees(*to)) else {
            continue;
        };
        out.extend_from_slice(if any { b"," } else { OPEN_REFERENCES });
        any = true;
        reference(out, &parent.entry, to.id);
    }
    if any {
        out.extend_from_slice(b"]}");
    }
}

const OPEN_REFERENCES: &[u8] = b",\"referenceFields\":{\"__objType\":\"HashMap\",\"Entries\":[";

fn reference(out: &mut Vec<u8>, entry: &[u8], id: Uuid) {
    out.extend_from_slice(entry);
    text::uuid(out, id);
    out.extend_from_slice(b"}}");
}

/// Whether objects listed by a relation carry a `relationAttributeObject`: where it says what the list does not, its own
/// fields, or which end of a self-relation is which.
fn has_attributes(rel: Rel) -> bool {
    let def = rel.def();
    def.relation_type.is_named() && (!def.fields.is_empty() || def.from == def.to)
}

/// The relation object by which `inner` hangs on `outer`.
pub(super) fn attributes(out: &mut Vec<u8>, hop: Hop, outer: Uuid, inner: Uuid, own: Values<'_>) {
    if !has_attributes(hop.rel) {
        return;
    }
    let names = names::rel(hop.rel);
    let (from, to) = match hop.direction {
        Direction::Forward => (outer, inner),
        Direction::Backward => (inner, outer),
    };
    out.extend_from_slice(&names.attributes);
    fields(out, own, &names.own);
    out.extend_from_slice(OPEN_REFERENCES);
    reference(out, &names.end_entries.0, from);
    out.push(b',');
    reference(out, &names.end_entries.1, to);
    out.extend_from_slice(b"]}}");
}

/// A row of a named query: the entities it joins, each member by its kind and field (`Profile_displayName`).
pub fn flat_row<'g>(out: &mut Vec<u8>, nodes: &[Node<'g>], view: &View<'g>) {
    out.push(b'{');
    let mut any = false;
    for node in nodes.iter().filter(|node| view.sees(**node)) {
        let names = names::kind(node.kind);
        let mut name = |out: &mut Vec<u8>, member: &[u8]| {
            if any {
                out.push(b',');
            }
            any = true;
            out.push(b'"');
            out.extend_from_slice(node.kind.name().as_bytes());
            out.push(b'_');
            out.extend_from_slice(member);
        };
        name(out, b"id\":");
        text::uuid(out, node.id);
        for (index, value) in node.fields().iter() {
            let own = &names.own[usize::from(index)];
            if !own.secret {
                // `,"displayName":` without its comma and first quote.
                name(out, &own.open[2..]);
                text::value(out, value, own.field_type);
            }
        }
    }
    out.push(b'}');
}
