//! Selectors prepared before, by their form: the text with nothing between its quotes. A program asks the same few things
//! about many, so where only quoted texts differ only they are read again, and nothing is parsed.

use std::collections::HashMap;

use compact_str::CompactString;
use foldhash::fast::RandomState;
use smallvec::SmallVec;

use super::condition::Cond;
use super::prepare::{Prepared, pinned};
use super::resolve::{Resolved, entity_field, test};
use crate::limits::Limits;
use crate::model::Field;
use crate::selector::ast::{Comparison, Format, Head, LiteralValue, ObjectPart, Predicate, Selector};

/// Longer texts are not kept.
const LONGEST: usize = 512;
/// Forms kept of late, and as many from before.
const ROOM: usize = 256;

/// What one worker has prepared. Bounded: forms that are asked for no more make room.
pub struct Statements {
    selector_bytes: u64,
    late: Kept,
    before: Kept,
    /// The form being looked for: room that is used again.
    form: Vec<u8>,
}

type Kept = HashMap<Box<[u8]>, Statement, RandomState>;

struct Statement {
    query: Prepared,
    format: Option<Format>,
    is_canonical: bool,
    /// One for each quoted text, in their order.
    slots: SmallVec<[Slot; 1]>,
}

/// What is known of a text before it is parsed.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub query: Prepared,
    pub format: Option<Format>,
    /// The text is what its selector is printed as, and has no `i`: what a cursor is bound to.
    pub is_canonical: bool,
}

/// A comparison with a quoted text, and where its condition is.
struct Slot {
    part: usize,
    cond: usize,
    comparison: Comparison,
    found: Resolved<Field>,
}

impl Statements {
    pub fn new(limits: &Limits) -> Self {
        Self {
            selector_bytes: limits.selector_bytes,
            late: Kept::default(),
            before: Kept::default(),
            form: Vec::with_capacity(LONGEST),
        }
    }

    /// What `keep` was given for this text, or for one like it. `None` also where it has to be read as a whole, to say what
    /// is wrong with it.
    pub fn find(&mut self, text: &str) -> Option<Found> {
        if text.len() as u64 > self.selector_bytes {
            return None;
        }
        let texts = take_apart(text, &mut self.form)?;
        if let Some(statement) = self.late.get(self.form.as_slice()) {
            return statement.with(&texts);
        }
        let (form, statement) = self.before.remove_entry(self.form.as_slice())?;
        let bound = statement.with(&texts);
        self.insert(form, statement);
        bound
    }

    /// Keeps what was made of a text, if it is the same for every caller and each of its quoted texts is compared with a
    /// field of an object that has to meet the comparison.
    pub fn keep(&mut self, text: &str, selector: &Selector, format: Option<Format>, query: &Prepared) {
        let (Some(texts), Some(slots)) = (take_apart(text, &mut self.form), slots(selector, query)) else {
            return;
        };
        let all = slots
            .iter()
            .map(|slot| &slot.comparison.value.value)
            .zip(&texts)
            .all(|(value, text)| matches!(value, LiteralValue::Text(read) if read == text));
        if all && slots.len() == texts.len() {
            let statement = Statement {
                query: query.clone(),
                format,
                is_canonical: is_canonical(text, selector),
                slots,
            };
            self.insert(self.form.as_slice().into(), statement);
        }
    }

    fn insert(&mut self, form: Box<[u8]>, statement: Statement) {
        if self.late.len() >= ROOM {
            self.before = std::mem::take(&mut self.late);
        }
        self.late.insert(form, statement);
    }
}

impl Statement {
    /// As if it had been made of these texts; `None` if one is no value of its field.
    fn with(&self, texts: &[&str]) -> Option<Found> {
        let mut query = self.query.clone();
        for (slot, text) in self.slots.iter().zip(texts) {
            let mut comparison = slot.comparison.clone();
            comparison.value.value = LiteralValue::Text(CompactString::new(text));
            let part = query.parts.get_mut(slot.part)?;
            *part.conds.get_mut(slot.cond)? = Cond::Test(test(&comparison, slot.found).ok()?);
            if slot.found.field == Field::Id {
                part.pinned = pinned(&part.conds);
            }
        }
        Some(Found {
            query,
            format: self.format,
            is_canonical: self.is_canonical,
        })
    }
}

/// The quoted texts, and in `form` all but what is in them. `None` if one has escapes, or it is long.
fn take_apart<'t>(text: &'t str, form: &mut Vec<u8>) -> Option<SmallVec<[&'t str; 2]>> {
    if text.len() > LONGEST {
        return None;
    }
    form.clear();
    let mut texts = SmallVec::new();
    let mut pieces = text.split('\'');
    form.extend_from_slice(pieces.next()?.as_bytes());
    while let Some(quoted) = pieces.next() {
        let after = pieces.next()?;
        // A text right behind another is one text with a quote in it.
        if quoted.contains('\\') || !texts.is_empty() && form.ends_with(b"'") {
            return None;
        }
        texts.push(quoted);
        form.extend_from_slice(b"''");
        form.extend_from_slice(after.as_bytes());
    }
    Some(texts)
}

/// So are then all texts of its form: what stands in their quotes is printed as it came.
fn is_canonical(text: &str, selector: &Selector) -> bool {
    selector.params.index.is_none() && selector.to_string() == text
}

fn slots(selector: &Selector, query: &Prepared) -> Option<SmallVec<[Slot; 1]>> {
    let Head::Object(head) = &selector.head else {
        return None;
    };
    let mut slots = SmallVec::new();
    add(head, 0, query, &mut slots)?;
    for (at, step) in selector.steps.iter().enumerate() {
        if step.relation.predicates.iter().any(has_text) {
            return None;
        }
        add(&step.object, at + 1, query, &mut slots)?;
    }
    Some(slots)
}

