//! Bodies that are understood and refused: the code, the place, and that nothing came of it.

use super::*;
use crate::model::schema::relations;
use crate::model::{FieldType, RelationType};
use crate::operation::input::{FieldInput, ReferenceInput};

#[test]
fn what_does_not_fit_the_schema() {
    check("{'T':'Organization'}", "requiredMissing ");
    check("{'T':'Organization','name':''}", "requiredMissing /name");
    check("{'T':'Organization','id':'#acme','name':null}", "requiredMissing /name");
    check("[{'T':'Person'},{'T':'LicensedItem'}]", "requiredMissing /1");
    check(
        "{'T':'License','id':'#lic','lockScope':'Planet'}",
        "valueNotAllowed /lockScope",
    );
    check(
        "{'T':'SeatCountCredit','id':'#credit','seatCount':-1}",
        "valueNotAllowed /seatCount",
    );
    check(
        "{'T':'License','id':'#lic','validFrom':'2030-01-02','validUntil':'2030-01-01'}",
        "endBeforeStart /validUntil",
    );
    check(
        "{'T':'License','id':'#lic','validFrom':'2030-01-01','validUntil':'2030-01-01'}",
        "ok 1",
    );
    check(
        "{'T':'Profile','id':'#ann','~Membership':[{'T':'ProfileGroup','id':'#crew','rel':{'validFrom':'2030-01-02','validUntil':'2030-01-01'}}]}",
        "endBeforeStart /rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects/0/relationAttributeObject/validUntil",
    );
}

#[test]
fn a_field_of_a_relation_is_refused_where_it_stands() {
    let first = "/rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects/0";
    for (rel, expected) in [
        (
            "'validUntil':'2030-01-01'",
            format!("endBeforeStart {first}/relationAttributeObject/validUntil"),
        ),
        // What is stored ends too early: what was sent begins too late.
        (
            "'validFrom':'2032-01-02'",
            format!("endBeforeStart {first}/relationAttributeObject/validFrom"),
        ),
        ("'validFrom':'2031-01-02'", "ok 1".to_owned()),
    ] {
        let mut world = World::new();
        let membership = |rel: &str| {
            format!("{{'T':'Profile','id':'#ann','~Membership':[{{'T':'ProfileGroup','id':'#crew','rel':{{{rel}}}}}]}}")
        };
        world.post(&membership("'validFrom':'2031-01-01','validUntil':'2032-01-01'"));
        let done = world.send(&Who::server(), &membership(rel));
        assert_eq!(told(&done, |done| done.told.count), expected, "{rel}");
    }
    // On a line of its own a relation has its fields beside its ends.
    let line =
        |fields: &str| format!("{{'T':'Membership','refs':{{'Profile':'#ann','ProfileGroup':'#crew'}},{fields}}}");
    let until = line("'validUntil':'2030-01-01'");
    for (lines, at, expected) in [
        (
            format!("[{}]", line("'validFrom':'2031-01-01','validUntil':'2030-01-01'")),
            0,
            "endBeforeStart /validUntil",
        ),
        (
            format!("[{},{until}]", line("'validFrom':'2031-01-01'")),
            1,
            "endBeforeStart /validUntil",
        ),
        (
            format!("[{until},{}]", line("'validFrom':'2031-01-01'")),
            0,
            "endBeforeStart /validUntil",
        ),
    ] {
        let failed = World::new().import(&Who::server(), &lines).unwrap_err();
        assert_eq!(failed.line, at, "{lines}");
        assert_eq!(told(&Err::<(), _>(failed.error), |()| 0), expected, "{lines}");
    }
}

