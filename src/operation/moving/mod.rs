//! Coming over from another system (`docs/doors.md`): what its lists say, one step an entry, in this server's words. Each
//! thing is found by its foreign id and made where it is not there, so that the same lists can be taken twice; nothing that
//! is here and not in them is touched. What is allocated passes the rules of every allocation.

mod make;

use std::borrow::Cow;

use super::allocation::{AllocationError, Change, Direct, Quota, Rules};
use super::crud;
use super::foreign::Named;
use crate::access::{Permission, Who};
use crate::error::{Class, Error};
use crate::graph::{Transaction, Violation};

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
    Pool { item: String, seats: u64 },
    Group {
        group: String,
        name: String,
        members: Vec<String>,
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
    #[error("the organization has {licenses} licenses of `{item}`, with {credits} credits of seats")]
    SeveralLicenses {
        item: String,
        licenses: usize,
        credits: usize,
    },
    #[error("the user `{user}` is `{is}` here, by login or e-mail address")]
    OtherAlias { user: String, is: String },
    #[error(transparent)]
    Allocation(#[from] AllocationError),
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
            Self::SeveralLicenses { .. } => "severalLicenses",
            Self::OtherAlias { .. } => "otherAlias",
            Self::Allocation(error) => error.code(),
        }
    }

    pub fn class(&self) -> Class {
        match self {
            Self::OrganizationMissing => Class::Unprocessable,
            Self::SeveralLicenses { .. } | Self::OtherAlias { .. } => Class::Conflict,
            Self::Allocation(error) => error.class(),
        }
    }

    pub fn help(&self) -> Option<&str> {
        match self {
            Self::OrganizationMissing => Some("name it: `organization=`, on the command line `--organization`"),
            Self::SeveralLicenses { .. } => {
                Some("leave the entry out: how its seats are to be shared out is yours to say")
            }
            Self::OtherAlias { .. } => Some("change the alias of that profile, or leave the entry out"),
            Self::Allocation(error) => error.help(),
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
) -> Result<u64, MovingError> {
    let failed = |document, at: &str, why| MovingError {
        document,
        at: Cow::Owned(at.to_owned()),
        why,
    };
    if let Err(denied) = who.require(Permission::ServerImport) {
        return Err(failed(0, "", denied.into()));
    }
    for (index, entries) in documents.iter().enumerate() {
        for entry in entries {
            let organization = organization.or(entry.organization.as_deref());
            let organization = organization.ok_or(Why::OrganizationMissing);
            let taken = organization.and_then(|organization| step(tx, who, organization, &entry.says));
            taken.map_err(|why| failed(index, &entry.at, why))?;
        }
    }
    Ok(crud::count(tx))
}

fn step(tx: &mut Transaction<'_>, who: &Who, organization: &str, says: &Step) -> Result<(), Why> {
    let owner = make::organization(tx, who, organization)?;
    let account = (organization.to_owned(), None);
    match says {
        Step::Pool { item, seats } => make::pool(tx, who, owner, item, *seats)?,
        Step::Group { group, name, members } => {
            let group = make::group(tx, who, owner, group, name)?;
            for member in members {
                let user = make::user(tx, who, owner, member, &Named::default())?;
                make::member(tx, who, user, group)?;
            }
        }
        Step::User { user, named, direct } => {
            make::user(tx, who, owner, user, named)?;
            if let Some(held) = direct {
                let direct = Direct {
                    account,
                    users: vec![user.clone()],
                    items: held.items.clone(),
                    external: held.external.unwrap_or(false),
                };
                Change::Direct(direct).run(tx, who)?;
            }
        }
        Step::Rules {
            group,
            name,
            held,
            quotas,
        } => {
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
            Change::Rules(rules).run(tx, who)?;
        }
    }
    Ok(())
}
