//! A body laid flat: its objects by id, each once however often it stands there, and the places where one is listed
//! under another. Looks at no stored entity.

use uuid::Uuid;

use crate::entitlement::reserve::Had;
use crate::graph::Transaction;
use crate::model::{Field, FieldDef, Kind, Value};
use crate::operation::input::{FieldInput, ObjectInput, RelatedInput, RelationInput};
use crate::operation::refusal::Refusal;

use super::{At, ById, Failed, content};

pub(super) struct Flat<'i> {
    /// In order of first appearance, which is the order in which new ones get their serials.
    pub subjects: Vec<Subject<'i>>,
    pub by_id: ById,
    /// The top-level objects, as places in `subjects`.
    pub top: Vec<usize>,
    pub listed: Vec<Listed<'i>>,
    /// Of an import: relations by their ends.
    pub relations: Vec<(usize, &'i RelationInput)>,
}

/// An entity the body speaks of.
pub(super) struct Subject<'i> {
    pub id: Uuid,
    pub kind: Kind,
    pub is_new: bool,
    /// Created, updated or linked to another parent by this write.
    pub is_touched: bool,
    /// What an assignment held before that had no reservation; the seat may have been its own by a lease.
    pub reserves: Option<Had>,
    /// A license that had ended.
    pub had_ended: bool,
    /// A lease that is asked for by being written.
    pub consumes: bool,
    pub occurrences: Vec<Occurrence<'i>>,
}

#[derive(Clone, Copy)]
pub(super) struct Occurrence<'i> {
    pub line: usize,
    pub object: &'i ObjectInput,
}

/// One object listed under another.
#[derive(Clone, Copy)]
pub(super) struct Listed<'i> {
    pub under: usize,
    pub subject: usize,
    pub related: &'i RelatedInput,
    pub line: usize,
}

impl<'i> Listed<'i> {
    pub fn at(&self) -> At<'i> {
        At {
            line: self.line,
            pointer: &self.related.object.at,
        }
    }
}

impl<'i> Occurrence<'i> {
    pub fn at(self) -> At<'i> {
        At {
            line: self.line,
            pointer: &self.object.at,
        }
    }
}

impl<'i> Subject<'i> {
    /// Where it stands first.
    pub fn at(&self) -> At<'i> {
        self.occurrences
            .first()
            .map_or(At { line: 0, pointer: "" }, |first| first.at())
    }

    /// What the body says of its fields, in order.
    pub fn said(&self) -> impl Iterator<Item = (Occurrence<'i>, &'i FieldInput)> {
        let occurrences = self.occurrences.iter();
        occurrences.flat_map(|occurrence| occurrence.object.fields.iter().map(|input| (*occurrence, input)))
    }

    /// What it says of a field in the last place that does: of several lines the last one counts, and within one all say the same.
    fn last(&self, name: &str) -> Option<(Occurrence<'i>, &'i FieldInput)> {
        self.said()
            .filter(|(_, input)| input.field.name(self.kind) == name)
            .last()
    }

    /// Where that is.
    pub fn field_at(&self, name: &str) -> Option<At<'i>> {
        self.last(name).map(|(occurrence, _)| occurrence.at())
    }

    /// A refusal about a field stands where the body says it; one that it says nowhere, at the object.
    pub fn failed(&self, name: &str, why: impl Into<Refusal>) -> Failed {
        match self.field_at(name) {
            Some(at) => at.member(name, why),
            None => self.at().failed(why),
        }
    }

    /// The body says `null` of the field.
    pub fn clears(&self, name: &str) -> bool {
        self.last(name).is_some_and(|(_, input)| input.value.is_none())
    }

    pub fn names_serial(&self) -> bool {
        self.said()
            .any(|(_, input)| input.field == Field::Serial && input.value.is_some())
    }

    /// Do all places say the same of its fields?
    pub fn agrees(&self) -> Result<(), Failed> {
        if self.occurrences.len() < 2 {
            return Ok(());
        }
        let said = self.said().map(|(occurrence, input)| Said {
            line: occurrence.line,
            place: (occurrence, input.field),
            field: input.field,
            value: &input.value,
        });
        agree(self.kind.def().fields, said).map_err(|(occurrence, field)| {
            let name = field.name(self.kind);
            occurrence.at().member(&name, Refusal::TwoValues(name.clone()))
        })
    }
}

