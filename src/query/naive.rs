//! The same meaning with no plan and no index: the judge in tests. Sets are walked forward, part by part, over the view.
//! Shares nothing with the planned way but the tree and the schema; declines to be fast, to page, or to say what is wrong.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::access::View;
use crate::graph::Node;
use crate::model::schema::Hop;
use crate::model::{Direction, FieldType, Kind, Serial, Time, Value, Values};
use crate::selector::ast::{Comparison, Head, LiteralValue, ObjectPart, Operator, Predicate, Selector};

/// All matches in the order the selector asks for; `None` for a selector that should be refused.
pub fn naive<'g>(selector: &Selector, view: &View<'g>) -> Option<Vec<Node<'g>>> {
    let (mut kind, mut set) = match &selector.head {
        Head::Object(object) => {
            let kind = public(object)?;
            (kind, keep(everything(view, kind), object, view)?)
        }
        Head::Me(_) => {
            let caller = view.who().principal.profile?;
            let mut all = everything(view, Kind::Profile);
            all.retain(|_, node| node.id == caller);
            (Kind::Profile, all)
        }
        Head::Named(_) => return None,
    };
    for step in &selector.steps {
        let to = public(&step.object)?;
        let word = step.relation.name.text.as_str();
        let hop = *kind.hops().iter().find(|hop| hop.to() == to && hop.word() == word)?;
        let named = hop.rel.def().relation_type.is_named();
        if step
            .relation
            .collection
            .as_ref()
            .is_some_and(|collection| !named || collection.text != word)
        {
            return None;
        }
        if !named && !step.relation.predicates.is_empty() {
            return None;
        }
        for predicate in &step.relation.predicates {
            check_relation(predicate, hop)?;
        }
        let mut reached = BTreeMap::new();
        for node in set.values() {
            for (other, fields) in node.hop(hop, None) {
                let linked = step
                    .relation
                    .predicates
                    .iter()
                    .all(|predicate| linked(predicate, hop, *node, other, fields));
                if view.sees_relation(hop.rel) && view.sees(other) && linked {
                    reached.insert(other.serial, other);
                }
            }
        }
        set = keep(reached, &step.object, view)?;
        kind = to;
    }
    let mut matches: Vec<Node<'g>> = set.into_values().collect();
    for sort in selector.params.sort.iter().rev() {
        shape(kind, &sort.field.text)?;
        matches.sort_by(|one, other| {
            let (one, other) = (
                field(*one, &sort.field.text, view),
                field(*other, &sort.field.text, view),
            );
            let order = match (&one, &other) {
                (None, None) => Ordering::Equal,
                (None, Some(_)) => Ordering::Greater,
                (Some(_), None) => Ordering::Less,
                (Some(one), Some(other)) => rank(kind, &sort.field.text, one, other),
            };
            if sort.descending { order.reverse() } else { order }
        });
    }
    Some(matches)
}

type Set<'g> = BTreeMap<Serial, Node<'g>>;

fn public(object: &ObjectPart) -> Option<Kind> {
    let kind = Kind::ALL
        .iter()
        .copied()
        .find(|kind| kind.name() == object.name.text && !kind.def().internal)?;
    (object
        .collection
        .as_ref()
        .is_none_or(|collection| collection.text == kind.name()))
    .then_some(kind)
}

fn everything<'g>(view: &View<'g>, kind: Kind) -> Set<'g> {
    view.graph()
        .of_kind(kind, None)
        .filter(|node| view.sees(*node))
        .map(|node| (node.serial, node))
        .collect()
}

fn keep<'g>(set: Set<'g>, object: &ObjectPart, view: &View<'g>) -> Option<Set<'g>> {
    let kind = public(object)?;
    for predicate in &object.predicates {
        check(predicate, kind)?;
    }
    let keeps = |node: Node<'g>| object.predicates.iter().all(|predicate| holds(predicate, node, view));
    Some(set.into_iter().filter(|(_, node)| keeps(*node)).collect())
}

