//! A DELETE in steps comes to what it comes to in one transaction, whatever its steps are.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::random::{any_object, any_who};
use super::*;
use crate::entitlement::decision::{self, Decision, Wanted};
use crate::entitlement::paths;
use crate::entitlement::sale::{self, Buyer, Sale};
use crate::operation::Sought;
use crate::selector;

/// Beside `WORLD`, an organization with all that hangs on one, and more of it than a few steps take: forty licenses in
/// three entitlements, one of a hundred seats, a group of sixty members that is let into `#zent` too, where `#ann` and
/// `#p1` have reservations by it, and `#p2` one by a relation of its own.
fn large() -> World {
    static LARGE: LazyLock<Graph> = LazyLock::new(|| made().graph);
    World::of(LARGE.clone())
}

fn made() -> World {
    let mut world = World::new();
    let each = |count: usize, short: &dyn Fn(usize) -> String| (0..count).map(short).collect::<Vec<_>>().join(",");
    let profiles = each(60, &|n| {
        format!("{{'T':'Profile','id':'#p{n}','~Membership':[{{'T':'ProfileGroup','id':'#all'}}]}}")
    });
    let license = |n: usize, more: String| {
        format!(
            "{{'T':'License','id':'#l{n}','refs':{{'LicensedItem':'#app','LicenseModel':'#model'}},'~OneToMany':[
                {{'T':'SeatCountCredit','seatCount':100}},{{'T':'LicenseMetadata','key':'n','value':'{n}'}}{more}]}}"
        )
    };
    let seats = each(60, &|n| {
        format!("{{'T':'Assignment','id':'#s{n}','refs':{{'Profile':'#p{n}'}},'reservationType':'reserved'}}")
    });
    world.post(&format!(
        "[{{'T':'Organization','id':'#big','name':'Big','~OneToMany':[
            {{'T':'ProfileGroup','id':'#all','name':'All'}},
            {{'T':'ProfileGroup','id':'#few','name':'Few','~OneToMany':[
                {{'T':'AllocationRule','id':'#ruled','refs':{{'LicensedItem':'#app'}}}},{{'T':'Property','key':'size','value':'2'}}]}},
            {{'T':'OrganizationRole','id':'#boss','name':'boss','~OneToMany':[{{'T':'ConsumerPermission','name':'all'}}]}},
            {{'T':'Property','key':'colour','value':'blue'}},
            {{'T':'Entitlement','id':'#e1','name':'one','~LicenseConsumerRelation':[{{'T':'ProfileGroup','id':'#all'}}]}},
            {{'T':'Entitlement','id':'#e2','name':'two'}},{{'T':'Entitlement','id':'#e3','name':'three'}}]}},
         {profiles}]"
    ));
    world.post(&format!(
        "[{{'T':'Entitlement','id':'#e1','~OneToMany':[{}]}},{{'T':'Entitlement','id':'#e2','~OneToMany':[{}]}},
          {{'T':'Organization','id':'#big','~Partnership':[{{'T':'Organization','id':'#acme'}}]}},
          {{'T':'Profile','id':'#p3','~ManyToMany':[{{'T':'OrganizationRole','id':'#boss'}}]}},
          {{'T':'Entitlement','id':'#zent','~LicenseConsumerRelation':[{{'T':'ProfileGroup','id':'#all'}},{{'T':'ProfileGroup','id':'#few'}},{{'T':'Profile','id':'#p2'}}]}},
          {{'T':'Profile','id':'#ann','~Membership':[{{'T':'ProfileGroup','id':'#all'}},{{'T':'ProfileGroup','id':'#few'}}]}}]",
        each(39, &|n| license(n, String::new())),
        license(39, format!(",{seats}")),
    ));
    world.post(
        "[{'T':'Assignment','id':'#z1','refs':{'License':'#zlic','Profile':'#p1'},'reservationType':'reserved'},
          {'T':'Assignment','id':'#z2','refs':{'License':'#zlic','Profile':'#p2'},'reservationType':'reserved'},
          {'T':'Assignment','id':'#z3','refs':{'License':'#zlic','Profile':'#ann'},'reservationType':'reserved'}]",
    );
    for seat in 0..60 {
        world.lease(&format!("s{seat}"), Time(NOW.0 + 1000));
    }
    world
}

/// Everything but when it was last touched.
fn shown(graph: &Graph) -> Vec<String> {
    let nodes = Kind::ALL.iter().flat_map(|kind| graph.of_kind(*kind, None));
    let nodes = nodes.map(|node| format!("{:?} {} {:?}", node, node.serial, node.fields()));
    let mut all: Vec<String> = nodes.collect();
    all.extend(graph.relations().map(|relation| format!("{relation:?}")));
    all
}

fn limits(cascade: u64) -> Limits {
    Limits {
        cascade,
        ..Limits::default()
    }
}

fn read(text: &str) -> Selector {
    let target = selector::parse_target(text, &Limits::default()).expect("a selector");
    target.selector.expect("not nothing")
}

