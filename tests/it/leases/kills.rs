//! The same race with a server that is killed in the midst of it, again and again (T1 with T3): a lease goes on across a kill, one that was
//! acknowledged is in the log, and neither a restart nor a request whose answer was lost sells a seat twice or leaks one. Terms are short and
//! end by the machine's own clock.
//!
//! `SEATGRAPH_KILLS=1000` kills as often.

use std::path::Path;
use std::sync::Mutex;

use seatgraph::storage::{Migrate, Sqlite, Storage};
use uuid::Uuid;

use super::*;
use crate::kill::{self, TOKEN};

const KILLS: usize = 12;
const RACERS: usize = 24;
const SEATS: usize = 10;
const LEASE_MS: u64 = 400;

/// A client, and what it believes to have: both outlive the server.
struct Racer {
    token: String,
    random: u64,
    lease: Option<String>,
    /// Every lease it was told of.
    told: Vec<Uuid>,
}

impl Racer {
    /// Until the server is gone.
    fn race(&mut self, address: SocketAddr, number: usize) -> std::io::Result<()> {
        let mut caller = Caller::try_new(address, &self.token)?;
        loop {
            let lease = self.lease.clone();
            let query = match (next(&mut self.random) % 10, &lease) {
                (0..=2, Some(id)) => format!("release&{id}"),
                (3..=5, Some(id)) => format!("editor&leaseId={id}&hw=h{number}"),
                // A second device is the same seat.
                (6, _) => format!("editor&hw=other{number}&consumeDuration=100"),
                _ => format!("editor&hw=h{number}"),
            };
            let (status, answer) = caller.try_send("POST", &format!("/authz/.json?{query}"), "", "")?;
            assert_eq!(status, 200, "{query}: {answer}");
            if query.starts_with("release") {
                self.lease = None;
            } else if answer["editor"] == true {
                let id = answer["jti"].as_str().expect("a lease");
                self.told.push(id.parse().expect("an id"));
                if !query.contains("other") {
                    self.lease = Some(id.to_owned());
                }
            } else {
                assert_eq!(answer["editor_errorCode"], "noSeatsAvailable", "{answer}");
            }
        }
    }
}

/// The quota shrinks and grows beside them.
fn shake_until_it_ends(address: SocketAddr) -> std::io::Result<()> {
    let mut admin = Caller::try_new(address, TOKEN)?;
    for seats in [SEATS - 3, SEATS].into_iter().cycle() {
        quota(&mut admin, seats)?;
    }
    Ok(())
}

fn quota(admin: &mut Caller, seats: usize) -> std::io::Result<()> {
    let body = json!({"__objType": "SeatCountCredit", "id": id(CREDIT), "seatCount": seats}).to_string();
    let (status, answer) = admin.try_send("POST", "/graph", "Content-Type: application/json\r\n", &body)?;
    assert_eq!(status, 200, "{answer}");
    Ok(())
}

fn judge(database: &Path) -> Judge {
    let store = Sqlite::open(database, Migrate::Refuse).expect("a database that opens");
    let mut log = store.logs()().expect("a log");
    Judge::of(&mut *log)
}

#[test]
fn clients_race_for_seats_of_a_server_that_is_killed() {
    let kills = std::env::var("SEATGRAPH_KILLS").ok();
    let kills = kills.and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("race.db");
    let mut server = kill::Server::start(&database, None).expect("it serves");
    let tokens = fill(&mut Caller::new(server.address, TOKEN), RACERS, SEATS, LEASE_MS, 50);
    let racers: Vec<Mutex<Racer>> = (1..)
        .zip(&tokens)
        .map(|(number, token)| {
            let random = 0x9E37_79B9_7F4A_7C15 ^ (number as u64).wrapping_mul(0x2545_F491_4F6C_DD1D);
            Mutex::new(Racer {
                token: token.clone(),
                random,
                lease: None,
                told: Vec::new(),
            })
        })
        .collect();
    for _ in 0..kills {
        let address = server.address;
        std::thread::scope(|scope| {
            for (number, racer) in racers.iter().enumerate() {
                scope.spawn(move || racer.lock().expect("a racer").race(address, number));
            }
            scope.spawn(move || shake_until_it_ends(address));
            std::thread::sleep(Duration::from_micros(kill::random(600_000)));
            drop(server);
        });
        server = kill::Server::start(&database, None).expect("it serves again");
    }
    // Nothing leaked: when all leases have ended, all seats are free again.
    quota(&mut Caller::new(server.address, TOKEN), SEATS).expect("an answer");
    std::thread::sleep(Duration::from_millis(LEASE_MS));
    let held = all_at_once(server.address, &tokens);
    assert_eq!(held, SEATS, "when all were free, {held} seats are held at once");
    drop(server);
    let judge = judge(&database);
    let told: Vec<Uuid> = racers
        .into_iter()
        .flat_map(|racer| racer.into_inner().expect("a racer").told)
        .collect();
    let lost: Vec<_> = told.iter().filter(|lease| !judge.ids.contains(lease)).collect();
    assert!(lost.is_empty(), "acknowledged leases are lost: {lost:?}");
    assert_eq!(judge.most, SEATS, "the seats were never all in use");
    assert!(judge.granted > kills * 5, "only {} leases were granted", judge.granted);
}