#[test]
fn what_is_against_what_is_stored() {
    check("{'T':'Person','id':'#acme'}", "wrongType /id");
    check(
        "[{'T':'Person','id':'#x'},{'T':'Profile','id':'#x'}]",
        "wrongType /1/id",
    );
    check("{'T':'Organization','name':'B','alias':'acme'}", "notUnique /alias");
    check("{'T':'LicensedItem','name':'app'}", "notUnique /name");
    check(
        "{'T':'EmailAndPassword','userName':'ANN@acme.test','refs':{'Person':'#mann'}}",
        "notUnique /userName",
    );
    check(
        "{'T':'ProfileGroup','name':'G','type':'employees','refs':{'Organization':'#acme'}}",
        "employeesExists /type",
    );
    check(
        "{'T':'ProfileGroup','name':'G','type':'employees','refs':{'Organization':'#zoo'}}",
        "ok 2",
    );
    check(
        "{'T':'ProfileGroup','id':'#guests','type':'employees'}",
        "employeesExists /type",
    );
    check(
        "[{'T':'ProfileGroup','id':'#guests','name':'G'},{'T':'ProfileGroup','id':'#guests','type':'employees'}]",
        "employeesExists /1/type",
    );
    check("{'T':'ProfileGroup','id':'#crew','type':'employees'}", "ok 0");
    check(
        "[{'T':'ProfileGroup','id':'#guests','type':'employees'},{'T':'ProfileGroup','id':'#crew','type':null}]",
        "ok 2",
    );
    check(
        "{'T':'SeatCountConstraint','refs':{'LicenseModel':'#model'}}",
        "notSingle /referenceFields/ref_LicenseModel_id",
    );
    check(
        "{'T':'Organization','id':'#acme','~OneToMany':[{'T':'Property','key':'k'},{'T':'Property','key':'k'}]}",
        "notUnique /rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects/0/key",
    );
    // Nobody sent the key: it is where it is sent that it is not unique.
    let mut world = World::new();
    let property = |id: &str, group: &str| {
        format!("{{'T':'Property','id':'#{id}','key':'k','refs':{{'ProfileGroup':'#{group}'}}}}")
    };
    world.post(&format!("[{},{}]", property("one", "crew"), property("two", "guests")));
    for (short, expected) in [
        (
            "{'T':'Property','id':'#two','refs':{'ProfileGroup':'#crew'}}",
            "notUnique /referenceFields/ref_ProfileGroup_id",
        ),
        (
            "{'T':'ProfileGroup','id':'#crew','~OneToMany':[{'T':'Property','id':'#two','refs':{'ProfileGroup':'#crew'}}]}",
            "notUnique /rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects/0/referenceFields/ref_ProfileGroup_id",
        ),
        (&property("two", "crew"), "notUnique /key"),
    ] {
        let done = world.send(&Who::server(), short);
        assert_eq!(told(&done, |done| done.told.count), expected, "{short}");
    }
}

#[test]
fn parents() {
    check("{'T':'ProfileGroup','name':'G'}", "ownerMissing ");
    check("{'T':'Assignment','refs':{'License':'#lic'}}", "parentMissing ");
    check("{'T':'License','refs':{'Entitlement':'#ent'}}", "parentMissing ");
    check(
        "{'T':'ProfileGroup','id':'#crew','refs':{'Organization':null}}",
        "ownerMissing /referenceFields/ref_Organization_id",
    );
    check(
        "{'T':'ProfileGroup','name':'G','refs':{'Organization':'#nobody'}}",
        "danglingReference /referenceFields/ref_Organization_id",
    );
    check(
        "{'T':'ProfileGroup','name':'G','refs':{'Organization':'#ann'}}",
        "wrongType /referenceFields/ref_Organization_id",
    );
    check(
        "{'T':'Organization','id':'#zoo','~OneToMany':[{'T':'ProfileGroup','id':'#g','name':'G','refs':{'Organization':'#acme'}}]}",
        "twoParents /rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects/0",
    );
    check(
        "[{'T':'ProfileGroup','id':'#g','name':'G','refs':{'Organization':'#acme'}},
          {'T':'ProfileGroup','id':'#g','refs':{'Organization':'#zoo'}}]",
        "twoParents /1/referenceFields/ref_Organization_id",
    );
    check(
        "{'T':'Entitlement','refs':{'Organization':'#acme','Profile':'#ann'}}",
        "twoParents /referenceFields/ref_Profile_id",
    );
    check(
        "{'T':'Entitlement','id':'#ent','refs':{'Profile':'#ann'}}",
        "twoParents /referenceFields/ref_Profile_id",
    );
    check(
        "{'T':'Entitlement','refs':{'Profile':'#out'}}",
        "notSingle /referenceFields/ref_Profile_id",
    );
}

