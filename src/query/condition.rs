//! Conditions whose names are resolved and whose values have the type of their field, and what it means to meet one.
//! Does not know where a value comes from: an entity's field, a relation's, or the id at one of its ends.

use std::cmp::Ordering;
use std::fmt;

use compact_str::CompactString;
use uuid::Uuid;

use super::budget::Budget;
use super::error::QueryError;
use super::pattern::Pattern;
use crate::access::View;
use crate::graph::Node;
use crate::model::value::fold;
use crate::model::{Direction, Field, Kind, Rel, Value, Values};
use crate::selector::Quoted;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cond<F> {
    All(Vec<Cond<F>>),
    Any(Vec<Cond<F>>),
    Not(Box<Cond<F>>),
    Test(Test<F>),
}

/// One comparison. Where the field folds case, so are the texts in `what`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Test<F> {
    pub field: F,
    pub folded: bool,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Unset,
    Set,
    Equal(Value),
    NotEqual(Value),
    Like(Box<Pattern>, CompactString),
    NotLike(Box<Pattern>, CompactString),
    Prefix(CompactString),
    Less(Value),
    LessOrEqual(Value),
    Greater(Value),
    GreaterOrEqual(Value),
}

/// Something of a relation that a selector can compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RelationField {
    Own(u8),
    /// `ref_Profile_id`, or `ref_LicensedItem_id1` where both ends are of one kind.
    From,
    To,
}

/// Whatever has fields to compare.
pub(super) trait Subject<F> {
    fn meets(&self, test: &Test<F>, reader: &mut Reader<'_>) -> Result<bool, QueryError>;
}

/// Compares what one entity or relation has at the expense of a query's budget. Sixty-four conditions may be about one text,
/// of a mebibyte perhaps: it is folded once, a long one is paid for each time it is gone through, and so are many comparisons.
pub(super) struct Reader<'b> {
    budget: &'b mut Budget,
    /// Of the selector, which explain tells apart.
    part: usize,
    /// The text that was folded last, by its place in memory, and what came of it if that is another.
    lowered: Option<(*const u8, Option<CompactString>)>,
    compared: u32,
}

/// So many comparisons are part of a visit, and each time as many more cost what another does.
const TOGETHER: u32 = 8;

impl<'b> Reader<'b> {
    pub fn new(budget: &'b mut Budget, part: usize) -> Self {
        Self {
            budget,
            part,
            lowered: None,
            compared: 0,
        }
    }

    /// One more comparison.
    #[inline]
    fn compare(&mut self) -> Result<(), QueryError> {
        self.compared += 1;
        if self.compared > TOGETHER && self.compared.is_multiple_of(TOGETHER) {
            return self.budget.compare(self.part, 1);
        }
        Ok(())
    }

    fn like(&mut self, pattern: &Pattern, text: &str) -> Result<bool, QueryError> {
        self.budget.read(self.part, text.len())?;
        Ok(pattern.matches(self.fold(text)?))
    }

    /// Only folding goes through all of a text: what it is compared with came in a selector, and is short.
    fn fold<'t>(&'t mut self, text: &'t str) -> Result<&'t str, QueryError> {
        let is_other = self.lowered.as_ref().is_none_or(|(of, _)| *of != text.as_ptr());
        if is_other {
            self.budget.read(self.part, text.len())?;
            self.lowered = Some((text.as_ptr(), (!is_folded(text)).then(|| fold(text))));
        }
        let lowered = self.lowered.as_ref().and_then(|(_, lowered)| lowered.as_deref());
        Ok(lowered.unwrap_or(text))
    }
}

/// Surely its own folding: letters beyond ASCII are not looked up for this.
fn is_folded(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
}

