//! The table of operations against the server: without a token, with each permission alone, and with another
//! organization's ids in every place that takes one. An operation that joins the table is asked here without a word more.

use std::sync::Arc;

use seatgraph::access::{Permission, Permissions};
use seatgraph::model::{Clock, FieldType, Kind, Time};
use seatgraph::operation::{Form, Mode, Needs, OPERATIONS, Operation, Parameter, ParameterType, Road, Run, Target};
use seatgraph::settings::Settings;
use seatgraph::storage::{Memory, Storage};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::matrix::{Tenant, World, told};
use crate::support::server::{ADMIN, Server};

/// Of each named operation each of its ways.
fn forms() -> impl Iterator<Item = (&'static Operation, &'static Form)> {
    let named = OPERATIONS.iter().filter(|operation| operation.road == Road::Name);
    named.flat_map(|operation| operation.forms.iter().map(move |form| (operation, form)))
}

fn takes_id(parameter: &Parameter) -> bool {
    matches!(
        parameter.parameter_type,
        ParameterType::Field(FieldType::Uuid) | ParameterType::IdOrSelector
    )
}

/// What the id of a parameter is of, by its name.
fn meant(parameter: &Parameter) -> Kind {
    match parameter.name {
        "entitlementId" | "to" => Kind::Entitlement,
        "profileGroupId" | "initializeForProfileGroupId" => Kind::ProfileGroup,
        "profileId" | "initializeForProfileId" => Kind::Profile,
        "licenseId" => Kind::License,
        "ownerOrganizationId" | "organizationId" => Kind::Organization,
        other => panic!("nobody says what `{other}` is an id of"),
    }
}

fn own(tenant: &Tenant, kind: Kind) -> Uuid {
    tenant
        .of(kind)
        .unwrap_or_else(|| panic!("no {} of its own", kind.name()))
}

/// A request that says all that is required, about a tenant's own, with one place taken by another text.
struct Asked<'w> {
    operation: &'static Operation,
    form: &'static Form,
    world: &'w World,
    selector: Option<String>,
    /// The value of one parameter, required or not.
    parameter: Option<(&'static str, String)>,
}

impl Asked<'_> {
    fn target(&self) -> String {
        let tenant = &self.world.a;
        let selector = match (&self.selector, self.form.target) {
            (Some(selector), _) => selector.clone(),
            (None, Target::Kind(kind)) => {
                let id = tenant.of(kind).or_else(|| self.world.sold(kind));
                format!("/{}[@id='{}']", kind.name(), id.expect("one of every kind"))
            }
            (None, _) => String::new(),
        };
        let mut target = format!("/graph{selector}?operation={}", self.operation.name);
        let mut say = |name: &str, value: &str| target.push_str(&format!("&{name}={value}"));
        for parameter in self.form.parameters {
            let given = self.parameter.as_ref().filter(|(name, _)| *name == parameter.name);
            match (given, parameter.parameter_type) {
                (Some((name, value)), _) => say(name, value),
                (None, ParameterType::OneOf(_)) if parameter.required => {
                    say(parameter.name, "quota");
                    say("licensedItemCount", "3");
                }
                (None, _) if parameter.required && takes_id(parameter) => {
                    say(parameter.name, &own(tenant, meant(parameter)).to_string());
                }
                (None, _) if parameter.required => say(parameter.name, "x"),
                // What makes a repeat or a first time no error; to make what is missing is another thing.
                (None, ParameterType::Field(FieldType::Bool)) if parameter.name.starts_with("allow") => {
                    say(parameter.name, "true");
                }
                (None, _) if parameter.name == "createAssignment" => say(parameter.name, "true"),
                // Left out, it is the caller, and most callers are nobody.
                (None, _) if parameter.name == "initializeForProfileId" => {
                    say(parameter.name, &own(tenant, Kind::Profile).to_string());
                }
                _ => {}
            }
        }
        // One of two that are both optional.
        let one_needed = self
            .form
            .parameters
            .iter()
            .find(|parameter| parameter.name == "profileGroupId");
        if let Some(group) = one_needed.filter(|group| !group.required)
            && self.parameter.as_ref().is_none_or(|(name, _)| *name != group.name)
        {
            target.push_str(&format!("&{}={}", group.name, own(tenant, Kind::ProfileGroup)));
        }
        target
    }

    fn body(&self) -> Option<Value> {
        matches!(self.form.run, Run::Objects(_)).then(|| json!({"__objType": "Profile", "displayName": "new"}))
    }
}

