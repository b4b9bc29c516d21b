//! What selectors cost: `fixtures/plan` pins, on a small world with hubs in it, the plan of each selector, how many entities
//! and relations it visits and how many it finds. Work, not time. And selectors made to cost much end by their budget.
//!
//! `SEATGRAPH_BLESS=1` writes the files anew; the change is then read like any other.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use seatgraph::access::{View, Who};
use seatgraph::graph::{Graph, Kept, Transaction};
use seatgraph::limits::Limits;
use seatgraph::model::schema::find_relation;
use seatgraph::model::{Clock, Fields, Kind, Principal, RelationType, Time, Value};
use seatgraph::query::{self, Answer, Budget, Code, IncludeTree, Position};
use uuid::Uuid;

use crate::differential::{Dice, asked_of};

const EPOCH: i64 = 1_800_000_000_000;
const DAY: i64 = 86_400_000;

/// The n-th of a kind; `#Organization.1` in a fixture.
fn id(kind: Kind, number: usize) -> Uuid {
    Uuid::from_u128((kind as u128 + 1) << 64 | number as u128)
}

struct Maker<'a, 'g> {
    transaction: &'a mut Transaction<'g>,
}

impl Maker<'_, '_> {
    fn entity(&mut self, kind: Kind, number: usize, fields: &[(&str, Value)]) {
        let fields = fields
            .iter()
            .map(|(name, value)| (kind.field(name).expect("a field"), value.clone()));
        let made = self
            .transaction
            .create(id(kind, number), kind, fields.collect(), Kept::default());
        made.expect("a new entity");
    }

    fn relate(&mut self, relation: RelationType, from: (Kind, usize), to: (Kind, usize)) {
        let rel = find_relation(relation, from.0, to.0).expect("a relation of the schema");
        let fields = Fields::default();
        let made = self.transaction.relate(rel, id(from.0, from.1), id(to.0, to.1), fields);
        made.expect("a new relation");
    }
}

fn made(fill: impl FnOnce(&mut Maker<'_, '_>)) -> Graph {
    let clock = Clock::frozen(Time(EPOCH));
    let mut graph = Graph::new();
    let mut transaction = Transaction::new(&mut graph, 1, clock.now(), &clock);
    fill(&mut Maker {
        transaction: &mut transaction,
    });
    transaction.finish().expect("a world within the rules");
    graph
}

/// Organization 1 has an entitlement of 1,000 licenses and a group of 500 profiles, each with a person and an address;
/// organizations 2 to 52 have an entitlement of two licenses and a group of three of the same profiles. All licenses but
/// every tenth of the first thousand are of item 1, which is a hub too.
fn world() -> Graph {
    use Kind::*;
    use RelationType::*;
    made(|make| {
        let text = |text: String| Value::text(&text);
        for item in 1..=5 {
            make.entity(LicensedItem, item, &[("name", text(format!("item {item}")))]);
        }
        let mut license = 0;
        for organization in 1..=52 {
            let kind = if organization % 4 == 0 { "vendor" } else { "company" };
            make.entity(
                Organization,
                organization,
                &[
                    ("name", text(format!("Organization {organization:02}"))),
                    ("type", Value::text(kind)),
                ],
            );
            make.entity(Entitlement, organization, &[("name", Value::text("Main"))]);
            make.relate(OneToMany, (Organization, organization), (Entitlement, organization));
            make.entity(ProfileGroup, organization, &[("name", Value::text("Crew"))]);
            make.relate(OneToMany, (Organization, organization), (ProfileGroup, organization));
            for _ in 0..if organization == 1 { 1000 } else { 2 } {
                license += 1;
                let mut fields = vec![
                    ("name", text(format!("L{license:04}"))),
                    ("active", Value::Bool(license % 3 != 0)),
                ];
                if license % 2 == 0 {
                    fields.push(("validUntil", Value::Time(Time(EPOCH + license as i64 * DAY))));
                }
                make.entity(License, license, &fields);
                make.relate(OneToMany, (Entitlement, organization), (License, license));
                let item = if organization == 1 && license % 10 == 0 { 2 } else { 1 };
                make.relate(OneToMany, (LicensedItem, item), (License, license));
            }
        }
        for profile in 1..=500 {
            make.entity(
                Person,
                profile,
                &[("firstName", text(format!("First {}", profile % 7)))],
            );
            make.entity(
                Profile,
                profile,
                &[("displayName", text(format!("Profile {profile:03}")))],
            );
            make.relate(OneToMany, (Person, profile), (Profile, profile));
            make.entity(ContactInformation, profile, &[]);
            make.relate(OneToMany, (Profile, profile), (ContactInformation, profile));
            make.entity(
                EmailAddress,
                profile,
                &[("value", text(format!("P{profile}@Example.com")))],
            );
            make.relate(OneToMany, (ContactInformation, profile), (EmailAddress, profile));
            make.relate(Membership, (Profile, profile), (ProfileGroup, 1));
            if profile <= 153 {
                make.relate(Membership, (Profile, profile), (ProfileGroup, 2 + profile % 51));
            }
        }
    })
}

