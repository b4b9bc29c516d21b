//! Entities, relations, commits and replays as bytes: compact, checked, and independent of the order of the schema's
//! tables. Knows no SQL: any table that has a key and a body column can hold these rows.
//!
//! A row is `version (1 byte), checksum (4, little end first), payload`. The checksum covers what kind of row it is, its
//! key, its version and its payload, so that a row served under another key is found out like a flipped bit. Numbers are
//! varints (seven bits a byte, low first; signed ones zigzag), texts and lists carry their length before them.
//! Equal values make equal bytes: fields stand in order of their code.

use std::fmt;
use std::sync::Arc;

use compact_str::CompactString;
use uuid::Uuid;

use super::StorageError;
use super::checksum::Checksum;
use super::words::{Code, Decoding, Encoding, Owner, Words};
use crate::model::*;

/// The first byte of every row this program writes.
pub const VERSION: u8 = 1;
/// Version and checksum.
const HEADER: usize = 5;

/// Which row it is: its table and its key there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Entity(Serial),
    Relation { to: Serial, rel: Code, from: Serial },
    Commit(Revision),
    Replay(Revision),
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entity(serial) => write!(out, "entity {serial}"),
            Self::Relation { to, rel, from } => write!(out, "relation {rel} from {from} to {to}"),
            Self::Commit(revision) => write!(out, "commit {revision}"),
            Self::Replay(revision) => write!(out, "the answer kept with commit {revision}"),
        }
    }
}

impl Key {
    fn checksum(self, version: u8, payload: &[u8]) -> u32 {
        let (table, keys) = match self {
            Self::Entity(serial) => (b'E', [serial, 0, 0]),
            Self::Relation { to, rel, from } => (b'R', [to, u64::from(rel), from]),
            Self::Commit(revision) => (b'C', [revision, 0, 0]),
            Self::Replay(revision) => (b'P', [revision, 0, 0]),
        };
        let mut head = [0; 32];
        head[0] = table;
        head[1] = version;
        for (at, key) in keys.iter().enumerate() {
            head[8 + at * 8..16 + at * 8].copy_from_slice(&key.to_le_bytes());
        }
        Checksum::new().bytes(&head).bytes(payload).sum()
    }
}

/// The checksum a row carries, for sums over whole tables. 0 for what is no row.
pub fn carried_checksum(row: &[u8]) -> u32 {
    match row {
        [_, a, b, c, d, ..] => u32::from_le_bytes([*a, *b, *c, *d]),
        _ => 0,
    }
}

/// Why bytes are not a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Bad {
    #[error("its checksum does not fit")]
    Checksum,
    #[error("it ends too soon")]
    Cut,
    #[error("{0}")]
    Malformed(&'static str),
    #[error("it uses the word number {0}, which the dictionary lacks")]
    NoWord(u64),
    #[error("`{0}` is not known")]
    Unknown(String),
}

impl Bad {
    pub fn of(self, key: Key) -> StorageError {
        match self {
            Self::Unknown(name) => StorageError::Unknown(name),
            other => StorageError::Damaged(format!("{key}: {other}")),
        }
    }
}

/// Writes rows. Each method clears `out` first, so that one buffer serves for all.
#[derive(Clone, Debug)]
pub struct Encoder(Encoding);

impl Encoder {
    pub fn new(words: &Words) -> Result<Self, StorageError> {
        Encoding::new(words).map(Self)
    }

    pub fn relation_key(&self, relation: &Relation) -> Key {
        Key::Relation {
            to: relation.to.serial,
            rel: self.0.relation(relation.rel),
            from: relation.from.serial,
        }
    }

    pub fn entity(&self, entity: &Entity, out: &mut Vec<u8>) {
        start(out);
        self.put_entity(entity, out);
        finish(Key::Entity(entity.serial), out);
    }

    pub fn relation(&self, relation: &Relation, out: &mut Vec<u8>) {
        start(out);
        self.put_relation(relation, out);
        finish(self.relation_key(relation), out);
    }

    /// Without its replay, which has a row (and a life) of its own.
    pub fn commit(&self, commit: &Commit, out: &mut Vec<u8>) {
        start(out);
        put_signed(out, commit.at.0);
        let parts = [commit.by.token, commit.by.profile];
        let flags =
            u8::from(parts[0].is_some()) | u8::from(parts[1].is_some()) << 1 | u8::from(commit.replay.is_some()) << 2;
        out.push(flags);
        for part in parts.into_iter().flatten() {
            out.extend_from_slice(part.as_bytes());
        }
        put_bytes(out, commit.operation.as_bytes());
        put_bytes(out, commit.request_id.as_bytes());
        put_number(out, commit.changes.len() as u64);
        for change in &commit.changes {
            match change {
                Change::Entity { before, after } => {
                    out.push(change_tag(0, before.is_some(), after.is_some()));
                    for entity in [before, after].into_iter().flatten() {
                        put_number(out, entity.serial);
                        self.put_entity(entity, out);
                    }
                }
                Change::Relation { before, after } => {
                    out.push(change_tag(1, before.is_some(), after.is_some()));
                    for relation in [before, after].into_iter().flatten() {
                        put_number(out, u64::from(self.0.relation(relation.rel)));
                        put_number(out, relation.from.serial);
                        put_number(out, relation.to.serial);
                        self.put_relation(relation, out);
                    }
                }
            }
        }
        finish(Key::Commit(commit.revision), out);
    }

