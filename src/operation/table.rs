//! The table of operations (`graph-api.md` 2.1 and 3, design 16). What is not in the vendor's documents is this
//! project's own reading: `docs/operations.md` says which.

use super::ParameterType::{Field, IdOrSelector, OneOf};
use super::{Form, Mode, Needs, Operation, Parameter, ParameterType, Road, Run, Target, WithoutToken, shown};
use super::{assign, consumers, groups, initialize, moves, register};
use crate::access::{Action, Permission};
use crate::error::Error;
use crate::model::{FieldType, Kind, RelationType};

const TEXT: ParameterType = Field(FieldType::Text);
const FLAG: ParameterType = Field(FieldType::Bool);
const INTEGER: ParameterType = Field(FieldType::Int);
const TIME: ParameterType = Field(FieldType::Time);
const ID: ParameterType = Field(FieldType::Uuid);
const JSON: ParameterType = Field(FieldType::Json);

const fn optional(name: &'static str, parameter_type: ParameterType, about: &'static str) -> Parameter {
    Parameter {
        name,
        parameter_type,
        required: false,
        repeatable: false,
        about,
    }
}

const fn required(name: &'static str, parameter_type: ParameterType, about: &'static str) -> Parameter {
    Parameter {
        required: true,
        ..optional(name, parameter_type, about)
    }
}

impl Parameter {
    const fn repeatable(self) -> Self {
        Self {
            repeatable: true,
            ..self
        }
    }
}

const DRY_RUN: Parameter = optional("dryRun", FLAG, "Answer with the changes it would make, and make none");
const VALID_FROM: Parameter = optional("validFrom", TIME, "The start of the validity");
const VALID_UNTIL: Parameter = optional("validUntil", TIME, "The end of the validity, the first instant outside");
const CONSUMING_GROUP: Parameter =
    optional("profileGroupId", ID, "A group whose members may consume the licenses").repeatable();
const CONSUMING_PROFILE: Parameter = optional("profileId", ID, "A user who may consume the licenses").repeatable();
const ENTITLEMENT: Parameter = required("entitlementId", ID, "The entitlement that holds the licenses");
const COUNT: Parameter = optional("licensedItemCount", INTEGER, "Seats, or uses, of each license");
const USE_TIME: Parameter = optional("maxAggregateUseTime", INTEGER, "Milliseconds of use of each license");
const REFERENCE: Parameter = optional(
    "externalReference",
    TEXT,
    "Kept with each license: an order number, say",
);
const CLIENT_DATA: Parameter = optional("clientData", JSON, "The caller's own data, kept with each license");
const LOCK_SCOPE: Parameter = optional(
    "lockScope",
    OneOf(&["None", "LicensedItem", "ProductPackage"]),
    "How far a trial is locked to a device; required where the license model locks trials",
);
const OWNER: Parameter = optional("ownerOrganizationId", ID, "The organization that owns the licenses");
const USER: Parameter = optional(
    "initializeForProfileId",
    ID,
    "The user who owns the licenses; the caller, if left out",
);
const CHANGE: Parameter = required(
    "change",
    OneOf(&["validity", "quota", "aggregateUseTime"]),
    "What to change of the license",
);
const INCREMENT: Parameter = optional(
    "incrementModel",
    OneOf(&["fair", "append"]),
    "`fair`: the new limit is the value; `append`: it comes on top",
);
const MEMBER: Parameter = required("profileId", ID, "The user");
const GROUPS: Parameter = required("profileGroupId", ID, "The group").repeatable();

const fn generic(
    name: &'static str,
    mode: Mode,
    method: &'static str,
    about: &'static str,
    forms: &'static [Form],
) -> Operation {
    Operation {
        name,
        mode,
        road: Road::Method(method),
        without_token: WithoutToken::Never,
        about,
        forms,
    }
}

const fn named_write(name: &'static str, about: &'static str, forms: &'static [Form]) -> Operation {
    Operation {
        name,
        mode: Mode::Write,
        road: Road::Name,
        without_token: WithoutToken::Never,
        about,
        forms,
    }
}

const fn of_kind(kind: Kind, action: Action) -> Needs {
    Needs::One(Permission::Kind(kind, action))
}

const fn of_relation(relation_type: RelationType, action: Action) -> Needs {
    Needs::One(Permission::Relation(relation_type, action))
}