fn everybody() -> Who {
    Who {
        principal: Principal {
            token: None,
            profile: Some(id(Kind::Profile, 7)),
        },
        ..Who::server()
    }
}

/// A token of an organization: the second has two licenses and three profiles, the first most of all there is.
fn bound(organization: usize) -> Who {
    Who {
        principal: Principal::default(),
        organization: Some(id(Kind::Organization, organization)),
        ..Who::server()
    }
}

fn with_ids(text: &str) -> String {
    let mut written = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('#') {
        let word = after.split('\'').next().unwrap_or_default();
        let named = word
            .split_once('.')
            .and_then(|(kind, number)| Some((Kind::named(kind)?, number.parse().ok()?)));
        let (kind, number) = named.unwrap_or_else(|| panic!("`#{word}` is no `#Kind.number`"));
        written.push_str(before);
        written.push_str(&id(kind, number).to_string());
        rest = &after[word.len()..];
    }
    written + rest
}

fn without_ids(text: &str) -> String {
    let mut text = text.to_owned();
    for kind in Kind::public() {
        for number in [1, 2, 7, 40, 500, 999] {
            text = text.replace(&id(kind, number).to_string(), &format!("#{}.{number}", kind.name()));
        }
    }
    text
}

/// A block: the selector after `?`, then what is known of it.
fn told(asked: &str, view: &View<'_>, limits: &Limits) -> String {
    let selector =
        seatgraph::selector::parse(&with_ids(asked), limits).unwrap_or_else(|error| panic!("{asked}: {error}"));
    let mut told = format!("? {asked}\n");
    let plan = match query::plan(&selector, view, limits) {
        Ok(plan) => plan,
        Err(error) => panic!("{asked}: {error}"),
    };
    for line in without_ids(&plan.to_string()).lines() {
        let _ = writeln!(told, "  {line}");
    }
    match query::explain(&plan, &IncludeTree::default(), view, &mut Budget::new(limits), None) {
        Ok(done) => {
            let _ = writeln!(told, "  visited {}, answer {}", done.spent.visited, done.count);
        }
        Err(error) => {
            let _ = writeln!(told, "  {}", error.code);
        }
    }
    told
}

