//! Where a command finds its data: a server that runs, or a database file that no server has open.

use std::env::VarError;
use std::path::Path;

use clap::Args;

use super::client::Client;
use super::serve::Inside;
use super::{Common, Exit, Failure, open};
use crate::engine::Engine;

#[derive(Args)]
pub struct Place {
    /// A running server; the token is taken from SEATGRAPH_TOKEN [default: SEATGRAPH_SERVER]
    #[arg(long, value_name = "URL", conflicts_with = "database")]
    pub server: Option<String>,
    /// A database that no server has open [default: the setting `database`]
    #[arg(long, value_name = "FILE")]
    pub database: Option<String>,
}

/// A client, and the server inside this process that it talks to, if it is that.
pub struct Reached {
    pub client: Client,
    inside: Option<(Inside, Engine)>,
}

/// The server ends first, then its engine; the database is closed when the command returns.
impl Drop for Reached {
    fn drop(&mut self) {
        if let Some((inside, engine)) = self.inside.take() {
            drop(inside);
            engine.close();
        }
    }
}

impl Reached {
    /// Others may write to it meanwhile.
    pub fn is_shared(&self) -> bool {
        self.inside.is_none()
    }

    /// A cursor is of one server, and one inside a command ends with it.
    pub fn takes_cursors(&self) -> bool {
        self.inside.is_none()
    }
}

/// What becomes of a database that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// A mistyped name must not become an empty database.
    Refused,
    Made,
    /// One in memory stands for it, since nothing will be kept.
    InMemory,
}

impl Place {
    pub fn reach(&self, common: &Common, missing: Missing) -> Result<Reached, Failure> {
        self.reach_for(common, missing, open::Use::Write)
    }

    /// For a command that only asks: a database that cannot be written will do.
    pub fn reach_to_read(&self, common: &Common) -> Result<Reached, Failure> {
        self.reach_for(common, Missing::Refused, open::Use::Read)
    }

    fn reach_for(&self, common: &Common, missing: Missing, what: open::Use) -> Result<Reached, Failure> {
        let server = match (&self.server, &self.database) {
            (Some(server), _) => Some(server.clone()),
            (None, None) => variable("SEATGRAPH_SERVER")?,
            (None, Some(_)) => None,
        };
        if let Some(server) = server {
            let client = Client::new(&server, variable("SEATGRAPH_TOKEN")?)?;
            return Ok(Reached { client, inside: None });
        }
        let mut settings = common.settings(&[("database", self.database.clone())])?;
        match missing {
            Missing::Refused => must_exist(&settings.database)?,
            Missing::InMemory if must_exist(&settings.database).is_err() => settings.database = "memory:".to_owned(),
            Missing::InMemory | Missing::Made => {}
        }
        let engine = open::engine(&settings, what)?;
        let (inside, client) = Inside::start(engine.clone(), &settings, what)?;
        Ok(Reached {
            client,
            inside: Some((inside, engine)),
        })
    }
}

/// `None`: it is not set, or to nothing.
fn variable(name: &str) -> Result<Option<String>, Failure> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(Failure::new(Exit::Usage, format!("the variable `{name}` is not UTF-8"))),
    }
}

/// Asked of files alone: `memory:` is made anew each time, and an address is refused by whoever opens it.
pub fn must_exist(database: &str) -> Result<(), Failure> {
    if open::is_file(database) && !Path::new(database).exists() {
        return Err(
            Failure::new(Exit::Unreachable, format!("there is no database `{database}`"))
                .help("name one by --database; what is asked of a server can be sent to a running one by --server"),
        );
    }
    Ok(())
}
