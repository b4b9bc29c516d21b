//! The program as a shell sees it: what it prints where, how it ends, and what is on the disk afterwards.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use crate::support::{self, PROGRAM, apart, seatgraph};

pub fn run(folder: &Path, line: &str) -> Output {
    seatgraph(folder, line)
        .stdin(Stdio::null())
        .output()
        .expect("the program runs")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The exit code, what is on standard output, and a part of what is on standard error.
#[track_caller]
pub fn check(folder: &Path, line: &str, exit: i32, out: &str, err: &str) {
    let done = run(folder, line);
    let (found_out, found_err) = (text(&done.stdout), text(&done.stderr));
    assert_eq!(done.status.code(), Some(exit), "{line}\n{found_out}\n{found_err}");
    assert_eq!(found_out, out, "{line}\n{found_err}");
    assert!(found_err.contains(err), "{line}: {found_err}");
}

pub fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for seed in ["small.ndjson", "demo.ndjson"] {
        let to = folder.path().join(seed);
        std::fs::copy(support::path("fixtures/seed").join(seed), to).expect("a seed");
    }
    folder
}

/// A server that runs until it is dropped.
pub struct Serving {
    child: Child,
    pub url: String,
    /// What it printed about its administrator.
    token: Option<String>,
}

impl Serving {
    fn start(command: &mut Command) -> Self {
        Self::start_telling(command, Stdio::null())
    }

