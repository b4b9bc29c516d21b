//! What every production is handed: the text, its limits, and the counters that hold it to them. Knows no grammar.

use std::cell::Cell;

use nom::error::{ErrorKind, ParseError};
use nom::{Err, IResult};

use super::ast::{Predicate, Span};
use super::error::SelectorError;
use super::refuse;
use crate::limits::{Limit, Limits};

/// Where the parser stops going deeper whatever the settings say: trees are printed, compared and dropped by recursion,
/// and this many levels fit any thread's stack many times over.
pub(super) const DEEPEST: u64 = 256;

/// A production's answer. `Err::Error` means "not here, try another"; `Err::Failure` is a refusal with its words.
pub(super) type Parsed<'t, T> = IResult<&'t str, T, Fault>;

/// The refusal of a failure; nothing where a production was merely not there.
#[derive(Debug)]
pub(super) struct Fault(pub Option<Box<SelectorError>>);

impl ParseError<&str> for Fault {
    fn from_error_kind(_: &str, _: ErrorKind) -> Self {
        Self(None)
    }
    fn append(_: &str, _: ErrorKind, other: Self) -> Self {
        other
    }
}

/// Inputs of productions are always ends of `text`, so that a place is a difference of lengths.
pub(super) struct Context<'t> {
    pub text: &'t str,
    nesting: Limit,
    predicates: Limit,
    hops: Limit,
    depth: Cell<u64>,
    compared: Cell<u64>,
    hopped: Cell<u64>,
}

impl<'t> Context<'t> {
    /// Refuses a text that is too long before anything looks at it.
    pub fn new(text: &'t str, limits: &Limits, hops: Limit) -> Result<Self, SelectorError> {
        let bytes = limits.selector_bytes();
        if text.len() as u64 > bytes.value {
            return Err(refuse::too_long(text, bytes));
        }
        Ok(Self {
            text,
            nesting: Limit {
                value: limits.nesting.min(DEEPEST),
                ..limits.nesting()
            },
            predicates: limits.predicates(),
            hops,
            depth: Cell::new(0),
            compared: Cell::new(0),
            hopped: Cell::new(0),
        })
    }

    /// What the text is, for messages.
    pub fn kind(&self) -> &'static str {
        if self.hops.name == "include_hops" {
            "an include"
        } else {
            "a selector"
        }
    }

    /// The place of an input in the text.
    pub fn place(&self, input: &str) -> usize {
        self.text.len() - input.len()
    }

    /// From the start of one input to the start of a later one.
    pub fn span(&self, from: &str, to: &str) -> Span {
        self.span_of(from, from.len() - to.len())
    }

    /// The first bytes of an input.
    pub fn span_of(&self, from: &str, bytes: usize) -> Span {
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span {
            start: place(self.place(from)),
            end: place(self.place(from) + bytes),
        }
    }

    /// One parenthesis or `not` deeper; `leave` takes it back.
    pub fn enter(&self, input: &'t str) -> Result<(), Err<Fault>> {
        count(&self.depth, self.nesting, || {
            refuse::too_deep(self, input, self.nesting)
        })
    }

    pub fn leave(&self) {
        self.depth.set(self.depth.get().saturating_sub(1));
    }

    pub fn count_predicate(&self, input: &'t str) -> Result<(), Err<Fault>> {
        count(&self.compared, self.predicates, || {
            refuse::too_many_predicates(self, input, self.predicates)
        })
    }

    pub fn count_hop(&self, input: &'t str) -> Result<(), Err<Fault>> {
        count(&self.hopped, self.hops, || {
            refuse::too_many_hops(self, input, self.hops)
        })
    }
}

fn count(counter: &Cell<u64>, limit: Limit, refusal: impl FnOnce() -> SelectorError) -> Result<(), Err<Fault>> {
    if counter.get() >= limit.value {
        return Err(failure(refusal()));
    }
    counter.set(counter.get() + 1);
    Ok(())
}

pub(super) fn failure(refusal: SelectorError) -> Err<Fault> {
    Err::Failure(Fault(Some(Box::new(refusal))))
}

/// Turns "not here" into a refusal: nothing else could stand here.
pub(super) fn need<'t, T>(parsed: Parsed<'t, T>, refusal: impl FnOnce() -> SelectorError) -> Parsed<'t, T> {
    match parsed {
        Err(Err::Error(_)) => Err(failure(refusal())),
        other => other,
    }
}

/// One element, or several with a separator between them, which `together` makes one. Elements refuse by failure: after
/// a separator there must be one.
pub(super) fn one_or_more<'t>(
    input: &'t str,
    element: impl Fn(&'t str) -> Parsed<'t, Predicate>,
    separator: impl Fn(&'t str) -> Parsed<'t, ()>,
    together: fn(Vec<Predicate>) -> Predicate,
) -> Parsed<'t, Predicate> {
    let (mut input, first) = element(input)?;
    let Ok((mut rest, ())) = separator(input) else {
        return Ok((input, first));
    };
    let mut all = vec![first];
    loop {
        let (after, next) = element(rest)?;
        all.push(next);
        input = after;
        match separator(input) {
            Ok((after, ())) => rest = after,
            Err(_) => return Ok((input, together(all))),
        }
    }
}

/// A word of the language, not the beginning of a longer one.
pub(super) fn keyword<'t>(word: &'static str, input: &'t str) -> Parsed<'t, ()> {
    match input.strip_prefix(word) {
        Some(rest) if !rest.bytes().next().is_some_and(is_name_byte) => Ok((rest, ())),
        _ => Err(Err::Error(Fault(None))),
    }
}

pub(super) fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

pub(super) fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Byte by byte: every character of a name is one.
pub(super) fn is_name_byte(byte: u8) -> bool {
    static OF_NAMES: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 128 {
            table[byte] = (byte as u8).is_ascii_alphanumeric() || byte as u8 == b'_';
            byte += 1;
        }
        table
    };
    OF_NAMES[usize::from(byte)]
}

pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}