/// One commit: what it removed and what else it changed, and what it gave.
fn commit<T, E: From<Error>>(
    world: &mut World,
    run: impl FnOnce(&mut Transaction<'_>) -> Result<T, E>,
) -> Result<(usize, usize, T), E> {
    let mut changes = (0, 0);
    let mut done = None;
    let mut refused = None;
    let outcome = world.write(|tx| match run(tx) {
        Ok(given) => {
            for change in tx.changes() {
                match change {
                    Change::Entity { after: None, .. } | Change::Relation { after: None, .. } => changes.0 += 1,
                    _ => changes.1 += 1,
                }
            }
            done = Some(given);
            Ok(())
        }
        Err(error) => {
            refused = Some(error);
            Err(Error::UnknownOperation(String::new()))
        }
    });
    match (done, refused) {
        (_, Some(refused)) => Err(refused),
        (Some(done), _) => outcome.map_err(E::from).map(|()| (changes.0, changes.1, done)),
        (None, None) => unreachable!("it was run"),
    }
}

/// As the edge carries it out: the commits, each with what it removed; what was told of all of them; and the refusal that
/// ended it. `between` is what others do before each step.
fn delete(
    world: &mut World,
    who: &Who,
    selector: &Selector,
    if_match: Option<&IfMatch>,
    cascade: u64,
    between: impl FnMut(&mut World, usize),
) -> (Vec<usize>, u64, Option<Error>) {
    let begin = |tx: &mut Transaction<'_>, limits: &Limits| {
        super::delete(tx, who, selector, &Sought::default(), if_match, limits, false)
    };
    carried_out(world, who, begin, if_match, cascade, between)
}

fn carried_out(
    world: &mut World,
    who: &Who,
    begin: impl FnOnce(&mut Transaction<'_>, &Limits) -> Result<Deleted, Undeleted>,
    if_match: Option<&IfMatch>,
    cascade: u64,
    mut between: impl FnMut(&mut World, usize),
) -> (Vec<usize>, u64, Option<Error>) {
    let limits = limits(cascade);
    let (mut commits, mut count) = (Vec::new(), 0);
    let mut rest = match commit(world, |tx| begin(tx, &limits)) {
        Ok((removed, _, done)) => return (vec![removed], done.told.count, None),
        Err(Undeleted::Refused(error)) => return (commits, count, Some(error)),
        Err(Undeleted::Large(rest)) => rest,
    };
    loop {
        between(world, commits.len());
        let first = if_match.filter(|_| commits.is_empty());
        if rest.fits(&world.graph, &limits) {
            match commit(world, |tx| delete_rest(tx, who, rest.clone(), first, &limits)) {
                Ok((removed, _, done)) => {
                    commits.push(removed);
                    return (commits, count + done.told.count, None);
                }
                Err(Undeleted::Refused(error)) => return (commits, count, Some(error)),
                Err(Undeleted::Large(grown)) => rest = grown,
            }
            continue;
        }
        match commit(world, |tx| step(tx, who, rest.clone(), first, &limits)) {
            Err(error) => return (commits, count, Some(error)),
            Ok((removed, changed, (left, told))) => {
                assert!(removed + changed > 0, "a step that does nothing: {left:?}");
                commits.push(removed);
                (rest, count) = (left, count + told);
            }
        }
    }
}

#[test]
fn many_steps_come_to_what_one_comes_to() {
    let big = format!("/Organization[@id='{}']", id("big"));
    let own = |path: &str| format!("{big}/{path}");
    for text in [
        big.clone(),
        "/Organization".to_owned(),
        own("~OneToMany/Entitlement"),
        own("~OneToMany/Entitlement/~OneToMany/License"),
        own("~OneToMany/ProfileGroup"),
        own("~OneToMany/ProfileGroup/~OneToMany/AllocationRule"),
        "/Profile".to_owned(),
        "/Person".to_owned(),
        "/LicensedItem".to_owned(),
        "/LicenseModel".to_owned(),
        "/ProductPackage".to_owned(),
        "/Assignment[@reservationType='reserved']".to_owned(),
        "/Consumption".to_owned(),
    ] {
        let selector = read(&text);
        let mut whole = large();
        let (all, count, refused) = delete(&mut whole, &Who::server(), &selector, None, 1_000_000, |_, _| ());
        assert_eq!((all.len(), refused), (1, None), "{text}");
        // Down to the least, below which no limit goes.
        for limit in [1, 13, 40, 400, 5_000] {
            let mut parted = large();
            let (commits, told, refused) = delete(&mut parted, &Who::server(), &selector, None, limit, |_, _| ());
            assert_eq!(refused, None, "{text} {limit}");
            assert_eq!(shown(&parted.graph), shown(&whole.graph), "{text} {limit}");
            assert_eq!(commits.iter().sum::<usize>(), all[0], "{text} {limit}");
            assert!(told >= count, "{text} {limit}: {told} of {count}");
            let most = limit.max(8) as usize;
            assert!(
                commits.iter().all(|removed| *removed <= most),
                "{text} {limit}: {commits:?}"
            );
            assert_eq!(commits.len() == 1, all[0] <= most, "{text} {limit}: {commits:?}");
            // The last step is never for nothing: the answer is kept with it.
            assert!(commits.last().is_some_and(|removed| *removed > 0), "{text} {limit}");
        }
    }
}

#[test]
fn a_step_looks_at_about_as_much_as_it_removes() {
    let mut world = large();
    let selector = read(&format!("/Organization[@id='{}']", id("big")));
    let (commits, ..) = delete(&mut world, &Who::server(), &selector, None, 40, |_, _| ());
    // Few of them are far from full, each where a path ends.
    let all: usize = commits.iter().sum();
    assert!(commits.len() <= 3 * all / 40, "{commits:?}");
}

#[test]
fn others_write_between_two_steps() {
    let big = read(&format!("/Organization[@id='{}']", id("big")));
    let bound = who(&["*.*"], Some("big"), None);
    type Between = fn(&mut World);
    let cases: [(&str, usize, Between); 5] = [
        ("more of it", 3, |world| {
            world.post(
                "[{'T':'Entitlement','id':'#late','name':'late','refs':{'Organization':'#big'},'~OneToMany':[
                    {'T':'License','id':'#later','refs':{'LicensedItem':'#app'}}]}]",
            );
        }),
        ("it is gone", 3, |world| {
            drop(world.remove(&Who::server(), &["big"]).unwrap())
        }),
        ("another one has its id", 3, |world| {
            world.remove(&Who::server(), &["big"]).unwrap();
            world.post("[{'T':'Organization','id':'#big','name':'Another'}]");
        }),
        ("a part of it is gone", 2, |world| {
            drop(world.remove(&Who::server(), &["few", "e3"]).unwrap())
        }),
        ("something else is written", 1, |world| {
            drop(world.post("[{'T':'LicensedItem','id':'#new','name':'new'}]"))
        }),
    ];
    for (told, at, between) in cases {
        for by in [&Who::server(), &bound] {
            let mut world = large();
            let (commits, _, error) = delete(&mut world, by, &big, None, 20, |world, step| {
                if step == at {
                    between(world);
                }
            });
            assert_eq!(error, None, "{told}");
            assert!(commits.len() >= at, "{told}");
            let there = |name: &str| world.graph.find(id(name)).is_some();
            assert_eq!(there("big"), told == "another one has its id", "{told}");
            assert!(
                !there("later") && !there("l39") && !there("all") && !there("few"),
                "{told}"
            );
            assert_eq!(there("new"), told == "something else is written", "{told}");
        }
    }
}

