//! `migrate`: brings a database to the schema of this program; one that has it is left as it is.

use clap::Args;

use super::{Common, Failure, open, output, place};

#[derive(Args)]
pub struct Migrate {
    /// The database, which no server has open [default: the setting `database`]
    #[arg(long, value_name = "FILE")]
    database: Option<String>,
}

pub fn run(common: &Common, args: &Migrate) -> Result<(), Failure> {
    let settings = common.settings(&[("database", args.database.clone())])?;
    place::must_exist(&settings.database)?;
    drop(open::storage(&settings.database, open::Use::Migrate)?);
    output::aside(&format!("`{}` has the schema of this program", settings.database));
    Ok(())
}
