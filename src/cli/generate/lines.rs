//! Lines of the import format, one after the other, with ids that sort as they were made. Knows the schema, and nothing
//! of the world that is told.

use std::io::{self, Write};

use uuid::Uuid;

use crate::http::wire::text;
use crate::model::{Kind, Rel, RelationType, Time, schema};

use Plain::{At, Flag, Int, Raw, Text};

/// What was written. A reference is a relation without a line of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub lines: u64,
    pub entities: u64,
    pub relations: u64,
}

/// Lines between two calls of `progress`.
const STEP: u64 = 1000;

pub struct Lines<'w> {
    seed: u64,
    next: u64,
    line: Vec<u8>,
    pub written: Written,
    out: &'w mut dyn Write,
    progress: &'w mut dyn FnMut(u64),
}

impl<'w> Lines<'w> {
    pub fn new(seed: u64, out: &'w mut dyn Write, progress: &'w mut dyn FnMut(u64)) -> Self {
        Self {
            seed,
            next: 0,
            line: Vec::new(),
            written: Written::default(),
            out,
            progress,
        }
    }

    pub fn finish(self) -> Written {
        (self.progress)(self.written.lines);
        self.written
    }

    /// One line. The parents are told apart by their place among those `Kind::parents` gives for the kinds they are of.
    pub fn object(&mut self, kind: Kind, fields: &[(&'static str, Plain<'_>)], parents: &[Uuid]) -> io::Result<Uuid> {
        let id = self.id(kind);
        self.line.extend_from_slice(b"{\"__objType\":");
        text::string(&mut self.line, kind.name());
        self.line.extend_from_slice(b",\"id\":");
        text::uuid(&mut self.line, id);
        for (name, value) in fields {
            self.line.push(b',');
            text::string(&mut self.line, name);
            self.line.push(b':');
            match value {
                Text(value) => text::string(&mut self.line, value),
                Flag(flag) => self.line.extend_from_slice(if *flag { b"true" } else { b"false" }),
                Int(number) => text::integer(&mut self.line, *number),
                At(millis) => text::time(&mut self.line, Time(*millis)),
                Raw(json) => self.line.extend_from_slice(json.as_bytes()),
            }
        }
        for (index, parent) in parents.iter().enumerate() {
            self.line
                .extend_from_slice(if index == 0 { b",\"referenceFields\":{" } else { b"," });
            let of = kind_of(*parent);
            let name = kind
                .parents()
                .iter()
                .find(|rel| rel.def().from == of)
                .map(|rel| rel.def().reference_name());
            debug_assert!(name.is_some(), "{} has no {}", kind.name(), of.name());
            text::string(&mut self.line, &name.unwrap_or_default());
            self.line.push(b':');
            text::uuid(&mut self.line, *parent);
        }
        if !parents.is_empty() {
            self.line.push(b'}');
        }
        self.written.entities += 1;
        self.written.relations += parents.len() as u64;
        self.end_line()?;
        Ok(id)
    }

    pub fn relation(
        &mut self,
        relation_type: RelationType,
        from: Kind,
        to: Kind,
        one: Uuid,
        other: Uuid,
    ) -> io::Result<()> {
        let row = schema::find_relation(relation_type, from, to);
        debug_assert!(row.is_some(), "no {relation_type:?} from {from:?} to {to:?}");
        let (from, to) = row.unwrap_or(Rel(0)).def().end_names();
        let head: &[u8] = match relation_type {
            RelationType::ManyToMany => b"{\"__objType\":\"ObjectRelation\",\"multiplicity\":\"MANY_TO_MANY\"",
            _ => b"{\"__objType\":",
        };
        self.line.extend_from_slice(head);
        if relation_type != RelationType::ManyToMany {
            text::string(&mut self.line, relation_type.name());
        }
        self.line.extend_from_slice(b",\"referenceFields\":{");
        text::string(&mut self.line, &from);
        self.line.push(b':');
        text::uuid(&mut self.line, one);
        self.line.push(b',');
        text::string(&mut self.line, &to);
        self.line.push(b':');
        text::uuid(&mut self.line, other);
        self.line.push(b'}');
        self.written.relations += 1;
        self.end_line()
    }

    fn end_line(&mut self) -> io::Result<()> {
        self.line.extend_from_slice(b"}\n");
        self.out.write_all(&self.line)?;
        self.line.clear();
        self.written.lines += 1;
        if self.written.lines.is_multiple_of(STEP) {
            (self.progress)(self.written.lines);
        }
        Ok(())
    }

    /// A UUID of version 8: its place in the world first, so that ids sort as they were made, then the kind, then noise
    /// of the seed, so that two worlds share no id.
    fn id(&mut self, kind: Kind) -> Uuid {
        self.next += 1;
        let noise = Random(self.seed ^ self.next.rotate_left(32)).next();
        let bits = u128::from(self.next) << 80
            | 0x8000 << 64
            | u128::from(kind as u8) << 64
            | 0x8000_0000_0000_0000
            | u128::from(noise >> 2);
        Uuid::from_u128(bits)
    }
}

/// What kind an id of ours is of.
pub fn kind_of(id: Uuid) -> Kind {
    Kind::ALL[usize::from((id.as_u128() >> 64) as u8) % Kind::ALL.len()]
}

/// A value of a generated field.
pub enum Plain<'t> {
    Text(&'t str),
    Flag(bool),
    Int(i64),
    At(i64),
    Raw(&'static str),
}

/// SplitMix64 (Steele, Lea and Flood 2014): small, and the same on every machine.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    pub fn pick<'l, T>(&mut self, list: &'l [T]) -> &'l T {
        &list[self.below(list.len() as u64) as usize]
    }
}