pub static OPERATIONS: &[Operation] = &[
    generic(
        "Query",
        Mode::Read,
        "GET",
        "What a selector matches",
        &[Form {
            target: Target::Any,
            needs: Needs::Each(Action::Read),
            parameters: &[
                optional("wrap", FLAG, "`false`: the bare object, array or number"),
                optional("cursor", TEXT, "Where an answer that was cut goes on"),
                optional("explain", FLAG, "The plan, and what each step visited"),
            ],
            run: Run::Generic,
        }],
    ),
    generic(
        "Create",
        Mode::Write,
        "POST",
        "Creates objects, and merges into what exists",
        &[Form {
            target: Target::Nothing,
            needs: Needs::Each(Action::Create),
            parameters: &[DRY_RUN],
            run: Run::Generic,
        }],
    ),
    generic(
        "Update",
        Mode::Write,
        "PUT",
        "Updates objects, and creates what is new",
        &[Form {
            target: Target::Nothing,
            needs: Needs::Each(Action::Update),
            parameters: &[DRY_RUN],
            run: Run::Generic,
        }],
    ),
    generic(
        "Delete",
        Mode::Write,
        "DELETE",
        "Removes what a selector matches, with all that belongs to it",
        &[Form {
            target: Target::Any,
            needs: Needs::Each(Action::Delete),
            parameters: &[DRY_RUN],
            run: Run::Generic,
        }],
    ),
    named_write(
        "AddLicenseConsumerRelations",
        "Lets a user, or the members of a group, consume the licenses of an entitlement",
        &[Form {
            target: Target::Nothing,
            needs: of_relation(RelationType::LicenseConsumerRelation, Action::Create),
            parameters: &[
                ENTITLEMENT,
                CONSUMING_GROUP,
                CONSUMING_PROFILE,
                optional(
                    "allowExistingRelation",
                    FLAG,
                    "A relation that is there already is no error",
                ),
                DRY_RUN,
            ],
            run: Run::Call(consumers::add),
        }],
    ),
    named_write(
        "RemoveLicenseConsumerRelations",
        "Takes that right away; reservations that rested on it end",
        &[Form {
            target: Target::Nothing,
            needs: of_relation(RelationType::LicenseConsumerRelation, Action::Delete),
            parameters: &[
                ENTITLEMENT,
                CONSUMING_GROUP,
                CONSUMING_PROFILE,
                optional(
                    "allowAlreadyRemoved",
                    FLAG,
                    "A relation that is gone already is no error",
                ),
                DRY_RUN,
            ],
            run: Run::Call(consumers::remove),
        }],
    ),
    named_write(
        "MoveLicenses",
        "Moves licenses to another entitlement of the same owner",
        &[Form {
            target: Target::Kind(Kind::License),
            needs: of_kind(Kind::License, Action::Update),
            parameters: &[
                required("to", IdOrSelector, "The entitlement they go to"),
                optional("create", FLAG, "Make that entitlement when there is none"),
                DRY_RUN,
            ],
            run: Run::Call(moves::run),
        }],
    ),
    named_write(
        "CreateOrUpdateAssignments",
        "Says how a license relates to a user: floating, reserved or denied",
        &[Form {
            target: Target::Nothing,
            needs: of_kind(Kind::Assignment, Action::Update),
            parameters: &[
                required("profileId", ID, "The user"),
                required("licenseId", ID, "The license").repeatable(),
                optional("createAssignment", FLAG, "Make an assignment when there is none"),
                optional(
                    "reservationType",
                    TEXT,
                    "Empty: a seat while it is used; `reserved`: a seat always; `denied`: none, whatever a group grants",
                ),
                VALID_FROM,
                VALID_UNTIL,
                DRY_RUN,
            ],
            run: Run::Call(assign::run),
        }],
    ),
    named_write(
        "InitializeOrganizationLicenses",
        "Grants the licenses of a package to an organization, or changes a license of one",
        &[
            Form {
                target: Target::Kind(Kind::ProductPackage),
                needs: of_kind(Kind::License, Action::Create),
                parameters: &[
                    OWNER,
                    COUNT,
                    VALID_FROM,
                    VALID_UNTIL,
                    optional(
                        "initializeForProfileGroupId",
                        ID,
                        "A group whose members may consume the licenses",
                    ),
                    optional(
                        "entitlementId",
                        ID,
                        "Where the licenses go; else the owner's default entitlement",
                    ),
                    REFERENCE,
                    CLIENT_DATA,
                    LOCK_SCOPE,
                    USE_TIME,
                    DRY_RUN,
                ],
                run: Run::Call(initialize::for_organization),
            },
            Form {
                target: Target::Kind(Kind::License),
                needs: of_kind(Kind::License, Action::Update),
                parameters: &[
                    CHANGE,
                    OWNER,
                    VALID_FROM,
                    VALID_UNTIL,
                    COUNT,
                    USE_TIME,
                    INCREMENT,
                    DRY_RUN,
                ],
                run: Run::Call(initialize::change_of_organization),
            },
        ],
    ),
    named_write(
        "InitializePersonalLicenses",
        "Grants the licenses of a package to a user, or changes a license of one",
        &[
            Form {
                target: Target::Kind(Kind::ProductPackage),
                needs: of_kind(Kind::License, Action::Create),
                parameters: &[
                    USER,
                    COUNT,
                    VALID_FROM,
                    VALID_UNTIL,
                    REFERENCE,
                    CLIENT_DATA,
                    LOCK_SCOPE,
                    USE_TIME,
                    DRY_RUN,
                ],
                run: Run::Call(initialize::for_profile),
            },
            Form {
                target: Target::Kind(Kind::License),
                needs: of_kind(Kind::License, Action::Update),
                parameters: &[
                    CHANGE,
                    USER,
                    VALID_FROM,
                    VALID_UNTIL,
                    COUNT,
                    USE_TIME,
                    INCREMENT,
                    DRY_RUN,
                ],
                run: Run::Call(initialize::change_of_profile),
            },
        ],
    ),
    Operation {
        without_token: WithoutToken::WhereOpen(Permission::Kind(Kind::Profile, Action::Create)),
        ..named_write(
            "RegisterUser",
            "Makes a user: a Profile with its Person, login and contact data, as JSON or as form fields",
            &[Form {
                target: Target::Nothing,
                needs: of_kind(Kind::Profile, Action::Create),
                parameters: &[
                    optional("confirmedPassword", TEXT, "Must be the password again"),
                    optional("acceptsTsAndCs", FLAG, "`false` refuses the registration"),
                    optional("accountType", TEXT, "Makes an Account of this type"),
                    optional(
                        "email",
                        TEXT,
                        "Makes an EmailAddress, unless the body has one of this value",
                    ),
                    DRY_RUN,
                ],
                run: Run::Objects(register::run),
            }],
        )
    },
    named_write(
        "AddToProfileGroups",
        "Makes a user a member of groups",
        &[Form {
            target: Target::Nothing,
            needs: of_relation(RelationType::Membership, Action::Create),
            parameters: &[
                MEMBER,
                GROUPS,
                optional("allowAlreadyAdded", FLAG, "A member already is no error"),
                DRY_RUN,
            ],
            run: Run::Call(groups::add),
        }],
    ),
    named_write(
        "RemoveFromProfileGroups",
        "Takes a user out of groups; reservations that rested on them end",
        &[Form {
            target: Target::Nothing,
            needs: of_relation(RelationType::Membership, Action::Delete),
            parameters: &[
                MEMBER,
                GROUPS,
                optional("allowAlreadyRemoved", FLAG, "No member is no error"),
                DRY_RUN,
            ],
            run: Run::Call(groups::remove),
        }],
    ),
    named_write(
        "RemoveUserFromOrganization",
        "Takes a user out of all groups of an organization",
        &[Form {
            target: Target::Nothing,
            needs: of_relation(RelationType::Membership, Action::Delete),
            parameters: &[MEMBER, required("organizationId", ID, "The organization"), DRY_RUN],
            run: Run::Call(groups::remove_from_organization),
        }],
    ),
    Operation {
        without_token: WithoutToken::Always,
        ..named_write(
            "Login",
            "Gives a token that lasts an hour for a user name and a password",
            &[Form {
                target: Target::Nothing,
                needs: Needs::Nothing,
                parameters: &[
                    required("userName", TEXT, "The user's name, which may be an e-mail address"),
                    required("password", TEXT, "The password"),
                    DRY_RUN,
                ],
                run: Run::Login,
            }],
        )
    },
    Operation {
        name: "DescribeConsumers",
        mode: Mode::Read,
        road: Road::Name,
        without_token: WithoutToken::Never,
        about: "Who could consume a license and by which ways, and who holds it now",
        forms: &[Form {
            target: Target::Kind(Kind::License),
            needs: Needs::One(Permission::LicenseCheck),
            parameters: &[
                optional("limit", INTEGER, "How many to list"),
                optional("cursor", TEXT, "Go on where an answer with this `nextCursor` ended"),
            ],
            run: Run::Describe,
        }],
    },
];

