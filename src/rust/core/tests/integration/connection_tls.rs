//! TLS, with certificates that the tests make themselves. Where the server or the program openssl lacks
//! it, these tests do nothing.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rrq_core::connection::never;
use rrq_core::status::Status;
use rrq_core::{Connection, Error};
use tempfile::TempDir;

use crate::support::*;

/// A server with TLS, and the files of its clients.
struct Secure {
    server: OwnServer,
    port: u16,
    files: TempDir,
}

fn openssl(files: &Path, arguments: &str) -> bool {
    let mut command = Command::new("openssl");
    command.current_dir(files).args(arguments.split(' ')).stderr(Stdio::null());
    command.stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// An authority, a server of the name localhost, and a client.
fn certificates(files: &Path) -> bool {
    std::fs::write(files.join("names"), "subjectAltName=DNS:localhost").unwrap();
    let authority =
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=ca";
    let signed = |name: &str| {
        let request = format!(
            "req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"
        );
        let sign = format!(
            "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 \
             -extfile names -out {name}.crt"
        );
        openssl(files, &request) && openssl(files, &sign)
    };
    openssl(files, authority) && signed("server") && signed("client")
}

impl Secure {
    /// `None` where that is not possible here.
    fn start(auth_clients: &str) -> Option<Self> {
        let files = TempDir::new().unwrap();
        if !certificates(files.path()) || !has_tls() {
            return None;
        }
        let at = |name: &str| files.path().join(name).display().to_string();
        let port = free_port();
        let config = format!(
            "tls-port {port}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\n\
             tls-auth-clients {auth_clients}\n",
            at("server.crt"),
            at("server.key"),
            at("ca.crt")
        );
        let server = OwnServer::with_config(&config, &[]);
        wait_until(|| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(Secure { server, port, files })
    }

    fn file(&self, name: &str) -> String {
        self.files.path().join(name).display().to_string()
    }

    fn url(&self, host: &str, settings: &str) -> String {
        format!("rediss://{host}:{}?{settings}", self.port)
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn has_tls() -> bool {
    let libraries = Command::new("ldd").arg(rrq_core::server::find_program().unwrap()).output();
    libraries.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("libssl"))
}

fn refusal(url: &str) -> String {
    match Connection::open(url, never()) {
        Err(Error::Tls { reason, .. }) => reason,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("accepted"),
    }
}

#[test]
fn tasks_run_over_tls_with_a_private_authority() {
    let Some(secure) = Secure::start("no") else { return };
    let url = secure.url("localhost", &format!("ca={}", secure.file("ca.crt")));
    let mut queue = attach(&url);
    let done = Arc::new(AtomicBool::new(false));
    let worker = work(ready(register(attach(&url), "w", never(), |_| {}).unwrap()), &done);
    let big = "x".repeat(3_000_000);
    let ids = submit_all(&mut queue, &["a", &big, "c"]);
    assert_eq!(wait_for(&mut queue, &ids), [Status::Complete; 3]);
    let value = rrq_core::task::results(&mut queue, &ids[..1]).unwrap().remove(0).value;
    assert_eq!(value.unwrap(), b"a");
    done.store(true, Ordering::Relaxed);
    worker.join().unwrap();
}

#[test]
fn a_server_must_prove_who_it_is() {
    let Some(secure) = Secure::start("no") else { return };
    let ca = format!("ca={}", secure.file("ca.crt"));
    assert!(refusal(&secure.url("localhost", "")).contains("no trust"));
    let wrong_name = refusal(&secure.url("127.0.0.1", &ca));
    assert!(wrong_name.contains("no trust"), "{wrong_name}");
    for settings in ["insecure", "insecure=true"] {
        Connection::open(&secure.url("127.0.0.1", settings), never()).unwrap();
    }
    let missing = refusal(&secure.url("localhost", "ca=/no/such/file"));
    assert!(missing.contains("/no/such/file"), "{missing}");
}

#[test]
fn a_client_proves_who_it_is_by_a_certificate() {
    let Some(secure) = Secure::start("yes") else { return };
    let ca = format!("ca={}", secure.file("ca.crt"));
    let own = format!("cert={}&key={}", secure.file("client.crt"), secure.file("client.key"));
    let mut connection =
        Connection::open(&secure.url("localhost", &format!("{ca}&{own}")), never()).unwrap();
    connection.command(&redis::cmd("PING")).unwrap();
    assert!(Connection::open(&secure.url("localhost", &ca), never()).is_err());
}

#[test]
fn the_wrong_kind_of_link_is_named() {
    let Some(secure) = Secure::start("no") else { return };
    match Connection::open(&format!("redis://localhost:{}", secure.port), never()) {
        Err(Error::NotRedis { problem, .. }) => assert!(problem.contains("rediss://"), "{problem}"),
        other => panic!("{:?}", other.map(|_| ())),
    }
    let reason = refusal(&format!("rediss://localhost:{}?insecure", secure.server.port));
    assert!(reason.contains("does not speak TLS"), "{reason}");
}

#[test]
fn a_silent_server_does_not_hold_a_greeting_for_long() {
    let Some(secure) = Secure::start("no") else { return };
    let url = secure.url("localhost", &format!("ca={}", secure.file("ca.crt")));
    let mut connection = Connection::open(&url, never()).unwrap();
    connection.set_retry_timeout(Duration::ZERO, never());
    connection.set_reply_timeout(Duration::from_millis(300));
    let pid = secure.server.pid().to_string();
    let signal = |name: &str| Command::new("kill").args([name, &pid]).status().unwrap();
    signal("-STOP");
    for _ in 0..2 {
        let outcome = connection.command(&redis::cmd("PING"));
        assert!(matches!(outcome, Err(Error::Connection { .. })));
    }
    signal("-CONT");
    connection.set_retry_timeout(Duration::from_secs(20), never());
    connection.set_reply_timeout(Duration::from_secs(20));
    connection.command(&redis::cmd("PING")).unwrap();
}
