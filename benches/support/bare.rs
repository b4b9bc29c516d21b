//! The yardstick of the reads and of the durable writes: what actix-web and SQLite cost without a license server.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpResponse, HttpServer, web};
use tokio::sync::oneshot;

/// The yardstick: actix-web with one handler. GET answers a constant; POST inserts one row, many in a transaction.
pub struct Bare {
    pub port: u16,
}

type Insert = (Bytes, oneshot::Sender<()>);

struct Yard {
    body: Bytes,
    inserts: Option<mpsc::Sender<Insert>>,
}

impl Bare {
    pub fn start(body: Vec<u8>, database: Option<PathBuf>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let inserts = database.map(|path| {
            let (sender, receiver) = mpsc::channel::<Insert>();
            std::thread::spawn(move || insert(&path, &receiver));
            sender
        });
        let yard = Data::new(Yard {
            body: Bytes::from(body),
            inserts,
        });
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                HttpServer::new(move || App::new().app_data(yard.clone()).default_service(web::to(bare)))
                    .workers(2)
                    .disable_signals()
                    .listen(listener)
                    .expect("the yardstick listens")
                    .run()
                    .await
            })
        });
        Self { port }
    }
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
