//! What selectors mean and what they are refused for, on a world small enough to know by heart.

use super::*;
use crate::access::{Permissions, View, Who};
use crate::graph::{Graph, Kept, Transaction};
use crate::limits::Limits;
use crate::model::schema::find_relation;
use crate::model::{Clock, Fields, Kind, Principal, RelationType, Time, Value};
use crate::selector::ast::Head;
use crate::selector::{parse, parse_include, parse_target};
use uuid::Uuid;

/// Ids are small numbers: `id(7)` is `00000000-0000-0000-0000-000000000007`.
fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn text(value: &str) -> Value {
    Value::text(value)
}

fn at(date: &str) -> Value {
    Value::Time(Time::parse(date).expect("a date"))
}

/// Two organizations. Nordlys (1) has a group (11) of Ada (31) and Bo (32), an entitlement (21) with licenses 41, 42 and
/// 43; Umbra (2) has a group (12) of Bo (32), an entitlement (22) with license 44. Ada is the person 61 with an address
/// and a login; items are 51 and 52, and 51 includes 52.
fn world() -> Graph {
    use Kind::*;
    use RelationType::*;
    let clock = Clock::frozen(Time(1_700_000_000_000));
    let mut graph = Graph::new();
    let mut transaction = Transaction::new(&mut graph, 1, clock.now(), &clock);
    #[allow(clippy::type_complexity)] // a table
    let entities: &[(u128, Kind, &[(&str, Value)])] = &[
        (1, Organization, &[("name", text("Nordlys")), ("type", text("company"))]),
        (
            2,
            Organization,
            &[("name", text("Umbra")), ("description", text("Nordlys' rival"))],
        ),
        (11, ProfileGroup, &[("name", text("Crew")), ("type", text("employees"))]),
        (12, ProfileGroup, &[("name", text("crew"))]),
        (31, Profile, &[("displayName", text("Ada"))]),
        (32, Profile, &[("displayName", text("Bo"))]),
        (61, Person, &[("firstName", text("Ada"))]),
        (
            62,
            EmailAndPassword,
            &[
                ("userName", text("Ada@Nordlys.example")),
                ("passwordHash", text("secret")),
            ],
        ),
        (63, ContactInformation, &[]),
        (64, EmailAddress, &[("value", text("ADA@nordlys.example"))]),
        (
            21,
            Entitlement,
            &[("name", text("Main")), ("isDefault", Value::Bool(true))],
        ),
        (22, Entitlement, &[("isDefault", Value::Bool(false))]),
        (51, LicensedItem, &[("name", text("editor"))]),
        (52, LicensedItem, &[("name", text("viewer"))]),
        (
            41,
            License,
            &[
                ("name", text("L1")),
                ("active", Value::Bool(true)),
                ("validUntil", at("2027-01-01")),
            ],
        ),
        (
            42,
            License,
            &[
                ("name", text("L2")),
                ("active", Value::Bool(false)),
                ("validUntil", at("2028-01-01")),
            ],
        ),
        (
            43,
            License,
            &[
                ("name", text("l10")),
                ("active", Value::Bool(true)),
                ("lockScope", text("None")),
            ],
        ),
        (
            44,
            License,
            &[
                ("name", text("L1")),
                ("active", Value::Bool(true)),
                ("validUntil", at("2027-06-01")),
            ],
        ),
        (
            71,
            SeatCountCredit,
            &[("seatCount", Value::Int(5)), ("seatsConsumed", Value::Int(0))],
        ),
    ];
    for (number, kind, fields) in entities {
        let fields = fields
            .iter()
            .map(|(name, value)| (kind.field(name).expect("a field"), value.clone()));
        transaction
            .create(id(*number), *kind, fields.collect(), Kept::default())
            .expect("a new entity");
    }
    let validity = |from: &str| Fields::from_iter([(0, at(from))]);
    for (relation, from, to, fields) in [
        (OneToMany, 1, 11, Fields::default()),
        (OneToMany, 2, 12, Fields::default()),
        (OneToMany, 1, 21, Fields::default()),
        (OneToMany, 2, 22, Fields::default()),
        (OneToMany, 61, 31, Fields::default()),
        (OneToMany, 61, 62, Fields::default()),
        (OneToMany, 31, 63, Fields::default()),
        (OneToMany, 63, 64, Fields::default()),
        (OneToMany, 21, 41, Fields::default()),
        (OneToMany, 21, 42, Fields::default()),
        (OneToMany, 21, 43, Fields::default()),
        (OneToMany, 22, 44, Fields::default()),
        (OneToMany, 51, 41, Fields::default()),
        (OneToMany, 52, 42, Fields::default()),
        (OneToMany, 51, 43, Fields::default()),
        (OneToMany, 51, 44, Fields::default()),
        (OneToMany, 41, 71, Fields::default()),
        (Membership, 31, 11, validity("2026-01-01")),
        (Membership, 32, 11, Fields::default()),
        (Membership, 32, 12, validity("2026-06-01")),
        (Includes, 51, 52, Fields::default()),
    ] {
        let kind = |number| transaction.graph().find(id(number)).expect("an entity").kind;
        let rel = find_relation(relation, kind(from), kind(to)).expect("a relation of the schema");
        transaction
            .relate(rel, id(from), id(to), fields)
            .expect("a new relation");
    }
    transaction.finish().expect("a world within the rules");
    graph
}

