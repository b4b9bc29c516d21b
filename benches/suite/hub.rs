//! Where a million relations meet: members that are taken out and put back, and at last the deletion of the organization with
//! all of it, while others check.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use super::asked::Asked;
use super::kinds;
use super::pace::{Until, figures, paced};
use super::reads::CONNECTIONS;
use super::results::Results;
use super::samples::{MEMBERS, Samples};
use super::stream::{FORM, JSON, SUCCESS, Stream, post};
use super::support::Server;
use super::world::World;
use super::writes::requests;
use super::wrk::{Figures, ask, cpu, median};

/// Creates a second while an organization is deleted.
const WRITERS: f64 = 200.0;

/// Taken out and put back, again and again.
pub fn membership(world: &World, server: &Server, samples: &Samples, asked: &Asked, results: &mut Results) {
    let operation = |name: &str| -> Vec<String> {
        let group = &samples.hub.group;
        let one = |profile: &String| {
            let form = format!("profileId={profile}&profileGroupId={group}");
            post(&format!("/graph?operation={name}"), FORM, &form)
        };
        samples.hub.members.iter().map(one).collect()
    };
    let (out, back) = (operation("RemoveFromProfileGroups"), operation("AddToProfileGroups"));
    let (mut removals, mut additions) = (Vec::new(), Vec::new());
    // A small hub is emptied and filled again until it has been asked as much as a large one.
    let passes = asked.rounds * (MEMBERS as usize / out.len()).max(1);
    for _ in 0..passes {
        removals.push(blast(server, &out));
        additions.push(blast(server, &back));
    }
    // The kernel counts processor time in hundredths of a second, so all runs are one.
    let whole = |runs: &[Figures]| Figures {
        cpu_micros: runs.iter().map(|run| run.cpu_micros).sum::<f64>() / runs.len() as f64,
        ..median(runs)
    };
    results.keep_load(
        "removal from a hub",
        "ours",
        world.size,
        whole(&removals),
        "RemoveFromProfileGroups",
    );
    results.keep_load(
        "addition to a hub",
        "ours",
        world.size,
        whole(&additions),
        "AddToProfileGroups",
    );
}

/// All of them once, over 32 connections.
fn blast(server: &Server, all: &[String]) -> Figures {
    let times = Mutex::new(Vec::new());
    let process = server.child.id().to_string();
    let (before, started) = (cpu(&process), Instant::now());
    std::thread::scope(|scope| {
        for part in all.chunks(all.len().div_ceil(CONNECTIONS as usize)) {
            let times = &times;
            scope.spawn(move || {
                let mut stream = Stream::open(server.port);
                let mut own = Vec::new();
                for request in part {
                    let sent = Instant::now();
                    stream.ask(request, SUCCESS);
                    own.push(sent.elapsed().as_secs_f64() * 1e3);
                }
                times.lock().expect("no thread has panicked").extend(own);
            });
        }
    });
    let took = started.elapsed();
    let cpu_micros = (cpu(&process) - before) / all.len() as f64 * 1e6;
    Figures {
        cpu_micros,
        ..figures(times.into_inner().expect("no thread has panicked"), took)
    }
}

/// The last that is done to a world.
pub fn cascade(world: &World, server: &Server, samples: &Samples, asked: &Asked, results: &mut Results) {
    let file = requests(&kinds::checks(samples));
    let alone: Vec<Figures> = (0..asked.rounds)
        .map(|_| ask(server.port, CONNECTIONS, 1, &file))
        .collect();
    let target = format!("DELETE /graph/Organization[@id='{}']", samples.hub.organization);
    let stopped = AtomicBool::new(false);
    let (took, answer, worst, writers) = std::thread::scope(|scope| {
        // A few writers, who wait for the committer as everybody does.
        let writer = scope.spawn(|| {
            let made = |number| {
                let body =
                    format!("{{\"__objType\":\"Organization\",\"name\":\"beside {number}\",\"type\":\"company\"}}");
                post("/graph", JSON, &body)
            };
            let until = Until::Stopped(&stopped);
            paced(server.port, WRITERS, &until, &AtomicUsize::new(0), &made, SUCCESS)
        });
        let deletion = scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(200));
            let started = Instant::now();
            let answer = server.request(&target, "");
            (started.elapsed().as_secs_f64(), answer)
        });
        let mut windows = Vec::new();
        while windows.is_empty() || !deletion.is_finished() {
            windows.push(ask(server.port, CONNECTIONS, 1, &file));
        }
        let worst = windows
            .into_iter()
            .max_by(|a, b| a.p99_ms.total_cmp(&b.p99_ms))
            .unwrap_or_default();
        let (took, answer) = deletion.join().expect("the deletion ends");
        stopped.store(true, Relaxed);
        (took, answer, worst, writer.join().expect("the writers end"))
    });
    let figure = "deletion of a large organization";
    match answer {
        Some((200, _)) => {
            let note = format!(
                "{} licenses of it, and the memberships of {} users",
                world.hub, world.hub
            );
            results.keep(figure, "ours", world.size, &[("seconds", took)], &note);
            results.keep_load("checks before the deletion", "ours", world.size, median(&alone), "");
            results.keep_load(
                "checks beside the deletion",
                "ours",
                world.size,
                worst,
                "the worst second",
            );
            let note = format!("{WRITERS} a second were asked for, while it lasted");
            results.keep_load("creates beside the deletion", "ours", world.size, writers, &note);
        }
        Some((status, body)) => {
            let text = String::from_utf8_lossy(&body).chars().take(300).collect::<String>();
            results.keep(figure, "ours", world.size, &[], &format!("answered {status}: {text}"));
        }
        None => results.keep(figure, "ours", world.size, &[], "not answered"),
    }
}
