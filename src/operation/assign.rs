//! CreateOrUpdateAssignments: how licenses relate to a user (`graph-api.md` 3.1, `licensing.md` 2.5). What an assignment
//! may say, and the seat a reservation takes, is decided where every write of one is: in `crud`.

use compact_str::CompactString;

use super::crud::{self, Mode};
use super::input::{FieldInput, ObjectInput, ReferenceInput};
use super::refusal::{Fault, OperationError};
use super::target::{owned, reached};
use super::{Call, Outcome};
use crate::access::{Action, Permission};
use crate::entitlement::{ended, ruled};
use crate::error::Error;
use crate::graph::Node;
use crate::model::{Field, Kind, Time, Value, rel};

/// What is said of an assignment here.
const SAID: [&str; 3] = ["reservationType", "validFrom", "validUntil"];

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<Outcome, Error> {
    let kind = call.arguments.text("reservationType");
    if let Some(kind) = kind.filter(|kind| !["", "reserved", "denied"].contains(kind)) {
        let fault = Fault::UnknownReservationType(kind.chars().take(60).collect());
        return Err(OperationError::at("reservationType", fault).into());
    }
    let id = call.arguments.id("profileId").unwrap_or_default();
    let profile = reached(call.tx.graph(), call.who, Kind::Profile, id, "profileId")?;
    let now = call.tx.now();
    // What something is said of is by hand from now on.
    let by_hand = SAID.into_iter().any(|name| call.arguments.has(name));
    let (mut inputs, mut there) = (Vec::new(), Vec::new());
    for id in call.arguments.ids("licenseId") {
        let license = owned(call.tx.graph(), call.who, Kind::License, id, "licenseId")?;
        let known = license.graph().assignment(license, profile);
        there.extend(known.map(|known| known.id));
        inputs.push(input(call, profile, license, by_hand, now)?);
    }
    // What the operation may do as a whole, its steps may.
    let who = call.who.with(
        [
            (Kind::Assignment, Action::Create),
            (Kind::Assignment, Action::Update),
            (Kind::Profile, Action::Read),
            (Kind::License, Action::Read),
        ]
        .map(|(kind, action)| Permission::Kind(kind, action)),
    );
    for assignment in there {
        ended::forget(call.tx, assignment)?;
        // Before it is judged, since a rule's quota bounds what is the rule's only.
        if by_hand {
            ruled::leave(call.tx, assignment)?;
        }
    }
    let done = crud::upsert(call.tx, &who, &inputs, Mode::Merge, None).map_err(of_parameter)?;
    Ok(Outcome::of(done.top))
}

/// The assignment as the parameters say it. One that has ended counts as none.
fn input(
    call: &Call<'_, '_>,
    profile: Node<'_>,
    license: Node<'_>,
    by_hand: bool,
    now: Time,
) -> Result<ObjectInput, Error> {
    let there = license.graph().assignment(license, profile);
    let lasts = there.is_some_and(|node| !ended::has_ended(&node, now));
    if !lasts && !call.arguments.flag("createAssignment") {
        let (license, profile) = (license.id, profile.id);
        return Err(OperationError::at("licenseId", Fault::AssignmentMissing { license, profile }).into());
    }
    let arguments = call.arguments;
    let given = |name: &str| -> Option<Option<Value>> {
        match name {
            "reservationType" => arguments.text(name).map(|text| Some(Value::text(text))),
            "validFrom" | "validUntil" => arguments.time(name).map(|time| time.map(Value::Time)),
            _ => None,
        }
    };
    // What is a rule's no longer does not end as that did.
    let was_rules = by_hand && there.is_some_and(|node| node.parent(rel::LEASED).is_some());
    let mut fields = Vec::new();
    for name in SAID {
        let value = given(name).or((was_rules && name == "validUntil").then_some(None));
        if let (Some(value), Some(field)) = (value, Kind::Assignment.field(name)) {
            let field = Field::Own(field);
            fields.push(FieldInput { field, value });
        }
    }
    let ends = [(rel::BY_LICENSE, license.id), (rel::BY_PROFILE, profile.id)];
    Ok(ObjectInput {
        kind: Kind::Assignment,
        id: there.map(|node| node.id),
        fields,
        references: ends
            .map(|(rel, parent)| ReferenceInput {
                rel,
                parent: Some(parent),
                entry: None,
            })
            .into(),
        related: Vec::new(),
        at: CompactString::default(),
    })
}

/// A refusal of the write names the member of a body; here it is the parameter of that name.
fn of_parameter(error: Error) -> Error {
    let Error::Input(input) = &error else { return error };
    let member = input.at.rsplit('/').next().unwrap_or_default();
    let parameter = SAID.into_iter().find(|name| *name == member);
    let parameter = parameter.unwrap_or("licenseId");
    OperationError::at(parameter, Fault::Write(input.why.clone())).into()
}
