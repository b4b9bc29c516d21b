//! What may be asked: the generic writes and, by name, the operations. One table says of each its name, its target, the
//! permission it asks for and its parameters; dispatch, validation, OpenAPI, `GET /graph-schema` and the command line read
//! it. Knows no threads, no storage and no HTTP.

pub mod allocation;
pub mod arguments;
mod assign;
mod assigned;
pub mod available;
pub mod consume;
mod consumers;
pub mod crud;
pub mod describe;
pub mod foreign;
mod groups;
mod initialize;
pub mod input;
pub mod keys;
pub mod leases;
pub mod licenses;
pub mod login;
mod merged;
mod moves;
pub mod moving;
pub mod passwords;
pub mod refusal;
pub mod register;
pub mod sale;
mod short;
mod sought;
mod table;
mod target;
pub mod transactions;
mod users;
mod visits;

pub use arguments::{Argument, Arguments};
pub use sought::Sought;
pub use table::{OPERATIONS, named};

use std::borrow::Cow;

use uuid::Uuid;

use crate::access::{Action, Denied, Permission, Who};
use crate::error::Error;
use crate::graph::Transaction;
use crate::limits::Limits;
use crate::model::{FieldType, Kind};
use crate::selector::ast::{Head, Selector};

use input::ObjectInput;
use refusal::{Fault, OperationError};

/// Does it change the graph?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    Read,
    Write,
}

/// How it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Road {
    /// By the method, without `operation=`.
    Method(&'static str),
    /// `operation=Name`.
    Name,
}

/// What a parameter may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterType {
    Field(FieldType),
    /// A UUID, or a selector that begins with `/`.
    IdOrSelector,
    OneOf(&'static [&'static str]),
}

impl ParameterType {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Field(field_type) => field_type.name(),
            Self::IdOrSelector => "uuidOrSelector",
            Self::OneOf(_) => FieldType::Text.name(),
        }
    }
}

/// A parameter in the query or in the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    pub name: &'static str,
    pub parameter_type: ParameterType,
    pub required: bool,
    pub repeatable: bool,
    pub about: &'static str,
}

/// What the selector of a form may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// There is no selector.
    Nothing,
    Any,
    Kind(Kind),
}

/// The permission a form asks for before anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// This action on each type it meets.
    Each(Action),
    One(Permission),
    /// Anybody may.
    Nothing,
}

impl std::fmt::Display for Needs {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Each(action) => write!(out, "*.{}", action.name()),
            Self::One(permission) => write!(out, "{permission}"),
            Self::Nothing => Ok(()),
        }
    }
}

/// What it does.
#[derive(Clone, Copy, Debug)]
pub enum Run {
    /// A generic one: `crud` and `query` do it.
    Generic,
    /// Everything inside the transaction.
    Call(fn(&mut Call<'_, '_>) -> Result<Outcome, Error>),
    /// The same, with an object graph from the body or the form.
    Objects(fn(&mut Call<'_, '_>) -> Result<Outcome, Error>),
    /// On a snapshot, and no transaction: see `describe`.
    Describe,
    /// A password is compared before the transaction: see `login`.
    Login,
}

/// One way of asking for an operation: which, is decided by what its selector names.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    pub target: Target,
    pub needs: Needs,
    pub parameters: &'static [Parameter],
    pub run: Run,
}

/// Does it answer a caller without a token?
#[derive(Clone, Copy, Debug)]
pub enum WithoutToken {
    Never,
    Always,
    /// Where registration is open: with this permission.
    WhereOpen(Permission),
}

/// Something that may be asked for.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// As in the audit.
    pub name: &'static str,
    pub mode: Mode,
    pub road: Road,
    pub without_token: WithoutToken,
    pub about: &'static str,
    pub forms: &'static [Form],
}