/// The token of a world: all permissions unless some are named.
fn who(profile: Option<u128>, organization: Option<u128>, permissions: &[&str]) -> Who {
    let permissions = match permissions {
        [] => Permissions::ALL,
        some => Permissions::parse_all(some.iter().copied()).expect("permissions"),
    };
    Who {
        principal: Principal {
            token: None,
            profile: profile.map(id),
        },
        organization: organization.map(id),
        permissions,
    }
}

fn ask(selector: &str, who: &Who, graph: &Graph) -> Result<Vec<u128>, QueryError> {
    let limits = Limits::default();
    let selector = parse(selector, &limits).unwrap_or_else(|error| panic!("{selector}: {error}"));
    let view = View::new(graph, who);
    let plan = plan(&selector, &view, &limits)?;
    Ok(match evaluate(&plan, &view, &mut Budget::new(&limits), None)? {
        Answer::Count(count) => vec![u128::from(count)],
        Answer::Page { nodes, .. } => nodes.iter().map(|node| node.id.as_u128()).collect(),
    })
}

fn check_as(who: &Who, selector: &str, expected: &[u128]) {
    assert_eq!(ask(selector, who, &world()).as_deref(), Ok(expected), "{selector}");
}

fn check(selector: &str, expected: &[u128]) {
    check_as(&who(Some(31), None, &[]), selector, expected);
}

#[test]
fn chains_are_walked() {
    check("/Organization", &[1, 2]);
    check(
        "/Organization[@name='Nordlys']/~OneToMany/ProfileGroup[@type='employees']",
        &[11],
    );
    check(
        "/Organization[@name='Nordlys']/~OneToMany/Entitlement/~OneToMany/License",
        &[41, 42, 43],
    );
    check(
        "/Organization/~OneToMany/Entitlement/~OneToMany/License[@name='L1']",
        &[41, 44],
    );
    check(
        "/License[@name='L1']/~ManyToOne/Entitlement/~ManyToOne/Organization[@name='Umbra']",
        &[2],
    );
    check("/ProfileGroup/~Membership/Profile", &[31, 32]);
    check("/Profile[@displayName='Bo']/~Membership/ProfileGroup", &[11, 12]);
    check("/LicensedItem/~Includes/LicensedItem", &[52]);
    check("/LicensedItem[@name='viewer']/~Includes/LicensedItem", &[]);
    check("/License:License[@name='L2']", &[42]);
    check("/me", &[31]);
    check("/me/~ManyToOne/Person", &[61]);
}

#[test]
fn fields_are_compared() {
    let first = "00000000-0000-0000-0000-00000000000";
    check(&format!("/Organization[@id='{first}1']"), &[1]);
    check(&format!("/Organization[@id='{first}9']"), &[]);
    check(&format!("/License[@id='{first}1']"), &[]);
    check(
        &format!("/Organization[@id='{first}2' or @id='{first}1' or @id='{first}2']"),
        &[1, 2],
    );
    check(&format!("/Entitlement[@ref_Organization_id='{first}1']"), &[21]);
    check(&format!("/Entitlement[@ref_Organization_id!='{first}1']"), &[22]);
    check("/Profile[@ref_Person_id=null]", &[32]);
    check("/Profile[@ref_Person_id!=null]", &[31]);
    check("/Organization[@type=null]", &[2]);
    check("/Organization[@type!=null]", &[1]);
    check("/Organization[@type!='other']", &[1, 2]);
    check("/Organization[@type!~'comp']", &[]);
    check("/Organization[@type!~'firm']", &[1]);
    check("/Organization[not (@type~'comp')]", &[2]);
    check("/Organization[not (@type='company')]", &[2]);
    check("/Organization[@description~'RIVAL']", &[2]);
    check("/Organization[@description='Nordlys'' rival']", &[2]);
    check("/Organization[@name~'nor*']", &[1]);
    check("/Organization[@name*'nor']", &[]);
    check("/Organization[@name*'Nor']", &[1]);
    check("/Organization[@name='Nor*']", &[]);
    check("/EmailAddress[@value='Ada@Nordlys.Example']", &[64]);
    check("/EmailAddress[@value*'ada@']", &[64]);
    check("/EmailAddress[@value~'ada*']", &[64]);
    check("/Entitlement[@isDefault=true]", &[21]);
    check("/Entitlement[@isDefault='false']", &[22]);
    check("/SeatCountCredit[@seatCount>=5][@seatsConsumed<1]", &[71]);
    check("/SeatCountCredit[@seatCount='5']", &[71]);
    check("/License[@validUntil<'2027-06-01']", &[41]);
    check(
        "/License[@validUntil<='2027-06-01' and @validUntil>'2027-01-01']",
        &[44],
    );
    check("/License[@validUntil>=1830297600000]", &[42]);
    check("/License[@name>'L1']", &[42, 43]);
    check("/License[@lockScope='']", &[41, 42, 44]);
    check("/License[@lockScope!='']", &[43]);
    check("/License[@serial<=16 and @serial>15]", &[42]);
    check("/License[@created='2023-11-14T22:13:20Z']{count}", &[4]);
}

#[test]
fn relations_have_fields_of_their_own() {
    let group = "00000000-0000-0000-0000-00000000000b";
    check("/Profile/~Membership[@validFrom=null]/ProfileGroup", &[11]);
    check("/ProfileGroup/~Membership[@validFrom>'2026-03-01']/Profile", &[32]);
    check(
        &format!("/Profile/~Membership[@ref_ProfileGroup_id='{group}']/ProfileGroup"),
        &[11],
    );
    check(
        &format!("/ProfileGroup/~Membership[@ref_ProfileGroup_id!='{group}']/Profile"),
        &[32],
    );
    let viewer = "00000000-0000-0000-0000-000000000034";
    check(
        &format!("/LicensedItem/~Includes[@ref_LicensedItem_id2='{viewer}']/LicensedItem"),
        &[52],
    );
    check(
        &format!("/LicensedItem/~Includes[@ref_LicensedItem_id1='{viewer}']/LicensedItem"),
        &[],
    );
}

