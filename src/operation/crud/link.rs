//! Parents and relations of a body: who is named as whose parent, what that replaces, and which named relations are made
//! or changed. The seats and owners that follow from it are for `rules`.

use std::collections::HashMap;

use uuid::Uuid;

use crate::access::{Action, Denied, Permission};
use crate::entitlement::{paths, ruled, seats, ties};
use crate::graph::{Node, Violation};
use crate::model::schema::{Hop, Role};
use crate::model::{Direction, Field, Fields, Kind, Rel, RelationType, Value, rel};
use crate::operation::input::{EndInput, ReferenceInput, RelationInput};
use crate::operation::refusal::Refusal;
use crate::operation::{login, transactions};

use super::flat::{Listed, Said, agree};
use super::{At, Failed, Write, content, record};

/// A parent as the body names it; `None` unlinks.
pub(super) struct Named<'i> {
    child: Uuid,
    rel: Rel,
    parent: Option<Uuid>,
    at: At<'i>,
    /// By `referenceFields`, which is where the error then stands; otherwise by the place in the body.
    by: Option<&'i ReferenceInput>,
}

impl<'i> Named<'i> {
    fn of(child: Uuid, at: At<'i>, reference: &'i ReferenceInput) -> Self {
        Self {
            child,
            rel: reference.rel,
            parent: reference.parent,
            at,
            by: Some(reference),
        }
    }

    pub(super) fn failed(&self, why: impl Into<Refusal>) -> Failed {
        match self.by {
            None => self.at.failed(why),
            Some(ReferenceInput { rel, entry, .. }) => {
                let name = Write::reference_name(*rel);
                self.at.member(&reference_place(*entry, &name), why)
            }
        }
    }
}

/// Where a reference stands below what has it: in a map of entries, or under its name.
fn reference_place(entry: Option<u32>, name: &str) -> String {
    match entry {
        Some(entry) => format!("referenceFields/Entries/{entry}/value"),
        None => format!("referenceFields/{name}"),
    }
}

/// A child whose parent is another one now.
struct Move<'i> {
    named: Named<'i>,
    from: Option<Uuid>,
    /// Whose it was, to the top.
    root: Option<Uuid>,
}

impl<'i> Write<'_, '_, 'i> {
    pub(super) fn link(&mut self) -> Result<(), Failed> {
        let named = self.named()?;
        let mut moves = Vec::new();
        for named in named {
            moves.extend(self.plan(named)?);
        }
        // All are unlinked before any is linked, so that children may trade places.
        for moved in &moves {
            if let Some(from) = moved.from {
                self.tx
                    .unrelate(moved.named.rel, from, moved.named.child)
                    .map_err(|why| moved.named.failed(why))?;
                login::left(self.tx, &self.who, moved.named.rel, moved.named.child)
                    .map_err(|why| moved.named.failed(why))?;
            }
        }
        for moved in &moves {
            let Named { child, rel, parent, .. } = moved.named;
            if let Some(parent) = parent {
                self.hang(rel, parent, child).map_err(|why| match why {
                    Violation::TwoParents { .. } => moved.named.failed(self.two_owners(moved, parent)),
                    why => moved.named.failed(why),
                })?;
            }
            if let Some(index) = self.flat.by_id.get(&child) {
                self.flat.subjects[*index].is_touched = true;
            }
        }
        // One that was sent is as it was sent, empty or not.
        for moved in moves.iter().filter(|moved| moved.named.rel == rel::ALLOCATED) {
            if let Some(record) = moved.from.filter(|record| self.subject(*record).is_none()) {
                ruled::forget_empty(self.tx, record).map_err(|why| moved.named.failed(why))?;
            }
        }
        for moved in &moves {
            self.stays_with_owner(moved)?;
            self.fits_parent(moved)?;
            self.leaves_nobody(moved)?;
        }
        for tie in self.ties()? {
            match tie.unlinks {
                true => self.unrelate(&tie)?,
                false => self.relate(&tie)?,
            }
        }
        Ok(())
    }

