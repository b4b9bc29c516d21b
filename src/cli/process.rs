//! What the system gives the server's process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{Exit, Failure};

/// Files that are open at any time beside the connections: the database, the log, and some for each worker.
const OWN: u64 = 24;
const OF_A_WORKER: u64 = 8;

/// Each connection is an open file, and the first bound of them (1,024 mostly) is one for programs that cannot take more: it is
/// raised as far as this process may.
pub fn open_many_files(workers: usize) -> Result<(), Failure> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    let most = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        Err(_) => current,
    };
    let least = OWN + OF_A_WORKER * workers as u64;
    match most {
        Some(most) if most < least => Err(Failure::new(
            Exit::Unreachable,
            format!("this process may open {most} files, and the server needs {least} before its first connection"),
        )
        .help("raise the bound (`ulimit -n`, LimitNOFILE): each connection is an open file")),
        _ => Ok(()),
    }
}
