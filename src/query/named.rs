//! Queries the server names: `/me()`, `/profile('…')`, `/emailAndProfile('…')`. They answer flat rows and are neither
//! walked on from nor counted. A table of data; how a row is written is the edge's to say.

use std::collections::HashSet;

use foldhash::fast::RandomState;
use smallvec::SmallVec;
use uuid::Uuid;

use super::budget::Budget;
use super::condition::visible_parent;
use super::error::{Code, QueryError, list};
use super::prepare::caller;
use super::resolve::{accepted, coerce, did_you_mean};
use crate::access::View;
use crate::graph::Node;
use crate::model::schema::{Hop, find_relation};
use crate::model::value::fold;
use crate::model::{FieldType, Kind, RelationType, Value};
use crate::selector::ast::{Head, NamedQuery, Params, Selector};

/// The members of a row, in order: `<Type>_<field>` of each.
pub type Row<'g> = SmallVec<[(Kind, Node<'g>); 2]>;

/// A query the server names.
pub struct Named {
    pub name: &'static str,
    /// What each parameter is called, and its type.
    pub parameters: &'static [(&'static str, FieldType)],
    pub about: &'static str,
    run: for<'g> fn(&Asked<'_, 'g, '_>) -> Result<Vec<Row<'g>>, QueryError>,
}

pub static NAMED: &[Named] = &[
    Named {
        name: "me",
        parameters: &[],
        about: "the caller's Profile and its Person",
        run: me,
    },
    Named {
        name: "profile",
        parameters: &[("id", FieldType::Uuid)],
        about: "a Profile and its Person",
        run: profile,
    },
    Named {
        name: "emailAndProfile",
        parameters: &[("email", FieldType::Text)],
        about: "an e-mail address, or the login of that name, and its Profile",
        run: email_and_profile,
    },
];

struct Asked<'a, 'g, 'b> {
    view: &'a View<'g>,
    query: &'a NamedQuery,
    arguments: Vec<Value>,
    budget: &'a std::cell::RefCell<&'b mut Budget>,
}

/// The rows of a selector whose head is a named query.
pub fn named<'g>(selector: &Selector, view: &View<'g>, budget: &mut Budget) -> Result<Vec<Row<'g>>, QueryError> {
    let Head::Named(query) = &selector.head else {
        let error = QueryError::new(Code::UnknownNamedQuery, "the selector names no query");
        return Err(error.help("a named query is `/me()` or another that has its arguments in parentheses"));
    };
    let name = query.name.text.as_str();
    let found = NAMED.iter().find(|named| named.name == name).ok_or_else(|| {
        let known: Vec<&str> = NAMED.iter().map(|named| named.name).collect();
        let all = format!("there are {}", list(&known));
        let help = did_you_mean(name, known).map_or(all.clone(), |close| format!("{close} {all}"));
        QueryError::new(Code::UnknownNamedQuery, format!("unknown named query `{name}`"))
            .at(query.name.span)
            .help(help)
    })?;
    let alone = |what: &str| {
        let message = format!("`{name}(…)` answers rows, which cannot be {what}");
        QueryError::new(Code::NamedQueryStandsAlone, message)
            .help("a named query stands alone; write a selector of object parts instead")
    };
    if let Some(step) = selector.steps.first() {
        return Err(alone("walked on from").at(step.relation.span));
    }
    if selector.params != Params::default() {
        return Err(alone("paged, sorted or counted").at(selector.params.span));
    }
    if query.arguments.len() != found.parameters.len() {
        let parameters: Vec<&str> = found.parameters.iter().map(|(name, _)| *name).collect();
        let message = format!(
            "`{name}(…)` takes {} arguments, not {}",
            found.parameters.len(),
            query.arguments.len()
        );
        let help = match &parameters[..] {
            [] => format!("write `/{name}()`"),
            all => format!("write `/{name}('…')` with {}", list(all)),
        };
        return Err(QueryError::new(Code::ArgumentsDoNotFit, message)
            .at(query.span)
            .help(help));
    }
    let arguments = query
        .arguments
        .iter()
        .zip(found.parameters)
        .map(|(literal, (parameter, field_type))| {
            coerce(literal, *field_type, parameter)?.ok_or_else(|| {
                QueryError::new(Code::ValueDoesNotFit, format!("`null` is no value of `{parameter}`"))
                    .at(literal.span)
                    .help(accepted(*field_type))
            })
        });
    let arguments = arguments.collect::<Result<_, _>>()?;
    (found.run)(&Asked {
        view,
        query,
        arguments,
        budget: &std::cell::RefCell::new(budget),
    })
}

