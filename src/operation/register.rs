//! RegisterUser: one new Profile with its Person, login and contact data (`graph-api.md` 2.6 and 3.2). Makes what is a
//! user's own and nothing else, unless the caller may do more anyway; never changes what is there.

use compact_str::CompactString;

use super::crud::{self, Mode};
use super::input::{FieldInput, ObjectInput, RelatedInput};
use super::passwords;
use super::refusal::{Fault, OperationError};
use super::{Call, Outcome};
use crate::access::{Action, Permission, View};
use crate::error::Error;
use crate::model::{Field, Kind, Value, schema, value};

/// What a registration makes by right of the operation. No Property: by those of its users an organization says to whom it
/// gives licenses (`entitlement::sets`).
const OWN: &[Kind] = &[
    Kind::Profile,
    Kind::Person,
    Kind::EmailAndPassword,
    Kind::ContactInformation,
    Kind::EmailAddress,
    Kind::PostalAddress,
    Kind::TelephoneNumber,
    Kind::WebAddress,
    Kind::RecoveryEmailAddress,
    Kind::Account,
];

/// What is registered. Asked before anything is made of it, too.
pub fn one_profile(objects: &[ObjectInput]) -> Result<&ObjectInput, Fault> {
    match objects {
        [] => Err(Fault::ObjectsMissing),
        [profile] if profile.kind == Kind::Profile => Ok(profile),
        objects => Err(Fault::NotOneProfile(objects.len())),
    }
}

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<Outcome, Error> {
    let mut profile = one_profile(call.objects)?.clone();
    let arguments = call.arguments;
    if arguments.has("acceptsTsAndCs") && !arguments.flag("acceptsTsAndCs") {
        return Err(OperationError::at("acceptsTsAndCs", Fault::TermsNotAccepted).into());
    }
    // Of one that is hidden `crud` says what it says of every such id.
    if let Some(id) = profile.id
        && let Some(node) = View::new(call.tx.graph(), call.who).find(id)
        && node.kind == Kind::Profile
    {
        return Err(Fault::ProfileExists(id).into());
    }
    of_one_user(call, &profile)?;
    if let Some(account_type) = arguments.text("accountType").filter(|text| !text.is_empty()) {
        add(&mut profile, &[Kind::Account], "accountType", account_type);
    }
    if let Some(email) = arguments.text("email").filter(|text| !text.is_empty())
        && !has(&profile, Kind::EmailAddress, "value", email)
    {
        add(
            &mut profile,
            &[Kind::ContactInformation, Kind::EmailAddress],
            "value",
            email,
        );
    }
    let create = |kind: &Kind| Permission::Kind(*kind, Action::Create);
    let who = call.who.with(OWN.iter().map(create));
    let done = crud::upsert(call.tx, &who, &[profile], Mode::Merge, None)?;
    if call.who.principal.token.is_none() && passwords::count(call.objects) == 0 {
        return Err(Fault::PasswordMissing.into());
    }
    Ok(Outcome {
        member: done.top.first().map(|id| ("user", *id)),
        ..Outcome::of(done.top)
    })
}

/// One profile, however deep the body is; and what is there already is only touched by who may update it anyway: else a
/// login could be hung on another's person. A group to join is left to `crud`, which asks for the membership.
fn of_one_user(call: &Call<'_, '_>, profile: &ObjectInput) -> Result<(), Error> {
    let view = View::new(call.tx.graph(), call.who);
    let mut waiting = vec![profile];
    let mut profiles = 0;
    while let Some(object) = waiting.pop() {
        profiles += usize::from(object.kind == Kind::Profile);
        let grows = OWN.contains(&object.kind);
        let itself = object.id.filter(|_| grows || !object.related.is_empty());
        let parents = object
            .references
            .iter()
            .filter(|_| grows)
            .filter_map(|reference| reference.parent);
        for id in itself.into_iter().chain(parents) {
            if let Some(node) = view.find(id) {
                view.may_touch(node, Action::Update)?;
            }
        }
        waiting.extend(object.related.iter().map(|related| &related.object));
    }
    match profiles {
        1 => Ok(()),
        several => Err(Fault::NotOneProfile(several).into()),
    }
}

/// Is there an object of the kind with this value, however deep and in whatever case?
fn has(object: &ObjectInput, kind: Kind, field: &str, text: &str) -> bool {
    texts(object, kind, field)
        .iter()
        .any(|said| value::fold(said) == value::fold(text))
}

/// What objects of the kind say in a field, however deep they are.
fn texts<'o>(object: &'o ObjectInput, kind: Kind, field: &str) -> Vec<&'o str> {
    let own = kind.field(field).map(Field::Own);
    let mut found = Vec::new();
    let mut waiting = vec![object];
    while let Some(object) = waiting.pop() {
        let fields = object
            .fields
            .iter()
            .filter(|input| object.kind == kind && Some(input.field) == own);
        found.extend(fields.filter_map(|input| input.value.as_ref().and_then(Value::as_text)));
        waiting.extend(object.related.iter().map(|related| &related.object));
    }
    found
}

/// A chain of children below an object, the last of them with one field.
fn add(object: &mut ObjectInput, kinds: &[Kind], field: &str, text: &str) {
    let [kind, rest @ ..] = kinds else { return };
    let Some(hop) = schema::hop(object.kind, "OneToMany", *kind) else {
        return;
    };
    let mut child = ObjectInput {
        kind: *kind,
        id: None,
        fields: Vec::new(),
        references: Vec::new(),
        related: Vec::new(),
        at: CompactString::default(),
    };
    if rest.is_empty() {
        let value = Some(Value::text(text));
        child.fields.extend(kind.field(field).map(|field| FieldInput {
            field: Field::Own(field),
            value,
        }));
    } else {
        add(&mut child, rest, field, text);
    }
    object.related.push(RelatedInput {
        hop,
        object: child,
        fields: Vec::new(),
        ends: (None, None),
    });
}

/// Objects that somebody without a token may make in one registration.
const BY_ANYBODY: usize = 32;

/// How large a registration without a token may be, and that it takes no alias, which is how others call an entity. How many
/// there can be is bounded by the slow hash of the password that each must have.
pub fn by_anybody(objects: &[ObjectInput]) -> Result<(), OperationError> {
    let mut count = 0;
    let mut waiting: Vec<&ObjectInput> = objects.iter().collect();
    while let Some(object) = waiting.pop() {
        count += 1;
        let alias = object.kind.field("alias").map(Field::Own);
        let is_alias = |input: &FieldInput| Some(input.field) == alias && input.value.is_some();
        if object.fields.iter().any(is_alias) {
            return Err(Fault::AliasNotAllowed.into());
        }
        waiting.extend(object.related.iter().map(|related| &related.object));
    }
    if count > BY_ANYBODY {
        return Err(Fault::TooManyObjects { most: BY_ANYBODY }.into());
    }
    Ok(())
}

/// The password is the same both times it was typed. Asked before it is hashed: afterwards nobody knows.
pub fn confirm(objects: &[ObjectInput], confirmed: Option<&str>) -> Result<(), OperationError> {
    match confirmed {
        Some(confirmed) if !objects.iter().all(|object| is_confirmed(object, confirmed)) => {
            Err(OperationError::at("confirmedPassword", Fault::PasswordsDiffer))
        }
        _ => Ok(()),
    }
}

/// There is a password, and no other.
fn is_confirmed(object: &ObjectInput, confirmed: &str) -> bool {
    let passwords = texts(object, Kind::EmailAndPassword, "passwordPlain");
    !passwords.is_empty() && passwords.iter().all(|password| *password == confirmed)
}
