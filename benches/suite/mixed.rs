//! What one load costs another: checks beside writers at half of their full rate, and consumptions beside a slow reader, slow
//! queries, a large import and a backup.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use super::asked::Asked;
use super::consumers;
use super::kinds;
use super::pace::{Until, paced};
use super::reads::CONNECTIONS;
use super::results::{self, Results};
use super::samples::Samples;
use super::stream::{FORM, JSON, SUCCESS, Stream, post, send};
use super::support::{BINARY, Server, TOKEN};
use super::world::World;
use super::writes::{create, full_rate, requests};
use super::wrk::{Figures, ask, median};

/// A number for each request that is paced, in the whole run.
static NEXT: AtomicUsize = AtomicUsize::new(0);

pub fn measure(world: &World, server: &Server, samples: &Samples, asked: &Asked, results: &mut Results) {
    beside_writers(world, server, samples, asked, results);
    beside_others(world, server, asked, results);
}

fn beside_writers(world: &World, server: &Server, samples: &Samples, asked: &Asked, results: &mut Results) {
    let full = full_rate(server, &requests(&[create()]), asked.seconds);
    let file = requests(&kinds::checks(samples));
    let (mut alone, mut beside, mut writes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..asked.rounds {
        alone.push(ask(server.port, CONNECTIONS, asked.seconds, &file));
        let stopped = AtomicBool::new(false);
        let (reads, wrote) = std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let made = |number| {
                    let body =
                        format!("{{\"__objType\":\"Organization\",\"name\":\"paced {number}\",\"type\":\"company\"}}");
                    post("/graph", JSON, &body)
                };
                paced(
                    server.port,
                    full / 2.0,
                    &Until::Stopped(&stopped),
                    &NEXT,
                    &made,
                    SUCCESS,
                )
            });
            std::thread::sleep(Duration::from_millis(300));
            let run = ask(server.port, CONNECTIONS, asked.seconds, &file);
            stopped.store(true, Relaxed);
            (run, writer.join().expect("the writers end"))
        });
        beside.push(reads);
        writes.push(wrote);
    }
    let wrote = median(&writes);
    let note = format!(
        "writers asked for {:.0}/s, half of their full rate, and had {:.0}/s",
        full / 2.0,
        wrote.rate
    );
    results.keep_load("checks without writers", "ours", world.size, median(&alone), "");
    results.keep_load("checks beside writers", "ours", world.size, median(&beside), &note);
    results.keep_load("writers at half their rate", "ours", world.size, wrote, "");
}

fn beside_others(world: &World, server: &Server, asked: &Asked, results: &mut Results) {
    consumers::import(server);
    let full = full_rate(server, &requests(&consumers::lines()), asked.seconds);
    let made = |number: usize| {
        let form = consumers::form(number, &format!("paced-{number}"));
        post("/authz/.json", FORM, &form)
    };
    let consume = || {
        paced(
            server.port,
            full / 2.0,
            &Until::Seconds(2 * asked.seconds),
            &NEXT,
            &made,
            "\"jti\"",
        )
    };
    let clones = || server.metrics().value("seatgraph_graph_clones_total");
    let before = clones();
    let mut runs: [Vec<Figures>; 5] = Default::default();
    for _ in 0..asked.rounds {
        runs[0].push(consume());
        for (at, other) in [slow_reader as fn(&Server) -> Beside, slow_queries, import, backup]
            .into_iter()
            .enumerate()
        {
            let other = other(server);
            std::thread::sleep(Duration::from_millis(200));
            runs[at + 1].push(consume());
            drop(other);
        }
    }
    let pace = format!("at half of its full rate, {:.0}/s", full / 2.0);
    let names = [
        "consume alone",
        "consume beside a slow reader",
        "consume beside slow queries",
        "consume beside an import",
        "consume beside a backup",
    ];
    for (name, runs) in names.iter().zip(&runs) {
        results.keep_load(name, "ours", world.size, median(runs), &pace);
    }
    results.keep(
        "clones of the graph",
        "ours",
        world.size,
        &[("count", clones() - before)],
        "in the runs beside a slow reader, slow queries, an import and a backup",
    );
}

