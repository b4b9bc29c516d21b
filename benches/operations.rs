//! What the named operations cost over loopback HTTP, beside durable creates of one entity in the same run: each at 32
//! connections on 100,000 entities. `cargo bench --bench operations -- 100000 --rounds 3`. Stops by itself.
//!
//! Every request does something: no two ask for the same, and each answer is looked at.

#[path = "support/stream.rs"]
mod stream;
mod support;

use std::time::Instant;

use stream::{FORM, JSON, SUCCESS, Stream, blast, post};
use support::{Server, copy, median, size_and_rounds, world};

const CONNECTIONS: usize = 32;
/// Requests of one measurement.
const REQUESTS: usize = 8_000;

fn main() {
    let (size, rounds) = size_and_rounds();
    let database = world(size);
    let mut all: Vec<Vec<(String, f64)>> = Vec::new();
    let mut single: Vec<[f64; 3]> = Vec::new();
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        let server = Server::start(&copy(&database));
        let bench = Bench::new(&server, round);
        all.push(bench.rates());
        single.push(bench.singles());
    }
    println!("{size} entities, {CONNECTIONS} connections, median of {rounds}");
    let rate = |at: usize| median(all.iter().map(|round| round[at].1).collect());
    let create = rate(0);
    for (at, (name, _)) in all[0].iter().enumerate() {
        println!(
            "  {name:<46} {:>8.0}/s | {:.2} of a create",
            rate(at),
            rate(at) / create
        );
    }
    let [one, fifty, moved] = [0, 1, 2].map(|at| median(single.iter().map(|round| round[at]).collect()));
    println!(
        "  one connection: grant of 1 item {:.3} ms, of 50 items {:.3} ms | {:.2} times",
        one * 1e3,
        fifty * 1e3,
        fifty / one
    );
    println!(
        "  MoveLicenses of 10,000 by one selector: {:.3} s with its answer",
        moved
    );
}

struct Bench<'s> {
    server: &'s Server,
    round: usize,
    profiles: Vec<String>,
    licenses: Vec<String>,
    entitlements: Vec<String>,
    groups: Vec<String>,
    organizations: Vec<String>,
}

impl<'s> Bench<'s> {
    fn new(server: &'s Server, round: usize) -> Self {
        let ids = |selector: &str| server.ids(selector, 12_000);
        Self {
            server,
            round,
            profiles: ids("Profile"),
            licenses: ids("Organization/~OneToMany/Entitlement/~OneToMany/License"),
            entitlements: ids("Organization/~OneToMany/Entitlement"),
            groups: ids("ProfileGroup"),
            organizations: ids("Organization[@type='company']"),
        }
    }