#[test]
fn plans_are_pinned() {
    let graph = world();
    let (everybody, bound, hub) = (everybody(), bound(2), bound(1));
    let limits = Limits::default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/plan");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("fixtures/plan")
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    let mut different = String::new();
    for file in files {
        let kept = std::fs::read_to_string(&file).unwrap();
        let who = match file.file_stem().and_then(|stem| stem.to_str()) {
            Some("bound") => &bound,
            Some("bound_hub") => &hub,
            _ => &everybody,
        };
        let view = View::new(&graph, who);
        let (mut new, mut asked) = (String::new(), 0);
        for line in kept.lines() {
            if let Some(selector) = line.strip_prefix("? ") {
                asked += 1;
                new.push('\n');
                new.push_str(&told(selector, &view, &limits));
            } else if line.starts_with('#') {
                new.push_str(line);
                new.push('\n');
            }
        }
        assert!(asked > 0, "{}: no selector", file.display());
        if std::env::var_os("SEATGRAPH_BLESS").is_some() {
            std::fs::write(&file, &new).unwrap();
        } else if new != kept {
            for (new, kept) in new
                .split("\n? ")
                .zip(kept.split("\n? "))
                .filter(|(new, kept)| new != kept)
            {
                let _ = writeln!(different, "{}\nis now\n? {new}\nwas\n? {kept}", file.display());
            }
        }
    }
    assert!(different.is_empty(), "{different}");
}