/// What helps where there are two owners depends on what it is.
#[test]
fn two_owners() {
    let mut world = World::new();
    for (short, expected) in [
        (
            "{'T':'Entitlement','refs':{'Organization':'#acme','Profile':'#ann'}}",
            "it has one owner: name one of them",
        ),
        (
            "{'T':'Entitlement','id':'#own','refs':{'Organization':'#acme'}}",
            "what is owned stays with its owner: leave the other one out, or create it anew there",
        ),
        (
            "[{'T':'Property','id':'#of','key':'k','refs':{'Organization':'#acme'}}]",
            "ok",
        ),
        (
            "{'T':'Property','id':'#of','refs':{'ProfileGroup':'#crew'}}",
            "unlink the one it has by sending its reference as null",
        ),
        (
            "{'T':'Property','id':'#of','refs':{'ProfileGroup':'#crew','Organization':null}}",
            "ok",
        ),
    ] {
        let done = world.send(&Who::server(), short);
        let help = done.map_or_else(
            |error| error.help().unwrap_or_default().to_string(),
            |_| "ok".to_owned(),
        );
        assert_eq!(help, expected, "{short}");
    }
}

#[test]
fn what_is_owned_stays_with_its_owner() {
    check("{'T':'License','id':'#lic','refs':{'Entitlement':'#ent2'}}", "ok 3");
    check(
        "{'T':'License','id':'#lic','refs':{'Entitlement':'#zent'}}",
        "otherOwner /referenceFields/ref_Entitlement_id",
    );
    check(
        "{'T':'License','id':'#lic','refs':{'Entitlement':'#own'}}",
        "otherOwner /referenceFields/ref_Entitlement_id",
    );
    check(
        "{'T':'Entitlement','id':'#zent','~OneToMany':[{'T':'License','id':'#lic'}]}",
        "otherOwner /rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects/0",
    );
    check(
        "{'T':'Entitlement','id':'#ent','refs':{'Organization':'#zoo'}}",
        "otherOwner /referenceFields/ref_Organization_id",
    );
    check(
        "{'T':'Entitlement','id':'#ent','refs':{'Organization':null,'Profile':'#ann'}}",
        "otherOwner /referenceFields/ref_Organization_id",
    );
    check(
        "{'T':'SeatCountCredit','id':'#credit','refs':{'License':'#zlic'}}",
        "otherOwner /referenceFields/ref_License_id",
    );
    check(
        "{'T':'ProfileGroup','id':'#crew','refs':{'Organization':'#zoo'}}",
        "otherOwner /referenceFields/ref_Organization_id",
    );
    check(
        "{'T':'OrganizationRole','id':'#role','refs':{'Organization':'#zoo'}}",
        "otherOwner /referenceFields/ref_Organization_id",
    );
    check(
        "{'T':'EmailAndPassword','id':'#login','refs':{'Person':'#p2'},'~ManyToOne':[{'T':'Person','id':'#p2'}]}",
        "otherOwner /referenceFields/ref_Person_id",
    );
    check(
        "{'T':'SeatCountConstraint','id':'#rule','refs':{'LicenseModel':'#m2'},'~ManyToOne':[{'T':'LicenseModel','id':'#m2','name':'2'}]}",
        "otherOwner /referenceFields/ref_LicenseModel_id",
    );
    let mut world = World::new();
    world.post("{'T':'Assignment','id':'#a','refs':{'License':'#lic','Profile':'#ann'}}");
    for (name, parent) in [("License", "'License':'#zlic'"), ("Profile", "'Profile':'#bob'")] {
        let done = world.send(
            &Who::server(),
            &format!("{{'T':'Assignment','id':'#a','refs':{{{parent}}}}}"),
        );
        assert_eq!(
            told(&done, |done| done.told.count),
            format!("otherOwner /referenceFields/ref_{name}_id"),
            "{parent}"
        );
    }
}

