//! What the system allows the program.

use std::process::{Command, Stdio};

use crate::commands::{Serving, text};
use crate::support::{PROGRAM, apart};

fn with(bound: &str, folder: &std::path::Path) -> Command {
    let mut command = apart(Command::new("sh"));
    let line = format!("ulimit {bound}; exec {PROGRAM} serve --listen 127.0.0.1:0 --database x.db");
    command.current_dir(folder).args(["-c", &line]).stdin(Stdio::null());
    command
}

#[test]
fn as_many_files_are_open_as_may_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = with("-n 20", folder.path()).output().expect("it runs");
    let told = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(4), "{told}");
    assert!(
        told.contains("may open 20 files") && told.contains("LimitNOFILE"),
        "{told}"
    );
    assert!(!folder.path().join("x.db").exists());

    let server = Serving::start_telling(&mut with("-S -n 100", folder.path()), Stdio::null());
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.id())).expect("its limits");
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .expect("a line");
    let bounds: Vec<&str> = files.split_whitespace().skip(3).take(2).collect();
    assert_eq!(bounds[0], bounds[1], "{files}");
    assert_ne!(bounds[0], "100");
}
