//! Lines of an export: the import's own format with plain `referenceFields`, so that exporting, importing and exporting
//! again gives the same bytes. Secrets, tokens and keys are not exported.

use std::sync::LazyLock;

use crate::model::{End, Entity, Kind, Rel, Relation, RelationType, schema};

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

/// The relations that are lines of their own, in the schema's order: one-to-many ones travel in their child's references.
pub fn export_relations() -> &'static [Rel] {
    static RELATIONS: LazyLock<Vec<Rel>> = LazyLock::new(|| {
        let own = |rel: &Rel| rel.def().relation_type != RelationType::OneToMany;
        schema::relations().filter(own).collect()
    });
    &RELATIONS
}

/// One line, its end included. Its parents may come in any order.
pub fn export_entity(out: &mut Vec<u8>, entity: &Entity, parents: &[(Rel, End)]) {
    write::plain(out, entity);
    let mut any = false;
    for parent in &names::kind(entity.kind).parents {
        if let Some((_, to)) = parents.iter().find(|(rel, _)| *rel == parent.rel) {
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
    write::fields(out, relation.fields.values(), &names.own);
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
