//! The arrows between the rooms are a test too: reads the paths every source file names and holds them to the table of
//! the design. Code under `#[cfg(test)]` may borrow what it needs from anywhere, and is not read.

use std::path::{Path, PathBuf};

/// A room, and which others its files may name. What stands beside the rooms is in the list like them.
const MAY_USE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("limits", &[]),
    ("mutant", &[]),
    ("leisure", &[]),
    ("sync", &[]),
    ("settings", &["limits"]),
    ("selector", &["model", "limits"]),
    ("graph", &["model", "leisure"]),
    ("storage", &["model", "leisure"]),
    ("signing", &["model", "mutant"]),
    ("event", &["model", "graph"]),
    ("access", &["model", "graph", "mutant"]),
    ("query", &["model", "limits", "selector", "graph", "access"]),
    ("entitlement", &["model", "limits", "graph", "mutant"]),
    (
        "error",
        &[
            "model",
            "limits",
            "selector",
            "graph",
            "access",
            "query",
            "entitlement",
            "operation",
            "engine",
            "storage",
        ],
    ),
    (
        "operation",
        &[
            "model",
            "limits",
            "error",
            "selector",
            "event",
            "signing",
            "graph",
            "access",
            "query",
            "entitlement",
        ],
    ),
    (
        "engine",
        &["model", "limits", "graph", "storage", "mutant", "leisure", "sync"],
    ),
    (
        "http",
        &[
            "model",
            "limits",
            "settings",
            "error",
            "selector",
            "event",
            "signing",
            "graph",
            "access",
            "query",
            "entitlement",
            "operation",
            "engine",
        ],
    ),
    (
        "doors",
        &[
            "model",
            "limits",
            "error",
            "query",
            "entitlement",
            "operation",
            "engine",
            "http",
        ],
    ),
    (
        "cli",
        &[
            "model",
            "limits",
            "settings",
            "error",
            "selector",
            "event",
            "signing",
            "graph",
            "storage",
            "access",
            "query",
            "entitlement",
            "operation",
            "engine",
            "http",
            "doors",
        ],
    ),
    ("main", &["cli"]),
];

/// A word of code, and the places that may say it: beginnings of paths below `src`. One crate, one room.
const MAY_SAY: &[(&str, &[&str])] = &[
    ("nom", &["selector/"]),
    ("petgraph", &["graph/"]),
    ("triomphe", &["model/entity.rs"]),
    ("regex", &["entitlement/version.rs"]),
    ("rusqlite", &["storage/sqlite"]),
    ("actix_web", &["http/", "doors/", "cli/serve"]),
    ("actix_http", &["http/", "doors/"]),
    (
        "serde",
        &[
            "limits.rs",
            "storage/",
            "signing/",
            "operation/",
            "http/",
            "doors/",
            "cli/",
        ],
    ),
    (
        "serde_json",
        &["storage/", "signing/", "operation/", "http/", "doors/", "cli/"],
    ),
    ("compio_driver", &["http/connection/"]),
    ("aws_lc_rs", &["signing/"]),
    ("base64", &["signing/", "http/auth.rs"]),
    ("clap", &["cli/"]),
    ("indicatif", &["cli/"]),
    ("comfy_table", &["cli/"]),
    ("ureq", &["cli/"]),
    ("tracing_subscriber", &["cli/"]),
    ("toml", &["settings.rs"]),
    ("chrono", &["model/clock.rs"]),
    ("getrandom", &["model/clock.rs"]),
    ("percent_encoding", &["http/", "doors/", "cli/"]),
    // New ids and the present time.
    ("now_v7", &["model/clock.rs"]),
    ("new_v4", &["model/clock.rs"]),
    ("SystemTime", &["model/clock.rs"]),
    // Who may touch files, the network and threads.
    ("fs", &["settings.rs", "storage/", "http/", "cli/"]),
    ("net", &["http/", "doors/", "cli/"]),
    // A transaction dropped by a panic asks its thread so.
    (
        "thread",
        &[
            "engine/",
            "sync.rs",
            "leisure.rs",
            "http/",
            "cli/",
            "storage/",
            "graph/transaction.rs",
        ],
    ),
    ("env", &["settings.rs", "cli/", "http/", "mutant.rs"]),
];

