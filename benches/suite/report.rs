//! `docs/performance.md` and its plots, written from the results alone: whoever wants another table need not measure again.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::plot::Plot;
use super::promises;
use super::results::{Record, Results, short};

/// Requests that are told beside their yardsticks.
const SIDES: [&str; 3] = ["ours", "bare", "postgres"];

pub fn write(results: &Results) {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let plots = docs.join("performance");
    fs::create_dir_all(&plots).expect("a folder for the plots");
    let mut drawn = Vec::new();
    for (name, plot) in plots_of(results) {
        let path = plots.join(format!("{name}.svg"));
        match plot.svg() {
            Some(svg) => {
                fs::write(path, svg).expect("the plot can be written");
                drawn.push((name, plot.title.to_owned()));
            }
            // One of an earlier run would lie beside figures of this one.
            None => {
                let _ = fs::remove_file(path);
            }
        }
    }
    let page = page(results, &drawn);
    let path = docs.join("performance.md");
    fs::write(&path, page).expect("the page can be written");
    eprintln!("written: {}", path.display());
}

fn page(results: &Results, drawn: &[(&str, String)]) -> String {
    let machine = &results.machine;
    let sizes: Vec<String> = machine.sizes.iter().map(|size| short(*size as f64)).collect();
    let mut out = format!(
        "# Performance\n\n\
         This page is written by `make bench`, from one run on one machine; `make bench-report` writes it again from the figures of that run. Do not edit it.\n\n\
         | machine | |\n|---|---|\n| processor | {}, {} cores |\n| memory | {:.0} GiB |\n| kernel | {} |\n| date | {} |\n| commit | `{}` |\n\
         | run | worlds of {} entities, the median of {} rounds, {} s each |\n\n\
         Every figure is taken over loopback HTTP, with the load generator (`wrk`, two threads), the server and the yardstick on the same cores; a yardstick takes its turn within each round. \
         *Bare* is an actix-web handler that answers as many bytes and does nothing else; for writes it inserts one row, many in a transaction. *PostgreSQL* has the same data in tables with integer keys \
         and an index for each question, prepared statements over 32 connections (`pgbench`), `synchronous_commit=on`; its check is simpler than ours, one statement without license models. *SQLite* is called as a \
         library by one thread, without a server. Processor time is the server's own, user and system, and the steadiest of the figures. \
         The server makes every answer anew (`limits.remembered_bytes = 1`), but where it is *asked again*: there it is as it is by default.\n\n\
         A world has flat customers and one at whom hubs lie: a tenth of the world's entities are licenses of one entitlement, as many are users in one group.\n",
        machine.cpu,
        machine.cores,
        machine.memory_gib,
        machine.kernel,
        machine.date,
        machine.commit,
        sizes.join(", "),
        machine.rounds,
        machine.seconds,
    );
    promised(&mut out, results);
    for (name, title) in drawn {
        let _ = writeln!(out, "\n![{title}](performance/{name}.svg)");
    }
    for size in &machine.sizes {
        requests(&mut out, results, *size);
    }
    growth(&mut out, results);
    beside(&mut out, results);
    loading(&mut out, results);
    missing(&mut out, results);
    out
}

fn promised(out: &mut String, results: &Results) {
    out.push_str("\n## What is promised\n\n| figure | wanted | measured | |\n|---|---:|---:|---|\n");
    for promise in promises::all(results) {
        let kept = match promise.kept {
            Some(true) => "kept",
            Some(false) => "**not kept**",
            None => "not measured",
        };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {kept} |",
            promise.figure, promise.wanted, promise.measured
        );
    }
}

/// Figures of a load, in the order they were measured, each once.
fn figures(results: &Results, size: u64) -> Vec<&str> {
    let mut figures: Vec<&str> = Vec::new();
    let loads = results
        .records
        .iter()
        .filter(|record| record.size == size && record.values.contains_key("p99_ms"));
    for record in loads.filter(|record| !is_beside(&record.figure)) {
        if !figures.contains(&record.figure.as_str()) {
            figures.push(&record.figure);
        }
    }
    figures
}

