//! What is sold one by one (`doors.md` C.3, C.4 and E), in the world of ACME.

use super::*;
use crate::entitlement::sale::{self, Buyer, Sale};
use crate::entitlement::{seats, select, sets};

const OFFER: &str = "
    ProductPackage pack title=Pack active=true
    ManyToMany pack editor
    UserSet set name=set anyOf=[\"a\"] < acme
    Property ann-tags key=AdminTags value=[\"a\"] < ann
    Property bob-tags key=AdminTags value=a < bob
    part ent crew
";

/// `sell pack ann`, `sell pack set`, `sell pack ann tag=a,b` what has the tag, `sell pack ann until=800` until then: the seats of
/// the license, or why not. Other steps as ever, but that a license has no name here.
fn step(world: &mut World, step: &str) -> String {
    let words: Vec<&str> = step.split(' ').collect();
    let ["sell", offer, to, rest @ ..] = &words[..] else {
        let told = world.step(step);
        let yes = ["yes ", "new ", "renewed "].iter().any(|word| told.starts_with(word));
        return if yes { "yes".to_owned() } else { told };
    };
    let pair = rest.first().and_then(|pair| pair.split_once('='));
    let until = pair.filter(|(key, _)| *key == "until");
    let until = until.map(|(_, seconds)| Time(seconds.parse::<i64>().expect("seconds") * 1000));
    let matching = pair.filter(|_| until.is_none());
    let values = matching.map(|(_, values)| format!("[\"{}\"]", values.replace(',', "\",\"")));
    let is_set = world.graph.find(id(to)).is_some_and(|node| node.kind == Kind::UserSet);
    let sale = Sale {
        offer: id(offer),
        organization: id("acme"),
        buyer: if is_set {
            Buyer::Set(id(to))
        } else {
            Buyer::Profile(id(to))
        },
        matching: matching.map(|(key, _)| key).zip(values.as_deref()),
        properties: None,
        name: None,
        for_session: false,
        until,
    };
    let (revision, now) = (world.graph.revision() + 1, world.time());
    let mut tx = Transaction::new(&mut world.graph, revision, now, &world.clock);
    match sale::sell(&mut tx, &sale) {
        Err(refused) => {
            tx.abandon();
            refused.code().to_owned()
        }
        Ok(license) => {
            tx.finish().expect("a sound world");
            world.graph.set_revision(revision);
            world.graph.check().expect("sound counters");
            let license = world.graph.find(license).expect("a license");
            let total = seats::of_license(license, now).total;
            total.map_or("any".to_owned(), |total| total.to_string())
        }
    }
}

fn check(lines: &str, steps: &[(&str, &str)]) {
    let mut world = World::new(&format!("{OFFER}{lines}"));
    for (told, expected) in steps {
        assert_eq!(step(&mut world, told), *expected, "{told}\n{lines}");
    }
}

#[test]
fn the_seat_that_ends_first_is_given_on() {
    let mut world = World::new(&format!("{OFFER}\nset pack concurrencies=2"));
    assert_eq!(step(&mut world, "sell pack set"), "2");
    let license = world
        .graph
        .of_kind(Kind::License, None)
        .next_back()
        .expect("it was sold")
        .id;
    let made = world
        .graph
        .of_kind(Kind::SeatCountCredit, None)
        .next_back()
        .expect("its credit")
        .id;
    let field = |name: &str| Kind::SeatCountCredit.field(name).expect("a field");
    world.commit(|tx| {
        let credit = tx.graph().find(made).expect("it is there");
        let fields = credit.fields().with(field("active"), Some(Value::Bool(false)));
        tx.update(made, fields).expect("an update");
        for (name, until) in [("long", None), ("short", Some(Value::Time(Time(100_000))))] {
            let fields = Fields::default()
                .with(field("seatCount"), Some(Value::Int(1)))
                .with(field("active"), Some(Value::Bool(true)))
                .with(field("validUntil"), until);
            tx.create(id(name), Kind::SeatCountCredit, fields, Kept::default())
                .expect("a credit");
            tx.relate(rel::SEAT_CREDITS, license, id(name), Fields::default())
                .expect("a parent");
        }
    });
    assert_eq!(step(&mut world, "sell pack cid"), "1");
    let left = [made, id("long"), id("short")].map(|credit| {
        let credit = world.graph.find(credit).expect("it is there");
        credit.fields().get(field("seatCount")).and_then(Value::as_int)
    });
    assert_eq!(left, [Some(2), Some(1), Some(0)]);
}

#[test]
fn what_is_sold_is_its_buyers() {
    check(
        "",
        &[
            ("? ann editor", "notAuthorized"),
            ("sell pack ann", "any"),
            ("ann editor", "yes"),
            ("bob editor", "notAuthorized"),
            ("sell pack set", "any"),
            ("bob editor", "yes"),
            ("cid editor", "notAuthorized"),
            ("zed editor", "notAuthorized"),
            ("set bob-tags value=b", ""),
            ("at 901", ""),
            ("bob editor", "notAuthorized"),
            // No way to the entitlement opens it.
            ("end lic", ""),
            ("LicenseConsumerRelation ent crew", ""),
            ("cid editor", "notAuthorized"),
            ("ann editor", "yes"),
        ],
    );
}

#[test]
fn an_offer_is_one_item_on_sale() {
    for (lines, code) in [
        ("set pack active=false", "packageInactive"),
        ("set pack validFrom=1", "packageNotYetValid"),
        ("set pack validUntil=0", "packageExpired"),
        ("part pack editor", "packageEmpty"),
        (
            "LicensedItem other name=other\nManyToMany pack other",
            "packageOfSeveral",
        ),
        (
            "LicenseModel m name=m\nConsumptionLockConstraint c < m\nOneToMany m pack",
            "lockScopeRequired",
        ),
        (
            "LicenseModel m name=m\nSeatCountConstraint s < m\nUseCountConstraint u < m\nOneToMany m pack",
            "invalidLicenseModel",
        ),
    ] {
        check(lines, &[("sell pack ann", code), ("ann editor", "notAuthorized")]);
    }
}

#[test]
fn terms_are_those_of_the_model() {
    let month = "LicenseModel m name=m\nValidityPeriodConstraint v maxValidity=2000000 < m\nOneToMany m pack";
    check(
        month,
        &[
            ("sell pack ann", "any"),
            ("ann editor", "yes"),
            ("at 1999", ""),
            ("ann editor", "yes"),
            ("at 2000", ""),
            ("ann editor", "licenseExpired"),
        ],
    );
    let uses = "set pack concurrencies=1
        LicenseModel m name=m\nUseCountConstraint u < m\nLicensedItemCountBehavior b defaultCount=2 < m\nOneToMany m pack";
    check(
        uses,
        &[
            // Uses are counted, and those who have some.
            ("sell pack ann", "0"),
            ("sell pack bob", "concurrenciesUsedUp"),
            ("sell pack set", "setNotBySeats"),
            ("ann editor hw=1", "yes"),
            ("ann editor hw=2", "yes"),
            ("ann editor hw=3", "useCountExceeded"),
            ("set pack concurrencies=2", ""),
            ("sell pack bob", "0"),
            ("sell pack cid", "concurrenciesUsedUp"),
            ("bob editor", "yes"),
        ],
    );
    // One that a set was sold before has as many users as it likes.
    check(
        &uses.replace("concurrencies=1", "active=true"),
        &[
            ("sell pack set", "0"),
            ("set pack concurrencies=2", ""),
            ("sell pack ann", "setWithoutLimit"),
        ],
    );
}

#[test]
fn the_seats_of_an_offer_are_one_sum() {
    check(
        "set pack concurrencies=3",
        &[
            ("sell pack ann", "1"),
            ("sell pack set", "2"),
            ("bob editor", "yes"),
            // One of the set's two is free, and goes along.
            ("sell pack cid", "1"),
            ("sell pack zed", "concurrenciesUsedUp"),
            ("sell pack set", "concurrenciesUsedUp"),
            ("ann editor", "yes"),
            ("cid editor", "yes"),
            ("at 900", ""),
            ("sell pack zed", "1"),
            ("bob editor", "noSeatsAvailable"),
            ("sell pack ann", "concurrenciesUsedUp"),
            ("set pack concurrencies=5", ""),
            ("sell pack set", "2"),
            ("bob editor", "yes"),
            ("ann editor", "yes"),
        ],
    );
    let day = "set pack concurrencies=1
        LicenseModel m name=m\nValidityPeriodConstraint v maxValidity=1000000 < m\nOneToMany m pack";
    check(
        day,
        &[
            ("sell pack ann", "1"),
            ("sell pack bob", "concurrenciesUsedUp"),
            ("at 999", ""),
            ("sell pack bob", "concurrenciesUsedUp"),
            // What has ended holds none.
            ("at 1000", ""),
            ("sell pack bob", "1"),
            ("sell pack ann", "concurrenciesUsedUp"),
        ],
    );
    check("set pack concurrencies=0", &[("sell pack ann", "concurrenciesUsedUp")]);
    // A set's seats that went to a user stay that license's: an end is not a gift.
    check(
        "set pack concurrencies=2",
        &[
            ("sell pack set", "2"),
            ("sell pack cid until=800", "1"),
            ("ann editor", "yes"),
            ("bob editor", "noSeatsAvailable"),
            ("at 800", ""),
            ("bob editor", "noSeatsAvailable"),
            ("sell pack cid", "1"),
        ],
    );
}

#[test]
fn what_was_sold_counts_whatever_item_it_is_of() {
    check(
        "set pack concurrencies=2\nLicensedItem other name=other",
        &[
            ("sell pack ann", "1"),
            ("part pack editor", ""),
            ("ManyToMany pack other", ""),
            ("sell pack bob", "1"),
            ("sell pack cid", "concurrenciesUsedUp"),
            ("ann editor", "yes"),
            ("bob other", "yes"),
            ("part pack other", ""),
            ("ManyToMany pack editor", ""),
            ("sell pack cid", "concurrenciesUsedUp"),
        ],
    );
}

#[test]
fn a_sale_looks_at_so_many_licenses() {
    let sold = |count: usize| -> String {
        let one = |number| {
            format!("License l{number} validFrom=0 validUntil=0 individual=true active=true < ent editor pack\n")
        };
        let all: String = (0..count).map(one).collect();
        format!("set pack concurrencies=1\n{all}")
    };
    check(&sold(select::LOOKED_AT), &[("sell pack ann", "1")]);
    check(&sold(select::LOOKED_AT + 1), &[("sell pack ann", "tooManyLicenses")]);
}

#[test]
fn what_was_sold_without_a_limit_counts_its_holders() {
    check(
        "",
        &[
            ("sell pack ann", "any"),
            ("set pack concurrencies=1", ""),
            ("sell pack bob", "concurrenciesUsedUp"),
            ("set pack concurrencies=2", ""),
            ("sell pack bob", "1"),
            ("sell pack cid", "concurrenciesUsedUp"),
            ("ann editor hw=1", "yes"),
            ("ann editor hw=2", "yes"),
            ("set pack concurrencies=3", ""),
            ("sell pack set", "1"),
        ],
    );
    // Of a set as many may use it as are in it: nothing is left to promise.
    let mut world = World::new(OFFER);
    let mut told = |words: &str| step(&mut world, words);
    assert_eq!(told("sell pack set"), "any");
    assert_eq!(told("set pack concurrencies=3"), "");
    assert_eq!(told("sell pack ann"), "setWithoutLimit");
    assert_eq!(told("sell pack set"), "setWithoutLimit");
    // What has ended already promises nothing.
    assert_eq!(told("sell pack ann until=0"), "1");
    let credit = world.graph.of_kind(Kind::SeatCountCredit, None);
    let credits: Vec<Uuid> = credit.map(|credit| credit.id).collect();
    let count = const { crate::model::schema::place(Kind::SeatCountCredit, "seatCount") };
    world.commit(|tx| {
        let endless = credits.iter().find(|id| {
            tx.graph()
                .find(**id)
                .expect("it is there")
                .fields()
                .get(count)
                .is_none()
        });
        let endless = *endless.expect("the set's");
        let fields = tx
            .graph()
            .find(endless)
            .expect("it is there")
            .fields()
            .with(count, Some(Value::Int(2)));
        tx.update(endless, fields).expect("an update");
    });
    assert_eq!(step(&mut world, "sell pack ann"), "1");
    // One of the set's two is free.
    assert_eq!(step(&mut world, "sell pack cid"), "1");
}

#[test]
fn what_matches_is_open_and_the_offers_own_item_is_not() {
    let items = "
        LicensedItem atlas name=atlas
        Property atlas-tags key=tag value=[\"x\",\"y\"] < atlas
        LicensedItem bible name=bible
        Property bible-tags key=tag value=y < bible
        LicensedItem cook name=cook
        Property cook-tags key=other value=y < cook
        LicensedItem page name=page
        Includes bible page
    ";
    check(
        items,
        &[
            ("sell pack ann tag=y,z", "any"),
            ("ann atlas", "yes"),
            ("ann bible", "yes"),
            ("ann page", "yes"),
            ("ann cook", "notAuthorized"),
            ("ann editor", "notAuthorized"),
            ("bob atlas", "notAuthorized"),
            ("sell pack set tag=x", "any"),
            ("bob atlas", "yes"),
            ("bob bible", "notAuthorized"),
            ("Property editor-tags key=tag value=z < editor", ""),
            ("ann editor", "yes"),
            ("at 901", ""),
            ("set atlas-tags value=[]", ""),
            ("bob atlas", "notAuthorized"),
        ],
    );
}

#[test]
fn a_set_is_computed_from_tags() {
    let check = |set: &str, tags: &str, expected: bool| {
        let world = World::new(&format!(
            "UserSet s name=s {set} < acme\nProperty p key=AdminTags value={tags} < ann"
        ));
        let find = |name: &str| world.graph.find(id(name)).expect("told");
        assert_eq!(
            sets::has(find("s"), find("ann"), world.time()),
            expected,
            "{set} {tags}"
        );
        assert!(
            !sets::has(find("s"), find("zed"), world.time()),
            "{set}: zed is no user"
        );
    };
    check("anyOf=[\"a\",\"b\"]", "b", true);
    check("anyOf=[\"a\",\"b\"]", "[\"c\",\"b\"]", true);
    check("anyOf=[\"a\",\"b\"]", "c", false);
    check("anyOf=[\"a\"]", "A", false);
    check("allOf=[\"a\",\"b\"]", "[\"b\",\"c\",\"a\"]", true);
    check("allOf=[\"a\",\"b\"]", "a", false);
    check("noneOf=[\"a\"]", "b", true);
    check("noneOf=[\"a\"]", "a", false);
    check("noneOf=[\"a\"]", "[]", true);
    check(
        "allOf=[\"a\"] anyOf=[\"b\",\"c\"] noneOf=[\"d\"]",
        "[\"a\",\"c\"]",
        true,
    );
    check(
        "allOf=[\"a\"] anyOf=[\"b\",\"c\"] noneOf=[\"d\"]",
        "[\"a\",\"c\",\"d\"]",
        false,
    );
    check("allOf=[\"a\"] anyOf=[\"b\",\"c\"] noneOf=[\"d\"]", "[\"c\"]", false);
    // One that asks for nothing, or for what cannot be read, is nobody's.
    check("anyOf=none", "a", false);
    check("anyOf=[]", "a", false);
    check("allOf=[] anyOf=[] noneOf=[]", "a", false);
    check("anyOf=a", "a", false);
    check("anyOf=[\"a\"] noneOf=[1]", "a", false);
}
