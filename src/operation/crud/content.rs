//! What an entity's fields become when a body is merged into them. A pure function of both: asks nothing of the graph,
//! and does not know who writes.

use crate::graph::Kept;
use crate::model::{Entity, Field, FieldDef, FieldType, Fields, Kind, Rel, Time, Value, Values};
use crate::operation::input::FieldInput;
use crate::operation::refusal::Refusal;
use crate::operation::shown;

/// What becomes of a server-owned value in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerOwned {
    /// Ignored if it is the value there is, else refused.
    Refused,
    /// An import of an entity that is there: it brings what it was once, and the server's own count goes on.
    Ignored,
    /// An import of a new entity: when it was made is kept, but its counters are the server's.
    TimesKept,
    /// An import of a new entity that names its serial: it was exported, and is put back as it was.
    Kept,
}

/// A refusal and the name of the field it is about.
pub type FieldRefusal = (String, Refusal);

/// The fields as they will be, and what an import keeps.
pub fn merge<'i>(
    kind: Kind,
    current: Option<&Entity>,
    inputs: impl Iterator<Item = &'i FieldInput>,
    server_owned: ServerOwned,
) -> Result<(Fields, Kept), FieldRefusal> {
    let defs = kind.def().fields;
    let mut values: Vec<Option<Value>> = (0..defs.len())
        .map(|index| current.and_then(|entity| entity.fields().get(index as u8)).cloned())
        .collect();
    let mut kept = Kept::default();
    let hash_of = kind.field("passwordPlain").zip(kind.field("passwordHash"));
    for FieldInput { field, value } in inputs {
        let Field::Own(index) = field else {
            common(kind, current, *field, value.as_ref(), server_owned, &mut kept)
                .map_err(|refusal| (field.name(kind), refusal))?;
            continue;
        };
        let Some(def) = defs.get(usize::from(*index)) else {
            continue;
        };
        let wrong = |refusal| (def.name.to_owned(), refusal);
        // The plain text was replaced by its hash before it came here, and is kept as that.
        if let Some((plain, hash)) = hash_of
            && plain == *index
        {
            if value
                .as_ref()
                .and_then(Value::as_text)
                .is_some_and(|text| !text.starts_with("$argon2id$"))
            {
                return Err(wrong(Refusal::PasswordNotHashed));
            }
            values[usize::from(hash)].clone_from(value);
            continue;
        }
        if def.server_owned {
            let had = current.and_then(|entity| entity.fields().get(*index));
            match server_owned {
                // Whether a secret was guessed right is a secret too.
                _ if def.secret && value.is_some() => return Err(wrong(not_yours(kind, def.name))),
                ServerOwned::Refused | ServerOwned::TimesKept if had != value.as_ref() => {
                    return Err(wrong(not_yours(kind, def.name)));
                }
                ServerOwned::Kept if !def.secret => {
                    values[usize::from(*index)] = checked(def, value).map_err(wrong)?;
                }
                _ => {}
            }
            continue;
        }
        values[usize::from(*index)] = checked(def, value).map_err(wrong)?;
    }
    for (value, def) in values.iter_mut().zip(defs) {
        if value.is_none() {
            *value = unset(def);
        }
        let empty = value.as_ref().is_none_or(|value| value.as_text() == Some(""));
        if def.required && empty {
            return Err((def.name.to_owned(), Refusal::RequiredMissing { kind, field: def.name }));
        }
    }
    let fields = collect(values);
    in_order(defs, current.map(Entity::fields), fields.values())?;
    Ok((fields, kept))
}

/// The same for a named relation's own fields.
pub fn merge_relation<'i>(
    rel: Rel,
    current: Option<Values<'_>>,
    inputs: impl Iterator<Item = &'i (u8, Option<Value>)>,
) -> Result<Fields, FieldRefusal> {
    let defs = rel.def().fields;
    let mut values: Vec<Option<Value>> = (0..defs.len())
        .map(|index| current.and_then(|fields| fields.get(index as u8)).cloned())
        .collect();
    for (index, value) in inputs {
        if let Some(def) = defs.get(usize::from(*index)) {
            values[usize::from(*index)] = checked(def, value).map_err(|refusal| (def.name.to_owned(), refusal))?;
        }
    }
    let fields = collect(values);
    in_order(defs, current, fields.values())?;
    Ok(fields)
}

/// What would be kept of a value, for those who hold two against each other. One that is going to be refused is taken as it is.
pub fn stored(def: &FieldDef, value: &Option<Value>) -> Option<Value> {
    let kept = checked(def, value).unwrap_or_else(|_| value.clone());
    kept.or_else(|| unset(def))
}