#[test]
fn order_is_chosen() {
    check("/License{s=name}", &[41, 44, 42, 43]);
    check("/License{s=name-}", &[43, 42, 41, 44]);
    check("/License{s=validUntil}", &[41, 44, 42, 43]);
    check("/License{s=validUntil-}", &[43, 42, 44, 41]);
    check("/License{s=active-,s=name+}", &[41, 44, 43, 42]);
    check("/License{s=ref_Entitlement_id-}", &[44, 41, 42, 43]);
    check("/License{s=serial}", &[41, 42, 43, 44]);
    check("/License{s=serial-}", &[44, 43, 42, 41]);
    check("/License{s=serial-,s=name}", &[44, 43, 42, 41]);
    check("/License{s=name-,s=serial+}", &[43, 42, 41, 44]);
    check("/License{s=name-,s=serial-}", &[43, 42, 44, 41]);
    check("/License{s=id-,s=name}", &[44, 43, 42, 41]);
    check("/License{s=serial-,i=1,r=2}", &[43, 42]);
    check("/License{s=serial-,i=3,r=2}", &[41]);
    check("/License{s=serial-,i=4,r=2}", &[]);
    check("/License[@name='L1']{s=serial-}", &[44, 41]);
    check("/License[@name='L1']{s=serial-,i=1}", &[41]);
    check("/License[@validUntil!=null]{s=serial-,r=2}", &[44, 42]);
    check("/License[@serial>15][@serial<=17]{s=serial-}", &[43, 42]);
    check("/Entitlement/~OneToMany/License{s=serial-,r=3}", &[44, 43, 42]);
    check(
        "/LicensedItem[@name='editor']/~OneToMany/License{s=serial-,i=1,r=1}",
        &[43],
    );
    check("/ProfileGroup/~Membership/Profile{s=serial-}", &[32, 31]);
    check("/License{s=validUntil,i=2,r=1}", &[42]);
    check("/License{s=validUntil,i=2,r=2}", &[42, 43]);
    check("/License{s=validUntil,i=3,r=2}", &[43]);
    check("/License{s=validUntil,i=4,r=2}", &[]);
    check("/License{s=validUntil-,i=1,r=2}", &[42, 44]);
    check("/License{s=validUntil-,i=3}", &[41]);
    check("/License{s=validUntil-,i=4}", &[]);
    check("/License{s=name-,i=1}", &[42, 41, 44]);
    check("/License{s=name-,i=2,r=1}", &[41]);
    check("/License{s=name-,i=3}", &[44]);
    check("/License[@validUntil>'2027-01-01']{s=validUntil-,i=1}", &[44]);
    check("/License{i=1,r=2}", &[42, 43]);
    check("/License{i=9,r=2}", &[]);
    check("/License{r=0,count}", &[4]);
    check("/License{count}", &[4]);
    check("/Entitlement/~OneToMany/License{count,i=3,r=1}", &[4]);
}

#[test]
fn what_is_hidden_is_nowhere() {
    let bound = who(None, Some(1), &[]);
    for (selector, expected) in [
        ("/Organization", &[1][..]),
        ("/Organization{count}", &[1]),
        ("/License", &[41, 42, 43]),
        ("/License{count}", &[3]),
        ("/LicensedItem[@name='editor']/~OneToMany/License{count}", &[2]),
        ("/ProfileGroup/~Membership/Profile/~Membership/ProfileGroup", &[11]),
        ("/Organization[@id='00000000-0000-0000-0000-000000000002']", &[]),
    ] {
        check_as(&bound, selector, expected);
    }
    let blind = who(None, None, &["License.read", "LicensedItem.read", "Profile.read"]);
    for (selector, expected) in [
        ("/Entitlement", &[][..]),
        ("/Entitlement{count}", &[0]),
        ("/License[@ref_Entitlement_id=null]", &[41, 42, 43, 44]),
        (
            "/License[@ref_Entitlement_id='00000000-0000-0000-0000-000000000015']",
            &[],
        ),
        ("/License[@ref_LicensedItem_id!=null]{count}", &[4]),
        ("/Entitlement/~OneToMany/License", &[]),
        ("/Profile[@ref_Person_id!=null]", &[]),
        ("/License{s=ref_Entitlement_id,r=2}", &[41, 42]),
    ] {
        check_as(&blind, selector, expected);
    }
    // One's own is read without a permission, but not beyond the organization a token is bound to.
    for (organization, expected) in [(1, &[61][..]), (2, &[])] {
        check_as(
            &who(Some(31), Some(organization), &["License.read"]),
            "/me/~ManyToOne/Person",
            expected,
        );
    }
}

/// The code, the piece of the selector it points at, and something its help says.
fn refused(selector: &str, code: &str, place: &str, help: &str) {
    let error = ask(selector, &who(None, None, &[]), &world()).expect_err(selector);
    let span = error.span.unwrap_or_default();
    let pointed = selector.get(span.start as usize..span.end as usize);
    assert_eq!(
        (error.code.as_str(), pointed),
        (code, Some(place)),
        "{selector}: {error}"
    );
    let said = error.help.clone().unwrap_or_default();
    assert!(said.contains(help), "{selector}: {said}");
}

