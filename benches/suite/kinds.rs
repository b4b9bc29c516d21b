//! The kinds of reads, as the targets they ask for. Each is asked at every size; those at the hub are what must not grow with
//! the relations that meet there.

use serde_json::{Value, json};

use super::samples::{Samples, list};
use super::stream::{Stream, send};
use super::support::Server;
use super::world::World;

pub struct Read {
    pub figure: &'static str,
    /// Lines of `ask.lua`.
    pub lines: Vec<String>,
    /// Requests are made of so many questions.
    pub questions: u64,
    /// A bare handler answers as many bytes.
    pub bare: bool,
    /// An example, for the page.
    pub example: String,
}

/// Results of a page.
const PAGE: u32 = 20;

/// Lists that nothing of has changed since they were asked for before.
pub const REMEMBERED: &str = "three-hop list, asked again";

fn get(figure: &'static str, targets: Vec<String>, bare: bool) -> Read {
    Read {
        figure,
        example: targets[0].clone(),
        lines: targets.into_iter().map(|target| format!("GET {target}")).collect(),
        questions: 1,
        bare,
    }
}

pub fn remembered(samples: &Samples) -> Read {
    get(
        REMEMBERED,
        samples.organizations.iter().map(|name| list(name)).collect(),
        true,
    )
}

pub fn reads(world: &World, server: &Server, samples: &Samples) -> Vec<Read> {
    let by_id = samples.licenses.iter().map(|id| format!("/graph/License[@id='{id}']"));
    let at_hub = format!(
        "/graph/Entitlement[@id='{}']/~OneToMany/License",
        samples.hub.entitlement
    );
    let page = |selector: &str| vec![format!("{selector}{{r={PAGE}}}")];
    let sorted = |selector: &str| vec![format!("{selector}{{s=validUntil,r={PAGE}}}")];
    let middle = world.hub / 2;
    let mut reads = vec![
        get("fetch by id", by_id.collect(), true),
        get("check", samples.pairs().map(check).collect(), true),
        get(
            "three-hop list",
            samples.organizations.iter().map(|name| list(name)).collect(),
            true,
        ),
        get(
            "three-hop list of ten",
            samples.small.iter().map(|name| list(name)).collect(),
            true,
        ),
        batches(samples),
        get("hop at a hub", page(&at_hub), false),
        get(
            "filtered hop at a hub",
            page(&format!("{at_hub}[@active=false]")),
            false,
        ),
        get("count at a hub", vec![format!("{at_hub}{{count}}")], false),
        get(
            "page deep inside, {i=}",
            vec![format!("{at_hub}{{i={middle},r={PAGE}}}")],
            false,
        ),
    ];
    if let Some(cursor) = deep(server, &at_hub, middle) {
        reads.push(get("page deep inside, cursor", vec![cursor], false));
    }
    // How far into its kind a page of matches reaches is the luck of a world: a mean of many names is less so.
    let prefixes = PREFIXES.map(|start| format!("/graph/Profile[@displayName*'{start}']{{r={PAGE}}}"));
    let likes = PARTS.map(|part| format!("/graph/Profile[@displayName~'{part}']{{r={PAGE}}}"));
    reads.extend([
        get("sort by an indexed field", sorted("/graph/License"), false),
        get("sort at a hub", sorted(&at_hub), false),
        get("prefix", prefixes.to_vec(), false),
        get("like", likes.to_vec(), false),
    ]);
    reads
}

/// Of first names of the generated worlds: how they begin, and what is within.
const PREFIXES: [&str; 16] = [
    "Fat", "Ras", "Ain", "Lia", "Dar", "Eer", "Gun", "Han", "Ilm", "Kat", "Mei", "Nad", "Osk", "Pri", "Qui", "Tuu",
];
const PARTS: [&str; 16] = [
    "tim", "smu", "ino", "iam", "ara", "ero", "unn", "ana", "lma", "tar", "mei", "adi", "ska", "riy", "uin", "uul",
];

fn check((profile, item): &(String, String)) -> String {
    format!(
        "/authz/.json?{}&doConsume=false&onBehalfOfId={profile}",
        item.replace(' ', "+")
    )
}

/// Single checks, as lines of `ask.lua`.
pub fn checks(samples: &Samples) -> Vec<String> {
    samples.pairs().map(|pair| format!("GET {}", check(pair))).collect()
}

/// `/checks` of a hundred.
fn batches(samples: &Samples) -> Read {
    let pairs: Vec<&(String, String)> = samples.pairs().collect();
    let batch = |number: usize| {
        let checks: Vec<Value> = (0..100)
            .map(|at| {
                let (profile, item) = pairs[(number * 100 + at) % pairs.len()];
                json!({"profileId": profile, "item": item})
            })
            .collect();
        format!("POST /checks\tapplication/json\t{}", json!({ "checks": checks }))
    };
    Read {
        figure: "checks, 100 a request",
        lines: (0..50).map(batch).collect(),
        questions: 100,
        bare: false,
        example: "POST /checks".to_owned(),
    }
}

/// A page in the middle of the hub, by its cursor: who wants it has walked there, by pages as large, for a cursor is of one
/// selector.
fn deep(server: &Server, selector: &str, middle: u64) -> Option<String> {
    let mut stream = Stream::open(server.port);
    let target = format!("{selector}{{r={PAGE}}}");
    let mut cursor = String::new();
    for _ in 0..middle / u64::from(PAGE) {
        let answer = stream.ask(&send("GET", &format!("{target}{cursor}"), None, ""), "Items");
        let (_, rest) = answer.rsplit_once("\"nextCursor\":\"")?;
        cursor = format!("?cursor={}", rest.split('"').next()?);
    }
    Some(format!("{target}{cursor}"))
}
