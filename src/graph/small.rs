//! Small worlds for the tests of this room, told by names: an entity's id is made of its name.

use uuid::Uuid;

use crate::model::{Change, Clock, Fields, Kind, Rel, Revision, Time, Value, schema};

use super::{Graph, Kept, Transaction, Violation};

pub(super) static CLOCK: std::sync::LazyLock<Clock> = std::sync::LazyLock::new(|| Clock::frozen(Time(0)));

pub(super) fn id(name: &str) -> Uuid {
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    Uuid::from_bytes(bytes)
}

pub(super) fn name(id: Uuid) -> String {
    String::from_utf8_lossy(id.as_bytes()).trim_end_matches('\0').to_owned()
}

/// The first relation of the schema between two kinds.
pub(super) fn rel(from: Kind, to: Kind) -> Rel {
    schema::relations()
        .find(|rel| rel.def().from == from && rel.def().to == to)
        .unwrap()
}

pub(super) fn fields(kind: Kind, pairs: &[(&str, Value)]) -> Fields {
    pairs
        .iter()
        .map(|(name, value)| (kind.field(name).unwrap(), value.clone()))
        .collect()
}

/// Steps by name, each an entity (`Organization acme`), a relation (`acme > gold`), the end of one (`acme x gold`), or
/// the removal of an entity (`- acme`) or of all that goes with it (`-- acme`).
pub(super) fn take(transaction: &mut Transaction<'_>, steps: &str) -> Result<(), Violation> {
    for step in steps.split(',').map(str::trim).filter(|step| !step.is_empty()) {
        let words: Vec<&str> = step.split(' ').collect();
        let between = |transaction: &Transaction<'_>, from: &str, to: &str| {
            let kind = |name| transaction.graph().find(id(name)).unwrap().kind;
            (rel(kind(from), kind(to)), id(from), id(to))
        };
        match words[..] {
            ["-", name] => transaction.remove(id(name))?,
            ["--", name] => drop(transaction.remove_cascading(id(name))?),
            [from, ">", to] => {
                let (rel, from, to) = between(transaction, from, to);
                transaction.relate(rel, from, to, Fields::default())?;
            }
            [from, "x", to] => {
                let (rel, from, to) = between(transaction, from, to);
                transaction.unrelate(rel, from, to)?;
            }
            [kind, name] => {
                transaction.create(id(name), Kind::named(kind).unwrap(), Fields::default(), Kept::default())?
            }
            _ => panic!("{step}"),
        }
    }
    Ok(())
}

/// One transaction; what it changed.
pub(super) fn commit(graph: &mut Graph, revision: Revision, steps: &str) -> Result<Vec<Change>, Violation> {
    let mut transaction = Transaction::new(graph, revision, Time(revision as i64), &CLOCK);
    take(&mut transaction, steps)?;
    let changes = transaction.finish()?;
    graph.set_revision(revision);
    Ok(changes)
}

/// `+gold ~acme -acme>gold`: what was created, updated, removed.
pub(super) fn told(changes: &[Change]) -> String {
    let sign = |before: bool, after: bool| match (before, after) {
        (false, _) => '+',
        (_, false) => '-',
        _ => '~',
    };
    let word = |change: &Change| match change {
        Change::Entity { before, after } => {
            let entity = before.as_ref().or(after.as_ref()).unwrap();
            format!("{}{}", sign(before.is_some(), after.is_some()), name(entity.id))
        }
        Change::Relation { before, after } => {
            let relation = before.as_ref().or(after.as_ref()).unwrap();
            let sign = sign(before.is_some(), after.is_some());
            format!("{sign}{}>{}", name(relation.from.id), name(relation.to.id))
        }
    };
    changes.iter().map(word).collect::<Vec<_>>().join(" ")
}