fn plain<'w>((operation, form): (&'static Operation, &'static Form), world: &'w World) -> Asked<'w> {
    Asked {
        operation,
        form,
        world,
        selector: None,
        parameter: None,
    }
}

#[test]
fn every_operation_but_login_refuses_an_anonymous_caller() {
    let world = World::new();
    let before = world.digest();
    let mut count = 0;
    for each in forms() {
        let asked = plain(each, &world);
        for target in [asked.target(), format!("/graph?operation={}", each.0.name)] {
            count += 1;
            let answer = world.ask_anonymously("POST", &target, asked.body().as_ref());
            let challenge = answer.header("www-authenticate").unwrap_or_default();
            if each.0.name == "Login" {
                assert_ne!(answer.status, 401, "{target}");
            } else {
                assert_eq!(answer.status, 401, "{target}: {}", answer.text());
                assert!(challenge.starts_with("Bearer"), "{target}: {challenge}");
            }
        }
    }
    assert_eq!(world.digest(), before);
    assert!(count > 20, "only {count} requests");
}

#[test]
fn an_operation_takes_its_permission_and_no_other() {
    let world = World::new();
    let nothing = world.server.token(json!({"permissions": []})).1;
    let tokens: Vec<(Permission, String)> = Permission::all()
        .map(|permission| {
            let text = permission.to_string();
            (permission, world.server.token(json!({"permissions": [text]})).1)
        })
        .collect();
    let before = world.digest();
    let mut count = 0;
    for each in forms() {
        let Needs::One(needed) = each.1.needs else {
            assert_eq!(each.0.name, "Login", "an operation without a permission");
            continue;
        };
        let asked = plain(each, &world);
        let target = asked.target();
        let unknown = Uuid::from_u128(7).to_string();
        let known = target.clone();
        let missing = own(&world.a, Kind::License).to_string();
        // Whatever it is asked about, and however badly.
        for target in [
            known.clone(),
            known.replace(&missing, &unknown),
            format!("{known}&colour=x"),
        ] {
            let answer = world.ask(&nothing, "POST", &target, asked.body().as_ref());
            assert_eq!(answer.status, 403, "{target}: {}", answer.text());
            assert!(
                answer.text().contains("permissionMissing"),
                "{target}: {}",
                answer.text()
            );
        }
        // What only reads has nothing to run dry.
        let dry = match each.0.mode {
            Mode::Write => format!("{target}&dryRun=true"),
            Mode::Read => target.clone(),
        };
        for (permission, token) in &tokens {
            count += 1;
            let answer = world.ask(token, "POST", &dry, asked.body().as_ref());
            let may = *permission == needed;
            assert_eq!(
                answer.status,
                if may { 200 } else { 403 },
                "{dry} with {permission}: {}",
                answer.text()
            );
        }
        // What it says of itself is a permission there is.
        assert!(Permissions::parse(&each.1.needs.to_string()).is_ok());
    }
    assert_eq!(world.digest(), before, "an operation changed something");
    assert!(count > 1000, "only {count} requests");
}

