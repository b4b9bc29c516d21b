//! Commits as steps by name, and what they tell. An entity's id is made of its name.

use super::*;
use crate::graph::{Kept, Transaction};
use crate::model::schema::relations;
use crate::model::{Clock, FieldType, Fields, Principal, Revision, Time, Whose};

fn id(name: &str) -> Uuid {
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    Uuid::from_bytes(bytes)
}

fn name(id: Uuid) -> String {
    String::from_utf8_lossy(id.as_bytes()).trim_end_matches('\0').to_owned()
}

fn fields(kind: Kind, pairs: &[&str], mut fields: Fields) -> Fields {
    for pair in pairs {
        let (name, text) = pair.split_once('=').unwrap();
        let index = kind.field(name).unwrap();
        let value = match kind.def().fields[usize::from(index)].field_type {
            FieldType::Bool => Value::Bool(text == "true"),
            FieldType::Int => Value::Int(text.parse().unwrap_or_default()),
            FieldType::Time => Value::Time(Time(text.parse().unwrap_or_default())),
            FieldType::Uuid => Value::Uuid(id(text)),
            _ => Value::text(text),
        };
        fields = fields.with(index, (!text.is_empty()).then_some(value));
    }
    fields
}

/// `new License pro name=x < main editor`, `set pro active=false`, `link main staff`, `cut main staff`, `end pro`.
fn step(tx: &mut Transaction<'_>, text: &str) {
    let words: Vec<&str> = text.split_whitespace().collect();
    let kind = |tx: &Transaction<'_>, name: &str| tx.graph().find(id(name)).unwrap().kind;
    let rel = |tx: &Transaction<'_>, from: &str, to: &str| {
        let ends = (kind(tx, from), kind(tx, to));
        relations().find(|rel| (rel.def().from, rel.def().to) == ends).unwrap()
    };
    match &words[..] {
        ["new", kind, name, rest @ ..] => {
            let kind = Kind::named(kind).unwrap();
            let at = rest.iter().position(|word| *word == "<").unwrap_or(rest.len());
            let made = fields(kind, &rest[..at], Fields::default());
            tx.create(id(name), kind, made, Kept::default()).unwrap();
            for parent in rest.iter().skip(at + 1) {
                tx.relate(rel(tx, parent, name), id(parent), id(name), Fields::default())
                    .unwrap();
            }
        }
        ["set", name, pairs @ ..] => {
            let before = tx.graph().find(id(name)).unwrap().fields().to_fields();
            tx.update(id(name), fields(kind(tx, name), pairs, before)).unwrap();
        }
        ["link", from, to] => tx
            .relate(rel(tx, from, to), id(from), id(to), Fields::default())
            .unwrap(),
        ["cut", from, to] => tx.unrelate(rel(tx, from, to), id(from), id(to)).unwrap(),
        ["end", name] => drop(tx.remove_cascading(id(name)).unwrap()),
        // As rules tell of a lease what its change does not.
        ["tell", event_name, lease, fact, number] => {
            let facts = vec![((*fact).into(), Value::Int(number.parse().unwrap()).into())];
            tx.tell(event(event_name, Kind::Consumption, id(lease), Some(7), facts));
        }
        _ => panic!("{text}"),
    }
}

fn commit(graph: &mut Graph, revision: Revision, steps: &[&str]) -> Commit {
    let clock = Clock::frozen(Time(0));
    let mut tx = Transaction::new(graph, revision, Time(revision as i64), &clock);
    steps.iter().for_each(|text| step(&mut tx, text));
    let mut events = tx.take_events();
    let changes = tx.finish().unwrap();
    let whose: Whose = changes.iter().map(|_| Some(7)).collect();
    kept(graph, &changes, &whose, Time(revision as i64), &mut events);
    Commit {
        revision,
        at: Time(revision as i64),
        by: Principal::default(),
        operation: "Test".into(),
        request_id: "r".into(),
        changes,
        whose,
        events,
        replay: None,
    }
}

fn written(fact: &Fact) -> String {
    let group = |facts: &Facts| {
        facts
            .iter()
            .map(|(name, fact)| format!("{name}={}", written(fact)))
            .collect::<Vec<_>>()
            .join(" ")
    };
    match fact {
        Fact::Nothing => String::new(),
        Fact::One(Value::Uuid(id)) => name(*id),
        Fact::One(Value::Bool(flag)) => flag.to_string(),
        Fact::One(Value::Int(number)) => number.to_string(),
        Fact::One(Value::Time(time)) => time.0.to_string(),
        Fact::One(Value::Text(text)) => text.to_string(),
        Fact::Group(facts) => format!("({})", group(facts)),
        Fact::List(list) => format!("[{}]", list.iter().map(group).collect::<Vec<_>>().join("; ")),
    }
}