#[test]
fn refusals_point_and_help() {
    refused(
        "/Organisation",
        "unknownType",
        "Organisation",
        "did you mean `Organization`?",
    );
    refused("/Token", "unknownType", "Token", "`Organization`");
    refused("/License[@nmae='x']", "unknownField", "nmae", "did you mean `name`?");
    refused(
        "/EmailAndPassword[@passwordHash!=null]",
        "unknownField",
        "passwordHash",
        "`userName`",
    );
    refused("/License{s=nonsense}", "unknownField", "nonsense", "`validUntil`");
    refused(
        "/EmailAndPassword{s=passwordPlain}",
        "unknownField",
        "passwordPlain",
        "`userName`",
    );
    refused(
        "/Organization/~OneToMany/License",
        "unknownRelation",
        "OneToMany",
        "`~OneToMany/Entitlement`",
    );
    refused(
        "/Organization/~ManyToOne/Entitlement",
        "unknownRelation",
        "ManyToOne",
        "`~OneToMany/Entitlement`",
    );
    refused("/License:Licenses", "unknownCollection", "Licenses", "`License`");
    refused(
        "/Profile/~Membership:Members/ProfileGroup",
        "unknownCollection",
        "Members",
        "`Membership`",
    );
    refused(
        "/Profile/~Membership[@until=null]/ProfileGroup",
        "unknownField",
        "until",
        "`validUntil`",
    );
    refused("/License[@active='yes']", "valueDoesNotFit", "'yes'", "`true`");
    refused("/License[@id='yes']", "valueDoesNotFit", "'yes'", "uuid");
    refused("/License[@validUntil='soon']", "valueDoesNotFit", "'soon'", "ISO 8601");
    refused("/License[@serial=1.5]", "valueDoesNotFit", "1.5", "digits");
    refused(
        "/License[@serial=99999999999999999999]",
        "valueDoesNotFit",
        "99999999999999999999",
        "digits",
    );
    refused("/License[@name=5]", "valueDoesNotFit", "5", "single quotes");
    refused(
        "/License[@active~'t']",
        "operatorDoesNotFit",
        "@active~'t'",
        "`=`, `!=`",
    );
    refused("/License[@id<'x']", "operatorDoesNotFit", "@id<'x'", "`=`, `!=`");
    refused("/License[@name<null]", "operatorDoesNotFit", "@name<null", "`null`");
    refused("/License{r=0}", "pageTooSmall", "{r=0}", "{count}");
    refused("/License{r=1001}", "pageTooLarge", "{r=1001}", "1000");
    refused("/me", "noCaller", "me", "/Profile");
    refused("/me()", "namedQueryStandsAlone", "me()", "alone");
}

#[test]
fn a_selector_may_name_one() {
    let graph = world();
    let who = who(Some(31), None, &[]);
    let limits = Limits::default();
    let view = View::new(&graph, &who);
    let one = format!("/License[@id='{}']", id(41));
    for (selector, expected) in [
        ("/me", true),
        (one.as_str(), true),
        ("/me/~Membership/ProfileGroup", false),
        ("/License[@name='L2']", false),
        (&format!("{one}/~ManyToOne/Entitlement"), false),
        (&format!("{one}{{count}}"), false),
        // Conditions that all hold are one however they are written.
        (&format!("/License[@id='{}' and @name='L2']", id(41)), true),
        (&format!("{one}[@name='L2']"), true),
        (&format!("/License[@name='L2'][@id='{}']", id(41)), true),
        (&format!("/License[@id='{}' or @id='{}']", id(41), id(42)), false),
    ] {
        let parsed = parse(selector, &limits).unwrap();
        assert_eq!(
            plan(&parsed, &view, &limits).unwrap().names_one(),
            expected,
            "{selector}"
        );
    }
}

#[test]
fn every_match_is_taken_without_parameters_only() {
    let graph = world();
    let who = who(None, None, &[]);
    let limits = Limits::default();
    let view = View::new(&graph, &who);
    let take = |selector: &str, most: u64| {
        let plan = plan(&parse(selector, &limits).unwrap(), &view, &limits).unwrap();
        let most = Limits {
            targets: most,
            ..limits
        };
        let nodes = all(&plan, &view, &mut Budget::new(&limits), most.targets());
        nodes
            .map(|nodes| nodes.iter().map(|node| node.id.as_u128()).collect::<Vec<_>>())
            .map_err(|error| error.code)
    };
    assert_eq!(take("/License[@name='L1']", 10), Ok(vec![41, 44]));
    assert_eq!(take("/License", 4), Ok(vec![41, 42, 43, 44]));
    assert_eq!(take("/License", 3), Err(Code::TooManyTargets));
    for selector in ["/License{count}", "/License{i=0}", "/License{r=5}", "/License{s=name}"] {
        assert_eq!(take(selector, 10), Err(Code::ParamsNotAllowed), "{selector}");
    }
}

fn tree(tree: &IncludeTree) -> String {
    let nodes: Vec<String> = tree
        .children()
        .iter()
        .map(|node| match self::tree(&node.tree) {
            below if below.is_empty() => node.hop.to().name().to_owned(),
            below => format!("{}({below})", node.hop.to().name()),
        })
        .collect();
    nodes.join(" ")
}