    /// Its log goes somewhere.
    pub fn start_telling(command: &mut Command, log: Stdio) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the program runs");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let (mut url, mut token) = (None, None);
        for line in lines.map_while(Result::ok) {
            if let Some(text) = line.strip_prefix("administrator token, shown this once: ") {
                token = Some(text.to_owned());
            }
            if let Some(text) = line.strip_prefix("listening on ") {
                url = Some(text.to_owned());
                break;
            }
        }
        let url = url.expect("a server that listens");
        Self { child, url, token }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        support::signal(self.child.id(), name);
    }

    /// Its exit code, once it has ended by itself.
    pub fn ended(mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const ADMIN: &str = "an-administrator-for-the-commands-of-a-test";

#[test]
fn what_the_command_line_does_not_mean_is_said() {
    let folder = folder();
    let check = |line: &str, exit: i32, err: &str| check(folder.path(), line, exit, "", err);
    check("nonsense", 2, "unrecognized subcommand 'nonsense'");
    check("query", 2, "<SELECTOR>");
    check(
        "query /Organization --database none.db",
        4,
        "there is no database `none.db`",
    );
    check("verify --database none.db", 4, "there is no database `none.db`");
    check("backup copy.db --database none.db", 4, "there is no database `none.db`");
    check(
        "query /Organization --database postgres://db/seats",
        1,
        "PostgreSQL is not built yet",
    );
    check("serve --database postgres://db/seats", 1, "PostgreSQL is not built yet");
    check(
        "serve --database postgres://me:secret@db/seats",
        1,
        "PostgreSQL is not built yet",
    );
    check(
        "serve --database mysql://db/seats",
        1,
        "`mysql://` is no database this program knows",
    );
    check(
        "serve --listen nowhere --database memory:",
        2,
        "cannot listen on `nowhere`",
    );
    check("serve --config none.toml", 2, "cannot read `none.toml`");
    check(
        "query /Organization --server localhost",
        2,
        "`localhost` is not the URL of a server",
    );
    check(
        "query /Organization --server http://127.0.0.1:9",
        4,
        "no answer from `http://127.0.0.1:9`",
    );
    check(
        "query /Organization --server http://127.0.0.1:808O",
        2,
        "`http://127.0.0.1:808O` is not the URL of a server",
    );
    check("serve --database /dev/null", 4, "`/dev/null` is no file");
    check("verify --database /dev/null", 4, "`/dev/null` is no file");
    check("import none.ndjson --database new.db", 1, "cannot read `none.ndjson`");
    assert!(!folder.path().join("new.db").exists());
    check(
        "generate --organizations 18446744073709551615",
        2,
        "is not in 0..=4294967295",
    );
    let mut serve = seatgraph(folder.path(), "serve --database memory:");
    let done = serve.env("SEATGRAPH_PAGE_MAX", "7").output().expect("the program runs");
    assert_eq!(done.status.code(), Some(2));
    assert!(
        text(&done.stderr).contains("did you mean `SEATGRAPH_LIMITS__PAGE_MAX`"),
        "{}",
        text(&done.stderr)
    );
    let mut serve = seatgraph(folder.path(), "serve --database memory:");
    let done = serve
        .env("SEATGRAPH_ADMIN_TOKEN", "short")
        .output()
        .expect("the program runs");
    assert_eq!(done.status.code(), Some(2));
    assert!(text(&done.stderr).contains("32 to 1024"), "{}", text(&done.stderr));
}

#[test]
fn a_world_goes_into_a_file_and_comes_out_again() {
    let folder = folder();
    let here = folder.path();
    check(
        here,
        "import demo.ndjson --database a.db --dry-run",
        0,
        "268 lines would change 470\n",
        "",
    );
    assert!(!here.join("a.db").exists());
    check(
        here,
        "import demo.ndjson --database a.db",
        0,
        "268 lines changed 470\n",
        "",
    );
    check(
        here,
        "import demo.ndjson --database a.db",
        0,
        "268 lines changed 0\n",
        "",
    );
    check(here, "query /Organization{count} --database a.db", 0, "5\n", "");
    check(
        here,
        "query /Organization[@name='nobody'] --database a.db",
        0,
        "",
        "nothing matches",
    );
    check(
        here,
        "query /Organisation --database a.db",
        1,
        "",
        "/Organisation\n   ^^^^^^^^^^^^",
    );
    check(here, "export all.ndjson --database a.db", 0, "", "");
    check(
        here,
        "import all.ndjson --database b.db --output json",
        0,
        "{\n  \"count\": 470,\n  \"dryRun\": false,\n  \"lines\": 268\n}\n",
        "",
    );
    check(here, "export again.ndjson --database b.db", 0, "", "");
    // A link is followed, and what is no file stays what it is.
    for (to, link) in [("far.ndjson", "between.ndjson"), ("between.ndjson", "near.ndjson")] {
        std::os::unix::fs::symlink(to, here.join(link)).expect("a link");
    }
    check(here, "export near.ndjson --database b.db", 0, "", "");
    let is_link = |name: &str| here.join(name).is_symlink();
    assert!(is_link("near.ndjson") && is_link("between.ndjson") && !is_link("far.ndjson"));
    check(here, "export /dev/stderr --database b.db", 0, "", "\"__objType\":\"");
    let printed = run(here, "export - --database b.db");
    let written = std::fs::read(here.join("all.ndjson")).expect("an export");
    assert!(
        printed.stdout == written && !here.join("-").exists(),
        "{}",
        text(&printed.stderr)
    );
    let read = |name: &str| std::fs::read(here.join(name)).expect("an export");
    assert_eq!(read("all.ndjson"), read("again.ndjson"));
    check(here, "backup copy.db --database a.db", 0, "", "");
    check(
        here,
        "backup copy.db --database a.db",
        1,
        "",
        "`copy.db` exists already",
    );
    let proved = run(here, "verify --database copy.db");
    assert_eq!(proved.status.code(), Some(0), "{}", text(&proved.stderr));
    let proved = text(&proved.stdout);
    let expected = "revision 1, 209 entities, 261 relations, 1 commits\nchain ";
    assert!(proved.starts_with(expected) && proved.ends_with("@1\n"), "{proved}");
    check(
        here,
        "migrate --database copy.db",
        0,
        "",
        "has the schema of this program",
    );
    check(here, "query /Organization{count} --database copy.db", 0, "5\n", "");
    // A token is one line of its own, whatever the output.
    for output in ["table", "json"] {
        let signed = run(
            here,
            &format!("query /Organization[@name='ACME'].jwt?alg=EdDSA --database copy.db --output {output}"),
        );
        assert_eq!(signed.status.code(), Some(0), "{}", text(&signed.stderr));
        let signed = text(&signed.stdout);
        let token = signed.strip_suffix('\n').expect("a line");
        let claims = jsonwebtoken::dangerous::insecure_decode::<serde_json::Value>(token).expect("a token");
        assert_eq!(claims.claims["Items"][0]["name"], "ACME", "{signed}");
    }
    let explained = text(
        &run(
            here,
            "query /Organization[@name='ACME']/~OneToMany/Entitlement --explain --database a.db",
        )
        .stdout,
    );
    assert!(explained.contains("visited"), "{explained}");
    let explained = run(
        here,
        "query /Organization[@name='ACME'] --include /~OneToMany/Entitlement --explain --database a.db",
    );
    let explained = text(&explained.stdout);
    assert!(
        explained.contains("include ~OneToMany Entitlement (about ") && explained.contains(" kept"),
        "{explained}"
    );
    let left: Vec<_> = std::fs::read_dir(here)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert!(
        !left
            .iter()
            .any(|name| name.to_string_lossy().contains("part") || name.to_string_lossy().contains("backup")),
        "{left:?}"
    );
}

#[test]
fn what_is_written_is_its_owners_and_what_was_left_is_in_nobodys_way() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let here = folder.path();
    assert!(run(here, "import small.ndjson --database a.db").status.success());
    for line in ["backup copy.db", "export all.ndjson"] {
        let name = line.split(' ').nth(1).expect("a name");
        // An earlier run was interrupted.
        std::fs::write(here.join(format!("{name}.part")), "half").expect("a file");
        check(here, &format!("{line} --database a.db"), 0, "", "");
        let mode = std::fs::metadata(here.join(name))
            .expect("it is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{line}");
    }
    check(here, "query /Organization{count} --database copy.db", 0, "2\n", "");
}

