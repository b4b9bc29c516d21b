//! The view against a slow reading of the same rules from the other end, in random worlds; and tokens in a small one.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use uuid::Uuid;

use super::token::{self, NewToken, TokenError};
use super::{Action, AdminToken, AuthError, Denied, Permission, Permissions, View, Who, authenticate};
use crate::graph::{Graph, Kept, Transaction, Violation};
use crate::model::schema::{Role, relations};
use crate::model::{Clock, Fields, Kind, Principal, Relation, RelationType, Time, Value, rel};

const NOW: Time = Time(1_700_000_000_000);

/// A small generator: the same world for the same number.
pub(super) struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() {
            None
        } else {
            Some(from[self.roll(from.len())])
        }
    }
}

/// Entities of every kind, each with the parents it needs, some with those it may have, and relations across.
pub(super) fn world(seed: u64) -> Graph {
    let mut dice = Dice(seed | 1);
    let clock = Clock::frozen(NOW);
    let mut graph = Graph::new();
    let mut tx = Transaction::new(&mut graph, 1, NOW, &clock);
    let mut all: HashMap<Kind, Vec<Uuid>> = HashMap::new();
    for kind in [
        Kind::Organization,
        Kind::Organization,
        Kind::Organization,
        Kind::LicensedItem,
        Kind::Person,
    ] {
        make(&mut tx, &mut all, &mut dice, kind);
    }
    let common = [
        Kind::Profile,
        Kind::ProfileGroup,
        Kind::Entitlement,
        Kind::License,
        Kind::Assignment,
        Kind::Property,
    ];
    let public: Vec<Kind> = Kind::public().collect();
    for _ in 0..80 {
        let from = if dice.roll(2) == 0 { &common[..] } else { &public[..] };
        let kind = dice.pick(from).unwrap();
        make(&mut tx, &mut all, &mut dice, kind);
    }
    let named: Vec<_> = relations()
        .filter(|rel| rel.def().relation_type != RelationType::OneToMany)
        .collect();
    for _ in 0..40 {
        let rel = dice.pick(&named).unwrap();
        let ends = [rel.def().from, rel.def().to].map(|kind| dice.pick(all.get(&kind).map_or(&[][..], |all| all)));
        if let [Some(from), Some(to)] = ends
            && from != to
        {
            let _ = tx.relate(rel, from, to, Fields::default());
        }
    }
    tx.finish().unwrap();
    graph
}

/// Makes one, unless there is nothing yet for it to hang on.
pub(super) fn make(tx: &mut Transaction<'_>, all: &mut HashMap<Kind, Vec<Uuid>>, dice: &mut Dice, kind: Kind) {
    let mut parents = Vec::new();
    let owners: Vec<_> = kind.owners().filter(|rel| all.contains_key(&rel.def().from)).collect();
    if kind.owners().next().is_some() {
        let Some(rel) = dice.pick(&owners) else { return };
        parents.push(rel);
    }
    for rel in kind.parents() {
        match rel.def().role {
            Role::Owner => {}
            Role::Required if !all.contains_key(&rel.def().from) => return,
            Role::Required => parents.push(*rel),
            Role::Optional | Role::OptionalCascade => {
                if all.contains_key(&rel.def().from) && dice.roll(3) > 0 {
                    parents.push(*rel);
                }
            }
        }
    }
    let id = tx.new_id();
    let mut fields = Fields::default();
    if kind == Kind::OrganizationRole && dice.roll(2) == 0 {
        fields = fields.with(kind.field("templateFor").unwrap(), Some(Value::text("Organization")));
    }
    let savepoint = tx.savepoint();
    let made = tx.create(id, kind, fields, Kept::default()).and_then(|()| {
        parents.iter().try_for_each(|rel| {
            let parent = dice.pick(&all[&rel.def().from]).ok_or(Violation::NotFound { id })?;
            tx.relate(*rel, parent, id, Fields::default())
        })
    });
    match made {
        Ok(()) => all.entry(kind).or_default().push(id),
        // The second of what there is one of.
        Err(_) => tx.rollback_to(savepoint),
    }
}

