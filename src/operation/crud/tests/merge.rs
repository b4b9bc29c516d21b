//! The merge rules: what a body leaves as it was, what it changes, and what it counts.

use super::*;

#[test]
fn fields_are_merged() {
    for (short, name, field, expected) in [
        (
            "{'T':'Organization','id':'#acme','description':'x'}",
            "acme",
            "name",
            "Acme",
        ),
        (
            "{'T':'Organization','id':'#acme','description':'x'}",
            "acme",
            "description",
            "x",
        ),
        ("{'T':'Organization','id':'#acme','type':null}", "acme", "type", "-"),
        ("{'T':'Organization','id':'#acme','type':''}", "acme", "type", ""),
        ("{'T':'License','id':'#lic'}", "lic", "active", "true"),
        ("{'T':'License','id':'#lic','active':false}", "lic", "active", "false"),
        // Unset is not one of its states.
        ("{'T':'License','id':'#lic','active':null}", "lic", "active", "true"),
        (
            "{'T':'License','id':'#lic','lockScope':'None'}",
            "lic",
            "lockScope",
            "None",
        ),
        ("{'T':'License','id':'#lic','lockScope':''}", "lic", "lockScope", "-"),
        ("{'T':'License','id':'#lic'}", "lic", "validFrom", "-"),
        (
            "[{'T':'Person','id':'#p1','firstName':'A'},{'T':'Person','id':'#p1','lastName':'B'}]",
            "p1",
            "firstName",
            "A",
        ),
        // What is required may stand where the object is written out, not where it is named first.
        (
            "[{'T':'ProductPackage','id':'#pack1','~ManyToMany':[{'T':'LicensedItem','id':'#new'}]},
              {'T':'LicensedItem','id':'#new','name':'new'}]",
            "new",
            "name",
            "new",
        ),
    ] {
        let mut world = World::new();
        world.post(short);
        assert_eq!(world.value(name, field), expected, "{short}");
    }
}

#[test]
fn entities_and_relations_are_counted() {
    for (short, expected) in [
        ("[]", 0),
        ("{'T':'Organization','id':'#acme'}", 0),
        ("{'T':'Organization','id':'#acme','name':'Acme','alias':'acme'}", 0),
        ("{'T':'Organization','id':'#acme','name':'ACME'}", 1),
        ("{'T':'Person','firstName':'A'}", 1),
        ("[{'T':'Person'},{'T':'Person'}]", 2),
        ("{'T':'ProfileGroup','name':'G','refs':{'Organization':'#acme'}}", 2),
        (
            "{'T':'Organization','name':'O','~OneToMany':[{'T':'ProfileGroup','name':'G'},{'T':'ProfileGroup','name':'H'}]}",
            5,
        ),
        // What is listed and linked already is left alone, and so is what is not listed.
        (
            "{'T':'Organization','id':'#acme','~OneToMany':[{'T':'ProfileGroup','id':'#crew'}]}",
            0,
        ),
        (
            "{'T':'ProfileGroup','id':'#crew','~Membership':[{'T':'Profile','id':'#ann'}]}",
            0,
        ),
        (
            "{'T':'ProfileGroup','id':'#guests','~Membership':[{'T':'Profile','id':'#ann'}]}",
            1,
        ),
        (
            "{'T':'ProfileGroup','id':'#crew','~Membership':[{'T':'Profile','id':'#ann','rel':{'validUntil':'2030-01-01'}}]}",
            1,
        ),
        // A reference sent back as it is.
        ("{'T':'ProfileGroup','id':'#crew','refs':{'Organization':'#acme'}}", 0),
        // The child, the relation that went and the one that came.
        ("{'T':'License','id':'#lic','refs':{'Entitlement':'#ent2'}}", 3),
        ("{'T':'Profile','id':'#ann','refs':{'Person':null}}", 2),
    ] {
        let mut world = World::new();
        let done = world.post(short);
        assert_eq!(done.told.count, expected, "{short}");
    }
}

