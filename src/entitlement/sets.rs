//! User sets (`doors.md` C.4): who is in one is computed from the tags of each user, and listed nowhere. A set is an
//! organization's, and only whoever is in a group of that organization is in a set of it.

use std::collections::HashSet;

use compact_str::CompactString;
use smallvec::SmallVec;

use crate::graph::Node;
use crate::model::schema::{Hop, place};
use crate::model::{Kind, Rel, Time, Value, rel};

use super::distinct::Distinct;
use super::{matching, select, texts};

/// The property whose values are a user's tags.
pub const TAGS: &str = "AdminTags";

/// All of one, any of another, none of a third.
const LISTS: [u8; 3] = [
    place(Kind::UserSet, "allOf"),
    place(Kind::UserSet, "anyOf"),
    place(Kind::UserSet, "noneOf"),
];
const PROFILE_PROPERTIES: Rel = matching::properties_of(Kind::Profile);

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
        for (set, _) in organization.hop(Hop::forward(rel::SETS), None) {
            let opens_any = set.hop_count(Hop::forward(rel::FOR_SET)) > 0;
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
    let licenses = sets
        .into_iter()
        .flat_map(|set| set.hop(Hop::forward(rel::FOR_SET), None));
    Some(licenses.map(|(license, _)| license))
}

/// Is it in the set now?
pub fn has(set: Node<'_>, profile: Node<'_>, now: Time) -> bool {
    let organization = set.parent(rel::SETS);
    organization.is_some_and(|organization| organizations(profile, now).has(organization)) && fits_tags(set, profile)
}

/// Would it be in the set, were it in a group of the set's organization?
pub(super) fn fits_tags(set: Node<'_>, profile: Node<'_>) -> bool {
    fits(set, &tags(profile))
}

fn tags(profile: Node<'_>) -> HashSet<CompactString> {
    matching::values(matching::text_of(profile, PROFILE_PROPERTIES, TAGS))
        .into_iter()
        .collect()
}

fn text<'g>(set: Node<'g>, list: u8) -> Option<&'g str> {
    set.entity().fields().get(list).and_then(Value::as_text)
}

fn organizations<'g>(profile: Node<'g>, now: Time) -> Distinct<Node<'g>> {
    let groups = profile.hop(Hop::forward(rel::MEMBERSHIP), None);
    let member = groups.filter(|&(_, membership)| select::is_member(membership, now));
    member.filter_map(|(group, _)| group.parent(rel::GROUPS)).collect()
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
