//! What must hold once a whole body is in: owners, seats, one of a kind, and the reach of a bound token. Looked at last,
//! because a body may put things right in any order.

use std::collections::HashSet;

use uuid::Uuid;

use crate::access::Denied;
use crate::entitlement::{Refused, consume, paths, reserve, ruled, sale, seats, sound};
use crate::graph::Node;
use crate::model::schema::{Hop, Role};
use crate::model::{Entity, Kind, Rel, Value, rel};
use crate::operation::consume::tell_use;
use crate::operation::foreign;
use crate::operation::refusal::{self, Refusal};

use super::flat::Subject;
use super::{At, Failed, Mode, Write};

/// Kinds that tie one parent to another, and by which relations: two have one of a kind between them.
const TIES: [(Kind, Rel, Rel); 4] = [
    (Kind::Assignment, rel::BY_LICENSE, rel::BY_PROFILE),
    (Kind::DirectRecord, rel::RECORDS, rel::RECORDS_OF),
    (Kind::AllocationRule, rel::RULES, rel::RULES_FOR),
    (Kind::GroupAssignment, rel::GROUP_ASSIGNMENTS, rel::OF_GROUP),
];

impl<'i> Write<'_, '_, 'i> {
    pub(super) fn rules(&mut self) -> Result<(), Failed> {
        // The reach first: what the other rules say of an entity that is out of reach may tell of a hidden one beside it.
        self.within_reach()?;
        self.tx
            .validate_since(self.start)
            .map_err(|violation| self.at_violation(refusal::about(&violation), violation))?;
        self.own_names()?;
        self.one_employees_group()?;
        self.one_tie_a_pair()?;
        let in_doubt = std::mem::take(&mut self.in_doubt);
        paths::free_lost(self.tx, &in_doubt).map_err(|violation| At { line: 0, pointer: "" }.failed(violation))?;
        self.free_seats()?;
        self.sold_again()?;
        self.sound_models()?;
        self.leases()
    }

    fn touched(&self, kind: Kind) -> impl Iterator<Item = (&Subject<'i>, Node<'_>)> {
        let subjects = self
            .flat
            .subjects
            .iter()
            .filter(move |subject| subject.kind == kind && subject.is_touched);
        subjects.filter_map(|subject| Some((subject, self.tx.graph().find(subject.id)?)))
    }

