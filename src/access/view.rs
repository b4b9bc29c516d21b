//! The graph as one principal may see it. `query` accepts nothing else, so what is hidden is nowhere: not in answers,
//! counts, pages, predicates or includes.

use uuid::Uuid;

use super::below::Below;
use super::policy::{self, Place};
use super::{Action, Denied, Permission, Who};
use crate::graph::{Graph, Node};
use crate::model::schema::Hop;
use crate::model::{Kind, Rel, rel};
use crate::mutant::mutant;

pub struct View<'g> {
    graph: &'g Graph,
    who: &'g Who,
    reach: Reach<'g>,
    /// The caller's profile: what is personal to it is read without a permission, within the reach.
    own: Option<Node<'g>>,
}

#[derive(Clone, Copy)]
enum Reach<'g> {
    Everything,
    /// Of a bound token.
    Organization(Node<'g>),
    /// Of a token bound to what is not there (any more).
    Nothing,
}

impl<'g> View<'g> {
    pub fn new(graph: &'g Graph, who: &'g Who) -> Self {
        let find = |id: Uuid, kind: Kind| graph.find(id).filter(|node| node.kind == kind);
        let reach = match who.organization {
            None => Reach::Everything,
            Some(id) => find(id, Kind::Organization).map_or(Reach::Nothing, Reach::Organization),
        };
        let own = who.principal.profile.and_then(|id| find(id, Kind::Profile));
        Self { graph, who, reach, own }
    }

    pub fn graph(&self) -> &'g Graph {
        self.graph
    }

    pub fn who(&self) -> &'g Who {
        self.who
    }

    /// Every entity of the kind is visible: counts need not look at each.
    pub fn sees_all(&self, kind: Kind) -> bool {
        self.reads(kind)
            && match self.reach {
                Reach::Everything => true,
                Reach::Organization(_) => policy::is_catalogue(kind),
                Reach::Nothing => false,
            }
    }

    /// No entity of the kind can be visible.
    pub fn sees_none(&self, kind: Kind) -> bool {
        let granted = self.reads(kind) || self.own.is_some() && policy::is_personal(kind);
        !granted || matches!(self.reach, Reach::Nothing)
    }

    pub fn sees(&self, node: Node<'g>) -> bool {
        if self.sees_all(node.kind) {
            return true;
        }
        let granted = self.reads(node.kind) || self.own.is_some_and(|profile| policy::own(node, profile));
        granted && self.place(node) != Place::Elsewhere
    }

    /// Where everything visible of a kind is, for a caller who does not see all of it.
    pub fn below(&self, kind: Kind) -> Below<'g> {
        let organization = match self.reach {
            Reach::Organization(organization) if self.reads(kind) => Some(organization),
            _ => None,
        };
        Below::new(self.graph, organization, self.own, kind)
    }

    pub fn find(&self, id: Uuid) -> Option<Node<'g>> {
        self.graph.find(id).filter(|node| self.sees(*node))
    }

    /// May relations of this row be followed? Both ends are still checked one by one.
    pub fn sees_relation(&self, rel: Rel) -> bool {
        !self.sees_none(rel.def().from) && !self.sees_none(rel.def().to)
    }

    pub fn may(&self, permission: Permission) -> bool {
        self.who.may(permission)
    }

    /// Writes: the permission and the reach. Reading is not asked for: who may update a kind knows of it.
    pub fn may_touch(&self, node: Node<'g>, action: Action) -> Result<(), Denied> {
        self.who.require(Permission::Kind(node.kind, action))?;
        self.owns(node)
    }

    /// Whatever the permissions: is it within the reach of the token, to read or to change?
    pub fn reaches(&self, node: Node<'g>) -> bool {
        self.place(node) != Place::Elsewhere
    }

    /// Whatever the permissions: is it the caller's to change? To an unbound token all but the internal is.
    pub fn owns(&self, node: Node<'g>) -> Result<(), Denied> {
        match self.place(node) {
            Place::Own => Ok(()),
            Place::Elsewhere => Err(Denied::OutOfReach(node.id)),
            Place::Shared | Place::Catalogue => Err(Denied::ReadOnly(node.id)),
        }
    }

    /// It may go with all that goes with it. A bound token takes nothing along that is not its own: a profile has licenses of
    /// its own, and seats on those of other organizations. What a direct record allocates is taken back with it.
    pub fn owns_cascade(&self, node: Node<'g>) -> Result<(), Denied> {
        let taken_back = || node.hop(Hop::forward(rel::ALLOCATED), None).map(|(going, _)| going);
        let all_own = || {
            let mut going = self.graph.cascade(node.id).chain(taken_back());
            going.all(|going| self.owns(going).is_ok())
        };
        match self.who.organization {
            Some(_) if !all_own() => Err(Denied::TakesAlong(node.id)),
            _ => Ok(()),
        }
    }

    /// Everything is an unbound token's own, but for what is nobody's.
    fn place(&self, node: Node<'g>) -> Place {
        match self.reach {
            _ if node.kind.def().internal => Place::Elsewhere,
            Reach::Everything => Place::Own,
            _ if mutant("reach-everything") => Place::Own,
            Reach::Organization(organization) => policy::place(node, organization),
            Reach::Nothing => Place::Elsewhere,
        }
    }

    fn reads(&self, kind: Kind) -> bool {
        self.who.permissions.contains_one(Permission::Kind(kind, Action::Read))
    }
}