/// Does all of it hold? Most parts ask nothing.
pub(super) fn hold<F>(
    conds: &[Cond<F>],
    subject: &impl Subject<F>,
    budget: &mut Budget,
    part: usize,
) -> Result<bool, QueryError> {
    match conds {
        [] => Ok(true),
        // Most others ask one thing, and of many entities.
        [Cond::Test(test)] => subject.meets(test, &mut Reader::new(budget, part)),
        _ => every(conds, subject, &mut Reader::new(budget, part)),
    }
}

fn every<F>(conds: &[Cond<F>], subject: &impl Subject<F>, reader: &mut Reader<'_>) -> Result<bool, QueryError> {
    for cond in conds {
        if !cond.holds(subject, reader)? {
            return Ok(false);
        }
    }
    Ok(true)
}

impl<F> Cond<F> {
    fn holds(&self, subject: &impl Subject<F>, reader: &mut Reader<'_>) -> Result<bool, QueryError> {
        match self {
            Self::Test(test) => {
                reader.compare()?;
                subject.meets(test, reader)
            }
            Self::All(all) => every(all, subject, reader),
            Self::Any(any) => {
                for cond in any {
                    if cond.holds(subject, reader)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Not(cond) => Ok(!cond.holds(subject, reader)?),
        }
    }
}

impl<F> Test<F> {
    /// An unset field is met by `= null` and by `!=` another value, and by nothing else: it is neither like nor unlike a text.
    #[inline]
    pub fn on(&self, value: Option<&Value>, reader: &mut Reader<'_>) -> Result<bool, QueryError> {
        let Some(value) = value else {
            return Ok(matches!(self.what, What::Unset | What::NotEqual(_)));
        };
        let text = value.as_text().unwrap_or_default();
        Ok(match &self.what {
            What::Unset => false,
            What::Set => true,
            What::Equal(wanted) => self.order(value, wanted, reader)?.is_eq(),
            What::NotEqual(wanted) => self.order(value, wanted, reader)?.is_ne(),
            What::Like(pattern, _) => reader.like(pattern, text)?,
            What::NotLike(pattern, _) => !reader.like(pattern, text)?,
            What::Prefix(prefix) if self.folded => reader.fold(text)?.starts_with(prefix.as_str()),
            What::Prefix(prefix) => text.starts_with(prefix.as_str()),
            What::Less(bound) => self.order(value, bound, reader)?.is_lt(),
            What::LessOrEqual(bound) => self.order(value, bound, reader)?.is_le(),
            What::Greater(bound) => self.order(value, bound, reader)?.is_gt(),
            What::GreaterOrEqual(bound) => self.order(value, bound, reader)?.is_ge(),
        })
    }

    /// Texts by code points, which is the order of their bytes.
    fn order(&self, value: &Value, bound: &Value, reader: &mut Reader<'_>) -> Result<Ordering, QueryError> {
        Ok(match (value, bound) {
            (Value::Text(text), Value::Text(bound)) if self.folded => reader.fold(text)?.cmp(bound.as_str()),
            _ => value.cmp(bound),
        })
    }
}

/// An entity as one principal sees it.
pub(super) struct EntitySubject<'a, 'g> {
    pub node: Node<'g>,
    pub view: &'a View<'g>,
}

impl Subject<Field> for EntitySubject<'_, '_> {
    #[inline]
    fn meets(&self, test: &Test<Field>, reader: &mut Reader<'_>) -> Result<bool, QueryError> {
        let entity = self.node.entity();
        match test.field {
            Field::Own(index) => test.on(entity.fields().get(index), reader),
            Field::Id => test.on(Some(&Value::Uuid(entity.id)), reader),
            Field::Serial => test.on(Some(&serial_value(entity.serial)), reader),
            Field::Created => test.on(Some(&Value::Time(entity.created)), reader),
            Field::Updated => test.on(Some(&Value::Time(entity.updated)), reader),
            Field::Parent(rel) => test.on(parent_id(self.view, self.node, rel).map(Value::Uuid).as_ref(), reader),
        }
    }
}

/// A relation on its way from one part to the next.
pub(super) struct RelationSubject<'g> {
    pub left: Node<'g>,
    pub right: Node<'g>,
    /// Which way the relation points when walked from `left` to `right`.
    pub direction: Direction,
    pub fields: Values<'g>,
}

impl Subject<RelationField> for RelationSubject<'_> {
    fn meets(&self, test: &Test<RelationField>, reader: &mut Reader<'_>) -> Result<bool, QueryError> {
        let end = match (test.field, self.direction) {
            (RelationField::Own(index), _) => return test.on(self.fields.get(index), reader),
            (RelationField::From, Direction::Forward) | (RelationField::To, Direction::Backward) => self.left,
            (RelationField::From, Direction::Backward) | (RelationField::To, Direction::Forward) => self.right,
        };
        test.on(Some(&Value::Uuid(end.entity().id)), reader)
    }
}

