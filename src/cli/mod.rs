//! The commands: one file each, an args struct and a function. Results go to standard output, everything else to
//! standard error, and the exit code says how it ended. Declines to touch data itself: a command speaks to a server, or
//! opens one inside itself on the database file, and either way the graph is altered by the same requests.

mod audit;
mod backup;
mod check;
mod client;
mod export;
mod failure;
pub mod generate;
mod import;
mod key;
mod log;
mod migrate;
mod open;
mod operation;
mod output;
mod place;
mod process;
mod progress;
mod query;
mod secret;
mod serve;
mod token;
mod trim;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use self::failure::{Exit, Failure};
use self::output::Output;
use crate::settings::{self, Settings};

/// A graph-query entitlement server.
#[derive(Parser)]
#[command(name = "seatgraph", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Args)]
struct Common {
    /// The settings file [default: SEATGRAPH_CONFIG, or seatgraph.toml if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How results are written
    #[arg(long, global = true, value_enum, default_value_t)]
    output: Output,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server
    Serve(serve::Serve),
    /// Make, list and revoke bearer tokens
    #[command(subcommand)]
    Token(token::Token),
    /// List and replace the keys that sign tokens
    #[command(subcommand)]
    Key(key::Key),
    /// Take objects in: newline-delimited JSON, or one JSON object or array
    Import(import::Import),
    /// Write all objects as newline-delimited JSON, in the form that import takes
    Export(export::Export),
    /// Ask a selector
    Query(query::Query),
    /// Ask whether a user may use an item; the exit code is 3 where the answer is no
    Check(check::Check),
    /// Carry out a named operation
    Operation(operation::Operation),
    /// Show who changed what, and when
    Audit(audit::Audit),
    /// Prove that a database is whole
    Verify(verify::Verify),
    /// Copy a database while it runs
    Backup(backup::Backup),
    /// Bring a database to this program's schema
    Migrate(migrate::Migrate),
    /// Forget the log's old commits, so that the database grows no more
    Trim(trim::Trim),
    /// Write a synthetic world in the form that import takes, the same for the same numbers
    Generate(generate::Generate),
}

impl Common {
    /// The three layers, the flags given by the command.
    fn settings(&self, flags: &[(&'static str, Option<String>)]) -> Result<Settings, Failure> {
        let flags: Vec<_> = flags
            .iter()
            .filter_map(|(key, value)| Some((*key, value.clone()?)))
            .collect();
        // Set to nothing, it names none, as the other variables that are no settings.
        let named = std::env::var_os("SEATGRAPH_CONFIG").filter(|file| !file.is_empty());
        let config = self.config.clone().or_else(|| named.map(PathBuf::from));
        settings::load(&flags, config.as_deref()).map_err(|error| {
            let failure = Failure::new(Exit::Usage, error.to_string());
            match error.help() {
                Some(help) => failure.help(help),
                None => failure,
            }
        })
    }
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let Cli { common, command } = Cli::parse();
    let done = match command {
        Command::Serve(args) => serve::run(&common, &args),
        Command::Token(args) => token::run(&common, &args),
        Command::Key(args) => key::run(&common, &args),
        Command::Import(args) => import::run(&common, &args),
        Command::Export(args) => export::run(&common, &args),
        Command::Query(args) => query::run(&common, &args),
        Command::Check(args) => check::run(&common, &args),
        Command::Operation(args) => operation::run(&common, &args),
        Command::Audit(args) => audit::run(&common, &args),
        Command::Verify(args) => verify::run(&common, &args),
        Command::Backup(args) => backup::run(&common, &args),
        Command::Migrate(args) => migrate::run(&common, &args),
        Command::Trim(args) => trim::run(&common, &args),
        Command::Generate(args) => generate::run(&args),
    };
    match done {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            failure.tell();
            failure.exit.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn commands_are_read() {
        let check = |line: &str, fits: bool| {
            let found = Cli::try_parse_from(line.split(' '));
            assert_eq!(
                found.is_ok(),
                fits,
                "{line}: {:?}",
                found.err().map(|error| error.to_string())
            );
        };
        check("seatgraph serve", true);
        check(
            "seatgraph serve --listen 0.0.0.0:80 --database memory: --seed x.ndjson --auto-migrate",
            true,
        );
        check(
            "seatgraph token create --permission License.read --permission *.read --expires 90d",
            true,
        );
        check("seatgraph token create", false);
        check("seatgraph token create --permission *.* --expires soon", false);
        check("seatgraph token list --output json", true);
        check(
            "seatgraph token revoke 10000000-0000-4000-8000-000000000001 --database x.db",
            true,
        );
        check("seatgraph token revoke me", false);
        check("seatgraph key list --server http://127.0.0.1:8080", true);
        check("seatgraph key rotate", true);
        check("seatgraph key rotate --alg EdDSA --keep 30d --database x.db", true);
        check("seatgraph key rotate --alg HS256", false);
        check("seatgraph key rotate --keep 12h", false);
        check("seatgraph key rotate --secret x", false);
        check("seatgraph import a.ndjson b.ndjson --dry-run", true);
        check("seatgraph import -", true);
        check("seatgraph import", false);
        check("seatgraph export", true);
        check("seatgraph export all.ndjson --server http://127.0.0.1:8080", true);
        check("seatgraph export --server http://127.0.0.1:8080 --database x.db", false);
        check("seatgraph query /Organization --explain", true);
        check("seatgraph query", false);
        check("seatgraph --output yaml query /Organization", false);
        check(
            "seatgraph operation MoveLicenses /License to=x create=true --dry-run",
            true,
        );
        check("seatgraph operation", false);
        check(
            "seatgraph check --profile 10000000-0000-4000-8000-000000000001 --item editor --explain",
            true,
        );
        check("seatgraph check --item editor", false);
        check("seatgraph audit", true);
        check(
            "seatgraph audit --after 5 --before 9 --operation Create --order desc --limit 3 --output json",
            true,
        );
        check("seatgraph audit --entity 10000000-0000-4000-8000-000000000001", true);
        check("seatgraph audit --by me", false);
        check("seatgraph audit --order newest", false);
        check("seatgraph verify --database x.db", true);
        check(&format!("seatgraph verify --chain {}@41", "0".repeat(64)), true);
        check("seatgraph verify --chain 41", false);
        check("seatgraph verify --server http://127.0.0.1:8080", false);
        check("seatgraph backup x.db", true);
        check("seatgraph trim --older-than 365d --database x.db", true);
        check("seatgraph trim --older-than 23h", false);
        check("seatgraph trim", false);
        check("seatgraph migrate --database x.db", true);
        check(
            "seatgraph generate --organizations 5 --users 50 --licenses 50 --seed 7",
            true,
        );
        check("seatgraph token create --permission *.* --token secret", false);
    }
}