#[test]
fn a_later_step_is_refused_by_what_has_changed() {
    let text = format!(
        "/ProfileGroup[@id='{}']/~Membership/Profile[@displayName='late']",
        id("all")
    );
    let by = who(&["*.*"], Some("big"), None);
    for (member, at, expected) in [
        ("p58", 2, Some("readOnly")),
        ("p58", 0, Some("readOnly")),
        ("bob", 2, None),
    ] {
        let mut world = large();
        // `#p1` and `#p2` have seats of another organization.
        let late: Vec<String> = (3..60)
            .map(|n| format!("{{'T':'Profile','id':'#p{n}','displayName':'late'}}"))
            .collect();
        world.post(&format!("[{}]", late.join(",")));
        let (commits, count, error) = delete(&mut world, &by, &read(&text), None, 20, |world, step| {
            if step == at {
                // In somebody else's group too, a profile is not this organization's own any more.
                world.post(&format!(
                    "[{{'T':'ProfileGroup','id':'#pack','~Membership':[{{'T':'Profile','id':'#{member}'}}]}}]"
                ));
            }
        });
        assert_eq!(error.as_ref().map(Error::code), expected, "{member}");
        assert_eq!(commits.len() > 2 && count > 0, at > 0, "{member} {commits:?}");
        assert_eq!(world.graph.find(id("p59")).is_some(), expected.is_some(), "{member}");
        assert_eq!(world.graph.find(id("p4")).is_none(), at > 0, "{member}");
    }
}

/// What a door may not take back it does not, whenever that came to be.
#[test]
fn what_others_gave_in_between_ends_it() {
    let each = |short: &dyn Fn(usize) -> String| (0..40).map(short).collect::<Vec<_>>().join(",");
    let sold = format!(
        "{{'T':'License','id':'#zlic','~OneToMany':[{}]}}",
        each(&|n| format!("{{'T':'LicenseMetadata','key':'k{n}','value':'v'}}"))
    );
    let given = |world: &mut World, kind: Kind, other: Kind, of: &str| {
        use crate::model::{RelationType::OneToMany, schema::known};
        let fields = Fields::default().with(kind.field("active").unwrap(), Some(Value::Bool(false)));
        let made = world.write(|tx| {
            tx.create(id("theirs"), kind, fields, Kept::default())?;
            tx.relate(
                known(OneToMany, Kind::License, kind),
                id("zlic"),
                id("theirs"),
                Fields::default(),
            )?;
            Ok(tx.relate(known(OneToMany, other, kind), id(of), id("theirs"), Fields::default())?)
        });
        made.unwrap();
    };
    type Between<'a> = &'a dyn Fn(&mut World);
    let cases: [(Between, Option<&str>); 3] = [
        (&|_| (), None),
        (
            &|world| given(world, Kind::Assignment, Kind::Profile, "bob"),
            Some("assignedByOthers"),
        ),
        (
            &|world| given(world, Kind::GroupAssignment, Kind::ProfileGroup, "pack"),
            Some("assignedByOthers"),
        ),
    ];
    // Of a license alone, and of one that goes whole among others.
    let several: Vec<String> = (0..12)
        .map(|n| format!("l{n}"))
        .chain(["zlic".into(), "l12".into()])
        .collect();
    for (targets, limit, steps) in [(vec!["zlic".to_owned()], 12, 0..3), (several, 100, 0..2)] {
        let found: Vec<Uuid> = targets.iter().map(|name| id(name)).collect();
        for (at, (between, expected)) in steps.flat_map(|at| cases.iter().map(move |case| (at, case))) {
            let mut world = large();
            world.post(&sold);
            let begin = |tx: &mut Transaction<'_>, limits: &Limits| {
                let allows: Allows = sale::may_be_taken_back;
                delete_found(tx, &Who::server(), &found, None, Some(allows), limits, false)
            };
            let mut before = None;
            let (commits, _, error) = carried_out(&mut world, &Who::server(), begin, None, limit, |world, step| {
                if step == at {
                    between(world);
                    before.get_or_insert(world.graph.digest());
                }
            });
            assert_eq!(
                error.as_ref().map(Error::code),
                *expected,
                "{targets:?} {at} {commits:?}"
            );
            // Before the first step, nothing goes by it, nor is closed.
            let is_early = at == 0 && expected.is_some();
            assert_eq!(commits.is_empty(), is_early, "{targets:?} {at}");
            assert!(!is_early || before == Some(world.graph.digest()), "{targets:?}");
            assert_eq!(
                world.graph.find(id("zlic")).is_some(),
                expected.is_some(),
                "{targets:?} {at}"
            );
            assert_eq!(
                world.graph.find(id("theirs")).is_some(),
                expected.is_some(),
                "{targets:?} {at}"
            );
        }
    }
}

