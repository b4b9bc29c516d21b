//! Coming over from another system (`docs/doors.md`): what its lists say, one step an entry, in this server's words. Each
//! thing is found by its foreign id and made where it is not there, so that the same lists can be taken twice; nothing that
//! is here and not in them is touched. What is allocated passes the rules of every allocation.

mod make;
mod sale;
mod sold;

use std::borrow::Cow;
use std::collections::HashSet;

use uuid::Uuid;

use super::allocation::{AllocationError, Change, Direct, Quota, Rules};
use super::crud;
use super::foreign::{self, Named};
use super::licenses::LicenseError;
use super::sale::SaleError;
use crate::access::{Permission, Who};
use crate::error::{Class, Error};
use crate::graph::{Transaction, Violation};
use crate::limits::Limits;
use crate::model::Kind;

pub use sale::{Account, Lasts, Sale, Thing};
use sold::Came;
pub use sold::{Assigned, Grouped, Holder, License};

/// An entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands in its document: a JSON pointer.
    pub at: String,
    /// The organization it says it is of.
    pub organization: Option<String>,
    pub says: Step,
}

/// What it says. Ids are as the other system has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The organization has so many seats for an item.
    Pool {
        item: String,
        seats: u64,
    },
    Group {
        group: String,
        name: String,
        members: Vec<Member>,
    },
    User {
        user: String,
        named: Named,
        /// What is allocated directly, if the entry says so; even nothing.
        direct: Option<Held>,
    },
    /// The rules of a group, which is made where it is not there if its name is known.
    Rules {
        group: String,
        name: Option<String>,
        held: Held,
        quotas: Option<Vec<Quota>>,
    },
    /// A license that was sold by itself, and who has it.
    License(License),
    Assigned(Assigned),
    Grouped(Grouped),
    /// A license that was made of an offer.
    Sale(Sale),
    Account(Account),
    Thing(Thing),
}

/// A member of a group: its id, and what else is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub user: String,
    pub named: Named,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub items: Vec<String>,
    /// `None`: it does not say.
    pub external: Option<bool>,
}

/// Why an entry is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    #[error("the list does not say of which organization it is")]
    OrganizationMissing,
    #[error("several organizations are called `{0}`")]
    SeveralOrganizations(String),
    #[error("the organization has {licenses} licenses of `{item}`, with {credits} credits of seats")]
    SeveralLicenses {
        item: String,
        licenses: usize,
        credits: usize,
    },
    #[error("the user `{user}` is `{is}` here, by login or e-mail address")]
    OtherAlias { user: String, is: String },
    #[error("the id `{0}` is that of another organization's user here")]
    OthersUser(String),
    #[error("no license came over as `{0}`")]
    UnknownLicense(String),
    #[error("the offer `{offer}` is not of `{item}` here")]
    OtherItem { offer: String, item: String },
    #[error("the license `{0}` is of another offer or for somebody else here")]
    OtherLicense(String),
    #[error(transparent)]
    Allocation(#[from] AllocationError),
    #[error(transparent)]
    License(#[from] LicenseError),
    #[error(transparent)]
    Sale(#[from] SaleError),
}

impl<E: Into<Error>> From<E> for Why {
    fn from(error: E) -> Self {
        Self::Allocation(AllocationError::Other(error.into()))
    }
}

impl Why {
    pub fn code(&self) -> &'static str {
        match self {
            Self::OrganizationMissing => "organizationMissing",
            Self::SeveralOrganizations(_) => "ambiguousTarget",
            Self::SeveralLicenses { .. } => "severalLicenses",
            Self::OtherAlias { .. } | Self::OthersUser(_) => "otherAlias",
            Self::UnknownLicense(_) => "targetNotFound",
            Self::Allocation(error) => error.code(),
            Self::OtherItem { .. } => "otherItem",
            Self::OtherLicense(_) => "otherLicense",
            Self::License(error) => error.code(),
            Self::Sale(error) => error.code(),
        }
    }

    pub fn class(&self) -> Class {
        match self {
            Self::OrganizationMissing => Class::Unprocessable,
            Self::SeveralOrganizations(_)
            | Self::SeveralLicenses { .. }
            | Self::OtherAlias { .. }
            | Self::OthersUser(_)
            | Self::OtherItem { .. }
            | Self::OtherLicense(_) => Class::Conflict,
            Self::UnknownLicense(_) => Class::NotFound,
            Self::Allocation(error) => error.class(),
            Self::License(error) => error.class(),
            Self::Sale(error) => error.class(),
        }
    }

    pub fn help(&self) -> Option<&str> {
        match self {
            Self::OrganizationMissing => Some("name it: `organization=`, on the command line `--organization`"),
            Self::SeveralLicenses { .. } => {
                Some("leave the entry out: how its seats are to be shared out is yours to say")
            }
            Self::SeveralOrganizations(_) => Some("name it by its id"),
            Self::OtherAlias { .. } => Some("change the alias of that profile, or leave the entry out"),
            Self::OthersUser(_) => Some("give the user another id in the list, or leave the entry out"),
            Self::UnknownLicense(_) => Some(
                "take the list of licenses first; if several organizations have one of that id, name the organization",
            ),
            Self::Allocation(error) => error.help(),
            Self::OtherItem { .. } | Self::OtherLicense(_) => {
                Some("put that right on either side, or leave the entry out")
            }
            Self::License(error) => error.help(),
            Self::Sale(error) => error.help(),
        }
    }
}

/// An import that stopped: the document by its place in the batch, the entry in it, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct MovingError {
    pub document: usize,
    pub at: Cow<'static, str>,
    pub why: Why,
}