/// The operation of `operation=Name`, by its exact name.
pub fn named(name: &str) -> Result<&'static Operation, Error> {
    OPERATIONS
        .iter()
        .find(|operation| operation.road == Road::Name && operation.name == name)
        .ok_or_else(|| Error::UnknownOperation(shown(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generic_operations_have_no_name_to_call_them_by() {
        for operation in OPERATIONS {
            let is_named = operation.road == Road::Name;
            assert_eq!(named(operation.name).is_ok(), is_named, "{}", operation.name);
        }
        for name in ["ResetPassword", "moveLicenses", "", "MoveLicenses "] {
            assert_eq!(
                named(name).map_err(|error| error.code()).err(),
                Some("unknownOperation")
            );
        }
    }

    #[test]
    fn only_login_is_anonymous() {
        let is_anonymous = |operation: &&Operation| matches!(operation.without_token, WithoutToken::Always);
        let anonymous: Vec<_> = OPERATIONS.iter().filter(is_anonymous).collect();
        assert!(matches!(anonymous.as_slice(), [login] if login.name == "Login"));
    }

    #[test]
    fn every_form_is_reached_by_another_target_and_names_a_parameter_once() {
        for operation in OPERATIONS {
            for (index, form) in operation.forms.iter().enumerate() {
                let before = &operation.forms[..index];
                assert!(
                    before.iter().all(|other| other.target != form.target),
                    "{}",
                    operation.name
                );
                for (at, parameter) in form.parameters.iter().enumerate() {
                    let same = form.parameters[..at].iter().any(|other| other.name == parameter.name);
                    assert!(!same, "{} {}", operation.name, parameter.name);
                }
            }
            assert_eq!(
                operation.road == Road::Name,
                !matches!(operation.forms[0].run, Run::Generic)
            );
        }
    }
}