#[test]
fn what_can_be_told_beforehand_is_refused_before_anything_goes() {
    let bound = || who(&["*.*"], Some("big"), None);
    for (text, by, if_match, expected) in [
        ("/License", who(&["*.read"], None, None), None, "permissionMissing"),
        // `#ann` is in another organization's group too.
        ("/Profile", bound(), None, "readOnly"),
        (
            "/Organization[@name='Big']",
            bound(),
            Some(IfMatch::Of(vec![99])),
            "stale",
        ),
        ("/License", Who::server(), Some(IfMatch::Any), "ifMatchNeedsOne"),
        // Named seats, which are not given back.
        (
            "/Assignment[@reservationType='reserved']",
            bound(),
            None,
            "releaseNotAllowed",
        ),
    ] {
        let mut world = large();
        world.post("[{'T':'LicenseModel','id':'#model','~OneToMany':[{'T':'AssignedLicenseConstraint','allowRelease':false}]}]");
        let before = world.graph.digest();
        let (commits, _, error) = delete(&mut world, &by, &read(text), if_match.as_ref(), 10, |_, _| ());
        assert_eq!(error.as_ref().map(Error::code), Some(expected), "{text}");
        assert!(commits.is_empty(), "{text}");
        assert_eq!(world.graph.digest(), before, "{text}");
    }
}

/// What is about to go is leased by nobody who could not lease it before, however much of it has gone.
#[test]
fn nobody_is_let_in_half_way() {
    let seats = [("denied", 30)].into_iter().chain((0..30).map(|n| ("reserved", n)));
    let seats = seats.map(|(how, n)| {
        format!(",{{'T':'Assignment','id':'#w{n}','reservationType':'{how}','refs':{{'Profile':'#p{n}'}}}}")
    });
    let seats: String = seats.collect();
    let wide = format!(
        "[{{'T':'LicensedItem','id':'#wide','name':'wide'}},
          {{'T':'Entitlement','id':'#e1','~OneToMany':[{{'T':'License','id':'#w','validFrom':'2020-01-01','refs':{{'LicensedItem':'#wide'}},
            '~OneToMany':[{{'T':'SeatCountCredit','seatCount':10}},{{'T':'SeatCountCredit','seatCount':20}}{seats}]}}]}}]"
    );
    for text in [
        format!("/License[@id='{}']", id("w")),
        format!("/Entitlement[@id='{}']", id("e1")),
        format!("/Organization[@id='{}']", id("big")),
        format!("/LicensedItem[@id='{}']", id("wide")),
    ] {
        let mut world = large();
        world.post(&wide);
        let mut half = 0;
        let (_, _, error) = delete(&mut world, &Who::server(), &read(&text), None, 12, |world, step| {
            let there = |name: &str| world.graph.find(id(name)).is_some();
            half += usize::from(there("w") && !there("w30") && !there("w0"));
            let decided = |profile| decision::decide(&world.graph, id(profile), "wide", &Wanted::default(), NOW);
            let granted = |profile| matches!(decided(profile), Decision::Granted(_));
            assert!(
                step > 0 || granted("p29"),
                "who has a seat has it at first: {:?}",
                decided("p29")
            );
            assert!(!granted("p30") && !granted("p31"), "{text} {step}");
        });
        assert_eq!(error, None, "{text}");
        assert!(half > 0, "{text}: the license never stood without its assignments");
    }
}

/// Also where its first assignment alone is more than a step takes: a lease that holds all seats is one of many, and goes
/// with the first of them.
#[test]
fn no_seat_is_free_half_way() {
    let few = "[{'T':'LicensedItem','id':'#few5','name':'few5'},
        {'T':'Entitlement','id':'#e1','~OneToMany':[{'T':'License','id':'#f','validFrom':'2020-01-01','refs':{'LicensedItem':'#few5'},
            '~OneToMany':[{'T':'SeatCountCredit','seatCount':5},{'T':'Assignment','id':'#fa','refs':{'Profile':'#p0'}}]}]}]";
    for text in [
        format!("/License[@id='{}']", id("f")),
        format!("/Entitlement[@id='{}']", id("e1")),
        format!("/LicensedItem[@id='{}']", id("few5")),
    ] {
        let mut world = large();
        world.post(few);
        for (lease, seats) in [5].into_iter().chain([1; 40]).enumerate() {
            let field = |name| Kind::Consumption.field(name).unwrap();
            let fields = Fields::default()
                .with(field("grantedUntil"), Some(Value::Time(Time(NOW.0 + 1000))))
                .with(field("consumedCount"), Some(Value::Int(seats)));
            let lease = id(&format!("lease {lease}"));
            let made = world.write(|tx| {
                tx.create(lease, Kind::Consumption, fields, Kept::default())?;
                Ok(tx.relate(rel::LEASES, id("fa"), lease, Fields::default())?)
            });
            made.unwrap();
        }
        let mut half = 0;
        let (_, _, error) = delete(&mut world, &Who::server(), &read(&text), None, 12, |world, step| {
            let decided = decision::decide(&world.graph, id("p40"), "few5", &Wanted::default(), NOW);
            assert!(!matches!(decided, Decision::Granted(_)), "{text} {step}");
            let gone = world.graph.find(id("lease 0")).is_none() && world.graph.find(id("fa")).is_some();
            half += usize::from(gone);
        });
        assert_eq!(error, None, "{text}");
        assert!(half > 0, "{text}: the assignment never stood without its first lease");
    }
}