#[test]
fn every_room_uses_only_what_it_may() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 10, "only {} files below {}", files.len(), root.display());
    let files: Vec<(String, String)> = files
        .iter()
        .map(|file| {
            let name = file
                .strip_prefix(&root)
                .expect("below src")
                .to_string_lossy()
                .replace('\\', "/");
            (name, std::fs::read_to_string(file).expect("readable"))
        })
        .collect();
    let tests: Vec<String> = files.iter().flat_map(|(name, text)| test_files(name, text)).collect();
    let wrong: Vec<String> = files
        .iter()
        .filter(|(name, _)| {
            !tests
                .iter()
                .any(|test| name == test || (test.ends_with('/') && name.starts_with(test)))
        })
        .flat_map(|(name, text)| violations(name, text))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A variable that tells a test something would stop a server that took it for a setting.
#[test]
fn tests_start_the_program_by_one_function() {
    let (folder, mut files) = (crate::support::path("tests/it"), Vec::new());
    collect(&folder, &mut files);
    let starts = |file: &&PathBuf| {
        let text = std::fs::read_to_string(file).expect("a test");
        text.contains(concat!("CARGO_", "BIN_EXE"))
    };
    let found: Vec<_> = files.iter().filter(starts).collect();
    assert_eq!(found, [&folder.join("support/mod.rs")]);
}

#[test]
fn a_wrong_arrow_is_found() {
    let check =
        |file: &str, text: &str, expected: &[&str]| assert_eq!(violations(file, text), expected, "{file}: {text}");
    check("graph/walk.rs", "use crate::model::Kind;", &[]);
    check(
        "graph/walk.rs",
        "use crate::query::plan;",
        &["graph/walk.rs uses query"],
    );
    check(
        "graph/walk.rs",
        "use crate::{model::*, engine::{a, b}, graph};",
        &["graph/walk.rs uses engine"],
    );
    check(
        "graph/walk.rs",
        "fn f() { crate::http::go() }",
        &["graph/walk.rs uses http"],
    );
    check(
        "graph/walk.rs",
        "use super::super::storage::Storage;",
        &["graph/walk.rs uses storage"],
    );
    check(
        "graph/mod.rs",
        "use super::storage::Storage; mod walk; use walk::x;",
        &["graph/mod.rs uses storage"],
    );
    check("graph/walk.rs", "use super::walk::deeper;", &[]);
    check(
        "doors/tizra/wire.rs",
        "use super::super::super::graph;",
        &["doors/tizra/wire.rs uses graph"],
    );
    check(
        "doors/tizra/wire.rs",
        "use crate::doors::tizra::wire; use super::reason;",
        &[],
    );
    check(
        "doors/tizra/wire.rs",
        "use crate::doors::uipath::wire;",
        &["doors/tizra/wire.rs uses doors/uipath"],
    );
    check("doors/mod.rs", "use crate::doors::uipath;", &[]);
    check(
        "query/plan.rs",
        "use petgraph::Graph;",
        &["query/plan.rs says petgraph"],
    );
    check(
        "query/plan.rs",
        "// crate::http is far\n/* petgraph */ const A: &str = \"crate::http::x petgraph::y\";",
        &[],
    );
    check(
        "query/plan.rs",
        "let c = '\"'; use crate::http;",
        &["query/plan.rs uses http"],
    );
    check("query/plan.rs", "let x: &'a str = r#\"crate::http\"#;", &[]);
    check(
        "query/plan.rs",
        "use crate::model;\n#[cfg(test)]\nmod tests { use crate::engine; }",
        &[],
    );
    check(
        "engine/mod.rs",
        "let id = Uuid::now_v7();",
        &["engine/mod.rs says now_v7"],
    );
    check("engine/mod.rs", "let now = self.env.fs;", &[]);
    check(
        "operation/crud.rs",
        "std::thread::spawn(f)",
        &["operation/crud.rs says thread"],
    );
    check(
        "nonsense/mod.rs",
        "use crate::model;",
        &["nonsense/mod.rs is in no room"],
    );
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
}

