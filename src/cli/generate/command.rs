//! `generate`: the args and the bar around it.

use std::io::{BufWriter, Write};

use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::World;
use crate::cli::{Failure, progress};

#[derive(Args)]
pub struct Generate {
    /// Customers, beside the vendor
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = many())]
    organizations: u64,
    /// People, over all customers
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = many())]
    users: u64,
    /// Licenses, over all customers
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = many())]
    licenses: u64,
    /// One customer more, with so many licenses of one entitlement and so many users in one group
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = many())]
    hub: u64,
    /// The same number makes the same world
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
}

/// A graph numbers its entities by 32 bits.
fn many() -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(..=u64::from(u32::MAX))
}

/// Writes the world to standard output.
pub fn run(args: &Generate) -> Result<(), Failure> {
    let bar = progress::bar("generating", None, false);
    let mut out = BufWriter::with_capacity(256 * 1024, std::io::stdout().lock());
    let world = World {
        organizations: args.organizations,
        users: args.users,
        licenses: args.licenses,
        hub: args.hub,
        seed: args.seed,
    };
    super::write(world, &mut out, &mut |lines| bar.set_position(lines))?;
    out.flush()?;
    bar.finish_and_clear();
    Ok(())
}
