//! From rows to values. Every step looks before it takes; whatever does not add up is an error that says why.

use std::sync::Arc;

use compact_str::CompactString;
use uuid::Uuid;

use super::super::words::{Code, Decoding, Owner, Words};
use super::{Bad, GROUP, HEADER, Key, LIST, NOTHING, VERSION, carried_checksum};
use crate::model::*;

/// Reads rows. Any bytes are either a value or an error.
#[derive(Clone, Debug)]
pub struct Decoder(Decoding);

impl Decoder {
    pub fn new(words: &Words) -> Self {
        Self(Decoding::new(words))
    }

    pub fn entity(&self, serial: Serial, row: &[u8]) -> Result<Entity, Bad> {
        let mut input = Input::open(Key::Entity(serial), row)?;
        let entity = self.take_entity(serial, &mut input)?;
        input.end()?;
        Ok(entity)
    }

    /// Of an entity, without the rest of it.
    pub fn kind(&self, serial: Serial, row: &[u8]) -> Result<Kind, Bad> {
        let mut input = Input::open(Key::Entity(serial), row)?;
        input.uuid()?;
        let code = input.number()?;
        self.0.kind(code).ok_or_else(|| self.unknown(code, None))
    }

    /// Of a relation's key.
    pub fn rel(&self, code: Code) -> Result<Rel, Bad> {
        let code = u64::from(code);
        self.0.relation(code).ok_or_else(|| self.unknown(code, None))
    }

    pub fn relation(&self, to: Serial, rel: Code, from: Serial, row: &[u8]) -> Result<Relation, Bad> {
        let mut input = Input::open(Key::Relation { to, rel, from }, row)?;
        let relation = self.take_relation(u64::from(rel), from, to, &mut input)?;
        input.end()?;
        Ok(relation)
    }

    /// The commit without its replay, and whether it had one.
    pub fn commit(&self, revision: Revision, row: &[u8]) -> Result<(Commit, bool), Bad> {
        let mut input = Input::open(Key::Commit(revision), row)?;
        let commit = self.take_commit(revision, &mut input)?;
        input.end()?;
        Ok(commit)
    }

    pub fn replay(&self, revision: Revision, row: &[u8]) -> Result<Replay, Bad> {
        let mut input = Input::open(Key::Replay(revision), row)?;
        let replay = Replay {
            scope: input.text()?,
            key: input.text()?,
            fingerprint: *input.array()?,
            at: Time(input.signed()?),
            status: u16::try_from(input.number()?).map_err(|_| Bad::Malformed("its status is no status"))?,
            body: Arc::from(input.bytes()?),
        };
        input.end()?;
        Ok(replay)
    }

    fn take_commit(&self, revision: Revision, input: &mut Input<'_>) -> Result<(Commit, bool), Bad> {
        let at = Time(input.signed()?);
        let flags = input.byte()?;
        if flags > 0b1_1111 {
            return Err(Bad::Malformed("its flags are none"));
        }
        let token = if flags & 1 != 0 { Some(input.uuid()?) } else { None };
        let profile = if flags & 2 != 0 { Some(input.uuid()?) } else { None };
        let operation = input.text()?;
        let request_id = input.text()?;
        let count = input.count()?;
        let mut changes = Vec::with_capacity(count);
        for _ in 0..count {
            changes.push(self.take_change(input)?);
        }
        // Commits of earlier versions say nothing of it.
        let whose = if flags & 8 != 0 {
            input.whose()?
        } else {
            Whose::default()
        };
        let mut events = Vec::new();
        if flags & 16 != 0 {
            for _ in 0..input.count()? {
                events.push(input.event()?);
            }
        }
        let by = Principal { token, profile };
        Ok((
            Commit {
                revision,
                at,
                by,
                operation,
                request_id,
                changes,
                whose,
                events,
                replay: None,
            },
            flags & 4 != 0,
        ))
    }