/// The rules read downward, from what is reached to what that reaches, until nothing is added.
pub(super) struct Reading {
    relations: Vec<Relation>,
    pub kinds: HashMap<Uuid, Kind>,
}

impl Reading {
    pub fn of(graph: &Graph) -> Self {
        let kinds = Kind::ALL.iter().flat_map(|kind| graph.of_kind(*kind, None));
        Self {
            relations: graph.relations().collect(),
            kinds: kinds.map(|node| (node.id, node.kind)).collect(),
        }
    }

    fn ends(&self, relation_type: RelationType, from: Kind, to: Kind) -> Vec<(Uuid, Uuid)> {
        let fits = |relation: &&Relation| {
            let def = relation.rel.def();
            def.relation_type == relation_type && def.from == from && def.to == to
        };
        self.relations
            .iter()
            .filter(fits)
            .map(|relation| (relation.from.id, relation.to.id))
            .collect()
    }

    /// With everything below by owners, but for a profile's entitlement; assignments count as their license's.
    fn below(&self, start: impl IntoIterator<Item = Uuid>, by_license: bool) -> HashSet<Uuid> {
        let mut reached: HashSet<Uuid> = start.into_iter().collect();
        loop {
            let before = reached.len();
            for Relation { rel, from, to, .. } in &self.relations {
                let def = rel.def();
                let leads = match (def.from, def.to) {
                    (Kind::Profile, Kind::Entitlement) => false,
                    (Kind::License, Kind::Assignment) => by_license,
                    (Kind::Profile, Kind::Assignment) => !by_license,
                    (Kind::Organization, Kind::OrganizationRole | Kind::TechnicalActor) => true,
                    _ => def.relation_type == RelationType::OneToMany && def.role == Role::Owner,
                };
                if leads && reached.contains(&from.id) {
                    reached.insert(to.id);
                }
            }
            if reached.len() == before {
                return reached;
            }
        }
    }

    pub fn catalogue(&self, graph: &Graph) -> HashSet<Uuid> {
        let with_model: HashSet<Kind> = relations()
            .filter(|rel| rel.def().from == Kind::LicenseModel && rel.def().role == Role::Owner)
            .map(|rel| rel.def().to)
            .chain([Kind::LicenseModel, Kind::LicensedItem, Kind::ProductPackage])
            .collect();
        let of_organizations: HashSet<Uuid> = self
            .ends(RelationType::OneToMany, Kind::Organization, Kind::OrganizationRole)
            .into_iter()
            .map(|ends| ends.1)
            .collect();
        let template = Kind::OrganizationRole.field("templateFor").unwrap();
        let is_template = |id: Uuid| graph.find(id).unwrap().fields().get(template).is_some();
        let start = self.kinds.iter().filter(|(id, kind)| {
            with_model.contains(kind)
                || **kind == Kind::OrganizationRole && !of_organizations.contains(*id) && is_template(**id)
        });
        self.below(start.map(|(id, _)| *id), true)
    }

    /// What is the organization's own, and what it shares with another one's groups.
    pub fn organization(&self, id: Uuid) -> (HashSet<Uuid>, HashSet<Uuid>) {
        let own = self.below([id], true);
        let memberships = self.ends(RelationType::Membership, Kind::Profile, Kind::ProfileGroup);
        let inside = |(profile, group): &(Uuid, Uuid)| own.contains(group).then_some(*profile);
        let members: HashSet<Uuid> = memberships.iter().filter_map(inside).collect();
        let elsewhere: HashSet<Uuid> = memberships
            .iter()
            .filter(|(_, group)| !own.contains(group))
            .map(|(profile, _)| *profile)
            .collect();
        let persons = self.ends(RelationType::OneToMany, Kind::Person, Kind::Profile);
        let (mut mine, mut shared) = (own, HashSet::new());
        for member in &members {
            let side = if elsewhere.contains(member) {
                &mut shared
            } else {
                &mut mine
            };
            side.extend(self.below([*member], true));
        }
        for (person, profile) in &persons {
            if members.contains(profile) {
                let mut others = persons.iter().filter(|(other, _)| other == person);
                let alone = others.all(|(_, profile)| members.contains(profile) && !elsewhere.contains(profile));
                let side = if alone { &mut mine } else { &mut shared };
                side.extend(self.below([*person], true));
            }
        }
        (mine, shared)
    }