#[test]
fn what_is_written_replaces_no_database_and_is_no_part_of_another() {
    let folder = folder();
    let here = folder.path();
    assert!(
        run(here, "import small.ndjson --database seatgraph.db")
            .status
            .success()
    );
    std::os::unix::fs::symlink("seatgraph.db", here.join("link.ndjson")).expect("a link");
    for line in ["export seatgraph.db", "export link.ndjson"] {
        check(here, line, 1, "", "is a database");
    }
    // Nor what it has beside it, whether that is there now or not.
    for suffix in ["-wal", "-shm", "-journal", ".lock", ".seeding"] {
        for command in ["export", "backup"] {
            std::os::unix::fs::symlink(format!("seatgraph.db{suffix}"), here.join("its.ndjson")).expect("a link");
            for name in [&format!("seatgraph.db{suffix}"), "its.ndjson"] {
                let err = match command == "backup" && here.join(name).exists() {
                    true => "exists already",
                    false => "is a database's own",
                };
                check(here, &format!("{command} {name}"), 1, "", err);
            }
            std::fs::remove_file(here.join("its.ndjson")).expect("it is there");
        }
    }
    check(here, "query /Organization{count}", 0, "2\n", "");
    // One is killed, and its database removed, but not its log.
    for suffix in ["-wal", "-shm", ".lock", ".seeding"] {
        let left = here.join(format!("copy.db{suffix}"));
        std::fs::write(&left, "left").expect("a file");
        check(here, "backup copy.db", 1, "", &format!("copy.db{suffix}` is there"));
        assert!(!here.join("copy.db").exists());
        std::fs::remove_file(left).expect("it is there");
    }
    check(here, "backup copy.db", 0, "", "");
    // By two names two processes could write it.
    std::fs::hard_link(here.join("copy.db"), here.join("other.db")).expect("a link");
    for name in ["copy.db", "other.db"] {
        let import = format!("import small.ndjson --database {name}");
        check(here, &import, 4, "", "has 2 names (hard links)");
        let verify = format!("verify --database {name}");
        check(here, &verify, 4, "", "has 2 names (hard links)");
        assert!(!here.join(format!("{name}-wal")).exists());
    }
    std::fs::remove_file(here.join("other.db")).expect("it is there");
    check(
        here,
        "import small.ndjson --database copy.db",
        0,
        "45 lines changed 0\n",
        "",
    );
}

#[test]
fn a_log_that_nobody_can_be_told_stops_nothing() {
    let folder = folder();
    let here = folder.path();
    let full = || {
        std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("Linux has one")
    };
    let mut command = seatgraph(here, "serve --listen 127.0.0.1:0 --database served.db");
    command
        .env("SEATGRAPH_ADMIN_TOKEN", ADMIN)
        .env("SEATGRAPH_LOG__REQUESTS", "true")
        .env("SEATGRAPH_LOG__SLOW_MS", "1");
    let serving = Serving::start_telling(&mut command, full().into());
    for _ in 0..5 {
        let mut import = seatgraph(here, &format!("import demo.ndjson --server {}", serving.url));
        let done = import.env("SEATGRAPH_TOKEN", ADMIN).output().expect("the program runs");
        assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    }
    serving.signal("-TERM");
    assert_eq!(serving.ended(), Some(0));
    for (line, exit) in [
        ("migrate --database served.db", 0),
        ("query /Organization[@name='nobody'] --database served.db", 0),
        ("query /Organisation --database served.db", 1),
    ] {
        let told = seatgraph(here, line)
            .stderr(full())
            .stdout(Stdio::null())
            .status()
            .expect("the program runs");
        assert_eq!(told.code(), Some(exit), "{line}");
    }
}

#[test]
fn a_variable_that_is_set_to_nothing_or_to_no_text_names_no_other_file() {
    let folder = folder();
    let here = folder.path();
    let mut import = seatgraph(here, "import small.ndjson --database a.db");
    let done = import.env("SEATGRAPH_CONFIG", "").output().expect("the program runs");
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let name: std::ffi::OsString = std::os::unix::ffi::OsStringExt::from_vec(b"caf\xe9.db".to_vec());
    for variable in ["SEATGRAPH_DATABASE", "SEATGRAPH_SERVER"] {
        let before = std::fs::read_dir(here).expect("there").count();
        let mut import = seatgraph(here, "import small.ndjson");
        let done = import.env(variable, &name).output().expect("the program runs");
        let told = text(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{told}");
        assert!(
            told.contains(&format!("the variable `{variable}` is not UTF-8")),
            "{told}"
        );
        assert_eq!(std::fs::read_dir(here).expect("there").count(), before);
    }
}

/// Whether its descriptor is closed or leads to the null device.
#[test]
fn a_token_that_nobody_saw_is_told_of() {
    let folder = folder();
    for (number, out) in [">&-", ">/dev/null", ">out"].into_iter().enumerate() {
        let script = format!("exec {PROGRAM} serve --listen 127.0.0.1:0 --database {number}.db {out} 2>log{number}");
        let mut shell = apart(Command::new("sh"));
        let mut serving = shell
            .current_dir(folder.path())
            .args(["-c", &script])
            .spawn()
            .expect("a shell");
        let log = || std::fs::read_to_string(folder.path().join(format!("log{number}"))).unwrap_or_default();
        let begun = std::time::Instant::now();
        while !log().contains("ready") && begun.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(20));
        }
        // What is told is told at once after that.
        std::thread::sleep(Duration::from_millis(200));
        let _ = serving.kill();
        let _ = serving.wait();
        let is_told = log().contains("could not be shown");
        assert_eq!(is_told, out != ">out", "{out}: {}", log());
    }
}