const WORLD: &[&str] = &[
    "new Organization acme name=ACME",
    "new ProfileGroup staff name=Staff < acme",
    "new Entitlement main < acme",
    "new LicensedItem editor name=editor",
    "new Person bob",
    "new Profile ann",
    "new Entitlement hers < ann",
    "new License pro active=true validUntil=9 < main editor",
    "new SeatCountCredit seats seatCount=5 active=true < pro",
    "new License own active=true < hers editor",
];

/// What a commit tells beside that things were created, updated and deleted.
fn check(before: &[&str], steps: &[&str], expected: &[&str]) {
    let mut graph = Graph::new();
    let mut revision = 1;
    commit(&mut graph, revision, WORLD);
    for step in before {
        revision += 1;
        commit(&mut graph, revision, &[step]);
    }
    let commit = commit(&mut graph, revision + 1, steps);
    let all: Vec<Event> = told(&commit, &graph).map(Cow::into_owned).collect();
    assert_eq!(all.len(), count(&commit), "{steps:?}");
    assert!(all.iter().all(|event| event.whose == Some(7)), "{steps:?}");
    let found: Vec<String> = all
        .iter()
        .filter(|event| !["Created", "Updated", "Deleted"].contains(&event.name.as_str()))
        .map(|event| {
            let facts: Vec<String> = event
                .facts
                .iter()
                .map(|(name, fact)| format!(" {name}={}", written(fact)))
                .collect();
            format!(
                "{} {} {}:{}",
                event.name,
                event.object_type,
                name(event.object),
                facts.concat()
            )
        })
        .collect();
    assert_eq!(found, expected, "{before:?} {steps:?}");
}

const ACME: &str = "entitlementId=main licenseOwnerOrganizationId=acme licensedItemId=editor licensedItemName=editor";

#[test]
fn licenses_are_provisioned_suspended_and_resumed() {
    let pro = format!("License pro: licenseId=pro {ACME}");
    check(
        &[],
        &[
            "new License more active=true validFrom=3 < main editor",
            "new License less < hers editor",
        ],
        &[
            &format!("LicenseProvisioned License more: licenseId=more {ACME} validFrom=3 active=true"),
            "LicenseProvisioned License less: licenseId=less entitlementId=hers licenseOwnerUserId=ann licensedItemId=editor \
             licensedItemName=editor",
        ],
    );
    check(&[], &["set pro active=false"], &[&format!("LicenseSuspended {pro}")]);
    check(
        &["set pro active=false"],
        &["set pro active=true"],
        &[&format!("LicenseResumed {pro}")],
    );
    check(
        &[],
        &["set pro active=false validUntil= name=gold"],
        &[
            &format!("LicenseSuspended {pro}"),
            &format!("LicenseProvisioned {pro} active=false previousState=(name= validUntil=9)"),
        ],
    );
    check(
        &[],
        &["set seats seatCount=8"],
        &[&format!(
            "LicenseProvisioned {pro} seatCount=8 previousState=(seatCount=5)"
        )],
    );
    // All credits that count are one number.
    let seats =
        |is: &str, was: &str| format!("LicenseProvisioned {pro} seatCount={is} previousState=(seatCount={was})");
    let more = "new SeatCountCredit more seatCount=3 active=true < pro";
    check(&[], &[more], &[&seats("8", "5")]);
    check(
        &[more],
        &["set seats seatCount=1", "set more seatCount=2"],
        &[&seats("3", "8")],
    );
    check(&[more], &["end more"], &[&seats("5", "8")]);
    check(&[more], &["set more active=false"], &[&seats("5", "8")]);
    check(&[more], &["set more validUntil=2"], &[&seats("5", "8")]);
    check(&[more], &["set more seatCount="], &[&seats("", "8")]);
    check(
        &[],
        &["new SeatCountCredit later seatCount=3 active=true validFrom=9 < pro"],
        &[],
    );
    check(&[more], &["end pro"], &[]);
    // Seats that are taken are no other license.
    check(&[], &["set seats seatsConsumed=2"], &[]);
    check(&[], &["end pro"], &[]);
    check(&[], &["new LicensedItem viewer name=viewer", "set acme name=Acme"], &[]);
}