#[test]
fn what_is_sent_again_changes_nothing() {
    let mut world = World::new();
    let (digest, revision) = (world.graph.digest(), world.graph.revision());
    assert_eq!(world.post(WORLD).told.count, 0);
    assert_eq!((world.graph.digest(), world.graph.revision()), (digest, revision));
}

#[test]
fn ids_are_the_clients_or_new() {
    let mut world = World::new();
    let done = world.post("[{'T':'Person','id':'#chosen'},{'T':'Person'},{'T':'Person','id':'#mann'}]");
    assert!(done.created_top);
    assert_eq!(done.top.len(), 3);
    assert_eq!((done.top[0], done.top[2]), (id("chosen"), id("mann")));
    assert_eq!(world.graph.find(done.top[1]).map(|node| node.kind), Some(Kind::Person));
    assert!(!world.post("{'T':'Person','id':'#mann'}").created_top);
}

#[test]
fn an_object_may_stand_before_what_it_refers_to() {
    let mut world = World::new();
    world.post(
        "[{'T':'License','id':'#l','refs':{'Entitlement':'#e','LicensedItem':'#i','LicenseModel':'#model'}},
          {'T':'Entitlement','id':'#e','refs':{'Organization':'#o'}},
          {'T':'Organization','id':'#o','name':'O'},{'T':'LicensedItem','id':'#i','name':'i'}]",
    );
    assert_eq!(world.parent("l", Kind::Entitlement), Some(id("e")));
    assert_eq!(world.parent("l", Kind::LicenseModel), Some(id("model")));
    // New ones are numbered in the order of the body.
    let serial = |name: &str| world.graph.find(id(name)).map(|node| node.serial);
    assert!(serial("l") < serial("e") && serial("e") < serial("o") && serial("o") < serial("i"));
}

#[test]
fn parents_are_linked_from_either_side() {
    for (short, child, parent, expected) in [
        (
            "{'T':'Profile','id':'#bob','~ManyToOne':[{'T':'Person','id':'#mann'}]}",
            "bob",
            Kind::Person,
            Some("mann"),
        ),
        (
            "{'T':'Person','id':'#mann','~OneToMany':[{'T':'Profile','id':'#bob'}]}",
            "bob",
            Kind::Person,
            Some("mann"),
        ),
        (
            "{'T':'Profile','id':'#bob','refs':{'Person':'#mann'}}",
            "bob",
            Kind::Person,
            Some("mann"),
        ),
        (
            "{'T':'Profile','id':'#ann','refs':{'Person':null}}",
            "ann",
            Kind::Person,
            None,
        ),
        (
            "{'T':'License','id':'#lic','refs':{'LicenseModel':'#model'}}",
            "lic",
            Kind::LicenseModel,
            Some("model"),
        ),
        (
            "{'T':'License','id':'#lic','refs':{'Entitlement':'#ent2'}}",
            "lic",
            Kind::Entitlement,
            Some("ent2"),
        ),
        // Said twice, and the same both times.
        (
            "{'T':'Entitlement','id':'#ent2','~OneToMany':[{'T':'License','id':'#lic','refs':{'Entitlement':'#ent2'}}]}",
            "lic",
            Kind::Entitlement,
            Some("ent2"),
        ),
        (
            "{'T':'SeatCountCredit','id':'#credit','refs':{'License':'#lic2'},'~ManyToOne':[
                {'T':'License','id':'#lic2','refs':{'Entitlement':'#ent','LicensedItem':'#app'}}]}",
            "credit",
            Kind::License,
            Some("lic2"),
        ),
    ] {
        let mut world = World::new();
        world.post(short);
        assert_eq!(world.parent(child, parent), expected.map(id), "{short}");
    }
}

