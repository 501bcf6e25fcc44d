//! Waits for a server that is silent, or that never stops: they end when the user or a limit says so.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rrq_core::connection::{Stop, never};
use rrq_core::status::Status;
use rrq_core::{Connection, Error, Queue, task};

use crate::support::*;

/// Far longer than such a wait takes, far shorter than the server may be silent.
const SOON: Duration = Duration::from_secs(10);

#[test]
fn every_wait_for_a_frozen_server_can_be_interrupted() {
    let f = Fixture::new();
    let proxy = f.proxy();
    let mut queue = attach(proxy.url());
    let ids = submit_all(&mut queue, &["x"]);
    proxy.freeze(true);
    let flag = Arc::new(AtomicBool::new(false));
    let seen = flag.clone();
    let stop: Stop = Arc::new(move || seen.load(Ordering::Relaxed));
    queue.connection.set_retry_timeout(Duration::from_secs(60), stop.clone());
    let begun = Instant::now();
    // The first waits for the reply to a request, the second for that to the greeting of a new link.
    for _ in 0..2 {
        flag.store(false, Ordering::Relaxed);
        let n_before = proxy.n_held_back();
        let outcome = std::thread::scope(|scope| {
            let request = scope.spawn(|| task::statuses(&mut queue, &ids));
            wait_until(|| proxy.n_held_back() > n_before);
            flag.store(true, Ordering::Relaxed);
            request.join().unwrap()
        });
        assert!(matches!(outcome, Err(Error::Interrupted)));
    }
    assert!(begun.elapsed() < SOON);
    flag.store(false, Ordering::Relaxed);
    proxy.freeze(false);
    assert_eq!(statuses(&mut queue, &ids), [Status::Pending]);
}

#[test]
fn a_deadline_holds_although_the_server_is_frozen() {
    let f = Fixture::new();
    let proxy = f.proxy();
    let mut queue = attach(proxy.url());
    proxy.freeze(true);
    let begun = Instant::now();
    for _ in 0..2 {
        queue.connection.set_deadline(Some(Instant::now() + Duration::from_millis(150)));
        let outcome = queue.length("default");
        assert!(matches!(outcome, Err(Error::TimedOut { .. })));
    }
    assert!(begun.elapsed() < SOON);
    queue.connection.set_deadline(None);
    proxy.freeze(false);
    assert_eq!(queue.length("default").unwrap(), 0);
}

/// The scripts of a server may be flushed just after one was loaded.
#[test]
fn a_script_that_is_flushed_again_and_again_is_loaded_again_and_again() {
    let f = Fixture::new();
    let mut queue = f.attach();
    let done = Arc::new(AtomicBool::new(false));
    let flag = done.clone();
    let url = f.server.url();
    let flushing = std::thread::spawn(move || {
        let mut raw = raw(&url);
        while !flag.load(Ordering::Relaxed) {
            let _: String = redis::cmd("SCRIPT").arg("FLUSH").query(&mut raw).unwrap();
        }
    });
    for _ in 0..200 {
        submit_all(&mut queue, &["x"]);
    }
    done.store(true, Ordering::Relaxed);
    flushing.join().unwrap();
    assert_eq!(queue.length("default").unwrap(), 200);
}

/// The server takes about a second to read a snapshot, and says that it does.
#[test]
fn a_controller_and_a_worker_that_start_while_the_server_loads_wait_for_it() {
    let mut server = OwnServer::start(&["--save", ""]);
    let fill = "for i = 1, 2000 do redis.call('SET', i, i) end";
    redis::cmd("EVAL").arg(fill).arg(0).exec(&mut raw(&server.url())).unwrap();
    let _: String = server.ask("SAVE");
    server.kill();
    let slowly = [
        "--save",
        "",
        "--key-load-delay",
        "500",
        "--loading-process-events-interval-bytes",
        "1024",
    ];
    server.restart(&slowly);
    assert!(server.try_ask::<String>("PING").is_err(), "the server loads too fast for this test");
    let mut queue = attach(&server.url());
    let ids = submit_all(&mut queue, &["x"]);
    assert_eq!(statuses(&mut queue, &ids), [Status::Pending]);
    server.kill();
    server.restart(&slowly);
    let attached = attach_to(Connection::open(&server.url(), never()).unwrap(), ID, "test");
    ready(register(attached.unwrap(), "w", never(), |_| {}).unwrap());
}

