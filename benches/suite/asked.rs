//! What the command line asks the suite for.

use std::path::PathBuf;

/// What is to be done.
pub enum Wish {
    Measure,
    /// The page and its plots, from the results of the last run.
    Report,
    Profile,
    /// The yardstick alone, in this process: it is started by the suite itself.
    Bare {
        port: u16,
        body: PathBuf,
        rows: Option<PathBuf>,
    },
}

pub struct Asked {
    pub wish: Wish,
    pub sizes: Vec<u64>,
    pub rounds: usize,
    /// Seconds of one run of a round.
    pub seconds: u64,
    /// Parts that are measured; empty: all.
    only: Vec<String>,
    /// The largest world PostgreSQL and SQLite hold too.
    pub postgres_upto: u64,
    /// Leases that are held, and end, while checks are measured; 0: not measured.
    pub leases: usize,
}

const SIZES: [u64; 3] = [10_000, 1_000_000, 10_000_000];
const PARTS: [&str; 6] = ["load", "reads", "writes", "mixed", "hub", "leases"];

impl Asked {
    pub fn read() -> Self {
        // `cargo bench` passes `--bench`.
        let arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
        Self::of(arguments).unwrap_or_else(|problem| {
            eprintln!("{problem}");
            std::process::exit(2);
        })
    }

    fn of(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut asked = Self {
            wish: Wish::Measure,
            sizes: Vec::new(),
            rounds: 5,
            seconds: 2,
            only: Vec::new(),
            postgres_upto: 1_000_000,
            leases: 0,
        };
        while let Some(argument) = arguments.next() {
            let mut next = || arguments.next().ok_or(format!("`{argument}` wants a value"));
            let number = |text: String| text.parse::<u64>().map_err(|_| format!("`{text}` is no number"));
            match argument.as_str() {
                "report" => asked.wish = Wish::Report,
                "profile" => asked.wish = Wish::Profile,
                "bare" => {
                    let (port, body) = (number(next()?)? as u16, next()?.into());
                    asked.wish = Wish::Bare { port, body, rows: None };
                }
                "--rows" => {
                    let database = next()?;
                    if let Wish::Bare { rows, .. } = &mut asked.wish {
                        *rows = Some(database.into());
                    }
                }
                "--rounds" => asked.rounds = number(next()?)?.max(1) as usize,
                "--seconds" => asked.seconds = number(next()?)?.max(1),
                "--postgres-upto" => asked.postgres_upto = number(next()?)?,
                "--leases" => asked.leases = number(next()?)? as usize,
                "--only" => {
                    let parts = next()?;
                    if let Some(other) = parts.split(',').find(|part| !PARTS.contains(part)) {
                        return Err(format!("no part is called `{other}`; there are {}", PARTS.join(", ")));
                    }
                    asked.only.extend(parts.split(',').map(str::to_owned));
                }
                size => asked.sizes.push(number(size.to_owned())?),
            }
        }
        if asked.sizes.is_empty() {
            asked.sizes = SIZES.to_vec();
        }
        if let Some(size) = asked.sizes.iter().find(|size| **size < 10_000) {
            return Err(format!(
                "a world of {size} entities is too small to be asked; 10000 is the smallest"
            ));
        }
        asked.sizes.sort_unstable();
        Ok(asked)
    }

    pub fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }

    /// Where writers, a backup and an import meet: at the world of a million, or the largest that is smaller.
    pub fn mixed_at(&self) -> u64 {
        let fits = self.sizes.iter().copied().filter(|size| *size <= 1_000_000).max();
        fits.unwrap_or(self.sizes[0])
    }
}