fn is_beside(figure: &str) -> bool {
    [
        "beside",
        "without writers",
        "before",
        "while",
        "at half",
        "consume alone",
    ]
    .iter()
    .any(|word| figure.contains(word))
}

fn requests(out: &mut String, results: &Results, size: u64) {
    let _ = write!(
        out,
        "\n## {} entities\n\n| request | side | a second | p50 ms | p99 ms | processor µs | times it |\n|---|---|---:|---:|---:|---:|---:|\n",
        short(size as f64)
    );
    for figure in figures(results, size) {
        let ours = results.value(figure, "ours", size, "rate");
        for side in ["ours", "bare", "postgres", "sqlite"] {
            let Some(record) = results
                .find(figure, side, size)
                .filter(|record| !record.values.is_empty())
            else {
                continue;
            };
            let value = |name: &str| record.values.get(name).map_or("—".to_owned(), |value| short(*value));
            let times = match (ours, record.values.get("rate")) {
                (Some(ours), Some(rate)) if side != "ours" => short(ours / rate),
                _ => String::new(),
            };
            let name = if side == "ours" { figure } else { "" };
            let _ = writeln!(
                out,
                "| {name} | {} | {} | {} | {} | {} | {times} |",
                named(side),
                value("rate"),
                value("p50_ms"),
                value("p99_ms"),
                value("cpu_us")
            );
        }
    }
    out.push_str("\nThe last column is how many times that yardstick's throughput Seatgraph's is.\n");
    let asked: Vec<&Record> = figures(results, size)
        .into_iter()
        .filter_map(|figure| results.find(figure, "ours", size))
        .filter(|record| !record.note.is_empty())
        .collect();
    if !asked.is_empty() && Some(&size) == results.machine.sizes.last() {
        out.push_str("\nWhat was asked:\n\n");
        for record in asked {
            let _ = writeln!(out, "- {}: `{}`", record.figure, record.note);
        }
    }
}

fn named(side: &str) -> &str {
    match side {
        "ours" => "Seatgraph",
        "bare" => "bare actix-web",
        "postgres" => "PostgreSQL",
        "sqlite" => "SQLite, a library",
        other => other,
    }
}

fn growth(out: &mut String, results: &Results) {
    let sizes = &results.machine.sizes;
    if sizes.len() < 2 {
        return;
    }
    out.push_str("\n## Growth\n\nProcessor microseconds a request, by the entities of the world.\n\n| request |");
    for size in sizes {
        let _ = write!(out, " {} |", short(*size as f64));
    }
    let _ = writeln!(out, " times |\n|---|{}---:|", "---:|".repeat(sizes.len()));
    for (figure, times) in promises::growths(results) {
        let _ = write!(out, "| {figure} |");
        for size in sizes {
            let value = results.value(&figure, "ours", *size, "cpu_us");
            let _ = write!(out, " {} |", value.map_or("—".to_owned(), short));
        }
        let _ = writeln!(out, " {} |", short(times));
    }
}

fn beside(out: &mut String, results: &Results) {
    let loads: Vec<&Record> = results
        .records
        .iter()
        .filter(|record| is_beside(&record.figure) && record.values.contains_key("p99_ms"))
        .collect();
    if loads.is_empty() {
        return;
    }
    out.push_str("\n## Beside one another\n\n| load | entities | a second | p50 ms | p99 ms | |\n|---|---:|---:|---:|---:|---|\n");
    for record in loads {
        let value = |name: &str| record.values.get(name).map_or("—".to_owned(), |value| short(*value));
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            record.figure,
            short(record.size as f64),
            value("rate"),
            value("p50_ms"),
            value("p99_ms"),
            record.note
        );
    }
}

