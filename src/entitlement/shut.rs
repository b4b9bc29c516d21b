//! The licenses a consumer would come to if one thing were otherwise: its own validity, a membership or an assignment that has
//! ended or not begun, a license that waits for an assignment. For explanations alone: no decision asks for them.

use std::borrow::Cow;

use smallvec::smallvec;

use crate::graph::Node;
use crate::model::schema::Hop;
use crate::model::{Kind, Time, Value, rel};

use super::decision::Rule;
use super::distinct::Distinct;
use super::matching;
use super::reason::Reason;
use super::ruled;
use super::select::{self, Budget, Candidate, Filters, Looks, Path};
use super::why::{Rest, Rests, Why};

/// What opens nothing, and what is to be said of it.
pub(super) struct Shut<'g> {
    pub candidate: Candidate<'g>,
    pub rule: Rule,
    pub why: Why<'g>,
}

/// Words for whose sake alone a license is told of.
fn why<'g>(words: &'static str, rests: Rests<'g>) -> Why<'g> {
    Why {
        words: Cow::Borrowed(words),
        rests,
        is_all: true,
    }
}

/// Of very many only those that were met before a decision would have ended.
pub(super) fn shut<'g>(
    profile: Node<'g>,
    asked: Node<'g>,
    filters: &Filters,
    looks: Option<&Looks>,
    now: Time,
) -> Vec<Shut<'g>> {
    let mut found = Vec::new();
    let own = lapse(select::start(&profile), select::end(&profile), now);
    if let Some(is_over) = own {
        let words = match is_over {
            true => "the validity of this user has ended",
            false => "the validity of this user has not begun",
        };
        let candidates = select::regardless(profile, asked, filters, looks, now).unwrap_or_default();
        found.extend(candidates.into_iter().map(|candidate| Shut {
            candidate,
            rule: Rule::Consumer,
            why: why(words, smallvec![Rest::Node(profile)]),
        }));
        return found;
    }
    let mut search = Search {
        profile,
        filters,
        now,
        budget: Budget::new(looks),
        met: Distinct::default(),
        found,
    };
    // What was found until there were too many is told.
    let _ = search.all(asked);
    search.found
}

struct Search<'g, 'a> {
    profile: Node<'g>,
    filters: &'a Filters,
    now: Time,
    budget: Budget<'a>,
    met: Distinct<Node<'g>>,
    found: Vec<Shut<'g>>,
}

impl<'g> Search<'g, '_> {
    fn all(&mut self, asked: Node<'g>) -> Result<(), Reason> {
        let items = select::covering(asked, &mut self.budget)?;
        self.assignments(&items)?;
        self.memberships(&items)?;
        self.individual(&items)
    }

    fn assignments(&mut self, items: &Distinct<Node<'g>>) -> Result<(), Reason> {
        for assignment in self.profile.graph().granting(self.profile) {
            let Some(license) = assignment.parent(rel::BY_LICENSE) else {
                continue;
            };
            let found = select::looked_at(license, items, self.filters, &mut self.budget)?;
            let is_over = lapse(select::start(&assignment), select::end(&assignment), self.now);
            let Some((item, is_over)) = found.zip(is_over) else {
                continue;
            };
            let words = match is_over {
                true => "the assignment that opens the license has ended",
                false => "the assignment that opens the license has not begun",
            };
            let why = why(words, smallvec![Rest::Node(assignment)]);
            self.add(license, item, Path::Assignment(assignment), Rule::Assignment, &why);
        }
        Ok(())
    }

    fn memberships(&mut self, items: &Distinct<Node<'g>>) -> Result<(), Reason> {
        for (group, membership) in self.profile.hop(Hop::forward(rel::MEMBERSHIP), None) {
            let time = |field: u8| membership.get(field).and_then(Value::as_time);
            let Some(is_over) = lapse(time(0), time(1), self.now) else {
                continue;
            };
            let words = match is_over {
                true => "the membership in the group that may use the license has ended",
                false => "the membership in the group that may use the license has not begun",
            };
            let why = why(words, smallvec![Rest::Node(self.profile), Rest::Node(group)]);
            for (entitlement, _) in group.hop(Hop::backward(rel::OPENS_GROUP), None) {
                self.licenses(entitlement, items, |search, license, item| {
                    if !select::is_individual(&license) {
                        search.add(license, item, Path::Group(group), Rule::Membership, &why);
                    }
                })?;
            }
            self.rules(group, items, &why)?;
        }
        Ok(())
    }

    /// What the rules of a group would open.
    fn rules(&mut self, group: Node<'g>, items: &Distinct<Node<'g>>, why: &Why<'g>) -> Result<(), Reason> {
        let organization = group.parent(rel::GROUPS);
        let organization = organization.filter(|organization| {
            self.filters.admits(*organization) && ruled::record(*organization, self.profile).is_none()
        });
        let Some(organization) = organization else {
            return Ok(());
        };
        for (rule, _) in group.hop(Hop::forward(rel::RULES), None) {
            self.budget.spend()?;
            let Some(item) = rule.parent(rel::RULES_FOR).filter(|item| items.has(*item)) else {
                continue;
            };
            for license in select::owned(organization, item, &mut self.budget)? {
                if select::fitting(license, items, self.filters, &mut self.budget)?.is_some() {
                    self.add(license, item, Path::Rule(rule), Rule::Membership, why);
                }
            }
        }
        Ok(())
    }

    fn individual(&mut self, items: &Distinct<Node<'g>>) -> Result<(), Reason> {
        const WORDS: &str = "the license is individual: it is opened by an assignment with `grantsAccess` or a user set, and none of this consumer's does";
        for (entitlement, path) in select::ways(self.profile, self.now) {
            let mut rests: Rests<'g> = smallvec![Rest::Node(self.profile)];
            if let Path::Group(group) = path {
                rests.push(Rest::Node(group));
            }
            let why = why(WORDS, rests);
            self.licenses(entitlement, items, |search, license, item| {
                if select::is_individual(&license) {
                    search.add(license, item, path, Rule::Individual, &why);
                }
            })?;
        }
        Ok(())
    }

    fn licenses(
        &mut self,
        entitlement: Node<'g>,
        items: &Distinct<Node<'g>>,
        mut each: impl FnMut(&mut Self, Node<'g>, Node<'g>),
    ) -> Result<(), Reason> {
        if !select::fits_entitlement(self.filters, entitlement) {
            return Ok(());
        }
        for item in items.all() {
            self.budget.spend()?;
            for license in self.profile.graph().licenses(entitlement, *item) {
                self.budget.spend()?;
                if !matching::is_matching(&license) {
                    each(self, license, *item);
                }
            }
        }
        for license in self.profile.graph().matching(entitlement) {
            if let Some(item) = select::looked_at(license, items, self.filters, &mut self.budget)? {
                each(self, license, item);
            }
        }
        Ok(())
    }

    fn add(&mut self, license: Node<'g>, item: Node<'g>, path: Path<'g>, rule: Rule, why: &Why<'g>) {
        let is_meant = self.filters.license.is_none_or(|meant| meant == license.id);
        if is_meant && license.kind == Kind::License && self.met.add(license) {
            let candidate = select::candidate(license, item, path, self.profile, self.now);
            let why = why.clone();
            self.found.push(Shut { candidate, rule, why });
        }
    }
}

/// Whether it is over rather than yet to begin; `None` for what is valid now.
pub(super) fn lapse(from: Option<Time>, until: Option<Time>, now: Time) -> Option<bool> {
    if until.is_some_and(|until| until <= now) {
        return Some(true);
    }
    from.is_some_and(|from| now < from).then_some(false)
}