#[test]
fn a_file_that_may_not_grow_is_a_full_disk() {
    let folder = folder();
    let here = folder.path();
    let limited = |line: &str| {
        let script = format!("ulimit -f 200; exec {PROGRAM} {line}");
        let mut shell = apart(Command::new("sh"));
        shell.current_dir(here).args(["-c", &script]).output().expect("a shell")
    };
    let made = run(here, "generate --organizations 50 --users 500 --licenses 500");
    std::fs::write(here.join("world.ndjson"), made.stdout).expect("a file");
    let done = limited("import world.ndjson --database a.db");
    // No signal has ended it.
    assert_eq!(done.status.code(), Some(4), "{}", text(&done.stderr));
    assert!(
        text(&done.stderr).contains("storageUnavailable"),
        "{}",
        text(&done.stderr)
    );
    // There is no server whose log would say why.
    assert!(text(&done.stderr).contains("the disk"), "{}", text(&done.stderr));
    assert_eq!(run(here, "verify --database a.db").status.code(), Some(0));
    let made = run(here, "import world.ndjson --database b.db");
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    for line in ["backup copy.db --database b.db", "export out.ndjson --database b.db"] {
        let done = limited(line);
        let told = text(&done.stderr);
        assert!(!done.status.success(), "{line}");
        assert!(
            told.contains("the disk") || told.contains("File too large"),
            "{line}: {told}"
        );
    }
}

#[test]
fn an_import_that_meets_a_stop_says_how_far_it_came() {
    let folder = folder();
    let serve = "serve --listen 127.0.0.1:0 --database memory:";
    let serving = Serving::start(seatgraph(folder.path(), serve).env("SEATGRAPH_ADMIN_TOKEN", ADMIN));
    let address = &serving.url["http://".len()..];
    let mut client = TcpStream::connect(address).expect("it listens");
    client
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("a timeout");
    let head = format!(
        "POST /import HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {ADMIN}\r\n\
         Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
    );
    client.write_all(head.as_bytes()).expect("it is read");
    let mut asked = [0; 25];
    client.read_exact(&mut asked).expect("it asks for the lines");
    assert_eq!(text(&asked), "HTTP/1.1 100 Continue\r\n\r\n");
    // Whoever sends them takes his time.
    client
        .write_all(b"18\r\n{\"__objType\":\"Profile\"}\n\r\n")
        .expect("it is read");
    serving.signal("-TERM");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let said = ["\"code\":\"stopping\"", "\"committedLines\":0"];
    assert!(said.iter().all(|said| answer.contains(said)), "{answer}");
    assert_eq!(serving.ended(), Some(0));
}

#[test]
fn a_part_of_a_seed_is_not_served() {
    let folder = folder();
    let here = folder.path();
    let lines = "{\"__objType\":\"Profile\"}\n".repeat(10_000);
    let (bad, good) = (
        format!("{lines}{{\"__objType\":\"Unicorn\"}}\n"),
        format!("{lines}{lines}"),
    );
    let seed = |text: &str| std::fs::write(here.join("seed.ndjson"), text).expect("a file");
    let serve = "serve --listen 127.0.0.1:0 --database served.db --seed seed.ndjson";
    // Nothing of it went in, so the next start begins anew.
    seed("{\"__objType\":\"Unicorn\"}\n");
    check(here, serve, 1, "", "line 1");
    seed(&bad);
    check(here, serve, 1, "", "line 10001");
    check(here, serve, 1, "", "`served.db` holds a part of a seed");
    // By whatever name.
    std::os::unix::fs::symlink("served.db", here.join("link.db")).expect("a link");
    let linked = serve.replace("served.db", "link.db");
    check(here, &linked, 1, "", "`link.db` holds a part of a seed");
    seed(&good);
    check(here, serve, 1, "", "remove the database and start again");
    for name in ["served.db", "served.db-wal", "served.db-shm"] {
        let _ = std::fs::remove_file(here.join(name));
    }
    let serving = Serving::start(&mut seatgraph(here, serve));
    serving.signal("-TERM");
    assert_eq!(serving.ended(), Some(0));
    check(here, "query /Profile{count} --database served.db", 0, "20000\n", "");
    let again = Serving::start(&mut seatgraph(here, serve));
    again.signal("-TERM");
    assert_eq!(again.ended(), Some(0));
}

#[test]
fn a_reader_that_has_seen_enough_is_told_nothing() {
    let folder = folder();
    let here = folder.path();
    assert!(run(here, "import small.ndjson --database a.db").status.success());
    for (line, exit) in [
        ("export --database a.db", 1),
        ("audit --output json --database a.db", 1),
        // The exit code is the answer.
        ("verify --database a.db", 0),
    ] {
        let mut child = seatgraph(here, line)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        drop(child.stdout.take());
        let done = child.wait_with_output().expect("it ends");
        assert_eq!(
            (done.status.code(), text(&done.stderr)),
            (Some(exit), String::new()),
            "{line}"
        );
    }
}

#[test]
fn a_server_behind_a_proxy_says_where_it_listens() {
    let folder = folder();
    let mut command = seatgraph(folder.path(), "serve --listen 127.0.0.1:0 --database memory:");
    let serving = Serving::start(command.env("SEATGRAPH_PUBLIC_URL", "https://licenses.example"));
    assert!(serving.url.starts_with("http://127.0.0.1:"), "{}", serving.url);
}

