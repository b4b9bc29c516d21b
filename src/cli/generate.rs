//! A synthetic world in the import format: a vendor with its catalogue, and customers with people, entitlements and
//! licenses. The same for the same numbers, whenever and wherever it is made; needs no database and no clock.

mod command;
mod hub;
mod lines;
mod lists;

use std::io::{self, Write};

use uuid::Uuid;

use crate::model::{Kind, RelationType};

pub use command::{Generate, run};
use lines::Plain::{At, Flag, Int, Raw, Text};
pub use lines::Written;
use lines::{Lines, Random};
use lists::*;

/// What is asked for. There is always a vendor beside the customers, and at least one customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct World {
    pub organizations: u64,
    pub users: u64,
    pub licenses: u64,
    /// Licenses of one entitlement, and users in one group, of a customer who comes after the others; 0: no such customer.
    pub hub: u64,
    pub seed: u64,
}

/// All times lie around it: 2026-01-01T00:00Z.
const EPOCH: i64 = 1_767_225_600_000;
const DAY: i64 = 86_400_000;
const HOUR: i64 = 3_600_000;

/// Every reference points to an earlier line. `progress` is told how many lines there are so far.
pub fn write(world: World, out: &mut dyn Write, progress: &mut dyn FnMut(u64)) -> io::Result<Written> {
    let mut maker = Maker {
        random: Random(world.seed),
        lines: Lines::new(world.seed, out, progress),
    };
    let catalogue = maker.catalogue()?;
    let customers = world.organizations.max(1);
    // Most customers are small and some are large; the shares add up to what was asked for.
    let weights: Vec<u64> = (0..customers)
        .map(|_| {
            if maker.random.below(8) == 0 {
                20 + maker.random.below(60)
            } else {
                2 + maker.random.below(10)
            }
        })
        .collect();
    let total: u64 = weights.iter().sum();
    let share = |all: u64, upto: u64| (u128::from(all) * u128::from(upto) / u128::from(total)) as u64;
    let (mut weight, mut user, mut neighbour) = (0, 0, None);
    for (number, own) in weights.iter().enumerate() {
        let before = weight;
        weight += own;
        let users = share(world.users, weight) - share(world.users, before);
        let licenses = share(world.licenses, weight) - share(world.licenses, before);
        let customer = Customer {
            number: number as u64 + 1,
            users: user..user + users,
            licenses,
            neighbour,
        };
        neighbour = Some(maker.customer(&customer, &catalogue)?);
        user += users;
    }
    if world.hub > 0 {
        maker.hub(world.hub, &catalogue)?;
    }
    Ok(maker.lines.finish())
}

struct Catalogue {
    models: Vec<Uuid>,
    items: Vec<(Uuid, String)>,
}

struct Customer {
    /// From 1.
    number: u64,
    users: std::ops::Range<u64>,
    licenses: u64,
    /// The employees of the customer before: a few people work for both.
    neighbour: Option<Uuid>,
}

struct Maker<'w> {
    random: Random,
    lines: Lines<'w>,
}