#[test]
fn seats_are_reserved_denied_and_freed() {
    let ann = format!("Assignment seat: assignmentId=seat userId=ann licenseId=pro {ACME}");
    let told = |event: &str, state: &str| format!("{event} {ann} reservationType={state}");
    let (reserve, deny) = (
        "new Assignment seat reservationType=reserved < pro ann",
        "new Assignment seat reservationType=denied < pro ann",
    );
    // Before it was made, and before it is changed.
    let over = "new Assignment seat reservationType=reserved validUntil=1 < pro ann";
    let ended = "new Assignment seat reservationType=reserved validUntil=3 < pro ann";
    let reserved = told("LicenseReserved", "reserved");
    let denied = told("LicenseConsumeDenied", "denied");
    let released = told("LicenseReservationReleased", "reserved");
    let allowed = told("LicenseConsumptionAllowed", "denied");
    for (before, steps, expected) in [
        (None, reserve, vec![&reserved]),
        (None, deny, vec![&denied]),
        (None, "new Assignment seat < pro ann", vec![]),
        (Some(reserve), "set seat reservationType=", vec![&released]),
        (
            Some(reserve),
            "set seat reservationType=denied",
            vec![&released, &denied],
        ),
        (
            Some(deny),
            "set seat reservationType=reserved",
            vec![&allowed, &reserved],
        ),
        (Some(deny), "set seat reservationType=", vec![&allowed]),
        (Some(reserve), "set seat validUntil=9", vec![]),
        // By its date it ends when that is written, or else is told to have ended when somebody changes it.
        (Some(reserve), "set seat validUntil=1", vec![&released]),
        (Some(deny), "set seat validUntil=1", vec![&allowed]),
        (Some(over), "set seat validUntil=9", vec![&reserved]),
        (Some(over), "set seat reservationType=", vec![]),
        (Some(over), "end seat", vec![]),
        (Some(ended), "set seat validUntil=9", vec![&released, &reserved]),
        (Some(ended), "set seat fulfilled=true", vec![&released]),
        (Some(ended), "end seat", vec![&released]),
        // What is gone is told as it was.
        (Some(reserve), "end seat", vec![&released]),
        (Some(deny), "end pro", vec![&allowed]),
        (Some(reserve), "end acme", vec![&released]),
        (Some(reserve), "end editor", vec![&released]),
    ] {
        let before: Vec<&str> = before.into_iter().collect();
        let expected: Vec<&str> = expected.into_iter().map(String::as_str).collect();
        check(&before, &[steps], &expected);
    }
}

#[test]
fn leases_begin_go_on_and_end() {
    let seat = "new Assignment seat reservationType=reserved < pro ann";
    let lease = "new Consumption use leaseId=lease consumptionMode=cache consumedVersion=2.1 grantedUntil=99 < seat";
    let own = |until: &str| {
        format!(
            "Consumption use: consumptionId=use leaseId=lease consumptionMode=cache consumedVersion=2.1 grantedUntil={until}"
        )
    };
    let all = |until: &str| {
        let own = own(until);
        format!("{own} assignmentId=seat userId=ann licenseId=pro {ACME} reservationType=reserved")
    };
    let consumed = |until: &str| format!("LicenseConsumed {}", all(until));
    let released = |until: &str| format!("LicenseReleased {}", all(until));
    let begun = [seat, lease];
    check(&[seat], &[lease], &[&consumed("99")]);
    check(&begun, &["set use grantedUntil=200"], &[&consumed("200")]);
    check(&begun, &["set use grantedUntil=99"], &[]);
    check(&begun, &["end use"], &[&released("99")]);
    check(
        &begun,
        &["end pro"],
        &[
            &released("99"),
            &format!(
                "LicenseReservationReleased Assignment seat: assignmentId=seat userId=ann licenseId=pro {ACME} reservationType=reserved"
            ),
        ],
    );
    // Given back, it is told once: not again when its cooldown has ended.
    let given_back = "set use grantedUntil=50 releasedAt=9";
    check(&begun, &[given_back], &[&released("50")]);
    check(&[seat, lease, given_back], &["end use"], &[]);
    check(
        &[],
        &["new Assignment seat < pro ann", lease],
        &[&format!(
            "LicenseConsumed {} assignmentId=seat userId=ann licenseId=pro {ACME}",
            own("99")
        )],
    );
    // Of a license for more, the item is the one that was asked for.
    check(
        &[seat],
        &[
            "new LicensedItem viewer name=viewer",
            "new Consumption use licensedItemId=viewer < seat",
        ],
        &[
            "LicenseConsumed Consumption use: consumptionId=use assignmentId=seat userId=ann licenseId=pro entitlementId=main \
           licenseOwnerOrganizationId=acme licensedItemId=viewer licensedItemName=viewer reservationType=reserved",
        ],
    );
}

