//! Who is meant among an organization's users by a foreign id. Its own members are asked for first and strangers last, so that
//! nobody is taken for a member by having a member's name. What somebody holds here each API says itself.

use super::foreign;
use crate::access::Who;
use crate::graph::Node;
use crate::model::schema::Hop;
use crate::model::{Kind, rel};

/// How near a profile is to an organization, the nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In a group of the organization.
    Member,
    /// Has something of it.
    Holder,
    /// In no group at all.
    Nobodys,
}

/// What helps who named nobody.
pub const KNOWN_BY: &str =
    "a user is known by id, alias, login or e-mail address; of several that share one, none is meant";

impl Standing {
    const ALL: [Self; 3] = [Self::Member, Self::Holder, Self::Nobodys];
}

/// Several share a name, so that none of them is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Several(pub String);

pub fn is_member(organization: Node<'_>, profile: Node<'_>) -> bool {
    let mut groups = profile.hop(Hop::forward(rel::MEMBERSHIP), None);
    groups.any(|(group, _)| group.parent(rel::GROUPS) == Some(organization))
}

pub fn is_nobodys(profile: Node<'_>) -> bool {
    profile.hop_count(Hop::forward(rel::MEMBERSHIP)) == 0
}

/// Of who is a user of the organization; whoever is in nobody's groups is one for a token that is bound to none.
pub fn standing(
    organization: Node<'_>,
    who: &Who,
    profile: Node<'_>,
    holds: impl FnOnce() -> bool,
) -> Option<Standing> {
    if is_member(organization, profile) {
        return Some(Standing::Member);
    }
    if holds() {
        return Some(Standing::Holder);
    }
    (who.organization.is_none() && is_nobodys(profile)).then_some(Standing::Nobodys)
}

/// By id, alias, login and address among those of one standing, before those of the next are asked.
pub fn find<'g>(
    organization: Node<'g>,
    text: &str,
    standing: impl Fn(Node<'g>) -> Option<Standing>,
) -> Result<Option<Node<'g>>, Several> {
    for wanted in Standing::ALL {
        let found = of_standing(organization, text, wanted, &standing)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The same among those of one standing alone.
pub fn of_standing<'g>(
    organization: Node<'g>,
    text: &str,
    wanted: Standing,
    standing: impl Fn(Node<'g>) -> Option<Standing>,
) -> Result<Option<Node<'g>>, Several> {
    let fits = |profile: Node<'g>| standing(profile) == Some(wanted);
    match foreign::look(organization.graph(), Kind::Profile, text, fits) {
        // Anybody may have an address: strangers who share one stand in nobody's way.
        Err(Several(_)) if wanted == Standing::Nobodys => Ok(None),
        found => found,
    }
}
