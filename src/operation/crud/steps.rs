//! A DELETE that is too much for one commit is several, each of at most `limits.cascade` entities and relations, so that
//! the writes of others need not wait until all of it is done: first what hangs on the selected ones, from the leaves
//! upward, and in the last commit what was asked for itself, with what little is left of it.
//!
//! What is selected is decided once. May it go, and what hangs on it, is asked in each step anew: others write in between.

use std::collections::HashSet;
use std::sync::Arc;

use foldhash::fast::RandomState;
use uuid::Uuid;

use crate::access::{View, Who};
use crate::entitlement::paths::{self, Reservation};
use crate::entitlement::{Refused, going};
use crate::error::Error;
use crate::graph::{Graph, Node, Part, Transaction};
use crate::limits::Limits;
use crate::model::{Change, Kind, Time};
use crate::operation::{Sought, login, sale};
use crate::selector::ast::Selector;

use super::remove::{Target, asked, in_doubt, may_go, refused, take};
use super::told::told_of;
use super::{Deleted, IfMatch, deletion, told};

/// An entity is not parted from those it hangs on, which are up to five, so that it is six with its relations. Two more may be
/// written before it goes.
const LEAST: usize = 8;

/// Why a removal was not carried out.
#[derive(Debug)]
pub enum Undeleted<E = Error> {
    Refused(E),
    /// Nothing refuses it so far, but it is more than a commit may remove: this is to be removed in steps.
    Large(Rest),
}

impl<E> From<E> for Undeleted<E> {
    fn from(error: E) -> Self {
        Self::Refused(error)
    }
}

impl<E> Undeleted<E> {
    /// A refusal as somebody else words it.
    pub fn worded<F>(self, word: impl FnOnce(E) -> F) -> Undeleted<F> {
        match self {
            Self::Refused(error) => Undeleted::Refused(word(error)),
            Self::Large(rest) => Undeleted::Large(rest),
        }
    }
}

/// What else may keep one of those that would go from going, with all of it. Asked of each: of the whole before anything goes, and
/// in each step of what goes in it, since others write in between.
pub type Allows = fn(Node<'_>, Time) -> Result<(), Refused>;

/// What was selected, and how many of the first of them are gone.
#[derive(Clone, Debug)]
pub struct Rest {
    targets: Arc<[Target]>,
    gone: usize,
    /// A step was made.
    begun: bool,
    /// Entities and relations that earlier steps removed, and how many they may: twice what the graph held at first. Who
    /// has removed more is followed by others who add as fast, and would never be done.
    removed: usize,
    bound: usize,
    /// The profile that a step ended and did not remove yet.
    ended: Option<Uuid>,
    allows: Option<Allows>,
}

impl Rest {
    fn left(&self) -> &[Target] {
        &self.targets[self.gone..]
    }

    /// Those that were selected and are not known to be gone.
    pub fn targets(&self) -> impl ExactSizeIterator<Item = (Kind, Uuid)> + '_ {
        self.left().iter().map(|target| (target.kind, target.end.id))
    }

    /// Is any of them there?
    pub fn is_left(&self, graph: &Graph) -> bool {
        self.left().iter().any(|target| target.find(graph).is_some())
    }

    /// Whoever deletes its own profile may go on with it, though nobody else comes in by that profile any more.
    pub fn ended(&self) -> Option<Uuid> {
        self.ended
    }

    /// May all go that would go with it? Asked of the whole before the first of several steps, and in each of what goes in it.
    pub fn may_go(&self, graph: &Graph, who: &Who, now: Time) -> Result<(), Error> {
        let view = View::new(graph, who);
        let mut found = self.left().iter().filter_map(|target| target.find(graph));
        found.try_for_each(|node| view.owns_cascade(node))?;
        self.is_allowed(graph, self.left(), now)
    }

    /// The same where nobody else writes: in the transaction of the first step, which the others wait for. What is more than a
    /// dry run may be is not asked again: others may have written since the snapshot was asked, and then a later step may be refused.
    fn may_begin(&self, tx: &Transaction<'_>, who: &Who, limits: &Limits) -> Result<(), Error> {
        let (graph, most) = (tx.graph(), usize::try_from(limits.targets).unwrap_or(usize::MAX));
        let is_asked = !self.begun && (self.allows.is_some() || who.organization.is_some());
        let ids = self
            .left()
            .iter()
            .filter_map(|target| target.find(graph))
            .map(|node| node.id);
        match is_asked && graph.cascade_size(ids, most).is_some() {
            true => self.may_go(graph, who, tx.now()),
            false => Ok(()),
        }
    }

    fn is_allowed(&self, graph: &Graph, targets: &[Target], now: Time) -> Result<(), Error> {
        let found = targets.iter().filter_map(|target| target.find(graph));
        allowed(self.allows, graph, found.map(|node| node.id), now)
    }

    /// Would what is left go in one commit?
    pub fn fits(&self, graph: &Graph, limits: &Limits) -> bool {
        let left = self.left();
        match left {
            [only] if goes_whole(only.kind) => true,
            _ => {
                let found = left.iter().filter(|target| target.find(graph).is_some());
                // One more than fit is enough to tell.
                let ids = found.map(|target| target.end.id).take(most(limits).saturating_add(1));
                graph.cascade_size(ids, most(limits)).is_some()
            }
        }
    }
}