    /// By its name and its alias the doors find an organization: a token that is bound gives it none that leads to another. One it
    /// has already may be sent back.
    fn own_names(&mut self) -> Result<(), Failed> {
        if self.who.organization.is_none() {
            return Ok(());
        }
        let text = |organization: Node<'_>, name: &str| {
            let value = organization.fields().get(Kind::Organization.field(name)?);
            value.and_then(Value::as_text).map(str::to_owned)
        };
        let mut taken = Vec::new();
        for (subject, organization) in self.touched(Kind::Organization) {
            for name in foreign::NAMES {
                let named = subject.field_at(name).zip(text(organization, name));
                let named = named.filter(|(_, text)| foreign::leads_elsewhere(organization, text));
                taken.extend(named.map(|(at, text)| (organization.id, name, at, text)));
            }
        }
        for (id, name, at, taken) in taken {
            let mut had = None;
            self.tx
                .before(|graph| had = graph.find(id).and_then(|before| text(before, name)));
            if had.as_ref() != Some(&taken) {
                return Err(at.member(name, Refusal::NameOfAnother(taken)));
            }
        }
        Ok(())
    }

    fn one_employees_group(&self) -> Result<(), Failed> {
        let mut seen: HashSet<Uuid> = HashSet::new();
        for (subject, group) in self
            .touched(Kind::ProfileGroup)
            .filter(|(_, group)| is_employees(group))
        {
            let Some(organization) = group
                .parent(rel::GROUPS)
                .filter(|organization| seen.insert(organization.id))
            else {
                continue;
            };
            let mut groups = organization.hop(Hop::forward(rel::GROUPS), None);
            if groups.any(|(other, _)| other != group && is_employees(&other)) {
                return Err(subject.failed("type", Refusal::EmployeesExists(organization.id)));
            }
        }
        Ok(())
    }

    fn one_tie_a_pair(&self) -> Result<(), Failed> {
        for (index, subject) in self.flat.subjects.iter().enumerate() {
            // Of assignments there were never two; of the others an export may bring what was.
            if !subject.is_new || subject.kind != Kind::Assignment && self.is_restored(index) {
                continue;
            }
            let Some((kind, one, other)) = TIES.into_iter().find(|(kind, ..)| *kind == subject.kind) else {
                continue;
            };
            let tie = self.tx.graph().find(subject.id);
            let Some((tie, (first, second))) = tie.and_then(|tie| Some((tie, tie.parent(one).zip(tie.parent(other))?)))
            else {
                continue;
            };
            // From whichever end has fewer to look at.
            let (by_first, by_second) = (Hop::forward(one), Hop::forward(other));
            let is_twin = if first.hop_count(by_first) < second.hop_count(by_second) {
                first
                    .hop(by_first, None)
                    .any(|(twin, _)| twin != tie && twin.parent(other) == Some(second))
            } else {
                second
                    .hop(by_second, None)
                    .any(|(twin, _)| twin != tie && twin.parent(one) == Some(first))
            };
            if is_twin {
                let ends = [(first.kind, first.id), (second.kind, second.id)];
                return Err(subject.at().failed(Refusal::TieExists { kind, ends }));
            }
        }
        Ok(())
    }

    /// A seat for each new reservation, or one that its holder occupies. Where none is new, more may be taken than there is: a quota can be lowered below
    /// what is in use, and whoever has a seat keeps it.
    fn free_seats(&self) -> Result<(), Failed> {
        let now = self.tx.now();
        let mut seen: HashSet<(Uuid, reserve::Had)> = HashSet::new();
        for (subject, assignment) in self.touched(Kind::Assignment) {
            let Some(had) = subject.reserves else { continue };
            if !seats::holds(assignment.fields(), now) {
                continue;
            }
            // One that had ended is one again by its end alone.
            let says_type = subject.field_at("reservationType").is_some();
            let said = if says_type { "reservationType" } else { "validUntil" };
            let failed = |refused: Refused| subject.failed(said, refused);
            if let Some(rule) = assignment.parent(rel::LEASED) {
                ruled::fits(rule, now).map_err(failed)?;
            }
            let Some(license) = assignment
                .parent(rel::BY_LICENSE)
                .filter(|license| seen.insert((license.id, had)))
            else {
                continue;
            };
            reserve::fits(license, had, now).map_err(failed)?;
        }
        Ok(())
    }

    /// What was sold and had ended goes on. An import may say first that one does, and then that another has ended.
    fn sold_again(&self) -> Result<(), Failed> {
        let now = self.tx.now();
        let is_asked = self.mode != Mode::Import;
        let again = self
            .touched(Kind::License)
            .filter(|(subject, _)| is_asked && subject.had_ended);
        // What is counted together is counted once.
        let mut seen = HashSet::new();
        let mut first = again.filter(|(_, license)| {
            let together = sale::counted_at(*license, now);
            together.is_some_and(|together| seen.insert(together))
        });
        first.try_for_each(|(subject, license)| {
            sale::may_have(license, now).map_err(|refused| subject.failed("validUntil", refused))
        })
    }

    /// Rules of license models that say two things at once. What an import brings was so somewhere else: it is refused
    /// where it is consumed by.
    fn sound_models(&self) -> Result<(), Failed> {
        let is_import = self.mode == Mode::Import;
        for subject in self.flat.subjects.iter().filter(|subject| subject.is_touched) {
            let Some(node) = self.tx.graph().find(subject.id) else {
                continue;
            };
            match sound::contradiction(&node) {
                // These are read when nothing is consumed, and no older version let them in otherwise.
                Some((fields, why)) if !is_import || why == sound::Contradiction::NoNames => {
                    return Err(contradiction_at(subject, fields, why.into()));
                }
                _ if is_import => continue,
                _ => {}
            }
            sound::limits(node).map_err(|refused| subject.at().failed(refused))?;
        }
        Ok(())
    }

    /// Who writes a Consumption consumes: by the same rules, and in the same seats.
    fn leases(&mut self) -> Result<(), Failed> {
        let consumes = self
            .flat
            .subjects
            .iter()
            .enumerate()
            .filter(|(_, subject)| subject.consumes);
        let asked: Vec<usize> = consumes.map(|(index, _)| index).collect();
        for index in asked {
            let id = self.flat.subjects[index].id;
            let at = self.flat.subjects[index].at();
            let lease = consume::consume_into(self.tx, id).map_err(|refused| at.failed(refused))?;
            tell_use(self.tx, &lease);
        }
        Ok(())
    }

    /// What a bound token wrote is its organization's own, as it is now: nothing was put out of its reach or into that
    /// of another. What misses an owner is nowhere, which is for `validate` to say.
    fn within_reach(&self) -> Result<(), Failed> {
        if self.who.organization.is_none() && self.intruders.is_empty() {
            return Ok(());
        }
        let view = self.view();
        let graph = self.tx.graph();
        let refuse = |node: Node<'_>, at: At<'_>, denied: Denied| match denied {
            Denied::OutOfReach(id) => at.failed(Refusal::OutsideOrganization { kind: node.kind, id }),
            other => at.failed(other),
        };
        for subject in self.flat.subjects.iter().filter(|subject| subject.is_touched) {
            if let Some(node) = graph.find(subject.id).filter(|node| !is_orphan(*node)) {
                view.owns(node)
                    .map_err(|denied| match (denied, self.who.organization) {
                        // Its id says nothing to whoever sent none.
                        (Denied::ReadOnly(_), Some(organization)) if subject.is_new => {
                            let kind = node.kind;
                            subject.at().failed(Refusal::NotOrganizations { kind, organization })
                        }
                        (denied, _) => refuse(node, subject.at(), denied),
                    })?;
            }
        }
        for (home, at) in &self.homes {
            if let Some(node) = graph.find(*home) {
                view.owns(node).map_err(|denied| refuse(node, *at, denied))?;
            }
        }
        // INVARIANT: none gets so far (`a_hidden_sibling_is_not_told_of`); a hidden entity is not replaced even if one does.
        match self.intruders.first().and_then(|id| graph.find(*id)) {
            Some(node) => {
                let at = self.subject(node.id).map_or(At { line: 0, pointer: "" }, Subject::at);
                Err(refuse(node, at, Denied::OutOfReach(node.id)))
            }
            None => Ok(()),
        }
    }
}

/// At the first of its fields, or at another one of them if that was sent and the first was stored: with a value before without one,
/// for what is cleared seldom contradicts. Where none was sent, at the object.
fn contradiction_at(subject: &Subject<'_>, fields: &[&'static str], why: Refused) -> Failed {
    let sent = |clears: bool| {
        let mut fields = fields.iter().filter(|name| subject.clears(name) == clears);
        fields.find_map(|name| Some((*name, subject.field_at(name)?)))
    };
    match sent(false).or_else(|| sent(true)) {
        Some((name, at)) => at.member(name, why),
        None => subject.at().failed(why),
    }
}

fn is_orphan(node: Node<'_>) -> bool {
    let required = |rel: &&Rel| rel.def().role == Role::Required;
    let mut owners = node.kind.owners().peekable();
    owners.peek().is_some() && owners.all(|rel| node.parent(rel).is_none())
        || node
            .kind
            .parents()
            .iter()
            .filter(required)
            .any(|rel| node.parent(*rel).is_none())
}

fn is_employees(group: &Entity) -> bool {
    let group_type = group.kind.field("type").and_then(|field| group.fields().get(field));
    group_type.and_then(Value::as_text) == Some("employees")
}