    fn personal(&self, profile: Uuid) -> HashSet<Uuid> {
        let mut own = self.below([profile], false);
        for (person, child) in self.ends(RelationType::OneToMany, Kind::Person, Kind::Profile) {
            if child == profile {
                own.insert(person);
                own.extend(
                    self.ends(RelationType::OneToMany, Kind::Person, Kind::EmailAndPassword)
                        .into_iter()
                        .filter(|(owner, _)| *owner == person)
                        .map(|(_, login)| login),
                );
            }
        }
        own
    }
}

fn permissions(dice: &mut Dice) -> Permissions {
    match dice.roll(4) {
        0 => Permissions::ALL,
        1 => Permissions::NONE,
        2 => Permissions::parse("*.read").unwrap(),
        _ => Permission::all().filter(|_| dice.roll(2) == 0).collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_view_is_the_rules_read_from_the_other_end(seed in 1u64.., asks in 1u64..) {
        let graph = world(seed);
        let mut dice = Dice(asks);
        let of_kind = |kind: Kind| graph.of_kind(kind, None).map(|node| node.id).collect::<Vec<_>>();
        let organization = if dice.roll(4) == 0 { None } else { dice.pick(&of_kind(Kind::Organization)) };
        let profile = if dice.roll(2) == 0 { None } else { dice.pick(&of_kind(Kind::Profile)) };
        let who = Who {
            principal: Principal { token: None, profile },
            organization,
            permissions: permissions(&mut dice),
        };
        let reading = Reading::of(&graph);
        let (mine, shared) = match organization {
            None => (reading.kinds.keys().copied().collect(), HashSet::new()),
            Some(id) => reading.organization(id),
        };
        let catalogue = reading.catalogue(&graph);
        let personal = profile.map(|id| reading.personal(id)).unwrap_or_default();
        let view = View::new(&graph, &who);
        for kind in Kind::ALL {
            let mut seen = 0;
            for node in graph.of_kind(*kind, None) {
                let id = node.id;
                let may = who.permissions.contains_one(Permission::Kind(*kind, Action::Read));
                let reached = mine.contains(&id) || shared.contains(&id) || catalogue.contains(&id);
                let expected = reached && (may || personal.contains(&id));
                prop_assert_eq!(view.sees(node), expected, "{} {}", kind.name(), id);
                prop_assert_eq!(view.find(id).is_some(), expected);
                seen += usize::from(expected);
                for action in Action::ALL {
                    let told = view.may_touch(node, action);
                    let expected = if !who.permissions.contains_one(Permission::Kind(*kind, action)) {
                        Err(Denied::Permission(format!("{}.{}", kind.name(), action.name())))
                    } else if mine.contains(&id) {
                        Ok(())
                    } else if shared.contains(&id) || catalogue.contains(&id) {
                        Err(Denied::ReadOnly(id))
                    } else {
                        Err(Denied::OutOfReach(id))
                    };
                    prop_assert_eq!(told, expected, "{} {}", kind.name(), id);
                }
            }
            prop_assert!(!view.sees_all(*kind) || seen == graph.kind_count(*kind), "sees_all {}", kind.name());
            prop_assert!(!view.sees_none(*kind) || seen == 0, "sees_none {}", kind.name());
        }
    }
}

#[test]
fn a_token_of_a_gone_organization_reaches_nothing() {
    let graph = world(7);
    let who = Who {
        principal: Principal::default(),
        organization: Some(Uuid::nil()),
        permissions: Permissions::ALL,
    };
    let view = View::new(&graph, &who);
    for kind in Kind::ALL {
        assert!(view.sees_none(*kind) && !view.sees_all(*kind), "{}", kind.name());
        assert!(
            graph.of_kind(*kind, None).all(|node| !view.sees(node)),
            "{}",
            kind.name()
        );
    }
}

/// Two organizations, `a` with the profile `p` and `b` with `q`.
struct Two {
    graph: Graph,
    clock: Clock,
    a: Uuid,
    b: Uuid,
    p: Uuid,
    q: Uuid,
}

fn two() -> Two {
    let clock = Clock::frozen(NOW);
    let mut graph = Graph::new();
    let mut tx = Transaction::new(&mut graph, 1, NOW, &clock);
    let mut side = || {
        let [organization, group, profile] = [Kind::Organization, Kind::ProfileGroup, Kind::Profile].map(|kind| {
            let id = tx.new_id();
            tx.create(id, kind, Fields::default(), Kept::default()).unwrap();
            id
        });
        tx.relate(rel::GROUPS, organization, group, Fields::default()).unwrap();
        tx.relate(rel::MEMBERSHIP, profile, group, Fields::default()).unwrap();
        (organization, profile)
    };
    let ((a, p), (b, q)) = (side(), side());
    tx.finish().unwrap();
    Two {
        graph,
        clock,
        a,
        b,
        p,
        q,
    }
}

impl Two {
    fn write<T>(&mut self, run: impl FnOnce(&mut Transaction<'_>) -> T) -> T {
        let revision = self.graph.revision() + 1;
        let mut tx = Transaction::new(&mut self.graph, revision, NOW, &self.clock);
        let done = run(&mut tx);
        tx.finish().unwrap();
        done
    }

    fn token(&mut self, who: &Who, new: NewToken) -> Result<(Uuid, String), TokenError> {
        self.write(|tx| token::create(tx, who, &new))
    }
}

fn asks(permissions: &[&str]) -> NewToken {
    NewToken {
        permissions: permissions.iter().map(|text| (*text).to_owned()).collect(),
        ..NewToken::default()
    }
}

fn holds(permissions: &[&str], organization: Option<Uuid>) -> Who {
    Who {
        principal: Principal::default(),
        organization,
        permissions: Permissions::parse_all(permissions.iter().copied()).unwrap(),
    }
}

#[test]
fn a_token_lets_in_who_has_it() {
    let mut two = two();
    let admin = AdminToken::new(&"admin-".repeat(8)).unwrap();
    let new = NewToken {
        profile: Some(two.p),
        organization: Some(two.a),
        ..asks(&["License.read", "*.create"])
    };
    let (id, text) = two.token(&Who::server(), new).unwrap();
    let who = authenticate(&two.graph, &text, Some(&admin), NOW).unwrap();
    assert_eq!(
        who.principal,
        Principal {
            token: Some(id),
            profile: Some(two.p)
        }
    );
    assert_eq!(who.organization, Some(two.a));
    assert_eq!(
        who.permissions,
        Permissions::parse_all(["License.read", "*.create"]).unwrap()
    );

    let who = authenticate(&two.graph, &"admin-".repeat(8), Some(&admin), NOW).unwrap();
    assert_eq!(
        (who.principal.token, who.permissions),
        (Some(AdminToken::ID), Permissions::ALL)
    );

    let other = text.replace(&text[text.len() - 1..], "x");
    let unknown = format!("sg_{}.{}", Uuid::from_u128(77).simple(), &text[36..]);
    for wrong in [
        &other,
        &unknown,
        &text[1..],
        &text[..text.len() - 1],
        &text.to_uppercase(),
        "",
        "sg_.",
        &"x".repeat(5000),
    ] {
        let refused = authenticate(&two.graph, wrong, Some(&admin), NOW).unwrap_err();
        assert_eq!(refused, AuthError::Invalid, "{wrong}");
    }
    assert!(authenticate(&two.graph, &"admin-".repeat(8), None, NOW).is_err());
}

#[test]
fn the_secret_is_kept_nowhere() {
    let mut two = two();
    let (id, text) = two.token(&Who::server(), asks(&["*.*"])).unwrap();
    let secret = text.rsplit('.').next().unwrap();
    assert_eq!(secret.len(), 64);
    let stored = two.graph.find(id).unwrap();
    assert!(!format!("{:?}", stored.entity()).contains(secret));
    let view = Who::server();
    assert!(
        View::new(&two.graph, &view).find(id).is_none(),
        "tokens are no part of the graph anybody sees"
    );
}

#[test]
fn a_token_ends() {
    let mut two = two();
    let later = Time(NOW.0 + 1000);
    let (id, text) = two
        .token(
            &Who::server(),
            NewToken {
                expires: Some(later),
                ..asks(&["*.*"])
            },
        )
        .unwrap();
    assert!(authenticate(&two.graph, &text, None, Time(later.0 - 1)).is_ok());
    assert_eq!(
        authenticate(&two.graph, &text, None, later).unwrap_err(),
        AuthError::Expired
    );
    two.write(|tx| token::revoke(tx, &Who::server(), id)).unwrap();
    assert_eq!(
        authenticate(&two.graph, &text, None, NOW).unwrap_err(),
        AuthError::Invalid
    );
}

#[test]
fn a_token_goes_with_its_profile_and_its_organization() {
    for kind in [Kind::Profile, Kind::Organization] {
        let mut two = two();
        let new = NewToken {
            profile: Some(two.p),
            organization: Some(two.a),
            ..asks(&["*.*"])
        };
        let (token, text) = two.token(&Who::server(), new).unwrap();
        let id = if kind == Kind::Profile { two.p } else { two.a };
        two.write(|tx| {
            tx.remove_cascading(id).unwrap();
        });
        assert_eq!(
            authenticate(&two.graph, &text, None, NOW).unwrap_err(),
            AuthError::Orphaned,
            "{}",
            kind.name()
        );
        two.write(|tx| assert_eq!(token::revoke_of(tx, kind, id), Ok(1)));
        assert!(two.graph.find(token).is_none());
    }
}

#[test]
fn a_profile_that_is_not_valid_lets_nobody_in() {
    let mut two = two();
    let (_, text) = two
        .token(
            &Who::server(),
            NewToken {
                profile: Some(two.p),
                ..asks(&["*.*"])
            },
        )
        .unwrap();
    for (field, at, lets_in) in [
        ("validUntil", NOW.0, false),
        ("validUntil", NOW.0 + 1, true),
        ("validFrom", NOW.0, true),
        ("validFrom", NOW.0 + 1, false),
    ] {
        let p = two.p;
        let fields = Fields::default().with(Kind::Profile.field(field).unwrap(), Some(Value::Time(Time(at))));
        two.write(|tx| tx.update(p, fields)).unwrap();
        assert_eq!(
            authenticate(&two.graph, &text, None, NOW).is_ok(),
            lets_in,
            "{field} {at}"
        );
    }
}

#[test]
fn nobody_gives_what_they_do_not_hold() {
    let mut two = two();
    let (a, b, p, q) = (two.a, two.b, two.p, two.q);
    let bound = Some(a);
    let manager = &["Token.manage", "Profile.read", "License.*", "Organization.read"][..];
    let people = &["Token.manage", "*.read"][..];
    for (holder, organization, new, expected) in [
        (manager, None, asks(&["License.read", "Profile.read"]), "made"),
        (manager, None, asks(&["License.*"]), "made"),
        (manager, None, asks(&["License.read", "Entitlement.read"]), "NotHeld"),
        (manager, None, asks(&["*.read"]), "NotHeld"),
        (manager, None, asks(&["*.*"]), "NotHeld"),
        (manager, None, asks(&["Licence.read"]), "Permission"),
        (&["License.read"], None, asks(&["License.read"]), "Denied"),
        (
            manager,
            None,
            NewToken {
                organization: Some(b),
                ..asks(&[])
            },
            "made",
        ),
        (
            manager,
            None,
            NewToken {
                organization: Some(p),
                ..asks(&[])
            },
            "Dangling",
        ),
        (
            manager,
            None,
            NewToken {
                profile: Some(a),
                ..asks(&[])
            },
            "Dangling",
        ),
        (
            manager,
            bound,
            NewToken {
                organization: Some(a),
                ..asks(&["License.read"])
            },
            "made",
        ),
        (
            manager,
            bound,
            NewToken {
                organization: Some(b),
                ..asks(&["License.read"])
            },
            "OtherOrganization",
        ),
        (
            manager,
            bound,
            NewToken {
                profile: Some(p),
                ..asks(&[])
            },
            "ProfileNotHeld(Kind(Person, Read))",
        ),
        (
            manager,
            None,
            NewToken {
                profile: Some(p),
                ..asks(&[])
            },
            "ProfileNotHeld(Kind(Person, Read))",
        ),
        (
            people,
            None,
            NewToken {
                profile: Some(p),
                ..asks(&[])
            },
            "made",
        ),
        (
            people,
            bound,
            NewToken {
                profile: Some(p),
                ..asks(&[])
            },
            "made",
        ),
        (
            people,
            bound,
            NewToken {
                profile: Some(q),
                ..asks(&[])
            },
            "Dangling",
        ),
        (
            manager,
            bound,
            NewToken {
                profile: Some(q),
                ..asks(&[])
            },
            "Dangling",
        ),
        (
            manager,
            bound,
            NewToken {
                profile: Some(Uuid::from_u128(9)),
                ..asks(&[])
            },
            "Dangling",
        ),
        (
            &["Token.manage"],
            bound,
            NewToken {
                profile: Some(p),
                ..asks(&[])
            },
            "Dangling",
        ),
        (
            manager,
            None,
            NewToken {
                expires: Some(NOW),
                ..asks(&[])
            },
            "ExpiresInPast",
        ),
    ] {
        let told = match two.token(&holds(holder, organization), new.clone()) {
            Ok(_) => "made".to_owned(),
            Err(refused) => format!("{refused:?}"),
        };
        assert!(
            told.starts_with(expected),
            "{holder:?} {organization:?} {new:?}: {told}"
        );
    }
    // What a bound token makes is bound, asked for or not.
    for info in token::list(&two.graph, &holds(manager, bound), None, None).unwrap() {
        assert_eq!(info.organization, bound);
    }
}

/// Whoever makes the token, of whomever, bound or not: it sees nothing its maker does not see.
#[test]
fn a_token_that_is_given_sees_no_more_than_its_giver() {
    let mut dice = Dice(11);
    let (mut made, mut own) = (0, 0);
    // The ids of the worlds come from such a clock too, and are no others.
    let clock = Clock::frozen(NOW);
    for _ in 0..1000 {
        clock.new_id();
    }
    for seed in 1..60 {
        let mut graph = world(seed);
        let of_kind = |graph: &Graph, kind| graph.of_kind(kind, None).map(|node| node.id).collect::<Vec<_>>();
        let (organizations, profiles) = (of_kind(&graph, Kind::Organization), of_kind(&graph, Kind::Profile));
        for _ in 0..20 {
            let any = |dice: &mut Dice, from: &[Uuid]| if dice.roll(2) == 0 { None } else { dice.pick(from) };
            let maker = Who {
                principal: Principal {
                    token: None,
                    profile: any(&mut dice, &profiles),
                },
                organization: any(&mut dice, &organizations),
                permissions: permissions(&mut dice).union(Permissions::parse("Token.manage").unwrap()),
            };
            let new = NewToken {
                profile: match dice.roll(3) {
                    0 => maker.principal.profile,
                    _ => any(&mut dice, &profiles),
                },
                organization: any(&mut dice, &organizations),
                ..NewToken::default()
            };
            let mut tx = Transaction::new(&mut graph, 2, NOW, &clock);
            let Ok((_, text)) = token::create(&mut tx, &maker, &new) else {
                continue;
            };
            made += 1;
            let given = authenticate(tx.graph(), &text, None, NOW).unwrap();
            let (view, makers) = (View::new(tx.graph(), &given), View::new(tx.graph(), &maker));
            for node in Kind::ALL.iter().flat_map(|kind| tx.graph().of_kind(*kind, None)) {
                own += usize::from(view.sees(node));
                assert!(
                    !view.sees(node) || makers.sees(node),
                    "{maker:?} {new:?} {}",
                    node.kind.name()
                );
            }
        }
    }
    assert!(made > 100 && own > 100, "{made} {own}");
}

#[test]
fn a_bound_token_manages_those_of_its_organization() {
    let mut two = two();
    let (a, b) = (two.a, two.b);
    let (of_a, _) = two
        .token(
            &Who::server(),
            NewToken {
                organization: Some(a),
                ..asks(&["License.read"])
            },
        )
        .unwrap();
    let (of_b, _) = two
        .token(
            &Who::server(),
            NewToken {
                organization: Some(b),
                ..asks(&["License.read"])
            },
        )
        .unwrap();
    let (of_all, _) = two.token(&Who::server(), asks(&["License.read"])).unwrap();
    let manager = holds(&["Token.manage"], Some(a));
    let listed = |graph: &Graph, who: &Who| {
        token::list(graph, who, None, None)
            .unwrap()
            .map(|info| info.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(listed(&two.graph, &manager), [of_a]);
    assert_eq!(listed(&two.graph, &Who::server()), [of_a, of_b, of_all]);
    for (id, expected) in [
        (of_b, Err(TokenError::NotFound(of_b))),
        (of_all, Err(TokenError::NotFound(of_all))),
        (a, Err(TokenError::NotFound(a))),
        (Uuid::from_u128(9), Err(TokenError::NotFound(Uuid::from_u128(9)))),
        (of_a, Ok(())),
    ] {
        assert_eq!(two.write(|tx| token::revoke(tx, &manager, id)), expected);
    }
    assert!(token::list(&two.graph, &holds(&["License.read"], None), None, None).is_err());
}

/// Who came in by the password, and has had to prove it.
#[test]
fn who_replaces_a_password_stays_in() {
    let mut two = two();
    let profile = two.p;
    let until = Time(NOW.0 + 1000);
    let entered = |tx: &mut Transaction<'_>| token::of_login(tx, profile, &[], until);
    let own = two.write(entered).unwrap();
    let other = two.write(entered).unwrap();
    let who = authenticate(&two.graph, &own, None, NOW).unwrap();
    two.write(|tx| token::log_out(tx, &who, profile)).unwrap();
    assert!(authenticate(&two.graph, &own, None, NOW).is_ok());
    assert_eq!(
        authenticate(&two.graph, &other, None, NOW).err(),
        Some(AuthError::Invalid)
    );
}

#[test]
fn what_concerns_the_server_is_not_for_a_bound_token() {
    for permission in Permission::all() {
        let bound = Who {
            organization: Some(Uuid::from_u128(1)),
            ..Who::server()
        };
        assert!(Who::server().may(permission));
        assert_eq!(bound.may(permission), permission.resource() != "Server", "{permission}");
    }
}