/// What a file (its path below `src`) says that it should not.
fn violations(file: &str, text: &str) -> Vec<String> {
    if file == "lib.rs" {
        return Vec::new();
    }
    let room = file.split('/').next().unwrap_or(file).trim_end_matches(".rs");
    let Some((_, may)) = MAY_USE.iter().find(|(name, _)| *name == room) else {
        return vec![format!("{file} is in no room")];
    };
    let (words, _) = without_tests(words(text));
    let mut wrong = Vec::new();
    for used in used_rooms(file, &words) {
        let door = used.strip_prefix("doors/");
        let other_door = door.is_some_and(|door| {
            room == "doors" && file.matches('/').count() > 1 && !file.starts_with(&format!("doors/{door}/"))
        });
        let name = used.split('/').next().unwrap_or(&used);
        if other_door || (name != room && !may.contains(&name)) {
            wrong.push(format!("{file} uses {used}"));
        }
    }
    for (word, places) in MAY_SAY {
        if says(&words, word) && !places.iter().any(|place| file.starts_with(place)) {
            wrong.push(format!("{file} says {word}"));
        }
    }
    wrong
}

/// Whether a crate, module or function is named: in a `use`, or beside `::`. A field or a variable may be called so.
fn says(words: &[String], wanted: &str) -> bool {
    let mut in_use = false;
    for (at, word) in words.iter().enumerate() {
        match word.as_str() {
            "use" => in_use = true,
            ";" => in_use = false,
            _ => {}
        }
        let beside = |other: Option<&String>| other.is_some_and(|other| other == "::");
        if word == wanted && (in_use || beside(words.get(at + 1)) || (at > 0 && beside(words.get(at - 1)))) {
            return true;
        }
    }
    false
}

/// The first segments below the crate that the words name; of a door also which.
fn used_rooms(file: &str, words: &[String]) -> Vec<String> {
    // How many `super`s lead from this file's module to the crate itself.
    let depth = file.matches('/').count() + usize::from(!file.ends_with("/mod.rs") && !file.ends_with("main.rs"));
    let mut used = Vec::new();
    for start in 0..words.len() {
        if start > 0 && words[start - 1] == "::" {
            continue;
        }
        let mut at = start;
        let at_crate = if words[start] == "crate" || words[start] == "seatgraph" {
            at += 1;
            true
        } else {
            let mut supers = 0;
            while words.get(at).is_some_and(|word| word == "super") {
                supers += 1;
                at += if words.get(at + 2).is_some_and(|word| word == "super") {
                    2
                } else {
                    1
                };
            }
            supers > 0 && supers >= depth
        };
        if at_crate && words.get(at).is_some_and(|word| word == "::") {
            rooms_of_tree(&words[at + 1..], &mut used);
        }
    }
    used.dedup();
    used
}

fn rooms_of_tree(words: &[String], used: &mut Vec<String>) {
    let name = |at: usize| -> Option<String> {
        let first = words
            .get(at)
            .filter(|word| word.chars().all(|char| char.is_alphanumeric() || char == '_'))?;
        match (first.as_str(), words.get(at + 1).map(String::as_str), words.get(at + 2)) {
            ("doors", Some("::"), Some(door)) => Some(format!("doors/{door}")),
            _ => Some(first.clone()),
        }
    };
    if words.first().is_none_or(|word| word != "{") {
        used.extend(name(0));
        return;
    }
    let (mut nesting, mut fresh) = (0, false);
    for (at, word) in words.iter().enumerate() {
        match word.as_str() {
            "{" => {
                nesting += 1;
                fresh = nesting == 1;
            }
            "}" => nesting -= 1,
            "," if nesting == 1 => fresh = true,
            _ if fresh => {
                used.extend(name(at));
                fresh = false;
            }
            _ => {}
        }
        if nesting == 0 {
            return;
        }
    }
}