    pub fn replay(&self, revision: Revision, replay: &Replay, out: &mut Vec<u8>) {
        start(out);
        put_bytes(out, replay.scope.as_bytes());
        put_bytes(out, replay.key.as_bytes());
        out.extend_from_slice(&replay.fingerprint);
        put_signed(out, replay.at.0);
        put_number(out, u64::from(replay.status));
        put_bytes(out, &replay.body);
        finish(Key::Replay(revision), out);
    }

    fn put_entity(&self, entity: &Entity, out: &mut Vec<u8>) {
        out.extend_from_slice(entity.id.as_bytes());
        put_number(out, u64::from(self.0.kind(entity.kind)));
        put_number(out, entity.revision);
        put_signed(out, entity.created.0);
        put_signed(out, entity.updated.0.wrapping_sub(entity.created.0));
        put_fields(out, self.0.fields_of(entity.kind), &entity.fields);
    }

    fn put_relation(&self, relation: &Relation, out: &mut Vec<u8>) {
        out.extend_from_slice(relation.from.id.as_bytes());
        out.extend_from_slice(relation.to.id.as_bytes());
        put_fields(out, self.0.fields_of_relation(relation.rel), &relation.fields);
    }
}

fn start(out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&[VERSION, 0, 0, 0, 0]);
}

fn finish(key: Key, out: &mut [u8]) {
    let sum = key.checksum(VERSION, &out[HEADER..]);
    out[1..HEADER].copy_from_slice(&sum.to_le_bytes());
}