#[test]
fn a_bad_line_stops_an_import_and_is_named() {
    let folder = folder();
    let here = folder.path();
    std::fs::write(
        here.join("bad.ndjson"),
        "{\"__objType\":\"LicensedItem\",\"name\":\"a\"}\n{\"__objType\":\"Unicorn\"}\n",
    )
    .expect("a file");
    check(here, "import bad.ndjson --database a.db", 1, "", "line 2");
    check(here, "query /LicensedItem{count} --database a.db", 0, "0\n", "");
    let long = format!(
        "{}{{\"__objType\":\"Unicorn\"}}\n",
        "{\"__objType\":\"Profile\"}\n".repeat(10_001)
    );
    std::fs::write(here.join("long.ndjson"), long).expect("a file");
    check(
        here,
        "import long.ndjson --database a.db",
        1,
        "",
        "long.ndjson: line 10002: unknown type `Unicorn`",
    );
    check(
        here,
        "import long.ndjson --database a.db",
        1,
        "",
        "the 10000 lines before this batch are kept",
    );
    check(here, "query /Profile{count} --database a.db", 0, "20000\n", "");
    // Lines are counted as an editor does.
    let blank = format!(
        "\n{}{{\"__objType\":\"Unicorn\"}}\n",
        "{\"__objType\":\"Profile\"}\n".repeat(10_001)
    );
    std::fs::write(here.join("blank.ndjson"), blank).expect("a file");
    check(
        here,
        "import blank.ndjson --database c.db",
        1,
        "",
        "blank.ndjson: line 10003: unknown type `Unicorn`",
    );
    let fine = "{\"__objType\":\"Profile\"}\n".repeat(7);
    std::fs::write(here.join("fine.ndjson"), fine).expect("a file");
    for (file, err) in [
        ("bad.ndjson", "\n  the 7 lines of the files before it are kept\n"),
        (
            "long.ndjson",
            "\n  the 7 lines of the files before it are kept\n  the 10000 lines before this batch are kept\n",
        ),
        // Nothing is sent before all are open.
        ("none.ndjson", "cannot read `none.ndjson`"),
    ] {
        check(here, &format!("import fine.ndjson {file} --database b.db"), 1, "", err);
    }
    check(here, "query /Profile{count} --database b.db", 0, "10014\n", "");
    // A dry run of several is one, and each line is still that of its file.
    let organization = r#"{"__objType":"Organization","id":"b0000000-0000-4000-8000-000000000001","name":"A"}"#;
    let group = r#"{"__objType":"ProfileGroup","name":"G","referenceFields":{"ref_Organization_id":"b0000000-0000-4000-8000-000000000001"}}"#;
    std::fs::write(here.join("one.ndjson"), format!("\n{organization}\n")).expect("a file");
    std::fs::write(here.join("two.json"), format!("[\n{group}\n]")).expect("a file");
    std::fs::write(
        here.join("bad.json"),
        format!("[{group}, {{\"__objType\":\"Unicorn\"}}]"),
    )
    .expect("a file");
    let import = "import one.ndjson two.json";
    let out = "2 lines would change 3\n";
    check(here, &format!("{import} --dry-run --database d.db"), 0, out, "");
    let err = "bad.json: line 2: unknown type `Unicorn`";
    check(
        here,
        &format!("{import} bad.json --dry-run --database d.db"),
        1,
        "",
        err,
    );
    check(here, &format!("{import} --database d.db"), 0, "2 lines changed 3\n", "");
    std::fs::write(here.join("empty.db"), "").expect("a file");
    let err = "empty.db` is empty\n  remove it to start a new database";
    check(here, "query /Profile --database empty.db", 4, "", err);
}

#[test]
fn lists_of_another_system_are_taken() {
    let folder = folder();
    let here = folder.path();
    let pools = r#"[
      {"code": "RPADEVNU", "allocated": 1, "total": 1, "inUse": 1}
    ]"#;
    let users = r#"{
      "results": [{"id": "alto-1", "email": "alto@song.example", "userBundleLicenses": ["RPADEVNU"], "orphan": false}]
    }"#;
    let more = r#"{"results": [{"id": "bass-1", "email": "", "userBundleLicenses": ["RPADEVNU"], "orphan": false}]}"#;
    for (name, text) in [("pools.json", pools), ("users.json", users), ("more.json", more)] {
        std::fs::write(here.join(name), text).expect("a file");
    }
    let import = "import pools.json users.json --database a.db --from uipath";
    check(here, import, 1, "", "the list does not say of which organization it is");
    let import = format!("{import} --organization song/2&x");
    check(here, &import, 0, "2 lines changed 26\n", "");
    check(here, &import, 0, "2 lines changed 0\n", "");
    let seats =
        "query /Organization[@alias='song/2&x']/~OneToMany/Entitlement/~OneToMany/License/~OneToMany/Assignment{count}";
    check(here, &format!("{seats} --database a.db"), 0, "1\n", "");
    let more = "import more.json --database a.db --from uipath --organization song/2&x";
    check(here, more, 1, "", "has no free seat");
    check(here, more, 1, "", "/results/0");
    check(here, &format!("{seats} --database a.db"), 0, "1\n", "");
    check(
        here,
        "import more.json --database a.db --from nobody",
        1,
        "",
        "there is no open door to `nobody`",
    );
    check(
        here,
        "import more.json --database a.db --organization song",
        2,
        "",
        "--from",
    );
}

