//! What is written to connections arrives, whole and in its order, whatever they share.

use std::rc::Rc;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::rt;
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;

use super::Connection;
use super::sender::Sender;
use super::together::Ring;
use super::turns::Body;
use super::watch::{UnderWay, Watch};

async fn pair(sender: &Rc<Sender>) -> (Connection, TcpStream) {
    watched(sender, &Rc::default()).await
}

async fn watched(sender: &Rc<Sender>, watch: &Rc<Watch>) -> (Connection, TcpStream) {
    of_client(TcpSocket::new_v4().expect("a socket"), sender, watch).await
}

async fn of_client(client: TcpSocket, sender: &Rc<Sender>, watch: &Rc<Watch>) -> (Connection, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let client = client.connect(listener.local_addr().expect("its address"));
    let client = client.await.expect("a client");
    let (socket, _) = listener.accept().await.expect("a connection");
    (Connection::new(socket, Rc::clone(sender), watch), client)
}

/// What connection `number` writes in a turn, another byte at each place.
fn answer(number: usize, turn: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + turn * 31 + number) as u8).collect()
}

/// Connections that write answers of these lengths turn by turn, and whether their clients read only after all was written.
struct Case {
    connections: usize,
    lengths: &'static [usize],
    turns: usize,
    is_slow: bool,
}

const CASES: &[Case] = &[
    Case {
        connections: 1,
        lengths: &[300],
        turns: 50,
        is_slow: false,
    },
    Case {
        connections: 16,
        lengths: &[300, 1, 9_000],
        turns: 50,
        is_slow: false,
    },
    Case {
        connections: 70,
        lengths: &[271],
        turns: 20,
        is_slow: false,
    },
    Case {
        connections: 8,
        lengths: &[65_536, 65_537, 1, 300_000, 5],
        turns: 20,
        is_slow: false,
    },
    // Long ones, whose ends are short enough to wait.
    Case {
        connections: 4,
        lengths: &[136_000, 80_000, 300],
        turns: 300,
        is_slow: true,
    },
    // More than a socket holds: it must be waited for who reads.
    Case {
        connections: 4,
        lengths: &[9_000, 300],
        turns: 2_000,
        is_slow: true,
    },
    Case {
        connections: 3,
        lengths: &[100_000, 300],
        turns: 200,
        is_slow: true,
    },
];

async fn check(case: &Case, sender: Sender) {
    let sender = Rc::new(sender);
    let mut ends = Vec::new();
    for number in 0..case.connections {
        let (mut connection, mut client) = pair(&sender).await;
        let (lengths, turns, is_slow) = (case.lengths, case.turns, case.is_slow);
        ends.push(rt::spawn(async move {
            for turn in 0..turns {
                let bytes = answer(number, turn, lengths[turn % lengths.len()]);
                connection.write_all(&bytes).await.expect("written");
                connection.flush().await.expect("flushed");
                if turn % 3 == 0 {
                    rt::task::yield_now().await;
                }
            }
            connection.shutdown().await.expect("its end");
        }));
        ends.push(rt::spawn(async move {
            if is_slow {
                rt::time::sleep(Duration::from_millis(200)).await;
            }
            for turn in 0..turns {
                let wanted = answer(number, turn, lengths[turn % lengths.len()]);
                let mut found = vec![0; wanted.len()];
                client.read_exact(&mut found).await.expect("read");
                assert!(found == wanted, "connection {number}, turn {turn}");
            }
            assert_eq!(client.read(&mut [0; 8]).await.expect("the end"), 0);
        }));
    }
    for end in ends {
        rt::time::timeout(Duration::from_secs(30), end)
            .await
            .expect("in time")
            .expect("no panic");
    }
}

#[test]
fn what_is_written_arrives_in_its_order() {
    rt::System::new().block_on(async {
        for case in CASES {
            check(case, Sender::new(Ring::new())).await;
            check(case, Sender::new(None)).await;
        }
    });
}

/// Whoever answers several at once wakes their tasks from its thread, as the committer does.
#[test]
fn answers_that_waited_for_another_thread_leave_together() {
    // A page of twenty licenses.
    const LENGTH: usize = 17_000;
    rt::System::new().block_on(async {
        let sender = Rc::new(Sender::new(Ring::new()));
        let (mut told, mut clients) = (Vec::new(), Vec::new());
        for number in 0..8 {
            let (mut connection, client) = pair(&sender).await;
            let (tell, hears) = oneshot::channel();
            let sender = Rc::clone(&sender);
            rt::spawn(async move {
                hears.await.expect("a word");
                sender.waited();
                let written = connection.write_all(&answer(number, 0, LENGTH)).await;
                written.expect("written");
                // The connection stays until its client has read.
                std::future::pending::<()>().await;
            });
            told.push(tell);
            clients.push(client);
        }
        rt::task::yield_now().await;
        let before = sender.calls.get();
        // This thread waits meanwhile, so that all are ready when it goes on.
        let committer =
            std::thread::spawn(move || told.into_iter().try_for_each(|tell: oneshot::Sender<()>| tell.send(())));
        assert_eq!(committer.join().expect("no panic"), Ok(()));
        for (number, client) in clients.iter_mut().enumerate() {
            let mut found = vec![0; LENGTH];
            client.read_exact(&mut found).await.expect("read");
            assert!(found == answer(number, 0, LENGTH), "connection {number}");
        }
        assert_eq!(sender.calls.get() - before, 1);
    });
}