    /// What helps depends on what it is: a thing that has no owner yet, one that may go to this one, or one that may not.
    fn two_owners(&self, moved: &Move<'_>, parent: Uuid) -> Refusal {
        let Named { child, rel, .. } = moved.named;
        let to = self.tx.graph().find(parent).map(|parent| root(parent).id);
        let help = match self.subject(child) {
            Some(subject) if subject.is_new => "it has one owner: name one of them",
            _ if to == moved.root => "unlink the one it has by sending its reference as null",
            _ => "what is owned stays with its owner: leave the other one out, or create it anew there",
        };
        let kind = rel.def().to;
        Refusal::TwoOwners { kind, help }
    }

    /// Links a child. One that is hidden where there is room for one child only must not be told of: it makes way, and all
    /// is as if nothing had been there. That is never kept: the child is out of reach where the hidden one was, and `rules`
    /// refuses it as such.
    fn hang(&mut self, rel: Rel, parent: Uuid, child: Uuid) -> Result<(), Violation> {
        let linked = self.tx.relate(rel, parent, child, Fields::default());
        let Err(Violation::NotSingle { .. }) = linked else {
            return linked;
        };
        let hop = Hop::forward(rel);
        let view = self.view();
        let hidden = |node: &Node<'_>| !view.sees(*node) && view.owns(*node).is_err();
        let siblings = self.tx.graph().find(parent).into_iter();
        let Some(sibling) = siblings
            .flat_map(|node| node.hop(hop, None))
            .map(|(node, _)| node)
            .find(hidden)
        else {
            return linked;
        };
        let sibling = sibling.id;
        // Without what hangs on it, which may be very much.
        self.tx.unrelate(rel, parent, sibling)?;
        self.intruders.push(child);
        self.tx.relate(rel, parent, child, Fields::default())
    }

