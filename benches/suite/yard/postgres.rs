//! PostgreSQL from the machine's own binaries: a cluster in the target directory, started for the run on a port of its own, on
//! loopback alone, with `synchronous_commit=on`. `pgbench` asks it with prepared statements over 32 connections.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::relational::{BY_ID, CHECK, INDEXES, LIST, TABLES, Tables, stamp};
use crate::results::{self, Results};
use crate::samples::Samples;
use crate::support::free_port;
use crate::world::World;
use crate::wrk::{Figures, cpu};

pub struct Postgres {
    binaries: PathBuf,
    child: Child,
    port: u16,
    scripts: PathBuf,
}

/// Who may not be root.
#[derive(Clone, Copy)]
struct Owner {
    user: u32,
    group: u32,
}

/// A user's data from here on: what the runs wrote is told from what was loaded.
const WRITTEN: &str = "1000000000000";
const USER: &str = "seatgraph";

impl Postgres {
    /// None, and said aloud, where the machine has no PostgreSQL.
    pub fn start(world: &World, samples: &Samples, results: &mut Results) -> Option<Self> {
        let Some(binaries) = binaries() else {
            let why = "skipped: `initdb` or `pgbench` is missing (apt-get install postgresql)";
            results.keep("postgres", "postgres", world.size, &[], why);
            return None;
        };
        match Self::try_start(binaries, world, samples) {
            Ok(postgres) => Some(postgres),
            Err(problem) => {
                let why = format!("skipped: PostgreSQL does not start: {problem}");
                results.keep("postgres", "postgres", world.size, &[], &why);
                None
            }
        }
    }