#[test]
fn lists_of_licenses_that_were_sold_are_taken() {
    let folder = folder();
    let here = folder.path();
    let licenses = r#"{"count": 1, "next_page": null, "previous_page": null, "results": [{"id": 7, "started": "2026-01-01T00:00:00Z", "expired": null,
      "name": "Data", "count": 1, "active": true, "metadata": {}, "source": "api", "external_id": null, "platform_key": "acme", "program_key": "data"}]}"#;
    let rows = r#"{"results": [{"id": 1, "user_id": 5, "username": "ann", "email": "ann@acme.example", "active": true, "license_id": 7, "program_key": "data"}]}"#;
    let more = r#"{"results": [{"id": 2, "user_id": 6, "username": "bob", "email": "bob@acme.example", "active": true, "license_id": 7, "program_key": "data"}]}"#;
    let site = r#"{"status": 200, "licenses": [{"tizra-id": "9x", "active": true, "controlled": "atl", "offer-id": "8o", "user-name": "ann@acme.example",
      "props": {}, "terms": {"duration": "perpetual"}}]}"#;
    for (name, text) in [
        ("licenses.json", licenses),
        ("rows.json", rows),
        ("more.json", more),
        ("site.json", site),
    ] {
        std::fs::write(here.join(name), text).expect("a file");
    }
    let import = "import licenses.json rows.json --database a.db --from iblai";
    let alone = "import rows.json --database a.db --from iblai --dry-run";
    check(here, alone, 1, "", "no license came over as `7`");
    check(here, &format!("{import} --dry-run"), 0, "2 lines would change 30\n", "");
    assert_eq!(run(here, import).status.code(), Some(0));
    check(here, import, 0, "2 lines changed 0\n", "");
    let more = "import more.json --database a.db --from iblai";
    check(here, more, 1, "", "/results/0");
    check(here, "query /Assignment{count} --database a.db", 0, "1\n", "");
    let import = "import site.json --database a.db --from tizra";
    check(here, import, 1, "", "the list does not say of which organization it is");
    let import = format!("{import} --organization acme");
    assert_eq!(run(here, &import).status.code(), Some(0));
    check(here, &import, 0, "1 lines changed 0\n", "");
    let sold = "query /License[@alias='9x']/~OneToMany/Assignment/~ManyToOne/Profile{count} --database a.db";
    check(here, sold, 0, "1\n", "");
    check(here, "query /Profile{count} --database a.db", 0, "1\n", "");
}

#[test]
fn damage_is_found_and_said() {
    let folder = folder();
    let here = folder.path();
    check(
        here,
        "import demo.ndjson --database a.db",
        0,
        "268 lines changed 470\n",
        "",
    );
    let mut bytes = std::fs::read(here.join("a.db")).expect("a database");
    // Inside a page of rows, not in a free one.
    let at = bytes
        .windows(9)
        .position(|nine| nine == b"Blue Harb")
        .expect("a name in it");
    bytes[at] ^= 1;
    std::fs::write(here.join("a.db"), &bytes).expect("written");
    let done = run(here, "verify --database a.db");
    assert_eq!(
        done.status.code(),
        Some(5),
        "{}{}",
        text(&done.stdout),
        text(&done.stderr)
    );
    assert!(
        text(&done.stderr).contains("`a.db` is damaged"),
        "{}",
        text(&done.stderr)
    );
    let done = run(here, "query /Organization{count} --database a.db");
    assert_eq!(
        (done.status.code(), text(&done.stdout).as_str()),
        (Some(4), ""),
        "{}",
        text(&done.stderr)
    );
    std::fs::write(
        here.join("no.db"),
        "this is no database at all, however long the text is",
    )
    .expect("written");
    assert_eq!(run(here, "verify --database no.db").status.code(), Some(5));
    assert_eq!(run(here, "query /Organization --database no.db").status.code(), Some(4));
}

#[test]
fn a_database_of_a_newer_program_is_left_alone() {
    let folder = folder();
    let here = folder.path();
    check(
        here,
        "import small.ndjson --database a.db --output json",
        0,
        "{\n  \"count\": 74,\n  \"dryRun\": false,\n  \"lines\": 45\n}\n",
        "",
    );
    let mut bytes = std::fs::read(here.join("a.db")).expect("a database");
    // SQLite's header: the schema's version as this program counts it.
    bytes[60..64].copy_from_slice(&99u32.to_be_bytes());
    std::fs::write(here.join("a.db"), &bytes).expect("written");
    for line in [
        "query /Organization --database a.db",
        "serve --listen 127.0.0.1:0 --database a.db",
        "migrate --database a.db",
    ] {
        check(
            here,
            line,
            4,
            "",
            "the database has schema 99, this program knows up to",
        );
    }
    assert_eq!(std::fs::read(here.join("a.db")).expect("a database"), bytes);
}

