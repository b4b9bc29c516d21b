//! What checking and consuming cost over loopback HTTP, beside a bare actix-web handler and durable creates of the same run.
//! Needs `wrk` (a Debian package).
//!
//! `cargo bench --bench consume -- 100000 --rounds 3 --seconds 2`; `--leases 1000000` measures checks and consumes again with so
//! many live leases, and `--expire 100000` the checks while so many leases end within a minute. Stops by itself.

#[path = "support/bare.rs"]
mod bare;
#[path = "support/stream.rs"]
mod stream;
mod support;
#[path = "support/wrk.rs"]
mod wrk;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bare::Bare;
use serde_json::Value;
use stream::{Stream, blast, post};
use support::{Server, copy, world};
use wrk::{Figures, measured, median};

const CONNECTIONS: usize = 32;
/// Requests of one measurement of a write.
const REQUESTS: usize = 8_000;
/// Users who consume in the benches, and what they consume.
const CONSUMERS: usize = 2_000;
const ITEM: &str = "bench-item";
const FORM: &str = "application/x-www-form-urlencoded";

struct Asked {
    size: u64,
    rounds: usize,
    seconds: u64,
    leases: usize,
    expire: usize,
}

fn main() {
    let mut asked = Asked {
        size: 100_000,
        rounds: 3,
        seconds: 2,
        leases: 0,
        expire: 0,
    };
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse().ok()).expect("a number");
        match argument.as_str() {
            "--rounds" => asked.rounds = number() as usize,
            "--seconds" => asked.seconds = number(),
            "--leases" => asked.leases = number() as usize,
            "--expire" => asked.expire = number() as usize,
            size => asked.size = size.parse().expect("a number of entities"),
        }
    }
    let database = world(asked.size);
    let server = Server::start(&copy(&database));
    let bench = Bench::new(server, database.with_extension("targets"));
    println!(
        "{} entities, {CONNECTIONS} connections, median of {}",
        asked.size, asked.rounds
    );
    bench.checks(&asked, "checks, half of them refused");
    bench.batches(&asked);
    bench.writes(&asked);
    if asked.leases > 0 {
        bench.hold(asked.leases);
        bench.checks(&asked, "checks");
        bench.writes(&asked);
    }
    if asked.expire > 0 {
        bench.expire(&asked);
    }
}

struct Bench {
    server: Server,
    file: PathBuf,
    /// Users and items of the generated world: those who may, and those who may not.
    granted: Vec<(String, String)>,
    refused: Vec<(String, String)>,
    /// No two devices have one name.
    devices: std::cell::Cell<usize>,
}

fn id(kind: u32, number: usize) -> String {
    format!("c{kind:07x}-0000-4000-8000-{number:012x}")
}

