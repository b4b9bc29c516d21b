//! What a permission is needed for, and how far a token bound to an organization comes. What is hidden answers like what
//! is not there.

use super::*;

#[test]
fn permissions_are_those_of_what_changes() {
    for (permissions, short, expected) in [
        (&["*.create"][..], "{'T':'Person'}", "ok 1"),
        (
            &["Person.update", "Person.read"],
            "{'T':'Person'}",
            "permissionMissing ",
        ),
        (
            &["Person.create"],
            "{'T':'Person','id':'#mann','firstName':'X'}",
            "idNotUsable /id",
        ),
        (
            &["Person.create", "Person.read"],
            "{'T':'Person','id':'#mann','firstName':'X'}",
            "permissionMissing ",
        ),
        (
            &["Person.update"],
            "{'T':'Person','id':'#mann','firstName':'X'}",
            "ok 1",
        ),
        // Nothing changes, so nothing is needed but to see it.
        (
            &["Person.read"],
            "{'T':'Person','id':'#mann','firstName':'Ann'}",
            "ok 0",
        ),
        // Children: to create or update them, and to see the parent.
        (
            &["ProfileGroup.create", "Organization.read"],
            "{'T':'ProfileGroup','name':'G','refs':{'Organization':'#acme'}}",
            "ok 2",
        ),
        (
            &["ProfileGroup.create"],
            "{'T':'ProfileGroup','name':'G','refs':{'Organization':'#acme'}}",
            "danglingReference /referenceFields/ref_Organization_id",
        ),
        (
            &["License.update", "Entitlement.read"],
            "{'T':'License','id':'#lic','refs':{'Entitlement':'#ent2'}}",
            "ok 3",
        ),
        (
            &["License.read", "Entitlement.*"],
            "{'T':'License','id':'#lic','refs':{'Entitlement':'#ent2'}}",
            "permissionMissing /referenceFields/ref_Entitlement_id",
        ),
        // Named relations: their own.
        (
            &["*.read", "Membership.create"],
            "{'T':'Profile','id':'#ann','~Membership':[{'T':'ProfileGroup','id':'#guests'}]}",
            "ok 1",
        ),
        (
            &["*.read", "Profile.*", "ProfileGroup.*"],
            "{'T':'Profile','id':'#ann','~Membership':[{'T':'ProfileGroup','id':'#guests'}]}",
            "permissionMissing /rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects/0",
        ),
        (
            &["*.read", "Membership.create"],
            "{'T':'Profile','id':'#ann','~Membership':[{'T':'ProfileGroup','id':'#crew','rel':{'validUntil':'2030-01-01'}}]}",
            "permissionMissing /rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects/0",
        ),
        (
            &["*.read", "Membership.update"],
            "{'T':'Profile','id':'#ann','~Membership':[{'T':'ProfileGroup','id':'#crew','rel':{'validUntil':'2030-01-01'}}]}",
            "ok 1",
        ),
        // A plain relation changes both of its ends.
        (
            &["*.read", "Profile.update"],
            "{'T':'Profile','id':'#ann','~ManyToMany':[{'T':'OrganizationRole','id':'#role'}]}",
            "permissionMissing /rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects/0",
        ),
        (
            &["*.read", "Profile.update", "OrganizationRole.update"],
            "{'T':'Profile','id':'#ann','~ManyToMany':[{'T':'OrganizationRole','id':'#role'}]}",
            "ok 1",
        ),
        // To remove one is another permission, whether it is there or not.
        (
            &["*.read", "Membership.delete"],
            "{'T':'Profile','id':'#ann','~Membership':[{'T':'ProfileGroup','id':'#crew','rel':{'refs':{'Profile':null}}}]}",
            "ok 1",
        ),
        (
            &["*.read", "Membership.update", "Profile.*", "ProfileGroup.*"],
            "{'T':'Profile','id':'#ann','~Membership':[{'T':'ProfileGroup','id':'#guests','rel':{'refs':{'Profile':null}}}]}",
            "permissionMissing /rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects/0",
        ),
        (
            &["*.read", "ProductPackage.update", "LicensedItem.update"],
            "{'T':'ProductPackage','id':'#pack1','~ManyToMany':[{'T':'LicensedItem','id':'#app','rel':{'refs':{'LicensedItem':null}}}]}",
            "ok 1",
        ),
        (
            &["*.read", "ProductPackage.*"],
            "{'T':'ProductPackage','id':'#pack1','~ManyToMany':[{'T':'LicensedItem','id':'#app','rel':{'refs':{'LicensedItem':null}}}]}",
            "permissionMissing /rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects/0",
        ),
        (
            &["*.read", "Profile.create", "OrganizationRole.update"],
            "{'T':'Profile','~ManyToMany':[{'T':'OrganizationRole','id':'#role'}]}",
            "ok 2",
        ),
    ] {
        check_as(&who(permissions, None, None), short, expected);
    }
}