#[test]
fn what_was_told_of_a_lease_stands_in_its_event() {
    let seat = "new Assignment seat < pro ann";
    let lease = "new Consumption use hw=mac process=p1 < seat";
    let all = |more: &str| {
        format!(
            "Consumption use: consumptionId=use licenseAnchors=[licenseAnchorType=hw licenseAnchorId=mac; licenseAnchorType=process \
             licenseAnchorId=p1] assignmentId=seat userId=ann licenseId=pro {ACME}{more}"
        )
    };
    let tell = "tell LicenseConsumed use consumedUseCount 2";
    check(
        &[seat],
        &[lease, tell],
        &[&format!("LicenseConsumed {}", all(" consumedUseCount=2"))],
    );
    check(
        &[seat],
        &[lease, tell, tell],
        &[&format!("LicenseConsumed {}", all(" consumedUseCount=4"))],
    );
    // Also where nothing of the lease changed, and of another event than its change makes.
    check(
        &[seat, lease],
        &[tell],
        &[&format!("LicenseConsumed {}", all(" consumedUseCount=2"))],
    );
    check(
        &[seat, lease],
        &["set use hw=pc", "tell LicenseReleased use n 1"],
        &[
            &format!("LicenseConsumed {}", all("").replace("mac", "pc")),
            &format!("LicenseReleased {}", all(" n=1").replace("mac", "pc")),
        ],
    );
    // What is not there tells what was told of it.
    check(
        &[],
        &["tell LicenseReleased use n 1"],
        &["LicenseReleased Consumption use: n=1"],
    );
}

#[test]
fn what_was_asked_for_or_refused_is_told_without_a_change() {
    let mut graph = Graph::new();
    commit(&mut graph, 1, WORLD);
    commit(&mut graph, 2, &["new Assignment seat reservationType=denied < pro ann"]);
    let long = "e".repeat(300);
    let told = |asked: &Asked<'_>| {
        let event = refused(&graph, asked, Some(7));
        assert_eq!(checked(&graph, asked, Some(7)).facts, event.facts);
        let facts: Vec<String> = event
            .facts
            .iter()
            .map(|(name, fact)| format!(" {name}={}", written(fact)))
            .collect();
        format!(
            "{} {} {}:{}",
            event.name,
            event.object_type,
            name(event.object),
            facts.concat()
        )
    };
    let asked = Asked {
        profile: id("ann"),
        item: "editor",
        mode: "cache",
        version: None,
        hw: None,
        process: None,
        lease: None,
        consumption: None,
        license: None,
        until: None,
        refused: None,
    };
    assert_eq!(
        told(&Asked {
            license: Some(id("pro")),
            hw: Some("mac"),
            refused: Some(("denied", "no")),
            ..asked
        }),
        format!(
            "LicenseConsumed License pro: consumptionMode=cache licenseAnchors=[licenseAnchorType=hw licenseAnchorId=mac] assignmentId=seat \
             userId=ann licenseId=pro {ACME} reservationType=denied errorInfo=(error=denied errorDescription=no)"
        )
    );
    assert_eq!(
        told(&Asked {
            license: Some(id("own")),
            version: Some("2"),
            until: Some(Time(5)),
            lease: Some(id("l")),
            consumption: Some(id("u")),
            ..asked
        }),
        "LicenseConsumed License own: consumptionId=u leaseId=l consumptionMode=cache consumedVersion=2 grantedUntil=5 userId=ann licenseId=own \
         entitlementId=hers licenseOwnerUserId=ann licensedItemId=editor licensedItemName=editor"
    );
    // No license, and no such item: about who asked, and no more of the text than is kept.
    assert_eq!(
        told(&Asked {
            item: &long,
            refused: Some(("a", "b")),
            ..asked
        }),
        format!(
            "LicenseConsumed Profile ann: consumptionMode=cache userId=ann licensedItemName={} errorInfo=(error=a errorDescription=b)",
            &long[..256]
        )
    );
    assert_eq!(
        told(&asked),
        "LicenseConsumed Profile ann: consumptionMode=cache userId=ann licensedItemId=editor licensedItemName=editor"
    );
}

