//! May this one do it? Tokens, permissions and the graph as one principal may see it. Knows no HTTP and no selectors.
use uuid::Uuid;
use crate::graph::{Graph, Node};
use crate::model::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action { Read, Create, Update, Delete }

/// Something a permission names: `<Resource>.<action>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    Kind(Kind, Action),
    /// A named relation: `Membership.create`.
    Relation(RelationType, Action),
    LicenseConsume, LicenseCheck, LicenseImpersonate, AuditRead, EventRead, TokenManage,
    ServerExplain, ServerImport, ServerExport, ServerBackup,
}

/// A set of permissions; `*` on either side is expanded when parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions { /* bit sets */ }

/// Who asks, and what they may.
#[derive(Clone, Debug)]
pub struct Who {
    pub principal: Principal,
    /// The organization the token is bound to.
    pub organization: Option<Uuid>,
    pub permissions: Permissions,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("the permission `{0}` is needed")] Permission(String),
    /// Looks like a missing entity to the caller.
    #[error("out of reach")] OutOfReach(Uuid),
}

/// The graph as one principal may see it. `query` accepts nothing else.
pub struct View<'g> { graph: &'g Graph, who: &'g Who }

impl<'g> View<'g> {
    pub fn new(graph: &'g Graph, who: &'g Who) -> Self { Self { graph, who } }
    pub fn graph(&self) -> &'g Graph { self.graph }
    pub fn who(&self) -> &'g Who { self.who }
    pub fn now(&self) -> Time { todo!() }
    /// Every entity of the kind is visible: counts need not look at each.
    pub fn sees_all(&self, kind: Kind) -> bool { todo!() }
    /// No entity of the kind can be visible.
    pub fn sees_none(&self, kind: Kind) -> bool { todo!() }
    pub fn sees(&self, node: Node<'g>) -> bool { todo!() }
    pub fn find(&self, id: Uuid) -> Option<Node<'g>> { self.graph.find(id).filter(|node| self.sees(*node)) }
    /// May relations of this row be followed (both ends are still checked one by one).
    pub fn sees_relation(&self, rel: Rel) -> bool { todo!() }
    pub fn may(&self, permission: Permission) -> bool { todo!() }
    /// Writes: the permission and the reach.
    pub fn may_touch(&self, node: Node<'g>, action: Action) -> Result<(), Denied> { todo!() }
}
