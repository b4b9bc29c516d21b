//! Objects with related ones nested in them, as includes ask (`graph-api.md` 1.5 and 2.2): what is read this way can be
//! changed and sent back.

use crate::access::View;
use crate::graph::Node;
use crate::query::{self, Budget, IncludeTree, QueryError};

use super::names;
use super::write::{attributes, members};

/// One object, closed, with its includes.
///
/// # Errors
/// The budget of the query is spent.
pub fn entity<'g>(
    out: &mut Vec<u8>,
    node: Node<'g>,
    view: &View<'g>,
    tree: &IncludeTree,
    budget: &mut Budget,
) -> Result<(), QueryError> {
    members(out, node, view);
    nested(out, node, view, tree, budget)?;
    out.push(b'}');
    budget.answered(out.len())
}

/// `,"rel_Relations":[…]`, an entry for each include, in their order; as deep as includes go, which is bounded.
fn nested<'g>(
    out: &mut Vec<u8>,
    node: Node<'g>,
    view: &View<'g>,
    tree: &IncludeTree,
    budget: &mut Budget,
) -> Result<(), QueryError> {
    let mut open: &[u8] = b",\"rel_Relations\":[";
    for include in tree.children() {
        out.extend_from_slice(open);
        open = b",";
        out.extend_from_slice(names::rel(include.hop.rel).list(include.hop.direction));
        for (index, (other, fields)) in query::related(node, include, view, budget)?.into_iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            members(out, other, view);
            attributes(out, include.hop, node.id, other.id, fields);
            nested(out, other, view, &include.tree, budget)?;
            out.push(b'}');
            budget.answered(out.len())?;
        }
        out.extend_from_slice(b"]}}");
    }
    if !tree.is_empty() {
        out.push(b']');
    }
    Ok(())
}
