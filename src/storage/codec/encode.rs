//! From values to rows. Cannot fail: a value that cannot be kept is refused before it gets here.

use std::ops::Range;

use super::super::StorageError;
use super::super::words::{Code, Encoding, Words};
use super::{GROUP, HEADER, Key, LIST, NOTHING, VERSION};
use crate::model::*;

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

    /// Without its replay, which has a row (and a life) of its own. `told` gets the places in `out` where each change's
    /// `after` lies (of a removal, what is gone): a row is made of the same bytes.
    pub fn commit(&self, commit: &Commit, out: &mut Vec<u8>, told: &mut Vec<Range<usize>>) {
        start(out);
        told.clear();
        put_signed(out, commit.at.0);
        let parts = [commit.by.token, commit.by.profile];
        let whose = commit.whose.runs();
        let flags = [
            parts[0].is_some(),
            parts[1].is_some(),
            commit.replay.is_some(),
            !whose.is_empty(),
            !commit.events.is_empty(),
        ];
        out.push((0..).zip(flags).fold(0, |all, (bit, flag)| all | u8::from(flag) << bit));
        for part in parts.into_iter().flatten() {
            out.extend_from_slice(part.as_bytes());
        }
        put_bytes(out, commit.operation.as_bytes());
        put_bytes(out, commit.request_id.as_bytes());
        put_number(out, commit.changes.len() as u64);
        for change in &commit.changes {
            let mut from = out.len();
            match change {
                Change::Entity { before, after } => {
                    out.push(change_tag(0, before.is_some(), after.is_some()));
                    for entity in [before, after].into_iter().flatten() {
                        put_number(out, entity.serial);
                        from = out.len();
                        self.put_entity(entity, out);
                    }
                }
                Change::Relation { before, after } => {
                    out.push(change_tag(1, before.is_some(), after.is_some()));
                    for relation in [before, after].into_iter().flatten() {
                        put_number(out, u64::from(self.0.relation(relation.rel)));
                        put_number(out, relation.from.serial);
                        put_number(out, relation.to.serial);
                        from = out.len();
                        self.put_relation(relation, out);
                    }
                }
            }
            told.push(from..out.len());
        }
        if !whose.is_empty() {
            put_number(out, whose.len() as u64);
        }
        for (length, whose) in whose {
            put_number(out, u64::from(*length));
            // Serials begin at 1.
            put_number(out, whose.unwrap_or(0));
        }
        if !commit.events.is_empty() {
            put_number(out, commit.events.len() as u64);
        }
        for event in &commit.events {
            put_bytes(out, event.name.as_bytes());
            put_bytes(out, event.object_type.as_bytes());
            out.extend_from_slice(event.object.as_bytes());
            put_number(out, event.whose.unwrap_or(0));
            put_facts(out, &event.facts);
        }
        finish(Key::Commit(commit.revision), out);
    }

    /// The row of what a commit tells.
    pub fn row(key: Key, told: &[u8], out: &mut Vec<u8>) {
        start(out);
        out.extend_from_slice(told);
        finish(key, out);
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
        put_fields(out, self.0.fields_of(entity.kind), entity.fields());
    }

    fn put_relation(&self, relation: &Relation, out: &mut Vec<u8>) {
        out.extend_from_slice(relation.from.id.as_bytes());
        out.extend_from_slice(relation.to.id.as_bytes());
        put_fields(out, self.0.fields_of_relation(relation.rel), relation.fields.values());
    }
}

pub(super) fn start(out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&[VERSION, 0, 0, 0, 0]);
}

pub(super) fn finish(key: Key, out: &mut [u8]) {
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

fn put_fields(out: &mut Vec<u8>, codes: &[(Code, u8)], fields: Values<'_>) {
    put_number(out, fields.len() as u64);
    for (code, place) in codes {
        let Some(value) = fields.get(*place) else { continue };
        put_number(out, u64::from(*code));
        put_value(out, value);
    }
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
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

/// Groups and lists begin with what no value begins with.
fn put_facts(out: &mut Vec<u8>, facts: &Facts) {
    put_number(out, facts.len() as u64);
    for (name, fact) in facts {
        put_bytes(out, name.as_bytes());
        match fact {
            Fact::Nothing => out.push(NOTHING),
            Fact::One(value) => put_value(out, value),
            Fact::Group(facts) => {
                out.push(GROUP);
                put_facts(out, facts);
            }
            Fact::List(list) => {
                out.push(LIST);
                put_number(out, list.len() as u64);
                list.iter().for_each(|facts| put_facts(out, facts));
            }
        }
    }
}