    fn take_change(&self, input: &mut Input<'_>) -> Result<Change, Bad> {
        let tag = input.byte()?;
        if !(0b010..=0b111).contains(&tag) {
            return Err(Bad::Malformed("a change in it is of no known form"));
        }
        let (before, after) = (tag & 2 != 0, tag & 4 != 0);
        if tag & 1 == 0 {
            let mut entity = |there: bool| -> Result<Option<Entity>, Bad> {
                if !there {
                    return Ok(None);
                }
                let serial = input.number()?;
                self.take_entity(serial, input).map(Some)
            };
            Ok(Change::Entity {
                before: entity(before)?,
                after: entity(after)?,
            })
        } else {
            let mut relation = |there: bool| -> Result<Option<Arc<Relation>>, Bad> {
                if !there {
                    return Ok(None);
                }
                let (rel, from, to) = (input.number()?, input.number()?, input.number()?);
                self.take_relation(rel, from, to, input).map(Arc::new).map(Some)
            };
            Ok(Change::Relation {
                before: relation(before)?,
                after: relation(after)?,
            })
        }
    }

    fn take_entity(&self, serial: Serial, input: &mut Input<'_>) -> Result<Entity, Bad> {
        let id = input.uuid()?;
        let code = input.number()?;
        let kind = self.0.kind(code).ok_or_else(|| self.unknown(code, None))?;
        let revision = input.number()?;
        let created = input.signed()?;
        let updated = created.wrapping_add(input.signed()?);
        let fields = self.take_fields(self.0.fields_of(kind), kind.name(), input)?;
        Ok(Entity::new(
            Header {
                id,
                serial,
                revision,
                created: Time(created),
                updated: Time(updated),
                kind,
            },
            fields,
        ))
    }

    fn take_relation(&self, code: u64, from: Serial, to: Serial, input: &mut Input<'_>) -> Result<Relation, Bad> {
        let rel = self.0.relation(code).ok_or_else(|| self.unknown(code, None))?;
        let from = End {
            id: input.uuid()?,
            serial: from,
        };
        let to = End {
            id: input.uuid()?,
            serial: to,
        };
        let fields = self.take_fields(self.0.fields_of_relation(rel), rel.def().relation_type.name(), input)?;
        Ok(Relation { rel, from, to, fields })
    }

    fn take_fields(&self, owner: Owner<'_>, name: &str, input: &mut Input<'_>) -> Result<Fields, Bad> {
        let count = input.number()? as usize;
        if count == 0 {
            return Ok(Fields::default());
        }
        if count > Fields::MAX {
            return Err(Bad::Malformed("it has more fields than there are"));
        }
        let mut set = 0u32;
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            let code = input.number()?;
            let (place, def) = owner.field(code).ok_or_else(|| self.unknown(code, Some(name)))?;
            let value = input.value()?;
            if !def.field_type.takes(&value) {
                return Err(Bad::Malformed("a value in it is of another type than its field"));
            }
            let bit = 1u32 << place;
            if set & bit != 0 {
                return Err(Bad::Malformed("a field is in it twice"));
            }
            // Nearly always the end: codes were given in the order of the schema.
            values.insert((set & (bit - 1)).count_ones() as usize, value);
            set |= bit;
        }
        Fields::packed(set, values.into_boxed_slice()).ok_or(Bad::Malformed("its fields do not add up"))
    }

    #[cold]
    fn unknown(&self, code: u64, owner: Option<&str>) -> Bad {
        match (self.0.word(code), owner) {
            (None, _) => Bad::NoWord(code),
            (Some(word), Some(owner)) => Bad::Unknown(format!("{owner}.{word}")),
            (Some(word), None) => Bad::Unknown(word.to_owned()),
        }
    }
}