/// A page anywhere in a hub's relations costs a page: the cursor goes to its place, it does not count up to it.
#[test]
fn a_page_costs_a_page_wherever_it_is() {
    let graph = world();
    let who = everybody();
    let view = View::new(&graph, &who);
    let limits = Limits::default();
    for asked in [
        "/LicensedItem[@id='#LicensedItem.1']/~OneToMany/License{r=20}",
        "/License{r=20}",
        "/License{r=20,s=name}",
        "/License{r=20,s=name-}",
        "/License{r=20,s=serial-}",
        "/LicensedItem[@id='#LicensedItem.1']/~OneToMany/License{r=20,s=serial-}",
        "/License[@ref_LicensedItem_id='#LicensedItem.1']{r=20,s=serial-}",
        "/Organization[@name*'Organization']/~OneToMany/Entitlement/~OneToMany/License{r=20}",
        "/License[@ref_LicensedItem_id='#LicensedItem.1']{r=20}",
        "/Person[@firstName='First 3']{r=20}",
    ] {
        let selector = seatgraph::selector::parse(&with_ids(asked), &limits).unwrap();
        let plan = query::plan(&selector, &view, &limits).unwrap();
        let (mut after, mut pages, mut most, mut found): (Option<Position>, _, _, _) = (None, 0, 0, 0);
        loop {
            let mut budget = Budget::new(&limits);
            let Ok(Answer::Page { nodes, next }) = query::evaluate(&plan, &view, &mut budget, after.as_ref()) else {
                panic!("{asked}: no page");
            };
            (pages, most, found) = (pages + 1, most.max(budget.visited()), found + nodes.len());
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert!(pages > 3 && found > 60, "{asked}: {pages} pages of {found}");
        // The page, one more to know that there is more, and what leads there.
        assert!(most <= 21 + 130, "{asked}: {most} visited for a page\n{plan}");
    }
}

#[test]
fn what_costs_too_much_ends_by_its_budget() {
    let graph = world();
    let who = everybody();
    let view = View::new(&graph, &who);
    let limits = Limits {
        visited: 805,
        ..Limits::default()
    };
    let crowd = "/Profile/~Membership/ProfileGroup/~Membership/Profile/~Membership/ProfileGroup/~Membership/Profile";
    for (asked, too_much) in [
        // The page is found by checking, not by walking.
        (crowd.to_owned(), false),
        (format!("{crowd}{{count}}"), true),
        (format!("{crowd}{{s=description-,r=1}}"), true),
        (format!("{crowd}[@description~'x']"), true),
        (
            format!(
                "{crowd}{}{{count}}",
                "/~Membership/ProfileGroup/~Membership/Profile".repeat(10)
            ),
            true,
        ),
        // What comes before a page is passed over where all of it is in the answer.
        ("/License{i=1090,r=5}".to_owned(), false),
        ("/License[@name!='x']{i=795,r=5}".to_owned(), false),
        ("/License[@name!='x']{i=805,r=5}".to_owned(), true),
        ("/License[@name~'*a*b*c*d*e*f*']".to_owned(), true),
        (
            "/LicensedItem/~OneToMany/License[@name~'x']/~ManyToOne/LicensedItem/~OneToMany/License".to_owned(),
            true,
        ),
        ("/License{s=active}".to_owned(), true),
        ("/License{count}".to_owned(), false),
        ("/License[@name>'']{count}".to_owned(), false),
        ("/License{s=serial-,r=5}".to_owned(), false),
        ("/License{s=name,s=serial,r=5}".to_owned(), false),
    ] {
        let selector = seatgraph::selector::parse(&asked, &limits).unwrap_or_else(|error| panic!("{asked}: {error}"));
        let plan = query::plan(&selector, &view, &limits).unwrap();
        let mut budget = Budget::new(&limits);
        let answer = query::evaluate(&plan, &view, &mut budget, None);
        assert_eq!(
            answer.is_err(),
            too_much,
            "{asked}: {} visited\n{plan}",
            budget.visited()
        );
        if let Err(error) = answer {
            assert_eq!(error.code, Code::VisitedTooMuch, "{asked}");
            assert_eq!(
                error.limit.map(|limit| (limit.name, limit.value)),
                Some(("visited", 805)),
                "{asked}"
            );
            assert_eq!(budget.visited(), 806, "{asked}");
        }
    }
}

/// Licenses run out in the order they came in, so the ones that run out last are all at the end, where a page in order of
/// serial is not looked for first. Whoever hoped for them gives up in time, and finds the same.
#[test]
fn a_hope_that_fails_costs_little() {
    let graph = world();
    let who = everybody();
    let view = View::new(&graph, &who);
    let limits = Limits::default();
    let mut given_up = 0;
    for day in (0..1100).step_by(25) {
        for (asked, rows) in [
            (format!("/License[@validUntil>{}]{{r=3}}", EPOCH + day * DAY), 3),
            (format!("/License[@validUntil>{}]{{r=3,s=name+}}", EPOCH + day * DAY), 3),
            (
                format!(
                    "/Entitlement[@name='Main']/~OneToMany/License[@validUntil>{}]{{r=2}}",
                    EPOCH + day * DAY
                ),
                2,
            ),
        ] {
            let selector = seatgraph::selector::parse(&asked, &limits).unwrap();
            let expected = query::naive::naive(&selector, &view).unwrap();
            let plan = query::plan(&selector, &view, &limits).unwrap();
            let mut budget = Budget::new(&limits);
            let Ok(Answer::Page { nodes, .. }) = query::evaluate(&plan, &view, &mut budget, None) else {
                panic!("{asked}: no page");
            };
            assert_eq!(nodes, expected[..rows.min(expected.len())], "{asked}\n{plan}");
            given_up += usize::from(budget.given_up().is_some());
            // What was spent in vain is at most four times what was hoped, and two hundred.
            let hoped = plan.estimate();
            assert!(
                budget
                    .given_up()
                    .is_none_or(|spent| spent.visited + spent.comparing <= 4 * hoped + 201),
                "{asked}\n{plan}"
            );
        }
    }
    assert!(given_up > 5, "{given_up} given up");
}

/// A small customer of many licenses of few items: whatever is hoped for on the way from the items back to it, the answer
/// costs no more than a few times what the customer has.
#[test]
fn the_licenses_of_others_cost_little() {
    let graph = world();
    let who = everybody();
    let view = View::new(&graph, &who);
    let limits = Limits::default();
    for organization in [2, 7, 52] {
        for asked in [
            format!("/Organization[@name='Organization {organization:02}']/~OneToMany/Entitlement/~OneToMany/License"),
            format!(
                "/Organization[@id='{}']/~OneToMany/Entitlement/~OneToMany/License",
                id(Kind::Organization, organization)
            ),
            format!(
                "/Entitlement[@id='{}']/~OneToMany/License",
                id(Kind::Entitlement, organization)
            ),
            format!(
                "/Entitlement[@ref_Organization_id='{}']/~OneToMany/License",
                id(Kind::Organization, organization)
            ),
        ] {
            for rest in ["", "{count}", "{s=name}", "{s=serial-}"] {
                let asked = format!("{asked}/~ManyToOne/LicensedItem{rest}");
                let selector = seatgraph::selector::parse(&asked, &limits).unwrap();
                let plan = query::plan(&selector, &view, &limits).unwrap();
                let mut budget = Budget::new(&limits);
                query::evaluate(&plan, &view, &mut budget, None).unwrap();
                assert!(budget.visited() < 10, "{asked}: {} visited\n{plan}", budget.visited());
            }
        }
    }
}

/// What an include nests for a bound token costs what is its own, however much of a hub is not.
#[test]
fn a_hub_of_others_is_not_gone_through() {
    let graph = world();
    let (everybody, bound) = (everybody(), bound(2));
    let limits = Limits::default();
    let item = graph.find(id(Kind::LicensedItem, 1)).unwrap();
    let chain = seatgraph::selector::parse_include("/~OneToMany/License", &limits).unwrap();
    let tree = query::includes(&[chain], Kind::LicensedItem).unwrap();
    let nested = |who: &Who| {
        let view = View::new(&graph, who);
        let mut budget = Budget::new(&limits);
        let ends = query::related(item, &tree.children()[0], &view, &mut budget).unwrap();
        let serials: Vec<_> = ends.iter().map(|(end, _)| end.serial).collect();
        (serials, budget.visited())
    };
    let (all, visited) = nested(&everybody);
    assert_eq!((all.len(), visited), (1002, 1002));
    let (own, visited) = nested(&bound);
    let view = View::new(&graph, &bound);
    let hop = tree.children()[0].hop;
    let seen = item.hop(hop, None).filter(|(end, _)| view.sees(*end));
    assert_eq!(own, seen.map(|(end, _)| end.serial).collect::<Vec<_>>());
    assert_eq!((own.len(), visited), (2, 4));
}

/// What an organization has lies in its last entitlement, and its first ones tell nothing of it.
#[test]
fn what_is_ones_own_is_gone_through_no_further_than_the_hub() {
    use Kind::*;
    use RelationType::*;
    let graph = made(|make| {
        make.entity(Organization, 2, &[("name", Value::text("Late"))]);
        for number in 1..=2 {
            make.entity(
                LicensedItem,
                number,
                &[("name", Value::text(&format!("item {number}")))],
            );
        }
        for entitlement in 1..=17 {
            make.entity(Entitlement, entitlement, &[("name", Value::text("Main"))]);
            make.relate(OneToMany, (Organization, 2), (Entitlement, entitlement));
        }
        for license in 1..=1000 {
            make.entity(License, license, &[]);
            make.relate(OneToMany, (Entitlement, 17), (License, license));
            make.relate(
                OneToMany,
                (LicensedItem, 1 + usize::from(license % 10 == 0)),
                (License, license),
            );
        }
    });
    let (limits, bound) = (Limits::default(), bound(2));
    let chain = seatgraph::selector::parse_include("/~OneToMany/License", &limits).unwrap();
    let tree = query::includes(&[chain], LicensedItem).unwrap();
    let mut budget = Budget::new(&limits);
    let item = graph.find(id(LicensedItem, 2)).unwrap();
    let ends = query::related(item, &tree.children()[0], &View::new(&graph, &bound), &mut budget).unwrap();
    assert_eq!((ends.len(), budget.visited()), (100, 200));
}

/// Much on the way to what one may see may lead to nothing: it is not taken for what is seen.
#[test]
fn what_leads_to_nothing_is_hoped_for_by_nobody() {
    use Kind::*;
    use RelationType::*;
    let graph = made(|make| {
        make.entity(Organization, 2, &[("name", Value::text("No persons"))]);
        make.entity(ProfileGroup, 1, &[("name", Value::text("Crew"))]);
        make.relate(OneToMany, (Organization, 2), (ProfileGroup, 1));
        for number in 1..=1000 {
            make.entity(Profile, number, &[]);
            make.relate(Membership, (Profile, number), (ProfileGroup, 1));
            if number <= 800 {
                let name = format!("Name {number:03}");
                make.entity(Person, number, &[("lastName", Value::text(&name))]);
            }
        }
    });
    let (limits, bound) = (Limits::default(), bound(2));
    let view = View::new(&graph, &bound);
    for asked in [
        "/Person{s=lastName}",
        "/Person{s=lastName-}",
        "/Person[@lastName>'']{s=lastName}",
        "/Person",
        "/Person[@lastName>'Name 4']",
        "/Person{count}",
    ] {
        let selector = seatgraph::selector::parse(asked, &limits).unwrap();
        let plan = query::plan(&selector, &view, &limits).unwrap();
        let mut budget = Budget::new(&limits);
        match query::evaluate(&plan, &view, &mut budget, None).unwrap() {
            Answer::Page { nodes, .. } => assert!(nodes.is_empty(), "{asked}"),
            Answer::Count(count) => assert_eq!(count, 0, "{asked}"),
        }
        assert_eq!(plan.estimate(), budget.visited(), "{asked}\n{plan}");
        // Going along an index looks at them here and there.
        assert!(!plan.to_string().contains("in order of the index"), "{asked}\n{plan}");
    }
}

/// One's own, page by page, forward and backward.
#[test]
fn pages_of_ones_own_are_the_whole() {
    let graph = world();
    let limits = Limits::default();
    let parse = |asked: String| seatgraph::selector::parse(&with_ids(&asked), &limits).unwrap();
    for organization in [1, 2] {
        let who = bound(organization);
        let view = View::new(&graph, &who);
        for asked in [
            "/License",
            "/License[@active=true]",
            "/Profile",
            "/Organization",
            "/Entitlement",
            "/EmailAddress",
            "/LicensedItem[@id='#LicensedItem.2']/~OneToMany/License",
        ] {
            for sort in ["", ",s=serial-"] {
                let expected = query::naive::naive(&parse(format!("{asked}{{r=1000{sort}}}")), &view).unwrap();
                let plan = query::plan(&parse(format!("{asked}{{r=90{sort}}}")), &view, &limits).unwrap();
                let (mut found, mut after): (Vec<_>, Option<Position>) = (Vec::new(), None);
                loop {
                    let answer = query::evaluate(&plan, &view, &mut Budget::new(&limits), after.as_ref());
                    let Ok(Answer::Page { nodes, next }) = answer else {
                        panic!("{asked}: no page");
                    };
                    found.extend(nodes);
                    after = next;
                    if after.is_none() {
                        break;
                    }
                }
                assert_eq!(found, expected, "{asked}{sort} of {organization}\n{plan}");
            }
        }
    }
}

/// Five hundred selectors nobody planned for.
#[test]
fn random_selectors_stay_within_their_budget() {
    let graph = world();
    let who = everybody();
    let view = View::new(&graph, &who);
    let limits = Limits {
        visited: 1000,
        ..Limits::default()
    };
    let mut dice = Dice::new(13);
    let (mut refused, mut slowest) = (0, Duration::ZERO);
    for _ in 0..500 {
        let asked = asked_of(&mut dice, &graph);
        let Ok(selector) = seatgraph::selector::parse(&asked, &limits) else {
            continue;
        };
        let Ok(plan) = query::plan(&selector, &view, &limits) else {
            continue;
        };
        let mut budget = Budget::new(&limits);
        let began = Instant::now();
        let answer = query::evaluate(&plan, &view, &mut budget, None);
        slowest = slowest.max(began.elapsed());
        assert!(budget.visited() <= 1001, "{asked}\n{plan}");
        if let Err(error) = answer {
            assert_eq!(error.code, Code::VisitedTooMuch, "{asked}: {error}");
            refused += 1;
        }
    }
    println!("{refused} of 500 over the budget; the slowest took {slowest:?}");
    assert!((1..250).contains(&refused), "{refused} of 500 over the budget");
}