#[test]
fn relations_between_others() {
    let pointer = "/rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects/0";
    check(
        "{'T':'OrganizationRole','id':'#role','~Implies':[{'T':'OrganizationRole','id':'#template','rel':{'refs':{'ref_OrganizationRole_id2':'#template'}}}]}",
        "ok 1",
    );
    check(
        "{'T':'OrganizationRole','id':'#role','~Implies':[{'T':'OrganizationRole','id':'#template','rel':{'refs':{'ref_OrganizationRole_id2':'#role'}}}]}",
        &format!("endsDisagree {pointer}/relationAttributeObject"),
    );
    check(
        "{'T':'LicensedItem','id':'#app','~Includes':[{'T':'LicensedItem','id':'#app'}]}",
        &format!("selfRelation {pointer}"),
    );
}

#[test]
fn what_is_unlinked_is_there_and_nothing_else_is_said_of_it() {
    let attributes = "/rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects/0/relationAttributeObject";
    let unlinked = "'rel':{'refs':{'ref_Profile_id':null}}";
    for (short, expected) in [
        // One end is new, or the other.
        (
            format!("{{'T':'Profile','id':'#new','~Membership':[{{'T':'ProfileGroup','id':'#crew',{unlinked}}}]}}"),
            format!("danglingReference {attributes}/referenceFields/ref_Profile_id"),
        ),
        (
            "{'T':'ProductPackage','id':'#pack1','~ManyToMany':[{'T':'LicensedItem','rel':{'refs':\
             {'Entries':[{'key':'ref_ProductPackage_id','value':'#pack1'},{'key':'ref_LicensedItem_id','value':null}]}}}]}"
                .replace("'refs'", "'referenceFields'"),
            format!("danglingReference {attributes}/referenceFields/Entries/1/value"),
        ),
        (
            "{'T':'Profile','id':'#ann','~Membership':[{'T':'ProfileGroup','id':'#crew','rel':{'validUntil':null,'refs':{'ref_Profile_id':null}}}]}".to_owned(),
            format!("valueNotAllowed {attributes}/validUntil"),
        ),
        (
            "{'T':'Profile','id':'#ann','~Membership':[{'T':'ProfileGroup','id':'#crew','rel':{'refs':{'ref_Profile_id':'#bob','ref_ProfileGroup_id':null}}}]}".to_owned(),
            format!("endsDisagree {attributes}"),
        ),
        // Linked from the other end.
        (
            format!(
                "[{{'T':'Profile','id':'#ann','~Membership':[{{'T':'ProfileGroup','id':'#crew',{unlinked}}}]}},\
                  {{'T':'ProfileGroup','id':'#crew','~Membership':[{{'T':'Profile','id':'#ann'}}]}}]"
            ),
            format!("endsDisagree /0{attributes}/referenceFields/ref_Profile_id"),
        ),
        // It may be said from both.
        (
            format!(
                "[{{'T':'Profile','id':'#ann','~Membership':[{{'T':'ProfileGroup','id':'#crew',{unlinked}}}]}},\
                  {{'T':'ProfileGroup','id':'#crew','~Membership':[{{'T':'Profile','id':'#ann',{unlinked}}}]}}]"
            ),
            "ok 1".to_owned(),
        ),
        (
            format!("{{'T':'Profile','id':'#ann','~Membership':[{{'T':'ProfileGroup','id':'#guests',{unlinked}}}]}}"),
            "ok 0".to_owned(),
        ),
    ] {
        check(&short, &expected);
    }
}