/// Names, `::` and single signs; no comments, texts or characters.
fn words(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut words: Vec<String> = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let rest = |ahead: usize| chars.get(at + ahead).copied().unwrap_or(' ');
        match chars[at] {
            '/' if rest(1) == '/' => {
                while at < chars.len() && chars[at] != '\n' {
                    at += 1;
                }
            }
            '/' if rest(1) == '*' => {
                at += 2;
                while at < chars.len() && !(chars[at - 1] == '*' && chars[at] == '/') {
                    at += 1;
                }
                at += 1;
            }
            'r' if (rest(1) == '"' || (rest(1) == '#' && (rest(2) == '"' || rest(2) == '#'))) => {
                let hashes = (1..).take_while(|ahead| rest(*ahead) == '#').count();
                let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
                at += hashes + 2;
                while at < chars.len() && !chars[at..].starts_with(&end) {
                    at += 1;
                }
                at += end.len();
            }
            '"' => {
                at += 1;
                while at < chars.len() && chars[at] != '"' {
                    at += if chars[at] == '\\' { 2 } else { 1 };
                }
                at += 1;
            }
            // A character and not a lifetime: `'x'` or `'\n'`.
            '\'' if rest(1) == '\\' => {
                at += 3;
                while at < chars.len() && chars[at] != '\'' {
                    at += 1;
                }
                at += 1;
            }
            '\'' if rest(2) == '\'' => at += 3,
            ':' if rest(1) == ':' => {
                words.push("::".to_owned());
                at += 2;
            }
            char if char.is_alphanumeric() || char == '_' => {
                let start = at;
                while at < chars.len() && (chars[at].is_alphanumeric() || chars[at] == '_') {
                    at += 1;
                }
                words.push(chars[start..at].iter().collect());
            }
            char => {
                if !char.is_whitespace() {
                    words.push(char.to_string());
                }
                at += 1;
            }
        }
    }
    words
}

const TEST_ONLY: [&str; 8] = ["#", "[", "cfg", "(", "test", ")", "]", "mod"];

/// The words without the modules that only tests have, and the names of those among them that are files of their own.
fn without_tests(words: Vec<String>) -> (Vec<String>, Vec<String>) {
    let (mut kept, mut files) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < words.len() {
        let rest = &words[at..];
        if rest.len() < TEST_ONLY.len() + 2 || !rest.iter().take(TEST_ONLY.len()).eq(&TEST_ONLY) {
            kept.push(words[at].clone());
            at += 1;
            continue;
        }
        at += TEST_ONLY.len() + 1;
        if words[at] == ";" {
            files.push(words[at - 1].clone());
            at += 1;
            continue;
        }
        let mut nesting = 0;
        while at < words.len() {
            nesting += i32::from(words[at] == "{") - i32::from(words[at] == "}");
            at += 1;
            if nesting == 0 {
                break;
            }
        }
    }
    (kept, files)
}

/// Where the modules that a file declares for tests alone lie: `storage/contract.rs`, `storage/contract/`.
fn test_files(file: &str, text: &str) -> Vec<String> {
    let folder = match file.strip_suffix("mod.rs").or(file.strip_suffix("lib.rs")) {
        Some(folder) => folder.to_owned(),
        None => format!("{}/", file.trim_end_matches(".rs")),
    };
    let (_, names) = without_tests(words(text));
    names
        .iter()
        .flat_map(|name| [format!("{folder}{name}.rs"), format!("{folder}{name}/")])
        .collect()
}