/// The type of a field by name, and whether it folds case.
fn shape(kind: Kind, name: &str) -> Option<(FieldType, bool)> {
    match name {
        "id" => return Some((FieldType::Uuid, false)),
        "serial" => return Some((FieldType::Int, false)),
        "created" | "updated" => return Some((FieldType::Time, false)),
        _ => {}
    }
    if let Some(field) = kind.def().fields.iter().find(|field| field.name == name) {
        return (!field.secret).then_some((field.field_type, field.folded));
    }
    let parent = kind
        .parents()
        .iter()
        .any(|rel| format!("ref_{}_id", rel.def().from.name()) == name);
    parent.then_some((FieldType::Uuid, false))
}

fn field(node: Node<'_>, name: &str, view: &View<'_>) -> Option<Value> {
    match name {
        "id" => return Some(Value::Uuid(node.id)),
        "serial" => return Some(Value::Int(node.serial as i64)),
        "created" => return Some(Value::Time(node.created)),
        "updated" => return Some(Value::Time(node.updated)),
        _ => {}
    }
    if let Some(at) = node.kind.def().fields.iter().position(|field| field.name == name) {
        return node.fields().get(at as u8).cloned();
    }
    for rel in node.kind.parents() {
        if format!("ref_{}_id", rel.def().from.name()) == name {
            let up = node.hop(Hop::backward(*rel), None);
            let mut visible = up.map(|(parent, _)| parent).filter(|parent| parent.graph_sees(view));
            return visible
                .next()
                .filter(|_| view.sees_relation(*rel))
                .map(|parent| Value::Uuid(parent.id));
        }
    }
    None
}

trait Seen {
    fn graph_sees(&self, view: &View<'_>) -> bool;
}

impl Seen for Node<'_> {
    /// By id, since the lifetimes of a node and of a view need not be one here.
    fn graph_sees(&self, view: &View<'_>) -> bool {
        view.find(self.id).is_some()
    }
}

fn rank(kind: Kind, name: &str, one: &Value, other: &Value) -> Ordering {
    let folds = shape(kind, name).is_some_and(|(_, folded)| folded);
    let key = |value: &Value| match value {
        Value::Text(text) if folds => Value::text(&beginning(&letters(text))),
        Value::Text(text) => Value::text(&beginning(text)),
        value => value.clone(),
    };
    order(&key(one), &key(other), false)
}

/// Lower case, one by one.
fn letters(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Letters until there are 256 bytes: no more of a text orders it.
fn beginning(text: &str) -> String {
    let mut begun = String::new();
    for letter in text.chars() {
        if begun.len() >= 256 {
            break;
        }
        begun.push(letter);
    }
    begun
}

/// `None` if the values are of different types.
fn order(one: &Value, other: &Value, folds: bool) -> Ordering {
    match (one, other) {
        (Value::Text(one), Value::Text(other)) => {
            let letters = |text: &str| if folds { letters(text) } else { text.to_owned() };
            letters(one).chars().cmp(letters(other).chars())
        }
        (Value::Int(one), Value::Int(other)) => one.cmp(other),
        (Value::Time(one), Value::Time(other)) => one.0.cmp(&other.0),
        (Value::Bool(one), Value::Bool(other)) => u8::from(*one).cmp(&u8::from(*other)),
        (Value::Uuid(one), Value::Uuid(other)) => one.as_bytes().cmp(other.as_bytes()),
        _ => Ordering::Equal,
    }
}

fn comparisons<'a>(predicate: &'a Predicate, all: &mut Vec<&'a Comparison>) {
    match predicate {
        Predicate::Compare(comparison) => all.push(comparison),
        Predicate::Not(inner) => comparisons(inner, all),
        Predicate::And(inner) | Predicate::Or(inner) => inner.iter().for_each(|inner| comparisons(inner, all)),
    }
}

/// Does every comparison fit the schema?
fn check(predicate: &Predicate, kind: Kind) -> Option<()> {
    let mut all = Vec::new();
    comparisons(predicate, &mut all);
    all.into_iter()
        .all(|comparison| fits(comparison, shape(kind, &comparison.field.text)))
        .then_some(())
}

