//! What gives a license to somebody (a direct record, the rule of a group, a group, a user set) is of the organization that
//! owns the license. Whoever takes back what it gave takes back what is its own, then, and nothing of anybody else's.

use crate::graph::Node;
use crate::model::Rel;

use super::ruled::{self, ALLOCATED, LEASED};
use super::seated::{self, BY_GROUP, OF_GROUP};
use super::select;
use super::sets::{self, FOR_SET};

/// The relations that this is asked of.
pub const ALL: [Rel; 5] = [ALLOCATED, LEASED, BY_GROUP, OF_GROUP, FOR_SET];

/// What `parent` had to be for `child` to hang on it by this relation, where it is not. A child that misses another parent of its
/// own fits, and is refused for that.
pub fn misfit(rel: Rel, parent: Node<'_>, child: Node<'_>) -> Option<&'static str> {
    let (fits, wanted) = match rel {
        ALLOCATED => {
            let (license, profile) = ruled::ends(child)?;
            let fits =
                parent.parent(ruled::RECORDS) == owner(license) && parent.parent(ruled::RECORDS_OF) == Some(profile);
            (fits, "a record of the license's owner about this profile")
        }
        LEASED => {
            let (license, _) = ruled::ends(child)?;
            let of_owner = ruled::group(parent)?.parent(ruled::GROUP_OF) == owner(license);
            let fits = of_owner && parent.parent(ruled::RULES_FOR) == license.parent(select::OF_ITEM);
            (fits, "a rule of the license's owner for its item")
        }
        BY_GROUP => {
            let (license, _) = ruled::ends(child)?;
            let fits = parent.parent(seated::GROUPS) == Some(license);
            (fits, "an assignment of this license to a group")
        }
        OF_GROUP => {
            let license = child.parent(seated::GROUPS)?;
            let fits = parent.parent(ruled::GROUP_OF) == owner(license);
            (fits, "a group of the license's owner")
        }
        FOR_SET => {
            let fits = parent.parent(sets::SETS) == owner(child);
            (fits, "a set of the license's owner")
        }
        _ => return None,
    };
    (!fits).then_some(wanted)
}

/// The organization whose license it is; none of what is a user's own.
fn owner(license: Node<'_>) -> Option<Node<'_>> {
    license.parent(select::LICENSES)?.parent(ruled::ENTITLEMENTS)
}
