//! The generic writes: object graphs merged into the graph, and what a selector matches removed. Everything happens in
//! one transaction, and on an error the caller abandons it. The merge rules are those of `graph-api.md` 2.1.
//!
//! In what order: the body is laid flat and every object gets its id (`flat`); each is admitted (does it exist, may this
//! caller know), created or updated with its merged fields (`content`); parents and relations are linked (`link`); and
//! last come the rules that look at the whole (`rules`): owners, seats, the reach of a bound token.
//!
//! What a caller does not see is answered in one way: a reference to it as dangling (`danglingReference`), its id as one
//! that cannot be used (`idNotUsable`), whatever is behind the id and whosever it is. That an id cannot be used tells
//! that something has it: with ids chosen by clients and unique over all tenants nothing else is possible, short of
//! giving another id than was asked for.

mod content;
mod flat;
mod link;
mod remove;
mod rules;
mod steps;
#[cfg(test)]
mod tests;
mod told;

pub use remove::Deleted;
pub use steps::{Allows, Rest, Undeleted, delete, delete_found, delete_rest, rehearse, step};
pub use told::{Told, told};

use std::collections::HashMap;

use uuid::Uuid;

use crate::access::{Action, Denied, Permission, Permissions, View, Who};
use crate::entitlement::paths::Reservation;
use crate::entitlement::reserve::{self, Had};
use crate::entitlement::{ended, notes};
use crate::error::Error;
use crate::graph::{Kept, Node, Savepoint, Transaction, Violation};
use crate::limits::Limits;
use crate::model::schema::{Role, place};
use crate::model::{Change, Entity, Field, Fields, Kind, Rel, Revision, Values};
use crate::query::{self, Plan};
use crate::selector::ast::Selector;

use super::input::{ImportLine, ObjectInput};
use super::login;
use super::refusal::{InputError, Refusal};
use content::{FieldRefusal, ServerOwned};
use flat::{Flat, Subject};

const PASSWORD_HASH: u8 = place(Kind::EmailAndPassword, "passwordHash");

/// Which generic write: an import keeps serials and times, and asks for `Server.import` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// POST and PUT, which do the same.
    Merge,
    Import,
}

/// A precondition on the one top-level object of a write, or on the one entity to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// `*`: it exists.
    Any,
    /// It is at one of these revisions.
    Of(Vec<Revision>),
    /// `If-None-Match: *`: it does not exist.
    None,
}

impl IfMatch {
    fn failure(&self) -> Refusal {
        match self {
            Self::Any | Self::Of(_) => Refusal::Stale,
            Self::None => Refusal::NotNew,
        }
    }

    fn holds(&self, node: Option<Node<'_>>) -> bool {
        match (self, node) {
            (Self::None, node) => node.is_none(),
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::Of(revisions), Some(node)) => revisions.contains(&node.revision),
        }
    }
}

/// How the selector of a DELETE is going to be answered, if this caller may delete what it names at all: that is asked
/// before anything is looked for, so a refusal tells nothing of what is there.
pub fn deletion(selector: &Selector, view: &View<'_>, limits: &Limits) -> Result<Plan, Error> {
    let plan = query::plan(selector, view, limits)?;
    let permission = Permission::Kind(plan.result_kind(), Action::Delete);
    view.who().require(permission)?;
    Ok(plan)
}

/// What a POST or PUT did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upserted {
    /// The top-level objects in the order of the body; one that stood there twice is here twice.
    pub top: Vec<Uuid>,
    /// The first top-level object did not exist before.
    pub created_top: bool,
    /// Entities and relations created, updated and removed, as far as the caller may know of them.
    pub told: Told,
}

/// An import that stopped: the line by its place in the batch, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct ImportError {
    pub line: usize,
    pub error: Error,
}