fn change_tag(table: u8, before: bool, after: bool) -> u8 {
    table | u8::from(before) << 1 | u8::from(after) << 2
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_number(out, (number << 1 ^ number >> 63) as u64);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_fields(out: &mut Vec<u8>, codes: &[(Code, u8)], fields: &Fields) {
    put_number(out, fields.len() as u64);
    for (code, place) in codes {
        let Some(value) = fields.get(*place) else { continue };
        put_number(out, u64::from(*code));
        match value {
            Value::Bool(flag) => out.push(u8::from(*flag)),
            Value::Int(number) => {
                out.push(2);
                put_signed(out, *number);
            }
            Value::Time(time) => {
                out.push(3);
                put_signed(out, time.0);
            }
            Value::Uuid(id) => {
                out.push(4);
                out.extend_from_slice(id.as_bytes());
            }
            Value::Text(text) => {
                out.push(5);
                put_bytes(out, text.as_bytes());
            }
        }
    }
}

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
        if flags > 0b111 {
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
        let by = Principal { token, profile };
        Ok((
            Commit {
                revision,
                at,
                by,
                operation,
                request_id,
                changes,
                replay: None,
            },
            flags & 4 != 0,
        ))
    }

    fn take_change(&self, input: &mut Input<'_>) -> Result<Change, Bad> {
        let tag = input.byte()?;
        if tag > 0b111 || tag < 0b010 {
            return Err(Bad::Malformed("a change in it is of no known form"));
        }
        let (before, after) = (tag & 2 != 0, tag & 4 != 0);
        if tag & 1 == 0 {
            let mut entity = |there: bool| -> Result<Option<Arc<Entity>>, Bad> {
                if !there {
                    return Ok(None);
                }
                let serial = input.number()?;
                self.take_entity(serial, input).map(Arc::new).map(Some)
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
        Ok(Entity {
            id,
            serial,
            revision,
            created: Time(created),
            updated: Time(updated),
            kind,
            fields,
        })
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
            let fits = match value {
                Value::Bool(_) => def.field_type == FieldType::Bool,
                Value::Int(_) => def.field_type == FieldType::Int,
                Value::Time(_) => def.field_type == FieldType::Time,
                Value::Uuid(_) => def.field_type == FieldType::Uuid,
                Value::Text(_) => matches!(def.field_type, FieldType::Text | FieldType::Json),
            };
            if !fits {
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

    fn uuid(&mut self) -> Result<Uuid, Bad> {
        self.array().map(|bytes| Uuid::from_bytes(*bytes))
    }

    fn value(&mut self) -> Result<Value, Bad> {
        Ok(match self.byte()? {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::samples;
    use super::*;

    fn both() -> (Encoder, Decoder) {
        let words = Words::of_schema();
        (Encoder::new(&words).expect("complete"), Decoder::new(&words))
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(entity in samples::entity(), relation in samples::relation(), commit in samples::commit()) {
            let (encoder, decoder) = both();
            let mut row = Vec::new();
            encoder.entity(&entity, &mut row);
            prop_assert_eq!(decoder.entity(entity.serial, &row), Ok(entity.clone()));
            prop_assert_eq!(decoder.entity(entity.serial ^ 1, &row), Err(Bad::Checksum));
            encoder.relation(&relation, &mut row);
            let Key::Relation { to, rel, from } = encoder.relation_key(&relation) else { unreachable!() };
            prop_assert_eq!(decoder.relation(to, rel, from, &row), Ok(relation));
            encoder.commit(&commit, &mut row);
            let (read, had_replay) = decoder.commit(commit.revision, &row).expect("sound");
            prop_assert_eq!(had_replay, commit.replay.is_some());
            prop_assert_eq!(&Commit { replay: commit.replay.clone(), ..read }, &commit);
            if let Some(replay) = &commit.replay {
                encoder.replay(commit.revision, replay, &mut row);
                prop_assert_eq!(decoder.replay(commit.revision, &row), Ok(replay.clone()));
            }
        }

        #[test]
        fn no_flipped_bit_passes(commit in samples::commit(), place: prop::sample::Index, bit in 0..8) {
            let (encoder, decoder) = both();
            let mut row = Vec::new();
            encoder.commit(&commit, &mut row);
            let at = place.index(row.len());
            row[at] ^= 1u8 << bit;
            prop_assert_eq!(decoder.commit(commit.revision, &row), Err(Bad::Checksum));
        }

        /// The checksum keeps nonsense from the decoders, so here it is made to fit.
        #[test]
        fn no_bytes_panic(mut bytes: Vec<u8>, serial: u64, commit in samples::commit(), hits: Vec<(prop::sample::Index, u8)>) {
            let (encoder, decoder) = both();
            let mut row = Vec::new();
            encoder.commit(&commit, &mut row);
            let mut spoilt = row.split_off(HEADER);
            for (place, byte) in hits {
                let at = place.index(spoilt.len());
                spoilt[at] = byte;
            }
            for payload in [&mut bytes, &mut spoilt] {
                let _ = (decoder.entity(serial, payload), decoder.commit(serial, payload));
                for key in [Key::Entity(serial), Key::Commit(serial), Key::Replay(serial), Key::Relation { to: serial, rel: 60, from: 1 }] {
                    start(&mut row);
                    row.extend_from_slice(payload);
                    finish(key, &mut row);
                    let sound = match key {
                        Key::Entity(serial) => decoder.entity(serial, &row).map(drop),
                        Key::Commit(revision) => decoder.commit(revision, &row).map(drop),
                        Key::Replay(revision) => decoder.replay(revision, &row).map(drop),
                        Key::Relation { to, rel, from } => decoder.relation(to, rel, from, &row).map(drop),
                    };
                    prop_assert_ne!(sound, Err(Bad::Checksum));
                }
            }
        }
    }

    #[test]
    fn a_name_this_program_does_not_know_is_named() {
        let words = Words::of_schema();
        let encoder = Encoder::new(&words).expect("complete");
        let entity = Entity {
            id: Uuid::nil(),
            serial: 1,
            revision: 1,
            created: Time(0),
            updated: Time(0),
            kind: Kind::License,
            fields: [(0, Value::text("Anna's editor"))].into_iter().collect(),
        };
        let mut row = Vec::new();
        encoder.entity(&entity, &mut row);
        let check = |old: &str, new: &str, expected: &str| {
            let renamed = (1..2000).filter_map(|code| Some((code, words.word(code)?.to_owned())));
            let renamed = renamed.map(|(code, word)| (code, if word == old { new.to_owned() } else { word }));
            let decoder = Decoder::new(&Words::new(renamed).expect("sound"));
            let error = decoder.entity(1, &row).expect_err(expected).of(Key::Entity(1));
            assert_eq!(error, StorageError::Unknown(expected.to_owned()));
        };
        check("License", "Permit", "Permit");
        check("name", "nickname", "License.nickname");
        let error = Decoder::new(&Words::default())
            .entity(1, &row)
            .expect_err("an empty dictionary");
        assert!(matches!(error, Bad::NoWord(_)));
    }

    #[test]
    fn a_row_of_a_later_version_is_no_damage() {
        let (encoder, decoder) = both();
        let mut row = Vec::new();
        let relation_free = Commit {
            revision: 7,
            at: Time(1),
            by: Principal::default(),
            operation: "Create".into(),
            request_id: "".into(),
            changes: vec![],
            replay: None,
        };
        encoder.commit(&relation_free, &mut row);
        row[0] = VERSION + 1;
        let sum = Key::Commit(7).checksum(VERSION + 1, &row[HEADER..]);
        row[1..HEADER].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(
            decoder.commit(7, &row),
            Err(Bad::Unknown("rows of version 2".to_owned()))
        );
    }
}