/// Nor does what was used up come back with what goes first of what it was counted on.
#[test]
fn no_use_comes_back_half_way() {
    let each = |short: &str| vec![short; 40].join(",");
    let counted = format!(
        "[{{'T':'LicensedItem','id':'#uses','name':'uses'}},
          {{'T':'LicenseModel','id':'#by','name':'by uses','~OneToMany':[{{'T':'UseCountConstraint'}}]}},
          {{'T':'Entitlement','id':'#e1','~OneToMany':[{{'T':'License','id':'#u','validFrom':'2020-01-01',
            'refs':{{'LicensedItem':'#uses','LicenseModel':'#by'}},'~OneToMany':[{{'T':'UseCountCredit','id':'#owed','useCount':0}},{},
            {{'T':'UseCountCredit','id':'#good','useCount':10}}]}}]}}]",
        each("{'T':'UseCountCredit','useCount':0}")
    );
    for text in [
        format!("/License[@id='{}']", id("u")),
        format!("/Entitlement[@id='{}']", id("e1")),
        format!("/Organization[@id='{}']", id("big")),
        format!("/LicensedItem[@id='{}']", id("uses")),
        format!("/LicenseModel[@id='{}']", id("by")),
    ] {
        let mut world = large();
        world.post(&counted);
        let used = Kind::UseCountCredit.field("useCountConsumed").unwrap();
        let owed = world
            .graph
            .find(id("owed"))
            .unwrap()
            .fields()
            .with(used, Some(Value::Int(10)));
        world.write(|tx| Ok(tx.update(id("owed"), owed)?)).unwrap();
        let mut half = 0;
        let (_, _, error) = delete(&mut world, &Who::server(), &read(&text), None, 12, |world, step| {
            let decided = decision::decide(&world.graph, id("p0"), "uses", &Wanted::default(), NOW);
            assert!(!matches!(decided, Decision::Granted(_)), "{text} {step}: {decided:?}");
            let there = |name: &str| world.graph.find(id(name)).is_some();
            half += usize::from(there("good") && !there("owed"));
        });
        assert_eq!(error, None, "{text}");
        assert!(half > 0, "{text}: what is left never stood without what is owed");
    }
}

/// Of one offer, to whom there is room for; `stays` or was only tried.
fn sell(world: &mut World, buyer: Buyer, stays: bool) -> Result<Uuid, &'static str> {
    let sale = Sale {
        offer: id("offer"),
        organization: id("big"),
        buyer,
        matching: None,
        properties: None,
        name: None,
        for_session: false,
        until: None,
    };
    let mut sold = Err("not tried");
    let _ = world.write(|tx| {
        sold = sale::sell(tx, &sale).map_err(|why| why.code());
        match stays && sold.is_ok() {
            true => Ok(()),
            false => Err(Error::UnknownOperation(String::new())),
        }
    });
    sold
}

/// A license that goes is sold again no faster than its leases go.
#[test]
fn what_is_leased_half_way_out_is_not_sold_beside() {
    let mut world = large();
    world.post(
        "[{'T':'ProductPackage','id':'#offer','title':'offer','concurrencies':30,'~ManyToMany':[{'T':'LicensedItem','id':'#app'}]},
          {'T':'UserSet','id':'#set','name':'set','allOf':['x'],'refs':{'Organization':'#big'}}]",
    );
    let sold = sell(&mut world, Buyer::Set(id("set")), true).unwrap();
    let held = |n: usize| format!("{{'T':'Assignment','id':'#h{n}','refs':{{'License':'{sold}','Profile':'#p{n}'}}}}");
    world.post(&format!("[{}]", (0..30).map(held).collect::<Vec<_>>().join(",")));
    for n in 0..30 {
        world.lease(&format!("h{n}"), Time(NOW.0 + 1000));
    }
    let one = read(&format!("/License[@id='{sold}']"));
    let mut half = 0;
    let (_, _, error) = delete(&mut world, &Who::server(), &one, None, 12, |world, step| {
        let license = world.graph.find(sold).expect("it goes last");
        let live = world.graph.taken(license, NOW).seats;
        let has_seats = license.hop_count(crate::model::schema::Hop::forward(rel::SEAT_CREDITS)) > 0;
        half += usize::from(live == 30 && !has_seats);
        let again = sell(world, Buyer::Profile(id("p59")), false);
        assert_eq!(again.is_err(), live == 30, "{step}: {again:?} beside {live}");
    });
    assert_eq!(error, None);
    assert!(half > 0, "its seats never went before its leases");
}