fn loading(out: &mut String, results: &Results) {
    let mut lines = String::new();
    for record in results
        .records
        .iter()
        .filter(|record| !record.values.contains_key("p99_ms"))
    {
        let value = |name: &str| record.values.get(name).copied();
        let mut told = Vec::new();
        for (name, words) in [
            ("seconds", "s"),
            ("rate", "a second"),
            ("entities", "entities"),
            ("relations", "relations"),
            ("bytes_each", "bytes for each entity and relation"),
            ("count", ""),
        ] {
            told.extend(value(name).map(|value| format!("{} {words}", short(value)).trim().to_owned()));
        }
        told.extend(value("bytes").map(|bytes| format!("{} MiB resident", short(bytes / 1_048_576.0))));
        told.extend(value("disk_bytes").map(|bytes| format!("{} MiB on the disk", short(bytes / 1_048_576.0))));
        if !told.is_empty() {
            let _ = writeln!(
                lines,
                "| {} | {} | {} | {} | {} |",
                record.figure,
                named(&record.side),
                short(record.size as f64),
                told.join(", "),
                record.note
            );
        }
    }
    if !lines.is_empty() {
        let _ = write!(
            out,
            "\n## Loading, starting, memory\n\n| figure | side | entities | measured | |\n|---|---|---:|---|---|\n{lines}"
        );
    }
}

/// What was asked for and has no figure is said, and not left out.
fn missing(out: &mut String, results: &Results) {
    let missing: Vec<&Record> = results
        .records
        .iter()
        .filter(|record| record.values.is_empty())
        .collect();
    if missing.is_empty() {
        return;
    }
    out.push_str("\n## Not measured\n\n");
    for record in missing {
        let _ = writeln!(
            out,
            "- {} ({}) at {} entities: {}",
            record.figure,
            named(&record.side),
            short(record.size as f64),
            record.note
        );
    }
}

fn plots_of(results: &Results) -> Vec<(&'static str, Plot<'static>)> {
    let sizes = results.machine.sizes.clone();
    let at = sizes
        .iter()
        .copied()
        .filter(|size| *size <= 1_000_000)
        .max()
        .or(sizes.first().copied())
        .unwrap_or_default();
    let hot = ["fetch by id", "check", "three-hop list", "durable create", "consume"];
    let sides = |name: &'static str| {
        let of = |figure: &&str| {
            let values = SIDES.iter().map(|side| results.value(figure, side, at, name)).collect();
            ((*figure).to_owned(), values)
        };
        hot.iter().map(of).collect::<Vec<_>>()
    };
    let latency = figures(results, at)
        .into_iter()
        .filter(|figure| !figure.contains("one connection"))
        .map(|figure| {
            let values = ["p50_ms", "p99_ms"].map(|name| results.value(figure, "ours", at, name));
            (figure.to_owned(), values.to_vec())
        });
    let by_size = figures(results, at)
        .into_iter()
        .filter(|figure| !figure.contains("one connection"))
        .map(|figure| {
            let values = sizes
                .iter()
                .map(|size| results.value(figure, "ours", *size, "cpu_us"))
                .collect();
            (figure.to_owned(), values)
        });
    let memory = sizes.iter().map(|size| {
        let mebibytes = |side: &str| {
            results
                .value("memory", side, *size, "bytes")
                .map(|bytes| bytes / 1_048_576.0)
        };
        (
            format!("{} entities", short(*size as f64)),
            vec![mebibytes("ours"), None, mebibytes("postgres")],
        )
    });
    let names: Vec<String> = SIDES.iter().map(|side| named(side).to_owned()).collect();
    vec![
        (
            "throughput",
            Plot {
                title: "Throughput at 32 connections",
                unit: "requests a second; longer is better",
                series: names.clone(),
                groups: sides("rate"),
            },
        ),
        (
            "latency",
            Plot {
                title: "Latency of Seatgraph at 32 connections",
                unit: "milliseconds, with both cores busy; shorter is better",
                series: vec!["p50".to_owned(), "p99".to_owned()],
                groups: latency.collect(),
            },
        ),
        (
            "cpu",
            Plot {
                title: "Processor time a request, by the size of the world",
                unit: "microseconds of the server; shorter is better, and alike is flat",
                series: sizes
                    .iter()
                    .map(|size| format!("{} entities", short(*size as f64)))
                    .collect(),
                groups: by_size.collect(),
            },
        ),
        (
            "memory",
            Plot {
                title: "Resident memory",
                unit: "MiB; shorter is better. PostgreSQL keeps its data on the disk, and up to a gigabyte of it in memory",
                series: names,
                groups: memory.collect(),
            },
        ),
    ]
}