impl Operation {
    /// What its selector may name: a type, several with `|` between them, or `*`; nothing where there is none.
    pub fn target(&self) -> Option<Cow<'static, str>> {
        let names: Vec<&str> = self
            .forms
            .iter()
            .filter_map(|form| match form.target {
                Target::Nothing => None,
                Target::Any => Some("*"),
                Target::Kind(kind) => Some(kind.name()),
            })
            .collect();
        match names.as_slice() {
            [] => None,
            [one] => Some(Cow::Borrowed(one)),
            several => Some(Cow::Owned(several.join("|"))),
        }
    }

    /// Who a caller without a token is to it, if it answers one.
    pub fn for_nobody(&self, registration_is_open: bool) -> Option<Who> {
        match self.without_token {
            WithoutToken::Always => Some(Who::anonymous()),
            WithoutToken::WhereOpen(permission) if registration_is_open => Some(Who::anonymous().with([permission])),
            WithoutToken::Never | WithoutToken::WhereOpen(_) => None,
        }
    }

    /// `License.create`; of several forms one after another, with `|` between them.
    pub fn permission(&self) -> String {
        let mut texts: Vec<String> = self.forms.iter().map(|form| form.needs.to_string()).collect();
        texts.dedup();
        texts.join("|")
    }

    /// Those of all its forms, each once; required where every form requires it.
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut all: Vec<Parameter> = Vec::new();
        for parameter in self.forms.iter().flat_map(|form| form.parameters) {
            if !all.iter().any(|known| known.name == parameter.name) {
                let required = self.forms.iter().all(|form| {
                    let mut same = form.parameters.iter();
                    same.any(|other| other.name == parameter.name && other.required)
                });
                all.push(Parameter { required, ..*parameter });
            }
        }
        all
    }

    /// The form for a selector. What a selector names is in its text: no graph is asked.
    pub fn form(&self, selector: Option<&Selector>) -> Result<&'static Form, OperationError> {
        let Some(selector) = selector else {
            return match self.forms.iter().find(|form| form.target == Target::Nothing) {
                Some(form) => Ok(form),
                None => Err(Fault::SelectorMissing(self.target().unwrap_or_default().into_owned()).into()),
            };
        };
        if self.forms.iter().all(|form| form.target == Target::Nothing) {
            return Err(Fault::SelectorNotAllowed.into());
        }
        let named = match (selector.steps.last(), &selector.head) {
            (Some(step), _) => step.object.name.text.as_str(),
            (None, Head::Object(part)) => part.name.text.as_str(),
            (None, Head::Me(_)) => Kind::Profile.name(),
            (None, Head::Named(query)) => query.name.text.as_str(),
        };
        let fits = |form: &&'static Form| match form.target {
            Target::Any => true,
            Target::Kind(kind) => kind.name() == named,
            Target::Nothing => false,
        };
        self.forms.iter().find(fits).ok_or_else(|| {
            let named = named.to_owned();
            let wanted = self.target().unwrap_or_default().into_owned();
            Fault::WrongTarget { named, wanted }.into()
        })
    }
}

/// An operation under way.
pub struct Call<'t, 'g> {
    pub tx: &'t mut Transaction<'g>,
    pub who: &'t Who,
    pub arguments: &'t Arguments,
    pub selector: Option<&'t Selector>,
    /// What the selectors match, as far as it was looked for before.
    pub sought: &'t Sought,
    /// Of an operation that takes an object graph.
    pub objects: &'t [ObjectInput],
    pub limits: &'t Limits,
}

/// What an operation did, for its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Shown as `objects`.
    pub objects: Vec<Uuid>,
    /// One more object, under a name of its own.
    pub member: Option<(&'static str, Uuid)>,
    /// Of a login.
    pub session: Option<login::Session>,
}

impl Outcome {
    fn of(objects: Vec<Uuid>) -> Self {
        Self {
            objects,
            ..Self::default()
        }
    }
}

/// May this caller ask for it at all?
pub fn admit(form: &Form, who: &Who) -> Result<(), Denied> {
    match form.needs {
        Needs::One(permission) => who.require(permission),
        // Asked for object by object, where they are known.
        Needs::Each(_) | Needs::Nothing => Ok(()),
    }
}

/// Asks for the permission and runs. On an error the caller abandons the transaction.
pub fn run(form: &Form, call: &mut Call<'_, '_>) -> Result<Outcome, Error> {
    admit(form, call.who)?;
    match form.run {
        Run::Call(run) | Run::Objects(run) => run(call),
        Run::Generic | Run::Describe | Run::Login => Err(Error::UnknownOperation(String::new())),
    }
}

/// Short enough for a message.
fn shown(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