/// Of these, and of all that goes with them.
fn allowed(allows: Option<Allows>, graph: &Graph, mut ids: impl Iterator<Item = Uuid>, now: Time) -> Result<(), Error> {
    match allows {
        Some(allows) => ids.try_for_each(|id| {
            graph
                .cascade(id)
                .try_for_each(|going| allows(going, now))
                .map_err(refused)
        }),
        None => Ok(()),
    }
}

fn most(limits: &Limits) -> usize {
    usize::try_from(limits.cascade).unwrap_or(usize::MAX).max(LEAST)
}

/// What they give to others ends with them, and is not removed: that is decided of all of it at once.
fn goes_whole(kind: Kind) -> bool {
    matches!(kind, Kind::AllocationRule | Kind::DirectRecord)
}

/// Everything a selector matches, at most `limits.targets`, or nothing.
pub fn delete(
    tx: &mut Transaction<'_>,
    who: &Who,
    selector: &Selector,
    sought: &Sought,
    if_match: Option<&IfMatch>,
    limits: &Limits,
    dry_run: bool,
) -> Result<Deleted, Undeleted> {
    let found = {
        let view = View::new(tx.graph(), who);
        sought.matches(selector, &deletion(selector, &view, limits)?, &view, limits)?
    };
    delete_found(tx, who, &found, if_match, None, limits, dry_run)
}

/// All that was found, or nothing.
pub fn delete_found(
    tx: &mut Transaction<'_>,
    who: &Who,
    found: &[Uuid],
    if_match: Option<&IfMatch>,
    allows: Option<Allows>,
    limits: &Limits,
    dry_run: bool,
) -> Result<Deleted, Undeleted> {
    let rest = Rest {
        allows,
        ..selected(tx, who, found, if_match)?
    };
    if dry_run {
        bound_dry_run(tx.graph(), found, limits)?;
    } else if !rest.fits(tx.graph(), limits) {
        return Err(Undeleted::Large(rest));
    }
    // Not of what does not fit: it may be long, and others wait.
    rest.is_allowed(tx.graph(), rest.left(), tx.now())?;
    Ok(finished(tx, who, &rest)?)
}

/// What is to be removed, once all of it may go.
pub(super) fn selected(
    tx: &Transaction<'_>,
    who: &Who,
    targets: &[Uuid],
    if_match: Option<&IfMatch>,
) -> Result<Rest, Error> {
    let mut targets = asked(tx.graph(), who, targets, if_match, tx.now())?;
    // Whoever comes in by one of them goes on to the last commit, and so does that one.
    let comes_in_by = |id: Uuid| who.principal.profile == Some(id) || who.organization == Some(id);
    targets.sort_by_key(|target| comes_in_by(target.end.id));
    let graph = tx.graph();
    Ok(Rest {
        targets: targets.into(),
        gone: 0,
        begun: false,
        removed: 0,
        ended: None,
        allows: None,
        bound: 2 * (graph.len() + graph.relation_count()),
    })
}

/// Is it still as it was when its caller read it? Asked until the first step is stored: from then on a part is gone, and to
/// end half way would save nothing. What goes beneath it leaves its ETag as it is; a relation cut at it changes that, and so
/// does the end of a profile.
fn unchanged(tx: &Transaction<'_>, who: &Who, rest: &Rest, if_match: Option<&IfMatch>) -> Result<(), Error> {
    if let (Some(if_match), [only]) = (if_match, &*rest.targets) {
        asked(tx.graph(), who, &[only.end.id], Some(if_match), tx.now())?;
    }
    Ok(())
}