#[test]
fn another_organizations_ids_are_as_unknown_to_operations() {
    let world = World::new();
    let mut count = 0;
    for (kind, foreign) in &world.b.objects {
        let before = world.digest();
        for each in forms().filter(|(operation, _)| operation.name != "Login") {
            for (asked, blank) in places(each, &world, *foreign)
                .into_iter()
                .zip(places(each, &world, UNKNOWN))
            {
                count += 1;
                let ask = |asked: &Asked<'_>| world.ask(&world.a.token, "POST", &asked.target(), asked.body().as_ref());
                let (met, missed) = (told(&ask(&asked), *foreign), told(&ask(&blank), UNKNOWN));
                let place = asked.target();
                assert!(met.0 < 500, "{place}: {}", met.1);
                assert_eq!(
                    met,
                    missed,
                    "{place}: a {} of another organization is told from an unknown id",
                    kind.name()
                );
                assert!(!met.1.contains("\"Success\""), "{place}: {}", met.1);
            }
        }
        // A registration that points to it.
        let register = |id: Uuid| {
            let body = json!({"__objType": "Profile", "referenceFields": {"ref_Person_id": id}});
            let answer = world.ask(&world.a.token, "POST", "/graph?operation=RegisterUser", Some(&body));
            told(&answer, id)
        };
        count += 1;
        assert_eq!(
            register(*foreign),
            register(UNKNOWN),
            "RegisterUser below a {}",
            kind.name()
        );
        // Ids are the client's to choose: one that is taken is refused, without a word about whose it is.
        let license = own(&world.a, Kind::License);
        let taken = [
            format!("/graph/License[@id='{license}']?operation=MoveLicenses&create=true&to={foreign}"),
            format!(
                "/graph/License[@id='{license}']?operation=MoveLicenses&create=true&to=/Entitlement[@id='{foreign}']"
            ),
        ];
        for target in taken {
            let answer = world.ask(&world.a.token, "POST", &target, None);
            assert!(answer.text().contains("\"idNotUsable\""), "{target}: {}", answer.text());
        }
        let body = json!({"__objType": "Profile", "id": foreign});
        let answer = world.ask(&world.a.token, "POST", "/graph?operation=RegisterUser", Some(&body));
        assert!(
            answer.text().contains("\"idNotUsable\""),
            "{}: {}",
            kind.name(),
            answer.text()
        );
        assert_eq!(
            world.digest(),
            before,
            "{}: another organization's token changed the graph",
            kind.name()
        );
    }
    assert!(count > 500, "only {count} requests");
    assert_eq!(world.ask(ADMIN, "GET", "/health/ready", None).status, 200);
}

const UNKNOWN: Uuid = Uuid::from_u128(0x5ea7_0000_4000_8000_0000_0000_0001);

/// Every place of an operation where an id can stand.
fn places<'w>(each: (&'static Operation, &'static Form), world: &'w World, id: Uuid) -> Vec<Asked<'w>> {
    let mut all = Vec::new();
    for parameter in each.1.parameters.iter().filter(|parameter| takes_id(parameter)) {
        let mut values = vec![id.to_string()];
        if parameter.parameter_type == ParameterType::IdOrSelector {
            values.push(format!("/Entitlement[@id='{id}']"));
            values.push(format!("/Entitlement[@ref_Organization_id='{id}']"));
            values.push(format!("/Organization[@id='{id}']/~OneToMany/Entitlement"));
        }
        for value in values {
            all.push(Asked {
                parameter: Some((parameter.name, value)),
                ..plain(each, world)
            });
        }
    }
    if let Target::Kind(kind) = each.1.target {
        let name = kind.name();
        let mut selectors = vec![
            format!("/{name}[@id='{id}']"),
            format!("/{name}[@id='{id}' or @id='{id}']"),
        ];
        if kind == Kind::License {
            selectors.push(format!("/License[@ref_Entitlement_id='{id}']"));
            selectors.push(format!("/Entitlement[@id='{id}']/~OneToMany/License"));
        }
        for selector in selectors {
            all.push(Asked {
                selector: Some(selector),
                ..plain(each, world)
            });
        }
    }
    all
}

/// What is kept beside an Idempotency-Key tells nobody quickly whether a password is the right one.
#[test]
fn a_keyed_password_is_kept_as_no_quick_hash() {
    let mut store = Memory::new();
    let clock = Arc::new(Clock::frozen(Time(1_768_478_400_000)));
    let server = Server::start(Box::new(store.another()), clock, &Settings::default());
    let target = "/graph?operation=RegisterUser";
    let login = "/Profile/~ManyToOne/Person/~OneToMany/EmailAndPassword";
    for (key, body, is_quick) in [
        ("plain", "/Profile/@displayName=Maja".to_owned(), true),
        (
            "secret",
            format!("{login}/@userName=maja&{login}/@passwordPlain=swordfish"),
            false,
        ),
    ] {
        let headers = [
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Idempotency-Key", key),
        ];
        let answer = server.ask(Some(ADMIN), "POST", target, Some(&body), &headers);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let mut quick = Sha256::new();
        for part in ["POST", target, &body] {
            quick.update((part.len() as u64).to_le_bytes());
            quick.update(part);
        }
        let commits = store.since(0, 100).expect("the log");
        let kept = commits.last().and_then(|commit| commit.replay.as_ref());
        let kept = kept.expect("an answer that is kept");
        assert_eq!((&*kept.key, kept.status), (key, 200));
        assert_eq!(
            kept.fingerprint == <[u8; 32]>::from(quick.finalize()),
            is_quick,
            "{key}"
        );
    }
}