/// One client that is gone fails its own connection, at the latest when it is written to again.
#[test]
fn a_client_that_is_gone_fails_no_other() {
    rt::System::new().block_on(async {
        let sender = Rc::new(Sender::new(Ring::new()));
        let (mut left, gone) = pair(&sender).await;
        let (mut stays, mut client) = pair(&sender).await;
        drop(gone);
        let mut has_failed = false;
        for turn in 0..100 {
            let bytes = answer(0, turn, 500);
            has_failed |= left.write_all(&bytes).await.is_err();
            stays.write_all(&bytes).await.expect("written");
            let mut found = vec![0; bytes.len()];
            client.read_exact(&mut found).await.expect("read");
            assert!(found == bytes, "turn {turn}");
        }
        assert!(has_failed);
    });
}

/// A client that takes nothing more has what it was sent kept for it, and the rest when it reads.
#[test]
fn what_a_client_does_not_take_is_kept_when_the_connection_is_dropped() {
    rt::System::new().block_on(async {
        let sender = Rc::new(Sender::new(Ring::new()));
        let (mut connection, mut client) = pair(&sender).await;
        let mut sent = 0;
        // Until the socket is full and the last answer is left half sent.
        while let Ok(written) = rt::time::timeout(Duration::from_millis(100), async {
            let written = connection.write(&[7; 10_000]).await.expect("written");
            rt::task::yield_now().await;
            written
        })
        .await
        {
            sent += written;
        }
        drop(connection);
        let mut found = Vec::new();
        client.read_to_end(&mut found).await.expect("read");
        assert_eq!(found.len(), sent);
    });
}

/// A socket that is closed at once answers what comes later by taking back what its client has not read yet.
#[test]
fn the_last_answer_is_whole_for_a_client_that_says_more_while_it_reads() {
    rt::System::new().block_on(async {
        let sender = Rc::new(Sender::new(Ring::new()));
        let client = TcpSocket::new_v4().expect("a socket");
        client.set_recv_buffer_size(4096).expect("a small one");
        let (mut connection, mut client) = of_client(client, &sender, &Rc::default()).await;
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("sent");
        assert_eq!(connection.read(&mut [0; 100]).await.expect("a head"), 18);
        let mut under_way = UnderWay::new(connection.outgoing(), Body::Length(0));
        under_way.ends();
        let whole = answer(0, 0, 100_000);
        let sent = whole.clone();
        let server = rt::spawn(async move {
            connection.write_all(&sent).await.expect("written");
            connection.flush().await.expect("flushed");
            drop(under_way);
            connection.shutdown().await.expect("its end");
        });
        let mut found = Vec::new();
        while found.len() < whole.len() {
            // Some of it comes when all is written.
            client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("sent");
            rt::time::sleep(Duration::from_millis(5)).await;
            let mut some = [0; 2000];
            let count = client.read(&mut some).await.expect("read");
            assert_ne!(count, 0, "after {}", found.len());
            found.extend_from_slice(&some[..count]);
        }
        assert!(found == whole);
        assert_eq!(client.read(&mut [0; 8]).await.expect("the end"), 0);
        drop(client);
        server.await.expect("no panic");
    });
}

#[test]
fn only_for_a_client_that_was_just_answered_a_connection_stays() {
    async fn is_kept(answered: bool, gone: bool) -> bool {
        let sender = Rc::new(Sender::new(Ring::new()));
        let (mut connection, client) = pair(&sender).await;
        if answered {
            UnderWay::new(connection.outgoing(), Body::Length(0)).ends();
        }
        let client = Some(client).filter(|_| !gone);
        let ended = rt::time::timeout(Duration::from_millis(500), connection.shutdown()).await;
        drop(client);
        ended.is_err()
    }
    rt::System::new().block_on(async {
        assert!(!is_kept(false, false).await);
        assert!(!is_kept(true, true).await);
        assert!(is_kept(true, false).await);
    });
}

/// An answer that is long is waited for to its end: whoever writes it hears that the client takes no more.
#[test]
fn the_writer_of_a_long_answer_waits_for_its_client() {
    rt::System::new().block_on(async {
        let sender = Rc::new(Sender::new(Ring::new()));
        let (mut connection, mut client) = pair(&sender).await;
        let whole = answer(0, 0, 40_000_000);
        let sent = whole.clone();
        let writer = rt::spawn(async move {
            connection.write_all(&sent).await.expect("written");
            connection.flush().await.expect("flushed");
            connection
        });
        rt::time::sleep(Duration::from_millis(300)).await;
        assert!(!writer.is_finished());
        let mut found = vec![0; whole.len()];
        client.read_exact(&mut found).await.expect("read");
        assert!(found == whole);
        writer.await.expect("no panic");
    });
}