fn included(kind: Kind, chains: &[&str]) -> Result<IncludeTree, QueryError> {
    let limits = Limits::default();
    let parsed: Vec<_> = chains
        .iter()
        .map(|chain| parse_include(chain, &limits).unwrap())
        .collect();
    includes(&parsed, kind)
}

#[test]
fn includes_become_one_tree() {
    for (kind, chains, expected) in [
        (Kind::Profile, &[][..], ""),
        (Kind::Profile, &["/~ManyToOne/Person"], "Person"),
        (
            Kind::Profile,
            &[
                "/~ManyToOne/Person",
                "/~OneToMany/ContactInformation/~OneToMany/EmailAddress",
                "/~OneToMany/ContactInformation/~OneToMany/PostalAddress",
                "/~OneToMany/ContactInformation",
            ],
            "Person ContactInformation(EmailAddress PostalAddress)",
        ),
        (
            Kind::Entitlement,
            &[
                "/~OneToMany/License[@active=true]",
                "/~OneToMany/License[@active=false]",
                "/~OneToMany/License[@active=true]",
            ],
            "License License",
        ),
    ] {
        assert_eq!(tree(&included(kind, chains).unwrap()), expected);
    }
    let refused = |kind, chain: &str| included(kind, &[chain]).map(|_| ()).map_err(|error| error.code);
    assert_eq!(
        refused(Kind::Profile, "/~ManyToOne/License"),
        Err(Code::UnknownRelation)
    );
    assert_eq!(refused(Kind::Profile, "/~ManyToOne/Persom"), Err(Code::UnknownType));
    assert_eq!(
        refused(Kind::Entitlement, "/~OneToMany/License[@x=1]"),
        Err(Code::UnknownField)
    );
}

#[test]
fn related_objects_are_visible_and_filtered() {
    let graph = world();
    let limits = Limits::default();
    let found = |who: &Who, from: u128, chain: &str| {
        let view = View::new(&graph, who);
        let node = graph.find(id(from)).unwrap();
        let tree = included(node.kind, &[chain]).unwrap();
        let ends = related(node, &tree.children()[0], &view, &mut Budget::new(&limits)).unwrap();
        ends.iter()
            .map(|(node, fields)| (node.id.as_u128(), fields.len()))
            .collect::<Vec<_>>()
    };
    let all = who(None, None, &[]);
    assert_eq!(found(&all, 21, "/~OneToMany/License[@active=true]"), [(41, 0), (43, 0)]);
    assert_eq!(found(&all, 32, "/~Membership/ProfileGroup"), [(11, 0), (12, 1)]);
    assert_eq!(
        found(&all, 32, "/~Membership[@validFrom!=null]/ProfileGroup"),
        [(12, 1)]
    );
    let bound = who(None, Some(1), &[]);
    assert_eq!(found(&bound, 32, "/~Membership/ProfileGroup"), [(11, 0)]);
    assert_eq!(found(&bound, 51, "/~OneToMany/License"), [(41, 0), (43, 0)]);
    assert_eq!(
        found(&who(None, None, &["Profile.read"]), 32, "/~Membership/ProfileGroup"),
        []
    );
}

#[test]
fn named_queries_answer_rows() {
    let graph = world();
    let limits = Limits::default();
    let rows = |who: &Who, selector: &str| {
        let selector = parse(selector, &limits).unwrap();
        let rows = named(&selector, &View::new(&graph, who), &mut Budget::new(&limits)).map_err(|error| error.code)?;
        let row = |row: &Row<'_>| {
            row.iter()
                .map(|(kind, node)| format!("{} {}", kind.name(), node.id.as_u128()))
                .collect()
        };
        Ok(rows.iter().map(row).collect::<Vec<Vec<String>>>())
    };
    let ada = who(Some(31), None, &[]);
    assert_eq!(
        rows(&ada, "/me()"),
        Ok(vec![vec!["Profile 31".to_owned(), "Person 61".to_owned()]])
    );
    let bo = format!("/profile('{}')", id(32));
    assert_eq!(rows(&ada, &bo), Ok(vec![vec!["Profile 32".to_owned()]]));
    assert_eq!(rows(&ada, &format!("/profile('{}')", id(1))), Ok(vec![]));
    let by_address = vec![vec!["EmailAddress 64".to_owned(), "Profile 31".to_owned()]];
    assert_eq!(rows(&ada, "/emailAndProfile('ada@NORDLYS.example')"), Ok(by_address));
    let by_login = vec![vec!["EmailAndPassword 62".to_owned(), "Profile 31".to_owned()]];
    let no_addresses = who(None, None, &["Profile.read", "Person.read", "EmailAndPassword.read"]);
    assert_eq!(
        rows(&no_addresses, "/emailAndProfile('ada@nordlys.example')"),
        Ok(by_login)
    );
    assert_eq!(
        rows(&who(None, Some(2), &[]), "/emailAndProfile('ada@nordlys.example')"),
        Ok(vec![])
    );
    for (selector, code) in [
        ("/mee()", Code::UnknownNamedQuery),
        ("/me('x')", Code::ArgumentsDoNotFit),
        ("/profile()", Code::ArgumentsDoNotFit),
        ("/profile('x')", Code::ValueDoesNotFit),
        ("/profile(null)", Code::ValueDoesNotFit),
        ("/me(){count}", Code::NamedQueryStandsAlone),
        ("/me()/~ManyToOne/Person", Code::NamedQueryStandsAlone),
    ] {
        assert_eq!(rows(&ada, selector), Err(code), "{selector}");
    }
    assert_eq!(rows(&who(None, None, &[]), "/me()"), Err(Code::NoCaller));
}