impl Bench {
    fn new(server: Server, file: PathBuf) -> Self {
        let import = post("/import", "application/x-ndjson", &consumers());
        Stream::open(server.port).ask(&import, "ImportResult");
        let list = |selector: &str, member: &str| -> Vec<String> {
            let answer: Value = serde_json::from_slice(&server.get(selector)).expect("JSON");
            let items = answer["Items"].as_array().expect("Items").iter();
            items
                .filter_map(|item| item[member].as_str().map(str::to_owned))
                .collect()
        };
        let profiles = list("/graph/ProfileGroup[@name!='bench']/~Membership/Profile{r=1000}", "id");
        let items = list("/graph/LicensedItem[@name!='bench-item']{r=20}", "name");
        let (mut granted, mut refused) = (Vec::new(), Vec::new());
        let pairs: Vec<(&String, &String)> = profiles
            .iter()
            .flat_map(|profile| items.iter().map(move |item| (profile, item)))
            .collect();
        for some in pairs.chunks(500) {
            let checks: Vec<Value> = some
                .iter()
                .map(|(profile, item)| serde_json::json!({"profileId": profile, "item": item}))
                .collect();
            let body = serde_json::json!({ "checks": checks }).to_string();
            let (status, answer) = server.request("POST /checks", &body).expect("an answer");
            assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
            let answer: Value = serde_json::from_slice(&answer).expect("JSON");
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
        // Spread over the users, and as many of one as of the other.
        let spread = |list: Vec<(String, String)>| {
            let step = (list.len() / 500).max(1);
            list.into_iter().step_by(step).take(500).collect::<Vec<_>>()
        };
        Self {
            server,
            file,
            granted: spread(granted),
            refused: spread(refused),
            devices: std::cell::Cell::new(0),
        }
    }

    fn checks(&self, asked: &Asked, name: &str) {
        let target = |(profile, item): &(String, String)| {
            format!(
                "/authz/.json?{}&doConsume=false&onBehalfOfId={profile}",
                item.replace(' ', "+")
            )
        };
        let targets: Vec<String> = self
            .granted
            .iter()
            .zip(&self.refused)
            .flat_map(|(granted, refused)| [target(granted), target(refused)])
            .collect();
        fs::write(&self.file, targets.join("\n")).expect("the targets can be written");
        let bytes = [&targets[0], &targets[1]].map(|target| self.server.get(target).len());
        let bare = Bare::start(vec![b'x'; (bytes[0] + bytes[1]) / 2], None);
        let process = self.server.child.id().to_string();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..asked.rounds {
            ours.push(measured(self.server.port, &process, asked.seconds, &self.file));
            theirs.push(measured(bare.port, "self", asked.seconds, &self.file));
        }
        let (ours, theirs) = (median(ours), median(theirs));
        println!(
            "  {name:<30} {:>9.0}/s p99 {:>7.3} ms {:>5.1} us CPU | bare {:>9.0}/s p99 {:>7.3} ms {:>5.1} us CPU | {:.2} ({} and {} bytes)",
            ours.rate,
            ours.p99_ms,
            ours.cpu_micros,
            theirs.rate,
            theirs.p99_ms,
            theirs.cpu_micros,
            ours.rate / theirs.rate,
            bytes[0],
            bytes[1]
        );
    }

    fn batches(&self, asked: &Asked) {
        let pairs: Vec<&(String, String)> = self
            .granted
            .iter()
            .zip(&self.refused)
            .flat_map(|(granted, refused)| [granted, refused])
            .collect();
        let requests: Vec<String> = (0..2_000)
            .map(|number| {
                let checks: Vec<String> = (0..100)
                    .map(|at| {
                        let (profile, item) = pairs[(number * 100 + at) % pairs.len()];
                        format!("{{\"profileId\":\"{profile}\",\"item\":\"{item}\"}}")
                    })
                    .collect();
                post(
                    "/checks",
                    "application/json",
                    &format!("{{\"checks\":[{}]}}", checks.join(",")),
                )
            })
            .collect();
        let rate = self.rate(asked.rounds, &requests, "\"granted\":true");
        println!("  checks in batches of 100       {:>9.0}/s", rate * 100.0);
    }

    /// The median rate of the same requests, again and again.
    fn rate(&self, rounds: usize, requests: &[String], wanted: &str) -> f64 {
        self.fresh_rate(rounds, || requests.to_vec(), wanted)
    }

    fn fresh_rate(&self, rounds: usize, requests: impl Fn() -> Vec<String>, wanted: &str) -> f64 {
        let mut rates: Vec<f64> = (0..rounds)
            .map(|_| {
                let requests = requests();
                let started = Instant::now();
                blast(self.server.port, CONNECTIONS, &requests, wanted);
                requests.len() as f64 / started.elapsed().as_secs_f64()
            })
            .collect();
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    }

    fn writes(&self, asked: &Asked) {
        let create = self.fresh_rate(
            asked.rounds,
            || {
                let body = "{\"__objType\":\"Organization\",\"name\":\"created\",\"type\":\"bench\"}";
                (0..REQUESTS)
                    .map(|_| post("/graph", "application/json", body))
                    .collect()
            },
            "\"resultCode\":\"Success\"",
        );
        let consume = |form: &'static str, number: usize, wanted: &'static str| {
            self.fresh_rate(asked.rounds, || self.consumes(form, "", number), wanted)
        };
        let json = consume(".json?", REQUESTS, "\"jti\"");
        let eddsa = consume(".jwt?alg=EdDSA&", REQUESTS, ".");
        let rs256 = consume(".jwt?", 400, ".");
        println!("  durable creates                {create:>9.0}/s");
        println!(
            "  consumes, .json                {json:>9.0}/s | {:.2} of a create",
            json / create
        );
        println!(
            "  consumes, .jwt by EdDSA        {eddsa:>9.0}/s | {:.2} of .json",
            eddsa / json
        );
        println!("  consumes, .jwt by RS256        {rs256:>9.0}/s");
    }

    /// New leases, each on a device of its own.
    fn consumes(&self, form: &str, more: &str, number: usize) -> Vec<String> {
        let first = self.devices.replace(self.devices.get() + number);
        let item = ITEM.replace(' ', "+");
        (first..first + number)
            .map(|device| {
                let profile = id(5, device % CONSUMERS);
                let target = format!("/authz/{form}{item}&onBehalfOfId={profile}&hw=device-{device}{more}");
                post(&target, FORM, "")
            })
            .collect()
    }

    fn hold(&self, leases: usize) {
        let started = Instant::now();
        while self.devices.get() < leases {
            let some = (leases - self.devices.get()).min(100_000);
            blast(
                self.server.port,
                CONNECTIONS,
                &self.consumes(".json?", "&consumptionMode=checkout", some),
                "\"jti\"",
            );
        }
        println!(
            "with {leases} live leases (made in {:.0} s):",
            started.elapsed().as_secs_f64()
        );
    }

    /// Leases that end in the second half minute, so that there is time to make them.
    fn expire(&self, asked: &Asked) {
        let started = Instant::now();
        let quiet = measured(
            self.server.port,
            &self.server.child.id().to_string(),
            asked.seconds,
            &self.file,
        );
        let mut left = asked.expire;
        while left > 0 {
            let some = left.min(10_000);
            let ends_in = 70_000u64.saturating_sub(started.elapsed().as_millis() as u64);
            let mut more = String::new();
            let _ = write!(more, "&consumeDuration={}", ends_in.max(1_000));
            blast(
                self.server.port,
                CONNECTIONS,
                &self.consumes(".json?", &more, some),
                "\"jti\"",
            );
            left -= some;
        }
        std::thread::sleep(Duration::from_secs(60).saturating_sub(started.elapsed()));
        let mut worst: Option<Figures> = None;
        while started.elapsed() < Duration::from_secs(130) {
            let run = measured(
                self.server.port,
                &self.server.child.id().to_string(),
                asked.seconds,
                &self.file,
            );
            if worst.is_none_or(|worst| run.p99_ms > worst.p99_ms) {
                worst = Some(run);
            }
        }
        let worst = worst.map_or(0.0, |worst| worst.p99_ms);
        println!(
            "  checks' p99 while {} leases end: {worst:.3} ms at worst, {:.3} ms before | {:.2}",
            asked.expire,
            quiet.p99_ms,
            worst / quiet.p99_ms
        );
    }
}

/// An organization whose users may all use one item, on as many devices as they like.
fn consumers() -> String {
    let reference = |kind: &str, to: String| format!("\"ref_{kind}_id\":\"{to}\"");
    let line = |kind: &str, of: u32, number: usize, more: &str, references: &[String]| {
        format!(
            "{{\"__objType\":\"{kind}\",\"id\":\"{}\"{more},\"referenceFields\":{{{}}}}}\n",
            id(of, number),
            references.join(",")
        )
    };
    let organization = || reference("Organization", id(1, 0));
    let mut lines = format!(
        "{{\"__objType\":\"Organization\",\"id\":\"{}\",\"name\":\"bench\"}}\n{{\"__objType\":\"LicensedItem\",\"id\":\"{}\",\"name\":\"{ITEM}\"}}\n",
        id(1, 0),
        id(2, 0)
    );
    lines += &line(
        "ProfileGroup",
        3,
        0,
        ",\"name\":\"bench\",\"type\":\"employees\"",
        &[organization()],
    );
    lines += &line("Entitlement", 4, 0, ",\"name\":\"bench\"", &[organization()]);
    let (entitlement, group) = (reference("Entitlement", id(4, 0)), reference("ProfileGroup", id(3, 0)));
    let relation = |kind: &str, ends: &[String]| {
        format!(
            "{{\"__objType\":\"{kind}\",\"referenceFields\":{{{}}}}}\n",
            ends.join(",")
        )
    };
    lines += &relation("LicenseConsumerRelation", &[entitlement.clone(), group.clone()]);
    let validity = ",\"active\":true,\"validFrom\":\"2020-01-01T00:00:00Z\"";
    lines += &line(
        "License",
        6,
        0,
        validity,
        &[entitlement, reference("LicensedItem", id(2, 0))],
    );
    lines += &line(
        "SeatCountCredit",
        7,
        0,
        ",\"active\":true",
        &[reference("License", id(6, 0))],
    );
    for number in 0..CONSUMERS {
        lines += &format!(
            "{{\"__objType\":\"Profile\",\"id\":\"{}\",\"displayName\":\"bench\"}}\n",
            id(5, number)
        );
        lines += &relation("Membership", &[reference("Profile", id(5, number)), group.clone()]);
    }
    lines
}