    /// The n-th of all pairs of two lists: no pair twice, and neighbours differ in both.
    fn pair<'a>(one: &'a [String], other: &'a [String], n: usize) -> (&'a str, &'a str) {
        let other_at = (n + n / one.len()) % other.len();
        (&one[n % one.len()], &other[other_at])
    }

    fn rates(&self) -> Vec<(String, f64)> {
        let mut rates = Vec::new();
        let mut measure = |name: &str, requests: Vec<String>| {
            let started = Instant::now();
            blast(self.server.port, CONNECTIONS, &requests, SUCCESS);
            rates.push((name.to_owned(), requests.len() as f64 / started.elapsed().as_secs_f64()));
        };
        let each = |request: &dyn Fn(usize) -> String| (0..REQUESTS).map(request).collect::<Vec<_>>();
        measure(
            "create",
            each(&|n| {
                let body = format!("{{\"__objType\":\"Organization\",\"name\":\"created {n}\",\"type\":\"bench\"}}");
                post("/graph", JSON, &body)
            }),
        );
        let consumers = |n: usize| {
            let (entitlement, profile) = Self::pair(&self.entitlements, &self.profiles, n);
            format!("entitlementId={entitlement}&profileId={profile}&allowExistingRelation=true")
        };
        measure(
            "AddLicenseConsumerRelations",
            each(&|n| operation("", "AddLicenseConsumerRelations", &consumers(n))),
        );
        measure(
            "RemoveLicenseConsumerRelations",
            each(&|n| {
                let parameters = consumers(n).replace("&allowExistingRelation=true", "&allowAlreadyRemoved=true");
                operation("", "RemoveLicenseConsumerRelations", &parameters)
            }),
        );
        measure(
            "CreateOrUpdateAssignments",
            each(&|n| {
                let (license, profile) = Self::pair(&self.licenses, &self.profiles, n);
                let parameters =
                    format!("licenseId={license}&profileId={profile}&createAssignment=true&reservationType=denied");
                operation("", "CreateOrUpdateAssignments", &parameters)
            }),
        );
        let member = |n: usize| {
            let (profile, group) = Self::pair(&self.profiles, &self.groups, n);
            format!("profileId={profile}&profileGroupId={group}")
        };
        measure(
            "AddToProfileGroups",
            each(&|n| {
                operation(
                    "",
                    "AddToProfileGroups",
                    &format!("{}&allowAlreadyAdded=true", member(n)),
                )
            }),
        );
        measure(
            "RemoveFromProfileGroups",
            each(&|n| operation("", "RemoveFromProfileGroups", &member(n))),
        );
        measure(
            "InitializeOrganizationLicenses, change=quota",
            each(&|n| {
                let license = &self.licenses[n % self.licenses.len()];
                let parameters = format!("change=quota&licensedItemCount={}", 1_000_000 + n);
                operation(
                    &format!("/License[@id='{license}']"),
                    "InitializeOrganizationLicenses",
                    &parameters,
                )
            }),
        );
        measure(
            "InitializeOrganizationLicenses, change=validity",
            each(&|n| {
                let license = &self.licenses[n % self.licenses.len()];
                let parameters = format!(
                    "change=validity&validFrom=2026-01-01T00:00:00.{:03}Z&validUntil=2026-01-20",
                    n % 1000
                );
                operation(
                    &format!("/License[@id='{license}']"),
                    "InitializeOrganizationLicenses",
                    &parameters,
                )
            }),
        );
        let package = self.package(1);
        measure(
            "InitializeOrganizationLicenses, one item",
            each(&|n| {
                let owner = &self.organizations[n % self.organizations.len()];
                let parameters = format!("ownerOrganizationId={owner}&licensedItemCount=5");
                operation(&package, "InitializeOrganizationLicenses", &parameters)
            }),
        );
        measure(
            "InitializePersonalLicenses, one item",
            each(&|n| {
                let profile = &self.profiles[n % self.profiles.len()];
                operation(
                    &package,
                    "InitializePersonalLicenses",
                    &format!("initializeForProfileId={profile}"),
                )
            }),
        );
        let targets = self.second_entitlements();
        measure(
            "MoveLicenses",
            targets
                .iter()
                .take(REQUESTS)
                .map(|(license, to)| {
                    operation(
                        &format!("/License[@id='{license}']"),
                        "MoveLicenses",
                        &format!("to={to}"),
                    )
                })
                .collect(),
        );
        measure(
            "RegisterUser, without a password",
            each(&|n| {
                let body = format!("{{\"__objType\":\"Profile\",\"displayName\":\"registered {n}\"}}");
                post("/graph?operation=RegisterUser", JSON, &body)
            }),
        );
        let members = self.members();
        measure(
            "RemoveUserFromOrganization",
            members
                .iter()
                .take(REQUESTS)
                .map(|(profile, organization)| {
                    operation(
                        "",
                        "RemoveUserFromOrganization",
                        &format!("profileId={profile}&organizationId={organization}"),
                    )
                })
                .collect(),
        );
        rates
    }

    /// A package of so many items, as a selector.
    fn package(&self, items: usize) -> String {
        let id = |kind: u32, n: usize| format!("b{kind:07x}-{:04x}-4000-8000-{n:012x}", self.round);
        let package = id(items as u32, 0);
        let list: Vec<String> = (1..=items)
            .map(|n| {
                let item = id(items as u32, n);
                format!("{{\"__objType\":\"LicensedItem\",\"id\":\"{item}\",\"name\":\"bench item {items} {n}\"}}")
            })
            .collect();
        let body = format!(
            "{{\"__objType\":\"ProductPackage\",\"id\":\"{package}\",\"title\":\"bench {items}\",\"rel_Relations\":[{{\"rel_Relation\":\
             {{\"__objType\":\"ObjectRelation\",\"multiplicity\":\"MANY_TO_MANY\",\"relatedObjectType\":\"LicensedItem\"}},\
             \"rel_RelatedObjectList\":{{\"__objType\":\"RelatedObjectList\",\"rel_RelatedObjects\":[{}]}}}}]}}",
            list.join(",")
        );
        self.server.must("POST /graph", &body);
        format!("/ProductPackage[@id='{package}']")
    }

    /// Licenses with another entitlement of their owner.
    fn second_entitlements(&self) -> Vec<(String, String)> {
        let mut targets = Vec::new();
        for (n, organization) in self.organizations.iter().enumerate() {
            let to = format!("e0000000-{:04x}-4000-8000-{n:012x}", self.round);
            let body = format!(
                "{{\"__objType\":\"Entitlement\",\"id\":\"{to}\",\"name\":\"second\",\"referenceFields\":{{\"ref_Organization_id\":\"{organization}\"}}}}"
            );
            self.server.must("POST /graph", &body);
            let selector = format!("Organization[@id='{organization}']/~OneToMany/Entitlement/~OneToMany/License");
            let ids = self.server.ids(&selector, 1).into_iter();
            targets.extend(ids.map(|id| (id, to.clone())));
            if targets.len() >= REQUESTS {
                break;
            }
        }
        targets
    }

    /// Users with an organization they belong to, each once.
    fn members(&self) -> Vec<(String, String)> {
        let mut members = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for organization in &self.organizations {
            let selector = format!("Organization[@id='{organization}']/~OneToMany/ProfileGroup/~Membership/Profile");
            for id in self.server.ids(&selector, 1) {
                if seen.insert(id.clone()) {
                    members.push((id, organization.clone()));
                }
            }
            if members.len() >= REQUESTS {
                break;
            }
        }
        members
    }

    /// Seconds of a grant of one item and of fifty, at one connection, and of a move of 10,000 licenses.
    fn singles(&self) -> [f64; 3] {
        let package = self.package(50);
        let one = format!(
            "/ProductPackage[@id='b{:07x}-{:04x}-4000-8000-000000000000']",
            1, self.round
        );
        let mut stream = Stream::open(self.server.port);
        let mut granted = |selector: &str| {
            let times: Vec<f64> = (0..101)
                .map(|n| {
                    let owner = &self.organizations[n % self.organizations.len()];
                    let parameters = format!("ownerOrganizationId={owner}&licensedItemCount=5");
                    let request = operation(selector, "InitializeOrganizationLicenses", &parameters);
                    let started = Instant::now();
                    stream.ask(&request, SUCCESS);
                    started.elapsed().as_secs_f64()
                })
                .collect();
            median(times)
        };
        let (one, fifty) = (granted(&one), granted(&package));
        // 200 grants of 50 into one entitlement are 10,000 licenses.
        let owner = &self.organizations[0];
        let ids = ["a", "b"].map(|end| format!("f0000000-{:04x}-4000-8000-00000000000{end}", self.round));
        for id in &ids {
            let body = format!(
                "{{\"__objType\":\"Entitlement\",\"id\":\"{id}\",\"referenceFields\":{{\"ref_Organization_id\":\"{owner}\"}}}}"
            );
            self.server.must("POST /graph", &body);
        }
        for _ in 0..200 {
            let parameters = format!("entitlementId={}", ids[0]);
            stream.ask(
                &operation(&package, "InitializeOrganizationLicenses", &parameters),
                SUCCESS,
            );
        }
        let selector = format!("/Entitlement[@id='{}']/~OneToMany/License", ids[0]);
        let started = Instant::now();
        stream.ask(
            &operation(&selector, "MoveLicenses", &format!("to={}", ids[1])),
            SUCCESS,
        );
        let moved = started.elapsed().as_secs_f64();
        let count = self.server.get(&format!(
            "/graph/Entitlement[@id='{}']/~OneToMany/License{{count}}",
            ids[1]
        ));
        assert_eq!(
            String::from_utf8_lossy(&count),
            "{\"__objType\":\"Long\",\"value\":10000}"
        );
        [one, fifty, moved]
    }
}

fn operation(selector: &str, name: &str, parameters: &str) -> String {
    post(&format!("/graph{selector}?operation={name}"), FORM, parameters)
}
