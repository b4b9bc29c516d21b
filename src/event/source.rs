//! The organizations whose own events are, by serial and by id. One that is removed is remembered for as long as its events are told.

use uuid::Uuid;

use super::KEPT_MS;
use crate::graph::{Graph, Kept, Transaction, Violation};
use crate::model::schema::place;
use crate::model::{End, Fields, Kind, Serial, Value};

const ID: u8 = place(Kind::RemovedOrganization, "organizationId");
const SERIAL: u8 = place(Kind::RemovedOrganization, "organizationSerial");

/// Of an organization that has just been removed. Two of those whose events are told no more are forgotten with it.
pub fn remember(tx: &mut Transaction<'_>, organization: End) -> Result<(), Violation> {
    let horizon = tx.now().millis().saturating_sub(KEPT_MS);
    let removed = tx.graph().of_kind(Kind::RemovedOrganization, None);
    let past: Vec<Uuid> = removed
        .take_while(|node| node.entity().created.millis() < horizon)
        // Two for one: they become fewer, and no commit pays for all of a year.
        .take(2)
        .map(|node| node.id)
        .collect();
    for id in past {
        tx.remove(id)?;
    }
    let fields: Fields = [
        (ID, Value::Uuid(organization.id)),
        (SERIAL, number(organization.serial)),
    ]
    .into_iter()
    .collect();
    let id = tx.new_id();
    tx.create(id, Kind::RemovedOrganization, fields, Kept::default())
}

pub fn id_of(graph: &Graph, organization: Serial) -> Option<Uuid> {
    if let Some(node) = graph.by_serial(Kind::Organization, organization) {
        return Some(node.id);
    }
    let removed = graph
        .by_value(Kind::RemovedOrganization, SERIAL, &number(organization), None)
        .next()?;
    removed.fields().get(ID).and_then(Value::as_uuid)
}

/// The one that has the id now, or else the last that had it.
pub fn serial_of(graph: &Graph, id: Uuid) -> Option<Serial> {
    if let Some(node) = graph.find(id).filter(|node| node.kind == Kind::Organization) {
        return Some(node.serial);
    }
    // Not by their own serials, which may have made way for an import's.
    let removed = graph
        .by_value(Kind::RemovedOrganization, ID, &Value::Uuid(id), None)
        .max_by_key(|removed| removed.entity().created)?;
    let serial = removed.fields().get(SERIAL).and_then(Value::as_int)?;
    Serial::try_from(serial).ok()
}

/// Serials are well within it.
fn number(serial: Serial) -> Value {
    Value::Int(i64::try_from(serial).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Clock, Time};

    #[test]
    fn a_removed_organization_is_known_as_long_as_its_events_are() {
        let clock = Clock::frozen(Time(0));
        let mut graph = Graph::new();
        let mut revision = 0;
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        // Made, and removed again.
        let mut pass = |graph: &mut Graph, id: Uuid, at: i64| -> Serial {
            revision += 1;
            let mut tx = Transaction::new(graph, revision, Time(at), &clock);
            tx.create(id, Kind::Organization, Fields::default(), Kept::default())
                .unwrap();
            let end = tx.graph().find(id).unwrap().end();
            assert_eq!(serial_of(tx.graph(), id), Some(end.serial));
            tx.remove(id).unwrap();
            remember(&mut tx, end).unwrap();
            tx.finish().unwrap();
            end.serial
        };
        let first = pass(&mut graph, one, 1000);
        let again = pass(&mut graph, one, 2000);
        assert_eq!((id_of(&graph, first), id_of(&graph, again)), (Some(one), Some(one)));
        assert_eq!(serial_of(&graph, one), Some(again));
        let other = pass(&mut graph, two, 1001 + KEPT_MS);
        assert_eq!((id_of(&graph, first), id_of(&graph, other)), (None, Some(two)));
        assert_eq!((id_of(&graph, again), serial_of(&graph, one)), (Some(one), Some(again)));
        pass(&mut graph, two, 2001 + KEPT_MS);
        assert_eq!((id_of(&graph, again), serial_of(&graph, one)), (None, None));
    }
}