#[test]
fn a_bound_token_writes_what_is_its_organizations() {
    let bound = who(&["*.*"], Some("acme"), None);
    let listed = "/rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects/0";
    for (short, expected) in [
        ("{'T':'Organization','id':'#acme','description':'x'}", "ok 1"),
        (
            "{'T':'ProfileGroup','name':'G','refs':{'Organization':'#acme'}}",
            "ok 2",
        ),
        (
            "{'T':'License','refs':{'Entitlement':'#ent','LicensedItem':'#app','LicenseModel':'#model'}}",
            "ok 4",
        ),
        ("{'T':'Assignment','refs':{'License':'#lic','Profile':'#ann'}}", "ok 3"),
        ("{'T':'Assignment','refs':{'License':'#lic','Profile':'#mix'}}", "ok 3"),
        ("{'T':'Profile','id':'#ann','displayName':'A'}", "ok 1"),
        ("{'T':'EmailAndPassword','id':'#login','userName':'a'}", "ok 1"),
        (
            "{'T':'Profile','displayName':'new','~Membership':[{'T':'ProfileGroup','id':'#crew'}],'~ManyToOne':[{'T':'Person'}]}",
            "ok 4",
        ),
        (
            "{'T':'Profile','id':'#mix','~Membership':[{'T':'ProfileGroup','id':'#guests'}]}",
            "ok 1",
        ),
        (
            "{'T':'Profile','id':'#mix','~ManyToMany':[{'T':'OrganizationRole','id':'#role'}]}",
            "ok 1",
        ),
        (
            "{'T':'OrganizationRole','id':'#role','~Implies':[{'T':'OrganizationRole','id':'#template'}]}",
            "ok 1",
        ),
        (
            "{'T':'Profile','id':'#mix','~Membership':[{'T':'ProfileGroup','id':'#crew','rel':{'refs':{'Profile':null}}}]}",
            "ok 1",
        ),
        // New, and nobody's or somebody else's.
        ("{'T':'Organization','name':'O'}", "outsideOrganization "),
        ("{'T':'Profile','displayName':'stray'}", "outsideOrganization "),
        ("{'T':'Person'}", "outsideOrganization "),
        ("{'T':'Entitlement','refs':{'Profile':'#ann'}}", "outsideOrganization "),
        ("{'T':'OrganizationRole','name':'r'}", "outsideOrganization "),
        (
            "{'T':'OrganizationRole','name':'r','templateFor':'Organization'}",
            "readOnly ",
        ),
        (
            "{'T':'OrganizationRole','id':'#role','refs':{'Organization':null}}",
            "outsideOrganization ",
        ),
        // Seen, and not to be changed.
        ("{'T':'Profile','id':'#mix','displayName':'M'}", "readOnly "),
        ("{'T':'ContactInformation','refs':{'Profile':'#mix'}}", "readOnly "),
        ("{'T':'LicensedItem','id':'#app','displayName':'A'}", "readOnly "),
        ("{'T':'LicensedItem','name':'mine'}", "readOnly "),
        ("{'T':'Property','key':'k','refs':{'LicensedItem':'#app'}}", "readOnly "),
        ("{'T':'SeatCountConstraint','id':'#rule','seatsPerUser':3}", "readOnly "),
        (
            "{'T':'ProductPackage','id':'#pack1','refs':{'LicenseModel':'#model'}}",
            "readOnly /referenceFields/ref_LicenseModel_id",
        ),
        ("{'T':'OrganizationRole','id':'#template','name':'x'}", "readOnly "),
        (
            "{'T':'LicensedItem','id':'#app','~ManyToMany':[{'T':'ProductPackage','id':'#pack2','title':'p'}]}",
            &format!("readOnly {listed}"),
        ),
        (
            "{'T':'ProductPackage','id':'#pack1','~ManyToMany':[{'T':'LicensedItem','id':'#app','rel':{'refs':{'LicensedItem':null}}}]}",
            &format!("readOnly {listed}"),
        ),
        // What is read may be sent back.
        ("{'T':'LicensedItem','id':'#app','name':'app'}", "ok 0"),
    ] {
        check_as(&bound, short, expected);
    }
}