#[test]
fn leases_are_made_by_consuming() {
    let mut world = World::new();
    world.post("{'T':'Assignment','id':'#a','refs':{'License':'#lic','Profile':'#ann'}}");
    world.post("{'T':'Assignment','id':'#b','refs':{'License':'#lic','Profile':'#bob'}}");
    world.lease("a", Time(NOW.0 + 1000));
    for (short, expected) in [
        // The license has no start: the rules of consuming say no.
        ("{'T':'Consumption','refs':{'Assignment':'#a'}}", "licenseNotYetValid "),
        (
            "{'T':'Consumption','leaseId':'#x','refs':{'Assignment':'#a'}}",
            "serverOwned /leaseId",
        ),
        (
            "{'T':'Assignment','id':'#a','~OneToMany':[{'T':'Consumption'}]}",
            "licenseNotYetValid /rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects/0",
        ),
        (
            "{'T':'Consumption','id':'#lease of a','grantedUntil':'2099-01-01'}",
            "serverOwned /grantedUntil",
        ),
        (
            "{'T':'Consumption','id':'#lease of a','refs':{'Assignment':'#b'}}",
            "leaseStays /referenceFields/ref_Assignment_id",
        ),
        // Sent back as it was read.
        (
            "{'T':'Consumption','id':'#lease of a','grantedUntil':'2023-11-14T22:13:21.000Z','refs':{'Assignment':'#a'}}",
            "ok 0",
        ),
    ] {
        let done = world.send(&Who::server(), short);
        assert_eq!(told(&done, |done| done.told.count), expected, "{short}");
    }
    assert_eq!(
        told(&world.remove(&Who::server(), &["lease of a"]), |done| done.told.count),
        "ok 2"
    );
}

/// T19: no client writes what is the server's, whatever the type and the field, on an old entity or on a new one.
#[test]
fn nothing_server_owned_is_ever_assigned() {
    let mut tried = 0;
    for kind in Kind::public() {
        let fields = (0..kind.def().fields.len() as u8).map(Field::Own);
        for field in [Field::Serial, Field::Created, Field::Updated]
            .into_iter()
            .chain(fields)
        {
            if let Field::Own(index) = field
                && !kind.def().fields[usize::from(index)].server_owned
            {
                continue;
            }
            tried += 1;
            let value = match field.field_type(kind) {
                FieldType::Text | FieldType::Json => Value::text("1"),
                FieldType::Bool => Value::Bool(true),
                FieldType::Int => Value::Int(123_456),
                FieldType::Time => Value::Time(Time(5)),
                FieldType::Uuid => Value::Uuid(id("x")),
            };
            let sends = |world: &mut World, target: Option<Uuid>, mode: Mode, value: Option<Value>| {
                let mut object = minimal(kind);
                object.id = target;
                object.fields.push(FieldInput { field, value });
                if target.is_some() {
                    object.references.clear();
                }
                let objects = [object];
                world.write(|tx| upsert(tx, &Who::server(), &objects, mode, None))
            };
            let name = field.name(kind);
            let mut world = World::new();
            world.post("{'T':'Assignment','id':'#minimal','refs':{'License':'#lic','Profile':'#zed'}}");
            let made = sends(&mut world, None, Mode::Merge, Some(value.clone()));
            let code = made.map_err(|error| error.code());
            assert_eq!(code.err(), Some("serverOwned"), "{}.{name}, new", kind.name());
            let target = stored(&mut world, kind);
            let before = world.graph.digest();
            let done = sends(&mut world, Some(target), Mode::Merge, Some(value.clone()));
            assert_eq!(
                done.map_err(|error| error.code()).err(),
                Some("serverOwned"),
                "{}.{name}",
                kind.name()
            );
            // Null is no way to clear it either; where it is unset already, it says what is.
            let is_set =
                !matches!(field, Field::Own(index) if world.graph.find(target).unwrap().fields().get(index).is_none());
            let done = sends(&mut world, Some(target), Mode::Merge, None).map(|done| done.told.count);
            let code = done.map_err(|error| error.code());
            assert_eq!(
                code,
                if is_set { Err("serverOwned") } else { Ok(0) },
                "{}.{name}, null",
                kind.name()
            );
            assert_eq!(world.graph.digest(), before, "{}.{name}", kind.name());
            // As it is, it may come back.
            let node = world.graph.find(target).unwrap();
            let same = match field {
                Field::Serial => Some(Value::Int(node.serial as i64)),
                Field::Created => Some(Value::Time(node.created)),
                Field::Updated => Some(Value::Time(node.updated)),
                Field::Own(index) => node.fields().get(index).cloned(),
                _ => None,
            };
            let done = sends(&mut world, Some(target), Mode::Merge, same);
            assert_eq!(
                done.map(|done| done.told.count),
                Ok(0),
                "{}.{name}, as it is",
                kind.name()
            );
            // An import of what is there brings nothing either.
            let _ = sends(&mut world, Some(target), Mode::Import, Some(value));
            assert_eq!(world.graph.digest(), before, "{}.{name}, imported", kind.name());
        }
    }
    assert!(tried > 3 * 46, "{tried} fields");
}

