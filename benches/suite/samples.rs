//! Whom and what the requests are about: taken from all over the world and not from its beginning, which would lie in the
//! caches, and the same in every run.

use std::fs;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::results;
use super::support::Server;
use super::world::World;

/// How many of a kind are asked for in turn.
const SOME: u64 = 1000;
/// Members of the hub that are taken out of it and put back.
pub const MEMBERS: u64 = 8000;

#[derive(Default, Serialize, Deserialize)]
pub struct Samples {
    pub licenses: Vec<String>,
    pub profiles: Vec<String>,
    /// By name: those whose list has 20 results, once `take` has asked.
    pub organizations: Vec<String>,
    /// By name: those whose list has about ten.
    #[serde(skip)]
    pub small: Vec<String>,
    pub entitlements: Vec<String>,
    /// Ids and names.
    pub items: Vec<(String, String)>,
    pub hub: Hub,
    /// Pairs of a user and an item: those who may, and those who may not.
    #[serde(skip)]
    pub granted: Vec<(String, String)>,
    #[serde(skip)]
    pub refused: Vec<(String, String)>,
}

#[derive(Default, Serialize, Deserialize)]
pub struct Hub {
    pub organization: String,
    pub entitlement: String,
    pub group: String,
    pub members: Vec<String>,
}

/// Every so many-eth.
struct Stride {
    every: u64,
    seen: u64,
}

impl Stride {
    fn of(all: u64, wanted: u64) -> Self {
        let every = (all / wanted).max(1);
        Self { every, seen: 0 }
    }

    fn take(&mut self) -> bool {
        self.seen += 1;
        self.seen.is_multiple_of(self.every)
    }
}

impl Samples {
    pub fn take(world: &World, server: &Server) -> Self {
        let kept = results::folder().join(format!("suite-{}.samples.json", world.size));
        let read = fs::read(&kept)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let mut samples: Self = read.unwrap_or_else(|| {
            let samples = Self::of_lines(world);
            fs::write(&kept, serde_json::to_vec(&samples).expect("JSON")).expect("the samples can be written");
            samples
        });
        samples.decide(server);
        let results = |name: &String| {
            let body = server.get(&list(name));
            String::from_utf8_lossy(&body).matches("\"SeatCountCredit\"").count()
        };
        let all = std::mem::take(&mut samples.organizations).into_iter();
        for (name, count) in all.map(|name| (name.clone(), results(&name))) {
            match count {
                8..=12 => samples.small.push(name),
                20.. => samples.organizations.push(name),
                _ => {}
            }
        }
        assert!(
            !samples.organizations.is_empty() && !samples.small.is_empty(),
            "there are customers of both sizes"
        );
        samples
    }

    fn of_lines(world: &World) -> Self {
        let flat = world.profiles() - world.hub;
        let mut samples = Self::default();
        let mut licenses = Stride::of(world.licenses(), SOME);
        let mut profiles = Stride::of(flat, SOME / 2);
        let mut members = Stride::of(world.hub, MEMBERS);
        let mut organizations = Stride::of((world.size as f64 * 0.008) as u64, 4 * SOME);
        let mut entitlements = Stride::of((world.size as f64 * 0.016) as u64, SOME);
        let mut users = 0;
        for line in world.lines() {
            let Some(kind) = line
                .strip_prefix("{\"__objType\":\"")
                .and_then(|rest| rest.split('"').next())
            else {
                continue;
            };
            let member = |name: &str| {
                let value: Value = serde_json::from_str(&line).expect("JSON");
                value[name].as_str().unwrap_or_default().to_owned()
            };
            match kind {
                "License" if licenses.take() => samples.licenses.push(member("id")),
                "Profile" => {
                    users += 1;
                    if users <= flat && profiles.take() {
                        samples.profiles.push(member("id"));
                    } else if users > flat && members.take() && samples.hub.members.len() < MEMBERS as usize {
                        samples.hub.members.push(member("id"));
                    }
                }
                "Organization" if line.contains("\"alias\":\"hub\"") => samples.hub.organization = member("id"),
                "Organization" if organizations.take() => samples.organizations.push(member("name")),
                "Entitlement" if line.contains("\"name\":\"Hub\"") => samples.hub.entitlement = member("id"),
                "Entitlement" if entitlements.take() => samples.entitlements.push(member("id")),
                "ProfileGroup" if line.contains("\"name\":\"Everybody\"") => samples.hub.group = member("id"),
                "LicensedItem" => samples.items.push((member("id"), member("name"))),
                _ => {}
            }
        }
        samples
    }

    /// Asks the server who may use what; as many of one as of the other, spread over the users.
    fn decide(&mut self, server: &Server) {
        let pairs: Vec<(&String, &String)> = self
            .profiles
            .iter()
            .flat_map(|profile| self.items.iter().map(move |(_, item)| (profile, item)))
            .collect();
        let (mut granted, mut refused) = (Vec::new(), Vec::new());
        for some in pairs.chunks(500) {
            let checks: Vec<Value> = some
                .iter()
                .map(|(profile, item)| json!({"profileId": profile, "item": item}))
                .collect();
            let body = json!({ "checks": checks }).to_string();
            let answer = server.must("POST /checks", &body);
            for ((profile, item), result) in some.iter().zip(answer["results"].as_array().expect("results")) {
                let list = if result["granted"] == true {
                    &mut granted
                } else {
                    &mut refused
                };
                list.push(((*profile).clone(), (*item).clone()));
            }
        }
        assert!(granted.len() >= 100 && refused.len() >= 100, "the world has both");
        let spread = |list: Vec<(String, String)>| {
            let step = (list.len() / 500).max(1);
            list.into_iter().step_by(step).take(500).collect::<Vec<_>>()
        };
        (self.granted, self.refused) = (spread(granted), spread(refused));
    }

    /// Those who may and those who may not, in turn.
    pub fn pairs(&self) -> impl Iterator<Item = &(String, String)> {
        self.granted
            .iter()
            .zip(&self.refused)
            .flat_map(|(granted, refused)| [granted, refused])
    }
}

/// Three hops from the name of a customer, 20 results at most.
pub fn list(organization: &str) -> String {
    let name = organization.replace(' ', "%20");
    format!(
        "/graph/Organization[@name='{name}']/~OneToMany/Entitlement/~OneToMany/License/~OneToMany/SeatCountCredit{{r=20}}"
    )
}