#[test]
fn an_explanation_counts_what_was_done() {
    let graph = world();
    let who = who(None, None, &[]);
    let limits = Limits::default();
    let view = View::new(&graph, &who);
    let selector = parse(
        "/Organization[@name='Nordlys']/~OneToMany/Entitlement/~OneToMany/License",
        &limits,
    )
    .unwrap();
    let plan = plan(&selector, &view, &limits).unwrap();
    let told = explain(&plan, &IncludeTree::default(), &view, &mut Budget::new(&limits), None).unwrap();
    assert_eq!(told.plan, plan.to_string());
    assert_eq!(
        told.steps.iter().map(|step| step.spent.visited).collect::<Vec<_>>(),
        [1, 1, 3]
    );
    assert_eq!((told.spent.visited, told.count), (5, 3));
    assert_eq!(
        told.steps.iter().map(|step| step.estimated).sum::<u64>(),
        plan.estimate()
    );
}

#[test]
fn an_explanation_counts_what_includes_nest() {
    let graph = world();
    let who = who(None, None, &[]);
    let view = View::new(&graph, &who);
    let check = |asked: &str, chains: &[&str], visited: u64, expected: Result<&[(&str, u64, u64)], Code>| {
        let limits = Limits {
            visited,
            ..Limits::default()
        };
        let plan = plan(&parse(asked, &limits).unwrap(), &view, &limits).unwrap();
        let chains: Vec<_> = chains
            .iter()
            .map(|text| parse_include(text, &limits).unwrap())
            .collect();
        let tree = includes(&chains, plan.result_kind()).unwrap();
        let told = explain(&plan, &tree, &view, &mut Budget::new(&limits), None).map_err(|error| error.code);
        let nested = told.map(|told| {
            let all: u64 = told.steps.iter().map(|step| step.spent.visited).sum();
            assert_eq!(all, told.spent.visited, "{asked}");
            let nested = told
                .steps
                .iter()
                .filter_map(|step| Some((step.step.clone(), step.spent.visited, step.kept?)));
            let nested: Vec<_> = nested.collect();
            for (step, ..) in &nested {
                assert!(told.plan.contains(&format!("\n{step} (about ")), "{}", told.plan);
            }
            nested
        });
        let expected = expected.map(|all| {
            all.iter()
                .map(|(step, visited, kept)| ((*step).to_owned(), *visited, *kept))
        });
        assert_eq!(nested, expected.map(Iterator::collect), "{asked} {chains:?}");
    };
    let many = 100;
    let organization = "/Organization[@id='00000000-0000-0000-0000-000000000001']";
    let licenses = [
        "/~OneToMany/Entitlement/~OneToMany/License[@name='no such']",
        "/~OneToMany/Entitlement",
        "/~OneToMany/ProfileGroup/~Membership/Profile",
    ];
    check(organization, &[], many, Ok(&[]));
    check(
        organization,
        &licenses,
        many,
        Ok(&[
            ("include ~OneToMany Entitlement", 1, 1),
            (
                "include ~OneToMany Entitlement ~OneToMany License[@name='no such']",
                3,
                0,
            ),
            ("include ~OneToMany ProfileGroup", 1, 1),
            ("include ~OneToMany ProfileGroup ~Membership Profile", 2, 2),
        ]),
    );
    check(
        "/Organization{count}",
        &licenses[1..2],
        many,
        Ok(&[("include ~OneToMany Entitlement", 0, 0)]),
    );
    // The budget is one: of the eight visits the selector takes the first.
    check(
        organization,
        &licenses,
        8,
        Ok(&[
            ("include ~OneToMany Entitlement", 1, 1),
            (
                "include ~OneToMany Entitlement ~OneToMany License[@name='no such']",
                3,
                0,
            ),
            ("include ~OneToMany ProfileGroup", 1, 1),
            ("include ~OneToMany ProfileGroup ~Membership Profile", 2, 2),
        ]),
    );
    check(organization, &licenses, 7, Err(Code::VisitedTooMuch));
}

#[test]
fn a_cursor_of_another_selector_is_refused() {
    let graph = world();
    let who = who(None, None, &[]);
    let limits = Limits::default();
    let view = View::new(&graph, &who);
    let run = |selector: &str, after: Option<&Position>| {
        let plan = plan(&parse(selector, &limits).unwrap(), &view, &limits).unwrap();
        match evaluate(&plan, &view, &mut Budget::new(&limits), after) {
            Ok(Answer::Page { nodes, next }) => {
                Ok((nodes.iter().map(|node| node.id.as_u128()).collect::<Vec<_>>(), next))
            }
            Ok(Answer::Count(count)) => panic!("{count}"),
            Err(error) => Err(error.code),
        }
    };
    let (first, next) = run("/License{s=validUntil,r=2}", None).unwrap();
    assert_eq!(first, [41, 44]);
    let next = next.unwrap();
    assert_eq!(run("/License{s=validUntil,r=2}", Some(&next)), Ok((vec![42, 43], None)));
    assert_eq!(run("/License{s=name,r=2}", Some(&next)), Err(Code::CursorDoesNotFit));
    assert_eq!(run("/License{r=2}", Some(&next)), Err(Code::CursorDoesNotFit));
}

