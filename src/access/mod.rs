//! May this one do it? Tokens, permissions and the graph as one principal may see it. Knows no HTTP and no selectors.

pub mod below;
pub mod permission;
pub mod policy;
pub mod throttle;
pub mod token;
pub mod view;
mod whose;

#[cfg(test)]
mod tests;

pub use permission::{Action, Permission, PermissionError, Permissions};
pub use token::{AdminToken, AuthError, authenticate};
pub use view::View;
pub use whose::{hides, owner, whose};

use uuid::Uuid;

use crate::model::{Kind, Principal};
use crate::mutant::mutant;

/// Who asks, and what they may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    pub principal: Principal,
    /// The organization the token is bound to.
    pub organization: Option<Uuid>,
    pub permissions: Permissions,
}

impl Who {
    /// The server itself, and the administrator where no token is needed (a database opened by the command line).
    pub fn server() -> Self {
        Self {
            principal: Principal::default(),
            organization: None,
            permissions: Permissions::ALL,
        }
    }

    /// Nobody: a caller without a token, where one is let in.
    pub fn anonymous() -> Self {
        Self {
            principal: Principal::default(),
            organization: None,
            permissions: Permissions::NONE,
        }
    }

    /// The same caller with these permissions too, for the steps of an operation it may do as a whole. The reach stays.
    #[must_use]
    pub fn with(&self, permissions: impl IntoIterator<Item = Permission>) -> Self {
        let more: Permissions = permissions.into_iter().collect();
        Self {
            permissions: self.permissions.union(more),
            ..self.clone()
        }
    }

    /// What concerns the whole server is never for a token that is bound to one organization.
    pub fn may(&self, permission: Permission) -> bool {
        let held = self.permissions.contains_one(permission) || mutant("permit-everything");
        held && (self.organization.is_none() || !permission.concerns_server())
    }

    /// Whether all or nothing of each kind is visible, whoever owns it: by a [`View`] of any graph.
    pub fn sees_by_kind(&self) -> bool {
        let reads_all =
            || Kind::public().all(|kind| self.permissions.contains_one(Permission::Kind(kind, Action::Read)));
        self.organization.is_none() && (self.principal.profile.is_none() || reads_all())
    }

    pub fn require(&self, permission: Permission) -> Result<(), Denied> {
        if self.may(permission) {
            Ok(())
        } else {
            Err(Denied::Permission(permission.to_string()))
        }
    }

    /// The same for what is never for a token that is bound to one organization.
    pub fn require_unbound(&self, permission: Permission) -> Result<(), Denied> {
        if self.organization.is_none() && self.permissions.contains_one(permission) {
            Ok(())
        } else {
            Err(Denied::Unbound(permission))
        }
    }
}

/// Why access says no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("the permission `{0}` is needed")]
    Permission(String),
    #[error("this needs the permission `{0}` in a token that is bound to no organization")]
    Unbound(Permission),
    /// One for one's own leases, the other for anybody's.
    #[error("the permission `License.consume` or `Consumption.delete` is needed")]
    GiveBack,
    /// Looks like a missing entity to the caller.
    #[error("out of reach")]
    OutOfReach(Uuid),
    /// Visible to a bound token, and not its organization's own: the catalogue, or a profile shared with others.
    #[error("`{0}` may be read, but not changed, by a token bound to an organization")]
    ReadOnly(Uuid),
    /// Its own, but not all that would go with it. What that is may be hidden.
    #[error("with `{0}` something would go that is not the own of the organization the token is bound to")]
    TakesAlong(Uuid),
}