#[test]
fn relations_are_merged() {
    let mut world = World::new();
    let until = |world: &World| {
        let (ann, crew) = (
            world.graph.find(id("ann")).unwrap(),
            world.graph.find(id("crew")).unwrap(),
        );
        let fields = ann.relation(
            crate::model::schema::hop(Kind::Profile, "Membership", Kind::ProfileGroup).unwrap(),
            crew,
        );
        let fields = fields.unwrap();
        [0, 1].map(|index| {
            fields
                .get(index)
                .and_then(Value::as_time)
                .map_or("-".to_owned(), |time| time.to_string()[..10].to_owned())
        })
    };
    for (rel, expected) in [
        (
            "{'validFrom':'2020-01-01','validUntil':'2030-01-01'}",
            ["2020-01-01", "2030-01-01"],
        ),
        ("{'validUntil':'2031-01-01'}", ["2020-01-01", "2031-01-01"]),
        ("{'validFrom':null}", ["-", "2031-01-01"]),
        (
            "{'refs':{'Profile':'#ann','ProfileGroup':'#crew'}}",
            ["-", "2031-01-01"],
        ),
    ] {
        world.post(&format!(
            "{{'T':'Profile','id':'#ann','~Membership':[{{'T':'ProfileGroup','id':'#crew','rel':{rel}}}]}}"
        ));
        assert_eq!(until(&world), expected, "{rel}");
    }
    assert_eq!(world.related("ann", "Membership", Kind::ProfileGroup), 1);
}

#[test]
fn children_trade_places() {
    let mut world = World::new();
    world.post(
        "[{'T':'LicenseModel','id':'#m1','name':'1','~OneToMany':[{'T':'VersionConstraint','id':'#v1'}]},
          {'T':'License','id':'#l1','refs':{'Entitlement':'#ent','LicensedItem':'#app'},'~OneToMany':[{'T':'SeatCountCredit','id':'#c1'}]},
          {'T':'License','id':'#l2','refs':{'Entitlement':'#ent','LicensedItem':'#app'},'~OneToMany':[{'T':'SeatCountCredit','id':'#c2'}]}]",
    );
    world.post("[{'T':'SeatCountCredit','id':'#c1','refs':{'License':'#l2'}},{'T':'SeatCountCredit','id':'#c2','refs':{'License':'#l1'}}]");
    assert_eq!(world.parent("c1", Kind::License), Some(id("l2")));
    assert_eq!(world.parent("c2", Kind::License), Some(id("l1")));
}

#[test]
fn a_password_is_stored_as_its_hash() {
    let mut world = World::new();
    world.post("{'T':'EmailAndPassword','id':'#login','passwordPlain':'hunter2'}");
    assert!(world.value("login", "passwordHash").starts_with("$argon2id$"));
    assert_eq!(world.value("login", "passwordPlain"), "-");
    let hash = world.value("login", "passwordHash");
    world.post("{'T':'EmailAndPassword','id':'#login','userName':'Ann@acme.test'}");
    assert_eq!(world.value("login", "passwordHash"), hash);
    world.post("{'T':'EmailAndPassword','id':'#login','passwordPlain':null}");
    assert_eq!(world.value("login", "passwordHash"), "-");
}

#[test]
fn a_password_that_was_not_hashed_goes_nowhere() {
    let mut world = World::new();
    let short = body("{'T':'EmailAndPassword','id':'#login','passwordPlain':'hunter2'}");
    let objects = wire::objects(short.as_bytes(), &Limits::default()).unwrap();
    let done = world.write(|tx| upsert(tx, &Who::server(), &objects, Mode::Merge, None));
    assert_eq!(told(&done, |done| done.told.count), "internal /passwordPlain");
}

#[test]
fn a_precondition_is_one_objects() {
    let mut world = World::new();
    let revision = world.graph.revision();
    let of = |revision| Some(IfMatch::Of(vec![revision]));
    for (short, if_match, expected) in [
        (
            "{'T':'Organization','id':'#acme','name':'A'}",
            of(revision + 7),
            "stale ",
        ),
        ("{'T':'Organization','id':'#acme','name':'A'}", of(revision), "ok 1"),
        ("{'T':'Organization','id':'#acme','name':'B'}", of(revision), "stale "),
        (
            "{'T':'Organization','id':'#acme','name':'B'}",
            Some(IfMatch::Any),
            "ok 1",
        ),
        (
            "{'T':'Organization','id':'#nobody','name':'B'}",
            Some(IfMatch::Any),
            "stale ",
        ),
        ("{'T':'Organization','name':'B'}", Some(IfMatch::Any), "stale "),
        (
            "[{'T':'Organization','id':'#acme'},{'T':'Organization','id':'#zoo'}]",
            Some(IfMatch::Any),
            "ifMatchNeedsOne ",
        ),
    ] {
        let done = world.send_if(&Who::server(), short, if_match);
        assert_eq!(told(&done, |done| done.told.count), expected, "{short}");
    }
}