/// Merges objects into the graph.
pub fn upsert(
    tx: &mut Transaction<'_>,
    who: &Who,
    objects: &[ObjectInput],
    mode: Mode,
    if_match: Option<&IfMatch>,
) -> Result<Upserted, Error> {
    if mode == Mode::Import {
        who.require(Permission::ServerImport)?;
    }
    if if_match.is_some() && objects.len() != 1 {
        return Err(InputError {
            at: String::new(),
            why: Refusal::IfMatchNeedsOne,
        }
        .into());
    }
    // A body is one line, however many it has.
    let flat = Flat::of(objects.iter().map(|object| (0, object)), tx)?;
    let top = flat.top.clone();
    let mut write = Write::new(tx, who, mode, flat);
    let created_top = write.run(if_match)?;
    let ids = top.iter().map(|index| write.flat.subjects[*index].id).collect();
    Ok(Upserted {
        top: ids,
        created_top,
        told: told(tx, who),
    })
}

/// Merges lines of the import format: objects, and relations by their ends. References may point to what is stored and to
/// any line of the same batch.
pub fn import(tx: &mut Transaction<'_>, who: &Who, lines: &[ImportLine]) -> Result<(), ImportError> {
    who.require(Permission::ServerImport).map_err(|denied| ImportError {
        line: 0,
        error: denied.into(),
    })?;
    let objects = lines.iter().enumerate().filter_map(|(line, input)| match input {
        ImportLine::Object(object) => Some((line, object)),
        ImportLine::Relation(_) => None,
    });
    let at = |failed: Failed| ImportError {
        line: failed.line,
        error: failed.error(),
    };
    let mut flat = Flat::of(objects, tx).map_err(at)?;
    flat.relations = lines
        .iter()
        .enumerate()
        .filter_map(|(line, input)| match input {
            ImportLine::Relation(relation) => Some((line, relation)),
            ImportLine::Object(_) => None,
        })
        .collect();
    Write::new(tx, who, Mode::Import, flat).run(None).map_err(at)?;
    Ok(())
}

/// Entities and relations that a transaction has created, updated or removed so far; the server's own housekeeping is not
/// told.
pub fn count(tx: &Transaction<'_>) -> u64 {
    let changes = tx.changes();
    let told = changes.iter().filter(|change| match change {
        Change::Entity { before, after } => before
            .as_ref()
            .or(after.as_ref())
            .is_some_and(|entity| !entity.kind.def().internal),
        Change::Relation { .. } => true,
    });
    told.count() as u64
}

/// A refusal with its place, before it becomes an error of one request or of one line.
struct Failed {
    line: usize,
    at: String,
    why: Refusal,
}

impl Failed {
    fn error(self) -> Error {
        InputError {
            at: self.at,
            why: self.why,
        }
        .into()
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        failed.error()
    }
}

/// Where something stands in what was sent.
#[derive(Clone, Copy)]
struct At<'i> {
    line: usize,
    pointer: &'i str,
}

impl At<'_> {
    fn failed(self, why: impl Into<Refusal>) -> Failed {
        Failed {
            line: self.line,
            at: self.pointer.to_owned(),
            why: why.into(),
        }
    }

    fn member(self, name: &str, why: impl Into<Refusal>) -> Failed {
        Failed {
            line: self.line,
            at: format!("{}/{name}", self.pointer),
            why: why.into(),
        }
    }
}

/// What the server keeps of what was done, and may go by later: not for those who did it to write, to move or to wipe out.
fn record(kind: Kind, fields: Values<'_>) -> Option<Refusal> {
    match kind {
        Kind::LicenseHistory => Some(Refusal::Record("`LicenseHistory`")),
        Kind::LicenseMetadata if notes::is_servers_note(fields) => {
            Some(Refusal::Record("`LicenseMetadata` of such a key"))
        }
        _ => None,
    }
}