    fn try_start(binaries: PathBuf, world: &World, samples: &Samples) -> Result<Self, String> {
        let owner = owner()?;
        let data = results::folder().join(format!("postgres-{}-{}", world.size, stamp()));
        let loaded = data.with_extension("loaded");
        if !loaded.exists() {
            let _ = fs::remove_dir_all(&data);
            fs::create_dir_all(&data).map_err(|error| error.to_string())?;
            if let Some(owner) = owner {
                chown(&data, Some(owner.user), Some(owner.group)).map_err(|error| error.to_string())?;
            }
            let mut initdb = Command::new(binaries.join("initdb"));
            initdb
                .args([
                    "--username",
                    USER,
                    "--auth",
                    "trust",
                    "--encoding",
                    "UTF8",
                    "--locale",
                    "C",
                    "-D",
                ])
                .arg(&data);
            run(as_owner(&mut initdb, owner))?;
        }
        let port = free_port();
        let mut command = Command::new(binaries.join("postgres"));
        command.arg("-D").arg(&data);
        for setting in [
            &format!("port={port}"),
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=64",
            "shared_buffers=1GB",
            "effective_cache_size=4GB",
            "max_wal_size=4GB",
            "synchronous_commit=on",
            "fsync=on",
            // A statement of a millisecond is not worth compiling.
            "jit=off",
        ] {
            command.args(["-c", setting]);
        }
        let log = fs::File::create(data.with_extension("log")).map_err(|error| error.to_string())?;
        let child = as_owner(&mut command, owner)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| error.to_string())?;
        let postgres = Self {
            binaries,
            child,
            port,
            scripts: results::folder().join("pgbench"),
        };
        let deadline = Instant::now() + Duration::from_secs(120);
        while postgres.sql("SELECT 1").is_err() {
            if Instant::now() > deadline {
                return Err(format!("see {}", data.with_extension("log").display()));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        if !loaded.exists() {
            eprintln!("loading PostgreSQL with the world of {} entities", world.size);
            postgres.load(&Tables::ready(world))?;
            fs::write(&loaded, "").map_err(|error| error.to_string())?;
        }
        postgres.prepare(samples)?;
        Ok(postgres)
    }

    fn psql(&self) -> Command {
        let mut command = Command::new(self.binaries.join("psql"));
        command.args([
            "-X",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
            "-U",
            USER,
            "-d",
            "postgres",
            "-p",
        ]);
        command.arg(self.port.to_string());
        command
    }

    fn sql(&self, text: &str) -> Result<(), String> {
        run(self.psql().args(["-c", text]))
    }

    fn load(&self, tables: &Tables) -> Result<(), String> {
        for (table, columns) in TABLES {
            self.sql(&format!("CREATE TABLE {table} ({columns})"))?;
            self.sql(&format!("\\copy {table} from '{}'", tables.file(table).display()))?;
        }
        for index in INDEXES {
            self.sql(index)?;
        }
        for table in ["organization", "license", "credit"] {
            self.sql(&format!(
                "ALTER TABLE {table} ALTER key ADD GENERATED BY DEFAULT AS IDENTITY (START {WRITTEN}); \
                 ALTER TABLE {table} ALTER id SET DEFAULT gen_random_uuid()"
            ))?;
        }
        self.sql("CREATE TABLE ask (n integer PRIMARY KEY, profile uuid, item text, license uuid, organization text, entitlement bigint, item_key bigint)")
    }

    /// What is asked for, by a number `pgbench` can draw; and what an earlier run wrote is taken away.
    fn prepare(&self, samples: &Samples) -> Result<(), String> {
        fs::create_dir_all(&self.scripts).map_err(|error| error.to_string())?;
        let rows = samples.pairs().enumerate().map(|(number, (profile, item))| {
            let license = &samples.licenses[number % samples.licenses.len()];
            let organization = &samples.organizations[number % samples.organizations.len()];
            format!("{number}\t{profile}\t{item}\t{license}\t{organization}\t\\N\t\\N\n")
        });
        let file = self.scripts.join("ask.tsv");
        fs::write(&file, rows.collect::<String>()).map_err(|error| error.to_string())?;
        self.sql("TRUNCATE ask")?;
        self.sql(&format!("\\copy ask from '{}'", file.display()))?;
        self.sql(
            "UPDATE ask SET entitlement = l.entitlement, item_key = l.item FROM license l WHERE l.id = ask.license; \
             UPDATE ask SET entitlement = l.entitlement, item_key = l.item FROM license l WHERE ask.entitlement IS NULL AND l.key = (SELECT min(key) FROM license)",
        )?;
        for table in ["organization", "license", "credit"] {
            self.sql(&format!("DELETE FROM {table} WHERE key >= {WRITTEN}"))?;
        }
        self.sql("VACUUM ANALYZE")?;
        self.sql("CHECKPOINT")?;
        if let Err(problem) = self.warm() {
            eprintln!("PostgreSQL begins with its data on the disk: {problem}");
        }
        Ok(())
    }

    /// All of it into its buffers, as the server has all of its graph: a cluster of an earlier run lies on the disk.
    fn warm(&self) -> Result<(), String> {
        self.sql("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
            .map_err(|problem| format!("{problem} (apt-get install postgresql-contrib)"))?;
        self.sql(
            "SELECT count(pg_prewarm(oid)) FROM pg_class \
             WHERE relkind IN ('r', 'i') AND relnamespace = 'public'::regnamespace",
        )
    }

    /// The script of a figure, if it has one.
    fn script(&self, figure: &str, samples: &Samples) -> Option<PathBuf> {
        let asked = |column: &str| format!("(SELECT {column} FROM ask WHERE n = :n)");
        let statement = match figure {
            "fetch by id" => BY_ID.to_owned(),
            "three-hop list" => LIST.to_owned(),
            "check" => CHECK.to_owned(),
            "durable create" => "INSERT INTO organization (name, type) VALUES ('created', 'company')".to_owned(),
            // One statement is one transaction and one round trip: better than `BEGIN`, three of them and `COMMIT`.
            "create with relations" => {
                "WITH made AS (INSERT INTO license (entitlement, item, name, valid_from, active) \
                 SELECT entitlement, item_key, 'created', now(), true FROM ask WHERE n = :n RETURNING key) \
                 INSERT INTO credit (license, seats, active, valid_from) SELECT key, 5, true, now() FROM made"
                    .to_owned()
            }
            _ => return None,
        };
        let last = samples.granted.len() + samples.refused.len().min(samples.granted.len()) - 1;
        let text = statement
            .replace("{license}", &asked("license"))
            .replace("{organization}", &asked("organization"))
            .replace("{profile}", &asked("profile"))
            .replace("{item}", &asked("item"))
            .replace("{now}", "now()");
        let path = self.scripts.join(format!("{}.sql", figure.replace(' ', "-")));
        fs::write(
            &path,
            format!(
                "\\set n random(0, {})\n{text};\n",
                last.min(samples.pairs().count() - 1)
            ),
        )
        .ok()?;
        Some(path)
    }

    /// One run; None where the figure is none of a relational database's.
    pub fn measure(&self, figure: &str, samples: &Samples, connections: u32, seconds: u64) -> Option<Figures> {
        let script = self.script(figure, samples)?;
        let before = self.cpu();
        let logs = self.scripts.join("log");
        let output = Command::new(self.binaries.join("pgbench"))
            .args([
                "-M",
                "prepared",
                "-n",
                "-c",
                &connections.to_string(),
                "-j",
                &connections.min(2).to_string(),
            ])
            .args([
                "-T",
                &seconds.to_string(),
                "-h",
                "127.0.0.1",
                "-U",
                USER,
                "-p",
                &self.port.to_string(),
            ])
            .args(["-l", "--log-prefix"])
            .arg(&logs)
            .arg("-f")
            .arg(script)
            .arg("postgres")
            .output()
            .expect("pgbench runs");
        let cpu = self.cpu() - before;
        let text = String::from_utf8_lossy(&output.stdout);
        let rate = text
            .lines()
            .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse::<f64>().ok())
            .unwrap_or_else(|| panic!("pgbench: {text} {}", String::from_utf8_lossy(&output.stderr)));
        let mut times = self.times();
        assert!(!times.is_empty(), "pgbench tells how long each took");
        times.sort_by(f64::total_cmp);
        Some(Figures {
            rate,
            p50_ms: times[times.len() / 2],
            p99_ms: times[times.len() * 99 / 100],
            cpu_micros: cpu / times.len() as f64 * 1e6,
            requests: times.len() as f64,
        })
    }

    /// Milliseconds of each transaction, from the logs `pgbench` left.
    fn times(&self) -> Vec<f64> {
        let mut times = Vec::new();
        for entry in fs::read_dir(&self.scripts).expect("the folder").flatten() {
            if entry.file_name().to_string_lossy().starts_with("log.") {
                let text = fs::read_to_string(entry.path()).expect("a log");
                let micros = text
                    .lines()
                    .filter_map(|line| line.split(' ').nth(2)?.parse::<f64>().ok());
                times.extend(micros.map(|micros| micros / 1e3));
                let _ = fs::remove_file(entry.path());
            }
        }
        times
    }

    /// Seconds of processor time of all its processes, those that ended with it.
    fn cpu(&self) -> f64 {
        let own = self.child.id().to_string();
        let stat = fs::read_to_string(format!("/proc/{own}/stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let waited = |at: usize| {
            fields
                .get(at)
                .and_then(|text| text.parse::<f64>().ok())
                .unwrap_or_default()
        };
        let children = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
                let parent = stat.rsplit(')').next()?.split_whitespace().nth(1)?;
                (parent == own).then(|| cpu(&name))
            });
        cpu(&own) + (waited(13) + waited(14)) / 100.0 + children.sum::<f64>()
    }

