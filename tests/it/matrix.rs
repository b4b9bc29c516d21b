//! Who may do what, by every route, made from what the server says of itself: its OpenAPI document, its schema and its
//! permissions. A route without a row here fails, as does a row without a route.
//!
//! Two organizations have one of everything. To a token that is bound to the one, an object of the other is answered just
//! as an object that does not exist, wherever its id is sent, and nothing is changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use seatgraph::access::{Action, Permission};
use seatgraph::engine::{Reply, Write};
use seatgraph::graph::{Kept, Transaction, Violation};
use seatgraph::model::schema::{self, Role, find_relation};
use seatgraph::model::{Clock, Direction, Fields, Kind, Principal, Rel, RelationType, Time};
use seatgraph::settings::Settings;
use seatgraph::storage::Memory;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::Response;
use crate::support::server::{ADMIN, Server};

const NOW: Time = Time(1_800_000_000_000);

pub(crate) struct World {
    pub server: Server,
    /// What is sold to everyone.
    sold: Made,
    pub a: Tenant,
    pub b: Tenant,
}

/// An organization with one entity of every kind that can hang on it, its owner before each.
pub(crate) struct Tenant {
    pub objects: Made,
    /// Of an administrator who is bound to it.
    pub token: String,
    token_id: Uuid,
}

impl Tenant {
    fn organization(&self) -> Uuid {
        self.objects[0].1
    }

    pub fn of(&self, kind: Kind) -> Option<Uuid> {
        place(&self.objects, kind)
    }
}

pub(crate) type Made = Vec<(Kind, Uuid)>;

fn place(made: &[(Kind, Uuid)], kind: Kind) -> Option<Uuid> {
    made.iter().find(|(other, _)| *other == kind).map(|(_, id)| *id)
}

/// What is sold to everyone: one of every kind that nobody owns, with all that hangs on those.
fn catalogue(tx: &mut Transaction<'_>) -> Result<Made, Violation> {
    let mut made = Vec::new();
    let owned = |kind: Kind| {
        let mut parents = kind.parents().iter();
        parents.any(|rel| matches!(rel.def().role, Role::Owner | Role::Required))
    };
    let somebodys = [Kind::Organization, Kind::Person, Kind::Profile, Kind::OrganizationRole];
    for kind in Kind::public().filter(|kind| !owned(*kind) && !somebodys.contains(kind)) {
        made.push((kind, create(tx, kind)?));
    }
    grow(tx, &mut made, &[])?;
    relate(tx, &made, &[])?;
    Ok(made)
}

/// An organization with one of everything, hung on the first owner that is there, and then on every other parent.
fn settle(tx: &mut Transaction<'_>, catalogue: &[(Kind, Uuid)]) -> Result<Made, Violation> {
    let mut made = vec![(Kind::Organization, create(tx, Kind::Organization)?)];
    grow(tx, &mut made, catalogue)?;
    // People are nobody's: they come by their groups.
    let (person, profile) = (create(tx, Kind::Person)?, create(tx, Kind::Profile)?);
    made.extend([(Kind::Person, person), (Kind::Profile, profile)]);
    grow(tx, &mut made, catalogue)?;
    relate(tx, &made, catalogue)?;
    let membership = find_relation(RelationType::Membership, Kind::Profile, Kind::ProfileGroup);
    if let (Some(membership), Some(group)) = (membership, place(&made, Kind::ProfileGroup)) {
        tx.relate(membership, profile, group, Fields::default())?;
    }
    Ok(made)
}

fn create(tx: &mut Transaction<'_>, kind: Kind) -> Result<Uuid, Violation> {
    let id = tx.new_id();
    tx.create(id, kind, Fields::default(), Kept::default()).map(|()| id)
}

/// One of every kind whose parents are here, until there is no more: an owner, and every parent it cannot be without.
fn grow(tx: &mut Transaction<'_>, made: &mut Made, catalogue: &[(Kind, Uuid)]) -> Result<(), Violation> {
    let by_role = |kind: Kind, role: Role| kind.parents().iter().copied().filter(move |rel| rel.def().role == role);
    loop {
        let parents_of = |kind: Kind| {
            let here = |rel: Rel| Some((rel, place(made, rel.def().from)?));
            let anywhere = |rel: Rel| here(rel).or_else(|| Some((rel, place(catalogue, rel.def().from)?)));
            let owned = by_role(kind, Role::Owner).next().is_some();
            let owner = by_role(kind, Role::Owner).find_map(here);
            let required: Vec<_> = by_role(kind, Role::Required).map(anywhere).collect::<Option<_>>()?;
            let all: Vec<_> = owner.into_iter().chain(required).collect();
            (owner.is_some() == owned && !all.is_empty()).then_some((kind, all))
        };
        let next = Kind::public()
            .filter(|kind| place(made, *kind).is_none())
            .find_map(parents_of);
        let Some((kind, parents)) = next else { return Ok(()) };
        let id = create(tx, kind)?;
        for (rel, parent) in parents {
            tx.relate(rel, parent, id, Fields::default())?;
        }
        made.push((kind, id));
    }
}

