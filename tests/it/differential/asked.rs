//! A random selector as text, made from the schema so that most of it resolves, with values taken from the world so that
//! some of it matches; now and then a slip.

use seatgraph::graph::Graph;
use seatgraph::model::schema::Hop;
use seatgraph::model::{FieldType, Kind, Time, Value};

use super::Dice;
use super::world::{NUMBERS, TEXTS, TIMES, has_any, one_of};

pub fn selector(dice: &mut Dice, graph: &Graph) -> String {
    let mut text = String::new();
    let present: Vec<Kind> = Kind::public().filter(|kind| graph.kind_count(*kind) > 0).collect();
    let mut kind = if dice.in_hundred(6) {
        text.push_str("/me");
        Kind::Profile
    } else {
        let kind = match dice.below(100) {
            0..2 => Some(Kind::Organization),
            2..50 => dice.pick(&present).copied(),
            // The kind of some entity: there are many of a common one.
            _ => {
                let mut at = dice.below(graph.len());
                present.iter().copied().find(|kind| {
                    let here = at < graph.kind_count(*kind);
                    at = at.saturating_sub(graph.kind_count(*kind));
                    here
                })
            }
        };
        let kind = kind.unwrap_or(Kind::Organization);
        text.push('/');
        text.push_str(&object(dice, graph, kind));
        kind
    };
    let hops = match dice.below(20) {
        0..6 => 0,
        6..12 => 1,
        12..16 => 2,
        16..18 => 3,
        18 => 4,
        _ => 5,
    };
    for _ in 0..hops {
        let lively: Vec<Hop> = kind
            .hops()
            .iter()
            .copied()
            .filter(|hop| has_any(graph, hop.rel) || dice.in_hundred(3))
            .collect();
        let Some(hop) = dice.pick(&lively).copied() else { break };
        text.push_str("/~");
        text.push_str(hop.word());
        if hop.rel.def().relation_type.is_named() && dice.in_hundred(30) {
            text.push_str(&format!("[{}]", relation_condition(dice, graph, hop)));
        }
        kind = hop.to();
        text.push('/');
        text.push_str(&object(dice, graph, kind));
    }
    if dice.in_hundred(40) {
        let keys: Vec<String> = (0..1 + dice.below(2))
            .map(|_| {
                format!(
                    "s={}{}",
                    sorted_by(dice, kind),
                    dice.pick(&["+", "-", ""]).copied().unwrap_or_default()
                )
            })
            .collect();
        text.push_str(&format!("{{{}}}", keys.join(",")));
    }
    text
}

fn object(dice: &mut Dice, graph: &Graph, kind: Kind) -> String {
    let mut text = kind.name().to_owned();
    if dice.in_hundred(3) {
        text.push_str(&format!(":{}", kind.name()));
    }
    let brackets = match dice.below(10) {
        0..5 => 0,
        5..9 => 1,
        _ => 2,
    };
    for _ in 0..brackets {
        text.push_str(&format!(
            "[{}]",
            condition(dice, 0, &mut |dice| comparison(dice, graph, kind))
        ));
    }
    text
}

fn relation_condition(dice: &mut Dice, graph: &Graph, hop: Hop) -> String {
    let def = hop.rel.def();
    condition(dice, 1, &mut |dice| {
        let (from, to) = def.end_names();
        match dice.pick(def.fields).filter(|_| dice_says(graph)) {
            Some(field) if dice.in_hundred(70) => compare(dice, graph, field.name, field.field_type, None),
            _ => {
                let (name, kind) = if dice.in_hundred(50) {
                    (from, def.from)
                } else {
                    (to, def.to)
                };
                let id = one_of(dice, graph, kind, 40).map(Value::Uuid);
                compare(dice, graph, &name, FieldType::Uuid, id)
            }
        }
    })
}

/// A world without entities has no ends to name.
fn dice_says(graph: &Graph) -> bool {
    !graph.is_empty()
}

fn condition(dice: &mut Dice, depth: usize, leaf: &mut dyn FnMut(&mut Dice) -> String) -> String {
    match dice.below(if depth < 3 { 10 } else { 6 }) {
        0..6 => leaf(dice),
        6 => format!("not ({})", condition(dice, depth + 1, leaf)),
        7 | 8 => {
            let all: Vec<String> = (0..2 + dice.below(2))
                .map(|_| grouped(condition(dice, depth + 1, leaf)))
                .collect();
            all.join(dice.pick(&[" and ", ",", "&"]).copied().unwrap_or(" and "))
        }
        _ => {
            let any: Vec<String> = (0..2 + dice.below(2))
                .map(|_| grouped(condition(dice, depth + 1, leaf)))
                .collect();
            any.join(dice.pick(&[" or ", "|"]).copied().unwrap_or(" or "))
        }
    }
}

fn grouped(text: String) -> String {
    if text.contains(" or ") || text.contains('|') || text.contains(" and ") || text.contains(',') || text.contains('&')
    {
        format!("({text})")
    } else {
        text
    }
}

/// Rather by a field that has its order in an index.
fn sorted_by(dice: &mut Dice, kind: Kind) -> String {
    let indexed: Vec<&str> = kind
        .def()
        .fields
        .iter()
        .filter(|field| field.indexed)
        .map(|field| field.name)
        .collect();
    if dice.in_hundred(20) {
        return "serial".to_owned();
    }
    match dice.pick(&indexed) {
        Some(name) if dice.in_hundred(60) => (*name).to_owned(),
        _ => field(dice, kind),
    }
}

