//! A world of about so many entities: flat customers, and one at whom hubs lie, of a tenth of the world. Made once, by
//! `generate` and `import`, and kept in the target directory between runs.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{ChildStdout, Command, Stdio};
use std::time::Instant;

use super::results;
use super::support::BINARY;

pub struct World {
    pub size: u64,
    /// Licenses of the hub's entitlement, and users in its group.
    pub hub: u64,
    pub database: PathBuf,
    /// Seconds its import took, if it was made in this run.
    pub made: Option<f64>,
}

/// More lines than these are not laid on the disk before they are imported.
const WRITTEN_UPTO: u64 = 1_000_000;

impl World {
    pub fn ready(size: u64) -> Self {
        let mut world = Self {
            size,
            made: None,
            hub: size / 10,
            database: results::folder().join(format!("suite-{size}.db")),
        };
        if !world.database.exists() {
            let unfinished = world.database.with_extension("making.db");
            super::support::remove(&unfinished);
            world.made = Some(world.import(&unfinished));
            fs::rename(&unfinished, &world.database).expect("the world has its name");
        }
        world
    }

    /// About `size` entities: of each hundred, 20 are the hub's.
    fn generate(&self) -> Command {
        let share = |share: f64| ((self.size as f64 * 0.8 * share) as u64).max(1).to_string();
        let mut command = Command::new(BINARY);
        command
            .args(["generate", "--organizations", &share(0.01), "--users", &share(0.1)])
            .args(["--licenses", &share(0.1), "--hub", &self.hub.to_string(), "--seed", "7"])
            .stderr(Stdio::null());
        command
    }

    pub fn licenses(&self) -> u64 {
        (self.size as f64 * 0.08) as u64 + self.hub
    }

    pub fn profiles(&self) -> u64 {
        self.licenses()
    }

    /// Line by line, as it is generated.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let mut child = self.generate().stdout(Stdio::piped()).spawn().expect("generate runs");
        let output: ChildStdout = child.stdout.take().expect("a pipe");
        let mut lines = BufReader::with_capacity(1 << 20, output).lines();
        std::iter::from_fn(move || match lines.next() {
            Some(line) => Some(line.expect("a line")),
            None => {
                assert!(child.wait().is_ok_and(|status| status.success()), "generate");
                None
            }
        })
    }

    fn file(&self) -> PathBuf {
        results::folder().join(format!("suite-{}.ndjson", self.size))
    }

    /// Into a database that is not there yet; seconds, by a file on the disk where the world is not too large for it.
    pub fn import(&self, database: &PathBuf) -> f64 {
        eprintln!("importing the world of {} entities", self.size);
        let mut import = Command::new(BINARY);
        import
            .args(["import", "--database"])
            .arg(database)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let done;
        let started;
        if self.size <= WRITTEN_UPTO {
            let file = self.file();
            if !file.exists() {
                let unfinished = file.with_extension("making");
                let output = File::create(&unfinished).expect("a file for the world");
                let status = self.generate().stdout(output).status();
                assert!(status.is_ok_and(|status| status.success()), "generate");
                fs::rename(&unfinished, &file).expect("the world has its name");
            }
            started = Instant::now();
            done = import.arg(&file).status();
        } else {
            let mut generate = self.generate().stdout(Stdio::piped()).spawn().expect("generate runs");
            started = Instant::now();
            done = import.arg("-").stdin(generate.stdout.take().expect("a pipe")).status();
            assert!(generate.wait().is_ok_and(|status| status.success()), "generate");
        }
        assert!(done.is_ok_and(|status| status.success()), "import");
        started.elapsed().as_secs_f64()
    }
}
