//! User sets (`doors.md` C.4): who is in one is computed from the tags of each user, and listed nowhere. A set is an
//! organization's, and only whoever is in a group of that organization is in a set of it.

use std::collections::HashSet;

use compact_str::CompactString;
use smallvec::SmallVec;

use crate::graph::Node;
use crate::model::schema::{Hop, known, place};
use crate::model::{Kind, Rel, RelationType, Time, Value};

use super::distinct::Distinct;
use super::ruled::GROUP_OF;
use super::select::MEMBERSHIP;
use super::{matching, select, texts};

/// The property whose values are a user's tags.
pub const TAGS: &str = "AdminTags";

/// From an organization to its sets.
pub const SETS: Rel = known(RelationType::OneToMany, Kind::Organization, Kind::UserSet);
/// From a set to the licenses for its members.
pub const FOR_SET: Rel = known(RelationType::OneToMany, Kind::UserSet, Kind::License);
/// All of one, any of another, none of a third.
const LISTS: [u8; 3] = [
    place(Kind::UserSet, "allOf"),
    place(Kind::UserSet, "anyOf"),
    place(Kind::UserSet, "noneOf"),
];
const OF_PROFILE: Rel = matching::properties_of(Kind::Profile);

/// The sets a profile is in now, of those organizations it is in a group of that `is_meant` admits, and that any license is for.
///
/// `look` is asked before each set is looked at, with how many looks that costs.
///
/// # Errors
/// Those of `look`.
pub(super) fn of_profile<'g, E>(
    profile: Node<'g>,
    now: Time,
    is_meant: impl Fn(Node<'g>) -> bool,
    mut look: impl FnMut(usize) -> Result<(), E>,
) -> Result<SmallVec<[Node<'g>; 4]>, E> {
    let mut found = SmallVec::new();
    if profile.graph().kind_count(Kind::UserSet) == 0 {
        return Ok(found);
    }
    let tags = tags(profile);
    let organizations = organizations(profile, now);
    for organization in organizations.all().iter().filter(|one| is_meant(**one)) {
        for (set, _) in organization.hop(Hop::forward(SETS), None) {
            let opens_any = set.hop_count(Hop::forward(FOR_SET)) > 0;
            let texts = LISTS.iter().filter_map(|list| text(set, *list));
            let bytes = if opens_any { texts.map(str::len).sum() } else { 0 };
            look(1 + matching::looks(bytes))?;
            if opens_any && fits(set, &tags) {
                found.push(set);
            }
        }
    }
    Ok(found)
}

/// The licenses of all those sets. `None`: there are more sets than may be visited.
pub fn licenses<'g>(
    profile: Node<'g>,
    now: Time,
    is_meant: impl Fn(Node<'g>) -> bool,
    mut visits: u64,
) -> Option<impl Iterator<Item = Node<'g>>> {
    let look = |looks: usize| -> Result<(), ()> {
        visits = visits.checked_sub(looks as u64).ok_or(())?;
        Ok(())
    };
    let sets = of_profile(profile, now, is_meant, look).ok()?;
    let licenses = sets.into_iter().flat_map(|set| set.hop(Hop::forward(FOR_SET), None));
    Some(licenses.map(|(license, _)| license))
}

/// Is it in the set now?
pub fn has(set: Node<'_>, profile: Node<'_>, now: Time) -> bool {
    let organization = set.parent(SETS);
    organization.is_some_and(|organization| organizations(profile, now).has(organization)) && fits_tags(set, profile)
}

/// Would it be in the set, were it in a group of the set's organization?
pub(super) fn fits_tags(set: Node<'_>, profile: Node<'_>) -> bool {
    fits(set, &tags(profile))
}

fn tags(profile: Node<'_>) -> HashSet<CompactString> {
    matching::values(matching::text_of(profile, OF_PROFILE, TAGS))
        .into_iter()
        .collect()
}

fn text<'g>(set: Node<'g>, list: u8) -> Option<&'g str> {
    set.entity().fields().get(list).and_then(Value::as_text)
}

fn organizations<'g>(profile: Node<'g>, now: Time) -> Distinct<Node<'g>> {
    let groups = profile.hop(Hop::forward(MEMBERSHIP), None);
    let member = groups.filter(|&(_, membership)| select::is_member(membership, now));
    member.filter_map(|(group, _)| group.parent(GROUP_OF)).collect()
}

/// All of one list, any of another, none of a third. An empty list asks for nothing, and where nothing is asked nobody is
/// in the set; nor where a list cannot be read.
fn fits(set: Node<'_>, tags: &HashSet<CompactString>) -> bool {
    let [all, any, none] = LISTS.map(|list| match text(set, list) {
        None => Some(Vec::new()),
        Some(text) => texts::read(text),
    });
    let (Some(all), Some(any), Some(none)) = (all, any, none) else {
        return false;
    };
    let has = |tag: &CompactString| tags.contains(tag);
    let asks = !all.is_empty() || !any.is_empty() || !none.is_empty();
    asks && all.iter().all(has) && (any.is_empty() || any.iter().any(has)) && !none.iter().any(has)
}