fn check_relation(predicate: &Predicate, hop: Hop) -> Option<()> {
    let mut all = Vec::new();
    comparisons(predicate, &mut all);
    all.into_iter()
        .all(|comparison| fits(comparison, relation_shape(hop, &comparison.field.text)))
        .then_some(())
}

fn relation_shape(hop: Hop, name: &str) -> Option<(FieldType, bool)> {
    let def = hop.rel.def();
    if let Some(field) = def.fields.iter().find(|field| field.name == name) {
        return Some((field.field_type, field.folded));
    }
    (name == def.end_names().0 || name == def.end_names().1).then_some((FieldType::Uuid, false))
}

fn fits(comparison: &Comparison, shape: Option<(FieldType, bool)>) -> bool {
    let Some((field_type, _)) = shape else { return false };
    if comparison.value.value == LiteralValue::Null {
        return matches!(comparison.operator, Operator::Equal | Operator::NotEqual);
    }
    let operators: &[Operator] = match field_type {
        FieldType::Bool | FieldType::Uuid => &[Operator::Equal, Operator::NotEqual],
        FieldType::Int | FieldType::Time => &[
            Operator::Equal,
            Operator::NotEqual,
            Operator::Less,
            Operator::LessOrEqual,
            Operator::Greater,
            Operator::GreaterOrEqual,
        ],
        FieldType::Json => &[
            Operator::Equal,
            Operator::NotEqual,
            Operator::Like,
            Operator::NotLike,
            Operator::Prefix,
        ],
        FieldType::Text => return literal(&comparison.value.value, field_type).is_some(),
    };
    operators.contains(&comparison.operator) && literal(&comparison.value.value, field_type).is_some()
}

fn literal(literal: &LiteralValue, field_type: FieldType) -> Option<Value> {
    match literal {
        LiteralValue::Null => None,
        LiteralValue::Bool(flag) => (field_type == FieldType::Bool).then_some(Value::Bool(*flag)),
        LiteralValue::Number(number) => {
            let number = number.parse::<i64>().ok()?;
            match field_type {
                FieldType::Int => Some(Value::Int(number)),
                FieldType::Time => Time::from_millis(number).map(Value::Time),
                _ => None,
            }
        }
        LiteralValue::Text(text) => match field_type {
            FieldType::Text | FieldType::Json => Some(Value::text(text)),
            FieldType::Bool if text == "true" => Some(Value::Bool(true)),
            FieldType::Bool if text == "false" => Some(Value::Bool(false)),
            FieldType::Bool => None,
            FieldType::Int => text.parse::<i64>().ok().map(Value::Int),
            FieldType::Time => Time::parse(text).map(Value::Time),
            FieldType::Uuid => {
                let dashes = text
                    .char_indices()
                    .filter(|(_, letter)| *letter == '-')
                    .map(|(at, _)| at);
                if text.len() != 36 || !dashes.eq([8, 13, 18, 23]) {
                    return None;
                }
                u128::from_str_radix(&text.replace('-', ""), 16)
                    .ok()
                    .map(|id| Value::Uuid(uuid::Uuid::from_u128(id)))
            }
        },
    }
}

fn holds(predicate: &Predicate, node: Node<'_>, view: &View<'_>) -> bool {
    match predicate {
        Predicate::And(all) => all.iter().all(|inner| holds(inner, node, view)),
        Predicate::Or(any) => any.iter().any(|inner| holds(inner, node, view)),
        Predicate::Not(inner) => !holds(inner, node, view),
        Predicate::Compare(comparison) => {
            let name = comparison.field.text.as_str();
            let enumerated = node
                .kind
                .def()
                .fields
                .iter()
                .any(|field| field.name == name && !field.values.is_empty());
            shape(node.kind, name).is_some_and(|shape| met(comparison, shape, enumerated, field(node, name, view)))
        }
    }
}

