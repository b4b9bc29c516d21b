//! The customer at whom many relations meet: one entitlement with all its licenses, one group with all its users. They are
//! as slight as they can be, so that a hub of a million costs a million entities and not six.

use std::io;

use uuid::Uuid;

use super::lines::Plain::{At, Flag, Text};
use super::lists::{FIRST_NAMES, LAST_NAMES};
use super::{Catalogue, DAY, EPOCH, Maker};
use crate::model::{Kind, RelationType};

/// By these they are found, in a world of any size.
pub const ORGANIZATION: &str = "Hub Holding";
pub const ENTITLEMENT: &str = "Hub";
pub const GROUP: &str = "Everybody";

impl Maker<'_> {
    /// So many licenses of one entitlement, and as many users in the group that may use them.
    pub fn hub(&mut self, size: u64, catalogue: &Catalogue) -> io::Result<()> {
        let organization = self.lines.object(
            Kind::Organization,
            &[
                ("name", Text(ORGANIZATION)),
                ("type", Text("company")),
                ("alias", Text("hub")),
            ],
            &[],
        )?;
        let group = self.lines.object(
            Kind::ProfileGroup,
            &[("name", Text(GROUP)), ("type", Text("employees"))],
            &[organization],
        )?;
        let entitlement = self.lines.object(
            Kind::Entitlement,
            &[("name", Text(ENTITLEMENT)), ("isDefault", Flag(true))],
            &[organization],
        )?;
        self.lines.relation(
            RelationType::LicenseConsumerRelation,
            Kind::Entitlement,
            Kind::ProfileGroup,
            entitlement,
            group,
        )?;
        for _ in 0..size {
            self.hub_license(entitlement, catalogue)?;
        }
        for _ in 0..size {
            self.hub_user(group)?;
        }
        Ok(())
    }

    fn hub_license(&mut self, entitlement: Uuid, catalogue: &Catalogue) -> io::Result<()> {
        let (item, name) = self.random.pick(&catalogue.items);
        let model = *self.random.pick(&catalogue.models);
        let from = EPOCH - self.random.below(700) as i64 * DAY;
        let until = from + (365 + self.random.below(1100) as i64) * DAY;
        self.lines.object(
            Kind::License,
            &[
                ("name", Text(name)),
                ("validFrom", At(from)),
                ("validUntil", At(until)),
                ("active", Flag(self.random.below(30) != 0)),
            ],
            &[entitlement, *item, model],
        )?;
        Ok(())
    }

    fn hub_user(&mut self, group: Uuid) -> io::Result<()> {
        let (first, _) = self.random.pick(FIRST_NAMES);
        let (last, _) = self.random.pick(LAST_NAMES);
        let display = format!("{first} {last}");
        let profile = self
            .lines
            .object(Kind::Profile, &[("displayName", Text(&display))], &[])?;
        self.lines.relation(
            RelationType::Membership,
            Kind::Profile,
            Kind::ProfileGroup,
            profile,
            group,
        )
    }
}