/// What one place says of a field.
pub(super) struct Said<'i, P> {
    pub line: usize,
    pub place: P,
    pub field: Field,
    pub value: &'i Option<Value>,
}

/// What stands in several places, as it does where includes lead back to it, has to be the same in all of them: which was meant cannot
/// be known, and by a rule that chose one, the same body sent again could choose the other. The same is what is kept as the same.
/// Lines come one after the other, and each has its own say. Fails with the place that says another thing than one before it.
pub(super) fn agree<'i, P>(defs: &[FieldDef], said: impl Iterator<Item = Said<'i, P>>) -> Result<(), P> {
    let mut first: Vec<(Field, Option<Value>)> = Vec::new();
    let mut line = None;
    for Said {
        line: next,
        place,
        field,
        value,
    } in said
    {
        if line.replace(next) != Some(next) {
            first.clear();
        }
        let def = match field {
            Field::Own(own) => defs.get(usize::from(own)),
            _ => None,
        };
        let value = def.map_or_else(|| value.clone(), |def| content::stored(def, value));
        match first.iter().find(|(known, _)| *known == field) {
            None => first.push((field, value)),
            Some((_, other)) if *other == value => {}
            Some(_) => return Err(place),
        }
    }
    Ok(())
}

impl<'i> Flat<'i> {
    /// Objects with their lines, in that order. One without an id is new, and gets its own here.
    pub fn of(objects: impl Iterator<Item = (usize, &'i ObjectInput)>, tx: &Transaction<'_>) -> Result<Self, Failed> {
        let mut flat = Self {
            subjects: Vec::new(),
            by_id: ById::default(),
            top: Vec::new(),
            listed: Vec::new(),
            relations: Vec::new(),
        };
        // Depth first, without recursion: a body may be as deep as the settings allow.
        let mut waiting: Vec<(usize, &RelatedInput)> = Vec::new();
        for (line, object) in objects {
            let top = flat.add(Occurrence { line, object }, tx)?;
            flat.top.push(top);
            waiting.extend(object.related.iter().rev().map(|related| (top, related)));
            while let Some((under, related)) = waiting.pop() {
                let subject = flat.add(
                    Occurrence {
                        line,
                        object: &related.object,
                    },
                    tx,
                )?;
                flat.listed.push(Listed {
                    under,
                    subject,
                    related,
                    line,
                });
                waiting.extend(related.object.related.iter().rev().map(|next| (subject, next)));
            }
        }
        Ok(flat)
    }

    /// A frozen clock counts its ids, and a test may have chosen the same ones.
    fn new_id(&self, tx: &Transaction<'_>) -> Uuid {
        loop {
            let id = tx.new_id();
            if tx.graph().find(id).is_none() && !self.by_id.contains_key(&id) {
                return id;
            }
        }
    }

    fn add(&mut self, occurrence: Occurrence<'i>, tx: &Transaction<'_>) -> Result<usize, Failed> {
        let kind = occurrence.object.kind;
        let id = occurrence.object.id.unwrap_or_else(|| self.new_id(tx));
        if let Some(index) = self.by_id.get(&id) {
            let subject = &mut self.subjects[*index];
            if subject.kind != kind {
                let wrong = Refusal::WrongType {
                    id,
                    is: subject.kind,
                    wanted: kind,
                };
                return Err(occurrence.at().member("id", wrong));
            }
            subject.occurrences.push(occurrence);
            return Ok(*index);
        }
        let index = self.subjects.len();
        self.by_id.insert(id, index);
        self.subjects.push(Subject {
            id,
            kind,
            is_new: true,
            is_touched: false,
            reserves: None,
            had_ended: false,
            consumes: false,
            occurrences: vec![occurrence],
        });
        Ok(index)
    }
}