#[test]
fn a_server_is_used_from_the_shell() {
    let folder = folder();
    let here = folder.path();
    let serve = "serve --listen 127.0.0.1:0 --database served.db --seed demo.ndjson";
    let serving = Serving::start(&mut seatgraph(here, serve));
    let token = serving.token.clone().expect("a new database gives a token");
    let url = serving.url.clone();
    let ask = |line: &str, token: &str| {
        let mut command = seatgraph(here, &format!("{line} --server {url}"));
        let done = command
            .env("SEATGRAPH_TOKEN", token)
            .stdin(Stdio::null())
            .output()
            .expect("the program runs");
        (done.status.code(), text(&done.stdout), text(&done.stderr))
    };
    assert_eq!(ask("query /Organization{count}", &token).1, "5\n");
    assert_eq!(ask("query /Organization{count}", "sg_nobody").0, Some(1));
    let (code, reader, _) = ask(
        "token create --permission License.read --expires 1h --name reports",
        &token,
    );
    assert_eq!((code, reader.lines().count()), (Some(0), 1));
    let reader = reader.trim();
    assert_eq!(
        ask("query /License{count}", reader).1,
        ask("query /License{count}", &token).1
    );
    assert_eq!(ask("query /Organization{count}", reader).1, "0\n");
    let (code, _, err) = ask("import small.ndjson", reader);
    assert_eq!(code, Some(1));
    assert!(err.contains("permissionMissing"), "{err}");
    let listed: serde_json::Value = serde_json::from_str(&ask("token list --output json", &token).1).expect("JSON");
    let id = listed
        .as_array()
        .expect("a list")
        .iter()
        .find(|one| one["name"] == "reports")
        .expect("it is there")["id"]
        .clone();
    assert_eq!(
        ask(&format!("token revoke {}", id.as_str().expect("an id")), &token).0,
        Some(0)
    );
    assert_eq!(ask("query /License{count}", reader).0, Some(1));
    assert_eq!(ask("backup copy.db", &token).0, Some(0));
    check(
        here,
        "query /Organization{count} --database served.db",
        4,
        "",
        "is locked by another process",
    );
    // Proved beside the server, and the copy it made.
    let proved = run(here, "verify --database served.db");
    assert_eq!(proved.status.code(), Some(0), "{}", text(&proved.stderr));
    assert_eq!(
        text(&run(here, "verify --database copy.db").stdout),
        text(&proved.stdout)
    );
    serving.signal("-TERM");
    assert_eq!(serving.ended(), Some(0));
    // The token is shown once; the seed is for an empty database; what was written is there.
    let again = Serving::start(&mut seatgraph(here, serve));
    assert_eq!(again.token, None);
    again.signal("-INT");
    assert_eq!(again.ended(), Some(0));
    check(here, "query /Organization{count} --database served.db", 0, "5\n", "");
}

#[test]
fn an_operation_is_asked_for_from_the_shell() {
    let folder = folder();
    let here = folder.path();
    assert!(run(here, "import small.ndjson --database a.db").status.success());
    let crew = "20000000-0000-4000-8000-000000000001";
    let gus = "31000000-0000-4000-8000-000000000003";
    let join = format!("operation AddToProfileGroups profileId={gus} profileGroupId={crew} --database a.db");
    let members = format!("query /ProfileGroup[@id='{crew}']/~Membership/Profile{{count}} --database a.db");
    check(here, &members, 0, "2\n", "");
    assert!(run(here, &format!("{join} --dry-run")).status.success());
    check(here, &members, 0, "2\n", "");
    check(here, &join, 0, "", "done");
    let license = "/License[@id='90000000-0000-4000-8000-000000000001']";
    let describe = format!("operation DescribeConsumers {license} --database a.db limit");
    let first = run(here, &format!("{describe}=1"));
    let told = text(&first.stderr);
    assert_eq!(told, "there is more: ask for a larger page, `limit=…`\n");
    assert_eq!(text(&run(here, &format!("{describe}=100")).stderr), "");
    check(here, &members, 0, "3\n", "");
    check(here, &join, 1, "", "(relationExists)");
    check(
        here,
        "operation AddToProfileGroups profileId=x --database a.db",
        1,
        "",
        "badParameter",
    );
    check(
        here,
        "operation GrantWishes --database a.db",
        2,
        "",
        "unknown operation `GrantWishes`",
    );
    check(
        here,
        "operation AddToProfileGroups gus --database a.db",
        2,
        "",
        "`gus` is no parameter",
    );
    let to = "to=/Entitlement[@name='Tunnel'] create=true";
    let moved = run(here, &format!("operation MoveLicenses {license} {to} --database a.db"));
    assert!(moved.status.success(), "{}", text(&moved.stderr));
    assert!(text(&moved.stdout).contains("90000000-0000-4000-8000-000000000001"));
    let there = "query /Entitlement[@name='Tunnel']/~OneToMany/License{count} --database a.db";
    check(here, there, 0, "1\n", "");
    let register = "operation RegisterUser /Profile/@displayName=Noa --database a.db";
    assert!(run(here, register).status.success());
    check(
        here,
        "query /Profile[@displayName='Noa']{count} --database a.db",
        0,
        "1\n",
        "",
    );
}