fn field(dice: &mut Dice, kind: Kind) -> String {
    if dice.in_hundred(1) {
        return "nonsense".to_owned();
    }
    dice.pick(&kind.field_names())
        .cloned()
        .unwrap_or_else(|| "id".to_owned())
}

fn comparison(dice: &mut Dice, graph: &Graph, kind: Kind) -> String {
    if dice.in_hundred(4) {
        let how_many = 2 + dice.below(3);
        let ids = (0..how_many).filter_map(|_| one_of(dice, graph, kind, 10));
        let ids: Vec<String> = ids.map(|id| format!("@id='{id}'")).collect();
        if !ids.is_empty() {
            return format!("({})", ids.join(" or "));
        }
    }
    // Ids and references find things: they come more often than their share of the fields.
    let name = match dice.below(10) {
        0 => "id".to_owned(),
        1 => match dice.pick(kind.parents()) {
            Some(rel) => rel.def().reference_name(),
            None => field(dice, kind),
        },
        _ => field(dice, kind),
    };
    let Some(resolved) = kind.resolve(&name) else {
        return format!("@{name}='x'");
    };
    // A value that somebody has.
    let count = graph.kind_count(kind);
    let node = graph.of_kind(kind, None).nth(dice.below(count));
    let value = node.and_then(|node| match resolved {
        seatgraph::model::Field::Id => Some(Value::Uuid(node.id)),
        seatgraph::model::Field::Serial => Some(Value::Int(node.serial as i64)),
        seatgraph::model::Field::Created => Some(Value::Time(node.created)),
        seatgraph::model::Field::Updated => Some(Value::Time(node.updated)),
        seatgraph::model::Field::Own(index) => node.fields().get(index).cloned(),
        seatgraph::model::Field::Parent(rel) => node.parent(rel).map(|parent| Value::Uuid(parent.id)),
    });
    compare(dice, graph, &name, resolved.field_type(kind), value)
}

fn compare(dice: &mut Dice, graph: &Graph, name: &str, field_type: FieldType, value: Option<Value>) -> String {
    if dice.in_hundred(12) {
        return format!("@{name}{}null", if dice.in_hundred(50) { "=" } else { "!=" });
    }
    let operators: &[&str] = match field_type {
        _ if dice.in_hundred(1) => &["~", "<", "*", ">="],
        FieldType::Bool | FieldType::Uuid => &["=", "=", "=", "!="],
        FieldType::Int | FieldType::Time => &["=", "!=", "<", "<=", ">", ">="],
        FieldType::Json => &["=", "!=", "~", "!~", "*"],
        FieldType::Text => &["=", "=", "=", "!=", "~", "~", "!~", "*", "*", "<", "<=", ">", ">="],
    };
    let operator = dice.pick(operators).copied().unwrap_or("=");
    let value = value
        .filter(|_| dice.in_hundred(70))
        .unwrap_or_else(|| any_value(dice, graph, field_type));
    let literal = match value {
        Value::Bool(flag) if dice.in_hundred(80) => flag.to_string(),
        Value::Bool(flag) => format!("'{flag}'"),
        Value::Int(number) if dice.in_hundred(80) => number.to_string(),
        Value::Int(number) => format!("'{number}'"),
        Value::Time(time) if dice.in_hundred(50) => time.millis().to_string(),
        Value::Time(time) => format!("'{time}'"),
        Value::Uuid(id) if dice.in_hundred(20) => format!("'{}'", id.to_string().to_uppercase()),
        Value::Uuid(id) => format!("'{id}'"),
        Value::Text(text) => quoted(&altered(dice, &text, operator)),
    };
    format!("@{name}{operator}{literal}")
}

fn any_value(dice: &mut Dice, graph: &Graph, field_type: FieldType) -> Value {
    let at = dice.next() as usize;
    match field_type {
        FieldType::Text | FieldType::Json => Value::text(TEXTS[at % TEXTS.len()]),
        FieldType::Bool => Value::Bool(at.is_multiple_of(2)),
        FieldType::Int => Value::Int(NUMBERS[at % NUMBERS.len()]),
        FieldType::Time => Value::Time(Time(TIMES[at % TIMES.len()])),
        FieldType::Uuid => {
            let kind = Kind::ALL[at % Kind::ALL.len()];
            Value::Uuid(one_of(dice, graph, kind, 0).unwrap_or_else(|| uuid::Uuid::from_u128(at as u128)))
        }
    }
}

/// Other case, a piece, wildcards.
fn altered(dice: &mut Dice, text: &str, operator: &str) -> String {
    let mut text = match dice.below(6) {
        0 => text.to_uppercase(),
        1 => text.to_lowercase(),
        2 => text.chars().take(dice.below(text.chars().count() + 1)).collect(),
        3 => text.chars().skip(dice.below(text.chars().count() + 1)).collect(),
        _ => text.to_owned(),
    };
    if operator.ends_with('~') {
        match dice.below(6) {
            0 => text = format!("{text}*"),
            1 => text = format!("%{text}"),
            2 => text = text.replace('*', r"\*").replace('%', r"\%"),
            3 => {
                let half: String = text.chars().take(1).collect();
                let rest: String = text.chars().skip(2).collect();
                text = format!("{half}*{rest}");
            }
            _ => {}
        }
    }
    text
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', "''"))
}