/// By every parent it can be without.
fn relate(tx: &mut Transaction<'_>, made: &[(Kind, Uuid)], catalogue: &[(Kind, Uuid)]) -> Result<(), Violation> {
    for (kind, id) in made {
        let optional = |rel: &&Rel| matches!(rel.def().role, Role::Optional | Role::OptionalCascade);
        for rel in kind.parents().iter().filter(optional) {
            let parent = place(made, rel.def().from).or_else(|| place(catalogue, rel.def().from));
            if let Some(parent) = parent.filter(|parent| parent != id) {
                tx.relate(*rel, parent, *id, Fields::default())?;
            }
        }
    }
    Ok(())
}

fn committed(
    server: &Server,
    run: impl FnOnce(&mut Transaction<'_>) -> Result<Made, Violation> + Send + 'static,
) -> Made {
    let (tell, told) = std::sync::mpsc::channel();
    let write = Write {
        by: Principal::default(),
        operation: "settle".into(),
        request_id: "settle".into(),
        idempotency: None,
        dry_run: false,
    };
    let run = move |tx: &mut Transaction<'_>| {
        tell.send(run(tx)?).expect("somebody waits");
        Ok::<_, Violation>(Reply::empty())
    };
    server.engine.write_blocking(write, run).expect("a world that fits");
    told.recv().expect("a world")
}