    /// Every parent the body names, once a child and relation: named twice it is the same one, or an error.
    fn named(&self) -> Result<Vec<Named<'i>>, Failed> {
        let mut all: Vec<Named<'i>> = Vec::new();
        for subject in &self.flat.subjects {
            for occurrence in &subject.occurrences {
                let references = occurrence.object.references.iter();
                all.extend(references.map(|reference| Named::of(subject.id, occurrence.at(), reference)));
            }
        }
        for listed in &self.flat.listed {
            let rel = listed.related.hop.rel;
            let (parent, child) = self.listed_ends(listed);
            if rel.def().relation_type == RelationType::OneToMany {
                all.push(Named {
                    child,
                    rel,
                    parent: Some(parent),
                    at: listed.at(),
                    by: None,
                });
            }
        }
        for (line, RelationInput { rel, from, to, at, .. }) in &self.flat.relations {
            if rel.def().relation_type == RelationType::OneToMany {
                let at = At {
                    line: *line,
                    pointer: at,
                };
                self.exists(*to, rel.def().to, Self::end_name(*rel, false), at)?;
                all.push(Named {
                    child: *to,
                    rel: *rel,
                    parent: Some(*from),
                    at,
                    by: None,
                });
            }
        }
        let mut first: HashMap<(Uuid, Rel), Option<Uuid>, foldhash::fast::RandomState> = HashMap::default();
        let mut once = Vec::with_capacity(all.len());
        for named in all {
            match first.insert((named.child, named.rel), named.parent) {
                None => once.push(named),
                Some(other) if other == named.parent => {}
                Some(_) => {
                    let kind = named.rel.def().to;
                    return Err(named.failed(Refusal::TwoParents {
                        kind,
                        id: named.child,
                        rel: named.rel,
                    }));
                }
            }
        }
        Ok(once)
    }

    /// The reference of a child that is meant, if the body has one.
    pub(super) fn reference(&self, child: Uuid, is_meant: impl Fn(&ReferenceInput) -> bool) -> Option<Named<'i>> {
        self.subject(child)?.occurrences.iter().find_map(|occurrence| {
            let mut references = occurrence.object.references.iter();
            let reference = references.find(|reference| is_meant(reference))?;
            Some(Named::of(child, occurrence.at(), reference))
        })
    }

    /// What naming this parent changes, if anything, and whether it may.
    fn plan(&self, named: Named<'i>) -> Result<Option<Move<'i>>, Failed> {
        let Named { child, rel, parent, .. } = named;
        let graph = self.tx.graph();
        let def = rel.def();
        let Some(node) = graph.find(child) else {
            return Err(named.failed(Refusal::DanglingReference {
                name: Self::end_name(rel, false),
                id: child,
            }));
        };
        let from = node.parent(rel).map(|parent| parent.id);
        // Sent back as it was read. A parent that is hidden is told by no difference from any other id.
        let is_seen = |id| self.subject(id).is_some() || self.view().find(id).is_some();
        if from == parent && parent.is_none_or(is_seen) {
            return Ok(None);
        }
        let is_new = self.subject(child).is_some_and(|subject| subject.is_new);
        if !is_new {
            self.may_update(child).map_err(|denied| named.failed(denied))?;
        }
        if let Some(parent) = parent {
            let wrap = |failed: Failed| Failed {
                at: named.failed(Refusal::EndBeforeStart).at,
                ..failed
            };
            self.exists(parent, def.from, Self::reference_name(rel), named.at)
                .map_err(wrap)?;
        }
        // The logins of a person open its profiles: whose login is changed by one more has to be the caller's to change.
        if let Some(person) = parent.filter(|_| def.from == Kind::Person)
            && self.subject(person).is_none_or(|subject| !subject.is_new)
            && let Some(person) = graph.find(person)
            && self.view().owns(person).is_err()
        {
            return Err(named.failed(Denied::ReadOnly(person.id)));
        }
        let is_move = !is_new && from.is_some();
        if def.to == Kind::Consumption && !is_new {
            return Err(named.failed(Refusal::LeaseStays));
        }
        if let Some(refusal) = record(node.kind, node.fields()).filter(|_| !is_new) {
            return Err(named.failed(refusal));
        }
        if !is_new && transactions::is_items(node) {
            return Err(named.failed(Refusal::Ordered(def.to)));
        }
        // Each of these is the tie of two; one between others is another. What an assignment was given by it may leave, and stay.
        let is_tie = matches!(
            def.to,
            Kind::Assignment | Kind::DirectRecord | Kind::AllocationRule | Kind::GroupAssignment
        );
        let is_bound = match def.role {
            Role::Owner => is_tie && parent.is_some(),
            Role::Required => is_tie,
            _ => (is_tie || def.from == Kind::Organization) && parent.is_some(),
        };
        if is_move && is_bound {
            return Err(named.failed(Refusal::OtherOwner {
                kind: def.to,
                id: child,
            }));
        }
        let root = (!is_new && def.role == Role::Owner).then(|| root(node).id);
        Ok(Some(Move { named, from, root }))
    }

    /// A license may go to another entitlement, a credit to another license, and so on, below one owner. Further it may
    /// not: whoever owns a thing has sold, signed or counted with it.
    fn stays_with_owner(&self, moved: &Move<'_>) -> Result<(), Failed> {
        let (Some(before), Some(node)) = (moved.root, self.tx.graph().find(moved.named.child)) else {
            return Ok(());
        };
        let now = root(node);
        // Unlinked, it is its own root: an error of another name, found at the end.
        if now.id == before || now == node {
            return Ok(());
        }
        Err(moved.named.failed(Refusal::OtherOwner {
            kind: node.kind,
            id: node.id,
        }))
    }

    /// What a license is given by belongs to its owner, and a rule gives its group no more seats than its quota. What was exported
    /// was so already.
    fn fits_parent(&self, moved: &Move<'_>) -> Result<(), Failed> {
        let Named { child, rel, parent, .. } = moved.named;
        let graph = self.tx.graph();
        let parent = parent.filter(|_| ties::ALL.contains(&rel));
        let Some((parent, node)) = parent.and_then(|parent| Some((graph.find(parent)?, graph.find(child)?))) else {
            return Ok(());
        };
        let index = self.flat.by_id.get(&child);
        if index.is_some_and(|index| self.is_restored(*index)) {
            return Ok(());
        }
        if let Some(wanted) = ties::misfit(rel, parent, node) {
            let name = Self::reference_name(rel);
            let id = parent.id;
            return Err(moved.named.failed(Refusal::Misfit { name, id, wanted }));
        }
        let now = self.tx.now();
        if rel == rel::LEASED && seats::holds(node.fields(), now) {
            ruled::fits(parent, now).map_err(|refused| moved.named.failed(refused))?;
        }
        Ok(())
    }

    /// A person goes with its last profile. Without one it is out of the reach of a bound token, which could neither remove it nor
    /// take it back.
    fn leaves_nobody(&self, moved: &Move<'_>) -> Result<(), Failed> {
        let (rel, def) = (moved.named.rel, moved.named.rel.def());
        let left = moved
            .from
            .filter(|_| def.last_child_takes_parent && self.who.organization.is_some());
        match left.and_then(|left| self.tx.graph().find(left)) {
            Some(left) if left.hop_count(Hop::forward(rel)) == 0 && self.view().owns(left).is_err() => {
                // Which one it is, its caller may not read.
                Err(moved.named.failed(Refusal::LeftBehind { kind: left.kind }))
            }
            _ => Ok(()),
        }
    }

    /// The far end of a reference is in the body, or stored and visible.
    fn exists(&self, id: Uuid, wanted: Kind, name: String, at: At<'i>) -> Result<(), Failed> {
        let kind = match self.subject(id) {
            Some(subject) => Some(subject.kind),
            None => self.view().find(id).map(|node| node.kind),
        };
        match kind {
            Some(kind) if kind == wanted => Ok(()),
            Some(is) => Err(at.failed(Refusal::WrongType { id, is, wanted })),
            None => Err(at.failed(Refusal::DanglingReference { name, id })),
        }
    }

    fn end_name(rel: Rel, from: bool) -> String {
        let (one, other) = rel.def().end_names();
        if from { one } else { other }
    }

    /// From where to where an object that is listed is related.
    fn listed_ends(&self, listed: &Listed<'i>) -> (Uuid, Uuid) {
        let (outer, inner) = (
            self.flat.subjects[listed.under].id,
            self.flat.subjects[listed.subject].id,
        );
        match listed.related.hop.direction {
            Direction::Forward => (outer, inner),
            Direction::Backward => (inner, outer),
        }
    }

    /// What is unlinked is there, and has no attributes, and nothing else in the body links it.
    pub(super) fn unlinkable(&self) -> Result<(), Failed> {
        let mut unlinked: HashMap<(Rel, Uuid, Uuid), Failed, foldhash::fast::RandomState> = HashMap::default();
        for listed in &self.flat.listed {
            let related = listed.related;
            let Some((end, is_from)) = related.unlinks() else {
                continue;
            };
            let rel = related.hop.rel;
            let failed = |why| {
                let place = reference_place(end.entry, &Self::end_name(rel, is_from));
                listed.at().member(&format!("relationAttributeObject/{place}"), why)
            };
            let both = [listed.subject, listed.under].map(|index| &self.flat.subjects[index]);
            if let Some(new) = both.into_iter().find(|subject| subject.is_new) {
                return Err(failed(Refusal::NothingToUnlink {
                    kind: new.kind,
                    id: new.id,
                }));
            }
            if let Some((field, _)) = related.fields.first() {
                let name = rel.def().fields[usize::from(*field)].name;
                let at = format!("relationAttributeObject/{name}");
                return Err(listed.at().member(&at, Refusal::OfNoRelation(name)));
            }
            let (from, to) = self.listed_ends(listed);
            unlinked.insert((rel, from, to), failed(Refusal::LinkedToo));
        }
        if unlinked.is_empty() {
            return Ok(());
        }
        let listed = self
            .flat
            .listed
            .iter()
            .filter(|listed| listed.related.unlinks().is_none());
        let listed = listed.map(|listed| {
            let (from, to) = self.listed_ends(listed);
            (listed.related.hop.rel, from, to)
        });
        let alone = self.flat.relations.iter();
        let mut linked = listed.chain(alone.map(|(_, relation)| (relation.rel, relation.from, relation.to)));
        linked
            .find_map(|relation| unlinked.remove(&relation))
            .map_or(Ok(()), Err)
    }

    /// The relations that have two ends of equal standing, each once however often it stands there, in the order of the lines.
    fn ties(&self) -> Result<Vec<Tie<'i>>, Failed> {
        let is_tie = |rel: Rel| rel.def().relation_type != RelationType::OneToMany;
        let mut places = Vec::new();
        for listed in self.flat.listed.iter().filter(|listed| is_tie(listed.related.hop.rel)) {
            let (from, to) = self.listed_ends(listed);
            let (related, at) = (listed.related, listed.at());
            let agrees = |end: Option<EndInput>, is: Uuid| end.and_then(|end| end.id).is_none_or(|named| named == is);
            if !agrees(related.ends.0, from) || !agrees(related.ends.1, to) {
                return Err(at.member("relationAttributeObject", Refusal::EndsDisagree));
            }
            let place = Place {
                at,
                within: "relationAttributeObject/",
                fields: &related.fields,
            };
            places.push((related.hop.rel, from, to, related.unlinks().is_some(), place));
        }
        for (line, relation) in self.flat.relations.iter().filter(|(_, relation)| is_tie(relation.rel)) {
            let &RelationInput { rel, from, to, .. } = *relation;
            let at = At {
                line: *line,
                pointer: &relation.at,
            };
            self.exists(from, rel.def().from, Self::end_name(rel, true), at)?;
            self.exists(to, rel.def().to, Self::end_name(rel, false), at)?;
            let place = Place {
                at,
                within: "",
                fields: &relation.fields,
            };
            places.push((rel, from, to, false, place));
        }
        places.sort_by_key(|(.., place)| place.at.line);
        let mut known: HashMap<(Rel, Uuid, Uuid), usize, foldhash::fast::RandomState> = HashMap::default();
        let mut ties: Vec<Tie<'i>> = Vec::with_capacity(places.len());
        for (rel, from, to, unlinks, place) in places {
            let index = *known.entry((rel, from, to)).or_insert(ties.len());
            match ties.get_mut(index) {
                Some(tie) => tie.places.push(place),
                None => ties.push(Tie {
                    rel,
                    from,
                    to,
                    unlinks,
                    at: place.at,
                    places: vec![place],
                }),
            }
        }
        Ok(ties)
    }

    /// Removes a relation, if it is there. Who loses a way by it loses the reservation, as by the named operations.
    fn unrelate(&mut self, tie: &Tie<'i>) -> Result<(), Failed> {
        let &Tie { rel, from, to, at, .. } = tie;
        // Asked in any case: whether it is there is not told to whoever may not remove it.
        self.may_relate(rel, from, to, Action::Delete, at)?;
        let graph = self.tx.graph();
        let ends = graph.find(from).zip(graph.find(to));
        if ends
            .and_then(|(near, far)| near.relation(Hop::forward(rel), far))
            .is_none()
        {
            return Ok(());
        }
        self.doubt(rel, from, to);
        self.tx.unrelate(rel, from, to).map_err(|why| at.failed(why))
    }

    /// The permission on the relation; whose it is is asked at the end.
    fn may_relate(&mut self, rel: Rel, from: Uuid, to: Uuid, action: Action, at: At<'i>) -> Result<(), Failed> {
        let relation_type = rel.def().relation_type;
        if relation_type.is_named() {
            self.who
                .require(Permission::Relation(relation_type, action))
                .map_err(|denied| at.failed(denied))?;
        } else {
            // A plain relation is nothing by itself: it changes both of its ends.
            for id in [from, to] {
                self.may_change_kind(id).map_err(|denied| at.failed(denied))?;
            }
        }
        self.homes.push((home(rel, from, to), at));
        Ok(())
    }

    /// What has its way to a license by this relation, which is about to end.
    fn doubt(&mut self, rel: Rel, from: Uuid, to: Uuid) {
        let graph = self.tx.graph();
        let Some((near, far)) = graph.find(from).zip(graph.find(to)) else {
            return;
        };
        let in_doubt = match rel.def().relation_type {
            RelationType::Membership => paths::reservations(far, Some(near.id)),
            RelationType::LicenseConsumerRelation => paths::reservations_in(near, far),
            _ => Vec::new(),
        };
        self.in_doubt.extend(in_doubt);
    }

    /// Makes a named or many-to-many relation, or merges fields into the one there is.
    fn relate(&mut self, tie: &Tie<'i>) -> Result<(), Failed> {
        let &Tie { rel, from, to, at, .. } = tie;
        if from == to {
            return Err(at.failed(Refusal::SelfRelation(from)));
        }
        tie.agrees()?;
        let graph = self.tx.graph();
        let ends = graph.find(from).zip(graph.find(to));
        let current = ends.and_then(|(near, far)| near.relation(Hop::forward(rel), far));
        let said = tie.places.iter().flat_map(|place| place.fields);
        let fields =
            content::merge_relation(rel, current, said).map_err(|(name, refusal)| tie.failed(&name, refusal))?;
        if current == Some(fields.values()) {
            return Ok(());
        }
        let is_there = current.is_some();
        let action = if is_there { Action::Update } else { Action::Create };
        self.may_relate(rel, from, to, action, at)?;
        if !is_there {
            return self.tx.relate(rel, from, to, fields).map_err(|why| at.failed(why));
        }
        // A membership may be given an end: then what it opened is closed.
        self.doubt(rel, from, to);
        self.tx
            .update_relation(rel, from, to, fields)
            .map_err(|why| at.failed(why))
    }

    /// The permission to update it, or, if it came with this body, to have created it.
    fn may_change_kind(&self, id: Uuid) -> Result<(), crate::access::Denied> {
        match (self.subject(id), self.tx.graph().find(id)) {
            (Some(subject), _) if subject.is_new => Ok(()),
            (_, Some(node)) => self.who.require(Permission::Kind(node.kind, Action::Update)),
            (_, None) => Err(crate::access::Denied::OutOfReach(id)),
        }
    }
}