/// A server that says who it is, then answers every request with `answer`, and then with `filler` for ever.
fn serve(answer: &'static [u8], filler: Option<u8>) -> String {
    serve_by(move |stream, n_requests| {
        stream.write_all(&answer.repeat(n_requests))?;
        while let Some(byte) = filler {
            stream.write_all(&[byte; 65536])?;
        }
        Ok(())
    })
}

/// A server that says who it is, then answers so many requests at a time by `answer`.
fn serve_by(
    answer: impl Fn(&mut TcpStream, usize) -> std::io::Result<()> + Send + 'static,
) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut request) = (stream.unwrap(), vec![0; 4096]);
            let info = b"+OK\r\n$21\r\nredis_version:7.0.0\r\n\r\n$0\r\n\r\n";
            let _ = stream.read(&mut request).and_then(|_| stream.write_all(info));
            while let Ok(size @ 1..) = stream.read(&mut request) {
                let n = request[..size].windows(3).filter(|part| part == b"\r\n*").count() + 1;
                if answer(&mut stream, n).is_err() {
                    break;
                }
            }
        }
    });
    format!("redis://127.0.0.1:{port}")
}

#[test]
fn replies_that_make_no_sense_are_errors_of_the_protocol() {
    for (answer, filler) in [
        (&b"?\r\n"[..], None),
        (b"$3\r\nabcdef\r\n", None),
        (b"*99999999999\r\n", None),
        (b":abc\r\n", None),
        (b"+", Some(b'a')),
        (b"*2\r\n+a\r\n-", Some(b'a')),
    ] {
        let mut connection = Connection::open(&serve(answer, filler), never()).unwrap();
        connection.set_retry_timeout(Duration::ZERO, never());
        let outcome = connection.raw_command(&[b"GET".to_vec(), b"a".to_vec()]);
        assert!(matches!(outcome, Err(Error::Protocol { .. })), "{outcome:?}");
    }
}

/// None of them may repeat for ever what such a server does not let end.
#[test]
fn replies_that_are_not_those_of_a_queue_are_errors() {
    for answer in [
        &b"$-1\r\n"[..],
        b"*0\r\n",
        b"*-1\r\n",
        b"+OK\r\n",
        b":0\r\n",
        b":-1\r\n",
        b"$0\r\n\r\n",
        b"*1\r\n*1\r\n:1\r\n",
        b"*1\r\n:2\r\n",
        // A scan that is always at the same place.
        b"*2\r\n$1\r\n7\r\n*0\r\n",
    ] {
        let open = || {
            let mut connection = Connection::open(&serve(answer, None), never()).unwrap();
            connection.set_retry_timeout(Duration::ZERO, never());
            connection.set_reply_timeout(Duration::from_millis(200));
            connection
        };
        use_all(attach_to(open(), ID, "test").unwrap_or_else(|_| Queue::handle(open(), ID)));
    }
}