/// A hidden parent is as absent as none.
pub(super) fn visible_parent<'g>(view: &View<'g>, node: Node<'g>, rel: Rel) -> Option<Node<'g>> {
    if !view.sees_relation(rel) {
        return None;
    }
    node.parent(rel).filter(|parent| view.sees(*parent))
}

pub(super) fn parent_id<'g>(view: &View<'g>, node: Node<'g>, rel: Rel) -> Option<Uuid> {
    visible_parent(view, node, rel).map(|parent| parent.entity().id)
}

/// Serials count up from 1 and end long before this does.
pub(super) fn serial_value(serial: u64) -> Value {
    Value::Int(i64::try_from(serial).unwrap_or(i64::MAX))
}

pub(super) trait FieldName {
    fn field_name(&self, of: Naming) -> String;
}

/// What a condition's names belong to, for writing it down.
#[derive(Clone, Copy)]
pub(super) enum Naming {
    Kind(Kind),
    Rel(Rel),
}

impl FieldName for Field {
    fn field_name(&self, of: Naming) -> String {
        match of {
            Naming::Kind(kind) => self.name(kind),
            Naming::Rel(_) => String::new(),
        }
    }
}

impl FieldName for RelationField {
    fn field_name(&self, of: Naming) -> String {
        let Naming::Rel(rel) = of else { return String::new() };
        match self {
            Self::Own(index) => rel
                .def()
                .fields
                .get(usize::from(*index))
                .map_or("", |field| field.name)
                .to_owned(),
            Self::From => rel.def().end_names().0,
            Self::To => rel.def().end_names().1,
        }
    }
}

/// A condition as it could have been written in the selector.
pub(super) struct Shown<'a, F>(pub &'a Cond<F>, pub Naming);

impl<F: FieldName> fmt::Display for Shown<'_, F> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(cond, of) = self;
        match cond {
            Cond::Test(test) => write!(out, "@{}{}", test.field.field_name(*of), ShownWhat(&test.what)),
            Cond::Not(cond) => write!(out, "not ({})", Shown(cond, *of)),
            Cond::All(all) | Cond::Any(all) => {
                let word = if matches!(cond, Cond::All(_)) { " and " } else { " or " };
                for (index, cond) in all.iter().enumerate() {
                    if index > 0 {
                        out.write_str(word)?;
                    }
                    match cond {
                        Cond::All(_) | Cond::Any(_) => write!(out, "({})", Shown(cond, *of))?,
                        _ => write!(out, "{}", Shown(cond, *of))?,
                    }
                }
                Ok(())
            }
        }
    }
}

struct ShownWhat<'a>(&'a What);