/// T8: what belongs to another organization answers exactly like what belongs to nobody. Only where the id is to be
/// created does a taken one differ from a free one, and then all taken ones are alike.
#[test]
fn what_is_hidden_answers_like_what_is_not_there() {
    let hidden = [
        "zoo", "pack", "zent", "zlic", "zcredit", "zed", "zrole", "out", "own", "internal",
    ];
    let bodies = [
        (
            "{'T':'ProfileGroup','name':'G','refs':{'Organization':'#X'}}",
            "danglingReference",
        ),
        (
            "{'T':'License','id':'#lic','refs':{'Entitlement':'#X'}}",
            "danglingReference",
        ),
        (
            "{'T':'License','id':'#lic','refs':{'LicenseModel':'#X'}}",
            "danglingReference",
        ),
        (
            "{'T':'Assignment','refs':{'License':'#lic','Profile':'#X'}}",
            "danglingReference",
        ),
        (
            "{'T':'Assignment','refs':{'License':'#X','Profile':'#ann'}}",
            "danglingReference",
        ),
        (
            "{'T':'Profile','id':'#ann','refs':{'Person':'#X'}}",
            "danglingReference",
        ),
        ("{'T':'SeatCountCredit','refs':{'License':'#X'}}", "danglingReference"),
    ];
    let shown = |error: &Error| {
        (
            error.code(),
            error.to_string(),
            error.help().map(str::to_owned),
            error.place(),
            error.class(),
        )
    };
    let mut world = World::new();
    world
        .write(|tx| Ok(tx.create(id("internal"), Kind::Token, Fields::default(), Kept::default())?))
        .unwrap();
    for permissions in [
        &["*.*"][..],
        &["*.read", "*.update"],
        &[
            "License.update",
            "ProfileGroup.create",
            "Assignment.create",
            "Profile.update",
            "SeatCountCredit.create",
            "*.read",
        ],
    ] {
        let bound = who(permissions, Some("acme"), Some("ann"));
        for (short, expected) in bodies {
            let mut ask = |name: &str| {
                let error = world
                    .send(&bound, &short.replace("#X", &format!("#{name}")))
                    .unwrap_err();
                let (code, text, help, place, class) = shown(&error);
                (code, text.replace(&id(name).to_string(), "ID"), help, place, class)
            };
            let unknown = ask("nobody");
            assert!(
                unknown.0 == expected || unknown.0 == "permissionMissing",
                "{short}: {unknown:?}"
            );
            for name in hidden {
                assert_eq!(ask(name), unknown, "{short} with {name}, {permissions:?}");
            }
        }
        // As the id of an object of every type: without the right to create, a taken id is like a free one.
        for kind in Kind::public() {
            let mut ask = |name: &str| {
                let done = world.send(&bound, &format!("{{'T':'{}','id':'#{name}'}}", kind.name()));
                let error = done.unwrap_err();
                let (code, text, help, place, class) = shown(&error);
                (code, text.replace(&id(name).to_string(), "ID"), help, place, class)
            };
            let first = ask(hidden[0]);
            let creates = bound.permissions.contains_one(Permission::Kind(kind, Action::Create));
            assert_eq!(
                first.0,
                if creates { "idNotUsable" } else { "permissionMissing" },
                "{}",
                kind.name()
            );
            for name in hidden {
                assert_eq!(ask(name), first, "{} as {name}", kind.name());
            }
            if !creates {
                assert_eq!(ask("nobody"), first, "{}", kind.name());
            }
        }
    }
    let before = world.graph.digest();
    let bound = who(&["*.*"], Some("acme"), None);
    for name in ["zoo", "zlic", "nobody"] {
        let stale = world.send_if(&bound, &format!("{{'T':'License','id':'#{name}'}}"), Some(IfMatch::Any));
        assert_eq!(told(&stale, |done| done.told.count), "stale ", "{name}");
        assert_eq!(
            told(&world.remove(&bound, &[name]), |done| done.told.count),
            "notFound",
            "{name}"
        );
    }
    assert_eq!(world.graph.digest(), before);
}