/// A relation that the body says is to be there, or not to be.
struct Tie<'i> {
    rel: Rel,
    from: Uuid,
    to: Uuid,
    /// In all of its places: `unlinkable` has seen to that.
    unlinks: bool,
    /// Where it stands first.
    at: At<'i>,
    places: Vec<Place<'i>>,
}

/// Where a relation stands, and with which fields.
#[derive(Clone, Copy)]
struct Place<'i> {
    at: At<'i>,
    /// What leads from there to the fields.
    within: &'static str,
    fields: &'i [(u8, Option<Value>)],
}

impl Tie<'_> {
    /// As objects do (`Subject::agrees`).
    fn agrees(&self) -> Result<(), Failed> {
        if self.places.len() < 2 {
            return Ok(());
        }
        let said = self.places.iter().flat_map(|place| {
            place.fields.iter().map(move |(field, value)| Said {
                line: place.at.line,
                place: (place, *field),
                field: Field::Own(*field),
                value,
            })
        });
        let fields = self.rel.def().fields;
        agree(fields, said).map_err(|(place, field)| {
            let name = fields[usize::from(field)].name;
            place.failed(name, Refusal::TwoValues(name.to_owned()))
        })
    }

    /// A refusal about a field stands where it is said last; one that is said nowhere, at the relation.
    fn failed(&self, name: &str, why: Refusal) -> Failed {
        let field = self.rel.def().field(name);
        let says = |place: &&Place<'_>| place.fields.iter().any(|(said, _)| Some(*said) == field);
        match self.places.iter().rev().find(says) {
            Some(place) => place.failed(name, why),
            None => self.at.failed(why),
        }
    }
}

impl Place<'_> {
    fn failed(&self, name: &str, why: Refusal) -> Failed {
        self.at.member(&format!("{}{name}", self.within), why)
    }
}

/// The top of the chain of owners: an organization, a profile, a person, an item.
fn root(node: Node<'_>) -> Node<'_> {
    let mut at = node;
    while let Some(owner) = at.kind.owners().find_map(|rel| at.parent(rel)) {
        at = owner;
    }
    at
}

/// The end that says whose the relation is: a membership is its group's, a right of use its entitlement's.
fn home(rel: Rel, from: Uuid, to: Uuid) -> Uuid {
    match (rel.def().relation_type, rel.def().to) {
        (RelationType::Membership, _) | (RelationType::ManyToMany, Kind::OrganizationRole) => to,
        _ => from,
    }
}