/// What goes on between two looks.
#[derive(Clone, Copy, Debug)]
enum Goes {
    Nothing,
    /// The client sends a byte, and the server reads it.
    Drop,
    /// A request begins, and goes on.
    Begins,
    /// One without a body is answered.
    Answered,
    /// One is answered whose body has no length and has not ended.
    AnsweredEarly,
    /// One is answered whose body had no length.
    AnsweredAfter,
    /// An answer without a length begins, and goes on.
    Streams,
    /// It ends.
    Ends,
    /// The server writes, and the client reads nothing.
    Unread,
}

/// Looks until the connection is ended: what goes on at first, look by look, and then each time.
async fn looks(first: &[Goes], then: Goes) -> Option<u32> {
    const MOST: u32 = 200;
    let (sender, watch) = (Rc::new(Sender::new(None)), Rc::new(Watch::default()));
    let (mut connection, mut client) = watched(&sender, &watch).await;
    let (mut under_way, mut streamed) = (None, None);
    for (look, goes) in (1..MOST).zip(first.iter().copied().chain(std::iter::repeat(then))) {
        let begin = || UnderWay::new(connection.outgoing(), Body::Length(0));
        match goes {
            Goes::Nothing => {}
            Goes::Drop => {
                client.write_all(b"G").await.expect("sent");
                // While a request is under way, it is held back.
                let mut byte = [0];
                let _ = rt::time::timeout(Duration::from_millis(20), connection.read(&mut byte)).await;
            }
            Goes::Begins => under_way = Some(begin()),
            Goes::Answered => drop(begin()),
            Goes::AnsweredEarly => drop(begin().reads(Payload::None)),
            Goes::AnsweredAfter => {
                let request = begin();
                assert!(request.reads(Payload::None).next().await.is_none());
            }
            Goes::Streams => streamed = Some(begin().streams(BoxBody::new(()))),
            Goes::Ends => drop(streamed.take()),
            Goes::Unread => {
                let all = connection.write_all(&[7; 20_000_000]);
                assert!(rt::time::timeout(Duration::from_millis(50), all).await.is_err());
            }
        }
        if watch.look() == 0 {
            drop((under_way, streamed));
            // It is the client's end as well.
            let mut rest = Vec::new();
            let _ = client.read_to_end(&mut rest).await;
            return Some(look);
        }
    }
    None
}

#[test]
fn a_connection_on_which_nothing_goes_on_is_ended() {
    use Goes::*;
    let cases: &[(&[Goes], Goes, Option<u32>)] = &[
        (&[], Nothing, Some(7)),
        (&[], Drop, Some(3)),
        (&[Drop], Nothing, Some(3)),
        (&[Answered], Nothing, Some(8)),
        // A head has its time, however long nothing came before it.
        (&[Answered, Nothing, Nothing, Nothing, Nothing, Nothing], Drop, Some(9)),
        (
            &[Answered, Nothing, Nothing, Nothing, Nothing, Nothing, Answered],
            Nothing,
            Some(14),
        ),
        (&[Answered], Drop, Some(4)),
        // A body that was answered and does not end.
        (&[AnsweredEarly], Nothing, Some(3)),
        (&[AnsweredEarly], Drop, Some(3)),
        (&[AnsweredAfter], Nothing, Some(8)),
        (&[Begins], Nothing, None),
        (&[Begins], Drop, None),
        (&[], Answered, None),
        (&[Streams], Nothing, None),
        (&[Streams, Ends], Drop, Some(5)),
        (&[Streams, Ends], Nothing, Some(9)),
        (&[Unread], Nothing, Some(25)),
        (&[Streams, Unread], Nothing, Some(122)),
    ];
    rt::System::new().block_on(async {
        for (first, then, ended) in cases {
            assert_eq!(looks(first, *then).await, *ended, "{first:?}, then {then:?}");
        }
    });
}

#[test]
fn a_stream_is_marked_when_its_client_has_left() {
    rt::System::new().block_on(async {
        let (sender, watch) = (Rc::new(Sender::new(None)), Rc::new(Watch::default()));
        let (mut connection, mut client) = watched(&sender, &watch).await;
        let outgoing = connection.outgoing();
        let look = || {
            watch.look();
            outgoing.has_left()
        };
        assert!(!look());
        let streamed = UnderWay::new(connection.outgoing(), Body::Length(0)).streams(BoxBody::new(()));
        assert!(!look());
        client.write_all(b"G").await.expect("sent");
        drop(client);
        assert!(!look(), "what it sent is not read yet");
        let mut byte = [0];
        let held = rt::time::timeout(Duration::from_millis(50), connection.read(&mut byte));
        assert!(held.await.is_err(), "it waits for the end of the stream");
        assert!(look());
        // Of another answer somebody who sends no more may take what was asked for.
        drop(streamed);
        let _under_way = UnderWay::new(connection.outgoing(), Body::Length(0));
        assert!(!look());
    });
}
