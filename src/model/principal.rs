//! Who did it, as a commit remembers it. What they may do is for `access`.

use uuid::Uuid;

/// The identity behind a write. Neither part is set for what the server does by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Principal {
    pub token: Option<Uuid>,
    pub profile: Option<Uuid>,
}