#[test]
fn an_import_keeps_what_was_exported() {
    let mut world = World::new();
    let short = "[
        {'T':'Organization','id':'#o','serial':900,'created':'2001-01-01','updated':'2002-02-02','name':'Old'},
        {'T':'Entitlement','id':'#e','serial':901,'refs':{'Organization':'#o'}},
        {'T':'License','id':'#l','serial':902,'refs':{'Entitlement':'#e','LicensedItem':'#app'}},
        {'T':'SeatCountCredit','id':'#c','serial':903,'seatCount':1,'seatsConsumed':1,'refs':{'License':'#l'}},
        {'T':'Assignment','id':'#a','serial':904,'reservationType':'reserved','refs':{'License':'#l','Profile':'#ann'}},
        {'T':'Assignment','id':'#b','serial':905,'reservationType':'reserved','refs':{'License':'#l','Profile':'#bob'}},
        {'T':'Consumption','id':'#x','serial':906,'grantedUntil':'2099-01-01','refs':{'Assignment':'#a'}},
        {'T':'ProfileGroup','id':'#g','serial':907,'name':'G','refs':{'Organization':'#o'}},
        {'T':'Membership','refs':{'Profile':'#ann','ProfileGroup':'#g'},'validUntil':'2031-01-01'},
        {'T':'ObjectRelation','multiplicity':'MANY_TO_MANY','refs':{'ProductPackage':'#pack1','LicensedItem':'#app'}}]";
    let import = |world: &mut World| {
        world
            .import(&Who::server(), short)
            .map_err(|error| format!("{}: {error}", error.line))
    };
    assert_eq!(import(&mut world), Ok(19));
    let old = world.graph.find(id("o")).unwrap();
    assert_eq!(
        (old.serial, old.created.to_string(), old.updated.to_string()),
        (
            900,
            "2001-01-01T00:00:00.000Z".into(),
            "2002-02-02T00:00:00.000Z".into()
        )
    );
    assert_eq!(world.value("c", "seatsConsumed"), "1");
    assert_eq!(world.value("x", "grantedUntil"), "2099-01-01T00:00:00.000Z");
    assert_eq!(world.graph.next_serial(), 908);
    assert_eq!(import(&mut world), Ok(0), "what is there already is not changed");
    // The server's own go on from where they are, whatever an old export says.
    world
        .import(
            &Who::server(),
            "[{'T':'SeatCountCredit','id':'#c','serial':77,'seatsConsumed':9,'created':'1999-01-01'}]",
        )
        .unwrap();
    assert_eq!(world.value("c", "seatsConsumed"), "1");
    assert_eq!(world.graph.find(id("c")).unwrap().serial, 903);
}

