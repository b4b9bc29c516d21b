//! What a look that follows no selector may go through: `limits.visited`, as a query may.

use crate::limits::{Limit, Limits};

/// Counts what is looked at.
pub(super) struct Visits {
    pub left: u64,
    most: Limit,
}

/// There is more than may be looked at. How that is said is for whoever looked.
pub(super) struct TooMany(pub Limit);

impl Visits {
    pub fn new(limits: &Limits) -> Self {
        let most = limits.visited();
        Self { left: most.value, most }
    }

    pub fn take(&mut self, visits: usize) -> Result<(), TooMany> {
        self.left = self.left.checked_sub(visits as u64).ok_or_else(|| self.too_many())?;
        Ok(())
    }

    pub fn too_many(&self) -> TooMany {
        TooMany(self.most)
    }
}