/// One write under way.
struct Write<'t, 'g, 'i> {
    tx: &'t mut Transaction<'g>,
    who: Who,
    mode: Mode,
    flat: Flat<'i>,
    /// Before it: what others did in the same transaction was looked at when they did it.
    start: Savepoint,
    /// Reservations whose way to the license may have been closed.
    in_doubt: Vec<Reservation>,
    /// Relations of a bound token, by the end that says whose they are.
    homes: Vec<(Uuid, At<'i>)>,
    /// Entities in the place of hidden ones: such a write is refused, whatever else it says.
    intruders: Vec<Uuid>,
    /// Those that gave up a value to another of the same body, as they were before it: as their sender read them.
    gave_up: HashMap<Uuid, Entity, foldhash::fast::RandomState>,
}

impl<'t, 'g, 'i> Write<'t, 'g, 'i> {
    fn new(tx: &'t mut Transaction<'g>, who: &Who, mode: Mode, flat: Flat<'i>) -> Self {
        let mut who = who.clone();
        // `Server.import` stands for all that an import does.
        if mode == Mode::Import {
            who.permissions = Permissions::ALL;
        }
        let start = tx.savepoint();
        Self {
            tx,
            who,
            mode,
            flat,
            start,
            in_doubt: Vec::new(),
            homes: Vec::new(),
            intruders: Vec::new(),
            gave_up: HashMap::default(),
        }
    }

    /// Did the first top-level object not exist before?
    fn run(&mut self, if_match: Option<&IfMatch>) -> Result<bool, Failed> {
        let first = self.flat.top.first().copied();
        // Before an id is looked at any closer: a hidden one and one that nothing has are equally stale.
        if let (Some(if_match), Some(first)) = (if_match, first) {
            let subject = &self.flat.subjects[first];
            let known = self.tx.graph().find(subject.id).filter(|node| self.knows(node.id));
            if !if_match.holds(known) {
                return Err(subject.at().failed(if_match.failure()));
            }
        }
        for index in 0..self.flat.subjects.len() {
            self.admit(index)?;
        }
        self.unlinkable()?;
        for index in 0..self.flat.subjects.len() {
            self.write(index)?;
        }
        self.link()?;
        self.rules()?;
        Ok(first.is_some_and(|first| self.flat.subjects[first].is_new))
    }

    /// May this caller know of it? Who may update a kind knows of what is in reach, even without reading it.
    fn knows(&self, id: Uuid) -> bool {
        let view = self.view();
        let known = |node| view.sees(node) || view.may_touch(node, Action::Update).is_ok();
        self.tx.graph().find(id).is_some_and(known)
    }