#[test]
fn a_bad_line_is_named() {
    for (short, line, expected) in [
        ("[{'T':'Person'},{'T':'License','id':'#l'}]", 1, "parentMissing "),
        ("[{'T':'Person'},{'T':'Organization'}]", 1, "requiredMissing "),
        (
            "[{'T':'Person'},{'T':'Person'},{'T':'Membership','refs':{'Profile':'#ann','ProfileGroup':'#nobody'}}]",
            2,
            "danglingReference ",
        ),
        (
            "[{'T':'Membership','refs':{'Profile':'#crew','ProfileGroup':'#crew'}}]",
            0,
            "wrongType ",
        ),
        ("[{'T':'Person'},{'T':'Person','serial':1}]", 1, "serialTaken /serial"),
        (
            "[{'T':'Consumption','refs':{'Assignment':'#a'}}]",
            0,
            "danglingReference /referenceFields/ref_Assignment_id",
        ),
        // Without its serial it is not put back, but made.
        (
            "[{'T':'SeatCountCredit','id':'#c','seatsConsumed':1,'refs':{'License':'#lic'}}]",
            0,
            "serverOwned /seatsConsumed",
        ),
        (
            "[{'T':'EmailAndPassword','serial':999,'userName':'u','passwordHash':'x','refs':{'Person':'#mann'}}]",
            0,
            "serverOwned /passwordHash",
        ),
    ] {
        let mut world = World::new();
        let before = world.graph.digest();
        let failed = world.import(&Who::server(), short).unwrap_err();
        let code = told(&Err::<(), _>(failed.error.clone()), |()| 0);
        assert!(code.starts_with(expected), "{short}: {code}");
        assert_eq!(failed.line, line, "{short}: {failed}");
        assert_eq!(world.graph.digest(), before);
    }
    for (permissions, organization) in [(&["*.create"][..], None), (&["*.*"], Some("acme"))] {
        let mut world = World::new();
        let failed = world
            .import(&who(permissions, organization, None), "[{'T':'Person'}]")
            .unwrap_err();
        assert_eq!(failed.error.code(), "permissionMissing");
    }
    let mut world = World::new();
    assert_eq!(
        world.import(&who(&["Server.import"], None, None), "[{'T':'Person'}]"),
        Ok(1)
    );
}

#[test]
fn what_stands_in_several_places_is_the_same_where_it_is_kept_as_the_same() {
    let twice = |object: &str, one: &str, other: &str| format!("[{{{object},{one}}},{{{object},{other}}}]");
    let license = "'T':'License','id':'#lic'";
    let seat = "'T':'Assignment','id':'#seat','refs':{'License':'#lic','Profile':'#ann'}";
    let item = "'T':'LicensedItem','id':'#item','name':'tool'";
    let login = "'T':'EmailAndPassword','id':'#login'";
    let ann = "'T':'Profile','id':'#ann'";
    for (object, one, other, refused_at) in [
        (license, "'active':null", "'active':true", None),
        (license, "'active':null", "'active':false", Some("active")),
        (seat, "'reservationType':''", "'reservationType':null", None),
        (
            seat,
            "'reservationType':''",
            "'reservationType':'reserved'",
            Some("reservationType"),
        ),
        (item, "'alias':''", "'alias':null", None),
        (ann, "'displayName':''", "'displayName':null", Some("displayName")),
        (ann, "'serial':null", "'serial':7", Some("serial")),
        (login, "'passwordPlain':'one'", "'passwordPlain':'one'", None),
        (
            login,
            "'passwordPlain':'one'",
            "'passwordPlain':'two'",
            Some("passwordPlain"),
        ),
        (
            login,
            "'passwordPlain':null",
            "'passwordPlain':'one'",
            Some("passwordPlain"),
        ),
        (
            login,
            "'passwordPlain':'one'",
            "'passwordPlain':null",
            Some("passwordPlain"),
        ),
    ] {
        let short = twice(object, one, other);
        let mut world = World::new();
        let before = world.graph.digest();
        let done = world.send(&Who::server(), &short);
        let done = told(&done, |_| 0);
        let expected = refused_at.map_or_else(|| "ok 0".to_owned(), |name| format!("twoValues /1/{name}"));
        assert_eq!(done, expected, "{short}");
        if refused_at.is_some() {
            assert_eq!(world.graph.digest(), before, "{short}");
        }
    }
}

/// Of a membership: its `validFrom` and `validUntil`.
fn membership(world: &World, profile: &str, group: &str) -> Option<[Option<String>; 2]> {
    let (profile, group) = (world.graph.find(id(profile))?, world.graph.find(id(group))?);
    let fields = profile.relation(crate::model::schema::Hop::forward(rel::MEMBERSHIP), group)?;
    Some(["validFrom", "validUntil"].map(|name| {
        let time = fields.get(rel::MEMBERSHIP.def().field(name)?)?.as_time()?;
        Some(time.to_string()[..10].to_owned())
    }))
}