/// Licenses that were sold stay when their offer goes, and are counted as its own no longer: it sells nothing more.
#[test]
fn an_offer_sells_nothing_half_way_out() {
    let offer = "[{'T':'ProductPackage','id':'#offer','title':'offer','concurrencies':30,'~ManyToMany':[{'T':'LicensedItem','id':'#app'}]}]";
    let one = read(&format!("/ProductPackage[@id='{}']", id("offer")));
    for limit in [8, 12, 20] {
        let mut world = large();
        world.post(offer);
        let sold: Vec<Uuid> = (0..30)
            .map(|n| sell(&mut world, Buyer::Profile(id(&format!("p{n}"))), true).unwrap())
            .collect();
        let shown = |world: &World| -> Vec<String> {
            let find = |id: &Uuid| world.graph.find(*id).expect("it stays");
            sold.iter().map(|id| format!("{:?}", find(id).fields())).collect()
        };
        let before = shown(&world);
        let mut whole = World::of(world.graph.clone());
        let (_, all, _) = delete(&mut whole, &Who::server(), &one, None, 1_000_000, |_, _| ());
        let (commits, told, error) = delete(&mut world, &Who::server(), &one, None, limit, |world, step| {
            let expected = if step == 0 {
                "concurrenciesUsedUp"
            } else {
                "packageInactive"
            };
            assert_eq!(
                sell(world, Buyer::Profile(id("p59")), true),
                Err(expected),
                "{limit} {step}"
            );
            assert_eq!(world.value("offer", "active") == "false", step > 0);
        });
        assert_eq!(error, None, "{limit}");
        assert!(commits.len() > 1, "{limit}: {commits:?}");
        assert_eq!(told, all, "{limit}: that it is not on sale is not told");
        assert!(world.graph.find(id("offer")).is_none());
        assert_eq!(shown(&world), before, "{limit}");
    }
}

/// Nor does a member come by a unit, or by a seat, that another one held until it was taken out of the group: whether a rule with
/// a quota opens it, one without, or a relation.
#[test]
fn what_a_member_held_is_nobody_elses_half_way_out() {
    let quota = "{'T':'AllocationRule','id':'#by','quota':2,'refs':{'ProfileGroup':'#all','LicensedItem':'#two'}}";
    let rule = "{'T':'AllocationRule','id':'#by','refs':{'ProfileGroup':'#all','LicensedItem':'#two'}}";
    let all = read(&format!("/ProfileGroup[@id='{}']", id("all")));
    for (limit, opens, seats) in [(8, quota, 9), (20, quota, 9), (8, rule, 2), (20, rule, 2)] {
        let mut world = large();
        world.post(&format!(
            "[{{'T':'LicensedItem','id':'#two','name':'two'}},
              {{'T':'Entitlement','id':'#e3','~OneToMany':[{{'T':'License','id':'#t','validFrom':'2020-01-01','refs':{{'LicensedItem':'#two'}},
                '~OneToMany':[{{'T':'SeatCountCredit','seatCount':{seats}}}]}}]}},{opens}]"
        ));
        let unit = |n: usize| {
            format!(
                "{{'T':'Assignment','id':'#u{n}','reservationType':'reserved','refs':{{'License':'#t','Profile':'#p{n}','AllocationRule':'#by'}}}}"
            )
        };
        world.post(&format!("[{},{}]", unit(0), unit(1)));
        let decided =
            |world: &World, profile| decision::decide(&world.graph, id(profile), "two", &Wanted::default(), NOW);
        let granted = |world: &World, profile| matches!(decided(world, profile), Decision::Granted(_));
        assert!(granted(&world, "p0"), "{:?}", decided(&world, "p0"));
        let mut half = 0;
        let (_, _, error) = delete(&mut world, &Who::server(), &all, None, limit, |world, step| {
            half += usize::from(world.related("all", "Membership", Kind::Profile) > 1 && !granted(world, "p0"));
            assert!(
                !granted(world, "p59"),
                "{limit} {opens} {step}: {:?}",
                decided(world, "p59")
            );
        });
        assert_eq!(error, None, "{limit} {opens}");
        assert!(half > 0, "{limit} {opens}: the last members never stood alone");
    }
}

/// Nor by the profile itself that is about to go, whatever of it goes first, and by whichever way it has to a license.
#[test]
fn a_profile_is_not_let_in_half_way_out() {
    let denials = |count: usize| {
        let each = (0..count).map(|n| {
            format!(
                "{{'T':'License','id':'#no{n}','validFrom':'2020-01-01','refs':{{'LicensedItem':'#it{n}','Entitlement':'#e1'}},'~OneToMany':[
                    {{'T':'SeatCountCredit','seatCount':10}},
                    {{'T':'Assignment','reservationType':'denied','refs':{{'Profile':'#p7'}}}}]}}"
            )
        });
        let items = (0..count).map(|n| format!("{{'T':'LicensedItem','id':'#it{n}','name':'it{n}'}}"));
        format!("[{}]", items.chain(each).collect::<Vec<_>>().join(","))
    };
    let others = "[{'T':'Entitlement','id':'#e1','~LicenseConsumerRelation':[{'T':'Profile','id':'#p7'}]},
        {'T':'Entitlement','id':'#e2','~LicenseConsumerRelation':[{'T':'Profile','id':'#p7'}]}]";
    let begins = "{'T':'Profile','id':'#p7','validFrom':'2030-01-01'}";
    let one = read(&format!("/Profile[@id='{}']", id("p7")));
    for (limit, count, before, later) in [
        (8, 30, "", NOW),
        (12, 30, "", NOW),
        (12, 30, others, NOW),
        (60, 30, others, NOW),
        (12, 5, "", NOW),
        (12, 30, begins, Time(1_900_000_000_000)),
    ] {
        for by in [Who::server(), who(&["*.*"], Some("big"), None)] {
            let mut world = large();
            world.post(&denials(count));
            if !before.is_empty() {
                world.post(before);
            }
            let allowed = |world: &World, profile: &str| -> Vec<usize> {
                let decided = |item: &str| {
                    let wanted = Wanted::default();
                    decision::decide(&world.graph, id(profile), item, &wanted, later)
                };
                let granted = |n: &usize| matches!(decided(&format!("it{n}")), Decision::Granted(_));
                (0..count).filter(granted).collect()
            };
            assert_eq!(allowed(&world, "p8").len(), count, "whoever is not denied has them");
            let mut half = 0;
            let (commits, _, error) = delete(&mut world, &by, &one, None, limit, |world, step| {
                let denials = world.graph.find(id("p7")).map(|profile| {
                    let hop = crate::model::schema::Hop::forward(rel::BY_PROFILE);
                    profile.hop_count(hop)
                });
                half += usize::from(denials.is_some_and(|left| left < count));
                assert_eq!(allowed(world, "p7"), Vec::<usize>::new(), "{limit} {count} {step}");
            });
            assert_eq!(error, None, "{limit} {count}");
            assert!(commits.len() > 1 && half > 0, "{limit} {count}: {commits:?}");
            assert!(world.graph.find(id("p7")).is_none());
            assert_eq!(allowed(&world, "p8").len(), count, "nobody else is meant");
        }
    }
}