/// An object of the kind with what it needs, in `World::new()` with the assignment `#minimal`.
fn minimal(kind: Kind) -> ObjectInput {
    let mut object = ObjectInput {
        kind,
        id: None,
        fields: Vec::new(),
        references: Vec::new(),
        related: Vec::new(),
        at: Default::default(),
    };
    for (index, def) in kind.def().fields.iter().enumerate().filter(|(_, def)| def.required) {
        let value = Some(Value::text(&format!("new {}", def.name)));
        object.fields.push(FieldInput {
            field: Field::Own(index as u8),
            value,
        });
    }
    let owner = kind.owners().next();
    let required = relations().filter(|rel| {
        let def = rel.def();
        def.relation_type == RelationType::OneToMany
            && def.to == kind
            && def.role == crate::model::schema::Role::Required
    });
    for rel in owner.into_iter().chain(required) {
        let parent = match rel.def().from {
            Kind::Organization => "acme",
            // Of the organization whose license it is.
            Kind::ProfileGroup if kind == Kind::GroupAssignment => "pack",
            Kind::ProfileGroup => "crew",
            Kind::Profile => "ann",
            Kind::Person => "mann",
            Kind::Entitlement => "ent2",
            Kind::License => "zlic",
            Kind::LicensedItem => "app",
            Kind::LicenseModel => "empty model",
            Kind::Assignment => "minimal",
            Kind::OrganizationRole => "role",
            Kind::ContactInformation => "contact",
            Kind::OrganizationContactInformation => "company contact",
            other => panic!("no {} to hang a {} on", other.name(), kind.name()),
        };
        object.references.push(ReferenceInput {
            rel,
            parent: Some(id(parent)),
            entry: None,
        });
    }
    object
}

/// One of the kind, made if it can be.
fn stored(world: &mut World, kind: Kind) -> Uuid {
    world.post(
        "[{'T':'LicenseModel','id':'#empty model','name':'empty'},
          {'T':'ContactInformation','id':'#contact','refs':{'Profile':'#ann'}},
          {'T':'OrganizationContactInformation','id':'#company contact','refs':{'Organization':'#acme'}}]",
    );
    if kind == Kind::Consumption {
        world.lease("minimal", Time(NOW.0 + 9));
        return id("lease of minimal");
    }
    let mut objects = [minimal(kind)];
    let mut mode = Mode::Merge;
    // What the server alone writes comes back from an export.
    if kind == Kind::LicenseHistory {
        mode = Mode::Import;
        objects[0].fields.push(FieldInput {
            field: Field::Serial,
            value: Some(Value::Int(9_000)),
        });
    }
    world
        .write(|tx| upsert(tx, &Who::server(), &objects, mode, None))
        .unwrap_or_else(|_| panic!("{}", kind.name()))
        .top[0]
}