impl Maker<'_> {
    fn catalogue(&mut self) -> io::Result<Catalogue> {
        let vendor = self.lines.object(
            Kind::Organization,
            &[
                ("name", Text("Seatworks")),
                ("type", Text("company")),
                ("description", Text("The vendor")),
            ],
            &[],
        )?;
        self.lines.object(
            Kind::ProfileGroup,
            &[("name", Text("Staff")), ("type", Text("employees"))],
            &[vendor],
        )?;
        let mut models = Vec::new();
        for (name, description) in MODELS {
            let model = self.lines.object(
                Kind::LicenseModel,
                &[("name", Text(name)), ("description", Text(description))],
                &[],
            )?;
            self.rules(name, model)?;
            models.push(model);
        }
        let mut items = Vec::new();
        for product in PRODUCTS {
            let mut parts = Vec::new();
            for (tier, label) in TIERS {
                let name = format!("{}{tier}", product.to_lowercase());
                let label = format!("{product}{label}");
                let item = self.lines.object(
                    Kind::LicensedItem,
                    &[
                        ("name", Text(&name)),
                        ("displayName", Text(&label)),
                        ("alias", Text(&format!("item-{name}"))),
                    ],
                    &[],
                )?;
                parts.push(item);
                items.push((item, label));
            }
            // The suite contains the plain product, and a package sells them.
            self.lines.relation(
                RelationType::Includes,
                Kind::LicensedItem,
                Kind::LicensedItem,
                parts[parts.len() - 1],
                parts[0],
            )?;
            let model = models[self.random.below(models.len() as u64) as usize];
            for (kind, title, parts) in [
                ("mono", product.to_string(), &parts[..1]),
                ("bundle", format!("{product} Complete"), &parts[..]),
            ] {
                let package = self.lines.object(
                    Kind::ProductPackage,
                    &[
                        ("title", Text(&title)),
                        ("type", Text(kind)),
                        ("validFrom", At(EPOCH - 700 * DAY)),
                    ],
                    &[model],
                )?;
                self.lines.object(
                    Kind::Property,
                    &[
                        ("key", Text("sku")),
                        ("value", Text(&format!("SKU-{}", self.lines.written.lines))),
                    ],
                    &[package],
                )?;
                for part in parts {
                    self.lines.relation(
                        RelationType::ManyToMany,
                        Kind::ProductPackage,
                        Kind::LicensedItem,
                        package,
                        *part,
                    )?;
                }
            }
        }
        Ok(Catalogue { models, items })
    }

    fn rules(&mut self, model: &str, id: Uuid) -> io::Result<()> {
        let lease = [
            ("leaseTimeCheckOut", Int(14 * DAY)),
            ("leaseTimeCache", Int(8 * HOUR)),
            ("refreshTimeCache", Int(2 * HOUR)),
            ("allowLeaseExtension", Flag(true)),
            ("allowLeaseRelease", Flag(true)),
        ];
        self.lines.object(Kind::LeaseTimeBehavior, &lease, &[id])?;
        match model {
            "Named user" => {
                self.lines.object(
                    Kind::AssignedLicenseConstraint,
                    &[("autoAssign", Flag(true)), ("maxAssignments", Int(100))],
                    &[id],
                )?;
                self.lines.object(
                    Kind::ConcurrentSessions,
                    &[("sessionAnchors", Raw("[{\"type\":\"hw\",\"maxCount\":1}]"))],
                    &[id],
                )?;
            }
            "Floating" => {
                self.lines
                    .object(Kind::SeatCountConstraint, &[("seatsPerUser", Int(1))], &[id])?;
                self.lines
                    .object(Kind::UtilizationConstraint, &[("maxOverusePercent", Int(10))], &[id])?;
            }
            "Trial" => {
                self.lines
                    .object(Kind::ValidityPeriodConstraint, &[("maxValidity", Int(30 * DAY))], &[id])?;
                self.lines
                    .object(Kind::LicensedItemCountBehavior, &[("defaultCount", Int(1))], &[id])?;
            }
            _ => {
                self.lines.object(
                    Kind::UseCountConstraint,
                    &[("trackingMode", Text("TRACK_BY_LICENSE_SESSIONS_OPENED"))],
                    &[id],
                )?;
            }
        }
        Ok(())
    }

    /// Gives its group of employees.
    fn customer(&mut self, customer: &Customer, catalogue: &Catalogue) -> io::Result<Uuid> {
        let number = customer.number;
        let place = self.random.pick(PLACES);
        let name = format!("{place} {} {number}", self.random.pick(TRADES));
        let domain = format!("{}{number}.example", place.to_lowercase());
        let organization = self.lines.object(
            Kind::Organization,
            &[
                ("name", Text(&name)),
                ("type", Text("company")),
                ("alias", Text(&format!("customer-{number}"))),
            ],
            &[],
        )?;
        let contact = self.lines.object(
            Kind::OrganizationContactInformation,
            &[("type", Text("billing"))],
            &[organization],
        )?;
        self.lines.object(
            Kind::OrganizationEmailAddress,
            &[("value", Text(&format!("billing@{domain}")))],
            &[contact],
        )?;
        let (city, country) = self.random.pick(CITIES);
        self.lines.object(
            Kind::OrganizationPostalAddress,
            &[("city", Text(city)), ("countryCode", Text(country))],
            &[contact],
        )?;

        let employees = self.lines.object(
            Kind::ProfileGroup,
            &[("name", Text("Employees")), ("type", Text("employees"))],
            &[organization],
        )?;
        let mut groups = Vec::new();
        for team in TEAMS.iter().take(1 + self.random.below(3) as usize) {
            groups.push(self.lines.object(
                Kind::ProfileGroup,
                &[("name", Text(team)), ("type", Text("licenseConsumers"))],
                &[organization],
            )?);
        }
        let mut roles = Vec::new();
        for (role, permission, actions) in ROLES {
            let id = self.lines.object(
                Kind::OrganizationRole,
                &[("name", Text(role)), ("isBuiltIn", Flag(true))],
                &[organization],
            )?;
            self.lines.object(
                Kind::ConsumerPermission,
                &[("name", Text(permission)), ("actions", Text(actions))],
                &[id],
            )?;
            roles.push(id);
        }
        let default = self.lines.object(
            Kind::Entitlement,
            &[("name", Text("Default")), ("isDefault", Flag(true))],
            &[organization],
        )?;
        self.lines.relation(
            RelationType::LicenseConsumerRelation,
            Kind::Entitlement,
            Kind::ProfileGroup,
            default,
            employees,
        )?;
        let project = self.lines.object(
            Kind::Entitlement,
            &[("name", Text("Projects")), ("isDefault", Flag(false))],
            &[organization],
        )?;
        for group in &groups {
            self.lines.relation(
                RelationType::LicenseConsumerRelation,
                Kind::Entitlement,
                Kind::ProfileGroup,
                project,
                *group,
            )?;
        }

        let mut licenses = Vec::with_capacity(customer.licenses as usize);
        for _ in 0..customer.licenses {
            let entitlement = if self.random.below(4) == 0 { project } else { default };
            licenses.push(self.license(entitlement, catalogue, customer)?);
        }
        for user in customer.users.clone() {
            let profile = self.user(user, &domain)?;
            self.lines.relation(
                RelationType::Membership,
                Kind::Profile,
                Kind::ProfileGroup,
                profile,
                employees,
            )?;
            for group in &groups {
                if self.random.below(8) != 0 {
                    self.lines.relation(
                        RelationType::Membership,
                        Kind::Profile,
                        Kind::ProfileGroup,
                        profile,
                        *group,
                    )?;
                }
            }
            if let Some(neighbour) = customer.neighbour.filter(|_| self.random.below(50) == 0) {
                self.lines.relation(
                    RelationType::Membership,
                    Kind::Profile,
                    Kind::ProfileGroup,
                    profile,
                    neighbour,
                )?;
            }
            for role in roles.iter().skip(self.random.below(roles.len() as u64) as usize) {
                self.lines.relation(
                    RelationType::ManyToMany,
                    Kind::Profile,
                    Kind::OrganizationRole,
                    profile,
                    *role,
                )?;
            }
            self.lines.relation(
                RelationType::LicenseConsumerRelation,
                Kind::Entitlement,
                Kind::Profile,
                default,
                profile,
            )?;
            if self.random.below(2) == 0 {
                self.lines.relation(
                    RelationType::LicenseConsumerRelation,
                    Kind::Entitlement,
                    Kind::Profile,
                    project,
                    profile,
                )?;
            }
            self.assignments(profile, &mut licenses)?;
        }
        Ok(employees)
    }

    /// The license, and how many of its seats can still be reserved.
    fn license(&mut self, entitlement: Uuid, catalogue: &Catalogue, customer: &Customer) -> io::Result<(Uuid, u64)> {
        let (item, name) = &catalogue.items[self.random.below(catalogue.items.len() as u64) as usize];
        let model = *self.random.pick(&catalogue.models);
        let from = EPOCH - self.random.below(700) as i64 * DAY;
        let until = from + (365 + self.random.below(1100) as i64) * DAY;
        let active = self.random.below(30) != 0;
        let forever = self.random.below(10) == 0;
        let mut fields = vec![("name", Text(name)), ("validFrom", At(from))];
        if !forever {
            fields.push(("validUntil", At(until)));
        }
        fields.push(("active", Flag(active)));
        let license = self
            .lines
            .object(Kind::License, &fields, &[entitlement, *item, model])?;
        let seats = 1 + self.random.below(if customer.users.end - customer.users.start > 100 {
            100
        } else {
            20
        });
        self.lines.object(
            Kind::SeatCountCredit,
            &[
                ("seatCount", Int(seats as i64)),
                ("validFrom", At(from)),
                ("active", Flag(true)),
            ],
            &[license],
        )?;
        if self.random.below(5) == 0 {
            let order = format!("PO-{}", 10_000 + self.random.below(90_000));
            self.lines.object(
                Kind::LicenseMetadata,
                &[("key", Text("externalReference")), ("value", Text(&order))],
                &[license],
            )?;
        }
        Ok((license, seats))
    }

    fn user(&mut self, number: u64, domain: &str) -> io::Result<Uuid> {
        let (first, plain_first) = self.random.pick(FIRST_NAMES);
        let (last, plain_last) = self.random.pick(LAST_NAMES);
        let address = format!("{plain_first}.{plain_last}.{number}@{domain}");
        let person = self.lines.object(
            Kind::Person,
            &[("firstName", Text(first)), ("lastName", Text(last))],
            &[],
        )?;
        let display = format!("{first} {last}");
        let profile = self
            .lines
            .object(Kind::Profile, &[("displayName", Text(&display))], &[person])?;
        self.lines
            .object(Kind::EmailAndPassword, &[("userName", Text(&address))], &[person])?;
        if self.random.below(3) == 0 {
            let contact = self
                .lines
                .object(Kind::ContactInformation, &[("type", Text("work"))], &[profile])?;
            self.lines.object(
                Kind::EmailAddress,
                &[("value", Text(&address)), ("type", Text("work"))],
                &[contact],
            )?;
        }
        Ok(profile)
    }

    /// Up to four licenses for one person, no license twice.
    fn assignments(&mut self, profile: Uuid, licenses: &mut [(Uuid, u64)]) -> io::Result<()> {
        if licenses.is_empty() {
            return Ok(());
        }
        let wanted = (1 + self.random.below(4)).min(licenses.len() as u64) as usize;
        let first = self.random.below(licenses.len() as u64) as usize;
        for step in 0..wanted {
            let (license, free) = &mut licenses[(first + step) % licenses.len()];
            let mut fields = vec![];
            if *free > 0 && self.random.below(3) == 0 {
                *free -= 1;
                fields.push(("reservationType", Text("reserved")));
            } else if self.random.below(40) == 0 {
                fields.push(("reservationType", Text("denied")));
            }
            let license = *license;
            self.lines.object(Kind::Assignment, &fields, &[profile, license])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::lines::kind_of;
    use super::*;
    use crate::http::wire;
    use crate::limits::Limits;
    use crate::operation::input::ImportLine;

    fn generated(world: World) -> (Vec<u8>, Written) {
        let mut out = Vec::new();
        let written = write(world, &mut out, &mut |_| {}).unwrap();
        (out, written)
    }

    const SMALL: World = World {
        organizations: 20,
        users: 400,
        licenses: 300,
        hub: 0,
        seed: 7,
    };

    #[test]
    fn the_same_numbers_give_the_same_world() {
        assert!(generated(SMALL).0 == generated(SMALL).0);
        assert!(generated(SMALL).0 != generated(World { seed: 8, ..SMALL }).0);
    }

    /// What is measured beside the hub is then the same as without it.
    #[test]
    fn a_hub_comes_after_a_world_that_stays_as_it_was() {
        let hub = World { hub: 50, ..SMALL };
        let (flat, with_hub) = (generated(SMALL).0, generated(hub).0);
        assert!(with_hub.len() > flat.len() && with_hub.starts_with(&flat));
        assert!(generated(hub).0 == with_hub);
        assert!(generated(World { seed: 8, ..hub }).0 != with_hub);
    }

    #[test]
    fn as_many_relations_meet_at_the_hub_as_were_asked_for() {
        let (out, _) = generated(World { hub: 50, ..SMALL });
        let lines: Vec<_> = out
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| wire::import_line(line, &Limits::default()).unwrap())
            .collect();
        let named = |kind: Kind, name: &str| {
            let named = lines.iter().filter_map(|line| match line {
                ImportLine::Object(object) if object.kind == kind => {
                    let is = |value: &crate::model::Value| *value == crate::model::Value::text(name);
                    object
                        .fields
                        .iter()
                        .any(|field| field.value.as_ref().is_some_and(is))
                        .then_some(object.id)?
                }
                _ => None,
            });
            let found: Vec<Uuid> = named.collect();
            assert_eq!(found.len(), 1, "{name}");
            found[0]
        };
        let (entitlement, group) = (
            named(Kind::Entitlement, hub::ENTITLEMENT),
            named(Kind::ProfileGroup, hub::GROUP),
        );
        let (mut licenses, mut members) = (0, 0);
        for line in &lines {
            match line {
                ImportLine::Object(object) if object.kind == Kind::License => {
                    licenses += object
                        .references
                        .iter()
                        .filter(|reference| reference.parent == Some(entitlement))
                        .count();
                }
                ImportLine::Relation(relation) if relation.rel.def().relation_type == RelationType::Membership => {
                    members += usize::from(relation.to == group);
                }
                _ => {}
            }
        }
        assert_eq!((licenses, members), (50, 50));
    }

    /// Read back line by line: what is counted, what is referred to, and what is unique.
    #[test]
    fn every_line_is_an_import_line_and_looks_back() {
        for world in [
            SMALL,
            World {
                organizations: 0,
                users: 0,
                licenses: 0,
                hub: 0,
                seed: 0,
            },
            World {
                organizations: 3,
                users: 10,
                licenses: 0,
                hub: 70,
                seed: 1,
            },
            World {
                organizations: 3,
                users: 0,
                licenses: 10,
                hub: 0,
                seed: u64::MAX,
            },
        ] {
            let (out, written) = generated(world);
            let mut seen: HashMap<Uuid, Kind> = HashMap::new();
            let mut last = Uuid::nil();
            let mut unique = HashSet::new();
            let mut relations = HashSet::new();
            let mut counted = Written::default();
            for line in out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                counted.lines += 1;
                match wire::import_line(line, &Limits::default()).unwrap() {
                    ImportLine::Object(object) => {
                        let id = object.id.unwrap();
                        assert!(id > last, "ids are ordered");
                        last = id;
                        assert_eq!(id.get_version_num(), 8);
                        assert_eq!(kind_of(id), object.kind);
                        for reference in &object.references {
                            assert_eq!(seen.get(&reference.parent.unwrap()), Some(&reference.rel.def().from));
                        }
                        let owners = object
                            .references
                            .iter()
                            .filter(|reference| object.kind.owners().any(|rel| rel == reference.rel));
                        assert_eq!(
                            owners.count(),
                            usize::from(object.kind.owners().next().is_some()),
                            "{object:?}"
                        );
                        for field in &object.fields {
                            if let crate::model::Field::Own(index) = field.field
                                && object.kind.def().fields[usize::from(index)].unique
                            {
                                assert!(
                                    unique.insert((object.kind, index, field.value.clone())),
                                    "{:?} twice",
                                    field.value
                                );
                            }
                        }
                        seen.insert(id, object.kind);
                        counted.entities += 1;
                        counted.relations += object.references.len() as u64;
                    }
                    ImportLine::Relation(relation) => {
                        let def = relation.rel.def();
                        assert_eq!(seen.get(&relation.from), Some(&def.from));
                        assert_eq!(seen.get(&relation.to), Some(&def.to));
                        assert!(relations.insert((relation.rel, relation.from, relation.to)));
                        counted.relations += 1;
                    }
                }
            }
            assert_eq!(counted, written);
            let count = |kind: Kind| seen.values().filter(|other| **other == kind).count() as u64;
            let hubs = u64::from(world.hub > 0);
            assert_eq!(count(Kind::Organization), world.organizations.max(1) + 1 + hubs);
            assert_eq!(count(Kind::Profile), world.users + world.hub);
            assert_eq!(count(Kind::License), world.licenses + world.hub);
        }
    }

    #[test]
    fn a_world_has_about_two_relations_an_entity() {
        let (_, written) = generated(World {
            organizations: 200,
            users: 8000,
            licenses: 6000,
            hub: 0,
            seed: 1,
        });
        let hundredths = written.relations * 100 / written.entities;
        assert!((210..=230).contains(&hundredths), "{hundredths} in {written:?}");
    }
}