impl From<Violation> for MovingError {
    fn from(violation: Violation) -> Self {
        Self {
            document: 0,
            at: Cow::Borrowed(""),
            why: violation.into(),
        }
    }
}

/// Takes the entries of some documents, in order. `organization` is meant whatever the entries say of it. Gives how many
/// entities and relations were changed. All or nothing: on an error the caller abandons the transaction.
pub fn take(
    tx: &mut Transaction<'_>,
    who: &Who,
    organization: Option<&str>,
    documents: &[Vec<Entry>],
    limits: &Limits,
) -> Result<u64, MovingError> {
    let failed = |document, at: &str, why| MovingError {
        document,
        at: Cow::Owned(at.to_owned()),
        why,
    };
    if let Err(denied) = who.require(Permission::ServerImport) {
        return Err(failed(0, "", denied.into()));
    }
    let mut taking = Taking {
        tx,
        who,
        limits,
        came: Came::default(),
        taken: HashSet::new(),
    };
    let all = || {
        let indexed = documents.iter().enumerate();
        indexed.flat_map(|(index, entries)| entries.iter().map(move |entry| (index, entry)))
    };
    for (index, entry) in all() {
        let organization = organization.or(entry.organization.as_deref());
        let ended = taking.end(organization, &entry.says);
        ended.map_err(|why| failed(index, &entry.at, why))?;
    }
    let mut last = None;
    for (index, entry) in all() {
        if last.replace(index) != Some(index) {
            taking.taken.clear();
        }
        let organization = organization.or(entry.organization.as_deref());
        let taken = taking.step(organization, &entry.says);
        taken.map_err(|why| failed(index, &entry.at, why))?;
    }
    Ok(crud::count(taking.tx))
}

/// What goes along from entry to entry.
struct Taking<'t, 'g> {
    tx: &'t mut Transaction<'g>,
    who: &'t Who,
    limits: &'t Limits,
    came: Came,
    /// Licenses that the document's sales came to so far.
    taken: HashSet<Uuid>,
}

impl Taking<'_, '_> {
    /// What ends by an entry ends before all others are taken.
    fn end(&mut self, organization: Option<&str>, says: &Step) -> Result<(), Why> {
        let (Step::Sale(told), Some(text)) = (says, organization) else {
            return Ok(());
        };
        let Self { tx, who, .. } = self;
        let site = foreign::find(tx.graph(), Kind::Organization, text, |_| true).map(|site| site.id);
        match site {
            Some(site) => sale::end(tx, who, site, told),
            None => Ok(()),
        }
    }

    /// An entry of a license that is here already need not say whose it is.
    fn step(&mut self, organization: Option<&str>, says: &Step) -> Result<(), Why> {
        let Self {
            tx,
            who,
            limits,
            came,
            taken,
        } = self;
        let owner = match organization {
            Some(organization) => Some(make::organization(tx, who, organization)?),
            None => None,
        };
        let account = (organization.unwrap_or_default().to_owned(), None);
        let whose = owner.ok_or(Why::OrganizationMissing);
        match says {
            Step::Pool { item, seats } => make::pool(tx, who, whose?, item, *seats)?,
            Step::Group { group, name, members } => {
                let owner = whose?;
                let group = make::group(tx, who, owner, group, name)?;
                for Member { user, named } in members {
                    let user = make::user(tx, who, owner, user, named)?;
                    make::member(tx, who, user, group)?;
                }
            }
            Step::User { user, named, direct } => {
                make::user(tx, who, whose?, user, named)?;
                if let Some(held) = direct {
                    let direct = Direct {
                        account,
                        users: vec![user.clone()],
                        items: held.items.clone(),
                        external: held.external.unwrap_or(false),
                    };
                    Change::Direct(direct).run(tx, who, limits)?;
                }
            }
            Step::Rules {
                group,
                name,
                held,
                quotas,
            } => {
                let owner = whose?;
                if let Some(name) = name {
                    make::group(tx, who, owner, group, name)?;
                }
                let rules = Rules {
                    account,
                    group: group.clone(),
                    items: held.items.clone(),
                    quotas: quotas.clone(),
                    external: held.external,
                };
                Change::Rules(rules).run(tx, who, limits)?;
            }
            Step::License(told) => sold::license(tx, who, came, whose?, told)?,
            Step::Assigned(told) => sold::assigned(tx, who, came, owner, told)?,
            Step::Sale(told) => sale::license(tx, who, whose?, told, taken)?,
            Step::Account(told) => sale::account(tx, who, whose?, told)?,
            Step::Thing(told) => sale::thing(tx, who, told)?,
            Step::Grouped(told) => sold::grouped(tx, who, came, owner, told, limits)?,
        }
        Ok(())
    }
}