    fn view(&self) -> View<'_> {
        View::new(self.tx.graph(), &self.who)
    }

    /// Decides whether an object is new, and whether this caller may know that it is not.
    fn admit(&mut self, index: usize) -> Result<(), Failed> {
        let Subject { id, kind, .. } = self.flat.subjects[index];
        let at = self.flat.subjects[index].at();
        if kind.def().internal {
            return Err(at.failed(Refusal::UnknownType(kind.name())));
        }
        let view = self.view();
        let create = || self.who.require(Permission::Kind(kind, Action::Create));
        let is_new = match self.tx.graph().find(id) {
            // No entity has it; the administrator who is no entity does.
            None if id.is_nil() => return Err(at.member("id", Refusal::IdNotUsable(id))),
            None => true,
            Some(node) if node.kind == kind && self.knows(id) => false,
            Some(node) if view.sees(node) => {
                return Err(at.member(
                    "id",
                    Refusal::WrongType {
                        id,
                        is: node.kind,
                        wanted: kind,
                    },
                ));
            }
            // Hidden: what a caller who may create anyway learns is that the id is taken; others learn nothing.
            Some(_) => {
                create().map_err(|denied| at.failed(denied))?;
                return Err(at.member("id", Refusal::IdNotUsable(id)));
            }
        };
        if is_new {
            create().map_err(|denied| at.failed(denied))?;
        }
        let subject = &mut self.flat.subjects[index];
        subject.is_new = is_new;
        subject.agrees()?;
        Ok(())
    }

    /// Creates the entity, or updates it where the body says something new.
    fn write(&mut self, index: usize) -> Result<(), Failed> {
        let Subject { id, kind, .. } = self.flat.subjects[index];
        let at = self.flat.subjects[index].at();
        let restored = self.is_restored(index);
        let current = self.tx.graph().find(id).map(|node| node.entity().clone());
        let before = self.gave_up.remove(&id);
        let read = before.as_ref().or(current.as_ref());
        let (fields, kept) = self.merged(index, read).map_err(|(name, refusal)| {
            let refusal = match refusal {
                Refusal::NotAsRead { kind, field, .. } if self.view().find(id).is_none() => {
                    Refusal::NotAsRead { kind, field, now: None }
                }
                refusal => refusal,
            };
            self.flat.subjects[index].failed(&name, refusal)
        })?;
        let now = self.tx.now();
        let written = record(kind, fields.values()).filter(|_| !restored);
        let Some(current) = current else {
            if let Some(refusal) = written {
                return Err(at.failed(refusal));
            }
            self.take(index, fields, |tx, fields| tx.create(id, kind, fields, kept))?;
            let subject = &mut self.flat.subjects[index];
            subject.is_touched = true;
            // What was exported was so already, however its credits have run out since.
            subject.reserves = (kind == Kind::Assignment && !restored).then(Had::default);
            subject.consumes = kind == Kind::Consumption && !restored;
            return Ok(());
        };
        if current.fields() == fields.values() {
            return Ok(());
        }
        self.may_update(id).map_err(|denied| at.failed(denied))?;
        let had = record(kind, current.fields());
        // As with a field of the server's own: what it is since stays.
        if had.is_some() && self.mode == Mode::Import {
            return Ok(());
        }
        if let Some(refusal) = had.or(written) {
            return Err(at.failed(refusal));
        }
        if kind == Kind::Assignment
            && let Some(node) = self.tx.graph().find(id)
        {
            if let Some(license) =
                reserve::reserved(node, now).filter(|_| reserve::gives_back(node.fields(), fields.values(), now))
            {
                let ended_by = reserve::ended_by(node.fields(), fields.values());
                let failed = |refused| self.flat.subjects[index].failed(ended_by, refused);
                reserve::may_release(license).map_err(failed)?;
            }
            let had = Had::of(node, now);
            self.flat.subjects[index].reserves = Some(had).filter(|had| !had.reservation);
        }
        self.flat.subjects[index].had_ended = kind == Kind::License && ended::has_ended(&current, now);
        let is_new_password =
            kind == Kind::EmailAndPassword && current.fields().get(PASSWORD_HASH) != fields.get(PASSWORD_HASH);
        self.take(index, fields, |tx, fields| tx.update(id, fields))?;
        self.flat.subjects[index].is_touched = true;
        if is_new_password {
            let users = self.tx.graph().find(id).map(login::users).unwrap_or_default();
            login::out(self.tx, &self.who, &users).map_err(|violation| at.failed(violation))?;
        }
        Ok(())
    }

    /// Is it put back as it was exported?
    fn is_restored(&self, index: usize) -> bool {
        let subject = &self.flat.subjects[index];
        self.mode == Mode::Import && subject.is_new && subject.names_serial()
    }

    fn merged(&self, index: usize, current: Option<&Entity>) -> Result<(Fields, Kept), FieldRefusal> {
        let subject = &self.flat.subjects[index];
        let server_owned = match (self.mode, subject.is_new) {
            (Mode::Merge, _) => ServerOwned::Refused,
            (Mode::Import, false) => ServerOwned::Ignored,
            (Mode::Import, true) if self.is_restored(index) => ServerOwned::Kept,
            (Mode::Import, true) => ServerOwned::TimesKept,
        };
        let inputs = subject.said().map(|(_, input)| input);
        content::merge(subject.kind, current, inputs, server_owned)
    }

    /// A step that takes the unique values among these fields. What counts is who has them after the whole request: one that
    /// the body has somebody else give up further on is given up before.
    fn take(
        &mut self,
        index: usize,
        fields: Fields,
        step: impl Fn(&mut Transaction<'g>, Fields) -> Result<(), Violation>,
    ) -> Result<(), Failed> {
        let is_last = index + 1 == self.flat.subjects.len();
        let taken = match is_last {
            true => step(self.tx, fields),
            false => {
                let mut taken = step(self.tx, fields.clone());
                // Each time round somebody has one value less.
                while taken.as_ref().is_err_and(|violation| self.gives_up(index, violation)) {
                    taken = step(self.tx, fields.clone());
                }
                taken
            }
        };
        taken.map_err(|violation| self.at_violation(self.flat.subjects[index].id, violation))
    }

    /// Has whoever has the value another one, or none, after this request? Then it has none from now on.
    fn gives_up(&mut self, index: usize, violation: &Violation) -> bool {
        let &Violation::NotUnique {
            kind, field, taken_by, ..
        } = violation
        else {
            return false;
        };
        let later = self.flat.by_id.get(&taken_by).copied().filter(|other| *other > index);
        let Some((other, field)) = later.zip(kind.field(field)) else {
            return false;
        };
        let Some(current) = self.tx.graph().find(taken_by).map(|node| node.entity().clone()) else {
            return false;
        };
        let is_kept = |fields: &Fields| fields.get(field) == current.fields().get(field);
        let read = self.gave_up.get(&taken_by).unwrap_or(&current);
        // What else is wrong with it is said where it is written.
        if self.merged(other, Some(read)).is_ok_and(|(fields, _)| is_kept(&fields))
            || self.may_update(taken_by).is_err()
        {
            return false;
        }
        let is_free = self.tx.update(taken_by, current.fields().with(field, None)).is_ok();
        if is_free {
            self.flat.subjects[other].is_touched = true;
            self.gave_up.entry(taken_by).or_insert(current);
        }
        is_free
    }

    /// What can be seen, and not changed, is read-only, however far away it is.
    fn may_update(&self, id: Uuid) -> Result<(), Denied> {
        let view = self.view();
        let Some(node) = self.tx.graph().find(id) else {
            return Err(Denied::OutOfReach(id));
        };
        view.may_touch(node, Action::Update).map_err(|denied| match denied {
            Denied::OutOfReach(id) => Denied::ReadOnly(id),
            other => other,
        })
    }

    /// A violation stands at what brought it about: at the field that is not unique or the reference that brought it to where
    /// it is not, at the serial, at the parent that was taken away; else at the object.
    fn at_violation(&self, id: Uuid, violation: Violation) -> Failed {
        let Some(subject) = self.subject(id) else {
            return At { line: 0, pointer: "" }.failed(violation);
        };
        let owns = |rel: Rel| rel.def().role == Role::Owner;
        let named = match &violation {
            Violation::NotUnique { field, .. } if subject.field_at(field).is_some() => {
                return subject.failed(field, violation);
            }
            Violation::SerialOutOfRange { .. } | Violation::SerialTaken { .. } => {
                return subject.failed("serial", violation);
            }
            Violation::NotUnique { .. } => self.reference(id, |named| named.parent.is_some() && owns(named.rel)),
            Violation::NoOwner { .. } => self.reference(id, |named| named.parent.is_none() && owns(named.rel)),
            Violation::NoParent { rel, .. } => self.reference(id, |named| named.parent.is_none() && named.rel == *rel),
            _ => None,
        };
        match named {
            Some(named) => named.failed(violation),
            None => subject.at().failed(violation),
        }
    }

    /// How the body calls a parent.
    fn reference_name(rel: Rel) -> String {
        Field::Parent(rel).name(rel.def().to)
    }

    fn subject(&self, id: Uuid) -> Option<&Subject<'i>> {
        self.flat.by_id.get(&id).map(|index| &self.flat.subjects[*index])
    }
}

type ById = HashMap<Uuid, usize, foldhash::fast::RandomState>;