/// Unset is not one of its states: cleared, it is what it is when nobody says anything.
fn unset(def: &FieldDef) -> Option<Value> {
    def.default_true.then_some(Value::Bool(true))
}

fn collect(values: Vec<Option<Value>>) -> Fields {
    values
        .into_iter()
        .enumerate()
        .filter_map(|(index, value)| Some((index as u8, value?)))
        .collect()
}

fn not_yours(kind: Kind, field: &str) -> Refusal {
    Refusal::ServerOwned {
        kind,
        field: field.to_owned(),
    }
}

/// `serial`, `created` and `updated`.
fn common(
    kind: Kind,
    current: Option<&Entity>,
    field: Field,
    value: Option<&Value>,
    server_owned: ServerOwned,
    kept: &mut Kept,
) -> Result<(), Refusal> {
    let name = || field.name(kind);
    let had = current.and_then(|entity| match field {
        Field::Serial => i64::try_from(entity.serial).ok().map(Value::Int),
        Field::Created => Some(Value::Time(entity.created)),
        Field::Updated => Some(Value::Time(entity.updated)),
        _ => None,
    });
    let (Some(value), false) = (value, server_owned == ServerOwned::Ignored) else {
        // Null is what a new entity has so far, and never what an old one has.
        return match server_owned {
            ServerOwned::Refused if had.is_some() => Err(not_yours(kind, &name())),
            _ => Ok(()),
        };
    };
    if server_owned == ServerOwned::Refused {
        return match &had {
            Some(had) if had == value => Ok(()),
            Some(had) => Err(Refusal::NotAsRead {
                kind,
                field: name(),
                now: match had {
                    Value::Time(time) => Some(time.to_string()),
                    Value::Int(number) => Some(number.to_string()),
                    _ => None,
                },
            }),
            None => Err(not_yours(kind, &name())),
        };
    }
    let time = || value.as_time().ok_or_else(|| Refusal::ValueDoesNotFit(name()));
    match field {
        Field::Serial => {
            let serial = value.as_int().and_then(|serial| u64::try_from(serial).ok());
            kept.serial = Some(serial.ok_or_else(|| Refusal::ValueDoesNotFit(name()))?);
        }
        Field::Created => kept.created = Some(time()?),
        Field::Updated => kept.updated = Some(time()?),
        _ => {}
    }
    Ok(())
}

/// The value as it is kept, if the schema allows it.
fn checked(def: &FieldDef, value: &Option<Value>) -> Result<Option<Value>, Refusal> {
    let Some(value) = value else { return Ok(None) };
    let fits = matches!(
        (def.field_type, value),
        (FieldType::Text | FieldType::Json, Value::Text(_))
            | (FieldType::Bool, Value::Bool(_))
            | (FieldType::Int, Value::Int(_))
            | (FieldType::Time, Value::Time(_))
            | (FieldType::Uuid, Value::Uuid(_))
    );
    if !fits {
        return Err(Refusal::ValueDoesNotFit(def.name.to_owned()));
    }
    let not_allowed = |value: String, allowed: String| {
        Err(Refusal::ValueNotAllowed {
            field: def.name.to_owned(),
            value,
            allowed,
        })
    };
    match value {
        Value::Text(text) if !def.values.is_empty() => match text.as_str() {
            "" => Ok(None),
            known if def.values.contains(&known) => Ok(Some(value.clone())),
            other => not_allowed(
                shown(other),
                format!("one of `{}`, or nothing", def.values.join("`, `")),
            ),
        },
        // No text is no name: it would be the one thing of its type that is called by nothing.
        Value::Text(text) if def.unique && text.is_empty() => Ok(None),
        Value::Int(number) => match def.minimum {
            Some(minimum) if *number < minimum => {
                not_allowed(number.to_string(), format!("a number from {minimum} up"))
            }
            _ => Ok(Some(value.clone())),
        },
        _ => Ok(Some(value.clone())),
    }
}

/// Where not, it is about the end, unless that is what it was.
fn in_order(defs: &[FieldDef], before: Option<Values<'_>>, fields: Values<'_>) -> Result<(), FieldRefusal> {
    let time = |fields: Values<'_>, name: &str| -> Option<Time> {
        fields
            .get(defs.iter().position(|def| def.name == name)? as u8)?
            .as_time()
    };
    match (time(fields, "validFrom"), time(fields, "validUntil")) {
        (Some(from), Some(until)) if until < from => {
            let had = before.and_then(|before| time(before, "validUntil"));
            let name = if had == Some(until) { "validFrom" } else { "validUntil" };
            Err((name.to_owned(), Refusal::EndBeforeStart))
        }
        _ => Ok(()),
    }
}
