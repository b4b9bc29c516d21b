//! The yardstick of the reads and of the durable writes: what actix-web and SQLite cost without a license server. It runs in
//! a process of its own, as the server does.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpResponse, HttpServer, web};
use tokio::sync::oneshot;

use crate::results;
use crate::support::free_port;

/// actix-web with one handler. GET answers a constant; a body that is posted becomes a row, many in a transaction, if there is
/// a database for them.
pub struct Bare {
    pub port: u16,
    child: Child,
}

impl Bare {
    pub fn start(body: &[u8], rows: bool) -> Self {
        let folder = results::folder();
        let file = folder.join("bare.body");
        fs::write(&file, body).expect("the answer can be written");
        let port = free_port();
        let mut command = Command::new(std::env::current_exe().expect("the suite's own path"));
        command.args(["bare", &port.to_string()]).arg(file);
        if rows {
            command.arg("--rows").arg(folder.join("bare.db"));
        }
        let bare = Self {
            port,
            child: command.spawn().expect("the yardstick starts"),
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "the yardstick did not get ready");
            std::thread::sleep(Duration::from_millis(10));
        }
        bare
    }

    pub fn process(&self) -> String {
        self.child.id().to_string()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

type Insert = (Bytes, oneshot::Sender<()>);

struct Yard {
    body: Bytes,
    inserts: Option<mpsc::Sender<Insert>>,
}

/// The process itself.
pub fn serve(port: u16, body: &Path, rows: Option<PathBuf>) {
    let body = fs::read(body).expect("the answer");
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port");
    let inserts = rows.map(|path| {
        let (sender, receiver) = mpsc::channel::<Insert>();
        std::thread::spawn(move || insert(&path, &receiver));
        sender
    });
    let yard = Data::new(Yard {
        body: Bytes::from(body),
        inserts,
    });
    let served = actix_web::rt::System::new().block_on(async move {
        HttpServer::new(move || App::new().app_data(yard.clone()).default_service(web::to(bare)))
            .workers(2)
            .listen(listener)?
            .run()
            .await
    });
    served.expect("the yardstick serves");
}

async fn bare(yard: Data<Yard>, body: Bytes) -> HttpResponse {
    if let (Some(inserts), false) = (&yard.inserts, body.is_empty()) {
        let (done, waits) = oneshot::channel();
        if inserts.send((body, done)).is_err() || waits.await.is_err() {
            return HttpResponse::InternalServerError().finish();
        }
    }
    HttpResponse::Ok()
        .content_type("application/json")
        .body(yard.body.clone())
}

fn insert(path: &Path, receiver: &mpsc::Receiver<Insert>) {
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{end}", path.display()));
    }
    let mut connection = rusqlite::Connection::open(path).expect("the yardstick's database");
    connection
        .execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE row(id INTEGER PRIMARY KEY, body BLOB);",
        )
        .expect("the yardstick's table");
    while let Ok(first) = receiver.recv() {
        let mut batch = vec![first];
        batch.extend(receiver.try_iter().take(255));
        let transaction = connection.transaction().expect("a transaction");
        for (body, _) in &batch {
            transaction
                .prepare_cached("INSERT INTO row(body) VALUES (?1)")
                .and_then(|mut statement| statement.execute([&body[..]]))
                .expect("a row");
        }
        transaction.commit().expect("a commit");
        for (_, done) in batch {
            let _ = done.send(());
        }
    }
}