impl<'g> Asked<'_, 'g, '_> {
    fn visit(&self) -> Result<(), QueryError> {
        self.budget.borrow_mut().visit(0)
    }

    /// The visible parent by a one-to-many.
    fn parent(&self, child: Node<'g>, kind: Kind) -> Result<Option<Node<'g>>, QueryError> {
        self.visit()?;
        let rel = find_relation(RelationType::OneToMany, kind, child.entity().kind);
        Ok(rel.and_then(|rel| visible_parent(self.view, child, rel)))
    }

    fn profile_row(&self, id: Uuid) -> Result<Vec<Row<'g>>, QueryError> {
        self.visit()?;
        let Some(profile) = self.view.find(id).filter(|node| node.entity().kind == Kind::Profile) else {
            return Ok(Vec::new());
        };
        let mut row: Row<'g> = SmallVec::from_iter([(Kind::Profile, profile)]);
        row.extend(self.parent(profile, Kind::Person)?.map(|person| (Kind::Person, person)));
        Ok(vec![row])
    }
}

fn me<'g>(asked: &Asked<'_, 'g, '_>) -> Result<Vec<Row<'g>>, QueryError> {
    asked.profile_row(caller(asked.view.who().principal, asked.query.span)?)
}

fn profile<'g>(asked: &Asked<'_, 'g, '_>) -> Result<Vec<Row<'g>>, QueryError> {
    match asked.arguments.first() {
        Some(Value::Uuid(id)) => asked.profile_row(*id),
        _ => Ok(Vec::new()),
    }
}

/// By address first; a login adds the profiles no address has named.
fn email_and_profile<'g>(asked: &Asked<'_, 'g, '_>) -> Result<Vec<Row<'g>>, QueryError> {
    let Some(email) = asked
        .arguments
        .first()
        .and_then(Value::as_text)
        .map(|text| Value::Text(fold(text)))
    else {
        return Ok(Vec::new());
    };
    let mut rows: Vec<Row<'g>> = Vec::new();
    let mut named: HashSet<Uuid, RandomState> = HashSet::default();
    for address in having(asked, Kind::EmailAddress, "value", &email)? {
        let Some(contact) = asked.parent(address, Kind::ContactInformation)? else {
            continue;
        };
        let Some(profile) = asked.parent(contact, Kind::Profile)? else {
            continue;
        };
        named.insert(profile.id);
        rows.push(SmallVec::from_iter([
            (Kind::EmailAddress, address),
            (Kind::Profile, profile),
        ]));
    }
    let profiles_of_person = find_relation(RelationType::OneToMany, Kind::Person, Kind::Profile);
    for login in having(asked, Kind::EmailAndPassword, "userName", &email)? {
        let (Some(person), Some(rel)) = (asked.parent(login, Kind::Person)?, profiles_of_person) else {
            continue;
        };
        for (profile, _) in person.hop(Hop::forward(rel), None) {
            asked.visit()?;
            if asked.view.sees_relation(rel) && asked.view.sees(profile) && named.insert(profile.id) {
                rows.push(SmallVec::from_iter([
                    (Kind::EmailAndPassword, login),
                    (Kind::Profile, profile),
                ]));
            }
        }
    }
    Ok(rows)
}

/// The visible entities of a kind with a value in an indexed field.
fn having<'g>(asked: &Asked<'_, 'g, '_>, kind: Kind, field: &str, value: &Value) -> Result<Vec<Node<'g>>, QueryError> {
    let Some(field) = kind.field(field) else {
        return Ok(Vec::new());
    };
    let mut nodes = Vec::new();
    for node in asked.view.graph().by_value(kind, field, value, None) {
        asked.visit()?;
        if asked.view.sees(node) {
            nodes.push(node);
        }
    }
    Ok(nodes)
}
