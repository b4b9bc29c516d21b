//! What gives a license to somebody (a direct record, the rule of a group, a group, a user set) is of the organization that
//! owns the license. Whoever takes back what it gave takes back what is its own, then, and nothing of anybody else's.

use crate::graph::Node;
use crate::model::{Rel, rel};

use super::ruled;

/// The relations that this is asked of.
pub const ALL: [Rel; 5] = [rel::ALLOCATED, rel::LEASED, rel::BY_GROUP, rel::OF_GROUP, rel::FOR_SET];

/// What `parent` had to be for `child` to hang on it by this relation, where it is not. A child that misses another parent of its
/// own fits, and is refused for that.
pub fn misfit(rel: Rel, parent: Node<'_>, child: Node<'_>) -> Option<&'static str> {
    let (fits, wanted) = match rel {
        rel::ALLOCATED => {
            let (license, profile) = ruled::ends(child)?;
            let fits = parent.parent(rel::RECORDS) == owner(license) && parent.parent(rel::RECORDS_OF) == Some(profile);
            (fits, "a record of the license's owner about this profile")
        }
        rel::LEASED => {
            let (license, _) = ruled::ends(child)?;
            let of_owner = ruled::group(parent)?.parent(rel::GROUPS) == owner(license);
            let fits = of_owner && parent.parent(rel::RULES_FOR) == license.parent(rel::OF_ITEM);
            (fits, "a rule of the license's owner for its item")
        }
        rel::BY_GROUP => {
            let (license, _) = ruled::ends(child)?;
            let fits = parent.parent(rel::GROUP_ASSIGNMENTS) == Some(license);
            (fits, "an assignment of this license to a group")
        }
        rel::OF_GROUP => {
            let license = child.parent(rel::GROUP_ASSIGNMENTS)?;
            let fits = parent.parent(rel::GROUPS) == owner(license);
            (fits, "a group of the license's owner")
        }
        rel::FOR_SET => {
            let fits = parent.parent(rel::SETS) == owner(child);
            (fits, "a set of the license's owner")
        }
        _ => return None,
    };
    (!fits).then_some(wanted)
}

/// The organization whose license it is; none of what is a user's own.
fn owner(license: Node<'_>) -> Option<Node<'_>> {
    license.parent(rel::LICENSES)?.parent(rel::ENTITLEMENTS)
}