/// Something that goes on until it is dropped.
pub struct Beside {
    stopped: &'static AtomicBool,
    thread: Option<std::thread::JoinHandle<()>>,
    child: Option<Child>,
}

impl Beside {
    fn new(child: Option<Child>, run: impl FnOnce(&'static AtomicBool) + Send + 'static) -> Self {
        let stopped: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
        Self {
            stopped,
            thread: Some(std::thread::spawn(move || run(stopped))),
            child,
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.stopped.store(true, Relaxed);
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Takes an export of the whole world, 64 KiB each twentieth of a second: it holds the graph it began with.
fn slow_reader(server: &Server) -> Beside {
    let port = server.port;
    Beside::new(None, move |stopped| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        write!(
            stream,
            "GET /export HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        )
        .expect("a request");
        let mut some = vec![0; 65536];
        while !stopped.load(Relaxed) && stream.read(&mut some).is_ok_and(|read| read > 0) {
            std::thread::sleep(Duration::from_millis(50));
        }
    })
}

/// One after the other, each through every user there is: it holds a graph all the while.
fn slow_queries(server: &Server) -> Beside {
    let port = server.port;
    Beside::new(None, move |stopped| {
        let mut stream = Stream::open(port);
        let tests: Vec<_> = (0..12)
            .map(|number| format!("@displayName~'*a*e*{number}*z*'"))
            .collect();
        let target = format!("/graph/Profile[{}]{{count}}", tests.join("%20or%20"));
        let request = send("GET", &target, None, "");
        while !stopped.load(Relaxed) {
            stream.ask(&request, "\"Long\"");
        }
    })
}

/// Takes in organizations with users, as fast as they are taken.
fn import(server: &Server) -> Beside {
    let mut child = Command::new(BINARY)
        .args(["import", "--server", &format!("http://127.0.0.1:{}", server.port), "-"])
        .env("SEATGRAPH_TOKEN", TOKEN)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("import runs");
    let mut input = child.stdin.take().expect("a pipe");
    Beside::new(Some(child), move |stopped| {
        while !stopped.load(Relaxed) {
            let some = NEXT.fetch_add(1, Relaxed);
            let group = format!("d0000001-0000-4000-8000-{some:012x}");
            let organization = format!("d0000000-0000-4000-8000-{some:012x}");
            let mut lines = format!(
                "{{\"__objType\":\"Organization\",\"id\":\"{organization}\",\"name\":\"imported {some}\"}}\n\
                 {{\"__objType\":\"ProfileGroup\",\"id\":\"{group}\",\"name\":\"all\",\"referenceFields\":{{\"ref_Organization_id\":\"{organization}\"}}}}\n"
            );
            for user in 0..100 {
                let profile = format!("d0000002-{user:04x}-4000-8000-{some:012x}");
                lines += &format!(
                    "{{\"__objType\":\"Profile\",\"id\":\"{profile}\",\"displayName\":\"imported {user}\"}}\n\
                     {{\"__objType\":\"Membership\",\"referenceFields\":{{\"ref_Profile_id\":\"{profile}\",\"ref_ProfileGroup_id\":\"{group}\"}}}}\n"
                );
            }
            if input.write_all(lines.as_bytes()).is_err() {
                break;
            }
        }
    })
}

/// One backup after the other.
fn backup(server: &Server) -> Beside {
    let port = server.port;
    Beside::new(None, move |stopped| {
        let file = results::folder().join("backup.db");
        while !stopped.load(Relaxed) {
            let _ = fs::remove_file(&file);
            let mut child = Command::new(BINARY)
                .args(["backup", "--server", &format!("http://127.0.0.1:{port}")])
                .arg(&file)
                .env("SEATGRAPH_TOKEN", TOKEN)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("backup runs");
            while child.try_wait().is_ok_and(|ended| ended.is_none()) {
                if stopped.load(Relaxed) {
                    let _ = child.kill();
                    let _ = child.wait();
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        let _ = fs::remove_file(&file);
    })
}