impl fmt::Display for ShownWhat<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            What::Unset => out.write_str("=null"),
            What::Set => out.write_str("!=null"),
            What::Equal(value) => write!(out, "={}", ShownValue(value)),
            What::NotEqual(value) => write!(out, "!={}", ShownValue(value)),
            What::Like(_, text) => write!(out, "~{}", Quoted(text)),
            What::NotLike(_, text) => write!(out, "!~{}", Quoted(text)),
            What::Prefix(text) => write!(out, "*{}", Quoted(text)),
            What::Less(value) => write!(out, "<{}", ShownValue(value)),
            What::LessOrEqual(value) => write!(out, "<={}", ShownValue(value)),
            What::Greater(value) => write!(out, ">{}", ShownValue(value)),
            What::GreaterOrEqual(value) => write!(out, ">={}", ShownValue(value)),
        }
    }
}

pub(super) struct ShownValue<'a>(pub &'a Value);

impl fmt::Display for ShownValue<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Bool(flag) => write!(out, "{flag}"),
            Value::Int(number) => write!(out, "{number}"),
            Value::Time(time) => write!(out, "'{time}'"),
            Value::Uuid(id) => write!(out, "'{id}'"),
            Value::Text(text) => write!(out, "{}", Quoted(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::model::Time;

    fn check(folded: bool, what: What, meeting: &[Option<Value>], other: &[Option<Value>]) {
        let test = Test {
            field: (),
            folded,
            what,
        };
        let mut budget = Budget::new(&Limits::default());
        let mut on = |value: &Option<Value>| test.on(value.as_ref(), &mut Reader::new(&mut budget, 0));
        for value in meeting {
            assert_eq!(on(value), Ok(true), "{test:?} should hold for {value:?}");
        }
        for value in other {
            assert_eq!(on(value), Ok(false), "{test:?} should not hold for {value:?}");
        }
    }

    fn text(text: &str) -> Option<Value> {
        Some(Value::text(text))
    }

    #[test]
    fn an_unset_field_meets_null_and_another_value() {
        let like = || (Box::new(Pattern::new("a")), CompactString::new("a"));
        check(false, What::Unset, &[None], &[text("")]);
        check(false, What::Set, &[text("")], &[None]);
        check(
            false,
            What::Equal(Value::text("a")),
            &[text("a")],
            &[None, text("A"), text("")],
        );
        check(
            false,
            What::NotEqual(Value::text("a")),
            &[None, text("A")],
            &[text("a")],
        );
        check(false, What::Like(like().0, like().1), &[text("bA")], &[None, text("b")]);
        check(
            false,
            What::NotLike(like().0, like().1),
            &[text("b")],
            &[None, text("bA")],
        );
        check(
            false,
            What::Less(Value::Int(5)),
            &[Some(Value::Int(4))],
            &[None, Some(Value::Int(5))],
        );
    }

    #[test]
    fn folding_reaches_every_comparison() {
        check(
            true,
            What::Equal(Value::text("abc")),
            &[text("ABC"), text("abc")],
            &[text("ab")],
        );
        check(true, What::NotEqual(Value::text("abc")), &[text("ab")], &[text("ABC")]);
        check(true, What::Prefix("ab".into()), &[text("ABC")], &[text("bab")]);
        check(
            true,
            What::Greater(Value::text("b")),
            &[text("C"), text("BA")],
            &[text("B"), text("A")],
        );
        check(false, What::Prefix("ab".into()), &[text("abc")], &[text("Abc")]);
        check(false, What::Greater(Value::text("b")), &[text("c")], &[text("C")]);
    }

    #[test]
    fn bounds_belong_to_the_closed_comparisons() {
        let at = |millis| Some(Value::Time(Time(millis)));
        check(false, What::Less(Value::Time(Time(5))), &[at(4)], &[at(5), at(6)]);
        check(
            false,
            What::LessOrEqual(Value::Time(Time(5))),
            &[at(4), at(5)],
            &[at(6)],
        );
        check(false, What::Greater(Value::Time(Time(5))), &[at(6)], &[at(4), at(5)]);
        check(
            false,
            What::GreaterOrEqual(Value::Time(Time(5))),
            &[at(5), at(6)],
            &[at(4)],
        );
    }
}
