//! Servers that a queue cannot use: each is refused with an error that says why.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rrq_core::connection::never;
use rrq_core::server::{Server, ServerOptions};
use rrq_core::{Connection, Error};

use crate::support::{OwnServer, wait_until};

/// What is not a Redis server: answers all that comes at once. Returns its URL.
fn serve(answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut request) = (stream.unwrap(), vec![0; 4096]);
            while let Ok(size @ 1..) = stream.read(&mut request) {
                let answer = answer(&request[..size]);
                if answer.is_empty() || stream.write_all(&answer).is_err() {
                    break;
                }
            }
        }
    });
    format!("redis://127.0.0.1:{port}")
}

/// The answer to the first requests of a connection.
fn information(version: &str) -> Vec<u8> {
    let server = format!("# Server\r\nredis_version:{version}\r\n");
    format!("+OK\r\n${}\r\n{server}\r\n$0\r\n\r\n", server.len()).into_bytes()
}

fn refusal(url: &str) -> String {
    match Connection::open(url, never()) {
        Err(Error::ServerUnsuitable { problem, .. } | Error::NotRedis { problem, .. }) => problem,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("accepted"),
    }
}

#[test]
fn a_server_that_is_too_old_is_refused_with_both_versions() {
    let url = serve(|_| information("6.0.16"));
    let problem = refusal(&url);
    assert!(problem.contains("6.0.16") && problem.contains("6.2"), "{problem}");
    Connection::open_any(&url, never()).unwrap();
    Connection::open(&serve(|_| information("6.2.0")), never()).unwrap();
}

#[test]
fn a_replica_is_refused_at_once_and_its_primary_is_named() {
    let primary = OwnServer::start(&[]);
    let port = primary.port.to_string();
    let replica = OwnServer::start(&["--replicaof", "127.0.0.1", &port]);
    let problem = refusal(&replica.url());
    assert!(problem.ends_with(&format!("127.0.0.1:{port}")), "{problem}");
}

#[test]
fn a_server_that_has_become_a_replica_is_named_as_such() {
    let server = OwnServer::start(&[]);
    let mut connection = Connection::open(&server.url(), never()).unwrap();
    connection.set_retry_timeout(Duration::ZERO, never());
    connection.command(redis::cmd("REPLICAOF").arg("127.0.0.1").arg(1)).unwrap();
    let error = connection.command(redis::cmd("SET").arg("a").arg("b")).unwrap_err();
    assert!(matches!(error, Error::ServerUnsuitable { .. }), "{error}");
}

#[test]
fn a_sentinel_is_refused() {
    let problem = refusal(&OwnServer::start(&["--sentinel"]).url());
    assert!(problem.contains("Sentinel"), "{problem}");
}

#[test]
fn what_is_not_redis_is_named() {
    for (answer, what) in [
        ("HTTP/1.1 400 Bad Request\r\n\r\n", "web server"),
        ("\x15\x03\x01\x00\x02\x02\x46", "TLS"),
        ("SSH-2.0-OpenSSH\r\n", "does not respond like a Redis server"),
    ] {
        let problem = refusal(&serve(|_| answer.as_bytes().to_vec()));
        assert!(problem.contains(what), "{problem}");
    }
    // A server that wants TLS closes a connection that begins without it.
    let is_greeting = |request: &[u8]| request.starts_with(b"\x16\x03");
    let url = serve(move |request| match is_greeting(request) {
        true => b"\x16\x03\x03\x00\x31".to_vec(),
        false => Vec::new(),
    });
    assert!(refusal(&url).contains("TLS"));
}

#[test]
fn a_login_that_fails_says_why() {
    let server = Server::start(&ServerOptions::default()).unwrap();
    let address = format!("127.0.0.1:{}", server.port());
    for (url, what) in [
        (format!("redis://{address}"), "requires a password"),
        (format!("redis://:wrong@{address}"), "rejected the user name or password"),
        (format!("redis://nobody:wrong@{address}"), "rejected the user name or password"),
    ] {
        match Connection::open(&url, never()) {
            Err(Error::Authentication { problem, .. }) => assert!(problem.contains(what)),
            other => panic!("{:?}", other.map(|_| ())),
        }
    }
    let no_password = OwnServer::start(&[]);
    match Connection::open(&format!("redis://:x@127.0.0.1:{}", no_password.port), never()) {
        Err(Error::Authentication { problem, .. }) => assert!(problem.contains("no password")),
        other => panic!("{:?}", other.map(|_| ())),
    }
}

#[test]
fn a_database_that_does_not_exist_is_named() {
    let server = Server::start(&ServerOptions::default()).unwrap();
    let url = server.tcp_url().replace("/0", "/99");
    assert!(refusal(&url).contains("no database 99"));
    let kept = Connection::open(&server.tcp_url().replace("/0", "/3"), never());
    let mut kept = kept.unwrap();
    kept.command(redis::cmd("SET").arg("a").arg("b")).unwrap();
    let keys = Connection::open(&server.tcp_url(), never()).unwrap().command(&redis::cmd("DBSIZE"));
    assert_eq!(keys.unwrap(), redis::Value::Int(0));
}

#[test]
fn a_server_with_too_many_clients_says_so_and_is_asked_again() {
    let server = OwnServer::start(&["--maxclients", "1"]);
    let mut first = None;
    wait_until(|| {
        first = Connection::open(&server.url(), never()).ok();
        first.is_some()
    });
    let mut first = first.unwrap();
    assert!(refusal(&server.url()).contains("maxclients"));
    let mut second = first.duplicate();
    second.set_retry_timeout(Duration::from_secs(20), never());
    let waiting = std::thread::spawn(move || second.command(&redis::cmd("PING")).map(|_| ()));
    wait_until(|| refused_clients(&mut first) > 1);
    drop(first);
    waiting.join().unwrap().unwrap();
}

fn refused_clients(connection: &mut Connection) -> u64 {
    let info = connection.command(redis::cmd("INFO").arg("stats")).unwrap();
    let info: String = redis::from_redis_value(info).unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix("rejected_connections:"));
    line.unwrap().trim().parse().unwrap()
}

#[test]
fn a_server_that_loads_its_data_is_waited_for() {
    let n_loading = AtomicUsize::new(7);
    let url = serve(move |request| {
        if request.windows(4).any(|part| part == b"INFO") {
            return information("7.0.0");
        }
        let left = n_loading.load(Ordering::Relaxed);
        n_loading.store(left.saturating_sub(1), Ordering::Relaxed);
        match left {
            0 => b"+PONG\r\n".to_vec(),
            _ => b"-LOADING Redis is loading the dataset in memory\r\n".to_vec(),
        }
    });
    let mut connection = Connection::open(&url, never()).unwrap();
    // Shorter than it takes.
    connection.set_retry_timeout(Duration::from_millis(100), never());
    connection.command(&redis::cmd("PING")).unwrap();
}
