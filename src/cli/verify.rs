//! `verify`: proves a database: the file itself, every row's checksum, the log's hash chain, the log played from its
//! beginning against the state, and the graph rebuilt from that log and compared with its indexes. Changes nothing, also
//! beside a server.

use std::path::Path;

use clap::Args;
use serde_json::json;

use super::output::{self, Output};
use super::{Common, Exit, Failure, open, place, progress};
use crate::graph::Graph;
use crate::storage::{Link, Log, Reader, Report, StorageError};

#[derive(Args)]
pub struct Verify {
    /// The database [default: the setting `database`]
    #[arg(long, value_name = "FILE")]
    database: Option<String>,
    /// A chain noted earlier, from `verify` or the server's log: prove that the log still holds it
    #[arg(long, value_name = "HEX@REVISION")]
    chain: Vec<Link>,
}

/// Commits played at a time.
const STEP: usize = 256;

pub fn run(common: &Common, args: &Verify) -> Result<(), Failure> {
    let settings = common.settings(&[("database", args.database.clone())])?;
    let database = settings.database.as_str();
    open::file_only(database)?;
    if !open::is_file(database) {
        return Err(Failure::refused(format!(
            "`{database}` keeps nothing that could be proved"
        )));
    }
    place::must_exist(database)?;
    let mut reader = match Reader::open(Path::new(database)) {
        Ok(reader) => reader,
        Err(error @ StorageError::Damaged(_)) => {
            return tell(common, database, &Report::default(), vec![error.to_string()]);
        }
        Err(error) => return Err(open::unopened(database, &error)),
    };
    let bar = progress::bar("verifying", Some(0), false);
    let report = reader.verify(&mut |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let mut faults = if report.is_sound() && report.forgotten == 0 {
        rebuild(&mut reader, report.revision)
    } else {
        Vec::new()
    };
    let mut forgotten = None;
    for noted in &args.chain {
        match reader.confirm(noted) {
            Ok(()) => {}
            Err(StorageError::TooOld(_)) => forgotten = Some(noted),
            Err(error) => faults.push(format!("the chain {noted}: {error}")),
        }
    }
    tell(common, database, &report, faults)?;
    match forgotten {
        None => Ok(()),
        Some(noted) => Err(Failure::refused(format!(
            "the chain {noted} is of a part of the log that was forgotten: nothing tells whether it held"
        ))
        .help("note the chain that `trim` prints")),
    }
}

/// Plays the log up to a revision into a graph, and has it compare what it derived.
fn rebuild(reader: &mut Reader, upto: u64) -> Vec<String> {
    let mut graph = Graph::new();
    let bar = progress::bar("rebuilding", Some(upto), false);
    while graph.revision() < upto {
        let commits = match reader.since(graph.revision(), STEP) {
            Ok(commits) if !commits.is_empty() => commits,
            Ok(_) => return vec![format!("the log ends at revision {}, before {upto}", graph.revision())],
            Err(error) => return vec![error.to_string()],
        };
        for commit in commits.iter().take_while(|commit| commit.revision <= upto) {
            for change in &commit.changes {
                if let Err(broken) = graph.apply(change) {
                    return vec![format!("revision {}: {broken}", commit.revision)];
                }
            }
            graph.set_revision(commit.revision);
        }
        bar.set_position(graph.revision());
    }
    bar.finish_and_clear();
    graph.check().err().unwrap_or_default()
}

fn tell(common: &Common, database: &str, report: &Report, faults: Vec<String>) -> Result<(), Failure> {
    let problems: Vec<&String> = report.problems.iter().chain(&faults).collect();
    let count = problems.len() as u64 + report.untold;
    // The exit code is the verdict, whoever has stopped reading.
    match say(common, database, report, &problems, count) {
        Err(failure) if count == 0 && !failure.message.is_empty() => return Err(failure),
        _ => {}
    }
    match count {
        0 => Ok(()),
        1 => Err(Failure::new(
            Exit::Damaged,
            format!("`{database}` is damaged: one problem"),
        )),
        _ => Err(Failure::new(
            Exit::Damaged,
            format!("`{database}` is damaged: {count} problems"),
        )),
    }
}

fn say(common: &Common, database: &str, report: &Report, problems: &[&String], count: u64) -> Result<(), Failure> {
    match common.output {
        Output::Json => output::json(&json!({
            "database": database, "sound": count == 0, "revision": report.revision, "entities": report.entities,
            "relations": report.relations, "commits": report.commits, "chain": report.chain.map(|link| link.to_string()),
            "problems": problems, "untold": report.untold,
        }))?,
        Output::Table => {
            for problem in problems {
                output::lines(problem)?;
            }
            output::line(&format!(
                "revision {}, {} entities, {} relations, {} commits",
                report.revision, report.entities, report.relations, report.commits
            ))?;
            if let Some(link) = report.chain {
                output::line(&format!("chain {link}"))?;
            }
        }
    }
    Ok(())
}
