//! Small things to do to a graph, as data: a random history is a list of them. Each finds what it works on in the graph it meets,
//! so that any list makes sense.

use seatgraph::engine::Reply;
use seatgraph::graph::{Graph, Kept, Node, Transaction, Violation};
use seatgraph::model::schema::find_relation;
use seatgraph::model::{Fields, Kind, Rel, RelationType, Value};

#[derive(Clone, Debug)]
pub enum Act {
    CreateOrganization(u8),
    /// With its owner, in one.
    CreateGroup(u8),
    CreateProfile(u8),
    /// `name` is unique: often a violation.
    CreateItem(u8),
    /// A group without its owner: a violation found at the end only.
    Orphan,
    Rename(u8, u8),
    RemoveOrganization(u8),
    RemoveProfile(u8),
    Join(u8, u8),
    Leave(u8, u8),
    /// Several changes, then a savepoint rolled back.
    Several(u8),
    /// Changes much, then refuses.
    Refuse(u8),
    /// Changes much, then panics.
    Panic(u8),
    Nothing,
}

/// Why an act did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum No {
    #[error("refused")]
    Refused,
    #[error(transparent)]
    Violation(#[from] Violation),
}

pub fn relation(relation_type: RelationType, from: Kind, to: Kind) -> Rel {
    find_relation(relation_type, from, to).expect("the schema has it")
}

pub fn name(text: &str) -> Fields {
    [(0, Value::text(text))].into_iter().collect()
}

fn nth(graph: &Graph, kind: Kind, n: u8) -> Option<Node<'_>> {
    let count = graph.kind_count(kind);
    if count == 0 {
        None
    } else {
        graph.of_kind(kind, None).nth(n as usize % count)
    }
}

/// The answer tells what the closure saw: whether it changed anything, and how much there was.
pub fn perform(act: &Act, transaction: &mut Transaction<'_>) -> Result<Reply, No> {
    change(act, transaction)?;
    let seen = format!("{} {}", transaction.graph().len(), transaction.graph().relation_count());
    let status = if transaction.changes().is_empty() { 204 } else { 200 };
    Ok(Reply {
        status,
        body: seen.into_bytes().into(),
    })
}

fn change(act: &Act, transaction: &mut Transaction<'_>) -> Result<(), No> {
    let id_of = |transaction: &Transaction<'_>, kind, n| nth(transaction.graph(), kind, n).map(|node| node.id);
    let membership = relation(RelationType::Membership, Kind::Profile, Kind::ProfileGroup);
    let owner = relation(RelationType::OneToMany, Kind::Organization, Kind::ProfileGroup);
    match *act {
        Act::CreateOrganization(n) => {
            let id = transaction.new_id();
            transaction.create(
                id,
                Kind::Organization,
                name(&format!("organization {n}")),
                Kept::default(),
            )?;
        }
        Act::CreateGroup(n) => {
            if let Some(organization) = id_of(transaction, Kind::Organization, n) {
                let id = transaction.new_id();
                transaction.create(id, Kind::ProfileGroup, name(&format!("group {n}")), Kept::default())?;
                transaction.relate(owner, organization, id, Fields::default())?;
            }
        }
        Act::CreateProfile(n) => {
            let id = transaction.new_id();
            transaction.create(id, Kind::Profile, name(&format!("profile {n}")), Kept::default())?;
        }
        Act::CreateItem(n) => {
            let id = transaction.new_id();
            transaction.create(
                id,
                Kind::LicensedItem,
                name(&format!("item {}", n % 8)),
                Kept::default(),
            )?;
        }
        Act::Orphan => {
            let id = transaction.new_id();
            transaction.create(id, Kind::ProfileGroup, name("orphan"), Kept::default())?;
        }
        Act::Rename(n, to) => {
            if let Some(id) = id_of(transaction, Kind::Organization, n) {
                transaction.update(id, name(&format!("renamed {}", to % 4)))?;
            }
        }
        Act::RemoveOrganization(n) => {
            if let Some(id) = id_of(transaction, Kind::Organization, n) {
                transaction.remove_cascading(id)?;
            }
        }
        Act::RemoveProfile(n) => {
            if let Some(id) = id_of(transaction, Kind::Profile, n) {
                transaction.remove_cascading(id)?;
            }
        }
        Act::Join(profile, group) => {
            let ends = (
                id_of(transaction, Kind::Profile, profile),
                id_of(transaction, Kind::ProfileGroup, group),
            );
            if let (Some(profile), Some(group)) = ends {
                transaction.relate(membership, profile, group, Fields::default())?;
            }
        }
        Act::Leave(profile, group) => {
            let ends = (
                id_of(transaction, Kind::Profile, profile),
                id_of(transaction, Kind::ProfileGroup, group),
            );
            if let (Some(profile), Some(group)) = ends {
                transaction.unrelate(membership, profile, group)?;
            }
        }
        Act::Several(n) => {
            for act in [Act::CreateProfile(n), Act::Rename(n, n)] {
                change(&act, transaction)?;
            }
            let savepoint = transaction.savepoint();
            for act in [
                Act::RemoveOrganization(n),
                Act::CreateOrganization(n),
                Act::CreateGroup(n),
            ] {
                change(&act, transaction)?;
            }
            transaction.rollback_to(savepoint);
        }
        Act::Refuse(n) => {
            for act in [Act::CreateProfile(n), Act::RemoveOrganization(n)] {
                change(&act, transaction)?;
            }
            return Err(No::Refused);
        }
        Act::Panic(n) => {
            for act in [Act::CreateProfile(n), Act::RemoveOrganization(n)] {
                change(&act, transaction)?;
            }
            // As a panic, without its message on standard error.
            std::panic::resume_unwind(Box::new("a fault in an operation"));
        }
        Act::Nothing => {}
    }
    Ok(())
}