/// Is a dry run short enough, of what may go? Asked of a snapshot before others have to wait for it. What may not go is refused
/// for that, as without `dryRun`: how much would go with it may be nothing the caller may know.
pub fn rehearse(
    graph: &Graph,
    who: &Who,
    targets: &[Uuid],
    if_match: Option<&IfMatch>,
    limits: &Limits,
    now: Time,
) -> Result<(), Error> {
    let found = asked(graph, who, targets, if_match, now)?;
    bound_dry_run(graph, targets, limits).or_else(|too_large| {
        let view = View::new(graph, who);
        let mut found = found.iter().filter_map(|target| target.find(graph));
        found.try_for_each(|node| view.owns_cascade(node))?;
        Err(too_large)
    })
}

/// A dry run has no steps: others wait for it, however it ends. It may be as long as an operation's targets.
fn bound_dry_run(graph: &Graph, targets: &[Uuid], limits: &Limits) -> Result<(), Error> {
    let limit = usize::try_from(limits.targets).unwrap_or(usize::MAX);
    match graph.cascade_size(targets.iter().copied(), limit) {
        Some(_) => Ok(()),
        None => Err(Error::DryRunTooLarge(limits.targets())),
    }
}

/// One step of what is left, which must not be the last. Gives what is left then, and how many entities and relations
/// it removed or changed, as far as the caller may know of them.
pub fn step(
    tx: &mut Transaction<'_>,
    who: &Who,
    mut rest: Rest,
    if_match: Option<&IfMatch>,
    limits: &Limits,
) -> Result<(Rest, u64), Error> {
    unchanged(tx, who, &rest, if_match)?;
    if rest.removed > rest.bound {
        return Err(Error::AddedMeanwhile);
    }
    rest.may_begin(tx, who, limits)?;
    rest.begun = true;
    let (limit, graph) = (most(limits), tx.graph());
    let view = View::new(graph, who);
    let (mut whole, mut room) = (Vec::new(), limit);
    // One stays for the last commit.
    while let [target, _, ..] = rest.left() {
        if let Some(node) = target.find(graph) {
            let size = graph.cascade_size([node.id], room);
            let Some(size) = size.or((whole.is_empty() && goes_whole(node.kind)).then_some(room)) else {
                break;
            };
            may_go(&view, node, tx.now())?;
            whole.push(*target);
            room -= size;
        }
        rest.gone += 1;
    }
    let closed = match (whole.is_empty(), rest.left().first()) {
        (true, Some(target)) => {
            let target = *target;
            let closed = part(tx, who, &rest, target, limit)?;
            rest.ended = (target.kind == Kind::Profile).then_some(target.end.id);
            closed
        }
        _ => {
            rest.is_allowed(graph, &whole, tx.now())?;
            take(tx, who, &whole)?;
            Vec::new()
        }
    };
    let changes = tx.changes();
    rest.removed += changes.iter().filter(|change| is_removal(change)).count();
    // That one gives nothing before it goes, or loses a relation, is no change beside that it goes.
    let updated = |change: &Change| match change {
        Change::Entity {
            before: Some(_),
            after: Some(after),
        } => Some(after.id),
        _ => None,
    };
    let changed: HashSet<Uuid, RandomState> = changes.iter().filter_map(updated).collect();
    // Few are, of the many that may be left.
    let going: HashSet<Uuid, RandomState> = match changed.is_empty() {
        true => HashSet::default(),
        false => {
            let left = rest.targets().map(|(_, id)| id);
            left.chain(closed).filter(|id| changed.contains(id)).collect()
        }
    };
    let is_told = |change: &Change| updated(change).is_none_or(|id| !going.contains(&id));
    let count = told_of(tx, who, is_told).count;
    Ok((rest, count))
}

fn is_removal(change: &Change) -> bool {
    matches!(
        change,
        Change::Entity { after: None, .. } | Change::Relation { after: None, .. }
    )
}