#[test]
fn a_stranger_is_not_pulled_into_a_group() {
    let bound = who(&["*.*"], Some("acme"), None);
    let listed = "/rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects/0";
    for name in ["zed", "out"] {
        let short = format!("{{'T':'ProfileGroup','id':'#crew','~Membership':[{{'T':'Profile','id':'#{name}'}}]}}");
        check_as(&bound, &short, &format!("idNotUsable {listed}/id"));
    }
    // Nor a license lent to a group of another organization.
    let short = "{'T':'Entitlement','id':'#ent','~LicenseConsumerRelation':[{'T':'ProfileGroup','id':'#pack'}]}";
    check_as(&bound, short, &format!("idNotUsable {listed}/id"));
    // Not even the caller's own profile: it comes no further than its token.
    let own = who(&["*.*"], Some("acme"), Some("zed"));
    check_as(&own, "{'T':'Profile','id':'#zed','displayName':'Z'}", "idNotUsable /id");
}

/// Wherever there is room for one child only, or for one with a value: whether a hidden one is there changes no answer,
/// whatever else is wrong with the body.
#[test]
fn a_hidden_sibling_is_not_told_of() {
    use crate::model::schema::relations;
    let parents = [
        "ann", "mix", "model", "acme", "crew", "app", "pack1", "lic", "role", "template",
    ];
    let wrong = [
        "",
        ",{'T':'ProfileGroup','type':'employees','refs':{'Organization':'#acme'}}",
        ",{'T':'ProfileGroup','refs':{'Organization':'#nobody'}}",
        ",{'T':'ProfileGroup'}",
        ",{'T':'LicenseMetadata','key':'a','refs':{'License':'#lic'}},{'T':'LicenseMetadata','key':'a','refs':{'License':'#lic'}}",
        ",{'T':'Assignment','reservationType':'reserved','refs':{'License':'#lic','Profile':'#ann'}},
          {'T':'Assignment','reservationType':'reserved','refs':{'License':'#lic','Profile':'#ann'}}",
    ];
    let mut hidden = 0;
    for rel in relations() {
        let def = rel.def();
        let within = def.to.def().unique_within_owner;
        if !def.single && within.is_none() {
            continue;
        }
        let field = within.map_or(String::new(), |field| format!(",'{field}':'k'"));
        let (child, all) = (def.to.name(), "*.*".to_owned());
        let unread: Vec<String> = Permission::all()
            .filter(|permission| *permission != Permission::Kind(def.to, Action::Read))
            .map(|permission| permission.to_string())
            .collect();
        for parent in parents {
            if World::new().graph.find(id(parent)).unwrap().kind != def.from {
                continue;
            }
            let object = |id: &str| {
                let from = def.from.name();
                format!("{{'T':'{child}'{id}{field},'refs':{{'{from}':'#{parent}'}}}}")
            };
            for permissions in [vec![all.as_str()], unread.iter().map(String::as_str).collect()] {
                let bound = who(&permissions, Some("acme"), None);
                for wrong in wrong {
                    let body = format!("[{}{wrong}]", object(""));
                    let answer = |there: bool| {
                        let mut world = World::new();
                        world.remove(&Who::server(), &["rule"]).unwrap();
                        if there {
                            world.post(&object(",'id':'#sibling'"));
                            let view = View::new(&world.graph, &bound);
                            let node = world.graph.find(id("sibling")).unwrap();
                            if view.sees(node) || view.owns(node).is_ok() {
                                return None;
                            }
                        }
                        let before = world.graph.digest();
                        let done = world.send(&bound, &body);
                        assert!(!there || world.graph.digest() == before, "{body}");
                        Some(told(&done, |done| done.told.count))
                    };
                    if let Some(told) = answer(true) {
                        assert_eq!(Some(told), answer(false), "{permissions:?} {body}");
                        hidden += 1;
                    }
                }
            }
        }
    }
    assert!(hidden >= 100, "{hidden}");
}