/// One person whose last name has so many bytes, none of them ASCII.
fn long_named(bytes: usize) -> Graph {
    let clock = Clock::frozen(Time(1_700_000_000_000));
    let mut graph = Graph::new();
    let mut transaction = Transaction::new(&mut graph, 1, clock.now(), &clock);
    let field = |name| Kind::Person.field(name).expect("a field");
    let fields = [
        (field("firstName"), text("Ada")),
        (field("lastName"), text(&"Ä".repeat(bytes / 2))),
    ];
    transaction
        .create(id(1), Kind::Person, fields.into_iter().collect(), Kept::default())
        .expect("a new entity");
    transaction.finish().expect("a world within the rules");
    graph
}

#[test]
fn a_long_text_is_folded_once_and_paid_for_each_time() {
    let graph = long_named(256 * 1000);
    let who = who(None, None, &[]);
    let texts = |selector: &str, limits: &Limits| {
        let view = View::new(&graph, &who);
        let plan = plan(&parse(selector, limits).unwrap(), &view, limits).unwrap();
        let mut budget = Budget::new(limits);
        evaluate(&plan, &view, &mut budget, None).map_err(|error| error.code)?;
        assert_eq!(budget.visited(), 1, "{selector}");
        Ok(budget.spent().comparing)
    };
    let all = Limits::default();
    // Many comparisons of one cost something too.
    let together = |number: usize| (number as u64 / 8).saturating_sub(1);
    let likes = |number: usize| {
        let like = |index: usize| format!("@lastName!~'*ä*ä*c{index}*'");
        let likes: Vec<String> = (0..number).map(like).collect();
        format!("/Person[@firstName='Ada'][{}]{{count}}", likes.join(" and "))
    };
    assert_eq!(texts("/Person[@firstName='Ada']{count}", &all), Ok(0));
    for number in [1, 2, 60] {
        assert_eq!(
            texts(&likes(number), &all),
            Ok(1000 * (1 + number as u64) + together(number + 1))
        );
    }
    // Not through all of it: what it is compared with is short.
    assert_eq!(texts("/Person[@lastName='x']{count}", &all), Ok(0));
    assert_eq!(texts("/Person[@firstName='Ada'][@lastName*'Ä']{count}", &all), Ok(0));
    assert_eq!(texts("/Person{s=lastName}", &all), Ok(0));
    let view = View::new(&graph, &who);
    let likes_two = plan(&parse(&likes(2), &all).unwrap(), &view, &all).unwrap();
    let told = explain(&likes_two, &IncludeTree::default(), &view, &mut Budget::new(&all), None).unwrap();
    let both = Spent {
        visited: 1,
        comparing: 3000,
    };
    assert_eq!((told.steps[0].spent, told.spent), (both, both));
    let few = Limits { visited: 20_000, ..all };
    assert_eq!(texts(&likes(60), &few), Err(Code::VisitedTooMuch));
    let no_time = Limits { query_ms: 0, ..all };
    assert_eq!(texts(&likes(1), &no_time), Err(Code::TimeSpent));
    assert_eq!(texts("/Person[@firstName='Ada']{count}", &no_time), Ok(0));
}

#[test]
fn many_conditions_are_paid_for() {
    let (graph, who) = (world(), who(None, None, &[]));
    let view = View::new(&graph, &who);
    let spent = |conds: &str, limits: &Limits| {
        let plan = plan(
            &parse(&format!("/Organization[{conds}]{{count}}"), limits).unwrap(),
            &view,
            limits,
        )
        .unwrap();
        let mut budget = Budget::new(limits);
        evaluate(&plan, &view, &mut budget, None).map_err(|error| error.code)?;
        Ok(budget.spent())
    };
    let all = Limits::default();
    let joined = |number: usize, word: &str, test: &str| vec![test; number].join(word);
    let check = |conds: &str, comparing: u64| {
        let visited = 2;
        assert_eq!(spent(conds, &all), Ok(Spent { visited, comparing }), "{conds}");
    };
    for (number, each) in [(1, 0), (8, 0), (15, 0), (16, 1), (24, 2), (63, 6), (64, 7)] {
        check(&joined(number, " and ", "@name!~'*x*'"), 2 * each);
        check(&joined(number, " or ", "@name~'*x*'"), 2 * each);
        check(&joined(number, "][", "@type!='x'"), 2 * each);
    }
    // What is not compared costs nothing.
    check(&joined(64, " and ", "@name~'*x*'"), 0);
    let few = Limits { visited: 15, ..all };
    assert_eq!(
        spent(&joined(64, " and ", "@name!~'*x*'"), &few),
        Err(Code::VisitedTooMuch)
    );
}

/// People with a login each, whose names begin alike for longer than a cursor remembers; one may be missing, but for its
/// serial.
fn alike(missing: Option<usize>) -> Graph {
    let clock = Clock::frozen(Time(1_700_000_000_000));
    let mut graph = Graph::new();
    let mut transaction = Transaction::new(&mut graph, 1, clock.now(), &clock);
    let name = |kind: Kind, name: &str| kind.field(name).expect("a field");
    let long = |bytes: usize| "a".repeat(bytes);
    let names = [
        Some(long(300) + "c"),
        Some("b".to_owned()),
        Some(long(300) + "a"),
        None,
        Some(long(300) + "B"),
        Some(long(255) + "é"),
        Some(long(256)),
        Some(long(255) + "ê"),
        Some(long(300) + "a"),
        Some(long(255)),
        Some(long(255) + "é!"),
        None,
        Some(long(300) + "A"),
        Some("B".repeat(100)),
    ];
    let rel = find_relation(RelationType::OneToMany, Kind::Person, Kind::EmailAndPassword).expect("a relation");
    for (index, text) in names.iter().enumerate() {
        let (person, login) = (id(100 + index as u128), id(200 + index as u128));
        if missing == Some(index) {
            for (id, item) in [(person, "one"), (login, "other")] {
                let fields = Fields::from_iter([(name(Kind::LicensedItem, "name"), Value::text(item))]);
                transaction
                    .create(id, Kind::LicensedItem, fields, Kept::default())
                    .expect("a new entity");
            }
            continue;
        }
        let last = text
            .iter()
            .map(|text| (name(Kind::Person, "lastName"), Value::text(text)));
        transaction
            .create(person, Kind::Person, last.collect(), Kept::default())
            .expect("a new entity");
        let user = text.clone().unwrap_or_default() + if index % 2 == 0 { "x" } else { "X" } + &index.to_string();
        let fields = Fields::from_iter([(name(Kind::EmailAndPassword, "userName"), Value::text(&user))]);
        transaction
            .create(login, Kind::EmailAndPassword, fields, Kept::default())
            .expect("a new entity");
        transaction
            .relate(rel, person, login, Fields::default())
            .expect("a new relation");
    }
    transaction.finish().expect("a world within the rules");
    graph
}