/// The conditions of a part are its predicates in order, those that all hold one by one.
fn add(object: &ObjectPart, part: usize, query: &Prepared, slots: &mut SmallVec<[Slot; 1]>) -> Option<()> {
    let kind = query.parts.get(part)?.kind;
    let each = object.predicates.iter().flat_map(|predicate| match predicate {
        Predicate::And(all) => all.as_slice(),
        one => std::slice::from_ref(one),
    });
    for (cond, predicate) in each.enumerate() {
        match predicate {
            Predicate::Compare(comparison) if has_text(predicate) => slots.push(Slot {
                part,
                cond,
                comparison: comparison.clone(),
                found: entity_field(kind, &comparison.field).ok()?,
            }),
            other if has_text(other) => return None,
            _ => {}
        }
    }
    Some(())
}

fn has_text(predicate: &Predicate) -> bool {
    match predicate {
        Predicate::Compare(comparison) => matches!(comparison.value.value, LiteralValue::Text(_)),
        Predicate::Not(inner) => has_text(inner),
        Predicate::And(all) | Predicate::Or(all) => all.iter().any(has_text),
    }
}

#[cfg(test)]
mod tests {
    use super::super::prepare::prepare;
    use super::*;
    use crate::model::Principal;
    use crate::selector::parse_target;

    fn prepared(text: &str, limits: &Limits) -> Option<(Selector, Option<Format>, Prepared)> {
        let asked = parse_target(text, limits).ok()?;
        let selector = asked.selector?;
        let query = prepare(&selector, Principal::default(), limits).ok()?;
        Some((selector, asked.format, query))
    }

    /// Prepares `first`, then asks for `second`.
    fn second(first: &str, second: &str) -> Option<Found> {
        let limits = Limits::default();
        let mut statements = Statements::new(&limits);
        let (selector, format, query) = prepared(first, &limits).expect("a selector");
        statements.keep(first, &selector, format, &query);
        statements.find(second)
    }

    #[test]
    fn where_only_quoted_texts_differ_nothing_is_parsed() {
        for (first, then) in [
            ("/License", "/License"),
            ("/License.json", "/License.json"),
            ("/Organization[@name='ACME']", "/Organization[@name='Nordlys AS']"),
            ("/Organization[@name='ACME']", "/Organization[@name='']"),
            (
                "/License[@id='00000000-0000-0000-0000-000000000001'][@name~'x']{r=5}",
                "/License[@id='00000000-0000-0000-0000-000000000002'][@name~'%y%']{r=5}",
            ),
            (
                "/Organization[@name='a' and @type='company']/~OneToMany/Entitlement/~OneToMany/License[@active=true and @validUntil<'2027-01-31']",
                "/Organization[@name='b' and @type='']/~OneToMany/Entitlement/~OneToMany/License[@active=true and @validUntil<'2028-01-31']",
            ),
            (
                "/License[@active=true or @validUntil=null][@name='x']{count}",
                "/License[@active=true or @validUntil=null][@name='y']{count}",
            ),
            (
                "/EmailAndPassword[@userName='Ann']/~ManyToOne/Person",
                "/EmailAndPassword[@userName='BEN']/~ManyToOne/Person",
            ),
        ] {
            let (selector, format, query) = prepared(then, &Limits::default()).unwrap_or_else(|| panic!("{then}"));
            let is_canonical = is_canonical(then, &selector);
            let found = Found {
                query,
                format,
                is_canonical,
            };
            assert_eq!(second(first, then), Some(found), "{first} then {then}");
        }
    }

    #[test]
    fn what_could_mean_something_else_is_read_as_a_whole() {
        for (first, then) in [
            // Another form.
            ("/License[@name='x']", "/License[@name~'x']"),
            ("/License[@name='x']", "/License[@name='x'].json"),
            ("/License{r=5}", "/License{r=6}"),
            // No value of its field.
            ("/License[@validUntil<'2027-01-31']", "/License[@validUntil<'soon']"),
            (
                "/License[@id='00000000-0000-0000-0000-000000000001']",
                "/License[@id='1']",
            ),
            // Escapes.
            ("/License[@name='x']", "/License[@name='x''y']"),
            ("/License[@name='x']", "/License[@name='x\\'']"),
            ("/License[@name='x\\\\']", "/License[@name='x\\\\']"),
            // Texts that are in no condition of their own.
            ("/License[@name='x' or @name='y']", "/License[@name='x' or @name='y']"),
            ("/License[not @name='x']", "/License[not @name='x']"),
            // Not the same for every caller, or no plan at all.
            ("/License[@name='x']", "/me"),
        ] {
            assert_eq!(second(first, then), None, "{first} then {then}");
        }
        let long = format!("/License[@name='{}']", "x".repeat(LONGEST));
        assert_eq!(second("/License[@name='x']", &long), None);
    }

    #[test]
    fn forms_make_room_unless_they_are_asked_for() {
        let limits = Limits::default();
        let mut statements = Statements::new(&limits);
        let text = |number: usize| format!("/License{{r={}}}", number + 1);
        for number in 0..3 * ROOM {
            let text = text(number);
            let (selector, format, query) = prepared(&text, &limits).expect("a selector");
            statements.keep(&text, &selector, format, &query);
            assert!(statements.find("/License{r=1}").is_some(), "{number}");
        }
        assert!(statements.late.len() + statements.before.len() <= 2 * ROOM);
        assert!(statements.find(&text(1)).is_none());
        assert!(statements.find(&text(3 * ROOM - 1)).is_some());
    }
}
