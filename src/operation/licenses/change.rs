//! A write of an organization's licenses, as it is asked for, and what became of it.

use super::{Assigned, Assignment, Create, EndGroup, Grouped, Grouping, LicenseError, Listed, TakeBack, Update};
use crate::access::Who;
use crate::graph::Transaction;
use crate::limits::Limits;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Create(Create),
    Update(Update),
    Assign(Assignment),
    TakeBack(TakeBack),
    Group(Grouping),
    EndGroup(EndGroup),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    License(Listed),
    Assigned(Assigned),
    Grouped(Grouped),
    Gone,
}

impl Change {
    /// As the audit has it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Create(_) => "CreateLicense",
            Self::Update(_) => "UpdateLicense",
            Self::Assign(_) => "AssignLicense",
            Self::TakeBack(_) => "TakeBackLicense",
            Self::Group(_) => "AssignLicenseToGroup",
            Self::EndGroup(_) => "TakeBackLicenseFromGroup",
        }
    }

    /// All or nothing: on an error the caller abandons the transaction.
    pub fn run(&self, tx: &mut Transaction<'_>, who: &Who, limits: &Limits) -> Result<Done, LicenseError> {
        match self {
            Self::Create(create) => create.run(tx, who).map(Done::License),
            Self::Update(update) => update.run(tx, who).map(Done::License),
            Self::Assign(assignment) => assignment.run(tx, who).map(Done::Assigned),
            Self::TakeBack(back) => back.run(tx, who).map(|()| Done::Gone),
            Self::Group(grouping) => grouping.run(tx, who, limits).map(Done::Grouped),
            Self::EndGroup(end) => end.run(tx, who).map(|()| Done::Gone),
        }
    }
}