#[test]
fn pages_by_long_texts_are_the_whole() {
    let (graph, who, limits) = (alike(None), who(None, None, &[]), Limits::default());
    let view = View::new(&graph, &who);
    let page = |text: &str, view: &View<'_>, after: Option<&Position>| {
        let plan = plan(&parse(text, &limits).unwrap(), view, &limits).unwrap();
        match evaluate(&plan, view, &mut Budget::new(&limits), after) {
            Ok(Answer::Page { nodes, next }) => (nodes.iter().map(|node| node.id).collect::<Vec<_>>(), next),
            answer => panic!("{answer:?}"),
        }
    };
    for (kind, first) in [("Person", 100), ("EmailAndPassword", 200)] {
        for sort in [
            "s=lastName",
            "s=lastName-",
            "s=lastName,s=created",
            "s=lastName-,s=lastName,s=id",
        ] {
            let sort = if first == 100 {
                sort.to_owned()
            } else {
                sort.replace("lastName", "userName")
            };
            for conds in ["", "[@lastName>'aa']", "[@lastName<'aaaaaaaaaaaaaaab']"] {
                let conds = if first == 100 {
                    conds.to_owned()
                } else {
                    conds.replace("lastName", "userName")
                };
                let selector = parse(&format!("/{kind}{conds}{{{sort}}}"), &limits).unwrap();
                let expected: Vec<Uuid> = naive::naive(&selector, &view)
                    .unwrap()
                    .iter()
                    .map(|node| node.id)
                    .collect();
                assert!(expected.len() > 5, "{selector}");
                for offset in 0..=expected.len() {
                    let asked = format!("/{kind}{conds}{{i={offset},r=3,{sort}}}");
                    let rest = &expected[offset..];
                    assert_eq!(page(&asked, &view, None).0, rest[..rest.len().min(3)], "{asked}");
                }
                for rows in 1..=4 {
                    let asked = format!("/{kind}{conds}{{r={rows},{sort}}}");
                    let (mut found, mut after) = (Vec::new(), None);
                    loop {
                        let (nodes, next) = page(&asked, &view, after.as_ref());
                        found.extend(nodes);
                        let Some(next) = next else { break };
                        let bytes = next.encode();
                        assert!(bytes.len() < 600, "{} bytes", bytes.len());
                        assert_eq!(Position::decode(&bytes).as_ref(), Some(&next));
                        // The same without the last of this page.
                        let last = found.last().expect("a page").as_u128() - first;
                        let without = alike(Some(usize::try_from(last).unwrap()));
                        let whole = page(
                            &format!("/{kind}{conds}{{{sort}}}"),
                            &View::new(&without, &who),
                            Some(&next),
                        );
                        assert_eq!(whole.0, expected[found.len()..], "{asked} without {last}");
                        after = Some(next);
                    }
                    assert_eq!(found, expected, "{asked}");
                }
            }
        }
    }
}

/// A target, the query that follows it, and its answer in words: what stands in the tables of the page.
#[test]
fn the_examples_of_the_docs_mean_something() {
    let (world, caller, limits) = (world(), who(Some(31), None, &[]), Limits::default());
    let view = View::new(&world, &caller);
    let rows = include_str!("../../docs/selectors.md").lines();
    let targets: Vec<String> = rows
        .filter_map(|row| row.strip_prefix("| `")?.split_once("` | "))
        .map(|(target, _)| target.replace("\\|", "|"))
        .collect();
    assert!(targets.len() > 40, "{} examples", targets.len());
    for target in targets {
        let (text, parameters) = target.split_once('?').unwrap_or((&target, ""));
        let read = parse_target(text, &limits).unwrap_or_else(|error| panic!("{target}: {error}"));
        let selector = read.selector.expect("a selector");
        if matches!(selector.head, Head::Named(_)) {
            let rows = named(&selector, &view, &mut Budget::new(&limits));
            assert!(rows.is_ok(), "{target}");
            continue;
        }
        let planned = plan(&selector, &view, &limits).unwrap_or_else(|error| panic!("{target}: {error}"));
        let steps = parameters.split('&').filter(|parameter| parameter.starts_with("/~"));
        let steps: Vec<_> = steps
            .map(|include| parse_include(include, &limits).unwrap_or_else(|error| panic!("{target}: {error}")))
            .collect();
        let found = includes(&steps, planned.result_kind());
        assert!(found.is_ok(), "{target}");
    }
}