/// Of one that is more than a commit may remove. What a part is taken off gives nothing from before that on: what was written for
/// it.
fn part(tx: &mut Transaction<'_>, who: &Who, rest: &Rest, target: Target, limit: usize) -> Result<Vec<Uuid>, Error> {
    let Some(node) = target.find(tx.graph()) else {
        return Ok(Vec::new());
    };
    may_go(&View::new(tx.graph(), who), node, tx.now())?;
    let (now, mut closed) = (tx.now(), Vec::new());
    let is_open = |node: Node<'_>| !going::closed(node, now, 1).is_empty();
    loop {
        let (graph, room) = (tx.graph(), limit - closed.len());
        let of = match graph.part_of_cascade(target.end.id, room, going::first, is_open) {
            Some(Part::Open { of }) => graph.find(of),
            part => {
                part_of(tx, who, rest, target, part)?;
                return Ok(closed);
            }
        };
        // As much stays as one that is not parted needs.
        let most = (room + 2).saturating_sub(LEAST);
        let fields = of.map_or_else(Vec::new, |of| going::closed(of, now, most));
        if most == 0 || fields.is_empty() {
            return Ok(closed);
        }
        for (id, fields) in fields {
            tx.update(id, fields)?;
            closed.push(id);
        }
    }
}

fn part_of(tx: &mut Transaction<'_>, who: &Who, rest: &Rest, target: Target, part: Option<Part>) -> Result<(), Error> {
    let graph = tx.graph();
    match part {
        // It cannot be parted: then the bound gives way.
        None => {
            rest.is_allowed(graph, &[target], tx.now())?;
            take(tx, who, &[target])
        }
        Some(Part::Entities { children }) => children_of(tx, who, rest, target, children),
        Some(Part::Relations { of, .. }) if graph.find(of).is_some_and(|of| goes_whole(of.kind)) => {
            children_of(tx, who, rest, target, vec![of])
        }
        Some(Part::Relations { relations, .. }) => {
            let mut lost = Vec::new();
            for (rel, from, to) in relations {
                lost.extend(paths::reservations_by(tx.graph(), rel, from, to));
                tx.unrelate(rel, from, to)?;
                login::left(tx, who, rel, to)?;
            }
            Ok(paths::free_lost(tx, &lost)?)
        }
        // It is closed by now.
        Some(Part::Open { .. }) => Ok(()),
    }
}

/// They go with all that goes with them.
fn children_of(
    tx: &mut Transaction<'_>,
    who: &Who,
    rest: &Rest,
    target: Target,
    children: Vec<Uuid>,
) -> Result<(), Error> {
    allowed(rest.allows, tx.graph(), children.iter().copied(), tx.now())?;
    let view = View::new(tx.graph(), who);
    let mut found = children.iter().filter_map(|id| tx.graph().find(*id));
    found.try_for_each(|node| view.owns_cascade(node))?;
    let found = children.iter().filter_map(|id| tx.graph().find(*id));
    let users: Vec<Uuid> = found.flat_map(login::users).collect();
    // With a group or a rule, ways to licenses that stay are closed.
    let found = children.iter().filter_map(|id| tx.graph().find(*id));
    let lost: Vec<Reservation> = found.flat_map(in_doubt).collect();
    // Once its assignments have gone nothing tells what was sold for the sessions of a user.
    let found = children.iter().filter_map(|id| tx.graph().find(*id));
    let sessions: Vec<Uuid> = match target.kind {
        Kind::Profile => found.filter_map(sale::of_session).collect(),
        _ => Vec::new(),
    };
    for id in children {
        // It may have gone with one before it.
        if tx.graph().find(id).is_some() {
            tx.remove_cascading(id)?;
        }
    }
    login::out(tx, who, &users)?;
    sale::end_sessions(tx, &sessions)?;
    Ok(paths::free_lost(tx, &lost)?)
}

/// The last step: what is left, if it fits into one commit.
pub fn delete_rest(
    tx: &mut Transaction<'_>,
    who: &Who,
    rest: Rest,
    if_match: Option<&IfMatch>,
    limits: &Limits,
) -> Result<Deleted, Undeleted> {
    unchanged(tx, who, &rest, if_match)?;
    if !rest.fits(tx.graph(), limits) {
        return Err(Undeleted::Large(rest));
    }
    let view = View::new(tx.graph(), who);
    for node in rest.left().iter().filter_map(|target| target.find(tx.graph())) {
        may_go(&view, node, tx.now())?;
    }
    rest.is_allowed(tx.graph(), rest.left(), tx.now())?;
    Ok(finished(tx, who, &rest)?)
}

/// All that is left, in this transaction.
pub(super) fn finished(tx: &mut Transaction<'_>, who: &Who, rest: &Rest) -> Result<Deleted, Error> {
    let there = rest.left().iter().filter(|target| target.find(tx.graph()).is_some());
    let there: Vec<Target> = there.copied().collect();
    take(tx, who, &there)?;
    Ok(Deleted {
        objects: rest.targets.iter().map(|target| (target.kind, target.end.id)).collect(),
        told: told(tx, who),
    })
}
