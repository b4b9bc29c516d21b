//! Changes as a dry run and the audit show them (design 16): before and after, for an update only what differs, secrets
//! never.

use crate::model::{Change, Entity, Relation, Values};

use super::names::{self, OwnField};
use super::text;

/// One of them, whoever asks: which of them somebody may see was decided before.
pub fn change(out: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Entity { before, after } => entity(out, before.as_ref(), after.as_ref()),
        Change::Relation { before, after } => relation(out, before.as_deref(), after.as_deref()),
    }
}

fn entity(out: &mut Vec<u8>, before: Option<&Entity>, after: Option<&Entity>) {
    let Some(one) = after.or(before) else { return };
    open(out, before.is_some(), after.is_some());
    out.extend_from_slice(b"\"__objType\":");
    text::string(out, one.kind.name());
    out.extend_from_slice(b",\"id\":");
    text::uuid(out, one.id);
    sides(
        out,
        before.map(|entity| entity.fields()),
        after.map(|entity| entity.fields()),
        &names::kind(one.kind).own,
    );
}

/// Known by its ends, which stand beside `before` and `after` as `id` does for an entity.
fn relation(out: &mut Vec<u8>, before: Option<&Relation>, after: Option<&Relation>) {
    let Some(one) = after.or(before) else { return };
    let names = names::rel(one.rel);
    open(out, before.is_some(), after.is_some());
    out.extend_from_slice(&names.line);
    out.extend_from_slice(b",\"referenceFields\":{");
    out.extend_from_slice(&names.end_plain.0);
    text::uuid(out, one.from.id);
    out.push(b',');
    out.extend_from_slice(&names.end_plain.1);
    text::uuid(out, one.to.id);
    out.push(b'}');
    sides(
        out,
        before.map(|relation| relation.fields.values()),
        after.map(|relation| relation.fields.values()),
        &names.own,
    );
}

fn open(out: &mut Vec<u8>, before: bool, after: bool) {
    let change = match (before, after) {
        (false, _) => "created",
        (true, true) => "updated",
        (true, false) => "removed",
    };
    out.extend_from_slice(b"{\"change\":\"");
    out.extend_from_slice(change.as_bytes());
    out.extend_from_slice(b"\",");
}

/// A field that was or becomes unset is left out on that side.
fn sides(out: &mut Vec<u8>, before: Option<Values<'_>>, after: Option<Values<'_>>, names: &[OwnField]) {
    for (name, side, other) in [("before", before, after), ("after", after, before)] {
        let Some(side) = side else { continue };
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":{");
        let mut any = false;
        for (index, value) in side.iter() {
            let own = &names[usize::from(index)];
            if own.secret || other.is_some_and(|other| other.get(index) == Some(value)) {
                continue;
            }
            // `,"name":`, the first without its comma.
            out.extend_from_slice(if any { &own.open } else { &own.open[1..] });
            any = true;
            text::value(out, value, own.field_type);
        }
        out.push(b'}');
    }
    out.push(b'}');
}