#[test]
fn groups_are_let_in_and_out() {
    let facts = "Entitlement main: entitlementId=main organizationGroupId=staff";
    check(
        &[],
        &["link main staff"],
        &[&format!(
            "EntitlementGrantedToOrganizationGroup {facts} organizationId=acme"
        )],
    );
    check(
        &["link main staff"],
        &["cut main staff"],
        &[&format!(
            "EntitlementRevokedFromOrganizationGroup {facts} organizationId=acme"
        )],
    );
    check(
        &["link main staff"],
        &["end main"],
        &[&format!(
            "EntitlementRevokedFromOrganizationGroup {facts} organizationId=acme"
        )],
    );
}

#[test]
fn what_stood_around_is_told_when_it_is_gone_and_its_ids_are_taken_again() {
    let mut graph = Graph::new();
    commit(&mut graph, 1, WORLD);
    let new = commit(
        &mut graph,
        2,
        &[
            "new License more < main editor",
            "new License less < hers editor",
            "link main staff",
        ],
    );
    // As a commit of an earlier version.
    let old = Commit {
        events: Vec::new(),
        ..new.clone()
    };
    let facts = |commit: &Commit, graph: &Graph| -> Vec<String> {
        assert_eq!(told(commit, graph).count(), count(commit));
        let events = told(commit, graph).filter(|event| event.name != "Created");
        events.map(|event| written(&Fact::Group(event.facts.clone()))).collect()
    };
    let expected = [
        format!("(licenseId=more {ACME})"),
        "(licenseId=less entitlementId=hers licenseOwnerUserId=ann licensedItemId=editor licensedItemName=editor)"
            .to_owned(),
        "(entitlementId=main organizationGroupId=staff organizationId=acme)".to_owned(),
    ];
    assert_eq!(facts(&new, &graph), expected);
    assert_eq!(facts(&old, &graph), expected);
    let others = [
        "end main",
        "end hers",
        "end editor",
        "new Organization other name=Other",
        "new Entitlement main < other",
        "new Entitlement hers < other",
        "new LicensedItem editor name=another",
    ];
    for (revision, step) in (3..).zip(others) {
        commit(&mut graph, revision, &[step]);
    }
    assert_eq!(facts(&new, &graph), expected);
    assert_eq!(
        facts(&old, &graph),
        [
            "(licenseId=more entitlementId=main licensedItemId=editor)",
            "(licenseId=less entitlementId=hers licensedItemId=editor)",
            "(entitlementId=main organizationGroupId=staff)",
        ]
    );
    // What the commit itself tells is kept no second time.
    let whole = commit(
        &mut graph,
        20,
        &[
            "new Entitlement own < other",
            "new LicensedItem viewer name=viewer",
            "new License whole < own viewer",
        ],
    );
    assert_eq!(whole.events, []);
    assert_eq!(
        facts(&whole, &graph),
        [
            "(licenseId=whole entitlementId=own licenseOwnerOrganizationId=other licensedItemId=viewer licensedItemName=viewer)"
        ]
    );
}

#[test]
fn things_are_created_updated_and_deleted() {
    let mut graph = Graph::new();
    commit(&mut graph, 1, WORLD);
    let mut tell = |steps: &[&str]| -> Vec<String> {
        let revision = graph.revision() + 2;
        let commit = commit(&mut graph, revision, steps);
        told(&commit, &graph)
            .map(|event| {
                let facts: Vec<String> = event
                    .facts
                    .iter()
                    .map(|(name, fact)| format!(" {name}={}", written(fact)))
                    .collect();
                format!("{} {}:{}", event.name, event.object_type, facts.concat())
            })
            .collect()
    };
    assert_eq!(
        tell(&["new EmailAndPassword login userName=ann passwordHash=secret < bob"]),
        ["Created EmailAndPassword: objectName=EmailAndPassword objectId=login"]
    );
    assert_eq!(
        tell(&["set login userName=anna passwordHash=another"]),
        ["Updated EmailAndPassword: objectName=EmailAndPassword objectId=login modifiedFields=(userName=anna)"]
    );
    assert_eq!(
        tell(&["set acme name=Acme description=all"]),
        ["Updated Organization: objectName=Organization objectId=acme modifiedFields=(name=Acme description=all)"]
    );
    assert_eq!(
        tell(&["set acme description="]),
        ["Updated Organization: objectName=Organization objectId=acme modifiedFields=(description=)"]
    );
    assert_eq!(
        tell(&["end login"]),
        ["Deleted EmailAndPassword: objectName=EmailAndPassword objectId=login oldFields=(userName=anna)"]
    );
    // Tokens and keys are nobody's to follow.
    assert_eq!(
        tell(&["new Token token name=t", "new SigningKey key alg=EdDSA"]),
        [""; 0]
    );
}
