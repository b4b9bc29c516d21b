//! Lines of an export: the import's own format with plain `referenceFields`, so that exporting, importing and exporting
//! again gives the same bytes. Secrets, tokens and keys are not exported.

use std::sync::LazyLock;

use crate::graph::Node;
use crate::model::{Kind, Relation, RelationType};

use super::{names, text, write};

/// The kinds in an order in which parents come before their children, whenever they were created.
pub fn export_order() -> &'static [Kind] {
    static ORDER: LazyLock<Vec<Kind>> = LazyLock::new(|| {
        let mut ordered: Vec<Kind> = Vec::new();
        while let Some(next) = Kind::public()
            .find(|kind| !ordered.contains(kind) && kind.parents().iter().all(|rel| ordered.contains(&rel.def().from)))
        {
            ordered.push(next);
        }
        ordered
    });
    &ORDER
}

/// One-to-many relations travel in their child's references.
pub fn is_exported(relation: &Relation) -> bool {
    relation.rel.def().relation_type != RelationType::OneToMany
}

/// One line, its end included.
pub fn export_entity(out: &mut Vec<u8>, node: Node<'_>) {
    write::plain(out, node.entity());
    let mut any = false;
    for parent in &names::kind(node.kind).parents {
        if let Some(to) = node.parent(parent.rel) {
            out.extend_from_slice(if any { b"," } else { b",\"referenceFields\":{" });
            any = true;
            out.extend_from_slice(&parent.plain);
            text::uuid(out, to.id);
        }
    }
    out.extend_from_slice(if any { b"}}\n" } else { b"}\n" });
}

/// One line, its end included.
pub fn export_relation(out: &mut Vec<u8>, relation: &Relation) {
    let names = names::rel(relation.rel);
    out.push(b'{');
    out.extend_from_slice(&names.line);
    out.extend_from_slice(b",\"referenceFields\":{");
    out.extend_from_slice(&names.end_plain.0);
    text::uuid(out, relation.from.id);
    out.push(b',');
    out.extend_from_slice(&names.end_plain.1);
    text::uuid(out, relation.to.id);
    out.push(b'}');
    write::fields(out, &relation.fields, &names.own);
    out.extend_from_slice(b"}\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_public_kind_is_exported_after_its_parents() {
        let order = export_order();
        assert_eq!(order.len(), Kind::public().count());
        for (place, kind) in order.iter().enumerate() {
            for rel in kind.parents() {
                let parent = order.iter().position(|other| *other == rel.def().from);
                assert!(
                    parent.is_some_and(|parent| parent < place),
                    "{} before {}",
                    kind.name(),
                    rel.def().from.name()
                );
            }
        }
    }
}