#[test]
fn deleting_needs_its_permission_and_its_reach() {
    let bound = Some("acme");
    for (permissions, organization, names, expected) in [
        (&["License.delete"][..], None, &["lic"][..], "ok 1"),
        (&["License.delete", "*.read"], None, &["lic"], "ok 5"),
        (&["License.update"], None, &["lic"], "permissionMissing"),
        // What hangs on it goes along: the organization's delete is enough. What cannot be known of is not counted.
        (&["Organization.delete"], None, &["zoo"], "ok 1"),
        (&["Organization.delete", "*.read"], None, &["zoo"], "ok 17"),
        (&["*.*"], bound, &["lic"], "ok 5"),
        (&["*.*"], bound, &["zlic"], "notFound"),
        (&["*.*"], bound, &["lic", "zlic"], "notFound"),
        (&["*.*"], bound, &["mix"], "readOnly"),
        (&["*.*"], bound, &["app"], "readOnly"),
        // A bound token takes nothing along that is not its own: a personal entitlement, a seat of another organization.
        (&["*.*"], bound, &["bob"], "ok 2"),
        (&["*.*"], bound, &["may"], "readOnly"),
        (&["*.*"], bound, &["sue"], "readOnly"),
        (&["*.*"], bound, &["bob", "sue"], "readOnly"),
        (&["*.*"], None, &["may", "sue"], "ok 12"),
        (&["*.*"], None, &["nobody"], "notFound"),
        // The parent first, and then what went with it.
        (&["*.*"], None, &["ent", "lic", "credit"], "ok 8"),
        (&["*.*"], None, &[], "ok 0"),
        // The last profile takes its person along, and that its login.
        (&["*.*"], None, &["ann"], "ok 6"),
    ] {
        let mut world = World::new();
        world.post(
            "[{'T':'Profile','id':'#may','~Membership':[{'T':'ProfileGroup','id':'#crew'}],'~OneToMany':[
                {'T':'Entitlement','id':'#mays','~OneToMany':[{'T':'License','refs':{'LicensedItem':'#app'}}]}]},
              {'T':'Profile','id':'#sue','~Membership':[{'T':'ProfileGroup','id':'#crew'}],'~OneToMany':[
                {'T':'Assignment','refs':{'License':'#zlic'}}]}]",
        );
        let before = world.graph.digest();
        let done = world.remove(&who(permissions, organization, None), names);
        assert_eq!(
            told(&done, |done| done.told.count),
            expected,
            "{names:?} {permissions:?}: {:?}",
            done.as_ref().err()
        );
        match done {
            Ok(done) => {
                assert_eq!(done.objects.len(), names.len());
                assert!(
                    names.iter().all(|name| world.graph.find(id(name)).is_none()),
                    "{names:?}"
                );
            }
            Err(_) => assert_eq!(world.graph.digest(), before),
        }
    }
}

#[test]
fn tokens_go_with_whom_they_speak_for() {
    use crate::access::token::{NewToken, create};
    let mut world = World::new();
    let new = NewToken {
        permissions: vec!["*.*".into()],
        profile: Some(id("ann")),
        ..NewToken::default()
    };
    let (token, _) = world.write(|tx| Ok(create(tx, &Who::server(), &new)?)).unwrap();
    let before = world.remove(&Who::server(), &["ann"]).unwrap().told.count;
    assert!(world.graph.find(token).is_none());
    assert_eq!(before, 6, "the server's own housekeeping is not told");
}

#[test]
fn a_delete_may_have_a_precondition() {
    for (names, if_match, expected) in [
        (&["lic"][..], IfMatch::Any, "ok 5"),
        (&["lic"], IfMatch::Of(vec![1]), "ok 5"),
        (&["lic"], IfMatch::Of(vec![9]), "stale "),
        (&[], IfMatch::Any, "stale "),
        (&["lic", "zlic"], IfMatch::Any, "ifMatchNeedsOne "),
    ] {
        let mut world = World::new();
        let targets: Vec<Uuid> = names.iter().map(|name| id(name)).collect();
        let done = world.write(|tx| remove(tx, &Who::server(), &targets, Some(&if_match)));
        assert_eq!(told(&done, |done| done.told.count), expected, "{names:?} {if_match:?}");
    }
}

/// Without a profile a person is nobody's: neither could a bound token remove it, nor take it back.
#[test]
fn a_person_is_not_left_behind() {
    let at = "outsideOrganization /referenceFields/ref_Person_id";
    let acme = who(&["*.*"], Some("acme"), None);
    let unlink = "{'T':'Profile','id':'#ann','refs':{'Person':null}}";
    let replace = "[{'T':'Person','id':'#p'},{'T':'Profile','id':'#ann','refs':{'Person':'#p'}}]";
    let pass_on =
        "[{'T':'Profile','id':'#ann','refs':{'Person':null}},{'T':'Profile','id':'#bob','refs':{'Person':'#mann'}}]";
    for (who, short, expected) in [
        (&acme, unlink, at),
        (&acme, replace, "outsideOrganization /1/referenceFields/ref_Person_id"),
        (&acme, pass_on, "ok 0"),
        (&Who::server(), unlink, "ok 0"),
    ] {
        let done = World::new().send(who, short);
        assert_eq!(told(&done, |_| 0), expected, "{short}");
    }
}