fn linked(predicate: &Predicate, hop: Hop, left: Node<'_>, right: Node<'_>, fields: Values<'_>) -> bool {
    match predicate {
        Predicate::And(all) => all.iter().all(|inner| linked(inner, hop, left, right, fields)),
        Predicate::Or(any) => any.iter().any(|inner| linked(inner, hop, left, right, fields)),
        Predicate::Not(inner) => !linked(inner, hop, left, right, fields),
        Predicate::Compare(comparison) => {
            let name = comparison.field.text.as_str();
            let def = hop.rel.def();
            let (from, to) = if hop.direction == Direction::Forward {
                (left, right)
            } else {
                (right, left)
            };
            let value = match def.fields.iter().position(|field| field.name == name) {
                Some(at) => fields.get(at as u8).cloned(),
                None if name == def.end_names().0 => Some(Value::Uuid(from.id)),
                None => Some(Value::Uuid(to.id)),
            };
            relation_shape(hop, name).is_some_and(|shape| met(comparison, shape, false, value))
        }
    }
}

fn met(
    comparison: &Comparison,
    (field_type, folds): (FieldType, bool),
    enumerated: bool,
    value: Option<Value>,
) -> bool {
    let operator = comparison.operator;
    let cleared = enumerated && comparison.value.value == LiteralValue::Text("".into());
    let equality = matches!(operator, Operator::Equal | Operator::NotEqual);
    let wanted = if cleared && equality {
        None
    } else {
        literal(&comparison.value.value, field_type)
    };
    let (value, wanted) = match (value, wanted) {
        (None, None) => return operator == Operator::Equal,
        (Some(_), None) => return operator == Operator::NotEqual,
        (None, Some(_)) => return operator == Operator::NotEqual,
        (Some(value), Some(wanted)) => (value, wanted),
    };
    let order = order(&value, &wanted, folds);
    let text = |value: &Value| value.as_text().unwrap_or_default().to_owned();
    match operator {
        Operator::Equal => order.is_eq(),
        Operator::NotEqual => order.is_ne(),
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        Operator::GreaterOrEqual => order.is_ge(),
        Operator::Prefix if folds => letters(&text(&value)).starts_with(&letters(&text(&wanted))),
        Operator::Prefix => text(&value).starts_with(&text(&wanted)),
        Operator::Like => like(&text(&wanted), &text(&value)),
        Operator::NotLike => !like(&text(&wanted), &text(&value)),
    }
}

/// A letter of a pattern, or a gap.
#[derive(Clone, Copy, PartialEq)]
enum Mark {
    Letter(char),
    Gap,
}

/// Which beginnings of the pattern match which beginnings of the text: a table, the dull way.
fn like(pattern: &str, text: &str) -> bool {
    let mut marks = Vec::new();
    let mut escaped = false;
    for letter in pattern.chars() {
        let wild = letter == '*' || letter == '%';
        if escaped && !wild {
            marks.push(Mark::Letter('\\'));
        }
        let is_escape = letter == '\\';
        match (wild, escaped) {
            _ if is_escape => {}
            (true, false) => marks.push(Mark::Gap),
            _ => marks.extend(letter.to_lowercase().map(Mark::Letter)),
        }
        escaped = is_escape;
    }
    if escaped {
        marks.push(Mark::Letter('\\'));
    }
    if !marks.contains(&Mark::Gap) {
        marks.insert(0, Mark::Gap);
        marks.push(Mark::Gap);
    }
    let text: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
    // `reached[n]`: the marks so far match the first n letters.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for mark in marks {
        let mut next = vec![false; text.len() + 1];
        for at in 0..=text.len() {
            next[at] = match mark {
                Mark::Gap => reached[at] || (at > 0 && next[at - 1]),
                Mark::Letter(letter) => at > 0 && reached[at - 1] && text[at - 1] == letter,
            };
        }
        reached = next;
    }
    reached[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_the_dull_way() {
        for (pattern, text, expected) in [
            ("nor", "the NORTH", true),
            ("Nor*", "Nordlys", true),
            ("Nor*", "the north", false),
            ("ab*ab", "aba", false),
            ("ab%ab", "ab-ab", true),
            (r"5\*", "a 5* b", true),
            (r"5\*", "55", false),
            (r"a\b", r"xA\Bx", true),
            (r"\\*", r"x\*", true),
            (r"\\*", r"\\x", false),
            ("", "", true),
        ] {
            assert_eq!(like(pattern, text), expected, "`{pattern}` on `{text}`");
        }
    }
}