/// Whatever these return, they do.
fn use_all(mut queue: Queue) {
    let ids = vec!["0".repeat(32)];
    let mut payloads = [b"x".to_vec()].into_iter();
    let all = submission("default", Vec::new());
    let _ = task::submit(&mut queue, &all, || Ok(payloads.next()));
    let _ = task::statuses(&mut queue, &ids);
    let _ = task::results(&mut queue, &ids);
    let _ = task::headers(&mut queue, &ids);
    let _ = task::earlier(&mut queue, &ids[0]);
    let _ = task::later(&mut queue, &ids[0]);
    let _ = task::newest(&mut queue, &ids);
    let _ = task::parent_results(&mut queue, &ids);
    let _ = task::causes(&mut queue, &ids);
    let _ = task::delete(&mut queue, &ids, false);
    let _ = task::list(&mut queue);
    let _ = queue.length("default");
    let _ = queue.list("default");
    let _ = queue.lengths();
    let _ = queue.memory(3);
    let _ = queue.examine(true);
    let _ = queue.destroy(None);
    let begun = Instant::now();
    // A worker tries again until it is told to stop.
    let stop: Stop = Arc::new(move || begun.elapsed() > Duration::from_millis(300));
    let _ = register(queue, "w", stop, |_| {});
}

/// A server whose reply has no end, although it never pauses for long.
fn trickle() -> String {
    serve_by(|stream, _| {
        stream.write_all(b"$1000000000\r\n")?;
        loop {
            stream.write_all(b"a")?;
            std::thread::sleep(Duration::from_millis(5));
        }
    })
}

#[test]
fn a_reply_that_trickles_can_be_interrupted_and_keeps_to_a_deadline() {
    let mut connection = Connection::open(&trickle(), never()).unwrap();
    let get = [b"GET".to_vec(), b"a".to_vec()];
    connection.set_deadline(Some(Instant::now() + Duration::from_millis(300)));
    let outcome = connection.raw_command(&get);
    assert!(matches!(outcome, Err(Error::TimedOut { .. })), "{outcome:?}");
    connection.set_deadline(None);
    let begun = Instant::now();
    let stop: Stop = Arc::new(move || begun.elapsed() > Duration::from_millis(300));
    connection.set_retry_timeout(Duration::ZERO, stop);
    let outcome = connection.raw_command(&get);
    assert!(matches!(outcome, Err(Error::Interrupted)), "{outcome:?}");
    assert!(begun.elapsed() < SOON);
}

/// Such as the messages that a link gets which was subscribed to a channel.
#[test]
fn what_arrives_unasked_answers_no_request() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let url = serve_by(move |stream, _| {
        let n = count.fetch_add(1, Ordering::Relaxed);
        stream.write_all(format!(":{n}\r\n{}", if n == 0 { ":100\r\n" } else { "" }).as_bytes())
    });
    let mut connection = Connection::open(&url, never()).unwrap();
    let mut ask = || {
        let reply = connection.command(&redis::cmd("GET").arg("a").clone());
        redis::from_redis_value::<usize>(reply.unwrap()).unwrap()
    };
    assert_eq!((ask(), ask(), ask()), (0, 1, 2));
}

/// Those that try for a short time only, as for commands of a user, which are not repeated.
#[test]
fn a_request_that_is_not_repeated_can_be_interrupted() {
    let mut connection = Connection::open(&serve(b"", None), never()).unwrap();
    connection.set_retry_timeout(Duration::ZERO, Arc::new(|| true));
    let outcome = connection.raw_command(&[b"GET".to_vec(), b"a".to_vec()]);
    assert!(matches!(outcome, Err(Error::Interrupted)), "{outcome:?}");
}

/// While a slot changes hands, both nodes may name each other for a moment.
#[test]
fn nodes_that_name_each_other_for_a_while_are_followed_until_one_answers() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let url = serve_by(move |stream, _| match count.fetch_add(1, Ordering::Relaxed) {
        0..44 => write!(stream, "-MOVED 1 :{}\r\n", stream.local_addr()?.port()),
        _ => stream.write_all(b":1\r\n"),
    });
    let url = url.replace("redis://", "redis+cluster://");
    let mut connection = Connection::open(&url, never()).unwrap();
    connection.set_retry_timeout(Duration::from_secs(60), never());
    let reply = connection.raw_command(&[b"GET".to_vec(), b"a".to_vec()]);
    assert!(reply.is_ok(), "{reply:?}");
}