/// What is left of a payload.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// Past the header, once the checksum fits.
    fn open(key: Key, row: &'a [u8]) -> Result<Self, Bad> {
        let Some((header, payload)) = row.split_at_checked(HEADER) else {
            return Err(Bad::Cut);
        };
        if key.checksum(header[0], payload) != carried_checksum(header) {
            return Err(Bad::Checksum);
        }
        if header[0] != VERSION {
            return Err(Bad::Unknown(format!("rows of version {}", header[0])));
        }
        Ok(Self(payload))
    }

    fn end(&self) -> Result<(), Bad> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Bad::Malformed("it goes on after its end"))
        }
    }

    fn byte(&mut self) -> Result<u8, Bad> {
        let (first, rest) = self.0.split_first().ok_or(Bad::Cut)?;
        self.0 = rest;
        Ok(*first)
    }

    #[inline]
    fn number(&mut self) -> Result<u64, Bad> {
        let mut number = 0u64;
        for (at, byte) in self.0.iter().take(10).enumerate() {
            let bits = u64::from(byte & 0x7F);
            if at == 9 && bits > 1 {
                return Err(Bad::Malformed("a number in it is too large"));
            }
            number |= bits << (7 * at);
            if byte & 0x80 == 0 {
                self.0 = &self.0[at + 1..];
                return Ok(number);
            }
        }
        Err(if self.0.len() < 10 {
            Bad::Cut
        } else {
            Bad::Malformed("a number in it is too long")
        })
    }

    fn signed(&mut self) -> Result<i64, Bad> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// How many things follow: never more than bytes do, so that a damaged count cannot ask for memory.
    fn count(&mut self) -> Result<usize, Bad> {
        let count = self.number()?;
        usize::try_from(count)
            .ok()
            .filter(|count| *count <= self.0.len())
            .ok_or(Bad::Cut)
    }

    fn bytes(&mut self) -> Result<&'a [u8], Bad> {
        let length = self.count()?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Bad::Cut)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn text(&mut self) -> Result<CompactString, Bad> {
        let text = std::str::from_utf8(self.bytes()?).map_err(|_| Bad::Malformed("a text in it is not UTF-8"))?;
        Ok(CompactString::new(text))
    }

    fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], Bad> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Bad::Cut)?;
        self.0 = rest;
        Ok(array)
    }

    fn whose(&mut self) -> Result<Whose, Bad> {
        let wrong = Bad::Malformed("it does not say whose its changes were");
        let count = self.count()?;
        let mut runs = Vec::with_capacity(count);
        for _ in 0..count {
            let length = u32::try_from(self.number()?).map_err(|_| wrong.clone())?;
            runs.push((length, Some(self.number()?).filter(|serial| *serial > 0)));
        }
        Whose::from_runs(runs).ok_or(wrong)
    }

    fn uuid(&mut self) -> Result<Uuid, Bad> {
        self.array().map(|bytes| Uuid::from_bytes(*bytes))
    }

    fn event(&mut self) -> Result<Event, Bad> {
        Ok(Event {
            name: self.text()?,
            object_type: self.text()?,
            object: self.uuid()?,
            whose: Some(self.number()?).filter(|serial| *serial > 0),
            facts: self.facts(Fact::DEPTH)?,
        })
    }

    /// No deeper than they are kept, so that no bytes can ask for more stack than there is.
    fn facts(&mut self, depth: usize) -> Result<Facts, Bad> {
        if depth == 0 {
            return Err(Bad::Malformed("its facts are too deep"));
        }
        let count = self.count()?;
        let mut facts = Vec::with_capacity(count.min(32));
        for _ in 0..count {
            let name = self.text()?;
            let fact = match self.byte()? {
                NOTHING => Fact::Nothing,
                GROUP => Fact::Group(self.facts(depth - 1)?),
                LIST => {
                    let count = self.count()?;
                    let list = (0..count).map(|_| self.facts(depth - 1));
                    Fact::List(list.collect::<Result<_, _>>()?)
                }
                tag => Fact::One(self.value_of(tag)?),
            };
            facts.push((name, fact));
        }
        Ok(facts)
    }

    fn value(&mut self) -> Result<Value, Bad> {
        let tag = self.byte()?;
        self.value_of(tag)
    }

    fn value_of(&mut self, tag: u8) -> Result<Value, Bad> {
        Ok(match tag {
            0 => Value::Bool(false),
            1 => Value::Bool(true),
            2 => Value::Int(self.signed()?),
            3 => Value::Time(Time(self.signed()?)),
            4 => Value::Uuid(self.uuid()?),
            5 => Value::Text(self.text()?),
            _ => return Err(Bad::Malformed("a value in it is of no known type")),
        })
    }
}
