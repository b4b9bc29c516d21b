//! The state in an order its tables do not have: kind by kind, and relation by relation. One scan learns which serials are
//! of which kind and proves that no row is missing; then each row is fetched in its turn. In memory are eight bytes for
//! an entity and sixteen for a relation that is wanted, which is what the order of ten million takes.

use std::ops::ControlFlow;

use rusqlite::{CachedStatement, Connection, OptionalExtension};

use super::super::codec::{Decoder, Key};
use super::super::words::Code;
use super::super::{Stated, StorageError, Wanted};
use super::read::{Raw, relation_code, scan};
use super::totals::Totals;
use crate::model::{End, Entity, Kind, Rel, Relation, RelationType, Serial};

/// What one scan learns: whose turn it is when.
struct Order {
    /// By the place of their kind.
    entities: Vec<Vec<Serial>>,
    /// By the place of their relation: its code, and the serials of `from` and `to`.
    relations: Vec<(Code, Vec<(Serial, Serial)>)>,
}

/// As [`super::super::Log::state`]. The connection must be inside a transaction.
pub fn state(
    db: &Connection,
    decoder: &Decoder,
    totals: &Totals,
    wanted: Wanted<'_>,
    each: &mut dyn FnMut(Stated<'_>) -> ControlFlow<()>,
) -> Result<(), StorageError> {
    if each(Stated::Head(totals.head)).is_break() {
        return Ok(());
    }
    let order = Order::find(db, decoder, totals, wanted)?;
    let mut rows = Rows::new(db, decoder)?;
    let mut parents = Vec::new();
    for serials in order.entities {
        for serial in serials {
            let entity = rows.entity(serial)?;
            parents.clear();
            rows.parents(serial, &mut parents)?;
            if each(Stated::Entity(&entity, &parents)).is_break() {
                return Ok(());
            }
        }
    }
    for (code, mut ends) in order.relations {
        // They came in order of `to`.
        ends.sort_unstable();
        for (from, to) in ends {
            if each(Stated::Relation(&rows.relation(to, code, from)?)).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

impl Order {
    fn find(db: &Connection, decoder: &Decoder, totals: &Totals, wanted: Wanted<'_>) -> Result<Self, StorageError> {
        let mut places = vec![None; Kind::ALL.len()];
        for (place, kind) in wanted.kinds.iter().enumerate() {
            places[*kind as usize] = Some(place);
        }
        let mut order = Self {
            entities: vec![Vec::new(); wanted.kinds.len()],
            relations: vec![(0, Vec::new()); wanted.relations.len()],
        };
        let mut found = totals.of_nothing();
        scan(db, &mut |raw| {
            match raw {
                Raw::Entity(serial, row) => {
                    found.entities += 1;
                    found.add(row);
                    let kind = decoder.kind(serial, row).map_err(|bad| bad.of(Key::Entity(serial)))?;
                    if let Some(place) = places[kind as usize] {
                        order.entities[place].push(serial);
                    }
                }
                Raw::Relation { to, rel, from, row } => {
                    found.relations += 1;
                    found.add(row);
                    let code = relation_code(rel)?;
                    let key = Key::Relation { to, rel: code, from };
                    let rel = decoder.rel(code).map_err(|bad| bad.of(key))?;
                    if let Some(place) = wanted.relations.iter().position(|wanted| *wanted == rel) {
                        let (known, ends) = &mut order.relations[place];
                        *known = code;
                        ends.push((from, to));
                    }
                }
                Raw::Replay(_, row) => {
                    found.replays += 1;
                    found.add(row);
                }
            }
            Ok(())
        })?;
        found.must_be(totals).map(|()| order)
    }
}

/// Rows by their keys, which are known to be there.
struct Rows<'a> {
    decoder: &'a Decoder,
    entity: CachedStatement<'a>,
    above: CachedStatement<'a>,
    relation: CachedStatement<'a>,
}

impl<'a> Rows<'a> {
    fn new(db: &'a Connection, decoder: &'a Decoder) -> Result<Self, StorageError> {
        Ok(Self {
            decoder,
            entity: db.prepare_cached("SELECT body FROM entity WHERE serial = ?1")?,
            above: db.prepare_cached("SELECT rel, from_serial, body FROM relation WHERE to_serial = ?1")?,
            relation: db
                .prepare_cached("SELECT body FROM relation WHERE to_serial = ?1 AND rel = ?2 AND from_serial = ?3")?,
        })
    }

    fn entity(&mut self, serial: Serial) -> Result<Entity, StorageError> {
        let key = Key::Entity(serial);
        let decoded = self.entity.query_row([serial as i64], |row| {
            Ok(self.decoder.entity(serial, row.get_ref(0)?.as_blob()?))
        });
        decoded.optional()?.ok_or_else(|| gone(key))?.map_err(|bad| bad.of(key))
    }

    fn parents(&mut self, serial: Serial, into: &mut Vec<(Rel, End)>) -> Result<(), StorageError> {
        let mut rows = self.above.query([serial as i64])?;
        while let Some(row) = rows.next()? {
            let code = relation_code(row.get_ref(0)?.as_i64()?)?;
            let from = row.get_ref(1)?.as_i64()? as u64;
            let key = Key::Relation {
                to: serial,
                rel: code,
                from,
            };
            let rel = self.decoder.rel(code).map_err(|bad| bad.of(key))?;
            if rel.def().relation_type == RelationType::OneToMany {
                let relation = self.decoder.relation(serial, code, from, row.get_ref(2)?.as_blob()?);
                into.push((rel, relation.map_err(|bad| bad.of(key))?.from));
            }
        }
        Ok(())
    }

    fn relation(&mut self, to: Serial, rel: Code, from: Serial) -> Result<Relation, StorageError> {
        let key = Key::Relation { to, rel, from };
        let keys = [to as i64, i64::from(rel), from as i64];
        let decoded = self.relation.query_row(keys, |row| {
            Ok(self.decoder.relation(to, rel, from, row.get_ref(0)?.as_blob()?))
        });
        decoded.optional()?.ok_or_else(|| gone(key))?.map_err(|bad| bad.of(key))
    }
}

fn gone(key: Key) -> StorageError {
    StorageError::Damaged(format!("{key} is gone"))
}