#[test]
fn what_several_places_say_of_a_relation_is_one_relation() {
    let place = |fields: &str| {
        format!(
            "{{'T':'Profile','id':'#ann','~Membership':[{{'T':'ProfileGroup','id':'#guests','rel':{{{fields}}}}}]}}"
        )
    };
    let (from, until) = (place("'validFrom':'2061-01-01'"), place("'validUntil':'2070-01-01'"));
    let joined = Some([Some("2061-01-01".to_owned()), Some("2070-01-01".to_owned())]);
    for places in [[&from, &until], [&until, &from]] {
        let mut world = World::new();
        world.post(&place("'validUntil':'2060-01-01'"));
        let done = world.post(&format!("[{},{}]", places[0], places[1]));
        assert_eq!(done.told.count, 1);
        assert_eq!(membership(&world, "ann", "guests"), joined);
    }
    // It is made at once, which is not to make it and change it.
    let mut world = World::new();
    let maker = who(&["Profile.*", "ProfileGroup.*", "Membership.create"], None, None);
    let done = world.send(&maker, &format!("[{},{until}]", place("")));
    assert_eq!(told(&done, |done| done.told.count), "ok 1");
    assert_eq!(
        membership(&world, "ann", "guests"),
        Some([None, Some("2070-01-01".to_owned())])
    );
    // What is wrong stands where it is said.
    let short = format!("[{},{}]", place("'validUntil':'2060-01-01'"), from);
    let done = World::new().send(&Who::server(), &short);
    assert_eq!(
        told(&done, |_| 0),
        "endBeforeStart /0/rel_Relations/0/rel_RelatedObjectList/rel_RelatedObjects/0/relationAttributeObject/validUntil"
    );
}

#[test]
fn a_line_says_one_thing_and_of_lines_the_last_counts() {
    let led_back = "{'T':'Organization','id':'#acme','name':'Changed','~OneToMany':[
        {'T':'ProfileGroup','id':'#crew','~ManyToOne':[{'T':'Organization','id':'#acme','name':'Acme'}]}]}";
    let two_relations = "{'T':'Profile','id':'#ann','~Membership':[
        {'T':'ProfileGroup','id':'#guests','rel':{'validUntil':'2030-01-01'}},
        {'T':'ProfileGroup','id':'#guests','rel':{'validUntil':'2031-01-01'}}]}";
    for (line, field) in [
        (led_back, "/name"),
        (two_relations, "/relationAttributeObject/validUntil"),
    ] {
        let mut world = World::new();
        let before = world.graph.digest();
        let failed = world
            .import(&Who::server(), &format!("[{{'T':'Person'}},{line}]"))
            .unwrap_err();
        let told = told(&Err::<(), _>(failed.error), |()| 0);
        assert_eq!(failed.line, 1, "{told}");
        assert!(
            told.starts_with("twoValues /rel_Relations/0/") && told.ends_with(field),
            "{told}"
        );
        assert_eq!(world.graph.digest(), before);
    }
    let mut world = World::new();
    let name = |name: &str| format!("{{'T':'Organization','id':'#acme','name':'{name}'}}");
    let lines = format!("[{},{}]", name("one"), name("two"));
    assert_eq!(world.import(&Who::server(), &lines), Ok(1));
    assert_eq!(world.value("acme", "name"), "two");
    // Whether a relation is listed or has a line of its own makes no difference.
    let listed = |until: &str| {
        format!(
            "{{'T':'Profile','id':'#ann','~Membership':[{{'T':'ProfileGroup','id':'#guests','rel':{{'validUntil':'{until}'}}}}]}}"
        )
    };
    let alone = |until: &str| {
        format!("{{'T':'Membership','refs':{{'Profile':'#ann','ProfileGroup':'#guests'}},'validUntil':'{until}'}}")
    };
    for lines in [
        [listed("2030-01-01"), alone("2031-01-01")],
        [alone("2030-01-01"), listed("2031-01-01")],
    ] {
        let mut world = World::new();
        world
            .import(&Who::server(), &format!("[{},{}]", lines[0], lines[1]))
            .unwrap();
        assert_eq!(
            membership(&world, "ann", "guests"),
            Some([None, Some("2031-01-01".to_owned())]),
            "{lines:?}"
        );
    }
}