#[test]
fn serials_of_a_file_are_kept_ahead_where_others_write() {
    let folder = folder();
    let here = folder.path();
    let line = |kind: &str, name: &str| format!("{{\"__objType\":\"{kind}\",\"name\":\"{name}\"");
    let first = format!("{},\"serial\":1}}\n", line("Organization", "A"));
    let last = format!("{},\"serial\":50}}\n", line("LicensedItem", "a"));
    let other = format!("{}}}\n", line("LicensedItem", "b"));
    for (name, text) in [("head", first), ("other", other), ("tail", last)] {
        std::fs::write(here.join(format!("{name}.ndjson")), text).expect("a file");
    }
    let serve = "serve --listen 127.0.0.1:0 --database memory:";
    let serving = Serving::start(seatgraph(here, serve).env("SEATGRAPH_ADMIN_TOKEN", ADMIN));
    let ask = |line: &str| {
        let mut command = seatgraph(here, &format!("{line} --server {}", serving.url));
        let done = command
            .env("SEATGRAPH_TOKEN", ADMIN)
            .output()
            .expect("the program runs");
        (done.status.code(), text(&done.stdout), text(&done.stderr))
    };
    // Each file is a commit of its own: what comes between the two is made after all that is to come.
    let done = ask("import head.ndjson other.ndjson tail.ndjson");
    assert_eq!(done.0, Some(0), "{done:?}");
    let found = ask("query /LicensedItem[@serial='51']{count}");
    assert_eq!(found.1, "1\n", "{found:?}");
    // One that no line may have is refused where it stands, and keeps nothing ahead.
    let high = format!("{},\"serial\":4611686018427387905}}\n", line("LicensedItem", "c"));
    std::fs::write(
        here.join("high.ndjson"),
        format!("{}}}\n{high}", line("LicensedItem", "d")),
    )
    .expect("a file");
    let done = ask("import high.ndjson");
    let is_told = done.2.contains("high.ndjson: line 2: ") && done.2.contains("serialOutOfRange");
    assert!(done.0 == Some(1) && is_told, "{done:?}");
    assert_eq!(ask("query /LicensedItem{count}").1, "2\n");
}

#[test]
fn an_administrator_may_be_set_at_every_start() {
    let folder = folder();
    let serve = "serve --listen 127.0.0.1:0 --database memory:";
    let serving = Serving::start(seatgraph(folder.path(), serve).env("SEATGRAPH_ADMIN_TOKEN", ADMIN));
    assert_eq!(serving.token, None);
    let mut command = seatgraph(folder.path(), &format!("import small.ndjson --server {}", serving.url));
    let done = command
        .env("SEATGRAPH_TOKEN", ADMIN)
        .output()
        .expect("the program runs");
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert_eq!(
        run(
            folder.path(),
            &format!("serve --database memory: --listen {}", &serving.url["http://".len()..])
        )
        .status
        .code(),
        Some(1)
    );
}

#[test]
fn a_generated_world_is_imported_from_a_pipe() {
    let folder = folder();
    let here = folder.path();
    let mut made = seatgraph(here, "generate --organizations 3 --users 20 --licenses 20 --seed 7");
    let mut made = made.stdout(Stdio::piped()).spawn().expect("the program runs");
    let mut import = seatgraph(here, "import - --database a.db");
    let done = import
        .stdin(made.stdout.take().expect("piped"))
        .output()
        .expect("the program runs");
    assert!(made.wait().expect("it ends").success());
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    check(here, "query /Organization{count} --database a.db", 0, "4\n", "");
    assert_eq!(run(here, "verify --database a.db").status.code(), Some(0));
}

#[test]
fn a_decision_is_asked_for_from_the_shell() {
    let folder = folder();
    let here = folder.path();
    let seed = crate::support::path("fixtures/seed/leases.ndjson");
    let import = format!("import {} --database a.db", seed.display());
    assert_eq!(run(here, &import).status.code(), Some(0));
    let aino = "--profile 31000000-0000-4000-8000-000000000001";
    let yes = "yes, by the license 90000000-0000-4000-8000-000000000001\n";
    check(here, &format!("check {aino} --item editor --database a.db"), 0, yes, "");
    let dora = "--profile 31000000-0000-4000-8000-000000000004";
    check(
        here,
        &format!("check {dora} --item viewer --database a.db"),
        3,
        "no: notAuthorized\n",
        "",
    );
    // Where nothing is decided the answer is neither.
    let nobody = "--profile 31000000-0000-4000-8000-000000000099";
    check(
        here,
        &format!("check {nobody} --item editor --database a.db"),
        1,
        "",
        "nothing was decided: targetNotFound\n  `--profile` is the id of a Profile that the token reaches",
    );
    check(
        here,
        &format!("check {nobody} --item editor --output json --database a.db"),
        1,
        "",
        "nothing was decided: targetNotFound",
    );
    check(here, &format!("check {aino} --database a.db"), 2, "", "--item");
    let explained = run(
        here,
        &format!("check {dora} --item editor --hw x --explain --database a.db"),
    );
    assert_eq!(explained.status.code(), Some(0));
    let told = text(&explained.stdout);
    for line in [
        "yes, by the license 90000000-0000-4000-8000-000000000004",
        "  by /Profile[@id='31000000-0000-4000-8000-000000000004']/~Membership/ProfileGroup[@id='20000000-0000-4000-8000-000000000003']",
        "  useCount: passed",
        "tried /Profile",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let json = run(
        here,
        &format!("check {dora} --item viewer --output json --database a.db"),
    );
    assert_eq!(json.status.code(), Some(3));
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json, serde_json::json!({"granted": false, "code": "notAuthorized"}));
    check(here, "check --profile me --item editor", 2, "", "invalid value");
}
