//! Licenses that have more of what was offered than before, or go on after they had ended, in one call. Whether there is so much is
//! asked once all is written, and of each offer once: in whatever order a call gives to one and takes from another, and however many
//! they are.

use std::collections::HashMap;

use uuid::Uuid;

use crate::graph::Transaction;

use super::refused::Refused;
use super::sale;

/// What `amend` notes here its caller has to `settle`.
#[derive(Debug, Default)]
#[must_use = "nobody has asked yet"]
pub struct Raised(Vec<Uuid>);

/// The numbers of seats that are there once all is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// Somebody asked for them: those or none.
    Wanted,
    /// They are what there was: a user set's license goes on with as many as are left.
    Had,
}

impl Raised {
    pub(super) fn add(&mut self, license: Uuid) {
        self.0.push(license);
    }

    /// # Errors
    /// `ConcurrenciesUsedUp` of the first offer that has not so many seats; whatever else keeps them from being counted.
    pub fn settle(self, tx: &mut Transaction<'_>, numbers: Numbers) -> Result<(), Refused> {
        let mut of: HashMap<(Uuid, Uuid), Vec<Uuid>> = HashMap::new();
        let mut order = Vec::new();
        for license in self.0 {
            let Some(together) = sale::counted_at(tx.node(license)?, tx.now()) else {
                continue;
            };
            let licenses = of.entry(together).or_default();
            if licenses.is_empty() {
                order.push(together);
            }
            licenses.push(license);
        }
        order.iter().try_for_each(|together| settle(tx, &of[together], numbers))
    }
}

/// Those that are counted together. Who was told of last gives first.
fn settle(tx: &mut Transaction<'_>, licenses: &[Uuid], numbers: Numbers) -> Result<(), Refused> {
    let Some(first) = licenses.first() else { return Ok(()) };
    let Some((mut above, refused)) = sale::above(tx.node(*first)?, tx.now())? else {
        return Ok(());
    };
    if numbers == Numbers::Had {
        for license in licenses.iter().rev() {
            above -= sale::give_up(tx, *license, above)?;
            if above <= 0 {
                return Ok(());
            }
        }
    }
    Err(refused)
}