impl World {
    pub fn new() -> Self {
        let clock = Arc::new(Clock::frozen(NOW));
        let server = Server::start(Box::new(Memory::new()), clock, &Settings::default());
        let sold = committed(&server, catalogue);
        let tenant = |objects: Made| {
            let (token_id, token) = server.token(json!({"permissions": ["*.*"], "organizationId": objects[0].1}));
            Tenant {
                objects,
                token,
                token_id,
            }
        };
        let settled = || {
            let sold = sold.clone();
            tenant(committed(&server, move |tx: &mut Transaction<'_>| settle(tx, &sold)))
        };
        let (a, b) = (settled(), settled());
        Self { server, sold, a, b }
    }

    pub fn sold(&self, kind: Kind) -> Option<Uuid> {
        place(&self.sold, kind)
    }

    pub fn ask(&self, token: &str, method: &str, target: &str, body: Option<&Value>) -> Response {
        self.send(Some(token), method, target, body)
    }

    pub fn ask_anonymously(&self, method: &str, target: &str, body: Option<&Value>) -> Response {
        self.send(None, method, target, body)
    }

    fn send(&self, token: Option<&str>, method: &str, target: &str, body: Option<&Value>) -> Response {
        let body = body.map(Value::to_string);
        self.server.ask(token, method, &encoded(target), body.as_deref(), &[])
    }

    pub fn digest(&self) -> [u8; 32] {
        self.server.engine.snapshot().digest()
    }
}

fn encoded(target: &str) -> String {
    target.replace(' ', "%20").replace('<', "%3C").replace('>', "%3E")
}

/// What was answered, without what differs from request to request: the id that was sent, and the request's own.
pub(crate) fn told(response: &Response, id: Uuid) -> (u16, String) {
    let own = response.header("x-request-id").unwrap_or("-").to_owned();
    let text = response.text().replace(&id.to_string(), "ID").replace(&own, "REQUEST");
    (response.status, text)
}

/// A request that has the id of somebody's object in it.
struct Probe {
    method: &'static str,
    target: String,
    body: Option<Value>,
}

fn object(kind: Kind, references: &[(String, Uuid)]) -> Value {
    let references: serde_json::Map<_, _> = references.iter().map(|(name, id)| (name.clone(), json!(id))).collect();
    json!({"__objType": kind.name(), "referenceFields": references})
}

/// Every place of every route where the id of an object of this kind can stand, but for that of an object's own id in a
/// body: there a client chooses ids, so that one that is taken cannot look like one that is free.
fn probes(kind: Kind, id: Uuid, own: &Tenant) -> Vec<Probe> {
    let name = kind.name();
    let mut probes = Vec::new();
    let mut read = |target: String| {
        probes.push(Probe {
            method: "GET",
            target,
            body: None,
        });
    };
    read(format!("/graph/{name}[@id='{id}']"));
    read(format!("/graph/{name}[@id='{id}']?wrap=false"));
    read(format!("/graph/{name}[@id='{id}']{{count}}"));
    read(format!("/graph/{name}[@id='{id}' or @id='{id}']{{s=serial-}}"));
    read(format!("/graph/{name}[not (@id!='{id}')]{{count}}"));
    for hop in kind.hops().iter().filter(|hop| !hop.to().def().internal) {
        let to = hop.to().name();
        let back = schema::Hop {
            rel: hop.rel,
            direction: hop.direction.opposite(),
        };
        read(format!("/graph/{name}[@id='{id}']/~{}/{to}", hop.word()));
        read(format!("/graph/{name}[@id='{id}']/~{}/{to}{{count}}", hop.word()));
        read(format!("/graph/{name}[@id='{id}']?/~{}/{to}", hop.word()));
        read(format!("/graph/{to}/~{}/{name}[@id='{id}']{{count}}", back.word()));
        if hop.rel.def().relation_type.is_named() {
            let (from, to_end) = hop.rel.def().end_names();
            let end = if hop.direction == Direction::Forward {
                from
            } else {
                to_end
            };
            read(format!("/graph/{to}/~{}[@{end}='{id}']/{name}", back.word()));
        }
        // As the parent of something.
        if hop.rel.def().relation_type == RelationType::OneToMany && hop.direction == Direction::Forward {
            let reference = hop.rel.def().reference_name();
            read(format!("/graph/{to}[@{reference}='{id}']"));
            read(format!("/graph/{to}[@{reference}='{id}']{{count}}"));
        }
    }
    let mut write = |method, target: String, body| probes.push(Probe { method, target, body });
    write("DELETE", format!("/graph/{name}[@id='{id}']"), None);
    for hop in kind.hops().iter().filter(|hop| !hop.to().def().internal) {
        let (def, other) = (hop.rel.def(), hop.to());
        match (def.relation_type, hop.direction) {
            (RelationType::OneToMany, Direction::Forward) => {
                let reference = (def.reference_name(), id);
                write(
                    "POST",
                    "/graph".into(),
                    Some(object(other, std::slice::from_ref(&reference))),
                );
                if let Some(mine) = own.of(other) {
                    let mut moved = object(other, &[reference]);
                    moved["id"] = json!(mine);
                    write("PUT", "/graph".into(), Some(moved));
                }
            }
            (relation_type, _) if relation_type.is_named() => {
                let Some(mine) = own.of(other) else { continue };
                let (from, to) = def.end_names();
                let ends = if hop.direction == Direction::Forward {
                    [(from, id), (to, mine)]
                } else {
                    [(from, mine), (to, id)]
                };
                let mut line = object(kind, &ends);
                line["__objType"] = json!(relation_type.name());
                write("POST", "/graph".into(), Some(line.clone()));
                write("PUT", "/graph".into(), Some(line));
                write(
                    "DELETE",
                    format!(
                        "/graph/{}[@id='{mine}']/~{}/{name}[@id='{id}']",
                        other.name(),
                        hop.word()
                    ),
                    None,
                );
            }
            _ => {}
        }
    }
    match kind {
        Kind::Organization => write(
            "POST",
            "/tokens".into(),
            Some(json!({"permissions": [], "organizationId": id})),
        ),
        Kind::Profile => write(
            "POST",
            "/tokens".into(),
            Some(json!({"permissions": [], "profileId": id})),
        ),
        _ => {}
    }
    probes
}

#[test]
fn another_organizations_objects_are_as_unknown_as_nonsense() {
    let world = World::new();
    let (mut kinds, mut count) = (0, 0);
    for (kind, foreign) in &world.b.objects {
        let read = |token: &str, id: Uuid| {
            let answer = world.ask(
                token,
                "GET",
                &format!("/graph/{}[@id='{id}']{{count}}", kind.name()),
                None,
            );
            (answer.status, answer.text())
        };
        let one = (200, "{\"__objType\":\"Long\",\"value\":1}".to_owned());
        assert_eq!(
            read(&world.b.token, *foreign),
            one,
            "{} is its organization's own",
            kind.name()
        );
        kinds += 1;
        let unknown = Uuid::from_u128(0x5ea7_0000_4000_8000_0000_0000_0000 + count as u128);
        let before = world.digest();
        for (probe, blank) in probes(*kind, *foreign, &world.a)
            .into_iter()
            .zip(probes(*kind, unknown, &world.a))
        {
            count += 1;
            let ask = |probe: &Probe| world.ask(&world.a.token, probe.method, &probe.target, probe.body.as_ref());
            let (met, missed) = (told(&ask(&probe), *foreign), told(&ask(&blank), unknown));
            let asked = format!("{} {} {}", probe.method, probe.target, probe.body.unwrap_or_default());
            assert!(met.0 != 500, "{asked}: {}", met.1);
            assert_eq!(
                met, missed,
                "{asked}: the id of another organization is told from an unknown one"
            );
        }
        // A client chooses ids: one that is taken is refused, without a word about whose it is.
        for method in ["POST", "PUT"] {
            let taken = world.ask(
                &world.a.token,
                method,
                "/graph",
                Some(&json!({"__objType": kind.name(), "id": foreign})),
            );
            let problem: Value = serde_json::from_slice(&taken.body).unwrap_or_default();
            assert_eq!(
                (taken.status, problem["code"].as_str()),
                (422, Some("idNotUsable")),
                "{method} {}",
                kind.name()
            );
        }
        assert_eq!(
            world.digest(),
            before,
            "{}: another organization's token changed the graph",
            kind.name()
        );
    }
    let revoke = |id: Uuid| told(&world.ask(&world.a.token, "DELETE", &format!("/tokens/{id}"), None), id);
    let unknown = Uuid::from_u128(7);
    assert_eq!(
        revoke(world.b.token_id),
        revoke(unknown),
        "a token of another organization is told from an unknown one"
    );
    let list = world.ask(&world.a.token, "GET", "/tokens", None).text();
    assert!(!list.contains(&world.b.token_id.to_string()), "{list}");
    assert!(kinds > 25 && count > 500, "only {kinds} kinds and {count} probes");
}

#[test]
fn no_relation_leads_out_of_an_organization() {
    let world = World::new();
    let hidden: Vec<String> = world.b.objects.iter().map(|(_, id)| id.to_string()).collect();
    let mut asked = 0;
    let mut look = |target: String| {
        asked += 1;
        let list = world.ask(&world.a.token, "GET", &target, None);
        assert_eq!(list.status, 200, "{target}: {}", list.text());
        let text = list.text();
        let found = hidden.iter().find(|id| text.contains(id.as_str()));
        assert!(found.is_none(), "{target} leads to another organization: {text}");
        let items: Value = serde_json::from_slice(&list.body).unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        let count: Value =
            serde_json::from_slice(&world.ask(&world.a.token, "GET", &format!("{path}{{count}}"), None).body)
                .unwrap_or_default();
        assert_eq!(
            count["value"].as_u64(),
            items["Items"].as_array().map(|items| items.len() as u64),
            "{target}"
        );
    };
    for kind in Kind::public() {
        let name = kind.name();
        look(format!("/graph/{name}"));
        for hop in kind.hops().iter().filter(|hop| !hop.to().def().internal) {
            let to = hop.to();
            look(format!("/graph/{name}/~{}/{}", hop.word(), to.name()));
            look(format!("/graph/{name}?/~{}/{}", hop.word(), to.name()));
            if let Some(id) = world.a.of(kind) {
                look(format!("/graph/{name}[@id='{id}']/~{}/{}", hop.word(), to.name()));
            }
            for next in to.hops().iter().filter(|hop| !hop.to().def().internal) {
                look(format!(
                    "/graph/{name}/~{}/{}/~{}/{}",
                    hop.word(),
                    to.name(),
                    next.word(),
                    next.to().name()
                ));
            }
        }
    }
    assert!(asked > 1000, "only {asked} selectors");
}

#[test]
fn the_audit_tells_an_organization_of_its_own() {
    let world = World::new();
    let told = |token: &str, target: &str| {
        let answer = world.ask(token, "GET", target, None);
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        answer.text()
    };
    let (mine, others) = (&world.a.objects, &world.b.objects);
    // One of everything is made, changed by what hangs on it, and in the end taken away.
    for (kind, id) in mine
        .iter()
        .chain(others)
        .rev()
        .filter(|(kind, _)| *kind != Kind::Organization)
    {
        world.ask(ADMIN, "DELETE", &format!("/graph/{}[@id='{id}']", kind.name()), None);
    }
    for (token, own, foreign) in [(&world.a.token, mine, others), (&world.b.token, others, mine)] {
        let all = told(token, "/audit?limit=1000");
        let leaked = foreign.iter().find(|(_, id)| all.contains(&id.to_string()));
        assert!(leaked.is_none(), "{leaked:?} is another organization's: {all}");
        assert!(!all.contains("nextCursor"), "{all}");
        for (kind, id) in own {
            assert!(
                all.contains(&format!("\"id\":\"{id}\"")),
                "{} is missing: {all}",
                kind.name()
            );
        }
    }
    let unknown = Uuid::from_u128(7);
    for (kind, id) in others {
        let met = told(&world.a.token, &format!("/audit?entity={id}")).replace(&id.to_string(), "ID");
        let missed = told(&world.a.token, &format!("/audit?entity={unknown}")).replace(&unknown.to_string(), "ID");
        assert_eq!(met, missed, "{}", kind.name());
        assert!(
            told(ADMIN, &format!("/audit?entity={id}")).contains("created"),
            "{}",
            kind.name()
        );
    }
}

/// What a route asks of a token.
enum Needs {
    /// No token.
    Nothing,
    /// A token.
    Token,
    One(Permission),
    /// A token that is bound to no organization, too.
    Unbound(Permission),
    /// Any of these.
    Either(&'static [Permission]),
    /// More than one permission can give.
    Several,
}

/// The operations of the OpenAPI document: a request to each that a token with what it needs may make.
fn policy(id: &str, world: &World) -> Option<(&'static str, String, Option<Value>, Needs)> {
    let organization = world.a.organization();
    let kind = |action| Needs::One(Permission::Kind(Kind::Organization, action));
    let named = |name: &str| json!({"__objType": "Organization", "name": name});
    let renamed = json!({"__objType": "Organization", "id": organization, "name": "renamed"});
    if let Some(route) = id.strip_prefix("uipath") {
        return uipath(route, organization);
    }
    if let Some(route) = id.strip_prefix("iblai") {
        return iblai(route);
    }
    if let Some(route) = id.strip_prefix("tizra") {
        return tizra(route, organization);
    }
    Some(match id {
        "live" => ("GET", "/health/live".into(), None, Needs::Nothing),
        "ready" => ("GET", "/health/ready".into(), None, Needs::Nothing),
        "metrics" => ("GET", "/metrics".into(), None, Needs::Nothing),
        "openapi" => ("GET", "/openapi.json".into(), None, Needs::Nothing),
        "publicKeys" => ("GET", "/.well-known/jwks.json".into(), None, Needs::Nothing),
        "publicKeysOfUsers" => ("GET", "/user/.well-known/jwks.json".into(), None, Needs::Nothing),
        "issuer" => ("GET", "/.well-known/openid-configuration".into(), None, Needs::Nothing),
        "listKeys" => ("GET", "/keys".into(), None, Needs::Unbound(Permission::TokenManage)),
        "rotateKey" => (
            "POST",
            "/keys".into(),
            Some(json!({"alg": "EdDSA", "keepDays": 0})),
            Needs::Unbound(Permission::TokenManage),
        ),
        "graphSchema" => ("GET", "/graph-schema".into(), None, Needs::Token),
        // Without the permission nothing is there to be seen.
        "query" => (
            "GET",
            format!("/graph/Organization[@id='{organization}']?wrap=false"),
            None,
            kind(Action::Read),
        ),
        "create" => (
            "POST",
            "/graph?dryRun=true".into(),
            Some(named("another")),
            kind(Action::Create),
        ),
        "update" => ("PUT", "/graph?dryRun=true".into(), Some(renamed), kind(Action::Update)),
        "operateOnSelector" => (
            "POST",
            format!(
                "/graph/License[@id='{}']?operation=MoveLicenses&to={}&dryRun=true",
                world.a.of(Kind::License)?,
                world.a.of(Kind::Entitlement)?
            ),
            None,
            Needs::One(Permission::Kind(Kind::License, Action::Update)),
        ),
        "delete" => (
            "DELETE",
            format!("/graph/License[@id='{}']?dryRun=true", world.a.of(Kind::License)?),
            None,
            Needs::Several,
        ),
        // Of nobody's own: the tokens have no profile.
        "authz" | "authzBare" | "authzText" => (
            "GET",
            format!("{}?nothing", authz(id)),
            None,
            Needs::One(Permission::LicenseConsume),
        ),
        "authzForm" | "authzBareForm" | "authzTextForm" => (
            "POST",
            format!("{}?nothing&doConsume=false", authz(id)),
            None,
            Needs::Either(&[Permission::LicenseConsume, Permission::LicenseCheck]),
        ),
        // What may not be checked is said in its place.
        "checks" => (
            "POST",
            "/checks".into(),
            Some(json!({"checks": [{"item": "nothing"}]})),
            Needs::Token,
        ),
        "listLeases" => (
            "GET",
            format!("/leases?profileId={}", Uuid::from_u128(9)),
            None,
            Needs::One(Permission::Kind(Kind::Consumption, Action::Read)),
        ),
        "endLease" => (
            "DELETE",
            format!("/leases/{}", Uuid::from_u128(9)),
            None,
            Needs::Either(&[
                Permission::LicenseConsume,
                Permission::Kind(Kind::Consumption, Action::Delete),
            ]),
        ),
        "availableLicenses" => (
            "GET",
            format!("/api/entitlement/v1/users/{}/available-licenses", Uuid::from_u128(9)),
            None,
            Needs::One(Permission::LicenseCheck),
        ),
        "import" => ("POST", "/import".into(), None, Needs::Unbound(Permission::ServerImport)),
        "export" => ("GET", "/export".into(), None, Needs::Unbound(Permission::ServerExport)),
        "backup" => ("GET", "/backup".into(), None, Needs::Unbound(Permission::ServerBackup)),
        // Of the stream the head: the rest of it has no end.
        "followEvents" => ("HEAD", "/events".into(), None, Needs::One(Permission::EventRead)),
        "pullEvents" => (
            "GET",
            "/event/get/seatgraph".into(),
            None,
            Needs::One(Permission::EventRead),
        ),
        "pullEventsOf" => (
            "GET",
            format!("/event/get/Organization/{organization}"),
            None,
            Needs::One(Permission::EventRead),
        ),
        // Nothing is there to be changed.
        "grantToOrganization" | "grantToUser" => (
            "POST",
            format!(
                "/api/entitlement/v1/{}/license-transactions",
                if id == "grantToUser" {
                    format!("users/{}", Uuid::from_u128(9))
                } else {
                    format!("organizations/{}", Uuid::from_u128(9))
                }
            ),
            Some(json!({"transaction": {"externalId": "o", "items": []}})),
            Needs::Several,
        ),
        "changeOfOrganization" | "changeOfUser" => (
            "PUT",
            format!(
                "/api/entitlement/v1/{}/license-transactions",
                if id == "changeOfUser" {
                    format!("users/{}", Uuid::from_u128(9))
                } else {
                    format!("organizations/{}", Uuid::from_u128(9))
                }
            ),
            Some(json!({"transaction": {"externalId": "o", "items": []}})),
            Needs::Several,
        ),
        "audit" => ("GET", "/audit".into(), None, Needs::One(Permission::AuditRead)),
        "createToken" => (
            "POST",
            "/tokens".into(),
            Some(json!({"permissions": []})),
            Needs::One(Permission::TokenManage),
        ),
        "listTokens" => ("GET", "/tokens".into(), None, Needs::One(Permission::TokenManage)),
        "revokeToken" => (
            "DELETE",
            format!("/tokens/{}", Uuid::from_u128(9)),
            None,
            Needs::One(Permission::TokenManage),
        ),
        _ => return None,
    })
}

/// Routes of a door, each under several prefixes. The groups and users they name are not there: nothing is changed.
fn uipath(route: &str, organization: Uuid) -> Option<(&'static str, String, Option<Value>, Needs)> {
    let prefix: usize = route.get(route.len() - 1..)?.parse().ok()?;
    let before = [
        "/x/lease_",
        "/lease_",
        "/x/la",
        "/la",
        "/ORG/portal_",
        "/portal",
        "/x/identity_",
        "/identity_",
    ];
    let before = before.get(prefix)?.replace("ORG", &organization.to_string());
    let account = format!("{before}/api/account/{organization}/user-license");
    let portal = format!("{before}/api/license/accountant/UserLicense");
    let read = || Needs::One(Permission::Kind(Kind::License, Action::Read));
    let write = || Needs::One(Permission::Kind(Kind::Assignment, Action::Update));
    let group = || Needs::One(Permission::Kind(Kind::ProfileGroup, Action::Read));
    let (users, codes) = (json!(["x"]), json!([]));
    Some(match &route[..route.len() - 1] {
        "SetUserLicenses" => (
            "PUT",
            account,
            Some(json!({"userIds": users, "userBundleCodes": codes})),
            write(),
        ),
        "SetUserLicensesPost" => (
            "POST",
            account,
            Some(json!({"userIds": users, "userBundleCodes": codes})),
            write(),
        ),
        "SetGroupRule" => (
            "PUT",
            format!("{account}/group/x"),
            Some(json!({"userBundleCodes": codes})),
            write(),
        ),
        "SetGroupRulePost" => (
            "POST",
            format!("{account}/group/x"),
            Some(json!({"userBundleCodes": codes})),
            write(),
        ),
        "SetGroupRuleWithQuota" => (
            "PUT",
            format!("{account}/group/x/with-quota"),
            Some(json!({"userBundleCodes": codes})),
            write(),
        ),
        "SetGroupRuleWithQuotaPost" => (
            "POST",
            format!("{account}/group/x/with-quota"),
            Some(json!({"userBundleCodes": codes})),
            write(),
        ),
        "GetGroupBundles" => ("GET", format!("{account}/group/x"), None, read()),
        "GetGroupRuleWithQuota" => ("GET", format!("{account}/group/x/with-quota"), None, read()),
        "ListGroupRules" => ("GET", format!("{account}/groups/with-quota"), None, read()),
        "IsEntitled" => {
            let target = format!("{before}/api/entitlements/{organization}/entitled");
            ("POST", target, Some(json!({"EntitlementNames": []})), read())
        }
        "ListBundles" => ("GET", portal, None, read()),
        "PortalSetUserLicenses" => (
            "PUT",
            portal,
            Some(json!({"userIds": users, "licenseCodes": codes})),
            write(),
        ),
        "RemoveUserLicenses" => ("DELETE", portal, Some(json!({"userIds": users})), write()),
        "AddUsers" => (
            "POST",
            format!("{portal}/users"),
            Some(json!({"userIds": users})),
            write(),
        ),
        "ListUsers" => ("GET", format!("{portal}/user/page"), None, read()),
        "PortalGetGroupBundles" => ("GET", format!("{portal}/group/?id=x"), None, read()),
        "PortalSetGroupRule" => (
            "PUT",
            format!("{portal}/group"),
            Some(json!({"id": "x", "ubls": codes})),
            write(),
        ),
        "RemoveGroupRule" => ("DELETE", format!("{portal}/group"), Some(json!({"id": "x"})), write()),
        "PortalListGroupRules" => ("GET", format!("{portal}/group/page"), None, read()),
        "ListGroupAllocations" => ("GET", format!("{portal}/group/x/allocations"), None, read()),
        "ReleaseMember" => ("DELETE", format!("{portal}/group/x/user/x"), None, write()),
        "ListGroups" => ("GET", format!("{before}/api/Group/{organization}"), None, group()),
        "GetGroup" => ("GET", format!("{before}/api/Group/{organization}/x"), None, group()),
        _ => return None,
    })
}

/// Routes of a door, on either mount. Nothing of what they name is there: nothing is changed.
fn iblai(route: &str) -> Option<(&'static str, String, Option<Value>, Needs)> {
    let one = |kind, action| Needs::One(Permission::Kind(kind, action));
    let (route, mount) = match route.strip_suffix("Dm") {
        Some(route) => (route, "/dm"),
        None => (route, ""),
    };
    let families = [
        ("Program", "program"),
        ("Course", "course"),
        ("User", "user"),
        ("Platform", "platform"),
    ];
    let (family, route) = families
        .iter()
        .find_map(|(title, name)| Some((name, route.strip_prefix(title)?)))?;
    let at = format!("{mount}/api/catalog/licenses/{family}");
    let assign = || one(Kind::Assignment, Action::Update);
    let read = || one(Kind::Assignment, Action::Read);
    Some(match route {
        "List" => ("GET", format!("{at}/"), None, one(Kind::License, Action::Read)),
        "Create" => (
            "POST",
            format!("{at}/create/"),
            Some(json!({"platform_key": "nobody", "program_key": "x", "course_id": "x"})),
            one(Kind::License, Action::Create),
        ),
        "Update" => (
            "POST",
            format!("{at}/update/"),
            Some(json!({"license_id": 0})),
            one(Kind::License, Action::Update),
        ),
        "ListAssignments" => ("GET", format!("{at}/assignment/?license_id=0"), None, read()),
        "ListGroupAssignments" => ("GET", format!("{at}/assignment/group/?license_id=0"), None, read()),
        "Assign" => (
            "POST",
            format!("{at}/assignment/"),
            Some(json!({"license_id": 0, "user_id": 0})),
            assign(),
        ),
        "AssignGroup" => (
            "POST",
            format!("{at}/assignment/group/"),
            Some(json!({"license_id": 0, "group_id": 0})),
            assign(),
        ),
        "TakeBack" => ("DELETE", format!("{at}/assignment/?assignment_id=0"), None, assign()),
        "TakeBackGroup" => (
            "DELETE",
            format!("{at}/assignment/group/?assignment_id=0"),
            None,
            assign(),
        ),
        "Check" => (
            "GET",
            format!("{at}/assignment/check/?email=a@b.example"),
            None,
            Needs::Nothing,
        ),
        _ => return None,
    })
}

/// Whoever may do any of these to a property edits objects.
const OBJECTS: &[Permission] = &[
    Permission::Kind(Kind::Profile, Action::Read),
    Permission::Kind(Kind::LicensedItem, Action::Read),
    Permission::Kind(Kind::ProductPackage, Action::Read),
];

const EDITS: &[Permission] = &[
    Permission::Kind(Kind::Property, Action::Create),
    Permission::Kind(Kind::Property, Action::Update),
    Permission::Kind(Kind::Property, Action::Delete),
];

/// What these name is not there, or makes no sense: nothing is changed.
fn tizra(route: &str, organization: Uuid) -> Option<(&'static str, String, Option<Value>, Needs)> {
    let site = format!("/admin-api/{organization}");
    let license = |action| Needs::One(Permission::Kind(Kind::License, action));
    Some(match route {
        "CreateLicense" => (
            "POST",
            format!("{site}/licenses"),
            Some(json!({"user-name": "x", "offer-id": "x"})),
            license(Action::Create),
        ),
        "ListLicenses" => ("GET", format!("{site}/licenses"), None, license(Action::Read)),
        "GetLicense" => ("GET", format!("{site}/licenses/x"), None, license(Action::Read)),
        "DeleteLicense" => ("DELETE", format!("{site}/licenses/x"), None, license(Action::Delete)),
        "SessionLogin" => (
            "POST",
            format!("{site}/session-login"),
            Some(json!({"user-name": "x", "permanent-licenses": [{"offer": "x"}]})),
            Needs::Several,
        ),
        "Login" => ("POST", site, Some(json!({"operation": "x"})), Needs::Token),
        "GetObject" => ("GET", format!("{site}/objects/x"), None, Needs::Either(OBJECTS)),
        "SetMetadata" => (
            "PUT",
            format!("{site}/objects/x"),
            Some(json!({"a": "b"})),
            Needs::Either(EDITS),
        ),
        "UpdateObject" => (
            "POST",
            format!("{site}/objects/x"),
            Some(json!({"operation": "update", "props": {}})),
            Needs::Either(EDITS),
        ),
        _ => return None,
    })
}

/// Its path, with a form and without one.
fn authz(id: &str) -> &'static str {
    match id.trim_end_matches("Form") {
        "authzBare" => "/authz",
        "authzText" => "/authz/",
        _ => "/authz/.json",
    }
}

/// Every object in a document, with where it stands.
fn each_schema(value: &Value, at: &str, found: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(members) => {
            found(at, value);
            for (name, member) in members {
                each_schema(member, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(all) => all
            .iter()
            .enumerate()
            .for_each(|(index, one)| each_schema(one, &format!("{at}/{index}"), found)),
        _ => {}
    }
}

/// One that is generated sends what has a `default`, and no form of a request takes all that another does; and it has to know of what
/// a list is. Doors are described in the same document.
#[test]
fn a_client_can_be_generated() {
    let world = World::new();
    let document = world.server.admin("GET", "/openapi.json", None).json();
    let (mut queries, mut lists) = (0, 0);
    each_schema(&document, "", &mut |at, value| {
        if value["type"] == "array" {
            lists += 1;
            assert!(value["items"].is_object(), "{at} does not say of what it is a list");
        }
        if value["in"] == "query" {
            queries += 1;
            let schema = &value["schema"];
            let named = schema["$ref"].as_str().and_then(|to| document.pointer(&to[1..]));
            each_schema(named.unwrap_or(schema), at, &mut |at, schema| {
                assert!(schema.get("default").is_none(), "{at} has a default, which is sent");
            });
        }
    });
    assert!(queries > 30 && lists > 30, "{queries} parameters, {lists} lists");
}

#[test]
fn every_route_asks_for_its_permission() {
    let world = World::new();
    let document = world.server.admin("GET", "/openapi.json", None).json();
    let mut documented = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
            assert!(policy(&id, &world).is_some(), "{method} {path} ({id}) has no policy");
            documented.insert(id);
        }
    }
    assert!(documented.len() >= 15, "{documented:?}");

    let until = json!({"permissions": ["*.*"], "expiresAt": "2027-01-15T08:00:00.001Z"});
    let (expiring, expired) = world.server.token(until);
    let (revoked, gone) = world.server.token(json!({"permissions": ["*.*"]}));
    assert_eq!(
        world.ask(ADMIN, "DELETE", &format!("/tokens/{revoked}"), None).status / 100,
        2
    );
    let wrong = format!("{}x", &world.a.token[..world.a.token.len() - 1]);
    let nobody = ["", "nonsense", &wrong, &gone];
    let single: Vec<(Permission, String)> = Permission::all()
        .map(|permission| {
            let wanted = json!({"permissions": [permission.to_string()]});
            (permission, world.server.token(wanted).1)
        })
        .collect();
    let profile = world.a.of(Kind::Profile).expect("a profile");
    let of_profile = world.server.token(json!({"permissions": [], "profileId": profile})).1;
    let empty = world.server.token(json!({"permissions": []})).1;

    let mut count = 0;
    for id in &documented {
        let (method, target, body, needs) = policy(id, &world).expect("checked above");
        let status = |token: &str| world.ask(token, method, &target, body.as_ref()).status;
        let mut holds = |token: &str, who: &str, may: bool| {
            count += 1;
            let status = status(token);
            assert_ne!(status, 500, "{id} as {who}");
            // 404: what may not be seen. 406 and the like come after the question who it is.
            let refused = matches!(status, 401 | 403)
                || (matches!(id.as_str(), "query" | "delete" | "update") && matches!(status, 404 | 422));
            assert_eq!(
                !refused,
                may,
                "{method} {target} ({id}) as {who} was answered {status}, {} the permission",
                if may { "with" } else { "without" }
            );
        };
        let open = matches!(needs, Needs::Nothing);
        for token in nobody {
            holds(token, "nobody", open);
            if !open {
                assert_eq!(status(token), 401, "{id} for the token `{token}`");
            }
        }
        let anyone = open || matches!(needs, Needs::Token);
        // Deleting what is not seen deletes nothing, and says so.
        if !matches!(needs, Needs::Several) {
            holds(&empty, "somebody without permissions", anyone);
            holds(&of_profile, "somebody with a profile", anyone);
            for (permission, token) in &single {
                let may = match needs {
                    Needs::One(needed) | Needs::Unbound(needed) => *permission == needed,
                    Needs::Either(any) => any.contains(permission),
                    _ => anyone,
                };
                holds(token, &permission.to_string(), may);
            }
        }
        let bound = !matches!(needs, Needs::Unbound(_));
        // A new organization is outside of every other.
        holds(
            &world.a.token,
            "the organization's administrator",
            bound && id != "create",
        );
        holds(ADMIN, "the administrator", true);
    }
    let before = world.digest();
    // By its id alone it is deleted without being read, and by nothing that has to be read.
    let license = world.a.of(Kind::License).expect("a license");
    let (by_id, by_other) = (format!("@id='{license}'"), format!("@id='{license}' and @serial>0"));
    let may = |permission: &Permission| *permission == Permission::Kind(Kind::License, Action::Delete);
    let (able, others): (Vec<_>, Vec<_>) = single.iter().partition(|(permission, _)| may(permission));
    for (conditions, tokens) in [(&by_other, &able), (&by_other, &others), (&by_id, &others)] {
        for (permission, token) in tokens {
            let answer = world.ask(token, "DELETE", &format!("/graph/License[{conditions}]"), None);
            assert!(
                world.digest() == before,
                "{permission} alone deleted a license by {conditions}: {}",
                answer.text()
            );
        }
    }
    for (permission, token) in able {
        let answer = world.ask(token, "DELETE", &format!("/graph/License[{by_id}]"), None);
        assert!(
            world.digest() != before,
            "{permission} alone deleted no license by its id: {}",
            answer.text()
        );
    }
    world.server.engine.clock().set(Time(NOW.millis() + 1));
    assert_eq!(
        world.ask(&expired, "GET", "/graph/Organization", None).status,
        401,
        "{expiring} has expired"
    );
    assert!(count > 1000, "only {count} requests");
}