/// Nobody keeps a seat, between two steps, whose way to it has gone.
#[test]
fn a_reservation_never_outlives_its_way() {
    let each = |short: &dyn Fn(usize) -> String| (0..60).map(short).collect::<Vec<_>>().join(",");
    let let_in = each(&|n| format!("{{'T':'Profile','id':'#p{n}'}}"));
    let seats = each(&|n| {
        format!("{{'T':'Assignment','id':'#o{n}','reservationType':'reserved','refs':{{'Profile':'#p{n}'}}}}")
    });
    let open = format!(
        "[{{'T':'Entitlement','id':'#e4','name':'four','refs':{{'Organization':'#zoo'}},'~LicenseConsumerRelation':[{let_in}],
            '~OneToMany':[{{'T':'License','id':'#open','refs':{{'LicensedItem':'#app'}},'~OneToMany':[
                {{'T':'SeatCountCredit','seatCount':60}}]}}]}},
          {{'T':'License','id':'#open','~OneToMany':[{seats}]}}]"
    );
    for (text, stays) in [
        (format!("/Entitlement[@id='{}']", id("e4")), 0),
        (format!("/Organization[@id='{}']", id("zoo")), 0),
        // Not by the group, which goes.
        (format!("/ProfileGroup[@id='{}']", id("all")), 60),
    ] {
        let mut world = large();
        world.post(&open);
        let reserved = |world: &World| {
            let all = world.graph.of_kind(Kind::Assignment, None);
            let all = all.filter(|node| {
                node.parent(rel::BY_LICENSE)
                    .is_some_and(|license| license.id == id("open"))
            });
            let kind = Kind::Assignment.field("reservationType").unwrap();
            all.filter(|node| node.fields().get(kind).and_then(Value::as_text) == Some("reserved"))
                .map(|node| node.parent(rel::BY_PROFILE).unwrap().id)
                .collect::<Vec<_>>()
        };
        let (_, _, error) = delete(&mut world, &Who::server(), &read(&text), None, 20, |world, step| {
            for profile in reserved(world) {
                let find = |id| world.graph.find(id).unwrap();
                let mut ways = paths::to_entitlement(find(id("e4")), find(profile), NOW);
                assert!(ways.next().is_some(), "{text} {step}");
            }
        });
        assert_eq!((error, reserved(&world).len()), (None, stays), "{text}");
    }
}

/// Nor a unit its rule, in one commit or in several, on a license that was given another item and stays when the rule's goes.
#[test]
fn a_unit_goes_with_its_rule_however_that_goes() {
    let ruled = "[{'T':'LicensedItem','id':'#old','name':'old'},{'T':'LicensedItem','id':'#new','name':'new'},
        {'T':'Entitlement','id':'#e3','~OneToMany':[{'T':'License','id':'#t','validFrom':'2020-01-01','refs':{'LicensedItem':'#old'},
            '~OneToMany':[{'T':'SeatCountCredit','seatCount':9}]}]},
        {'T':'AllocationRule','id':'#by','refs':{'ProfileGroup':'#few','LicensedItem':'#old'}},
        {'T':'Profile','id':'#p5','~Membership':[{'T':'ProfileGroup','id':'#few'}]}]";
    let properties = (0..60)
        .map(|n| format!("{{'T':'Property','key':'k{n}'}}"))
        .collect::<Vec<_>>()
        .join(",");
    for (text, more) in [
        (format!("/LicensedItem[@id='{}']", id("old")), String::new()),
        (
            format!("/LicensedItem[@id='{}']", id("old")),
            format!("{{'T':'LicensedItem','id':'#old','~OneToMany':[{properties}]}}"),
        ),
        (format!("/AllocationRule[@id='{}']", id("by")), String::new()),
        (format!("/ProfileGroup[@id='{}']", id("few")), String::new()),
    ] {
        let mut world = large();
        world.post(ruled);
        world.post("[{'T':'Assignment','id':'#u','reservationType':'reserved','refs':{'License':'#t','Profile':'#p5','AllocationRule':'#by'}}]");
        world.post("[{'T':'License','id':'#t','refs':{'LicensedItem':'#new'}}]");
        if !more.is_empty() {
            world.post(&more);
        }
        assert_eq!(world.value("u", "reservationType"), "reserved");
        let (commits, _, error) = delete(&mut world, &Who::server(), &read(&text), None, 20, |_, _| ());
        assert_eq!((error, world.graph.find(id("by")).is_some()), (None, false), "{text}");
        assert_eq!(commits.len() > 1, !more.is_empty(), "{text}: {commits:?}");
        assert_eq!(world.value("u", "reservationType"), "gone", "{text} {commits:?}");
        assert!(world.graph.find(id("t")).is_some(), "{text}");
    }
}