    /// Bytes of its shared and own memory, as the kernel shares them out among its processes.
    pub fn resident(&self) -> f64 {
        let own = self.child.id().to_string();
        let proportional = |process: &str| {
            let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with("Pss:")).unwrap_or_default();
            line.split_whitespace()
                .nth(1)
                .and_then(|text| text.parse::<f64>().ok())
                .unwrap_or_default()
                * 1024.0
        };
        let children = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
                let parent = stat.rsplit(')').next()?.split_whitespace().nth(1)?;
                (parent == own).then(|| proportional(&name))
            });
        proportional(&own) + children.sum::<f64>()
    }
}

impl Drop for Postgres {
    /// In order, so that the next start has nothing to recover.
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status();
        let _ = self.child.wait();
    }
}

/// The newest version that is whole.
fn binaries() -> Option<PathBuf> {
    let whole = |folder: &Path| {
        ["initdb", "postgres", "pgbench", "psql"]
            .iter()
            .all(|name| folder.join(name).exists())
    };
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    folders.sort_by_key(|folder| {
        let version = folder
            .parent()
            .and_then(Path::file_name)
            .map(|name| name.to_string_lossy().into_owned());
        version.and_then(|text| text.parse::<u32>().ok()).unwrap_or_default()
    });
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut all: Vec<PathBuf> = std::env::split_paths(&path).collect();
    all.extend(folders);
    all.into_iter().rev().find(|folder| whole(folder))
}

/// PostgreSQL declines to run as root: then somebody else owns its files.
fn owner() -> Result<Option<Owner>, String> {
    if results::said("id", &["-u"]) != "0" {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").map_err(|error| error.to_string())?;
    ["postgres", "nobody"]
        .iter()
        .find_map(|wanted| {
            let line = users.lines().find(|line| line.split(':').next() == Some(wanted))?;
            let number = |at: usize| line.split(':').nth(at)?.parse().ok();
            Some(Owner {
                user: number(2)?,
                group: number(3)?,
            })
        })
        .map(Some)
        .ok_or_else(|| "root may not run it, and there is no user `postgres` or `nobody`".to_owned())
}

fn as_owner(command: &mut Command, owner: Option<Owner>) -> &mut Command {
    if let Some(owner) = owner {
        command.uid(owner.user).gid(owner.group).current_dir("/");
    }
    command
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}
