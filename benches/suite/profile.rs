//! Where the time goes: the hot requests under `valgrind --tool=callgrind`, each counted while it alone is asked. Instructions
//! are the same on a busy machine and on an idle one, so commits can be compared by them. Writes `target/profile/*.txt` and a
//! line for the commit into `benches/profile.md`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::asked::Asked;
use super::consumers;
use super::kinds;
use super::results::{said, short};
use super::samples::Samples;
use super::stream::{FORM, JSON, Stream, post, send};
use super::support::{self, BINARY, Server, TOKEN, copy, free_port};
use super::world::World;

const SIZE: u64 = 10_000;
/// Asked before the counting begins: what is made once is made then.
const WARM: usize = 300;
const COUNTED: usize = 2_000;
/// Functions that are printed; the file has all of them.
const SHOWN: usize = 8;
/// Items of the package that is granted.
const GRANTED: usize = 50;

/// A request that is profiled.
struct Hot {
    name: &'static str,
    requests: Box<dyn Fn(usize) -> String>,
    /// What each answer has.
    wanted: &'static str,
    counted: usize,
}

pub fn run(_asked: &Asked) {
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("`valgrind` is missing: apt-get install valgrind");
        std::process::exit(1);
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/profile");
    fs::create_dir_all(&folder).expect("a folder for the profiles");
    let world = World::ready(SIZE);
    let database = copy(&world.database);
    let server = Server::start_with(&database, super::ANEW);
    let samples = Samples::take(&world, &server);
    consumers::import(&server);
    let package = package(&server, &samples);
    let token = bound(&server, &samples);
    let answer = server.get(&format!("/graph/License[@id='{}']", samples.licenses[0]));
    drop(server);

    let commit = said("git", &["describe", "--always", "--dirty"]);
    let mut counts: Vec<(&str, u64)> = Vec::new();
    let hot = hot(&samples, package, token);
    for hot in &hot {
        let port = free_port();
        let serve = [
            BINARY.to_owned(),
            "serve".to_owned(),
            "--listen".to_owned(),
            format!("127.0.0.1:{port}"),
            "--database".to_owned(),
            database.display().to_string(),
        ];
        let count = profile(&folder, hot.name, &serve, port, hot);
        counts.push((hot.name, count));
    }
    let body = folder.join("bare.body");
    fs::write(&body, answer).expect("the answer can be written");
    let port = free_port();
    let suite = std::env::current_exe().expect("the suite's own path");
    let serve = [
        suite.display().to_string(),
        "bare".to_owned(),
        port.to_string(),
        body.display().to_string(),
    ];
    let bare = Hot {
        name: "bare",
        requests: Box::new(|_| send("GET", "/", None, "")),
        wanted: "",
        counted: COUNTED,
    };
    let count = profile(&folder, "bare", &serve, port, &bare);
    counts.push(("bare", count));
    support::remove(&database);
    table(&commit, &counts);
    println!("the functions of each are in {}", folder.display());
}

fn hot(samples: &Samples, package: String, token: String) -> Vec<Hot> {
    let get = |name: &'static str, targets: Vec<String>| Hot {
        name,
        requests: Box::new(move |number| send("GET", &targets[number % targets.len()], None, "")),
        wanted: "",
        counted: COUNTED,
    };
    let checks: Vec<String> = kinds::checks(samples);
    let checks = checks
        .iter()
        .map(|line| line.trim_start_matches("GET ").to_owned())
        .collect();
    let organizations = samples.hub.organization.clone();
    vec![
        get(
            "fetch by id",
            samples
                .licenses
                .iter()
                .map(|id| format!("/graph/License[@id='{id}']"))
                .collect(),
        ),
        get("check", checks),
        get(
            "three-hop list",
            samples
                .organizations
                .iter()
                .map(|name| super::samples::list(name))
                .collect(),
        ),
        Hot {
            name: "list, bound token",
            requests: {
                let target = format!(
                    "/graph/Organization[@id='{}']/~OneToMany/Entitlement/~OneToMany/License{{r=20}}",
                    samples.hub.organization
                );
                Box::new(move |_| send("GET", &target, None, "").replace(TOKEN, &token))
            },
            wanted: "",
            counted: COUNTED,
        },
        Hot {
            name: "create",
            requests: Box::new(|number| {
                let body =
                    format!("{{\"__objType\":\"Organization\",\"name\":\"created {number}\",\"type\":\"company\"}}");
                post("/graph", JSON, &body)
            }),
            wanted: "\"Success\"",
            counted: COUNTED,
        },
        Hot {
            name: "consume",
            requests: Box::new(|number| {
                let form = consumers::form(number, &format!("profiled-{number}"));
                post("/authz/.json", FORM, &form)
            }),
            wanted: "\"jti\"",
            counted: COUNTED,
        },
        Hot {
            name: "grant of 50",
            requests: Box::new(move |_| {
                let target = format!("/graph{package}?operation=InitializeOrganizationLicenses");
                let form = format!("ownerOrganizationId={organizations}&licensedItemCount=5");
                post(&target, FORM, &form)
            }),
            wanted: "\"Success\"",
            counted: 100,
        },
    ]
}