#[test]
fn whoever_may_begin_is_not_kept_from_ending() {
    // With the one it is in, as many as whole steps cut off.
    let groups = (1..40).map(|n| format!("{{'T':'ProfileGroup','id':'#g{n}','name':'g{n}'}}"));
    let groups = groups.collect::<Vec<_>>().join(",");
    let by = who(&["*.*"], Some("big"), None);
    let one = read(&format!("/Profile[@id='{}']", id("p7")));
    for limit in [8, 10, 20, 40] {
        let mut world = large();
        world.post(&format!(
            "[{{'T':'Organization','id':'#big','~OneToMany':[{groups}]}},{{'T':'Profile','id':'#p7','~Membership':[{groups}]}}]"
        ));
        let (commits, _, error) = delete(&mut world, &by, &one, None, limit, |_, _| ());
        assert_eq!(error, None, "{limit}");
        assert!(commits.len() > 1, "{limit}: {commits:?}");
        assert!(world.graph.find(id("p7")).is_none(), "{limit}");
    }
}

#[test]
fn a_condition_holds_until_the_first_step() {
    let big = read(&format!("/Organization[@id='{}']", id("big")));
    type Between = fn(&mut World);
    let cases: [(usize, Between, Option<&str>); 4] = [
        (0, |_| (), None),
        (
            0,
            |world| drop(world.post("{'T':'Organization','id':'#big','name':'Bigger'}")),
            Some("stale"),
        ),
        // What is left would go in the last commit, which is the first one then.
        (
            0,
            |world| {
                let rest = ["e1", "e2", "e3", "all", "few", "boss"];
                drop(world.remove(&Who::server(), &rest).unwrap());
                drop(world.post("{'T':'Organization','id':'#big','name':'Bigger'}"));
            },
            Some("stale"),
        ),
        // A part is gone: nothing is saved any more.
        (
            1,
            |world| drop(world.post("{'T':'Organization','id':'#big','name':'Bigger'}")),
            None,
        ),
    ];
    for (at, between, expected) in cases {
        let mut world = large();
        let revision = world.graph.find(id("big")).unwrap().revision;
        let if_match = IfMatch::Of(vec![revision]);
        let (commits, _, error) = delete(&mut world, &Who::server(), &big, Some(&if_match), 60, |world, step| {
            if step == at {
                between(world);
            }
        });
        assert_eq!(error.as_ref().map(Error::code), expected);
        assert_eq!(commits.is_empty(), expected.is_some());
        assert_eq!(world.graph.find(id("big")).is_some(), expected.is_some());
    }
}

/// Writes that add as much as a step removes do not keep it going for ever.
#[test]
fn it_ends_however_much_is_added() {
    let licenses = vec!["{'T':'License','refs':{'LicensedItem':'#app'}}"; 20].join(",");
    let more = format!("{{'T':'Entitlement','id':'#e1','~OneToMany':[{licenses}]}}");
    let big = read(&format!("/Organization[@id='{}']", id("big")));
    let mut world = large();
    let bound = 2 * (world.graph.len() + world.graph.relation_count());
    let (commits, _, error) = delete(&mut world, &Who::server(), &big, None, 60, |world, _| {
        drop(world.post(&more))
    });
    assert_eq!(error.as_ref().map(Error::code), Some("addedMeanwhile"));
    let removed: usize = commits.iter().sum();
    assert!((bound..bound + 100).contains(&removed), "{removed} of {bound}");
    // Sent again when nobody adds any more, it is done.
    let (_, _, error) = delete(&mut world, &Who::server(), &big, None, 60, |_, _| ());
    assert_eq!((error, world.graph.find(id("big")).is_some()), (None, false));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Of any world, whatever is selected in it, in steps of any size.
    #[test]
    fn steps_are_as_one(
        bodies in proptest::collection::vec((any_who(), proptest::collection::vec(any_object(2), 1..4)), 1..12),
        kind in proptest::sample::select(Kind::public().collect::<Vec<_>>()),
        limit in 8..30u64,
    ) {
        let mut whole = World::new();
        for (who, objects) in &bodies {
            let _ = whole.write(|tx| upsert(tx, who, objects, Mode::Merge, None));
        }
        let (mut whole, mut parted) = (World::of(whole.graph.clone()), World::of(whole.graph));
        let selector = read(&format!("/{}", kind.name()));
        let (one, _, refused) = delete(&mut whole, &Who::server(), &selector, None, 1_000_000, |_, _| ());
        prop_assume!(refused.is_none());
        let (many, _, refused) = delete(&mut parted, &Who::server(), &selector, None, limit, |_, _| ());
        prop_assert_eq!(refused, None);
        prop_assert_eq!(many.iter().sum::<usize>(), one[0]);
        prop_assert_eq!(shown(&parted.graph), shown(&whole.graph));
    }
}