/// A process that valgrind counts; it ends with this, in order, so that what was counted is written.
struct Counted {
    child: Child,
    out: PathBuf,
}

impl Counted {
    fn start(folder: &Path, name: &str, serve: &[String], port: u16) -> Self {
        let out = folder.join(format!("{}.callgrind", name.replace(' ', "-")));
        let log = out.with_extension("log");
        let _ = fs::remove_file(&out);
        let child = Command::new("valgrind")
            .args(["--tool=callgrind", "--instr-atstart=no"])
            .arg(format!("--callgrind-out-file={}", out.display()))
            .args(serve)
            .env("SEATGRAPH_ADMIN_TOKEN", TOKEN)
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).expect("a log"))
            .spawn()
            .expect("valgrind runs");
        let mut counted = Self { child, out };
        let deadline = Instant::now() + Duration::from_secs(300);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = counted.child.try_wait().is_ok_and(|ended| ended.is_some());
            assert!(
                !ended && Instant::now() < deadline,
                "{name} did not get ready, see {}",
                log.display()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        counted
    }

    fn switch(&self, state: &str) {
        let done = Command::new("callgrind_control")
            .args(["-i", state, &self.child.id().to_string()])
            .output()
            .expect("callgrind_control runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Its whole count, and what `callgrind_annotate` makes of it.
    fn end(mut self) -> (u64, String) {
        let _ = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status();
        let _ = self.child.wait();
        let output = Command::new("callgrind_annotate")
            .args(["--threshold=99", "--auto=no"])
            .arg(&self.out)
            .output()
            .expect("callgrind_annotate runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let total = text
            .lines()
            .find(|line| line.contains("PROGRAM TOTALS"))
            .and_then(|line| line.split_whitespace().next()?.replace(',', "").parse().ok());
        (
            total.unwrap_or_else(|| panic!("no totals in {}", self.out.display())),
            text,
        )
    }
}

/// Instructions a request, of the whole process.
fn profile(folder: &Path, name: &str, serve: &[String], port: u16, hot: &Hot) -> u64 {
    let counted = Counted::start(folder, name, serve, port);
    let mut stream = Stream::open(port);
    let mut ask = |from: usize, number: usize| {
        for at in from..from + number {
            stream.ask(&(hot.requests)(at), hot.wanted);
        }
    };
    ask(0, WARM.min(hot.counted));
    counted.switch("on");
    ask(WARM, hot.counted);
    counted.switch("off");
    // A connection that stays open would keep the process from ending.
    drop(stream);
    let (total, functions) = counted.end();
    let each = total / hot.counted as u64;
    let path = folder.join(format!("{}.txt", name.replace(' ', "-")));
    let head = format!(
        "{name}: {} requests, {} instructions each\n\n",
        hot.counted,
        short(each as f64)
    );
    let functions = merged(&functions, hot.counted as u64);
    let lines: Vec<String> = functions
        .iter()
        .map(|(count, function)| {
            let share = *count as f64 / each as f64 * 100.0;
            format!("{:>10} {share:>5.1} %  {function}", short(*count as f64))
        })
        .collect();
    println!("{name:<16} {:>9} instructions a request", short(each as f64));
    for line in lines.iter().take(SHOWN) {
        println!("    {line}");
    }
    fs::write(path, head + &lines.join("\n") + "\n").expect("the profile can be written");
    each
}

/// Functions with their instructions a request, the most first. What was inlined from several files into one is one here.
fn merged(annotated: &str, requests: u64) -> Vec<(u64, String)> {
    let mut functions: HashMap<&str, u64> = HashMap::new();
    let rows = annotated.lines().filter_map(|line| {
        let (count, rest) = line.trim_start().split_once(" (")?;
        let (_, named) = rest.split_once(")  ")?;
        let (_, function) = named.split_once(':')?;
        let function = function.split(" [/").next()?;
        Some((count.replace(',', "").parse::<u64>().ok()?, function))
    });
    for (count, function) in rows {
        *functions.entry(function).or_default() += count;
    }
    let mut functions: Vec<(u64, String)> = functions
        .into_iter()
        .map(|(function, count)| (count / requests, function.to_owned()))
        .filter(|(count, _)| *count > 0)
        .collect();
    functions.sort_by(|one, other| other.cmp(one));
    functions
}

/// A token of the organization at which hubs lie, with what a list asks for.
fn bound(server: &Server, samples: &Samples) -> String {
    let body = format!(
        "{{\"permissions\":[\"Organization.read\",\"Entitlement.read\",\"License.read\",\"LicensedItem.read\"],\"organizationId\":\"{}\"}}",
        samples.hub.organization
    );
    let answer = Stream::open(server.port).ask(&post("/tokens", JSON, &body), "\"token\"");
    let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    answer["token"].as_str().expect("a token").to_owned()
}

/// A package of fifty items, as a selector.
fn package(server: &Server, samples: &Samples) -> String {
    let id = |number: usize| format!("e0000000-0000-4000-8000-{number:012x}");
    let package = id(0);
    let mut lines = format!("{{\"__objType\":\"ProductPackage\",\"id\":\"{package}\",\"title\":\"profiled\"}}\n");
    for number in 1..=GRANTED {
        let item = id(number);
        let _ = writeln!(
            lines,
            "{{\"__objType\":\"LicensedItem\",\"id\":\"{item}\",\"name\":\"profiled {number}\"}}"
        );
        let _ = writeln!(
            lines,
            "{{\"__objType\":\"ObjectRelation\",\"multiplicity\":\"MANY_TO_MANY\",\"referenceFields\":{{\"ref_ProductPackage_id\":\"{package}\",\"ref_LicensedItem_id\":\"{item}\"}}}}"
        );
    }
    assert!(!samples.hub.organization.is_empty(), "somebody to grant it to");
    Stream::open(server.port).ask(&post("/import", "application/x-ndjson", &lines), "ImportResult");
    format!("/ProductPackage[@id='{package}']")
}

/// A line for the commit; one that is there already is replaced.
fn table(commit: &str, counts: &[(&str, u64)]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/profile.md");
    let head = format!(
        "# Instructions a request\n\nOf the whole process, on a world of 10,000 entities, at one connection, by `make profile`. They are the same on a busy machine and on an \
         idle one; another version of the compiler, of libc or of the processor's features gives other numbers, so compare lines of one machine. valgrind has no SHA instructions: where the processor has them, SHA-256 takes a tenth of what it takes here.\n\n| commit | {} |\n|---|{}\n",
        counts.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" | "),
        "---:|".repeat(counts.len())
    );
    let old = fs::read_to_string(&path).unwrap_or_default();
    let own = format!("| `{commit}` |");
    let kept: String = old
        .lines()
        .filter(|line| line.starts_with("| `") && !line.starts_with(&own))
        // What was counted otherwise cannot be compared.
        .filter(|line| line.matches('|').count() == counts.len() + 2)
        .map(|line| format!("{line}\n"))
        .collect();
    let values: Vec<String> = counts.iter().map(|(_, count)| short(*count as f64)).collect();
    fs::write(path, format!("{head}{kept}{own} {} |\n", values.join(" | "))).expect("the table can be written");
}
